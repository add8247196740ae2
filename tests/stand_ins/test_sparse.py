"""Products of SciPy's sparse matrices with traced arrays."""

import numpy as np
import pytest
import scipy.sparse

import wengert as wg
from numpy_routes import every_route_agrees

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


# -- matrices of which entries are traced, and what a matrix is made of ----------------------------

D = A[:4].toarray() + np.eye(4)
ROWS, COLUMNS = np.nonzero(D)
ROWS, COLUMNS = np.append(ROWS, ROWS[:3]), np.append(COLUMNS, COLUMNS[:3])
ENTRIES = D[ROWS, COLUMNS]
V = np.arange(1.0, 5.0)
sp = scipy.sparse


def multiplied(csr, coo, x):
    s = csr(D)
    return (
        np.sum(s.multiply(V * x).toarray() ** 2)
        + np.sum((s * x) @ V)
        + np.sum(s.multiply(x * s).tocoo().toarray()[1] ** 2)
        + np.sum((s.power(2) / x - s).tocsc() @ V)
    )


def assembled(csr, coo, x):
    entries = coo((ENTRIES * x, (ROWS, COLUMNS)), shape=(4, 4))
    return (
        np.sum((entries.tocsr() @ V) ** 2)
        + np.sum((entries.tocsc() @ (V * x)) ** 2)
        + np.sum((csr((ENTRIES * x, (ROWS, COLUMNS)), shape=(4, 4)).T @ V) ** 2)
        + np.sum(entries.toarray() ** 2)
        + np.sum(entries @ (x * D))
    )


def parts(csr, coo, x):
    s = csr((ENTRIES * x, (ROWS, COLUMNS)), shape=(4, 4))
    return (
        np.sum((s[[0, 2]] @ V) ** 2)
        + np.sum((s[::2] @ V) ** 2)
        + np.sum((s[:, [0, 2]] @ V[:2]) ** 2)
        + s[0, 0] * s[1:3, 1:].toarray()[0, 1]
        + np.sum(s.diagonal() ** 2)
        + np.sum(s.data[:2])
    )


def arithmetic(csr, coo, x):
    s, t = csr(D) * x, csr(D.T)
    return (
        np.sum(((sp.eye(4, format="csr") - s) @ V) ** 2)
        + np.sum(((s + t) @ V) ** 2)
        + np.sum(((s @ t) @ V) ** 2)
        + np.sum((sp.hstack([s, t]) @ np.ones(8)) ** 2)
        + np.sum(sp.kron(s, sp.eye(2)) @ np.ones(8))
        + np.sum(sp.bmat([[s, None], [None, t]]).tocsr() @ np.ones(8))
    )


def diagonals(csr, coo, x):
    d = sp.diags([V * x, V[:3] * x * x], [0, 1])
    return (
        np.sum((d @ V) ** 2)
        + np.sum(((d @ csr(D)) @ (V * x)) ** 2)
        + np.sum(d.toarray() ** 2)
        + np.sum((d.tocsr() @ V) ** 2)
        + np.sum(sp.spdiags(np.array([V * x]), [0], 4, 4) @ D)
        + np.sum(sp.dia_array(D) @ (D * x))
    )


@pytest.mark.parametrize("kind", ["array", "matrix"])
@pytest.mark.parametrize("f", [multiplied, assembled, parts, arithmetic, diagonals])
def test_entries_may_be_traced(f, kind):
    csr, coo = getattr(sp, f"csr_{kind}"), getattr(sp, f"coo_{kind}")
    every_route_agrees(lambda x: f(csr, coo, x), 0.7)


def test_an_entry_that_cancels_has_a_derivative():
    s = sp.csr_array(D)
    slope = wg.grad(lambda x: ((s - s * x) @ V)[0])(1.0)
    assert slope == pytest.approx(-(D @ V)[0], rel=1e-14)
    assert wg.grad(lambda x: sp.diags(V * x).tocsr().toarray()[1, 1])(0.0) == 2.0


def test_what_is_an_np_matrix_is_refused_with_another_way():
    with pytest.raises(wg.errors.UnsupportedError, match=r"S\.toarray\(\) for S\.todense"):
        wg.grad(lambda x: (sp.csr_matrix(D) * x).todense()[0, 0])(1.0)
