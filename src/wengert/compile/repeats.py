"""Where a Program repeats itself: its equations as integers, and the periods of those.

Two equations are of one class if they may be the same line of a loop: primitive, parameters and
types agree, but for the integers and bounds within an index. A loop that was written out is a
stretch of the sequence of classes with a period. The periods are found by comparing windows of 1,
2, 4, ... classes, numbered afresh at each doubling as in the construction of a suffix array: in a
window as long as the body, the distance to the window's last occurrence is the period.

R. M. Karp, R. E. Miller, A. L. Rosenberg, "Rapid identification of repeated patterns in strings,
trees and arrays", STOC 1972.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from ..primitives import index
from ..program import Atom, Equation, Literal, Program, Type, Var

__all__ = ["FEWEST", "INDEXING", "Ints", "Listing", "is_element", "periods", "stretches", "varying"]

Ints = np.ndarray[Any, np.dtype[np.int64]]

FEWEST = 8
"""Iterations that a loop has at least."""

LARGE = 1 << 10
"""Elements of a constant that are looked at before they are part of its key."""

INDEXING = (index.slice_, index.gather, index.update, index.scatter_add)


def varying(equation: Equation) -> tuple[tuple[Hashable, ...], tuple[int, ...]]:
    """The form of an index, and its integers: places, and the starts of slices without steps."""
    lengths = equation.inputs[0].type.shape
    form: list[Hashable] = []
    numbers: list[int] = []
    axis = 0
    for item in equation.params["index"]:
        if item is None:
            form.append(None)
            continue
        length = lengths[axis]
        axis += 1
        if isinstance(item, slice):
            start, stop, step = item.indices(length)
            if step == 1:
                form.append(("window", max(stop - start, 0)))
                numbers.append(start)
            else:
                form.append(("steps", start, stop, step))
        elif isinstance(item, (int, np.integer)) and not isinstance(item, bool):
            form.append("place")
            numbers.append(int(item) % length if length else int(item))
        else:
            form.append(item)
    return tuple(form), tuple(numbers)


def _token(value: Any) -> Hashable:
    """A parameter to the bit: 1 is not True, and 0.0 is not -0.0."""
    if isinstance(value, (list, tuple)):
        return tuple(map(_token, value))
    if isinstance(value, slice):
        return "slice", _token(value.start), _token(value.stop), _token(value.step)
    if isinstance(value, Mapping):
        return tuple((key, _token(item)) for key, item in sorted(value.items()))
    if isinstance(value, (np.ndarray, np.generic)):
        return type(value), value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, (float, complex)):
        return type(value), repr(value)
    return type(value), value


def _constant_token(literal: Literal) -> Hashable:
    """The key of a constant. Reverse mode makes large zeros, which need no long key."""
    value = literal.value
    large = literal.type.size > LARGE and value.flags.c_contiguous
    if large and not np.any(value.reshape(-1).view(np.uint8)):
        return "zeros", literal.type
    return literal.key()


class Listing:
    """The equations of a Program in numbers.

    Values are numbered: constants of the same bits are one value. ``made`` is the equation that
    gives a value, or -1; ``slot`` its place among the results; ``last`` the last equation to read
    it. The operands of equation i are ``operands[first[i] : first[i + 1]]``, its results have the
    numbers from ``results[i]`` on, and ``guarded[i]`` says whether it is a guard or holds some. An
    element of an array along axis 0 has that array as ``base`` and its place there as ``place``.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.equations = program.equations
        self.atoms: list[Atom] = []
        self.indices: dict[int, tuple[int, ...]] = {}
        self._numbers: dict[Var, int] = {}
        self._literals: dict[int, int] = {}
        self._constants: dict[Hashable, int] = {}
        self._types: dict[int, int] = {}
        self._equal: dict[Type, int] = {}
        self._classes: dict[Hashable, int] = {}
        for var in program.inputs:
            self._new(var)
        self._read()

    def _read(self) -> None:
        operands: list[int] = []
        first, results, classes = [0], [], []
        made: list[tuple[int, int]] = []
        elements: list[tuple[int, int, int]] = []
        for number, equation in enumerate(self.equations):
            operands.extend(map(self.number, equation.inputs))
            first.append(len(operands))
            results.append(len(self.atoms))
            for var in equation.outputs:
                made.append((self._new(var), number))
            classes.append(self._class(number, equation))
            if equation.primitive is index.slice_ and is_element(equation):
                elements.append((results[-1], operands[-1], self.indices[number][0]))
        outputs = [self.number(atom) for atom in self.program.outputs]
        self.guarded = np.array([equation.guards > 0 for equation in self.equations], np.bool_)
        self.operands, self.first = np.array(operands, np.int64), np.array(first, np.int64)
        self.results, self.classes = np.array(results, np.int64), np.array(classes, np.int64)
        # There is room for arrays that take the place of their elements.
        room = 2 * len(self.atoms)
        self.made, self.slot, self.last, self.base, self.place = np.full((5, room), -1)
        values, makers = np.array(made, np.int64).reshape(-1, 2).T
        self.made[values] = makers
        self.slot[values] = values - self.results[makers]
        self.last[self.operands] = np.repeat(np.arange(len(classes)), np.diff(self.first))
        self.last[outputs] = len(classes)
        # Who reads an element after a loop reads it from the array.
        for value, base, place in reversed(elements):
            self.base[value], self.place[value] = base, place
            self.last[base] = max(self.last[base], self.last[value])

    def _new(self, atom: Atom) -> int:
        number = len(self.atoms)
        self.atoms.append(atom)
        if isinstance(atom, Var):
            self._numbers[atom] = number
        return number

    def number(self, atom: Atom) -> int:
        """The number of a value."""
        if isinstance(atom, Var):
            return self._numbers[atom]
        found = self._literals.get(id(atom))
        if found is None:
            key = _constant_token(atom)
            found = self._constants.get(key)
            if found is None:
                found = self._constants[key] = self._new(atom)
            self._literals[id(atom)] = found
        return found

    def add(self, var: Var, made: int) -> int:
        """The number of a new value that is there after equation ``made``."""
        number = self._new(var)
        self.made[number] = made
        return number

    def is_literal(self, values: Ints) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which values are constants."""
        return np.array([isinstance(self.atoms[v], Literal) for v in values.tolist()])

    def _type(self, type: Type) -> int:
        found = self._types.get(id(type))
        if found is None:
            found = self._equal.setdefault(type, len(self._equal))
            self._types[id(type)] = found
        return found

    def _class(self, number: int, equation: Equation) -> int:
        primitive, params = equation.primitive, equation.params
        token: Hashable = None
        if primitive in INDEXING:
            token, self.indices[number] = varying(equation)
        elif params:
            token = tuple((name, _token(value)) for name, value in params.items())
        types = [self._type(atom.type) for atom in equation.inputs]
        types.append(-1)
        types.extend([self._type(var.type) for var in equation.outputs])
        key = primitive.number, token, tuple(types)
        return self._classes.setdefault(key, len(self._classes))


def is_element(equation: Equation) -> bool:
    """Whether a slice is an element along axis 0."""
    items = equation.params["index"]
    if not items or not isinstance(items[0], (int, np.integer)):
        return False
    return all(isinstance(item, slice) and item == slice(None) for item in items[1:])


# -- periods ---------------------------------------------------------------------------------------


def periods(classes: Ints) -> list[int]:
    """Distances at which enough classes come again, the least first."""
    found: set[int] = set()
    _, key = np.unique(classes, return_inverse=True)
    width = 1
    while width <= len(classes) // FEWEST:
        order = np.argsort(key, kind="stable")
        again = key[order[1:]] == key[order[:-1]]
        if not np.any(again):
            break
        distances, counts = np.unique((order[1:] - order[:-1])[again], return_counts=True)
        # Of a body that comes FEWEST times, windows up to twice its length have this many matches.
        found.update(distances[counts >= (FEWEST - 4) * distances].tolist())
        _, key = np.unique(key[:-width] * (key.max() + 1) + key[width:], return_inverse=True)
        width *= 2
    return sorted(found)


def stretches(classes: Ints, period: int) -> list[tuple[int, int]]:
    """Begins and ends of the parts that repeat themselves with a period, often enough."""
    same = np.zeros(len(classes) - period + 2, np.int8)
    same[1:-1] = classes[period:] == classes[:-period]
    edges = np.flatnonzero(np.diff(same)).reshape(-1, 2)
    long = edges[edges[:, 1] - edges[:, 0] >= (FEWEST - 1) * period]
    return [(int(begin), int(end) + period) for begin, end in long]
