"""Functions that write: a jitted one gives, and leaves behind, what the plain one does.

At the first call, which compares the rules with NumPy, and at those that follow.
"""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from jitted_calls import same

import wengert as wg

pytestmark = pytest.mark.filterwarnings("ignore::wengert.errors.JitWarning")

SQUARE = np.arange(1.0, 10.0).reshape(3, 3)
ROW = np.array([3.0, 1.0, 2.0, 5.0, 4.0, 0.5])

WRITES = """
np.add.at(A, ([0, 0], [1, 1]), 2.0)
np.subtract.at(A, ([0, 0], [1, 1]), 2.0)
np.multiply.at(A, [0, 0], 2.0)
np.maximum.at(A, [0, 0], 4.0)
np.negative.at(A, [0, 0])
np.add.at(A, [0, 99], 1.0)
np.add.at(A, [0, 0], 1j)
np.add.at(A, A.astype(int) % 2, A)
A.sort()
A.sort(0)
A.partition(1)
A.fill(2.0)
A.byteswap(inplace=True)
A.put([0, 1], [7.0, 8.0])
A.put([0, 99], 7.0)
np.put(A, [1, 1], [5.0, 6.0])
np.put(A, [0, 99], [5.0, 6.0], mode="clip")
np.put(A, A.astype(int).ravel()[:2], A)
np.place(A, A > 2, [1.0, 2.0])
np.place(A, A > 2, [])
np.putmask(A, A > 2, A * 2)
np.putmask(A, A > 2, 1j)
np.copyto(A, 3.0)
np.copyto(A, A.T)
np.copyto(A, A * 2, where=A > 3)
np.copyto(A[1:], A[:-1])
np.copyto(A, 1j)
np.fill_diagonal(A, 5.0)
np.put_along_axis(A, np.zeros_like(A, int), 9.0, 0)
np.add(A, 1.0, out=A, where=A > 2)
np.add(A[1:], A[:-1], out=A[1:])
np.modf(A / 2, out=(A, None))
np.clip(A, 2.0, 4.0, A)
np.round(A, 0, A)
np.cumsum(A, -1, None, A)
A.cumsum(-1, None, A)
np.matmul(A, A, out=A)
np.nan_to_num(A, copy=False)
A.flags.writeable = False; A[0] = 1.0
A.setflags(write=False); A[0] = 1.0
A.shape = (A.size,); A[0] = 100.0
A.data[0] = 9.0
np.random.default_rng(0).random(out=A)
A.flat[[1, 2]] = 9.0
A[A > 2] += 1.0
A[[0, 0]] += 1.0
A[0] = 1j
A[0] = "3.5"
A[99] = 1.0
del A[0]
""".strip().splitlines()

LENDINGS = """
np.asarray(A)
np.asanyarray(A)
np.ascontiguousarray(A)
np.asfortranarray(A)
np.require(A, requirements="C")
np.array(A, copy=False)
np.array(A)
np.asarray(A[1:])
np.asarray(A, np.float64)
np.asarray(A > 2)
np.asarray(A.astype(int))
np.frombuffer(A)
np.ndarray(A.shape, A.dtype, A)
A.view()
A.view(np.int64)
A.getfield(np.float32)
memoryview(A)
A.data
np.lib.stride_tricks.sliding_window_view(A, A.shape)
np.lib.stride_tricks.as_strided(A, shape=(2,), strides=(8,))
""".strip().splitlines()


def function(own: bool, *statements: str) -> Callable[[Any], Any]:
    """A function of ``x`` that works on ``A``, a copy of it or the argument itself."""
    space: dict[str, Any] = {"np": np}
    lines = ["A = x * 1.0" if own else "A = x", *statements]
    exec("def f(x):\n    " + "\n    ".join(lines), space)
    return space["f"]


def outcome(f: Callable[..., Any], x: Any) -> tuple[Any, Any]:
    """The result, or the class of the error, and the argument afterwards."""
    x = copy.deepcopy(x)
    try:
        return copy.deepcopy(f(x)), x
    except Exception as error:
        return type(error).__name__, x


def check(f: Callable[[Any], Any], x: Any) -> None:
    jitted = wg.jit(f)
    for call in range(3):
        if call == 2:
            jitted.wait()
        found, wanted = outcome(jitted, x), outcome(f, x)
        same(found, wanted)


