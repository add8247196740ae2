"""Whether a function computes the same when it is traced; and where the two runs part.

A derivative is that of the run on traced values. Code that can tell a traced value from a plain one
(``type(x) is float``, C code that looks at the type itself) may take another branch there, and no
error is raised. So both runs are made and compared. If they differ, both are made again, line by
line: each line of the user's code with the variables that it has changed is compared with what the
other run had there.
"""

from __future__ import annotations

import copy
import random
import reprlib
import sys
from collections.abc import Callable, Mapping
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

from . import tree
from .calls import called, check_callable, handle
from .errors import WengertError
from .frames import home_of, is_users, place
from .primitive import Traced
from .trace import concrete, joined
from .transforms.tape import Tape

__all__ = ["ValueMismatchError", "check_value"]

ROUNDING = 64
"""So many units in the last place may a floating-point result differ, of the largest element."""

EVENTS = 100_000
"""So many lines are compared."""

ELEMENTS = 10_000
"""Variables with more elements than this are not compared line by line."""


_REMEDY = (
    "Write instead: what traced values answer as plain ones do, isinstance(x, float) for "
    "type(x) is float, x == y for x is y; NumPy functions for C code that looks at types"
)


class ValueMismatchError(WengertError, AssertionError):
    """A function has another result traced than plain.

    ``plain`` and ``traced`` are the two values that differ, ``line`` is the line of the user's at
    which the runs part, None if it is not known.
    """

    def __init__(self, what: str, plain: Any, traced: Any, parting: _Parting | None) -> None:
        self.plain = plain
        self.traced = traced
        self.line = None if parting is None else parting.line
        parts = [f"{what}: {_text(plain)} of plain values, {_text(traced)} of traced ones"]
        if parting is not None:
            parts += [f"The runs part at\n  {parting.line}", parting.how]
        parts.append(_REMEDY)
        Exception.__init__(self, "\n".join(parts))


