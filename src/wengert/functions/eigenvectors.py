"""Sums over eigenvectors that are functions of the matrix although single vectors are not.

The eigenvectors of equal eigenvalues have no derivative, but ``sum_k c_k v_k v_k^T`` has one, if
constant weights c are equal where the eigenvalues are: the density matrix of a molecule, charges
and bond orders, projections. Traced eigenvectors of a real symmetric matrix are instances of a
class of their own (``Eigenvectors``): each element remembers which component of which vector it is.
Where products of two are summed over vectors, the value is NumPy's, and the derivative that of
``spectral``, which divides by the differences of eigenvalues of unequal weight only. This is for
programs that are traced once for all values; where the values are known, ``transforms/limits.py``
differentiates whatever is smooth.

Known to be weak: nothing is done where weights depend on what is differentiated (``V f(W) V^T``),
for stacks of matrices, and for complex ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..kinds import via
from ..primitive import Traced
from ..primitives.linalg import mirrored
from ..primitives.spectra import are_apart, spectral
from ..program import Array
from ..trace import Slot, Tracer, concrete, snapshot
from .roots import still

__all__ = ["remembered"]

Integers = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """The matrix, its eigenvalues and all its eigenvectors."""

    a: Array
    w: Array
    v: Array
    uplo: str

    def sum(self, weights: np.ndarray[Any, Any]) -> Array:
        """The sum over all eigenvectors of ``weights[k] v_k v_k^T``."""
        matrix = mirrored(self.a, self.uplo == "L")
        return spectral.bind(matrix, still(self.w), still(self.v), weights.astype(self.a.dtype))


@dataclass(frozen=True, slots=True, eq=False)
class _Elements:
    """Each element is a weight times the component ``rows`` of the vector ``columns``.

    Of products of two, ``rows`` are those of the first one, and ``others`` of the second.
    """

    source: _Source
    rows: Integers
    columns: Integers
    weights: np.ndarray[Any, Any]
    others: Integers | None = None

    def mapped(self, function: Callable[[Any], Any]) -> _Elements:
        """The elements after a function of NumPy's has moved them."""
        others = None if self.others is None else function(self.others)
        rows, columns, weights = map(function, (self.rows, self.columns, self.weights))
        return _Elements(self.source, rows, columns, weights, others)

    def times(self, factor: Array) -> _Elements:
        """The elements times constants."""
        weights = self.weights * factor
        shape = weights.shape
        others = None if self.others is None else np.broadcast_to(self.others, shape)
        rows, columns = (np.broadcast_to(part, shape) for part in (self.rows, self.columns))
        return _Elements(self.source, rows, columns, weights, others)

    def product(self, other: _Elements) -> _Elements | None:
        """The elementwise product, if it is one of components of the same vectors."""
        if self.source is not other.source or self.others is not None or other.others is not None:
            return None
        columns, theirs = np.broadcast_arrays(self.columns, other.columns)
        if not np.array_equal(columns, theirs):
            return None
        rows, others = np.broadcast_arrays(self.rows, other.rows)
        return _Elements(self.source, rows, columns, self.weights * other.weights, others)

    def summed(self, axis: int) -> Array | None:
        """The sum along an axis from the matrix; None if that does not run over vectors."""
        if self.others is None or not self.rows.shape[axis]:
            return None
        rows, columns, weights, others = (
            np.moveaxis(part, axis, -1)
            for part in (self.rows, self.columns, self.weights, self.others)
        )
        first = columns.reshape(-1, columns.shape[-1])[0]
        factors = weights.reshape(-1, weights.shape[-1])[0]
        over_vectors = (
            np.all(columns == first)
            and np.all(weights == factors)
            and np.all(rows == rows[..., :1])
            and np.all(others == others[..., :1])
        )
        if not over_vectors:
            return None
        total = np.zeros(self.source.a.shape[-1])
        np.add.at(total, first, factors)
        return self.source.sum(total)[rows[..., 0], others[..., 0]]


def remembered(a: Array, w: Array, v: Array, uplo: str) -> None:
    """Let the eigenvectors of a matrix remember which they are, where some may be undetermined."""
    if a.ndim != 2 or a.dtype.kind != "f" or not isinstance(v, Traced) or not a.size:
        return
    values = concrete(w)
    if values is not None and are_apart(values):
        return
    rows, columns = np.indices(v.shape)
    source = _Source(snapshot(a) if isinstance(a, Traced) else a, w, snapshot(v), uplo)
    _marked(v, _Elements(source, rows, columns, np.ones(v.shape)))


