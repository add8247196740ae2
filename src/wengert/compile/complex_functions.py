"""Functions of complex numbers in terms of their real and imaginary parts.

Each takes the parts of its operands one after the other, and gives those of its result: two, or one
where it is real. They are NumPy functions of real numbers, which are recorded once for each dtype
and written out for each element; so they have no branches, and choose by ``np.where``.

What is chosen is what NumPy's loops give, signs of zeros included: the naive product, Smith's
quotient, and for the elementary functions the values that Annex G of the C standard prescribes at
infinities, NaN and on branch cuts. Where the intermediate results of the plain formula leave the
range of the dtype they are scaled. Errors are some units in the last place of the modulus.

R. L. Smith, "Algorithm 116: Complex division", CACM 5(8), 1962.
W. Kahan, "Branch cuts for complex elementary functions", in The State of the Art in Numerical
Analysis, Clarendon Press 1987.

Known to be weak: exp is infinite from a real part of 1418 on (177 in complex64) also where the sine
of the imaginary part is so small that it is not, and so are sinh, cosh, sin and cos from 1374 on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = ["COMPLEX", "PARTWISE", "added_zero", "real_power", "turned", "whole_power"]

Real = Any
"""A real number, traced."""

Parts = tuple[Real, ...]


# -- arithmetic ------------------------------------------------------------------------------------


def _multiply(a: Real, b: Real, c: Real, d: Real) -> Parts:
    return a * c - b * d, a * d + b * c


def _multiply_zero_absorbs(a: Real, b: Real, c: Real, d: Real) -> Parts:
    x, y = _multiply(a, b, c, d)
    absorbs = _is_zero(a, b) | _is_zero(c, d)
    undefined = absorbs & (np.isnan(x) | np.isnan(y))
    return np.where(undefined, 0.0, x), np.where(undefined, 0.0, y)


def _is_zero(x: Real, y: Real) -> Real:
    return (x == 0) & (y == 0)


def _divide(a: Real, b: Real, c: Real, d: Real) -> Parts:
    """Smith's quotient: by the larger part of the divisor first."""
    wide = np.abs(c) >= np.abs(d)
    larger, smaller = np.where(wide, c, d), np.where(wide, d, c)
    ratio = smaller / larger
    scale = 1 / (larger + smaller * ratio)
    p, q = np.where(wide, a, b), np.where(wide, b, a)
    x = (p + q * ratio) * scale
    y = np.where(wide, q - p * ratio, p * ratio - q) * scale
    zero = _is_zero(c, d)
    return np.where(zero, a * math.inf, x), np.where(zero, b * math.inf, y)


def _reciprocal(x: Real, y: Real) -> Parts:
    wide = np.abs(y) <= np.abs(x)
    larger, smaller = np.where(wide, x, y), np.where(wide, y, x)
    ratio = smaller / larger
    scale = larger + smaller * ratio
    return np.where(wide, 1, ratio) / scale, -np.where(wide, ratio, 1) / scale


def added_zero(x: Real) -> Parts:
    """0.0 + x: the negative zero becomes a positive one."""
    return (np.where(x == 0, 0.0, x),)


# -- powers ----------------------------------------------------------------------------------------


def whole_power(a: Real, b: Real, exponent: int) -> Parts:
    """A power with a whole exponent of less than 100, by squaring, with NumPy's products."""
    count = abs(exponent)
    if count in (1, 2, 3):
        x, y = a, b
        for _ in range(count - 1):
            x, y = _multiply(a, b, x, y)
    else:
        x, y = _by_squaring(a, b, count)
    if exponent > 0:
        return x, y
    x, y = _divide(1.0, 0.0, x, y)
    zero = _is_zero(a, b)
    return np.where(zero, math.nan, x), np.where(zero, math.nan, y)


def _by_squaring(a: Real, b: Real, count: int) -> Parts:
    x, y = np.ones_like(a), np.zeros_like(a)
    while count:
        if count & 1:
            x, y = _multiply(x, y, a, b)
        count >>= 1
        if count:
            a, b = _multiply(a, b, a, b)
    return x, y


def general_power(a: Real, b: Real, c: Real, d: Real) -> Parts:
    """exp(w log z), and what NumPy gives for 0 as base or exponent."""
    return _at_zero(a, b, c, d, _exp(*_multiply_infinite(c, d, *_log(a, b))))


def _at_zero(a: Real, b: Real, c: Real, d: Real, power: Parts) -> Parts:
    zero, none = _is_zero(a, b), _is_zero(c, d)
    there = np.where(c > 0, np.zeros_like(c), math.nan)
    x, y = (np.where(zero, there, part) for part in power)
    return np.where(none, 1.0, x), np.where(none, 0.0, y)


