"""``np.linalg``: on matrices, and on stacks of them.

``eigh``, ``eigvalsh`` and ``cholesky`` read one triangle of their matrix, as in NumPy, and what is
differentiated is the function of that triangle.
"""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..kinds import via
from ..primitive import Radicand
from ..primitives import determinants, linalg, spectra
from ..primitives.elementary import ROOT, root
from ..primitives.linalg import adjoint
from ..program import Array
from ..trace import as_number, implements, layout, perhaps
from ..transforms.limits import as_vectors, parted
from .eigenvectors import remembered
from .elementwise import arraylike
from .reducing import normal_axes
from .roots import noted

__all__: list[str] = []


def _pair(a: Any, b: Any) -> tuple[Array, Array]:
    return arraylike(a), arraylike(b)


# -- systems and inverses --------------------------------------------------------------------------


@implements(np.linalg.solve)
def solve(a: Array, b: Array) -> Array:
    a, b = _pair(a, b)
    if b.ndim == 1:
        return linalg.solve.bind(a, b[:, None])[..., 0]
    return linalg.solve.bind(a, b)


@implements(np.linalg.inv)
def inv(a: Array) -> Array:
    return linalg.inv.bind(a)


@implements(np.linalg.pinv)
def pinv(a: Array, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Array:
    if hermitian:
        raise UnsupportedError(
            "np.linalg.pinv with hermitian=True is not differentiated",
            remedy="np.linalg.pinv(a), which has the same value",
        )
    limit = rcond if rcond is not None else None if rtol is np._NoValue else rtol
    return linalg.pinv.bind(a, rcond=None if limit is None else float(limit))


@implements(np.linalg.lstsq)
def lstsq(a: Array, b: Array, rcond: float | None = None) -> tuple[Array, Array, Any, Array]:
    """The solution of least norm, by the pseudo-inverse; the rank does not change nearby."""
    a, b = _pair(a, b)
    if a.ndim != 2 or b.ndim not in (1, 2):
        raise np.linalg.LinAlgError("np.linalg.lstsq takes a matrix, and a matrix or a vector")
    dtype = np.result_type(a.dtype, b.dtype, np.float32)
    a = np.astype(a, dtype)
    m, n = a.shape
    eps = np.finfo(dtype).eps
    cut = float(eps * builtins.max(m, n) if rcond is None else rcond)
    cut = cut if 0 < cut < 1 else float(eps)  # as LAPACK does
    x = np.matmul(linalg.pinv.bind(a, rcond=cut), b)
    values = spectra.svdvals.bind(a)
    found = perhaps(np.sum(values > cut * np.max(values, initial=0.0)))
    rank = np.int32(n if found is None else found)
    excess = b - np.matmul(a, x)
    squares = np.real(excess * np.conjugate(excess))
    residuals = np.sum(squares, axis=0, keepdims=b.ndim == 1)
    full = rank == n and m > n
    return x, residuals if full else np.zeros(0, residuals.dtype), rank, values


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Array, b: Array, axes: Any = None) -> Array:
    a, b = _pair(a, b)
    if axes is not None:
        moved = [i % a.ndim for i in axes]
        a = np.transpose(a, [i for i in range(a.ndim) if i not in moved] + moved)
    shape = a.shape[b.ndim :]
    n = math.prod(shape)
    return np.reshape(solve(np.reshape(a, (-1, n)), np.ravel(b)), shape)


@implements(np.linalg.tensorinv)
def tensorinv(a: Array, ind: int = 2) -> Array:
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    shape = a.shape[ind:] + a.shape[:ind]
    return np.reshape(inv(np.reshape(a, (math.prod(a.shape[:ind]), -1))), shape)


