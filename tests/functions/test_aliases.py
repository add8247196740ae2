"""What is a view, a copy or the argument itself is so as in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import UnsupportedError

X = np.arange(1.0, 10.0).reshape(3, 3)


def scaled(part: Any, factor: float) -> None:
    part *= factor


def written_einsum(x: Any) -> Any:
    A = x * 1.0
    np.einsum("ii->i", A)[...] = 0
    scaled(np.einsum("ij->ji", A)[0], 2.0)
    scaled(np.einsum("ij", A)[1], 3.0)
    return np.sum(A * X)


def same_dtype(x: Any) -> Any:
    A = x * 1.0
    scaled(A.astype(float, copy=False), 2.0)
    scaled(A.astype(float), 3.0)
    return np.sum(A)


def without_nan(x: Any) -> Any:
    A = x * 1.0
    A[0, 0] = np.nan
    np.nan_to_num(A, copy=False, nan=2.0)
    return np.sum(A * X)


def read_flat(x: Any) -> Any:
    A = x * 1.0
    scaled(A.flat[:2], 10.0)
    A.flat[3:5] = A.flat[:2] * x[0, 1]
    return np.sum(A * X)


def watched(x: Any) -> Any:
    A = x * 1.0
    d = A.diagonal()
    b = np.broadcast_to(A, (2, 3, 3))
    A[0] = 100 * x[1]
    return np.sum(d) + np.sum(b * X)


def in_memory_order(x: Any) -> Any:
    y = x * 1.0
    scaled(y.ravel(), 0.0)
    return np.sum(y) + np.ravel(x, order="K")[1] + np.ravel(x.T, order="A")[1]


def conjugated(x: Any) -> Any:
    A, B = np.abs(x), np.sqrt(x)
    a, b = A.conj(), B.conjugate()
    scaled(A[0], 0.5)
    scaled(b[1], 3.0)
    return np.sum(a * X) + np.sum(B * X) + np.sum(A)


PROGRAMS = [
    written_einsum,
    same_dtype,
    without_nan,
    read_flat,
    watched,
    in_memory_order,
    conjugated,
]


@pytest.mark.parametrize("order", ["C", "F", "reversed"])
@pytest.mark.parametrize("f", PROGRAMS)
def test_programs_that_share_memory(f: Callable[..., Any], order: Any) -> None:
    x = X[::-1] if order == "reversed" else np.asarray(X, order=order)
    wanted = f(x)
    value, slope = wg.value_and_grad(f)(x)
    assert value == wanted
    assert wg.vjp(f, x)[0] == wg.linearize(f, x)[0] == wg.jit(f)(x) == wanted
    assert wg.jvp(f, (x,), (x,)) == (wanted, pytest.approx(np.sum(slope * x)))
    assert wg.vmap(f)(x[None])[0] == wanted
    steps = np.eye(9).reshape(9, 3, 3)
    for step in steps[::2]:
        probe = np.empty_like(x)
        probe[...] = 1e-3 * step
        up, down = x.copy("K"), x.copy("K")
        if order != "reversed":
            up += probe
            down -= probe
            assert (f(up) - f(down)) / 2e-3 == pytest.approx(np.sum(slope * step), abs=1e-6)
    np.testing.assert_allclose(wg.jit(wg.grad(f))(x), slope)


@pytest.mark.parametrize(
    "write",
    [
        lambda A: scaled(A.diagonal(), 2.0),
        lambda A: scaled(np.broadcast_to(A, (2, 3, 3)), 2.0),
        lambda A: np.diag(A)[1:].fill(0.0),
        lambda A: np.copyto(np.broadcast_to(A, (3, 3)), 0.0),
        lambda A: scaled(A.imag, 2.0),
        lambda A: np.putmask(np.broadcast_to(A[:0], (2, 0, 3)), np.zeros((2, 0, 3), bool), 1.0),
        lambda A: np.putmask(np.broadcast_to(A, (1, 3, 3)), np.ones((1, 3, 3), bool), []),
    ],
)
def test_what_numpy_refuses_to_write_is_refused(write: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="read-only"):
        write(X.copy())
    with pytest.raises(ValueError, match="read-only"):
        wg.grad(lambda x: (write(x * 1.0), np.sum(x))[1])(X)


@pytest.mark.parametrize("name", ["flat", "real", "imag"])
@pytest.mark.parametrize("x", [np.float64(2.0), np.complex64(1 + 2j), 2.0, 2j], ids=repr)
def test_no_attribute_of_a_number_can_be_assigned_to(x: Any, name: str) -> None:
    def f(x: Any) -> Any:
        with pytest.raises(AttributeError):
            setattr(x, name, 1.0)
        return np.abs(x)

    f(x)
    wg.grad(f)(x)


def test_a_read_only_argument_is_read_only() -> None:
    def f(x: Any) -> Any:
        y = x[0]
        y *= 2.0
        return np.sum(x)

    fixed = X.copy()
    fixed.flags.writeable = False
    for verb in (wg.grad, wg.jacobian, wg.hessian, wg.jit, lambda f: lambda x: wg.vjp(f, x)):
        with pytest.raises(ValueError, match="read-only"):
            verb(f)(fixed)
    np.testing.assert_array_equal(wg.grad(f)(X), [[2.0] * 3, [1.0] * 3, [1.0] * 3])


@pytest.mark.parametrize(
    "shuffle", [np.random.default_rng(0).shuffle, np.random.RandomState(0).shuffle]
)
def test_rows_are_not_shuffled_by_compiled_code(shuffle: Callable[..., Any]) -> None:
    def f(x: Any) -> Any:
        y = np.concatenate([x, 2 * x, 3 * x])
        with pytest.warns(UserWarning, match="shuffling"):
            shuffle(y)
        return np.sum(y)

    with pytest.raises(UnsupportedError, match="rows"):
        wg.grad(f)(X)


def test_rows_that_are_exchanged_are_there_twice_as_in_numpy() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        y[0], y[1] = y[1], y[0]
        return np.sum(y * X)

    assert wg.value_and_grad(f)(X)[0] == f(X)


def test_a_broadcast_array_is_read_in_memory_order_as_numpy_does() -> None:
    def f(x: Any) -> Any:
        y = np.broadcast_to(x.T, (2, 3, 3)).ravel("K")
        z = np.broadcast_to(x[:, None, 0:1], (3, 2, 3)).ravel("K")
        return np.sum(y * np.arange(18)) + np.sum(z * np.arange(18) ** 2)

    for x in (X, np.asfortranarray(X), X[::-1, ::-1]):
        assert wg.value_and_grad(f)(x)[0] == wg.jvp(f, (x,), (x,))[0] == f(x)
