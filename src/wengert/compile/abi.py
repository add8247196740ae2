"""What CPython and NumPy keep where, and the addresses of their C functions.

Generated code reads objects as a C extension does. What it takes for granted is looked at here,
once in each process, on some objects; ``interface`` gives None where it is not so.
"""

from __future__ import annotations

import ctypes
import sys
import sysconfig
import types
from functools import cache
from typing import Any, Final

import numpy as np

__all__ = [
    "BYTES",
    "CELL",
    "DATA",
    "DESCR",
    "FASTCALL",
    "FLAGS",
    "ITEMS",
    "KEYWORDS",
    "NDIM",
    "SHAPE",
    "STRIDES",
    "SUITABLE",
    "TYPE",
    "VALUE",
    "WRITEABLE",
    "interface",
]

FASTCALL: Final = 0x80
KEYWORDS: Final = 0x02
"""Flags of a builtin function: how it is given its arguments."""

TYPE: Final = 8
"""Of every object: its type. Offsets are in bytes."""
VALUE: Final = 16
"""Of a Python float or complex, or a NumPy scalar: the number."""
CELL: Final = 16
"""Of a cell of a closure: what it holds."""
ITEMS: Final = tuple.__basicsize__
BYTES: Final = bytes.__basicsize__ - 1
"""Of a tuple its first item, of ``bytes`` the first byte."""
DATA, NDIM, SHAPE, STRIDES, DESCR, FLAGS = 16, 24, 32, 40, 56, 64
"""Of an array."""
SUITABLE: Final = 0x0001 | 0x0100
"""Flags of an array: C-contiguous and aligned."""
WRITEABLE: Final = 0x0400

_NUMPY_FUNCTIONS: Final = {"PyArray_NewFromDescr": 94, "PyArray_Scalar": 60}
_PYTHON_FUNCTIONS: Final = (
    "Py_IncRef Py_DecRef PyTuple_New PyTuple_SetItem PyTuple_GetItem PyTuple_Size PyList_New "
    "PyList_SetItem PyList_GetItem PyList_Size PyDict_New PyDict_SetItem PyDict_GetItem "
    "PyDict_Next PyDict_Size PyUnicode_Compare PyBytes_FromStringAndSize "
    "PyLong_AsLongLongAndOverflow PyObject_Vectorcall PyEval_SaveThread PyEval_RestoreThread"
).split()


@cache
def interface() -> dict[str, int] | None:
    """Addresses of what entries use, or None if this interpreter is not as they expect."""
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return None
    if ctypes.sizeof(ctypes.c_void_p) != 8 or sys.byteorder != "little":
        return None
    try:
        if not _layouts_are_known():
            return None
        found = {
            name: ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0
            for name in _PYTHON_FUNCTIONS
        }
        table = _numpy_table()
        if table[2] != id(np.ndarray) or table[3] != id(np.dtype):
            return None
        found |= {name: table[place] or 0 for name, place in _NUMPY_FUNCTIONS.items()}
        found |= {"ndarray": id(np.ndarray), "str": id(str)}
    except (AttributeError, ImportError, OSError, TypeError, ValueError):
        return None
    return found if all(found.values()) else None


def _numpy_table() -> Any:
    """NumPy's table of C functions."""
    from numpy._core import multiarray

    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype = ctypes.c_void_p
    pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    address = pointer(multiarray._ARRAY_API, None)
    return ctypes.cast(address, ctypes.POINTER(ctypes.c_void_p))


def _layouts_are_known() -> bool:
    """Whether some objects look in memory as the generated code reads them."""

    def word(thing: Any, offset: int, kind: Any = ctypes.c_void_p) -> Any:
        return kind.from_address(id(thing) + offset).value

    array = np.zeros((3, 5), np.float32)
    shape, strides = (
        ctypes.cast(word(array, field), ctypes.POINTER(ctypes.c_int64))
        for field in (SHAPE, STRIDES)
    )
    cell = types.CellType(array)
    transposed = array.T
    fixed = array.view()
    fixed.flags.writeable = False
    mask = SUITABLE | WRITEABLE
    flags = [word(each, FLAGS, ctypes.c_int) & mask for each in (array, transposed, fixed)]
    numbers = [
        (1.5, ctypes.c_double),
        (np.float64(2.5), ctypes.c_double),
        (np.float32(3.5), ctypes.c_float),
        (np.int64(-7), ctypes.c_int64),
        (np.int32(-8), ctypes.c_int32),
        (np.uint8(9), ctypes.c_uint8),
        (np.True_, ctypes.c_bool),
        (complex(4.5, 0.0), ctypes.c_double),
    ]
    return (
        word(array, TYPE) == id(np.ndarray)
        and word(array, DATA) == array.ctypes.data
        and word(array, NDIM, ctypes.c_int) == 2
        and [shape[0], shape[1]] == [3, 5]
        and [strides[0], strides[1]] == [20, 4]
        and word(array, DESCR) == id(array.dtype)
        and flags == [mask, 0x0500, SUITABLE]
        and word(cell, CELL) == id(array)
        and word((array,), ITEMS) == id(array)
        and word(b"wengert", BYTES, ctypes.c_char) == b"w"
        and all(word(number, VALUE, kind) == number for number, kind in numbers)
        and all(word(number, TYPE) == id(type(number)) for number, _ in numbers)
    )
