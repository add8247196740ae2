"""The command line: what it prints, where, and with which exit status."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import wengert as wg
from wengert.cli import main
from wengert.errors import CompileError

MODEL = """
from array import array
import numpy as np

def loss(W, x, y=2.0):
    return np.sum((np.tanh(W @ x) - y) ** 2)

def leaky(x):
    return array("d", [x])[0]

def broken(x):
    raise KeyError("mine")

def labelled(x, labels):
    return np.sum(x[labels])

number = 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "model.py").write_text(MODEL, encoding="utf-8")
    np.savez("data.npz", W=np.ones((2, 3)), x=np.arange(3.0), other=np.ones(2))
    np.savez("positions.npz", np.ones((2, 3)), np.arange(3.0))
    np.savez("objects.npz", W=np.array([{}], dtype=object))
    return tmp_path


@pytest.fixture
def run(capsys):
    def running(*argv):
        try:
            status = main(argv)
        except SystemExit as exit_:
            status = exit_.code
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return running


# -- expressions -----------------------------------------------------------------------------------


def test_an_expression_is_explained(run):
    status, out, err = run("explain", "x*y + sin(x)", "x=1", "y=2", "--along", "x=2,y=-1")
    assert (status, err) == (0, "")
    wanted = wg.explain(lambda x, y: x * y + np.sin(x), 1, 2, along=(2, -1))
    assert out.splitlines()[1:] == str(wanted).splitlines()[1:]
    assert out.startswith("x*y + sin(x) = t3\n")


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["-x**2", "x=3"], "x**2"),
        (["x*y", "x=-1", "y=-.5"], "-0.5"),
        (["x*y", "--along", "x=1", "x=1", "y=2", "--mode", "forward"], "tangent"),
        (["sum(sqrt(x))", "x=1,4,9", "--mode", "reverse"], "[0.5, 0.25, 0.166667]"),
        (["sum(x*y)", "x=1,2", "y=3,4", "--along", "x=1,0,y=0,1"], "5"),
        (["sum(x)", "x=7,"], "[7]"),
        (["sin(x)", "x=1", "--digits", "17"], "0.8414709848078965"),
        (["9**9**9"], "inf"),
        (["log(x)", "x=-1"], "nan"),
        (["x > 1", "x=2"], "True"),
    ],
)
def test_what_can_be_asked(run, argv, shown):
    status, out, err = run("explain", *argv)
    assert (status, err) == (0, "")
    assert shown in out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "arguments are required"),
        (["paint"], "invalid choice"),
        (["--paint"], "--help says more"),
        (["explain"], "arguments are required"),
        (["explain", "x", "x=1", "--paint"], "--paint"),
        (["explain", "x", "x=1", "more"], "'more' is not an assignment"),
        (["explain", "x", "x=1", "--mode", "sideways"], "sideways"),
        (["explain", "x", "x=1", "--digits", "99"], "1 to 17"),
        (["explain", "x", "x=1", "--digits", "many"], "many"),
        (["explain", "x", "x=1", "--args", "data.npz"], "for a function in a file"),
        (["explain", "x^2", "x=1"], "write x**2"),
        (["explain", "x*z", "x=1"], "z is not a known name; known are x, pi, e"),
        (["explain", "alpa", "alpha=1"], "did you mean alpha"),
        (["explain", "sni(x)", "x=1"], "did you mean sin"),
        (["explain", "__import__('os')"], "not a known function"),
        (["explain", "x.real", "x=1"], "not arithmetic"),
        (["explain", ""], "empty"),
        (["explain", "x\0", "x=1"], "cannot"),
        (["explain", "(" * 5000, "x=1"], "nested"),
        (["explain", "x", "x=abc"], "x=abc is not a number"),
        (["explain", "x", "x=a\nb"], "is not a number"),
        (["explain", "x", "x=1", "x=2"], "given two values"),
        (["explain", "x", "1x=1"], "not an assignment"),
        (["explain", "x", "x=1", "y=2"], "y is given a value"),
        (["explain", "x*y", "x=1,2", "y=1,2,3"], "broadcast"),
        (["explain", "x", "x=1,2", "--mode", "reverse"], "one component"),
        (["explain", "x*y", "x=1", "y=2", "--mode", "forward"], "along"),
        (["explain", "x", "x=1", "--along", "y=1"], "--along names y"),
        (["explain", "x", "x=1", "--along", "x=1,2"], "shape (2,)"),
        (["explain", "x", "x=1", "--along", "1"], "not an assignment"),
        (["explain", "x*x", "x=1", "--graph", "nowhere/graph.png"], "cannot draw"),
        (["explain", "x*x", "x=1", "--graph", "graph.odd"], "cannot draw"),
        (["explain", "nowhere.py:f"], "no file nowhere.py"),
        (["explain", "model.py:los"], "has no function los; it has loss"),
        (["explain", "model.py:number"], "has no function number"),
        (["explain", "model.py:loss"], "needs a value for W, and is given nothing"),
        (["explain", "model.py:loss", "z=1"], "has no parameter z"),
        (["explain", "model.py:loss", "--args", "nowhere.npz"], "no file nowhere.npz"),
        (["explain", "model.py:loss", "--args", "model.py"], "not a file of numeric arrays"),
        (["explain", "model.py:loss", "--args", "objects.npz"], "not a file of numeric arrays"),
        (["demo", "--paint"], "--paint"),
        (["inspect"], "arguments are required"),
        (["inspect", "x^2", "x=1"], "write x**2"),
        (["inspect", "x", "x=1", "--paint"], "--paint"),
        (["inspect", "x", "x=1", "y=2"], "y is given a value"),
        (["inspect", "x*y", "x=1,2", "y=1,2,3"], "broadcast"),
        (["inspect", "x*x", "x=1,2", "--grad"], "functions that return one number"),
        (["inspect", "3", "--grad"], "a variable to differentiate by"),
        (["inspect", "x", "x=1", "--args", "data.npz"], "for a function in a file"),
        (["inspect", "nowhere.py:f"], "no file nowhere.py"),
        (["inspect", "model.py:los"], "has no function los; it has loss"),
        (["inspect", "model.py:loss"], "needs a value for W, and is given nothing"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_status_2(run, argv, message):
    status, out, err = run(*argv)
    assert status == 2
    assert message in err
    assert err.startswith("wengert: ")
    assert err.count("\n") == 1
    assert out == "" or "--graph" in argv


def test_version_and_help(run):
    assert run("--version") == (0, f"wengert {wg.__version__}\n", "")
    for argv in ([], ["explain"], ["inspect"], ["demo"]):
        status, out, _ = run(*argv, "--help")
        assert status == 0
        assert max(map(len, out.splitlines())) <= 80
        assert "wengert explain" in out or argv == ["demo"]


# -- what the compiler makes of it -----------------------------------------------------------------


def test_a_function_is_inspected(run):
    status, out, err = run("inspect", "model.py:loss", "--args", "data.npz")
    assert (status, err) == (0, "")
    assert out.startswith("loss(W, x) = t")
    assert "compiled as" in out
    assert "called out" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("options", "shown", "absent"),
    [
        ([], "compiled as", "define i32 @kernel"),
        (["--program"], "program(a: f64[2,3], b: f64[3]", "compiled as"),
        (["--llvm"], "define i32 @kernel", "compiled as"),
        (["--optimised"], "target triple", "compiled as"),
        (["--assembly"], "kernel:", "define i32"),
        (["--grad"], "gradient of loss(W, x) = t", "define i32"),
    ],
)
def test_each_form_can_be_asked_for(run, options, shown, absent):
    status, out, err = run("inspect", "model.py:loss", "--args", "data.npz", *options)
    assert (status, err) == (0, "")
    assert shown in out
    assert absent not in out


