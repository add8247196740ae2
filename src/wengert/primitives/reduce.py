"""Reductions and scans along axes. ``axes`` is a tuple of axes, none of them negative."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..primitive import Example, Operand, linear, operand_type
from ..program import Array, Type
from .shape import broadcast

__all__ = ["sum_"]

Axes = tuple[int, ...]


def reduced(shape: tuple[int, ...], axes: Axes) -> tuple[int, ...]:
    """The shape without these axes."""
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def kept(shape: tuple[int, ...], axes: Axes) -> tuple[int, ...]:
    """The shape with these axes of length 1."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def shift(axes: Axes) -> Axes:
    """The same axes behind a batch axis."""
    return tuple(axis + 1 for axis in axes)


def expand(ct: Array, shape: tuple[int, ...], axes: Axes) -> Array:
    """A reduced value, spread over the axes again."""
    if ct.shape and len(axes) < len(shape):
        ct = np.reshape(ct, kept(shape, axes))
    return broadcast.bind(ct, shape=shape)


def _sum_type(x: Operand, axes: Axes) -> Type:
    kind = operand_type(x)
    return Type(reduced(kind.shape, axes), np.add.reduce(np.zeros(1, kind.dtype)).dtype)


def _sum_batch(size: int, operands: Sequence[Array], batched: Sequence[bool], axes: Axes) -> Array:
    return sum_.bind(operands[0], axes=shift(axes))


sum_ = linear(
    "sum",
    lambda x, axes: np.add.reduce(x, axis=axes),
    types=_sum_type,
    transposes=[lambda ct, x, axes: expand(ct, x.shape, axes)],
    batch=_sum_batch,
    examples=[
        Example(((3,),), {"axes": (0,)}),
        Example(((2, 3, 4),), {"axes": (0, 2)}),
        Example(((2, 3),), {"axes": ()}),
    ],
)
