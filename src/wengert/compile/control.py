"""Scans and branches of a Program as native loops and branches; ``loops`` has the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..control.scan import scan_primitive
from ..control.switch import switch_primitive
from ..primitives import index
from ..program import Atom, Equation, Literal, Program, Type, Var
from .elements import Scope
from .emit import Buffer, Place, is_compiled, memory
from .lower import Lowering, Targets, Value, step
from .views import Stored, row_major

__all__ = ["Carry", "is_number", "one_step", "value_of"]

SMALL = 1 << 8
"""Carried arrays of up to this many bytes are copied after each step; of others pointers are."""


def is_number(type: Type) -> bool:
    """Whether a value is held in a register."""
    return not type.shape and is_compiled(type.dtype)


def value_of(lowering: Lowering, scope: Scope, atom: Atom) -> Value:
    """A value as a Program's code takes it."""
    if is_number(atom.type):
        return scope.element(atom, ())
    found = scope.where(atom)
    return found if found is not None else lowering.stored(scope, atom)


def values_at(lowering: Lowering, stacked: Stored, type: Type, place: Place) -> Stored:
    """The slice of a stacked value at a place along its first axis."""
    code = lowering.code
    pointer = code.address(
        stacked.buffer, code.flat((place,), stacked.strides[:1]) + stacked.offset
    )
    buffer = Buffer(pointer, stacked.buffer.dtype, code.depth)
    return Stored(buffer, type.shape, stacked.strides[1:])


class Carry:
    """One carried value: a number in a slot, or an array that is updated."""

    def __init__(self, lowering: Lowering, type: Type) -> None:
        self.lowering = lowering
        self.type = type
        self.parts: list[tuple[int, int]] = []
        code = lowering.code
        self.swaps = False
        if is_number(type):
            self.slot = code.slot(memory(type.dtype))
            return
        self.now, self.next = self._memory(), self._memory()
        self.swaps = type.size * type.dtype.itemsize > SMALL
        if self.swaps:
            self.slots = code.slot("ptr"), code.slot("ptr")

    def _memory(self) -> Stored:
        stored, part = self.lowering.memory(self.type.shape, self.type.dtype)
        if part is not None:
            self.parts.append(part)
        return stored

    def free(self) -> None:
        for part in self.parts:
            self.lowering.arena.give(part)

    # -- before, in, and after the loop ----------------------------------------------------------

    def begin(self, value: Value) -> None:
        """Set the initial value."""
        code = self.lowering.code
        if isinstance(value, str):
            self._store(value)
            return
        self.lowering.deliver(value, self.now)
        if self.swaps:
            for slot, stored in zip(self.slots, (self.now, self.next), strict=True):
                code.statement(f"store ptr {stored.buffer.pointer}, ptr {slot}")

    def _store(self, value: str) -> None:
        self.lowering.code.store(Buffer(self.slot, self.type.dtype), 0, value)

    def read(self) -> Value:
        """The value before this step."""
        code = self.lowering.code
        if is_number(self.type):
            return self.lowering.read(Buffer(self.slot, self.type.dtype), 0)
        if self.swaps:
            pointers = [code.here(f"load ptr, ptr {slot}") for slot in self.slots]
        else:
            pointers = [stored.buffer.pointer for stored in (self.now, self.next)]
        strides = row_major(self.type.shape)
        self.current, self.target = (
            Stored(Buffer(pointer, self.type.dtype, code.depth), self.type.shape, strides)
            for pointer in pointers
        )
        return self.current

    def set(self, value: Value) -> None:
        """Make a value the one before the next step, in the memory that ``read`` found."""
        if isinstance(value, str):
            self._store(value)
        else:
            self.lowering.copy(value, self.current)

    def gather(self, value: Value) -> Value:
        """The value after this step, out of reach of the other carries' updates."""
        if isinstance(value, str):
            return value
        pointers = {self.target.buffer.pointer, self.current.buffer.pointer}
        own = value.buffer.pointer in pointers and not value.offset and value.contiguous
        if own:
            return value
        self.lowering.copy(value, self.target)
        return self.target

    def advance(self, value: Value) -> None:
        """Make a value, as ``gather`` gave it, the one before the next step."""
        code = self.lowering.code
        if isinstance(value, str):
            self._store(value)
        elif value.buffer.pointer == self.current.buffer.pointer:
            return
        elif self.swaps:
            now, other = self.slots
            code.statement(f"store ptr {self.target.buffer.pointer}, ptr {now}")
            code.statement(f"store ptr {self.current.buffer.pointer}, ptr {other}")
        else:
            self.lowering.copy(value, self.current)

    def end(self, scope: Scope, var: Var, targets: Targets) -> None:
        """Give the final value to the loop's result."""
        value = self.read()
        if isinstance(value, str):
            scope.registers[var] = value
            return
        target = targets.of(var)
        self.lowering.deliver(value, target)
        scope.stored[var] = target


