"""SciPy's optimisers with derivatives filled in, against SciPy with derivatives by hand."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import optimize as scipy_optimize
from scipy.optimize import (
    BFGS,
    SR1,
    Bounds,
    LinearConstraint,
    NonlinearConstraint,
    OptimizeResult,
    OptimizeWarning,
    rosen,
    rosen_der,
    rosen_hess,
    rosen_hess_prod,
)

import wengert as wg
from wengert.errors import DtypeError, ShapeError, TracedArrayError
from wengert.optimize import curve_fit, least_squares, minimize, root, root_scalar
from wengert.primitive import Traced

START = [-1.2, 1.0, 0.8]
GRADIENT = ["CG", "BFGS", "L-BFGS-B", "SLSQP"]
PRODUCTS = ["Newton-CG", "trust-ncg", "trust-krylov", "trust-constr"]
MATRIX = ["dogleg", "trust-exact"]
NO_GRADIENT = ["Nelder-Mead", "Powell", "COBYLA", "COBYQA"]


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


class Counted:
    """A function that counts its calls, and those among them with traced values."""

    def __init__(self, f: Any) -> None:
        self.f = f
        self.calls = 0
        self.traced = 0

    def __call__(self, x: Any, *args: Any) -> Any:
        self.calls += 1
        self.traced += isinstance(x, Traced)
        return self.f(x, *args)


def by_hand(method: str) -> dict[str, Any]:
    """The derivatives that SciPy is given in the comparison."""
    if method in NO_GRADIENT:
        return {}
    more = {"hessp": rosen_hess_prod} if method in PRODUCTS else {}
    more |= {"hess": rosen_hess} if method in MATRIX else {}
    return {"jac": rosen_der, **more}


# -- minimize: the methods -------------------------------------------------------------------------


@pytest.mark.parametrize("method", GRADIENT + PRODUCTS + MATRIX + NO_GRADIENT)
def test_every_method_takes_the_steps_that_it_takes_with_derivatives_by_hand(method: str) -> None:
    start = [0.6, 0.5, 0.4] if method == "dogleg" else START
    options = {"maxiter": 300} if method in NO_GRADIENT else None
    wanted = scipy_optimize.minimize(
        rosen, start, method=method, options=options, **by_hand(method)
    )
    found = minimize(rosenbrock, start, method=method, options=options)
    assert found.message == wanted.message
    np.testing.assert_allclose(found.x, wanted.x, rtol=0, atol=1e-6)
    for count in ("nit", "nfev", "njev", "nhev"):
        assert found.get(count) == wanted.get(count), count


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


# -- minimize: what is given -----------------------------------------------------------------------


def test_a_given_gradient_wins() -> None:
    f, gradient = Counted(rosenbrock), Counted(rosen_der)
    found = minimize(f, START, jac=gradient)
    assert f.traced == 0
    assert gradient.calls == found.njev
    both = minimize(lambda x: (rosen(x), rosen_der(x)), START, jac=True)
    np.testing.assert_array_equal(both.x, found.x)


@pytest.mark.parametrize("jac", ["2-point", "3-point", False])
def test_finite_differences_can_be_asked_for(jac: Any) -> None:
    f = Counted(rosenbrock)
    found = minimize(f, START, jac=jac)
    wanted = scipy_optimize.minimize(rosen, START, jac=jac)
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
    assert minimize(rosenbrock, START, **quasi).nit == wanted.nit


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


# -- trees -----------------------------------------------------------------------------------------


@dataclass
class Line:
    slope: Any
    offset: Any


def spread_out(p: Any) -> Any:
    """Rosenbrock's function of a dict."""
    return rosenbrock(np.concatenate([np.reshape(p["m"], 4), np.stack([p["s"], p["t"]])]))


TREE = {"m": np.array([[1.2, 1.0], [0.8, 0.9]]), "s": 1.1, "t": np.float32(0.7)}


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
    assert found.nit == minimize(f, start, method="trust-ncg").nit
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
        np.testing.assert_allclose(found.x["a"], wanted["a"], atol=1e-3)
        np.testing.assert_allclose(found.x["b"], wanted["b"], atol=1e-3)


def test_bounds_of_an_array_are_scipys() -> None:
    flat = minimize(rosenbrock, START, bounds=[(None, 0.5), (0, 1), (0, None)])
    wanted = scipy_optimize.minimize(
        rosen, START, jac=rosen_der, bounds=[(None, 0.5), (0, 1), (0, None)]
    )
    assert flat.nit == wanted.nit
    np.testing.assert_allclose(flat.x, wanted.x, atol=1e-6)
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


