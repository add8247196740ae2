"""Functions that a verb has made of another one: they remember how, so that they can be pickled.

``grad(f)`` is a function without a name of its own, which Python could not make again in another
process. What is known of it is the verb and what that was given; these are pickled in its place.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable
from functools import update_wrapper, wraps
from typing import Any, ParamSpec, TypeVar, cast

__all__ = ["Derived", "place_of", "verb"]

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])


class Derived(functools.partial[Any]):
    """A function made by a verb. A ``partial`` costs least to call; nothing is bound.

    It behaves as a function does: as a method of the class that it is an attribute of, and as its
    own copy.
    """

    _origin: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
    __name__: str
    __wrapped__: Callable[..., Any]

    @staticmethod
    def of(made: Callable[..., Any], verb: Callable[..., Any], args: Any, kwargs: Any) -> Derived:
        """``made``, which ``verb(*args, **kwargs)`` has returned, named as what it is made of."""
        found = Derived(made)
        function = args[0] if args else kwargs["f"]
        if type(function) not in _NAMED:
            update_wrapper(found, made)
        update_wrapper(found, function)
        found._origin = verb, args, kwargs
        return found

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __reduce__(self) -> Any:
        return place_of(self) or (_call, self._origin)

    def __copy__(self) -> Derived:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Derived:
        return self

    def __repr__(self) -> str:
        return f"<{self._origin[0].__name__} of {getattr(self, '__qualname__', self.__name__)}>"


_NAMED = frozenset({types.FunctionType, Derived})
"""Classes of functions that have all that a function is known by."""


def verb(function: Callable[P, F]) -> Callable[P, F]:
    """Decorator for a function that makes functions: these remember how they were made."""

    @wraps(function)
    def making(*args: P.args, **kwargs: P.kwargs) -> F:
        return cast(F, Derived.of(function(*args, **kwargs), making, args, kwargs))

    return making


def place_of(function: Any) -> str:
    """The name under which a module has this very object, '' if it has not."""
    place: str = getattr(function, "__qualname__", "")
    home: Any = sys.modules.get(getattr(function, "__module__", None) or "")
    for name in place.split("."):
        home = getattr(home, name, None)
    return place if home is function else ""


def _call(verb: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    return verb(*args, **kwargs)
