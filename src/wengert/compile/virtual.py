"""Which equations are virtual: elements of their results are written out where they are needed."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..primitive import Primitive
from ..primitives import contract, index, shape
from ..program import Atom, Equation, Var
from .shapes import REDUCTIONS, SHORT, is_elementwise, lengths_of, native, static_index
from .views import VIEWS

__all__ = ["gathers", "virtual"]


def virtual(equation: Equation, tails: dict[Var, int], lowerable: Callable[..., bool]) -> bool:
    """Whether elements of the result can be written out where they are needed."""
    if len(equation.outputs) != 1 or not native(equation):
        return False
    if is_elementwise(equation):
        return lowerable(equation)
    rule = _VIRTUAL.get(equation.primitive)
    return equation.primitive in VIEWS or (rule is not None and rule(equation, tails))


def _always(equation: Equation, tails: dict[Var, int]) -> bool:
    return True


def _tail(atom: Atom, tails: dict[Var, int]) -> int:
    """How many trailing axes of a value are written out."""
    return tails.get(atom, 0) if isinstance(atom, Var) else 0


def _joins_short(equation: Equation, tails: dict[Var, int]) -> bool:
    out = equation.outputs[0]
    return equation.params["axis"] >= len(out.type.shape) - _tail(out, tails)


def _updates_short(equation: Equation, tails: dict[Var, int]) -> bool:
    if not static_index(equation):
        return False
    out = equation.outputs[0]
    items = equation.params["index"]
    first = next((i for i, item in enumerate(items) if item != slice(None)), 0)
    return first >= len(out.type.shape) - _tail(out, tails)


def _reduces_short(equation: Equation, tails: dict[Var, int]) -> bool:
    x = equation.inputs[0]
    axes = equation.params["axes"]
    inner = len(x.type.shape) - _tail(x, tails)
    size = math.prod(x.type.shape[axis] for axis in axes)
    return size <= SHORT and all(axis >= inner for axis in axes)


TERMS = 16
"""Products of up to this many terms are written out."""


def _short_matmul(equation: Equation, tails: dict[Var, int]) -> bool:
    """Whether the elements of a product of matrices are written out: one of them is small."""
    x, y = equation.inputs
    out = equation.outputs[0]
    if out.type.dtype.kind not in "fiu" or x.type.shape[-1] > TERMS:
        return False
    left, right = (math.prod(atom.type.shape[-2:]) for atom in (x, y))
    if len(x.type.shape) == 1:
        left = SHORT + 1
    columns = len(y.type.shape) == 1 or tails.get(out, 0) >= 1
    return out.type.size <= SHORT or (right <= SHORT and columns) or left <= SHORT


def _short_einsum(equation: Equation, tails: dict[Var, int]) -> bool:
    """Whether the elements of an einsum are written out."""
    out = equation.outputs[0]
    lengths = lengths_of(equation)
    summed = math.prod(n for letter, n in lengths.items() if letter not in equation.params["out"])
    if out.type.dtype.kind not in "fiu" or summed > TERMS:
        return False
    return tails.get(out, 0) >= 1 or out.type.size <= SHORT


_VIRTUAL: dict[Primitive, Callable[[Equation, dict[Var, int]], bool]] = {
    shape.pad: _always,
    shape.concatenate: _joins_short,
    index.gather: lambda equation, tails: gathers(equation),
    index.scatter_add: _updates_short,
    index.update: _updates_short,
    contract.matmul: _short_matmul,
    contract.einsum: _short_einsum,
    **dict.fromkeys(REDUCTIONS, _reduces_short),
}


def gathers(equation: Equation) -> bool:
    """Whether index arrays are of integers."""
    first = 1 if equation.primitive is index.gather else 2
    return {atom.type.dtype.kind for atom in equation.inputs[first:]} <= {"i", "u"}
