"""The functions of ``math`` and ``cmath``: their values to the last bit, and NumPy's derivatives.

``math.sin`` is the C library's function, ``np.sin`` NumPy's own; their last bits differ. So each is
a primitive of its own, named as its function. Where ``math`` raises an error the value is NumPy's
(NaN, or an infinity): the error is raised where the value is known, by ``wengert.stand_ins``.

In native code they are the C library's functions too, or CPython's formulas (``hypot``, and most of
``cmath``: ``compile/complex_mathematics``). What has neither (``gamma``, ``lgamma``, ``fsum``) is
called out to the evaluator.

Operands are float64 or complex128, as ``math`` converts them.
"""

from __future__ import annotations

import cmath
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..forks import imported
from ..kinds import Elementwise, Nonlinear, elementwise, floating, linear, mul0, nonlinear
from ..primitive import Example, Operand, Primitive, Radicand, operand_type
from ..program import Array, Type
from . import arithmetic, elementary
from .arithmetic import slope_of_number

__all__ = [
    "COMPLEX",
    "EXACT_FUNCTIONS",
    "REAL",
    "STATISTICS",
    "absolute_of_parts",
    "complex_of_parts",
    "decimal_round",
    "exact_dot",
    "exact_sum",
    "exponent",
    "fraction",
    "hypot_of_three",
    "length",
    "polygamma",
    "python_quotient",
]

REAL: dict[Any, Elementwise] = {}
"""The primitive of each function of ``math`` that is one of real numbers."""

COMPLEX: dict[Any, Elementwise] = {}
"""The same of ``cmath``."""


def _dtype(operands: Sequence[Array]) -> np.dtype[Any]:
    """The dtype of a real result, as ``floating`` has it of the operands' types."""
    dtype = np.result_type(*operands)
    return dtype if dtype.kind in "fc" else np.dtype(np.float64)


# -- values ----------------------------------------------------------------------------------------


_ERRORS = (ValueError, ArithmeticError)


class _Each:
    """A function of Python's numbers as a function of numbers and arrays of NumPy's.

    Where it raises an error the value is that of ``otherwise``.
    """

    def __init__(
        self, function: Callable[..., Any], otherwise: Callable[..., Any], number: type
    ) -> None:
        self.function = function
        self.otherwise = otherwise
        self.number = number
        self.dtype: Any = np.float64 if number is float else np.complex128

    def __call__(self, *operands: Array) -> Array:
        for operand in operands:
            kind = type(operand)
            if kind is not np.float64 and kind is not float and kind is not np.complex128:
                return self._of_arrays(operands)
        try:
            return self.dtype(self.function(*operands))
        except _ERRORS:
            return self.dtype(self._without_error(*operands))

    def _of_arrays(self, operands: Sequence[Array]) -> Array:
        dtype = _dtype(operands)
        if self.number is complex:
            dtype = np.result_type(dtype, np.complex64)
        arrays = np.broadcast_arrays(*operands)
        columns = [array.ravel().tolist() for array in arrays]
        try:
            values = list(map(self.function, *columns))
        except _ERRORS:
            values = list(map(self._one, *columns))
        return np.array(values, dtype).reshape(arrays[0].shape)[()]

    def _one(self, *numbers: Any) -> Any:
        try:
            return self.function(*numbers)
        except _ERRORS:
            return self._without_error(*numbers)

    def _without_error(self, *numbers: Any) -> Any:
        with np.errstate(all="ignore"):
            return self.otherwise(*map(self.dtype, numbers))


def _like(
    function: Any,
    partials: Sequence[Any] | int,
    otherwise: Callable[..., Any],
    **facts: Any,
) -> None:
    """Declare the primitive of a function of ``math`` with these partial derivatives."""
    name = f"math.{function.__name__}"
    value = _Each(function, otherwise, float)
    REAL[function] = elementwise(name, value, partials, dtype=floating, **facts)


def _partials(primitive: Elementwise) -> list[Any]:
    return [p and (p.factor if p.rule is None else p.rule) for p in primitive.partials]


def _as_numpys(function: Any, primitive: Elementwise) -> None:
    """Declare the primitive of a function of ``math`` that NumPy has too."""
    assert isinstance(primitive.ufunc, np.ufunc)
    own = function.__name__ in EXACT_FUNCTIONS
    _like(
        function,
        _partials(primitive),
        primitive.ufunc,
        domain=primitive.domain,
        radicand=primitive.radicand,
        lower=None if own else primitive.lower or primitive.name,
    )


