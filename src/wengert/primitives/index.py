"""Reading and writing parts of an array.

``slice`` reads by integers, slices and new axes and is a view; ``gather`` reads by integer arrays;
``update`` replaces a part of an array by new values; ``scatter_add`` adds to a part and is the
transpose of a gather. An ``index`` is what stands between the brackets in Python, a tuple without
Ellipsis; in those that take index arrays ``ARRAY`` marks where each of the operands goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..kinds import Linear, linear
from ..memory import copied
from ..primitive import Example, Operand, Traced, operand_type, promote
from ..program import Array, Literal, Type
from .shape import broadcast

__all__ = ["ARRAY", "fill", "gather", "ghost", "index_text", "scatter_add", "slice_", "update"]

ARRAY = "array"
"""Marks the place of an index array within an index."""

Index = tuple[Any, ...]


def fill(index: Index, arrays: Sequence[Any]) -> Index:
    """The index with its index arrays put in."""
    rest = iter(arrays)
    return tuple(next(rest) if item == ARRAY else item for item in index)


def index_text(index: Index, arrays: Sequence[str] = ()) -> str:
    """The index as it is written in Python, with texts for its index arrays: ``:, 2, ::-1``."""
    rest = iter(arrays)
    texts: list[str] = []
    for item in index:
        if isinstance(item, slice):
            ends = ("" if end is None else str(end) for end in (item.start, item.stop))
            texts.append(":".join(ends) + ("" if item.step is None else f":{item.step}"))
        else:
            texts.append(next(rest) if item == ARRAY else repr(item))
    return ", ".join(texts)


def ghost(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """An array of this shape that takes no memory: to learn shapes from NumPy itself."""
    if 0 in shape:
        return np.zeros(shape, np.int8)
    return np.ndarray(shape, np.int8, np.zeros(1, np.int8), 0, (0,) * len(shape))


def _part_type(x: Operand, index: Index, arrays: Sequence[Operand] = ()) -> Type:
    """Type of ``x[index]``; ``IndexError`` where a known index is out of bounds."""
    kind = operand_type(x)
    places = [
        array.value if isinstance(array, Literal) else np.zeros(operand_type(array).shape, np.intp)
        for array in arrays
    ]
    return Type(np.shape(ghost(kind.shape)[fill(index, places)]), kind.dtype)


# -- slice -----------------------------------------------------------------------------------------


def _scattered(ct: Array, x: Array, *arrays: Array, index: Index) -> Array:
    """The cotangent of what was read, in zeros where nothing was."""
    return scatter_add.bind(Type.of(x).zeros(), ct, *arrays, index=index)


def _accumulated(total: Any, ct: Array, *arrays: Array, index: Index) -> Array:
    """``total`` with the cotangent added where it was read: in place if nothing is traced.

    Where something is, many reads of an array become a chain of ``scatter_add`` that starts from
    one array of zeros, and not as many arrays of zeros.
    """
    if isinstance(total, Traced) or isinstance(ct, Traced):
        return scatter_add.bind(total, ct, *arrays, index=index)
    if not arrays:
        part = total[index]
        if type(part) is np.ndarray:
            np.add(part, ct, out=part)
        else:
            total[index] = part + ct
    elif any(isinstance(array, Traced) for array in arrays):
        return scatter_add.bind(total, ct, *arrays, index=index)
    else:
        np.add.at(total, fill(index, arrays), ct)
    return total


slice_ = linear(
    "slice",
    lambda x, index: x[index],
    types=lambda x, index: _part_type(x, index),
    transposes=[_scattered],
    batch=lambda size, operands, batched, index: slice_.bind(
        operands[0], index=(slice(None), *index)
    ),
    view=lambda base, new, index: update.bind(base, new, index=index),
    accumulate=_accumulated,
    examples=[
        Example(((4, 3),), {"index": (slice(1, 4, 2), 0)}),
        Example(((4,),), {"index": (slice(None, None, -1), None)}),
        Example(((2, 3, 2),), {"index": (slice(None), slice(None), 1)}),
    ],
)

# -- gather and scatter ----------------------------------------------------------------------------


def place_of_arrays(index: Index) -> tuple[int, bool]:
    """Axis of the result at which those of the index arrays begin, and whether they are split.

    Integers count as index arrays. NumPy puts the arrays' axes first if they are split, that is,
    if something stands between them.
    """
    places = [i for i, item in enumerate(index) if item == ARRAY or isinstance(item, int)]
    split = places[-1] - places[0] + 1 != len(places)
    return (0 if split else places[0]), split


def _aligned(size: int, rank: int, array: Array, batched: bool) -> Array:
    """An index array of which the batch axis comes in front of ``rank`` others."""
    if not batched:
        return array
    ones = (1,) * (rank + 1 - np.ndim(array))
    return np.reshape(array, (size, *ones, *np.shape(array)[1:]))


Move = tuple[tuple[int, ...], tuple[int, ...]]


def _batched_index(
    size: int, index: Index, arrays: Sequence[Array], batched: Sequence[bool]
) -> tuple[Index, list[Array], Move]:
    """Index and arrays for an operand with a batch axis in front.

    The part that they choose has its batch axis in front and its other axes in their order once
    those in the first tuple of the last result have been moved to those in the second.
    """
    if not arrays:
        return (slice(None), *index), [], ((), ())
    width = max(np.ndim(a) - b for a, b in zip(arrays, batched, strict=True))
    place, split = place_of_arrays(index)
    if not any(batched):
        return (slice(None), *index), list(arrays), ((width,), (0,)) if split else ((), ())
    rows = np.arange(size).reshape(size, *(1,) * width)
    aligned = [_aligned(size, width, a, b) for a, b in zip(arrays, batched, strict=True)]
    axes = range(1, 1 + width)
    return (ARRAY, *index), [rows, *aligned], (tuple(axes), tuple(axis + place for axis in axes))


def _gather_batch(
    size: int, operands: Sequence[Array], batched: Sequence[bool], index: Index
) -> Array:
    x, *arrays = operands
    if batched[0]:
        lifted, arrays, move = _batched_index(size, index, arrays, batched[1:])
        return np.moveaxis(gather.bind(x, *arrays, index=lifted), *move)
    width = max(np.ndim(a) - b for a, b in zip(arrays, batched[1:], strict=True))
    arrays = [_aligned(size, width, a, b) for a, b in zip(arrays, batched[1:], strict=True)]
    return np.moveaxis(gather.bind(x, *arrays, index=index), place_of_arrays(index)[0], 0)


def _lifted(size: int, operand: Array, batched: bool) -> Array:
    return operand if batched else broadcast.bind(operand, shape=(size, *np.shape(operand)))


def _scatter_batch(primitive: Callable[[], Linear]) -> Callable[..., Array]:
    """The rule of ``update`` and ``scatter_add``: a part is put where a gather would read it."""

    def batch(size: int, operands: Sequence[Array], batched: Sequence[bool], index: Index) -> Array:
        x = _lifted(size, operands[0], batched[0])
        part = _lifted(size, operands[1], batched[1])
        arrays = operands[2:]
        lifted, arrays, (source, target) = _batched_index(size, index, arrays, batched[2:])
        return primitive().bind(x, np.moveaxis(part, target, source), *arrays, index=lifted)

    return batch


gather = linear(
    "gather",
    lambda x, *arrays, index: x[fill(index, arrays)],
    types=lambda x, *arrays, index: _part_type(x, index, arrays),
    transposes=[_scattered, None],
    groups=(0, None),
    batch=_gather_batch,
    view=lambda base, new, *arrays, index: update.bind(base, new, *arrays, index=index),
    accumulate=_accumulated,
    examples=[
        Example(((4,), np.array([2, 0, 2])), {"index": (ARRAY,)}),
        Example(((3, 4), np.array([[1], [2]]), np.array([0, 3])), {"index": (ARRAY, ARRAY)}),
        Example(((2, 3, 4), np.array([0, 1])), {"index": (slice(None), ARRAY)}),
        Example(
            ((2, 3, 4), np.array([0, 1]), np.array([3, 1])),
            {"index": (ARRAY, slice(None), ARRAY)},
        ),
        Example(((2, 3, 4), np.array([0, 1, 1])), {"index": (0, slice(None), ARRAY)}),
        Example(((2, 3, 4), np.array([[2], [0]])), {"index": (slice(None), ARRAY, None, 1)}),
        Example(((2, 3), np.array(2)), {"index": (slice(None), ARRAY)}),
    ],
)


def _scatter_type(x: Operand, part: Operand, *arrays: Operand, index: Index) -> Type:
    kind = operand_type(x)
    _part_type(x, index, arrays)
    return Type(kind.shape, promote((kind, operand_type(part))))


def _update_type(x: Operand, part: Operand, *arrays: Operand, index: Index) -> Type:
    _part_type(x, index, arrays)
    return operand_type(x)


def _scatter_add(x: Array, part: Array, *arrays: Array, index: Index) -> Array:
    dtype = np.result_type(x, part)
    result = copied(np.asarray(x)) if dtype == x.dtype else np.array(x, dtype)
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
    result = copied(x if type(x) is np.ndarray else np.asarray(x))
    result[fill(index, arrays)] = part
    return result


def _zero_part(ct: Array, x: Array, part: Array, *arrays: Array, index: Index) -> Array:
    return update.bind(ct, np.zeros(part.shape, ct.dtype), *arrays, index=index)


update = linear(
    "update",
    _update,
    types=_update_type,
    transposes=[_zero_part, lambda ct, x, part, *arrays, index: _read(ct, index, arrays), None],
    groups=(0, 0, None),
    batch=_scatter_batch(lambda: update),
    examples=[
        Example(((4,), (2,), np.array([2, 0])), {"index": (ARRAY,)}),
        Example(((4, 3), (2,)), {"index": (slice(1, 4, 2), 0)}),
    ],
    doc="x with x[index] = part. part has the shape of x[index], the index arrays no duplicates.",
)
