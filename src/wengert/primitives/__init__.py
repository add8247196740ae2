"""The primitives, one file for each family, one declaration for each primitive."""

from . import (
    arithmetic,
    contract,
    determinants,
    elementary,
    guard,
    index,
    linalg,
    logic,
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
    "guard",
    "index",
    "linalg",
    "logic",
    "reduce",
    "shape",
    "sorting",
    "spectra",
    "woven",
]
