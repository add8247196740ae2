"""The loss of the smallest network there is, as a landscape to walk down on.

One input, two hidden units with ReLU, one linear output, no biases. The second hidden unit is
fixed, so that two weights are left, and the loss is a surface over the plane.
"""

from __future__ import annotations

import numpy as np

from .. import derivatives as wg
from ..program import Array

__all__ = ["STARTS", "descend", "network_loss", "surface"]

X, TARGET = 0.8, 1.9
SECOND_HIDDEN, SECOND_OUTPUT = 1.2, 0.8
W_RANGE, V_RANGE = (0.0, 3.5), (-3.5, 3.5)
STARTS = ((3.0, -2.2), (1.7, -2.8))
"""From the first, descent arrives in the valley; from the second, the ReLU dies on the way."""


def relu(a: Array) -> Array:
    """``a`` where it is positive, and zero elsewhere."""
    return np.where(a > 0, a, 0.0)


def network_loss(w: Array, v: Array) -> Array:
    """The squared error, with ``w`` into the first hidden unit and ``v`` out of it."""
    output = v * relu(w * X) + SECOND_OUTPUT * relu(SECOND_HIDDEN * X)
    return (output - TARGET) ** 2


def surface(points: int = 201) -> tuple[Array, Array, Array]:
    """``w``, ``v`` and the loss on a grid, each of shape (points, points)."""
    w, v = np.meshgrid(np.linspace(*W_RANGE, points), np.linspace(*V_RANGE, points))
    return w, v, network_loss(w, v)


def descend(start: tuple[float, float], steps: int = 150, rate: float = 0.01) -> Array:
    """The path of gradient descent as rows (w, v, loss), the start and each step after it."""
    w, v = start
    path: list[tuple[float, float, float]] = []
    for _ in range(steps):
        height, (slope_w, slope_v) = wg.value_and_grad(network_loss, argnums=(0, 1))(w, v)
        path.append((w, v, height))
        w, v = w - rate * slope_w, v - rate * slope_v
    path.append((w, v, network_loss(w, v)))
    return np.array(path)
