"""``poly1d`` and ``np.polynomial`` with traced coefficients, known or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from numpy_routes import every_route_agrees

P = np.polynomial


def polynomials(x: Any) -> Any:
    p, q = np.poly1d([x, 2.0, x * x]), np.poly1d([1.0, 2.0])
    return (
        np.polyval(p, 0.3)
        + p(x)
        + p.deriv()(0.5)
        + p.integ()(0.5)
        + (p * q)(0.2)
        + (p + 1)(0.1)
        + (1 - p)(0.1)
        + (p**2)(0.3)
        + p[1] * p.coeffs[0]
        + (2 * p - q)(0.4)
        + (p / 2)(1.0)
        + q(p)(0.3)
        + len(p) * x
    )


def functions(x: Any) -> Any:
    p, q = np.poly1d([x, 2.0, x * x]), np.poly1d([1.0, 2.0])
    return (
        np.polyadd(p, q)(0.2)
        + np.polymul(p, q)(1.0)
        + np.polyder(p)(0.2)
        + np.polyint(p, k=x)(0.3)
        + np.polyval(q, x)
        + np.polyval([x, 1.0], q)(0.3)
        + np.asarray(p).sum()
        + np.convolve(p, q)[1]
        + np.sum(q) * x
        + np.array([q, np.poly1d([x, 1.0])])[1, 0]
        + np.poly1d([x, 2.0], True)(0.3)
        + np.poly1d(np.polyfit([0, 1, 2.0], [x, 1, 2], 1))(0.5)
    )


def numbers_beside(x: Any) -> Any:
    x, q = float(x), np.poly1d([1.0, 2.0])  # An np.float64 takes it for an array.
    return (x * float(q[0]) * q + x)(0.3) + (q * x)(0.2) + (q / x)(0.1) + (x - q)(0.4)


def series(x: Any) -> Any:
    p, q = P.Polynomial([x, 1.0, x * x]), P.Polynomial([1.0, 2.0])
    c = P.Chebyshev([x, 1.0, x * x])
    return (
        (p * q + p - q * 2)(0.3)
        + (p**3)(0.2)
        + (x * q + x)(0.1)
        + p.deriv()(0.2)
        + p.integ(1, k=[x], lbnd=x)(0.4)
        + q(p)(0.3)
        + p.degree() * p.coef[0]
        + c.convert(kind=P.Legendre)(0.3)
        + (c * c)(0.1)
        + P.polynomial.polymul([x, 1.0], [1.0, x]).sum()
        + P.hermite.hermadd([x, 1.0], [1.0])[0]
        + P.Polynomial.fromroots([x, 1.0])(0.4)
    )


@pytest.mark.parametrize("f", [polynomials, functions, numbers_beside, series])
def test_every_route_gives_numpys_value_and_its_derivative(f: Any) -> None:
    every_route_agrees(f, 0.7)


def test_leading_zeros_are_left_out_where_they_are_known() -> None:
    orders: list[int] = []

    def f(x: Any) -> Any:
        p = np.poly1d([x, 0.0, 1.0])
        orders.append(p.order)
        return p(2.0)

    wg.grad(f)(0.0)
    wg.vmap(f)(np.zeros(2))
    f(0.0)
    assert orders == [0, 2, 0]


def test_plain_polynomials_are_numpys() -> None:
    p, q = np.poly1d([1.0, 2.0]), np.poly1d([0.0, 1.0, 2.0, 3.0])
    wg.grad(lambda x: np.polyval(p, x))(1.0)
    assert p + q == np.poly1d([1.0, 3.0, 5.0])
    assert np.polymul(p, q) == np.poly1d([1.0, 4.0, 7.0, 6.0])
    assert np.convolve(p, p).tolist() == [1.0, 4.0, 4.0]
    assert np.add(p, 1).tolist() == [2.0, 3.0]
    assert np.add.reduce(p) == np.sum(p) == 3.0
    assert np.lexsort((p, p)).tolist() == [0, 1]
    assert P.polyutils.trimseq([1.0, 0.0]) == [1.0]
