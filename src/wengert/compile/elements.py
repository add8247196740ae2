"""One element of a value: the register that holds it, at places given by the loops around.

A value is either stored in memory, or held in a register, or *virtual*: what its equation says is
written out where an element of it is needed. Virtual values cost no memory, and a chain of them is
one loop.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ..errors import CompileError
from ..primitive import Primitive
from ..primitives import contract, index, shape
from ..program import Atom, Equation, Literal, Program, Type, Var
from .combine import combine
from .emit import Buffer, Code, Index, Place, constant, register
from .scalars import operand_dtypes, scalar
from .shapes import REDUCTIONS, SHORT, full, is_elementwise, native, static_index

Places = tuple[Place, ...]


def row_major(lengths: Sequence[int]) -> tuple[int, ...]:
    """The strides, in elements, of an array in C order."""
    strides: list[int] = []
    step = 1
    for length in reversed(lengths):
        strides.append(step)
        step *= length
    return tuple(reversed(strides))


@dataclass(frozen=True, slots=True)
class Stored:
    """A value in memory: a buffer, the first element, and the strides in elements."""

    buffer: Buffer
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def contiguous(self) -> bool:
        """Whether the elements lie one after the other in C order."""
        return all(
            n == 1 or s == t
            for n, s, t in zip(self.shape, self.strides, row_major(self.shape), strict=True)
        )


class Scope:
    """The values of one Program while code for it is written."""

    def __init__(self, code: Code, program: Program, constants: Any, plan: Any) -> None:
        self.code = code
        self.program = program
        self.plan = plan
        self.constants = constants
        self.stored: dict[Var, Stored] = {}
        self.registers: dict[Var, str] = {}
        self.owned: set[Var] = set()
        self.makers = {var: e for e in program.equations for var in e.outputs}
        # A Program that is written out twice has the same variables with other values.
        self.serial = code.fresh()

    def reads(self, atoms: Sequence[Atom], var: Var) -> bool:
        """Whether elements of any of the values are written out from those of ``var``."""
        pending = list(atoms)
        seen: set[int] = set()
        while pending:
            atom = pending.pop()
            if atom is var:
                return True
            if isinstance(atom, Literal) or id(atom) in seen or atom in self.stored:
                if self._share(atom, var):
                    return True
                continue
            seen.add(id(atom))
            if atom in self.makers and atom not in self.registers:
                pending.extend(self.makers[atom].inputs)
        return False

    def _share(self, atom: Atom, var: Var) -> bool:
        """Whether two values lie in the same memory."""
        if not isinstance(atom, Var) or atom not in self.stored or var not in self.stored:
            return False
        return self.stored[atom].buffer is self.stored[var].buffer

    # -- values in memory ------------------------------------------------------------------------

    def where(self, atom: Atom) -> Stored | None:
        """Where a value lies in memory: its own place, or as a view of another's."""
        if isinstance(atom, Literal):
            return self.constants(atom) if atom.type.shape else None
        found = self.stored.get(atom)
        if found is None and atom not in self.registers:
            equation = self.makers.get(atom)
            view = _VIEWS.get(equation.primitive) if equation is not None else None
            if view is not None and equation is not None:
                base = self.where(equation.inputs[0])
                found = None if base is None else view(equation, base)
            if found is not None:
                self.stored[atom] = found
        return found

    def load(self, stored: Stored, places: Places) -> str:
        """An element of a value in memory."""
        strides = stored.strides if len(places) == len(stored.strides) else (1,)
        place = self.code.flat(places, strides)
        return self.code.load(stored.buffer, place + stored.offset)

    # -- elements --------------------------------------------------------------------------------

    def element(self, atom: Atom, places: Places) -> str:
        """The register of one element of a value."""
        if isinstance(atom, Literal):
            return self._literal(atom, places)
        found = self.registers.get(atom)
        if found is not None:
            return found
        key = (self.serial, atom, places)
        for frame in reversed(self.code.frames):
            found = frame.memo.get(key)
            if found is not None:
                return found
        stored = self.where(atom)
        if stored is not None:
            found = self.load(stored, places)
        else:
            equation = self.makers.get(atom)
            if equation is None:
                raise CompileError("a value is used before it is made")
            found = _element(self, equation, places)
        self.code.frames[self.code.depth_of(found)].memo[key] = found
        return found

    def remember(self, var: Var, places: Places, name: str) -> None:
        """Note that a register holds an element, for as long as the loop it was made in lasts."""
        self.code.frames[self.code.depth_of(name)].memo[self.serial, var, places] = name

    def _literal(self, literal: Literal, places: Places) -> str:
        value = np.asarray(literal.value)
        if value.size == 1 or _uniform(literal):
            return constant(value.reshape(-1)[0], value.dtype)
        if all(not isinstance(place, Index) for place in places):
            return constant(value[cast(Any, places)], value.dtype)
        stored = self.constants(literal)
        return self.load(stored, places)


