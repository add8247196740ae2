"""Attributes that the class has for which a traced value stands, and a trace has no rule for.

``hasattr`` says of a traced value what it says of the plain one. What can be answered without
cutting the derivative is answered; the rest is refused when it is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..errors import TracedArrayError, UnsupportedError, WengertError
from ..program import Array
from .base import ABSENT, concrete, layout, perhaps
from .protocols import FUNCTIONS

if TYPE_CHECKING:
    from .number import Tracer

__all__ = ["Flags", "attribute", "has"]


@cache
def has(kind: type, name: str) -> bool:
    """Whether objects of a class have an attribute, which the class of the class may have too."""
    return any(name in base.__dict__ for base in kind.__mro__)


def attribute(value: Tracer, name: str) -> Any:
    """The attribute of a traced value that the plain value has too; AttributeError for others."""
    kind = value._plain_class()
    if not has(kind, name):
        raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}")
    answer = _ANSWERS.get(name)
    if answer is not None:
        return answer(value)
    if name in _CLASS_METHODS:
        return getattr(kind, name)
    if name in _MEMORY:
        return Withheld(value, name)
    return partial(_refuse, value, name)


# -- what is refused -------------------------------------------------------------------------------

_CUTS = frozenset(
    "as_integer_ratio hex tobytes tofile dump dumps __getnewargs__ __setstate__ __dlpack__".split()
)
"""Methods that make plain numbers, bytes or files of the elements."""

_MEMORY = frozenset({"ctypes", "data", "__array_interface__", "__array_struct__"})
"""Attributes through which others read the elements from memory."""


def _refusal(value: Tracer, name: str) -> WengertError:
    if name in _CUTS or name in _MEMORY:
        return TracedArrayError(
            f".{name} of a traced value was used, which would cut the derivative",
            remedy="a formula in NumPy's functions, or wg.stop_gradient(x) where the derivative is "
            "meant to be zero" + (ABSENT[0] if name == "as_integer_ratio" else ""),
        )
    return UnsupportedError(
        f".{name}() of a traced value was called, and wengert has no rule for it",
        remedy="a formula in NumPy's functions, or wg.stop_gradient(x) where the derivative is "
        "meant to be zero",
    )


def _refuse(value: Tracer, name: str, *_: Any, **__: Any) -> NoReturn:
    raise value._trace.refused(_refusal(value, name))


class Withheld:
    """The memory of a traced value: it is there, and refuses to be read."""

    __slots__ = ("_name", "_value")

    def __init__(self, value: Tracer, name: str) -> None:
        self._value = value
        self._name = name

    def _refused(self, *_: Any, **__: Any) -> NoReturn:
        _refuse(self._value, self._name)

    __getattr__ = __getitem__ = __setitem__ = __len__ = __iter__ = __bytes__ = _refused


# -- what is answered ------------------------------------------------------------------------------


_WRITING = {
    "OWNDATA": "owndata",
    "O": "owndata",
    "WRITEABLE": "writeable",
    "W": "writeable",
    "BEHAVED": "behaved",
    "B": "behaved",
    "CARRAY": "carray",
    "CA": "carray",
}
"""The flags that depend on the handle, not on how the value lies in memory, by their keys."""


class Flags:
    """How a traced array lies in memory, as ``ndarray.flags`` says it; it cannot be changed.

    An array that wengert keeps from being overwritten is writeable through its traced handle.
    """

    __slots__ = ("_flags", "_value")

    def __init__(self, value: Tracer, flags: Any) -> None:
        object.__setattr__(self, "_value", value)
        object.__setattr__(self, "_flags", flags)

    def __getattr__(self, name: str) -> Any:
        if name == "writeable":
            return type(self._value).assignable and self._value.writeable
        if name == "owndata" and type(self._value).derived and self._value.base is not None:
            return False
        if name == "behaved":
            return self._flags.aligned and self.writeable
        if name == "carray":
            return self._flags.c_contiguous and self.behaved
        return getattr(self._flags, name)

    def __getitem__(self, name: str) -> Any:
        if name in _WRITING:
            return getattr(self, _WRITING[name])
        return self._flags[name]

    def __setattr__(self, name: str, setting: Any) -> None:
        _refuse(self._value, "flags." + name)

    def __setitem__(self, name: str, setting: Any) -> None:
        _refuse(self._value, "flags." + name)

    def __repr__(self) -> str:
        said = repr(self._flags)
        return re.sub(r"(WRITEABLE :) \w+", rf"\1 {self.writeable}", said)


def _is_integer(value: Tracer) -> Any:
    if (plain := concrete(value)) is not None:
        return plain.is_integer()
    whole = np.isfinite(value) & (np.floor(value) == value)
    return whole if (known := perhaps(whole)) is None else bool(known)


def _to_device(value: Tracer, device: Any, *_: Any, **__: Any) -> Any:
    if device != "cpu":
        raise ValueError(f"unsupported device {device!r}")
    return value


def _array(value: Tracer) -> Any:
    """What NumPy makes of a traced number: an array of Python objects."""

    def array(dtype: Any = None, copy: bool | None = None) -> Array:
        FUNCTIONS["box"](value)
        found = np.empty((), object)
        found[()] = value
        return found

    return array


_CLASS_METHODS = frozenset({"fromhex", "from_number", "__getformat__", "__class_getitem__"})

_ANSWERS: dict[str, Callable[[Any], Any]] = {
    "__array__": _array,
    "__array_namespace__": lambda value: lambda **_: np,
    "base": lambda value: None,
    "denominator": lambda value: 1,
    "device": lambda value: "cpu",
    "flags": lambda value: Flags(value, layout(value).flags),
    "is_integer": lambda value: partial(_is_integer, value),
    "numerator": lambda value: value,
    "strides": lambda value: layout(value).strides,
    "to_device": lambda value: partial(_to_device, value),
}
