"""Code for the equations that are no loops over the elements of their result."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..primitive import Primitive
from ..primitives import index, reduce, shape
from ..primitives.guard import guard
from ..program import Atom, Equation, Literal, Var
from .combine import combine, identity
from .elements import (
    Scope,
    Stored,
    converted,
    gather_places,
    gathers,
    operand_places_of,
    source_places,
)
from .emit import INTERLEAVE, Place, constant, register
from .kernels import fill
from .lower import Lowering, Targets, call_out, step

__all__: list[str] = []

Places = tuple[Place, ...]


def loops(
    lowering: Lowering,
    lengths: Sequence[int],
    body: Callable[[Places], None],
    *,
    parallel: bool,
    tail: int = 0,
) -> None:
    """Write ``body`` for each place of an array of these lengths.

    The last ``tail`` axes are written out, and further ones if they are very short.
    """
    if not math.prod(lengths):
        return
    split = len(lengths) - tail
    while split and math.prod(lengths[split - 1 :]) <= 4:
        split -= 1

    def level(axis: int, places: Places) -> None:
        if axis == split:
            for last in itertools.product(*(range(n) for n in lengths[split:])):
                body((*places, *last))
        elif lengths[axis] == 1:
            level(axis + 1, (*places, 0))
        else:
            inner = parallel and axis == split - 1
            with lowering.code.loop(lengths[axis], parallel=inner) as i:
                level(axis + 1, (*places, i))

    level(0, ())


# -- guards ----------------------------------------------------------------------------------------


@step(guard)
def _guard(lowering: Lowering, scope: Scope, equation: Equation, targets: Targets) -> None:
    code = lowering.code
    (x,) = equation.inputs
    expected = equation.params["expected"]
    dtype = x.type.dtype
    kind = register(dtype)
    lowering.guards += 1
    if x.type.shape:
        differs = _differs(lowering, scope, x, np.asarray(expected))
    else:
        value = scope.element(x, ())
        wanted = constant(expected, dtype)
        differs = _unequal(lowering, value, wanted, dtype)
        slot = lowering.pointer_of_slot()
        stored = code.cast("zext", "i1", value, "i8") if dtype.kind == "b" else value
        code.statement(f"store {'i8' if dtype.kind == 'b' else kind} {stored}, ptr {slot}")
    lowering.leave_if(differs, lowering.guards)
    lowering.report.note(equation, "guard", str(lowering.guards))


def _unequal(lowering: Lowering, x: str, y: str, dtype: np.dtype[Any]) -> str:
    code = lowering.code
    kind = register(dtype)
    if dtype.kind == "f":
        bits = f"i{dtype.itemsize * 8}"
        x = code.cast("bitcast", kind, x, bits)
        y = code.cast("bitcast", kind, y, bits)
        kind = bits
    return code.op(f"icmp ne {kind}", x, y)


def _differs(lowering: Lowering, scope: Scope, x: Atom, expected: np.ndarray[Any, Any]) -> str:
    code = lowering.code
    slot = code.slot("i1")
    code.statement(f"store i1 false, ptr {slot}")
    wanted = Literal(expected)
    lowering.keep(wanted)
    stored = lowering.constant(wanted)

    def body(places: Places) -> None:
        before = code.here(f"load i1, ptr {slot}")
        other = scope.load(stored, places)
        one = _unequal(lowering, scope.element(x, places), other, x.type.dtype)
        code.statement(f"store i1 {code.op('or i1', before, one)}, ptr {slot}")

    loops(lowering, x.type.shape, body, parallel=True)
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
        target = targets.of(out)
        _begin(lowering, scope, x, target)

    def body(places: Places) -> None:
        value = scope.element(part, operand_places_of(part, chosen, places))
        value = converted(code, value, part.type.dtype, dtype)
        if arrays:
            at = gather_places(scope, equation, arrays, lengths, places)
        else:
            at, _ = source_places(code, items, lengths, places)
        place = code.flat(at, target.strides) + target.offset
        if equation.primitive is index.scatter_add:
            before = lowering.read(target.buffer, place)
            value = combine("sum", code, before, value, dtype)
        code.store(target.buffer, place, value)

    loops(lowering, chosen, body, parallel=not arrays, tail=_tail(scope, part))
    scope.stored[out] = target
    over = lengths if fresh else chosen
    lowering.report.note(equation, "loop" if math.prod(over) > 4 else "store", domain=over)


def _begin(lowering: Lowering, scope: Scope, x: Atom, target: Stored) -> None:
    """Put x into the memory where a part of it is then written."""
    code = lowering.code
    value = x.value if isinstance(x, Literal) else None
    if (
        value is not None
        and np.asarray(value).size
        and not np.any(value)
        and not np.any(np.signbit(value))
    ):
        fill(scope, target, constant(0, target.buffer.dtype))
        return
    found = scope.where(x)
    if found is not None and found.buffer.dtype == target.buffer.dtype:
        lowering.copy(found, target)
        return

    def body(places: Places) -> None:
        element = converted(code, scope.element(x, places), x.type.dtype, target.buffer.dtype)
        code.store(target.buffer, code.flat(places, target.strides) + target.offset, element)

    loops(lowering, x.type.shape, body, parallel=True, tail=_tail(scope, x))


def _tail(scope: Scope, atom: Atom) -> int:
    """How many trailing axes of a value have to be written out."""
    return scope.plan.tails.get(atom, 0) if isinstance(atom, Var) else 0


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

    loops(lowering, array.type.shape, body, parallel=True)
    lowering.leave_if(code.here(f"load i1, ptr {slot}"), -3)


@step(shape.concatenate)
def _concatenate(lowering: Lowering, scope: Scope, equation: Equation, targets: Targets) -> None:
    code = lowering.code
    out = equation.outputs[0]
    axis = equation.params["axis"]
    target = targets.of(out)
    start = 0
    for atom in equation.inputs:
        first = start

        def body(places: Places, atom: Atom = atom, first: int = first) -> None:
            value = converted(code, scope.element(atom, places), atom.type.dtype, out.type.dtype)
            at = (*places[:axis], places[axis] + first, *places[axis + 1 :])
            code.store(target.buffer, code.flat(at, target.strides) + target.offset, value)

        if not _there(scope, atom, targets):
            loops(lowering, atom.type.shape, body, parallel=True)
        start += atom.type.shape[axis]
    scope.stored[out] = target
    lowering.report.note(equation, "loop")


def _there(scope: Scope, atom: Atom, targets: Targets) -> bool:
    """Whether a part of a concatenation has been computed where it belongs."""
    if not isinstance(atom, Var) or atom not in targets.within:
        return False
    return scope.stored.get(atom) is targets.given.get(atom)


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
    target = targets.of(out)
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
        loops(lowering, rest, row, parallel=False)
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
    target = targets.of(out) if out.type.shape else None
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

    loops(lowering, (*x.type.shape[:axis], *x.type.shape[axis + 1 :]), row, parallel=False)
    if target is not None:
        scope.stored[out] = target
    lowering.report.note(equation, "loop", domain=x.type.shape)
