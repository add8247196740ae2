"""Linear algebra on matrices and stacks of them: the last two axes are the matrix.

The rules are those of M. B. Giles, "Collected matrix derivative results for forward and reverse
mode algorithmic differentiation", in Advances in Automatic Differentiation, Springer 2008, unless
another source is named beside the formula.

Of a Hermitian matrix NumPy reads one triangle, and so do ``cholesky`` and ``eigh`` here: what is
differentiated is the function of that triangle, mirrored. Along symmetric perturbations the
derivative is therefore the usual one, and the other triangle has the derivative 0.

Known to be weak: eigenvectors and singular vectors that belong to equal eigenvalues or singular
values have no derivative. An error says so when one of them is needed, also in those cases in
which it would cancel in the end. One case escapes it: a matrix put together again from its vectors
and values, V f(W) V^H, at equal eigenvalues with f(w) = 0, since the cotangents of their vectors
vanish then. Third derivatives of a determinant exist here at matrices with an inverse only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import UnknownDerivativeError
from ..primitive import (
    Example,
    Linear,
    Nonlinear,
    Operand,
    Params,
    Primitive,
    fit,
    linear,
    nonlinear,
    operand_type,
    promote,
)
from ..program import Array, Type
from .arithmetic import conjugate, real
from .contract import matmul
from .shape import aligned, transpose

__all__ = [
    "adjoint",
    "cholesky",
    "cofactor",
    "det",
    "eig",
    "eigh",
    "eigvalsh",
    "inv",
    "matrix_rank",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "turned",
]

MATRICES = (
    Example((np.array([[3.0, 0.4, -0.3], [0.1, 1.5, 0.6], [-0.5, 0.2, 0.4]]),)),
    Example((np.array([[[1.4, 0.3], [-0.2, 0.9]], [[0.7, -0.4], [0.5, 1.8]]]),)),
    Example((np.array([[1.0 + 0.5j, 0.3 - 0.2j], [0.4j, 1.5 - 0.3j]]),)),
)


# -- helpers of the rules --------------------------------------------------------------------------


def turned(x: Array) -> Array:
    """The transposes of the matrices."""
    rank = len(x.shape)
    return transpose.bind(x, axes=(*range(rank - 2), rank - 1, rank - 2))


def adjoint(x: Array) -> Array:
    """The conjugate transposes of the matrices."""
    return turned(conjugate.bind(x) if x.dtype.kind == "c" else x)


def _product(*factors: Array) -> Array:
    found = factors[0]
    for factor in factors[1:]:
        found = matmul.bind(found, factor)
    return found


def _real(x: Array) -> Array:
    return real.bind(x) if x.dtype.kind == "c" else x


def _mask(x: Array, made: Any) -> Array:
    """A constant array in the real dtype that goes with ``x``."""
    return np.asarray(made, np.finfo(x.dtype).dtype)


def _diagonal(x: Array) -> Array:
    return np.sum(x * _mask(x, np.eye(x.shape[-2], x.shape[-1])), axis=-1)


def _pairs_sum(x: Array, y: Array) -> Array:
    """The sum of x_ij y_ij over each matrix."""
    return np.sum(x * y, axis=(-2, -1))


def _kind(x: Operand) -> np.dtype[Any]:
    """The dtype that NumPy's linear algebra answers in: integers become float64."""
    dtype = operand_type(x).dtype
    return dtype if dtype.kind in "fc" else np.dtype(np.float64)


def _square(x: Operand) -> Type:
    shape = operand_type(x).shape
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ValueError(f"square matrices are needed, not an array of shape {shape}")
    return Type(shape, _kind(x))


def _real_kind(x: Operand) -> np.dtype[Any]:
    return np.finfo(_kind(x)).dtype


def _stack_batch(bind: Callable[[], Primitive]) -> Any:
    """A stack of stacks is a stack."""

    def batch(size: int, operands: Sequence[Array], batched: Sequence[bool], **params: Any) -> Any:
        return bind().bind(operands[0], **params)

    return batch


# -- inverse and linear systems --------------------------------------------------------------------

