"""Programs as their users write them, with and without ``jit``: the same answers."""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from jitted_calls import agree, same

import wengert as wg
from support import transform

pytestmark = pytest.mark.filterwarnings(
    "ignore::wengert.errors.JitWarning", "ignore::RuntimeWarning"
)

RNG = np.random.default_rng(0)
X = np.array([1.0, -2.0, 3.0])
A = RNG.normal(size=(3, 3))
S = A @ A.T + np.eye(3)


# -- exceptions, and what NumPy does about floating-point errors -----------------------------------


def cholesky_or_more(a: Any) -> Any:
    try:
        return np.linalg.cholesky(a).sum()
    except np.linalg.LinAlgError:
        return np.linalg.cholesky(a @ a.T + np.eye(3)).sum()


def solve_or_not(a: Any) -> Any:
    try:
        return np.linalg.solve(a, X)
    except np.linalg.LinAlgError:
        return X * 0


def quotient(a: Any, b: Any) -> Any:
    try:
        return a / b
    except ZeroDivisionError:
        return -1.0


def power(a: Any) -> Any:
    try:
        return a**2
    except OverflowError:
        return -1.0


def exponential(a: Any) -> Any:
    try:
        return math.exp(a)
    except OverflowError:
        return -1.0


def divided_strictly(x: Any) -> Any:
    try:
        with np.errstate(divide="raise"):
            return 1 / x
    except FloatingPointError:
        return x * 0


def logarithm_without_warnings(x: Any) -> Any:
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("error")
        try:
            return np.log(x)
        except RuntimeWarning:
            return x * 0


def warnings_counted(x: Any) -> Any:
    with warnings.catch_warnings(record=True) as seen, np.errstate(all="warn"):
        warnings.simplefilter("always")
        y = np.sqrt(x)
    return y, len(seen)


