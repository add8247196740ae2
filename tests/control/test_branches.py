"""cond and switch: known and unknown choices, their derivatives, and what is not taken."""

# ruff: noqa: E731

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg

X = np.array([0.5, -2.0, 3.0, -0.1])


def taken(xs: Any) -> Any:
    def step(c: Any, x: Any) -> Any:
        return wg.cond(x > 0, lambda c, x: c * np.sqrt(x), lambda c, x: c * x + x, c, x), c

    c, ys = wg.scan(step, 1.0, xs)
    return c + np.sum(ys**2)


def taken_in_python(xs: Any) -> Any:
    c, total = 1.0, 0.0
    for x in xs:
        total = total + c**2
        c = c * np.sqrt(x) if x > 0 else c * x + x
    return c + total


VERBS = {
    "value": lambda f: f,
    "grad": wg.grad,
    "jacfwd": wg.jacfwd,
    "hessian": wg.hessian,
    "forward over forward": lambda f: wg.jacfwd(wg.jacfwd(f)),
    "reverse over reverse": lambda f: wg.jacrev(wg.grad(f)),
}


@pytest.mark.parametrize("verb", VERBS)
def test_branches_in_a_loop_are_those_of_python(verb):
    found = VERBS[verb](taken)(X)
    np.testing.assert_allclose(found, VERBS[verb](taken_in_python)(X), rtol=1e-12)
    rows = np.random.default_rng(0).normal(size=(5, 4))
    found = wg.vmap(VERBS[verb](taken))(rows)
    wanted = np.stack([VERBS[verb](taken_in_python)(row) for row in rows])
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_a_choice_that_is_known_calls_one_function():
    def never(x: Any) -> Any:
        raise AssertionError("this branch is not taken")

    assert wg.cond(True, np.sin, never, 1.0) == np.sin(1.0)
    assert wg.cond(np.array(0), never, np.sin, 1.0) == np.sin(1.0)
    assert wg.switch(np.int64(1), [never, np.sin], 1.0) == np.sin(1.0)
    assert wg.switch(-3, [np.sin, never], 1.0) == np.sin(1.0)
    assert wg.switch(7, [never, np.sin], 1.0) == np.sin(1.0)
    f = lambda x: wg.cond(x > 0, lambda x: x * x, never, x)
    assert wg.grad(f)(3.0) == 6.0
    assert wg.jvp(f, (3.0,), (1.0,)) == (9.0, 6.0)
    assert wg.grad(lambda x: wg.cond(x, lambda: x * x, never))(3.0) == 6.0


def test_what_a_branch_assigns_to_its_operands_does_not_reach_the_callers():
    def doubled(y):
        y[0] *= 2.0
        return y[:2]

    def f(x, choose):
        y = x * 1.0
        z = choose(y, {"y": y})
        z[1] = 7.0
        return np.sum(y**2) + np.sum(z * x[:2])

    def cond(y, _):
        return wg.cond(y[0] > 0.0, doubled, doubled, y)

    def switch(_, tree):
        return wg.switch(1, [doubled, lambda tree: doubled(tree["y"])], tree)

    x = np.array([1.0, 2.0, 3.0])
    for choose in (cond, switch):
        g = lambda x, choose=choose: f(x, choose)
        assert g(x) == wg.vmap(g)(x[None])[0] == wg.jit(g, wait=True)(x) == 14.0 + 2.0 + 14.0
        np.testing.assert_allclose(wg.grad(g)(x), [6.0, 11.0, 6.0])
        np.testing.assert_allclose(wg.jit(wg.grad(g), wait=True)(x), [6.0, 11.0, 6.0])