@pytest.mark.parametrize("own", [True, False], ids=["own", "argument"])
@pytest.mark.parametrize("x", [SQUARE, ROW, ROW[::-1]], ids=["square", "row", "reversed"])
@pytest.mark.parametrize("write", WRITES)
def test_a_write_happens_once(write: str, x: Any, own: bool) -> None:
    check(function(own, write, "return A"), x)


@pytest.mark.parametrize("own", [True, False], ids=["own", "argument"])
@pytest.mark.parametrize("lending", LENDINGS)
def test_a_plain_array_sees_what_is_written_to_the_traced_one(lending: str, own: bool) -> None:
    check(function(own, f"w = {lending}", "A[0] = 5.0", "return np.array(w)"), SQUARE)
    check(function(own, f"w = {lending}", "A[1:][0] += 5.0", "return np.array(w)"), SQUARE)


def test_a_write_that_is_refused_while_tracing_cannot_be_swallowed() -> None:
    def f(x: Any) -> Any:
        plain = np.asarray(x)
        try:
            x += 1.0
        except Exception:
            return 0.0
        return np.sum(plain)

    check(f, SQUARE)


# -- what is outside of the function ---------------------------------------------------------------


class Counter:
    def __init__(self) -> None:
        self.count = 0


def appends_and_raises() -> Any:
    log: list[int] = []

    def f(x: Any) -> Any:
        log.append(1)
        x[0] = 7.0
        raise KeyError(len(log))

    return f, log


def counts_in_everything() -> Any:
    state: dict[str, Any] = {"n": 0, "set": set(), "bytes": bytearray(), "counter": Counter()}
    state["array"] = np.zeros(2)

    def f(x: Any) -> Any:
        state["n"] += 1
        state["set"] |= {1, 2, 3} if state["n"] == len(state["bytes"]) + 1 else {4}
        state["bytes"].append(state["n"])
        state["counter"].count += 1
        state["counter"].last = x[0] > 1
        state["array"][1] += 1
        return (v for v in x)

    return (lambda x: list(f(x))), state


def fails_after_an_alias() -> Any:
    buffer = np.zeros(3)

    def f(x: Any) -> Any:
        buffer[:] += 1
        plain = np.asarray(x)
        x += 1
        return np.sum(plain) + np.sum(buffer)

    return f, buffer


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("make", [appends_and_raises, counts_in_everything, fails_after_an_alias])
def test_what_cannot_be_traced_leaves_its_traces_once(make: Any, wait: bool) -> None:
    (f, state), (g, states) = make(), make()
    jitted = wg.jit(g, wait=wait)
    for _ in range(3):
        same(outcome(jitted, ROW[:3]), outcome(f, ROW[:3]))
        same(seen(states), seen(state))


def seen(state: Any) -> Any:
    """What there is to see of what a function has changed."""
    if not isinstance(state, dict):
        return state
    found = dict(state)
    return [found.pop("set") == {1, 2, 3}, vars(found.pop("counter")), found]


class Holder:
    def __init__(self, array: Any) -> None:
        self.array = array


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("part", [slice(None), slice(1, None)])
def test_an_argument_that_is_also_reached_from_outside_is_written_to(part: Any, wait: bool) -> None:
    def make() -> Any:
        array = np.ones(4)
        holder = Holder(array)

        def captured(x: Any) -> Any:
            x[0] += 5.0
            return array * 1.0

        def held(x: Any, holder: Holder) -> Any:
            x[0] += 5.0
            return holder.array * 1.0

        return array, captured, held, holder

    plain, other = make(), make()
    captured, held = wg.jit(other[1], wait=wait), wg.jit(other[2], wait=wait)
    for _ in range(3):
        same(captured(other[0][part]), plain[1](plain[0][part]))
        same(held(other[0][part], other[3]), plain[2](plain[0][part], plain[3]))
        same(other[0], plain[0])


def test_a_captured_array_that_is_returned_is_a_copy_at_every_call() -> None:
    table = np.arange(3.0)
    jitted = wg.jit(lambda x: (table, x))
    for _ in range(3):
        for leaf in jitted(table):
            assert not np.shares_memory(leaf, table)


