"""The methods of ufuncs: ``reduce``, ``accumulate``, ``reduceat``, ``outer`` and ``at``.

Those for which there is no primitive are folded, one element after the other, as NumPy does it.
"""

from __future__ import annotations

import builtins
import itertools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..primitive import UFUNCS, Traced
from ..primitives import reduce
from ..primitives.shape import reshape
from ..program import Array
from ..trace import FUNCTIONS, UFUNC_METHODS, as_number, known
from .elementwise import arraylike
from .reducing import normal_axes
from .shaping import astype

__all__: list[str] = []

ABSENT: Any = np._NoValue

# -- reduce ----------------------------------------------------------------------------------------


def _identity(ufunc: np.ufunc, initial: Any) -> Any:
    """The value that a reduction of nothing has; ABSENT where it has none."""
    if initial is ABSENT:
        return ABSENT if ufunc.identity is None else ufunc.identity
    return ABSENT if initial is None else initial


def _folded(ufunc: np.ufunc, rows: Array, first: Any, where: Any) -> Array:
    """The rows combined from the left, those elements left out where the mask does not hold."""
    found = first
    for number in builtins.range(rows.shape[0]):
        row = rows[number]
        if found is ABSENT:
            found = row
        elif where is None:
            found = ufunc(found, row)
        else:
            found = np.where(where[number], ufunc(found, row), found)
    return found


def _reduce(ufunc: np.ufunc) -> Callable[..., Array]:
    def reduced(
        a: Array,
        axis: Any = 0,
        dtype: Any = None,
        keepdims: Any = False,
        initial: Any = ABSENT,
        where: Any = True,
    ) -> Array:
        x = arraylike(a)
        x = x if dtype is None else np.astype(x, dtype)
        if not x.shape and axis in (0, -1):
            axis = ()
        axes = normal_axes(axis, x.ndim)
        if len(axes) > 1 and ufunc not in _REORDERABLE:
            raise ValueError(
                f"reduction operation '{ufunc.__name__}' is not reorderable, so at most one axis "
                "may be specified"
            )
        rest = [i for i in builtins.range(x.ndim) if i not in axes]
        rows = np.reshape(np.transpose(x, (*axes, *rest)), (-1, *(x.shape[i] for i in rest)))
        mask = None
        if where is not True:
            wide = np.broadcast_to(where, x.shape)
            mask = np.reshape(np.transpose(wide, (*axes, *rest)), rows.shape)
        first = _identity(ufunc, initial)
        needed = not rows.shape[0] or mask is not None
        if first is ABSENT and needed:
            raise ValueError(
                f"zero-size array to reduction operation {ufunc.__name__} which has no identity"
                if mask is None
                else f"reduction operation '{ufunc.__name__}' does not have an identity, so to use "
                "a where mask one has to specify 'initial'"
            )
        if not needed and initial is ABSENT:
            first = ABSENT
        if first is not ABSENT:
            kind = np.result_type(x.dtype, first) if np.ndim(first) else x.dtype
            first = np.broadcast_to(astype(arraylike(first), kind), rows.shape[1:])
        found = as_number(_folded(ufunc, rows, first, mask))
        shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
        return reshape.bind(found, shape=shape) if keepdims and keepdims is not ABSENT else found

    return reduced


def _log_of_sum(primitive: Any, ufunc: np.ufunc) -> Callable[..., Array]:
    """``logaddexp.reduce``: of any number of terms one equation."""
    general = _reduce(ufunc)

    def reduced(a: Array, axis: Any = 0, dtype: Any = None, **options: Any) -> Array:
        x = arraylike(a)
        if options or dtype is not None or not x.shape or x.dtype.kind != "f":
            return general(a, axis, dtype, **options)
        return primitive.bind(x, axes=normal_axes(axis, x.ndim))

    return reduced


# -- accumulate and reduceat -----------------------------------------------------------------------


def _accumulate(ufunc: np.ufunc) -> Callable[..., Array]:
    def accumulated(a: Array, axis: Any = 0, dtype: Any = None) -> Array:
        x = arraylike(a)
        if not x.shape:
            raise TypeError("cannot accumulate on a scalar")
        x = x if dtype is None else np.astype(x, dtype)
        (axis,) = normal_axes(operator.index(axis), x.ndim)
        if not x.shape[axis]:
            return x
        rows = itertools.accumulate(np.moveaxis(x, axis, 0), ufunc)
        return np.stack(list(rows), axis)

    return accumulated


