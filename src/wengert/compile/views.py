"""Arrays as parts of other arrays' memory: where the elements lie that a view names.

Both ways are known. ``view`` says where the result of a transpose, a reshape or a slice lies in its
operand's memory. ``base`` says where the operand has to lie for its view to lie in a given place:
so an array of which only a view is wanted can be computed where that belongs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..primitive import Primitive
from ..primitives import index, shape
from ..program import Equation
from .emit import Buffer
from .shapes import groups

__all__ = ["VIEWS", "Layout", "Stored", "base", "reshaped", "row_major", "view"]


def row_major(lengths: Sequence[int]) -> tuple[int, ...]:
    """The strides, in elements, of an array in C order."""
    strides: list[int] = []
    step = 1
    for length in reversed(lengths):
        strides.append(step)
        step *= length
    return tuple(reversed(strides))


@dataclass(frozen=True, slots=True)
class Layout:
    """How an array lies in some memory: its first element, and the strides in elements."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def contiguous(self) -> bool:
        """Whether the elements lie one after the other in C order."""
        return all(
            n == 1 or s == t
            for n, s, t in zip(self.shape, self.strides, row_major(self.shape), strict=True)
        )

    def part(self, axis: int, start: int, length: int) -> Layout:
        """The part from ``start`` on along an axis, of this length."""
        lengths = (*self.shape[:axis], length, *self.shape[axis + 1 :])
        return Layout(lengths, self.strides, self.offset + start * self.strides[axis])


@dataclass(frozen=True, slots=True)
class Stored:
    """A value in memory: a buffer, and how the value lies in it."""

    buffer: Buffer
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def layout(self) -> Layout:
        """How the value lies in the buffer."""
        return Layout(self.shape, self.strides, self.offset)

    @property
    def contiguous(self) -> bool:
        """Whether the elements lie one after the other in C order."""
        return self.layout.contiguous

    def at(self, layout: Layout) -> Stored:
        """Another value in the same buffer."""
        return Stored(self.buffer, layout.shape, layout.strides, layout.offset)

    def same(self, other: Stored) -> bool:
        """Whether each element lies where that of ``other`` with the same indices does."""
        return (
            self.buffer is other.buffer
            and self.offset == other.offset
            and all(
                n == 1 or s == t
                for n, s, t in zip(self.shape, self.strides, other.strides, strict=True)
            )
        )


# -- a view of an array ----------------------------------------------------------------------------


def _transposed(equation: Equation, x: Layout) -> Layout:
    axes = equation.params["axes"]
    return Layout(
        tuple(x.shape[axis] for axis in axes), tuple(x.strides[axis] for axis in axes), x.offset
    )


def reshaped(x: Layout, lengths: Sequence[int]) -> Layout | None:
    """The layout of the same elements with other axes, if they can be had without moving any."""
    out = tuple(lengths)
    if x.contiguous or not math.prod(out):
        return Layout(out, row_major(out), x.offset)
    kept = [(n, s) for n, s in zip(x.shape, x.strides, strict=True) if n != 1]
    wanted = [n for n in out if n != 1]
    strides: list[int] = []
    for made, axes in groups(wanted, [n for n, _ in kept]):
        group = [kept[axis] for axis in axes]
        if any(s != t * k for (_, s), (k, t) in itertools.pairwise(group)):
            return None
        strides += [step * group[-1][1] for step in row_major([wanted[i] for i in made])]
    steps = iter(strides)
    return Layout(out, tuple(0 if n == 1 else next(steps) for n in out), x.offset)


def _broadcast(equation: Equation, x: Layout) -> Layout:
    out = equation.outputs[0].type.shape
    skip = len(out) - len(x.shape)
    strides = [0 if n == 1 else s for n, s in zip(x.shape, x.strides, strict=True)]
    return Layout(out, (*[0] * skip, *strides), x.offset)


def _sliced(equation: Equation, x: Layout) -> Layout:
    strides: list[int] = []
    offset = x.offset
    axis = 0
    for item in equation.params["index"]:
        if item is None:
            strides.append(0)
            continue
        length, stride = x.shape[axis], x.strides[axis]
        if isinstance(item, slice):
            start, _, step = item.indices(length)
            offset += start * stride
            strides.append(step * stride)
        else:
            offset += int(item) % length * stride
        axis += 1
    strides.extend(x.strides[axis:])
    return Layout(equation.outputs[0].type.shape, tuple(strides), offset)


VIEWS: dict[Primitive, Callable[[Equation, Layout], Layout | None]] = {
    shape.transpose: _transposed,
    shape.reshape: lambda equation, x: reshaped(x, equation.outputs[0].type.shape),
    shape.broadcast: _broadcast,
    index.slice_: _sliced,
}
"""Primitives whose results can be read in the memory of their operand."""


def view(equation: Equation, x: Stored) -> Stored | None:
    """Where the result lies in the memory of the operand; None if it cannot be read there.

    The equation's primitive is one of ``VIEWS``.
    """
    found = VIEWS[equation.primitive](equation, x.layout)
    return None if found is None else x.at(found)


# -- what an array is a view of --------------------------------------------------------------------


def base(equation: Equation, out: Layout) -> Layout | None:
    """How the operand lies if its view, the result, lies as ``out``.

    None if there is no such layout, or the view does not show all of the operand.
    """
    (x,) = equation.inputs
    if x.type.size != math.prod(out.shape):
        return None
    if equation.primitive is shape.transpose:
        places = sorted(range(len(out.shape)), key=equation.params["axes"].__getitem__)
        return Layout(x.type.shape, tuple(out.strides[i] for i in places), out.offset)
    if equation.primitive is shape.reshape:
        return reshaped(out, x.type.shape)
    if equation.primitive is index.slice_ and x.type.size:
        return _unsliced(equation, out)
    return None


def _unsliced(equation: Equation, out: Layout) -> Layout:
    """The operand of a slice that keeps all elements: axes come, go, or are turned round."""
    (x,) = equation.inputs
    strides: list[int] = []
    offset = out.offset
    place = 0
    for item in equation.params["index"]:
        if item is None:
            place += 1
            continue
        length = x.type.shape[len(strides)]
        if not isinstance(item, slice):
            strides.append(0)
            continue
        stride = out.strides[place]
        if item.indices(length)[2] < 0:
            offset += (length - 1) * stride
            stride = -stride
        strides.append(stride)
        place += 1
    return Layout(x.type.shape, (*strides, *out.strides[place:]), offset)
