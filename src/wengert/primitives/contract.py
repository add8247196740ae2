"""Products that sum over axes: matmul and einsum, bilinear and multilinear.

M. B. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation", in Advances in Automatic Differentiation, Springer 2008, section 2.2.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..primitive import Example, Operand, fit, linear, operand_type, promote
from ..program import Array, Type

__all__ = ["matmul"]


def _matmul_type(x: Operand, y: Operand) -> Type:
    a, b = operand_type(x).shape, operand_type(y).shape
    if not a or not b or a[-1] != b[-2 if len(b) > 1 else 0]:
        raise ValueError(f"matmul: shapes {a} and {b} do not fit")
    stack = np.broadcast_shapes(a[:-2], b[:-2])
    shape = (*stack, *a[-2:-1], *(b[-1:] if len(b) > 1 else ()))
    return Type(shape, promote((x, y)))


def _swap(x: Array) -> Array:
    return np.swapaxes(x, -1, -2) if x.ndim > 2 else x.T


def _to_left(ct: Array, x: Array, y: Array) -> Array:
    if len(y.shape) == 1:
        return fit(ct[..., None] * y if len(x.shape) > 1 else ct * y, x.shape, x.dtype)
    if len(x.shape) == 1:
        return fit(np.matmul(y, ct[..., None])[..., 0], x.shape, x.dtype)
    if len(x.shape) == 2 and ct.ndim > 2 and y.ndim == ct.ndim:
        # One matrix against a stack: a single product over the stack and the columns.
        flat = np.moveaxis(ct, -2, 0).reshape(x.shape[0], -1)
        return fit(flat @ np.moveaxis(y, -2, 0).reshape(x.shape[1], -1).T, x.shape, x.dtype)
    return fit(np.matmul(ct, _swap(y)), x.shape, x.dtype)


def _to_right(ct: Array, x: Array, y: Array) -> Array:
    if len(x.shape) == 1:
        if len(y.shape) == 1:
            return fit(ct * x, y.shape, y.dtype)
        return fit(x[:, None] * ct[..., None, :], y.shape, y.dtype)
    if len(y.shape) == 1:
        rows = np.matmul(ct[..., None, :], x)[..., 0, :] if x.ndim > 2 else np.matmul(ct, x)
        return fit(rows, y.shape, y.dtype)
    if len(y.shape) == 2 and x.ndim > 2:
        flat = x.reshape(-1, x.shape[-1]).T
        return fit(flat @ ct.reshape(-1, ct.shape[-1]), y.shape, y.dtype)
    return fit(np.matmul(_swap(x), ct), y.shape, y.dtype)


def _matmul_batch(size: int, operands: Sequence[Array], batched: Sequence[bool]) -> Array:
    x, y = operands
    x_batched, y_batched = batched
    x_vector = np.ndim(x) - x_batched == 1
    y_vector = np.ndim(y) - y_batched == 1
    if x_vector and y_vector:
        return np.sum(x * y, axis=-1)
    if not x_batched and not x_vector and y_vector:
        return np.moveaxis(np.matmul(x, y.T), -1, 0)
    if x_vector:
        x = np.expand_dims(x, -2)
    if y_vector:
        y = np.expand_dims(y, -1)
    rank = max(np.ndim(x) - x_batched, np.ndim(y) - y_batched)

    def align(a: Array, b: bool) -> Array:
        return np.reshape(a, (size, *(1,) * (rank - a.ndim + 1), *a.shape[1:])) if b else a

    product = matmul.bind(align(x, x_batched), align(y, y_batched))
    if x_vector:
        product = np.squeeze(product, axis=-2)
    return np.squeeze(product, axis=-1) if y_vector else product


matmul = linear(
    "matmul",
    np.matmul,
    types=_matmul_type,
    transposes=[_to_left, _to_right],
    groups=(0, 1),
    batch=_matmul_batch,
    text="{0} @ {1}",
    examples=[
        Example(((3,), (3,))),
        Example(((2, 3), (3,))),
        Example(((3,), (3, 2))),
        Example(((2, 3), (3, 4))),
        Example(((5, 2, 3), (3, 4))),
        Example(((2, 3), (5, 3, 4))),
        Example(((5, 2, 3), (3,))),
        Example(((3,), (5, 3, 4))),
        Example(((4, 1, 2, 3), (5, 3, 2))),
    ],
)