def errors_ignored(x: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.sqrt(x), np.log(x)


def element_or_last(x: Any, i: Any) -> Any:
    try:
        return x[i]
    except IndexError:
        return x[-1] * 10


def entry_or_zero(d: Any, name: str) -> Any:
    try:
        return d[name] * 2
    except KeyError:
        return 0.0


def mean_of_nothing(x: Any) -> Any:
    try:
        with np.errstate(invalid="raise"):
            return np.mean(x[x > 5])
    except FloatingPointError:
        return -1.0


def chosen(x: Any, i: Any) -> Any:
    try:
        return np.choose(i, [x, 2 * x])
    except ValueError:
        return -x


def shifted(n: Any, by: Any) -> Any:
    try:
        return (n << by) + (n >> 1) + (2 << by)
    except (TypeError, ValueError):
        return -1


def suppressed(x: Any) -> Any:
    class Quiet:
        def __enter__(self) -> float:
            return 2.0

        def __exit__(self, *_: Any) -> bool:
            return True

    with Quiet() as k:
        x = x * k
        raise ValueError
    return x


CONDITIONS: list[tuple[Callable[..., Any], list[tuple[Any, ...]]]] = [
    (cholesky_or_more, [(S,), (-S,), (S,), (-S,)]),
    (cholesky_or_more, [(-S,), (S,), (-S,)]),
    (solve_or_not, [(np.zeros((3, 3)),), (S,), (np.zeros((3, 3)),)]),
    (mean_of_nothing, [(X,), (X + 5,), (X,)]),
    (chosen, [(X, np.int64(0)), (X, np.int64(1)), (X, np.int64(2)), (X, np.int64(-1))]),
    (shifted, [(3, 1), (3, 2), (3, -1), (1, 70), (np.int64(3), 2), (np.arange(4), 1), (3.0, 1)]),
    (quotient, [(1.0, 0.0), (1.0, 2.0), (1, 0), (3, 2)]),
    (quotient, [(1.0, 2.0), (1.0, 0.0), (np.float64(1), 0.0)]),
    (power, [(1e200,), (1.0,), (math.inf,), (1e200,), (3,)]),
    (power, [(1.0,), (1e200,), (math.inf,)]),
    (exponential, [(710.0,), (1.0,), (710.0,)]),
    (divided_strictly, [(X,), (X * 0,), (X,)]),
    (divided_strictly, [(X * 0,), (X,)]),
    (logarithm_without_warnings, [(abs(X),), (X,), (abs(X),)]),
    (warnings_counted, [(abs(X),), (X,), (abs(X),)]),
    (errors_ignored, [(abs(X),), (X,)]),
    (element_or_last, [(X, 1), (X, 7), (X, -1), (X, -4)]),
    (entry_or_zero, [({"a": X}, "b"), ({"b": X}, "b"), ({"a": X, "b": 2.0}, "b")]),
    (suppressed, [(X,), (-X,)]),
]


@pytest.mark.parametrize("case", range(len(CONDITIONS)))
def test_exceptions_are_met_at_every_call(case: int) -> None:
    f, calls = CONDITIONS[case]
    agree(f, *calls)


# -- methods of computation ------------------------------------------------------------------------


def adaptive_steps(y: Any, end: Any) -> Any:
    def slope(y: Any) -> Any:
        return np.stack([y[1], (1 - y[0] ** 2) * y[1] - y[0]])

    t, h, steps = 0.0, 0.1, 0
    while t < end:
        h = min(h, end - t)
        middle = slope(y + h / 2 * slope(y))
        error = np.max(np.abs(h * middle - h * slope(y)))
        if error < 1e-1:
            t, y, steps = t + h, y + h * middle, steps + 1
        h = h * min(2.0, max(0.3, 0.9 * (1e-1 / (error + 1e-12)) ** 0.5))
    return y, steps


def newton(a: Any) -> Any:
    x, steps = a, 0
    while steps < 50:
        better = 0.5 * (x + a / x)
        if abs(better - x) < 1e-12:
            break
        x, steps = better, steps + 1
    return x, steps


def log_density(theta: Any) -> Any:
    mean, log_scale, _ = theta
    z = (np.arange(20.0) - mean) / np.exp(log_scale)
    value = -0.5 * np.sum(z**2) - 20 * log_scale - 0.5 * np.sum(theta**2)
    return -np.inf if not np.isfinite(value) else value


def kalman(mean: Any, cov: Any, seen: Any) -> Any:
    step, look = np.array([[1, 0.1], [0, 1.0]]), np.array([[1.0, 0]])
    total = 0.0
    for z in seen:
        mean, cov = step @ mean, step @ cov @ step.T + 0.01 * np.eye(2)
        spread = look @ cov @ look.T + 0.1
        rest = z - look @ mean
        gain = cov @ look.T @ np.linalg.inv(spread)
        mean, cov = mean + gain @ rest, (np.eye(2) - gain @ look) @ cov
        total += -0.5 * (rest @ np.linalg.solve(spread, rest) + np.linalg.slogdet(spread)[1])
    return mean, cov, total


def k_means(x: Any, centres: Any) -> Any:
    for _ in range(3):
        label = ((x[:, None] - centres) ** 2).sum(-1).argmin(1)
        centres = np.stack(
            [x[label == k].mean(0) if np.any(label == k) else centres[k] for k in range(3)]
        )
    return centres, label


def interpolated(x: Any, xs: Any, ys: Any) -> Any:
    i = np.clip(np.searchsorted(xs, x) - 1, 0, len(xs) - 2)
    w = (x - xs[i]) / (xs[i + 1] - xs[i])
    return ys[i] * (1 - w) + ys[i + 1] * w, np.interp(x, xs, ys)


@dataclasses.dataclass(eq=False)
class Layer:  # noqa: PLW1641
    w: Any
    b: Any
    kind: str = dataclasses.field(default="tanh", metadata={"static": True})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layer) and np.array_equal(self.w, other.w)

    def __call__(self, x: Any) -> Any:
        act = {"tanh": np.tanh, "relu": lambda z: np.maximum(z, 0)}[self.kind]
        return act(self.w @ x + self.b)


def network(layers: Any, x: Any) -> Any:
    for layer in layers:
        x = layer(x)
    return x


def filtered(x: Any) -> Any:
    y = np.convolve(x, np.array([0.25, 0.5, 0.25]), mode="same")
    return y, np.diff(y), np.cumsum(y), np.stack([y[i : i + 3].mean() for i in range(len(y) - 2)])


def halved_until(x: Any, small: Any) -> Any:
    count = 0
    while np.linalg.norm(x) > small:
        x, count = x * 0.5, count + 1
    return x, count


def assembled(x: Any) -> Any:
    y = np.empty_like(x)
    mask = x > 0.5
    y[mask] = x[mask] ** 2
    y[~mask] = -x[~mask]
    z = np.zeros_like(x)
    for i in range(len(x)):
        z[i] = y[i] * 2
    return y, z


def assembled_in_a_plain_array(x: Any) -> Any:
    a = np.zeros(6)
    a[:3] = x
    for i in range(3):
        a[3 + i] = x[i] * 2
    return a, a.sum()


def scratch(x: Any) -> Any:
    buffer = np.zeros(20_000)
    buffer[:3] = 1
    first = (x[0] * buffer).sum()
    buffer[1] = 5
    return first, (x[0] * buffer).sum()


