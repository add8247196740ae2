"""Where views of an array may be, so that they follow when it becomes a traced one.

An array does not know its views, but they keep it alive: where nothing refers to it besides the
variable of the function that writes to it, it has none. Otherwise they are looked for in the
variables of the functions that are running, in all threads, and in what these hold, until all
references to the array are accounted for. If some are not, the garbage collector is asked who
refers to the array itself (5 ms), and then for everything that it knows (0.1 s). What is left then
are references of C functions that are running: that many are no reason to look again in the same
place of the program.

What cannot be found is a view that only a C function holds, such as the first argument of a call
whose second one writes to the array.
"""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import suppress
from functools import partial
from inspect import CO_OPTIMIZED, CO_VARARGS, CO_VARKEYWORDS
from itertools import islice
from threading import get_ident
from types import (
    CellType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
)
from typing import Any, cast

import numpy as np
from numpy.lib import stride_tricks

from ..frames import is_wengerts
from ..primitive import Traced

__all__ = ["CALIBRATE", "CALIBRATING", "DummyArray", "base_of", "belongs", "takes_part", "views_of"]

DummyArray: Any = type(stride_tricks.as_strided(np.zeros(1)).base)
"""What stands between an array and the views that ``np.lib.stride_tricks`` makes of it."""

DEPTH = 3
"""So many levels of containers and objects are looked into."""

MANY = 100_000
"""So many items of containers and objects are looked at."""

_OWN: dict[Any, int] = {}
"""For ways from the user's line to here, how many references our functions have to the array."""

_LEFT_OF_OWN: dict[Any, int] = {}
"""How many of these are none of variables, views and objects of Python's."""

_UNKNOWN: dict[Any, int] = {}
"""For places in the user's program, how many references nobody has accounted for."""

_LEFT: dict[Any, int] = {}
"""The same besides those of variables, where nothing of Python's had any."""

PLACES = 10_000
"""So many places are remembered."""

CALIBRATE: list[Callable[[bool], None]] = []
"""What finds out the ways that are known; ``True`` asks the garbage collector too."""

CALIBRATING: list[int] = []
"""Meanwhile the references that others than our functions have, and a second item if ``True``."""

_COPIED = sys.version_info < (3, 13)
"""Whether ``f_locals`` of a function is a dictionary beside its variables, and stays."""

_BORROWED = sys.version_info >= (3, 14)
"""Whether a parameter may have no reference of its own beside the caller's."""

_FORGOTTEN = frozenset((tuple, dict))

_NO_ARRAYS = frozenset((int, float, complex, bool, str, bytes, type(None), np.float64))


def views_of(owner: np.ndarray[Any, Any], target: np.ndarray[Any, Any]) -> list[Any]:
    """The plain arrays that look into the memory of ``owner``, as far as frames lead to them.

    ``target`` is what is written to: ``owner`` itself or a view of it.
    """
    references = sys.getrefcount(owner)
    codes, frame = _way(sys._getframe(1))
    operation = None if frame is None else frame.f_code.co_code[frame.f_lasti]
    way = (codes, operation, target is owner)
    if CALIBRATING:
        own = references - CALIBRATING[0]
        _OWN[way] = min(own, _OWN.get(way, own))
        if len(CALIBRATING) == 1:
            return []
    elif target is owner and references == _OWN.get(way, -MANY) + 1 and frame is not None:
        for value in frame.f_locals.values():
            if value is owner:
                return []
    scopes = _scopes(frame)
    references = sys.getrefcount(owner) - _OWN.get(way, -MANY)
    search = _Search(owner, target, references)
    place = None if frame is None else (frame.f_code, frame.f_lasti)
    return _views(search, scopes, way, place)


Scopes = list[tuple[FrameType, dict[str, Any]]]


def _scopes(frame: FrameType | None) -> Scopes:
    """The frames that lead to a frame, and those of other threads, with their variables."""
    return [
        (running, running.f_locals)
        for innermost in (frame, *_of_other_threads())
        for running in _outside_from(innermost)
    ]


