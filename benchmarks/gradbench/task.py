"""What an eval consists of, and how it is timed.

The suite sends an input as JSON and wants the result as JSON, together with the nanoseconds of
each run. Reading and writing are not timed. The first run, in which the function is traced and
compiled, is reported by the name of ``prepare`` and does not count as a run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np

import wengert as wg

__all__ = ["Task", "array", "compiled", "listed", "measured"]

compiled = partial(wg.jit, wait=True)
"""``wg.jit`` that compiles in the first call rather than behind its back."""


def array(numbers: Any) -> Any:
    """Nested lists of numbers as an array of float64."""
    return np.array(numbers, dtype=np.float64)


def listed(result: Any) -> Any:
    """A result in the form that JSON has: lists and numbers in place of arrays, dicts as they are.

    Example:
        >>> listed({"x": np.arange(2.0), "y": (np.float64(1.5), 2)})
        {'x': [0.0, 1.0], 'y': [1.5, 2]}
    """
    if isinstance(result, dict):
        entries = cast("dict[str, Any]", result)
        return {name: listed(value) for name, value in entries.items()}
    if isinstance(result, (tuple, list)):
        return [listed(value) for value in cast("list[Any]", result)]
    return result.tolist() if isinstance(result, (np.ndarray, np.generic)) else result


@dataclass(frozen=True)
class Task:
    """One function of an eval: ``run`` is timed, ``read`` makes its arguments from the input."""

    run: Callable[..., Any]
    read: Callable[[Any], tuple[Any, ...]]
    write: Callable[[Any], Any] = listed

    def __call__(self, given: Any) -> Any:
        """The answer to one input, without a clock."""
        return self.write(self.run(*self.read(given)))


def measured(task: Task, given: Any) -> dict[str, Any]:
    """The answer to one input and the time of each run, as the protocol wants them.

    It is run ``min_runs`` times, if the input says so, and on until ``min_seconds`` are spent.
    """
    named = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    least_runs = named.get("min_runs", 1)
    least = named.get("min_seconds", 0.0) * 1e9
    arguments = task.read(given)
    result, prepared = _timed(task, arguments)
    runs: list[int] = []
    total = 0
    while len(runs) < least_runs or total < least:
        result, spent = _timed(task, arguments)
        runs.append(spent)
        total += spent
    timings = [_timing("prepare", prepared), *(_timing("evaluate", spent) for spent in runs)]
    return {"success": True, "output": task.write(result), "timings": timings}


def _timed(task: Task, arguments: tuple[Any, ...]) -> tuple[Any, int]:
    start = time.perf_counter_ns()
    result = task.run(*arguments)
    return result, time.perf_counter_ns() - start


def _timing(name: str, nanoseconds: int) -> dict[str, Any]:
    return {"name": name, "nanoseconds": nanoseconds}