def one_step(
    lowering: Lowering,
    program: Program,
    fixed: Sequence[Value],
    carries: Sequence[Carry],
    before: Sequence[Value],
    slices: Sequence[Value],
    targets: Sequence[Stored | None],
) -> list[Value]:
    """The code of one step; the values of its ys."""
    owned = program.inputs[len(fixed) : len(fixed) + len(carries)]
    places = [
        None if is_number(carry.type) or _written_into(program, out, own) else carry.target
        for carry, out, own in zip(carries, program.outputs, owned, strict=False)
    ]
    found = lowering.scope(program, [*fixed, *before, *slices], [*places, *targets], owned=owned)
    count = len(carries)
    for target, value in zip(targets, found[count:], strict=True):
        if target is not None:
            lowering.deliver(value, target)
    after = [carry.gather(value) for carry, value in zip(carries, found[:count], strict=True)]
    for carry, value in zip(carries, after, strict=True):
        carry.advance(value)
    return found[count:]


def _written_into(program: Program, output: Atom, own: Var) -> bool:
    """Whether a carry's new value is the one before with parts of it written to."""
    makers = {var: equation for equation in program.equations for var in equation.outputs}
    found = output
    while isinstance(found, Var) and found is not own:
        equation = makers.get(found)
        if equation is None or equation.primitive not in (index.update, index.scatter_add):
            return False
        found = equation.inputs[0]
    return found is own and output is not own


# -- scan ------------------------------------------------------------------------------------------


def _counted(literal: Atom) -> tuple[int, int] | None:
    """First element and difference of a constant that counts: ``np.arange``."""
    if not isinstance(literal, Literal) or literal.type.dtype != np.int64:
        return None
    value = np.asarray(literal.value)
    if value.ndim != 1 or value.size < 2:
        return None
    difference = int(value[1] - value[0])
    counts = np.array_equal(value, value[0] + difference * np.arange(value.size))
    return (int(value[0]), difference) if counts else None


@step(scan_primitive)
def _scan(lowering: Lowering, scope: Scope, equation: Equation, targets: Targets) -> None:
    code = lowering.code
    params = equation.params
    program, length = params["program"], params["length"]
    consts, count = params["consts"], params["carries"]
    fixed = [value_of(lowering, scope, atom) for atom in equation.inputs[:consts]]
    initial = equation.inputs[consts : consts + count]
    xs = equation.inputs[consts + count :]
    stacks = [targets.of(var) for var in equation.outputs[count:]]
    carries = [Carry(lowering, atom.type) for atom in initial]
    for carry, atom in zip(carries, initial, strict=True):
        carry.begin(value_of(lowering, scope, atom))
    sources = [
        None
        if _counted(x)
        else lowering.stored(scope, x)
        if scope.where(x) is None
        else scope.where(x)
        for x in xs
    ]
    if length:
        with code.loop(length) as i:
            place: Place = code.plus(code.times(i, -1), length - 1) if params["reverse"] else i
            before = [carry.read() for carry in carries]
            slices: list[Value] = []
            for x, source, var in zip(xs, sources, program.inputs[consts + count :], strict=True):
                slices.append(_slice(lowering, x, source, var.type, place))
            ys = [
                values_at(lowering, s, a.type, place)
                for s, a in zip(stacks, program.outputs[count:], strict=True)
            ]
            with lowering.rounds(i, length, program.guards):
                one_step(lowering, program, fixed, carries, before, slices, ys)
    for carry, var in zip(carries, equation.outputs, strict=False):
        carry.end(scope, var, targets)
        carry.free()
    for stack, var in zip(stacks, equation.outputs[count:], strict=True):
        scope.stored[var] = stack
    lowering.report.note(equation, "control", "native loop")


def _slice(lowering: Lowering, x: Atom, source: Stored | None, type: Type, place: Place) -> Value:
    code = lowering.code
    if source is None:
        counted = _counted(x)
        assert counted is not None
        first, difference = counted
        return code.number(code.times(place, difference) + first)
    part = values_at(lowering, source, type, place)
    return lowering.read(part.buffer, 0) if is_number(type) else part


# -- switch ----------------------------------------------------------------------------------------


@step(switch_primitive)
def _switch(lowering: Lowering, scope: Scope, equation: Equation, targets: Targets) -> None:
    code = lowering.code
    branches: Sequence[Program] = equation.params["branches"]
    which = scope.element(equation.inputs[0], ())
    values = [value_of(lowering, scope, atom) for atom in equation.inputs[1:]]
    slots = [
        Stored(Buffer(code.slot(memory(var.type.dtype)), var.type.dtype), (), ())
        if is_number(var.type)
        else targets.of(var)
        for var in equation.outputs
    ]
    names = [code.fresh("case") for _ in branches]
    end = code.fresh("end")
    low = code.op("icmp sgt i64", which, "0")
    which = code.select(low, "i64", which, "0")
    cases = " ".join(f"i64 {number}, label %{name}" for number, name in enumerate(names[:-1]))
    with code.inside():
        code.statement(f"switch i64 {which}, label %{names[-1]} [{cases}]")
        for name, branch in zip(names, branches, strict=True):
            code.label(name)
            with code.inside():
                # Where results of this branch lie is no business of the values' of others.
                found = lowering.scope(
                    branch,
                    values,
                    [
                        None if is_number(var.type) else slot
                        for var, slot in zip(equation.outputs, slots, strict=True)
                    ],
                )
                for value, slot in zip(found, slots, strict=True):
                    lowering.deliver(value, slot)
            code.statement(f"br label %{end}")
    code.label(end)
    for var, slot in zip(equation.outputs, slots, strict=True):
        if is_number(var.type):
            scope.registers[var] = lowering.read(slot.buffer, 0)
        else:
            scope.stored[var] = slot
    lowering.report.note(equation, "control", "native branches")
