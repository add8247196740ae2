"""Linear algebra in compiled code: the evaluator's results, its errors, and no calls to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from agreement import assert_agreement

import wengert as wg
from support import slow
from wengert.compile import Native, blas, build
from wengert.evaluate import evaluate
from wengert.program import Program
from wengert.transforms import jvp, vjp, vmap

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

la = np.linalg
RNG = np.random.default_rng(3)

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "solve": la.solve,
    "inv": la.inv,
    "det": la.det,
    "slogdet": lambda a: tuple(la.slogdet(a)),
    "cholesky": lambda a: la.cholesky(a @ np.swapaxes(a, -1, -2) + np.eye(a.shape[-1])),
    "qr": lambda a: tuple(la.qr(a)),
    "eigh": lambda a: tuple(la.eigh(a)),
    "eigh of the upper triangle": lambda a: tuple(la.eigh(a, "U")),
    "eigvalsh": la.eigvalsh,
    "svd": lambda a: tuple(la.svd(a, full_matrices=False)),
    "svdvals": la.svdvals,
    "pinv": la.pinv,
    "matrix_rank": la.matrix_rank,
}
ONE = [name for name in FUNCTIONS if name != "solve"]
TALL = ["qr", "svd", "svdvals", "pinv", "matrix_rank"]


def traced(f: Callable[..., Any], *values: Any) -> Program:
    return wg.trace(f)(*values)


def random(*shape: int, dtype: Any = np.float64) -> Any:
    return RNG.standard_normal(shape).astype(dtype)


def assert_native(program: Program, values: Sequence[Any]) -> Native:
    """Compiled without calls to the evaluator, with its results."""
    native = assert_agreement(program, values)
    assert native.callouts == 0
    return native


def assert_same(f: Callable[..., Any], *values: Any) -> None:
    """Bit by bit what NumPy gives: the same routine of the same library."""
    found = build(traced(f, *values)).run(list(values))
    wanted = f(*values)
    for x, y in zip(found, wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
        assert np.array_equal(x, y)
        assert np.asarray(x).dtype == np.asarray(y).dtype


# -- values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("n", [0, 1, 4, 7])
def test_square_matrices(name: str, n: int) -> None:
    if name in ("svd", "svdvals", "pinv") and n == 0:
        return
    a = random(n, n)
    assert_native(traced(FUNCTIONS[name], a), [a])


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("shape", [(2, 5, 2, 2), (6, 6, 6), (0, 3, 3)])
def test_stacks(name: str, shape: tuple[int, ...]) -> None:
    a = random(*shape)
    assert_native(traced(FUNCTIONS[name], a), [a])


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("n", [3, slow(6, reason="larger matrices")])
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_other_dtypes_are_computed_in_float64(name: str, n: int, dtype: Any) -> None:
    a = (random(4, n, n) * 5).astype(dtype)
    native = build(traced(FUNCTIONS[name], a))
    assert native.callouts == 0
    for x, y in zip(native.run([a]), evaluate(native.program, [a]), strict=True):
        assert np.asarray(x).dtype == np.asarray(y).dtype
        assert np.allclose(x, y, rtol=1e-5 if dtype == np.float32 else 1e-9, atol=1e-6)


@pytest.mark.parametrize("name", TALL)
@pytest.mark.parametrize("shape", [(4, 1), (3, 7, 2)])
def test_tall_and_wide_matrices(name: str, shape: tuple[int, ...]) -> None:
    a = random(*shape)
    assert_native(traced(FUNCTIONS[name], a), [a])
    if name != "qr":
        wide = np.swapaxes(a, -1, -2).copy()
        assert_native(traced(FUNCTIONS[name], wide), [wide])


@pytest.mark.parametrize(
    "shapes",
    [
        ((1, 1), (1, 1)),
        ((2, 2), (2, 1)),
        ((4, 4), (4, 4)),
        ((4, 4), (4, 5)),
        ((6, 6), (6, 1)),
        ((6, 6), (6, 3)),
        ((6, 6), (5, 6, 1)),
        ((6, 6), (5, 6, 2)),
        ((5, 6, 6), (6, 2)),
        ((2, 1, 3, 3), (4, 3, 2)),
        ((2, 1, 6, 6), (4, 6, 2)),
        ((3, 3), (3, 0)),
        ((0, 0), (0, 2)),
        ((0, 3, 3), (3, 2)),
    ],
)
def test_solve(shapes: tuple[tuple[int, ...], ...]) -> None:
    values = [random(*shape) for shape in shapes]
    assert_native(traced(la.solve, *values), values)


def test_operands_that_are_views() -> None:
    a, b = random(5, 5), random(7, 3, 3)
    assert_native(traced(lambda x: la.inv(x.T), a), [a])
    assert_native(traced(lambda x: la.det(np.swapaxes(x[::2], -1, -2)), b), [b])
    assert_native(traced(lambda x: la.solve(x[1:, ::-1][:, 1:], x[1:, :1]), a), [a])
    assert_native(traced(lambda x: la.inv(np.broadcast_to(x[:3, :3], (4, 3, 3))), a), [a])
    assert_native(traced(lambda x: la.cholesky(np.exp(-np.abs(x + x.T)) + 9 * np.eye(5)), a), [a])


@pytest.mark.skipif(blas.identity().endswith("None"), reason="NumPy's own LAPACK is not found")
@pytest.mark.parametrize("name", ["qr", "eigh", "eigh of the upper triangle", "svd", "svdvals"])
@pytest.mark.parametrize("n", [2, 3, 40])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_factors_and_their_signs_are_those_of_numpy(name: str, n: int, dtype: Any) -> None:
    a = random(20, n, n, dtype=dtype)
    a[1], a[2] = 1, np.eye(n)
    assert_same(FUNCTIONS[name], a)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_small_systems_are_solved_as_well_as_by_numpy(n: int) -> None:
    a, b = random(5000, n, n), random(5000, n, 1)
    (found,) = build(traced(la.solve, a, b)).run([a, b])
    size = np.linalg.norm(a, axis=(1, 2)) * np.linalg.norm(found, axis=(1, 2))
    residual = np.linalg.norm(a @ found - b, axis=(1, 2)) / size
    wanted = np.linalg.norm(a @ la.solve(a, b) - b, axis=(1, 2)) / size
    assert residual.max() < 4 * max(wanted.max(), 1e-16)


@pytest.mark.parametrize("scale", [1e-200, 1e80, 1e150])
@pytest.mark.parametrize("n", [2, 7])
def test_numbers_near_the_ends_of_the_range(n: int, scale: float) -> None:
    a = random(n, n) * scale
    for name in ("inv", "det", "slogdet", "svdvals"):
        native = build(traced(FUNCTIONS[name], a))
        for x, y in zip(native.run([a]), evaluate(native.program, [a]), strict=True):
            assert np.allclose(x, y, rtol=1e-9, atol=0)


def test_determinants_of_singular_matrices() -> None:
    for a in ([[1.0, 2.0], [2.0, 4.0]], np.ones((5, 5)), np.zeros((3, 3)), np.arange(16.0)):
        a = np.reshape(a, (int(np.sqrt(np.size(a))),) * 2)
        native = build(traced(lambda x: (la.det(x), *la.slogdet(x)), a))
        for x, y in zip(native.run([a]), evaluate(native.program, [a]), strict=True):
            assert x == y or abs(x - y) < 1e-14 or np.isneginf(y)


# -- errors ----------------------------------------------------------------------------------------


def assert_same_error(f: Callable[..., Any], *values: Any, like: Sequence[Any]) -> None:
    """The function compiled for matrices like those of ``like`` raises what NumPy raises."""
    with pytest.raises(la.LinAlgError) as wanted:
        f(*values)
    native = build(traced(f, *like))
    assert native.callouts == 0
    with pytest.raises(la.LinAlgError) as found:
        native.run(list(values))
    assert str(found.value) == str(wanted.value)
    for x, y in zip(native.run(list(like)), evaluate(native.program, list(like)), strict=True):
        assert np.allclose(x, y)


@pytest.mark.parametrize("n", [1, 3, 6])
@pytest.mark.parametrize("stack", [(), (5,)])
def test_what_numpy_refuses(n: int, stack: tuple[int, ...]) -> None:
    good = random(*stack, n, n) + 4 * np.eye(n)
    singular = np.array(good)
    singular[..., -1, :] = 0
    assert_same_error(la.inv, singular, like=[good])
    assert_same_error(la.solve, singular, good[..., :1], like=[good, good[..., :1]])
    negative = np.array(good @ np.swapaxes(good, -1, -2))
    positive = np.array(negative)
    negative[..., -1, -1] *= -1
    assert_same_error(la.cholesky, negative, like=[positive])
    nan = np.array(good)
    nan[..., 0, 0] = np.nan
    assert_same_error(la.svdvals, nan, like=[good])
    assert_same_error(la.pinv, nan, like=[good])


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_nearly_singular_matrices_are_judged_as_by_numpy(n: int) -> None:
    native = build(traced(la.inv, np.eye(n)))
    for _ in range(100):
        a = RNG.integers(-3, 4, (n, n)).astype(float)
        a[-1] = a[0] * RNG.integers(-2, 3) + a[n // 2]
        try:
            la.inv(a)
        except la.LinAlgError:
            with pytest.raises(la.LinAlgError):
                native.run([a])
        else:
            native.run([a])


@pytest.mark.parametrize("name", ["inv", "det", "slogdet", "cholesky", "qr", "eigh", "eigvalsh"])
@pytest.mark.parametrize("n", [2, 4, 6])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_matrices_that_are_not_finite(name: str, n: int, value: float) -> None:
    f = la.cholesky if name == "cholesky" else FUNCTIONS[name]
    good = random(n, n)
    good = good @ good.T + np.eye(n)
    native = build(traced(f, good))
    for place in ((0, 0), (n - 1, 0), (n // 2, n - 1)):
        a = np.array(good)
        a[place] = value
        try:
            wanted = evaluate(native.program, [a])
        except la.LinAlgError as error:
            with pytest.raises(la.LinAlgError, match=str(error)):
                native.run([a])
            continue
        for x, y in zip(native.run([a]), wanted, strict=True):
            assert np.array_equal(np.isnan(x), np.isnan(y))


def test_one_bad_matrix_among_good_ones() -> None:
    for n in (2, 6):
        a = random(9, n, n) + 3 * np.eye(n)
        a[4] = 0
        assert_same_error(la.inv, a, like=[a + np.eye(n)])
        native = build(traced(la.det, a))
        (found,) = native.run([a])
        assert found[4] == 0
        assert np.allclose(found, la.det(a))


def test_a_jitted_function_raises_what_numpy_raises() -> None:
    f = wg.jit(lambda a: np.sum(la.inv(a)), wait=True)
    for _ in range(3):
        assert f(2 * np.eye(3)) == 1.5
    with pytest.raises(la.LinAlgError, match="Singular matrix"):
        f(np.ones((3, 3)))
    assert f(np.eye(3)) == 3.0


def test_an_error_in_a_loop() -> None:
    def f(a: Any) -> Any:
        return wg.fori_loop(0, 5, lambda i, x: la.inv(x) - np.eye(3), a)

    a = 4 * np.eye(3) + 0.1 * random(3, 3)
    assert_native(traced(f, a), [a])
    native = build(traced(f, a))
    with pytest.raises(la.LinAlgError):
        native.run([np.eye(3)])


# -- derivatives -----------------------------------------------------------------------------------

SCALARS: dict[str, Callable[[Any], Any]] = {
    "solve": lambda a: np.sum(la.solve(a, np.ones(a.shape[-1])) ** 2),
    "inv": lambda a: np.sum(la.inv(a) ** 2),
    "det": la.det,
    "slogdet": lambda a: la.slogdet(a)[1],
    "cholesky": lambda a: np.sum(np.log(np.diagonal(la.cholesky(a @ a.T)))),
    "qr": lambda a: np.sum(la.qr(a)[1] ** 3),
    "eigh": lambda a: np.sum(la.eigh(a)[1][0] ** 4) + np.sum(la.eigh(a)[0] ** 3),
    "eigvalsh": lambda a: np.sum(la.eigvalsh(a) ** 3),
    "svd": lambda a: np.sum(la.svd(a)[0] ** 4) + np.sum(la.svd(a)[2] ** 4),
    "svdvals": lambda a: np.sum(la.svdvals(a) ** 3),
    "pinv": lambda a: np.sum(la.pinv(a[:, 1:]) ** 2),
}


@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.parametrize("n", [3, slow(5, reason="larger matrices")])
def test_derivatives_need_no_evaluator(name: str, n: int) -> None:
    a = random(n, n) + 2 * np.diag(np.arange(1.0, n + 1))
    program = traced(SCALARS[name], a)
    assert_native(vjp(program), [a, np.float64(1.5)])
    assert_native(jvp(program), [a, random(n, n)])
    if n == 3:
        assert_native(vmap(vjp(program), 3), [np.stack([a, 2 * a, a + 1]), np.ones(3)])
    if name not in ("svd", "eigh", "qr"):
        assert_native(jvp(vjp(program)), [a, np.float64(1.5), random(n, n), np.float64(0.5)])


@pytest.mark.parametrize("n", [2, 3, 4, slow(6, reason="larger matrices")])
@pytest.mark.parametrize("stack", [(), (3,)])
@pytest.mark.parametrize("off", [0.0, slow(1e-13, reason="nearly singular ones too")])
def test_gradients_of_determinants_of_singular_matrices(
    n: int, stack: tuple[int, ...], off: float
) -> None:
    a = random(*stack, n, n)
    a[..., -1, :] = 2 * a[..., 0, :] + off * a[..., -1, :]
    program = traced(lambda x: np.sum(la.det(x)), a)
    native = build(vjp(program))
    assert native.callouts == 0
    found = native.run([a, np.float64(1)])[1]
    cofactors = np.empty_like(a)
    for i in range(n):
        for j in range(n):
            minor = np.delete(np.delete(a, i, -2), j, -1)
            cofactors[..., i, j] = (-1) ** (i + j) * la.det(minor)
    assert np.allclose(found, cofactors, atol=1e-12)
    second = build(jvp(vjp(program)))
    assert second.callouts == 0
    given = [a, np.float64(1), random(*stack, n, n), np.float64(0)]
    for x, y in zip(second.run(given), evaluate(second.program, given), strict=True):
        assert np.allclose(x, y, atol=1e-10)


def test_vectors_of_equal_values_are_refused_as_by_the_evaluator() -> None:
    program = vjp(traced(lambda a: np.sum(la.eigh(a)[1] ** 3), np.diag([1.0, 2.0, 3.0])))
    native = build(program)
    assert native.callouts == 0
    assert_agreement(program, [np.diag([1.0, 2.0, 3.0]), np.float64(1)], native=native)
    with pytest.raises(wg.errors.UnknownDerivativeError, match="equal eigenvalues"):
        native.run([np.eye(3), np.float64(1)])


# -- the library -----------------------------------------------------------------------------------


def test_the_width_of_integers_is_seen_in_both_copies() -> None:
    assert blas.integer_bits() in (32, 64)
    assert blas._bits(blas._of_scipy("scipy.linalg.cython_lapack", "dgetrf")) == 32


def test_the_copy_of_scipy_does_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where NumPy's is not found, integers have 32 bits."""
    caches = (blas.routine, blas._spelling, blas.integer_bits, blas.identity)
    monkeypatch.setenv("WENGERT_CACHE", "0")
    for each in caches:
        each.cache_clear()
    monkeypatch.setattr(blas, "_linked_with_numpy", lambda: None)
    try:
        assert blas.integer_bits() == 32
        for name in ONE:
            a = random(6, 6) + np.eye(6)
            native = build(traced(FUNCTIONS[name], a))
            for x, y in zip(native.run([a]), evaluate(native.program, [a]), strict=True):
                assert np.allclose(np.abs(x), np.abs(y))
            assert name != "det" or np.sign(native.run([a])) == np.sign(la.det(a))
    finally:
        for each in caches:
            each.cache_clear()
