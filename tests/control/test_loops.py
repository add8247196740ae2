"""scan, map, fori_loop and while_loop against the same loops written in Python."""

# ruff: noqa: E731

from __future__ import annotations

import functools
import pickle
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import optree
import pytest

import wengert as wg
from support import slope

W = np.random.default_rng(0).normal(size=(3, 3))
XS = np.random.default_rng(1).normal(size=(5, 3))
START = np.array([0.3, -0.2, 0.9])


def same(found: Any, wanted: Any, rtol: float = 1e-9) -> None:
    """Two trees are equal in structure, and their leaves nearly so, in dtype and shape too."""
    a, b = optree.tree_leaves(found), optree.tree_leaves(wanted)
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        assert np.shape(x) == np.shape(y)
        assert np.asarray(x).dtype == np.asarray(y).dtype
        scale = np.max(np.abs(y), initial=1e-3)
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * scale)


def recurrent(w: Any, c: Any, xs: Any, **options: Any) -> Any:
    def step(c: Any, x: Any) -> Any:
        c = np.tanh(w @ c + x)
        return c, {"sum": np.sum(c**2), "both": (c * x, x)}

    c, ys = wg.scan(step, c, xs, **options)
    a, b = ys["both"]
    return np.sum(c) + np.sum(ys["sum"] * np.arange(len(xs))) + np.sum(a * b)


def recurrent_in_python(w: Any, c: Any, xs: Any, *, reverse: bool = False) -> Any:
    total = 0.0
    for k in reversed(range(len(xs))) if reverse else range(len(xs)):
        c = np.tanh(w @ c + xs[k])
        total = total + k * np.sum(c**2) + np.sum(c * xs[k] * xs[k])
    return np.sum(c) + total


def grow(a: Any, w: Any, *, checkpoints: int | None = None) -> Any:
    def step(state: Any) -> Any:
        x, n = state
        return np.sin(w @ x) + 1.3 * x + a, n + 1

    x, n = wg.while_loop(
        lambda state: np.sum(state[0] ** 2) < 30.0, step, (a, 0), checkpoints=checkpoints
    )
    return np.sum(x**3) * n


def grow_in_python(a: Any, w: Any) -> Any:
    x, n = a, 0
    while np.sum(x**2) < 30.0:
        x, n = np.sin(w @ x) + 1.3 * x + a, n + 1
    return np.sum(x**3) * n


