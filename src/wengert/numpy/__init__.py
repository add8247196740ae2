"""NumPy's functions on traced values, each composed from primitives.

NumPy itself calls these when it meets a traced value, so a program that says
``import numpy as np`` needs nothing from here, except what no protocol reaches:
``array``, ``asarray`` and ``asanyarray``. Every other name is NumPy's own.
"""

from __future__ import annotations

from typing import Any

import numpy

from . import elementwise, indexing, joining, linalg, products, reducing, shaping, sorting
from .creation import array, asanyarray, asarray

__all__ = [
    "array",
    "asanyarray",
    "asarray",
    "elementwise",
    "indexing",
    "joining",
    "linalg",
    "products",
    "reducing",
    "shaping",
    "sorting",
]


def __getattr__(name: str) -> Any:
    return getattr(numpy, name)
