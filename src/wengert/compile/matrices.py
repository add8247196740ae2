"""Stacks of matrices in compiled code: reaching into them, workspace, and calls of LAPACK.

LAPACK keeps matrices by columns, as Fortran does, and in that form NumPy hands its own to it. So
does this code: the same routine on the same matrix makes the same choices of pivots and of signs.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..program import Atom, Equation
from .blas import routine
from .elements import Scope, converted
from .emit import Place, constant, is_compiled, register
from .lower import EVALUATE, Lowering, Targets
from .nests import Places, loops
from .views import Stored

__all__ = ["DOUBLE", "INT", "KIND", "Matrices", "Places"]

DOUBLE = np.dtype(np.float64)
"""Linear algebra is computed in float64, as NumPy does it for float32 and integers too."""

KIND = register(DOUBLE)

INT = np.dtype(np.int64)
"""What LAPACK's integers fit into."""


class Matrices:
    """The code of one equation on matrices: its operands, its results, and what it needs between.

    The leading axes are a stack; ``each`` writes code that runs for every matrix of it.
    """

    def __init__(
        self, lowering: Lowering, scope: Scope, equation: Equation, targets: Targets
    ) -> None:
        self.lowering = lowering
        self.code = lowering.code
        self.scope = scope
        self.equation = equation
        self._parts: list[tuple[int, int]] = []
        self.sources = [self._operand(atom) for atom in equation.inputs]
        self._targets = [targets.of(var) for var in equation.outputs]
        self.results = [
            target if target.buffer.dtype == DOUBLE else self.memory(target.shape, DOUBLE)
            for target in self._targets
        ]

    def _operand(self, atom: Atom) -> Stored:
        found = self.scope.where(atom)
        return self.lowering.stored(self.scope, atom) if found is None else found

    def finish(self, how: str) -> None:
        """Hand over the results and give the workspace back; ``how`` names what was called."""
        outputs = zip(self.equation.outputs, self.results, self._targets, strict=True)
        for var, computed, result in outputs:
            if computed is not result:
                self._round(computed, result)
            if not var.type.shape and is_compiled(var.type.dtype):
                self.scope.registers[var] = self.lowering.read(result.buffer, result.offset)
            else:
                self.scope.stored[var] = result
        for part in self._parts:
            self.lowering.arena.give(part)
        kind = "library" if how.startswith("LAPACK") else "native"
        self.lowering.report.note(self.equation, kind, how)

    def _round(self, computed: Stored, result: Stored) -> None:
        """Write a result in its own dtype."""

        def body(places: Places) -> None:
            value = self.lowering.read(computed.buffer, self.code.flat(places, computed.strides))
            value = converted(self.code, value, DOUBLE, result.buffer.dtype)
            self.code.store(result.buffer, self.start(result, places), value)

        loops(self.code, result.shape, body, parallel=True)

    # -- stacks ----------------------------------------------------------------------------------

    def each(self, stack: Sequence[int], body: Callable[[Places], None]) -> None:
        """Write code that runs for each matrix of a stack."""
        loops(self.code, stack, body, parallel=False)

    def place(self, number: int, stack: Sequence[int], places: Places) -> Places:
        """The place in the stack of an operand that goes with one in the result's stack."""
        lengths = self.sources[number].shape[:-2]
        skip = len(stack) - len(lengths)
        return tuple(0 if n == 1 else places[skip + i] for i, n in enumerate(lengths))

    def element(self, number: int, places: Places, i: Place, j: Place) -> str:
        """An element of an operand, as float64."""
        value = self.scope.load(self.sources[number], (*places, i, j))
        source = self.sources[number].buffer.dtype
        return converted(self.code, value, source, DOUBLE)

    def start(self, result: Stored, places: Places) -> Place:
        """Where in a result's memory its part for one matrix begins."""
        return self.code.flat(places, result.strides[: len(places)]) + result.offset

    def pointer(self, result: Stored, places: Places) -> str:
        """Pointer to a result's part for one matrix."""
        return self.code.address(result.buffer, self.start(result, places))

    # -- workspace -------------------------------------------------------------------------------

    def space(self, size: int, dtype: np.dtype[Any] = DOUBLE) -> Stored:
        """Memory that is needed until the end of the equation."""
        return self.memory((size,), dtype)

    def memory(self, lengths: Sequence[int], dtype: np.dtype[Any]) -> Stored:
        """Memory for an array, until the end of the equation."""
        stored, part = self.lowering.memory(lengths, dtype)
        self._parts.extend([part] if part is not None else [])
        return stored

    def transfer(self, rows: int, columns: int, move: Callable[[Place, Place], None]) -> None:
        """``move(i, j)`` for all elements of a matrix."""
        code = self.code
        if rows * columns <= 4:
            for i in range(rows):
                for j in range(columns):
                    move(i, j)
        else:
            with code.loop(rows) as i, code.loop(columns, parallel=True) as j:
                move(i, j)

    def by_columns(self, number: int, places: Places, target: Stored, begin: Place = 0) -> None:
        """Copy a matrix of an operand into memory, by columns."""
        rows, columns = self.sources[number].shape[-2:]

        def move(i: Place, j: Place) -> None:
            place = self.code.plus(begin, self.code.flat((i, j), (1, rows)))
            self.code.store(target.buffer, place, self.element(number, places, i, j))

        self.transfer(rows, columns, move)

    def by_rows(
        self,
        source: Stored,
        leading: int,
        result: Stored,
        places: Places,
        keep: Callable[[Place, Place], str] | None = None,
    ) -> None:
        """Copy a matrix that is kept by columns into a result; zero where ``keep`` (i1) is not."""
        rows, columns = result.shape[-2:]
        code = self.code
        begin = self.start(result, places)

        def move(i: Place, j: Place) -> None:
            found = code.plus(code.flat((i, j), (1, leading)), source.offset)
            value = self.lowering.read(source.buffer, found)
            if keep is not None:
                value = code.select(keep(i, j), KIND, value, constant(0, DOUBLE))
            place = code.plus(begin, code.flat((i, j), (columns, 1)))
            code.store(result.buffer, place, value)

        self.transfer(rows, columns, move)

    # -- LAPACK ----------------------------------------------------------------------------------

    def number(self, value: int) -> str:
        """A whole number as LAPACK takes it: a pointer."""
        return self.lowering.module.fixed("i64", str(value))

    def letter(self, value: str) -> str:
        """A letter as LAPACK takes it: a pointer."""
        return self.lowering.module.fixed("i8", str(ord(value)))

    def call(self, name: str, *arguments: str) -> str:
        """Call a routine, and give INFO, its last argument."""
        function = f"lapack_{name}"
        info = self.code.slot("i64")
        self.code.statement(f"store i64 0, ptr {info}")
        given = (*arguments, info)
        listed = ", ".join(["ptr"] * len(given))
        self.lowering.module.declare(function, f"declare void @{function}({listed})")
        self.code.statement(f"call void @{function}({', '.join(f'ptr {g}' for g in given)})")
        # Where integers have 32 bits the rest stays 0.
        return self.code.here(f"load i64, ptr {info}")

    def must(self, info: str) -> None:
        """Leave to the evaluator, which says what is wrong, where INFO is not 0."""
        self.lowering.leave_if(self.code.here(f"icmp ne i64 {info}, 0"), EVALUATE)

    def workspace(self, name: str, *arguments: int | str | None) -> list[int]:
        """The sizes of workspace that a routine asks for.

        ``arguments`` are all but INFO: numbers, letters, and None for arrays; workspaces and their
        sizes, each given as -1, are where the answers are.
        """
        address = routine(f"lapack_{name}")
        given: list[Any] = []
        answers: list[Any] = []
        for place, argument in enumerate(arguments):
            if isinstance(argument, str):
                given.append(ctypes.c_char(argument.encode()))
            elif argument is None:
                whole = answers and arguments[place - 1] == -1
                asks = place + 1 < len(arguments) and arguments[place + 1] == -1
                given.append((ctypes.c_int64 if whole else ctypes.c_double)())
                answers.extend([given[-1]] if asks else [])
            else:
                given.append(ctypes.c_int64(argument))
        given.append(ctypes.c_int64())
        pointers = [ctypes.c_void_p] * len(given)
        ctypes.CFUNCTYPE(None, *pointers)(address)(*(ctypes.addressof(each) for each in given))
        return [max(1, math.ceil(answer.value)) for answer in answers]

    # -- branches --------------------------------------------------------------------------------

    @contextmanager
    def where(self, condition: str) -> Generator[None]:
        """Code that runs where a condition (an i1) holds."""
        code = self.code
        then, end = code.fresh("then"), code.fresh("end")
        with code.inside():
            code.statement(f"br i1 {condition}, label %{then}, label %{end}")
            code.label(then)
            with code.inside():
                yield
            code.statement(f"br label %{end}")
        code.label(end)

    def flag(self, value: str = "false") -> str:
        """Memory for a truth value, set here."""
        slot = self.code.slot("i1")
        self.code.statement(f"store i1 {value}, ptr {slot}")
        return slot

    def raise_flag(self, slot: str, condition: str) -> None:
        """Set a flag where a condition (an i1) holds."""
        before = self.code.here(f"load i1, ptr {slot}")
        self.code.statement(f"store i1 {self.code.op('or i1', before, condition)}, ptr {slot}")
