"""Polynomials, written in Python by NumPy, run on traced coefficients, places and samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from numpy_routes import agrees_with_numpy

X = np.array([0.4, 1.3, -0.8, 2.2])
A = np.polynomial

FAMILIES = {
    "polynomial": ("poly", "Polynomial"),
    "chebyshev": ("cheb", "Chebyshev"),
    "legendre": ("leg", "Legendre"),
    "hermite": ("herm", "Hermite"),
    "hermite_e": ("herme", "HermiteE"),
    "laguerre": ("lag", "Laguerre"),
}

C2 = np.arange(6.0).reshape(2, 3) - 2.0
T = np.linspace(-1, 1, 4)


def of(module: str, name: str) -> Any:
    return getattr(getattr(A, module), FAMILIES[module][0] + name)


OF_ALL: dict[str, Callable[[str], Callable[[Any], Any]]] = {
    "val": lambda m: (
        lambda x: of(m, "val")(x, x**2) + of(m, "val")(0.3, x) + of(m, "val")(x, [1, 2])
    ),
    "val2d": lambda m: lambda x: of(m, "val2d")(x, x**2, C2) + of(m, "val2d")(0.1, x[0], C2),
    "val3d": lambda m: lambda x: of(m, "val3d")(x, x, T, np.stack([C2, C2 * x[0]])),
    "grid2d": lambda m: lambda x: of(m, "grid2d")(x, T, C2),
    "grid3d": lambda m: lambda x: of(m, "grid3d")(x[:2], T[:2], x[2:], np.stack([C2, C2])),
    "add, sub": lambda m: lambda x: (of(m, "add")(x, [1.0, 2.0]), of(m, "sub")([0.0] * 5, x)),
    "mul": lambda m: lambda x: (of(m, "mul")(x, x[:2]), of(m, "mulx")(x)),
    "div": lambda m: lambda x: of(m, "div")(x, x[1:3]),
    "pow": lambda m: lambda x: of(m, "pow")(x[:3], 3),
    "der, int": lambda m: lambda x: (of(m, "der")(x, 2), of(m, "int")(x, 1, [x[0]], scl=2.0)),
    "fromroots, companion": lambda m: lambda x: (of(m, "fromroots")(x), of(m, "companion")(x)),
    "line": lambda m: lambda x: of(m, "line")(x[0], x[1]),
    "vander": lambda m: lambda x: (of(m, "vander")(x, 3), of(m, "vander2d")(x, T, [1, 2])),
    "fit": lambda m: lambda x: (of(m, "fit")(T, x, 2), of(m, "fit")(T, x, [0, 1], w=x**2)),
}

UNKNOWN_DEGREE = ("add, sub", "mul", "div", "pow", "fromroots, companion", "line")
"""Where NumPy asks whether leading coefficients are 0, which decides the shape of the result."""


@pytest.mark.parametrize("name", list(OF_ALL))
@pytest.mark.parametrize("module", list(FAMILIES))
def test_a_function_of_a_family_agrees_with_numpy(module: str, name: str) -> None:
    routes = ("jit",) if name in UNKNOWN_DEGREE else ("jit", "vmap")
    routes = routes if module in ("polynomial", "hermite") else ()
    agrees_with_numpy(OF_ALL[name](module), X, routes, 1e-12 if name == "fit" else 0.0)


@pytest.mark.parametrize("module", list(FAMILIES))
def test_a_series_is_evaluated_and_computed_with(module: str) -> None:
    kind = getattr(A, FAMILIES[module][1])

    def f(x: Any) -> Any:
        p = kind(x, domain=[-2, 2])
        q = p.deriv() * kind([1.0, 0.5], domain=[-2, 2]) - p.integ() + p**2
        return q(0.3), p(x), p.convert(kind=A.Polynomial).coef, q.linspace(3)[1]

    agrees_with_numpy(f, X, ("jit",))


@pytest.mark.parametrize("module", list(FAMILIES))
def test_roots_of_a_series_are_differentiated(module: str) -> None:
    def f(x: Any) -> Any:
        return np.sort(np.real(of(module, "roots")(x)))

    x = np.array([0.3, -2.5, 0.2, 1.0])
    assert len(f(x)) == 3
    agrees_with_numpy(f, x, ("jit",))


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "poly": lambda x: np.poly(x),
    "poly of a matrix": lambda x: np.poly(x.reshape(2, 2) + np.diag([3.0, 0.0])),
    "polyadd, polysub": lambda x: (np.polyadd(x, [1.0, 2.0]), np.polysub([1.0], x)),
    "polymul": lambda x: (np.polymul(x, x[1:]), np.polymul([2.0, 1.0], x)),
    "polydiv": lambda x: np.polydiv(x, x[1:3]),
    "polyder, polyint": lambda x: (np.polyder(x, 2), np.polyint(x, 2, k=[x[0], 1.0])),
    "polyval": lambda x: np.polyval(x, x) + np.polyval(x, 2.0) + np.polyval([1.0, 0.0, 2.0], x),
    "polyfit": lambda x: np.polyfit(T, x, 2),
    "polyfit, weighted": lambda x: np.polyfit(T, np.stack([x, x**2], 1), 1, w=np.abs(x)),
    "polyfit of places": lambda x: np.polyfit(x, T**3, 1),
    "a polynomial": lambda x: np.poly1d(x)(0.5) + np.poly1d([1.0, -1.0])(x),
    "products of polynomials": lambda x: (np.poly1d(x) * np.poly1d([1.0, x[0]]) - 2.0).coeffs,
    "a derivative and an integral": lambda x: (
        np.poly1d(x).deriv()(x[0]) + np.poly1d(x).integ()(2.0)
    ),
    "trim_zeros": lambda x: np.trim_zeros(np.concatenate([[0.0], x, [0.0, 0.0]])),
    "poly2cheb and back": lambda x: (A.chebyshev.poly2cheb(x), A.hermite.herm2poly(x)),
    "chebinterpolate": lambda x: A.chebyshev.chebinterpolate(lambda t: np.exp(x[0] * t), 3),
    "weights": lambda x: A.hermite.hermweight(x) + A.laguerre.lagweight(x),
    "polyvalfromroots": lambda x: A.polynomial.polyvalfromroots(0.3, x),
    "emath": lambda x: (np.emath.sqrt(x), np.emath.log(x), np.emath.power(x, 1.5)),
    "emath of large numbers": lambda x: (np.emath.arccos(x), np.emath.logn(3.0, x + 1.0)),
    "indices of a square": lambda x: (lambda s: s[np.tril_indices_from(s)])(np.outer(x, x)),
    "diagonal indices": lambda x: (lambda s: s[np.diag_indices_from(s)])(np.outer(x, x)),
}


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_a_function_of_polynomials_agrees_with_numpy(name: str) -> None:
    shaped = (
        "poly of",
        "polydiv",
        "a poly",
        "products",
        "a deriv",
        "trim",
        "poly2cheb",
        "emath",
        "polymul",
    )
    routes = ("jit",) if name.startswith(shaped) else ("jit", "vmap")
    agrees_with_numpy(FUNCTIONS[name], X, routes, 1e-12 if name.startswith("polyfit") else 0.0)


def test_roots_are_differentiated_whether_real_or_not() -> None:
    def f(x: Any) -> Any:
        roots = np.roots(x)
        return np.sum(roots.real**2) + np.sum(np.abs(roots))

    agrees_with_numpy(f, np.array([1.0, -3.0, 2.5, -0.4]), ("jit",))
    agrees_with_numpy(f, np.array([2.0, 1.0, 3.0]), ("jit",))
    assert wg.grad(lambda x: np.roots(np.append(x, 0.0))[0])(np.array([1.0, -2.0]))[1] == -1.0


@pytest.mark.parametrize("name", ["arcsin", "arccos", "arccosh", "arctanh", "log", "sqrt"])
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_on_a_branch_cut_the_derivative_is_that_of_the_side(name: str, zero: float) -> None:
    function = getattr(np, name)
    for real in (2.5, -2.5, 0.3):
        points = [complex(real + h, zero) for h in (-1e-6, 1e-6)]
        low, high = map(function, map(np.complex128, points))
        slope = wg.jvp(function, (complex(real, zero),), (1.0 + 0j,))[1]
        assert slope == pytest.approx((high - low) / 2e-6, rel=1e-5)
