"""Reading and writing parts of an array.

``slice`` reads by integers, slices and new axes and is a view; ``gather`` reads by integer arrays;
``update`` replaces a part of an array by new values; ``scatter_add`` adds to a part and is the
transpose of a gather. An ``index`` is what stands between the brackets in Python, a tuple; in
those that take index arrays ``ARRAY`` marks where each of the operands goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..primitive import Example, Operand, linear, operand_type, promote
from ..program import Array, Literal, Type
from .shape import broadcast, transpose

__all__ = ["ARRAY", "gather", "scatter_add", "slice_", "update"]

ARRAY = "array"
"""Marks the place of an index array within an index."""

Index = tuple[Any, ...]


def fill(index: Index, arrays: Sequence[Any]) -> Index:
    """The index with its index arrays put in."""
    rest = iter(arrays)
    return tuple(next(rest) if item is ARRAY or item == ARRAY else item for item in index)


def _part_type(x: Operand, index: Index, arrays: Sequence[Operand] = ()) -> Type:
    """Type of ``x[index]``, found on arrays without memory."""
    kind = operand_type(x)
    ghost = np.ndarray(kind.shape, np.int8, np.zeros(1, np.int8), 0, (0,) * kind.ndim)
    if kind.size == 0:
        ghost = np.zeros(kind.shape, np.int8)
    filled: list[Any] = []
    for array in arrays:
        known = operand_type(array)
        in_range = isinstance(array, Literal)
        filled.append(array.value if in_range else np.zeros(known.shape, known.dtype))
    return Type(np.shape(ghost[fill(index, filled)]), kind.dtype)


# -- slice -----------------------------------------------------------------------------------------


def _slice_transpose(ct: Array, x: Array, index: Index) -> Array:
    return scatter_add.bind(Type.of(x).zeros(), ct, index=index)


def _slice_accumulate(buffer: Any, ct: Array, index: Index) -> None:
    buffer[index] += ct


slice_ = linear(
    "slice",
    lambda x, index: x[index],
    types=lambda x, index: _part_type(x, index),
    transposes=[_slice_transpose],
    batch=lambda size, operands, batched, index: slice_.bind(
        operands[0], index=(slice(None), *index)
    ),
    view=lambda base, new, index: update.bind(base, new, index=index),
    accumulate=_slice_accumulate,
    examples=[
        Example(((4, 3),), {"index": (slice(1, 4, 2), 0)}),
        Example(((4,),), {"index": (slice(None, None, -1), None)}),
        Example(((2, 3, 2),), {"index": (Ellipsis, 1)}),
    ],
)

# -- gather and scatter ----------------------------------------------------------------------------


def _expand(index: Index, rank: int) -> Index:
    """The index with an Ellipsis spelt out, for an array of this rank."""
    used = sum(item is not None and item is not Ellipsis for item in index)
    full = (slice(None),) * (rank - used)
    if any(item is Ellipsis for item in index):
        place = next(i for i, item in enumerate(index) if item is Ellipsis)
        return (*index[:place], *full, *index[place + 1 :])
    return (*index, *full)


def _split_advanced(index: Index) -> bool:
    """Whether NumPy puts the axes of the index arrays first (they are not next to each other)."""
    places = [i for i, item in enumerate(index) if item == ARRAY or isinstance(item, int)]
    return bool(places) and places[-1] - places[0] + 1 != len(places)


def _arrays_place(index: Index) -> int:
    """Axis of the result at which the axes of adjacent index arrays begin."""
    if _split_advanced(index):
        return 0
    place = 0
    for item in index:
        if item == ARRAY or isinstance(item, int):
            return place
        place += 1
    return place


class _Batched:
    """An index and its arrays for operands of which some carry a batch axis in front."""

    def __init__(self, size: int, rank: int, index: Index, arrays: Any, batched: Any) -> None:
        index = _expand(index, rank)
        self.rank = max((np.ndim(a) - b for a, b in zip(arrays, batched, strict=True)), default=0)
        self.place = _arrays_place(index)
        self.many = any(batched)
        if self.many:
            aligned = [
                np.reshape(a, (size, *(1,) * (self.rank - np.ndim(a) + 1), *np.shape(a)[1:]))
                if b
                else a
                for a, b in zip(arrays, batched, strict=True)
            ]
            rows = np.arange(size).reshape(size, *(1,) * self.rank)
            # One array per axis, new axes apart: the arrays' axes then come first, batch in front.
            self.index: Index = (ARRAY, *index)
            self.arrays = [rows, *aligned]
            split = _split_advanced(self.index)
            self.moved = 0 if split or self.place == 0 else self.place
        else:
            self.index = (slice(None), *index)
            self.arrays = list(arrays)
            split = _split_advanced(self.index)
            self.moved = -1 if split and self.rank else 0

    def order(self, ndim: int) -> tuple[int, ...] | None:
        """Axes that bring ``x[index]`` to batch first, the rest as unbatched; None for as is."""
        if not self.many:
            if _split_advanced(self.index):
                rest = [i for i in range(ndim) if i != self.rank]
                return (self.rank, *rest)
            return None
        if not _split_advanced(self.index) or self.place == 0:
            return None
        arrays = list(range(1, 1 + self.rank))
        others = list(range(1 + self.rank, ndim))
        return (0, *others[: self.place], *arrays, *others[self.place :])


def _gather_batch(size: int, operands: Any, batched: Any, index: Index) -> Array:
    x, *arrays = operands
    if not batched[0]:
        x = broadcast.bind(x, shape=(size, *np.shape(x)))
    plan = _Batched(size, x.ndim - 1, index, arrays, batched[1:])
    found = gather.bind(x, *plan.arrays, index=plan.index)
    order = plan.order(found.ndim)
    return found if order is None else transpose.bind(found, axes=order)


def _scatter_batch(primitive: Any) -> Any:
    def batch(size: int, operands: Any, batched: Any, index: Index) -> Array:
        x, part, *arrays = operands
        if not batched[0]:
            x = broadcast.bind(x, shape=(size, *np.shape(x)))
        if not batched[1]:
            part = broadcast.bind(part, shape=(size, *np.shape(part)))
        plan = _Batched(size, x.ndim - 1, index, arrays, batched[2:])
        order = plan.order(part.ndim)
        if order is not None:
            inverse = sorted(range(len(order)), key=order.__getitem__)
            part = transpose.bind(part, axes=tuple(inverse))
        return primitive().bind(x, part, *plan.arrays, index=plan.index)

    return batch


def _gather_accumulate(buffer: Any, ct: Array, *arrays: Array, index: Index) -> None:
    np.add.at(buffer, fill(index, arrays), ct)


gather = linear(
    "gather",
    lambda x, *arrays, index: x[fill(index, arrays)],
    types=lambda x, *arrays, index: _part_type(x, index, arrays),
    transposes=[
        lambda ct, x, *arrays, index: scatter_add.bind(
            Type.of(x).zeros(), ct, *arrays, index=index
        ),
        None,
    ],
    groups=(0, None),
    batch=_gather_batch,
    accumulate=_gather_accumulate,
    examples=[
        Example(((4,), np.array([2, 0, 2])), {"index": (ARRAY,)}),
        Example(((3, 4), np.array([[1], [2]]), np.array([0, 3])), {"index": (ARRAY, ARRAY)}),
        Example(((2, 3, 4), np.array([0, 1])), {"index": (slice(None), ARRAY)}),
        Example(
            ((2, 3, 4), np.array([0, 1]), np.array([3, 1])),
            {"index": (ARRAY, slice(None), ARRAY)},
        ),
    ],
)


def _scatter_type(x: Operand, part: Operand, *arrays: Operand, index: Index) -> Type:
    kind = operand_type(x)
    return Type(kind.shape, promote((kind, operand_type(part))))


def _scatter_add(x: Array, part: Array, *arrays: Array, index: Index) -> Array:
    result = np.array(x, dtype=np.result_type(x, part))
    if arrays:
        np.add.at(result, fill(index, arrays), part)
    else:
        result[index] += part
    return result


def _read(x: Array, index: Index, arrays: Sequence[Array]) -> Array:
    if arrays:
        return gather.bind(x, *arrays, index=index)
    return slice_.bind(x, index=index)


scatter_add = linear(
    "scatter_add",
    _scatter_add,
    types=_scatter_type,
    transposes=[
        lambda ct, x, part, *arrays, index: ct,
        lambda ct, x, part, *arrays, index: _read(ct, index, arrays),
        None,
    ],
    groups=(0, 0, None),
    batch=_scatter_batch(lambda: scatter_add),
    examples=[
        Example(((4,), (3,), np.array([2, 0, 2])), {"index": (ARRAY,)}),
        Example(((2, 3, 4), (2, 2, 4), np.array([0, 1])), {"index": (slice(None), ARRAY)}),
        Example(((4, 3), (2,)), {"index": (slice(1, 4, 2), 0)}),
    ],
)

# -- update ----------------------------------------------------------------------------------------


def _update(x: Array, part: Array, *arrays: Array, index: Index) -> Array:
    result = np.array(x)
    result[fill(index, arrays)] = part
    return result


def _zero_part(ct: Array, x: Array, part: Array, *arrays: Array, index: Index) -> Array:
    return update.bind(ct, np.zeros(part.shape, ct.dtype), *arrays, index=index)


update = linear(
    "update",
    _update,
    types=lambda x, part, *arrays, index: operand_type(x),
    transposes=[_zero_part, lambda ct, x, part, *arrays, index: _read(ct, index, arrays), None],
    groups=(0, 0, None),
    batch=_scatter_batch(lambda: update),
    examples=[
        Example(((4,), (2,), np.array([2, 0])), {"index": (ARRAY,)}),
        Example(((4, 3), (2,)), {"index": (slice(1, 4, 2), 0)}),
    ],
    doc="x with x[index] = part. part has the shape of x[index], the index arrays no duplicates.",
)