def _uniform(literal: Literal) -> bool:
    value = literal.value
    if value.size > 1 << 16:
        return False
    flat = value.reshape(-1)
    return bool(np.all(flat == flat[0])) and not (flat[0] == 0 and np.signbit(flat).any())


# -- which equations are virtual -------------------------------------------------------------------


def virtual(equation: Equation, tails: dict[Var, int], lowerable: Callable[..., bool]) -> bool:
    """Whether elements of the result can be written out where they are needed."""
    if len(equation.outputs) != 1 or not native(equation):
        return False
    if is_elementwise(equation):
        return lowerable(equation)
    rule = _VIRTUAL.get(equation.primitive)
    return equation.primitive in _VIEWS or (rule is not None and rule(equation, tails))


def _always(equation: Equation, tails: dict[Var, int]) -> bool:
    return True


def _tail(atom: Atom, tails: dict[Var, int]) -> int:
    """How many trailing axes of a value are written out."""
    return tails.get(atom, 0) if isinstance(atom, Var) else 0


def _joins_short(equation: Equation, tails: dict[Var, int]) -> bool:
    out = equation.outputs[0]
    return equation.params["axis"] >= len(out.type.shape) - _tail(out, tails)


def _updates_short(equation: Equation, tails: dict[Var, int]) -> bool:
    if not static_index(equation):
        return False
    out = equation.outputs[0]
    items = equation.params["index"]
    first = next((i for i, item in enumerate(items) if item != slice(None)), 0)
    return first >= len(out.type.shape) - _tail(out, tails)


def _reduces_short(equation: Equation, tails: dict[Var, int]) -> bool:
    x = equation.inputs[0]
    axes = equation.params["axes"]
    inner = len(x.type.shape) - _tail(x, tails)
    size = math.prod(x.type.shape[axis] for axis in axes)
    return size <= SHORT and all(axis >= inner for axis in axes)


TERMS = 16
"""Products of up to this many terms are written out."""


def _short_matmul(equation: Equation, tails: dict[Var, int]) -> bool:
    """Whether the elements of a product of matrices are written out: one of them is small."""
    x, y = equation.inputs
    out = equation.outputs[0]
    if out.type.dtype.kind not in "fiu" or x.type.shape[-1] > TERMS:
        return False
    left, right = (math.prod(atom.type.shape[-2:]) for atom in (x, y))
    if len(x.type.shape) == 1:
        left = SHORT + 1
    columns = len(y.type.shape) == 1 or tails.get(out, 0) >= 1
    return out.type.size <= SHORT or (right <= SHORT and columns) or left <= SHORT


def _short_einsum(equation: Equation, tails: dict[Var, int]) -> bool:
    """Whether the elements of an einsum are written out."""
    out = equation.outputs[0]
    lengths = lengths_of(equation)
    summed = math.prod(n for letter, n in lengths.items() if letter not in equation.params["out"])
    if out.type.dtype.kind not in "fiu" or summed > TERMS:
        return False
    return tails.get(out, 0) >= 1 or out.type.size <= SHORT


