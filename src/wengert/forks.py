"""What forks wait for, and what their children find.

The child of a fork goes on with one thread. A lock that another one held would be held forever, a
module that another one was importing would never be there, and what it was making stays half made.
So a fork waits until no code is being made: that is done under ``compiling``, from the import of
the compiler to the end. Locks that are held for moments only are made by ``lock``; in a child
they are free.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

__all__ = ["compiling", "imported", "in_child", "lock"]

compiling = threading.RLock()
"""Held while code is made. A fork waits for it."""

_locks: weakref.WeakSet[Any] = weakref.WeakSet()


_left: list[Callable[[], None]] = []


def in_child(tidy: Callable[[], None]) -> Callable[[], None]:
    """Decorator: call this in the child of a fork, where locks are free.

    What other threads were at has no end there.
    """
    _left.append(tidy)
    return tidy


def lock() -> threading.RLock:
    """A lock that is free in the child of a fork, whoever held it.

    A thread may take it again, as a finaliser may: whatever allocates may collect garbage.
    """
    made = threading.RLock()
    _locks.add(made)
    return made


@cache
def imported(name: str) -> Any:
    """A module that is imported when it is first needed, and while nothing forks."""
    with compiling:
        return import_module(name)


def _free() -> None:
    """In the child: the locks of threads that are no more, and what these leave."""
    compiling.release()
    for each in list(_locks):
        each._at_fork_reinit()
    for tidy in _left:
        tidy()


# A fork takes the locks of hooks in the order opposite to their registration, and logging has one
# that the import of a module may need. So logging registers its hook here at the latest.
_ = logging

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=compiling.acquire, after_in_parent=compiling.release, after_in_child=_free
    )
