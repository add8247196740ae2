"""Functions of the user's for each row or each number of a traced array, and padding by rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from numpy_routes import agrees_with_numpy

X = np.random.default_rng(8).standard_normal((3, 4))


def ramp(row: Any, widths: Any, axis: Any, options: Any) -> None:
    row[: widths[0]] = row[widths[0]] * options["factor"]
    row[len(row) - widths[1] :] = np.sum(row[widths[0] : len(row) - widths[1]])


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "rows": lambda x: np.apply_along_axis(lambda r: np.sum(r**2) * r, 1, x),
    "rows to numbers": lambda x: np.apply_along_axis(np.prod, 0, x),
    "rows to tables": lambda x: np.apply_along_axis(lambda r, n: np.outer(r, r**n), -1, x, 2),
    "rows of a cube": lambda x: np.apply_along_axis(np.cumsum, 1, np.stack([x, x**2], -1)),
    "rows to lists": lambda x: np.apply_along_axis(lambda r: [r[0], 1.0, r[1] ** 2], 0, x),
    "axes": lambda x: np.apply_over_axes(np.sum, x**2, [0, 1]),
    "histogram of rows": lambda x: np.apply_along_axis(np.convolve, 1, x, x[0]),
    "frexp": lambda x: np.frexp(x * 7.0),
    "frexp of a number": lambda x: np.frexp(x[0, 0]),
    "padding by the mean": lambda x: np.pad(x, 2, mode="mean"),
    "padding by some of the mean": lambda x: np.pad(x, (1, 3), mode="mean", stat_length=2),
    "padding by the median": lambda x: np.pad(x, ((1, 0), (0, 2)), "median"),
    "padding by the greatest": lambda x: np.pad(x, 1, "maximum", stat_length=((1, 2), (3, 1))),
    "padding by the smallest": lambda x: np.pad(x, ((2, 1), (0, 1)), "minimum"),
    "padding by a ramp": lambda x: np.pad(x, 3, "linear_ramp", end_values=(1.0, -2.0)),
    "padding by a ramp to a traced end": lambda x: np.pad(
        x[0], 2, "linear_ramp", end_values=x[1, 1]
    ),
    "padding by odd reflection": lambda x: np.pad(x, 4, "reflect", reflect_type="odd"),
    "padding by odd symmetry": lambda x: np.pad(x, (5, 2), "symmetric", reflect_type="odd"),
    "padding by a function": lambda x: np.pad(x, 2, ramp, factor=3.0),
    "no padding": lambda x: np.pad(x, 1, "empty")[1:-1, 1:-1],
}


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_a_function_agrees_with_numpy(name: str) -> None:
    agrees_with_numpy(FUNCTIONS[name], X)


def bent(t: Any) -> Any:
    return t**2 if t > 0 else np.sin(t)


@pytest.mark.parametrize(
    "apply", [np.frompyfunc(bent, 1, 1), np.vectorize(bent), np.vectorize(bent, otypes=[float])]
)
def test_a_function_of_numbers_is_differentiated_for_each(apply: Any) -> None:
    value, slopes = wg.value_and_grad(lambda x: np.sum(apply(x) * np.cos(x)))(X)
    assert value == pytest.approx(float(np.sum(apply(X) * np.cos(X))), rel=1e-13)
    wanted = np.where(X > 0, 2 * X, np.cos(X)) * np.cos(X)
    wanted -= np.where(X > 0, X**2, np.sin(X)) * np.sin(X)
    np.testing.assert_allclose(slopes, wanted, rtol=1e-12)


def test_a_function_of_several_numbers_and_results() -> None:
    both = np.frompyfunc(lambda a, b: (a * b, a - 2.0), 2, 2)
    product, other = wg.jacobian(lambda x: both(x, [3.0, 4.0]))(np.array([1.0, 2.0]))
    np.testing.assert_array_equal(product, [[3.0, 0.0], [0.0, 4.0]])
    np.testing.assert_array_equal(other, np.eye(2))


def test_exponents_are_integers_without_a_derivative() -> None:
    mantissa, exponent = wg.jvp(np.frexp, (np.array([8.0, np.inf, 0.0]),), (np.ones(3),))[0]
    np.testing.assert_array_equal(mantissa, [0.5, np.inf, 0.0])
    assert exponent.dtype == np.frexp(1.0)[1].dtype


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.apply_along_axis(np.sum, 0, x[:, :0]),
        lambda x: np.apply_along_axis(np.sum, 2, x),
        lambda x: np.frexp(x * 1j)[0],
        lambda x: np.pad(x, 1, "none"),
        lambda x: np.pad(x, 1, "mean", constant_values=1.0),
        lambda x: np.pad(x, 1, "maximum", stat_length=0),
        lambda x: np.pad(x, 1, "edge", stat_length=0),
    ],
)
def test_what_numpy_refuses_is_refused(call: Callable[[Any], Any]) -> None:
    with pytest.raises((ValueError, TypeError)) as plain:
        call(X)
    with pytest.raises(plain.type):
        wg.grad(lambda x: np.sum(call(x)))(X)
