"""Executables: Programs that can be run, by the evaluator at first and natively when compiled.

An executable keeps the derivatives and the batched forms of its Program, which are executables
too. Where nothing can be compiled it stays with the evaluator, and says so once.
"""

from __future__ import annotations

import os
import struct
import time
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import transforms
from ..errors import CompileError, GuardFailed
from ..evaluate import Evaluator
from ..forks import compiling, lock
from ..primitives.guard import guard
from ..program import Array, Program, Type
from ..transforms.simplify import eliminate_dead_code, simplify
from . import worker

__all__ = ["Executable", "executable", "wait_by_default"]


def wait_by_default() -> bool:
    """Whether the environment (``WENGERT_JIT_WAIT``) asks that compilations are waited for."""
    return os.environ.get("WENGERT_JIT_WAIT", "0") not in ("", "0")


class Executable:
    """A Program that can be run: ``run(values)``; natively once ``native`` is there.

    One that was just recorded (not ``simplified``) is simplified when that is needed, which it is
    not where its code is found on disk.
    """

    def __init__(
        self, program: Program, name: str = "function", *, simplified: bool = True
    ) -> None:
        self.recorded = program
        self.name = name
        self._simplified = [program] if simplified else []
        self.native: Any = None
        self.failure: str | None = None
        self.missing = False
        self.seconds = 0.0
        self.done = False
        self._evaluator: Evaluator | None = None
        self._entry: Any = None
        self._derived: dict[Any, Executable] = {}
        self._guarded: list[Type] | None = None
        self._lock = lock()
        self._submitted = False
        self._compiling = False
        self._waits = False

    @property
    def program(self) -> Program:
        """The simplified Program."""
        if not self._simplified:
            # Another thread may be first. A lock would be a danger where the process forks.
            self._simplified.append(simplify(self.recorded))
            _executables[id(self._simplified[0])] = self
        return self._simplified[0]

    def run(self, values: Sequence[Array]) -> list[Array]:
        """The outputs; GuardFailed where a guard does not hold."""
        native = self.native
        if native is not None:
            return self._run_native(native, values)
        evaluator = self._evaluator
        if evaluator is None:
            evaluator = self._evaluator = Evaluator(self.program)
        return evaluator.run(values)

    def _run_native(self, native: Any, values: Sequence[Array]) -> list[Array]:
        if self._entry is None:
            self._entry = _entry(native) or _no_entry
        found = self._entry(*values)
        if type(found) is tuple:
            return list(found)
        if type(found) is bytes:
            status, slot = struct.unpack_from("<q", found)[0], found[8:]
            if status > 0:
                raise self._failed_guard(status - 1, slot, values)
        try:
            return native.run(values)
        except GuardFailed as failure:
            slot = np.asarray(failure.value).tobytes()
            raise self._failed_guard(failure.index or 0, slot, values) from None

    def _failed_guard(self, index: int, slot: bytes, values: Sequence[Array]) -> GuardFailed:
        """The failure of a guard with its value: from the slot, where it is one real number there.

        Values of arrays and complex numbers are evaluated.
        """
        if self._guarded is None:
            equations = self.recorded.equations
            self._guarded = [e.inputs[0].type for e in equations if e.primitive is guard]
        type = self._guarded[index]
        if not type.shape and type.dtype.kind != "c" and type.dtype.itemsize <= len(slot):
            return GuardFailed(index, np.frombuffer(slot, type.dtype, 1)[0])
        try:
            Evaluator(self.program).run(values)
        except GuardFailed as failure:
            return failure
        return GuardFailed(None, None)

    @property
    def state(self) -> str:
        """How it is run: native, failed, compiling, waiting, or evaluated (until its next use)."""
        if self.native is not None:
            return "native"
        if self.failure is not None:
            return "failed"
        if self._compiling:
            return "compiling"
        return "waiting" if self._submitted else "evaluated"

    def derived(self) -> list[Executable]:
        """Those of its derivatives and batched forms."""
        with self._lock:
            return list(self._derived.values())

    def compile_all(self) -> None:
        """Compile this and all that has been derived from it."""
        self.compile()
        for each in self.derived():
            each.compile_all()

    def start(self, wait: bool) -> Executable:
        """Compile: here if ``wait``, in the background otherwise."""
        self._waits = wait
        if wait or wait_by_default():
            self.compile()
        elif not self._submitted:
            self._submitted = True
            worker.submit(self)
        return self

    def compile(self) -> None:
        """Compile now, if that has not been done; a failure leaves the evaluator in place."""
        with compiling:
            if self.done:
                return
            start = time.perf_counter()
            self._compiling = True
            try:
                from ..compile import build, machine
                from ..compile.entry import ready

                machine.load()
                ready()
                self.native = build(self.recorded, lambda: self.program)
                self._evaluator = None
            except Exception as error:  # a fault of ours must not reach the user
                self.missing = any(
                    isinstance(each, ImportError) for each in (error, error.__cause__)
                )
                kind = "" if isinstance(error, CompileError) else f"{type(error).__name__}: "
                text = str(error).splitlines()[0] if self.missing else str(error)
                self.failure = f"{kind}{text}"
            finally:
                if self._simplified:
                    self.recorded = self._simplified[0]
                self.seconds = time.perf_counter() - start
                self._compiling = False
                self.done = True

    # -- derived executables ---------------------------------------------------------------------

    def _derive(self, key: Any, make: Any, kind: str) -> Executable:
        with self._lock:
            found = self._derived.get(key)
        if found is None:
            found = executable(make(), f"{kind} of {self.name}").start(self._waits)
            with self._lock:
                found = self._derived.setdefault(key, found)
        return found

    def jvp(self) -> Executable:
        """Of the Program whose outputs are the tangents of the differentiable outputs."""

        def make() -> Program:
            pushed = transforms.jvp(unguarded(self.program))
            return simplify(_with_outputs(pushed, pushed.outputs[len(self.program.outputs) :]))

        return self._derive("jvp", make, "the forward derivative")

    def vjp(self, active: tuple[bool, ...]) -> Executable:
        """Of the Program whose outputs are the cotangents of the inputs that are ``active``."""

        def make() -> Program:
            pulled = transforms.vjp(unguarded(self.program))
            cotangents = iter(pulled.outputs[len(self.program.outputs) :])
            moving = [var.type.differentiable for var in self.program.inputs]
            found = [next(cotangents) if moves else None for moves in moving]
            kept = [a for a, wanted in zip(found, active, strict=True) if wanted and a is not None]
            return simplify(_with_outputs(pulled, kept))

        return self._derive(("vjp", active), make, "the reverse derivative")

    def vmap(self, size: int, batched: tuple[bool, ...]) -> Executable:
        """Of the Program for a batch."""

        def make() -> Program:
            return simplify(transforms.vmap(self.program, size, batched))

        return self._derive(("vmap", size, batched), make, "the batched form")


