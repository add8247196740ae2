"""Derivatives at the awkward points: one table, the same in both modes, and never NaN."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import wengert as wg
from support import gradient, tangent

inf = math.inf


def quiet(f: Any) -> Any:
    """``f`` without NumPy's warnings about ``f`` itself; its derivatives are to warn of nothing."""

    def silent(x: Any) -> Any:
        with np.errstate(all="ignore"):
            return f(x)

    return silent


# name: function, point, derivative
NUMBERS: dict[str, tuple[Any, float, float]] = {
    "abs at 0": (np.abs, 0.0, 0.0),
    "fabs at 0": (np.fabs, 0.0, 0.0),
    "sign at 0": (np.sign, 0.0, 0.0),
    "floor at 2": (np.floor, 2.0, 0.0),
    "ceil at 2": (np.ceil, 2.0, 0.0),
    "rint at 0.5": (np.rint, 0.5, 0.0),
    "round at 0.25": (lambda x: np.round(x, 1), 0.25, 0.0),
    "comparison": (lambda x: (x > 1) * 1.0 + 0 * x, 1.0, 0.0),
    "floor_divide": (lambda x: x // 0.5, 1.0, 0.0),
    "sqrt at 0": (np.sqrt, 0.0, inf),
    "cbrt at 0": (np.cbrt, 0.0, inf),
    "log at 0": (quiet(np.log), 0.0, inf),
    "hypot at 0": (lambda x: np.hypot(x, 0.0), 0.0, 0.0),
    "hypot of both at 0": (lambda x: np.hypot(x, 2 * x), 0.0, 0.0),
    "abs of a complex 0": (lambda x: np.abs(x * (1 + 2j)), 0.0, 0.0),
    "arctan2 at 0": (lambda x: np.arctan2(x, x), 0.0, 0.0),
    "maximum tie": (lambda x: np.maximum(x, 1.0), 1.0, 0.5),
    "minimum tie": (lambda x: np.minimum(1.0, 3 * x - 2), 1.0, 1.5),
    "maximum of a value and itself": (lambda x: np.maximum(x, x), 1.0, 1.0),
    "relu at 0": (lambda x: np.where(x > 0, x, 0.0), 0.0, 0.0),
    "fmax with NaN": (lambda x: np.fmax(math.nan, x**2), 1.0, 2.0),
    "fmin with NaN": (lambda x: np.fmin(x**2, math.nan), 1.0, 2.0),
    "clip below": (lambda x: np.clip(x, 0, 1), -1.0, 0.0),
    "clip at its bound": (lambda x: np.clip(x, 0, 1), 1.0, 0.5),
    "clip within": (lambda x: np.clip(x, 0, 1), 0.3, 1.0),
    "clip of an infinite slope": (lambda x: np.clip(np.sqrt(x), 1, 2), 0.0, 0.0),
    "where and sqrt at 0": (lambda x: np.where(x > 0, np.sqrt(x), 0), 0.0, 0.0),
    "where and log below 0": (quiet(lambda x: np.where(x > 0, np.log(x), x)), -1.0, 1.0),
    "where and exp at 1000": (quiet(lambda x: np.where(x < 100, np.exp(x), x)), 1000.0, 1.0),
    "where and sin(x)/x at 0": (quiet(lambda x: np.where(x == 0, 1, np.sin(x) / x)), 0.0, 0.0),
    "select": (lambda x: np.select([x < 0, x < 1], [np.sqrt(x), x**2], np.log(x)), 0.5, 1.0),
    "piecewise": (lambda x: np.piecewise(x, [x > 0], [np.log, lambda t: 3 * t]), -1.0, 3.0),
    "0 ** 2": (lambda x: x**2, 0.0, 0.0),
    "0 ** 1": (lambda x: x**1, 0.0, 1.0),
    "0 ** 0": (lambda x: x**0, 0.0, 0.0),
    "0 ** 0.5": (lambda x: x**0.5, 0.0, inf),
    "0 ** y at 2": (lambda y: 0.0**y, 2.0, 0.0),
    "0 ** y at 0": (lambda y: 0.0**y, 0.0, 0.0),
    "x ** x at 0": (lambda x: x**x, 0.0, 0.0),
    "negative base, whole exponent": (lambda x: x**3, -2.0, 12.0),
    "infinite base, exponent 0": (lambda x: x**0, inf, 0.0),
    "sinc at 0": (np.sinc, 0.0, 0.0),
    "logaddexp of equal infinities": (lambda x: np.logaddexp(x, x), inf, 1.0),
    "logaddexp of equal negative infinities": (lambda x: np.logaddexp(x, -inf), -inf, 0.5),
    "logaddexp far apart": (lambda x: np.logaddexp(0, x), -800.0, 0.0),
    "logaddexp far apart, other side": (lambda x: np.logaddexp(0, x), 800.0, 1.0),
    "logaddexp2 of equal infinities": (lambda x: np.logaddexp2(x, x), inf, 1.0),
    "tanh at 1000": (np.tanh, 1000.0, 0.0),
    "arctan at 1e200": (np.arctan, 1e200, 0.0),
    "arcsinh at 1e200": (np.arcsinh, 1e200, 1e-200),
    "log1p at 1e300": (np.log1p, 1e300, 1e-300),
    "expm1 at -50": (np.expm1, -50.0, math.exp(-50)),
    "copysign at 0": (lambda x: np.copysign(x, -1.0), 0.0, 0.0),
    "remainder on its jump": (lambda x: np.remainder(x, 1.0), 2.0, 1.0),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_both_modes_keep_to_the_table(name: str) -> None:
    f, x, wanted = NUMBERS[name]
    np.testing.assert_allclose(gradient(f, x), wanted, rtol=1e-13)
    np.testing.assert_allclose(tangent(f, x, 1.0), wanted, rtol=1e-13)
    in_array = np.array([x, x])
    np.testing.assert_allclose(gradient(lambda x: np.sum(f(x)), in_array), [wanted] * 2, rtol=1e-13)


# name: function, points at which its value is NaN although they are finite
OUTSIDE: dict[str, tuple[Any, tuple[float, ...]]] = {
    "sqrt": (np.sqrt, (-1.0, -1e-300)),
    "x ** 0.5": (lambda x: x**0.5, (-1.0,)),
    "x ** -1.5": (lambda x: x**-1.5, (-2.0,)),
    "x ** y of arrays": (lambda x: np.power(x, np.full(np.shape(x), 0.3)), (-2.0,)),
    "a negative base": (lambda y: (-2.0) ** y, (0.5,)),
    "log": (np.log, (-1.0, -1e300, -1e-300)),
    "log2": (np.log2, (-1.0, -3.0)),
    "log10": (np.log10, (-1.0, -3.0)),
    "log1p": (np.log1p, (-1.5, -3.0)),
    "arcsin": (np.arcsin, (-1.5, 2.0)),
    "arccos": (np.arccos, (-1.5, 2.0)),
    "arccosh": (np.arccosh, (0.5, 0.0, -2.0)),
    "arctanh": (np.arctanh, (-1.5, 2.0, 1e200)),
    "remainder in x": (lambda x: np.remainder(x, 0.0), (-1.5, 0.0, 2.0)),
    "remainder in y": (lambda y: 2.0 % y, (0.0,)),
    "fmod in x": (lambda x: np.fmod(x, 0.0), (-1.5, 2.0)),
    "fmod in y": (lambda y: np.fmod(2.0, y), (0.0,)),
    "divmod": (lambda x: np.divmod(x, 0.0)[1], (2.0,)),
    "sin of infinity": (np.sin, (inf, -inf)),
    "tan of infinity": (np.tan, (inf,)),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_where_a_value_is_nan_by_domain_so_is_its_derivative(name: str) -> None:
    f, points = OUTSIDE[name]
    f = quiet(f)
    x = np.array([*points, 0.7])
    assert np.isnan(f(x)).tolist() == np.isnan(gradient(lambda x: np.sum(f(x)), x)).tolist()
    assert np.isnan(f(x)).tolist() == np.isnan(tangent(f, x, np.ones_like(x))).tolist()
    compiled = wg.jit(wg.grad(lambda x: np.sum(f(x))))
    assert np.isnan(f(x)).tolist() == np.isnan(compiled(x)).tolist()
    for point in points:
        assert np.isnan(gradient(f, point))
        assert np.isnan(tangent(f, point, 1.0))
        assert np.isnan(wg.grad(wg.grad(f))(point))
        left_out = quiet(lambda x: np.where(np.isnan(f(x)), 2 * x, f(x)))
        assert wg.grad(left_out)(point) == 2.0
        assert wg.grad(wg.grad(left_out))(point) == 0.0


EXP_BELOW_100 = quiet(lambda x: np.where(x < 100, np.exp(x), x**2))

# name: function, point, derivatives of order 2 and 3
HIGHER: dict[str, tuple[Any, float, tuple[float, ...]]] = {
    "0 ** 2": (lambda x: x**2, 0.0, (2.0, 0.0, 0.0)),
    "0 ** 2.0": (lambda x: x**2.0, 0.0, (2.0, 0.0, 0.0)),
    "0 ** 3": (lambda x: x**3, 0.0, (0.0, 6.0, 0.0)),
    "0 ** array": (lambda x: np.power(x, np.array(2.0)), 0.0, (2.0, 0.0, 0.0)),
    "0 ** traced": (lambda x: x ** (2 + 0 * x), 0.0, (2.0, 0.0)),
    "0 ** 0": (lambda x: x**0, 0.0, (0.0, 0.0)),
    "hypot at 0": (lambda x: np.hypot(x, 0.0), 0.0, (0.0, 0.0)),
    "arctan2 at 0": (lambda x: np.arctan2(x, x), 0.0, (0.0, 0.0)),
    "abs at 0": (np.abs, 0.0, (0.0, 0.0)),
    "where and sqrt at 0": (lambda x: np.where(x > 0, np.sqrt(x), 0), 0.0, (0.0, 0.0)),
    "where and exp at 1000": (
        quiet(lambda x: np.where(x < 100, np.exp(x), x**2)),
        1000.0,
        (2.0, 0.0),
    ),
    "sinc at 0": (np.sinc, 0.0, (-(math.pi**2) / 3, 0.0, math.pi**4 / 5)),
    "logaddexp tie": (lambda x: np.logaddexp(x, 1.0), 1.0, (0.25, 0.0, -0.125)),
    "logaddexp at 800": (lambda x: np.logaddexp(0, x), 800.0, (0.0, 0.0)),
    "logaddexp at -50": (lambda x: np.logaddexp(0, x), -50.0, (math.exp(-50), math.exp(-50))),
    "tanh at 1000": (np.tanh, 1000.0, (0.0, 0.0)),
    "arctan at 1e200": (np.arctan, 1e200, (0.0, 0.0)),
    "arcsinh at 1e200": (np.arcsinh, 1e200, (0.0, 0.0)),
    "expm1 at -50": (np.expm1, -50.0, (math.exp(-50), math.exp(-50))),
}


@pytest.mark.parametrize("name", HIGHER)
def test_higher_derivatives_are_finite_and_right(name: str) -> None:
    f, x, wanted = HIGHER[name]
    first = wg.grad(f)
    for reverse in (True, False):
        g = first
        for value in wanted:
            previous = g
            g = (
                wg.grad(previous)
                if reverse
                else (lambda t, g=previous: wg.jvp(g, (t,), (np.float64(1.0),))[1])
            )
            np.testing.assert_allclose(g(x), value, rtol=1e-12, atol=1e-15)


def test_masks_keep_the_branch_not_taken_out_element_by_element() -> None:
    x = np.array([-1.0, 0.0, 4.0, 1000.0])

    @quiet
    def f(x: Any) -> Any:
        return np.sum(np.where(x > 0, np.sqrt(x), 0) + np.where(x < 100, np.exp(x), x))

    wanted = [np.exp(-1), 1, 0.25 + np.exp(4), 0.5 / np.sqrt(1000) + 1]
    np.testing.assert_allclose(gradient(f, x), wanted)
    np.testing.assert_allclose(np.diag(wg.hessian(f)(x))[:2], np.exp(x[:2]))
    assert np.isfinite(wg.hessian(f)(x)).all()


def test_ties_of_maximum_and_minimum_are_shared_by_arrays_too() -> None:
    x = np.array([1.0, 2.0, 3.0])
    f = lambda x: np.sum(np.maximum(x, 2.0) + np.minimum(x, x[::-1]))  # noqa: E731
    np.testing.assert_allclose(gradient(f, x), [2.0, 0.5 + 1.0, 1.0])


def test_the_derivative_of_a_real_power_in_its_exponent() -> None:
    found = wg.grad(lambda y: np.power(2.0, y))(3.0)
    np.testing.assert_allclose(found, 8 * math.log(2))
    y = np.float32([0.5, 1.5])
    assert gradient(lambda y: np.sum(2.0**y).astype(float), y).dtype == np.float32


@pytest.mark.parametrize("f", [np.log, np.log2, np.log10])
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_the_slope_of_a_logarithm_at_minus_zero_is_that_of_an_array(f: Any) -> None:
    slope = wg.grad(lambda x: np.sum(f(x)))(np.array([-0.0]))[0]
    assert wg.grad(f)(-0.0) == wg.grad(f)(np.float64(-0.0)) == slope == -np.inf
    assert wg.jit(wg.grad(f))(-0.0) == slope


@pytest.mark.parametrize(
    ("f", "cut", "step"),
    [
        (np.arcsin, 1.43, 1.0),
        (np.arcsin, -1.43, 1.0),
        (np.arccos, 1.43, 1.0),
        (np.arccos, -1.43, 1.0),
        (np.arccosh, -1.43, 1.0),
        (np.arccosh, 0.43, 1.0),
        (np.arcsinh, 1.43j, 1j),
        (np.arcsinh, -1.43j, 1j),
        (np.arctanh, 1.43, 1.0),
        (np.arctan, 1.43j, 1j),
        (np.sqrt, -1.43, 1.0),
        (np.log, -1.43, 1.0),
    ],
)
@pytest.mark.parametrize("side", [0.0, -0.0])
def test_the_derivative_on_a_cut_is_that_of_the_side_that_the_value_is_of(f, cut, step, side):
    z = complex(cut.real, side) if step == 1.0 else complex(side, cut.imag)
    h = 1e-6
    if step == 1.0:
        before, after = complex(z.real - h, side), complex(z.real + h, side)
    else:
        before, after = complex(side, z.imag - h), complex(side, z.imag + h)
    slope = (f(after) - f(before)) / (2 * h * step)
    gradient = wg.grad(f, holomorphic=True)
    for found in (
        wg.jvp(f, (z,), (1.0 + 0j,))[1],
        gradient(z),
        wg.vmap(gradient)(np.array([z]))[0],
        wg.jit(gradient)(z),
    ):
        np.testing.assert_allclose(found, slope, atol=1e-6)
