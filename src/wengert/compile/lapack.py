"""Linear algebra in compiled code: LAPACK's routines, or elimination where that is faster.

The routines are those that NumPy calls, on the same matrices, so the results are NumPy's to within
rounding, signs included. Where one reports that it cannot do what is asked, the call is left to the
evaluator, which raises the exception.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..primitives import determinants, linalg, spectra
from ..program import Equation
from .blas import integer_bits
from .elements import Scope
from .elimination import LARGEST, Elimination, cholesky, finite
from .emit import Place, constant
from .lower import Lowering, Targets, step
from .matrices import DOUBLE, INT, KIND, Matrices, Places
from .nests import fill, loops
from .views import Stored

__all__ = ["lu"]

Make = Callable[[Matrices], str]


def _step(make: Make) -> Callable[..., None]:
    """The rule of a primitive on matrices: ``make`` writes its code and says what is called."""

    def rule(lowering: Lowering, scope: Scope, equation: Equation, targets: Targets) -> None:
        matrices = Matrices(lowering, scope, equation, targets)
        matrices.finish(make(matrices))

    return rule


def _empty(result: Stored) -> bool:
    return not math.prod(result.shape)


def _first_in_registers(
    m: Matrices,
    stack: Sequence[int],
    fast: Callable[[Places], str],
    otherwise: Callable[[], object],
) -> None:
    """``fast`` for each matrix of a stack; ``otherwise`` for all if one of its conditions fails."""
    failed = m.flag()

    def body(places: Places) -> None:
        m.raise_flag(failed, m.code.op("xor i1", fast(places), "true"))

    loops(m.code, stack, body, parallel=True)
    with m.where(m.code.here(f"load i1, ptr {failed}")):
        otherwise()


def _rows(m: Matrices, number: int, places: Places) -> list[list[str]]:
    """The elements of a small matrix."""
    rows, columns = m.sources[number].shape[-2:]
    return [[m.element(number, places, i, j) for j in range(columns)] for i in range(rows)]


# -- linear systems --------------------------------------------------------------------------------


def lu(m: Matrices, number: int) -> tuple[Callable[[Places], str], Stored, str]:
    """Code that factors a matrix of an operand, giving INFO; the factors, and the exchanges."""
    n = m.sources[number].shape[-1]
    factors, pivots = m.space(n * n), m.space(n, INT)
    size = m.number(n)
    place = m.code.address(factors.buffer, 0), m.code.address(pivots.buffer, 0)

    def factor(places: Places) -> str:
        m.by_columns(number, places, factors)
        return m.call("dgetrf", size, size, place[0], size, place[1])

    return factor, factors, place[1]


def _solve(m: Matrices) -> str:
    (out,) = m.results
    *stack, n, k = out.shape
    if _empty(out):
        return ""
    if n > LARGEST or n * k > LARGEST * LARGEST:
        return _solve_by_lapack(m)

    def fast(places: Places) -> str:
        left, right = (_rows(m, i, m.place(i, stack, places)) for i in (0, 1))
        rows = [a + b for a, b in zip(left, right, strict=True)]
        return _store_solution(m, Elimination(m.code, rows), places)

    _first_in_registers(m, stack, fast, lambda: _solve_by_lapack(m))
    return "elimination"


def _store_solution(m: Matrices, elimination: Elimination, places: Places) -> str:
    """Eliminate and store the unknowns; the condition under which they are good."""
    (out,) = m.results
    good = elimination.run()
    begin = m.start(out, places)
    columns = out.shape[-1]
    for j in range(columns):
        found = elimination.solution(j)
        for i, value in enumerate(found):
            m.code.store(out.buffer, m.code.plus(begin, i * columns + j), value)
        good = finite(m.code, found, good)
    return good


def _solve_by_lapack(m: Matrices) -> str:
    (out,) = m.results
    *stack, n, k = out.shape
    factor, factors, pivots = lu(m, 0)
    right = m.space(n * k) if k > 1 else None
    one_matrix = math.prod(m.sources[0].shape[:-2]) == 1
    # One column each for one matrix are columns of one right-hand side.
    together = one_matrix and k == 1
    plain, size = m.letter("N"), m.number(n)
    count = m.number(math.prod(stack) if together else k)
    left = m.code.address(factors.buffer, 0)

    def insert(places: Places) -> None:
        at = m.place(1, stack, places)
        if right is None:
            m.by_columns(1, at, out, m.start(out, places))
        else:
            m.by_columns(1, at, right)

    def solve(places: Places) -> None:
        x = m.pointer(out, places) if right is None else m.code.address(right.buffer, 0)
        m.must(m.call("dgetrs", plain, size, count, left, size, pivots, x, size))
        if right is not None:
            m.by_rows(right, n, out, places)

    def body(places: Places) -> None:
        if not one_matrix:
            m.must(factor(m.place(0, stack, places)))
        insert(places)
        if not together:
            solve(places)

    if one_matrix:
        m.must(factor((0,) * len(m.sources[0].shape[:-2])))
    m.each(stack, body)
    if together:
        solve((0,) * len(stack))
    return "LAPACK dgesv"


def _inv(m: Matrices) -> str:
    (out,) = m.results
    *stack, n, _ = out.shape
    if _empty(out):
        return ""
    if n > LARGEST:
        return _inv_by_lapack(m)
    unit = [[constant(float(i == j), DOUBLE) for j in range(n)] for i in range(n)]

    def fast(places: Places) -> str:
        rows = [a + b for a, b in zip(_rows(m, 0, places), unit, strict=True)]
        return _store_solution(m, Elimination(m.code, rows), places)

    _first_in_registers(m, stack, fast, lambda: _inv_by_lapack(m))
    return "elimination"


def _inv_by_lapack(m: Matrices) -> str:
    (out,) = m.results
    *stack, n, _ = out.shape
    factor, factors, pivots = lu(m, 0)
    inverse = m.space(n * n)
    solve = inverted(m, n, factors, pivots, inverse)

    def body(places: Places) -> None:
        m.must(factor(places))
        solve()
        m.by_rows(inverse, n, out, places)

    m.each(stack, body)
    return "LAPACK dgesv"


def inverted(
    m: Matrices, n: int, factors: Stored, pivots: str, inverse: Stored
) -> Callable[[], None]:
    """Code that computes the inverse of a factored matrix, by columns."""
    plain, size = m.letter("N"), m.number(n)
    left, right = (m.code.address(each.buffer, 0) for each in (factors, inverse))

    def solve() -> None:
        fill(m.code, inverse, constant(0, DOUBLE))
        with m.code.loop(n) as i:
            m.code.store(inverse.buffer, m.code.times(i, n + 1), constant(1, DOUBLE))
        m.must(m.call("dgetrs", plain, size, size, left, size, pivots, right, size))

    return solve


# -- determinants ----------------------------------------------------------------------------------


class Diagonal:
    """What is read off the diagonal of the factors of a matrix, and off the exchanges of its rows.

    The sign and the logarithm of the determinant, and the determinant: the product itself if it
    cannot leave the range of its dtype on the way, or made of the other two, as NumPy does it.
    """

    def __init__(self, m: Matrices, n: int, factors: Stored, pivots: str) -> None:
        self.m, self.n, self.factors, self.pivots = m, n, factors, pivots
        self.slots = {name: m.code.slot(KIND) for name in ("sign", "log", "product")}
        self.safe = m.flag()

    def read(self) -> None:
        """Write the code."""
        m, code, kind = self.m, self.m.code, KIND
        starts = {"sign": 1, "log": 0, "product": 1}
        for name, slot in self.slots.items():
            code.statement(f"store {kind} {constant(starts[name], DOUBLE)}, ptr {slot}")
        code.statement(f"store i1 true, ptr {self.safe}")
        exponent = 1000 / self.n
        with code.loop(self.n) as i:
            value = m.lowering.read(self.factors.buffer, code.times(i, self.n + 1))
            size = code.intrinsic("llvm.fabs", kind, value)
            self._update("product", "fmul", value)
            self._update("log", "fadd", code.math("log", DOUBLE, size))
            whole = f"i{integer_bits()}"
            place = code.here(f"getelementptr {whole}, ptr {self.pivots}, i64 {code.number(i)}")
            exchanged = code.here(f"load {whole}, ptr {place}")
            own = code.number(i + 1)
            own = own if whole == "i64" else code.cast("trunc", "i64", own, whole)
            negative = code.op(f"fcmp olt {kind}", value, constant(0, DOUBLE))
            turns = code.op("xor i1", negative, code.op(f"icmp ne {whole}", exchanged, own))
            one, minus = (constant(c, DOUBLE) for c in (1, -1))
            self._update("sign", "fmul", code.select(turns, kind, minus, one))
            for how, limit in (("ogt", 2.0**-exponent), ("olt", 2.0**exponent)):
                within = code.op(f"fcmp {how} {kind}", size, constant(limit, DOUBLE))
                before = code.here(f"load i1, ptr {self.safe}")
                code.statement(f"store i1 {code.op('and i1', before, within)}, ptr {self.safe}")

    def _update(self, name: str, operation: str, value: str) -> None:
        code, kind, slot = self.m.code, KIND, self.slots[name]
        before = code.here(f"load {kind}, ptr {slot}")
        after = code.op(f"{operation} {kind}", before, value)
        code.statement(f"store {kind} {after}, ptr {slot}")

    def result(self, name: str) -> str:
        """``sign`` or ``log``."""
        return self.m.code.here(f"load {KIND}, ptr {self.slots[name]}")

    def determinant(self) -> str:
        """The determinant."""
        code, kind = self.m.code, KIND
        sign = self.result("sign")
        product = code.intrinsic("llvm.fabs", kind, self.result("product"))
        large = code.math("exp", DOUBLE, self.result("log"))
        safe = code.here(f"load i1, ptr {self.safe}")
        size = code.select(safe, kind, product, large)
        return code.op(f"fmul {kind}", sign, size)


def _by_factors(
    m: Matrices, singular: Sequence[float], read: Callable[[Diagonal], list[str]]
) -> str:
    """Results that are read off the factors; those of singular matrices are given."""
    *stack, n, _ = m.sources[0].shape
    factor, factors, pivots = lu(m, 0)
    diagonal = Diagonal(m, n, factors, pivots)

    def body(places: Places) -> None:
        info = factor(places)
        diagonal.read()
        zero = m.code.here(f"icmp sgt i64 {info}, 0")
        for result, value, other in zip(m.results, read(diagonal), singular, strict=True):
            value = m.code.select(zero, KIND, constant(other, DOUBLE), value)
            m.code.store(result.buffer, m.start(result, places), value)

    m.each(stack, body)
    return "LAPACK dgetrf"


def _determinant(
    m: Matrices,
    empty: Sequence[float],
    small: Callable[[Elimination], list[str]],
    general: Callable[[], str],
) -> str:
    """``det`` or ``slogdet``: of empty matrices, of small ones, and of all others."""
    *stack, n, _ = m.sources[0].shape
    if not math.prod(stack):
        return ""
    if not n:
        for result, value in zip(m.results, empty, strict=True):
            fill(m.code, result, constant(value, DOUBLE))
        return ""
    if n > LARGEST:
        return general()

    def fast(places: Places) -> str:
        elimination = Elimination(m.code, _rows(m, 0, places))
        good = elimination.run()
        found = small(elimination)
        for result, value in zip(m.results, found, strict=True):
            m.code.store(result.buffer, m.start(result, places), value)
        return finite(m.code, found, good)

    _first_in_registers(m, stack, fast, lambda: general())
    return "elimination"


def _det(m: Matrices) -> str:
    def general() -> str:
        return _by_factors(m, [0.0], lambda diagonal: [diagonal.determinant()])

    return _determinant(m, [1.0], lambda e: [e.determinant()], general)


def _slogdet(m: Matrices) -> str:
    def small(elimination: Elimination) -> list[str]:
        code, kind = m.code, KIND
        value = elimination.determinant()
        size = code.intrinsic("llvm.fabs", kind, value)
        sign = code.intrinsic("llvm.copysign", kind, constant(1, DOUBLE), value)
        return [sign, code.math("log", DOUBLE, size)]

    def general() -> str:
        return _by_factors(m, [0.0, -math.inf], lambda d: [d.result("sign"), d.result("log")])

    return _determinant(m, [1.0, 0.0], small, general)


# -- factorisations --------------------------------------------------------------------------------


def _cholesky(m: Matrices) -> str:
    (out,) = m.results
    *stack, n, _ = out.shape
    if _empty(out):
        return ""
    if n > LARGEST:
        return _cholesky_by_lapack(m)
    zero = constant(0, DOUBLE)

    def fast(places: Places) -> str:
        rows = [[m.element(0, places, i, j) for j in range(i + 1)] for i in range(n)]
        found, good = cholesky(m.code, rows)
        begin = m.start(out, places)
        for i, row in enumerate(found):
            for j, value in enumerate(row + [zero] * (n - len(row))):
                m.code.store(out.buffer, m.code.plus(begin, i * n + j), value)
        return finite(m.code, [x for row in found for x in row], good)

    _first_in_registers(m, stack, fast, lambda: _cholesky_by_lapack(m))
    return "elimination"


def _lower(m: Matrices, strict: bool = False) -> Callable[[Place, Place], str]:
    """Whether an element is in the lower triangle (an i1)."""

    def holds(i: Place, j: Place) -> str:
        how = "slt" if strict else "sle"
        return m.code.op(f"icmp {how} i64", m.code.number(j), m.code.number(i))

    return holds


def _cholesky_by_lapack(m: Matrices) -> str:
    """The lower triangle by rows is the upper one by columns; its factor replaces it."""
    (out,) = m.results
    *stack, n, _ = out.shape
    upper, size, inside = m.letter("U"), m.number(n), _lower(m)
    code = m.code

    def body(places: Places) -> None:
        begin = m.start(out, places)

        def move(i: Place, j: Place) -> None:
            value = m.element(0, places, i, j)
            value = code.select(inside(i, j), KIND, value, constant(0, DOUBLE))
            code.store(out.buffer, code.plus(begin, code.flat((i, j), (n, 1))), value)

        m.transfer(n, n, move)
        m.must(m.call("dpotrf", upper, size, m.pointer(out, places), size))

    m.each(stack, body)
    return "LAPACK dpotrf"


def _qr(m: Matrices) -> str:
    q, r = m.results
    *stack, rows, n = q.shape
    if _empty(q):
        return ""
    code = m.code
    factors, tau = m.space(rows * n), m.space(n)
    (first,) = m.workspace("dgeqrf", rows, n, None, rows, None, None, -1)
    (second,) = m.workspace("dorgqr", rows, n, n, None, rows, None, None, -1)
    length = max(first, second)
    a, t, work = (code.address(each.buffer, 0) for each in (factors, tau, m.space(length)))
    tall, wide, given = m.number(rows), m.number(n), m.number(length)
    below = _lower(m, strict=True)

    def body(places: Places) -> None:
        m.by_columns(0, places, factors)
        m.must(m.call("dgeqrf", tall, wide, a, tall, t, work, given))
        m.by_rows(factors, rows, r, places, lambda i, j: code.op("xor i1", below(i, j), "true"))
        m.must(m.call("dorgqr", tall, wide, wide, a, tall, t, work, given))
        m.by_rows(factors, rows, q, places)

    m.each(stack, body)
    return "LAPACK dgeqrf"


# -- eigenvalues and singular values ---------------------------------------------------------------


def _eigenvalues(m: Matrices) -> str:
    w, *vectors = m.results
    *stack, n = w.shape
    if _empty(w):
        return ""
    how, triangle = ("V" if vectors else "N"), m.equation.params["uplo"]
    sizes = m.workspace("dsyevd", how, triangle, n, None, n, None, None, -1, None, -1)
    matrix, work, whole = m.space(n * n), m.space(sizes[0]), m.space(sizes[1], INT)
    a, x, y = (m.code.address(each.buffer, 0) for each in (matrix, work, whole))
    size, lengths = m.number(n), [m.number(each) for each in sizes]
    letters = m.letter(how), m.letter(triangle)

    def body(places: Places) -> None:
        m.by_columns(0, places, matrix)
        values = m.pointer(w, places)
        m.must(m.call("dsyevd", *letters, size, a, size, values, x, lengths[0], y, lengths[1]))
        for v in vectors:
            m.by_rows(matrix, n, v, places)

    m.each(stack, body)
    return "LAPACK dsyevd"


def _singular_values(m: Matrices) -> str:
    if len(m.results) == 1:
        (s,), vectors = m.results, ()
    else:
        u, s, vh = m.results
        vectors = (u, vh)
    *stack, rows, columns = m.sources[0].shape
    if _empty(s):
        return ""
    k = min(rows, columns)
    how, code = ("S" if vectors else "N"), m.code
    (length,) = m.workspace(
        "dgesdd", how, rows, columns, None, rows, None, None, rows, None, k, None, -1, None
    )
    spaces = [rows * columns, rows * k, k * columns, length]
    matrix, left, right, work = map(m.space, spaces if vectors else [spaces[0], 1, 1, length])
    a, x, y, z = (code.address(each.buffer, 0) for each in (matrix, left, right, work))
    whole = code.address(m.space(8 * k, INT).buffer, 0)
    letter = m.letter(how)
    tall, wide, few, given = (m.number(each) for each in (rows, columns, k, length))

    def body(places: Places) -> None:
        m.by_columns(0, places, matrix)
        values = m.pointer(s, places)
        m.must(
            m.call("dgesdd", letter, tall, wide, a, tall, values, x, tall, y, few, z, given, whole)
        )
        for source, leading, result in zip((left, right), (rows, k), vectors, strict=False):
            m.by_rows(source, leading, result, places)

    m.each(stack, body)
    return "LAPACK dgesdd"


_RULES: dict[Any, Make] = {
    linalg.solve: _solve,
    linalg.inv: _inv,
    determinants.det: _det,
    determinants.slogdet: _slogdet,
    linalg.cholesky: _cholesky,
    linalg.qr: _qr,
    spectra.eigh: _eigenvalues,
    spectra.eigvalsh: _eigenvalues,
    spectra.svd: _singular_values,
    spectra.svdvals: _singular_values,
}
for _primitive, _make in _RULES.items():
    step(_primitive)(_step(_make))
