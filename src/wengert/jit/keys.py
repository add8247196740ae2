"""Keys: what must be the same for two calls to share a compiled path.

Arrays count by dtype, shape and layout, Python's numbers by their class. All else counts by value:
arguments, and also the variables that the function finds outside of itself (its closure and its
globals, as far as plain code can see), so that a change of one is noticed. An object without an
equality of its own counts by the values of its attributes.
"""

from __future__ import annotations

import builtins
import dataclasses
import functools
import random
import types
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import numpy as np

from ..errors import WengertError, is_ours
from ..primitive import Traced
from .tracing import InlinedError

__all__ = ["Environment", "Same", "UnkeyableError", "dynamic_key", "token"]

SMALL = 1 << 16
"""Arrays of up to this many bytes are compared by their elements, larger ones by identity."""

DEPTH = 6
"""How deep a value is looked into."""

PARTS = 1000
"""How many parts of a value are looked at."""

INT64 = range(-(1 << 63), 1 << 63)

_GENERATORS = (np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random)
_UNKEYABLE = (*_GENERATORS, Iterator, np.ndarray)
_FIXED = (types.ModuleType, types.BuiltinFunctionType, np.ufunc, type, types.CodeType, np.dtype)


class UnkeyableError(WengertError):
    """A value of which later calls cannot tell whether it has changed."""

    def __init__(self, value: Any) -> None:
        Exception.__init__(
            self, f"{type(value).__name__} is neither a number, an array, nor hashable by value"
        )
        self.line = None


