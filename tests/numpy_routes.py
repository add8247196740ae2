"""A function of NumPy's on every route: value, both modes, second order, ``vmap`` and ``jit``."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import wengert as wg
from support import assert_derivatives, close
from wengert.functions.coverage import TABLE
from wengert.trace import concrete

__all__ = ["agrees_with_numpy", "flattened", "home_of", "leaves", "names_of", "value"]

Function = Callable[[Any], Any]


def home_of(name: str) -> Any:
    """The module or class that a part of the table of NumPy's names is about."""
    kinds = {"ndarray": np.ndarray, "ufunc": np.ufunc}
    return kinds.get(name) or importlib.import_module(name.replace("np", "numpy", 1))


def names_of(home: str, *kinds: str) -> list[str]:
    """The names of these kinds in a part of the table."""
    return [name for kind in kinds for name in TABLE[home].get(kind, "").split()]


def leaves(result: Any) -> list[Any]:
    """The arrays of a nested result."""
    if isinstance(result, (tuple, list)):
        return [leaf for each in result for leaf in leaves(each)]
    return [result]


def flattened(f: Function) -> Function:
    """The function with the numbers of all its results in one row of real numbers."""

    def flat(x: Any) -> Any:
        rows: list[Any] = []
        for leaf in leaves(f(x)):
            if leaf is None or np.result_type(leaf).kind in "iub":
                continue
            parts = [np.real(leaf), np.imag(leaf)] if np.iscomplexobj(leaf) else [leaf]
            rows += [np.reshape(part, -1) for part in parts]
        return np.concatenate(rows)

    return flat


def value(f: Function, x: Any) -> list[Any]:
    """The results of a function that meets a traced value, as plain arrays."""
    results: list[Any] = []

    def kept(x: Any) -> Any:
        results.extend(map(concrete, leaves(f(x))))
        return np.sum(x)

    wg.grad(kept)(x.copy())
    return results


def agrees_with_numpy(
    f: Function, x: Any, routes: Sequence[str] = ("vmap", "jit"), tolerance: float = 0.0
) -> None:
    """Check values (to the bit), dtypes and derivatives of a function of one array."""
    wanted = leaves(f(x.copy()))
    traced = value(f, x)
    assert len(traced) == len(wanted)
    for found, right in zip(traced, wanted, strict=True):
        assert np.result_type(found) == np.result_type(right)
        if tolerance:
            np.testing.assert_allclose(found, right, tolerance, tolerance)
        else:
            np.testing.assert_array_equal(np.asarray(found), np.asarray(right), strict=True)
    flat = flattened(f)
    assert_derivatives(flat, x)
    if "vmap" in routes:
        batch = np.stack([x, x * 1.001, x * 0.998])
        rows = np.stack([flat(each.copy()) for each in batch])
        assert close(wg.vmap(flat)(batch), rows, 1e-12)
        weights = np.cos(np.arange(rows.shape[1]))
        slopes = [wg.grad(lambda x: np.sum(weights * flat(x) ** 2))(each) for each in batch]
        found = wg.vmap(wg.grad(lambda x: np.sum(weights * flat(x) ** 2)))(batch)
        assert close(found, np.stack(slopes), 1e-12)
    if "jit" in routes:
        jitted = wg.jit(lambda x: (flat(x), wg.grad(lambda x: np.sum(flat(x) ** 2))(x)), wait=True)
        for each in (x, x * 1.001):
            numbers, slope = jitted(each)
            assert close(numbers, flat(each.copy()), 1e-12)
            assert close(slope, wg.grad(lambda x: np.sum(flat(x) ** 2))(each), 1e-12)