inv = nonlinear(
    "inv",
    np.linalg.inv,
    types=_square,
    jvps=[lambda a_dot, ans, a: -_product(ans, a_dot, ans)],
    batch=_stack_batch(lambda: inv),
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
    matrix, right = _square(a), operand_type(b)
    if right.ndim < 2 or right.shape[-2] != matrix.shape[-1]:
        raise ValueError(f"solve: shapes {matrix.shape} and {right.shape} do not fit")
    stack = np.broadcast_shapes(matrix.shape[:-2], right.shape[:-2])
    dtype = np.result_type(_kind(a), promote((a, b)))
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
    return u, s, vh, (np.linalg.det(u) * np.linalg.det(vh))[..., None, None]


def _cofactor(a: Array) -> Array:
    """det(A) A^-T, which is a polynomial in A and exists for singular A too.

    cof(U S V^H) = det(U) det(V^H) conj(U) cof(S) conj(V^H).
    """
    good = _well_conditioned(a)
    if good is not None:
        inverse, value = good
        return value[..., None, None] * np.swapaxes(inverse, -1, -2)
    u, s, vh, phase = _rotations(a)
    eye = np.eye(s.shape[-1], dtype=bool)
    others = np.prod(np.where(eye, 1, s[..., None, :]), axis=-1)
    return phase * np.matmul(np.conjugate(u) * others[..., None, :], np.conjugate(vh))


def _cofactor_tangent(a: Array, e: Array) -> Array:
    """d cof(A) along E: in the bases of the singular vectors a sum of products of n - 2 of them."""
    good = _well_conditioned(a)
    if good is not None:
        inverse, value = good
        b = np.swapaxes(inverse, -1, -2)
        trace = np.sum(b * e, axis=(-2, -1))[..., None, None]
        return value[..., None, None] * (trace * b - b @ np.swapaxes(e, -1, -2) @ b)
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
    bt, be, bf = turned(b), _product(b, e), _product(b, f)

    def scale(x: Array) -> Array:
        return np.reshape(x, (*x.shape, 1, 1))

    tr_e, tr_f = scale(np.sum(_diagonal(be), axis=-1)), scale(np.sum(_diagonal(bf), axis=-1))
    tr_ef = scale(_pairs_sum(be, turned(bf)))
    e_t, f_t = turned(_product(be, b)), turned(_product(bf, b))
    both = turned(_product(be, bf, b) + _product(bf, be, b))
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
    return Type(stack, promote((_square(a), e)))


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
    types=_square,
    jvps=[lambda a_dot, ans, a: cofactor_tangent.bind(a, a_dot)],
    batch=_stack_batch(lambda: cofactor),
    examples=MATRICES,
    doc="The matrix of cofactors, det(A) A^-T where A has an inverse.",
)
det = nonlinear(
    "det",
    np.linalg.det,
    types=lambda a: Type(_square(a).shape[:-2], _kind(a)),
    jvps=[lambda a_dot, ans, a: _pairs_sum(cofactor.bind(a), a_dot)],
    batch=_stack_batch(lambda: det),
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
        Type(_square(a).shape[:-2], _kind(a)),
        Type(_square(a).shape[:-2], _real_kind(a)),
    ),
    jvps=[_slogdet_jvp],
    batch=_stack_batch(lambda: slogdet),
    multiple=True,
    examples=MATRICES,
)

# -- factorisations of Hermitian matrices ----------------------------------------------------------


def _mirrored(x: Array, lower: bool = True) -> Array:
    """The Hermitian matrix that one triangle of ``x`` stands for."""
    n = x.shape[-1]
    strict = np.tril(np.ones((n, n)), -1)
    part = x * _mask(x, strict if lower else strict.T)
    diagonal = x * _mask(x, np.eye(n))
    return part + _real(diagonal).astype(x.dtype) + adjoint(part)


def _cholesky_jvp(a_dot: Array, ans: Array, a: Array) -> Array:
    """dL = L Phi(L^-1 dA L^-H), Phi: the lower triangle with half of the diagonal.

    I. Murray, "Differentiation of the Cholesky decomposition", arXiv:1602.07527, equation 8.
    """
    n = a.shape[-1]
    half = _mask(a, np.tril(np.ones((n, n))) - 0.5 * np.eye(n))
    left = solve.bind(ans, _mirrored(a_dot))
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
    types=_square,
    jvps=[_cholesky_jvp],
    batch=_stack_batch(lambda: cholesky),
    examples=[*SYMMETRIC, HERMITIAN],
    doc="The lower factor. Reads the lower triangle only.",
)

