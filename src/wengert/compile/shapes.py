"""How equations reach into their operands: what a compiler must know before it writes loops.

``aligned`` says whether an element of the result needs only elements of an operand at the same
leading places, so that both can be computed in one loop. ``tails`` finds the trailing axes that are
so short, and taken apart so much, that they are written out element by element.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..kinds import Elementwise
from ..primitive import Primitive
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
    "groups",
    "index_axes",
    "is_elementwise",
    "lengths_of",
    "native",
    "own_need",
    "passed_need",
    "static_index",
    "tails",
]

SHORT = 32
"""Up to this many elements are written out instead of looped over."""

ELEMENTWISE: set[Primitive] = {
    logic.select,
    shape.convert,
    arithmetic.real,
    arithmetic.imag,
    arithmetic.conjugate,
    arithmetic.round_,
}
"""Primitives of other kinds that work element by element as well."""

REDUCTIONS: dict[Primitive, str] = {
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


def lengths_of(equation: Equation) -> dict[str, int]:
    """The length of the axis behind each letter of an einsum."""
    found: dict[str, int] = {}
    for label, atom in zip(equation.params["labels"], equation.inputs, strict=True):
        found.update(zip(label, atom.type.shape, strict=True))
    return found


def groups(out: Sequence[int], source: Sequence[int]) -> list[tuple[range, range]]:
    """The axes of two shapes of as many elements, in groups that hold the same places."""
    found: list[tuple[range, range]] = []
    i = j = 0
    while i < len(out) or j < len(source):
        first, start = i, j
        m = out[i] if i < len(out) else 1
        n = source[j] if j < len(source) else 1
        i, j = i + 1, j + 1
        while m != n:
            if m < n:
                m *= out[i]
                i += 1
            else:
                n *= source[j]
                j += 1
        found.append((range(first, min(i, len(out))), range(start, min(j, len(source)))))
    return found


def index_axes(items: Sequence[Any], arrays: Sequence[Atom]) -> tuple[int, int]:
    """The first axis of ``x[items]`` that its index arrays make, and how many they make."""
    width = max(len(array.type.shape) for array in arrays)
    by_number = [i for i, item in enumerate(items) if isinstance(item, (str, int))]
    first, last = by_number[0], by_number[-1]
    if last - first + 1 != len(by_number):
        return 0, width  # of places that are apart, the axes that they choose come first
    return sum(1 for item in items[:first] if item is None or isinstance(item, slice)), width


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
    if is_elementwise(equation):
        return len(x) == len(out)
    rule = _ALIGNED.get(equation.primitive)
    return rule is not None and rule(equation, place, k)


def _aligned_update(equation: Equation, place: int, k: int) -> bool:
    whole = static_index(equation) and _aligned_slice(equation.params["index"], k)
    return place < 2 and whole


def _aligned_gather(equation: Equation, place: int, k: int) -> bool:
    items = equation.params["index"]
    return place > 0 and bool(items) and items[0] == ARRAY and _together(items)


_ALIGNED: dict[Primitive, Callable[[Equation, int, int], bool]] = {
    shape.broadcast: lambda e, i, k: len(e.inputs[0].type.shape) == len(e.outputs[0].type.shape),
    shape.reshape: lambda e, i, k: True,
    shape.transpose: lambda e, i, k: tuple(e.params["axes"][:k]) == tuple(range(k)),
    shape.pad: lambda e, i, k: all(widths == (0, 0) for widths in e.params["widths"][:k]),
    shape.concatenate: lambda e, i, k: e.params["axis"] >= k,
    index.slice_: lambda e, i, k: _aligned_slice(e.params["index"], k),
    index.scatter_add: _aligned_update,
    index.update: _aligned_update,
    index.gather: _aligned_gather,
    contract.matmul: lambda e, i, k: len(e.inputs[i].type.shape) - (2 if i else 1) >= k,
    contract.einsum: lambda e, i, k: e.params["labels"][i][:k] == e.params["out"][:k],
    **dict.fromkeys(REDUCTIONS, lambda e, i, k: all(axis >= k for axis in e.params["axes"])),
}


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
    """How many trailing axes of a result to write out so that ``need`` of an operand's are."""
    if not need:
        return 0
    primitive = equation.primitive
    if is_elementwise(equation) or primitive in (shape.broadcast, shape.pad, shape.concatenate):
        return need
    if primitive in (index.scatter_add, index.update) and place == 0:
        return need
    out = len(equation.outputs[0].type.shape)
    first = len(equation.inputs[place].type.shape) - need
    rule = _FIRST.get(primitive)
    return out if rule is None else out - rule(equation, first)


