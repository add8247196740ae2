"""Reductions and scans: sum, mean, var, max, cumsum, ..."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..primitives.reduce import kept, sum_
from ..primitives.shape import reshape
from ..program import Array
from ..trace import UFUNC_METHODS, implements

__all__ = ["normal_axes"]


def normal_axes(axis: Any, rank: int) -> tuple[int, ...]:
    """``axis`` as a sorted tuple of axes that are not negative."""
    if axis is None:
        return tuple(range(rank))
    if type(axis) is int:
        if not -rank <= axis < rank:
            raise np.exceptions.AxisError(axis, rank)
        return (axis % rank,)
    return tuple(sorted({normal_axes(int(i), rank)[0] for i in axis}))


@implements(np.sum)
def sum(a: Array, axis: Any = None, dtype: Any = None, keepdims: Any = False, **rest: Any) -> Array:
    x = a if dtype is None else np.astype(a, dtype)
    shape = x.shape
    axes = normal_axes(axis, len(shape))
    total = sum_.bind(x, axes=axes) if shape else x
    return reshape.bind(total, shape=kept(shape, axes)) if keepdims is True else total


UFUNC_METHODS[np.add, "reduce"] = lambda a, axis=0, **kwargs: sum(a, axis, **kwargs)
