"""BLAS and LAPACK, through the C pointers that SciPy exports."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from functools import cache
from typing import Any

__all__ = ["addresses", "routine"]

_PREFIXES = {"blas_": "scipy.linalg.cython_blas", "lapack_": "scipy.linalg.cython_lapack"}


@cache
def routine(symbol: str) -> int:
    """The address of ``blas_dgemm``, ``lapack_dpotrf``, ..."""
    prefix, name = symbol.split("_", 1)
    import importlib  # noqa: PLC0415

    module: Any = importlib.import_module(_PREFIXES[prefix + "_"])
    capsule = module.__pyx_capi__[name]
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    return int(api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule)))


def addresses(symbols: Iterable[str]) -> dict[str, int]:
    """The addresses of those symbols that are BLAS's or LAPACK's."""
    return {
        symbol: routine(symbol) for symbol in symbols if symbol.startswith(("blas_", "lapack_"))
    }
