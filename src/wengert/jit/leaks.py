"""Traced values that a function has put into variables or objects outside of itself.

A cache, an attribute or a global that keeps what a traced run computed is given the plain value,
so that the run counts as one of the function itself.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..primitive import Traced
from .environment import Environment
from .keys import PARTS, attributes
from .tracing import JitRecorder

__all__ = ["settle"]


def settle(environment: Environment, arguments: Any) -> None:
    """Put plain values in the place of what ended traces have left behind, as far as is seen."""
    found = _Leaks()
    for write, value in environment.writers():
        found.look(value, write)
    found.look(arguments, _nowhere)


_CLOSED = (np.ndarray, types.ModuleType, types.FunctionType, type)
"""What is not looked into: the variables of functions, modules and classes are looked at apart."""


class _Leaks:
    """Looks into values, and replaces parts of them."""

    def __init__(self) -> None:
        self.seen: dict[int, Any] = {}

    def look(self, value: Any, write: Callable[[Any], None]) -> None:
        """Look at a part; ``write`` puts another one in its place."""
        if isinstance(value, Traced):
            if isinstance(value._trace, JitRecorder) and not value._trace.open:
                write(np.copy(value._node.value)[()])
            return
        if isinstance(value, _CLOSED) or id(value) in self.seen:
            return
        if len(self.seen) > PARTS:
            return
        self.seen[id(value)] = value
        if isinstance(value, tuple) and type(value) is tuple:
            parts = list(value)
            self._items(parts)
            if any(one is not other for one, other in zip(parts, value, strict=True)):
                write(tuple(parts))
        elif isinstance(value, list):
            self._items(value)
        elif isinstance(value, dict):
            for name in list(value):
                self.look(value[name], _item(value, name))
        else:
            for name, part in (attributes(value) or {}).items():
                self.look(part, _attribute(value, name))

    def _items(self, items: list[Any]) -> None:
        for i, item in enumerate(list(items)):
            self.look(item, _item(items, i))


def _item(home: Any, name: Any) -> Callable[[Any], None]:
    return lambda value: home.__setitem__(name, value)


def _attribute(home: Any, name: str) -> Callable[[Any], None]:
    return lambda value: object.__setattr__(home, name, value)


def _nowhere(value: Any) -> None:
    return None
