"""Functions that move and repeat the elements of one array: reshape, transpose, roll, tile, ..."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..primitives.logic import select
from ..primitives.shape import broadcast, concatenate, convert, reshape, transpose
from ..program import Array
from ..trace import (
    FUNCTIONS,
    ArrayTracer,
    Tracer,
    View,
    as_array,
    as_view,
    implements,
    layout,
    plain,
    snapshot,
)
from .indexing import take

__all__ = ["astype", "moveaxis", "one_axis"]

# -- facts -----------------------------------------------------------------------------------------


@implements(np.shape)
def shape_(a: Array) -> tuple[int, ...]:
    return a.shape


@implements(np.ndim)
def ndim(a: Array) -> int:
    return len(a.shape)


@implements(np.size)
def size(a: Array, axis: int | None = None) -> int:
    return math.prod(a.shape) if axis is None else a.shape[axis]


def _root(a: Array) -> Array:
    while isinstance(a, View):
        a = a.base
    return a


@implements(np.may_share_memory, np.shares_memory)
def shares_memory(a: Array, b: Array, max_work: int | None = None) -> bool:
    if _root(a) is not _root(b):
        return False
    first, second = layout(a), layout(b)
    return first is None or second is None or bool(np.shares_memory(first, second))


# -- views -----------------------------------------------------------------------------------------


def _view(a: Array, primitive: Any, **params: Any) -> Array:
    return as_view(a, primitive.bind(a, **params), primitive, params)


def _sizes(shape: Any) -> tuple[int, ...]:
    """A shape as a tuple of integers."""
    if isinstance(shape, (int, np.integer)):
        return (int(shape),)
    return tuple(map(operator.index, shape))


def _full_shape(old: tuple[int, ...], wanted: Any) -> tuple[int, ...]:
    """The shape that is wanted, with the length that -1 stands for."""
    shape = _sizes(wanted)
    count = math.prod(old)
    if -1 in shape:
        rest = -math.prod(shape)
        if rest > 0 and count % rest == 0 and shape.count(-1) == 1:
            shape = tuple(count // rest if n == -1 else n for n in shape)
    if math.prod(shape) != count or any(n < 0 for n in shape):
        raise ValueError(f"cannot reshape an array of shape {old} into shape {wanted}")
    return shape


@implements(np.reshape)
def reshape_(a: Array, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Array:
    if order == "F":
        shape = _full_shape(a.shape, shape)
        return transpose_(reshape_(transpose_(a), shape[::-1], copy=copy))
    if order != "C":
        raise UnsupportedError(
            f"np.reshape with order={order!r} depends on how the array lies in memory",
            remedy="order='C' or order='F'",
        )
    shape = _full_shape(a.shape, shape)
    made = reshape.bind(a, shape=shape)
    if not isinstance(a, ArrayTracer):
        return made
    if copy is True:
        return as_array(made)
    value = layout(a)
    if a.size <= 1:
        return View(made, a, reshape, {"shape": shape})
    if value is None:
        kind = View if type(a) is ArrayTracer else _PerhapsView
        return kind(made, a, reshape, {"shape": shape})
    if value.flags.c_contiguous or np.may_share_memory(value, layout(made)):
        return View(made, a, reshape, {"shape": shape})
    if copy is False:
        raise ValueError("unable to avoid creating a copy while reshaping")
    return made


class _PerhapsView(View):
    """A reshape that is a view or a copy in NumPy: no matter which, until something is assigned."""

    __slots__ = ()

    def assign(self, new: Tracer) -> None:
        self._refresh()

    def _refresh(self) -> None:
        raise UnsupportedError(
            "whether the reshape of a view is a view too depends on how the array lies in memory, "
            "which is not known here because the function is traced once for all values; so what "
            "an assignment to one of the two means for the other is not known either",
            remedy="x.copy().reshape(shape)",
        )


def _elements(a: Array) -> Array:
    """All elements in one row, as a view whatever their order in memory (``ndarray.flat``)."""
    return _view(a, reshape, shape=(math.prod(a.shape),))


FUNCTIONS["flat"] = _elements


@implements(np.ravel)
def ravel(a: Array, order: str = "C") -> Array:
    if order == "F":
        return ravel(transpose_(a))
    if order not in ("C", "A", "K"):
        raise ValueError(f"order must be one of 'C', 'F', 'A' and 'K', not {order!r}")
    value = layout(a)
    unlike_c = isinstance(a, View) if value is None else not value.flags.c_contiguous
    if order != "C" and unlike_c and len(a.shape) > 1:
        raise UnsupportedError(
            f"np.ravel with order={order!r} depends on how the array lies in memory",
            remedy="order='C' or order='F'",
        )
    shape = (math.prod(a.shape),)
    if value is None or value.flags.c_contiguous:
        return reshape_(a, shape)
    return reshape.bind(a, shape=shape)


def _axes(axes: Any, rank: int) -> tuple[int, ...]:
    """Axes as a tuple of numbers that are not negative, each of which may appear once."""
    if isinstance(axes, (int, np.integer)):
        return (one_axis(axes, rank),)
    found = tuple(one_axis(axis, rank) for axis in axes)
    if len(set(found)) != len(found):
        raise ValueError("an axis is named twice")
    return found


def one_axis(axis: Any, rank: int) -> int:
    """An axis as a number that is not negative. Raises NumPy's ``AxisError``."""
    axis = operator.index(axis)
    if not -rank <= axis < rank:
        raise np.exceptions.AxisError(axis, rank)
    return axis % rank


