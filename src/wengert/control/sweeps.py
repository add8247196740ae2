"""The primitive ``while``: sweeps over the steps of a loop whose number nobody knows beforehand.

    while(inputs..., condition, sweeps, checkpoints)

A loop runs forward as long as its condition holds. Its derivative runs over the same steps
again, in the opposite direction, and reads at each of them what the first run had there; the
derivative of that once more, and so on. So the primitive has one or more ``Sweep``s over the same
steps 0, ..., n - 1. The first goes forward and determines n: ``condition`` takes its consts and its
carries, and is asked before each step. The others run after it, in their order. The inputs are,
for each sweep, its consts and its initial carries; the results are the final carries of all of
them. As the values at each step never leave the primitive, all shapes are static.

This form is closed under the transforms: a tangent widens each sweep; a cotangent appends the
sweeps' adjoints, last first, in the opposite directions (``sweep_rules``); a batch runs until
every element is done, and holds those that are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..program import Array, Program
from .programs import Flags
from .runner import runner

__all__ = ["Marked", "Read", "Run", "Sweep", "evaluate_sweeps", "grouped", "readers", "run_sweeps"]


@dataclass(frozen=True)
class Read:
    """What a sweep reads at step k from an earlier one: a carry as it was before that sweep's own
    step k, or a y that its step k gave.
    """

    sweep: int
    kind: Literal["carry", "y"]
    place: int


@dataclass(frozen=True)
class Sweep:
    """One run over the steps, from 0 to n - 1, or from n - 1 to 0 if ``reverse``.

    ``program`` takes the consts, the carries, and what is read at this step; it gives the new
    carries, and the ys of this step, which later sweeps can read.
    """

    program: Program
    consts: int
    carries: int
    reads: tuple[Read, ...] = ()
    reverse: bool = False

    @property
    def ys(self) -> int:
        """Number of ys."""
        return len(self.program.outputs) - self.carries

    @property
    def loose(self) -> int:
        """Number of inputs: consts and initial carries."""
        return self.consts + self.carries


@dataclass(frozen=True)
class Marked:
    """Which values of a sweep have some property: are active, or batched, or needed."""

    consts: Flags
    carries: Flags
    reads: Flags
    ys: Flags

    @property
    def inputs(self) -> Flags:
        """The flags of the program's inputs."""
        return (*self.consts, *self.carries, *self.reads)

    @property
    def outputs(self) -> Flags:
        """The flags of the program's outputs."""
        return (*self.carries, *self.ys)

    def of(self, read: Read) -> bool:
        """Whether what is read from this sweep is flagged."""
        return (self.ys if read.kind == "y" else self.carries)[read.place]


def grouped(values: Sequence[Any], sweeps: Sequence[Sweep]) -> list[tuple[Any, ...]]:
    """The inputs of each sweep."""
    rest = iter(values)
    return [tuple(next(rest) for _ in range(sweep.loose)) for sweep in sweeps]


