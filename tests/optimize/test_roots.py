"""``root`` and ``root_scalar``, against SciPy with derivatives by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import optimize as scipy_optimize

from problems import Counted, about_as_many
from wengert.optimize import root, root_scalar


def circle_and_parabola(x: Any) -> Any:
    return [x[0] ** 2 + x[1] ** 2 - 4.0, x[1] - x[0] ** 2]


def circle_and_parabola_jacobian(x: Any) -> Any:
    return np.array([[2 * x[0], 2 * x[1]], [-2 * x[0], 1.0]])


HEIGHT = (np.sqrt(17.0) - 1.0) / 2.0


@pytest.mark.parametrize("method", ["hybr", "lm"])
@pytest.mark.parametrize("options", [None, {"col_deriv": True}])
def test_root_reaches_what_it_reaches_with_a_jacobian_by_hand(method: str, options: Any) -> None:
    f = Counted(circle_and_parabola)
    wanted = scipy_optimize.root(
        circle_and_parabola, [1.0, 1.0], jac=circle_and_parabola_jacobian, method=method
    )
    found = root(f, [1.0, 1.0], method=method, options=options)
    assert about_as_many(found, wanted, "nfev njev")
    np.testing.assert_allclose(found.x, [np.sqrt(HEIGHT), HEIGHT], rtol=1e-10)
    assert f.traced == f.calls <= found.nfev


@pytest.mark.parametrize("method", ["broyden1", "krylov", "df-sane"])
def test_root_gives_no_jacobian_to_methods_without_one(method: str) -> None:
    f = Counted(circle_and_parabola)
    seen: list[Any] = []
    found = root(f, [1.0, 1.4], method=method, callback=lambda x, r: seen.append((x, r)))
    np.testing.assert_allclose(found.x, [np.sqrt(HEIGHT), HEIGHT], rtol=5e-2)
    assert f.traced == 0
    assert all(x.shape == r.shape == (2,) for x, r in seen)


def test_a_given_jacobian_of_the_system_wins() -> None:
    f = Counted(circle_and_parabola)
    found = root(f, [1.0, 1.0], jac=circle_and_parabola_jacobian)
    assert f.traced == 0
    pair = root(
        lambda x: (circle_and_parabola(x), circle_and_parabola_jacobian(x)), [1.0, 1.0], jac=True
    )
    np.testing.assert_array_equal(found.x, pair.x)
    differences = root(f, [1.0, 1.0], jac=False)
    np.testing.assert_allclose(found.x, differences.x, rtol=1e-8)
    assert f.traced == 0


def test_unknowns_and_equations_may_be_trees() -> None:
    a = np.array([[4.0, 1.0], [1.0, 3.0]])

    def equations(p: Any, a: Any) -> Any:
        return {"square": p["r"] @ p["r"] - a, "trace": p["t"] - np.trace(p["r"])}

    found = root(equations, {"r": np.eye(2), "t": 1.0}, args=a)
    np.testing.assert_allclose(found.x["r"] @ found.x["r"], a, atol=1e-9)
    assert found.x["t"] == pytest.approx(np.trace(found.x["r"]))
    assert found.fun["square"].shape == (2, 2)


@pytest.mark.parametrize(("method", "calls"), [("newton", 5), ("halley", 4), (None, 5)])
def test_root_scalar_gets_derivatives(method: str | None, calls: int) -> None:
    f = Counted(lambda x, c: x**3 - c)
    found = root_scalar(f, args=(2.0,), method=method, x0=1.5)
    wanted = scipy_optimize.root_scalar(
        lambda x: x**3 - 2.0,
        method=method,
        x0=1.5,
        fprime=lambda x: 3 * x**2,
        fprime2=(lambda x: 6 * x) if method == "halley" else None,
    )
    assert found.root == pytest.approx(2.0 ** (1 / 3), rel=1e-14)
    assert abs(found.iterations - wanted.iterations) <= 1
    assert found.function_calls == f.calls == f.traced


def test_root_scalar_leaves_what_is_given_and_what_needs_no_derivative() -> None:
    f = Counted(lambda x, c: x**3 - c)
    assert root_scalar(f, 2.0, bracket=(0.0, 2.0)).root == pytest.approx(2.0 ** (1 / 3))
    assert root_scalar(f, 2.0, x0=1.0, x1=1.5).root == pytest.approx(2.0 ** (1 / 3))
    slope = Counted(lambda x, c: 3 * x**2)
    assert root_scalar(f, 2.0, x0=1, fprime=slope).root == pytest.approx(2.0 ** (1 / 3))
    assert slope.calls > 0
    assert f.traced == 0
    halley = root_scalar(f, 2.0, x0=1.0, method="halley", fprime=slope)
    assert halley.root == pytest.approx(2.0 ** (1 / 3))
    assert f.traced > 0
