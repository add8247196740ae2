"""Elementwise functions of floating point numbers, one element at a time.

Each takes and gives registers, and has no branches, so that LLVM can vectorise the loop around it.
Results are NumPy's to the last bit but for the mathematical library's functions and for whole
powers, which are products (up to 4 units in the last place).

Known to be weak: ``x**0.5`` is the square root, NaN at -infinity, as it is of NumPy's arrays; of
NumPy's scalars it is infinity there. Remainders call ``fmod``, which has no vector variant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from ..primitives.mathematics import EXACT_FUNCTIONS
from .mathlib import EXACT
from .numbers import Numbers, both, differ, either, negated

__all__ = ["FLOATS", "product"]


def _instruction(name: str) -> Callable[..., str]:
    return lambda n, *operands: n.op(name, *operands)


def _intrinsic(name: str) -> Callable[..., str]:
    return lambda n, *operands: n.call(name, *operands)


def _comparison(how: str) -> Callable[..., str]:
    return lambda n, x, y: n.compare(how, x, y)


def _library(name: str) -> Callable[..., str]:
    return lambda n, *operands: n.math(name, *operands)


def _scaled(factor: Callable[[np.floating], np.floating]) -> Callable[..., str]:
    """Times a constant that is computed in the dtype, as NumPy does."""
    return lambda n, x: n.op("fmul", x, n.number(float(factor(n.dtype.type(np.pi)))))


# -- greater and smaller ---------------------------------------------------------------------------


def _extreme(how: str) -> Callable[..., str]:
    """The greater or smaller of two numbers; NaN if one is, and y of equal ones."""

    def write(n: Numbers, x: str, y: str) -> str:
        found = n.choose(n.compare(how, x, y), x, y)
        return n.choose(n.compare("uno", x, x), x, found)

    return write


def _known_extreme(how: str) -> Callable[..., str]:
    """The greater or smaller of two numbers; the other if one is NaN, and x of equal ones."""

    def write(n: Numbers, x: str, y: str) -> str:
        wins = either(n.code, n.compare(how, x, y), n.compare("uno", y, y))
        return n.choose(wins, x, y)

    return write


def _sign(n: Numbers, x: str) -> str:
    zero = n.number(0)
    found = n.choose(n.compare("oeq", x, zero), zero, x)
    found = n.choose(n.compare("olt", x, zero), n.number(-1), found)
    return n.choose(n.compare("ogt", x, zero), n.number(1), found)


# -- products and quotients ------------------------------------------------------------------------


def _multiply_zero_absorbs(n: Numbers, x: str, y: str) -> str:
    """x y, and 0 where that is NaN and one of them is 0."""
    product = n.op("fmul", x, y)
    if any(_harmless(n.known(operand)) for operand in (x, y)):
        return product
    zero = n.number(0)
    absorbs = either(n.code, n.compare("oeq", x, zero), n.compare("oeq", y, zero))
    undefined = n.compare("uno", product, product)
    return n.choose(both(n.code, absorbs, undefined), zero, product)


def _harmless(factor: float | None) -> bool:
    return factor is not None and factor != 0 and math.isfinite(factor)


def _opposite(n: Numbers, x: str, y: str) -> str:
    """Whether one of two numbers is negative and the other is not."""
    zero = n.number(0)
    return differ(n.code, n.compare("olt", x, zero), n.compare("olt", y, zero))


def _remainder(n: Numbers, x: str, y: str) -> str:
    """What is left of x, with the sign of y."""
    left = n.math("fmod", x, y)
    moved = n.choose(_opposite(n, left, y), n.op("fadd", left, y), left)
    none = n.call("llvm.copysign", n.number(0), y)
    return n.choose(n.compare("oeq", left, n.number(0)), none, moved)


def _floor_divide(n: Numbers, x: str, y: str) -> str:
    """The quotient rounded down, as it belongs to the remainder."""
    zero = n.number(0)
    left = n.math("fmod", x, y)
    whole = n.op("fdiv", n.op("fsub", x, left), y)
    below = both(n.code, n.true(left), _opposite(n, left, y))
    whole = n.choose(below, n.op("fsub", whole, n.number(1)), whole)
    down = n.call("llvm.floor", whole)
    off = n.compare("ogt", n.op("fsub", whole, down), n.number(0.5))
    down = n.choose(off, n.op("fadd", down, n.number(1)), down)
    ratio = n.op("fdiv", x, y)
    down = n.choose(n.true(whole), down, n.call("llvm.copysign", zero, ratio))
    return n.choose(n.compare("oeq", y, zero), ratio, down)


# -- powers ----------------------------------------------------------------------------------------

_LARGEST, _SMALLEST = 4, -4
"""The whole exponents for which products are as accurate as the library, to a few units."""


def _power(n: Numbers, x: str, y: str) -> str:
    exponent = n.known(y)
    if exponent is not None:
        found = _special_power(n, x, float(exponent))
        if found is not None:
            return found
    return n.math("pow", x, y)


def _special_power(n: Numbers, x: str, exponent: float) -> str | None:
    """x to a constant power of few products and a root; None if it is not of that kind."""
    if exponent == 0.5:
        return n.call("llvm.sqrt", x)
    if exponent != exponent or not _SMALLEST <= exponent <= _LARGEST:
        return None
    if exponent == -0.5:
        return _inverse_root(n, x)
    base = n.op("fdiv", n.number(1), x) if exponent < 0 else x
    if exponent in (1.5, -1.5):
        infinite = n.compare("oeq", x, n.number(0 if exponent < 0 else -math.inf))
        return n.choose(infinite, n.number(math.inf), _half_cubed(n, base))
    if exponent != int(exponent):
        return None
    return _inverse(n, x, -int(exponent)) if exponent < 0 else product(n, x, int(exponent))


def _inverse(n: Numbers, x: str, count: int) -> str:
    """x**-count: one over the product, for one rounding less, unless that leaves the range."""
    power = product(n, n.op("fdiv", n.number(1), x), count)
    if count < 3:
        return power
    whole = product(n, x, count)
    limits = np.finfo(n.dtype)
    size = n.call("llvm.fabs", whole)
    small = n.compare("oge", size, n.number(float(limits.tiny)))
    large = n.compare("ole", size, n.number(float(limits.max)))
    normal = n.choose(small, n.op("fdiv", n.number(1), whole), power)
    return n.choose(large, normal, power)


def _inverse_root(n: Numbers, x: str) -> str:
    """x**-0.5. The sign of a zero and of an infinity are lost in it."""
    found = n.call("llvm.fabs", n.op("fdiv", n.number(1), n.call("llvm.sqrt", x)))
    return n.choose(n.compare("oeq", x, n.number(-math.inf)), n.number(0), found)


def _half_cubed(n: Numbers, x: str) -> str:
    """x**1.5, but NaN at -infinity."""
    return n.call("llvm.fabs", n.op("fmul", x, n.call("llvm.sqrt", x)))


def product(n: Numbers, x: str, count: int) -> str:
    """x times itself, by squaring. Written for integers too."""
    name = "fmul" if n.dtype.kind == "f" else "mul"
    found: str | None = None
    while count:
        if count & 1:
            found = x if found is None else n.op(name, found, x)
        count >>= 1
        if count:
            x = n.op(name, x, x)
    return n.number(1) if found is None else found


# -- bits ------------------------------------------------------------------------------------------


def _not_a_number(n: Numbers, x: str) -> str:
    return n.compare("uno", x, x)


def _infinite(n: Numbers, x: str) -> str:
    return n.compare("oeq", n.call("llvm.fabs", x), n.number(math.inf))


def _finite(n: Numbers, x: str) -> str:
    return n.compare("olt", n.call("llvm.fabs", x), n.number(math.inf))


def _signbit(n: Numbers, x: str) -> str:
    return n.code.op(f"icmp slt i{n.bits}", n.pattern(x), "0")


def _spacing(n: Numbers, x: str) -> str:
    """To the next number away from zero, with the sign of x; of zero, the smallest number."""
    size = n.call("llvm.fabs", x)
    after = n.of_pattern(n.code.op(f"add i{n.bits}", n.pattern(size), "1"))
    distance = n.op("fsub", after, size)
    below = n.compare("olt", x, n.number(0))
    return n.choose(below, n.op("fneg", distance), distance)


def _nextafter(n: Numbers, x: str, y: str) -> str:
    zero, kind = n.number(0), f"i{n.bits}"
    inward = differ(n.code, n.compare("olt", x, y), n.compare("ogt", x, zero))
    step = n.code.select(inward, kind, "-1", "1")
    found = n.of_pattern(n.code.op(f"add {kind}", n.pattern(x), step))
    smallest = n.call("llvm.copysign", n.number(float(np.finfo(n.dtype).smallest_subnormal)), y)
    found = n.choose(n.compare("oeq", x, zero), smallest, found)
    found = n.choose(n.compare("oeq", x, y), y, found)
    return n.choose(n.compare("uno", x, y), n.op("fadd", x, y), found)


def _ldexp(n: Numbers, x: str, y: str) -> str:
    """x 2**y in three products, of which at most the last rounds. y is an i64."""
    info = np.finfo(n.dtype)
    most, least = int(info.maxexp) - 1, int(info.minexp)
    down = least + int(info.nmant) + 1  # leaves room for all the bits of what comes after
    y = _clamped(n, y, 4 * least, 4 * most)
    for _ in range(2):
        large = n.code.op("icmp sgt i64", y, str(most))
        small = n.code.op("icmp slt i64", y, str(least))
        part = n.code.select(small, "i64", str(down), "0")
        part = n.code.select(large, "i64", str(most), part)
        x = n.op("fmul", x, _power_of_two(n, part))
        y = n.code.op("sub i64", y, part)
    return n.op("fmul", x, _power_of_two(n, _clamped(n, y, least, most)))


def _clamped(n: Numbers, y: str, low: int, high: int) -> str:
    return n.code.intrinsic(
        "llvm.smax", "i64", n.code.intrinsic("llvm.smin", "i64", y, str(high)), str(low)
    )


def _power_of_two(n: Numbers, exponent: str) -> str:
    """2**exponent, for exponents of normal numbers."""
    info = np.finfo(n.dtype)
    bits = n.code.op("add i64", exponent, str(int(info.maxexp) - 1))
    bits = n.code.op("shl i64", bits, str(int(info.nmant)))
    return n.of_pattern(bits if n.bits == 64 else n.code.cast("trunc", "i64", bits, f"i{n.bits}"))


# -- the table -------------------------------------------------------------------------------------

FLOATS: Mapping[str, Callable[..., str]] = {
    "positive": lambda n, x: x,
    "add": _instruction("fadd"),
    "subtract": _instruction("fsub"),
    "multiply": _instruction("fmul"),
    "divide": _instruction("fdiv"),
    "negative": _instruction("fneg"),
    "mul0": _multiply_zero_absorbs,
    "square": lambda n, x: n.op("fmul", x, x),
    "reciprocal": lambda n, x: n.op("fdiv", n.number(1), x),
    "power": _power,
    "fmod": _library("fmod"),
    "remainder": _remainder,
    "floor_divide": _floor_divide,
    "absolute": _intrinsic("llvm.fabs"),
    "fabs": _intrinsic("llvm.fabs"),
    "copysign": _intrinsic("llvm.copysign"),
    "sqrt": _intrinsic("llvm.sqrt"),
    "floor": _intrinsic("llvm.floor"),
    "ceil": _intrinsic("llvm.ceil"),
    "trunc": _intrinsic("llvm.trunc"),
    "rint": _intrinsic("llvm.roundeven"),
    "deg2rad": _scaled(lambda pi: pi / pi.dtype.type(180)),
    "rad2deg": _scaled(lambda pi: pi.dtype.type(180) / pi),
    "sign": _sign,
    "maximum": _extreme("ogt"),
    "minimum": _extreme("olt"),
    "fmax": _known_extreme("oge"),
    "fmin": _known_extreme("ole"),
    "spacing": _spacing,
    "nextafter": _nextafter,
    "ldexp": _ldexp,
    "equal": _comparison("oeq"),
    "not_equal": _comparison("une"),
    "less": _comparison("olt"),
    "less_equal": _comparison("ole"),
    "greater": _comparison("ogt"),
    "greater_equal": _comparison("oge"),
    "logical_not": lambda n, x: negated(n.code, n.true(x)),
    "logical_and": lambda n, x, y: both(n.code, n.true(x), n.true(y)),
    "logical_or": lambda n, x, y: either(n.code, n.true(x), n.true(y)),
    "logical_xor": lambda n, x, y: differ(n.code, n.true(x), n.true(y)),
    "isnan": _not_a_number,
    "isinf": _infinite,
    "isfinite": _finite,
    "signbit": _signbit,
    "cmath.abs": _library(EXACT + "hypot"),
    "modulus": _library("hypot"),
    **{f"math.{name}": _library(EXACT + name) for name in EXACT_FUNCTIONS},
    **{
        name: _library(name)
        for name in (
            "exp exp2 expm1 log log2 log10 log1p cbrt sin cos tan arcsin arccos arctan sinh cosh "
            "tanh arcsinh arccosh arctanh arctan2 hypot"
        ).split()
    },
}
"""By name, the function that writes one element; the name is NumPy's."""
