"""Loops for the roots of a kernel: one nest, in which all of them are stored or added up."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from contextlib import ExitStack

from ..primitives import shape
from ..program import Atom, Equation, Literal, Var
from .combine import identity
from .elements import Scope, converted
from .emit import Place, constant
from .nests import Access, Order, Places, best, block, fill
from .pairwise import is_near
from .plan import Kernel
from .rows import BlocksOfRows
from .shapes import REDUCTIONS, is_elementwise
from .strides import best_order, reads
from .sums import (
    Blocks,
    Chunks,
    Memory,
    Sum,
    add,
    blocked,
    both,
    close_all,
    combined,
    hints_of,
    kept_places,
    kept_tail,
    open_sum,
    row_sums,
    tail_places,
)
from .views import Stored, row_major

__all__ = ["emit_kernel"]

SUMMED = 256
"""From this many places on the order of the loops of a sum is looked at."""

BLOCK = 1024
"""Chunks for threads are multiples of this."""

LARGE = 4_000_000
"""A kernel of this many operations is divided among threads: they take some 0.2 ms."""

CHUNK = 1_000_000
"""The operations of a chunk, at least."""

CHUNKS = 128
"""This many chunks at most. They do not depend on the number of threads, so results do not."""

PARTIAL = 1 / 16
"""Of the operations of a kernel, so many at most for putting together what the chunks add up."""


def emit_kernel(scope: Scope, kernel: Kernel, targets: dict[Var, Stored], memory: Memory) -> int:
    """Write the loops of a kernel; the number of chunks that they are divided into for threads.

    ``targets`` says where the roots that are stored go, ``memory`` gives some for as long as the
    kernel runs.
    """
    domain = kernel.domain
    sums = [_summed(scope, e, domain, targets) for e in kernel.roots if _reduces(scope, e)]
    stores = [e for e in kernel.roots if not _reduces(scope, e)]
    if math.prod(domain):
        in_order = all(target.contiguous for target in targets.values())
        flat = len(domain) > 1 and in_order and _flat(scope, kernel, sums)
        lengths = (math.prod(domain),) if flat else domain
        if sums:
            order = _order_of_sums(scope, lengths, sums, stores, flat)
        else:
            order = best_order(scope, lengths, stores, targets)
        return _nest(scope, lengths, order, sums, stores, targets, flat, kernel.work, memory)
    for total in sums:
        _empty(scope, total)
    return 1


def _reduces(scope: Scope, equation: Equation) -> bool:
    return equation.primitive in REDUCTIONS and equation.outputs[0] not in scope.plan.virtual


def _summed(
    scope: Scope, equation: Equation, domain: Sequence[int], targets: dict[Var, Stored]
) -> Sum:
    given = equation.params["axes"]
    axes = tuple(axis for axis in given if axis < len(domain))
    out = equation.outputs[0]
    total = Sum(equation, REDUCTIONS[equation.primitive], axes, target=targets.get(out))
    total.lies_in(range(len(domain)))
    return total


def _order_of_sums(
    scope: Scope,
    lengths: Sequence[int],
    sums: Sequence[Sum],
    stores: Sequence[Equation],
    flat: bool,
) -> Order:
    """The order of the loops of a kernel that adds up, and which sums can be kept in slots in it.

    As in NumPy, a sum goes along the axis in which its operand lies in memory.
    """
    axes = range(len(lengths))
    values = [total.equation.inputs[0] for total in sums]
    values += [equation.outputs[0] for equation in stores]
    read = reads(scope, values, len(lengths))
    if flat or read is None:
        return Order(tuple(axes))
    written = [
        Access(_steps(total, lengths), total.equation.outputs[0].type.size) for total in sums
    ]
    order = best(lengths, [*written, *read], SUMMED).axes
    # Along an axis of one element there is no loop: it must not come between two that add up.
    order = tuple(sorted(order, key=lambda axis: lengths[axis] > 1))
    for total in sums:
        total.lies_in(order)
    near = not order or all(is_near(access.strides[order[-1]]) for access in read)
    return Order(order, vectorised=near)


def _steps(total: Sum, lengths: Sequence[int]) -> tuple[int, ...]:
    """How a sum's result is gone through: not at all along the axes that are summed over."""
    kept = [1 if axis in total.axes else n for axis, n in enumerate(lengths)]
    rows = row_major(kept)
    return tuple(0 if axis in total.axes else rows[axis] for axis in range(len(lengths)))


