"""Where views of an array may be, so that they follow when it becomes a traced one.

An array does not know its views, but they keep it alive: where nothing refers to it besides the
variable of the function that writes to it, it has none. Otherwise they are looked for in the
variables of the functions that are running, and in what these hold.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType, ModuleType
from typing import Any

import numpy as np

from ..frames import is_wengerts

__all__ = ["ALONE", "views_of"]

DEPTH = 3
"""So many levels of containers and objects are looked into."""

MANY = 10_000
"""So many containers and objects are looked into."""

ALONE: list[int] = [-1]
"""References to an array that is written to, where only a local variable refers to it besides."""


def views_of(owner: np.ndarray[Any, Any], is_target: bool) -> list[np.ndarray[Any, Any]]:
    """The plain arrays that look into the memory of ``owner``, as far as frames lead to them.

    ``is_target`` says that ``owner`` itself is written to, and not a view of it.
    """
    references = sys.getrefcount(owner)
    if ALONE[0] == 0:  # This call is to find out.
        ALONE[0] = references
        return []
    frame = _outside(sys._getframe(1))
    variables = {} if frame is None else frame.f_locals
    if is_target and references <= ALONE[0] and any(v is owner for v in variables.values()):
        return []
    views: dict[int, np.ndarray[Any, Any]] = {}
    seen: set[int] = set()
    while frame is not None:
        for value in list(frame.f_locals.values()):
            for array in _views(value, seen, DEPTH):
                if array is not owner and _looks_into(array, owner):
                    views[id(array)] = array
        frame = _outside(frame.f_back)
    return list(views.values())


def _outside(frame: FrameType | None) -> FrameType | None:
    """The innermost frame from this one on that does not run our code."""
    while frame is not None and is_wengerts(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def _looks_into(array: Any, owner: Any) -> bool:
    while isinstance(array, np.ndarray):
        if array is owner:
            return True
        array = array.base
    return False


def _views(value: Any, seen: set[int], depth: int) -> Iterator[np.ndarray[Any, Any]]:
    """The plain arrays that are views, in a nesting of containers and objects."""
    kind = type(value)
    if issubclass(kind, np.ndarray):
        if value.base is not None:
            yield value
        return
    if kind is list or kind is tuple or kind is set:
        items = value
    elif kind is dict:
        items = value.values()
    elif isinstance(value, (type, ModuleType)):
        return
    else:
        items = getattr(value, "__dict__", {}).values()
    if not items or depth == 0 or id(value) in seen or len(seen) >= MANY:
        return
    seen.add(id(value))
    for item in list(items):
        yield from _views(item, seen, depth - 1)
