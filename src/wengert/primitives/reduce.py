"""Reductions and scans along axes. ``axes`` is a tuple of axes, none of them negative."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from ..kinds import Nonlinear, linear, nonlinear
from ..primitive import Example, Operand, Rule, Traced, operand_type
from ..program import Array, Type
from .index import ARRAY, gather, scatter_add
from .logic import select
from .shape import broadcast, concatenate, convert, reshape, transpose

__all__ = [
    "argmax",
    "argmin",
    "cumprod",
    "cumsum",
    "every",
    "logaddexp2_along",
    "logaddexp_along",
    "maximum_along",
    "maximum_so_far",
    "minimum_along",
    "minimum_so_far",
    "prod",
    "some",
    "sum_",
    "sum_between",
]

Axes = tuple[int, ...]


def reduced(shape: tuple[int, ...], axes: Axes) -> tuple[int, ...]:
    """The shape without these axes."""
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def kept(shape: tuple[int, ...], axes: Axes) -> tuple[int, ...]:
    """The shape with these axes of length 1."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def shift(axes: Axes) -> Axes:
    """The same axes behind a batch axis."""
    return tuple(axis + 1 for axis in axes)


def expand(ct: Array, shape: tuple[int, ...], axes: Axes) -> Array:
    """A reduced value, spread over the axes again."""
    if ct.shape and len(axes) < len(shape):
        ct = np.reshape(ct, kept(shape, axes))
    if isinstance(ct, Traced):
        return broadcast.bind(ct, shape=shape)
    return broadcast.evaluate(ct, shape=shape)


