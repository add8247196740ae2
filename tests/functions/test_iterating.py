"""``np.arange``, ``np.nditer`` and ``np.broadcast`` of traced values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from numpy.lib.stride_tricks import as_strided

import wengert as wg
from numpy_routes import agrees_with_numpy, value
from support import assert_derivatives
from wengert.errors import AbstractValueError, ReadOnlyError, UnsupportedError

X = np.random.default_rng(6).standard_normal((2, 3)) + 1.0


def multi_indexed(x: Any) -> Any:
    total = 0.0
    it = np.nditer(x, flags=["multi_index"])
    while not it.finished:
        total = total + it[0] ** 2 * (it.multi_index[0] + 2 * it.multi_index[1])
        it.iternext()
    return total


def written(x: Any) -> Any:
    y = x * 1.0
    with np.nditer(y, op_flags=[["readwrite"]]) as it:
        for element in it:
            element[...] = element**2
    return y


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "elements": lambda x: np.array([v**2 for v in np.nditer(x)]),
    "elements in order of memory": lambda x: np.array([v * 2 for v in np.nditer(x.T)]),
    "elements in Fortran's order": lambda x: np.array([v * 2 for v in np.nditer(x, order="F")]),
    "elements of two": lambda x: sum(a * b for a, b in np.nditer([x, x[0]])),
    "elements of a plain one": lambda x: sum(a * b for a, b in np.nditer((np.ones(3), x))),
    "places": multi_indexed,
    "rows": lambda x: np.stack([v**2 for v in np.nditer(x, ["external_loop"])]),
    "elements written to": written,
    "broadcast": lambda x: sum(a * b for a, b in np.broadcast(x, x[:, :1])),
    "shape of a broadcast": lambda x: x * np.broadcast(x, np.ones((4, 1, 1))).shape[0],
    "ndenumerate": lambda x: sum(v * (i[1] + 1) for i, v in np.ndenumerate(x)),
    "ndindex": lambda x: sum(x[i] * (i[1] + 1) for i in np.ndindex(*x.shape)),
    "arange": lambda x: np.arange(x[0, 0], x[0, 0] + 1.05, 0.25),
    "arange of a step": lambda x: np.arange(0.0, 1.1, np.abs(x[1, 1]) / 7),
    "arange to": lambda x: np.arange(x[0, 2] + 2.2) * x[0, 2],
    "kaiser": lambda x: np.kaiser(5, x[0, 0]),
    "r_": lambda x: np.r_[x[0], 1.0, x[1, 0], x[0, 0] : x[1, 1] : 4j],
    "c_": lambda x: np.c_[x[0], x[1] ** 2, np.ones(3)],
    "mgrid": lambda x: np.mgrid[x[0, 0] : x[1, 1] : 3j, 0:2],
    "ogrid": lambda x: np.ogrid[x[0, 0] : x[1, 1] : 3j, 0:2],
    "fromfunction": lambda x: np.fromfunction(lambda i, j: i * x[0, 0] + j, (2, 3)),
    "ix_": lambda x: x[np.ix_([1, 0], [True, False, True])],
    "text": lambda x: x * (len(np.array_str(x)) > 3) * np.min_scalar_type(x).itemsize,
}

UNKNOWN = ("arange", "kaiser", "text")


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_an_iterator_agrees_with_numpy(name: str) -> None:
    routes = ("jit",) if name.startswith(UNKNOWN) else ("jit", "vmap")
    agrees_with_numpy(FUNCTIONS[name], X, routes, 1e-13 if name == "kaiser" else 0.0)


@pytest.mark.parametrize("start", [0.3, -1.7, 2.0])
@pytest.mark.parametrize("step", [0.1, -0.3, 1.0, 7.0])
def test_a_range_has_the_numbers_of_numpys(start: float, step: float) -> None:
    call = lambda x: np.arange(start, x, step)  # noqa: E731
    for stop in (2.0, -2.3, start, start + 3 * step):
        (found,) = value(call, np.array(stop))
        np.testing.assert_array_equal(found, call(stop), strict=True)


def test_a_range_of_pythons_numbers() -> None:
    found = wg.grad(lambda a, h: np.sum(np.arange(a, 3.05, h)), argnums=(0, 1))(0.3, 1.0)
    np.testing.assert_array_equal(found, [3.0, 3.0])


STRIDED: dict[str, Any] = {
    "windows": lambda x: as_strided(x, (4, 2), (8, 8), writeable=False),
    "a transposed array": lambda x: as_strided(x[:4].reshape(2, 2).T, (2, 2), (8, 16)),
    "a part": lambda x: as_strided(x[1:], (2,), (16,)),
    "backwards": lambda x: as_strided(x[::-1], (2,), (-16,)),
    "nothing given": as_strided,
    "around a part": lambda x: as_strided(x[2:], (3, 2), (-8, 8)).copy(),
    "around a part of columns": lambda x: as_strided(np.outer(x, x).T[1:, 2], (2, 2), (40, -8)),
    "every other": lambda x: as_strided(x[::2], (3,), (8,)),
    "toeplitz": lambda x: scipy.linalg.toeplitz(x[:3], x[2:]),
    "hankel": lambda x: scipy.linalg.hankel(x),
    "a list": lambda x: as_strided([x[0], x[1]], (3, 1), (0, 8)),
    "no axes": lambda x: as_strided(x[2:3].reshape(()), (3,), (0,)),
    "empty": lambda x: as_strided(x, (0, 3), (8, 8)),
}


@pytest.mark.parametrize("name", STRIDED)
def test_elements_at_given_distances_are_numpys(name: str) -> None:
    call, x = STRIDED[name], np.array([0.3, -1.2, 2.1, 0.7, -0.4])
    np.testing.assert_array_equal(wg.jvp(call, (x,), (x,))[0], call(x), strict=True)
    np.testing.assert_array_equal(wg.vmap(call)(np.stack([x, -x]))[1], call(-x), strict=True)
    assert_derivatives(lambda x: call(x) ** 2, x)


def test_elements_at_given_distances_are_views() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        every_other = as_strided(y, (3,), (16,))
        every_other[1] = x[0] * 5
        y[0] = x[1] * 7
        return np.sum(every_other**2) + np.sum(y)

    x = np.array([0.3, -1.2, 2.1, 0.7, -0.4])
    expected = [50 * x[0] + 5, 98 * x[1] + 8, 0, 1, 2 * x[4] + 1]
    for gradient in (wg.grad(f), wg.jit(wg.grad(f))):
        np.testing.assert_allclose(gradient(x), expected, rtol=1e-12)


def test_memory_outside_of_a_traced_array_is_refused_with_advice() -> None:
    with pytest.raises(UnsupportedError, match=r"outside of the elements(?s:.*)sliding_window"):
        wg.grad(lambda x: np.sum(as_strided(x[::2], (4,), (16,))))(np.ones(5))
    with pytest.raises(ReadOnlyError):
        wg.grad(lambda x: as_strided(x * 2, (2, 2), (8, 8)).fill(x[0]))(np.ones(5))


def test_an_iterator_over_objects_gives_the_objects() -> None:
    def f(x: Any) -> Any:
        box = np.empty((1, 1), dtype=object)
        box[0, 0] = np.array([x, 2.0])
        return sum(each.item()[0] * each.item().size for each in np.nditer(box, flags=["refs_ok"]))

    assert wg.grad(f)(3.0) == 2.0


def test_a_range_of_unknown_length_is_refused() -> None:
    with pytest.raises(AbstractValueError, match="how many numbers"):
        wg.vmap(lambda x: np.sum(np.arange(x)))(np.array([1.0, 2.0]))
