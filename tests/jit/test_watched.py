"""How variables outside are seen to be the same by the short way, and that all changes are."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from jitted_calls import same

import wengert as wg
from support import transform
from wengert.jit import watched

X = np.array([0.5, -1.5, 2.0])


class Part:
    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.weights = np.ones(3)


class Model:
    """A model with parts of many kinds."""

    def __init__(self) -> None:
        self.scale = 2.0
        self.weights = np.ones(3)
        self.empty = np.ones((3, 1))[1:1]
        self.column = np.ones((3, 3))[:1, :1]
        self.table = np.array([1.0, None, "name", 3], dtype=object)
        self.layers = [np.ones(3), {"bias": 0.5, "part": Part(2.0)}]
        self.part = Part(3.0)
        self.part.owner = self  # type: ignore[attr-defined]
        self.name: str | None = None

    def loss(self, x: Any) -> Any:
        bias = getattr(self, "bias", 0.0)
        inner = self.layers[1]["part"].scale * self.part.scale * self.part.weights  # type: ignore[call-overload]
        outer = self.scale * self.weights * self.layers[0] * inner * self.table[0]
        return np.sum(outer * x * x) + np.sum(bias * x) + len(self.name or "") * np.sum(x)

    __call__ = loss


def scaled(model: Any, x: Any, *, power: Any) -> Any:
    return model.loss(x) * power[0]


MAKE: dict[str, Callable[[Model], Callable[..., Any]]] = {
    "a method": lambda model: wg.jit(model.loss, wait=True),
    "a differentiated method": lambda model: wg.jit(wg.grad(model.loss), wait=True),
    "an object": lambda model: wg.jit(wg.value_and_grad(model), wait=True),
    "a closure": lambda model: wg.jit(wg.grad(lambda x: model.loss(x)), wait=True),
    "a partial": lambda model: wg.jit(
        wg.grad(functools.partial(scaled, model, power=[2.0])), wait=True
    ),
    "a partial of a method": lambda model: wg.jit(
        wg.grad(functools.partial(model.loss)), wait=True
    ),
}


CHANGES: dict[str, Callable[[Model], Any]] = {
    "a number": lambda model: setattr(model, "scale", 3.0),
    "an element": lambda model: model.weights.__setitem__(1, 5.0),
    "another array": lambda model: setattr(model, "weights", np.full(3, 4.0)),
    "another dtype": lambda model: setattr(model, "weights", np.full(3, 4.0, np.float32)),
    "an object in an array": lambda model: model.table.__setitem__(0, 7.0),
    "an array in a list": lambda model: model.layers[0].__setitem__(0, 7.0),  # type: ignore[index]
    "an object in a dict in a list": lambda model: setattr(model.layers[1]["part"], "scale", 5.0),  # type: ignore[index,call-overload]
    "an attribute of an attribute": lambda model: setattr(model.part, "scale", 4.0),
    "another object": lambda model: setattr(model, "part", Part(5.0)),
    "a new attribute": lambda model: setattr(model, "bias", 1.5),
    "a text": lambda model: setattr(model, "name", "abc"),
    "all attributes": lambda model: setattr(model, "__dict__", {**vars(model), "scale": 9.0}),
    "the attributes of an attribute": lambda model: setattr(
        model.part, "__dict__", {**vars(model.part), "scale": 9.0}
    ),
    "a function in the place of the method": lambda model: setattr(
        model, "loss", lambda x: np.sum(x)
    ),
}


CASES = [(make, "an element") for make in MAKE] + [("a method", change) for change in CHANGES]


@pytest.mark.parametrize(("make", "change"), CASES)
def test_a_change_of_an_object_is_seen(make: str, change: str) -> None:
    model = Model()
    jitted = MAKE[make](model)
    for _ in range(3):
        same(jitted(X), jitted.function(X))  # type: ignore[attr-defined]
    CHANGES[change](model)
    for _ in range(3):
        same(jitted(X), jitted.function(X))  # type: ignore[attr-defined]


@pytest.mark.parametrize("make", MAKE)
def test_native_code_looks_into_objects(make: str, monkeypatch: pytest.MonkeyPatch) -> None:
    jitted = MAKE[make](Model())
    for _ in range(3):
        jitted(X)
    assert jitted._fast != jitted._general  # type: ignore[attr-defined]
    monkeypatch.setattr(watched, "outer", lambda value: pytest.fail("looked at in Python"))
    monkeypatch.setattr(type(jitted), "_general", lambda *args: pytest.fail("not the short way"))
    jitted(X)


class Slotted:
    __slots__ = ("scale",)


def test_what_native_code_cannot_look_into_is_looked_at_in_python() -> None:
    model = Model()
    model.slotted = Slotted()  # type: ignore[attr-defined]
    model.slotted.scale = 1.0  # type: ignore[attr-defined]
    model.large = np.ones(10_000)  # type: ignore[attr-defined]
    model.objects = np.array([[1.0], None], dtype=object)  # type: ignore[attr-defined]

    def f(x: Any) -> Any:
        first = model.objects[0][0]  # type: ignore[attr-defined]
        return x * model.slotted.scale * np.sum(model.large) * first * model.scale  # type: ignore[attr-defined]

    jitted = wg.jit(f, wait=True)
    for change in (
        lambda: setattr(model.slotted, "scale", 2.0),  # type: ignore[attr-defined]
        lambda: model.large.__setitem__(5000, 3.0),  # type: ignore[attr-defined]
        lambda: model.objects[0].__setitem__(0, 4.0),  # type: ignore[attr-defined]
        lambda: setattr(model, "scale", 5.0),
    ):
        for _ in range(3):
            same(jitted(X), f(X))
        change()
        same(jitted(X), f(X))


def test_an_object_of_very_many_parts_is_looked_at_in_python() -> None:
    part = types.SimpleNamespace(scales=[float(n) for n in range(9000)])

    def f(x: Any) -> Any:
        return x * part.scales[8999]

    jitted = wg.jit(f, wait=True)
    for _ in range(3):
        same(jitted(X), f(X))
    assert jitted._fast != jitted._general
    part.scales[8999] = 3.0
    same(jitted(X), f(X))


def test_a_function_of_what_cannot_be_compared_is_soon_run_as_it_is() -> None:
    boxes = np.array([[n] for n in range(3)] + [iter([])], dtype=object)
    jitted = wg.jit(lambda x: x * boxes[1][0], wait=True)
    with pytest.warns(wg.errors.JitWarning, match="could not notice a change"):
        jitted(X)
    for _ in range(4):
        same(jitted(X), X)
    assert "run as it is" in repr(jitted)


def test_a_variable_of_too_many_parts_is_called_that() -> None:
    many = [[n] for n in range(9000)]
    with pytest.warns(wg.errors.JitWarning, match="more than 8000 parts"):
        same(wg.jit(lambda x: x * many[1][0])(X), X)


def test_many_parts_are_looked_at_by_native_code_or_not_at_all() -> None:
    many = [np.array([n, None], dtype=object) for n in range(3000)]
    jitted = wg.jit(lambda x: x * many[2][0], wait=True)
    same(jitted(X), X * 2)
    assert jitted._fast != jitted._general
    many[2][0] = 3
    same(jitted(X), X * 3)
    many[3][1] = [0]
    with pytest.warns(wg.errors.JitWarning, match="more than 2000 parts"):
        same(jitted(X), X * 3)
    many[2][0] = 4
    same(jitted(X), X * 4)


def test_effects_on_very_many_parts_are_made_once() -> None:
    counts = [[0] for _ in range(5000)]

    def f(x: Any) -> Any:
        for count in counts:
            count[0] += 1
        return transform(x).real * counts[-1][0]

    jitted = wg.jit(f)
    for n in (1, 2):
        same(jitted(X), transform(X).real * n)
        assert {count[0] for count in counts} == {n}
