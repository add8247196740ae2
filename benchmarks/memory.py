"""How much memory a gradient takes: a chain of elementwise operations on one large array.

Each peer runs in a process of its own, which reads its resident memory while the gradient is
computed; what it had before is subtracted. The resident memory is that of every allocator alike.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .peers import PEERS, one_thread

__all__ = ["Profile", "profile"]

ROOT = Path(__file__).resolve().parent.parent
STATUS = Path("/proc/self/statm")
PEAK = Path("/proc/self/status")


@dataclass
class Profile:
    """Resident memory over the time of one gradient, in bytes above the start; ``peak`` of it."""

    seconds: list[float]
    bytes: list[int]
    peak: int


def available() -> bool:
    """Whether this system tells a process its resident memory in the way that is used here."""
    return STATUS.exists() and PEAK.exists()


def profile(peer: str, size: int, steps: int) -> Profile:
    """The memory of one peer's gradient of ``cases.chain``."""
    one_thread()
    # Large arrays are given back to the system when they are freed, from the first one on.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    command = [sys.executable, "-m", "benchmarks.memory", peer, str(size), str(steps)]
    done = subprocess.run(
        command, env=environment, cwd=ROOT, check=True, capture_output=True, text=True
    )
    return Profile(**json.loads(done.stdout))


def _resident() -> int:
    return int(STATUS.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _highest() -> int:
    line = next(line for line in PEAK.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def main(name: str, size: int, steps: int) -> None:
    """Measure in this process and print the profile as JSON."""
    peer = PEERS[name]()
    small = peer.chain(np.linspace(0.1, 1.0, 10), 2)
    small()
    run = peer.chain(np.linspace(0.1, 1.0, size), steps)
    start_memory, start = _resident(), time.perf_counter()
    samples: list[tuple[float, int]] = []
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.002):
            samples.append((time.perf_counter() - start, _resident() - start_memory))

    watcher = threading.Thread(target=sample)
    watcher.start()
    result: Any = run()
    done.set()
    watcher.join()
    thin = samples[:: max(1, len(samples) // 400)]
    peak = _highest() - start_memory
    print(
        json.dumps({"seconds": [t for t, _ in thin], "bytes": [b for _, b in thin], "peak": peak})
    )
    del result


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
