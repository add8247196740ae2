"""Plain arrays that were given traced values, as results of functions and of inner derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

X = np.array([0.7, -1.3])
ONES = np.ones(2)


def filled(x: Any) -> Any:
    a = np.ones(2)
    a[0] = x[0] ** 3
    a += x**2
    return a


def joined(x: Any) -> Any:
    return np.stack([x[0] ** 3 + x[0] ** 2, 1 + x[1] ** 2])


def slopes(f: Any, x: Any) -> Any:
    return wg.jvp(f, (x,), (x,))[1]


def pulled(f: Any, x: Any) -> Any:
    return wg.vjp(f, x)[1](ONES)[0]


ROUTES: dict[str, Callable[[Any], Any]] = {
    "jvp": lambda f: wg.jvp(f, (X,), (X,)),
    "vjp": lambda f: (wg.vjp(f, X)[0], pulled(f, X)),
    "linearize": lambda f: (wg.linearize(f, X)[0], wg.linearize(f, X)[1](X)),
    "jvp of jvp": lambda f: wg.jvp(lambda x: wg.jvp(f, (x,), (x,)), (X,), (X,)),
    "jvp of vjp": lambda f: wg.jvp(lambda x: (wg.vjp(f, x)[0], pulled(f, x)), (X,), (X,)),
    "jvp of linearize": lambda f: wg.jvp(lambda x: wg.linearize(f, x)[1](x), (X,), (X,)),
    "vjp of jvp": lambda f: pulled(lambda x: slopes(f, x), X),
    "vjp of vjp": lambda f: pulled(lambda x: pulled(f, x), X),
    "jacobian of jacobian": lambda f: wg.jacobian(wg.jacobian(f))(X),
    "vmap of jvp": lambda f: wg.vmap(lambda x: wg.jvp(f, (x,), (x,)))(X[None]),
    "jvp of vmap": lambda f: wg.jvp(lambda x: wg.vmap(f)(x[None]), (X,), (X,)),
    "jit of jvp": lambda f: wg.jit(lambda x: wg.jvp(f, (x,), (x,)))(X),
    "jit of jacobian": lambda f: wg.jit(wg.jacobian(f))(X),
    "map of jvp": lambda f: wg.map(lambda x: wg.jvp(f, (x,), (x,)), X[None]),
    "aux": lambda f: wg.value_and_grad(lambda x: (np.sum(f(x)), f(x)), has_aux=True)(X),
    "jvp of aux": lambda f: wg.jvp(
        lambda x: wg.value_and_grad(lambda x: (np.sum(f(x)), f(x)), has_aux=True)(x), (X,), (X,)
    ),
}


def leaves(value: Any) -> list[Any]:
    if isinstance(value, tuple):
        return [leaf for each in value for leaf in leaves(each)]
    return [value]


@pytest.mark.parametrize("route", ROUTES)
def test_a_filled_array_that_is_the_result_has_all_derivatives(route: str) -> None:
    found, wanted = leaves(ROUTES[route](filled)), leaves(ROUTES[route](joined))
    for one, other in zip(found, wanted, strict=True):
        assert type(one) is type(other)
        np.testing.assert_allclose(one, other, rtol=1e-14)


def added(x: Any) -> Any:
    a = np.ones(2)
    a += x
    a *= x
    return a


def into(x: Any) -> Any:
    a, b = np.ones(2), np.ones(2)
    np.add(a, x, out=a)
    np.add.at(b, [0, 1, 0], np.concatenate([x, x[:1]]))
    np.add(a[1:], a[:1], out=b[:1])
    return a * b


def through_a_view(x: Any) -> Any:
    a = np.ones(2)
    b = a[1:]
    b += x[0]
    return a


def add_at(x: Any) -> Any:
    a, b = np.ones((3, 2)), np.ones(3)
    np.add.at(a, ([0, 1], [1, 1]), x)
    np.subtract.at(b, [0, 1], x[0])
    return a.T @ b


def put(x: Any) -> Any:
    a, b, c = np.ones(3), np.ones(3), np.ones(3)
    np.put(a, [0, 2], x)
    np.place(b, [True, False, True], x)
    np.put_along_axis(c, np.array([0, 2]), x, 0)
    return a * b + c


def copied(x: Any) -> Any:
    a, b, c = np.ones(2), np.ones((3, 2)), np.ones((2, 2))
    np.copyto(a, x, where=[True, False])
    np.copyto(b, x)
    np.fill_diagonal(c, x)
    np.putmask(b[0], [True, False], a * x)
    return b @ (a @ c)


def given_out(x: Any) -> Any:
    a, b, c, d = np.zeros(()), np.zeros((2, 2)), np.zeros(2), np.ones(2)
    np.mean(x, out=a)
    np.matmul(x[:, None], x[None], out=b)
    x.cumsum(out=c)
    np.exp(x, out=d, where=x > 0)
    return a * (b @ c) + d


def operated(x: Any) -> Any:
    a, b = np.full(2, 3.0), np.eye(2)
    a -= x
    a /= x
    a **= 2
    b @= np.outer(x, x)
    return b @ a


@pytest.mark.parametrize(
    "f", [added, into, through_a_view, add_at, put, copied, given_out, operated]
)
def test_jit_does_what_is_done_in_place_once(f: Any) -> None:
    jitted = wg.jit(f)
    for x in (X, 2 * X):
        np.testing.assert_allclose(jitted(x), f(x), rtol=1e-14)
    gradient = wg.jit(wg.grad(lambda x: np.sum(f(x) ** 2)))
    np.testing.assert_allclose(gradient(X), wg.grad(lambda x: np.sum(f(x) ** 2))(X), rtol=1e-14)
    np.testing.assert_allclose(wg.vmap(f)(X[None])[0], f(X), rtol=1e-14)
    wg.check_grads(f, (X,))