VERBS: dict[str, Callable[..., Any]] = {
    "value": lambda f: f,
    "grad": lambda f: wg.grad(f, (0, 1)),
    "jacfwd": lambda f: wg.jacfwd(f, (0, 1)),
    "hessian": lambda f: wg.hessian(f, (0, 1)),
    "forward over forward": lambda f: wg.jacfwd(wg.jacfwd(f, 1), 0),
    "reverse over forward": lambda f: wg.jacrev(wg.jacfwd(f), 1),
    "forward over reverse": lambda f: wg.jacfwd(wg.grad(f), 1),
    "reverse over reverse": lambda f: wg.jacrev(wg.grad(f)),
    "reverse over reverse over reverse": lambda f: wg.jacrev(wg.jacrev(wg.grad(f))),
    "third order": lambda f: wg.grad(lambda a, *b: np.sum(wg.hessian(f)(a, *b) ** 2)),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("reverse", [False, True])
def test_scan_is_the_loop_in_every_verb(verb, reverse):
    transform = VERBS[verb]
    found = transform(lambda c, w, xs: recurrent(w, c, xs, reverse=reverse))(START, W, XS)
    wanted = transform(lambda c, w, xs: recurrent_in_python(w, c, xs, reverse=reverse))
    same(found, wanted(START, W, XS))


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("checkpoints", [None, 2])
def test_while_loop_is_the_loop_in_every_verb(verb, checkpoints):
    transform = VERBS[verb]
    found = transform(lambda a, w: grow(a, w, checkpoints=checkpoints))(START / 9, W)
    same(found, transform(grow_in_python)(START / 9, W))


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("checkpoints", [None, 3])
def test_carries_that_read_each_other(verb, checkpoints):
    """Several trajectories, read at several places by the sweeps of all orders."""

    def step(state: Any) -> Any:
        x, n, y, t = state
        return np.sin(x * y) + t, n + 1, y * np.exp(-0.1 * x) * 1.4 + x * x, t * 0.9 * y

    def f(x: Any, y: Any) -> Any:
        going = lambda s: (s[1] < 6) & (s[2] < 3.0)
        last = wg.while_loop(going, step, (x, 0, y, x * y), checkpoints=checkpoints)
        return last[0] * last[2] + last[3] ** 2

    def g(x: Any, y: Any) -> Any:
        state = (x, 0, y, x * y)
        while state[1] < 6 and state[2] < 3.0:
            state = step(state)
        return state[0] * state[2] + state[3] ** 2

    same(VERBS[verb](f)(0.7, 0.4), VERBS[verb](g)(0.7, 0.4))
    rows = np.array([0.7, -0.9, 1.5])
    found = wg.vmap(VERBS[verb](f), in_axes=(0, None))(rows, 0.4)
    slices = [VERBS[verb](g)(row, 0.4) for row in rows]
    same(found, optree.tree_map(lambda *leaves: np.stack(leaves), *slices))


def test_gradients_are_those_of_finite_differences():
    for f, x in ((lambda x: recurrent(W, x, XS), START), (lambda x: grow(x, W), START / 9)):
        v = np.array([0.4, -0.7, 0.1])
        (wanted,) = slope(lambda t: [f(x + t * v)], 1e-5)  # noqa: B023
        np.testing.assert_allclose(np.dot(wg.grad(f)(x), v), wanted, rtol=1e-7)


@pytest.mark.parametrize("verb", [*VERBS][:4])
@pytest.mark.parametrize("loop", ["scan", "while"])
def test_vmap_of_derivatives_and_derivatives_of_vmap(verb, loop):
    f, g = {
        "scan": (lambda a, w: recurrent(w, a, XS), lambda a, w: recurrent_in_python(w, a, XS)),
        "while": (grow, grow_in_python),
    }[loop]
    batch = np.random.default_rng(2).normal(size=(4, 3)) * np.array([[0.02], [0.1], [0.5], [4.0]])
    found = wg.vmap(VERBS[verb](f), in_axes=(0, None))(batch, W)
    slices = [VERBS[verb](g)(row, W) for row in batch]
    same(found, optree.tree_map(lambda *rows: np.stack(rows), *slices))
    summed = wg.grad(lambda b: np.sum(np.stack([g(row, W) for row in b])))(batch)
    same(wg.grad(lambda b: np.sum(wg.vmap(f, in_axes=(0, None))(b, W)))(batch), summed)


def test_vmap_of_any_of_consts_carries_and_slices():
    batches = {0: np.stack([W, W.T]), 1: np.stack([START, -START]), 2: np.stack([XS, XS[::-1]])}
    for flags in np.ndindex(2, 2, 2):
        if not any(flags):
            continue
        args = [batches[i] if flag else (W, START, XS)[i] for i, flag in enumerate(flags)]
        axes = tuple(0 if flag else None for flag in flags)
        found = wg.vmap(lambda w, c, xs: recurrent(w, c, xs), in_axes=axes)(*args)
        rows = [[a[k] if f else a for a, f in zip(args, flags, strict=True)] for k in (0, 1)]
        same(found, np.stack([recurrent_in_python(*row) for row in rows]))


@pytest.mark.parametrize("length", [0, 1, 7, 12])
@pytest.mark.parametrize("checkpoints", [1, 3, 20])
@pytest.mark.parametrize("reverse", [False, True])
def test_checkpoints_of_scan_change_no_number(length, checkpoints, reverse):
    xs = np.random.default_rng(length).normal(size=(length, 3))
    for verb in ("value", "grad", "reverse over forward", "forward over reverse"):
        found, wanted = (
            VERBS[verb](lambda c, w: recurrent(w, c, xs, reverse=reverse, **more))(START, W)  # noqa: B023
            for more in ({"checkpoints": checkpoints}, {})
        )
        same(found, wanted)


@pytest.mark.parametrize("checkpoints", [1, 2, 3, 5, 100])
def test_checkpoints_of_while_loop_change_no_number(checkpoints):
    def f(x: Any, n: int) -> Any:
        step = lambda s: (np.sin(s[0]) * 1.1 + 0.1 * x, s[1] + 1)
        return wg.while_loop(lambda s: s[1] < n, step, (x, 0), checkpoints=checkpoints)[0]

    def g(x: Any, n: int) -> Any:
        y = x
        for _ in range(n):
            y = np.sin(y) * 1.1 + 0.1 * x
        return y

    for n in range(14):
        for verb in (wg.grad, lambda f: wg.grad(wg.grad(f)), lambda f: wg.jacfwd(wg.grad(f))):
            same(verb(lambda x: f(x, n))(0.7), verb(lambda x: g(x, n))(0.7))  # noqa: B023


def peak(function: Callable[[], Any]) -> int:
    function()
    tracemalloc.start()
    function()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("loop", ["fori", "while"])
def test_checkpoints_bound_the_memory_of_reverse_mode(loop, order):
    x = np.linspace(0.0, 1.0, 4000)

    def f(x: Any, checkpoints: int | None) -> Any:
        if loop == "fori":
            return np.sum(wg.fori_loop(0, 400, lambda i, y: np.sin(y), x, checkpoints=checkpoints))
        step = lambda s: (s[0] + 1, np.sin(s[1]))
        found = wg.while_loop(lambda s: s[0] < 400, step, (0, x), checkpoints=checkpoints)
        return np.sum(found[1])

    def run(checkpoints: int | None) -> Any:
        g = wg.grad(lambda x: f(x, checkpoints))
        return g(x) if order == 1 else wg.jvp(g, (x,), (x,))[1]

    same(run(20), run(None))
    assert peak(lambda: run(None)) > 400 * order * x.nbytes
    assert peak(lambda: run(20)) < 70 * order * x.nbytes


def test_checkpoints_bound_the_memory_of_what_reads_later_sweeps_only():
    """A linear loop: its adjoint does not read the first sweep, but the adjoint's own does."""
    y = np.linspace(0.0, 1.0, 4000)

    def f(a: Any, y: Any, checkpoints: int | None) -> Any:
        step = lambda s: (s[0] + 1, a * s[1])
        return np.sum(wg.while_loop(lambda s: s[0] < 400, step, (0, y), checkpoints=checkpoints)[1])

    def run(checkpoints: int | None) -> Callable[[], Any]:
        mixed = wg.grad(lambda a: np.sum(wg.grad(f, 1)(a, y, checkpoints)))
        program = wg.simplify(wg.trace(mixed)(0.999))
        return lambda: wg.evaluate(program, [np.float64(0.999)])

    same(run(20)(), run(None)())
    assert peak(run(None)) > 400 * y.nbytes
    assert peak(run(20)) < 70 * y.nbytes


def test_checkpoints_of_a_counted_loop_keep_no_array_of_its_counters():
    f = lambda x: wg.fori_loop(5, 4005, lambda i, y: np.sin(y) + 1e-3 * i, x, checkpoints=64)
    in_python = lambda x: functools.reduce(lambda y, i: np.sin(y) + 1e-3 * i, range(5, 4005), x)
    same(f(0.5), in_python(0.5))
    same(wg.grad(f)(0.5), wg.grad(in_python)(0.5))
    operands = [atom for e in wg.trace(f)(0.5).equations for atom in e.inputs]
    assert max(atom.type.size for atom in operands) <= 64
    assert wg.fori_loop(5, 2, lambda i, y: y + i, 0.5, checkpoints=3) == 0.5


def test_reverse_mode_runs_the_body_forward_once():
    calls: list[int] = []
    primitive = wg.custom_vjp(lambda x: np.sin(x))

    def forward(x: Any) -> Any:
        calls.append(1)
        return np.sin(x), x

    primitive.defvjp(forward, lambda x, ct: (ct * np.cos(x),))
    before = wg.scan(lambda c, x: (primitive(c) + x, None), 0.5, np.ones(3))[0]
    calls.clear()
    after = wg.grad(lambda c: wg.scan(lambda c, x: (primitive(c) + x, None), c, np.ones(3))[0])(0.5)
    assert np.isfinite(before)
    assert np.isfinite(after)
    assert len(calls) < 12


# -- what the body may do --------------------------------------------------------------------------


def test_newtons_method_has_the_derivatives_of_the_root():
    def root(a: Any) -> Any:
        far = lambda x: np.abs(x * x - a) > 1e-13 * a
        return wg.while_loop(far, lambda x: (x + a / x) / 2, (a + 1.0) / 2)

    for a in (0.3, 2.0, 1e4):
        assert root(a) == pytest.approx(np.sqrt(a))
        assert wg.grad(root)(a) == pytest.approx(0.5 / np.sqrt(a), rel=1e-6)
    assert wg.grad(wg.grad(root))(2.0) == pytest.approx(-0.25 * 2.0**-1.5, rel=1e-3)
    many = np.array([0.3, 2.0, 1e4])
    np.testing.assert_allclose(wg.vmap(wg.grad(root))(many), 0.5 / np.sqrt(many), rtol=1e-6)


def test_a_loop_whose_length_leaps_with_its_start():
    def collatz(n: int, x: Any) -> Any:
        def step(state: Any) -> Any:
            n, x = state
            odd = lambda n, x: (3 * n + 1, np.sin(x) + x)
            even = lambda n, x: (n // 2, x * x)
            return wg.cond(n % 2 == 1, odd, even, n, x)

        return wg.while_loop(lambda state: state[0] != 1, step, (n, x))[1]

    def in_python(n: int, x: Any) -> Any:
        while n != 1:
            n, x = (3 * n + 1, np.sin(x) + x) if n % 2 else (n // 2, x * x)
        return x

    for n in (1, 6, 7, 11):
        for verb in (lambda f: f, wg.grad, lambda f: wg.grad(wg.grad(f))):
            found = verb(lambda x: collatz(n, x))(0.3)  # noqa: B023
            wanted = verb(lambda x: in_python(n, x))(0.3)  # noqa: B023
            assert found == pytest.approx(wanted, rel=1e-10)
    starts = np.array([1, 6, 7, 11])
    found = wg.vmap(wg.grad(collatz, 1), in_axes=(0, None))(starts, 0.3)
    wanted = [wg.grad(in_python, 1)(int(n), 0.3) for n in starts]
    np.testing.assert_allclose(found, wanted)


def test_loops_inside_of_loops():
    def f(x: Any) -> Any:
        def outer(i: Any, y: Any) -> Any:
            inner = wg.while_loop(lambda s: np.sum(s) < i, lambda s: s * 1.5 + x, np.abs(y))
            return np.sin(wg.fori_loop(0, i, lambda j, z: z * x + 1.0 / (i + j), inner))

        return np.sum(wg.fori_loop(1, 6, outer, x) * x)

    def g(x: Any) -> Any:
        y = x
        for i in range(1, 6):
            s = np.abs(y)
            while np.sum(s) < i:
                s = s * 1.5 + x
            for j in range(i):
                s = s * x + 1.0 / (i + j)
            y = np.sin(s)
        return np.sum(y * x)

    x = np.array([0.4, 0.2])
    for verb in (wg.grad, wg.hessian, lambda f: wg.jacfwd(wg.jacfwd(f))):
        same(verb(f)(x), verb(g)(x))
    rows = np.array([[0.4, 0.2], [0.1, 0.8], [1.1, 0.9]])
    same(wg.vmap(wg.grad(f))(rows), np.stack([wg.grad(g)(row) for row in rows]))
    same(wg.vmap(wg.hessian(f))(rows), np.stack([wg.hessian(g)(row) for row in rows]))


def test_perturbations_of_nested_derivatives_are_not_confused():
    loop = lambda f: lambda x: wg.fori_loop(0, 1, lambda i, y: f(x), x)
    for inner in (wg.grad, wg.jacfwd):
        for outer in (wg.grad, wg.jacfwd):
            f = lambda x: x * inner(loop(lambda y: x + y))(1.0)  # noqa: B023
            assert outer(loop(f))(1.0) == 1.0
            g = lambda x: x * inner(loop(lambda y: x * y))(2.0)  # noqa: B023
            assert outer(loop(g))(3.0) == 6.0


def test_a_derivative_taken_inside_of_the_body():
    step = lambda x, _: (x - 0.1 * wg.grad(lambda x: np.sum(np.cosh(x)))(x), None)
    descend = lambda x: np.sum(wg.scan(step, x, length=4)[0])

    def in_python(x: Any) -> Any:
        for _ in range(4):
            x = x - 0.1 * np.sinh(x)
        return np.sum(x)

    for verb in (wg.grad, wg.hessian):
        same(verb(descend)(START), verb(in_python)(START))


def test_assignments_and_own_rules_in_the_body():
    clipped = wg.custom_vjp(lambda x: x)
    clipped.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1.0, 1.0),))

    def step(i: Any, y: Any, x: Any) -> Any:
        y = y.copy()
        y[i] = y[i - 1] * x[i % 3]
        y[0] += 0.5
        return clipped(y) * 0.9

    def f(x: Any) -> Any:
        return np.sum(
            wg.fori_loop(1, 4, lambda i, y: step(i, y, x), x[np.array([0, 1, 2, 0])]) ** 2
        )

    def g(x: Any) -> Any:
        y = x[np.array([0, 1, 2, 0])]
        for i in range(1, 4):
            y = step(i, y, x)
        return np.sum(y**2)

    for verb in (wg.grad, lambda f: wg.jacrev(wg.grad(f))):
        same(verb(f)(START), verb(g)(START))


