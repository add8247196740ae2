"""Arguments and results of every kind, and arguments that the function changes."""

from __future__ import annotations

import enum
import fractions
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from jitted_calls import agree, same

import wengert as wg
from support import transform

pytestmark = pytest.mark.filterwarnings("ignore::wengert.errors.JitWarning")

X = np.array([1.0, -2.0, 3.0])
A = np.arange(6.0).reshape(2, 3)


def add_in_place(x: Any) -> Any:
    x += 1
    return x * 2


def assign(x: Any) -> Any:
    x[0] = 5.0
    return x.sum()


def through_a_slice(x: Any) -> Any:
    y = x[1:]
    y *= 2
    return y + 1


def through_a_reshape(x: Any) -> Any:
    y = x.reshape(-1)
    y[0] = 7
    return y * 1


def through_a_transpose(x: Any) -> Any:
    y = x.T.reshape(-1)
    y[0] = 7
    return y * 1


def out(x: Any) -> Any:
    np.add(x, 1, out=x)
    return x


def in_order(x: Any) -> Any:
    x.sort()
    return x[0]


CHANGES = [add_in_place, assign, through_a_slice, through_a_reshape, through_a_transpose, out]


@pytest.mark.parametrize("f", [*CHANGES, in_order], ids=lambda f: f.__name__)
def test_changed_arguments_are_changed(f: Callable[..., Any]) -> None:
    frozen = X.copy()
    frozen.flags.writeable = False
    agree(f, (X,), (-X,), (A,), (A.T,), (np.asfortranarray(A),), (A[:, ::2],), (A.astype(">f8"),))
    with pytest.raises(ValueError, match="read-only"):
        wg.jit(f)(frozen)


def test_arguments_that_overlap() -> None:
    def f(x: Any, y: Any) -> Any:
        x[:] = y
        y += 1
        return x + y

    jitted, a, b = wg.jit(f, wait=True), np.arange(6.0), np.arange(6.0)
    for _ in range(3):
        same(jitted(a[1:], a[:-1]), f(b[1:], b[:-1]))
        same(a, b)
    agree(f, (X, X * 2), (np.arange(6.0)[::2], np.arange(3.0)))


def test_results_share_no_memory() -> None:
    def f(x: Any) -> Any:
        return x, x, x[1:], x.T, np.ones(2)

    jitted = wg.jit(f, wait=True)
    for _ in range(2):
        found = jitted(X)
        for i, one in enumerate(found):
            assert one.flags.writeable
            assert not np.shares_memory(one, X)
            assert not any(np.shares_memory(one, other) for other in found[:i])
    found[-1][:] = 0
    same(jitted(X)[-1], np.ones(2))


class Mode(enum.Enum):
    UP = 1
    DOWN = 2


