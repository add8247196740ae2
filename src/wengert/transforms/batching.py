"""vmap: the Program that does for a stack of inputs what a Program does for one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..primitives.shape import broadcast
from ..program import Array, Atom, Literal, Program, Type, Var
from ..recorder import record

__all__ = ["evaluate_batched", "vmap"]


def evaluate_batched(
    program: Program, size: int, values: Sequence[Array], batched: Sequence[bool]
) -> tuple[list[Array], list[bool]]:
    """Outputs at ``values``, of which those ``batched`` have a batch axis of ``size`` in front.

    Also says which outputs are batched, likewise in front; the others do not depend on the batch.
    """
    memory: dict[Var, tuple[Array, bool]] = dict(
        zip(program.inputs, zip(values, batched, strict=True), strict=True)
    )

    def read(atom: Atom) -> tuple[Array, bool]:
        return (atom.value, False) if isinstance(atom, Literal) else memory[atom]

    for equation in program.equations:
        operands, flags = zip(*map(read, equation.inputs), strict=True)
        primitive = equation.primitive
        if any(flags):
            result = primitive.batch(size, list(operands), list(flags), equation.params)
        else:
            result = primitive.bind(*operands, **equation.params)
        results = result if primitive.multiple else (result,)
        memory.update(
            (var, (value, any(flags))) for var, value in zip(equation.outputs, results, strict=True)
        )
    outputs = [read(atom) for atom in program.outputs]
    return [value for value, _ in outputs], [flag for _, flag in outputs]


def vmap(program: Program, size: int, batched: Sequence[bool] | None = None) -> Program:
    """The Program over a batch of ``size``, its axis in front of each batched input.

    Every output has the batch axis in front. By default all inputs are batched.
    """
    flags = [True] * len(program.inputs) if batched is None else list(batched)
    types = [
        Type((size, *var.type.shape), var.type.dtype) if flag else var.type
        for var, flag in zip(program.inputs, flags, strict=True)
    ]

    def stacked(*values: Array) -> list[Array]:
        outputs, done = evaluate_batched(program, size, values, flags)
        return [
            value if flag else broadcast.bind(value, shape=(size, *np.shape(value)))
            for value, flag in zip(outputs, done, strict=True)
        ]

    return record(stacked, types)[0].check()
