"""BLAS and LAPACK: the addresses of their routines.

The copy that NumPy is linked with is taken, if its routines can be found by one of the usual
spellings: it is there already, and two copies, compiled apart, may differ in a rounding, which
decides the signs of eigenvectors. Otherwise it is the copy whose C pointers SciPy exports, which
takes longer to import than most functions to trace. The integers of a LAPACK may have 64 or 32
bits; numbers handed over as 64 bits are read correctly as either, least significant bytes first,
and what it writes is read with the width that a trial has shown.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["addresses", "identity", "integer_bits", "is_routine", "routine"]

_SPELLINGS = ("scipy_{}_64_", "{}_64_", "scipy_{}_", "{}_")
"""How the routines' names are spelt in the libraries that NumPy is linked with."""

_WANTED = "dgemm sgemm dgetrf dgetrs dpotrf dgeqrf dorgqr dsyevd dgesdd".split()


@cache
def routine(symbol: str) -> int:
    """The address of ``blas_dgemm``, ``lapack_dpotrf``, ..."""
    prefix, name = symbol.split("_", 1)
    return _address(name, f"scipy.linalg.cython_{prefix}")


def is_routine(symbol: str) -> bool:
    """Whether a symbol is one of BLAS's or LAPACK's."""
    return symbol.startswith(("blas_", "lapack_"))


def addresses(symbols: Iterable[str]) -> dict[str, int]:
    """The addresses of those symbols that are BLAS's or LAPACK's."""
    return {symbol: routine(symbol) for symbol in symbols if is_routine(symbol)}


@cache
def identity() -> str:
    """Which copy this is, so far as code that calls it depends on that."""
    spelling = _spelling()
    bits = None if spelling is None else integer_bits()
    return f"{np.__version__} {spelling} {bits}"


@cache
def integer_bits() -> int:
    """How many bits LAPACK's integers have."""
    return _bits(routine("lapack_dgetrf"))


def _of_scipy(module: str, name: str) -> int:
    capsule = vars(_extension(module))["__pyx_capi__"][name]
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    return int(api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule)))


@cache
def _extension(name: str) -> Any:
    """An extension module of SciPy's, by itself: its package takes 0.2 s to import."""
    package, module = name.rsplit(".", 1)
    folder = Path(importlib.import_module("scipy").__path__[0]) / package.split(".", 1)[1]
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = folder / f"{module}{suffix}"
        if name not in sys.modules and path.exists():
            spec = importlib.util.spec_from_file_location(name, path)
            if spec is not None and spec.loader is not None:
                found = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(found)
                return found
    return importlib.import_module(name)


def _address(name: str, module: str) -> int:
    """The address of a routine: NumPy's, or that of a module of SciPy's."""
    spelling = _spelling()
    if spelling is None:
        return _of_scipy(module, name)
    function = getattr(_linked_with_numpy(), spelling.format(name))
    return int(ctypes.cast(function, ctypes.c_void_p).value or 0)


@cache
def _spelling() -> str | None:
    """How the names of the routines that NumPy is linked with are spelt; None if not found."""
    library = _linked_with_numpy() if sys.byteorder == "little" else None
    for spelling in _SPELLINGS:
        if library is not None and all(hasattr(library, spelling.format(n)) for n in _WANTED):
            return spelling
    return None


@cache
def _linked_with_numpy() -> Any:
    """What NumPy's linear algebra is in and linked with, or None."""
    try:
        return ctypes.CDLL(vars(np.linalg)["_umath_linalg"].__file__)
    except (KeyError, AttributeError, OSError):
        return None


def _bits(getrf: int) -> int:
    """Factor [[1, 2], [3, 4]], of which both pivots are in the second row, and look at them."""
    matrix = (ctypes.c_double * 4)(1, 3, 2, 4)
    pivots = (ctypes.c_int32 * 4)()
    size, info = ctypes.c_int64(2), ctypes.c_int64(0)
    given = (size, size, matrix, size, pivots, info)
    ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 6)(getrf)(*map(ctypes.addressof, given))
    return 32 if list(pivots) == [2, 2, 0, 0] else 64
