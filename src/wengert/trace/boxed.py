"""Traced numbers that lie in a plain array.

``np.array([a, b])`` of traced numbers is an array of Python objects, whose arithmetic NumPy does
one object at a time, by its operators and methods. What NumPy decides by the dtype alone it decides
without asking the objects: the imaginary part of an array of objects is zero, and NaN has no place
in its order. So a number that NumPy puts into an array becomes a ``Boxed`` one, what is computed
from it is boxed too, and it refuses what would come out wrong: complex values, and to order NaN.

Known to be weak: a number that is put into an array by ``a[i] = v`` is not noticed, and
``np.nan_to_num`` of an array of objects gives the array as it is.
"""

from __future__ import annotations

import opcode
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, NoReturn

from ..errors import TracedArrayError, UnsupportedError
from ..frames import asked_by_name
from ..program import Array
from .array import ArrayTracer, written_since
from .base import concrete
from .number import Tracer, change_class, class_of
from .protocols import FUNCTIONS
from .python_number import PythonNumber, hide

__all__ = ["Boxed"]

_MEANS = frozenset({"_mean", "_var", "_std", "_divide_by_count"})
_COMPARE = opcode.opmap["COMPARE_OP"]


class Boxed(Tracer):
    """A traced number that NumPy has put into an array of objects, or computed from such."""

    __slots__ = ()

    @property
    def dtype(self) -> Any:
        """Dtype of the number, which ``np.mean``, ``var`` and ``std`` shall not convert it to."""
        code = sys._getframe(1).f_code
        if code.co_name in _MEANS and "numpy" in code.co_filename:
            raise AttributeError("dtype")
        return super().dtype

    def __getattr__(self, name: str) -> Any:
        if name == "dtype":  # Python asks here for what the property has refused.
            raise AttributeError(name)
        return _boxing(super().__getattr__(name))


class BoxedPython(Boxed):
    """One of Python's numbers that is in an array of objects too: it still says what it is."""

    __slots__ = ()

    _plain_class = PythonNumber._plain_class
    _check = PythonNumber._check

    def __getattr__(self, name: str) -> Any:
        if asked_by_name(name, 1):
            self._check(name)
        return super().__getattr__(name)


class _BoxedArray:
    """Base of the classes of arrays without axes that lie in an array of objects."""

    __slots__ = ()


def box(number: Tracer) -> None:
    """Take note that NumPy puts a number into an array; an error for complex numbers."""
    number._trace.objects = True
    if number.dtype.kind == "c":
        raise complex_in_objects()
    kind = class_of(number)
    if kind is Tracer:
        change_class(number, Boxed)
    elif kind is PythonNumber:
        change_class(number, BoxedPython)
    elif isinstance(number, ArrayTracer):
        change_class(number, _boxed_kind(kind))
    else:
        number._trace.boxed = True


FUNCTIONS["box"] = box


def _boxed(result: Any) -> Any:
    if class_of(result) is Tracer:
        if result.dtype.kind == "c":
            raise complex_in_objects()
        change_class(result, Boxed)
    return result


def complex_in_objects() -> TracedArrayError:
    """The error for a complex number in an array of objects."""
    return TracedArrayError(
        "np.array([...]) of traced numbers makes an array of Python objects, of which .real, "
        ".imag, np.iscomplexobj and others do not see that its numbers are complex",
        remedy="np.stack([a, b]) for np.array([a, b]), or wg.numpy.array of deeper lists",
    )


def _boxing(found: Any) -> Any:
    """A method whose result is boxed; any other attribute as it is."""
    return (lambda *args: _boxed(found(*args))) if callable(found) else found


@cache
def _boxed_kind(kind: type[ArrayTracer]) -> type[ArrayTracer]:
    """The class of arrays without axes of a class that lie in an array of objects."""
    if issubclass(kind, _BoxedArray):
        return kind

    def looked_up(self: Any, name: str) -> Any:
        return _boxing(kind.__getattr__(self, name))

    def refused(*_: Any) -> NoReturn:
        raise written_since()

    # NumPy copies its number into the array; here the array has the handle itself.
    names = {"__slots__": (), "__getattr__": looked_up, "assign": refused, "_refresh": refused}
    found = type(kind)(f"Boxed{kind.__name__}", (_BoxedArray, kind), names)
    _box_operators(found)
    return found


def _ordering(method: Callable[..., Any]) -> Callable[..., Any]:
    def ordered(self: Tracer, other: Array) -> Any:
        found = method(self, other)
        if isinstance(found, Tracer) or not found:
            caller = sys._getframe(1)
            direct = caller.f_code.co_code[caller.f_lasti] == _COMPARE
            if not direct and (_is_nan(self) or _is_nan(other)):
                raise UnsupportedError(
                    "an array of objects with a NaN in it was to be ordered, and NumPy's maximum, "
                    "sort and others take no notice of a NaN among objects",
                    remedy="np.stack([a, b]) for np.array([a, b]) of traced numbers",
                )
        return found

    return ordered


def _is_nan(value: Array) -> bool:
    known = concrete(value)
    return bool(value != value) if known is None else bool(known != known)


def _box_operators(kind: type) -> None:
    """Make what the operators of a class compute boxed."""
    for name in (
        *"add sub mul truediv pow floordiv mod divmod".split(),
        *"radd rsub rmul rtruediv rpow rfloordiv rmod rdivmod neg pos abs".split(),
    ):
        setattr(kind, f"__{name}__", _operator(getattr(kind, f"__{name}__")))
    for name in ("lt", "le", "gt", "ge"):
        setattr(kind, f"__{name}__", _ordering(getattr(kind, f"__{name}__")))


def _operator(method: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *args: _boxed(method(self, *args))


_box_operators(Boxed)
hide(BoxedPython)
