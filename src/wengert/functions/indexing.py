"""Indexing: which of the index primitives an expression in brackets stands for.

An index is first put into the form of ``primitives.index``: no Ellipsis, plain integers and
slices, masks as integer arrays, index arrays apart. A basic one gives a view, as in NumPy.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from functools import wraps
from types import NoneType
from typing import Any, NamedTuple

import numpy as np

from ..errors import UnsupportedError
from ..memory import laid
from ..primitive import Params, Traced
from ..primitives.index import ARRAY, fill, gather, ghost, scatter_add, slice_, update
from ..primitives.logic import select
from ..primitives.shape import broadcast, convert, reshape
from ..program import Array
from ..trace import (
    FUNCTIONS,
    GATHERED,
    UFUNC_METHODS,
    ArrayTracer,
    PlacedView,
    View,
    all_concrete,
    as_array,
    as_view,
    implements,
    known,
    layout,
    ordered,
    plain,
    store,
)
from .elementwise import arraylike, truth
from .roots import joined, written

__all__ = ["diagonal_copy", "diagonal_view", "getitem", "parse", "setitem"]

_MASK_REMEDY = "np.where(mask, a, b), whose shape no value decides"


class Parsed(NamedTuple):
    """An index as the primitives take it.

    ``axes`` are those of the operand that the index arrays run along, ``fresh`` those of length 1
    that have to be inserted into the operand first (a lone True or False indexes such an axis).
    """

    template: tuple[Any, ...]
    arrays: list[Array]
    axes: list[int]
    fresh: list[int]


def _basic(index: Any) -> tuple[Any, ...] | None:
    """The index of a view in the common cases, that is of plain integers, slices and None."""
    if isinstance(index, np.integer):
        return (int(index),)
    items = index if type(index) is tuple else (index,)
    for item in items:
        kind = type(item)
        if kind is slice:
            if (
                type(item.start) not in _BOUNDS
                or type(item.stop) not in _BOUNDS
                or type(item.step) not in _BOUNDS
            ):
                return None
        elif kind not in _BOUNDS:
            return None
    return items


_BOUNDS = frozenset({int, NoneType})
_SEQUENCES = frozenset({list, tuple})
_ARRAYS = (np.ndarray, ArrayTracer)


def _names_element(index: tuple[Any, ...], x: Array) -> bool:
    """Whether an index names one element, of a dtype that no sequence is converted to."""
    return len(index) == x.ndim and x.dtype.kind != "b" and all(type(i) is int for i in index)


def _bound(value: Any) -> int | None:
    return None if value is None else operator.index(value)


def _item(item: Any) -> Any:
    """One item of an index: None, Ellipsis, int, slice, or an array of integers or Booleans."""
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, slice):
        return slice(_bound(item.start), _bound(item.stop), _bound(item.step))
    if isinstance(item, Traced):
        if item.__class__ is int:
            return operator.index(item)
    else:
        item = np.asarray(item)
        if item.dtype.kind == "O":
            item = plain(item)
        elif item.size == 0:
            item = item.astype(bool if item.dtype.kind == "b" else np.intp)
    if item.dtype.kind == "b":
        return np.asarray(known(item, "the elements chosen by", _MASK_REMEDY))
    if item.dtype.kind not in "iu":
        raise IndexError("arrays used as indices must be of integer (or boolean) type")
    return item if isinstance(item, Traced) or item.ndim else int(item)


def _consumed(item: Any) -> int:
    """How many axes of the operand an item indexes."""
    if item is None or item is Ellipsis:
        return 0
    return item.ndim if _is_mask(item) else 1


def _is_mask(item: Any) -> bool:
    return isinstance(item, np.ndarray) and item.dtype.kind == "b"


def parse(index: Any, shape: tuple[int, ...]) -> Parsed:
    """Any index of NumPy's, for an operand of this shape."""
    items = [_item(item) for item in (index if isinstance(index, tuple) else (index,))]
    rest = len(shape) - sum(map(_consumed, items))
    if rest < 0:
        raise IndexError(f"too many indices for an array with {len(shape)} axes")
    if sum(item is Ellipsis for item in items) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    parsed = Parsed((), [], [], [])
    template: list[Any] = []
    axis = 0
    for item in items:
        if item is Ellipsis:
            # One of length 0 keeps index arrays apart, which decides where their axes go.
            template.extend([slice(None)] * rest if rest else [Ellipsis])
            axis += rest
        elif item is None or isinstance(item, (int, slice)):
            template.append(item)
            axis += item is not None
        elif not _is_mask(item):
            template.append(ARRAY)
            parsed.arrays.append(item)
            parsed.axes.append(axis + len(parsed.fresh))
            axis += 1
        else:
            template.extend([ARRAY] * max(item.ndim, 1))
            _add_mask(parsed, item, axis, shape)
            axis += item.ndim
    return parsed._replace(template=_without_needless_ellipsis(template))


