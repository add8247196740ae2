"""What became of each equation of a Program: the record that lowering keeps, for people.

``Lowering`` tells a ``Report`` where memory lies, when the code of a Program begins and ends, and
what its rules made of their equations. ``Section.notes`` works out all else when it is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

from ..program import Equation, Program, Var
from ..program import Literal as Constant
from .elements import Scope
from .plan import Kernel, Plan, Step

__all__ = ["How", "Memory", "Note", "Report", "Section"]

How: TypeAlias = Literal[
    "loop",
    "inlined",
    "unrolled",
    "scalar",
    "view",
    "store",
    "library",
    "control",
    "guard",
    "callout",
    "native",
    "unused",
]
"""What an equation can become:

``loop``, computed in the loop ``loops[0]``, with whatever else has that number; ``inlined``,
written out inside of other equations' loops; ``unrolled``, the few elements one by one, without a
loop; ``scalar``, a number; ``view``, another way to read what lies in memory; ``store``, a few
elements put into an array; ``library``, a call of BLAS or LAPACK; ``control``, a loop or branches
of the Program's; ``guard``; ``callout``, a call to the evaluator; ``native``, other code;
``unused``, nothing, as nothing needs it.
"""


@dataclass(frozen=True, slots=True)
class Memory:
    """Where a value lies.

    ``kind`` is ``register``, ``result`` (the caller's array), ``workspace``, ``stack``, ``shared``
    (the memory of the variable ``of``), ``other``, or ``none`` for a value that is never stored.
    """

    kind: str
    of: Var | None = None


@dataclass(frozen=True, eq=False)
class Note:
    """What became of one equation.

    ``loops`` are the numbers of the loops that compute it, ``within`` the equations that it is
    written out for where those are no loops, ``detail`` what is called, ``inside`` the Programs in
    it, and ``memory`` where each of its results lies.
    """

    equation: Equation
    how: How
    loops: tuple[int, ...] = ()
    detail: str = ""
    within: tuple[Equation, ...] = ()
    memory: tuple[Memory, ...] = ()
    inside: tuple[Section, ...] = ()


@dataclass(eq=False)
class Section:
    """The code of one Program: of the whole, or of the step of a loop, or of a branch."""

    program: Program
    plan: Plan
    title: str = ""
    domains: dict[int, tuple[int, ...]] = field(default_factory=dict[int, tuple[int, ...]])
    """The axes of each numbered loop."""
    chunks: dict[int, int] = field(default_factory=dict[int, int])
    """Into how many chunks the loops are divided that threads share."""
    _loops: dict[int, int] = field(default_factory=dict[int, int])
    _said: dict[int, tuple[How, tuple[int, ...], str]] = field(
        default_factory=dict[int, tuple[How, tuple[int, ...], str]]
    )
    _inside: dict[int, list[Section]] = field(default_factory=dict[int, list["Section"]])
    _registers: frozenset[Var] = frozenset()
    _pointers: Mapping[Var, str] = field(default_factory=dict[Var, str])
    _places: Mapping[str, str] = field(default_factory=dict[str, str])

    @cached_property
    def notes(self) -> tuple[Note, ...]:
        """A note for each equation, in the order of the Program."""
        return tuple(map(self._note, self.program.equations))

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """This and all sections inside of it."""
        inside = [part for note in self.notes for each in note.inside for part in each.sections]
        return (self, *inside)

    def _attach(self, section: Section, equation: Equation) -> None:
        """Take in the code of a Program inside of an equation: once, if it is written again."""
        program = section.program
        found = equation.primitive.programs(equation.params)
        titles = [title.strip() for title, each in found if each is program] or ["body"]
        siblings = self._inside.setdefault(id(equation), [])
        before = sum(other.program is program for other in siblings)
        if before < len(titles):
            section.title = titles[before]
            siblings.append(section)

    # -- what an equation became -----------------------------------------------------------------

    def _note(self, equation: Equation) -> Note:
        how, loops, detail = self._how(equation)
        within = self._readers.get(id(equation), (set(), []))[1] if how == "inlined" else []
        return Note(
            equation,
            how,
            loops,
            detail,
            tuple(within),
            tuple(map(self._memory, equation.outputs)),
            tuple(self._inside.get(id(equation), ())),
        )

    def _how(self, equation: Equation) -> tuple[How, tuple[int, ...], str]:
        said = self._said.get(id(equation))
        out = equation.outputs[0] if equation.outputs else None
        if said is not None or out is None:
            return said or ("native", (), "")
        unit = self.plan.unit_of.get(out)
        kernel = self.plan.units[unit] if unit is not None else None
        if isinstance(kernel, Kernel):
            number = self._loops.get(id(kernel))
            return ("unrolled", (), "") if number is None else ("loop", (number,), "")
        if out not in self.plan.virtual:
            return "native", (), ""
        if out in self._pointers:
            return "view", (), ""
        if not any(atom.type.shape for atom in (*equation.inputs, out)):
            return "scalar", (), ""
        if self.plan.tails.get(out) == len(out.type.shape):
            return "unrolled", (), ""
        loops, within = self._readers.get(id(equation), (set(), []))
        return ("inlined" if loops or within else "unused"), tuple(sorted(loops)), ""

    @cached_property
    def _readers(self) -> dict[int, tuple[set[int], list[Equation]]]:
        """For each equation that is written out elsewhere: the loops, or else the equations."""
        makers = {var: e for e in self.program.equations for var in e.outputs}
        found: dict[int, tuple[set[int], list[Equation]]] = {}
        for unit in self.plan.units:
            own = unit.roots if isinstance(unit, Kernel) else [unit.equation]
            if isinstance(unit, Step) and set(own[0].outputs) & self.plan.virtual:
                continue  # a check of an index
            for reader in own:
                number = self._number_of(unit, reader)
                for equation in self._written_out(reader, makers):
                    loops, within = found.setdefault(id(equation), (set(), []))
                    if number is None:
                        within.append(reader)
                    else:
                        loops.add(number)
        return found

    def _number_of(self, unit: Kernel | Step, equation: Equation) -> int | None:
        """The number of the loop that computes an equation."""
        said = self._said.get(id(equation))
        if isinstance(unit, Step) and said is not None and said[1]:
            return said[1][0]
        return self._loops.get(id(unit))

    def _written_out(self, reader: Equation, makers: Mapping[Var, Equation]) -> list[Equation]:
        """The equations whose results are computed where ``reader`` needs them."""
        found: list[Equation] = []
        pending = list(reader.inputs)
        seen: set[Var] = set()
        while pending:
            atom = pending.pop()
            if isinstance(atom, Constant) or atom in seen or atom not in makers:
                continue
            seen.add(atom)
            if atom in self.plan.unit_of or atom in self._pointers or atom in self._registers:
                continue
            found.append(makers[atom])
            pending.extend(makers[atom].inputs)
        return found

    # -- where its results lie -------------------------------------------------------------------

    @cached_property
    def _owners(self) -> dict[str, Var]:
        """The first variable of each piece of memory."""
        owners: dict[str, Var] = {}
        for var in (*self.program.inputs, *(v for e in self.program.equations for v in e.outputs)):
            if var in self._pointers:
                owners.setdefault(self._pointers[var], var)
        return owners

    def _memory(self, var: Var) -> Memory:
        pointer = self._pointers.get(var)
        if pointer is None:
            number = var in self._registers or not var.type.shape
            return Memory("register" if number else "none")
        owner = self._owners[pointer]
        if owner is not var:
            return Memory("shared", owner)
        return Memory(self._places.get(pointer, "other"))


class Report:
    """Takes down what lowering does. ``root`` is the section of the whole Program."""

    def __init__(self) -> None:
        self.root: Section | None = None
        self._open: list[Section] = []
        self._current: list[Equation | None] = []
        self._places: dict[str, str] = {}
        self._numbers = 0

    def placed(self, pointer: str, kind: str) -> None:
        """Memory of a kind (see ``Memory``) lies at a pointer."""
        self._places[pointer] = kind

    def begin(self, program: Program, plan: Plan) -> None:
        """The code of a Program begins: of the whole one, or of one inside the equation at hand."""
        section = Section(program, plan, _places=self._places)
        if self._open:
            equation = self._current[-1]
            if equation is not None:
                self._open[-1]._attach(section, equation)
        else:
            self.root = section
        self._open.append(section)
        self._current.append(None)

    def unit(self, unit: Kernel | Step) -> None:
        """The code of a part of the plan begins."""
        if isinstance(unit, Step):
            self._current[-1] = unit.equation
        elif math.prod(unit.domain) != 1:
            self._open[-1]._loops[id(unit)] = self._number(unit.domain)

    def divided(self, kernel: Kernel, chunks: int) -> None:
        """The loops of a kernel are divided into so many chunks, for threads."""
        number = self._open[-1]._loops.get(id(kernel))
        if number is not None and chunks > 1:
            self._open[-1].chunks[number] = chunks

    def _number(self, domain: tuple[int, ...]) -> int:
        self._numbers += 1
        self._open[-1].domains[self._numbers] = domain
        return self._numbers

    def note(
        self,
        equation: Equation,
        how: How,
        detail: str = "",
        domain: tuple[int, ...] | None = None,
    ) -> None:
        """A rule has written the code of an equation; a loop of its own is one over ``domain``."""
        loops: tuple[int, ...] = ()
        if how == "loop":
            loops = (self._number(equation.outputs[0].type.shape if domain is None else domain),)
        self._open[-1]._said[id(equation)] = (how, loops, detail)

    def end(self, scope: Scope) -> None:
        """The code of the Program at hand is complete."""
        section = self._open.pop()
        self._current.pop()
        section._registers = frozenset(scope.registers)
        section._pointers = {var: value.buffer.pointer for var, value in scope.stored.items()}
