"""The first run of a jitted function is that of the function itself.

NumPy makes an array of objects of the numbers that a run is given, and one of numbers without it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from jitted_calls import agree

import wengert as wg

pytestmark = pytest.mark.filterwarnings("ignore::wengert.errors.JitWarning")

QUESTIONS = """
a.dtype.kind
a.itemsize
np.issubdtype(a.dtype, np.floating)
np.result_type(a, np.float32(1))
np.iscomplexobj(a)
np.zeros(2, a.dtype)
a[0] * np.float32(2)
(a > 2).sum()
np.array([x > 1, y > 1]).sum()
np.array([1, 2, x])[:2].sum()
np.array([x, 1])[1] // 2
np.array([n, 2]).dtype.kind
np.array([n, 2]) / 2
np.mean([n, 2])
np.round([n, 2])
np.asarray(x).dtype.kind
np.array([x, y], object).dtype.kind
np.nan_to_num(a / 0)
f"{a}"
""".strip().splitlines()

COMPUTATIONS = """
a * 2
a @ a
np.sum(a)
np.sin(a)
np.array([[x, y], [y, x]]) @ a
np.array([n, 2]) * a
""".strip().splitlines()

NUMBERS = [(1.25, 2.5, 3), (np.float64(1.25), np.float64(2.5), np.int64(3))]


def function(expression: str) -> Any:
    space: dict[str, Any] = {"np": np}
    exec(f"def f(x, y, n):\n    a = np.array([x, y])\n    return {expression}", space)
    return space["f"]


@pytest.mark.parametrize("expression", [*QUESTIONS, *COMPUTATIONS])
def test_an_array_of_numbers_is_one_under_jit(expression: str) -> None:
    jitted = agree(function(expression), *NUMBERS, (1j, 2.5, 3))
    assert jitted.paths() or expression in QUESTIONS


def test_a_function_with_an_array_of_numbers_counts_once_and_writes_once() -> None:
    log: list[int] = []

    def f(x: Any, y: Any) -> Any:
        log.append(1)
        x[0] += y
        return np.array([y, y]) * x[0]

    x = np.ones(2)
    np.testing.assert_array_equal(wg.jit(f)(x, 2.0), [6.0, 6.0])
    assert log == [1]
    assert x[0] == 3.0


def test_a_jitted_function_inside_of_a_derivative_is_compared_too() -> None:
    def f(x: Any) -> Any:
        a = np.array([x, 2.0 * x])
        return np.sum(a) * a.itemsize * (2.0 if a.dtype.kind == "f" else 3.0)

    assert wg.grad(wg.jit(f))(1.0) == wg.grad(f)(1.0)