def test_the_gradient_has_the_shape_of_the_first_argument(run):
    _, out, _ = run("inspect", "model.py:loss", "--args", "data.npz", "--grad")
    assert re.search(r"f64\[2,3\]\s.* result$", out, re.M)
    _, out, _ = run("inspect", "x**3", "x=1,", "--grad", "--program")
    assert out == ""
    _, out, _ = run("inspect", "x*x*x", "x=2", "--grad")
    assert out.startswith("gradient of x*x*x = t")


def test_several_forms_come_in_one_order_with_blank_lines_between(run):
    _, table, _ = run("inspect", "x*y + sin(x)", "x=1", "y=2")
    _, program, _ = run("inspect", "x*y + sin(x)", "x=1", "y=2", "--program")
    _, llvm, _ = run("inspect", "x*y + sin(x)", "x=1", "y=2", "--llvm")
    _, all_, _ = run("inspect", "x*y + sin(x)", "x=1", "y=2", "--llvm", "--program", "--compiled")
    untimed = [text.split("Native")[0] for text in (table, all_)]
    assert untimed[0] == untimed[1]
    assert all_.endswith(f"\n{program}\n{llvm}")


def test_machine_code_that_cannot_be_had_is_one_line_and_status_1(run, monkeypatch):
    def missing():
        raise CompileError("native code needs llvmlite", remedy="pip install llvmlite")

    monkeypatch.setattr("wengert.compile.machine._llvm", missing)
    status, out, err = run("inspect", "x*y", "x=1", "y=2", "--assembly")
    assert (status, out) == (1, "")
    assert err == ("wengert: native code needs llvmlite. Write instead: pip install llvmlite\n")
    status, out, err = run("inspect", "x*y", "x=1", "y=2")
    assert (status, err) == (0, "")
    assert "Not compiled: native code needs llvmlite" in out


