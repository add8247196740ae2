"""The rules of ``while``: transforms of its sweeps. ``sweeps`` says what those are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..evaluate import evaluate
from ..primitive import Operand, Params, Traced
from ..program import Array, Atom, Equation, Program, Type, Var
from ..transforms.batching import evaluate_batched
from .adjoint_sweeps import Adjoints
from .base import Control, check_types, fixpoint, flagged, live, text_of
from .memory import interned, remembered
from .programs import (
    Flags,
    all_in_front,
    batched_program,
    completed,
    in_front,
    lean,
    needed,
    reached,
    recorded,
    take,
    with_tangents,
)
from .sweeps import Marked, Read, Sweep, evaluate_sweeps, grouped, run_sweeps
from .switch import chosen_rows

__all__ = ["while_primitive"]


def _spread(sweeps: Sequence[Sweep], flags: Sequence[bool], step: Any = reached) -> list[Marked]:
    """The property of each sweep's values, from that of the inputs."""
    found: list[Marked] = []
    for sweep, given in zip(sweeps, grouped(flags, sweeps), strict=True):
        reads = tuple(found[read.sweep].of(read) for read in sweep.reads)
        consts, carries = given[: sweep.consts], given[sweep.consts :]
        carried, ys = fixpoint(sweep.program, consts, carries, reads, step)
        found.append(Marked(consts, carried, reads, ys))
    return found


