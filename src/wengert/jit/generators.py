"""Generators of random numbers: whether they were used, and how to take that back."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

__all__ = ["Draws"]


class Draws:
    """The states of the global generators of random numbers, and of ``more``, at one moment."""

    def __init__(self, more: Iterable[Any] = ()) -> None:
        self._saved = [(each, _state(each)) for each in (np.random, random, *more)]

    def happened(self) -> bool:
        """Whether numbers were drawn since."""
        return any(not _same(_state(each), state) for each, state in self._saved)

    def undo(self) -> None:
        """Set the generators back, for a run that is repeated."""
        for generator, state in self._saved:
            if not _same(_state(generator), state):
                _reset(generator, state)


def _state(generator: Any) -> Any:
    if hasattr(generator, "getstate"):
        return generator.getstate()
    if hasattr(generator, "get_state"):
        return generator.get_state(legacy=False)
    return getattr(generator, "bit_generator", generator).state


def _reset(generator: Any, state: Any) -> None:
    if hasattr(generator, "setstate"):
        generator.setstate(state)
    elif hasattr(generator, "set_state"):
        generator.set_state(state)
    else:
        getattr(generator, "bit_generator", generator).state = state


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping):
        return all(_same(value, other[name]) for name, value in one.items())
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other))
    return bool(one == other)
