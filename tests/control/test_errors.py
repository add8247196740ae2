"""What cannot be a loop or a branch, and what the errors say."""

# ruff: noqa: E731

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert.errors import (
    AbstractValueError,
    DtypeError,
    ShapeError,
    TracedArrayError,
    UnknownDerivativeError,
    UnsupportedError,
    WengertError,
)

unknown = lambda f: lambda x: wg.vmap(f)(np.array([x, x]))


def halved(x):
    while x > 1:
        x = x / 2
    return x


def writes_outside(loop):
    def f(x):
        y = x * 1.0

        def body(i, c):
            y[0] += 1.0
            return c + y[0]

        return loop(body, x[0]) + y[0]

    return f


def conditionally(body, x):
    return wg.cond(x > 0.0, lambda x: body(0, x), np.sin, x)


CASES = {
    "a carry of another structure": (
        lambda: wg.fori_loop(0, 3, lambda i, c: (c, c), 1.0),
        ShapeError,
        r"structure \* and returned \(\*, \*\)",
    ),
    "a carry of another shape": (
        lambda: wg.scan(
            lambda c, x: ({"a": [c["a"][0], x]}, None), {"a": [1.0, 1.0]}, np.ones((2, 3))
        ),
        ShapeError,
        r"carry\['a'\]\[1\] as f64 and returned f64\[3\].*np\.broadcast_to",
    ),
    "a while carry of another shape": (
        lambda: wg.while_loop(lambda c: np.sum(c) < 3, lambda c: c * np.ones(3), 1.0),
        ShapeError,
        r"while_loop was given carry as f64",
    ),
    "a body that writes to an array from outside": (
        lambda: wg.grad(writes_outside(lambda f, c: wg.fori_loop(0, 3, f, c)))(np.ones(2)),
        UnsupportedError,
        "assigned to an array from outside of it.*y = y.copy",
    ),
    "a body that writes to a plain array from outside": (
        lambda: writes_outside(lambda f, c: wg.fori_loop(0, 3, f, c))(np.ones(2)),
        UnsupportedError,
        "assigned to an array from outside of it.*y = y.copy",
    ),
    "a branch that writes to an array from outside": (
        lambda: wg.vmap(writes_outside(conditionally))(np.ones((2, 2))),
        UnsupportedError,
        "assigned to an array from outside of it.*y = y.copy",
    ),
    "a body that is no pair": (
        lambda: wg.scan(lambda c, x: c, 1.0, np.ones(3)),
        ShapeError,
        r"pair \(carry, y\).*return carry, None",
    ),
    "a condition with an axis": (
        lambda: wg.while_loop(lambda c: c < 3, lambda c: c + 1, np.ones(3)),
        ShapeError,
        r"one truth value, and gave bool\[3\].*np\.any",
    ),
    "a condition that is a pair": (
        lambda: wg.while_loop(lambda c: (c < 3, c), lambda c: c + 1, 1.0),
        ShapeError,
        "one truth value",
    ),
    "a condition that is a number": (
        lambda: wg.while_loop(lambda c: c - 3, lambda c: c + 1, 1.0),
        DtypeError,
        "must give a truth value, and gave a f64.*x != 0",
    ),
    "xs of different lengths": (
        lambda: wg.scan(lambda c, x: (c, x), 1.0, (np.ones(3), np.ones((4, 2)))),
        ShapeError,
        "different lengths: 3, 4",
    ),
    "a length that is not that of the xs": (
        lambda: wg.scan(lambda c, x: (c, x), 1.0, np.ones(3), length=2),
        ShapeError,
        "different lengths: 2, 3",
    ),
    "no length": (
        lambda: wg.scan(lambda c, x: (c, x), 1.0),
        ShapeError,
        "cannot know its length.*length=n",
    ),
    "a negative length": (
        lambda: wg.scan(lambda c, x: (c, x), 1.0, length=-1),
        ShapeError,
        "negative: -1",
    ),
    "a length that is no integer": (
        lambda: wg.scan(lambda c, x: (c, x), 1.0, length=2.5),
        DtypeError,
        "2.5, and must be an integer",
    ),
    "xs that are a number": (
        lambda: wg.scan(lambda c, x: (c, x), 1.0, 2.0),
        ShapeError,
        "one of them is a number",
    ),
    "a bound that is no integer": (
        lambda: wg.fori_loop(0, 2.5, lambda i, c: c, 1.0),
        DtypeError,
        "must be an integer",
    ),
    "no branches": (lambda: wg.switch(0, [], 1.0), ShapeError, "no branches"),
    "a choice with an axis": (
        lambda: wg.cond(np.ones(3) > 0, np.sin, np.cos, 1.0),
        ShapeError,
        r"array of shape \(3,\).*np\.where",
    ),
    "a choice by a float": (
        lambda: wg.switch(1.5, [np.sin, np.cos], 1.0),
        DtypeError,
        "cannot choose by a float64",
    ),
    "branches of different shapes": (
        lambda: unknown(lambda x: wg.cond(x > 0, lambda x: x, lambda x: x * np.ones(2), x))(1.0),
        ShapeError,
        r"different shapes in leaf 0",
    ),
    "branches of different dtypes": (
        lambda: unknown(lambda x: wg.cond(x > 0, lambda x: x, lambda x: 0, x))(1.0),
        DtypeError,
        r"different dtypes in leaf 0.*float64",
    ),
    "branches of different structures": (
        lambda: unknown(lambda x: wg.cond(x > 0, lambda x: x, lambda x: (x,), x))(1.0),
        ShapeError,
        r"different structures: .*\* and \(\*,\)|different structures: \(\*,\) and \*",
    ),
    "what is no function": (
        lambda: wg.scan(3, 1.0, np.ones(2)),
        TracedArrayError,
        "takes a function for its body",
    ),
    "what is no number": (
        lambda: wg.fori_loop(0, 2, lambda i, c: c, "text"),
        DtypeError,
        "initial carry of wg.scan holds a str",
    ),
    "an if on what is carried": (
        lambda: wg.fori_loop(0, 2, lambda i, c: c + 1 if c > 0 else c, 1.0),
        AbstractValueError,
        r"not known here.*loops and branches.*wg\.cond\(condition, f, g, x\) for an if",
    ),
    "a while on what is carried": (
        lambda: wg.scan(lambda c, x: (halved(c), x), 9.0, np.ones(2)),
        AbstractValueError,
        r"wg\.while_loop\(condition, step, x\) for a while",
    ),
    "a condition with an and": (
        lambda: wg.while_loop(lambda c: c > 0 and c < 3, lambda c: c + 1, 1.0),
        AbstractValueError,
        "a & b for a and b",
    ),
    "an if in a branch": (
        lambda: unknown(lambda x: wg.cond(x > 0, lambda x: 2 * x if x > 1 else x, np.sin, x))(1.0),
        AbstractValueError,
        r"wg\.cond\(condition",
    ),
    "a range over a counter": (
        lambda: wg.fori_loop(0, 2, lambda i, c: c + sum(range(i)), 1.0),
        AbstractValueError,
        r"wg\.fori_loop\(0, n, step, x\) for a loop over range\(n\)",
    ),
    "checkpoints that are none": (
        lambda: wg.scan(lambda c, x: (c, x), 1.0, np.ones(3), checkpoints=0),
        ShapeError,
        "0 checkpoints",
    ),
    "checkpoints that are no integer": (
        lambda: wg.while_loop(lambda c: c < 3, lambda c: c + 1, 1.0, checkpoints="all"),
        DtypeError,
        "checkpoints='all'",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_and_the_error_says_why(case):
    call, kind, text = CASES[case]
    with pytest.raises(kind, match=f"(?s){text}") as caught:
        call()
    assert isinstance(caught.value, WengertError)
    assert "test_errors.py" in (caught.value.line or "")


def test_a_plain_array_is_read_at_a_counter():
    table = np.arange(5.0)
    read = lambda i: np.take_along_axis(table, np.reshape(i, -1), axis=0)[0]
    assert wg.fori_loop(0, 5, lambda i, c: c + table[i], 0.0) == 10.0
    assert wg.fori_loop(0, 5, lambda i, c: c + read(i), 0.0) == 10.0
    assert wg.fori_loop(0, 5, lambda i, c: c + np.asarray(table, like=i)[i], 0.0) == 10.0
    assert wg.grad(lambda x: wg.fori_loop(0, 5, lambda i, c: c + x * table[i], x))(2.0) == 11.0


def test_indexing_a_list_by_a_counter_says_what_to_write():
    table = [0.0, 1.0, 2.0]
    with pytest.raises(AbstractValueError, match=r"for table\[i\]") as caught:
        wg.fori_loop(0, 3, lambda i, c: c + table[i], 0.0)
    assert "table[i]" in caught.value.line


def test_an_unknown_derivative_in_a_body_is_an_error_and_not_a_zero():
    f = lambda x: wg.fori_loop(0, 2, lambda i, c: np.linalg.eigh(np.eye(2) * c)[1][0, 0] + c, x)
    with pytest.raises(UnknownDerivativeError, match=r"test_errors\.py"):
        wg.grad(f)(1.0)


def test_a_body_that_leaks_is_refused_later():
    kept = []
    wg.fori_loop(0, 2, lambda i, c: kept.append(c) or c, 1.0)
    with pytest.raises(wg.errors.LeakedTracerError):
        kept[0] + 1
