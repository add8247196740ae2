"""Products that sum over axes: loops over an einsum's letters, or BLAS where that is faster."""

from __future__ import annotations

import math
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..primitives import contract
from ..program import Atom, Equation
from . import pairwise
from .combine import combine, identity
from .elements import Scope, converted
from .emit import INTERLEAVE, Code, Place, constant, register
from .lower import Lowering, Targets, step
from .nests import block, fill
from .pairwise import Stack
from .places import operand_places
from .rows import BlocksOfRows, Memory, RowSum, room
from .views import Stored, reshaped, row_major

__all__: list[str] = []

BLAS = 1 << 12
"""From this many products on, matrices are multiplied by BLAS."""


@dataclass(frozen=True, slots=True)
class _Product:
    """Operands and result with a letter for each axis."""

    operands: tuple[tuple[Atom, str], ...]
    out: str
    lengths: dict[str, int]

    @property
    def summed(self) -> str:
        return "".join(letter for letter in self.lengths if letter not in self.out)


def _letters(equation: Equation) -> _Product:
    if equation.primitive is contract.einsum:
        labels, out = equation.params["labels"], equation.params["out"]
        operands = tuple(zip(equation.inputs, labels, strict=True))
    else:
        x, y = equation.inputs
        m, n = len(x.type.shape), len(y.type.shape)
        depth = max(m, n, 2) - 2
        stack = string.ascii_lowercase[:depth]
        a = stack[depth - max(0, m - 2) :] + ("I" if m > 1 else "") + "K"
        b = stack[depth - max(0, n - 2) :] + "K" + ("J" if n > 1 else "")
        out = stack + ("I" if m > 1 else "") + ("J" if n > 1 else "")
        operands = ((x, a), (y, b))
    lengths: dict[str, int] = {}
    for atom, letters in operands:
        for letter, length in zip(letters, atom.type.shape, strict=True):
            lengths[letter] = length if length != 1 else lengths.get(letter, 1)
    return _Product(operands, out, lengths)


@step(contract.matmul, contract.einsum)
def _product(lowering: Lowering, scope: Scope, equation: Equation, targets: Targets) -> None:
    product = _letters(equation)
    out = equation.outputs[0]
    dtype = out.type.dtype
    blas = _for_blas(equation, product)

    def fits(found: Stored) -> bool:
        return not blas or _destination(equation, found) is not None

    target = targets.place(out, fits) if out.type.shape else None
    if not math.prod(product.lengths.values()):
        if target is None:
            scope.registers[out] = constant(0, dtype)
        else:
            fill(scope.code, target, constant(0, dtype))
    elif target is None or not blas:
        with lowering.lent() as memory:
            _Loops(scope, equation, product, target, memory).write()
        lowering.report.note(equation, "loop", domain=tuple(product.lengths.values()))
    else:
        _by_blas(lowering, scope, equation, product, target)
        lowering.report.note(equation, "library", f"BLAS {_LETTER[dtype.name]}gemm")
    if target is not None:
        scope.stored[out] = target


# -- loops -----------------------------------------------------------------------------------------


def _stride(scope: Scope, atom: Atom, letters: str, letter: str) -> int:
    """How far apart neighbours along a letter lie; 0 if the operand does not have it."""
    found = scope.where(atom)
    strides = found.strides if found is not None else row_major(atom.type.shape)
    return sum(
        stride
        for at, stride, n in zip(letters, strides, atom.type.shape, strict=True)
        if at == letter and n > 1
    )


def _order(scope: Scope, product: _Product) -> str:
    """The letters from the outermost loop to the innermost, along which memory is read in order."""

    def score(letter: str) -> tuple[int, int]:
        near = sum(
            _stride(scope, atom, letters, letter) in (0, 1) for atom, letters in product.operands
        )
        return near, product.lengths[letter]

    summed = product.summed
    last_out = product.out[-1:] if product.out else ""
    best = max(summed, key=score) if summed else ""
    if summed and (not last_out or score(best) >= score(last_out)):
        return product.out + "".join(c for c in summed if c != best) + best
    return product.out[:-1] + summed + last_out


