"""ode: a differential equation solved by Runge and Kutta's method, and a gradient through it."""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert as wg

from .task import Task, array, compiled

END = 2.0


def slope(x: Any, y: Any) -> Any:
    """y₀' = x₀ and yᵢ' = xᵢ yᵢ₋₁."""
    return x * np.concatenate([np.ones(1), y[:-1]])


def solution(x: Any, steps: int) -> Any:
    """y at the end, from zeros at time 0, in equal steps of the fourth order."""
    h = END / steps

    def step(_: Any, y: Any) -> Any:
        k1 = slope(x, y)
        k2 = slope(x, y + h / 2 * k1)
        k3 = slope(x, y + h / 2 * k2)
        k4 = slope(x, y + h * k3)
        return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    return wg.fori_loop(0, steps, step, np.zeros(len(x)))


def last(x: Any, steps: int) -> Any:
    """The last element of the solution."""
    return solution(x, steps)[-1]


def _read(given: Any) -> tuple[Any, ...]:
    return array(given["x"]), int(given["s"])


FUNCTIONS = {
    "primal": Task(compiled(solution, static_argnums=1), _read),
    "gradient": Task(compiled(wg.grad(last), static_argnums=1), _read),
}
