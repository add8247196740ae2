"""Plain arrays that a function changes after it has used them keep the value that was used."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

X = np.array([0.5, 1.0, 2.0])


def overwritten(x: Any) -> Any:
    """Each operand is a plain array that is overwritten afterwards."""
    c, d, i, mask = np.full(3, 2.0), np.array(3.0), np.array([0, 2, 1]), np.array([True, False, 1])
    y = x * c + d
    c[:], d[...] = -1.0, -1.0
    y = y[i] + np.take(x, i)
    i[:] = 0
    y = np.where(mask.astype(bool), y, c)
    mask[:] = 0
    knots, weights = np.array([0.0, 1.0, 3.0]), np.array([0.5, 2.0])
    y = y + np.interp(x, knots, knots**2) + np.convolve(x, weights)[:3]
    knots[:], weights[:] = 0.0, 0.0
    y[0] = c[0]
    c[:] = 5.0
    return y


def scanned(f: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda x: wg.scan(lambda c, _: (f(c), None), x, None, length=1)[0]


def looped(f: Callable[..., Any]) -> Callable[[Any], Any]:
    def step(carry: Any) -> Any:
        return f(carry[0]), carry[1] + 1

    return lambda x: wg.while_loop(lambda carry: carry[1] < 1, step, (x, 0))[0]


ROUTES: dict[str, Callable[[Callable[..., Any]], Callable[[Any], Any]]] = {
    "vmap": lambda f: lambda x: wg.vmap(f)(x[None])[0],
    "scan": scanned,
    "while": looped,
    "fori": lambda f: lambda x: wg.fori_loop(0, 1, lambda _, c: f(c), x),
    "cond": lambda f: lambda x: wg.cond(x[0] < 9, f, lambda y: y * 0.0, x),
    "jit": wg.jit,
    "forward": lambda f: lambda x: wg.jvp(f, (x,), (x,))[0],
    "reverse": lambda f: lambda x: wg.vjp(f, x)[0],
}


@pytest.mark.parametrize("route", ROUTES)
def test_a_constant_that_is_overwritten_later_counts_as_it_was(route: str) -> None:
    f = ROUTES[route](overwritten)
    wanted = overwritten(X)
    np.testing.assert_allclose(f(X), wanted, rtol=1e-14)
    np.testing.assert_allclose(f(X), wanted, rtol=1e-14)
    if route not in ("forward", "reverse"):
        np.testing.assert_allclose(
            wg.jacobian(f)(X), wg.jacobian(overwritten)(X), rtol=1e-14, atol=1e-15
        )


def test_a_rule_that_overwrites_its_constants_is_transposed_as_it_was() -> None:
    @wg.custom_jvp
    def doubled(x: Any) -> Any:
        return 2.0 * x

    @doubled.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        c = np.full(3, 2.0)
        y = tangents[0] * c
        c[:] = 0.0
        return doubled(primals[0]), y

    def total(x: Any) -> Any:
        return np.sum(doubled(x))

    assert wg.grad(total)(X).tolist() == [2.0] * 3
    assert wg.vmap(wg.grad(total))(X[None]).tolist() == [[2.0] * 3]


@pytest.mark.parametrize("route", ["vmap", "scan", "while"])
def test_a_large_constant_cannot_be_overwritten_until_the_function_has_returned(route: str) -> None:
    large = np.zeros(9000)

    def f(x: Any) -> Any:
        y = x + np.sum(x[0] * large)
        large[0] = 1.0
        return y

    with pytest.raises(ValueError, match="read-only") as caught:
        ROUTES[route](f)(X)
    assert "keeps arrays" in caught.value.__notes__[0]
    large[0] = 2.0
