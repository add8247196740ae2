"""Numbers and arrays in the space of a table's cell."""

from __future__ import annotations

import numpy as np

from ..program import Array, Type

__all__ = ["NOTHING", "SMALL", "show"]

NOTHING = "-"
SMALL = 6
"""Elements up to which an array is shown in full."""


def show(value: Array | None, digits: int = 6) -> str:
    """A number, a small array in full, or the shape of a larger one and what it ranges over."""
    if value is None:
        return NOTHING
    kind = Type.of(value)
    if not kind.shape:
        return _number(value, digits)
    array = np.asarray(value)
    if kind.size <= SMALL:
        return _nested(array, digits)
    shape = "x".join(map(str, kind.shape))
    if kind.dtype.kind == "c":
        return f"{shape} complex, modulus up to {_number(np.max(np.abs(array)), digits)}"
    if kind.dtype.kind not in "fiu":
        return f"{shape} {kind.dtype}"
    finite = array[np.isfinite(array)]
    parts = [shape]
    if finite.size:
        low, high = (_number(bound(finite), digits) for bound in (np.min, np.max))
        parts.append(f"all {low}" if low == high else f"{low} .. {high}")
    if odd := array.size - finite.size:
        parts.append(f"{odd} not finite")
    return ", ".join(parts)


def _nested(array: Array, digits: int) -> str:
    if not array.ndim:
        return _number(array[()], digits)
    return f"[{', '.join(_nested(part, digits) for part in array)}]"


def _number(value: Array, digits: int) -> str:
    """Up to ``digits`` significant digits; all that there are from 17 on."""
    value = value.item() if isinstance(value, (np.generic, np.ndarray)) else value
    if isinstance(value, bool) or not isinstance(value, (float, complex)):
        return str(value)
    if isinstance(value, complex):
        return f"{value:.{digits}g}"
    if digits >= 17:
        return repr(value).removesuffix(".0")
    return f"{value + 0.0:.{digits}g}"
