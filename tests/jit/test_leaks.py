"""What a jitted function keeps outside of itself is what the function would have kept."""

from __future__ import annotations

import collections
import functools
from typing import Any

import numpy as np
import pytest

import wengert as wg
from support import transform

pytestmark = pytest.mark.filterwarnings("ignore::wengert.errors.JitWarning")


jit: Any = wg.jit


def in_a_dict() -> Any:
    known: dict[Any, Any] = {}

    def f(x: Any) -> Any:
        if x not in known:
            known[x] = np.cos(x)
        return known[x]

    return f, known


def by_a_pair() -> Any:
    known: dict[Any, Any] = {}

    def f(x: Any) -> Any:
        if (x, "cos") not in known:
            known[x, "cos"] = [np.cos(x)]
        return known[x, "cos"][0]

    return f, known


def recursively() -> Any:
    known: dict[Any, Any] = {}

    def fibonacci(n: Any) -> Any:
        if n < 2:
            return n
        if n not in known:
            known[n] = fibonacci(n - 1) + fibonacci(n - 2)
        return known[n]

    return lambda x: fibonacci(x + 5), known


def in_a_set() -> Any:
    met: set[Any] = set()

    def f(x: Any) -> Any:
        met.add(x)
        return x + len(met)

    return f, met


def in_a_deque() -> Any:
    last: collections.deque[Any] = collections.deque(maxlen=2)

    def f(x: Any) -> Any:
        last.append(x * 2)
        return last[-1] + len(last)

    return f, last


@pytest.mark.parametrize("make", [in_a_dict, by_a_pair, recursively, in_a_set, in_a_deque])
@pytest.mark.parametrize("number", [int, float])
def test_what_a_container_keeps_is_plain(make: Any, number: type) -> None:
    f, kept = make()
    g, wanted = make()
    jitted = jit(f, wait=True)
    for x in (2, 2, 3, 2, 4, 5, 3):
        assert jitted(number(x)) == g(number(x))
        assert repr(kept) == repr(wanted)
    assert f(number(3)) == g(number(3))


@functools.lru_cache
def bounded(x: Any) -> Any:
    return np.exp(x)


@functools.cache
def unbounded(x: Any, options: Any) -> Any:
    return (np.exp(x), options)


class Model:
    @functools.lru_cache  # noqa: B019
    def value(self: Any, x: Any) -> Any:
        return np.exp(x)


@pytest.mark.parametrize(
    "f",
    [
        bounded,
        lambda x: bounded(x) + 0.0,
        lambda x: unbounded(x, "a")[0],
        lambda x: unbounded(x, x)[0],
        lambda x: Model().value(x),
        lambda x: (bounded(x), transform(np.stack([1.0, x])))[0],
    ],
)
def test_a_cache_of_functools_keeps_nothing_traced(f: Any) -> None:
    jitted = jit(f, wait=True)
    for x in (2.0, 2.0, 3.0):
        assert jitted(x) == pytest.approx(np.exp(x))
        assert f(x) == pytest.approx(np.exp(x))
        assert type(bounded(x)) is type(unbounded(x, "a")[0]) is np.float64


@pytest.mark.parametrize(
    "looked_at",
    [
        lambda f: wg.explain(f, 2.0, compiled=True),
        lambda f: jit(f).lower(2.0),
        lambda f: jit(f).export(2.0),
    ],
)
def test_looking_at_what_is_compiled_leaves_nothing_traced(looked_at: Any) -> None:
    f, kept = in_a_dict()
    looked_at(lambda x: f(x) + bounded(x))
    assert repr(kept) == repr({2.0: np.cos(2.0)})
    assert type(bounded(2.0)) is np.float64


def test_a_cache_without_traced_values_is_kept() -> None:
    made = []

    @functools.lru_cache
    def nodes(n: int) -> Any:
        made.append(n)
        return np.arange(float(n))

    jitted = jit(lambda x: np.sum(nodes(3) * x), wait=True)
    assert jitted(2.0) == jitted(2.0) == 6.0
    assert nodes(3) is nodes(3)
    assert made == [3]
