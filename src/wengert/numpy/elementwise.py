"""Elementwise functions of NumPy that are no ufuncs, or need more than one primitive."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..primitives import arithmetic
from ..primitives.logic import select
from ..program import Array
from ..trace import implements

__all__: list[str] = []


@implements(np.where)
def where(condition: Array, x: Any = None, y: Any = None) -> Array:
    if x is None:
        return np.nonzero(condition)
    return select.bind(condition, x, y)


@implements(np.absolute)
def absolute(x: Array) -> Array:
    if x.dtype.kind == "c":
        return np.hypot(np.real(x), np.imag(x))
    return arithmetic.absolute.bind(x)


@implements(np.real)
def real(val: Array) -> Array:
    return arithmetic.real.bind(val) if val.dtype.kind == "c" else val


@implements(np.imag)
def imag(val: Array) -> Array:
    return arithmetic.imag.bind(val) if val.dtype.kind == "c" else np.zeros_like(val)


@implements(np.round)
def round_(a: Array, decimals: int = 0) -> Array:
    return np.rint(a) if decimals == 0 else arithmetic.round_.bind(a, decimals=decimals)