def _add_mask(
    parsed: Parsed, mask: np.ndarray[Any, Any], axis: int, shape: tuple[int, ...]
) -> None:
    if mask.shape != shape[axis : axis + mask.ndim]:
        raise IndexError(
            f"a mask of shape {mask.shape} does not fit axes {axis} and on of an array of {shape}"
        )
    start = axis + len(parsed.fresh)
    if mask.ndim:
        parsed.arrays.extend(mask.nonzero())
        parsed.axes.extend(range(start, start + mask.ndim))
    else:
        parsed.arrays.append(np.zeros(int(mask), np.intp))
        parsed.axes.append(start)
        parsed.fresh.append(start)


def _without_needless_ellipsis(template: list[Any]) -> tuple[Any, ...]:
    if Ellipsis in template:
        place = template.index(Ellipsis)
        around = template[:place], template[place + 1 :]
        apart = all(any(i == ARRAY or type(i) is int for i in side) for side in around)
        if not apart or ARRAY not in template:
            template = [*around[0], *around[1]]
    return tuple(template)


def _with_fresh(x: Array, fresh: Sequence[int]) -> Array:
    return np.expand_dims(x, tuple(fresh)) if fresh else x


# -- reading ---------------------------------------------------------------------------------------


@implements(operator.getitem)
def getitem(x: Array, index: Any) -> Array:
    """``x[index]``: a view for integers and slices, a copy for index arrays and masks."""
    basic = (index,) if type(index) is int else _basic(index)
    if basic is not None:
        params = {"index": basic}
        made = x._trace.process(slice_, (x,), params)
        array = isinstance(made, Traced) and type(made).assignable
        return View(made, x, slice_, params) if array else made
    items: Any = index if type(index) is tuple else (index,)
    had_ellipsis = any(item is Ellipsis for item in items)
    index, arrays, _, fresh = parse(index, x.shape)
    params = {"index": index}
    if not arrays:
        made = slice_.bind(x, index=index) if index else x
        return as_view(x, made, slice_, params) if made.shape or had_ellipsis else made
    made = gather.bind(_with_fresh(x, fresh), *arrays, index=index)
    if any(np.ndim(array) for array in arrays) or not (made.shape or had_ellipsis):
        return made
    return as_view(x, made, gather, params, arrays)


def _in_a_row(a: Array, axis: int | None) -> tuple[Array, int]:
    """The array and the axis, which is not negative; without one, the elements in a row."""
    if axis is None:
        return np.ravel(a), 0
    rank = len(a.shape)
    if not -rank <= axis < rank:
        raise np.exceptions.AxisError(axis, rank)
    return a, operator.index(axis) % rank


@implements(np.take)
def take(a: Array, indices: Any, axis: int | None = None, mode: str = "raise") -> Array:
    is_array = isinstance(indices, (np.ndarray, Traced))
    a, indices = plain(a), plain(indices)
    a, axis = _in_a_row(a, axis if np.ndim(a) or axis not in (0, -1) else None)
    if not isinstance(indices, Traced):
        indices = np.asarray(indices)
        if not is_array and indices.dtype.kind == "f":  # In lists NumPy takes floats too.
            indices = indices.astype(np.intp)
    if not np.can_cast(indices.dtype, np.intp, "same_kind"):
        raise TypeError(f"cannot take elements by indices of {indices.dtype}")
    if indices.dtype.kind == "b":
        indices = np.astype(indices, np.intp)
    if mode == "wrap":
        indices = indices % a.shape[axis]
    elif mode == "clip":
        indices = np.clip(indices, 0, a.shape[axis] - 1)
    made = gather.bind(a, indices, index=(*(slice(None),) * axis, ARRAY))
    return ordered(made) if made.shape else made


@implements(np.take_along_axis)
def take_along_axis(arr: Array, indices: Array, axis: int | None = -1) -> Array:
    arr, axis = _in_a_row(arr, axis)
    return getitem(arr, _along(arr.shape, indices, axis))


