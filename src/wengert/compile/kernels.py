"""Loops for the roots of a kernel: one nest, in which all of them are stored or added up."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..primitives import shape
from ..program import Atom, Equation, Literal, Var
from .combine import combine, identity
from .elements import Scope, converted
from .emit import INTERLEAVE, Buffer, Index, Place, constant, register
from .emit import memory as element_kind
from .nests import Order, Places, block, fill, loops
from .plan import Kernel
from .shapes import REDUCTIONS, is_elementwise
from .strides import best_order
from .views import Stored

__all__ = ["emit_kernel"]

FEW = 3
"""Up to this many sums are interleaved."""

BLOCK = 1024
"""A long sum is a sum of sums of this many: for accuracy, as NumPy's pairwise summation is."""

Memory = Callable[[Sequence[int], np.dtype[Any]], Stored]


LARGE = 4_000_000
"""A kernel of this many operations is divided among threads: they take some 0.2 ms."""

CHUNK = 1_000_000
"""The operations of a chunk, at least."""

CHUNKS = 128
"""This many chunks at most. They do not depend on the number of threads, so results do not."""

PARTIAL = 1 / 16
"""Of the operations of a kernel, so many at most for putting together what the chunks add up."""


@dataclass(eq=False)
class _Sum:
    """A root that is reduced: its loops, and where it adds up."""

    equation: Equation
    kind: str
    axes: tuple[int, ...]
    """The axes among those looped over that are reduced."""
    level: int
    """From this level on all loops are reduced: it adds up in slots from there."""
    outer: bool
    """Whether loops before that are reduced too: then it adds to what is in memory."""
    target: Stored | None
    slots: dict[tuple[int, ...], str] = field(default_factory=dict[tuple[int, ...], str])

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.equation.outputs[0].type.dtype


def emit_kernel(scope: Scope, kernel: Kernel, targets: dict[Var, Stored], memory: Memory) -> int:
    """Write the loops of a kernel; the number of chunks that they are divided into for threads.

    ``targets`` says where the roots that are stored go, ``memory`` gives some for as long as the
    kernel runs.
    """
    domain = kernel.domain
    sums = [_summed(scope, e, domain, targets) for e in kernel.roots if _reduces(scope, e)]
    stores = [e for e in kernel.roots if not _reduces(scope, e)]
    for total in sums:
        if total.outer and total.target is not None:
            fill(scope.code, total.target, identity(total.kind, total.dtype))
    if math.prod(domain):
        in_order = all(target.contiguous for target in targets.values())
        flat = len(domain) > 1 and in_order and _flat(scope, kernel, sums)
        lengths = (math.prod(domain),) if flat else domain
        order = Order(tuple(range(len(lengths))))
        if not sums:
            order = best_order(scope, lengths, stores, targets)
        return _nest(scope, lengths, order, sums, stores, targets, flat, kernel.work, memory)
    for total in sums:
        _empty(scope, total)
    return 1


def _reduces(scope: Scope, equation: Equation) -> bool:
    return equation.primitive in REDUCTIONS and equation.outputs[0] not in scope.plan.virtual


def _summed(
    scope: Scope, equation: Equation, domain: Sequence[int], targets: dict[Var, Stored]
) -> _Sum:
    given = equation.params["axes"]
    axes = tuple(axis for axis in given if axis < len(domain))
    level = len(domain)
    while level and level - 1 in axes:
        level -= 1
    outer = any(axis < level for axis in axes)
    out = equation.outputs[0]
    return _Sum(equation, REDUCTIONS[equation.primitive], axes, level, outer, targets.get(out))


def _empty(scope: Scope, total: _Sum) -> None:
    """The sum of nothing."""
    out = total.equation.outputs[0]
    value = identity(total.kind, total.dtype)
    if total.kind == "sum":
        value = constant(0, total.dtype)
    if total.target is None:
        scope.registers[out] = value
    else:
        fill(scope.code, total.target, value)


# -- one loop for all axes -------------------------------------------------------------------------


