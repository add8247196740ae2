"""Sorting and searching in compiled code.

A row is copied into memory of its own as whole numbers whose order is that of its elements, NaN
last; sorted there (see ``sorts``); and written to the result, as elements or as the places that
they come from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..primitives import sorting
from ..program import Equation
from . import sorts
from .control import is_number
from .elements import Scope, converted
from .emit import Code, Index, Place, constant, is_compiled, register
from .lower import Lowering, Targets, call_out, step
from .nests import Places, fill, loops
from .views import Stored

__all__: list[str] = []

RADIX = {"i32": 700, "i64": 1200}
"""Rows from this length on are sorted by distributing, shorter ones by merging."""

ROUND = 1.3
"""Up to so many times the numbers are merged if all runs are of one length then: it is faster."""

LONGEST = 1 << 31
"""Places are counted in 32 bits."""

PLACE = np.dtype(np.int32)


# -- elements as whole numbers ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Keys:
    """Whole numbers in the order of the elements of a dtype."""

    code: Code
    dtype: np.dtype[Any]
    unsigned: bool
    """Whether the numbers are compared as unsigned."""

    @property
    def kind(self) -> str:
        """LLVM's type of the numbers."""
        return "i64" if self.dtype.itemsize == 8 else "i32"

    @property
    def memory(self) -> np.dtype[Any]:
        """The dtype of the numbers."""
        return np.dtype(np.int64 if self.dtype.itemsize == 8 else np.int32)

    @property
    def greatest(self) -> int:
        """The number that none is greater than."""
        return -1 if self.unsigned else int(np.iinfo(self.memory).max)

    def of(self, value: str, merge_zeros: bool) -> str:
        """The number of an element; with ``merge_zeros`` both zeros have one."""
        code, kind = self.code, self.kind
        if self.dtype.kind == "f":
            own = register(self.dtype)
            if merge_zeros:
                value = code.op(f"fadd {own}", value, constant(0, self.dtype))
            number = self._turned(code.cast("bitcast", own, value, kind))
            nan = code.op(f"fcmp uno {own}", value, value)
            number = code.select(nan, kind, str(int(np.iinfo(self.memory).max)), number)
        else:
            number = self._widened(value)
            if self.dtype.kind == "u" and self.dtype.itemsize >= 4:
                number = self._flipped(number)
        return self._flipped(number) if self.unsigned else number

    def back(self, number: str) -> str:
        """The element of a number."""
        code, own = self.code, register(self.dtype)
        number = self._flipped(number) if self.unsigned else number
        if self.dtype.kind == "f":
            return code.cast("bitcast", self.kind, self._turned(number), own)
        if self.dtype.kind == "u" and self.dtype.itemsize >= 4:
            number = self._flipped(number)
        return number if own == self.kind else code.cast("trunc", self.kind, number, own)

    def _widened(self, value: str) -> str:
        own = register(self.dtype)
        if own == self.kind:
            return value
        how = "sext" if self.dtype.kind == "i" else "zext"
        return self.code.cast(how, own, value, self.kind)

    def _turned(self, bits: str) -> str:
        """Of negative floats the greater ones have smaller bits: these are turned round."""
        code, kind = self.code, self.kind
        ones = code.op(f"ashr {kind}", bits, str(int(kind[1:]) - 1))
        return code.op(f"xor {kind}", bits, code.op(f"lshr {kind}", ones, "1"))

    def _flipped(self, number: str) -> str:
        return self.code.op(f"xor {self.kind}", number, str(int(np.iinfo(self.memory).min)))


# -- sorting a row ---------------------------------------------------------------------------------


