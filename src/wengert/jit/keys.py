"""Keys: what must be the same for two calls to share a compiled path.

Arrays count by dtype, shape, layout and whether they are read-only, Python's numbers by their
class. All else counts by value: arguments, and also the variables outside of the function
(``environment``), so that a change of one is noticed. An object without an equality of its own
counts by the values of its attributes.
"""

from __future__ import annotations

import array
import collections
import contextlib
import contextvars
import datetime
import decimal
import enum
import functools
import io
import logging
import operator
import random
import struct
import sys
import threading
import types
import weakref
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, cast

import numpy as np

from ..errors import WengertError, named
from ..primitive import Traced
from ..verbs import Derived
from .tracing import InlinedError

__all__ = [
    "FEW",
    "FIXED",
    "GENERATORS",
    "Aside",
    "Same",
    "UnkeyableError",
    "alone",
    "attributes",
    "dynamic_key",
    "exact",
    "order",
    "outer",
    "token",
]

SMALL = 1 << 16
"""Arrays of up to this many bytes are compared by their elements, larger ones by identity."""

LARGE = 1 << 24
"""Of arrays of more bytes than this a change of few elements is not noticed."""

_BLOCK = 509
"""A prime: equal sums mean equal arrays, but for changes that cancel at such distances."""

DEPTH = 32
"""How deep a value is looked into."""

PARTS = 8000
"""How many parts of a variable are looked at; numbers, strings and arrays of numbers do not count.
"""

FEW = 2000
"""How many it can have if it is looked at in Python at each call, as arguments are."""

INT64 = range(-(1 << 63), 1 << 63)

GENERATORS = (np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random)
"""Whose state is compared while tracing."""

FIXED = (types.ModuleType, np.ufunc, type, types.CodeType, np.dtype, logging.Logger, io.IOBase)
"""What counts as itself."""


