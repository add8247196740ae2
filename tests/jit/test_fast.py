"""The shortest way to compiled code: what takes it, and that results are those of the function."""

from __future__ import annotations

import collections
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from jitted_calls import same

import wengert as wg

X = np.array([0.5, -1.5, 2.0])
WEIGHTS = [np.array([[0.1, 0.2, 0.3]]), np.array([0.4])]
SIZES = {"depth": 2, "names": ("a", "b")}


def native(f: Any) -> bool:
    """Whether calls go to a builtin function at once."""
    return type(f._fast) is types.BuiltinFunctionType


def settled(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A jitted function that has been called often enough to be native alone."""
    jitted = wg.jit(f, wait=True)
    for _ in range(20):
        same(jitted(*args, **kwargs), f(*args, **kwargs))
    return jitted


def network(weights: Any, x: Any) -> Any:
    return np.sum(np.tanh(weights[0] @ x + weights[1]))


def closure() -> Any:
    table, scale = np.arange(3.0), 2.0
    return lambda x: np.sum(x * table * scale)


NATIVE: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "an array": (wg.grad(lambda x: np.sum(x**3)), (X,)),
    "numbers": (lambda x, y, n: x * y + n, (0.5, np.float64(2.0), 3)),
    "a list": (wg.grad(network), (WEIGHTS, X)),
    "a tuple": (wg.grad(network), (tuple(WEIGHTS), X)),
    "a dict": (wg.value_and_grad(lambda p: np.sum(p["b"] * p["a"])), ({"b": X, "a": 2.0},)),
    "nested": (lambda p: {"x": [p[0]["y"], (p[1][0], None)]}, ([{"y": X}, (2.0, None)],)),
    "an empty list": (lambda p, x: (x + len(p), p), ([], X)),
    "a text": (lambda how, x: x if how == "same" else -x, ("same", X)),
    "constants in the result": (lambda x: {"x": x * 2, "n": 3, "text": "text"}, (X,)),
    "an array without axes": (lambda x: np.asarray(np.sum(x)), (X,)),
    "a module and globals": (lambda x: np.sum(x) * WEIGHTS[1][0] + len(SIZES["names"]), (X,)),
    "a closure": (closure(), (X,)),
}


@pytest.mark.parametrize("name", NATIVE)
def test_what_is_native_alone(name: str) -> None:
    f, args = NATIVE[name]
    assert native(settled(f, *args))


@dataclass(eq=False)
class Point:
    x: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and np.array_equal(self.x, other.x)

    __hash__ = None  # type: ignore[assignment]


class Owner:
    def __init__(self) -> None:
        self.scale = 2.0

    def __call__(self, x: Any) -> Any:
        return x * self.scale


Pair = collections.namedtuple("Pair", "x y")

OTHERS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = {
    "a name": (lambda x, y: x * y, (X,), {"y": 2.0}),
    "a dataclass": (lambda p: Point(p.x * 2), (Point(X),), {}),
    "a namedtuple": (lambda p: Pair(p.y, p.x), (Pair(X, 2 * X),), {}),
    "an ordered dict": (lambda p: p["x"] * 2, (collections.OrderedDict(x=X),), {}),
    "an object that can change": (Owner(), (X,), {}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_gives_the_same(name: str) -> None:
    f, args, kwargs = OTHERS[name]
    assert not native(settled(f, *args, **kwargs))


def test_the_order_of_a_dict_counts() -> None:
    def f(p: Any) -> Any:
        return np.stack([p[name] * k for k, name in enumerate(p, 1)])

    jitted = settled(f, {"b": X, "a": 2 * X})
    assert native(jitted)
    for given in ({"a": X, "b": 3 * X}, {"b": X, "a": X}, {"a": X}, {"a": X, "c": X}):
        same(jitted(given), f(given))


def test_a_container_of_another_shape_is_another_call() -> None:
    def f(p: Any) -> Any:
        return sum(np.sum(x) for x in p)

    jitted = settled(f, [X, X])
    for given in ([X], [], [X, X[:2]], (X, X), [X, 1.0], [X, [X][0]], [X.astype(np.float32), X]):
        same(jitted(given), f(given))


def test_variables_in_containers_are_seen_to_change() -> None:
    weights = {"layers": [np.ones(3), (2.0, np.ones(3))]}

    def f(x: Any) -> Any:
        return x * weights["layers"][0] * weights["layers"][1][0] + weights["layers"][1][1]

    jitted = settled(f, X)
    assert native(jitted)
    weights["layers"][1][1][0] = 5.0  # type: ignore[index]
    same(jitted(X), f(X))
    weights["layers"][1] = (3.0, np.ones(3))
    same(jitted(X), f(X))
    weights["layers"].append(4.0)
    same(jitted(X), f(X))
    weights["layers"] = [np.ones(3), [2.0, np.ones(3)]]
    same(jitted(X), f(X))


def test_results_share_nothing_with_the_next() -> None:
    jitted = settled(lambda p: {"a": [p[0] * 2], "b": p[1]}, [X, X])
    one, other = jitted([X, X]), jitted([X, X])
    one["a"][0][:] = 0
    one["a"].append(1)
    same(other, {"a": [X * 2], "b": X})
    same(jitted([X, X]), {"a": [X * 2], "b": X})
