"""The guard: what a compiled path of a function takes for granted.

A function under ``wengert.jit`` whose control flow asked for a value is compiled for the path that
it took. The guard is the equation that says so: it has no result, and fails where the value is
another than the one that was found while tracing. That one is an operand too, so that the guards of
a loop's rounds can be one guard in the loop.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import AbstractValueError, GuardFailed
from ..kinds import Nonlinear
from ..primitive import Operand, Params, operand_type
from ..program import Array

__all__ = ["guard", "holds"]


def holds(value: Array, expected: Array) -> bool:
    """Whether a value is the expected one to the bit: NaN is NaN, and 0.0 is not -0.0."""
    if type(value) is np.bool_:
        return bool(value) is bool(expected)
    found = np.asarray(value)
    wanted = np.asarray(expected, found.dtype)
    return found.shape == wanted.shape and found.tobytes() == wanted.tobytes()


def _guard(value: Array, expected: Array) -> tuple[()]:
    if not holds(value, expected):
        raise GuardFailed(None, value)
    return ()


def _types(value: Operand, expected: Operand) -> tuple[()]:
    if operand_type(value) != operand_type(expected):
        raise TypeError(f"a guard for {operand_type(expected)} on {operand_type(value)}")
    return ()


def _batch(size: int, operands: Any, batched: Any) -> tuple[()]:
    raise AbstractValueError(
        "a path that was taken for one value was to be used for a batch of others",
        remedy="np.where(condition, a, b) for a choice that depends on the value",
    )


class _Guard(Nonlinear):
    """``guard(value, expected)``."""

    def guards(self, params: Params) -> int:
        return 1


guard = _Guard(
    "guard",
    _guard,
    types=_types,
    jvps=0,
    batch=_batch,
    multiple=True,
    doc="Nothing, where the operand is the expected value; it raises GuardFailed elsewhere.",
)
