"""What C functions do with traced values, which no protocol of NumPy's or Python's reaches.

``native`` exchanges the C functions, ``install`` says when, and the other files have what stands in
for them: ``conversion`` (``np.array``, ``float``), ``mathematics`` (``math``), ``arrays`` (plain
arrays that meet traced values), ``lists`` (``np.dot([x, y], [y, x])``).
"""

from __future__ import annotations

from . import (
    arrays,
    builtins,
    conversion,
    iterators,
    lists,
    mathematics,
    polynomials,
    sparse,
    statistics,
)
from .arrays import fillable
from .install import STANDING_IN, has_traced, stand_ins

__all__ = [
    "STANDING_IN",
    "arrays",
    "builtins",
    "conversion",
    "fillable",
    "has_traced",
    "iterators",
    "lists",
    "mathematics",
    "polynomials",
    "sparse",
    "stand_ins",
    "statistics",
]
