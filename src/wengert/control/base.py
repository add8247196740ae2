"""What loops and branches have in common as primitives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..kinds import Nonlinear
from ..primitive import Operand, Params, operand_type
from ..program import Array, Program, Type
from .programs import Flags, needed, reached

__all__ = ["Control", "check_types", "fixpoint", "flagged", "live", "text_of"]


class Control(Nonlinear):
    """A primitive that holds Programs. Its rules are transforms of those.

    ``reached(active, params)`` says which results may change with the active operands.
    """

    joint = True

    def __init__(self, name: str, evaluate: Callable[..., Any], doc: str) -> None:
        super().__init__(
            name, evaluate, types=_no_types, jvps=(), batch=_no_types, multiple=True, doc=doc
        )

    def reached(self, active: Sequence[bool], params: Params) -> Flags:
        """Which results may change with the ``active`` operands, and have derivatives."""
        raise NotImplementedError


def _no_types(*operands: Any, **params: Any) -> Any:
    raise NotImplementedError


def check_types(what: str, operands: Sequence[Operand | Type], wanted: Sequence[Type]) -> None:
    """Raise ``TypeError`` unless the operands are of exactly these types."""
    found = [operand_type(operand) for operand in operands]
    if found != list(wanted):
        raise TypeError(
            f"{what} takes ({', '.join(map(str, wanted))}), not ({', '.join(map(str, found))})"
        )


def flagged(values: Sequence[Array | None]) -> Flags:
    """Which of the values there are."""
    return tuple(value is not None for value in values)


def fixpoint(
    program: Program,
    before: Sequence[bool],
    carries: Sequence[bool],
    after: Sequence[bool],
    step: Callable[[Program, Flags], Sequence[bool]] = reached,
) -> tuple[Flags, Flags]:
    """Flags of the carries of a loop with this body, and of its other outputs.

    ``step`` says which outputs have a property when which inputs have it; a carry has it if it has
    it at first or after any step.
    """
    now = tuple(carries)
    while True:
        found = step(program, (*before, *now, *after))
        new = tuple(a or b for a, b in zip(now, found[: len(now)], strict=True))
        if new == now:
            return now, tuple(found[len(now) :])
        now = new


def live(
    program: Program, carries: Sequence[bool], others: Sequence[bool], consts: int
) -> tuple[Flags, Flags]:
    """Which carries of a loop with this body the flagged ones depend on, after any step.

    Also which inputs of the body those and the flagged ``others`` of its outputs need.
    """
    now = tuple(carries)
    while True:
        read = needed(program, (*now, *others))
        new = tuple(a or b for a, b in zip(now, read[consts : consts + len(now)], strict=True))
        if new == now:
            return now, read
        now = new


def text_of(name: str, operands: Sequence[str], **facts: Any) -> str:
    """The right-hand side of an equation."""
    return f"{name}({', '.join([*operands, *(f'{key}={value}' for key, value in facts.items())])})"
