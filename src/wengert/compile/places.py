"""Places along axes: where in its operands an equation finds an element of its result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..primitives import index
from .emit import Code, Index, Place
from .shapes import groups
from .views import row_major

__all__ = [
    "Places",
    "clamped",
    "operand_places",
    "part_shape",
    "place_in_part",
    "regrouped",
    "source_places",
]

Places = tuple[Place, ...]
"""A place along each axis."""


def operand_places(lengths: Sequence[int], out: Sequence[int], places: Places) -> Places:
    """Places in an operand of shape ``lengths`` that is broadcast to the shape ``out``."""
    if not lengths:
        return ()
    if len(places) == 1 and len(out) > 1:  # all axes run as one
        return places
    skip = len(out) - len(lengths)
    return tuple(0 if n == 1 else places[skip + i] for i, n in enumerate(lengths))


def source_places(
    code: Code, items: Sequence[Any], lengths: Sequence[int], places: Places
) -> Places:
    """Places in x of an element of ``x[items]``."""
    found: list[Place] = []
    rest = list(places)
    for item in items:
        if item is None:
            rest.pop(0)
        elif isinstance(item, slice):
            start, _, step = item.indices(lengths[len(found)])
            found.append(code.times(rest.pop(0), step) + start)
        else:
            found.append(int(item) % lengths[len(found)])
    return (*found, *rest)


def regrouped(code: Code, out: Sequence[int], source: Sequence[int], places: Places) -> Places:
    """Places in an array of shape ``source`` of an element of it reshaped to ``out``."""
    found: list[Place] = []
    for made, axes in groups(out, source):
        given = tuple(places[i] for i in made)
        flat = code.flat(given, row_major([out[i] for i in made]))
        found.extend(_unflattened(code, flat, [source[i] for i in axes]))
    return tuple(found)


def _unflattened(code: Code, flat: Place, lengths: Sequence[int]) -> list[Place]:
    found: list[Place] = []
    sizable = [n for n in lengths if n != 1]
    if len(sizable) <= 1:
        return [0 if n == 1 else flat for n in lengths]
    for axis, length in enumerate(lengths):
        step = math.prod(lengths[axis + 1 :])
        if length == 1:
            found.append(0)
        elif not isinstance(flat, Index):
            found.append(flat // step % length)
        else:
            name = code.number(flat)
            if step > 1:
                name = code.shared(("div", name, step), "udiv i64", name, str(step))
            if axis and math.prod(lengths[:axis]) > 1:
                name = code.shared(("rem", name, length), "urem i64", name, str(length))
            found.append(Index(name))
    return found


def clamped(code: Code, place: Place, length: int) -> tuple[str, str]:
    """Whether a place is within an axis (an i1), and a place that certainly is."""
    name = code.number(place)
    low = code.op("icmp sge i64", name, "0")
    high = code.op("icmp slt i64", name, str(length))
    within = code.op("and i1", low, high)
    return within, code.select(within, "i64", name, "0")


def place_in_part(code: Code, place: Place, chosen: range) -> tuple[Place, str] | None:
    """Where an element of x is among those chosen along an axis, and whether it is (an i1).

    None if it is known not to be among them.
    """
    if isinstance(place, int):
        return (chosen.index(place), "true") if place in chosen else None
    if not chosen:
        return None
    step = abs(chosen.step)
    moved = code.times(place, 1 if chosen.step > 0 else -1)
    moved += -chosen.start if chosen.step > 0 else chosen.start
    within, safe = clamped(code, moved, (len(chosen) - 1) * step + 1)
    if step > 1:
        rest = code.op("urem i64", safe, str(step))
        within = code.op("and i1", within, code.op("icmp eq i64", rest, "0"))
        safe = code.op("udiv i64", safe, str(step))
    return Index(safe), within


def part_shape(items: Sequence[Any], lengths: Sequence[int]) -> tuple[int, ...]:
    """The shape of ``x[items]`` for an x of shape ``lengths``."""
    return np.shape(index.ghost(tuple(lengths))[tuple(items)])
