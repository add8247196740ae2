"""Products: matmul, dot, tensordot, einsum, outer, convolve, ..."""

from __future__ import annotations

import math
import operator
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..primitive import Traced
from ..primitives import contract
from ..primitives.contract import matmul as matmul_primitive
from ..program import Array
from ..trace import UFUNC_METHODS, as_array, as_number, implements, ordered
from .contractions import contraction_of_roots
from .elementwise import arraylike
from .indexing import diagonal_copy, diagonal_view
from .reducing import normal_axes
from .roots import smooth_sum
from .shaping import one_axis

__all__: list[str] = []


def _matmul(x1: Array, x2: Array) -> Array:
    """The product; where roots meet themselves in it, its derivative is that of the radicand."""
    if not (getattr(type(x1), "rooted", False) and getattr(type(x2), "rooted", False)):
        return matmul_primitive.bind(x1, x2)
    if x1.ndim == 1:
        smooth = smooth_sum(x1, x2, matmul_primitive.bind)
        if smooth is not None:
            return smooth
    result = matmul_primitive.bind(x1, x2)
    batch = string.ascii_uppercase[: max(x1.ndim, x2.ndim, 2) - 2]
    labels = [
        f"{batch[len(batch) - x.ndim + 2 :]}{matrix}" if x.ndim > 1 else "k"
        for x, matrix in ((x1, "ik"), (x2, "kj"))
    ]
    out = batch + "i" * (x1.ndim > 1) + "j" * (x2.ndim > 1)
    return _with_roots(result, [x1, x2], labels, out)


def _with_roots(result: Array, arrays: Sequence[Array], labels: Sequence[str], out: str) -> Array:
    """The result of a contraction, whose derivative knows of the roots among the operands."""
    if sum(getattr(type(x), "rooted", False) for x in arrays) < 2:
        return result
    lengths: dict[str, int] = {}
    for x, label in zip(arrays, labels, strict=True):
        for letter, length in zip(label, x.shape, strict=True):
            lengths[letter] = length if lengths.get(letter, 1) == 1 else lengths[letter]
    spelt = [_drop_stretched(label, x, lengths) for x, label in zip(arrays, labels, strict=True)]
    return contraction_of_roots(result, [x for _, x in spelt], [label for label, _ in spelt], out)


@implements(np.matmul, np.linalg.matmul)
def matmul(x1: Array, x2: Array) -> Array:
    return _matmul(x1, x2)


@implements(np.dot)
def dot(a: Array, b: Array) -> Array:
    a, b = arraylike(a), arraylike(b)
    if a.ndim == 0 or b.ndim == 0:
        return _scaled(a, b)
    if b.ndim <= 2:
        return _matmul(a, b)
    return tensordot(a, b, ((a.ndim - 1,), (b.ndim - 2,)))


def _scaled(a: Array, b: Array) -> Array:
    """The product with a number, as BLAS gives it: of a matrix in C order."""
    found = np.multiply(as_array(a), as_array(b))
    return as_number(ordered(found)) if found.ndim < 3 else found


@implements(np.inner)
def inner(a: Array, b: Array) -> Array:
    a, b = arraylike(a), arraylike(b)
    if a.ndim == 0 or b.ndim == 0:
        return _scaled(a, b)
    if a.ndim == b.ndim == 1:
        return _matmul(a, b)
    return as_number(tensordot(a, b, ((a.ndim - 1,), (b.ndim - 1,))))


@implements(np.outer)
def outer(a: Array, b: Array) -> Array:
    return np.multiply(np.ravel(arraylike(a))[:, None], np.ravel(arraylike(b)))


@implements(np.linalg.outer)
def outer_of_vectors(x1: Array, x2: Array, /) -> Array:
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ValueError("Input arrays must be one-dimensional")
    return outer(x1, x2)


@implements(np.vdot)
def vdot(a: Array, b: Array) -> Array:
    return _matmul(_conjugate(np.ravel(arraylike(a))), np.ravel(arraylike(b)))


def _conjugate(x: Array) -> Array:
    """The complex conjugate, of real numbers the array itself: of truth values NumPy's are int8."""
    return np.conjugate(x) if x.dtype.kind == "c" else x