def test_single_elements_read_by_a_counter():
    table = np.random.default_rng(3).normal(size=50)

    def f(t: Any) -> Any:
        return wg.fori_loop(0, 50, lambda i, s: s + t[i] * t[49 - i] ** 2, 0.0)

    wanted = wg.grad(lambda t: np.sum(t * t[::-1] ** 2))(table)
    same(wg.grad(f)(table), wanted)
    text = str(wg.simplify(wg.transforms.vjp(wg.trace(f)(table))))
    assert "scatter_add" in text
    assert "<f64[50]>" not in text.split("reverse=True")[1]


def test_integers_in_the_carry_and_promotion_of_the_first_one():
    total, count = wg.fori_loop(0, 3, lambda i, s: (s[0] + 0.5, s[1] + i), (0, 0))
    assert total == 1.5
    assert isinstance(total, np.float64)
    assert count == 3
    assert count.dtype == np.int64
    found = wg.scan(lambda c, x: (c * x, c), np.float32(2.0), np.arange(3.0))
    assert found[0].dtype == np.float64
    assert found[1].dtype == np.float64
    kept = wg.scan(lambda c, x: (c * x, None), np.float32(2.0), np.ones(3, np.float32))[0]
    assert kept.dtype == np.float32
    gradient = wg.grad(lambda x: wg.fori_loop(0, 3, lambda i, y: y * 2, x))(np.float32(1.0))
    assert gradient == 8
    assert gradient.dtype == np.float32
    root = wg.while_loop(lambda c: c < 2, lambda c: c + 1.5, 0)
    assert root == 3.0


