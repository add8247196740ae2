"""Transforms: from a Program, or a run of a function, to its derivative or its batched form.

``jvp``, ``vjp``, ``transpose``, ``vmap`` and ``simplify`` map Programs to Programs and compose in
any order; ``tape`` and ``dual`` are the two modes that they, and the immediate derivatives, run on.

Example:
    >>> import numpy as np, wengert as wg
    >>> program = wg.trace(lambda x: np.sin(x) * x)(1.0)
    >>> print(wg.simplify(wg.transforms.jvp(program)))
    program(a: f64, b: f64):
        c: f64 = sin(a)
        d: f64 = cos(a)
        e: f64 = b *0 d
        f: f64 = c * a
        g: f64 = e *0 a
        h: f64 = b *0 c
        i: f64 = g + h
        return f, i
"""

from .batching import vmap
from .differentiate import jvp, transpose, vjp
from .simplify import simplify

__all__ = ["jvp", "simplify", "transpose", "vjp", "vmap"]
