"""Arrays without axes are arrays where they are in NumPy, and can be written to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.primitive import Traced
from wengert.trace import ArrayTracer

X = np.array([1.5, 0.5, 2.0])


def added(a: Any, v: Any) -> None:
    a += v


def like(x: Any) -> Any:
    a = np.zeros((), like=x)
    added(a, x[0])
    added(a, 2 * x[1])
    return a * x[0]


def squeezed(x: Any) -> Any:
    y = x * 1.0
    s = np.squeeze(y[:1])
    s += 5
    return np.sum(y * y)


def reshaped(x: Any) -> Any:
    y = x * 1.0
    s = y[:1].reshape(())
    s[...] = x[1]
    return np.sum(y * y)


def element(x: Any) -> Any:
    y = x * 1.0
    s = y[..., 0]
    s *= 2
    t = s[...]
    t += x[2]
    u = s[()]
    t += 1
    return np.sum(y * y) * u


def new_axes(x: Any) -> Any:
    v = x[0] * 2
    return np.sum(v[None] * x[:2]) + v[()] * v[...] + v[None, None, ...][0, 0]


def widened(x: Any) -> Any:
    y = np.array(1.0, like=x)
    z = y[None]
    z[0] = x[0]
    w = y.reshape(1, 1)
    w *= x[1]
    return y + z[0]


def written(x: Any) -> Any:
    y = np.array(0.0, like=x)
    y.flat[0] = x[0]
    z = y.copy()
    y.fill(x[1])
    y[y > 0] *= x[2]
    y[()] += z
    return y * x[2]


def chosen(x: Any) -> Any:
    y = np.where(x[0] > 0, x[0], x[1])
    added(y, x[1])
    z = np.broadcast_to(y, (2,))
    return np.flip(y) * 2 + np.sum(z)


def out(x: Any) -> Any:
    y = np.zeros((), like=x)
    np.sum(x, out=y)
    np.add(y, x[0], out=y)
    np.copyto(y, y * y)
    return y


PROGRAMS = [like, squeezed, reshaped, element, new_axes, widened, written, chosen, out]


@pytest.mark.parametrize("f", PROGRAMS)
def test_points_are_shared_and_written_as_in_numpy(f: Callable[..., Any]) -> None:
    wanted = f(X.copy())
    value, slope = wg.value_and_grad(f)(X)
    assert type(value) is type(wanted)
    np.testing.assert_allclose(value, wanted, rtol=1e-14)
    e = 1e-6 * np.eye(3)
    differences = [(f(X + e[i]) - f(X - e[i])) / 2e-6 for i in range(3)]
    np.testing.assert_allclose(slope, differences, atol=1e-6)
    np.testing.assert_allclose(wg.jvp(f, (X,), (X,))[1], slope @ X, rtol=1e-12)
    np.testing.assert_allclose(wg.jit(f)(X), wanted, rtol=1e-14)
    np.testing.assert_allclose(wg.jit(wg.grad(f))(X), slope, rtol=1e-12)
    curved = wg.hessian(f)(X)
    np.testing.assert_allclose(curved, curved.T, rtol=1e-12)


@pytest.mark.parametrize("f", [f for f in PROGRAMS if f is not written])
def test_points_in_a_batch(f: Callable[..., Any]) -> None:
    rows = np.stack([X, X + 1])
    np.testing.assert_allclose(wg.vmap(f)(rows), list(map(f, rows.copy())), rtol=1e-14)


def test_an_argument_without_axes_is_written_in_place() -> None:
    def f(s: Any) -> Any:
        t = s[...]
        t += 1
        s *= 2
        return t * s

    point = np.array(3.0)
    assert wg.value_and_grad(f)(point) == (64.0, 32.0)
    assert wg.jvp(f, (point,), (1.0,)) == (64.0, 32.0)
    assert wg.hessian(f)(point) == 8.0
    assert wg.grad(wg.jit(f))(point.copy()) == 32.0
    assert point == 3.0


def test_a_result_without_axes_is_an_array_where_it_is_one_in_numpy() -> None:
    for f in (lambda s: s.T, lambda s: s[()], lambda s: np.where(s > 0, s, 0.0), np.copy):
        wanted = type(f(np.array(3.0)))
        assert type(wg.value_and_grad(f)(np.array(3.0))[0]) is wanted
        assert type(wg.jvp(f, (np.array(3.0),), (1.0,))[0]) is wanted
        assert type(wg.jit(f)(np.array(3.0))) is wanted


KINDS: list[Callable[[Any], Any]] = [
    lambda v: np.reshape(v, ()),
    np.squeeze,
    np.transpose,
    lambda v: v.T,
    lambda v: np.broadcast_to(v, ()),
    lambda v: np.broadcast_arrays(v, v)[0],
    lambda v: v[...],
    lambda v: v[()],
    lambda v: v[None],
    lambda v: v[True],
    np.flip,
    lambda v: np.roll(v, 1),
    np.copy,
    lambda v: v.copy(),
    lambda v: v.astype(float),
    lambda v: v.astype(np.float32),
    np.real,
    lambda v: v.real,
    np.ravel,
    lambda v: v.flat[0],
    np.zeros_like,
    lambda v: np.full_like(v, 3.0),
    lambda v: np.where(v > 0, v, v),
    lambda v: np.select([v > 0], [v]),
    lambda v: np.piecewise(v, [v > 0], [lambda t: t]),
    lambda v: np.clip(v, 0.0, 1.0),
    np.sum,
    np.max,
    lambda v: np.round(v),
    np.conj,
    lambda v: -v,
    lambda v: +v,
    lambda v: np.dot(v, v),
    lambda v: np.tensordot(v, v, 0),
    lambda v: np.tile(v, ()),
    lambda v: np.block(v),
    np.i0,
    np.real_if_close,
]


@pytest.mark.parametrize("case", range(len(KINDS)))
def test_what_is_an_array_and_what_is_a_number(case: int) -> None:
    f = KINDS[case]
    for point in (np.float64(0.5), np.array(0.5)):
        wanted = f(point)
        kinds: list[bool] = []

        def g(v: Any, kinds: list[bool] = kinds, f: Any = f) -> Any:
            y = f(v)
            assert isinstance(y, Traced)
            kinds.append(isinstance(y, ArrayTracer))
            return np.sum(y)

        wg.grad(g)(point)
        assert kinds == [isinstance(wanted, np.ndarray)]


def test_a_number_is_no_sequence() -> None:
    def f(x: Any) -> Any:
        with pytest.raises(TypeError, match="iter"):
            iter(x)
        with pytest.raises(IndexError, match=r"scalar|too many"):
            x[0]
        return np.sum(np.array([x, 2 * x]) * np.array([x[...], 3.0]))

    assert wg.grad(f)(np.float64(2.0)) == 2 * 2.0 + 2 * 3.0
    for verb in (wg.jit, wg.grad):
        with pytest.raises(TypeError, match="subscriptable"):
            verb(lambda x: x[None])(2.0)


@pytest.mark.parametrize("value", [[0.25], np.array([0.25]), [[1.0]]])
def test_a_sequence_is_assigned_by_empty_brackets_in_no_array_without_axes(value):
    def f(x):
        point = (x * 1.0)[..., 0]
        point[()] = value
        return point * x[1]

    with pytest.raises((TypeError, ValueError)) as wanted:
        f(np.ones(2))
    calls = (wg.grad(f), wg.jit(f), wg.vmap(f))
    for call in calls:
        with pytest.raises(wanted.type):
            call(np.ones((2, 2)) if call is calls[-1] else np.ones(2))
