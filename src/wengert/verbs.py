"""How a function came from another one, so that it can be made again elsewhere.

``grad(f)`` is a function without a name of its own, which cannot be pickled. What is known of it is
the verb and what that was given; these are pickled in its place.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

__all__ = ["packed", "verb"]

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])

_ORIGIN = "__wengert_origin__"


def verb(function: Callable[P, F]) -> Callable[P, F]:
    """Decorator for a function that makes functions: they remember how they were made."""

    @wraps(function)
    def making(*args: P.args, **kwargs: P.kwargs) -> F:
        made = function(*args, **kwargs)
        # Of this function alone: whoever wraps it copies what it carries.
        setattr(made, _ORIGIN, (weakref.ref(made), making, args, kwargs))
        return made

    return making


def packed(function: Any) -> Any:
    """The function, or what can be pickled in its place; ``pickle.loads`` gives a function."""
    found = getattr(function, _ORIGIN, None)
    if found is None or found[0]() is not function:
        return function
    return _Again(*found[1:])


class _Again:
    """A call of a verb, which unpickling makes again."""

    def __init__(self, verb: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self.verb = verb
        self.args = tuple(map(packed, args))
        self.kwargs = {name: packed(value) for name, value in kwargs.items()}

    def __reduce__(self) -> Any:
        return _call, (self.verb, self.args, self.kwargs)


def _call(verb: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    return verb(*args, **kwargs)