class Same:
    """Stands for an object itself in a key, and keeps it alive."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.value is self.value


def dynamic_key(leaf: Any) -> Hashable:
    """The key of a leaf that becomes an input of the Program; None if it cannot be one."""
    kind = type(leaf)
    if kind is np.ndarray:
        dtype = leaf.dtype
        if dtype.kind not in "fciub":
            return None
        return (dtype, leaf.shape) if leaf.flags.c_contiguous else (dtype, leaf.shape, leaf.strides)
    if kind is float or kind is bool or kind is complex:
        return kind
    if kind is int:
        return kind if leaf in INT64 else None
    if isinstance(leaf, np.generic) and leaf.dtype.kind in "fciub":
        return kind
    return None


def token(value: Any) -> Hashable:
    """A hashable stand-in that is equal for equal values; UnkeyableError where there is none."""
    return _Tokens().of(value, DEPTH)


class _Tokens:
    """Looks into one value, down to a depth and up to a number of parts."""

    def __init__(self) -> None:
        self.left = PARTS

    def of(self, value: Any, depth: int) -> Hashable:
        """The token of a part."""
        kind = type(value)
        if value is None or kind in (int, bool, str, bytes):
            return kind, value
        if kind in (float, complex):
            return kind, repr(value)
        if isinstance(value, Traced):
            raise InlinedError
        if isinstance(value, np.generic):
            return kind, value.tobytes()
        if isinstance(value, _FIXED):
            return Same(value)
        if kind is np.ndarray and value.dtype.kind != "O":
            return value.dtype, value.shape, value.strides, _elements(value)
        self.left -= 1
        if depth <= 0 or self.left <= 0 or isinstance(value, _UNKEYABLE):
            raise UnkeyableError(value)
        return self._compound(value, kind, depth - 1)

    def _compound(  # noqa: PLR0911
        self, value: Any, kind: type, depth: int
    ) -> Hashable:
        if isinstance(value, types.FunctionType):
            cells = [_contents(cell) for cell in value.__closure__ or ()]
            found = [Same(c) if c is value else self.of(c, depth) for c in cells]
            return Same(value.__code__), tuple(found)
        if isinstance(value, (tuple, list)):
            return kind, tuple([self.of(item, depth) for item in value])
        if isinstance(value, dict):
            items = [(self.of(k, depth), self.of(v, depth)) for k, v in value.items()]
            return kind, tuple(items)
        if isinstance(value, functools.partial):
            parts = (value.func, value.args, value.keywords)
            return kind, tuple([self.of(part, depth) for part in parts])
        if isinstance(value, types.MethodType):
            return Same(value.__func__), self.of(value.__self__, depth)
        if hasattr(kind, "__jit_token__"):
            return value.__jit_token__()
        hashes = kind.__hash__
        state = getattr(value, "__dict__", None)
        if hashes is None and state is None:
            raise UnkeyableError(value)
        if hashes not in (None, object.__hash__) and not dataclasses.is_dataclass(kind):
            return kind, value
        if state is None:
            return Same(value)
        return Same(value), tuple([(name, self.of(v, depth)) for name, v in state.items()])


def _elements(array: np.ndarray[Any, Any]) -> Hashable:
    """The elements of an array; of a large one its identity and some hundred elements."""
    if array.nbytes <= SMALL:
        return array.tobytes()
    step = tuple(slice(None, None, max(1, n // 16)) for n in array.shape)
    if array.ndim == 1:
        step = (slice(None, None, max(1, array.size // 256)),)
    return Same(array), array[step].tobytes()


# -- what a function reads from outside of itself --------------------------------------------------


class Environment:
    """The variables outside of a function that its code names: closure cells and globals.

    Functions of the same modules that it calls by name are looked into as well. What is reached in
    other ways (attributes of modules, objects of C) is taken to be constant.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.cells: list[Any] = []
        self.objects: list[Any] = []
        self.globals: list[tuple[dict[str, Any], str]] = []
        self._seen: set[int] = set()
        self._visit(function, DEPTH)

    def _visit(self, function: Any, depth: int) -> None:
        if id(function) in self._seen or depth == 0:
            return
        self._seen.add(id(function))
        if not isinstance(function, types.FunctionType):
            self._visit_object(function, depth)
            return
        ours = is_ours(function.__code__.co_filename)
        for cell in function.__closure__ or ():
            if not ours:
                self.cells.append(cell)
            self._visit(_contents(cell), depth - 1)
        if ours:
            return
        for name in sorted(_names(function.__code__)):
            space = function.__globals__
            if name not in space:
                continue
            value = space[name]
            if isinstance(value, _FIXED) or hasattr(builtins, name):
                continue
            self.globals.append((space, name))
            self._visit(value, depth - 1)

    def _visit_object(self, value: Any, depth: int) -> None:
        """What an object that is called brings along, and the functions that it stands for."""
        if isinstance(value, _FIXED) or not callable(value):
            return
        kind: Any = type(value)
        inner = getattr(value, "__wrapped__", None) or getattr(value, "func", None)
        inner = inner or getattr(value, "__func__", None) or kind.__call__
        if not hasattr(type(value), "__jit_token__"):
            self.objects.append(value)
        self._visit(inner, depth - 1)

    def readers(self) -> list[tuple[Callable[[], Any], Any]]:
        """For each variable, how it is read, and what it holds now."""
        cells = [functools.partial(_contents, cell) for cell in self.cells]
        names = [functools.partial(space.get, name) for space, name in self.globals]
        objects = [functools.partial(_itself, value) for value in self.objects]
        return [(read, read()) for read in (*cells, *names, *objects)]

    def generators(self) -> list[Any]:
        """The generators of random numbers among these variables."""
        return [value for _, value in self.readers() if isinstance(value, _GENERATORS)]

    def key(self) -> Hashable:
        """The values of all these variables, as a key."""
        return (
            tuple([outer(_contents(cell)) for cell in self.cells]),
            tuple([outer(space.get(name)) for space, name in self.globals]),
            tuple([outer(value) for value in self.objects]),
        )


def outer(value: Any) -> Hashable:
    """The token of a variable from outside; the object itself where it has none."""
    if isinstance(value, types.FunctionType):
        return Same(value.__code__)
    try:
        return token(value)
    except UnkeyableError:
        return Same(value)


def _itself(value: Any) -> Any:
    return value


def _contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _names(code: types.CodeType) -> set[str]:
    """The names that code, and functions defined inside of it, look up."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names(constant)
    return found