# -- constraints -----------------------------------------------------------------------------------


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
    np.testing.assert_allclose(found.x, HS71_SOLUTION, atol=1e-5)
    assert found.fun == pytest.approx(17.0140173, abs=1e-4)


def test_slsqp_takes_the_steps_that_it_takes_with_constraint_jacobians_by_hand() -> None:
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
    assert (found.nit, found.nfev, found.njev) == (wanted.nit, wanted.nfev, wanted.njev)
    np.testing.assert_allclose(found.x, wanted.x, atol=1e-8)
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
    assert (found.nit, found.constr_nhev) == (wanted.nit, wanted.constr_nhev)
    np.testing.assert_allclose(found.x, wanted.x, atol=1e-8)


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


# -- least_squares ---------------------------------------------------------------------------------

T = np.linspace(0.0, 4.0, 25)
Y = 2.5 * np.exp(-1.3 * T) + 0.5 + 0.01 * np.sin(40.0 * T)
OUTLIERS = Y + np.where(np.arange(25) % 9 == 4, 1.0, 0.0)


def misfit(p: Any, data: Any = Y) -> Any:
    return p[0] * np.exp(-p[1] * T) + p[2] - data


def misfit_jacobian(p: Any, data: Any = Y) -> Any:
    decay = np.exp(-p[1] * T)
    return np.stack([decay, -p[0] * T * decay, np.ones_like(T)], axis=1)


@pytest.mark.parametrize(
    "given",
    [
        {"method": "trf"},
        {"method": "dogbox"},
        {"method": "lm"},
        {"loss": "soft_l1", "f_scale": 0.1, "kwargs": {"data": OUTLIERS}},
        {"bounds": (0.0, [2.0, 2.0, 1.0])},
        {"x_scale": "jac", "args": (OUTLIERS,)},
        {"x_scale": [1.0, 0.5, 2.0]},
    ],
)
def test_least_squares_takes_the_steps_that_it_takes_with_a_jacobian_by_hand(given: Any) -> None:
    f = Counted(misfit)

    def counted(p: Any, *args: Any, **kwargs: Any) -> Any:
        return f(p, *args, *kwargs.values())

    wanted = scipy_optimize.least_squares(misfit, [1.0, 1.0, 0.0], misfit_jacobian, **given)
    found = least_squares(counted, [1.0, 1.0, 0.0], **given)
    assert (found.nfev, found.njev, found.status) == (wanted.nfev, wanted.njev, wanted.status)
    np.testing.assert_allclose(found.x, wanted.x, rtol=1e-9)
    np.testing.assert_allclose(found.jac, wanted.jac, atol=1e-9)
    assert f.traced == f.calls
    assert f.calls <= found.nfev + 2  # lm asks for the start and the solution again
    if given.get("method") == "lm":  # which took "2-point" only, before SciPy 1.16
        given = {"method": "trf"}
    differences = scipy_optimize.least_squares(misfit, [1.0, 1.0, 0.0], "3-point", **given)
    np.testing.assert_allclose(found.x, differences.x, rtol=1e-5)


def test_a_given_jacobian_of_residuals_wins() -> None:
    f = Counted(misfit)
    for jac in ("2-point", misfit_jacobian):
        found = least_squares(f, [1.0, 1.0, 0.0], jac)
        np.testing.assert_allclose(found.x, least_squares(misfit, [1.0, 1.0, 0.0]).x, rtol=1e-5)
    assert f.traced == 0


@pytest.mark.parametrize("rows", [1, 2, 12])
def test_the_jacobian_of_residuals_is_right_in_both_modes(rows: int) -> None:
    a = np.random.default_rng(rows).standard_normal((rows, 4))
    found = least_squares(lambda x: np.sin(a @ x) - 0.3, np.full(4, 0.1), max_nfev=1)
    wanted = np.cos(a @ np.full(4, 0.1))[:, None] * a
    np.testing.assert_allclose(found.jac, wanted, rtol=1e-12)


