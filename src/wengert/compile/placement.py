"""Where values are computed: in memory of their own, or where they become part of another value.

A part of a concatenation, an array of which only a transpose or a reshape is wanted, and an array
that is written to in place can all be computed at the right place from the start, if nothing else
reads them. ``Home`` names that place: a value that has memory of its own, and how this one lies in
it. Whoever needs a value there looks whether it is, and copies it otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..primitive import Primitive
from ..primitives import contract, index, reduce, shape
from ..program import Atom, Equation, Program, Var
from .shapes import REDUCTIONS, native
from .views import VIEWS, Layout, Stored, base, row_major

__all__ = ["Home", "Targets", "homes", "seen_whole"]

Part = tuple[int, int]
"""Offset and length of a part of the workspace."""

Memory = Callable[[Sequence[int], np.dtype[Any]], tuple[Stored, Part | None]]
"""Gives memory for a value of some shape, and the part of the workspace that this is."""

ANY: frozenset[Primitive] = frozenset(
    {shape.concatenate, index.update, index.scatter_add, contract.matmul, contract.einsum}
)
"""Steps whose code writes with other strides just as well."""

ROWS: frozenset[Primitive] = frozenset(
    {reduce.cumsum, reduce.cumprod, reduce.maximum_so_far, reduce.minimum_so_far}
    | {reduce.argmax, reduce.argmin}
)
"""Steps whose code writes row by row, wherever the rows are."""


@dataclass(frozen=True, slots=True)
class Home:
    """A place in the memory of ``whole``, which is contiguous."""

    whole: Var
    layout: Layout


def own(var: Var) -> Home:
    """Memory of a value's own."""
    return Home(var, Layout(var.type.shape, row_major(var.type.shape)))


def takes(equation: Equation, virtual: bool, layout: Layout) -> bool:
    """Whether the code of an equation can write its result in a layout, and quickly."""
    if layout.contiguous or virtual:
        return True
    if equation.primitive in ANY or equation.primitive in REDUCTIONS:
        return True
    return equation.primitive in ROWS and layout.strides[-1] == 1


def seen_whole(
    view: Var,
    makers: Mapping[Var, Equation],
    virtual: Set[Var],
    forced: Set[Var],
    alone: Callable[[Var], bool],
) -> bool:
    """Whether a view needs no code, as what it shows can be computed in the view's memory.

    ``virtual`` are the values that need no memory, but for those that are ``forced`` to have it;
    ``alone`` says whether a value has one reader only.
    """
    layout: Layout | None = own(view).layout
    equation = makers[view]
    while equation.primitive in VIEWS:
        x = equation.inputs[0]
        layout = base(equation, layout)
        if layout is None or not isinstance(x, Var) or x not in makers or not alone(x):
            return False
        equation = makers[x]
        if x in forced or x not in virtual:
            return takes(equation, x in virtual, layout)
    return False


def homes(
    program: Program, virtual: Set[Var], stored: Set[Var], readers: Mapping[Var, int]
) -> dict[Var, Home]:
    """The values that are computed in other values' memory, and where.

    ``stored`` are the values that are computed in memory, ``virtual`` those that need none.
    """
    makers = {var: equation for equation in program.equations for var in equation.outputs}
    results = {atom for atom in program.outputs if isinstance(atom, Var)}
    found: dict[Var, Home] = {}

    def fits(atom: Var, layout: Layout) -> bool:
        if atom not in makers or readers[atom] != 1 or atom in results or not atom.type.shape:
            return False
        equation = makers[atom]
        if atom in stored:
            return takes(equation, atom in virtual, layout)
        return atom in virtual and equation.primitive in VIEWS

    for equation in reversed(program.equations):
        for var in equation.outputs:
            if var not in stored and var not in found and var not in results:
                continue
            home = found.get(var) or own(var)
            for atom, layout in _parts(equation, var in virtual, var in stored, home.layout):
                same = atom.type.dtype == var.type.dtype
                if same and isinstance(atom, Var) and fits(atom, layout):
                    found[atom] = Home(home.whole, layout)
    return found


def _parts(
    equation: Equation, virtual: bool, stored: bool, whole: Layout
) -> Iterator[tuple[Atom, Layout]]:
    """The operands that could lie in the memory of the result, and where."""
    if not native(equation):
        return
    if virtual and not stored and equation.primitive in VIEWS:
        layout = base(equation, whole)
        if layout is not None:
            yield equation.inputs[0], layout
    elif not virtual and equation.primitive is shape.concatenate:
        start, axis = 0, equation.params["axis"]
        for atom in equation.inputs:
            length = atom.type.shape[axis]
            yield atom, whole.part(axis, start, length)
            start += length
    elif not virtual and equation.primitive in (index.update, index.scatter_add):
        yield equation.inputs[0], whole


class Targets:
    """Where the results of a Program's equations go: memory that is given, or the workspace."""

    def __init__(
        self, homes: dict[Var, Home], memory: Memory, give: Callable[[Part], None]
    ) -> None:
        self.homes = homes
        """Values that are computed where they are wanted: in a part of another's memory."""
        self.given: dict[Var, Stored] = {}
        self.parts: dict[Var, Part] = {}
        self._memory, self._give = memory, give

    def of(self, var: Var) -> Stored:
        """Memory for a value, contiguous."""
        return self.place(var, lambda found: found.contiguous)

    def place(self, var: Var, fits: Callable[[Stored], bool] = lambda found: True) -> Stored:
        """Memory for a value: where it is wanted, if that ``fits``, else of its own."""
        found = self.wanted(var)
        if found is None or (var in self.homes and not fits(found)):
            self.homes.pop(var, None)
            found, part = self._memory(var.type.shape, var.type.dtype)
            self.given[var] = found
            if part is not None:
                self.parts[var] = part
        return found

    def wanted(self, var: Var) -> Stored | None:
        """Where a value is wanted, if that is not just anywhere."""
        home = self.homes.get(var)
        if var not in self.given and home is not None:
            whole = self.of(home.whole)
            if whole.contiguous:
                offset = whole.offset + home.layout.offset
                self.given[var] = Stored(
                    whole.buffer, home.layout.shape, home.layout.strides, offset
                )
        return self.given.get(var)

    def hand_over(self, var: Var, to: Var) -> None:
        """The memory of one value becomes that of another."""
        part = self.parts.pop(var, None)
        if part is not None:
            self.parts[to] = part

    def end(self, var: Var) -> None:
        """Nothing reads the value any more."""
        part = self.parts.pop(var, None)
        if part is not None:
            self._give(part)
