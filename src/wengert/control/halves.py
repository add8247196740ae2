"""A loop's step in reverse: its pullback, cut where the cotangents come in.

``halves`` cuts it into the part that does not depend on cotangents and the part that does: between
the two lie the residuals. ``without`` leaves out of the second part what comes from cotangents that
are zero, and ``accumulating`` adds its results up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal as OneOf

import numpy as np

from ..primitive import Params, Primitive
from ..primitives import arithmetic, shape
from ..primitives.index import scatter_add
from ..program import Atom, Equation, Literal, Program, Var
from ..transforms.simplify import eliminate_dead_code
from .memory import interned, remembered
from .programs import Flags, pullback, take

__all__ = ["Halves", "Source", "accumulating", "halves", "without"]


@dataclass(frozen=True)
class Source:
    """Where a residual comes from: an input, an output of ``ahead``, or one of ``made``."""

    kind: OneOf["input", "ahead", "made"]
    place: int


@dataclass(frozen=True, eq=False)
class Halves:
    """A pullback in parts.

    ``ahead`` takes the inputs that do not change from one step of a loop to the next, and gives
    what can be computed from them before the loop. ``forward`` takes all inputs, and gives the
    primal's outputs and then the residuals ``made`` in each step. ``backward`` takes the residuals
    in the order of ``sources``, then the cotangents, and gives the cotangents of the inputs.
    """

    ahead: Program
    forward: Program
    backward: Program
    sources: tuple[Source, ...]


_CHEAP = frozenset(
    "add subtract multiply negative square mul0 broadcast reshape transpose convert "
    "equal not_equal less less_equal greater greater_equal "
    "logical_not logical_and logical_or".split()
)
"""What is computed again rather than kept, where that takes no more memory."""


@remembered
def halves(program: Program, active: Flags, wanted: Flags, fixed: int) -> Halves:
    """The pullback of a Program, cut; the first ``fixed`` inputs are the same in all steps."""
    whole = pullback(program, active, wanted)
    count, results = len(program.inputs), len(program.outputs)
    late: set[Atom] = set(whole.inputs[count:])
    early: list[Equation] = []
    after: list[Equation] = []
    for equation in whole.equations:
        if late.intersection(equation.inputs):
            late.update(equation.outputs)
            after.append(equation)
        else:
            early.append(equation)
    needed = _read_by(after, whole.outputs[results:])
    again = _computed_again(early, needed, set(whole.inputs[:fixed]))
    residuals = [var for var in _in_order(whole, early, count) if var in needed]
    varying: set[Atom] = {*whole.inputs[fixed:count]}
    for equation in early:
        if varying.intersection(equation.inputs):
            varying.update(equation.outputs)
    given = {var: i for i, var in enumerate(whole.inputs)}
    ahead = [var for var in residuals if var not in given and var not in varying]
    made = [var for var in residuals if var not in given and var in varying]
    sources = tuple(
        Source("input", given[var])
        if var in given
        else Source("made", made.index(var))
        if var in varying
        else Source("ahead", ahead.index(var))
        for var in residuals
    )
    known, steps = whole.inputs[:count], tuple(early)
    backward = (*again, *after)
    return Halves(
        _alone(whole.inputs[:fixed], steps, ahead),
        _alone(known, steps, [*whole.outputs[:results], *made]),
        _alone((*residuals, *whole.inputs[count:]), backward, whole.outputs[results:]),
        sources,
    )


def _computed_again(early: Sequence[Equation], needed: set[Var], free: set[Var]) -> list[Equation]:
    """Equations for the second half as well; their operands replace their results in ``needed``.

    Those take no more memory than the results; ``free`` are the variables that take none.
    """
    again: list[Equation] = []
    for equation in reversed(early):
        if equation.primitive.name in _CHEAP and needed.intersection(equation.outputs):
            operands = {atom for atom in equation.inputs if isinstance(atom, Var)}
            cost = sum(_bytes(var) for var in operands - needed - free)
            if cost <= sum(map(_bytes, equation.outputs)):
                again.append(equation)
                needed.difference_update(equation.outputs)
                needed.update(operands)
    return again[::-1]


def _bytes(var: Var) -> int:
    return var.type.size * var.type.dtype.itemsize


def _alone(
    inputs: Sequence[Var], equations: Sequence[Equation], outputs: Sequence[Atom]
) -> Program:
    return interned(eliminate_dead_code(Program(tuple(inputs), tuple(equations), tuple(outputs))))


def _read_by(equations: Sequence[Equation], outputs: Sequence[Atom]) -> set[Var]:
    """The variables that equations and outputs read and none of the equations makes."""
    atoms = [*outputs, *(atom for equation in equations for atom in equation.inputs)]
    made = {var for equation in equations for var in equation.outputs}
    return {atom for atom in atoms if isinstance(atom, Var)} - made


def _in_order(whole: Program, equations: Sequence[Equation], count: int) -> list[Var]:
    return [*whole.inputs[:count], *(var for equation in equations for var in equation.outputs)]


@remembered
def without(program: Program, zero: Flags) -> tuple[Program, Flags]:
    """The backward half without the cotangents that are ``zero``, and which outputs remain.

    The cotangents are the last ``len(zero)`` inputs; every output is linear in them.
    """
    first = len(program.inputs) - len(zero)
    nought: set[Atom] = set(take(program.inputs[first:], zero))
    linear: set[Atom] = {var for var in program.inputs[first:] if var not in nought}
    same: dict[Atom, Atom] = {}
    kept: list[Equation] = []
    for equation in program.equations:
        inputs = [same.get(atom, atom) for atom in equation.inputs]
        if nought.intersection(inputs):
            if not linear.intersection(inputs):
                nought.update(equation.outputs)
                continue
            if equation.primitive is arithmetic.add or (
                equation.primitive is scatter_add and inputs[1] in nought
            ):
                rest = inputs[1] if inputs[0] in nought else inputs[0]
                if rest.type == equation.outputs[0].type:
                    same[equation.outputs[0]] = rest
                    continue
            inputs = [Literal(a.type.zeros()) if a in nought else a for a in inputs]
        if linear.intersection(inputs):
            linear.update(equation.outputs)
        kept.append(Equation(equation.primitive, tuple(inputs), equation.params, equation.outputs))
    outputs = [same.get(atom, atom) for atom in program.outputs]
    remain = tuple(atom in linear for atom in outputs)
    inputs = [var for var in program.inputs if var not in nought]
    return _alone(inputs, kept, take(outputs, remain)), remain


@remembered
def accumulating(program: Program, count: int) -> Program:
    """The Program with its first ``count`` outputs added to as many inputs more, its last ones.

    A part that was scattered into zeros, or into other such parts, is scattered into the total, so
    that adding up the cotangents of single elements takes no time for the others.
    """
    makers = {var: e for e in program.equations for var in e.outputs}
    uses = [atom for e in program.equations for atom in e.inputs] + list(program.outputs)
    once = {atom for atom, number in Counter(uses).items() if number == 1}
    equations = list(program.equations)
    totals = [Var(atom.type) for atom in program.outputs[:count]]

    def add(primitive: Primitive, total: Atom, operands: Sequence[Atom], params: Params) -> Atom:
        result = Var(total.type)
        equations.append(Equation(primitive, (total, *operands), params, (result,)))
        return result

    sums: list[Atom] = []
    for start, output in zip(totals, program.outputs, strict=False):
        total: Atom = start
        terms: list[Atom] = [output]
        while terms:
            term = terms.pop()
            maker = makers.get(term) if isinstance(term, Var) and term in once else None
            if maker is not None and maker.primitive is arithmetic.add and _alike(maker):
                terms.extend(maker.inputs)
            elif maker is not None and maker.primitive is scatter_add:
                base, *part = maker.inputs
                total = add(scatter_add, total, part, maker.params)
                terms.extend(() if _is_zero(base, makers) else (base,))
            else:
                total = add(arithmetic.add, total, (term,), {})
        sums.append(total)
    return _alone((*program.inputs, *totals), equations, [*sums, *program.outputs[count:]])


def _alike(equation: Equation) -> bool:
    return all(atom.type == equation.outputs[0].type for atom in equation.inputs)


def _is_zero(atom: Atom, makers: Mapping[Var, Equation]) -> bool:
    """Whether an atom is an array of zeros."""
    maker = makers.get(atom) if isinstance(atom, Var) else None
    if maker is not None and maker.primitive is shape.broadcast:
        (atom,) = maker.inputs
    return isinstance(atom, Literal) and not np.any(atom.value)
