"""Functions of ``cmath`` in terms of the parts of their operands, to the last bit.

They are CPython's own formulas (``Modules/cmathmodule.c``) for finite numbers, with the C library's
functions of one number. Where these formulas have no finite result ``jit`` asks the function itself
(``wengert.stand_ins``).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..primitives.mathematics import REAL, absolute_of_parts

__all__ = ["CMATH"]

Real = Any
"""A real number, traced."""

Parts = tuple[Real, ...]

_SMALL = sys.float_info.min
_LARGE = sys.float_info.max / 4
_LOG_LARGE = math.log(_LARGE)
_LN2, _LN10 = math.log(2.0), math.log(10.0)
_UP = 2 * (sys.float_info.mant_dig // 2) + 1
_DOWN = -(_UP + 1) // 2


def _real(function: Any) -> Callable[..., Real]:
    return REAL[function].bind


_exp, _sin, _cos, _tan = map(_real, (math.exp, math.sin, math.cos, math.tan))
_sinh, _cosh, _tanh = map(_real, (math.sinh, math.cosh, math.tanh))
_log, _log1p, _atan2 = map(_real, (math.log, math.log1p, math.atan2))
_hypot = absolute_of_parts.bind


def exp(x: Real, y: Real) -> Parts:
    """``cmath.exp``, and so on for the other functions."""
    far = x > _LOG_LARGE
    size = _exp(np.where(far, x - 1.0, x))

    def part(turn: Real) -> Real:
        return np.where(far, size * turn * math.e, size * turn)

    return part(_cos(y)), part(_sin(y))


def sinh(x: Real, y: Real) -> Parts:
    far = np.abs(x) > _LOG_LARGE
    inner = np.where(far, x - np.copysign(1.0, x), x)
    real, imag = _cos(y) * _sinh(inner), _sin(y) * _cosh(inner)
    return np.where(far, real * math.e, real), np.where(far, imag * math.e, imag)


def cosh(x: Real, y: Real) -> Parts:
    far = np.abs(x) > _LOG_LARGE
    inner = np.where(far, x - np.copysign(1.0, x), x)
    real, imag = _cos(y) * _cosh(inner), _sin(y) * _sinh(inner)
    return np.where(far, real * math.e, real), np.where(far, imag * math.e, imag)


def tanh(x: Real, y: Real) -> Parts:
    far = np.abs(x) > _LOG_LARGE
    inner = np.where(far, 1.0, x)
    tx, ty = _tanh(inner), _tan(y)
    cx = 1.0 / _cosh(inner)
    both = tx * ty
    scale = 1.0 + both * both
    real, imag = tx * (1.0 + ty * ty) / scale, ((ty / scale) * cx) * cx
    tail = 4.0 * _sin(y) * _cos(y) * _exp(-2.0 * np.abs(x))
    return np.where(far, np.copysign(1.0, x), real), np.where(far, tail, imag)


def sin(x: Real, y: Real) -> Parts:
    real, imag = sinh(-y, x)
    return imag, -real


def cos(x: Real, y: Real) -> Parts:
    return cosh(-y, x)


def tan(x: Real, y: Real) -> Parts:
    real, imag = tanh(-y, x)
    return imag, -real


def sqrt(x: Real, y: Real) -> Parts:
    a, b = np.abs(x), np.abs(y)
    small = (a < _SMALL) & (b < _SMALL)
    scaled = np.where(small, a * 2.0**_UP, a / 8.0)
    root = np.sqrt(scaled + _hypot(scaled, np.where(small, b * 2.0**_UP, b / 8.0)))
    size = np.where(small, root * 2.0**_DOWN, 2.0 * root)
    other = b / (2.0 * size)
    right, zero = x >= 0.0, (x == 0) & (y == 0)
    real = np.where(right, size, other)
    imag = np.copysign(np.where(right, other, size), y)
    return np.where(zero, 0.0, real), np.where(zero, y, imag)


def log(x: Real, y: Real) -> Parts:
    a, b = np.abs(x), np.abs(y)
    large, small = (a > _LARGE) | (b > _LARGE), (a < _SMALL) & (b < _SMALL)

    def scaled(z: Real) -> Real:
        return np.where(large, z / 2.0, np.where(small, z * 2.0**sys.float_info.mant_dig, z))

    size = _hypot(scaled(a), scaled(b))
    far = _log(size)
    greater, less = np.maximum(a, b), np.minimum(a, b)
    near = _log1p((greater - 1.0) * (greater + 1.0) + less * less) / 2.0
    plain = np.where((size >= 0.71) & (size <= 1.73), near, far)
    real = np.where(small, far - sys.float_info.mant_dig * _LN2, plain)
    return np.where(large, far + _LN2, real), _atan2(y, x)


def log10(x: Real, y: Real) -> Parts:
    real, imag = log(x, y)
    return real / _LN10, imag / _LN10


def of_parts(x: Real, _: Real, y: Real, __: Real) -> Parts:
    return x, y


CMATH: Mapping[str, Callable[..., Parts]] = {
    "complex": of_parts,
    **{
        f"cmath.{each.__name__}": each
        for each in (exp, sinh, cosh, tanh, sin, cos, tan, sqrt, log, log10)
    },
}
"""By name, the primitives that have formulas."""
