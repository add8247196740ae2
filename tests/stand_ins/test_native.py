"""C functions that look for traced operands, and what everybody else sees of them: nothing."""

from __future__ import annotations

import ctypes
import gc
import math
import os
import pickle
import re
import subprocess
import sys
import textwrap
import threading
from math import sin as bound_at_import
from pathlib import Path

import numpy as np
import pytest

import wengert as wg
from wengert.stand_ins import install

TABLE = {"sine": math.sin}


def by_default(x, function=math.cos):
    return function(x)


def test_a_function_is_found_under_every_name():
    wg.stand_ins(True)
    inside = math.exp

    def f(t):
        return bound_at_import(t) + TABLE["sine"](t) + by_default(t) + inside(t)

    value, slope = wg.value_and_grad(f)(0.3)
    assert value == f(0.3)
    assert slope == pytest.approx(2 * math.cos(0.3) - math.sin(0.3) + math.exp(0.3), rel=1e-14)


def run(program: str, **environment: str) -> str:
    """What a program prints in a process of its own."""
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert not found.returncode, found.stderr
    return found.stdout.strip()


def test_objects_are_what_they_were_before_the_first_derivative():
    """Identity, hash, equality, pickle, signature and documentation; for bound methods too."""
    assert (
        run(
            """
            import inspect, math, pickle
            import numpy as np
            import wengert as wg
            a = np.arange(3.0)
            functions = [math.sin, math.atan2, math.log, np.array, np.asarray, float, np.float64]
            def facts(f):
                try:
                    signature = str(inspect.signature(f))
                except ValueError:
                    signature = None
                names = f.__name__, f.__doc__, f.__module__
                return id(f), hash(f), names, signature, pickle.dumps(f)
            before = [facts(f) for f in functions]
            table = {f: f.__name__ for f in functions}
            method = np.ndarray.dot
            wg.grad(lambda t: math.sin(t) + np.array([t, t]).sum() + float(t))(1.0)
            assert [facts(f) for f in functions] == before
            assert all(table[f] == f.__name__ for f in functions)
            assert math.sin in table and np.array == pickle.loads(pickle.dumps(np.array))
            assert np.ndarray.dot is method and a.dot == a.dot and a.dot.__name__ == "dot"
            print("same")
            """
        )
        == "same"
    )


ERRORS = [
    lambda: math.sin("a"),
    lambda: math.sin(),
    lambda: math.sin(1, 2),
    lambda: math.sqrt(-1.0),
    lambda: math.log(1, 2, 3),
    lambda: math.log(2.0, base=1),
    lambda: math.sin(x=1.0),
    lambda: math.atan2(1.0),
    lambda: np.array(),
    lambda: np.array([1, [2, 3]]),
    lambda: np.asarray([1.0], dtype="no dtype"),
    lambda: float("x"),
    lambda: float([]),
    lambda: np.zeros(3)[5],
    lambda: np.zeros(3).__setitem__(5, 1.0),
    lambda: np.zeros(3).dot(np.zeros(4)),
    lambda: np.zeros(3).fill([1, 2]),
    lambda: np.float64([1, 2]).real[9],
]


@pytest.mark.parametrize("call", ERRORS)
def test_plain_calls_raise_what_they_raise(call):
    texts = []
    for enable in (False, True):
        wg.stand_ins(enable)
        try:
            call()
        except Exception as error:
            texts.append((type(error), str(error)))
        else:
            texts.append(None)
    assert texts[0] == texts[1] != None  # noqa: E711


VALUES = [
    lambda: math.log(8, 2),
    lambda: math.hypot(3, 4),
    lambda: np.array([1, 2.5], dtype=np.float32, ndmin=2, copy=None),
    lambda: np.array([[1, 2], [3, 4]], order="F"),
    lambda: np.asarray(np.arange(3), dtype=complex),
    lambda: np.array([[], []]),
    lambda: np.array(["a", None], dtype=object),
    lambda: np.array([1, "a", None], dtype=object)[1:],
    lambda: np.array([[None, 2], [3, [4]]], dtype=object),
    lambda: float("1.5"),
    lambda: 0.0,
    lambda: np.float64(),
    lambda: np.float64("2.5"),
    lambda: np.float32([1, 2]),
    lambda: np.arange(6.0).reshape(2, 3)[1, ::2],
    lambda: np.arange(6.0).dot(np.arange(6.0)),
    lambda: np.ascontiguousarray(2.0),
]


