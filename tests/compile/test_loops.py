"""Native loops and branches: in each other, under every verb, with and without checkpoints."""

# ruff: noqa: E731

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agreement import agree, assert_agreement, same_bits
from hypothesis import settings

import wengert as wg
from support import slope, slow
from wengert.compile import build
from wengert.compile.native import lowered
from wengert.evaluate import evaluate

THOROUGH = settings().max_examples > 1000
"""Whether this is a search (``make fuzz``) and not the usual run."""

STATUS = Path("/proc/self/status")

START = np.array([0.4, 0.25, 0.8])

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_CACHE", "0")


# -- one inside the other --------------------------------------------------------------------------

Inner = Callable[[Any], Any]


def scan(c: Any, inner: Inner, kept: int | None) -> Any:
    step = lambda c, x: (inner(c * 0.9 + x), np.sum(c))
    return wg.scan(step, c, np.array([0.1, -0.2, 0.3, 0.05, 0.2]), checkpoints=kept)[0]


def fori(c: Any, inner: Inner, kept: int | None) -> Any:
    return wg.fori_loop(1, 5, lambda i, y: inner(y * 0.8 + 0.1 * i), c, checkpoints=kept)


def counted(c: Any, inner: Inner, kept: int | None) -> Any:
    """A loop whose number of steps is computed: none at all for some starts."""
    last = (np.sum(np.abs(c)) * 2).astype(int) % 7
    return wg.fori_loop(0, last, lambda i, y: inner(y) * 0.9, c, checkpoints=kept)


def loop(c: Any, inner: Inner, kept: int | None) -> Any:
    going = lambda s: (s[1] < 6) & (np.sum(s[0]) < 9.0)
    return wg.while_loop(
        going, lambda s: (inner(s[0] * 1.1 + 0.02), s[1] + 1), (c, 0), checkpoints=kept
    )[0]


def each(c: Any, inner: Inner, kept: int | None) -> Any:
    return np.sum(wg.map(lambda x: inner(c * x), np.array([0.5, 0.7])), axis=0)


def cond(c: Any, inner: Inner, kept: int | None) -> Any:
    return wg.cond(np.sum(c) > 1.2, lambda c: inner(c) * 0.5, lambda c: c * c[0], c)


def switch(c: Any, inner: Inner, kept: int | None) -> Any:
    return wg.switch((c[0] * 7).astype(int) % 3, [inner, lambda c: c * 1.2, np.sin], c)


LOOPS = (scan, fori, counted, loop, each, cond, switch)

ROWS = np.stack([START, -START, 3 * START])
WEIGHTS = np.array([1.0, 2.0, -1.0])

VERBS: dict[str, Callable[[Any], Any]] = {
    "grad": lambda f: wg.grad(f, (0, 1)),
    "jvp of grad": lambda f: lambda x, a: wg.jvp(wg.grad(f, (0, 1)), (x, a), (np.cos(x), 0.7)),
    "vmap of grad": lambda f: lambda x, a: wg.vmap(wg.grad(f, (0, 1)), in_axes=(0, None))(ROWS, a),
    "grad of vmap": lambda f: wg.grad(
        lambda x, a: WEIGHTS @ wg.vmap(f, in_axes=(0, None))(np.stack([x, -x, 3 * x]), a), (0, 1)
    ),
    "hessian": lambda f: wg.hessian(f),
    "grad of grad": lambda f: wg.jacrev(wg.grad(f)),
}


def nested(outer: Any, inner: Any, kept: int | None) -> Callable[[Any, Any], Any]:
    """A number from an array and a number, which the innermost body takes from outside."""

    def f(x: Any, a: Any) -> Any:
        leaf = lambda c: np.sin(c) * a + 0.1 * c[::-1] * c
        y = outer(x, lambda c: inner(c, leaf, kept), kept)
        return np.sum(y * y[::-1] * WEIGHTS)

    return f


PAIRS = [(a, b) for a in range(len(LOOPS)) for b in range(len(LOOPS))]


def chosen(verb: int) -> list[tuple[Any, Any]]:
    """Some pairs for a verb: another twelfth of them for each, or all in a search."""
    some = PAIRS if THOROUGH else PAIRS[verb :: 2 * len(VERBS)]
    return [(LOOPS[a], LOOPS[b]) for a, b in some]


