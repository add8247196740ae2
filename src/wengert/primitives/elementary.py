"""Elementary functions: exponentials, logarithms, trigonometric and hyperbolic functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..forks import imported
from ..kinds import Nonlinear, answer, elementwise, floating, nonlinear, unboxed
from ..primitive import Example, Operand, Radicand, operand_type
from ..program import Array, Type
from .arithmetic import SQUARE_ROOT, inverse_inside

__all__ = [
    "ROOT",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "bessel_i",
    "cbrt",
    "cos",
    "cosh",
    "deg2rad",
    "degrees",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "logistic",
    "rad2deg",
    "radians",
    "root",
    "sin",
    "sinc",
    "sinc_derivative",
    "sinc_slope",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
]

LN2 = float(np.log(2.0))
LN10 = float(np.log(10.0))

exp = elementwise("exp", np.exp, [lambda ans: ans])
exp2 = elementwise("exp2", np.exp2, [lambda ans: ans * LN2])
expm1 = elementwise("expm1", np.expm1, [lambda x: np.exp(x)])


def _over(x: Array) -> Array:
    """1 / x for the slope of a function that is not real, and so NaN, where a real x < 0."""
    return np.reciprocal(x) if x.dtype.kind == "c" else inverse_inside.bind(x)


log = elementwise("log", np.log, [lambda x: _over(x)], domain=(0.2, 3.0))
log2 = elementwise("log2", np.log2, [lambda x: _over(x * LN2)], domain=(0.2, 3.0))
log10 = elementwise("log10", np.log10, [lambda x: _over(x * LN10)], domain=(0.2, 3.0))
log1p = elementwise("log1p", np.log1p, [lambda x: _over(1 + x)], domain=(-0.6, 2.0))
sqrt = elementwise(
    "sqrt", np.sqrt, [lambda ans: 0.5 / ans], domain=(0.2, 3.0), radicand=SQUARE_ROOT
)
_CUBE_ROOT = Radicand(3, lambda x: x)

cbrt = elementwise(
    "cbrt",
    np.cbrt,
    [lambda ans: 1 / (3 * ans * ans)],
    domain=(0.2, 3.0),
    radicand=_CUBE_ROOT,
)

sin = elementwise("sin", np.sin, [lambda x: np.cos(x)])
cos = elementwise("cos", np.cos, [lambda x: -np.sin(x)])
tan = elementwise("tan", np.tan, [lambda ans: 1 + ans * ans], domain=(-1.0, 1.0))


def _cosine_of_arc(x: Array) -> Array:
    """sqrt(1 - x^2), on the sides of the branch cuts that the signs of zeros tell."""
    if x.dtype.kind == "c":
        return np.sqrt(-(x - 1)) * np.sqrt(x - -1)
    return np.sqrt((1 - x) * (1 + x))


arcsin = elementwise("arcsin", np.arcsin, [lambda x: 1 / _cosine_of_arc(x)], domain=(-0.8, 0.8))
arccos = elementwise("arccos", np.arccos, [lambda x: -1 / _cosine_of_arc(x)], domain=(-0.8, 0.8))
arctan = elementwise("arctan", np.arctan, [lambda x: 1 / (1 + x * x)])

sinh = elementwise("sinh", np.sinh, [lambda x: np.cosh(x)])
cosh = elementwise("cosh", np.cosh, [lambda x: np.sinh(x)])
tanh = elementwise("tanh", np.tanh, [lambda ans: 1 - ans * ans])


def _arcsinh_slope(x: Array) -> Array:
    """1 / sqrt(1 + x^2) without overflow where that can be avoided."""
    return 1 / (np.sqrt(x * x - -1) if x.dtype.kind == "c" else np.hypot(1, x))


arcsinh = elementwise("arcsinh", np.arcsinh, [_arcsinh_slope])
arccosh = elementwise(
    "arccosh", np.arccosh, [lambda x: 1 / (np.sqrt(x - 1) * np.sqrt(x - -1))], domain=(1.2, 3.0)
)
arctanh = elementwise(
    "arctanh", np.arctanh, [lambda x: _over((1 - x) * (1 + x))], domain=(-0.8, 0.8)
)


def _arctan2_slope(a: Array, x: Array, y: Array) -> Array:
    """a / (x^2 + y^2), and 0 at the origin."""
    r = np.hypot(x, y)
    origin = r == 0
    r = np.where(origin, 1, r)
    return np.where(origin, 0, a / r / r)


arctan2 = elementwise(
    "arctan2",
    np.arctan2,
    [lambda x, y: _arctan2_slope(y, x, y), lambda x, y: -_arctan2_slope(x, x, y)],
    domain=(0.3, 2.0),
    doc="The derivative at the origin is 0.",
)

deg2rad = elementwise("deg2rad", np.deg2rad, [lambda: float(np.pi / 180)])
rad2deg = elementwise("rad2deg", np.rad2deg, [lambda: float(180 / np.pi)])
radians = elementwise("radians", np.radians, [lambda: float(np.pi / 180)], lower="deg2rad")
degrees = elementwise("degrees", np.degrees, [lambda: float(180 / np.pi)], lower="rad2deg")


def _logistic(x: Array) -> Array:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-1.0 * x))


logistic = elementwise(
    "logistic",
    _logistic,
    [lambda x: logistic.bind(x) * logistic.bind(-x)],
    dtype=floating,
    lower=lambda x: 1 / (1 + np.exp(-1.0 * x)),
    doc="1 / (1 + exp(-x)), to full relative precision at both ends, and so are its derivatives.",
)


def _excess(x: Array, y: Array) -> Array:
    difference = x - y
    if np.isnan(np.add.reduce(difference, axis=None)):
        same = np.equal(x, y) & np.isinf(x)
        return unboxed(np.where(same, np.zeros((), difference.dtype), difference))
    return difference


excess = elementwise(
    "excess",
    _excess,
    [1, -1],
    dtype=answer(np.subtract),
    lower=lambda x, y: np.where((x == y) & np.isinf(x), 0, x - y),
    doc="x - y, and 0 where both are the same infinity.",
)
logaddexp = elementwise(
    "logaddexp",
    np.logaddexp,
    [
        lambda x, y: logistic.bind(excess.bind(x, y)),
        lambda x, y: logistic.bind(excess.bind(y, x)),
    ],
    lower=lambda x, y: np.where(
        x == y, x + LN2, np.maximum(x, y) + np.log1p(np.exp(-np.abs(x - y)))
    ),
)
logaddexp2 = elementwise(
    "logaddexp2",
    np.logaddexp2,
    [
        lambda x, y: logistic.bind(LN2 * excess.bind(x, y)),
        lambda x, y: logistic.bind(LN2 * excess.bind(y, x)),
    ],
    lower=lambda x, y: np.where(
        x == y, x + 1, np.maximum(x, y) + np.log1p(np.exp2(-np.abs(x - y))) / LN2
    ),
)
ROOT = Radicand(2, lambda x: x)

root = elementwise(
    "root",
    lambda x: np.sqrt(x),
    [lambda ans: np.where(ans == 0, 0, 0.5 / np.where(ans == 0, 1, ans))],
    dtype=answer(np.sqrt),
    domain=(0.2, 3.0),
    radicand=ROOT,
    lower=lambda x: np.sqrt(x),
    doc="The square root whose derivatives at 0 are 0: for norms and standard deviations.",
)

# -- families: functions whose derivatives are others of their kind --------------------------------


def _family_type(x: Operand, order: int) -> Type:
    return Type(operand_type(x).shape, floating((x,)))


def _family(name: str, evaluate: Any, jvp: Any, orders: tuple[int, ...], doc: str) -> Nonlinear:
    family = nonlinear(
        name,
        evaluate,
        types=_family_type,
        jvps=[jvp],
        batch=lambda size, operands, batched, order: family.bind(operands[0], order=order),
        examples=[Example(((3,),), {"order": order}) for order in orders],
        doc=doc,
    )
    return family


def _sinc_derivative(x: Array, order: int) -> Array:
    """In float64, and rounded to the dtype of x."""
    found = sinc_slope(np.pi * np.asarray(x, np.float64), order)
    return found.astype(floating((Type.of(x),)))[()]


def sinc_slope(t: Array, order: int) -> Array:
    """The derivatives of sin(t)/t at t = pi x, times pi^order. The function can be traced.

    Far from 0 by t f_n + n f_(n-1) = sin(t + n pi/2), which follows from t f = sin t and is stable
    for t > n; near 0 by the series sum_k (-1)^k t^(2k-n) / ((2k+1) (2k-n)!).
    """
    near = np.abs(t) < 1 + order / 2
    far = np.where(near, 1.0, t)
    f = np.sin(far) / far
    for n in range(1, order + 1):
        f = (np.sin(far + n * (np.pi / 2)) - n * f) / far
    small = np.where(near, t, 0.0)
    first = (order + 1) // 2
    series = np.zeros_like(t)
    for k in range(first + 14 + order, first - 1, -1):
        term = small ** (2 * k - order) / float(math.factorial(2 * k - order) * (2 * k + 1))
        series = series + (-1) ** k * term
    return np.where(near, series, f) * np.pi**order


sinc_derivative = _family(
    "sinc_derivative",
    _sinc_derivative,
    lambda x_dot, ans, x, order: x_dot * sinc_derivative.bind(x, order=order + 1),
    (1, 2),
    "The derivative of this order of sinc(x) = sin(pi x) / (pi x).",
)


def _sinc(x: Array) -> Array:
    t = np.pi * x
    t = np.where(t == 0, float(np.finfo(t.dtype).eps), t)
    return np.sin(t) / t


sinc = elementwise(
    "sinc",
    np.sinc,
    [lambda x: sinc_derivative.bind(x, order=1)],
    dtype=floating,
    domain=(-1.9, 1.8),
    lower=_sinc,
)


def _bessel_i(x: Array, order: int) -> Array:
    kind = floating((Type.of(x),))
    return imported("scipy.special").iv(order, np.asarray(x, kind)).astype(kind)


bessel_i = _family(
    "bessel_i",
    _bessel_i,
    lambda x_dot, ans, x, order: (
        x_dot * 0.5 * (bessel_i.bind(x, order=abs(order - 1)) + bessel_i.bind(x, order=order + 1))
    ),
    (0, 1),
    "The modified Bessel function of the first kind of this whole order. "
    "Its derivative: NIST Digital Library of Mathematical Functions, 10.29.1.",
)
