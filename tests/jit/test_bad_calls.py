"""Calls that do not fit what was compiled: the answer, or the error, of the function itself."""

from __future__ import annotations

import copy
import ctypes
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from jitted_calls import same

import wengert as wg
from support import number_of_examples

pytestmark = pytest.mark.filterwarnings(
    "ignore::wengert.errors.JitWarning", "ignore::RuntimeWarning"
)


def combined(x: Any, y: Any = 2.0) -> Any:
    return x * y + 1, np.sum(x)


def matrices(x: Any, y: Any = None) -> Any:
    return x @ (x if y is None else y)


def in_place(x: Any, y: Any = 1) -> Any:
    x[...] = x + 1
    x *= y
    return x.sum(), x.reshape(-1)


def branching(x: Any, y: Any = 0.5) -> Any:
    return x[x > y] if x.size and x.max() > 1 else x[:1] * y


FUNCTIONS = [combined, matrices, in_place, branching]
DTYPES = ["f8", "f4", "f2", ">f8", ">f4", "c16", "c8", "i8", ">i4", "i1", "u1", "u8", "?"]
LAYOUTS = ["C", "F", "reversed", "strided", "misaligned", "broadcast", "read-only", "inside"]


def laid_out(values: np.ndarray[Any, Any], layout: str) -> np.ndarray[Any, Any]:
    """An equal array that lies in memory in another way."""
    if layout == "F":
        return np.asfortranarray(values)
    if layout == "reversed":
        return values[..., ::-1].copy()[..., ::-1]
    if layout == "strided":
        return np.repeat(values, 2, axis=-1)[..., ::2]
    if layout == "misaligned":
        memory = np.zeros(values.nbytes + 1, np.uint8)
        found = memory[1:].view(values.dtype).reshape(values.shape)
        found[...] = values
        return found
    if layout == "broadcast":
        return np.broadcast_to(values, (2, *values.shape))[1]
    if layout == "read-only":
        values.flags.writeable = False
    if layout == "inside":
        return np.pad(values, 1)[(slice(1, -1),) * values.ndim]
    return values


@st.composite
def arrays(draw: st.DrawFn) -> Any:
    shape = tuple(draw(st.lists(st.integers(0, 4), min_size=1, max_size=3)))
    seed = draw(st.integers(0, 3))
    values = (
        np.random.default_rng(seed).integers(-3, 4, shape).astype(draw(st.sampled_from(DTYPES)))
    )
    return laid_out(values, draw(st.sampled_from(LAYOUTS)))


scalars = st.sampled_from(
    [2.0, 3, True, 1j, np.float32(2), np.int8(3), np.float64("nan"), 2**70, None, "a", [1.0, 2.0]]
)


def outcome(f: Any, args: Any) -> Any:
    try:
        return f(*args), None
    except Exception as error:
        return None, error


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_any_arguments_after_any_others(f: Any) -> None:
    jitted = wg.jit(f)
    for args in ((np.ones(3), 2.0), (np.ones((2, 2)), np.ones((2, 2)))):
        for _ in range(20):
            outcome(jitted, copy.deepcopy(args))
    jitted.wait()

    @given(st.one_of(arrays(), scalars), st.one_of(st.none(), arrays(), scalars))
    @settings(max_examples=number_of_examples(100))
    def check(x: Any, y: Any) -> None:
        args = (x,) if y is None else (x, y)
        ours, theirs = copied(args), copied(args)
        for _ in range(2):
            found, wanted = outcome(jitted, ours), outcome(f, theirs)
            assert type(found[1]) is type(wanted[1]), (found, wanted)
            same(listed(found[0]), listed(wanted[0]), 1e-2)
            same(ours, theirs, 1e-2)

    check()


def copied(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Copies that lie in memory as the arguments do."""
    return tuple(relaid(x) if isinstance(x, np.ndarray) else x for x in args)


def relaid(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A copy with the strides, the alignment and the writability of an array."""
    if not x.size:
        return x.copy()
    low, high = np.lib.array_utils.byte_bounds(x)
    memory = np.zeros(high - low + 64, np.uint8)
    start = (low - memory.ctypes.data) % 64
    memory[start : start + high - low] = np.ndarray(
        high - low, np.uint8, (ctypes.c_char * (high - low)).from_address(low)
    )
    made = np.ndarray(x.shape, x.dtype, memory, start + x.ctypes.data - low, x.strides)
    made.flags.writeable = x.flags.writeable
    return made


def listed(result: Any) -> Any:
    """A result with 0-d arrays as scalars, which NumPy itself mixes."""
    if isinstance(result, tuple):
        return tuple(map(listed, result))
    return result[()] if isinstance(result, np.ndarray) and not result.ndim else result


@pytest.mark.parametrize(
    "args",
    [(), (np.ones(3), 1.0, 2.0), (np.ones(3), None), ("x",), (np.ones(3), "y"), (object(),)],
)
def test_wrong_numbers_and_kinds_of_arguments(args: tuple[Any, ...]) -> None:
    jitted = wg.jit(combined, wait=True)
    for _ in range(40):
        jitted(np.ones(3), 2.0)
    for _ in range(2):
        assert type(outcome(jitted, args)[1]) is type(outcome(combined, args)[1]) is not None
    with pytest.raises(TypeError, match="unexpected keyword"):
        jitted(np.ones(3), z=1)


def test_arguments_that_share_memory() -> None:
    def f(x: Any, y: Any) -> Any:
        x[:] = y * 2
        y += 1
        return x + y, y

    jitted = wg.jit(f, wait=True)
    for offset in (0, 1, 2, 3, 1, 0, 3):
        a, b = np.arange(8.0), np.arange(8.0)
        same(jitted(a[:3], a[offset : offset + 3]), f(b[:3], b[offset : offset + 3]))
        same(a, b)
