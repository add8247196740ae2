"""Loops that were written out become loops again, and compute the same to the bit."""

from __future__ import annotations

import cProfile
import pstats

import numpy as np
import pytest

import wengert as wg
from support import slow, thinned
from wengert.compile.reroll import reroll
from wengert.compile.rewrite import rewritten
from wengert.control.scan import scan_primitive
from wengert.evaluate import evaluate
from wengert.primitives.guard import guard
from wengert.program import Equation, Literal, Program

LOOPS = {}


def loop(shape):
    """Decorator: a function of n and x, which for n rounds takes an x of this shape."""

    def register(f):
        LOOPS[f.__name__] = f, shape
        return f

    return register


def at(name, n, dtype=np.float64):
    """The function for n rounds, and an argument."""
    f, shape = LOOPS[name]
    lengths = tuple(n if length is None else length for length in shape)
    x = np.asarray(np.random.default_rng(1).normal(size=lengths), dtype)[()]
    return (lambda x: f(n, x)), x


def drawn(*shape, seed=2):
    return np.random.default_rng(seed).normal(size=shape)


# -- loops as people write them --------------------------------------------------------------------


@loop(())
def recurrence(n, x):
    y = x
    for _ in range(n):
        y = y + 0.01 * np.sin(y)
    return y


@loop((5, 5))
def network(n, w):
    data, h, loss = drawn(n, 5), np.zeros(5), 0.0
    for k in range(n):
        h = np.tanh(w @ h + data[k])
        loss = loss + np.sum(h * h)
    return loss


@loop((None, 5))
def inputs_of_a_network(n, x):
    w, h = drawn(5, 5), np.zeros(5)
    for k in range(n):
        h = np.tanh(w @ h + x[k])
    return np.sum(h)


@loop((3,))
def runge_kutta(n, y):
    h = 0.1

    def f(y):
        return np.sin(y) * y

    for _ in range(n):
        k1 = f(y)
        k2 = f(y + h / 2 * k1)
        k3 = f(y + h / 2 * k2)
        k4 = f(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return np.sum(y)


@loop((None,))
def rosenbrock(n, x):
    total = 0.0
    for i in range(n - 1):
        total = total + 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return total


@loop((None,))
def horner(n, x):
    t, value = np.linspace(-1, 1, 5), np.zeros(5)
    for coefficient in x[::-1]:
        value = value * t + coefficient
    return 0.5 * np.sum((np.sign(t) - value) ** 2)


@loop((10,))
def heat(n, u):
    for _ in range(n):
        u = u.copy()
        u[1:-1] = u[1:-1] + 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])
    return np.sum(u**2)


@loop(())
def two_delays(n, x):
    a, b = x, 1.0
    for _ in range(n):
        a, b = np.sin(a) + b * x, a
    return a


@loop((None,))
def list_that_is_stacked(n, x):
    found, y = [], x[0]
    for k in range(n):
        y = np.sin(y) + x[k]
        found.append(y)
    return np.sum(np.stack(found) ** 2)


@loop((None, 2))
def list_that_is_stacked_behind(n, x):
    found, y = [], x[0]
    for k in range(n):
        y = np.sin(y) + x[k]
        found.append(y)
    return np.sum(np.stack(found, axis=1) @ np.arange(1.0 * n))


@loop((None,))
def list_that_is_summed(n, x):
    found, y = [], x[0]
    for k in range(n):
        y = np.sin(y) + x[k]
        found.append(y)
    return sum(found)


@loop((None,))
def assignments(n, x):
    y = x * 1.0
    for k in range(1, n):
        y[k] = y[k - 1] * 0.5 + np.sin(x[k])
    return np.sum(y**2)


@loop((None,))
def dynamic_programming(n, x):
    take, skip = x[0], 0.0
    for k in range(1, n):
        take, skip = skip + x[k], np.maximum(take, skip)
    return np.maximum(take, skip)


