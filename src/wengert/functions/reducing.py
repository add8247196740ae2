"""Reductions and scans: sum, mean, var, max, cumsum, ..."""

from __future__ import annotations

import builtins
import itertools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..kinds import Nonlinear
from ..primitive import Primitive, Traced
from ..primitives import reduce
from ..primitives.elementary import ROOT, root
from ..primitives.reduce import cumprod as cumprod_primitive
from ..primitives.reduce import cumsum as cumsum_primitive
from ..primitives.reduce import kept, sum_
from ..primitives.shape import reshape
from ..program import Array
from ..trace import UFUNC_METHODS, as_number, implements, perhaps
from .contractions import product_of_roots
from .elementwise import arraylike
from .roots import MANY, grafted, noted
from .shaping import astype

__all__ = ["listed_axes", "normal_axes"]

ABSENT: Any = np._NoValue
"""What NumPy passes for ``keepdims``, ``initial`` and ``where`` that were not given."""


def normal_axes(axis: Any, rank: int) -> tuple[int, ...]:
    """``axis`` (None, an integer or a tuple) as a sorted tuple of axes that are not negative."""
    if axis is None:
        return tuple(range(rank))
    if type(axis) is int:
        if not -rank <= axis < rank:
            raise np.exceptions.AxisError(axis, rank)
        return (axis % rank,)
    if type(axis) is not tuple:
        return normal_axes(operator.index(axis), rank)
    axes = tuple(sorted(normal_axes(operator.index(i), rank)[0] for i in axis))
    if len(set(axes)) != len(axes):
        raise ValueError("duplicate value in 'axis'")
    return axes


def listed_axes(axis: Any, rank: int) -> tuple[int, ...]:
    """The same for a function that takes a list of axes as well."""
    return normal_axes(tuple(axis) if isinstance(axis, list) else axis, rank)


