"""The shortest way from a call to compiled code.

For a path without effects, ``compile.entry`` makes a builtin function that checks the leaves of the
arguments, and the variables outside of the function, in compiled code. It is tried before anything
else is looked at, and hands what is not exactly as expected to the general way.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import tree
from ..errors import WengertError
from ..program import Type
from ..verbs import Derived
from .asked import Asked
from .environment import Environment
from .keys import SMALL, UnkeyableError, contents, order, outer
from .paths import Path
from .tracing import InlinedError

if TYPE_CHECKING:
    from ..compile.entry import Argument, Variable

__all__ = ["shortcut"]

_NAMED = (
    *(types.FunctionType, Derived, type, types.ModuleType, np.ufunc),
    *(property, staticmethod, classmethod),
)
_VALUES = (int, float, complex, str, bytes, type(None), np.number, np.bool_, np.character)
_INSIDE = (*_VALUES, type, types.ModuleType, np.ufunc)
_STEADY = (*_VALUES, *_NAMED)
"""Values that cannot change: if a variable still holds the same object, nothing has changed. Of
functions in containers (not among those ``_INSIDE``) more counts than which they are.
"""

NESTED = 8
"""How deep a variable's containers are looked into."""

Read = Callable[[], Any]


def shortcut(
    path: Path, asked: Asked, environment: Environment | None, general: Callable[..., Any]
) -> Callable[..., Any] | None:
    """A function of the arguments that runs the path, or else calls ``general``.

    None where there can be none: for arguments that are changed in place, or variables outside of
    the function that can change unnoticed.
    """
    watched = _watched(environment)
    if watched is None or path.mutated or asked.static:
        return None
    try:
        from ..compile.entry import MISS, entry

        leaves = _leaves(asked)
        if leaves is None:
            return None
        variables, checks = watched
        numbers = tree.unflatten(asked.spec, list(range(len(leaves))))
        flat = None if asked.kwargs else _nested(asked.args, numbers[0], leaves)
        result = _nested_result(path)
        native = path.executable.native
        outputs = native.program.output_types
        if flat is None or result is None or checks:
            raw = entry(native, flat or leaves, outputs, variables=variables)
        else:
            boxed = [out.place for out in path.outputs if out.boxed and out.place is not None]
            return entry(
                native,
                flat,
                outputs,
                result=result,
                boxed=boxed,
                variables=variables,
                fallback=general,
            )
    except (ImportError, WengertError):
        return None
    if raw is None:
        return None
    given = None if flat else (asked.spec, order((asked.args, asked.kwargs)))
    return _checked(raw, MISS, given, _builder(path), checks, general)


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


# -- arguments and results -------------------------------------------------------------------------


def _leaves(asked: Asked) -> list[Argument] | None:
    """What each leaf of the arguments has to be; None if that can change unnoticed."""
    from ..compile.entry import Argument

    inputs = {leaf: number for number, leaf in enumerate(asked.places)}
    found: list[Argument] = []
    for place, leaf in enumerate(asked.leaves):
        kind = type(leaf)
        if place not in inputs:
            if not isinstance(leaf, _STEADY) or issubclass(kind, _NAMED):
                return None
            found.append(Argument.same(leaf))
            continue
        if kind is np.ndarray:
            if not leaf.flags.c_contiguous or not leaf.dtype.isnative:
                return None
            argument = Argument.array(Type.of(leaf), leaf.flags.writeable)
        elif kind in (float, int, bool, complex):
            argument = Argument.number(kind)
        else:
            argument = Argument.scalar(leaf.dtype)
        found.append(argument.at(inputs[place]))
    return found


def _nested(parts: Any, numbers: Any, leaves: Sequence[Argument]) -> list[Argument] | None:
    """The same for arguments in tuples, lists and dicts; None if there are other containers.

    ``numbers`` are those of the leaves, in the same containers.
    """
    from ..compile.entry import Argument

    found: list[Argument] = []
    for part, number in zip(parts, numbers, strict=True):
        kind = type(part)
        if type(number) is int:
            found.append(leaves[number])
        elif part is None:
            found.append(Argument.same(None))
        elif kind in (tuple, list, dict):
            keys = tuple(part) if kind is dict else ()
            inside = (
                _nested(part.values(), [number[key] for key in keys], leaves)
                if kind is dict
                else _nested(part, number, leaves)
            )
            if inside is None:
                return None
            found.append(Argument.group(kind, inside, keys))
        else:
            return None
    return found


def _nested_result(path: Path) -> Any:
    """The result as ``compile.entry`` puts it together; None if it has other containers."""
    from ..compile.entry import Constant

    leaves = [Constant(out.constant) if out.place is None else out.place for out in path.outputs]

    def usual(part: Any) -> Any:
        kind = type(part)
        if kind is int or kind is Constant:
            return part
        if part is None:
            return Constant(None)
        if kind not in (tuple, list, dict):
            raise TypeError
        if kind is dict:
            return {key: usual(each) for key, each in part.items()}
        return kind(map(usual, part))

    try:
        return usual(tree.unflatten(path.spec, leaves))
    except TypeError:
        return None


# -- variables -------------------------------------------------------------------------------------


def _watched(
    environment: Environment | None,
) -> tuple[list[Variable], list[Callable[[], bool]]] | None:
    """How it is seen that the variables outside are the same: by the entry, or by functions.

    None if one could change in itself.
    """
    from ..compile.entry import Variable

    variables: list[Variable] = []
    checks: list[Callable[[], bool]] = []
    for read, value in () if environment is None else environment.readers():
        place, holds = _place(read), _held(value, NESTED)
        if place is not None and holds is not None:
            variables.append(Variable(*place, holds))
        elif isinstance(value, _STEADY):
            checks.append(_steady(read, value))
        else:
            try:
                checks.append(_equal(read, outer(value)))
            except (InlinedError, UnkeyableError):
                return None
    return variables, checks


def _place(read: Any) -> tuple[Any, str] | None:
    """The cell that is read, or a dict and the name there; None for what an entry cannot read."""
    if read.func is contents:
        return read.args[0], ""
    home = getattr(read.func, "__self__", None)
    if type(home) is dict and read.func == home.get and type(read.args[0]) is str:
        return home, read.args[0]
    return None


def _held(value: Any, depth: int) -> Argument | None:
    """What a variable has to hold, if an entry can see that it does."""
    from ..compile.entry import Argument

    kind = type(value)
    if kind is np.ndarray:
        flat = value.flags.c_contiguous or value.flags.f_contiguous
        small = value.nbytes <= SMALL and value.dtype.kind in "fciubSU"
        return Argument.equal(value) if flat and small else None
    if kind in (tuple, list, dict) and depth:
        keys = tuple(value) if kind is dict else ()
        parts = [_held(each, depth - 1) for each in (value.values() if keys else value)]
        found = [part for part in parts if part is not None]
        steady = len(found) == len(parts) and all(isinstance(key, _INSIDE) for key in keys)
        return Argument.group(kind, found, keys) if steady else None
    steady = isinstance(value, _STEADY if depth == NESTED else _INSIDE)
    return Argument.same(value) if steady else None


def _equal(read: Read, key: Hashable) -> Callable[[], bool]:
    def equal() -> bool:
        try:
            return outer(read()) == key
        except (InlinedError, UnkeyableError):
            return False

    return equal


def _steady(read: Read, value: Any) -> Callable[[], bool]:
    return lambda: read() is value