def _multiply_infinite(a: Real, b: Real, c: Real, d: Real) -> Parts:
    """A product as C has it: of an infinite factor it is infinite, where it would be NaN."""
    x, y = _multiply(a, b, c, d)
    one, other = np.isinf(a) | np.isinf(b), np.isinf(c) | np.isinf(d)
    wild = np.isinf(a * c) | np.isinf(b * d) | np.isinf(a * d) | np.isinf(b * c)
    lost = np.isnan(x) & np.isnan(y) & (one | other | wild)

    def boxed(z: Real, infinite: Real) -> Real:
        """A part of an infinite factor on the unit square; NaN is 0."""
        size = np.where(infinite, np.isinf(z).astype(z.dtype), z)
        return np.copysign(np.where(np.isnan(z), 0.0, size), z)

    (p, q), (r, s) = ((boxed(z, one) for z in (a, b)), (boxed(z, other) for z in (c, d)))
    u, v = _multiply(p, q, r, s)
    return np.where(lost, math.inf * u, x), np.where(lost, math.inf * v, y)


def real_power(a: Real, b: Real, c: Real) -> Parts:
    """A power with a real exponent: by products if that is whole and less than 100."""
    whole = (np.abs(c) < 100) & (c == np.trunc(c))
    products = _runtime_power(a, b, np.where(whole, c, 1))
    others = general_power(a, b, c, np.zeros_like(c))
    x, y = (np.where(whole, p, q) for p, q in zip(products, others, strict=True))
    return _at_zero(a, b, c, np.zeros_like(c), (x, y))


def _runtime_power(a: Real, b: Real, exponent: Real) -> Parts:
    """A power with a whole exponent of less than 100 that is not known beforehand."""
    count = np.abs(exponent)
    left, p, q = count, a, b
    x, y = np.ones_like(a), np.zeros_like(a)
    for _ in range(7):
        half = np.floor(left * 0.5)
        odd = left != 2 * half
        more = _multiply(x, y, p, q)
        x, y = np.where(odd, more[0], x), np.where(odd, more[1], y)
        p, q = _multiply(p, q, p, q)
        left = half
    for few in (1, 2, 3):
        plain = whole_power(a, b, few)
        x, y = np.where(count == few, plain[0], x), np.where(count == few, plain[1], y)
    inverse = _divide(1.0, 0.0, x, y)
    return np.where(exponent < 0, inverse[0], x), np.where(exponent < 0, inverse[1], y)


# -- exponentials and logarithms -------------------------------------------------------------------


def _limit(x: Real) -> int:
    """A whole number, as large as may be, of which the exponential is finite."""
    return int(math.log(float(np.finfo(x.dtype).max)))


def turned(y: Real) -> Parts:
    """exp(iy)."""
    return np.cos(y), np.sin(y)


def _exp(x: Real, y: Real) -> Parts:
    limit = _limit(x)
    far = x > limit
    size = np.exp(np.where(far, x - limit, x))
    real, imag = (_scaled(far, part, math.exp(limit)) * size for part in turned(y))
    # Where the modulus is infinite or zero and the angle unknown.
    lost = np.isinf(x) & ~np.isfinite(y)
    imag = np.where(lost & (x < 0), 0.0, imag)
    return np.where(lost, size, real), np.where(y == 0, y, imag)


def _scaled(condition: Real, x: Real, factor: float) -> Real:
    return np.where(condition, x * factor, x)


def _exp2(x: Real, y: Real) -> Parts:
    return _exp(x * math.log(2), y * math.log(2))


def _expm1(x: Real, y: Real) -> Parts:
    half = np.sin(y / 2)
    return np.expm1(x) * np.cos(y) - 2 * half * half, np.exp(x) * np.sin(y)


def _log(x: Real, y: Real) -> Parts:
    a, b = np.abs(x), np.abs(y)
    larger, smaller = np.maximum(a, b), np.minimum(a, b)
    ratio = np.where(smaller == larger, x.dtype.type(1), smaller / larger)
    size = np.log(larger) + 0.5 * np.log1p(ratio * ratio)
    return np.where(np.isinf(x) | np.isinf(y), math.inf, size), np.arctan2(y, x)


def _log2(x: Real, y: Real) -> Parts:
    real, imag = _log(x, y)
    return real * math.log2(math.e), imag * math.log2(math.e)


def _log10(x: Real, y: Real) -> Parts:
    real, imag = _log(x, y)
    return real * math.log10(math.e), imag * math.log10(math.e)


def _log1p(x: Real, y: Real) -> Parts:
    return np.log(np.hypot(x + 1, y)), np.arctan2(y, x + 1)