# Vectors that belong to equal values may be rotated among each other: no single one of them has a
# derivative. ``apart`` stands wherever a difference of two such values is divided by.


def _apart(x: Array, equal: Array) -> Array:
    if np.any(equal):
        wanted = np.abs(np.where(equal, x, 0))
        if np.any(wanted > 1e-9 * np.max(np.abs(x))):
            raise UnknownDerivativeError(
                "eigenvectors or singular vectors of equal eigenvalues or singular values (or "
                "singular vectors of a singular value 0) have no derivative, and one is needed",
                remedy="np.linalg.eigvalsh(a), np.linalg.svdvals(a) or a norm if only the values "
                "matter; functions of the matrix itself (inv, solve, cholesky, matrix_power); or "
                "a matrix moved a little off the coincidence",
            )
        return np.where(equal, 0, x)
    return x


def _apart_type(x: Operand, equal: Operand) -> Type:
    shape = np.broadcast_shapes(operand_type(x).shape, operand_type(equal).shape)
    return Type(shape, operand_type(x).dtype)


def _apart_batch(size: int, operands: Sequence[Array], batched: Sequence[bool]) -> Array:
    x, equal = aligned(size, operands, batched)
    if not batched[0]:
        x = np.broadcast_to(x, (size, *x.shape))
    return apart.bind(x, equal)


apart = linear(
    "apart",
    _apart,
    types=_apart_type,
    transposes=[lambda ct, x, equal: fit(apart.bind(ct, equal), x.shape, x.dtype), None],
    batch=_apart_batch,
    examples=[Example(((2, 2), np.zeros((2, 2), bool)))],
    doc="x, which must be 0 where the mask holds, in both modes.",
)


def _divided(x: Array, by: Array, scale: Array, *, hollow: bool = True) -> Array:
    """x / by, an error where ``by`` vanishes and x does not; 0 on the diagonal if ``hollow``."""
    n = by.shape[-1]
    tiny = 100 * n * np.finfo(by.dtype).eps
    zero = np.less_equal(np.absolute(by), tiny * scale)
    equal = zero
    if hollow:
        x = x * _mask(x, 1 - np.eye(n))
        equal = np.logical_and(zero, ~np.eye(n, dtype=bool))
    found = apart.bind(x, equal) / np.where(zero, 1, by)
    return apart.bind(found, equal)


def _differences(w: Array) -> tuple[Array, Array]:
    """w_j - w_i for all pairs, and the size of the greatest w."""
    size = np.max(np.absolute(w), axis=-1, keepdims=True)
    return w[..., None, :] - w[..., :, None], size[..., None]


def _eigh_jvp(a_dot: Array, ans: Any, a: Array, uplo: str) -> tuple[Array, Array]:
    """Giles 2008, section 3.1: dw = diag(P), dV = V (P_ij / (w_j - w_i)), P = V^H dA V."""
    w, v = ans
    change = _product(adjoint(v), _mirrored(a_dot, uplo == "L"), v)
    rotation = _divided(change, *_differences(w))
    if a.dtype.kind == "c":
        rotation = rotation + phase_free.bind(change)
    return _real(_diagonal(change)), matmul.bind(v, rotation)


def _phase_check(ct: Array) -> Array:
    free = np.abs(np.imag(np.diagonal(ct, axis1=-2, axis2=-1)))
    if np.any(free > 1e-9 * np.max(np.abs(ct))):
        raise UnknownDerivativeError(
            "complex eigenvectors are known up to a phase each, and the result depends on it",
            remedy="a function of them that no phase changes, like np.abs(v)",
        )
    return np.zeros_like(ct)


phase_check = nonlinear(
    "phase_check",
    _phase_check,
    types=operand_type,
    jvps=0,
    batch=_stack_batch(lambda: phase_check),
    examples=[Example((np.eye(2),))],
    doc="0, and an error where a cotangent asks for the phases of complex eigenvectors.",
)
phase_free = linear(
    "phase_free",
    lambda x: np.zeros_like(x),
    types=operand_type,
    transposes=[lambda ct, x: phase_check.bind(ct)],
    batch=_stack_batch(lambda: phase_free),
    examples=[Example((np.eye(2),))],
    doc="0: the phases of complex eigenvectors, which nothing may depend on.",
)


