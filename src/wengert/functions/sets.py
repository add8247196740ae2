"""Sets: ``unique`` and its kin. Their elements are read from the sorted ones.

Which elements differ decides the shape of a result, so it has to be known (not so in ``vmap``).
Elements that are equal share the derivative, as they do in ``sort``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..primitives import sorting
from ..primitives.index import ARRAY, gather
from ..program import Array
from ..trace import as_array, implements, known
from .elementwise import arraylike
from .shaping import astype, one_axis
from .sorting import lexsort

__all__: list[str] = []

_REMEDY = "np.sort(x), whose shape does not depend on the values"


def _starts(rows: Array, equal_nan: bool) -> Array:
    """Which of the sorted elements (of one axis) or rows differ from the one before it."""
    differs = np.not_equal(rows[1:], rows[:-1])
    if equal_nan and rows.dtype.kind in "fc" and rows.ndim == 1:
        differs = differs & ~(np.isnan(rows[1:]) & np.isnan(rows[:-1]))
    if rows.ndim > 1:
        differs = np.any(differs, axis=1)
    first = np.ones(min(len(rows), 1), bool)
    return np.concatenate([first, differs])


def _order(rows: Array) -> Array:
    """The order of elements, or of rows by their first column, then by the second, ..."""
    if rows.ndim == 1:
        return sorting.argsort.bind(rows, axis=0, kind="stable")
    if not rows.shape[1]:
        return np.arange(len(rows))
    return lexsort([rows[:, i] for i in reversed(range(rows.shape[1]))])


def _inverse_shape(shape: tuple[int, ...], axis: int | None) -> tuple[int, ...]:
    """The shape in which this release of NumPy gives the numbers of the elements."""
    if 0 in shape:
        return shape if axis is None else (shape[axis],)
    return np.unique(np.zeros(shape), return_inverse=True, axis=axis)[1].shape


@implements(np.unique)
def unique(
    ar: Array,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: Any = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    ar = arraylike(ar)
    rows, shape = np.ravel(ar), ()
    if axis is not None:
        axis = one_axis(axis, np.ndim(ar))
        moved = np.moveaxis(ar, axis, 0)
        shape = moved.shape[1:]
        rows = np.reshape(moved, (len(moved), math.prod(shape)))
    order = _order(rows)
    inner = sorting.sort.bind(rows, axis=0) if rows.ndim == 1 else rows[order]
    starts = known(_starts(inner, equal_nan), "which elements differ of", _REMEDY)
    places = np.flatnonzero(starts)
    values = inner[places]
    if axis is not None:
        values = np.moveaxis(np.reshape(values, (len(places), *shape)), 0, axis)
    results = [values]
    if return_index:
        results.append(order[places])
    if return_inverse:
        numbers = (np.cumsum(starts) - 1)[np.argsort(order)]
        results.append(np.reshape(numbers, _inverse_shape(ar.shape, axis)))
    if return_counts:
        results.append(np.diff(np.append(places, len(rows))))
    return results[0] if len(results) == 1 else tuple(results)


def _named(function: Any, *wanted: str) -> None:
    """One of the functions of the array API standard, which give tuples with names."""
    kind = type(function(np.zeros(1)))

    def named(x: Array, /) -> Any:
        return kind(*unique(x, equal_nan=False, **dict.fromkeys(wanted, True)))

    implements(function)(named)


_named(np.unique_all, "return_index", "return_inverse", "return_counts")
_named(np.unique_counts, "return_counts")
_named(np.unique_inverse, "return_inverse")


@implements(np.unique_values)
def unique_values(x: Array, /) -> Array:
    values = unique(x, equal_nan=False)
    if values.dtype.kind != "c":
        return values
    # NumPy gives complex numbers in an order of its own.
    numbers = known(x, "the values of", _REMEDY)
    return values[np.argsort(np.argsort(np.unique_values(numbers), kind="stable"))]


# -- membership ------------------------------------------------------------------------------------


@implements(np.isin)
def isin(
    element: Any,
    test_elements: Any,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    kind: str | None = None,
) -> Array:
    element, tests = arraylike(element), np.ravel(arraylike(test_elements))
    if not tests.size:
        return np.full(element.shape, invert)
    dtype = np.result_type(element.dtype, tests.dtype)
    element, tests = astype(element, dtype), np.sort(astype(tests, dtype))
    place = np.minimum(np.searchsorted(tests, element), len(tests) - 1)
    same = np.equal(gather.bind(tests, place, index=(ARRAY,)), element)
    return as_array(np.logical_not(same) if invert else same)


@implements(np.union1d)
def union1d(ar1: Any, ar2: Any) -> Array:
    return unique(np.concatenate([ar1, ar2], axis=None))


@implements(np.intersect1d)
def intersect1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False
) -> Any:
    first, second = np.ravel(arraylike(ar1)), np.ravel(arraylike(ar2))
    places: list[Array] = []
    if not assume_unique:
        (first, *one), (second, *two) = (unique(x, return_index=True) for x in (first, second))
        places = [*one, *two]
    both = np.concatenate([first, second])
    order = sorting.argsort.bind(both, axis=0, kind="stable")
    both = sorting.sort.bind(both, axis=0)
    twice = known(np.equal(both[1:], both[:-1]), "which elements are shared by", _REMEDY)
    values = both[:-1][twice]
    if not return_indices:
        return values
    indices = [order[:-1][twice], order[1:][twice] - len(first)]
    if places:
        indices = [place[index] for place, index in zip(places, indices, strict=True)]
    return values, *indices


@implements(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Array:
    ar1 = np.ravel(arraylike(ar1)) if assume_unique else unique(arraylike(ar1))
    return ar1[known(isin(ar1, ar2, invert=True), "which elements remain of", _REMEDY)]


@implements(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Array:
    if not assume_unique:
        ar1, ar2 = unique(arraylike(ar1)), unique(arraylike(ar2))
    both = np.sort(np.concatenate([arraylike(ar1), arraylike(ar2)], axis=None))
    if not both.size:
        return both
    end = np.ones(1, bool)
    flags = np.concatenate([end, np.not_equal(both[1:], both[:-1]), end])
    return both[known(flags[1:] & flags[:-1], "which elements are not shared by", _REMEDY)]
