"""saddle: a point that minimises over x what is greatest over y, by descent within descent.

The function that the outer descent differentiates has all of the inner one in it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from .descent import greatest, least
from .task import Task, compiled


def f(x1: Any, x2: Any, y1: Any, y2: Any) -> Any:
    """(x₁² + x₂²) − (y₁² + y₂²)."""
    return (x1**2 + x2**2) - (y1**2 + y2**2)


def saddle(start: tuple[Any, Any], outer: str, inner: str) -> tuple[Any, ...]:
    """x and y at the saddle point, four numbers, from ``start`` for both."""

    def best(x1: Any, x2: Any) -> Any:
        return f(x1, x2, *greatest(partial(f, x1, x2), start, inner))

    x = least(best, start, outer)
    return (*x, *greatest(partial(f, *x), start, outer))


def _read(given: Any) -> tuple[Any, ...]:
    first, second = given["start"]
    return ((float(first), float(second)),)


FUNCTIONS = {
    outer + inner: Task(compiled(partial(saddle, outer=outer, inner=inner)), _read)
    for outer in "fr"
    for inner in "fr"
}
