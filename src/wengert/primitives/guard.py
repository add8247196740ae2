"""The guard: what a compiled path of a function takes for granted.

A function under ``wengert.jit`` whose control flow asked for a value is compiled for the path that
it took. The guard is the equation that says so: it has no result, and fails where the value is
another than the one that was found while tracing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import AbstractValueError, GuardFailed
from ..kinds import nonlinear
from ..primitive import Operand, operand_type
from ..program import Array

__all__ = ["guard", "holds"]


def holds(value: Array, expected: Any) -> bool:
    """Whether a value is the expected one to the bit: NaN is NaN, and 0.0 is not -0.0."""
    if type(expected) is bool:
        return bool(value) is expected
    if type(expected) is int:
        return int(value) == expected
    found = np.asarray(value)
    wanted = np.asarray(expected, found.dtype)
    return found.shape == wanted.shape and found.tobytes() == wanted.tobytes()


def _guard(value: Array, expected: Any) -> tuple[()]:
    if not holds(value, expected):
        raise GuardFailed(None, value)
    return ()


def _types(value: Operand, expected: Any) -> tuple[()]:
    shape = np.shape(expected)
    if operand_type(value).shape != shape:
        raise ValueError(f"a guard of shape {shape} for a {operand_type(value)}")
    return ()


def _batch(size: int, operands: Any, batched: Any, expected: Any) -> tuple[()]:
    raise AbstractValueError(
        "a path that was taken for one value was to be used for a batch of others",
        remedy="np.where(condition, a, b) for a choice that depends on the value",
    )


guard = nonlinear(
    "guard",
    _guard,
    types=_types,
    jvps=0,
    batch=_batch,
    multiple=True,
    doc="Nothing, where the operand is the expected value; it raises GuardFailed elsewhere.",
)
guard.effect = True
