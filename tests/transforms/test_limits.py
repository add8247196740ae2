"""Derivatives at equal eigenvalues and singular values, as limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from support import slope
from wengert.errors import UnknownDerivativeError

RANDOM = np.random.default_rng(3)
G = RANDOM.standard_normal((4, 4))
EYE = np.eye(4)
Q = np.linalg.qr(RANDOM.standard_normal((4, 4)))[0]
PAIRS = Q @ np.diag([2.0, 2, 5, 5]) @ Q.T
PAIRS = (PAIRS + PAIRS.T) / 2
U = np.linalg.qr(RANDOM.standard_normal((4, 4)) + 1j * RANDOM.standard_normal((4, 4)))[0]
HERMITIAN = U @ np.diag([2.0, 2, 2, 5]) @ U.conj().T
HERMITIAN = (HERMITIAN + HERMITIAN.conj().T) / 2
TALL = np.vstack([np.diag([2.0, 2, 1]), np.zeros((1, 3))])
DEFICIENT = np.diag([2.0, 1, 0, 0])


def of_matrix(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def value(a: Any) -> Any:
        w, v = np.linalg.eigh(a)
        return np.sum(G * np.real((v * f(w)) @ v.conj().T))

    return value


def of_factors(f: Callable[[Any, Any, Any], Any]) -> Callable[[Any], Any]:
    def value(a: Any) -> Any:
        result = np.real(f(*np.linalg.svd(a, full_matrices=False)))
        return np.sum(G[: result.shape[0], : result.shape[1]] * result)

    return value


def of_field(a: Any) -> Any:
    density = np.zeros((4, 4))
    for _ in range(3):
        v = np.linalg.eigh(a + 0.1 * density)[1]
        density = v[:, :2] @ v[:, :2].T
    return np.sum(G * density)


SMOOTH: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "the square root of the unit matrix": (of_matrix(np.sqrt), EYE),
    "an exponential": (of_matrix(np.exp), PAIRS),
    "an exponential at 0": (of_matrix(np.exp), 0 * EYE),
    "a power of a Hermitian matrix": (of_matrix(lambda w: w**1.5), HERMITIAN),
    "occupations around the mean": (of_matrix(lambda w: 1 / (1 + np.exp(w - w.mean()))), PAIRS),
    "the polar factor": (of_factors(lambda u, s, vh: u @ vh), 2 * Q),
    "the polar factor of a complex matrix": (of_factors(lambda u, s, vh: u @ vh), U),
    "a pseudo-inverse": (of_factors(lambda u, s, vh: (vh.T / s) @ u.T), TALL),
    "an approximation of rank 2": (of_factors(lambda u, s, vh: u[:, :2] * s[:2] @ vh[:2]), TALL),
    "an odd function": (of_factors(lambda u, s, vh: u * np.sin(s) @ vh), DEFICIENT),
    "a range": (of_factors(lambda u, s, vh: u[:, :2] @ u[:, :2].T), DEFICIENT),
    "a cube of the values": (lambda a: np.sum(np.linalg.eigvalsh(a) ** 3), PAIRS),
    "a self-consistent field": (of_field, PAIRS),
}


def direction(point: Any) -> Any:
    e = np.random.default_rng(5).standard_normal((2, *point.shape))
    e = e[0] + 1j * e[1] if point.dtype.kind == "c" else e[0]
    symmetric = point.shape == (4, 4) and np.allclose(point, point.conj().T)
    return e + e.conj().T if symmetric else e


@pytest.mark.parametrize("name", SMOOTH)
def test_first_derivatives_are_those_of_finite_differences(name: str) -> None:
    f, point = SMOOTH[name]
    e = direction(point)
    (wanted,) = slope(lambda t: [f(point + t * e)])
    value, gradient = wg.value_and_grad(f)(point)
    assert value == f(point)
    for found in (
        np.real(np.sum(gradient * e)),
        wg.jvp(f, (point,), (e,))[1],
        wg.linearize(f, point)[1](e),
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", [name for name in SMOOTH if name != "a self-consistent field"])
def test_second_derivatives_agree_in_all_modes_and_with_differences(name: str) -> None:
    f, point = SMOOTH[name]
    e = direction(point)

    def line(t: Any) -> Any:
        return f(point + t * e)

    h = 1e-3
    values = [line(k * h) for k in (-2, -1, 0, 1, 2)]
    wanted = np.dot([-1, 16, -30, 16, -1], values) / (12 * h * h)
    found = wg.hessian(line)(0.0)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    for other in (wg.grad(wg.grad(line))(0.0), wg.jacrev(wg.grad(line))(0.0)):
        np.testing.assert_allclose(other, found, rtol=1e-10, atol=1e-12)


def test_the_square_root_of_the_unit_matrix_has_half_of_the_direction_as_tangent() -> None:
    def root(a: Any) -> Any:
        w, v = np.linalg.eigh(a)
        return v @ np.diag(np.sqrt(w)) @ v.T

    e = G + G.T
    np.testing.assert_allclose(wg.jvp(root, (EYE,), (e,))[1], e / 2, atol=1e-14)
    single = wg.jvp(root, (EYE.astype(np.float32),), (e.astype(np.float32),))[1]
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, e / 2, rtol=1e-5, atol=1e-6)


def test_a_compiled_function_meets_equal_values_after_others() -> None:
    gradient = wg.jit(wg.grad(of_matrix(np.sqrt)))
    for _ in range(2):
        gradient(PAIRS + np.diag([0.1, 0.2, 0.3, 0.4]))
    wanted = wg.grad(of_matrix(np.sqrt))(EYE)
    np.testing.assert_allclose(gradient(EYE), wanted, rtol=1e-12)


@pytest.mark.parametrize("point", [EYE, PAIRS])
@pytest.mark.parametrize(
    "f",
    [
        lambda w, v: v[0, 0],
        lambda w, v: w[0] * v[0, 0] ** 2,
        lambda w, v: np.sum(v**4),
        lambda w, v: np.sum(np.abs(v[:, :1])),
        lambda w, v: np.sum(w * np.diag(v)),
        lambda w, v: np.sum((v * w * np.arange(4)) @ v.T * G),
    ],
)
def test_what_depends_on_the_choice_of_vectors_is_an_error(f: Any, point: Any) -> None:
    def g(a: Any) -> Any:
        return f(*np.linalg.eigh(a))

    e = G + G.T
    for verb in (
        lambda: wg.grad(g)(point),
        lambda: wg.jvp(g, (point,), (e,)),
        lambda: wg.hessian(lambda t: g(point + t * e))(0.0),
    ):
        with pytest.raises(UnknownDerivativeError, match="equal"):
            verb()


def test_nothing_traced_is_handed_out() -> None:
    def f(a: Any) -> Any:
        w, v = np.linalg.eigh(a)
        return np.sum(G * ((v * w**2) @ v.T)), (w, v, wg.stop_gradient(v))

    gradient, aux = wg.grad(f, has_aux=True)(EYE)
    for value in (gradient, *aux, *wg.jvp(f, (EYE,), (EYE,), has_aux=True)[2]):
        assert type(value) is np.ndarray