def check_value(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """``f(*args, **kwargs)``, if it is the same when the function is traced, as for ``grad``.

    All floating-point and complex numbers and arrays among the arguments are traced. The results
    have to agree in structure, shapes and dtypes, integers, truth values and strings exactly, and
    floating-point values in every bit, NaN being equal to NaN, or up to a rounding error of 64
    units in the last place of the largest element, as some functions of NumPy's are computed by a
    formula of our own. A Python number counts as the NumPy number of its dtype.

    Raises ``ValueMismatchError`` with both values, and the line at which the runs part where that
    can be found, for which the function is run twice more; and what the function raises. It is
    called with copies of the arrays, and with the same state of NumPy's and Python's global random
    generators each time.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.check_value(lambda x: np.sum(x**2), np.array([1.0, 2.0]))
        np.float64(5.0)
        >>> wg.check_value(lambda x: x * 2 if type(x) is float else x * 3, 1.0)
        Traceback (most recent call last):
        wengert.agreement.ValueMismatchError: the result differs: 2.0 of plain values, ...
    """
    check_callable(f, "check_value")
    call = _Call(f, args, kwargs)
    plain, traced = call.plain(), call.traced()
    if (difference := _difference(plain, traced)) is None:
        return plain.value()
    lines = _Lines(f), _Lines(f)
    unlike = _difference(plain, call.plain(lines[0]))
    call.traced(lines[1])
    if unlike is not None:
        raise WengertError(
            f"the function gives {_text(unlike[1])} and then {_text(unlike[2])} for the same plain "
            "values, so that nothing can be compared",
            remedy="a generator of random numbers among the arguments, with its seed",
        )
    raise ValueMismatchError(*difference, _parting(*lines))


# -- the runs --------------------------------------------------------------------------------------


class _Outcome(NamedTuple):
    """What a run gave: a result, or the exception that it raised."""

    result: Any
    error: Exception | None

    def value(self) -> Any:
        """The result; the exception is raised."""
        if self.error is None:
            return self.result
        try:
            raise self.error
        finally:
            del self


class _Call:
    """A function with its arguments, to be run on plain values and on traced ones."""

    def __init__(self, f: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self.f = f
        self.leaves, self.spec = tree.flatten((args, kwargs))
        self.state = np.random.get_state(), random.getstate()

    def plain(self, lines: _Lines | None = None) -> _Outcome:
        return self._run(list(map(_copied, self.leaves)), lines, lambda result: result)

    def traced(self, lines: _Lines | None = None) -> _Outcome:
        tape = Tape("copy")

        def finish(result: Any) -> Any:
            tape.check_caught(self.f)
            return tree.map_leaves(_untraced, result)

        leaves = [
            handle(tape.input(_number(leaf)), leaf) if _is_moving(leaf) else leaf
            for leaf in map(_copied, self.leaves)
        ]
        try:
            return self._run(leaves, lines, finish)
        finally:
            tape.close()

    def _run(
        self, leaves: list[Any], lines: _Lines | None, finish: Callable[[Any], Any]
    ) -> _Outcome:
        np.random.set_state(self.state[0])
        random.setstate(self.state[1])
        args, kwargs = tree.unflatten(self.spec, leaves)
        try:
            if lines is None:
                return _Outcome(finish(called(self.f, args, kwargs)), None)
            with lines:
                result = called(self.f, args, kwargs)
            return _Outcome(finish(result), None)
        except Exception as error:
            return _Outcome(None, error)


def _copied(leaf: Any) -> Any:
    if type(leaf) is np.ndarray:
        return leaf.copy("K")
    if isinstance(leaf, (np.random.Generator, np.random.RandomState, random.Random)):
        return copy.deepcopy(leaf)
    return leaf


def _is_moving(leaf: Any) -> bool:
    if type(leaf) in (float, complex) or isinstance(leaf, Traced):
        return True
    return isinstance(leaf, np.inexact) or (type(leaf) is np.ndarray and leaf.dtype.kind in "fc")


def _number(leaf: Any) -> Any:
    return leaf if isinstance(leaf, Traced) else np.asarray(leaf)[()]


def _untraced(leaf: Any) -> Any:
    """A value without its traces, and an array of traced numbers as one of numbers."""
    if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "O":
        leaf = joined(leaf)
    return concrete(leaf)


# -- the comparison --------------------------------------------------------------------------------


def _difference(plain: _Outcome, traced: _Outcome) -> tuple[str, Any, Any] | None:
    """What differs, and both values; None if nothing does."""
    if plain.error is None and traced.error is not None:
        traced.error.add_note("The function was run on plain values before, and raised nothing.")
        traced.value()
    if plain.error is not None:
        if type(plain.error) is type(traced.error):
            return None
        return "what is raised or returned differs", plain.error, traced.error or traced.result
    leaves, spec = tree.flatten(plain.result)
    others, other = tree.flatten(traced.result)
    if spec != other:
        return "the structure of the result differs", plain.result, traced.result
    for path, one, two in zip(spec.paths(), leaves, others, strict=True):
        if not _agree(one, two):
            where = "".join(f"[{key!r}]" for key in path)
            return f"the result{where} differs", one, two
    return None


_NUMERIC = (np.ndarray, np.generic, bool, int, float, complex)


def _agree(plain: Any, traced: Any) -> bool:
    """Whether two values are the same; of objects that do not compare, the class."""
    if isinstance(plain, _NUMERIC) and isinstance(traced, _NUMERIC):
        one, two = np.asarray(plain), np.asarray(traced)
        if one.dtype != two.dtype or one.shape != two.shape:
            return False
        if one.dtype.kind in "fc":
            return _agree_rounded(one, two)
        return one.dtype.kind == "O" or bool(np.all(one == two))
    if type(plain) is not type(traced):
        return False
    if isinstance(plain, (tuple, list)):
        return len(plain) == len(traced) and all(map(_agree, plain, traced))
    if isinstance(plain, dict):
        return plain.keys() == traced.keys() and all(_agree(plain[k], traced[k]) for k in plain)
    return not isinstance(plain, (str, bytes)) or plain == traced


def _agree_rounded(one: np.ndarray[Any, Any], two: np.ndarray[Any, Any]) -> bool:
    if one.tobytes() == two.tobytes():
        return True
    if one.dtype.kind == "c":
        return _agree_rounded(one.real, two.real) and _agree_rounded(one.imag, two.imag)
    finite = np.isfinite(one)
    if not np.array_equal(one[~finite], two[~finite], equal_nan=True):
        return False
    one, two = one[finite], two[finite]
    zeros = (one == 0) & (two == 0)
    if np.any(np.signbit(one[zeros]) != np.signbit(two[zeros])):
        return False
    scale = np.max(np.abs(one), initial=0)
    return bool(np.all(np.abs(one - two) <= ROUNDING * np.finfo(one.dtype).eps * scale))


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size > 6:
        return (
            f"an array {value.dtype}{list(value.shape)} of {reprlib.repr(value.ravel().tolist())}"
        )
    return reprlib.repr(value)


# -- line by line ----------------------------------------------------------------------------------


class _Line(NamedTuple):
    """A line that is about to run, the one before it in the same call, and what that changed."""

    code: CodeType
    line: int
    before: int
    changed: Mapping[str, Any]

    def __str__(self) -> str:
        return place(self.code, self.line)


class _Parting(NamedTuple):
    """The line at which two runs part, and how."""

    line: str
    how: str


class _Lines:
    """The lines of the user's code that run while this is entered, with changed variables."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self.home = home_of(f)
        self.lines: list[_Line] = []
        self.variables: dict[FrameType, tuple[int, dict[str, Any]]] = {}
        self.previous: Any = None

    def __enter__(self) -> None:
        self.previous = sys.gettrace()
        sys.settrace(self._called)

    def __exit__(self, *_: Any) -> None:
        sys.settrace(self.previous)
        self.variables.clear()

    def _called(self, frame: FrameType, event: str, arg: Any) -> Any:
        return self._stepped if is_users(frame.f_code.co_filename, self.home) else None

    def _stepped(self, frame: FrameType, event: str, arg: Any) -> Any:
        if len(self.lines) >= EVENTS:
            return None
        if event in ("line", "return"):
            before, known = self.variables.get(frame, (frame.f_lineno, {}))
            now = {name: _kept(value) for name, value in dict(frame.f_locals).items()}
            if event == "return":
                now["the result"] = _kept(arg)
            changed = {
                name: value
                for name, value in now.items()
                if name not in known or not _agree(known[name], value)
            }
            self.lines.append(_Line(frame.f_code, frame.f_lineno, before, changed))
            self.variables[frame] = frame.f_lineno, now
            if event == "return":
                del self.variables[frame]
        return self._stepped


class _Large:
    """In place of a variable that is not compared."""


def _kept(value: Any) -> Any:
    """A variable as it is now: a copy, without traces."""
    value = concrete(value)
    if isinstance(value, np.ndarray):
        return value.copy() if value.size <= ELEMENTS and value.dtype.kind != "O" else _Large()
    if isinstance(value, (*_NUMERIC, str, bytes, type(None))):
        return value
    if type(value) in (tuple, list) and len(value) <= ELEMENTS:
        return type(value)(map(_kept, value))
    if type(value) is dict and len(value) <= ELEMENTS:
        return {key: _kept(item) for key, item in value.items()}
    return _Large()


def _parting(plain: _Lines, traced: _Lines) -> _Parting | None:
    """Where the lines of two runs part."""
    for i, (one, two) in enumerate(zip(plain.lines, traced.lines, strict=False)):
        if (one.code, one.line) != (two.code, two.line):
            if not i:
                return None
            last = plain.lines[i - 1]
            return _Parting(str(last), f"Plain, it goes on at\n  {one}\nand traced at\n  {two}")
        for name in one.changed.keys() | two.changed.keys():
            a, b = (line.changed.get(name, _Large()) for line in (one, two))
            if not _agree(a, b):
                line = place(one.code, one.before)
                return _Parting(
                    line, f"after which {name} is {_text(a)} plain and {_text(b)} traced"
                )
    return None
