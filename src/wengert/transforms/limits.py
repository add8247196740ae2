"""Limits of derivatives at equal eigenvalues, from series in a small number.

Eigenvectors of equal eigenvalues have no derivative, but functions of them may: a density, a
matrix function ``V f(w) V^H``. The derivative of such a smooth function at A is the limit of that
at A + e V D V^H, where D is a diagonal matrix that parts the eigenvalues: there the eigenvectors
are V still, the eigenvalues w + e D, and the usual formulas hold. So below the traces that
differentiate lies one (``Limit``) whose values are series in e, of a few orders; a division by
a difference that vanishes makes a pole. In a derivative that exists all poles cancel, and what
is left does not depend on D. Both is checked, with two choices of D, and else an error is raised:
N. J. Higham, "Functions of Matrices", SIAM 2008, section 3.2, has the theorem for one function.

A series of order n is a value of n nested dual numbers, e being the sum of their units. Divisions
by e are counted, not done: a ``Series`` is its ``parts`` over e to the power ``pole``.

Known to be weak: a matrix that depends on e itself and has equal eigenvalues is not parted again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import UnknownDerivativeError, UnsupportedError
from ..kinds import Elementwise, Linear, mul0
from ..primitive import UFUNCS, Params, Primitive, Traced
from ..primitives import spectra
from ..primitives.contract import einsum
from ..primitives.linalg import solve
from ..program import Array
from ..trace import Trace, Tracer, concrete, discrete, perhaps, plain, wrap
from .dual import Dual
from .tape import Tape

__all__ = ["Limit", "as_vectors", "parted"]


@dataclass(frozen=True, slots=True)
class Series:
    """Series for both choices of D, over e to the power ``pole``.

    ``size`` is about that of the greatest number that was added to get here: what is much smaller
    is a rounding error. ``vectors`` says whether vectors were used: of functions of the values
    alone the first derivatives are a choice. ``error`` is set where the series is not known.
    """

    pole: int
    size: float
    parts: tuple[Array, Array]
    vectors: bool = False
    error: UnknownDerivativeError | UnsupportedError | None = None


_BILINEAR = {UFUNCS[np.multiply], mul0}
_IRRATIONAL = ((math.sqrt(5) - 1) / 2, math.sqrt(2) - 1)
"""Multiples of these, without their whole parts, are the two choices of D."""


class Limit(Trace):
    """The trace whose values are series; ``_node`` is the ``Series``, None for a constant."""

    limit = True

    def __init__(self, serial: int, order: int) -> None:
        super().__init__()
        # Below the trace of this number, and above any that was born before that.
        self.serial = serial - 0.5
        self.order = order
        self.tolerance = 0.0
        self.duals = [Dual() for _ in range(order)]
        for i, dual in enumerate(self.duals):
            dual.serial = serial - 0.9 + 0.3 * i / order

    def constant(self, value: Array) -> Tracer:
        return wrap(self, value, None)

    # -- series ----------------------------------------------------------------------------------

    def unit(self, dtype: np.dtype[Any]) -> Array:
        """The small number e, in the real dtype that goes with ``dtype``."""
        kind = np.finfo(dtype).dtype.type
        total: Any = kind(0)
        for dual in self.duals:
            total = dual.input(kind(0), kind(1)) + total
        return total

    def coefficient(self, x: Array, k: int) -> Array:
        """That of the k-th power of e in a series."""
        for i, dual in enumerate(reversed(self.duals)):
            x = dual.tangent(x) if i < k else dual.primal(x)
        return x / math.factorial(k) if k > 1 else x

    def series(self, arg: Array) -> Series:
        """The series of an operand."""
        if isinstance(arg, Traced) and arg._trace is self:
            if arg._node is not None:
                return arg._node
            arg = arg._value
        return Series(0, _size(arg), (arg, arg))

    def result(self, series: Series) -> Any:
        """A traced value for a series."""
        value = self.coefficient(series.parts[0], 0)
        if value.dtype.kind not in "fc":
            return discrete(value)
        if isinstance(value, Traced):
            self.nested = True
        return wrap(self, value, series)

    def settle(self, value: Tracer) -> Array:
        """The limit of a value, a derivative that leaves the trace."""
        if value._node is None:
            return value._value
        series: Series = value._node
        if series.error is not None:
            raise series.error
        if series.pole > self.order:
            raise spectra.no_derivative()
        for part in series.parts:
            for k in range(series.pole):
                if not _is_small(self.coefficient(part, k), series.size, self.tolerance):
                    raise spectra.no_derivative()
        one, other = (self.coefficient(part, series.pole) for part in series.parts)
        if (
            series.vectors
            and one is not other
            and not _is_small(one - other, max(series.size, _size(one)), self.tolerance)
        ):
            raise spectra.no_derivative()
        return one

    def value(self, x: Array) -> Array:
        """A value without its series."""
        return x._value if _own(self, x) else x

    def check(self, x: Array) -> None:
        """Raise if a value that is differentiated depends on the choice of vectors.

        Forward along a direction that parts nothing, vectors can be taken for constant all the
        same.
        """
        if not _own(self, x) or x._node is None or x._node.error is not None:
            return
        one, other = (self.coefficient(part, 0) for part in x._node.parts)
        if not _is_small(one - other, max(x._node.size, _size(one)), self.tolerance):
            raise spectra.no_derivative()

    def limit_of(self, x: Array) -> Array:
        """The limit of what may be a series."""
        return self.settle(x) if _own(self, x) else x

    # -- operations ------------------------------------------------------------------------------

    def process(self, primitive: Primitive, args: Sequence[Array], params: Params) -> Any:
        args = [arg if isinstance(arg, Traced) else plain(arg) for arg in args]
        if primitive not in _VALUES and all(_is_constant(self, arg) for arg in args):
            values = [arg._value if _own(self, arg) else arg for arg in args]
            ans = primitive.bind(*values, **params)
            return _each(lambda a: a if a.dtype.kind not in "fc" else wrap(self, a, None), ans)
        operands = list(map(self.series, args))
        error = next((x.error for x in operands if x.error is not None), None)
        if error is None:
            try:
                return self._processed(primitive, operands, params)
            except (UnknownDerivativeError, UnsupportedError) as raised:
                if any(x.pole for x in operands):
                    raise
                error = raised
        values = [arg._value if _own(self, arg) else arg for arg in args]
        ans = primitive.bind(*values, **params)
        unknown = Series(0, 0.0, (None, None), error=error)
        return _each(lambda a: a if a.dtype.kind not in "fc" else wrap(self, a, unknown), ans)

    def _processed(self, primitive: Primitive, operands: list[Series], params: Params) -> Any:
        if primitive is spectra.over_gap:
            return self.result(self._over(*operands))
        if primitive is spectra.phase_check:
            return self._phases(operands[0])
        if primitive in _VALUES:
            found = self._vectors(primitive, operands[0], params)
            if found is not None:
                return found
        vectors = any(x.vectors for x in operands)
        size, pole = 0.0, 0
        factors = _factors(primitive, len(operands))
        if factors is not None:
            operands, size, pole = self._multiplied(factors, operands)
        elif any(x.pole for x in operands):
            raise spectra.no_derivative()
        one = primitive.bind(*(x.parts[0] for x in operands), **params)
        same = all(x.parts[0] is x.parts[1] for x in operands)
        other = one if same else primitive.bind(*(x.parts[1] for x in operands), **params)
        if primitive.multiple:
            return tuple(
                self.result(Series(pole, max(size, _size(a)), (a, b), vectors))
                for a, b in zip(one, other, strict=True)
            )
        return self.result(Series(pole, max(size, _size(one)), (one, other), vectors))

    def _multiplied(
        self, factors: Sequence[int | None], operands: list[Series]
    ) -> tuple[list[Series], float, int]:
        """Operands of a product, as often divided by e in each factor, and its size and pole."""
        if any(x.pole and f is None for x, f in zip(operands, factors, strict=True)):
            raise spectra.no_derivative()
        members = {
            f: [i for i, g in enumerate(factors) if g == f] for f in factors if f is not None
        }

        def highest() -> list[int]:
            return [max(operands[i].pole for i in places) for places in members.values()]

        if sum(highest()) > self.order:
            operands = list(map(self._reduced, operands))
        sizes = [x.size if x.pole else _size(x.parts[0]) for x in operands]
        size = math.prod(max(sizes[i] for i in places) for places in members.values())
        poles = highest()
        for pole, places in zip(poles, members.values(), strict=True):
            for i in places:
                operands[i] = self._raised(operands[i], pole)
        return operands, size, sum(poles)

    def _raised(self, x: Series, pole: int) -> Series:
        """The same series with more divisions by e."""
        if x.pole == pole:
            return x
        one, other = (
            self._times(part, pole - x.pole) if part is not None else None for part in x.parts
        )
        return Series(pole, x.size, (one, other), x.vectors)

    def _reduced(self, x: Series) -> Series:
        """The same series with as few divisions by e as its first coefficients allow.

        What is lost is the last coefficient: of a function that is smooth in what this is, the
        derivative in the limit does not depend on it.
        """
        while x.pole and all(
            _is_small(self.coefficient(part, 0), x.size, self.tolerance) for part in x.parts
        ):
            one, other = map(self._shifted, x.parts)
            x = Series(x.pole - 1, x.size, (one, other), x.vectors)
        return x

    def _shifted(self, x: Array) -> Array:
        """A series that begins with 0, over e."""
        shifted = self.coefficient(x, self.order)
        for k in range(self.order - 1, 0, -1):
            shifted = self.coefficient(x, k) + shifted * self.unit(x.dtype)
        return shifted

    def _times(self, x: Array, count: int) -> Array:
        for _ in range(count):
            x = x * self.unit(getattr(x, "dtype", np.dtype(np.float32)))
        return x

    def _over(self, x: Series, gap: Series) -> Series:
        """A quotient, in which gaps may vanish as e does."""
        if x.pole == self.order:
            x = self._reduced(x)
        zero = np.asarray(concrete(self.coefficient(gap.parts[0], 0)) == 0)
        if not zero.any():
            one, other = (a / b for a, b in zip(x.parts, gap.parts, strict=True))
            return Series(x.pole, max(x.size, _size(one)), (one, other), True)
        parts: list[Array] = []
        for a, b in zip(x.parts, gap.parts, strict=True):
            first = self.coefficient(b, 1)
            higher = [concrete(self.coefficient(b, k)) for k in range(2, self.order + 1)]
            if np.any(zero & (concrete(first) == 0)) or any(
                np.any(zero & (h != 0)) for h in higher
            ):
                raise spectra.no_derivative()
            parts.append(np.where(zero, a, self._times(a, 1)) / np.where(zero, first, b))
        return Series(x.pole + 1, max(x.size, _size(parts[0])), (parts[0], parts[1]), True)

    def _phases(self, x: Series) -> Any:
        for k in range(x.pole + 1):
            coefficient = self.coefficient(x.parts[0], k)
            if k == x.pole or not _is_small(coefficient, x.size, self.tolerance):
                spectra.phase_check.bind(coefficient)
        return self.constant(np.zeros_like(self.coefficient(x.parts[0], 0)))

    def _vectors(self, primitive: Primitive, x: Series, params: Params) -> Any:
        """Eigenvalues or singular values with vectors, of a matrix that is a series."""
        matrices = [self.coefficient(part, 0) for part in x.parts]
        rest = [self.coefficient(part, k) for part in x.parts for k in range(1, self.order + 1)]
        rest.append(matrices[1] - matrices[0])
        size, tolerance = _size(matrices[0]), _tolerance(x.parts[0].dtype)
        known = not any(isinstance(part, Traced) for part in rest)
        if known and all(_is_small(part, size, tolerance) for part in rest):
            ans = primitive.bind(matrices[0], **params)
            place = _VALUES[primitive]
            zero = primitive in (spectra.svd, spectra.svdvals)
            if spectra.coincide(ans if place is None else ans[place], zero):
                return self._parted(primitive, ans)
        return None

    def _parted(self, primitive: Primitive, ans: Any) -> Any:
        """The results with values that are parted, and for the second choice other vectors."""
        place = _VALUES[primitive]
        values = ans if place is None else ans[place]
        self.tolerance = max(self.tolerance, _tolerance(values.dtype))
        count = values.shape[-1]
        size = np.max(np.abs(values), axis=-1, keepdims=True, initial=0)
        size = np.where(size == 0, 1, size)
        parts: list[Array] = []
        for irrational in _IRRATIONAL:
            steps = np.modf(irrational * np.arange(1, count + 1))[0].astype(values.dtype)
            parts.append(values + steps * size * self.unit(values.dtype))
        if place is None:
            return wrap(self, ans, Series(0, _size(ans), (parts[0], parts[1])))
        turns = spectra.turns(values, ans[-1].dtype)
        if primitive is spectra.eigh:
            others = (parts[1], ans[1] @ turns)
        else:
            back = np.conjugate(np.swapaxes(spectra.turns(values, ans[-1].dtype, True), -1, -2))
            others = (ans[0] @ turns, parts[1], back @ ans[2])
        return tuple(
            wrap(self, a, Series(0, _size(a), (parts[0] if i == place else a, other)))
            for i, (a, other) in enumerate(zip(ans, others, strict=True))
        )


_VALUES: dict[Primitive, int | None] = {
    spectra.eigh: 0,
    spectra.svd: 1,
    spectra.eigvalsh: None,
    spectra.svdvals: None,
}
"""Primitives that give eigenvalues or singular values: which of the results, or all."""


def _own(trace: Trace, arg: Any) -> bool:
    return isinstance(arg, Traced) and arg._trace is trace


def _is_constant(trace: Trace, arg: Any) -> bool:
    return not _own(trace, arg) or arg._node is None


def _each(function: Any, ans: Any) -> Any:
    return tuple(map(function, ans)) if isinstance(ans, tuple) else function(ans)


def _size(x: Array) -> float:
    """The greatest absolute value; 0 where it is not known."""
    x = concrete(x)
    if x is None or not np.size(x) or np.asarray(x).dtype.kind not in "fciu":
        return 0.0
    found = float(np.max(np.abs(x)))
    return found if math.isfinite(found) else 0.0


def _tolerance(dtype: np.dtype[Any]) -> float:
    """What is less than this, relatively, counts as a rounding error."""
    return math.sqrt(float(np.finfo(dtype).eps))


def _is_small(x: Array, size: float, tolerance: float) -> bool:
    """Whether all of x is a rounding error beside ``size``."""
    value = perhaps(x)
    if value is None:
        raise spectra.no_derivative()
    return bool(np.all((np.abs(value) <= tolerance * size) | np.isnan(value)))


def _factors(primitive: Primitive, count: int) -> Sequence[int | None] | None:
    """The factor of a product that each operand belongs to, None for one that is in none.

    Operands of one factor are added. None for what is no product.
    """
    if primitive in _BILINEAR or primitive is einsum:
        return list(range(count))
    if primitive is UFUNCS[np.divide]:
        return [0, None]
    if primitive is solve:
        return [None, 0]
    if isinstance(primitive, Linear):
        return [primitive.group(i) for i in range(count)]
    if isinstance(primitive, Elementwise) and primitive.additive:
        return [0] * count
    return None


def _over_series(a: Array, below: Array) -> Array:
    """A value with another one below the traces that differentiate."""
    if not isinstance(a, Traced) or not isinstance(a._trace, (Tape, Dual)):
        return below
    a._trace.nested = True
    return wrap(a._trace, _over_series(a._value, below), a._node)


def parted(a: Array, values: Array, *, vectors: bool = True, zero: bool = False) -> Array:
    """The matrix of which values that are equal will be parted; ``a`` itself if it need not be.

    It need not where no two ``values`` are equal (or with ``zero`` one is 0), where nothing is
    differentiated (without ``vectors``: not twice), or where too little is known.
    """
    chain: list[Tracer] = []
    below = a
    while isinstance(below, Traced) and isinstance(below._trace, (Tape, Dual)):
        chain.append(below)
        below = below._value
    known = concrete(values)
    if len(chain) < (1 if vectors else 2) or isinstance(below, Traced) or known is None:
        return a
    if not spectra.coincide(known, zero):
        return a
    lowest = chain[-1]._trace
    if lowest.below is None or lowest.below.order < len(chain):
        lowest.below = Limit(lowest.serial, len(chain))
    return _over_series(a, lowest.below.constant(below))


def as_vectors(v: Array) -> Array:
    """Vectors as the user is given them: what is computed from them is marked by that."""
    below = v
    while isinstance(below, Traced) and not below._trace.limit:
        below = below._value
    if not isinstance(below, Traced) or below._node is None:
        return v
    return _over_series(v, wrap(below._trace, below._value, replace(below._node, vectors=True)))