@pytest.mark.parametrize("call", VALUES)
def test_plain_calls_give_what_they_give(call):
    found = []
    for enable in (False, True):
        wg.stand_ins(enable)
        found.append(call())
    one, two = found
    assert type(one) is type(two)
    assert repr(one) == repr(two)
    assert getattr(one, "dtype", None) == getattr(two, "dtype", None)
    assert getattr(one, "strides", None) == getattr(two, "strides", None)


class Mine(float):
    """A class of the user's that inherits from one whose constructor is stood in for."""


def test_classes_that_inherit_keep_their_constructors():
    wg.stand_ins(True)
    assert type(Mine(2.0)) is Mine

    class Half(np.float64):
        pass

    assert type(Half(2.0)) is Half


def test_off_is_off_and_on_again_is_on():
    try:
        wg.stand_ins(False)
        with pytest.raises(wg.errors.TracedArrayError, match="Python float"):
            wg.grad(lambda t: math.sin(t))(0.5)
        wg.stand_ins(True)
        assert wg.grad(lambda t: math.sin(t))(0.5) == math.cos(0.5)
    finally:
        wg.stand_ins(True)


def test_the_environment_turns_them_off():
    program = """
        import math, wengert as wg
        try:
            wg.grad(lambda t: math.sin(t))(0.5)
        except wg.errors.TracedArrayError:
            print("off")
        else:
            print("on")
    """
    assert run(program) == "on"
    assert run(program, WENGERT_STAND_INS="0") == "off"


def test_references_are_balanced():
    wg.stand_ins(True)
    item = object()
    array, rows = np.arange(4.0), [[1.0, 2.0]]
    name, number = "some text that is not shared", 0.123

    def plainly():
        np.array(rows)
        np.asarray(array)
        array.dot(array)
        array[1:]
        array[1] = number
        array.fill(number)
        math.log(number)
        float(number)
        np.float64(number)
        np.array([item, name], dtype=object)[0]
        for call in (lambda: math.log(item), lambda: float(item), lambda: np.asarray(rows, name)):
            with pytest.raises(TypeError):
                call()

    def traced(t):
        plain = np.zeros(2)
        plain[0] = t
        plain.fill(t)
        return np.array([t, number]).sum() + array.dot(plain[:1].repeat(4)) + math.log(t) + float(t)

    def counts():
        gc.collect()
        return [sys.getrefcount(each) for each in (item, array, rows, name, number, None)]

    for _ in range(3):
        plainly()
        wg.grad(traced)(0.5)
    before = counts()
    for _ in range(300):
        plainly()
        wg.grad(traced)(0.5)
    after = counts()
    assert after[:5] == before[:5]
    assert abs(after[5] - before[5]) < 300  # None is in use everywhere, and may be immortal


def test_threads_that_do_not_differentiate_get_plain_numpy():
    wg.stand_ins(True)
    stop = threading.Event()
    wrong = []

    def plainly():
        x = np.linspace(0.1, 1.0, 7)
        while not stop.is_set():
            made = np.array([math.sin(v) for v in x.tolist()])
            made[2] = float(made[1])
            if type(made) is not np.ndarray or made[2] != math.sin(x[1]):
                wrong.append(made)

    def differentiating():
        for k in range(60):
            t = 0.1 + k / 100

            def f(t):
                table = np.zeros(3)
                table[1] = math.sin(t)
                return table.dot(np.array([1.0, t, 2.0]))

            found = wg.grad(f)(t)
            if abs(found - (math.cos(t) * t + math.sin(t))) > 1e-14:
                wrong.append((t, found))

    plain = [threading.Thread(target=plainly) for _ in range(3)]
    traced = [threading.Thread(target=differentiating) for _ in range(3)]
    for thread in (*plain, *traced):
        thread.start()
    for thread in traced:
        thread.join()
    stop.set()
    for thread in plain:
        thread.join()
    assert not wrong


