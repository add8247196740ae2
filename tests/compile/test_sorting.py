"""Sorting, searching and convolving in compiled code: NumPy's results, without the evaluator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from agreement import assert_agreement
from guarded import check

import wengert as wg
from support import thinned
from wengert.compile import build, sorts
from wengert.compile.sorting import RADIX
from wengert.transforms import jvp, vjp, vmap

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

RNG = np.random.default_rng(8)
DTYPES = ["f8", "f4", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]
LENGTHS = [1, 7, 8, 32, 65, 100, 200, RADIX["i32"] - 1, RADIX["i64"] - 1, 3000]


def numbers(dtype: Any, shape: Any) -> Any:
    """All kinds of numbers of a dtype: many equal ones, the least and greatest, NaN, infinities."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        x = (RNG.standard_normal(shape) * 10.0 ** RNG.integers(-3, 4, shape)).astype(dtype)
        special = [np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, 5e-324, -1.0]
    elif dtype.kind == "b":
        return RNG.random(shape) < 0.5
    else:
        info = np.iinfo(dtype)
        x = RNG.integers(info.min, info.max, shape, dtype, endpoint=True)
        special = [info.min, info.max, 0, 1, info.max - 1]
    chosen = np.asarray(special, np.float64 if dtype.kind == "f" else dtype).astype(dtype)
    return np.where(RNG.random(shape) < 0.3, RNG.choice(chosen, shape), x)


def compiled(f: Callable[..., Any], *values: Any) -> Any:
    """The result of a function that is compiled without calls to the evaluator."""
    native = build(wg.trace(f)(*values))
    assert native.callouts == 0
    found = native.run(list(values))
    return found[0] if len(found) == 1 else tuple(found)


def stable(x: Any) -> Any:
    return np.argsort(x, stable=True)


# -- sorting ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", thinned(DTYPES, 5, "more dtypes"))
def test_sort_and_argsort(dtype: str) -> None:
    rows = [numbers(dtype, n) for n in LENGTHS]
    found = compiled(lambda *xs: (*map(np.sort, xs), *map(np.argsort, xs)), *rows)
    for x, y, order in zip(rows, found, found[len(rows) :], strict=False):
        assert y.dtype == x.dtype
        assert np.array_equal(y, np.sort(x), equal_nan=x.dtype.kind == "f")
        assert np.array_equal(order, stable(x))


@pytest.mark.parametrize("n", [20, 300, 3000])
def test_rows_that_are_in_order_already_or_backwards_or_all_the_same(n: int) -> None:
    for x in (np.arange(n), np.arange(n)[::-1], np.ones(n), np.zeros(n) * -1, np.full(n, np.nan)):
        x = np.array(x, np.float64)
        y, order = compiled(lambda x: (np.sort(x), np.argsort(x)), x)
        assert np.array_equal(y, np.sort(x), equal_nan=True)
        assert np.array_equal(order, stable(x))


def test_zeros_of_both_signs_keep_their_order() -> None:
    for n in (40, 3000):
        x = np.where(RNG.random(n) < 0.5, 0.0, -0.0)
        assert np.array_equal(compiled(np.argsort, x), np.arange(n))
        y = compiled(np.sort, x)
        assert np.signbit(y).sum() == np.signbit(x).sum()


@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 40, 1), (4, 0), (0, 4), (2, 1500)])
def test_every_axis_of_a_stack(shape: tuple[int, ...]) -> None:
    x = numbers("f8", shape)
    for axis in (*range(len(shape)), None):
        y, order = compiled(lambda x, a=axis: (np.sort(x, a), np.argsort(x, a)), x)
        assert np.array_equal(y, np.sort(x, axis), equal_nan=True)
        assert np.array_equal(order, np.argsort(x, axis, stable=True))


def test_numbers_that_differ_in_few_bits_only() -> None:
    """Passes in which all have one digit are left out; the result is where it should be."""
    for shift in (0, 9, 11, 30, 52):
        x = (RNG.integers(0, 4, 3000) << shift) + 7
        y, order = compiled(lambda x: (np.sort(x), np.argsort(x)), x)
        assert np.array_equal(y, np.sort(x))
        assert np.array_equal(order, stable(x))


