"""Arithmetic, rounding, and the functions with corners: abs, sign, maximum, minimum.

The conventions at the corners are those of the table in ``docs/conventions.md``.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from ..errors import UnknownDerivativeError
from ..kinds import answer, elementwise, floating, linear, mul0, nonlinear, unboxed
from ..primitive import Example, Operand, Radicand, Traced, operand_type, promote
from ..program import Array, Literal, Type
from ..trace import alike, concrete

__all__ = [
    "LENGTH",
    "SIGN",
    "SQUARE_ROOT",
    "absolute",
    "add",
    "ceil",
    "conjugate",
    "copysign",
    "divide",
    "exponent",
    "fabs",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "heaviside",
    "hypot",
    "imag",
    "inverse_inside",
    "join",
    "ldexp",
    "maximum",
    "minimum",
    "modulus",
    "multiply",
    "negative",
    "nextafter",
    "positive",
    "power",
    "real",
    "reciprocal",
    "remainder",
    "rint",
    "round_",
    "sign",
    "spacing",
    "square",
    "step",
    "subtract",
    "trunc",
]

add = elementwise("add", operator.add, [1, 1], ufunc=np.add, text="{0} + {1}")
subtract = elementwise("subtract", operator.sub, [1, -1], ufunc=np.subtract, text="{0} - {1}")
negative = elementwise("negative", operator.neg, [-1], ufunc=np.negative, text="-{0}")
multiply = elementwise(
    "multiply",
    operator.mul,
    [lambda y: y, lambda x: x],
    ufunc=np.multiply,
    text="{0} * {1}",
)


def _inverse(y: Array) -> Array:
    if isinstance(y, (int, float)):
        return 1.0 / y if y else math.inf
    return 1.0 / y


divide = elementwise(
    "divide",
    operator.truediv,
    [_inverse, lambda y, ans: -ans / y],
    ufunc=np.divide,
    text="{0} / {1}",
    domain=(0.5, 2.0),
)
reciprocal = elementwise(
    "reciprocal", np.reciprocal, [lambda ans: -(ans * ans)], text="1 / {0}", domain=(0.5, 2.0)
)
square = elementwise("square", np.square, [lambda x: 2 * x], text="{0}**2")


def _inverse_inside(x: Array) -> Array:
    if isinstance(x, float):
        return np.float64(math.nan if x < 0 else 1.0 / x if x else math.copysign(math.inf, x))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.divide(1.0, x)
        if found.size and not np.minimum.reduce(x, axis=None) >= 0:
            found = unboxed(np.where(x < 0, np.asarray(math.nan, found.dtype), found))
    return found


inverse_inside = elementwise(
    "inverse_inside",
    _inverse_inside,
    [lambda ans: -(ans * ans)],
    dtype=lambda operands: answer(np.divide)((*operands, *operands)),
    text="1 / {0}",
    domain=(0.5, 2.0),
    lower=lambda x: np.where(x < 0, math.nan, 1.0 / x).astype((1.0 / x).dtype),
    doc="1 / x, and NaN where x < 0: the slope of what is defined where x is not negative.",
)


def _slope_of_number(x: Array) -> Array:
    kind = floating((Type.of(x),))
    return unboxed(np.where(x == x, np.ones((), kind), np.asarray(math.nan, kind)))


slope_of_number = elementwise(
    "slope_of_number",
    _slope_of_number,
    [lambda ans: ans - 1],
    dtype=floating,
    lower=lambda x: np.where(x == x, 1, math.nan).astype(floating((Type.of(x),))),
    doc="1, and NaN where x is NaN: the slope of x in an operand that x follows.",
)


not_negative = elementwise(
    "not_negative",
    lambda x: unboxed(np.where(x < 0, np.asarray(math.nan, floating((Type.of(x),))), x)),
    [lambda ans: slope_of_number.bind(ans)],
    dtype=floating,
    lower=lambda x: np.where(x < 0, math.nan, x).astype(floating((Type.of(x),))),
    doc="x, and NaN where x < 0: a radicand where it is one.",
)


def radicand_of_power(x: Array, y: Array) -> Radicand | None:
    """What ``x**y`` is a root of, where y is a multiple of 1/2, 1/3, 1/4 or 1/8."""
    if not isinstance(y, float) or not 0 < y < LARGEST:
        return None
    degree = next((degree for degree in (2, 3, 4, 8) if (y * degree).is_integer()), None)
    return None if degree is None else _power_of_root(degree, int(y * degree))


LARGEST = 64
"""The greatest exponent of a power of a root that is taken for one."""


@cache
def _power_of_root(degree: int, power: int) -> Radicand:
    return Radicand(degree, lambda x, y: _inside(x), power)


def _inside(x: Array) -> Array:
    """A radicand, NaN where its even roots are."""
    return x if x.dtype.kind == "c" else not_negative.bind(x)


SQUARE_ROOT = Radicand(2, _inside)


def _power_in_base(x: Array, y: Array) -> Array:
    """y x^(y - 1). Where y is 0 that is 0, at x = 0 and at infinity too."""
    if isinstance(y, (int, float)):
        if y == 2:
            return 2 * x
        return y * x ** (y - 1) if y != 0 else np.zeros_like(x)
    return mul0.bind(y, x ** (y - 1))


def _power_in_exponent(x: Array, ans: Array) -> Array:
    """ans log(x), and 0 at x = 0, as in Stan's mathematics library."""
    if isinstance(x, (int, float)):
        return ans * (math.log(x) if x > 0 else 0.0 if x == 0 else math.nan)
    return mul0.bind(ans, np.log(np.where(x == 0, 1, x)))