class _Sort:
    """The code that sorts rows of one length, one after the other, in the same memory."""

    def __init__(self, lowering: Lowering, dtype: np.dtype[Any], length: int, places: bool) -> None:
        self.lowering, self.code = lowering, lowering.code
        self.length, self.places = length, places
        self.radix = length >= RADIX["i64" if dtype.itemsize == 8 else "i32"]
        self.keys = _Keys(self.code, dtype, self.radix)
        self.size = length
        if not self.radix:
            block = self.block = min(sorts.BLOCK, self._up(length, sorts.lanes(self.keys.kind)))
            self.size = self._up(length, block)
            even = block << (self.size // block - 1).bit_length()
            self.size = even if even <= ROUND * length else self.size
        self._parts: list[tuple[int, int]] = []
        self.numbers = [self._memory(self.size, self.keys.memory) for _ in range(2)]
        self.origins = [self._memory(self.size if places else 1, PLACE) for _ in range(2)]
        if self.radix:
            counters = sorts.DIGITS * sorts.passes(self.keys.kind)
            self.counters = self._memory(counters, PLACE)

    @staticmethod
    def _up(number: int, step: int) -> int:
        return -(-number // step) * step

    def _memory(self, size: int, dtype: np.dtype[Any]) -> Stored:
        stored, part = self.lowering.memory((size,), dtype)
        self._parts.extend([part] if part is not None else [])
        return stored

    def finish(self) -> None:
        """Give the memory back."""
        for part in self._parts:
            self.lowering.arena.give(part)

    def row(self, read: Callable[[Place], str], write: Callable[[Place, str], None]) -> None:
        """Sort a row: ``read`` gives elements, ``write`` takes elements, or places, in order."""
        code, numbers = self.code, self.numbers[0]
        with code.loop(self.length, parallel=True) as i:
            code.store(numbers.buffer, i, self.keys.of(read(i), self.places))
        if self.size > self.length:
            with code.loop(self.size, start=self.length) as i:
                code.store(numbers.buffer, i, str(self.keys.greatest))
        found, origins = self._by_distributing() if self.radix else self._by_merging()
        with code.loop(self.length, parallel=True) as i:
            if self.places:
                place = self._element(origins, i, "i32")
                write(i, code.cast("zext", "i32", place, "i64"))
            else:
                write(i, self.keys.back(self._element(found, i, self.keys.kind)))

    def _element(self, pointer: str, place: Index, kind: str) -> str:
        code = self.code
        at = code.here(f"getelementptr {kind}, ptr {pointer}, i64 {code.number(place)}")
        group = code.frames[-1].group
        return code.here(f"load {kind}, ptr {at}, !llvm.access.group {group}")

    def _function(self, made: tuple[str, str]) -> str:
        """Put a function into the module, once."""
        name, text = made
        module = self.lowering.module
        if text not in module.functions:
            module.functions.append(text)
        return name

    def _pointers(self) -> tuple[list[str], list[str]]:
        numbers, origins = (
            [self.code.address(each.buffer, 0) for each in pair]
            for pair in (self.numbers, self.origins)
        )
        return numbers, origins

    def _by_merging(self) -> tuple[str, str]:
        """Blocks, then runs of twice the length, until there is one."""
        code, kind = self.code, self.keys.kind
        numbers, origins = self._pointers()
        ranks = self._function(sorts.ranks(kind, self.block, self.places))
        with code.loop(self.size, step=self.block) as first:
            begin = code.number(first)
            a, b = (code.here(f"getelementptr {kind}, ptr {n}, i64 {begin}") for n in numbers)
            places = code.here(f"getelementptr i32, ptr {origins[1]}, i64 {begin}")
            place = code.here(f"trunc i64 {begin} to i32")
            code.statement(f"call void @{ranks}(ptr {a}, ptr {b}, ptr {places}, i32 {place})")
        now, width = 1, self.block
        while width < self.size:
            name = self._function(sorts.merge(kind, self.places))
            pairs = [(numbers[n], origins[n]) for n in (now, 1 - now)]
            listed = ", ".join(f"ptr {pointer}" for pair in pairs for pointer in pair)
            code.statement(f"call void @{name}({listed}, i64 {self.size}, i64 {width})")
            now, width = 1 - now, 2 * width
        return numbers[now], origins[now]

    def _by_distributing(self) -> tuple[str, str]:
        code, kind = self.code, self.keys.kind
        numbers, origins = self._pointers()
        if self.places:
            with code.loop(self.length, parallel=True) as i:
                place = code.cast("trunc", "i64", code.number(i), "i32")
                code.store(self.origins[0].buffer, i, place)
        declare = self.lowering.module.declare
        declare("memset", "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
        name = self._function(sorts.radix(kind, self.places))
        listed = ", ".join(
            f"ptr {pointer}" for pair in zip(numbers, origins, strict=True) for pointer in pair
        )
        counters = code.address(self.counters.buffer, 0)
        moved = code.here(f"call i1 @{name}({listed}, i64 {self.length}, ptr {counters})")
        found = [
            code.here(f"select i1 {moved}, ptr {pair[1]}, ptr {pair[0]}")
            for pair in (numbers, origins)
        ]
        return found[0], found[1]


@step(sorting.sort, sorting.argsort)
def _sort(lowering: Lowering, scope: Scope, equation: Equation, targets: Targets) -> None:
    (x,) = equation.inputs
    (out,) = equation.outputs
    axis = equation.params["axis"]
    lengths = x.type.shape
    length = lengths[axis]
    if length >= LONGEST:
        call_out(lowering, scope, equation, targets)
        return
    code, target = lowering.code, targets.of(out)
    if out.type.size:
        places = equation.primitive is sorting.argsort
        sort = _Sort(lowering, x.type.dtype, length, places)

        def row(others: Places) -> None:
            def at(i: Place) -> Places:
                return (*others[:axis], i, *others[axis:])

            def write(i: Place, value: str) -> None:
                place = code.flat(at(i), target.strides) + target.offset
                code.store(target.buffer, place, value)

            sort.row(lambda i: scope.element(x, at(i)), write)

        loops(code, (*lengths[:axis], *lengths[axis + 1 :]), row, parallel=False)
        sort.finish()
    scope.stored[out] = target
    lowering.report.note(equation, "loop", domain=lengths)


# -- searching -------------------------------------------------------------------------------------


@step(sorting.searchsorted)
def _search(lowering: Lowering, scope: Scope, equation: Equation, targets: Targets) -> None:
    """Bisection, of the same steps for every value: there is no branch."""
    a, v = equation.inputs
    (out,) = equation.outputs
    dtype = np.promote_types(a.type.dtype, v.type.dtype)
    if not is_compiled(dtype):
        call_out(lowering, scope, equation, targets)
        return
    code, target = lowering.code, targets.of(out)
    found = scope.where(a)
    rows = lowering.stored(scope, a) if found is None else found
    left = equation.params["side"] == "left"
    stack, length = len(a.type.shape) - 1, a.type.shape[-1]

    def body(places: Places) -> None:
        value = converted(code, scope.element(v, places), v.type.dtype, dtype)

        def before(place: Place) -> str:
            other = scope.load(rows, (*places[:stack], place))
            other = converted(code, other, a.type.dtype, dtype)
            return _before(code, dtype, other, value, equal=not left)

        place = _bisected(code, length, before)
        code.store(target.buffer, code.flat(places, target.strides) + target.offset, place)

    if not length:
        fill(code, target, "0")
    else:
        loops(code, v.type.shape, body, parallel=True)
    if is_number(out.type):
        scope.registers[out] = lowering.read(target.buffer, target.offset)
    else:
        scope.stored[out] = target
    lowering.report.note(equation, "loop", domain=v.type.shape)


def _bisected(code: Code, length: int, before: Callable[[Place], str]) -> str:
    """How many of so many elements, the first ones, are before a value."""
    start = "0"
    while length > 1:
        half = length // 2
        middle = Index(start, half - 1) if start != "0" else half - 1
        step_ = code.select(before(middle), "i64", str(half), "0")
        start = code.op("add i64", start, step_)
        length -= half
    last = before(Index(start) if start != "0" else 0)
    return code.op("add i64", start, code.cast("zext", "i1", last, "i64"))


def _before(code: Code, dtype: np.dtype[Any], x: str, y: str, *, equal: bool) -> str:
    """Whether x comes before y, or is its equal; NaN comes last."""
    kind = register(dtype)
    if dtype.kind != "f":
        sign = "s" if dtype.kind == "i" else "u"
        return code.op(f"icmp {sign}{'le' if equal else 'lt'} {kind}", x, y)
    less = code.op(f"fcmp {'ole' if equal else 'olt'} {kind}", x, y)
    nan = code.op(f"fcmp uno {kind}", y, y)
    if not equal:
        nan = code.op("and i1", nan, code.op(f"fcmp ord {kind}", x, x))
    return code.op("or i1", less, nan)
