"""The mathematical functions that compiled code calls, one number or one vector at a time.

One number at a time they are those of the C library. For vectors, of 2 to 16 numbers at once, they
are those of the platform's vector library, if it has one: LLVM is told of them where a function is
declared (the attribute ``vector-function-abi-variant``), and takes them when it vectorises a loop
around a call. Where there is none, a loop calls the scalar function for each number.

====================  ==========================================================================
glibc's libmvec       Linux on x86-64, since glibc 2.22, all functions since 2.35; on 64-bit ARM
                      since 2.38
SVML                  Linux on x86-64, if Intel's run-time library (``libsvml.so``) is installed
                      beside Python; for the functions that libmvec lacks
macOS                 its mathematical library, which Accelerate's users call too
====================  ==========================================================================

The vector functions are accurate to 4 units in the last place, most of them to 2, where the scalar
ones are to 1; measured against mpmath in tests/compile/test_mathlib.py, as is that they treat
infinities, NaN, signed zeros and subnormal numbers as the C library does. A number's place in an
array may decide whether it goes through them, and so its last bits.

Known to be weak: measured on x86-64 only, so that the functions of ARM and macOS are taken at their
makers' word. SVML on Windows has a calling convention that LLVM does not know, and is not used.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import platform
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from .machine import available, host

__all__ = ["EXACT", "LARGEST_ERROR", "Function", "Mathlib", "Variant", "mathlib", "used"]

_UNARY = (
    "exp exp2 expm1 log log2 log10 log1p cbrt sin cos tan asin acos atan "
    "sinh cosh tanh asinh acosh atanh erf erfc lgamma tgamma"
).split()
_BINARY = "pow atan2 hypot fmod nextafter".split()

_ARITY: dict[str, int] = {**dict.fromkeys(_UNARY, 1), **dict.fromkeys(_BINARY, 2)}

_ALIASES = {
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "arctan2": "atan2",
    "power": "pow",
}
"""NumPy's names for what C calls otherwise."""

_X86 = (("e", "avx512f", 64), ("d", "avx2", 32), ("b", "sse2", 16))
"""Letters of the instruction sets, the features that they need, and the bytes of a vector."""

_PURE = "nounwind willreturn memory(none)"
"""What LLVM may assume of a call: it returns, and does nothing but compute its result."""

EXACT = "exact "
"""Before a name: the function of one number everywhere, so that no bit depends on a number's place.

It has a symbol of its own, as LLVM vectorises all calls of a symbol alike.
"""

LARGEST_ERROR = 4.0
"""Of a vector function, in units in the last place of the result, where that is a normal number."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A function of vectors: its symbol, how many numbers it takes at once, and its address."""

    symbol: str
    lanes: int
    address: int


@dataclass(frozen=True, slots=True)
class Function:
    """A mathematical function, as code calls it.

    ``symbol`` is what code calls, a function of one number; ``declarations`` are the lines that its
    module needs, by symbol; ``imports`` are addresses, for ``machine.link``.
    """

    name: str
    symbol: str
    arity: int
    kind: str
    address: int
    variants: tuple[Variant, ...]

    @property
    def attributes(self) -> str:
        """What LLVM may know of the function: that it is pure, and its vector functions."""
        if not self.variants:
            return _PURE
        operands = "v" * self.arity
        mapping = ",".join(
            f"_ZGV_LLVM_N{each.lanes}{operands}_{self.symbol}({each.symbol})"
            for each in self.variants
        )
        return f'{_PURE} "vector-function-abi-variant"="{mapping}"'

    @property
    def declarations(self) -> dict[str, str]:
        """Declarations of the scalar function and its variants."""

        def declare(symbol: str, kind: str, attributes: str) -> str:
            return f"declare {kind} @{symbol}({', '.join([kind] * self.arity)}) {attributes}"

        found = {self.symbol: declare(self.symbol, self.kind, self.attributes)}
        for each in self.variants:
            found[each.symbol] = declare(each.symbol, f"<{each.lanes} x {self.kind}>", _PURE)
        return found

    @property
    def imports(self) -> dict[str, int]:
        """Addresses of the scalar function and its variants."""
        return {self.symbol: self.address} | {each.symbol: each.address for each in self.variants}


class Mathlib:
    """The functions that this process has.

    ``vectors=False`` leaves the vector functions out: results then do not depend on the place of a
    number in its array.

    Example:
        >>> import numpy as np
        >>> from wengert.compile.mathlib import Mathlib
        >>> Mathlib(vectors=False).function("arctan", np.dtype(np.float32)).declarations
        {'atanf': 'declare float @atanf(float) nounwind willreturn memory(none)'}
    """

    def __init__(self, *, vectors: bool = True) -> None:
        self._scalar = _c_library()
        self._vectors = _vector_libraries() if vectors else ()
        self._functions: dict[tuple[str, str], Function] = {}

    def function(self, name: str, dtype: np.dtype[Any]) -> Function:
        """The function of a name (C's or NumPy's) for float64 or float32.

        Raises ``KeyError`` if there is none.
        """
        key = (name, np.dtype(dtype).name)
        if key not in self._functions:
            self._functions[key] = self._find(*key)
        return self._functions[key]

    def _find(self, name: str, dtype: str) -> Function:
        own = name.startswith(EXACT)
        name = name.removeprefix(EXACT)
        base = _ALIASES.get(name, name)
        arity = _ARITY[base]
        suffix, kind, size = {"float64": ("", "double", 8), "float32": ("f", "float", 4)}[dtype]
        symbol = base + suffix
        address = _address(self._scalar, symbol)
        if address is None:
            raise KeyError(name)
        if own:
            return Function(base, f"exact_{symbol}", arity, kind, address, ())
        for library in self._vectors:
            variants = library.variants(base, symbol, arity, size)
            if variants:
                return Function(base, symbol, arity, kind, address, variants)
        return Function(base, symbol, arity, kind, address, ())

    @property
    def identity(self) -> str:
        """What object code that uses these functions depends on, for the cache on disk."""
        vectors = "+".join(library.name for library in self._vectors) or "none"
        return f"{sys.platform} vectors={vectors} {_c_version()}"


