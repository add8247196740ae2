"""C functions that look, before they compute, whether an operand is traced.

C code converts its operands: ``math.sin`` asks ``__float__``, ``np.array`` reads the memory,
``plain[0] = x`` writes a number into it, and no protocol lets a traced value answer for itself. So
the pointer to the C function in such an object is exchanged for one to a function of ours
(``hooks.ll``) that compares the operands' types. Where one is traced it calls a *stand-in*, for all
others the original.

The object itself stays: it is the same ``math.sin`` under all its names, in every table, default
argument and closure, for every thread, for ``hash``, ``==`` and pickle. What is exchanged lies in
memory that the interpreter has allocated (``PyCFunctionObject``, ``PyMethodDescrObject``,
``PyTypeObject``), never in a library's own, which may be read-only.

A traced value is known by its metaclass, which all classes of traced values have in common.

What is read of the interpreter's structures is compared with what Python says of the same object;
where it differs (another interpreter, a build without the lock), nothing is exchanged.
"""

from __future__ import annotations

import ctypes
import pkgutil
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

__all__ = [
    "Hook",
    "LayoutError",
    "asking",
    "constructor",
    "copy_of",
    "exchange",
    "exchanged",
    "function",
    "items",
    "method",
    "plain_constructor",
    "plain_method",
    "prepare",
    "prepared",
    "setter",
]

HEAD: Final = object.__basicsize__
"""Bytes of an object's head, whose last word is the type."""

_WORD: Final = ctypes.sizeof(ctypes.c_void_p)

_BASICSIZE, _OFFSET, _MAPPING, _ITERNEXT, _NEW, _VECTORCALL = 32, 56, 112, 224, 312, 400
"""Offsets in a ``PyTypeObject``."""

_O, _FAST, _KEYWORDS, _TUPLE = 0x8, 0x80, 0x2, 0x1
"""Flags of a ``PyMethodDef``: how its function is given the arguments."""

_METHOD_SIZE, _FUNCTION, _FLAGS = 32, 8, 16
"""Of a ``PyMethodDef``: bytes, and offsets."""

_RECORD: Final = 4
"""Words of a hook's record."""

_ARGUMENTS: Final = {
    "function": ("ptr", "ptr %a, ptr %b, i64 %c, ptr %d"),
    "function_of_iterator": ("ptr", "ptr %a, ptr %b, i64 %c, ptr %d"),
    "function_of_tuple_of_iterator": ("ptr", "ptr %a, ptr %b, i64 %c, ptr %d"),
    "function_of_tuple": ("ptr", "ptr %a, ptr %b, i64 %c, ptr %d"),
    "method_one": ("ptr", "ptr %a, ptr %b"),
    "method_fast": ("ptr", "ptr %a, ptr %b, i64 %c"),
    "method_keywords": ("ptr", "ptr %a, ptr %b, i64 %c, ptr %d"),
    "method_tuple": ("ptr", "ptr %a, ptr %b"),
    "method_dictionary": ("ptr", "ptr %a, ptr %b, ptr %c"),
    "getitem": ("ptr", "ptr %a, ptr %b"),
    "setitem": ("i32", "ptr %a, ptr %b, ptr %c"),
    "setter": ("i32", "ptr %a, ptr %b, ptr %c"),
    "asking": ("ptr", "ptr %a, ptr %b, i64 %c, ptr %d"),
    "construct": ("ptr", "ptr %a, ptr %b, ptr %c"),
    "vectorcall": ("ptr", "ptr %a, ptr %b, i64 %c, ptr %d"),
}
"""What a C function of each form returns and takes."""

_SHARED: Final = {
    "method_one": ("getitem", ""),
    "method_fast": ("method_keywords", ", ptr null"),
    "method_tuple": ("method_dictionary", ", ptr null"),
    "vectorcall": ("function", ""),
}
"""Forms that are treated like another, and what that is given besides."""