def _power_dtype(operands: Sequence[Operand]) -> np.dtype[Any]:
    base, exponent = operands
    type = operand_type(base)
    if type.dtype.kind == "b" and type.shape and isinstance(exponent, Literal) and exponent.weak:
        return (np.ones(1, bool) ** exponent.value).dtype  # int8 of a square
    return _promoted_power(operands)


_promoted_power = answer(np.power)

power = elementwise(
    "power",
    operator.pow,
    [_power_in_base, _power_in_exponent],
    ufunc=np.power,
    dtype=_power_dtype,
    text="{0}**{1}",
    domain=(0.5, 2.0),
    radicand=radicand_of_power,
    doc="At base 0 the derivative with respect to the exponent is 0.",
)

remainder = elementwise(
    "remainder",
    np.remainder,
    [
        lambda ans: slope_of_number.bind(ans),
        lambda x, y, ans: -(np.floor_divide(x, y) * slope_of_number.bind(ans)),
    ],
    text="{0} % {1}",
    domain=(0.6, 0.9),
)
fmod = elementwise(
    "fmod",
    np.fmod,
    [
        lambda ans: slope_of_number.bind(ans),
        lambda x, y, ans: -(np.trunc(x / y) * slope_of_number.bind(ans)),
    ],
    domain=(0.6, 0.9),
)
floor_divide = elementwise("floor_divide", np.floor_divide, 0, text="{0} // {1}", domain=(0.5, 2.0))
floor = elementwise("floor", np.floor, 0)
ceil = elementwise("ceil", np.ceil, 0)
trunc = elementwise("trunc", np.trunc, 0)
rint = elementwise("rint", np.rint, 0)
spacing = elementwise("spacing", np.spacing, 0)
SIGN = Radicand(1 << 40, lambda x: x)
"""No root: the sign of a number, which times that number is its absolute value."""

sign = elementwise(
    "sign",
    lambda x: np.sign(x),
    0,
    arity=1,
    dtype=answer(np.sign),
    doc="Of real numbers, where it is constant between the jumps.",
    radicand=SIGN,
)
positive = elementwise("positive", np.positive, [1], text="+{0}")
nextafter = elementwise("nextafter", np.nextafter, [1, lambda: 0.0])
heaviside = elementwise(
    "heaviside",
    np.heaviside,
    [lambda: 0.0, lambda x, y: np.where(x == 0, np.ones_like(y), np.zeros_like(y))],
    lower=lambda x, y: np.where(x == 0, y, np.where(x < 0, 0, np.where(x > 0, 1, x))),
    doc="The second operand is the value at 0 exactly, and has a derivative there only.",
)
exponent = elementwise(
    "exponent", lambda x: np.frexp(x)[1], 0, dtype=lambda operands: np.dtype(np.int32)
)
ldexp = elementwise(
    "ldexp",
    np.ldexp,
    [lambda x, y: np.ldexp(np.ones_like(x), y), None],
    text="{0} * 2**{1}",
    examples=[Example(((3,), np.array([1, -2, 0]))), Example(((2, 1), np.array([1, 2, 3])))],
)


