"""How a short way sees that the variables outside of a function still hold what they held.

Most is looked at by native code (``compile.entry``): arrays by their elements, containers and
objects by their parts, all else by identity. What that cannot see is looked at in Python. The
answers are those of the keys (``keys``), but that equal numbers and texts that are other objects
count as a change: the general way finds that there is none.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..verbs import Derived
from .environment import Environment, itself
from .keys import FEW, SMALL, UnkeyableError, alone, contents, outer
from .tracing import InlinedError

if TYPE_CHECKING:
    from ..compile.entry import Argument, Variable

__all__ = ["NAMED", "STEADY", "Watched"]

NAMED = (
    *(types.FunctionType, Derived, type, types.ModuleType, np.ufunc),
    *(property, staticmethod, classmethod),
)
_VALUES = (int, float, complex, str, bytes, type(None), np.number, np.bool_, np.character)
_INSIDE = (*_VALUES, type, types.ModuleType, np.ufunc)
STEADY = (*_VALUES, *NAMED)
"""Values that cannot change: if a variable still holds the same object, nothing has changed. Of
functions in containers (not among those ``_INSIDE``) more counts than which they are.
"""

_ATOMS = frozenset({int, float, complex, str, bytes, bool, type(None), np.float64, np.int64})
"""Classes of elements of an array of objects that native code compares by identity."""

NESTED = 8
"""How deep a variable's containers and objects are looked into."""

Read = Callable[[], Any]


class Watched:
    """The variables of an environment: ``variables`` for native code, ``checks`` for Python.

    With ``parts=False`` objects are looked at in Python, where an entry has no room for all their
    parts. Raises ``UnkeyableError`` or ``InlinedError`` where a change could not be seen.
    """

    def __init__(self, environment: Environment | None, parts: bool = True) -> None:
        self.variables: list[Variable] = []
        self.checks: list[Callable[[], bool]] = []
        self._parts = parts
        self._states: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._steady: list[tuple[Read, Any]] = []
        for read, value in () if environment is None else environment.readers():
            self._watch(read, value)
        if self._steady:
            self.checks.append(_steady(self._steady))

    def _watch(self, read: Any, value: Any) -> None:
        place = _place(read, value)
        holds = self._held(value, NESTED) if place is not None else None
        if place is not None and holds is not None:
            self._variable(*place, holds)
        elif isinstance(value, STEADY):
            self._steady.append((read, value))
        else:
            self.checks.append(_equal(read, outer(value, FEW)))

    def _variable(self, home: Any, name: str, holds: Argument) -> None:
        from ..compile.entry import Variable

        self.variables.append(Variable(home, name, holds))

    def _held(self, value: Any, depth: int) -> Argument | None:
        """What a variable has to hold, if an entry can see that it does."""
        from ..compile.entry import Argument

        kind = type(value)
        if kind is np.ndarray:
            return Argument.equal(value) if _is_comparable(value) else None
        if kind in (tuple, list, dict) and depth:
            keys = tuple(value) if kind is dict else ()
            parts = [self._held(each, depth - 1) for each in (value.values() if keys else value)]
            found = [part for part in parts if part is not None]
            steady = len(found) == len(parts) and all(isinstance(key, _INSIDE) for key in keys)
            return Argument.group(kind, found, keys) if steady else None
        if isinstance(value, STEADY if depth == NESTED else _INSIDE):
            return Argument.same(value)
        if not self._parts or not depth:
            return None
        return Argument.same(value) if self._holds(value, kind, depth - 1) else None

    def _holds(self, value: Any, kind: type, depth: int) -> bool:
        """Whether what an object consists of can be looked at apart from it. It is, then."""
        if kind is types.MethodType:
            return self._function(value.__func__) and self._object(value.__self__, depth)
        if kind is functools.partial:
            func, args, keywords = value.func, value.args, value.keywords
            held = [self._held(part, depth) for part in (args, keywords)]
            if type(func) is types.MethodType:
                held.append(self._held(func, depth))
            elif not self._function(func):
                return False
            if any(part is None for part in held):
                return False
            for part, holds in zip((args, keywords, func), held, strict=False):
                assert holds is not None
                self._variable(types.CellType(part), "", holds)
            self.checks.append(
                lambda: value.func is func and value.args is args and value.keywords is keywords
            )
            return True
        return self._object(value, depth)

    def _function(self, function: Any) -> bool:
        """Whether a function is but its code, so that it is enough to see that this is the same."""
        if type(function) is not types.FunctionType or _has_variables(function):
            return False
        code = function.__code__
        self.checks.append(lambda: function.__code__ is code and not _has_variables(function))
        return True

    def _object(self, value: Any, depth: int) -> bool:
        """Whether an object is but its attributes. They are watched, then."""
        if isinstance(value, (type, types.ModuleType)) or id(value) in self._states:
            return True
        state = alone(value)
        if state is None or any(type(name) is not str for name in state):
            return False
        from ..compile.entry import Argument

        self._states[id(value)] = value, state
        parts: list[Argument] = []
        for name, part in state.items():
            holds = self._held(part, depth)
            if holds is None:
                self.checks.append(_equal(functools.partial(state.get, name), outer(part, FEW)))
            parts.append(Argument.anything() if holds is None else holds)
        self._variable(types.CellType(state), "", Argument.group(dict, parts, tuple(state)))
        self.checks.append(lambda: object.__getattribute__(value, "__dict__") is state)
        return True


def _place(read: Any, value: Any) -> tuple[Any, str] | None:
    """The cell that is read, or a dict and the name there; None for what an entry cannot read."""
    if read.func is contents:
        return read.args[0], ""
    if read.func is itself:
        return types.CellType(value), ""
    home = getattr(read.func, "__self__", None)
    if type(home) is dict and read.func == home.get:
        name = read.args[0]
        return (home, name) if type(name) is str and name in home else None
    return None


def _is_comparable(array: np.ndarray[Any, Any]) -> bool:
    """Whether native code can compare the elements of an array."""
    flags, kind = array.flags, array.dtype.kind
    if array.nbytes > SMALL or not (flags.c_contiguous or flags.f_contiguous):
        return False
    return kind in "fciubSU" or (kind == "O" and _ATOMS.issuperset(map(type, array.flat)))


def _has_variables(function: types.FunctionType) -> bool:
    return bool(
        function.__closure__
        or function.__defaults__
        or function.__kwdefaults__
        or function.__dict__
    )


def _equal(read: Read, key: Hashable) -> Callable[[], bool]:
    def equal() -> bool:
        try:
            return outer(read(), FEW) == key
        except (InlinedError, UnkeyableError):
            return False

    return equal


def _steady(variables: list[tuple[Read, Any]]) -> Callable[[], bool]:
    def steady() -> bool:
        for read, value in variables:  # noqa: SIM110 (a generator takes twice the time)
            if read() is not value:
                return False
        return True

    return steady
