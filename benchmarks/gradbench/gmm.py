"""gmm: the log posterior of a mixture of Gaussians, and its gradient.

The precision matrix of each component is QᵀQ for a lower triangular Q, whose diagonal is exp(q) and
whose other elements, column by column, are l. The prior of each precision matrix is Wishart's.
"""

from __future__ import annotations

from math import lgamma
from typing import Any

import numpy as np

import wengert as wg

from .task import Task, array, compiled


def logsumexp(x: Any) -> Any:
    """log Σ exp(x) along the first axis."""
    greatest = np.max(x, axis=0)
    return greatest + np.log(np.sum(np.exp(x - greatest), axis=0))


def log_multigamma(a: float, d: int) -> float:
    """The logarithm of the gamma function of d dimensions."""
    return 0.25 * d * (d - 1) * np.log(np.pi) + sum(lgamma(a - 0.5 * j) for j in range(d))


def triangular(q: Any, lower: Any) -> Any:
    """The lower triangular matrices of all components, of shape (k, d, d)."""
    k, d = q.shape
    columns, rows = np.triu_indices(d, 1)
    matrices = np.zeros((k, d, d), like=q)
    matrices[:, rows, columns] = lower
    matrices[:, np.arange(d), np.arange(d)] = np.exp(q)
    return matrices


def log_posterior(parameters: dict[str, Any], x: Any, gamma: Any, m: int) -> Any:
    """The log density of the points ``x``, of shape (n, d), times the prior of the parameters."""
    alpha, mu, q, lower = (parameters[name] for name in ("alpha", "mu", "q", "l"))
    (k,), (n, d) = alpha.shape, x.shape
    factors = triangular(q, lower)
    log_determinants = np.sum(q, axis=1)
    whitened = factors @ x.T - factors @ mu[:, :, None]
    logs = (alpha + log_determinants)[:, None] - 0.5 * np.sum(whitened**2, axis=1)
    likelihood = np.sum(logsumexp(logs)) - n * (0.5 * d * np.log(2 * np.pi) + logsumexp(alpha))
    freedom = d + m + 1
    prior = k * (freedom * d * np.log(gamma / np.sqrt(2)) - log_multigamma(0.5 * freedom, d))
    prior += m * np.sum(log_determinants) - 0.5 * gamma**2 * np.sum(factors**2)
    return likelihood + prior


def _read(given: Any) -> tuple[Any, ...]:
    d, k = given["d"], given["k"]
    parameters = {
        "alpha": array(given["alpha"]),
        "mu": array(given["mu"]),
        "q": array(given["q"]),
        "l": array(given["l"]).reshape(k, d * (d - 1) // 2),
    }
    return parameters, array(given["x"]), float(given["gamma"]), int(given["m"])


FUNCTIONS = {
    "objective": Task(compiled(log_posterior, static_argnums=3), _read),
    "jacobian": Task(compiled(wg.grad(log_posterior), static_argnums=3), _read),
}
