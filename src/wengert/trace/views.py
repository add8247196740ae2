"""Where views of an array may be, so that they follow when it becomes a traced one.

An array does not know its views, but they keep it alive: where nothing refers to it besides the
variable of the function that writes to it, it has none. Otherwise they are looked for in the
variables of the functions that are running, in all threads, and in what these hold.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from threading import get_ident
from types import FrameType, ModuleType
from typing import Any

import numpy as np

from ..frames import is_wengerts
from ..primitive import Traced

__all__ = ["ALONE", "belongs", "takes_part", "views_of"]

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
    for innermost in (frame, *_of_other_threads()):
        running = innermost
        while running is not None:
            for value in list(running.f_locals.values()):
                for array in _inside(value, seen, DEPTH):
                    if array is not owner and _looks_into(array, owner):
                        views[id(array)] = array
            running = _outside(running.f_back)
    return list(views.values())


def _of_other_threads() -> list[FrameType | None]:
    """The innermost frames of the other threads, from where they run what is not ours."""
    frames = sys._current_frames()
    frames.pop(get_ident(), None)
    return [_outside(frame) for frame in frames.values()]


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


def takes_part(trace: Any) -> bool:
    """Whether the functions that run in this thread have values of a trace, or of one above it."""
    frame = _outside(sys._getframe(1))
    seen: set[int] = set()
    while frame is not None:
        for value in list(frame.f_locals.values()):
            if any(belongs(each, trace) for each in _inside(value, seen, DEPTH)):
                return True
        frame = _outside(frame.f_back)
    return False


def belongs(value: Any, trace: Any) -> bool:
    """Whether a value is traced by this trace, also below others; or is the trace itself."""
    while isinstance(value, Traced):
        if value._trace is trace:
            return True
        value = value._value
    return value is trace


def _inside(value: Any, seen: set[int], depth: int) -> Iterator[Any]:
    """The arrays and traced values in a nesting of containers and objects."""
    kind = type(value)
    if issubclass(kind, (np.ndarray, Traced)):
        yield value
        return
    if kind is list or kind is tuple or kind is set:
        items = value
    elif kind is dict:
        items = value.values()
    elif isinstance(value, (type, ModuleType)):
        return
    else:
        attributes = getattr(value, "__dict__", None)
        items = attributes.values() if type(attributes) is dict else ()
    if not items or depth == 0 or id(value) in seen or len(seen) >= MANY:
        return
    seen.add(id(value))
    for item in list(items):
        yield from _inside(item, seen, depth - 1)
