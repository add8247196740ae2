"""The worked examples of the source documents: every number that they print, or ought to print."""

from __future__ import annotations

import math

import numpy as np
import pytest

import wengert as wg
from wengert.explain.expression import parse


def same(found, wanted, tolerance=1e-15):
    """Equal to within ``tolerance`` of the size of the number that is wanted."""
    return np.allclose(found, wanted, rtol=tolerance, atol=0)


def all_gradients(f, *args):
    """The gradient by reverse mode, by forward mode, and by the rows of the explanation."""
    count = len(args)
    units = np.eye(count)
    rows = wg.explain(f, *args).rows
    return [
        wg.grad(f, argnums=tuple(range(count)))(*args),
        [wg.jvp(f, args, tuple(unit))[1] for unit in units],
        [row.adjoint for row in rows if row.is_input],
    ]


def slope(f, args, place, h=1e-3):
    """The partial derivative by the central difference of sixth order."""
    at = [[*args[:place], args[place] + k * h, *args[place + 1 :]] for k in range(-3, 4)]
    weights = (-1, 9, -45, 0, 45, -9, 1)
    return math.fsum(w * float(f(*a)) for w, a in zip(weights, at, strict=True)) / (60 * h)


# -- f(x, y, z) = (x + y) z ------------------------------------------------------------------------


def test_sum_times_factor():
    f = lambda x, y, z: (x + y) * z  # noqa: E731
    assert f(-2, 5, -4) == -12
    assert wg.explain(f, -2, 5, -4)["t2"].value == -12
    for gradient in all_gradients(f, -2.0, 5.0, -4.0):
        assert tuple(gradient) == (-4, -4, 3)


# -- the logistic unit with squared error ----------------------------------------------------------


def loss(w, b, x, target=10):
    return (1 / (1 + np.exp(-(w * x + b))) - target) ** 2


ADJOINTS = {
    "t8": 1.0,
    "t7": -18.238405844044234,
    "t6": -18.238405844044234,
    "t5": 14.149418952798422,
    "t4": 14.149418952798422,
    "t3": 1.9149156216104704,
    "t2": -1.9149156216104704,
    "t1": -1.9149156216104704,
    "w": -1.9149156216104704,
    "b": -1.9149156216104704,
    "x": -3.8298312432209408,
}

FORMULAS = {
    "t1": "w * x",
    "t2": "t1 + b",
    "t3": "-t2",
    "t4": "exp(t3)",
    "t5": "1 + t4",
    "t6": "1 / t5",
    "t7": "t6 - 10",
    "t8": "t7**2",
}


def test_the_logistic_list_has_the_documents_intermediates():
    rows = wg.explain(loss, 2, 0, 1).rows
    assert {row.name: row.formula for row in rows if not row.is_input} == FORMULAS
    assert [row.name for row in rows if row.is_input] == ["w", "b", "x"]
    assert [row.results for row in rows][-1] == ("result",)
    sigma = 1 / (1 + math.exp(-2))
    wanted = [2, 0, 1, 2, 2, -2, math.exp(-2), 1 + math.exp(-2), sigma, sigma - 10]
    assert same([row.value for row in rows], [*wanted, (sigma - 10) ** 2])


@pytest.mark.parametrize("name", ADJOINTS)
def test_each_adjoint_of_the_logistic_list(name):
    row = wg.explain(loss, 2, 0, 1)[name]
    assert same(row.adjoint, ADJOINTS[name])
    assert same(math.fsum(float(term.amount) for term in row.contributions), ADJOINTS[name])


def test_the_gradient_of_the_logistic_loss_in_every_way():
    wanted = [ADJOINTS[name] for name in "wbx"]
    for gradient in all_gradients(loss, 2.0, 0.0, 1.0):
        assert same(gradient, wanted)
    assert same([slope(loss, (2.0, 0.0, 1.0), i) for i in range(3)], wanted, 1e-9)


# -- forward mode ----------------------------------------------------------------------------------


