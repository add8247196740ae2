"""The user's function: what it may return, do and take, and the mode of its Jacobian."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import OptimizeResult

import wengert as wg
from problems import START, rosenbrock
from wengert.errors import DtypeError, ShapeError, TracedArrayError
from wengert.optimize import least_squares, minimize, root


@pytest.mark.parametrize("method", ["BFGS", "Nelder-Mead"])
def test_a_function_that_returns_no_single_number_is_an_error(method: str) -> None:
    with pytest.raises(
        ShapeError, match=r"(?s)returned an array of shape \(3,\).*test_functions"
    ) as e:
        minimize(lambda x: x**2, START, method=method)
    assert "np.sum" in str(e.value)
    with pytest.raises(ShapeError, match=r"returned \(\*, \*\)"):
        minimize(lambda x: (x[0], x[1]), START, method=method)
    with pytest.raises(DtypeError, match="complex"):
        minimize(lambda x: x[0] * 1j, START, method=method)


def test_an_array_of_one_number_is_a_number() -> None:
    assert minimize(lambda x: (x - 2.0) ** 2, [0.0]).x[0] == pytest.approx(2.0)


def test_a_constant_result_has_a_zero_gradient() -> None:
    found = minimize(lambda x: 7, START)
    np.testing.assert_array_equal(found.jac, 0.0)


def test_starts_that_cannot_be_differentiated_are_errors() -> None:
    with pytest.raises(DtypeError, match="astype"):
        minimize(rosenbrock, np.array([1, 2, 3]))
    with pytest.raises(DtypeError, match="complex"):
        minimize(rosenbrock, np.array([1j, 2.0]))
    with pytest.raises(DtypeError, match="str"):
        root(lambda p: p["x"], {"x": "1.0"})
    with pytest.raises(DtypeError, match="complex"):
        least_squares(lambda x: x * 1j, START)


def test_an_optimiser_inside_of_a_derivative_is_an_error_not_a_zero() -> None:
    with pytest.raises(TracedArrayError, match="implicit function theorem"):
        wg.grad(lambda a: minimize(lambda x: np.sum((x - a) ** 2), [0.0]).fun)(1.0)
    with pytest.raises(TracedArrayError, match="implicit function theorem"):
        wg.grad(lambda a: minimize(lambda x: np.sum(x**2), {"x": a}).fun)(1.0)
    with pytest.raises(TracedArrayError, match="implicit function theorem"):
        wg.grad(lambda a: root(lambda x: x**2 - a, [1.0]).x[0])(2.0)


def test_an_exception_of_the_users_passes_through() -> None:
    def f(x: Any) -> Any:
        raise KeyError("mine")

    for call in (minimize, least_squares, root):
        with pytest.raises(KeyError, match="mine"):
            call(f, START)
    assert minimize(rosenbrock, START).success


def test_a_function_may_overwrite_its_argument() -> None:
    def f(x: Any) -> Any:
        value = np.sum((x - 1.0) ** 2)
        x[:] = 0.0
        return value

    for method in ("BFGS", "Nelder-Mead", "Newton-CG"):
        np.testing.assert_allclose(minimize(f, START, method=method).x, 1.0, atol=1e-3)

    def evaluate(fun: Any, x0: Any, args: Any, **given: Any) -> OptimizeResult:
        return OptimizeResult(fun=fun(x0), x=x0)

    for jac in (None, False):
        np.testing.assert_array_equal(minimize(f, START, method=evaluate, jac=jac).x, START)


@pytest.mark.parametrize(("rows", "unwanted"), [(1, "_forward_rows"), (12, "_reverse_rows")])
def test_the_mode_of_the_jacobian_is_the_cheaper(
    rows: int, unwanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(f"wengert.derivatives.jacobians.{unwanted}")
    found = least_squares(lambda x: np.ones((rows, 4)) @ x, np.ones(4), max_nfev=1)
    np.testing.assert_array_equal(found.jac, np.ones((rows, 4)))