def _total(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which NumPy adds and multiplies up: small integers and truth values widen."""
    return np.add.reduce(np.zeros(1, dtype)).dtype


# -- sum -------------------------------------------------------------------------------------------


def _sum_type(x: Operand, axes: Axes) -> Type:
    kind = operand_type(x)
    return Type(reduced(kind.shape, axes), _total(kind.dtype))


def _sum_batch(size: int, operands: Sequence[Array], batched: Sequence[bool], axes: Axes) -> Array:
    return sum_.bind(operands[0], axes=shift(axes))


sum_ = linear(
    "sum",
    lambda x, axes: np.add.reduce(x, axis=axes),
    types=_sum_type,
    transposes=[lambda ct, x, axes: expand(ct, x.shape, axes)],
    batch=_sum_batch,
    examples=[
        Example(((3,),), {"axes": (0,)}),
        Example(((2, 3, 4),), {"axes": (0, 2)}),
        Example(((2, 3),), {"axes": ()}),
    ],
)

# -- products --------------------------------------------------------------------------------------

Parts = tuple[Array, ...]


def _in_front(x: Array, axes: Axes) -> Array:
    """x with the axes that are reduced rolled into one, in front of the others."""
    others = [i for i in range(x.ndim) if i not in axes]
    moved = transpose.bind(x, axes=(*axes, *others))
    length = int(np.prod([x.shape[i] for i in axes], dtype=int))
    return reshape.bind(moved, shape=(length, *(x.shape[i] for i in others)))


def _product_rule(left: Parts, right: Parts) -> Parts:
    """(a, a') (b, b') = (a b, a' b + a b')."""
    (a, a_dot), (b, b_dot) = left, right
    return a * b, a_dot * b + b_dot * a


def _prod_jvp(x_dot: Array, ans: Array, x: Array, axes: Axes) -> Array:
    """Halves are multiplied by each other until one is left: no division, so zeros are exact."""
    parts = _in_front(x, axes), _in_front(x_dot, axes)
    length = parts[0].shape[0]
    if length == 0:
        return sum_.bind(parts[1], axes=(0,))
    while length > 1:
        half = length // 2
        low = tuple(part[:half] for part in parts)
        high = tuple(part[half : 2 * half] for part in parts)
        product = _product_rule(low, high)
        if length % 2:
            last = tuple(part[-1:] for part in parts)
            product = tuple(
                concatenate.bind(p, rest, axis=0) for p, rest in zip(product, last, strict=True)
            )
        parts = product
        length = half + length % 2
    return reshape.bind(parts[1], shape=ans.shape)


prod = nonlinear(
    "prod",
    lambda x, axes: np.multiply.reduce(x, axis=axes),
    types=_sum_type,
    jvps=[_prod_jvp],
    batch=lambda size, operands, batched, axes: prod.bind(operands[0], axes=shift(axes)),
    examples=[
        Example(((5,),), {"axes": (0,)}),
        Example(((2, 3, 2),), {"axes": (0, 2)}),
        Example((np.array([[0.0, 2.0, 0.0], [0.0, 1.5, -1.0]]),), {"axes": (1,)}),
    ],
)

# -- greatest and smallest -------------------------------------------------------------------------


def _ties(ans: Array, x: Array, axes: Axes) -> tuple[Array, Array]:
    """Which elements equal the greatest (or smallest) one, and how many, with ``axes`` kept."""
    shape = kept(x.shape, axes)
    ties = np.equal(x, reshape.bind(ans, shape=shape))
    count = sum_.bind(convert.bind(ties, dtype=x.dtype), axes=axes)
    return ties, reshape.bind(count, shape=shape)


def _share(x_dot: Array, ans: Array, x: Array, axes: Axes) -> Array:
    """The mean of the tangents of those elements that equal the greatest (or smallest) one."""
    ties, count = _ties(ans, x, axes)
    return sum_.bind(select.bind(ties, x_dot / count, 0.0), axes=axes)


def _share_back(ct: Array, ans: Array, x: Array, axes: Axes) -> Array:
    """The transpose of ``_share``."""
    ties, count = _ties(ans, x, axes)
    return select.bind(ties, reshape.bind(ct, shape=count.shape) / count, 0.0)


def _extreme(name: str, ufunc: np.ufunc) -> Nonlinear:
    return nonlinear(
        name,
        lambda x, axes: ufunc.reduce(x, axis=axes),
        types=lambda x, axes: Type(reduced(operand_type(x).shape, axes), operand_type(x).dtype),
        jvps=[_share],
        transposes=[_share_back],
        batch=_reduced_batch(name),
        examples=[Example(((4,),), {"axes": (0,)}), Example(((2, 3, 2),), {"axes": (0, 2)})],
        doc="Elements that tie share the derivative equally.",
    )


def _reduced_batch(name: str) -> Rule:
    from ..primitive import REGISTRY

    def batch(size: int, operands: Sequence[Array], batched: Sequence[bool], axes: Axes) -> Array:
        return REGISTRY[name].bind(operands[0], axes=shift(axes))

    return batch


maximum_along = _extreme("max", np.maximum)
minimum_along = _extreme("min", np.minimum)

# -- logarithms of sums ----------------------------------------------------------------------------


@cache
def _dtype_of(function: Callable[..., Any], dtype: np.dtype[Any], *args: Any) -> np.dtype[Any]:
    return function(np.ones(1, dtype), *args).dtype


def _log_of_sum(name: str, combine: np.ufunc, power: np.ufunc) -> Nonlinear:
    def weighted(x_dot: Array, ans: Array, x: Array, axes: Axes) -> Array:
        total = reshape.bind(ans, shape=kept(x.shape, axes))
        excess = select.bind(np.equal(x, total), 0.0, x - total)
        parts = power(excess)
        whole = reshape.bind(sum_.bind(parts, axes=axes), shape=kept(x.shape, axes))
        return sum_.bind(x_dot * (parts / whole), axes=axes)

    return nonlinear(
        name,
        lambda x, axes: combine.reduce(x, axis=axes),
        types=lambda x, axes: Type(
            reduced(operand_type(x).shape, axes), _dtype_of(combine.reduce, operand_type(x).dtype)
        ),
        jvps=[weighted],
        batch=_reduced_batch(name),
        examples=[Example(((4,),), {"axes": (0,)}), Example(((2, 3, 2),), {"axes": (0, 2)})],
        doc="Terms of minus infinity, if there are no others, share the derivative equally.",
    )


logaddexp_along = _log_of_sum("logaddexp_along", np.logaddexp, np.exp)
logaddexp2_along = _log_of_sum("logaddexp2_along", np.logaddexp2, np.exp2)

# -- sums between places ---------------------------------------------------------------------------


def _spread(ct: Array, x: Array, axis: int, starts: tuple[int, ...]) -> Array:
    """Each element gets the cotangents of the sums that it is in."""
    length = x.shape[axis]
    ends = (*starts[1:], length)
    parts = [
        range(start, end) if start < end else (start,)
        for start, end in zip(starts, ends, strict=True)
    ]
    elements = np.array([i for part in parts for i in part], np.intp)
    sums = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    index = (*(slice(None),) * axis, ARRAY)
    zeros = Type.of(x).zeros()
    return scatter_add.bind(zeros, gather.bind(ct, sums, index=index), elements, index=index)


def _between_type(x: Operand, axis: int, starts: tuple[int, ...]) -> Type:
    kind = operand_type(x)
    return Type(
        (*kind.shape[:axis], len(starts), *kind.shape[axis + 1 :]),
        _dtype_of(np.add.reduceat, kind.dtype, (0,)),
    )


sum_between = linear(
    "sum_between",
    lambda x, axis, starts: np.add.reduceat(x, np.array(starts, np.intp), axis),
    types=_between_type,
    transposes=[_spread],
    batch=lambda size, operands, batched, axis, starts: sum_between.bind(
        operands[0], axis=axis + 1, starts=starts
    ),
    examples=[
        Example(((6,),), {"axis": 0, "starts": (0, 2, 5)}),
        Example(((2, 5),), {"axis": 1, "starts": (1, 4, 0, 0, 3)}),
    ],
)

# -- flat: truth values and places -----------------------------------------------------------------


def _flat(name: str, evaluate: Callable[..., Any], dtype: Any) -> Nonlinear:
    return nonlinear(
        name,
        evaluate,
        types=lambda x, axes: Type(reduced(operand_type(x).shape, axes), np.dtype(dtype)),
        jvps=0,
        batch=_reduced_batch(name),
        examples=[Example(((4,),), {"axes": (0,)}), Example(((2, 3),), {"axes": (1,)})],
    )


every = _flat("all", lambda x, axes: np.logical_and.reduce(x, axis=axes), bool)
some = _flat("any", lambda x, axes: np.logical_or.reduce(x, axis=axes), bool)
argmax = _flat("argmax", lambda x, axes: np.argmax(x, axis=axes[0]), np.intp)
argmin = _flat("argmin", lambda x, axes: np.argmin(x, axis=axes[0]), np.intp)

# -- scans -----------------------------------------------------------------------------------------


def _scan_type(x: Operand, axis: int, **_: Any) -> Type:
    kind = operand_type(x)
    return Type(kind.shape, _total(kind.dtype))


def _cumsum(x: Array, axis: int, reverse: bool) -> Array:
    if not reverse:
        return np.add.accumulate(x, axis=axis)
    return np.flip(np.add.accumulate(np.flip(x, axis), axis=axis), axis)


cumsum = linear(
    "cumsum",
    _cumsum,
    types=_scan_type,
    transposes=[lambda ct, x, axis, reverse: cumsum.bind(ct, axis=axis, reverse=not reverse)],
    batch=lambda size, operands, batched, axis, reverse: cumsum.bind(
        operands[0], axis=axis + 1, reverse=reverse
    ),
    examples=[
        Example(((4,),), {"axis": 0, "reverse": False}),
        Example(((2, 3),), {"axis": 1, "reverse": True}),
    ],
)


def running(combine: Callable[[Parts, Parts], Parts], parts: Parts, axis: int) -> Parts:
    """All prefixes of ``parts`` along an axis under an associative operation.

    Of n elements in log2(n) steps. W. D. Hillis, G. L. Steele, "Data parallel algorithms",
    CACM 29(12), 1986.
    """
    length = parts[0].shape[axis]
    before = (slice(None),) * axis
    shift = 1
    while shift < length:
        head = tuple(part[(*before, slice(0, shift))] for part in parts)
        early = tuple(part[(*before, slice(0, length - shift))] for part in parts)
        late = tuple(part[(*before, slice(shift, length))] for part in parts)
        joined = combine(early, late)
        parts = tuple(concatenate.bind(h, j, axis=axis) for h, j in zip(head, joined, strict=True))
        shift *= 2
    return parts


cumprod = nonlinear(
    "cumprod",
    lambda x, axis: np.multiply.accumulate(x, axis=axis),
    types=_scan_type,
    jvps=[lambda x_dot, ans, x, axis: running(_product_rule, (x, x_dot), axis)[1]],
    batch=lambda size, operands, batched, axis: cumprod.bind(operands[0], axis=axis + 1),
    examples=[
        Example(((5,),), {"axis": 0}),
        Example((np.array([[1.0, 2.0], [0.0, -1.0], [3.0, 0.0], [0.0, 0.5]]),), {"axis": 0}),
    ],
)


def _ties_so_far(ufunc: np.ufunc) -> Callable[[Parts, Parts], Parts]:
    """The greater of two, the number of elements that attain it, and the sum of their tangents."""

    def combine(left: Parts, right: Parts) -> Parts:
        (a, a_count, a_dot), (b, b_count, b_dot) = left, right
        best = ufunc(a, b)
        from_a = np.equal(a, best).astype(a_dot.dtype)
        from_b = np.equal(b, best).astype(a_dot.dtype)
        return (
            best,
            a_count * from_a + b_count * from_b,
            a_dot * from_a + b_dot * from_b,
        )

    return combine


def _extreme_so_far(name: str, ufunc: np.ufunc) -> Nonlinear:
    def jvp(x_dot: Array, ans: Array, x: Array, axis: int) -> Array:
        _, count, total = running(_ties_so_far(ufunc), (x, np.ones_like(x), x_dot), axis)
        return total / count

    scan = nonlinear(
        name,
        lambda x, axis: ufunc.accumulate(x, axis=axis),
        types=lambda x, axis: operand_type(x),
        jvps=[jvp],
        batch=lambda size, operands, batched, axis: scan.bind(operands[0], axis=axis + 1),
        examples=[Example(((6,),), {"axis": 0}), Example(((2, 5),), {"axis": 1})],
        doc="Elements that tie share the derivative equally.",
    )
    return scan


maximum_so_far = _extreme_so_far("maximum_so_far", np.maximum)
minimum_so_far = _extreme_so_far("minimum_so_far", np.minimum)
