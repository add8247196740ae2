"""An axis followed through the equations of a Program.

A value either has the axis at a known place (it is *tracked*), each of its elements along it made
of the elements at the same place of what it is made of; or it is *whole*, and the same for all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from ..control.scan import scan_primitive
from ..primitive import Primitive
from ..primitives import reduce, shape
from ..primitives.index import scatter_add, slice_, update
from ..program import Atom, Equation, Literal, Program, Var
from .shapes import full, is_elementwise, native, static_index

__all__ = ["SHORTEST", "Tracked", "WholeError", "uniform"]

SHORTEST = 64
"""Elements that an axis has at least; whole values within a loop have fewer."""


class WholeError(Exception):
    """An equation in which the axis cannot be followed."""


Places: TypeAlias = tuple[int | None, ...]
"""For each operand of an equation the axis at which it is cut; None if it is the same for all."""


@dataclass(eq=False)
class Tracked:
    """Where values have the axis of ``length`` elements; values that are not in ``axes`` are whole.

    ``cuts`` are the equations whose results have it, ``bodies`` those of the loops' steps.
    """

    length: int
    inner: bool = False
    axes: dict[Var, int] = field(default_factory=dict[Var, int])
    cuts: dict[Equation, Places] = field(default_factory=dict[Equation, Places])
    bodies: dict[Equation, Tracked] = field(default_factory=dict["Equation", "Tracked"])

    def place(self, atom: Atom) -> int | None:
        """Where an atom has the axis."""
        return self.axes.get(atom) if isinstance(atom, Var) else None

    def fits(self, atom: Atom, axis: int) -> bool:
        """Whether an atom can be cut at this axis."""
        known = self.place(atom)
        if known is not None:
            return known == axis
        if self.inner and (isinstance(atom, Var) or uniform(atom) is None):
            return False
        return axis < atom.type.ndim and atom.type.shape[axis] == self.length

    def source(self, var: Var) -> None:
        """Note a value that comes from elsewhere."""
        if var.type.ndim and var.type.shape[0] == self.length:
            self.axes[var] = 0

    def follow(self, equation: Equation) -> bool:
        """Whether the results of an equation have the axis. Raises ``WholeError``."""
        if equation.primitive is scan_primitive:
            return self._loop(equation)
        places = tuple(map(self.place, equation.inputs))
        if all(place is None for place in places) and equation.primitive is not shape.broadcast:
            return False
        rule = _elementwise if is_elementwise(equation) else _RULES.get(equation.primitive)
        if rule is None or not native(equation):
            raise WholeError
        found = rule(self, equation, places)
        if found is None:
            return False
        cuts, axis = found
        if equation.outputs[0].type.shape[axis] != self.length:
            raise WholeError
        self.axes[equation.outputs[0]] = axis
        self.cuts[equation] = cuts
        return True

    def _loop(self, equation: Equation) -> bool:
        """Follow the axis through the steps of a loop."""
        program, consts = equation.params["program"], equation.params["consts"]
        carries = equation.params["carries"]
        loose = consts + carries
        given = [self._taken(x, i >= loose) for i, x in enumerate(equation.inputs)]
        while True:
            body = Tracked(self.length, inner=True)
            for var, place in zip(program.inputs, given, strict=True):
                if place is not None:
                    body.axes[var] = place
            body.all(program)
            after = [body.place(atom) for atom in program.outputs]
            if after[:carries] == given[consts:loose]:
                break
            # What a loop starts with may look whole, and what it goes on with not.
            for i, place in enumerate(after[:carries], consts):
                if place is None or given[i] not in (None, place):
                    raise WholeError
                given[i] = place
        if all(place is None for place in after):
            return False
        cuts = tuple(p if p is None or i < loose else p + 1 for i, p in enumerate(given))
        for x, place in zip(equation.inputs, cuts, strict=True):
            if place is not None and not self.fits(x, place):
                raise WholeError
        self.cuts[equation], self.bodies[equation] = cuts, body
        for number, (var, place) in enumerate(zip(equation.outputs, after, strict=True)):
            if place is None:
                raise WholeError
            self.axes[var] = place + (number >= carries)
        return True

    def _taken(self, x: Atom, stacked: bool) -> int | None:
        """Where an operand of a loop has the axis, as one step sees it."""
        place = self.place(x)
        if place is None and not self.inner and self.fits(x, int(stacked)):
            place = int(stacked)
        if place is None or not stacked:
            return place
        if not place:
            raise WholeError
        return place - 1

    def all(self, program: Program) -> None:
        """Follow the axis through the body of a loop."""
        for equation in program.equations:
            inside = self.follow(equation)
            if not inside and any(var.type.size >= SHORTEST for var in equation.outputs):
                raise WholeError


def uniform(atom: Atom) -> Literal | None:
    """The number that all elements of a constant are, if they are."""
    if not isinstance(atom, Literal) or not atom.type.size:
        return None
    value = np.asarray(atom.value)
    first = value.flat[0]
    return Literal(first) if value.tobytes() == first.tobytes() * value.size else None


# -- rules -----------------------------------------------------------------------------------------

Rule: TypeAlias = Callable[[Tracked, Equation, Places], "tuple[Places, int] | None"]
"""Where operands are cut and the result has the axis; None if not. Raises ``WholeError``."""


def _elementwise(tracked: Tracked, equation: Equation, places: Places) -> tuple[Places, int]:
    rank = equation.outputs[0].type.ndim
    pairs = zip(equation.inputs, places, strict=True)
    found = {place + rank - x.type.ndim for x, place in pairs if place is not None}
    if len(found) != 1:
        raise WholeError
    (axis,) = found
    cuts: list[int | None] = []
    for x in equation.inputs:
        own = axis - rank + x.type.ndim
        whole = own < 0 or x.type.shape[own] == 1
        if not whole and not tracked.fits(x, own):
            raise WholeError
        cuts.append(None if whole else own)
    return tuple(cuts), axis


def _slice(tracked: Tracked, equation: Equation, places: Places) -> tuple[Places, int]:
    assert places[0] is not None
    return places, _taken_whole(equation, places[0])


def _taken_whole(equation: Equation, axis: int) -> int:
    """Where an axis of what is indexed is in the part, if all of it is there."""
    if not static_index(equation):
        raise WholeError
    out = at = 0
    for item in equation.params["index"]:
        if item is None:
            out += 1
        elif at == axis:
            if not full(item):
                raise WholeError
            return out
        elif isinstance(item, (int, slice)):
            out += isinstance(item, slice)
            at += 1
        else:
            raise WholeError
    return out + axis - at


def _update(tracked: Tracked, equation: Equation, places: Places) -> tuple[Places, int]:
    """A part is written, or added, where all of the axis is taken."""
    base, part = equation.inputs[:2]
    if not static_index(equation):
        raise WholeError
    (read,) = slice_.types((base,), {"index": equation.params["index"]})
    if read.shape != part.type.shape:
        raise WholeError
    for axis in range(base.type.ndim) if places[0] is None else [places[0]]:
        if tracked.fits(base, axis):
            own = _taken_whole(equation, axis)
            if tracked.fits(part, own):
                return (axis, own), axis
    raise WholeError


def _pad(tracked: Tracked, equation: Equation, places: Places) -> tuple[Places, int]:
    assert places[0] is not None
    if equation.params["widths"][places[0]] != (0, 0):
        raise WholeError
    return places, places[0]


def _broadcast(tracked: Tracked, equation: Equation, places: Places) -> tuple[Places, int] | None:
    to = equation.params["shape"]
    place = places[0]
    if place is not None:
        return places, place + len(to) - equation.inputs[0].type.ndim
    if equation.inputs[0].type.size >= SHORTEST or to.count(tracked.length) != 1:
        return None
    return places, to.index(tracked.length)


def _reshape(tracked: Tracked, equation: Equation, places: Places) -> tuple[Places, int]:
    """The axis stays where as many elements are in front of it as before."""
    before, after = equation.inputs[0].type.shape, equation.params["shape"]
    front = math.prod(before[: places[0]])
    for out, n in enumerate(after):
        if n == tracked.length and math.prod(after[:out]) == front:
            return places, out
    raise WholeError


def _transpose(tracked: Tracked, equation: Equation, places: Places) -> tuple[Places, int]:
    return places, equation.params["axes"].index(places[0])


def _reduce(tracked: Tracked, equation: Equation, places: Places) -> tuple[Places, int]:
    axis, axes = places[0], equation.params["axes"]
    if axis is None or axis in axes:
        raise WholeError
    return places, axis - sum(each < axis for each in axes)


def _concatenate(tracked: Tracked, equation: Equation, places: Places) -> tuple[Places, int]:
    found = {place for place in places if place is not None}
    axis = found.pop()
    if found or axis == equation.params["axis"]:
        raise WholeError
    if not all(tracked.fits(x, axis) for x in equation.inputs):
        raise WholeError
    return (axis,) * len(places), axis


_RULES: dict[Primitive, Rule] = {
    slice_: _slice,
    **dict.fromkeys((update, scatter_add), _update),
    shape.pad: _pad,
    shape.broadcast: _broadcast,
    shape.reshape: _reshape,
    shape.transpose: _transpose,
    shape.concatenate: _concatenate,
    **dict.fromkeys((reduce.sum_, reduce.prod), _reduce),
    **dict.fromkeys((reduce.maximum_along, reduce.minimum_along), _reduce),
}
