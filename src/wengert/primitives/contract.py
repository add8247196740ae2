"""Products that sum over axes: matmul and einsum, bilinear and multilinear.

M. B. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation", in Advances in Automatic Differentiation, Springer 2008, section 2.2.1.
"""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..kinds import Linear, fit, linear, unboxed
from ..primitive import Example, Operand, Params, operand_type, promote
from ..program import Array, Type
from .shape import aligned, broadcast, reshape

__all__ = ["convolve", "einsum", "matmul"]


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
        count = math.prod(y.shape[:-2]) * y.shape[-1]
        flat = np.moveaxis(ct, -2, 0).reshape(x.shape[0], count)
        return fit(flat @ np.moveaxis(y, -2, 0).reshape(x.shape[1], count).T, x.shape, x.dtype)
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
        count = math.prod(x.shape[:-1])
        flat = x.reshape(count, x.shape[-1]).T
        return fit(flat @ ct.reshape(count, ct.shape[-1]), y.shape, y.dtype)
    return fit(np.matmul(_swap(x), ct), y.shape, y.dtype)


def _matmul_batch(size: int, operands: Sequence[Array], batched: Sequence[bool]) -> Array:
    x, y = operands
    x_batched, y_batched = batched
    x_vector = np.ndim(x) - x_batched == 1
    y_vector = np.ndim(y) - y_batched == 1
    if x_vector and y_vector and np.result_type(x.dtype, y.dtype).kind in "fc":
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


# -- einsum ----------------------------------------------------------------------------------------

Labels = tuple[str, ...]


def _lengths(labels: Labels, shapes: Sequence[tuple[int, ...]]) -> dict[str, int]:
    """The length of the axis behind each letter."""
    found: dict[str, int] = {}
    for letters, shape in zip(labels, shapes, strict=True):
        if len(letters) != len(shape):
            raise ValueError(f"einsum: {letters!r} does not fit an operand of shape {shape}")
        for letter, length in zip(letters, shape, strict=True):
            if found.setdefault(letter, length) != length:
                raise ValueError(f"einsum: axis {letter!r} has lengths {found[letter]}, {length}")
    return found


def _einsum_type(*operands: Operand, labels: Labels, out: str) -> Type:
    lengths = _lengths(labels, [operand_type(o).shape for o in operands])
    return Type(tuple(lengths[letter] for letter in out), promote(operands))


SMALL = 1 << 12
"""Up to this many products NumPy's own loop is faster than arranging a product of matrices."""


def _einsum(*operands: Array, labels: Labels, out: str) -> Array:
    text = f"{','.join(labels)}->{out}"
    lengths = _lengths(labels, [np.shape(o) for o in operands])
    if len(operands) < 2 or math.prod(lengths.values()) <= SMALL:
        return unboxed(np.array(np.einsum(text, *operands)))
    if len(operands) == 2:
        return _pair(*operands, labels, out, lengths)
    return unboxed(np.array(np.einsum(text, *operands, optimize=True)))


def _pair(x: Array, y: Array, labels: Labels, out: str, lengths: dict[str, int]) -> Array:
    """The product of two operands as one product of (stacks of) matrices, for BLAS."""
    a, b = labels
    x, a = _alone(x, a, b + out)
    y, b = _alone(y, b, a + out)
    stack = [c for c in a if c in b and c in out]
    summed = [c for c in a if c in b and c not in out]
    rows = [c for c in a if c not in b]
    columns = [c for c in b if c not in a]

    def arranged(z: Array, letters: str, *groups: list[str]) -> Array:
        order = [letters.index(c) for group in groups for c in group]
        shape = [math.prod(lengths[c] for c in group) for group in groups[1:]]
        return z.transpose(order).reshape(*(lengths[c] for c in groups[0]), *shape)

    product = np.matmul(arranged(x, a, stack, rows, summed), arranged(y, b, stack, summed, columns))
    letters = [*stack, *rows, *columns]
    product = product.reshape([lengths[c] for c in letters])
    return product.transpose([letters.index(c) for c in out])[()]


def _alone(x: Array, letters: str, others: str) -> tuple[Array, str]:
    """x with repeated letters taken along the diagonal and letters of no use to others summed."""
    kept = "".join(dict.fromkeys(c for c in letters if c in others))
    return (x, letters) if kept == letters else (np.einsum(f"{letters}->{kept}", x), kept)