def _rounded(x: Array, decimals: int) -> Array:
    if x.dtype.kind in "iu" and decimals >= 0:
        return x
    scale = math.prod([10.0] * abs(decimals))  # as NumPy rounds it
    return np.rint(x * scale) / scale if decimals >= 0 else np.rint(x / scale) * scale


def _rounded_type(x: Operand, decimals: int) -> Type:
    kind = operand_type(x)
    return Type(kind.shape, np.round(np.zeros(0, kind.dtype), decimals).dtype)


round_ = nonlinear(
    "round",
    lambda x, decimals: np.round(x, decimals),
    types=_rounded_type,
    jvps=0,
    batch=lambda size, operands, batched, decimals: round_.bind(operands[0], decimals=decimals),
    examples=[Example(((3,),), {"decimals": 1})],
    lower=_rounded,
)

LENGTH = Radicand(2, lambda x: x * x, homogeneous=True)
LENGTH_OF_PAIR = Radicand(2, lambda x, y: x * x, homogeneous=True, signed=True)
"""Of the absolute value of the first operand, with a sign that depends on the second."""

absolute = elementwise(
    "absolute",
    operator.abs,
    [lambda x: np.sign(x)],
    dtype=lambda operands: np.abs(np.zeros((), promote(operands))).dtype,
    text="|{0}|",
    radicand=LENGTH,
    doc="Of real numbers. The derivative at 0 is 0.",
)
fabs = elementwise("fabs", np.fabs, [lambda x: np.sign(x)], text="|{0}|", radicand=LENGTH)
copysign = elementwise(
    "copysign",
    np.copysign,
    [lambda x, y: np.sign(x) * np.copysign(np.ones_like(x), y), lambda: 0.0],
    radicand=LENGTH_OF_PAIR,
)


def _step(x: Array, y: Array) -> Array:
    kind = np.result_type(x, y)
    if kind.kind == "c":
        raise UnknownDerivativeError(
            "the greater or smaller of complex numbers has no derivative",
            remedy="np.maximum(np.real(z), ...), or np.abs(z)",
        )
    above = np.asarray(np.greater(x, y)).astype(kind)
    tied = np.equal(x, y)
    if tied.any():
        above[tied] = 0.5
    return unboxed(above)


step = elementwise(
    "step",
    _step,
    0,
    arity=2,
    dtype=promote,
    lower=lambda x, y: np.where(x > y, 1, np.where(x == y, 0.5, 0)).astype(x.dtype),
    doc="1 where x > y, 1/2 where they are equal, 0 where x < y: how a tie is shared.",
)


def _length_of_pair(x: Array, y: Array) -> Radicand | None:
    """The radicand of the greater of a number and its negative, which is its absolute value."""
    return LENGTH_OF_PAIR if _are_opposite(x, y) or _are_opposite(y, x) else None


def _are_opposite(x: Array, y: Array) -> bool:
    """Whether y is computed as -x is."""
    if not isinstance(x, Traced) or not isinstance(y, Traced) or x.shape != y.shape:
        return False
    if x.dtype != y.dtype or x.dtype.kind != "f":
        return False
    one, other = concrete(x), concrete(y)
    if one is not None and other is not None and not np.array_equal(one, -other):
        return False
    return alike(np.negative(x), y)


maximum = elementwise(
    "maximum",
    np.maximum,
    [lambda x, y: step.bind(x, y), lambda x, y: step.bind(y, x)],
    radicand=_length_of_pair,
)
minimum = elementwise(
    "minimum",
    np.minimum,
    [lambda x, y: step.bind(y, x), lambda x, y: step.bind(x, y)],
    radicand=_length_of_pair,
)


def _number(y: Array, otherwise: float) -> Array:
    """y, and ``otherwise`` where it is no number."""
    if isinstance(y, (int, float)):
        return otherwise if y != y else y
    return np.where(np.isnan(y), otherwise, y) if y.dtype.kind in "fc" else y


def _wins(x: Array, y: Array) -> Array:
    """The share of x in fmax(x, y), which ignores NaN."""
    return step.bind(x, _number(y, -math.inf))


def _is_less(x: Array, y: Array) -> Array:
    """The share of x in fmin(x, y), which ignores NaN."""
    return step.bind(_number(y, math.inf), x)


