"""The primitive ``scan``: a loop of known length over slices of arrays, with carried values.

    scan(consts..., initial carries..., xs..., program, length, consts, carries, reverse)

``program`` takes the consts, the carries and one slice of each x (axis 0), and gives the new
carries and a slice of each y. The results are the final carries and the stacked ys. A step may hold
guards; they are numbered in the order in which they are met.

Its tangent is a scan of the body's pushforward. For the reverse mode the body's pullback is cut in
two: a scan forward that stacks what the derivative needs, and a scan in the opposite direction
that carries the cotangents, and adds up those of the consts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import GuardFailed
from ..evaluate import evaluate
from ..primitive import Operand, Params
from ..program import Array, Equation, Program, Type
from .adjoint import backward
from .base import Control, check_types, fixpoint, flagged, live, text_of
from .halves import Halves, halves
from .memory import interned, remembered
from .programs import (
    Flags,
    all_in_front,
    batched_program,
    completed,
    fitted,
    in_front,
    in_groups,
    lean,
    recorded,
    spread_out,
    take,
    with_constants,
    with_tangents,
)
from .runner import runner
from .switch import switch_primitive

__all__ = ["Loop", "scan_primitive"]


def _evaluate(
    *inputs: Array, program: Program, length: int, consts: int, carries: int, reverse: bool
) -> tuple[Array, ...]:
    run = runner(program)
    fixed, carry, xs = (
        inputs[:consts],
        inputs[consts : consts + carries],
        inputs[consts + carries :],
    )
    stacks = [np.empty((length, *t.shape), t.dtype) for t in program.output_types[carries:]]
    for number, k in enumerate(reversed(range(length)) if reverse else range(length)):
        try:
            found = run(*fixed, *carry, *[x[k] for x in xs])
        except GuardFailed as failure:
            raise failure.behind(number * program.guards) from None
        carry = found[:carries]
        for stack, y in zip(stacks, found[carries:], strict=True):
            stack[k] = y
    return (*carry, *stacks)


def _stacked(types: Sequence[Type], length: int) -> list[Type]:
    return [Type((length, *type.shape), type.dtype) for type in types]


@dataclass(frozen=True, eq=False)
class _Plan:
    """How a scan is differentiated in reverse: the active carries and ys, the body's halves."""

    inputs: Flags
    outputs: Flags
    halves: Halves
    kept: tuple[int, ...]
    forward: Program


@remembered
def _plan(program: Program, active: Flags, consts: int, carries: int) -> _Plan:
    first, last = active[:consts], active[consts + carries :]
    carried, ys = fixpoint(program, first, active[consts : consts + carries], last)
    flags = (*first, *carried, *last)
    cut = halves(program, flags, (*carried, *ys), consts)
    inputs = [s.place for s in cut.sources if s.kind == "input"]
    kept = tuple(i for i in inputs if consts <= i < consts + carries)
    forward = cut.forward
    stacking = Program(
        forward.inputs,
        forward.equations,
        (*forward.outputs, *(forward.inputs[i] for i in kept)),
    )
    return _Plan(flags, (*carried, *ys), cut, kept, interned(stacking))


