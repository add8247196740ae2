"""Primitives that are computed by way of others: Programs of their own in a Program's code.

Their evaluation is written in NumPy. Here it is traced, and what was recorded is compiled where the
equation stands. What an evaluation would refuse is left to it, by a condition that is computed in
the same way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..kinds import floating
from ..primitives import determinants, elementary, linalg, spectra
from ..program import Array, Equation, Program, Type
from ..recorder import record
from .control import is_number, value_of
from .elements import Scope
from .emit import constant
from .lapack import Diagonal, inverted, lu
from .lower import EVALUATE, Lowering, Targets, Value, step
from .matrices import DOUBLE, KIND, Matrices, Places
from .nests import loops
from .rewrite import rewritten
from .views import Stored

__all__: list[str] = []

Formula = Callable[..., Sequence[Array]]


def _program(formula: Formula, types: Sequence[Type]) -> Program:
    program, captured = record(formula, types)
    assert not captured
    return rewritten(program)


def _write(
    lowering: Lowering,
    formula: Formula,
    values: Sequence[Value],
    types: Sequence[Type],
    targets: Sequence[Stored],
) -> None:
    """Write the code of a formula, and put what it gives where it is wanted."""
    found = lowering.scope(_program(formula, types), values, targets)
    for value, target in zip(found, targets, strict=True):
        lowering.deliver(value, target)


def _composed(formula: Callable[..., Formula], refuse: Formula | None = None) -> Any:
    """The rule of a primitive whose result ``formula(**params)`` computes.

    Where ``refuse``, a function of the operands, holds, the call is left to the evaluator.
    """

    def rule(lowering: Lowering, scope: Scope, equation: Equation, targets: Targets) -> None:
        types = [atom.type for atom in equation.inputs]
        values = [value_of(lowering, scope, atom) for atom in equation.inputs]
        made = [targets.of(var) for var in equation.outputs]
        if refuse is not None:
            (found,) = lowering.scope(_program(refuse, types), values)
            assert isinstance(found, str)
            lowering.leave_if(found, EVALUATE)
        _write(lowering, formula(**equation.params), values, types, made)
        for var, target in zip(equation.outputs, made, strict=True):
            if is_number(var.type):
                scope.registers[var] = lowering.read(target.buffer, target.offset)
            else:
                scope.stored[var] = target
        lowering.report.note(equation, "native", "made of other operations")

    return rule


# -- pseudo-inverse and rank -----------------------------------------------------------------------


def _pinv(rcond: float | None) -> Formula:
    """V S^-1 U^T, without the singular values that are small beside the greatest."""
    cut = 1e-15 if rcond is None else rcond

    def formula(a: Array) -> Sequence[Array]:
        if 0 in a.shape[-2:]:
            return (np.zeros((*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype),)
        u, s, vh = spectra.svd.bind(a)
        large = s > cut * np.max(s, axis=-1, keepdims=True)
        inverse = np.where(large, 1 / np.where(large, s, 1), 0)
        return (np.matmul(linalg.turned(vh), inverse[..., None] * linalg.turned(u)),)

    return formula


def _matrix_rank(tol: float | None) -> Formula:
    """How many singular values are greater than the tolerance."""

    def formula(a: Array) -> Sequence[Array]:
        if 0 in a.shape[-2:]:
            return (np.zeros(a.shape[:-2], np.int64),)
        s = spectra.svdvals.bind(a)
        limit = tol
        if limit is None:
            cut = max(a.shape[-2:]) * float(np.finfo(s.dtype).eps)
            limit = np.max(s, axis=-1, keepdims=True) * cut
        return (np.sum(s > limit, axis=-1, dtype=np.int64),)

    return formula


# -- the derivatives of sinc -----------------------------------------------------------------------


def _sinc_derivative(order: int) -> Formula:
    def formula(x: Array) -> Sequence[Array]:
        found = elementary.sinc_slope(np.pi * x.astype(np.float64), order)
        return (found.astype(floating((Type.of(x),))),)

    return formula


# -- what rules of derivatives ask -----------------------------------------------------------------


def _differs(x: Array, equal: Array) -> Sequence[Array]:
    """Whether x is not 0 somewhere where it has to be."""
    if not math.prod(np.broadcast_shapes(x.shape, equal.shape)):
        return (np.zeros((), bool),)
    wanted = np.absolute(np.where(equal, x, 0))
    return (np.any(wanted > 1e-9 * np.max(np.absolute(x))),)


step(elementary.sinc_derivative)(_composed(_sinc_derivative))
step(linalg.pinv)(_composed(_pinv))
step(linalg.matrix_rank)(_composed(_matrix_rank))
step(spectra.apart)(_composed(lambda: lambda x, equal: (np.where(equal, 0, x),), _differs))
step(spectra.unless_equal)(_composed(lambda: lambda x, equal: (x,), lambda x, e: (np.any(e),)))
step(spectra.settled)(_composed(lambda: lambda x, equal: (x,)))
step(spectra.phase_free, spectra.phase_check)(_composed(lambda: lambda x: (np.zeros_like(x),)))


# -- cofactors -------------------------------------------------------------------------------------


class _Inverses(Matrices):
    """Inverses and determinants of an operand's matrices, and whether they are to be trusted."""

    def compute(self) -> tuple[Stored, Stored, str]:
        """Write the code: transposed inverses, determinants, and a flag that says if any is bad."""
        lengths = self.sources[0].shape
        *stack, n, _ = lengths
        turned, values = self.memory(lengths, DOUBLE), self.memory(stack, DOUBLE)
        factor, factors, pivots = lu(self, 0)
        inverse, bad = self.space(n * n), self.flag()
        solve = inverted(self, n, factors, pivots, inverse)
        diagonal = Diagonal(self, n, factors, pivots)
        code = self.code

        def body(places: Places) -> None:
            singular = code.here(f"icmp ne i64 {factor(places)}, 0")
            self.raise_flag(bad, singular)
            with self.where(code.op("xor i1", singular, "true")):
                solve()
                diagonal.read()
                value = diagonal.determinant()
                code.store(values.buffer, self.start(values, places), value)
                # By columns the inverse is its transpose by rows.
                self.copied(inverse, turned, places)
                size = self._norm(lambda i, j: self.element(0, places, i, j), n)
                other = self._norm(
                    lambda i, j: self.lowering.read(inverse.buffer, code.flat((i, j), (n, 1))), n
                )
                product = code.op(f"fmul {KIND}", size, other)
                limit = constant(0.01 / math.sqrt(np.finfo(DOUBLE).eps), DOUBLE)
                self.raise_flag(bad, code.op(f"fcmp uge {KIND}", product, limit))
                zero = constant(0, DOUBLE)
                self.raise_flag(bad, code.op(f"fcmp ueq {KIND}", value, zero))

        self.each(stack, body)
        return turned, values, code.here(f"load i1, ptr {bad}")

    def copied(self, source: Stored, result: Stored, places: Places) -> None:
        """Copy one matrix as it lies into its place among others."""
        code = self.code
        begin = self.start(result, places)
        with code.loop(math.prod(source.shape), parallel=True) as i:
            value = self.lowering.read(source.buffer, i)
            code.store(result.buffer, code.plus(begin, i), value)

    def _norm(self, element: Callable[[Any, Any], str], n: int) -> str:
        """The Frobenius norm of a matrix."""
        code, slot = self.code, self.code.slot(KIND)
        code.statement(f"store {KIND} {constant(0, DOUBLE)}, ptr {slot}")

        def add(i: Any, j: Any) -> None:
            value = element(i, j)
            before = code.here(f"load {KIND}, ptr {slot}")
            square = code.op(f"fmul {KIND}", value, value)
            code.statement(f"store {KIND} {code.op(f'fadd {KIND}', before, square)}, ptr {slot}")

        self.transfer(n, n, add)
        return code.intrinsic("llvm.sqrt", KIND, code.here(f"load {KIND}, ptr {slot}"))


