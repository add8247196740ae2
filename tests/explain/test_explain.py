"""The rows of an explanation, and how they are shown."""

from __future__ import annotations

import io
import re
import unicodedata
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import wengert as wg
from support import difference
from wengert.errors import DtypeError, ShapeError, TracedArrayError, UnsupportedError
from wengert.explain.text import width_of


def product(x, y):
    return x * y + np.sin(x)


def network(p, x):
    return np.sum(np.maximum(p["W"] @ x + p["b"], 0) ** 2)


PARAMETERS = {"W": np.arange(12.0).reshape(3, 4) / 7 - 0.5, "b": np.array([0.1, -0.2, 0.3])}
X = np.array([0.5, -1.0, 2.0, 0.25])

FUNCTIONS = [
    (product, (1.0, 2.0)),
    (lambda x: x * x * x + x**x, (1.3,)),
    (lambda x, y: np.where(x > y, x * y, x / y), (0.5, 0.7)),
    (lambda x, y: np.arctan2(x, y) - np.hypot(x, y) + np.exp(x) / y, (0.5, 0.7)),
    (network, (PARAMETERS, X)),
    (lambda a, b: np.sum((a[:, None] * b) ** 2), (np.ones(2), np.array([1.0, 2.0, 3.0]))),
    (lambda a: np.sum(np.concatenate([a, 2 * a])[::2] * a), (np.array([1.0, 4.0, 2.0]),)),
]


# -- the numbers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("f", "args"), FUNCTIONS)
def test_adjoints_are_those_of_reverse_mode_to_the_last_bit(f, args):
    e = wg.explain(f, *args)
    found = [row.adjoint for row in e.rows if row.is_input]
    leaves = wg.tree.flatten(wg.grad(f, argnums=tuple(range(len(args))))(*args))[0]
    for adjoint, wanted in zip(found, leaves, strict=True):
        assert np.array_equal(adjoint, wanted)


@pytest.mark.parametrize(("f", "args"), FUNCTIONS)
def test_tangents_are_those_of_finite_differences(f, args):
    leaves, spec = wg.tree.flatten(args)
    rng = np.random.default_rng(1)
    directions = [rng.standard_normal(np.shape(leaf)) for leaf in leaves]
    e = wg.explain(f, *args, along=wg.tree.unflatten(spec, directions))
    (wanted,) = difference(
        lambda *xs: [f(*wg.tree.unflatten(spec, xs))], leaves, directions, h=1e-4
    )
    assert np.allclose(e.rows[-1].tangent, wanted, rtol=1e-7)


@pytest.mark.parametrize(("f", "args"), FUNCTIONS)
def test_every_adjoint_is_the_sum_of_contributions_of_equations_that_read_it(f, args):
    e = wg.explain(f, *args)
    for row in e.rows:
        if row.adjoint is None:
            continue
        assert np.allclose(sum(term.amount for term in row.contributions), row.adjoint)
        for term in row.contributions:
            assert term.source == "" or row.name in e[term.source].operands


@pytest.mark.parametrize(("f", "args"), FUNCTIONS)
def test_every_equation_reads_only_what_is_above_it_and_values_are_the_functions(f, args):
    e = wg.explain(f, *args)
    seen = set()
    for row in e.rows:
        assert seen.issuperset(row.operands)
        seen.add(row.name)
    assert len(seen) == len(e.rows)
    assert np.array_equal(e.rows[-1].value, f(*args))


def test_contributions_are_named_and_in_the_order_of_the_equations():
    terms = wg.explain(product, 1.0, 2.0)["x"].contributions
    assert [(t.source, t.formula) for t in terms] == [
        ("t1", "t1_bar * y"),
        ("t2", "t2_bar * cos(x)"),
    ]
    assert [float(t.amount) for t in terms] == [2.0, pytest.approx(np.cos(1))]


def test_a_variable_that_is_read_twice_by_one_equation_has_two_contributions():
    terms = wg.explain(lambda x: x * x, 3.0)["x"].contributions
    assert [(t.source, t.formula, float(t.amount)) for t in terms] == [("t1", "t1_bar * x", 3)] * 2


def test_values_that_do_not_reach_the_result_have_adjoint_zero():
    def f(x):
        np.exp(x)
        return 2 * x

    row = wg.explain(f, 1.0)["t1"]
    assert row.formula == "exp(x)"
    assert (row.adjoint, row.contributions) == (0, ())


def test_truth_values_integers_and_constants_have_neither_tangent_nor_adjoint():
    def f(x, index):
        return np.where(x[index] > 0, x[index], 0.0)

    e = wg.explain(f, np.array([1.0, 2.0]), np.int64(1), along=(np.ones(2), None))
    for row in e.rows:
        has = row.type.differentiable
        assert (row.adjoint is not None, row.tangent is not None) == (has, has)
    assert any(row.type.dtype == bool for row in e.rows)
    assert list(e["x"].adjoint) == [0, 1]


