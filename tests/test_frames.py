"""Whose code a frame runs."""

from __future__ import annotations

import functools
import linecache
import statistics

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
    values = (1.0, 2.0)
    with pytest.raises(wengert.errors.TracedArrayError) as caught:
        wengert.grad(lambda x: statistics.mean([x, *values]))(3.0)
    assert "statistics.mean([x, *values])" in str(caught.value)
