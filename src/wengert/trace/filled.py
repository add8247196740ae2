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
import sys
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from threading import get_ident
from time import monotonic, sleep
from typing import Any

import numpy as np

from ..errors import LeakedTracerError, TracedArrayError, UnsupportedError
from ..forks import in_child, lock
from ..memory import copied
from ..primitive import Traced
from .array import ReadOnlyView, View, as_array
from .base import FILLED, SETTLE, Filled, Trace
from .number import Tracer
from .protocols import FUNCTIONS
from .views import DummyArray, base_of, belongs, takes_part, views_of

__all__ = ["Fillable", "FilledArray", "fill", "filled_before", "handle", "settle", "unfilled"]

_WORD = ctypes.sizeof(ctypes.c_void_p)

_TYPE = object.__basicsize__ - _WORD
"""Where in an object its type is."""

_DTYPE = object.__basicsize__ + 5 * _WORD
"""Where in an array its dtype is."""

_kept: set[np.dtype[Any]] = set()

_filling = lock()
"""Held while classes of arrays are changed: threads may share them."""


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


_AGAIN: dict[str, Any] = {}
exec(
    compile(
        "def get(array, index): return array[index]\n"
        "def put(array, index, value): array[index] = value\n"
        "def call(array, name, args, kwargs): return getattr(array, name)(*args, **kwargs)\n",
        "<frozen filled>",
        "exec",
    ),
    _AGAIN,
)


def _again(action: str, *operands: Any) -> Any:
    """Do to an array that is plain again what was to be done to a filled one.

    The code is none of ours, for which C functions would not be stood in.
    """
    return _AGAIN[action](*operands)


