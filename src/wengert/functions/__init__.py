"""NumPy's functions on traced values, each composed from primitives.

NumPy itself calls these when it meets a traced value (``trace.protocols``), and C functions by what
stands in for them (``stand_ins``): a program that says ``import numpy as np`` needs nothing from
here.
"""

from __future__ import annotations

from . import (
    applying,
    as_written,
    coverage,
    creation,
    elementwise,
    fourier,
    histograms,
    indexing,
    iterating,
    joining,
    linalg,
    methods,
    products,
    quantiles,
    reducing,
    sets,
    shaping,
    sorting,
)

__all__ = [
    "applying",
    "as_written",
    "coverage",
    "creation",
    "elementwise",
    "fourier",
    "histograms",
    "indexing",
    "iterating",
    "joining",
    "linalg",
    "methods",
    "products",
    "quantiles",
    "reducing",
    "sets",
    "shaping",
    "sorting",
]