EXACT_FUNCTIONS = (
    "acos acosh asin asinh atan atan2 atanh cbrt cos cosh erf erfc exp exp2 expm1 fmod log log10 "
    "log1p log2 pow sin sinh tan tanh"
).split()
"""Functions of ``math`` that are the C library's."""

for _name, _primitive in (
    ("sin", elementary.sin),
    ("cos", elementary.cos),
    ("tan", elementary.tan),
    ("asin", elementary.arcsin),
    ("acos", elementary.arccos),
    ("atan", elementary.arctan),
    ("atan2", elementary.arctan2),
    ("sinh", elementary.sinh),
    ("cosh", elementary.cosh),
    ("tanh", elementary.tanh),
    ("asinh", elementary.arcsinh),
    ("acosh", elementary.arccosh),
    ("atanh", elementary.arctanh),
    ("exp", elementary.exp),
    ("exp2", elementary.exp2),
    ("expm1", elementary.expm1),
    ("log", elementary.log),
    ("log2", elementary.log2),
    ("log10", elementary.log10),
    ("log1p", elementary.log1p),
    ("sqrt", elementary.sqrt),
    ("cbrt", elementary.cbrt),
    ("degrees", elementary.degrees),
    ("radians", elementary.radians),
    ("fabs", arithmetic.fabs),
    ("copysign", arithmetic.copysign),
    ("fmod", arithmetic.fmod),
):
    _as_numpys(getattr(math, _name), _primitive)

_as_numpys(math.pow, arithmetic.power)


def _nan(*_: Any) -> float:
    return math.nan


_like(
    math.remainder,
    [
        lambda ans: slope_of_number.bind(ans),
        lambda x, y, ans: -(np.rint((x - ans) / y) * slope_of_number.bind(ans)),
    ],
    _nan,
    domain=(0.7, 0.9),
    doc="What is left of x beside the multiple of y that is nearest to it.",
)
_like(math.nextafter, [1, lambda: 0.0], _nan, lower="nextafter")
_like(math.ulp, 0, _nan)

if hasattr(math, "fma"):
    _like(getattr(math, "fma"), [lambda y: y, lambda x: x, 1], lambda x, y, z: x * y + z)  # noqa: B009


# -- lengths ---------------------------------------------------------------------------------------


def _hypot(*coordinates: float) -> float:
    return math.hypot(*coordinates)


_SPLIT = float(2**27 + 1)
"""Times this, a number is parted into two of half its digits."""


def _product(x: Array, y: Array) -> tuple[Array, Array]:
    """A product, and its rounding error (Dekker)."""
    product = x * y
    x_high = x * _SPLIT - (x * _SPLIT - x)
    y_high = y * _SPLIT - (y * _SPLIT - y)
    x_low, y_low = x - x_high, y - y_high
    return product, x_high * y_high - product + x_high * y_low + x_low * y_high + x_low * y_low


def _length(*coordinates: Array) -> Array:
    """The length as CPython computes it (Mathmodule.c, ``vector_norm``).

    A sum of exact squares of numbers of the size of 1, a root, and one step of Newton's.
    """
    sizes = [abs(x) for x in coordinates]
    largest = sizes[0]
    for size in sizes[1:]:
        largest = np.maximum(largest, size)
    unit = np.spacing(largest)
    scale = np.where(largest > 1, 1 / unit * 2.0**-53, 1 / (unit * 2.0**53))
    total, low, lost = 1.0, 0.0, 0.0

    def add(x: Array, y: Array) -> None:
        nonlocal total, low, lost
        product, error = _product(x, y)
        sum_ = total + product
        low, lost, total = low + error, lost + (total - sum_ + product), sum_

    for size in sizes:
        add(size * scale, size * scale)
    root = np.sqrt(total - 1.0 + (low + lost))
    add(-root, root)
    root = (root + (total - 1.0 + (low + lost)) / (2.0 * root)) / scale
    root = np.where(largest > 0, root, largest)
    infinite = np.isinf(coordinates[0])
    for x in coordinates[1:]:
        infinite = infinite | np.isinf(x)
    return np.where(infinite, math.inf, root)


