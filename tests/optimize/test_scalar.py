"""``minimize``: SciPy's minimisers, against SciPy with derivatives by hand.

What is compared is what they reach, and about how often they ask: steps depend on the last digit.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from scipy import optimize as scipy_optimize
from scipy.optimize import BFGS, SR1, OptimizeResult, rosen, rosen_der, rosen_hess, rosen_hess_prod

from problems import START, TREE, Counted, about_as_many, rosenbrock, spread_out
from wengert.optimize import minimize

GRADIENT = ["CG", "BFGS", "L-BFGS-B", "SLSQP"]
PRODUCTS = ["Newton-CG", "trust-ncg", "trust-krylov", "trust-constr"]
MATRIX = ["dogleg", "trust-exact"]
NO_GRADIENT = ["Nelder-Mead", "Powell", "COBYLA", "COBYQA"]


def by_hand(method: str) -> dict[str, Any]:
    """The derivatives that SciPy is given in the comparison."""
    if method in NO_GRADIENT:
        return {}
    more = {"hessp": rosen_hess_prod} if method in PRODUCTS else {}
    more |= {"hess": rosen_hess} if method in MATRIX else {}
    return {"jac": rosen_der, **more}


# -- the methods -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", GRADIENT + PRODUCTS + MATRIX + NO_GRADIENT)
def test_every_method_reaches_what_it_reaches_with_derivatives_by_hand(method: str) -> None:
    start = [0.6, 0.5, 0.4] if method == "dogleg" else START
    options = {"maxiter": 300} if method in NO_GRADIENT else None
    wanted = scipy_optimize.minimize(
        rosen, start, method=method, options=options, **by_hand(method)
    )
    found = minimize(rosenbrock, start, method=method, options=options)
    assert found.message == wanted.message
    # Both stop as soon as they are near enough to (1, 1, 1): by SciPy's tolerances, that is.
    assert found.fun <= max(10 * wanted.fun, 1e-6)
    np.testing.assert_allclose(found.x, wanted.x, rtol=0, atol=2e-3)
    slopes = [np.linalg.norm(rosen_der(result.x)) for result in (found, wanted)]
    assert slopes[0] <= max(10 * slopes[1], 2e-2 if method == "SLSQP" else 1e-3)
    assert about_as_many(found, wanted, "nit nfev njev nhev")


def test_tnc_whose_path_depends_on_the_last_digit_finds_the_minimum() -> None:
    found = minimize(rosenbrock, START, method="TNC", options={"maxfun": 2000})
    np.testing.assert_allclose(found.x, 1.0, atol=1e-2)


@pytest.mark.parametrize("method", [*GRADIENT, "TNC", "trust-constr"])
def test_the_function_runs_once_for_each_value_and_gradient(method: str) -> None:
    f = Counted(rosenbrock)
    found = minimize(f, START, method=method, hess=BFGS() if method == "trust-constr" else None)
    assert f.calls == f.traced
    assert f.calls in (found.nfev, found.nfev - 1)  # TNC asks for the last point a second time


def test_a_hessian_product_runs_the_gradient_once_at_each_point() -> None:
    f = Counted(rosenbrock)
    found = minimize(f, START, method="Newton-CG")
    assert found.nhev > found.nit
    assert f.calls == found.nfev + found.nit


@pytest.mark.parametrize("method", NO_GRADIENT)
def test_a_method_without_gradients_only_gets_values(method: str) -> None:
    f = Counted(rosenbrock)
    minimize(f, START, method=method, options={"maxiter": 20})
    assert f.calls > 0
    assert f.traced == 0


def test_the_method_is_chosen_as_in_scipy() -> None:
    inside = {"type": "ineq", "fun": lambda x: 4 - np.sum(x**2)}
    assert minimize(rosenbrock, START).message.startswith("Optimization terminated")
    assert "hess_inv" in minimize(rosenbrock, START)
    assert "CONVERGENCE" in minimize(rosenbrock, START, bounds=[(-2, 2)] * 3).message
    assert minimize(rosenbrock, START, constraints=inside).njev > 0
    with pytest.raises(ValueError, match="Unknown solver"):
        minimize(rosenbrock, START, method="downhill")


def test_a_method_of_ones_own_is_given_all_derivatives() -> None:
    def newton(fun: Any, x0: Any, args: Any, **given: Any) -> OptimizeResult:
        x = x0
        for _ in range(30):
            step = np.linalg.solve(given["hess"](x), given["jac"](x))
            np.testing.assert_allclose(given["hessp"](x, step), given["jac"](x), atol=1e-8)
            x = x - step
        return OptimizeResult(x=x, fun=fun(x, *args), success=True)

    found = minimize(rosenbrock, START, method=newton)
    np.testing.assert_allclose(found.x, 1.0, atol=1e-8)


# -- what is given ---------------------------------------------------------------------------------


def test_a_given_gradient_wins() -> None:
    f, gradient = Counted(rosenbrock), Counted(rosen_der)
    found = minimize(f, START, jac=gradient)
    assert f.traced == 0
    assert gradient.calls == found.njev
    both = minimize(lambda x: (rosenbrock(x), rosen_der(x)), START, jac=True)
    np.testing.assert_array_equal(both.x, found.x)


@pytest.mark.parametrize("jac", ["2-point", "3-point", False])
def test_finite_differences_can_be_asked_for(jac: Any) -> None:
    f = Counted(rosenbrock)
    found = minimize(f, START, jac=jac)
    wanted = scipy_optimize.minimize(rosenbrock, START, jac=jac)
    assert f.traced == 0
    assert found.nfev == wanted.nfev == f.calls


def test_given_second_derivatives_win() -> None:
    hess, hessp = Counted(rosen_hess), Counted(lambda x, p: rosen_hess_prod(x, p))
    minimize(rosenbrock, START, method="trust-exact", hess=hess)
    minimize(rosenbrock, START, method="trust-ncg", hessp=hessp)
    assert hess.calls > 0
    assert hessp.calls > 0
    quasi = {"method": "trust-constr", "hess": SR1()}
    wanted = scipy_optimize.minimize(rosen, START, jac=rosen_der, **quasi)
    found = minimize(rosenbrock, START, **quasi)
    np.testing.assert_allclose(found.x, wanted.x, atol=1e-4)
    assert about_as_many(found, wanted, "nit")


def test_extra_arguments_reach_the_function_and_given_derivatives() -> None:
    def f(x: Any, centre: Any, scale: float = 1.0) -> Any:
        return scale * np.sum((x - centre) ** 2)

    centre = np.array([1.0, -2.0])
    found = minimize(f, [0.0, 0.0], args=(centre, 3.0))
    np.testing.assert_allclose(found.x, centre, atol=1e-6)
    assert minimize(f, 0.5, args=2.0).x == pytest.approx(2.0)
    given = minimize(
        f,
        [0.0, 0.0],
        args=(centre, 3.0),
        method="Newton-CG",
        jac=lambda x, centre, scale: 2 * scale * (x - centre),
        hess=lambda x, centre, scale: 2 * scale * np.eye(2),
    )
    np.testing.assert_allclose(given.x, centre, atol=1e-6)


def test_a_derivative_that_a_method_does_not_use_gets_scipys_warning() -> None:
    with pytest.warns(RuntimeWarning, match="does not use gradient"):
        minimize(rosenbrock, START, method="Nelder-Mead", jac=rosen_der)


# -- callbacks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["BFGS", "TNC", "COBYLA", "trust-constr", "trust-exact"])
def test_a_callback_gets_the_point_as_a_tree(method: str) -> None:
    seen: list[Any] = []
    options = {"maxiter": 10}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")

        def callback(x: Any, *state: Any) -> None:
            seen.append(x)
            seen.extend(more.x for more in state)

        minimize(spread_out, TREE, method=method, callback=callback, options=options)
    assert seen
    assert all(x["m"].shape == (2, 2) for x in seen)


@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B", "trust-constr", "Nelder-Mead"])
def test_a_callback_gets_the_intermediate_result_as_a_tree(method: str) -> None:
    values: list[Any] = []

    def callback(intermediate_result: Any) -> None:
        assert intermediate_result.x["m"].shape == (2, 2)
        values.append(intermediate_result.fun)
        if len(values) == 3:
            raise StopIteration

    minimize(spread_out, TREE, method=method, callback=callback)
    assert len(values) == 3
    assert values[-1] < spread_out(TREE)


def test_all_vectors_of_the_path_are_trees() -> None:
    found = minimize(spread_out, TREE, method="BFGS", options={"return_all": True})
    assert all(x["m"].shape == (2, 2) for x in found.allvecs)
    assert len(found.allvecs) == found.nit + 1
