"""Rules that are not linear are refused, and one mode follows from the rule of the other."""

from typing import Any

import numpy as np
import pytest
import scipy.linalg

import wengert as wg
from wengert import errors

X = np.array([0.3, 0.8])


def with_rule(rule):
    f = wg.custom_jvp(np.sin)
    f.defjvp(lambda primals, tangents: (f(*primals), rule(tangents[0])))
    return f


def total(f):
    return lambda x: np.sum(f(x))


VERBS = {
    "grad": lambda f: wg.grad(total(f))(X),
    "vjp": lambda f: wg.vjp(f, X)[1](X),
    "jvp": lambda f: wg.jvp(f, (X,), (X,)),
    "jacobian": lambda f: wg.jacobian(f)(X),
    "jacrev": lambda f: wg.jacrev(f)(X),
    "hessian": lambda f: wg.hessian(total(f))(X),
    "jit of grad": lambda f: wg.jit(wg.grad(total(f)))(X),
    "grad of jit": lambda f: wg.grad(wg.jit(total(f)))(X),
    "vmap of grad": lambda f: wg.vmap(wg.grad(f))(X),
    "loop": lambda f: wg.grad(lambda x: wg.fori_loop(0, 2, lambda i, y: f(y), x))(0.3),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("rule", "operation"),
    [
        (lambda t: t**2, "power"),
        (lambda t: t * np.tanh(t), "tanh"),
        (np.abs, "absolute"),
        (lambda t: np.where(t > 0, t, 0.0), "select"),
        (lambda t: t / (1 + np.max(np.abs(t))), "absolute"),
        (lambda t: t + 1.0, "zero gives something else"),
        (np.round, "-2 times of it gives something else"),
        (lambda t: t if np.sum(t) > 0 else 3 * t, "-2 times of it gives something else"),
    ],
)
def test_a_rule_that_is_not_linear_in_the_tangent_is_an_error_that_says_why(verb, rule, operation):
    with pytest.raises(
        errors.UnknownDerivativeError, match=f"not linear in the tangent.*{operation}"
    ):
        VERBS[verb](with_rule(rule))


def test_a_nonlinear_backward_pass_is_a_rule_of_reverse_mode_only():
    f = wg.custom_vjp(lambda x: x)
    f.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1, 1),))
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(f(x) * 3))(X), np.ones(2))
    np.testing.assert_array_equal(wg.jacrev(lambda x: f(x) * 3)(X), np.eye(2))
    with pytest.raises(errors.UnknownDerivativeError, match="not linear in the cotangent"):
        wg.jvp(f, (X,), (X,))


def test_a_nonlinear_rule_by_a_black_box_is_found_by_values():
    f = wg.custom_jvp(lambda x: np.sin(np.asarray(x)))
    f.defjvp(lambda p, t: (f(*p), np.asarray(t[0], float) ** 3))
    with pytest.raises(errors.UnknownDerivativeError, match="not linear in the tangent"):
        wg.grad(total(f))(X)
    with pytest.raises(errors.UnknownDerivativeError, match="not linear in the tangent"):
        wg.jvp(f, (X,), (X,))
    with pytest.raises(errors.UnknownDerivativeError, match="not linear in the tangent"):
        wg.jit(wg.grad(total(f)))(X)


@wg.custom_jvp
def expm(a):
    return scipy.linalg.expm(a)


@expm.defjvp
def _(primals, tangents):
    (a,), (e,) = primals, tangents
    n = len(a)
    block = np.concatenate(
        [np.concatenate([a, e], axis=1), np.concatenate([np.zeros_like(a), a], axis=1)]
    )
    whole = expm(block)
    return whole[:n, :n], whole[:n, n:]


M = np.array([[0.3, 0.2], [-0.1, 0.5]])


def test_a_rule_that_calls_its_function_on_the_tangent_ends_and_is_transposed_by_its_matrix():
    wg.check_grads(lambda a: np.sum(expm(a) ** 2), (M,), order=2)
    expected = wg.grad(total(expm))(M)
    found = wg.jit(wg.grad(total(expm)), wait=True)
    for _ in range(3):
        np.testing.assert_allclose(found(M), expected, rtol=1e-12)
    np.testing.assert_allclose(wg.vmap(wg.grad(total(expm)))(np.stack([M, M]))[1], expected)


