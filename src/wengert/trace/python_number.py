"""Python's own numbers as arguments: the traced number that stands for a ``float``.

It is computed with as an ``np.float64``, but beside arrays and numbers of NumPy's it has the dtype
that a Python number takes there. To the user's code it is a Python
number, and so is what Python's operators make of it and of other Python numbers; what a NumPy
function makes of it is one of NumPy's.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import REFUSALS
from ..frames import asked_by_name, user_asks
from ..primitive import REGISTRY, UFUNCS, Traced
from ..program import Array
from .attributes import has
from .number import METHODS, Slot, Tracer, answers, change_class, class_of, set_class
from .protocols import FUNCTIONS

__all__ = ["PythonNumber", "as_python_number", "hide", "is_python_number", "python_number"]

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

    def _beside(self, operands: Sequence[Array]) -> Sequence[Array]:
        # They are weak: beside an array of float32 a float is a float32.
        if all(map(_doubles, operands)):
            return operands
        dtypes = [_dtype(each) for each in operands if not is_python_number(each)]
        if not dtypes or any(dtype.kind not in "iufcb" for dtype in dtypes):
            return operands
        return [self._fitted(each, dtypes) for each in operands]

    def _fitted(self, operand: Array, dtypes: Sequence[np.dtype[Any]]) -> Array:
        if class_of(operand) is not PythonNumber:
            return operand
        kind, dtype = operand._plain_class(), operand.dtype
        promoted = np.result_type(*dtypes, kind())
        if promoted.kind == "c" and kind is float:
            promoted = np.finfo(promoted).dtype
        if promoted == dtype or promoted.kind != dtype.kind:
            return operand
        return FUNCTIONS[np.astype](operand, promoted)

    def __getattr__(self, name: str) -> Any:
        # NumPy looks for its own methods, and where it meets arrays of objects for those of ufuncs.
        numpys = name.startswith("__array_") or isinstance(METHODS.get(name), np.ufunc)
        if (not numpys and user_asks(1)) or asked_by_name(name, 1):
            self._check(name)
        return super().__getattr__(name)

    def _check(self, name: str) -> None:
        """Raise for an attribute that Python's numbers do not have."""
        if not has(kind := self._plain_class(), name):
            raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}")

    def __array_function__(
        self, func: Any, types: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        result = super().__array_function__(func, types, args, kwargs)
        if func in _OF_PYTHON:
            return _python(result)
        if type(result) is PythonNumber:
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
        if digits is None or self.dtype.kind != "f":
            return _python(super().__round__(digits))
        rounded = REGISTRY["decimal_round"].bind(self, digits=operator.index(digits))
        return python_number(rounded)

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

_PLAIN = frozenset({float, int, complex, bool})


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


def _doubles(operand: Any) -> bool:
    """Whether an operand is a number beside which a float is a float64, in the common cases."""
    while type(operand) is Tracer:
        operand = operand._value
    kind = type(operand)
    return kind is np.float64 or kind is PythonNumber or kind in _PLAIN


def _dtype(operand: Any) -> np.dtype[Any]:
    """The dtype of an operand that is none of Python's numbers, of a list as an array."""
    return operand.dtype if hasattr(operand, "dtype") else np.asarray(operand).dtype


def is_python_number(value: Any) -> bool:
    """Whether a value is a number of Python's, or stands for one."""
    kind = type(value)
    return kind in _PLAIN or getattr(kind, "python", False) is True


def as_python_number(value: Any) -> Any:
    """A new traced number, or a plain one of NumPy's, as one of Python's."""
    if type(value) is Tracer:
        set_class(value, PythonNumber)
        return value
    if not isinstance(value, Traced):
        return value.item() if isinstance(value, np.generic) else value
    if class_of(value) is Tracer:
        change_class(value, PythonNumber)
    return value


def python_number(value: Any) -> Any:
    """A traced number, or a plain one of NumPy's, as a new one of Python's."""
    if not isinstance(value, Traced):
        return value.item()
    own = value._trace.python_number(value)
    if own is not None:
        return own
    made = PythonNumber(value._trace, value._value, value._node)
    if type(value).rooted:
        FUNCTIONS["still a root"](made, value)
    return made


FUNCTIONS["python number"] = python_number

# -- operators -------------------------------------------------------------------------------------

_COMPARISONS = frozenset(
    {np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal}
)


def _with_other(
    number: PythonNumber,
    other: Array,
    method: str,
    above: Callable[[Any, Any], Any],
    ufunc: np.ufunc | None,
) -> Any:
    """An operator with what is none of Python's numbers; ``ufunc`` where that is on the right."""
    if ufunc is not None and answers(ufunc, number, other):
        return NotImplemented
    weak = number._beside((number, other))[0]
    return above(weak, other) if weak is number else getattr(weak, method)(other)


def _operator(name: str, ufunc: np.ufunc) -> None:
    """Define a binary operator, and what Python calls for one on the right."""

    def define(method: str, reverse: bool) -> None:
        above: Callable[[Any, Any], Any] = getattr(Tracer, method)
        root, compares = ufunc is np.power, ufunc in _COMPARISONS

        def apply(self: PythonNumber, other: Array) -> Any:
            kind, trace = type(other), self._trace
            if kind is Tracer:  # Beside a float64 a float stays what it is.
                near = other._trace is trace and type(other._value) is np.float64
                near = near and type(self._value) is np.float64
            else:
                near = kind in _PLAIN or (kind is PythonNumber and other._trace is trace)
            if not near:
                return elsewhere(self, other)
            operands = (other, self) if reverse else (self, other)
            try:
                result = trace.process(UFUNCS[ufunc], operands, {})
            except REFUSALS as error:
                trace.refused(error)
                raise
            if kind is Tracer:
                return result
            if type(result) is not Tracer:
                return _python(result)
            if compares and result._trace.bools:
                return bool(result)
            set_class(result, PythonNumber)
            if root and kind is float and other % 1:
                FUNCTIONS["note root"](UFUNCS[ufunc], result, operands)
            return result

        def elsewhere(self: PythonNumber, other: Array) -> Any:
            """With another number of another trace, or with what is none of Python's."""
            if not is_python_number(other):
                return _with_other(self, other, method, above, None if reverse else ufunc)
            result = UFUNCS[ufunc].bind(*((other, self) if reverse else (self, other)))
            if compares and isinstance(result, Traced) and result._trace.bools:
                return bool(result)
            return _python(result)

        setattr(PythonNumber, method, apply)

    define(f"__{name}__", False)
    if ufunc not in _COMPARISONS:
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

    __slots__ = ("_get", "_name")

    def __init__(self, name: str, attribute: Any) -> None:
        self._name = name
        self._get: Any = attribute.fget if isinstance(attribute, property) else attribute.__get__

    def __get__(self, value: Any, owner: Any = None) -> Any:
        if value is None:
            return self
        if user_asks(1):
            value._check(self._name)
        return self._get(value)


_OF_A_TRACE = {"assignable", "derived", "promotes", "python", "rooted", "strong"}
"""What wengert asks of a traced number, often, and no code of the user's does."""


def hide(kind: type[Tracer]) -> None:
    """Hide from the user's code what a class has and Python's numbers have not."""
    for name in dir(Tracer):
        common = name.startswith("_") or all(hasattr(each, name) for each in _KINDS.values())
        if not common and name not in _OF_A_TRACE:
            setattr(kind, name, _Hidden(name, inspect.getattr_static(kind, name)))


hide(PythonNumber)
