"""Making arrays: from traced numbers, and like a traced array."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..primitive import Traced
from ..primitives.shape import concatenate, convert, reshape
from ..program import Array
from ..trace import ArrayTracer, Trace, Tracer, concrete, implements, snapshot

__all__ = ["array", "asanyarray", "asarray"]


def _leaves(nested: Any) -> list[Any]:
    """Traced values in a nesting of lists, tuples and object arrays."""
    if isinstance(nested, Traced):
        return [nested]
    if isinstance(nested, np.ndarray) and nested.dtype.kind != "O":
        return []
    if isinstance(nested, (list, tuple, np.ndarray)):
        return [leaf for item in nested for leaf in _leaves(item)]
    return []


def _assemble(nested: Any) -> Array:
    if isinstance(nested, (Traced, np.generic, int, float, complex)):
        return nested
    if isinstance(nested, np.ndarray):
        if nested.dtype.kind != "O":
            return nested
        if not nested.shape:
            return nested.item()
        flat = _stack([_assemble(item) for item in nested.ravel().tolist()])
        return reshape.bind(flat, shape=nested.shape)
    if not _leaves(nested):
        return np.array(nested)
    return _stack([_assemble(item) for item in nested])


def _stack(parts: list[Array]) -> Array:
    shape = np.shape(parts[0]) if not isinstance(parts[0], Traced) else parts[0].shape
    rows = [reshape.bind(part, shape=(1, *shape)) for part in parts]
    return concatenate.bind(*rows, axis=0)


@implements(np.array, np.asarray, np.asanyarray, np.ascontiguousarray)
def array(object: Any, dtype: Any = None, *, copy: bool | None = True, **_: Any) -> Array:
    """``np.array`` that also takes traced numbers and arrays, in any nesting of lists.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rotate = lambda t: wg.numpy.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
        >>> wg.jacobian(rotate)(0.0)
        array([[ 0., -1.],
               [ 1.,  0.]])
    """
    if not _leaves(object):
        return np.array(object, dtype, copy=copy)
    made = _assemble(object)
    if dtype is not None and made.dtype != np.dtype(dtype):
        made = convert.bind(made, dtype=np.dtype(dtype))
    if made is object and copy and isinstance(made, ArrayTracer):
        return snapshot(made)
    return made


def asarray(object: Any, dtype: Any = None) -> Array:
    """``np.asarray`` that leaves a traced array as it is."""
    return array(object, dtype, copy=None)


asanyarray = asarray


def _trace(prototype: Array) -> Trace:
    while not isinstance(prototype, Tracer):
        prototype = _leaves(prototype)[0]
    return prototype._trace


def _fresh(prototype: Array, made: Array) -> Array:
    """A constant array that traced values can be assigned into."""
    if made.dtype.kind not in "fc":
        return made
    return _trace(prototype).constant(made)


def _shape(prototype: Array, shape: Any) -> Any:
    return prototype.shape if shape is None else shape


@implements(np.zeros_like)
def zeros_like(a: Array, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None):
    return _fresh(a, np.zeros(_shape(a, shape), dtype or a.dtype))


@implements(np.ones_like)
def ones_like(a: Array, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None):
    return _fresh(a, np.ones(_shape(a, shape), dtype or a.dtype))


@implements(np.empty_like)
def empty_like(a: Array, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None):
    return _fresh(a, np.zeros(_shape(a, shape), dtype or a.dtype))


@implements(np.full_like)
def full_like(
    a: Array,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
):
    kind = np.dtype(dtype or (a.dtype if isinstance(a, (Traced, np.ndarray)) else float))
    if isinstance(fill_value, Traced):
        return np.broadcast_to(fill_value.astype(kind), _shape(a, shape))  # pyright: ignore
    if not isinstance(a, Traced):
        return np.full_like(a, fill_value, kind)
    return _fresh(a, np.full(_shape(a, shape), fill_value, kind))


def _like(function: Any) -> Any:
    """A creation function called with ``like=x`` for a traced x: NumPy leaves ``like`` out here."""

    def create(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return implements(function)(create)
