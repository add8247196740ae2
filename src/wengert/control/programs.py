"""Programs from Programs, for the bodies of loops and the branches: what the rules are made of.

``pushforward`` and ``pullback`` are ``jvp`` and ``vjp`` for some of the inputs and outputs only,
``reached`` says which outputs those are; ``batched_program`` is ``vmap`` likewise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..evaluate import evaluate
from ..primitive import Traced
from ..primitives import shape
from ..program import Array, Atom, Equation, Literal, Program, Type, Var
from ..recorder import record
from ..transforms.batching import evaluate_batched
from ..transforms.dual import Dual
from ..transforms.simplify import FOLD, simplify
from ..transforms.tape import Tape
from .memory import interned, remembered

__all__ = [
    "Flags",
    "all_in_front",
    "batched_program",
    "completed",
    "fitted",
    "in_front",
    "in_groups",
    "lean",
    "lifted",
    "needed",
    "pullback",
    "pushforward",
    "reached",
    "rearranged",
    "recorded",
    "spread_out",
    "substituted",
    "take",
    "with_constants",
    "with_tangents",
]

Flags = tuple[bool, ...]


def take(items: Sequence[Array], flags: Sequence[bool]) -> list[Array]:
    """The items that are flagged."""
    return [item for item, flag in zip(items, flags, strict=True) if flag]


def spread_out(items: Sequence[Array], flags: Sequence[bool]) -> list[Array | None]:
    """The inverse of ``take``: None where there is no flag."""
    rest = iter(items)
    return [next(rest) if flag else None for flag in flags]


def fitted(value: Array, type: Type) -> Array:
    """A tangent or cotangent in exactly this type."""
    if not isinstance(value, Traced):
        value = np.asarray(value)[()]
    if value.dtype != type.dtype:
        if value.dtype.kind == "c" and type.dtype.kind != "c":
            value = np.real(value)
        value = shape.convert.bind(value, dtype=type.dtype)
    return value if value.shape == type.shape else shape.broadcast.bind(value, shape=type.shape)


def recorded(function: Callable[..., Sequence[Array]], types: Sequence[Type]) -> Program:
    """The simplified Program of a function of our own, which uses its arguments only."""
    return interned(compact(simplify(record(function, types, hold="trust")[0])))


def compact(program: Program) -> Program:
    """The Program without large constants all of whose elements are the same number.

    The rules make zeros of the shapes of a loop's values, and these Programs are kept for long.
    """
    equations: list[Equation] = []

    def small(atom: Atom) -> Atom:
        if not isinstance(atom, Literal) or atom.type.size <= FOLD:
            return atom
        first = atom.value[(0,) * atom.type.ndim]
        if not np.all(atom.value == first):
            return atom
        result = Var(atom.type)
        one = (Literal(first),)
        equations.append(Equation(shape.broadcast, one, {"shape": atom.type.shape}, (result,)))
        return result

    for e in program.equations:
        inputs = tuple(map(small, e.inputs))
        equations.append(Equation(e.primitive, inputs, e.params, e.outputs))
    outputs = tuple(map(small, program.outputs))
    return Program(program.inputs, tuple(equations), outputs)


def rearranged(program: Program, inputs: Sequence[int], outputs: Sequence[int]) -> Program:
    """The Program with its inputs and outputs in another order."""
    return Program(
        tuple(program.inputs[i] for i in inputs),
        program.equations,
        tuple(program.outputs[i] for i in outputs),
    )


def in_groups(groups: Sequence[Sequence[bool]]) -> list[int]:
    """Places of groups of values, those flagged with tangents that follow all of the values.

    The tangents of each group are behind it.
    """
    start, late = 0, sum(map(len, groups))
    order: list[int] = []
    for group in groups:
        size, number = len(group), sum(group)
        order += [*range(start, start + size), *range(late, late + number)]
        start, late = start + size, late + number
    return order


# -- differentiating -------------------------------------------------------------------------------


def reached(program: Program, active: Sequence[bool]) -> Flags:
    """Which outputs may change with the ``active`` inputs, and have a derivative."""
    moving: set[Atom] = set(take(program.inputs, active))
    for equation in program.equations:
        if equation.primitive.flat:
            continue
        flags = [atom in moving for atom in equation.inputs]
        if any(flags):
            found = _reached_by(equation, flags)
            moving.update(var for var, f in zip(equation.outputs, found, strict=True) if f)
    return tuple(atom in moving for atom in program.outputs)


def _reached_by(equation: Equation, flags: Sequence[bool]) -> Sequence[bool]:
    rule = getattr(equation.primitive, "reached", None)
    if rule is not None:
        return rule(flags, equation.params)
    return [var.type.differentiable for var in equation.outputs]


@remembered
def pushforward(program: Program, active: Flags, wanted: Flags) -> Program:
    """Inputs: the Program's, then tangents of the active; outputs: its own, then tangents wanted.

    No other inputs have tangents.
    """
    count = len(program.inputs)

    def pushed(*values: Array) -> list[Array]:
        dual = Dual()
        tangents = spread_out(values[count:], active)
        inputs = [
            value if tangent is None else dual.input(value, tangent)
            for value, tangent in zip(values[:count], tangents, strict=True)
        ]
        outputs = evaluate(program, inputs)
        dual.check_caught()
        dual.close()
        moved = [fitted(dual.tangent(output), Type.of(output)) for output in take(outputs, wanted)]
        return [*map(dual.primal, outputs), *moved]

    types = program.input_types
    return recorded(pushed, [*types, *take(types, active)])


def with_tangents(
    program: Program, active: Sequence[Sequence[bool]], wanted: Sequence[Sequence[bool]]
) -> Program:
    """The ``pushforward`` for groups of inputs and of outputs, the tangents behind each group."""
    flags = (tuple(flag for group in groups for flag in group) for groups in (active, wanted))
    return interned(rearranged(pushforward(program, *flags), in_groups(active), in_groups(wanted)))


def completed(
    values: Sequence[Array], tangents: Sequence[Array | None], active: Sequence[bool]
) -> list[Array | None]:
    """The tangents of the active values in the values' types, zero where there is none."""
    return [
        fitted(type.zeros() if dot is None else dot, type) if flag else None
        for type, dot, flag in zip(map(Type.of, values), tangents, active, strict=True)
    ]


