"""The shortest way from a call to compiled code.

For a path without effects, ``compile.entry`` makes a builtin function that checks the leaves of the
arguments, and the variables outside of the function, in compiled code. It is tried before anything
else is looked at, and hands what is not exactly as expected to the general way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import tree
from ..errors import WengertError
from ..program import Type
from .asked import Asked
from .environment import Environment
from .keys import UnkeyableError, order
from .paths import Path
from .tracing import InlinedError
from .watched import NAMED, STEADY, Watched

if TYPE_CHECKING:
    from ..compile.entry import Argument

__all__ = ["shortcut"]


def shortcut(
    path: Path, asked: Asked, environment: Environment | None, general: Callable[..., Any]
) -> Callable[..., Any] | None:
    """A function of the arguments that runs the path, or else calls ``general``.

    None where there can be none: for arguments that are changed in place, or variables outside of
    the function that can change unnoticed. UnkeyableError if variables have so many parts that to
    look at them at each call would take too long.
    """
    if path.mutated or asked.static:
        return None
    try:
        found = _shortcut(path, asked, Watched(environment), general)
        return found or _shortcut(path, asked, Watched(environment, parts=False), general)
    except UnkeyableError:
        raise
    except (ImportError, InlinedError, WengertError):
        return None


def _shortcut(
    path: Path, asked: Asked, watched: Watched, general: Callable[..., Any]
) -> Callable[..., Any] | None:
    from ..compile.entry import MISS, entry

    leaves = _leaves(asked)
    if leaves is None:
        return None
    variables, checks = watched.variables, watched.checks
    numbers = tree.unflatten(asked.spec, list(range(len(leaves))))
    flat = None if asked.kwargs else _nested(asked.args, numbers[0], leaves)
    result = _nested_result(path)
    native = path.executable.native
    outputs = native.program.output_types
    if flat is not None and result is not None and not checks:
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
    raw = entry(native, flat or leaves, outputs, variables=variables)
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
            if not isinstance(leaf, STEADY) or issubclass(kind, NAMED):
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
