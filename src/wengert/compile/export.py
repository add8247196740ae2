"""Compiled code as a C function of doubles, for callers that know nothing of Python.

The signatures are those that ``scipy.LowLevelCallable`` knows, so that ``scipy.integrate`` calls
the code without the interpreter, and two for functions of vectors:

==================================  ==========================================================
``double (double)``                 of numbers, as many as the function has arguments
``double (int, double *)``          of all arguments' elements, one behind the other
``void (double *, double *)``       of all arguments' elements, into all results' elements
``int (double *, double *)``        the same, returning 0 where it succeeded
==================================  ==========================================================

Each may have a last parameter ``void *``, which is not used. Where the code cannot compute what is
asked (a guard does not hold, as it is the code of another path through the function), Python is
asked instead, if there is a function for it. Whatever goes wrong, a wrong number is never given: if
that raises too, there is no memory, or ``int`` is not the number of elements, the result is NaN, in
every element, and ``Export.failures`` is one more. A caller in C has no other way to be told. Such
functions may be called from any thread, with Python's lock or without.
"""

from __future__ import annotations

import ctypes
import re
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from ..errors import DtypeError, ShapeError
from ..program import Array, Type
from .entry import Compiled
from .machine import compile_object, link

__all__ = ["Export", "Exportable", "export", "natural_signature"]


class _Typed(Protocol):
    @property
    def input_types(self) -> tuple[Type, ...]: ...

    @property
    def output_types(self) -> tuple[Type, ...]: ...


class Exportable(Compiled, Protocol):
    """Native code, and the Program that says which types it takes and gives."""

    @property
    def program(self) -> _Typed: ...


class Export:
    """A C function at ``address``, of the type ``signature``.

    ``function`` calls it from Python through ctypes, and can be given to a C library. The address
    is valid as long as this object, its ``function`` or a callable from ``low_level`` is. ``error``
    is the exception that Python raised last when it was asked.
    """

    def __init__(self, signature: str, library: Any, keep: Any) -> None:
        self.signature = signature
        self.address: int = library["exported"]
        self.error: BaseException | None = None
        self._failures = ctypes.c_int64.from_address(library["failures"])
        self._keep = (library, keep)
        result, *parameters = (_CTYPES[each] for each in _parts(signature))
        self.function: Any = ctypes.CFUNCTYPE(result, *parameters)(self.address)
        # SciPy keeps the function that it is given.
        self.function.keep = self._keep

    @property
    def failures(self) -> int:
        """How many calls gave NaN because the code could not compute what was asked."""
        return self._failures.value

    def low_level(self, user_data: Any = None) -> Any:
        """A ``scipy.LowLevelCallable``, which keeps the code.

        SciPy takes the signatures that return a double. ``user_data`` is handed to a last parameter
        ``void *``.
        """
        from scipy import LowLevelCallable

        return LowLevelCallable(self.function, user_data)


_CTYPES: dict[str, Any] = {
    "double": ctypes.c_double,
    "int": ctypes.c_int,
    "void": None,
    "double *": ctypes.POINTER(ctypes.c_double),
    "void *": ctypes.c_void_p,
}

_LLVM = {"double": "double", "int": "i32", "void": "void", "double *": "ptr", "void *": "ptr"}


def natural_signature(inputs: Sequence[Type], outputs: Sequence[Type]) -> str:
    """The signature that suits a function of these types best."""
    if [output.shape for output in outputs] != [()]:
        return "void (double *, double *)"
    if inputs and all(type.shape == () for type in inputs):
        return f"double ({', '.join(['double'] * len(inputs))})"
    return "double (int, double *)"