def _views(search: _Search, scopes: Scopes, way: Any, place: Any) -> list[Any]:
    """The views of the array that is searched for."""
    for running, variables in scopes:
        for name, value in list(variables.items()):
            search.meet(value, _references(running, name))
    if CALIBRATING:
        _LEFT_OF_OWN[way] = min(_unknown(search, scopes), _LEFT_OF_OWN.get(way, MANY))
        return []
    left = search.references
    if left <= _LEFT.get(place, 0):
        return search.views
    looked = _Looked()
    for _, variables in scopes:
        for value in list(variables.values()):
            if search.references <= 0:
                return search.views
            for array in _inside(value, looked, DEPTH):
                if array is not value:
                    search.meet(array, 1)
    if search.references > 0:
        if way in _OWN and way not in _LEFT_OF_OWN:
            CALIBRATE[0](True)
        unknown = _unknown(search, scopes) - _LEFT_OF_OWN.get(way, 0)
        if unknown > _UNKNOWN.get(place, 0) and not search.everywhere():
            _remember(_UNKNOWN, place, unknown)
        if search.references == left and all(view is search.target for view in search.views):
            _remember(_LEFT, place, left)
    return search.views


def _remember(places: dict[Any, int], place: Any, references: int) -> None:
    if len(places) > PLACES:
        places.clear()
    places[place] = references


def _unknown(search: _Search, scopes: Scopes) -> int:
    """How many references to an array are none of variables, views and objects of Python's."""
    owner, known = search.owner, 0
    apart = {id(search), id(search.__dict__)}
    for frame, variables in scopes:
        code = frame.f_code
        if not code.co_flags & CO_OPTIMIZED:
            continue
        if _COPIED:
            apart.add(id(variables))
        cells = {*code.co_cellvars, *code.co_freevars}
        for name, value in list(variables.items()):
            if value is owner:
                known += _references(frame, name) if name not in cells else _COPIED
    known += sum(base_of(view) is owner for view in search.views)
    return sys.getrefcount(owner) - known - _tracked(owner, apart)


def _tracked(owner: Any, apart: Container[int]) -> int:
    """How many references to an array the objects have that the garbage collector knows."""
    return sum(
        sum(each is owner for each in gc.get_referents(holder))
        for holder in gc.get_referrers(owner)
        if id(holder) not in apart
    )


def base_of(value: Any) -> Any:
    """What an array, or a ``DummyArray``, is a view of; None if of nothing."""
    if isinstance(value, np.ndarray):
        return np.ndarray.base.__get__(value)
    return value.base if type(value) is DummyArray else None


def _way(frame: FrameType | None) -> tuple[tuple[CodeType, ...], FrameType | None]:
    """Our functions from a frame on, innermost first, and the frame that called them."""
    codes: list[CodeType] = []
    while frame is not None and is_wengerts(frame.f_code.co_filename):
        codes.append(frame.f_code)
        frame = frame.f_back
    return tuple(codes), frame


def _references(frame: FrameType, name: str) -> int:
    """How many references to its value a variable that ``f_locals`` shows has at least."""
    code = frame.f_code
    if not code.co_flags & CO_OPTIMIZED:
        return 1
    cell = name in code.co_cellvars or name in code.co_freevars  # See ``_captured``.
    borrowed = _BORROWED and name in code.co_varnames[: _given(code)]
    return (not cell and not borrowed) + _COPIED


def _given(code: CodeType) -> int:
    """How many of a function's variables are its parameters."""
    several = bool(code.co_flags & CO_VARARGS) + bool(code.co_flags & CO_VARKEYWORDS)
    return code.co_argcount + code.co_kwonlyargcount + several


class _Search:
    """The views of an array that have been met, and how many references to it nobody has yet."""

    def __init__(self, owner: Any, target: Any, references: int) -> None:
        self.owner = owner
        self.target = target
        self.references = references
        self.views: list[Any] = []
        self._known: set[int] = set()
        self.meet(target, 0)

    def meet(self, value: Any, references: int) -> None:
        if value is self.owner:
            self.references -= references
        elif id(value) not in self._known and _looks_into(value, self.owner):
            self.references -= base_of(value) is self.owner
            self._known.add(id(value))
            self.views.append(value)

    def everywhere(self) -> int:
        """Look at all that the garbage collector knows. How many views that adds."""
        known = len(self.views)
        level: Any = gc.get_objects()
        while level:
            referents = gc.get_referents(*level)
            arrays = {kind for kind in set(map(type, referents)) if issubclass(kind, np.ndarray)}
            for array in [each for each in referents if type(each) in arrays]:
                self.meet(array, 0)
                if np.ndarray.dtype.__get__(array).hasobject:
                    for each in _inside(array, _Looked(), DEPTH):
                        self.meet(each, 0)
            # The collector forgets tuples and dicts of nothing but arrays, numbers and texts.
            level = [each for each in referents if type(each) in _FORGOTTEN]
            level = [each for each in level if not gc.is_tracked(each)]
            level = list({id(each): each for each in level}.values())
        return len(self.views) - known


