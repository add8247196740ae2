"""Sums and their kin while the loops of a kernel add them up: in slots, blocks, chunks, memory.

A sum whose innermost loops are all summed over is kept in *slots*, registers after LLVM's work, one
for each element of the axes that are written out; another is added to what is in memory. A long sum
in slots goes in blocks, the totals of which are added up in pairs (``pairwise``); the loop that
threads share goes in chunks, each of which has slots and memory of its own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..program import Equation, Var
from . import pairwise
from .combine import combine, identity
from .elements import Scope
from .emit import INTERLEAVE, Buffer, Index, Place, register
from .nests import Places, block, fill, loops
from .pairwise import Stack
from .rows import Memory, RowSum, load, room
from .views import Stored

__all__ = [
    "Blocks",
    "Chunks",
    "Memory",
    "Sum",
    "add",
    "blocked",
    "both",
    "close_all",
    "combined",
    "hints_of",
    "kept_places",
    "kept_tail",
    "open_sum",
    "row_sums",
    "tail_places",
]

FEW = 3
"""Up to this many sums are interleaved, fourfold; up to twice as many, twofold."""


@dataclass(eq=False)
class Sum:
    """A root that is reduced: its loops, and where it adds up."""

    equation: Equation
    kind: str
    axes: tuple[int, ...]
    """The axes among those looped over that are reduced."""
    level: int = 0
    """From this level on all loops are reduced: it adds up in slots from there."""
    outer: bool = False
    """Whether loops before that are reduced too: then it adds to what is in memory."""
    target: Stored | None = None
    slots: dict[tuple[int, ...], str] = field(default_factory=dict[tuple[int, ...], str])
    blocks: int = 0
    """The number of its blocks, at most, if it adds them up in pairs."""
    stacks: dict[tuple[int, ...], Stack] = field(default_factory=dict[tuple[int, ...], Stack])

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.equation.outputs[0].type.dtype

    @property
    def rounded(self) -> bool:
        """Whether the order in which it is added up matters."""
        return self.dtype.kind == "f" and self.kind == "sum"

    def goes_to(self, target: Stored) -> None:
        """Note where in memory it adds up now."""
        self.target = target

    def lies_in(self, order: Sequence[int]) -> None:
        """Note the order of the loops."""
        self.level = len(order)
        while self.level and order[self.level - 1] in self.axes:
            self.level -= 1
        self.outer = any(axis in self.axes for axis in order[: self.level])


def _interleaved(sums: Sequence[Sum], depth: int) -> int:
    """How many of each sum that is kept in slots fit into registers."""
    number = sum(total.level < depth for total in sums)
    return 4 if 0 < number <= FEW else 2 if 0 < number <= 2 * FEW else 1


def hints_of(sums: Sequence[Sum], depth: int) -> list[str]:
    """What LLVM is told of the innermost loop, the last of ``depth``."""
    number = _interleaved(sums, depth)
    return [INTERLEAVE.replace("4", str(number))] if number > 1 else []


def blocked(lengths: Sequence[int], sums: Sequence[Sum], *, vectorised: bool) -> tuple[int, int]:
    """The loop that goes in blocks, or -1, and how many of its places are a block.

    The sums around it are told how many blocks they have.
    """
    rounded = [total for total in sums if total.rounded]
    top = min((total.level for total in rounded), default=len(lengths))
    if top == len(lengths):
        return -1, 0
    widest = max((total.dtype for total in rounded), key=lambda dtype: dtype.itemsize)
    interleaved = _interleaved(sums, len(lengths))
    found = pairwise.blocked(lengths[top:], widest, interleaved, vectorised=vectorised)
    if found is None:
        return -1, 0
    level, rows = found[0] + top, found[1]
    for total in rounded:
        if total.level <= level:
            total.blocks = math.prod(lengths[total.level :])
    return level, rows


class Blocks:
    """A loop in blocks: within each the slots begin anew, and after it they are added to others."""

    def __init__(
        self,
        scope: Scope,
        begin: int | str,
        stop: int | str,
        size: int,
        sums: Sequence[Sum],
        *,
        parallel: bool,
        hints: Sequence[str],
    ) -> None:
        self.scope = scope
        self.begin, self.stop, self.size = begin, stop, size
        self.sums = sums
        self.parallel, self.hints = parallel, hints

    def __enter__(self) -> Index:
        code = self.scope.code
        self.saved = [dict(total.slots) for total in self.sums]
        self.outer = code.loop(self.stop, start=self.begin, step=self.size)
        start = self.outer.__enter__()
        for total in self.sums:
            _open_slots(self.scope, total)
        first = code.number(start)
        self.inner = block(code, first, self.stop, self.size, self.hints, parallel=self.parallel)
        return self.inner.__enter__()

    def __exit__(self, *error: Any) -> None:
        self.inner.__exit__(*error)
        for total, saved in zip(self.sums, self.saved, strict=True):
            for at, slot in total.slots.items():
                _push(self.scope, total, at, saved[at], _read(self.scope, total, slot))
            total.slots = saved
        self.outer.__exit__(*error)


def row_sums(
    scope: Scope,
    sums: Sequence[Sum],
    nest: Sequence[int],
    lengths: Sequence[int],
    around: dict[int, Place],
    memory: Memory | None,
) -> list[RowSum]:
    """The sums in memory that go in blocks of rows from the next loop on, inside those around."""
    level = len(around)
    found: list[RowSum] = []
    for total in sums:
        reduced = [at for at, axis in enumerate(nest) if axis in total.axes and lengths[at] > 1]
        target = total.target
        if not (total.outer and total.rounded and target is not None and reduced[:1] == [level]):
            continue
        kept = [axis for axis in sorted(nest) if axis not in total.axes]
        fixed = {i: around[axis] for i, axis in enumerate(kept) if axis in around}
        shape = [1 if i in fixed else n for i, n in enumerate(target.shape)]
        own = room(scope.code, shape, total.dtype, lengths[level], memory)
        if own is not None:
            found.append(RowSum(own, target, fixed, total.goes_to))
    return found


def _push(scope: Scope, total: Sum, at: tuple[int, ...], slot: str, value: str) -> None:
    """Add what was added up before, of many terms."""
    if total.blocks:
        total.stacks[at].push(value)
    else:
        add(scope, total, slot, value)


class Chunks:
    """A loop in chunks, run by threads: each adds up in memory of its own, added up afterwards."""

    def __init__(
        self,
        scope: Scope,
        length: int,
        chunk: int,
        level: int,
        sums: Sequence[Sum],
        memory: Memory,
    ) -> None:
        self.scope = scope
        self.length, self.chunk = length, chunk
        self.count = -(-length // chunk)
        self.sums = [total for total in sums if total.level <= level]
        self.outer = [total for total in sums if total.outer]
        self.memory = memory

    def __enter__(self) -> tuple[str, str]:
        code = self.scope.code
        self.saved = [(total.slots, total.stacks) for total in self.sums]
        self.partial = [
            {at: self.memory((self.count,), total.dtype).buffer for at in total.slots}
            for total in self.sums
        ]
        self.targets = [total.target for total in self.outer]
        self.copies = [
            self.memory((self.count, *total.equation.outputs[0].type.shape), total.dtype)
            for total in self.outer
        ]
        self.part = code.part(self.length, self.chunk)
        first, end = self.part.__enter__()
        self.number = Index(code.here(f"udiv i64 {first}, {self.chunk}"))
        for total in self.sums:
            open_sum(self.scope, total)
        for total, copy in zip(self.outer, self.copies, strict=True):
            total.target = self._own(copy)
            fill(self.scope.code, total.target, identity(total.kind, total.dtype))
        return first, end

    def _own(self, copy: Stored) -> Stored:
        """The chunk's part of the memory for all chunks."""
        code = self.scope.code
        pointer = code.address(copy.buffer, code.times(self.number, copy.strides[0]))
        buffer = Buffer(pointer, copy.buffer.dtype, code.depth)
        return Stored(buffer, copy.shape[1:], copy.strides[1:])

    def __exit__(self, *error: Any) -> None:
        scope, code = self.scope, self.scope.code
        for total, partial in zip(self.sums, self.partial, strict=True):
            for at in total.slots:
                code.store(partial[at], self.number, _sum_of(scope, total, at))
        self.part.__exit__(*error)
        for total, saved in zip(self.sums, self.saved, strict=True):
            total.slots, total.stacks = saved
        if self.sums:
            with code.loop(self.count) as i:
                for total, partial in zip(self.sums, self.partial, strict=True):
                    for at, slot in total.slots.items():
                        _push(scope, total, at, slot, code.load(partial[at], i))
        for total, target, copy in zip(self.outer, self.targets, self.copies, strict=True):
            total.target = target
            self._gather(total, copy)

    def _gather(self, total: Sum, copy: Stored) -> None:
        scope, code = self.scope, self.scope.code
        assert total.target is not None
        target = total.target

        with code.loop(self.count) as i:

            def body(places: Places) -> None:
                value = code.load(copy.buffer, code.flat((i, *places), copy.strides))
                place = code.flat(places, target.strides) + target.offset
                value = combined(scope, total, target.buffer, place, value)
                code.store(target.buffer, place, value)

            loops(code, target.shape, body, parallel=True)