@remembered
def pullback(program: Program, active: Flags, wanted: Flags) -> Program:
    """Inputs: the Program's, then cotangents of the wanted outputs.

    Outputs: the Program's, then cotangents of the active inputs.
    """
    count = len(program.inputs)
    types = program.input_types

    def pulled(*values: Array) -> list[Array]:
        tape = Tape("trust")
        inputs = [
            tape.input(value) if flag else value
            for value, flag in zip(values[:count], active, strict=True)
        ]
        outputs = evaluate(program, inputs)
        tape.check_caught()
        tape.close()
        places = [tape.place(output) for output in take(outputs, wanted)]
        pairs = zip(places, values[count:], strict=True)
        found = tape.pull(pairs, sum(active), keep=False)
        cotangents = [
            type.zeros() if ct is None else fitted(ct, type)
            for ct, type in zip(found, take(types, active), strict=True)
        ]
        return [*map(tape.primal, outputs), *cotangents]

    return recorded(pulled, [*types, *take(program.output_types, wanted)])


# -- batching --------------------------------------------------------------------------------------


@remembered
def batched_program(
    program: Program, size: int, flags: Flags, wanted: Flags | None = None
) -> tuple[Program, Flags]:
    """The Program over a batch, and which of its outputs have the batch axis in front.

    Those ``wanted`` have it in any case.
    """
    types = [
        Type((size, *type.shape), type.dtype) if flag else type
        for type, flag in zip(program.input_types, flags, strict=True)
    ]
    done: list[bool] = []

    def stacked(*values: Array) -> list[Array]:
        outputs, found = evaluate_batched(program, size, values, flags)
        done.extend(found)
        if wanted is None:
            return outputs
        done[:] = [a or b for a, b in zip(found, wanted, strict=True)]
        return [
            shape.broadcast.bind(value, shape=(size, *np.shape(value))) if w and not f else value
            for value, f, w in zip(outputs, found, wanted, strict=True)
        ]

    return recorded(stacked, types), tuple(done)