class While(Control):
    """Sweeps over the steps of a loop; see ``sweeps``."""

    def types(self, operands: Sequence[Operand], params: Params) -> tuple[Type, ...]:
        sweeps: tuple[Sweep, ...] = params["sweeps"]
        types = [type for s in sweeps for type in s.program.input_types[: s.loose]]
        check_types("while", operands, types)
        condition: Program = params["condition"]
        check_types("the condition of while", condition.input_types, types[: sweeps[0].loose])
        for sweep in sweeps:
            program, carries = sweep.program, sweep.carries
            reads = [_type_of(sweeps, read) for read in sweep.reads]
            check_types("what while reads", reads, program.input_types[sweep.loose :])
            start = program.input_types[sweep.consts : sweep.loose]
            check_types("a step of while", program.output_types[:carries], start)
        return tuple(type for s in sweeps for type in s.program.output_types[: s.carries])

    def programs(self, params: Params) -> Sequence[tuple[str, Program]]:
        titled = [("while", params["condition"])]
        for place, sweep in enumerate(params["sweeps"]):
            way = ", backward" if sweep.reverse else ""
            reads = "".join(f", {r.kind} {r.place} of {r.sweep}" for r in sweep.reads)
            titled.append((f"sweep {place}{way}{reads} ", sweep.program))
        return titled

    def formula(self, operands: Sequence[str], params: Params) -> str:
        texts: list[str] = []
        for sweep, group in zip(params["sweeps"], grouped(operands, params["sweeps"]), strict=True):
            texts.append(f"[{', '.join(group[: sweep.consts])}]")
            texts.append(f"[{', '.join(group[sweep.consts :])}]")
        kept = params["checkpoints"]
        return text_of("while", texts, **({} if kept is None else {"checkpoints": kept}))

    def reached(self, active: Sequence[bool], params: Params) -> Flags:
        found = _spread(params["sweeps"], active)
        return tuple(flag for each in found for flag in each.carries)

    # -- batching --------------------------------------------------------------------------------

    def batch(self, size: int, operands: list[Array], batched: list[bool], params: Params) -> Any:
        condition, sweeps = params["condition"], params["sweeps"]

        def step(program: Program, flags: Flags) -> Flags:
            return batched_program(program, size, flags)[1]

        found = _spread(sweeps, batched, step)
        first = found[0]
        (apart,) = step(condition, (*first.consts, *first.carries))
        if apart:
            # Every carry of an element that is done is held, so all differ within the batch.
            starts = grouped(batched, sweeps)
            all_of = [
                flag
                for sweep, flags in zip(sweeps, starts, strict=True)
                for flag in (*flags[: sweep.consts], *(True,) * sweep.carries)
            ]
            found = _spread(sweeps, all_of, step)
            first = found[0]
        changed: list[Sweep] = []
        for sweep, each in zip(sweeps, found, strict=True):
            reads = sweep.reads
            if apart:
                body = _held(sweep.program, None if changed else condition, size, each)
                reads = (*reads, *([Read(0, "y", sweeps[0].ys)] if changed else []))
            else:
                body, _ = batched_program(sweep.program, size, each.inputs, each.outputs)
            changed.append(Sweep(body, sweep.consts, sweep.carries, reads, sweep.reverse))
        flags = [flag for each in found for flag in (*each.consts, *each.carries)]
        given = all_in_front(operands, size, batched, flags)
        inner = _any_holds(condition, size, (*first.consts, *first.carries))
        outputs = self.bind(*given, **{**params, "condition": inner, "sweeps": tuple(changed)})
        carried = [flag for each in found for flag in each.carries]
        return tuple(
            output if flag else in_front(output, size)
            for output, flag in zip(outputs, carried, strict=True)
        )

    # -- differentiating -------------------------------------------------------------------------

    def pushed(
        self, operands: Sequence[Array], tangents: Sequence[Array | None], params: Params
    ) -> tuple[Sequence[Array], Sequence[Array | None]]:
        sweeps: tuple[Sweep, ...] = params["sweeps"]
        found = _spread(sweeps, flagged(tangents))
        changed = tuple(_doubled(sweeps, place, found) for place in range(len(sweeps)))
        given: list[Array] = []
        for sweep, active, values, dots in zip(
            sweeps, found, grouped(operands, sweeps), grouped(tangents, sweeps), strict=True
        ):
            full = completed(values, dots, (*active.consts, *active.carries))
            for part in (slice(sweep.consts), slice(sweep.consts, sweep.loose)):
                given += [*values[part], *(d for d in full[part] if d is not None)]
        condition = _blind(params["condition"], sweeps[0], found[0])
        outputs = self.bind(*given, **{**params, "condition": condition, "sweeps": changed})
        plain: list[Array] = []
        moved: list[Array | None] = []
        rest = iter(outputs)
        for sweep, active in zip(sweeps, found, strict=True):
            plain += [next(rest) for _ in range(sweep.carries)]
            moved += [next(rest) if flag else None for flag in active.carries]
        return plain, moved

    def push(self, tangents: Sequence[Array | None], saved: Any, params: Params) -> Any:
        return self.pushed(saved[0], tangents, params)[1]

    def taped(
        self, operands: Sequence[Array], active: Sequence[Any], params: Params
    ) -> tuple[Sequence[Array], Any]:
        sweeps: tuple[Sweep, ...] = params["sweeps"]
        found = _spread(sweeps, flagged(active))
        if any(isinstance(operand, Traced) for operand in operands):
            return self.bind(*operands, **params), (operands, found, None)
        # Values that are known: the steps are kept here, and need not be run again by ``pull``.
        adjoints = Adjoints(sweeps, found)
        later = [read for place in range(len(sweeps)) for read in adjoints.reads(place)]
        condition, checkpoints = params["condition"], params["checkpoints"]
        runs = run_sweeps(operands, condition, adjoints.forward(), checkpoints, (), later)
        return [carry for run in runs for carry in run.carry], (operands, found, runs)

    def pull(
        self, cotangents: Sequence[Array | None], saved: Any, active: Sequence[Any], params: Params
    ) -> list[Array | None]:
        operands, found, runs = saved
        sweeps: tuple[Sweep, ...] = params["sweeps"]
        adjoints = Adjoints(sweeps, found)
        finals = _by_sweep(cotangents, sweeps)
        values = grouped(operands, sweeps)
        for place in reversed(range(len(sweeps))):
            adjoints.append(place, finals[place], values[place])
        every = (*adjoints.forward(), *adjoints.sweeps)
        more = adjoints.inputs
        if runs is None or any(isinstance(value, Traced) for value in more):
            outputs = self.bind(*operands, *more, **{**params, "sweeps": every})
        else:
            condition, checkpoints = params["condition"], params["checkpoints"]
            found = run_sweeps(more, condition, every, checkpoints, runs)
            outputs = [carry for run in found for carry in run.carry]
        return adjoints.cotangents(outputs)

    # -- simplifying -----------------------------------------------------------------------------

    def shrink(self, equation: Equation, used: Sequence[bool]) -> Equation:
        params = equation.params
        sweeps, condition = params["sweeps"], params["condition"]
        kept = _live(sweeps, condition, used)
        places = [i for i, live in enumerate(kept) if not i or any(live.outputs)]
        inputs = grouped(equation.inputs, sweeps)
        outputs = _by_sweep(equation.outputs, sweeps)
        made: list[Sweep] = []
        atoms: list[Atom] = []
        results: list[Var] = []
        for i in places:
            sweep, live = sweeps[i], kept[i]
            reads = tuple(_moved(read, kept, places) for read in take(sweep.reads, live.reads))
            body = lean(sweep.program, live.inputs, live.outputs)
            made.append(Sweep(body, sum(live.consts), sum(live.carries), reads, sweep.reverse))
            atoms += take(inputs[i], (*live.consts, *live.carries))
            results += take(outputs[i], live.carries)
        first = kept[0]
        asked = lean(condition, (*first.consts, *first.carries), (True,))
        changed = {"condition": asked, "sweeps": tuple(made)}
        return Equation(self, tuple(atoms), {**params, **changed}, tuple(results))


def _type_of(sweeps: Sequence[Sweep], read: Read) -> Type:
    source = sweeps[read.sweep]
    place = read.place + (source.carries if read.kind == "y" else 0)
    return source.program.output_types[place]


def _by_sweep(values: Sequence[Any], sweeps: Sequence[Sweep]) -> list[list[Any]]:
    """The final carries of each sweep."""
    rest = iter(values)
    return [[next(rest) for _ in range(sweep.carries)] for sweep in sweeps]


# -- tangents --------------------------------------------------------------------------------------


