"""The entry into compiled code: a builtin function that takes and gives NumPy arrays.

``entry`` makes, for one signature, the function that a C extension would define for it: it checks
the arguments, takes their data pointers, makes the arrays of the results, calls the kernel, and
does nothing else. Arguments that are not exactly as expected are a *miss*: no error, as the general
way will convert them, compile for them, or complain. So is a variable outside that has changed.

All entries are the same native code (``caller``), around Python's and NumPy's C interfaces, and
differ in a table that it follows. Of Python's it uses functions of the stable interface, and of its
objects that the type is in the second word and the value of a number behind it; of NumPy's the
fields of an array, which are part of its binary interface. Both are checked once in each process
(``abi``). Where a check fails, and on interpreters other than CPython with a lock, there are no
entries.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, Protocol

import numpy as np

from ..errors import CompileError
from ..program import Type
from . import abi
from .caller import BOXED, HEAD, Check, Step, caller
from .machine import Library

__all__ = [
    "MISS",
    "RELEASE_WORK",
    "Argument",
    "Compiled",
    "Constant",
    "Variable",
    "entry",
    "failure",
    "ready",
]

RELEASE_WORK: Final = 20_000
"""Estimated operations from which on other threads may run meanwhile. It costs some 50 ns."""

FRAME: Final = 8192
"""Words on the stack that a call may take."""


class _Miss:
    def __repr__(self) -> str:
        return "MISS"


MISS: Final = _Miss()
"""What an entry gives when its arguments are not the ones it was made for."""


class Compiled(Protocol):
    """What an entry needs to know of native code. Its ``address`` must last as long as it does."""

    @property
    def address(self) -> int:
        """Of ``i32 kernel(ptr inputs, ptr outputs)``."""
        ...

    @property
    def constants(self) -> Sequence[Any]:
        """Arrays whose data pointers follow those of the inputs."""
        ...

    @property
    def callouts(self) -> int:
        """How many equations call Python."""
        ...

    @property
    def work(self) -> float:
        """About how many operations a call does."""
        ...


@dataclass(frozen=True)
class Argument:
    """What one argument, or a part of one, must be for the compiled code to take it.

    Made by ``array``, ``scalar``, ``number``, ``same``, ``equal``, ``anything`` or ``group``.
    """

    type: Type | None
    """Of the input that it becomes; None if it is none."""
    types: tuple[type, ...] = ()
    """The exact Python types that are taken."""
    value: Any = None
    """The object that it has to be, or an array that it has to equal, if it is no input."""
    parts: tuple[Argument, ...] | None = None
    keys: tuple[Any, ...] = ()
    """Of a list, a tuple or a dict what it holds; of a dict by these keys, in this order."""
    place: int | None = None
    """The number of its input; without one the next."""
    writeable: bool | None = None
    """Of an array whether it can be written to; None: either."""

    @staticmethod
    def array(type: Type, writeable: bool | None = None) -> Argument:
        """An ``np.ndarray`` (of no subclass) of this dtype and shape.

        C-contiguous, aligned, in native byte order; if need be writeable, or read-only.
        """
        return Argument(type, (np.ndarray,), writeable=writeable)

    @staticmethod
    def scalar(dtype: Any, *, numbers: bool = False) -> Argument:
        """A NumPy scalar of this dtype; with ``numbers``, also the Python number of its precision.

        The latter is float for float64, complex for complex128, and bool for bool.
        """
        dtype = np.dtype(dtype)
        number = {"float64": float, "complex128": complex, "bool": bool}.get(dtype.name)
        types = (dtype.type, number) if numbers and number else (dtype.type,)
        return Argument(Type((), dtype), types)

    @staticmethod
    def number(type: type) -> Argument:
        """A Python float, complex, int (that an int64 holds) or bool, and nothing else."""
        return Argument(Type((), np.dtype({int: np.int64}.get(type, type))), (type,))

    @staticmethod
    def same(value: object) -> Argument:
        """This very object: an argument that is no input, but on which the code depends."""
        return Argument(None, (), value)

    @staticmethod
    def equal(value: np.ndarray[Any, Any]) -> Argument:
        """An array (of no subclass) like this one: dtype, shape, strides, and bits.

        Of an array of objects these are which objects they are. ``value`` must be contiguous in one
        order or the other; it is copied.
        """
        copy = value.copy(order="K")
        if copy.strides != value.strides:  # Those of axes with one element can be anything.
            copy = np.lib.stride_tricks.as_strided(copy, strides=value.strides)
        return Argument(None, (np.ndarray,), copy)

    @staticmethod
    def anything() -> Argument:
        """Anything, which is no input."""
        return Argument(None, (object,))

    @staticmethod
    def group(kind: type, parts: Sequence[Argument], keys: Sequence[Any] = ()) -> Argument:
        """A list, tuple or dict (of no subclass) of so many parts; a dict has these keys."""
        return Argument(None, (kind,), parts=tuple(parts), keys=tuple(keys))

    def at(self, place: int) -> Argument:
        """The same, of which the number of its input is given."""
        return replace(self, place=place)


@dataclass(frozen=True)
class Variable:
    """A variable outside, and what it must hold, which is no input."""

    home: Any
    """A cell of a closure, or the dict that holds it under ``name``."""
    name: str
    holds: Argument


@dataclass(frozen=True)
class Constant:
    """An object in a result that is no output."""

    value: Any


def failure(report: bytes) -> tuple[int, bytes]:
    """The status that a kernel returned, and the 16 bytes of its failed guard's value.

    Of what an entry with ``report=True`` gives instead of a result.
    """
    (status,) = struct.unpack_from("<q", report)
    return status, report[8:]


def ready() -> None:
    """Make what all entries share, so that making one compiles nothing and imports nothing.

    A call makes entries, and is not to wait for code that another thread makes.
    """
    with suppress(CompileError):
        caller()


def entry(
    native: Compiled,
    arguments: Sequence[Argument],
    outputs: Sequence[Type],
    *,
    result: Any = None,
    boxed: Sequence[int] = (),
    variables: Sequence[Variable] = (),
    fallback: Callable[..., Any] | None = None,
    report: bool = False,
) -> Callable[..., Any] | None:
    """A builtin function that checks arrays, runs compiled code on them, and gives new arrays.

    It is called with positional arguments. If one is not as expected, or there are too many, too
    few, or keywords, or a variable has changed, it gives ``MISS``; or, if there is one, what
    ``fallback`` gives for the same arguments. So it does if the kernel returns a status other than
    0; with ``report``, it then gives a ``bytes`` object, which ``failure`` reads.

    None if there can be no such function on this interpreter, or for so many arguments.

    Parameters: ``native``, the code, which the function keeps; ``arguments``, whose inputs are the
    kernel's inputs in order; ``outputs``, the types of the kernel's outputs; ``result``, tuples,
    lists and dicts of their numbers and of ``Constant``, by default a tuple of all. Outputs of the
    shape ``()`` are NumPy scalars, those in ``boxed`` arrays. Each may be in the result once.

    Raises ``CompileError`` if LLVM fails.

    Example:
        >>> import numpy as np, wengert as wg
        >>> from wengert.compile import build
        >>> from wengert.compile.entry import Argument, entry
        >>> x = np.array([1.0, 2.0])
        >>> program = wg.trace(lambda x: x * x)(x)
        >>> takes = [Argument.array(type) for type in program.input_types]
        >>> f = entry(build(program), takes, program.output_types, result=0)
        >>> f(x)
        array([1., 4.])
        >>> f("something else")
        MISS
    """
    library = caller()
    if library is None:
        return None
    table = _Table(len(arguments))
    table.check(arguments, variables)
    table.give(outputs, boxed, tuple(range(len(outputs))) if result is None else result)
    packed = table.pack(
        native.constants,
        kernel=native.address,
        fallback=id(table.keep(MISS if fallback is None else fallback)),
        calls=fallback is not None,
        report=report,
        release=native.callouts == 0 and native.work >= RELEASE_WORK,
    )
    if packed is None:
        return None
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
    definition = _definition(library)
    # What it needs when it ends is in a tuple and in bytes, as these cannot be emptied by the
    # garbage collector before it. Threads that come here first together may have code of their own.
    keeps = (packed, native, tuple(table.objects), library, definition)
    return make(_address_of(definition), keeps, None)


@cache
def _definition(library: Library) -> bytes:
    """The definition of the builtin function."""
    flags = abi.FASTCALL | abi.KEYWORDS
    return struct.pack("=QQiiQ", _address_of(_NAME), library["entry"], flags, 0, 0)


def _address_of(data: bytes) -> int:
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0


_NAME: Final = b"native"


def _dtypes(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """The objects that NumPy has for a dtype: two where C has two names for one type."""
    return _known_dtypes().get(dtype, (dtype, dtype))


@cache
def _known_dtypes() -> dict[np.dtype[Any], tuple[np.dtype[Any], np.dtype[Any]]]:
    found: dict[np.dtype[Any], list[np.dtype[Any]]] = {}
    for char in "?bhilqBHILQefdgFDG":
        found.setdefault(np.dtype(char), []).append(np.dtype(char))
    return {dtype: (each[0], each[-1]) for dtype, each in found.items()}


class _Table:
    """Writes the table of one entry."""

    def __init__(self, arguments: int) -> None:
        self.arguments = arguments
        self.places = arguments
        self.held = arguments
        self.inputs = 0
        self.outputs = 0
        self.depth = 1
        self.checks: list[int] = []
        self.types: list[int] = []
        self.steps: list[int] = []
        self.objects: list[Any] = []

    def keep(self, thing: Any) -> Any:
        """Note that an object is in the table."""
        self.objects.append(thing)
        return thing

    def ids(self, *things: Any) -> tuple[int, ...]:
        """The addresses of objects, which are kept."""
        self.objects += things
        return tuple(map(id, things))

    # -- in ------------------------------------------------------------------------------------

    def check(self, arguments: Sequence[Argument], variables: Sequence[Variable]) -> None:
        """The checks of the arguments and variables."""
        self._all(enumerate(arguments))
        self.held = self.places
        for variable in variables:
            home = variable.home
            place, self.places = self.places, self.places + 1
            if type(home) is dict:
                self.checks += Check.GLOBAL, place, *self.ids(home, variable.name)
            else:
                self.checks += Check.CELL, place, *self.ids(home)
            self._all([(place, variable.holds)])
        self.checks.append(Check.END)

    def _all(self, arguments: Iterable[tuple[int, Argument]]) -> None:
        """The checks of what has a place, one level of containers after the other."""
        found = list(arguments)
        for place, argument in found:
            if argument.parts is None:
                self._leaf(place, argument)
                continue
            (kind,) = argument.types
            code = {list: Check.LIST, tuple: Check.TUPLE, dict: Check.DICT}[kind]
            parts, first = argument.parts, self.places
            self.checks += code, place, *self.ids(kind), len(parts), first
            self.checks += self.ids(*argument.keys)
            self.places += len(parts)
            found += enumerate(parts, first)

    def _leaf(self, place: int, argument: Argument) -> None:
        types = argument.types
        if argument.type is None:
            if types == (np.ndarray,):
                self._content(place, argument.value)
            elif types != (object,):
                self.checks += Check.SAME, place, *self.ids(argument.value)
            return
        number = self.inputs if argument.place is None else argument.place
        self.inputs += 1
        if types == (np.ndarray,):
            shape, dtypes = argument.type.shape, _dtypes(argument.type.dtype)
            self.checks += Check.ARRAY, place, number, *self.ids(*dtypes), len(shape)
            mask = abi.SUITABLE | abi.WRITEABLE * (argument.writeable is not None)
            self.checks += mask, abi.SUITABLE | abi.WRITEABLE * bool(argument.writeable), *shape
        elif types == (int,):
            self.checks += Check.INT, place, number, *self.ids(int)
        elif bool in types:
            self.checks += Check.BOOL, place, number, *self.ids(types[0], types[-1], bool, True)
        else:
            self.checks += Check.VALUE, place, number, *self.ids(types[0], types[-1])

    def _content(self, place: int, array: np.ndarray[Any, Any]) -> None:
        shape = (*array.shape, *array.strides)
        self.checks += Check.CONTENT, place, *self.ids(array.dtype), array.ndim, *shape
        self.checks += array.nbytes, self.keep(array).ctypes.data

    # -- out -----------------------------------------------------------------------------------

    def give(self, outputs: Sequence[Type], boxed: Sequence[int], result: Any) -> None:
        """What is made for the outputs, and the steps that put the result together."""
        self.outputs = len(outputs)
        for place, output in enumerate(outputs):
            is_array = output.shape != () or place in boxed
            self.types += self.ids(np.dtype(output.dtype.char))
            self.types += len(output.shape) + BOXED * is_array, *output.shape
        self._step(result, outputs, 1)
        self.steps.append(Step.END)

    def _step(self, result: Any, outputs: Sequence[Type], depth: int) -> None:
        self.depth = max(self.depth, depth)
        if isinstance(result, int):
            self.steps += Step.OUTPUT, result, *self.ids(outputs[result].dtype)
        elif isinstance(result, Constant):
            self.steps += Step.CONSTANT, *self.ids(result.value)
        else:
            parts = result.values() if isinstance(result, dict) else result
            for place, part in enumerate(parts):
                self._step(part, outputs, depth + place)
            kind = {list: Step.LIST, tuple: Step.TUPLE, dict: Step.DICT}[type(result)]
            self.steps += kind, len(result)
            if isinstance(result, dict):
                self.steps += self.ids(*result)

    # -- all -----------------------------------------------------------------------------------

    def pack(self, constants: Sequence[Any], **head: int) -> bytes | None:
        """The table as bytes; None if calls would need too much memory."""
        # In this order, from the beginning of the frame. Slots begin at a multiple of 16 bytes.
        sizes = {
            "objects": self.places,
            "inputs_at": self.inputs + len(constants) + 1,
            "own_at": self.inputs,
            "outputs_at": self.outputs + 1,
            "made_at": self.outputs,
            "slots_at": 2 * self.outputs + 4,
            "stack_at": self.depth,
        }
        frame = 0
        for name, size in sizes.items():
            head[name] = frame
            frame += size + size % 2
        if frame > FRAME:
            return None
        parts = [self.checks, [array.ctypes.data for array in constants], self.types, self.steps]
        starts = [len(HEAD) + sum(map(len, parts[:place])) for place in range(4)]
        _, head["constants_from"], head["outputs_from"], head["steps_from"] = starts
        head |= {"frame": frame, "arguments": self.arguments, "held": self.held}
        head |= {"inputs": self.inputs, "outputs": self.outputs, "constants": len(constants)}
        words = [int(head[name]) for name in HEAD]
        # The last step is read with what could follow it.
        words += [word for part in parts for word in part] + [0, 0]
        return struct.pack(f"={len(words)}q", *words)
