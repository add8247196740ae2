"""Elementwise functions of NumPy that are no ufuncs, or need more than one primitive."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..kinds import Elementwise, Linear
from ..primitives import arithmetic
from ..primitives.elementary import bessel_i
from ..primitives.elementary import sinc as sinc_primitive
from ..primitives.index import ARRAY, gather
from ..primitives.logic import select as select_primitive
from ..primitives.logic import stop_gradient
from ..program import Array
from ..trace import (
    ReadOnlyView,
    as_array,
    as_number,
    as_view,
    implements,
    known,
    lay,
    layout,
    ordered,
    perhaps,
    plain,
    store,
    whole,
)
from .roots import applied, noted

__all__ = ["arraylike", "truth"]

ABSENT: Any = np._NoValue
"""What NumPy passes for an argument that was not given."""


def arraylike(x: Any) -> Array:
    """A list or a number as an array; an array or a traced value as it is."""
    if hasattr(x, "dtype") or isinstance(x, (list, tuple, np.poly1d)):
        return plain(x)
    return np.asarray(x)[()]


def truth(condition: Any) -> Array:
    """A condition as Booleans: a number is true where it is not 0."""
    condition = arraylike(condition)
    return condition if condition.dtype.kind == "b" else np.not_equal(condition, 0)


# -- choosing --------------------------------------------------------------------------------------


@implements(np.where)
def where(condition: Array, x: Any = None, y: Any = None) -> Array:
    if x is None and y is None:
        return np.nonzero(condition)
    if x is None or y is None:
        raise ValueError("either both or neither of x and y should be given")
    return as_array(select_primitive.bind(truth(condition), x, y))


@implements(np.select)
def select(condlist: Sequence[Array], choicelist: Sequence[Array], default: Any = 0) -> Array:
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    found = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        condition = arraylike(condition)
        if condition.dtype.kind != "b":
            raise TypeError(f"a condition of {condition.dtype} is not one of Booleans")
        found = select_primitive.bind(condition, choice, found)
    return as_array(found).copy()


@implements(np.choose)
def choose(a: Array, choices: Any, mode: str = "raise") -> Array:
    a = arraylike(a)
    if a.dtype.kind not in "iub":
        raise TypeError(f"np.choose chooses by integers, not by {a.dtype}")
    count = len(choices)
    if mode == "wrap":
        a = np.remainder(a, count)
    elif mode == "clip":
        a = np.minimum(np.maximum(a, 0), count - 1)
    elif perhaps(np.any(np.logical_or(np.less(a, 0), np.greater_equal(a, count)))):
        raise ValueError("invalid entry in choice array")
    found = choices[0]
    for number in range(1, count):
        found = select_primitive.bind(np.equal(a, number), choices[number], found)
    shape = np.broadcast_shapes(np.shape(a), np.shape(found))
    return as_number(ordered(np.broadcast_to(found, shape)))


@implements(np.piecewise)
def piecewise(x: Array, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Array:
    """Each function is applied to all of ``x``, and chosen from where its condition holds."""
    conditions = list(condlist) if isinstance(condlist, (list, tuple)) else [condlist]
    if np.ndim(conditions[0]) == 0 and np.ndim(x) != 0:
        conditions = [arraylike(conditions)]
    if any(np.shape(condition) not in (np.shape(x), ()) for condition in conditions):
        raise IndexError(f"the conditions of np.piecewise must have the shape {np.shape(x)}")
    extra = len(funclist) - len(conditions)
    if extra not in (0, 1):
        raise ValueError(f"{len(conditions)} conditions take as many functions, or one more")

    def value(function: Any) -> Array:
        return function(x, *args, **kw) if callable(function) else function

    found = value(funclist[-1]) if extra else np.zeros_like(x)
    with np.errstate(all="ignore"):
        for condition, function in zip(conditions, funclist, strict=False):
            found = select_primitive.bind(condition, value(function), found)
    return as_array(found.astype(x.dtype))


@implements(np.clip)
def clip(
    a: Array,
    a_min: Any = ABSENT,
    a_max: Any = ABSENT,
    *,
    min: Any = ABSENT,
    max: Any = ABSENT,
    **options: Any,
) -> Array:
    if options:
        raise UnsupportedError(f"np.clip with {', '.join(options)} is not differentiated")
    if (a_min is ABSENT) != (a_max is ABSENT):
        missing = "a_min" if a_min is ABSENT else "a_max"
        raise TypeError(f"clip() missing 1 required positional argument: {missing!r}")
    if a_min is not ABSENT and (min is not ABSENT or max is not ABSENT):
        raise ValueError("np.clip takes the limits as a_min and a_max or as min and max")
    low, high = (min, max) if a_min is ABSENT else (a_min, a_max)
    if low is not None and low is not np._NoValue:
        a = np.maximum(a, low)
    return +a if high is None or high is np._NoValue else np.minimum(a, high)


@implements(np.nan_to_num)
def nan_to_num(
    x: Array, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Array:
    if not copy:
        if not getattr(type(x), "assignable", False):
            raise ValueError("a copy of a number cannot be avoided")
        store(x, nan_to_num(x, True, nan, posinf, neginf), True)
        return x if x.shape else as_number(x)
    if x.dtype.kind in "iub":
        return np.copy(x)
    if x.dtype.kind == "c":
        parts = [nan_to_num(part, copy, nan, posinf, neginf) for part in (x.real, x.imag)]
        return as_number(arithmetic.join.bind(*parts))
    limits = np.finfo(x.dtype)
    finite = np.where(np.isnan(x), nan, x)
    finite = np.where(np.equal(x, math.inf), limits.max if posinf is None else posinf, finite)
    finite = np.where(np.equal(x, -math.inf), limits.min if neginf is None else neginf, finite)
    return as_number(finite)


# -- absolute value, sign, parts of complex numbers ------------------------------------------------


@implements(np.absolute)
def absolute(x: Array) -> Array:
    x = arraylike(x)
    return (
        _modulus(x, arithmetic.modulus) if x.dtype.kind == "c" else applied(arithmetic.absolute, x)
    )


@implements("abs")
def absolute_of_number(x: Array) -> Array:
    """What Python's ``abs`` makes of a number, which for a complex one is the hypotenuse."""
    return _modulus(x, arithmetic.hypot) if x.dtype.kind == "c" else absolute(x)


