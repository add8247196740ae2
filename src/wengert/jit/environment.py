"""The variables outside of a function on which its result can depend.

They are found by the names that its code looks up: in its closure and its globals, and in the
modules and classes that it reaches. The functions that it can call by these names are looked into
as well, those of its arguments' classes too. Python's own library, NumPy and installed packages
other than the function's own are taken to be constant.
"""

from __future__ import annotations

import builtins
import dis
import functools
import os
import re
import sys
import types
import weakref
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, cast

import numpy as np

from ..frames import is_ours
from ..stand_ins import STANDING_IN
from ..verbs import Derived
from .identity import GLOBALS, asker, compares_bools, question
from .keys import GENERATORS, PARTS, UnkeyableError, attributes, contents, outer
from .tracing import InlinedError
from .world import reached

__all__ = ["Environment", "itself"]

Read = Callable[[], Any]

_PLAIN = (type(None), int, float, complex, str, bytes, np.generic, np.ufunc, np.dtype)
_CONSTANT = (types.FunctionType, types.ModuleType, Derived, type)
_SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)
_MEMBERS = (*_PLAIN, types.FunctionType, staticmethod, classmethod, property, np.ndarray)
_SPELLING = frozenset(
    "eval exec getattr globals vars __dict__ __getattribute__ attrgetter methodcaller".split()
)
"""What looks names up that code has as strings, whole or put together."""
_MAKING = frozenset({"__init__", "__new__", "__post_init__"})
_UNLIKELY = frozenset(
    "__annotate__ __annotate_func__ __class_getitem__ __copy__ __deepcopy__ __del__ __dir__ "
    "__format__ __getnewargs__ __getnewargs_ex__ __getstate__ __hash__ __init_subclass__ "
    "__reduce__ __reduce_ex__ __replace__ __repr__ __set_name__ __setstate__ __sizeof__ __str__ "
    "__subclasshook__".split()
)
"""Methods on which no number depends, and that read what changes."""
_IMPORT = dis.opmap["IMPORT_NAME"]
_NAME = re.compile(r"[^\W\d]\w*")
_LIBRARY = os.path.dirname(os.__file__) + os.sep