@implements(np.vecdot, np.linalg.vecdot)
def vecdot(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    x1, x2 = arraylike(x1), arraylike(x2)
    lengths = [x.shape[one_axis(axis, x.ndim)] if x.ndim else None for x in (x1, x2)]
    _check_core("vecdot", lengths)
    lengths = [x.shape[normal_axes(operator.index(axis), x.ndim)[0]] for x in (x1, x2)]
    if lengths[0] != lengths[1]:
        raise ValueError(f"vectors of the lengths {lengths[0]} and {lengths[1]} have no product")
    return np.sum(np.conjugate(x1) * x2, axis=axis)


@implements(np.matvec)
def matvec(x1: Array, x2: Array) -> Array:
    x1, x2 = arraylike(x1), arraylike(x2)
    _check_core(
        "matvec", [x1.shape[-1] if x1.ndim > 1 else None, x2.shape[-1] if x2.ndim else None]
    )
    return _matmul(x1, x2[..., None])[..., 0]


@implements(np.vecmat)
def vecmat(x1: Array, x2: Array) -> Array:
    x1, x2 = arraylike(x1), arraylike(x2)
    _check_core(
        "vecmat", [x1.shape[-1] if x1.ndim else None, x2.shape[-2] if x2.ndim > 1 else None]
    )
    return _matmul(np.conjugate(x1)[..., None, :], x2)[..., 0, :]


def _check_core(name: str, lengths: Sequence[int | None]) -> None:
    """Refuse operands that lack an axis to sum over, or whose axes are not of one length."""
    if None in lengths or lengths[0] != lengths[1]:
        raise ValueError(f"{name}: the operands' axes to sum over do not fit: {lengths}")


def _contracted(axes: Any, ranks: tuple[int, int]) -> tuple[list[int], list[int]]:
    """The axes to sum over of each operand, none of them negative."""
    if np.ndim(axes) == 0 and not isinstance(axes, (list, tuple)):
        count = operator.index(axes)
        return list(range(ranks[0] - count, ranks[0])), list(range(count))
    left, right = axes
    left = [left] if isinstance(left, (int, np.integer)) else list(left)
    right = [right] if isinstance(right, (int, np.integer)) else list(right)
    if len(left) != len(right):
        raise ValueError("shape-mismatch for sum")
    return [one_axis(i, ranks[0]) for i in left], [one_axis(i, ranks[1]) for i in right]


@implements(np.tensordot, np.linalg.tensordot)
def tensordot(a: Array, b: Array, axes: Any = 2) -> Array:
    """One product of matrices, each operand's axes put in order before it."""
    a, b = arraylike(a), arraylike(b)
    left, right = _contracted(axes, (a.ndim, b.ndim))
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise ValueError("shape-mismatch for sum")
    rows = [i for i in range(a.ndim) if i not in left]
    columns = [i for i in range(b.ndim) if i not in right]
    length = math.prod(a.shape[i] for i in left)
    shape = (*(a.shape[i] for i in rows), *(b.shape[i] for i in columns))

    def product(a: Array, b: Array) -> Array:
        one = np.transpose(a, (*rows, *left))
        one = np.reshape(one, (math.prod(a.shape[i] for i in rows), length))
        two = np.transpose(b, (*right, *columns))
        two = np.reshape(two, (length, math.prod(b.shape[i] for i in columns)))
        return as_array(np.reshape(_matmul(one, two), shape, copy=True))

    return product(a, b)


# -- einsum ----------------------------------------------------------------------------------------


def _from_sublists(operands: Sequence[Any]) -> tuple[str, list[Any]]:
    """``einsum(x, [0, 1], y, [1, 2], [0, 2])`` as a string and its operands."""
    letters = string.ascii_letters

    def text(sublist: Any) -> str:
        return "".join("..." if item is Ellipsis else letters[item] for item in sublist)

    count = len(operands) // 2
    arrays = [operands[2 * i] for i in range(count)]
    found = ",".join(text(operands[2 * i + 1]) for i in range(count))
    return (f"{found}->{text(operands[-1])}" if len(operands) % 2 else found), arrays


def _spell_out(subscripts: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The letters of each operand and of the result, ellipses replaced by letters of their own."""
    inputs, arrow, out = subscripts.replace(" ", "").partition("->")
    names = inputs.split(",")
    if len(names) != len(ranks):
        raise ValueError(f"einsum: {subscripts!r} names {len(names)} operands of {len(ranks)}")
    unused = [c for c in string.ascii_letters if c not in subscripts]
    counts = [
        rank - len(name.replace("...", "")) if "..." in name else 0
        for name, rank in zip(names, ranks, strict=True)
    ]
    if min(counts, default=0) < 0:
        raise ValueError(f"einsum: {subscripts!r} has more letters than an operand has axes")
    most = max(counts, default=0)
    dots = "".join(unused[:most])
    spelt = [
        name.replace("...", dots[most - count :]) for name, count in zip(names, counts, strict=True)
    ]
    if most and arrow and "..." not in out:
        raise ValueError(f"einsum: the result of {subscripts!r} lacks the ellipsis")
    if not arrow:
        everything = "".join(name.replace("...", "") for name in names)
        once = sorted(c for c in set(everything) if everything.count(c) == 1)
        out = "..." * any("..." in name for name in names) + "".join(once)
    return spelt, out.replace("...", dots)


@implements(np.einsum)
def einsum(*operands: Any, optimize: Any = False, **kwargs: Any) -> Array:
    """Any number of operands, in both of NumPy's notations."""
    rest = {name: value for name, value in kwargs.items() if name not in ("order", "casting")}
    if rest:
        raise UnsupportedError(f"np.einsum with {', '.join(rest)} is not differentiated")
    subscripts, given = (
        (operands[0], operands[1:]) if isinstance(operands[0], str) else _from_sublists(operands)
    )
    arrays = [arraylike(x) for x in given]
    labels, out = _spell_out(subscripts, [x.ndim for x in arrays])
    lengths: dict[str, int] = {}
    for label, x in zip(labels, arrays, strict=True):
        if len(label) != x.ndim:
            raise ValueError(f"einsum: {label!r} does not fit an operand of shape {x.shape}")
        own = dict(zip(label, x.shape, strict=True))
        if any(own[letter] != length for letter, length in zip(label, x.shape, strict=True)):
            raise ValueError(f"einsum: {label!r} needs equal axes, and the shape is {x.shape}")
        for letter, length in own.items():
            lengths[letter] = length if lengths.get(letter, 1) == 1 else lengths[letter]
    for place, (label, x) in enumerate(zip(labels, arrays, strict=True)):
        if any(n == 1 and lengths[c] != 1 for c, n in zip(label, x.shape, strict=True)):
            labels[place], arrays[place] = _drop_stretched(label, x, lengths)
    if len(arrays) == 1 and set(labels[0]) == set(out):
        return _rearranged(arrays[0], labels[0], out)
    result = contract.einsum.bind(*arrays, labels=tuple(labels), out=out)
    return _with_roots(result, arrays, labels, out)


def _rearranged(x: Array, label: str, out: str) -> Array:
    """A sum over nothing: diagonals and a transpose, which are views."""
    for letter in out:
        while label.count(letter) > 1:
            first = label.index(letter)
            second = label.index(letter, first + 1)
            x = diagonal_view(x, 0, first, second)
            label = label[:first] + label[first + 1 : second] + label[second + 1 :] + letter
    return np.transpose(x, tuple(map(label.index, out))) if out else as_number(x)


def _drop_stretched(label: str, x: Array, lengths: dict[str, int]) -> tuple[str, Array]:
    """An operand without those axes of length 1 that broadcasting would stretch."""
    pairs = [(c, n) for c, n in zip(label, x.shape, strict=True) if n != 1 or lengths[c] == 1]
    return "".join(c for c, _ in pairs), np.reshape(x, tuple(n for _, n in pairs))


@implements(np.einsum_path)
def einsum_path(*operands: Any, optimize: Any = "greedy", **kwargs: Any) -> Any:
    """The path is found from the shapes alone."""
    plain: list[Any] = [np.empty(x.shape) if isinstance(x, Traced) else x for x in operands]
    return np.einsum_path(*plain, optimize=optimize, **kwargs)


# -- kron, cross, trace ----------------------------------------------------------------------------


@implements(np.kron)
def kron(a: Array, b: Array) -> Array:
    a, b = arraylike(a), arraylike(b)
    rank = max(a.ndim, b.ndim)
    one = (1,) * (rank - a.ndim) + a.shape
    two = (1,) * (rank - b.ndim) + b.shape
    left = np.reshape(a, tuple(n for size in one for n in (size, 1)))
    right = np.reshape(b, tuple(n for size in two for n in (1, size)))
    shape = tuple(m * n for m, n in zip(one, two, strict=True))
    return np.reshape(np.multiply(left, right), shape)


_LENGTHS = (2, 3) if np.lib.NumpyVersion(np.__version__) < "2.5.0.dev0" else (3,)
"""The lengths of vectors that NumPy takes the cross product of."""


@implements(np.cross)
def cross(
    a: Array, b: Array, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Array:
    if axis is not None:
        axisa = axisb = axisc = axis
    a = np.moveaxis(arraylike(a), axisa, -1)
    b = np.moveaxis(arraylike(b), axisb, -1)
    if a.shape[-1] not in _LENGTHS or b.shape[-1] not in _LENGTHS:
        allowed = " or ".join(map(str, _LENGTHS))
        raise ValueError(f"np.cross takes vectors of length {allowed}")
    if a.shape[-1] == b.shape[-1] == 2:
        return as_array(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])
    a1, a2, a3 = _components(a)
    b1, b2, b3 = _components(b)
    parts = [a2 * b3 - a3 * b2, a3 * b1 - a1 * b3, a1 * b2 - a2 * b1]
    return np.moveaxis(np.stack(parts, axis=-1), -1, axisc)


def _components(x: Array) -> list[Array]:
    found = [x[..., i] for i in range(x.shape[-1])]
    return found if len(found) == 3 else [*found, np.zeros_like(found[0])]


@implements(np.linalg.cross)
def cross_of_vectors(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    x1, x2 = arraylike(x1), arraylike(x2)
    if any(x.shape[one_axis(axis, x.ndim)] != 3 for x in (x1, x2)):
        raise ValueError("Both input arrays must be (arrays of) 3-dimensional vectors")
    return cross(x1, x2, axis=axis)


@implements(np.trace)
def trace(a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Array:
    return np.sum(diagonal_copy(a, offset, axis1, axis2), axis=-1, dtype=dtype)


# -- convolution -----------------------------------------------------------------------------------


_MODES: dict[Any, str] = {0: "valid", 1: "same", 2: "full"}
"""The modes by the numbers that they once had, which NumPy still takes."""


def _one_axis(x: Array) -> Array:
    if np.ndim(x) > 1:
        raise ValueError("object too deep for desired array")
    return np.ravel(x)


def _convolve(a: Array, v: Array) -> Array:
    """All of the convolution; of two roots it is a product with a matrix of elements of one."""
    result = contract.convolve.bind(a, v)
    if not (getattr(type(a), "rooted", False) and getattr(type(v), "rooted", False)):
        return result
    n, m = a.shape[0], v.shape[0]
    places = np.arange(n + m - 1)[:, None] - np.arange(n)
    places = np.where((places >= 0) & (places < m), places, m)
    rows = np.concatenate([v, np.zeros(1, v.dtype)])[places]
    return _with_roots(result, [rows, a], ["ni", "i"], "n")


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Array:
    a, v = (_one_axis(arraylike(x)) for x in (a, v))
    n, m = sorted((a.shape[0], v.shape[0]), reverse=True)
    if m == 0:
        raise ValueError("an operand of np.convolve is empty")
    found = _convolve(a, v)
    mode = _MODES.get(mode, mode)
    if mode == "full":
        return found
    if mode == "same":
        return found[(m - 1) // 2 : (m - 1) // 2 + n]
    if mode == "valid":
        return found[m - 1 : n]
    raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r})")


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Array:
    if not np.ndim(a) or not np.ndim(v):
        raise ValueError("object of too small depth for desired array")
    a, v = (_one_axis(arraylike(x)) for x in (a, v))
    mode = _MODES.get(mode, mode)
    if mode not in _MODES.values():
        raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r})")
    if not np.size(a) or not np.size(v):
        raise ValueError("an operand of np.correlate is empty")
    if a.shape[0] < v.shape[0]:
        return np.conjugate(correlate(v, a, mode)[::-1])
    n, m = a.shape[0], v.shape[0]
    found = _convolve(a, np.conjugate(v[::-1]))
    if mode == "same":
        return found[(m - 1) // 2 : (m - 1) // 2 + n]
    if mode == "full":
        return found
    if mode == "valid":
        return found[m - 1 : n]
    raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r})")


# -- outer, of ufuncs ------------------------------------------------------------------------------


def _outer_method(ufunc: np.ufunc) -> Any:
    def outer(a: Array, b: Array) -> Array:
        a, b = arraylike(a), arraylike(b)
        return ufunc(np.reshape(a, (*a.shape, *(1,) * b.ndim)), b)

    return outer


for _name in "add subtract multiply divide maximum minimum power hypot arctan2 logaddexp".split():
    UFUNC_METHODS[getattr(np, _name), "outer"] = _outer_method(getattr(np, _name))
for _name in "equal not_equal less less_equal greater greater_equal".split():
    UFUNC_METHODS[getattr(np, _name), "outer"] = _outer_method(getattr(np, _name))