def _reduceat(ufunc: np.ufunc) -> Callable[..., Array]:
    def reduced(a: Array, indices: Any, axis: Any = 0, dtype: Any = None) -> Array:
        x = arraylike(a)
        x = x if dtype is None else np.astype(x, dtype)
        (axis,) = normal_axes(operator.index(axis), x.ndim)
        places = np.asarray(known(arraylike(indices), "the places between which", "plain numbers"))
        length = x.shape[axis]
        if places.size and not (places.min() >= 0 and places.max() < length):
            wrong = next(place for place in places if not 0 <= place < length)
            raise IndexError(
                f"index {wrong} out-of-bounds in {ufunc.__name__}.reduceat [0, {length})"
            )
        if ufunc is np.add and x.dtype.kind in "fc":
            starts = tuple(map(int, places))
            return reduce.sum_between.bind(x, axis=axis, starts=starts)
        rows = np.moveaxis(x, axis, 0)
        ends = [*places[1:], length]
        parts = [
            ufunc.reduce(rows[start:end], axis=0) if start < end else rows[start]
            for start, end in zip(places, ends, strict=True)
        ]
        return np.stack(parts, axis) if parts else np.moveaxis(rows[:0], 0, axis)

    return reduced


# -- outer and at ----------------------------------------------------------------------------------


def _outer(ufunc: np.ufunc) -> Callable[..., Array]:
    def outer(a: Array, b: Array, **options: Any) -> Array:
        a, b = arraylike(a), arraylike(b)
        return ufunc(np.reshape(a, (*a.shape, *(1,) * b.ndim)), b, **options)

    return outer


def _rounds(places: Array) -> list[Array]:
    """The numbers of the entries that come first, second, ... to the same place."""
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    lengths = np.diff(np.append(starts, len(places)))
    turn = np.empty(len(places), np.intp)
    turn[order] = np.arange(len(places)) - np.repeat(starts, lengths)
    return [np.flatnonzero(turn == i) for i in builtins.range(int(lengths.max()))]


def _plain_index(indices: Any) -> Any:
    if isinstance(indices, tuple):
        return tuple(map(_plain_index, indices))
    if isinstance(indices, Traced):
        return known(indices, "the places that are changed by", "plain numbers")
    return indices


def _at(ufunc: np.ufunc) -> Callable[..., None]:
    def at(a: Array, indices: Any, *b: Array) -> None:
        target = a
        if not isinstance(a, Traced):
            (traced,) = [x for x in b if isinstance(x, Traced)][:1] or [indices]
            target = FUNCTIONS["fill"](a, traced._trace)
        numbers = np.arange(target.size).reshape(target.shape)[_plain_index(indices)]
        if not numbers.size:
            return
        others = [np.ravel(np.broadcast_to(arraylike(x), numbers.shape)) for x in b]
        flat = np.reshape(target, -1).copy()
        places = np.ravel(numbers)
        for entries in _rounds(places):
            now = places[entries]
            made = ufunc(flat[now], *(x[entries] for x in others))
            if not np.can_cast(made.dtype, flat.dtype, "same_kind"):
                raise UnsupportedError(
                    f"{ufunc.__name__}.at gives {made.dtype}, which does not fit in {flat.dtype}"
                )
            flat[now] = made
        target[...] = np.reshape(flat, target.shape)

    return at


# -- the ufuncs ------------------------------------------------------------------------------------

_REORDERABLE = frozenset(
    getattr(np, name)
    for name in (
        "add multiply maximum minimum fmax fmin logaddexp logaddexp2 hypot logical_and logical_or "
        "logical_xor bitwise_and bitwise_or bitwise_xor gcd lcm"
    ).split()
)

_GENERAL: dict[str, Callable[[np.ufunc], Callable[..., Any]]] = {
    "reduce": _reduce,
    "accumulate": _accumulate,
    "reduceat": _reduceat,
    "outer": _outer,
    "at": _at,
}

UFUNC_METHODS[np.logaddexp, "reduce"] = _log_of_sum(reduce.logaddexp_along, np.logaddexp)
UFUNC_METHODS[np.logaddexp2, "reduce"] = _log_of_sum(reduce.logaddexp2_along, np.logaddexp2)


def _fill_in(ufunc: np.ufunc) -> None:
    if ufunc.signature is not None or ufunc.nout > 1:
        return
    names = tuple(_GENERAL) if ufunc.nin == 2 else ("at",) if ufunc.nin == 1 else ()
    for name in names:
        UFUNC_METHODS.setdefault((ufunc, name), _GENERAL[name](ufunc))


for _ufunc in {*UFUNCS, *(f for f in FUNCTIONS if isinstance(f, np.ufunc))}:
    _fill_in(_ufunc)
