"""Programs rewritten for the compiler: the same values, in a form that makes better loops.

Every rule holds for all floating-point numbers, infinities and NaN included; the sign of a zero may
change.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any, cast

import numpy as np

from ..control.sweeps import Sweep
from ..kinds import mul0, via
from ..primitives import arithmetic, index, shape
from ..program import Atom, Equation, Literal, Program, Var
from ..transforms.simplify import eliminate_dead_code, simplify
from . import complex_arrays, complex_loops
from .complexes import has_complex, split
from .reroll import reroll
from .strips import stripped

__all__ = ["rewritten"]


def rewritten(program: Program) -> Program:
    """The Program, simplified and in the compiler's preferred form.

    Loops that were written out are rolled up first: what simplifying does to the first and the last
    rounds would make them look unlike the others. Of complex numbers only their parts are left.
    """
    made = simplify(reroll(_values(program)))
    made = simplify(split(made)) if has_complex(made) else made
    return _better(simplify(stripped(made)))


def _values(program: Program) -> Program:
    """The Program without what only a derivative of it would need."""
    atoms: dict[Var, Atom] = {}
    equations: list[Equation] = []
    changed = False

    def read(atom: Atom) -> Atom:
        return atoms.get(atom, atom) if isinstance(atom, Var) else atom

    for equation in program.equations:
        primitive, params = equation.primitive, equation.params
        inputs = tuple(map(read, equation.inputs))
        if primitive is via:
            atoms[equation.outputs[0]] = inputs[0]
            continue
        if primitive.programs(params):
            params = {name: _within(value, _values) for name, value in params.items()}
            changed = changed or params != equation.params
        equations.append(Equation(primitive, inputs, params, equation.outputs))
    if not changed and not atoms:
        return program
    return Program(program.inputs, tuple(equations), tuple(map(read, program.outputs)))


def _better(program: Program) -> Program:
    return eliminate_dead_code(_Rewriting(program).run())


def _within(value: Any, rewrite: Callable[[Program], Program]) -> Any:
    """A parameter of an equation, the Programs in it rewritten."""
    if isinstance(value, Program):
        return rewrite(value)
    if isinstance(value, tuple):
        return tuple(_within(part, rewrite) for part in cast("tuple[Any, ...]", value))
    return replace(value, program=rewrite(value.program)) if isinstance(value, Sweep) else value


class _Rewriting:
    """One pass over the equations."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.literals: dict[Hashable, Literal] = {}
        self.atoms: dict[Var, Atom] = {}
        self.made: dict[Var, Equation] = {}
        self.uses: dict[Var, int] = {}
        atoms = [atom for e in program.equations for atom in e.inputs]
        for atom in (*atoms, *program.outputs):
            if isinstance(atom, Var):
                self.uses[atom] = self.uses.get(atom, 0) + 1

    def read(self, atom: Atom) -> Atom:
        """The atom in the new Program; equal constants are one."""
        if isinstance(atom, Var):
            return self.atoms.get(atom, atom)
        return self.literals.setdefault(atom.key(), atom)

    def run(self) -> Program:
        """The new Program."""
        equations: list[Equation] = []
        for equation in self.program.equations:
            inputs = tuple(map(self.read, equation.inputs))
            params = equation.params
            if equation.primitive.programs(params):
                params = {name: _within(value, _better) for name, value in params.items()}
            new = Equation(equation.primitive, inputs, params, equation.outputs)
            new = self._better(new)
            equations.append(new)
            self.made.update((var, new) for var in new.outputs)
        outputs = tuple(map(self.read, self.program.outputs))
        return Program(self.program.inputs, tuple(equations), outputs)

    def _better(self, equation: Equation) -> Equation:
        if equation.primitive is mul0:
            return self._plain_product(equation)
        if equation.primitive is arithmetic.add:
            return self._added_part(equation)
        return equation

    def _plain_product(self, equation: Equation) -> Equation:
        """A product with a constant that is finite and nowhere zero absorbs nothing."""
        x, y = equation.inputs
        if x is y or _tame(x) or _tame(y):
            return Equation(arithmetic.multiply, (x, y), {}, equation.outputs)
        return equation

    def _added_part(self, equation: Equation) -> Equation:
        """``x + (zeros with a part added)`` is ``x`` with the part added."""
        for total, other in (equation.inputs, equation.inputs[::-1]):
            made = self.made.get(other) if isinstance(other, Var) else None
            if (
                made is not None
                and made.primitive is index.scatter_add
                and self.uses.get(made.outputs[0]) == 1
                and self._zeros(made.inputs[0])
                and total.type == other.type == equation.outputs[0].type
            ):
                inputs = (total, *made.inputs[1:])
                return Equation(index.scatter_add, inputs, made.params, equation.outputs)
        return equation

    def _zeros(self, atom: Atom) -> bool:
        made = self.made.get(atom) if isinstance(atom, Var) else None
        if made is not None and made.primitive is shape.broadcast:
            (atom,) = made.inputs
        return isinstance(atom, Literal) and not np.any(np.asarray(atom.value))


def _tame(atom: Atom) -> bool:
    """Whether an atom is a constant all of whose elements are finite and not zero."""
    if not isinstance(atom, Literal) or atom.type.dtype.kind not in "fiu":
        return False
    value = np.asarray(atom.value)
    return bool(np.all(np.isfinite(value) & (value != 0)))


_ = complex_arrays, complex_loops
