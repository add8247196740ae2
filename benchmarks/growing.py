"""Functions of growing size, whose gradients are compiled.

Loops are Python's, so each of their operations is in the trace; only ``orbit`` is a ``fori_loop``
for JAX, as its users would write it, and ``orbit_loop`` is one for all.
"""

from __future__ import annotations

from typing import Any

import numpy

from .cases import Array, Case, Function, logistic, orbit, orbit_loop, orbit_short, rosenbrock

__all__ = ["GROWING", "straight"]


def polynomial(np: Any) -> Function:
    return lambda x: 3.0 * x**4 - 2.0 * x**3 + x - 1.0


def process(np: Any) -> Function:
    """A Gaussian process: the negative logarithm of its marginal likelihood."""

    def loss(parameters: Array, X: Array, y: Array) -> Array:
        length, scale, noise = np.exp(parameters)
        squares = np.sum((X[:, None, :] - X[None, :, :]) ** 2, axis=-1)
        K = scale * np.exp(-0.5 * squares / length**2) + noise * np.eye(len(y))
        L = np.linalg.cholesky(K)
        return 0.5 * y @ np.linalg.solve(K, y) + np.sum(np.log(np.diag(L)))

    return loss


def layers(np: Any) -> Function:
    def loss(weights: Any, X: Array) -> Array:
        z = X
        for W in weights:
            z = np.tanh(z @ W)
        return np.mean(z**2)

    return loss


def recurrent(np: Any) -> Function:
    """A long short-term memory that reads a sequence, after Hochreiter and Schmidhuber (1997)."""

    def sigmoid(x: Array) -> Array:
        return 1.0 / (1.0 + np.exp(-x))

    def loss(parameters: Any, sequence: Array) -> Array:
        W, U, b = parameters
        n = len(U)
        hidden = cell = np.zeros(n)
        for x in sequence:
            z = x @ W + hidden @ U + b
            forget, enter, leave = sigmoid(z[:n]), sigmoid(z[n : 2 * n]), sigmoid(z[2 * n : 3 * n])
            cell = forget * cell + enter * np.tanh(z[3 * n :])
            hidden = leave * np.tanh(cell)
        return np.sum(hidden**2)

    return loss


def straight(count: int) -> Any:
    """``count`` operations on numbers, drawn at random, each on two of the last twenty results."""
    rng = numpy.random.default_rng(count)
    choices = rng.integers(0, 6, count)
    places = rng.integers(1, 21, (count, 2))

    def write(np: Any) -> Function:
        operations = (
            lambda a, b: np.sin(a),
            lambda a, b: np.tanh(a),
            lambda a, b: 0.5 * a,
            lambda a, b: a * b,
            lambda a, b: a + b,
            lambda a, b: a - b,
        )

        def f(x: Array) -> Array:
            values = [x[i] for i in range(20)]
            for choice, (i, j) in zip(choices.tolist(), places.tolist(), strict=True):
                values.append(operations[choice](values[-i], values[-j]))
            return sum(values[:: count // 20])

        return f

    return write


def _matrices(rng: numpy.random.Generator) -> tuple[Any, ...]:
    return [rng.standard_normal((64, 64)) / 8 for _ in range(8)], rng.standard_normal((32, 64))


def _sequence(rng: numpy.random.Generator) -> tuple[Any, ...]:
    parameters = [0.3 * rng.standard_normal(shape) for shape in ((8, 64), (16, 64), (64,))]
    return parameters, rng.standard_normal((20, 8))


def _observations(rng: numpy.random.Generator) -> tuple[Any, ...]:
    X = rng.standard_normal((100, 3))
    return numpy.array([0.1, 0.2, -1.0]), X, numpy.sin(X[:, 0])


def _regression(rng: numpy.random.Generator) -> tuple[Any, ...]:
    return rng.standard_normal(10), rng.standard_normal((200, 10)), rng.integers(0, 2, 200) * 1.0


def _rates(rng: numpy.random.Generator) -> tuple[Any, ...]:
    return numpy.array([1.1, 0.4, 0.1, 0.4]), numpy.array([10.0, 5.0])


def _numbers(rng: numpy.random.Generator) -> tuple[Any, ...]:
    return (rng.normal(size=20),)


GROWING = (
    Case("polynomial", "polynomial", polynomial, lambda rng: (0.7,)),
    Case("rosenbrock", "Rosenbrock, n = 10", rosenbrock, lambda rng: (rng.uniform(-1, 1, 10),)),
    Case("regression", "logistic regression", logistic, _regression),
    Case("process", "Gaussian process", process, _observations),
    Case("layers", "network of 8 layers", layers, _matrices),
    Case("recurrent", "LSTM, 20 characters", recurrent, _sequence),
    Case("orbit-short", "Runge-Kutta, 10 steps", orbit_short, _rates),
    Case("orbit", "Runge-Kutta, 100 steps", orbit, _rates),
    Case("orbit-loop", "Runge-Kutta, 100 steps, a fori_loop", orbit_loop, _rates),
    *(
        Case(f"straight-{n}", f"{n:,} operations in a line", straight(n), _numbers)
        for n in (300, 10_000)
    ),
)
"""In the order of what there is to compile."""
