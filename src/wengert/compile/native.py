"""A Program as native code: built, linked, and called."""

from __future__ import annotations

import ctypes
import gc
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, cast

import numpy as np

from ..errors import CompileError, GuardFailed, ShapeError
from ..evaluate import Evaluator
from ..forks import compiling
from ..program import Array, Equation, Program, Type
from . import composed, control, convolutions, lapack, loops, products, sorting, steps
from .artefact import Artefact, kept, made
from .lower import EVALUATE, Lowering
from .machine import link
from .mathlib import used
from .report import Report
from .rewrite import rewritten
from .work import operations

__all__ = ["Native", "build", "lowered"]

_KERNEL = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64, ctypes.c_void_p)

SLOT = 16
"""Bytes for the value of a guard that does not hold."""


class Native:
    """The native code of one Program.

    ``address`` is that of a C function ``int32_t kernel(void **inputs, void **outputs)``; the
    tables hold data pointers: of the Program's inputs and then of ``constants``; of its outputs and
    then of a slot for the value of a guard that does not hold. It returns 0, or the number of that
    guard (from 1), or -1 after an exception in Python, which ``take_error`` gives, -2 for want of
    memory, -3 where it leaves the call to the evaluator: an index is out of bounds, a matrix has no
    inverse, ... ``run`` then evaluates the Program, which raises the exception that belongs there.
    """

    def __init__(self, program: Program, artefact: Artefact) -> None:
        self.program = program
        self.object = artefact.code
        self.constants = artefact.constants
        self.callouts = len(artefact.equations)
        self.work = artefact.work
        self._equations = artefact.equations
        self._errors = threading.local()
        imports = artefact.imports()
        if self.callouts:
            # It refers to this object, which then ends by garbage collection only.
            self._callback = _CALLBACK(self._call_out)
            address = ctypes.cast(self._callback, ctypes.c_void_p).value
            assert address is not None
            imports["wengert_callout"] = address
        self._library = link(self.object, imports, ["kernel"], last="release")
        self.address = self._library["kernel"]
        self._kernel = _KERNEL(self.address)

    @cached_property
    def _lowered(self) -> tuple[Lowering, str]:
        return lowered(self.program)

    @property
    def ir(self) -> str:
        """The text that LLVM was given."""
        return self._lowered[1]

    @property
    def report(self) -> Report:
        """What became of each equation."""
        return self._lowered[0].report

    # -- calls back into Python ------------------------------------------------------------------

    def _call_out(self, number: int, table: int) -> int:
        try:
            equation = self._equations[number]
            count = len(equation.inputs)
            pointers = (ctypes.c_void_p * (count + len(equation.outputs))).from_address(table)
            views = [
                _view(pointers[i], atom.type)
                for i, atom in enumerate((*equation.inputs, *equation.outputs))
            ]
            # A function of the user's may keep what it is given, for longer than there is memory.
            _run_equation(equation, [view.copy() for view in views[:count]], views[count:])
        except BaseException as error:
            self._errors.error = error
            return 1
        return 0

    def take_error(self) -> BaseException:
        """The exception that ended the last call of this thread."""
        error = getattr(self._errors, "error", None)
        self._errors.error = None
        return error if error is not None else CompileError("compiled code reported no exception")

    # -- calls -----------------------------------------------------------------------------------

    def run(self, values: Sequence[Array]) -> list[Array]:
        """The outputs at ``values``, of the Program's input types.

        Raises ``GuardFailed`` where a guard does not hold, ``ShapeError`` for values that do not
        fit, and what an equation raises.
        """
        arrays = [
            _fitting(value, var.type)
            for value, var in zip(values, self.program.inputs, strict=True)
        ]
        results = [np.empty(atom.type.shape, atom.type.dtype) for atom in self.program.outputs]
        slot = np.zeros(SLOT, np.uint8)
        inputs = _table([*arrays, *self.constants])
        outputs = _table([*results, slot])
        status = self._kernel(ctypes.addressof(inputs), ctypes.addressof(outputs))
        if status == EVALUATE:
            for result, value in zip(results, Evaluator(self.program).run(arrays), strict=True):
                result[...] = value
        elif status:
            self.fail(status, slot)
        return [result[()] if not result.shape else result for result in results]

    def fail(self, status: int, slot: np.ndarray[Any, Any]) -> None:
        """Raise what a status other than 0 and -3 stands for."""
        if status > 0:
            raise GuardFailed(status - 1, slot)
        if status == -1:
            raise self.take_error()
        raise MemoryError("there is not enough memory for the compiled function's workspace")


