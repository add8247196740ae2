"""Records of the values of a loop's steps, in native code: memory that grows with their number."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import numpy as np

from ..program import Type
from .control import is_number
from .emit import Buffer
from .lower import Lowering, Value
from .views import Stored, row_major

__all__ = ["Key", "Records"]

Key = tuple[str, int]
"""The kind and the place of a value: ``control.sweeps.Read`` without its sweep."""

FIRST = 1 << 14
"""So many bytes have room at first."""


class Records:
    """Records of some values, in memory that grows and is given back at the end of the call."""

    def __init__(self, lowering: Lowering, types: dict[Key, Type]) -> None:
        self.lowering = lowering
        self.types = types
        self.offsets: dict[Key, int] = {}
        size = 0
        for key, type in types.items():
            self.offsets[key] = size
            size += -(-max(1, type.size) * type.dtype.itemsize // 8) * 8
        self.size = max(size, 8)
        code = lowering.code
        self.memory, self.room = code.slot("ptr"), code.slot("i64")
        code.allocas.append(f"  store ptr null, ptr {self.memory}")
        code.allocas.append(f"  store i64 0, ptr {self.room}")
        declare = lowering.module.declare
        declare("realloc", "declare ptr @realloc(ptr, i64)")
        declare("free", "declare void @free(ptr)")
        name = f"%free{code.fresh()}_{{n}}"
        lowering.cleanups.append(f"{name} = load ptr, ptr {self.memory}")
        lowering.cleanups.append(f"call void @free(ptr {name})")

    def reserve(self, place: str) -> None:
        """See to it that there is room at this place, if there is for all before it."""
        code = self.lowering.code
        room = code.here(f"load i64, ptr {self.room}")
        with self._where(f"icmp sge i64 {place}, {room}"):
            twice = code.here(f"shl i64 {room}, 1")
            self._resize(code.here(f"add i64 {twice}, {-(-FIRST // self.size)}"))

    def hold(self, count: str) -> None:
        """See to it that there is room for so many records."""
        code = self.lowering.code
        room = code.here(f"load i64, ptr {self.room}")
        with self._where(f"icmp sgt i64 {count}, {room}"):
            self._resize(count)

    @contextmanager
    def _where(self, condition: str) -> Generator[None]:
        """Code that runs where the condition holds."""
        code = self.lowering.code
        then, on = code.fresh("then"), code.fresh("on")
        code.statement(f"br i1 {code.here(condition)}, label %{then}, label %{on}")
        code.label(then)
        with code.inside():
            yield
            code.statement(f"br label %{on}")
        code.label(on)

    def _resize(self, count: str) -> None:
        code = self.lowering.code
        nbytes = code.here(f"mul i64 {count}, {self.size}")
        old = code.here(f"load ptr, ptr {self.memory}")
        new = code.here(f"call ptr @realloc(ptr {old}, i64 {nbytes})")
        self.lowering.leave_if(code.here(f"icmp eq ptr {new}, null"), -2)
        code.statement(f"store ptr {new}, ptr {self.memory}")
        code.statement(f"store i64 {count}, ptr {self.room}")

    def pointer(self, place: str) -> str:
        """Where the record at this place begins."""
        code = self.lowering.code
        base = code.here(f"load ptr, ptr {self.memory}")
        offset = code.here(f"mul i64 {place}, {self.size}")
        return code.here(f"getelementptr i8, ptr {base}, i64 {offset}")

    def at(self, place: str, key: Key) -> Stored:
        """Where a value of the record at this place lies."""
        code = self.lowering.code
        type = self.types[key]
        start = self.pointer(place)
        pointer = code.here(f"getelementptr i8, ptr {start}, i64 {self.offsets[key]}")
        return Stored(Buffer(pointer, type.dtype, code.depth), type.shape, row_major(type.shape))

    def read(self, place: str, key: Key) -> Value:
        """A value of the record at this place, as a Program's code takes it."""
        found = self.at(place, key)
        return self.lowering.read(found.buffer, 0) if is_number(self.types[key]) else found

    def move(self, source: str, target: str) -> None:
        """Copy the record at one place to another."""
        depth, byte = self.lowering.code.depth, np.dtype(np.uint8)
        a, b = (
            Stored(Buffer(self.pointer(place), byte, depth), (self.size,), (1,))
            for place in (source, target)
        )
        self.lowering.copy_bytes(a, b)
