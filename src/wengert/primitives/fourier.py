"""Discrete Fourier transforms along one axis: of complex numbers, of real ones, and back to these.

NumPy's functions of several axes are compositions of these three, in NumPy's order, so that values
are NumPy's to the last bit.

A complex transform is its own transpose: its matrix is symmetric. Those of real numbers take half
of the spectrum, the rest being its mirror image; in their transposes the frequencies in between
therefore count twice.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ..kinds import linear
from ..primitive import Example, Operand, operand_type
from ..program import Array, Type
from .arithmetic import conjugate, real
from .index import slice_
from .shape import pad

__all__ = ["fft", "irfft", "rfft"]

_REVERSED = {"backward": "forward", "ortho": "ortho", "forward": "backward"}
"""The factor of a transform as the one of the transform in the other direction."""


@cache
def _result_dtype(function: Any, dtype: np.dtype[Any]) -> np.dtype[Any]:
    return function(np.zeros(1, dtype), 1).dtype


def _resized(shape: tuple[int, ...], axis: int, length: int) -> tuple[int, ...]:
    return (*shape[:axis], length, *shape[axis + 1 :])


def _fitted(x: Array, axis: int, length: int) -> Array:
    """``x`` cut off or continued by zeros to a length along an axis."""
    size = x.shape[axis]
    if size > length:
        return slice_.bind(x, index=(*(slice(None),) * axis, slice(length)))
    if size < length:
        widths = [(0, 0)] * x.ndim
        widths[axis] = 0, length - size
        return pad.bind(x, widths=tuple(widths))
    return x


def _like(x: Array, operand: Operand) -> Array:
    """A cotangent as one of the operand, of which only the real part counts if that is real."""
    return x if operand_type(operand).dtype.kind == "c" else real.bind(x)


def _fft_type(x: Operand, n: int, axis: int, norm: str, inverse: bool) -> Type:
    kind = operand_type(x)
    return Type(_resized(kind.shape, axis, n), _result_dtype(np.fft.fft, kind.dtype))


def _fft_transpose(ct: Array, x: Any, n: int, axis: int, norm: str, inverse: bool) -> Array:
    found = fft.bind(ct, n=n, axis=axis, norm=norm, inverse=inverse)
    return _like(_fitted(found, axis, x.shape[axis]), x)


fft = linear(
    "fft",
    lambda x, n, axis, norm, inverse: (np.fft.ifft if inverse else np.fft.fft)(x, n, axis, norm),
    types=_fft_type,
    transposes=[_fft_transpose],
    batch=lambda size, operands, batched, axis, **params: fft.bind(
        operands[0], axis=axis + 1, **params
    ),
    examples=[
        Example(((5,),), {"n": 5, "axis": 0, "norm": "backward", "inverse": False}),
        Example(((2, 3),), {"n": 4, "axis": 1, "norm": "ortho", "inverse": True}),
        Example(((4, 2),), {"n": 3, "axis": 0, "norm": "forward", "inverse": False}),
    ],
)


def _weights(n: int, length: int, axis: int, rank: int, inner: float, dtype: Any) -> Array:
    """1 for the frequencies that are their own mirror image, ``inner`` for those in between."""
    weights = np.full(length, inner, dtype)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    return weights.reshape(*(-1 if i == axis else 1 for i in range(rank)))


def _rfft_type(x: Operand, n: int, axis: int, norm: str) -> Type:
    kind = operand_type(x)
    return Type(_resized(kind.shape, axis, n // 2 + 1), _result_dtype(np.fft.rfft, kind.dtype))


def _rfft_transpose(ct: Array, x: Any, n: int, axis: int, norm: str) -> Array:
    weights = _weights(n, n // 2 + 1, axis, len(ct.shape), 0.5, ct.dtype.type(0).real.dtype)
    found = irfft.bind(conjugate.bind(ct) * weights, n=n, axis=axis, norm=_REVERSED[norm])
    return _fitted(found, axis, x.shape[axis])


rfft = linear(
    "rfft",
    lambda x, n, axis, norm: np.fft.rfft(x, n, axis, norm),
    types=_rfft_type,
    transposes=[_rfft_transpose],
    batch=lambda size, operands, batched, axis, **params: rfft.bind(
        operands[0], axis=axis + 1, **params
    ),
    examples=[
        Example(((5,),), {"n": 5, "axis": 0, "norm": "backward"}),
        Example(((2, 3),), {"n": 4, "axis": 1, "norm": "ortho"}),
        Example(((4, 2),), {"n": 3, "axis": 0, "norm": "forward"}),
    ],
)


def _irfft_type(x: Operand, n: int, axis: int, norm: str) -> Type:
    kind = operand_type(x)
    return Type(_resized(kind.shape, axis, n), _result_dtype(np.fft.irfft, kind.dtype))


def _irfft_transpose(ct: Array, x: Any, n: int, axis: int, norm: str) -> Array:
    weights = _weights(n, n // 2 + 1, axis, len(ct.shape), 2, ct.dtype)
    found = rfft.bind(ct, n=n, axis=axis, norm=_REVERSED[norm])
    return _like(_fitted(conjugate.bind(found) * weights, axis, x.shape[axis]), x)


irfft = linear(
    "irfft",
    lambda x, n, axis, norm: np.fft.irfft(x, n, axis, norm),
    types=_irfft_type,
    transposes=[_irfft_transpose],
    batch=lambda size, operands, batched, axis, **params: irfft.bind(
        operands[0], axis=axis + 1, **params
    ),
    examples=[
        Example(((4,),), {"n": 6, "axis": 0, "norm": "backward"}),
        Example(
            (np.arange(4.0) + 1j * np.arange(4.0)[::-1],), {"n": 5, "axis": 0, "norm": "ortho"}
        ),
        Example(((3, 2),), {"n": 8, "axis": 0, "norm": "forward"}),
    ],
)
