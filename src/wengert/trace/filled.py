"""Plain arrays that have been given a traced value.

``S = np.zeros(3)`` is NumPy's own array, and stays one until ``S[0] = t`` with a traced ``t``.
From then on the same object, under all its names, is a ``FilledArray``: still an ``ndarray``,
whose every use is answered by the traced array that stands behind it. To C code that reads its
memory without asking its dtype is one without numbers, so that this is an error, and the memory is
filled with NaN. Views that
were made before are looked for (``views``) and follow.

When the trace has ended, an array that still exists is an ``ndarray`` again, with the numbers that
the plain program would have left in it.

The class of an array is changed in the head of the object, as no assignment to ``__class__`` can do
it for a class of C's. Both classes have the same layout in memory; the tests hold that.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..errors import TracedArrayError, UnsupportedError
from ..memory import copied
from ..primitive import Traced
from .array import ArrayTracer, View, as_array
from .base import FILLED, SETTLE, Trace
from .protocols import FUNCTIONS
from .views import views_of

__all__ = ["Fillable", "FilledArray", "fill", "handle", "settle", "unfilled"]

_TYPE = object.__basicsize__ - 8
"""Where in an object its type is."""

_DTYPE = object.__basicsize__ + 40
"""Where in an array its dtype is."""

_kept: set[np.dtype[Any]] = set()


class _Spec(ctypes.Structure):
    """``PyType_Spec`` and, behind it, no slots."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.c_void_p),
    )


_BASETYPE_AND_DEFAULT = 1 << 10 | 1 << 18


def _subclass() -> Any:
    """A subclass of ``ndarray`` whose instances lie in memory as arrays do.

    What a ``class`` statement makes lies behind a head for the garbage collector.
    """
    make = ctypes.pythonapi.PyType_FromSpecWithBases
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.py_object]
    none = (ctypes.c_void_p * 2)()
    spec = _Spec(b"numpy.ndarray", 0, 0, _BASETYPE_AND_DEFAULT, ctypes.addressof(none))
    return make(ctypes.byref(spec), (np.ndarray,))


FilledArray: Any = _subclass()


Fillable: Any = _subclass()
"""A plain array whose assignments are looked at, where those of all arrays are not."""


