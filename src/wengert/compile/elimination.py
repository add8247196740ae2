"""Linear systems and factorisations of the smallest matrices, in registers.

For matrices of up to ``LARGEST`` rows the call of a library takes much longer than the arithmetic.
Rows are exchanged by selecting, so there is no branch, and loops over stacks run on vectors. The
method is LAPACK's: elimination with partial pivoting. Where a pivot is so small beside the matrix
that rounding may decide whether it is singular, or numbers are so large or small that a product of
them could leave the range, or not finite, the condition that goes with the result does not hold:
then LAPACK is to be asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .emit import Code, constant, register

__all__ = ["LARGEST", "Elimination", "cholesky", "finite"]

DOUBLE = np.dtype(np.float64)
KIND = register(DOUBLE)

LARGEST = 4
"""Matrices of up to this many rows are eliminated in registers."""

NEGLIGIBLE = 2.0**-44
"""Beside the greatest element a pivot of less than this may be nothing but rounding."""

WIDE = 2.0**250
"""A product of four numbers of up to this size, or of their reciprocals, is in range."""


@dataclass(eq=False)
class Elimination:
    """Rows of registers being eliminated: those of a matrix, with right-hand sides beside it."""

    code: Code
    rows: list[list[str]]
    swapped: str = "false"
    reciprocals: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.matrix = [row[: len(self.rows)] for row in self.rows]

    def run(self) -> str:
        """Eliminate below the diagonal. The condition (an i1) under which the result is good."""
        code, rows = self.code, self.rows
        for c in range(len(rows)):
            for r in range(c + 1, len(rows)):
                self._exchange(c, r)
            one = constant(1, DOUBLE)
            self.reciprocals.append(code.op(f"fdiv {KIND}", one, rows[c][c]))
            for r in range(c + 1, len(rows)):
                factor = self.multiplied(rows[r][c], self.reciprocals[c])
                for j in range(c + 1, len(rows[r])):
                    rows[r][j] = self.reduced(rows[r][j], factor, rows[c][j])
        pivots = [rows[c][c] for c in range(len(rows))]
        return _sound(code, self.matrix, pivots)

    def _exchange(self, c: int, r: int) -> None:
        """Let row c be that of the greater element in column c."""
        code = self.code
        here, there = self.rows[c], self.rows[r]
        sizes = [code.intrinsic("llvm.fabs", KIND, row[c]) for row in (there, here)]
        greater = code.op(f"fcmp ogt {KIND}", *sizes)
        for j in range(c, len(here)):
            x, y = here[j], there[j]
            here[j], there[j] = (
                code.select(greater, KIND, y, x),
                code.select(greater, KIND, x, y),
            )
        self.swapped = code.op("xor i1", self.swapped, greater)

    def solution(self, column: int) -> list[str]:
        """The unknowns for one of the right-hand sides."""
        n = len(self.rows)
        found = [""] * n
        for i in reversed(range(n)):
            value = self.rows[i][n + column]
            for j in range(i + 1, n):
                value = self.reduced(value, self.rows[i][j], found[j])
            found[i] = self.multiplied(value, self.reciprocals[i])
        return found

    def determinant(self) -> str:
        """The product of the pivots, with the sign of the exchanges."""
        found = self.rows[0][0]
        for c in range(1, len(self.rows)):
            found = self.multiplied(found, self.rows[c][c])
        negative = self.code.op(f"fneg {KIND}", found)
        return self.code.select(self.swapped, KIND, negative, found)

    def multiplied(self, x: str, y: str) -> str:
        return self.code.op(f"fmul contract {KIND}", x, y)

    def reduced(self, x: str, y: str, z: str) -> str:
        """x - y z."""
        return self.code.op(f"fsub contract {KIND}", x, self.multiplied(y, z))


def _sound(code: Code, matrix: Sequence[Sequence[str]], pivots: Sequence[str]) -> str:
    """Whether a matrix and its pivots are of moderate size, and none of these is nearly zero."""
    largest = ""
    for value in (x for row in matrix for x in row):
        size = code.intrinsic("llvm.fabs", KIND, value)
        largest = code.intrinsic("llvm.maxnum", KIND, largest, size) if largest else size
    least = ""
    for pivot in pivots:
        size = code.intrinsic("llvm.fabs", KIND, pivot)
        least = code.intrinsic("llvm.minimum", KIND, least, size) if least else size
    bound = code.op(f"fmul {KIND}", largest, constant(NEGLIGIBLE, DOUBLE))
    good = code.op(f"fcmp ogt {KIND}", least, bound)
    for how, limit in (("ogt", 1 / WIDE), ("olt", WIDE)):
        within = code.op(f"fcmp {how} {KIND}", largest, constant(limit, DOUBLE))
        good = code.op("and i1", good, within)
    return good


def finite(code: Code, values: Sequence[str], good: str) -> str:
    """Whether numbers are all finite, and a condition holds."""
    for value in values:
        size = code.intrinsic("llvm.fabs", KIND, value)
        within = code.op(f"fcmp olt {KIND}", size, constant(np.inf, DOUBLE))
        good = code.op("and i1", good, within)
    return good


def cholesky(code: Code, rows: list[list[str]]) -> tuple[list[list[str]], str]:
    """The lower factor of a matrix whose lower triangle is given, and whether it is good."""
    given = [list(row) for row in rows]
    pivots: list[str] = []
    one = constant(1, DOUBLE)
    for c in range(len(rows)):
        pivots.append(rows[c][c])
        root = code.intrinsic("llvm.sqrt", KIND, rows[c][c])
        reciprocal = code.op(f"fdiv {KIND}", one, root)
        rows[c][c] = root
        for r in range(c + 1, len(rows)):
            rows[r][c] = code.op(f"fmul contract {KIND}", rows[r][c], reciprocal)
        for r in range(c + 1, len(rows)):
            for j in range(c + 1, r + 1):
                product = code.op(f"fmul contract {KIND}", rows[r][c], rows[j][c])
                rows[r][j] = code.op(f"fsub contract {KIND}", rows[r][j], product)
    good = _sound(code, given, pivots)
    for pivot in pivots:
        positive = code.op(f"fcmp ogt {KIND}", pivot, constant(0, DOUBLE))
        good = code.op("and i1", good, positive)
    return rows, good