class Scan(Control):
    """A loop of known length; see the head of this file."""

    def types(self, operands: Sequence[Operand], params: Params) -> tuple[Type, ...]:
        program, length = params["program"], params["length"]
        loose = params["consts"] + params["carries"]
        given = program.input_types
        check_types("scan", operands, [*given[:loose], *_stacked(given[loose:], length)])
        found = program.output_types
        carries = params["carries"]
        check_types("a step of scan", found[:carries], given[params["consts"] : loose])
        return (*found[:carries], *_stacked(found[carries:], length))

    def programs(self, params: Params) -> Sequence[tuple[str, Program]]:
        return [("step", params["program"])]

    def guards(self, params: Params) -> int:
        return params["length"] * params["program"].guards

    def formula(self, operands: Sequence[str], params: Params) -> str:
        consts, loose = params["consts"], params["consts"] + params["carries"]
        groups = (operands[:consts], operands[consts:loose], operands[loose:])
        facts = {"reverse": True} if params["reverse"] else {}
        texts = [f"[{', '.join(group)}]" for group in groups]
        return text_of("scan", texts, length=params["length"], **facts)

    def reached(self, active: Sequence[bool], params: Params) -> Flags:
        consts, loose = params["consts"], params["consts"] + params["carries"]
        carried, ys = fixpoint(
            params["program"], active[:consts], active[consts:loose], active[loose:]
        )
        return (*carried, *ys)

    # -- batching --------------------------------------------------------------------------------

    def batch(self, size: int, operands: list[Array], batched: list[bool], params: Params) -> Any:
        program, consts, carries = params["program"], params["consts"], params["carries"]
        loose = consts + carries
        carried, _ = fixpoint(
            program,
            batched[:consts],
            batched[consts:loose],
            batched[loose:],
            lambda body, flags: batched_program(body, size, flags)[1],
        )
        flags = (*batched[:consts], *carried, *batched[loose:])
        wanted = (*carried, *(False,) * (len(program.outputs) - carries))
        body, done = batched_program(program, size, flags, wanted)
        given = all_in_front(operands[:loose], size, batched[:loose], flags[:loose])
        given += [
            np.moveaxis(x, 0, 1) if flag else x
            for x, flag in zip(operands[loose:], batched[loose:], strict=True)
        ]
        outputs = self.bind(*given, **{**params, "program": body})
        return tuple(
            in_front(output, size)
            if not flag
            else np.moveaxis(output, 1, 0)
            if i >= carries
            else output
            for i, (output, flag) in enumerate(zip(outputs, done, strict=True))
        )

    # -- differentiating -------------------------------------------------------------------------

    def pushed(
        self, operands: Sequence[Array], tangents: Sequence[Array | None], params: Params
    ) -> tuple[Sequence[Array], Sequence[Array | None]]:
        program, consts, carries = params["program"], params["consts"], params["carries"]
        loose = consts + carries
        active = flagged(tangents)
        carried, ys = fixpoint(program, active[:consts], active[consts:loose], active[loose:])
        flags = (*active[:consts], *carried, *active[loose:])
        groups = (active[:consts], carried, active[loose:])
        given = [*operands, *take(completed(operands, tangents, flags), flags)]
        changed = {
            "program": with_tangents(program, groups, (carried, ys)),
            "consts": consts + sum(active[:consts]),
            "carries": carries + sum(carried),
        }
        outputs = self.bind(*(given[i] for i in in_groups(groups)), **{**params, **changed})
        plain = [None] * len(outputs)
        for place, output in zip(in_groups((carried, ys)), outputs, strict=True):
            plain[place] = output
        count = len(program.outputs)
        return plain[:count], spread_out(plain[count:], (*carried, *ys))

    def push(self, tangents: Sequence[Array | None], saved: Any, params: Params) -> Any:
        return self.pushed(saved[0], tangents, params)[1]

    def taped(
        self, operands: Sequence[Array], active: Sequence[Any], params: Params
    ) -> tuple[Sequence[Array], Any]:
        program, consts = params["program"], params["consts"]
        plan = _plan(program, flagged(active), consts, params["carries"])
        outputs = self.bind(*operands, **{**params, "program": plan.forward})
        count = len(program.outputs)
        kept = dict(zip(plan.kept, outputs[len(outputs) - len(plan.kept) :], strict=True))
        ahead = evaluate(plan.halves.ahead, operands[:consts])
        fixed: list[Array] = []
        moving: list[Array] = []
        for source in plan.halves.sources:
            if source.kind == "ahead":
                fixed.append(ahead[source.place])
            elif source.kind == "made":
                moving.append(outputs[count + source.place])
            elif source.place < consts:
                fixed.append(operands[source.place])
            else:
                moving.append(kept.get(source.place, operands[source.place]))
        return outputs[:count], (operands, plan, fixed, moving)

    def pull(
        self, cotangents: Sequence[Array | None], saved: Any, active: Sequence[Any], params: Params
    ) -> list[Array | None]:
        operands, plan, fixed, moving = saved
        consts, carries = params["consts"], params["carries"]
        given = take(cotangents, plan.outputs)
        count = sum(plan.outputs[:carries])
        seen = flagged(given)
        none = (0,) * count
        body = backward(
            plan.halves, consts, sum(plan.inputs[:consts]), seen[:count], none, seen[count:]
        )
        types = [Type.of(o) for o in take(operands, plan.inputs)]
        number = sum(plan.inputs[:consts])
        starts = [
            type.zeros() if ct is None else fitted(ct, type)
            for ct, type in zip(given[:count], types[number:], strict=False)
        ]
        outer = [
            fitted(ct, type)
            for ct, type in zip(given[count:], _ys_types(plan, params), strict=True)
            if ct is not None
        ]
        totals = [type.zeros() for type in take(types[:number], body.consts)]
        found = self.bind(
            *fixed,
            *take(starts, body.carries),
            *totals,
            *moving,
            *outer,
            program=body.program,
            length=params["length"],
            consts=len(fixed),
            carries=sum(body.carries) + len(totals),
            reverse=not params["reverse"],
        )
        split = (sum(body.carries), sum(body.carries) + len(totals))
        terms = [
            *spread_out(found[split[0] : split[1]], body.consts),
            *spread_out(found[: split[0]], body.carries),
            *spread_out(found[split[1] :], body.others),
        ]
        return spread_out(terms, plan.inputs)

    # -- simplifying -----------------------------------------------------------------------------

    def shrink(self, equation: Equation, used: Sequence[bool]) -> Equation:
        params = equation.params
        consts, carries = params["consts"], params["carries"]
        program = with_constants(params["program"], equation.inputs[:consts])
        wanted, kept = _live(program, tuple(used), consts, carries)
        changed = {
            "program": lean(program, kept, wanted),
            "consts": sum(kept[:consts]),
            "carries": sum(wanted[:carries]),
        }
        inputs, outputs = take(equation.inputs, kept), take(equation.outputs, wanted)
        return Equation(self, tuple(inputs), {**params, **changed}, tuple(outputs))