def test_dual_numbers():
    f = lambda x: x**2 * np.exp(x) + 3 * x  # noqa: E731
    assert same(wg.jvp(f, (1.0,), (1.0,)), (5.718281828459045, 11.154845485377136))
    last = wg.explain(f, 1, mode="forward").rows[-1]
    assert same((last.value, last.tangent), (5.718281828459045, 11.154845485377136))


def test_a_sum_with_a_product_along_b():
    f = lambda a, b, c: a + b * c  # noqa: E731
    assert wg.jvp(f, (3.0, 5.0, 6.0), (0.0, 1.0, 0.0)) == (33, 6)
    last = wg.explain(f, 3, 5, 6, along=(0, 1, 0)).rows[-1]
    assert (last.value, last.tangent) == (33, 6)


def test_a_jvp_of_two_results():
    def f(x1, x2):
        return x1 * x2 + np.sin(x1), np.exp(x2) + x1**2

    wanted = (-1 + 2 * math.cos(1), 3)
    assert same(wg.jvp(f, (1.0, 0.0), (2.0, -1.0))[1], wanted)
    explanation = wg.explain(f, 1, 0, along=(2, -1))
    found = [row.tangent for row in explanation.rows if row.results]
    assert same(found, wanted)
    assert not explanation.reverse


# -- gradients by formula --------------------------------------------------------------------------

POINTS = [(1.0, 2.0, 0.5), (-0.7, 1.3, 2.0), (0.2, -1.1, -0.4)]
sin, cos, exp = math.sin, math.cos, math.exp

GRADIENTS = {
    "(x*y + sin(x))**2": lambda x, y, z: (
        2 * (x * y + sin(x)) * (y + cos(x)),
        2 * (x * y + sin(x)) * x,
    ),
    "exp(x)*sin(x)": lambda x, y, z: (exp(x) * (sin(x) + cos(x)),),
    "(x*y + z)*sin(y)": lambda x, y, z: (
        y * sin(y),
        (x * y + z) * cos(y) + x * sin(y),
        sin(y),
    ),
    "x*y + sin(x)": lambda x, y, z: (y + cos(x), x),
    "1 + x + exp(sin(x*y))": lambda x, y, z: (
        1 + exp(sin(x * y)) * cos(x * y) * y,
        exp(sin(x * y)) * cos(x * y) * x,
    ),
}


@pytest.mark.parametrize("text", GRADIENTS)
@pytest.mark.parametrize("point", POINTS)
def test_gradients_that_are_given_as_formulas(text, point):
    f = parse(text)
    args = point[: len(f.names)]
    wanted = GRADIENTS[text](*point)
    for gradient in all_gradients(f, *args):
        # A formula rounds where it adds: its numbers are as exact as its largest term.
        assert np.allclose(gradient, wanted, rtol=1e-15, atol=2e-15 * max(map(abs, wanted)))


def test_the_square_at_its_printed_point():
    f = lambda x, y: (x * y + np.sin(x)) ** 2  # noqa: E731
    s = 2 + sin(1)
    for gradient in all_gradients(f, 1.0, 2.0):
        assert same(gradient, (4 * s + 2 * s * cos(1), 2 * s))


def test_exp_times_sin_has_slope_one_at_zero():
    assert wg.grad(lambda x: np.exp(x) * np.sin(x))(0.0) == 1


def test_regularised_logistic_regression():
    def f(w, b, x, t, lam):
        return 0.5 * (1 / (1 + np.exp(-(w * x + b))) - t) ** 2 + lam / 2 * w**2

    w, b, x, t, lam = args = (0.8, -0.3, 1.7, 1.0, 0.7)
    sigma = 1 / (1 + exp(-(w * x + b)))
    wanted = (sigma - t) * sigma * (1 - sigma) * x + lam * w
    assert same(wg.grad(f)(*args), wanted, 5e-15)
    assert same(wg.explain(f, *args)["w"].adjoint, wanted, 5e-15)
    assert same(slope(f, args, 0), wanted, 1e-9)


# -- the 1-2-1 network -----------------------------------------------------------------------------


