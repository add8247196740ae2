"""Linear algebra on matrices and stacks of them: the last two axes are the matrix.

Inverses, linear systems, determinants and factorisations; eigenvalues and singular values are in
``spectra.py``. The rules are those of M. B. Giles, "Collected matrix derivative results for forward
and reverse mode algorithmic differentiation", in Advances in Automatic Differentiation, Springer
2008, unless another source is named beside the formula.

Of a Hermitian matrix NumPy reads one triangle, and so does ``cholesky`` here: what is
differentiated is the function of that triangle, mirrored. Along symmetric perturbations the
derivative is therefore the usual one, and the other triangle has the derivative 0.

Known to be weak: third derivatives of a determinant exist here at matrices with an inverse only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..kinds import Linear, Nonlinear, fit, nonlinear
from ..primitive import Example, Operand, Params, Primitive, operand_type, promote
from ..program import Array, Type
from .arithmetic import conjugate, real
from .contract import matmul
from .shape import aligned, transpose

__all__ = [
    "SMALL",
    "adjoint",
    "cholesky",
    "cofactor",
    "cofactor_by_rotations",
    "cofactor_tangent",
    "cofactor_tangent_by_rotations",
    "constant",
    "det",
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
    "slogdet",
    "small_cofactor",
    "small_cofactor_tangent",
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


# -- helpers of the rules, here and in spectra.py --------------------------------------------------


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


def diagonals(x: Array) -> Array:
    """The diagonals of the matrices."""
    return np.sum(x * constant(x, np.eye(x.shape[-2], x.shape[-1])), axis=-1)


def _pairs_sum(x: Array, y: Array) -> Array:
    """The sum of x_ij y_ij over each matrix."""
    return np.sum(x * y, axis=(-2, -1))


def kind_of(x: Operand) -> np.dtype[Any]:
    """The dtype that NumPy's linear algebra answers in: integers become float64."""
    dtype = operand_type(x).dtype
    return dtype if dtype.kind in "fc" else np.dtype(np.float64)


def square_type(x: Operand) -> Type:
    """The type of square matrices, as NumPy answers in; ValueError for others."""
    shape = operand_type(x).shape
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ValueError(f"square matrices are needed, not an array of shape {shape}")
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
    batch=stack_batch(lambda: inv),
    examples=MATRICES,
    doc="Giles 2008, section 2.2.3.",
)


class Solve(Linear):
    """x = A^-1 B, linear in B; A contributes A^-1 (-dA) x. Giles 2008, section 2.3.1."""

    def _group(self, place: int) -> int | None:
        return place

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
    dtype = np.result_type(kind_of(a), promote((a, b)))
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

# -- determinants ----------------------------------------------------------------------------------

SMALL = 3
"""The cofactors of matrices of up to this many rows are written out."""


def _well_conditioned(a: Array) -> tuple[Array, Array] | None:
    """Inverse and determinant, if dividing by the determinant does no harm; None otherwise."""
    with np.errstate(all="ignore"):
        try:
            inverse = np.linalg.inv(a)
        except np.linalg.LinAlgError:
            return None
        size = np.linalg.norm(a, axis=(-2, -1)) * np.linalg.norm(inverse, axis=(-2, -1))
        value = np.linalg.det(a)
        bad = ~(size < 0.01 / np.sqrt(np.finfo(inverse.dtype).eps)) | (value == 0)
    return None if np.any(bad) else (inverse, value)


def _rotations(a: Array) -> tuple[Array, Array, Array, Array]:
    """U, s and V^H of A, and the product of the determinants of U and V^H."""
    u, s, vh = np.linalg.svd(a)
    phase = np.linalg.det(u) * np.linalg.det(vh)
    return u, s, vh, np.reshape(phase, (*phase.shape, 1, 1))


def _of_two_rows(a: Array) -> Array:
    """The cofactors of matrices of two rows: exchanged across, with signs."""
    signs = np.asarray([[1, -1], [-1, 1]], np.finfo(a.dtype).dtype)
    return a[..., ::-1, ::-1] * signs


def _shifted(x: Array, rows: int, columns: int) -> Array:
    """The matrices with their first rows and columns behind the others."""
    x = np.concatenate([x[..., rows:, :], x[..., :rows, :]], axis=-2)
    return np.concatenate([x[..., columns:], x[..., :columns]], axis=-1)


def _of_three_rows(a: Array, e: Array) -> Array:
    """The change of the cofactors of matrices of three rows along E; of A itself it is twice these.

    An element's cofactor has the rows and columns that follow its own, the last being followed by
    the first.
    """
    one, other = (_shifted(a, 1, 1), _shifted(a, 2, 2)), (_shifted(a, 1, 2), _shifted(a, 2, 1))
    return (one[0] * _shifted(e, 2, 2) + _shifted(e, 1, 1) * one[1]) - (
        other[0] * _shifted(e, 2, 1) + _shifted(e, 1, 2) * other[1]
    )