def test_a_write_past_the_read_only_flag_of_a_plain_array_is_seen() -> None:
    def f(x: Any) -> Any:
        plain = np.require(x)
        np.add.at(plain, [0, 0], 0.5)
        return x * 1.0

    def fails_afterwards(x: Any) -> Any:
        plain = np.require(x)
        np.add.at(plain, [0, 0], 0.5)
        plain[1] = 2.0
        return x * 1.0

    check(f, ROW)
    check(fails_afterwards, ROW)


def test_what_cannot_be_written_to_is_not_put_into() -> None:
    def f(x: Any) -> Any:
        x.partition(1)
        part = np.diagonal(x)
        part.put(0, 2.0)
        return part

    check(f, SQUARE)


def test_an_array_that_is_operand_and_result_is_one() -> None:
    def f(x: Any) -> Any:
        part = x[..., 0]
        np.cumsum(part, out=part)  # Of two different ones NumPy itself crashes.
        return x

    check(f, ROW)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30, 300, -1, -2.7, 2.7, True, 2**70])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64])
def test_numbers_that_do_not_fit_into_integers_are_refused_as_by_numpy(
    value: Any, dtype: Any
) -> None:
    def constant(x: Any) -> Any:
        x[1] = value
        return x

    def part(x: Any) -> Any:
        x[1:] = [value, 2]
        return x

    def argument(x: Any, y: Any) -> Any:
        x[1:] = [y, y]
        return x

    x = np.arange(3, dtype=dtype)
    for f, args in ((constant, (x,)), (part, (x,)), (argument, (x, value))):
        wanted = fitting(f, *args)
        jitted = wg.jit(f)
        for _ in range(3):
            assert fitting(jitted, *args) == wanted


def fitting(f: Callable[..., Any], x: Any, *rest: Any) -> str:
    try:
        return repr(f(x.copy(), *rest))
    except (ValueError, OverflowError) as error:
        return type(error).__name__


def test_an_element_takes_an_array_only_where_it_does_in_numpy() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        y[1] = x[:1]
        return np.sum(y)

    def element(g: Callable[..., Any]) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return repr(g(ROW))
            except ValueError as error:
                return str(error)

    assert element(f) == element(lambda x: wg.value_and_grad(f)(x)[0]) == element(wg.jit(f))
    assert element(f) == element(lambda x: wg.vmap(f)(x[None])[0])


CAUGHT = """
np.asarray(y)[0] = 5.0
np.asarray(x)[0] = 5.0
np.asarray(y[1:])[0] = 5.0
np.asarray(y.reshape(2, 3).T)[0, 1] = 5.0
np.ascontiguousarray(y)[0] = 5.0
np.require(y, requirements="W")[0] = 5.0
np.copyto(np.asarray(y), 0.0)
np.sin(y, out=np.asarray(y))
np.asarray(y).sort()
np.asarray(y).fill(1.0)
memoryview(np.asarray(y))[0] = 3.0
np.asarray(np.broadcast_to(y, (2, 6)))[0, 0] = 1.0
np.asarray(y.astype(int))[0] = 5
""".strip().splitlines()


if sys.version_info < (3, 12):  # Python asks nobody whether an object has memory.
    CAUGHT = [line for line in CAUGHT if "memoryview" not in line]


@pytest.mark.parametrize("line", CAUGHT)
def test_a_write_into_a_plain_array_of_a_traced_one_is_what_it_is_without_jit(line):
    lines = [
        *("def f(x):", "  y = x * 2.0", "  try:", f"    {line}"),
        *("  except (ValueError, TypeError):", "    return y * 7.0, x", "  return y * 1.0, x"),
    ]
    space: dict[str, Any] = {"np": np}
    exec("\n".join(lines), space)
    jitted = wg.jit(space["f"])
    for _ in range(2):
        ours, theirs = ROW.copy(), ROW.copy()
        same(jitted(ours), space["f"](theirs))
        same(ours, theirs)


def test_a_loop_that_waits_for_such_a_write_ends():
    def f(x: Any) -> Any:
        y = x * 1.0
        while y[0] > 0:
            np.asarray(y)[0] -= 1.0
        return y

    same(wg.jit(f)(np.array([2.5, 1.0])), np.array([-0.5, 1.0]))


def test_plain_arrays_that_are_not_written_to_leave_a_path():
    def f(x: Any) -> Any:
        return x * float(np.asarray(x).astype(int).max())

    jitted = wg.jit(f, wait=True)
    same(jitted(ROW), ROW * 5.0)
    assert "runs as it is" not in jitted.report()