class Environment:
    """What a function reads from outside, so far as it has been found.

    ``survey`` looks for more: in the function itself, and in arguments that it is given.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.generators: dict[int, Any] = {}
        self._said = _Search(function)
        self._implied = _Search(function, implied=True)
        self._found: dict[Hashable, tuple[Any, Read]] = {}
        self._readers: tuple[Read, ...] = ()
        self.survey()

    @property
    def question(self) -> str:
        """What the function asks that tracing would answer in another way."""
        return self._said.question

    @property
    def compares_bools(self) -> bool:
        """Whether it asks ``x is True`` or ``x is False``."""
        return self._said.compares_bools

    @property
    def world(self) -> str:
        """A clock, a file or the like that the function can read."""
        return self._said.world

    def survey(self, arguments: Any = ()) -> bool:
        """Look for variables once more, those of the arguments too; whether there are new ones."""
        before = len(self._found)
        self._said.search(arguments)
        self._found.update(self._said.found)
        self.generators.update(self._said.generators)
        if self._said.implies:
            self._implied.search(arguments)
            new = self._implied.found.keys() - self._found.keys()
            self._found |= {key: self._implied.found[key] for key in new if self._has_key(key)}
        self._readers = tuple([read for _, read in self._found.values()])
        return len(self._found) > before

    def _has_key(self, key: Hashable) -> bool:
        """Whether what an implied variable holds can be compared."""
        try:
            outer(self._implied.found[key][1]())
        except UnkeyableError:
            return False
        except InlinedError:  # It holds a traced value for the time being.
            pass
        return True

    def key(self) -> Hashable:
        """The values of all these variables, as a key. UnkeyableError if one has no key."""
        try:
            return tuple([outer(read()) for read in self._readers])
        except UnkeyableError as error:
            error.outside = True
            raise

    def readers(self) -> list[tuple[Read, Any]]:
        """For each variable, how it is read, and what it holds now."""
        return [(read, read()) for read in self._readers]

    def writers(self) -> list[tuple[Callable[[Any], None], Any]]:
        """For each variable, how another value is given to it, and what it holds now."""
        return [(_writer(keep, read), read()) for keep, read in list(self._found.values())]


class _Search:
    """A search for variables: ``found``, by what names the code of a function has.

    With ``implied`` also in methods that are called without their names: those of operators, of
    classes that the code names what makes their objects, and all where names are put together.
    Whether these are called is not known. So it is not held against the function what they ask
    (``question``), or read that cannot be compared (``world``, and what has no key).
    """

    def __init__(self, function: Callable[..., Any], implied: bool = False) -> None:
        self.function = function
        self.found: dict[Hashable, tuple[Any, Read]] = {}
        self.generators: dict[int, Any] = {}
        self.question = ""
        self.compares_bools = False
        self.world = ""
        self._implied = implied
        self._home = (getattr(function, "__module__", None) or "").partition(".")[0]
        self._names: set[str] = set()
        self._any_name = False
        self._codes: set[types.CodeType] = set()
        self._spaces: dict[int, tuple[Any, Mapping[str, Any]]] = {}
        self._called: set[int] = set()
        self._visited: dict[int, Any] = {}
        if _is_opaque(function):
            name = getattr(function, "__name__", type(function).__name__)
            self.question = f"{name} cannot be called with traced values"

    def search(self, arguments: Any) -> None:
        """Look for variables, those of the arguments too."""
        self._visited = {}
        self._visit(self.function, outside=True)
        self._visit(arguments, outside=False)
        while self._resolve():
            pass
        self._visited = {}

    @property
    def implies(self) -> bool:
        """Whether classes were reached that have such methods."""
        return any(
            next(self._implicit(keep, space), None) is not None
            for keep, space in self._spaces.values()
        )

    def _implicit(self, keep: Any, space: Mapping[str, Any]) -> Iterator[str]:
        """The names of what can be reached in a class by code that does not have them."""
        if not isinstance(keep, type):
            return
        unlikely = _UNLIKELY if id(keep) in self._called else _UNLIKELY | _MAKING
        for name, value in space.items():
            if name.startswith("__"):
                if name not in unlikely and isinstance(value, types.FunctionType):
                    yield name
            elif self._any_name and isinstance(value, _MEMBERS):
                yield name

    def _watch(self, key: Hashable, keep: Any, read: Read) -> None:
        """Watch a variable. ``keep`` keeps that alive whose ``id`` is in the key."""
        self.found.setdefault(key, (keep, read))

    def _resolve(self) -> bool:
        """Look the names up in the modules and classes that were reached; whether one was new."""
        before = len(self.found), len(self._names), len(self._spaces)
        for keep, space in list(self._spaces.values()):
            for name in sorted(self._names & space.keys()):
                self._variable(keep, space, name)
            if self._implied:
                for name in [*self._implicit(keep, space)]:
                    self._variable(keep, space, name)
        return before != (len(self.found), len(self._names), len(self._spaces))

    def _variable(self, keep: Any, space: Mapping[str, Any], name: str) -> None:
        value = space[name]
        if not isinstance(value, (types.ModuleType, *_SLOTS)):
            self._watch((id(keep), name), keep, functools.partial(space.get, name))
        self._visit(value, outside=True)

    def _visit(self, value: Any, outside: bool) -> None:
        if isinstance(value, _PLAIN) or id(value) in self._visited:
            return
        if len(self._visited) > PARTS:
            return
        self._visited[id(value)] = value
        if asked := asker(value):
            self.question = self.question or f"{getattr(self.function, '__name__', 'it')} {asked}"
        elif isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, Derived):
            self._visit(value.func, outside)
        elif isinstance(value, (type, types.ModuleType)):
            if isinstance(value, type):
                self._called.update(map(id, value.__mro__))
            self._space(value)
        elif isinstance(value, GENERATORS):
            if outside:
                self.generators[id(value)] = value
        else:
            parts = _parts(value)
            if hasattr(type(value), "__jit_token__"):
                watched = [part for part in parts if self._is_bound(part)]
            else:
                watched = [value] if value is self.function else []
                self._space(type(value))
            for part in watched:
                self._watch(id(part), part, functools.partial(itself, part))
            for part in parts:
                self._visit(part, outside)

    def _closure(self, function: types.FunctionType, foreign: bool) -> None:
        for cell in function.__closure__ or ():
            if not foreign or self._is_bound(contents(cell)):
                self._watch(id(cell), cell, functools.partial(contents, cell))
            self._visit(contents(cell), outside=True)

    def _function(self, function: types.FunctionType) -> None:
        code = function.__code__
        foreign = self._foreign(function.__module__, code.co_filename)
        self._closure(function, foreign)
        if foreign:
            return
        for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            if not isinstance(default, (*_PLAIN, types.FunctionType, Derived)):
                self._watch(id(default), default, functools.partial(itself, default))
            self._visit(default, outside=True)
        self._spaces.setdefault(id(function), (function, function.__dict__))
        space = function.__globals__
        for name in _globals(code):
            if name in space:
                self._variable(space, space, name)
            elif not hasattr(builtins, name):
                self._watch((id(space), name), space, functools.partial(space.get, name))
        names = _names(code)
        spelled = _spelled(code, function.__doc__) if names & _SPELLING else set[str]()
        for name in spelled & space.keys():
            self._variable(space, space, name)
        if code not in self._codes:
            self._codes.add(code)
            asked = question(code, space)
            if asked and not self.question:
                self.question = f"{function.__qualname__} {asked}"
            self.compares_bools |= compares_bools(code)
            self._names |= names | spelled
            self._any_name = self._any_name or bool(names & _SPELLING)
            if names & {"environ", "getenv"}:
                self._watch("environ", None, functools.partial(dict, os.environ))
            package = space.get("__package__") or ""
            imported: list[Any] = []
            for name in names if _IMPORT in code.co_code[::2] else ():
                imported += [sys.modules.get(name), sys.modules.get(f"{package}.{name}")]
            for module in imported:
                self._visit(module, outside=True)
            cells = [contents(cell) for cell in function.__closure__ or ()]
            variables = [space.get(name, vars(builtins).get(name)) for name in _globals(code)]
            self.world = self.world or reached(names, [*cells, *variables, *imported])

    def _space(self, value: Any) -> None:
        """A module or a class of which attributes may be read."""
        if isinstance(value, types.ModuleType):
            if not self._foreign(value.__name__, getattr(value, "__file__", None) or ""):
                self._spaces.setdefault(id(value), (value, vars(value)))
            return
        for kind in (*value.__mro__, *type(value).__mro__):
            if not self._is_librarys(kind):
                self._spaces.setdefault(id(kind), (kind, vars(kind)))

    def _is_bound(self, value: Any) -> bool:
        """Whether a function that somebody wraps is more than code: a method, a partial, an object.

        A wrapper of ours or of a library is taken to be constant; what such a function has is not.
        """
        if isinstance(value, (*_PLAIN, *_CONSTANT)) or hasattr(type(value), "__jit_token__"):
            return False
        if isinstance(value, functools.partial):
            return True
        if isinstance(value, types.BuiltinFunctionType):
            return isinstance(value.__self__, (np.ndarray, list, dict, set))
        if isinstance(value, (list, tuple)):
            return any(map(self._is_bound, cast("list[Any]", value)))
        if isinstance(value, dict):
            return any(map(self._is_bound, cast("dict[Any, Any]", value).values()))
        home: type = type(value.__self__ if isinstance(value, types.MethodType) else value)
        return callable(value) and not self._is_librarys(home)

    def _is_librarys(self, kind: type) -> bool:
        module: Any = kind.__module__
        if not isinstance(module, str):  # C code can have put anything there.
            return True
        return self._foreign(module, getattr(sys.modules.get(module), "__file__", None) or "")

    def _foreign(self, module: str | None, file: str) -> bool:
        """Whether a module is a library's, and taken to be constant."""
        if is_ours(file):
            return True
        top = (module or "").partition(".")[0]
        if top == self._home:
            return False
        if top in sys.stdlib_module_names and top != "__main__":
            return not file or file.startswith(_LIBRARY)
        return "site-packages" in file


