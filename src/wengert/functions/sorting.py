"""Order: sort, argsort, lexsort, searchsorted, ..."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..primitives import sorting
from ..program import Array
from ..trace import implements, perhaps
from .elementwise import arraylike
from .reducing import normal_axes

__all__: list[str] = []


def _axis(a: Array, axis: Any) -> tuple[Array, int]:
    """The array and the axis to sort along; flattened if that is None."""
    if axis is None:
        return np.ravel(a), 0
    return a, normal_axes(operator.index(axis), a.ndim)[0]


def _place(a: Array, axis: Any) -> tuple[Array, int]:
    """The same for the places of elements: a number has one, along its axis 0 or -1."""
    return _axis(a, None if not a.shape and axis in (0, -1) else axis)


@implements(np.sort)
def sort(a: Array, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None):
    x, place = _axis(a, axis)
    return sorting.sort.bind(x, axis=place)


@implements(np.partition)
def partition(a: Array, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None):
    """Sorted altogether, which is partitioned at every place."""
    _check_places(a, kth, axis)
    return sort(a, axis)


_KINDS = {"q": "quicksort", "h": "heapsort", "s": "stable", "m": "stable"}
"""The kinds of sorting, by the first letter, which is all that NumPy reads."""


@implements(np.argsort)
def argsort(a: Array, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None):
    if kind is not None or stable is not None:
        np.argsort(np.zeros(1), kind=kind, stable=stable)  # NumPy's errors
    x, place = _place(a, axis)
    name = "stable" if stable else _KINDS[kind[0].lower() if kind else "q"]
    return sorting.argsort.bind(x, axis=place, kind=name)


@implements(np.argpartition)
def argpartition(a: Array, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None):
    _check_places(a, kth, axis)
    return argsort(a, axis)


def _check_places(a: Array, kth: Any, axis: Any) -> None:
    """Refuse places of a partition that are no integers, or that the axis does not have."""
    places = np.asarray(kth)
    if places.dtype.kind not in "iu":
        raise TypeError("Partition index must be integer")
    if places.ndim > 1:
        raise ValueError("the places of a partition are a number or one row of them")
    a = arraylike(a)
    length = 1
    if a.ndim:
        x, place = _axis(a, axis)
        length = x.shape[place]
    if length and np.any((places < -length) | (places >= length)):
        raise ValueError(f"kth(={kth}) out of bounds ({length})")


@implements(np.searchsorted)
def searchsorted(a: Array, v: Any, side: str = "left", sorter: Any = None) -> Array:
    a = arraylike(a)
    if a.ndim != 1:
        raise ValueError(f"np.searchsorted needs an array of one axis, not of shape {a.shape}")
    if sorter is not None:
        a = a[sorter]
    return sorting.searchsorted.bind(a, arraylike(v), side=str(side))


@implements(np.digitize)
def digitize(x: Array, bins: Array, right: bool = False) -> Array:
    bins = arraylike(bins)
    if bins.ndim != 1:
        raise ValueError(f"the bins of np.digitize have one axis, not the shape {bins.shape}")
    steps = np.diff(bins)
    if not steps.shape[0]:
        return searchsorted(bins, x, "left" if right else "right")
    first = steps[np.argmax(steps != 0)]
    rises = (first > 0) | (first == 0)  # A NaN counts as a fall, as in NumPy.
    if perhaps(np.any(np.where(rises, steps < 0, steps > 0))):
        raise ValueError("bins must be monotonically increasing or decreasing")
    rising = perhaps(rises)
    up = None if rising is False else searchsorted(bins, x, "left" if right else "right")
    if rising:
        return up
    down = bins.shape[0] - searchsorted(bins[::-1], x, "left" if right else "right")
    return down if up is None else np.where(rises, up, down)


@implements(np.lexsort)
def lexsort(keys: Any, axis: Any = -1) -> Array:
    """Sorted by one key after the other, the last one at the end: each sort keeps what ties."""
    rows = list(arraylike(keys)) if hasattr(keys, "shape") else [arraylike(key) for key in keys]
    if not rows:
        raise TypeError("need sequence of keys with len > 0 in lexsort")
    if any(row.shape != rows[0].shape for row in rows):
        raise ValueError("all keys need to be the same shape")
    axis = normal_axes(operator.index(axis), max(len(rows[0].shape), 1))[0]
    if not rows[0].shape:
        return np.zeros((), np.intp)[()]
    order = sorting.argsort.bind(rows[0], axis=axis, kind="stable")
    for row in rows[1:]:
        again = sorting.argsort.bind(np.take_along_axis(row, order, axis), axis=axis, kind="stable")
        order = np.take_along_axis(order, again, axis)
    return order


@implements(np.sort_complex)
def sort_complex(a: Array) -> Array:
    a = sort(a)
    small = np.complex64 if a.dtype.itemsize == 2 else np.complex128
    return a if a.dtype.kind == "c" else np.astype(a, np.result_type(a.dtype, np.complex64, small))
