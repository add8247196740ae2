"""particle: how to place a charge so that a particle flies through the origin.

Two fixed charges repel a particle, whose path is computed by Euler's method; its acceleration is
the gradient of a potential. The square of the place where it crosses the x axis is minimised over
the height of one charge, by gradient descent: derivatives in a loop in a derivative in a loop.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import wengert as wg

from .descent import gradient, least
from .task import Task, compiled

STEP = 0.1


def distance(x: Any, y: Any) -> Any:
    """From the origin."""
    return np.sqrt(x * x + y * y)


def potential(x: Any, y: Any, w: Any) -> Any:
    """The potential of charges at (10, 10 − w) and (10, 0)."""
    return 1 / distance(x - 10, y - (10 - w)) + 1 / distance(x - 10, y)


def miss(w: Any, mode: str) -> Any:
    """The square of the x at which the particle crosses the x axis, the potential by ``mode``."""

    def above(state: tuple[Any, ...]) -> Any:
        _, y, _, rise = state
        return y + STEP * rise > 0

    def move(state: tuple[Any, ...]) -> tuple[Any, ...]:
        x, y, run, rise = state
        uphill = gradient(lambda a, b: potential(a, b, w), mode)(x, y)
        faster = run - STEP * uphill[0], rise - STEP * uphill[1]
        return (x + STEP * run, y + STEP * rise, *faster)

    x, y, run, rise = wg.while_loop(above, move, (0.0, 8.0, 0.75, 0.0))
    return (x - y / rise * run) ** 2


def height(w: Any, outer: str, inner: str) -> Any:
    """The w at which the particle meets the origin."""
    (found,) = least(lambda w: miss(w, inner), (w,), outer)
    return found


def _read(given: Any) -> tuple[Any, ...]:
    return (float(given["w"]),)


FUNCTIONS = {
    outer + inner: Task(compiled(partial(height, outer=outer, inner=inner)), _read)
    for outer in "fr"
    for inner in "fr"
}
