"""The call of a compiled Program as a primitive, for a jitted function inside of a derivative.

Its derivatives are calls of the derived Programs, its batched form is a call of the batched one; so
whatever is asked of a jitted function from outside is compiled too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..kinds import Nonlinear
from ..primitive import Operand, Params
from ..program import Array, Program, Type
from .execute import executable, unbox

__all__ = ["call"]


def _evaluate(*inputs: Array, program: Program) -> tuple[Array, ...]:
    found = executable(program)
    values = [
        unbox(np.asarray(value, var.type.dtype))
        for value, var in zip(inputs, program.inputs, strict=True)
    ]
    return tuple(unbox(output) for output in found.run(values))


def _types(*operands: Operand, program: Program) -> tuple[Type, ...]:
    return program.output_types


def _batch(
    size: int, operands: Sequence[Array], batched: Sequence[bool], program: Program
) -> tuple[Array, ...]:
    vmapped = executable(program).vmap(size, tuple(batched))
    return call.bind(*operands, program=vmapped.program)


class _Call(Nonlinear):
    """``call(*inputs, program)``."""

    def save(
        self, operands: Sequence[Array], ans: Any, active: Sequence[Any], params: Params
    ) -> Any:
        return tuple(operands), executable(params["program"])

    def push(self, tangents: Sequence[Array | None], saved: Any, params: Params) -> Any:
        operands, found = saved
        program = found.program
        given = [
            var.type.zeros() if tangent is None else tangent
            for var, tangent in zip(program.inputs, tangents, strict=True)
            if var.type.differentiable
        ]
        moved = iter(call.bind(*operands, *given, program=found.jvp().program))
        return tuple(
            next(moved) if type.differentiable else np.zeros(type.shape)[()]
            for type in program.output_types
        )

    def pull(
        self, cotangents: Sequence[Array | None], saved: Any, active: Sequence[Any], params: Params
    ) -> list[Array | None]:
        operands, found = saved
        program = found.program
        given = [
            type.zeros() if cotangent is None else cotangent
            for type, cotangent in zip(program.output_types, cotangents, strict=True)
            if type.differentiable
        ]
        wanted = tuple(
            place is not None and var.type.differentiable
            for place, var in zip(active, program.inputs, strict=True)
        )
        pulled = iter(call.bind(*operands, *given, program=found.vjp(wanted).program))
        return [next(pulled) if wants else None for wants in wanted]

    def formula(self, operands: Sequence[str], params: Params) -> str:
        count = len(params["program"].equations)
        return f"call({', '.join(operands)}; a Program of {count} equations)"


call = _Call(
    "call",
    _evaluate,
    types=_types,
    jvps=(),
    batch=_batch,
    multiple=True,
    doc="The outputs of a compiled Program.",
)
