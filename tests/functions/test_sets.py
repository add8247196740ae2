"""Sets of traced numbers: NumPy's values, shared derivatives, and integer places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from numpy_routes import agrees_with_numpy, leaves, value
from wengert.errors import AbstractValueError

X = np.array([[0.7, -0.4, 1.3], [0.2, 2.1, -1.5]])
TIES = np.array([[0.5, 0.25, 0.5], [0.5, 0.25, 2.0], [0.5, 0.25, 0.5]])
FAR = [0.5, 7.0]

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "unique": lambda x: np.unique(x**3),
    "unique with everything": lambda x: np.unique(x, True, True, True),
    "unique rows": lambda x: np.unique(x, return_inverse=True, axis=0),
    "unique columns": lambda x: np.unique(x, return_index=True, return_counts=True, axis=-1),
    "unique_all": lambda x: np.unique_all(x),
    "unique_counts": lambda x: np.unique_counts(x),
    "unique_inverse": lambda x: np.unique_inverse(x),
    "unique_values": lambda x: np.sort(np.unique_values(x)),
    "union1d": lambda x: np.union1d(x, [0.1, 9.0]),
    "intersect1d": lambda x: np.intersect1d(x, x[::-1] * 1.0, return_indices=True),
    "intersect1d, unique": lambda x: np.intersect1d(x[0], x.ravel()[:4], True, True),
    "setdiff1d": lambda x: np.setdiff1d(x, FAR) + np.setdiff1d(x, FAR, assume_unique=True),
    "setxor1d": lambda x: np.setxor1d(x, [7.5]),
    "isin": lambda x: np.where(np.isin(x, [*FAR, np.nan]), x, x**2),
    "isin, inverted": lambda x: x * np.isin([[1.0, 2.12]], x, invert=True).sum(),
    "lexsort": lambda x: x[0][np.lexsort((x[0], [1, 0, 1]))],
    "lexsort of rows": lambda x: x[:, np.lexsort(x)],
    "lexsort along an axis": lambda x: np.take_along_axis(x, np.lexsort((x, x**2), axis=0), 0),
    "sort_complex": lambda x: np.sort_complex(x) + np.sort_complex(x * 1j),
}


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_a_function_of_sets_agrees_with_numpy(name: str) -> None:
    shaped_by_values = not name.startswith(("lex", "isin", "sort"))
    routes = ("jit",) if shaped_by_values else ("jit", "vmap")
    agrees_with_numpy(FUNCTIONS[name], X, routes)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name[:3] in ("uni", "int", "isi")])
@pytest.mark.parametrize("nan", [False, True])
def test_equal_elements_and_nan_are_found_as_by_numpy(name: str, nan: bool) -> None:
    x = TIES.copy()
    if nan:
        x[0, 1] = x[2, 2] = np.nan
    found, wanted = value(FUNCTIONS[name], x), leaves(FUNCTIONS[name](x))
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_equal_elements_share_the_derivative() -> None:
    found = wg.jacobian(np.unique)(np.array([2.0, 1.0, 2.0]))
    np.testing.assert_array_equal(found, [[0.0, 1.0, 0.0], [0.5, 0.0, 0.5]])


def test_a_set_of_unknown_values_is_refused() -> None:
    with pytest.raises(AbstractValueError, match=r"np.sort\(x\)"):
        wg.vmap(np.unique)(X)