def test_complex_numbers():
    f = lambda z: wg.fori_loop(0, 4, lambda i, y: y * y * 0.3 + z, z)

    def g(z: Any) -> Any:
        y = z
        for _ in range(4):
            y = y * y * 0.3 + z
        return y

    z = 0.4 + 0.7j
    same(wg.grad(f, holomorphic=True)(z), wg.grad(g, holomorphic=True)(z))
    size = lambda f: lambda z: np.abs(f(z)) ** 2
    same(wg.grad(size(f))(z), wg.grad(size(g))(z))
    w = lambda z: wg.while_loop(lambda y: np.abs(y) < 3.0, lambda y: y * y + z, z)
    assert np.isfinite(wg.grad(w, holomorphic=True)(z))


def test_nothing_to_do_and_nothing_to_carry():
    c, ys = wg.scan(lambda c, x: (c + x, x**2), 1.0, np.zeros(0))
    assert c == 1.0
    assert ys.shape == (0,)
    assert wg.grad(lambda c: wg.scan(lambda c, x: (c + x, x), c, np.zeros(0))[0])(1.0) == 1.0
    assert wg.scan(lambda c, x: (c, None), (), np.ones(3)) == ((), None)
    assert wg.scan(lambda c, x: ({}, {"y": []}), {}, length=2) == ({}, {"y": []})
    assert wg.fori_loop(5, 2, lambda i, c: c + 1, 1.0) == 1.0
    assert wg.while_loop(lambda c: False, lambda c: c, 2.0) == 2.0
    grad = wg.grad(lambda x: wg.while_loop(lambda c: c < 0, lambda c: c * x, x))(2.0)
    assert grad == 1.0
    with pytest.raises(wg.errors.ShapeError):
        wg.map(lambda x: x, ())