def small_cofactor(a: Array) -> Array:
    """The cofactors of matrices of up to ``SMALL`` rows. The function can be traced."""
    n = a.shape[-1]
    if n < 2:
        return np.ones_like(a)
    return _of_two_rows(a) if n == 2 else _of_three_rows(a, a) / 2


def small_cofactor_tangent(a: Array, e: Array) -> Array:
    """Their change along E. The function can be traced."""
    n = a.shape[-1]
    if n < 3:
        zero = np.zeros_like(a)
        return zero * e if n < 2 else _of_two_rows(zero + e)
    return _of_three_rows(a, e)


def _cofactor(a: Array) -> Array:
    """det(A) A^-T, which is a polynomial in A and exists for singular A too.

    cof(U S V^H) = det(U) det(V^H) conj(U) cof(S) conj(V^H).
    """
    if a.shape[-1] <= SMALL:
        return small_cofactor(a if a.dtype.kind in "fc" else a.astype(np.float64))
    good = _well_conditioned(a)
    if good is not None:
        inverse, value = good
        return value[..., None, None] * np.swapaxes(inverse, -1, -2)
    return cofactor_by_rotations(a)


def cofactor_by_rotations(a: Array) -> Array:
    """The cofactors of any matrices. The function is one that can be traced."""
    u, s, vh, phase = _rotations(a)
    eye = np.eye(s.shape[-1], dtype=bool)
    others = np.prod(np.where(eye, 1, s[..., None, :]), axis=-1)
    return phase * np.matmul(np.conjugate(u) * others[..., None, :], np.conjugate(vh))


def _cofactor_tangent(a: Array, e: Array) -> Array:
    """d cof(A) along E: in the bases of the singular vectors a sum of products of n - 2 of them."""
    if a.shape[-1] <= SMALL:
        return small_cofactor_tangent(a if a.dtype.kind in "fc" else a.astype(np.float64), e)
    good = _well_conditioned(a)
    if good is not None:
        inverse, value = good
        b = np.swapaxes(inverse, -1, -2)
        trace = np.sum(b * e, axis=(-2, -1))[..., None, None]
        return value[..., None, None] * (trace * b - b @ np.swapaxes(e, -1, -2) @ b)
    return cofactor_tangent_by_rotations(a, e)


def cofactor_tangent_by_rotations(a: Array, e: Array) -> Array:
    """The same for any matrices. The function is one that can be traced."""
    u, s, vh, phase = _rotations(a)
    n = s.shape[-1]
    inner = np.swapaxes(np.conjugate(u), -1, -2) @ e @ np.swapaxes(np.conjugate(vh), -1, -2)
    eye = np.eye(n, dtype=bool)
    left_out = eye[:, None, :] | eye[None, :, :]
    others = np.prod(np.where(left_out, 1, s[..., None, None, :]), axis=-1)
    others = np.where(eye, 0, others)
    along = np.matmul(others, np.diagonal(inner, axis1=-2, axis2=-1)[..., None])[..., 0]
    change = -others * np.swapaxes(inner, -1, -2) + np.where(eye, along[..., None, :], 0)
    return phase * (np.conjugate(u) @ change @ np.conjugate(vh))


def _third(a: Array, e: Array, f: Array) -> Array:
    """The gradient of D^3 det(A)[e, f, .], for A that is not singular."""
    b = inv.bind(a)
    bt, be, bf = turned(b), product(b, e), product(b, f)

    def scale(x: Array) -> Array:
        return np.reshape(x, (*x.shape, 1, 1))

    tr_e, tr_f = scale(np.sum(diagonals(be), axis=-1)), scale(np.sum(diagonals(bf), axis=-1))
    tr_ef = scale(_pairs_sum(be, turned(bf)))
    e_t, f_t = turned(product(be, b)), turned(product(bf, b))
    both = turned(product(be, bf, b) + product(bf, be, b))
    return scale(det.bind(a)) * ((tr_e * tr_f - tr_ef) * bt - tr_f * e_t - tr_e * f_t + both)


class CofactorTangent(Linear):
    """d cof(A) along E, linear in E. As D^2 det(A) is symmetric it is its own transpose."""

    def _group(self, place: int) -> int | None:
        return place

    def save(
        self, operands: Sequence[Array], ans: Any, active: Sequence[Any], params: Params
    ) -> Any:
        a, e = operands
        return a, e if active[0] is not None else None, Type.of(a), Type.of(e)

    def push(self, tangents: Sequence[Array | None], saved: Any, params: Params) -> Any:
        a_dot, e_dot = tangents
        a, e, *_ = saved
        total = None if e_dot is None else self.bind(a, e_dot)
        if a_dot is not None:
            term = _third(a, e, a_dot)
            total = term if total is None else total + term
        return total

    def pull(
        self, cotangent: Array, saved: Any, active: Sequence[Any], params: Params
    ) -> list[Array | None]:
        a, e, a_type, e_type = saved
        found: list[Array | None] = [None, None]
        if active[0] is not None:
            found[0] = fit(_third(a, e, cotangent), a_type.shape, a_type.dtype)
        if active[1] is not None:
            found[1] = fit(self.bind(a, cotangent), e_type.shape, e_type.dtype)
        return found


