"""``np.arange``, ``np.fromiter``, ``np.nditer`` and ``np.broadcast``."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..frames import within_wengert
from ..functions.creation import array as joined_array
from ..functions.iterating import Broadcast, NDIter, arange
from ..trace import unfilled
from ..trace.base import OPEN
from . import native
from .install import STANDING_IN, by_wengert, has_traced, innermost, stands_in, stands_in_for

__all__: list[str] = []

stands_in(np.arange)(arange)


_plain_fromiter = native.copy_of(np.fromiter)


def fromiter(iter: Iterable[Any], dtype: Any, count: int = -1, *, like: Any = None) -> Any:  # noqa: A002
    """``np.fromiter`` of plain or traced values."""
    values = unfilled(list(iter if count < 0 else itertools.islice(iter, count)))
    kind, shape = np.dtype(dtype).subdtype or (np.dtype(dtype), ())
    top = innermost(values)
    if top is None or kind.kind not in "fciub":
        return _plain_fromiter(values, dtype, count)
    if len(values) < count:
        _plain_fromiter([0.0] * len(values), float, count)  # its error
    made = top._trace.apply(joined_array, np.array, (values, kind), {})
    if made.shape[1:] != shape:
        raise ValueError("setting an array element with a sequence.")
    return made


def _fromiter(*args: Any, **kwargs: Any) -> Any:
    if not OPEN or by_wengert() or not within_wengert():
        return _plain_fromiter(*args, **kwargs)
    return fromiter(*args, **kwargs)


STANDING_IN[np.fromiter] = fromiter
stands_in_for(lambda: [native.function(np.fromiter, _fromiter, iterators=True)])


def _unfilled(kind: type, numpys: type) -> native.Stand:
    plainly = native.plain_constructor(numpys)

    def make(*args: object, **kwargs: object) -> object:
        # Arrays of objects, of which none is traced, or which are meant as objects.
        flags: Any = kwargs.get("flags", args[1] if len(args) > 1 else None)
        objects = isinstance(flags, (list, tuple)) and "refs_ok" in flags
        if objects or not has_traced((*args, *kwargs.values())):
            return plainly(args, kwargs)
        return kind(*unfilled(args), **{key: unfilled(each) for key, each in kwargs.items()})

    return make


stands_in_for(
    lambda: [
        native.constructor(np.nditer, _unfilled(NDIter, np.nditer)),
        native.constructor(np.broadcast, _unfilled(Broadcast, np.broadcast)),
    ]
)