REAL[math.hypot] = elementwise(
    "math.hypot",
    _Each(_hypot, np.hypot, float),
    _partials(arithmetic.hypot),
    dtype=floating,
    radicand=arithmetic.LENGTH_IN_THE_PLANE,
    lower=lambda x, y: _length(x, y).astype(floating((Type.of(x),))),
    doc="Of two numbers. The derivative at (0, 0) is 0.",
)


def _share(x: Array, y: Array) -> Array:
    """x / y, and 0 where y is 0."""
    zero = y == 0
    return np.where(zero, 0, x / np.where(zero, 1, y))


hypot_of_three = elementwise(
    "math.hypot_of_three",
    _Each(_hypot, lambda x, y, z: np.hypot(np.hypot(x, y), z), float),
    [lambda x, ans: _share(x, ans), lambda y, ans: _share(y, ans), lambda z, ans: _share(z, ans)],
    dtype=floating,
    radicand=Radicand(2, lambda x, y, z: x * x + y * y + z * z, homogeneous=True),
    lower=lambda x, y, z: _length(x, y, z).astype(floating((Type.of(x),))),
    doc="The derivative at 0 is 0.",
)


def _rows(function: Callable[..., float]) -> Callable[..., Array]:
    """A function of lists as one of the rows of arrays; an array without its last axis."""

    def evaluate(*operands: Array) -> Array:
        arrays = np.broadcast_arrays(*operands)
        shape = arrays[0].shape
        rows = [array.reshape(-1, shape[-1]).tolist() for array in arrays]
        count = math.prod(shape[:-1])
        values = [function(*(each[i] for each in rows)) for i in range(count)]
        return np.array(values, _dtype(operands)).reshape(shape[:-1])[()]

    return evaluate


def _row_type(*operands: Operand) -> Type:
    shapes = [operand_type(operand).shape for operand in operands]
    return Type(np.broadcast_shapes(*shapes)[:-1], floating(operands))


def _over(x: Array, y: Array) -> Array:
    """x / y for each row x, and 0 where y is 0."""
    return _share(x, np.expand_dims(y, -1))


length = nonlinear(
    "math.hypot_of_row",
    _rows(lambda row: math.hypot(*row)),
    types=_row_type,
    jvps=[lambda x_dot, ans, x: np.sum(mul0.bind(x_dot, _over(x, ans)), axis=-1)],
    transposes=[lambda ct, ans, x: mul0.bind(np.expand_dims(ct, -1), _over(x, ans))],
    batch=lambda size, operands, batched: length.bind(operands[0]),
    examples=[Example(((3,),)), Example(((2, 4),))],
    doc="math.hypot of the numbers along the last axis. The derivative at 0 is 0.",
)
length.radicand = Radicand(2, lambda x: np.sum(x * x, axis=-1), homogeneous=True)


# -- sums without rounding errors ------------------------------------------------------------------


def _fsum(row: list[float]) -> float:
    try:
        return math.fsum(row)
    except _ERRORS:
        return sum(row)


exact_sum = linear(
    "math.fsum",
    _rows(_fsum),
    types=_row_type,
    transposes=[
        lambda ct, x: np.broadcast_to(np.expand_dims(ct, -1), x.shape).astype(x.dtype),
    ],
    batch=lambda size, operands, batched: exact_sum.bind(operands[0]),
    examples=[Example(((3,),)), Example(((2, 4),))],
    doc="math.fsum of the numbers along the last axis.",
)


def _sumprod(p: list[float], q: list[float]) -> float:
    exact: Callable[..., float] | None = getattr(math, "sumprod", None)
    return exact(p, q) if exact is not None else sum(map(operator.mul, p, q))


def _expanded(size: int, operands: Sequence[Array], batched: Sequence[bool]) -> list[Array]:
    return [
        o if b else np.broadcast_to(o, (size, *o.shape))
        for o, b in zip(operands, batched, strict=True)
    ]


