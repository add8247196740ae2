"""Joining, splitting and padding arrays: concatenate, stack, block, split, pad, ..."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..primitive import Traced
from ..primitives.shape import concatenate, pad
from ..program import Array
from ..trace import as_array, implements, layout, ordered, plain
from .elementwise import along
from .indexing import take
from .shaping import astype, one_axis

__all__: list[str] = []

# -- joining ---------------------------------------------------------------------------------------


@implements(np.concatenate, np.concat)
def concatenate_(
    arrays: Sequence[Array],
    axis: int | None = 0,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Array:
    parts = [_part(a) for a in arrays]
    if axis is None:
        weak = [type(a) in _WEAK or getattr(type(a), "python", False) for a in arrays]
        if any(weak) and not all(weak):
            kind = np.result_type(
                *(
                    a if type(a) in _WEAK else a.promotes if w else p.dtype
                    for a, p, w in zip(arrays, parts, weak, strict=True)
                )
            )
            parts = [astype(p, kind) if w else p for p, w in zip(parts, weak, strict=True)]
        parts, axis = [np.ravel(p) for p in parts], 0
    ranks = {len(p.shape) for p in parts}
    if len(ranks) != 1 or 0 in ranks:
        raise ValueError(f"arrays with {sorted(ranks)} axes cannot be joined along axis {axis}")
    made = concatenate.bind(*parts, axis=one_axis(axis, ranks.pop()))
    return made if dtype is None else np.astype(made, dtype)


def _part(a: Array) -> Array:
    """An operand as something with a shape, also if it is a number or a list."""
    return a if isinstance(a, Traced) else plain(np.asarray(a) if np.isscalar(a) else a)


_WEAK = frozenset({int, float, complex})


@implements(np.stack)
def stack(arrays: Sequence[Array], axis: int = 0, **rest: Any) -> Array:
    parts = [_part(a) for a in arrays]
    if len({p.shape for p in parts}) != 1:
        raise ValueError("all arrays that are stacked must have the same shape")
    axis = one_axis(axis, len(parts[0].shape) + 1)
    return concatenate_([np.expand_dims(p, axis) for p in parts], axis, **rest)


@implements(np.vstack)
def vstack(tup: Sequence[Array], **rest: Any) -> Array:
    return concatenate_([np.atleast_2d(_part(a)) for a in tup], 0, **rest)


@implements(np.hstack)
def hstack(tup: Sequence[Array], **rest: Any) -> Array:
    parts = [np.atleast_1d(_part(a)) for a in tup]
    return concatenate_(parts, 0 if len(parts[0].shape) == 1 else 1, **rest)


@implements(np.dstack)
def dstack(tup: Sequence[Array]) -> Array:
    return concatenate_([np.atleast_3d(_part(a)) for a in tup], 2)


@implements(np.column_stack)
def column_stack(tup: Sequence[Array]) -> Array:
    parts = [_part(a) for a in tup]
    return concatenate_([p if len(p.shape) > 1 else np.reshape(p, (-1, 1)) for p in parts], 1)


@implements(np.append)
def append(arr: Array, values: Array, axis: int | None = None) -> Array:
    return concatenate_([as_array(_part(arr)), as_array(_part(values))], axis)


@implements(np.block)
def block(arrays: Any) -> Array:
    depth = _depth(arrays)
    found = _block(arrays, depth, max(depth, _rank(arrays)))
    return ordered(found) if depth == 0 else as_array(found)


def _depth(nested: Any) -> int:
    return 1 + _depth(nested[0]) if isinstance(nested, list) else 0


def _rank(nested: Any) -> int:
    return max(map(_rank, nested)) if isinstance(nested, list) else np.ndim(nested)


def _block(nested: Any, depth: int, rank: int) -> Array:
    if depth == 0:
        part = _part(nested)
        return np.reshape(part, (1,) * (rank - len(part.shape)) + part.shape)
    return np.concatenate([_block(item, depth - 1, rank) for item in nested], -depth)


# -- splitting -------------------------------------------------------------------------------------


@implements(np.array_split)
def array_split(ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    axis = one_axis(axis, len(ary.shape))
    length = ary.shape[axis]
    if np.ndim(indices_or_sections):
        ends = [0, *map(operator.index, indices_or_sections), length]
    else:
        count = operator.index(indices_or_sections)
        if count <= 0:
            raise ValueError("the number of parts must be greater than 0")
        ends = [i * (length // count) + min(i, length % count) for i in range(count + 1)]
    before = (slice(None),) * axis
    return [ary[(*before, slice(start, stop))] for start, stop in itertools.pairwise(ends)]


@implements(np.split)
def split(ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    if not np.ndim(indices_or_sections) and ary.shape[axis] % indices_or_sections:
        raise ValueError(f"{ary.shape[axis]} elements cannot be split into equal parts")
    return array_split(ary, indices_or_sections, axis)


def _with_axes(ary: Array, rank: int, name: str) -> Array:
    if len(ary.shape) < rank:
        raise ValueError(f"{name} only works on arrays of {rank} or more dimensions")
    return ary


@implements(np.vsplit)
def vsplit(ary: Array, indices_or_sections: Any) -> list[Array]:
    return split(_with_axes(ary, 2, "vsplit"), indices_or_sections, 0)


@implements(np.hsplit)
def hsplit(ary: Array, indices_or_sections: Any) -> list[Array]:
    _with_axes(ary, 1, "hsplit")
    return split(ary, indices_or_sections, 1 if len(ary.shape) > 1 else 0)


@implements(np.dsplit)
def dsplit(ary: Array, indices_or_sections: Any) -> list[Array]:
    return split(_with_axes(ary, 3, "dsplit"), indices_or_sections, 2)


@implements(np.unstack)
def unstack(x: Array, /, *, axis: int = 0) -> tuple[Array, ...]:
    return tuple(np.moveaxis(x, axis, 0))


# -- padding ---------------------------------------------------------------------------------------

_BY_INDEX = ("edge", "reflect", "symmetric", "wrap")

_STATISTICS: dict[str, Any] = {
    "maximum": np.max,
    "minimum": np.min,
    "mean": np.mean,
    "median": np.median,
}

_OPTIONS = {
    **dict.fromkeys(("empty", "edge", "wrap"), ""),
    **dict.fromkeys(("reflect", "symmetric"), "reflect_type"),
    **dict.fromkeys(_STATISTICS, "stat_length"),
    "linear_ramp": "end_values",
}
"""The option that each mode of padding has."""


def _pairs(value: Any, rank: int) -> list[tuple[Any, Any]]:
    """What is given for both ends of all axes, of each axis, or of each end."""
    if value is None:
        return [(None, None)] * rank
    wide = np.broadcast_to(plain(value) if np.ndim(value) else value, (rank, 2))
    return [(wide[axis, 0], wide[axis, 1]) for axis in range(rank)]


def _pad_axis(
    array: Array, axis: int, width: tuple[int, int], mode: str, pair: tuple[Any, Any]
) -> Array:
    if mode in _STATISTICS:
        parts = _statistics(array, axis, width, mode, pair)
    elif mode == "linear_ramp":
        parts = _ramps(array, axis, width, pair)
    else:
        return _reflected(array, axis, width, edge=mode == "symmetric")
    return np.concatenate([parts[0], array, parts[1]], axis)


def _statistics(
    array: Array, axis: int, width: tuple[int, int], mode: str, lengths: tuple[Any, Any]
) -> list[Array]:
    size = array.shape[axis]
    counts = [size if n is None else min(operator.index(n), size) for n in lengths]
    if min(counts) < 0:
        raise ValueError("index can't contain negative values")
    if min(counts) == 0 and mode in ("maximum", "minimum"):
        raise ValueError("stat_length of 0 yields no value for padding")
    cut = along(axis, array.ndim)
    parts: list[Array] = []
    for count, bounds, repeats in zip(
        counts, ((0, counts[0]), (size - counts[1], size)), width, strict=True
    ):
        assert count <= size
        value = _STATISTICS[mode](array[cut(*bounds)], axis=axis, keepdims=True)
        if array.dtype.kind in "iu":
            value = np.rint(value)
        shape = (*array.shape[:axis], repeats, *array.shape[axis + 1 :])
        parts.append(np.broadcast_to(astype(value, array.dtype), shape))
    return parts


def _ramps(array: Array, axis: int, width: tuple[int, int], ends: tuple[Any, Any]) -> list[Array]:
    before = (slice(None),) * axis
    parts = [
        np.linspace(end, array[(*before, place)], n, False, dtype=array.dtype, axis=axis)
        for end, place, n in zip(ends, (0, -1), width, strict=True)
    ]
    return [parts[0], np.flip(parts[1], axis)]


def _reflected(array: Array, axis: int, width: tuple[int, int], *, edge: bool) -> Array:
    """Continued by the mirror image at both ends, turned around the ends' values."""
    left, right = width
    cut = along(axis, array.ndim)
    size = array.shape[axis]
    if size == 1:
        return take(array, np.zeros(1 + left + right, np.intp), axis)
    while left or right:
        length = array.shape[axis]
        period = size if edge else size - 1
        most = length // period * period if edge else (length - 1) // period * period
        inner = 0 if edge else 1
        first, last = min(most, left), min(most, right)
        head, tail = array[cut(0, 1)], array[cut(length - 1, None)]
        front = np.flip(array[cut(inner, inner + first)], axis)
        back = np.flip(array[cut(length - inner - last, length - inner)], axis)
        array = np.concatenate([2 * head - front, array, 2 * tail - back], axis)
        left, right = left - first, right - last
    return array


