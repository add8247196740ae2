"""From a Program to LLVM: the order of the code, where values lie, and the ways in and out."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import CompileError
from ..primitive import Primitive
from ..program import Atom, Equation, Literal, Program, Var
from .elements import Scope, converted
from .emit import Buffer, Code, Place, constant, is_compiled, memory
from .kernels import emit_kernel
from .mathlib import mathlib
from .memory import Arena, ways_in
from .module import Module
from .nests import Access, Order, Places, best, fill, loops
from .placement import Targets, homes
from .plan import Kernel, plan
from .report import Report
from .scalars import lowerable, operand_dtypes
from .shapes import native
from .views import Stored, row_major

__all__ = ["EVALUATE", "STEPS", "Lowering", "Targets", "Value", "step"]

EVALUATE = -3
"""The status of code that leaves a call to the evaluator: what is wrong there, it says better."""

Value = Stored | str
"""A value at the edge of a Program's code: in memory, or a number in a register."""

Rule = Callable[["Lowering", Scope, Equation, "Targets"], None]
STEPS: dict[Primitive, Rule] = {}
"""Code for the equations that are no loops over elements."""

STACK = 1 << 10
"""Values of up to this many bytes lie on the stack."""

STACKED = 1 << 17
"""Up to this many bytes in all: threads may have small stacks."""


def step(*primitives: Primitive) -> Callable[[Rule], Rule]:
    """Decorator: this function writes the code of the equations of these primitives."""

    def enter(rule: Rule) -> Rule:
        STEPS.update(dict.fromkeys(primitives, rule))
        return rule

    return enter


def can_lower(equation: Equation) -> bool:
    """Whether there is code for one element of an elementwise equation."""
    out = equation.outputs[0].type.dtype
    dtypes = operand_dtypes(equation)
    if any(not is_compiled(dtype) for dtype in (*dtypes, out)):
        return False
    return lowerable(equation, dtypes, out)


@contextmanager
def _named(equations: Sequence[Equation]) -> Generator[None, None, None]:
    """Name the equations in what goes wrong with them; the innermost ones of nested Programs."""
    try:
        yield
    except CompileError as error:
        if error.equation:
            raise
        raise CompileError(str(error), equation=_text(equations)) from error
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise CompileError(what, equation=_text(equations)) from error


def _text(equations: Sequence[Equation]) -> str:
    """Equations on one line each, without names: ``f64[3] = sin(f64[3])``."""
    lines: list[str] = []
    for each in equations[:3]:
        left = ", ".join(str(var.type) for var in each.outputs)
        operands = [str(atom.type) for atom in each.inputs]
        right = each.primitive.formula(operands, each.params).splitlines()
        lines.append(f"{left} = {right[0]}" if left else right[0])
    return "; ".join(lines)


