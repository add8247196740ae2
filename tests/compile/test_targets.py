"""Results are computed where they belong: in parts of others, transposed, reshaped, in place.

The numbers are small integers in float64, so compiled code has to give what the evaluator gives,
to the last bit, wherever it put what lies between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from agreement import named, written
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from support import number_of_examples
from wengert.compile import build
from wengert.compile.native import lowered
from wengert.compile.nests import Access, Order, best
from wengert.compile.views import Layout, base, row_major
from wengert.evaluate import evaluate


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_CACHE", "0")


def integers(*shape: int) -> Any:
    return np.random.default_rng(shape).integers(-4, 5, shape).astype(np.float64)


A, B = integers(30, 40), integers(30, 40)
SQUARE, LONG, THIN = integers(40, 40), integers(700, 9), integers(700, 0)
STACK = integers(4, 30, 40)


def agree(f: Callable[..., Any], *args: Any) -> None:
    program = wg.trace(f)(*args)
    found, expected = build(program).run(args), evaluate(program, args)
    for value, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(value, wanted, strict=True)


def workspace(f: Callable[..., Any], *args: Any) -> int:
    """Bytes of memory that the code takes beside that of its arguments and results."""
    return lowered(wg.trace(f)(*args))[0].arena.size


def sums(a: Any, b: Any) -> Any:
    """What a kernel adds up, and no library."""
    return np.sum(a[:, :, None] * b[:, None, :], axis=0)


# -- nothing but the result ------------------------------------------------------------------------

DIRECT: dict[str, Callable[[Any, Any], Any]] = {
    "joined along the first axis": lambda a, b: np.concatenate([a @ a.T, b @ a.T]),
    "joined along the last axis": lambda a, b: np.concatenate([a @ a.T, b @ a.T, 2 * a], axis=1),
    "joined both ways": lambda a, b: np.block([[a @ a.T, a], [b @ a.T, b + 1]]),
    "joined and transposed": lambda a, b: np.concatenate([a @ a.T, b @ b.T], axis=1).T,
    "joined, transposed and reshaped": lambda a, b: np.moveaxis(
        np.stack([sums(a, b), sums(b, a)]), 0, -1
    ).reshape(-1, 2),
    "a transposed product": lambda a, b: (a @ b.T).T,
    "a reshaped product": lambda a, b: (a @ b.T).reshape(3, 10, -1),
    "sums with an axis turned round": lambda a, b: sums(a, b)[::-1],
    "a product with a new axis": lambda a, b: (a @ b.T)[:, None, :],
    "transposed sums": lambda a, b: sums(a, b).T,
    "parts that are views": lambda a, b: np.concatenate([(a.T @ b).T, sums(b, a)[::-1]], axis=1),
    "written in place": lambda a, b: written(a @ b.T, (0, 1.0), (slice(4, 6), 2.0)),
    "written in place and joined": lambda a, b: np.concatenate(
        [written(a @ b.T, (0, 1.0)), written(np.zeros((30, 9), like=a), (2, 7.0))], axis=1
    ),
    "running sums side by side": lambda a, b: np.concatenate(
        [np.cumsum(a, 1), np.cumsum(b, 1)], axis=1
    ),
}


@named(DIRECT)
def test_what_is_wanted_in_a_place_is_computed_there(case: Any) -> None:
    agree(case, A, B)
    assert workspace(case, A, B) == 0


def test_jacobians() -> None:
    def f(x: Any) -> Any:
        return (np.arange(900.0).reshape(30, 30) @ (x[:, None] * x)).ravel()

    agree(wg.jacrev(f), integers(30))
    agree(wg.jacfwd(f), integers(30))


# -- what must not share ---------------------------------------------------------------------------

SHARED: dict[str, Callable[[Any, Any], Any]] = {
    "the same value twice": lambda a, b: np.concatenate([a @ a.T] * 2, axis=1),
    "twice in a row": lambda a, b: np.concatenate([np.stack([a @ b.T] * 3), np.ones((1, 30, 30))]),
    "an argument as a part": lambda a, b: np.concatenate([a, b, a], axis=1),
    "an argument as a result": lambda a, b: (a, np.concatenate([a, b]), a),
    "an argument, transposed": lambda a, b: (a.T, a.T, np.concatenate([a.T, b.T])),
    "a part as a result": lambda a, b: (p := a @ b.T, np.concatenate([p, a], axis=1)),
    "a part and its transpose": lambda a, b: (
        np.concatenate([p := a @ b.T, p.T], axis=1),
        p[0],
    ),
    "a part that is read again": lambda a, b: (
        np.concatenate([p := a @ b.T, b @ a.T], axis=1),
        p @ p,
    ),
    "a part of two": lambda a, b: (
        np.concatenate([p := a @ b.T, a], axis=1),
        np.concatenate([b, p], axis=1),
    ),
    "a part that is written to afterwards": lambda a, b: (
        np.concatenate([p := a @ b.T, a], axis=1),
        written(p, (0, 5.0), (slice(None, None, 2), p[1])),
    ),
    "a whole that is written to afterwards": lambda a, b: (
        c := np.concatenate([a @ b.T, b @ a.T], axis=1),
        written(c, ((slice(None), 1), 5.0)),
    ),
    "written with what it was": lambda a, b: written(
        p := a @ b.T, (slice(1, None), p[:-1]), ((slice(None), 0), p[0])
    ),
    "shifted in itself": lambda a, b: 2 * written(p := a @ b.T, (slice(1, None), p[:-1])),
    "a result twice": lambda a, b: (p := (a @ b.T).T, p, p.T),
    "a result and its base": lambda a, b: (p := a @ b.T, p.T, p.T.reshape(-1)),
    "a result that is read": lambda a, b: (p := (a @ b.T).T, p @ p, np.sum(p, axis=0)),
    "reshaped beyond its strides": lambda a, b: (a @ b.T).T.reshape(-1).reshape(9, 100).T,
    "a slice of a whole": lambda a, b: np.concatenate([a @ b.T, a], axis=1)[3:20, 25:35],
    "a slice of it turned round": lambda a, b: np.stack([a @ b.T, b @ a.T], -1)[::-2, 5:, ::-1],
    "converted on the way": lambda a, b: np.concatenate(
        [a @ b.T, (b > 0), np.argmax(a, axis=1)[:, None]], axis=1
    ),
    "stacked along a short axis": lambda a, b: np.stack([a @ b.T, b @ a.T], axis=-1),
    "padded": lambda a, b: np.pad((a @ b.T).T, ((1, 2), (0, 3))),
    "places of the greatest": lambda a, b: np.stack([np.argmax(a, 1), np.argmin(b, 1)], axis=-1),
    "sorted parts": lambda a, b: np.concatenate([np.sort(a, 1), np.sort(b, 0)], axis=1).T,
    "complex parts": lambda a, b: np.concatenate([a + 1j * b, a @ b.T @ b + 0j], axis=1).T,
}


@named(SHARED)
def test_what_is_read_again_is_still_there(case: Any) -> None:
    agree(case, A, B)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)])
def test_joins_along_each_axis_in_each_order(axis: int, order: tuple[int, ...]) -> None:
    def f(x: Any, y: Any) -> Any:
        parts = [np.cumsum(x, axis), x * y, np.sum(x, axis, keepdims=True), y @ SQUARE]
        return np.concatenate(parts, axis).transpose(order)

    agree(f, STACK, STACK[::-1].copy())
    agree(lambda x, y: f(x, y).reshape(-1, 2), STACK, STACK[::-1].copy())


EMPTY: dict[str, Callable[[Any, Any], Any]] = {
    "an empty part": lambda x, e: np.concatenate([x * 2, e + 1, np.cumsum(x, 1)], axis=1),
    "empty parts only": lambda x, e: np.concatenate([e * 2, e @ e.T @ e], axis=1).T,
    "a product over nothing": lambda x, e: np.concatenate([e @ e.T, x], axis=1).T,
    "a slice of nothing": lambda x, e: np.concatenate([x[:, 3:3], x * 2, e], axis=1)[:, ::-1],
    "sums of nothing": lambda x, e: np.stack([np.sum(e, 1), np.sum(x, 1)], axis=-1),
    "an empty result": lambda x, e: np.concatenate([x.T[5:5], e.T * 2]).reshape(7, -1, 4),
}


@named(EMPTY)
def test_parts_of_no_elements(case: Any) -> None:
    agree(case, LONG, THIN)


CARRIED: dict[str, Callable[[Any, Any], Any]] = {
    "joined along the last axis": lambda c, x: np.concatenate([(c @ c.T)[:, :3], c[:, 3:]], axis=1),
    "transposed": lambda c, x: (c @ c.T).T,
    "turned round": lambda c, x: np.concatenate([c[:, 20:], c[:, :20]], axis=1)[::-1],
    "written in place": lambda c, x: written(c, ((slice(None), 1), c[0]), (2, x * c[:, 1])),
}


@named(CARRIED)
def test_carried_arrays(case: Any) -> None:
    def step(c: Any, x: Any) -> Any:
        c = np.remainder(case(c, x), 5.0)
        return c, np.stack([c[0], c[:, 0]], axis=-1).T

    agree(lambda c: wg.scan(step, c, np.arange(4.0)), SQUARE)


# -- random views and joins ------------------------------------------------------------------------

Step = tuple[int, int, int]


def one_step(values: list[Any], step: Step) -> Any:
    """A value made of those before."""
    kind, first, second = step
    x, y = values[first % len(values)], values[second % len(values)]
    axis = second % x.ndim
    match kind % 10:
        case 0:
            return np.moveaxis(x, first % x.ndim, axis)
        case 1:
            return x.reshape(x.shape[-1], -1)
        case 2:
            return np.concatenate([x, np.remainder(x, 3.0)], axis)
        case 3:
            return np.concatenate([x, y], axis) if x.shape == y.shape else np.stack([x, x], axis)
        case 4:
            index = [slice(None)] * x.ndim
            index[axis] = slice(None, None, -1) if first % 2 else slice(1, None)
            return x[tuple(index)]
        case 5:
            return np.remainder(np.cumsum(x, axis), 7.0) if first % 2 else np.cumsum(x, axis)
        case 6:
            z = x.copy()
            z[..., : 1 + second % 3] = 1.0
            return z
        case 7:
            z = np.zeros((2, *x.shape), like=x)
            z[first % 2] = x
            return z
        case 8:
            return np.remainder(x.reshape(x.shape[0], -1) @ x.reshape(x.shape[0], -1).T, 9.0)
        case _:
            return np.pad(x, ((0, 0),) * axis + ((1, 2),) + ((0, 0),) * (x.ndim - axis - 1))


def values_of(steps: Sequence[Step], x: Any) -> list[Any]:
    values = [x, np.remainder(x, 3.0)]
    for step in steps:
        value = one_step(values, step)
        if 0 < value.size <= 3000 and value.ndim <= 4:
            values.append(value)
    return values


@settings(max_examples=number_of_examples(40))
@given(
    st.lists(st.tuples(*[st.integers(0, 29)] * 3), min_size=1, max_size=8),
    st.sampled_from([(6, 7), (5, 1, 8), (40, 30), (2, 3, 4), (1, 50)]),
    st.integers(1, 4),
)
def test_random_views_and_joins(steps: list[Step], shape: tuple[int, ...], results: int) -> None:
    agree(lambda x: tuple(values_of(steps, x)[-results:]), integers(*shape))


# -- layouts and orders ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.transpose(2, 0, 1),
        lambda x: x.reshape(24),
        lambda x: x.reshape(2, 1, 12),
        lambda x: x[::-1, None, :, ::-1],
        lambda x: x[:, :, None],
    ],
)
def test_a_layout_is_that_of_what_the_view_shows(view: Callable[[Any], Any]) -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    (equation,) = wg.trace(view)(x).equations
    shape = equation.outputs[0].type.shape
    memory = np.zeros(24)
    layout = base(equation, Layout(shape, row_major(shape)))
    assert layout is not None
    strides = [8 * stride for stride in layout.strides]
    lying = np.lib.stride_tricks.as_strided(memory[layout.offset :], layout.shape, strides)
    lying[...] = x
    np.testing.assert_array_equal(memory.reshape(shape), view(x))


def test_a_view_of_a_part_has_no_layout() -> None:
    (equation,) = wg.trace(lambda x: x[1:])(np.ones(5)).equations
    assert base(equation, Layout((4,), (1,))) is None


def test_the_order_of_loops() -> None:
    rows, columns = Access((1000, 1), 10**6), Access((1, 1000), 10**6)
    assert best((1000, 1000), [rows, rows]) == Order((0, 1))
    assert best((1000, 1000), [columns, columns]) == Order((1, 0))
    assert best((1000, 1000), [rows, columns]).block > 0
    assert best((1000, 1000), [rows, columns]).axes == (0, 1)
    assert best((10, 10), [rows, columns]) == Order((0, 1))
    gathered = Access((1000, None), 10**6)
    assert best((1000, 1000), [gathered, rows]).axes == (0, 1)


@pytest.mark.parametrize("shape", [(600, 900), (1031, 521), (3, 700, 70), (700, 3, 530)])
def test_blocks_of_any_length_are_complete(shape: tuple[int, ...]) -> None:
    x = integers(*shape)
    agree(lambda x: 2 * x.T, x)
    agree(lambda x: np.stack([np.cumsum(x, 0), x], -1).T, x)


def test_a_transposed_result_is_divided_among_threads() -> None:
    x = integers(2100, 2003)
    agree(lambda x: np.sqrt(np.exp2(x)).T * 2.0, x)