def _array_ufunc(self: Any, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    out = kwargs.get("out", ())
    inputs = unfilled(inputs)
    if out:
        _poison(*out)
        kwargs["out"] = tuple(unfilled(each) for each in out)
    return _restored(handle(self).__array_ufunc__(ufunc, method, *inputs, **kwargs), out)


def _array_function(self: Any, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    out = kwargs.get("out")
    _poison(out, *args[:1])
    given = (*out, *args) if isinstance(out, tuple) else (out, *args)
    args, kwargs = unfilled(args), {key: unfilled(each) for key, each in kwargs.items()}
    result = handle(self).__array_function__(func, types, args, kwargs)
    return _restored(result, given)


def _getitem(self: Any, index: Any) -> Any:
    behind = handle(self)
    if behind is self:
        return _again("get", self, index)
    return behind[unfilled(index)]


def _setitem(self: Any, index: Any, value: Any) -> None:
    if _is_whole(index):
        _reuse(self)
    behind = handle(self, value)
    if behind is self:
        _again("put", self, index, value)
    else:
        _poison(self)
        behind[unfilled(index)] = unfilled(value)


def _delegated(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if name == "fill":
            _reuse(self)
        behind = handle(self)
        if behind is self:
            return _again("call", self, name, args, kwargs)
        if name in _WRITING:
            _poison(self)
        kwargs = {key: unfilled(each) for key, each in kwargs.items()}
        return _restored(getattr(behind, name)(*unfilled(args), **kwargs), (self,))

    method.__name__ = name
    return method


def _attribute(name: str) -> property:
    def get(self: Any) -> Any:
        return _restored(getattr(handle(self), name), (self,))

    def put(self: Any, value: Any) -> None:
        if name in ("real", "imag"):
            getattr(handle(self), name)[...] = value
        else:
            setattr(handle(self), name, value)

    return property(get, put)


def _resize(self: Any, *new_shape: Any, refcheck: bool = True) -> None:
    """Give an array another size, and the one behind it."""
    behind = handle(self)
    if behind is self:
        _again("call", self, "resize", new_shape, {"refcheck": refcheck})
        return
    entry = FILLED[id(self)]
    if any(each.root is behind for each in list(FILLED.values()) if each is not entry):
        raise ValueError(
            "cannot resize an array that references or is referenced\n"
            "by another array in this way.\nUse the np.resize function."
        )
    _poison(self)
    behind.resize(*unfilled(new_shape), refcheck=refcheck)
    if behind.shape != self.shape:
        entry.array = None  # NumPy resizes nothing that has weak references.
        try:
            np.ndarray.resize(self, behind.shape, refcheck=False)
        finally:
            entry.array = _reference(self)
        entry.before = copied(_numbers(self, entry.dtype))


_WRITING = frozenset("fill sort partition put setfield byteswap".split())
"""Methods that write to the array."""

_shape: Any = np.ndarray.shape


def _set_shape(self: Any, shape: Any) -> None:
    behind = handle(self)
    if behind is not self:
        behind.shape = shape
        shape = behind.shape
    _shape.__set__(self, shape)


def _set_strides(self: Any, strides: Any) -> None:
    raise UnsupportedError(
        "the strides of a traced array were changed in place",
        remedy="np.lib.stride_tricks.sliding_window_view, or an index",
    )


_OWN = frozenset("shape strides ndim size nbytes itemsize flags base".split())
"""Facts that the object itself has right."""

_SPECIAL = (
    "array bool float int index complex iter len contains repr str format copy deepcopy reduce_ex "
    "pos eq ne"
).split()

for _name, _member in vars(np.ndarray).items():
    if not _name.startswith("_") and _name not in _OWN:
        _made = _delegated(_name) if callable(_member) else _attribute(_name)
        setattr(FilledArray, _name, _made)
for _name in _SPECIAL:
    setattr(FilledArray, f"__{_name}__", _delegated(f"__{_name}__"))
FilledArray.__array_ufunc__ = _array_ufunc
FilledArray.__array_function__ = _array_function
FilledArray.shape = property(_shape.__get__, _set_shape)
FilledArray.strides = property(np.ndarray.strides.__get__, _set_strides)
FilledArray.resize = _resize
FilledArray.__getitem__ = _getitem
FilledArray.__setitem__ = _setitem


def handle(array: np.ndarray[Any, Any], given: Any = None) -> Any:
    """The traced array that stands behind a filled one; the array itself if it is plain again.

    That it becomes in another thread, or here where the end of its trace was interrupted. A thread
    that has no part in the trace waits for its end; what is ``given`` shows that it has one.
    """
    entry = FILLED.get(id(array))
    if entry is None or not entry.root._trace.open:
        entry = _settled(array)
        if entry is not None and not entry.root._trace.open:
            raise _lost()
    if entry is None and type(array) is FilledArray:
        raise TracedArrayError(
            "an iterator or a method from before an array was given traced values read its memory, "
            "which has no numbers any more",
            remedy="for i in range(a.size): a.flat[i], which asks the array each time",
        )
    if entry is not None and get_ident() not in entry.threads:
        entry = _admitted(array, entry, given)
    return array if entry is None else entry.behind


def _lost() -> LeakedTracerError:
    """The error for an array whose trace, in which no value was known, has ended."""
    return LeakedTracerError(
        "an array that outlived the function was assigned to under vmap or in the body of a loop "
        "or branch, where no value is known: it has no numbers until all of it is written again",
        remedy="return the value from the function (of a loop: a result of its body, or a carry); "
        "np.zeros in the function for an array that it fills; a[:] = 0.0 to use the array again",
    )


def _is_whole(index: Any) -> bool:
    """Whether an index is that of all elements."""
    return index is Ellipsis or (type(index) is slice and index == slice(None))


def _reuse(array: np.ndarray[Any, Any]) -> None:
    """Make an array that has no numbers any more a plain one, as all of it is written."""
    with _filling:
        entry = FILLED.get(id(array))
        if entry is None or entry.root._trace.open or entry.behind is not entry.root:
            return
        settle(entry.root._trace)
        for other in list(FILLED.values()):
            view = other.array()
            if other.root is entry.root and type(view) is FilledArray:
                _set_dtype(view, other.dtype)
                _plain_again(view)


def _settled(array: np.ndarray[Any, Any]) -> Filled | None:
    """What is known of a filled array, when what is due at the end of its trace is done."""
    with _filling:
        entry = FILLED.get(id(array))
        if entry is not None and not entry.root._trace.open:
            settle(entry.root._trace)
        return FILLED.get(id(array))


# -- arrays that threads share ---------------------------------------------------------------------

WAIT = 60.0
"""So many seconds a thread waits for the end of another one's trace."""

_waiting: dict[int, set[int]] = {}
"""For threads that wait for a trace, the threads that take part in that."""


def _admitted(array: np.ndarray[Any, Any], entry: Filled | None, given: Any) -> Filled | None:
    """What is known of a filled array that this thread may use; None if it is a plain one again.

    The thread takes part in the trace if its functions have traced values, as those of a thread
    pool that works for a traced function. Otherwise the array is, to this thread, one of numbers,
    which are there when the trace has ended.
    """
    thread, end, pause = get_ident(), monotonic() + WAIT, 1e-4
    try:
        while entry is not None and thread not in entry.threads:
            trace = entry.root._trace
            if belongs(given, trace) or takes_part(trace):
                entry.threads.add(thread)
                break
            _waiting[thread] = entry.threads
            if monotonic() > end or _waits_for(thread, thread):
                raise TracedArrayError(
                    "an array was used that a function which another thread differentiates has "
                    "given traced values: it has no numbers until that function has returned",
                    remedy="an array for each thread (buffer.copy(), or np.zeros(n) in the "
                    "function)",
                )
            sleep(pause)
            pause = min(2 * pause, 0.01)
            entry = _settled(array)
    finally:
        _waiting.pop(thread, None)
    return entry


def _waits_for(thread: int, other: int) -> bool:
    """Whether a thread waits for another one, or for one that waits for it."""
    seen, pending = set[int](), [thread]
    while pending:
        reached = _waiting.get(pending.pop(), set()) - seen
        if other in reached:
            return True
        seen |= reached
        pending.extend(reached)
    return False


def unfilled(value: Any) -> Any:
    """A value, or a nesting of tuples and lists, with traced arrays in place of filled ones.

    A ``poly1d`` with traced coefficients is the array of these.
    """
    kind = type(value)
    if kind is FilledArray:
        return handle(value)
    if kind is np.poly1d:
        coefficients = unfilled(value.coeffs)
        return coefficients if isinstance(coefficients, Traced) else value
    if kind is tuple or kind is list:
        items = [unfilled(each) for each in value]
        if any(one is not other for one, other in zip(items, value, strict=True)):
            return kind(items)
    return value


def filled_before(behind: Any) -> Any:
    """The filled array that a traced one stands behind; that one itself if there is none."""
    for entry in list(FILLED.values()):
        array = entry.array() if entry.behind is behind else None
        if array is not None:
            return array
    return behind


def _restored(result: Any, given: Iterable[Any]) -> Any:
    """The result; the filled array itself where it is the one behind that which was given."""
    for each in given:
        if type(each) is FilledArray and result is handle(each):
            return each
    return result


# -- filling ---------------------------------------------------------------------------------------


def fill(target: np.ndarray[Any, Any], trace: Trace) -> Any:
    """The traced array behind a plain one, which is a filled one from now on.

    Raises ``ValueError`` where NumPy does not let the array be written to, and ``TracedArrayError``
    for an array that shares memory which is no array of NumPy's of the same dtype.
    """
    while True:
        behind = handle(target, trace) if type(target) is FilledArray else target
        if behind is not target:
            return behind
        if not target.flags.writeable:
            raise ValueError("assignment destination is read-only")
        owner = _owner(target)
        if type(owner) is FilledArray:
            handle(owner, trace)  # Another thread's trace may have to end.
        with _filling:
            if type(target) is FilledArray or (type(owner) is FilledArray and _is_foreign(owner)):
                continue
            if type(owner) is not FilledArray:
                _fill_owner(owner, trace, target)
            if target is not owner and type(target) is not FilledArray:
                _fill_view(target, owner)
            _poison(target)


def _is_foreign(array: np.ndarray[Any, Any]) -> bool:
    """Whether this thread has to wait before it uses a filled array."""
    entry = FILLED.get(id(array))
    return entry is None or get_ident() not in entry.threads


def _owner(array: Any) -> Any:
    """The array whose memory an array looks into, itself if it is no view."""
    owner = array
    while True:
        base = base_of(owner)
        if base is None:
            break
        if type(base) not in (*_ARRAYS, DummyArray):
            raise _other_kind()
        owner = base
    if type(owner) not in _ARRAYS:
        raise UnsupportedError(
            f"a traced value was assigned into an array of class {type(owner).__name__}",
            remedy="a plain array, by np.array(x)",
        )
    _check_view(array, owner)
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


def _fill_owner(owner: np.ndarray[Any, Any], trace: Trace, target: np.ndarray[Any, Any]) -> None:
    known = views_of(owner, target)
    for view in known:
        _check_view(view, owner)
    before = copied(owner)
    behind = as_array(trace.constant(before))
    dtype = owner.dtype
    FILLED[id(owner)] = Filled(_reference(owner), behind, behind, dtype, {get_ident()}, before)
    _become(owner, FilledArray)
    _make_unreadable(owner, dtype)
    if target is owner or len(sys._current_frames()) == 1:
        _poison(owner)
    for view in known:
        if type(view) is not FilledArray:
            _fill_view(view, owner)


def _fill_view(view: np.ndarray[Any, Any], owner: np.ndarray[Any, Any]) -> None:
    filled = FILLED[id(owner)]
    base = filled.behind
    if view.dtype != owner.dtype:
        second = (_address(view) - _address(owner)) % owner.dtype.itemsize
        base = base.imag if second else base.real
    operands = _places(view, owner)
    primitive, params = FUNCTIONS["by places"](owner, view)
    made = primitive.bind(base, *operands, **params)
    dtype = view.dtype
    kind = View
    if not view.flags.writeable:
        kind = ReadOnlyView
    elif operands and len(np.unique(_number(operands, owner))) < view.size:
        kind = _OverlappingView
    behind = kind(made, base, primitive, params, operands)
    FILLED[id(view)] = Filled(_reference(view), behind, filled.root, dtype, filled.threads)
    _become(view, FilledArray)
    _make_unreadable(view, dtype)


class _OverlappingView(View):
    """A view in which an element of the owner is in several places."""

    __slots__ = ()

    def assign(self, new: Tracer, seen: int | None = None) -> bool:
        raise UnsupportedError(
            "a view in which elements are in several places, such as sliding windows, was assigned "
            "to, and its array has been given traced values",
            remedy="an assignment to the elements of the array itself",
        )


def _number(places: tuple[Any, ...], owner: Any) -> Any:
    """The places as numbers of the owner's elements."""
    return np.ravel_multi_index(places, owner.shape)


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


def _poison(*arrays: Any) -> None:
    """Fill with NaN the memory of filled arrays that are written to.

    Other threads may use the rest of it, by views of their own that cannot be found.
    """
    for array in arrays:
        entry = FILLED.get(id(array))
        if entry is not None and not entry.poisoned:
            entry.poisoned = True
            if entry.dtype.kind in "fc":
                _numbers(array, entry.dtype)[...] = np.nan


def _numbers(array: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """A plain array in the memory of a filled one."""
    return np.ndarray.view(np.ndarray.view(array, np.ndarray), dtype)


def _make_unreadable(array: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> None:
    unreadable = np.dtype(f"V{dtype.itemsize}")
    _kept.add(unreadable)
    _set_dtype(array, unreadable)


def _reference(array: np.ndarray[Any, Any]) -> weakref.ref[Any]:
    """A weak reference to an array that is filled. When that is no more, nor is its entry.

    What is called then is C code, in which nothing can be interrupted.
    """
    return weakref.ref(array, partial(FILLED.pop, id(array)))


@in_child
def _left_by_others() -> None:
    """Make arrays plain that threads have filled which are not in this process."""
    _waiting.clear()
    for entry in list(FILLED.values()):
        if get_ident() not in entry.threads:
            entry.root._trace.open = False
            settle(entry.root._trace)


# -- afterwards ------------------------------------------------------------------------------------


def settle(trace: Trace) -> None:
    """Make arrays that a trace has filled what the plain program would have left of them.

    Where this is interrupted, the rest is done when such an array is used, or another trace ends.
    """
    with _filling:
        entries = [(entry.array(), entry) for entry in list(FILLED.values())]
        standing: set[int] = set()
        for array, entry in entries:
            root = entry.root
            if array is not None and type(array) is not FilledArray:
                FILLED.pop(id(array), None)
            elif array is not None and entry.behind is root:
                closed = root._trace is trace or not root._trace.open
                if not closed or not _settle_owner(array, entry):
                    standing.add(id(root))
        for array, entry in entries:
            if type(array) is FilledArray and id(entry.root) not in standing:
                _set_dtype(array, entry.dtype)
                _plain_again(array)


def _settle_owner(array: Any, entry: Filled) -> bool:
    """Whether the array is a plain one again: not where its numbers are another trace's."""
    behind = entry.root
    below = behind._trace.left(behind)
    if below is None:
        return False
    if isinstance(below, Traced):
        below = as_array(below)
        behind._trace, behind._value, behind._node = below._trace, below._value, below._node
        behind._version += 1
        return False
    _set_dtype(array, entry.dtype)
    fixed = not array.flags.writeable
    if fixed:
        array.flags.writeable = True
    before = entry.before.reshape(below.shape)
    _put_numbers(np.ndarray.view(array, np.ndarray), below, before)
    if fixed:
        array.flags.writeable = False
    _plain_again(array)
    return True


def _put_numbers(array: Any, numbers: Any, before: Any) -> None:
    """Write the numbers of a filled array into its memory.

    Where they are those of before, it may be another thread that has written there meanwhile.
    """
    bits = f"V{array.itemsize}"
    mine = numbers.view(bits) != before.view(bits)
    if array.dtype.kind in "fc":
        mine |= np.isnan(array)
    np.copyto(array, numbers, where=mine)


def _plain_again(array: Any) -> None:
    """Make a filled array one of NumPy's, when its memory and its dtype are as they should be."""
    _become(array, np.ndarray)
    FILLED.pop(id(array), None)


_ARRAYS = (np.ndarray, FilledArray, Fillable)

FUNCTIONS["fill"] = fill
FUNCTIONS["handle"] = handle
SETTLE.append(settle)
