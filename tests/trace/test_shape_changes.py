"""``x.shape = ...``, ``x.resize`` and ``x.flat`` as an iterator change traced arrays as NumPy's."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wengert as wg
from numpy_routes import agrees_with_numpy
from wengert.errors import UnsupportedError

X = np.random.default_rng(0).standard_normal(6)


def reshaped(x: Any) -> Any:
    y = x * 1.0
    y.shape = (2, -1)
    return y @ np.arange(3.0)


def view_reshaped(x: Any) -> Any:
    y = x * 1.0
    v = y.reshape(2, 3)
    v.shape = 6
    v[1] = x[0] ** 2
    return y * v


def seen_by_later_views(x: Any) -> Any:
    y = x * 1.0
    y.shape = (2, 3)
    row = y[0]
    y[0] = x[3:] ** 2
    row[1] = x[0]
    return y * row


def resized(x: Any) -> Any:
    # without refcheck=False NumPy refuses where a tracer of lines holds the method (3.11, coverage)
    longer, shorter = x * 1.0, x * 1.0
    longer.resize((2, 4), refcheck=False)
    shorter.resize(2, 2, refcheck=False)
    return longer[:, :2] * shorter


def enumerated(x: Any) -> Any:
    return sum((i[0] + 2 * i[1]) * v**2 for i, v in np.ndenumerate(x.reshape(2, 3)))


def iterated(x: Any) -> Any:
    flat = x.reshape(3, 2).flat
    first, place, number = next(flat), flat.coords, flat.index
    return first * (place[1] + number) + sum(flat) * 2.0 + sum(flat)


@pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")
@pytest.mark.parametrize(
    "f",
    [
        *(reshaped, view_reshaped, seen_by_later_views, resized, iterated),
        pytest.param(enumerated, marks=pytest.mark.stand_ins),
    ],
)
def test_a_shape_that_is_changed_in_place_is_numpys(f: Callable[[Any], Any]) -> None:
    agrees_with_numpy(f, X)


def test_resize_counts_no_references() -> None:
    def longer(x: Any) -> Any:
        y = x * 1.0
        y.resize((2, 4))
        return y**2

    value, gradient = wg.value_and_grad(lambda x: longer(x).sum())(X)
    np.testing.assert_allclose(value, (X**2).sum())
    np.testing.assert_allclose(gradient, 2 * X)


def test_a_view_from_before_is_refused() -> None:
    def of_an_array(x: Any) -> Any:
        y = x * 1.0
        v = y[:2]
        y.shape = (2, 3)
        y[0] = 0.0
        return v

    def of_a_view(x: Any) -> Any:
        y = (x * 1.0).reshape(2, 3)
        v = y[0]
        y.shape = 6
        y[0] = 0.0
        return v + 0.0

    for f in (of_an_array, of_a_view):
        with pytest.raises(UnsupportedError, match="after the shape"):
            wg.jacobian(f)(X)


@pytest.mark.parametrize("shape", [7, (2, 2), (-1, -1)])
def test_a_shape_that_does_not_fit_is_an_error(shape: Any) -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        y.shape = shape
        return np.sum(y)

    with pytest.raises(ValueError, match="reshape"):
        wg.grad(f)(X)


def test_an_array_that_does_not_own_its_memory_is_not_resized() -> None:
    with pytest.raises(ValueError, match="does not own"):
        wg.grad(lambda x: np.sum(x[1:].resize(3)))(X)
    with pytest.raises(AttributeError, match="Incompatible shape"):
        wg.grad(lambda x: setattr(x.reshape(2, 3).T, "shape", 6))(X)


STOOD_IN_FOR = [
    pytest.param(each, marks=pytest.mark.stand_ins) for each in (math.fsum, statistics.mean)
]


@pytest.mark.parametrize("call", [sum, max, min, sorted, tuple, *STOOD_IN_FOR])
def test_flat_goes_on_from_where_it_is_for_whoever_runs_through_it(call: Any) -> None:
    def f(x: Any) -> Any:
        flat = x.flat
        assert isinstance(flat, np.flatiter)
        assert isinstance(flat, Iterator)
        next(flat)
        result = call(flat)
        return result[0] if isinstance(result, (list, tuple)) else result

    wanted = f(X)
    assert wg.value_and_grad(f)(X)[0] == wanted
    assert wg.jit(f, wait=True)(X) == wanted