class Lowering:
    """One object in the making: its code, its workspace, its constants, guards and callouts."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.module = Module(mathlib())
        self.code = Code(
            self.module, "body", "ptr noalias %inputs, ptr noalias %outputs, ptr noalias %work"
        )
        self.arena = Arena()
        self.on_stack = 0
        self.constants: list[np.ndarray[Any, Any]] = []
        self.callouts: list[Equation] = []
        self.statuses: set[int] = set()
        self.guards = 0
        """Guards of the Program at hand so far: those before it are in ``passed``."""
        self.passed: Place = 0
        self.work = 0
        self.report = Report()
        self._constants: dict[int, Stored] = {}
        self._literals: list[Literal] = []
        self._slot = ""
        self.cleanups: list[str] = []

    # -- memory ----------------------------------------------------------------------------------

    def memory(
        self, lengths: Sequence[int], dtype: np.dtype[Any]
    ) -> tuple[Stored, tuple[int, int] | None]:
        """Memory for a value, and the part of the workspace that it takes."""
        shape = tuple(lengths)
        size = math.prod(shape)
        if dtype.kind not in "biufc":
            raise CompileError(f"values of {dtype} have no native code")
        nbytes = size * dtype.itemsize
        if nbytes <= STACK and self.on_stack + nbytes <= STACKED:
            self.on_stack += nbytes
            pointer = self.code.slot(f"[{max(size, 1) * dtype.itemsize} x i8]", align=64)
            buffer = Buffer(pointer, dtype, self.code.depth)
            self.report.placed(pointer, "stack")
            return Stored(buffer, shape, row_major(shape)), None
        part = self.arena.take(nbytes)
        pointer = "%" + self.code.fresh("w")
        self.code.allocas.append(f"  {pointer} = getelementptr i8, ptr %work, i64 {part[0]}")
        self.report.placed(pointer, "workspace")
        # What is written again and again in a loop is read where it was written.
        buffer = Buffer(pointer, dtype, self.code.depth)
        return Stored(buffer, shape, row_major(shape)), part

    def constant(self, literal: Literal) -> Stored:
        """A constant array: a further input of the function."""
        value = np.ascontiguousarray(literal.value)
        found = self._constants.get(id(literal))
        if found is None:
            self._literals.append(literal)
            number = len(self.program.inputs) + len(self.constants)
            self.constants.append(value)
            pointer = self._pointer("%inputs", number)
            found = Stored(
                Buffer(pointer, value.dtype), literal.type.shape, row_major(literal.type.shape)
            )
            self._constants[id(literal)] = found
        return found

    def _pointer(self, table: str, number: int) -> str:
        """The data pointer at a place of the table of inputs or outputs."""
        place, pointer = "%" + self.code.fresh("p"), "%" + self.code.fresh("p")
        self.code.allocas.append(f"  {place} = getelementptr ptr, ptr {table}, i64 {number}")
        self.code.allocas.append(f"  {pointer} = load ptr, ptr {place}, align 8")
        return pointer

    # -- the whole function ----------------------------------------------------------------------

    def run(self) -> str:
        """The text of the module."""
        values: list[Value] = []
        for number, var in enumerate(self.program.inputs):
            pointer = self._pointer("%inputs", number)
            stored = Stored(
                Buffer(pointer, var.type.dtype), var.type.shape, row_major(var.type.shape)
            )
            scalar = not var.type.shape and is_compiled(var.type.dtype)
            values.append(self.code.load(stored.buffer, 0) if scalar else stored)
        outputs = [
            Stored(
                Buffer(self._pointer("%outputs", number), atom.type.dtype),
                atom.type.shape,
                row_major(atom.type.shape),
            )
            for number, atom in enumerate(self.program.outputs)
        ]
        for output in outputs:
            self.report.placed(output.buffer.pointer, "result")
        results = self.scope(self.program, values, outputs)
        for result, output in zip(results, outputs, strict=True):
            self.deliver(result, output)
        self.statuses.add(0)
        self.code.statement("br label %leave0")
        self.code.finish(sorted(self.statuses), "#0", self.cleanups, self._room)
        ways_in(self.module, self.arena.size)
        return self.module.text()

    def _room(self, nbytes: int) -> str:
        """Room in the workspace for the whole call, as an operand."""
        offset = self.arena.keep(nbytes)
        return f"getelementptr i8, ptr %work, i64 {offset}"

    # -- the code of a Program -------------------------------------------------------------------

    def scope(
        self,
        program: Program,
        values: Sequence[Value],
        outputs: Sequence[Stored | None] = (),
        owned: Sequence[Var] = (),
    ) -> list[Value]:
        """Write the code of a Program here; the values of its outputs.

        An output that is computed in memory is computed in ``outputs[i]`` where that is given.
        The memory of the inputs in ``owned`` may be written to after their last use.
        """
        made = plan(program, can_lower)
        self.report.begin(program, made)
        scope = Scope(self.code, program, self.constant, made)
        for var, value in zip(program.inputs, values, strict=True):
            if isinstance(value, str):
                scope.registers[var] = value
            else:
                scope.stored[var] = value
        scope.owned.update(owned)
        found = homes(program, made.virtual, made.stored, made.readers)
        targets = Targets(found, self.memory, self.arena.give)
        computed = {*made.stored, *(home.whole for home in targets.homes.values())}
        for atom, output in zip(program.outputs, outputs, strict=False):
            if isinstance(atom, Var) and output is not None and atom in computed:
                targets.given.setdefault(atom, output)
        ends: dict[int, list[Var]] = {}
        for var, unit in made.last.items():
            ends.setdefault(unit, []).append(var)
        numbers = self._numbers(scope)
        for number, unit in enumerate(made.units):
            numbers(number)
            self.report.unit(unit)
            with _named(unit.roots if isinstance(unit, Kernel) else [unit.equation]):
                if isinstance(unit, Kernel):
                    self._kernel(scope, unit, targets)
                else:
                    self._step(scope, unit.equation, targets)
            for var in ends.get(number, ()):
                targets.end(var)
        numbers(len(made.units))
        results = [self._result(scope, atom) for atom in program.outputs]
        for var in list(targets.parts):
            targets.end(var)
        self.report.end(scope)
        return results

    def _numbers(self, scope: Scope) -> Callable[[int], None]:
        """What is not looped over is computed in order, as soon as it can be: nothing is nested."""
        waiting: dict[int, list[Var]] = {}
        for var, ready in scope.plan.at_once:
            waiting.setdefault(ready, []).append(var)

        def compute(number: int) -> None:
            for var in waiting.pop(number, ()):
                for places in np.ndindex(var.type.shape):
                    scope.element(var, places)

        return compute

    def _result(self, scope: Scope, atom: Atom) -> Value:
        if not atom.type.shape and is_compiled(atom.type.dtype):
            return scope.element(atom, ())
        return self._found(scope, atom) or self.copied(scope, atom)

    def _found(self, scope: Scope, atom: Atom) -> Stored | None:
        """Where a value lies in memory. A constant number that no register holds lies there too."""
        if isinstance(atom, Literal) and not is_compiled(atom.type.dtype):
            return self.constant(atom)
        return scope.where(atom)

    @contextmanager
    def lent(self) -> Generator[Callable[[Sequence[int], np.dtype[Any]], Stored]]:
        """What gives memory for what is emitted inside."""
        taken: list[tuple[int, int]] = []

        def memory(lengths: Sequence[int], dtype: np.dtype[Any]) -> Stored:
            stored, part = self.memory(lengths, dtype)
            taken.extend([part] if part is not None else [])
            return stored

        yield memory
        for part in taken:
            self.arena.give(part)

    def _kernel(self, scope: Scope, kernel: Kernel, targets: Targets) -> None:
        places: dict[Var, Stored] = {}
        for equation in kernel.roots:
            out = equation.outputs[0]
            if out in scope.plan.stored and out.type.shape:
                places[out] = targets.place(out)
        with self.lent() as memory:
            self.report.divided(kernel, emit_kernel(scope, kernel, places, memory))
        for equation in kernel.roots:
            out = equation.outputs[0]
            if out in places:
                scope.stored[out] = places[out]

    def _step(self, scope: Scope, equation: Equation, targets: Targets) -> None:
        rule = STEPS.get(equation.primitive)
        if rule is None or not native(equation):
            rule = STEPS[_CALLOUT]
        rule(self, scope, equation, targets)

    # -- values for steps ------------------------------------------------------------------------

    def stored(self, scope: Scope, atom: Atom) -> Stored:
        """A value in memory, contiguous; it is copied there if it is not."""
        found = self._found(scope, atom)
        if found is not None and found.contiguous:
            return found
        return self.copied(scope, atom)

    def copied(self, scope: Scope, atom: Atom) -> Stored:
        """A copy of a value, contiguous."""
        copy, _ = self.memory(atom.type.shape, atom.type.dtype)
        if not atom.type.shape:
            self.code.store(copy.buffer, 0, scope.element(atom, ()))
            return copy
        self.put(scope, atom, copy)
        return copy

    def put(self, scope: Scope, atom: Atom, target: Stored) -> None:
        """Put a value into memory, with the dtype that it has there."""
        value = atom.value if isinstance(atom, Literal) else None
        same = atom.type.dtype == target.buffer.dtype
        if same and value is not None and is_compiled(atom.type.dtype) and _uniform(value):
            fill(self.code, target, constant(np.ravel(value)[0], atom.type.dtype))
            return
        found = self._found(scope, atom)
        if found is not None and same:
            self.copy(found, target)
        else:
            self.write_out(scope, atom, target)

    def write_out(self, scope: Scope, atom: Atom, target: Stored) -> None:
        """Write the elements of a value into memory, one by one."""
        code, source, dtype = self.code, atom.type.dtype, target.buffer.dtype

        def body(places: Places) -> None:
            value = converted(code, scope.element(atom, places), source, dtype)
            code.store(target.buffer, code.flat(places, target.strides) + target.offset, value)

        loops(code, target.shape, body, parallel=True, tail=scope.tail(atom))

    def copy(self, source: Stored, target: Stored) -> None:
        """Copy a value in memory."""
        code = self.code
        if source.contiguous and target.contiguous:
            self.copy_bytes(source, target)
            return

        def body(places: Places) -> None:
            a = code.flat(places, source.strides) + source.offset
            b = code.flat(places, target.strides) + target.offset
            code.store(target.buffer, b, self.read(source.buffer, a))

        loops(code, source.shape, body, parallel=True, order=_order(source, target))

    def copy_bytes(self, source: Stored, target: Stored) -> None:
        """Copy what is contiguous."""
        code = self.code
        nbytes = math.prod(source.shape) * source.buffer.dtype.itemsize
        if not nbytes:
            return
        a = code.address(source.buffer, source.offset)
        b = code.address(target.buffer, target.offset)
        self.module.declare("memmove", "declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)")
        code.statement(
            f"call void @llvm.memmove.p0.p0.i64(ptr {b}, ptr {a}, i64 {nbytes}, i1 false)"
        )

    def read(self, buffer: Buffer, place: Any) -> str:
        """An element, read here and not before."""
        code = self.code
        pointer = code.address(buffer, place)
        kind = memory(buffer.dtype)
        group = code.frames[-1].group
        tail = f", !llvm.access.group {group}" if group else ""
        name = code.here(f"load {kind}, ptr {pointer}, align {buffer.dtype.alignment}{tail}")
        return code.op("icmp ne i8", name, "0") if buffer.dtype.kind == "b" else name

    def pointer_of_slot(self) -> str:
        """Where the value of a guard that does not hold goes."""
        if not self._slot:
            self._slot = self._pointer("%outputs", len(self.program.outputs))
        return self._slot

    def in_place(
        self, scope: Scope, equation: Equation, x: Atom, targets: Targets, *, single: bool = False
    ) -> Stored | None:
        """The memory of x, if this equation is the last that needs it and may write to it.

        A ``single`` element is computed before it is written, so x may be read for that.
        """
        out = equation.outputs[0]
        found = scope.stored.get(x) if isinstance(x, Var) else None
        if not isinstance(x, Var) or found is None or x.type != out.type:
            return None
        wanted = targets.wanted(out)
        there = wanted is not None and found.same(wanted)
        if not there and (wanted is not None or not found.contiguous):
            return None
        read = equation.inputs[2:] if single else equation.inputs[1:]
        free = (
            scope.plan.last.get(x) == scope.plan.unit_of[out]
            and all(atom is not x for atom in equation.inputs[1:])
            and not scope.reads(read, x)
            and (x in targets.given or x in scope.owned)
        )
        if there and not free:
            raise CompileError("a value lies where another is wanted, and is still needed")
        if not free:
            return None
        if x in scope.owned:
            scope.owned.add(out)
        targets.hand_over(x, out)
        targets.given[out] = found
        return found

    def deliver(self, value: Value, target: Stored) -> None:
        """Put a value where it is wanted, if it is not there."""
        if isinstance(value, str):
            self.code.store(target.buffer, target.offset, value)
        elif not value.same(target):
            self.copy(value, target)

    def leave_if(self, condition: str, status: Place, last: Sequence[str] = ()) -> None:
        """Return with a status where a condition holds; ``last`` is done before."""
        if isinstance(status, int):
            self.statuses.add(status)
        self.code.leave_if(condition, status, last)

    @contextmanager
    def rounds(self, place: Place, length: int, guards: int) -> Generator[None]:
        """What is written inside is a round of a loop, with so many guards."""
        before, outside = self.guards, self.passed
        self.passed = self.code.plus(
            self.code.plus(outside, before), self.code.times(place, guards)
        )
        self.guards = 0
        yield
        self.passed, self.guards = outside, before + length * guards


def _uniform(value: Any) -> bool:
    """Whether the elements of a constant are all the same, zeros in their sign too."""
    array = np.ravel(value)
    same = array.size and np.all(array == array[0])
    return bool(same) and (array[0] != 0 or not np.any(np.signbit(array)))


def _order(source: Stored, target: Stored) -> Order:
    """In which order to copy from one place to another."""
    size = math.prod(source.shape)
    return best(source.shape, [Access(each.strides, size) for each in (source, target)])


class _Callout:
    """Stands in ``STEPS`` for every primitive that has no code."""


_CALLOUT: Any = _Callout()


@step(_CALLOUT)
def call_out(lowering: Lowering, scope: Scope, equation: Equation, targets: Targets) -> None:
    """Let the evaluator run an equation: a call back into Python."""
    code = lowering.code
    stored = [lowering.stored(scope, atom) for atom in equation.inputs]
    made = [targets.of(var) for var in equation.outputs]
    table = code.slot(f"[{max(1, len(stored) + len(made))} x ptr]")
    for number, value in enumerate([*stored, *made]):
        address = code.address(value.buffer, value.offset)
        place = code.here(f"getelementptr ptr, ptr {table}, i64 {number}")
        code.statement(f"store ptr {address}, ptr {place}")
    lowering.module.declare("wengert_callout", "declare i32 @wengert_callout(i64, ptr)")
    number = len(lowering.callouts)
    lowering.callouts.append(equation)
    status = code.here(f"call i32 @wengert_callout(i64 {number}, ptr {table})")
    lowering.leave_if(code.here(f"icmp ne i32 {status}, 0"), -1)
    for var, value in zip(equation.outputs, made, strict=True):
        if not var.type.shape and is_compiled(var.type.dtype):
            scope.registers[var] = lowering.read(value.buffer, value.offset)
        else:
            scope.stored[var] = value
    lowering.report.note(equation, "callout")
