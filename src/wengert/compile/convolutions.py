"""Convolutions in compiled code: a row is added up, shifted and scaled, for each of a short one."""

from __future__ import annotations

from ..primitives import contract
from ..program import Atom, Equation
from .combine import combine
from .elements import Scope, converted
from .emit import Place, constant
from .lower import Lowering, Targets, step
from .nests import Places, fill, loops

__all__: list[str] = []


@step(contract.convolve)
def _convolve(lowering: Lowering, scope: Scope, equation: Equation, targets: Targets) -> None:
    code, target = lowering.code, targets.of(equation.outputs[0])
    *stack, _ = target.shape
    dtype = target.buffer.dtype
    long, short = sorted(equation.inputs, key=lambda atom: -atom.type.shape[-1])

    def element(atom: Atom, places: Places, place: Place) -> str:
        skip = len(stack) - len(atom.type.shape[:-1])
        at = (0 if n == 1 else places[skip + i] for i, n in enumerate(atom.type.shape[:-1]))
        value = scope.element(atom, (*at, place))
        return converted(code, value, atom.type.dtype, dtype)

    def body(places: Places) -> None:
        begin = code.flat(places, target.strides[:-1]) + target.offset
        with code.loop(short.type.shape[-1]) as j:
            factor = element(short, places, j)
            with code.loop(long.type.shape[-1], parallel=True) as i:
                place = code.plus(begin, code.plus(i, j))
                before = lowering.read(target.buffer, place)
                term = combine("prod", code, factor, element(long, places, i), dtype)
                code.store(target.buffer, place, combine("sum", code, before, term, dtype))

    fill(code, target, constant(0, dtype))
    loops(code, stack, body, parallel=False)
    scope.stored[equation.outputs[0]] = target
    lowering.report.note(equation, "loop", domain=(*stack, short.type.size, long.type.size))
