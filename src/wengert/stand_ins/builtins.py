"""Python's ``max``, ``min``, ``sorted`` and ``int`` of numbers whose values are not known.

They ask for truth values and integers, which ``jit`` guards; ``vmap`` and the bodies of loops do
not have them. There the comparisons choose, as in the same function written with ``np.where``, and
an integer is a traced one.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..frames import within_wengert
from ..functions.creation import array as joined_array
from ..primitive import Traced
from ..primitives.sorting import argsort
from ..trace import (
    FUNCTIONS,
    as_number,
    is_python_number,
    knowable,
    python_number,
    unfilled,
    whole_number,
)
from ..trace.base import OPEN
from . import native
from .install import by_wengert, is_iterator, stands_in_for

__all__: list[str] = []

_NUMBERS = (Traced, int, float, complex, np.generic)


def _chosen(condition: Any, x: Any, y: Any) -> Any:
    """``x if condition else y`` of numbers, and of tuples with as many items."""
    if isinstance(x, tuple) and isinstance(y, tuple) and len(x) == len(y):
        return tuple(_chosen(condition, *pair) for pair in zip(x, y, strict=True))
    if np.ndim(condition) or not (_is_number(x) and _is_number(y)):
        return x if condition else y  # The truth is asked for, and is not known.
    chosen = FUNCTIONS[np.where](condition, *map(_strong, (x, y)))
    python = is_python_number(x) and is_python_number(y)
    return python_number(chosen) if python else as_number(chosen)


def _is_number(x: Any, kinds: str = "fciub") -> bool:
    return isinstance(x, _NUMBERS) and np.ndim(x) == 0 and np.result_type(x).kind in kinds


def _strong(x: Any) -> Any:
    return x.strong() if isinstance(x, Traced) else x


def _unknown(value: Any) -> Any:
    """A traced value that is not known in a nesting of lists and tuples, None for none."""
    if isinstance(value, (list, tuple)):
        items: Iterable[Any] = value
        return next((each for each in map(_unknown, items) if each is not None), None)
    return value if isinstance(value, Traced) and not knowable(value) else None


def _choosing(original: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: what stands in for a builtin function where it would ask for unknown values."""
    plainly = native.copy_of(original)

    def register(stand_in: Callable[..., Any]) -> Callable[..., Any]:
        def apply(*args: Any, **kwargs: Any) -> Any:
            if OPEN and within_wengert():
                args = tuple([list(x) if is_iterator(x) else x for x in args])
                unknown = _unknown(unfilled(args))
                if unknown is not None and not by_wengert():
                    return unknown._trace.apply(stand_in, plainly, args, kwargs)
            return plainly(*args, **kwargs)

        stands_in_for(lambda: [native.function(original, apply, iterators=True)])
        return stand_in

    return register


def _extreme(original: Any, better: Callable[[Any, Any], Any]) -> None:
    @_choosing(original)
    def stand_in(*args: Any, key: Any = None, default: Any = None) -> Any:
        values = list(args[0]) if len(args) == 1 else args
        keys = values if key is None else list(map(key, values))
        best, best_key = values[0], keys[0]
        for value, own in zip(values[1:], keys[1:], strict=True):
            found = better(own, best_key)
            if not knowable(found):
                best, best_key = _chosen(found, value, best), _chosen(found, own, best_key)
            elif found:
                best, best_key = value, own
        return best


_extreme(max, operator.gt)
_extreme(min, operator.lt)


@_choosing(sorted)
def _sorted(values: Iterable[Any], /, *, key: Any = None, reverse: Any = False) -> list[Any]:
    values = list(values)
    keys = values if key is None else list(map(key, values))
    if all(map(knowable, keys)) or not all(map(_is_real, keys)):
        places = sorted(range(len(keys)), key=keys.__getitem__, reverse=reverse)
        return [values[i] for i in places]
    row = joined_array(keys)
    return _taken(values, argsort.bind(-row if reverse else row, axis=0, kind="stable"))


def _is_real(x: Any) -> bool:
    return _is_number(x, "fiub")


def _taken(values: Sequence[Any], order: Any) -> list[Any]:
    """Values, or tuples of as many, in an order that is not known."""
    if all(isinstance(each, tuple) and len(each) == len(values[0]) for each in values):
        columns: list[Sequence[Any]] = list(zip(*values, strict=True))
        return list(zip(*(_taken(column, order) for column in columns), strict=True))
    taken = list(FUNCTIONS[np.take](joined_array(values), order, axis=0))
    return list(map(python_number, taken)) if all(map(is_python_number, values)) else taken


# -- integers --------------------------------------------------------------------------------------

_plain_integer = native.plain_constructor(int)


def _integer(*args: Any, **kwargs: Any) -> Any:
    """``int(x)``: a traced integer where the value is not known."""
    args = unfilled(args)
    x: Any = args[0] if len(args) == 1 and not kwargs else None
    if by_wengert() or knowable(x) or x.dtype.kind == "c" or x.size != 1:
        return _plain_integer(args, kwargs)
    return whole_number(np.trunc, x.reshape(()) if x.shape else x)


stands_in_for(lambda: [native.constructor(int, _integer)])
