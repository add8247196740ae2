"""Medians and quantiles, by every method that NumPy has, also with NaN left out or with weights.

All are read from the sorted elements. What is left out is counted for each slice and stands behind
the others, as NaN is sorted to the end, so that no value has to be known (``vmap``, ``jit``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..primitive import Traced
from ..primitives import sorting
from ..program import Array
from ..trace import as_number, implements, lay, layout, ordered, perhaps
from .elementwise import arraylike
from .reducing import listed_axes
from .shaping import astype

__all__: list[str] = []

ABSENT: Any = np._NoValue


def _sampled(a: Array, axes: tuple[int, ...]) -> Array:
    """The array with the axes that are reduced as one, the first."""
    others = [i for i in range(a.ndim) if i not in axes]
    length = math.prod(a.shape[i] for i in axes)
    rest = tuple(a.shape[i] for i in others)
    return np.reshape(np.transpose(a, (*axes, *others)), (length, *rest))


def _kept(a: Array, axes: tuple[int, ...], keepdims: Any) -> tuple[int, ...]:
    """The shape of a reduced result."""
    if keepdims is ABSENT or not keepdims:
        return tuple(n for i, n in enumerate(a.shape) if i not in axes)
    return tuple(1 if i in axes else n for i, n in enumerate(a.shape))


def _counted(elements: Array) -> Array:
    """How many elements of each slice are no NaN."""
    return np.sum(np.logical_not(np.isnan(elements)), axis=0)


# -- the places between sorted elements ------------------------------------------------------------

# R. J. Hyndman, Y. Fan, Sample quantiles in statistical packages, The American Statistician 50(4)
# (1996) 361-365, has the first nine.

_INTERPOLATED: dict[str, tuple[float, float]] = {
    "interpolated_inverted_cdf": (0, 1),
    "hazen": (0.5, 0.5),
    "weibull": (0, 0),
    "median_unbiased": (1 / 3.0, 1 / 3.0),
    "normal_unbiased": (3 / 8.0, 3 / 8.0),
}
"""The alpha and the beta of methods by which a quantile lies at n q + alpha + q(1 - alpha - beta).
"""


def _averaged(n: Any, q: Any) -> tuple[Any, Any]:
    place = n * q - 1
    return place, np.where(place == np.floor(place), 0.5, 1.0)


def _halfway(n: Any, q: Any) -> tuple[Any, Any]:
    place = 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q))
    return place, np.where(place % 1 == 0, 0.0, 0.5)


def _between(alpha: float, beta: float) -> Callable[[Any, Any], tuple[Any, Any]]:
    def place(n: Any, q: Any) -> tuple[Any, Any]:
        found = n * q + (alpha + q * (1 - alpha - beta)) - 1
        return found, None

    return place


_CONTINUOUS: dict[str, Callable[[Any, Any], tuple[Any, Any]]] = {
    "linear": lambda n, q: ((n - 1) * q, None),
    "averaged_inverted_cdf": _averaged,
    "midpoint": _halfway,
    **{name: _between(*given) for name, given in _INTERPOLATED.items()},
}
"""The place of a quantile, and the weight of the element above it where that is not its fraction.
"""


def _above_unless(stays: Callable[[Any], Any], place: Any) -> Any:
    low = np.floor(place)
    return np.maximum(np.where(stays(place), low, low + 1), 0)


_DISCRETE: dict[str, Callable[[Any, Any], Any]] = {
    "inverted_cdf": lambda n, q: _above_unless(lambda p: p == np.floor(p), n * q - 1),
    "closest_observation": lambda n, q: _above_unless(
        lambda p: (p == np.floor(p)) & (np.floor(p) % 2 == 1), n * q - 1 - 0.5
    ),
    "lower": lambda n, q: np.floor((n - 1) * q),
    "higher": lambda n, q: np.ceil((n - 1) * q),
    "nearest": lambda n, q: np.rint((n - 1) * q),
}
"""The number of the element that is the quantile."""


def _at(elements: Array, places: Any, shape: tuple[int, ...]) -> Array:
    """The elements at places that are the same for all slices, or each slice's own."""
    places = np.astype(places, np.intp)
    if np.ndim(places) == len(shape) - elements.ndim + 1:
        return np.take(elements, places, axis=0)
    slices = math.prod(elements.shape[1:])
    rows = np.reshape(np.broadcast_to(places, shape), (-1, slices))
    found = np.take_along_axis(np.reshape(elements, (elements.shape[0], slices)), rows, 0)
    return np.reshape(found, shape)


