"""What is rewritten for the compiler: fewer or cheaper equations, and the same values."""

from __future__ import annotations

from typing import Any

import native_programs as programs
import numpy as np
import pytest

import wengert as wg
from wengert.compile.rewrite import rewritten
from wengert.control.scan import scan_primitive
from wengert.evaluate import evaluate
from wengert.kinds import mul0
from wengert.primitives import arithmetic, index, shape
from wengert.primitives.guard import guard
from wengert.program import Equation, Literal, Program, Type, Var


def counts(program):
    """How many equations there are of each primitive, those inside of others too."""
    found: dict[str, int] = {}
    pending = [program]
    while pending:
        for equation in pending.pop().equations:
            name = equation.primitive.name
            found[name] = found.get(name, 0) + 1
            pending += [each for _, each in equation.primitive.programs(equation.params)]
    return found


def check(program, *values, rtol=0.0):
    """The rewritten Program, which is sound and computes the same; zeros may change their sign."""
    better = rewritten(program).check()
    with np.errstate(all="ignore"):
        found, wanted = evaluate(better, values), evaluate(program, values)
    for one, other in zip(found, wanted, strict=True):
        assert Type.of(one) == Type.of(other)
        np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-300 if rtol else 0)
    return better


def program_of(types, write):
    """A Program whose equations ``write`` makes: a function of the inputs and of ``add``."""
    inputs = tuple(map(Var, types))
    equations: list[Equation] = []

    def add(primitive, *atoms, **params):
        made = tuple(map(Var, primitive.types(atoms, params)))
        equations.append(Equation(primitive, atoms, params, made))
        return made[0] if made else None

    outputs = write(add, *inputs)
    return Program(inputs, tuple(equations), tuple(outputs)).check()


F3 = Type((3,), np.dtype(float))
SPECIAL = [0.0, -0.0, 1.0, -2.0, np.inf, -np.inf, np.nan, 1e308, 5e-324]


# -- constants -------------------------------------------------------------------------------------


def test_equal_constants_become_one():
    def write(add, x):
        one, other = (Literal(np.array([1.0, 2.0, np.nan])) for _ in range(2))
        return [add(arithmetic.add, x, one), add(arithmetic.multiply, x, other)]

    program = program_of([F3], write)
    better = check(program, np.array([1.0, np.inf, 2.0]))
    first, second = (equation.inputs[1] for equation in better.equations)
    assert first is second


def test_constants_of_other_bits_or_dtypes_stay_apart():
    values = [np.float64(0.0), np.float64(-0.0), np.float32(0.0), 0.0, np.int64(0)]

    def write(add, x):
        return [add(arithmetic.divide, x, Literal(value)) for value in values]

    better = check(program_of([Type((), np.dtype(float))], write), np.float64(1.0))
    assert len({id(e.inputs[1]) for e in better.equations}) == len(values)


# -- products that absorb nothing ------------------------------------------------------------------


@pytest.mark.parametrize("x", SPECIAL)
@pytest.mark.parametrize("constant", [2.0, -0.5, np.float64(3.0), np.array([1.5, -2.0, 3.0])])
def test_a_product_with_finite_constants_other_than_zero_is_a_plain_one(x, constant):
    def write(add, a):
        return [add(mul0, a, Literal(constant)), add(mul0, Literal(constant), a)]

    better = check(program_of([F3], write), np.full(3, x))
    assert set(counts(better)) == {"multiply"}


@pytest.mark.parametrize("x", SPECIAL)
@pytest.mark.parametrize("bad", [0.0, np.inf, np.nan])
def test_a_product_with_other_constants_goes_on_absorbing(x, bad):
    constant = np.array([2.0, bad, 3.0])
    program = program_of([F3], lambda add, a: [add(mul0, a, Literal(constant))])
    better = check(program, np.full(3, x))
    assert set(counts(better)) == {"mul0"}


@pytest.mark.parametrize("x", SPECIAL)
@pytest.mark.parametrize("y", SPECIAL)
def test_a_product_of_unknown_factors_goes_on_absorbing(x, y):
    program = program_of([F3, F3], lambda add, a, b: [add(mul0, a, b)])
    assert set(counts(check(program, np.full(3, x), np.full(3, y)))) == {"mul0"}


@pytest.mark.parametrize("x", SPECIAL)
def test_a_square_is_a_plain_product(x):
    program = program_of([F3], lambda add, a: [add(mul0, a, a)])
    assert set(counts(check(program, np.full(3, x)))) == {"multiply"}


# -- sums of scattered parts -----------------------------------------------------------------------


def scattered(add, part, at, zeros=None):
    """Zeros with a part added at a place."""
    if zeros is None:
        zeros = Literal(np.zeros(5))
    return add(index.scatter_add, zeros, part, index=(at,))


F = Type((), np.dtype(float))
F5 = Type((5,), np.dtype(float))


@pytest.mark.parametrize("broadcast", [False, True])
@pytest.mark.parametrize("behind", [False, True])
def test_a_scattered_part_is_added_in_place(behind, broadcast):
    def write(add, x, p):
        zeros = add(shape.broadcast, Literal(0.0), shape=(5,)) if broadcast else None
        parts = [scattered(add, p, 3, zeros), x]
        return [add(arithmetic.add, *(parts[::-1] if behind else parts))]

    better = check(program_of([F5, F], write), np.arange(5.0), np.float64(2.5))
    assert counts(better) == {"scatter_add": 1}


