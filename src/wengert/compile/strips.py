"""Loops over large arrays, done for one strip of the arrays after another.

A loop whose steps work element by element on arrays, and whose steps are all kept for the reverse
mode, passes through memory once for each step. Where everything between is element by element too,
each strip of a few elements can be taken through the loop, and back, by itself: what is kept is
then that of one strip, and stays in the cache. The elements are computed as before, in another
order.

    loop forward over x (n); loop backward over its steps     ->     scan over strips of x:
                                                                        loop forward; loop backward

Which equations work element by element along an axis is found by following it (``tracked``).
Known to be weak: the strips are done one after the other, by one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..control.scan import scan_primitive
from ..primitive import Primitive
from ..primitives import shape
from ..primitives.index import slice_
from ..program import Atom, Equation, Literal, Program, Type, Var
from ..transforms.simplify import eliminate_dead_code
from .tracked import SHORTEST, Tracked, WholeError, uniform

__all__ = ["stripped"]

WORTH = 1 << 22
"""Bytes of what a loop keeps from which on they are better kept for a strip at a time."""

CACHED = 1 << 18
"""Bytes of what a strip's loop keeps, for which the level 2 caches of today have room."""

NARROW = 8
"""Elements of a strip, at the least."""


def stripped(program: Program) -> Program:
    """The Program with its large loops done strip by strip."""
    tried: set[int] = set()
    while True:
        lengths = sorted({n for e in program.equations for n in _lengths(e)} - tried)
        if not lengths:
            return program
        tried.add(lengths[-1])
        program = _cut(program, lengths[-1])


def _lengths(equation: Equation) -> list[int]:
    """The axes of what a large loop keeps, but for that of its steps."""
    if equation.primitive is not scan_primitive:
        return []
    kept = [
        var.type
        for var in equation.outputs[equation.params["carries"] :]
        if var.type.size * var.type.dtype.itemsize >= WORTH
    ]
    return [n for type in kept for n in type.shape[1:] if n >= SHORTEST]


def _cut(program: Program, length: int) -> Program:
    """The Program in which large loops over an axis of this length are done in strips.

    Equations that follow the axis are *members*. A member has the level of its operands; what is no
    member, and reads one, is a level higher. So the members of one level need nothing that needs
    them, and can be one loop. Guards, and what comes behind them, do not change places.
    """
    tracked = Tracked(length)
    for var in program.inputs:
        tracked.source(var)
    levels: dict[Var, int] = {}
    floor = 0
    members: dict[int, list[Equation]] = {}
    others: dict[int, list[Equation]] = {}
    for equation in program.equations:
        reads = [x for x in equation.inputs if isinstance(x, Var)]
        try:
            member = not equation.guards and tracked.follow(equation)
        except WholeError:
            member = False
        level = max((levels.get(x, 0) for x in reads), default=0)
        if member:
            members.setdefault(level, []).append(equation)
        else:
            of_members = {var for each in members.get(level, ()) for var in each.outputs}
            level = max(level + (not of_members.isdisjoint(reads)), floor)
            floor = level if equation.guards else floor
            others.setdefault(level, []).append(equation)
            for var in equation.outputs:
                tracked.source(var)
        levels.update(dict.fromkeys(equation.outputs, level))
    written: list[Equation] = []
    changed = False
    for level in sorted({*members, *others}):
        written += others.get(level, ())
        group = members.get(level, [])
        found = _Strips(program, tracked, group).write()
        written += group if found is None else found
        changed = changed or found is not None
    return Program(program.inputs, tuple(written), program.outputs) if changed else program


# -- the loop over strips --------------------------------------------------------------------------