def test_switch_of_a_batch_and_of_a_program():
    branches = [np.sin, np.cos, lambda x: np.exp(x) * x]
    f = lambda i, x: wg.switch(i, branches, x)
    i, x = np.array([0, 1, 2, 5, -1]), np.linspace(0.1, 0.9, 5)
    rows = [branches[min(max(k, 0), 2)] for k in i]
    for verb in (lambda f, n: f, wg.grad, lambda f, n: wg.grad(wg.grad(f, n), n)):
        found = wg.vmap(verb(f, 1))(i, x)
        wanted = [verb(g, 0)(y) for g, y in zip(rows, x, strict=True)]
        np.testing.assert_allclose(found, wanted)
    program = wg.trace(f)(1, 0.4)
    assert "branch 2" in str(program)
    for place, branch in enumerate(branches):
        assert wg.evaluate(program, [np.int64(place), 0.4])[0] == branch(0.4)
    mapped = wg.transforms.vmap(program, 2, [False, True])
    np.testing.assert_array_equal(wg.evaluate(mapped, [np.int64(1), x[:2]])[0], np.cos(x[:2]))
    outer = wg.vmap(lambda i, x: wg.switch(i, [np.sin, np.cos, np.exp], x), in_axes=(0, None))
    np.testing.assert_array_equal(outer(np.arange(3), 0.3), [np.sin(0.3), np.cos(0.3), np.exp(0.3)])
    small = wg.trace(lambda i: wg.switch(i, [np.sin, np.cos], 0.5))(np.int8(1))
    assert wg.evaluate(small, [np.int8(0)])[0] == np.sin(0.5)


def test_only_one_branch_is_run_in_a_loop():
    seen: list[str] = []

    def noted(name: str) -> Any:
        rule = wg.custom_jvp(lambda x: seen.append(name) or np.sin(x))
        rule.defjvp(lambda p, t: (np.sin(p[0]), np.cos(p[0]) * t[0]))
        return rule

    a, b = noted("a"), noted("b")
    program = wg.trace(lambda p, x: wg.cond(p, a, b, x))(True, 1.0)
    seen.clear()
    assert wg.evaluate(program, [np.bool_(False), 1.0])[0] == np.sin(1.0)
    assert seen == ["b"]


def test_nan_of_the_branch_not_taken_does_not_reach_the_derivative():
    def f(x: Any) -> Any:
        return wg.cond(x > 0, lambda x: np.log(x) * np.sqrt(x), lambda x: 3.0 * x, x)

    x = np.array([4.0, 0.0, -1.0])
    np.testing.assert_allclose(wg.vmap(wg.grad(f))(x)[1:], 3.0)
    np.testing.assert_allclose(wg.vmap(wg.jacfwd(f))(x)[1:], 3.0)
    np.testing.assert_allclose(wg.grad(lambda x: np.sum(wg.vmap(f)(x)))(x)[1:], 3.0)
    second = wg.vmap(wg.grad(wg.grad(f)))(x)
    assert np.all(second[1:] == 0)
    assert np.isfinite(second[0])


def test_branches_differentiate_what_they_use_from_outside():
    def f(a: Any, x: Any) -> Any:
        y = a * 2.0
        step = lambda c, x: (wg.cond(x > 0, lambda: c + y * x, lambda: c * a), None)
        return wg.scan(step, 1.0, x)[0]

    def g(a: Any, x: Any) -> Any:
        c = 1.0
        for v in x:
            c = c + a * 2.0 * v if v > 0 else c * a
        return c

    for verb in (wg.grad, wg.jacfwd, lambda f: wg.grad(wg.grad(f))):
        np.testing.assert_allclose(verb(f)(0.7, X), verb(g)(0.7, X))


def test_results_are_trees_and_may_be_integers():
    f = lambda x: wg.cond(x > 0, lambda x: {"a": x, "n": 1}, lambda x: {"n": 2, "a": -x}, x)
    found = wg.vmap(f)(X)
    np.testing.assert_array_equal(found["a"], np.abs(X))
    np.testing.assert_array_equal(found["n"], [1, 2, 1, 2])
    total = lambda x: np.sum(wg.vmap(f)(x)["a"])
    np.testing.assert_array_equal(wg.grad(total)(X), np.sign(X))


def test_dead_results_are_dropped_from_branches():
    f = lambda x: wg.cond(x > 0, lambda x: (x, np.sin(x)), lambda x: (2 * x, x), x)[0]
    program = wg.trace(f)(2.0)
    simple = wg.simplify(program)
    assert "sin" in str(program)
    assert "sin" not in str(simple)
    assert wg.evaluate(simple, [2.0])[0] == 2.0
    assert wg.evaluate(simple, [-2.0])[0] == -4.0
