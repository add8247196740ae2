"""Perturbation confusion: a nested derivative must not see the perturbations of the outer one.

J. M. Siskind, B. A. Pearlmutter, "Perturbation confusion and referential transparency", IFL 2005.
"""

from itertools import product

import numpy as np
import pytest

import wengert as wg


def by_jvp(f):
    return lambda x: wg.jvp(f, (x,), (1.0,))[1]


def by_vjp(f):
    return lambda x: wg.vjp(f, x)[1](1.0)[0]


def by_linearize(f):
    return lambda x: wg.linearize(f, x)[1](1.0)


DERIVATIVES = [wg.grad, by_jvp, by_vjp, by_linearize, wg.jacfwd, wg.jacrev]
PAIRS = list(product(DERIVATIVES, DERIVATIVES))


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_the_inner_derivative_of_x_plus_y_does_not_depend_on_x(outer, inner):
    f = outer(lambda x: x * inner(lambda y: x + y)(1.0))
    assert f(1.0) == 1.0


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_an_inner_derivative_that_depends_on_x_is_differentiated(outer, inner):
    # d/dx [x d/dy (x y^2)] at y = 3 is d/dx [6 x^2] = 12 x.
    f = outer(lambda x: x * inner(lambda y: x * y * y)(3.0))
    assert f(2.0) == pytest.approx(24.0, rel=1e-14)


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_differentiating_at_the_outer_variable_itself(outer, inner):
    # d/dx [d/dy (x y^2) at y = x] = d/dx [2 x^2] = 4 x.
    f = outer(lambda x: inner(lambda y: x * y * y)(x))
    assert f(5.0) == pytest.approx(20.0, rel=1e-14)


def test_a_derivative_that_escapes_as_a_closure():
    # Manzyuk et al., "Perturbation confusion in forward automatic differentiation of higher-order
    # functions", JFP 29, 2019: the derivative of a curried function.
    def s(u):
        return lambda f: lambda x: f(x + u)

    def d_of_curried(f, g):
        return lambda x: wg.jvp(lambda u: s(u)(g)(x), (0.0,), (1.0,))[1]

    h = d_of_curried(None, lambda x: x**3)
    twice = wg.jvp(lambda u: h(2.0 + u), (0.0,), (1.0,))[1]
    assert h(2.0) == pytest.approx(12.0)
    assert twice == pytest.approx(12.0)


def test_six_levels_deep():
    f = np.exp
    for level in range(6):
        f = (wg.grad, by_jvp)[level % 2](f)
    assert f(0.5) == pytest.approx(np.exp(0.5), rel=1e-13)


def test_vmap_between_two_derivatives():
    x = np.array([0.3, 0.7])

    def total(scale):
        return np.sum(wg.vmap(wg.grad(lambda y: scale * y**3))(x))

    assert wg.grad(total)(2.0) == pytest.approx(np.sum(3 * x**2))
    assert by_jvp(total)(2.0) == pytest.approx(np.sum(3 * x**2))