def test_a_constant_result_has_an_adjoint_of_zero_for_all_inputs():
    e = wg.explain(lambda x: 3.0, 1.0)
    assert e["x"].adjoint == 0
    assert str(e).startswith("f(x) = 3\n")


def test_the_result_may_be_an_input():
    row = wg.explain(lambda x, y: x, 1.0, 2.0)["x"]
    assert (row.adjoint, row.results) == (1, ("result",))


def test_a_derivative_can_be_explained_in_its_turn():
    e = wg.explain(wg.grad(lambda x: x**3), 2.0)
    assert e.rows[-1].value == 12
    assert e["x"].adjoint == 12


def test_the_path_that_python_took_is_what_is_listed():
    def f(x):
        while x < 10:
            x = x * 2
        return x

    e = wg.explain(f, 1.5)
    assert [row.formula for row in e.rows if row.operation == "multiply"] == [
        *("x * 2", "t2 * 2", "t4 * 2"),
    ]
    assert e["x"].adjoint == 8


# -- names -----------------------------------------------------------------------------------------


@dataclass
class Point:
    u: float
    v: Any


def names_of(f, *args):
    return [row.name for row in wg.explain(f, *args).rows if row.is_input]


def test_inputs_are_named_as_python_reaches_them():
    f = lambda p, x: p["a"] * x[1].u  # noqa: E731
    assert names_of(f, {"a": 1.0}, [2.0, Point(3.0, {"k": 4.0})]) == [
        "p['a']",
        "x[0]",
        "x[1].u",
        "x[1].v['k']",
    ]


def test_inputs_of_functions_without_a_signature_have_names_too():
    assert names_of(lambda *xs: xs[0] * xs[1], 1.0, 2.0) == ["xs[0]", "xs[1]"]
    assert names_of(np.sin, 1.0) == ["x"]
    assert names_of(max, 1.0, 2.0) == ["x1", "x2"]


def test_intermediates_do_not_take_the_name_of_an_input():
    e = wg.explain(lambda t1, v2: t1 * v2 + t1, 1.0, 2.0)
    assert [row.name for row in e.rows] == ["t1", "v2", "u1", "u2"]


def test_results_are_named_by_their_place():
    e = wg.explain(lambda x: {"a": x + 1, "b": [x * 2]}, 1.0)
    assert [row.results for row in e.rows] == [(), ("result['a']",), ("result['b'][0]",)]


def test_what_is_no_number_is_handed_through():
    e = wg.explain(lambda x, how, flag: np.sin(x) if how == "sin" and flag else x, 1.0, "sin", True)
    assert [row.name for row in e.rows] == ["x", "t1"]


def test_an_unknown_name_says_which_there_are():
    with pytest.raises(KeyError, match="'z' is not among x, y, t1"):
        wg.explain(product, 1.0, 2.0)["z"]


# -- modes and bad input ---------------------------------------------------------------------------


def made(e):
    return e.forward, e.reverse


def test_the_sweeps_are_those_that_are_possible_and_asked_for():
    assert made(wg.explain(product, 1, 2)) == (False, True)
    assert made(wg.explain(product, 1, 2, along=(1, 0))) == (True, True)
    assert made(wg.explain(product, 1, 2, along=(1, 0), mode="forward")) == (True, False)
    assert made(wg.explain(product, 1, 2, mode="reverse")) == (False, True)
    assert made(wg.explain(np.sin, 1.0, mode="forward")) == (True, False)
    assert made(wg.explain(lambda x: 2 * x, np.ones(2))) == (False, False)
    assert made(wg.explain(lambda x: 2 * x, np.ones(2), along=np.ones(2))) == (True, False)


def inside(x):
    wg.explain(np.sin, x)
    return x