def _modulus(x: Array, primitive: Elementwise) -> Array:
    parts = np.real(x), np.imag(x)
    return noted(primitive.bind(*parts), arithmetic.LENGTH_IN_THE_PLANE, parts, (x,))


@implements(np.sign)
def sign(x: Array) -> Array:
    x = arraylike(x)
    if x.dtype.kind == "c":
        size = np.absolute(x)
        return as_number(np.where(size == 0, 0, x / np.where(size == 0, 1, size)))
    return applied(arithmetic.sign, x) if x.dtype.kind == "f" else arithmetic.sign.bind(x)


def _part(val: Array, primitive: Linear) -> Array:
    """The real or the imaginary part, a view of a complex array."""
    return as_view(val, primitive.bind(val), primitive, {})


@implements(np.real)
def real(val: Array) -> Array:
    return _part(val, arithmetic.real) if val.dtype.kind == "c" else val


@implements(np.imag)
def imag(val: Array) -> Array:
    if val.dtype.kind == "c":
        return _part(val, arithmetic.imag)
    zeros = np.zeros_like(val, order="A")
    array = getattr(type(val), "assignable", False)
    return whole(zeros, ReadOnlyView) if array else as_number(zeros)


@implements(np.angle)
def angle(z: Array, deg: bool = False) -> Array:
    found = np.arctan2(np.imag(z), np.real(z)) if z.dtype.kind == "c" else np.arctan2(0, z)
    return found * (180 / math.pi) if deg else found


@implements(np.real_if_close)
def real_if_close(a: Array, tol: float = 100) -> Array:
    a = as_array(a)
    if a.dtype.kind != "c":
        return a
    parts = known(np.imag(a), "whether the imaginary part vanishes of", "np.real(x)")
    limit = tol * np.finfo(a.dtype).eps if tol > 1 else tol
    return np.real(a) if np.all(np.absolute(parts) < limit) else a


