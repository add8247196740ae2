"""How it is timed: one process for each peer, all on one core, in turns.

A clock on a busy machine drifts: what is measured in the first minute cannot be compared with what
is measured in the third. So the peers run in turns of some milliseconds, A B C C B A A B C ..., and
what is compared is their times within one round; of the ratios of many rounds the median counts.
Each peer has a process of its own, so that none pays for the imports, the garbage or the threads
of another, and all processes are pinned to the same core, of which at any time one is used.

Before anything is timed each peer's result is compared with the first peer's.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import statistics
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from .cases import CASES
from .peers import PEERS, Run, flat, prepare

__all__ = ["Pace", "Team", "Timing", "WrongResultError", "pin"]


class WrongResultError(Exception):
    """Two peers disagree about a derivative."""


@dataclass(frozen=True)
class Pace:
    """How long to measure: ``rounds`` turns of ``seconds`` for each peer."""

    rounds: int = 15
    seconds: float = 0.06


@dataclass
class Timing:
    """Seconds for one call: the median of each round."""

    rounds: list[float] = field(default_factory=list[float])

    @property
    def seconds(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.rounds)

    def over(self, other: Timing) -> float:
        """This time as a multiple of another: the median of the ratios, round by round."""
        return statistics.median(a / b for a, b in zip(self.rounds, other.rounds, strict=True))


def pin(core: int | None = None) -> int | None:
    """Pin this process, and those it starts, to one core; None where the system cannot."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    chosen = max(os.sched_getaffinity(0)) if core is None else core
    os.sched_setaffinity(0, {chosen})
    return chosen


Task = tuple[str, str, str]
"""A peer, what it computes (the name of a method), and the name of a case."""


class Team:
    """A process for each peer, started when it is first needed."""

    def __init__(self) -> None:
        prepare()
        self._context = multiprocessing.get_context("spawn")
        self._members: dict[str, tuple[Any, Connection]] = {}

    def __enter__(self) -> Team:
        return self

    def __exit__(self, *_: object) -> None:
        for process, line in self._members.values():
            line.close()
            process.join(5)
            if process.is_alive():
                process.terminate()

    def ask(self, peer: str, *message: Any) -> Any:
        """Have a peer's process do something and wait for the answer."""
        if peer not in self._members:
            ours, theirs = self._context.Pipe()
            process = self._context.Process(target=_work, args=(peer, theirs), daemon=True)
            process.start()
            theirs.close()
            self._members[peer] = (process, ours)
        line = self._members[peer][1]
        line.send(message)
        answer = line.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def compare(self, tasks: list[Task]) -> None:
        """Raise WrongResultError unless all tasks give the first one's numbers."""
        first, *others = tasks
        wanted = self.ask(first[0], "result", *first[1:])
        scale = float(np.max(np.abs(wanted), initial=0.0))
        for task in others:
            found = self.ask(task[0], "result", *task[1:])
            if found.shape != wanted.shape or not np.allclose(
                found, wanted, rtol=1e-7, atol=1e-9 * scale
            ):
                raise WrongResultError(f"{task[0]} and {first[0]} disagree about {task[2]}")

    def time(self, tasks: list[Task], pace: Pace) -> list[Timing]:
        """The times of tasks that are run in turns."""
        timings = [Timing() for _ in tasks]
        order = list(range(len(tasks)))
        for _ in range(pace.rounds):
            for i in order:
                peer, kind, case = tasks[i]
                timings[i].rounds.append(self.ask(peer, "time", kind, case, pace.seconds))
            order.reverse()
        return timings


def _work(name: str, line: Connection) -> None:
    """The life of a peer's process: answer questions until the line is closed."""
    peer = PEERS[name]()
    latest: tuple[tuple[str, str], Run] | None = None
    while True:
        try:
            question, kind, case, *rest = line.recv()
        except EOFError:
            return
        try:
            if latest is None or latest[0] != (kind, case):
                # The data of the last case go before those of this one come.
                latest = None
                latest = (kind, case), getattr(peer, kind)(CASES[case])
            run = latest[1]
            line.send(flat(run()) if question == "result" else _median_time(run, *rest))
            del run
        except Exception as error:
            line.send(RuntimeError(f"{name}, {case}: {type(error).__name__}: {error}"))


SHORTEST = 2e-5
"""Seconds between two looks at the clock, which itself takes some of a microsecond."""


def _median_time(run: Run, seconds: float) -> float:
    """Seconds for one call: the median of groups of calls, of one call where that takes long."""
    clock = time.perf_counter
    start = clock()
    run()
    first = clock() - start
    count = 1
    while first < SHORTEST and _together(run, count) < SHORTEST:
        count *= 2
    times: list[float] = []
    end = clock() + seconds
    while clock() < end or not times:
        times.append(_together(run, count) / count)
    return statistics.median(times)


def _together(run: Run, count: int) -> float:
    """Seconds for so many calls."""
    calls = itertools.repeat(None, count)
    start = time.perf_counter()
    for _ in calls:
        run()
    return time.perf_counter() - start
