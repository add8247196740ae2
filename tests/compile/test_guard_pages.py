"""Compiled code touches no memory but that of its inputs and outputs.

They are put at the end of memory behind which any access ends the process, and then at the
beginning of it, in a process of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from support import slow
from wengert.compile import build

TESTS = Path(__file__).parent.parent

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs mprotect")


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=TESTS,
        env={**os.environ, "WENGERT_CACHE": "0"},
        capture_output=True,
        check=False,
        text=True,
        timeout=600,
    )


@linux
@pytest.mark.parametrize(("first", "end"), [(0, 4), slow(4, 20, reason="more random programs")])
def test_random_programs_stay_within_their_memory(first: int, end: int) -> None:
    done = python("guarded.py", str(first), str(end))
    assert done.returncode == 0, f"at {done.stdout.split()[-1:]}: {done.stderr[-2000:]}"


SHORT = """
import numpy as np, wengert as wg
from guarded import run_guarded
from wengert.compile import build

x = np.ones({length})
program = wg.trace(lambda x: np.sum(np.exp(x){order}))(x)
print(run_guarded(build(program), program, [x[:40]], at_end=True))
"""


@linux
@pytest.mark.parametrize("order", ["", slow("[::-1] * x", reason="starts processes")])
def test_an_access_past_the_end_is_found(order: str) -> None:
    too_long, fitting = (SHORT.format(length=n, order=order) for n in (41, 40))
    assert python("-c", too_long).returncode == -signal.SIGSEGV
    assert python("-c", fitting).returncode == 0


def test_an_index_that_is_out_of_bounds_is_an_error() -> None:
    x = np.arange(50.0)
    good = np.array([1, -50, 49, -1])
    functions = {
        "x[i]": lambda x, i: x[i],
        "a sum": lambda x, i: np.sum(x[i] * 2),
        "one element": lambda x, i: x[i[1]],
        "twice": lambda x, i: x[x[i].astype(np.int64)],
        "adding": added,
        "in a loop": lambda x, i: wg.scan(lambda c, j: (c + x[j], c), 0.0, i),
        "in a branch": lambda x, i: wg.cond(i[0] > 0, lambda x: x[i], lambda x: x[:4], x),
        "two axes": lambda x, i: x.reshape(50, 1)[i, 0 * i],
    }
    for name, f in functions.items():
        program = wg.trace(f)(x, good)
        native = build(program)
        for found, wanted in zip(
            native.run([x, good]), wg.evaluate(program, [x, good]), strict=True
        ):
            np.testing.assert_array_equal(found, wanted, err_msg=name)
        for wrong in (50, -51, 1 << 40, -(1 << 62)):
            with pytest.raises(IndexError):
                native.run([x, np.array([1, wrong, 0, 0])])


def added(x: Any, i: Any) -> Any:
    y = x.copy()
    np.add.at(y, i, 2.0)
    return y


def test_nothing_is_chosen_from_an_axis_without_elements() -> None:
    empty, none = np.zeros((0, 3)), np.zeros(0, np.int64)
    native = build(wg.trace(lambda x, i: x[i] + 1)(empty, none))
    assert native.run([empty, none])[0].shape == (0, 3)