def export(
    native: Exportable,
    signature: str | None = None,
    *,
    otherwise: Callable[[list[Array]], Sequence[Array]] | None = None,
    compiler: Callable[[str], bytes] | None = None,
) -> Export:
    """Native code as a C function of a signature (see above), by default the natural one.

    Parameters: ``native``, whose Program takes and gives float64 only; ``signature``, as C writes
    it, without names; ``otherwise``, the function from inputs to outputs that is asked where the
    code gives up; ``compiler``, in place of ``compile_object``.

    Raises ``DtypeError`` for other dtypes, ``ShapeError`` if the signature does not fit the
    Program's types or is not among those above, ``CompileError`` if LLVM fails.

    Example:
        >>> import numpy as np, wengert as wg
        >>> from scipy.integrate import quad
        >>> from wengert.compile import build
        >>> from wengert.compile.export import export
        >>> exported = export(build(wg.trace(lambda x: np.exp(-x))(1.0)))
        >>> exported.signature
        'double (double)'
        >>> round(quad(exported.low_level(), 0, np.inf)[0], 6)
        1.0
    """
    inputs, outputs = native.program.input_types, native.program.output_types
    for type in (*inputs, *outputs):
        if type.dtype != np.float64:
            raise DtypeError(
                f"C functions take and give doubles; here an argument or a result is {type}",
                remedy="arguments and results of dtype float64",
            )
    chosen = natural_signature(inputs, outputs) if signature is None else signature
    parts = _parts(chosen)
    constants = len(native.constants)
    ir = _module(parts, inputs, outputs, constants, otherwise is not None)
    code = compiler(ir) if compiler else compile_object(ir, 2)
    addresses = {"kernel": native.address}
    for place, constant in enumerate(native.constants):
        addresses[f"constant{place}"] = constant.ctypes.data
    fallback = _Otherwise(otherwise, inputs, outputs) if otherwise else None
    if fallback is not None:
        addresses["otherwise"] = fallback.address
    library = link(code, addresses, ["exported", "failures"])
    made = Export(f"{parts[0]} ({', '.join(parts[1:])})", library, (native, fallback))
    if fallback is not None:
        fallback.report = weakref.ref(made)
    return made


_OTHERWISE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


class _Otherwise:
    """A Python function that C can call with the addresses of all elements and all results."""

    def __init__(
        self,
        function: Callable[[list[Array]], Sequence[Array]],
        inputs: Sequence[Type],
        outputs: Sequence[Type],
    ) -> None:
        self.function = function
        self.inputs = inputs
        self.outputs = outputs
        self.report: Callable[[], Export | None] = lambda: None
        self.callback: Any = _OTHERWISE(self.call)
        self.address: int = ctypes.cast(self.callback, ctypes.c_void_p).value or 0

    def call(self, elements: int, results: int) -> int:
        """0, or -1 where the function raises."""
        try:
            given = [np.copy(x)[()] for x in _arrays(elements, self.inputs)]
            found = self.function(given)
            for array, x in zip(_arrays(results, self.outputs), found, strict=True):
                if np.shape(x) != array.shape:
                    raise ShapeError(
                        f"a result has the shape {np.shape(x)} there, and {array.shape} elsewhere"
                    )
                array[...] = x
        except BaseException as error:  # no exception can go through the caller in C
            report = self.report()
            if report is not None:
                report.error = error
            return -1
        return 0


def _arrays(address: int, types: Sequence[Type]) -> Iterator[np.ndarray[Any, Any]]:
    """Arrays of doubles, one behind the other in memory."""
    for type in types:
        memory = (ctypes.c_double * type.size).from_address(address)
        yield np.ctypeslib.as_array(memory).reshape(type.shape)
        address += 8 * type.size


def _parts(signature: str) -> list[str]:
    """The types in a signature: the result's, then the parameters'."""
    match = re.fullmatch(r"\s*(\w+)\s*\(([^()]*)\)\s*", signature)
    if match is None:
        raise ShapeError(f"{signature!r} is no signature of a C function", remedy=_REMEDY)
    parts = [match[1], *match[2].split(",")]
    parts = [" ".join(part.replace("*", " * ").split()).removeprefix("const ") for part in parts]
    for part in parts:
        if part not in _CTYPES:
            raise ShapeError(f"{part!r} in {signature!r} is not understood", remedy=_REMEDY)
    return parts


_REMEDY = "'double (double)', 'double (int, double *)' or 'void (double *, double *)'"

_HEAD = """
declare i32 @kernel(ptr, ptr)
declare ptr @malloc(i64)
declare void @free(ptr)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
@failures = global i64 0
"""

