"""What a function returns, before it is called with values: the structure and the types.

A Program needs the types of a result while only those of the operands are known. They come, in
this order, from the declaration (``result=``), from tracing the body, from an earlier call with
operands of the same types, and from a call with sample values. What a call returns later is held
against them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import tree
from ..calls import result_leaf
from ..errors import DtypeError, ShapeError
from ..kinds import unboxed
from ..primitive import Operand, operand_type
from ..program import Array, Literal, Type, Var

__all__ = ["Memory", "Outcome", "blank", "declared", "fitted", "flat", "operand_key", "samples"]

MANY = 1024
"""So many facts about its rules and results are remembered for a function."""

NUMBERS = frozenset({int, float, complex, bool})
"""Python's numbers, which are weak in NumPy's promotion: they are handed on as they are."""


class Memory(dict[Hashable, Any]):
    """Facts about a function; all are forgotten when there are many."""

    def __setitem__(self, key: Hashable, value: Any) -> None:
        if len(self) >= MANY:
            self.clear()
        super().__setitem__(key, value)


class Outcome(NamedTuple):
    """The structure and the types of a result, and how they became known."""

    spec: tree.Spec
    types: tuple[Type, ...]
    source: str


def operand_key(operand: Operand | Array) -> Any:
    """What the types of a result can depend on: the operand's type, or that it is a number."""
    kind = type(operand)
    if kind is np.ndarray or kind is np.float64:
        return Type.of(operand)
    if kind in NUMBERS:
        return kind
    if isinstance(operand, Literal) and operand.weak:
        return type(operand.value)
    return operand.type if isinstance(operand, (Literal, Var)) else Type.of(operand)


# -- declared --------------------------------------------------------------------------------------


def blank(type: Type) -> Array:
    """An array of this type without memory of its own, to ask for its shape and dtype."""
    return np.broadcast_to(np.zeros((), type.dtype), type.shape)


def declared(result: Any, arguments: Callable[[], Sequence[Any]], name: str) -> Outcome:
    """The outcome that ``result=`` declares, which may be a function of the arguments."""
    dtype_like = isinstance(result, (np.dtype, type))
    example = result(*arguments()) if callable(result) and not dtype_like else result
    leaves, spec = tree.flatten(example)
    types: list[Type] = []
    for leaf in leaves:
        if isinstance(leaf, (np.dtype, type)):
            types.append(Type((), np.dtype(leaf)))
        elif type(leaf) in NUMBERS or (hasattr(leaf, "shape") and hasattr(leaf, "dtype")):
            types.append(Type.of(leaf))
        else:
            raise DtypeError(
                f"the result of {name} is declared as {leaf!r}, which has no shape and no dtype",
                remedy="result=np.empty(3), or result=lambda x: np.empty(x.shape), of which only "
                "shape and dtype count",
            )
    return Outcome(spec, tuple(types), "its declaration")


# -- sample values ---------------------------------------------------------------------------------


def samples(operands: Sequence[Operand]) -> Iterator[list[Array]]:
    """Values of the operands' types to try a function on; constants are what they are.

    The first ones are between 0 and 1, increasing along the last axis, and square matrices
    symmetric and positive definite: most functions are defined there. Then ones, and zeros.
    """
    for sample in (_generic, _ones, Type.zeros):
        yield [
            operand.value if isinstance(operand, Literal) else sample(operand_type(operand))
            for operand in operands
        ]


def _ones(type: Type) -> Array:
    return np.ones(type.shape, type.dtype)[()]


def _generic(type: Type) -> Array:
    if not type.differentiable:
        return _ones(type)
    shape, count = type.shape, type.size
    steps = np.modf(np.arange(count) * 0.6180339887498949)[0]
    values = 0.25 + 0.5 * np.sort(steps.reshape(shape), axis=-1) if shape else np.asarray(0.4)
    if len(shape) >= 2 and shape[-1] == shape[-2]:
        values = (values + np.swapaxes(values, -1, -2)) / 4 + shape[-1] * np.eye(shape[-1])
    return values.astype(type.dtype)[()]


# -- compared --------------------------------------------------------------------------------------


def fitted(
    outcome: Outcome, spec: tree.Spec, leaves: Sequence[Array], name: str
) -> tuple[Array, ...]:
    """The leaves of a result in the types that it must have; an error if they do not fit."""
    if spec is outcome.spec and len(leaves) == 1:
        leaf, type = leaves[0], outcome.types[0]
        if leaf.shape == type.shape and leaf.dtype is type.dtype:
            return (leaf,)
    remedy = f"result= for {name}, with the shapes and dtypes that it always returns"
    if spec is not outcome.spec and spec != outcome.spec:
        raise ShapeError(
            f"{name} returned the structure {tree.show(spec)}, but {outcome.source} says "
            f"{tree.show(outcome.spec)}",
            remedy=remedy,
        )
    found: list[Array] = []
    for leaf, type in zip(leaves, outcome.types, strict=True):
        given = Type.of(leaf)
        if given != type:
            if given.shape != type.shape or not np.can_cast(given.dtype, type.dtype, "safe"):
                kind = ShapeError if given.shape != type.shape else DtypeError
                raise kind(
                    f"{name} returned {given}, but {outcome.source} says {type}", remedy=remedy
                )
            leaf = leaf.astype(type.dtype)
        found.append(leaf)
    return tuple(found)


def flat(result: Any) -> tuple[list[Array], tree.Spec]:
    """The leaves of a result, as arrays and numbers that nothing else writes into."""
    if type(result) is np.float64:
        return [result], tree.LEAF
    leaves, spec = tree.flatten(result)
    found = [result_leaf(leaf) for leaf in leaves]
    return [unboxed(x.copy(order="K")) if type(x) is np.ndarray else x for x in found], spec
