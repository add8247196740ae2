"""Paths: the compiled runs of a function for arguments of one kind, sorted by their guards.

The paths form a tree, with a branch at each guard where they have met different values. A run that
fails guard k with a value v goes on with a path that has the same guards before, and v at k; if
there is none, the function is traced anew.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..forks import lock
from ..program import Array, Program
from .execute import Executable

__all__ = ["TRACES", "Output", "Path", "Paths"]

MOST = 64
"""Paths that are kept for one signature; the one that was not used for longest is dropped."""

KEPT = 1 << 19
"""Equations that these paths have in all, unless there are no more than a few: some 400 MB."""

FEW = 4
"""So many paths are kept however long they are."""

TRACES = 256
"""Traces after which a signature gives up, if paths are not used again more often than this."""

LONG = 1 << 17
"""Equations traced, in more than ``SOON`` paths, after which it gives up if few were used again."""

SOON = 8

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


class Path:
    """One path: its Program, what guards it, and how its outputs make the result."""

    def __init__(
        self,
        executable: Executable,
        guards: Sequence[tuple[np.dtype[Any], bytes]],
        outputs: Sequence[Output],
        spec: Any,
        mutated: Sequence[int],
        cuts: bool,
    ) -> None:
        self.executable = executable
        self.guards = tuple(guards)
        self.outputs = tuple(outputs)
        self.spec = spec
        self.mutated = tuple(mutated)
        self.cuts = cuts
        self.used = next(_clock)
        self.calls = 0
        self.partings: dict[int, dict[bytes, Path]] = {}
        """For each guard at which others part from this path, one path for each value."""

    @property
    def program(self) -> Program:
        """The simplified Program."""
        return self.executable.program

    @property
    def length(self) -> int:
        """How many equations were recorded."""
        return len(self.executable.recorded.equations)

    def parts_from(self, other: Path) -> int | None:
        """The first guard at which two paths have met different values, if there is one."""
        pairs = enumerate(zip(self.guards, other.guards, strict=False))
        return next((number for number, (one, two) in pairs if one != two), None)


class Paths:
    """The paths of one signature."""

    def __init__(self) -> None:
        self.paths: list[Path] = []
        self.recent: Path | None = None
        self.traces = 0
        self.equations = 0
        self.hits = 0
        self.plain: str | None = None
        self.used = next(_clock)
        self._lock = lock()

    def use(self) -> None:
        """Note that these arguments were met."""
        self.used = next(_clock)

    def give_up(self, reason: str) -> None:
        """Keep no paths: the function is run as it is."""
        self.plain = reason
        self.paths = []
        self.recent = None

    def touch(self, path: Path) -> None:
        """Note that a path was taken."""
        path.used = next(_clock)
        path.calls += 1
        self.hits += 1
        self.recent = path

    def instead(self, path: Path, index: int | None, value: Array) -> Path | None:
        """The path to try when ``path`` met this value at a guard."""
        found = path.partings.get(index) if index is not None else None
        if index is None or found is None:
            return None
        return found.get(value_token(value, path.guards[index][0]))

    def add(self, path: Path) -> Path:
        """Keep a new path; those that were not used for longest go when there are too many."""
        with self._lock:
            self.paths = [kept for kept in self.paths if kept.guards != path.guards]
            self.paths.append(path)
            while self._too_many():
                oldest = min(self.paths, key=lambda kept: kept.used)
                self.paths.remove(oldest)
                oldest.partings = {}
            found: dict[Path, dict[int, dict[bytes, Path]]] = {kept: {} for kept in self.paths}
            _part(self.paths, found)
            for kept, partings in found.items():
                kept.partings = partings
            self.recent = path
        return path

    def _too_many(self) -> bool:
        count = len(self.paths)
        return count > MOST or (count > FEW and sum(path.length for path in self.paths) > KEPT)

    @property
    def hopeless(self) -> bool:
        """Whether new paths keep being traced that are hardly used again."""
        dear = self.traces > SOON and self.equations > LONG and self.hits < self.traces
        return dear or (self.traces > TRACES and self.hits < 4 * self.traces)

    def traced(self, path: Path) -> None:
        """Note that a path was traced."""
        self.traces += 1
        self.equations += path.length


def _part(paths: Sequence[Path], found: dict[Path, dict[int, dict[bytes, Path]]]) -> None:
    """Find where paths part, for each of them; the newest path stands for all with a value."""
    first, *others = paths
    leaving: dict[int, list[Path]] = {}
    for other in others:
        number = first.parts_from(other)
        if number is not None:
            leaving.setdefault(number, []).append(other)
    staying = list(paths)
    for number in sorted(leaving):
        groups: dict[bytes, list[Path]] = {}
        for path in leaving[number]:
            groups.setdefault(path.guards[number][1], []).append(path)
        together, staying = staying, [p for p in staying if p not in leaving[number]]
        newest = {value: group[-1] for value, group in groups.items()}
        newest[first.guards[number][1]] = staying[-1]
        for path in together:
            found[path][number] = newest
        for group in groups.values():
            _part(group, found)
