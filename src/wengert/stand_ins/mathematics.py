"""``math`` and ``cmath``: what their functions make of traced numbers.

The table ``FUNCTIONS_OF`` has every function of the two modules, by how it is treated. Values are
those of the function itself, to the last bit, and so are its errors, wherever the value is known.
Where it is not (``vmap``, bodies of loops) the value is NumPy's where ``math`` raises an error:
NaN, or an infinity. Under ``jit`` a path is taken for finite results, and what it takes for others
is decided by the function itself.
"""

from __future__ import annotations

import cmath
import functools
import math
import operator
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, cast

import numpy as np

from ..errors import REFUSALS
from ..functions.creation import array as joined_array
from ..kinds import via
from ..primitive import UFUNCS, Traced
from ..primitives.mathematics import (
    COMPLEX,
    REAL,
    absolute_of_parts,
    exact_dot,
    exact_sum,
    exponent,
    fraction,
    hypot_of_three,
    length,
    python_quotient,
)
from ..trace import (
    FUNCTIONS,
    PythonNumber,
    Trace,
    Tracer,
    concrete,
    known,
    perhaps,
    python_number,
)
from ..trace.number import set_class
from . import native
from .conversion import as_complex, as_float
from .install import STANDING_IN, applied, stands_in, stands_in_for

__all__ = ["FUNCTIONS_OF", "compensated_sum", "plain"]

FUNCTIONS_OF: dict[str, dict[str, str]] = {
    "derivative": {
        "math": "acos acosh asin asinh atan atan2 atanh cbrt copysign cos cosh degrees dist erf "
        "erfc exp exp2 expm1 fabs fma fmod fsum gamma hypot ldexp lgamma log log10 log1p log2 "
        "nextafter pow radians remainder sin sinh sqrt sumprod tan tanh",
        "cmath": "acos acosh asin asinh atan atanh cos cosh exp log log10 phase polar rect sin "
        "sinh sqrt tan tanh",
    },
    "parts": {"math": "frexp modf"},
    "constant": {
        "math": "isclose isfinite isinf isnan ulp",
        "cmath": "isclose isfinite isinf isnan",
    },
    "whole": {"math": "comb factorial gcd isqrt lcm perm"},
    "operators": {"math": "ceil floor prod trunc"},
}
"""The functions of each module, by what they make of a traced number.

``derivative``: a number with a derivative. ``parts``: two, of which one has. ``constant``: what
has the derivative 0 wherever it has one. ``whole``: an error, as for any float; of a traced integer
the result for its value. ``operators``: what the number's own operators and methods make of it;
nothing stands in.
"""


# -- plain values, and the errors of the functions themselves --------------------------------------


def plain(x: Any) -> Any:
    """The plain value of an argument; where it is not known, zeros of its kind."""
    if isinstance(x, (list, tuple)):
        return type(x)(map(plain, x))
    if not isinstance(x, Traced):
        return x
    value = concrete(x)
    return _standing(x, np.zeros(x.shape, x.dtype) if value is None else value)


def _standing(x: Any, value: Any) -> Any:
    """A value as what a traced one stands for: an array, or a number of NumPy's or Python's."""
    if type(x).assignable:
        return np.asarray(value)
    return np.asarray(value).item() if type(x).python else np.asarray(value)[()]


