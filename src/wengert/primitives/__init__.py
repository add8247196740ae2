"""The primitives, one file for each family, one declaration for each primitive."""

from . import (
    arithmetic,
    contract,
    elementary,
    guard,
    index,
    linalg,
    logic,
    reduce,
    shape,
    sorting,
    spectra,
)

__all__ = [
    "arithmetic",
    "contract",
    "elementary",
    "guard",
    "index",
    "linalg",
    "logic",
    "reduce",
    "shape",
    "sorting",
    "spectra",
]
