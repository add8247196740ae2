"""``max``, ``min``, ``sorted``, ``int`` and ``np.fromiter`` of traced numbers, known or not."""

from __future__ import annotations

import heapq
import itertools
import math
import statistics
from typing import Any

import numpy as np
import pytest

import wengert as wg
from numpy_routes import every_route_agrees
from wengert.errors import AbstractValueError

A = np.array([1.0, 2.0, 3.0])


def largest(x: Any) -> Any:
    places = max(enumerate([0.2, x, x * x]), key=lambda pair: pair[1])
    return (
        max(x, 0.2, x * x)
        + max([x, 2.0, x])
        + max(x * i for i in range(4))
        + max(A * x)
        + max([x, -2.0], key=abs) ** 2
        + max((v for v in [x, 2 * x]), default=0.0)
        + max(np.sin(x), 3 * x)
        + places[0] * places[1]
        + max([1, x], [3, 2])[0]
    )


def smallest(x: Any) -> Any:
    return min(x, 0.2) + min(x, 1) * min([x, x * x, 3.0], key=lambda v: -v) + min(math.sin(x), x)


def in_order(x: Any) -> Any:
    names = sorted([(x, 1.0), (0.3, 2.0), (x * x, 3.0)], key=lambda pair: pair[0])
    middle = sorted([x, 0.3, x * x], reverse=True)[1]
    return (
        middle
        + sorted(v * x for v in (3, 1, 2))[1]
        + sorted(A * x, key=lambda v: -v)[0]
        + names[0][1] * names[2][0]
        + sorted([np.cos(x), np.sin(x)])[0]
        + heapq.nsmallest(1, [x, 2.0])[0]
        + statistics.median([x, 2.0, 3.0, 0.1])
        + statistics.quantiles([x, 2.0, 3.0, 0.1], n=4)[1]
    )


def integers(x: Any) -> Any:
    table = np.array([3.0, 5.0, 7.0, 9.0])
    n = int(3 * x)
    assert isinstance(n, int)
    return (
        n * x
        + math.floor(-3 * x) * x
        + math.ceil(3 * x) ** 2 * x
        + math.trunc(3 * np.sin(x)) * x
        + round(3 * x) * x
        + table[n] * x
        + int(np.array([2.5]).item() * x + n) * x
        + x ** (n % 2 + 1)
        + np.int64(3 * x) * np.uint8(5 * x) * x
        + np.bool_(x > 0.5) * x
        + float(np.longdouble(x) ** 2)
    )


def from_iterators(x: Any) -> Any:
    whole = np.fromiter((int(3 * x) + i for i in range(2)), int)
    pairs = np.fromiter(([x, 2 * x] for _ in range(2)), np.dtype((float, 2)))
    return (
        np.fromiter((x**i for i in range(3)), float).sum()
        + np.fromiter((x * i for i in itertools.count()), dtype=np.float64, count=4)[3]
        + np.fromiter((a * x for a in A), float, 3).prod()
        + np.fromiter([x, 1], "f8")[0]
        + np.fromiter(A * x, dtype=float)[1]
        + whole.sum() * x
        + pairs[1, 1] * x
        + np.fromiter(range(3), float).sum() * x
    )


@pytest.mark.parametrize("f", [largest, smallest, in_order, integers, from_iterators])
def test_every_route_gives_the_plain_value_and_its_derivative(f: Any) -> None:
    every_route_agrees(f, 0.7)


def test_a_batch_takes_for_each_value_what_python_takes() -> None:
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.standard_normal((6, 3)), [[1.0, 1.0, 0.0], [0.5, 0.5, 0.5]]])
    for f in (
        lambda a, b, c: max(a, b, c),
        lambda a, b, c: min([a, b, c]),
        lambda a, b, c: sorted([a, b, c], reverse=True),
        lambda a, b, c: sorted([(a, 1.0), (b, 2.0), (c, 3.0)], key=lambda p: p[0])[1][1],
        lambda a, b, c: max([(a, 1.0), (b, 2.0), (c, 3.0)], key=lambda p: p[0])[1],
        lambda a, b, c: int(3 * a) + 10 * round(b) + 100 * math.floor(c),
    ):
        wanted = [np.asarray(f(*row)) for row in rows.tolist()]
        found = wg.vmap(lambda row, f=f: np.asarray(f(*row)))(rows)
        assert found.dtype == wanted[0].dtype
        assert found.tolist() == np.stack(wanted).tolist()


def test_known_values_are_compared_by_python_itself() -> None:
    """Of equal values the first is the largest, and has the derivative."""
    assert wg.grad(max, argnums=(0, 1))(1.0, 1.0) == (1.0, 0.0)
    assert wg.grad(lambda x, y: sorted([x, y])[0], argnums=(0, 1))(1.0, 1.0) == (1.0, 0.0)
    compiled = wg.jit(lambda x: max(x, 1.0) * 2)
    assert [compiled(x) for x in (0.5, 2.0, 0.7)] == [2.0, 4.0, 2.0]
    assert len(compiled.paths()) == 2


def test_what_has_no_order_and_no_integer_is_an_error_as_before() -> None:
    def named(x: Any) -> Any:
        return max(("a", x), ("b", x))[1]

    with pytest.raises(AbstractValueError, match="truth"):
        wg.vmap(lambda x: max([x, x], [x, 1.0])[0])(A)
    assert wg.vmap(named)(A).tolist() == A.tolist()
    with pytest.raises(AbstractValueError, match=r"wg\.fori_loop"):
        wg.vmap(lambda x: sum(range(int(x))) * x)(A)
    for call, kind in (
        (lambda x: max(x), TypeError),
        (lambda x: max([x], default=0, key=1), TypeError),
        (lambda x: sorted([x, "a"]), TypeError),
        (lambda x: int(np.stack([x, x])), TypeError),
        (lambda x: int(x, 2), TypeError),
    ):
        with pytest.raises(kind):
            wg.vmap(call)(A)
    with pytest.raises(ValueError, match="iterator too short"):
        wg.grad(lambda x: np.fromiter((x for _ in range(2)), float, 3)[0])(1.0)
    with pytest.raises(ValueError, match="array element with a sequence"):
        wg.grad(lambda x: np.fromiter(([x, x] for _ in range(2)), float)[0])(1.0)


def test_iterators_of_plain_numbers_are_read_once() -> None:
    def read(x: Any) -> Any:
        numbers = iter([3, 1, 2])
        assert max(itertools.islice(numbers, 2)) == 3
        assert np.fromiter(numbers, int).tolist() == [2]
        assert list(numbers) == []
        return x

    assert wg.grad(read)(1.0) == 1.0
    numbers = iter(range(10))
    assert np.fromiter(numbers, int, count=3).tolist() == [0, 1, 2]
    assert next(numbers) == 3
