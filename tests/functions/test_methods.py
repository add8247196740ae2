"""The methods of ufuncs on traced arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from numpy_routes import agrees_with_numpy

X = np.random.default_rng(1).standard_normal((3, 4))
P = np.abs(X) + 0.3
MASK = X > -0.5


def changed(ufunc: Any, target: Any, *args: Any) -> Any:
    ufunc.at(target, *args)
    return target


FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "logaddexp.reduce": (lambda x: np.logaddexp.reduce(x), X),
    "logaddexp.reduce of all": (lambda x: np.logaddexp.reduce(x, axis=None), X),
    "logaddexp.reduce, kept": (lambda x: np.logaddexp.reduce(x, (0, 1), keepdims=True), X),
    "logaddexp.reduce, masked": (lambda x: np.logaddexp.reduce(x, 1, where=MASK), X),
    "logaddexp.reduce, started": (lambda x: np.logaddexp.reduce(x, initial=x[0, 0]), X),
    "logaddexp2.reduce": (lambda x: np.logaddexp2.reduce(x, axis=1), X),
    "subtract.reduce": (lambda x: np.subtract.reduce(x, axis=1), X),
    "divide.reduce": (lambda x: np.divide.reduce(x), P),
    "power.reduce": (lambda x: np.power.reduce(x), P),
    "hypot.reduce": (lambda x: np.hypot.reduce(x, axis=(0, 1)), X),
    "arctan2.reduce": (lambda x: np.arctan2.reduce(x, -1), X),
    "remainder.reduce": (lambda x: np.remainder.reduce(x, 0), P),
    "add.reduce, masked": (lambda x: np.add.reduce(x, 1, where=MASK, initial=2.0), X),
    "logaddexp.accumulate": (lambda x: np.logaddexp.accumulate(x, 1), X),
    "subtract.accumulate": (lambda x: np.subtract.accumulate(x), X),
    "divide.accumulate": (lambda x: np.divide.accumulate(x, -1), P),
    "fmax.accumulate": (lambda x: np.fmax.accumulate(x, 1), X),
    "add.reduceat": (lambda x: np.add.reduceat(x, [0, 2, 1, 3], axis=1), X),
    "add.reduceat of a row": (lambda x: np.add.reduceat(x[0], [1, 1]), X),
    "multiply.reduceat": (lambda x: np.multiply.reduceat(x, [0, 2]), X),
    "maximum.reduceat": (lambda x: np.maximum.reduceat(x, [0, 3, 1], axis=1), X),
    "divide.outer": (lambda x: np.divide.outer(x, x[0]), P),
    "logaddexp2.outer": (lambda x: np.logaddexp2.outer(x[0], [1.0, 2.0]), X),
    "copysign.outer": (lambda x: np.copysign.outer(x[0], x[1]), X),
    "add.at": (lambda x: changed(np.add, np.zeros(3), [0, 2, 0, 0], x[0]), X),
    "multiply.at": (lambda x: changed(np.multiply, np.full(3, 1.5), [0, 2, 0, 0], x[0]), X),
    "divide.at": (lambda x: changed(np.divide, x[0] * 1.0, [1, 1, 1], x[1, :3]), P),
    "maximum.at": (lambda x: changed(np.maximum, np.zeros((2, 2)), ([0, 1], 1), x[0, :2]), X),
    "negative.at": (lambda x: changed(np.negative, x * 1.0, ([0, 0, 2, 0], [1, 1, 1, 1])), X),
    "add into a plain array": (lambda x: np.add(total := np.ones(4), x[0], out=total), X),
    "exp.at a slice": (lambda x: changed(np.exp, x * 1.0, (slice(0, 3, 2), -1)), X),
}


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_a_method_agrees_with_numpy(name: str) -> None:
    agrees_with_numpy(*FUNCTIONS[name])


def test_terms_of_minus_infinity_share_the_derivative() -> None:
    found = wg.grad(np.logaddexp.reduce)(np.array([-np.inf, 0.0, np.log(3.0)]))
    np.testing.assert_allclose(found, [0.0, 0.25, 0.75], rtol=1e-15)
    np.testing.assert_array_equal(wg.grad(np.logaddexp.reduce)(np.full(4, -np.inf)), 0.25)
    np.testing.assert_array_equal(
        wg.grad(np.logaddexp2.reduce)(np.array([np.inf, 1.0])), [1.0, 0.0]
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.subtract.reduce(x, axis=(0, 1)),
        lambda x: np.divide.reduce(x[:0]),
        lambda x: np.hypot.reduce(x, axis=2),
        lambda x: np.add.reduceat(x, [0, 3]),
        lambda x: np.logaddexp.accumulate(x[0, 0]),
        lambda x: np.arctan2.reduce(x, where=MASK),
    ],
)
def test_what_numpy_refuses_is_refused(call: Callable[[Any], Any]) -> None:
    with pytest.raises((ValueError, TypeError, IndexError)) as plain:
        call(X)
    with pytest.raises(plain.type):
        wg.grad(lambda x: np.sum(call(x)))(X)
