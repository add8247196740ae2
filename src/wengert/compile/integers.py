"""Elementwise functions of integers and truth values, one element at a time.

What is undefined in C, and in LLVM, is what NumPy makes of it: a quotient by zero is zero, the
lowest integer divided by -1 is itself, a shift past the last bit leaves the sign or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from .floats import product
from .numbers import Numbers, both, differ, either, negated

__all__ = ["BOOLEANS", "INTEGERS", "mixed"]

_PURE = "nounwind willreturn memory(none)"


def _instruction(name: str) -> Callable[..., str]:
    return lambda n, *operands: n.op(name, *operands)


def _comparison(how: str) -> Callable[..., str]:
    """A comparison, in the way of the integer's sign."""
    return lambda n, x, y: n.compare(("s" if n.signed else "u") + how, x, y)


def _extreme(name: str) -> Callable[..., str]:
    return lambda n, x, y: n.call(f"llvm.{'s' if n.signed else 'u'}{name}", x, y)


def _lowest(n: Numbers) -> str:
    return n.number(int(np.iinfo(n.dtype).min))


def _absolute(n: Numbers, x: str) -> str:
    """|x|, and the lowest integer for itself."""
    if not n.signed:
        return x
    return n.choose(n.compare("slt", x, "0"), n.op("sub", "0", x), x)


def _sign(n: Numbers, x: str) -> str:
    found = n.choose(n.compare("ne", x, "0"), "1", "0")
    return n.choose(n.compare("slt", x, "0"), "-1", found) if n.signed else found


# -- quotients -------------------------------------------------------------------------------------


def _divisor(n: Numbers, x: str, y: str) -> str:
    """y, and 1 where a division by y would trap. Of the lowest integer by -1 that is the result."""
    traps = n.compare("eq", y, "0")
    if n.signed:
        lowest = both(n.code, n.compare("eq", x, _lowest(n)), n.compare("eq", y, "-1"))
        traps = either(n.code, traps, lowest)
    return n.choose(traps, "1", y)


def _left(n: Numbers, x: str, y: str) -> str:
    """What is left of x by y, with the sign of x; 0 if y is 0."""
    return n.op("srem" if n.signed else "urem", x, _divisor(n, x, y))


def _opposite(n: Numbers, left: str, y: str) -> str:
    """Whether a remainder is not 0 and has not the sign of y."""
    apart = n.compare("slt", n.op("xor", left, y), "0")
    return both(n.code, n.compare("ne", left, "0"), apart)


def _remainder(n: Numbers, x: str, y: str) -> str:
    left = _left(n, x, y)
    if not n.signed:
        return left
    return n.choose(_opposite(n, left, y), n.op("add", left, y), left)


def _floor_divide(n: Numbers, x: str, y: str) -> str:
    divisor = _divisor(n, x, y)
    whole = n.op("sdiv" if n.signed else "udiv", x, divisor)
    if n.signed:
        left = n.op("srem", x, divisor)
        whole = n.choose(_opposite(n, left, y), n.op("sub", whole, "1"), whole)
    return n.choose(n.compare("eq", y, "0"), "0", whole)


def _reciprocal(n: Numbers, x: str) -> str:
    """1/x truncated. Of 0 it is what an infinity is converted to."""
    unit = n.compare("eq", x, "1")
    if n.signed:
        unit = either(n.code, unit, n.compare("eq", x, "-1"))
    found = n.choose(unit, x, "0")
    if n.signed and n.bits >= 32:
        return n.choose(n.compare("eq", x, "0"), _lowest(n), found)
    return found


def _power(n: Numbers, x: str, y: str) -> str:
    """x**y modulo 2**bits. y is not negative."""
    exponent = n.known(y)
    if exponent is not None:
        return product(n, x, int(exponent))
    name = f"wengert.power.{n.kind}"
    n.code.module.declare(name, _POWER.format(kind=n.kind, name=name, pure=_PURE))
    return n.code.call(name, n.kind, (n.kind, x), (n.kind, y))


_POWER = """define internal {kind} @{name}({kind} %x, {kind} %y) {pure} {{
entry:
  br label %step
step:
  %base = phi {kind} [ %x, %entry ], [ %square, %step ]
  %count = phi {kind} [ %y, %entry ], [ %rest, %step ]
  %found = phi {kind} [ 1, %entry ], [ %next, %step ]
  %low = and {kind} %count, 1
  %odd = icmp ne {kind} %low, 0
  %factor = select i1 %odd, {kind} %base, {kind} 1
  %next = mul {kind} %found, %factor
  %square = mul {kind} %base, %base
  %rest = lshr {kind} %count, 1
  %more = icmp ne {kind} %rest, 0
  br i1 %more, label %step, label %end
end:
  ret {kind} %next
}}"""


# -- divisors --------------------------------------------------------------------------------------

_GCD = """define internal {kind} @{name}({kind} %x, {kind} %y) {pure} {{
entry:
  br label %head
head:
  %a = phi {kind} [ %x, %entry ], [ %b, %step ]
  %b = phi {kind} [ %y, %entry ], [ %left, %step ]
  %done = icmp eq {kind} %b, 0
  br i1 %done, label %end, label %step
step:
  %left = urem {kind} %a, %b
  br label %head
end:
  ret {kind} %a
}}"""


