"""One element of a value: the register that holds it, at places given by the loops around.

A value is either stored in memory, or held in a register, or *virtual*: what its equation says is
written out where an element of it is needed. Virtual values cost no memory, and a chain of them is
one loop.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from ..errors import CompileError
from ..primitive import Primitive
from ..primitives import contract, index, shape
from ..program import Atom, Equation, Literal, Program, Type, Var
from .combine import combine
from .emit import Code, Index, Place, constant, register
from .places import (
    Places,
    clamped,
    operand_places,
    part_shape,
    place_in_part,
    regrouped,
    source_places,
)
from .scalars import operand_dtypes, scalar
from .shapes import REDUCTIONS, full, index_axes, is_elementwise, lengths_of
from .views import VIEWS, Stored, view

__all__ = ["Scope", "converted", "gather_places"]


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

    def tail(self, atom: Atom) -> int:
        """How many trailing axes of a value have to be written out."""
        return self.plan.tails.get(atom, 0) if isinstance(atom, Var) else 0

    # -- values in memory ------------------------------------------------------------------------

    def where(self, atom: Atom) -> Stored | None:
        """Where a value lies in memory: its own place, or as a view of another's."""
        if isinstance(atom, Literal):
            return self.constants(atom) if atom.type.shape else None
        found = self.stored.get(atom)
        if found is None and atom not in self.registers:
            equation = self.makers.get(atom)
            if equation is not None and equation.primitive in VIEWS:
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


# -- the element of each kind of equation ----------------------------------------------------------


def _element(scope: Scope, equation: Equation, places: Places) -> str:
    if is_elementwise(equation):
        return _elementwise(scope, equation, places)
    rule = _ELEMENTS.get(equation.primitive)
    if rule is None:
        raise CompileError(f"{equation.primitive.name} is not written out element by element")
    return rule(scope, equation, places)


def _elementwise(scope: Scope, equation: Equation, places: Places) -> str:
    out = equation.outputs[0].type
    dtypes = operand_dtypes(equation)
    operands: list[str] = []
    for atom, dtype in zip(equation.inputs, dtypes, strict=True):
        if isinstance(atom, Literal) and atom.weak:
            operands.append(constant(atom.value, dtype))
        else:
            at = operand_places(atom.type.shape, out.shape, places)
            operands.append(scope.element(atom, at))
    found = scalar(equation, scope.code, operands, dtypes, out.dtype)
    if found is None:
        raise CompileError(f"{equation.primitive.name} of {dtypes} has no native code")
    return found


def _broadcast(scope: Scope, equation: Equation, places: Places) -> str:
    (x,) = equation.inputs
    out = equation.outputs[0].type.shape
    return scope.element(x, operand_places(x.type.shape, out, places))


def _transpose(scope: Scope, equation: Equation, places: Places) -> str:
    (x,) = equation.inputs
    found: list[Place] = [0] * len(places)
    for axis, place in zip(equation.params["axes"], places, strict=True):
        found[axis] = place
    return scope.element(x, tuple(found))


def _slice(scope: Scope, equation: Equation, places: Places) -> str:
    (x,) = equation.inputs
    items = equation.params["index"]
    return scope.element(x, source_places(scope.code, items, x.type.shape, places))


def _reshape(scope: Scope, equation: Equation, places: Places) -> str:
    (x,) = equation.inputs
    return scope.element(
        x, regrouped(scope.code, equation.outputs[0].type.shape, x.type.shape, places)
    )


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
            within, safe = clamped(code, moved, length)
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
        within, safe = clamped(code, place + -start, length)
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
    stacked = np.broadcast_shapes(*(a.type.shape for a in arrays))
    before, width = index_axes(items, arrays)
    chosen = places[before : before + width]
    rest = [*places[:before], *places[before + width :]]
    given = iter(arrays)
    found: list[Place] = []
    for item in items:
        length = lengths[len(found)] if item is not None else 0
        if item is None:
            rest.pop(0)
        elif isinstance(item, str):
            atom = next(given)
            at = operand_places(atom.type.shape, stacked, chosen)
            found.append(index_place(scope, atom, at, length))
        elif isinstance(item, slice):
            start, _, step = item.indices(length)
            found.append(scope.code.times(rest.pop(0), step) + start)
        else:
            found.append(int(item) % length)
    return (*found, *rest)


def _gather(scope: Scope, equation: Equation, places: Places) -> str:
    x, *arrays = equation.inputs
    if not x.type.size:  # no index is within bounds, and the check of it comes later
        return constant(0, x.type.dtype)
    found = gather_places(scope, equation, arrays, x.type.shape, places)
    return scope.element(x, found)


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
        found = place_in_part(code, place, chosen)
        if found is None:
            return before
        if isinstance(item, slice):
            at.append(found[0])
        inside.append(found[1])
    at.extend(places[axis:])
    lengths = part_shape(items, x.type.shape)
    value = scope.element(part, operand_places(part.type.shape, lengths, tuple(at)))
    value = converted(code, value, part.type.dtype, out.dtype)
    if equation.primitive is index.scatter_add:
        value = combine("sum", code, before, value, out.dtype)
    for within in inside:
        value = code.select(within, register(out.dtype), value, before)
    return value


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
    lead = out.shape[: len(stack)]
    above = operand_places(a[:-2], lead, stack), operand_places(b[:-2], lead, stack)
    total: str | None = None
    for k in range(x.type.shape[-1]):
        left = scope.element(x, (*above[0], *row, k))
        right = scope.element(y, (*above[1], k, *column))
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
