"""What is kept between calls: Programs by their content, and what was made of each of them.

A loop's body is traced at every call of the loop, and is the same Program each time. ``interned``
gives the first of all equal ones, and ``remembered`` keeps what a function has made of a Program,
so that a body is differentiated, batched or prepared for evaluation once. Both forget the oldest
when there are many.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from ..forks import lock
from ..program import Program

__all__ = ["interned", "remembered"]

MANY = 512
"""Programs, or results of one function, that are kept."""

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_lock = lock()
_known: dict[Program, Program] = {}


def _keep(found: dict[Any, Any], key: Any, value: Any) -> Any:
    with _lock:
        value = found.setdefault(key, value)
        while len(found) > MANY:
            del found[next(iter(found))]
        return value


def interned(program: Program) -> Program:
    """The first Program that was equal to this one."""
    return _known.get(program) or _keep(_known, program, program)


def remembered(
    function: Callable[Concatenate[T, P], R],
) -> Callable[Concatenate[T, P], R]:
    """Decorator: results are kept, by the identity of the first argument and the others' values."""
    found: dict[Any, tuple[T, R]] = {}

    @wraps(function)
    def recalled(first: T, /, *args: P.args, **kwargs: P.kwargs) -> R:
        key = (id(first), args, tuple(kwargs.items()))
        known = found.get(key)
        if known is None:
            known = _keep(found, key, (first, function(first, *args, **kwargs)))
        return known[1]

    return recalled