def test_map_and_its_derivative():
    f = lambda x: np.array([np.sin(x[0]) * x[1], x[2]])
    same(wg.map(f, XS), np.stack([f(x) for x in XS]))
    total = lambda xs: np.sum(wg.map(f, xs) ** 2)
    same(wg.grad(total)(XS), wg.grad(lambda xs: np.sum(np.stack([f(x) for x in xs]) ** 2))(XS))


def test_bounds_that_are_not_known():
    f = lambda n, x: wg.fori_loop(0, n, lambda i, y: y * x + i, 1.0)
    found = wg.vmap(wg.grad(f, 1), in_axes=(0, None))(np.array([0, 1, 3, 5]), 2.0)
    wanted = [wg.grad(lambda x: f(n, x))(2.0) for n in (0, 1, 3, 5)]  # noqa: B023
    np.testing.assert_allclose(found, wanted)


def test_values_of_enclosing_traces_are_differentiated():
    f = lambda a: wg.fori_loop(0, 3, lambda i, y: y * a + np.sum(a * START), 1.0)

    def g(a: Any) -> Any:
        y = 1.0
        for _ in range(3):
            y = y * a + np.sum(a * START)
        return y

    for verb in (wg.grad, wg.jacfwd, lambda f: wg.grad(wg.grad(f))):
        same(verb(f)(0.7), verb(g)(0.7))


