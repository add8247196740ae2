"""A call taken apart: its key, and the leaves that become inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from .. import tree
from ..calls import handle, signature_of
from ..errors import DtypeError, ShapeError, named
from ..primitive import Traced
from ..program import Array
from ..recorder import Recorder
from ..trace import ArrayTracer, snapshot
from .keys import Aside, dynamic_key, exact, order, token
from .tracing import InlinedError

__all__ = ["Asked", "Static"]


class Static:
    """Which arguments count by value: by position, by name, or either way for a parameter.

    Raises ``ShapeError`` for a position, and ``DtypeError`` for a name, that no argument can have.
    """

    def __init__(
        self, function: Callable[..., Any], argnums: tuple[int, ...], argnames: tuple[str, ...]
    ) -> None:
        self.argnums = argnums
        self.argnames = argnames
        self.places = set(argnums)
        self.names = set(argnames)
        if not argnums and not argnames:
            return
        _check(function, argnums, argnames)
        known = signature_of(function)
        if known is None:
            return
        positional = [
            p.name
            for p in known.parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        for place in argnums:
            if -len(positional) <= place < len(positional):
                self.names.add(positional[place])
        self.places.update(i for i, name in enumerate(positional) if name in self.names)

    def split(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, Any, dict[Any, Any]]:
        """The positional and the named arguments that are not static, and those that are."""
        if not self.places and not self.names:
            return args, kwargs, {}
        places = {place % len(args) for place in self.places if -len(args) <= place < len(args)}
        static: dict[Any, Any] = {place: args[place] for place in sorted(places)}
        static.update((name, kwargs[name]) for name in kwargs if name in self.names)
        moving = tuple(arg for place, arg in enumerate(args) if place not in static)
        return moving, {k: v for k, v in kwargs.items() if k not in static}, static

    def key(self, static: dict[Any, Any]) -> Hashable:
        """The static arguments as a key. DtypeError if one cannot be hashed."""
        for place, value in static.items():
            try:
                hash(value)
            except TypeError as error:
                raise DtypeError(
                    f"the static argument {place!r} of a jitted function is "
                    f"{named(type(value))}, which cannot be hashed",
                    remedy="a tuple for a list, a frozen dataclass for an object; or leave arrays "
                    "and numbers to be no static arguments",
                ) from error
        return tuple([(place, exact(value), Aside(value)) for place, value in static.items()])


def _check(
    function: Callable[..., Any], argnums: tuple[int, ...], argnames: tuple[str, ...]
) -> None:
    """Raise for what is no parameter. Of a wrapper its own signature counts, if it is known."""
    known = signature_of(function, follow_wrapped=False)
    if known is None:
        return
    parameters = known.parameters.values()
    kinds = {p.kind for p in parameters}
    positional = [
        p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    names = positional + [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    there = f"the parameters are {', '.join(names)}" if names else "there are no parameters"
    for place in argnums:
        fits = -len(positional) <= place < len(positional)
        if not fits and inspect.Parameter.VAR_POSITIONAL not in kinds:
            raise ShapeError(
                f"static_argnums names argument {place}, and the function takes "
                f"{len(positional)} by position: {there}",
                remedy="the positions from 0, or static_argnames= with names of parameters",
            )
    for name in argnames:
        if name not in names and inspect.Parameter.VAR_KEYWORD not in kinds:
            raise DtypeError(
                f"static_argnames names {name!r}, which is no parameter of the function: {there}",
                remedy="static_argnames= with the names of parameters",
            )


class Asked:
    """A call: its arguments, its key, its leaves, and which of them are inputs.

    ``below`` are the inputs without the traces that differentiate.

    Raises ``InlinedError`` if an argument belongs to a Program that is being recorded.
    """

    __slots__ = (
        "args",
        "below",
        "inputs",
        "key",
        "kwargs",
        "leaves",
        "places",
        "spec",
        "static",
        "traced",
    )

    def __init__(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], static: Static, outside: Hashable
    ) -> None:
        self.args = args
        self.kwargs = kwargs
        moving, named, self.static = static.split(args, kwargs)
        self.leaves, self.spec = tree.flatten((moving, named))
        self.places: list[int] = []
        self.inputs: list[Any] = []
        self.below: list[Any] = []
        self.traced = False
        keys: list[Hashable] = []
        for place, leaf in enumerate(self.leaves):
            below = leaf
            if isinstance(leaf, Traced):
                self.traced = True
                below = handle(_below(leaf), leaf)
                leaf = snapshot(leaf) if isinstance(leaf, ArrayTracer) else leaf
            key = dynamic_key(below)
            if key is None:
                keys.append(token(leaf))
            else:
                keys.append(key)
                self.places.append(place)
                self.inputs.append(leaf)
                self.below.append(below)
        ordered = order((moving, named))
        self.key = (self.spec, ordered, tuple(keys), static.key(self.static), outside)

    @property
    def unfollowed(self) -> list[Any]:
        """The arguments that are no inputs: the function is given the caller's own."""
        places = set(self.places)
        leaves = [leaf for place, leaf in enumerate(self.leaves) if place not in places]
        return [*leaves, *self.static.values()]

    def rebuilt(self, handles: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with other values in the place of the inputs."""
        full = list(self.leaves)
        for place, stand_in in zip(self.places, handles, strict=True):
            full[place] = stand_in
        moving, named = tree.unflatten(self.spec, full)
        args = list(moving)
        for place in sorted(place for place in self.static if isinstance(place, int)):
            args.insert(place, self.static[place])
        named |= {name: v for name, v in self.static.items() if isinstance(name, str)}
        return tuple(args), named


def _below(value: Array) -> Array:
    """The array under traces that differentiate; InlinedError where a Program is being recorded."""
    while isinstance(value, Traced):
        if isinstance(value._trace, Recorder):
            raise InlinedError
        value = value._value
    return value
