"""The primitive ``switch``: one of several Programs, chosen by an index.

    switch(index, operands..., branches)

``index`` is an int64 that is clipped to the range of the branches, which take and give values of
the same types. Tangent and cotangent are those of the branch taken: in reverse mode it is run
again, so nothing of it is kept, but its operands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..evaluate import evaluate
from ..primitive import Operand, Params
from ..primitives.logic import select
from ..program import Array, Equation, Literal, Program, Type
from ..transforms.simplify import eliminate_dead_code
from .base import Control, check_types, flagged, text_of
from .halves import without
from .memory import interned, remembered
from .programs import (
    Flags,
    batched_program,
    fitted,
    in_front,
    lean,
    needed,
    pullback,
    pushforward,
    reached,
    spread_out,
    take,
)
from .runner import runner

__all__ = ["chosen_rows", "switch_primitive"]

INDEX = Type((), np.dtype(np.int64))


def _evaluate(index: Array, *operands: Array, branches: tuple[Program, ...]) -> tuple[Array, ...]:
    place = min(max(int(index), 0), len(branches) - 1)
    return runner(branches[place])(*operands)


def _any(flags: Sequence[Sequence[bool]]) -> Flags:
    return tuple(map(any, zip(*flags, strict=True)))


@remembered
def _cotangents(program: Program, active: Flags, wanted: Flags, zero: Flags) -> Any:
    """The Program of the cotangents only: (inputs, cotangents that are not zero); which remain."""
    whole = pullback(program, active, wanted)
    outputs = whole.outputs[len(program.outputs) :]
    only = eliminate_dead_code(Program(whole.inputs, whole.equations, outputs))
    return without(interned(only), zero)


def _filled(program: Program, made: Flags, wanted: Flags, types: Sequence[Type]) -> Program:
    """The Program with all outputs that are wanted: zeros for those it does not make."""
    rest = iter(program.outputs)
    outputs = [
        next(rest) if has else Literal(type.zeros())
        for has, want, type in zip(made, wanted, types, strict=True)
        if want
    ]
    return interned(Program(program.inputs, program.equations, tuple(outputs)))


class Switch(Control):
    """One of several Programs; see the head of this file."""

    def types(self, operands: Sequence[Operand], params: Params) -> tuple[Type, ...]:
        first, *others = params["branches"]
        for branch in others:
            check_types("a branch of switch", branch.input_types, first.input_types)
            check_types("the result of a switch", branch.output_types, first.output_types)
        check_types("switch", operands, [INDEX, *first.input_types])
        return first.output_types

    def programs(self, params: Params) -> Sequence[tuple[str, Program]]:
        return [(f"branch {i}", branch) for i, branch in enumerate(params["branches"])]

    def formula(self, operands: Sequence[str], params: Params) -> str:
        return text_of("switch", operands)

    def reached(self, active: Sequence[bool], params: Params) -> Flags:
        return _any([reached(branch, active[1:]) for branch in params["branches"]])

    def batch(self, size: int, operands: list[Array], batched: list[bool], params: Params) -> Any:
        index, *values = operands
        branches, flags = params["branches"], tuple(batched[1:])
        if not batched[0]:
            wanted = (True,) * len(branches[0].outputs)
            made = tuple(batched_program(branch, size, flags, wanted)[0] for branch in branches)
            return self.bind(index, *values, branches=made)
        index = np.clip(index, 0, len(branches) - 1)
        results: list[list[Array]] = []
        for branch in branches:
            program, done = batched_program(branch, size, flags)
            found = evaluate(program, values)
            results.append(
                [v if f else in_front(v, size) for v, f in zip(found, done, strict=True)]
            )
        chosen = results[0]
        for place, others in enumerate(results[1:], 1):
            chosen = [
                chosen_rows(index == place, b, a) for a, b in zip(chosen, others, strict=True)
            ]
        return tuple(chosen)

    def pushed(
        self, operands: Sequence[Array], tangents: Sequence[Array | None], params: Params
    ) -> tuple[Sequence[Array], Sequence[Array | None]]:
        branches = params["branches"]
        active = flagged(tangents[1:])
        moving = self.reached(flagged(tangents), params)
        full = [
            fitted(t, Type.of(o)) for o, t in zip(operands, tangents, strict=True) if t is not None
        ]
        made = tuple(pushforward(branch, active, moving) for branch in branches)
        found = self.bind(*operands, *full, branches=made)
        count = len(moving)
        return found[:count], spread_out(found[count:], moving)

    def push(self, tangents: Sequence[Array | None], saved: Any, params: Params) -> Any:
        return self.pushed(saved[0], tangents, params)[1]

    def taped(
        self, operands: Sequence[Array], active: Sequence[Any], params: Params
    ) -> tuple[Sequence[Array], Any]:
        moving = self.reached(flagged(active), params)
        return self.bind(*operands, **params), (tuple(operands), flagged(active), moving)

    def pull(
        self, cotangents: Sequence[Array | None], saved: Any, active: Sequence[Any], params: Params
    ) -> list[Array | None]:
        operands, moving, wanted = saved
        branches = params["branches"]
        given = take(cotangents, wanted)
        types = take(branches[0].output_types, wanted)
        zero = tuple(ct is None for ct in given)
        parts = [_cotangents(branch, moving[1:], wanted, zero) for branch in branches]
        some = _any([made for _, made in parts])
        outer = take(branches[0].input_types, moving[1:])
        filled = tuple(_filled(program, made, some, outer) for program, made in parts)
        full = [fitted(ct, type) for ct, type in zip(given, types, strict=True) if ct is not None]
        if not any(some):
            return [None] * len(operands)
        # An operand in which the branches are linear is not read: it may be unknown.
        every = (True,) * sum(some)
        read = _any([needed(program, every) for program in filled])
        made = tuple(lean(program, read, every) for program in filled)
        found = self.bind(operands[0], *take([*operands[1:], *full], read), branches=made)
        return [None, *spread_out(spread_out(found, some), moving[1:])]

    def shrink(self, equation: Equation, used: Sequence[bool]) -> Equation:
        branches = equation.params["branches"]
        wanted = tuple(used)
        read = _any([needed(branch, wanted) for branch in branches])
        made = tuple(lean(branch, read, wanted) for branch in branches)
        index, *operands = equation.inputs
        inputs, outputs = take(operands, read), take(equation.outputs, wanted)
        return Equation(self, (index, *inputs), {"branches": made}, tuple(outputs))


def chosen_rows(condition: Array, a: Array, b: Array) -> Array:
    """``a`` where the condition, one truth value for each of the batch, holds, else ``b``."""
    shape = (*np.shape(condition), *(1,) * (np.ndim(a) - 1))
    return select.bind(np.reshape(condition, shape), a, b)


switch_primitive = Switch(
    "switch", _evaluate, "One of several Programs of the same types, chosen by an index."
)
