"""Evaluating a Program: on arrays it computes, on traced values it is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import GuardFailed, ShapeError
from .program import Array, Atom, Literal, Program, Var
from .trace import strong

__all__ = ["Evaluator", "evaluate"]


def last_uses(program: Program) -> list[tuple[Var, ...]]:
    """For each equation, the variables that nothing after it reads."""
    kept = {atom for atom in program.outputs if isinstance(atom, Var)}
    found: list[tuple[Var, ...]] = []
    for equation in reversed(program.equations):
        atoms = (*equation.inputs, *equation.outputs)
        ending = {atom for atom in atoms if isinstance(atom, Var)} - kept
        kept |= ending
        found.append(tuple(ending))
    return found[::-1]


def evaluate(program: Program, values: Sequence[Array]) -> list[Array]:
    """The outputs of the Program at ``values``; each intermediate is freed after its last use.

    Raises ``ShapeError`` when the number of values is not the number of inputs.
    """
    if len(values) != len(program.inputs):
        raise ShapeError(f"the Program takes {len(program.inputs)} values, not {len(values)}")
    memory: dict[Var, Array] = dict(zip(program.inputs, values, strict=True))

    def read(atom: Atom) -> Array:
        return atom.value if isinstance(atom, Literal) else memory[atom]

    for equation, ending in zip(program.equations, last_uses(program), strict=True):
        result = strong(equation.primitive.bind(*map(read, equation.inputs), **equation.params))
        results = result if equation.primitive.multiple else (result,)
        memory.update(zip(equation.outputs, results, strict=True))
        for var in ending:
            del memory[var]
    return [read(atom) for atom in program.outputs]


class Evaluator:
    """Runs a Program on arrays again and again, and knows the number of a guard that fails."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.steps: list[tuple[Any, ...]] = []
        guards = 0
        for equation, ending in zip(program.equations, last_uses(program), strict=True):
            self.steps.append((equation, ending, guards))
            guards += equation.guards

    def run(self, values: Sequence[Array]) -> list[Array]:
        """The outputs; GuardFailed where a guard does not hold."""
        memory: dict[Var, Array] = dict(zip(self.program.inputs, values, strict=True))
        for equation, ending, number in self.steps:
            operands = [a.value if isinstance(a, Literal) else memory[a] for a in equation.inputs]
            try:
                result = strong(equation.primitive.evaluate(*operands, **equation.params))
            except GuardFailed as failure:
                raise failure.behind(number) from None
            if equation.primitive.multiple:
                memory.update(zip(equation.outputs, result, strict=True))
            else:
                memory[equation.outputs[0]] = result
            for var in ending:
                memory.pop(var, None)
        return [a.value if isinstance(a, Literal) else memory[a] for a in self.program.outputs]