class UnkeyableError(WengertError):
    """A value of which later calls cannot tell whether it has changed."""

    outside = False
    """Whether a variable outside of the function is or has that value."""

    def __init__(self, value: Any, limit: int = 0) -> None:
        array = isinstance(value, np.ndarray) and value.dtype.hasobject
        what = "an array of objects" if array else named(type(value))
        is_neither = "is neither a number, a plain array of numbers, nor hashable by value"
        is_too_large = f"is in a value of more than {limit} parts, or one nested too deeply"
        Exception.__init__(
            self,
            "later calls could not notice a change of one of its arguments, or of a variable that "
            f"it reads, as {what} {is_too_large if limit else is_neither}",
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


class Aside:
    """A value that is kept in a key, for reports, and not compared."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Aside)


def dynamic_key(leaf: Any) -> Hashable:
    """The key of a leaf that becomes an input of the Program; None if it cannot be one."""
    kind = type(leaf)
    if kind is np.ndarray:
        dtype = leaf.dtype
        if dtype.kind not in "fciub":
            return None
        flags = leaf.flags
        if flags.writeable:
            return (dtype, leaf.shape) if flags.c_contiguous else (dtype, leaf.shape, leaf.strides)
        return dtype, leaf.shape, leaf.strides, "read-only"
    if kind is float or kind is bool or kind is complex:
        return kind
    if kind is int:
        return kind if leaf in INT64 else None
    if isinstance(leaf, np.generic) and leaf.dtype.kind in "fciub":
        return kind
    return None


def exact(value: Any) -> Hashable:
    """A hashable value as a key: equal only for values of one class that are the same to the bit.

    Python takes 1, 1.0 and True for equal, and 0.0 and -0.0; parts of tuples too.
    """
    kind = type(value)
    if kind in (float, complex):
        return kind, _bits(value)
    if isinstance(value, np.generic):
        return kind, value.dtype.str, value.tobytes()
    if isinstance(value, tuple):
        return kind, *map(exact, cast("tuple[Any, ...]", value))
    if isinstance(value, frozenset):
        return kind, frozenset(map(exact, cast("frozenset[Any]", value)))
    if isinstance(value, (decimal.Decimal, datetime.datetime, datetime.time)):
        return kind, repr(value)
    if is_dataclass(kind) and kind.__hash__ is not object.__hash__:
        return kind, value, *map(exact, (attributes(value) or {}).values())
    return kind, value


def _bits(value: complex) -> bytes:
    """A number to the bit: the sign of zero, and what a NaN carries."""
    return struct.pack("<dd", value.real, value.imag)


_LEAVES = frozenset({np.ndarray, float, int, bool, complex, str, type(None), np.float64})


def order(tree: Any) -> Hashable:
    """What the structure of nested arguments leaves open, to which dicts with equal keys are equal.

    The order and the classes of the keys of all dicts, and static fields to the bit.
    """
    kind = type(tree)
    if kind in _LEAVES:
        return None
    names: tuple[Any, ...] = ()
    if isinstance(tree, dict):
        if any(type(key) is not str for key in tree):  # Equal keys can be of different classes.
            names = tuple(map(exact, tree))
        elif len(tree) > 1:
            names = tuple(tree)
        parts: Any = tree.values()
    elif isinstance(tree, (tuple, list)):
        parts = tree
    elif is_dataclass(kind):
        parts = (attributes(tree) or {}).values()
        static = [field.name for field in fields(tree) if field.metadata.get("static")]
        names = tuple([exact(getattr(tree, name, None)) for name in static])
    else:
        return None
    inner = [order(part) for part in parts if type(part) not in _LEAVES]
    return (names, *inner) if names or any(inner) else None


def token(value: Any) -> Hashable:
    """A hashable stand-in that is equal for equal values; UnkeyableError where there is none."""
    return _Tokens(True, FEW).of(value, DEPTH)


def outer(value: Any, limit: int = PARTS) -> Hashable:
    """The token of a variable from outside. UnkeyableError if it has more parts than ``limit``.

    A function there counts as itself, as its own variables are looked at too, and so does a
    generator of random numbers, whose state is compared while tracing.
    """
    if isinstance(value, (types.FunctionType, Derived)):
        return Same(value)
    return _Tokens(False, limit).of(value, DEPTH)


def attributes(value: Any) -> dict[str, Any] | None:
    """The attributes of an object, those in slots too; None if it can have none."""
    try:
        state = object.__getattribute__(value, "__dict__")
    except AttributeError:
        state = None
    names = _slots(type(value))
    if not names:
        return state
    slots: dict[str, Any] = {}
    for name in names:
        with contextlib.suppress(AttributeError):
            slots[name] = object.__getattribute__(value, name)
    return slots | (state or {})


@functools.lru_cache(maxsize=1024)
def _slots(kind: type) -> tuple[str, ...]:
    """The names of the slots of a class."""
    return tuple(
        name
        for base in kind.__mro__
        for name, slot in vars(base).items()
        if isinstance(slot, types.MemberDescriptorType)
    )


_CONTAINERS = (tuple, list, collections.deque, set, frozenset, dict, np.ndarray)
_USUAL = frozenset({tuple, list, dict, np.ndarray})
_BY_VALUE = frozenset({int, bool, str, bytes, type(None)})
"""Classes whose values are their own tokens."""


def alone(value: Any) -> dict[str, Any] | None:
    """The attributes by which alone an object counts; None if it counts by more, or by less."""
    kind = type(value)
    others = (*FIXED, *GENERATORS, *_CONTAINERS, *_PARTS, Traced, Iterator)
    if isinstance(value, others) or hasattr(kind, "__jit_token__") or _slots(kind):
        return None
    if kind.__hash__ not in (None, object.__hash__) and not is_dataclass(kind):
        return None
    state = attributes(value)
    return state if type(state) is dict else None


class _Tokens:
    """Looks into one value, down to a depth and up to a number of parts."""

    def __init__(self, inside: bool, limit: int) -> None:
        self.inside = inside
        self.limit = limit
        self.left = limit
        self.seen: dict[int, int] = {}

    def of(self, value: Any, depth: int) -> Hashable:
        """The token of a part."""
        kind = type(value)
        if kind in _BY_VALUE:
            return kind, value
        if kind in (float, complex):
            return kind, _bits(value)
        if isinstance(value, Traced):
            raise InlinedError
        if isinstance(value, np.generic):
            return kind, value.tobytes()
        if isinstance(value, FIXED):
            return Same(value)
        if kind is np.ndarray and value.dtype.kind in "fciubSU":
            return value.dtype, value.shape, value.strides, _elements(value)
        if id(value) in self.seen:
            return "again", self.seen[id(value)]
        self.seen[id(value)] = len(self.seen)
        self.left -= 1
        if depth <= 0 or self.left <= 0:
            raise UnkeyableError(value, self.limit)
        if kind in _USUAL:
            return self._container(value, kind, depth - 1)
        return self._compound(value, kind, depth - 1)

    def _all(self, values: Any, depth: int) -> tuple[Hashable, ...]:
        return tuple(
            [
                (type(value), value) if type(value) in _BY_VALUE else self.of(value, depth)
                for value in values
            ]
        )

    def _items(self, values: Mapping[Any, Any], depth: int) -> tuple[Hashable, ...]:
        return tuple([(self.of(k, depth), self.of(v, depth)) for k, v in values.items()])

    def _compound(self, value: Any, kind: type, depth: int) -> Hashable:
        known = _PARTS.get(kind)
        if known is not None:
            return kind, self._all(known(value), depth)
        # A C function of ctypes has a hash that raises.
        pointer = type(kind).__name__ == "PyCFuncPtrType"
        if pointer or isinstance(value, GENERATORS):
            if self.inside and not pointer:
                raise UnkeyableError(value)
            return Same(value)
        if isinstance(value, (Iterator, threading.local)):
            raise UnkeyableError(value)
        if isinstance(value, _CONTAINERS):
            return self._container(value, kind, depth)
        if hasattr(kind, "__jit_token__"):
            return value.__jit_token__()
        hashes = kind.__hash__
        state = attributes(value)
        if hashes not in (None, object.__hash__) and not is_dataclass(kind):
            _check_hash(value)
            if not state or isinstance(value, enum.Enum):
                return kind, value
            return kind, value, self._items(state, depth)
        if state is None:
            if hashes is None or not _standard(kind):
                raise UnkeyableError(value)
            return Same(value)
        return Same(value), self._items(state, depth)

    def _array(self, value: np.ndarray[Any, Any], depth: int) -> Hashable:
        """An array of anything: of objects each counts as it does alone."""
        dtype = value.dtype
        if self.inside or (dtype.hasobject and dtype.kind != "O"):
            raise UnkeyableError(value)
        plain = value.view(np.ndarray)
        if dtype.kind == "O":
            return dtype, plain.shape, plain.strides, self._all(plain.reshape(-1).tolist(), depth)
        return dtype, plain.shape, plain.strides, _elements(plain, value)

    def _container(self, value: Any, kind: type, depth: int) -> Hashable:
        if isinstance(value, np.ndarray):
            found: Hashable = self._array(value, depth)
            if kind is np.ndarray:
                return found
        elif isinstance(value, dict):
            found = self._items(value, depth)
        elif isinstance(value, (set, frozenset)):
            found = frozenset(self._all(value, depth))
        else:
            found = self._all(value, depth)
            if kind is list or kind is tuple:
                return kind, found
        state = attributes(value)
        return (kind, found, self._items(state, depth)) if state else (kind, found)


def _check_hash(value: Any) -> None:
    try:
        hash(value)
    except Exception as error:
        raise UnkeyableError(value) from error


def _function(value: types.FunctionType) -> tuple[Any, ...]:
    cells = tuple([contents(cell) for cell in value.__closure__ or ()])
    return value.__code__, cells, value.__defaults__, value.__kwdefaults__, value.__dict__ or None


def _builtin(value: Any) -> tuple[Any, ...]:
    """Of a builtin function its name, and what it is a method of."""
    home = value.__self__
    return (value.__name__, home) if not isinstance(home, types.ModuleType) else (value.__name__,)


_PARTS: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    types.FunctionType: _function,
    types.BuiltinFunctionType: _builtin,
    types.MethodType: lambda method: (method.__func__, method.__self__),
    Derived: lambda derived: (derived.func,),
    functools.partial: lambda partial: (partial.func, partial.args, partial.keywords),
    types.MappingProxyType: lambda mapping: (dict(mapping),),
    bytearray: lambda value: (bytes(value),),
    array.array: lambda value: (value.typecode, value.tobytes()),
    memoryview: lambda view: (view.format, view.shape, view.strides, view.tobytes()),
    weakref.ref: lambda reference: (reference(),),
    type({}.keys()): tuple,
    type({}.values()): tuple,
    type({}.items()): tuple,
    operator.methodcaller: lambda caller: caller.__reduce__()[1:],
    contextvars.ContextVar: lambda variable: (variable.name, variable.get(None)),
}
"""What counts of values of these classes."""


def _standard(kind: type) -> bool:
    """Whether a class is of Python's own library: what has no attributes there has no state."""
    return kind.__module__.partition(".")[0] in sys.stdlib_module_names


def _elements(values: np.ndarray[Any, Any], owner: Any = None) -> Hashable:
    """The elements of an array; of a large one its identity and a sum of its bits.

    Of a very large one the sum is over some hundred elements only.
    """
    if values.nbytes <= SMALL:
        return values.tobytes()
    same = Same(values if owner is None else owner)
    if values.nbytes > LARGE:
        step = tuple(slice(None, None, max(1, n // 16)) for n in values.shape)
        if values.ndim == 1:
            step = (slice(None, None, max(1, values.size // 256)),)
        return same, values[step].tobytes()
    row = (values.T if values.flags.f_contiguous else values).reshape(-1)
    flat = np.ascontiguousarray(row).view(np.uint8)  # One that lies backwards stays a view.
    many = flat.size // (8 * _BLOCK) * _BLOCK
    words = flat[: 8 * many].view(np.uint64).reshape(-1, _BLOCK)
    return same, np.bitwise_xor.reduce(words, axis=0).tobytes(), flat[8 * many :].tobytes()


def contents(cell: Any) -> Any:
    """What a cell of a closure holds; None if that is nothing yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return None
