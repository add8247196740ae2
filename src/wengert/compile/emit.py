"""The text of LLVM functions: straight code, loops, and code that rises out of loops.

Code is written in order into nested frames, one for each loop that is open. An operation goes into
the outermost frame in which all of its operands are known, so what does not change in a loop is
computed before it. Registers are strings (``%12``, or a constant), of the types in ``REGISTER``; a
truth value is an ``i1`` in a register and a byte in memory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from .module import Module
from .outline import outline

__all__ = ["PARALLEL", "Buffer", "Code", "Frame", "Index", "constant", "register"]

REGISTER = {
    "float64": "double",
    "float32": "float",
    "int64": "i64",
    "int32": "i32",
    "int16": "i16",
    "int8": "i8",
    "uint64": "i64",
    "uint32": "i32",
    "uint16": "i16",
    "uint8": "i8",
    "bool": "i1",
}
"""LLVM's type of a register, by the dtype's name. Dtypes that are not here are not compiled."""


PARALLEL = "wengert_parallel"
"""The function that calls a part for each chunk, see ``threads``."""


INTERLEAVE = '!{!"llvm.loop.interleave.count", i32 4}'
"""Asks for several sums at once, so that none waits for the one before: for short loop bodies."""

COMPILED = frozenset(np.dtype(name).num for name in REGISTER) | {
    np.dtype(name).num for name in ("longlong", "ulonglong", "long", "ulong")
}
"""Numbers of the dtypes in ``REGISTER``."""


def is_compiled(dtype: np.dtype[Any]) -> bool:
    """Whether values of a dtype are held in registers."""
    return dtype.num in COMPILED


@cache
def register(dtype: np.dtype[Any]) -> str:
    """LLVM's type of a register that holds one element."""
    return REGISTER[dtype.name]


@cache
def memory(dtype: np.dtype[Any]) -> str:
    """LLVM's type of one element in memory. Elements that are not compiled are moved as bytes."""
    return "i8" if dtype.kind == "b" else REGISTER.get(dtype.name, f"[{dtype.itemsize} x i8]")


def constant(value: Any, dtype: np.dtype[Any]) -> str:
    """A number as an operand."""
    if dtype.kind == "f":
        number = float(value)
        if dtype.itemsize < 8:
            with np.errstate(over="ignore"):
                number = float(dtype.type(value))
        return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"
    if dtype.kind == "b":
        return "true" if value else "false"
    return str(int(value))


@dataclass(frozen=True, slots=True)
class Index:
    """A place along an axis: a register and a constant added to it."""

    name: str
    offset: int = 0

    def __add__(self, offset: int) -> Index:
        return Index(self.name, self.offset + offset)


Place = int | Index
"""A place along an axis: known, or counted by a loop."""


@dataclass(eq=False)
class Frame:
    """The inside of a loop (or of the function): its text so far, and what is known in it."""

    depth: int
    lines: list[Any] = field(default_factory=list[Any])
    memo: dict[Any, str] = field(default_factory=dict[Any, str])
    group: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Buffer:
    """Elements in memory, in C order: where they begin, and from which depth on they are known."""

    pointer: str
    dtype: np.dtype[Any]
    depth: int = 0
    constant: bool = False