def _both_type(a: Operand, e: Operand) -> Type:
    stack = np.broadcast_shapes(operand_type(a).shape, operand_type(e).shape)
    return Type(stack, promote((square_type(a), e)))


cofactor_tangent = CofactorTangent(
    "cofactor_tangent",
    _cofactor_tangent,
    _both_type,
    [],
    batch=lambda size, operands, batched: cofactor_tangent.bind(*aligned(size, operands, batched)),
    examples=[
        Example((MATRICES[0].operands[0], (3, 3))),
        Example((MATRICES[1].operands[0], (2, 2, 2))),
    ],
)
cofactor = nonlinear(
    "cofactor",
    _cofactor,
    types=square_type,
    jvps=[lambda a_dot, ans, a: cofactor_tangent.bind(a, a_dot)],
    batch=stack_batch(lambda: cofactor),
    examples=MATRICES,
    doc="The matrix of cofactors, det(A) A^-T where A has an inverse.",
)
det = nonlinear(
    "det",
    np.linalg.det,
    types=lambda a: Type(square_type(a).shape[:-2], kind_of(a)),
    jvps=[lambda a_dot, ans, a: _pairs_sum(cofactor.bind(a), a_dot)],
    batch=stack_batch(lambda: det),
    examples=[
        *MATRICES,
        Example((np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]]),)),
        Example((np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [-1.0, -2.0, -3.0]]),)),
        Example((np.zeros((2, 2)),)),
    ],
    doc="Giles 2008, section 2.2.4, with the cofactors for the determinant times the inverse, so "
    "that singular matrices are no exception up to second order.",
)


def _slogdet_jvp(a_dot: Array, ans: Any, a: Array) -> tuple[Array, Array]:
    """d log det(A) = tr(A^-1 dA): its real part belongs to the logarithm of the absolute value."""
    sign, _ = ans
    change = _pairs_sum(turned(inv.bind(a)), a_dot)
    if a.dtype.kind != "c":
        return np.zeros_like(sign), change
    return sign * (change - real.bind(change)), real.bind(change)


slogdet = nonlinear(
    "slogdet",
    lambda a: tuple(np.linalg.slogdet(a)),
    types=lambda a: (
        Type(square_type(a).shape[:-2], kind_of(a)),
        Type(square_type(a).shape[:-2], real_kind_of(a)),
    ),
    jvps=[_slogdet_jvp],
    batch=stack_batch(lambda: slogdet),
    multiple=True,
    examples=MATRICES,
)

# -- the factorisation of Hermitian matrices -------------------------------------------------------


def mirrored(x: Array, lower: bool = True) -> Array:
    """The Hermitian matrix that one triangle of ``x`` stands for."""
    n = x.shape[-1]
    strict = np.tril(np.ones((n, n)), -1)
    part = x * constant(x, strict if lower else strict.T)
    diagonal = x * constant(x, np.eye(n))
    return part + real_part(diagonal).astype(x.dtype) + adjoint(part)


def _cholesky_jvp(a_dot: Array, ans: Array, a: Array) -> Array:
    """dL = L Phi(L^-1 dA L^-H), Phi: the lower triangle with half of the diagonal.

    I. Murray, "Differentiation of the Cholesky decomposition", arXiv:1602.07527, equation 8.
    """
    n = a.shape[-1]
    half = constant(a, np.tril(np.ones((n, n))) - 0.5 * np.eye(n))
    left = solve.bind(ans, mirrored(a_dot))
    both = adjoint(solve.bind(ans, adjoint(left)))
    return matmul.bind(ans, both * half)


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
    lower = inside * constant(a, np.tril(np.ones((n, n)), -1))
    skew = lower - adjoint(lower)
    if a.dtype.kind == "c":
        diagonal = inside * constant(a, np.eye(n))
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
matrix_rank: Nonlinear = nonlinear(
    "matrix_rank",
    lambda a, tol: np.asarray(np.linalg.matrix_rank(a, tol), np.int64)[()],
    types=lambda a, tol: Type(operand_type(a).shape[:-2], np.dtype(np.int64)),
    jvps=0,
    batch=stack_batch(lambda: matrix_rank),
    examples=[Example(MATRICES[0].operands, {"tol": None})],
)