@implements(np.transpose)
def transpose_(a: Array, axes: Any = None) -> Array:
    a = plain(a)
    rank = len(a.shape)
    if axes is None:
        if rank < 2:
            return a
        order = tuple(range(rank))[::-1]
    else:
        order = _axes(axes, rank)
        if len(order) != rank:
            raise ValueError(f"axes {axes} do not fit an array with {rank} axes")
    return _view(a, transpose, axes=order)


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Array, /) -> Array:
    return swapaxes(x, -1, -2)


@implements(np.swapaxes)
def swapaxes(a: Array, axis1: int, axis2: int) -> Array:
    rank = len(a.shape)
    order = list(range(rank))
    i, j = one_axis(axis1, rank), one_axis(axis2, rank)
    order[i], order[j] = j, i
    return _view(a, transpose, axes=tuple(order))


@implements(np.moveaxis)
def moveaxis(a: Array, source: Any, destination: Any) -> Array:
    a = plain(a)
    rank = len(a.shape)
    sources, targets = _axes(source, rank), _axes(destination, rank)
    if len(sources) != len(targets):
        raise ValueError("as many axes must be moved as there are destinations")
    order = [axis for axis in range(rank) if axis not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return a if sources == targets else _view(a, transpose, axes=tuple(order))


@implements(np.rollaxis)
def rollaxis(a: Array, axis: int, start: int = 0) -> Array:
    rank = len(a.shape)
    axis, start = one_axis(axis, rank), start + rank if start < 0 else start
    return moveaxis(a, axis, start - 1 if axis < start else start)


@implements(np.squeeze)
def squeeze(a: Array, axis: Any = None) -> Array:
    shape = a.shape
    if axis is None:
        gone = tuple(i for i, n in enumerate(shape) if n == 1)
    else:
        gone = _axes(axis, len(shape)) if shape or axis not in (0, -1) else ()
        if any(shape[i] != 1 for i in gone):
            raise ValueError("only axes of length 1 can be squeezed out")
    return _view(a, reshape, shape=tuple(n for i, n in enumerate(shape) if i not in gone))


@implements(np.expand_dims)
def expand_dims(a: Array, axis: Any) -> Array:
    a = plain(a)
    count = len(a.shape) + (1 if isinstance(axis, (int, np.integer)) else len(axis))
    fresh = _axes(axis, count)
    rest = iter(a.shape)
    return _view(a, reshape, shape=tuple(1 if i in fresh else next(rest) for i in range(count)))


def _at_least(rank: int) -> Callable[..., Any]:
    def widen(*arrays: Array) -> Any:
        made = tuple(_widened(plain(a), rank) for a in arrays)
        return made[0] if len(made) == 1 else made

    return widen


def _widened(a: Array, rank: int) -> Array:
    shape = np.shape(a)
    if len(shape) >= rank:
        return a
    if rank == 3 and shape:
        wide = (*(1,) * (2 - len(shape)), *shape, 1)
    else:
        wide = (1,) * (rank - len(shape)) + shape
    return _view(a, reshape, shape=wide)


implements(np.atleast_1d)(_at_least(1))
implements(np.atleast_2d)(_at_least(2))
implements(np.atleast_3d)(_at_least(3))


@implements(np.flip)
def flip(m: Array, axis: Any = None) -> Array:
    rank = len(m.shape)
    axes = range(rank) if axis is None else _axes(axis, rank)
    return m[tuple(slice(None, None, -1 if i in axes else None) for i in range(rank))]


@implements(np.flipud)
def flipud(m: Array) -> Array:
    return flip(m, 0)


@implements(np.fliplr)
def fliplr(m: Array) -> Array:
    return flip(m, 1)


@implements(np.rot90)
def rot90(m: Array, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    first, second = _axes(axes, len(m.shape))
    turns = k % 4
    if turns == 0:
        return m[:]
    if turns == 2:
        return flip(m, (first, second))
    if turns == 1:
        return swapaxes(flip(m, second), first, second)
    return flip(swapaxes(m, first, second), second)


# -- copies ----------------------------------------------------------------------------------------


@implements(np.astype)
def astype(x: Array, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Array:
    dtype = np.dtype(dtype)
    if isinstance(x, (int, float, complex)) and not isinstance(x, np.generic):
        return dtype.type(x)
    if dtype.kind == "O":
        return _objects(x)
    if x.dtype != dtype:
        made = convert.bind(x, dtype=dtype)
        return as_array(made) if isinstance(x, ArrayTracer) else made
    return snapshot(x) if copy and isinstance(x, ArrayTracer) else x


def _objects(x: Array) -> Array:
    """An array of objects whose elements are traced numbers."""
    if not x.shape:
        return x
    found = np.empty(x.shape, object)
    for index in np.ndindex(*x.shape):
        found[index] = x[index]
    return found


@implements(np.copy)
def copy(a: Array, order: str = "K", subok: bool = False) -> Array:
    return as_array(a.copy(order))


@implements(np.broadcast_to)
def broadcast_to(array: Array, shape: Any, subok: bool = False) -> Array:
    array, shape = plain(array), _sizes(shape)
    old = np.shape(array)
    if old == shape:
        return as_array(array)
    if old and np.broadcast_shapes(old, shape) != shape:
        raise ValueError(f"an array of shape {old} cannot be broadcast to {shape}")
    return broadcast.bind(array, shape=shape)


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Array, subok: bool = False) -> tuple[Array, ...]:
    shape = np.broadcast_shapes(*(np.shape(a) for a in args))
    return tuple(np.broadcast_to(a, shape) for a in args)


@implements(np.meshgrid)
def meshgrid(
    *xi: Array, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[Array, ...]:
    if indexing not in ("xy", "ij"):
        raise ValueError("indexing must be 'xy' or 'ij'")
    rank = len(xi)
    order = list(range(rank))
    if indexing == "xy" and rank > 1:
        order[:2] = 1, 0
    grids = [
        np.reshape(x, (*(1,) * axis, -1, *(1,) * (rank - 1 - axis)))
        for x, axis in zip(xi, order, strict=True)
    ]
    return tuple(grids) if sparse else broadcast_arrays(*grids)


@implements(np.roll)
def roll(a: Array, shift: Any, axis: Any = None) -> Array:
    if axis is None:
        return as_array(reshape.bind(roll(ravel(a), shift, 0), shape=a.shape))
    for step, place in np.broadcast(shift, axis):
        place = one_axis(place, len(a.shape))
        length = a.shape[place]
        step = int(step) % length if length else 0
        if step:
            before = (slice(None),) * place
            parts = a[(*before, slice(length - step, None))], a[(*before, slice(length - step))]
            a = concatenate.bind(*parts, axis=place)
    return a.copy()


@implements(np.tile)
def tile(A: Array, reps: Any) -> Array:
    reps = _sizes(reps)
    rank = max(len(reps), len(A.shape))
    reps = (1,) * (rank - len(reps)) + reps
    shape = (1,) * (rank - len(A.shape)) + A.shape
    apart = tuple(n for size in shape for n in (1, size))
    wide = tuple(n for pair in zip(reps, shape, strict=True) for n in pair)
    spread = broadcast.bind(reshape.bind(A, shape=apart), shape=wide)
    return as_array(
        reshape.bind(spread, shape=tuple(r * n for r, n in zip(reps, shape, strict=True)))
    )


@implements(np.repeat)
def repeat(a: Array, repeats: Any, axis: int | None = None) -> Array:
    if axis is None or (not a.shape and axis in (0, -1)):
        a, axis = ravel(a), 0
    axis = one_axis(axis, len(a.shape))
    if np.ndim(repeats) or not a.shape[axis]:
        return take(a, np.repeat(np.arange(a.shape[axis]), repeats), axis)
    shape, count = a.shape, operator.index(repeats)
    apart = reshape.bind(a, shape=(*shape[: axis + 1], 1, *shape[axis + 1 :]))
    wide = broadcast.bind(apart, shape=(*shape[: axis + 1], count, *shape[axis + 1 :]))
    return reshape.bind(wide, shape=(*shape[:axis], shape[axis] * count, *shape[axis + 1 :]))


@implements(np.tril)
def tril(m: Array, k: int = 0) -> Array:
    return select.bind(np.tri(*_matrix(m), k=k, dtype=bool), m, 0)


@implements(np.triu)
def triu(m: Array, k: int = 0) -> Array:
    return select.bind(np.tri(*_matrix(m), k=k - 1, dtype=bool), 0, m)


def _matrix(m: Array) -> tuple[int, ...]:
    """Rows and columns that the mask of a triangle has."""
    return m.shape[-2:] if len(m.shape) > 1 else m.shape * 2
