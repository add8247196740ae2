"""Views of an array follow when it is given traced values, wherever they are kept."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.trace import views

X = 2.0


def element(y: Any, x: Any) -> None:
    y[0] = x


def slices(y: Any, x: Any) -> None:
    y[:] = x


def sums(y: Any, x: Any) -> None:
    y += x


def flat(y: Any, x: Any) -> None:
    y.flat[0] = x


def part(y: Any, x: Any) -> None:
    y[1:][0] = x


def reversed_part(y: Any, x: Any) -> None:
    y[::-1][...] = x


def two_elements(y: Any, x: Any) -> None:
    y[0], y[1] = x, x


WRITTEN: dict[str, Callable[[Any, Any], Any]] = {
    "an element": element,
    "a slice": slices,
    "+=": sums,
    "flat": flat,
    "a part": part,
    "a reversed part": reversed_part,
    "two elements": two_elements,
    "out": lambda y, x: np.multiply(x, np.ones(3), out=y),
    "out by position": lambda y, x: np.multiply(x, np.ones(3), y),
    "fill": lambda y, x: y.fill(x),
    "put": lambda y, x: y.put([0, 1], x),
    "copyto": lambda y, x: np.copyto(y, x * np.ones(3)),
    "add.at": lambda y, x: np.add.at(y, [0], x),
    "place": lambda y, x: np.place(y, [True] * 3, [x]),
    "sum": lambda y, x: np.sum(x * np.ones((2, 3)), axis=0, out=y),
    "dot": lambda y, x: np.dot(x * np.eye(3), np.ones(3), out=y),
}


class Holder:
    """An object with attributes."""


class Slotted:
    """An object with slots."""

    __slots__ = ("view",)


Named = namedtuple("Named", "view")


def in_a_variable(y: Any, write: Callable[[Any], Any]) -> Any:
    v = y[:2]
    write(y)
    return v


def in_two_variables(y: Any, write: Callable[[Any], Any]) -> Any:
    v, w = y[:2], y[1:]
    write(y)
    return np.concatenate([v, w])


def in_a_list(y: Any, write: Callable[[Any], Any]) -> Any:
    kept = [y[i : i + 1] for i in range(3)]
    write(y)
    return np.concatenate(kept)


def in_a_dictionary(y: Any, write: Callable[[Any], Any]) -> Any:
    kept = {"view": [(y[:2],)]}
    write(y)
    return kept["view"][0][0]


def in_a_named_tuple(y: Any, write: Callable[[Any], Any]) -> Any:
    kept = Named(y[:2])
    write(y)
    return kept.view


def in_an_attribute(y: Any, write: Callable[[Any], Any]) -> Any:
    kept = Holder()
    kept.view = y[:2]  # type: ignore[attr-defined]
    write(y)
    return kept.view  # type: ignore[attr-defined]


def in_a_slot(y: Any, write: Callable[[Any], Any]) -> Any:
    kept = Slotted()
    kept.view = y[:2]  # type: ignore[misc]
    write(y)
    return kept.view


def in_an_array_of_objects(y: Any, write: Callable[[Any], Any]) -> Any:
    kept = np.empty(1, object)
    kept[0] = y[:2]
    write(y)
    return kept[0]


def in_a_closure(y: Any, write: Callable[[Any], Any]) -> Any:
    def over(v: Any) -> Callable[[], Any]:
        return lambda: v

    kept = over(y[:2])
    write(y)
    return kept()


def in_a_default(y: Any, write: Callable[[Any], Any]) -> Any:
    kept = lambda v=y[:2]: v  # noqa: E731
    write(y)
    return kept()


def in_a_partial_call(y: Any, write: Callable[[Any], Any]) -> Any:
    kept = partial(np.sum, y[:2])
    write(y)
    return kept()


def in_a_generator(y: Any, write: Callable[[Any], Any]) -> Any:
    def over(v: Any) -> Iterator[Any]:
        yield None
        yield v

    kept = over(y[:2])
    next(kept)
    write(y)
    return next(kept)


def in_a_generator_that_shares_the_array(y: Any, write: Callable[[Any], Any]) -> Any:
    def generator() -> Iterator[Any]:
        v = y[:2]
        yield
        yield v

    def others() -> Any:
        return y

    steps = generator()
    next(steps)
    write(others())
    return next(steps)


def of_a_view(y: Any, write: Callable[[Any], Any]) -> Any:
    v = y[:]
    w = v[1:]
    write(v)
    return np.concatenate([y, w])


HELD = {
    f.__name__: f
    for f in (
        *(in_a_variable, in_two_variables, in_a_list, in_a_dictionary, in_a_named_tuple),
        *(in_an_attribute, in_a_slot, in_an_array_of_objects, in_a_closure, in_a_default),
        *(in_a_partial_call, in_a_generator, of_a_view),
        in_a_generator_that_shares_the_array,
    )
}


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("written", WRITTEN)
def test_views_follow(written: str, held: str) -> None:
    def f(x: Any) -> Any:
        y = np.zeros(3)
        kept = HELD[held](y, lambda target: WRITTEN[written](target, x))
        return np.sum(y) + 10.0 * np.sum(kept)

    value, slope = wg.value_and_grad(f)(X)
    assert value == f(X)
    assert slope == (f(X + 1.0) - f(X))


def test_an_array_of_which_every_view_is_a_variable_is_not_looked_for_in_objects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[Any] = []
    items = views._items
    monkeypatch.setattr(views, "_items", lambda value: (looked.append(value), items(value))[1])

    def f(x: Any) -> Any:
        y, z = np.zeros(3), np.zeros(2)
        v, w = y[1:], z[:1]
        y[2] = x
        z[0] = x
        return v[1] * np.sum(y) + w[0]

    assert wg.grad(f)(X) == 5.0
    assert looked == []


def test_what_is_looked_into_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "MANY", 100)
    looked: list[Any] = []
    inside = views._inside
    monkeypatch.setattr(
        views, "_inside", lambda value, *others: (looked.append(value), inside(value, *others))[1]
    )
    many = [[i] for i in range(10_000)]

    def f(x: Any) -> Any:
        y = np.zeros(3)
        iterator = iter([y[:1]])  # where nobody looks
        y[0] = x
        return y[0] * len(many) + 0.0 * len(list(iterator))

    assert wg.grad(f)(X) == len(many)
    assert len(looked) < 2_000
