"""Products of SciPy's sparse matrices with traced vectors and matrices.

SciPy's Python code ends in a C function for each format, which adds the product to an array. Here
the same is written in NumPy: gather, multiply, add up at the rows, in the order of the C loops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..trace import fill, unfilled
from .install import innermost, stands_in_module

__all__: list[str] = []

_MODULE = "scipy.sparse._sparsetools"

Entries = tuple[Any, Any, Any]
"""Row, column and value of each entry, in the order in which the C function takes them."""


def _csr(rows: int, columns: int, pointers: Any, indices: Any, data: Any) -> Entries:
    return np.repeat(np.arange(rows), np.diff(pointers)), indices, data


def _csc(rows: int, columns: int, pointers: Any, indices: Any, data: Any) -> Entries:
    return indices, np.repeat(np.arange(columns), np.diff(pointers)), data


def _coo(count: int, rows: Any, columns: Any, data: Any) -> Entries:
    return rows, columns, data


def _bsr(
    rows: int, columns: int, height: int, width: int, pointers: Any, indices: Any, data: Any
) -> Entries:
    block = np.repeat(np.arange(rows), np.diff(pointers)) * height
    shape = (len(indices), height, width)
    i = np.broadcast_to(block[:, None, None] + np.arange(height)[:, None], shape)
    j = np.broadcast_to(np.asarray(indices)[:, None, None] * width + np.arange(width), shape)
    return i.ravel(), j.ravel(), np.reshape(data, -1)


def _dia(rows: int, columns: int, count: int, length: int, offsets: Any, data: Any) -> Entries:
    i, j, places = [], [], []
    for k, offset in enumerate(np.asarray(offsets).tolist()):
        first, last = max(0, offset), min(rows + offset, columns, length)
        along = np.arange(first, max(first, last))
        i.append(along - offset)
        j.append(along)
        places.append(k * length + along)
    where = np.concatenate([np.zeros(0, int), *places])
    return (
        np.concatenate([np.zeros(0, int), *i]),
        np.concatenate([np.zeros(0, int), *j]),
        np.reshape(data, -1)[where],
    )


_FORMATS: dict[str, tuple[Callable[..., Entries], int, int | None]] = {
    "csr_matvec": (_csr, 5, None),
    "csr_matvecs": (_csr, 6, 2),
    "csc_matvec": (_csc, 5, None),
    "csc_matvecs": (_csc, 6, 2),
    "coo_matvec": (_coo, 4, None),
    "bsr_matvec": (_bsr, 7, None),
    "bsr_matvecs": (_bsr, 8, 2),
    "dia_matvec": (_dia, 6, None),
}
"""For each function how its entries are, at which argument the vector stands, and, where it is
for several vectors, at which their number."""


def _adding(name: str) -> Callable[..., None]:
    """What stands in for the C function of this name."""
    entries, place, several = _FORMATS[name]

    def stand_in(*args: Any) -> None:
        matrix = [arg for i, arg in enumerate(args[:place]) if i != several]
        x, y = args[place : place + 2]
        i, j, values = entries(*matrix)
        top = innermost((values, x))
        behind = fill(y, top._trace) if isinstance(y, np.ndarray) else unfilled(y)
        if several is None:
            np.add.at(behind, i, values * x[j])
        else:
            n = args[several]
            np.add.at(np.reshape(behind, (-1, n)), i, values[:, None] * np.reshape(x, (-1, n))[j])

    return stand_in


stands_in_module(_MODULE, {name: _adding(name) for name in _FORMATS})
