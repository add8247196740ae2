"""``np.linalg``: values are NumPy's, derivatives exact; where there is none, an error says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from support import assert_derivatives, gradient
from wengert.errors import UnknownDerivativeError, UnsupportedError

A = np.array([[3.0, 0.4, -0.3], [0.1, 1.5, 0.6], [-0.5, 0.2, 0.4]])
STACK = np.stack([A, 1.1 * A.T + 0.3 * np.eye(3)])
S = np.array([[2.0, 0.3, -0.4], [0.3, 0.8, 0.2], [-0.4, 0.2, 4.1]])
B = np.array([[0.3, -1.2], [0.7, 0.4], [1.1, 0.9]])
TALL = np.array([[1.0, 0.2], [-0.3, 2.0], [0.5, 0.4], [0.9, -0.8]])
WIDE = TALL.T
C = np.array([[1.0 + 0.5j, 0.3 - 0.2j, 0.1], [0.4j, 1.5 - 0.3j, 0.2], [0.5, -0.3, 2.2j]])
FOUR = np.diag([1.0, 2.0, 3.0, 4.0]) + 0.1
L = np.linalg


def squares(x: Any) -> Any:
    """What does not depend on the signs that factorisations leave open."""
    return np.abs(x) ** 2


CASES: dict[str, tuple[Any, Any]] = {
    "solve": (lambda a: L.solve(a, B), A),
    "solve right": (lambda b: L.solve(A, b), B),
    "solve vector": (lambda b: L.solve(A, b), B[:, 0]),
    "solve stack": (lambda a: L.solve(a, B[:, 0]), STACK),
    "solve complex": (lambda a: np.abs(L.solve(a * C, B)), A),
    "inv": (L.inv, STACK),
    "det": (L.det, STACK),
    "det of a singular matrix": (L.det, np.outer([1.0, 2, 3], [0.5, -1, 2])),
    "det of a matrix singular but for rounding": (
        L.det,
        np.array([[0.09, 0.18, 0.52], [-0.54, 0.18, -0.53], [-0.33, 0.54, 0.56]]),
    ),
    "det of complex": (lambda a: np.abs(L.det(a * C)), A),
    "slogdet": (lambda a: L.slogdet(a).logabsdet * L.slogdet(a).sign, -STACK),
    "slogdet of complex": (lambda a: np.real(L.slogdet(a * C)[0]) * L.slogdet(a * C)[1], A),
    "cholesky": (L.cholesky, S),
    "cholesky upper": (lambda a: L.cholesky(a, upper=True), S),
    "cholesky of a a^T": (lambda a: L.cholesky(a @ a.T + np.eye(3)), A),
    "eigh": (lambda a: np.concatenate([L.eigh(a).eigenvalues, squares(L.eigh(a)[1]).ravel()]), S),
    "eigh upper": (lambda a: L.eigh(a, UPLO="U")[1] ** 2, S),
    "eigvalsh": (L.eigvalsh, S),
    "eigvalsh upper": (lambda a: L.eigvalsh(a, "U"), S),
    "eigh of complex": (lambda a: squares(L.eigh(a + 0.3j * (a - a.T))[1]), S),
    "eig": (lambda a: np.concatenate([L.eig(a)[0], squares(L.eig(a)[1]).ravel()]), A),
    "eigvals": (L.eigvals, A),
    "eigvals of a rotation": (lambda a: np.imag(L.eigvals(a)), np.array([[1.0, 2], [-1.5, 0.7]])),
    "svd": (lambda a: np.concatenate([squares(p).ravel() for p in L.svd(a)]), A),
    "svd tall": (lambda a: squares(L.svd(a, full_matrices=False).U), TALL),
    "svd wide": (lambda a: squares(L.svd(a, full_matrices=False).Vh), WIDE),
    "svd values": (lambda a: L.svd(a, compute_uv=False), WIDE),
    "svdvals": (L.svdvals, TALL),
    "qr": (lambda a: np.concatenate(L.qr(a)), A),
    "qr tall": (lambda a: np.concatenate(L.qr(a)), TALL),
    "qr wide": (lambda a: L.qr(a)[1], WIDE),
    "qr r": (lambda a: L.qr(a, mode="r"), TALL),
    "pinv": (L.pinv, TALL),
    "pinv wide": (lambda a: L.pinv(a, rtol=1e-10), WIDE),
    "lstsq": (lambda a: L.lstsq(a, np.array([1.0, 2, 3, 4]))[0], TALL),
    "lstsq residuals": (lambda a: L.lstsq(a, np.array([1.0, 2, 3, 4]))[1], TALL),
    "lstsq right": (lambda b: L.lstsq(TALL, b)[0], np.ones((4, 2))),
    "lstsq wide": (lambda a: L.lstsq(a, np.array([1.0, 2]))[0], WIDE),
    "matrix_power": (lambda a: L.matrix_power(a, 5), A),
    "matrix_power negative": (lambda a: L.matrix_power(a, -2), A),
    "matrix_power zero": (lambda a: L.matrix_power(a, 0) * a, A),
    "multi_dot": (lambda a: L.multi_dot([a, B, B.T, a]), A),
    "multi_dot vectors": (lambda v: L.multi_dot([v, A, B, B.T, v]), B[:, 0]),
    "tensorsolve": (lambda a: L.tensorsolve(a.reshape(2, 2, 4), np.ones((2, 2))), FOUR),
    "tensorsolve axes": (lambda a: L.tensorsolve(a.reshape(2, 4, 2), np.ones((2, 2)), (1,)), FOUR),
    "tensorinv": (lambda a: L.tensorinv(a.reshape(4, 2, 2), 1), FOUR),
    "cond": (L.cond, A),
    "cond 1": (lambda a: L.cond(a, 1), A),
    "cond -2": (lambda a: L.cond(a, -2), A),
    "matrix_rank": (lambda a: a * L.matrix_rank(a), A),
    "trace diagonal": (lambda a: L.trace(a**2)[:, None] * L.diagonal(a, offset=0), STACK),
    "matrix_transpose": (lambda a: L.matrix_transpose(a) @ a, STACK),
    "vector_norm": (lambda a: L.vector_norm(a, axis=1, ord=3), A),
    "matrix_norm": (lambda a: L.matrix_norm(a, ord="nuc", keepdims=True), STACK),
}


@pytest.mark.parametrize("name", CASES)
def test_value_and_derivatives_of(name: str) -> None:
    assert_derivatives(*CASES[name])


COMPLEX_WITHOUT_VALUES = {"eig", "eigvals"}


@pytest.mark.parametrize("name", sorted(set(CASES) - COMPLEX_WITHOUT_VALUES))
def test_vmap_is_a_loop_over(name: str) -> None:
    f, x = CASES[name]
    stack = np.stack([x, 1.01 * x + 0.003])
    for g in (f, wg.grad(lambda x: np.sum(f(x)))):
        wanted = np.stack([g(x) for x in stack])
        np.testing.assert_allclose(wg.vmap(g)(stack), wanted, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("order", [None, 1, 2, 3, 2.5, 0.5, np.inf, -np.inf, -1, 0])
def test_norms_of_vectors(order: Any, keepdims: bool) -> None:
    assert_derivatives(lambda x: L.norm(x, order, axis=0, keepdims=keepdims), A)
    assert_derivatives(lambda x: L.norm(x, order), A[0])


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("order", [None, "fro", "nuc", 1, 2, np.inf, -1, -2, -np.inf])
def test_norms_of_matrices(order: Any, keepdims: bool) -> None:
    assert_derivatives(lambda x: L.norm(x, order, keepdims=keepdims), A)
    assert_derivatives(lambda x: L.norm(x, order, axis=(2, 0), keepdims=keepdims), STACK)


@pytest.mark.parametrize("order", [None, 1, 2, 3, 1.5, np.inf])
def test_a_norm_at_zero_has_derivative_zero_or_a_share_of_it(order: Any) -> None:
    found = gradient(lambda x: L.norm(x, order), np.zeros(3))
    np.testing.assert_array_equal(found, np.zeros(3))
    if order != 1.5:
        assert np.isfinite(wg.hessian(lambda x: L.norm(x, order))(np.zeros(3))).all()


def test_the_determinant_of_a_matrix_of_rank_one_below_full_has_the_cofactors_as_gradient() -> None:
    a = np.array([[1.0, 2, 3], [2, 4, 6], [1, 0, 1]])
    np.testing.assert_allclose(gradient(L.det, a), [[4, 4, -4], [-2, -2, 2], [0, 0, 0]], atol=1e-12)


def test_the_hessian_of_the_determinant_of_zero_is_that_of_a_d_minus_b_c() -> None:
    wanted = np.zeros((2, 2, 2, 2))
    wanted[0, 0, 1, 1] = wanted[1, 1, 0, 0] = 1
    wanted[0, 1, 1, 0] = wanted[1, 0, 0, 1] = -1
    np.testing.assert_array_equal(wg.hessian(L.det)(np.zeros((2, 2))), wanted)


def test_third_derivatives_of_a_determinant() -> None:
    e = np.array([[0.2, 0.1, -0.4], [0.7, -0.3, 0.5], [0.1, 0.9, 0.3]])
    f: Any = lambda t: L.det(A + t * e)  # noqa: E731
    for _ in range(3):
        f = wg.grad(f)
    np.testing.assert_allclose(f(0.0), 6 * L.det(e), rtol=1e-10)


def test_a_function_of_a_triangle_has_the_derivative_zero_in_the_other() -> None:
    for f in (lambda a: np.sum(L.cholesky(a)), lambda a: np.sum(L.eigvalsh(a) ** 2)):
        found = gradient(f, S)
        assert not np.triu(found, 1).any()
        assert found[np.tril_indices(3, -1)].all()


def test_equal_eigenvalues_have_derivatives_if_their_vectors_are_not_needed() -> None:
    a = np.diag([2.0, 2.0, 5.0])
    np.testing.assert_allclose(gradient(lambda a: np.sum(L.eigvalsh(a) ** 2), a), 2 * a)
    np.testing.assert_allclose(gradient(lambda a: np.sum(L.eigh(a)[0] ** 2), a), 2 * a)
    np.testing.assert_allclose(gradient(lambda a: L.norm(a, "nuc"), a), np.eye(3), atol=1e-12)


@pytest.mark.parametrize(
    ("function", "point"),
    [
        (lambda a: np.sum(L.eigh(a)[1][:, 0] * A[0]), np.diag([2.0, 2.0, 5.0])),
        (lambda a: np.sum(L.svd(a)[0][:, 1] * A[0]), np.diag([2.0, 2.0, 5.0])),
        (lambda a: np.real(np.sum(L.eig(a)[1][:, 0] * A[0])), np.diag([2.0, 2.0, 5.0])),
        (lambda a: np.sum(L.svd(a, full_matrices=False)[0] * TALL), TALL * [1.0, 0.0]),
        (lambda a: np.imag(L.eigh(a * (1 + 0j))[1][0, 0]), S),
        (lambda a: np.real(L.svd(a * C)[0][0, 0]), A),
    ],
)
def test_vectors_without_a_derivative_are_an_error(function: Any, point: Any) -> None:
    with pytest.raises(UnknownDerivativeError, match="vectors"):
        gradient(function, point)


def test_forward_mode_says_it_too_when_the_direction_splits_equal_eigenvalues() -> None:
    a, e = np.eye(2), np.array([[0.0, 1.0], [1.0, 0.0]])
    with pytest.raises(UnknownDerivativeError, match="equal"):
        wg.jvp(lambda a: L.eigh(a)[1], (a,), (e,))


@pytest.mark.parametrize("point", [np.outer([1, 2, 3], [1.0, 1]), np.zeros((2, 3)), np.eye(2)])
def test_values_alone_have_tangents_where_vectors_have_none(point: Any) -> None:
    direction = np.resize([1.0, 2, 4, 3, -1, 5], point.shape)

    def values(a: Any) -> Any:
        return L.svd(a, full_matrices=False)[1]

    wanted = wg.jvp(L.svdvals, (point,), (direction,))[1]
    for found in (
        wg.jvp(values, (point,), (direction,))[1],
        wg.linearize(values, point)[1](direction),
        wg.jit(lambda a: wg.jvp(values, (a,), (direction,))[1])(point),
        [np.sum(row * direction) for row in wg.jacobian(values)(point)],
    ):
        np.testing.assert_allclose(found, wanted, atol=1e-12)
    if point.shape == (2, 2):
        found = wg.jvp(lambda a: L.eigh(a)[0], (point,), (np.ones((2, 2)),))[1]
        np.testing.assert_allclose(found, [1.0, 1.0])


@pytest.mark.parametrize("use", [lambda u: u, lambda u: u + 1, lambda u: u.T[1], lambda u: u * u])
def test_vectors_that_are_used_are_an_error_in_forward_mode_too(use: Any) -> None:
    a = np.outer([1, 2, 3], [1.0, 1])
    with pytest.raises(UnknownDerivativeError, match="singular value 0"):
        wg.jvp(lambda a: use(L.svd(a, full_matrices=False)[0]), (a,), (TALL[1:],))


def test_second_derivatives_at_several_zero_singular_values() -> None:
    a = np.outer([1, 2, 3], [1.0, 1, 2])
    second = wg.hessian(lambda a: np.sum(L.svdvals(a) ** 2))(a)
    np.testing.assert_allclose(second.reshape(9, 9), 2 * np.eye(9), atol=1e-13)
    with pytest.raises(UnknownDerivativeError, match="singular value 0"):
        wg.hessian(lambda a: np.sum(L.svdvals(a)))(a)


COMPLEX_SVD: dict[str, Any] = {
    "the values": lambda u, s, vh: np.sum(np.exp(s)),
    "a value": lambda u, s, vh: s[1],
    "an approximation of rank 1": lambda u, s, vh: np.sum(np.sin(np.abs(u[:, :1] * s[0] @ vh[:1]))),
    "the polar factor": lambda u, s, vh: np.sum(np.real(u @ vh) ** 3),
    "sizes of components": lambda u, s, vh: np.sum(np.abs(u[:, 0]) ** 3 * np.abs(vh[1, 0])),
}


@pytest.mark.parametrize("name", COMPLEX_SVD)
@pytest.mark.parametrize("shape", [(2, 2), (3, 2), (2, 3)])
def test_complex_singular_values_and_vectors(name: str, shape: tuple[int, int]) -> None:
    parts = np.random.default_rng(0).standard_normal((2, *shape))

    def f(x: Any) -> Any:
        return COMPLEX_SVD[name](*L.svd(x[0] + 1j * x[1], full_matrices=False))

    assert_derivatives(f, parts)


@pytest.mark.parametrize(
    "function",
    [
        lambda a: L.qr(a, mode="complete")[0],
        lambda a: L.pinv(a, hermitian=True),
        lambda a: L.svd(a, hermitian=True)[1],
        lambda a: L.matrix_rank(a, rtol=1e-3) * a,
    ],
)
def test_what_is_not_determined_is_refused_with_a_remedy(function: Any) -> None:
    with pytest.raises(UnsupportedError, match="Write instead"):
        gradient(lambda a: np.sum(function(a)), TALL)


def test_results_are_named_as_numpys() -> None:
    names = []

    def f(a: Any) -> Any:
        for result in (L.eigh(a), L.svd(a), L.qr(a), L.slogdet(a), L.eig(a)):
            names.append(type(result).__name__)
        return np.sum(a)

    gradient(f, S)
    assert names == ["EighResult", "SVDResult", "QRResult", "SlogdetResult", "EigResult"]


@pytest.mark.parametrize(
    "f",
    [
        lambda a: np.linalg.eigh(a)[1][0, 0],
        lambda a: np.linalg.svd(a)[0][0, 0],
        lambda a: np.linalg.eigh(np.diag([2.0, 2.0, 5.0]) * a[0, 0])[1][1, 1],
    ],
)
def test_reverse_mode_never_takes_the_vectors_of_equal_values_for_constant(f: Any) -> None:
    with pytest.raises(UnknownDerivativeError, match="equal"):
        wg.grad(f)(np.eye(2))


@pytest.mark.parametrize("shape", [(3, 2), (2, 4)])
@pytest.mark.parametrize("turn", [1.0, 1.0 + 0.5j])
def test_values_and_thin_vectors_of_a_whole_svd_are_differentiated(
    shape: tuple[int, int], turn: complex
) -> None:
    a = TALL[:2, :1] * turn * np.arange(1.0, 5) + np.eye(2, 4)
    a = a if shape == (2, 4) else (a * np.array([[1.0, 2, 3, 5]])).T[:3]
    square = 2 if shape == (3, 2) else 0

    def f(x: Any) -> Any:
        parts = L.svd(x)
        return parts[1][0] ** 3 + np.sum(np.abs(parts[square]) ** 4 * np.arange(2))

    step = 1e-6 * a * a
    slope = (f(a + step) - f(a - step)) / 2
    assert np.real(np.sum(wg.grad(f)(a) * step)) == pytest.approx(slope, rel=1e-6)
    assert wg.jvp(f, (a,), (step,))[1] == pytest.approx(slope, rel=1e-6)
    assert [y.type.shape for y in wg.trace(L.svd)(a).outputs] == [y.shape for y in L.svd(a)]
    undetermined = 0 if shape == (3, 2) else 2
    with pytest.raises(wg.errors.UnknownDerivativeError, match="nothing determines"):
        wg.grad(lambda x: np.sum(np.abs(L.svd(x)[undetermined]) ** 4))(a)


def test_a_level_that_a_tangent_parts_has_no_derivative_of_its_vectors() -> None:
    ring = -np.roll(np.eye(4), 1, axis=0) - np.roll(np.eye(4), -1, axis=0)

    def bond(h: Any) -> Any:
        v = L.eigh(h)[1]
        return (v[:, :2] @ v[:, :2].T)[0, 1]

    for derivative in (wg.grad(bond), wg.jacfwd(bond)):
        with pytest.raises(wg.errors.UnknownDerivativeError, match="equal eigenvalues"):
            derivative(ring)
    with pytest.raises(wg.errors.UnknownDerivativeError, match="equal eigenvalues"):
        wg.jvp(lambda a: L.eigh(a)[1], (np.eye(2),), (np.diag([1.0, 2.0]),))
    vectors = wg.jvp(lambda a: L.eigh(a)[1], (np.eye(2),), (np.eye(2),))[1]
    np.testing.assert_array_equal(vectors, np.zeros((2, 2)))


@pytest.mark.parametrize("p", [None, -2])
def test_the_condition_of_zeros_is_numpys(p):
    zeros = np.zeros((2, 2))
    value, gradient = wg.value_and_grad(lambda a: np.linalg.cond(a, p))(zeros)
    assert value == np.linalg.cond(zeros, p) == np.inf
    assert np.all(np.isnan(gradient))


@pytest.mark.parametrize("order", [np.inf, -np.inf, 1, 2, "fro", "nuc"])
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_the_norm_of_no_elements_is_numpys(shape, order):
    x = np.zeros(shape)
    try:
        value = np.linalg.norm(x, order)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011  (NumPy's own)
            wg.grad(np.linalg.norm)(x, order)
        return
    assert wg.value_and_grad(np.linalg.norm)(x, order)[0] == value
    assert wg.grad(np.linalg.norm)(x, order).shape == shape
    assert wg.jvp(lambda x: np.linalg.norm(x, order), (x,), (x,))[1] == 0
