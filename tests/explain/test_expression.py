"""Expressions are parsed: arithmetic gets through, and nothing else does."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import wengert as wg
from wengert.errors import ExpressionError
from wengert.explain.expression import CONSTANTS, FUNCTIONS, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x*y + sin(x)", 2 * 3 + math.sin(2)),
        ("-x**2", -4),
        ("2**-x", 0.25),
        ("2**3**2", 512),
        ("(x + y)/(x - y)", -5),
        ("--x", 2),
        ("+x", 2),
        ("pi*e", math.pi * math.e),
        ("maximum(x, y) - minimum(x, y)", 1),
        ("where(x > y, x, y)", 3),
        ("where(x <= y, x, y)", 2),
        ("abs(-x) + sqrt(4*y/3)", 4),
        ("1e3", 1000),
        ("  x  ", 2),
        ("(x\n + y)", 5),
        ("9**9**9", math.inf),
        ("1/0", math.inf),
        ("0x10 + 1_000", 1016),
    ],
)
def test_arithmetic_is_computed(text, value):
    f = parse(text, ["x", "y"])
    with np.errstate(all="ignore"):
        assert f(2.0, 3.0) == pytest.approx(value, rel=1e-15)


def test_names_come_in_the_order_given_or_of_appearance():
    assert parse("y*x + y").names == ("y", "x")
    assert parse("y*x + y", ["x", "y"]).names == ("x", "y")
    assert parse("2*e").names == ()
    assert parse("2*e", ["e"])(3.0) == 6


def test_an_expression_can_be_differentiated():
    assert wg.grad(parse("x**3"))(2.0) == 12
    f = parse("sum(x*x) + dot(x, y)")
    x, y = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    assert list(wg.grad(f)(x, y)) == [5, 9]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_a_derivative_in_both_modes(name):
    count = FUNCTIONS[name][1]
    if name == "where":
        f, args = parse("where(x > 0, x*x, x)", ["x"]), (0.7,)
    else:
        names = ["x", "y", "z"][:count]
        f, args = parse(f"{name}({', '.join(names)})", names), (0.7, 0.4, 0.3)[:count]
    if name == "arccosh":
        args = (1.7,)
    h = 1e-6
    for place in range(len(args)):
        near = [[a + s * h * (i == place) for i, a in enumerate(args)] for s in (1, -1)]
        slope = (f(*near[0]) - f(*near[1])) / (2 * h)
        unit = [float(i == place) for i in range(len(args))]
        assert wg.grad(f, argnums=place)(*args) == pytest.approx(slope, rel=1e-8, abs=1e-9)
        assert wg.jvp(f, args, unit)[1] == pytest.approx(slope, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("x^2", r"write x\*\*2"),
        ("x.real", "not arithmetic"),
        ("x[0]", "not arithmetic"),
        ("(lambda: x)()", "not arithmetic"),
        ("lambda: x", "not arithmetic"),
        ("[x]", "not arithmetic"),
        ("x, x", "not arithmetic"),
        ("{x: 1}", "not arithmetic"),
        ("x if x else x", "not arithmetic"),
        ("x and x", "not arithmetic"),
        ("not x", "not arithmetic"),
        ("x % 2", "not arithmetic"),
        ("x // 2", "not arithmetic"),
        ("x @ x", "not arithmetic"),
        ("0 < x < 1", "not arithmetic"),
        ("x is x", "not arithmetic"),
        ("(y := 2)", "not arithmetic"),
        ("f'{x}'", "not arithmetic"),
        ("[x for x in x]", "not arithmetic"),
        ("await x", "column|not arithmetic"),
        ("'text'", "not a number"),
        ("True", "not a number"),
        ("None", "not a number"),
        ("...", "not a number"),
        ("2j", "not a number"),
        ("sin(*x)", "not arithmetic"),
        ("sin(x=x)", "not arithmetic"),
        ("np.sin(x)", "not arithmetic"),
        ("__import__('os')", "__import__ is not a known function"),
        ("eval(x)", "not a known function"),
        ("sni(x)", "did you mean sin"),
        ("sin", r"write sin\(x\)"),
        ("sin(x, x)", "takes 1 argument, and it is given 2"),
        ("hypot(x)", "takes 2 arguments"),
        ("xx", r"did you mean x\?\); known are x, pi, e"),
        ("x = 1", "column"),
        ("x; x", "column"),
        ("x\nx", "column"),
        ("import os", "column"),
        ("2x", r"2\*x"),
        ("2(x)", "not arithmetic"),
        ("x +", "at its end"),
        ("(x", "never closed"),
        ("x\0", "cannot"),
        ("\ud800", "cannot"),
        ("\x1b[31m", "cannot"),
        ("1" + "0" * 400, "too large"),
        ("1" * 9000, "cannot|too large"),
        ("(" * 3000 + "x" + ")" * 3000, "nested"),
        ("-" * 9000 + "x", "nested"),
        ("+".join(["x"] * 6000), "characters"),
    ],
)
def test_anything_else_is_an_error_in_one_line(text, message):
    with pytest.raises(ExpressionError, match=message) as caught:
        parse(text, ["x"])
    assert isinstance(caught.value, ValueError)
    what = str(caught.value).splitlines()
    assert len(what) <= 2  # the second is the line of this file, where parse was called


def test_long_sums_do_not_meet_the_recursion_limit():
    f = parse("+".join(["x"] * 1500))
    assert f(1.0) == 1500
    assert wg.grad(f)(1.0) == 1500


WORDS = [
    *"x y 1 2.5 1e5 + - * / ** ^ ( ) , . [ ] { } : = == < > % @ ~ ! ' \" # \\ \n \0 _ 0x".split(
        " "
    ),
    *"sin where lambda if else not and or for in is None True await yield f'{x}' := * **".split(),
    *CONSTANTS,
]


TEXTS = st.lists(st.sampled_from(WORDS))


@given(st.text() | TEXTS.map(" ".join) | TEXTS.map("".join))
@example("(" * 200 + "x")
@example("x" + "**x" * 2000)
@example("~" * 500 + "x")
@example("\N{FULLWIDTH LATIN SMALL LETTER X}")
def test_whatever_the_text_it_is_a_function_or_an_expression_error(text):
    try:
        f = parse(text)
    except ExpressionError:
        return
    with np.errstate(all="ignore"):
        f(*[0.5] * len(f.names))


NUMBERS = st.floats(0.1, 10).map(lambda v: repr(round(v, 3)))
ARITHMETIC = st.recursive(
    NUMBERS | st.just("x"),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        inner.map(lambda t: f"sin({t})"),
        inner.map(lambda t: f"-{t}"),
    ),
    max_leaves=12,
)


@given(ARITHMETIC, st.floats(-3, 3))
def test_arithmetic_means_what_python_means_by_it(text, x):
    numbers = re.sub(r"\d+\.\d+", r"float64(\g<0>)", text)
    with np.errstate(all="ignore"):
        wanted = eval(numbers, {"x": np.float64(x), "sin": np.sin, "float64": np.float64})
        assert np.array_equal(parse(text, ["x"])(np.float64(x)), wanted, equal_nan=True)
