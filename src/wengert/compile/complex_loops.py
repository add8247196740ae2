"""Loops and branches with complex values: each is carried, read and stacked as its two parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..control.scan import scan_primitive
from ..control.sweep_rules import while_primitive
from ..control.sweeps import Read, Sweep, grouped
from ..control.switch import switch_primitive
from ..primitive import Params
from ..primitives.woven import is_complex
from ..program import Atom, Equation, Program, Type, Var
from ..transforms.simplify import simplify
from .complexes import Found, Parts, Splitter, rule

__all__: list[str] = []


def _body(program: Program) -> Program:
    """A Program that takes and gives parts."""
    splitter = Splitter()
    inputs = tuple(new for var in program.inputs for new in splitter.parted_input(var))
    splitter.run(program)
    outputs = tuple(_flat(splitter, program.outputs))
    return simplify(Program(inputs, tuple(splitter.equations), outputs))


def _flat(splitter: Splitter, atoms: Sequence[Atom]) -> list[Atom]:
    """The values, two for a complex one."""
    found: list[Atom] = []
    for atom in atoms:
        if is_complex(atom.type.dtype):
            found.extend(splitter.both(splitter.parts(atom)))
        else:
            found.append(splitter.real(atom))
    return found


def _width(types: Sequence[Type]) -> int:
    """How many values become of values of these types."""
    return len(types) + sum(is_complex(type.dtype) for type in types)


def _types(atoms: Sequence[Atom]) -> list[Type]:
    return [atom.type for atom in atoms]


def _results(
    splitter: Splitter, equation: Equation, inputs: Sequence[Atom], params: Params
) -> Found:
    """The equation with other operands and parameters; its results put together again."""
    primitive, given = equation.primitive, tuple(inputs)
    made = tuple(map(Var, primitive.types(given, params)))
    splitter.equations.append(Equation(primitive, given, params, made))
    rest = iter(made)
    return [
        Parts(next(rest), next(rest)) if is_complex(var.type.dtype) else next(rest)
        for var in equation.outputs
    ]


@rule(scan_primitive)
def _scan(splitter: Splitter, equation: Equation) -> Found:
    params = equation.params
    consts, loose = params["consts"], params["consts"] + params["carries"]
    types = _types(equation.inputs)
    changed = {
        "program": _body(params["program"]),
        "consts": _width(types[:consts]),
        "carries": _width(types[consts:loose]),
    }
    inputs = _flat(splitter, equation.inputs)
    return _results(splitter, equation, inputs, {**params, **changed})


@rule(switch_primitive)
def _switch(splitter: Splitter, equation: Equation) -> Found:
    branches = tuple(map(_body, equation.params["branches"]))
    inputs = _flat(splitter, equation.inputs)
    return _results(splitter, equation, inputs, {"branches": branches})


@rule(while_primitive)
def _while(splitter: Splitter, equation: Equation) -> Found:
    params = equation.params
    sweeps: Sequence[Sweep] = params["sweeps"]
    made: list[Sweep] = []
    inputs: list[Atom] = []
    for sweep, given in zip(sweeps, grouped(equation.inputs, sweeps), strict=True):
        types = _types(given)
        made.append(
            replace(
                sweep,
                program=_body(sweep.program),
                consts=_width(types[: sweep.consts]),
                carries=_width(types[sweep.consts :]),
                reads=tuple(new for read in sweep.reads for new in _read(read, sweeps)),
            )
        )
        inputs.extend(_flat(splitter, given))
    changed = {"condition": _body(params["condition"]), "sweeps": tuple(made)}
    return _results(splitter, equation, inputs, {**params, **changed})


def _read(read: Read, sweeps: Sequence[Sweep]) -> list[Read]:
    """What is read in place of a value of an earlier sweep."""
    source = sweeps[read.sweep]
    if read.kind == "carry":
        types = _types(source.program.inputs[source.consts : source.loose])
    else:
        types = _types(source.program.outputs[source.carries :])
    first = _width(types[: read.place])
    count = _width(types[read.place : read.place + 1])
    return [replace(read, place=first + i) for i in range(count)]