def _empty(scope: Scope, total: Sum) -> None:
    """The sum of nothing."""
    out = total.equation.outputs[0]
    value = identity(total.kind, total.dtype)
    if total.kind == "sum":
        value = constant(0, total.dtype)
    if total.target is None:
        scope.registers[out] = value
    else:
        fill(scope.code, total.target, value)


# -- one loop for all axes -------------------------------------------------------------------------


def _flat(scope: Scope, kernel: Kernel, sums: Sequence[Sum]) -> bool:
    """Whether all that is read and written lies in the same order, so that one loop will do."""
    domain = kernel.domain
    if any(len(total.axes) != len(domain) or total.target is not None for total in sums):
        return False
    pending: list[Atom] = []
    for equation in kernel.roots:
        if _reduces(scope, equation):
            pending.extend(equation.inputs)
        else:
            if not is_elementwise(equation) or equation.outputs[0].type.shape != domain:
                return False
            pending.extend(equation.inputs)
    seen: set[int] = set()
    while pending:
        atom = pending.pop()
        if id(atom) in seen or not atom.type.shape:
            continue
        seen.add(id(atom))
        if isinstance(atom, Var) and atom in scope.registers:
            continue
        if atom.type.shape != domain:
            return False
        stored = scope.where(atom)
        if stored is not None:
            if not stored.contiguous:
                return False
            continue
        if isinstance(atom, Literal):
            continue
        equation = scope.makers[atom]
        if is_elementwise(equation):
            pending.extend(equation.inputs)
        elif equation.primitive is shape.broadcast and not equation.inputs[0].type.shape:
            continue
        else:
            return False
    return True


# -- the nest --------------------------------------------------------------------------------------


