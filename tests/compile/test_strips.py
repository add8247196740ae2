"""Loops over large arrays done strip by strip: what is cut, what is not, and that numbers stay."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from support import rounding
from wengert.compile import build, strips
from wengert.compile.rewrite import rewritten
from wengert.evaluate import evaluate
from wengert.transforms.simplify import simplify

RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def _small_loops_count(monkeypatch):
    monkeypatch.setattr(strips, "WORTH", 1)
    monkeypatch.setattr(strips, "CACHED", 1 << 14)


def program_of(f, *arrays):
    return wg.trace(wg.value_and_grad(f, tuple(range(len(arrays)))))(*arrays)


def kept(program):
    """Bytes of the largest value, in loops too."""
    sizes = [0]
    for equation in program.equations:
        sizes += [var.type.size * var.type.dtype.itemsize for var in equation.outputs]
        sizes += [kept(inner) for _, inner in equation.primitive.programs(equation.params)]
    return max(sizes)


def loops(program):
    return [e for e in program.equations if e.primitive.name == "scan"]


def check(f, *arrays):
    """That the function's gradient is the same when it is cut; both Programs.

    What is rounded in a step is small beside the largest number: the steps enlarge nothing much.
    """
    program = simplify(program_of(f, *arrays))
    cut = strips.stripped(program).check()
    want = evaluate(program, arrays)
    tolerance = rounding(kept(program) // 8)
    for found in (evaluate(cut, arrays), build(program).run(list(arrays))):
        for x, y in zip(found, want, strict=True):
            scale = np.max(np.abs(y))
            np.testing.assert_allclose(x, y, rtol=0, atol=tolerance * scale)
    return program, cut


def steps(function, number):
    def looped(*arrays):
        total = wg.fori_loop(0, number, lambda _, state: function(*state), arrays)
        return np.sum(total[0] ** 2)

    return looped


@pytest.mark.parametrize("n", [512, 513, 777, 64])
def test_what_a_loop_keeps_is_that_of_one_strip(n):
    f = steps(lambda x: (np.sin(x) + 0.1 * x,), 40)
    before, after = check(f, RNG.normal(size=n))
    assert kept(before) == 40 * n * 8
    assert kept(after) <= max(40 * 8 * 64, n * 8)
    assert len(loops(before)) == 2


def test_several_arrays_are_carried_through_together():
    def step(x, v):
        v = v - 0.01 * np.sin(x)
        return x + 0.01 * v, v

    before, after = check(steps(step, 30), RNG.normal(size=300), RNG.normal(size=300))
    assert kept(after) < kept(before) / 3


def test_arrays_may_have_further_axes():
    def step(x):
        left, right = x[:, 0], x[:, 1]
        return (np.stack([np.cos(right), left * 0.5, np.sum(x, axis=1)], axis=1),)

    before, after = check(steps(step, 20), RNG.normal(size=(200, 3)))
    assert kept(after) < kept(before) / 2


def test_the_axis_may_be_the_last():
    def step(x):
        return (np.concatenate([np.sin(x[1:]), x[:1] * 0.5]),)

    arrays = RNG.normal(size=(256, 3))

    def f(x):
        return steps(step, 20)(x.T)

    before, after = check(f, arrays)
    assert kept(after) < kept(before)


def test_slices_of_stacked_arrays_and_constants_are_cut_too():
    drive, weight = RNG.normal(size=(25, 400)), RNG.uniform(-1.0, 1.0, size=400)

    def f(x, drive, scale):
        def step(x, now):
            return np.tanh(x + scale * now) * weight, None

        return np.sum(wg.scan(step, x, drive)[0])

    before, after = check(f, RNG.normal(size=400), drive, np.float64(0.3))
    # Each step's part of the derivative for the one number is a sum over all strips.
    assert kept(after) <= kept(before)


def test_a_constant_array_in_the_step_is_cut():
    drive, weight = RNG.normal(size=(25, 400)), RNG.uniform(-1.0, 1.0, size=400)

    def f(x):
        def step(x, now):
            return np.tanh(x + 0.5 * now) * weight, None

        return np.sum(wg.scan(step, x, drive)[0])

    before, after = check(f, RNG.normal(size=400))
    assert kept(before) >= 25 * 400 * 8
    assert len(loops(after)) == 1


def test_a_loop_in_a_loop():
    def step(x):
        return (wg.fori_loop(0, 3, lambda i, y: np.sin(y) + 0.01 * i, x) + 0.1 * x,)

    before, after = check(steps(step, 12), RNG.normal(size=300))
    assert kept(after) < kept(before) / 3


@pytest.mark.parametrize(
    "step",
    [
        lambda x: (x - np.mean(x),),
        lambda x: (x[::-1] * 0.5,),
        lambda x: (np.roll(x, 1) * 0.5,),
        lambda x: (x * np.cumsum(x)[-1] * 1e-3,),
    ],
)
def test_steps_that_mix_elements_are_left_as_they_are(step):
    before, after = check(steps(step, 10), RNG.normal(size=200))
    assert after == before


def test_a_sum_between_the_loops_keeps_them_apart():
    def f(x):
        end = wg.fori_loop(0, 20, lambda _, x: np.sin(x) + 0.1 * x, x)
        return np.log(np.sum(end**2))

    before, after = check(f, RNG.normal(size=200))
    assert after == before


def test_what_the_loop_gives_anyway_is_left_as_it_is():
    def f(x):
        def step(x, _):
            x = np.sin(x) + 0.1 * x
            return x, x

        return np.sum(wg.scan(step, x, length=20)[1] ** 2)

    program = simplify(wg.trace(f)(RNG.normal(size=300)))
    assert kept(strips.stripped(program)) <= kept(program)


def test_dtypes_and_infinities_go_through():
    x = np.concatenate([RNG.normal(size=300), [np.inf, -np.inf, np.nan, 0.0]])

    def f(x):
        def step(_, state):
            x, hits = state
            hits = hits + (x > 0)
            return np.where(x > 0, np.float32(0.5) * x, x + np.float32(1.0)), hits

        end, hits = wg.fori_loop(0, 20, step, (x, np.zeros(x.shape, np.int64)))
        return np.sum(np.where(np.isfinite(end), end, np.float32(0)) * hits)

    for dtype in (np.float64, np.float32):
        array = x.astype(dtype)
        program = simplify(program_of(f, array))
        cut = strips.stripped(program)
        want = evaluate(program, [array])
        for found in (evaluate(cut, [array]), build(program).run([array])):
            for a, b in zip(found, want, strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_allclose(a, b, rtol=1e-5 if dtype == np.float32 else 1e-13)


def test_a_guard_stays_before_what_it_stands_before():
    x = RNG.normal(size=300) + 5.0

    @wg.jit(wait=True)
    def f(x):
        if x[0] > 0:
            x = x * 2.0
        y = wg.fori_loop(0, 10, lambda _, x: np.sin(x), x)
        return np.sum(y) if x[1] > 0 else np.sum(y) * 2.0

    gradient = wg.jit(wg.grad(f), wait=True)
    plain = wg.grad(f.function)
    for sign in (x, -x, np.where(np.arange(300) == 1, -x, x)):
        np.testing.assert_allclose(gradient(sign), plain(sign), rtol=1e-12)


def test_python_loops_are_cut_when_they_have_been_rolled_up():
    def f(x):
        for _ in range(100):
            x = np.sin(x) + 0.1 * x
        return np.sum(x)

    x = RNG.normal(size=500)
    program = wg.trace(wg.grad(f))(x)
    assert kept(rewritten(program)) < 100 * 500 * 8
    np.testing.assert_allclose(build(program).run([x])[0], wg.grad(f)(x), rtol=1e-12)