def _along(shape: tuple[int, ...], indices: Array, axis: int) -> tuple[Any, ...]:
    """The full index of which ``indices`` is the part along one axis."""
    rank = len(shape)
    if indices.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    if np.ndim(indices) != rank:
        raise ValueError("the indices and the array must have the same number of axes")
    if not -rank <= axis < rank:
        raise np.exceptions.AxisError(axis, rank)
    rows = [np.arange(n).reshape(-1, *(1,) * (rank - 1 - i)) for i, n in enumerate(shape)]
    rows[axis % rank] = indices
    return tuple(rows)


@implements(np.compress)
def compress(condition: Any, a: Array, axis: int | None = None) -> Array:
    mask = np.asarray(known(plain(condition), "the elements chosen by", _MASK_REMEDY))
    if mask.ndim != 1:
        raise ValueError("condition must be a 1-d array")
    return take(a, np.flatnonzero(mask), axis)


@implements(np.extract)
def extract(condition: Any, arr: Array) -> Array:
    return compress(np.ravel(condition), np.ravel(arr))


@implements(np.diagonal)
def diagonal(a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    return diagonal_view(a, offset, axis1, axis2, writeable=False)


@implements(np.linalg.diagonal)
def matrix_diagonal(x: Array, /, *, offset: int = 0) -> Array:
    return diagonal_view(x, offset, -2, -1, writeable=False)


def diagonal_view(
    a: Array, offset: int, axis1: int, axis2: int, *, writeable: bool = True
) -> Array:
    """The elements at equal places of two axes, behind those of the other axes."""
    a = np.moveaxis(a, (axis1, axis2), (-2, -1))
    made, params, places = _read_diagonal(a, offset)
    if not getattr(type(a), "assignable", False):
        return made

    def place(model: Array) -> Array:
        return np.diagonal(model, offset, -2, -1)

    return PlacedView(made, a, gather, params, places, place, writeable)


def diagonal_copy(a: Array, offset: int, axis1: int, axis2: int) -> Array:
    """The same where nobody will write to the array or to the diagonal."""
    return _read_diagonal(np.moveaxis(a, (axis1, axis2), (-2, -1)), offset)[0]


def _read_diagonal(a: Array, offset: int) -> tuple[Array, Params, Sequence[Array]]:
    """The diagonal of the last two axes, and the index and the places by which it is read."""
    rows, columns = a.shape[-2:]
    start = max(-offset, 0), max(offset, 0)
    steps = np.arange(max(min(rows - start[0], columns - start[1]), 0))
    index = (*(slice(None),) * (a.ndim - 2), ARRAY, ARRAY)
    places = (steps + start[0], steps + start[1])
    return gather.bind(a, *places, index=index), {"index": index}, places


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    x: Array,
    window_shape: Any,
    axis: Any = None,
    *,
    subok: bool = False,
    writeable: bool = False,
) -> Array:
    if writeable:
        raise UnsupportedError(
            "windows of a traced array that can be written to are not differentiated, as they "
            "share elements",
            remedy="sliding_window_view(x, window_shape) to read, and x itself to write to",
        )
    windows = np.lib.stride_tricks.sliding_window_view

    def place(model: Array) -> Array:
        return windows(model, window_shape, axis)

    # The places of the elements, one array for each axis of x.
    axes = np.ogrid[tuple(slice(n) for n in x.shape)]
    places = [np.array(place(np.broadcast_to(row, x.shape))) for row in axes]
    params = {"index": (ARRAY,) * len(places)}
    made = gather.bind(x, *places, **params)
    return PlacedView(made, x, gather, params, places, place, False)


