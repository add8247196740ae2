"""Control flow that depends on data, against the interpreter, on random inputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from ctypes import c_double
from typing import Any

import numpy as np
import pytest
from jitted_calls import agree, same

import wengert as wg
from support import slow, thinned
from wengert.errors import GuardFailed
from wengert.jit.execute import Executable


def branches(x: Any) -> Any:
    if x[0] > 0:
        return np.sum(x) if x[1] > x[2] else np.prod(x) * x[0]
    return np.max(x) if np.any(x > 1) else x[1] - x[2]


def newton(x: Any) -> Any:
    a = abs(x[0]) + 0.1
    y = a
    while abs(y * y - a) > 1e-9 * a:
        y = (y + a / y) / 2
    return y


def counted(x: Any) -> Any:
    total = x[0]
    for i in range(int(abs(x[1]) * 3)):
        total = np.sin(total) + i * x[2]
    return total


def indexed(x: Any) -> Any:
    return x[np.argmax(x)] * x[int(x[0] > 0) - 1] + x[: 1 + int(x[1] > 0)].sum()


def masked(x: Any) -> Any:
    return np.sum(x[x > 0]) + len(np.nonzero(x < 0)[0])


def sorts(x: Any) -> Any:
    return np.stack(sorted(x)) * min(x)


def raising(x: Any) -> Any:
    if x[0] < 0:
        raise ValueError("negative")
    return x * 2


def asserting(x: Any) -> Any:
    try:
        return raising(x)
    except ValueError:
        return -x


def member(x: Any) -> Any:
    return (1.0 in np.sign(x), [v for v in x if v > 0])


FUNCTIONS = [branches, newton, counted, indexed, masked, sorts, raising, asserting, member]


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_every_call_takes_its_own_branch(f: Callable[..., Any]) -> None:
    rng = np.random.default_rng(1)
    agree(f, *[(rng.normal(size=3),) for _ in range(40)])


@pytest.mark.parametrize("f", [branches, newton, counted, indexed, masked])
@pytest.mark.parametrize("verb", [wg.grad, wg.value_and_grad, wg.hessian])
def test_derivatives_follow_the_branch(f: Callable[..., Any], verb: Any) -> None:
    rng = np.random.default_rng(2)
    jitted, inner = wg.jit(verb(f), wait=True), verb(wg.jit(f))
    for _ in range(12):
        x = rng.normal(size=3)
        wanted = verb(f)(x)
        same(jitted(x), wanted, 1e-8)
        same(inner(x), wanted, 1e-8)


def test_a_value_that_is_asked_for_twice_is_guarded_once() -> None:
    def f(x: Any) -> Any:
        positive = x[0] > 0
        return x if positive and positive and bool(positive) else -x

    program = wg.jit(f).lower(np.ones(2))
    assert sum(e.primitive.name == "guard" for e in program.equations) == 1


def test_paths_are_used_again() -> None:
    f = wg.jit(branches, wait=True)
    rng = np.random.default_rng(3)
    for _ in range(50):
        f(rng.normal(size=3))
    assert 2 <= len(f.paths()) <= 5


def test_guards_tell_zeros_and_nan_apart() -> None:
    agree(lambda x: math.copysign(1.0, x[0]) * x, *[(np.array([v]),) for v in (0.0, -0.0, 2.0)])
    agree(lambda x: float(x[0]), *[(np.array([v]),) for v in (math.nan, 1.0, math.nan)])


def test_new_paths_at_every_call_end_in_plain_calls() -> None:
    f = wg.jit(lambda x: x * c_double(x[0]).value)

    def many() -> None:
        for x in np.random.default_rng(4).normal(size=(300, 2)):
            same(f(x), x * x[0])

    with pytest.warns(wg.errors.JitWarning, match="new path"):
        many()
    assert not f.paths()


def test_what_is_guarded_by_value_is_not_differentiated() -> None:
    with pytest.raises(wg.errors.TracedArrayError):
        wg.grad(wg.jit(lambda x: x * c_double(x).value))(2.0)


@pytest.mark.parametrize(
    ("f", "calls"),
    [
        (lambda x, b: np.digitize(x, b), [(np.ones(2), [0.0, 1.0]), (np.ones(2), [1.0, 0.0])]),
        (
            lambda a: np.linalg.lstsq(a, np.ones(3))[2],
            [(np.eye(3),), (np.diag([1.0, 1, 0]),)],
        ),
        (
            lambda a: np.linalg.eig(a)[0],
            [(np.array([[1.0, 2], [2, 1]]),), (np.array([[0.0, 1], [-1, 0]]),)],
        ),
        (np.real_if_close, [(np.ones(2) + 0j,), (np.ones(2) + 1j,)]),
    ],
)
def test_functions_that_decide_by_value(f: Callable[..., Any], calls: Any) -> None:
    agree(f, *[tuple(np.asarray(a) for a in call) for call in calls])


# -- loops -----------------------------------------------------------------------------------------


def bouncing(x: Any) -> Any:
    y, v = x[0] + 1, x[1]
    for _ in range(80):
        v = v - 0.1
        y = y + v * 0.1
        if y < 0:
            y, v = -y, -v * 0.8
    return y + v * x[2]


def relaxed(x: Any) -> Any:
    a = abs(x[0]) + 0.01
    y, steps = a, 0
    while abs(y * y - a) > 1e-7 * a:
        y, steps = y - 0.4 * (y * y - a) / y, steps + 1
    return y * steps


def bisected(x: Any) -> Any:
    low, high = x[0] * 0 - 4, x[0] * 0 + 4
    for _ in range(30):
        middle = (low + high) / 2
        if middle**3 + middle > x[1] * 4:
            high = middle
        else:
            low = middle
    return low + high * x[2]


def best(x: Any) -> Any:
    found, place = x[0], 0
    for i in range(1, 40):
        value = np.sin(i * x[1]) * x[2]
        if value > found:
            found, place = value, i
    return found * place


def capped(x: Any) -> Any:
    y = np.concatenate([x, x * 2, x - 1])
    for _ in range(30):
        y = y * 1.1 + 0.01 * np.roll(y, 1)
        if np.max(abs(y)) > 8:
            y = y / 2
    return np.sum(y * y)


def escaping(x: Any) -> Any:
    c = x[0] * 0.6 + 1j * x[1] * 0.6
    z = c * 0
    for n in range(50):
        z = z * z + c
        if abs(z) > 2:
            return abs(z) + n
    return z.real * x[2]


ROLLED = [bouncing, relaxed, bisected, best, capped, escaping]


@pytest.mark.parametrize("f", thinned(ROLLED, 2, "more loops"), ids=lambda f: f.__name__)
def test_loops_with_guards(f: Callable[..., Any]) -> None:
    rng = np.random.default_rng(5)
    start = rng.normal(size=3)
    near = [start * (1 + 10.0**-k * rng.normal(size=3)) for k in range(2, 14)]
    agree(f, *[(x,) for x in (start, *near, *rng.normal(size=(8, 3)), np.full(3, np.nan))])


@pytest.mark.parametrize(
    "f", [relaxed, *(slow(f, reason="more loops") for f in (bouncing, capped))]
)
def test_gradients_of_loops_with_guards(f: Callable[..., Any]) -> None:
    rng = np.random.default_rng(6)
    start = rng.normal(size=3)
    jitted, inner = wg.jit(wg.grad(f), wait=True), wg.grad(wg.jit(f))
    for x in [start, *(start + rng.normal(size=3) * 10.0**-k for k in range(8))]:
        wanted = wg.grad(f)(x)
        same(jitted(x), wanted, 1e-8)
        same(inner(x), wanted, 1e-8)


def test_steps_of_any_number() -> None:
    f = wg.jit(relaxed, wait=True)
    rng = np.random.default_rng(7)
    sizes = [np.array([10.0 ** rng.uniform(-2, 7), 0, 0]) for _ in range(60)]
    wanted = [relaxed(x) for x in sizes]
    for _ in range(2):
        for x, value in zip(sizes, wanted, strict=True):
            same(f(x), value)
    assert len(f.paths()) < 30


@pytest.mark.slow(reason="900 random paths")
def test_ten_branches_that_are_taken_by_chance() -> None:
    def f(x: Any) -> Any:
        total = x[0]
        for i in range(10):
            total = total * 0.5 + x[i] if x[i] > 0 else np.sin(total) - x[i]
        return total

    jitted = wg.jit(f)

    def many() -> None:
        for x in np.random.default_rng(8).normal(size=(900, 10)):
            same(jitted(x), f(x))

    with pytest.warns(wg.errors.JitWarning, match="new path"):
        many()
    assert not jitted.paths()


def test_codes_that_round_differently_do_not_lead_from_one_to_the_other_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def f(x: Any) -> Any:
        return x * 2 if x[0] > 0 else x * 3

    def never_holds(self: Executable, values: Any) -> Any:
        (expected,) = [repr(e.inputs[1]) for e in self.program.equations if e.guards]
        raise GuardFailed(0, np.bool_(expected == "False"))

    jitted, below = wg.jit(f), wg.grad(lambda x: np.sum(wg.jit(f)(x)))
    for x in (np.ones(2), -np.ones(2)):
        jitted(x)
        below(x)
    monkeypatch.setattr(Executable, "run", never_holds)
    for x in (np.ones(2), -np.ones(2)):
        same(jitted(x), f(x))
        same(below(x), np.full(2, 2.0 if x[0] > 0 else 3.0))
