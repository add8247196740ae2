"""The order of a kernel's loops, from the strides with which it reads and writes memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..primitive import Primitive
from ..primitives import index, shape
from ..program import Atom, Equation, Literal, Var
from .elements import Scope
from .nests import LEAST, Access, Order, best
from .shapes import groups, index_axes, is_elementwise
from .views import Stored, row_major

__all__ = ["best_order", "reads"]

Steps = tuple[int | None, ...]
"""How far a place along an axis moves with each loop; None where only the run can tell."""

Reach = tuple[Steps, ...]
"""The steps along each axis of a value."""

MANY = 400
"""So many values are looked at."""


def best_order(
    scope: Scope, lengths: Sequence[int], stores: Sequence[Equation], targets: dict[Var, Stored]
) -> Order:
    """The order of the loops of a kernel that adds nothing up."""
    count = len(lengths)
    axes = tuple(range(count))
    if count < 2 or math.prod(lengths) < LEAST:
        return Order(axes)
    roots: list[tuple[Var, Reach]] = []
    written: list[Access] = []
    for equation in stores:
        out = equation.outputs[0]
        rank = len(out.type.shape)
        reach = tuple(tuple(int(i == j) for j in axes) for i in range(rank))
        roots.append((out, reach))
        if out in targets:
            written.append(_access(targets[out].strides, reach, out.type.size, count))
    read = _reads(scope, roots, count)
    return Order(axes) if read is None else best(lengths, [*written, *read])


def reads(scope: Scope, values: Sequence[Atom], loops: int) -> list[Access] | None:
    """How a nest reads memory where it goes, place by place, through values of some axes.

    Axes behind the nest's loops are written out. None if there is too much to look at.
    """
    roots = [
        (x, tuple(tuple(int(i == j) for j in range(loops)) for i in range(len(x.type.shape))))
        for x in values
    ]
    return _reads(scope, roots, loops)


def _reads(scope: Scope, roots: Iterable[tuple[Atom, Reach]], loops: int) -> list[Access] | None:
    """The arrays in memory from which elements of the roots are computed, each root at its reach.

    None if there is too much to look at. ``loops`` is how many loops there are.
    """
    found: list[Access] = []
    pending = list(roots)
    seen: set[tuple[int, Reach]] = set()
    while pending:
        atom, reach = pending.pop()
        if (id(atom), reach) in seen or not atom.type.shape:
            continue
        seen.add((id(atom), reach))
        if len(seen) > MANY:
            return None
        if isinstance(atom, Literal):
            found.append(_access(row_major(atom.type.shape), reach, atom.type.size, loops))
            continue
        stored = scope.where(atom)
        if stored is not None:
            found.append(_access(stored.strides, reach, atom.type.size, loops))
        elif atom not in scope.registers and atom in scope.makers:
            pending.extend(_operands(scope.makers[atom], reach, loops))
    return found


def _access(strides: Sequence[int], reach: Reach, size: int, loops: int) -> Access:
    """How loops go through an array in memory with these strides."""
    return Access(_total(zip(strides, reach, strict=True), loops), size)


def _total(terms: Iterable[tuple[int, Steps]], loops: int) -> Steps:
    """The steps of a sum of places, each times a factor."""
    total: list[int | None] = [0] * loops
    for factor, steps in terms:
        for loop, step in enumerate(steps):
            before = total[loop]
            total[loop] = None if step is None or before is None else before + factor * step
    return tuple(total)


def _lost(places: Iterable[Steps], loops: int) -> Steps:
    """The steps of a place that depends on others in some way."""
    moving = [any(steps[loop] != 0 for steps in places) for loop in range(loops)]
    return tuple(None if moves else 0 for moves in moving)


def _operands(equation: Equation, reach: Reach, loops: int) -> list[tuple[Atom, Reach]]:
    if is_elementwise(equation) or equation.primitive is shape.broadcast:
        return [(atom, _spread(atom, reach, loops)) for atom in equation.inputs]
    rule = _RULES.get(equation.primitive)
    if rule is not None:
        return rule(equation, reach, loops)
    lost = _lost(reach, loops)
    return [(atom, (lost,) * len(atom.type.shape)) for atom in equation.inputs]


def _spread(atom: Atom, reach: Reach, loops: int) -> Reach:
    """The reach of an operand that is broadcast."""
    lengths = atom.type.shape
    skip = len(reach) - len(lengths)
    return tuple((0,) * loops if n == 1 else reach[skip + i] for i, n in enumerate(lengths))


Rule = Callable[[Equation, Reach, int], list[tuple[Atom, Reach]]]


def _transposed(equation: Equation, reach: Reach, loops: int) -> list[tuple[Atom, Reach]]:
    found = dict(zip(equation.params["axes"], reach, strict=True))
    return [(equation.inputs[0], tuple(found[axis] for axis in range(len(reach))))]


def _sliced(equation: Equation, reach: Reach, loops: int) -> list[tuple[Atom, Reach]]:
    (x,) = equation.inputs
    return [(x, _source(equation.params["index"], x.type.shape, reach, [], loops))]


def _source(
    items: Sequence[Any], lengths: Sequence[int], rest: Reach, by_array: Sequence[Steps], loops: int
) -> Reach:
    """The reach of x where ``x[items]`` is read, with the steps along axes that arrays index."""
    found: list[Steps] = []
    left, chosen = list(rest), list(by_array)
    for item in items:
        if item is None:
            left.pop(0)
        elif isinstance(item, str):
            found.append(chosen.pop(0))
        elif isinstance(item, slice):
            step = item.indices(lengths[len(found)])[2]
            found.append(_total([(step, left.pop(0))], loops))
        else:
            found.append((0,) * loops)
    return (*found, *left)


def _gathered(equation: Equation, reach: Reach, loops: int) -> list[tuple[Atom, Reach]]:
    x, *arrays = equation.inputs
    items = equation.params["index"]
    before, width = index_axes(items, arrays)
    chosen, rest = reach[before : before + width], (*reach[:before], *reach[before + width :])
    spread = [_spread(array, chosen, loops) for array in arrays]
    lost = [_lost(each, loops) for each in spread]
    found = _source(items, x.type.shape, rest, lost, loops)
    return [(x, found), *zip(arrays, spread, strict=True)]


def _reshaped(equation: Equation, reach: Reach, loops: int) -> list[tuple[Atom, Reach]]:
    (x,) = equation.inputs
    if not x.type.size:
        return []
    lengths, out = x.type.shape, equation.outputs[0].type.shape
    found: list[Steps] = []
    for made, source in groups(out, lengths):
        flat = [(s, reach[i]) for i, s in zip(made, row_major([out[i] for i in made]), strict=True)]
        sizable = [i for i in source if lengths[i] != 1]
        place = _total(flat, loops)
        if len(sizable) > 1:
            place = _lost([place], loops)
        found += [place if i in sizable else (0,) * loops for i in source]
    return [(x, tuple(found))]


def _whole(equation: Equation, reach: Reach, loops: int) -> list[tuple[Atom, Reach]]:
    return [(atom, reach) for atom in equation.inputs]


_RULES: dict[Primitive, Rule] = {
    shape.transpose: _transposed,
    shape.reshape: _reshaped,
    shape.pad: _whole,
    shape.concatenate: _whole,
    index.slice_: _sliced,
    index.gather: _gathered,
}
