"""What a path recorder knows of a tracer, and who asks for it."""

from __future__ import annotations

import sys

from ..errors import is_ours
from ..program import Array, Atom, Type

__all__ = ["Node", "user_asks", "users_level"]


class Node:
    """The atom of a tracer, its type, and its value."""

    __slots__ = ("atom", "type", "value")

    def __init__(self, atom: Atom, type: Type, value: Array) -> None:
        self.atom = atom
        self.type = type
        self.value = value


def user_asks(depth: int) -> bool:
    """Whether the code ``depth`` calls above this one is neither ours nor NumPy's.

    ``np.isscalar`` asks for the user. ``__getattribute__`` and Python's own frozen modules
    (``abc``) are passed over.
    """
    frame = sys._getframe(depth)
    while frame.f_back is not None and (
        frame.f_code.co_name == "__getattribute__" or frame.f_code.co_filename.startswith("<frozen")
    ):
        frame = frame.f_back
    return frame.f_code.co_name == "isscalar" or not is_ours(frame.f_code.co_filename)


def users_level() -> int:
    """The ``stacklevel`` with which a warning shows the user's line."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and is_ours(frame.f_code.co_filename):
        frame, level = frame.f_back, level + 1
    return level