def _no_entry(*values: Array) -> None:
    """In place of an entry: no call is for it."""


def _entry(native: Any) -> Any:
    """A builtin function from the inputs to a tuple of the outputs, if there can be one."""
    from ..compile.entry import Argument, entry

    program = native.program
    if any(type.dtype.char not in "?bhilqBHILQfdFD" for type in program.input_types):
        return None
    arguments = [
        Argument.array(type) if type.shape else Argument.scalar(type.dtype)
        for type in program.input_types
    ]
    try:
        return entry(native, arguments, program.output_types, report=True)
    except CompileError:
        return None


def _with_outputs(program: Program, outputs: Sequence[Any]) -> Program:
    return Program(program.inputs, program.equations, tuple(outputs))


def unguarded(program: Program) -> Program:
    """The Program without its guards, for values that are known to fulfil them."""
    kept = tuple(e for e in program.equations if e.primitive is not guard)
    if len(kept) == len(program.equations):
        return program
    return eliminate_dead_code(Program(program.inputs, kept, program.outputs))


_executables: weakref.WeakValueDictionary[int, Executable] = weakref.WeakValueDictionary()


def executable(program: Program, name: str = "function") -> Executable:
    """The executable of this very Program: the one that there is, or a new one."""
    found = _executables.get(id(program))
    if found is None or found.program is not program:
        found = _executables[id(program)] = Executable(program, name)
    return found


def unbox(value: Array) -> Array:
    """A NumPy scalar for an array without axes."""
    return value[()] if isinstance(value, np.ndarray) and not value.shape else value
