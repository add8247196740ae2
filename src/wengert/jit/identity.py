"""Code that asks what a value is itself: by ``type(x)``, ``is`` or ``id``.

A traced value is another object than the number or the array that it stands for, and no protocol
answers for it here. So the code is read for these questions before it is traced. Where the answer
does not depend on tracing, as for ``x is None`` or ``type(self)``, they are no hindrance.
"""

from __future__ import annotations

import builtins
import dis
import operator
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..frames import is_ours

__all__ = ["GLOBALS", "answers_container", "asker", "compares_bools", "question"]

GLOBALS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
"""The instructions that read a global variable."""

_REMEDIES = {
    "type": "asks for type(x), which is another while tracing; isinstance(x, ...) is the same",
    "id": "asks for id(x), which is another while tracing",
    "is": "asks whether x is y, which traced values are not; x is None can be asked",
}
_ASKED = ("type", "id")
_ASKING = {"type": (type,), "id": (id,), "is": (operator.is_, operator.is_not)}
_FIRST = ("self", "cls")
_VALUES = (int, float, complex, np.generic, np.ndarray)
_MISSING = object()


def question(code: types.CodeType, space: Mapping[str, Any]) -> str:
    """What code asks that tracing would answer in another way, '' if nothing.

    ``space`` holds the global variables of the code.
    """
    names = set(code.co_names)
    if names & {"is_", "is_not"}:  # of the module operator
        return _REMEDIES["is"]
    if "builtins" in names and (asked := names & set(_ASKED)):
        return _REMEDIES[asked.pop()]
    steps = _steps(code)
    for i, step in enumerate(steps):
        if step.opname in GLOBALS and step.argval in _ASKED:
            if step.argval not in space and _is_asked(steps, i, code):
                return _REMEDIES[step.argval]
        elif step.opname == "IS_OP" and not _is_settled(steps, i, space):
            return _REMEDIES["is"]
    inner = [each for each in code.co_consts if isinstance(each, types.CodeType)]
    return next((found for each in inner if (found := question(each, space))), "")


def asker(value: Any) -> str:
    """What is asked by calling a function that goes by another name, '' if it asks nothing."""
    for kind, functions in _ASKING.items():
        if any(value is function for function in functions):
            return _REMEDIES[kind]
    return ""


def compares_bools(code: types.CodeType) -> bool:
    """Whether code asks ``x is True`` or ``x is False``."""
    steps = _steps(code)
    if any(
        step.opname == "IS_OP" and any(type(_constant(s)) is bool for s in steps[max(i - 2, 0) : i])
        for i, step in enumerate(steps)
    ):
        return True
    inner = [each for each in code.co_consts if isinstance(each, types.CodeType)]
    return any(map(compares_bools, inner))


def answers_container() -> bool:
    """Whether the truth of a comparison may be asked for by a list, a tuple or a dict.

    These take two operands that are the same object for equal, without comparing. A branch on the
    comparison itself is no such question.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None and is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    asking = dis.opname[frame.f_code.co_code[frame.f_lasti]]
    return not asking.startswith(("TO_BOOL", "POP_JUMP", "JUMP_IF", "UNARY_NOT"))


def _steps(code: types.CodeType) -> list[dis.Instruction]:
    passed = ("CACHE", "EXTENDED_ARG", "PRECALL", "PUSH_NULL", "NOP", "RESUME")
    return [step for step in dis.get_instructions(code) if step.opname not in passed]


def _is_asked(steps: Sequence[dis.Instruction], i: int, code: types.CodeType) -> bool:
    """Whether ``type`` or ``id``, loaded by step i, is asked of what may be a traced value."""
    called = steps[i].opname != "LOAD_GLOBAL" or bool((steps[i].arg or 0) & 1)
    if not called:  # An argument: of isinstance it is no question.
        before = {step.argval for step in steps[max(i - 8, 0) : i] if step.opname in GLOBALS}
        return not before & {"isinstance", "issubclass"}
    argument = steps[i + 1] if i + 1 < len(steps) else None
    own = argument is not None and argument.argval in _FIRST and argument.argval in code.co_varnames
    if own and i + 2 < len(steps) and steps[i + 2].opname == "CALL":
        return False
    for step in steps[i + 1 :]:
        if step.opname == "RAISE_VARARGS":  # The run ends, and is made again without tracing.
            return False
        if step.opname.startswith(("STORE", "POP_JUMP", "JUMP", "RETURN", "YIELD", "FOR_ITER")):
            return True
    return True


def _is_settled(steps: Sequence[dis.Instruction], i: int, space: Mapping[str, Any]) -> bool:
    """Whether one side of ``is`` can be no traced value and no argument: then the answer holds.

    Where a jump arrives, a side has been computed by a branch, of which the last steps are one.
    """
    right = steps[i - 1]
    if steps[i].is_jump_target:
        return False
    constant = _constant(right)
    if constant is not _MISSING:
        return not isinstance(constant, _VALUES) or type(constant) is bool
    alone = right.opname.startswith("LOAD_FAST") and isinstance(right.argval, str)
    if alone and i > 1 and not right.is_jump_target:  # Not two variables that are loaded at once.
        left = _constant(steps[i - 2])
        if left is None or left is Ellipsis:
            return True
    value = _variable(steps[:i], space)
    return value is not _MISSING and not isinstance(value, (*_VALUES, list, tuple, dict))


def _constant(step: dis.Instruction) -> Any:
    """The constant that a step loads."""
    if step.opname in ("LOAD_CONST", "LOAD_SMALL_INT", "LOAD_COMMON_CONSTANT"):
        return step.argval
    return _MISSING


def _variable(steps: Sequence[dis.Instruction], space: Mapping[str, Any]) -> Any:
    """What the last steps load: a global variable, or an attribute of a module or a class."""
    names: list[str] = []
    for step in reversed(steps):
        if step.opname == "LOAD_ATTR" and not step.is_jump_target:
            names.append(step.argval)
        elif step.opname in GLOBALS:
            value = space.get(step.argval, vars(builtins).get(step.argval, _MISSING))
            for name in reversed(names):
                if not isinstance(value, (types.ModuleType, type)):
                    return _MISSING
                value = getattr(value, name, _MISSING)
            return value
        else:
            break
    return _MISSING