def _elements(x: Any) -> _Elements | None:
    if not isinstance(x, Traced) or not issubclass(type(x), Eigenvectors):
        return None
    version, elements = x._radical
    return elements if x.version == version else None


def _marked(result: Any, elements: _Elements | None) -> Any:
    if elements is not None and isinstance(result, Traced) and type(result).assignable:
        kind: type = type(result)
        if not issubclass(kind, Eigenvectors) and not kind.rooted:
            _set_class(result, _class(kind))
        if issubclass(type(result), Eigenvectors):
            result._radical = result.version, elements
    return result


_set_class = object.__dict__["__class__"].__set__


@cache
def _class(kind: type) -> type:
    facts = {"__slots__": (), "__module__": __name__}
    return type(f"Eigenvectors{kind.__name__}", (Eigenvectors, kind), facts)


def _is_constant(x: Any) -> bool:
    plain = isinstance(x, (int, float, np.generic)) or type(x) is np.ndarray
    return plain and not isinstance(x, Traced) and np.asarray(x).dtype.kind in "iuf"


def _times(x: Array, y: Array, result: Any) -> Any:
    """The product of two operands, of which at least one is of eigenvectors."""
    one, other = _elements(x), _elements(y)
    if one is not None and other is not None:
        return _marked(result, one.product(other))
    found, factor = (one, y) if one is not None else (other, x)
    if found is None or not _is_constant(factor):
        return result
    return _marked(result, found.times(np.asarray(factor)))


def _contracted(
    labels: Sequence[str], out: str, operands: Sequence[Array], value: Callable[..., Array]
) -> Array | None:
    """An einsum in which the products of two operands of eigenvectors are summed over vectors."""
    summed = sorted(set("".join(labels)) - set(out))
    if len(summed) != 1 or any(len(set(label)) < len(label) for label in labels):
        return None
    letters = out + summed[0]
    total: _Elements | None = None
    factor: Any = 1.0
    for label, x in zip(labels, operands, strict=True):
        order = [label.index(c) for c in letters if c in label]
        index = tuple(slice(None) if c in label else None for c in letters)

        def spread(part: Any, order: Any = order, index: Any = index) -> Any:
            return np.transpose(part, order)[index]

        found = _elements(x)
        if found is not None:
            moved = found.mapped(spread)
            total = moved if total is None else total.product(moved)
            if total is None:
                return None
        elif _is_constant(x):
            factor = factor * spread(np.asarray(x))
        else:
            return None
    smooth = None if total is None else total.times(factor).summed(-1)
    if smooth is None:
        return None
    return via.bind(value(*map(_plainly, operands)), smooth)


def _plainly(x: Array) -> Array:
    return still(x) if isinstance(x, Traced) else x


def _matmul(x: Array, y: Array, compute: Callable[[Array, Array], Any]) -> Any:
    """The product of matrices or vectors."""
    if (_elements(x) is None and _elements(y) is None) or 0 in (np.ndim(x), np.ndim(y)):
        return compute(x, y)
    scaled = _by_diagonal(x, y, compute)
    if scaled is not None:
        return scaled
    left, right = "ik"[2 - np.ndim(x) :], "kj"[: np.ndim(y)]
    if np.ndim(x) > 2 or np.ndim(y) > 2:
        return compute(x, y)
    found = _contracted((left, right), (left + right).replace("k", ""), (x, y), compute)
    return compute(x, y) if found is None else found


def _by_diagonal(x: Array, y: Array, compute: Callable[[Array, Array], Any]) -> Any:
    """The product of eigenvectors with a constant diagonal matrix, which scales them."""
    for vectors, matrix, right in ((x, y, True), (y, x, False)):
        elements = _elements(vectors)
        if elements is None or not _is_constant(matrix) or np.ndim(matrix) != 2:
            continue
        diagonal = np.diagonal(matrix)
        if matrix.shape[0] == matrix.shape[1] and np.array_equal(matrix, np.diag(diagonal)):
            factor = diagonal if right or np.ndim(vectors) == 1 else diagonal[:, None]
            return _marked(compute(x, y), elements.times(factor))
    return None