_COMPUTE = """
define internal i32 @compute(ptr %inputs, ptr %outputs, ptr %elements, ptr %results) {
  %status = call i32 @kernel(ptr %inputs, ptr %outputs)
  ret i32 %status
}
"""

_COMPUTE_OR_ASK = """
declare i32 @otherwise(ptr, ptr)
define internal i32 @compute(ptr %inputs, ptr %outputs, ptr %elements, ptr %results) {
  %status = call i32 @kernel(ptr %inputs, ptr %outputs)
  %fine = icmp eq i32 %status, 0
  br i1 %fine, label %give, label %ask
give:
  ret i32 0
ask:
  %answer = call i32 @otherwise(ptr %elements, ptr %results)
  ret i32 %answer
}
"""


def _module(
    parts: Sequence[str],
    inputs: Sequence[Type],
    outputs: Sequence[Type],
    constants: int,
    otherwise: bool,
) -> str:
    """The module of an exported function."""
    result, *parameters = parts
    if parameters and parameters[-1] == "void *":
        parameters.pop()
    numbers = ["double"] * len(inputs)
    whole = [output.shape for output in outputs] == [()]
    if result == "double" and whole:
        if parameters == numbers and all(type.shape == () for type in inputs):
            body = _of_numbers(inputs)
        elif parameters == ["int", "double *"]:
            body = _of_elements(inputs)
        else:
            raise _misfit(parts, inputs, outputs)
        body += [*_tables(inputs, constants), *_call_for_number()]
    elif result in ("void", "int") and parameters == ["double *", "double *"]:
        body = _of_vectors(inputs, outputs, constants, result)
    else:
        raise _misfit(parts, inputs, outputs)
    head = ", ".join(f"{_LLVM[part]} %p{place}" for place, part in enumerate(parts[1:]))
    externals = [f"@constant{place} = external global i8" for place in range(constants)]
    define = f"define {_LLVM[result]} @exported({head}) {{"
    compute = _COMPUTE_OR_ASK if otherwise else _COMPUTE
    return "\n".join([_HEAD, compute, *externals, define, *body, "}", ""])


def _misfit(parts: Sequence[str], inputs: Sequence[Type], outputs: Sequence[Type]) -> ShapeError:
    types = f"({', '.join(map(str, inputs))}) -> ({', '.join(map(str, outputs))})"
    return ShapeError(
        f"a C function '{parts[0]} ({', '.join(parts[1:])})' cannot be had of one of types {types}",
        remedy=f"'{natural_signature(inputs, outputs)}'",
    )


def _of_numbers(inputs: Sequence[Type]) -> list[str]:
    """The arguments of ``double (double, ...)``, put where the kernel finds them."""
    lines = [f"  %elements = alloca double, i64 {len(inputs) + 1}"]
    for place in range(len(inputs)):
        lines += [
            f"  %e{place} = getelementptr double, ptr %elements, i64 {place}",
            f"  store double %p{place}, ptr %e{place}",
        ]
    return lines


def _of_elements(inputs: Sequence[Type]) -> list[str]:
    """The arguments of ``double (int, double *)``, if they are as many as expected."""
    return [
        f"  %fits = icmp eq i32 %p0, {sum(type.size for type in inputs)}",
        "  br i1 %fits, label %go, label %fail",
        "go:",
        "  %elements = getelementptr double, ptr %p1, i64 0",
    ]


def _tables(inputs: Sequence[Type], constants: int) -> list[str]:
    """The kernel's table of inputs, whose elements are one behind the other in ``%elements``."""
    lines = [
        f"  %inputs = alloca ptr, i64 {len(inputs) + constants + 1}",
        *_table("inputs", inputs, "%elements"),
    ]
    for place in range(constants):
        lines += [
            f"  %c{place} = getelementptr ptr, ptr %inputs, i64 {len(inputs) + place}",
            f"  store ptr @constant{place}, ptr %c{place}",
        ]
    return lines


