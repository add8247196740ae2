"""Determinants, and the cofactors that are their derivatives.

M. B. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation", in Advances in Automatic Differentiation, Springer 2008, section 2.2.4, with the
cofactors for the determinant times the inverse, so that singular matrices are no exception.

Known to be weak: third derivatives of a determinant exist here at matrices with an inverse only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..kinds import Linear, fit, mul0, nonlinear
from ..primitive import Example, Operand, Params, operand_type, promote
from ..program import Array, Type
from .arithmetic import real
from .linalg import (
    MATRICES,
    diagonals,
    inv,
    kind_of,
    product,
    real_kind_of,
    square_type,
    stack_batch,
    turned,
)
from .shape import aligned, reshape

__all__ = [
    "SMALL",
    "cofactor",
    "cofactor_by_rotations",
    "cofactor_tangent",
    "cofactor_tangent_by_rotations",
    "det",
    "slogdet",
    "small_cofactor",
    "small_cofactor_tangent",
]

SMALL = 3
"""The cofactors of matrices of up to this many rows are written out."""


def _pairs_sum(x: Array, y: Array) -> Array:
    """The sum of x_ij y_ij over each matrix."""
    return np.sum(x * y, axis=(-2, -1))


def _of_matrices(x: Array) -> Array:
    """A number for each matrix, beside their elements."""
    return reshape.bind(x, shape=(*x.shape, 1, 1)) if x.shape else x


def _sum_of_squares(a: Array) -> Array:
    """The square of the Frobenius norm of each matrix."""
    squares = a * a if a.dtype.kind != "c" else a.real * a.real + a.imag * a.imag
    return squares.sum(axis=(-2, -1))


def _well_conditioned(a: Array) -> tuple[Array, Array] | None:
    """Inverse and determinant, if dividing by the determinant does no harm; None otherwise."""
    with np.errstate(all="ignore"):
        try:
            inverse = np.linalg.inv(a)
        except np.linalg.LinAlgError:
            return None
        a = a.astype(inverse.dtype, copy=False)
        size = np.sqrt(_sum_of_squares(a) * _sum_of_squares(inverse))
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
        return small_cofactor(a.astype(kind_of(Type.of(a)), copy=False))
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
        return small_cofactor_tangent(a.astype(kind_of(Type.of(a)), copy=False), e)
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

    def group(self, place: int) -> int | None:
        return place

    def linear_in(self, places: Sequence[int]) -> bool:
        return list(places) == [1]

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
    transposes=[lambda ct, ans, a: cofactor_tangent.bind(a, ct)],
    batch=stack_batch(lambda: cofactor),
    examples=MATRICES,
    doc="The matrix of cofactors, det(A) A^-T where A has an inverse.",
)
det = nonlinear(
    "det",
    np.linalg.det,
    types=lambda a: Type(square_type(a).shape[:-2], kind_of(a)),
    jvps=[lambda a_dot, ans, a: _pairs_sum(cofactor.bind(a), a_dot)],
    transposes=[lambda ct, ans, a: mul0.bind(_of_matrices(ct), cofactor.bind(a))],
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


def _slogdet_transpose(cts: Sequence[Array | None], ans: Any, a: Array) -> Array | None:
    """The same for real matrices, whose sign does not change."""
    if a.dtype.kind == "c":
        return NotImplemented
    return None if cts[1] is None else mul0.bind(_of_matrices(cts[1]), turned(inv.bind(a)))


slogdet = nonlinear(
    "slogdet",
    lambda a: tuple(np.linalg.slogdet(a)),
    types=lambda a: (
        Type(square_type(a).shape[:-2], kind_of(a)),
        Type(square_type(a).shape[:-2], real_kind_of(a)),
    ),
    jvps=[_slogdet_jvp],
    transposes=[_slogdet_transpose],
    batch=stack_batch(lambda: slogdet),
    multiple=True,
    examples=MATRICES,
)
