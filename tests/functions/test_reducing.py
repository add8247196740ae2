"""Reductions, scans and sorting: their values are NumPy's, their derivatives exact."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import wengert as wg
from outcomes import assert_numpys
from support import assert_derivatives, gradient

X = np.array([0.3, -1.2, 2.1, 0.7, -0.4])
M = np.array([[0.3, -1.2, 2.1], [0.7, -0.4, 1.6]])
T = (np.arange(24) * 7 % 24 / 12 - 1.03).reshape(2, 3, 4)
MASK = np.array([[True, False, True], [True, True, False]])
HOLED = np.array([[0.3, np.nan, 2.1], [0.7, -0.4, np.nan]])


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (2, 1)])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", "sum prod mean var std max min ptp median".split())
def test_reductions_along_axes(name: str, axis: Any, keepdims: bool) -> None:
    f = getattr(np, name)
    if name == "ptp" and isinstance(axis, tuple):
        return
    assert_derivatives(lambda x: f(x, axis=axis, keepdims=keepdims) ** 2, T)


METHODS = "sum prod mean var std max min cumsum cumprod ptp".split()


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"ptp"}))
def test_methods_and_numbers(name: str) -> None:
    assert_derivatives(lambda x: getattr(x, name)(), M)
    if name != "std":
        assert_derivatives(lambda x: getattr(np, name)(x) ** 2, 1.3)


CASES: dict[str, tuple[Any, Any]] = {
    "sum where initial": (lambda x: np.sum(x**2, axis=1, where=MASK, initial=2.0), M),
    "prod where initial": (lambda x: np.prod(x**2, axis=0, where=MASK, initial=2.0), M),
    "mean where": (lambda x: np.mean(x**2, axis=1, where=MASK), M),
    "var where": (lambda x: np.var(x**2, axis=1, where=MASK), M),
    "var ddof": (lambda x: np.var(x, axis=0, ddof=1), M),
    "var correction": (lambda x: np.var(x, correction=1), M),
    "var mean": (lambda x: np.var(x, axis=1, mean=np.mean(x, axis=1, keepdims=True)), M),
    "var of complex": (lambda x: np.var(x * (1 + 2j) + 1j * x**2), M),
    "std ddof": (lambda x: np.std(x, axis=1, ddof=1, keepdims=True), M),
    "max where initial": (lambda x: np.max(x**3, axis=0, where=MASK, initial=-9.0), M),
    "min initial": (lambda x: np.min(x**3, axis=0, initial=0.2), M),
    "cov": (np.cov, M),
    "cov columns": (lambda x: np.cov(x**2, rowvar=False, bias=True), M),
    "cov of two": (lambda x: np.cov(x, x**2, ddof=0), X),
    "corrcoef": (lambda x: np.corrcoef(x, x**2), X),
    "nanargmax": (lambda x: x[np.nanargmax(np.where(x > 2, np.nan, x))] ** 2, X),
    "average": (lambda x: np.average(x**2, axis=1), M),
    "average weights": (lambda x: np.average(x**2, weights=np.exp(x)), M),
    "average axis weights": (lambda x: np.average(M, axis=1, weights=np.exp(x)), X[:3]),
    "average returned": (lambda x: np.stack(np.average(x, 0, np.exp(x), returned=True)), M),
    "cumsum": (lambda x: np.cumsum(x**2), M),
    "cumsum axis": (lambda x: np.cumsum(x**2, axis=-2), M),
    "cumprod": (lambda x: np.cumprod(x), M),
    "cumprod axis": (lambda x: np.cumprod(x, axis=1), T),
    "cumprod zeros": (lambda x: np.cumprod(x * np.array([1, 0, 1, 0, 1.0])), X),
    "cumulative_sum": (lambda x: np.cumulative_sum(x**2, include_initial=True), X),
    "cumulative_prod": (lambda x: np.cumulative_prod(x, axis=1, include_initial=True), M),
    "add.reduce": (lambda x: np.add.reduce(x**2), M),
    "multiply.reduce": (lambda x: np.multiply.reduce(x, axis=None), M),
    "maximum.reduce": (lambda x: np.maximum.reduce(x**3, axis=1, keepdims=True), M),
    "minimum.reduce": (lambda x: np.minimum.reduce(x**3), M),
    "add.accumulate": (lambda x: np.add.accumulate(x**2), M),
    "multiply.accumulate": (lambda x: np.multiply.accumulate(x, axis=1), M),
    "maximum.accumulate": (lambda x: np.maximum.accumulate(x**3), X),
    "minimum.accumulate": (lambda x: np.minimum.accumulate(x**3, axis=1), M),
    "sort": (lambda x: np.sort(x) ** 2, T),
    "sort axis": (lambda x: np.sort(x, axis=0) ** 3, T),
    "sort flat": (lambda x: np.sort(x, axis=None) ** 3, T),
    "partition": (lambda x: np.sort(np.partition(x, 2)[:2]), X),
    "argsort": (lambda x: x[np.argsort(x)] ** 2 * np.arange(5), X),
    "argmax": (lambda x: x[np.argmax(x)] ** 2, X),
    "argmin axis": (lambda x: x * np.argmin(x, axis=0, keepdims=True), M),
    "argmax flat": (lambda x: np.ravel(x)[np.argmax(x)] ** 2, M),
    "any all": (lambda x: x * np.any(x > 2, axis=0) + x**2 * np.all(x > 0, axis=0), M),
    "count_nonzero": (lambda x: x**2 * np.count_nonzero(x > 0, axis=1, keepdims=True), M),
    "searchsorted": (lambda x: x * np.searchsorted(np.array([-1.0, 0, 1]), x), X),
    "digitize": (lambda x: x * np.digitize(x, [-1.0, 0, 1]), X),
    "digitize falling": (lambda x: x * np.digitize(x, [1.0, 0, -1], right=True), X),
    "quantile": (lambda x: np.quantile(x**3, [0.1, 0.5, 0.85]), X),
    "quantile axis": (lambda x: np.quantile(x**3, 0.3, axis=1, keepdims=True), T),
    "quantile axes": (lambda x: np.quantile(x**3, [0.3, 0.9], axis=(0, 2)), T),
    "percentile": (lambda x: np.percentile(x**3, 37, axis=0), T),
    "median even": (lambda x: np.median(x**3, axis=2), T),
}
for _method in "lower higher nearest midpoint".split():
    CASES[f"quantile {_method}"] = (
        lambda x, m=_method: np.quantile(x**3, [0.2, 0.6, 1.0], method=m),
        X,
    )
TIES = np.random.default_rng(3).integers(0, 4, (3, 90)) / 4.0
ORDERS = [
    {},
    *({"kind": kind} for kind in ("quicksort", "heapsort", "stable", "mergesort")),
    *({"stable": stable} for stable in (True, False)),
    *({"axis": axis} for axis in (0, None)),
]


@pytest.mark.parametrize("options", ORDERS, ids=str)
@pytest.mark.filterwarnings("ignore:.*equal elements:wengert.errors.JitWarning")
def test_equal_elements_are_in_the_order_that_numpy_finds(options: dict[str, Any]) -> None:
    def f(x: Any) -> Any:
        order = np.argsort(x, **options)
        return x * 1.0 + 0.0 * np.sum(x), order, x.argsort(**options)

    weights = np.random.default_rng(1).standard_normal(TIES.size)

    def weighed(x: Any) -> Any:
        return np.sum(np.ravel(x)[np.ravel(f(x)[1])] * weights)

    want = f(TIES)[1:]
    for found in (wg.jvp(f, (TIES,), (TIES,))[0], wg.vjp(f, TIES)[0]):
        for order, numpys in zip(found[1:], want, strict=True):
            np.testing.assert_array_equal(order, numpys)
    rows = wg.vmap(f)(np.stack([TIES, -TIES]))[1]
    np.testing.assert_array_equal(rows, [f(TIES)[1], f(-TIES)[1]])
    assert wg.value_and_grad(weighed)(TIES)[0] == weighed(TIES)
    jitted = wg.jit(f, wait=True)
    for _ in range(2):
        np.testing.assert_array_equal(jitted(TIES)[1], want[0])


@pytest.mark.parametrize("options", [{"kind": "x"}, {"kind": ""}, {"kind": "q", "stable": False}])
def test_a_kind_of_sorting_that_numpy_refuses_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="kind"):
        wg.jvp(lambda x: np.argsort(x, **options), (X,), (X,))


NAN = "nansum nanprod nanmean nanvar nanstd nanmax nanmin nancumsum nancumprod".split()


@pytest.mark.parametrize("name", CASES)
def test_value_and_derivatives_of(name: str) -> None:
    assert_derivatives(*CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_vmap_is_a_loop_over(name: str) -> None:
    f, x = CASES[name]
    stack = np.stack([x, 1.01 * x + 0.003])
    for g in (f, wg.grad(lambda x: np.sum(f(x)))):
        wanted = np.stack([g(x) for x in stack])
        np.testing.assert_allclose(wg.vmap(g)(stack), wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAN)
@pytest.mark.parametrize("axis", [None, 1])
def test_reductions_that_leave_nan_out(name: str, axis: Any) -> None:
    holes = np.isnan(HOLED)
    f = getattr(np, name)
    assert_derivatives(lambda x: f(np.where(holes, np.nan, x**2), axis=axis), M)


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_a_product_with_zeros_among_its_factors(zeros: int) -> None:
    x = X.copy()
    x[:zeros] = 0
    assert_derivatives(np.prod, x)
    assert_derivatives(np.cumprod, x)


def test_ties_share_the_derivative_equally() -> None:
    x = np.array([1.0, 3.0, 3.0, 2.0, 3.0])
    third = 1 / 3
    np.testing.assert_allclose(gradient(np.max, x), [0, third, third, 0, third])
    np.testing.assert_allclose(gradient(np.min, -x), [0, third, third, 0, third])
    np.testing.assert_allclose(gradient(np.median, x), [0, third, third, 0, third])
    sort = wg.jacobian(np.sort)(x)
    np.testing.assert_allclose(sort[2:], np.tile([0, third, third, 0, third], (3, 1)))
    np.testing.assert_allclose(sort, wg.jacfwd(np.sort)(x))
    scan = wg.jacobian(np.maximum.accumulate)(x)
    np.testing.assert_allclose(scan[2:4], np.tile([0, 0.5, 0.5, 0, 0], (2, 1)))
    np.testing.assert_allclose(scan[4], [0, third, third, 0, third])


def test_the_standard_deviation_of_equal_numbers_has_derivative_zero() -> None:
    x = np.full(4, 2.5)
    assert not gradient(np.std, x).any()
    assert not wg.hessian(np.std)(x).any()


def test_the_variance_of_large_numbers_does_not_cancel() -> None:
    x = 1e8 + X
    np.testing.assert_allclose(gradient(np.var, x), 2 * (X - X.mean()) / 5, atol=1e-7)


def test_axes_that_do_not_exist_are_numpys_errors() -> None:
    with pytest.raises(np.exceptions.AxisError):
        gradient(lambda x: np.sum(x, axis=1), X)
    with pytest.raises(ValueError, match="duplicate"):
        gradient(lambda x: np.sum(np.mean(x, axis=(0, -2))), M)


def test_float32_stays_float32() -> None:
    x = X.astype(np.float32)
    for f in (np.mean, np.var, np.std, np.max, np.prod, np.median, np.average, np.ptp):
        assert f(x).dtype == np.float32
        assert gradient(lambda x, f=f: np.astype(f(x), np.float64), x).dtype == np.float32


# -- every reduction, with every option, as in NumPy -----------------------------------------------

REDUCTIONS: dict[str, Any] = {
    **{name: getattr(np, name) for name in "sum prod max min all any".split()},
    **{name: getattr(np, name) for name in "mean var std ptp argmax argmin median".split()},
    **{name: getattr(np, name) for name in "nansum nanprod nanmean nanvar nanstd".split()},
    **{name: getattr(np, name) for name in "cumsum cumprod count_nonzero average".split()},
    **{f"{u.__name__}.reduce": u.reduce for u in (np.add, np.multiply, np.maximum, np.fmin)},
    **{f"{u.__name__}.reduce": u.reduce for u in (np.logical_and, np.logical_or)},
    **{
        f"x.{name}": lambda x, *args, name=name, **kwargs: getattr(x, name)(*args, **kwargs)
        for name in "sum prod mean max argmin cumsum".split()
    },
}
OPTIONS: list[dict[str, Any]] = [
    *({"axis": axis} for axis in (None, 0, -1, 1, (0, 1), (), (0, -1), [0, 1], np.int64(0))),
    *({"initial": initial} for initial in (0.0, -1, 5, np.float64(0.25), None, 1j, np.ones(2))),
    *({"axis": 0, "initial": initial} for initial in (0.0, 5, np.float64(0.25))),
    *({"axis": axis, "keepdims": True} for axis in (None, 0, (0, -1), ())),
    {"where": False},
    {"where": True, "axis": 0},
    {"where": False, "initial": 0.5},
    {"where": np.array([True, False, True]), "initial": 0.5},
    {"where": np.array([True, False, True]), "axis": -1, "initial": None},
    {"where": np.array([True, False, True]), "axis": -1, "keepdims": True, "initial": 0.5},
    {"where": np.ones((2, 1, 1, 1), bool), "initial": 0.5},
]


@pytest.mark.parametrize("shape", [(), (0,), (2, 3), (2, 0, 3)])
@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_a_reduction_comes_to_is_as_in_numpy(name: str, shape: tuple[int, ...]) -> None:
    f = REDUCTIONS[name]
    x = (np.arange(math.prod(shape)).reshape(shape) * 5 % 7 - 2.6)[()]
    for number, options in enumerate(OPTIONS):
        if name in ("median", "average") and not x.size and options.get("axis") is not None:
            continue  # NumPy's errors for these say nothing
        dtype = np.float32 if number % 3 == 2 else np.float64
        assert_numpys(lambda x: f(x, **options), x.astype(dtype), label=options)  # noqa: B023


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.max(x[:0], initial=0.25) * x[0],
        lambda x: np.max(x[:0], initial=x[1]) * x[0],
        lambda x: np.prod(x[:0], initial=x[1]) ** 2,
        lambda x: np.max(x, where=np.array([True, False, True, False, True]), initial=x[3]) ** 2,
        lambda x: np.cumsum(x[1], axis=0) ** 2,
        lambda x: np.nansum(np.where(x > 2, np.nan, x), where=x > -1, initial=x[0]) ** 2,
    ],
)
def test_derivatives_of_reductions_with_an_initial_value(f: Any) -> None:
    assert_derivatives(f, X)


def test_covariances_of_single_precision_are_in_double_precision() -> None:
    for f in (np.cov, np.corrcoef, lambda x: np.cov(x, dtype=np.float32)):
        assert_numpys(f, M.astype(np.float32))


@pytest.mark.parametrize("method", ["linear", "lower", "higher", "nearest", "midpoint"])
def test_quantiles_of_traced_integers_have_numpys_dtype(method: Any) -> None:
    f = lambda x: np.quantile(np.argsort(x), 0.3, method=method)  # noqa: E731
    found = wg.scan(lambda c, _: (c, f(c)), X, None, length=1)[1][0]
    assert (found, np.asarray(found).dtype) == (f(X), np.asarray(f(X)).dtype)


@pytest.mark.parametrize(
    "bins", [[0.0, 1.0, 2.0], [2.0, 1.0, 0.0], [1.0, np.nan, 2.0], [1.0, 1.0, 0.0], [1.0], []]
)
@pytest.mark.parametrize("right", [False, True])
def test_bins_that_are_not_known_rise_or_fall_as_they_do(bins: Any, right: bool) -> None:
    x, bins = np.array([0.5, 1.5, 1.0, 9.0]), np.array(bins, float)
    f = lambda b: np.digitize(x, b, right)  # noqa: E731
    want = f(bins)
    assert wg.vmap(f)(bins[None])[0].tolist() == want.tolist()
    assert wg.jvp(f, (bins,), (bins,))[0].tolist() == want.tolist()
    assert wg.jit(f)(bins).tolist() == want.tolist()


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.fmin.reduce(x > 0),
        lambda x: np.nanmax(np.argsort(x)),
        lambda x: np.min(x > 0, initial=True, where=np.array([True, False, True])),
        lambda x: np.max(np.argsort(x), initial=1, where=np.array([True, False, True])),
        lambda x: np.fmin(*[np.isfinite(np.tril(x).imag)] * 2),
        lambda x: np.maximum(np.argsort(x), -np.argsort(x)),
    ],
)
def test_extremes_of_integers_and_booleans_keep_their_dtype(f: Any) -> None:
    rows = np.array([[1.0, -2.0, 3.0], [3.0, 1.0, -1.0]])
    wanted = np.stack([f(row) for row in rows])
    batch = wg.vmap(f)(rows)
    assert batch.dtype == wanted.dtype
    np.testing.assert_array_equal(batch, wanted)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0])
def test_averages_return_the_sum_of_weights_as_numpy_does(axis, keepdims):
    def f(x):
        return np.average(x, axis, x**2, returned=True, keepdims=keepdims)

    x = np.arange(1.0, 7.0).reshape(2, 3)
    expected = f(x)
    for found in (wg.jit(f)(x), wg.jvp(f, (x,), (x,))[0]):
        for one, other in zip(found, expected, strict=True):
            assert type(one) is type(other)
            np.testing.assert_allclose(one, other, rtol=1e-15)