@remembered
def _live(program: Program, used: Flags, consts: int, carries: int) -> tuple[Flags, Flags]:
    """The outputs of a step on which the used results depend, and the inputs those depend on."""
    carried, read = live(program, used[:carries], used[carries:], consts)
    return (*carried, *used[carries:]), (*read[:consts], *carried, *read[consts + carries :])


def _ys_types(plan: _Plan, params: Params) -> list[Type]:
    types = params["program"].output_types[params["carries"] :]
    return _stacked(take(types, plan.outputs[params["carries"] :]), params["length"])


scan_primitive = Scan(
    "scan",
    _evaluate,
    "A loop of known length: (consts, carries, slices of xs) -> (new carries, slices of ys).",
)


@dataclass(frozen=True)
class Loop:
    """A scan, apart from what it runs over."""

    program: Program
    consts: int
    carries: int
    reverse: bool

    def run(
        self, inputs: Sequence[Array], xs: Sequence[Array], length: int, segments: int | None = None
    ) -> tuple[Array, ...]:
        """The final carries and the stacked ys, from the consts and carries and the xs.

        With ``segments`` the loop is cut into about as many, of each of which reverse mode keeps
        the carries at its start only, and runs it again.
        """
        if segments is None or length <= segments:
            return scan_primitive.bind(
                *inputs,
                *xs,
                program=self.program,
                length=length,
                consts=self.consts,
                carries=self.carries,
                reverse=self.reverse,
            )
        width = -(-length // segments)
        count, rest = divmod(length, width)
        start = rest if self.reverse else 0
        whole = slice(start, start + count * width)
        odd = slice(rest) if self.reverse else slice(count * width, length)
        folded = [np.reshape(x[whole], (count, width, *x.shape[1:])) for x in xs]
        outer = Loop(self.again(width), self.consts, self.carries, self.reverse)
        found = outer.run(inputs, folded, count)
        carries = found[: self.carries]
        ys = [np.reshape(y, (count * width, *y.shape[2:])) for y in found[self.carries :]]
        if not rest:
            return (*carries, *ys)
        remaining = [*inputs[: self.consts], *carries, *(x[odd] for x in xs)]
        found = evaluate(self.again(rest), remaining)
        more = found[self.carries :]
        both = zip(more, ys, strict=True) if self.reverse else zip(ys, more, strict=True)
        return (*found[: self.carries], *(np.concatenate(pair) for pair in both))

    def again(self, length: int) -> Program:
        """A scan of this length as a branch of a switch, which reverse mode runs again."""
        loose = self.consts + self.carries
        types = self.program.input_types
        given = [*types[:loose], *_stacked(types[loose:], length)]
        inner = recorded(lambda *v: self.run(v[:loose], v[loose:], length), given)
        return recorded(lambda *v: switch_primitive.bind(np.int64(0), *v, branches=(inner,)), given)
