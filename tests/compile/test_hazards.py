"""Functions made to go wrong: memory is reused, written in place, or read in another order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from agreement import agree, named, written

import wengert as wg
from wengert.compile import build
from wengert.evaluate import evaluate

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

rng = np.random.default_rng(0)
LONG, OTHER, SHORT, SIX = rng.random(1000), rng.random(1000), rng.random(5), np.arange(6.0)
SQUARE, SQUARE_2 = rng.random((2, 40, 40))
STACK = np.stack([LONG, 2 * LONG, 3 * LONG])


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_CACHE", "0")


# -- carries ---------------------------------------------------------------------------------------

PAIRS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "swapped": lambda a, b, x: ((b, a), a[0]),
    "Fibonacci": lambda a, b, x: ((b, a + 0.5 * b), b),
    "one twice": lambda a, b, x: ((a, a), b),
    "one result twice": lambda a, b, x: ((2 * a, 2 * a), b),
    "constant": lambda a, b, x: ((a + 1, np.ones(a.shape)), b),
    "never changed": lambda a, b, x: ((a + b, b), a + b),
    "backwards": lambda a, b, x: ((a[::-1], b[::-1] + a), b[::-1]),
    "rotated": lambda a, b, x: ((np.concatenate([a[1:], a[:1]]), b), a[::-1]),
    "written in place": lambda a, b, x: ((written(a, (0, a[1] + x), (3, b[1])), b), a[3]),
    "both written": lambda a, b, x: (
        (written(b, (2, a[3] + x)), written(a, (0, b[1]), (4, b[2]))),
        (a, b),
    ),
    "shifted in itself": lambda a, b, x: ((written(a, (slice(1, None), a[:-1])), b), a),
    "reversed in itself": lambda a, b, x: ((written(a, (slice(None, None, -1), a)), b), None),
    "permuted in itself": lambda a, b, x: (
        (written(a, ([3, 2, 1], a[np.array([1, 2, 3])]), (4, np.sum(a))), b),
        a[3],
    ),
    "by a condition": lambda a, b, x: (
        wg.cond(x > 2, lambda a, b: (b, a), lambda a, b: (a[::-1], a), a, b),
        a,
    ),
    "with a loop inside": lambda a, b, x: (
        (wg.while_loop(lambda z: np.sum(z) < 50 * x, lambda z: 1.5 * z + 1, a), a),
        np.sum(b),
    ),
}


@named(PAIRS)
@pytest.mark.parametrize("length", [5, 1000])
@pytest.mark.parametrize("reverse", [False, True])
def test_carries_do_not_overwrite_each_other(case: Any, length: int, reverse: bool) -> None:
    def f(a: Any, b: Any) -> Any:
        return wg.scan(lambda c, x: case(*c, x), (a, b), SIX, reverse=reverse)

    agree(f, LONG[:length], OTHER[:length])


MATRICES: dict[str, Callable[..., Any]] = {
    "transposed": lambda a, b: ((b.T, a + b), a),
    "its own transpose": lambda a, b: ((a.T, b), a),
    "sum with the transpose": lambda a, b: ((a.T + a, b - a.T), a.T),
    "in another shape": lambda a, b: ((a.reshape(20, 80).T.reshape(40, 40), b), a[0]),
    "rows and columns": lambda a, b: ((written(a, ((slice(None), 0), a[0]), (1, a[:, 1])), b), a.T),
    "products": lambda a, b: ((0.05 * a @ b.T, 0.05 * b.T @ a), a @ b[0]),
}


@named(MATRICES)
def test_carried_matrices_do_not_overwrite_each_other(case: Any) -> None:
    agree(lambda a, b: wg.scan(lambda c, _: case(*c), (a, b), None, 4), SQUARE, SQUARE_2)


@pytest.mark.parametrize("which", [-5, 0, 1, 2, 3, 9])
@pytest.mark.parametrize("length", [5, 1000])
def test_branches_may_return_their_operands(which: int, length: int) -> None:
    branches = [
        lambda x, y: (x, y),
        lambda x, y: (y, x),
        lambda x, y: (x, x),
        lambda x, y: (np.ones(x.shape), x[::-1]),
    ]
    x, y = LONG[:length], OTHER[:length]
    agree(lambda x, y, i: wg.switch(i, branches, x, y), x, y, np.int64(which))
    agree(lambda x, y, i: wg.switch(i, branches, y, x)[1] + x, x, y, np.int64(which))


BODIES: dict[str, Callable[[Any], Any]] = {
    "scan": lambda c: wg.scan(lambda c, _: (np.sin(c) * c[0], np.sum(c[3:7])), c, None, 4),
    "cond": lambda c: wg.cond(np.sum(c) > 3, lambda c: c * c[0] + c[1], lambda c: c * c[2], c),
    "while": lambda c: wg.while_loop(lambda c: c[0] < 9, lambda c: 1.3 * c + c[1], c),
}


@named(BODIES)
def test_one_body_may_stand_in_a_program_twice(case: Any) -> None:
    body = wg.trace(case)(LONG)
    agree(lambda x, y: (*evaluate(body, [x]), *evaluate(body, [y])), LONG, OTHER)


WHILES: dict[str, Callable[[Any], Any]] = {
    "steps": lambda a: wg.while_loop(
        lambda z: z[1] < 5, lambda z: (np.sin(z[0]) * z[0][::-1], z[1] + 1), (a, 0)
    )[0],
    "no step": lambda a: wg.while_loop(
        lambda z: z[1] < 0, lambda z: (np.sin(z[0]) * z[0][::-1], z[1] + 1), (a, 0)
    )[0],
    "checkpoints": lambda a: wg.while_loop(
        lambda z: z[1] < 9,
        lambda z: (np.sin(z[0]) * z[0][::-1], z[1] + 1),
        (a, 0),
        checkpoints=3,
    )[0],
    "within a scan": lambda a: wg.scan(
        lambda c, x: (
            wg.while_loop(
                lambda z: z[1] < x, lambda z: (np.sin(z[0]) * z[0][::-1], z[1] + 1), (c, 0.0)
            )[0],
            c,
        ),
        a,
        SIX,
    )[1],
    "around a scan": lambda a: wg.while_loop(
        lambda z: z[1] < 3,
        lambda z: (
            wg.scan(lambda c, x: (np.cos(0.5 * c) - c[::-1] * x / 9, None), z[0], SIX)[0],
            z[1] + 1,
        ),
        (a, 0),
    )[0],
}


@named(WHILES)
def test_gradients_of_loops(case: Any) -> None:
    agree(wg.grad(lambda a: np.sum(np.sin(case(a)))), LONG)


# -- straight code ---------------------------------------------------------------------------------


def two_versions(x: Any) -> Any:
    y = np.cumsum(x)
    z = written(y, (3, 7.0))
    w = written(z, (5, z[3] + y[3]))
    return w, np.sum(y[::-1] * w)


def written_view(x: Any) -> Any:
    y = np.cumsum(x)
    z = written(y.reshape(10, 100), (3, y[:100]))
    return z.T @ z, y


def two_copies(x: Any) -> Any:
    y = np.exp(x)
    a, b = written(y, (2, 0.0)), written(y, (3, 1.0))
    return a + b, a * b


def crossing(x: Any) -> Any:
    y = np.exp(x) * x
    z = y[::-1] * y + np.sin(y)
    w = z[::-1] + y
    return y, z, w, np.sum(w), np.sum(w[::-1] * z)


def crossing_matrices(A: Any) -> Any:
    y = A * 2
    u = y / np.sum(y, axis=0)
    v = u - u.T
    w = v + np.max(v, axis=1, keepdims=True)
    return w, w[::-1] * w, np.sum(w[::-1] - w.T)


STRAIGHT: dict[str, tuple[Any, ...]] = {
    "two versions": (two_versions, LONG),
    "a view, written": (written_view, LONG),
    "two copies": (two_copies, LONG),
    "reversed reads": (crossing, LONG),
    "transposed reads": (crossing_matrices, SQUARE),
    "results that are inputs": (
        lambda x, y: (
            x,
            x,
            x[::-1],
            x.reshape(10, 100).T,
            y,
            1.0,
            3,
            np.arange(4),
            np.zeros((0, 3)),
        ),
        LONG,
        np.float64(2),
    ),
    "an input that nothing reads": (lambda x, y: (y,), LONG, np.float64(2)),
    "a transpose in another shape": (
        lambda A: ((A.T).reshape(-1) * 2, (A + 1).T.reshape(-1)[::-1], A.T.reshape(80, 20) + 1),
        SQUARE,
    ),
    "columns": (
        lambda A, x: (A * x[:, None] + x, (A * x[:, None]).sum(0), (A + x[:, None]).T @ (A - x)),
        SQUARE,
        LONG[:40],
    ),
    "a new axis, added to": (
        lambda a, b: (a + np.sum(b[:, None, :] * np.ones((10, 1, 7)), axis=1)).reshape(2, 5, 7),
        LONG[:70].reshape(10, 7),
        OTHER[:70].reshape(10, 7),
    ),
    "indices of indices": (
        lambda x, j: x[j][j % 5] + x[j[::-1]][::-1][j % 5],
        LONG,
        rng.integers(-1000, 1000, 50),
    ),
    "small integers": (
        lambda k: (k * k, np.sum(k), k // 3, np.maximum(k, 0), k / 3, np.prod(k[:5])),
        rng.integers(-128, 127, 70).astype(np.int8),
    ),
    "integers that overflow": (
        lambda k: (k * k * k, np.sum(k * 10**15), np.cumsum(k), k // 7, k % -7, np.abs(k)),
        rng.integers(-(2**62), 2**62, 70),
    ),
    "half precision": (
        lambda k: (k * k, np.sum(k), k[::-1], k.astype(float)),
        rng.random(70).astype(np.float16),
    ),
    "complex numbers": (
        lambda z: (
            *(z * z, np.abs(z), z[::-1], z.reshape(7, 10).T, np.concatenate([z, z]), np.sum(z)),
            *(z.real.sum(), np.stack([z, z])[:, ::2], np.pad(z, 2), np.cumsum(z), z @ z, 2j),
        ),
        rng.random(70) + 1j * rng.random(70),
    ),
    "complex numbers in a loop": (
        lambda z: wg.scan(lambda c, x: (c * x, c), 1j + 0 * z[0], z),
        rng.random(7) + 1j * rng.random(7),
    ),
    "products without terms": (lambda x, y: (x @ y, y @ x), np.zeros((4, 0)), np.zeros((0, 4))),
    "sums of truth values": (
        lambda p, q: (np.einsum("i,i", p, q), p.reshape(7, 10) @ q[:10], np.sum(p)),
        LONG[:70] > 0.4,
        OTHER[:70] > 0.4,
    ),
}


@named(STRAIGHT)
def test_straight_code(case: Any) -> None:
    agree(*case)


@pytest.mark.parametrize("n", [1023, 1024, 1025, 2047, 2048, 2049, 2050, 3073, 5000])
def test_sums_in_blocks(n: int) -> None:
    x = np.random.default_rng(n).standard_normal(n)
    agree(
        lambda x: (
            np.sum(x),
            np.sum(np.exp(x) * x),
            np.max(x),
            np.prod(1 + 1e-3 * x),
            np.any(x > 3),
        ),
        x,
    )
    agree(
        lambda x: (np.sum(x, axis=0), np.sum(x, axis=1), np.sum(x), np.max(x, axis=1)),
        np.random.default_rng(n).standard_normal((2, n, 3)),
    )


@pytest.mark.parametrize(
    "shape", [(40, 1), (1, 40), (1, 1), (0, 40), (40, 0), (1, 40, 1), (3, 1, 40), (40, 3, 0), (1,)]
)
def test_extents_of_none_and_one(shape: tuple[int, ...]) -> None:
    def f(x: Any) -> Any:
        return (
            *(np.sum(x, axis=0), np.sum(x, axis=-1), np.sum(x), x.T * 2, x + x, np.cumsum(x, 0)),
            *(np.exp(x).reshape(-1)[::-1], np.concatenate([x, x], axis=0), np.sort(x, axis=-1)),
            *((x.T @ x, x @ x.T) if x.ndim == 2 else ()),
        )

    agree(f, np.random.default_rng(0).standard_normal(shape))


def test_many_small_arrays_do_not_exhaust_the_stack() -> None:
    def f(x: Any) -> Any:
        for k in range(200):
            x = np.cumsum(x)[::-1] * 0.02 + k
        return x

    native = build(wg.trace(f)(LONG[:120]))
    allocated = [line for line in native.ir.splitlines() if "alloca [" in line]
    assert sum(int(line.split("[")[1].split(" ")[0]) for line in allocated) <= 1 << 17
    np.testing.assert_allclose(native.run([LONG[:120]])[0], f(LONG[:120]), rtol=1e-10)