def test_a_constant_array_may_be_changed_after_the_call():
    table = np.ones(100)
    small = np.ones(2)
    body = lambda i, y, x: y * x * np.asarray(table, like=i)[i] * small[0]
    f = lambda x: wg.fori_loop(0, 3, lambda i, y: body(i, y, x), 1.0)
    program = wg.trace(f)(2.0)
    table[:] = 5.0
    small[:] = 7.0
    assert wg.evaluate(program, [2.0]) == [8.0]


# -- what reverse mode keeps and does --------------------------------------------------------------


def reverse_text(f: Callable[..., Any], *args: Any) -> str:
    return str(wg.simplify(wg.transforms.vjp(wg.trace(f)(*args))).check())


def test_only_what_is_active_has_cotangents():
    def f(x: Any) -> Any:
        step = lambda c, t: ((c[0] * x, c[1] * 0.5 + t, c[2] + 1), c[1])
        return wg.scan(step, (1.0, 2.0, 0), np.arange(3.0))[0][0]

    text = reverse_text(f, 2.0)
    step = text.split("reverse=True")[1].split("return")[0]
    assert "i64" not in step
    assert step.count("*") == 2


def test_a_residual_that_is_the_same_in_each_step_is_computed_once():
    text = reverse_text(lambda x: wg.fori_loop(0, 9, lambda i, y: y / x, 1.0), 2.0)
    assert "1.0 / a" in text
    assert "1.0 / a" not in text.split("reverse=True")[1]