def _reduced(axis: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of a reduction. One of a number may name its axis 0 or -1, as in NumPy."""
    if not shape and axis is not None and type(axis) is not tuple:
        return () if operator.index(axis) in (0, -1) else normal_axes(axis, 0)
    return normal_axes(axis, len(shape))


def _finish(result: Array, shape: tuple[int, ...], axes: tuple[int, ...], keepdims: Any) -> Array:
    """A reduced value, with its axes kept at length 1 if that was asked for."""
    if keepdims is ABSENT or not keepdims:
        return result
    return reshape.bind(result, shape=kept(shape, axes))


def _given(value: Any) -> bool:
    return value is not ABSENT and value is not None


def _unmasked(where: Any) -> bool:
    return where is ABSENT or where is True


def _length(shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
    """How many elements go into each result where there is no mask."""
    return math.prod(shape[i] for i in axes)


def _masked(a: Array, where: Any, other: Any) -> Array:
    """``a`` with ``other`` where the mask does not hold."""
    if _unmasked(where):
        return a
    a, where = arraylike(a), arraylike(where)
    if np.broadcast_shapes(a.shape, np.shape(where)) != a.shape:
        raise ValueError(f"where= of shape {np.shape(where)} does not fit an operand of {a.shape}")
    return np.where(where, a, other)


def _started(
    result: Array, initial: Any, combine: np.ufunc, where: Any, x: Array, axes: tuple[int, ...]
) -> Array:
    """A reduced value combined with the initial one, which takes its dtype."""
    if initial is ABSENT:
        return result
    if initial is None:
        if not _unmasked(where) or not _length(x.shape, axes):
            raise ValueError("a reduction of what may be nothing needs an initial value")
        return result
    return combine(_initial(initial, result.dtype), result)


def _initial(value: Any, dtype: np.dtype[Any]) -> Array:
    first = arraylike(value)
    if np.ndim(first):
        raise ValueError("the initial value of a reduction must be a number")
    if first.dtype.kind == "c" and dtype.kind not in "cb":
        raise TypeError(f"a complex initial value does not fit a reduction of {dtype}")
    return astype(first, dtype)


def _floating(a: Array) -> Array:
    """``a``, integers as float64."""
    return a if a.dtype.kind in "fc" else a.astype(np.float64)


def _of_number(x: Array, function: Any, dtype: Any) -> Array:
    """The sum or product of a number, in the dtype that NumPy gives it."""
    x = as_number(x)
    if dtype is None and x.dtype.kind in "biu":
        return astype(x, function(np.zeros((), x.dtype)).dtype)
    return x


# -- sum and prod ----------------------------------------------------------------------------------


@implements(np.sum)
def sum(
    a: Array,
    axis: Any = None,
    dtype: Any = None,
    keepdims: Any = ABSENT,
    initial: Any = ABSENT,
    where: Any = ABSENT,
) -> Array:
    x = a if dtype is None else np.astype(a, dtype)
    if where is not ABSENT and where is not True:
        x = _masked(x, where, 0)
    if initial is not ABSENT:
        x = arraylike(x)
    shape = x.shape
    axes = normal_axes(axis, len(shape)) if shape else _reduced(axis, shape)
    total = sum_.bind(x, axes=axes) if shape else _of_number(x, np.sum, dtype)
    if initial is not ABSENT:
        total = _started(total, initial, np.add, where, x, axes)
    return total if keepdims is ABSENT else _finish(total, shape, axes, keepdims)


@implements(np.prod)
def prod(
    a: Array,
    axis: Any = None,
    dtype: Any = None,
    keepdims: Any = ABSENT,
    initial: Any = ABSENT,
    where: Any = ABSENT,
) -> Array:
    x = arraylike(_masked(a if dtype is None else np.astype(a, dtype), where, 1))
    axes = _reduced(axis, x.shape)
    product = reduce.prod.bind(x, axes=axes) if x.shape else _of_number(x, np.prod, dtype)
    if getattr(type(x), "rooted", False) and x.shape:
        rows = np.moveaxis(x, axes, range(len(axes)))
        kept = rows.shape[len(axes) :]
        factors = list(np.reshape(rows, (math.prod(x.shape[i] for i in axes), *kept)))
        product = product_of_roots(product, factors)
    product = _started(product, initial, np.multiply, where, x, axes)
    return _finish(product, x.shape, axes, keepdims)


# -- mean, variance --------------------------------------------------------------------------------


def _count(shape: tuple[int, ...], axes: tuple[int, ...], where: Any) -> Any:
    """How many elements go into each result: a number, or an array where there is a mask."""
    if _unmasked(where):
        return _length(shape, axes)
    return np.sum(np.astype(np.broadcast_to(where, shape), np.float64), axis=axes)


@implements(np.mean)
def mean(
    a: Array, axis: Any = None, dtype: Any = None, keepdims: Any = ABSENT, *, where: Any = ABSENT
) -> Array:
    x = _floating(a if dtype is None else np.astype(a, dtype))
    shape = x.shape
    axes = normal_axes(axis, len(shape)) if _unmasked(where) else _reduced(axis, shape)
    total = sum(x, axes, where=where)
    found = _divided(total, _count(shape, axes, where))
    return found if keepdims is ABSENT else _finish(found, shape, axes, keepdims)


def _divided(total: Array, count: Any) -> Array:
    """``total / count`` in the dtype of ``total``; NaN where the count is 0."""
    if type(count) is int:
        return total / (count or math.nan)
    return total / np.astype(count, total.real.dtype)


mean_ = mean


@implements(np.var)
def var(
    a: Array,
    axis: Any = None,
    dtype: Any = None,
    ddof: Any = 0,
    keepdims: Any = ABSENT,
    *,
    where: Any = ABSENT,
    mean: Any = ABSENT,
    correction: Any = ABSENT,
) -> Array:
    a = arraylike(a)
    x = _floating(a if dtype is None else np.astype(a, dtype))
    axes = normal_axes(axis, x.ndim) if _unmasked(where) else _reduced(axis, x.shape)
    center = mean_(x, axes, keepdims=True, where=where) if mean is ABSENT else mean
    excess = x - center
    count = _count(x.shape, axes, where) - (correction if _given(correction) else ddof)
    if type(count) is not int:
        count = np.maximum(count, 0)
    elif count < 0:
        count = 0
    total = _sum_of_squares(excess, axes, where)
    return _finish(_divided(total, count), x.shape, axes, keepdims)


def _sum_of_squares(x: Array, axes: tuple[int, ...], where: Any) -> Array:
    if len(axes) == x.ndim and x.ndim and where is ABSENT and x.dtype.kind == "f":
        flat = np.ravel(x)
        return np.matmul(flat, flat)
    squares = np.square(x) if x.dtype.kind == "f" else np.real(x * np.conjugate(x))
    return sum(squares, axes, where=where)


@implements(np.std)
def std(a: Array, *args: Any, **kwargs: Any) -> Array:
    total = var(a, *args, **kwargs)
    return noted(root.bind(total), ROOT, (total,), ("std", a, args, kwargs))


@implements(np.average)
def average(
    a: Array,
    axis: Any = None,
    weights: Any = None,
    returned: bool = False,
    *,
    keepdims: Any = ABSENT,
) -> Any:
    if weights is None:
        axes = listed_axes(axis, np.ndim(a))
        found = mean(a, axes, keepdims=keepdims)
        if not np.size(found):
            raise ZeroDivisionError("division by zero")
        scale: Any = np.full_like(found, math.prod(np.shape(a)[i] for i in axes))
        return (found, scale) if returned else found
    weights, a = arraylike(weights), arraylike(a)
    axes = listed_axes(axis, a.ndim)
    if weights.shape != a.shape:
        if axis is None or weights.shape != tuple(a.shape[i] for i in axes):
            raise ValueError(f"weights of shape {weights.shape} do not fit {a.shape}, axis {axis}")
        weights = np.reshape(weights, [n if i in axes else 1 for i, n in enumerate(a.shape)])
        weights = np.broadcast_to(weights, a.shape)
    scale = np.sum(weights, axis=axes)
    if perhaps(np.any(np.equal(scale, 0))):
        raise ZeroDivisionError("Weights sum to zero, can't be normalized")
    found = np.sum(a * weights, axis=axes) / scale
    found = found if keepdims is ABSENT else _finish(found, a.shape, axes, keepdims)
    if scale.shape != found.shape:
        scale = np.broadcast_to(scale, found.shape).copy()
    return (found, scale) if returned else found


def _frequencies(weights: Any, count: int, name: str) -> Array:
    weights = astype(arraylike(weights), np.float64)
    if weights.ndim > 1:
        raise RuntimeError(f"cannot handle multidimensional {name}")
    if weights.shape[0] != count:
        raise RuntimeError(f"incompatible numbers of samples and {name}")
    if perhaps(np.any(np.less(weights, 0))):
        raise ValueError(f"{name} cannot be negative")
    return weights


def _observations(m: Array, y: Any, rowvar: bool, dtype: Any) -> Array:
    """The variables in rows."""
    parts = [arraylike(part) for part in (m, y) if part is not None]
    if builtins.any(part.ndim > 2 for part in parts):
        raise ValueError(f"{'m' if parts[0].ndim > 2 else 'y'} has more than 2 dimensions")
    if dtype is None:
        dtype = np.result_type(np.float64, *(part.dtype for part in parts))
    rows = [np.atleast_2d(part) for part in parts]
    if not rowvar and parts[0].ndim != 1:
        rows[0] = np.transpose(rows[0])
    if not rows[0].shape[0]:
        rows = rows[:1]
    elif not rowvar and len(rows) > 1 and rows[1].shape[0] != 1:
        rows[1] = np.transpose(rows[1])
    return astype(rows[0] if len(rows) == 1 else np.concatenate(rows), dtype)


@implements(np.cov)
def cov(
    m: Array,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Array:
    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    x = _observations(m, y, rowvar, dtype)
    if not x.shape[0]:
        return np.zeros((0, 0))
    count = x.shape[1]
    ddof = ddof if ddof is not None else int(not bias)
    weights = None
    if fweights is not None:
        weights = _frequencies(fweights, count, "fweights")
        if perhaps(np.any(np.not_equal(weights, np.rint(weights)))):
            raise TypeError("fweights must be integer")
    if aweights is not None:
        aweights = _frequencies(aweights, count, "aweights")
        weights = aweights if weights is None else weights * aweights
    center, total = average(x, 1, weights, returned=True)
    if weights is None:
        scale: Any = count - ddof
    elif ddof == 0 or aweights is None:
        scale = total[0] - ddof
    else:
        scale = total[0] - ddof * sum(weights * aweights) / total[0]
    excess = x - center[:, None]
    scale = np.where(np.less_equal(scale, 0), 0.0, scale) if isinstance(scale, Traced) else scale
    weighted = np.transpose(excess if weights is None else excess * weights)
    product = np.dot(excess, np.conjugate(weighted))
    share = np.divide(1, scale) if isinstance(scale, Traced) else _inverse(scale)
    return np.squeeze(product * share)


def _inverse(scale: Any) -> Any:
    return 1 / scale if scale > 0 else math.inf


@implements(np.corrcoef)
def corrcoef(x: Array, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Array:
    both = cov(x, y, rowvar, dtype=dtype)
    if both.ndim == 0:
        return both / both
    size = np.sqrt(np.real(np.diagonal(both)))
    both = both / size[:, None] / size[None, :]
    if both.dtype.kind == "c":
        return np.clip(both.real, -1, 1) + 1j * np.clip(both.imag, -1, 1)
    return np.clip(both, -1, 1)


# -- greatest and smallest -------------------------------------------------------------------------


def _worst(infinite: float, dtype: np.dtype[Any]) -> Any:
    """What no element of a dtype is behind: an infinity, or the first or last of its numbers."""
    if dtype.kind == "b":
        return infinite > 0
    if dtype.kind in "iu":
        return np.iinfo(dtype).max if infinite > 0 else np.iinfo(dtype).min
    return infinite


def _extreme(primitive: Primitive, pair: np.ufunc, worst: float) -> Callable[..., Array]:
    def extreme(
        a: Array,
        axis: Any = None,
        keepdims: Any = ABSENT,
        initial: Any = ABSENT,
        where: Any = ABSENT,
    ) -> Array:
        x = arraylike(a)
        axes = _reduced(axis, x.shape)
        if not _unmasked(where):
            if not _given(initial):
                raise ValueError(f"{primitive.name} with where= needs an initial value")
            x = _masked(x, where, _worst(worst, x.dtype))
        if _given(initial) and not _length(x.shape, axes):
            rest = tuple(n for i, n in enumerate(x.shape) if i not in axes)
            first = _initial(initial, x.dtype)
            result = np.broadcast_to(first, rest) if rest else first
        else:
            result = primitive.bind(x, axes=axes) if x.shape else as_number(x)
            result = _started(result, initial, pair, where, x, axes)
        return _finish(result, x.shape, axes, keepdims)

    return extreme


max = implements(np.max, np.amax)(_extreme(reduce.maximum_along, np.maximum, -math.inf))
min = implements(np.min, np.amin)(_extreme(reduce.minimum_along, np.minimum, math.inf))


@implements(np.ptp)
def ptp(a: Array, axis: Any = None, keepdims: Any = ABSENT) -> Array:
    return max(a, axis, keepdims) - min(a, axis, keepdims)


# -- truth values and places -----------------------------------------------------------------------


def _truth(primitive: Primitive, pair: np.ufunc, neutral: bool) -> Callable[..., Array]:
    def reduction(
        a: Array,
        axis: Any = None,
        keepdims: Any = ABSENT,
        *,
        where: Any = ABSENT,
        initial: Any = ABSENT,
    ) -> Array:
        x = _masked(a, where, neutral)
        axes = _reduced(axis, x.shape)
        result = primitive.bind(x, axes=axes) if x.shape else np.not_equal(x, 0)
        result = _started(result, initial, pair, where, x, axes)
        return _finish(result, x.shape, axes, keepdims)

    return reduction


all = implements(np.all)(_truth(reduce.every, np.logical_and, True))
any = implements(np.any)(_truth(reduce.some, np.logical_or, False))


@implements(np.count_nonzero)
def count_nonzero(a: Array, axis: Any = None, *, keepdims: bool = False) -> Array:
    return np.sum(np.astype(np.not_equal(a, 0), np.intp), axis=axis, keepdims=keepdims)


def _place(primitive: Nonlinear) -> Callable[..., Array]:
    def place(a: Array, axis: Any = None, keepdims: Any = ABSENT) -> Array:
        shape = a.shape
        if axis is None:
            found = primitive.bind(np.ravel(a), axes=(0,))
            return _finish(found, shape, tuple(range(len(shape))), keepdims)
        axes = _reduced(operator.index(axis), shape)
        if not axes:
            return primitive.bind(np.ravel(a), axes=(0,))
        return _finish(primitive.bind(a, axes=axes), shape, axes, keepdims)

    return place


argmax = implements(np.argmax)(_place(reduce.argmax))
argmin = implements(np.argmin)(_place(reduce.argmin))

# -- scans -----------------------------------------------------------------------------------------


def _scan(a: Array, axis: Any, dtype: Any, bind: Callable[[Array, int], Array]) -> Array:
    x = a if dtype is None else np.astype(a, dtype)
    axes = () if axis is None else _reduced(operator.index(axis), x.shape)
    return bind(x, axes[0]) if axes else bind(np.ravel(x), 0)


@implements(np.cumsum)
def cumsum(a: Array, axis: Any = None, dtype: Any = None) -> Array:
    return _scan(a, axis, dtype, lambda x, i: cumsum_primitive.bind(x, axis=i, reverse=False))


@implements(np.cumprod)
def cumprod(a: Array, axis: Any = None, dtype: Any = None) -> Array:
    return _scan(a, axis, dtype, _cumprod)


def _cumprod(x: Array, axis: int) -> Array:
    products = cumprod_primitive.bind(x, axis=axis)
    if not getattr(type(x), "rooted", False) or x.shape[axis] > MANY:
        return products
    rows = list(itertools.accumulate(np.moveaxis(x, axis, 0), operator.mul))
    return grafted(products, np.stack(rows, axis)) if len(rows) > 1 else products


def _cumulative(scan: Callable[..., Array], first: int) -> Callable[..., Array]:
    def cumulative(
        x: Array, /, *, axis: Any = None, dtype: Any = None, include_initial: bool = False
    ) -> Array:
        x = np.atleast_1d(x)
        if axis is None and x.ndim > 1:
            raise ValueError("an array of more than one axis needs axis=")
        axis = 0 if axis is None else normal_axes(axis, x.ndim)[0]
        found = scan(x, axis, dtype)
        if not include_initial:
            return found
        shape = (*found.shape[:axis], 1, *found.shape[axis + 1 :])
        return np.concatenate([np.full(shape, first, found.dtype), found], axis=axis)

    return cumulative


cumulative_sum = implements(np.cumulative_sum)(_cumulative(cumsum, 0))
cumulative_prod = implements(np.cumulative_prod)(_cumulative(cumprod, 1))

# -- with NaN left out -----------------------------------------------------------------------------


def _present(a: Array, where: Any) -> Array:
    found = np.logical_not(np.isnan(a))
    return _masked(found, where, False)


def _filled(a: Array, value: float) -> Array:
    return np.where(np.isnan(a), value, a)


def _without_nan(reduction: Callable[..., Array]) -> Callable[..., Array]:
    def reduced(
        a: Array, axis: Any = None, *args: Any, where: Any = ABSENT, **kwargs: Any
    ) -> Array:
        return reduction(a, axis, *args, where=_present(a, where), **kwargs)

    return reduced


nansum = implements(np.nansum)(lambda a, *args, **kwargs: sum(_filled(a, 0), *args, **kwargs))
nanprod = implements(np.nanprod)(lambda a, *args, **kwargs: prod(_filled(a, 1), *args, **kwargs))
nanmean = implements(np.nanmean)(_without_nan(mean))
nanvar = implements(np.nanvar)(
    lambda a, *args, where=ABSENT, **kwargs: var(
        np.where(_present(a, where), a, 0), *args, where=_present(a, where), **kwargs
    )
)


@implements(np.nanstd)
def nanstd(a: Array, *args: Any, **kwargs: Any) -> Array:
    total = nanvar(a, *args, **kwargs)
    return noted(root.bind(total), ROOT, (total,), ("nanstd", a, args, kwargs))


def _extreme_without_nan(reduction: Callable[..., Array], worst: float) -> Callable[..., Array]:
    def reduced(
        a: Array,
        axis: Any = None,
        keepdims: Any = ABSENT,
        initial: Any = ABSENT,
        where: Any = ABSENT,
    ) -> Array:
        if not _unmasked(where) and not _given(initial):
            raise ValueError("a greatest or smallest element with where= needs an initial value")
        if arraylike(a).dtype.kind not in "fc":  # there is no NaN
            return reduction(a, axis, keepdims, initial, where)
        present = _present(a, where)
        found = reduction(np.where(present, a, worst), axis, keepdims, initial)
        if _given(initial):
            return found
        return as_number(np.where(any(present, axis, keepdims), found, math.nan))

    return reduced


nanmax = implements(np.nanmax)(_extreme_without_nan(max, -math.inf))
nanmin = implements(np.nanmin)(_extreme_without_nan(min, math.inf))


@implements(np.nancumsum)
def nancumsum(a: Array, axis: Any = None, dtype: Any = None) -> Array:
    return cumsum(_filled(a, 0), axis, dtype)


@implements(np.nancumprod)
def nancumprod(a: Array, axis: Any = None, dtype: Any = None) -> Array:
    return cumprod(_filled(a, 1), axis, dtype)


def _place_without_nan(place: Callable[..., Array], worst: float) -> Callable[..., Array]:
    return lambda a, axis=None, **kwargs: place(_filled(a, worst), axis, **kwargs)


nanargmax = implements(np.nanargmax)(_place_without_nan(argmax, -math.inf))
nanargmin = implements(np.nanargmin)(_place_without_nan(argmin, math.inf))


# -- the methods of ufuncs -------------------------------------------------------------------------


def _reduce_method(function: Callable[..., Array]) -> Callable[..., Array]:
    """``ufunc.reduce``: its axis is 0 by default."""

    def reduced(a: Array, axis: Any = 0, dtype: Any = None, **kwargs: Any) -> Array:
        return function(a if dtype is None else np.astype(a, dtype), axis, **kwargs)

    return reduced


for _ufunc, _function in {
    np.add: sum,
    np.multiply: prod,
    np.maximum: max,
    np.minimum: min,
    np.fmax: nanmax,
    np.fmin: nanmin,
    np.logical_and: all,
    np.logical_or: any,
}.items():
    UFUNC_METHODS[_ufunc, "reduce"] = _reduce_method(_function)


def _accumulate_method(bind: Callable[[Array, int], Array]) -> Callable[..., Array]:
    def accumulated(a: Array, axis: Any = 0, dtype: Any = None) -> Array:
        if not np.ndim(a):
            raise TypeError("cannot accumulate on a scalar")
        return _scan(a, axis, dtype, bind)

    return accumulated


for _ufunc, _bind in {
    np.add: lambda x, i: cumsum_primitive.bind(x, axis=i, reverse=False),
    np.multiply: _cumprod,
    np.maximum: lambda x, i: reduce.maximum_so_far.bind(x, axis=i),
    np.minimum: lambda x, i: reduce.minimum_so_far.bind(x, axis=i),
}.items():
    UFUNC_METHODS[_ufunc, "accumulate"] = _accumulate_method(_bind)
