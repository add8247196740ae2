"""Primitives that are linear in some of their operands, and declare how each is transposed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import UnknownDerivativeError
from ..primitive import UFUNCS, Operand, Params, Primitive, Rule
from ..program import Array, Type
from .rules import add_tangents

__all__ = ["Linear", "linear"]

_NUMBERS = frozenset({int, float, complex})
"""Python's numbers, which are weak: a zero in their place must be weak too."""


class Linear(Primitive):
    """Linear in some operands: jointly (add, concatenate), or in each by itself (matmul).

    ``groups[i]`` is None for an operand in which it is not linear (an index, a mask); operands of
    one number are jointly linear. ``transposes[i](cotangent, *operands, **params)`` gives the
    cotangent of operand i; where an operand's value is not needed its Type stands in its place.

    Of a primitive that reads a part of an array, ``view(base, new, *others, **params)`` is the base
    with that part replaced, and ``accumulate(total, cotangent, *others, **params)`` is the array's
    cotangent with that of the part added.
    """

    def __init__(
        self,
        name: str,
        evaluate: Callable[..., Any],
        types: Callable[..., Type],
        transposes: Sequence[Rule | None] | Rule,
        *,
        groups: Sequence[int | None] | None = None,
        batch: Rule,
        view: Rule | None = None,
        accumulate: Rule | None = None,
        ufunc: np.ufunc | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(name, evaluate, **facts)
        if ufunc is not None:
            UFUNCS[ufunc] = self
        self.type_rule = types
        self.batch_rule = batch
        self.view = view
        self.accumulate = accumulate
        if callable(transposes):
            self.variadic: Rule | None = transposes
            self.transposes: tuple[Rule | None, ...] = ()
            self.groups: tuple[int | None, ...] = ()
        else:
            self.variadic = None
            self.transposes = tuple(transposes)
            given = groups if groups is not None else [None if t is None else 0 for t in transposes]
            self.groups = tuple(given)

    def types(self, operands: Sequence[Operand], params: Params) -> tuple[Type, ...]:
        return (self.type_rule(*operands, **params),)

    def batch(self, size: int, operands: list[Array], batched: list[bool], params: Params) -> Any:
        return self.batch_rule(size, operands, batched, **params)

    def group(self, place: int) -> int | None:
        """The number of the operands in which it is jointly linear with this one, if any.

        Operands past the last declared one are like the last (index arrays of a gather).
        """
        if self.variadic is not None:
            return 0
        return self.groups[min(place, len(self.groups) - 1)]

    def linear_in(self, places: Sequence[int]) -> bool:
        groups = {self.group(place) for place in places}
        return len(groups) == 1 and None not in groups

    def save(
        self, operands: Sequence[Array], ans: Any, active: Sequence[Any], params: Params
    ) -> Any:
        if len(operands) == 1:
            return [Type.of(operands[0])]
        moving = {self.group(i) for i, node in enumerate(active) if node is not None}
        saved: list[Any] = []
        for place, operand in enumerate(operands):
            group = self.group(place)
            if group is None:
                if active[place] is not None:
                    raise UnknownDerivativeError(
                        f"the derivative of {self.name} with respect to its operand number "
                        f"{place} is not known"
                    )
                saved.append(operand)
            elif moving == {group} and type(operand) not in _NUMBERS:
                saved.append(Type.of(operand))
            else:
                saved.append(operand)
        return saved

    def push(self, tangents: Sequence[Array | None], saved: Any, params: Params) -> Any:
        if len(saved) == 1:
            return self.bind(tangents[0], **params)
        total = None
        groups = {self.group(i) for i, tangent in enumerate(tangents) if tangent is not None}
        for group in groups:
            args: list[Array] = []
            for place, (operand, tangent) in enumerate(zip(saved, tangents, strict=True)):
                if self.group(place) != group:
                    args.append(operand)
                elif tangent is None:
                    number = type(operand) in _NUMBERS
                    args.append(0 if number else Type.of(operand).zeros())
                else:
                    args.append(tangent)
            total = add_tangents(total, self.bind(*args, **params))
        return total

    def pull(
        self, cotangent: Array, saved: Any, active: Sequence[Any], params: Params
    ) -> list[Array | None]:
        """The operands' cotangents from the result's."""
        if len(saved) == 1 and self.variadic is None:
            (rule,) = self.transposes[:1]
            return [None if rule is None else rule(cotangent, saved[0], **params)]
        if self.variadic is not None:
            terms = self.variadic(cotangent, *saved, **params)
            return [t if a is not None else None for t, a in zip(terms, active, strict=True)]
        found: list[Array | None] = []
        for place, node in enumerate(active):
            rule = self.transposes[place] if place < len(self.transposes) else None
            if node is None or rule is None:
                found.append(None)
            else:
                found.append(rule(cotangent, *saved, **params))
        return found


def linear(name: str, evaluate: Callable[..., Any], **facts: Any) -> Linear:
    """Declare a primitive that is linear in some of its operands; see ``Linear``."""
    return Linear(name, evaluate, **facts)