def _plainly(original: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """A function called with plain values: for its error, or where they are all known."""
    return original(*map(plain, args), **{key: plain(x) for key, x in kwargs.items()})


def _forced(x: Any) -> Any:
    """The plain value of an argument, for which a trace may have to answer."""
    if isinstance(x, (list, tuple)):
        return type(x)(map(_forced, x))
    return _standing(x, perhaps(x)) if isinstance(x, Traced) else x


def _answered(value: Any) -> bool:
    """Whether a trace answers for what is below a traced value, as ``jit`` does."""
    while isinstance(value._value, Traced):
        value = value._value
    return type(value._trace).force is not Trace.force


def _checked(original: Any, args: Sequence[Any], result: Any) -> Any:
    """The result of a function, or its error, which it raises only where it is not finite."""
    value = concrete(result)
    if value is not None:
        if not cmath.isfinite(value):
            original(*map(plain, args))
    elif _answered(result):
        finite = UFUNCS[np.isfinite].bind(result)
        if not known(finite, "whether a result is finite of", "np.isfinite(x)"):
            original(*map(_forced, args))
    return result


def _operands(original: Any, args: Sequence[Any], convert: Callable[[Any], Any]) -> list[Any]:
    """Arguments converted to numbers, or the function's own error."""
    try:
        return [convert(x) if isinstance(x, Traced) else _number(x, convert) for x in args]
    except TypeError:
        original(*map(plain, args))
        raise


def _number(x: Any, convert: Callable[[Any], Any]) -> Any:
    """A plain argument as the functions convert it: of a string they make no number."""
    x = plain(x)
    if convert is as_float:
        return math.ldexp(x, 0)
    return complex(x) if not isinstance(x, str) else cmath.exp(cast("Any", x))  # an error


def _apply(original: Any, primitive: Any, operands: Sequence[Any], args: Sequence[Any]) -> Any:
    """The result of a primitive as one of Python's numbers, or the error of its function."""
    result = primitive.bind(*operands)
    if primitive.radicand is not None:
        FUNCTIONS["note root"](primitive, result, operands)
    return _checked(original, args, python_number(result))


# -- functions of numbers --------------------------------------------------------------------------


def _of_numbers(original: Any, primitive: Any, convert: Callable[[Any], Any]) -> None:
    def stand_in(*args: Any, **kwargs: Any) -> Any:
        if kwargs or len(args) != primitive.arity:
            return _plainly(original, args, kwargs)  # the error
        return _apply(original, primitive, _operands(original, args, convert), args)

    STANDING_IN[original] = stand_in
    real = original in REAL
    stands_in_for(lambda: [native.function(original, _direct(stand_in, original, primitive, real))])


def _direct(
    stand_in: Callable[..., Any], original: Any, primitive: Any, real: bool
) -> Callable[..., Any]:
    """What the hook of a function calls, with a short way for numbers of one trace.

    Their values are float64 and known; any others go the way of all stand-ins.
    """
    general = applied(stand_in, original, always=True)
    arity = primitive.arity

    def apply(*args: Any, **kwargs: Any) -> Any:
        trace = None
        for x in args:
            kind = type(x)
            if kind is PythonNumber or kind is Tracer:
                if type(x._value) is not np.float64 or trace not in (None, x._trace):
                    return general(*args, **kwargs)
                trace = x._trace
            elif kind is not float:
                return general(*args, **kwargs)
        if trace is None or kwargs or len(args) != arity:
            return general(*args, **kwargs)
        try:
            result = trace.process(primitive, args, {})
        except REFUSALS as error:
            trace.refused(error)
            raise
        if type(result) is not Tracer:  # of ulp
            return python_number(result)
        if not math.isfinite(result._value):
            original(*map(plain, args))
        set_class(result, PythonNumber)
        if primitive.radicand is not None:
            FUNCTIONS["note root"](primitive, result, args)
        return result

    return apply if real else general


_OTHERS = (math.hypot, math.log, math.nextafter, cmath.log, cmath.rect)
"""Functions that take more than the operands of their primitive."""

for _function, _primitive in REAL.items():
    if _function not in _OTHERS:
        _of_numbers(_function, _primitive, as_float)
for _function, _primitive in COMPLEX.items():
    if _function not in _OTHERS:
        _of_numbers(_function, _primitive, as_complex)
_of_numbers(cmath.rect, COMPLEX[cmath.rect], as_float)


def _logarithm(original: Any, primitive: Any, convert: Any, divide: Any) -> None:
    def logarithm(x: Any) -> Any:
        if not isinstance(x, Traced):
            with suppress(ValueError):  # One of both together is raised.
                return original(x)
        return python_number(primitive.bind(*_operands(original, (x,), convert)))

    @stands_in(original, always=True)
    def log(*args: Any, **kwargs: Any) -> Any:
        if kwargs or not 1 <= len(args) <= 2:
            return _plainly(original, args, kwargs)
        if len(args) == 1:
            return _apply(original, primitive, _operands(original, args, convert), args)
        parts = [_checked(original, args, logarithm(x)) for x in args]
        if concrete(parts[1]) == 0:
            return original(*map(plain, args))  # the error
        with np.errstate(invalid="ignore"):
            return _apply(original, divide, parts, args)


_logarithm(math.log, REAL[math.log], as_float, UFUNCS[np.divide])
_logarithm(cmath.log, COMPLEX[cmath.log], as_complex, python_quotient)


@stands_in(math.nextafter, always=True)
def _nextafter(*args: Any, **kwargs: Any) -> Any:
    steps = kwargs.get("steps")
    if len(args) != 2 or kwargs.keys() - {"steps"}:
        return _plainly(math.nextafter, args, kwargs)
    if kwargs:
        math.nextafter(0.0, 0.0, **kwargs)  # its errors
    x, y = _operands(math.nextafter, args, as_float)
    for _ in range(1 if steps is None else operator.index(steps)):
        x = python_number(REAL[math.nextafter].bind(x, y))
    return x


@stands_in(math.ldexp, always=True)
def _ldexp(*args: Any, **kwargs: Any) -> Any:
    if kwargs or len(args) != 2:
        return _plainly(math.ldexp, args, kwargs)
    x, count = args
    if isinstance(count, Traced):
        if count.dtype.kind not in "iub":
            return math.ldexp(*map(plain, args))
        value = concrete(count)
        count = count if value is None else int(value)
    else:
        math.ldexp(0.0, count)
    if not isinstance(count, Traced):
        count = max(min(count, 1 << 14), -(1 << 14))
    (x,) = _operands(math.ldexp, (x,), as_float)
    with np.errstate(over="ignore"):
        result = python_number(np.ldexp(_strong(x), count))
    return _checked(math.ldexp, args, result)


def _strong(x: Any) -> Any:
    return x.strong() if isinstance(x, Traced) else np.float64(x)


@stands_in(math.frexp, always=True)
def _frexp(*args: Any, **kwargs: Any) -> Any:
    if kwargs or len(args) != 1:
        return _plainly(math.frexp, args, kwargs)
    (x,) = _operands(math.frexp, args, as_float)
    power = exponent.bind(x)
    return python_number(np.ldexp(_strong(x), -power)), python_number(power)


@stands_in(math.modf, always=True)
def _modf(*args: Any, **kwargs: Any) -> Any:
    if kwargs or len(args) != 1:
        return _plainly(math.modf, args, kwargs)
    (x,) = _operands(math.modf, args, as_float)
    return python_number(fraction.bind(x)), python_number(np.trunc(_strong(x)))


# -- functions of several numbers ------------------------------------------------------------------


def _row(numbers: Sequence[Any]) -> Any:
    """Numbers in a row, as an array of float64."""
    return joined_array(list(numbers), np.float64)


@stands_in(math.hypot, always=True)
def _hypot(*args: Any, **kwargs: Any) -> Any:
    if kwargs:
        return _plainly(math.hypot, args, kwargs)
    return _length(math.hypot, _operands(math.hypot, args, as_float), args)


def _length(original: Any, numbers: Sequence[Any], args: Sequence[Any]) -> Any:
    if len(numbers) == 1:
        return _apply(original, REAL[math.fabs], numbers, args)
    if len(numbers) == 2:
        return _apply(original, REAL[math.hypot], numbers, args)
    if len(numbers) == 3:
        return _apply(original, hypot_of_three, numbers, args)
    return _apply(original, length, (_row(numbers),), args)


@stands_in(math.dist, always=True)
def _dist(*args: Any, **kwargs: Any) -> Any:
    if kwargs or len(args) != 2:
        return _plainly(math.dist, args, kwargs)
    if not all(isinstance(x, (tuple, list)) or np.ndim(plain(x)) for x in args):
        return _plainly(math.dist, args, kwargs)
    p, q = (tuple(points) for points in args)
    if len(p) != len(q) or not p:
        return math.dist(tuple(map(plain, p)), tuple(map(plain, q)))
    p = _operands(lambda *p: math.dist(p, p), p, as_float)
    q = _operands(lambda *q: math.dist(q, q), q, as_float)
    with np.errstate(all="ignore"):
        numbers = list(map(operator.sub, p, q))
    return _length(lambda *_: None, numbers, ())


@stands_in(math.fsum, always=True, iterators=True)
def _fsum(*args: Any, **kwargs: Any) -> Any:
    if kwargs or len(args) != 1:
        return _plainly(math.fsum, args, kwargs)
    values = list(args[0])
    numbers = _operands(lambda *x: math.fsum(x), values, as_float)
    return _apply(lambda *x: math.fsum(x), exact_sum, (_row(numbers),), values)


def _sumprod(*args: Any, **kwargs: Any) -> Any:
    exact = getattr(math, "sumprod")  # noqa: B009
    if kwargs or len(args) != 2:
        return _plainly(exact, args, kwargs)
    p, q = map(list, args)
    if len(p) != len(q):
        return exact(list(map(plain, p)), list(map(plain, q)))
    if not p:
        return exact(p, q)
    numbers = [_row(_operands(lambda *x: exact(x, x), each, as_float)) for each in (p, q)]
    return _apply(exact, exact_dot, numbers, (p, q))


if hasattr(math, "sumprod"):
    stands_in(getattr(math, "sumprod"), always=True, iterators=True)(_sumprod)  # noqa: B009


# -- Python's sum ----------------------------------------------------------------------------------


def compensated_sum(numbers: Iterable[Any], /, start: Any = 0) -> Any:
    """``sum(numbers, start)`` of Python 3.12 and later, which corrects the sum of floats.

    Its algorithm is Neumaier's. The derivative is that of the sum as it would be without.
    """
    values = [start, *numbers]
    total = functools.reduce(operator.add, values)
    if not all(_is_float(x) for x in values if type(x) is not int):
        return total
    sum_: Any = values[0]
    lost: Any = 0.0
    with np.errstate(all="ignore"):
        for x in values[1:]:
            larger = sum_ + x
            lost = lost + _where(abs(sum_) >= abs(x), (sum_ - larger) + x, (x - larger) + sum_)
            sum_ = larger
        value = _where(UFUNCS[np.isfinite].bind(_strong(lost)), sum_ + lost, sum_)
    return python_number(via.bind(_strong(value), _strong(total)))


def _is_float(x: Any) -> bool:
    return x.dtype == np.float64 and type(x).python if isinstance(x, Traced) else type(x) is float


def _where(condition: Any, x: Any, y: Any) -> Any:
    if isinstance(condition, Traced):
        return python_number(FUNCTIONS[np.where](condition, _strong(x), _strong(y)))
    return x if condition else y


if sys.version_info >= (3, 12):
    stands_in(sum, iterators=True)(compensated_sum)


# -- questions -------------------------------------------------------------------------------------


def _question(original: Any, formula: Callable[..., Any], convert: Callable[[Any], Any]) -> None:
    @stands_in(original, always=True)
    def stand_in(*args: Any, **kwargs: Any) -> Any:
        values = [*args, *kwargs.values()]
        if all(concrete(x) is not None for x in values):
            return _plainly(original, args, kwargs)
        _plainly(original, args, kwargs)  # its errors
        strong = [_strong_number(x, convert) for x in args]
        return python_number(formula(*strong, **kwargs))


def _strong_number(x: Any, convert: Callable[[Any], Any]) -> Any:
    return convert(x).strong() if isinstance(x, Traced) else x


def _close(a: Any, b: Any, *, rel_tol: Any = 1e-9, abs_tol: Any = 0.0) -> Any:
    difference, larger = abs(a - b), np.maximum(abs(a), abs(b))
    near = (difference <= abs(rel_tol * larger)) | (difference <= abs_tol)
    return (a == b) | (near & np.isfinite(a) & np.isfinite(b))


for _module, _convert in ((math, as_float), (cmath, as_complex)):
    _question(_module.isnan, np.isnan, _convert)
    _question(_module.isinf, np.isinf, _convert)
    _question(_module.isfinite, np.isfinite, _convert)
    _question(_module.isclose, _close, _convert)


# -- whole numbers ---------------------------------------------------------------------------------


def _whole(original: Any) -> None:
    @stands_in(original, always=True)
    def stand_in(*args: Any, **kwargs: Any) -> Any:
        return original(*map(_integer, args), **kwargs)


def _integer(x: Any) -> Any:
    """The integer that a traced one is; of any other value the plain one, which is refused."""
    if not isinstance(x, Traced):
        return x
    return operator.index(x) if x.dtype.kind in "iub" and x.size == 1 else plain(x)


for _name in FUNCTIONS_OF["whole"]["math"].split():
    _whole(getattr(math, _name))


# -- parts of complex numbers ----------------------------------------------------------------------


@stands_in(cmath.phase, always=True)
def _phase(*args: Any, **kwargs: Any) -> Any:
    if kwargs or len(args) != 1:
        return _plainly(cmath.phase, args, kwargs)
    (z,) = _operands(cmath.phase, args, as_complex)
    if concrete(z) is not None:
        cmath.phase(*map(plain, args))  # Where its result is rounded to 0, it may be an error.
    return _angle(z)


def _angle(z: Any) -> Any:
    z = z.strong()
    return python_number(REAL[math.atan2].bind(np.imag(z), np.real(z)))


@stands_in(cmath.polar, always=True)
def _polar(*args: Any, **kwargs: Any) -> Any:
    if kwargs or len(args) != 1:
        return _plainly(cmath.polar, args, kwargs)
    (z,) = _operands(cmath.polar, args, as_complex)
    parts = np.real(z.strong()), np.imag(z.strong())
    return _apply(cmath.polar, absolute_of_parts, parts, args), _angle(z)
