"""Writes the Program in which loops have taken the place of their rounds; see ``reroll``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

from ..primitive import Primitive
from ..primitives import index, shape
from ..program import Atom, Equation, Literal, Program, Type, Var
from .relations import Rounds
from .repeats import FEWEST, Ints, Listing

__all__ = ["SMALL", "Maker", "Writer"]

SMALL = 64
"""Constants of more elements than this are operands of a loop, not part of its body."""

Maker: TypeAlias = Callable[["Writer"], Atom]
"""Writes what an operand of a loop is before the loop."""


class Written(Protocol):
    """A loop that is to be written in place of its rounds."""

    rounds: Rounds

    def write(self, writer: Writer) -> None:
        """Write its equations, and what stands before them."""
        ...


class Writer:
    """Writes the new Program: the loops, and what is between them."""

    def __init__(self, listing: Listing, loops: Sequence[Written]) -> None:
        self.listing = listing
        self.loops = loops
        self.equations: list[Equation] = []
        self.known: dict[int, Atom] = {}
        self.inside = np.zeros(len(listing.equations) + 1, np.bool_)
        for loop in loops:
            self.inside[loop.rounds.start : loop.rounds.end] = True

    def run(self) -> Program:
        """The new Program, without what nothing reads any more."""
        number = 0
        for loop in self.loops:
            for between in range(number, loop.rounds.start):
                self.copy(between)
            loop.write(self)
            number = loop.rounds.end
        for between in range(number, len(self.listing.equations)):
            self.copy(between)
        program = self.listing.program
        outputs = tuple(self.read(self.listing.number(atom)) for atom in program.outputs)
        return Program(program.inputs, _needed(self.equations, outputs), outputs)

    def read(self, value: int) -> Atom:
        """A value in the new Program."""
        found = self.known.get(value)
        if found is not None:
            return found
        atom = self.listing.atoms[value]
        base = int(self.listing.base[value])
        made = int(self.listing.made[value])
        if made < 0 or not self.inside[made] or not self._is_result(value):
            return atom
        place = int(self.listing.place[value])
        found = self.write(index.slice_, (self.read(base),), {"index": (place,)})
        self.known[value] = found
        return found

    def _is_result(self, value: int) -> bool:
        """Whether a value is a result of an equation, and not one that a loop has been given."""
        return self.listing.slot[value] >= 0

    def write(self, primitive: Primitive, inputs: tuple[Atom, ...], params: dict[str, Any]) -> Var:
        """A new equation with one result."""
        (type,) = primitive.types(inputs, params)
        var = Var(type)
        self.equations.append(Equation(primitive, inputs, params, (var,)))
        return var

    def copy(self, number: int) -> None:
        """An equation as it was, with its operands in the new Program."""
        equation = self.listing.equations[number]
        low, high = self.listing.first[number : number + 2].tolist()
        values = self.listing.operands[low:high].tolist()
        if equation.primitive is shape.concatenate and len(values) >= FEWEST:
            axis = equation.params["axis"]
            inputs = tuple(self._joined(values, axis))
        else:
            inputs = tuple(map(self.read, values))
            if all(new is old for new, old in zip(inputs, equation.inputs, strict=True)):
                self.equations.append(equation)
                return
        self.equations.append(
            Equation(equation.primitive, inputs, equation.params, equation.outputs)
        )

    # -- arrays ----------------------------------------------------------------------------------

    def part(self, x: Atom, items: tuple[Any, ...]) -> Atom:
        """``x[items]``; x if that is all of it."""
        if all(isinstance(item, slice) and item == slice(None) for item in items):
            return x
        return self.write(index.slice_, (x,), {"index": items})

    def moved_to_front(self, x: Atom, axis: int) -> Atom:
        """x with an axis in front of the others."""
        if not axis:
            return x
        axes = (axis, *(i for i in range(x.type.ndim) if i != axis))
        return self.write(shape.transpose, (x,), {"axes": axes})

    def cut(self, x: Atom, places: Ints) -> Atom:
        """The elements of x along axis 0 at places that go up or down evenly."""
        first, step = int(places[0]), int(places[1] - places[0])
        if first == 0 and step == 1 and len(places) == x.type.shape[0]:
            return x
        stop = first + step * len(places)
        return self.part(x, (slice(first, stop if stop >= 0 else None, step),))

    def blocks(self, x: Atom, starts: Ints, width: int) -> Atom:
        """Parts of x along axis 0, one behind the other, as the elements of an array."""
        count = len(starts)
        to = {"shape": (count, width, *x.type.shape[1:])}
        if width == 1:
            return self.write(shape.reshape, (self.cut(x, starts),), to)
        low = int(starts.min())
        whole = self.cut(x, np.arange(low, low + count * width))
        found = self.write(shape.reshape, (whole,), to)
        return self.cut(found, (starts - low) // width)

    def zeros(self, type: Type) -> Atom:
        """Zeros: what a carried value begins with that is read after the loop only."""
        if type.size <= SMALL:
            return Literal(type.zeros())
        zero = Literal(Type((), type.dtype).zeros())
        return self.write(shape.broadcast, (zero,), {"shape": type.shape})

    def _joined(self, values: Sequence[int], axis: int) -> list[Atom]:
        """The operands of ``concatenate``, where elements of one array come as one operand."""
        base, place = self.listing.base[values], self.listing.place[values]
        steps = np.diff(place)
        found: list[Atom] = []
        low = 0
        while low < len(values):
            high = low + 1
            if base[low] >= 0 and low < len(steps) and abs(steps[low]) > 0:
                while high < len(values) and base[high] == base[low]:
                    if steps[high - 1] != steps[low]:
                        break
                    high += 1
            if high - low >= FEWEST:
                part = self.cut(self.read(int(base[low])), place[low:high])
                found.append(self._along(part, axis))
            else:
                found.extend(map(self.read, values[low:high]))
            low = high
        return found

    def _along(self, stacked: Atom, axis: int) -> Atom:
        """The elements of a stacked array, joined along an axis of theirs."""
        count, *lengths = stacked.type.shape
        order = tuple(range(1, axis + 1))
        if axis:
            axes = (*order, 0, *range(axis + 1, len(lengths) + 1))
            stacked = self.write(shape.transpose, (stacked,), {"axes": axes})
        lengths[axis] *= count
        return self.write(shape.reshape, (stacked,), {"shape": tuple(lengths)})


def _needed(equations: Sequence[Equation], outputs: Sequence[Atom]) -> tuple[Equation, ...]:
    """The equations that something reads, and the guards."""
    read: set[Atom] = set(outputs)
    kept: list[Equation] = []
    for equation in reversed(equations):
        if equation.guards or not read.isdisjoint(equation.outputs):
            kept.append(equation)
            read.update(equation.inputs)
    return tuple(kept[::-1])
