"""Linear algebra on matrices and stacks of them: the last two axes are the matrix.

Inverses, linear systems and factorisations; determinants are in ``determinants.py``, eigenvalues
and singular values in ``spectra.py``. The rules are those of M. B. Giles, "Collected matrix
derivative results for forward and reverse mode algorithmic differentiation", in Advances in
Automatic Differentiation, Springer 2008, unless another source is named beside the formula.

Of a Hermitian matrix NumPy reads one triangle, and so does ``cholesky`` here: what is
differentiated is the function of that triangle, mirrored. Along symmetric perturbations the
derivative is therefore the usual one, and the other triangle has the derivative 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..kinds import Linear, Nonlinear, fit, floating, mul0, nonlinear
from ..primitive import Example, Operand, Params, Primitive, operand_type
from ..program import Array, Type
from .arithmetic import conjugate, real
from .contract import matmul
from .shape import aligned, transpose

__all__ = [
    "MATRICES",
    "adjoint",
    "cholesky",
    "constant",
    "diagonals",
    "inv",
    "kind_of",
    "matrix_rank",
    "mirrored",
    "pinv",
    "product",
    "qr",
    "real_kind_of",
    "real_part",
    "solve",
    "square_type",
    "stack_batch",
    "turned",
]

MATRICES = (
    Example((np.array([[3.0, 0.4, -0.3], [0.1, 1.5, 0.6], [-0.5, 0.2, 0.4]]),)),
    Example((np.array([[[1.4, 0.3], [-0.2, 0.9]], [[0.7, -0.4], [0.5, 1.8]]]),)),
    Example((np.array([[1.0 + 0.5j, 0.3 - 0.2j], [0.4j, 1.5 - 0.3j]]),)),
)


# -- helpers of the rules, here, of determinants and of spectra ------------------------------------


def turned(x: Array) -> Array:
    """The transposes of the matrices."""
    rank = len(x.shape)
    return transpose.bind(x, axes=(*range(rank - 2), rank - 1, rank - 2))


def adjoint(x: Array) -> Array:
    """The conjugate transposes of the matrices."""
    return turned(conjugate.bind(x) if x.dtype.kind == "c" else x)


def product(*factors: Array) -> Array:
    """The matrix product of all factors."""
    found = factors[0]
    for factor in factors[1:]:
        found = matmul.bind(found, factor)
    return found


def real_part(x: Array) -> Array:
    """The real part, of real arrays too."""
    return real.bind(x) if x.dtype.kind == "c" else x


def constant(x: Array, made: Any) -> Array:
    """A constant array in the real dtype that goes with ``x``."""
    return np.asarray(made, np.finfo(x.dtype).dtype)


@lru_cache(maxsize=64)
def triangle(n: int, offset: int) -> Array:
    """Ones in the lower triangle up to this diagonal, zeros elsewhere. Nothing may change it."""
    return _fixed(np.tril(np.ones((n, n)), offset))


@lru_cache(maxsize=64)
def identity(n: int) -> Array:
    """The identity matrix. Nothing may change it."""
    return _fixed(np.eye(n))


@lru_cache(maxsize=64)
def halved(n: int) -> Array:
    """Ones in the lower triangle, halves on the diagonal. Nothing may change it."""
    return _fixed(np.tril(np.ones((n, n))) - 0.5 * np.eye(n))


def _fixed(array: Array) -> Array:
    array.flags.writeable = False
    return array


def diagonals(x: Array) -> Array:
    """The diagonals of the matrices."""
    return np.sum(x * constant(x, np.eye(x.shape[-2], x.shape[-1])), axis=-1)


def kind_of(x: Operand) -> np.dtype[Any]:
    """The dtype that NumPy's linear algebra answers in: integers become float64.

    TypeError for float16, for which it has no routines.
    """
    dtype = floating((x,))
    if dtype.char not in "fdFD":
        raise TypeError(f"array type {dtype} is unsupported in linalg")
    return dtype


def square_type(x: Operand) -> Type:
    """The type of square matrices, as NumPy answers in; ``LinAlgError`` for others."""
    shape = operand_type(x).shape
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise np.linalg.LinAlgError(f"square matrices are needed, not an array of shape {shape}")
    return Type(shape, kind_of(x))


def real_kind_of(x: Operand) -> np.dtype[Any]:
    """The real dtype that goes with ``kind_of``."""
    return np.finfo(kind_of(x)).dtype


def stack_batch(bind: Callable[[], Primitive]) -> Any:
    """A stack of stacks is a stack."""

    def batch(size: int, operands: Sequence[Array], batched: Sequence[bool], **params: Any) -> Any:
        return bind().bind(operands[0], **params)

    return batch


# -- inverse and linear systems --------------------------------------------------------------------

inv = nonlinear(
    "inv",
    np.linalg.inv,
    types=square_type,
    jvps=[lambda a_dot, ans, a: -product(ans, a_dot, ans)],
    transposes=[lambda ct, ans, a: -product(turned(ans), ct, turned(ans))],
    batch=stack_batch(lambda: inv),
    examples=MATRICES,
    doc="Giles 2008, section 2.2.3.",
)


class Solve(Linear):
    """x = A^-1 B, linear in B; A contributes A^-1 (-dA) x. Giles 2008, section 2.3.1."""

    def group(self, place: int) -> int | None:
        return place

    def linear_in(self, places: Sequence[int]) -> bool:
        return list(places) == [1]

    def save(
        self, operands: Sequence[Array], ans: Any, active: Sequence[Any], params: Params
    ) -> Any:
        a, b = operands
        return a, Type.of(b), ans if active[0] is not None else None

    def push(self, tangents: Sequence[Array | None], saved: Any, params: Params) -> Any:
        a_dot, b_dot = tangents
        a, _, ans = saved
        if a_dot is None:
            return self.bind(a, b_dot)
        right = -matmul.bind(a_dot, ans)
        return self.bind(a, right if b_dot is None else right + b_dot)

    def pull(
        self, cotangent: Array, saved: Any, active: Sequence[Any], params: Params
    ) -> list[Array | None]:
        a, b, ans = saved
        b_bar = self.bind(turned(a), cotangent)
        a_bar = None
        if active[0] is not None:
            a_bar = fit(-matmul.bind(b_bar, turned(ans)), a.shape, a.dtype)
        return [a_bar, None if active[1] is None else fit(b_bar, b.shape, b.dtype)]


def _solve_type(a: Operand, b: Operand) -> Type:
    matrix, right = square_type(a), operand_type(b)
    if right.ndim < 2 or right.shape[-2] != matrix.shape[-1]:
        raise ValueError(f"solve: shapes {matrix.shape} and {right.shape} do not fit")
    stack = np.broadcast_shapes(matrix.shape[:-2], right.shape[:-2])
    dtype = np.result_type(kind_of(a), kind_of(b))
    return Type((*stack, *right.shape[-2:]), dtype)


solve = Solve(
    "solve",
    np.linalg.solve,
    _solve_type,
    [],
    batch=lambda size, operands, batched: solve.bind(*aligned(size, operands, batched)),
    examples=[
        Example((MATRICES[0].operands[0], (3, 2))),
        Example((MATRICES[1].operands[0], (2, 1))),
        Example((MATRICES[0].operands[0], (2, 3, 1))),
        Example((MATRICES[2].operands[0], np.array([[1.0], [2.0]]))),
    ],
    doc="A X = B for matrices B.",
)

# -- the factorisation of Hermitian matrices -------------------------------------------------------


def mirrored(x: Array, lower: bool = True) -> Array:
    """The Hermitian matrix that one triangle of ``x`` stands for."""
    strict, eye = triangle(x.shape[-1], -1), identity(x.shape[-1])
    part = x * constant(x, strict if lower else strict.T)
    diagonal = x * constant(x, eye)
    return part + real_part(diagonal).astype(x.dtype) + adjoint(part)


def _cholesky_jvp(a_dot: Array, ans: Array, a: Array) -> Array:
    """dL = L Phi(L^-1 dA L^-H), Phi: the lower triangle with half of the diagonal.

    I. Murray, "Differentiation of the Cholesky decomposition", arXiv:1602.07527, equation 8.
    """
    left = solve.bind(ans, mirrored(a_dot))
    both = adjoint(solve.bind(ans, adjoint(left)))
    return matmul.bind(ans, both * constant(a, halved(a.shape[-1])))


def _cholesky_transpose(ct: Array, ans: Array, a: Array) -> Array:
    """The same, each step transposed, from the last one to the first; of real matrices."""
    if a.dtype.kind == "c":
        return NotImplemented
    n, upper = a.shape[-1], turned(ans)
    both = mul0.bind(matmul.bind(upper, ct), constant(a, halved(n)))
    left = turned(solve.bind(upper, turned(both)))
    whole = solve.bind(upper, left)
    strict = mul0.bind(whole + turned(whole), constant(a, triangle(n, -1)))
    return strict + mul0.bind(whole, constant(a, identity(n)))


SYMMETRIC = (
    Example((np.array([[2.0, 0.3, -0.4], [0.3, 0.8, 0.2], [-0.4, 0.2, 4.1]]),)),
    Example((np.array([[[1.4, 0.3], [0.3, 0.9]], [[2.7, -0.4], [-0.4, 1.8]]]),)),
)
HERMITIAN = Example((np.array([[2.0, 0.3 - 0.4j], [0.3 + 0.4j, 1.1]]),))

cholesky = nonlinear(
    "cholesky",
    np.linalg.cholesky,
    types=square_type,
    jvps=[_cholesky_jvp],
    transposes=[_cholesky_transpose],
    batch=stack_batch(lambda: cholesky),
    examples=[*SYMMETRIC, HERMITIAN],
    doc="The lower factor. Reads the lower triangle only.",
)

# -- QR, pseudo-inverse, rank ----------------------------------------------------------------------


def _qr_jvp(a_dot: Array, ans: Any, a: Array) -> tuple[Array, Array]:
    """dA R^-1 = dQ + Q dR R^-1, where Q^H dQ is skew and dR R^-1 upper triangular.

    S. F. Walter, L. Lehmann, "Algorithmic differentiation of linear algebra functions with
    application in optimum experimental design", 2010, section 3.
    """
    q, r = ans
    n = r.shape[-1]
    change = turned(solve.bind(turned(r), turned(a_dot)))
    inside = matmul.bind(adjoint(q), change)
    lower = inside * constant(a, triangle(n, -1))
    skew = lower - adjoint(lower)
    if a.dtype.kind == "c":
        diagonal = inside * constant(a, identity(n))
        skew = skew + (diagonal - real.bind(diagonal))
    upper = inside - skew
    return change - matmul.bind(q, upper), matmul.bind(upper, r)


def _qr_types(a: Operand) -> tuple[Type, Type]:
    *stack, m, n = operand_type(a).shape
    if m < n:
        raise ValueError("at least as many rows as columns are needed")
    return Type((*stack, m, n), kind_of(a)), Type((*stack, n, n), kind_of(a))


qr = nonlinear(
    "qr",
    lambda a: tuple(np.linalg.qr(a)),
    types=_qr_types,
    jvps=[_qr_jvp],
    batch=stack_batch(lambda: qr),
    multiple=True,
    examples=[
        *MATRICES,
        Example((np.array([[1.0, 0.2], [-0.3, 2.0], [0.5, 0.4]]),)),
    ],
    doc="Of matrices with at least as many rows as columns, and independent columns.",
)


def _pinv_jvp(a_dot: Array, ans: Array, a: Array, rcond: Any) -> Array:
    """At constant rank: -P dA P + P P^H dA^H (I - A P) + (I - P A) dA^H P^H P.

    G. H. Golub, V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares
    problems whose variables separate", SIAM J. Numer. Anal. 10(2), 1973, equation 4.12.
    """
    back, other = adjoint(a_dot), adjoint(ans)
    left = product(ans, other, back)
    right = product(back, other, ans)
    return left - product(left, a, ans) + right - product(ans, a, right) - product(ans, a_dot, ans)


def _pinv_type(a: Operand, rcond: float | None) -> Type:
    *stack, m, n = operand_type(a).shape
    return Type((*stack, n, m), kind_of(a))


pinv = nonlinear(
    "pinv",
    lambda a, rcond: np.linalg.pinv(a) if rcond is None else np.linalg.pinv(a, rcond),
    types=_pinv_type,
    jvps=[_pinv_jvp],
    batch=stack_batch(lambda: pinv),
    examples=[
        Example((np.array([[1.0, 0.2], [-0.3, 2.0], [0.5, 0.4]]),), {"rcond": None}),
        Example((np.array([[1.0, 0.2, 0.7], [-0.3, 2.0, 0.5]]),), {"rcond": 1e-12}),
        Example(MATRICES[2].operands, {"rcond": None}),
    ],
)


def _rank_type(a: Operand, tol: float | None) -> Type:
    kind_of(a)  # refuses what has no rank
    return Type(operand_type(a).shape[:-2], np.dtype(np.int64))


matrix_rank: Nonlinear = nonlinear(
    "matrix_rank",
    lambda a, tol: np.asarray(np.linalg.matrix_rank(a, tol), np.int64)[()],
    types=_rank_type,
    jvps=0,
    batch=stack_batch(lambda: matrix_rank),
    examples=[Example(MATRICES[0].operands, {"tol": None})],
)
