"""Constraints, whose Jacobians and Hessians are filled in."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from scipy import optimize as scipy_optimize
from scipy.optimize import (
    SR1,
    LinearConstraint,
    NonlinearConstraint,
    rosen,
    rosen_der,
    rosen_hess_prod,
)

import wengert as wg
from problems import START, Counted, about_as_many, rosenbrock
from wengert.optimize import minimize


def hs71(x: Any) -> Any:
    """Problem 71 of W. Hock, K. Schittkowski, "Test Examples for Nonlinear Programming Codes"."""
    return x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2]


HS71_SOLUTION = [1.0, 4.74299963, 3.82114998, 1.37940829]
HS71_DICTS = [
    {"type": "ineq", "fun": lambda x, least: np.prod(x) - least, "args": (25.0,)},
    {"type": "eq", "fun": lambda x: np.sum(x**2) - 40.0},
]
HS71_OBJECTS = [
    NonlinearConstraint(np.prod, 25.0, np.inf),
    NonlinearConstraint(lambda x: np.sum(x**2), 40.0, 40.0),
]


@pytest.mark.parametrize("method", ["SLSQP", "trust-constr"])
@pytest.mark.parametrize("constraints", [HS71_DICTS, HS71_OBJECTS], ids=["dicts", "objects"])
def test_problem_71_of_hock_and_schittkowski(method: str, constraints: Any) -> None:
    found = minimize(
        hs71, [1.0, 5.0, 5.0, 1.0], method=method, bounds=[(1, 5)] * 4, constraints=constraints
    )
    assert found.success
    np.testing.assert_allclose(found.x, HS71_SOLUTION, atol=1e-4)
    assert found.fun == pytest.approx(17.0140173, abs=1e-4)


def test_slsqp_reaches_what_it_reaches_with_constraint_jacobians_by_hand() -> None:
    jacobians = [
        lambda x, least: np.array([np.prod(np.delete(x, i)) for i in range(4)]),
        lambda x: 2 * x,
    ]
    wanted = scipy_optimize.minimize(
        hs71,
        [1.0, 5.0, 5.0, 1.0],
        jac=wg.grad(hs71),
        method="SLSQP",
        bounds=[(1, 5)] * 4,
        constraints=[c | {"jac": j} for c, j in zip(HS71_DICTS, jacobians, strict=True)],
    )
    product = Counted(lambda x, least: np.prod(x) - least)
    constraints = [HS71_DICTS[0] | {"fun": product}, HS71_DICTS[1]]
    found = minimize(
        hs71, [1.0, 5.0, 5.0, 1.0], method="SLSQP", bounds=[(1, 5)] * 4, constraints=constraints
    )
    assert about_as_many(found, wanted, "nit nfev njev")
    np.testing.assert_allclose(found.x, wanted.x, atol=1e-5)
    assert product.traced == product.calls
    assert product.calls <= found.nfev + 1


def test_trust_constr_gets_the_hessian_of_the_constraints() -> None:
    def circle(x: Any) -> Any:
        return np.stack([x[0] ** 2 + x[1] ** 2, x[0] * x[1]])

    by_hand = NonlinearConstraint(
        lambda x: np.array([x[0] ** 2 + x[1] ** 2, x[0] * x[1]]),
        [-np.inf, 0.1],
        [2.0, np.inf],
        jac=lambda x: np.array([[2 * x[0], 2 * x[1]], [x[1], x[0]]]),
        hess=lambda x, v: np.array([[2 * v[0], v[1]], [v[1], 2 * v[0]]]),
    )
    wanted = scipy_optimize.minimize(
        rosen,
        [0.3, 0.8],
        jac=rosen_der,
        hessp=rosen_hess_prod,
        method="trust-constr",
        constraints=by_hand,
    )
    ours = NonlinearConstraint(circle, [-np.inf, 0.1], [2.0, np.inf])
    found = minimize(rosenbrock, [0.3, 0.8], method="trust-constr", constraints=ours)
    assert about_as_many(found, wanted, "nit constr_nhev")
    np.testing.assert_allclose(found.x, wanted.x, atol=1e-5)


def test_what_a_constraint_gives_wins() -> None:
    jac = Counted(lambda x: 2 * x)
    hess = Counted(lambda x, v: 2 * v[0] * np.eye(2))
    fun = Counted(lambda x: np.sum(x**2))
    inside = NonlinearConstraint(fun, -np.inf, 1.0, jac=jac, hess=hess)
    found = minimize(rosenbrock, [0.1, 0.1], method="trust-constr", constraints=inside)
    assert fun.traced == 0
    assert jac.calls > 0
    assert hess.calls > 0
    differences = NonlinearConstraint(fun, -np.inf, 1.0, jac="3-point", hess=SR1())
    minimize(rosenbrock, [0.1, 0.1], method="trust-constr", constraints=differences)
    assert fun.traced == 0
    given = {"type": "ineq", "fun": lambda x, r: r - fun(x), "jac": lambda x, r: -jac(x)}
    for method in ("SLSQP", "trust-constr"):
        again = minimize(
            rosenbrock, [0.1, 0.1], method=method, constraints=[given | {"args": (1.0,)}]
        )
        np.testing.assert_allclose(again.x, found.x, atol=1e-3)
    assert fun.traced == 0


@pytest.mark.parametrize("method", ["SLSQP", "trust-constr", "COBYLA", "COBYQA"])
def test_constraints_take_the_tree_that_the_function_takes(method: str) -> None:
    def f(p: Any) -> Any:
        return (p["u"][0] - 2.0) ** 2 + (p["u"][1] - 1.0) ** 2 + p["w"] ** 2

    constraints = [
        NonlinearConstraint(lambda p: {"c": p["u"][0] ** 2 - p["u"][1]}, -np.inf, 0.0),
        {"type": "ineq", "fun": lambda p: 2.0 - np.sum(p["u"]) - p["w"]},
        LinearConstraint([[0.0, 0.0, 1.0]], 0.0, np.inf),
    ]
    start = {"u": np.array([0.5, 0.5]), "w": 0.5}
    found = minimize(f, start, method=method, constraints=constraints)
    np.testing.assert_allclose(found.x["u"], [1.0, 1.0], atol=2e-3)
    assert found.x["w"] == pytest.approx(0.0, abs=2e-3)


def test_limits_have_the_structure_of_what_they_limit() -> None:
    constraint = NonlinearConstraint(
        lambda a: {"d": np.diag(a), "s": np.sum(a)},
        {"d": np.zeros(2), "s": 0.0},
        {"d": np.array([0.5, 0.25]), "s": 10.0},
    )
    found = minimize(
        lambda a: np.sum((a - 1.0) ** 2), np.zeros((2, 2)), method="SLSQP", constraints=constraint
    )
    np.testing.assert_allclose(found.x, [[0.5, 1.0], [1.0, 0.25]], atol=1e-6)


def test_a_malformed_constraint_gets_scipys_error() -> None:
    for method in ("SLSQP", "trust-constr"):
        with pytest.raises(ValueError, match="Unknown constraint type"):
            minimize(
                rosenbrock,
                START,
                method=method,
                constraints={"type": "less", "fun": lambda x: x[0]},
            )


def test_a_constraint_that_scipy_has_used_can_be_used_again() -> None:
    inside = NonlinearConstraint(lambda x: np.sum(x**2), -np.inf, 1.0)
    given = {"method": "trust-constr", "constraints": inside}
    wanted = scipy_optimize.minimize(rosen, [0.1, 0.1], jac=rosen_der, **given)
    found = minimize(rosenbrock, [0.1, 0.1], **given)
    np.testing.assert_allclose(found.x, wanted.x, atol=1e-4)
    assert found.constr_nhev[0] > 0


def test_constraints_may_be_none_and_solve_without_gradients() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert minimize(rosenbrock, START, constraints=None).success
        inside = NonlinearConstraint(lambda x: np.sum(x**2), -np.inf, 1.0)
        found = minimize(rosenbrock, START, method="COBYLA", constraints=inside)
        assert np.sum(found.x**2) < 1.001