def _nest(
    scope: Scope,
    domain: Sequence[int],
    order: Order,
    sums: Sequence[Sum],
    stores: Sequence[Equation],
    targets: dict[Var, Stored],
    flat: bool,
    work: float,
    memory: Memory,
) -> int:
    """The loops, in an order that may be another than that of the axes."""
    code = scope.code
    _start(scope, sums, flat)
    size = order.block
    nest = [*order.axes[-1:], *order.axes] if size else [*order.axes]
    lengths = [domain[axis] for axis in nest]
    divided, chunk = _divided(lengths, sums, work, size)
    cut, rows = blocked(lengths, sums, vectorised=order.vectorised)
    spare = memory if divided < 0 else None
    places: dict[int, Place] = {}
    end: dict[int, int | str] = {}
    with ExitStack() as stack:
        for level, axis in enumerate(nest):
            length = domain[axis]
            innermost = level == len(nest) - 1
            opening = [total for total in sums if total.level == level]
            for total in opening:
                open_sum(scope, total)
            # Closing runs after the loop, with the places of the loops around it.
            before = {axis: places[axis] for axis in nest[:level]} if sums else {}
            stack.callback(close_all, scope, opening, before)
            first: int | str = 0
            last: int | str = length
            if level == divided:
                chunks = Chunks(scope, length, chunk, level, sums, memory)
                first, last = stack.enter_context(chunks)
            hints = hints_of(sums, len(nest)) if innermost else []
            if level == cut:
                around = [total for total in sums if total.level <= level]
                blocks = Blocks(scope, first, last, rows, around, parallel=innermost, hints=hints)
                places[axis] = stack.enter_context(blocks)
            elif sums and (rows_of := row_sums(scope, sums, nest, lengths, before, spare)):
                places[axis] = stack.enter_context(BlocksOfRows(code, first, last, rows_of))
            elif size and not level:
                places[axis] = stack.enter_context(code.loop(last, start=first, step=size))
                end[axis] = last
            elif size and innermost:
                around = code.number(places[axis])
                places[axis] = stack.enter_context(block(code, around, end[axis], size))
            elif length == 1:
                places[axis] = 0
            else:
                loop = code.loop(last, start=first, parallel=innermost, hints=hints)
                places[axis] = stack.enter_context(loop)
        if not domain:
            for total in sums:
                open_sum(scope, total)
        _body(scope, tuple(places[i] for i in range(len(domain))), sums, stores, targets, flat)
        if not domain:
            close_all(scope, sums, {})
    return -(-domain[nest[divided]] // chunk) if chunk else 1


# -- on several threads ----------------------------------------------------------------------------


def _start(scope: Scope, sums: Sequence[Sum], flat: bool) -> None:
    """What precedes the loops: sums in memory begin there."""
    for total in sums:
        if flat:
            total.level = 0
        if total.outer and total.target is not None:
            fill(scope.code, total.target, identity(total.kind, total.dtype))


def _divided(
    domain: Sequence[int], sums: Sequence[Sum], work: float, multiple: int
) -> tuple[int, int]:
    """The loop that is divided among threads, or -1, and how many of its places are a chunk.

    That is a ``multiple`` of some number, if it is not 0.
    """
    level = next((i for i, length in enumerate(domain) if length > 1), -1)
    if work < LARGE or level < 0:
        return -1, 0
    length = domain[level]
    chunk = -(-length // max(1, min(CHUNKS, int(work / CHUNK))))
    if level == len(domain) - 1 or multiple:
        chunk = -(-chunk // (multiple or BLOCK)) * (multiple or BLOCK)
    count = -(-length // chunk)
    apart = [total for total in sums if total.outer or total.level <= level]
    partial = count * sum(total.equation.outputs[0].type.size for total in apart)
    return (level, chunk) if count > 1 and partial <= PARTIAL * work else (-1, 0)


# -- what is done at each place --------------------------------------------------------------------


def _body(
    scope: Scope,
    places: Places,
    sums: Sequence[Sum],
    stores: Sequence[Equation],
    targets: dict[Var, Stored],
    flat: bool,
) -> None:
    code = scope.code
    for equation in stores:
        out = equation.outputs[0]
        target = targets.get(out)
        lengths = out.type.shape[len(places) if not flat else len(out.type.shape) :]
        for tail in itertools.product(*(range(n) for n in lengths)):
            at = (*places, *tail)
            value = scope.element(out, at)
            if target is None:
                continue
            strides = (1,) if flat else target.strides
            code.store(target.buffer, code.flat(at, strides) + target.offset, value)
    for total in sums:
        x = total.equation.inputs[0]
        loops = len(places) if not flat else len(x.type.shape)
        here: dict[str, str] = {}
        for tail in tail_places(total, loops):
            value = scope.element(x, (*places, *tail))
            value = _as_truth(scope, total, value, x)
            slot = total.slots.get(kept_tail(total, tail, loops))
            if slot is not None:
                before = here.get(slot)
                here[slot] = value if before is None else both(scope, total, before, value)
            else:
                kept = kept_places(total, dict(enumerate(places)))
                at = (*kept, *kept_tail(total, tail, loops))
                assert total.target is not None
                place = code.flat(at, total.target.strides) + total.target.offset
                value = combined(scope, total, total.target.buffer, place, value)
                code.store(total.target.buffer, place, value)
        for slot, value in here.items():
            add(scope, total, slot, value)


def _as_truth(scope: Scope, total: Sum, value: str, x: Atom) -> str:
    return converted(scope.code, value, x.type.dtype, total.dtype)