@implements(np.linalg.matrix_power)
def matrix_power(a: Array, n: int) -> Array:
    n = operator.index(n)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    if n < 0:
        a, n = inv(a), -n
    if n == 0:
        return np.full_like(layout(a), np.eye(a.shape[-1], dtype=a.dtype))
    found = None
    while n:
        n, bit = builtins.divmod(n, 2)
        if bit:
            found = a if found is None else np.matmul(found, a)
        if n:
            a = np.matmul(a, a)
    return found


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Array]) -> Array:
    """The product in the order of fewest multiplications (the matrix chain problem)."""
    given = [arraylike(a) for a in arrays]
    factors = list(given)
    if factors[0].ndim == 1:
        factors[0] = factors[0][None, :]
    if factors[-1].ndim == 1:
        factors[-1] = factors[-1][:, None]
    sizes = [factors[0].shape[0], *(f.shape[1] for f in factors)]
    found = _chain(factors, sizes)
    if given[0].ndim == 1:
        found = found[0]
    return as_number(found[..., 0] if given[-1].ndim == 1 else found)


def _chain(factors: list[Array], sizes: list[int]) -> Array:
    count = len(factors)
    cost: dict[tuple[int, int], tuple[int, int]] = {(i, i): (0, i) for i in range(count)}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            cost[i, j] = builtins.min(
                (cost[i, k][0] + cost[k + 1, j][0] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )

    def multiply(i: int, j: int) -> Array:
        if i == j:
            return factors[i]
        k = cost[i, j][1]
        return np.matmul(multiply(i, k), multiply(k + 1, j))

    return multiply(0, count - 1)


# -- determinants ----------------------------------------------------------------------------------


@implements(np.linalg.det)
def det(a: Array) -> Array:
    return determinants.det.bind(a)


@implements(np.linalg.slogdet)
def slogdet(a: Array) -> Any:
    return _named("SlogdetResult", determinants.slogdet.bind(a))


_RESULTS = {
    type(result).__name__: type(result)
    for result in (
        np.linalg.slogdet(np.eye(1)),
        np.linalg.eigh(np.eye(1)),
        np.linalg.eig(np.eye(1)),
        np.linalg.svd(np.eye(1)),
        np.linalg.qr(np.eye(1)),
    )
}


def _named(name: str, parts: Sequence[Array]) -> Any:
    """The named tuple in which NumPy returns results of this kind."""
    return _RESULTS[name](*parts)


# -- factorisations --------------------------------------------------------------------------------


@implements(np.linalg.cholesky)
def cholesky(a: Array, /, *, upper: bool = False) -> Array:
    return adjoint(linalg.cholesky.bind(adjoint(a))) if upper else linalg.cholesky.bind(a)


@implements(np.linalg.eigh)
def eigh(a: Array, UPLO: str = "L") -> Any:
    uplo = UPLO.upper()
    w, v = spectra.eigh.bind(a, uplo=uplo)
    series = parted(a, w)
    if series is not a:
        w, v = spectra.eigh.bind(series, uplo=uplo)
    vectors = as_vectors(v)
    if vectors is v:
        remembered(a, w, v, uplo)
    return _named("EighResult", (w, vectors))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Array, UPLO: str = "L") -> Array:
    w = spectra.eigvalsh.bind(a, uplo=UPLO.upper())
    series = parted(a, w, vectors=False)
    return w if series is a else spectra.eigvalsh.bind(series, uplo=UPLO.upper())


@implements(np.linalg.eig)
def eig(a: Array) -> Any:
    """Before NumPy 2.5 real where the matrix and its eigenvalues are, if their values are known."""
    w, v = spectra.eig.bind(a)
    real = a.dtype.kind != "c" and not _always_complex()
    if real and perhaps(np.all(np.imag(w) == 0)):
        w, v = np.real(w), np.real(v)
    return _named("EigResult", (w, v))


@cache
def _always_complex() -> bool:
    """Whether NumPy gives real matrices complex eigenvalues, as it does since 2.5."""
    return np.linalg.eigvals(np.eye(1)).dtype.kind == "c"


@implements(np.linalg.eigvals)
def eigvals(a: Array) -> Array:
    return eig(a)[0]


