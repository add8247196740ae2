"""hello: the square of a number, and its derivative."""

from __future__ import annotations

from typing import Any

import wengert as wg

from .task import Task, compiled


def square(x: Any) -> Any:
    """x²."""
    return x * x


def _read(given: Any) -> tuple[Any, ...]:
    return (float(given),)


FUNCTIONS = {
    "square": Task(compiled(square), _read),
    "double": Task(compiled(wg.grad(square)), _read),
}
