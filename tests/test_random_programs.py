"""On random Programs every route to a derivative agrees, and finite differences agree with them.

Two modes can agree on a wrong rule, and differences cannot tell which of two digits is right; both
are needed.
"""

import numpy as np
import pytest
from hypothesis import given

import wengert as wg
from programs import SIZE, function, points, steps
from wengert.transforms.batching import vmap
from wengert.transforms.differentiate import jvp, transpose, vjp
from wengert.transforms.simplify import simplify

V = np.array([0.7, -0.2, 0.4])
CT = np.array([0.3, 1.1, -0.6])


def slope(f, h=2e-3):
    """The derivative at 0 by the sixth-order central difference, or None near a kink."""
    a, b, c = ((f(k * h) - f(-k * h)) / (2 * k * h) for k in (1, 2, 3))
    best = 1.5 * a - 0.6 * b + 0.1 * c
    smooth = np.all(np.abs(a - b) <= 1e-3 * (1 + np.abs(a)))
    return best if smooth else None


@given(steps, points)
def test_all_first_derivatives_agree(recipe, x):
    f = function(recipe)
    value, tangent = wg.jvp(f, (x,), (V,))
    np.testing.assert_allclose(value, f(x), rtol=1e-13, atol=1e-13)
    _, pullback = wg.vjp(f, x)
    _, push = wg.linearize(f, x)
    jacobians = [wg.jacfwd(f)(x), wg.jacrev(f)(x)]
    scale = 1 + np.max(np.abs(jacobians[0]))
    near = dict(rtol=1e-10, atol=1e-11 * scale)  # noqa: C408
    np.testing.assert_allclose(jacobians[0], jacobians[1], **near)
    np.testing.assert_allclose(push(V), tangent, **near)
    np.testing.assert_allclose(jacobians[0] @ V, tangent, **near)
    np.testing.assert_allclose(CT @ jacobians[0], pullback(CT)[0], **near)
    wanted = slope(lambda t: f(x + t * V))
    if wanted is not None:
        np.testing.assert_allclose(tangent, wanted, rtol=1e-6, atol=1e-6 * scale)


@given(steps, points)
def test_all_second_derivatives_agree(recipe, x):
    f = function(recipe)
    g = lambda x: CT @ f(x)  # noqa: E731
    hessian = wg.hessian(g)(x)
    scale = 1 + np.max(np.abs(hessian))
    near = dict(rtol=1e-8, atol=1e-9 * scale)  # noqa: C408
    np.testing.assert_allclose(wg.jacrev(wg.grad(g))(x), hessian, **near)
    np.testing.assert_allclose(wg.jacfwd(wg.jacfwd(g))(x), hessian, **near)
    np.testing.assert_allclose(wg.hvp(g, x, V), hessian @ V, **near)
    np.testing.assert_allclose(wg.grad(lambda x: wg.jvp(g, (x,), (V,))[1])(x), hessian @ V, **near)
    wanted = slope(lambda t: wg.grad(g)(x + t * V))
    if wanted is not None:
        np.testing.assert_allclose(hessian @ V, wanted, rtol=1e-5, atol=1e-5 * scale)


@given(steps, points)
def test_transforms_of_the_program_agree_with_the_verbs(recipe, x):
    f = function(recipe)
    program = wg.trace(f)(x)
    assert wg.trace(f)(x) == program
    assert hash(wg.trace(f)(x)) == hash(program)
    value, tangent = wg.jvp(f, (x,), (V,))
    (cotangent,) = wg.vjp(f, x)[1](CT)
    scale = 1 + np.max(np.abs(tangent)) + np.max(np.abs(cotangent))
    near = dict(rtol=1e-11, atol=1e-12 * scale)  # noqa: C408
    for form in (program, simplify(program)):
        np.testing.assert_allclose(wg.evaluate(form, [x])[0], value, **near)
        pushed, pulled = jvp(form), vjp(form)
        for p in (pushed, simplify(pushed)):
            np.testing.assert_allclose(wg.evaluate(p, [x, V])[1], tangent, **near)
        for p in (pulled, simplify(pulled)):
            np.testing.assert_allclose(wg.evaluate(p, [x, CT])[1], cotangent, **near)
    assert len(simplify(program).equations) <= len(program.equations)


@given(steps, points)
def test_vmap_of_the_function_and_of_its_gradient_is_a_loop(recipe, x):
    f = function(recipe)
    batch = np.stack([x, x + 0.25 * V, x - 0.5 * CT])
    loop = np.stack([f(row) for row in batch])
    np.testing.assert_allclose(wg.vmap(f)(batch), loop, rtol=1e-11, atol=1e-11)
    g = wg.grad(lambda x: CT @ f(x))
    slopes = np.stack([g(row) for row in batch])
    scale = 1 + np.max(np.abs(slopes))
    np.testing.assert_allclose(wg.vmap(g)(batch), slopes, rtol=1e-9, atol=1e-10 * scale)


@given(steps, points)
def test_transforms_compose_in_any_order(recipe, x):
    f = function(recipe)
    program = wg.trace(f)(x)
    batch = np.stack([x, x + 0.1])
    along = np.stack([V, CT])
    one = wg.evaluate(vmap(jvp(program), 2), [batch, along])[1]
    other = wg.evaluate(jvp(vmap(program, 2)), [batch, along])[1]
    scale = 1 + np.max(np.abs(one))
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-10 * scale)
    third = wg.evaluate(vmap(vjp(program), 2), [batch, along])[1]
    fourth = wg.evaluate(vjp(vmap(program, 2)), [batch, along])[1]
    scale = 1 + np.max(np.abs(third))
    np.testing.assert_allclose(third, fourth, rtol=1e-9, atol=1e-10 * scale)
    twice = jvp(vjp(program)).check()
    assert len(twice.inputs) == 4


@given(steps, points)
def test_the_pushforward_transposed_is_the_pullback(recipe, x):
    f = function(recipe)
    pushed = jvp(wg.trace(f)(x))
    # In its tangent the JVP Program is linear; its first output does not depend on it.
    tangent_only = type(pushed)(pushed.inputs, pushed.equations, pushed.outputs[1:])
    transposed = transpose(tangent_only, linear=[1])
    (found,) = wg.evaluate(transposed, [x, CT])
    (wanted,) = wg.vjp(f, x)[1](CT)
    scale = 1 + np.max(np.abs(wanted))
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-11 * scale)
    assert len(wanted) == SIZE


def test_a_program_that_is_not_linear_cannot_be_transposed():
    program = wg.trace(lambda x: np.sin(x) * x)(V)
    with pytest.raises(wg.errors.UnknownDerivativeError, match="not linear"):
        transpose(program)