_METHODS: Final = {
    _O: "method_one",
    _FAST: "method_fast",
    _FAST | _KEYWORDS: "method_keywords",
    _TUPLE: "method_tuple",
    _TUPLE | _KEYWORDS: "method_dictionary",
}

Stand = Callable[..., Any]


class LayoutError(Exception):
    """The interpreter's objects do not lie in memory as they are expected to."""


def _read(address: int) -> int:
    """The machine word at an address."""
    return ctypes.c_void_p.from_address(address).value or 0


def _write(address: int, value: int) -> None:
    ctypes.c_void_p.from_address(address).value = value


@dataclass
class Hook:
    """A C function that is to be exchanged.

    ``writes`` says what is to be written where, given the address of ours; ``itself`` is what the
    original is called on, and ``kind`` the type that a constructor is for, or what refuses named
    arguments in place of a function that has none. ``name`` is what the
    page of the documentation has; nothing where it speaks of all functions of NumPy's.
    """

    form: str
    original: int
    stand_in: Stand
    writes: Callable[[int], list[tuple[int, int]]]
    itself: int = 0
    kind: int = 0
    name: str = ""


_kept: list[Any] = []
"""What native code refers to: it stays for good, and is in use when the interpreter ends."""

ctypes.pythonapi.Py_IncRef(ctypes.py_object(_kept))


def copy_of(builtin: Any) -> Any:
    """A builtin function of its own that does what this one does, and will have no hook."""
    return _new_function(_read(id(builtin) + HEAD), builtin.__self__, builtin.__module__)


def plain_method(kind: type, name: str) -> Callable[[Any], Any]:
    """What gives the method of an object as it is without a hook."""
    definition = _read(id(kind.__dict__[name]) + HEAD + 3 * _WORD)
    return lambda instance: _new_function(definition, instance, None)


def plain_constructor(kind: type) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
    """What makes an instance as it is made without a hook, by arguments and keywords.

    The instance is not initialised: Python does that when a constructor has been called.
    """
    form = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.py_object, ctypes.c_void_p)
    new = form(_read(_type(kind) + _NEW))
    return lambda args, kwargs: new(kind, args, id(kwargs) if kwargs else None)


def _new_function(definition: int, itself: Any, module: Any) -> Any:
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.py_object]
    return make(definition, itself, module)


# -- where C functions are -------------------------------------------------------------------------


def _copied(address: int, name: str) -> tuple[Any, int, int]:
    """A copy of a ``PyMethodDef`` of this name, its function and its flags."""
    content = ctypes.create_string_buffer(ctypes.string_at(address, _METHOD_SIZE), _METHOD_SIZE)
    if (ctypes.c_char_p.from_address(address).value or b"").decode() != name:
        raise LayoutError
    _kept.append(content)
    (flags,) = struct.unpack_from("i", content, _FLAGS)
    return content, _read(address + _FUNCTION), flags & (_O | _FAST | _KEYWORDS | _TUPLE)


def function(builtin: Any, stand_in: Stand, iterators: bool = False) -> Hook:
    """A hook for a builtin function; with ``iterators`` the stand-in is given all of these too.

    Its function stays in the ``PyMethodDef``, so that hash and equality do. It is called by the
    object's own vectorcall, with flags for which neither the interpreter nor Cython has a shorter
    way, and its type's ``tp_call`` no other.
    """
    place = id(builtin) + HEAD
    content, original, flags = _copied(_read(place), builtin.__name__)
    struct.pack_into("i", content, _FLAGS, _KEYWORDS)
    vectorcall = place + 4 * _WORD
    called = _read(vectorcall)
    if bool(called) != bool(flags & (_O | _FAST)):
        raise LayoutError

    def writes(ours: int) -> list[tuple[int, int]]:
        return [(vectorcall, ours), (place, ctypes.addressof(content))]

    if iterators and (_read(id(list) + _ITERNEXT) or not _read(id(type(iter([]))) + _ITERNEXT)):
        raise LayoutError
    form = "function" if called else "function_of_tuple"
    itself = 0 if called else _read(place + _WORD)
    name = f"{builtin.__module__}.{builtin.__name__}"
    form += "_of_iterator" * iterators
    refusing = None if called or flags & _KEYWORDS else copy_of(builtin)
    _kept.append(refusing)
    kind = 0 if refusing is None else id(refusing)
    return Hook(form, called or original, stand_in, writes, itself=itself, kind=kind, name=name)


