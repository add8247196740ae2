"""What is differentiated: functions of a NumPy-like namespace, and the data they are given.

A function is written once for everyone whose interface is NumPy's (wengert, autograd, JAX); what a
user of another library would write for it is in ``TORCH``, ``JAX`` and ``CASADI``. All data are
float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy

__all__ = [
    "ARRAYS",
    "CASADI",
    "CASES",
    "ELEMENTWISE",
    "JAX",
    "LARGE",
    "SMALL",
    "STEPS",
    "TIMES",
    "TORCH",
    "Array",
    "Case",
    "Function",
]

Array = Any
Function = Callable[..., Any]

STEPS = 1000
"""Steps of the loops in time."""


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


def steps(np: Any) -> Function:
    euler = loop(np)
    return lambda y: np.sum(euler(y, 2.0))


def gaussian(np: Any) -> Function:
    def loss(parameters: Any, X: Array) -> Array:
        z = (X - parameters["mean"]) * np.exp(-parameters["log_sd"])
        return 0.5 * np.sum(z**2) + len(X) * np.sum(parameters["log_sd"])

    return loss


def terms(np: Any) -> Function:
    return lambda x, y, z: np.exp(x) * np.sin(y) + np.log(1 + z)


def elementwise(np: Any) -> Function:
    f = terms(np)
    return lambda x, y, z: np.sum(f(x, y, z))


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


def flow(np: Any, y: Array, rates: Array) -> Array:
    """How predators and prey change, after Lotka and Volterra."""
    a, b, c, d = rates
    return np.stack([a * y[0] - b * y[0] * y[1], c * y[0] * y[1] - d * y[1]])


def runge_kutta(np: Any, y: Array, rates: Array) -> Array:
    """One step of the classical method."""
    step = 0.05
    k1 = flow(np, y, rates)
    k2 = flow(np, y + 0.5 * step * k1, rates)
    k3 = flow(np, y + 0.5 * step * k2, rates)
    k4 = flow(np, y + step * k3, rates)
    return y + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def _orbit(count: int) -> Callable[[Any], Function]:
    def write(np: Any) -> Function:
        def end(rates: Array, y: Array) -> Array:
            for _ in range(count):
                y = runge_kutta(np, y, rates)
            return np.sum(y)

        return end

    return write


orbit_short, orbit = _orbit(10), _orbit(100)


def orbit_loop(np: Any) -> Function:
    """As ``orbit``, but its loop is one operation."""
    import wengert

    def end(rates: Array, y: Array) -> Array:
        return np.sum(wengert.fori_loop(0, 100, lambda _, y: runge_kutta(np, y, rates), y))

    return end


def chain(np: Any, count: int) -> Function:
    """``count`` steps, each of which has one array as its residual."""

    def f(x: Array) -> Array:
        for _ in range(count):
            x = np.sin(x) + 0.1 * x
        return np.sum(x)

    return f


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


def _sample(rng: numpy.random.Generator) -> tuple[Any, ...]:
    return {"mean": numpy.zeros(3), "log_sd": 0.1 * numpy.ones(3)}, rng.standard_normal((20, 3))


def _name(name: str, n: int) -> str:
    return f"{name}-{n:.0e}".replace("e+0", "e")


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
    Case(_name(name, n), f"{title}, {n:,}", write, data(n), count)
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

SMALL = (
    TIMES[0],
    Case("rosenbrock-10", "Rosenbrock, n = 10", rosenbrock, _point(10)),
    Case(
        "network-small", "4-8-3 network, batch 4, list of arrays", network, _network((4, 8, 3), 4)
    ),
    Case("gaussian", "Gaussian likelihood, 20 x 3, dictionary", gaussian, _sample),
)
"""Problems in which a call costs more than the arithmetic."""

ELEMENTWISE = {
    kind: tuple(
        Case(_name(name, n), f"{title}, {n:,}", write, lambda rng, n=n: _several(n, 3)(rng), 3)
        for n in (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
    )
    for kind, name, title, write in (
        ("value", "terms", "value", terms),
        ("gradient", "elementwise", "gradient of the sum", elementwise),
    )
}
"""``exp(x) * sin(y) + log(1 + z)`` on arrays of each size, and the gradient of its sum."""


def _chain(n: int, count: int) -> Case:
    title = f"chain of {count} steps sin(x) + 0.1 x on {n:,} numbers"
    return Case(_name("chain", n), title, lambda np: chain(np, count), _point(n))


LARGE = {
    "quick": (
        _chain(100_000, 100),
        Case("wide-quick", "784-512-10 network, batch 512", network, _network((784, 512, 10), 512)),
        Case("steps-quick", "1,000 Euler steps on 1,000 numbers", steps, _point(1_000)),
    ),
    "full": (
        _chain(1_000_000, 100),
        Case("wide", "784-2048-10 network, batch 2,048", network, _network((784, 2048, 10), 2048)),
        Case("steps", "1,000 Euler steps on 20,000 numbers", steps, _point(20_000)),
    ),
}
"""Gradients that need much memory."""

CASES = {
    case.name: case
    for cases in (TIMES, ARRAYS, SMALL, *ELEMENTWISE.values(), *LARGE.values())
    for case in cases
}


# -- the same for others ---------------------------------------------------------------------------


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


def _jax_loop(jax: Any) -> Function:
    def euler(y: Array, a: Array) -> Array:
        return jax.lax.fori_loop(0, STEPS, lambda _, y: y + 0.01 * (a * jax.numpy.sin(y) - y), y)

    return euler


def _jax_steps(jax: Any) -> Function:
    euler = _jax_loop(jax)
    return lambda y: jax.numpy.sum(euler(y, 2.0))


def _jax_orbit(jax: Any) -> Function:
    np = jax.numpy

    def end(rates: Array, y: Array) -> Array:
        return np.sum(jax.lax.fori_loop(0, 100, lambda _, y: runge_kutta(np, y, rates), y))

    return end


JAX: dict[Any, Callable[[Any], Function]] = {
    loop: _jax_loop,
    steps: _jax_steps,
    orbit: _jax_orbit,
    orbit_loop: _jax_orbit,
}
"""Loops that a user of JAX would not unroll under its ``jit``."""


def _casadi_rosenbrock(casadi: Any) -> Function:
    def f(x: Array) -> Array:
        return casadi.sum1(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    return f


def _casadi_network(casadi: Any) -> Function:
    def loss(parameters: Any, X: Array, Y: Array) -> Array:
        W1, b1, W2, b2 = parameters
        count = X.shape[0]
        hidden = casadi.tanh(X @ W1 + casadi.repmat(b1.T, count, 1))
        z = hidden @ W2 + casadi.repmat(b2.T, count, 1)
        log_p = z - casadi.repmat(casadi.log(casadi.sum2(casadi.exp(z))), 1, z.shape[1])
        return -casadi.sum1(casadi.sum2(Y * log_p)) / count

    return loss


def _casadi_gaussian(casadi: Any) -> Function:
    def loss(parameters: Any, X: Array) -> Array:
        mean, log_sd = parameters["mean"], parameters["log_sd"]
        count = X.shape[0]
        z = (X - casadi.repmat(mean.T, count, 1)) * casadi.repmat(casadi.exp(-log_sd).T, count, 1)
        return 0.5 * casadi.sumsqr(z) + count * casadi.sum1(log_sd)

    return loss


CASADI: dict[Any, Callable[[Any], Function]] = {
    rosenbrock: _casadi_rosenbrock,
    network: _casadi_network,
    gaussian: _casadi_gaussian,
}
"""CasADi's matrices have names of their own; what is not here it is not asked for."""
