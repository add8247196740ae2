"""``np.array``, ``np.asarray`` and their kin, ``float`` and NumPy's scalar types.

What they make of a traced value is traced: the array that it is, or a new one of the dtype asked
for. ``float(x)`` is a Python number, which is weak beside arrays as any is.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from ..functions.creation import array as joined_array
from ..primitive import Traced
from ..primitives.mathematics import complex_of_parts
from ..trace import (
    FUNCTIONS,
    as_array,
    as_number,
    filled_before,
    knowable,
    layout,
    ordered,
    python_number,
    unfilled,
)
from . import native
from .install import by_wengert, stands_in, stands_in_for

__all__ = ["as_complex", "as_float"]

_plain_array = native.copy_of(np.array)


@stands_in(np.array)
def _array(
    object: Any,  # noqa: A002
    dtype: Any = None,
    *,
    copy: Any = True,
    order: Any = "K",
    subok: bool = False,
    ndmin: int = 0,
    ndmax: int = 0,
    like: Any = None,
) -> Any:
    if type(object) is np.poly1d:
        object = unfilled(object.coeffs)  # noqa: A001
    if dtype is not None and np.dtype(dtype).kind == "O":
        return _plain_array(_listed(object), dtype, ndmin=ndmin)
    made = joined_array(object, dtype, copy=copy if copy in (True, False) else None, ndmin=ndmin)
    if order == "A":
        order = "K"
        if isinstance(object, Traced) and made is not object and made.dtype == object.dtype:
            order = "F" if layout(object).flags.f_contiguous else "C"
    made = _in_order(made, order)
    return filled_before(made) if made is object else made


def _listed(value: Any) -> Any:
    """Nested lists with traced arrays as arrays of objects, as NumPy tells arrays from lists."""
    if isinstance(value, Traced):
        return np.astype(cast(Any, value), object) if value.shape else as_number(value)
    if isinstance(value, (list, tuple)):
        return [_listed(each) for each in value]
    return value


def _in_order(made: Any, order: Any) -> Any:
    """An array in C or Fortran order where one is asked for: itself if it lies so."""
    if order in ("K", None) or not isinstance(made, Traced):
        return made
    flags = layout(made).flags
    if flags.c_contiguous if order == "C" else flags.f_contiguous:
        return made
    return ordered(made, order)


@stands_in(np.asarray, np.asanyarray)
def _asarray(
    a: Any,
    dtype: Any = None,
    order: Any = None,
    *,
    device: Any = None,
    copy: bool | None = None,
    like: Any = None,
) -> Any:
    return _array(a, dtype, copy=copy, order=order)


@stands_in(np.ascontiguousarray)
def _ascontiguousarray(a: Any, dtype: Any = None, *, like: Any = None) -> Any:
    return _array(a, dtype, copy=None, order="C", ndmin=1)


@stands_in(np.asfortranarray)
def _asfortranarray(a: Any, dtype: Any = None, *, like: Any = None) -> Any:
    return _array(a, dtype, copy=None, order="F", ndmin=1)


# -- numbers ---------------------------------------------------------------------------------------


def as_float(x: Any) -> Any:
    """``float(x)`` of a traced value, a traced number of Python's.

    Raises ``TypeError`` where the plain value is no real number, as a longer array.
    """
    x = unfilled(x)
    if not isinstance(x, Traced):
        return float(x)
    x = _single(x, float)
    if x.dtype.kind == "c":
        zero: Any = 0j if type(x).python else x.dtype.type(0)
        float(zero)  # an error of Python's, NumPy's warning
        x = x.real
    return _as_python(x, np.float64)


def as_complex(x: Any) -> Any:
    """``complex(x)`` of a traced value, a traced number of Python's.

    Raises ``TypeError`` where the plain value is no number, as a longer array.
    """
    x = unfilled(x)
    if not isinstance(x, Traced):
        return complex(x)
    return _as_python(_single(x, complex), np.complex128)


def _single(x: Any, kind: type) -> Any:
    """A traced value of one element without its axes; NumPy's error, or warning, for an array."""
    if not x.shape:
        return x
    kind(np.zeros(x.shape, x.dtype))
    return x.reshape(())


def _as_python(x: Any, dtype: Any) -> Any:
    """A traced number as one of Python's of this dtype."""
    if x.dtype != dtype:
        x = FUNCTIONS[np.astype](x, np.dtype(dtype))
    elif type(x).python:
        return x
    return python_number(x)


def _complex(x: Any, y: Any = None) -> Any:
    """``complex(x, y)``."""
    if y is None:
        return as_complex(x)
    for z in (x, y):
        if isinstance(z, str):
            complex(0.0, cast("Any", z))  # the error
    parts = [as_complex(z) if _is_complex(z) else as_float(z) for z in (x, y)]
    real, imaginary = [_parts(z) for z in parts]
    joined = [_sum(real[0], imaginary[1], operator.sub), _sum(imaginary[0], real[1], operator.add)]
    return python_number(complex_of_parts.bind(*joined))


def _is_complex(x: Any) -> bool:
    return isinstance(x, complex) or (isinstance(x, Traced) and x.dtype.kind == "c")


def _parts(z: Any) -> tuple[Any, Any]:
    """The real and the imaginary part of a number of Python's; of a real one no imaginary part."""
    if not _is_complex(z):
        return z, None
    z = z.strong() if isinstance(z, Traced) else np.complex128(z)
    return python_number(np.real(z)), python_number(np.imag(z))


def _sum(x: Any, y: Any, add: Callable[[Any, Any], Any]) -> Any:
    return x if y is None else add(x, y)


def _scalar(kind: type) -> Callable[..., Any]:
    def convert(x: Any) -> Any:
        if by_wengert():
            return kind(unfilled(x).__float__())
        made = FUNCTIONS[np.astype](as_array(joined_array(unfilled(x))), np.dtype(kind))
        return as_number(made)

    return convert


def _integer(kind: type) -> Callable[..., Any]:
    """``np.int64(x)``, ``np.bool_(x)``: a traced one where the value is not known."""
    plainly = native.plain_constructor(kind)

    def convert(*args: Any) -> Any:
        args = unfilled(args)
        if by_wengert() or len(args) != 1 or _is_known(args[0]):
            return plainly(args, {})
        return as_number(FUNCTIONS[np.astype](as_array(joined_array(args[0])), np.dtype(kind)))

    return convert


def _is_known(x: Any) -> bool:
    return all(map(_is_known, x)) if isinstance(x, (list, tuple)) else knowable(x)


_SCALARS = tuple({np.dtype(code).type for code in "defgFDG"})
_INTEGERS = tuple({np.dtype(code).type for code in "?bBhHiIlLqQ"})


def _float(x: Any) -> Any:
    return unfilled(x).__float__() if by_wengert() else as_float(x)


def _asked(x: Any) -> Any:
    x = unfilled(x)
    return x.__complex__() if isinstance(x, Traced) else x


def _complex_number(*args: Any, **kwargs: Any) -> Any:
    if by_wengert():
        return complex(*map(_asked, args), **{name: _asked(x) for name, x in kwargs.items()})
    named = dict(zip(("real", "imag"), args, strict=False)) | kwargs
    return _complex(named.get("real", 0), named.get("imag"))


stands_in_for(lambda: [native.constructor(float, _float)])
stands_in_for(lambda: [native.constructor(complex, _complex_number)])
stands_in_for(lambda: [native.constructor(kind, _scalar(kind)) for kind in _SCALARS])
stands_in_for(lambda: [native.constructor(kind, _integer(kind)) for kind in _INTEGERS])