def _flat(scope: Scope, kernel: Kernel, sums: Sequence[_Sum]) -> bool:
    """Whether all that is read and written lies in the same order, so that one loop will do."""
    domain = kernel.domain
    if any(len(total.axes) != len(domain) or total.target is not None for total in sums):
        return False
    pending: list[Atom] = []
    for equation in kernel.roots:
        if _reduces(scope, equation):
            pending.extend(equation.inputs)
        else:
            if not is_elementwise(equation) or equation.outputs[0].type.shape != domain:
                return False
            pending.extend(equation.inputs)
    seen: set[int] = set()
    while pending:
        atom = pending.pop()
        if id(atom) in seen or not atom.type.shape:
            continue
        seen.add(id(atom))
        if isinstance(atom, Var) and atom in scope.registers:
            continue
        if atom.type.shape != domain:
            return False
        stored = scope.where(atom)
        if stored is not None:
            if not stored.contiguous:
                return False
            continue
        if isinstance(atom, Literal):
            continue
        equation = scope.makers[atom]
        if is_elementwise(equation):
            pending.extend(equation.inputs)
        elif equation.primitive is shape.broadcast and not equation.inputs[0].type.shape:
            continue
        else:
            return False
    return True


# -- the nest --------------------------------------------------------------------------------------