def _array_ufunc(self: Any, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    out = kwargs.get("out", ())
    inputs = unfilled(inputs)
    if out:
        kwargs["out"] = tuple(unfilled(each) for each in out)
    return _restored(handle(self).__array_ufunc__(ufunc, method, *inputs, **kwargs), out)


def _array_function(self: Any, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    out = kwargs.get("out")
    args, kwargs = unfilled(args), {key: unfilled(each) for key, each in kwargs.items()}
    result = handle(self).__array_function__(func, types, args, kwargs)
    return _restored(result, out if isinstance(out, tuple) else (out,))


def _getitem(self: Any, index: Any) -> Any:
    return handle(self)[unfilled(index)]


def _setitem(self: Any, index: Any, value: Any) -> None:
    handle(self)[unfilled(index)] = unfilled(value)


def _delegated(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs = {key: unfilled(each) for key, each in kwargs.items()}
        return getattr(handle(self), name)(*unfilled(args), **kwargs)

    method.__name__ = name
    return method


def _attribute(name: str) -> property:
    def get(self: Any) -> Any:
        return getattr(handle(self), name)

    def put(self: Any, value: Any) -> None:
        if name in ("real", "imag"):
            getattr(handle(self), name)[...] = value
        else:
            setattr(handle(self), name, value)

    return property(get, put)


_OWN = frozenset("shape strides ndim size nbytes itemsize flags base".split())
"""Facts that the object itself has right."""

_SPECIAL = (
    "array bool float int index complex iter len contains repr str format copy deepcopy reduce_ex "
    "pos"
).split()

for _name, _member in vars(np.ndarray).items():
    if not _name.startswith("_") and _name not in _OWN:
        _made = _delegated(_name) if callable(_member) else _attribute(_name)
        setattr(FilledArray, _name, _made)
for _name in _SPECIAL:
    setattr(FilledArray, f"__{_name}__", _delegated(f"__{_name}__"))
FilledArray.__array_ufunc__ = _array_ufunc
FilledArray.__array_function__ = _array_function
FilledArray.__getitem__ = _getitem
FilledArray.__setitem__ = _setitem


def handle(array: np.ndarray[Any, Any]) -> ArrayTracer:
    """The traced array that stands behind a filled one."""
    return FILLED[id(array)][1]


def unfilled(value: Any) -> Any:
    """A value, or a nesting of tuples and lists, with traced arrays in place of filled ones."""
    kind = type(value)
    if kind is FilledArray:
        return handle(value)
    if kind is tuple or kind is list:
        items = [unfilled(each) for each in value]
        if any(one is not other for one, other in zip(items, value, strict=True)):
            return kind(items)
    return value


def _restored(result: Any, out: Iterable[Any]) -> Any:
    """The result; the filled array itself where the one behind it was the target."""
    for target in out:
        if type(target) is FilledArray and result is handle(target):
            return target
    return result


# -- filling ---------------------------------------------------------------------------------------


def fill(target: np.ndarray[Any, Any], trace: Trace) -> ArrayTracer:
    """The traced array behind a plain one, which is a filled one from now on.

    Raises ``ValueError`` where NumPy does not let the array be written to, and ``TracedArrayError``
    for an array that shares memory which is no array of NumPy's of the same dtype.
    """
    if type(target) is FilledArray:
        return handle(target)
    if not target.flags.writeable:
        raise ValueError("assignment destination is read-only")
    owner = _owner(target)
    if type(owner) is not FilledArray:
        _fill_owner(owner, trace, target is owner)
    if target is not owner and type(target) is not FilledArray:
        _fill_view(target, owner)
    return handle(target)


def _owner(array: Any) -> Any:
    """The array whose memory an array looks into, itself if it is no view."""
    owner = array
    while owner.base is not None:
        owner = owner.base
        if type(owner) not in _ARRAYS:
            raise _other_kind()
    _check_view(array, owner)
    if type(owner) not in _ARRAYS:
        raise UnsupportedError(
            f"a traced value was assigned into an array of class {type(owner).__name__}",
            remedy="a plain array, by np.array(x)",
        )
    return owner


def _other_kind() -> TracedArrayError:
    return TracedArrayError(
        "a traced value was assigned into an array that looks into memory of another kind, or into "
        "which an array of another kind looks (a buffer, a file, an array of another dtype or "
        "class)",
        remedy="y = x.copy() in front of it, and y to assign into",
    )


def _check_view(view: np.ndarray[Any, Any], owner: np.ndarray[Any, Any]) -> None:
    """Raise for a view that is neither one of elements nor of all their real or imaginary parts."""
    if type(view) in _ARRAYS and view.dtype == owner.dtype:
        return
    size, parts = owner.dtype.itemsize, owner.dtype.type(0).real.dtype
    whole = all(n < 2 or step % size == 0 for n, step in zip(view.shape, view.strides, strict=True))
    if type(view) not in _ARRAYS or owner.dtype.kind != "c" or view.dtype != parts or not whole:
        raise _other_kind()


def _fill_owner(owner: np.ndarray[Any, Any], trace: Trace, is_target: bool) -> None:
    known = views_of(owner, is_target)
    for view in known:
        _check_view(view, owner)
    behind = as_array(trace.constant(copied(owner)))
    if owner.dtype.kind in "fc":
        owner[...] = np.nan
    _become(owner, FilledArray)
    _enter(owner, behind)
    for view in known:
        if type(view) is not FilledArray:
            _fill_view(view, owner)


def _fill_view(view: np.ndarray[Any, Any], owner: np.ndarray[Any, Any]) -> None:
    base = handle(owner)
    if view.dtype != owner.dtype:
        second = (_address(view) - _address(owner)) % owner.dtype.itemsize
        base = base.imag if second else base.real
    operands = _places(view, owner)
    primitive, params = FUNCTIONS["by places"](owner, view)
    made = primitive.bind(base, *operands, **params)
    _become(view, FilledArray)
    _enter(view, View(made, base, primitive, params, operands))


def _places(view: Any, owner: Any) -> tuple[Any, ...]:
    """For each axis of an owner the indices of a view's elements along it."""
    if not owner.ndim:
        return ()
    size = owner.dtype.itemsize
    offsets = np.full(view.shape, _address(view) - _address(owner), np.intp)
    for axis, step in enumerate(view.strides):
        shape = [1] * view.ndim
        shape[axis] = -1
        offsets += (np.arange(view.shape[axis]) * step).reshape(shape)
    offsets //= size
    numbers = np.empty(owner.size, np.intp)
    places = np.zeros(owner.shape, np.intp)
    for axis, step in enumerate(owner.strides):
        shape = [1] * owner.ndim
        shape[axis] = -1
        places += (np.arange(owner.shape[axis]) * (step // size)).reshape(shape)
    numbers[places.ravel()] = np.arange(owner.size)
    return tuple(np.unravel_index(numbers[offsets], owner.shape))


def _address(array: Any) -> int:
    """Where an array's first element is."""
    return array.__array_interface__["data"][0]


def _become(array: Any, kind: type) -> None:
    """Change the class of an array. An instance counts as a reference to a class that is no C's."""
    before = type(array)
    if kind is not np.ndarray:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(kind))
    _write(id(array) + _TYPE, id(kind))
    if before is not np.ndarray:
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(before))


def _set_dtype(array: Any, dtype: np.dtype[Any]) -> None:
    """Give an array another dtype of as many bytes, which C code cannot read numbers of."""
    old = np.ndarray.dtype.__get__(array)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(dtype))
    _write(id(array) + _DTYPE, id(dtype))
    ctypes.pythonapi.Py_DecRef(ctypes.py_object(old))


def _write(address: int, value: int) -> None:
    ctypes.c_void_p.from_address(address).value = value


def _enter(array: np.ndarray[Any, Any], behind: ArrayTracer) -> None:
    key = id(array)
    unreadable = np.dtype(f"V{behind.dtype.itemsize}")
    _kept.add(unreadable)
    _set_dtype(array, unreadable)
    FILLED[key] = weakref.ref(array, lambda _: FILLED.pop(key, None)), behind


# -- afterwards ------------------------------------------------------------------------------------


def settle(trace: Trace) -> None:
    """Make arrays that a trace has filled what the plain program would have left of them."""
    views: list[Any] = []
    settled: set[int] = set()
    for reference, behind in list(FILLED.values()):
        array = reference()
        if array is None:
            continue
        if isinstance(behind, View):
            views.append((array, behind))
        elif behind._trace is trace and _settle_owner(array, behind):
            settled.add(id(behind))
    for array, behind in views:
        if id(behind.root()) in settled:
            _plain_again(array, behind.dtype)


def _settle_owner(array: Any, behind: ArrayTracer) -> bool:
    """Whether the array is a plain one again: not where its numbers are another trace's."""
    below = behind._trace.left(behind)
    if below is None:
        return False
    if isinstance(below, Traced):
        below = as_array(below)
        behind._trace, behind._value, behind._node = below._trace, below._value, below._node
        behind._version += 1
        return False
    _plain_again(array, behind.dtype)
    array[...] = below
    return True


def _plain_again(array: Any, dtype: np.dtype[Any]) -> None:
    FILLED.pop(id(array), None)
    _become(array, np.ndarray)
    if array.dtype != dtype:
        _set_dtype(array, dtype)


_ARRAYS = (np.ndarray, FilledArray, Fillable)

FUNCTIONS["fill"] = fill
SETTLE.append(settle)
