"""Control flow that depends on data, against the interpreter, on random inputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from jitted_calls import agree, same

import wengert as wg


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
    f = wg.jit(lambda x: x * float(x[0]))

    def many() -> None:
        for x in np.random.default_rng(4).normal(size=(300, 2)):
            same(f(x), x * x[0])

    with pytest.warns(wg.errors.JitWarning, match="new path"):
        many()
    assert not f.paths()


def test_what_is_guarded_by_value_is_not_differentiated() -> None:
    with pytest.raises(wg.errors.TracedArrayError):
        wg.grad(wg.jit(lambda x: x * float(x)))(2.0)


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