def _read(scope: Scope, total: Sum, slot: str) -> str:
    return scope.code.here(f"load {register(total.dtype)}, ptr {slot}")


def add(scope: Scope, total: Sum, slot: str, value: str) -> None:
    """Add a value to a slot."""
    after = both(scope, total, _read(scope, total, slot), value)
    scope.code.statement(f"store {register(total.dtype)} {after}, ptr {slot}")


def both(scope: Scope, total: Sum, x: str, y: str) -> str:
    """The register of two values, added up in no particular order with others."""
    return combine(total.kind, scope.code, x, y, total.dtype, reorder=True)


def tail_places(total: Sum, loops: int) -> Iterator[tuple[int, ...]]:
    """Places along the axes of the operand that are written out."""
    lengths = total.equation.inputs[0].type.shape[loops:]
    return itertools.product(*(range(n) for n in lengths))


def kept_tail(total: Sum, tail: tuple[int, ...], loops: int) -> tuple[int, ...]:
    """The place in the result, along the axes that are written out, behind so many loops."""
    axes = total.equation.params["axes"]
    return tuple(place for i, place in enumerate(tail) if loops + i not in axes)


def _loops_of(total: Sum, scope: Scope) -> int:
    x = total.equation.inputs[0]
    tail = scope.plan.tails.get(x, 0) if isinstance(x, Var) else 0
    return len(x.type.shape) - tail