def asking(functions: Sequence[Any], stand_in: Stand) -> list[Hook]:
    """A hook for functions of one class of C's, each of which has its vectorcall in itself.

    The stand-in is given the function first, and called for lists with traced values in them.
    """
    if not functions:
        return []
    kind = type(functions[0])
    offset = ctypes.c_ssize_t.from_address(_type(kind) + _OFFSET).value
    if not HEAD <= offset < kind.__basicsize__:
        raise LayoutError
    places = [id(each) + offset for each in functions]
    called = {_read(place) for place in places}
    if len(called) != 1:
        raise LayoutError
    return [Hook("asking", called.pop(), stand_in, lambda ours: [(p, ours) for p in places])]


def method(kind: type, name: str, stand_in: Stand, asking: bool = False) -> Hook:
    """A hook for a method of a class of C's. The stand-in is given the object first.

    ``asking``: for lists with traced values in them only, as NumPy asks other operands itself.
    """
    place = id(kind.__dict__[name]) + HEAD + 3 * _WORD
    content, original, flags = _copied(_read(place), name)
    form = _METHODS[flags]
    if asking:
        if form != "method_keywords":
            raise LayoutError
        form = "asking"

    def writes(ours: int) -> list[tuple[int, int]]:
        struct.pack_into("P", content, _FUNCTION, ours)
        return [(place, ctypes.addressof(content))]

    return Hook(form, original, stand_in, writes, name=f"{kind.__name__}.{name}")


def _type(kind: type) -> int:
    """The address of a type, whose fields lie where they are expected."""
    if ctypes.c_ssize_t.from_address(id(kind) + _BASICSIZE).value != kind.__basicsize__:
        raise LayoutError
    return id(kind)


def items(kind: type, get: Stand, put: Stand) -> list[Hook]:
    """Hooks for ``x[i]`` and ``x[i] = v`` of a class of C's."""
    place = _type(kind) + _MAPPING
    table = _read(place)
    content = ctypes.create_string_buffer(ctypes.string_at(table, 3 * _WORD), 3 * _WORD)
    _kept.append(content)
    here = ctypes.addressof(content)

    def entered(slot: int) -> Callable[[int], list[tuple[int, int]]]:
        return lambda ours: [(here + slot * _WORD, ours), (place, here)]

    return [
        Hook("getitem", _read(table + _WORD), get, entered(1), name=f"{kind.__name__}[i]"),
        Hook("setitem", _read(table + 2 * _WORD), put, entered(2), name=f"{kind.__name__}[i] = v"),
    ]


def setter(kind: type, name: str, stand_in: Stand) -> Hook:
    """A hook for ``x.name = v`` of a class of C's."""
    place = id(kind.__dict__[name]) + HEAD + 3 * _WORD
    definition = _read(place)
    if (ctypes.c_char_p.from_address(definition).value or b"").decode() != name:
        raise LayoutError
    content = ctypes.create_string_buffer(ctypes.string_at(definition, 5 * _WORD), 5 * _WORD)
    _kept.append(content)
    original = _read(definition + 2 * _WORD)

    def writes(ours: int) -> list[tuple[int, int]]:
        struct.pack_into("P", content, 2 * _WORD, ours)
        return [(place, ctypes.addressof(content))]

    return Hook("setter", original, stand_in, writes, name=f"{kind.__name__}.{name} = v")