def network(x, w1, w2, v1, v2, target):
    """Two hidden ReLU units without biases, a linear output, and the squared error."""
    return (np.maximum(w1 * x, 0) * v1 + np.maximum(w2 * x, 0) * v2 - target) ** 2


@pytest.mark.parametrize("w1", [0.35, 1.4, 2.45, 3.5])
@pytest.mark.parametrize("v1", [-3.5, -1.4, 0.7, 3.5])
def test_the_loss_landscape_and_its_gradient(w1, v1):
    f = lambda w1, v1: network(0.8, w1, 1.2, v1, 0.8, 1.9)  # noqa: E731
    error = v1 * 0.8 * w1 + 0.8 * 0.8 * 1.2 - 1.9
    assert same(f(w1, v1), error**2, 1e-13)
    for gradient in all_gradients(f, w1, v1):
        assert same(gradient, (2 * error * v1 * 0.8, 2 * error * 0.8 * w1), 1e-13)
        assert np.allclose(gradient, [slope(f, (w1, v1), i) for i in (0, 1)], rtol=1e-9, atol=1e-9)


def test_the_sliders_at_their_start():
    args = (0.5,) * 6
    e = wg.explain(network, *args)
    assert e.rows[-1].value == 0.0625
    wanted = [slope(network, args, i) for i in range(6)]
    for gradient in all_gradients(network, *args):
        assert np.allclose(gradient, wanted, rtol=1e-9)
    assert [float(row.adjoint) for row in e.rows if row.is_input] == [
        *(-0.25, -0.125, -0.125, -0.125, -0.125, 0.5)
    ]


# -- the error against the step size ---------------------------------------------------------------


def test_the_error_of_forward_differences_is_a_v_and_that_of_the_derivative_is_nothing():
    f = lambda x: x**3  # noqa: E731
    steps = 10.0 ** np.arange(-16, 1)
    errors = np.array([abs((f(1 + h) - f(1.0)) / h - 3) for h in steps])
    best = int(np.argmin(errors))
    assert 1e-9 <= steps[best] <= 1e-7
    # To the right truncation: the error is 3h + h^2.
    assert np.allclose(errors[-6:], 3 * steps[-6:] + steps[-6:] ** 2, rtol=1e-3)
    # To the left rounding: at 1e-16 nothing of the derivative is left.
    assert errors[0] == 3
    assert np.all(errors[:4] > 1e3 * errors[best])
    assert wg.grad(f)(1.0) == 3
    assert wg.jvp(f, (1.0,), (1.0,))[1] == 3


# -- a layered network -----------------------------------------------------------------------------


def test_a_layer_passes_adjoints_back_as_the_textbooks_say():
    rng = np.random.default_rng(3)
    W1, b1 = rng.standard_normal((4, 3)), rng.standard_normal(4)
    W2, b2 = rng.standard_normal((2, 4)), rng.standard_normal(2)
    x, c = rng.standard_normal(3), rng.standard_normal(2)

    def f(W1, b1, W2, b2, x):
        return np.sum(c * np.tanh(W2 @ np.tanh(W1 @ x + b1) + b2))

    h1 = np.tanh(W1 @ x + b1)
    h2 = np.tanh(W2 @ h1 + b2)
    a2_bar = (1 - h2**2) * c
    a1_bar = (1 - h1**2) * (W2.T @ a2_bar)
    wanted = {
        "W1": np.outer(a1_bar, x),
        "b1": a1_bar,
        "W2": np.outer(a2_bar, h1),
        "b2": a2_bar,
        "x": W1.T @ a1_bar,
    }
    e = wg.explain(f, W1, b1, W2, b2, x)
    found = wg.grad(f, argnums=(0, 1, 2, 3, 4))(W1, b1, W2, b2, x)
    for (name, bar), gradient in zip(wanted.items(), found, strict=True):
        assert np.allclose(e[name].adjoint, bar, rtol=1e-14, atol=1e-15)
        assert np.array_equal(e[name].adjoint, gradient)
