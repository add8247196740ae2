"""Paths: the compiled runs of a function for arguments of one kind, sorted by their guards.

The paths form a tree. All begin alike, and go apart where a guard met different values. A run that
fails guard k with a value v goes on with a path that has the same guards before, and v at k; if
there is none, the function is traced anew.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..program import Array, Program
from .execute import Executable

__all__ = ["TRACES", "Branch", "Output", "Path", "Paths"]

MOST = 64
"""Paths that are kept for one signature; the one that was not used for longest is dropped."""

TRACES = 256
"""Traces after which a signature gives up, if paths are not used again more often than this."""

_clock = itertools.count()


def value_token(value: Array, dtype: np.dtype[Any]) -> bytes:
    """A guard's value to the bit."""
    return np.asarray(value, dtype).tobytes()


class Output:
    """What a leaf of the result is: an output of the Program, an array, or a plain object."""

    __slots__ = ("boxed", "constant", "place")

    def __init__(self, place: int | None, constant: Any = None, boxed: bool = False) -> None:
        self.place = place
        self.constant = constant
        self.boxed = boxed


class Branch:
    """A guard, and what follows each value that it has met."""

    __slots__ = ("children", "recent")

    def __init__(self) -> None:
        self.children: dict[bytes, Branch] = {}
        self.recent: Path | None = None


class Path:
    """One path: its Program, what guards it, and how its outputs make the result."""

    def __init__(
        self,
        program: Program,
        executable: Executable,
        guards: Sequence[tuple[np.dtype[Any], bytes]],
        outputs: Sequence[Output],
        spec: Any,
        mutated: Sequence[int],
        cuts: bool,
    ) -> None:
        self.program = program
        self.executable = executable
        self.guards = tuple(guards)
        self.outputs = tuple(outputs)
        self.spec = spec
        self.mutated = tuple(mutated)
        self.cuts = cuts
        self.branches: list[Branch] = []
        self.used = next(_clock)
        self.calls = 0


class Paths:
    """The paths of one signature."""

    def __init__(self) -> None:
        self.paths: list[Path] = []
        self.recent: Path | None = None
        self.traces = 0
        self.hits = 0
        self.plain: str | None = None
        self.used = next(_clock)
        self._root = Branch()
        self._lock = threading.Lock()

    def use(self) -> None:
        """Note that these arguments were met."""
        self.used = next(_clock)

    def give_up(self, reason: str) -> None:
        """Keep no paths: the function is run as it is."""
        self.plain = reason
        self.paths = []
        self.recent = None
        self._root = Branch()

    def touch(self, path: Path) -> None:
        """Note that a path was taken."""
        path.used = next(_clock)
        path.calls += 1
        self.hits += 1
        self.recent = path

    def instead(self, path: Path, index: int | None, value: Array) -> Path | None:
        """The path to try when ``path`` met this value at a guard."""
        if index is None or index >= len(path.branches):
            return None
        dtype, _ = path.guards[index]
        with self._lock:
            child = path.branches[index].children.get(value_token(value, dtype))
            return None if child is None else child.recent

    def add(self, path: Path) -> Path:
        """Keep a new path; the least recently used one goes when there are too many."""
        with self._lock:
            self.paths = [kept for kept in self.paths if kept.guards != path.guards]
            self.paths.append(path)
            if len(self.paths) > MOST:
                self.paths.remove(min(self.paths, key=lambda p: p.used))
                self._root = Branch()
                for kept in self.paths:
                    self._insert(kept)
            else:
                self._insert(path)
            self.recent = path
        return path

    def _insert(self, path: Path) -> None:
        branch = self._root
        branches: list[Branch] = []
        for _, value in path.guards:
            branch.recent = path
            branches.append(branch)
            branch = branch.children.setdefault(value, Branch())
        branch.recent = path
        path.branches = branches

    @property
    def hopeless(self) -> bool:
        """Whether new paths keep being traced that are hardly used again."""
        return self.traces > TRACES and self.hits < 4 * self.traces