def _cofactors(small: Formula, good: Formula, bad: Formula) -> Any:
    """The rule of a primitive on cofactors: of small matrices ``small``; else ``good``, or ``bad``.

    ``good`` is a function of transposed inverses and determinants, and of the other operands.
    """

    def rule(lowering: Lowering, scope: Scope, equation: Equation, targets: Targets) -> None:
        out = equation.outputs[0]
        n = out.type.shape[-1]
        if n <= determinants.SMALL or not out.type.size:
            _composed(lambda: small)(lowering, scope, equation, targets)
            return
        m = _Inverses(lowering, scope, equation, targets)
        double = [Type(atom.type.shape, DOUBLE) for atom in equation.inputs]
        values = [_as_double(m, number) for number in range(len(double))]
        turned, det, failed = m.compute()
        stack = Type(double[0].shape[:-2], DOUBLE)
        given = [_whole(lowering, turned), _whole(lowering, det), *values[1:]]
        _write(lowering, good, given, [double[0], stack, *double[1:]], m.results)
        with m.where(failed):
            _write(lowering, bad, values, double, m.results)
        m.finish("LAPACK dgesv, dgesdd if nearly singular")

    return rule


def _as_double(m: Matrices, number: int) -> Stored:
    """An operand in the dtype that is computed in."""
    source = m.sources[number]
    if source.buffer.dtype == DOUBLE:
        return source
    made = m.memory(source.shape, DOUBLE)

    def body(places: Places) -> None:
        value = m.element(number, places[:-2], *places[-2:])
        m.code.store(made.buffer, m.code.flat(places, made.strides), value)

    loops(m.code, source.shape, body, parallel=True)
    return made


def _whole(lowering: Lowering, stored: Stored) -> Value:
    """A value in memory as a Program takes it: without axes it is a number."""
    if stored.shape:
        return stored
    return lowering.read(stored.buffer, stored.offset)


def _floating(a: Array) -> Array:
    return a if a.dtype.kind == "f" else a.astype(np.float64)


def _beside(values: Array) -> Array:
    """Numbers of which one goes with each matrix."""
    return np.reshape(values, (*values.shape, 1, 1))


def _good_cofactor(turned: Array, values: Array) -> Sequence[Array]:
    return (_beside(values) * turned,)


def _good_tangent(turned: Array, values: Array, e: Array) -> Sequence[Array]:
    trace = _beside(np.sum(turned * e, axis=(-2, -1)))
    change = np.matmul(np.matmul(turned, linalg.turned(e)), turned)
    return (_beside(values) * (trace * turned - change),)


step(determinants.cofactor)(
    _cofactors(
        lambda a: (determinants.small_cofactor(_floating(a)),),
        _good_cofactor,
        lambda a: (determinants.cofactor_by_rotations(a),),
    )
)
step(determinants.cofactor_tangent)(
    _cofactors(
        lambda a, e: (determinants.small_cofactor_tangent(_floating(a), e),),
        _good_tangent,
        lambda a, e: (determinants.cofactor_tangent_by_rotations(a, e),),
    )
)
