"""The adjoints of the sweeps of a ``while``: its reverse mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..evaluate import evaluate
from ..program import Array, Type
from .adjoint import Backward, backward
from .base import flagged
from .halves import halves
from .programs import fitted, spread_out, take
from .sweeps import Marked, Read, Sweep

__all__ = ["Adjoints"]


class Adjoints:
    """The sweeps that follow those of a ``while`` in its reverse mode, and their inputs.

    They are appended for the last sweep first. What a sweep read from another one gets a cotangent
    at each step: a y of its adjoint, which the other one's adjoint reads.
    """

    def __init__(self, sweeps: Sequence[Sweep], active: Sequence[Marked]) -> None:
        self.primal = sweeps
        self.active = active
        self.cuts = [
            halves(sweep.program, each.inputs, each.outputs, sweep.consts)
            for sweep, each in zip(sweeps, active, strict=True)
        ]
        self.sweeps: list[Sweep] = []
        self.inputs: list[Array] = []
        self.terms: dict[Read, list[Read]] = {}
        self.made: dict[int, Backward] = {}

    def forward(self) -> list[Sweep]:
        """The given sweeps, which give as ys what their derivatives need."""
        return [
            Sweep(cut.forward, sweep.consts, sweep.carries, sweep.reads, sweep.reverse)
            for sweep, cut in zip(self.primal, self.cuts, strict=True)
        ]

    def arriving(
        self, place: int, kind: Literal["carry", "y"], flags: Sequence[bool]
    ) -> list[list[Read]]:
        """Where the cotangents at each step of a sweep's active carries, or ys, are to be read."""
        return [self.terms.get(Read(place, kind, i), []) for i, flag in enumerate(flags) if flag]

    def append(self, place: int, finals: Sequence[Array | None], values: Sequence[Array]) -> None:
        """The adjoint of one sweep, from the cotangents of its final carries, and its inputs."""
        sweep, active, cut = self.primal[place], self.active[place], self.cuts[place]
        given = take(finals, active.carries)
        carries = self.arriving(place, "carry", active.carries)
        ys = self.arriving(place, "y", active.ys)
        start = flagged(given)
        if not any((*start, *carries, *ys)):
            return
        counts = (tuple(map(len, carries)), tuple(map(len, ys)))
        body = backward(cut, sweep.consts, sum(active.consts), start, *counts)
        fixed = self.residuals(place, values)
        kinds = [Type.of(v) for v in take(values[sweep.consts :], active.carries)]
        starts = [
            type.zeros() if ct is None else fitted(ct, type)
            for ct, type in zip(given, kinds, strict=True)
        ]
        totals = [
            Type.of(v).zeros()
            for v in take(take(values[: sweep.consts], active.consts), body.consts)
        ]
        flowing = take(starts, body.carries)
        self.inputs += [*fixed, *flowing, *totals]
        own = len(self.primal) + len(self.sweeps)
        outer = take(sweep.reads, active.reads)
        for y, read in enumerate(take(outer, body.others)):
            self.terms.setdefault(read, []).append(Read(own, "y", y))
        self.sweeps.append(
            Sweep(
                body.program,
                len(fixed),
                len(flowing) + len(totals),
                (*self.reads(place), *(r for group in (*ys, *carries) for r in group)),
                not sweep.reverse,
            )
        )
        self.made[place] = body

    def residuals(self, place: int, values: Sequence[Array]) -> list[Array]:
        """The residuals of a sweep that are the same at each step."""
        sweep, cut = self.primal[place], self.cuts[place]
        ahead = evaluate(cut.ahead, values[: sweep.consts])
        found: list[Array] = []
        for source in cut.sources:
            if source.kind == "ahead":
                found.append(ahead[source.place])
            elif source.kind == "input" and source.place < sweep.consts:
                found.append(values[source.place])
        return found

    def reads(self, place: int) -> list[Read]:
        """Where the other residuals of a sweep are to be read."""
        sweep = self.primal[place]
        found: list[Read] = []
        for source in self.cuts[place].sources:
            if source.kind == "made":
                found.append(Read(place, "y", sweep.ys + source.place))
            elif source.kind == "input" and source.place >= sweep.loose:
                found.append(sweep.reads[source.place - sweep.loose])
            elif source.kind == "input" and source.place >= sweep.consts:
                found.append(Read(place, "carry", source.place - sweep.consts))
        return found

    def cotangents(self, outputs: Sequence[Array]) -> list[Array | None]:
        """The cotangents of the inputs of the given sweeps, from the results of all sweeps."""
        rest = iter(outputs[sum(sweep.carries for sweep in self.primal) :])
        found: dict[int, list[Array | None]] = {}
        for place, body in self.made.items():
            active = self.active[place]
            flowing = [next(rest) for _ in range(sum(body.carries))]
            totals = [next(rest) for _ in range(sum(body.consts))]
            found[place] = [
                *spread_out(spread_out(totals, body.consts), active.consts),
                *spread_out(spread_out(flowing, body.carries), active.carries),
            ]
        return [
            term
            for place, sweep in enumerate(self.primal)
            for term in found.get(place, [None] * sweep.loose)
        ]
