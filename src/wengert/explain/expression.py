"""Arithmetic from text: ``x*y + sin(x)`` becomes a function of x and y.

The text is parsed, never run. What gets through is written in the tables below: numbers, names,
``+ - * / **``, comparisons, and known functions. It becomes a list of steps for a small stack
machine that applies NumPy, so that neither the depth nor the size of an expression can exhaust
Python's own stack; every number is a float, so that no power can exhaust memory.
"""

from __future__ import annotations

import ast
import inspect
import operator
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

from ..errors import ExpressionError
from ..program import Array

__all__ = ["CONSTANTS", "FUNCTIONS", "Expression", "parse"]

LONGEST = 10_000
"""Characters of an expression."""

CONSTANTS = {"pi": float(np.pi), "e": float(np.e)}

FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    **{
        name: (getattr(np, name), 1)
        for name in (
            *"sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh".split(),
            *"exp exp2 expm1 log log2 log10 log1p sqrt cbrt square abs sign floor ceil".split(),
            *"sum mean prod".split(),
        )
    },
    **{
        name: (getattr(np, name), 2)
        for name in "maximum minimum arctan2 hypot logaddexp power dot".split()
    },
    "where": (np.where, 3),
}
"""The functions that an expression may call, and how many arguments they take."""

_BINARY: dict[type[ast.operator], Callable[..., Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
_UNARY: dict[type[ast.unaryop], Callable[..., Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: np.negative,
}
_COMPARE: dict[type[ast.cmpop], Callable[..., Any]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
_KNOWN = "known are numbers, names, + - * / **, comparisons, and functions such as sin(x)"

Step = float | str | tuple[Callable[..., Any], int]
"""Push a number, push the value of a name, or apply a function to the last so many values."""


@dataclass(frozen=True)
class Expression:
    """A parsed expression: call it with a value for each of ``names``, in their order."""

    text: str
    names: tuple[str, ...]
    steps: tuple[Step, ...]

    def __call__(self, *values: Array) -> Array:
        given = dict(zip(self.names, values, strict=True))
        stack: list[Array] = []
        for step in self.steps:
            if isinstance(step, (int, float)):
                stack.append(step)
            elif isinstance(step, str):
                stack.append(given[step])
            else:
                function, count = step
                stack[-count:] = [function(*stack[-count:])]
        (result,) = stack
        return result

    @property
    def __name__(self) -> str:
        return self.text

    @property
    def __signature__(self) -> inspect.Signature:
        kind = inspect.Parameter.POSITIONAL_ONLY
        return inspect.Signature([inspect.Parameter(name, kind) for name in self.names])


def parse(text: str, names: Sequence[str] | None = None) -> Expression:
    """The function that the text describes. Raises ``ExpressionError`` for anything but arithmetic.

    ``names`` are the variables, in the order of the function's arguments; without them every name
    that is neither a function nor a constant is one, in order of appearance. A name among them may
    hide a constant or a function.

    Example:
        >>> from wengert.explain.expression import parse
        >>> f = parse("x*y + sin(x)")
        >>> f.names, float(f(0.0, 2.0))
        (('x', 'y'), 0.0)
    """
    text = text.strip()
    root = _tree(text)
    steps = _steps(root, names)
    found = names if names is not None else dict.fromkeys(s for s in steps if isinstance(s, str))
    return Expression(re.sub(r"\s+", " ", text), tuple(found), tuple(steps))


def _tree(text: str) -> ast.expr:
    if not text:
        raise ExpressionError("the expression is empty")
    if len(text) > LONGEST:
        raise ExpressionError(
            f"the expression has {len(text)} characters, and more than {LONGEST} are not read"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text, mode="eval").body
    except (RecursionError, MemoryError):
        raise ExpressionError("the expression is nested too deeply") from None
    except SyntaxError as error:
        raise ExpressionError(_syntax(text, error)) from None
    except ValueError:
        raise ExpressionError("the expression holds characters that cannot be read") from None


def _syntax(text: str, error: SyntaxError) -> str:
    if "nested" in error.msg:
        return "the expression is nested too deeply"
    if found := re.search(r"\b(\d+\.?\d*)([A-Za-z_]\w*|\()", text):
        number, name = found.groups()
        return f"cannot read {number}{name}: a product is written {number}*{name}"
    place = f" at column {error.offset}" if error.offset else " at its end"
    message = re.sub(r"\s+", " ", error.msg)
    return f"cannot read the expression{place} ({message})"


def _steps(root: ast.expr, names: Sequence[str] | None) -> list[Step]:
    """The tree in postfix order, by a stack of what is still to be read."""
    steps: list[Step] = []
    pending: list[ast.expr | Step] = [root]
    while pending:
        item = pending.pop()
        if isinstance(item, ast.expr):
            step, operands = _read(item, names)
            pending.append(step)
            pending.extend(reversed(operands))
        else:
            steps.append(item)
    return steps


def _read(node: ast.expr, names: Sequence[str] | None) -> tuple[Step, list[ast.expr]]:
    """The step that a node stands for, and its operands."""
    match node:
        case ast.Constant():
            return _constant(node), []
        case ast.Name(id=name):
            return _name(name, names), []
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return (_UNARY[type(op)], 1), [operand]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return (_BINARY[type(op)], 2), [left, right]
        case ast.BinOp(op=ast.BitXor()):
            raise ExpressionError("^ is not a power here: write x**2 for x^2")
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            return (_COMPARE[type(op)], 2), [left, right]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            return _call(name, args), args
        case _:
            raise ExpressionError(f"{_shown(node)} is not arithmetic: {_KNOWN}")


def _constant(node: ast.Constant) -> float:
    value = node.value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ExpressionError(f"{_shown(node)} is not a number: {_KNOWN}")
    try:
        return float(value)
    except OverflowError:
        raise ExpressionError("a number in the expression is too large for a float") from None


def _name(name: str, names: Sequence[str] | None) -> Step:
    if names is not None and name in names:
        return name
    if name in CONSTANTS:
        return CONSTANTS[name]
    if name in FUNCTIONS:
        raise ExpressionError(f"{name} is a function: write {name}(x)")
    if names is None:
        return name
    raise ExpressionError(_unknown("name", name, [*names, *CONSTANTS], [*names, *CONSTANTS]))


def _call(name: str, args: Sequence[ast.expr]) -> Step:
    if name not in FUNCTIONS:
        raise ExpressionError(_unknown("function", name, [*FUNCTIONS], sorted(FUNCTIONS)))
    function, count = FUNCTIONS[name]
    if len(args) != count:
        plural = "" if count == 1 else "s"
        raise ExpressionError(f"{name} takes {count} argument{plural}, and it is given {len(args)}")
    return function, count


def _unknown(what: str, name: str, near: Sequence[str], known: Sequence[str]) -> str:
    close = get_close_matches(name, near, n=3, cutoff=0.5)
    hint = f" (did you mean {' or '.join(close)}?)" if close else ""
    return f"{name} is not a known {what}{hint}; known are {', '.join(known)}"


def _shown(node: ast.expr) -> str:
    """A part of the expression, as it would be written, in one line."""
    try:
        text = re.sub(r"\s+", " ", ast.unparse(node))
    except (RecursionError, ValueError):
        return "a part of the expression"
    return text if len(text) <= 40 else f"{text[:37]}..."
