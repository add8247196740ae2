"""The derivatives of a Program as Programs: jvp, vjp, and the transpose of a linear Program.

Each runs the Program under a ``Dual`` or a ``Tape`` inside a ``Recorder``: the immediate
derivatives and these transforms are the same code, on arrays there and on traced values here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import UnknownDerivativeError
from ..evaluate import evaluate
from ..program import Array, Program, Type
from ..recorder import record
from .dual import Dual
from .tape import NotLinearError, Tape, transpose_linear

__all__ = ["jvp", "transpose", "vjp"]


def _moving(program: Program) -> list[int]:
    return [i for i, var in enumerate(program.inputs) if var.type.differentiable]


def jvp(program: Program) -> Program:
    """Inputs: those of the Program, then a tangent for each that can have one.

    Outputs: those of the Program, then the tangent of each that can have one.
    """
    moving = _moving(program)
    count = len(program.inputs)

    def pushed(*values: Array) -> list[Array]:
        dual = Dual()
        inputs: list[Array] = list(values[:count])
        for i, tangent in zip(moving, values[count:], strict=True):
            inputs[i] = dual.input(values[i], tangent)
        outputs = evaluate(program, inputs)
        dual.check_caught()
        dual.close()
        primals = [dual.primal(output) for output in outputs]
        tangents = [dual.tangent(output) for output in outputs if Type.of(output).differentiable]
        return [*primals, *tangents]

    types = [*program.input_types, *(program.inputs[i].type for i in moving)]
    return record(pushed, types)[0].check()


def _pulled(program: Program, values: Sequence[Array], moving: Sequence[int]) -> tuple[Any, ...]:
    tape = Tape("trust")
    inputs: list[Array] = list(values)
    for i in moving:
        inputs[i] = tape.input(values[i])
    outputs = evaluate(program, inputs)
    tape.check_caught()
    tape.close()
    return tape, outputs


def vjp(program: Program) -> Program:
    """Inputs: those of the Program, then a cotangent for each output that can have one.

    Outputs: those of the Program, then the cotangent of each input that can have one.
    """
    moving = _moving(program)
    count = len(program.inputs)
    out_types = [atom.type for atom in program.outputs if atom.type.differentiable]

    def pulled(*values: Array) -> list[Array]:
        tape, outputs = _pulled(program, values[:count], moving)
        able = [output for output in outputs if Type.of(output).differentiable]
        pairs = [(tape.place(output), ct) for output, ct in zip(able, values[count:], strict=True)]
        found = tape.pull(pairs, len(moving), keep=False)
        cotangents = [
            program.inputs[i].type.zeros() if ct is None else ct
            for i, ct in zip(moving, found, strict=True)
        ]
        return [*(tape.primal(output) for output in outputs), *cotangents]

    return record(pulled, [*program.input_types, *out_types])[0].check()


def transpose(program: Program, linear: Sequence[int] | None = None) -> Program:
    """The transpose of a Program that is linear in the inputs numbered ``linear`` (all of them).

    Inputs: the other inputs, then a cotangent for each output. Outputs: the cotangents of the
    linear inputs. Raises ``UnknownDerivativeError`` if an equation is not linear in them.
    """
    moving = list(range(len(program.inputs))) if linear is None else list(linear)
    others = [i for i in range(len(program.inputs)) if i not in moving]

    def transposed(*values: Array) -> list[Array]:
        full: list[Array] = [None] * len(program.inputs)
        for i, value in zip(others, values[: len(others)], strict=True):
            full[i] = value

        def applied(*tangents: Array) -> list[Array]:
            for i, tangent in zip(moving, tangents, strict=True):
                full[i] = tangent
            return evaluate(program, full)

        types = [program.inputs[i].type for i in moving]
        try:
            found = transpose_linear(applied, types, values[len(others) :])
        except NotLinearError as error:
            raise UnknownDerivativeError(
                f"the Program cannot be transposed: {error.operation} is not linear in its operands"
            ) from error
        return [type.zeros() if ct is None else ct for type, ct in zip(types, found, strict=True)]

    types = [*(program.inputs[i].type for i in others), *program.output_types]
    return record(transposed, types)[0].check()