@implements(np.iscomplexobj)
def iscomplexobj(x: Array) -> bool:
    return x.dtype.kind == "c"


@implements(np.isrealobj)
def isrealobj(x: Array) -> bool:
    return x.dtype.kind != "c"


@implements(np.isreal)
def isreal(x: Array) -> Array:
    return np.equal(np.imag(x), 0)


@implements(np.iscomplex)
def iscomplex(x: Array) -> Array:
    return np.not_equal(np.imag(x), 0)


# -- ufuncs of two results, and of one dtype -------------------------------------------------------


@implements(np.divmod)
def divmod(x1: Array, x2: Array) -> tuple[Array, Array]:
    return np.floor_divide(x1, x2), np.remainder(x1, x2)


@implements(np.modf)
def modf(x: Array) -> tuple[Array, Array]:
    x = arraylike(x)
    if x.dtype.kind == "c":
        raise TypeError("np.modf takes no complex numbers")
    x = x if x.dtype.kind == "f" else np.astype(x, np.float64)
    zeros = np.copysign(x.dtype.type(0), x)
    return as_number(np.where(np.isinf(x), zeros, np.fmod(x, 1.0))), np.trunc(x)


@implements(np.frexp)
def frexp(x: Array) -> tuple[Array, Array]:
    x = arraylike(x)
    if x.dtype.kind == "c":
        raise TypeError("np.frexp takes no complex numbers")
    x = x if x.dtype.kind == "f" else np.astype(x, np.float64)
    exponent = arithmetic.exponent.bind(x)
    return np.ldexp(x, -exponent), exponent


@implements(np.float_power)
def float_power(x1: Array, x2: Array) -> Array:
    x1, x2 = arraylike(x1), arraylike(x2)
    return np.power(np.astype(x1, np.result_type(x1.dtype, np.float64)), x2)


# -- rounding --------------------------------------------------------------------------------------


@implements(np.round, np.around)
def round_(a: Array, decimals: int = 0) -> Array:
    if decimals == 0 and a.dtype.kind in "fc":
        return np.rint(a)
    return arithmetic.round_.bind(a, decimals=decimals)


@implements(np.fix)
def fix(x: Array, out: Any = None) -> Array:
    return np.trunc(x, out=out)


# -- comparing -------------------------------------------------------------------------------------


def _real(x: Any) -> Array:
    """An operand that has an order."""
    x = arraylike(x)
    if np.dtype(x.dtype).kind not in "fiub":
        raise TypeError(
            f"This operation is not supported for {x.dtype} values because it would be ambiguous."
        )
    return x


@implements(np.isposinf)
def isposinf(x: Array, out: Any = None) -> Array:
    return np.equal(_real(x), math.inf, out=out)


@implements(np.isneginf)
def isneginf(x: Array, out: Any = None) -> Array:
    return np.equal(_real(x), -math.inf, out=out)


