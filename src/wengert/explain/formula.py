"""Programs as one formula: equations put into each other, with the brackets that this needs.

Used for the short Programs that a sweep makes of one equation; where the formula would be long, it
is given up (None), before the text can swell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..primitives import index
from ..primitives.guard import guard
from ..program import Atom, Equation, Literal, Program, Var
from .numbers import SMALL, show

__all__ = ["equation_text", "literal_text", "program_text"]

LONGEST = 60
"""Characters that a formula may have."""

COMPARE, SUM, PRODUCT, SIGN, POWER, ATOM = range(6)

_LEVELS = {
    "add": SUM,
    "subtract": SUM,
    "multiply": PRODUCT,
    "mul0": PRODUCT,
    "matmul": PRODUCT,
    "divide": PRODUCT,
    "reciprocal": PRODUCT,
    "inverse_inside": PRODUCT,
    "remainder": PRODUCT,
    "floor_divide": PRODUCT,
    "negative": SIGN,
    "power": POWER,
    "square": POWER,
}


class _Text(NamedTuple):
    """A formula and how tightly its outermost operation binds."""

    text: str
    level: int = ATOM

    def within(self, level: int) -> str:
        """The formula as an operand that has to bind at least as tightly as ``level``."""
        return self.text if self.level >= level else f"({self.text})"


def literal_text(literal: Literal) -> str:
    """A constant: a number with at most six digits, a small array in full, or its type."""
    value = literal.value
    if literal.type.shape:
        return show(value) if literal.type.size <= SMALL else repr(literal)
    if not isinstance(value, (float, np.floating)):
        return repr(literal)
    exact = repr(float(value)).removesuffix(".0")
    return exact if len(exact) <= 8 else f"{float(value):.6g}"


def equation_text(equation: Equation, names: Mapping[Var, str]) -> str:
    """The right-hand side of an equation in the primitive's own words."""
    operands = [names[a] if isinstance(a, Var) else literal_text(a) for a in equation.inputs]
    return _formula(equation, operands)


def _formula(equation: Equation, operands: Sequence[str]) -> str:
    """The equation's formula: parts of arrays as Python writes them, and guards in words."""
    if equation.primitive in (index.slice_, index.gather):
        x, *arrays = operands
        return f"{x}[{index.index_text(equation.params['index'], arrays)}]"
    if equation.primitive in (index.update, index.scatter_add):
        x, part, *arrays = operands
        sign = "=" if equation.primitive is index.update else "+="
        where = index.index_text(equation.params["index"], arrays)
        return f"{x} with [{where}] {sign} {part}"
    if equation.primitive is guard:
        return " is ".join(operands)
    return equation.primitive.formula(operands, equation.params)


def program_text(program: Program, names: Mapping[Var, str], output: int = 0) -> str | None:
    """One output as a formula in the named variables; None if it would be long.

    An equation with a named result is not written out.
    """
    texts: dict[Var, _Text] = {var: _Text(name) for var, name in names.items()}

    def read(atom: Atom) -> _Text | None:
        if isinstance(atom, Literal):
            text = literal_text(atom)
            return _Text(text, SIGN if text.startswith("-") else ATOM)
        return texts.get(atom)

    for equation in program.equations:
        if all(var in texts for var in equation.outputs):
            continue
        operands = [read(atom) for atom in equation.inputs]
        known = [operand for operand in operands if operand is not None]
        if len(known) < len(operands) or len(equation.outputs) != 1:
            continue
        made = _apply(equation, known)
        if len(made.text) <= LONGEST:
            texts[equation.outputs[0]] = made
    found = read(program.outputs[output])
    return None if found is None else found.text


def _apply(equation: Equation, operands: list[_Text]) -> _Text:
    name = equation.primitive.name
    if name in ("multiply", "mul0"):
        return _product(*operands)
    if name == "via":
        return operands[0]
    if name == "add":
        return _sum(*operands)
    level = _LEVELS.get(name)
    if level is None:
        return _other(equation, operands)
    # What stands right of -, / and in a base binds more tightly than the operation itself.
    tight = name in ("power", "square", "reciprocal", "inverse_inside")
    first = operands[0].within(level + 1 if tight else level)
    others = [operand.within(min(level + 1, ATOM)) for operand in operands[1:]]
    return _Text(equation.primitive.formula([first, *others], equation.params), level)


def _other(equation: Equation, operands: list[_Text]) -> _Text:
    """A function's arguments need no brackets; an operation not known here gets them all."""
    if equation.primitive in (index.slice_, index.gather):
        return _Text(_formula(equation, [operand.within(ATOM) for operand in operands]))
    if equation.primitive in (index.update, index.scatter_add):
        return _Text(_formula(equation, [operand.text for operand in operands]), COMPARE)
    template = equation.primitive.text
    call = template is None or bool(equation.params) or re.match(r"\||\w+\(", template) is not None
    texts = [operand.within(COMPARE if call else ATOM) for operand in operands]
    text = equation.primitive.formula(texts, equation.params)
    return _Text(text, ATOM if call else COMPARE)


def _sum(left: _Text, right: _Text) -> _Text:
    if right.text.startswith("-") and right.level > SUM:
        return _Text(f"{left.text} - {right.text[1:]}", SUM)
    return _Text(f"{left.within(SUM)} + {right.within(SUM)}", SUM)


def _product(left: _Text, right: _Text) -> _Text:
    for one, other in ((left, right), (right, left)):
        if one.text == "1":
            return other
        if one.text == "-1":
            return _Text(f"-{other.within(SIGN)}", SIGN)
    if right.text.startswith("1 / "):
        return _Text(f"{left.within(PRODUCT)} / {right.text[4:]}", PRODUCT)
    bound = PRODUCT if " / " not in right.text else ATOM
    factor = f"({right.text})" if right.level == SIGN else right.within(bound)
    return _Text(f"{left.within(PRODUCT)} * {factor}", PRODUCT)