class Eigenvectors(Tracer):
    """Mixed into the class of a traced array whose elements remember which components they are."""

    __slots__ = ()

    def _moved(self, result: Any, function: Callable[[Any], Any]) -> Any:
        elements = _elements(self)
        return result if elements is None else _marked(result, elements.mapped(function))

    @Slot
    def __getitem__(self, index: Any) -> Any:
        result = super().__getitem__(index)
        if isinstance(result, Traced) and type(result).assignable and result.shape:
            return self._moved(result, lambda part: part[index])
        return result

    @property
    def T(self) -> Any:
        """All axes reversed."""
        return self._moved(super().T, np.transpose)

    @property
    def mT(self) -> Any:
        """The last two axes exchanged."""
        return self._moved(super().mT, np.transpose)

    def transpose(self, *axes: Any) -> Any:
        result = super().transpose(*axes)
        return self._moved(result, lambda part: part.transpose(*axes))

    def conj(self) -> Any:
        return self._moved(super().conj(), lambda part: part)

    conjugate = conj

    def __mul__(self, other: Array) -> Any:
        return _times(self, other, super().__mul__(other))

    def __rmul__(self, other: Array) -> Any:
        return _times(other, self, super().__rmul__(other))

    def __pow__(self, other: Array) -> Any:
        result = super().__pow__(other)
        return _times(self, self, result) if _is_two(other) else result

    @Slot
    def __matmul__(self, other: Array) -> Any:
        return _matmul(self, other, _plain_matmul)

    @Slot
    def __rmatmul__(self, other: Array) -> Any:
        return _matmul(other, self, _plain_matmul)

    @Slot
    def dot(self, other: Array) -> Any:
        return _matmul(self, other, _plain_matmul)

    def sum(self, axis: Any = None, **options: Any) -> Any:
        """``np.sum``."""
        return np.sum(self, axis=axis, **options)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Array, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs and ufunc is np.matmul:
            return _matmul(inputs[0], inputs[1], _plain_matmul)
        result = super().__array_ufunc__(ufunc, method, *inputs, **kwargs)
        if method == "__call__" and not kwargs:
            if ufunc is np.multiply:
                return _times(inputs[0], inputs[1], result)
            if ufunc is np.square or (ufunc is np.power and _is_two(inputs[1])):
                return _times(inputs[0], inputs[0], result)
            if ufunc is np.conjugate:
                return self._moved(result, lambda part: part)
        return result

    def __array_function__(
        self, func: Any, types: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        def plain(*operands: Any) -> Any:
            return super(Eigenvectors, self).__array_function__(func, types, operands, kwargs)

        if func in (np.dot, np.inner, np.vdot) and not kwargs and len(args) == 2:
            vectors = np.ndim(args[0]) == 1 == np.ndim(args[1])
            if func is np.dot or vectors:
                return _matmul(args[0], args[1], plain)
        if func is np.einsum and not kwargs.keys() - {"optimize"} and isinstance(args[0], str):
            found = _einsum(args, plain)
            return plain(*args) if found is None else found
        if func is np.sum and args and args[0] is self and not kwargs.keys() - {"axis"}:
            axis = kwargs.get("axis", args[1] if len(args) > 1 else None)
            found = _summed(self, axis if self.ndim > 1 or axis is not None else 0, plain, args[1:])
            return plain(*args) if found is None else found
        result = plain(*args)
        if func in (np.transpose, np.matrix_transpose) and args[0] is self:
            return self._moved(result, lambda part: func(part, *args[1:], **kwargs))
        return result


def _plain_matmul(x: Array, y: Array) -> Any:
    traced = next(z for z in (x, y) if isinstance(z, Traced))
    return Tracer.__array_ufunc__(traced, np.matmul, "__call__", x, y)


def _is_two(exponent: Any) -> bool:
    return isinstance(exponent, (int, float)) and exponent == 2


def _summed(x: Tracer, axis: Any, plain: Callable[..., Any], rest: Sequence[Any]) -> Any:
    elements = _elements(x)
    if elements is None or not isinstance(axis, int):
        return None
    smooth = elements.summed(axis)
    return None if smooth is None else via.bind(plain(still(x), *rest), smooth)


def _einsum(args: Sequence[Any], plain: Callable[..., Any]) -> Any:
    text = args[0].replace(" ", "")
    if "." in text:
        return None
    given, arrow, out = text.partition("->")
    labels = given.split(",")
    if not arrow:
        joined = "".join(labels)
        out = "".join(sorted(c for c in set(joined) if joined.count(c) == 1))
    if len(labels) != len(args) - 1:
        return None
    return _contracted(labels, out, args[1:], lambda *operands: plain(args[0], *operands))
