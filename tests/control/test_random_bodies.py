"""Loops with random bodies: they and the same loops in Python agree in every route."""

# ruff: noqa: E731

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from programs import function, points, steps
from support import number_of_examples, slope

V = np.array([0.7, -0.2, 0.4])
CT = np.array([0.3, 1.1, -0.6])
WEIGHTS = np.array([0.9, -0.4, 1.3, 0.2])

Loop = Callable[..., Any]


def loops(recipe: Any, length: int, reverse: bool, checkpoints: int | None) -> tuple[Loop, Loop]:
    """A scan with this body, of array and slices to a number, and the same in Python."""
    body = function(recipe)

    def step(c: Any, x: Any) -> Any:
        new = body(0.8 * c + x * c[::-1])
        return new, np.sum(new * c) + x

    def f(c: Any, xs: Any) -> Any:
        last, ys = wg.scan(step, c, xs, reverse=reverse, checkpoints=checkpoints)
        return CT @ last + np.sum(ys**2)

    def g(c: Any, xs: Any) -> Any:
        total = 0.0
        for k in reversed(range(length)) if reverse else range(length):
            c, y = step(c, xs[k])
            total = total + y**2
        return CT @ c + total

    return f, g


def close(found: Any, wanted: Any) -> None:
    scale = 1 + np.max(np.abs(wanted), initial=0.0)
    np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-9 * scale)


@settings(max_examples=number_of_examples(8))
@given(steps, points, st.integers(0, 4), st.booleans(), st.sampled_from([None, 2]))
def test_scan_of_a_random_body(recipe, x, length, reverse, checkpoints):
    f, g = loops(recipe, length, reverse, checkpoints)
    xs = WEIGHTS[:length]
    close(f(x, xs), g(x, xs))
    for a, b in zip(wg.grad(f, (0, 1))(x, xs), wg.grad(g, (0, 1))(x, xs), strict=True):
        close(a, b)
    close(wg.jvp(f, (x, xs), (V, xs))[1], wg.jvp(g, (x, xs), (V, xs))[1])
    close(wg.hessian(f)(x, xs), wg.hessian(g)(x, xs))
    close(wg.jacfwd(wg.jacfwd(f))(x, xs), wg.hessian(g)(x, xs))
    batch = np.stack([x, x[::-1]])
    found = wg.vmap(wg.grad(f), in_axes=(0, None))(batch, xs)
    close(found, np.stack([wg.grad(g)(row, xs) for row in batch]))
    program = wg.trace(f)(x, xs)
    simple = wg.simplify(wg.transforms.vjp(program))
    value, x_bar, xs_bar = wg.evaluate(simple, [x, xs, np.float64(1.0)])
    close(value, g(x, xs))
    close(x_bar, wg.grad(g)(x, xs))
    close(xs_bar, wg.grad(g, 1)(x, xs))


@settings(max_examples=number_of_examples(8))
@given(steps, points, st.sampled_from([None, 2]))
def test_while_loop_of_a_random_body(recipe, x, checkpoints):
    body = function(recipe)

    def step(state: Any) -> Any:
        y, n, x = state
        return np.tanh(body(y)) + 0.5 * x, n + 1 + (y[0] > 0), x

    def going(state: Any) -> Any:
        y, n, _ = state
        return (n < 6) & (np.sum(y) < 3)

    def f(x: Any) -> Any:
        y, n, _ = wg.while_loop(going, step, (x, 0, x), checkpoints=checkpoints)
        return CT @ y * (1 + n)

    def g(x: Any) -> Any:
        state = (x, 0, x)
        while going(state):
            state = step(state)
        return CT @ state[0] * (1 + state[1])

    close(f(x), g(x))
    close(wg.grad(f)(x), wg.grad(g)(x))
    close(wg.jvp(f, (x,), (V,))[1], wg.jvp(g, (x,), (V,))[1])
    close(wg.hessian(f)(x), wg.hessian(g)(x))
    close(wg.jacrev(wg.grad(f))(x), wg.hessian(g)(x))
    batch = np.stack([x, x[::-1], 3.0 * x])
    close(wg.vmap(wg.grad(f))(batch), np.stack([wg.grad(g)(row) for row in batch]))
    close(wg.vmap(wg.hessian(f))(batch), np.stack([wg.hessian(g)(row) for row in batch]))
    simple = wg.simplify(wg.transforms.vjp(wg.simplify(wg.trace(f)(x))))
    close(wg.evaluate(simple, [x, np.float64(1.0)])[1], wg.grad(g)(x))


@settings(max_examples=number_of_examples(8))
@given(steps, steps, points)
def test_branches_with_random_bodies(first, second, x):
    a, b = function(first), function(second)

    def f(x: Any) -> Any:
        step = lambda c, i: (wg.cond(c[0] > c[1], a, b, 0.7 * c + i * x), None)
        return CT @ wg.scan(step, x, np.arange(3.0))[0]

    def g(x: Any) -> Any:
        c = x
        for i in range(3):
            c = (a if c[0] > c[1] else b)(0.7 * c + i * x)
        return CT @ c

    close(f(x), g(x))
    close(wg.grad(f)(x), wg.grad(g)(x))
    close(wg.hessian(f)(x), wg.hessian(g)(x))
    batch = np.stack([x, x[::-1]])
    close(wg.vmap(wg.grad(f))(batch), np.stack([wg.grad(g)(row) for row in batch]))


def test_random_bodies_agree_with_finite_differences():
    rng = np.random.default_rng(5)
    names = ["sin", "matrix", "softmax", "tanh", "cumsum"]
    for _ in range(10):
        recipe = [(str(rng.choice(names)), int(rng.integers(9))) for _ in range(4)]
        f, _ = loops(recipe, 3, False, None)
        x, xs = rng.normal(size=3), WEIGHTS[:3]
        (wanted,) = slope(lambda t: [f(x + t * V, xs)], 1e-3)  # noqa: B023
        np.testing.assert_allclose(wg.grad(f)(x, xs) @ V, wanted, rtol=1e-6, atol=1e-8)
