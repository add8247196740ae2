"""The Program of a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import tree
from ..calls import (
    called,
    check_callable,
    handle,
    result_leaf,
)
from ..errors import ShapeError
from ..program import Array, Program, Type
from ..recorder import record
from ..verbs import verb

__all__ = ["trace"]


@verb
def trace(f: Callable[..., Any]) -> Callable[..., Program]:
    """A function that returns the Program of ``f`` at its arguments.

    The arguments' leaves are the inputs, the result's leaves the outputs. Values are known while
    tracing, so control flow works, and the Program is of the path taken.

    Example:
        >>> import numpy as np, wengert as wg
        >>> print(wg.trace(lambda x: np.sum(x * x))(np.ones(3)))
        program(a: f64[3]):
            b: f64[3] = a * a
            c: f64    = sum(b, axes=(0,))
            return c
    """
    check_callable(f, "trace")

    def traced(*args: Any, **kwargs: Any) -> Program:
        leaves, spec = tree.flatten((args, kwargs))
        values = [result_leaf(leaf) for leaf in leaves]

        def flat(*inputs: Array) -> list[Array]:
            given, named = tree.unflatten(spec, list(map(handle, inputs, leaves)))
            outputs, _ = tree.flatten(called(f, given, named))
            return [result_leaf(output) for output in outputs]

        program, captures = record(flat, [Type.of(value) for value in values], values)
        if captures:
            raise ShapeError(
                "wg.trace was called inside of a derivative, on a function that uses traced values "
                "from outside of it",
                remedy="pass them as arguments",
            )
        return program.check()

    return traced
