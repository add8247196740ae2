"""Assignments under ``jit``: ``x[i] = v`` as NumPy does it, or with its error.

A value that does not fit is an error to NumPy in some forms and not in others: ``x[0] = v`` of an
int8 array refuses ``np.float64(300.0)`` and takes ``np.array(300.0)``. So NumPy is asked, with the
values of the run, and a number that it would refuse if it were another is guarded.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..kinds import unboxed
from ..primitive import Traced
from ..program import Array
from ..trace import Flat, Trace
from .operands import Operands

__all__ = ["NumpysAssignment"]


class NumpysAssignment:
    """What NumPy makes of ``x[index] = value`` for the values of the run."""

    def __init__(self, recorder: Trace, x: Any, index: Any, value: Any) -> None:
        self._recorder = recorder
        self._x = x
        self._index = index
        self._value = value
        self._plain_index: Any = None

    @property
    def converts(self) -> bool:
        """Whether the value is not of the array's dtype."""
        value = self._value
        if isinstance(value, Traced) and not type(value).python:
            return value.dtype != self._x.dtype
        return getattr(value, "dtype", None) != self._x.dtype

    @cached_property
    def _operands(self) -> Operands | None:
        return Operands.of(self._recorder, (self._x, self._index, self._value), {}, True)

    @property
    def can_be_asked(self) -> bool:
        """Whether NumPy can be asked, at little cost."""
        return self._operands is not None and self._operands.harmless

    def result(self) -> Array:
        """The array after the assignment, or NumPy's error."""
        assert self._operands is not None
        arrays: list[Array] = []

        def store(array: Array, index: Any, value: Any) -> None:
            self._plain_index = index
            self._store(array, index, value)
            arrays.append(array)

        with np.errstate(all="ignore"):
            self._operands.call(store)
        return unboxed(arrays[0])

    def _store(self, array: Array, index: Any, value: Any) -> None:
        (array.flat if isinstance(self._x, Flat) else array)[index] = value

    def guard(self) -> None:
        """Guard the value where NumPy refuses others of its dtype."""
        x, value = self._x, self._value
        if not isinstance(value, Traced) or type(value).python or np.can_cast(value.dtype, x.dtype):
            return
        extremes = _extremes(value.dtype, value.shape)
        if x.dtype.kind in "iu" and any(map(self._refused, extremes)):
            limits = np.iinfo(x.dtype)
            low, high = np.float64(limits.min) - 1.0, np.float64(limits.max) + 1.0
            if not bool(np.all(np.logical_and(np.greater(value, low), np.less(value, high)))):
                self._recorder.force(value)

    def _refused(self, value: Array) -> bool:
        """Whether NumPy refuses a value in the place of the one that is assigned."""
        try:
            with np.errstate(all="ignore"):
                self._store(np.zeros(self._x.shape, self._x.dtype), self._plain_index, value)
        except (OverflowError, ValueError):
            return True
        return False


def _extremes(dtype: np.dtype[Any], shape: tuple[int, ...]) -> list[Array]:
    """Values of a dtype and shape that hardly any other dtype can hold."""
    if dtype.kind in "iu":
        numbers: list[Any] = [np.iinfo(dtype).min, np.iinfo(dtype).max]
    else:
        numbers = [np.nan, -np.inf, np.inf]
    return [np.full(shape, each, dtype) if shape else dtype.type(each) for each in numbers]