def in_front(value: Array, size: int) -> Array:
    """The value, the same for all of the batch, with the batch axis in front."""
    return shape.broadcast.bind(value, shape=(size, *np.shape(value)))


def all_in_front(
    values: Sequence[Array], size: int, batched: Sequence[bool], wanted: Sequence[bool]
) -> list[Array]:
    """The values, those wanted and not ``batched`` yet with the batch axis in front."""
    return [
        in_front(value, size) if now and not was else value
        for value, was, now in zip(values, batched, wanted, strict=True)
    ]


# -- what is needed, and constants -----------------------------------------------------------------

LARGE = 64
"""Constant arrays with more elements than this are operands of a loop, not part of its body."""


def lifted(program: Program) -> tuple[Program, list[Array]]:
    """The Program with its large constants as first inputs, and their values.

    Small ones are copied, so that nothing can change them.
    """
    inputs: dict[int, tuple[Var, Array]] = {}

    def moved(atom: Atom) -> Atom:
        if not isinstance(atom, Literal) or atom.weak:
            return atom
        if atom.type.size <= LARGE:
            return Literal(atom.value)
        if id(atom.value) not in inputs:
            inputs[id(atom.value)] = Var(atom.type), atom.value
        return inputs[id(atom.value)][0]

    equations = tuple(
        Equation(e.primitive, tuple(map(moved, e.inputs)), e.params, e.outputs)
        for e in program.equations
    )
    outputs = tuple(map(moved, program.outputs))
    variables = tuple(var for var, _ in inputs.values())
    values = [value for _, value in inputs.values()]
    return Program((*variables, *program.inputs), equations, outputs), values


def needed(program: Program, wanted: Sequence[bool]) -> Flags:
    """Which inputs the wanted outputs, and the guards, depend on."""
    found: set[Atom] = set(take(program.outputs, wanted))
    for equation in reversed(program.equations):
        if equation.guards or found.intersection(equation.outputs):
            found.update(equation.inputs)
    return tuple(var in found for var in program.inputs)


@remembered
def lean(program: Program, inputs: Flags, outputs: Flags) -> Program:
    """The simplified Program of the flagged outputs only, which need the flagged inputs only."""
    made = simplify(
        Program(program.inputs, program.equations, tuple(take(program.outputs, outputs)))
    )
    return interned(Program(tuple(take(made.inputs, inputs)), made.equations, made.outputs))


def substituted(program: Program, inputs: Sequence[Var], by: Mapping[Var, Atom]) -> Program:
    """The Program of these inputs, with some variables replaced."""

    def read(atom: Atom) -> Atom:
        return by.get(atom, atom) if isinstance(atom, Var) else atom

    equations = tuple(
        Equation(e.primitive, tuple(map(read, e.inputs)), e.params, e.outputs)
        for e in program.equations
    )
    return Program(tuple(inputs), equations, tuple(map(read, program.outputs)))


def with_constants(program: Program, given: Sequence[Atom]) -> Program:
    """The Program with those of its first inputs that are ``given`` as small constants put in."""
    small: dict[Var, Atom] = {
        var: atom
        for var, atom in zip(program.inputs, given, strict=False)
        if isinstance(atom, Literal) and atom.type.size <= LARGE
    }
    return interned(substituted(program, program.inputs, small)) if small else program
