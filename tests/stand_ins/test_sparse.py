"""Products of SciPy's sparse matrices with traced arrays."""

import numpy as np
import pytest
import scipy.sparse

import wengert as wg

DENSE = np.random.default_rng(1).uniform(-1.0, 1.0, (6, 4))
A = scipy.sparse.csr_matrix(np.where(DENSE > 0.0, DENSE, 0.0))
X = np.random.default_rng(2).normal(size=4)

PRODUCTS = {
    "S @ v": lambda s, x: s @ x,
    "S.dot(v)": lambda s, x: s.dot(x),
    "S.T.dot(w)": lambda s, x: s.T.dot(np.append(x, x[:2])),
    "v @ S": lambda s, x: np.append(x, x[:2]) @ s,
    "S @ column": lambda s, x: s @ x[:, None],
}
MATRICES = {
    "S @ M": lambda s, x: s @ np.outer(x, x),
    "M @ S": lambda s, x: np.outer(x, np.append(x, x[:2])) @ s,
}


def check(f):
    value, gradient = wg.value_and_grad(f)(X)
    assert value == f(X)
    slopes = [(f(X + h) - f(X - h)) / 2e-6 for h in 1e-6 * np.eye(4)]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(wg.jvp(f, (X,), (X,))[1], gradient @ X, rtol=1e-12)
    np.testing.assert_allclose(wg.vmap(f)(np.stack([X, X]))[1], value, rtol=1e-12)
    np.testing.assert_allclose(wg.jit(wg.value_and_grad(f))(X)[1], gradient, rtol=1e-12)
    np.testing.assert_allclose(wg.jit(f)(X), value, rtol=1e-12)
    np.testing.assert_allclose(wg.hessian(f)(X), wg.jacfwd(wg.grad(f))(X), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=PRODUCTS)
@pytest.mark.parametrize("kind", ["matrix", "array"])
@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "dia", "lil", "dok"])
def test_products_with_vectors(form, kind, product):
    sparse = getattr(scipy.sparse, f"{form}_{kind}")(A)
    check(lambda x: np.sum(np.sin(product(sparse, x))))


@pytest.mark.parametrize("product", MATRICES.values(), ids=MATRICES)
@pytest.mark.parametrize("form", ["csr", "csc", "bsr", "dok"])
def test_products_with_matrices(form, product):
    sparse = getattr(scipy.sparse, f"{form}_array")(A)
    check(lambda x: np.sum(np.sin(product(sparse, x))))


def test_plain_products_are_scipys():
    wg.grad(lambda x: np.sum(A @ x))(X)
    found = A @ X
    assert type(found) is np.ndarray
    wg.stand_ins(False)
    try:
        assert found.tolist() == (A @ X).tolist()
    finally:
        wg.stand_ins(True)
