"""Which stand-ins there are, and when they are put in place."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from ..errors import CompileError
from ..frames import is_wengerts, within_wengert
from ..primitive import Traced
from ..trace import FilledArray, Trace, Tracer, handle, unfilled
from ..trace.base import ABSENT, FIRST, IMPORTED, OPEN, begin, beginning
from ..trace.views import CALIBRATE, CALIBRATING
from ..transforms.tape import Tape
from . import native

__all__ = [
    "CODE",
    "STANDING_IN",
    "applied",
    "by_wengert",
    "has_traced",
    "innermost",
    "is_iterator",
    "stand_ins",
    "stands_in",
    "stands_in_for",
    "stands_in_module",
]

STANDING_IN: dict[Any, Callable[..., Any]] = {}
"""What stands in for builtin functions."""

LATER: dict[str, dict[str, Callable[..., Any]]] = {}
"""What stands in for functions of modules that nobody may ever import."""

HOOKS: list[Callable[[], list[native.Hook]]] = []
"""What makes the hooks, when they are installed."""

CODE: list[Callable[[], list[tuple[Any, Any, Any]]]] = []
"""What gives functions written in Python, with their code and one that looks for traced values."""

OFF = "; or wg.stand_ins(True), with which this works as it is, or import wengert.numpy as np"
IMPOSSIBLE = "; or import wengert.numpy as np for import numpy as np (see docs/stand_ins.md)"
"""What to write where there are no stand-ins because they are off, or cannot be."""

_codes: list[tuple[Any, Any, Any]] = []


def _install() -> None:
    """Put all stand-ins in place. Without llvmlite, or on another interpreter, there are none."""
    ABSENT[0] = IMPOSSIBLE
    with suppress(CompileError, native.LayoutError):
        native.check_interpreter()
        if not native.prepared():
            native.prepare([hook for make in HOOKS for hook in make()], type(Tracer), FilledArray)
        if not _codes:
            _codes.extend([code for make in CODE for code in make()])
        native.exchange(True)
        _exchange_code(True)
        _calibrate(False)
        IMPORTED.update(dict.fromkeys(LATER, _import_installed))
        ABSENT[0] = ""


def _exchange_code(enable: bool) -> None:
    for function, original, ours in _codes:
        function.__code__ = ours if enable else original


def _calibrate(collector: bool) -> None:
    """Find out how many references our functions have to an array that is written to.

    ``collector`` asks the garbage collector how many of them it knows, which takes longer.

    It has to be written to by code that is not wengert's.
    """
    tape = Tape("trust")
    value = tape.input(np.zeros(1))
    for write in _WRITING:
        for target, others in (("np.zeros(1)", 1), ("x[:]", 2)):
            names: dict[str, Any] = {"np": np, "value": value}
            exec(compile(_FUNCTION.format(target, write), "<code>", "exec"), names)
            CALIBRATING[:] = [others] * (1 + collector)
            names["write"]()
    CALIBRATING.clear()
    tape.close()


CALIBRATE.append(_calibrate)

_FUNCTION = """
def write():
    x = np.zeros(1)
    y = {}
    {}
