"""Native code as an object: how long it lives, and what it lends to Python."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.compile import Native, build, machine


def keeping(kept: list[Any]) -> Any:
    """A function with a rule of its own, which keeps the arrays that it is given."""

    @wg.custom_jvp
    def keeps(x: Any) -> Any:
        kept.append(x)
        return np.sin(x)

    @keeps.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        return keeps(*primals), tangents[0] * np.cos(primals[0])

    return keeps


def with_callout(kept: list[Any], x: Any) -> Native:
    f = keeping(kept)
    native = build(wg.trace(lambda x: np.cumsum(f(2 * x)) + f(x))(x))
    assert native.callouts == 2
    kept.clear()
    return native


@pytest.mark.parametrize("size", [3, 200_000])
def test_what_a_function_of_the_users_is_given_may_be_kept(size: int) -> None:
    kept: list[Any] = []
    native = with_callout(kept, np.ones(size))
    x = np.linspace(1, 2, size)
    (found,) = native.run([x])
    np.testing.assert_allclose(found, np.cumsum(np.sin(2 * x)) + np.sin(x))
    del native
    gc.collect()
    by_size = sorted(kept, key=lambda array: array[0])
    np.testing.assert_array_equal(by_size, [x, 2 * x])


def test_a_function_of_the_users_that_writes_into_what_it_is_given_is_refused() -> None:
    writes = [False]

    @wg.custom_jvp
    def halved(x: Any) -> Any:
        if writes[0]:
            x /= 2
        return x + 0

    halved.defjvp(lambda primals, tangents: (halved(*primals), tangents[0] / 2))
    native = build(wg.trace(lambda x: (halved(x), x + 1))(np.arange(4.0)))
    writes[0] = True
    x = np.arange(4.0)
    with pytest.raises(wg.errors.UnsupportedError, match="wrote into its argument"):
        native.run([x])
    np.testing.assert_array_equal(x, np.arange(4.0))


def test_texts_are_not_compiled() -> None:
    with pytest.raises(wg.errors.CompileError, match="not compiled"):
        build(wg.trace(lambda x: np.stack([x, np.array("a")]))(2.0))


def test_without_callouts_code_ends_with_the_last_reference() -> None:
    gc.disable()
    try:
        native = build(wg.trace(lambda x: np.sin(x) * 2)(np.ones(3)))
        native.run([np.ones(3)])
        gone, number = weakref.ref(native), int(native._library._keeps[0])
        assert number in machine._linked
        del native
        assert gone() is None
        assert number not in machine._linked
    finally:
        gc.enable()


def test_with_callouts_code_ends_with_the_next_collection() -> None:
    gone = weakref.ref(with_callout([], np.ones(3)))
    gc.collect()
    assert gone() is None


def test_a_finaliser_may_call_a_compiled_function_that_ends_with_it() -> None:
    x = np.linspace(0, 1, 3000)
    f = wg.jit(lambda x: np.cumsum(np.exp(x)), wait=True)
    wanted = f(x)
    found: list[Any] = []

    class User:
        def __init__(self, f: Any) -> None:
            self.f, self.itself = f, self

        def __del__(self) -> None:
            found.append(self.f(x))

    for _ in range(3):
        f(x)
    User(f)
    del f
    gc.collect()
    np.testing.assert_allclose(found, [wanted], rtol=1e-12)


def test_code_ends_while_another_thread_compiles() -> None:
    found: list[bool] = []
    for number in range(3):
        f = wg.jit(lambda x, n=number: np.sum(np.exp(x) * n) + np.cumsum(x)[-1])
        g = wg.jit(lambda x, n=number: np.sort(x) * n, wait=True)
        x = np.linspace(0, 1, 3000)
        f(x)
        found.append(bool(np.array_equal(g(x), np.sort(x) * number)))
        del f, g
        gc.collect()
    assert all(found)