MORE = pytest.mark.slow(reason="more pairs of loops for a verb")
CASES = [
    pytest.param(
        transform,
        *pair,
        id=f"{verb}, {pair[0].__name__} of {pair[1].__name__}",
        marks=[MORE] if (i + number) % 3 else [],
    )
    for i, (verb, transform) in enumerate(VERBS.items())
    for number, pair in enumerate(chosen(i))
]


@pytest.mark.parametrize(("transform", "outer", "inner"), CASES)
@pytest.mark.parametrize("kept", [None, 2] if THOROUGH else [2])
def test_loops_and_branches_inside_of_each_other(
    transform: Any, outer: Any, inner: Any, kept: int | None
) -> None:
    agree(transform(nested(outer, inner, kept)), START, 0.8)


def test_native_gradients_are_those_of_finite_differences() -> None:
    v = np.array([0.4, -0.7, 0.1])
    for outer, inner in ((loop, scan), (scan, loop), (counted, switch)):
        f = nested(outer, inner, 2)
        gradient = build(wg.trace(wg.grad(f))(START, 0.8)).run([START, np.float64(0.8)])[0]
        (wanted,) = slope(lambda t: [f(START + t * v, 0.8)], 1e-5)  # noqa: B023
        np.testing.assert_allclose(gradient @ v, wanted, rtol=1e-6)


# -- checkpoints of while loops --------------------------------------------------------------------


def waves(x: Any, n: Any, kept: int | None) -> Any:
    step = lambda s: (np.sin(s[0]) * 1.1 + 0.1 * x, s[1] + 1)
    return np.sum(wg.while_loop(lambda s: s[1] < n, step, (x, 0), checkpoints=kept)[0])