def test_the_gradient_of_an_element_is_added_to_that_of_the_array():
    def f(x):
        whole = np.sum(np.sin(x) * x)
        return whole + np.exp(x[2])

    program = wg.trace(wg.grad(f))(np.arange(5.0))
    better = check(program, np.arange(5.0), rtol=1e-15)
    before, after = counts(wg.simplify(program)), counts(better)
    assert before["scatter_add"] == after["scatter_add"] == 1
    assert before["add"] - after["add"] == 1


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(
            lambda add, x, p: [add(arithmetic.add, x, q := scattered(add, p, 3)), q],
            id="read elsewhere too",
        ),
        pytest.param(
            lambda add, x, p: [
                add(arithmetic.add, x, scattered(add, p, 3, Literal(np.full(5, 2.0))))
            ],
            id="not onto zeros",
        ),
        pytest.param(
            lambda add, x, p: [add(arithmetic.add, p, scattered(add, p, 3))],
            id="onto something smaller",
        ),
    ],
)
def test_other_scattered_parts_are_added_as_they_are(write):
    better = check(program_of([F5, F], write), np.arange(5.0), np.float64(2.5))
    assert counts(better)["add"] == 1


def test_a_part_that_is_not_a_number_stays_where_it_is():
    def write(add, x, p):
        return [add(arithmetic.add, x, scattered(add, p, 1))]

    check(program_of([F5, F], write), np.array([np.nan, 1, np.inf, 0, 2]), np.float64(np.nan))


# -- inside of others ------------------------------------------------------------------------------


def test_bodies_and_branches_are_rewritten_too():
    def f(x):
        def step(c, t):
            return c + np.sin(t * c) * 2.0, c * 3.0

        c, ys = wg.scan(step, x[0], x)
        d = wg.while_loop(lambda v: v < 9.0, lambda v: v * 2.0 + 1.0, c)
        e = wg.cond(x[1] > 0, lambda v: v * 3.0, lambda v: v * v * 0.5, d)
        return e + np.sum(ys)

    x = np.linspace(0.5, 1.0, 6)
    program = wg.trace(wg.grad(f))(x)
    better = check(program, x, rtol=1e-14)
    before, after = counts(wg.simplify(program)), counts(better)
    assert after["mul0"] < before["mul0"]
    assert sum(after.values()) <= sum(before.values())


# -- loops -----------------------------------------------------------------------------------------


def euler(x, n):
    v, y = x[0], x[1]
    for k in range(n):
        v = v - 0.01 * np.sin(y) * x[k % 3]
        y = y + 0.01 * v
    return y


def summed(x, n):
    total = 0.0
    for k in range(n):
        total = total + np.exp(x[k]) * x[k + 1]
    return total


def table(x, n):
    y = np.zeros_like(x)
    for k in range(n):
        y[k] = np.sin(x[k]) * 0.5 + y[k - 1]
    return np.sum(y)


@pytest.mark.parametrize("f", [euler, summed, table])
@pytest.mark.parametrize("verb", [lambda f: f, wg.grad])
def test_loops_take_as_many_equations_however_long_they_are(f, verb):
    lengths: list[int] = []
    for n in (90, 270):
        x = np.random.default_rng(0).normal(size=n + 1)
        program = wg.trace(verb(lambda x, n=n: f(x, n)))(x)
        better = check(program, x, rtol=1e-12)
        assert any(e.primitive is scan_primitive for e in better.equations)
        lengths.append(sum(counts(better).values()))
    assert lengths[0] == lengths[1] < 90


def test_guards_of_unlike_rounds_are_checked_first_and_together():
    def f(x):
        total = 0.0
        for k in range(400):
            if x[k] > 0:
                total = total + x[k] * x[0]
        return total

    x = np.random.default_rng(1).normal(size=400)
    program = wg.jit(f).lower(x)
    better = check(program, x, rtol=1e-14)
    assert len(program.equations) > 1000
    assert len(better.equations) < 12
    assert better.guards == 400
    assert not any(e.primitive is guard for e in better.equations)


def test_guards_that_need_all_rounds_stay_where_they_are():
    def f(x):
        total = x[0]
        for k in range(200):
            total = np.cos(total) + x[k] if total > x[k] else np.sin(total) * x[k]
        return total

    x = np.random.default_rng(1).normal(size=200)
    program = wg.jit(f).lower(x)
    better = check(program, x, rtol=1e-14)
    asked = [e for e in program.equations if e.primitive is guard]
    kept = [e for e in better.equations if e.primitive is guard]
    assert [repr(e.inputs[1]) for e in kept] == [repr(e.inputs[1]) for e in asked]


# -- anything --------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [programs.value, programs.gradient, programs.tangent])
@pytest.mark.parametrize("seed", range(12))
def test_random_programs(make, seed):
    program, values = make(700 + seed, 12)
    better: Any = check(program, *values, rtol=1e-9)
    simple = wg.simplify(program)
    # Whole functions may be spelt out in simpler ones; nothing else grows.
    assert len(better.equations) <= 2 * len(simple.equations) + 10
