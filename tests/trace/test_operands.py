"""Objects of the user's classes as operands, and comparisons of filled arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from numpy_routes import every_route_agrees
from wengert.errors import TracedArrayError


class Pair:
    """A class with operators of its own, for numbers on its left."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y

    def __rmul__(self, k: Any) -> Pair:
        return Pair(k * self.x, k * self.y)

    def __radd__(self, k: Any) -> Pair:
        return Pair(k + self.x, self.y)

    def __rsub__(self, k: Any) -> Pair:
        return Pair(k - self.x, self.y)

    def __rtruediv__(self, k: Any) -> Pair:
        return Pair(k / self.y, self.x)

    def __rpow__(self, k: Any) -> Pair:
        return Pair(k**self.x, self.y)

    def square(self) -> Any:
        return self.x * self.x + self.y


class Convertible(Pair):
    """One that NumPy's numbers take for an array, and Python's do not."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array([self.x, self.y], dtype=dtype)


def objects(x: Any) -> Any:
    pairs = [x * Pair(1.0, x), x + Pair(1.0, x), x - Pair(x, 2), x / Pair(x, 2), x ** Pair(x, 2)]
    return sum(pair.square() for pair in [*pairs, np.sin(x) * Pair(1.0, 2)])


def comparisons(x: Any) -> Any:
    a = np.zeros(3)
    a[0] = x
    a[a == 0] = 2.0
    return np.sum(a != 2) * x + (a == [x, 0, 2.0]).sum() * a[0] + a.sum() * (a == a).all()


def by_objects(x: Any) -> Any:
    product = np.frompyfunc(lambda a, b: a * b, 2, 1)
    return product(np.arange(3.0), x).sum() + product(float(x), x) + product.outer([1, x], 2.0)[1]


@pytest.mark.parametrize("f", [objects, comparisons, by_objects])
def test_every_route_gives_the_plain_value_and_its_derivative(f: Any) -> None:
    every_route_agrees(f, 0.7, without=("vmap", "scan") if f is comparisons else ())


def test_an_object_that_is_an_array_too_is_a_numbers_operand_as_without_wengert() -> None:
    assert wg.grad(lambda x: (x * Convertible(1.0, 2.0)).square())(3.0) == 8.0


@pytest.mark.parametrize("other", [object(), {}, None, Pair(1, 2)])
def test_what_no_array_can_be_combined_with_is_refused_by_name(other: Any) -> None:
    with pytest.raises(TracedArrayError, match=f"combined with a.? {type(other).__name__}"):
        wg.grad(lambda x: np.sum(np.ones(2) * x * other))(0.7)
