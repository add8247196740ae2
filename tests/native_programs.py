"""Random NumPy functions of a growing list of arrays, for compiled code to be compared on.

A function is a seed and a number of steps; one of fewer steps begins in the same way, so that a
failure shrinks. What is chosen depends on shapes and dtypes alone, never on values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import wengert as wg
from wengert.program import Program

SHAPES: list[tuple[int, ...]] = [
    *[(), (3,), (40,), (1000,), (40, 3), (3, 40), (30, 30), (2, 5, 7), (3, 4, 17)],
    *[(1,), (0,), (0, 3), (1, 40), (40, 1), (4, 1, 6), (3, 3), (2100,), (33, 2)],
]
LARGEST = 20_000

Step = Callable[["Steps"], Any]
STEPS: list[Step] = []
LOOPS: list[Step] = []


def step(f: Step) -> Step:
    """Decorator: a step that ``Steps`` may take."""
    STEPS.append(f)
    return f


def loop(f: Step) -> Step:
    """Decorator: a step with a function inside."""
    LOOPS.append(f)
    return f


class Impossible(Exception):  # noqa: N818 - a choice that is taken back, not a fault
    """There is no value that this step could be taken with."""


class Steps:
    """One run: the values so far, and the choices."""

    def __init__(self, seed: Any, values: Sequence[Any], depth: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.values = list(values)
        self.depth = depth

    def run(self, count: int, loops: float = 0.0) -> None:
        """Take ``count`` steps; each is one with a function inside with probability ``loops``."""
        for _ in range(count):
            known = len(self.values)
            seed = self.integer(1 << 30)
            self.rng, after = np.random.default_rng(seed), self.rng
            table = LOOPS if self.rng.random() < loops else STEPS
            for _ in range(20):
                made = table[self.integer(len(table))]
                try:
                    value = made(self)
                except Impossible:
                    continue
                self.values.append(value)
                break
            self.rng = after
            assert len(self.values) <= known + 1

    def integer(self, n: int) -> int:
        return int(self.rng.integers(n))

    def of(self, *choices: Any) -> Any:
        return choices[self.integer(len(choices))]

    def pick(self, allowed: Callable[[Any], bool] = lambda x: True) -> Any:
        """One of the values, the later the likelier."""
        found = [x for x in self.values if allowed(x)]
        if not found:
            raise Impossible
        at = len(found) - 1 - min(int(self.rng.exponential(len(found) / 2)), len(found) - 1)
        return found[at]

    def floats(self, allowed: Callable[[Any], bool] = lambda x: True) -> Any:
        return self.pick(lambda x: x.dtype == np.float64 and allowed(x))

    def arrays(self, rank: int = 1) -> Any:
        return self.floats(lambda x: x.ndim >= rank and x.size > 0)

    def axis(self, x: Any) -> int:
        return self.integer(x.ndim)

    def constant(self, shape: tuple[int, ...]) -> Any:
        """Numbers that sums of are exact, of both signs, with ties."""
        return self.rng.integers(-8, 9, shape) / 4

    def indices(self, length: int, count: Any, *, unique: bool = False) -> Any:
        if unique:
            found = self.rng.permutation(length)[:count]
        else:
            found = self.rng.integers(length, size=count)
        return found - length * (self.rng.random(np.shape(found)) < 0.3)


def tamed(x: Any) -> Any:
    """Values of moderate size."""
    return x / (1.0 + np.mean(np.abs(x))) if x.size else x


def limited(x: Any) -> Any:
    if np.size(x) > LARGEST or np.ndim(x) > 4:
        raise Impossible
    return x


UNARY = [
    *(np.sin, np.tanh, np.exp2, np.negative, np.abs, np.square, np.floor, np.sign, np.cosh),
    lambda x: np.exp(-x * x),
    lambda x: np.log(1.5 + x * x),
    lambda x: np.sqrt(0.25 + x * x),
    lambda x: np.log1p(np.abs(x)),
    lambda x: 1 / (2.0 + np.cos(x)),
    lambda x: (0.5 * x) ** 3,
    lambda x: np.clip(x, -0.5, 1.0),
    lambda x: 2.0 - x,
    lambda x: np.where(x > 0, x, 0.5 * x),
    lambda x: x.astype(np.float32).astype(np.float64),
]
BINARY = [
    *(np.add, np.subtract, np.multiply, np.maximum, np.minimum, np.hypot, np.arctan2, np.fmax),
    lambda x, y: x / (1.0 + y * y),
    lambda x, y: np.where(x < y, x, y * 2.0),
    lambda x, y: (x >= y) * x,
    lambda x, y: np.logaddexp(x, y),
]


@step
def unary(s: Steps) -> Any:
    return s.of(*UNARY)(tamed(s.floats()))


@step
def binary(s: Steps) -> Any:
    x = s.floats()
    y = s.floats(lambda y: meets(x, y))
    return limited(s.of(*BINARY)(x, y))


def meets(x: Any, y: Any) -> bool:
    """Whether two arrays broadcast together, into something that is not too large."""
    try:
        shape = np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        return False
    return int(np.prod(shape)) <= LARGEST


@step
def with_constant(s: Steps) -> Any:
    x = s.floats()
    c = s.of(1.5, np.float64(-0.25), s.constant(x.shape), s.constant(x.shape[-1:]))
    return s.of(np.add, np.multiply, np.maximum)(x, c)


@step
def reduction(s: Steps) -> Any:
    x = s.arrays()
    axes = tuple(sorted(s.rng.permutation(x.ndim)[: 1 + s.integer(x.ndim)].tolist()))
    f = s.of(np.sum, np.max, np.min, np.mean, np.sum, np.prod)
    x = tamed(x) if f is not np.prod else np.cos(tamed(x) * 0.1)
    keep = bool(s.integer(2))
    return f(x, axis=s.of(None, axes, axes[0]), keepdims=keep)


@step
def normalised(s: Steps) -> Any:
    x = s.arrays()
    axis = s.of(None, s.axis(x))
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return s.of(e / np.sum(e, axis=axis, keepdims=True), x - np.mean(x, axis=axis, keepdims=True))


@step
def sliced(s: Steps) -> Any:
    x = s.arrays()
    items: list[Any] = []
    for n in x.shape[: 1 + s.integer(x.ndim)]:
        a, b = sorted((s.integer(n + 1), s.integer(n + 1)))
        items.append(
            s.of(
                slice(None),
                slice(a, b),
                slice(None, None, -1),
                slice(None, None, 2),
                slice(n - 1, None, -2),
                slice(1, None),
                slice(None, -1),
                s.integer(n),
                -1 - s.integer(n),
            )
        )
    if s.integer(6) == 0:
        items.insert(s.integer(len(items) + 1), None)
    return limited(x[tuple(items)])


@step
def differences(s: Steps) -> Any:
    x = s.arrays()
    return s.of(
        lambda: x[1:] - x[:-1],
        lambda: x[::-1] * x,
        lambda: x[..., ::-1] + x,
        lambda: x[..., 1:] * x[..., :-1],
        lambda: x - x[::-1],
    )()


@step
def reshaped(s: Steps) -> Any:
    x = s.pick(lambda x: x.size > 0)
    n = int(x.size)
    divisors = [d for d in range(1, min(n, 60) + 1) if n % d == 0]
    d = divisors[s.integer(len(divisors))]
    return x.reshape(s.of((d, n // d), (n // d, d), (n,), (d, 1, n // d), (1, n)))


@step
def transposed(s: Steps) -> Any:
    x = s.floats(lambda x: x.ndim >= 2)
    return x.transpose(s.rng.permutation(x.ndim).tolist())


@step
def symmetric(s: Steps) -> Any:
    x = s.floats(lambda x: x.ndim == 2 and x.shape[0] == x.shape[1])
    return s.of(x + x.T, x * x.T, x @ x.T * 0.1, np.triu(x), np.diag(x), np.trace(x))


@step
def joined(s: Steps) -> Any:
    x = s.floats(lambda x: x.ndim >= 1)
    axis = s.axis(x)
    rest = x.shape[:axis] + x.shape[axis + 1 :]
    y = s.floats(lambda y: y.ndim == x.ndim and y.shape[:axis] + y.shape[axis + 1 :] == rest)
    return limited(np.concatenate(s.of([x, y], [x, y, x], [y, s.constant(x.shape)]), axis=axis))


@step
def stacked(s: Steps) -> Any:
    x = s.floats()
    y = s.floats(lambda y: y.shape == x.shape)
    return limited(np.stack([x, y, x * 0.5][: 2 + s.integer(2)], axis=s.integer(x.ndim + 1)))


@step
def padded(s: Steps) -> Any:
    x = s.floats(lambda x: x.ndim >= 1)
    return limited(np.pad(x, [(s.integer(3), s.integer(3)) for _ in x.shape]))


@step
def rolled(s: Steps) -> Any:
    x = s.arrays()
    return s.of(np.roll(x, s.integer(5), axis=s.axis(x)), np.flip(x, s.axis(x)), np.tile(x, 2))


@step
def gathered(s: Steps) -> Any:
    x = s.arrays()
    axis = s.axis(x)
    i = s.indices(x.shape[axis], s.of((5,), (60,), (3, 4), ()))
    return (
        limited(np.take(x, i, axis=axis))
        if s.integer(2)
        else limited(x[(slice(None),) * axis + (i,)])
    )


@step
def gathered_pairs(s: Steps) -> Any:
    x = s.arrays(2)
    i, j = s.indices(x.shape[0], 50), s.indices(x.shape[1], 50)
    return limited(x[i, j])


@step
def gathered_by_values(s: Steps) -> Any:
    x = s.arrays()
    i = s.pick(lambda i: i.dtype == np.int64 and i.size <= 100)
    return limited(x[i % x.shape[0]] if s.integer(2) else x[i % x.shape[0] - x.shape[0]])


@step
def assigned(s: Steps) -> Any:
    x = s.arrays().copy()
    n = x.shape[0]
    a, b = sorted((s.integer(n + 1), s.integer(n + 1)))
    v = s.floats(lambda v: v.ndim == 0)
    w = s.floats(lambda w: w.shape == x.shape)
    kind = s.integer(10)
    if kind == 0:
        x[s.integer(n)] = v
    elif kind == 1:
        x[a:b] += w[a:b]
    elif kind == 2:
        x[::2] *= v
    elif kind == 3:
        x[::-1] = w
    elif kind == 4:
        x[1:] += x[:-1]
    elif kind == 5:
        x[..., -1] = x[..., 0] + v
    elif kind == 6:
        x[s.indices(n, min(n, 7), unique=True)] = w[: min(n, 7)]
    elif kind == 7:
        np.add.at(x, s.indices(n, 50), v)
    elif kind == 8:
        x[a:b] = 0.0
        x[0] -= v
    else:
        x[x > 0.5] = 0.25
    return x


@step
def scattered(s: Steps) -> Any:
    x = s.arrays()
    n = 1 + s.integer(45)
    i = s.indices(n, x.shape[0])
    y = np.zeros((n, *x.shape[1:]))
    y = y + 0 * x.sum()
    np.add.at(y, i, x)
    return limited(y)


@step
def multiplied(s: Steps) -> Any:
    x = s.arrays()
    if x.size > 3000:
        raise Impossible
    y = s.floats(
        lambda y: (
            y.ndim >= 1
            and 0 < y.size <= 3000
            and y.shape[max(0, y.ndim - 2)] == x.shape[-1]
            and meets(np.empty(x.shape[:-2]), np.empty(y.shape[:-2]))
        )
    )
    return limited(tamed(x) @ y)


@step
def multiplied_by_constant(s: Steps) -> Any:
    x = s.arrays()
    c = s.constant((x.shape[-1], s.of(1, 3, 8, 40)))
    return limited(tamed(x) @ c)


@step
def transposed_product(s: Steps) -> Any:
    x = s.arrays(2)
    if x.size > 3000:
        raise Impossible
    t = np.swapaxes(x, -1, -2)
    return limited(s.of(t @ tamed(x), tamed(x) @ t, tamed(x[..., 0:1]) @ t[..., 0:1, :]))


@step
def contracted(s: Steps) -> Any:
    x = tamed(s.arrays(2))
    if x.ndim > 3 or x.size > 3000:
        raise Impossible
    y = s.floats(lambda y: y.ndim == 1 and y.shape[0] == x.shape[-1])
    letters = "abc"[: x.ndim]
    last = letters[-1]
    return limited(
        np.einsum(
            s.of(
                f"{letters},{last}->{letters[:-1]}",
                f"{letters},{last}->{letters}",
                f"{letters},{last}->{letters[::-1]}",
                f"{letters},{last}->",
                f"{letters},{last}->{last}",
            ),
            x,
            y,
        )
    )


@step
def outer(s: Steps) -> Any:
    x, y = (s.floats(lambda x: x.ndim == 1 and 0 < x.shape[0] <= 100) for _ in range(2))
    return s.of(np.outer(x, y), x[:, None] - y, np.subtract.outer(x, y) ** 2)


@step
def running(s: Steps) -> Any:
    x = tamed(s.arrays())
    axis = s.axis(x)
    return s.of(
        np.cumsum(x, axis=axis),
        np.cumsum(x[::-1], axis=axis)[::-1],
        np.cumprod(np.cos(0.1 * x), axis=axis),
    )


@step
def ordered(s: Steps) -> Any:
    x = s.arrays()
    return np.sort(x, axis=s.axis(x)) if s.integer(2) else np.sort(x, axis=-1)[..., ::-1] * x


@step
def ties(s: Steps) -> Any:
    x = np.round(s.arrays())
    axis = s.axis(x)
    return s.of(np.max(x, axis=axis), np.min(x, axis=axis, keepdims=True) + x, np.maximum(x, 0.0))


@step
def places(s: Steps) -> Any:
    x = s.arrays()
    return s.of(np.argmax, np.argmin)(x, axis=s.axis(x))


@step
def integers(s: Steps) -> Any:
    i = s.pick(lambda i: i.dtype.kind == "i")
    return s.of(
        lambda: i * 2 - 1,
        lambda: i // 3 + i % 3,
        lambda: -i,
        lambda: np.maximum(i, 2),
        lambda: i.astype(np.float64) * 0.25,
        lambda: np.sum(i),
        lambda: np.abs(i) + np.int64(3),
        lambda: i.astype(np.int32),
        lambda: np.clip(i, -3, 3),
    )()


@step
def truths(s: Steps) -> Any:
    x = s.floats()
    return s.of(
        lambda: x > 0.1,
        lambda: np.isfinite(x) & (x < 1),
        lambda: np.any(x > 1.0),
        lambda: np.sum(x > 0.25),
        lambda: np.count_nonzero(x),
        lambda: ~(x == 0.0),
        lambda: np.where(x > 0.1, 1, 2),
    )()


@step
def chosen(s: Steps) -> Any:
    p = s.pick(lambda p: p.dtype.kind == "b")
    x = s.floats(lambda x: meets(x, p))
    return limited(s.of(np.where(p, x, 0.5), np.where(p, 0.0, x * x), x * p))


@step
def single(s: Steps) -> Any:
    x = s.pick(lambda x: x.dtype == np.float32)
    return s.of(
        lambda: x * np.float32(0.5) + 1,
        lambda: np.sin(x),
        lambda: np.sum(x),
        lambda: x.astype(np.float64),
        lambda: x[::-1] if x.ndim else x,
        lambda: np.sum(x, axis=0) if x.ndim else x + x,
        lambda: np.exp(-x * x),
        lambda: x + 1e-3,
    )()


@step
def to_single(s: Steps) -> Any:
    return s.floats().astype(np.float32)


@step
def variance(s: Steps) -> Any:
    x = s.arrays()
    return s.of(np.var, np.std)(x + s.constant(x.shape) * 0.125, axis=s.axis(x)) + 0.0 * np.sum(x)


@step
def norms(s: Steps) -> Any:
    x = s.arrays(2)
    y = x.reshape(-1, x.shape[-1])
    if y.shape[0] > 40:
        y = y[:: y.shape[0] // 20]
    return limited(np.sum((y[:, None, :] - y[None, :, :] * 0.5) ** 2, axis=-1))


# -- with functions inside -------------------------------------------------------------------------


def inside(s: Steps, values: Sequence[Any], seed: int, count: int = 3) -> Any:
    """The values of a function of some values, for the body of a loop."""
    inner = Steps(seed, values, s.depth + 1)
    inner.run(count, 0.15 if s.depth < 1 else 0.0)
    return inner


def mixed(c: Any, values: Sequence[Any]) -> Any:
    """An array like ``c`` that depends on it and on the other values."""
    last = [v for v in values if v.dtype == np.float64 and v.size]
    for v in last[-2:]:
        c = 0.5 * c + (0.25 * v if v.shape == c.shape else 0.1 * np.tanh(np.mean(v)))
    return np.sin(c)


def small(s: Steps) -> Any:
    return s.floats(lambda x: 0 < x.size <= 1000)


@loop
def scanned(s: Steps) -> Any:
    a, b, captured = small(s), small(s), small(s)
    length = s.of(0, 1, 2, 5)
    xs = s.of(None, np.arange(length) * 0.5, s.constant((length, *a.shape)))
    seed, kind, reverse = s.integer(1 << 30), s.integer(7), bool(s.integer(2))
    out = s.integer(4)

    def body(carry: Any, x: Any) -> Any:
        c, d, k = carry
        given = [c, d, captured] if x is None else [c, d, captured, x]
        inner = inside(s, given, seed)
        c_new, d_new = mixed(c, inner.values[2:]), mixed(d, inner.values[-2:])
        if kind == 0 and c.shape == d.shape:
            c_new, d_new = d, c
        elif kind == 1:
            d_new = d
        elif kind == 2:
            c_new = c.copy()
            if c.ndim:
                c_new[0] = np.mean(d)
                c_new[-1] += np.sum(c) * 0.1
        elif kind == 3 and c.shape == d.shape:
            c_new, d_new = c + 0.5 * d, c
        elif kind == 4:
            d_new = d[::-1] if d.ndim else -d
        elif kind == 5 and c.ndim:
            c_new = np.concatenate([c[1:], c[:1]])
        y = (c, c_new, inner.values[-1], d if x is None else x)[out]
        return (c_new, d_new, k + 1), (y, np.float64(0.5), k)

    (c, d, k), (y, half, ks) = wg.scan(
        body, (a, b, np.int64(0)), xs, length=length, reverse=reverse
    )
    return (
        s.of(c, d, y, np.sum(c) + np.sum(d) + np.sum(half), ks if out else k)
        if np.size(y) <= LARGEST
        else c
    )


@loop
def branched(s: Steps) -> Any:
    x, y, z = small(s), small(s), small(s)
    seeds = [s.integer(1 << 30) for _ in range(3)]

    def branch(seed: int) -> Any:
        def f(x: Any, y: Any) -> Any:
            inner = inside(s, [x, y, z], seed)
            return mixed(x, inner.values[2:]), y

        return f

    swapped = s.of(lambda x, y: (x, y), lambda x, y: (x * 0 + 1.0, -y))
    if x.shape == y.shape:
        swapped = lambda x, y: (y, x)  # noqa: E731
    if s.integer(2):
        r = wg.cond(np.sum(x) > np.sum(y), branch(seeds[0]), swapped, x, y)
    else:
        which = s.of(-1, 0, 1, 2, 7)
        r = wg.switch(which, [branch(seeds[0]), swapped, branch(seeds[1])], x, y)
    return r[s.integer(2)]


@loop
def repeated(s: Steps) -> Any:
    x, y = small(s), small(s)
    seed, n = s.integer(1 << 30), s.integer(5)

    def body(state: Any) -> Any:
        i, c = state
        return i + 1, mixed(c, inside(s, [c, y], seed).values[1:])

    i, c = wg.while_loop(lambda state: state[0] < n, body, (np.int64(0), x))
    return s.of(c, c, np.float64(1.0) * i)


@loop
def mapped(s: Steps) -> Any:
    x = s.floats(lambda x: x.ndim >= 1 and 0 < x.size <= 1000 and x.shape[0] <= 50)
    y = small(s)
    seed = s.integer(1 << 30)
    return limited(wg.map(lambda row: mixed(row, inside(s, [row, y], seed).values[2:]), x))


# -- functions -------------------------------------------------------------------------------------


def arguments(seed: int) -> list[Any]:
    """Inputs of mixed shapes and dtypes for the function of a seed."""
    rng = np.random.default_rng([seed, 1])
    shapes = [SHAPES[i] for i in rng.integers(len(SHAPES), size=3)]
    values: list[Any] = []
    for n, shape in enumerate([*shapes, (40,)]):
        x = rng.standard_normal(shape)
        values.append(np.round(x * 4) / 4 if (n + seed) % 3 == 0 else x)
    values.append(rng.integers(-5, 6, 40))
    values.append(rng.standard_normal((3, 5)).astype(np.float32))
    return [np.asarray(v)[()] for v in values]


def function(seed: int, count: int, loops: float = 0.1) -> Callable[..., Any]:
    """A function of ``arguments(seed)`` with several results."""

    def f(*values: Any) -> Any:
        s = Steps([seed, 2], values)
        s.run(count, loops)
        results = [s.values[-1], s.values[-1], values[0], s.pick(), s.pick(), np.float64(2.5)]
        results.append(s.values[len(values)] if len(s.values) > len(values) else 1)
        results.append(np.arange(3.0))
        results.append(s.values[-2])
        return tuple(results)

    return f


def score(seed: int, count: int, loops: float = 0.1) -> Callable[..., Any]:
    """A number that depends on the last values of ``function(seed, count)``."""
    f = function(seed, count, loops)

    def g(*values: Any) -> Any:
        found = f(*values)
        total = np.float64(0.0)
        for y in (found[0], found[3], found[4], found[-1]):
            if y.dtype.kind == "f" and y.size:
                total = total + np.mean(np.tanh(y) * np.cos(np.mean(y)))
        return total

    return g


# -- Programs --------------------------------------------------------------------------------------

Case = tuple[Program, list[Any]]


def moving(values: Sequence[Any]) -> tuple[int, ...]:
    """The places of the arguments that derivatives are taken in."""
    return tuple(i for i, x in enumerate(values) if x.dtype == np.float64)


def value(seed: int, count: int, loops: float = 0.1) -> Case:
    """The Program of a random function, and values for its inputs."""
    values = arguments(seed)
    return wg.trace(function(seed, count, loops))(*values), values


def gradient(seed: int, count: int, loops: float = 0.1) -> Case:
    """The Program of a gradient."""
    values = arguments(seed)
    return wg.trace(wg.grad(score(seed, count, loops), argnums=moving(values)))(*values), values


def along(seed: int, count: int, loops: float, values: list[Any]) -> tuple[Any, ...]:
    """The score as a function of the floats alone; these, and directions."""
    chosen = moving(values)
    rng = np.random.default_rng([seed, 3])
    f = score(seed, count, loops)

    def g(*xs: Any) -> Any:
        full = list(values)
        for i, x in zip(chosen, xs, strict=True):
            full[i] = x
        return f(*full)

    points = [values[i] for i in chosen]
    return g, points, tuple(np.asarray(rng.standard_normal(x.shape))[()] for x in points)


def tangent(seed: int, count: int, loops: float = 0.1) -> Case:
    """The Program of a value and its tangent."""
    f, points, directions = along(seed, count, loops, arguments(seed))
    return wg.trace(lambda *xs: wg.jvp(f, xs, directions))(*points), points


def hessian_product(seed: int, count: int, loops: float = 0.1) -> Case:
    """The Program of a Hessian-vector product."""
    f, points, directions = along(seed, count, loops, arguments(seed))
    slope = wg.grad(f, argnums=tuple(range(len(points))))
    return wg.trace(lambda *xs: wg.jvp(slope, xs, directions)[1])(*points), points


def batch(seed: int, count: int, loops: float = 0.1) -> Case:
    """The Program of a gradient for each of a batch."""
    f, points, _ = along(seed, count, loops, arguments(seed))
    stacks = [np.stack([x, 0.5 * x, x + x]) for x in points]
    slope = wg.grad(f, argnums=tuple(range(len(points))))
    return wg.trace(wg.vmap(slope))(*stacks), stacks
