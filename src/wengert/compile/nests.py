"""Nests of loops over the places of an array, and the order in which they go through memory.

A processor fetches memory by lines of some elements. A loop along which an array is read or written
with a stride fetches a line for each element; that is of no account if the other elements of the
line are used soon after. ``best`` finds the innermost loop for that, and where an array that is
transposed needs it, has that loop go in blocks: so few places at a time that the lines are still at
hand when the loop around comes to their next elements.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from .emit import Code, Index, Place
from .views import Stored

__all__ = ["LEAST", "Access", "Order", "Places", "best", "block", "fill", "loops"]

Places = tuple[Place, ...]

LINE = 8
"""About this many elements are fetched together."""

BLOCK = 128
"""Places of the innermost loop in a block."""

NEAR = 512
"""So many lines stay at hand."""

LEAST = 1 << 12
"""Nests of fewer places are left as they are: all of it is at hand."""


@dataclass(frozen=True, slots=True)
class Access:
    """An array that a nest reads or writes: the step between neighbours along each axis.

    None stands for steps that only the run can tell: along these axes it is read by an index.
    ``size`` is the number of the array's elements.
    """

    strides: tuple[int | None, ...]
    size: int

    def costs(self, axis: int) -> float:
        """What an element costs if the innermost loop runs along an axis, in elements in order."""
        stride = self.strides[axis]
        if stride == 0:
            return 0
        if stride is None:
            return 4
        if abs(stride) < LINE:
            return 1
        if any(other and abs(other) < LINE for other in self.strides):
            return 4
        return 2 if self.size <= 1 << 12 else 8 if self.size <= 1 << 17 else 16


@dataclass(frozen=True, slots=True)
class Order:
    """The axes of a nest from the outermost loop to the innermost.

    With a ``block`` the innermost goes in blocks of so many places, and the loop over the blocks
    is the outermost of all. ``vectorised`` says whether all that is read lies side by side along
    the innermost.
    """

    axes: tuple[int, ...]
    block: int = 0
    vectorised: bool = True


def best(lengths: Sequence[int], accesses: Sequence[Access], least: int = LEAST) -> Order:
    """The order in which a nest over these lengths goes through memory well.

    The last axis is the innermost unless another one is clearly better, or there are less than
    ``least`` places.
    """
    axes = tuple(range(len(lengths)))
    loops = [axis for axis in axes if lengths[axis] > 1]
    if len(loops) < 2 or math.prod(lengths) < least:
        return Order(axes)
    costs = {axis: sum(access.costs(axis) for access in accesses) for axis in loops}
    inner = min(reversed(loops), key=costs.__getitem__)
    if lengths[inner] < LINE or costs[inner] > 0.8 * costs[loops[-1]]:
        inner = loops[-1]
    strided = [a for a in accesses if a.strides[inner] and abs(a.strides[inner] or 0) >= LINE]
    near = {
        axis: sum(bool(a.strides[axis]) and abs(a.strides[axis] or 0) < LINE for a in strided)
        for axis in loops
    }
    beside = max((axis for axis in loops if axis != inner), key=lambda axis: (near[axis], axis))
    outer = [axis for axis in axes if axis not in (inner, beside)]
    if not near[beside]:
        return Order((*(axis for axis in axes if axis != inner), inner))
    return Order((*outer, beside, inner), BLOCK if lengths[inner] > NEAR else 0)


def loops(
    code: Code,
    lengths: Sequence[int],
    body: Callable[[Places], None],
    *,
    parallel: bool,
    tail: int = 0,
    order: Order | None = None,
) -> None:
    """Write ``body`` for each place of an array of these lengths.

    The last ``tail`` axes are written out, and further ones if they are very short. ``parallel``
    promises that the innermost loop reads nothing that another of its rounds writes.
    """
    if not math.prod(lengths):
        return
    split = len(lengths) - tail
    while split and math.prod(lengths[split - 1 :]) <= 4:
        split -= 1
    chosen = order or Order(tuple(range(len(lengths))))
    axes = [axis for axis in chosen.axes if axis < split]
    size = chosen.block if axes and axes[-1] == chosen.axes[-1] else 0
    with ExitStack() as stack:
        at: dict[int, Place] = {}
        first = "0"
        if size:
            first = code.number(stack.enter_context(code.loop(lengths[axes[-1]], step=size)))
        for axis in axes:
            length = lengths[axis]
            inner = axis == axes[-1]
            if length == 1:
                at[axis] = 0
            elif inner and size:
                at[axis] = stack.enter_context(block(code, first, length, size))
            else:
                at[axis] = stack.enter_context(code.loop(length, parallel=parallel and inner))
        places = tuple(at[axis] for axis in range(split))
        for last in itertools.product(*(range(n) for n in lengths[split:])):
            body((*places, *last))


@contextmanager
def block(
    code: Code,
    first: int | str,
    end: int | str,
    size: int,
    hints: Sequence[str] = (),
    *,
    parallel: bool = True,
) -> Generator[Index]:
    """A loop over the ``size`` places from ``first`` on, or fewer where ``end`` comes before."""
    last = code.here(f"add nuw nsw i64 {first}, {size}")
    if not isinstance(end, int) or end % size:
        code.module.declare("llvm.smin.i64", "declare i64 @llvm.smin.i64(i64, i64)")
        last = code.here(f"call i64 @llvm.smin.i64(i64 {last}, i64 {end})")
    with code.loop(last, start=first, parallel=parallel, hints=hints) as i:
        yield i


def fill(code: Code, target: Stored, value: str) -> None:
    """Set all elements of a value in memory."""

    def body(places: Places) -> None:
        code.store(target.buffer, code.flat(places, target.strides) + target.offset, value)

    if target.contiguous:
        size = math.prod(target.shape)
        target = Stored(target.buffer, (size,), (1,), target.offset)
    loops(code, target.shape, body, parallel=True)