exact_dot = nonlinear(
    "math.sumprod",
    _rows(_sumprod),
    types=_row_type,
    jvps=[
        lambda x_dot, ans, x, y: np.sum(x_dot * y, axis=-1),
        lambda y_dot, ans, x, y: np.sum(x * y_dot, axis=-1),
    ],
    batch=lambda size, operands, batched: exact_dot.bind(*_expanded(size, operands, batched)),
    examples=[Example(((3,), (3,))), Example(((2, 4), (2, 4)))],
    doc="math.sumprod of the numbers along the last axes, of one shape.",
)


# -- means and variances, exact but for one rounding -----------------------------------------------

STATISTICS: dict[str, Primitive] = {}
"""The primitive of each function of ``statistics`` that is computed with fractions, of a row."""


def _statistic(name: str, slope: Callable[[Array, Array], Array]) -> None:
    """Declare a function of ``statistics``, whose derivative is ``slope(row, result)``."""

    def value(row: list[float]) -> float:
        import statistics  # It takes long to import, and most programs do without.

        try:
            return float(getattr(statistics, name)(row))
        except ValueError:  # Of negative numbers there is no harmonic mean.
            return math.nan

    primitive: Nonlinear = nonlinear(
        f"statistics.{name}",
        _rows(value),
        types=_row_type,
        jvps=[lambda x_dot, ans, x: np.sum(mul0.bind(x_dot, slope(x, ans)), axis=-1)],
        transposes=[lambda ct, ans, x: mul0.bind(np.expand_dims(ct, -1), slope(x, ans))],
        batch=lambda size, operands, batched: primitive.bind(operands[0]),
        domain=(0.5, 2.0),
        examples=[Example(((3,),)), Example(((2, 4),))],
    )
    STATISTICS[name] = primitive


def _deviations(x: Array) -> Array:
    return x - np.mean(x, axis=-1, keepdims=True)


_statistic("mean", lambda x, ans: np.ones_like(x) / x.shape[-1])
_statistic("harmonic_mean", lambda x, ans: np.square(np.expand_dims(ans, -1) / x) / x.shape[-1])
_statistic("variance", lambda x, ans: 2 * _deviations(x) / (x.shape[-1] - 1))
_statistic("pvariance", lambda x, ans: 2 * _deviations(x) / x.shape[-1])
_statistic("stdev", lambda x, ans: _over(_deviations(x) / (x.shape[-1] - 1), ans))
_statistic("pstdev", lambda x, ans: _over(_deviations(x) / x.shape[-1], ans))


# -- the error function, and the gamma function ----------------------------------------------------

_SLOPE = 2 / math.sqrt(math.pi)

_like(math.erf, [lambda x: _SLOPE * np.exp(-x * x)], _nan)
_like(math.erfc, [lambda x: -_SLOPE * np.exp(-x * x)], _nan)


def _polygamma(x: Array, order: int) -> Array:
    special, kind = imported("scipy.special"), _dtype((x,))
    x = np.asarray(x, kind)
    return (special.polygamma(order, x) if order else special.digamma(x)).astype(kind)[()]


def _polygamma_type(x: Operand, order: int) -> Type:
    return Type(operand_type(x).shape, floating((x,)))


def _next_polygamma(x_dot: Array, ans: Array, x: Array, order: int) -> Array:
    return mul0.bind(x_dot, polygamma.bind(x, order=order + 1))


polygamma: Nonlinear = nonlinear(
    "polygamma",
    _polygamma,
    types=_polygamma_type,
    jvps=[_next_polygamma],
    batch=lambda size, operands, batched, order: polygamma.bind(operands[0], order=order),
    domain=(0.3, 3.0),
    examples=[Example(((3,),), {"order": order}) for order in (0, 1)],
    doc="The derivative of this order of digamma, which is that of the logarithm of gamma.",
)


def _digamma(x: Array) -> Array:
    return polygamma.bind(x, order=0)


_like(
    math.gamma,
    [lambda x, ans: mul0.bind(ans, _digamma(x))],
    lambda x: math.copysign(math.inf, x) if x == 0 or x > 0 else math.nan,
    domain=(0.3, 3.0),
)
_like(math.lgamma, [_digamma], lambda x: math.inf, domain=(0.3, 3.0))


# -- powers of two, and decimals -------------------------------------------------------------------


def _exponent(x: Array) -> Array:
    exponents = [math.frexp(each)[1] for each in np.ravel(x).tolist()]
    return np.array(exponents, np.int64).reshape(np.shape(x))[()]