def constructor(kind: type, stand_in: Stand) -> Hook:
    """A hook for ``kind(x)``, not for what inherits from it."""
    address = _type(kind)
    form, place = "vectorcall", address + _VECTORCALL
    if not _read(place):
        form, place = "construct", address + _NEW
    name = f"{kind.__module__}.{kind.__name__}"
    return Hook(form, _read(place), stand_in, lambda ours: [(place, ours)], kind=address, name=name)


# -- exchanging them -------------------------------------------------------------------------------


_exchanges: list[tuple[int, int, int]] = []
"""Places, what is in them without hooks, and what is with them."""


def check_interpreter() -> dict[str, int]:
    """Addresses of the interpreter's functions; ``LayoutError`` for one that is not known."""
    from ..compile import abi  # It takes long to import, and is not needed before.

    known = abi.interface()
    if known is None:
        raise LayoutError
    return known


def prepare(hooks: Sequence[Hook], standing: type, filled: type) -> None:
    """Make the C functions that can be exchanged for the originals.

    ``standing`` is the metaclass of traced values, ``filled`` the class of filled arrays. Raises
    ``LayoutError`` on an interpreter that is not known, ``CompileError`` without llvmlite.
    """
    from ..compile import abi
    from ..compile.machine import link
    from ..compile.store import store

    known = check_interpreter()
    records = (ctypes.c_void_p * (_RECORD * len(hooks)))()
    for i, hook in enumerate(hooks):
        words = (hook.original, id(hook.stand_in), hook.itself, hook.kind)
        records[_RECORD * i : _RECORD * (i + 1)] = words
    names = [f"hook{i}" for i in range(len(hooks))]
    objects = {
        "records": ctypes.addressof(records),
        "standing": id(standing),
        "filled": id(filled),
        "list": id(list),
        "tuple": id(tuple),
        "ndarray": id(np.ndarray),
        "objects": id(np.dtype(object)),
        "polynomial": id(np.poly1d),
    }
    call = ctypes.cast(ctypes.pythonapi.PyObject_Call, ctypes.c_void_p).value or 0
    imports = {**known, **objects, "PyObject_Call": call}
    library = link(
        store().compile(_text([hook.form for hook in hooks], abi.TYPE, abi.DESCR), 2),
        imports,
        names,
    )
    _kept.extend((library, records, [hook.stand_in for hook in hooks]))
    _exchanges.extend(
        [
            (place, _read(place), value)
            for name, hook in zip(names, hooks, strict=True)
            for place, value in hook.writes(library[name])
        ]
    )


def prepared() -> bool:
    """Whether there is something to exchange."""
    return bool(_exchanges)


def exchanged() -> bool:
    """Whether our functions are in place."""
    return bool(_exchanges) and _read(_exchanges[0][0]) == _exchanges[0][2]


def exchange(enable: bool) -> None:
    """Put our functions in the places of the originals, or the originals back."""
    for place, original, ours in _exchanges:
        _write(place, ours if enable else original)


def _text(forms: Sequence[str], type_at: int, dtype_at: int) -> str:
    code = pkgutil.get_data("wengert.stand_ins", "hooks.ll")
    assert code is not None
    text = code.decode().replace("@TYPE@", str(type_at)).replace("@DESCR@", str(dtype_at))
    text = text.replace("@ITERNEXT@", str(_ITERNEXT))
    return text + "\n".join(_entry(i, form) for i, form in enumerate(forms))


def _entry(i: int, form: str) -> str:
    """The function that a hook puts in place of the original."""
    returned, arguments = _ARGUMENTS[form]
    shared, besides = _SHARED.get(form, (form, ""))
    return (
        f"define {returned} @hook{i}({arguments}) {{\n"
        f"  %record = getelementptr ptr, ptr @records, i64 {_RECORD * i}\n"
        f"  %r = tail call {returned} @{shared}(ptr %record, {arguments}{besides})\n"
        f"  ret {returned} %r\n}}\n"
    )
