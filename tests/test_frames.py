"""Whose code a frame runs."""

from __future__ import annotations

import fractions
import functools
import linecache
import os
import subprocess
import sys
import traceback
import types
from pathlib import Path

import numpy as np
import pytest

import wengert
from wengert import frames


@pytest.mark.parametrize(
    ("file", "ours", "users"),
    [
        (wengert.__file__, True, False),
        (np.__file__, True, False),
        ("<frozen abc>", True, False),
        (functools.__file__, False, False),
        ("/lib/site-packages/other/code.py", False, False),
        ("/lib/site-packages/numpy/code.py", True, False),
        ("/home/me/numpy/code.py", False, True),
        (__file__, False, True),
        ("<stdin>", False, True),
        ("<ipython-input-1>", False, True),
    ],
)
def test_a_file_is_ours_a_librarys_or_the_users(file, ours, users):
    assert frames.is_ours(file) is ours
    assert frames.is_users(file) is users


def test_an_installed_package_is_the_users_where_it_calls():
    file = "/lib/site-packages/mine/code.py"
    assert frames.is_users(file, "/lib/site-packages/mine/models/deep.py")
    assert not frames.is_users(file, "/lib/site-packages/other/code.py")
    assert not frames.is_users(wengert.__file__, wengert.__file__)


class Callable:
    def __call__(self):
        return self.method()

    def method(self):
        return 1


@pytest.mark.parametrize(
    "function",
    [
        lambda: 1,
        Callable(),
        Callable().method,
        functools.partial(functools.partial(Callable())),
        functools.wraps(len)(lambda: 1),
    ],
)
def test_a_function_has_the_file_of_its_code(function):
    assert frames.home_of(function) == ("" if getattr(function, "__wrapped__", 0) else __file__)


def test_a_function_in_c_has_no_file():
    assert frames.home_of(len) == frames.home_of(np.sin) == ""


def test_a_line_is_shown_with_its_code():
    code = test_a_line_is_shown_with_its_code.__code__
    assert frames.place(code, code.co_firstlineno) == (
        f"test_frames.py:{code.co_firstlineno}    def test_a_line_is_shown_with_its_code():"
    )
    assert linecache.getline(__file__, code.co_firstlineno)


def test_the_users_line_is_not_one_of_the_standard_library():
    with pytest.raises(wengert.errors.TracedArrayError) as caught:
        wengert.grad(lambda x: fractions.Fraction(x))(3.0)
    assert "fractions.Fraction(x)" in str(caught.value)


# -- notebooks -------------------------------------------------------------------------------------

CELL = """def f(x):
    return hash(x) * x
"""


NUMBERS = types.SimpleNamespace(_filename_map={"/tmp/ipykernel_7/42.py": 12})
SHELL = types.SimpleNamespace(compile=NUMBERS)


@pytest.mark.parametrize(
    ("file", "where"),
    [
        ("<ipython-input-3-0a1b2c>", "Cell In[3], line 2    return hash(x) * x"),
        ("/tmp/ipykernel_7/42.py", "Cell In[12], line 2    return hash(x) * x"),
        ("C:\\Temp\\ipykernel_7\\43.py", "a cell, line 2    return hash(x) * x"),
    ],
)
def test_a_line_of_a_notebook_is_shown_by_its_cell(file, where, monkeypatch):
    shell = types.SimpleNamespace(get_ipython=lambda: SHELL)
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(linecache.cache, file, (len(CELL), None, CELL.splitlines(True), file))
    space = {}
    exec(compile(CELL, file, "exec"), space)
    with pytest.raises(wengert.errors.TracedArrayError) as caught:
        wengert.grad(space["f"])(1.0)
    assert caught.value.line == where


# -- tracebacks ------------------------------------------------------------------------------------


def cut(x):
    return np.sum(hash(x) * x)


def inner(x):
    return wengert.grad(cut)(x) * x


@pytest.mark.parametrize(
    "run",
    [
        lambda f: wengert.grad(f)(1.0),
        lambda f: wengert.jvp(f, (1.0,), (1.0,)),
        lambda f: wengert.vmap(f)(np.ones(2)),
        lambda f: wengert.hessian(f)(1.0),
    ],
)
@pytest.mark.parametrize("f", [cut, inner])
def test_the_traceback_of_an_error_ends_at_the_users_line(run, f, monkeypatch):
    monkeypatch.setattr(frames, "TRIMS", True)
    with pytest.raises(wengert.errors.TracedArrayError) as caught:
        run(f)
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.filename, last.name) == (__file__, "cut")
    assert caught.value.line == f"test_frames.py:{last.lineno}    return np.sum(hash(x) * x)"


def test_the_traceback_of_another_error_is_as_it_was(monkeypatch):
    monkeypatch.setattr(frames, "TRIMS", True)
    with pytest.raises(ValueError, match="square") as caught:
        wengert.grad(lambda x: np.linalg.det(np.ones((2, 3))) * x)(1.0)
    assert not isinstance(caught.value, wengert.errors.WengertError)
    assert "numpy" in traceback.extract_tb(caught.value.__traceback__)[-1].filename


FAILING = """
import numpy as np
import wengert as wg

def test_it():
    wg.grad(lambda x: np.sum(hash(x) * x))(1.0)
"""


@pytest.mark.slow(reason="starts a process")
@pytest.mark.parametrize("full", [False, True])
def test_pytest_shows_the_users_frames_alone(full, tmp_path):
    (tmp_path / "test_it.py").write_text(FAILING, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(Path(wengert.__file__).parents[1])}
    environment["WENGERT_TRACEBACK"] = "full" if full else ""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert "test_it.py:6: TracedArrayError" in done.stdout or full
    assert ("reverse.py" in done.stdout) is full
