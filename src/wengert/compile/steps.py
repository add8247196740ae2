"""Code for the equations that are no loops over the elements of their result."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..primitive import Primitive
from ..primitives import index, reduce, shape
from ..primitives.guard import guard
from ..program import Atom, Equation, Literal
from .combine import combine, identity
from .elements import Scope, converted, gather_places
from .emit import INTERLEAVE, Place, memory, register
from .lower import Lowering, Targets, call_out, step
from .nests import Places, loops
from .places import operand_places, source_places
from .shapes import SHORT
from .virtual import gathers

__all__: list[str] = []

# -- guards ----------------------------------------------------------------------------------------


@step(guard)
def _guard(lowering: Lowering, scope: Scope, equation: Equation, targets: Targets) -> None:
    x, expected = equation.inputs
    lowering.guards += 1
    if x.type.shape:
        differs = _differs(lowering, scope, x, expected)
    else:
        value = scope.element(x, ())
        differs = _unequal(lowering, value, scope.element(expected, ()), x.type.dtype)
    number = lowering.code.plus(lowering.passed, lowering.guards)
    lowering.leave_if(differs, number, _told(lowering, scope, x))
    each = "" if isinstance(number, int) else " of each step"
    lowering.report.note(equation, "guard", f"{lowering.guards}{each}")


def _told(lowering: Lowering, scope: Scope, x: Atom) -> list[str]:
    """The lines that store the value of a guard, a number or the two parts of one, for the caller.

    Other arrays are found by evaluating the Program.
    """
    code, dtype = lowering.code, x.type.dtype
    if x.type.shape not in ((), (2,)):
        return []
    lines: list[str] = []
    for number, places in enumerate(np.ndindex(x.type.shape)):
        value = scope.element(x, places)
        if dtype.kind == "b":
            value = code.cast("zext", "i1", value, "i8")
        place = f"%{code.fresh('t')}"
        offset = number * dtype.itemsize
        lines.append(f"{place} = getelementptr i8, ptr {lowering.pointer_of_slot()}, i64 {offset}")
        lines.append(f"store {memory(dtype)} {value}, ptr {place}")
    return lines


def _unequal(lowering: Lowering, x: str, y: str, dtype: np.dtype[Any]) -> str:
    code = lowering.code
    kind = register(dtype)
    if dtype.kind == "f":
        bits = f"i{dtype.itemsize * 8}"
        x = code.cast("bitcast", kind, x, bits)
        y = code.cast("bitcast", kind, y, bits)
        kind = bits
    return code.op(f"icmp ne {kind}", x, y)


def _differs(lowering: Lowering, scope: Scope, x: Atom, expected: Atom) -> str:
    code = lowering.code
    slot = code.slot("i1")
    code.statement(f"store i1 false, ptr {slot}")

    def body(places: Places) -> None:
        before = code.here(f"load i1, ptr {slot}")
        other = scope.element(expected, places)
        one = _unequal(lowering, scope.element(x, places), other, x.type.dtype)
        code.statement(f"store i1 {code.op('or i1', before, one)}, ptr {slot}")

    loops(code, x.type.shape, body, parallel=True)
    return code.here(f"load i1, ptr {slot}")


# -- parts of arrays -------------------------------------------------------------------------------


@step(index.gather)
def _check(lowering: Lowering, scope: Scope, equation: Equation, targets: Targets) -> None:
    """``x[index]`` is written out where it is read; here is seen to it that it can be."""
    if equation.outputs[0] not in scope.plan.virtual:
        call_out(lowering, scope, equation, targets)
        return
    arrays = equation.inputs[1:]
    for array, length in zip(arrays, _indexed_lengths(equation), strict=True):
        check_index(lowering, scope, array, length)


@step(index.scatter_add, index.update)
def _write(lowering: Lowering, scope: Scope, equation: Equation, targets: Targets) -> None:
    """``x[index] = part`` or ``x[index] += part``: in x itself, where nothing else needs it."""
    code = lowering.code
    x, part, *arrays = equation.inputs
    out = equation.outputs[0]
    dtype = out.type.dtype
    if arrays and not gathers(equation):
        call_out(lowering, scope, equation, targets)
        return
    for array, length in zip(arrays, _indexed_lengths(equation), strict=True):
        check_index(lowering, scope, array, length)
    items = equation.params["index"]
    lengths = x.type.shape
    chosen = np.shape(
        index.ghost(lengths)[index.fill(items, [np.zeros(a.type.shape, np.intp) for a in arrays])]
    )
    single = math.prod(chosen) == 1
    target = lowering.in_place(scope, equation, x, targets, single=single)
    fresh = target is None
    if target is None:
        target = targets.place(out)
        lowering.put(scope, x, target)

    def body(places: Places) -> None:
        value = scope.element(part, operand_places(part.type.shape, chosen, places))
        value = converted(code, value, part.type.dtype, dtype)
        if arrays:
            at = gather_places(scope, equation, arrays, lengths, places)
        else:
            at = source_places(code, items, lengths, places)
        place = code.flat(at, target.strides) + target.offset
        if equation.primitive is index.scatter_add:
            before = lowering.read(target.buffer, place)
            value = combine("sum", code, before, value, dtype)
        code.store(target.buffer, place, value)

    loops(code, chosen, body, parallel=not arrays, tail=scope.tail(part))
    scope.stored[out] = target
    over = lengths if fresh else chosen
    lowering.report.note(equation, "loop" if math.prod(over) > 4 else "store", domain=over)


def _indexed_lengths(equation: Equation) -> list[int]:
    """The lengths of the axes that index arrays go along."""
    found: list[int] = []
    axis = 0
    for item in equation.params["index"]:
        if isinstance(item, str):
            found.append(equation.inputs[0].type.shape[axis])
        axis += item is not None
    return found


def check_index(lowering: Lowering, scope: Scope, array: Atom, length: int) -> None:
    """Leave the function if an element of an index array is out of bounds."""
    code = lowering.code
    dtype = array.type.dtype
    if isinstance(array, Literal):
        value = np.asarray(array.value)
        if value.size and (value.min() < -length or value.max() >= length):
            lowering.leave_if("true", -3)
        return
    key = ("checked", scope.serial, array, length)
    if any(key in frame.memo for frame in code.frames):
        return
    code.frames[-1].memo[key] = ""
    slot = code.slot("i1")
    code.statement(f"store i1 false, ptr {slot}")
    kind = register(dtype)

    def body(places: Places) -> None:
        value = scope.element(array, places)
        if kind != "i64":
            value = code.cast("zext" if dtype.kind == "u" else "sext", kind, value, "i64")
        low = code.op("icmp slt i64", value, str(-length))
        high = code.op("icmp sge i64", value, str(length))
        before = code.here(f"load i1, ptr {slot}")
        bad = code.op("or i1", before, code.op("or i1", low, high))
        code.statement(f"store i1 {bad}, ptr {slot}")

    loops(code, array.type.shape, body, parallel=True)
    lowering.leave_if(code.here(f"load i1, ptr {slot}"), -3)


@step(shape.concatenate)
def _concatenate(lowering: Lowering, scope: Scope, equation: Equation, targets: Targets) -> None:
    """Each part goes to its place, if it was not computed there."""
    out = equation.outputs[0]
    axis = equation.params["axis"]
    target = targets.place(out)
    start = 0
    for atom in equation.inputs:
        length = atom.type.shape[axis]
        part = target.at(target.layout.part(axis, start, length))
        found = scope.where(atom)
        if found is None or not found.same(part):
            put = lowering.write_out if atom.type.size <= SHORT else lowering.put
            put(scope, atom, part)
        start += length
    scope.stored[out] = target
    lowering.report.note(equation, "loop")


# -- running sums ----------------------------------------------------------------------------------

_RUNNING: dict[Primitive, str] = {
    reduce.cumsum: "sum",
    reduce.cumprod: "prod",
    reduce.maximum_so_far: "max",
    reduce.minimum_so_far: "min",
}


@step(*_RUNNING)
def _running(lowering: Lowering, scope: Scope, equation: Equation, targets: Targets) -> None:
    code = lowering.code
    (x,) = equation.inputs
    out = equation.outputs[0]
    axis = equation.params["axis"]
    backwards = equation.params.get("reverse", False)
    kind, dtype = _RUNNING[equation.primitive], out.type.dtype
    target = targets.place(out)
    length = x.type.shape[axis]
    slot = code.slot(register(dtype))
    rest = (*x.type.shape[:axis], *x.type.shape[axis + 1 :])

    def row(places: Places) -> None:
        code.statement(f"store {register(dtype)} {identity(kind, dtype)}, ptr {slot}")
        with code.loop(length) as i:
            place: Place = i
            if backwards:
                place = code.plus(code.times(i, -1), length - 1)
            at = (*places[:axis], place, *places[axis:])
            value = converted(code, scope.element(x, at), x.type.dtype, dtype)
            before = code.here(f"load {register(dtype)}, ptr {slot}")
            value = combine(kind, code, before, value, dtype)
            code.statement(f"store {register(dtype)} {value}, ptr {slot}")
            code.store(target.buffer, code.flat(at, target.strides) + target.offset, value)

    if out.type.size:
        loops(code, rest, row, parallel=False)
    scope.stored[out] = target
    lowering.report.note(equation, "loop", domain=x.type.shape)


# -- the place of the greatest or smallest ---------------------------------------------------------


@step(reduce.argmax, reduce.argmin)
def _place(lowering: Lowering, scope: Scope, equation: Equation, targets: Targets) -> None:
    """First the extreme value, then the first place where it stands: both loops can be vectors."""
    code = lowering.code
    (x,) = equation.inputs
    out = equation.outputs[0]
    (axis,) = equation.params["axes"]
    kind = "max" if equation.primitive is reduce.argmax else "min"
    dtype = x.type.dtype
    target = targets.place(out) if out.type.shape else None
    type = register(dtype)
    best, found = code.slot(type if dtype.kind != "b" else "i8"), code.slot("i64")
    if dtype.kind == "b":
        type = "i1"
    length = x.type.shape[axis]

    def along(places: Places, body: Callable[[str, Place], None]) -> None:
        with code.loop(length, parallel=True, hints=[INTERLEAVE]) as i:
            body(scope.element(x, (*places[:axis], i, *places[axis:])), i)

    def row(places: Places) -> None:
        code.statement(f"store {type} {identity(kind, dtype)}, ptr {best}")

        def compare(value: str, place: Place) -> None:
            before = code.here(f"load {type}, ptr {best}")
            after = combine(kind, code, before, value, dtype)
            code.statement(f"store {type} {after}, ptr {best}")

        along(places, compare)
        extreme = code.here(f"load {type}, ptr {best}")
        code.statement(f"store i64 {length}, ptr {found}")

        def look(value: str, place: Place) -> None:
            same = code.op(
                f"{'fcmp ueq' if dtype.kind == 'f' else 'icmp eq'} {type}", value, extreme
            )
            if dtype.kind == "f":
                # Where the extreme is NaN, so is what is looked for.
                number = code.op(f"fcmp ord {type}", extreme, extreme)
                nan = code.op(f"fcmp uno {type}", value, value)
                same = code.select(number, "i1", same, nan)
            first = code.here(f"load i64, ptr {found}")
            chosen = code.select(same, "i64", code.number(place), str(length))
            lowest = code.intrinsic("llvm.smin", "i64", first, chosen)
            code.statement(f"store i64 {lowest}, ptr {found}")

        along(places, look)
        place = code.here(f"load i64, ptr {found}")
        if target is None:
            scope.registers[out] = place
        else:
            code.store(target.buffer, code.flat(places, target.strides) + target.offset, place)

    loops(code, (*x.type.shape[:axis], *x.type.shape[axis + 1 :]), row, parallel=False)
    if target is not None:
        scope.stored[out] = target
    lowering.report.note(equation, "loop", domain=x.type.shape)
