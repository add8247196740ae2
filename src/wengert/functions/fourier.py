"""``np.fft``: transforms of one axis and of several, in the order of axes that NumPy takes."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..primitives import fourier
from ..program import Array
from ..trace import implements
from .elementwise import arraylike
from .shaping import one_axis, roll

__all__: list[str] = []

_REVERSED = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


def _norm(norm: Any) -> str:
    if norm not in _REVERSED:
        raise ValueError(f'Invalid norm value {norm}; should be "backward", "ortho" or "forward".')
    return norm or "backward"


def _length(n: Any, default: int) -> int:
    length = default if n is None else operator.index(n)
    if length < 1:
        raise ValueError(f"Invalid number of FFT data points ({length}) specified.")
    return length


def _complex(inverse: bool) -> Callable[..., Array]:
    def transform(a: Array, n: Any = None, axis: Any = -1, norm: Any = None) -> Array:
        a = arraylike(a)
        axis = one_axis(axis, np.ndim(a))
        n = _length(n, a.shape[axis])
        return fourier.fft.bind(a, n=n, axis=axis, norm=_norm(norm), inverse=inverse)

    return transform


fft = implements(np.fft.fft)(_complex(inverse=False))
ifft = implements(np.fft.ifft)(_complex(inverse=True))


@implements(np.fft.rfft)
def rfft(a: Array, n: Any = None, axis: Any = -1, norm: Any = None) -> Array:
    a = arraylike(a)
    if a.dtype.kind == "c":
        raise TypeError("np.fft.rfft takes real numbers: np.fft.fft is the one of complex numbers")
    axis = one_axis(axis, np.ndim(a))
    return fourier.rfft.bind(a, n=_length(n, a.shape[axis]), axis=axis, norm=_norm(norm))


@implements(np.fft.irfft)
def irfft(a: Array, n: Any = None, axis: Any = -1, norm: Any = None) -> Array:
    a = arraylike(a)
    axis = one_axis(axis, np.ndim(a))
    n = _length(n, 2 * (a.shape[axis] - 1))
    return fourier.irfft.bind(a, n=n, axis=axis, norm=_norm(norm))


@implements(np.fft.hfft)
def hfft(a: Array, n: Any = None, axis: Any = -1, norm: Any = None) -> Array:
    return irfft(np.conjugate(arraylike(a)), n, axis, _REVERSED[norm and _norm(norm)])


@implements(np.fft.ihfft)
def ihfft(a: Array, n: Any = None, axis: Any = -1, norm: Any = None) -> Array:
    return np.conjugate(rfft(a, n, axis, _REVERSED[norm and _norm(norm)]))


# -- several axes ----------------------------------------------------------------------------------


def _lengths(a: Array, s: Any, axes: Any, *, half: bool = False) -> tuple[list[int], list[int]]:
    """The length and the number of each axis that is transformed.

    ``half``: the last one is of a real result, of which half of the spectrum is given.
    """
    shape = a.shape
    if axes is None:
        if s is not None:
            warnings.warn("`axes` should not be `None` if `s` is not `None`", DeprecationWarning, 2)
        axes = range(-len(shape if s is None else s), 0)
    places = [operator.index(axis) for axis in axes]
    if s is None:
        lengths = [shape[one_axis(axis, len(shape))] for axis in places]
        if half:
            lengths[-1] = 2 * (lengths[-1] - 1)
        return lengths, places
    if len(s) != len(places):
        raise ValueError("Shape and axes have different lengths.")
    if any(n is None for n in s):
        warnings.warn("Passing an array containing `None` values to `s`", DeprecationWarning, 2)
    pairs = zip(s, places, strict=True)
    return [shape[axis] if n == -1 else n for n, axis in pairs], places


def _several(transform: Callable[..., Array], default: Any) -> Callable[..., Array]:
    def transformed(a: Array, s: Any = None, axes: Any = default, norm: Any = None) -> Array:
        a = arraylike(a)
        for n, axis in reversed(list(zip(*_lengths(a, s, axes), strict=True))):
            a = transform(a, n, axis, norm)
        return a

    return transformed


def _real(default: Any) -> Callable[..., Array]:
    def transformed(a: Array, s: Any = None, axes: Any = default, norm: Any = None) -> Array:
        a = arraylike(a)
        lengths, places = _lengths(a, s, axes)
        a = rfft(a, lengths[-1], places[-1], norm)
        for n, axis in reversed(list(zip(lengths[:-1], places[:-1], strict=True))):
            a = fft(a, n, axis, norm)
        return a

    return transformed


def _to_real(default: Any) -> Callable[..., Array]:
    def transformed(a: Array, s: Any = None, axes: Any = default, norm: Any = None) -> Array:
        a = arraylike(a)
        lengths, places = _lengths(a, s, axes, half=True)
        for n, axis in zip(lengths[:-1], places[:-1], strict=True):
            a = ifft(a, n, axis, norm)
        return irfft(a, lengths[-1], places[-1], norm)

    return transformed


_PLANE = (-2, -1)

implements(np.fft.fftn)(_several(fft, None))
implements(np.fft.ifftn)(_several(ifft, None))
implements(np.fft.rfftn)(_real(None))
implements(np.fft.irfftn)(_to_real(None))
implements(np.fft.fft2)(_several(fft, _PLANE))
implements(np.fft.ifft2)(_several(ifft, _PLANE))
implements(np.fft.rfft2)(_real(_PLANE))
implements(np.fft.irfft2)(_to_real(_PLANE))

# -- the order of frequencies ----------------------------------------------------------------------


def _shifted(back: bool) -> Callable[..., Array]:
    def shift(x: Array, axes: Any = None) -> Array:
        x = arraylike(x)
        if axes is None:
            axes = tuple(range(len(x.shape)))
        elif isinstance(axes, (int, np.integer)):
            axes = (axes,)
        halves = [x.shape[axis] // 2 for axis in axes]
        return roll(x, [-half if back else half for half in halves], tuple(axes))

    return shift


implements(np.fft.fftshift)(_shifted(back=False))
implements(np.fft.ifftshift)(_shifted(back=True))
