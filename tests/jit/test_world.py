"""Functions that read clocks, files and new generators run as they are, and say so."""

from __future__ import annotations

import datetime
import pathlib
import secrets
import time
import types
import warnings
from time import perf_counter

import numpy as np
import pytest

import wengert as wg
from wengert.errors import JitWarning

FILE = pathlib.Path(__file__)


def drawn():
    return np.random.default_rng().normal()


def imported(x):
    from time import perf_counter_ns

    return x + perf_counter_ns()


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x + np.random.default_rng().normal(),
        lambda x: x + np.random.RandomState().normal(),
        lambda x: x + drawn(),
        lambda x: x + time.time_ns() % 10**9,
        lambda x: x + perf_counter(),
        lambda x: x + datetime.datetime.now().microsecond,
        lambda x: x + secrets.randbelow(10**12),
        imported,
    ],
)
def test_what_changes_by_itself_is_asked_at_each_call(f):
    jitted = wg.jit(f, wait=True)
    with pytest.warns(JitWarning, match="may give something else each time"):
        found = {float(jitted(1.0)) for _ in range(6)}
    assert len(found) > 1


def test_files_are_read_at_each_call(tmp_path):
    path = tmp_path / "number.txt"
    for f in (lambda x: x + float(path.read_text()), lambda x: x + np.loadtxt(path)):
        path.write_text("1.0")
        jitted = wg.jit(f, wait=True)
        with pytest.warns(JitWarning, match="each time"):
            assert jitted(1.0) == jitted(1.0) == 2.0
        path.write_text("2.0")
        assert jitted(1.0) == 3.0


def test_an_open_file_goes_on(tmp_path):
    (tmp_path / "lines").write_text("1\n2\n3\n")
    with (tmp_path / "lines").open() as lines:
        jitted = wg.jit(lambda x: x + float(lines.readline()), wait=True)
        with pytest.warns(JitWarning, match="readline"):
            assert [jitted(0.0) for _ in range(3)] == [1.0, 2.0, 3.0]


def test_names_alone_mean_nothing():
    state = types.SimpleNamespace(time=2.0, open=3.0, now=4.0)

    def f(x):
        return x * state.time + state.open + state.now

    with warnings.catch_warnings():
        warnings.simplefilter("error", JitWarning)
        jitted = wg.jit(f, wait=True)
        assert jitted(1.0) == 9.0
        assert "native" in repr(jitted)
