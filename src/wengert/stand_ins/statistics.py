"""``statistics``: functions that compute with exact fractions, which traced numbers have not.

They are written in Python. As the pointers in objects of C are exchanged elsewhere, the code of
these functions is exchanged for one that asks whether a verb is running. The functions stay the
same objects. Means and variances are rounded once, and so they are here.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..frames import within_wengert
from ..functions.creation import array as joined_array
from ..primitive import Primitive, Traced
from ..primitives.mathematics import STATISTICS
from ..trace import concrete, python_number, unfilled
from .conversion import as_float
from .install import CODE, innermost, is_iterator
from .mathematics import plain

__all__ = ["exchanged"]


def exchanged(function: Any, call: Callable[..., Any]) -> types.CodeType:
    """The code for a function of Python's that hands its arguments over to ``call``.

    It has the parameters of the function's own, and says that it is where that is.
    """
    own = function.__code__
    names = own.co_varnames[: own.co_argcount]
    named = own.co_varnames[own.co_argcount :][: own.co_kwonlyargcount]
    space: dict[str, Any] = {}
    listed = ", ".join([*names, "*", *named] if named else names)
    given = ", ".join([*names, *(f"{name}={name}" for name in named)])
    exec(f"def template({listed}):\n    call = 'call'\n    return call({given})", space)
    code: types.CodeType = space["template"].__code__
    return code.replace(
        co_consts=tuple(call if constant == "call" else constant for constant in code.co_consts),
        co_name=own.co_name,
        co_filename=own.co_filename,
        co_firstlineno=own.co_firstlineno,
    )


def _code(function: Any, primitive: Primitive) -> tuple[Any, Any, Any]:
    original: Any = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__
    )

    def stand_in(data: Any) -> Any:
        values = list(data)
        if all(concrete(x) is not None for x in values):
            original(list(map(plain, values)))  # its errors
        elif len(values) < 2:
            original([1.0] * len(values))
        result = primitive.bind(joined_array(list(map(as_float, values)), np.float64))
        numpys = any(isinstance(x, Traced) and not type(x).python for x in values)
        return result if numpys else python_number(result)

    def call(data: Any, *given: Any) -> Any:
        if not within_wengert() or any(x is not None for x in given):
            return original(data, *given)
        data = list(data) if is_iterator(data) else unfilled(data)
        top = innermost(data)
        if top is None:
            return original(data)
        return top._trace.apply(stand_in, original, (data,), {})

    return function, function.__code__, exchanged(function, call)


def _codes() -> list[tuple[Any, Any, Any]]:
    import statistics  # It takes long to import, and is not needed before.

    return [_code(getattr(statistics, name), primitive) for name, primitive in STATISTICS.items()]


CODE.append(_codes)