def nested_generators(x: Any) -> Any:
    def sums() -> Iterator[Any]:
        total = 0.0
        while True:
            total = total + (yield total)

    running = sums()
    next(running)
    return [running.send(v) for v in x]


def options(x: Any, *more: Any, scale: Any = 1.0, **named: Any) -> Any:
    return x * scale + sum(more) + sum(named.values()), len(more), list(named)


class Mode(enum.Enum):
    UP = "up"
    DOWN = "down"


def matched(x: Any, mode: Any) -> Any:
    match mode:
        case Mode.UP:
            return x, mode
        case "a" | None:
            return x * 2
        case [a, b]:
            return x * a + b
        case float() | int():
            return x * mode
        case _:
            return x * 3


def by_class(v: Any) -> Any:
    @functools.singledispatch
    def kind(v: Any) -> Any:
        return "other", v * 1

    kind.register(float, lambda v: ("float", v * 2))
    kind.register(int, lambda v: ("int", v * 3))
    kind.register(np.ndarray, lambda v: ("array", v * 4))
    return kind(v)


def by_type(x: Any) -> Any:
    return x * 2 if type(x) is float else x * 3


def scalar_or_not(x: Any) -> Any:
    if np.isscalar(x):
        x = np.array([x, x])
    return x * 2.0


def integers(n: Any) -> Any:
    total = sum(i**2 for i in range(n))
    return total, n // 2, n % 3, -n, n**3, 2**n, n / 2, divmod(n, 3), n * 1.5, [n] * n, "a" * n


def huge_integers(n: Any) -> Any:
    return n * 4, n + n, n - 1, abs(n), n * 1.0, str(n), n > 2**61


def floats(a: Any) -> Any:
    return a * 10, a / 3, a // 2, a % 2, abs(a), a > 0, a == a, max(a, 1.0), 1 - a, a * True, +a


def weak_and_strong(a: Any, b: Any) -> Any:
    return a * b, b - a, np.maximum(a, b), np.where(a > b, a, b), np.add(a, b), a + 1, 2.0 * a


def layouts(x: Any) -> Any:
    return x * 2, x.sum(0), x.ravel(), np.sort(x, axis=-1), x.T.copy(), x.flatten("F"), repr(x)


def order_of_keys(d: Any) -> Any:
    return list(d), [v * 2 for v in d.values()], {k: v + 1 for k, v in d.items()}


def texts(x: Any) -> Any:
    return str(x), repr(x), f"{x[0]:.3f}", str(list(x))


Point = collections.namedtuple("Point", "u v")
NARROW, BYTES = np.arange(3, dtype=np.float32), np.arange(3, dtype=np.uint8)