def _nest(
    scope: Scope,
    domain: Sequence[int],
    order: Order,
    sums: Sequence[_Sum],
    stores: Sequence[Equation],
    targets: dict[Var, Stored],
    flat: bool,
    work: float,
    memory: Memory,
) -> int:
    """The loops, in an order that is another than that of the axes only where there are no sums."""
    code = scope.code
    if flat:
        for total in sums:
            total.level = 0
    size = order.block
    nest = [*order.axes[-1:], *order.axes] if size else [*order.axes]
    divided, chunk = _divided([domain[axis] for axis in nest], sums, work, size)
    places: dict[int, Place] = {}
    end: dict[int, int | str] = {}
    with ExitStack() as stack:
        for level, axis in enumerate(nest):
            length = domain[axis]
            innermost = level == len(nest) - 1
            opening = [total for total in sums if total.level == level]
            for total in opening:
                _open(scope, total)
            blocked = innermost and length > 2 * BLOCK and opening and _floating(opening)
            # Closing runs after the loop, with the places of the loops around it.
            before = tuple(places[i] for i in range(level)) if sums else ()
            stack.callback(_close_all, scope, opening, before, flat)
            first: int | str = 0
            last: int | str = length
            if level == divided:
                chunks = _chunks(scope, length, chunk, level, sums, memory)
                first, last = stack.enter_context(chunks)
            hints = [INTERLEAVE] if innermost and _few(sums) else []
            if blocked:
                places[axis] = stack.enter_context(_blocks(scope, first, last, opening))
            elif size and not level:
                places[axis] = stack.enter_context(code.loop(last, start=first, step=size))
                end[axis] = last
            elif size and innermost:
                around = code.number(places[axis])
                places[axis] = stack.enter_context(block(code, around, end[axis], size))
            elif length == 1:
                places[axis] = 0
            else:
                loop = code.loop(last, start=first, parallel=innermost, hints=hints)
                places[axis] = stack.enter_context(loop)
        if not domain:
            for total in sums:
                _open(scope, total)
        _body(scope, tuple(places[i] for i in range(len(domain))), sums, stores, targets, flat)
        if not domain:
            _close_all(scope, sums, (), flat)
    return -(-domain[nest[divided]] // chunk) if chunk else 1


def _few(sums: Sequence[_Sum]) -> bool:
    """Whether so few sums are kept in slots that more of each fit into registers."""
    return 0 < sum(bool(total.slots) for total in sums) <= FEW


def _floating(sums: Sequence[_Sum]) -> bool:
    return any(total.dtype.kind == "f" and total.kind in ("sum", "prod") for total in sums)


class _blocks:  # noqa: N801 - used as a context
    """A loop in blocks: within each the slots begin anew, and after it they are added to others."""

    def __init__(
        self, scope: Scope, begin: int | str, stop: int | str, sums: Sequence[_Sum]
    ) -> None:
        self.scope = scope
        self.begin, self.stop = begin, stop
        self.sums = sums

    def __enter__(self) -> Index:
        code = self.scope.code
        self.saved = [dict(total.slots) for total in self.sums]
        self.outer = code.loop(self.stop, start=self.begin, step=BLOCK)
        start = self.outer.__enter__()
        for total in self.sums:
            _open(self.scope, total)
        hints = [INTERLEAVE] if len(self.sums) <= FEW else []
        self.inner = block(code, code.number(start), self.stop, BLOCK, hints)
        return self.inner.__enter__()

    def __exit__(self, *error: Any) -> None:
        self.inner.__exit__(*error)
        for total, saved in zip(self.sums, self.saved, strict=True):
            for at, slot in total.slots.items():
                _add(self.scope, total, saved[at], _read(self.scope, total, slot))
            total.slots = saved
        self.outer.__exit__(*error)


# -- on several threads ----------------------------------------------------------------------------


def _divided(
    domain: Sequence[int], sums: Sequence[_Sum], work: float, multiple: int
) -> tuple[int, int]:
    """The loop that is divided among threads, or -1, and how many of its places are a chunk.

    That is a ``multiple`` of some number, if it is not 0.
    """
    level = next((i for i, length in enumerate(domain) if length > 1), -1)
    if work < LARGE or level < 0:
        return -1, 0
    length = domain[level]
    chunk = -(-length // max(1, min(CHUNKS, int(work / CHUNK))))
    if level == len(domain) - 1 or multiple:
        chunk = -(-chunk // (multiple or BLOCK)) * (multiple or BLOCK)
    count = -(-length // chunk)
    apart = [total for total in sums if total.outer or total.level <= level]
    partial = count * sum(total.equation.outputs[0].type.size for total in apart)
    return (level, chunk) if count > 1 and partial <= PARTIAL * work else (-1, 0)


class _chunks:  # noqa: N801 - used as a context
    """A loop in chunks, run by threads: each adds up in memory of its own, added up afterwards."""

    def __init__(
        self,
        scope: Scope,
        length: int,
        chunk: int,
        level: int,
        sums: Sequence[_Sum],
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
        self.saved = [dict(total.slots) for total in self.sums]
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
            _open(self.scope, total)
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
            for at, slot in total.slots.items():
                code.store(partial[at], self.number, _read(scope, total, slot))
        self.part.__exit__(*error)
        for total, saved in zip(self.sums, self.saved, strict=True):
            total.slots = saved
        if self.sums:
            with code.loop(self.count) as i:
                for total, partial in zip(self.sums, self.partial, strict=True):
                    for at, slot in total.slots.items():
                        _add(scope, total, slot, code.load(partial[at], i))
        for total, target, copy in zip(self.outer, self.targets, self.copies, strict=True):
            total.target = target
            self._gather(total, copy)

    def _gather(self, total: _Sum, copy: Stored) -> None:
        scope, code = self.scope, self.scope.code
        assert total.target is not None
        target = total.target

        with code.loop(self.count) as i:

            def body(places: Places) -> None:
                value = code.load(copy.buffer, code.flat((i, *places), copy.strides))
                place = code.flat(places, target.strides) + target.offset
                value = _combined(scope, total, target.buffer, place, value)
                code.store(target.buffer, place, value)

            loops(code, target.shape, body, parallel=True)


def _read(scope: Scope, total: _Sum, slot: str) -> str:
    return scope.code.here(f"load {register(total.dtype)}, ptr {slot}")


def _add(scope: Scope, total: _Sum, slot: str, value: str) -> None:
    code = scope.code
    before = _read(scope, total, slot)
    after = combine(total.kind, code, before, value, total.dtype, reorder=True)
    code.statement(f"store {register(total.dtype)} {after}, ptr {slot}")


def _tail_places(total: _Sum, loops: int) -> Iterator[tuple[int, ...]]:
    """Places along the axes of the operand that are written out."""
    lengths = total.equation.inputs[0].type.shape[loops:]
    return itertools.product(*(range(n) for n in lengths))


def _kept_tail(total: _Sum, tail: tuple[int, ...], loops: int) -> tuple[int, ...]:
    axes = total.equation.params["axes"]
    return tuple(place for i, place in enumerate(tail) if loops + i not in axes)


def _loops_of(total: _Sum, scope: Scope) -> int:
    x = total.equation.inputs[0]
    tail = scope.plan.tails.get(x, 0) if isinstance(x, Var) else 0
    return len(x.type.shape) - tail


def _open(scope: Scope, total: _Sum) -> None:
    loops = _loops_of(total, scope)
    kept = {_kept_tail(total, tail, loops) for tail in _tail_places(total, loops)}
    total.slots = {}
    kind = register(total.dtype)
    for at in sorted(kept):
        slot = scope.code.slot(kind)
        scope.code.statement(f"store {kind} {identity(total.kind, total.dtype)}, ptr {slot}")
        total.slots[at] = slot


def _close_all(scope: Scope, sums: Sequence[_Sum], places: Places, flat: bool) -> None:
    for total in sums:
        for at, slot in total.slots.items():
            value = _read(scope, total, slot)
            _deliver(scope, total, places, at, value)


def _kept_places(total: _Sum, places: Places) -> Places:
    return tuple(place for i, place in enumerate(places) if i not in total.axes)


def _deliver(scope: Scope, total: _Sum, places: Places, at: tuple[int, ...], value: str) -> None:
    """Put what was added up where it belongs."""
    code, out = scope.code, total.equation.outputs[0]
    if total.target is None:
        assert not out.type.shape
        scope.registers[out] = value
        return
    where = (*_kept_places(total, places), *at)
    place = code.flat(where, total.target.strides) + total.target.offset
    if total.outer:
        value = _combined(scope, total, total.target.buffer, place, value)
    code.store(total.target.buffer, place, value)


def _combined(scope: Scope, total: _Sum, buffer: Buffer, place: Place, value: str) -> str:
    """What is in memory, combined with a value."""
    code = scope.code
    pointer = code.address(buffer, place)
    kind = element_kind(buffer.dtype)
    group = code.frames[-1].group
    tail = f", !llvm.access.group {group}" if group else ""
    before = code.here(f"load {kind}, ptr {pointer}, align {buffer.dtype.itemsize}{tail}")
    if buffer.dtype.kind == "b":
        before = code.op("icmp ne i8", before, "0")
    return combine(total.kind, code, before, value, total.dtype)


def _body(
    scope: Scope,
    places: Places,
    sums: Sequence[_Sum],
    stores: Sequence[Equation],
    targets: dict[Var, Stored],
    flat: bool,
) -> None:
    code = scope.code
    for equation in stores:
        out = equation.outputs[0]
        target = targets.get(out)
        lengths = out.type.shape[len(places) if not flat else len(out.type.shape) :]
        for tail in itertools.product(*(range(n) for n in lengths)):
            at = (*places, *tail)
            value = scope.element(out, at)
            if target is None:
                continue
            strides = (1,) if flat else target.strides
            code.store(target.buffer, code.flat(at, strides) + target.offset, value)
    for total in sums:
        x = total.equation.inputs[0]
        loops = len(places) if not flat else len(x.type.shape)
        for tail in _tail_places(total, loops):
            value = scope.element(x, (*places, *tail))
            value = _as_truth(scope, total, value, x)
            slot = total.slots.get(_kept_tail(total, tail, loops))
            if slot is not None:
                _add(scope, total, slot, value)
            else:
                at = (*_kept_places(total, places), *_kept_tail(total, tail, loops))
                assert total.target is not None
                place = code.flat(at, total.target.strides) + total.target.offset
                value = _combined(scope, total, total.target.buffer, place, value)
                code.store(total.target.buffer, place, value)


def _as_truth(scope: Scope, total: _Sum, value: str, x: Atom) -> str:
    return converted(scope.code, value, x.type.dtype, total.dtype)
