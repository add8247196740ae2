"""Compiled sums are as exact as NumPy's: of any length, along any axis, of what lies anyhow.

The terms are 0.1, of which every addition rounds the same way for long, so that the error of a sum
in order grows with its length; and random ones. The exact sums are those of ``math.fsum``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from agreement import named

import wengert as wg
from support import slow
from wengert.compile import build, kernels
from wengert.compile.pairwise import ALONE, blocked
from wengert.compile.rows import ROWS

LENGTHS = [1, 2, 7, 31, 63, 200, 1000, 4099, 2**16, 100_003]


def terms(kind: str, dtype: Any, *shape: int) -> Any:
    if kind == "equal":
        return np.full(shape, 0.1, dtype)
    return np.random.default_rng(shape).uniform(0.0, 1.0, shape).astype(dtype)


def exact(x: Any, axis: Any = None) -> Any:
    """The sums along axes, rounded once."""
    axes = tuple(range(x.ndim)) if axis is None else tuple(np.atleast_1d(axis))
    last = np.moveaxis(x.astype(np.float64), axes, range(-len(axes), 0))
    rows = last.reshape(*last.shape[: last.ndim - len(axes)], -1)
    return np.apply_along_axis(lambda row: math.fsum(row.tolist()), -1, rows)


def worst(found: Any, wanted: Any, dtype: Any) -> float:
    """The largest relative error, in units of the precision."""
    error = np.abs(np.asarray(found, np.float64) - wanted) / np.abs(wanted)
    return float(np.max(error)) / float(np.finfo(dtype).eps)


def as_exact(f: Callable[[Any], Any], x: Any, wanted: Any) -> None:
    """That native code is no further from the exact result than NumPy, or than pairwise sums are.

    Those add one term to another at most ALONE times within a block, with half a unit of error
    each, and half of that as the sum grows; and once more for each doubling of the length.
    """
    (found,) = build(wg.trace(f)(x)).run([x])
    plain = f(x)
    assert found.dtype == plain.dtype
    pairwise = ALONE / 4 + math.log2(x.size) / 4
    assert worst(found, wanted, x.dtype) <= max(worst(plain, wanted, x.dtype), pairwise)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["equal", "random"])
def test_sums_of_any_length(kind: str, dtype: Any) -> None:
    for n in LENGTHS:
        x = terms(kind, dtype, n)
        as_exact(np.sum, x, exact(x))


WHOLE: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "backwards": (lambda x: np.sum(x[::-1]), exact),
    "strided": (lambda x: np.sum(x[::3]), lambda x: exact(x[::3])),
    "gathered": (lambda x: np.sum(x[np.arange(x.size) * 5 % x.size]), exact),
    "mean": (np.mean, lambda x: exact(x) / x.size),
    "of squares": (lambda x: np.sum(x * x), lambda x: exact(x * x)),
    "of choices": (lambda x: np.sum(np.where(x > 2, 0 * x, x)), exact),
    "several": (
        lambda x: np.stack([np.sum(x), np.sum(2 * x), np.sum(4 * x), np.sum(8 * x), np.sum(-x)]),
        lambda x: exact(x) * np.array([1, 2, 4, 8, -1]),
    ),
    "a product of vectors": (lambda x: x @ np.ones_like(x), exact),
    "einsum": (lambda x: np.einsum("i,i->", x, np.ones_like(x)), exact),
    "a norm": (lambda x: np.linalg.norm(x, 1), exact),
    "complex": (lambda x: np.sum(x + 1j * x).imag, exact),
    "of a gradient": (lambda x: wg.grad(lambda s: np.sum(s * x))(x[0]), exact),
    "in a loop": (
        lambda x: wg.scan(lambda c, i: (c + np.sum(x * i), None), 0 * x[0], np.ones(1, x.dtype))[0],
        exact,
    ),
    "in a batch": (lambda x: wg.vmap(np.sum)(np.stack([x, 2 * x])), lambda x: exact(x) * [1, 2]),
}


@pytest.mark.parametrize("dtype", [np.float32, slow(np.float64, reason="another dtype")])
@named(WHOLE)
def test_sums_of_a_whole_array(case: Any, dtype: Any) -> None:
    f, wanted = case
    for kind in ("equal", "random"):
        x = terms(kind, dtype, 2**15)
        as_exact(f, x, wanted(x))


SHAPES = [(4000, 3), (4, 4000), (4000, 1), (2, 4000), (300, 70)]
PARTS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "first axis": (lambda x: np.sum(x, axis=0), lambda x: exact(x, 0)),
    "last axis": (lambda x: np.sum(x, axis=1), lambda x: exact(x, 1)),
    "transposed": (lambda x: np.sum(x.T, axis=0), lambda x: exact(x, 1)),
    "all of a transposed one": (lambda x: np.sum(x.T), exact),
    "all of a part": (lambda x: np.sum(x[1:, 1:]), lambda x: exact(x[1:, 1:])),
    "with a vector": (lambda x: x @ np.ones_like(x[0]), lambda x: exact(x, 1)),
    "of a row's gradient": (
        lambda x: wg.grad(lambda r: np.sum(r * x))(x[0]),
        lambda x: exact(x, 0),
    ),
    "of a column's gradient": (
        lambda x: wg.grad(lambda c: np.sum(c * x))(x[:, :1]),
        lambda x: exact(x, 1)[:, None],
    ),
    "first and last of three": (
        lambda x: np.sum(x.reshape(2, -1, x.shape[1]), axis=(0, 2)),
        lambda x: exact(x.reshape(2, -1, x.shape[1]), (0, 2)),
    ),
}


@pytest.mark.parametrize("dtype", [np.float32, slow(np.float64, reason="another dtype")])
@named(PARTS)
def test_sums_along_axes(case: Any, dtype: Any) -> None:
    f, wanted = case
    for shape in SHAPES:
        if f is PARTS["all of a part"][0] and 1 in shape:
            continue
        x = terms("equal", dtype, *shape)
        as_exact(f, x, wanted(x))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("shape", "axis"), [((4000, 9), 0), ((1030, 50), 0), ((3, 700, 20), 1)])
def test_rows_are_added_up_in_pairs_too(shape: Any, axis: int, dtype: Any) -> None:
    """Where NumPy adds one row after the other."""
    x = terms("equal", dtype, *shape)
    for f in (lambda x: np.sum(x, axis), lambda x: np.mean(np.exp(x - x) * x, axis) * shape[axis]):
        (found,) = build(wg.trace(f)(x)).run([x])
        assert worst(found, exact(x, axis), dtype) <= ROWS / 4 + math.log2(shape[axis]) / 4
    row, matrix = np.ones(400, dtype), terms("equal", dtype, 400, 3 * shape[-1])
    for f in (lambda v, m: v @ m, lambda v, m: np.einsum("i,ij->j", v, m)):
        (found,) = build(wg.trace(f)(row, matrix)).run([row, matrix])
        assert worst(found, exact(matrix, 0), dtype) <= ROWS / 4 + math.log2(400) / 4


@pytest.mark.parametrize("lay", [np.ascontiguousarray, np.asfortranarray])
def test_short_rows_are_as_exact_as_those_of_an_array_in_fortran_order(lay: Any) -> None:
    """NumPy adds up in pairs where the axis lies in one piece; within a unit that is done here."""
    x = lay(terms("equal", np.float32, 64, 1 << 10))
    (found,) = build(wg.trace(lambda x: np.sum(x, 0))(x)).run([x])
    pairs = np.sum(np.asfortranarray(x), 0)
    wanted = exact(x, 0)
    assert worst(found, wanted, x.dtype) <= worst(pairs, wanted, x.dtype) + 1.0


def test_sums_and_others_along_an_axis_share_their_loops() -> None:
    x = np.random.default_rng(3).integers(-9, 10, (70, 6, 50)).astype(np.float64)

    def f(x: Any) -> Any:
        y = x * 2
        return np.sum(y, 0), np.max(y, 0), np.sum(y, (0, 2)), np.sum(y, 1), np.sum(y), np.any(y, 0)

    for found, wanted in zip(build(wg.trace(f)(x)).run([x]), f(x), strict=True):
        np.testing.assert_array_equal(found, wanted, strict=True)


def test_what_threads_add_up_is_added_up_in_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "LARGE", 1)
    monkeypatch.setattr(kernels, "CHUNK", 1)
    for dtype in (np.float32, np.float64):
        x = terms("equal", dtype, 2**17 + 1)
        as_exact(np.sum, x, exact(x))
        as_exact(lambda x: np.sum(np.exp(x - x)), x, x.size)
        x = terms("equal", dtype, 5000, 40)
        as_exact(lambda x: np.sum(x, 0), x, exact(x, 0))


@pytest.mark.parametrize("n", [1, 5, 300, 5000])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_passes_through(n: int, value: float) -> None:
    x = np.ones(n)
    x[n // 2] = value
    (found,) = build(wg.trace(np.sum)(x)).run([x])
    np.testing.assert_array_equal(found, np.sum(x))


def test_a_nest_goes_in_blocks_where_it_is_long() -> None:
    double = np.dtype(np.float64)
    assert blocked([ALONE], double, 1, vectorised=False) is None
    assert blocked([ALONE + 1], double, 1, vectorised=False) == (0, ALONE)
    assert blocked([50, 2], double, 1, vectorised=False) == (0, ALONE // 2)
    assert blocked([3, 50, 2], double, 1, vectorised=False) == (1, ALONE // 2)
    level, places = blocked([7, 10_000], double, 4, vectorised=True) or (0, 0)
    assert (level, places % 16) == (1, 0)