class Einsum(Linear):
    """Multilinear: linear in each operand by itself. The transpose of an einsum is an einsum."""

    def group(self, place: int) -> int | None:
        return place

    def pull(
        self, cotangent: Array, saved: Any, active: Sequence[Any], params: Params
    ) -> list[Array | None]:
        labels, out = params["labels"], params["out"]
        return [
            None if node is None else self._to_operand(cotangent, saved, place, labels, out)
            for place, node in enumerate(active)
        ]

    def _to_operand(
        self, ct: Array, operands: Sequence[Array], place: int, labels: Labels, out: str
    ) -> Array:
        """The cotangent of one operand.

        Letters that stand alone in it were summed over, and are spread; one that stands twice
        picked out a diagonal, to which an identity matrix puts the cotangent back.
        """
        target = Type.of(operands[place])
        mine = labels[place]
        others = [o for i, o in enumerate(operands) if i != place]
        names = [*(label for i, label in enumerate(labels) if i != place), out]
        present = "".join(names)
        unused = iter(c for c in string.ascii_letters if c not in present + mine)
        lengths = dict(zip(mine, target.shape, strict=True))
        extra: list[Array] = []
        found = ""
        for letter in mine:
            if letter not in found:
                found += letter
                continue
            double = next(unused)
            extra.append(np.eye(lengths[letter], dtype=ct.dtype))
            names.append(letter + double)
            lengths[double] = lengths[letter]
            found += double
        reached = "".join(names)
        kept = "".join(c for c in found if c in reached)
        result = self.bind(*others, ct, *extra, labels=tuple(names), out=kept)
        if kept != found:
            result = reshape.bind(
                result, shape=tuple(lengths[c] if c in kept else 1 for c in found)
            )
            result = broadcast.bind(result, shape=tuple(lengths[c] for c in found))
        return fit(result, target.shape, target.dtype)


def _einsum_batch(
    size: int, operands: Sequence[Array], batched: Sequence[bool], labels: Labels, out: str
) -> Array:
    used = "".join(labels)
    new = next(c for c in string.ascii_letters if c not in used)
    wide = tuple(new + c if b else c for c, b in zip(labels, batched, strict=True))
    return einsum.bind(*operands, labels=wide, out=new + out)


einsum = Einsum(
    "einsum",
    _einsum,
    _einsum_type,
    [],
    batch=_einsum_batch,
    examples=[
        Example(((2, 3), (3, 4)), {"labels": ("ij", "jk"), "out": "ik"}),
        Example(((3, 3),), {"labels": ("ii",), "out": ""}),
        Example(((3, 3),), {"labels": ("ii",), "out": "i"}),
        Example(((2, 3, 2), (2,)), {"labels": ("iji", "i"), "out": "j"}),
        Example(((2, 3), (4,)), {"labels": ("ij", "k"), "out": "ki"}),
        Example(((3,), (3, 2), (2,)), {"labels": ("i", "ij", "j"), "out": ""}),
        Example(((5, 2, 3), (5, 3, 2)), {"labels": ("bij", "bjk"), "out": "bik"}),
        Example(((20, 17), (20, 17, 18)), {"labels": ("bi", "bij"), "out": "jb"}),
    ],
)

# -- convolution -----------------------------------------------------------------------------------


def _convolve(x: Array, y: Array) -> Array:
    if x.ndim == y.ndim == 1:
        return np.convolve(x, y)
    stack = np.broadcast_shapes(x.shape[:-1], y.shape[:-1])
    wide = np.broadcast_to(x, (*stack, x.shape[-1])).reshape(-1, x.shape[-1])
    kernels = np.broadcast_to(y, (*stack, y.shape[-1])).reshape(-1, y.shape[-1])
    rows = [np.convolve(a, b) for a, b in zip(wide, kernels, strict=True)]
    return np.reshape(rows, (*stack, x.shape[-1] + y.shape[-1] - 1))


def _convolve_type(x: Operand, y: Operand) -> Type:
    a, b = operand_type(x).shape, operand_type(y).shape
    stack = np.broadcast_shapes(a[:-1], b[:-1])
    return Type((*stack, a[-1] + b[-1] - 1), promote((x, y)))


def _convolve_transpose(ct: Array, to: Array, other: Array) -> Array:
    """x * y sums x_i y_(k-i), so that the cotangent of x_i is the sum of ct_k y_(k-i)."""
    m = other.shape[-1]
    full = convolve.bind(ct, other[..., ::-1])
    return fit(full[..., m - 1 : m - 1 + to.shape[-1]], to.shape, to.dtype)


def _convolve_batch(size: int, operands: Sequence[Array], batched: Sequence[bool]) -> Array:
    return convolve.bind(*aligned(size, operands, batched))


convolve = linear(
    "convolve",
    _convolve,
    types=_convolve_type,
    transposes=[
        lambda ct, x, y: _convolve_transpose(ct, x, y),
        lambda ct, x, y: _convolve_transpose(ct, y, x),
    ],
    groups=(0, 1),
    batch=_convolve_batch,
    examples=[Example(((5,), (3,))), Example(((2, 3), (4,))), Example(((1,), (2,)))],
    doc="All of the discrete convolution along the last axis; leading axes are broadcast.",
)