def test_residuals_and_their_parameters_may_be_trees() -> None:
    def residuals(p: Any) -> Any:
        return {"data": p["a"] * np.exp(-p["k"] * T)[None] - Y, "prior": 0.1 * p["k"]}

    start = {"a": 1.0, "k": 1.0}
    found = least_squares(residuals, start)
    flat = scipy_optimize.least_squares(
        lambda x: np.append(x[0] * np.exp(-x[1] * T) - Y, 0.1 * x[1]), [1.0, 1.0], "3-point"
    )
    assert found.x["a"] == pytest.approx(flat.x[0], rel=1e-5)
    assert found.x["k"] == pytest.approx(flat.x[1], rel=1e-5)
    assert found.fun["data"].shape == (1, 25)
    assert found.jac.shape == (26, 2)
    assert set(found.grad) == set(found.active_mask) == {"a", "k"}
    bounded = least_squares(
        residuals,
        start,
        bounds=({"a": 0.0, "k": 0.0}, {"a": 2.0, "k": np.inf}),
        x_scale={"a": 1.0, "k": 2.0},
    )
    assert bounded.x["a"] == pytest.approx(2.0, abs=1e-6)
    assert bounded.active_mask["a"] == 1


def test_residuals_may_be_a_list_of_numbers_some_of_them_constant() -> None:
    found = least_squares(lambda x: [x[0] - 1.0, 2.0 * x[1], 3], [0.0, 1.0])
    np.testing.assert_allclose(found.x, [1.0, 0.0], atol=1e-8)
    np.testing.assert_array_equal(found.jac, [[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    assert found.fun.shape == (3,)


@pytest.mark.parametrize(("rows", "unwanted"), [(1, "_forward_rows"), (12, "_reverse_rows")])
def test_the_mode_of_the_jacobian_is_the_cheaper(
    rows: int, unwanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(f"wengert.optimize.functions.{unwanted}")
    found = least_squares(lambda x: np.ones((rows, 4)) @ x, np.ones(4), max_nfev=1)
    np.testing.assert_array_equal(found.jac, np.ones((rows, 4)))


# -- curve_fit -------------------------------------------------------------------------------------


def decay(t: Any, a: Any, k: Any, c: Any) -> Any:
    return a * np.exp(-k * t) + c


def decay_jacobian(t: Any, a: Any, k: Any, c: Any) -> Any:
    e = np.exp(-k * t)
    return np.stack([e, -a * t * e, np.ones_like(t)], axis=1)


SIGMA = 0.1 + 0.05 * np.cos(T)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"p0": [2.0, 1.0, 0.0]},
        {"sigma": SIGMA, "absolute_sigma": True},
        {"sigma": np.diag(SIGMA**2) + 0.001},
        {"bounds": (0.0, [2.0, 3.0, 1.0])},
        {"method": "trf", "p0": (2.0, 1.0, 0.0)},
        {"check_finite": False},
    ],
)
def test_curve_fit_agrees_with_scipy_given_the_jacobian(given: Any) -> None:
    popt, pcov = curve_fit(decay, T, Y, **given)
    wanted, covariance = scipy_optimize.curve_fit(decay, T, Y, jac=decay_jacobian, **given)
    np.testing.assert_allclose(popt, wanted, rtol=1e-9)
    np.testing.assert_allclose(pcov, covariance, rtol=1e-7)


def test_curve_fit_runs_the_model_once_at_each_point() -> None:
    calls = 0

    def counted(t: Any, a: Any, k: Any, c: Any) -> Any:
        nonlocal calls
        calls += 1
        return decay(t, a, k, c)

    *_, info, _, _ = curve_fit(counted, T, Y, full_output=True)
    assert calls <= info["nfev"]


def test_one_sigma_for_all_data_is_taken() -> None:
    popt, pcov = curve_fit(decay, T, Y, sigma=0.3, absolute_sigma=True)
    wanted = scipy_optimize.curve_fit(
        decay, T, Y, sigma=np.full(25, 0.3), absolute_sigma=True, jac=decay_jacobian
    )
    np.testing.assert_allclose(popt, wanted[0], rtol=1e-9)
    np.testing.assert_allclose(pcov, wanted[1], rtol=1e-7)


def test_a_constant_model_may_return_a_number() -> None:
    popt, pcov = curve_fit(lambda t, c: c, T, Y)
    assert popt[0] == pytest.approx(np.mean(Y))
    assert pcov[0, 0] == pytest.approx(np.var(Y, ddof=1) / 25)


def test_a_given_jacobian_of_the_model_wins() -> None:
    jac = Counted(decay_jacobian)
    popt, _ = curve_fit(decay, T, Y, jac=jac)
    assert jac.calls > 0
    numeric, _ = curve_fit(decay, T, Y, method="trf", jac="3-point")
    np.testing.assert_allclose(popt, numeric, rtol=1e-5)


def test_parameters_of_a_fit_may_be_trees() -> None:
    wanted, covariance = scipy_optimize.curve_fit(decay, T, Y)
    order = [0, 2, 1]

    def with_dict(t: Any, p: Any) -> Any:
        return decay(t, p["a"], p["k"], p["c"])

    start = {"a": 1.0, "k": 1.0, "c": 0.0}
    popt, pcov = curve_fit(with_dict, T, Y, start)
    np.testing.assert_allclose([popt["a"], popt["k"], popt["c"]], wanted, rtol=1e-5)
    np.testing.assert_allclose(pcov, covariance[np.ix_(order, order)], rtol=1e-4)
    bounded, _ = curve_fit(with_dict, T, Y, start, bounds=({"a": 0.0, "k": 0.0, "c": 0.0}, np.inf))
    assert bounded["k"] == pytest.approx(wanted[1], rel=1e-5)

    def with_arrays(t: Any, shape: Any, c: Any) -> Any:
        return decay(t, shape[0], shape[1], c)

    def its_jacobian(t: Any, shape: Any, c: Any) -> Any:
        return decay_jacobian(t, shape[0], shape[1], c)

    for jac in (None, its_jacobian):
        (shape, c), _ = curve_fit(with_arrays, T, Y, (np.ones(2), 0.0), jac=jac)
        np.testing.assert_allclose([*shape, c], wanted, rtol=1e-5)
    only, _ = curve_fit(with_dict, T, Y, start, jac=lambda t, p: decay_jacobian(t, **p)[:, order])
    assert only["k"] == pytest.approx(wanted[1], rel=1e-5)


# -- roots -----------------------------------------------------------------------------------------


def circle_and_parabola(x: Any) -> Any:
    return [x[0] ** 2 + x[1] ** 2 - 4.0, x[1] - x[0] ** 2]


def circle_and_parabola_jacobian(x: Any) -> Any:
    return np.array([[2 * x[0], 2 * x[1]], [-2 * x[0], 1.0]])


HEIGHT = (np.sqrt(17.0) - 1.0) / 2.0


@pytest.mark.parametrize("method", ["hybr", "lm"])
@pytest.mark.parametrize("options", [None, {"col_deriv": True}])
def test_root_takes_the_steps_that_it_takes_with_a_jacobian_by_hand(
    method: str, options: Any
) -> None:
    f = Counted(circle_and_parabola)
    wanted = scipy_optimize.root(
        circle_and_parabola, [1.0, 1.0], jac=circle_and_parabola_jacobian, method=method
    )
    found = root(f, [1.0, 1.0], method=method, options=options)
    assert (found.nfev, found.njev) == (wanted.nfev, wanted.njev)
    np.testing.assert_allclose(found.x, [np.sqrt(HEIGHT), HEIGHT], rtol=1e-10)
    np.testing.assert_allclose(found.x, wanted.x, rtol=1e-12)
    assert f.traced == f.calls <= found.nfev


@pytest.mark.parametrize("method", ["broyden1", "krylov", "df-sane"])
def test_root_gives_no_jacobian_to_methods_without_one(method: str) -> None:
    f = Counted(circle_and_parabola)
    seen: list[Any] = []
    found = root(f, [1.0, 1.4], method=method, callback=lambda x, r: seen.append((x, r)))
    np.testing.assert_allclose(found.x, [np.sqrt(HEIGHT), HEIGHT], rtol=1e-2)
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
    assert found.iterations == wanted.iterations
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


# -- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["BFGS", "Nelder-Mead"])
def test_a_function_that_returns_no_single_number_is_an_error(method: str) -> None:
    with pytest.raises(
        ShapeError, match=r"(?s)returned an array of shape \(3,\).*test_optimize"
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
        root(circle_and_parabola, {"x": "1.0"})
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


def test_scipys_warnings_are_those_of_scipy() -> None:
    with pytest.warns(RuntimeWarning, match="does not use gradient"):
        minimize(rosenbrock, START, method="Nelder-Mead", jac=rosen_der)
    with pytest.warns(OptimizeWarning, match="could not be estimated"):
        curve_fit(decay, T[:3], Y[:3], method="trf")