def _lerp(low: Array, high: Array, t: Any, weak: bool) -> Array:
    """low at t = 0 and high at t = 1, exactly. A weak ``t`` is converted to their dtype."""
    step = high - low
    parts = (astype(part, step.dtype) if weak else part for part in (t, 1 - t))
    up, down = (step * part for part in parts)
    return np.where(np.less(t, 0.5), low + up, high - down)


def _read(elements: Array, n: Any, q: Any, method: str, weak: bool) -> Array:
    """The quantiles of sorted slices, the first ``n`` elements of each of which count."""
    shape = (*np.shape(q), *elements.shape[1:])
    if type(n) is not int:
        n = np.astype(np.maximum(n, 1), q.dtype)  # A number takes no part in promotion.
    if np.ndim(n):
        q = np.reshape(q, (*np.shape(q), *(1,) * (elements.ndim - 1)))
    if method in _DISCRETE:
        return _at(elements, _DISCRETE[method](n, q), shape)
    place, weight = _CONTINUOUS[method](n, q)
    low = np.floor(place)
    last = n - 1
    below, above = np.less(place, 0), np.greater_equal(place, last)
    i = np.where(above, last, np.where(below, 0, low))
    j = np.where(above, last, np.where(below, 0, low + 1))
    t = place - low if weight is None else astype(weight, q.dtype)
    if not np.ndim(n):
        t = np.reshape(t, (*np.shape(q), *(1,) * (elements.ndim - 1)))
    return _lerp(_at(elements, i, shape), _at(elements, j, shape), t, weak)


def _weighted(elements: Array, weights: Array, q: Array) -> Array:
    """The first elements at which the sum of the weights has reached its part ``q``."""
    order = sorting.argsort.bind(elements, axis=0, kind="stable")
    elements = np.take_along_axis(elements, order, 0)
    share = np.cumsum(np.take_along_axis(weights, order, 0), axis=0, dtype=np.float64)
    share = share / share[-1]
    if perhaps(np.any(np.isnan(share[-1]))):
        raise ValueError("Weights included NaN, inf or were all zero.")
    share = np.astype(share, q.dtype)
    share = np.where(np.equal(share, 0), -1, share)
    rows = np.reshape(q, (-1, *(1,) * elements.ndim))
    places = np.minimum(np.sum(np.less(share, rows), axis=1), elements.shape[0] - 1)
    shape = (*np.shape(q), *elements.shape[1:])
    return _at(elements, np.reshape(places, shape), shape)


def _weights(weights: Any, a: Array, axis: Any, axes: tuple[int, ...]) -> Array:
    weights = arraylike(weights)
    if perhaps(np.any(np.less(weights, 0))):
        raise ValueError("Weights must be non-negative.")
    if weights.shape != a.shape:
        if axis is None:
            raise TypeError("Axis must be specified when shapes of a and weights differ.")
        given = listed_order(axis, a.ndim)
        if weights.shape != tuple(a.shape[i] for i in given):
            raise ValueError("Shape of weights must be consistent with shape of a along axis")
        weights = np.transpose(weights, sorted(range(len(given)), key=lambda i: given[i]))
        weights = np.reshape(weights, [n if i in given else 1 for i, n in enumerate(a.shape)])
    return _sampled(np.broadcast_to(weights, a.shape), axes)


def listed_order(axis: Any, rank: int) -> tuple[int, ...]:
    """Axes in the order in which they are named."""
    axes = (axis,) if np.ndim(axis) == 0 else tuple(axis)
    return tuple(listed_axes(each, rank)[0] for each in axes)


def _checked(a: Any, q: Any, method: str, weights: Any) -> tuple[Array, Array, bool]:
    """The operands of a quantile, and whether the number ``q`` takes no part in promotion."""
    a = arraylike(a)
    if a.dtype.kind == "c":
        raise TypeError("a must be an array of real numbers")
    if method not in _CONTINUOUS and method not in _DISCRETE:
        methods = [*_CONTINUOUS, *_DISCRETE]
        raise ValueError(f"{method!r} is not a valid method. Use one of: {methods}")
    if weights is not None and method != "inverted_cdf":
        raise ValueError(f"Only method 'inverted_cdf' supports weights. Got: {method}.")
    weak = type(q) in (int, float) or getattr(type(q), "python", False)
    q = arraylike(q)
    if q.ndim > 2:
        raise ValueError("q must be a scalar or 1d")
    if perhaps(np.any(np.less(q, 0) | np.greater(q, 1))):
        raise ValueError("Quantiles must be in the range [0, 1]")
    weak = weak or method in _DISCRETE or (q.dtype.kind in "iu" and method == "linear")
    if q.dtype.kind != "f":
        q = np.astype(q, np.float64)
    if a.dtype.kind in "iub" and method in _CONTINUOUS:
        a = np.astype(a, np.float64)
    return a, q, weak


