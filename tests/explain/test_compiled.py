"""What is said of compiled code, against what the compiler did."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from rich.console import Console

import wengert as wg
from wengert.compile import build
from wengert.compile.rewrite import rewritten
from wengert.errors import CompileError, TracedArrayError, UnsupportedError
from wengert.program import Equation, Program

X = np.linspace(0.1, 1.0, 300)
A = np.eye(40) + 0.1


def explained(f, *args):
    return wg.explain(f, *args, compiled=True)


def texts(found):
    return [(row.name, row.text) for row in found.rows if row.how]


def many(x, a):
    def step(carry, _):
        return np.sin(carry) + 0.5 * carry, np.sum(carry)

    carry, sums = wg.scan(step, x, None, length=5)
    y = np.sum(a @ a) + np.sum(sums)
    chosen = wg.cond(x[0] > 0, lambda t: 2 * t, lambda t: t + 1, x[1])
    z = np.exp(x) * np.sin(x) + carry
    if y > 0:
        z = z + y
    last = wg.while_loop(lambda s: s < 100.0, lambda s: 2 * s, y)
    half = x.astype(np.float16) * 2
    return z, y + chosen, last, np.cumsum(z)[::2], a.T, half


FUNCTIONS = [
    (many, (X, A)),
    (lambda x: np.sum(np.exp(x) * x), (X,)),
    (lambda x: x / np.sum(x), (X,)),
    (lambda p: p["w"] @ p["x"], ({"w": A, "x": np.ones(40)},)),
    (wg.grad(lambda x: np.sum(np.tanh(x[1:] - x[:-1]) ** 2)), (X,)),
    (lambda x: x[0] * x[1] + 2.0, (X[:2],)),
    (lambda x: (x, 3, "text"), (X,)),
    (lambda: 3.0, ()),
]


# -- which equations share a loop ------------------------------------------------------------------


def test_what_is_fused_has_the_number_of_its_loop_and_is_never_stored():
    found = explained(lambda x: np.sum(np.exp(x) * x), X)
    assert texts(found) == [
        ("t1", "inlined in loop 1"),
        ("t2", "inlined in loop 1"),
        ("t3", "loop 1"),
    ]
    assert [found[name].memory for name in ("t1", "t2", "t3")] == ["never stored"] * 2 + ["result"]
    assert found.loops == {1: (300,)}
    assert found.workspace == 0
    assert sum(row.unstored for row in found.rows) == 2 * X.nbytes


def test_what_needs_a_finished_sum_is_another_loop():
    found = explained(lambda x: x / np.sum(x), X)
    assert texts(found) == [("t1", "loop 1"), ("t2", "loop 2")]


def test_what_two_loops_write_out_names_both():
    found = explained(lambda x: (x + 1) / np.sum(x + 1), X)
    assert found["t1"].text == "inlined in loops 1, 2"
    assert found["t1"].loops == (1, 2)


def test_roots_over_the_same_axes_share_a_loop():
    found = explained(lambda x: (np.sin(x), np.cos(x), np.sum(x)), X)
    assert {row.loops for row in found.rows if row.how} == {(1,)}
    assert "loop 1 over 300: t1, t2, t3" in str(found)


def test_a_loop_that_threads_share_says_so():
    found = explained(lambda x: np.sum(np.exp(x) * x), np.ones(1_000_000))
    assert set(found.chunks) == {1}
    assert f"loop 1 over 1000000, {found.chunks[1]} chunks for threads: t3" in str(found)
    assert not explained(lambda x: np.sum(np.exp(x) * x), X).chunks


def test_few_elements_are_unrolled_and_numbers_are_scalar():
    found = explained(lambda x: np.sum(x * 2) + 1, np.ones(3))
    assert texts(found) == [("t1", "unrolled"), ("t2", "unrolled"), ("t3", "scalar")]
    assert not found.loops


def test_an_operand_without_a_loop_is_inlined_for_its_reader():
    found = explained(lambda x: np.cos(x)[np.array([1, 2, 299])] * 2, X)
    assert found["t1"].text == "inlined for t3"


def test_matrices_are_multiplied_by_blas_and_small_ones_are_not():
    assert explained(lambda a: a @ a, A)["t1"].text == "BLAS dgemm"
    assert explained(lambda a: a @ a, A.astype(np.float32))["t1"].text == "BLAS sgemm"
    assert explained(lambda a: a @ a, np.eye(2))["t1"].how == "unrolled"


def test_views_say_of_what():
    found = explained(lambda x: np.sum(np.cumsum(x).reshape(10, 30).T @ x[:10]), X)
    views = {row.name: row.memory for row in found.rows if row.how == "view"}
    assert views == {"t2": "in t1", "t3": "in t1", "t4": "in x"}
    assert found["t1"].memory == "workspace"
    assert found.workspace >= X.nbytes


def test_an_update_in_place_says_where():
    def f(x, index):
        y = np.cumsum(x)
        y[index] = 1.0
        return np.sum(y)

    one = explained(lambda x: f(x, 3), X)
    (update,) = [row for row in one.rows if " with [" in row.formula]
    assert (update.formula, update.text, update.memory) == ("t1 with [3] = 1.0", "store", "in t1")
    several = explained(lambda x: f(x, slice(10, 40)), X)
    (update,) = [row for row in several.rows if " with [" in row.formula]
    assert (update.how, update.memory) == ("loop", "in t1")
    assert several.loops[update.loops[0]] == (30,)


def test_an_update_of_what_has_to_be_written_first_loops_over_all_of_it():
    def f(x):
        y = np.exp(x)
        y[3] = 1.0
        return y

    found = explained(f, X)
    assert found.loops == {1: (300,)}
    assert [row.text for row in found.rows if row.how] == ["inlined in loop 1", "loop 1"]


# -- agreement with the compiler -------------------------------------------------------------------


@pytest.mark.parametrize(("f", "args"), FUNCTIONS)
def test_each_equation_of_the_compiled_program_has_one_row_in_order(f, args):
    found = explained(f, *args)
    own = [row for row in found.rows if row.how and not row.depth]
    assert [row.type for row in own] == [
        ", ".join(dict.fromkeys(str(var.type) for var in equation.outputs))
        for equation in found.program.equations
    ]
    names = [name for row in found.rows if row.how for name in row.name.split(", ") if name]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("f", "args"), FUNCTIONS)
def test_callouts_and_guards_are_as_many_as_the_compiler_made(f, args):
    program = wg.jit(f).lower(*args)
    native = build(program)
    found = explained(f, *args)
    kinds = [row.how for row in found.rows]
    assert kinds.count("callout") == native.callouts == len(found.callouts)
    guards = native.program.guards
    assert [row.text for row in found.rows if row.how == "guard"] == [
        f"guard {number + 1}" for number in range(guards)
    ]
    assert found.llvm() == native.ir
    assert found.program == rewritten(native.program)


def test_what_is_called_out_is_listed():
    found = explained(lambda x: x.astype(np.float16) * 2, X)
    assert [row.text for row in found.rows if row.how] == ["called out"] * 2
    assert found.callouts == ("t1 = convert(x, dtype=float16)", "t2 = t1 * 2")
    assert "2 called out" in str(found)
    assert "Called out to the evaluator" in str(found)


def test_guards_say_what_they_ask_for():
    found = explained(lambda x: 2 * x if x[0] > 0 else x, X)
    (guard,) = [row for row in found.rows if row.how == "guard"]
    assert guard.formula == "t2 is True"
    found = explained(lambda x: 2 * x if x[0] > 0 else x, -X)
    assert "t2 is False" in str(found)


def test_programs_inside_of_equations_are_shown_inside_of_them():
    found = explained(many, X, A)
    heads = [row.name for row in found.rows if not row.how and row.formula != "input"]
    assert heads == ["step", "branch 0", "branch 1", "while", "sweep 0"]
    inner = [row for row in found.rows if row.depth and row.how]
    assert {row.depth for row in inner} == {1}
    assert "inlined in loop 1" in [row.text for row in inner]
    outer = [row.text for row in found.rows if not row.depth]
    assert outer.count("native loop") == 2
    assert outer.count("native branches") == 1


def test_a_program_that_is_two_branches_is_shown_as_both():
    program = wg.trace(lambda i, x: wg.switch(i, [np.sin, np.cos], x))(1, 0.5)
    *before, switch = program.equations
    branches = (switch.params["branches"][0],) * 2
    twice = Equation(switch.primitive, switch.inputs, {"branches": branches}, switch.outputs)
    found = explained(Program(program.inputs, (*before, twice), program.outputs))
    assert [row.name for row in found.rows if row.depth and not row.how] == ["branch 0", "branch 1"]


def test_a_scan_in_a_scan_is_two_deep():
    def step(carry, _):
        inner, _ = wg.scan(lambda c, _: (np.sin(c), None), carry, None, length=2)
        return inner, None

    found = explained(lambda x: wg.scan(step, x, None, length=3)[0], X)
    assert max(row.depth for row in found.rows) == 2


# -- the call --------------------------------------------------------------------------------------


def test_the_heading_has_the_results_in_their_order_with_constants():
    found = explained(lambda x: (2 * x, 3, x, {"k": "text"}), X)
    assert str(found).splitlines()[0] == "f(x) = (t1, 3, x, 'text')"
    assert found["x"].memory == "result[2]"


def test_parts_of_arguments_are_named_as_python_reaches_them():
    f = wg.jit(lambda n, p, flag: n * p["w"] + p["b"], static_argnums=0)
    found = explained(f, 3, {"w": X, "b": 1.0}, "no number")
    assert [row.name for row in found.rows if not row.how] == ["p['b']", "p['w']"]
    assert found["t1"].formula == "3 * p['w']"


def test_an_argument_that_is_changed_is_said_to_be():
    def f(x):
        x[0] = 5.0
        return np.sum(x)

    found = explained(f, X.copy())
    assert found["t1"].memory == "x, changed in place"
    assert found.results == ("t2",)


def test_the_path_that_a_jitted_function_has_taken_is_the_one_shown():
    f = wg.jit(lambda x: np.sum(x) if x[0] > 0 else np.sum(x * x), wait=True)
    f(X)
    (path,) = f.paths()
    found = explained(f, X)
    assert found.seconds == path.executable.seconds > 0
    assert len(f.paths()) == 1
    assert explained(f, -X).seconds != path.executable.seconds


def test_a_program_is_shown_too():
    program = wg.trace(lambda x: np.sum(x * x))(X)
    found = explained(program)
    assert found.title == "program(a)"
    assert found["t2"].text == "loop 1"
    with pytest.raises(UnsupportedError, match="has its types already"):
        explained(program, X)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(UnsupportedError, match=r"wg\.grad\(f\)"):
        wg.explain(np.sum, X, along=(X,), compiled=True)  # type: ignore[call-overload]
    with pytest.raises(TracedArrayError, match="inside of a derivative"):
        wg.grad(lambda x: explained(np.sum, x))(X)
    with pytest.raises(KeyError, match="t1"):
        explained(np.sum, X)["t9"]


# -- the code --------------------------------------------------------------------------------------


def test_the_code_can_be_printed_in_three_forms():
    found = explained(lambda x: np.sum(np.exp(x)), X)
    assert "define i32 @kernel(ptr %inputs, ptr %outputs)" in found.llvm()
    assert "define" in found.llvm(optimised=True)
    assert found.llvm(optimised=True) != found.llvm()
    assert "kernel:" in found.assembly()


WITHOUT = """
import sys
sys.modules["llvmlite"] = None
import numpy as np
import wengert as wg

