"""A stretch of equations as a loop: the body, what it takes, and what it gives.

Each row of the rounds becomes an equation of the body, unless it is the same in all rounds (then it
stands before the loop), or reads an array at places that move evenly (then it is a stacked
operand). Constants are operands too, so that loops in a loop have equal bodies in all its rounds;
simplifying puts them back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..control.memory import interned
from ..control.scan import scan_primitive
from ..kinds import Elementwise, Linear
from ..primitive import Primitive, promote
from ..primitives import arithmetic, index, shape
from ..program import Atom, Equation, Literal, Program, Type, Var, freeze
from .relations import Relation, Rounds
from .repeats import INDEXING, Ints
from .writer import SMALL, Maker, Writer

__all__ = ["WORTH", "Loop", "RefusedError"]

LARGE = 1 << 14
"""Arrays of more elements leave the caches."""

WORTH, WORTH_LARGE = 64, 256
"""A loop takes the place of at least this many equations; with large arrays, of which fewer are
stored where the equations are written out, of this many."""


class RefusedError(Exception):
    """These rounds are not to be a loop."""


class Chain:
    """A result that is carried on: register i holds it as it was i iterations ago."""

    def __init__(self, type: Type) -> None:
        self.type = type
        self.initial: dict[int, int] = {}
        self.registers: dict[int, Var] = {}
        self.finals: dict[int, Var] = {}

    def fits(self, initial: dict[int, int]) -> bool:
        return all(self.initial.get(i, value) == value for i, value in initial.items())

    def register(self, i: int) -> Var:
        for j in range(1, i + 1):
            if j not in self.registers:
                self.registers[j], self.finals[j] = Var(self.type), Var(self.type)
        return self.registers[i]


class Loop:
    """A scan in the making: its body, and how its operands are written."""

    def __init__(self, rounds: Rounds) -> None:
        self.rounds = rounds
        self.listing = rounds.listing
        self.count = rounds.count
        self.votes = 0
        self.hoisted: list[int] = []
        self.consts: dict[Any, tuple[Var, Maker]] = {}
        self.xs: dict[Any, tuple[Var, Maker]] = {}
        self.stacks: dict[Var, Maker] = {}
        self.chains: dict[tuple[int, int], list[Chain]] = {}
        self.made: list[tuple[int, int, Var]] = []
        self.single: list[tuple[tuple[int, int], Var]] = []
        self.ys: list[tuple[Atom, Var]] = []
        self.given: list[tuple[Var, Maker]] = []
        self.results: dict[tuple[int, int], Atom] = {}
        self.equations: list[Equation] = []
        for row in range(rounds.period):
            self._row(row)
        for equation in self.equations:
            found = equation.primitive.types(equation.inputs, equation.params)
            if found != tuple(var.type for var in equation.outputs):
                raise RefusedError
        self._outputs()

    @property
    def reverse(self) -> bool:
        """Whether most of the stacked arrays are read from the end."""
        return self.votes < 0

    @property
    def runs(self) -> bool:
        """Whether there is anything to be computed, and not only read."""
        guarded = np.any(self.listing.guarded[self.rounds.start : self.rounds.end])
        return bool(self.ys or self.single or self.chains or guarded)

    @property
    def pays(self) -> bool:
        """Whether the rounds are so many that a loop is better."""
        sizes = [var.type.size for equation in self.equations for var in equation.outputs]
        worth = WORTH_LARGE if max(sizes, default=0) > LARGE else WORTH
        return self.count * self.rounds.period >= worth

    def values(self, row: int, slot: int) -> Ints:
        """The numbers of a result in all rounds."""
        rounds = self.rounds
        equations = rounds.start + row + rounds.period * np.arange(self.count)
        return self.listing.results[equations] + slot

    # -- rows ------------------------------------------------------------------------------------

    def _row(self, row: int) -> None:
        equation = self.listing.equations[self.rounds.start + row]
        relations = self.rounds.relations[row]
        numbers = self._numbers(row)
        moving = [i for i in range(numbers.shape[1]) if np.any(numbers[:, i] != numbers[0, i])]
        if not moving and all(map(self._unmoved, relations)) and self._may_come_first(row):
            self.hoisted.append(self.rounds.start + row)
            for slot, var in enumerate(equation.outputs):
                self.results[row, slot] = self._const(var, lambda writer, var=var: var, var.type)
            return
        if moving and equation.primitive is index.slice_ and relations[0].kind == "same":
            found = self._read_across(equation, relations[0], numbers, moving)
            if found is not None:
                self.results[row, 0] = found
                return
        inputs = [self._operand(row, place, relation) for place, relation in enumerate(relations)]
        primitive, params = equation.primitive, equation.params
        if primitive is shape.reshape and inputs[0] in self.stacks:
            self.results[row, 0] = self._reshaped(inputs[0], params["shape"])
            return
        if moving:
            primitive, inputs, params = self._at_moving(equation, inputs, numbers)
        outputs = tuple(Var(var.type) for var in equation.outputs)
        self.equations.append(Equation(primitive, tuple(inputs), params, outputs))
        self.results.update(((row, slot), var) for slot, var in enumerate(outputs))

    def _may_come_first(self, row: int) -> bool:
        """Whether a row that is the same in all rounds may stand before them.

        What could raise, warn or run forever may not pass the guards that it stood behind.
        """
        start = self.rounds.start
        if self.listing.guarded[start + row]:
            return False
        harmless = isinstance(self.listing.equations[start + row].primitive, (Elementwise, Linear))
        return harmless or not np.any(self.listing.guarded[start : start + row])

    def _unmoved(self, relation: Relation) -> bool:
        if relation.kind == "local":
            return self.rounds.start + relation.row in self.hoisted
        return relation.kind == "same"

    def _numbers(self, row: int) -> Ints:
        """The integers of an index in all rounds."""
        rounds = self.rounds
        if self.listing.equations[rounds.start + row].primitive not in INDEXING:
            return np.zeros((self.count, 0), np.int64)
        chosen = range(rounds.start + row, rounds.end, rounds.period)
        numbers = [self.listing.indices[number] for number in chosen]
        return np.array(numbers, np.int64).reshape(self.count, -1)

    # -- operands --------------------------------------------------------------------------------

    def _operand(self, row: int, place: int, relation: Relation) -> Atom:
        """An operand of a row as the body has it."""
        values = relation.values
        if relation.kind == "local":
            return self.results[relation.row, relation.slot]
        if relation.kind == "carried":
            return self._carried(row, relation)
        if relation.kind == "element":
            return self._element(values)
        if np.all(values == values[0]):
            return self._same(row, place, int(values[0]))
        return self._constants(self._equation(row, 0), values)

    def _const(self, key: Any, maker: Maker, type: Type) -> Var:
        if key not in self.consts:
            self.consts[key] = Var(type), maker
        return self.consts[key][0]

    def _same(self, row: int, place: int, value: int) -> Atom:
        """A value that is the same in all rounds.

        Constants are operands too, each for itself: in a loop around this one they may move.
        """
        atom = self.listing.atoms[value]
        key: Any = value
        if isinstance(atom, Literal):
            if atom.type.size > SMALL and not np.any(atom.value):
                return atom  # The sums of cotangents are made without it; see ``rewrite``.
            key = "constant", row, place
            if atom.weak and not self._even(self._equation(row, 0), atom.type):
                return atom
            atom = strong(atom)
        return self._const(key, lambda writer: strong(writer.read(value)), atom.type)

    @staticmethod
    def _even(equation: Equation, type: Type) -> bool:
        """Whether a Python number may as well be one of its dtype here."""
        same = all(atom.type.dtype == type.dtype for atom in equation.inputs)
        return same and equation.primitive is not arithmetic.power

    def _carried(self, row: int, relation: Relation) -> Var:
        delay, values = relation.delay, relation.values
        type = self._type(relation.row, relation.slot)
        initial = {i: int(values[delay - i]) for i in range(1, delay + 1)}
        chains = self.chains.setdefault((relation.row, relation.slot), [])
        chain = next((chain for chain in chains if chain.fits(initial)), None)
        if chain is None:
            chain = Chain(type)
            chains.append(chain)
        for i, value in initial.items():
            self._check_initial(self._equation(row, delay - i), self.listing.atoms[value], type)
            chain.initial[i] = value
        return chain.register(delay)

    def _type(self, row: int, slot: int) -> Type:
        return self.listing.equations[self.rounds.start + row].outputs[slot].type

    def _check_initial(self, reader: Equation, atom: Atom, type: Type) -> None:
        """A Python number is carried where it is as precise as what it meets."""
        if atom.type != type:
            raise RefusedError
        if isinstance(atom, Literal) and atom.weak and not self._even(reader, type):
            raise RefusedError

    def _equation(self, row: int, number: int) -> Equation:
        rounds = self.rounds
        return self.listing.equations[rounds.start + row + number * rounds.period]

    def _element(self, values: Ints) -> Atom:
        """Elements of one array along axis 0, at places that move."""
        base, places = int(self.listing.base[values[0]]), self.listing.place[values]
        source = self.listing.atoms[base].type
        type = Type(source.shape[1:], source.dtype)
        if np.all(places == places[0]):
            first = int(values[0])
            key = "element", base, int(places[0])
            return self._const(key, lambda writer: writer.read(first), type)
        if _affine(places):
            return self._stack(
                ("element", base, places.tobytes()),
                type,
                lambda writer: writer.cut(writer.read(base), self._ordered(places)),
                int(places[1] - places[0]),
            )
        output = Var(type)
        array = self._const(base, lambda writer: writer.read(base), source)
        inputs = (array, self._integers(places))
        self.equations.append(Equation(index.gather, inputs, {"index": (index.ARRAY,)}, (output,)))
        return output

    def _ordered(self, places: Ints) -> Ints:
        """What is given for each round, as the scan takes it."""
        return places[::-1] if self.reverse else places

    def _stack(self, key: Any, type: Type, maker: Maker, step: int = 0) -> Var:
        """A stacked operand; ``step`` says whether it is read from the end."""
        if key not in self.xs:
            self.votes += int(np.sign(step))
            var = Var(type)
            self.xs[key] = var, maker
            self.stacks[var] = maker
        return self.xs[key][0]

    def _integers(self, numbers: Ints) -> Var:
        """Integers that change from round to round."""
        return self._stack(
            ("integers", numbers.shape, numbers.tobytes()),
            Type(numbers.shape[1:], numbers.dtype),
            lambda writer: Literal(np.ascontiguousarray(self._ordered(numbers))),
        )

    def _integer(self, number: np.int64) -> Var:
        """An integer that is the same in all rounds of this loop."""
        literal = Literal(number)
        return self._const(literal, lambda writer: literal, literal.type)

    def _constants(self, equation: Equation, values: Ints) -> Var:
        """Constants that change from round to round."""
        literals = [self.listing.atoms[v] for v in values.tolist()]
        found = [atom.value for atom in literals if isinstance(atom, Literal)]
        weak = {atom.weak for atom in literals if isinstance(atom, Literal)}
        type = literals[0].type
        if weak == {True}:
            dtype = promote(equation.inputs)
            even = all(atom.type.dtype == type.dtype for atom in equation.inputs)
            promotes = isinstance(equation.primitive, Elementwise)
            if not (even or promotes) or equation.primitive is arithmetic.power:
                raise RefusedError
            type = Type((), dtype)
        elif weak != {False}:
            raise RefusedError
        stacked = np.array(found, type.dtype)
        return self._stack(
            ("constants", type, stacked.tobytes()),
            type,
            lambda writer: Literal(np.ascontiguousarray(self._ordered(stacked))),
        )

    # -- indices that move -----------------------------------------------------------------------

    def _read_across(
        self, equation: Equation, relation: Relation, numbers: Ints, moving: Sequence[int]
    ) -> Var | None:
        """Parts of one array along one axis, as elements of a stacked operand, if they are."""
        base = int(relation.values[0])
        places = numbers[:, moving[0]]
        if len(moving) > 1 or not _affine(places):
            return None
        step = int(places[1] - places[0])
        items = list(equation.params["index"])
        at = [i for i, item in enumerate(items) if _moves(item)][moving[0]]
        axis = sum(not isinstance(item, (int, np.integer)) for item in items[:at])
        width = _width(items[at], equation.inputs[0].type.shape, items[:at])
        if width is not None and (axis or width not in (1, abs(step))):
            return None
        items[at] = slice(None)
        fixed = tuple(items)
        type = equation.outputs[0].type

        def maker(writer: Writer) -> Atom:
            whole = writer.moved_to_front(writer.part(writer.read(base), fixed), axis)
            ordered = self._ordered(places)
            if width is None:
                return writer.cut(whole, ordered)
            return writer.blocks(whole, ordered, width)

        key = ("across", base, at, freeze(fixed), numbers.tobytes())
        return self._stack(key, type, maker, step)

    def _at_moving(
        self, equation: Equation, inputs: list[Atom], numbers: Ints
    ) -> tuple[Primitive, list[Atom], dict[str, Any]]:
        """The equation with what moves in its index as operands."""
        primitive = equation.primitive
        count = 1 if primitive in (index.slice_, index.gather) else 2
        operands, arrays = inputs[:count], iter(inputs[count:])
        lengths = equation.inputs[0].type.shape
        items = list(equation.params["index"])
        columns = iter(range(numbers.shape[1]))
        windows = False
        for i, item in enumerate(items):
            if isinstance(item, str):
                operands.append(next(arrays))
            elif _moves(item):
                places = numbers[:, next(columns)]
                width = _width(item, lengths, items[:i])
                moves = bool(np.any(places != places[0]))
                if width is not None and moves:
                    windows = True
                    places = places[:, None] + np.arange(width)
                if width is None or moves:
                    items[i] = index.ARRAY
                    operands.append(self._integers(places) if moves else self._integer(places[0]))
        if windows and sum(not isinstance(item, slice) and item is not None for item in items) > 1:
            raise RefusedError
        kind = index.gather if primitive is index.slice_ else primitive
        return kind, operands, {"index": tuple(items)}

    def _reshaped(self, source: Atom, to: tuple[int, ...]) -> Var:
        """A reshaped slice of a stacked operand, as a slice of the reshaped operand."""
        assert isinstance(source, Var)
        maker = self.stacks[source]
        type = Type(tuple(to), source.type.dtype)
        whole = (self.count, *to)
        return self._stack(
            ("reshaped", source, whole),
            type,
            lambda writer: writer.write(shape.reshape, (maker(writer),), {"shape": whole}),
        )

    # -- results ---------------------------------------------------------------------------------

    def _outputs(self) -> None:
        """Find what is read after the loop, and how it is given."""
        end = self.rounds.end
        hoisted = set(self.hoisted)
        for (row, slot), atom in list(self.results.items()):
            if self.rounds.start + row in hoisted:
                continue
            values = self.values(row, slot)
            read = (self.listing.last[values] >= end) & (self.listing.base[values] < 0)
            late = np.flatnonzero(read)
            if not len(late):
                continue
            chains = self.chains.get((row, slot), [])
            depth = self.count - int(late[0])
            if any(depth in chain.registers for chain in chains):
                continue
            if depth == 1 and atom not in self.stacks:
                self.single.append(((row, slot), Var(atom.type)))
            elif isinstance(atom, Var) and atom in self.stacks:
                self.given.append((self._stacked(row, slot, atom.type), self.stacks[atom]))
            else:
                self.ys.append((atom, self._stacked(row, slot, atom.type)))

    def _stacked(self, row: int, slot: int, type: Type) -> Var:
        """A new value: a result of all rounds as one array."""
        var = Var(Type((self.count, *type.shape), type.dtype))
        self.made.append((row, slot, var))
        return var

    def announce(self) -> None:
        """Tell later loops where the results are."""
        places = self._ordered(np.arange(self.count))
        for row, slot, var in self.made:
            number = self.listing.add(var, self.rounds.end - 1)
            values = self.values(row, slot)
            self.listing.base[values] = number
            self.listing.place[values] = places

    # -- writing ---------------------------------------------------------------------------------

    def write(self, writer: Writer) -> None:
        """Write the loop in place of its rounds."""
        for number in self.hoisted:
            writer.copy(number)
            for slot, var in enumerate(self.listing.equations[number].outputs):
                values = self.values(number - self.rounds.start, slot)
                writer.known.update(dict.fromkeys(values.tolist(), var))
        for var, maker in self.given:
            writer.known[self.listing.number(var)] = maker(writer)
        self._finals(writer)
        chains = [(key, chain) for key, found in self.chains.items() for chain in found]
        if not self.runs:
            return
        registers = [(key, c, i) for key, c in chains for i in sorted(c.registers)]
        starts = [strong(writer.read(c.initial[i])) for _, c, i in registers]
        starts += [writer.zeros(var.type) for _, var in self.single]
        inputs = [maker(writer) for _, maker in self.consts.values()]
        stacks = [maker(writer) for _, maker in self.xs.values()]
        after = [self.results[key] if i == 1 else c.registers[i - 1] for key, c, i in registers]
        before = [c.registers[i] for _, c, i in registers]
        body = Program(
            (
                *(var for var, _ in self.consts.values()),
                *before,
                *(Var(var.type) for _, var in self.single),
                *(var for var, _ in self.xs.values()),
            ),
            tuple(self.equations),
            (*after, *(self.results[key] for key, _ in self.single), *(a for a, _ in self.ys)),
        )
        finals = [c.finals[i] for _, c, i in registers] + [var for _, var in self.single]
        params = {
            "program": interned(body),
            "length": self.count,
            "consts": len(inputs),
            "carries": len(finals),
            "reverse": self.reverse,
        }
        outputs = (*finals, *(var for _, var in self.ys))
        writer.equations.append(
            Equation(scan_primitive, (*inputs, *starts, *stacks), params, outputs)
        )

    def _finals(self, writer: Writer) -> None:
        """The results of the last rounds that are values of their own after the loop."""
        stacked = {(row, slot) for row, slot, _ in self.made}
        for key, chains in self.chains.items():
            if key in stacked:
                continue
            values = self.values(*key).tolist()
            for chain in chains:
                for i, var in chain.finals.items():
                    if i <= self.count:
                        writer.known[values[-i]] = var
        for key, var in self.single:
            writer.known[int(self.values(*key)[-1])] = var


def _affine(places: Ints) -> bool:
    steps = np.diff(places)
    return bool(steps[0] != 0 and np.all(steps == steps[0]))


def strong(atom: Atom) -> Atom:
    """A Python number as one of its dtype, and any other atom as it is."""
    if isinstance(atom, Literal) and atom.weak:
        return Literal(atom.type.dtype.type(atom.value))
    return atom


def _moves(item: Any) -> bool:
    """Whether an item of an index has an integer that may move; see ``repeats.varying``."""
    if isinstance(item, slice):
        return item.step in (None, 1)
    return isinstance(item, (int, np.integer)) and not isinstance(item, bool)


def _width(item: Any, lengths: Sequence[int], before: Sequence[Any]) -> int | None:
    """The length of a slice in an index, behind other items; None for an integer."""
    if not isinstance(item, slice):
        return None
    start, stop, _ = item.indices(lengths[sum(other is not None for other in before)])
    return max(stop - start, 0)