class _Loops:
    """Loops over all letters of a product; sums are kept in a slot, or in the result's memory."""

    def __init__(
        self,
        scope: Scope,
        equation: Equation,
        product: _Product,
        target: Stored | None,
        memory: Memory,
    ) -> None:
        self.scope = scope
        self.memory = memory
        self.out = equation.outputs[0]
        self.dtype = self.out.type.dtype
        self.kind = register(self.dtype)
        self.product = product
        self.target = target
        self.order = _order(scope, product)
        self.suffix = len(self.order)
        while self.suffix and self.order[self.suffix - 1] in product.summed:
            self.suffix -= 1
        before = self.order[: self.suffix]
        self.in_memory = any(letter in product.summed for letter in before)
        self.slot = scope.code.slot(self.kind)
        self.stack: Stack | None = None
        self.block = self._block()
        self.at: dict[str, Place] = {}
        summed = [c for c in before if c in product.summed and product.lengths[c] > 1]
        self.rows = self.order.index(summed[0]) if summed and self.dtype.kind == "f" else -1
        """The loop that goes in blocks of rows, where sums are kept in memory."""

    def _block(self) -> tuple[int, int]:
        """The loop that goes in blocks, or -1, and how many of its places are a block."""
        summed = self.order[self.suffix :]
        if not summed or self.dtype.kind != "f":
            return -1, 0
        lengths = [self.product.lengths[letter] for letter in summed]
        steps = [
            _stride(self.scope, atom, letters, summed[-1])
            for atom, letters in self.product.operands
        ]
        near = all(map(pairwise.is_near, steps))
        found = pairwise.blocked(lengths, self.dtype, 4, vectorised=near)
        if found is None:
            return -1, 0
        self.stack = Stack(self.scope.code, self.dtype, math.prod(lengths))
        return self.suffix + found[0], found[1]

    def write(self) -> None:
        """Write the loops."""
        if self.in_memory:
            assert self.target is not None
            fill(self.scope.code, self.target, identity("sum", self.dtype))
        self._outer(0)

    def _element(self) -> str:
        """One product."""
        code, found = self.scope.code, ""
        for atom, letters in self.product.operands:
            places = tuple(
                0 if n == 1 else self.at[c] for c, n in zip(letters, atom.type.shape, strict=True)
            )
            value = self.scope.element(atom, places)
            value = converted(code, value, atom.type.dtype, self.dtype)
            found = combine("prod", code, found, value, self.dtype) if found else value
        return found

    def _deliver(self, value: str) -> None:
        """Put a sum where it belongs."""
        code, target = self.scope.code, self.target
        if target is None:
            self.scope.registers[self.out] = value
            return
        places = tuple(self.at[c] for c in self.product.out)
        place = code.flat(places, target.strides) + target.offset
        if self.in_memory:
            pointer = code.address(target.buffer, place)
            group = code.frames[-1].group
            tail = f", !llvm.access.group {group}" if group else ""
            text = f"load {self.kind}, ptr {pointer}, align {self.dtype.itemsize}{tail}"
            value = _added(code, code.here(text), value, self.dtype)
        code.store(target.buffer, place, value)

    def _outer(self, depth: int) -> None:
        """The loops before those that are all summed over."""
        if depth < self.suffix:
            self._loop(depth, self._outer)
        elif depth == len(self.order):
            self._deliver(self._element())
        elif self.stack is not None:
            self.stack.clear()
            self._inner(depth)
            self._deliver(self.stack.total())
        else:
            self._begin()
            self._inner(depth)
            self._deliver(self._read())

    def _begin(self) -> None:
        zero = identity("sum", self.dtype)
        self.scope.code.statement(f"store {self.kind} {zero}, ptr {self.slot}")

    def _read(self) -> str:
        return self.scope.code.here(f"load {self.kind}, ptr {self.slot}")

    def _inner(self, depth: int) -> None:
        """The loops that are summed over, into the slot."""
        if depth < len(self.order):
            self._loop(depth, self._inner)
            return
        code = self.scope.code
        value = _added(code, self._read(), self._element(), self.dtype)
        code.statement(f"store {self.kind} {value}, ptr {self.slot}")

    def _loop(self, depth: int, then: Callable[[int], None]) -> None:
        letter = self.order[depth]
        length = self.product.lengths[letter]
        if length == 1:
            self.at[letter] = 0
            then(depth + 1)
            return
        innermost = depth == len(self.order) - 1
        hints = [INTERLEAVE] if innermost and letter in self.product.summed else []
        code = self.scope.code
        rows = self._row_sum(depth) if depth == self.rows else None
        if rows is not None:
            with BlocksOfRows(code, 0, length, [rows]) as i:
                self.at[letter] = i
                then(depth + 1)
            return
        if self.stack is None or depth != self.block[0]:
            with code.loop(length, parallel=innermost, hints=hints) as i:
                self.at[letter] = i
                then(depth + 1)
            return
        size = self.block[1]
        with code.loop(length, step=size) as first:
            self._begin()
            start = code.number(first)
            with block(code, start, length, size, hints, parallel=innermost) as i:
                self.at[letter] = i
                then(depth + 1)
            self.stack.push(self._read())

    def _row_sum(self, depth: int) -> RowSum | None:
        """The sum in memory, in blocks of rows, inside of the loops around."""
        target, lengths, out = self.target, self.product.lengths, self.product.out
        assert target is not None
        fixed = {i: self.at[c] for i, c in enumerate(out) if c in self.order[:depth]}
        shape = [1 if i in fixed else n for i, n in enumerate(target.shape)]
        own = room(self.scope.code, shape, self.dtype, lengths[self.order[depth]], self.memory)
        return None if own is None else RowSum(own, target, fixed, self._goes_to)

    def _goes_to(self, target: Stored) -> None:
        self.target = target


