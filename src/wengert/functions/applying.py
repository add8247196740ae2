"""Functions that call one of the user's for each row or for each number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..primitive import Traced
from ..program import Array
from ..trace import FUNCTIONS, as_array, implements
from .creation import array
from .elementwise import arraylike
from .shaping import astype, one_axis

__all__: list[str] = []


@implements(np.apply_along_axis)
def apply_along_axis(
    func1d: Callable[..., Any], axis: Any, arr: Any, *args: Any, **kwargs: Any
) -> Array:
    arr = as_array(arraylike(arr))
    axis = one_axis(axis, arr.ndim)
    rows = np.moveaxis(arr, axis, -1)
    places = list(np.ndindex(*rows.shape[:-1]))
    if not places:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    # With an ellipsis, one number is an array without axes, as in NumPy.
    results = [as_array(array(func1d(rows[(*i, ...)], *args, **kwargs))) for i in places]
    shape, dtype = results[0].shape, results[0].dtype
    same = [np.broadcast_to(astype(each, dtype), shape) for each in results]
    stacked = np.reshape(np.stack(same), (*rows.shape[:-1], *shape))
    before = rows.ndim - 1
    order = [*range(axis), *range(before, before + len(shape)), *range(axis, before)]
    return np.transpose(stacked, order)


def _by_objects(ufunc: np.ufunc, method: str, inputs: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """A ufunc of objects, by ``np.frompyfunc``: a function of Python's for each of the numbers."""
    boxed = [_boxed(x) if isinstance(x, Traced) else x for x in inputs]
    results = getattr(ufunc, method)(*boxed, **kwargs)
    if isinstance(results, tuple):
        return tuple(map(_numbers, results))
    return _numbers(results)


def _boxed(x: Any) -> Any:
    """An array of objects with the elements of a traced one, or with a traced number."""
    if x.shape:
        return astype(x, object)
    box = np.empty((), object)
    box[()] = x
    return box


def _numbers(result: Any) -> Any:
    """An array of objects with traced numbers in it as a traced array."""
    objects = isinstance(result, np.ndarray) and result.dtype.kind == "O"
    return array(result) if objects else result


FUNCTIONS["by objects"] = _by_objects
