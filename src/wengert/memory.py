"""How arrays lie in memory, which decides what is a view of them in NumPy and what is a copy."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["copied", "laid", "protected_as", "read_only"]


def _room(model: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An array, of any elements, that has the strides of ``model``; elements do not overlap."""
    pairs = list(zip(model.shape, model.strides, strict=True))
    if not model.size or any(n > 1 and step == 0 for n, step in pairs):
        return np.empty_like(model)
    steps = [(n - 1) * step for n, step in pairs]
    before = -sum(step for step in steps if step < 0)
    after = sum(step for step in steps if step > 0)
    room = before + after + model.itemsize
    if model.dtype.hasobject:  # Memory that is not initialised has no references in it.
        buffer = np.empty(-(-room // model.itemsize), model.dtype)
    else:
        buffer = np.empty(room, np.uint8)
    return np.ndarray(model.shape, model.dtype, buffer, before, model.strides)


def laid(array: np.ndarray[Any, Any], model: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A copy of an array that lies in memory as ``model`` does, which is of its shape and dtype."""
    if model.flags.c_contiguous:
        return array.copy()
    if model.flags.f_contiguous:
        return array.copy("F")
    made = _room(model)
    made[...] = array
    return made


def copied(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A copy that lies in memory as the array itself does, with its gaps and directions."""
    return array.copy() if array.flags.c_contiguous else laid(array, array)


def read_only(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A view of an array that cannot be written to; one that cannot be as it is."""
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


def protected_as(copy: np.ndarray[Any, Any], array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A new copy of an array, read-only if that is."""
    copy.flags.writeable = array.flags.writeable
    return copy
