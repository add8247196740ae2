"""Order: sorting, the places that sorting takes elements from, and where elements belong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..kinds import nonlinear
from ..primitive import Example, Operand, operand_type
from ..program import Array, Type
from ..trace import concrete
from .index import ARRAY, gather, scatter_add
from .reduce import cumsum
from .shape import concatenate, reshape, transpose

__all__ = ["argsort", "searchsorted", "sort"]

argsort = nonlinear(
    "argsort",
    lambda x, axis, kind: np.argsort(x, axis=axis, kind=kind),
    types=lambda x, axis, kind: Type(operand_type(x).shape, np.dtype(np.intp)),
    jvps=0,
    batch=lambda size, operands, batched, axis, kind: argsort.bind(
        operands[0], axis=axis + 1, kind=kind
    ),
    examples=[
        Example(((5,),), {"axis": 0, "kind": "stable"}),
        Example(((2, 4),), {"axis": 1, "kind": "stable"}),
    ],
    doc="Only the kind 'stable' says in which order equal elements are: that of the operand.",
)


def _rows(x: Array, axis: int) -> Array:
    """x as a matrix, the axis last."""
    order = (*(i for i in range(x.ndim) if i != axis), axis)
    moved = transpose.bind(x, axes=order)
    return reshape.bind(moved, shape=(math.prod(moved.shape[:-1]), moved.shape[-1]))


def _unrows(rows: Array, shape: tuple[int, ...], axis: int) -> Array:
    """The inverse of ``_rows``."""
    others = [i for i in range(len(shape)) if i != axis]
    moved = reshape.bind(rows, shape=(*(shape[i] for i in others), shape[axis]))
    order = [*others, axis]
    return transpose.bind(moved, axes=tuple(order.index(i) for i in range(len(shape))))


def _mean_of_ties(tangents: Array, values: Array) -> Array:
    """Replace the tangent of each of equal neighbours in sorted rows by the mean of theirs."""
    rows, length = values.shape
    new = np.not_equal(values[:, 1:], values[:, :-1]).astype(np.intp)
    first = np.ones((rows, 1), np.intp)
    marks = reshape.bind(concatenate.bind(first, new, axis=1), shape=(rows * length,))
    group = cumsum.bind(marks, axis=0, reverse=False) - 1
    flat = reshape.bind(tangents, shape=(rows * length,))
    zeros = np.zeros(rows * length, tangents.dtype)
    sums = scatter_add.bind(zeros, flat, group, index=(ARRAY,))
    counts = scatter_add.bind(zeros, np.ones_like(zeros), group, index=(ARRAY,))
    mean = gather.bind(sums, group, index=(ARRAY,)) / gather.bind(counts, group, index=(ARRAY,))
    return reshape.bind(mean, shape=(rows, length))


def _sort_jvp(x_dot: Array, ans: Array, x: Array, axis: int) -> Array:
    order = _rows(argsort.bind(x, axis=axis, kind="stable"), axis)
    rows, length = order.shape
    if rows * length == 0:
        return x_dot
    places = reshape.bind(order + length * np.arange(rows)[:, None], shape=(rows * length,))
    flat = reshape.bind(_rows(x_dot, axis), shape=(rows * length,))
    moved = reshape.bind(gather.bind(flat, places, index=(ARRAY,)), shape=(rows, length))
    values = _rows(ans, axis)
    known = concrete(values)
    if known is None or np.any(known[:, 1:] == known[:, :-1]):
        moved = _mean_of_ties(moved, values)
    return _unrows(moved, x.shape, axis)


sort = nonlinear(
    "sort",
    lambda x, axis: np.sort(x, axis=axis),
    types=lambda x, axis: operand_type(x),
    jvps=[_sort_jvp],
    batch=lambda size, operands, batched, axis: sort.bind(operands[0], axis=axis + 1),
    examples=[Example(((5,),), {"axis": 0}), Example(((3, 4, 2),), {"axis": 1})],
    doc="Elements that tie share the derivatives of their places equally.",
)


def _searchsorted(a: Array, v: Array, side: Any) -> Array:
    """The places for each batch of v in its own row of a; the leading axes of both are alike."""
    if a.ndim == 1:
        return np.asarray(np.searchsorted(a, v, side=side))[()]
    rest = v.shape[a.ndim - 1 :]
    count = math.prod(a.shape[:-1])
    rows = a.reshape(count, a.shape[-1])
    values = v.reshape(count, math.prod(rest))
    found = [
        np.searchsorted(row, value, side=side) for row, value in zip(rows, values, strict=True)
    ]
    return np.asarray(found, np.intp).reshape(*a.shape[:-1], *rest)


def _searchsorted_type(a: Operand, v: Operand, side: str) -> Type:
    return Type(operand_type(v).shape, np.dtype(np.intp))


def _searchsorted_batch(
    size: int, operands: Sequence[Array], batched: Sequence[bool], side: str
) -> Array:
    a, v = operands
    if not batched[0]:
        return searchsorted.bind(a, v, side=side)
    if not batched[1]:
        v = np.broadcast_to(v, (size, *np.shape(v)))
    if len(a.shape) == 2:
        return searchsorted.bind(a, v, side=side)
    flat = reshape.bind(a, shape=(math.prod(a.shape[:-1]), a.shape[-1]))
    rows = reshape.bind(v, shape=(flat.shape[0], *v.shape[a.ndim - 1 :]))
    return reshape.bind(searchsorted.bind(flat, rows, side=side), shape=v.shape)


searchsorted = nonlinear(
    "searchsorted",
    _searchsorted,
    types=_searchsorted_type,
    jvps=0,
    batch=_searchsorted_batch,
    examples=[
        Example((np.array([-1.0, 0.5, 1.0]), (4,)), {"side": "left"}),
        Example((np.array([-1.0, 0.5, 1.0]), (2, 2)), {"side": "right"}),
        Example((np.array([-1.0, 0.5, 1.0]), ()), {"side": "right"}),
    ],
)
