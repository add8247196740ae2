"""What a jitted function reads and changes outside of itself."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from jitted_calls import same

import wengert as wg

pytestmark = pytest.mark.filterwarnings("ignore::wengert.errors.JitWarning")

X = np.array([1.0, -2.0, 3.0])
SCALE = 1.0
WEIGHTS = np.ones(3)
RNG = np.random.default_rng(0)


@wg.jit
def scaled(x: Any) -> Any:
    return x * SCALE


@wg.jit
def weighted(x: Any) -> Any:
    return x @ WEIGHTS


def test_globals_are_read_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    for scale in (1.0, 2.0, 3.0, 1.0):
        monkeypatch.setitem(globals(), "SCALE", scale)
        for _ in range(3):
            same(scaled(X), X * scale)


def test_arrays_outside_may_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "WEIGHTS", np.ones(3))
    weighted.waits = True
    for step in range(4):
        for _ in range(3):
            same(weighted(X), X @ WEIGHTS)
        WEIGHTS[step % 3] += 1
    monkeypatch.setitem(globals(), "WEIGHTS", np.zeros(3))
    same(weighted(X), np.float64(0.0))


def test_closures_are_read_at_each_call() -> None:
    table = {"w": np.ones(3)}
    bias = 1.0
    f = wg.jit(lambda x: x * table["w"] + bias, wait=True)
    for bias in (1.0, 2.0):
        for _ in range(3):
            same(f(X), X * table["w"] + bias)
            table["w"] = table["w"] * 2


class Model:
    def __init__(self) -> None:
        self.slope = 2.0
        self.weights = np.ones(3)
        self.calls = 0

    @wg.jit
    def predict(self, x: Any) -> Any:
        return x * self.slope + self.weights

    @wg.jit
    def count(self, x: Any) -> Any:
        self.calls += 1
        return x * self.calls

    def __call__(self, x: Any) -> Any:
        return x * self.slope


def test_methods_see_the_attributes() -> None:
    model = Model()
    for _ in range(3):
        same(model.predict(X), X * model.slope + model.weights)
        model.slope += 1
        model.weights[0] += 1
    called, bound = wg.jit(model), wg.jit(model.__call__)
    for _ in range(3):
        same(called(X), X * model.slope)
        same(bound(X), X * model.slope)
        model.slope += 1


def test_changes_of_objects_happen_once_in_each_call() -> None:
    model = Model()
    for times in (1, 2, 3, 4):
        same(model.count(X), X * times)
        assert model.calls == times


@pytest.mark.parametrize("draw", [np.random.rand, random.random, lambda: RNG.random()])
def test_random_numbers_are_drawn_anew(draw: Any) -> None:
    f = wg.jit(lambda x: x + draw(), wait=True)
    assert len({float(f(1.0)) for _ in range(5)}) == 5


def test_a_generator_as_an_argument() -> None:
    f = wg.jit(lambda x, rng: x + rng.random())
    assert f(1.0, RNG) != f(1.0, RNG)
