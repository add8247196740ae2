"""Gradient descent as ``particle`` and ``saddle`` prescribe it, of functions of a few numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import wengert as wg

__all__ = ["gradient", "greatest", "least"]

Numbers = tuple[Any, ...]

SMALL = 1e-5
PATIENCE = 10


class State(NamedTuple):
    """Where the descent is, and the step size, which doubles after ten successes in a row."""

    x: Numbers
    value: Any
    slope: Numbers
    size: Any
    successes: Any


def gradient(f: Callable[..., Any], mode: str) -> Callable[..., Numbers]:
    """The gradient of a function of numbers, by forward (``"f"``) or reverse mode (``"r"``)."""

    def forward(*x: Any) -> Numbers:
        ones = [tuple(float(i == j) for j in range(len(x))) for i in range(len(x))]
        return tuple(wg.jvp(f, x, one)[1] for one in ones)

    def reverse(*x: Any) -> Numbers:
        return wg.grad(f, argnums=tuple(range(len(x))))(*x)

    return forward if mode == "f" else reverse


def _length(x: Numbers) -> Any:
    return np.sqrt(sum(element * element for element in x))


def least(f: Callable[..., Any], start: Numbers, mode: str) -> Numbers:
    """Where gradient descent from ``start`` ends: the gradient or the next step is small."""
    slope = gradient(f, mode)

    def going(state: State) -> Any:
        step = state.size * _length(state.slope)
        doubling = state.successes == PATIENCE
        return (_length(state.slope) > SMALL) & (doubling | (step > SMALL))

    def faster(state: State) -> State:
        return state._replace(size=state.size * 2, successes=0)

    def slower(state: State) -> State:
        return state._replace(size=state.size / 2, successes=0)

    def attempt(state: State) -> State:
        x = tuple(a - state.size * b for a, b in zip(state.x, state.slope, strict=True))
        value = f(*x)

        def lower(state: State) -> State:
            return State(x, value, slope(*x), state.size, state.successes + 1)

        return wg.cond(value < state.value, lower, slower, state)

    def step(state: State) -> State:
        return wg.cond(state.successes == PATIENCE, faster, attempt, state)

    first = State(start, f(*start), slope(*start), 1e-5, 0)
    return wg.while_loop(going, step, first).x


def greatest(f: Callable[..., Any], start: Numbers, mode: str) -> Numbers:
    """Where gradient ascent from ``start`` ends."""
    return least(lambda *x: -f(*x), start, mode)
