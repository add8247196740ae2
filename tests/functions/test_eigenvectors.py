"""Sums over eigenvectors of equal eigenvalues: the Hückel theory of benzene."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from support import slope
from wengert.errors import UnknownDerivativeError

SITES = 6
BONDS = np.zeros((SITES, SITES, SITES))
for i in range(SITES):
    BONDS[i, i, (i + 1) % SITES] = BONDS[i, (i + 1) % SITES, i] = -1.0
"""The matrices of the six bonds: energies -2, -1, -1, 1, 1, 2 where all are equally strong."""

EQUAL = np.ones(SITES)
DIRECTION = np.array([0.3, -1.2, 0.5, 0.9, -0.4, 0.1])
OCCUPATION = np.array([2.0, 2, 2, 0, 0, 0])


def levels(strengths: Any) -> Any:
    return np.linalg.eigh(np.einsum("k,kij->ij", strengths, BONDS))


def density(c: Any) -> Any:
    return 2 * c @ c.T


def by_outer(w: Any, v: Any) -> Any:
    return sum(n * np.outer(c, c) for n, c in zip(OCCUPATION, v.T, strict=True))[0, 1]


def by_items(w: Any, v: Any) -> Any:
    orders = np.zeros_like(v)
    for a, b, i in np.ndindex(2, 2, 3):
        orders[a, b] += 2 * v[a, i] * v[b, i]
    return orders[0, 1]


# name: function of the energies and the orbitals
SMOOTH: dict[str, Callable[[Any, Any], Any]] = {
    "bond order": lambda w, v: density(v[:, :3])[0, 1],
    "bond order of para sites": lambda w, v: (2 * (v[:, :3] @ v[:, :3].T))[0, 3],
    "occupations": lambda w, v: ((v * OCCUPATION) @ v.T)[0, 1],
    "roots of occupations": lambda w, v: density(v * np.sqrt(OCCUPATION))[1, 2],
    "a diagonal matrix": lambda w, v: (v @ np.diag(OCCUPATION) @ v.T)[0, 1],
    "np.matmul": lambda w, v: np.matmul(v[:, :3], np.transpose(v[:, :3]))[0, 1],
    "einsum": lambda w, v: np.einsum("ik,jk->ij", v[:, :3], v[:, :3])[0, 1],
    "einsum with occupations": lambda w, v: np.einsum("ik,k,jk", v, OCCUPATION, v)[0, 1],
    "rows": lambda w, v: 2 * v[0, :3] @ v[1, :3],
    "np.dot of rows": lambda w, v: 2 * np.dot(v[0, :3], v[1, :3]),
    "a sum of products": lambda w, v: np.sum(2 * v[0, :3] * v[1, :3]),
    "charges": lambda w, v: np.sum(OCCUPATION * v**2, axis=1)[2],
    "charges as a sum": lambda w, v: (2 * np.square(v[:, :3])).sum(axis=-1)[2],
    "a mask": lambda w, v: density(v[:, OCCUPATION > 0])[0, 1],
    "orbitals in rows": lambda w, v: (v.T[:3].T @ v.T[:3])[0, 1],
    "a level apart from the others": lambda w, v: density(v[:, :1])[0, 1],
    "np.outer": by_outer,
    "three loops": by_items,
    "a list of orbitals": lambda w, v: density(v[:, [2, 0, 1]])[0, 1],
    "two parts of a level": lambda w, v: (v[:, :2] @ v[:, :2].T + v[:, 2:3] @ v[:, 2:3].T)[0, 1],
    "occupations by energy": lambda w, v: ((v / (1 + np.exp(w))) @ v.T)[0, 1],
    "exponential": lambda w, v: (v @ np.diag(np.exp(w)) @ v.T)[0, 2],
    "inverse by einsum": lambda w, v: np.einsum("ij,j,kj->ik", v, 1 / w, v)[0, 3],
    "inverse of a density": lambda w, v: np.linalg.inv(density(v[:, :3]) + np.eye(6))[0, 1],
    "signs chosen": lambda w, v: density((v * np.where(v[0] < 0, -1, 1))[:, :3])[0, 1],
    "energy and bond order": lambda w, v: 2 * np.sum(w[:3]) * density(v[:, :3])[0, 1],
}


@pytest.mark.parametrize("name", SMOOTH)
def test_sums_over_whole_levels_have_the_derivatives_of_finite_differences(name: str) -> None:
    def f(strengths: Any) -> Any:
        return SMOOTH[name](*levels(strengths))

    (wanted,) = slope(lambda t: [f(EQUAL + t * DIRECTION)])
    value, gradient = wg.value_and_grad(f)(EQUAL)
    assert value == f(EQUAL)
    for found in (
        gradient @ DIRECTION,
        wg.jvp(f, (EQUAL,), (DIRECTION,))[1],
        wg.vjp(f, EQUAL)[1](1.0)[0] @ DIRECTION,
        wg.jacobian(f)(EQUAL) @ DIRECTION,
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-11)


IN_BATCHES = ["bond order", "einsum", "rows", "charges", "a mask", "a diagonal matrix"]


@pytest.mark.parametrize("name", IN_BATCHES)
def test_sums_with_constant_weights_have_them_where_no_value_is_known(name: str) -> None:
    def f(strengths: Any) -> Any:
        return SMOOTH[name](*levels(strengths))

    (wanted,) = slope(lambda t: [f(EQUAL + t * DIRECTION)])
    found = wg.vmap(wg.grad(f))(np.stack([EQUAL, EQUAL + 0.1]))[0] @ DIRECTION
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-11)


def test_so_have_they_in_compiled_functions_and_as_a_whole() -> None:
    def orders(strengths: Any) -> Any:
        return density(levels(strengths)[1][:, :3])

    (wanted,) = slope(lambda t: [orders(EQUAL + t * DIRECTION)])
    for jacobian in (wg.jacobian(orders), wg.jacrev(orders), wg.jit(wg.jacobian(orders))):
        np.testing.assert_allclose(jacobian(EQUAL) @ DIRECTION, wanted, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    "f",
    [
        lambda w, v: v[0, 1] ** 2,
        lambda w, v: density(v[:, :2])[0, 0],
        lambda w, v: (v[:, :3] @ v[:, 1:4].T)[0, 1],
        lambda w, v: ((v * np.arange(6.0)) @ v.T)[0, 1],
        lambda w, v: w[1] * v[0, 1] ** 2,
        lambda w, v: (w[1] - w[2]) * v[0, 1] * v[0, 2],
        lambda w, v: v[0, 2] ** 4,
        lambda w, v: np.sum(v**4),
        lambda w, v: ((v * np.exp(w * np.arange(6.0))) @ v.T)[0, 1],
        lambda w, v: w[0] + v[1, 1],
    ],
)
def test_what_splits_a_level_is_an_error_in_both_modes(f: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(UnknownDerivativeError, match="equal"):
        wg.grad(lambda x: f(*levels(x)))(EQUAL)
    with pytest.raises(UnknownDerivativeError, match="equal"):
        wg.jvp(lambda x: f(*levels(x)), (EQUAL,), (DIRECTION,))


def test_orbitals_that_were_assigned_to_are_no_eigenvectors() -> None:
    def f(strengths: Any) -> Any:
        v = levels(strengths)[1]
        c = v[:, :3]
        v *= 2.0
        return density(c)[0, 1]

    def scaled(strengths: Any) -> Any:
        return 4 * density(levels(strengths)[1][:, :3])[0, 1]

    apart = EQUAL + 0.1 * DIRECTION
    for x in (EQUAL, apart):
        np.testing.assert_allclose(wg.grad(f)(x), wg.grad(scaled)(x), atol=1e-14)


SECOND = ["bond order", "a diagonal matrix", "charges", "rows", "np.outer", "exponential"]


@pytest.mark.parametrize("name", SECOND)
@pytest.mark.parametrize("distance", [0.0, 0.1])
def test_second_derivatives_are_those_of_the_differences_of_gradients(
    name: str, distance: float
) -> None:
    def f(strengths: Any) -> Any:
        return SMOOTH[name](*levels(strengths))

    x = EQUAL + distance * DIRECTION
    gradient = wg.grad(f)
    (wanted,) = slope(lambda t: [gradient(x + t * DIRECTION)])
    for second in (
        wg.hessian(f)(x),
        wg.jacrev(gradient)(x),
        *([wg.vmap(wg.hessian(f))(np.stack([x, x + 0.1]))[0]] if name in IN_BATCHES else []),
    ):
        np.testing.assert_allclose(second @ DIRECTION, wanted, rtol=1e-7, atol=1e-8)
    along = wg.jvp(gradient, (x,), (DIRECTION,))[1]
    np.testing.assert_allclose(along, wanted, rtol=1e-7, atol=1e-8)


def test_derivatives_of_a_density_are_known_up_to_the_fourth_order() -> None:
    def order(t: Any) -> Any:
        return density(levels(EQUAL + t * DIRECTION)[1][:, :3])[0, 1]

    derivative: Callable[[Any], Any] = order
    for _ in range(4):
        lower, derivative = derivative, wg.grad(derivative)
        (wanted,) = slope(lambda t, lower=lower: [wg.jit(lower)(t)], 1e-2)
        np.testing.assert_allclose(wg.jit(derivative)(0.0), wanted, rtol=1e-5)
    with pytest.raises(UnknownDerivativeError, match="order above 4"):
        wg.vmap(wg.grad(derivative))(np.zeros(1))
