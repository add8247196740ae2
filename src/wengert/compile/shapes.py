"""How equations reach into their operands: what a compiler must know before it writes loops.

``aligned`` says whether an element of the result needs only elements of an operand at the same
leading places, so that both can be computed in one loop. ``tails`` finds the trailing axes that are
so short, and taken apart so much, that they are written out element by element.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..kinds import Elementwise
from ..primitives import arithmetic, contract, index, logic, reduce, shape
from ..primitives.index import ARRAY
from ..program import Atom, Equation, Program, Var
from .emit import is_compiled

__all__ = [
    "ELEMENTWISE",
    "REDUCTIONS",
    "SHORT",
    "aligned",
    "full",
    "is_elementwise",
    "native",
    "own_need",
    "passed_need",
    "static_index",
    "tails",
]

SHORT = 32
"""Up to this many elements are written out instead of looped over."""

ELEMENTWISE = {
    logic.select,
    shape.convert,
    arithmetic.real,
    arithmetic.imag,
    arithmetic.conjugate,
    arithmetic.round_,
}
"""Primitives of other kinds that work element by element as well."""

REDUCTIONS = {
    reduce.sum_: "sum",
    reduce.prod: "prod",
    reduce.maximum_along: "max",
    reduce.minimum_along: "min",
    reduce.every: "all",
    reduce.some: "any",
}


def is_elementwise(equation: Equation) -> bool:
    """Whether each element of the result needs one element of each operand."""
    return isinstance(equation.primitive, Elementwise) or equation.primitive in ELEMENTWISE


def native(equation: Equation) -> bool:
    """Whether registers can hold the elements of all operands and results."""
    return all(is_compiled(atom.type.dtype) for atom in (*equation.inputs, *equation.outputs))


def full(item: Any) -> bool:
    """Whether an item of an index takes a whole axis as it is."""
    return (
        isinstance(item, slice)
        and item.start in (None, 0)
        and item.stop is None
        and (item.step in (None, 1))
    )


def static_index(equation: Equation) -> bool:
    """Whether an index holds no arrays."""
    return ARRAY not in [item for item in equation.params["index"] if isinstance(item, str)]


def _aligned_slice(items: Sequence[Any], k: int) -> bool:
    return all(map(full, items[:k]))


def aligned(equation: Equation, place: int, k: int) -> bool:
    """Whether the first k axes of the result are, one for one, those of operand ``place``."""
    x = equation.inputs[place].type.shape
    out = equation.outputs[0].type.shape
    if not k:
        return True
    if len(x) < k or x[:k] != out[:k]:
        return False
    primitive, params = equation.primitive, equation.params
    if is_elementwise(equation) or primitive is shape.broadcast:
        return len(x) == len(out)
    if primitive is shape.reshape:
        return True
    if primitive is shape.transpose:
        return tuple(params["axes"][:k]) == tuple(range(k))
    if primitive is shape.pad:
        return all(widths == (0, 0) for widths in params["widths"][:k])
    if primitive is shape.concatenate:
        return params["axis"] >= k
    if primitive is index.slice_:
        return _aligned_slice(params["index"], k)
    if primitive in (index.scatter_add, index.update):
        return place < 2 and static_index(equation) and _aligned_slice(params["index"], k)
    if primitive is index.gather:
        items = params["index"]
        return place > 0 and bool(items) and items[0] == ARRAY and _together(items)
    if primitive in REDUCTIONS:
        return all(axis >= k for axis in params["axes"])
    if primitive is contract.matmul:
        return len(x) - (2 if place else 1) >= k
    if primitive is contract.einsum:
        return params["labels"][place][:k] == params["out"][:k]
    return False


def _together(items: Sequence[Any]) -> bool:
    """Whether the index arrays of an index stand side by side at its beginning."""
    arrays = [i for i, item in enumerate(items) if isinstance(item, str)]
    return arrays == list(range(len(arrays))) and not any(
        isinstance(item, int) for item in items[len(arrays) :]
    )


def own_need(equation: Equation) -> int:
    """How many trailing axes of a virtual result have to be written out because of what it is."""
    rank = len(equation.outputs[0].type.shape)
    if equation.primitive is shape.concatenate:
        return rank - equation.params["axis"]
    if equation.primitive in (index.scatter_add, index.update):
        items = [item for item in equation.params["index"] if item is not None]
        return rank - next((i for i, item in enumerate(items) if not full(item)), rank)
    return 0


def passed_need(equation: Equation, place: int, need: int) -> int:
    """How many trailing axes of a result have to be written out so that ``need`` of an operand are."""
    x = equation.inputs[place].type.shape
    out = equation.outputs[0].type.shape
    first = len(x) - need
    if not need:
        return 0
    primitive, params = equation.primitive, equation.params
    if is_elementwise(equation) or primitive in (shape.broadcast, shape.pad, shape.concatenate):
        return need
    if primitive is shape.transpose:
        return len(out) - min(i for i, axis in enumerate(params["axes"]) if axis >= first)
    if primitive is shape.reshape:
        before, axis, product = math.prod(x[:first]), 0, 1
        while axis < len(out) and product * out[axis] <= before:
            product *= out[axis]
            axis += 1
        return len(out) - axis
    if primitive is index.slice_:
        taken = made = 0
        for item in params["index"]:
            if taken >= first:
                break
            taken += item is not None
            made += item is None or isinstance(item, slice)
        made += max(0, first - taken)
        return len(out) - made
    if primitive in REDUCTIONS:
        return sum(1 for axis in range(first, len(x)) if axis not in params["axes"])
    if primitive in (index.scatter_add, index.update) and place == 0:
        return need
    return len(out)


# -- short trailing axes ---------------------------------------------------------------------------


def _first_change(x: Sequence[int], out: Sequence[int]) -> int:
    """The first axis in which two shapes differ."""
    for axis, (m, n) in enumerate(zip(x, out, strict=False)):
        if m != n:
            return axis
    return min(len(x), len(out))


def _taken_apart(equation: Equation) -> list[tuple[Atom, int]]:
    """The values of an equation that are taken apart, each with the first axis where that is so."""
    primitive, params = equation.primitive, equation.params
    out = equation.outputs[0] if equation.outputs else None
    if out is None:
        return []
    x = equation.inputs[0] if equation.inputs else None
    if primitive is shape.concatenate:
        return [(atom, params["axis"]) for atom in (*equation.inputs, out)]
    assert x is not None
    rank = len(x.type.shape)
    if primitive in (index.slice_, index.scatter_add, index.update):
        if not static_index(equation):
            return []
        axis = next((i for i, item in enumerate(params["index"]) if not full(item)), rank)
        found: list[tuple[Atom, int]] = [(x, axis), (out, axis)]
        if primitive is not index.slice_:
            found.append((equation.inputs[1], axis))
        return found
    if primitive is shape.pad:
        axis = next((i for i, w in enumerate(params["widths"]) if w != (0, 0)), rank)
        return [(x, axis), (out, axis)]
    if primitive is shape.reshape:
        axis = _first_change(x.type.shape, out.type.shape)
        return [(x, axis), (out, axis)]
    if primitive is shape.transpose:
        axis = next((i for i, a in enumerate(params["axes"]) if a != i), rank)
        last = [(out, rank - 1)] if axis < rank and out.type.shape[-1] <= 8 else []
        return [(x, axis), (out, axis), *last]
    if primitive in REDUCTIONS and params["axes"]:
        return [(x, min(params["axes"]))]
    if primitive is contract.matmul:
        parts = (*equation.inputs, out)
        ranks = [len(atom.type.shape) for atom in parts]
        return [(atom, max(0, n - i)) for i in (1, 2) for atom, n in zip(parts, ranks, strict=True)]
    if primitive is contract.einsum:
        labels, letters = params["labels"], params["out"]
        batch = 0
        while batch < len(letters) and all(
            text[batch : batch + 1] == letters[batch] for text in labels
        ):
            batch += 1
        return [(atom, batch) for atom in (*equation.inputs, out)]
    return []


def tails(program: Program) -> dict[Var, int]:
    """For each variable the number of its trailing axes that are written out."""
    found: dict[Var, int] = {}

    def offer(atom: Atom, count: int) -> bool:
        if not isinstance(atom, Var):
            return False
        rank = len(atom.type.shape)
        count = min(count, rank)
        while count < rank and atom.type.shape[rank - count - 1] == 1:
            count += 1
        if count <= found.get(atom, 0) or math.prod(atom.type.shape[rank - count :]) > SHORT:
            return False
        found[atom] = count
        return True

    variables = [*program.inputs, *(var for e in program.equations for var in e.outputs)]
    for var in variables:
        found[var] = 0
        if var.type.size <= SHORT:
            found[var] = len(var.type.shape)
    for equation in program.equations:
        for atom, axis in _taken_apart(equation):
            offer(atom, len(atom.type.shape) - axis)
    pointwise = [
        e for e in program.equations if is_elementwise(e) or e.primitive is shape.broadcast
    ]
    changed = True
    while changed:
        changed = False
        for equation in pointwise:
            atoms: list[Atom] = [*equation.inputs, *equation.outputs]
            most = max((found.get(a, 0) for a in atoms if isinstance(a, Var)), default=0)
            whole = [a for a in atoms if a.type.shape]
            if most and whole:
                rank = len(equation.outputs[0].type.shape)
                most = max(
                    (
                        found[a]
                        for a in whole
                        if isinstance(a, Var)
                        and (len(a.type.shape) == rank or found[a] < len(a.type.shape))
                    ),
                    default=0,
                )
                if most == rank and equation.outputs[0].type.size > SHORT:
                    most = 0
                for atom in whole:
                    changed |= offer(atom, most)
    return found