def _added(code: Code, total: str, term: str, dtype: np.dtype[Any]) -> str:
    """A sum of products, fused into one operation where the CPU can, in any order."""
    if dtype.kind == "f":
        return code.op(f"fadd reassoc contract {register(dtype)}", total, term)
    return combine("sum", code, total, term, dtype)


# -- BLAS ------------------------------------------------------------------------------------------

_LETTER = {"float64": "d", "float32": "s"}


@dataclass(frozen=True, slots=True)
class _Matrix:
    """A stack of matrices as BLAS takes them: the leading dimension, and which way they lie."""

    stored: Stored
    leading: int
    by_rows: bool


def _as_matrix(found: Stored) -> _Matrix | None:
    """What lies in memory as BLAS takes it, if it does."""
    rows, columns = found.shape[-2:]
    a, b = found.strides[-2:]
    if (b == 1 or columns == 1) and (a >= max(1, columns) or rows == 1):
        return _Matrix(found, max(a, columns, 1), True)
    if (a == 1 or rows == 1) and (b >= max(1, rows) or columns == 1):
        return _Matrix(found, max(b, rows, 1), False)
    return None


def _matrix(lowering: Lowering, scope: Scope, atom: Atom) -> _Matrix:
    """An operand as BLAS takes it: copied, if it lies in another way."""
    where = scope.where(atom)
    found = None if where is None else _as_matrix(where)
    return found or _Matrix(lowering.stored(scope, atom), max(1, atom.type.shape[-1]), True)


def _merged(found: Stored) -> _Matrix | None:
    """A stack of matrices below one another, as one matrix, if they lie so."""
    layout = reshaped(found.layout, (math.prod(found.shape[:-1]), found.shape[-1]))
    return None if layout is None else _as_matrix(found.at(layout))


