"""Trees as starts, solutions, derivatives and bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import optimize as scipy_optimize
from scipy.optimize import Bounds, rosen, rosen_der

from problems import START, TREE, about_as_many, rosenbrock, spread_out
from wengert.errors import ShapeError
from wengert.optimize import minimize


@dataclass
class Line:
    slope: Any
    offset: Any


@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B", "Newton-CG", "trust-exact", "Nelder-Mead"])
def test_the_solution_has_the_structure_shapes_and_dtypes_of_the_start(method: str) -> None:
    options = {"maxiter": 5} if method == "Nelder-Mead" else None
    found = minimize(spread_out, TREE, method=method, options=options)
    assert set(found.x) == set(TREE)
    assert found.x["m"].shape == (2, 2)
    assert np.shape(found.x["s"]) == ()
    assert found.x["t"].dtype == np.float32
    if method != "Nelder-Mead":
        np.testing.assert_allclose(found.x["m"], 1.0, atol=1e-2)
        assert found.jac["m"].shape == (2, 2)


def test_dataclasses_tuples_matrices_and_numbers_are_starts() -> None:
    def f(line: Line) -> Any:
        return (line.slope - 1.0) ** 2 + (line.offset + 2.0) ** 2

    found = minimize(f, Line(0.0, 0.0))
    assert isinstance(found.x, Line)
    assert found.x.offset == pytest.approx(-2.0)
    pair = minimize(lambda p: np.sum((p[0] - p[1]) ** 2) + p[1] ** 2, (np.ones((2, 2)), 3))
    assert isinstance(pair.x, tuple)
    np.testing.assert_allclose(pair.x[0], np.zeros((2, 2)), atol=1e-5)
    square = minimize(
        lambda a: np.sum((a @ a - np.eye(2)) ** 2), np.array([[2.0, 0.1], [0.0, 1.5]])
    )
    np.testing.assert_allclose(square.x @ square.x, np.eye(2), atol=1e-5)
    number = minimize(lambda x: (x - 3.0) ** 2, 1)
    assert np.shape(number.x) == ()
    assert number.x == pytest.approx(3.0)


def test_a_list_of_numbers_is_an_array() -> None:
    found = minimize(lambda x: np.sum((x - 1.0) ** 2), [0, 2])
    np.testing.assert_allclose(found.x, [1.0, 1.0])
    pair = minimize(lambda x: np.sum((x - 1.0) ** 2), (0.0, 2.0))
    np.testing.assert_allclose(pair.x, [1.0, 1.0])


def test_given_derivatives_may_be_trees() -> None:
    def f(p: Any) -> Any:
        return np.sum((p["a"] - 1.0) ** 2) + p["b"] ** 4

    start = {"a": np.zeros(2), "b": 1.0}
    found = minimize(
        f,
        start,
        method="trust-ncg",
        jac=lambda p: {"a": 2 * (p["a"] - 1.0), "b": 4 * p["b"] ** 3},
        hessp=lambda p, v: {"a": 2 * v["a"], "b": 12 * p["b"] ** 2 * v["b"]},
    )
    assert about_as_many(found, minimize(f, start, method="trust-ncg"), "nit")
    np.testing.assert_allclose(found.x["a"], 1.0)
    with pytest.raises(ShapeError, match="the gradient"):
        minimize(f, start, jac=lambda p: (p["a"], p["b"]))
    with pytest.raises(ShapeError, match="2 numbers, but x0 has 3"):
        minimize(f, start, jac=lambda p: {"a": 1.0, "b": 1.0})


def test_a_float32_start_is_optimised_in_float32() -> None:
    seen = set()

    def f(x: Any) -> Any:
        seen.add(x.dtype)
        return np.sum((x - np.float32(0.5)) ** 2)

    found = minimize(f, np.zeros(3, np.float32), method="L-BFGS-B")
    assert seen == {np.dtype(np.float32)}
    assert found.x.dtype == np.float32
    np.testing.assert_allclose(found.x, 0.5, atol=1e-5)


# -- bounds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["L-BFGS-B", "TNC", "SLSQP", "trust-constr", "Nelder-Mead"])
def test_bounds_may_be_scipys_or_a_tree_of_pairs(method: str) -> None:
    def f(p: Any) -> Any:
        return np.sum((p["a"] - 2.0) ** 2) + (p["b"] + 2.0) ** 2

    start = {"a": np.full(2, 0.5), "b": 0.0}
    wanted = {"a": [1.0, 1.5], "b": -1.0}
    for bounds in (
        {"a": (None, np.array([1.0, 1.5])), "b": (-1, 1)},
        Bounds([-np.inf, -np.inf, -1.0], [1.0, 1.5, 1.0]),
    ):
        found = minimize(f, start, method=method, bounds=bounds)
        np.testing.assert_allclose(found.x["a"], wanted["a"], atol=1e-2)
        np.testing.assert_allclose(found.x["b"], wanted["b"], atol=1e-2)


def test_bounds_of_an_array_are_scipys() -> None:
    flat = minimize(rosenbrock, START, bounds=[(None, 0.5), (0, 1), (0, None)])
    wanted = scipy_optimize.minimize(
        rosen, START, jac=rosen_der, bounds=[(None, 0.5), (0, 1), (0, None)]
    )
    assert about_as_many(flat, wanted, "nit")
    np.testing.assert_allclose(flat.x, wanted.x, atol=1e-4)
    square = minimize(
        lambda a: np.sum((a - 2.0) ** 2),
        np.zeros((2, 2)),
        bounds=Bounds(np.zeros((2, 2)), np.array([[1.0, 3.0], [0.5, 3.0]])),
    )
    np.testing.assert_allclose(square.x, [[1.0, 2.0], [0.5, 2.0]], atol=1e-6)
    for bounds in ((0.0, 1.0), [(0.0, 1.0)]):
        assert minimize(lambda x: (x - 2.0) ** 2, 0.5, bounds=bounds).x == pytest.approx(1.0)
    fixed = minimize(rosenbrock, START, bounds=[(-1.2, -1.2), (None, None), (None, None)])
    assert fixed.x[0] == -1.2


def test_bounds_of_another_structure_are_an_error() -> None:
    with pytest.raises(ShapeError, match="the bounds do not have the structure of x0"):
        minimize(spread_out, TREE, bounds=[(0, 1)] * 6)
