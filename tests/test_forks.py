"""What a fork waits for, and what its child can use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from support import slow
from wengert import forks

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def in_child(check: Callable[[], bool]) -> int:
    """Fork, and give the status of a child that checks something; 14 of one that hangs."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(20)
            status = 0 if check() else 1
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


class Holder:
    """A thread that holds a lock, for a while or until it is told to let go."""

    def __init__(self, lock: Any, seconds: float) -> None:
        self.lock, self.seconds = lock, seconds
        self.held, self.stop = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.work)

    def work(self) -> None:
        with self.lock:
            self.held.set()
            self.stop.wait(self.seconds)

    def __enter__(self) -> None:
        self.thread.start()
        self.held.wait(20)

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()


def free(lock: Any) -> bool:
    """Whether this thread can have a lock."""
    found: bool = lock.acquire(timeout=5)
    if found:
        lock.release()
    return found


def test_a_fork_waits_until_no_code_is_being_made() -> None:
    with Holder(forks.compiling, 0.3):
        begin = time.monotonic()
        assert in_child(lambda: free(forks.compiling)) == 0
        assert time.monotonic() - begin > 0.2
    assert free(forks.compiling)


def test_a_lock_that_is_held_is_free_in_the_child() -> None:
    lock = forks.lock()
    with Holder(lock, 20):
        assert in_child(lambda: free(lock)) == 0
        assert not lock.acquire(blocking=False)


def test_a_thread_that_makes_code_may_fork() -> None:
    with forks.compiling:
        assert in_child(lambda: free(forks.compiling)) == 0
    assert free(forks.compiling)


def test_a_fork_need_not_wait_for_all_code_that_is_to_be_made() -> None:
    done = 0

    finished = threading.Event()

    def work() -> None:
        nonlocal done
        while done < 2000 and not finished.is_set():
            done += 1
            with forks.compiling:
                time.sleep(0.01)

    worker = threading.Thread(target=work)
    worker.start()
    for _ in range(10):
        assert in_child(lambda: free(forks.compiling)) == 0
    forked = done
    finished.set()
    worker.join()
    assert forked < 2000


IMPORTING = """
import os, signal, sys, threading, time, warnings
import numpy as np, wengert as wg
warnings.simplefilter("ignore")
reached = threading.Event()

class Slow:
    def find_spec(self, name, *_):
        if name == {module!r}:
            reached.set()
            time.sleep(0.3)

sys.meta_path.insert(0, Slow())
f = wg.jit(lambda x: np.sin(x) * 2)
f(np.ones(3))
assert reached.wait(20)
child = os.fork()
if child == 0:
    signal.alarm(20)
    good = np.allclose(f.wait()(np.ones(3)), 2 * np.sin(1)) and "1 native" in repr(f)
    os._exit(0 if good else 1)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize(
    "module",
    [
        *(slow(name, reason="starts processes") for name in ("wengert.compile", "llvmlite")),
        "wengert.compile.entry",
    ],
)
def test_a_child_compiles_though_its_parent_was_importing_the_compiler(module: str) -> None:
    subprocess.run([sys.executable, "-c", IMPORTING.format(module=module)], check=True, timeout=60)


EVALUATING = """
import os, signal, sys, threading, time, warnings
import numpy as np, wengert as wg
warnings.simplefilter("ignore")
reached = threading.Event()

class Slow:
    def find_spec(self, name, *_):
        if name == "scipy.special":
            reached.set()
            time.sleep(0.3)

sys.meta_path.insert(0, Slow())
derivative = wg.grad(lambda x: np.i0(x))
thread = threading.Thread(target=derivative, args=(1.0,))
thread.start()
assert reached.wait(20)
child = os.fork()
if child == 0:
    signal.alarm(20)
    os._exit(0 if abs(derivative(1.0) - 0.5651591) < 1e-6 else 1)
assert os.waitpid(child, 0)[1] == 0
thread.join()
"""


def test_a_child_evaluates_though_its_parent_was_importing_what_that_needs() -> None:
    subprocess.run([sys.executable, "-c", EVALUATING], check=True, timeout=60)


FIRST = """
import math, os, signal, sys, threading, time, warnings
import numpy as np, wengert as wg
warnings.simplefilter("ignore")
reached = threading.Event()

class Slow:
    def find_spec(self, name, *_):
        if name == "wengert.compile.machine":
            reached.set()
            time.sleep(0.2)

sys.meta_path.insert(0, Slow())
thread = threading.Thread(target=wg.grad(math.sin), args=(1.0,))
thread.start()
assert reached.wait(20)
child = os.fork()
if child == 0:
    signal.alarm(20)
    os._exit(0 if wg.grad(math.sin)(1.0) == math.cos(1.0) else 1)
assert os.waitpid(child, 0)[1] == 0
thread.join()
"""


def test_a_child_differentiates_though_its_parent_was_at_its_first_derivative() -> None:
    subprocess.run([sys.executable, "-c", FIRST], check=True, timeout=60)