@implements(np.linalg.svd)
def svd(
    a: Array, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    if hermitian:
        raise UnsupportedError(
            "np.linalg.svd with hermitian=True is not differentiated",
            remedy="np.linalg.svd(a, full_matrices=False), or np.linalg.eigh(a)",
        )
    if not compute_uv:
        return _singular_values(a)
    u, values, vh = spectra.svd.bind(a)
    series = parted(a, values, zero=True)
    if series is not a:
        u, values, vh = spectra.svd.bind(series)
    u, vh = as_vectors(u), as_vectors(vh)
    if full_matrices and a.shape[-2] > a.shape[-1]:
        u = np.concatenate([u, spectra.svd_complement.bind(a)], axis=-1)
    elif full_matrices and a.shape[-2] < a.shape[-1]:
        vh = np.concatenate([vh, spectra.svd_complement.bind(a)], axis=-2)
    return _named("SVDResult", (u, values, vh))


def _singular_values(a: Array) -> Array:
    values = spectra.svdvals.bind(a)
    series = parted(a, values, vectors=False, zero=True)
    return values if series is a else spectra.svdvals.bind(series)


@implements(np.linalg.svdvals)
def svdvals(x: Array, /) -> Array:
    return _singular_values(x)


@implements(np.linalg.qr)
def qr(a: Array, mode: str = "reduced") -> Any:
    if a.ndim < 2:
        np.linalg.qr(np.zeros(a.shape))  # NumPy's error
    m, n = a.shape[-2:]
    if mode not in ("reduced", "r") and not (mode == "complete" and m <= n):
        raise UnsupportedError(
            f"np.linalg.qr with mode={mode!r} is not differentiated", remedy="mode='reduced'"
        )
    q, r = linalg.qr.bind(a[..., :m] if m < n else a)
    if m < n:
        r = np.concatenate([r, np.matmul(adjoint(q), a[..., m:])], axis=-1)
    return r if mode == "r" else _named("QRResult", (q, r))


# -- norms -----------------------------------------------------------------------------------------


def _length(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    """The Euclidean norm. Its derivatives at 0 are 0."""
    if len(axes) == x.ndim and x.ndim and not keepdims and x.dtype.kind == "f":
        flat = np.ravel(x)
        return _root(np.matmul(flat, flat), (x, axes, keepdims))
    squares = np.square(x)
    if x.dtype.kind == "c":
        squares = np.square(np.real(x)) + np.square(np.imag(x))
    total = np.sum(squares, axis=axes, keepdims=keepdims)
    return _root(total, (x, axes, keepdims))


def _root(total: Array, origin: tuple[Any, ...]) -> Array:
    found = root.bind(total)
    return noted(found, ROOT, (total,), origin)


def _of_nothing() -> dict[str, Any]:
    try:
        np.linalg.norm(np.zeros(0), np.inf)
    except ValueError:  # NumPy's earlier releases
        return {}
    return {"initial": 0}


_OF_NOTHING = _of_nothing()
"""How the largest of no sizes is asked for, which is 0 in those releases of NumPy that have one."""


def _largest(sizes: Array, **where: Any) -> Array:
    return np.max(sizes, **where, **({} if sizes.size else _OF_NOTHING))


def _vector_norm(x: Array, order: Any, axes: tuple[int, ...], keepdims: bool) -> Array:
    order = order.item() if isinstance(order, np.generic) else order  # no part in the promotion
    if order is None or order == 2:
        return _length(x, axes, keepdims)
    if order == 0:
        return np.sum(np.not_equal(x, 0).astype(x.real.dtype), axis=axes, keepdims=keepdims)
    size = np.absolute(x)
    if order == math.inf:
        return _largest(size, axis=axes, keepdims=keepdims)
    if order == -math.inf:
        return np.min(size, axis=axes, keepdims=keepdims)
    if order == 1:
        return np.sum(size, axis=axes, keepdims=keepdims)
    if isinstance(order, str):
        raise ValueError(f"Invalid norm order {order!r} for vectors")
    if not isinstance(order, (int, float)):
        raise TypeError(f"Invalid norm order {order!r} for vectors")
    total = np.sum(size**order, axis=axes, keepdims=keepdims)
    zero = np.equal(total, 0)
    of_zero = 0 if order > 0 else math.inf  # the sum of no elements
    found = as_number(np.where(zero, of_zero, np.where(zero, 1, total) ** (1 / order)))
    if order % 1 or order < 2:
        return found
    return noted(found, Radicand(int(order), _total), (total,), (x, order, axes, keepdims))


def _total(total: Array) -> Array:
    """The radicand of a norm: the sum of powers."""
    return total


def _matrix_norm(x: Array, order: Any, axes: tuple[int, int], keepdims: bool) -> Array:
    row, column = axes
    if row == column:
        raise ValueError("Duplicate axes given.")
    if order in (None, "fro", "f"):
        return _length(x, axes, keepdims)
    extreme = _largest if order in (1, 2, math.inf) else np.min
    if order in ("nuc", 2, -2):
        values = _singular_values(np.moveaxis(x, axes, (-2, -1)))
        found = np.sum(values, axis=-1) if order == "nuc" else extreme(values, axis=-1)
    elif order in (1, -1, math.inf, -math.inf):
        summed, rest = (row, column) if abs(order) == 1 else (column, row)
        sums = np.sum(np.absolute(x), axis=summed)
        found = extreme(sums, axis=rest - (rest > summed))
    else:
        raise ValueError("Invalid norm order for matrices.")
    if not keepdims:
        return found
    return np.reshape(found, tuple(1 if i in axes else n for i, n in enumerate(x.shape)))


@implements(np.linalg.norm)
def norm(x: Array, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    x = x if x.dtype.kind in "fc" else x.astype(np.float64)
    everything = tuple(range(x.ndim))
    if axis is None:
        if ord is None:
            return _length(x, everything, keepdims)
        axes = everything
    elif np.ndim(axis) == 0:
        axes = normal_axes(axis, x.ndim)
    else:
        axes = tuple(normal_axes(i, x.ndim)[0] for i in axis)
    if len(axes) == 1:
        return _vector_norm(x, ord, axes, keepdims)
    if len(axes) == 2:
        return _matrix_norm(x, ord, (axes[0], axes[1]), keepdims)
    raise ValueError("Improper number of dimensions to norm.")


@implements(np.linalg.vector_norm)
def vector_norm(x: Array, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Array:
    return _vector_norm(x, ord, normal_axes(axis, x.ndim), keepdims)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Array, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    return _matrix_norm(x, ord, (x.ndim - 2, x.ndim - 1), keepdims)


@implements(np.linalg.cond)
def cond(x: Array, p: Any = None) -> Array:
    if 0 in x.shape:
        np.linalg.cond(np.zeros(x.shape))  # NumPy's error
    if p in (None, 2, -2):
        values = _singular_values(x)
        ends = np.max(values, axis=-1), np.min(values, axis=-1)
        with np.errstate(all="ignore"):
            found = ends[p == -2] / ends[p != -2]
        zero = np.logical_and(np.isnan(found), ~np.any(np.isnan(x), axis=(-2, -1)))
        return via.bind(np.where(zero, np.inf, found), found)  # NumPy's value, no derivative
    return norm(x, p, (-2, -1)) * norm(inv(x), p, (-2, -1))


@implements(np.linalg.matrix_rank)
def matrix_rank(A: Array, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Array:
    if rtol is not None:
        raise UnsupportedError(
            "np.linalg.matrix_rank with rtol= takes no traced array",
            remedy="np.sum(s > rtol * np.max(s)) with s = np.linalg.svdvals(a)",
        )
    if np.ndim(A) < 2:
        return np.any(np.not_equal(A, 0)).astype(np.intp)
    return linalg.matrix_rank.bind(A, tol=None if tol is None else float(tol))


# -- the matrix's own diagonal ---------------------------------------------------------------------


@implements(np.linalg.trace)
def trace(x: Array, /, *, offset: int = 0, dtype: Any = None) -> Array:
    return np.trace(x, offset, -2, -1, dtype)