class _Strips:
    """Equations that follow the axis, as one loop over strips of it."""

    def __init__(self, program: Program, tracked: Tracked, group: Sequence[Equation]) -> None:
        self.tracked = tracked
        self.group = group
        inside = set(group)
        read: set[Atom] = set(program.outputs)
        for equation in program.equations:
            if equation not in inside:
                read.update(equation.inputs)
        self.outputs = [var for e in group for var in e.outputs if var in read]
        self.operands: dict[tuple[Atom, int | None], Atom] = {}
        self.equations: list[Equation] = []

    def write(self) -> list[Equation] | None:
        """The equations in place of the group; None if the loops are better left as they are."""
        length, kept = self.tracked.length, self._kept()
        if kept < WORTH:
            return None
        size = _size(length, kept / length)
        count = length // size
        if count < 2 or length < SHORTEST:
            return None
        rest = length - count * size
        whole = self._loop(count, size)
        if rest:
            part = self._rest(count * size, rest)
            for var, x, y in zip(self.outputs, whole, part, strict=True):
                axis = self.tracked.axes[var]
                self._write(shape.concatenate, (x, y), {"axis": axis}, var)
        return self.equations

    def _kept(self) -> int:
        """Bytes that the group's loops keep for each other."""
        stacks = [
            var
            for e in self.group
            if e.primitive is scan_primitive
            for var in e.outputs[e.params["carries"] :]
        ]
        return sum(v.type.size * v.type.dtype.itemsize for v in stacks if v not in self.outputs)

    def _write(
        self, primitive: Primitive, inputs: tuple[Atom, ...], params: Any, var: Var | None = None
    ) -> Var:
        (type,) = primitive.types(inputs, params)
        var = Var(type) if var is None else var
        self.equations.append(Equation(primitive, inputs, params, (var,)))
        return var

    def _resized(self, size: int) -> tuple[Program, list[tuple[Atom, int | None]]]:
        """The group as a Program on a strip of this size, and what its inputs are."""
        resize = _Resize(self.tracked, size)
        equations = [resize.equation(equation) for equation in self.group]
        outputs = tuple(resize.known[var] for var in self.outputs)
        order = sorted(resize.taken, key=lambda key: key[1] is not None)
        inputs = tuple(resize.taken[key] for key in order)
        body = Program(inputs, tuple(resize.before + equations), outputs)
        return eliminate_dead_code(body), order

    def _loop(self, count: int, size: int) -> list[Var]:
        """Write the loop over the strips that are whole; its results."""
        body, order = self._resized(size)
        operands = tuple(
            x if axis is None else self._in_strips(x, axis, count, size) for x, axis in order
        )
        params = {
            "program": body,
            "length": count,
            "consts": sum(axis is None for _, axis in order),
            "carries": 0,
            "reverse": False,
        }
        types = scan_primitive.types(operands, params)
        found = tuple(map(Var, types))
        self.equations.append(Equation(scan_primitive, operands, params, found))
        last = count * size == self.tracked.length
        return [
            self._joined(stack, self.tracked.axes[var], var if last else None)
            for stack, var in zip(found, self.outputs, strict=True)
        ]

    def _in_strips(self, x: Atom, axis: int, count: int, size: int) -> Atom:
        """An operand with its strips along a new axis in front."""
        x = self._part(x, axis, 0, count * size)
        front, back = x.type.shape[:axis], x.type.shape[axis + 1 :]
        x = self._write(shape.reshape, (x,), {"shape": (*front, count, size, *back)})
        if not axis:
            return x
        axes = (axis, *(i for i in range(x.type.ndim) if i != axis))
        return self._write(shape.transpose, (x,), {"axes": axes})

    def _joined(self, stack: Var, axis: int, var: Var | None) -> Var:
        """Strips along the axis in front, one behind the other along the axis they were cut at."""
        if axis:
            axes = (*range(1, axis + 1), 0, *range(axis + 1, stack.type.ndim))
            stack = self._write(shape.transpose, (stack,), {"axes": axes})
        lengths = list(stack.type.shape)
        lengths[axis : axis + 2] = [lengths[axis] * lengths[axis + 1]]
        return self._write(shape.reshape, (stack,), {"shape": tuple(lengths)}, var)

    def _part(self, x: Atom, axis: int, start: int, stop: int) -> Atom:
        if (start, stop) == (0, self.tracked.length):
            return x
        items = (*(slice(None),) * axis, slice(start, stop))
        return self._write(slice_, (x,), {"index": items})

    def _rest(self, start: int, size: int) -> list[Atom]:
        """Write what is behind the last whole strip; its results."""
        body, order = self._resized(size)
        known: dict[Atom, Atom] = {
            var: x if axis is None else self._part(x, axis, start, start + size)
            for var, (x, axis) in zip(body.inputs, order, strict=True)
        }
        for equation in body.equations:
            inputs = tuple(known.get(x, x) for x in equation.inputs)
            self.equations.append(
                Equation(equation.primitive, inputs, equation.params, equation.outputs)
            )
        return [known.get(x, x) for x in body.outputs]


