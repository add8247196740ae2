"""Elementary functions: exponentials, logarithms, trigonometric and hyperbolic functions."""

from __future__ import annotations

import numpy as np

from ..primitive import elementwise
from ..program import Array

__all__ = [
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
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
    "rad2deg",
    "radians",
    "sin",
    "sinc",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
]

LN2 = float(np.log(2.0))
LN10 = float(np.log(10.0))

exp = elementwise("exp", np.exp, [lambda ans: ans])
exp2 = elementwise("exp2", np.exp2, [lambda ans: ans * LN2])
expm1 = elementwise("expm1", np.expm1, [lambda ans: ans + 1])
log = elementwise("log", np.log, [lambda x: np.reciprocal(x)], domain=(0.2, 3.0))
log2 = elementwise("log2", np.log2, [lambda x: 1 / (x * LN2)], domain=(0.2, 3.0))
log10 = elementwise("log10", np.log10, [lambda x: 1 / (x * LN10)], domain=(0.2, 3.0))
log1p = elementwise("log1p", np.log1p, [lambda x: 1 / (1 + x)], domain=(-0.6, 2.0))
sqrt = elementwise("sqrt", np.sqrt, [lambda ans: 0.5 / ans], domain=(0.2, 3.0))
cbrt = elementwise("cbrt", np.cbrt, [lambda ans: 1 / (3 * ans * ans)], domain=(0.2, 3.0))

sin = elementwise("sin", np.sin, [lambda x: np.cos(x)])
cos = elementwise("cos", np.cos, [lambda x: -np.sin(x)])
tan = elementwise("tan", np.tan, [lambda ans: 1 + ans * ans], domain=(-1.0, 1.0))
arcsin = elementwise("arcsin", np.arcsin, [lambda x: 1 / np.sqrt(1 - x * x)], domain=(-0.8, 0.8))
arccos = elementwise("arccos", np.arccos, [lambda x: -1 / np.sqrt(1 - x * x)], domain=(-0.8, 0.8))
arctan = elementwise("arctan", np.arctan, [lambda x: 1 / (1 + x * x)])

sinh = elementwise("sinh", np.sinh, [lambda x: np.cosh(x)])
cosh = elementwise("cosh", np.cosh, [lambda x: np.sinh(x)])
tanh = elementwise("tanh", np.tanh, [lambda ans: 1 - ans * ans])
arcsinh = elementwise("arcsinh", np.arcsinh, [lambda x: 1 / np.hypot(1, x)])
arccosh = elementwise(
    "arccosh", np.arccosh, [lambda x: 1 / np.sqrt((x - 1) * (x + 1))], domain=(1.2, 3.0)
)
arctanh = elementwise("arctanh", np.arctanh, [lambda x: 1 / (1 - x * x)], domain=(-0.8, 0.8))


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
radians = elementwise("radians", np.radians, [lambda: float(np.pi / 180)])
degrees = elementwise("degrees", np.degrees, [lambda: float(180 / np.pi)])


def _logistic(t: Array) -> Array:
    """1 / (1 + exp(-t)) without overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * t)


logaddexp = elementwise(
    "logaddexp", np.logaddexp, [lambda x, ans: np.exp(x - ans), lambda y, ans: np.exp(y - ans)]
)
logaddexp2 = elementwise(
    "logaddexp2",
    np.logaddexp2,
    [lambda x, ans: np.exp2(x - ans), lambda y, ans: np.exp2(y - ans)],
)