class Run:
    """One sweep: a step of it, and what is kept of its steps.

    Without ``checkpoints`` every step is kept. With them the carries are kept at every stride-th
    step only, and the steps in between are run again, one segment at a time. The sweeps have
    the same stride, so that reading one segment of one takes one segment of each.
    """

    def __init__(
        self,
        sweep: Sweep,
        inputs: Sequence[Array],
        earlier: Sequence[Run],
        wanted: Collection[Read],
    ) -> None:
        self.sweep = sweep
        self.fixed = inputs[: sweep.consts]
        self.carry: Sequence[Array] = inputs[sweep.consts :]
        self.earlier = earlier
        self.run = runner(sweep.program)
        self.wanted = wanted
        self.rows: dict[int, dict[Read, Array]] = {}
        self.marks: dict[int, Sequence[Array]] = {}
        self.stride = 0
        self.segment = -1
        self.steps = 0

    def step(self, k: int, carry: Sequence[Array]) -> tuple[Sequence[Array], Sequence[Array]]:
        """The carries after step k, and its ys."""
        reads = [self.earlier[read.sweep].at(k)[read] for read in self.sweep.reads]
        found = self.run(*self.fixed, *carry, *reads)
        return found[: self.sweep.carries], found[self.sweep.carries :]

    def advance(self, k: int) -> None:
        """Make step k the next one."""
        carry, ys = self.step(k, self.carry)
        if self.wanted and not self.stride:
            self.keep(k, self.carry, ys)
        self.carry = carry

    def keep(self, k: int, carry: Sequence[Array], ys: Sequence[Array]) -> None:
        """Keep what others read of step k."""
        self.rows[k] = {
            read: (ys if read.kind == "y" else carry)[read.place] for read in self.wanted
        }

    def mark(self, k: int) -> None:
        """Keep the carries if a segment begins with step k, in this sweep's direction."""
        last = min((k // self.stride + 1) * self.stride, self.steps) - 1
        if k == (last if self.sweep.reverse else k // self.stride * self.stride):
            self.marks[k // self.stride] = self.carry

    def widen(self) -> None:
        """Double the stride of the first sweep, which drops every other mark."""
        self.stride *= 2
        self.marks = {place // 2: carry for place, carry in self.marks.items() if not place % 2}

    def at(self, k: int) -> dict[Read, Array]:
        """What others read of step k."""
        if self.stride and k // self.stride != self.segment:
            self.again(k // self.stride)
        return self.rows[k]

    def again(self, segment: int) -> None:
        """Run the steps of a segment once more."""
        carry = self.marks[segment]
        self.rows = {}
        steps = range(segment * self.stride, min((segment + 1) * self.stride, self.steps))
        for k in reversed(steps) if self.sweep.reverse else steps:
            after, ys = self.step(k, carry)
            self.keep(k, carry, ys)
            carry = after
        self.segment = segment


def evaluate_sweeps(
    *inputs: Array, condition: Program, sweeps: tuple[Sweep, ...], checkpoints: int | None
) -> tuple[Array, ...]:
    """The final carries of all sweeps."""
    runs = run_sweeps(inputs, condition, sweeps, checkpoints)
    return tuple(carry for run in runs for carry in run.carry)


def run_sweeps(
    inputs: Sequence[Array],
    condition: Program,
    sweeps: Sequence[Sweep],
    checkpoints: int | None,
    before: Sequence[Run] = (),
    later: Sequence[Read] = (),
) -> list[Run]:
    """Run all sweeps, or those that come after the ones run ``before``.

    The steps of a sweep are forgotten once all that read them have run; unless there are reads that
    come ``later``.
    """
    last = [max([i, *readers(sweeps, i)]) for i in range(len(sweeps))]
    reads = {*later, *(read for sweep in sweeps for read in sweep.reads)}
    runs = list(before)
    new = sweeps[len(runs) :]
    for sweep, given in zip(new, grouped(inputs, new), strict=True):
        place = len(runs)
        wanted = [read for read in reads if read.sweep == place]
        run = Run(sweep, given, runs[:], wanted)
        runs.append(run)
        if not place:
            _first(run, runner(condition), checkpoints)
        else:
            run.steps = runs[0].steps
            run.stride = runs[0].stride if wanted else 0
            for k in reversed(range(run.steps)) if sweep.reverse else range(run.steps):
                if run.stride:
                    run.mark(k)
                run.advance(k)
        for other in range(len(before), place + 1):
            if last[other] == place and not later:
                runs[other].rows, runs[other].marks = {}, {}
    return runs


def readers(sweeps: Sequence[Sweep], place: int) -> list[int]:
    """The sweeps for which sweep ``place`` has to be known, also to run others' segments again."""
    known = {place}
    for i in range(place + 1, len(sweeps)):
        if any(read.sweep in known for read in sweeps[i].reads):
            known.add(i)
    return sorted(known - {place})


def _first(run: Run, condition: Callable[..., tuple[Array, ...]], checkpoints: int | None) -> None:
    """Run the first sweep, and count its steps."""
    run.stride = 1 if checkpoints else 0
    while condition(*run.fixed, *run.carry)[0]:
        if checkpoints and run.steps % run.stride == 0:
            if run.wanted:
                run.marks[run.steps // run.stride] = run.carry
            if run.steps // run.stride >= checkpoints:
                run.widen()
        run.advance(run.steps)
        run.steps += 1