def test_rules_of_one_function_by_another_are_transposed_by_tracing():
    calls = []
    inner = wg.custom_jvp(lambda t, s: t * s)
    inner.defjvp(lambda p, t: (calls.append(1), (inner(*p), inner(t[0], p[1]) + p[0] * t[1]))[1])
    f = wg.custom_jvp(lambda x: np.sin(x))
    f.defjvp(lambda p, t: (f(*p), inner(t[0], np.cos(p[0]))))
    x = np.linspace(0, 1, 50)
    np.testing.assert_allclose(wg.grad(total(f))(x), np.cos(x))
    assert len(calls) < 20, "not a call for each element"
    np.testing.assert_allclose(wg.hessian(total(f))(x), np.diag(-np.sin(x)), atol=1e-12)


def test_a_rule_may_choose_by_cond_where_values_are_not_known():
    choose = lambda y, f, g, *more: wg.cond(y > 0.5, f, g, y, *more)  # noqa: E731
    f = wg.custom_jvp(lambda y: choose(y, np.square, lambda y: y))
    f.defjvp(lambda p, t: (f(*p), choose(p[0], lambda y, t: 2 * y * t, lambda y, t: t, t[0])))
    g = wg.custom_vjp(lambda y: choose(y, np.square, lambda y: y))
    g.defvjp(
        lambda y: (g(y), y),
        lambda y, ct: (choose(y, lambda y, t: 2 * y * t, lambda y, t: t, ct),),
    )
    for h in (f, g):
        np.testing.assert_array_equal(wg.vmap(wg.grad(h))(X), [1.0, 1.6])
        np.testing.assert_array_equal(
            wg.vmap(lambda x, h=h: wg.jvp(h, (x,), (1.0,))[1])(X), [1, 1.6]
        )
        np.testing.assert_array_equal(wg.vmap(wg.grad(wg.grad(h)))(X), [0.0, 2.0])
        np.testing.assert_array_equal(wg.jit(wg.vmap(wg.grad(h)), wait=True)(X), [1.0, 1.6])


def test_a_loop_in_a_rule_is_transposed():
    def powers(y, t):
        return wg.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * y), (0, t))[1]

    f = wg.custom_jvp(lambda x: x**4 / 4)
    f.defjvp(lambda p, t: (f(*p), powers(p[0], t[0])))
    np.testing.assert_allclose(wg.vmap(wg.grad(f))(X), X**3)
    np.testing.assert_allclose(wg.jit(wg.grad(f))(0.5), 0.125)
    np.testing.assert_allclose(wg.grad(f)(0.5), 0.125)


CHOICES: dict[str, Any] = {
    "all positive": lambda t: np.all(t > 0),
    "any positive": lambda t: np.any(t > 0),
    "a positive sum": lambda t: np.sum(t) > 0,
    "a small norm": lambda t: np.linalg.norm(t) < 1e-3,
    "a large norm": lambda t: np.linalg.norm(t) > 100,
    "close to zero": lambda t: np.allclose(t, 0),
    "ones": lambda t: np.array_equal(t, np.ones(3)),
    "the largest is one": lambda t: np.max(t) == 1.0,
    "by conversion": lambda t: bool(np.all(np.asarray(wg.stop_gradient(t)) > 0)),
}


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize(
    "route",
    [
        lambda f, x: wg.jvp(f, (x,), (x,)),
        lambda f, x: wg.grad(lambda x: np.sum(f(x)))(x),
        lambda f, x: wg.vjp(f, x)[1](x),
        lambda f, x: wg.jit(wg.grad(lambda x: np.sum(f(x))))(x),
        lambda f, x: wg.vmap(wg.grad(lambda x: np.sum(f(x))))(x[None]),
        lambda f, x: wg.vmap(lambda x: wg.jvp(f, (x,), (x,)))(x[None]),
    ],
    ids=["jvp", "grad", "vjp", "jit", "vmap of grad", "vmap of jvp"],
)
def test_a_rule_that_chooses_by_the_tangents_value_is_refused(route: Any, choice: str) -> None:
    @wg.custom_jvp
    def doubled(x: Any) -> Any:
        return 2.0 * x

    @doubled.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        (t,) = tangents
        return doubled(primals[0]), 2.0 * t if CHOICES[choice](t) else 3.0 * t

    with pytest.raises(wg.errors.WengertError, match="doubled"):
        route(doubled, np.array([1.0, 2.0, 3.0]))


def test_a_rule_may_leave_out_what_is_zero_or_check_what_is_finite() -> None:
    @wg.custom_jvp
    def doubled(x: Any) -> Any:
        return 2.0 * x

    @doubled.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        (t,) = tangents
        assert np.all(np.isfinite(t))
        return doubled(primals[0]), 2.0 * t if np.any(t) else 0.0 * t

    x = np.array([1.0, 2.0, 3.0])
    assert wg.grad(lambda x: np.sum(doubled(x)))(x).tolist() == [2.0] * 3
    assert wg.jvp(doubled, (x,), (x,))[1].tolist() == [2.0, 4.0, 6.0]
