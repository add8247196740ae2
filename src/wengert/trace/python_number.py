"""Python's own numbers as arguments: the traced number that stands for a ``float``.

It is computed with as an ``np.float64``, of a strong dtype. To the user's code it is a Python
number, and so is what Python's operators make of it and of other Python numbers; what a NumPy
function makes of it is one of NumPy's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import REFUSALS
from ..frames import asked_by_name, user_asks
from ..primitive import UFUNCS
from ..program import Array
from .number import METHODS, Slot, Tracer, change_class, class_of
from .protocols import FUNCTIONS

__all__ = ["PythonNumber", "as_python_number", "is_python_number"]

_KINDS: dict[str, type] = {"f": float, "c": complex, "i": int, "b": bool}


class PythonNumber(Tracer):
    """A traced number that stands for one of Python's, a float or a complex number for example."""

    __slots__ = ()

    python = True

    def _plain_class(self) -> type:
        value = self._value
        return _KINDS[(self._node.type if value is None else value).dtype.kind]

    def _converts(self) -> bool:
        return self._plain_class() is not complex

    def __getattr__(self, name: str) -> Any:
        # NumPy looks for its own methods, and where it meets arrays of objects for those of ufuncs.
        numpys = name.startswith("__array_") or isinstance(METHODS.get(name), np.ufunc)
        if not numpys or asked_by_name(name, 1):
            self._check(name, 2)
        return super().__getattr__(name)

    def _check(self, name: str, depth: int) -> None:
        """Raise for an attribute that Python's numbers do not have, if the user asks for it."""
        if user_asks(depth) and not hasattr(kind := self._plain_class(), name):
            raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}")

    def __array_function__(
        self, func: Any, types: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        result = super().__array_function__(func, types, args, kwargs)
        if type(result) is PythonNumber and func not in _OF_PYTHON:
            return Tracer(result._trace, result._value, result._node)
        return result

    @Slot
    def __getitem__(self, index: Any) -> Any:
        raise TypeError(f"{self._plain_class().__name__!r} object is not subscriptable")

    def __pos__(self) -> Any:
        return self

    def __neg__(self) -> Any:
        return _python(super().__neg__())

    def __abs__(self) -> Any:
        return _python(super().__abs__())

    def __round__(self, digits: int | None = None) -> Any:
        return _python(super().__round__(digits))

    @property
    def real(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride] # not to be set
        """The real part."""
        return _python(super().real)

    @property
    def imag(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The imaginary part."""
        return _python(super().imag)

    def conjugate(self) -> Any:
        """Complex conjugate."""
        return _python(super().conjugate())


_OF_PYTHON = frozenset({np.real, np.imag})
"""Functions of NumPy's that read an attribute of a number, which Python's have too."""

_NUMBERS = frozenset({float, int, complex, bool, PythonNumber})


def _python(result: Any) -> Any:
    """A result that is new, of Python's numbers alone, as one of them."""
    kind = class_of(result)
    if kind is Tracer:
        change_class(result, PythonNumber)
    elif kind is np.bool_:
        return bool(result)
    elif kind is tuple:
        return tuple(map(_python, result))
    return result


def is_python_number(value: Any) -> bool:
    """Whether a value is a number of Python's, or stands for one."""
    kind = type(value)
    return kind in _NUMBERS or (issubclass(kind, Tracer) and kind.python)


def as_python_number(value: Any) -> Any:
    """A new traced number, or a plain one of NumPy's, as one of Python's."""
    if class_of(value) is Tracer:
        change_class(value, PythonNumber)
    return value.item() if isinstance(value, np.generic) else value


# -- operators -------------------------------------------------------------------------------------


def _operator(name: str, ufunc: np.ufunc) -> None:
    """Define a binary operator, and what Python calls for one on the right."""

    def define(method: str, reverse: bool) -> None:
        above: Callable[[Any, Any], Any] = getattr(Tracer, method)

        def apply(self: PythonNumber, other: Array) -> Any:
            kind = type(other)
            if kind not in _NUMBERS and not (issubclass(kind, Tracer) and kind.python):
                return above(self, other)
            trace = self._trace
            operands = (other, self) if reverse else (self, other)
            if issubclass(kind, Tracer) and other._trace is not trace:
                return _python(UFUNCS[ufunc].bind(*operands))
            try:
                result = _python(trace.process(UFUNCS[ufunc], operands, {}))
            except REFUSALS as error:
                trace.refused(error)
                raise
            if ufunc is np.power and kind is float and other % 1:
                FUNCTIONS["note root"](UFUNCS[ufunc], result, operands)
            return result

        setattr(PythonNumber, method, apply)

    define(f"__{name}__", False)
    if name not in ("eq", "ne", "lt", "le", "gt", "ge"):
        define(f"__r{name}__", True)


for _name, _ufunc in (
    ("add", np.add),
    ("sub", np.subtract),
    ("mul", np.multiply),
    ("truediv", np.divide),
    ("pow", np.power),
    ("floordiv", np.floor_divide),
    ("mod", np.remainder),
    ("eq", np.equal),
    ("ne", np.not_equal),
    ("lt", np.less),
    ("le", np.less_equal),
    ("gt", np.greater),
    ("ge", np.greater_equal),
):
    _operator(_name, _ufunc)


# -- attributes that Python's numbers do not have --------------------------------------------------


class _Hidden:
    """An attribute of traced numbers that Python's have not: there for all but the user's code."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, value: PythonNumber | None, owner: Any = None) -> Any:
        if value is None:
            return self
        value._check(self._name, 2)
        return getattr(super(PythonNumber, value), self._name)


_OF_A_TRACE = {"assignable", "promotes", "python", "rooted", "strong"}
"""What wengert asks of a traced number, often, and no code of the user's does."""

for _name in dir(Tracer):
    common = _name.startswith("_") or all(hasattr(kind, _name) for kind in _KINDS.values())
    if not common and _name not in _OF_A_TRACE:
        setattr(PythonNumber, _name, _Hidden(_name))
