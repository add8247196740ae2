"""The shortest way from a call to compiled code.

For a path without effects, ``compile.entry`` makes a builtin function that checks the leaves of the
arguments in compiled code. It is tried before anything else is looked at, and hands what is not
exactly as expected to the general way.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import WengertError
from ..program import Type
from .asked import Asked
from .environment import Environment
from .keys import order, outer
from .paths import Path

__all__ = ["shortcut"]

_NAMED = (types.FunctionType, type, types.ModuleType, np.ufunc, property, staticmethod, classmethod)
_STEADY = (int, float, complex, bool, str, bytes, type(None), np.generic, *_NAMED)
"""Values that cannot change: if a variable still holds the same object, nothing has changed."""


def shortcut(
    path: Path, asked: Asked, environment: Environment | None, general: Callable[..., Any]
) -> Callable[..., Any] | None:
    """A function of the arguments that runs the path, or else calls ``general``.

    None where there can be none: for arguments that are changed in place, or variables outside of
    the function that can change unnoticed.
    """
    arguments = _arguments(asked)
    watched = _watched(environment)
    if arguments is None or watched is None or path.mutated:
        return None
    simple = all(out.place == i and not out.boxed for i, out in enumerate(path.outputs))
    try:
        from ..compile.entry import MISS, Argument, entry

        made = [getattr(Argument, kind)(what) for kind, what in arguments]
        outputs = path.program.output_types
        plan = tree.unflatten(path.spec, list(range(len(path.outputs))))
        single = type(plan) is int
        flat = not asked.kwargs and len(asked.args) == len(asked.leaves)
        flat = flat and all(map(_is, asked.args, asked.leaves))
        if simple and flat and not watched and (single or plan == tuple(range(len(outputs)))):
            return entry(path.executable.native, made, outputs, single=single, fallback=general)
        raw = entry(path.executable.native, made, outputs)
    except (ImportError, WengertError):
        return None
    if raw is None:
        return None
    given = None if flat else (asked.spec, order((asked.args, asked.kwargs)))
    build = path.spec.unflatten if simple and not single else _builder(path)
    return _checked(raw, MISS, given, build, watched, general)


def _is(one: Any, other: Any) -> bool:
    return one is other


def _checked(
    raw: Callable[..., Any],
    miss: Any,
    given: Any,
    build: Callable[[Any], Any],
    watched: Sequence[Callable[[], bool]],
    general: Callable[..., Any],
) -> Callable[..., Any]:
    """The entry behind a look at the watched variables, for any arguments and results."""
    structure, ordered = (None, None) if given is None else given

    def checked(*args: Any, **kwargs: Any) -> Any:
        for steady in watched:
            if not steady():
                return general(*args, **kwargs)
        if structure is None:
            found = miss if kwargs else raw(*args)
        else:
            leaves, found = tree.flatten_again((args, kwargs))
            fits = found == structure and (ordered is None or order((args, kwargs)) == ordered)
            found = raw(*leaves) if fits else miss
        return general(*args, **kwargs) if found is miss else build(found)

    return checked


def _builder(path: Path) -> Callable[[Any], Any]:
    """The result from the values of the outputs, of which some leaves are constant."""
    spec, outputs = path.spec, path.outputs
    parts = [(output.place, output.constant, output.boxed) for output in outputs]

    def build(found: Any) -> Any:
        leaves = [
            constant if place is None else np.asarray(found[place]) if boxed else found[place]
            for place, constant, boxed in parts
        ]
        return tree.unflatten(spec, leaves)

    return build


def _arguments(asked: Asked) -> list[tuple[str, Any]] | None:
    """What each leaf of the arguments is: the name of a maker of ``compile.entry``, its operand."""
    if asked.static:
        return None
    inputs = set(asked.places)
    found: list[tuple[str, Any]] = []
    for place, leaf in enumerate(asked.leaves):
        kind = type(leaf)
        if place not in inputs:
            if not isinstance(leaf, _STEADY) or issubclass(kind, _NAMED):
                return None
            found.append(("same", leaf))
        elif kind is np.ndarray:
            if not leaf.flags.c_contiguous or not leaf.dtype.isnative:
                return None
            found.append(("array", Type.of(leaf)))
        elif kind in (float, int, bool, complex):
            found.append(("number", kind))
        else:
            found.append(("scalar", leaf.dtype))
    return found


def _watched(environment: Environment | None) -> list[Callable[[], bool]] | None:
    """Checks that the variables outside are the same; None if one could change in itself."""
    found: list[Callable[[], bool]] = []
    for read, value in () if environment is None else environment.readers():
        if type(value) is np.ndarray:
            found.append(_equal(read, outer(value)))
        elif isinstance(value, _STEADY):
            found.append(_steady(read, value))
        else:
            return None
    return found


def _equal(read: Callable[[], Any], key: Hashable) -> Callable[[], bool]:
    return lambda: type(value := read()) is np.ndarray and outer(value) == key


def _steady(read: Callable[[], Any], value: Any) -> Callable[[], bool]:
    return lambda: read() is value