@implements(np.lib.stride_tricks.as_strided)
def as_strided(
    x: Any,
    shape: Any = None,
    strides: Any = None,
    subok: bool = False,
    writeable: bool = True,
) -> Array:
    """The elements at these distances in memory: of ``x``, or of what it is a view of."""
    x = as_array(arraylike(x))
    own = layout(x)
    shape = own.shape if shape is None else tuple(map(operator.index, shape))
    strides = own.strides if strides is None else tuple(map(operator.index, strides))
    if len(shape) != len(strides):
        raise ValueError("mismatch in length of strides and shape")
    start, x = _seen_from_the_root(x)
    lying = layout(x)
    here, wanted = _distances(lying.shape, lying.strides), start + _distances(shape, strides)
    order = np.argsort(here, kind="stable")
    found = np.searchsorted(here, wanted, sorter=order)
    numbers = order[np.minimum(found, max(here.size - 1, 0))] if here.size else wanted
    if wanted.size and not (here.size and np.array_equal(here[numbers], wanted)):
        raise UnsupportedError(
            "np.lib.stride_tricks.as_strided reads memory outside of the elements of the traced "
            "array that it was given",
            remedy="np.lib.stride_tricks.sliding_window_view, or an index",
        )
    if not x.ndim:
        return np.broadcast_to(x, shape)
    numbers = numbers.reshape(shape)
    distinct = np.unique(wanted).size == wanted.size

    def place(model: Array) -> Array:
        size = model.itemsize
        alike = [s * lying.itemsize for s in model.strides] == [s * size for s in lying.strides]
        if not (alike and model.flags.forc and model.size):
            part = np.ravel(model)[numbers]
            same = distinct and model.dtype == own.dtype
            return (
                laid(part, np.lib.stride_tricks.as_strided(own, shape, strides)) if same else part
            )
        flat = np.ravel(model, order="K")[start // lying.itemsize :]
        steps = tuple(step * size // lying.itemsize for step in strides)
        return np.lib.stride_tricks.as_strided(flat, shape, steps)

    params = {"index": (ARRAY,) * x.ndim}
    places = list(np.unravel_index(numbers, x.shape))
    made = gather.bind(x, *places, **params)
    return PlacedView(made, x, gather, params, places, place, writeable and distinct)


def _seen_from_the_root(x: Any) -> tuple[int, Any]:
    """How many bytes a view is after the array that it is a view of, and that array."""
    if not type(x).derived or (root := x.root()) is x:
        return 0, x
    model = layout(root)
    part = x.placed(model)
    if part.size and np.may_share_memory(part, model):
        return _address(part) - _address(model), root
    return 0, x


def _address(array: np.ndarray[Any, Any]) -> int:
    return array.__array_interface__["data"][0]


def _distances(shape: Sequence[int], strides: Sequence[int]) -> np.ndarray[Any, Any]:
    """How many bytes each element is after the first, in C order."""
    steps = (np.arange(n) * step for n, step in zip(shape, strides, strict=True))
    total = np.zeros((), int)
    for along in steps:
        total = np.add.outer(total, along)
    return total.ravel()


@implements(np.diag)
def diag(v: Array, k: int = 0) -> Array:
    if v.ndim not in (1, 2):
        raise ValueError("Input must be 1- or 2-d.")
    if v.ndim == 2:
        return diagonal_view(v, k, 0, 1, writeable=False)
    n = v.shape[0] + abs(k)
    steps = np.arange(v.shape[0])
    zeros = np.zeros((n, n), v.dtype)
    return scatter_add.bind(zeros, v, steps + max(-k, 0), steps + max(k, 0), index=(ARRAY, ARRAY))


@implements(np.diagflat)
def diagflat(v: Array, k: int = 0) -> Array:
    return diag(np.ravel(plain(v)), k)


@implements(np.delete)
def delete(arr: Array, obj: Any, axis: int | None = None) -> Array:
    arr, axis = _in_a_row(arr, axis)
    obj = _places(obj)
    kept = take(arr, np.delete(np.arange(arr.shape[axis]), obj), axis)
    return ordered(kept, _own_order(arr))


def _places(places: Any) -> Any:
    """The places at which elements are deleted or inserted, which have to be known."""
    return known(places, "the places", GATHERED) if isinstance(places, Traced) else places


def _own_order(a: Array) -> str:
    """The order of what NumPy builds from parts of an array."""
    return "F" if layout(a).flags.fnc else "C"


@implements(np.insert)
def insert(arr: Array, obj: Any, values: Any, axis: int | None = None) -> Array:
    arr = plain(arr)
    values = as_array(_as_part(values, arr.dtype))
    arr, axis = _in_a_row(arr, axis)
    obj = _places(obj)
    length = arr.shape[axis]
    values = np.reshape(values, (1,) * (arr.ndim - values.ndim) + values.shape)
    if not isinstance(obj, slice) and np.ndim(obj) == 0:
        values = np.moveaxis(values, 0, axis)
        count = values.shape[axis]
    else:
        count = np.insert(np.arange(length), obj, -1).size - length
    places = np.insert(np.arange(length), obj, np.arange(length, length + count))
    wide = (*arr.shape[:axis], count, *arr.shape[axis + 1 :])
    joined = np.concatenate([arr, np.broadcast_to(values, wide)], axis=axis)
    return ordered(take(joined, places, axis), _own_order(arr))


# -- where something is ----------------------------------------------------------------------------

_PLACES = "np.where(condition, a, b), whose shape no value decides"


@implements(np.nonzero)
def nonzero(a: Array) -> Any:
    return np.nonzero(known(a, "the places of the non-zero elements of", _PLACES))


@implements(np.flatnonzero)
def flatnonzero(a: Array) -> Array:
    return np.flatnonzero(known(a, "the places of the non-zero elements of", _PLACES))


@implements(np.argwhere)
def argwhere(a: Array) -> Array:
    return np.argwhere(known(a, "the places of the non-zero elements of", _PLACES))


# -- writing ---------------------------------------------------------------------------------------


@implements(operator.setitem)
def setitem(x: Array, index: Any, value: Array) -> Array:
    """The array that ``x`` becomes by ``x[index] = value``."""
    made = _set(x, index, value)
    if type(x).rooted or getattr(type(value), "rooted", False) or type(value) in _SEQUENCES:
        return _with_roots(made, x, index, value)
    return made


def _with_roots(made: Array, x: Array, index: Any, value: Array) -> Array:
    """The array after an assignment, which remembers the roots that it has elements of."""
    if type(value) in _SEQUENCES:
        if not type(x).rooted and not any(getattr(type(v), "rooted", False) for v in value):
            return made
        value = plain(value)
    if made is x:
        return made
    items: Any = index if type(index) is tuple else (index,)
    if any(isinstance(item, Traced) for item in items):

        def chosen(parts: list[Array]) -> Array:
            return _set(np.broadcast_to(parts[0], x.shape), index, parts[1])

        return joined(made, [x, value], chosen) if x.shape else made

    def put(x: Array, part: Array) -> Array:
        result = x.copy()
        result[index] = part
        return result

    return written(made, x, value, put)


def _set(x: Array, index: Any, value: Array) -> Array:
    if not x.shape:
        return _set_point(x, index, value)
    basic = (index,) if type(index) is int else _basic(index)
    if basic is not None:
        if type(value) in _SEQUENCES and _names_element(basic, x):
            raise ValueError("setting an array element with a sequence.")
        if isinstance(value, Traced) and type(value).derived and value.is_part(x, slice_, basic):
            return x
        if isinstance(value, _ARRAYS) and value.shape and _names_element(basic, x):
            np.empty(1)[0] = np.empty(value.shape)  # An error in newer versions of NumPy.
        return _update(x, _as_part(value, x.dtype), Parsed(basic, [], [], []))
    part = _as_part(value, x.dtype)
    if isinstance(index, (np.ndarray, Traced)) and index.dtype == bool and index.ndim:
        rest = x.shape[index.ndim :]
        if not rest and part.ndim > 1:
            raise TypeError(
                "NumPy boolean array indexing assignment requires a 0 or 1-dimensional input, "
                f"input has {part.ndim} dimensions"
            )
        if part.ndim <= len(rest):
            if index.shape != x.shape[: index.ndim]:
                raise IndexError(f"a mask of shape {index.shape} does not fit shape {x.shape}")
            mask = np.reshape(index, index.shape + (1,) * len(rest))
            return select.bind(mask, np.broadcast_to(part, rest), x)
    parsed = parse(index, x.shape)
    if not parsed.fresh:
        return _update(x, part, parsed)
    made = _update(_with_fresh(x, parsed.fresh), part, parsed)
    return reshape.bind(made, shape=x.shape)


def _set_point(x: Array, index: Any, value: Array) -> Array:
    """The array without axes that ``x`` becomes by ``x[index] = value``."""
    parsed = parse(index, ())
    if not parsed.fresh and not _part_shape((), parsed.template):
        if type(value) in _SEQUENCES:
            raise ValueError("setting an array element with a sequence.")
        if index == () and isinstance(value, _ARRAYS) and value.shape:
            np.empty(())[()] = np.empty(value.shape)  # An error in newer versions of NumPy.
    part = _as_part(value, x.dtype)
    if type(index) is tuple and not index and part.ndim:  # NumPy's errors
        like = np.zeros(part.shape)
        np.zeros((), x.dtype)[()] = like.tolist() if type(value) in _SEQUENCES else like
    if parsed.fresh:
        made = _update(_with_fresh(x, parsed.fresh), part, parsed)
        return reshape.bind(made, shape=())
    part = _fitted(part, _part_shape((), parsed.template))
    part = reshape.bind(part, shape=())
    return part if isinstance(part, Traced) else x._trace.constant(part)


@implements("part")
def _as_part(value: Any, dtype: np.dtype[Any]) -> Array:
    """A value in the dtype of the array that it is assigned into."""
    joint = isinstance(value, (Traced, np.ndarray, list, tuple))
    if dtype.kind in "iu" and _is_python(value):
        return np.asarray(value, dtype)  # NumPy raises for numbers that do not fit.
    part = plain(value) if joint else np.asarray(value)
    if part.dtype != dtype:
        if part.dtype.kind == "c" and dtype.kind != "c":
            raise UnsupportedError(
                f"a {part.dtype} value cannot be assigned into an array of {dtype}",
                remedy="np.real(value), or an array of complex numbers to assign into",
            )
        part = convert.bind(part, dtype=dtype)
    return part


def _is_python(value: Any) -> bool:
    """Whether a value is one of Python's numbers, or nested lists of them."""
    if type(value) in (list, tuple):
        return all(map(_is_python, value))
    kind = type(value)
    return kind in (int, float, bool) or getattr(kind, "python", False)


def _fitted(part: Array, shape: tuple[int, ...]) -> Array:
    """A value broadcast to the shape of the part that it replaces."""
    if part.shape == shape:
        return part
    extra = part.ndim - len(shape)
    if any(n != 1 for n in part.shape[: max(extra, 0)]):
        raise ValueError(f"could not broadcast from shape {part.shape} into shape {shape}")
    if getattr(type(part), "rooted", False):
        return np.broadcast_to(np.reshape(part, part.shape[max(extra, 0) :]), shape)
    if extra > 0:
        part = reshape.bind(part, shape=part.shape[extra:])
    return part if part.shape == shape else broadcast.bind(part, shape=shape)


def _fitted_to_places(part: Array, shape: tuple[int, ...]) -> Array:
    """The same for what index arrays choose: of nothing NumPy drops axes in front of any length."""
    rank = len(shape)
    if part.ndim > rank and 0 in shape and 0 in part.shape[-rank:]:
        part = np.zeros(part.shape[-rank:], part.dtype)
    return _fitted(part, shape)


def _update(x: Array, part: Array, parsed: Parsed) -> Array:
    index, arrays, _, _ = parsed
    if not arrays:
        part = _fitted(part, _part_shape(x.shape, index))
        return update.bind(x, part, index=index)
    if all(np.ndim(array) == 0 for array in arrays):
        zeros = [np.zeros((), np.intp)] * len(arrays)
        part = _fitted(part, np.shape(ghost(x.shape)[fill(index, zeros)]))
        return update.bind(x, part, *arrays, index=index)
    found = [known(array, "the places that are assigned to by", "x[i] = ...") for array in arrays]
    filled = fill(index, found)
    part = _fitted_to_places(part, np.shape(ghost(x.shape)[filled]))
    if _distinct(found, [x.shape[axis] for axis in parsed.axes]):
        return update.bind(x, part, *arrays, index=index)
    return _last_wins(x, part, filled)


def _part_shape(shape: tuple[int, ...], index: tuple[Any, ...]) -> tuple[int, ...]:
    """Shape of the part that a basic index chooses."""
    if len(index) == 1 and type(index[0]) is int:
        return shape[1:]
    return np.shape(ghost(shape)[index])


def _distinct(arrays: Sequence[Any], lengths: Sequence[int]) -> bool:
    """Whether no element is named twice by these index arrays."""
    wide = np.broadcast_arrays(*arrays)
    if wide[0].size < 2:
        return True
    positive = [a % n for a, n in zip(wide, lengths, strict=True)]
    flat = np.ravel_multi_index(positive, lengths).ravel()
    return np.unique(flat).size == flat.size


def _last_wins(x: Array, part: Array, index: tuple[Any, ...]) -> Array:
    """Of several values for one element the last one stays, as in NumPy."""
    places = np.arange(math.prod(x.shape)).reshape(x.shape)[index].ravel()
    _, backwards = np.unique(places[::-1], return_index=True)
    last = places.size - 1 - backwards
    values = gather.bind(reshape.bind(part, shape=(places.size,)), last, index=(ARRAY,))
    flat = reshape.bind(x, shape=(math.prod(x.shape),))
    made = update.bind(flat, values, places[last], index=(ARRAY,))
    return reshape.bind(made, shape=x.shape)


def _filled(target: Any, operands: Any) -> Any:
    """A plain array that is written to as a traced one; an error for anything else."""
    traced: list[Traced] = []

    def look(value: Any) -> None:
        if isinstance(value, Traced):
            traced.append(value)
        elif isinstance(value, (tuple, list, dict)):
            for each in value.values() if isinstance(value, dict) else value:
                look(each)

    look(operands)
    if not isinstance(target, np.ndarray) or not traced:
        raise UnsupportedError(
            "a number that is traced, or no array, was to be written into",
            remedy="np.array(x) for the x that is written into",
        )
    innermost = max(traced, key=lambda each: each._trace.serial)
    return FUNCTIONS["fill"](target, innermost._trace)


def _add_at(sign: int) -> Any:
    def at(a: Array, indices: Any, b: Array) -> None:
        if _holds_objects(a):
            (np.add if sign > 0 else np.subtract).at(a, indices, _as_objects(b))
            return
        if _keeps_numbers(a):
            plain = all_concrete((indices, b))
            if plain is not None:
                (np.add if sign > 0 else np.subtract).at(a, *plain)
                return
        part = arraylike(b)
        if not getattr(type(a), "assignable", False):
            a = _filled(a, (part, indices))
        if a.dtype.kind in "iub" and part.dtype.kind in "fc":
            raise UnsupportedError(
                f"{part.dtype} values added to an array of {a.dtype} are rounded one by one",
                remedy="x.astype(float) for the array that is added to",
            )
        part = _as_part(part, a.dtype)
        index, arrays, _, fresh = parse(indices, a.shape)
        base = _with_fresh(a, fresh)
        found = [known(array, "the places that are added to by", "x[i] += ...") for array in arrays]
        shape = np.shape(ghost(base.shape)[fill(index, found)])
        if part.ndim > len(shape):
            raise ValueError("array is not broadcastable to correct shape")
        part = _fitted(part, shape)
        part = part if sign > 0 else -part
        made = scatter_add.bind(base, part, *arrays, index=index)
        a.assign(reshape.bind(made, shape=a.shape) if fresh else made)

    return at


UFUNC_METHODS[np.add, "at"] = _add_at(1)
UFUNC_METHODS[np.subtract, "at"] = _add_at(-1)


def _cycled(values: Array, places: Any) -> Array:
    """The values with these numbers, which go on from the start where there are no more."""
    values = np.ravel(values)
    if values.shape[0] == places.size:
        return values
    return take(values, places % values.shape[0])


def _writes(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: what a NumPy function becomes that writes into its first operand.

    An array of objects, which can hold traced numbers, is left to NumPy.
    """

    def register(implementation: Callable[..., None]) -> Callable[..., None]:
        @wraps(implementation)
        def write(*args: Any, **kwargs: Any) -> None:
            if not args or not isinstance(args[0], np.ndarray):
                return implementation(*args, **kwargs)
            if _keeps_numbers(args[0]):
                plain = all_concrete((*args[1:], *kwargs.values()))
                if plain is not None:
                    known = plain[: len(args) - 1]
                    named = dict(zip(kwargs, plain[len(known) :], strict=True))
                    return function(args[0], *known, **named)
            if not _holds_objects(args[0]):
                return implementation(_filled(args[0], (args[1:], kwargs)), *args[1:], **kwargs)
            named = {name: _as_objects(value) for name, value in kwargs.items()}
            return function(*map(_as_objects, args), **named)

        return implements(function)(write)

    return register


def _holds_objects(a: Any) -> bool:
    return type(a) is np.ndarray and a.dtype.kind == "O"


def _keeps_numbers(a: Any) -> bool:
    """Whether an array is plain and of a dtype that has no derivative to cut."""
    return type(a) is np.ndarray and a.dtype.kind in "iub"


def _as_objects(value: Any) -> Any:
    """A traced value as an array of objects; anything else as it is."""
    if not isinstance(value, Traced) or value.dtype.kind not in "fc":
        return value
    if value.shape:
        return np.astype(value, object)
    found = np.empty((), object)
    found[()] = value
    return found


@_writes(np.put)
def put(a: Array, ind: Any, v: Any, mode: str = "raise") -> None:
    places = np.asarray(known(arraylike(ind), "the places that are put to by", "np.where")).ravel()
    _check_safe(ind, np.dtype(np.intp))
    places = places.astype(np.intp)
    size = math.prod(a.shape)
    if mode != "raise":
        places = places % size if mode == "wrap" else np.clip(places, 0, size - 1)
    values = _as_part(v, a.dtype)
    if not size and places.size:
        raise IndexError("cannot replace elements of an empty array")
    if not np.size(values):
        places = places[:0]
    part = _cycled(values, np.arange(places.size)) if places.size else np.zeros(0)
    flat = setitem(np.reshape(a, (size,)), places, part)
    store(a, np.reshape(flat, a.shape), True)


def _check_safe(values: Any, dtype: np.dtype[Any]) -> None:
    """Refuse an array that loses digits, as NumPy does; numbers and lists may lose some."""
    if isinstance(values, (np.ndarray, ArrayTracer)) and not np.can_cast(values.dtype, dtype):
        raise TypeError(f"cannot cast an array of {values.dtype} to {dtype} by the rule 'safe'")


@_writes(np.putmask)
def putmask(a: Array, mask: Array, values: Any) -> None:
    _check_safe(values, a.dtype)
    mask, values = truth(mask), _as_part(values, a.dtype)
    if np.size(mask) != math.prod(a.shape):
        raise ValueError("putmask: mask and data must be the same size")
    mask = np.reshape(mask, a.shape)
    if np.size(values):
        wide = np.reshape(_cycled(values, np.arange(math.prod(a.shape))), a.shape)
        store(a, select.bind(mask, wide, a), True)
    elif isinstance(a, Traced):
        store(a, a, True)  # Nothing is written, but what is read-only refuses it.


@_writes(np.place)
def place(arr: Array, mask: Array, vals: Any) -> None:
    _check_safe(vals, arr.dtype)
    mask = truth(mask)
    if np.size(mask) != math.prod(arr.shape):
        raise ValueError("place: mask and data must be the same size")
    places = np.flatnonzero(mask)
    if not np.size(vals) and places.size:
        raise ValueError("Cannot insert from an empty array!")
    put(arr, places, vals)


@_writes(np.put_along_axis)
def put_along_axis(arr: Array, indices: Array, values: Array, axis: int | None) -> None:
    if axis is None:
        store(arr, np.reshape(setitem(np.ravel(arr), indices, values), arr.shape), True)
    else:
        store(arr, setitem(arr, _along(arr.shape, indices, axis), values), True)


@_writes(np.copyto)
def copyto(dst: Array, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    part = arraylike(src)
    if not isinstance(dst, Traced):
        store(dst, part, where)
        return
    weak = type(src) in (bool, int, float, complex) and np.result_type(dst.dtype, src) == dst.dtype
    if not weak and not np.can_cast(part.dtype, dst.dtype, casting):
        raise TypeError(f"cannot cast {part.dtype} to {dst.dtype} by the rule {casting!r}")
    if where is not True:
        where = arraylike(where)
        if where.dtype.kind != "b":
            raise TypeError(f"where= of {where.dtype} is not one of Booleans")
        where = np.broadcast_to(where, dst.shape)
    store(dst, _fitted(_as_part(part, dst.dtype), dst.shape), where)


@_writes(np.fill_diagonal)
def fill_diagonal(a: Array, val: Any, wrap: bool = False) -> None:
    if a.ndim < 2 or (a.ndim > 2 and len(set(a.shape)) > 1):
        raise ValueError("the array must have at least two axes, and more than two of equal length")
    step = sum(math.prod(a.shape[i + 1 :]) for i in range(a.ndim))
    end = math.prod(a.shape)
    if a.ndim == 2 and not wrap:
        end = min(end, a.shape[1] ** 2)
    put(a, np.arange(0, end, step), val)


# -- plain arrays that are given traced values -----------------------------------------------------


def _by_places(owner: Array, view: Array) -> tuple[Any, Params]:
    """The primitive, and its parameters, that reads a view by an index array for each axis."""
    if not owner.ndim:
        return reshape, {"shape": view.shape}
    return gather, {"index": (ARRAY,) * owner.ndim}


FUNCTIONS["by places"] = _by_places