def _sqrt(x: Real, y: Real) -> Parts:
    """By the root of the larger of (|z| + x) / 2 and (|z| - x) / 2, which does not cancel."""
    info = np.finfo(x.dtype)
    larger = np.maximum(np.abs(x), np.abs(y))
    up = 2.0 ** (2 * info.nmant + 4)
    large, small = larger > float(info.max) / 8, larger < float(info.smallest_normal) * up

    def scaled(z: Real, down: float, up: float) -> Real:
        return np.where(large, z * down, np.where(small, z * up, z))

    a, b = (scaled(np.abs(z), 1 / 16, up) for z in (x, y))
    root = np.sqrt(0.5 * (a + np.hypot(a, b)))
    other = np.where(root == 0, 0.0, 0.5 * b / root)
    right = ~(x < 0)
    endless = np.isinf(y)
    root, other = scaled(root, 4.0, up**-0.5), scaled(other, 4.0, up**-0.5)
    real = np.where(endless, math.inf, np.where(right, root, other))
    imag = np.where(endless, math.inf, np.where(right, other, root))
    return real, np.copysign(imag, y)


# -- hyperbolic and trigonometric functions --------------------------------------------------------


def _hyperbolic(x: Real, y: Real) -> tuple[Parts, Parts]:
    """The parts of sinh(x + iy), and those of cosh(x + iy), where all numbers are finite."""
    limit = _limit(x)
    shift = limit - (44 if limit > 100 else 20)  # far from 0 both are exp|x| / 2
    far = np.abs(x) > limit
    inner = np.where(far, x - np.copysign(shift, x), x)
    sinh, cosh = np.sinh(inner), np.cosh(inner)
    cos, sin = (_scaled(far, part, math.exp(shift)) for part in turned(y))
    return (sinh * cos, cosh * sin), (cosh * cos, sinh * sin)


def _sinh(x: Real, y: Real) -> Parts:
    real, imag = _hyperbolic(x, y)[0]
    lost = ~np.isfinite(y) & ((x == 0) | np.isinf(x))
    return np.where(lost, np.where(x == 0, x, math.inf), real), np.where(y == 0, y, imag)


def _cosh(x: Real, y: Real) -> Parts:
    real, imag = _hyperbolic(x, y)[1]
    lost = ~np.isfinite(y)
    flat = (y == 0) | (lost & (x == 0))
    zero = np.copysign(0.0, x) * np.copysign(1.0, y)
    return np.where(lost & np.isinf(x), math.inf, real), np.where(flat, zero, imag)


def _tanh(x: Real, y: Real) -> Parts:
    far = np.abs(x) > _limit(x) / 2
    inner = np.where(far, np.copysign(1.0, x), x)
    sinh, cosh = np.sinh(inner), np.cosh(inner)
    cos, sin = turned(y)
    turn = sin * cos
    scale = sinh * sinh + cos * cos
    lost, endless = ~np.isfinite(y), np.isinf(x)
    real = np.where(far, np.copysign(1.0, x) + 0 * turn, sinh * cosh / scale)
    real = np.where(endless, np.copysign(1.0, x), np.where(lost & (x == 0), x, real))
    imag = np.where(endless & lost, np.copysign(0.0, y), np.where(far, 0 * turn, turn / scale))
    return real, np.where(y == 0, y, imag)


def _sin(x: Real, y: Real) -> Parts:
    """-i sinh(iz)."""
    real, imag = _sinh(-y, x)
    return imag, np.where(np.isinf(y) & ~np.isfinite(x), math.inf, -real)


def _tan(x: Real, y: Real) -> Parts:
    """-i tanh(iz)."""
    real, imag = _tanh(-y, x)
    return imag, -real


# -- the tables ------------------------------------------------------------------------------------

PARTWISE = frozenset({"negative", "positive", "stop_gradient", "add", "subtract", "rint"})
"""By name, the functions that work on each part by itself."""

COMPLEX: Mapping[str, Callable[..., Parts]] = {
    "multiply": _multiply,
    "mul0": _multiply_zero_absorbs,
    "divide": _divide,
    "reciprocal": _reciprocal,
    "square": lambda x, y: (x * x - y * y, x * y + y * x),
    "absolute": lambda x, y: (np.hypot(x, y),),
    "power": general_power,
    "exp": _exp,
    "exp2": _exp2,
    "expm1": _expm1,
    "log": _log,
    "log2": _log2,
    "log10": _log10,
    "log1p": _log1p,
    "sqrt": _sqrt,
    "sinh": _sinh,
    "cosh": _cosh,
    "tanh": _tanh,
    "sin": _sin,
    "cos": lambda x, y: _cosh(-y, x),
    "tan": _tan,
    "equal": lambda a, b, c, d: ((a == c) & (b == d),),
    "not_equal": lambda a, b, c, d: ((a != c) | (b != d),),
    "isnan": lambda x, y: (np.isnan(x) | np.isnan(y),),
    "isinf": lambda x, y: (np.isinf(x) | np.isinf(y),),
    "isfinite": lambda x, y: (np.isfinite(x) & np.isfinite(y),),
}
"""By name, the function of the parts; the name is NumPy's."""