exponent = elementwise(
    "math.exponent",
    _exponent,
    0,
    arity=1,
    dtype=lambda operands: np.dtype(np.int64),
    doc="The exponent of math.frexp(x): x is less than the power of 2, and not less than half.",
)


def _fraction(x: float) -> float:
    return math.modf(x)[0]


fraction = elementwise(
    "math.fraction",
    _Each(_fraction, _fraction, float),
    [1],
    dtype=floating,
    lower=lambda x: np.copysign(np.where(np.isinf(x), 0, x - np.trunc(x)), x),
    doc="What is left of x beside its integer part.",
)


def _decimal_round(x: Array, digits: int) -> Array:
    if type(x) is np.float64:
        return np.float64(round(float(x), digits))
    array = np.asarray(x)
    values = [round(each, digits) for each in array.ravel().tolist()]
    return np.array(values, _dtype((x,))).reshape(array.shape)[()]


decimal_round = nonlinear(
    "decimal_round",
    _decimal_round,
    types=lambda x, digits: Type(operand_type(x).shape, floating((x,))),
    jvps=0,
    batch=lambda size, operands, batched, digits: decimal_round.bind(operands[0], digits=digits),
    examples=[Example(((3,),), {"digits": 1})],
    doc="round(x, digits) as of Python's numbers, to the nearest decimal number.",
)


# -- complex numbers -------------------------------------------------------------------------------


def _complex_type(operands: Sequence[Operand]) -> np.dtype[Any]:
    return np.result_type(floating(operands), np.complex64)


_EXAMPLES = (
    Example((np.array([0.7 + 1.2j, -0.5 + 0.25j, 1.5 - 1.0j]),)),
    Example((np.complex128(0.3 + 0.4j),)),
)

for _name, _primitive in (
    ("sin", elementary.sin),
    ("cos", elementary.cos),
    ("tan", elementary.tan),
    ("asin", elementary.arcsin),
    ("acos", elementary.arccos),
    ("atan", elementary.arctan),
    ("sinh", elementary.sinh),
    ("cosh", elementary.cosh),
    ("tanh", elementary.tanh),
    ("asinh", elementary.arcsinh),
    ("acosh", elementary.arccosh),
    ("atanh", elementary.arctanh),
    ("exp", elementary.exp),
    ("log", elementary.log),
    ("log10", elementary.log10),
    ("sqrt", elementary.sqrt),
):
    _function = getattr(cmath, _name)
    assert isinstance(_primitive.ufunc, np.ufunc)
    COMPLEX[_function] = elementwise(
        f"cmath.{_name}",
        _Each(_function, _primitive.ufunc, complex),
        _partials(_primitive),
        dtype=_complex_type,
        examples=_EXAMPLES,
    )


def _absolute(x: float, y: float) -> float:
    return abs(complex(float(x), float(y)))


absolute_of_parts = elementwise(
    "cmath.abs",
    _Each(_absolute, np.hypot, float),
    _partials(arithmetic.hypot),
    dtype=floating,
    radicand=arithmetic.LENGTH_IN_THE_PLANE,
    doc="The absolute value of a complex number of Python's, from its parts.",
)

COMPLEX[cmath.rect] = elementwise(
    "cmath.rect",
    _Each(cmath.rect, lambda r, phi: r * np.exp(1j * phi), complex),
    [lambda y: np.exp(1j * y), lambda ans: 1j * ans],
    dtype=_complex_type,
    doc="The complex number of this length and angle.",
)


def _quotient(x: complex, y: complex) -> complex:
    return complex(x) / complex(y)


python_quotient = elementwise(
    "cmath.divide",
    _Each(_quotient, np.divide, complex),
    _partials(arithmetic.divide),
    dtype=_complex_type,
    domain=(0.5, 2.0),
    text="{0} / {1}",
    doc="The quotient of complex numbers as Python computes it.",
)


def _of_parts(x: float, y: float) -> complex:
    if np.iscomplexobj(x) or np.iscomplexobj(y):
        raise TypeError("the parts of a complex number are real")
    return complex(x, y)


complex_of_parts = elementwise(
    "complex",
    _Each(_of_parts, complex, complex),
    [1, lambda: 1j],
    dtype=_complex_type,
    text="complex({0}, {1})",
    doc="The complex number of these parts.",
)