@pytest.mark.parametrize("n", [5, 70, 2000])
def test_derivatives_of_sorting(n: int) -> None:
    x, t = RNG.standard_normal(n), RNG.standard_normal(n)
    x[: n // 3] = x[n // 3]
    program = wg.trace(np.sort)(x)
    assert assert_agreement(vjp(program), [x, t]).callouts == 0
    assert assert_agreement(jvp(program), [x, t]).callouts == 0
    assert assert_agreement(vmap(program, 2), [np.stack([x, t])]).callouts == 0


@pytest.mark.parametrize("f", [np.median, lambda x: np.quantile(x, [0.1, 0.55]), np.ptp])
def test_what_is_made_of_sorting(f: Callable[[Any], Any]) -> None:
    x = RNG.standard_normal(101)
    assert assert_agreement(wg.trace(f)(x), [x]).callouts == 0


# -- searching -------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("n", [0, 1, 3, 64, 101])
@pytest.mark.parametrize("dtypes", [("f8", "f8"), ("i8", "i8"), ("f4", "f8"), ("i4", "u1")])
def test_searchsorted(side: Any, n: int, dtypes: tuple[str, str]) -> None:
    a = np.sort(numbers(dtypes[0], n))
    v = numbers(dtypes[1], (5, 9))
    v.flat[: min(n, 20)] = a[:20].astype(v.dtype)
    found = compiled(lambda a, v: np.searchsorted(a, v, side), a, v)
    assert np.array_equal(found, np.searchsorted(a, v, side))
    assert compiled(lambda a, v: np.searchsorted(a, v, side), a, v[0, 0]) == found[0, 0]


def test_searchsorted_in_a_row_of_its_own_for_each() -> None:
    a, v = np.sort(RNG.standard_normal((4, 30)), axis=1), RNG.standard_normal((4, 7))
    program = vmap(wg.trace(np.searchsorted)(a[0], v[0]), 4)
    assert assert_agreement(program, [a, v]).callouts == 0


def test_interpolation() -> None:
    x, y = RNG.standard_normal(40), RNG.standard_normal(20)
    program = wg.trace(lambda x, y: np.interp(x, np.linspace(-2, 2, 20), y))(x, y)
    assert assert_agreement(program, [x, y]).callouts == 0
    assert assert_agreement(vjp(program), [x, y, np.ones(40)]).callouts == 0


# -- convolution, and indices that stand apart -----------------------------------------------------


@pytest.mark.parametrize("lengths", [(1, 1), (5, 3), (3, 5), (100, 9), (1, 20)])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_convolve(lengths: tuple[int, int], mode: Any) -> None:
    x, y = (RNG.standard_normal(n) for n in lengths)
    program = wg.trace(lambda x, y: np.convolve(x, y, mode))(x, y)
    assert assert_agreement(program, [x, y]).callouts == 0
    ct = np.ones(program.outputs[0].type.shape)
    assert assert_agreement(vjp(program), [x, y, ct]).callouts == 0
    stacked = [np.stack([x, 2 * x]), np.stack([y, y + 1])]
    assert assert_agreement(vmap(program, 2), stacked).callouts == 0


INDICES: dict[str, Callable[[Any, Any], Any]] = {
    "apart": lambda x, i: x[i, :, i],
    "a number and an array": lambda x, i: x[0, :, i],
    "a new axis between": lambda x, i: x[i, None, 1],
    "two axes of places": lambda x, i: x[:, i[:, None], :, i],
}


@pytest.mark.parametrize("name", INDICES)
def test_indices_that_stand_apart(name: str) -> None:
    shape = (3, 4, 3, 5) if name == "two axes of places" else (3, 4, 5)
    x, i = RNG.standard_normal(shape), np.array([2, 0, -1])
    program = wg.trace(INDICES[name])(x, i)
    assert assert_agreement(program, [x, i]).callouts == 0
    ct = RNG.standard_normal(program.outputs[0].type.shape)
    assert assert_agreement(vjp(program), [x, i, ct]).callouts == 0


# -- memory ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3, 31, 33, 100, 1300])
def test_nothing_beside_the_arrays_is_touched(n: int) -> None:
    x, y = RNG.standard_normal((2, n)), RNG.standard_normal(max(1, n // 2))
    check(wg.trace(lambda x: (np.sort(x), np.argsort(x), np.sort(x, 0)))(x), [x])
    check(wg.trace(np.searchsorted)(x[0], y), [x[0], y])
    check(wg.trace(np.convolve)(x[0], y), [x[0], y])


@pytest.mark.parametrize("n", [1, 3, 4, 6])
def test_nothing_beside_matrices_is_touched(n: int) -> None:
    a = RNG.standard_normal((3, n, n)) + 5 * np.eye(n)
    la = np.linalg
    f = lambda a: (la.inv(a), la.det(a), la.qr(a)[0], la.svd(a)[1], la.eigvalsh(a), la.pinv(a))  # noqa: E731
    check(wg.trace(f)(a), [a])


# -- the functions themselves ----------------------------------------------------------------------


def test_each_function_is_written_once() -> None:
    x, y = RNG.standard_normal(100), RNG.standard_normal(100)
    native = build(wg.trace(lambda x, y: (np.sort(x), np.sort(y), np.argsort(x)))(x, y))
    name, _ = sorts.merge("i64", places=False)
    assert native.ir.count(f"@{name}(ptr noalias") == 1