def _doubled(sweeps: Sequence[Sweep], place: int, found: Sequence[Marked]) -> Sweep:
    """A sweep whose active values have tangents beside them: consts, carries and reads in front."""
    sweep, active = sweeps[place], found[place]
    consts, carries = sum(active.consts), sum(active.carries)
    groups = (active.consts, active.carries, active.reads)
    program = with_tangents(sweep.program, groups, (active.carries, active.ys))
    dots: list[Read] = []
    for read in take(sweep.reads, active.reads):
        source, flags = sweeps[read.sweep], found[read.sweep]
        before, all_flags = (
            (source.ys, flags.ys) if read.kind == "y" else (source.carries, flags.carries)
        )
        dots.append(Read(read.sweep, read.kind, before + sum(all_flags[: read.place])))
    return Sweep(
        program,
        sweep.consts + consts,
        sweep.carries + carries,
        (*sweep.reads, *dots),
        sweep.reverse,
    )


def _blind(condition: Program, sweep: Sweep, active: Marked) -> Program:
    """The condition, which takes the tangents too and does not look at them."""
    types = condition.input_types
    consts = [Var(type) for type in take(types[: sweep.consts], active.consts)]
    carries = [Var(type) for type in take(types[sweep.consts :], active.carries)]
    own = condition.inputs
    inputs = (*own[: sweep.consts], *consts, *own[sweep.consts :], *carries)
    return interned(Program(inputs, condition.equations, condition.outputs))


# -- batches ---------------------------------------------------------------------------------------


@remembered
def _any_holds(condition: Program, size: int, flags: Flags) -> Program:
    """The condition of a batch: whether it holds for any element."""
    program, (apart,) = batched_program(condition, size, flags)
    if not apart:
        return program
    return recorded(lambda *values: [np.any(evaluate(program, values)[0])], program.input_types)


@remembered
def _held(program: Program, condition: Program | None, size: int, active: Marked) -> Program:
    """A sweep's step for a batch whose elements take different numbers of steps.

    Elements that are done keep their carries. The first sweep, which has the condition, says which
    are not in a y more; the others read that in a read more. A loop within the step might not end
    for an element that is done: it is given what one has that goes on.
    """
    lean, done = batched_program(program, size, active.inputs, active.outputs)
    carries = len(active.carries)
    types = list(lean.input_types)
    if condition is None:
        types.append(Type((size,), np.dtype(np.bool_)))

    def step(*values: Array) -> list[Array]:
        own = values if condition is not None else values[:-1]
        before = own[len(active.consts) : len(active.consts) + carries]
        if condition is None:
            going = values[-1]
        else:
            asked = own[: len(active.consts) + carries]
            ((going,), _) = evaluate_batched(
                condition, size, asked, (*active.consts, *active.carries)
            )
        if _has_loop(program):
            row = np.where(going, np.arange(size), np.argmax(going))
            own = [x[row] if flag else x for x, flag in zip(own, active.inputs, strict=True)]
        outputs = evaluate(lean, own)
        held = [chosen_rows(going, a, b) for a, b in zip(outputs, before, strict=False)]
        return [*held, *outputs[carries:], *([going] if condition is not None else [])]

    assert all(done[:carries])
    return recorded(step, types)


def _has_loop(program: Program) -> bool:
    """Whether there is a loop of unknown length in a Program."""
    return any(
        equation.primitive is while_primitive
        or any(_has_loop(inner) for _, inner in equation.primitive.programs(equation.params))
        for equation in program.equations
    )


# -- what is live ----------------------------------------------------------------------------------


def _live(sweeps: Sequence[Sweep], condition: Program, used: Sequence[bool]) -> list[Marked]:
    """Which values of each sweep some used result depends on."""
    carries = [list(flags) for flags in _by_sweep(used, sweeps)]
    ys = [[False] * sweep.ys for sweep in sweeps]
    asked = needed(condition, [True])
    first = sweeps[0]
    carries[0] = [a or b for a, b in zip(carries[0], asked[first.consts :], strict=True)]
    found: list[Marked] = []
    for i in reversed(range(len(sweeps))):
        sweep = sweeps[i]
        carried, read = live(sweep.program, carries[i], ys[i], sweep.consts)
        consts = read[: sweep.consts]
        if not i:
            consts = tuple(a or b for a, b in zip(consts, asked, strict=False))
        reads = read[sweep.loose :]
        for source in take(sweep.reads, reads):
            (ys if source.kind == "y" else carries)[source.sweep][source.place] = True
        found.append(Marked(consts, carried, reads, tuple(ys[i])))
    return found[::-1]


def _moved(read: Read, kept: Sequence[Marked], places: Sequence[int]) -> Read:
    """A read, counted among what is kept."""
    live = kept[read.sweep]
    before = live.ys if read.kind == "y" else live.carries
    return Read(places.index(read.sweep), read.kind, sum(before[: read.place]))


while_primitive = While(
    "while",
    evaluate_sweeps,
    "A loop whose number of steps is not known beforehand, and the sweeps of its derivatives.",
)