def _quantiles(
    a: Any, q: Any, axis: Any, method: str, keepdims: Any, weights: Any, without_nan: bool
) -> Array:
    a, q, weak = _checked(a, q, method, weights)
    axes = listed_axes(axis, a.ndim)
    elements = _sampled(a, axes)
    shape = (*q.shape, *_kept(a, axes, keepdims))
    if without_nan and q.ndim == 2 and 1 < len(axes) < a.ndim:
        raise UnsupportedError(
            "np.nanquantile of several axes and a table q puts the axes in an order of its own",
            remedy="np.nanquantile(a, q.ravel(), axis), and a reshape of its first axis",
        )
    nan = a.dtype.kind == "f"
    if weights is not None:
        shares = _weights(weights, a, axis, axes)
        if without_nan and nan:
            shares = np.where(np.isnan(elements) & (_counted(elements) > 0), 0, shares)
        found = _weighted(elements, shares, q)
        last = np.max(elements, axis=0) if nan else elements[-1]
    else:
        elements = sorting.sort.bind(elements, axis=0)
        count = _counted(elements) if without_nan and nan else elements.shape[0]
        found = _read(elements, count, q, method, weak)
        last = elements[-1]
    if nan and not without_nan:
        found = np.where(np.isnan(last), last, found)
    found = ordered(np.reshape(found, shape))
    if without_nan and weights is None and q.ndim and a.ndim > 1 and axis is not None:
        model = np.empty((*shape[q.ndim :], *q.shape), found.dtype)  # NumPy goes slice by slice.
        found = lay(found, np.moveaxis(model, range(-q.ndim, 0), range(q.ndim)))
    elif q.ndim == 2 and elements.ndim == 1:
        found = lay(found, np.empty_like(layout(q), found.dtype))
    return as_number(found)


@implements(np.quantile)
def quantile(
    a: Array,
    q: Any,
    axis: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Array:
    return _quantiles(a, q, axis, method, keepdims, weights, without_nan=False)


@implements(np.nanquantile)
def nanquantile(
    a: Array,
    q: Any,
    axis: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = ABSENT,
    *,
    weights: Any = None,
) -> Array:
    return _quantiles(a, q, axis, method, keepdims, weights, without_nan=True)


def _part(q: Any) -> Any:
    """Hundredths as a part of one."""
    if type(q) in (int, float) or isinstance(q, Traced):
        return q / 100
    return np.true_divide(arraylike(q), 100)


@implements(np.percentile)
def percentile(a: Array, q: Any, *args: Any, **kwargs: Any) -> Array:
    return quantile(a, _part(q), *args, **kwargs)


@implements(np.nanpercentile)
def nanpercentile(a: Array, q: Any, *args: Any, **kwargs: Any) -> Array:
    return nanquantile(a, _part(q), *args, **kwargs)


# -- medians ---------------------------------------------------------------------------------------


@implements(np.median)
def median(
    a: Array, axis: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Array:
    axes = listed_axes(axis, a.ndim)
    elements = sorting.sort.bind(_sampled(a, axes), axis=0)
    shape = _kept(a, axes, keepdims)
    n = elements.shape[0]
    if not n:
        return np.reshape(np.mean(elements, axis=0), shape)
    found = np.mean(elements[(n - 1) // 2 : n // 2 + 1], axis=0)
    last = elements[-1]
    found = np.reshape(np.where(np.isnan(last), last, found), shape)
    return found if keepdims else as_number(found)


@implements(np.nanmedian)
def nanmedian(
    a: Array, axis: Any = None, overwrite_input: bool = False, keepdims: Any = ABSENT
) -> Array:
    a = arraylike(a)
    axes = listed_axes(axis, a.ndim)
    if not a.size or a.dtype.kind not in "fc":
        return median(a, axis, keepdims=keepdims is not ABSENT and bool(keepdims))
    elements = sorting.sort.bind(_sampled(a, axes), axis=0)
    rest = elements.shape[1:]
    count = np.maximum(_counted(elements), 1)
    low, high = (_at(elements, place, (*rest,)) for place in ((count - 1) // 2, count // 2))
    found = np.mean(np.stack([low, high]), axis=0)
    found = np.where(np.equal(count % 2, 1), low, found)
    found = np.reshape(found, _kept(a, axes, keepdims))
    kept = keepdims is not ABSENT and bool(keepdims)
    found = lay(found, np.sum(np.zeros_like(layout(a)), axis=axes, keepdims=kept))
    return found if kept else as_number(found)
