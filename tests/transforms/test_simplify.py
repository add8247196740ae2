"""simplify: fewer equations, the same values, infinities and NaN included."""

import numpy as np
import pytest

import wengert as wg
from wengert.primitives import arithmetic, elementary
from wengert.primitives.shape import broadcast
from wengert.program import Equation, Literal, Program, Type, Var
from wengert.transforms.differentiate import vjp
from wengert.transforms.simplify import eliminate_dead_code

SPECIAL = np.array([0.0, 1.0, -2.5, np.inf, -np.inf, np.nan, 1e308, 5e-324])


def primitives(program):
    return [equation.primitive.name for equation in program.equations]


@pytest.mark.parametrize(
    ("f", "left"),
    [
        (lambda x: x * 1.0, []),
        (lambda x: 1.0 * x, []),
        (lambda x: x + 0.0, []),
        (lambda x: 0.0 + x, []),
        (lambda x: x - 0.0, []),
        (lambda x: x / 1.0, []),
        (lambda x: x**1, []),
        (lambda x: np.negative(-x), []),
        (lambda x: x.reshape(8), []),
        (lambda x: x.reshape(2, 4).T.T, ["reshape"]),
        (lambda x: x * 0.0, ["multiply"]),
        (lambda x: x - x, ["subtract"]),
        (lambda x: x / x, ["divide"]),
        (lambda x: np.where(np.ones(8, bool), x, 5.0), []),
        (lambda x: np.where(np.zeros(8, bool), 5.0, x), []),
        (lambda x: np.sin(x) + np.sin(x), ["sin", "add"]),
        (lambda x: (x + 2.0) * (2.0 + x), ["add", "multiply"]),
        (lambda x: (x - 2.0) * (2.0 - x), ["subtract", "subtract", "multiply"]),
    ],
)
def test_identities_hold_for_every_number(f, left):
    with np.errstate(all="ignore"):
        program = wg.trace(f)(SPECIAL)
        simple = wg.simplify(program)
        assert primitives(simple) == left
        np.testing.assert_array_equal(
            wg.evaluate(simple, [SPECIAL])[0], wg.evaluate(program, [SPECIAL])[0]
        )


def test_constants_are_folded():
    a, b, c = (Var(Type((), np.dtype(float))) for _ in range(3))
    sine = Equation(elementary.sin, (Literal(np.float64(1.0)),), {}, (b,))
    product = Equation(arithmetic.multiply, (a, b), {}, (c,))
    simple = wg.simplify(Program((a,), (sine, product), (c,)))
    assert primitives(simple) == ["multiply"]
    assert wg.evaluate(simple, [2.0]) == [2.0 * np.sin(1.0)]


def test_a_large_constant_is_not_unfolded_into_the_program():
    wide = Var(Type((100_000,), np.dtype(float)))
    equation = Equation(broadcast, (Literal(1.0),), {"shape": (100_000,)}, (wide,))
    assert len(wg.simplify(Program((), (equation,), (wide,))).equations) == 1


def test_dead_code_is_removed_and_inputs_stay():
    def f(x, y):
        np.exp(np.sin(y))
        return x * 2.0

    program = eliminate_dead_code(wg.trace(f)(1.0, 2.0))
    assert primitives(program) == ["multiply"]
    assert len(program.inputs) == 2


def test_the_gradient_of_a_square_needs_no_more_than_its_formula():
    simple = wg.simplify(vjp(wg.trace(lambda x: np.sum(x * x))(np.ones(3))))
    assert len(simple.equations) <= 6


def test_a_literal_of_another_dtype_is_not_put_in():
    program = wg.trace(lambda x: x * np.float64(1.0))(np.ones(3, np.float32))
    assert wg.simplify(program).output_types == program.output_types
