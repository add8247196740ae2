"""Empty operands: values of NumPy's shapes, and zeros of the operands' shapes as derivatives."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

SHAPES = [(0,), (3,), (0, 3), (3, 0), (2, 0, 3), (2, 3), ()]

OF_TWO: dict[str, Callable[[Any, Any], Any]] = {
    "matmul": np.matmul,
    "transposed": lambda a, b: a @ b.T,
    "dot": np.dot,
    "inner": np.inner,
    "outer": np.outer,
    "tensordot": lambda a, b: np.tensordot(a, b, 1),
    "outer tensordot": lambda a, b: np.tensordot(a, b, 0),
    "kron": np.kron,
    "vdot": np.vdot,
    "multiply": np.multiply,
    "power": np.power,
    "einsum": lambda a, b: np.einsum("ij,jk->ik", a, b),
    "einsum to a number": lambda a, b: np.einsum("ij,jk->", a, b),
    "stacked einsum": lambda a, b: np.einsum("...i,...i->...", a, b),
    "vecdot": np.vecdot,
    "matvec": np.matvec,
    "vecmat": np.vecmat,
    "solve": np.linalg.solve,
    "concatenate": lambda a, b: np.concatenate([a, b]),
    "where": lambda a, b: np.where(a > 0, a, b),
    "interp": lambda a, b: np.interp(a, b, b),
    "searchsorted": lambda a, b: a * np.searchsorted(b, a),
}

OF_ONE: dict[str, Callable[[Any], Any]] = {
    **{
        name: getattr(np, name)
        for name in (
            "sum prod mean std max cumsum cumprod sort median ptp diff ravel transpose flip tril "
            "trace diagonal nansum square cov average diag unwrap gradient trapezoid squeeze"
        ).split()
    },
    **{
        f"linalg.{name}": getattr(np.linalg, name)
        for name in (
            "det inv norm slogdet cholesky eigvalsh svdvals pinv matrix_rank eigh svd qr"
        ).split()
    },
    "sum of columns": lambda x: np.sum(x, axis=0),
    "mean of rows": lambda x: np.mean(x, axis=-1),
    "norm of rows": lambda x: np.linalg.norm(x, axis=-1),
    "maximum of rows": lambda x: np.max(x, axis=-1),
}


def first(found: Any) -> Any:
    return found[0] if isinstance(found, tuple) else found


def check(f: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        want = first(f(*args))
    except Exception:
        with pytest.raises(Exception):  # noqa: B017, PT011
            wg.jvp(lambda *args: first(f(*args)), args, args)
        return
    shapes = [np.shape(arg) for arg in args]
    value, tangent = wg.jvp(lambda *args: first(f(*args)), args, args)
    np.testing.assert_allclose(value, want)
    assert value.shape == tangent.shape == np.shape(want)
    assert wg.vmap(lambda *args: first(f(*args)))(*(a[None] for a in args)).shape[1:] == np.shape(
        want
    )
    if np.asarray(want).dtype.kind != "f":
        return
    _, pull = wg.vjp(lambda *args: first(f(*args)), *args)
    assert [np.shape(bar) for bar in pull(np.ones_like(want))] == shapes
    assert all(not np.any(bar) for bar in pull(np.zeros_like(want)))
    places = tuple(range(len(args)))
    for mode in ("forward", "reverse"):
        blocks = wg.jacobian(lambda *args: first(f(*args)), places, mode=mode)(*args)
        assert [np.shape(block) for block in blocks] == [np.shape(want) + s for s in shapes]

    def loss(*args: Any) -> Any:
        return np.sum(first(f(*args)) ** 2)

    if len(args) > 1 and max(map(len, shapes)) > 2:
        return
    rows = wg.hessian(loss, places)(*args)
    assert [[np.shape(b) for b in row] for row in rows] == [[s + t for t in shapes] for s in shapes]
    gradients = wg.vmap(wg.grad(loss, places))(*(arg[None] for arg in args))
    assert [np.shape(g)[1:] for g in gradients] == shapes


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("f", OF_TWO.values(), ids=OF_TWO.keys())
def test_functions_of_two_operands_one_of_them_empty(f: Callable[..., Any]) -> None:
    for s, t in itertools.product(SHAPES, SHAPES):
        if np.prod(s) * np.prod(t) == 0:
            check(f, (np.full(s, 0.5)[()], np.full(t, 0.7)[()]))


@pytest.mark.parametrize("f", OF_ONE.values(), ids=OF_ONE.keys())
def test_functions_of_an_empty_array(f: Callable[..., Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for s in SHAPES:
            if np.prod(s) == 0 and not (f is np.linalg.svd and s[-1] != s[-2:][0]):
                check(f, (np.full(s, 0.5),))


def test_the_gradient_of_an_empty_product_is_zeros_of_its_operands_shapes() -> None:
    z, x = np.zeros((0, 3)), np.ones((2, 3))
    for f in (lambda z, x: np.sum(z @ x.T), lambda z, x: np.sum((z @ x.T) ** 2)):
        for gradient in (wg.grad(f, (0, 1)), wg.jit(wg.grad(f, (0, 1)), wait=True)):
            for bar, operand in zip(gradient(z, x), (z, x), strict=True):
                np.testing.assert_array_equal(bar, np.zeros_like(operand))


def test_the_rank_of_a_row_is_batched() -> None:
    x = np.array([[1.0, 2.0], [0.0, 0.0]])
    assert wg.vmap(np.linalg.matrix_rank)(x).tolist() == [1, 0]


def test_the_outer_product_of_no_roots_is_empty() -> None:
    def f(x: Any) -> Any:
        roots = np.where(x > 0, np.abs(x), 0.5)
        return np.outer(roots.flatten("K"), roots[::-1])

    value, tangent = wg.jvp(f, (np.zeros(0),), (np.zeros(0),))
    assert value.shape == tangent.shape == (0, 0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_no_elements_of_an_array_that_roots_were_written_into_have_products(dtype: Any) -> None:
    def rows(x: Any) -> Any:
        y = np.sqrt(np.abs(x) + 0.5)
        y[:1] = y[:1] * 0.5
        y[1:, ...] *= 0.0
        return y

    def chosen(x: Any) -> Any:
        y = np.sqrt(np.abs(x[0, :0]) + 0.5)
        y[y > 0] = 2
        return np.multiply(y, 2) + y**2

    x = np.array([[0.3, -0.7]], dtype)
    for f in (rows, chosen):
        value, tangent = wg.jvp(f, (x,), (np.ones_like(x),))
        assert value.dtype == tangent.dtype == dtype
        np.testing.assert_array_equal(value, f(x))
        gradient = wg.grad(lambda x, f=f: np.sum(f(x)))(x)
        assert gradient.dtype == dtype
        np.testing.assert_allclose(np.sum(gradient), np.sum(tangent), rtol=1e-6)
        np.testing.assert_array_equal(wg.vmap(f)(x[None])[0], f(x))
        np.testing.assert_array_equal(wg.jit(f, wait=True)(x), f(x))


def assigned(index: Any, shape: tuple[int, ...]) -> Callable[..., Any]:
    """An assignment into a copy of x, of part of a number in some shape."""

    def f(x: Any) -> Any:
        y = x * 1.0
        y[index] = np.broadcast_to(np.sum(x), shape)
        return y

    return f


@pytest.mark.parametrize("shape", list(itertools.product((0, 1, 2), repeat=3)) + SHAPES, ids=str)
def test_what_is_assigned_to_no_elements_has_the_shapes_that_numpy_takes(shape: Any) -> None:
    none = np.zeros(0, int)
    for index in (none, (none, slice(None)), (none, none), (slice(None), none), [1, 0]):
        f, x = assigned(index, shape), np.ones((3, 2))
        try:
            want = f(x)
        except ValueError:
            for route in (wg.vmap(f), lambda x, f=f: wg.jvp(f, (x[0],), (x[0],))):
                with pytest.raises(ValueError, match="broadcast"):
                    route(x[None])
            continue
        gradient = wg.grad(lambda x, f=f: np.sum(f(x)))(x)
        value, tangent = wg.jvp(f, (x,), (np.ones_like(x),))
        np.testing.assert_array_equal(value, want)
        np.testing.assert_allclose(np.sum(tangent), np.sum(gradient))
        np.testing.assert_array_equal(wg.vmap(f)(x[None])[0], want)


def test_values_of_no_elements_are_put_along_an_axis() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        np.put_along_axis(y, np.argsort(y), np.linspace(x, 1.0, 3), -1)
        return y

    value, tangent = wg.jvp(f, (np.zeros(0),), (np.zeros(0),))
    assert (
        value.shape == tangent.shape == wg.grad(lambda x: np.sum(f(x)))(np.zeros(0)).shape == (0,)
    )
