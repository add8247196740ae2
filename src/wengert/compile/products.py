"""Products that sum over axes: loops over the letters of an einsum, or BLAS where that is faster."""

from __future__ import annotations

import math
import string
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..primitives import contract
from ..program import Atom, Equation
from .combine import combine, identity
from .elements import Scope, Stored, converted, row_major
from .emit import Code, Place, constant, register
from .kernels import fill
from .lower import Lowering, Targets, step

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
    target = targets.of(out) if out.type.shape else None
    if not math.prod(product.lengths.values()):
        if target is None:
            scope.registers[out] = constant(0, dtype)
        else:
            fill(scope, target, constant(0, dtype))
    elif target is None or not _by_blas(lowering, scope, equation, product, target):
        _by_loops(scope, equation, product, target)
        lowering.report.note(equation, "loop", domain=tuple(product.lengths.values()))
    else:
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


def _by_loops(scope: Scope, equation: Equation, product: _Product, target: Stored | None) -> None:
    code = scope.code
    out = equation.outputs[0]
    dtype = out.type.dtype
    order = _order(scope, product)
    summed = product.summed
    suffix = len(order)
    while suffix and order[suffix - 1] in summed:
        suffix -= 1
    in_memory = any(letter in summed for letter in order[:suffix])
    kind = register(dtype)
    zero = identity("sum", dtype)
    if in_memory:
        assert target is not None
        fill(scope, target, zero)
    slot = code.slot(kind)
    at: dict[str, Place] = {}

    def element() -> str:
        found: str | None = None
        for atom, letters in product.operands:
            places = tuple(
                0 if n == 1 else at[c] for c, n in zip(letters, atom.type.shape, strict=True)
            )
            value = converted(code, scope.element(atom, places), atom.type.dtype, dtype)
            found = value if found is None else combine("prod", code, found, value, dtype)
        assert found is not None
        return found

    def add_to_memory(value: str) -> None:
        assert target is not None
        place = code.flat(tuple(at[c] for c in product.out), target.strides) + target.offset
        if in_memory:
            pointer = code.address(target.buffer, place)
            group = code.frames[-1].group
            tail = f", !llvm.access.group {group}" if group else ""
            before = code.here(f"load {kind}, ptr {pointer}, align {dtype.itemsize}{tail}")
            value = _added(code, before, value, dtype)
        code.store(target.buffer, place, value)

    def level(depth: int) -> None:
        if depth == suffix:
            if suffix == len(order):
                add_to_memory(element())
                return
            code.statement(f"store {kind} {zero}, ptr {slot}")
            inner(depth)
            total = code.here(f"load {kind}, ptr {slot}")
            if target is None:
                scope.registers[out] = total
            else:
                add_to_memory(total)
            return
        _loop(depth, level)

    def inner(depth: int) -> None:
        if depth == len(order):
            before = code.here(f"load {kind}, ptr {slot}")
            value = _added(code, before, element(), dtype)
            code.statement(f"store {kind} {value}, ptr {slot}")
            return
        _loop(depth, inner)

    def _loop(depth: int, then: Any) -> None:
        letter = order[depth]
        if product.lengths[letter] == 1:
            at[letter] = 0
            then(depth + 1)
            return
        with code.loop(product.lengths[letter], parallel=depth == len(order) - 1) as i:
            at[letter] = i
            then(depth + 1)

    level(0)


def _added(code: Code, total: str, term: str, dtype: np.dtype[Any]) -> str:
    """A sum of products, fused into one operation where the CPU can, in any order."""
    if dtype.kind == "f":
        return code.op(f"fadd reassoc contract {register(dtype)}", total, term)
    return combine("sum", code, total, term, dtype)


# -- BLAS ------------------------------------------------------------------------------------------

_LETTER = {"float64": "d", "float32": "s"}


@dataclass(frozen=True, slots=True)
class _Matrix:
    """A stack of matrices as BLAS takes them: leading dimension, and whether rows are contiguous."""

    stored: Stored
    leading: int
    by_rows: bool
    stack: tuple[int, ...]


def _matrix(lowering: Lowering, scope: Scope, atom: Atom) -> _Matrix:
    found = scope.where(atom)
    if found is not None:
        rows, columns = found.shape[-2:]
        a, b = found.strides[-2:]
        if (b == 1 or columns == 1) and (a >= max(1, columns) or rows == 1):
            return _Matrix(found, max(a, columns, 1), True, found.strides[:-2])
        if (a == 1 or rows == 1) and (b >= max(1, rows) or columns == 1):
            return _Matrix(found, max(b, rows, 1), False, found.strides[:-2])
    found = lowering.stored(scope, atom)
    return _Matrix(found, max(1, found.shape[-1]), True, found.strides[:-2])


def _by_blas(
    lowering: Lowering, scope: Scope, equation: Equation, product: _Product, target: Stored
) -> bool:
    """C = A B for each of a stack, by gemm: in BLAS's order of columns that is Cᵀ = Bᵀ Aᵀ."""
    if equation.primitive is not contract.matmul:
        return False
    x, y = equation.inputs
    dtype = target.buffer.dtype
    same = x.type.dtype == y.type.dtype == dtype and dtype.name in _LETTER
    m, n, k = (product.lengths.get(c, 0) for c in "IJK")
    if not same or not m or not n or m * n * k < BLAS or min(m, n, k) < 4:
        return False
    left, right = _matrix(lowering, scope, x), _matrix(lowering, scope, y)
    stack = product.out[:-2]
    if len(y.type.shape) == 2 and left.by_rows and left.stored.contiguous and target.contiguous:
        # One product for the whole stack: its matrices stand below one another.
        m, stack = math.prod(x.type.shape[:-1]), ""
    code = lowering.code
    name = _LETTER[dtype.name]
    function = f"blas_{name}gemm"
    lowering.module.declare(
        function,
        f"declare void @{function}(ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr)",
    )

    def number(kind: str, value: Any) -> str:
        slot = code.slot(kind)
        code.allocas.append(f"  store {kind} {value}, ptr {slot}")
        return slot

    def flag(by_rows: bool) -> str:
        return number("i8", ord("N" if by_rows else "T"))

    kind = register(dtype)
    one, zero = (number(kind, constant(v, dtype)) for v in (1, 0))
    arguments = (
        flag(right.by_rows),
        flag(left.by_rows),
        number("i32", n),
        number("i32", m),
        number("i32", k),
        one,
    )
    sizes = tuple(number("i32", v) for v in (right.leading, left.leading, n))

    def call(at: dict[str, Place]) -> None:
        def pointer(matrix: _Matrix, atom: Atom) -> str:
            lengths = atom.type.shape[:-2] if stack else ()
            skip = len(stack) - len(lengths)
            places = tuple(0 if n == 1 else at[stack[skip + i]] for i, n in enumerate(lengths))
            place = code.flat(places, matrix.stack[: len(places)]) + matrix.stored.offset
            return code.address(matrix.stored.buffer, place)

        a, b = pointer(left, x), pointer(right, y)
        places = tuple(at[c] for c in stack)
        place = code.flat(places, target.strides[: len(places)]) + target.offset
        c = code.address(target.buffer, place)
        given = [*arguments, b, sizes[0], a, sizes[1], zero, c, sizes[2]]
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
    return True