def _is_opaque(function: Any) -> bool:
    """Whether a function is Python's or NumPy's own and none that NumPy hands over to a trace."""
    while isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, (types.BuiltinFunctionType, types.MethodDescriptorType)):
        return not hasattr(function, "_implementation") and function not in STANDING_IN
    if isinstance(function, type):
        return not isinstance(vars(function).get("__init__"), types.FunctionType)
    if not isinstance(function, types.FunctionType) or hasattr(function, "_implementation"):
        return False
    # A derivative of one of NumPy's functions has its name, but is ours.
    return str(function.__globals__.get("__name__")).partition(".")[0] == "numpy"


def _parts(value: Any) -> list[Any]:
    """What an object consists of, and the functions that it stands for."""
    if isinstance(value, types.MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, property):
        return [value.fget]
    if isinstance(value, (staticmethod, classmethod)):
        return [value.__func__]
    if hasattr(type(value), "__jit_parts__"):
        return value.__jit_parts__()
    if hasattr(type(value), "__jit_token__"):
        return [value.function]
    found: list[Any] = []
    if isinstance(value, types.BuiltinFunctionType):
        found.append(value.__self__ if not isinstance(value.__self__, types.ModuleType) else None)
    if isinstance(value, Mapping):
        found += value.values()
    elif isinstance(value, (tuple, list, set, frozenset)):
        found += value
    elif isinstance(value, np.ndarray) and value.dtype.kind == "O":
        found += value.reshape(-1).tolist()
    elif isinstance(value, weakref.ref):
        found.append(value())
    if callable(value):
        kind: Any = type(value)
        found.append(kind.__call__)
    return [*found, *(attributes(value) or {}).values()]


