"""Comparisons, logic, and the choice between two values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..kinds import Elementwise, elementwise, fit, linear, unboxed
from ..primitive import Example, Operand, operand_type, promote
from ..program import Array, Type
from .shape import aligned

__all__ = ["select", "stop_gradient"]


def _flat(name: str, ufunc: np.ufunc, evaluate: Callable[..., Any], text: str) -> Elementwise:
    return elementwise(name, evaluate, 0, ufunc=ufunc, text=text)


equal = _flat("equal", np.equal, operator.eq, "{0} == {1}")
not_equal = _flat("not_equal", np.not_equal, operator.ne, "{0} != {1}")
less = _flat("less", np.less, operator.lt, "{0} < {1}")
less_equal = _flat("less_equal", np.less_equal, operator.le, "{0} <= {1}")
greater = _flat("greater", np.greater, operator.gt, "{0} > {1}")
greater_equal = _flat("greater_equal", np.greater_equal, operator.ge, "{0} >= {1}")
logical_not = elementwise("logical_not", np.logical_not, 0)
logical_and = elementwise("logical_and", np.logical_and, 0)
logical_or = elementwise("logical_or", np.logical_or, 0)
logical_xor = elementwise("logical_xor", np.logical_xor, 0)
isnan = elementwise("isnan", np.isnan, 0)
isfinite = elementwise("isfinite", np.isfinite, 0)
isinf = elementwise("isinf", np.isinf, 0)
signbit = elementwise("signbit", np.signbit, 0)

_WHOLE = (Example((np.array([6, 4, 9]), np.array([2, 3, 1]))),)
left_shift = elementwise("left_shift", np.left_shift, 0, examples=_WHOLE, text="{0} << {1}")
right_shift = elementwise("right_shift", np.right_shift, 0, examples=_WHOLE, text="{0} >> {1}")
gcd = elementwise("gcd", np.gcd, 0, examples=_WHOLE)
lcm = elementwise("lcm", np.lcm, 0, examples=_WHOLE)
_INTEGER = (Example((np.array([True, False]), np.array([True, True]))),)
bitwise_and = elementwise("bitwise_and", np.bitwise_and, 0, examples=_INTEGER, text="{0} & {1}")
bitwise_or = elementwise("bitwise_or", np.bitwise_or, 0, examples=_INTEGER, text="{0} | {1}")
bitwise_xor = elementwise("bitwise_xor", np.bitwise_xor, 0, examples=_INTEGER, text="{0} ^ {1}")
invert = elementwise(
    "invert", np.invert, 0, examples=(Example((np.array([True, False]),)),), text="~{0}"
)


def _select_type(condition: Operand, x: Operand, y: Operand) -> Type:
    kinds = [operand_type(o) for o in (condition, x, y)]
    return Type(np.broadcast_shapes(*(k.shape for k in kinds)), promote((x, y)))


def _select_batch(size: int, operands: Sequence[Array], batched: Sequence[bool]) -> Array:
    return select.bind(*aligned(size, operands, batched))


select = linear(
    "select",
    lambda condition, x, y: unboxed(np.where(condition, x, y)),
    types=_select_type,
    transposes=[
        None,
        lambda ct, condition, x, y: fit(select.bind(condition, ct, 0.0), x.shape, x.dtype),
        lambda ct, condition, x, y: fit(select.bind(condition, 0.0, ct), y.shape, y.dtype),
    ],
    groups=(None, 0, 0),
    batch=_select_batch,
    examples=(
        Example((np.array([True, False, True]), (3,), (3,))),
        Example((np.array([[True], [False]]), (3,), (2, 1))),
        Example((np.bool_(True), (2,), ())),
    ),
    doc="x where the condition holds, else y. The branch not taken has a structural zero.",
    promotes=True,
)

stop_gradient = elementwise(
    "stop_gradient",
    lambda x: unboxed(x.copy("K")) if isinstance(x, np.ndarray) else x,
    0,
    arity=1,
    dtype=promote,
    lower=lambda x: x,
    doc="The value, as a constant of differentiation.",
)
