"""llsq: how far a polynomial is from the sign function, and the gradient for its coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert as wg

from .task import Task, array, compiled


def misfit(x: Any, n: int) -> Any:
    """½ Σ (sign(tᵢ) − x₀ − x₁ tᵢ − x₂ tᵢ² − …)² at n points tᵢ from −1 to 1, by Horner's scheme."""
    t = np.linspace(-1.0, 1.0, n)
    value = np.zeros(n)
    for coefficient in x[::-1]:
        value = value * t + coefficient
    return 0.5 * np.sum((np.sign(t) - value) ** 2)


def _read(given: Any) -> tuple[Any, ...]:
    return array(given["x"]), int(given["n"])


FUNCTIONS = {
    "primal": Task(compiled(misfit, static_argnums=1), _read),
    "gradient": Task(compiled(wg.grad(misfit), static_argnums=1), _read),
}
