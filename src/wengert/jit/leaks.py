"""Traced values that a function has put into variables or objects outside of itself.

A cache, an attribute or a global that keeps what a traced run computed is given the plain value,
so that the run counts as one of the function itself. Into the cache of ``functools.lru_cache``
nothing can be put, so that one is cleared.
"""

from __future__ import annotations

import collections
import functools
import gc
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..primitive import Traced
from .environment import Environment
from .keys import PARTS, attributes
from .tracing import JitRecorder
from .weak import WeakTracer

__all__ = ["clear_caches", "settle"]


def settle(environment: Environment, arguments: Any) -> None:
    """Put plain values in the place of what ended traces have left behind, as far as is seen."""
    found = _Leaks()
    for write, value in environment.writers():
        found.look(value, write)
    found.look(arguments, _nowhere)


def clear_caches(environment: Environment) -> None:
    """Clear the caches of functions in which ended traces have left values."""
    for _, value in environment.writers():
        if isinstance(value, functools._lru_cache_wrapper) and _keeps(value):
            value.cache_clear()


def _keeps(cache: Any) -> bool:
    """Whether a cache has values of ended traces, among its keys or its results."""
    seen: set[int] = set()
    waiting = gc.get_referents(cache)
    while waiting:
        part = waiting.pop()
        if _has_ended(part):
            return True
        if isinstance(part, (tuple, list, dict)) and id(part) not in seen:
            seen.add(id(part))
            waiting += gc.get_referents(part)
    return False


def _has_ended(value: Any) -> bool:
    """Whether a value is one of a trace that is over."""
    return (
        isinstance(value, Traced)
        and isinstance(value._trace, JitRecorder)
        and not value._trace.open
    )


def _plain(value: Any) -> Any:
    """What an ended trace computed: Python's own number, or NumPy's."""
    found = value._node.value
    return found if isinstance(value, WeakTracer) else np.copy(found)[()]


_CLOSED = (types.ModuleType, types.FunctionType, type)
"""What is not looked into: the variables of functions, modules and classes are looked at apart."""


def _is_closed(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind != "O"
    return isinstance(value, _CLOSED)


class _Leaks:
    """Looks into values, and replaces parts of them."""

    def __init__(self) -> None:
        self.seen: dict[int, Any] = {}

    def look(self, value: Any, write: Callable[[Any], None]) -> None:
        """Look at a part; ``write`` puts another one in its place."""
        if isinstance(value, Traced):
            if _has_ended(value):
                write(_plain(value))
            return
        if _is_closed(value) or id(value) in self.seen or len(self.seen) > PARTS:
            return
        self.seen[id(value)] = value
        if type(value) in (tuple, frozenset):
            parts = list(value)
            if self._items(parts):
                write(type(value)(parts))
        elif isinstance(value, (list, collections.deque)):
            self._items(value)
        elif isinstance(value, np.ndarray):
            for index in np.ndindex(value.shape):
                self.look(value[index], _item(value, index))
        elif isinstance(value, set):
            parts = list(value)
            if self._items(parts):
                value.clear()
                value.update(parts)
        elif isinstance(value, dict):
            self._dict(value)
        else:
            for name, part in (attributes(value) or {}).items():
                self.look(part, _attribute(value, name))

    def _dict(self, value: dict[Any, Any]) -> None:
        keys, parts = list(value), list(value.values())
        if self._items(keys):
            value.clear()
            value.update(zip(keys, parts, strict=True))
        for name in keys:
            self.look(value[name], _item(value, name))

    def _items(self, items: Any) -> bool:
        """Look at the items of a sequence; whether one was replaced."""
        before = list(items)
        for i, item in enumerate(before):
            self.look(item, _item(items, i))
        return any(one is not other for one, other in zip(items, before, strict=True))


def _item(home: Any, name: Any) -> Callable[[Any], None]:
    return lambda value: home.__setitem__(name, value)


def _attribute(home: Any, name: str) -> Callable[[Any], None]:
    return lambda value: object.__setattr__(home, name, value)


def _nowhere(value: Any) -> None:
    return None