@implements(np.isclose)
def isclose(
    a: Array, b: Array, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Array:
    a, b = arraylike(a), arraylike(b)
    with np.errstate(invalid="ignore"):
        near = np.less_equal(np.absolute(a - b), atol + rtol * np.absolute(b)) & np.isfinite(b)
    found = near | np.equal(a, b)
    return found | (np.isnan(a) & np.isnan(b)) if equal_nan else found


@implements(np.allclose)
def allclose(
    a: Array, b: Array, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    return bool(np.all(isclose(a, b, rtol, atol, equal_nan)))


@implements(np.array_equal)
def array_equal(a1: Array, a2: Array, equal_nan: bool = False) -> bool:
    a1, a2 = arraylike(a1), arraylike(a2)
    if a1.shape != a2.shape:
        return False
    same = np.equal(a1, a2)
    return bool(np.all(same | (np.isnan(a1) & np.isnan(a2)) if equal_nan else same))


# -- special functions -----------------------------------------------------------------------------


@implements(np.i0)
def i0(x: Array) -> Array:
    if x.dtype.kind == "c":
        raise TypeError("i0 not supported for complex values")
    return as_array(bessel_i.bind(x, order=0))


@implements(np.sinc)
def sinc(x: Array) -> Array:
    if x.dtype.kind == "c":
        raise UnsupportedError("np.sinc of complex numbers is not differentiated")
    return sinc_primitive.bind(x)


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    p, found = arraylike(p), 0
    if not isinstance(x, np.poly1d):
        x = arraylike(x)
        found = np.zeros_like(x)
    for i in range(p.shape[0]):
        found = found * x + p[i]
    return found


@implements(np.vander)
def vander(x: Array, N: int | None = None, increasing: bool = False) -> Array:
    if x.ndim != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    if N is not None and N < 0:
        raise ValueError("negative dimensions are not allowed")
    powers = np.arange(x.shape[0] if N is None else N)
    return np.power(x[:, None], powers if increasing else powers[::-1])


@implements(np.unwrap)
def unwrap(
    p: Array, discont: float | None = None, axis: int = -1, *, period: float = 2 * math.pi
) -> Array:
    """The multiples of the period that are added are constants where they do not jump."""
    limit = period / 2 if discont is None else builtins.max(period / 2, discont)
    steps = np.diff(stop_gradient.bind(p), axis=axis)
    inside = np.remainder(steps + period / 2, period) - period / 2
    inside = np.where(np.equal(inside, -period / 2) & np.greater(steps, 0), period / 2, inside)
    jumps = np.where(np.absolute(steps) < limit, 0, inside - steps)
    total = np.cumsum(jumps, axis=axis)
    first = np.zeros((*p.shape[:axis], 1, *p.shape[axis % p.ndim + 1 :]), p.dtype)
    return lay(p + np.concatenate([first, total], axis=axis), np.empty_like(layout(p)))


# -- differences and integrals along an axis -------------------------------------------------------


def along(axis: int, rank: int) -> Callable[..., tuple[slice, ...]]:
    """The index that slices one axis of an array."""
    before = (slice(None),) * (axis % rank)
    return lambda *bounds: (*before, slice(*bounds))


@implements(np.diff)
def diff(a: Array, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Array:
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    if n == 0:
        return a
    a = arraylike(a)
    if not a.ndim:
        raise ValueError("diff requires input that is at least one dimensional")
    if not -a.ndim <= axis < a.ndim:
        raise np.exceptions.AxisError(axis, a.ndim)
    parts = [a]
    shape = a.shape[: axis % a.ndim], a.shape[axis % a.ndim + 1 :]
    for end, place in ((prepend, 0), (append, len(parts) + 1)):
        if end is None or end is np._NoValue:
            continue
        part = arraylike(end)
        if np.ndim(part) == 0:
            part = np.broadcast_to(part, (*shape[0], 1, *shape[1]))
        parts.insert(place, part)
    found = a if len(parts) == 1 else np.concatenate(parts, axis=axis)
    cut = along(axis, a.ndim)
    step = np.not_equal if found.dtype.kind == "b" else np.subtract
    for _ in range(n):
        found = step(found[cut(1, None)], found[cut(None, -1)])
    return found


@implements(np.ediff1d)
def ediff1d(ary: Array, to_end: Any = None, to_begin: Any = None) -> Array:
    ary = np.ravel(arraylike(ary))
    parts = [np.diff(ary)]
    for end, place in ((to_begin, 0), (to_end, 2)):
        if end is not None:
            part = np.ravel(arraylike(end))
            if not np.can_cast(part.dtype, ary.dtype, "same_kind"):
                raise TypeError(f"{part.dtype} cannot be cast to {ary.dtype} by rule 'same_kind'")
            parts.insert(place, np.astype(part, ary.dtype))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _slopes(f: Array, h: Any, axis: int, edge_order: int) -> Array:
    """Central differences inside, differences of ``edge_order`` at both ends."""
    cut = along(axis, f.ndim)
    if f.shape[axis] < edge_order + 1:
        raise ValueError("the array is too short for a difference of this order")
    inside = (f[cut(2, None)] - f[cut(None, -2)]) / (2 * h)
    if edge_order == 1:
        first = (f[cut(1, 2)] - f[cut(0, 1)]) / h
        last = (f[cut(-1, None)] - f[cut(-2, -1)]) / h
    else:
        first = (-1.5 * f[cut(0, 1)] + 2 * f[cut(1, 2)] - 0.5 * f[cut(2, 3)]) / h
        last = (0.5 * f[cut(-3, -2)] - 2 * f[cut(-2, -1)] + 1.5 * f[cut(-1, None)]) / h
    return np.concatenate([first, inside, last], axis=axis)


@implements(np.gradient)
def gradient(f: Array, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    f = arraylike(f)
    axes = tuple(range(f.ndim)) if axis is None else axis
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    repeated = len(varargs) == 1 and np.ndim(varargs[0]) == 0
    spacings = varargs * len(axes) if repeated else varargs or (1.0,) * len(axes)
    if len(spacings) != len(axes):
        raise TypeError("invalid number of arguments")
    if edge_order not in (1, 2):
        raise ValueError("'edge_order' greater than 2 not supported")
    if builtins.any(np.ndim(h) for h in spacings):
        raise UnsupportedError(
            "np.gradient over coordinates that are not evenly spaced is not differentiated",
            remedy="np.diff(f) / np.diff(x), or one spacing for each axis",
        )
    dtype = f.dtype if f.dtype.kind in "fc" else np.dtype(np.float64)
    found = [
        lay(
            np.astype(_slopes(f, h, i % f.ndim, edge_order), dtype), np.empty_like(layout(f), dtype)
        )
        for h, i in zip(spacings, axes, strict=True)
    ]
    return found[0] if len(found) == 1 else tuple(found)


@implements(np.trapezoid)
def trapezoid(y: Array, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Array:
    y = arraylike(y)
    cut = along(axis, y.ndim)
    if x is not None:
        x = arraylike(x)
        if x.ndim == 1:
            shape = [1] * y.ndim
            shape[axis] = x.shape[0] - 1
            dx = np.reshape(np.diff(x), shape)
        else:
            dx = np.diff(x, axis=axis)
    return np.sum(dx * (y[cut(1, None)] + y[cut(None, -1)]) / 2.0, axis=axis)


@implements(np.interp)
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: float | None = None
) -> Array:
    x, xp, fp = arraylike(x), arraylike(xp), arraylike(fp)
    if "c" in (np.dtype(x.dtype).kind, np.dtype(xp.dtype).kind):
        raise TypeError("np.interp takes no complex places")
    if np.ndim(xp) != 1 or np.ndim(fp) != 1:
        raise ValueError("np.interp takes places and values of one axis")
    if np.shape(xp) != np.shape(fp):
        raise ValueError("np.interp takes as many places as values")
    if not np.size(xp):  # An error, or from NumPy 2.5 on nothing if there is nothing to look up.
        return np.interp(np.zeros(np.shape(x)), [], np.zeros(0, fp.dtype), left, right, period)
    if period is not None:
        x, xp = np.remainder(x, period), np.remainder(xp, period)
        order = np.argsort(xp)
        xp, fp = xp[order], fp[order]
        xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
    last = xp.shape[0] - 1
    place = np.searchsorted(xp, x, side="right")
    i = np.minimum(np.maximum(place - 1, 0), builtins.max(last - 1, 0))
    j = np.minimum(i + 1, last)
    x_low, x_high, low, high = (
        gather.bind(nodes, place, index=(ARRAY,)) for nodes in (xp, fp) for place in (i, j)
    )
    width = x_high - x_low
    slope = (high - low) / np.where(width == 0, 1, width)
    found = slope * (x - x_low) + low
    found = np.where(x < xp[0], fp[0] if left is None else left, found)
    found = np.where(x == xp[last], fp[last], found) if last == 0 else found
    return as_number(np.where(x > xp[last], fp[last] if right is None else right, found))
