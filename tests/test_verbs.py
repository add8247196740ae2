"""What the verbs make is a function in every respect: it is pickled, copied, and is a method."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle

import numpy as np
import pytest

import wengert as wg


def loss(x):
    return np.sum(np.sin(x) ** 2) * x[0]


def free(x):
    return np.cos(x) * x


@wg.custom_jvp
def ruled(x):
    return np.sum(x**3)


@ruled.defjvp
def _ruled_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    return ruled(x), np.sum(3 * x**2 * t)


@functools.partial(wg.grad, argnums=0)
def slope(x):
    return np.sum(x**4)


class Model:
    def __init__(self, scale):
        self.scale = scale

    def loss(self, x):
        return self.scale * np.sum(x**2)

    slope = wg.grad(loss, argnums=1)


module_level = wg.jit(wg.value_and_grad(loss))
X = np.array([0.5, 1.0, 2.0])

MADE = {
    "grad": lambda: wg.grad(loss),
    "value_and_grad": lambda: wg.value_and_grad(loss, argnums=0),
    "hessian": lambda: wg.hessian(loss),
    "jacobian": lambda: wg.jacobian(free, mode="forward"),
    "jacfwd": lambda: wg.jacfwd(free),
    "jacrev of grad": lambda: wg.jacrev(wg.grad(loss)),
    "vmap": lambda: wg.vmap(np.sin),
    "vmap of grad": lambda: wg.vmap(wg.grad(lambda_of_a_number)),
    "trace": lambda: wg.trace(loss),
    "jit": lambda: wg.jit(loss),
    "jit of grad": lambda: wg.jit(wg.grad(loss), wait=True),
    "grad of jit": lambda: wg.grad(wg.jit(loss)),
    "a rule": lambda: ruled,
    "grad of a rule": lambda: wg.grad(ruled),
    "of a method": lambda: wg.grad(Model(3.0).loss),
    "of a partial": lambda: wg.grad(functools.partial(scaled, 3.0), argnums=0),
    "under its own name": lambda: slope,
    "jitted under its own name": lambda: module_level,
}


def lambda_of_a_number(x):
    return np.sin(x) * x


def scaled(factor, x):
    return factor * np.sum(x**2)


def result(function):
    found = function(X)
    return found if isinstance(found, tuple) else (found,)


@pytest.mark.parametrize("name", MADE)
def test_what_a_verb_makes_can_be_pickled_and_copied(name):
    function = MADE[name]()
    wanted = result(function)
    for again in (pickle.loads(pickle.dumps(function)), copy.deepcopy(function)):
        found = result(again)
        for one, other in zip(found, wanted, strict=True):
            if isinstance(other, wg.Program):
                assert one == other
            else:
                np.testing.assert_allclose(one, other, rtol=1e-12)


def test_a_jitted_batch_of_derivatives_can_be_pickled():
    function = wg.vmap(wg.grad(loss), in_axes=0)
    again = pickle.loads(pickle.dumps(wg.jit(function)))
    rows = np.stack([X, X + 1])
    np.testing.assert_allclose(again(rows), function(rows), rtol=1e-12)


def test_a_function_without_a_name_is_refused_as_pickle_refuses_it():
    for verb in (wg.grad, wg.jit, wg.hessian, wg.vmap, wg.custom_jvp):
        with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
            pickle.dumps(verb(lambda x: x))


def test_a_function_around_a_derivative_is_not_taken_for_it():
    @functools.wraps(wg.grad(loss))
    def tripled(x):
        return 3 * wg.grad(loss)(x)

    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(wg.jit(tripled))
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(tripled)


def test_a_derivative_is_a_method_and_has_the_functions_name_and_parameters():
    np.testing.assert_array_equal(Model(3.0).slope(X), 6.0 * X)
    np.testing.assert_array_equal(Model.slope(Model(2.0), X), 4.0 * X)
    made = wg.grad(loss)
    assert (made.__name__, made.__wrapped__) == ("loss", loss)
    assert inspect.signature(made) == inspect.signature(loss)
    assert repr(made) == "<grad of loss>"
    assert copy.copy(made) is made
