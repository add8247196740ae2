"""NumPy's functions and ufuncs of lists with traced values in them: ``np.dot([x, y], [y, x])``.

NumPy asks the operands of a call whether they override it, but not the items of a list, which
becomes an array of objects. Here such a list becomes a traced array first. Functions of which an
argument is a list of arrays ask its items themselves.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..functions.creation import array as joined_array
from ..primitive import Traced
from ..trace import WRITERS, perhaps, unfilled
from . import native
from .install import by_wengert, innermost, stands_in, stands_in_for

__all__: list[str] = []

OF_ITEMS = (np.histogram2d, np.histogramdd, np.lexsort)
"""Functions of lists of arrays, whose items are not all asked."""

ASKING = frozenset(
    (
        *(np.block, np.choose, np.column_stack, np.concatenate, np.dstack, np.hstack),
        *(np.linalg.multi_dot, np.piecewise, np.ravel_multi_index, np.select, np.stack),
        *(np.trim_zeros, np.vstack),
    )
)
"""Functions of lists of arrays whose items are, and one that gives a list for a list."""


_FITTING = WRITERS | {np.insert}
"""Functions of which the numbers of a list, as no array's, have to fit into an array's dtype."""


def _array(value: Any) -> Any:
    """A list or a tuple with traced values in it as a traced array; anything else as it is.

    A tuple of integers may be a shape: where it is known, it stays one.
    """
    if type(value) is np.poly1d:
        return unfilled(value.coeffs)
    if type(value) not in (list, tuple):
        return value
    value = unfilled(value)
    top = innermost(value)
    if top is None:
        return value
    if type(value) is tuple and _is_whole(value):
        return _whole(value)
    return top._trace.apply(joined_array, np.array, (value,), {})


def _is_whole(value: Any) -> bool:
    """Whether all in a nesting of tuples and lists are integers that are known."""
    if type(value) in (list, tuple):
        return all(map(_is_whole, value))
    if isinstance(value, Traced):
        return value.dtype.kind in "iu" and perhaps(value) is not None
    return isinstance(value, (int, np.integer))


def _whole(value: Any) -> Any:
    """A nesting of tuples and lists with the integers that the traced ones in it are."""
    if type(value) in (list, tuple):
        return type(value)(map(_whole, value))
    return operator.index(value) if isinstance(value, Traced) else value


_function: Any = np.concatenate


@stands_in(_function._implementation)
def _concatenate(arrays: Any, *args: Any, **kwargs: Any) -> Any:
    return np.concatenate(_items(arrays), *args, **kwargs)


def _items(value: Any) -> Any:
    return tuple(map(_array, value)) if type(value) in (list, tuple) else value


def _arrays(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return map(_array, args), {name: _array(value) for name, value in kwargs.items()}


def of_function(function: Any, *args: Any, **kwargs: Any) -> Any:
    """A function's call with arrays in place of lists; a list fits into other dtypes than those."""
    if function in _FITTING or any(type(each) is np.poly1d for each in args):
        return _of_rule(function, args, kwargs)
    arrays, named = _arrays(args, kwargs)
    return function(*arrays, **named)


def _of_rule(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What NumPy calls where it finds a traced operand."""
    args = tuple([x if type(x) is np.poly1d else unfilled(x) for x in args])
    top = innermost(unfilled((*args, *kwargs.values())))
    if top is None:  # a plain poly1d
        return function._implementation(*args, **kwargs)
    return top.__array_function__(function, (), args, kwargs)


def of_items(function: Any, *args: Any, **kwargs: Any) -> Any:
    """A function's call with arrays in place of the items of its lists."""
    args, kwargs = tuple(map(_items, args)), {key: _items(each) for key, each in kwargs.items()}
    return _of_rule(function, args, kwargs)


def of_ufunc(ufunc: np.ufunc, *args: Any, out: Any = None, **kwargs: Any) -> Any:
    """A ufunc's call with arrays in place of lists; ``out`` may be a tuple of filled arrays."""
    arrays, named = _arrays(args, kwargs)
    targets = out if isinstance(out, tuple) else () if out is None else (out,)
    return ufunc(*arrays, *targets, **named)


def _method(name: str) -> Callable[..., Any]:
    def of_method(ufunc: np.ufunc, *args: Any, **kwargs: Any) -> Any:
        if type(kwargs.get("out")) is tuple:
            (kwargs["out"],) = kwargs["out"]
        arrays, named = _arrays(args, kwargs)
        return getattr(ufunc, name)(*arrays, **named)

    return of_method


def at(ufunc: np.ufunc, a: Any, *operands: Any) -> None:
    """``ufunc.at`` with arrays in place of lists."""
    if by_wengert():
        _plain_at(ufunc)(a, *operands)
        return
    arrays = [_array(each) for each in operands]
    top = innermost((a, *arrays))
    if top is None:  # arrays of objects
        _plain_at(ufunc)(a, *arrays)
    else:
        top.__array_ufunc__(ufunc, "at", unfilled(a), *unfilled(arrays))


_plain_at = native.plain_method(np.ufunc, "at")


def _named_in_numpy(kind: type) -> list[Any]:
    """The objects of a class that have a name in one of NumPy's modules."""
    modules = [
        module for name, module in list(sys.modules.items()) if name.split(".")[0] == "numpy"
    ]
    values = {id(each): each for module in modules for each in vars(module).values()}
    return [each for each in values.values() if type(each) is kind]


def _hooks() -> list[native.Hook]:
    others = ASKING.union(OF_ITEMS)
    functions = [f for f in _named_in_numpy(type(np.dot)) if f not in others]
    return [
        *native.asking(functions, of_function),
        *native.asking(OF_ITEMS, of_items),
        *native.asking(_named_in_numpy(np.ufunc), of_ufunc),
        *(
            native.method(np.ufunc, name, _method(name), asking=True)
            for name in ("reduce", "accumulate", "reduceat", "outer")
        ),
        native.method(np.ufunc, "at", at),
    ]


stands_in_for(_hooks)
