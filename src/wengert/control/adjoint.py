"""One step of a loop in reverse: from the backward half of its body's pullback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..evaluate import evaluate
from ..program import Array, Program, Type
from .halves import Halves, accumulating, without
from .memory import remembered
from .programs import Flags, recorded, spread_out, take

__all__ = ["Backward", "backward"]


@dataclass(frozen=True, eq=False)
class Backward:
    """The body of the reverse loop.

    ``program`` takes the residuals that are fixed; then, as carries, cotangents of the primal's
    carries and sums of those of its consts; then, for each step, the other residuals, cotangents
    of ys, and cotangents of the carries before the step. It gives the new carries, and cotangents
    of the primal's other inputs. The flags say of which active carries, consts and other inputs
    there are cotangents; there is none where it is zero.
    """

    program: Program
    carries: Flags
    consts: Flags
    others: Flags


@remembered
def backward(
    cut: Halves,
    fixed: int,
    consts: int,
    start: Flags,
    into_carries: tuple[int, ...],
    into_ys: tuple[int, ...],
) -> Backward:
    """The reverse step of a body cut into ``halves``, whose first ``fixed`` inputs are consts.

    ``consts`` of those are active. ``start`` says which of the active carries have a cotangent at
    the end; ``into_carries`` and ``into_ys`` how many cotangents each of them, and each of the
    active ys, is given at every step.
    """
    carries = len(start)
    flowing = tuple(a or bool(n) for a, n in zip(start, into_carries, strict=True))
    arriving = tuple(n > 0 for n in into_ys)
    while True:
        lean, remain = without(cut.backward, tuple(not f for f in (*flowing, *arriving)))
        made = remain[consts : consts + carries]
        more = tuple(a or b for a, b in zip(flowing, made, strict=True))
        if more == flowing:
            break
        flowing = more
    summed = accumulating(lean, sum(remain[:consts]))
    still = tuple(s.kind == "ahead" or (s.kind == "input" and s.place < fixed) for s in cut.sources)
    residuals = cut.backward.input_types[: len(still)]
    cotangents = cut.backward.input_types[len(still) :]
    sums = take(cut.backward.output_types[:consts], remain[:consts])
    groups = [
        take(residuals, still),
        take(cotangents[:carries], flowing),
        sums,
        take(residuals, [not flag for flag in still]),
        _repeated(cotangents[carries:], into_ys),
        _repeated(cotangents[:carries], into_carries),
    ]

    def step(*values: Array) -> list[Array]:
        first, carried, totals, moving, ys, more = _split(values, [len(g) for g in groups])
        rest = {True: iter(first), False: iter(moving)}
        given = [next(rest[flag]) for flag in still]
        arrived = take(_summed(ys, into_ys), arriving)
        found = evaluate(summed, [*given, *carried, *arrived, *totals])
        new_totals, found = found[: len(totals)], found[len(totals) :]
        pulled = spread_out(found[: sum(made)], made)
        extra = _summed(more, into_carries)
        new = [
            _plus(a, b, type)
            for a, b, type, flag in zip(pulled, extra, cotangents, flowing, strict=False)
            if flag
        ]
        return [*new, *new_totals, *found[sum(made) :]]

    program = recorded(step, [type for group in groups for type in group])
    return Backward(program, flowing, remain[:consts], remain[consts + carries :])


def _repeated(types: Sequence[Type], counts: Sequence[int]) -> list[Type]:
    return [type for type, n in zip(types, counts, strict=True) for _ in range(n)]


def _split(values: Sequence[Array], sizes: Sequence[int]) -> list[list[Array]]:
    rest = iter(values)
    return [[next(rest) for _ in range(size)] for size in sizes]


def _summed(values: Sequence[Array], counts: Sequence[int]) -> list[Array | None]:
    """The sum of each group of values; None for an empty one."""
    found: list[Array | None] = []
    for group in _split(values, counts):
        total = None
        for value in group:
            total = value if total is None else total + value
        found.append(total)
    return found


def _plus(a: Array | None, b: Array | None, type: Type) -> Array:
    if a is None or b is None:
        return type.zeros() if a is b else b if a is None else a
    return a + b
