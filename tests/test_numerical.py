"""Differences and the check against them."""

import numpy as np
import pytest

import wengert as wg
from wengert import errors
from wengert.numerical import GradientMismatchError

X = np.array([0.5, -1.0, 2.0])


@pytest.mark.parametrize(
    ("method", "error"), [("forward", 1e-7), ("central", 1e-9), ("complex", 4e-16)]
)
def test_each_method_has_the_error_it_is_known_for(method, error):
    found = wg.derivative(np.exp, 1.0, method=method)
    assert abs(found - np.e) <= 3 * error * np.e


def test_the_jacobian_of_an_array_function():
    found = wg.derivative(lambda x: np.outer(x, x), X, method="complex")
    assert found.shape == (3, 3, 3)
    np.testing.assert_allclose(found, wg.jacobian(lambda x: np.outer(x, x))(X), atol=1e-14)


def test_the_step_can_be_given():
    assert wg.derivative(lambda x: x**2, 1.0, method="forward", step=0.5) == 2.5
    assert wg.derivative(lambda x: x**3, 1.0, step=0.5) == 3.25


def test_no_elements_and_bad_methods():
    assert wg.derivative(np.sum, np.zeros(0)).shape == (0,)
    with pytest.raises(ValueError, match="method"):
        wg.derivative(np.exp, 1.0, method="backward")
    with pytest.raises(errors.DtypeError):
        wg.derivative(np.exp, 1j, method="complex")


def test_check_grads_accepts_right_derivatives():
    wg.check_grads(lambda x, p: {"y": np.sin(x) * p["s"]}, (X, {"s": 2.0}), order=3)
    wg.check_grads(lambda z: z**2 * np.conj(z), (np.array([1 + 2j, 0.5j]),), order=2)
    wg.check_grads(np.sin, (X.astype(np.float32),), order=1)


@pytest.mark.parametrize("mode", ["fwd", "rev"])
def test_check_grads_refuses_wrong_derivatives(mode):
    f = wg.custom_jvp(lambda x: x**2)
    f.defjvp(lambda primals, tangents: (f(*primals), 2.1 * primals[0] * tangents[0]))
    with pytest.raises(GradientMismatchError, match="central differences"):
        wg.check_grads(f, (X,), modes=(mode,))


def test_check_grads_refuses_wrong_second_derivatives():
    slope = wg.custom_jvp(lambda x: 2 * x)
    slope.defjvp(lambda primals, tangents: (slope(*primals), 2.1 * tangents[0]))
    f = wg.custom_jvp(lambda x: x**2)
    f.defjvp(lambda primals, tangents: (f(*primals), slope(primals[0]) * tangents[0]))
    wg.check_grads(f, (X,), order=1)
    with pytest.raises(GradientMismatchError, match="of the"):
        wg.check_grads(f, (X,), order=2)


def test_check_grads_refuses_unknown_modes():
    with pytest.raises(ValueError, match="fwd"):
        wg.check_grads(np.sin, (X,), modes=("forward",))


def test_the_complex_step_refuses_what_is_not_analytic():
    with pytest.raises(errors.DtypeError, match="central"):
        wg.derivative(np.abs, 1.0, method="complex")


def test_the_arguments_to_check_are_a_tuple():
    with pytest.raises(errors.ShapeError, match=r"check_grads\(f, \(x,\)\)"):
        wg.check_grads(np.sum, X)
