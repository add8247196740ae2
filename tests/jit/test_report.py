"""What a jitted function says of itself."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest

import wengert as wg
from wengert.jit import execute
from wengert.jit.report import report

X = np.linspace(0.1, 1.0, 40)


def one(f):
    """The report of the only path of the only signature."""
    (signature,) = report(f)
    (path,) = signature.paths
    return signature, path


def guard_lines(f):
    """The lines of the report that tell guards."""
    lines = [line.strip() for line in f.report().splitlines()]
    return [line for line in lines if line.startswith(("guard", "..."))]


def test_before_the_first_call_there_is_nothing_to_say():
    f = wg.jit(np.sin)
    assert f.report() == "sin has not been called yet"
    assert repr(f) == "<jitted sin: not called yet>"


def test_signatures_name_the_parts_of_the_arguments_with_their_types():
    def f(p, x, *rest, k, mode="a"):
        return p["w"] * x + p["b"][0] + k + sum(rest)

    g = wg.jit(f, static_argnames="mode", wait=True)
    g({"w": X, "b": [1.0, "no number"]}, X[::2].repeat(2), 2, True, k=np.float32(3), mode="b")
    signature, _ = one(g)
    name = f.__qualname__
    assert signature.text == (
        f"{name}(p['b'][0]: float, p['b'][1]: 'no number', p['w']: f64[40], x: f64[40], "
        "arguments[2]: int, arguments[3]: bool, k: f32, mode: static 'b')"
    )


def test_static_arguments_by_position_leave_the_others_their_names():
    f = wg.jit(lambda n, x, m, y: n * x + m * y, static_argnums=(0, 2), wait=True)
    f(2, X, 3, 1.5)
    signature, _ = one(f)
    assert signature.text.endswith("(x: f64[40], y: float, n: static 2, m: static 3)")


@pytest.mark.parametrize(
    ("f", "arguments", "guards"),
    [
        (lambda x: x if x[0] > 0 else -x, (X,), ["x[0] > 0 is True"]),
        (lambda x: x if x[0] > 0 else -x, (-X,), ["x[0] > 0 is False"]),
        (lambda x, n: x[: int(n) + 1], (X, 3.0), ["trunc(n) is 3.0"]),
        (
            lambda x, y: x if (x[1:3] + y * x[5]).sum() > 9 else -x,
            (X, 2.0),
            ["sum(x[1:3] + (y * x[5]), axes=(0,)) > 9 is False"],
        ),
        (
            lambda x: x if np.exp(np.sum(np.sin(x) * x + np.cos(x) / x)) > 9e9 else -x,
            (X,),
            ["a value of type bool is True"],
        ),
    ],
)
def test_guards_are_told_in_terms_of_the_arguments(f, arguments, guards):
    g = wg.jit(f, wait=True)
    g(*arguments)
    _, path = one(g)
    assert list(path.guards) == guards


def test_a_path_says_how_it_is_run_and_how_long_it_took():
    f = wg.jit(lambda x: np.sum(x * x) if x[0] > 0 else np.sum(x), wait=True)
    for sign in (1, -1, 1, -1):
        f(sign * X)
    (signature,) = report(f)
    assert [path.state for path in signature.paths] == ["native", "native"]
    assert all(0 < path.seconds < 60 for path in signature.paths)
    assert [path.callouts for path in signature.paths] == [0, 0]
    assert sum(path.calls or 0 for path in signature.paths) == 2
    text = f.report()
    assert "1 signature, 2 paths" in text
    assert text.count("native, compiled in") == 2
    assert "guard 1: x[0] > 0 is False" in text
    assert repr(f).endswith("2 paths, 2 native>")
    assert "call" not in text


def test_equal_guards_in_a_row_take_one_line():
    def f(x):
        total = 0.0
        for i in range(30):
            if np.sum(np.exp(np.sum(np.sin(x) * x + np.cos(x) / x)) * np.sin(x + i)) > -9e99:
                total = total + x[i]
        return total if x[0] > 0 else -total

    g = wg.jit(f, wait=True)
    g(X)
    _, path = one(g)
    assert len(path.guards) == 31
    lines = guard_lines(g)
    assert lines == [
        "guards 1 to 30: a value of type bool is True",
        "guard 31: x[0] > 0 is True",
    ]


def test_of_many_guards_the_first_are_listed():
    g = wg.jit(lambda x: sum(v for v in x if v > 0), wait=True)
    g(X)
    lines = guard_lines(g)
    assert lines[0] == "guard 1: x[0] > 0 is True"
    assert lines[19] == "guard 20: x[19] > 0 is True"
    assert lines[20:] == ["... and 20 more guards"]


def test_callouts_are_counted():
    f = wg.jit(lambda x: x.astype(np.float16) * 2, wait=True)
    f(X)
    _, path = one(f)
    assert path.callouts == 2
    assert "2 equations, 2 called out" in f.report()


def test_derivatives_and_batches_are_told_with_their_path():
    f = wg.jit(lambda x: np.sum(np.sin(x) ** 2), wait=True)
    wg.grad(f)(X)
    _, path = one(f)
    assert [each.kind for each in path.derived] == ["the reverse derivative"]
    assert path.derived[0].state == "native"
    assert "    the reverse derivative: native, compiled in" in f.report()


def test_until_the_compiler_is_done_it_is_said_that_it_is_not(monkeypatch):
    begun, go = threading.Event(), threading.Event()
    build = execute.Executable.compile

    def slow(self):
        begun.set()
        assert go.wait(30)
        build(self)

    monkeypatch.setattr(execute.Executable, "compile", slow)
    f = wg.jit(lambda x: np.sum(x * x))
    f(X)
    assert begun.wait(30)
    _, path = one(f)
    assert path.state == "waiting"
    assert "evaluated, waiting for the compiler; 2 equations" in f.report()
    assert repr(f).endswith("1 path, 0 native>")
    go.set()
    assert "native" in f.wait().report()


def test_a_failure_is_told_with_its_reason(monkeypatch):
    def fails(*_):
        raise wg.errors.CompileError("the moon is in the wrong house")

    monkeypatch.setattr("wengert.compile.build", fails)
    f = wg.jit(lambda x: np.sum(x * x), wait=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        f(X)
    _, path = one(f)
    assert path.state == "failed"
    assert "evaluated, as the moon is in the wrong house" in " ".join(f.report().split())


def test_what_is_run_as_it_is_says_why():
    rng = np.random.default_rng(0)
    f = wg.jit(lambda x: x + rng.random())
    with pytest.warns(wg.errors.JitWarning):
        f(X)
    assert "run as it" in f.report()
    assert "run as it is" in repr(f) or "0 paths" in repr(f)


def test_lines_fit_a_terminal():
    f = wg.jit(lambda p: sum(np.sum(v) for v in p.values()), wait=True)
    f({f"parameter_{i}": X for i in range(12)})
    assert max(map(len, f.report().splitlines())) <= 80