PROGRAMS: list[tuple[Callable[..., Any], list[tuple[Any, ...]]]] = [
    (adaptive_steps, [(np.array([1.0, 0.0]), 0.5), (np.array([2.0, 1.0]), 1.0)]),
    (newton, [(2.0,), (9.0,), (2,), (np.float64(2),), (np.float32(2),)]),
    (log_density, [(X,), (2 * X,), (X * np.nan,)]),
    (kalman, [(np.zeros(2), np.eye(2), RNG.normal(size=(n, 1))) for n in (3, 4)]),
    (k_means, [(RNG.normal(size=(20, 2)), RNG.normal(size=(3, 2))) for _ in range(3)]),
    (interpolated, [(np.array([0.1, v, 0.9]), np.array([0, 0.4, 1]), X) for v in (0.2, 0.6)]),
    (
        network,
        [([Layer(A, X), Layer(k * A, X, kind)], X) for k in (1, 2) for kind in ("tanh", "relu")],
    ),
    (filtered, [(RNG.normal(size=n),) for n in (6, 6, 8)]),
    (halved_until, [(X, 0.1), (X, 0.3), (5 * X, 0.1)]),
    (assembled, [(X,), (-X,), (abs(X),)]),
    (assembled_in_a_plain_array, [(X,), (2 * X,)]),
    (scratch, [(X,), (2 * X,)]),
    (nested_generators, [(X,), (X[:2],)]),
    (lambda x: options(x, 1.0, 2, scale=x[0], z=3.0, k=x), [(X,), (-X,)]),
    (matched, [(X, m) for m in (Mode.UP, Mode.DOWN, "a", None, [1.0, 2.0], 2, 2.5, b"")]),
    (by_class, [(v,) for v in (2.0, 2, True, X, np.float64(2), np.int64(2))]),
    (by_type, [(2.0,), (X,), (3,)]),
    (scalar_or_not, [(2.0,), (X,), (np.float64(3),), (1,)]),
    (integers, [(5,), (3,), (np.int64(4),)]),
    (huge_integers, [(2**62,), (2**40,), (-(2**63),), (2**63,), (2**70,)]),
    (floats, [(v,) for v in (2.5, -2.5, 1e308, math.nan, math.inf, -0.0)]),
    (weak_and_strong, [(NARROW, v) for v in (2.0, 3, True, np.float64(2), np.float32(2))]),
    (weak_and_strong, [(BYTES, v) for v in (2.0, 3, 300, -1)]),
    (weak_and_strong, [(np.float32(1.5), 2.0), (np.float32(2.5), 3), (np.int8(100), 27)]),
    (layouts, [(np.arange(12.0).reshape(3, 4).T,), (np.arange(24.0).reshape(4, 6)[::-2, ::2],)]),
    (order_of_keys, [({"z": 1.0, "a": 2.0},), ({"a": 1.0, "z": 2.0},)]),
    (
        order_of_keys,
        [(collections.OrderedDict(b=X, a=1.0),), (collections.OrderedDict(a=X, b=1.0),)],
    ),
    (texts, [(X,), (2 * X,)]),
    (lambda p: Point(p.u * p.v, p.v + 1), [(Point(X, 2.0),), (Point(X, 3.0),)]),
    (lambda x: [g(x) for g in [lambda z, k=k: z * k for k in range(3)]], [(X,)]),
    (lambda x, g: g(x), [(X, lambda z, k=k: z * k) for k in (1, 2)]),
    (lambda x, g: g(x), [(X, g) for g in (np.sin, np.cos, np.tanh)]),
    (lambda x, d: x.astype(d), [(X, d) for d in (np.float32, np.float64, "f4", float)]),
    (lambda x, s: x[s], [(X, slice(0, 2)), (X, slice(None, None, -1)), (X, Ellipsis), (X, None)]),
    (lambda x: (sorted(x), max(x), min(x, key=abs), len(set(x.tolist()))), [(X,), (-X,)]),
    (lambda k, v: np.stack([v[k == u].sum() for u in np.unique(k)]), [(np.array([0, 1, 1]), X)]),
    (lambda x: np.percentile(x, 30), [(np.array([1, 2, 3]),), (X,), (np.arange(5, dtype="i1"),)]),
    (lambda x: (np.modf(x), np.round(x), np.cov(x)), [(np.array([1, -2, 3]),), (X,), (NARROW,)]),
    (
        lambda x: (np.sum(x), np.prod(x), np.max(x), np.median(x)),
        [(3,), (2.0,), (True,), (1 + 2j,)],
    ),
    (lambda: np.ones(3) * 2, [()]),
    (lambda x: (None, (), [], {}, x[:0], "", Mode.UP, np.float32, X.dtype), [(X,)]),
]


@pytest.mark.parametrize("case", range(len(PROGRAMS)))
def test_programs(case: int) -> None:
    f, calls = PROGRAMS[case]
    agree(f, *calls, rtol=1e-6 if f is weak_and_strong or f is newton else 1e-9)


def test_compiled_in_the_background() -> None:
    for f, calls in PROGRAMS[:12]:
        jitted = wg.jit(f)
        for turn in range(2):
            for args in calls:
                same(jitted(*args), f(*args), 1e-6)
            if turn == 0:
                jitted.wait()


def test_numbers_of_python_in_the_bodies_of_loops() -> None:
    f = wg.jit(lambda w: wg.while_loop(lambda s: s < 3, lambda s: s + (10 - w), 0.0), wait=True)
    assert [e.primitive.name for e in f.lower(0.0).equations][-1] == "while"
    same([f(0.0), f(9.5)], [np.float64(10.0), np.float64(3.0)])
    g = wg.jit(lambda w, x: wg.scan(lambda c, v: (c * w + v, c), 1.0, x), wait=True)
    for w in (0.5, 2.0):
        same(g(w, X), wg.scan(lambda c, v, w=w: (c * w + v, c), 1.0, X))
    assert len(g.paths()) == 1


def test_a_function_that_compares_types_says_so() -> None:
    with pytest.warns(wg.errors.JitWarning, match="isinstance"):
        same(wg.jit(by_type)(2.0), 4.0)


def test_a_function_without_a_rule_gives_its_result_and_a_warning() -> None:
    jitted = wg.jit(lambda x: transform(x).real)
    with pytest.warns(wg.errors.JitWarning, match="np.transform") as caught:
        found = [jitted(X) for _ in range(5)]
    assert len(caught) == 1
    same(found, [np.fft.fft(X).real] * 5)
