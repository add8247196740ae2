"""Indexing: which of the index primitives an expression in brackets stands for."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..primitive import Traced
from ..primitives.index import ARRAY, gather, slice_, update
from ..primitives.logic import select
from ..primitives.shape import broadcast, convert
from ..program import Array
from ..trace import as_view, implements, known, plain

__all__ = ["getitem", "setitem"]

_BASIC = (int, slice, type(None), type(Ellipsis), np.integer)


def _is_basic(item: Any) -> bool:
    return isinstance(item, _BASIC) and not isinstance(item, (bool, np.bool_))


def _mask(item: Array, what: str) -> tuple[Any, ...]:
    """A boolean mask as integer arrays; its value has to be known."""
    found = known(item, what, "np.where(mask, a, b), which has a shape that no value decides")
    return np.asarray(found).nonzero()


def _parse(index: Any) -> tuple[tuple[Any, ...], list[Array]]:
    """An index as a template and its index arrays; the template alone if it is basic."""
    items = index if isinstance(index, tuple) else (index,)
    template: list[Any] = []
    arrays: list[Array] = []
    for item in items:
        if _is_basic(item):
            template.append(int(item) if isinstance(item, np.integer) else item)
            continue
        if isinstance(item, (list, tuple)):
            item = np.asarray(item) if not isinstance(item, Traced) else item
        kind = np.asarray(item).dtype.kind if not isinstance(item, Traced) else item.dtype.kind
        if isinstance(item, (bool, np.bool_)):
            item = np.asarray(item)
        if kind == "b":
            found = _mask(item, "the elements chosen by")
            template.extend([ARRAY] * len(found))
            arrays.extend(found)
        elif kind in "iu" or not np.size(item):
            template.append(ARRAY)
            arrays.append(item if isinstance(item, Traced) else np.asarray(item, dtype=np.intp))
        else:
            raise IndexError(f"an array of dtype kind {kind!r} cannot be used as an index")
    return tuple(template), arrays


@implements(operator.getitem)
def getitem(x: Array, index: Any) -> Array:
    """``x[index]``: a view for integers and slices, a copy for index arrays and masks."""
    if type(index) is int or type(index) is slice:
        template: tuple[Any, ...] = (index,)
        arrays: list[Array] = []
    else:
        template, arrays = _parse(index)
    if arrays:
        return gather.bind(x, *arrays, index=template)
    params = {"index": template}
    return as_view(x, slice_.bind(x, **params), slice_, params)


@implements(operator.setitem)
def setitem(x: Array, index: Any, value: Array) -> Array:
    """The array that ``x`` becomes by ``x[index] = value``."""
    value = plain(value) if isinstance(value, Traced) else np.asarray(value)
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        value = plain(value)
    if value.dtype != x.dtype:
        if not np.can_cast(value.dtype, x.dtype, "unsafe") or (
            value.dtype.kind == "c" and x.dtype.kind != "c"
        ):
            raise UnsupportedError(f"a {value.dtype} value cannot be assigned into {x.dtype}")
        value = convert.bind(value, dtype=x.dtype)
    items = index if isinstance(index, tuple) else (index,)
    if len(items) == 1 and isinstance(items[0], (np.ndarray, Traced)) and items[0].dtype == bool:
        mask = items[0]
        if value.ndim == 0:
            wide = mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim))
            return select.bind(wide, value, x)
    template, arrays = _parse(index)
    ghost = np.broadcast_to(np.int8(0), x.shape)
    if arrays:
        from ..primitives.index import fill

        filled = fill(template, [known(a, "an index", "x[i]") for a in arrays])
        _refuse_duplicates(filled, x.shape)
        shape = ghost[filled].shape
    else:
        shape = ghost[template].shape
    if value.shape != shape:
        if value.ndim > len(shape):
            value = value.reshape(value.shape[value.ndim - len(shape) :])
        value = broadcast.bind(value, shape=shape)
    return update.bind(x, value, *arrays, index=template)


def _refuse_duplicates(index: tuple[Any, ...], shape: tuple[int, ...]) -> None:
    """The last of several values for one element wins in NumPy; which one that is has no rule."""
    size = int(np.prod(shape))
    touched = np.arange(size).reshape(shape)[index].ravel()
    if touched.size != np.unique(touched).size:
        raise UnsupportedError(
            "an assignment names the same element more than once, and only the last value stays",
            remedy="np.add.at(x, index, value) to add them up, or an index without repetitions",
        )