def _pad_by_function(
    array: Array, widths: tuple[tuple[int, int], ...], function: Any, options: dict[str, Any]
) -> Array:
    """Continued by zeros, into which the function writes, row by row along each axis."""
    padded = as_array(pad.bind(array, widths=widths))
    for axis, width in enumerate(widths):
        rows = np.moveaxis(padded, axis, -1)
        for place in np.ndindex(*rows.shape[:-1]):
            function(rows[(*place, ...)], width, axis, options)
    return padded


@implements(np.pad)
def pad_(array: Array, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Array:
    array = as_array(plain(array))
    order = "F" if layout(array).flags.fnc else "C"
    return ordered(_padded(array, pad_width, mode, kwargs), order)


def _padded(array: Array, pad_width: Any, mode: Any, kwargs: dict[str, Any]) -> Array:
    widths = _widths(pad_width, len(array.shape))
    if mode == "constant":
        return _pad_constant(array, widths, **kwargs)
    if callable(mode):
        return _pad_by_function(array, widths, mode, kwargs)
    if mode not in _OPTIONS:
        raise ValueError(f"mode '{mode}' is not supported")
    if wrong := set(kwargs) - {_OPTIONS[mode]}:
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {wrong}")
    if mode == "empty":
        return pad.bind(array, widths=widths)
    if any(not n and any(width) for n, width in zip(array.shape, widths, strict=True)):
        raise ValueError("can't extend an empty axis using modes other than 'constant' or 'empty'")
    odd = kwargs.get("reflect_type", "even") == "odd"
    if mode not in _BY_INDEX or odd:
        given = (None if odd else kwargs.get(_OPTIONS[mode], None if mode in _STATISTICS else 0),)
        pairs = _pairs(given[0], len(widths))
        for axis, (width, pair) in enumerate(zip(widths, pairs, strict=True)):
            if any(width):
                array = _pad_axis(array, axis, width, mode, pair)
        return array
    for axis, (before, after) in enumerate(widths):
        if before or after:
            places = np.pad(np.arange(array.shape[axis]), (before, after), mode)
            array = take(array, places, axis)
    return array


def _widths(pad_width: Any, rank: int) -> tuple[tuple[int, int], ...]:
    if isinstance(pad_width, dict):
        given: dict[int, Any] = pad_width
        pairs: list[Any] = [(0, 0)] * rank
        for axis, width in given.items():
            pairs[one_axis(axis, rank)] = width if np.ndim(width) else (width, width)
        pad_width = pairs
    counts = np.asarray(pad_width)
    if counts.dtype.kind not in "iu":
        raise TypeError("`pad_width` must be of integral type.")
    if np.any(counts < 0):
        raise ValueError("index can't contain negative values")
    wide = np.broadcast_to(counts, (rank, 2)).tolist()
    return tuple((operator.index(before), operator.index(after)) for before, after in wide)


def _pad_constant(
    array: Array, widths: tuple[tuple[int, int], ...], constant_values: Any = 0
) -> Array:
    if not isinstance(constant_values, Traced) and not np.any(constant_values):
        return pad.bind(array, widths=widths)
    values = np.broadcast_to(plain(constant_values), (len(widths), 2))
    for axis, (before, after) in enumerate(widths):
        ends = [
            np.broadcast_to(
                astype(values[axis, side], array.dtype),
                (*array.shape[:axis], width, *array.shape[axis + 1 :]),
            )
            for side, width in enumerate((before, after))
        ]
        array = concatenate.bind(ends[0], array, ends[1], axis=axis)
    return array
