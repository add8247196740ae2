"""Sums of rows, side by side in memory, that are added up in pairs: blocks of rows.

Where a loop that is summed over goes around loops that are not, each round adds to a row in memory.
So that not all rounds are added one after the other, some of them (a *block*) go to a row of their
own, and these are added up as ``pairwise`` does with the totals of single sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .combine import combine, identity
from .emit import Buffer, Code, Index, Place, register
from .emit import memory as element_kind
from .nests import Places, block, fill, loops
from .views import Stored, row_major

__all__ = ["ROWS", "BlocksOfRows", "Memory", "RowSum", "load", "room"]

ROWS = 16
"""So many rows make a block, as many as NumPy adds up one after the other at most."""

PAD = 16
"""Rows are so many elements long, or a multiple of that."""

ON_STACK = 1 << 15
"""Up to this many bytes for the rows of a sum are on the stack."""

Memory = Callable[[Sequence[int], np.dtype[Any]], Stored]


@dataclass(frozen=True, slots=True)
class RowSum:
    """A sum: memory for its blocks, where it belongs, and what is told where blocks go meanwhile.

    ``around`` are the places in the result along those of its axes that loops around go through.
    """

    room: Stored
    target: Stored
    around: dict[int, Place]
    tell: Callable[[Stored], None]


def room(
    code: Code,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    length: int,
    memory: Memory | None,
) -> Stored | None:
    """Memory for blocks of rows of a shape, in a loop of this length; None if there is none.

    Without ``memory``, as where threads share the loops, there is that of the call, which is small.
    None too where the loop is short.
    """
    if length < 2 * ROWS:
        return None
    blocks = -(-length // ROWS)
    number = (blocks.bit_length() + 2) * _padded(shape)
    if number * dtype.itemsize <= ON_STACK:
        buffer = Buffer(code.slot(register(dtype), number, align=64), dtype, code.depth)
    elif memory is not None:
        buffer = memory((number,), dtype).buffer
    else:
        return None
    return Stored(buffer, tuple(shape), row_major(shape))


def _padded(shape: Sequence[int]) -> int:
    """The elements of a row, with some behind so that the next begins where a vector may."""
    return -(-math.prod(shape) // PAD) * PAD


class BlocksOfRows:
    """A loop in blocks, around others that keep what they add up in memory."""

    def __init__(
        self, code: Code, begin: int | str, stop: int | str, sums: Sequence[RowSum]
    ) -> None:
        self.code = code
        self.begin, self.stop = begin, stop
        self.sums = sums

    def __enter__(self) -> Index:
        code = self.code
        self.rows = [_Rows(code, each.room.buffer, _padded(each.room.shape)) for each in self.sums]
        for rows in self.rows:
            rows.clear()
        self.outer = code.loop(self.stop, start=self.begin, step=ROWS)
        start = self.outer.__enter__()
        for each, rows in zip(self.sums, self.rows, strict=True):
            own, buffer = each.room, rows.begin()
            row = Stored(buffer, (rows.size,), (1,))
            fill(code, row, identity("sum", buffer.dtype))
            steps = [0 if n == 1 else step for n, step in zip(own.shape, own.strides, strict=True)]
            each.tell(Stored(buffer, own.shape, tuple(steps)))
        self.inner = block(code, code.number(start), self.stop, ROWS, parallel=False)
        return self.inner.__enter__()

    def __exit__(self, *error: Any) -> None:
        self.inner.__exit__(*error)
        for rows in self.rows:
            rows.push()
        self.outer.__exit__(*error)
        for each, rows in zip(self.sums, self.rows, strict=True):
            rows.total()
            each.tell(each.target)
            self._gather(each)

    def _gather(self, each: RowSum) -> None:
        """Add the first row to the sum."""
        code, own, target = self.code, each.room, each.target

        def body(places: Places) -> None:
            value = load(code, own.buffer, code.flat(places, own.strides))
            there = [each.around.get(i, place) for i, place in enumerate(places)]
            place = code.flat(there, target.strides) + target.offset
            before = load(code, target.buffer, place)
            value = combine("sum", code, before, value, target.buffer.dtype)
            code.store(target.buffer, place, value)

        loops(code, own.shape, body, parallel=True)


def load(code: Code, buffer: Buffer, place: Place) -> str:
    """The register of an element, as it is here."""
    pointer = code.address(buffer, place)
    kind = element_kind(buffer.dtype)
    group = code.frames[-1].group
    tail = f", !llvm.access.group {group}" if group else ""
    value = code.here(f"load {kind}, ptr {pointer}, align {buffer.dtype.itemsize}{tail}")
    return code.op("icmp ne i8", value, "0") if buffer.dtype.kind == "b" else value


class _Rows:
    """The totals of the blocks of many sums side by side, in memory: a row of ``size`` for each.

    After so many blocks there are as many rows as the number has ones; behind them is the block
    that is being added up.
    """

    def __init__(self, code: Code, memory: Buffer, size: int) -> None:
        self.code = code
        self.memory = memory
        self.size = size
        self.kind = register(memory.dtype)
        self.count = code.slot("i64")
        code.module.declare("llvm.ctpop.i64", "declare i64 @llvm.ctpop.i64(i64)")

    def clear(self) -> None:
        """Begin the sums."""
        self.code.statement(f"store i64 0, ptr {self.count}")

    def begin(self) -> Buffer:
        """The row of the next block."""
        code = self.code
        count = code.here(f"load i64, ptr {self.count}")
        rows = code.here(f"call i64 @llvm.ctpop.i64(i64 {count})")
        place = code.here(f"mul nuw nsw i64 {rows}, {self.size}")
        pointer = code.here(
            f"getelementptr inbounds {self.kind}, ptr {self.memory.pointer}, i64 {place}"
        )
        return Buffer(pointer, self.memory.dtype, code.depth)

    def push(self) -> None:
        """Add the block that has been added up."""
        count = self.code.here(f"load i64, ptr {self.count}")
        self._call("push_rows", _PUSH_ROWS, count)
        more = self.code.here(f"add nuw nsw i64 {count}, 1")
        self.code.statement(f"store i64 {more}, ptr {self.count}")

    def total(self) -> None:
        """Put the sums into the first row."""
        count = self.code.here(f"load i64, ptr {self.count}")
        self._call("total_rows", _TOTAL_ROWS, count)

    def _call(self, name: str, text: str, count: str) -> None:
        kind, name = self.kind, f"{name}_{self.kind}"
        zero = identity("sum", self.memory.dtype)
        self.code.module.declare(name, text.replace("KIND", kind).replace("ZERO", zero))
        given = f"ptr {self.memory.pointer}, i64 {count}, i64 {self.size}"
        self.code.statement(f"call void @{name}({given})")


_ADD_LAST = """add:
  %i = phi i64 [ 0, %pair ], [ %j, %add ]
  %p = getelementptr inbounds KIND, ptr %before, i64 %i
  %q = getelementptr inbounds KIND, ptr %place, i64 %i
  %x = load KIND, ptr %p
  %y = load KIND, ptr %q
  %z = fadd KIND %x, %y
  store KIND %z, ptr %p
  %j = add nuw nsw i64 %i, 1
  %more = icmp ult i64 %j, %size
  br i1 %more, label %add, label %look"""

_PUSH_ROWS = f"""define internal void @push_rows_KIND(ptr %rows, i64 %count, i64 %size) nounwind {{
entry:
  %ones = call i64 @llvm.ctpop.i64(i64 %count)
  %behind = mul nuw nsw i64 %ones, %size
  %last = getelementptr inbounds KIND, ptr %rows, i64 %behind
  %back = sub nsw i64 0, %size
  br label %look
look:
  %place = phi ptr [ %last, %entry ], [ %before, %add ]
  %bits = phi i64 [ %count, %entry ], [ %rest, %add ]
  %odd = trunc i64 %bits to i1
  br i1 %odd, label %pair, label %done
pair:
  %before = getelementptr inbounds KIND, ptr %place, i64 %back
  %rest = lshr i64 %bits, 1
  br label %add
{_ADD_LAST}
done:
  ret void
}}"""

_TOTAL_ROWS = f"""define internal void
@total_rows_KIND(ptr %rows, i64 %count, i64 %size) nounwind {{
entry:
  %ones = call i64 @llvm.ctpop.i64(i64 %count)
  %none = icmp eq i64 %count, 0
  br i1 %none, label %clear, label %some
clear:
  %k = phi i64 [ 0, %entry ], [ %l, %clear ]
  %r = getelementptr inbounds KIND, ptr %rows, i64 %k
  store KIND ZERO, ptr %r
  %l = add nuw nsw i64 %k, 1
  %on = icmp ult i64 %l, %size
  br i1 %on, label %clear, label %done
some:
  %top = sub nuw nsw i64 %ones, 1
  %behind = mul nuw nsw i64 %top, %size
  %last = getelementptr inbounds KIND, ptr %rows, i64 %behind
  %back = sub nsw i64 0, %size
  br label %look
look:
  %place = phi ptr [ %last, %some ], [ %before, %add ]
  %left = phi i64 [ %top, %some ], [ %rest, %add ]
  %single = icmp eq i64 %left, 0
  br i1 %single, label %done, label %pair
pair:
  %before = getelementptr inbounds KIND, ptr %place, i64 %back
  %rest = sub nuw nsw i64 %left, 1
  br label %add
{_ADD_LAST}
done:
  ret void
}}"""
