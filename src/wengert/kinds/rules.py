"""What declarations and rules of several kinds need: dtypes, and shapes that were broadcast."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NoReturn

import numpy as np

from ..errors import UnknownDerivativeError
from ..primitive import Operand, promote, promotion
from ..program import Array

__all__ = [
    "Unknown",
    "add_tangents",
    "answer",
    "fit",
    "floating",
    "settled",
    "spread",
    "unboxed",
    "unless_unknown",
    "unresolved",
]


def answer(ufunc: np.ufunc) -> Callable[[Sequence[Operand]], np.dtype[Any]]:
    """The type rule of a ufunc: the dtype in which it answers, TypeError if it does not."""

    @lru_cache(maxsize=1024, typed=True)  # np.dtype(float) equals the class float
    def resolved(*kinds: Any) -> np.dtype[Any]:
        return ufunc.resolve_dtypes((*kinds, None))[-1]

    def dtype(operands: Sequence[Operand]) -> np.dtype[Any]:
        return resolved(*map(promotion, operands))

    return dtype


def floating(operands: Sequence[Operand]) -> np.dtype[Any]:
    """The dtype to which NumPy promotes the operands, and float64 where they are integers."""
    dtype = promote(operands)
    return dtype if dtype.kind in "fc" else np.dtype(np.float64)


def unboxed(array: Array) -> Array:
    """A NumPy scalar for an array without axes; any other as it is (``x[()]`` would be a view)."""
    return array if array.ndim else array[()]


def fit(cotangent: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Undo broadcasting and promotion: sum over repeated axes, cast, drop an imaginary part."""
    if cotangent.shape != shape:
        extra = cotangent.ndim - len(shape)
        axes = tuple(range(extra)) + tuple(
            extra + i for i, n in enumerate(shape) if n == 1 and cotangent.shape[extra + i] != 1
        )
        cotangent = np.sum(cotangent, axis=axes)
        if cotangent.shape != shape:
            cotangent = np.reshape(cotangent, shape)
    if cotangent.dtype != dtype:
        if cotangent.dtype.kind == "c" and dtype.kind != "c":
            cotangent = np.real(cotangent)
        cotangent = cotangent.astype(dtype)
    return cotangent


def spread(tangent: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """The transpose of ``fit``: broadcast and promote a tangent to the type of the result."""
    if tangent.dtype != dtype:
        tangent = tangent.astype(dtype)
    return tangent if tangent.shape == shape else np.broadcast_to(tangent, shape)


def add_tangents(total: Array | None, term: Array) -> Array:
    """``total + term``, where None is zero."""
    return term if total is None else total + term


class Unknown:
    """In place of a tangent that is not known: an error for whoever uses it."""

    __slots__ = ("_error",)

    def __init__(self, error: UnknownDerivativeError) -> None:
        self._error = error

    def refuse(self, *_: Any, **__: Any) -> NoReturn:
        """Raise the error."""
        raise self._error

    __getattr__ = __getitem__ = __iter__ = __len__ = __array__ = refuse
    __array_ufunc__ = __array_function__ = refuse
    __neg__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = refuse
    __truediv__ = __rtruediv__ = __matmul__ = __rmatmul__ = __pow__ = refuse


def unresolved(
    primitive: Any, tangents: Sequence[Array | None], error: UnknownDerivativeError
) -> Any:
    """What ``primitive.push`` gives, which raised ``error``: Unknown if a tangent is not known."""
    unknown = next((t for t in tangents if isinstance(t, Unknown)), None)
    if unknown is None:
        raise error
    return itertools.repeat(unknown) if primitive.multiple else unknown


def unless_unknown(compute: Callable[[], Any], count: int = 1) -> Any:
    """What ``compute`` gives; where that is not known, an ``Unknown`` (``count`` of them).

    For a rule with several results, of which it may be that only others are used.
    """
    try:
        return compute()
    except UnknownDerivativeError as error:
        return Unknown(error) if count == 1 else (Unknown(error),) * count


def settled(tangent: Array | None) -> Array | None:
    """A tangent that is to be handed out; the error if it is not known."""
    if type(tangent) is Unknown:
        tangent.refuse()
    return tangent
