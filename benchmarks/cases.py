"""What is differentiated: functions of a NumPy-like namespace, and the data they are given.

A function is written once for everyone whose interface is NumPy's (wengert, autograd, JAX); what a
user of PyTorch would write for it is in ``TORCH``. All data are float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy

__all__ = ["ARRAYS", "CASES", "STEPS", "TIMES", "TORCH", "Case", "chain"]

Array = Any
Function = Callable[..., Any]

STEPS = 1000
"""Steps of the scalar loop."""


@dataclass(frozen=True)
class Case:
    """A function, its arguments, and the derivative that is asked for.

    ``write(np)`` gives the function for a NumPy-like namespace; its first ``count`` arguments are
    differentiated. ``along`` makes a Hessian-vector product of it instead of a gradient.
    """

    name: str
    title: str
    write: Callable[[Any], Function]
    data: Callable[[numpy.random.Generator], tuple[Any, ...]]
    count: int = 1
    along: bool = False

    def arguments(self) -> tuple[Any, ...]:
        """The same arguments at every call."""
        return self.data(numpy.random.default_rng(2026))


# -- the functions ---------------------------------------------------------------------------------


def rosenbrock(np: Any) -> Function:
    def f(x: Array) -> Array:
        return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    return f


def logistic(np: Any) -> Function:
    def loss(w: Array, X: Array, y: Array) -> Array:
        z = X @ w
        return np.mean(np.logaddexp(0.0, z) - y * z)

    return loss


def network(np: Any) -> Function:
    def loss(parameters: Any, X: Array, Y: Array) -> Array:
        W1, b1, W2, b2 = parameters
        z = np.tanh(X @ W1 + b1) @ W2 + b2
        z = z - np.max(z, axis=1, keepdims=True)
        log_p = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
        return -np.mean(np.sum(Y * log_p, axis=1))

    return loss


def loop(np: Any) -> Function:
    def euler(y: Array, a: Array) -> Array:
        for _ in range(STEPS):
            y = y + 0.01 * (a * np.sin(y) - y)
        return y

    return euler


def elementwise(np: Any) -> Function:
    def f(x: Array, y: Array, z: Array) -> Array:
        return np.sum(np.exp(x) * np.sin(y) + np.log(1 + z))

    return f


def squares(np: Any) -> Function:
    def f(x: Array) -> Array:
        return np.sum(x**2)

    return f


def logsumexp(np: Any) -> Function:
    def f(x: Array) -> Array:
        m = np.max(x)
        return m + np.log(np.sum(np.exp(x - m)))

    return f


def dot(np: Any) -> Function:
    def f(x: Array, y: Array) -> Array:
        return x @ y

    return f


def stencil(np: Any) -> Function:
    def f(u: Array) -> Array:
        return np.sum((u[2:] - 2 * u[1:-1] + u[:-2]) ** 2)

    return f


def chain(np: Any, x: Array, steps: int) -> Array:
    """One array taken through ``steps`` steps, each of which has one array as its residual."""
    for _ in range(steps):
        x = np.sin(x) + 0.1 * x
    return np.sum(x)


# -- the data --------------------------------------------------------------------------------------


def _point(n: int) -> Callable[[numpy.random.Generator], tuple[Any, ...]]:
    return lambda rng: (rng.uniform(-1.5, 1.5, n),)


def _several(n: int, count: int) -> Callable[[numpy.random.Generator], tuple[Any, ...]]:
    return lambda rng: tuple(rng.uniform(0.1, 1.5, n) for _ in range(count))


def _regression(rng: numpy.random.Generator) -> tuple[Any, ...]:
    X = rng.standard_normal((10_000, 100))
    y = (X @ rng.standard_normal(100) + rng.standard_normal(10_000) > 0).astype(float)
    return 0.1 * rng.standard_normal(100), X, y


def _network(
    sizes: tuple[int, int, int], batch: int
) -> Callable[[numpy.random.Generator], tuple[Any, ...]]:
    inputs, hidden, classes = sizes

    def data(rng: numpy.random.Generator) -> tuple[Any, ...]:
        parameters = [
            rng.standard_normal((inputs, hidden)) / inputs**0.5,
            numpy.zeros(hidden),
            rng.standard_normal((hidden, classes)) / hidden**0.5,
            numpy.zeros(classes),
        ]
        labels = rng.integers(0, classes, batch)
        return parameters, rng.uniform(0, 1, (batch, inputs)), numpy.eye(classes)[labels]

    return data


TIMES = (
    Case("rosenbrock-2", "Rosenbrock, n = 2", rosenbrock, _point(2)),
    Case("rosenbrock-1000", "Rosenbrock, n = 1,000", rosenbrock, _point(1000)),
    Case("logistic", "logistic regression, 10,000 x 100", logistic, _regression),
    Case("network", "784-128-10 network, batch 128", network, _network((784, 128, 10), 128)),
    Case("loop", "scalar loop, 1,000 steps", loop, lambda rng: (0.5, 2.0), count=2),
    Case(
        "hvp",
        "Hessian-vector product, Rosenbrock, n = 1,000",
        rosenbrock,
        lambda rng: (rng.uniform(-1.5, 1.5, 1000), rng.standard_normal(1000)),
        along=True,
    ),
)
"""The table beside the peers."""

ARRAYS = tuple(
    Case(f"{name}-{n:.0e}".replace("e+0", "e"), f"{title}, {n:,}", write, data(n), count)
    for n in (100_000, 1_000_000)
    for name, title, write, data, count in (
        (
            "elementwise",
            "sum(exp(x) sin(y) + log(1 + z))",
            elementwise,
            lambda n: _several(n, 3),
            3,
        ),
        ("squares", "sum(x**2)", squares, _point, 1),
        ("logsumexp", "log(sum(exp(x)))", logsumexp, _point, 1),
        ("dot", "x @ y", dot, lambda n: _several(n, 2), 2),
        ("stencil", "sum of squared second differences", stencil, _point, 1),
        (
            "rows",
            "50-32-10 network, elements of the batch",
            network,
            lambda n: _network((50, 32, 10), n // 50),
            1,
        ),
    )
)
"""Large arrays: what a gradient costs beside the NumPy primal."""

CASES = {case.name: case for case in (*TIMES, *ARRAYS)}


# -- the same for PyTorch --------------------------------------------------------------------------


def _torch_logistic(torch: Any) -> Function:
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    return lambda w, X, y: loss(X @ w, y)


def _torch_network(torch: Any) -> Function:
    def loss(parameters: Any, X: Array, Y: Array) -> Array:
        W1, b1, W2, b2 = parameters
        z = torch.tanh(X @ W1 + b1) @ W2 + b2
        return torch.nn.functional.cross_entropy(z, Y)

    return loss


def _torch_logsumexp(torch: Any) -> Function:
    return lambda x: torch.logsumexp(x, 0)


TORCH: dict[Any, Callable[[Any], Function]] = {
    logistic: _torch_logistic,
    network: _torch_network,
    logsumexp: _torch_logsumexp,
}
"""What differs; for the rest torch's names are NumPy's."""