found = wg.explain(lambda x: np.sum(np.exp(x)), np.ones(300), compiled=True)
print(found)
print("define i32 @kernel" in found.llvm())
try:
    found.assembly()
except wg.errors.CompileError as error:
    print(error)
"""


def test_without_llvmlite_all_is_shown_but_machine_code():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT],
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    )
    shown = " ".join(done.stdout.split())
    assert "t1 exp(x) f64[300] inlined in loop 1 never stored" in shown
    assert "Not compiled: native code needs llvmlite" in shown
    assert "This is what would be compiled." in shown
    assert " True native code needs llvmlite" in shown
    assert "pip install" in shown


def test_a_program_that_cannot_be_compiled_is_shown_with_the_reason(monkeypatch):
    def fails(program):
        raise CompileError("the moon is in the wrong house")

    monkeypatch.setattr("wengert.compile.native.lowered", fails)
    found = explained(lambda x: np.sum(np.exp(x)), X)
    assert found.state == "failed"
    assert texts(found) == [("t1", "evaluated"), ("t2", "evaluated")]
    assert "Not compiled: the moon is in the wrong house" in " ".join(str(found).split())
    with pytest.raises(CompileError, match="the moon"):
        found.llvm()


# -- how it is shown -------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(("f", "args"), FUNCTIONS)
def test_text_fits_its_width_and_leaves_nothing_out(f, args, width):
    found = explained(f, *args)
    text = found.text(width)
    assert max(map(len, text.splitlines())) <= width
    flat = re.sub(r"\s+", "", text)
    for row in found.rows:
        for part in (row.name, row.type, row.text):
            assert all(word in text for word in part.split()), part
    assert re.sub(r"\s+", "", found.title) in flat
    assert all(line == line.rstrip() for line in text.splitlines())


class _Cells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.cells = [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "td":
            self.cells[-1] += data


@pytest.mark.parametrize(("f", "args"), FUNCTIONS)
def test_html_is_well_formed_and_has_every_cell(f, args):
    found = explained(f, *args)
    parser = _Cells()
    parser.feed(found._repr_html_())
    assert not parser.open
    wanted = [
        cell
        for row in found.rows
        for cell in (row.name, row.formula, row.type, row.text, row.memory)
    ]
    assert [cell.strip() for cell in parser.cells] == wanted


def test_html_escapes_what_comes_from_outside():
    text = explained(lambda p: np.sum(p["<script>"]), {"<script>": X})._repr_html_()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize(("f", "args"), FUNCTIONS)
def test_rich_shows_the_same(f, args):
    found = explained(f, *args)
    stream = io.StringIO()
    Console(file=stream, width=160).print(found)
    shown = stream.getvalue()
    for row in found.rows:
        assert all(part in shown for part in (row.name, row.type, row.text))