def _is_one(equation: Equation) -> bool:
    """Whether the products of a stack are one: its matrices times the same one."""
    x, y = equation.inputs
    return len(y.type.shape) == 2 < len(x.type.shape)


def _for_blas(equation: Equation, product: _Product) -> bool:
    """Whether BLAS multiplies the matrices, as they are not small."""
    x, y = equation.inputs[0], equation.inputs[-1]
    dtype = equation.outputs[0].type.dtype
    same = x.type.dtype == y.type.dtype == dtype and dtype.name in _LETTER
    if equation.primitive is not contract.matmul or not same:
        return False
    m, n, k = (product.lengths.get(c, 0) for c in "IJK")
    if m and _is_one(equation):
        m = math.prod(x.type.shape[:-1])
    return min(m, n, k) >= 4 and m * n * k >= BLAS


def _destination(equation: Equation, target: Stored) -> _Matrix | None:
    """The memory of a result as BLAS writes it, if it can."""
    return _merged(target) if _is_one(equation) else _as_matrix(target)


def _by_blas(
    lowering: Lowering, scope: Scope, equation: Equation, product: _Product, target: Stored
) -> None:
    """C = A B for each of a stack, by gemm, or for all of it at once.

    A matrix that lies by rows is its transpose to BLAS; as a result it is Cᵀ = Bᵀ Aᵀ.
    """
    x, y = equation.inputs
    dtype = target.buffer.dtype
    m, n, k = (product.lengths[c] for c in "IJK")
    stack = product.out[:-2]
    left, right = _matrix(lowering, scope, x), _matrix(lowering, scope, y)
    result = _destination(equation, target)
    assert result is not None
    if _is_one(equation):
        left = _merged(left.stored) or _merged(lowering.copied(scope, x))
        assert left is not None
        m, stack = math.prod(x.type.shape[:-1]), ""
    code = lowering.code
    name = _LETTER[dtype.name]
    function = f"blas_{name}gemm"
    lowering.module.declare(
        function,
        f"declare void @{function}({', '.join(['ptr'] * 13)})",
    )

    def number(kind: str, value: Any) -> str:
        return lowering.module.fixed(kind, str(value))

    def flag(matrix: _Matrix) -> str:
        return number("i8", ord("N" if matrix.by_rows == result.by_rows else "T"))

    kind = register(dtype)
    one, zero = (number(kind, constant(v, dtype)) for v in (1, 0))
    first, second = (right, left) if result.by_rows else (left, right)
    lengths = (n, m, k) if result.by_rows else (m, n, k)
    # BLAS reads 32 or 64 bits, least significant ones first.
    arguments = (flag(first), flag(second), *(number("i64", v) for v in lengths), one)
    sizes = tuple(number("i64", each.leading) for each in (first, second, result))

    def call(at: dict[str, Place]) -> None:
        def pointer(matrix: _Matrix) -> str:
            places = tuple(at[c] for c in stack)
            lengths = matrix.stored.shape[:-2]
            at_stack = operand_places(lengths, [product.lengths[c] for c in stack], places)
            place = code.flat(at_stack, matrix.stored.strides[:-2]) + matrix.stored.offset
            return code.address(matrix.stored.buffer, place)

        a, b, c = pointer(first), pointer(second), pointer(result)
        given = [*arguments, a, sizes[0], b, sizes[1], zero, c, sizes[2]]
        code.statement(f"call void @{function}({', '.join(f'ptr {g}' for g in given)})")

    def level(depth: int, at: dict[str, Place]) -> None:
        if depth == len(stack):
            call(at)
        elif product.lengths[stack[depth]] == 1:
            level(depth + 1, {**at, stack[depth]: 0})
        else:
            with code.loop(product.lengths[stack[depth]]) as i:
                level(depth + 1, {**at, stack[depth]: i})

    level(0, {})