def _table(table: str, types: Sequence[Type], elements: str) -> list[str]:
    """Fill a table with the addresses of arrays whose elements are one behind the other."""
    lines: list[str] = []
    offset = 0
    for place, type in enumerate(types):
        name = f"%{table}.{place}"
        lines += [
            f"  {name} = getelementptr double, ptr {elements}, i64 {offset}",
            f"  {name}.at = getelementptr ptr, ptr %{table}, i64 {place}",
            f"  store ptr {name}, ptr {name}.at",
        ]
        offset += type.size
    return lines


_FAIL = "  %before = atomicrmw add ptr @failures, i64 1 monotonic"
_NAN = "0x7FF8000000000000"


def _call_for_number() -> list[str]:
    """Call the kernel for its one number, and give it."""
    return [
        "  %number = alloca double, align 16",
        "  %slot = alloca i8, i64 16, align 16",
        "  %outputs = alloca ptr, i64 2",
        "  store ptr %number, ptr %outputs",
        "  %o1 = getelementptr ptr, ptr %outputs, i64 1",
        "  store ptr %slot, ptr %o1",
        "  %status = call i32 @compute(ptr %inputs, ptr %outputs, ptr %elements, ptr %number)",
        "  %fine = icmp eq i32 %status, 0",
        "  br i1 %fine, label %give, label %fail",
        "give:",
        "  %result = load double, ptr %number",
        "  ret double %result",
        "fail:",
        _FAIL,
        f"  ret double {_NAN}",
    ]


def _of_vectors(
    inputs: Sequence[Type], outputs: Sequence[Type], constants: int, result: str
) -> list[str]:
    """``void (double *, double *)``: the whole body.

    The kernel may write results before it has read all arguments, so these are copied if the two
    overlap in memory.
    """
    taken = 8 * sum(type.size for type in inputs)
    given = sum(type.size for type in outputs)
    status = "  ret i32 %code" if result == "int" else "  ret void"
    return [
        f"  %end0 = getelementptr i8, ptr %p0, i64 {taken}",
        f"  %end1 = getelementptr double, ptr %p1, i64 {given}",
        "  %below = icmp ult ptr %p0, %end1",
        "  %above = icmp ult ptr %p1, %end0",
        "  %overlap = and i1 %below, %above",
        "  br i1 %overlap, label %copy, label %go",
        "copy:",
        f"  %own = call ptr @malloc(i64 {max(taken, 1)})",
        "  %had = icmp ne ptr %own, null",
        "  br i1 %had, label %copied, label %fail",
        "copied:",
        f"  call void @llvm.memcpy.p0.p0.i64(ptr %own, ptr %p0, i64 {taken}, i1 false)",
        "  br label %go",
        "go:",
        "  %elements = phi ptr [ %p0, %0 ], [ %own, %copied ]",
        "  %held = phi ptr [ null, %0 ], [ %own, %copied ]",
        *_tables(inputs, constants),
        "  %slot = alloca i8, i64 16, align 16",
        f"  %outputs = alloca ptr, i64 {len(outputs) + 1}",
        *_table("outputs", outputs, "%p1"),
        f"  %last = getelementptr ptr, ptr %outputs, i64 {len(outputs)}",
        "  store ptr %slot, ptr %last",
        "  %status = call i32 @compute(ptr %inputs, ptr %outputs, ptr %elements, ptr %p1)",
        "  call void @free(ptr %held)",
        "  %fine = icmp eq i32 %status, 0",
        "  br i1 %fine, label %give, label %fail",
        "give:",
        "  ret i32 0" if result == "int" else "  ret void",
        "fail:",
        "  %code = phi i32 [ -2, %copy ], [ %status, %go ]",
        _FAIL,
        "  br label %fill",
        "fill:",
        "  %at = phi i64 [ 0, %fail ], [ %next, %more ]",
        f"  %left = icmp ult i64 %at, {given}",
        "  br i1 %left, label %more, label %end",
        "more:",
        "  %where = getelementptr double, ptr %p1, i64 %at",
        f"  store double {_NAN}, ptr %where",
        "  %next = add nuw nsw i64 %at, 1",
        "  br label %fill",
        "end:",
        status,
    ]
