"""Moving and repeating elements without computing: all linear, each the transpose of another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..kinds import linear, unboxed
from ..primitive import Example, Operand, operand_type, promote
from ..program import Array, Type

__all__ = ["aligned", "broadcast", "concatenate", "convert", "pad", "reshape", "transpose"]

# -- reshape ---------------------------------------------------------------------------------------


def _reshape_type(x: Operand, shape: tuple[int, ...]) -> Type:
    kind = operand_type(x)
    if math.prod(shape) != kind.size:
        raise ValueError(f"cannot reshape {kind} into {shape}")
    return Type(shape, kind.dtype)


def _reshape(x: Array, shape: tuple[int, ...]) -> Array:
    made = x.reshape(shape) if isinstance(x, np.ndarray) else np.reshape(x, shape)
    return made if shape else made[()]


reshape = linear(
    "reshape",
    _reshape,
    types=_reshape_type,
    transposes=[lambda ct, x, shape: reshape.bind(ct, shape=x.shape)],
    batch=lambda size, operands, batched, shape: reshape.bind(operands[0], shape=(size, *shape)),
    view=lambda base, new, shape: reshape.bind(new, shape=base.shape),
    examples=[Example(((2, 3),), {"shape": (3, 2)}), Example(((1,),), {"shape": ()})],
)


def aligned(size: int, operands: Sequence[Array], batched: Sequence[bool]) -> list[Array]:
    """Operands whose batch axes, in front, meet when the operands are broadcast together."""
    ranks = [len(np.shape(o)) - b for o, b in zip(operands, batched, strict=True)]
    rank = max(ranks)
    return [
        reshape.bind(o, shape=(size, *(1,) * (rank - r), *o.shape[1:])) if b and r < rank else o
        for o, b, r in zip(operands, batched, ranks, strict=True)
    ]


# -- transpose -------------------------------------------------------------------------------------


def _inverse(axes: Sequence[int]) -> tuple[int, ...]:
    order = [0] * len(axes)
    for place, axis in enumerate(axes):
        order[axis] = place
    return tuple(order)


def _transpose_type(x: Operand, axes: tuple[int, ...]) -> Type:
    kind = operand_type(x)
    return Type(tuple(kind.shape[axis] for axis in axes), kind.dtype)


transpose = linear(
    "transpose",
    lambda x, axes: x.transpose(axes),
    types=_transpose_type,
    transposes=[lambda ct, x, axes: transpose.bind(ct, axes=_inverse(axes))],
    batch=lambda size, operands, batched, axes: transpose.bind(
        operands[0], axes=(0, *(axis + 1 for axis in axes))
    ),
    view=lambda base, new, axes: transpose.bind(new, axes=_inverse(axes)),
    examples=[Example(((2, 3, 4),), {"axes": (2, 0, 1)})],
)

# -- broadcast -------------------------------------------------------------------------------------


def _broadcast(x: Array, shape: tuple[int, ...]) -> Array:
    if shape and (type(x) is np.float64 or not np.ndim(x)):
        base = np.asarray(x)
        return np.ndarray(shape, base.dtype, base, 0, (0,) * len(shape))
    return np.broadcast_to(x, shape)[()]


def _broadcast_transpose(ct: Array, x: Array, shape: tuple[int, ...]) -> Array:
    extra = len(shape) - len(x.shape)
    axes = tuple(range(extra)) + tuple(
        extra + i for i, n in enumerate(x.shape) if n == 1 and shape[extra + i] != 1
    )
    return np.sum(ct, axis=axes).reshape(x.shape)


def _broadcast_batch(
    size: int, operands: Sequence[Array], batched: Sequence[bool], shape: tuple[int, ...]
) -> Array:
    (x,) = operands
    aligned = np.reshape(x, (size, *(1,) * (len(shape) - x.ndim + 1), *x.shape[1:]))
    return broadcast.bind(aligned, shape=(size, *shape))


def _broadcast_type(x: Operand, shape: tuple[int, ...]) -> Type:
    kind = operand_type(x)
    rank = len(kind.shape)
    fits = rank <= len(shape) and all(
        n in (1, m) for n, m in zip(kind.shape, shape[len(shape) - rank :], strict=True)
    )
    if not fits:
        np.broadcast_to(np.broadcast_to(0, kind.shape), shape)  # NumPy's error
    return Type(shape, kind.dtype)


broadcast = linear(
    "broadcast",
    _broadcast,
    types=_broadcast_type,
    transposes=[_broadcast_transpose],
    batch=_broadcast_batch,
    examples=[Example(((3, 1),), {"shape": (2, 3, 4)}), Example(((),), {"shape": (2,)})],
)

# -- convert ---------------------------------------------------------------------------------------


def _convert_transpose(ct: Array, x: Array, dtype: np.dtype[Any]) -> Array:
    if ct.dtype.kind == "c" and x.dtype.kind != "c":
        ct = np.real(ct)
    return convert.bind(ct, dtype=x.dtype)


convert = linear(
    "convert",
    lambda x, dtype: unboxed(np.asarray(x).astype(dtype)),
    types=lambda x, dtype: Type(operand_type(x).shape, dtype),
    transposes=[_convert_transpose],
    batch=lambda size, operands, batched, dtype: convert.bind(operands[0], dtype=dtype),
    examples=[Example(((3,),), {"dtype": np.dtype(np.complex128)})],
)

# -- concatenate -----------------------------------------------------------------------------------


def _concatenate_type(*arrays: Operand, axis: int) -> Type:
    shapes = [operand_type(a).shape for a in arrays]
    first = shapes[0]
    rest = {(*s[:axis], *s[axis + 1 :]) for s in shapes}
    if len(rest) != 1:
        raise ValueError(f"shapes {shapes} do not fit together along axis {axis}")
    length = sum(s[axis] for s in shapes)
    return Type((*first[:axis], length, *first[axis + 1 :]), promote(arrays))


def _concatenate_transpose(ct: Array, *arrays: Array, axis: int) -> list[Array]:
    parts: list[Array] = []
    start = 0
    for array in arrays:
        stop = start + array.shape[axis]
        part = ct[(slice(None),) * axis + (slice(start, stop),)]
        if part.dtype != array.dtype:
            part = convert.bind(
                np.real(part) if array.dtype.kind != "c" else part, dtype=array.dtype
            )
        parts.append(part)
        start = stop
    return parts


def _concatenate_batch(
    size: int, operands: Sequence[Array], batched: Sequence[bool], axis: int
) -> Array:
    lifted = [
        o if b else broadcast.bind(o, shape=(size, *np.shape(o)))
        for o, b in zip(operands, batched, strict=True)
    ]
    return concatenate.bind(*lifted, axis=axis + 1)


concatenate = linear(
    "concatenate",
    lambda *arrays, axis: np.concatenate(arrays, axis=axis),
    types=_concatenate_type,
    transposes=_concatenate_transpose,
    batch=_concatenate_batch,
    examples=[Example(((2, 3), (1, 3)), {"axis": 0}), Example(((2, 1), (2, 2)), {"axis": 1})],
)

# -- pad with zeros --------------------------------------------------------------------------------


def _pad_type(x: Operand, widths: tuple[tuple[int, int], ...]) -> Type:
    kind = operand_type(x)
    shape = tuple(n + lo + hi for n, (lo, hi) in zip(kind.shape, widths, strict=True))
    return Type(shape, kind.dtype)


def _pad(x: Array, widths: tuple[tuple[int, int], ...]) -> Array:
    result = np.zeros([n + lo + hi for n, (lo, hi) in zip(x.shape, widths, strict=True)], x.dtype)
    result[tuple(slice(lo, lo + n) for n, (lo, _) in zip(x.shape, widths, strict=True))] = x
    return result


def _pad_transpose(ct: Array, x: Array, widths: tuple[tuple[int, int], ...]) -> Array:
    return ct[tuple(slice(lo, lo + n) for n, (lo, _) in zip(x.shape, widths, strict=True))]


pad = linear(
    "pad",
    _pad,
    types=_pad_type,
    transposes=[_pad_transpose],
    batch=lambda size, operands, batched, widths: pad.bind(operands[0], widths=((0, 0), *widths)),
    examples=[Example(((2, 3),), {"widths": ((1, 0), (2, 1))})],
)
