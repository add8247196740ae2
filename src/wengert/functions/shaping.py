"""Functions that move and repeat the elements of one array: reshape, transpose, roll, tile, ..."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..primitive import Traced
from ..primitives.logic import select
from ..primitives.shape import broadcast, concatenate, convert, reshape, transpose
from ..program import Array
from ..trace import (
    FUNCTIONS,
    Flat,
    ReadOnlyView,
    View,
    as_array,
    as_number,
    as_view,
    concrete,
    implements,
    is_python_number,
    known,
    lay,
    layout,
    ordered,
    plain,
    unfilled,
    whole,
)
from .indexing import take
from .roots import moved

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


@implements(np.array_str)
def array_str(a: Array, *args: Any, **options: Any) -> str:
    """The text of the plain numbers, where they are known."""
    numbers = concrete(a)
    return str(a) if numbers is None else np.array_str(numbers, *args, **options)


@implements(np.array_repr)
def array_repr(arr: Array, *args: Any, **options: Any) -> str:
    numbers = concrete(arr)
    return repr(arr) if numbers is None else np.array_repr(numbers, *args, **options)


@implements(np.array2string)
def array2string(a: Array, *args: Any, **options: Any) -> str:
    numbers = concrete(a)
    return str(a) if numbers is None else np.array2string(numbers, *args, **options)


def _root(a: Array) -> Array:
    while getattr(type(a), "derived", False):
        a = a.base
    return a


@implements(np.may_share_memory, np.shares_memory)
def shares_memory(a: Array, b: Array, max_work: int | None = None) -> bool:
    a, b = unfilled((a, b))
    root = _root(a)
    if root is not _root(b) or not getattr(type(a), "assignable", False):
        return False
    model = layout(root)
    return bool(np.shares_memory(_placed(a, model), _placed(b, model)))


def _placed(a: Array, model: Array) -> Array:
    """A view of ``model`` that lies in it as ``a`` does in what it is a view of."""
    return a.placed(model) if type(a).derived else model


# -- views -----------------------------------------------------------------------------------------


def _asarray(a: Array) -> Array:
    """A number of Python's, which has no methods, as the array that NumPy makes of it."""
    return as_array(a) if is_python_number(a) else a


def _view(a: Array, primitive: Any, **params: Any) -> Array:
    return as_view(a, primitive.bind(a, **params), primitive, params)


def _is_number(x: Any) -> bool:
    """Whether this is one traced number, which is asked for its value where an integer is."""
    return isinstance(x, Traced) and not x.shape


def _sizes(shape: Any) -> tuple[int, ...]:
    """A shape as a tuple of integers."""
    if isinstance(shape, (int, np.integer)) or _is_number(shape):
        return (operator.index(shape),)
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
    a = _asarray(a)
    if order == "A":
        order = "F" if layout(a).flags.fnc else "C"
    if order == "F":
        shape = _full_shape(a.shape, shape)
        return transpose_(reshape_(transpose_(a), shape[::-1], copy=copy))
    if order != "C":
        raise ValueError(f"order must be 'C', 'F' or 'A' for a reshape, not {order!r}")
    shape = _full_shape(a.shape, shape)
    made = reshape.bind(a, shape=shape)
    if not getattr(type(a), "assignable", False):
        return made
    if copy is not True and _reshapes_in_place(layout(a), shape):
        return View(made, a, reshape, {"shape": shape})
    if copy is False:
        raise ValueError("unable to avoid creating a copy while reshaping")
    return as_array(lay(made, np.empty(shape, a.dtype)))


def _reshapes_in_place(model: Array, shape: tuple[int, ...]) -> bool:
    """Whether NumPy's reshape of an array that lies in memory like this is a view."""
    if model.flags.c_contiguous:
        return True
    try:
        np.reshape(model, shape, copy=False)
    except ValueError:
        return False
    return True


def _elements(a: Array) -> Array:
    """All elements in one row, as a view whatever their order in memory (``ndarray.flat``)."""
    a, params = as_array(a), {"shape": (math.prod(a.shape),)}
    flat = Flat(reshape.bind(a, **params), a, reshape, params)
    return moved(a, flat, np.reshape, (-1,), {}) if type(a).rooted else flat


FUNCTIONS["flat"] = _elements


@implements(np.ravel)
def ravel(a: Array, order: str = "C") -> Array:
    a = as_array(a)
    model = layout(a)
    axes = _reading_order(model, order)
    if axes != tuple(range(model.ndim)):
        a, model = transpose_(a, axes), model.transpose(axes)
    return reshape_(a, (math.prod(a.shape),), copy=not model.flags.c_contiguous)