def test_programs_with_loops_print_simplify_and_compare():
    f = lambda x: wg.fori_loop(0, 3, lambda i, y: np.sin(y) * x, 1.0)
    program = wg.trace(f)(2.0)
    assert program == wg.trace(f)(3.0)
    assert hash(program) == hash(wg.trace(f)(3.0))
    assert str(program) == (
        "program(a: f64):\n"
        "    b: f64 = scan([a], [1.0], [[0, 1, 2]], length=3)\n"
        "        step(a: f64, b: f64, c: i64):\n"
        "            d: f64 = sin(b)\n"
        "            e: f64 = d * a\n"
        "            return e\n"
        "    return b"
    )
    simple = wg.simplify(program)
    assert "i64" not in str(simple)
    assert wg.simplify(simple) == simple
    assert wg.evaluate(simple, [2.0])[0] == f(2.0)
    assert "scan" in str(wg.explain(f, 2.0))
    assert "while" in str(wg.explain(lambda x: grow(x, W), START / 9))


def test_dead_results_are_dropped_from_loops():
    def f(x: Any) -> Any:
        step = lambda s: (s[0] * x, np.sin(s[1]), s[2] + s[0])
        return wg.while_loop(lambda s: s[0] < 10.0, step, (x, x, x))[2]

    simple = wg.simplify(wg.trace(f)(2.0))
    assert "sin" in str(wg.trace(f)(2.0))
    assert "sin" not in str(simple)
    assert wg.evaluate(simple, [2.0])[0] == f(2.0)


def test_transforms_of_programs_compose():
    program = wg.trace(lambda a, w: grow(a, w))(START / 9, W)
    batch = np.stack([START / 9, START / 3])
    reverse = wg.transforms.vjp(program)
    mapped = wg.simplify(wg.transforms.vmap(reverse, 2, [True, False, False]))
    _, a_bar, w_bar = wg.evaluate(mapped, [batch, W, np.float64(1.0)])
    for row, a, w in zip(batch, a_bar, w_bar, strict=True):
        same((a, w), wg.grad(grow_in_python, (0, 1))(row, W))
    twice = wg.simplify(wg.transforms.jvp(mapped))
    assert all(np.all(np.isfinite(x)) for x in wg.evaluate(twice, [batch, W, 1.0, batch, W, 0.0]))


def test_what_is_kept_between_calls_does_not_grow_with_the_arrays():
    def grad(n: int) -> Any:
        table = np.linspace(0.0, 1.0, n)
        f = lambda t: wg.fori_loop(1, 3, lambda i, s: s * t[i] + t[0], np.sum(t))
        return wg.grad(f)(table)

    grad(30_000)
    tracemalloc.start()
    for n in range(30_001, 30_041):
        grad(n)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 40 * 100_000


def test_results_that_nothing_reads_are_dropped_at_any_order():
    program = wg.trace(grow)(START / 9, W)
    for _ in range(2):
        program = wg.transforms.vjp(program)
    values = [np.cos(np.arange(1.0, t.size + 1)).reshape(t.shape)[()] for t in program.input_types]
    values[:2] = START / 9, W
    wanted = wg.evaluate(program, values)
    for place, output in enumerate(program.outputs):
        part = wg.Program(program.inputs, program.equations, (output,))
        simple = wg.simplify(part)
        assert len(str(simple)) < len(str(part))
        same(wg.evaluate(simple, values)[0], wanted[place])


def test_programs_with_loops_can_be_pickled():
    program = wg.simplify(wg.transforms.vjp(wg.trace(grow)(START / 9, W)))
    again = pickle.loads(pickle.dumps(program))
    assert again == program
    values = [START / 9, W, np.float64(1.0)]
    same(wg.evaluate(again, values), wg.evaluate(program, values))


def test_derivatives_give_no_warnings_of_their_own():
    root = lambda x: wg.fori_loop(0, 1, lambda i, y: np.sqrt(y), x)
    far = lambda x: wg.while_loop(lambda s: s[1] < 1, lambda s: (np.sqrt(s[0]), s[1] + 1), (x, 0))[
        0
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for f in (root, far):
            assert wg.grad(f)(0.0) == np.inf
            assert wg.jvp(f, (0.0,), (1.0,)) == (0.0, np.inf)
            assert wg.grad(wg.grad(f))(0.0) == -np.inf


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int32, np.complex64])
def test_python_numbers_stay_weak_under_jit(kind):
    table = np.ones(2, kind)

    def f(t: Any, n: int, x: Any) -> Any:
        y = wg.fori_loop(0, n, lambda i, c: c * t + n, x)
        y = y + wg.fori_loop(0, 2, lambda i, c: np.sum(t * table), table[0])
        return wg.cond(t > 1, lambda: y * t, lambda: y)

    x = np.ones(2, kind)
    g = wg.jit(f, wait=True)
    for t, n in ((2, 3), (3, 3), (2, 1)):
        for number in (t, float(t)):
            wanted = f(number, n, x)
            for _ in range(2):
                same(g(number, n, x), wanted)