def open_sum(scope: Scope, total: Sum) -> None:
    """Begin a sum."""
    _open_slots(scope, total)
    total.stacks = {}
    for at in total.slots if total.blocks else ():
        stack = total.stacks[at] = Stack(scope.code, total.dtype, total.blocks)
        stack.clear()


def _sum_of(scope: Scope, total: Sum, at: tuple[int, ...]) -> str:
    """The register of what was added up."""
    return total.stacks[at].total() if total.blocks else _read(scope, total, total.slots[at])


def _open_slots(scope: Scope, total: Sum) -> None:
    loops = _loops_of(total, scope)
    kept = {kept_tail(total, tail, loops) for tail in tail_places(total, loops)}
    total.slots = {}
    kind = register(total.dtype)
    for at in sorted(kept):
        slot = scope.code.slot(kind)
        scope.code.statement(f"store {kind} {identity(total.kind, total.dtype)}, ptr {slot}")
        total.slots[at] = slot


def close_all(scope: Scope, sums: Sequence[Sum], places: dict[int, Place]) -> None:
    """End sums: what was added up goes where it belongs, at these places of the axes around."""
    for total in sums:
        for at in total.slots:
            _deliver(scope, total, places, at, _sum_of(scope, total, at))


def kept_places(total: Sum, places: dict[int, Place]) -> Places:
    """The place in the result, along the axes of loops."""
    return tuple(places[axis] for axis in sorted(places) if axis not in total.axes)


def _deliver(
    scope: Scope, total: Sum, places: dict[int, Place], at: tuple[int, ...], value: str
) -> None:
    """Put what was added up where it belongs."""
    code, out = scope.code, total.equation.outputs[0]
    if total.target is None:
        assert not out.type.shape
        scope.registers[out] = value
        return
    where = (*kept_places(total, places), *at)
    place = code.flat(where, total.target.strides) + total.target.offset
    if total.outer:
        value = combined(scope, total, total.target.buffer, place, value)
    code.store(total.target.buffer, place, value)


def combined(scope: Scope, total: Sum, buffer: Buffer, place: Place, value: str) -> str:
    """What is in memory, combined with a value."""
    before = load(scope.code, buffer, place)
    return combine(total.kind, scope.code, before, value, total.dtype)