def used(functions: Iterable[Function]) -> str:
    """The line that keeps the declarations of variants until LLVM vectorises; '' if none is needed.

    LLVM drops a declaration that nothing refers to, and vectorises with what is declared.
    """
    symbols = sorted({each.symbol for function in functions for each in function.variants})
    if not symbols:
        return ""
    listed = ", ".join(f"ptr @{symbol}" for symbol in symbols)
    return (
        f"@llvm.compiler.used = appending global [{len(symbols)} x ptr] [{listed}], "
        'section "llvm.metadata"'
    )


@cache
def mathlib() -> Mathlib:
    """The functions of this process, looked up once."""
    # Without llvmlite nothing is compiled, and the CPU is not known. Code can still be looked at.
    return Mathlib(vectors=available())


def _address(library: ctypes.CDLL, symbol: str) -> int | None:
    try:
        return ctypes.cast(getattr(library, symbol), ctypes.c_void_p).value
    except AttributeError:
        return None


@cache
def _c_library() -> ctypes.CDLL:
    """The library with the C functions: the process itself, but for Windows."""
    if os.name == "nt":
        return ctypes.CDLL("ucrtbase")
    library = ctypes.CDLL(None)
    if not hasattr(library, "exp"):
        library = ctypes.CDLL(ctypes.util.find_library("m"))
    return library


# -- libraries of vector functions -----------------------------------------------------------------


@dataclass(frozen=True)
class _VectorLibrary:
    """A library, and how it spells the functions.

    ``widths`` are the bytes of its vectors, each with a word for ``spell``. That gets the word, the
    C function without and with its suffix for the dtype, the number of lanes and that of operands.
    ``wrong`` are functions that differ from C's at infinities, NaN or zeros.
    """

    name: str
    library: ctypes.CDLL
    widths: tuple[tuple[str, int], ...]
    spell: Callable[[str, str, str, int, int], str]
    wrong: tuple[str, ...] = ()

    def variants(self, base: str, symbol: str, arity: int, size: int) -> tuple[Variant, ...]:
        """What the library has for a function, the widest first."""
        found: list[Variant] = []
        for kind, width in () if base in self.wrong else self.widths:
            lanes = width // size
            spelt = self.spell(kind, base, symbol, lanes, arity)
            address = _address(self.library, spelt)
            if address is not None:
                found.append(Variant(spelt, lanes, address))
        return tuple(found)


@cache
def _vector_libraries() -> tuple[_VectorLibrary, ...]:
    """Those of this platform, the first choice first."""
    if sys.platform == "darwin":
        return (_VectorLibrary("macos", _c_library(), (("", 16),), _simd),)
    if not sys.platform.startswith("linux"):
        return ()
    arm = platform.machine() in ("aarch64", "arm64")
    if not arm and platform.machine() not in ("x86_64", "AMD64"):
        return ()
    x86 = tuple((letter, width) for letter, feature, width in _X86 if host().has(feature))
    found: list[_VectorLibrary] = []
    mvec = _library("libmvec.so.1")
    if mvec is not None:
        widths = (("n", 16),) if arm else x86
        found.append(_VectorLibrary("libmvec", mvec, widths, _vector_abi))
    svml = None if arm else _library("libsvml.so")
    if svml is not None:  # its pow loses the sign of (-0.0)**3
        found.append(_VectorLibrary("svml", svml, x86, _svml, wrong=("pow",)))
    return tuple(found)


def _library(file: str) -> ctypes.CDLL | None:
    """A shared library of the system's, or one installed beside Python; None if there is none."""
    for place in (file, os.path.join(sys.prefix, "lib", file)):
        with suppress(OSError):
            return ctypes.CDLL(place)
    return None


def _vector_abi(letter: str, _base: str, symbol: str, lanes: int, arity: int) -> str:
    """The vector function ABI: ``_ZGV``, the instruction set, ``N`` (no mask), lanes, operands."""
    return f"_ZGV{letter}N{lanes}{'v' * arity}_{symbol}"


def _svml(_letter: str, _base: str, symbol: str, lanes: int, _arity: int) -> str:
    return f"__svml_{symbol}{lanes}"


def _simd(_letter: str, base: str, symbol: str, lanes: int, _arity: int) -> str:
    return f"_simd_{base}_{'d' if symbol == base else 'f'}{lanes}"


def _c_version() -> str:
    return " ".join(platform.libc_ver())