_VIRTUAL: dict[Primitive, Callable[[Equation, dict[Var, int]], bool]] = {
    shape.pad: _always,
    shape.concatenate: _joins_short,
    index.gather: lambda equation, tails: gathers(equation),
    index.scatter_add: _updates_short,
    index.update: _updates_short,
    contract.matmul: _short_matmul,
    contract.einsum: _short_einsum,
    **dict.fromkeys(REDUCTIONS, _reduces_short),
}


def lengths_of(equation: Equation) -> dict[str, int]:
    """The length of the axis behind each letter of an einsum."""
    found: dict[str, int] = {}
    for label, atom in zip(equation.params["labels"], equation.inputs, strict=True):
        found.update(zip(label, atom.type.shape, strict=True))
    return found


def gathers(equation: Equation) -> bool:
    """Whether index arrays are of integers."""
    first = 1 if equation.primitive is index.gather else 2
    return {atom.type.dtype.kind for atom in equation.inputs[first:]} <= {"i", "u"}


# -- the element of each kind of equation ----------------------------------------------------------


def _element(scope: Scope, equation: Equation, places: Places) -> str:
    if is_elementwise(equation):
        return _elementwise(scope, equation, places)
    rule = _ELEMENTS.get(equation.primitive)
    if rule is None:
        raise CompileError(f"{equation.primitive.name} is not written out element by element")
    return rule(scope, equation, places)


def operand_places(atom: Atom, out: Sequence[int], places: Places) -> Places:
    """Places in an operand that is broadcast to the shape ``out``."""
    lengths = atom.type.shape
    if not lengths:
        return ()
    if len(places) == 1 and len(out) > 1:  # all axes run as one
        return places
    skip = len(out) - len(lengths)
    return tuple(0 if n == 1 else places[skip + i] for i, n in enumerate(lengths))


def _elementwise(scope: Scope, equation: Equation, places: Places) -> str:
    out = equation.outputs[0].type
    dtypes = operand_dtypes(equation)
    operands: list[str] = []
    for atom, dtype in zip(equation.inputs, dtypes, strict=True):
        if isinstance(atom, Literal) and atom.weak:
            operands.append(constant(atom.value, dtype))
        else:
            at = operand_places(atom, out.shape, places)
            operands.append(scope.element(atom, at))
    found = scalar(equation, scope.code, operands, dtypes, out.dtype)
    if found is None:
        raise CompileError(f"{equation.primitive.name} of {dtypes} has no native code")
    return found


def _broadcast(scope: Scope, equation: Equation, places: Places) -> str:
    (x,) = equation.inputs
    return scope.element(x, operand_places(x, equation.outputs[0].type.shape, places))


def _transpose(scope: Scope, equation: Equation, places: Places) -> str:
    (x,) = equation.inputs
    found: list[Place] = [0] * len(places)
    for axis, place in zip(equation.params["axes"], places, strict=True):
        found[axis] = place
    return scope.element(x, tuple(found))


def _slice(scope: Scope, equation: Equation, places: Places) -> str:
    (x,) = equation.inputs
    found, _ = source_places(scope.code, equation.params["index"], x.type.shape, places)
    return scope.element(x, found)


def source_places(
    code: Code, items: Sequence[Any], lengths: Sequence[int], places: Places
) -> tuple[Places, int]:
    """Places in x of an element of ``x[items]``, and how many of the given places they took."""
    found: list[Place] = []
    rest = iter(places)
    used = 0
    axis = 0
    for item in items:
        if item is None:
            next(rest)
            used += 1
            continue
        if isinstance(item, slice):
            start, _, step = item.indices(lengths[axis])
            found.append(code.times(next(rest), step) + start)
            used += 1
        else:
            found.append(int(item) % lengths[axis])
        axis += 1
    tail = list(rest)
    found.extend(tail)
    return tuple(found), used


