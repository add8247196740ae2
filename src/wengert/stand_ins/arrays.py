"""Plain arrays that meet a traced value in C: ``plain[i] = x``, ``plain[i]``, ``plain.dot(x)``.

``A.dot(x)`` is what the method of a traced array with the elements of ``A`` gives.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from ..errors import TracedArrayError
from ..functions.indexing import as_strided
from ..primitive import Traced
from ..trace import Fillable, all_concrete, as_array, check_kind, fill, unfilled
from . import native
from .install import CODE, by_wengert, innermost, stands_in_for
from .statistics import exchanged

_NUMBERS = "fciub"


def get(array: Any, index: Any) -> Any:
    """``array[index]`` with a traced index."""
    if by_wengert():
        return np.ndarray.__getitem__(array, index)
    top = innermost(index)
    if top is None or array.dtype.kind not in _NUMBERS:
        return np.ndarray.__getitem__(array, all_concrete(index))
    return as_array(top._trace.constant(array))[unfilled(index)]


def put(array: Any, index: Any, value: Any) -> None:
    """``array[index] = value`` where one of the two is traced."""
    if by_wengert():
        np.ndarray.__setitem__(array, index, value)
    else:
        _assign(array, array, index, value)


def _assign(array: Any, part: Any, index: Any, value: Any) -> None:
    """``part[index] = value`` for an array or its ``flat``, where one of the two is traced."""
    index, value = unfilled(index), unfilled(value)
    top = innermost((index, value))
    kind = array.dtype.kind
    if top is None or kind == "O":
        if isinstance(value, Traced) and value.shape:
            value = np.astype(cast(Any, value), object)
        type(part).__setitem__(part, all_concrete(index), value)
        return
    if kind in "iubSU":
        known = all_concrete(value)
        if known is not None:
            type(part).__setitem__(part, all_concrete(index), known)
            return
        value = _undifferentiated(value)
        top = innermost((index, value))
    if kind not in _NUMBERS:
        raise TracedArrayError(
            f"a traced value was assigned into an array of {array.dtype}, which would cut the "
            "derivative",
            remedy="an array of floating point to assign into",
        )
    behind = fill(array, top._trace)
    (behind if part is array else behind.flat)[index] = value


def get_flat(flat: Any, index: Any) -> Any:
    """``array.flat[index]`` with a traced index."""
    return get(flat.base.reshape(-1), index) if not by_wengert() else flat.__getitem__(index)


def put_flat(flat: Any, index: Any, value: Any) -> None:
    """``array.flat[index] = value`` where one of the two is traced."""
    if by_wengert():
        type(flat).__setitem__(flat, index, value)
    else:
        _assign(flat.base, flat, index, value)


def set_part(name: str) -> Callable[..., None]:
    """What stands in for ``array.real = value`` and its kin."""

    def stand_in(array: Any, value: Any) -> None:
        kind = array.dtype.kind
        if name == "flat":
            _assign(array, array.flat, ..., value)
        elif kind == "c":
            getattr(fill(array, innermost(value)._trace), name)[...] = unfilled(value)
        elif name == "real":
            _assign(array, array, ..., value)
        else:
            raise TypeError("array does not have imaginary part to set")

    return stand_in


def _undifferentiated(value: Any) -> Any:
    """A value that becomes an integer: what is below the traces that know their values."""
    while isinstance(value, Traced) and value._value is not None:
        value = value._value
    return value


def _put_into_fillable(array: Any, index: Any, value: Any) -> None:
    if innermost((index, value)) is None:
        np.ndarray.__setitem__(array, index, value)
    else:
        _assign(array, array, index, value)


Fillable.__setitem__ = _put_into_fillable


def fillable(array: Any) -> Any:
    """The same array, whose elements traced values can be assigned to without stand-ins."""
    if type(array) is not np.ndarray or native.exchanged():
        return array
    return array.view(Fillable)


# -- methods ---------------------------------------------------------------------------------------

_READ = (
    "all any argmax argmin choose clip compress cumprod cumsum dot max mean min prod repeat round "
    "searchsorted std sum take trace var"
).split()
_WRITE = ("fill", "put")


def _method(name: str) -> Callable[..., Any]:
    plainly = native.plain_method(np.ndarray, name)

    def stand_in(array: Any, *args: Any, **kwargs: Any) -> Any:
        if by_wengert():
            return plainly(array)(*args, **kwargs)
        args, kwargs = unfilled(args), {key: unfilled(each) for key, each in kwargs.items()}
        top = innermost((*args, *kwargs.values()))
        if top is None or array.dtype.kind == "O":
            return plainly(array)(*args, **kwargs)
        check_kind(array)
        if name in _WRITE and array.dtype.kind not in "fc":
            known = all_concrete((args, tuple(kwargs.values())))
            if known is not None:
                return plainly(array)(*known[0], **dict(zip(kwargs, known[1], strict=True)))
        if name in _WRITE:
            return getattr(fill(array, top._trace), name)(*args, **kwargs)
        return getattr(as_array(top._trace.constant(array)), name)(*args, **kwargs)

    return stand_in


stands_in_for(lambda: native.items(np.ndarray, get, put))
stands_in_for(lambda: native.items(np.flatiter, get_flat, put_flat))
stands_in_for(
    lambda: [native.setter(np.ndarray, name, set_part(name)) for name in ("real", "imag", "flat")]
)
stands_in_for(
    lambda: [native.method(np.ndarray, name, _method(name)) for name in (*_READ, *_WRITE)]
)

# -- strides ---------------------------------------------------------------------------------------


def _strided() -> list[tuple[Any, Any, Any]]:
    """``as_strided``, which is written in Python and asks its operand for memory."""
    function: Any = np.lib.stride_tricks.as_strided
    original = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__
    )

    def call(x: Any, *given: Any, **named: Any) -> Any:
        top = None if type(x) is np.ndarray else innermost(x := unfilled(x))
        if top is None:
            return original(x, *given, **named)
        return top._trace.apply(as_strided, original, (x, *given), {})

    return [(function, function.__code__, exchanged(function, call))]


CODE.append(_strided)
