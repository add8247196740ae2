"""How wrong finite differences are, whatever the step.

The truncation error shrinks with the step, the rounding error grows: the best forward difference
has about half of a float's digits, the best central difference two thirds, and the derivative by
program all of them. See N. J. Higham, "Accuracy and Stability of Numerical Algorithms", SIAM 2002,
section 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import derivatives as wg
from ..program import Array

__all__ = ["StepSizes", "cube", "step_sizes"]


def cube(x: Array) -> Array:
    """x^3, whose derivative at 1 is 3."""
    return x**3


@dataclass(frozen=True)
class StepSizes:
    """Steps from 1e-16 to 1, and the error of each derivative of x^3 at 1."""

    h: Array
    forward: Array
    central: Array
    automatic: float


def step_sizes(points: int = 321) -> StepSizes:
    """The errors of forward and central differences, and of wengert's derivative, at x = 1."""
    h = np.logspace(-16, 0, points)
    forward = (cube(1 + h) - cube(1.0)) / h
    central = (cube(1 + h) - cube(1 - h)) / (2 * h)
    automatic = wg.grad(cube)(1.0)
    return StepSizes(h, np.abs(forward - 3), np.abs(central - 3), float(abs(automatic - 3)))
