"""Compiled functions called for a long time: memory does not grow, and nothing goes wrong.

`WENGERT_SOAK_SECONDS=300 pytest tests/jit/test_soak.py` (or `make soak`) does it for minutes.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jitted_calls import same

import wengert as wg

pytestmark = [
    pytest.mark.filterwarnings("ignore::wengert.errors.JitWarning", "ignore::DeprecationWarning"),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
    pytest.mark.slow(reason="calls for seconds"),
]

SECONDS = float(os.environ.get("WENGERT_SOAK_SECONDS", "2"))
"""Each test takes about this long."""

GROWTH = 12e6 if SECONDS >= 30 else 60e6
"""Bytes that may be added after the first third, by when little has settled in a short run."""


def memory() -> int:
    """Bytes of this process that are in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def soak(turn: Callable[[int], None], seconds: float = SECONDS) -> None:
    """Repeat ``turn(i)`` and assert that memory stops growing."""
    begin, i = time.monotonic(), 0
    settled = 0
    while (spent := time.monotonic() - begin) < seconds or not settled:
        turn(i)
        i += 1
        if not settled and spent > seconds / 3:
            settled = memory()
    assert memory() - settled < GROWTH


def shaped(x: Any) -> Any:
    return np.sum(np.sin(x) * x) if x[0] > 0 else x @ x


def test_changing_shapes() -> None:
    f = wg.jit(shaped, wait=True)
    gradient = wg.jit(wg.grad(shaped), wait=True)
    sizes = (1, 2, 3, 30, 400)

    def turn(i: int) -> None:
        x = np.full(sizes[i % 5], (-1.0) ** (i // 5))
        same(f(x), shaped(x))
        same(gradient(x), wg.grad(shaped)(x))

    soak(turn)


class User:
    """Garbage, together with a function that it calls last."""

    def __init__(self, f: Callable[[Any], Any]) -> None:
        self.f, self.itself = f, self

    def __del__(self) -> None:
        self.f(np.ones(3))


def test_functions_that_come_and_go() -> None:
    def turn(i: int) -> None:
        f = wg.jit(lambda x: np.sum(x * (i % 7)) if x[0] > 0 else x[0], wait=i % 2 == 0)
        for x in (np.ones(3), -np.ones(3), np.ones(4)):
            f(x)
        wg.grad(f)(np.ones(3))
        if i % 3:
            f.clear()
        else:
            User(f)

    soak(turn)


def test_paths_that_are_dropped() -> None:
    f = wg.jit(lambda x: x[: int(x[0])].sum() * 2, wait=True)

    def turn(i: int) -> None:
        x = np.full(90, float(i % 80))
        same(f(x), x[: int(x[0])].sum() * 2)
        if i % 100 == 99:
            f.clear()

    soak(turn)
    assert len(f.paths()) <= 64


def test_large_results_and_arguments() -> None:
    f = wg.jit(lambda x, y: (x + y, x * 2, np.concatenate([x, y])), wait=True)
    x = np.ones(30_000)

    def turn(i: int) -> None:
        found = f(x, x[::-1] if i % 3 else x)
        assert found[2].shape == (60_000,)

    soak(turn)


def test_errors_and_failing_guards() -> None:
    def g(x: Any) -> Any:
        if x[0] < 0:
            raise ValueError("negative")
        return np.linalg.solve(np.outer(x, x) + np.eye(2), x)

    f = wg.jit(g, wait=True)

    def turn(i: int) -> None:
        x = np.array([float(i % 4 - 1), 2.0])
        try:
            found = f(x)
        except ValueError:
            assert x[0] < 0
        else:
            same(found, g(x))

    soak(turn)


def test_threads() -> None:
    f = wg.jit(shaped)
    errors: list[BaseException] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        try:
            for _ in range(150):
                x = rng.normal(size=int(rng.integers(1, 6)))
                same(f(x), shaped(x), 1e-9)
        except BaseException as error:
            errors.append(error)

    def turn(i: int) -> None:
        threads = [threading.Thread(target=work, args=(4 * i + k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors

    soak(turn)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_forks_while_compiling() -> None:
    def turn(i: int) -> None:
        busy = wg.jit(lambda x: np.sin(x) * (i % 5))
        busy(np.ones(3))
        child = os.fork()
        if child == 0:
            status = 1
            try:
                signal.alarm(60)  # A child that hangs is one that fails.
                good = np.allclose(busy.wait()(np.ones(3)), np.sin(np.ones(3)) * (i % 5))
                status = 0 if good else 1
            finally:  # The other tests are its parent's.
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0

    soak(turn, min(SECONDS, 60))


def _in_a_child(n: int) -> float:
    f = wg.jit(shaped, wait=n % 2 == 0)
    x = np.linspace(-1, 2, n)
    return max(abs(float(f(x) - shaped(x))) for _ in range(30))


def test_spawned_processes() -> None:
    with multiprocessing.get_context("spawn").Pool(2, maxtasksperchild=20) as pool:
        begin = time.monotonic()
        while True:
            assert max(pool.map(_in_a_child, range(1, 9))) < 1e-12
            if time.monotonic() - begin > min(SECONDS, 60) / 4:
                break