class Code:
    """One function in the making."""

    def __init__(self, module: Module, name: str, parameters: str, result: str = "i32") -> None:
        self.module = module
        self.name = name
        self.head = f"define {result} @{name}({parameters})"
        self.allocas: list[str] = []
        self.frames = [Frame(0)]
        self.depths: dict[str, int] = {}
        self.negative: set[str] = set()
        """Places that may be negative before their offset is added."""
        self.count = 0
        self.counted = ""
        """Where a status lies that only the run can tell."""

    # -- operations ------------------------------------------------------------------------------

    @property
    def depth(self) -> int:
        """How many loops are open."""
        return len(self.frames) - 1

    def fresh(self, prefix: str = "v") -> str:
        """A name that is not used yet."""
        self.count += 1
        return f"{prefix}{self.count}"

    def _append(self, text: str, depth: int) -> None:
        lines = self.frames[depth].lines
        if depth == self.depth:
            lines.append(text)
        else:
            lines.insert(len(lines) - 1, text)

    def depth_of(self, *operands: str | Place) -> int:
        """The depth from which on all of the operands are known."""
        depths = self.depths
        found = 0
        for operand in operands:
            name = operand.name if isinstance(operand, Index) else operand
            if isinstance(name, str):
                found = max(found, depths.get(name, 0))
        return found

    def _made(self, text: str, depth: int) -> str:
        """The register that an instruction gives, in the loop of a depth."""
        name = "%" + self.fresh()
        self._append(f"  {name} = {text}", depth)
        if depth:
            self.depths[name] = depth
        return name

    def op(self, text: str, *operands: str, tail: str = "", depth: int = 0) -> str:
        """The register of ``text operands``, for instance ``op("fadd double", a, b)``."""
        depth = max(depth, self.depth_of(*operands))
        return self._made(f"{text} {', '.join(operands)}{tail}", depth)

    def typed(self, text: str, *operands: tuple[str, str], tail: str = "", depth: int = 0) -> str:
        """The same for operands that are each written with their type: casts and selects."""
        depth = max(depth, self.depth_of(*(name for _, name in operands)))
        return self._made(f"{text} {_typed(operands)}{tail}", depth)

    def cast(self, how: str, source: str, operand: str, target: str) -> str:
        """``how source operand to target``: sitofp, fpext, zext, ..."""
        return self.op(f"{how} {source}", operand, tail=f" to {target}")

    def select(self, condition: str, kind: str, x: str, y: str) -> str:
        """x where the condition (an i1) holds, else y."""
        if condition == "true" or x == y:
            return x
        if condition == "false":
            return y
        return self.typed("select", ("i1", condition), (kind, x), (kind, y))

    def call(self, function: str, result: str, *operands: tuple[str, str], tail: str = "") -> str:
        """A call of a pure function."""
        depth = self.depth_of(*(name for _, name in operands))
        return self._made(f"call {result} @{function}({_typed(operands)}){tail}", depth)

    def intrinsic(self, name: str, kind: str, *operands: str) -> str:
        """An LLVM intrinsic all of whose operands and result have one type, such as llvm.sqrt."""
        suffix = {"double": "f64", "float": "f32"}.get(kind, kind)
        function = f"{name}.{suffix}"
        listed = ", ".join([kind] * len(operands))
        self.module.declare(function, f"declare {kind} @{function}({listed})")
        return self.call(function, kind, *((kind, operand) for operand in operands))

    def math(self, name: str, dtype: np.dtype[Any], *operands: str) -> str:
        """A function of the mathematical library, vectorised where there is such a variant."""
        kind = register(dtype)
        key = (name, dtype.name)
        found = self.module.math.get(key)
        if found is None:
            found = self.module.math[key] = self.module.mathlib.function(name, dtype)
            for symbol, text in found.declarations.items():
                self.module.declare(symbol, text)
        pairs = [(kind, operand) for operand in operands]
        return self.call(found.symbol, kind, *pairs, tail=f" {found.attributes}")

    def statement(self, text: str) -> None:
        """A line that has no result, here."""
        self.frames[-1].lines.append(f"  {text}")

    def here(self, text: str) -> str:
        """A register that is computed here, and not before any open loop."""
        return self.op(text, depth=self.depth)

    # -- control ---------------------------------------------------------------------------------

    def label(self, name: str) -> None:
        """Begin a block. The one before must have ended."""
        self.frames[-1].lines.append(f"{name}:")

    def leave_if(self, condition: str, status: Place, last: Sequence[str] = ()) -> None:
        """Return ``status`` where the condition (an i1) holds; ``last`` is done before."""
        out, on = self.fresh("out"), self.fresh("on")
        number = self.number(status)
        self.statement(f"br i1 {condition}, label %{out}, label %{on}")
        self.label(out)
        for line in last:
            self.statement(line)
        if isinstance(status, int):
            self.statement(f"br label %leave{'_' if status < 0 else ''}{abs(status)}")
        else:
            self.counted = self.counted or self.slot("i64")
            self.statement(f"store i64 {number}, ptr {self.counted}")
            self.statement("br label %leave")
        self.label(on)

    def slot(self, kind: str, count: int = 1, align: int = 8) -> str:
        """Memory on the stack, for the whole call."""
        name = "%" + self.fresh("s")
        many = f", i64 {count}" if count > 1 else ""
        self.allocas.append(f"  {name} = alloca {kind}{many}, align {align}")
        return name

    @contextmanager
    def loop(
        self,
        extent: int | str,
        *,
        start: int | str = 0,
        step: int = 1,
        parallel: bool = False,
        hints: Sequence[str] = (),
    ) -> Generator[Index]:
        """A loop that runs at least once; what is emitted inside is its body.

        ``parallel`` promises that no iteration reads what another writes.
        """
        counter = self.slot("i64")
        head, end = self.fresh("loop"), self.fresh("end")
        frame = Frame(self.depth + 1)
        if parallel:
            frame.group = self.module.meta("distinct !{}")
        self.frames[-1].lines.append(frame)
        self.frames.append(frame)
        self.statement(f"store i64 {start}, ptr {counter}")
        self.statement(f"br label %{head}")
        self.label(head)
        index = self.here(f"load i64, ptr {counter}")
        yield Index(index)
        after = self.here(f"add nuw nsw i64 {index}, {step}")
        self.statement(f"store i64 {after}, ptr {counter}")
        more = self.here(f"icmp slt i64 {after}, {extent}")
        notes = [*hints]
        if isinstance(extent, int) and isinstance(start, int) and _short(frame, extent - start):
            notes.append('!{!"llvm.loop.unroll.full"}')
        if isinstance(extent, int) and extent < 64 and len(frame.lines) > 200:
            notes.append('!{!"llvm.loop.vectorize.enable", i1 false}')
        if parallel:
            notes.append(f'!{{!"llvm.loop.parallel_accesses", {frame.group}}}')
        tail = ""
        if notes:
            nodes = ", ".join(self.module.meta(note) for note in notes)
            tail = f", !llvm.loop {self.module.meta(f'distinct !{{{{self}}, {nodes}}}')}"
        self.statement(f"br i1 {more}, label %{head}, label %{end}{tail}")
        self.frames.pop()
        self.label(end)

    @contextmanager
    def inside(self) -> Generator[None]:
        """A frame for code that may run never, once or often: what it holds is not known after."""
        frame = Frame(self.depth + 1)
        self.frames[-1].lines.append(frame)
        self.frames.append(frame)
        yield
        self.frames.pop()

    @contextmanager
    def part(self, size: int, chunk: int) -> Generator[tuple[str, str]]:
        """What is emitted inside becomes a function, called for chunks of places on many threads.

        Gives the first place of a chunk and the one after its last, of ``size`` places. Slots that
        are made inside belong to the call for one chunk.
        """
        frame = Frame(self.depth + 1)
        around = self.frames[-1]
        around.lines.append(frame)
        self.frames.append(frame)
        before = len(self.allocas)
        name = f"{self.name}_{self.fresh('chunk')}"
        start, stop = (f"%{self.fresh(each)}" for each in ("start", "stop"))
        self.depths |= {start: self.depth, stop: self.depth}
        yield start, stop
        self.frames.pop()
        new = self.allocas[before:]
        own = [line for line in new if " = alloca " in line]
        self.allocas[before:] = [line for line in new if " = alloca " not in line]
        known = [line for each in self.frames for line in each.lines if isinstance(line, str)]
        head = f"define internal void @{name}(ptr %env, i64 {start}, i64 {stop}) #0 {{"
        made = outline(head, own, _flattened(frame), [*self.allocas, *known], self.head)
        self.module.functions.append(made.text)
        environment = self.slot("i8", made.nbytes)
        assert around.lines.pop() is frame
        around.lines.extend(made.stores(environment, f"{self.fresh('e')}_"))
        self.module.declare(PARALLEL, f"declare void @{PARALLEL}(ptr, ptr, i64, i64)")
        given = f"ptr @{name}, ptr {environment}, i64 {size}, i64 {chunk}"
        self.statement(f"call void @{PARALLEL}({given})")

    # -- memory ----------------------------------------------------------------------------------

    def number(self, place: Place) -> str:
        """A place as a register of type i64."""
        if not isinstance(place, Index):
            return str(place)
        if not place.offset:
            return place.name
        return self.shared(("index", place), "add nsw i64", place.name, str(place.offset))

    def shared(self, key: Any, text: str, *operands: str) -> str:
        """An operation that is written once for a key, as long as the loops it depends on last."""
        depth = self.depth_of(*operands)
        memo = self.frames[depth].memo
        if key not in memo:
            memo[key] = self.op(text, *operands)
        return memo[key]

    def times(self, place: Place, factor: int) -> Place:
        """A place multiplied by a constant."""
        if factor == 1:
            return place
        if not isinstance(place, Index):
            return place * factor
        if factor == 0:
            return 0
        scaled = self.shared(("times", place.name, factor), "mul nsw i64", place.name, str(factor))
        if factor < 0 or place.name in self.negative:
            self.negative.add(scaled)
        return Index(scaled, place.offset * factor)

    def plus(self, x: Place, y: Place) -> Place:
        """The sum of two places."""
        if not isinstance(x, Index):
            return y + x
        if not isinstance(y, Index):
            return x + y
        key = ("plus", *sorted((x.name, y.name)))
        name = self.shared(key, "add nsw i64", x.name, y.name)
        if x.name in self.negative or y.name in self.negative:
            self.negative.add(name)
        return Index(name, x.offset + y.offset)

    def flat(self, places: Sequence[Place], strides: Sequence[int]) -> Place:
        """The element at these places of an array with these strides, in elements."""
        terms = [self.times(place, stride) for place, stride in zip(places, strides, strict=True)]
        known = sum(term for term in terms if not isinstance(term, Index))
        moving = sorted(
            (term for term in terms if isinstance(term, Index)),
            key=lambda term: self.depth_of(term),
        )
        total: Place = known
        for term in moving:
            total = self.plus(total, term)
        return total

    def address(self, buffer: Buffer, place: Place) -> str:
        """Pointer to an element."""
        kind = memory(buffer.dtype)
        offset = place.offset if isinstance(place, Index) else place
        name = place.name if isinstance(place, Index) else "0"
        depth = max(buffer.depth, self.depth_of(name, buffer.pointer))
        memo = self.frames[depth].memo
        key = ("address", buffer.pointer, place)
        if key not in memo:
            pointer = buffer.pointer
            steps = [name] if isinstance(place, Index) else []
            if offset:  # first where the other step goes back: in between, too, it is in bounds
                steps.insert(0 if name in self.negative else len(steps), str(offset))
            for count in steps:
                pointer = self._step(kind, pointer, count, depth)
            memo[key] = pointer
        return memo[key]

    def _step(self, kind: str, base: str, count: str, depth: int) -> str:
        depth = max(depth, self.depth_of(base, count))
        return self._made(f"getelementptr inbounds {kind}, ptr {base}, i64 {count}", depth)

    def load(self, buffer: Buffer, place: Place) -> str:
        """The register of an element. Loads rise out of loops: nothing there may write to it."""
        pointer = self.address(buffer, place)
        kind = memory(buffer.dtype)
        depth = max(self.depth_of(pointer), buffer.depth)
        group = self.frames[depth].group
        tail = f", align {buffer.dtype.alignment}"
        tail += f", !llvm.access.group {group}" if group else ""
        name = self.op(f"load {kind}, ptr", pointer, tail=tail, depth=depth)
        if buffer.dtype.kind == "b":
            return self.op("icmp ne i8", name, "0")
        return name

    def store(self, buffer: Buffer, place: Place, value: str) -> None:
        """Write an element, here."""
        pointer = self.address(buffer, place)
        kind = memory(buffer.dtype)
        if buffer.dtype.kind == "b":
            value = self.cast("zext", "i1", value, "i8")
        group = self.frames[-1].group
        tail = f", !llvm.access.group {group}" if group else ""
        self.statement(f"store {kind} {value}, ptr {pointer}, align {buffer.dtype.alignment}{tail}")

    # -- the end ---------------------------------------------------------------------------------

    def finish(
        self,
        statuses: Sequence[int],
        attributes: str = "",
        last: Sequence[str] = (),
        room: Callable[[int], str] = "alloca i8, i64 {}".format,
    ) -> None:
        """Close the function, with the ways out that ``leave_if`` took; each does ``last`` first.

        ``room`` gives memory for what the pieces of long code hand to each other.
        """
        top = self.frames[0].lines
        before = "".join(f"  {line}\n" for line in last)
        ways = [
            f"leave{'_' if status < 0 else ''}{abs(status)}:\n"
            + before.replace("{n}", f"{'m' if status < 0 else ''}{abs(status)}")
            + f"  ret i32 {status}"
            for status in statuses
        ]
        if self.counted:
            ways.append(
                f"leave:\n{before.replace('{n}', 'n')}  %counted = load i64, ptr {self.counted}\n"
                "  %status = trunc i64 %counted to i32\n  ret i32 %status"
            )
        lines: list[str] = []
        nests: list[tuple[int, int]] = []
        for line in (*self.allocas, *top):
            start = len(lines)
            if isinstance(line, Frame):
                lines += _flattened(line)
                nests.append((start, len(lines)))
            else:
                lines.append(line)
        lines += [line for way in ways for line in way.split("\n")]
        self.module.define(self.name, f"{self.head} {attributes}", lines, nests, room)


def _typed(operands: Sequence[tuple[str, str]]) -> str:
    """Operands, each with its type."""
    return ", ".join(f"{kind} {operand}" for kind, operand in operands)


def _short(frame: Frame, extent: int) -> bool:
    """Whether an innermost loop is so short that its iterations are better written out."""
    if any(isinstance(line, Frame) for line in frame.lines):
        return False
    return extent <= 8 and extent * len(frame.lines) <= 200


def _flattened(frame: Frame) -> list[str]:
    """The lines of a frame and of those within it."""
    lines: list[str] = []
    for line in frame.lines:
        lines.extend(_flattened(line) if isinstance(line, Frame) else [line])
    return lines
