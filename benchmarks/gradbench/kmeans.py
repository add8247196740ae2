"""kmeans: the cost of a clustering, and the step of Newton's method for its centroids.

Each centroid moves its own points' cost only and each of its coordinates for itself, so the Hessian
is diagonal: its product with a vector of ones is the diagonal.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert as wg

from .task import Task, array, compiled


def cost(centroids: Any, points: Any) -> Any:
    """The sum of the squared distances of all points to their nearest centroids."""
    squares = np.sum(centroids**2, axis=1) - 2 * points @ centroids.T
    nearest = np.argmin(squares, axis=1)
    return np.sum((points - centroids[nearest]) ** 2)


def direction(centroids: Any, points: Any) -> Any:
    """The gradient of the cost divided by the diagonal of its Hessian."""
    gradient, diagonal = wg.jvp(
        lambda c: wg.grad(cost)(c, points), (centroids,), (np.ones(centroids.shape),)
    )
    return gradient / diagonal


def _read(given: Any) -> tuple[Any, ...]:
    return array(given["centroids"]), array(given["points"])


FUNCTIONS = {"cost": Task(compiled(cost), _read), "dir": Task(compiled(direction), _read)}
