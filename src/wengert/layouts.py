"""How values that are not known would lie in memory.

Where a function is traced once for all values, NumPy's arrays are not there to ask whether a
reshape of one is a view or a copy. So stand-ins are computed for them: arrays of ones, for the
equations that a question depends on, when it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .errors import UnknownDerivativeError
from .kinds import Elementwise
from .program import Array, Atom, Equation, Literal, Type, Var

__all__ = ["Layouts"]


class Layouts:
    """Stand-ins for the variables of a Program that is being recorded.

    ``equations`` may grow; ``given`` is the stand-in of a variable that none of them makes, None
    for an array in C order.
    """

    def __init__(self, equations: Sequence[Equation], given: Callable[[Var], Array]) -> None:
        self._equations = equations
        self._given = given
        self._makers: dict[Var, Equation] = {}
        self._indexed = 0
        self._known: dict[Var, Array] = {}

    def of(self, atom: Atom) -> Array:
        """An array that lies in memory as the value of ``atom`` would."""
        if isinstance(atom, Literal):
            return atom.value
        for equation in self._equations[self._indexed :]:
            self._makers.update((output, equation) for output in equation.outputs)
        self._indexed = len(self._equations)
        waiting: list[Var] = [atom]
        while waiting:
            var = waiting[-1]
            maker = self._makers.get(var)
            needed = [] if maker is None else [a for a in maker.inputs if isinstance(a, Var)]
            needed = [operand for operand in needed if operand not in self._known]
            if var in self._known or not needed:
                waiting.pop()
                self._enter(var, maker)
            else:
                waiting += needed
        return self._known[atom]

    def set(self, var: Var, model: Array) -> None:
        """The value of a variable is to lie as ``model`` does."""
        self._known[var] = model

    def _enter(self, var: Var, maker: Equation | None) -> None:
        if var in self._known:
            return
        if maker is None:
            given = self._given(var)
            self._known[var] = _ones(var.type) if given is None else given
            return
        operands = [a.value if isinstance(a, Literal) else self._known[a] for a in maker.inputs]
        for output, made in zip(maker.outputs, _results(maker, operands), strict=True):
            self._known.setdefault(output, made)


def _ones(type: Type) -> Array:
    """An array in C order; zeros of integers, which are indices."""
    fill = 1 if type.differentiable else 0
    return np.full(type.shape, fill, type.dtype)


_OUTSIDE = (ArithmeticError, IndexError, TypeError, ValueError, UnknownDerivativeError)


def _results(equation: Equation, operands: Sequence[Array]) -> Sequence[Array]:
    """Arrays that lie as the results of an equation do; in C order where NumPy is not asked."""
    primitive = equation.primitive
    types = [output.type for output in equation.outputs]
    if primitive.name == "update":
        return operands[:1]
    if primitive.opaque:
        return _of_black_box(equation, operands, types)
    plain = isinstance(primitive, Elementwise) and all(
        np.asarray(operand).flags.c_contiguous for operand in operands
    )
    if primitive.multiple or plain:
        return list(map(_ones, types))
    try:
        with np.errstate(all="ignore"):
            made = np.asarray(primitive.evaluate(*operands, **equation.params))
    except _OUTSIDE:  # Ones are not in its domain.
        return list(map(_ones, types))
    return [made]


def _of_black_box(
    equation: Equation, operands: Sequence[Array], types: Sequence[Type]
) -> Sequence[Array]:
    """What a function that cannot be looked into gives for the stand-ins; C order if it cannot."""
    try:
        with np.errstate(all="ignore"):
            found = equation.primitive.evaluate(*operands, **equation.params)
    except Exception:  # of whatever kind it raises where ones are not in its domain
        return list(map(_ones, types))
    return [np.asarray(each) for each in found]