# -- functions in files ----------------------------------------------------------------------------


def test_arguments_come_from_arrays_by_name_by_position_and_from_values(run):
    wanted = wg.explain(
        lambda W, x: np.sum((np.tanh(W @ x) - 2) ** 2), np.ones((2, 3)), np.arange(3.0)
    )
    for data in ("data.npz", "positions.npz"):
        status, out, err = run("explain", "model.py:loss", "--args", data)
        assert (status, err) == (0, "")
        assert out.splitlines()[1:] == str(wanted).splitlines()[1:]
    status, out, _ = run("explain", "model.py:loss", "--args", "data.npz", "y=3", "--along", "y=1")
    assert status == 0
    assert out.startswith("loss(W, x, y) = ")
    assert run("explain", "model.py:loss", "W=1,2,3", "x=1,1,1")[0] == 0


def test_integer_arrays_are_data(run):
    np.savez("labels.npz", x=np.array([1.0, 5.0]), labels=np.array([1, 1]))
    status, out, _ = run("explain", "model.py:labelled", "--args", "labels.npz")
    assert status == 0
    assert "[0, 2]" in out


def test_an_error_of_ours_in_the_function_shows_its_line_and_is_status_1(run):
    status, out, err = run("explain", "model.py:leaky", "x=1")
    assert (status, out) == (1, "")
    assert 'model.py:9    return array("d", [x])[0]' in err
    assert "Write instead: " in err


def test_an_exception_of_the_function_passes(run):
    with pytest.raises(KeyError, match="mine"):
        run("explain", "model.py:broken", "x=1")


# -- where it is shown -----------------------------------------------------------------------------


HERE = {"PYTHONPATH": str(Path(wg.__file__).parents[1])}
"""The package that is tested, also where it is not installed."""


def in_a_shell(*argv, **settings):
    return subprocess.run(
        [sys.executable, "-m", "wengert", *argv],
        env=os.environ | HERE | settings,
        capture_output=True,
        check=False,
    )


def test_a_pipe_gets_no_colours_and_an_old_encoding_plain_letters():
    done = in_a_shell("explain", "x*x", "x=3", PYTHONIOENCODING="ascii", FORCE_COLOR="1")
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout
    assert b"x_bar  = t1_bar * x + t1_bar * x = 3 + 3 = 6" in done.stdout


@pytest.mark.parametrize(("no_colour", "coloured"), [("", True), ("1", False)])
def test_a_terminal_gets_colours_unless_told_otherwise(run, monkeypatch, no_colour, coloured):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", no_colour)
    monkeypatch.setenv("TERM", "xterm-256color")
    status, out, _ = run("explain", "x*x", "x=3")
    assert status == 0
    assert ("\x1b[" in out) is coloured


def test_a_reader_that_has_seen_enough_is_no_error():
    with subprocess.Popen(
        [sys.executable, "-m", "wengert", "explain", "x*x", "x=3"],
        env=os.environ | HERE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_a_picture_can_be_asked_for(run, folder):
    assert run("explain", "x*x", "x=3", "--graph", "graph.png")[0] == 0
    assert (folder / "graph.png").stat().st_size > 3000


# -- demo ------------------------------------------------------------------------------------------


def test_demo_hands_over_to_the_demonstration(run, monkeypatch):
    calls = []
    fake = types.ModuleType("wengert.demo")
    fake.main = lambda out, fast: calls.append((str(out), fast))
    monkeypatch.setitem(sys.modules, "wengert.demo", fake)
    assert run("demo", "--out", "pictures", "--fast")[0] == 0
    assert run("demo")[0] == 0
    assert calls == [("pictures", True), ("demo-output", False)]


def test_demo_without_its_extras_says_what_to_install(run, monkeypatch):
    fake = types.ModuleType("wengert.demo")

    def missing(out, fast):
        raise wg.errors.UnsupportedError("no matplotlib", remedy='pip install "wengert[demo]"')

    fake.main = missing
    monkeypatch.setitem(sys.modules, "wengert.demo", fake)
    status, _, err = run("demo")
    assert status == 1
    assert err.startswith("wengert: no matplotlib")
    assert err.count("\n") == 1


def test_an_interrupt_is_a_line(run, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("wengert.cli.parse", interrupted)
    assert run("explain", "x", "x=1") == (130, "", "wengert: interrupted\n")