def _eigh_type(a: Operand, uplo: str) -> tuple[Type, Type]:
    matrix = _square(a)
    return Type(matrix.shape[:-1], _real_kind(a)), matrix


def _with_uplo(examples: Sequence[Example]) -> list[Example]:
    return [Example(e.operands, {"uplo": uplo}) for e, uplo in zip(examples, "LUL", strict=False)]


eigh = nonlinear(
    "eigh",
    lambda a, uplo: tuple(np.linalg.eigh(a, uplo)),
    types=_eigh_type,
    jvps=[_eigh_jvp],
    batch=_stack_batch(lambda: eigh),
    multiple=True,
    examples=_with_uplo(SYMMETRIC),
)


def _eigvalsh_jvp(a_dot: Array, ans: Array, a: Array, uplo: str) -> Array:
    _, v = eigh.bind(a, uplo=uplo)
    return _real(_diagonal(_product(adjoint(v), _mirrored(a_dot, uplo == "L"), v)))


eigvalsh = nonlinear(
    "eigvalsh",
    lambda a, uplo: np.linalg.eigvalsh(a, uplo),
    types=lambda a, uplo: _eigh_type(a, uplo)[0],
    jvps=[_eigvalsh_jvp],
    batch=_stack_batch(lambda: eigvalsh),
    examples=_with_uplo([*SYMMETRIC, HERMITIAN]),
)

# -- eigenvalues of other matrices -----------------------------------------------------------------


def _eig(a: Array) -> tuple[Array, Array]:
    w, v = np.linalg.eig(a)
    kind = np.result_type(w, np.complex64)
    return w.astype(kind), v.astype(kind)


def _eig_type(a: Operand) -> tuple[Type, Type]:
    matrix = _square(a)
    kind = np.result_type(matrix.dtype, np.complex64)
    return Type(matrix.shape[:-1], kind), Type(matrix.shape, kind)


def _eig_jvp(a_dot: Array, ans: Any, a: Array) -> tuple[Array, Array]:
    """Giles 2008, section 3.1, with the vectors kept as LAPACK scales them.

    Their Euclidean norm is 1, and the greatest component of each is real.
    """
    w, v = ans
    change = solve.bind(v, matmul.bind(a_dot, v))
    gaps, size = _differences(w)
    turn = matmul.bind(v, _divided(change, gaps, size))
    along = np.real(np.sum(np.conjugate(v) * turn, axis=-2, keepdims=True))
    places = np.arange(v.shape[-2])[:, None]
    greatest = np.equal(places, np.argmax(np.absolute(v), axis=-2, keepdims=True))
    chosen = greatest.astype(along.dtype)
    ratio = np.sum(turn * chosen, axis=-2, keepdims=True) / np.sum(
        v * chosen, axis=-2, keepdims=True
    )
    phase = ratio - np.real(ratio)
    return _diagonal(change), turn - v * (along + phase)


eig = nonlinear(
    "eig",
    _eig,
    types=_eig_type,
    jvps=[_eig_jvp],
    batch=_stack_batch(lambda: eig),
    multiple=True,
    examples=[MATRICES[0], MATRICES[2], Example((np.array([[1.0, 2.0], [-1.5, 0.7]]),))],
    doc="Always complex, also of real matrices.",
)

# -- singular values, QR, pseudo-inverse -----------------------------------------------------------


def _svd_types(a: Operand) -> tuple[Type, Type, Type]:
    *stack, m, n = operand_type(a).shape
    k = min(m, n)
    return (
        Type((*stack, m, k), _kind(a)),
        Type((*stack, k), _real_kind(a)),
        Type((*stack, k, n), _kind(a)),
    )


def _svd_jvp(a_dot: Array, ans: Any, a: Array) -> tuple[Array, Array, Array]:
    """Giles 2008, section 3.2, with the parts outside of the spans of U and V.

    J. Townsend, "Differentiating the singular value decomposition", 2016, equations 11 to 20.
    """
    if a.dtype.kind == "c":
        raise UnknownDerivativeError(
            "the derivative of the singular vectors of complex matrices is not known",
            remedy="np.linalg.svdvals(a) if only the values matter, or eigh of a matrix that is "
            "Hermitian",
        )
    u, s, vh = ans
    *_, m, n = a.shape
    v = turned(vh)
    change = _product(turned(u), a_dot, v)
    column, row = s[..., None, :], s[..., :, None]
    by = (column - row) * (column + row)
    size = np.square(np.max(s, axis=-1, keepdims=True)[..., None])
    opposite = turned(change)
    u_dot = matmul.bind(u, _divided(change * column + opposite * row, by, size))
    v_dot = matmul.bind(v, _divided(change * row + opposite * column, by, size))
    if m > n:
        outside = matmul.bind(a_dot, v)
        outside = outside - _product(u, turned(u), outside)
        u_dot = u_dot + _over_values(outside, column)
    if n > m:
        outside = matmul.bind(turned(a_dot), u)
        outside = outside - _product(v, vh, outside)
        v_dot = v_dot + _over_values(outside, column)
    return u_dot, _diagonal(change), turned(v_dot)


