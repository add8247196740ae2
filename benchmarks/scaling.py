"""Whether an operation costs the same in a short trace and in a long one.

A scalar loop of n operations is differentiated, for n from a thousand to a million, in turns: the
time for one operation, trace and sweep together, should not depend on n.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from .peers import prepare

__all__ = ["OPERATIONS", "nanoseconds"]

ROOT = Path(__file__).resolve().parent.parent
OPERATIONS = (1_000, 10_000, 100_000, 1_000_000)
"""Operations in one trace."""


def nanoseconds(peer: str, largest: int, rounds: int) -> dict[int, float]:
    """Nanoseconds for one operation of a gradient, for each number of operations."""
    prepare()
    command = [sys.executable, "-m", "benchmarks.scaling", peer, str(largest), str(rounds)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return {int(n): t for n, t in json.loads(done.stdout).items()}


def _loop(np: Any, x: Any, operations: int) -> Any:
    for _ in range(operations // 4):
        x = np.sin(x) * 0.5 + 0.25 * x
    return x


def main(name: str, largest: int, rounds: int) -> None:
    """Measure in this process and print the times as JSON."""
    if name == "wengert":
        import wengert

        gradient, space = wengert.grad, np
    else:
        import autograd
        import autograd.numpy

        gradient, space = autograd.grad, autograd.numpy
    sizes = [n for n in OPERATIONS if n <= largest]
    runs = {n: gradient(lambda x, n=n: _loop(space, x, n)) for n in sizes}
    times: dict[int, list[float]] = {n: [] for n in sizes}
    for run in runs.values():
        run(0.5)
    for _ in range(rounds):
        for n, run in runs.items():
            repeats = max(1, 100_000 // n)
            start = time.perf_counter()
            for _ in range(repeats):
                run(0.5)
            times[n].append((time.perf_counter() - start) / repeats / n * 1e9)
    print(json.dumps({n: statistics.median(t) for n, t in times.items()}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