"""
"""Code that writes to an array that has one reference besides ours, or two with its view."""

_WRITING = (
    "y[:] = value",
    "y += value",
    "np.add(value, value, out=y)",
    "np.add(value, value, y)",
    "np.add(value, value, out=(y,))",
    "y.fill(value[0])",
)
"""How arrays are mostly written to."""


def _import_installed(name: str) -> None:
    """Stand in for functions of a module that has been imported meanwhile."""
    module = sys.modules[name]
    hooks = [
        native.function(getattr(module, each), writing(stand_in, getattr(module, each)))
        for each, stand_in in LATER[name].items()
        if hasattr(module, each)
    ]
    with suppress(CompileError, native.LayoutError):
        native.prepare(hooks, type(Tracer), FilledArray)
        native.exchange(True)
    del LATER[name]


def stand_ins(enable: bool) -> None:
    """Whether functions of C's that are given traced values are stood in for, in this process.

    They are from the first derivative on, unless the environment has ``WENGERT_STAND_INS=0``. With
    ``False`` the originals are put back: ``math.sin(x)``, ``np.array([x, y])``, ``plain[i] = x`` of
    traced values are errors then, and ``import wengert.numpy as np`` has what takes them.

    Example:
        >>> import math, wengert as wg
        >>> wg.stand_ins(True)
        >>> wg.grad(math.sin)(0.0)
        np.float64(1.0)
    """
    with beginning:
        if enable and _install in FIRST:
            begin()
        elif enable:
            _install()
        else:
            FIRST.clear()
            IMPORTED.clear()
            native.exchange(False)
            _exchange_code(False)
            ABSENT[0] = OFF


if os.environ.get("WENGERT_STAND_INS", "1") != "0":
    FIRST.append(_install)
else:
    ABSENT[0] = OFF


def innermost(value: Any) -> Any:
    """The traced value of the innermost trace in a nesting of lists and tuples, None for none.

    Arrays of objects in it are looked through too, each once: they can hold themselves.
    """
    return _innermost(value, {})


def _innermost(value: Any, seen: dict[int, Any]) -> Any:
    if isinstance(value, Traced):
        return value
    kind = type(value)
    if kind is FilledArray:
        value = handle(value)
        return value if isinstance(value, Traced) else None
    if kind is list or kind is tuple:
        items: Any = value
    elif kind.__name__ == "ndarray" and value.dtype.hasobject:
        if id(value) in seen:
            return None
        seen[id(value)] = value
        items = value.ravel().tolist()
    else:
        return None
    top = None
    for item in items:
        inner = _innermost(item, seen)
        if inner is not None and (top is None or inner._trace.serial > top._trace.serial):
            top = inner
    return top


def has_traced(value: Any) -> bool:
    """Whether there is a traced value in a nesting of lists and tuples."""
    return innermost(value) is not None


def is_iterator(value: Any) -> bool:
    """Whether a value can be run through once only; ``x.flat`` of a traced array is one too."""
    return hasattr(type(value), "__next__")


def by_wengert() -> bool:
    """Whether a stand-in, which calls this, was called by code of wengert's own.

    That knows traced values, and means C functions where it calls them.
    """
    return is_wengerts(sys._getframe(2).f_code.co_filename)


def applied(
    stand_in: Callable[..., Any], original: Any, always: bool = False, iterators: bool = False
) -> Callable[..., Any]:
    """What the hook calls: the stand-in, by the trace that the operands belong to.

    ``always``: also where code of wengert's own calls, which has no use of its own for it.
    ``iterators``: those among the arguments are run through, if a verb is running in this thread.
    """
    plainly = native.copy_of(original)

    def apply(*args: Any, **kwargs: Any) -> Any:
        if not always and by_wengert():
            return plainly(*args, **kwargs)
        if iterators and OPEN and within_wengert():
            args = tuple([list(x) if is_iterator(x) else x for x in args])
        args = unfilled(args)
        if kwargs:
            kwargs = {key: unfilled(each) for key, each in kwargs.items()}
        top = innermost((*args, *kwargs.values()))
        if top is None:  # an array of objects none of which is traced
            return plainly(*args, **kwargs)
        return top._trace.apply(stand_in, original, args, kwargs)

    return apply


def writing(stand_in: Callable[..., Any], original: Any) -> Callable[..., Any]:
    """What the hook calls for a function that writes into its operands.

    No trace asks the original first, as it would write too.
    """
    plainly = native.copy_of(original)

    def apply(*args: Any) -> Any:
        args = unfilled(args)
        top = innermost(args)
        if top is None:
            return plainly(*args)
        return Trace.apply(top._trace, stand_in, original, args, {})

    return apply


def stands_in(
    *originals: Any, always: bool = False, iterators: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the function stands in for builtin functions of C's."""

    def register(stand_in: Callable[..., Any]) -> Callable[..., Any]:
        for original in originals:
            STANDING_IN[original] = stand_in
            HOOKS.append(
                lambda original=original: [
                    native.function(
                        original, applied(stand_in, original, always, iterators), iterators
                    )
                ]
            )
        return stand_in

    return register


def stands_in_module(name: str, stand_ins: dict[str, Callable[..., Any]]) -> None:
    """What stands in for builtin functions of a module, once somebody has imported it."""
    LATER[name] = stand_ins


def stands_in_for(make: Callable[[], list[native.Hook]]) -> None:
    """Register what makes hooks of other kinds."""
    HOOKS.append(make)