def _gcd(n: Numbers, x: str, y: str) -> str:
    """The greatest common divisor, by Euclid's algorithm."""
    name = f"wengert.gcd.{n.kind}"
    n.code.module.declare(name, _GCD.format(kind=n.kind, name=name, pure=_PURE))
    return n.code.call(name, n.kind, (n.kind, _absolute(n, x)), (n.kind, _absolute(n, y)))


def _lcm(n: Numbers, x: str, y: str) -> str:
    divisor = _gcd(n, x, y)
    none = n.compare("eq", divisor, "0")
    part = n.op("udiv", _absolute(n, x), n.choose(none, "1", divisor))
    return n.op("mul", part, _absolute(n, y))


# -- shifts ----------------------------------------------------------------------------------------


def _shift(name: str) -> Callable[..., str]:
    """A shift that leaves nothing when it goes past the last bit, or by a negative number."""

    def write(n: Numbers, x: str, y: str) -> str:
        within = n.compare("ult", y, str(n.bits))
        return n.choose(within, n.op(name, x, n.choose(within, y, "0")), "0")

    return write


def _right_shift(n: Numbers, x: str, y: str) -> str:
    if not n.signed:
        return _shift("lshr")(n, x, y)
    return n.op("ashr", x, n.call("llvm.umin", y, str(n.bits - 1)))


# -- comparisons of integers with and without a sign -----------------------------------------------

_MIRRORED = {
    "less": "greater",
    "less_equal": "greater_equal",
    "greater": "less",
    "greater_equal": "less_equal",
}


def mixed(n: Numbers, name: str, x: str, y: str) -> str:
    """A comparison of two integers of as many bits, of which exactly one has a sign.

    ``n`` is of the first one's dtype.
    """
    if not n.signed:
        x, y, name = y, x, _MIRRORED.get(name, name)
    how = {"equal": "eq", "not_equal": "ne", "less": "ult", "less_equal": "ule"}
    how |= {"greater": "ugt", "greater_equal": "uge"}
    found = n.compare(how[name], x, y)
    below = n.compare("slt", x, "0")
    if name in ("less", "less_equal", "not_equal"):
        return either(n.code, below, found)
    return both(n.code, negated(n.code, below), found)


# -- the tables ------------------------------------------------------------------------------------

INTEGERS: Mapping[str, Callable[..., str]] = {
    **dict.fromkeys(("positive", "floor", "ceil", "trunc"), lambda n, x: x),
    "add": _instruction("add"),
    "subtract": _instruction("sub"),
    "multiply": _instruction("mul"),
    "mul0": _instruction("mul"),
    "negative": lambda n, x: n.op("sub", "0", x),
    "square": lambda n, x: n.op("mul", x, x),
    "reciprocal": _reciprocal,
    "power": _power,
    "fmod": _left,
    "remainder": _remainder,
    "floor_divide": _floor_divide,
    "absolute": _absolute,
    "sign": _sign,
    **dict.fromkeys(("maximum", "fmax"), _extreme("max")),
    **dict.fromkeys(("minimum", "fmin"), _extreme("min")),
    "gcd": _gcd,
    "lcm": _lcm,
    "left_shift": _shift("shl"),
    "right_shift": _right_shift,
    "bitwise_and": _instruction("and"),
    "bitwise_or": _instruction("or"),
    "bitwise_xor": _instruction("xor"),
    "invert": lambda n, x: n.op("xor", x, "-1"),
    "equal": lambda n, x, y: n.compare("eq", x, y),
    "not_equal": lambda n, x, y: n.compare("ne", x, y),
    "less": _comparison("lt"),
    "less_equal": _comparison("le"),
    "greater": _comparison("gt"),
    "greater_equal": _comparison("ge"),
    "logical_not": lambda n, x: n.compare("eq", x, "0"),
    "logical_and": lambda n, x, y: both(n.code, n.true(x), n.true(y)),
    "logical_or": lambda n, x, y: either(n.code, n.true(x), n.true(y)),
    "logical_xor": lambda n, x, y: differ(n.code, n.true(x), n.true(y)),
    "isnan": lambda n, x: "false",
    "isinf": lambda n, x: "false",
    "isfinite": lambda n, x: "true",
}
"""By name, the function that writes one element of integers."""

_OR = ("add", "maximum", "fmax", "logical_or", "bitwise_or")
_AND = ("multiply", "mul0", "minimum", "fmin", "logical_and", "bitwise_and")
_XOR = ("not_equal", "logical_xor", "bitwise_xor")

BOOLEANS: Mapping[str, Callable[..., str]] = {
    **dict.fromkeys(("positive", "absolute", "floor", "ceil", "trunc"), lambda n, x: x),
    **dict.fromkeys(_OR, _instruction("or")),
    **dict.fromkeys(_AND, _instruction("and")),
    **dict.fromkeys(_XOR, _instruction("xor")),
    **dict.fromkeys(("logical_not", "invert"), lambda n, x: negated(n.code, x)),
    **{name: INTEGERS[name] for name in ("equal", "less", "less_equal", "greater")},
    **{name: INTEGERS[name] for name in ("greater_equal", "isnan", "isinf", "isfinite")},
}
"""By name, the function that writes one element of truth values."""
