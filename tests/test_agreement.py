"""``check_value``: whether a function computes the same traced, and the line where it does not."""

from __future__ import annotations

import datetime
import decimal
import random
import sys

import numpy as np
import pytest

import wengert as wg
from wengert.agreement import ValueMismatchError

X = np.array([0.5, -1.0, 2.0])


def test_the_value_is_returned_where_the_runs_agree():
    def f(x, n, name, *, scale):
        x *= scale
        return {"y": np.sort(x) * n, "name": name, "n": n, "positive": x > 0, "none": None}

    found = wg.check_value(f, X, 2, "text", scale=np.float32(3))
    assert found["name"] == "text"
    assert found["n"] == 2
    np.testing.assert_array_equal(found["y"], np.sort(X) * 6)
    np.testing.assert_array_equal(X, [0.5, -1.0, 2.0])


@pytest.mark.parametrize("x", [1.5, 2, np.float32(1.5), 1 + 2j, X, X.astype(np.float32), [X, 1.0]])
def test_values_of_every_kind_agree(x):
    wg.check_value(lambda x: (x, np.sum((x[0] if isinstance(x, list) else x) ** 2)), x)


def by_type(x):
    if type(x) is float:
        x = x + 1.0
        return x * 2.0
    return x * 3.0


def by_expression(x):
    y = x + 1.0
    z = y * 2.0 if type(y) is np.float64 else y * 3.0
    return z * y


def in_a_helper(x):
    def scale(y):
        return 2.0 if type(y) is float else 3.0

    return sum(x * scale(x) for _ in range(3))


def swallowed(x):
    try:
        return x + datetime.timedelta(seconds=x).total_seconds()
    except TypeError:
        return x


def by_identity(x):
    seen = [x]
    return x * 2.0 if all(y is not (x + 0.0) and type(y) is float for y in seen) else x


PARTING = {
    by_type: (1.5, "    if type(x) is float:"),
    by_expression: (np.float64(1.5), "    z = y * 2.0 if type(y) is np.float64 else y * 3.0"),
    in_a_helper: (1.5, "    return 2.0 if type(y) is float else 3.0"),
    swallowed: (1.5, "    return x + datetime.timedelta(seconds=x).total_seconds()"),
    by_identity: (1.5, "    return x * 2.0 if all("),
}


@pytest.mark.parametrize("f", PARTING)
def test_the_line_at_which_the_runs_part_is_named(f):
    x, line = PARTING[f]
    with pytest.raises(ValueMismatchError, match="The runs part at") as caught:
        wg.check_value(f, x)
    assert "test_agreement.py" in caught.value.line
    assert line in caught.value.line
    assert caught.value.plain == f(x)
    assert caught.value.traced != f(x)
    assert wg.value_and_grad(f)(x)[0] == caught.value.traced


def test_the_place_in_the_result_and_both_values_are_named():
    def f(x):
        return {"a": [x, x * (2.0 if type(x) is np.ndarray else 3.0)]}

    with pytest.raises(ValueMismatchError) as caught:
        wg.check_value(f, X)
    assert "the result['a'][1] differs: array([ 1., -2.,  4.]) of plain values" in str(caught.value)


@pytest.mark.parametrize(
    ("f", "what"),
    [
        (lambda x, t: (x, x) if t else x, "the structure of the result"),
        (lambda x, t: x if t else x.astype(np.float32), "the result differs"),
        (lambda x, t: np.stack([x]) if t else np.stack([x, x]), "the result differs"),
        (lambda x, t: "one" if t else "two", "the result differs"),
        (lambda x, t: 1 if t else 2, "the result differs"),
        (lambda x, t: 0.0 * x if t else -0.0 * x, "the result differs"),
        (lambda x, t: [x, None] if t else [x, "text"], "the structure of the result"),
    ],
)
def test_results_that_differ_in_any_respect_are_told_apart(f, what):
    with pytest.raises(ValueMismatchError, match=what):
        wg.check_value(lambda x: f(x, type(x) is np.float64), np.float64(1.5))


def test_nan_and_infinity_are_equal_to_themselves_and_rounding_is_passed():
    wg.check_value(lambda x: np.array([1.0, np.nan, np.inf, -0.0]) * x, np.float64(1.0))

    def f(eps):
        return lambda x: x * (1.0 if type(x) is np.float64 else 1.0 + eps)

    wg.check_value(f(1e-15), np.float64(1.0))
    with pytest.raises(ValueMismatchError):
        wg.check_value(f(1e-13), np.float64(1.0))


def test_what_the_function_raises_is_compared_too():
    with pytest.raises(ZeroDivisionError):
        wg.check_value(lambda x: x / (1 // 0), 1.0)

    def refused(x):
        return x * float(decimal.Decimal(x))

    with pytest.raises(TypeError, match="Decimal") as caught:
        wg.check_value(refused, 1.5)
    assert "run on plain values before" in caught.value.__notes__[0]

    def plain_only(x):
        if type(x) is float:
            raise KeyError("x")
        return x

    with pytest.raises(ValueMismatchError, match="KeyError"):
        wg.check_value(plain_only, 1.5)


def test_random_numbers_are_the_same_in_each_run():
    def f(x, rng):
        return x * np.random.standard_normal() + random.random() + rng.standard_normal()

    np.random.seed(3)
    rng = np.random.default_rng(1)
    found = wg.check_value(f, 1.5, rng)
    np.random.seed(3)
    assert np.random.standard_normal() != 0
    assert rng.bit_generator.state == np.random.default_rng(1).bit_generator.state
    assert np.isfinite(found)


def test_a_function_that_changes_from_call_to_call_cannot_be_compared():
    count = iter(range(10))
    with pytest.raises(wg.errors.WengertError, match="for the same plain values"):
        wg.check_value(lambda x: x * next(count), 1.5)


def test_a_tracer_of_lines_is_put_back():
    before = sys.gettrace()
    with pytest.raises(ValueMismatchError):
        wg.check_value(by_type, 1.5)
    assert sys.gettrace() is before


def test_check_grads_compares_the_value_first():
    with pytest.raises(ValueMismatchError, match="The runs part at"):
        wg.check_grads(by_expression, (np.float64(1.5),))