def _table(arrays: Sequence[np.ndarray[Any, Any]]) -> Any:
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))


def _view(pointer: int | None, type: Type) -> np.ndarray[Any, Any]:
    size = max(type.size, 1) * type.dtype.itemsize
    memory = (ctypes.c_char * size).from_address(pointer or 0)
    return np.ndarray(type.shape, type.dtype, cast(Any, memory))


def _run_equation(equation: Equation, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
    values: list[Any] = []
    for atom, view in zip(equation.inputs, inputs, strict=True):
        weak = getattr(atom, "weak", False)
        values.append(atom.value if weak else view[()] if not view.shape else view)  # type: ignore[union-attr]
    found = equation.primitive.evaluate(*values, **equation.params)
    results = found if equation.primitive.multiple else (found,)
    for view, result in zip(outputs, results, strict=True):
        view[...] = result


def _fitting(value: Array, type: Type) -> np.ndarray[Any, Any]:
    array = np.asarray(value)
    if array.shape != type.shape or array.dtype != type.dtype:
        raise ShapeError(f"the compiled Program takes {type}, and was given {Type.of(array)}")
    flags = array.flags
    if flags.c_contiguous and flags.aligned and array.dtype.isnative:
        return array
    return np.array(array, type.dtype.newbyteorder("="), order="C")


def build(program: Program, simplified: Callable[[], Program] | None = None) -> Native:
    """Native code for a Program. Raises ``CompileError`` if there is a fault in making it.

    What has no native code yet is called out to the evaluator, so that every Program can be built.
    ``simplified`` gives a Program of the same values that is better to compile; it is asked for
    only where there is no code on disk for ``program``.

    Example:
        >>> import numpy as np, wengert as wg
        >>> from wengert.compile import build
        >>> native = build(wg.trace(lambda x: np.sum(x * x))(np.ones(3)))
        >>> native.run([np.array([1.0, 2.0, 3.0])])
        [np.float64(14.0)]
    """
    with compiling:
        name, artefact = kept(program)
        if artefact is None:
            with _uncollected():
                program = program if simplified is None else simplified()
                found = lowered(program)
            artefact = made(name, *found)
        return Native(program, artefact)


@contextmanager
def _uncollected() -> Generator[None]:
    """Python's search for cycles of garbage waits while a Program is worked on.

    It would take a third of the time of a long one, and find next to nothing.
    """
    pause = gc.isenabled()
    if pause:
        gc.disable()
    try:
        yield
    finally:
        if pause:
            gc.enable()


def lowered(program: Program) -> tuple[Lowering, str]:
    """What is compiled for a Program: its lowering, and the text for LLVM. Needs no llvmlite."""
    for equation in program.equations:
        for var in equation.outputs:
            if var.type.dtype.kind not in "fciub":
                raise CompileError(f"values of dtype {var.type.dtype} are not compiled")
    with _uncollected():
        lowering = Lowering(rewritten(program))
        text = lowering.run()
    # Of a loop that may be long, other threads are not to wait for the end.
    lowering.work = operations(lowering.program, unknown=1000)
    keep = used(lowering.module.math.values())
    return lowering, f"{keep}\n{text}" if keep else text


_ = composed, control, convolutions, lapack, loops, products, sorting, steps
