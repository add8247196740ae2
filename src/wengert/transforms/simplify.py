"""simplify: constant folding, common subexpressions, dead code, and algebraic identities.

Only what holds for every floating-point number, infinities and NaN included, is used; the sign of
a zero may change (x + 0 becomes x).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from weakref import WeakValueDictionary

import numpy as np

from ..kinds import mul0
from ..primitive import Params, Primitive
from ..primitives import arithmetic, logic, shape
from ..primitives.reduce import sum_
from ..program import Array, Atom, Equation, Literal, Program, Type, Var, freeze

__all__ = ["eliminate_dead_code", "simplify"]

FOLD = 1 << 12
"""Constants of up to this many elements are computed while simplifying."""

Identity = Callable[["_Rewriter", Sequence[Atom], Params, Type], Atom | None]
_IDENTITIES: dict[Primitive, Identity] = {}


def _identity(*primitives: Primitive) -> Callable[[Identity], Identity]:
    def register(rule: Identity) -> Identity:
        for primitive in primitives:
            _IDENTITIES[primitive] = rule
        return rule

    return register


def _is(atom: Atom, number: float) -> bool:
    """Whether an atom is a constant all of whose elements are ``number``."""
    return isinstance(atom, Literal) and atom.type.size > 0 and bool(np.all(atom.value == number))


# -- identities: each returns the atom that the equation is equal to, or None ----------------------


@_identity(arithmetic.add)
def _add(rewriter: _Rewriter, inputs: Sequence[Atom], params: Params, type: Type) -> Atom | None:
    x, y = inputs
    return x if _is(y, 0) else y if _is(x, 0) else None


@_identity(arithmetic.subtract)
def _subtract(
    rewriter: _Rewriter, inputs: Sequence[Atom], params: Params, type: Type
) -> Atom | None:
    return inputs[0] if _is(inputs[1], 0) else None


@_identity(arithmetic.multiply)
def _multiply(
    rewriter: _Rewriter, inputs: Sequence[Atom], params: Params, type: Type
) -> Atom | None:
    x, y = inputs
    return x if _is(y, 1) else y if _is(x, 1) else None


@_identity(mul0)
def _mul0(rewriter: _Rewriter, inputs: Sequence[Atom], params: Params, type: Type) -> Atom | None:
    x, y = inputs
    if _is(x, 0) or _is(y, 0):
        return Literal(type.zeros())
    return x if _is(y, 1) else y if _is(x, 1) else None


@_identity(arithmetic.divide, arithmetic.power)
def _by_one(rewriter: _Rewriter, inputs: Sequence[Atom], params: Params, type: Type) -> Atom | None:
    return inputs[0] if _is(inputs[1], 1) else None


@_identity(arithmetic.negative)
def _negative(
    rewriter: _Rewriter, inputs: Sequence[Atom], params: Params, type: Type
) -> Atom | None:
    made = rewriter.maker(inputs[0])
    return made.inputs[0] if made and made.primitive is arithmetic.negative else None


@_identity(logic.select)
def _select(rewriter: _Rewriter, inputs: Sequence[Atom], params: Params, type: Type) -> Atom | None:
    condition, x, y = inputs
    return x if _is(condition, True) else y if _is(condition, False) else None


@_identity(shape.reshape, shape.broadcast, shape.convert, sum_)
def _nothing_to_do(
    rewriter: _Rewriter, inputs: Sequence[Atom], params: Params, type: Type
) -> Atom | None:
    return inputs[0]


@_identity(shape.transpose)
def _transpose(
    rewriter: _Rewriter, inputs: Sequence[Atom], params: Params, type: Type
) -> Atom | None:
    axes = params["axes"]
    if tuple(axes) == tuple(range(len(axes))):
        return inputs[0]
    made = rewriter.maker(inputs[0])
    if made and made.primitive is shape.transpose:
        before = made.params["axes"]
        if [before[axis] for axis in axes] == list(range(len(axes))):
            return made.inputs[0]
    return None


_COMMUTATIVE = (arithmetic.add, arithmetic.multiply, mul0)

# -- the rewriting ---------------------------------------------------------------------------------


class _Rewriter:
    """One pass over the equations: every old variable is mapped to an atom of the new Program."""

    def __init__(self) -> None:
        self.atoms: dict[Var, Atom] = {}
        self.made: dict[Var, Equation] = {}
        self.known: dict[Hashable, tuple[Atom, ...]] = {}
        self.equations: list[Equation] = []

    def read(self, atom: Atom) -> Atom:
        return self.atoms.get(atom, atom) if isinstance(atom, Var) else atom

    def maker(self, atom: Atom) -> Equation | None:
        """The equation that defines an atom."""
        return self.made.get(atom) if isinstance(atom, Var) else None

    def add(self, equation: Equation) -> None:
        primitive, params = equation.primitive, equation.params
        inputs = tuple(map(self.read, equation.inputs))
        if equation.guards:
            self.equations.append(Equation(primitive, inputs, params, equation.outputs))
            return
        found = self._identical(primitive, inputs, params, equation.outputs)
        if found is None:
            found = _folded(primitive, inputs, params, equation.outputs)
        if found is None:
            key = self._key(primitive, inputs, params)
            found = self.known.get(key)
            if found is None:
                new = Equation(primitive, inputs, params, equation.outputs)
                self.equations.append(new)
                self.made.update((var, new) for var in new.outputs)
                self.known[key] = found = new.outputs
        self.atoms.update(zip(equation.outputs, found, strict=True))

    def _identical(
        self, primitive: Primitive, inputs: Sequence[Atom], params: Params, outputs: Sequence[Var]
    ) -> tuple[Atom, ...] | None:
        rule = _IDENTITIES.get(primitive)
        if rule is None:
            return None
        type = outputs[0].type
        atom = rule(self, inputs, params, type)
        if atom is None or atom.type != type or (isinstance(atom, Literal) and atom.weak):
            return None
        return (atom,)

    @staticmethod
    def _key(primitive: Primitive, inputs: Sequence[Atom], params: Params) -> Hashable:
        keys: list[Hashable] = [
            ("var", id(atom)) if isinstance(atom, Var) else ("literal", atom.key())
            for atom in inputs
        ]
        if primitive in _COMMUTATIVE:
            keys.sort(key=repr)
        return primitive.name, tuple(keys), freeze(params)


def _folded(
    primitive: Primitive, inputs: Sequence[Atom], params: Params, outputs: Sequence[Var]
) -> tuple[Atom, ...] | None:
    """The outputs as constants, where all inputs are constants and the outputs are small."""
    if sum(var.type.size for var in outputs) > FOLD or primitive.programs(params):
        return None
    values: list[Array] = []
    for atom in inputs:
        if not isinstance(atom, Literal):
            return None
        values.append(atom.value)
    with np.errstate(all="ignore"):
        result = primitive.evaluate(*values, **params)
    results = result if primitive.multiple else (result,)
    literals = tuple(Literal(value) for value in results)
    types_agree = all(a.type == var.type for a, var in zip(literals, outputs, strict=True))
    return literals if types_agree and not any(a.weak for a in literals) else None


def eliminate_dead_code(program: Program) -> Program:
    """The Program without the equations on which no output depends. Inputs and guards stay.

    Loops and branches lose the results that nothing reads, and what only those need.
    """
    needed: set[Atom] = set(program.outputs)
    kept: list[Equation] = []
    for equation in reversed(program.equations):
        if not needed.isdisjoint(equation.outputs) or equation.guards:
            if equation.primitive.multiple:
                used = [v in needed for v in equation.outputs]
                equation = equation.primitive.shrink(equation, used)
            kept.append(equation)
            needed.update(equation.inputs)
    return Program(program.inputs, tuple(reversed(kept)), program.outputs)


def simplify(program: Program) -> Program:
    """A Program of the same values with no more equations: folded, shared, and without dead code.

    Example:
        >>> import wengert as wg
        >>> print(wg.simplify(wg.trace(lambda x: (x * 1.0 + x * x) - x * x * (2.0 - 1.0))(3.0)))
        program(a: f64):
            b: f64 = a * a
            c: f64 = a + b
            d: f64 = c - b
            return d
    """
    if _simple.get(id(program)) is program:
        return program
    rewriter = _Rewriter()
    for equation in program.equations:
        rewriter.add(equation)
    outputs = tuple(map(rewriter.read, program.outputs))
    rewritten = Program(program.inputs, tuple(rewriter.equations), outputs)
    found = eliminate_dead_code(rewritten).check()
    _simple[id(found)] = found
    return found


_simple: WeakValueDictionary[int, Program] = WeakValueDictionary()
"""What ``simplify`` has given, by its identity: nothing is to be found there again."""