def test_pickles_name_the_functions_while_a_trace_runs():
    def f(t):
        assert pickle.loads(pickle.dumps((math.sin, np.array, np.zeros))) == (
            math.sin,
            np.array,
            np.zeros,
        )
        return math.sin(t)

    assert wg.grad(f)(0.5) == math.cos(0.5)


def names_on_the_page() -> set[str]:
    """What the page of the documentation says that stands in."""
    page = (Path(__file__).parents[2] / "docs" / "stand_ins.md").read_text(encoding="utf-8")
    found: set[str] = set()
    for line in page[page.index("## All names") :].splitlines():
        if line.startswith("| ") and line.count("|") == 3:
            home, names = line.strip("| ").split(" | ")
            prefix = {"Python": "builtins.", "`statistics`": "statistics.", "`numpy`": "numpy."}
            prefix["`np.lib.stride_tricks`"] = "stride_tricks."
            prefix["`np.poly1d`"] = "_polynomial_impl."
            prefix["`np.polynomial.polyutils`"] = "polyutils."
            prefix |= {f"`np.{kind}`": f"{kind}." for kind in ("ndarray", "flatiter", "ufunc")}
            if home in prefix:
                listed = {prefix[home] + name for name in re.findall(r"`([^`]+)`", names)}
                found |= {name.replace(".a.", ".").replace(".a[", "[") for name in listed}
    of_mathematics = re.findall(r"`(c?math)`: ((?:`\w+`(?:, )?)+)", page[: page.index("## Arrays")])
    for module, names in of_mathematics:
        found |= {f"{module}.{name}" for name in re.findall(r"`(\w+)`", names)}
    return found - {"math.ceil", "math.floor", "math.prod", "math.trunc"}


def test_the_page_names_all_that_stand_in():
    wg.stand_ins(False)
    here = {hook.name for make in install.HOOKS for hook in make()} - {""}
    codes = [code[0] for make in install.CODE for code in make()]
    here |= {f"{code.__module__.split('.')[-1]}.{code.__name__}" for code in codes}
    wg.stand_ins(True)
    here.remove("numpy._core._multiarray_umath.concatenate")  # of what is documented as a list
    later = {"builtins.sum", "math.sumprod", "math.fma"}  # in Pythons after 3.11
    assert names_on_the_page() - later == here - later


def test_c_code_may_call_by_the_slot_of_the_type():
    """As Cython does, which does not look whether an object has a vectorcall of its own."""
    if sys.implementation.name != "cpython" or ctypes.sizeof(ctypes.c_void_p) != 8:
        pytest.skip("the slot is elsewhere")
    form = ctypes.PYFUNCTYPE(*[ctypes.py_object] * 4)
    call = form(ctypes.c_void_p.from_address(id(type(len)) + 128).value or 0)
    calls = [
        (np.array, ([1, 2],), {"dtype": float}),
        (np.arange, (3,), {"dtype": float}),
        (math.sin, (0.5,), {}),
        (math.log, (8.0, 2.0), {}),
        (math.hypot, (3.0, 4.0), {}),
        (math.isclose, (1.0, 1.05), {"rel_tol": 0.1}),
        (sorted, ([1, 2],), {"reverse": True}),
    ]
    wg.stand_ins(True)
    for function, args, kwargs in calls:
        assert np.array_equal(call(function, args, kwargs), function(*args, **kwargs))

    def traced(t):
        return call(np.array, ([t, 1.0],), {"dtype": float}).sum() + call(math.log, (t, 2.0), {})

    assert wg.grad(traced)(2.0) == 1 + 0.5 / math.log(2)
