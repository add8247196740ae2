"""From a Program to LLVM: the order of the code, where values lie, and the ways in and out."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import CompileError
from ..primitive import Primitive
from ..primitives.shape import concatenate
from ..program import Atom, Equation, Literal, Program, Var
from .elements import Scope, Stored, row_major
from .emit import Buffer, Code, Module, is_compiled, memory
from .kernels import emit_kernel
from .mathlib import mathlib
from .memory import Arena
from .plan import Kernel, Plan, Step, plan
from .report import Report
from .scalars import lowerable, operand_dtypes
from .shapes import native

__all__ = ["EVALUATE", "STEPS", "Lowering", "Value", "step"]

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


class Targets:
    """Where the results of a Program's equations go: memory that is given, or the workspace."""

    def __init__(self, lowering: Lowering) -> None:
        self.lowering = lowering
        self.given: dict[Var, Stored] = {}
        self.parts: dict[Var, tuple[int, int]] = {}
        self.within: dict[Var, tuple[Var, int]] = {}
        """Values that are computed where they are wanted: in a part of another's memory."""

    def of(self, var: Var) -> Stored:
        """Memory for a value."""
        if var not in self.given and var in self.within:
            whole, start = self.within[var]
            outer = self.of(whole)
            shape = var.type.shape
            self.given[var] = Stored(outer.buffer, shape, row_major(shape), outer.offset + start)
        if var not in self.given:
            stored, part = self.lowering.memory(var.type.shape, var.type.dtype)
            self.given[var] = stored
            if part is not None:
                self.parts[var] = part
        return self.given[var]

    def join(self, equation: Equation, plan: Plan) -> None:
        """Let the parts of a concatenation be computed in its memory, if each is in one piece."""
        axis = equation.params["axis"]
        out = equation.outputs[0]
        start = 0
        for atom in equation.inputs:
            size = atom.type.size
            if (
                isinstance(atom, Var)
                and math.prod(out.type.shape[:axis]) == 1
                and atom.type.dtype == out.type.dtype
                and (atom in plan.stored or (atom in plan.unit_of and atom not in plan.virtual))
                and atom.type.shape
                and atom not in self.given
                and plan.readers[atom] == 1
                and plan.last.get(atom, 0) < len(plan.units)
            ):
                self.within[atom] = out, start
            start += size

    def hand_over(self, var: Var, to: Var) -> None:
        """The memory of one value becomes that of another."""
        part = self.parts.pop(var, None)
        if part is not None:
            self.parts[to] = part

    def end(self, var: Var) -> None:
        """Nothing reads the value any more."""
        part = self.parts.pop(var, None)
        if part is not None:
            self.lowering.arena.give(part)


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
        self._ways_in()
        return self.module.text()

    def _room(self, nbytes: int) -> str:
        """Room in the workspace for the whole call, as an operand."""
        offset = self.arena.keep(nbytes)
        return f"getelementptr i8, ptr %work, i64 {offset}"

    def _ways_in(self) -> None:
        size = self.arena.size
        declare = self.module.declare
        declare("#0", 'attributes #0 = { nounwind "prefer-vector-width"="512" }')
        if not size:
            self.module.functions.append(
                "define i32 @kernel(ptr %inputs, ptr %outputs) #0 {\n"
                "  %status = call i32 @body(ptr %inputs, ptr %outputs, ptr null)\n"
                "  ret i32 %status\n}\n"
                "define void @release() #0 {\n  ret void\n}"
            )
            return
        declare("malloc", "declare ptr @malloc(i64)")
        declare("free", "declare void @free(ptr)")
        declare("@workspace", "@workspace = internal global ptr null")
        self.module.functions.append(
            f"""define i32 @kernel(ptr %inputs, ptr %outputs) #0 {{
  %kept = atomicrmw xchg ptr @workspace, ptr null acquire
  %none = icmp eq ptr %kept, null
  br i1 %none, label %make, label %go
make:
  %made = call ptr @malloc(i64 {size + 64})
  %failed = icmp eq ptr %made, null
  br i1 %failed, label %out, label %go
out:
  ret i32 -2
go:
  %base = phi ptr [ %kept, %0 ], [ %made, %make ]
  %number = ptrtoint ptr %base to i64
  %up = add i64 %number, 63
  %even = and i64 %up, -64
  %work = inttoptr i64 %even to ptr
  %status = call i32 @body(ptr %inputs, ptr %outputs, ptr %work)
  %other = atomicrmw xchg ptr @workspace, ptr %base release
  %lone = icmp eq ptr %other, null
  br i1 %lone, label %done, label %drop
drop:
  call void @free(ptr %other)
  br label %done
done:
  ret i32 %status
}}
define void @release() #0 {{
  %kept = atomicrmw xchg ptr @workspace, ptr null acquire
  call void @free(ptr %kept)
  ret void
}}"""
        )

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
        targets = Targets(self)
        for atom, output in zip(program.outputs, outputs, strict=False):
            if isinstance(atom, Var) and output is not None and atom in made.stored:
                targets.given.setdefault(atom, output)
        for unit in made.units:
            if isinstance(unit, Step) and unit.equation.primitive is concatenate:
                targets.join(unit.equation, made)
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
        stored = self._found(scope, atom)
        if stored is None:
            raise CompileError("a result has no place in memory")
        return stored

    def _found(self, scope: Scope, atom: Atom) -> Stored | None:
        """Where a value lies in memory. A constant number that no register holds lies there too."""
        if isinstance(atom, Literal) and not is_compiled(atom.type.dtype):
            return self.constant(atom)
        return scope.where(atom)

    def _kernel(self, scope: Scope, kernel: Kernel, targets: Targets) -> None:
        places: dict[Var, Stored] = {}
        for equation in kernel.roots:
            out = equation.outputs[0]
            if out in scope.plan.stored and out.type.shape:
                places[out] = targets.of(out)
        taken: list[tuple[int, int]] = []

        def memory(lengths: Sequence[int], dtype: np.dtype[Any]) -> Stored:
            stored, part = self.memory(lengths, dtype)
            taken.extend([part] if part is not None else [])
            return stored

        self.report.divided(kernel, emit_kernel(scope, kernel, places, memory))
        for part in taken:
            self.arena.give(part)
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
        copy, _ = self.memory(atom.type.shape, atom.type.dtype)
        if not atom.type.shape:
            self.code.store(copy.buffer, 0, scope.element(atom, ()))
            return copy
        if found is not None:
            self.copy(found, copy)
        else:
            self.write_out(scope, atom, copy)
        return copy

    def write_out(self, scope: Scope, atom: Atom, target: Stored) -> None:
        """Write the elements of a virtual value into memory."""
        code = self.code

        def level(axis: int, places: tuple[Any, ...]) -> None:
            if axis == len(target.shape):
                place = code.flat(places, target.strides) + target.offset
                code.store(target.buffer, place, scope.element(atom, places))
            elif target.shape[axis] == 1:
                level(axis + 1, (*places, 0))
            else:
                inner = axis == len(target.shape) - 1
                with code.loop(target.shape[axis], parallel=inner) as i:
                    level(axis + 1, (*places, i))

        if math.prod(target.shape):
            level(0, ())

    def copy(self, source: Stored, target: Stored) -> None:
        """Copy a value in memory."""
        code = self.code
        if not math.prod(source.shape):
            return
        if source.contiguous and target.contiguous:
            self.copy_bytes(source, target)
            return

        def level(axis: int, places: tuple[Any, ...]) -> None:
            if axis == len(source.shape):
                a = code.flat(places, source.strides) + source.offset
                b = code.flat(places, target.strides) + target.offset
                code.store(target.buffer, b, self.read(source.buffer, a))
                return
            if source.shape[axis] == 1:
                level(axis + 1, (*places, 0))
                return
            inner = axis == len(source.shape) - 1
            with code.loop(source.shape[axis], parallel=inner) as i:
                level(axis + 1, (*places, i))

        level(0, ())

    def copy_bytes(self, source: Stored, target: Stored) -> None:
        """Copy what is contiguous."""
        code = self.code
        nbytes = math.prod(source.shape) * source.buffer.dtype.itemsize
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

    def keep(self, literal: Literal) -> None:
        """Keep a literal alive: constants are known by their identity."""
        self._literals.append(literal)

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
        if not isinstance(x, Var) or out in targets.given or x.type != out.type:
            return None
        unit = scope.plan.unit_of[out]
        found = scope.stored.get(x)
        if found is None or not found.contiguous or scope.plan.last.get(x) != unit:
            return None
        read = equation.inputs[2:] if single else equation.inputs[1:]
        if any(atom is x for atom in equation.inputs[1:]) or scope.reads(read, x):
            return None
        if x not in targets.given and x not in scope.owned:
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
        elif value.buffer is not target.buffer or value.offset != target.offset:
            self.copy(value, target)

    def leave_if(self, condition: str, status: int) -> None:
        """Return with a status where a condition holds."""
        self.statuses.add(status)
        self.code.leave_if(condition, status)


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
