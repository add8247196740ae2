"""The entry into compiled code: a builtin function that takes and gives NumPy arrays.

``entry`` generates, for one signature, the function that a C extension would define for it: it
checks the arguments, takes their data pointers, makes the arrays of the results, calls the kernel,
and does nothing else. Arguments that are not exactly as expected are a *miss*: no error, as the
general way will convert them, compile for them, or complain.

The function is LLVM code around Python's and NumPy's C interfaces. Of Python's it uses functions of
the stable interface, and of its objects that the type is in the second word and the value of a
number behind it; of NumPy's the fields of an array, which are part of its binary interface. Both
are checked once in each process (``abi``). Where a check fails, and on interpreters other than
CPython with a lock, there are no entries.

Objects and functions are named in the code as symbols, whose addresses are given when it is linked.
So the object code is the same in every process and for every kernel of one signature.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final, Protocol

import numpy as np

from ..program import Type
from . import abi
from .machine import Library, compile_object, link

__all__ = ["MISS", "RELEASE_WORK", "Argument", "Compiled", "entry", "failure"]

RELEASE_WORK: Final = 20_000
"""Estimated operations from which on other threads may run meanwhile. It costs some 50 ns."""


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
    """What one positional argument must be for the compiled code to take it.

    Made by ``array``, ``scalar``, ``number`` or ``same``.
    """

    type: Type | None
    """Of the input that it becomes; None if it is none."""
    types: tuple[type, ...] = ()
    """The exact Python types that are taken."""
    value: Any = None
    """The object that it has to be, if it is no input."""

    @staticmethod
    def array(type: Type) -> Argument:
        """An ``np.ndarray`` (of no subclass) of this dtype and shape.

        C-contiguous, aligned, in native byte order.
        """
        return Argument(type, (np.ndarray,))

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


def failure(report: bytes) -> tuple[int, bytes]:
    """The status that a kernel returned, and the 16 bytes of its failed guard's value.

    Of what an entry with ``report=True`` gives instead of a result.
    """
    (status,) = struct.unpack_from("<q", report)
    return status, report[8:]


def entry(
    native: Compiled,
    arguments: Sequence[Argument],
    outputs: Sequence[Type],
    *,
    single: bool = False,
    fallback: Callable[..., Any] | None = None,
    report: bool = False,
    compiler: Callable[[str], bytes] | None = None,
) -> Callable[..., Any] | None:
    """A builtin function that checks arrays, runs compiled code on them, and gives new arrays.

    It is called with positional arguments. It gives the outputs (NumPy scalars for the shape
    ``()``) as a tuple; with ``single``, the only output itself. If an argument is not as expected,
    or there are too many, too few, or keywords, it gives ``MISS``; or, if there is one, what
    ``fallback`` gives for the same arguments. So it does if the kernel returns a status other than
    0; with ``report``, it then gives a ``bytes`` object, which ``failure`` reads.

    None if there can be no such function on this interpreter.

    Parameters: ``native``, the code, which the function keeps; ``arguments``, whose inputs are the
    kernel's inputs in order; ``outputs``, the types of the kernel's outputs; ``compiler``, in place
    of ``compile_object``, to keep what it makes.

    Raises ``CompileError`` if LLVM fails.

    Example:
        >>> import numpy as np, wengert as wg
        >>> from wengert.compile import build
        >>> from wengert.compile.entry import Argument, entry
        >>> x = np.array([1.0, 2.0])
        >>> program = wg.trace(lambda x: x * x)(x)
        >>> takes = [Argument.array(type) for type in program.input_types]
        >>> f = entry(build(program), takes, program.output_types, single=True)
        >>> f(x)
        array([1., 4.])
        >>> f("something else")
        MISS
    """
    known = abi.interface()
    if known is None:
        return None
    release = native.callouts == 0 and native.work >= RELEASE_WORK
    writer = _Writer(tuple(arguments), tuple(outputs), len(native.constants))
    ir = writer.module(single=single, fallback=fallback is not None, report=report, release=release)
    code = compiler(ir) if compiler else _object(ir)
    objects = [*writer.objects.values(), MISS if fallback is None else fallback]
    addresses = known | {name: id(each) for name, each in writer.objects.items()}
    addresses["other"] = id(objects[-1])
    addresses["kernel"] = native.address
    for place, constant in enumerate(native.constants):
        addresses[f"constant{place}"] = constant.ctypes.data
    library = link(code, addresses, ["entry"])
    return _function(library, (native, *objects))


@lru_cache(maxsize=256)
def _object(ir: str) -> bytes:
    """Entries have no loops: optimisation takes 8 ms in place of 1, and gains 2 ns in a call."""
    return compile_object(ir, level=0)


def _function(library: Library, objects: tuple[Any, ...]) -> Callable[..., Any]:
    """A new builtin function, which keeps its code and the objects.

    All that it needs when it ends is in a tuple and in bytes, as these cannot be emptied by the
    garbage collector before it.
    """
    definition = struct.pack(
        "=QQiiQ", _address_of(_NAME), library["entry"], abi.FASTCALL | abi.KEYWORDS, 0, 0
    )
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
    return make(_address_of(definition), (definition, library, objects), None)


def _address_of(data: bytes) -> int:
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0


_NAME: Final = b"native"
# -- the code --------------------------------------------------------------------------------------

_DECLARATIONS: Final = """
declare i32 @kernel(ptr, ptr)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyTuple_New(i64)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare ptr @PyBytes_FromStringAndSize(ptr, i64)
declare i64 @PyLong_AsLongLongAndOverflow(ptr, ptr)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyArray_NewFromDescr(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)
declare ptr @PyArray_Scalar(ptr, ptr, ptr)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
@other = external global i8
"""


@cache
def _dtypes(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], ...]:
    """The objects that NumPy has for a dtype: two where C has two names for one type."""
    every = [np.dtype(char) for char in "?bhilqBHILQefdgFDG"]
    return tuple(each for each in every if each == dtype) or (dtype,)


class _Writer:
    """Writes the module of one entry."""

    def __init__(
        self, arguments: tuple[Argument, ...], outputs: tuple[Type, ...], constants: int
    ) -> None:
        self.arguments = arguments
        self.outputs = outputs
        self.constants = constants
        self.inputs = sum(argument.type is not None for argument in arguments)
        self.objects: dict[str, Any] = {}
        self.globals: list[str] = []
        self.lines: list[str] = []
        self.count = 0

    def object(self, thing: Any, prefix: str) -> str:
        """The symbol of a Python object: its address is the object's."""
        for name, known in self.objects.items():
            if known is thing:
                return f"@{name}"
        name = f"{prefix}{len(self.objects)}"
        self.objects[name] = thing
        self.globals.append(f"@{name} = external global i8")
        return f"@{name}"

    def emit(self, *lines: str) -> None:
        self.lines.extend(f"  {line}" for line in lines)

    def value(self, text: str) -> str:
        """A new register with the result of an instruction."""
        self.count += 1
        self.emit(f"%v{self.count} = {text}")
        return f"%v{self.count}"

    def field(self, base: str, offset: int, kind: str = "ptr") -> str:
        """What is at an offset of a structure."""
        place = self.value(f"getelementptr i8, ptr {base}, i64 {offset}")
        return self.value(f"load {kind}, ptr {place}")

    def label(self) -> str:
        self.count += 1
        return f"b{self.count}"

    def require(self, conditions: Sequence[str], otherwise: str = "miss") -> None:
        """Go on if all conditions hold."""
        if not conditions:
            return
        total = conditions[0]
        for condition in conditions[1:]:
            total = self.value(f"and i1 {total}, {condition}")
        on = self.label()
        self.emit(f"br i1 {total}, label %{on}, label %{otherwise}")
        self.lines.append(f"{on}:")

    def any(self, comparisons: Sequence[str]) -> str:
        """Whether one of some comparisons holds."""
        total = self.value(f"icmp {comparisons[0]}")
        for each in comparisons[1:]:
            total = self.value(f"or i1 {total}, {self.value(f'icmp {each}')}")
        return total

    def module(self, *, single: bool, fallback: bool, report: bool, release: bool) -> str:
        """The text of the module."""
        self.reserve()
        self.check_arguments()
        self.make_outputs()
        self.call_kernel(release=release, report=report)
        self.give(single=single)
        self.end(fallback=fallback)
        return "\n".join(
            [
                _DECLARATIONS,
                *self.globals,
                "define ptr @entry(ptr %self, ptr %args, i64 %count, ptr %names) nounwind {",
                *self.lines,
                "}",
                '!0 = !{!"branch_weights", i32 1000, i32 1}',
                "",
            ]
        )

    def reserve(self) -> None:
        """Memory on the stack: tables of pointers, the report of a failure, and numbers."""
        self.emit(
            f"%inputs = alloca ptr, i64 {self.inputs + self.constants + 1}, align 16",
            f"%outputs = alloca ptr, i64 {len(self.outputs) + 1}, align 16",
            f"%made = alloca ptr, i64 {len(self.outputs) + 1}, align 16",
            # The value of a guard begins at a multiple of 16, as a complex number may want.
            "%reserved = alloca i8, i64 32, align 16",
            "%report = getelementptr i8, ptr %reserved, i64 8",
            "%guarded = getelementptr i8, ptr %reserved, i64 16",
            "call void @llvm.memset.p0.i64(ptr %reserved, i8 0, i64 32, i1 false)",
            "%overflow = alloca i32",
        )
        for place in range(len(self.outputs)):
            self.store("%made", place, "null")
        for place, output in enumerate(self.outputs):
            if output.shape == ():
                self.emit(f"%slot{place} = alloca i8, i64 {output.dtype.itemsize}, align 16")
        for place, argument in enumerate(self.arguments):
            if int in argument.types or bool in argument.types:
                self.emit(f"%own{place} = alloca i64")

    # -- in ------------------------------------------------------------------------------------

    def check_arguments(self) -> None:
        """Their number and each of them; the pointers to their data."""
        counted = self.value(f"icmp eq i64 %count, {len(self.arguments)}")
        self.require([counted, self.value("icmp eq ptr %names, null")])
        pointer = 0
        for place, argument in enumerate(self.arguments):
            given = self.field("%args", 8 * place)
            if argument.type is None:
                same = self.object(argument.value, "same")
                self.require([self.value(f"icmp eq ptr {given}, {same}")])
                continue
            self.store("%inputs", pointer, self.data(given, argument, place))
            pointer += 1
        for place in range(self.constants):
            self.globals.append(f"@constant{place} = external global i8")
            self.store("%inputs", pointer + place, f"@constant{place}")

    def store(self, table: str, place: int, pointer: str) -> None:
        where = self.value(f"getelementptr ptr, ptr {table}, i64 {place}")
        self.emit(f"store ptr {pointer}, ptr {where}")

    def data(self, given: str, argument: Argument, place: int) -> str:
        """Check an argument and give the pointer to its data."""
        found = self.field(given, abi.TYPE)
        types = [self.object(each, "type") for each in argument.types]
        self.require([self.any([f"eq ptr {found}, {each}" for each in types])])
        if argument.types == (np.ndarray,):
            return self.array_data(given, argument)
        if argument.types == (int,):
            number = self.value(
                f"call i64 @PyLong_AsLongLongAndOverflow(ptr {given}, ptr %overflow)"
            )
            over = self.value("load i32, ptr %overflow")
            self.require([self.value(f"icmp eq i32 {over}, 0")])
            self.emit(f"store i64 {number}, ptr %own{place}")
            return f"%own{place}"
        held = self.value(f"getelementptr i8, ptr {given}, i64 {abi.VALUE}")
        if bool not in argument.types:
            return held
        # Python's bool holds no byte.
        true = self.value(f"icmp eq ptr {given}, {self.object(True, 'true')}")
        self.emit(f"store i8 {self.value(f'zext i1 {true} to i8')}, ptr %own{place}")
        pythons = self.value(f"icmp eq ptr {found}, {self.object(bool, 'type')}")
        return self.value(f"select i1 {pythons}, ptr %own{place}, ptr {held}")

    def array_data(self, given: str, argument: Argument) -> str:
        """Check the dtype, shape and layout of an array; give the pointer to its data."""
        assert argument.type is not None
        shape, dtype = argument.type.shape, argument.type.dtype
        descr = self.field(given, abi.DESCR)
        ndim = self.field(given, abi.NDIM, "i32")
        flags = self.field(given, abi.FLAGS, "i32")
        suitable = self.value(f"and i32 {flags}, {abi.SUITABLE}")
        self.require(
            [
                self.any([f"eq ptr {descr}, {self.object(x, 'dtype')}" for x in _dtypes(dtype)]),
                self.value(f"icmp eq i32 {ndim}, {len(shape)}"),
                self.value(f"icmp eq i32 {suitable}, {abi.SUITABLE}"),
            ]
        )
        if shape:
            extents = self.field(given, abi.SHAPE)
            found = [self.field(extents, 8 * axis, "i64") for axis in range(len(shape))]
            self.require(
                [
                    self.value(f"icmp eq i64 {extent}, {wanted}")
                    for extent, wanted in zip(found, shape, strict=True)
                ]
            )
        return self.field(given, abi.DATA)

    # -- out -----------------------------------------------------------------------------------

    def make_outputs(self) -> None:
        """New arrays, and memory for numbers; then the slot for the value of a guard."""
        for place, output in enumerate(self.outputs):
            if output.shape == ():
                self.store("%outputs", place, f"%slot{place}")
                continue
            extents = ", ".join(f"i64 {extent}" for extent in output.shape)
            self.globals.append(
                f"@shape{place} = private unnamed_addr constant "
                f"[{len(output.shape)} x i64] [{extents}]"
            )
            dtype = self.object(np.dtype(output.dtype.char), "dtype")
            self.emit(f"call void @Py_IncRef(ptr {dtype})")
            array = self.value(
                f"call ptr @PyArray_NewFromDescr(ptr {self.object(np.ndarray, 'type')}, "
                f"ptr {dtype}, i32 {len(output.shape)}, ptr @shape{place}, ptr null, ptr null, "
                "i32 0, ptr null)"
            )
            self.require([self.value(f"icmp ne ptr {array}, null")], "error")
            self.store("%made", place, array)
            self.store("%outputs", place, self.field(array, abi.DATA))
        self.store("%outputs", len(self.outputs), "%guarded")

    def call_kernel(self, *, release: bool, report: bool) -> None:
        """Call it, without the lock if it takes long; leave if it did not succeed."""
        thread = self.value("call ptr @PyEval_SaveThread()") if release else ""
        status = self.value("call i32 @kernel(ptr %inputs, ptr %outputs)")
        if release:
            self.emit(f"call void @PyEval_RestoreThread(ptr {thread})")
        succeeded = self.value(f"icmp eq i32 {status}, 0")
        self.emit(f"br i1 {succeeded}, label %give, label %failed, !prof !0")
        self.lines.append("failed:")
        self.drop()
        if report:
            self.emit(
                f"%status = sext i32 {status} to i64",
                "store i64 %status, ptr %report",
                "%reported = call ptr @PyBytes_FromStringAndSize(ptr %report, i64 24)",
                "ret ptr %reported",
            )
        else:
            self.emit("br label %miss")

    def give(self, *, single: bool) -> None:
        """The results as Python objects."""
        self.lines.append("give:")
        for place, output in enumerate(self.outputs):
            if output.shape == ():
                dtype = self.object(output.dtype, "dtype")
                number = self.value(
                    f"call ptr @PyArray_Scalar(ptr %slot{place}, ptr {dtype}, ptr null)"
                )
                self.require([self.value(f"icmp ne ptr {number}, null")], "error")
                self.store("%made", place, number)
        if single:
            self.emit(f"ret ptr {self.field('%made', 0)}")
            return
        results = self.value(f"call ptr @PyTuple_New(i64 {len(self.outputs)})")
        self.require([self.value(f"icmp ne ptr {results}, null")], "error")
        for place in range(len(self.outputs)):
            each = self.field("%made", 8 * place)
            self.emit(f"call i32 @PyTuple_SetItem(ptr {results}, i64 {place}, ptr {each})")
        self.emit(f"ret ptr {results}")

    def drop(self) -> None:
        """Give up the results made so far."""
        for place in range(len(self.outputs)):
            self.emit(f"call void @Py_DecRef(ptr {self.field('%made', 8 * place)})")

    def end(self, *, fallback: bool) -> None:
        """The other ways out: a miss, and a Python error that is set."""
        self.lines.append("miss:")
        if fallback:
            # A tail call, so that nothing returns here: the fallback may replace this very code.
            self.emit(
                "%general = musttail call ptr @PyObject_Vectorcall"
                "(ptr @other, ptr %args, i64 %count, ptr %names)",
                "ret ptr %general",
            )
        else:
            self.emit("call void @Py_IncRef(ptr @other)", "ret ptr @other")
        self.lines.append("error:")
        self.drop()
        self.emit("ret ptr null")