def itself(value: Any) -> Any:
    """Reads what is no variable, but can change in itself."""
    return value


def _writer(keep: Any, read: Any) -> Callable[[Any], None]:
    """The counterpart of a reader: for a cell, a variable of a module, an attribute of a class."""
    if read.func is contents:
        return functools.partial(setattr, keep, "cell_contents")
    if read.func in (itself, dict):
        return itself
    if isinstance(keep, dict):
        return functools.partial(keep.__setitem__, *read.args)
    return functools.partial(setattr, keep, *read.args)


@functools.cache
def _globals(code: types.CodeType) -> tuple[str, ...]:
    """The global variables that code, and functions defined inside of it, read."""
    found = {step.argval for step in dis.get_instructions(code) if step.opname in GLOBALS}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found.update(_globals(constant))
    return tuple(sorted(found))


def _spelled(code: types.CodeType, doc: str | None) -> set[str]:
    """The names in the strings of code, and of functions defined inside of it."""
    found: set[str] = set()
    waiting = list(code.co_consts)
    while waiting:
        constant = waiting.pop()
        if isinstance(constant, str) and constant != doc:
            found.update(_NAME.findall(constant))
        elif isinstance(constant, types.CodeType):
            waiting += constant.co_consts
        elif isinstance(constant, (tuple, frozenset)):
            waiting += constant
    return found


def _names(code: types.CodeType) -> set[str]:
    """The names that code, and functions defined inside of it, look up."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names(constant)
    return found
