"""What a path recorder knows of a tracer, and where a warning is to point."""

from __future__ import annotations

import sys

from ..frames import is_ours
from ..program import Array, Atom, Type

__all__ = ["Node", "users_level"]


class Node:
    """The atom of a tracer, its type, and its value."""

    __slots__ = ("atom", "type", "value")

    def __init__(self, atom: Atom, type: Type, value: Array) -> None:
        self.atom = atom
        self.type = type
        self.value = value


def users_level() -> int:
    """The ``stacklevel`` with which a warning shows the user's line."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and is_ours(frame.f_code.co_filename):
        frame, level = frame.f_back, level + 1
    return level
