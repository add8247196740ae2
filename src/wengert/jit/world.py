"""Functions whose results come from outside of the program: clocks, files, new random generators.

Code that can call one must not be compiled: its next call would give what the first one gave.
Whether it can is seen by the names that it looks up.
"""

from __future__ import annotations

import datetime
import functools
import io
import pathlib
import sys
import types
from collections.abc import Iterable
from typing import Any

__all__ = ["reached"]

_FUNCTIONS = {
    "builtins": "open input",
    "numpy": "load loadtxt genfromtxt fromfile memmap",
    "numpy.random": "default_rng RandomState",
    "os": "urandom getpid listdir scandir stat",
    "random": "Random SystemRandom",
    "secrets": "choice randbelow randbits token_bytes token_hex token_urlsafe",
    "time": "time time_ns perf_counter perf_counter_ns monotonic monotonic_ns process_time "
    "process_time_ns thread_time thread_time_ns localtime gmtime ctime",
    "uuid": "uuid1 uuid4",
}

_METHODS: dict[type, frozenset[str]] = {
    datetime.date: frozenset({"now", "utcnow", "today"}),
    pathlib.PurePath: frozenset({"open", "read_text", "read_bytes", "exists", "stat", "iterdir"}),
    io.IOBase: frozenset({"read", "readline", "readlines", "readinto", "__next__"}),
}


def _functions() -> dict[int, str]:
    """Names of these functions, by their identity. What is not imported, nobody calls."""
    found: dict[int, str] = {}
    for module in _FUNCTIONS.keys() & sys.modules.keys():
        found.update(_named(module))
    return found


@functools.cache
def _named(module: str) -> dict[int, str]:
    space = vars(sys.modules[module])
    names = [name for name in _FUNCTIONS[module].split() if name in space]
    return {id(space[name]): f"{module}.{name}".removeprefix("builtins.") for name in names}


def reached(names: Iterable[str], variables: Iterable[Any]) -> str:
    """The first such function that code reaches, '' if there is none.

    ``names`` are all names that the code looks up, ``variables`` what its variables outside hold.
    """
    looked_up = set(names)
    seen: set[int] = set()
    waiting = list(variables)
    known = _functions()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if id(value) in known:
            return known[id(value)]
        method = _method(value, looked_up)
        if method:
            return method
        if isinstance(value, types.ModuleType):
            space = vars(value)
            waiting += [space[name] for name in looked_up & space.keys()]
    return ""


def _method(value: Any, names: set[str]) -> str:
    """The method of a clock, a path or a file that code can call."""
    kind = value if isinstance(value, type) else type(value)
    for base, methods in _METHODS.items():
        if issubclass(kind, base) and not methods.isdisjoint(names):
            return f"{kind.__name__}.{min(methods & names)}"
    return ""
