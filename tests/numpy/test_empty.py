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
