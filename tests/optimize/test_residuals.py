"""``least_squares`` and ``curve_fit``, against SciPy with Jacobians by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import optimize as scipy_optimize
from scipy.optimize import OptimizeWarning

from problems import Counted, about_as_many
from wengert.optimize import curve_fit, least_squares

T = np.linspace(0.0, 4.0, 25)
Y = 2.5 * np.exp(-1.3 * T) + 0.5 + 0.01 * np.sin(40.0 * T)
OUTLIERS = Y + np.where(np.arange(25) % 9 == 4, 1.0, 0.0)


def misfit(p: Any, data: Any = Y) -> Any:
    return p[0] * np.exp(-p[1] * T) + p[2] - data


def misfit_jacobian(p: Any, data: Any = Y) -> Any:
    decay = np.exp(-p[1] * T)
    return np.stack([decay, -p[0] * T * decay, np.ones_like(T)], axis=1)


# -- least_squares ---------------------------------------------------------------------------------


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
def test_least_squares_reaches_what_it_reaches_with_a_jacobian_by_hand(given: Any) -> None:
    f = Counted(misfit)

    def counted(p: Any, *args: Any, **kwargs: Any) -> Any:
        return f(p, *args, *kwargs.values())

    wanted = scipy_optimize.least_squares(misfit, [1.0, 1.0, 0.0], misfit_jacobian, **given)
    found = least_squares(counted, [1.0, 1.0, 0.0], **given)
    assert found.success
    assert wanted.success
    assert about_as_many(found, wanted, "nfev njev")
    np.testing.assert_allclose(found.x, wanted.x, rtol=1e-5)
    np.testing.assert_allclose(found.jac, wanted.jac, atol=1e-5)
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


def test_a_fit_without_a_covariance_gets_scipys_warning() -> None:
    with pytest.warns(OptimizeWarning, match="could not be estimated"):
        curve_fit(decay, T[:3], Y[:3], method="trf")
