"""Jitted derivatives are pickled by how they were made."""

from __future__ import annotations

import functools
import pickle

import numpy as np
import pytest

import wengert as wg


def loss(x):
    return np.sum(np.sin(x) ** 2) * x[0]


X = np.array([0.5, 1.0, 2.0])


@pytest.mark.parametrize(
    "made",
    [
        lambda: wg.grad(loss),
        lambda: wg.value_and_grad(loss, argnums=0),
        lambda: wg.hessian(loss),
        lambda: wg.jacrev(wg.grad(loss)),
        lambda: wg.grad(wg.jit(loss)),
        lambda: wg.jacobian(lambda_free, mode="forward"),
    ],
)
def test_jitted_derivatives_can_be_pickled(made):
    function = made()
    again = pickle.loads(pickle.dumps(wg.jit(function, wait=True)))
    for found, want in zip(np.atleast_1d(*again(X)), np.atleast_1d(*function(X)), strict=True):
        np.testing.assert_allclose(found, want, rtol=1e-12)


def lambda_free(x):
    return np.cos(x) * x


def test_a_batch_of_derivatives_can_be_pickled():
    function = wg.vmap(wg.grad(loss), in_axes=0)
    again = pickle.loads(pickle.dumps(wg.jit(function)))
    rows = np.stack([X, X + 1])
    np.testing.assert_allclose(again(rows), function(rows), rtol=1e-12)


def test_a_function_around_a_derivative_is_not_taken_for_it():
    @functools.wraps(wg.grad(loss))
    def tripled(x):
        return 3 * wg.grad(loss)(x)

    with pytest.raises(pickle.PicklingError):
        pickle.dumps(wg.jit(tripled))