EVERY: list[tuple[Callable[..., Any], list[tuple[Any, ...]]]] = [
    (np.exp, [(A.T,), (A[:, ::-1],), (A.astype(">f8"),)]),
    (lambda x: x + 1, [(np.frombuffer(bytes(25), np.uint8)[1:].view("f8"),)]),
    (lambda x: (np.sum(x), x * 2, x.shape), [(np.zeros((0, 3)),), (np.zeros((2, 0)),)]),
    (lambda x: (x * 2, x[()] + 1), [(np.array(2.0),)]),
    (lambda x: x, [(np.array(2.0),), (np.float32(1),), (2.0,), (3,), (None,), ("a",)]),
    (lambda x: (x // 2, x % 3, x.sum()), [(np.arange(5),), (np.arange(5, dtype=np.int8),)]),
    (lambda x: (~x, x & True, x.any()), [(np.array([True, False]),)]),
    (lambda x, s: x * 2 if s == "a" else x, [(X, "a"), (X, "b"), (X, None)]),
    (lambda x, e: x * 2 if e is Mode.UP else x, [(X, Mode.UP), (X, Mode.DOWN)]),
    (lambda x, q: x * float(q), [(X, fractions.Fraction(1, 2)), (X, fractions.Fraction(1, 3))]),
    (lambda d: {"b": d["a"] + 1, "a": d["b"]}, [({"a": X, "b": 2.0},)]),
    (lambda d: [d[0][0] * d[1], (d[0][1],)], [(((X, 3.0), 2.0),)]),
    (lambda d: d.update(q=1) or d["a"] * 2, [({"a": X},)]),
    (lambda items: items.append(1) or items[0] * 2, [([X],)]),
    (lambda x: (1, "a", None, 2.5, x[0], True), [(X,)]),
    (lambda x: sum(v * v for v in x), [(X,)]),
    (lambda x, i: x[i], [(X, 1), (X, -1), (X, np.int64(1)), (X, 7)]),
    (lambda x, i: x[:i].sum(), [(X, 1), (X, -1), (X, np.int64(1))]),
    (lambda x, n: x.reshape(n, -1), [(np.arange(6.0), 3), (np.arange(6.0), 2)]),
    (lambda x, n: x.sum(axis=n), [(A, 0), (A, 1)]),
    (lambda n, x: sum(x * i for i in range(n)), [(3, X), (4, X)]),
    (lambda n: np.zeros(n), [(3,), (4,)]),
    (lambda x: np.array([x[0], x[1]]) * 2, [(X,)]),
    (lambda x: np.asarray(x) * 2, [(X,)]),
    (lambda x: (isinstance(x, np.ndarray), isinstance(x[0], float)), [(X,)]),
    (lambda x: (x.flags.c_contiguous, hasattr(x, "flags")), [(X,)]),
    (lambda x: (str(x[0]), x[0].item(), x.tolist()), [(X,)]),
    (np.unique, [(X,)]),
    (np.fft.fft, [(X,)]),
    (transform, [(X,)]),
    (lambda x: (np.shares_memory(x, x[1:]), np.allclose(x, 1)), [(X,), (np.ones(3),)]),
    (lambda z: (z.real, z.imag, abs(z)), [(np.array([1 + 2j, 3]),)]),
    (lambda x: x * 2, [(np.ma.masked_array([1.0, 2.0], [0, 1]).filled(0.0),)]),
]


@pytest.mark.parametrize("case", range(len(EVERY)))
def test_the_result_is_that_of_the_function(case: int) -> None:
    f, calls = EVERY[case]
    agree(f, *calls)


def test_other_arrays_run_as_they_are() -> None:
    halves = np.array([fractions.Fraction(1, 2)], object)
    assert wg.jit(lambda x: x * 2)(halves)[0] == 1
    masked = np.ma.masked_array([1.0, 2.0], [0, 1])
    assert isinstance(wg.jit(lambda x: x * 2)(masked), np.ma.MaskedArray)


def test_static_arguments() -> None:
    def f(x: Any, n: int, mode: str) -> Any:
        return x**n if mode == "power" else x * n

    for jitted in (
        wg.jit(f, static_argnums=1, static_argnames="mode"),
        wg.jit(f, static_argnums=(-2, 2)),
        wg.jit(static_argnames=("n", "mode"))(f),
    ):
        for n in (1, 2):
            for mode in ("power", "times"):
                same(jitted(X, n, mode), f(X, n, mode))
                same(jitted(X, mode=mode, n=n), f(X, n, mode))
    with pytest.raises(wg.errors.DtypeError, match="cannot be hashed"):
        wg.jit(f, static_argnums=1)(X, [1], "times")


def test_static_arguments_that_are_no_parameters_are_refused() -> None:
    def f(x: Any, n: int, *, mode: str = "power") -> Any:
        return x**n if mode == "power" else x * n

    with pytest.raises(wg.errors.DtypeError, match=r"'q'.* parameters are x, n, mode"):
        wg.jit(f, static_argnames=("n", "q"))
    for place in (2, -3):
        with pytest.raises(wg.errors.ShapeError, match=f"argument {place},.* 2 by position"):
            wg.jit(f, static_argnums=place)


def test_static_arguments_of_a_function_that_takes_any() -> None:
    def f(*args: Any, **kwargs: Any) -> Any:
        return args[0] ** args[1] if kwargs["mode"] == "power" else args[0] * args[1]

    @functools.wraps(lambda x: x)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return f(*args, **kwargs)

    for each in (f, wrapper):
        jitted = wg.jit(each, static_argnums=1, static_argnames="mode")
        same(jitted(X, 2, mode="power"), X**2)


def test_an_array_of_objects_is_called_that() -> None:
    halves = np.array([fractions.Fraction(1, 2)], object)
    with pytest.warns(wg.errors.JitWarning, match="as an array of objects is neither"):
        wg.jit(lambda x: x * 2)(halves)


def test_an_array_of_objects_that_are_not_all_numbers_is_what_it_is_without_jit() -> None:
    mixed = wg.jit(lambda x: np.array([x, "a"], dtype=object), wait=True)
    with pytest.warns(wg.errors.JitWarning):
        assert list(mixed(2.0)) == [2.0, "a"]
    assert [list(mixed(2.0)), list(mixed(3.0))] == [[2.0, "a"], [3.0, "a"]]


# -- read-only arguments ---------------------------------------------------------------------------


def _catches(x):
    try:
        x[0] = 2.0
    except ValueError:
        return 3 * np.sum(x)
    return np.sum(x)


def _catches_in_a_view(x):
    tail = x[1:]
    try:
        tail[...] = 2.0
    except ValueError:
        return 3 * np.sum(x * x)
    return np.sum(x)


def _asks(x):
    return np.sum(x) * (2.0 if x.flags.writeable else 3.0)


def _along(f):
    return lambda x: wg.jvp(f, (x,), (np.ones_like(x),))


def _arguments(like):
    fixed = like.copy()
    fixed.flags.writeable = False
    return [like.copy(), fixed]


@pytest.mark.parametrize("f", [_catches, _catches_in_a_view, _asks])
@pytest.mark.parametrize("verb", [wg.value_and_grad, _along, lambda f: f])
@pytest.mark.parametrize("like", [np.ones(3), np.ones((2, 3)).T])
def test_arguments_are_as_read_only_as_the_callers(f, verb, like):
    derived, jitted = verb(f), wg.jit(verb(f), wait=True)
    inner = verb(wg.jit(f, wait=True))
    for _ in range(3):
        for mine, plain in zip(_arguments(like), _arguments(like), strict=True):
            wanted = derived(plain.copy() if plain.flags.writeable else plain)
            for function in (jitted, inner):
                given = mine.copy("K") if mine.flags.writeable else mine
                same(function(given), wanted)


@pytest.mark.parametrize("verb", [wg.grad, _along, wg.hessian])
def test_writes_to_read_only_arguments_are_refused(verb):
    def g(x):
        x[0] = 2.0
        return np.sum(x * x)

    jitted = wg.jit(verb(g), wait=True)
    writeable, fixed = _arguments(np.ones(3))
    for _ in range(2):
        jitted(writeable)
        with pytest.raises(ValueError, match="read-only"):
            jitted(fixed)


def test_a_function_of_objects_is_confirmed_with_read_only_arguments():
    def g(x):
        weights = np.array([x[0], x[1]])
        return np.sum(weights) * (1.0 if x.flags.writeable else 5.0)

    jitted = wg.jit(g)
    for x in _arguments(np.array([1.0, 2.0])):
        assert wg.grad(jitted)(x).tolist() == wg.grad(g)(x).tolist()
