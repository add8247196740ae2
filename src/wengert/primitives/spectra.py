"""Eigenvalues and singular values of matrices and of stacks of them, with their vectors.

The rules are those of M. B. Giles, "Collected matrix derivative results for forward and reverse
mode algorithmic differentiation", in Advances in Automatic Differentiation, Springer 2008, unless
another source is named beside the formula. ``eigh`` and ``eigvalsh`` read one triangle of their
matrix, as in NumPy: what is differentiated is the function of that triangle, mirrored.

Eigenvectors and singular vectors that belong to equal eigenvalues or singular values have no
derivative, although functions of them may have one: see ``transforms/limits.py``.

Known to be weak: where the values are not known, an error says so when one of them is used, also
in those cases in which it would cancel in the end, and also where only vectors of other values are
used: from a cotangent the cases cannot be told apart, and a tangent is known for all or for none.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import pairwise, permutations
from typing import Any

import numpy as np

from ..errors import UnknownDerivativeError
from ..kinds import answer, elementwise, fit, linear, nonlinear, unless_unknown
from ..primitive import REGISTRY, Example, Operand, Rule, Traced, operand_type
from ..program import Array, Type
from ..trace import concrete
from .arithmetic import conjugate
from .contract import matmul
from .linalg import (
    HERMITIAN,
    MATRICES,
    SYMMETRIC,
    adjoint,
    constant,
    diagonals,
    kind_of,
    mirrored,
    product,
    real_kind_of,
    real_part,
    solve,
    square_type,
    stack_batch,
    turned,
)
from .shape import aligned, reshape

__all__ = [
    "are_apart",
    "coincide",
    "eig",
    "eigh",
    "eigvalsh",
    "no_derivative",
    "over_gap",
    "phase_check",
    "spectral",
    "svd",
    "svd_complement",
    "svdvals",
    "turns",
]


# -- vectors of equal values -----------------------------------------------------------------------

# Vectors that belong to equal values may be rotated among each other: no single one of them has a
# derivative. ``apart`` stands wherever a difference of two such values is divided by.


def no_derivative() -> UnknownDerivativeError:
    """The error where vectors of equal values are needed."""
    return UnknownDerivativeError(
        "eigenvectors or singular vectors of equal eigenvalues or singular values (or singular "
        "vectors of a singular value 0) have no derivative, and one is needed: the result depends "
        "on which of them are taken, or is not smooth, or their values are not known here, as in "
        "vmap and in the bodies of loops",
        remedy="what is the same for all choices of them, as v[:, :k] @ v[:, :k].T of whole "
        "levels, or (v * f(w)) @ v.T with a smooth f; np.linalg.eigvalsh(a), "
        "np.linalg.svdvals(a) or a norm if only the values matter, in first derivatives; "
        "a Python loop in place of vmap or scan",
    )


def _apart(x: Array, equal: Array) -> Array:
    if np.any(equal):
        wanted = np.abs(np.where(equal, x, 0))
        if np.any(wanted > 1e-9 * np.max(np.abs(x))):
            raise no_derivative()
        return np.where(equal, 0, x)
    return x


def _unless_equal(x: Array, equal: Array) -> Array:
    if np.any(equal):
        raise no_derivative()
    return x


def _apart_type(x: Operand, equal: Operand) -> Type:
    shape = np.broadcast_shapes(operand_type(x).shape, operand_type(equal).shape)
    return Type(shape, operand_type(x).dtype)


def _apart_batch(name: str) -> Rule:
    def batch(size: int, operands: Sequence[Array], batched: Sequence[bool]) -> Array:
        x, equal = aligned(size, operands, batched)
        if not batched[0]:
            x = np.broadcast_to(x, (size, *x.shape))
        return REGISTRY[name].bind(x, equal)

    return batch


apart = linear(
    "apart",
    _apart,
    types=_apart_type,
    transposes=[lambda ct, x, equal: fit(apart.bind(ct, equal), x.shape, x.dtype), None],
    batch=_apart_batch("apart"),
    examples=[Example(((2, 2), np.zeros((2, 2), bool)))],
    doc="x, which must be 0 where the mask holds, in both modes.",
)
unless_equal = linear(
    "unless_equal",
    _unless_equal,
    types=_apart_type,
    transposes=[lambda ct, x, equal: unless_equal.bind(ct, equal), None],
    batch=_apart_batch("unless_equal"),
    examples=[Example(((2, 2), np.zeros((2, 2), bool)))],
    doc="x, and an error if the mask holds anywhere.",
)
settled = linear(
    "settled",
    lambda x, equal: x,
    types=_apart_type,
    transposes=[lambda ct, x, equal: unless_equal.bind(ct, equal), None],
    batch=_apart_batch("settled"),
    examples=[Example(((2, 2), np.zeros((2, 2), bool)))],
    doc="x. Forward, tangents say whether they split what is equal; back, a cotangent of vectors "
    "cannot say whether it belongs to a function that does, so any is refused.",
)


def _divided(
    x: Array, by: Array, scale: Array, *, hollow: bool = True, split: bool = False
) -> Array:
    """x / by, an error where ``by`` vanishes and x does not; 0 on the diagonal if ``hollow``.

    With ``split``, an error too where the diagonal of x tells apart what is equal: then the values
    of a level part, in an order that the sign of the tangent decides.
    """
    n = by.shape[-1]
    zero = np.less_equal(np.absolute(by), _tiny(by) * scale)
    if _has_limit(by):
        if hollow:
            x, by = x * constant(x, 1 - np.eye(n)), np.where(np.eye(n), 1, by)
            zero = np.logical_and(zero, ~np.eye(n, dtype=bool))
        return over_gap.bind(x, by - np.where(zero, concrete(by), 0))
    equal = zero
    if hollow:
        diagonal = diagonals(x)
        x = x * constant(x, 1 - np.eye(n))
        equal = np.logical_and(zero, ~np.eye(n, dtype=bool))
        if split:
            spread = diagonal[..., None, :] - diagonal[..., :, None]
            x = x + apart.bind(np.where(equal, spread, 0), equal)
    found = apart.bind(x, equal) / np.where(zero, 1, by)
    return settled.bind(found, equal)


def _has_limit(x: Array) -> bool:
    """Whether what vanishes here is a series that does not."""
    while isinstance(x, Traced):
        if x._trace.limit:
            return True
        x = x._value
    return False


over_gap = elementwise(
    "over_gap",
    operator.truediv,
    [
        lambda y: over_gap.bind(1.0, y),
        lambda y, ans: -over_gap.bind(ans, y),
    ],
    dtype=answer(np.divide),
    domain=(0.5, 2.0),
    text="{0} / {1}",
    lower=lambda x, y: np.divide(x, y),
    doc="x / y, which is a pole where y is a series that begins with 0.",
)


def _tiny(w: Array) -> float:
    """The difference, relative to the greatest one, up to which values are taken for equal."""
    return 100 * w.shape[-1] * float(np.finfo(w.dtype).eps)


def _differences(w: Array) -> tuple[Array, Array]:
    """w_j - w_i for all pairs, and the size of the greatest w."""
    size = np.max(np.absolute(w), axis=-1, keepdims=True, initial=0)
    return w[..., None, :] - w[..., :, None], size[..., None]


# -- eigenvalues of Hermitian matrices -------------------------------------------------------------


def _eigh_jvp(a_dot: Array, ans: Any, a: Array, uplo: str) -> tuple[Array, Array]:
    """Giles 2008, section 3.1: dw = diag(P), dV = V (P_ij / (w_j - w_i)), P = V^H dA V."""
    w, v = ans
    change = product(adjoint(v), mirrored(a_dot, uplo == "L"), v)

    def vectors() -> Array:
        rotation = _divided(change, *_differences(w), split=True)
        if a.dtype.kind == "c":
            rotation = rotation + phase_free.bind(change)
        return matmul.bind(v, rotation)

    return real_part(diagonals(change)), unless_unknown(vectors)


def _phase_check(ct: Array) -> Array:
    free = np.abs(np.imag(np.diagonal(ct, axis1=-2, axis2=-1)))
    if np.any(free > 1e-9 * np.max(np.abs(ct))):
        raise UnknownDerivativeError(
            "complex eigenvectors are known up to a phase each, pairs of complex singular vectors "
            "up to a common one, and the result depends on it",
            remedy="a function of them that no phase changes, like np.abs(v)",
        )
    return np.zeros_like(ct)


phase_check = nonlinear(
    "phase_check",
    _phase_check,
    types=operand_type,
    jvps=0,
    batch=stack_batch(lambda: phase_check),
    examples=[Example((np.eye(2),))],
    doc="0, and an error where a cotangent asks for the phases of complex eigenvectors.",
)
phase_free = linear(
    "phase_free",
    lambda x: np.zeros_like(x),
    types=operand_type,
    transposes=[lambda ct, x: phase_check.bind(ct)],
    batch=stack_batch(lambda: phase_free),
    examples=[Example((np.eye(2),))],
    doc="0: the phases of complex eigenvectors, which nothing may depend on.",
)


def _eigh_type(a: Operand, uplo: str) -> tuple[Type, Type]:
    matrix = square_type(a)
    return Type(matrix.shape[:-1], real_kind_of(a)), matrix


def _with_uplo(examples: Sequence[Example]) -> list[Example]:
    return [Example(e.operands, {"uplo": uplo}) for e, uplo in zip(examples, "LUL", strict=False)]


eigh = nonlinear(
    "eigh",
    lambda a, uplo: tuple(np.linalg.eigh(a, uplo)),
    types=_eigh_type,
    jvps=[_eigh_jvp],
    batch=stack_batch(lambda: eigh),
    multiple=True,
    examples=_with_uplo(SYMMETRIC),
)


def coincide(values: Array, zero: bool = False) -> bool:
    """Whether of the sorted values some are equal, or with ``zero`` one is 0, in any of a stack."""
    size = np.max(np.absolute(values), axis=-1, keepdims=True, initial=0)
    equal = np.abs(np.diff(values)) <= _tiny(values) * size
    return bool(np.any(equal) or (zero and np.any(values <= _tiny(values) * size)))


def turns(values: Array, dtype: np.dtype[Any], zero: bool = False) -> Array:
    """Unitary matrices, any ones, that mix the vectors of equal values.

    With ``zero`` others for the vectors of a singular value 0, where left and right ones differ.
    """
    generator = np.random.default_rng(0)
    count = values.shape[-1]
    found = np.zeros((*values.shape, count), dtype)
    for i in np.ndindex(*values.shape[:-1]):
        size = np.max(np.absolute(values[i]), initial=0)
        first = np.abs(np.diff(values[i])) > _tiny(values) * size
        starts = [0, *(np.flatnonzero(first) + 1), count]
        for start, stop in pairwise(starts):
            n = stop - start
            block = generator.standard_normal((2, n, n))
            other = zero and values[i][start] <= _tiny(values) * size
            block = np.roll(block, 1, axis=-1) if other else block
            mixed = block[0] + 1j * block[1] if found.dtype.kind == "c" else block[0]
            alone = n == 1 and not (other and found.dtype.kind == "c")
            found[i][start:stop, start:stop] = 1 if alone else np.linalg.qr(mixed)[0]
    return found


def are_apart(w: Array) -> bool:
    """Whether the eigenvalues of a Hermitian matrix, which are sorted, all differ."""
    scale = np.max(np.absolute(w), initial=0)
    return bool(np.all(np.diff(w) > _tiny(w) * scale))


def _divided_differences(w: Array, c: Array, order: int) -> Array:
    """Those of the function that is c at w and constant nearby, of so many + 1 indices each."""
    n = len(w)
    scale = np.max(np.abs(w), initial=0)
    apart_ = np.diff(w) > _tiny(w) * scale
    if np.any(~apart_ & (np.diff(c) != 0)):
        raise no_derivative()
    level = np.concatenate([[0], np.cumsum(apart_)])
    table = c
    for k in range(1, order + 1):
        # The greatest w and the least differ most; eigenvalues are sorted, so indices tell them.
        places = np.sort(np.indices((n,) * (k + 1)), axis=0)
        equal = level[places[0]] == level[places[-1]]
        gaps = np.where(equal, 1, w[places[-1]] - w[places[0]])
        change = table[tuple(places[1:])] - table[tuple(places[:-1])]
        table = np.where(equal, 0, change / gaps)
    return table


def _spectral(s: Array, w: Array, v: Array, c: Array, *directions: Array) -> Array:
    """V (sum over all orders of the directions of c[w_i, ..., w_k] P_ij ... Q_lk) V^H.

    N. J. Higham, "Functions of Matrices", SIAM 2008, section 3.2: the Daleckii-Krein theorem, here
    for derivatives of any order. P, ..., Q are the directions in the basis of the eigenvectors.
    """
    operands = (s, w, v, c, *directions)
    stacks = [x.shape[: x.ndim - rank] for x, rank in zip(operands, _ranks(operands), strict=True)]
    stack = np.broadcast_shapes(*stacks)
    if stack:
        full = [
            np.broadcast_to(x, stack + x.shape[len(own) :])
            for x, own in zip(operands, stacks, strict=True)
        ]
        out = np.empty(stack + v.shape[-2:], v.dtype)
        for i in np.ndindex(*stack):
            out[i] = _spectral(*(x[i] for x in full))
        return out
    order = len(directions)
    if not order:
        return np.matmul(v * c, np.conjugate(v.T))
    table = _divided_differences(w, c, order)
    changes = [v.conj().T @ d @ v for d in directions]
    letters = "ijklmn"[: order + 1]
    pairs = ",".join(letters[k : k + 2] for k in range(order))
    total = [
        np.einsum(f"{letters},{pairs}->{letters[0]}{letters[-1]}", table, *permuted)
        for permuted in permutations(changes)
    ]
    inside = sum(total[1:], total[0])
    return (v @ inside @ v.conj().T).astype(v.dtype, copy=False)


def _ranks(operands: Sequence[Array]) -> list[int]:
    """How many axes the operands of ``spectral`` have outside of stacks: w and c are vectors."""
    return [1 if k in (1, 3) else 2 for k in range(len(operands))]


def _spectral_batch(size: int, operands: Sequence[Array], batched: Sequence[bool]) -> Array:
    depths = [
        len(np.shape(x)) - b - rank
        for x, b, rank in zip(operands, batched, _ranks(operands), strict=True)
    ]
    full = [
        reshape.bind(x, shape=(size, *(1,) * (max(depths) - depth), *x.shape[1:])) if b else x
        for x, b, depth in zip(operands, batched, depths, strict=True)
    ]
    return spectral.bind(*full)


HIGHEST = 4
"""Sums over eigenvectors have derivatives up to this order."""


def _spectral_type(*operands: Operand) -> Type:
    shapes = [operand_type(x).shape for x in operands]
    stacks = [
        shape[: len(shape) - rank] for shape, rank in zip(shapes, _ranks(shapes), strict=True)
    ]
    return Type((*np.broadcast_shapes(*stacks), *shapes[2][-2:]), operand_type(operands[2]).dtype)


def _along(direction: Array, operands: Sequence[Array]) -> Array:
    if len(operands) == 4 + HIGHEST:
        raise UnknownDerivativeError(
            f"derivatives of an order above {HIGHEST} of sums over eigenvectors are not known"
        )
    return spectral.bind(*operands, direction)


def _replaced(k: int, direction: Array, operands: Sequence[Array]) -> Array:
    return spectral.bind(*operands[:k], direction, *operands[k + 1 :])


def _paired(ct: Array) -> Array:
    """The Hermitian direction that stands for a cotangent of a Hermitian matrix."""
    return (turned(ct) + (conjugate.bind(ct) if ct.dtype.kind == "c" else ct)) / 2


def _no_tangent(x_dot: Array, ans: Array, *operands: Array) -> Array:
    return Type.of(ans).zeros()


_DIRECTIONS = range(4, 4 + HIGHEST)

# The derivatives of a matrix function are symmetric: in their directions, and in one of these and
# what the result is paired with.
spectral = nonlinear(
    "spectral",
    _spectral,
    types=_spectral_type,
    jvps=[
        lambda s_dot, ans, *operands: _along(s_dot, operands),
        _no_tangent,
        _no_tangent,
        None,
        *(lambda d_dot, ans, *operands, k=k: _replaced(k, d_dot, operands) for k in _DIRECTIONS),
    ],
    transposes=[
        lambda ct, ans, *operands: turned(_along(_paired(ct), operands)),
        *[lambda ct, ans, *operands: None] * 3,
        *(
            lambda ct, ans, *operands, k=k: turned(_replaced(k, _paired(ct), operands))
            for k in _DIRECTIONS
        ),
    ],
    batch=_spectral_batch,
    doc="The sum of c_k v_k v_k^H over the eigenvectors of a Hermitian matrix s, given with its "
    "eigenvalues w; as a function of the matrix, for constant weights c. After them come the "
    "directions in which it is differentiated.",
)


def _eigvalsh_jvp(a_dot: Array, ans: Array, a: Array, uplo: str) -> Array:
    _, v = eigh.bind(a, uplo=uplo)
    return real_part(diagonals(product(adjoint(v), mirrored(a_dot, uplo == "L"), v)))


eigvalsh = nonlinear(
    "eigvalsh",
    lambda a, uplo: np.linalg.eigvalsh(a, uplo),
    types=lambda a, uplo: _eigh_type(a, uplo)[0],
    jvps=[_eigvalsh_jvp],
    batch=stack_batch(lambda: eigvalsh),
    examples=_with_uplo([*SYMMETRIC, HERMITIAN]),
)

# -- eigenvalues of other matrices -----------------------------------------------------------------


def _eig(a: Array) -> tuple[Array, Array]:
    w, v = np.linalg.eig(a)
    kind = np.result_type(w, np.complex64)
    return w.astype(kind), v.astype(kind)


def _eig_type(a: Operand) -> tuple[Type, Type]:
    matrix = square_type(a)
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
    return diagonals(change), turn - v * (along + phase)


eig = nonlinear(
    "eig",
    _eig,
    types=_eig_type,
    jvps=[_eig_jvp],
    batch=stack_batch(lambda: eig),
    multiple=True,
    examples=[MATRICES[0], MATRICES[2], Example((np.array([[1.0, 2.0], [-1.5, 0.7]]),))],
    doc="Always complex, also of real matrices.",
)

# -- singular values -------------------------------------------------------------------------------


def _svd_types(a: Operand) -> tuple[Type, Type, Type]:
    *stack, m, n = operand_type(a).shape
    k = min(m, n)
    return (
        Type((*stack, m, k), kind_of(a)),
        Type((*stack, k), real_kind_of(a)),
        Type((*stack, k, n), kind_of(a)),
    )


def _svd_jvp(a_dot: Array, ans: Any, a: Array) -> tuple[Array, Array, Array]:
    """With dU = U X and dV = V Y, U^H dA V = X S + dS - S Y, of which the Hermitian part over
    s_j - s_i is X + Y, and the rest over s_j + s_i is X - Y; and the parts outside of the spans of
    U and V. The phase that two complex vectors of a pair have in common is free.

    J. Townsend, "Differentiating the singular value decomposition", 2016, equations 11 to 20; for
    complex matrices Z.-Q. Wan, S.-X. Zhang, "Automatic differentiation for complex valued SVD",
    arXiv:1909.02659.
    """
    u, s, vh = ans
    v = adjoint(vh)
    change = product(adjoint(u), a_dot, v)
    rotations = unless_unknown(lambda: _svd_rotations(change, s), 2)
    u_dot = unless_unknown(lambda: _turned_vectors(u, s, rotations[0], matmul.bind(a_dot, v)))
    back = unless_unknown(
        lambda: _turned_vectors(v, s, rotations[1], matmul.bind(adjoint(a_dot), u))
    )
    return u_dot, real_part(diagonals(change)), unless_unknown(lambda: adjoint(back))


def _svd_rotations(change: Array, s: Array) -> tuple[Array, Array]:
    """X and Y: how the left and the right singular vectors turn within their spans."""
    back = adjoint(change)
    column, row = s[..., None, :], s[..., :, None]
    size = np.max(s, axis=-1, keepdims=True, initial=0)[..., None]
    both = _divided(change + back, column - row, size)
    apart_ = _divided(change - back, column + row, size, hollow=change.dtype.kind != "c")
    if change.dtype.kind == "c":
        both = both + phase_free.bind(change)
    return (both + apart_) / 2, (both - apart_) / 2


def _turned_vectors(vectors: Array, s: Array, rotation: Array, change: Array) -> Array:
    """The tangent of singular vectors; ``change`` is dA, or its adjoint, times the other ones."""
    turned_ = matmul.bind(vectors, rotation)
    if vectors.shape[-2] == vectors.shape[-1]:
        return turned_
    outside = change - product(vectors, adjoint(vectors), change)
    return turned_ + _over_values(outside, s[..., None, :])


def _over_values(x: Array, s: Array) -> Array:
    return _divided(x, s, np.max(s, axis=-1, keepdims=True, initial=0), hollow=False)


svd = nonlinear(
    "svd",
    lambda a: tuple(np.linalg.svd(a, full_matrices=False)),
    types=_svd_types,
    jvps=[_svd_jvp],
    batch=stack_batch(lambda: svd),
    multiple=True,
    examples=[
        *MATRICES[:2],
        Example((np.array([[1.0, 0.2], [-0.3, 2.0], [0.5, 0.4]]),)),
        Example((np.array([[1.0, 0.2, 0.7], [-0.3, 2.0, 0.5]]),)),
    ],
    doc="U, s and V^H with as many columns and rows as there are singular values.",
)


def _complement(a: Array) -> Array:
    u, _, vh = np.linalg.svd(a, full_matrices=True)
    k = min(a.shape[-2:])
    return u[..., :, k:] if a.shape[-2] >= a.shape[-1] else vh[..., k:, :]


def _complement_type(a: Operand) -> Type:
    *stack, m, n = operand_type(a).shape
    return Type((*stack, m, m - n) if m >= n else (*stack, n - m, n), kind_of(a))


def _complement_jvp(a_dot: Array, ans: Array, a: Array) -> Any:
    if 0 in ans.shape:
        return np.zeros_like(ans)
    return unless_unknown(_undetermined)


def _undetermined() -> Array:
    raise UnknownDerivativeError(
        "np.linalg.svd with full_matrices=True of a matrix that is not square returns singular "
        "vectors that nothing determines, and a derivative of them is needed",
        remedy="np.linalg.svd(a, full_matrices=False)",
    )


svd_complement = nonlinear(
    "svd_complement",
    _complement,
    types=_complement_type,
    jvps=[_complement_jvp],
    batch=stack_batch(lambda: svd_complement),
    examples=MATRICES[:2],
    doc="The singular vectors beyond min(m, n): columns of U, or rows of V^H.",
)


def _svdvals_jvp(a_dot: Array, ans: Array, a: Array) -> Array:
    u, _, vh = svd.bind(a)
    return real_part(diagonals(product(adjoint(u), a_dot, adjoint(vh))))


svdvals = nonlinear(
    "svdvals",
    lambda a: np.linalg.svd(a, compute_uv=False),
    types=lambda a: _svd_types(a)[1],
    jvps=[_svdvals_jvp],
    batch=stack_batch(lambda: svdvals),
    examples=[*MATRICES[:2], Example((np.array([[1.0, 0.2], [-0.3, 2.0], [0.5, 0.4]]),))],
)