def _reading_order(model: Array, order: str) -> tuple[int, ...]:
    """The axes of an array from the slowest to the fastest, as ``order`` reads its elements."""
    axes = tuple(range(model.ndim))
    if order == "F" or (order == "A" and model.flags.fnc):
        return axes[::-1]
    if order == "K":
        return _by_strides(model)
    if order not in ("C", "A"):
        raise ValueError(f"order must be one of 'C', 'F', 'A' and 'K', not {order!r}")
    return axes


def _by_strides(model: Array) -> tuple[int, ...]:
    """The axes by their strides as NumPy's iterator sorts them: stable, a step of 0 anywhere."""
    strides = [0 if n == 1 else abs(s) for n, s in zip(model.shape, model.strides, strict=True)]
    order: list[int] = []  # from the fastest axis
    for axis in reversed(range(model.ndim)):
        place = len(order)
        for before in reversed(range(len(order))):
            if strides[axis] and strides[order[before]]:
                if strides[order[before]] <= strides[axis]:
                    break
                place = before
        order.insert(place, axis)
    return tuple(reversed(order))


def _axes(axes: Any, rank: int) -> tuple[int, ...]:
    """Axes as a tuple of numbers that are not negative, each of which may appear once."""
    if isinstance(axes, (int, np.integer)) or _is_number(axes):
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
    a = _asarray(plain(a))
    rank = len(a.shape)
    if axes is None:
        if rank < 2:
            return whole(a)
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
    a = _asarray(plain(a))
    rank = len(a.shape)
    sources, targets = _axes(source, rank), _axes(destination, rank)
    if len(sources) != len(targets):
        raise ValueError("as many axes must be moved as there are destinations")
    order = [axis for axis in range(rank) if axis not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return whole(a) if sources == targets else _view(a, transpose, axes=tuple(order))


@implements(np.rollaxis)
def rollaxis(a: Array, axis: int, start: int = 0) -> Array:
    rank = len(a.shape)
    axis, start = one_axis(axis, rank), start + rank if start < 0 else start
    return moveaxis(a, axis, start - 1 if axis < start else start)


@implements(np.squeeze)
def squeeze(a: Array, axis: Any = None) -> Array:
    a = _asarray(a)
    shape = a.shape
    if axis is None:
        gone = tuple(i for i, n in enumerate(shape) if n == 1)
    else:
        gone = _axes(axis, len(shape)) if shape or axis not in (0, -1) else ()
        if any(shape[i] != 1 for i in gone):
            raise ValueError("only axes of length 1 can be squeezed out")
    if not gone:
        return a
    return _view(a, reshape, shape=tuple(n for i, n in enumerate(shape) if i not in gone))


@implements(np.expand_dims)
def expand_dims(a: Array, axis: Any) -> Array:
    a = as_array(plain(a))
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
    m = _asarray(m)
    rank = len(m.shape)
    axes = range(rank) if axis is None else _axes(axis, rank)
    if not rank:
        return as_number(as_array(m))  # Python's numbers cannot be indexed.
    return m[tuple(slice(None, None, -1 if i in axes else None) for i in range(rank))]


@implements(np.flipud)
def flipud(m: Array) -> Array:
    return flip(m, 0)


@implements(np.fliplr)
def fliplr(m: Array) -> Array:
    return flip(m, 1)


_SQUARE = np.array([[0, 1], [3, 2]])
"""Its first element after a rotation is the number of quarter turns."""


@implements(np.rot90)
def rot90(m: Array, k: Any = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    first, second = _axes(axes, len(m.shape))
    # What is no integer is taken otherwise from one release of NumPy to the next.
    turns = k % 4 if isinstance(k, (int, np.integer)) else np.rot90(_SQUARE, k)[0, 0]
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
    if isinstance(x, (int, float, complex)) and not isinstance(x, np.generic):
        return np.dtype(dtype).type(x)
    return _astype(x, dtype, "K", copy)


def _astype(x: Array, dtype: Any, order: Any, copy: bool) -> Array:
    dtype = np.dtype(dtype)
    if dtype.kind == "O":
        return _objects(x)
    if not getattr(type(x), "assignable", False):
        return convert.bind(x, dtype=dtype) if x.dtype != dtype else x
    model = layout(x)
    wanted = np.empty_like(model, dtype, order=order)
    if x.dtype != dtype:
        return lay(convert.bind(x, dtype=dtype), wanted)
    fits = {"C": model.flags.c_contiguous, "F": model.flags.f_contiguous}
    return x if not copy and fits.get(order, True) else lay(x, wanted)


FUNCTIONS["astype"] = _astype


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
    array = as_array(array)
    old = array.shape
    if any(n < 0 for n in shape):
        raise ValueError("all elements of broadcast shape must be non-negative")
    if old == shape:
        return whole(array, ReadOnlyView)
    if old and np.broadcast_shapes(old, shape) != shape:
        raise ValueError(f"an array of shape {old} cannot be broadcast to {shape}")
    made = broadcast.bind(array, shape=shape)
    return as_view(array, made, broadcast, {"shape": shape}, kind=ReadOnlyView)


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Array, subok: bool = False) -> tuple[Array, ...]:
    arrays = [as_array(plain(a)) for a in args]
    shape = np.broadcast_shapes(*(a.shape for a in arrays))
    if all(a.shape == shape for a in arrays):
        return tuple(arrays)
    return tuple(whole(a) if a.shape == shape else np.broadcast_to(a, shape) for a in arrays)


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
    grids = tuple(
        np.reshape(as_array(plain(x)), (*(1,) * axis, -1, *(1,) * (rank - 1 - axis)))
        for x, axis in zip(xi, order, strict=True)
    )
    if not sparse:
        grids = broadcast_arrays(*grids)
    return tuple(np.copy(grid, order="C") for grid in grids) if copy else grids


@implements(np.roll)
def roll(a: Array, shift: Any, axis: Any = None) -> Array:
    if axis is None:
        return ordered(reshape.bind(roll(ravel(a), shift, 0), shape=a.shape))
    if np.ndim(shift) > 1 or np.ndim(axis) > 1:
        raise ValueError("'shift' and 'axis' should be scalars or 1D sequences")
    model = layout(a)
    for step, place in np.broadcast(shift, axis):
        place = one_axis(place, len(a.shape))
        length = a.shape[place]
        step = int(step) % length if length else 0
        if step:
            before = (slice(None),) * place
            parts = a[(*before, slice(length - step, None))], a[(*before, slice(length - step))]
            a = concatenate.bind(*parts, axis=place)
    return lay(a, np.empty_like(model))


@implements(np.tile)
def tile(A: Array, reps: Any) -> Array:
    reps = _sizes(reps)
    rank = max(len(reps), len(A.shape))
    reps = (1,) * (rank - len(reps)) + reps
    shape = (1,) * (rank - len(A.shape)) + A.shape
    if all(r == 1 for r in reps):
        return reshape_(as_array(A).copy("K"), shape)
    apart = tuple(n for size in shape for n in (1, size))
    wide = tuple(n for pair in zip(reps, shape, strict=True) for n in pair)
    spread = broadcast.bind(reshape.bind(A, shape=apart), shape=wide)
    shape = tuple(r * n for r, n in zip(reps, shape, strict=True))
    return ordered(reshape.bind(spread, shape=shape))


@implements(np.repeat)
def repeat(a: Array, repeats: Any, axis: int | None = None) -> Array:
    if axis is None or (not a.shape and axis in (0, -1)):
        a, axis = ravel(a), 0
    axis = one_axis(axis, len(a.shape))
    if isinstance(repeats, Traced):
        if repeats.dtype.kind not in "iub":
            np.repeat(0, np.zeros(1, repeats.dtype))  # NumPy's error
        repeats = known(repeats, "the repetitions of elements of", "repetitions that are constants")
    if np.ndim(repeats) or not a.shape[axis]:
        return take(a, np.repeat(np.arange(a.shape[axis]), repeats), axis)
    shape, count = a.shape, operator.index(repeats)
    apart = reshape.bind(a, shape=(*shape[: axis + 1], 1, *shape[axis + 1 :]))
    wide = broadcast.bind(apart, shape=(*shape[: axis + 1], count, *shape[axis + 1 :]))
    made = reshape.bind(wide, shape=(*shape[:axis], shape[axis] * count, *shape[axis + 1 :]))
    return made.copy()  # in C order, also where nothing is repeated


@implements(np.resize)
def resize(a: Array, new_shape: Any) -> Array:
    shape = _sizes(new_shape)
    if any(n < 0 for n in shape):
        raise ValueError("all elements of `new_shape` must be non-negative")
    row, count = ravel(a), math.prod(shape)
    if not row.shape[0] or not count:
        return np.zeros_like(row, shape=shape)
    return as_array(reshape.bind(take(row, np.arange(count) % row.shape[0]), shape=shape))


@implements(np.tril)
def tril(m: Array, k: int = 0) -> Array:
    return select.bind(np.tri(*_matrix(m), k=k, dtype=bool), m, m.dtype.type(0))


@implements(np.triu)
def triu(m: Array, k: int = 0) -> Array:
    return select.bind(np.tri(*_matrix(m), k=k - 1, dtype=bool), m.dtype.type(0), m)


def _matrix(m: Array) -> tuple[int, ...]:
    """Rows and columns that the mask of a triangle has."""
    return m.shape[-2:] if len(m.shape) > 1 else m.shape * 2
