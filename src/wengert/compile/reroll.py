"""Loops that were written out, as loops again.

Tracing a Python loop gives a Program in which the body stands as often as the loop has gone round.
``reroll`` finds such stretches and makes one ``scan`` of each: what a round takes from the round
before is carried, what it reads at a place that moves is a slice of a stacked array, what changes
from round to round among the constants is stacked, and what later equations read of single rounds
is a slice of a stacked result. Those slices are what the next loop, the backward half of a
derivative say, finds its own stacked arrays by. This is repeated until nothing is found, so loops
in loops are rolled up from the inside out.

The values are those of the written-out Program to the bit: no sum changes its order (NumPy's sum of
a transposed array does, where that is now stacked). Guards are rolled up with the rest: they stay
in their order, with the values that they expect stacked where those differ, and nothing that could
raise or run forever comes before a guard that it stood behind. Where many guards are left, it is
tried whether more is found if all that they do not depend on comes after them.

``repeats`` finds the periods, ``relations`` what operands are from round to round, ``rolled`` makes
a loop, and ``writer`` writes the new Program.
"""

from __future__ import annotations

import numpy as np

from ..primitives import index
from ..primitives.guard import guard
from ..program import Atom, Program
from .relations import Rounds, fitting
from .repeats import FEWEST, Listing, is_element, periods, stretches
from .rolled import WORTH, Loop, RefusedError
from .writer import Writer

__all__ = ["reroll"]

PASSES = 24
"""Levels of loops in loops, and of loops that read what others have stacked."""

MULTIPLES = 8
"""A body may consist of up to this many rounds that only look alike."""


def reroll(program: Program) -> Program:
    """The Program with its repeated stretches as loops, each one ``scan`` equation.

    Inputs, outputs and all values are the same. A Program that does not repeat itself comes back as
    it is. The time is about proportional to the number of equations.

    Example:
        >>> import numpy as np, wengert as wg
        >>> from wengert.compile.reroll import reroll
        >>> def f(x):
        ...     y = x
        ...     for _ in range(1000):
        ...         y = y + 0.001 * np.sin(y)
        ...     return y
        >>> print(wg.simplify(reroll(wg.trace(f)(1.0))))
        program(a: f64):
            b: f64 = scan([], [a], [], length=1000)
                step(a: f64):
                    b: f64 = sin(a)
                    c: f64 = 0.001 * b
                    d: f64 = a + c
                    return d
            return b
    """
    if len(program.equations) < WORTH:
        return program
    found = _rolled(program)
    if sum(e.primitive is guard for e in found.equations) >= WORTH:
        # The rounds are unlike each other. What their guards ask for may be the same in all.
        other = _rolled(_guards_first(program))
        if 2 * _weight(other) < _weight(found):
            return other
    return found


def _guards_first(program: Program) -> Program:
    """The Program with all that no guard depends on after the last guard."""
    asked: set[Atom] = set()
    early = np.zeros(len(program.equations), np.bool_)
    for number in range(len(program.equations) - 1, -1, -1):
        equation = program.equations[number]
        if equation.guards or not asked.isdisjoint(equation.outputs):
            early[number] = True
            asked.update(equation.inputs)
    order = np.argsort(~early, kind="stable").tolist()
    return Program(program.inputs, tuple(program.equations[i] for i in order), program.outputs)


def _rolled(program: Program) -> Program:
    for _ in range(PASSES):
        found = _rolled_once(program)
        if found is None or _weight(found) >= _weight(program):
            break
        program = found
    return program


def _weight(program: Program) -> int:
    """How many equations there are that do more than to read an element."""
    return sum(e.primitive is not index.slice_ or not is_element(e) for e in program.equations)


def _rolled_once(program: Program) -> Program | None:
    listing = Listing(program)
    free = np.ones(len(listing.equations), np.bool_)
    loops: list[Loop] = []
    # For each equation, how far a stretch of a shorter period goes that begins there or before.
    reach = np.zeros(len(listing.equations), np.int64)
    for period in periods(listing.classes):
        found = stretches(listing.classes, period)
        here = np.zeros_like(reach)
        for begin, end in found:
            here[begin] = end
            if reach[begin] < end and np.all(free[begin:end]):
                for loop in _loops(listing, begin, end, period):
                    free[loop.rounds.start : loop.rounds.end] = False
                    loops.append(loop)
        np.maximum(reach, np.maximum.accumulate(here), out=reach)
    if not loops:
        return None
    return Writer(listing, sorted(loops, key=lambda loop: loop.rounds.start)).run()


def _loops(listing: Listing, begin: int, end: int, period: int) -> list[Loop]:
    """The loops of a stretch, whose body is a round or a few rounds."""
    for multiple in range(1, MULTIPLES + 1):
        body = multiple * period
        if (end - begin) // body < FEWEST:
            break
        found: list[Loop] = []
        for rounds in fitting(listing, begin, end, body):
            if _only_elements(rounds):
                continue
            try:
                loop = Loop(rounds)
            except RefusedError:
                continue
            if not loop.runs or loop.pays:
                loop.announce()
                found.append(loop)
        if found:
            return found
    return []


def _only_elements(rounds: Rounds) -> bool:
    """Whether the rounds are nothing but slices that later loops can read as they are."""
    here = slice(rounds.start, rounds.end)
    if np.any(rounds.listing.guarded[here]):
        return False
    return bool(np.all(rounds.listing.base[rounds.listing.results[here]] >= 0))
