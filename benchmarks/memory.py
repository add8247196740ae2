"""How much memory a gradient takes.

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

from .cases import CASES, SMALL
from .peers import PEERS, Run, prepare

__all__ = ["Profile", "available", "profile"]

ROOT = Path(__file__).resolve().parent.parent
STATUS = Path("/proc/self/statm")
PEAK = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs")


@dataclass
class Profile:
    """Resident memory over the time of the first call, in bytes above what there was before it.

    ``peak`` is the most of it, with what compiling takes; ``later`` is the most in a later call.
    """

    seconds: list[float]
    bytes: list[int]
    peak: int
    later: int


def available() -> bool:
    """Whether this system tells a process its resident memory in the way that is used here."""
    return STATUS.exists() and PEAK.exists() and os.access(RESET, os.W_OK)


def profile(peer: str, case: str) -> Profile:
    """The memory of one peer's gradient of a case."""
    prepare()
    # Large arrays are given back to the system when they are freed, from the first one on.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    command = [sys.executable, "-m", "benchmarks.memory", peer, case]
    done = subprocess.run(
        command, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    return Profile(**json.loads(done.stdout))


def _resident() -> int:
    return int(STATUS.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _highest(run: Run) -> int:
    """The peak of the resident memory during a call."""
    RESET.write_text("5")
    result = run()
    line = next(line for line in PEAK.read_text().splitlines() if line.startswith("VmHWM"))
    del result
    return int(line.split()[1]) * 1024


def main(name: str, case: str) -> None:
    """Measure in this process and print the profile as JSON."""
    peer = PEERS[name]()
    peer.gradient(SMALL[0])()
    run = peer.gradient(CASES[case])
    start_memory, start = _resident(), time.perf_counter()
    samples: list[tuple[float, int]] = []
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.002):
            samples.append((time.perf_counter() - start, _resident() - start_memory))

    watcher = threading.Thread(target=sample)
    watcher.start()
    peak = _highest(run) - start_memory
    done.set()
    watcher.join()
    later = _highest(run) - start_memory
    thin = samples[:: max(1, len(samples) // 400)]
    found: dict[str, Any] = {"seconds": [t for t, _ in thin], "bytes": [b for _, b in thin]}
    print(json.dumps({**found, "peak": peak, "later": later}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