ORDERS: dict[str, Callable[[Any], Any]] = {
    "grad": wg.grad,
    "reverse over reverse": lambda f: wg.grad(lambda x, n: np.sum(wg.grad(f)(x, n) ** 2)),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kept", [3, *(slow(n, reason="more checkpoints") for n in (None, 1))])
def test_any_number_of_steps_and_of_checkpoints(order: str, kept: int | None) -> None:
    """Also more than records have room for at first."""
    x = np.linspace(0.2, 0.7, 64)
    program = wg.trace(ORDERS[order](lambda x, n: waves(x, n, kept)))(x, np.int64(2))
    native = build(program)
    for n in (0, 1, 2, 3, 4, 9, 300):
        assert_agreement(program, [x, np.int64(n)], native=native)


@pytest.mark.parametrize("size", [3, 200])
def test_checkpoints_change_no_bit(size: int) -> None:
    x = np.linspace(0.0, 1.0, size)
    found = [
        build(wg.trace(wg.grad(lambda x: waves(x, 50, kept)))(x)).run([x])[0]  # noqa: B023
        for kept in (None, 4)
    ]
    assert same_bits(*found)


@pytest.mark.parametrize("kept", [slow(None, reason="more checkpoints"), 2])
@pytest.mark.parametrize("kind", ["f4", "c16"])
def test_carries_of_every_kind(kind: str, kept: int | None) -> None:
    x = np.array([0.3, -0.4, 0.9]).astype(kind)
    x = x * np.asarray(1 + 0.5j, x.dtype) if kind[0] == "c" else x
    first = (np.int16(1), np.bool_(True), np.arange(3, dtype=np.int32))

    def body(state: Any, x: Any) -> Any:
        y, n, flag, h, z = state
        y = np.where(flag, y * y * x[0] + 0.1, np.sin(y) * x)
        return y, n + 2, ~flag, (h * 3 + 1).astype(np.int32), z * 0.5 + y[1]

    def f(x: Any) -> Any:
        y, _, flag, h, z = wg.while_loop(
            lambda s: s[1] < 13, lambda s: body(s, x), (x, *first, x[0]), checkpoints=kept
        )
        (w, *_), ys = wg.scan(
            lambda s, k: (body(s, x), (s[2], s[0] * k)),
            (y, np.int16(1), flag, h, z),
            np.arange(5, dtype=x.real.dtype),
            checkpoints=kept,
        )
        return np.sum(np.abs(w) ** 2) + np.sum(h) * np.abs(z) + np.sum(np.abs(ys[1][:, 0]) * ys[0])

    agree(lambda x: (f(x), wg.grad(f)(x), wg.jvp(f, (x,), (x,))[1]), x)


@pytest.mark.parametrize("kept", [None, 2])
def test_what_is_not_finite_passes_through(kept: int | None) -> None:
    step = lambda s, x: (np.sqrt(s[0]) * x, s[1] + 1)
    root = lambda x: wg.while_loop(
        lambda s: s[1] < 6, lambda s: step(s, x), (x, 0), checkpoints=kept
    )[0]
    program = wg.trace(wg.grad(root))(1.0)
    native = build(program)
    for x in (0.0, -1.0, np.inf, np.nan):
        assert_agreement(program, [np.float64(x)], native=native)


def test_a_loop_with_checkpoints_inside_of_loops_begins_anew_each_time() -> None:
    def f(x: Any) -> Any:
        inner = lambda c, n: (
            wg.while_loop(
                lambda s: s[1] < n,
                lambda s: (np.sin(s[0]) + 0.1 * x, s[1] + 1),
                (c, 0),
                checkpoints=3,
            )[0],
            None,
        )
        return np.sum(wg.scan(inner, x, np.array([9, 0, 70, 4, 1]))[0])

    agree(lambda x: (wg.grad(f)(x), wg.hessian(f)(x)), START)


def test_nothing_is_written_to_the_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    """As by LLVM, of hints for a short loop that it finds on the loop around it."""
    build(wg.trace(lambda x: nested(loop, fori, None)(x, 0.8))(START))
    assert capfd.readouterr().err == ""


# -- scans -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [None, 1, 3])
@pytest.mark.parametrize("length", [0, 1, 5])
def test_scans_of_any_length(length: int, kept: int | None) -> None:
    w, xs = np.array([[0.1, 0.2], [0.3, 0.4]]), 0.1 * np.ones((length, 2))

    def f(c: Any, w: Any, xs: Any) -> Any:
        step = lambda c, x: (np.tanh(w @ c + x), np.sum(c))
        c, ys = wg.scan(step, c, xs, reverse=True, checkpoints=kept)
        return np.sum(c) + np.sum(ys**2)

    agree(wg.grad(f, (0, 1, 2)), np.ones(2), w, xs)


@pytest.mark.parametrize("order", [1, 2])
def test_the_workspace_of_a_scan_is_bounded_by_checkpoints(order: int) -> None:
    x = np.linspace(0.0, 1.0, 500)

    def room(kept: int | None) -> int:
        f = lambda x: np.sum(wg.fori_loop(0, 400, lambda i, y: np.sin(y), x, checkpoints=kept))
        verb = wg.grad(f) if order == 1 else wg.grad(lambda x: np.sum(wg.grad(f)(x)))
        program = wg.trace(verb)(x)
        (found,), (wanted,) = build(program).run([x]), evaluate(program, [x])
        np.testing.assert_allclose(found, wanted, rtol=1e-9)
        return lowered(program)[0].arena.size

    assert room(None) > 380 * x.nbytes
    assert room(20) < order * 100 * x.nbytes


# -- memory ----------------------------------------------------------------------------------------


def resident(key: str) -> int:
    """Bytes of this process that are, or at most were, in memory."""
    text = STATUS.read_text(encoding="ascii")
    return int(text.split(f"{key}:")[1].split()[0]) * 1024


@pytest.mark.skipif(not STATUS.exists(), reason="reads Linux's account of the process")
@pytest.mark.parametrize("order", [1, 2])
def test_checkpoints_bound_the_memory_of_while_loops(order: int) -> None:
    x, n = np.linspace(0.0, 1.0, 1000), np.int64(5000)

    def growth(kept: int | None) -> int:
        f = lambda x, n: waves(x, n, kept)
        verb = (
            wg.grad(f)
            if order == 1
            else lambda x, n: wg.grad(lambda x: np.sum(wg.grad(f)(x, n)))(x)
        )
        native = build(wg.trace(verb)(x, np.int64(2)))
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = resident("VmRSS")
        native.run([x, n])
        return resident("VmHWM") - before

    bounded, whole = growth(70), growth(None)
    assert whole > 5000 * x.nbytes * 0.8
    assert bounded < whole / 5


def test_the_explanation_says_whether_there_are_checkpoints() -> None:
    for kept, text in ((None, "native loop"), (3, "native loop, with checkpoints")):
        native = build(wg.trace(wg.grad(lambda x: waves(x, 9, kept)))(START))  # noqa: B023
        root = native.report.root
        assert root is not None
        assert text in [note.detail for note in root.notes]
