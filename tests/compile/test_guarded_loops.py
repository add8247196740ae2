"""Loops whose rounds hold guards: rolled up, they leave at the same guard with the same value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.compile.reroll import reroll
from wengert.compile.rewrite import rewritten
from wengert.control.scan import scan_primitive
from wengert.errors import GuardFailed
from wengert.evaluate import Evaluator
from wengert.primitives import logic
from wengert.primitives.guard import guard
from wengert.program import Equation, Literal, Program

SIZE = 60
LOOPS = {}


def loop(f):
    """Decorator: a function of a vector, with a loop that asks for values of it."""
    LOOPS[f.__name__] = f
    return f


@loop
def bouncing_ball(x):
    y, v = x[0], x[1]
    for _ in range(60):
        v = v - 0.03
        y = y + v * 0.1
        if y < 0:
            y, v = -y, -v * 0.9
    return y * v + x[2]


@loop
def damped_newton(x):
    a = abs(x[0]) + 0.1
    y, steps = a, 0
    while abs(y * y - a) > 1e-9 * a:
        y = y - 0.2 * (y * y - a) / (2 * y)
        steps += 1
    return y * steps


@loop
def bisection(x):
    low, high = -3.0, 3.0
    for _ in range(40):
        middle = (low + high) / 2
        if middle * middle * middle + middle * x[0] ** 2 > x[1]:
            high = middle
        else:
            low = middle
    return low + x[2] * high


@loop
def sum_of_the_positive(x):
    total = 0.0
    for i in range(40):
        if x[i] > 0:
            total = total + x[i]
    return total


@loop
def from_the_end(x):
    total = x[0]
    for i in reversed(range(50)):
        total = total * 0.5 + x[i] if x[i] > -2 else x[i] * x[0]
    return total


@loop
def unlike_constants(x):
    s = x[0] * 1.0
    for i in range(40):
        s = s * 0.5 if x[i] > s else s * 0.25
    return s


@loop
def loop_in_a_loop(x):
    s = x[0]
    for i in range(12):
        for j in range(20):
            s = s + 0.1 * x[j]
            if s > 2:
                s = s * 0.5
        if s < -2:
            s = s + x[i]
        s = np.cos(s) * x[i]
    return s


@loop
def whole_numbers(x):
    s = x[0] * 0
    for i in range(30):
        s = s * 0.9 + np.sin(x[i]) * int(abs(x[i]) * 2)
    return s


@loop
def numbers_to_the_bit(x):
    s = x[0]
    for i in range(30):
        s = np.cos(s) * (1.0 if np.floor(x[i]) == np.floor(x[i + 1]) else 2.0)
    return s


@loop
def masks(x):
    s = x[0] * 0
    for i in range(20):
        y = x + 0.001 * i * x[0]
        s = s + np.sum(y[y > 0.3])
    return s


@loop
def clipped(x):
    y = x
    for _ in range(30):
        y = y * 0.9 + 0.05 * np.roll(y, 1)
        if np.any(y > 4.0):
            y = y * 0.5
    return np.sum(y)


KINDS = {"value": lambda f: f, "gradient": wg.grad}


def inputs(seed):
    """Arguments near to and far from the first, which is the one to trace with."""
    rng = np.random.default_rng(seed)
    first = rng.normal(size=SIZE) + rng.integers(2)
    near = [first * (1 + 10.0**-k * rng.normal(size=SIZE)) for k in range(1, 10)]
    return [first, *near, *(rng.normal(size=(6, SIZE)) * 2), np.full(SIZE, np.nan)]


def outcome(run, *values):
    """The outputs as arrays; or the number of the guard that failed, and the value it met."""
    try:
        return [np.asarray(v) for v in run(values)]
    except GuardFailed as failure:
        return failure.index, failure.value


def same(found, wanted):
    """Whether two outcomes are the same; values that stay the same to nearly all digits."""
    if isinstance(wanted, list):
        return isinstance(found, list) and all(
            np.allclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True)
            for a, b in zip(found, wanted, strict=True)
        )
    if isinstance(found, list) or found[0] != wanted[0]:
        return False
    one, other = (np.asarray(value).tobytes() for value in (found[1], wanted[1]))
    # Native code gives the bytes of a number, and leaves arrays to be evaluated.
    return np.ndim(wanted[1]) > 0 or one[: len(other)] == other


def traced(name, kind, x):
    return wg.jit(KINDS[kind](LOOPS[name])).lower(x)


def guards_inside(program):
    """Guards that are equations of loops."""
    bodies = [p for e in program.equations for _, p in e.primitive.programs(e.params)]
    own = [e.primitive is guard for body in bodies for e in body.equations]
    return sum(own) + sum(map(guards_inside, bodies))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_leaves_at_the_same_guard_with_the_same_value(name, kind):
    failed = passed = 0
    for seed in (1, 2):
        first, *others = inputs(seed)
        program = traced(name, kind, first)
        rolled, better = reroll(program), rewritten(program)
        assert program.guards == rolled.check().guards == better.check().guards > 0
        for x in (first, *others):
            wanted = outcome(Evaluator(program).run, x)
            assert same(outcome(Evaluator(rolled).run, x), wanted)
            assert same(outcome(Evaluator(better).run, x), wanted)
            passed += isinstance(wanted, list)
            failed += isinstance(wanted, tuple)
    assert passed > 1
    assert failed > 5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LOOPS)
def test_native_code_leaves_at_the_same_guard_with_the_same_value(name, kind):
    pytest.importorskip("llvmlite")
    from wengert.compile import build

    first, *others = inputs(1)
    program = traced(name, kind, first)
    native = build(program)
    for x in (first, *others):
        assert same(outcome(native.run, x), outcome(Evaluator(program).run, x))


UNIFORM = ["bisection", "damped_newton", "loop_in_a_loop", "masks", "clipped"]


@pytest.mark.parametrize("name", UNIFORM)
def test_guards_are_rolled_up(name):
    program = traced(name, "value", np.full(SIZE, 0.5))
    rolled = rewritten(program)
    assert len(rolled.equations) < 60
    assert guards_inside(rolled) > 0
    assert sum(e.primitive is guard for e in rolled.equations) <= 8


def test_values_that_differ_from_round_to_round_are_stacked():
    x = inputs(1)[0]
    program = traced("bisection", "value", x)
    met = [bool(e.inputs[1].value) for e in program.equations if e.primitive is guard]
    assert 5 < sum(met) < 35
    (found,) = [e for e in rewritten(program).equations if e.primitive is scan_primitive]
    constants = [a.value for a in found.inputs if isinstance(a, Literal) and a.type.shape]
    assert [c.tolist() for c in constants if c.dtype == bool] == [met[1:]]


def test_the_code_is_as_long_for_more_rounds():
    def walk(n):
        def f(x):
            s = x[0]
            for i in range(n):
                s = s - 0.1 * np.sin(s)
                if s < 0:
                    s = -s
                s = s + x[i]
            return s

        return wg.jit(f).lower(np.full(n, 0.5))

    short, long = (rewritten(walk(n)) for n in (50, 500))
    assert len(long.equations) == len(short.equations) < 12
    assert long.guards == 500


def guarded(f, *values):
    """A Program in which every comparison is asked for, and found to be true."""
    program = wg.trace(f)(*values)
    equations: list[Any] = []
    for equation in program.equations:
        equations.append(equation)
        if equation.primitive is logic.greater:
            wanted = Literal(np.True_)
            equations.append(Equation(guard, (*equation.outputs, wanted), {}, ()))
    return Program(program.inputs, tuple(equations), program.outputs)


def test_what_could_raise_stays_behind_the_guards():
    def f(x, m):
        s = x[0]
        for i in range(20):
            s = s + (x[i] > 0) * 1.0
            s = s * np.linalg.det(np.linalg.inv(m)) + np.cos(m[0, 0])
        return s

    x, m = np.ones(20), np.eye(2)
    program = guarded(f, x, m)
    rolled = reroll(program)
    assert guards_inside(rolled) == 1
    singular, wrong = np.zeros((2, 2)), np.zeros(20)
    assert outcome(Evaluator(program).run, wrong, singular)[0] == 0
    assert outcome(Evaluator(rolled).run, wrong, singular)[0] == 0
    with pytest.raises(np.linalg.LinAlgError):
        Evaluator(rolled).run([x, singular])
    names = [e.primitive.name for e in rolled.equations]
    assert "cos" in names
    assert "inv" not in names


def test_a_loop_that_never_ends_is_not_entered_before_the_guards():
    def f(x, y):
        s = x[0]
        for i in range(20):
            s = s + (x[i] > 0) * 1.0
            s = s + wg.while_loop(lambda t: t > 0, lambda t: t - y, y * 8)
        return s

    program = guarded(f, np.ones(20), 1.0)
    rolled = reroll(program)
    assert guards_inside(rolled) == 1
    # With y = inf the inner loop would run for ever.
    found = outcome(Evaluator(rolled).run, np.zeros(20), np.float64(np.inf))
    assert found[0] == 0
    pytest.importorskip("llvmlite")
    from wengert.compile import build

    assert outcome(build(program).run, np.zeros(20), np.float64(np.inf))[0] == 0


def test_the_same_guard_in_every_round_keeps_its_numbers():
    def f(x):
        s = x[0]
        for _ in range(20):
            s = np.sin(s) + (x[1] > 0) * 1.0
            s = s * (s > -5)
        return s

    program = guarded(f, np.ones(2))
    rolled = reroll(program)
    assert rolled.guards == program.guards == 40
    assert guards_inside(rolled) == 2
    x = np.array([-9.0, 1.0])
    assert outcome(Evaluator(rolled).run, x) == outcome(Evaluator(program).run, x)


def test_a_guard_in_a_loop_is_explained():
    pytest.importorskip("llvmlite")
    found = wg.explain(LOOPS["bisection"], np.full(SIZE, 0.5), compiled=True)
    rows = [row.text for row in found.rows if row.how == "guard"]
    assert rows[-1] == "guard 1 of each step"
