"""What a function can change outside of itself: to put it back before the function is run again.

A run that was to be traced and cannot be is followed by one without tracing. What the first one
appended, counted or cached must not be there twice then. Variables, and the lists, dicts, sets,
small arrays and attributes of objects that are reached from them, are put back. What is written to
files, printed, or kept by C code is not.
"""

from __future__ import annotations

import collections
import types
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..primitive import Traced
from .environment import Environment
from .generators import Draws
from .keys import FIXED, GENERATORS, PARTS, SMALL, attributes

__all__ = ["Outside", "arrays"]

_ATOMS = (
    *(int, float, complex, str, bytes, type(None), np.generic, Traced),
    *(types.FunctionType, types.BuiltinFunctionType, *FIXED, *GENERATORS),
)
_SEQUENCES = (list, collections.deque)
_CONTAINERS = (tuple, *_SEQUENCES, set, frozenset)


class Outside:
    """Variables and objects outside of a function, as they are when this is made."""

    def __init__(self, environment: Environment, arguments: Any) -> None:
        self._draws = Draws(environment.generators.values())
        self._environment = environment
        self._variables = [value for _, value in environment.writers()]
        self._parts = [(part, _content(part)) for part in _reached([*self._variables, arguments])]

    def drew(self) -> bool:
        """Whether random numbers were drawn since."""
        return self._draws.happened()

    def restore(self) -> None:
        """Put everything back that has changed since."""
        self._draws.undo()
        # Variables that were found since come after these.
        for value, (write, now) in zip(self._variables, self._environment.writers(), strict=False):
            if now is not value:
                write(value)
        for part, content in self._parts:
            _put_back(part, content)


def arrays(environment: Environment, arguments: Any) -> list[np.ndarray[Any, Any]]:
    """The arrays among the variables outside of a function, and among arguments."""
    values = [value for _, value in environment.readers()]
    return [part for part in _reached([*values, arguments]) if isinstance(part, np.ndarray)]


def _reached(values: Iterable[Any]) -> Iterator[Any]:
    """All that is reached from some values, up to a number of parts, each once."""
    seen: set[int] = set()
    waiting = list(values)
    while waiting and len(seen) < PARTS:
        value = waiting.pop()
        if isinstance(value, _ATOMS) or id(value) in seen or _is_wengerts(type(value)):
            continue
        seen.add(id(value))
        yield value
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, _CONTAINERS):
            waiting += value
        elif isinstance(value, types.MethodType):
            waiting.append(value.__self__)
        elif not isinstance(value, np.ndarray):
            waiting += (attributes(value) or {}).values()
        elif value.dtype.kind == "O":
            waiting += value.flat


def _is_wengerts(kind: type) -> bool:
    """Whether a class is one of this package: what a jitted function has learned is kept."""
    return kind.__module__.partition(".")[0] == __name__.partition(".")[0]


def _content(part: Any) -> Any:
    """What can change in a part, copied; None where nothing can be put back."""
    if isinstance(part, np.ndarray):
        return part.copy() if part.nbytes <= SMALL and part.flags.writeable else None
    if isinstance(part, (*_SEQUENCES, set, dict, bytearray)):
        return part.copy()
    if isinstance(part, (tuple, frozenset)):
        return None
    return dict(attributes(part) or {})


def _put_back(part: Any, content: Any) -> None:
    if content is None:
        return
    if isinstance(part, np.ndarray):
        if part.shape == content.shape and part.tobytes() != content.tobytes():
            part[...] = content
    elif isinstance(part, bytearray):
        part[:] = content
    elif isinstance(part, (set, dict)):
        if not (_same(part, content) and _same(_values(part), _values(content))):
            part.clear()
            part.update(content)
    elif isinstance(part, _SEQUENCES):
        if not _same(part, content):
            part.clear()
            part.extend(content)
    else:
        _attributes_back(part, content)


def _attributes_back(part: Any, content: dict[str, Any]) -> None:
    now = attributes(part) or {}
    for name in now.keys() - content.keys():
        object.__delattr__(part, name)
    for name, value in content.items():
        if name not in now or now[name] is not value:
            object.__setattr__(part, name, value)


def _same(one: Iterable[Any], other: Iterable[Any]) -> bool:
    """Whether two hold the very same objects in the same order."""
    one, other = list(one), list(other)
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _values(part: Any) -> Iterable[Any]:
    return part.values() if isinstance(part, dict) else ()
