"""Functions that move elements: reshape, transpose, stack, tile, ..."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..primitives.shape import broadcast, convert, reshape, transpose
from ..program import Array
from ..trace import View, as_view, implements

__all__: list[str] = []


@implements(np.reshape)
def reshape_(a: Array, /, shape: Any = None, order: str = "C", *, newshape: Any = None) -> Array:
    if order == "F":
        return np.transpose(np.reshape(np.transpose(a), tuple(shape)[::-1]))
    if order != "C":
        raise UnsupportedError(f"np.reshape with order={order!r} depends on the memory layout")
    shape = (int(shape),) if np.ndim(shape) == 0 else tuple(int(n) for n in shape)
    if -1 in shape:
        rest = -math.prod(shape)
        shape = tuple(a.size // rest if n == -1 and rest else n for n in shape)
    if math.prod(shape) != a.size:
        raise ValueError(f"cannot reshape an array of shape {a.shape} into {shape}")
    return _view(a, reshape, shape=shape)


def _view(a: Array, primitive: Any, **params: Any) -> Array:
    return as_view(a, primitive.bind(a, **params), primitive, params)


@implements(np.transpose)
def transpose_(a: Array, axes: Any = None) -> Array:
    rank = a.ndim
    order = tuple(range(rank))[::-1] if axes is None else tuple(int(i) % rank for i in axes)
    if rank < 2 and order == tuple(range(rank)):
        return a
    return _view(a, transpose, axes=order)


@implements(np.broadcast_to)
def broadcast_to(array: Array, shape: Any, subok: bool = False) -> Array:
    shape = (int(shape),) if np.ndim(shape) == 0 else tuple(shape)
    return array if array.shape == shape else broadcast.bind(array, shape=shape)


@implements(np.astype)
def astype(x: Array, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Array:
    dtype = np.dtype(dtype)
    if not isinstance(x, View) and getattr(x, "dtype", None) == dtype:
        return x
    if isinstance(x, (int, float, complex)):
        return dtype.type(x)
    return convert.bind(x, dtype=dtype)
