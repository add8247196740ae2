"""SciPy's sparse matrices that meet traced arrays, or have traced entries.

SciPy's Python code ends in a C function for each format, which adds a product to an array. Here
the same is written in NumPy: gather, multiply, add up at the rows, in the order of the C loops.
What moves entries about (``coo_tocsr``) is asked by its C function where each goes. Sums and
products entry by entry have an entry wherever the operands have, also where values cancel.
"""

from __future__ import annotations

import sys
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
    "dia_matvecs": (_dia, 7, 6),
    "coo_matmat_dense": (_coo, 5, 1),
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
        behind = _behind(y, (values, x))
        if several is None:
            np.add.at(np.reshape(behind, -1), i, values * np.reshape(x, -1)[j])
        else:
            n = args[several]
            np.add.at(np.reshape(behind, (-1, n)), i, values[:, None] * np.reshape(x, (-1, n))[j])

    return stand_in


def _behind(target: Any, operands: Any) -> Any:
    """The traced array that an array is which the operands are written into."""
    if not isinstance(target, np.ndarray):
        return unfilled(target)
    top = innermost(operands)
    assert top is not None
    return fill(target, top._trace)


# -- entries that are added up, or scaled ----------------------------------------------------------


def _csr_todense(*args: Any) -> None:
    i, j, values = _csr(*args[:5])
    np.add.at(_behind(args[5], values), (i, j), values)


def _coo_todense(
    rows: int, columns: int, count: int, i: Any, j: Any, values: Any, target: Any, fortran: int
) -> None:
    places = i + rows * j if fortran else i * columns + j
    np.add.at(_behind(target, values), places, values)


def _csr_diagonal(k: int, *args: Any) -> None:
    i, j, values = _csr(*args[:5])
    on = j - i == k
    behind = _behind(args[5], values)
    behind[...] = 0.0
    np.add.at(behind, i[on] - max(0, -k), values[on])


def _csr_scale(by_rows: bool) -> Callable[..., None]:
    def stand_in(*args: Any) -> None:
        i, j, values = _csr(*args[:5])
        scale = args[5][i if by_rows else j]
        _behind(args[4], (values, scale))[...] = values * scale

    return stand_in


def _keys(rows: int, columns: int, pointers: Any, indices: Any) -> Any:
    """A number for each entry's place."""
    count = pointers[-1]
    return np.repeat(np.arange(rows), np.diff(pointers)) * columns + indices[:count]


def _places(keys: Any, among: Any) -> tuple[Any, Any]:
    """Where keys are among others, and whether they are there."""
    order = np.argsort(among, kind="stable")
    sorted_keys = among[order]
    where = np.minimum(np.searchsorted(sorted_keys, keys), max(len(among) - 1, 0))
    return order[where], sorted_keys[where] == keys if len(among) else np.zeros(len(keys), bool)


def _sum_duplicates(rows: int, columns: int, pointers: Any, indices: Any, data: Any) -> None:
    before = _keys(rows, columns, pointers, indices)
    values = data[: len(before)].copy()
    _c("csr_sum_duplicates")(rows, columns, pointers, indices, np.zeros(np.shape(data)))
    places, _ = _places(before, _keys(rows, columns, pointers, indices))
    behind = _behind(data, values)
    behind[...] = 0.0
    np.add.at(behind, places, values)


def _binary(sign: int) -> Callable[..., None]:
    """What stands in for ``csr_plus_csr`` and its kin; the sign is 0 for a product."""

    def stand_in(*args: Any) -> None:
        rows, columns, p, i, x, q, j, y, pointers, indices, data = args
        ones = np.ones(max(len(i), len(j), 1))
        _c("csr_elmul_csr" if sign == 0 else "csr_plus_csr")(
            *(rows, columns, p, i, ones, q, j, ones, pointers, indices, np.empty(len(indices)))
        )
        keys = _keys(rows, columns, pointers, indices)
        parts: list[Any] = []
        for pointer, index, values in ((p, i, x), (q, j, y)):
            own = _keys(rows, columns, pointer, index)
            places, there = _places(own, keys)
            part = np.zeros_like(data if isinstance(data, np.ndarray) else unfilled(data))
            np.add.at(part, places[there], values[: len(own)][there])
            parts.append(part)
        result = parts[0] * parts[1] if sign == 0 else parts[0] + sign * parts[1]
        _behind(data, (x, y))[: len(keys)] = result[: len(keys)]

    return stand_in


# -- entries that are moved ------------------------------------------------------------------------

_MOVING = {
    "coo_tocsr": (5, 8),
    "csr_tocsc": (4, 7),
    "csr_sort_indices": (3, 3),
    "csr_row_index": (4, 6),
    "csr_row_slice": (5, 7),
    "csr_column_index2": (4, 6),
    "csr_hstack": (5, 8),
    "dia_tocsr": (5, 7),
}
"""For each function at which arguments the values of entries stand, and where they are put."""


def _moved(name: str) -> Callable[..., Any]:
    source, target = _MOVING[name]

    def stand_in(*args: Any) -> Any:
        values = args[source]
        numbers = np.arange(1, np.size(values) + 1).reshape(np.shape(values))  # No entry is 0.
        places = numbers if source == target else np.zeros(np.shape(args[target]), numbers.dtype)
        given = list(args)
        given[source], given[target] = numbers, places
        count = _c(name)(*given)
        _behind(args[target], values)[...] = np.reshape(values, -1)[places - 1]
        return count

    return stand_in


def _submatrix(*args: Any) -> Any:
    values = args[4]
    pointers, indices, places = _c("get_csr_submatrix")(
        *args[:4], np.arange(np.size(values)), *args[5:]
    )
    return pointers, indices, values[places]


def _matmat(
    rows: int, columns: int, p: Any, i: Any, x: Any, q: Any, j: Any, y: Any, *result: Any
) -> None:
    pointers, indices, data = result
    row_of, middle = np.repeat(np.arange(rows), np.diff(p)), i[: p[-1]]
    counts = np.diff(q)[middle]
    left = np.repeat(np.arange(len(middle)), counts)
    right = np.arange(len(left)) + np.repeat(q[middle] - np.cumsum(counts) + counts, counts)
    ones = np.ones(max(len(i), len(j), 1))
    _c("csr_matmat")(
        *(rows, columns, p, i, ones, q, j, ones, pointers, indices, np.empty(len(indices)))
    )
    keys = row_of[left] * columns + j[right]
    places, _ = _places(keys, _keys(rows, columns, pointers, indices))
    behind = _behind(data, (x, y))
    behind[...] = 0.0
    np.add.at(behind, places, x[left] * y[right])


def _c(name: str) -> Any:
    """SciPy's function itself, which takes plain arrays."""
    return getattr(sys.modules[_MODULE], name)


stands_in_module(
    _MODULE,
    {name: _adding(name) for name in _FORMATS}
    | {name: _moved(name) for name in _MOVING}
    | {
        "csr_todense": _csr_todense,
        "coo_todense": _coo_todense,
        "csr_diagonal": _csr_diagonal,
        "csr_scale_rows": _csr_scale(True),
        "csr_scale_columns": _csr_scale(False),
        "csr_sum_duplicates": _sum_duplicates,
        "csr_plus_csr": _binary(1),
        "csr_minus_csr": _binary(-1),
        "csr_elmul_csr": _binary(0),
        "csr_matmat": _matmat,
        "get_csr_submatrix": _submatrix,
    },
)
