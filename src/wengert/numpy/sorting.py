"""Order: sort, median, quantile, searchsorted, ..."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..primitive import Traced
from ..primitives import sorting
from ..program import Array
from ..trace import as_number, implements, ordered, perhaps
from .elementwise import along, arraylike
from .reducing import listed_axes, normal_axes

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
    if perhaps(np.any(np.diff(bins) < 0)):
        if perhaps(np.any(np.diff(bins) > 0)):
            raise ValueError("bins must be monotonically increasing or decreasing")
        return bins.shape[0] - searchsorted(bins[::-1], x, "left" if right else "right")
    return searchsorted(bins, x, "left" if right else "right")


@implements(np.unique)
def unique(ar: Array, *args: Any, **kwargs: Any) -> Any:
    raise UnsupportedError(
        "np.unique of a traced array has a shape that its values decide, and no derivative",
        remedy="np.sort(x), or np.unique(wg.stop_gradient(x)) where the places are meant",
    )


# -- quantiles -------------------------------------------------------------------------------------


def _order_statistics(a: Array, axis: Any, keepdims: bool) -> tuple[Array, tuple[int, ...]]:
    """The elements in order along the first axis, and the shape of a result."""
    axes = listed_axes(axis, a.ndim)
    others = [i for i in range(a.ndim) if i not in axes]
    moved = np.transpose(a, (*axes, *others))
    length = math.prod(a.shape[i] for i in axes)
    rest = tuple(a.shape[i] for i in others)
    elements = sorting.sort.bind(np.reshape(moved, (length, *rest)), axis=0)
    kept = tuple(1 if i in axes else n for i, n in enumerate(a.shape))
    return elements, kept if keepdims else rest


def _lerp(low: Array, high: Array, t: Array) -> Array:
    """low at t = 0 and high at t = 1, exactly."""
    step = high - low
    return np.where(t < 0.5, low + step * t, high - step * (1 - t))


_PLACES = {
    "linear": lambda h: (np.floor(h), np.ceil(h), h - np.floor(h)),
    "lower": lambda h: (np.floor(h), np.floor(h), 0 * h),
    "higher": lambda h: (np.ceil(h), np.ceil(h), 0 * h),
    "nearest": lambda h: (np.rint(h), np.rint(h), 0 * h),
    "midpoint": lambda h: (np.floor(h), np.ceil(h), 0.5 * (h != np.floor(h))),
}


_INTERPOLATING = ("linear", "midpoint")


@implements(np.quantile)
def quantile(
    a: Array,
    q: Any,
    axis: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Array:
    if weights is not None or method not in _PLACES:
        raise UnsupportedError(
            f"np.quantile with method={method!r}, weights={weights} is not differentiated",
            remedy=f"one of the methods {', '.join(_PLACES)}, without weights",
        )
    if isinstance(q, Traced):
        raise UnsupportedError(
            "np.quantile takes no traced q",
            remedy="np.interp(q, np.linspace(0, 1, len(x)), np.sort(x))",
        )
    a = arraylike(a)
    if a.dtype.kind == "c":
        raise TypeError("a must be an array of real numbers")
    if a.dtype.kind in "iub" and method in _INTERPOLATING:
        a = a.astype(np.float64)
    given = np.asarray(q)
    # An array of floats takes part in the promotion, if something is interpolated.
    strong = type(q) not in (int, float) and given.dtype.kind == "f" and method in _INTERPOLATING
    dtype = np.quantile(np.zeros(1, a.dtype), q).dtype if strong else a.dtype
    q = given.astype(float)
    if np.any((q < 0) | (q > 1)):
        raise ValueError("Quantiles must be in the range [0, 1]")
    elements, shape = _order_statistics(a, axis, keepdims)
    low, high, t = _PLACES[method](q * (elements.shape[0] - 1))
    t = np.reshape(np.asarray(t, dtype), (*q.shape, *(1,) * (elements.ndim - 1)))
    found = _lerp(elements[low.astype(int)], elements[high.astype(int)], t)
    last = elements[-1]
    found = np.reshape(np.where(np.isnan(last), last, found), (*q.shape, *shape))
    return as_number(ordered(found))


@implements(np.percentile)
def percentile(a: Array, q: Any, *args: Any, **kwargs: Any) -> Array:
    if isinstance(q, Traced):
        return quantile(a, q)
    part = q / 100 if type(q) in (int, float) else np.asarray(np.true_divide(q, 100))
    return quantile(a, part, *args, **kwargs)


@implements(np.median)
def median(
    a: Array, axis: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Array:
    elements, shape = _order_statistics(a, axis, keepdims)
    n = elements.shape[0]
    if not n:
        return np.reshape(np.mean(elements, axis=0), shape)
    cut = along(0, elements.ndim)
    found = np.mean(elements[cut((n - 1) // 2, n // 2 + 1)], axis=0)
    last = elements[-1]
    found = np.reshape(np.where(np.isnan(last), last, found), shape)
    return found if keepdims else as_number(found)
