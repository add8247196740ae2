"""The plan of a Program's code: what is stored, and what is computed in one loop.

Each value is one of three: a *root*, which a loop (a ``Kernel``) stores or adds up; the result of a
``Step`` of its own kind (a product of matrices, a loop of the Program's, a call to the evaluator);
or *virtual*, written out wherever an element of it is needed. Values that are used several times,
and cost more than a few operations, are roots. Roots over the same axes share a kernel where none
needs what another has not finished.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ..primitives import contract, index, reduce, shape
from ..program import Atom, Equation, Literal, Program, Var
from .placement import seen_whole
from .shapes import (
    REDUCTIONS,
    SHORT,
    aligned,
    is_elementwise,
    native,
    own_need,
    passed_need,
    tails,
)
from .virtual import virtual

__all__ = ["Kernel", "Plan", "Step", "plan"]

CHEAP = 6
"""Up to this many operations are done again where a value is used again."""

DEEP = 50
"""This many equations are written out within each other."""

CROWD = 12
"""This many sums, and this many stored values, share a loop."""

_COSTLY = (
    "exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh "
    "arccosh arctanh arctan2 power hypot modulus logistic logaddexp logaddexp2 cbrt sinc divide "
    "sqrt root reciprocal inverse_inside remainder floor_divide fmod"
).split()


@dataclass(eq=False)
class Kernel:
    """Roots that are computed in one nest of loops over ``domain``."""

    domain: tuple[int, ...]
    roots: list[Equation] = field(default_factory=list[Equation])
    work: float = 0
    """About how many operations it takes."""


@dataclass(eq=False)
class Step:
    """An equation with code of its own."""

    equation: Equation


@dataclass
class Plan:
    """The order of the code, and what is where."""

    units: list[Kernel | Step]
    tails: dict[Var, int]
    virtual: set[Var]
    stored: set[Var]
    """Roots that have to be in memory. The others live in registers, within their kernel."""
    unit_of: dict[Var, int]
    last: dict[Var, int]
    """The last unit that reads a stored value."""
    readers: dict[Var, int]
    at_once: list[tuple[Var, int]]
    """Values that are not looped over, each with the first unit before which it can be computed."""


class _Planner:
    def __init__(
        self, program: Program, lowerable: Callable[..., bool], fixed: Iterable[Var]
    ) -> None:
        self.program = program
        self.tails = tails(program)
        self.makers = {var: e for e in program.equations for var in e.outputs}
        self.virtual = {
            e.outputs[0] for e in program.equations if virtual(e, self.tails, lowerable)
        }
        self.readers: dict[Var, int] = {}
        self.reading: dict[Var, list[Equation]] = {}
        for equation in program.equations:
            for atom in equation.inputs:
                if isinstance(atom, Var):
                    self.readers[atom] = self.readers.get(atom, 0) + 1
                    self.reading.setdefault(atom, []).append(equation)
        self.fixed = set(fixed)
        self.needs: dict[Var, int] = {}
        self.costs: dict[Var, float] = {}
        self.roots: set[Var] = set()
        self.forced: set[Var] = set()
        self.forced = self._forced()
        self.costs.clear()
        self.units: list[Kernel | Step] = []
        self.unit_of: dict[Var, int] = {}
        self.at_once: list[tuple[Var, int]] = []
        self._ready: dict[tuple[Var, int, bool], int] = {}
        self.depths: dict[Var, int] = {}

    # -- what has to be stored -------------------------------------------------------------------

    def trivial(self, atom: Atom) -> bool:
        """Whether a value is an input, a constant, a result of a step, or a view of one."""
        while isinstance(atom, Var):
            if atom in self.forced_now:
                return True
            equation = self.makers.get(atom)
            if equation is None or atom not in self.virtual:
                return True
            if equation.primitive not in (
                shape.transpose,
                shape.reshape,
                shape.broadcast,
                index.slice_,
            ):
                return False
            atom = equation.inputs[0]
        return True

    def _forced(self) -> set[Var]:
        """Values that must be in memory: results, what steps read, what is read out of order."""
        forced: set[Var] = set()
        self.forced_now = forced
        for equation in self.program.equations:
            for var in equation.outputs:
                self.cost(var)
        for atom in self.program.outputs:
            if isinstance(atom, Var) and atom.type.shape:
                forced.add(atom)
        for equation in self.program.equations:
            for atom in self._must_be_stored(equation):
                if isinstance(atom, Var) and atom.type.shape and not self.trivial(atom):
                    forced.add(atom)
            self._write_out(equation, forced)
        return forced

    def _write_out(self, equation: Equation, forced: set[Var]) -> None:
        """Store operands that would have to be written out where the result is looped over."""
        out = equation.outputs[0] if equation.outputs else None
        if out is None or out not in self.virtual:
            if equation.primitive in REDUCTIONS or equation.primitive in _INLINE_STEPS:
                return
            forced.update(a for a in equation.inputs if isinstance(a, Var) and self.needs.get(a))
            return
        needs = [
            passed_need(equation, place, self.needs.get(atom, 0) if isinstance(atom, Var) else 0)
            for place, atom in enumerate(equation.inputs)
        ]
        room = self.tails.get(out, 0)
        for atom, need in zip(equation.inputs, needs, strict=True):
            if need > room and isinstance(atom, Var):
                forced.add(atom)
                self.needs[atom] = 0
        self.needs[out] = max([own_need(equation), *(need for need in needs if need <= room)])

    def _must_be_stored(self, equation: Equation) -> Sequence[Atom]:
        """The operands that the code of an equation reads from memory."""
        out = equation.outputs[0] if equation.outputs else None
        if out is None or out not in self.virtual:
            return self._stored_for_step(equation)
        primitive = equation.primitive
        if primitive is index.gather:
            x, *arrays = equation.inputs
            return arrays if self._seldom_read(x) else [x, *arrays]
        if out.type.size <= SHORT:
            return []
        if primitive is shape.reshape and self._merges(equation):
            return [equation.inputs[0]]
        if primitive is shape.broadcast or is_elementwise(equation):
            return [atom for atom in equation.inputs if self._repeated(atom, out)]
        return []

    def _stored_for_step(self, equation: Equation) -> Sequence[Atom]:
        primitive = equation.primitive
        if primitive in REDUCTIONS and native(equation):
            return []
        if primitive in _INLINE_STEPS:
            return equation.inputs[2:]
        if primitive in _PLACES and self.cost(equation.inputs[0]) <= CHEAP:
            return []
        return equation.inputs

    def _repeated(self, atom: Atom, out: Var) -> bool:
        """Whether a value's elements would be computed again and again along a loop."""
        return SHORT < atom.type.size < out.type.size and not self._spreads_short(atom, out)

    def _seldom_read(self, atom: Atom) -> bool:
        """Whether no more than a few elements of a value are read, all by index arrays."""
        if not isinstance(atom, Var) or atom not in self.virtual:
            return False
        readers = self.reading.get(atom, [])
        read = sum(reader.outputs[0].type.size for reader in readers)
        by_index = all(reader.primitive is index.gather for reader in readers)
        return by_index and 4 * read <= atom.type.size and atom not in self.program.outputs

    def _spreads_short(self, atom: Atom, out: Var) -> bool:
        """Whether a value is repeated along axes only that are written out."""
        x, lengths = atom.type.shape, out.type.shape
        loops = len(lengths) - self.tails.get(out, 0)
        return len(x) == len(lengths) and x[:loops] == lengths[:loops]

    def _merges(self, equation: Equation) -> bool:
        """Whether a reshape makes one axis that is looped over out of several."""
        x, out = equation.inputs[0].type.shape, equation.outputs[0].type.shape
        kept = [n for n in x if n != 1]
        made = [n for n in out if n != 1]
        if kept == made:
            return False
        loops = len(out) - self.tails.get(equation.outputs[0], 0)
        if x[:loops] == out[:loops]:
            return False
        # Splitting axes only is a matter of adding places up.
        i = 0
        for n in kept:
            product = 1
            while i < len(made) and product < n:
                product *= made[i]
                i += 1
            if product != n:
                return True
        return False

    def cost(self, atom: Atom) -> float:
        """Operations that writing one element of a value out takes."""
        if not isinstance(atom, Var) or atom in self.roots or atom in self.forced:
            return 1
        found = self.costs.get(atom)
        if found is None:
            equation = self.makers.get(atom)
            written = None if atom not in self.virtual else equation
            found = 1.0 if written is None else self._written(written)
            self.costs[atom] = found
        return found

    def _written(self, equation: Equation) -> float:
        """Operations for one element of an equation's result, that of its operands included."""
        own = 30.0 if equation.primitive.name in _COSTLY else 1.0
        if not is_elementwise(equation):
            own = 0.5
        times = 1.0
        if equation.primitive in REDUCTIONS:
            times = equation.inputs[0].type.size / max(1, equation.outputs[0].type.size)
        elif is_contraction(equation):
            times = 2.0 * (1, *equation.inputs[0].type.shape)[-1]
        return own + times * sum(map(self.cost, equation.inputs))

    def _work(self, equation: Equation) -> float:
        """Operations for all of a root."""
        out = equation.outputs[0]
        if out in self.virtual:
            return out.type.size * self._written(equation)
        return equation.inputs[0].type.size * (1 + self.cost(equation.inputs[0]))

    # -- grouping --------------------------------------------------------------------------------

    def domain(self, var: Var) -> tuple[int, ...]:
        """The axes over which a kernel computes a value."""
        lengths = var.type.shape
        return lengths[: len(lengths) - self.tails.get(var, 0)]

    def root_domain(self, equation: Equation) -> tuple[int, ...]:
        """The axes that the loops of a root run over."""
        if equation.primitive in REDUCTIONS and equation.outputs[0] not in self.virtual:
            x = equation.inputs[0]
            lengths = x.type.shape
            return lengths[: len(lengths) - (self.tails.get(x, 0) if isinstance(x, Var) else 0)]
        return self.domain(equation.outputs[0])

    def ready(self, atom: Atom, k: int, domain: tuple[int, ...] | None) -> int:
        """The first unit in which elements of a value can be had.

        ``domain`` is that of the kernel that asks if it asks for elements at its own places.
        """
        if not isinstance(atom, Var):
            return 0
        if not self.domain(atom):
            k, domain = 0, None
        key = (atom, k, domain is not None)
        found = self._ready.get(key)
        if found is not None:
            return found
        unit = self.unit_of.get(atom)
        equation = self.makers.get(atom)
        if unit is not None:
            where = self.units[unit]
            same = (
                domain is not None
                and isinstance(where, Kernel)
                and where.domain == domain
                and equation is not None
                and (equation.primitive not in REDUCTIONS or atom in self.virtual)
                and self.domain(atom) == domain
            )
            found = unit if same else unit + 1
            if atom in self.virtual and not self.domain(atom):
                found = self._through(atom, k, domain) if equation is not None else found
        elif equation is None:
            found = 0
        else:
            found = self._through(atom, k, domain)
        if unit is not None or len(self._ready) < 1 << 20:
            self._ready[key] = found
        return found

    def _through(self, var: Var, k: int, domain: tuple[int, ...] | None) -> int:
        equation = self.makers[var]
        found = 0
        for place, atom in enumerate(equation.inputs):
            inner = domain if domain is not None and aligned(equation, place, k) else None
            found = max(found, self.ready(atom, k, inner))
        return found

    def place_root(self, equation: Equation) -> None:
        """Put a root into the first kernel over its axes that has all it needs, or a new one."""
        domain = self.root_domain(equation)
        k = len(domain)
        reduces = equation.primitive in REDUCTIONS and equation.outputs[0] not in self.virtual
        need = 0
        for place, atom in enumerate(equation.inputs):
            inner = domain if reduces or aligned(equation, place, k) else None
            need = max(need, self.ready(atom, k, inner))
        for number in range(need, len(self.units)):
            unit = self.units[number]
            if isinstance(unit, Kernel) and unit.domain == domain and self._room(unit, reduces):
                break
        else:
            number = len(self.units)
            unit = Kernel(domain)
            self.units.append(unit)
        unit.roots.append(equation)
        self.unit_of[equation.outputs[0]] = number

    def _room(self, kernel: Kernel, reduces: bool) -> bool:
        """Whether one more root fits: registers hold only so many sums."""
        if not kernel.domain:
            return True
        sums = sum(e.outputs[0] not in self.virtual for e in kernel.roots)
        return (sums if reduces else len(kernel.roots) - sums) < CROWD

    def _deep(self, equation: Equation) -> bool:
        """Whether so many equations would be written out within each other that it is enough."""
        (out,) = equation.outputs
        inner = (self.depths.get(atom, 0) for atom in equation.inputs if isinstance(atom, Var))
        self.depths[out] = 1 + max(inner, default=0)
        return self.depths[out] > DEEP

    def _seen_whole(self, out: Var) -> bool:
        """Whether a result is a view, and what it shows can be computed in its memory."""

        def alone(var: Var) -> bool:
            return self.readers[var] == 1 and var not in self.program.outputs

        return out in self.program.outputs and seen_whole(
            out, self.makers, self.virtual, self.forced, alone
        )

    def run(self) -> Plan:
        for equation in self.program.equations:
            out = equation.outputs[0] if equation.outputs else None
            if out is None or out not in self.virtual:
                if equation.primitive in REDUCTIONS and native(equation):
                    self.place_root(equation)
                else:
                    self.unit_of.update(dict.fromkeys(equation.outputs, len(self.units)))
                    self.units.append(Step(equation))
                continue
            cost = self.cost(out)
            deep = self._deep(equation)
            many = (
                (self.readers.get(out, 0) > 1 or deep)
                and out.type.size > SHORT
                and not self.trivial(out)
                and (cost > CHEAP or deep)
                and not self._seldom_read(out)
            )
            if self._seen_whole(out):
                self.depths[out] = 0
            elif out in self.forced or many:
                self.roots.add(out)
                self.place_root(equation)
                self.depths[out] = 0
            elif not self.domain(out):
                self.at_once.append((out, self.ready(out, 0, None)))
                self.depths[out] = 0
            if equation.primitive is index.gather:
                self.units.append(Step(equation))  # to check the index
        return self._finish()

    def _finish(self) -> Plan:
        for unit in self.units:
            if isinstance(unit, Kernel):
                unit.work = sum(map(self._work, unit.roots))
        reached = [self._reached(number) for number in range(len(self.units))]
        stored = {var for var in self.unit_of if var in self.forced or var not in self.virtual}
        for number, found in enumerate(reached):
            for var, same in found.items():
                if var in self.roots and not (same and self.unit_of[var] == number):
                    stored.add(var)
        last: dict[Var, int] = {}
        for number, found in enumerate(reached):
            for var in found:
                last[var] = number
        for var in (*self.program.outputs, *self.fixed):
            if isinstance(var, Var):
                last[var] = len(self.units)
                for base in self._bases(var):
                    last[base] = len(self.units)
        return Plan(
            self.units,
            self.tails,
            self.virtual,
            stored,
            self.unit_of,
            last,
            self.readers,
            self.at_once,
        )

    def _bases(self, var: Var) -> list[Var]:
        """What the memory of a result may belong to."""
        found: dict[Var, None] = {}
        pending: list[Atom] = [var]
        while pending:
            atom = pending.pop()
            if isinstance(atom, Var) and atom in found:
                continue
            equation = self.makers.get(atom) if isinstance(atom, Var) else None
            if equation is not None and atom in self.virtual:
                pending.extend(equation.inputs)
            if isinstance(atom, Var):
                found[atom] = None
        return list(found)

    def _reached(self, number: int) -> dict[Var, bool]:
        """The values in memory, or in this kernel's registers, that a unit reads.

        True for those that it reads only at its own places.
        """
        unit = self.units[number]
        equations = unit.roots if isinstance(unit, Kernel) else [unit.equation]
        domain = unit.domain if isinstance(unit, Kernel) else None
        k = len(domain) if domain is not None else 0
        found: dict[Var, bool] = {}
        seen: set[tuple[Var, bool]] = set()
        pending: list[tuple[Atom, bool]] = []

        def push(equation: Equation, same: bool, reduces: bool) -> None:
            for place, atom in enumerate(equation.inputs):
                pending.append((atom, same and (reduces or aligned(equation, place, k))))

        for equation in equations:
            reduces = equation.primitive in REDUCTIONS and equation.outputs[0] not in self.virtual
            push(equation, domain is not None, reduces)
        while pending:
            atom, same = pending.pop()
            if isinstance(atom, Literal) or (atom, same) in seen:
                continue
            seen.add((atom, same))
            if atom in self.unit_of or atom not in self.makers:
                ok = same and atom in self.unit_of and self.domain(atom) == domain
                found[atom] = found.get(atom, True) and ok
                if self.unit_of.get(atom, -1) != number and not (
                    atom in self.virtual and not self.domain(atom)
                ):
                    continue
                if atom not in self.virtual:
                    continue
            push(self.makers[atom], same, False)
        return found


_PLACES = {reduce.argmax, reduce.argmin}
"""Steps that read their operand at the places of their loops."""

_INLINE_STEPS = {index.scatter_add, index.update}
"""Steps that write out their first two operands themselves."""


def is_contraction(equation: Equation) -> bool:
    """Whether an equation sums products."""
    return equation.primitive in (contract.matmul, contract.einsum)


def plan(program: Program, lowerable: Callable[..., bool], fixed: Iterable[Var] = ()) -> Plan:
    """The plan of a Program. ``fixed`` are variables whose memory must not be used again."""
    return _Planner(program, lowerable, fixed).run()
