"""The thread that compiles in the background.

There is one, started when it is first needed. It holds what it compiles by weak references, so what
nobody needs any more is not compiled. A fork waits for the compilation at hand (``forks``), and its
child starts a thread of its own, with what was left to do. The end of the interpreter waits for the
compilation at hand and drops the rest.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import deque
from typing import Any

__all__ = ["submit"]


class _Worker:
    """A queue of executables, and the thread that empties it."""

    def __init__(self) -> None:
        self.ready = threading.Condition()
        self.waiting: deque[weakref.ref[Any]] = deque()
        self.current: tuple[weakref.ref[Any], ...] = ()
        self.thread: threading.Thread | None = None
        self.stopped = False

    def submit(self, executable: Any) -> None:
        """Have ``executable.compile()`` called, unless it is forgotten before that."""
        with self.ready:
            if self.stopped:
                return
            self.waiting.append(weakref.ref(executable))
            if self.thread is None:
                self.thread = threading.Thread(target=self.work, name="wengert-jit", daemon=True)
                self.thread.start()
            self.ready.notify()

    def work(self) -> None:
        """Compile what is submitted until the interpreter ends."""
        while True:
            with self.ready:
                while not self.waiting and not self.stopped:
                    self.ready.wait()
                if self.stopped:
                    return
                self.current = (self.waiting.popleft(),)
            executable = self.current[0]()
            if executable is not None:
                executable.compile()
            del executable
            self.current = ()

    def stop(self) -> None:
        """Finish what is being compiled and drop the rest."""
        with self.ready:
            self.stopped = True
            self.waiting.clear()
            self.ready.notify_all()
        if self.thread is not None:
            self.thread.join()


_worker = _Worker()


def submit(executable: Any) -> None:
    """Compile an executable in the background."""
    _worker.submit(executable)


def _renew() -> None:
    """In the child of a fork only the forking thread lives on: work begins anew."""
    global _worker  # noqa: PLW0603 - a fresh one for the child
    left = [reference() for reference in (*_worker.current, *_worker.waiting)]
    _worker = _Worker()
    for executable in left:
        if executable is not None:
            _worker.submit(executable)


def _stop() -> None:
    _worker.stop()


atexit.register(_stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