def _of_other_threads() -> list[FrameType | None]:
    """The innermost frames of the other threads, from where they run what is not ours."""
    frames = sys._current_frames()
    frames.pop(get_ident(), None)
    return [_outside(frame) for frame in frames.values()]


def _outside(frame: FrameType | None) -> FrameType | None:
    """The innermost frame from this one on that does not run our code."""
    while frame is not None and is_wengerts(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def _outside_from(frame: FrameType | None) -> Iterator[FrameType]:
    """A frame that does not run our code and those that wait for it."""
    while frame is not None:
        yield frame
        frame = _outside(frame.f_back)


def _looks_into(array: Any, owner: Any) -> bool:
    while array is not None:
        if array is owner:
            return True
        array = base_of(array)
    return False


def takes_part(trace: Any) -> bool:
    """Whether the functions that run in this thread have values of a trace, or of one above it."""
    looked = _Looked()
    for frame in _outside_from(_outside(sys._getframe(1))):
        for value in list(frame.f_locals.values()):
            if any(belongs(each, trace) for each in _inside(value, looked, DEPTH)):
                return True
    return False


def belongs(value: Any, trace: Any) -> bool:
    """Whether a value is traced by this trace, also below others; or is the trace itself."""
    while isinstance(value, Traced):
        if value._trace is trace:
            return True
        value = value._value
    return value is trace


class _Looked:
    """Which containers and objects have been looked into, and how many items may yet be."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.left = MANY


def _inside(value: Any, looked: _Looked, depth: int) -> Iterator[Any]:
    """The arrays and traced values in a nesting of containers and objects."""
    kind = type(value)  # isinstance asks an object for its class, which may ask for its values
    if issubclass(kind, (np.ndarray, Traced)):
        yield value
        if issubclass(kind, Traced) or not np.ndarray.dtype.__get__(value).hasobject:
            return
    if depth == 0 or looked.left <= 0 or id(value) in looked.seen:
        return
    items = list(islice(_items(value), looked.left))
    if items:
        looked.seen.add(id(value))
        looked.left -= len(items)
    for item in items:
        if type(item) not in _NO_ARRAYS:
            yield from _inside(item, looked, depth - (type(item) is not CellType))


def _items(value: Any) -> Iterable[Any]:
    """What a container or an object holds."""
    for kind, items in _HOLDING.items():
        if issubclass(type(value), kind):
            return items(value)
    return _attributes(value)


def _captured(cell: CellType) -> Iterator[Any]:
    """The value of a variable that functions share: one reference, however many they are."""
    with suppress(ValueError):  # It may have no value yet.
        yield cell.cell_contents


def _suspended(value: Any) -> Iterator[Any]:
    """The variables of a generator or a coroutine that has begun and not ended."""
    frame = value.gi_frame if isinstance(value, GeneratorType) else value.cr_frame
    if frame is not None:
        code = frame.f_code
        for name, each in frame.f_locals.items():
            cell = name in code.co_cellvars or name in code.co_freevars
            if not cell or not isinstance(each, np.ndarray) or base_of(each) is not None:
                yield each


def _attributes(value: Any) -> Iterator[Any]:
    attributes = getattr(value, "__dict__", None)
    if type(attributes) is dict:
        yield from cast("dict[str, Any]", attributes).values()
    for kind in type(value).__mro__[:-1]:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            with suppress(AttributeError):
                yield getattr(value, name)


_HOLDING: dict[Any, Callable[[Any], Iterable[Any]]] = {
    (list, tuple, set, frozenset, deque): iter,
    dict: dict.values,
    np.ndarray: lambda array: array.ravel().tolist(),
    (type, ModuleType): lambda _: (),
    (GeneratorType, CoroutineType): _suspended,
    CellType: _captured,
    MethodType: lambda method: (method.__self__, method.__func__),
    partial: lambda call: (call.func, *call.args, *call.keywords.values()),
    FunctionType: lambda function: (
        *(function.__closure__ or ()),
        *(function.__defaults__ or ()),
        *vars(function).values(),
    ),
}
"""What objects of Python's own hold; others have attributes."""