def _first_transposed(equation: Equation, first: int) -> int:
    return min(i for i, axis in enumerate(equation.params["axes"]) if axis >= first)


def _first_reshaped(equation: Equation, first: int) -> int:
    out = equation.outputs[0].type.shape
    before, axis, product = math.prod(equation.inputs[0].type.shape[:first]), 0, 1
    while axis < len(out) and product * out[axis] <= before:
        product *= out[axis]
        axis += 1
    return axis


def _first_sliced(equation: Equation, first: int) -> int:
    taken = made = 0
    for item in equation.params["index"]:
        if taken >= first:
            break
        taken += item is not None
        made += item is None or isinstance(item, slice)
    return made + max(0, first - taken)


def _first_reduced(equation: Equation, first: int) -> int:
    return sum(axis not in equation.params["axes"] for axis in range(first))


_FIRST: dict[Primitive, Callable[[Equation, int], int]] = {
    shape.transpose: _first_transposed,
    shape.reshape: _first_reshaped,
    index.slice_: _first_sliced,
    **dict.fromkeys(REDUCTIONS, _first_reduced),
}
"""The first axis of the result that runs along axis ``first`` of the operand, or one after it."""


# -- short trailing axes ---------------------------------------------------------------------------


def _first_change(x: Sequence[int], out: Sequence[int]) -> int:
    """The first axis in which two shapes differ."""
    for axis, (m, n) in enumerate(zip(x, out, strict=False)):
        if m != n:
            return axis
    return min(len(x), len(out))


Apart = list[tuple[Atom, int]]
"""Values that are taken apart, each with the first axis where that is so."""


def _apart_joined(equation: Equation) -> Apart:
    axis = equation.params["axis"]
    return [(atom, axis) for atom in (*equation.inputs, *equation.outputs)]


def _apart_indexed(equation: Equation) -> Apart:
    if not static_index(equation):
        return []
    x = equation.inputs[0]
    items = equation.params["index"]
    axis = next((i for i, item in enumerate(items) if not full(item)), len(x.type.shape))
    return [(atom, axis) for atom in (*equation.inputs[:2], *equation.outputs)]


def _apart_padded(equation: Equation) -> Apart:
    (x,), (out,) = equation.inputs, equation.outputs
    widths = equation.params["widths"]
    axis = next((i for i, width in enumerate(widths) if width != (0, 0)), len(widths))
    return [(x, axis), (out, axis)]


def _apart_reshaped(equation: Equation) -> Apart:
    (x,), (out,) = equation.inputs, equation.outputs
    axis = _first_change(x.type.shape, out.type.shape)
    return [(x, axis), (out, axis)]


def _apart_transposed(equation: Equation) -> Apart:
    (x,), (out,) = equation.inputs, equation.outputs
    rank = len(out.type.shape)
    axis = next((i for i, a in enumerate(equation.params["axes"]) if a != i), rank)
    last: Apart = [(out, rank - 1)] if axis < rank and out.type.shape[-1] <= 8 else []
    return [(x, axis), (out, axis), *last]


def _apart_multiplied(equation: Equation) -> Apart:
    parts = (*equation.inputs, *equation.outputs)
    ranks = [len(atom.type.shape) for atom in parts]
    return [(atom, max(0, n - i)) for i in (1, 2) for atom, n in zip(parts, ranks, strict=True)]


def _apart_contracted(equation: Equation) -> Apart:
    labels, letters = equation.params["labels"], equation.params["out"]
    batch = 0
    while batch < len(letters) and all(
        text[batch : batch + 1] == letters[batch] for text in labels
    ):
        batch += 1
    return [(atom, batch) for atom in (*equation.inputs, *equation.outputs)]


def _apart_reduced(equation: Equation) -> Apart:
    axes = equation.params["axes"]
    return [(equation.inputs[0], min(axes))] if axes else []


_APART: dict[Primitive, Callable[[Equation], Apart]] = {
    shape.concatenate: _apart_joined,
    shape.pad: _apart_padded,
    shape.reshape: _apart_reshaped,
    shape.transpose: _apart_transposed,
    index.slice_: _apart_indexed,
    index.scatter_add: _apart_indexed,
    index.update: _apart_indexed,
    contract.matmul: _apart_multiplied,
    contract.einsum: _apart_contracted,
    **dict.fromkeys(REDUCTIONS, _apart_reduced),
}


def _taken_apart(equation: Equation) -> Apart:
    rule = _APART.get(equation.primitive)
    return [] if rule is None else rule(equation)


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
