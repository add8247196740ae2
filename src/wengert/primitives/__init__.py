"""The primitives, one file for each family, one declaration for each primitive."""

from . import (
    arithmetic,
    contract,
    determinants,
    elementary,
    fourier,
    guard,
    index,
    linalg,
    logic,
    mathematics,
    reduce,
    shape,
    sorting,
    spectra,
    woven,
)

__all__ = [
    "arithmetic",
    "contract",
    "determinants",
    "elementary",
    "fourier",
    "guard",
    "index",
    "linalg",
    "logic",
    "mathematics",
    "reduce",
    "shape",
    "sorting",
    "spectra",
    "woven",
]
