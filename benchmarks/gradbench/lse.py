"""lse: the logarithm of a sum of exponentials, and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert as wg

from .task import Task, array, compiled


def logsumexp(x: Any) -> Any:
    """log Σ exp(xᵢ), with the greatest element taken out so that nothing overflows."""
    greatest = np.max(x)
    return greatest + np.log(np.sum(np.exp(x - greatest)))


def _read(given: Any) -> tuple[Any, ...]:
    return (array(given["x"]),)


FUNCTIONS = {
    "primal": Task(compiled(logsumexp), _read),
    "gradient": Task(compiled(wg.grad(logsumexp)), _read),
}