def _line_search(start):
    def loss(x):
        return (x - 1.0) ** 4 + x**2

    def slope(x):
        return 4 * (x - 1.0) ** 3 + 2 * x

    def body(x):
        def too_far(t):
            return loss(x - t * slope(x)) > loss(x) - 0.3 * t * slope(x) ** 2

        return x - wg.while_loop(too_far, lambda t: 0.5 * t, 1.5 + 0 * x) * slope(x)

    return wg.while_loop(lambda x: np.abs(slope(x)) > 1e-3, body, start) * start


def test_a_batch_ends_when_a_loop_in_the_step_would_not_end_for_an_element_that_is_done():
    starts = np.array([0.4102, 1.0, 3.0, -1.0])
    for f in (_line_search, wg.grad(_line_search), wg.hessian(_line_search)):
        one_by_one = np.array([f(start) for start in starts])
        np.testing.assert_allclose(wg.vmap(f)(starts), one_by_one, rtol=1e-10)
    compiled = wg.jit(wg.vmap(wg.grad(_line_search)), wait=True)(starts)
    np.testing.assert_allclose(compiled, wg.vmap(wg.grad(_line_search))(starts), rtol=1e-10)


def test_an_element_that_is_done_is_not_searched_from_again():
    """At 1.0 no step is better than none, and the search for one would go on for ever."""

    def descend(x):
        def body(x):
            down = 2 * (x - 1.0)
            worse = lambda t: (x - t * down - 1.0) ** 2 >= (x - 1.0) ** 2
            return x - wg.while_loop(worse, lambda t: 0.5 * t, 1.5) * down

        return wg.while_loop(lambda x: abs(x - 1.0) > 1e-6, body, x)

    found = wg.vmap(descend)(np.array([1.0, 3.0]))
    np.testing.assert_allclose(found, [1.0, 1.0], atol=1e-6)


def test_a_carry_that_is_an_array_without_axes_is_assigned_into() -> None:
    def step(c: Any, v: Any) -> Any:
        c[...] += v
        c *= 2.0
        return c

    def plain(a: Any, v: Any) -> Any:
        c = np.array(a, copy=True)
        for _ in range(3):
            c = step(c, v)
        return c

    def counted(a: Any, v: Any) -> Any:
        return wg.fori_loop(0, 3, lambda i, c: step(c, v), a)

    def scanned(a: Any, v: Any) -> Any:
        return wg.scan(lambda c, x: (step(c, x), None), a, np.stack([v, v, v]))[0]

    def whiled(a: Any, v: Any) -> Any:
        def more(state: Any) -> Any:
            return state["n"] < 3

        def body(state: Any) -> Any:
            return {"c": step(state["c"], v), "n": state["n"] + 1}

        return wg.while_loop(more, body, {"c": a, "n": 0})["c"]

    a, v = np.array(1.5), np.float64(0.25)
    for loop in (counted, scanned, whiled):
        assert loop(a, v) == plain(a, v)
        assert a == 1.5
        assert wg.grad(loop, argnums=(0, 1))(a, v) == (8.0, 14.0)
        assert wg.jvp(loop, (a, v), (a, v)) == (plain(a, v), 8.0 * 1.5 + 14.0 * 0.25)
        assert wg.jit(loop)(a, v) == plain(a, v)
        batch = wg.vmap(lambda a, loop=loop: loop(np.copy(a), v))(np.array([1.5, 2.5]))
        assert batch.tolist() == [plain(1.5, v), plain(2.5, v)]