def _over_values(x: Array, s: Array) -> Array:
    return _divided(x, s, np.max(s, axis=-1, keepdims=True), hollow=False)


svd = nonlinear(
    "svd",
    lambda a: tuple(np.linalg.svd(a, full_matrices=False)),
    types=_svd_types,
    jvps=[_svd_jvp],
    batch=_stack_batch(lambda: svd),
    multiple=True,
    examples=[
        *MATRICES[:2],
        Example((np.array([[1.0, 0.2], [-0.3, 2.0], [0.5, 0.4]]),)),
        Example((np.array([[1.0, 0.2, 0.7], [-0.3, 2.0, 0.5]]),)),
    ],
    doc="U, s and V^H with as many columns and rows as there are singular values.",
)


def _svdvals_jvp(a_dot: Array, ans: Array, a: Array) -> Array:
    u, _, vh = svd.bind(a)
    return _real(_diagonal(_product(adjoint(u), a_dot, adjoint(vh))))


svdvals = nonlinear(
    "svdvals",
    lambda a: np.linalg.svd(a, compute_uv=False),
    types=lambda a: _svd_types(a)[1],
    jvps=[_svdvals_jvp],
    batch=_stack_batch(lambda: svdvals),
    examples=[*MATRICES[:2], Example((np.array([[1.0, 0.2], [-0.3, 2.0], [0.5, 0.4]]),))],
)


def _qr_jvp(a_dot: Array, ans: Any, a: Array) -> tuple[Array, Array]:
    """dA R^-1 = dQ + Q dR R^-1, where Q^H dQ is skew and dR R^-1 upper triangular.

    S. F. Walter, L. Lehmann, "Algorithmic differentiation of linear algebra functions with
    application in optimum experimental design", 2010, section 3.
    """
    q, r = ans
    n = r.shape[-1]
    change = turned(solve.bind(turned(r), turned(a_dot)))
    inside = matmul.bind(adjoint(q), change)
    lower = inside * _mask(a, np.tril(np.ones((n, n)), -1))
    skew = lower - adjoint(lower)
    if a.dtype.kind == "c":
        diagonal = inside * _mask(a, np.eye(n))
        skew = skew + (diagonal - real.bind(diagonal))
    upper = inside - skew
    return change - matmul.bind(q, upper), matmul.bind(upper, r)


def _qr_types(a: Operand) -> tuple[Type, Type]:
    *stack, m, n = operand_type(a).shape
    if m < n:
        raise ValueError("at least as many rows as columns are needed")
    return Type((*stack, m, n), _kind(a)), Type((*stack, n, n), _kind(a))


qr = nonlinear(
    "qr",
    lambda a: tuple(np.linalg.qr(a)),
    types=_qr_types,
    jvps=[_qr_jvp],
    batch=_stack_batch(lambda: qr),
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
    left = _product(ans, other, back)
    right = _product(back, other, ans)
    return (
        left - _product(left, a, ans) + right - _product(ans, a, right) - _product(ans, a_dot, ans)
    )


def _pinv_type(a: Operand, rcond: float | None) -> Type:
    *stack, m, n = operand_type(a).shape
    return Type((*stack, n, m), _kind(a))


pinv = nonlinear(
    "pinv",
    lambda a, rcond: np.linalg.pinv(a) if rcond is None else np.linalg.pinv(a, rcond),
    types=_pinv_type,
    jvps=[_pinv_jvp],
    batch=_stack_batch(lambda: pinv),
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
    batch=_stack_batch(lambda: matrix_rank),
    examples=[Example(MATRICES[0].operands, {"tol": None})],
)