fmax = elementwise("fmax", np.fmax, [_wins, lambda x, y: _wins(y, x)], radicand=_length_of_pair)
fmin = elementwise(
    "fmin", np.fmin, [_is_less, lambda x, y: _is_less(y, x)], radicand=_length_of_pair
)


def _over(x: Array, y: Array) -> Array:
    """x / y, and 0 where y is 0."""
    zero = y == 0
    return np.where(zero, 0, x / np.where(zero, 1, y))


LENGTH_IN_THE_PLANE = Radicand(2, lambda x, y: x * x + y * y, homogeneous=True)

hypot = elementwise(
    "hypot",
    np.hypot,
    [lambda x, ans: _over(x, ans), lambda y, ans: _over(y, ans)],
    radicand=LENGTH_IN_THE_PLANE,
    doc="The derivative at (0, 0) is 0.",
)


def _modulus(x: Array, y: Array) -> Array:
    dtype = getattr(x, "dtype", None)
    if dtype not in _WITH_COMPLEX or getattr(y, "dtype", None) != dtype:
        dtype = np.hypot(x, y).dtype
    z = np.empty_like(
        x if np.shape(x) == np.shape(y) else x + y, np.result_type(dtype, np.complex64)
    )
    z.real, z.imag = x, y
    return np.absolute(z).astype(dtype, copy=False)


_WITH_COMPLEX = (np.dtype(np.float32), np.dtype(np.float64))
"""Dtypes of the parts of complex numbers."""


modulus = elementwise(
    "modulus",
    _modulus,
    [lambda x, ans: _over(x, ans), lambda y, ans: _over(y, ans)],
    dtype=answer(np.hypot),
    radicand=LENGTH_IN_THE_PLANE,
    text="|{0} + {1} i|",
    doc="The absolute value of a complex number, from its parts: NumPy's differs from hypot's in "
    "the last bit. The derivative at (0, 0) is 0.",
)


def _joined_type(part: np.dtype[Any]) -> np.dtype[Any]:
    if part.kind == "c":
        raise TypeError("the parts of a complex number are real")
    return np.result_type(part if part.kind == "f" else np.float64, np.complex64)


def _joined(x: Array, y: Array) -> Array:
    dtype = _joined_type(np.result_type(x, y))
    value = np.empty(np.broadcast_shapes(np.shape(x), np.shape(y)), dtype)
    value.real = x
    value.imag = y
    return value[()]


join = elementwise(
    "join",
    _joined,
    [1, lambda: 1j],
    dtype=lambda operands: _joined_type(floating(operands)),
    text="{0} + 1j * {1}",
    doc="The complex number of these parts, infinite ones and the sign of a zero included.",
)

# Parts of complex numbers: linear over the reals. Cotangents pair with tangents as
# Re(cotangent * tangent), without a conjugate, so that grad of a real function of z = x + iy is
# df/dx - i df/dy.


def _part_type(x: Operand) -> Type:
    kind = operand_type(x)
    return Type(kind.shape, np.real(np.zeros(0, kind.dtype)).dtype)


def _conjugate_type(x: Operand) -> Type:
    return Type(operand_type(x).shape, answer(np.conjugate)((x,)))


_COMPLEX = (
    Example((np.array([1.0 + 2.0j, -0.5 + 0.25j, 2.0 - 1.0j]),)),
    Example((np.complex128(1j),)),
)
real = linear(
    "real",
    np.real,
    types=_part_type,
    transposes=[lambda ct, x: ct.astype(x.dtype)],
    batch=lambda size, operands, batched: real.bind(operands[0]),
    view=lambda base, new: join.bind(new, imag.bind(base)),
    examples=_COMPLEX,
)
imag = linear(
    "imag",
    np.imag,
    types=_part_type,
    transposes=[lambda ct, x: np.multiply(-1j, ct).astype(x.dtype)],
    batch=lambda size, operands, batched: imag.bind(operands[0]),
    view=lambda base, new: join.bind(real.bind(base), new),
    examples=_COMPLEX,
)
conjugate = linear(
    "conjugate",
    np.conjugate,
    types=_conjugate_type,
    transposes=[lambda ct, x: np.conjugate(ct)],
    batch=lambda size, operands, batched: conjugate.bind(operands[0]),
    ufunc=np.conjugate,
    examples=(*_COMPLEX, Example(((3,),))),
)