def _reshape(scope: Scope, equation: Equation, places: Places) -> str:
    (x,) = equation.inputs
    return scope.element(
        x, regrouped(scope.code, equation.outputs[0].type.shape, x.type.shape, places)
    )


def regrouped(code: Code, out: Sequence[int], source: Sequence[int], places: Places) -> Places:
    """Places in an array of shape ``source`` of an element of it reshaped to ``out``."""
    found: list[Place] = []
    i = j = 0
    while i < len(out) or j < len(source):
        m = out[i] if i < len(out) else 1
        n = source[j] if j < len(source) else 1
        first_i, first_j = i, j
        i, j = i + 1, j + 1
        while m != n:
            if m < n:
                m *= out[i]
                i += 1
            else:
                n *= source[j]
                j += 1
        group = places[first_i : min(i, len(out))]
        flat = code.flat(group, row_major(out[first_i:i])) if group else 0
        inner = source[first_j:j]
        found.extend(_unflattened(code, flat, inner))
    return tuple(found)


def _unflattened(code: Code, flat: Place, lengths: Sequence[int]) -> list[Place]:
    found: list[Place] = []
    sizable = [n for n in lengths if n != 1]
    if len(sizable) <= 1:
        return [0 if n == 1 else flat for n in lengths]
    for axis, length in enumerate(lengths):
        step = math.prod(lengths[axis + 1 :])
        if length == 1:
            found.append(0)
        elif not isinstance(flat, Index):
            found.append(flat // step % length)
        else:
            name = code.number(flat)
            if step > 1:
                name = code.shared(("div", name, step), "udiv i64", name, str(step))
            if axis and math.prod(lengths[:axis]) > 1:
                name = code.shared(("rem", name, length), "urem i64", name, str(length))
            found.append(Index(name))
    return found


def _clamped(code: Code, place: Place, length: int) -> tuple[str, str, str]:
    """Whether a place is within an axis (two i1), and a place that certainly is."""
    name = code.number(place)
    low = code.op("icmp sge i64", name, "0")
    high = code.op("icmp slt i64", name, str(length))
    within = code.op("and i1", low, high)
    return within, name, code.select(within, "i64", name, "0")


def _pad(scope: Scope, equation: Equation, places: Places) -> str:
    (x,) = equation.inputs
    code, out = scope.code, equation.outputs[0].type
    zero = constant(0, out.dtype)
    if x.type.size == 0:
        return zero
    found: list[Place] = []
    inside: list[str] = []
    for place, (low, _), length, n in zip(
        places, equation.params["widths"], x.type.shape, out.shape, strict=True
    ):
        moved = place + -low
        if n == length:
            found.append(moved)
        elif isinstance(moved, Index):
            within, _, safe = _clamped(code, moved, length)
            inside.append(within)
            found.append(Index(safe))
        elif 0 <= moved < length:
            found.append(moved)
        else:
            return zero
    value = scope.element(x, tuple(found))
    kind = register(out.dtype)
    for within in inside:
        value = code.select(within, kind, value, zero)
    return value


def _concatenate(scope: Scope, equation: Equation, places: Places) -> str:
    axis = equation.params["axis"]
    out = equation.outputs[0].type
    place = places[axis]
    if isinstance(place, Index):
        return _joined(scope, equation, places, place)
    for atom in equation.inputs:
        length = atom.type.shape[axis]
        if place < length:
            value = scope.element(atom, (*places[:axis], place, *places[axis + 1 :]))
            return converted(scope.code, value, atom.type.dtype, out.dtype)
        place -= length
    raise CompileError("a place past the end of a concatenation")


def _joined(scope: Scope, equation: Equation, places: Places, place: Index) -> str:
    """An element at a place that a loop counts: which operand it is of is found out there."""
    axis = equation.params["axis"]
    code, dtype = scope.code, equation.outputs[0].type.dtype
    start, found = 0, ""
    for atom in equation.inputs:
        length = atom.type.shape[axis]
        if not length:
            continue
        within, _, safe = _clamped(code, place + -start, length)
        at = (*places[:axis], Index(safe), *places[axis + 1 :])
        value = converted(code, scope.element(atom, at), atom.type.dtype, dtype)
        found = code.select(within, register(dtype), value, found) if found else value
        start += length
    return found


def converted(code: Code, value: str, source: np.dtype[Any], target: np.dtype[Any]) -> str:
    """A register as another dtype, as ``astype`` does it."""
    if source == target:
        return value
    var = Var(Type((), source))
    equation = Equation(shape.convert, (var,), {"dtype": target}, (Var(Type((), target)),))
    found = scalar(equation, code, [value], [source], target)
    if found is None:
        raise CompileError(f"{source} is not converted to {target} in native code")
    return found


def index_place(scope: Scope, atom: Atom, places: Places, length: int) -> Place:
    """The place along an axis that an element of an index array names, made safe to read at.

    Whether it was within the axis is checked elsewhere, once for all elements.
    """
    code = scope.code
    if isinstance(atom, Literal) and all(not isinstance(p, Index) for p in places):
        return int(np.asarray(atom.value)[cast(Any, places)]) % length
    name = scope.element(atom, places)
    kind = register(atom.type.dtype)
    if kind != "i64":
        name = code.cast("zext" if atom.type.dtype.kind == "u" else "sext", kind, name, "i64")
    known = isinstance(atom, Literal) and bool(np.min(atom.value) >= 0)
    if not known:
        negative = code.op("icmp slt i64", name, "0")
        wrapped = code.op("add i64", name, str(length))
        name = code.select(negative, "i64", wrapped, name)
        last = str(length - 1)
        name = code.select(code.op("icmp ult i64", name, str(length)), "i64", name, last)
    return Index(name)


def gather_places(
    scope: Scope, equation: Equation, arrays: Sequence[Atom], lengths: Sequence[int], places: Places
) -> Places:
    """Places in x of an element of ``x[index]`` with index arrays."""
    items = equation.params["index"]
    width = max(len(a.type.shape) for a in arrays)
    stacked = np.broadcast_shapes(*(a.type.shape for a in arrays))
    by_number = [i for i, item in enumerate(items) if isinstance(item, (str, int))]
    first, last = by_number[0], by_number[-1]
    before = sum(1 for item in items[:first] if item is None or isinstance(item, slice))
    if last - first + 1 != len(by_number):
        before = 0  # of places that are apart, the axes that they choose come first
    chosen = places[before : before + width]
    rest = [*places[:before], *places[before + width :]]
    given = iter(arrays)
    found: list[Place] = []
    axis = 0
    for item in items:
        if item is None:
            rest.pop(0)
            continue
        if isinstance(item, str):
            atom = next(given)
            at = operand_places_of(atom, stacked, chosen)
            found.append(index_place(scope, atom, at, lengths[axis]))
        elif isinstance(item, slice):
            start, _, step = item.indices(lengths[axis])
            found.append(scope.code.times(rest.pop(0), step) + start)
        else:
            found.append(int(item) % lengths[axis])
        axis += 1
    return (*found, *rest)


def operand_places_of(atom: Atom, out: Sequence[int], places: Places) -> Places:
    """Like ``operand_places`` where the places are always one for each axis."""
    lengths = atom.type.shape
    skip = len(out) - len(lengths)
    return tuple(0 if n == 1 else places[skip + i] for i, n in enumerate(lengths))


def _gather(scope: Scope, equation: Equation, places: Places) -> str:
    x, *arrays = equation.inputs
    if not x.type.size:  # no index is within bounds, and the check of it comes later
        return constant(0, x.type.dtype)
    found = gather_places(scope, equation, arrays, x.type.shape, places)
    return scope.element(x, found)


def _place_in_part(code: Code, place: Place, chosen: range) -> tuple[Place, str] | None:
    """Where an element of x is among those chosen along an axis, and whether it is (an i1).

    None if it is known not to be among them.
    """
    if isinstance(place, int):
        return (chosen.index(place), "true") if place in chosen else None
    if not chosen:
        return None
    step = abs(chosen.step)
    moved = code.times(place, 1 if chosen.step > 0 else -1)
    moved += -chosen.start if chosen.step > 0 else chosen.start
    within, _, safe = _clamped(code, moved, (len(chosen) - 1) * step + 1)
    if step > 1:
        rest = code.op("urem i64", safe, str(step))
        within = code.op("and i1", within, code.op("icmp eq i64", rest, "0"))
        safe = code.op("udiv i64", safe, str(step))
    return Index(safe), within


def _updated(scope: Scope, equation: Equation, places: Places) -> str:
    """An element of ``x`` with a part written or added."""
    x, part = equation.inputs
    out = equation.outputs[0].type
    code = scope.code
    items = equation.params["index"]
    before = converted(code, scope.element(x, places), x.type.dtype, out.dtype)
    at: list[Place] = []
    inside: list[str] = []
    axis = 0
    for item in items:
        if item is None:
            at.append(0)
            continue
        place, length = places[axis], x.type.shape[axis]
        axis += 1
        if full(item):
            at.append(place)
            continue
        number = 0 if isinstance(item, slice) else int(item) % length
        chosen = (
            range(*item.indices(length)) if isinstance(item, slice) else range(number, number + 1)
        )
        found = _place_in_part(code, place, chosen)
        if found is None:
            return before
        if isinstance(item, slice):
            at.append(found[0])
        inside.append(found[1])
    at.extend(places[axis:])
    lengths = _part_shape(items, x.type.shape)
    value = scope.element(part, operand_places_of(part, lengths, tuple(at)))
    value = converted(code, value, part.type.dtype, out.dtype)
    if equation.primitive is index.scatter_add:
        value = combine("sum", code, before, value, out.dtype)
    for within in inside:
        value = code.select(within, register(out.dtype), value, before)
    return value


def _part_shape(items: Sequence[Any], lengths: Sequence[int]) -> tuple[int, ...]:
    return np.shape(index.ghost(tuple(lengths))[tuple(items)])


def _reduced(scope: Scope, equation: Equation, places: Places) -> str:
    (x,) = equation.inputs
    axes = equation.params["axes"]
    out = equation.outputs[0].type
    kind = REDUCTIONS[equation.primitive]
    rest = list(places)
    template: list[Place | None] = [
        None if axis in axes else rest.pop(0) for axis in range(len(x.type.shape))
    ]
    total: str | None = None
    for chosen in itertools.product(*(range(x.type.shape[axis]) for axis in sorted(axes))):
        inner = iter(chosen)
        at = tuple(next(inner) if place is None else place for place in template)
        value = converted(scope.code, scope.element(x, at), x.type.dtype, out.dtype)
        total = value if total is None else combine(kind, scope.code, total, value, out.dtype)
    if total is None:
        return constant(1 if kind in ("prod", "all") else 0, out.dtype)
    return total


def _matmul(scope: Scope, equation: Equation, places: Places) -> str:
    x, y = equation.inputs
    a, b = x.type.shape, y.type.shape
    out = equation.outputs[0].type
    rest = list(places)
    column: Places = (rest.pop(),) if len(b) > 1 else ()
    row: Places = (rest.pop(),) if len(a) > 1 else ()
    stack = tuple(rest)
    shape_ = out.shape[: len(stack)]

    def lead(lengths: Sequence[int]) -> Places:
        skip = len(shape_) - len(lengths)
        return tuple(0 if n == 1 else stack[skip + i] for i, n in enumerate(lengths))

    total: str | None = None
    for k in range(x.type.shape[-1]):
        left = scope.element(x, (*lead(a[:-2]), *row, k))
        right = scope.element(y, (*lead(b[:-2]), k, *column))
        total = _accumulated(scope.code, total, left, right, equation, out.dtype)
    return total if total is not None else constant(0, out.dtype)


def _accumulated(
    code: Code, total: str | None, left: str, right: str, equation: Equation, dtype: np.dtype[Any]
) -> str:
    x, y = equation.inputs
    left = converted(code, left, x.type.dtype, dtype)
    right = converted(code, right, y.type.dtype, dtype)
    product = combine("prod", code, left, right, dtype)
    return product if total is None else combine("sum", code, total, product, dtype)


def _einsum(scope: Scope, equation: Equation, places: Places) -> str:
    labels, letters = equation.params["labels"], equation.params["out"]
    lengths = lengths_of(equation)
    at = dict(zip(letters, places, strict=True))
    summed = [letter for letter in lengths if letter not in letters]
    code, dtype = scope.code, equation.outputs[0].type.dtype
    total: str | None = None
    for chosen in itertools.product(*(range(lengths[letter]) for letter in summed)):
        at.update(zip(summed, chosen, strict=True))
        product: str | None = None
        for label, atom in zip(labels, equation.inputs, strict=True):
            value = scope.element(atom, tuple(at[letter] for letter in label))
            value = converted(code, value, atom.type.dtype, dtype)
            product = value if product is None else combine("prod", code, product, value, dtype)
        assert product is not None
        total = product if total is None else combine("sum", code, total, product, dtype)
    return total if total is not None else constant(0, dtype)


_ELEMENTS: dict[Primitive, Callable[[Scope, Equation, Places], str]] = {
    shape.broadcast: _broadcast,
    shape.transpose: _transpose,
    shape.reshape: _reshape,
    shape.pad: _pad,
    shape.concatenate: _concatenate,
    index.slice_: _slice,
    index.gather: _gather,
    index.scatter_add: _updated,
    index.update: _updated,
    contract.matmul: _matmul,
    contract.einsum: _einsum,
    **dict.fromkeys(REDUCTIONS, _reduced),
}

# -- views of what lies in memory ------------------------------------------------------------------


def _view_transpose(equation: Equation, base: Stored) -> Stored:
    axes = equation.params["axes"]
    return Stored(
        base.buffer,
        tuple(base.shape[axis] for axis in axes),
        tuple(base.strides[axis] for axis in axes),
        base.offset,
    )


def _view_reshape(equation: Equation, base: Stored) -> Stored | None:
    out = equation.outputs[0].type.shape
    if base.contiguous:
        return Stored(base.buffer, out, row_major(out), base.offset)
    kept = [(n, s) for n, s in zip(base.shape, base.strides, strict=True) if n != 1]
    if [n for n, _ in kept] == [n for n in out if n != 1]:
        steps = iter(s for _, s in kept)
        return Stored(
            base.buffer, out, tuple(0 if n == 1 else next(steps) for n in out), base.offset
        )
    return None


def _view_broadcast(equation: Equation, base: Stored) -> Stored:
    out = equation.outputs[0].type.shape
    skip = len(out) - len(base.shape)
    strides = [0] * skip + [
        0 if n == 1 else s for n, s in zip(base.shape, base.strides, strict=True)
    ]
    return Stored(base.buffer, out, tuple(strides), base.offset)


def _view_slice(equation: Equation, base: Stored) -> Stored:
    strides: list[int] = []
    offset = base.offset
    axis = 0
    for item in equation.params["index"]:
        if item is None:
            strides.append(0)
            continue
        length, stride = base.shape[axis], base.strides[axis]
        if isinstance(item, slice):
            start, _, step = item.indices(length)
            offset += start * stride
            strides.append(step * stride)
        else:
            offset += int(item) % length * stride
        axis += 1
    strides.extend(base.strides[axis:])
    return Stored(base.buffer, equation.outputs[0].type.shape, tuple(strides), offset)


_VIEWS: dict[Primitive, Callable[[Equation, Stored], Stored | None]] = {
    shape.transpose: _view_transpose,
    shape.reshape: _view_reshape,
    shape.broadcast: _view_broadcast,
    index.slice_: _view_slice,
}
