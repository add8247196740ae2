"""Even powers of roots: NumPy's value of the root, and the derivative of the radicand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from support import assert_derivatives, gradient
from wengert.compile.rewrite import rewritten
from wengert.functions import roots

norm = np.linalg.norm
ZERO, ONES = np.zeros(2), np.ones(2)
SPREAD = np.array([[0.5, -0.5], [-0.5, 0.5]])


def twice(y: Any) -> Any:
    return y * y


def raised(y: Any) -> Any:
    y **= 2
    return y


def multiplied(y: Any) -> Any:
    y *= y
    return y


def norms(x: Any) -> Any:
    """The norm of all of x, in an array."""
    return norm(x[None], axis=1)


def inner(y: Any, weights: Any = 1.0) -> Any:
    return y @ (weights * y)


def weighted(y: Any) -> Any:
    return np.einsum("i,j,i->j", y, np.array([3.0]), y)[0]


def through_a_view(y: Any) -> Any:
    z = y[:]
    z *= z
    return y


def written_over(x: Any) -> Any:
    y = np.sum(x[None] ** 2, axis=1)
    np.sqrt(y, out=y)
    y **= 2
    return np.sum(y)


def in_turn(x: Any) -> Any:
    y = np.zeros_like(x)
    for i in range(2):
        y[i] = abs(x[i])
    return y


def distances(x: Any) -> Any:
    """The distances of two points on a line from each other and from themselves."""
    d = np.zeros_like(x, shape=(2, 2))
    for i in range(2):
        for j in range(2):
            d[i, j] = norm(x[i : i + 1] - x[j : j + 1])
    return d


def partly_written_over(x: Any) -> Any:
    y = np.abs(x)
    y[0] = 3.0
    return y


def through_a_slice(x: Any) -> Any:
    y = np.zeros_like(x)
    row = y[:1]
    row[...] = norm(x)
    return y


def by(write: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """The sum of squares of an array into which a norm was written."""

    def squares(x: Any) -> Any:
        y = np.zeros_like(x)
        write(y, norm(x))
        return np.sum(y**2)

    return squares


def setting(index: Any) -> Callable[[Any], Any]:
    return by(lambda y, value: y.__setitem__(index, value))


def scattered(x: Any) -> Any:
    """Roots times themselves in some elements of a product, times others elsewhere."""
    return np.sum(np.outer(abs(x), abs(x)) * np.array([[1.0, 0.0], [0.0, 3.0]]))


# name: function of two numbers, point, second derivatives
SQUARES: dict[str, tuple[Callable[[Any], Any], Any, Any]] = {
    # the kinds of roots
    "norm": (lambda x: norm(x) ** 2, ZERO, 2 * np.eye(2)),
    "norm along an axis": (lambda x: np.sum(norms(x) ** 2), ZERO, 2 * np.eye(2)),
    "norm, keepdims": (
        lambda x: np.sum(norm(x, axis=0, keepdims=True) ** 2),
        ZERO,
        2 * np.eye(2),
    ),
    "norm of order 4": (lambda x: norm(x, 4) ** 4, ZERO, np.zeros((2, 2))),
    "Frobenius norm": (lambda x: norm(x[None], "fro") ** 2, ZERO, 2 * np.eye(2)),
    "vector_norm": (lambda x: np.linalg.vector_norm(x) ** 2, ZERO, 2 * np.eye(2)),
    "matrix_norm": (lambda x: np.linalg.matrix_norm(x[None]) ** 2, ZERO, 2 * np.eye(2)),
    "norm of norms": (lambda x: norm(norms(x)) ** 2, ZERO, 2 * np.eye(2)),
    "abs": (lambda x: np.sum(abs(x) ** 2), ZERO, 2 * np.eye(2)),
    "fabs": (lambda x: np.sum(np.fabs(x) ** 2), ZERO, 2 * np.eye(2)),
    "abs of abs": (lambda x: np.sum(abs(abs(x)) ** 2), ZERO, 2 * np.eye(2)),
    "abs of complex numbers": (lambda x: abs(x[0] + 1j * x[1]) ** 2, ZERO, 2 * np.eye(2)),
    "hypot": (lambda x: np.hypot(x[0], x[1]) ** 2, ZERO, 2 * np.eye(2)),
    "std": (lambda x: np.std(x) ** 2, ONES, SPREAD),
    "std with ddof": (lambda x: x.std(ddof=1) ** 2, ONES, 2 * SPREAD),
    "std along an axis": (lambda x: np.sum(np.std(x[None], axis=1) ** 2), ONES, SPREAD),
    "nanstd": (lambda x: np.nanstd(x) ** 2, ONES, SPREAD),
    "sqrt of a sum": (lambda x: np.sqrt(np.sum(x**2)) ** 2, ZERO, 2 * np.eye(2)),
    "to the power 0.5": (lambda x: (np.sum(x**2) ** 0.5) ** 2, ZERO, 2 * np.eye(2)),
    "np.power(x, 0.5)": (lambda x: np.power(x @ x, 0.5) ** 2, ZERO, 2 * np.eye(2)),
    "the fourth power of a fourth root": (
        lambda x: np.sqrt(np.sqrt(x @ x)) ** 4,
        ZERO,
        2 * np.eye(2),
    ),
    "the fourth power": (lambda x: norm(x) ** 4, ZERO, np.zeros((2, 2))),
    # how the power is taken
    "**2.0": (lambda x: norm(x) ** 2.0, ZERO, 2 * np.eye(2)),
    "np.square": (lambda x: np.square(norm(x)), ZERO, 2 * np.eye(2)),
    "np.power": (lambda x: np.power(norm(x), 2), ZERO, 2 * np.eye(2)),
    "np.float_power": (lambda x: np.float_power(norm(x), 2), ZERO, 2 * np.eye(2)),
    "y * y": (lambda x: twice(norm(x)), ZERO, 2 * np.eye(2)),
    "np.multiply": (lambda x: np.multiply(*[norm(x)] * 2), ZERO, 2 * np.eye(2)),
    "computed twice": (lambda x: norm(x) * norm(x), ZERO, 2 * np.eye(2)),
    "abs of complex numbers, computed twice": (
        lambda x: (lambda z: abs(z) * np.abs(z))(x[0] + 1j * x[1]),
        ZERO,
        2 * np.eye(2),
    ),
    "nanstd, computed twice": (lambda x: np.nanstd(x) * np.nanstd(x), ONES, SPREAD),
    "np.select": (lambda x: np.select([x[0] < 1], [norm(x)], 2.0) ** 2, ZERO, 2 * np.eye(2)),
    "np.choose": (lambda x: np.choose([1, 0], [norms(x), 3.0])[1] ** 2, ZERO, 2 * np.eye(2)),
    "np.insert": (lambda x: np.sum(np.insert(abs(x), 1, norms(x)) ** 2), ZERO, 4 * np.eye(2)),
    "np.block": (lambda x: np.sum(np.block([abs(x), norms(x)]) ** 2), ZERO, 4 * np.eye(2)),
    "np.compress": (lambda x: np.sum(np.compress([1, 1], abs(x)) ** 2), ZERO, 2 * np.eye(2)),
    "np.extract": (lambda x: np.sum(np.extract([1, 1], abs(x)) ** 2), ZERO, 2 * np.eye(2)),
    "np.pad": (
        lambda x: np.sum(np.pad(abs(x), 1, constant_values=2.0) ** 2),
        ZERO,
        2 * np.eye(2),
    ),
    "a view": (lambda x: np.sum(abs(x).view() ** 2), ZERO, 2 * np.eye(2)),
    "np.tensordot": (lambda x: np.tensordot(*[norms(x)] * 2, 1), ZERO, 2 * np.eye(2)),
    "y **= 2": (lambda x: raised(norm(x)), ZERO, 2 * np.eye(2)),
    "y *= y": (lambda x: multiplied(norm(x)), ZERO, 2 * np.eye(2)),
    "y **= 2 of an array": (lambda x: np.sum(raised(norms(x))), ZERO, 2 * np.eye(2)),
    "*= through a view": (lambda x: np.sum(through_a_view(norms(x))), ZERO, 2 * np.eye(2)),
    "out=": (written_over, ZERO, 2 * np.eye(2)),
    "y @ y": (lambda x: inner(norms(x)), ZERO, 2 * np.eye(2)),
    "np.dot": (lambda x: np.dot(*[norms(x)] * 2), ZERO, 2 * np.eye(2)),
    "np.vdot": (lambda x: np.vdot(*[norms(x)] * 2), ZERO, 2 * np.eye(2)),
    "np.inner": (lambda x: np.inner(*[norms(x)] * 2), ZERO, 2 * np.eye(2)),
    "np.vecdot": (lambda x: np.vecdot(*[norms(x)] * 2), ZERO, 2 * np.eye(2)),
    "einsum": (lambda x: np.einsum("i,i", *[norms(x)] * 2), ZERO, 2 * np.eye(2)),
    "einsum with weights": (
        lambda x: weighted(norms(x)),
        ZERO,
        6 * np.eye(2),
    ),
    "prod of a list": (lambda x: np.prod([norm(x)] * 2), ZERO, 2 * np.eye(2)),
    "y * conj(y)": (lambda x: norm(x) * norm(x).conj(), ZERO, 2 * np.eye(2)),
    # what is done to the root before, and to its square afterwards
    "scaled": (lambda x: (2 * norm(x)) ** 2, ZERO, 8 * np.eye(2)),
    "divided": (lambda x: (norm(x) / 2) ** 2, ZERO, np.eye(2) / 2),
    "negated": (lambda x: (-norm(x)) ** 2, ZERO, 2 * np.eye(2)),
    "0.5 * y * y": (lambda x: 0.5 * norm(x) * norm(x), ZERO, np.eye(2)),
    "-y * y": (lambda x: -norm(x) * norm(x), ZERO, -2 * np.eye(2)),
    "y @ (w * y)": (lambda x: inner(norms(x), np.array([3.0])), ZERO, 6 * np.eye(2)),
    "over a traced length": (
        lambda x: np.exp(-0.5 * (norm(x) / (2 + x[0])) ** 2),
        ZERO,
        -np.eye(2) / 4,
    ),
    "times a traced array": (lambda x: np.sum(((x + 2) * norm(x)) ** 2), ZERO, 16 * np.eye(2)),
    "indexed": (lambda x: norms(x)[0] ** 2, ZERO, 2 * np.eye(2)),
    "reshaped": (lambda x: np.sum(norms(x).reshape(1, 1).T[:, None] ** 2), ZERO, 2 * np.eye(2)),
    "as an array": (lambda x: np.sum(np.asarray(norm(x)) ** 2), ZERO, 2 * np.eye(2)),
    "taken": (lambda x: np.sum(np.take(norms(x), [0, 0]) ** 2), ZERO, 4 * np.eye(2)),
    "one by one": (lambda x: sum(y**2 for y in norms(x)), ZERO, 2 * np.eye(2)),
    "stacked": (lambda x: np.sum(np.stack([norm(x), 3.0, norm(2 * x)]) ** 2), ZERO, 10 * np.eye(2)),
    "an array of objects": (
        lambda x: np.sum(np.array([norm(x), norm(2 * x)]) ** 2),
        ZERO,
        10 * np.eye(2),
    ),
    "wg.numpy.array": (
        lambda x: np.sum(wg.numpy.array([norm(x), norm(2 * x)]) ** 2),
        ZERO,
        10 * np.eye(2),
    ),
    "chosen": (lambda x: np.where(True, norm(x), 1.0) ** 2, ZERO, 2 * np.eye(2)),
    "and other terms": (lambda x: 3 * norm(x) ** 2 + np.sum(x) - 1, ZERO, 6 * np.eye(2)),
    # computed anew for each factor
    "sqrt of x * x, computed twice": (
        lambda x: np.sum(np.sqrt(x * x) * np.sqrt(x * x)),
        ZERO,
        2 * np.eye(2),
    ),
    "sqrt of a sum, computed twice": (
        lambda x: np.sqrt(np.sum(x**2)) * np.sqrt(np.sum(x**2)),
        ZERO,
        2 * np.eye(2),
    ),
    "norm of a difference, computed twice": (
        lambda x: norm(2 * x - 1.0) * norm(2 * x - 1.0),
        ONES / 2,
        8 * np.eye(2),
    ),
    "element by element": (
        lambda x: sum(abs(x[i]) * abs(x[i]) for i in range(2)),
        ZERO,
        2 * np.eye(2),
    ),
    "indexed in turn": (lambda x: abs(x)[0] * abs(x)[0], ZERO, np.diag([2.0, 0.0])),
    "n * n**3 of square roots": (
        lambda x: np.sqrt(x[0] * x[0]) ** 3 * np.sqrt(x[0] * x[0]),
        ZERO,
        np.zeros((2, 2)),
    ),
    "the square of a square": (lambda x: np.square(np.sqrt(norm(x)) ** 2), ZERO, 2 * np.eye(2)),
    # products that sum
    "r @ r, computed twice": (lambda x: abs(x) @ abs(x), ZERO, 2 * np.eye(2)),
    "row @ column": (lambda x: (abs(x)[None] @ abs(x)[:, None])[0, 0], ZERO, 2 * np.eye(2)),
    "a Gram matrix": (lambda x: np.trace(abs(x)[:, None] @ abs(x)[None]), ZERO, 2 * np.eye(2)),
    "a stack of products": (
        lambda x: np.sum(abs(x)[None, None] @ abs(x)[None, :, None]),
        ZERO,
        2 * np.eye(2),
    ),
    "np.outer": (lambda x: np.trace(np.outer(abs(x), abs(x))), ZERO, 2 * np.eye(2)),
    "np.multiply.outer": (lambda x: np.multiply.outer(norm(x), norm(x)), ZERO, 2 * np.eye(2)),
    "some of an outer product": (scattered, ZERO, np.diag([2.0, 6.0])),
    "np.inner of matrices": (
        lambda x: np.sum(np.inner(abs(x[None]), abs(x[None]))),
        ZERO,
        2 * np.eye(2),
    ),
    "np.matvec": (lambda x: np.matvec(abs(x)[None], abs(x))[0], ZERO, 2 * np.eye(2)),
    "np.kron": (lambda x: np.kron(norms(x), norms(x))[0], ZERO, 2 * np.eye(2)),
    "np.convolve": (lambda x: np.convolve(norms(x), norms(x))[0], ZERO, 2 * np.eye(2)),
    "np.correlate": (lambda x: np.correlate(abs(x), abs(x))[0], ZERO, 2 * np.eye(2)),
    "np.linalg.multi_dot": (
        lambda x: np.linalg.multi_dot([abs(x), abs(x)]),
        ZERO,
        2 * np.eye(2),
    ),
    "np.linalg.matrix_power": (
        lambda x: np.trace(np.linalg.matrix_power(np.diag(abs(x)), 2)),
        ZERO,
        2 * np.eye(2),
    ),
    "einsum of a transpose": (
        lambda x: np.einsum("ij,ji->", abs(x)[None], abs(x)[:, None]),
        ZERO,
        2 * np.eye(2),
    ),
    "einsum of numbers": (lambda x: np.einsum(",->", norm(x), norm(x)), ZERO, 2 * np.eye(2)),
    "einsum of a form": (
        lambda x: np.einsum("i,ij,j->", abs(x), np.diag([2.0, 3.0]), abs(x)),
        ZERO,
        np.diag([4.0, 6.0]),
    ),
    "prod of a stack": (lambda x: np.prod(np.stack([norm(x), norm(x)])), ZERO, 2 * np.eye(2)),
    "np.multiply.reduce": (
        lambda x: np.multiply.reduce(np.stack([norm(x), norm(x)])),
        ZERO,
        2 * np.eye(2),
    ),
    "np.cumprod": (
        lambda x: np.cumprod(np.stack([norm(x), norm(x)]))[1],
        ZERO,
        2 * np.eye(2),
    ),
    "np.polyval": (lambda x: np.polyval([1.0, 0.0, 1.0], norm(x)), ZERO, 2 * np.eye(2)),
    # in arrays
    "assigned to an element": (setting(0), ZERO, 2 * np.eye(2)),
    "assigned to a slice": (setting(slice(None)), ZERO, 4 * np.eye(2)),
    "assigned to a mask": (setting(np.array([True, False])), ZERO, 2 * np.eye(2)),
    "assigned to places": (setting([0, 1]), ZERO, 4 * np.eye(2)),
    "assigned through a view": (lambda x: np.sum(through_a_slice(x) ** 2), ZERO, 2 * np.eye(2)),
    "assigned in turn": (lambda x: np.sum(in_turn(x) ** 2), ZERO, 2 * np.eye(2)),
    "assigned in turn, one element": (lambda x: in_turn(x)[1] ** 2, ZERO, np.diag([0.0, 2.0])),
    "assigned in turn, y @ y": (lambda x: inner(in_turn(x)), ZERO, 2 * np.eye(2)),
    "partly written over": (
        lambda x: np.sum(partly_written_over(x) ** 2),
        ZERO,
        np.diag([0.0, 2.0]),
    ),
    "a kernel of distances": (
        lambda x: np.sum(np.exp(-(distances(x) ** 2))),
        ZERO,
        -8 * SPREAD,
    ),
    "np.fill_diagonal": (
        by(lambda y, value: np.fill_diagonal(y.reshape(1, 2), value)),
        ZERO,
        2 * np.eye(2),
    ),
    "np.put": (by(lambda y, value: np.put(y, [1], value)), ZERO, 2 * np.eye(2)),
    "np.copyto": (by(np.copyto), ZERO, 4 * np.eye(2)),
    "y.fill": (by(lambda y, value: y.fill(value)), ZERO, 4 * np.eye(2)),
    "y.flat": (by(lambda y, value: y.flat.__setitem__(0, value)), ZERO, 2 * np.eye(2)),
    "np.full_like": (lambda x: np.sum(np.full_like(x, norm(x)) ** 2), ZERO, 4 * np.eye(2)),
    "np.broadcast_arrays": (
        lambda x: np.sum(np.broadcast_arrays(norm(x), x)[0] ** 2),
        ZERO,
        4 * np.eye(2),
    ),
    "np.meshgrid": (lambda x: np.sum(np.meshgrid(abs(x), x)[0] ** 2), ZERO, 4 * np.eye(2)),
    "np.unstack": (lambda x: np.unstack(abs(x))[0] ** 2, ZERO, np.diag([2.0, 0.0])),
    "x.flat": (lambda x: sum(y**2 for y in abs(x).flat), ZERO, 2 * np.eye(2)),
    "x.compress": (lambda x: np.sum(abs(x).compress([True, True]) ** 2), ZERO, 2 * np.eye(2)),
    "a block of rows": (
        lambda x: np.sum(np.block([[norm(x), 1.0], [2.0, norm(x)]]) ** 2),
        ZERO,
        4 * np.eye(2),
    ),
    "0 added": (lambda x: sum([norm(x), 0.0]) ** 2, ZERO, 2 * np.eye(2)),
    "dtype=": (lambda x: np.multiply(norm(x), norm(x), dtype=float), ZERO, 2 * np.eye(2)),
    # sums, signs, choices
    "a root and a multiple of it": (
        lambda x: norm(x) * (3 * norm(x) + norm(x)),
        ZERO,
        8 * np.eye(2),
    ),
    "a root less a multiple of it": (
        lambda x: np.subtract(norm(x), 3 * norm(x)) ** 2,
        ZERO,
        8 * np.eye(2),
    ),
    "weights of a root added": (
        lambda x: np.sum((np.array([1.0, 2.0]) * norm(x) + norm(x)) ** 2),
        ZERO,
        26 * np.eye(2),
    ),
    "copysign": (lambda x: np.sum(np.copysign(x, -1.0) ** 2), ZERO, 2 * np.eye(2)),
    "copysign of a root": (lambda x: np.copysign(norm(x), 1.0) ** 2, ZERO, 2 * np.eye(2)),
    "x sign(x)": (lambda x: np.sum((x * np.sign(x)) ** 2), ZERO, 2 * np.eye(2)),
    "sign(x) x": (lambda x: np.sum((np.sign(x) * x) ** 2), ZERO, 2 * np.eye(2)),
    "|x| sign(x)": (lambda x: np.sum((abs(x) * np.sign(x)) ** 2), ZERO, 2 * np.eye(2)),
    "minimum": (lambda x: np.sum(0.5 * np.minimum(abs(x), 1) ** 2), ZERO, np.eye(2)),
    "maximum and 0": (lambda x: np.sum(np.maximum(0, abs(x)) ** 2), ZERO, 2 * np.eye(2)),
    "fmax": (lambda x: np.sum(np.fmax(abs(x), -1) ** 2), ZERO, 2 * np.eye(2)),
    "clip": (lambda x: np.sum(np.clip(abs(x), 0, 5) ** 2), ZERO, 2 * np.eye(2)),
    "maximum(x, -x)": (lambda x: np.sum(np.maximum(x, -x) ** 2), ZERO, 2 * np.eye(2)),
    "minimum(-x, x)": (lambda x: np.sum(np.minimum(-x, x) ** 2), ZERO, 2 * np.eye(2)),
    "a traced exponent": (lambda x: norm(x) ** (x[0] * 0 + 2), ZERO, 2 * np.eye(2)),
    "traced exponents": (lambda x: np.sum(np.power(abs(x), x * 0 + 2)), ZERO, 2 * np.eye(2)),
    "a traced exponent of 3": (lambda x: norm(x) ** (x[0] * 0 + 3), ZERO, np.zeros((2, 2))),
    "norms of one element": (
        lambda x: norm(x[:1], np.inf) ** 2 + norm(x[1:], 1) ** 2,
        ZERO,
        2 * np.eye(2),
    ),
    "the greatest and the sum of one": (
        lambda x: abs(x[:1]).max() ** 2 + np.sum(abs(x[1:])) ** 2,
        ZERO,
        2 * np.eye(2),
    ),
    # powers that are none of the radicand
    "norm ** 3": (lambda x: norm(x) ** 3, ZERO, np.zeros((2, 2))),
    "y * y * y": (lambda x: twice(norm(x)) * norm(x), ZERO, np.zeros((2, 2))),
}


@pytest.mark.parametrize("name", SQUARES)
def test_second_derivatives_are_those_of_the_radicand_in_every_order_of_the_modes(
    name: str,
) -> None:
    f, x, wanted = SQUARES[name]
    near = x + np.array([0.3, -0.2])
    for point in (x, near):
        assert wg.value_and_grad(f)(point)[0] == f(point)
    rows = np.eye(2)

    def pushed(x: Any, v: Any) -> Any:
        return wg.jvp(f, (x,), (v,))[1]

    found = {
        "reverse, batched": wg.hessian(f)(x),
        "forward over reverse": [wg.jvp(wg.grad(f), (x,), (v,))[1] for v in rows],
        "reverse over forward": [wg.grad(lambda x, v=v: pushed(x, v))(x) for v in rows],
        "forward over forward": [
            [wg.jvp(lambda x, v=v: pushed(x, v), (x,), (w,))[1] for v in rows] for w in rows
        ],
        "vmap": wg.vmap(wg.hessian(f))(np.stack([x, near]))[0],
    }
    for order, second in found.items():
        np.testing.assert_allclose(second, wanted, atol=1e-13, err_msg=order)


NEAR = (
    "norm of norms",
    "einsum with weights",
    "out=",
    "stacked",
    "std",
    "a Gram matrix",
    "some of an outer product",
    "np.matvec",
    "np.correlate",
    "einsum of a form",
    "np.cumprod",
    "assigned in turn, y @ y",
    "a kernel of distances",
    "a root and a multiple of it",
    "weights of a root added",
    "copysign",
    "x sign(x)",
    "|x| sign(x)",
    "minimum",
    "clip",
    "maximum(x, -x)",
    "traced exponents",
)


@pytest.mark.parametrize("name", NEAR)
def test_away_from_zero_they_agree_with_finite_differences(name: str) -> None:
    f, x, _ = SQUARES[name]
    assert_derivatives(f, x + np.array([0.7, -0.4]))


def test_compiled_functions_have_them_too() -> None:
    names = ["norm", "std", "abs", "hypot", "y * y", "y @ y", "scaled", "over a traced length"]
    names += ["a root and a multiple of it", "x sign(x)", "clip", "maximum(x, -x)", "copysign"]
    names += ["a traced exponent", "norms of one element"]

    def total(x: Any) -> Any:
        return sum(f(x + point) for f, point, _ in map(SQUARES.__getitem__, names))

    wanted = sum(second for _, _, second in map(SQUARES.__getitem__, names))
    x = np.zeros(2)
    for hessian in (wg.jit(wg.hessian(total)), wg.hessian(wg.jit(total))):
        np.testing.assert_allclose(hessian(x), wanted, atol=1e-13)
        np.testing.assert_allclose(hessian(x), wanted, atol=1e-13)


@pytest.mark.parametrize(
    ("f", "order", "wanted"),
    [
        (lambda x: abs(x) ** 2, 2, 2.0),
        (lambda x: abs(x) * abs(x), 2, 2.0),
        (lambda x: -abs(x) * -abs(x) / 4, 2, 0.5),
        (lambda x: (3 * abs(x) / 2) ** 2, 2, 4.5),
        (lambda x: abs(x) ** 4, 2, 0.0),
        (lambda x: abs(x) ** 3, 2, 0.0),
        (lambda x: (x**0.5) ** 2, 1, 1.0),
        (lambda x: (x**0.25) ** 4, 1, 1.0),
        (lambda x: np.sqrt(x) ** 2, 1, 1.0),
        (lambda x: (x ** (1 / 3)) ** 3, 1, 1.0),
        (lambda x: np.square(abs(x)), 2, 2.0),
        (lambda x: np.multiply(abs(x), -abs(x)), 2, -2.0),
        (lambda x: np.abs(x) * abs(x), 2, 2.0),
        (lambda x: abs(x) * np.abs(x), 2, 2.0),
        (lambda x: 2 * abs(x) * 3 * abs(x), 2, 12.0),
        (lambda x: (np.float64(3) * abs(x)) ** 2, 2, 18.0),
        (lambda x: (abs(x) / np.float64(2)) ** 2, 2, 0.5),
        (lambda x: abs(x) ** np.int64(2), 2, 2.0),
        (lambda x: np.sum((abs(x) * np.array([1.0, 2.0])) ** 2), 2, 10.0),
        (lambda x: np.stack([abs(x), x])[0] ** 2, 2, 2.0),
        (lambda x: np.where(x < 1, abs(x), 1.0) ** 2, 2, 2.0),
        (lambda x: np.square((x * x) ** 0.5), 2, 2.0),
    ],
)
def test_so_have_numbers_of_pythons_with_and_without_jit(f: Any, order: int, wanted: float) -> None:
    for g in (f, wg.jit(f)):
        for _ in range(order):
            g = wg.grad(g)
        assert g(0.0) == wanted
        assert wg.jit(g)(0.0) == wanted
    assert wg.jit(f)(2.0) == f(2.0)
    assert wg.jit(lambda x, y: f(x) * y)(2.0, np.float32(1)).dtype == (f(2.0) * np.float32(1)).dtype


@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_powers_of_norms_are_sums_with_and_without_jit(order: int) -> None:
    def f(x: Any) -> Any:
        return np.linalg.norm(x, order) ** order

    for g in (f, wg.jit(f)):
        np.testing.assert_array_equal(wg.grad(g)(np.array([np.inf, 1.0])), [np.inf, order])
        np.testing.assert_array_equal(wg.grad(g)(np.zeros(2)), 0.0)


@pytest.mark.parametrize("order", [None, 1, 2, 2.5, 3, 4, -1, np.inf, -np.inf])
def test_a_norm_is_a_number_which_no_other_name_of_it_changes(order: Any) -> None:
    def f(x: Any) -> Any:
        norm = kept = np.linalg.norm(x, order)
        norm += 1
        return kept * norm, isinstance(kept, np.ndarray)

    x = np.array([1.0, -2.0])
    wanted, array = f(x)
    assert not array
    for value, is_array in (wg.vjp(f, x)[0], wg.jvp(f, (x,), (x,))[0], wg.jit(f)(x)):
        np.testing.assert_allclose(value, wanted, rtol=1e-15)
        assert not is_array
    wg.check_grads(lambda x: f(x)[0], (x,))


FIRST: dict[str, tuple[Callable[[Any], Any], list[float], list[float]]] = {
    "sqrt": (lambda x: np.sqrt(x) ** 2, [0.0, 2.0, -1.0], [1.0, 1.0, math.nan]),
    "two sqrts": (lambda x: np.sqrt(x) * np.sqrt(x), [0.0, -1.0], [1.0, math.nan]),
    "x ** 0.5": (lambda x: (x**0.5) ** 2, [0.0, -1.0], [1.0, math.nan]),
    "x ** 0.25": (lambda x: (x**0.25) ** 4, [0.0, -1.0], [1.0, math.nan]),
    "x ** 1.5": (lambda x: (x**1.5) ** 2, [0.0, 2.0, -1.0], [0.0, 12.0, math.nan]),
    "x ** (1 / 3)": (lambda x: (x ** (1 / 3)) ** 3, [0.0, -1.0], [1.0, math.nan]),
    "cbrt": (lambda x: np.cbrt(x) ** 3, [0.0, -8.0], [1.0, 1.0]),
    "the root of a root": (lambda x: np.sqrt(np.sqrt(x)) ** 4, [0.0, -8.0], [1.0, math.nan]),
    "scaled": (lambda x: (3 * np.sqrt(x) / 2) ** 2, [0.0, -1.0], [2.25, math.nan]),
    "only where it is defined": (
        lambda x: np.where(x < 0, 5 * x, np.sqrt(x) ** 2),
        [0.0, -1.0],
        [1.0, 5.0],
    ),
    "a stopped root": (lambda x: wg.stop_gradient(np.sqrt(x)) ** 2, [0.0, 2.0], [0.0, 0.0]),
}


@pytest.mark.parametrize("name", FIRST)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_first_derivatives_of_squares_of_sqrt(name: str) -> None:
    f, points, wanted = FIRST[name]
    x = np.array(points)
    np.testing.assert_array_equal(wg.value_and_grad(lambda x: np.sum(f(x)))(x)[0], np.sum(f(x)))
    for point, slope in zip(x, wanted, strict=True):
        np.testing.assert_allclose(wg.grad(f)(point), slope)
        np.testing.assert_allclose(wg.jvp(f, (point,), (1.0,))[1], slope)
    np.testing.assert_allclose(gradient(lambda x: np.sum(f(x)), x), wanted)
    np.testing.assert_allclose(wg.jit(wg.grad(lambda x: np.sum(f(x))))(x), wanted)


def test_exponents_may_be_an_array() -> None:
    x = np.array([0.0, 0.0, 3.0])
    found = wg.hessian(lambda x: np.sum(np.sqrt(x) ** np.array([2, 4, 6])))(x)
    np.testing.assert_allclose(np.diag(found), [0.0, 2.0, 18.0])


def test_complex_roots_too() -> None:
    for z in (0j, -1 + 0j, 1 - 2j):
        assert wg.grad(lambda z: np.sqrt(z) ** 2, holomorphic=True)(z) == 1
        assert wg.grad(lambda z: (z**0.5) ** 2, holomorphic=True)(z) == 1
    found = wg.jvp(wg.grad(lambda z: np.abs(z) ** 2), (0j,), (1 + 1j,))[1]
    assert found == 2 - 2j


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_neither_overflow_nor_underflow_of_the_radicand_reaches_the_derivative(size: float) -> None:
    x = np.array([3 * size, 4 * size])
    np.testing.assert_allclose(wg.grad(lambda x: np.hypot(x[0], x[1]) ** 2)(x), 2 * x)
    np.testing.assert_allclose(wg.grad(lambda x: norm(x) ** 2)(x), 2 * x)
    found = wg.grad(lambda x: (np.abs(x[0]) / x[1]) ** 2)(x)
    np.testing.assert_allclose(found * size, [0.375, -0.28125])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.complex64])
def test_gradients_keep_the_dtype_of_their_argument(dtype: Any) -> None:
    x = np.array([1.0, -2.0], dtype)
    found = wg.grad(lambda x: np.sum((np.abs(x) * np.float64(2)) ** 2))(x)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, [8.0, -16.0])


# -- a root knows what it is a root of only as long as that is so ----------------------------------


def changed_operand(x: Any) -> Any:
    y = x * 1.0
    size = np.abs(y)
    y *= 3
    return size**2


def changed_root(x: Any) -> Any:
    size = np.abs(x)
    view = size[:1]
    size[0] = 5.0
    return size**2 + np.sum(view**2)


def changed_through_a_view(x: Any) -> Any:
    size = np.abs(x)
    view = size[:1]
    view += 1
    return size**2


def shifted(x: Any) -> Any:
    size = np.abs(x)
    size += 1
    return size**2


def changed_factor(x: Any) -> Any:
    weights = np.array([1.0, 2.0])
    size = np.abs(x) * weights
    weights *= 10
    return size**2


def changed_index(x: Any) -> Any:
    index = np.array([0, 0])
    size = np.abs(x)[index]
    index[:] = 1
    return size**2


@pytest.mark.parametrize(
    "f",
    [
        changed_operand,
        changed_root,
        changed_through_a_view,
        shifted,
        changed_factor,
        changed_index,
    ],
)
def test_what_was_assigned_since_is_not_taken_for_the_root(f: Callable[[Any], Any]) -> None:
    assert_derivatives(f, [1.5, -2.0])


UNLIKE: list[Callable[[Any], Any]] = [
    lambda x: np.sum((norm(x) + abs(x)) * norm(x)),
    lambda x: np.sum((abs(x) - 3 * abs(x[::-1])) ** 2),
    lambda x: np.sum((x * np.sign(x[::-1])) ** 2),
    lambda x: np.sum((np.sign(x) * norm(x)) ** 2),
    lambda x: np.sum(np.maximum(abs(x), 1.7) ** 2),
    lambda x: np.sum(np.outer(np.maximum(abs(x), 1.7), abs(x)) ** 2),
    lambda x: np.sum(np.maximum(x, -x[::-1]) ** 2),
    lambda x: np.sum(np.minimum(abs(x), norm(x) - 0.7) ** 2),
    lambda x: np.sum(abs(x) ** (x**2)),
    lambda x: norm(x + 1) * norm(x + 2),
    lambda x: norm(x * np.array([1.0, 2.0])) * norm(x * np.array([1.0, 3.0])),
    lambda x: np.sum(np.sqrt(x * x) * np.sqrt(x**2 + 1)),
    lambda x: abs(x) @ abs(x[::-1]),
    lambda x: np.sum(abs(x)[:, None] @ abs(x)[None]),
    lambda x: np.sum(np.outer(abs(x), abs(2 * x))),
    lambda x: np.einsum("i,j,ij->", abs(x), 2 * abs(x), np.arange(4.0).reshape(2, 2)),
    lambda x: np.sum(np.convolve(abs(x), abs(x) / 3)),
    lambda x: np.sum(np.cumprod(np.stack([abs(x), x, abs(x)]), axis=0)),
    lambda x: in_turn(x) @ abs(x),
    lambda x: np.sum(distances(x) @ distances(x).T),
    lambda x: np.sum((distances(x) * x) @ distances(x)),
    lambda x: np.sum(np.pad(abs(x), 1, constant_values=2.0)[:-1] * np.pad(abs(x), 1)[1:]),
]


@pytest.mark.parametrize("f", UNLIKE)
def test_products_of_roots_that_differ_keep_the_derivatives_of_both(
    f: Callable[[Any], Any],
) -> None:
    x = np.array([1.5, -2.0])
    assert_derivatives(f, x)
    assert wg.value_and_grad(f)(x)[0] == f(x)
    np.testing.assert_allclose(wg.jit(wg.hessian(f))(x), wg.hessian(f)(x), rtol=1e-12)


def test_equal_values_computed_otherwise_are_not_the_same_root() -> None:
    slope = wg.grad(lambda x: np.sqrt(x[0]) * np.sqrt(x[1]))(np.zeros(2))
    np.testing.assert_array_equal(slope, 0.0)
    f = lambda x: abs(x[0] * x[1]) * abs(x[1] * x[1])  # noqa: E731
    np.testing.assert_allclose(
        wg.hessian(f)(np.ones(2)), wg.hessian(lambda x: x[0] * x[1] ** 3)(np.ones(2))
    )


def test_reading_one_of_many_assigned_roots_does_not_read_all() -> None:
    rows: list[int] = []

    def f(x: Any) -> Any:
        y = np.zeros_like(x)
        for i in range(len(x)):
            y[i] = abs(x[i])
        before = len(y._trace.rows)
        total = sum(y[i] ** 2 for i in range(len(x)))
        rows.append(len(y._trace.rows) - before)
        return total

    for n in (10, 40):
        np.testing.assert_array_equal(wg.grad(f)(np.zeros(n)), 0.0)
    assert rows[1] < 5 * rows[0]


def test_loops_and_branches_that_contain_the_root_have_the_derivatives() -> None:
    x = np.zeros(2)

    def looped(x: Any) -> Any:
        step = lambda total, t: (total + norm(x * t) ** 2, total)  # noqa: E731
        return wg.scan(step, 0.0 * x[0], np.arange(3.0))[0]

    def branched(x: Any) -> Any:
        size = norm(x)
        return wg.cond(x[0] >= 0, lambda x: norm(x) ** 2 + size**2, lambda x: norm(x), x)

    np.testing.assert_allclose(wg.hessian(looped)(x), 10 * np.eye(2))
    np.testing.assert_allclose(wg.hessian(branched)(x), 4 * np.eye(2))


def test_roots_of_roots_are_not_remembered_without_end() -> None:
    depths = []

    def f(x: Any) -> Any:
        for _ in range(10):
            x = np.abs(x) * norm(x)
            root = roots.root_of(x)
            assert root is not None
            depths.append(root.depth)
        return np.sum(x)

    wg.jvp(f, (np.ones(2),), (np.ones(2),))
    assert max(depths) == roots.DEEP


def test_a_program_says_so_and_its_compiled_value_computes_no_radicand() -> None:
    program = wg.trace(lambda x: np.abs(x) ** 2)(np.ones(3))
    assert " via " in str(program)
    assert " via " in str(wg.simplify(program))
    names = [equation.primitive.name for equation in rewritten(program).equations]
    assert names == ["absolute", "power"]
