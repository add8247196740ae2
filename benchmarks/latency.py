"""How long a first call takes: tracing, differentiating, compiling and running.

Each first call has a process of its own. What a library does once for all functions (its imports,
the start of its compiler) is done before, by compiling something small.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .cases import SMALL, Case
from .growing import GROWING
from .harness import WrongResultError
from .peers import PEERS, Run, Wengert, WengertJit, flat, prepare
from .report import duration, ratio

__all__ = ["First", "first_calls", "from_disk"]

ROOT = Path(__file__).resolve().parent.parent


LIMIT = 60.0
"""Seconds that a process has; what takes longer is not asked for again."""


@dataclass
class First:
    """Seconds of the first call of one function, once for each process.

    ``numbers`` tell wrong results, ``failure`` says why there are none.
    """

    seconds: list[float] = field(default_factory=list[float])
    numbers: tuple[float, float] | None = None
    failure: str | None = None

    def measure(self, peer: str, kind: str, name: str, environment: dict[str, str]) -> None:
        """Add what one more process finds."""
        if self.failure:
            return
        command = [sys.executable, "-m", "benchmarks.latency", peer, kind, name]
        try:
            done = subprocess.run(
                command,
                env=os.environ | environment,
                cwd=ROOT,
                check=True,
                stdout=subprocess.PIPE,
                text=True,
                timeout=LIMIT,
            )
        except subprocess.TimeoutExpired:
            self.failure = f"over {LIMIT:.0f} s"
            return
        except subprocess.CalledProcessError:
            self.failure = "failed"
            return
        seconds, self.numbers = json.loads(done.stdout)
        self.seconds.append(seconds)

    def median(self) -> float | None:
        """The median of the processes; None after a failure."""
        return None if self.failure else statistics.median(self.seconds)

    def over(self, other: First) -> float | None:
        """As a multiple of another's, the median of the ratios in turn; None after a failure."""
        if self.failure or other.failure:
            return None
        return statistics.median(a / b for a, b in zip(self.seconds, other.seconds, strict=True))

    def text(self, ours: First | None = None) -> str:
        """The median for a table, with ours as a multiple of it; or the failure."""
        median = self.median()
        over = None if ours is None else ours.over(self)
        if median is None:
            return self.failure or ""
        return duration(median) + ("" if over is None else f" ({ratio(over)})")


def first_calls(peers: Sequence[str], kind: str, name: str, rounds: int) -> dict[str, First]:
    """The first calls of each peer, in turns. WrongResultError as always."""
    prepare()
    found = {peer: First() for peer in peers}
    order = list(peers)
    for _ in range(rounds):
        for peer in order:
            found[peer].measure(peer, kind, name, {})
        order.reverse()
    numbers = [first.numbers for first in found.values() if first.numbers is not None]
    if any(not np.allclose(each, numbers[0], rtol=1e-6) for each in numbers):
        raise WrongResultError(f"{' and '.join(peers)} disagree about {name}")
    return found


def from_disk(kind: str, name: str, rounds: int) -> tuple[First, First]:
    """Our first calls where an earlier process has left its code on the disk, and the least.

    The least is what no cache can save: tracing for the first time, and a call of what is compiled.
    """
    prepare()
    found, least = First(), First()
    with tempfile.TemporaryDirectory() as folder:
        environment = {"WENGERT_CACHE": "1", "WENGERT_CACHE_DIR": folder}
        First().measure("wengert-jit", kind, name, environment)
        for _ in range(rounds):
            found.measure("wengert-jit", kind, name, environment)
            least.measure("wengert", f"trace-{kind}", name, environment)
    return found, least


def main(name: str, kind: str, case_name: str) -> None:
    """Measure in this process and print the time and the numbers as JSON."""
    (case,) = [case for case in GROWING if case.name == case_name]
    if kind.startswith("trace-"):
        print(json.dumps([_least(kind.removeprefix("trace-"), case), None]))
        return
    peer = PEERS[name]()
    getattr(peer, kind)(SMALL[0])()
    run: Run = getattr(peer, kind)(case)
    result, seconds = _clocked(run)
    # What could not be compiled is complained of, which is an error here, in the next call.
    run()
    numbers = flat(result)
    mixed = float(numbers @ np.cos(np.arange(numbers.size)))
    print(json.dumps([seconds, [float(np.linalg.norm(numbers)), mixed]]))


def _least(kind: str, case: Case) -> float:
    """Seconds of tracing the function or its gradient, and of a call of it compiled."""
    plain, jitted = Wengert(), WengertJit()
    getattr(jitted, kind)(SMALL[0])()
    f, arguments = case.write(np), case.arguments()
    trace = plain.wg.trace(f if kind == "value" else plain.wg.grad(f))
    _, tracing = _clocked(lambda: trace(*arguments))
    run: Run = getattr(jitted, kind)(case)
    run()
    return tracing + statistics.median(_clocked(run)[1] for _ in range(20))


def _clocked(run: Run) -> tuple[Any, float]:
    start = time.perf_counter()
    result = run()
    return result, time.perf_counter() - start


if __name__ == "__main__":
    main(*sys.argv[1:])