@loop((None,))
def alternation(n, x):
    y = x[0]
    for k in range(2 * (n // 2)):
        y = np.sin(y) + x[k] if k % 2 else y * y * 0.1 - np.cos(x[k])
    return y


@loop((None, 9))
def loop_in_a_loop(n, x):
    total, t = 0.0, 1.0
    for i in range(n):
        for j in range(9):
            total = total + np.sin(x[i, j]) * t
        t = np.cos(total)
    return total + t


@loop((None,))
def two_halves_of_a_step(n, x):
    a, b = x[0], x[1]
    for _ in range(n):
        a = a + 0.1 * np.sin(b)
        b = b - 0.1 * np.sin(a)
    return a * b


@loop(())
def numbers_that_count(n, x):
    y = x
    for k in range(n):
        y = np.sin(y) * k + 0.1 * k
    return y


@loop((60,))
def places_in_no_order(n, x):
    edges, total = np.random.default_rng(3).integers(60, size=(n, 2)).tolist(), 0.0
    for i, j in edges:
        total = total + np.sin(x[i] - x[j])
    return total


@loop((3, None))
def columns(n, x):
    y = np.zeros(3)
    for k in range(n):
        y = np.tanh(y + x[:, k]) + x[0, -k - 1]
    return np.sum(y)


@loop((1000,))
def parts(n, x):
    y = np.zeros(3)
    for k in range(n):
        y = np.tanh(y + x[3 * k : 3 * k + 3]) * x[k : k + 3] + x[2 * k : 2 * k + 1]
    return np.sum(y)


@loop((None, 4))
def what_does_not_change(n, x):
    total, w = 0.0, drawn(4, 4)
    for k in range(n):
        total = total + np.sum(np.sin(w @ w) @ x[k] / x.shape[0])
    return total


KINDS = {
    "value": lambda f: f,
    "gradient": wg.grad,
    "curvature": lambda f: lambda x: wg.jvp(wg.grad(f), (x,), (np.ones_like(x),)),
}


def traced(name, kind, n):
    f, x = at(name, n)
    return wg.trace(KINDS[kind](f))(x), x


def bits(values):
    return [(np.asarray(v).dtype, np.shape(v), np.asarray(v).tobytes()) for v in values]


def length(program):
    """The number of equations, those in loops too."""
    inside = [p for e in program.equations for _, p in e.primitive.programs(e.params)]
    return len(program.equations) + sum(map(length, inside))


def loops_of(program):
    return [e for e in program.equations if e.primitive is scan_primitive]


def check(program, values):
    """The Program rolled up, which is sound and computes the same."""
    rolled = reroll(program)
    rolled.check()
    for equation in loops_of(rolled):
        equation.params["program"].check()
    assert bits(evaluate(rolled, values)) == bits(evaluate(program, values))
    return rolled


@pytest.mark.parametrize(
    "kind", [slow(k, reason="second derivatives") if k == "curvature" else k for k in KINDS]
)
@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_computes_the_same_to_the_bit_and_is_as_long_for_more_rounds(name, kind):
    lengths: list[int] = []
    for n in (66, 74):
        program, x = traced(name, kind, n)
        lengths.append(length(check(program, [x])))
    assert lengths[0] == lengths[1] < 420


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_is_one_equation_and_a_few_around_it(name):
    program, x = traced(name, "value", 66)
    rolled = check(program, [x])
    assert len(loops_of(rolled)) >= 1
    around = 60 if name == "loop_in_a_loop" else 25
    assert len(rolled.equations) <= around


@pytest.mark.parametrize("name", ["recurrence", "rosenbrock", "assignments"])
def test_the_work_is_proportional_to_the_number_of_equations(name):
    def calls(n):
        program, _ = traced(name, "gradient", n)
        profile = cProfile.Profile()
        profile.runcall(reroll, program)
        return sum(row[1] for row in pstats.Stats(profile).stats.values())

    assert calls(240) < 2.5 * calls(120)


def test_the_second_half_of_a_derivative_goes_backwards_over_what_the_first_has_stacked():
    program, _ = traced("recurrence", "gradient", 100)
    forward, backward = loops_of(reroll(program))
    assert not forward.params["reverse"]
    assert backward.params["reverse"]
    assert forward.params["length"] - backward.params["length"] <= 2
    assert forward.outputs[-1].type.shape == (100,)


def test_loops_in_a_loop_are_rolled_up_first():
    def f(x):
        total = 0.0
        for i in range(30):
            for j in range(70):
                total = total + np.sin(x[i, j]) * 0.5
            total = np.cos(total)
        return total

    x = drawn(30, 70)
    rolled = check(wg.trace(f)(x), [x])
    assert len(rolled.equations) < 20
    assert any(loops_of(e.params["program"]) for e in loops_of(rolled))


# -- what stays as it is ---------------------------------------------------------------------------


def test_a_program_that_does_not_repeat_itself_comes_back_as_it_is():
    def f(x):
        rng = np.random.default_rng(0)
        values = [x, np.sin(x)]
        ops = [np.sin, np.cos, np.exp, np.tanh, np.add, np.multiply, np.subtract, np.maximum]
        for _ in range(300):
            op = ops[rng.integers(len(ops))]
            values.append(op(*(values[rng.integers(len(values))] for _ in range(op.nin))))
        return values[-1]

    program = wg.trace(f)(0.5)
    assert reroll(program) is program


@pytest.mark.parametrize("name", ["recurrence", "horner"])
def test_few_rounds_stay_as_they_are(name):
    program, _ = traced(name, "value", 7)
    assert reroll(program) is program


def test_a_sum_of_unlike_things_stays_as_it_is():
    def f(x):
        terms = [np.sin(x), np.cos(x) * x, np.exp(x), x**3, np.tanh(x * 2), x / 3.0] * 30
        order = np.random.default_rng(0).permutation(len(terms))
        return sum(terms[i] for i in order)

    program = wg.trace(f)(0.5)
    assert bits(evaluate(reroll(program), [0.5])) == bits(evaluate(program, [0.5]))
    assert not any(e.params["length"] > 30 for e in loops_of(reroll(program)))


def test_guards_keep_their_number_and_their_order():
    program = wg.trace(lambda x: recurrence(100, x))(0.5)
    equations = []
    for number, equation in enumerate(program.equations):
        equations.append(equation)
        if number in (40, 150, 250):
            equations.append(
                Equation(guard, (*equation.outputs, Literal(np.float64(number))), {}, ())
            )
    guarded = Program(program.inputs, tuple(equations), program.outputs)
    rolled = reroll(guarded)
    found = [e.inputs[1].value for e in rolled.equations if e.primitive is guard]
    assert found == [40, 150, 250]
    assert len(loops_of(rolled)) >= 2
    assert not any(e.primitive is guard for s in loops_of(rolled) for e in inside(s))


def inside(equation):
    return equation.params["program"].equations


# -- numbers ---------------------------------------------------------------------------------------


def test_python_numbers_stay_as_weak_as_they_are():
    def f(x):
        y = x
        for k in range(80):
            y = np.sin(y) * (0.1 * k) + 0.3
        return y

    x = np.float32([0.1, 0.2])
    rolled = check(wg.trace(f)(x), [x])
    assert loops_of(rolled)


def test_a_comparison_with_a_number_keeps_its_precision():
    def f(x):
        total = np.float32(0.0)
        for k in range(80):
            total = np.where(x[k] < 0.1, total + np.float32(1), total)
        return total

    x = np.full(80, 0.1, np.float32)
    check(wg.trace(f)(x), [x])


@pytest.mark.parametrize("exponents", [range(1, 81), np.linspace(0.5, 3, 80).tolist(), [2] * 80])
def test_powers(exponents):
    def f(x):
        total = 0.0
        for k in exponents:
            total = total + x**k * 0.5
        return total

    for x in (0.7, np.array([0.7, 1.1])):
        check(wg.trace(f)(x), [x])


def test_constants_are_told_apart_by_their_bits():
    values = [0.0, -0.0] * 40

    def f(x):
        total = x
        for v in values:
            total = np.copysign(total, v * np.ones(2)) + v * total
        return total

    x = np.array([0.5, 2.0])
    check(wg.trace(f)(x), [x])


def test_first_and_last_rounds_may_be_unlike_the_others():
    def f(x):
        y = np.cos(x[0]) * x[1]
        for k in range(100):
            if k == 0:
                y = np.exp(y) + x[0]
            y = np.sin(y) * x[k]
            if k >= 98:
                y = y - x[3]
        return y

    x = drawn(100)
    program = wg.trace(wg.grad(f))(x)
    assert length(check(program, [x])) < 120


def test_results_of_single_rounds_are_read_after_the_loop():
    def f(x):
        found = [x]
        for _ in range(100):
            found.append(np.sin(found[-1]) + 0.5)
        return found[3], found[50] * found[51], found[-1], found[-2]

    program = wg.trace(f)(0.5)
    check(program, [0.5])


def test_a_value_that_is_read_after_the_loop_only_is_not_stacked():
    def f(x):
        y = x
        for _ in range(100):
            z = np.cos(y)
            y = y + 0.1 * z
        return y * z

    x = drawn(4)
    rolled = check(wg.trace(f)(x), [x])
    (found,) = loops_of(rolled)
    assert [var.type.shape for var in found.outputs] == [(4,), (4,)]


# -- random loops ----------------------------------------------------------------------------------


def random_loop(seed):
    """A function of a vector and a matrix, with a loop whose body is drawn by lot."""
    rng = np.random.default_rng(seed)
    n, states = int(rng.integers(8, 40)), int(rng.integers(1, 4))
    body = [(int(rng.integers(8)), *map(int, rng.integers(100, size=3))) for _ in range(6)]
    inner = int(rng.integers(0, 12))
    period = int(rng.integers(1, 3))
    places = rng.integers(50, size=n).tolist()

    def f(x, m):
        s = [x[i] * 1.0 for i in range(states)]
        table = x * 0.5
        kept = []
        for k in range(n):
            for op, a, b, c in body:
                i, j = a % states, b % states
                index = [k, 49 - k, places[k], (k + c) % 50, c % 50, k // 2][c % 6]
                if op == 0:
                    s[i] = np.sin(s[j]) + x[index]
                elif op == 1:
                    s[i] = s[i] * 0.5 + s[j] * (0.01 * (k if c % 2 else c))
                elif op == 2:
                    s[i] = np.maximum(s[i], x[index] - s[j])
                elif op == 3:
                    table[index] = table[(index + 1) % 50] * 0.3 + s[j]
                elif op == 4:
                    s[i] = s[i] + np.sum(m[index % 20, c % 3 : c % 3 + 2] * m[k % 20, 1])
                elif op == 5 and k % period == 0:
                    s[i] = np.tanh(s[j] + table[index])
                elif op == 6:
                    for r in range(inner):
                        s[i] = s[i] + np.cos(m[k % 20, r % 4] * s[j]) * 0.1
                elif op == 7:
                    s[i] = np.sum(np.tanh(m[:, c % 4] * s[j])) * 0.05
            kept.append(s[0])
        return np.sum(np.stack(kept)) + np.sum(table) + s[-1]

    return f


@pytest.mark.parametrize("seed", thinned(range(24), 4, "more random loops"))
def test_random_loops(seed):
    f = random_loop(seed)
    x, m = drawn(50), drawn(20, 4)
    for g in (f, wg.grad(f, argnums=(0, 1))):
        check(wg.trace(g)(x, m), [x, m])


# -- native code -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", thinned(LOOPS, 2, "more kinds of loops in native code"))
def test_native_code(name):
    pytest.importorskip("llvmlite")
    from wengert.compile.native import build

    program, x = traced(name, "gradient", 66)
    native = build(program)
    for found, wanted in zip(native.run([x]), evaluate(program, [x]), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("seed", thinned(range(0, 24, 8), 3, "more random loops"))
def test_native_code_of_random_loops(seed):
    pytest.importorskip("llvmlite")
    from wengert.compile.native import build

    f = random_loop(seed)
    x, m = drawn(50), drawn(20, 4)
    program = wg.trace(wg.value_and_grad(f, argnums=(0, 1)))(x, m)
    for found, wanted in zip(build(program).run([x, m]), evaluate(program, [x, m]), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-10)


def test_thousands_of_rounds_are_compiled():
    pytest.importorskip("llvmlite")
    from wengert.compile.native import build

    def f(x):
        y = x
        for _ in range(3000):
            y = y + 1e-4 * np.sin(y)
        return y

    program = wg.trace(wg.grad(f))(0.5)
    assert length(rewritten(program)) < 30
    native = build(program)
    assert len(native.ir) < 30_000
    wanted = wg.grad(f)(0.5)
    np.testing.assert_allclose(native.run([np.float64(0.5)])[0], wanted, rtol=1e-9)
