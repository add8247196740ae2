"""A function of NumPy's on every route: value, both modes, second order, ``vmap`` and ``jit``."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import wengert as wg
from support import assert_derivatives, close
from wengert.functions.coverage import TABLE
from wengert.trace import concrete
from wengert.trace.base import FILLED

__all__ = [
    "agrees_with_numpy",
    "every_route_agrees",
    "flattened",
    "home_of",
    "leaves",
    "names_of",
    "value",
]

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


def every_route_agrees(f: Callable[..., Any], *point: float, without: Sequence[str] = ()) -> None:
    """Check a function of numbers to a number: its value, and derivatives by differences."""
    h = 1e-6
    plain = f(*point)
    directions = np.eye(len(point)) * h
    slopes = [(f(*(point + d)) - f(*(point - d))) / 2 / h for d in directions]
    argnums = tuple(range(len(point)))
    found, gradient = wg.value_and_grad(f, argnums=argnums)(*point)
    assert found == pytest.approx(plain, rel=1e-15)
    assert gradient == pytest.approx(slopes, rel=1e-7, abs=1e-9)
    tangents = (1.0, *[0.0] * (len(point) - 1))
    assert wg.jvp(f, point, tangents) == pytest.approx((plain, slopes[0]), rel=1e-7, abs=1e-9)
    near = [wg.grad(f)(*(point + sign * directions[0])) for sign in (1, -1)]
    curvature = (near[0] - near[1]) / 2 / h
    assert wg.hessian(f)(*point) == pytest.approx(curvature, rel=1e-6, abs=1e-7)
    if "vmap" not in without:
        batch = [np.full(2, each) for each in point]
        np.testing.assert_allclose(wg.vmap(f)(*batch), plain, rtol=1e-13)
        rows = wg.vmap(wg.grad(f))(*batch)
        np.testing.assert_allclose(rows, gradient[0], rtol=1e-11, atol=1e-13)
    if "scan" not in without:

        def body(carry: Any, _: Any) -> tuple[Any, Any]:
            return carry, f(*carry)

        def looped(*xs: Any) -> Any:
            return np.sum(wg.scan(body, xs, np.arange(2.0))[1])

        assert wg.grad(looped)(*point) == pytest.approx(2 * gradient[0], rel=1e-11, abs=1e-13)
    if "jit" not in without:
        compiled = wg.jit(wg.value_and_grad(f, argnums=argnums))
        for _ in range(2):
            found, again = compiled(*point)
            assert found == pytest.approx(plain, rel=1e-13)
            assert again == pytest.approx(gradient, rel=1e-11, abs=1e-13)
    assert not FILLED
