"""Making arrays: from traced numbers, and like a traced array."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..primitive import Traced
from ..primitives.shape import broadcast, concatenate, convert, reshape
from ..program import Array
from ..trace import (
    CREATION,
    Trace,
    Tracer,
    as_array,
    implements,
    known,
    lay,
    layout,
    numeric,
    ordered,
    perhaps,
    plain,
    unfilled,
)
from .elementwise import arraylike
from .roots import joined, moved
from .shaping import astype

__all__ = ["array", "asanyarray", "asarray"]

# -- np.array --------------------------------------------------------------------------------------


def _has_traced(nested: Any) -> bool:
    """Whether there is a traced value in a nesting of lists, tuples and object arrays."""
    if isinstance(nested, Traced):
        return True
    if isinstance(nested, np.poly1d):
        return _has_traced(unfilled(nested.coeffs))
    if isinstance(nested, np.ndarray):
        return nested.dtype.kind == "O" and any(map(_has_traced, nested.ravel().tolist()))
    return isinstance(nested, (list, tuple)) and any(map(_has_traced, nested))


def _assemble(nested: Any) -> Array:
    """One array from a nesting that has traced values in it."""
    if isinstance(nested, np.poly1d):
        nested = unfilled(nested.coeffs)
    if isinstance(nested, Traced):
        return nested.strong()
    if isinstance(nested, np.ndarray) and nested.dtype.kind == "O":
        flat = _stack([_assemble(item) for item in nested.ravel().tolist()])
        if nested.ndim == 1:
            return flat
        return reshape.bind(flat, shape=nested.shape + flat.shape[1:])
    if isinstance(nested, (list, tuple)) and _has_traced(nested):
        return _stack([_assemble(item) for item in nested])
    return numeric(np.asarray(nested))[()]


def _stack(parts: list[Array]) -> Array:
    shapes = {part.shape for part in parts}
    if len(shapes) != 1:
        raise ValueError(f"an array cannot be made of parts of different shapes {sorted(shapes)}")
    (shape,) = shapes
    made = concatenate.bind(*(reshape.bind(part, shape=(1, *shape)) for part in parts), axis=0)
    return joined(made, parts, _stack)


@implements(np.array, np.asarray, np.asanyarray, np.ascontiguousarray)
def array(
    object: Any, dtype: Any = None, *, copy: bool | None = True, ndmin: int = 0, **_: Any
) -> Array:
    """``np.array`` that also takes traced numbers and arrays, in any nesting of lists.

    The numbers are joined into one traced array. Raises ``ValueError`` when shapes differ.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.jacobian(lambda t: wg.numpy.array([t, t**2, 1.0]))(3.0)
        array([1., 6., 0.])
    """
    if not _has_traced(object):
        return np.array(object, dtype, copy=copy, ndmin=ndmin)
    made = _assemble(object)
    if made is not object and made.ndim > 1 and not layout(made).flags.c_contiguous:
        made = ordered(made)
    if dtype is not None and made.dtype != np.dtype(dtype):
        made = np.astype(made, dtype)
    made = object.copy("K") if made is object and copy else as_array(made)
    if made.ndim < ndmin:
        made = np.reshape(made, (1,) * (ndmin - made.ndim) + made.shape)
    return as_array(made)


def asarray(object: Any, dtype: Any = None) -> Array:
    """``np.asarray`` that leaves a traced array as it is, and joins traced numbers into one array.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.grad(lambda x: np.sum(wg.numpy.asarray([x, x * x])))(3.0)
        np.float64(7.0)
    """
    return array(object, dtype, copy=None)


asanyarray = asarray

# -- arrays like a traced one: constants that traced values can be assigned into -------------------


def _trace(prototype: Array) -> Trace:
    found = plain(prototype)
    assert isinstance(found, Tracer)
    return found._trace


def _fresh(prototype: Array, made: Array) -> Array:
    if made.dtype.kind not in "fc":
        return made
    return as_array(_trace(prototype).constant(made if made.shape else made[()]))


def _zeros_like(
    a: Array, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> Array:
    return full_like(a, 0, dtype, order, shape=shape)


implements(np.zeros_like, np.empty_like)(_zeros_like)


@implements(np.ones_like)
def ones_like(
    a: Array, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> Array:
    return full_like(a, 1, dtype, order, shape=shape)


@implements(np.full_like)
def full_like(
    a: Array,
    fill_value: Any,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
) -> Array:
    prototype = plain(a)
    if dtype is None:
        dtype = getattr(prototype, "dtype", type(prototype))
    dtype = np.dtype(dtype)
    shape = prototype.shape if shape is None else shape
    value = plain(fill_value)
    # In memory it lies as in NumPy: that decides which reshapes of it are views.
    model = layout(prototype)
    if not isinstance(value, Traced):
        made = np.full_like(model, value, dtype, order=order, subok=False, shape=shape)
        return _fresh(a if isinstance(prototype, Traced) else value, made)
    if value.dtype != dtype:
        value = convert.bind(value, dtype=dtype)
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    made = broadcast.bind(value, shape=sizes)
    made = lay(made, np.empty_like(model, dtype, order=order, subok=False, shape=shape))
    return moved(value, made, np.broadcast_to, (sizes,), {}) if type(value).rooted else made


def _creator(function: Callable[..., Any]) -> Callable[..., Array]:
    def create(like: Array, *args: Any, **kwargs: Any) -> Array:
        return _fresh(like, function(*args, **kwargs))

    return create


for _function in (np.zeros, np.ones, np.eye, np.identity, np.arange, np.tri, np.fromiter):
    CREATION[_function] = _creator(_function)

CREATION[np.empty] = _creator(np.zeros)


def _full(
    like: Array, shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", **_: Any
) -> Array:
    if dtype is None:
        dtype = np.result_type(plain(fill_value))
    return full_like(like, fill_value, dtype, shape=shape)


def _array_like(
    like: Array, object: Any, dtype: Any = None, *, copy: bool | None = True, **rest: Any
) -> Array:
    made = array(object, dtype, copy=copy, ndmin=rest.get("ndmin", 0))
    return made if isinstance(made, Traced) else _fresh(like, made)


def _asarray_like(like: Array, a: Any, dtype: Any = None, **rest: Any) -> Array:
    return _array_like(like, a, dtype, copy=None)


CREATION[np.full] = _full
CREATION[np.array] = _array_like
for _function in (np.asarray, np.asanyarray, np.ascontiguousarray):
    CREATION[_function] = _asarray_like

# -- numbers between two others --------------------------------------------------------------------


@implements(np.linspace)
def linspace(
    start: Array,
    stop: Array,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    num = _number_of_samples(num)
    start, stop = plain(start), plain(stop)
    kind = np.result_type(start, stop, 0.0)
    start, stop = start * 1.0, stop * 1.0  # The difference of two integers may be none.
    parts = num - 1 if endpoint else num
    step = (stop - start) / parts if parts > 0 else math.nan
    shape = (-1, *(1,) * max(np.ndim(start), np.ndim(stop)))
    steps = np.arange(num).reshape(shape).astype(kind.type(0).real.dtype)
    if parts > 0 and perhaps(np.any(np.equal(step, 0))):  # as NumPy rounds it then
        made = steps / parts * (stop - start) + start
    else:
        made = steps * (step if parts > 0 else stop - start) + start
    if endpoint and num > 1:
        last = np.broadcast_to(stop, (1, *made.shape[1:]))
        joined = np.concatenate([made[:-1], np.astype(last, made.dtype)])
        made = lay(joined, np.empty_like(layout(made)))
    made = np.moveaxis(made, 0, axis)
    if dtype is not None:
        if np.issubdtype(dtype, np.integer):
            made = np.floor(made)
        made = np.astype(made, dtype)
    return (made, step) if retstep else made


def _number_of_samples(num: Any) -> int:
    num = operator.index(num)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    return num


@implements(np.logspace)
def logspace(
    start: Array,
    stop: Array,
    num: int = 50,
    endpoint: bool = True,
    base: Array = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Array:
    if np.ndim(base):
        rank = max(map(np.ndim, (start, stop, base)))
        start, stop, base = (_of_rank(plain(end), rank) for end in (start, stop, base))
        base = np.expand_dims(base, axis)
    made = np.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return made if dtype is None else np.astype(made, dtype)


def _of_rank(end: Array, rank: int) -> Array:
    return np.reshape(end, (1,) * (rank - np.ndim(end)) + np.shape(end))


@implements(np.geomspace)
def geomspace(
    start: Array,
    stop: Array,
    num: int = 50,
    endpoint: bool = True,
    dtype: Any = None,
    axis: int = 0,
) -> Array:
    num = _number_of_samples(num)
    start, stop = arraylike(start), arraylike(stop)
    zero = np.any(np.equal(start, 0)) | np.any(np.equal(stop, 0))
    if perhaps(zero):
        raise ValueError("Geometric sequence cannot include zero")
    kind = np.result_type(start, stop, float(num), np.zeros((), dtype))
    start, stop = (astype(end, kind) for end in (start, stop))
    # Rotated so that it starts at a positive number: negative ones have no real logarithm.
    sign = np.sign(start)
    first, last = start / sign, stop / sign
    made = logspace(np.log10(first), np.log10(last), num, endpoint)
    parts = [first, *([last] if num > 1 and endpoint else [])][:num]
    ends = [astype(np.broadcast_to(end, made.shape[1:])[None], made.dtype) for end in parts]
    inside = made[1 : num - (len(ends) > 1)]
    if ends:
        made = np.concatenate([ends[0], inside, *ends[1:]])
    made = np.moveaxis(made * sign, 0, axis)
    return astype(made, kind if dtype is None else dtype)


# -- questions about dtypes and equality -----------------------------------------------------------


def _kind(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        value = plain(value)
    return value.promotes if isinstance(value, Traced) else value


@implements(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]:
    return np.result_type(*map(_kind, arrays_and_dtypes))


@implements(np.min_scalar_type)
def min_scalar_type(a: Array) -> np.dtype[Any]:
    if a.shape:
        return a.dtype
    return np.min_scalar_type(known(a, "the smallest dtype of", "x.dtype"))


@implements(np.can_cast)
def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    return np.can_cast(_kind(from_), to, casting)


@implements(np.common_type)
def common_type(*arrays: Array) -> Any:
    return np.common_type(*(np.zeros(0, a.dtype) for a in arrays))


@implements(np.array_equiv)
def array_equiv(a1: Array, a2: Array) -> bool:
    try:
        return bool(np.all(plain(a1) == plain(a2)))
    except ValueError:
        return False
