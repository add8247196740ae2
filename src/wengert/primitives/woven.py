"""Complex values as real ones, in which real and imaginary parts alternate.

The *woven* form of a complex value of shape S is a real one of shape (*S, 2), whose elements lie in
memory as those of the complex array do. Compiled code knows complex values by this form and by
their two parts; ``woven_call`` is how it leaves an equation to the evaluator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..primitive import Operand, Params, Primitive
from ..program import Array, Type, Var

__all__ = ["is_complex", "part_of", "weave", "woven_call", "woven_type"]


def is_complex(dtype: np.dtype[Any]) -> bool:
    """Whether values of a dtype have woven forms: of two float32 or float64."""
    return dtype.char in "FD"


def part_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of the real and the imaginary part; a real dtype itself."""
    return np.finfo(dtype).dtype if dtype.kind == "c" else dtype


def woven_type(type: Type) -> Type:
    """The type of a value's woven form; of a real value its own type."""
    return Type((*type.shape, 2), part_of(type.dtype)) if is_complex(type.dtype) else type


def weave(value: Array) -> Array:
    """The woven form of a complex array or number."""
    array = np.ascontiguousarray(value)
    return array.view(part_of(array.dtype)).reshape(*np.shape(value), 2)


def _joined(value: Array, type: Type) -> Array:
    return np.ascontiguousarray(value).view(type.dtype).reshape(type.shape)[()]


def _evaluate(*inputs: Array, program: Any) -> tuple[Array, ...]:
    values = [
        _joined(value, var.type) if is_complex(var.type.dtype) else value
        for value, var in zip(inputs, program.inputs, strict=True)
    ]
    (equation,) = program.equations
    known = dict(zip(program.inputs, values, strict=True))
    operands = [known[a] if isinstance(a, Var) else a.value for a in equation.inputs]
    found = equation.primitive.evaluate(*operands, **equation.params)
    results = found if equation.primitive.multiple else (found,)
    return tuple(weave(y) if is_complex(np.asarray(y).dtype) else y for y in results)


class _Call(Primitive):
    """An equation of complex numbers, in a Program of its own."""

    multiple = True

    def types(self, operands: Sequence[Operand], params: Params) -> tuple[Type, ...]:
        return tuple(map(woven_type, params["program"].output_types))

    def formula(self, operands: Sequence[str], params: Params) -> str:
        (equation,) = params["program"].equations
        names = dict(zip(params["program"].inputs, operands, strict=True))
        texts = [names[a] if isinstance(a, Var) else repr(a) for a in equation.inputs]
        return equation.primitive.formula(texts, equation.params)


woven_call = _Call(
    "woven_call",
    _evaluate,
    doc="The results of an equation with complex numbers; those are woven here, and there not.",
)