def captured(x):
    wg.explain(lambda y: x * y, 1.0)
    return x


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: wg.explain(lambda x: 2 * x, np.ones(2), mode="reverse"), ShapeError, "component"),
        (lambda: wg.explain(lambda x: (x, x), 1.0, mode="reverse"), ShapeError, "2 values"),
        (lambda: wg.explain(lambda x: x > 0, 1.0, mode="reverse"), DtypeError, "bool"),
        (lambda: wg.explain(lambda x: x * 1j, 1.0, mode="reverse"), DtypeError, "c128"),
        (lambda: wg.explain(product, 1, 2, mode="forward"), ShapeError, r"along=\(x_dot, y_dot\)"),
        (lambda: wg.explain(product, 1, 2, along=(1,)), ShapeError, "each of the 2 arguments"),
        (lambda: wg.explain(product, 1, 2, along=1), ShapeError, "each of the 2 arguments"),
        (lambda: wg.explain(product, 1, 2, along=(1, np.ones(2))), ShapeError, r"\(2,\)"),
        (lambda: wg.explain(product, 1, 2, along=(1, "b")), DtypeError, "not a number"),
        (lambda: wg.explain(product, 1, 2, along=(1, 1j)), DtypeError, "complex"),
        (lambda: wg.explain(product, 1, 2, along=(1, [1, 2])), ShapeError, "structure"),
        (lambda: wg.explain(product, 1, 2, along=(1, 2), mode="reverse"), UnsupportedError, "mode"),
        (lambda: wg.explain(product, 1, 2, mode="sideways"), ValueError, "sideways"),
        (lambda: wg.explain(lambda x: "text", 1.0), DtypeError, "text"),
        (lambda: wg.grad(inside)(1.0), TracedArrayError, "inside of a derivative"),
        (lambda: wg.grad(captured)(1.0), TracedArrayError, "inside of a derivative"),
    ],
)
def test_bad_input_says_what_to_do(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_an_exception_of_the_function_passes_and_leaves_nothing_behind():
    def f(x):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        wg.explain(f, 1.0)
    assert wg.explain(np.sin, 0.0)["x"].adjoint == 1


# -- text ------------------------------------------------------------------------------------------

TABLE = """\
product(x, y) = t3

  name  formula     value  tangent  adjoint
  ----  -------  --------  -------  -------
  x     input           1        2   2.5403
  y     input           2       -1        1
  t1    x * y           2        3        1
  t2    sin(x)   0.841471   1.0806        1
  t3    t1 + t2   2.84147   4.0806        1  <- result

Forward sweep: each tangent comes from those of its operands
  x_dot  = 2
  y_dot  = -1
  t1_dot = x_dot * y + y_dot * x = 3
  t2_dot = x_dot * cos(x) = 1.0806
  t3_dot = t1_dot + t2_dot = 4.0806

Reverse sweep: each adjoint is the sum over the equations that read the variable
  t3_bar = 1
  t2_bar = t3_bar = 1
  t1_bar = t3_bar = 1
  y_bar  = t1_bar * x = 1
  x_bar  = t1_bar * y + t2_bar * cos(x) = 2 + 0.540302 = 2.5403"""


def test_the_table_and_the_sums():
    assert wg.explain(product, 1, 2, along=(2, -1)).text(ascii=True) == TABLE


def test_short_names_carry_the_signs_of_mathematics():
    text = unicodedata.normalize("NFD", str(wg.explain(product, 1, 2, along=(2, -1))))
    bar, dot = "\N{COMBINING MACRON}", "\N{COMBINING DOT ABOVE}"
    assert f"x{bar}  = t{bar}1·y + t{bar}2·cos(x) = 2 + 0.540302 = 2.5403" in text
    assert f"t{dot}1 = x{dot}·y + y{dot}·x = 3" in text
    assert "weight_bar = " in str(wg.explain(lambda weight: np.sin(weight), 1.0))


def test_all_digits_can_be_shown():
    text = wg.explain(np.sin, 1.0).text(digits=17)
    assert "0.8414709848078965" in text
    assert "0.5403023058681398" in text


@pytest.mark.parametrize("width", [30, 60, 80, 120])
@pytest.mark.parametrize(("f", "args"), FUNCTIONS)
def test_no_line_is_wider_than_asked_for(f, args, width):
    leaves, spec = wg.tree.flatten(args)
    along = wg.tree.unflatten(spec, [np.ones(np.shape(leaf)) for leaf in leaves])
    text = wg.explain(f, *args, along=along).text(width)
    table = [line for line in text.splitlines() if "sweep:" not in line]
    if width >= 80:
        assert max(map(width_of, table)) <= width
    # No number is lost where lines are broken.
    assert text.count("input") == len(leaves)


def test_larger_arrays_are_summarised():
    big = np.linspace(-1, 1, 50).reshape(5, 10)
    text = str(wg.explain(lambda x: np.sum(x * x), big))
    assert "5x10, -1 .. 1" in text
    assert "5x10, -2 .. 2" in text
    odd = np.array([np.nan, np.inf, *range(8)], float)
    assert "10, 0 .. 7, 2 not finite" in " ".join(str(wg.explain(lambda x: x, odd)).split())


def test_a_rule_that_would_be_long_is_named_instead_of_written():
    e = wg.explain(lambda x, y: np.arctan2(x, y), 1.0, 2.0)
    assert e["x"].contributions[0].formula == "t1_bar * dt1/dx"
    assert "∂t1/∂x" in str(e)


@pytest.mark.parametrize(
    ("f", "wanted"),
    [
        (lambda x, y: x / y, {"x": "t1_bar / y", "y": "t1_bar * (-t1 / y)"}),
        (lambda x, y: x - y, {"x": "t1_bar", "y": "-t1_bar"}),
        (lambda x, y: x**3 + y, {"x": "t1_bar * 3 * x**2"}),
        (lambda x, y: np.tanh(x) + y, {"x": "t1_bar * (1 - t1 * t1)"}),
        (lambda x, y: np.log(x) + y, {"x": "t1_bar / x"}),
        (lambda x, y: np.cos(x) + y, {"x": "t1_bar * (-sin(x))"}),
        (lambda x, y: np.sqrt(x) + y, {"x": "t1_bar * (0.5 / t1)"}),
    ],
)
def test_formulas_have_the_brackets_that_they_need(f, wanted):
    e = wg.explain(f, 0.5, 2.0)
    for name, formula in wanted.items():
        assert e[name].contributions[0].formula == formula


@pytest.mark.parametrize(("f", "args"), [pair for pair in FUNCTIONS if len(pair[1]) < 3][:4])
def test_the_formula_of_a_contribution_computes_its_amount(f, args):
    e = wg.explain(f, *args)
    space = {row.name: row.value for row in e.rows}
    space |= {f"{row.name}_bar": row.adjoint for row in e.rows}
    space |= {name: getattr(np, name) for name in "sin cos exp log where sign".split()}
    space["select"] = np.where
    checked = 0
    for row in e.rows:
        for term in row.contributions:
            if "/d" not in term.formula:
                assert np.allclose(eval(term.formula, space), term.amount)
                checked += 1
    assert checked >= 3


# -- Jupyter and rich ------------------------------------------------------------------------------


class Page(HTMLParser):
    """Fails on tags that do not close; collects the text."""

    def __init__(self):
        super().__init__()
        self.open, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_jupyter_shows_a_table_in_which_nothing_is_markup():
    e = wg.explain(
        lambda p: p["<script>"] * p["b & c"],
        {"<script>": 2.0, "b & c": 3.0},
        along={"<script>": 1.0, "b & c": 0.0},
    )
    html = e._repr_html_()
    page = Page()
    page.feed(html)
    assert not page.open
    assert "<script>" not in html
    assert "p['<script>'] * p['b & c']" in page.text
    assert "text-decoration:overline" in html


def test_rich_shows_the_same_numbers():
    console = Console(width=100, force_terminal=True, record=True, file=io.StringIO())
    console.print(wg.explain(product, 1, 2, along=(2, -1)))
    text = console.export_text()
    for number in re.findall(r"\d+\.\d+", TABLE):
        assert number in text


def test_rich_does_not_read_names_as_markup():
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(wg.explain(lambda p: p["[bold]"] * 2, {"[bold]": 1.0}))
    assert "p['[bold]']" in console.export_text()


def test_complex_and_uniform_arrays_are_summarised():
    z = np.exp(1j * np.arange(8.0))
    text = " ".join(wg.explain(lambda z: np.sum(np.real(z * z)), z).text(200).split())
    assert "8 complex, modulus up to 1" in text
    text = " ".join(str(wg.explain(lambda x: np.sum(np.where(x > 0, x, 0)), np.ones(8))).split())
    assert "8 bool" in text
    assert "8, all 1" in text
    assert "(1+2j)" in str(wg.explain(lambda z: np.real(z), 1 + 2j)).replace("1+2j", "(1+2j)")


def test_wide_letters_take_two_columns():
    assert (width_of("x̄"), width_of("変")) == (1, 2)


def test_an_equation_with_several_results_has_a_row_for_each():
    a = np.array([[2.0, 0.5], [0.5, 1.0]])
    e = wg.explain(lambda a: np.linalg.slogdet(a)[1], a)
    assert np.allclose(e["a"].adjoint, np.linalg.inv(a).T)
    (term,) = e["a"].contributions
    assert (term.source, term.formula) == ("t2", "t2_bar * transpose(inv(a), axes=(1, 0))")
    assert np.allclose(term.amount, np.linalg.inv(a).T)
    values = np.linalg.eigh(a)[0]
    e = wg.explain(lambda a: np.sum(np.linalg.eigh(a)[0] ** 2), a)
    assert np.allclose(e["a"].adjoint + e["a"].adjoint.T, 4 * a)
    assert any(np.allclose(row.value, values) for row in e.rows if row.type.shape == (2,))


def test_a_table_without_a_sweep_says_why():
    found = wg.explain(lambda x: x**2, np.arange(3.0))
    console = Console(width=100)
    with console.capture() as captured:
        console.print(found)
    for text in (str(found), found._repr_html_(), captured.get()):
        assert "No adjoints" in text
    assert "No adjoints" not in str(wg.explain(lambda x: x**2, 1.0))