def _size(length: int, kept: float) -> int:
    """How many elements a strip has whose loops keep this many bytes for each."""
    most = max(NARROW, min(int(CACHED / kept), length) // NARROW * NARROW)
    even = [n for n in range(most, most // 2, -NARROW) if length % n == 0]
    return even[0] if even else most


class _Resize:
    """Equations on a strip in place of the whole axis.

    ``known`` are the values on the strip; ``taken`` what is read of others, cut at an axis or
    whole, and ``before`` the equations for constants.
    """

    def __init__(self, tracked: Tracked, size: int) -> None:
        self.tracked = tracked
        self.size = size
        self.known: dict[Var, Var] = {}
        self.taken: dict[tuple[Atom, int | None], Var] = {}
        self.before: list[Equation] = []
        self.constants: dict[tuple[Literal, int], Var] = {}

    def type(self, type: Type, axis: int) -> Type:
        """A type with the axis as long as the strip."""
        return Type((*type.shape[:axis], self.size, *type.shape[axis + 1 :]), type.dtype)

    def read(self, x: Atom, axis: int | None) -> Atom:
        """An operand on the strip."""
        if isinstance(x, Var) and x in self.known:
            return self.known[x]
        if isinstance(x, Literal):
            if axis is None:
                return x
            number = uniform(x)
            if number is not None:
                return self.constant(number, self.type(x.type, axis), (x, axis))
        if (x, axis) not in self.taken:
            self.taken[x, axis] = Var(x.type if axis is None else self.type(x.type, axis))
        return self.taken[x, axis]

    def constant(self, number: Literal, type: Type, key: tuple[Literal, int]) -> Var:
        """An array all of whose elements are one number."""
        if key not in self.constants:
            var = self.constants[key] = Var(type)
            self.before.append(Equation(shape.broadcast, (number,), {"shape": type.shape}, (var,)))
        return self.constants[key]

    def equation(self, equation: Equation) -> Equation:
        """An equation on the strip; one with whole results is as it was."""
        cuts = self.tracked.cuts.get(equation, (None,) * len(equation.inputs))
        inputs = tuple(self.read(x, axis) for x, axis in zip(equation.inputs, cuts, strict=True))
        params = dict(equation.params)
        axes = [self.tracked.axes.get(var) for var in equation.outputs]
        if equation in self.tracked.bodies:
            params["program"] = self.body(params["program"], self.tracked.bodies[equation])
        elif "shape" in params and axes[0] is not None:
            params["shape"] = self.type(equation.outputs[0].type, axes[0]).shape
        outputs = tuple(
            Var(var.type if axis is None else self.type(var.type, axis))
            for var, axis in zip(equation.outputs, axes, strict=True)
        )
        self.known.update(zip(equation.outputs, outputs, strict=True))
        return Equation(equation.primitive, inputs, params, outputs)

    def body(self, program: Program, tracked: Tracked) -> Program:
        """The body of a loop on the strip."""
        inner = _Resize(tracked, self.size)
        for var in program.inputs:
            axis = tracked.axes.get(var)
            inner.known[var] = Var(var.type if axis is None else self.type(var.type, axis))
        equations = [inner.equation(equation) for equation in program.equations]
        outputs = tuple(inner.read(x, inner.tracked.place(x)) for x in program.outputs)
        inputs = tuple(inner.known[var] for var in program.inputs)
        return Program(inputs, tuple(inner.before + equations), outputs)
