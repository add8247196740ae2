"""Operations on registers of one dtype, and the conversions between dtypes.

What C leaves undefined has a value here, the one that NumPy gives on x86-64: a floating point
number that does not fit its integer wraps around within 32 bits where NumPy goes through those, and
is the integer with the highest bit alone otherwise.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from .emit import Code, constant, register

__all__ = ["BOOL", "Numbers", "both", "converted", "differ", "either", "known", "negated"]

BOOL = np.dtype(np.bool_)


def both(code: Code, x: str, y: str) -> str:
    """x and y, of truth values."""
    return code.op("and i1", x, y)


def either(code: Code, x: str, y: str) -> str:
    """x or y, of truth values."""
    return code.op("or i1", x, y)


def differ(code: Code, x: str, y: str) -> str:
    """Whether one of two truth values holds and the other does not."""
    return code.op("xor i1", x, y)


def negated(code: Code, x: str) -> str:
    """Not x, of a truth value."""
    return code.op("xor i1", x, "true")


def known(operand: str, dtype: np.dtype[Any]) -> Any:
    """The number, of this dtype, that an operand is; None for a register."""
    if operand.startswith("%"):
        return None
    if dtype.kind == "b":
        return np.bool_(operand == "true")
    if dtype.kind == "f":
        (number,) = struct.unpack("<d", int(operand, 16).to_bytes(8, "little"))
        return dtype.type(number)
    return np.array(int(operand)).astype(dtype)[()]


class Numbers:
    """Writes operations on registers of one dtype. ``kind`` is LLVM's type of them."""

    __slots__ = ("code", "dtype", "kind")

    def __init__(self, code: Code, dtype: np.dtype[Any]) -> None:
        self.code = code
        self.dtype = dtype
        self.kind = register(dtype)

    @property
    def bits(self) -> int:
        """How many bits a number has."""
        return 8 * self.dtype.itemsize

    @property
    def signed(self) -> bool:
        """Whether these are integers that can be negative."""
        return self.dtype.kind == "i"

    def number(self, value: float) -> str:
        """A constant."""
        return constant(value, self.dtype)

    def known(self, operand: str) -> Any:
        """The number that an operand is, or None for a register."""
        return known(operand, self.dtype)

    def op(self, name: str, *operands: str) -> str:
        """An instruction whose operands and result are of this dtype."""
        return self.code.op(f"{name} {self.kind}", *operands)

    def call(self, name: str, *operands: str) -> str:
        """An intrinsic function of LLVM."""
        return self.code.intrinsic(name, self.kind, *operands)

    def math(self, name: str, *operands: str) -> str:
        """A function of the mathematical library, by NumPy's or C's name for it."""
        return self.code.math(name, self.dtype, *operands)

    def compare(self, how: str, x: str, y: str) -> str:
        """A comparison, by LLVM's name for it: ``olt``, ``une`` of floats, ``slt`` of integers."""
        return self.code.op(
            f"{'fcmp' if self.dtype.kind == 'f' else 'icmp'} {how} {self.kind}", x, y
        )

    def choose(self, condition: str, x: str, y: str) -> str:
        """x where the condition holds, else y."""
        return self.code.select(condition, self.kind, x, y)

    def true(self, x: str) -> str:
        """Whether x is not zero. NaN is not."""
        if self.dtype.kind == "b":
            return x
        return self.compare("une" if self.dtype.kind == "f" else "ne", x, self.number(0))

    def pattern(self, x: str) -> str:
        """The bits of a floating point number, as an integer."""
        return self.code.cast("bitcast", self.kind, x, f"i{self.bits}")

    def of_pattern(self, x: str) -> str:
        """The floating point number of these bits."""
        return self.code.cast("bitcast", f"i{self.bits}", x, self.kind)


# -- conversions -----------------------------------------------------------------------------------


def converted(code: Code, x: str, source: np.dtype[Any], target: np.dtype[Any]) -> str:
    """A register of ``source`` as one of ``target``, as ``astype`` converts."""
    if source == target:
        return x
    value = known(x, source)
    if value is not None:
        with np.errstate(all="ignore"):
            return constant(np.array([value]).astype(target)[0], target)
    if target.kind == "b":
        return Numbers(code, source).true(x)
    if source.kind == "f" and target.kind == "f":
        how = "fpext" if target.itemsize > source.itemsize else "fptrunc"
    elif source.kind == "f":
        return _whole(Numbers(code, source), x, target)
    elif target.kind == "f":
        how = "sitofp" if source.kind == "i" else "uitofp"
    elif source.kind == "b":
        how = "zext"
    elif target.itemsize == source.itemsize:
        return x
    elif target.itemsize < source.itemsize:
        how = "trunc"
    else:
        how = "sext" if source.kind == "i" else "zext"
    return code.cast(how, register(source), x, register(target))


def _whole(n: Numbers, x: str, target: np.dtype[Any]) -> str:
    """A floating point number, truncated to an integer."""
    bits = max(32, 8 * target.itemsize)
    if target.kind == "u" and target.itemsize * 8 == bits:
        # What a signed integer cannot hold is moved into its range and back.
        half = n.number(2.0 ** (bits - 1))
        large = n.compare("oge", x, half)
        found = _fitting(n, n.choose(large, n.op("fsub", x, half), x), bits)
        back = n.code.select(large, f"i{bits}", str(-(1 << bits - 1)), "0")
        return n.code.op(f"xor i{bits}", found, back)
    found = _fitting(n, x, bits)
    if target.itemsize * 8 < bits:
        return n.code.cast("trunc", f"i{bits}", found, register(target))
    return found


def _fitting(n: Numbers, x: str, bits: int) -> str:
    """A signed integer of so many bits; the lowest of them for all that does not fit, and NaN."""
    kind = f"i{bits}"
    fits = n.compare("olt", n.call("llvm.fabs", x), n.number(2.0 ** (bits - 1)))
    found = n.code.cast("fptosi", n.kind, n.choose(fits, x, n.number(0)), kind)
    return n.code.select(fits, kind, found, str(-(1 << bits - 1)))
