"""The operations that reductions are made of: sum, product, greatest, smallest, all, any."""

from __future__ import annotations

from typing import Any

import numpy as np

from .emit import Code, constant, register

__all__ = ["combine", "identity"]


def identity(kind: str, dtype: np.dtype[Any]) -> str:
    """What leaves every other value as it is. A sum of nothing but -0.0 stays -0.0, as in NumPy."""
    if kind in ("max", "min"):
        if dtype.kind == "f":
            return constant(-np.inf if kind == "max" else np.inf, dtype)
        if dtype.kind == "b":
            return "false" if kind == "max" else "true"
        info = np.iinfo(dtype)
        return constant(info.min if kind == "max" else info.max, dtype)
    if kind == "sum":
        return constant(-0.0 if dtype.kind == "f" else 0, dtype)
    return constant(1 if kind in ("prod", "all") else 0, dtype)


def combine(
    kind: str, code: Code, x: str, y: str, dtype: np.dtype[Any], *, reorder: bool = False
) -> str:
    """The register of x and y combined. With ``reorder`` a sum may be taken in another order."""
    type = register(dtype)
    flags = "reassoc " if reorder else ""
    if dtype.kind == "b":  # sums and products of truth values are those of logic
        return code.op("and i1" if kind in ("prod", "all", "min") else "or i1", x, y)
    if kind == "sum":
        return code.op(f"fadd {flags}{type}" if dtype.kind == "f" else f"add {type}", x, y)
    if kind == "prod":
        return code.op(f"fmul {flags}{type}" if dtype.kind == "f" else f"mul {type}", x, y)
    name = {"f": "llvm.{}imum", "u": "llvm.u{}", "i": "llvm.s{}"}[dtype.kind]
    return code.intrinsic(name.format(kind), type, x, y)
