"""Functions that move elements give NumPy's values on traced arrays, with exact derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from support import assert_derivatives, forward, gradient, reverse
from wengert.errors import UnsupportedError
from wengert.evaluate import evaluate
from wengert.program import Type
from wengert.recorder import record

X = np.random.default_rng(0).standard_normal((2, 3, 4))
M = X[0]

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "reshape": lambda x: np.reshape(x, (4, 6)),
    "reshape to what is left": lambda x: np.reshape(x, (-1, 6)),
    "reshape to one axis": lambda x: np.reshape(x, -1),
    "reshape in Fortran's order": lambda x: np.reshape(x, (4, 6), order="F"),
    "method reshape": lambda x: x.reshape(4, -1, 2) + x.reshape([4, 3, 2]),
    "reshape as a copy": lambda x: np.reshape(x, 24, copy=True),
    "reshape, not as a copy": lambda x: np.reshape(x, 24, copy=False),
    "reshape of nothing": lambda x: np.reshape(x[:0], (0, 5)),
    "transpose": lambda x: np.transpose(x),
    "transpose axes": lambda x: np.transpose(x, (1, 0, -1)),
    "method transpose": lambda x: x.transpose(2, 0, 1) * x.transpose([2, 0, 1]) + x.transpose().mT,
    "T": lambda x: x.T @ np.ones(2) + x[0].T.T[0, 0],
    "T of a vector": lambda x: x[0, 0].T,
    "mT": lambda x: x.mT,
    "permute_dims": lambda x: np.permute_dims(x, (2, 1, 0)),
    "matrix_transpose": lambda x: np.matrix_transpose(x) * np.linalg.matrix_transpose(x),
    "swapaxes": lambda x: np.swapaxes(x, 0, -1),
    "method swapaxes": lambda x: x.swapaxes(1, 2),
    "moveaxis": lambda x: np.moveaxis(x, 0, -1),
    "moveaxis, several": lambda x: np.moveaxis(x, [0, 1], [-1, 0]),
    "rollaxis": lambda x: np.rollaxis(x, 2),
    "rollaxis to a place": lambda x: np.rollaxis(x, 0, 3) + np.rollaxis(x, 0, -1)[0, 0, 0],
    "squeeze": lambda x: np.squeeze(x[:1, :, :1]),
    "squeeze an axis": lambda x: np.squeeze(x[:1, :, :1], axis=-1),
    "squeeze to a number": lambda x: np.squeeze(x[:1, :1, :1]),
    "method squeeze": lambda x: x[:1, :, :1].squeeze((0, 2)),
    "expand_dims": lambda x: np.expand_dims(x, (0, -1)),
    "expand_dims, one": lambda x: np.expand_dims(x, 1),
    "expand_dims of a number": lambda x: np.expand_dims(x[0, 0, 0], 0),
    "ravel": lambda x: np.ravel(x),
    "ravel in Fortran's order": lambda x: np.ravel(x, order="F"),
    "method ravel": lambda x: x.ravel() * x.ravel("K"),
    "ravel of a number": lambda x: np.ravel(x[0, 0, 0]),
    "flatten": lambda x: x.flatten() * x.flatten("F"),
    "flat": lambda x: sum(x.flat) * x.flat[7] + x.flat[2:4],
    "atleast_1d": lambda x: np.atleast_1d(x[0, 0, 0]),
    "atleast_2d": lambda x: np.atleast_2d(x[0, 0]),
    "atleast_3d": lambda x: np.atleast_3d(x[0]) * np.atleast_3d(x[0, 0]),
    "atleast_3d of several": lambda x: np.atleast_3d(x, x[0, 0, 0])[1],
    "flip": lambda x: np.flip(x),
    "flip an axis": lambda x: np.flip(x, 1),
    "flip two axes": lambda x: np.flip(x, (0, -1)),
    "fliplr and flipud": lambda x: np.fliplr(x) * np.flipud(x),
    "rot90": lambda x: np.rot90(x),
    "rot90 twice": lambda x: np.rot90(x, 2, (1, 2)),
    "rot90 three times": lambda x: np.rot90(x, -1, (0, 2)),
    "rot90 not at all": lambda x: np.rot90(x, 4),
    "roll": lambda x: np.roll(x, 5),
    "roll an axis": lambda x: np.roll(x, -1, axis=2),
    "roll axes": lambda x: np.roll(x, (1, 2), axis=(0, 1)),
    "roll one axis twice": lambda x: np.roll(x, (1, 2), axis=(1, 1)),
    "roll by nothing": lambda x: np.roll(x, 3, axis=1),
    "broadcast_to": lambda x: np.broadcast_to(x[:, :1], (2, 3, 4)),
    "broadcast a number": lambda x: np.broadcast_to(x[0, 0, 0], 3),
    "broadcast_arrays": lambda x: np.broadcast_arrays(x[0, 0], x[:, :, :1], 1.0)[1],
    "meshgrid": lambda x: np.stack(np.meshgrid(x[0, 0], x[0, :, 0])),
    "meshgrid by index": lambda x: np.stack(
        np.meshgrid(x[0, 0], x[:, 0, 0], np.ones(2), indexing="ij")
    ),
    "meshgrid, sparse": lambda x: np.multiply(*np.meshgrid(x[0, 0], x[0, :, 0], sparse=True)),
    "tile": lambda x: np.tile(x[0], 2),
    "resize": lambda x: np.resize(x, 5),
    "resize to more": lambda x: np.resize(x, (2, *x.shape)),
    "tile axes": lambda x: np.tile(x[0], (2, 1, 3)),
    "tile few axes": lambda x: np.tile(x, (2,)),
    "repeat": lambda x: np.repeat(x, 2),
    "repeat an axis": lambda x: np.repeat(x, 3, axis=1),
    "repeat each as often": lambda x: np.repeat(x, [2, 0, 1], axis=1),
    "method repeat": lambda x: x.repeat(2, axis=-1),
    "tril": lambda x: np.tril(x),
    "tril below": lambda x: np.tril(x, -1),
    "triu": lambda x: np.triu(x, 1),
    "triu of a vector": lambda x: np.triu(x[0, 0]),
    "concatenate": lambda x: np.concatenate([x, np.ones((2, 1, 4)), x**2], axis=1),
    "concatenate all": lambda x: np.concatenate([x, x[0]], axis=None),
    "concat": lambda x: np.concat([x, x], axis=-1),
    "stack": lambda x: np.stack([x, x**2, np.ones((2, 3, 4))]),
    "stack along the last axis": lambda x: np.stack([x, x**2], axis=-1),
    "stack numbers": lambda x: np.stack([x[0, 0, 0], 1.0, x[0, 0, 1] ** 2]),
    "vstack": lambda x: np.vstack([x[0, 0], x[0], np.ones(4)]),
    "hstack": lambda x: np.hstack([x[0, 0], x[0, 1], np.ones(1)]),
    "hstack matrices": lambda x: np.hstack([x[0], x[1][:, :1]]),
    "hstack numbers": lambda x: np.hstack([x[0, 0, 0], 2.0, x[0, 0]]),
    "dstack": lambda x: np.dstack([x[0], x[1]]),
    "column_stack": lambda x: np.column_stack([x[0, :, 0], x[1], np.ones(3)]),
    "append": lambda x: np.append(x, x[0] ** 2),
    "append a number": lambda x: np.append(x[0, 0], x[0, 0, 1]),
    "append along an axis": lambda x: np.append(x, x**2, axis=1),
    "block": lambda x: np.block([[x[0], x[1] ** 2], [np.ones((1, 8))]]),
    "block of numbers": lambda x: np.block([x[0, 0], 1.0, x[0, 0, 0] ** 2]),
    "array_split": lambda x: np.array_split(x, 3, axis=2)[0],
    "array_split at places": lambda x: np.array_split(x, [1, 2], axis=-1)[2],
    "split": lambda x: np.multiply(*np.split(x, 2)),
    "vsplit and hsplit and dsplit": lambda x: (
        np.vsplit(x, 2)[1] * np.hsplit(x, 3)[2] * np.dsplit(x, [1])[0]
    ),
    "hsplit of a vector": lambda x: np.hsplit(x[0, 0], 2)[1],
    "unstack": lambda x: np.multiply(*np.unstack(x)) + np.unstack(x, axis=2)[3][0, 0],
    "pad": lambda x: np.pad(x, 1),
    "pad axes": lambda x: np.pad(x, ((0, 1), (2, 0), (0, 0))),
    "pad both ends": lambda x: np.pad(x, (1, 2)),
    "pad with a number": lambda x: np.pad(x, 1, constant_values=np.inf)[1:-1, 1:-1, 1:-1],
    "pad with numbers": lambda x: np.pad(
        x, 1, "constant", constant_values=((1, 2), (3, 4), (5, 6))
    ),
    "pad with a traced number": lambda x: np.pad(x, (1, 0), constant_values=x[0, 0, 0] ** 2),
    "pad with the edge": lambda x: np.pad(x, 2, mode="edge"),
    "pad by reflection": lambda x: np.pad(x, ((1, 0), (2, 2), (3, 1)), mode="reflect"),
    "pad by symmetry": lambda x: np.pad(x, 2, mode="symmetric"),
    "pad around": lambda x: np.pad(x, 5, mode="wrap"),
    "copy": lambda x: np.copy(x) * x.copy(),
    "astype": lambda x: np.astype(x, np.complex128).real * x.astype(float),
    "shape, ndim and size": lambda x: x * np.ndim(x) * np.size(x) * np.size(x, 1) / np.shape(x)[2],
    "tolist": lambda x: np.stack(x[0, 0].tolist()),
}


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_the_function_agrees_with_numpy(name: str) -> None:
    function = FUNCTIONS[name]
    assert_derivatives(lambda x: np.sin(function(x)), X)


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if "flat" not in n])
def test_the_function_is_recorded_without_values(name: str) -> None:
    def f(x: Any) -> list[Any]:
        return [FUNCTIONS[name](x) + 0]

    program, _ = record(f, [Type.of(X)])
    np.testing.assert_allclose(evaluate(program.check(), [X])[0], f(X)[0], rtol=1e-13)


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_the_function_keeps_single_precision(name: str) -> None:
    def f(x: Any) -> list[Any]:
        return [FUNCTIONS[name](x)]

    x = X.astype(np.float32)
    (value,) = f(x)
    x_bar = reverse(f, [x], [np.ones(value.shape, value.dtype)])[0]
    assert x_bar.dtype == np.float32
    if value.dtype == np.float32:
        assert forward(f, [x], [x])[0].dtype == np.float32


def test_joined_arrays_are_promoted_as_in_numpy_and_their_gradients_are_not() -> None:
    x, y = np.ones(2, np.float32), np.ones(3)
    found = reverse(lambda x, y: [np.concatenate([x, y])], [x, y], [np.arange(5.0)])
    assert [bar.dtype for bar in found] == [np.float32, np.float64]
    dtype = reverse(lambda x: [np.concatenate([x, x], dtype=np.float64)], [x], [np.ones(4)])
    assert dtype[0].dtype == np.float32


REFUSED: dict[str, tuple[type[Exception], Callable[[Any], Any]]] = {
    "a shape that does not fit": (ValueError, lambda x: np.reshape(x, (5, 5))),
    "a shape with two unknowns": (ValueError, lambda x: np.reshape(x, (-1, -1))),
    "a reshape in memory order": (ValueError, lambda x: np.reshape(x, 24, order="K")),
    "an axis out of range": (np.exceptions.AxisError, lambda x: np.swapaxes(x, 0, 3)),
    "an axis named twice": (ValueError, lambda x: np.transpose(x, (0, 0, 1))),
    "too few axes": (ValueError, lambda x: np.transpose(x, (0, 1))),
    "squeezing a long axis": (ValueError, lambda x: np.squeeze(x, 1)),
    "broadcasting to fewer axes": (ValueError, lambda x: np.broadcast_to(x, (3, 4))),
    "broadcasting to another length": (ValueError, lambda x: np.broadcast_to(x, (2, 3, 8))),
    "joining different ranks": (ValueError, lambda x: np.concatenate([x, x[0]])),
    "joining numbers": (ValueError, lambda x: np.concatenate([x[0, 0, 0], x[0, 0, 0]])),
    "stacking different shapes": (ValueError, lambda x: np.stack([x, x[0]])),
    "splitting unequally": (ValueError, lambda x: np.split(x, 2, axis=1)),
    "splitting into nothing": (ValueError, lambda x: np.array_split(x, 0)),
    "a view as another dtype": (UnsupportedError, lambda x: x.view(np.int64)),
    "a meshgrid of another order": (ValueError, lambda x: np.meshgrid(x[0, 0], indexing="no")),
    "a ravel of another order": (ValueError, lambda x: np.ravel(x, "Z")),
    "moving to fewer places": (ValueError, lambda x: np.moveaxis(x, (0, 1), 0)),
    "a copy where none is allowed": (ValueError, lambda x: np.reshape(x.T, 24, copy=False)),
}


@pytest.mark.parametrize("what", list(REFUSED))
def test_what_cannot_be_is_an_error(what: str) -> None:
    error, function = REFUSED[what]
    with pytest.raises(error):
        forward(lambda x: [function(x)], [X], [X])


def test_memory_is_shared_as_in_numpy() -> None:
    answers: list[list[bool]] = []

    def f(x: Any) -> Any:
        y = x * 2
        pairs = [(y, y[1:]), (y[0], y[1]), (y, y.copy()), (y.T, y[0]), (y, x), (y[0], y[0, 1:])]
        answers.append([np.shares_memory(a, b) for a, b in pairs])
        assert np.may_share_memory(y, y[0])
        return np.sum(y)

    f(M)
    gradient(f, M)
    assert answers[0] == answers[1] == [True, False, False, True, False, True]


def add_to_diagonal(x: Any, copy: Callable[[Any], Any]) -> Any:
    y = copy(x)
    flat = y.ravel()
    flat[::4] += 1.0
    return y * x


@pytest.mark.parametrize(
    "copy",
    [
        lambda x: x.T.copy(),
        lambda x: np.copy(x.T),
        lambda x: x.copy(order="F"),
        lambda x: x.T.copy(order="A"),
        lambda x: np.tanh(x.T),
        lambda x: np.zeros_like(x.T),
        lambda x: np.full_like(x.T, 0.5),
        lambda x: np.zeros_like(x.T, order="C"),
        lambda x: np.concatenate([x, x], axis=1)[:, ::2].copy(),
    ],
)
def test_ravel_is_a_view_of_a_copy_where_it_is_one_in_numpy(copy: Callable[[Any], Any]) -> None:
    assert_derivatives(lambda x: add_to_diagonal(x, copy), M[:, :3])


def test_elements_are_read_in_the_order_of_memory_as_numpy_does() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        a = rng.normal(size=tuple(rng.integers(1, 4, rng.integers(1, 4))))
        a = a.transpose(rng.permutation(a.ndim))
        for axis in range(a.ndim):
            if rng.random() < 0.3:
                wide = (*a.shape[:axis], 3, *a.shape[axis + 1 :])
                a = np.broadcast_to(np.take(a, [0], axis), wide)
            elif rng.random() < 0.3:
                a = np.flip(a, axis)
        for order in "CFAK":
            for f in (
                lambda x, order=order: np.ravel(x, order=order),
                lambda x, order=order: x.flatten(order),
                lambda x, order=order: x.copy(order).ravel("K"),
            ):
                np.testing.assert_array_equal(wg.jvp(f, (a,), (a,))[0], f(a))


def test_what_select_gives_lies_in_c_order() -> None:
    x = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    f = lambda x: np.ravel(np.select([x > 2], [x]), order="K") * np.arange(6.0)  # noqa: E731
    np.testing.assert_array_equal(wg.jvp(f, (x,), (x,))[0], f(x))


def test_what_is_repeated_once_is_a_copy_in_c_order() -> None:
    def f(x: Any) -> Any:
        y = np.repeat(x, 1, axis=0)
        y.ravel()[0] = -1.25
        return y * x

    x = np.arange(12.0).reshape(2, 1, 6)[..., ::2]
    np.testing.assert_array_equal(wg.jvp(f, (x,), (x,))[0], f(x))
    np.testing.assert_array_equal(wg.jit(f, wait=True)(x), f(x))


@pytest.mark.parametrize("x", [2.0, np.float64(2), np.array(2.0)])
def test_a_number_is_flipped_to_itself(x: Any) -> None:
    for f in (np.flip, lambda x: np.flip(x, ())):
        value, derivative = wg.value_and_grad(f)(x)
        assert (value, derivative) == (f(x), 1.0)
        assert wg.jit(f)(x) == wg.jvp(f, (x,), (1.0,))[0] == 2.0
    assert not isinstance(wg.vjp(np.flip, x)[0], np.ndarray)


def pairs_that_share(x: Any) -> list[float]:
    """Which of an array, its views and copies share memory with which."""
    y = x * 1.0
    first, second = y[0, ..., 0], y[0, ..., 1]
    views = [y, y[0], y[..., 0], first, first.reshape(()), second, y.T, y.T[0], y.reshape(-1)]
    views += [y.ravel()[3:], y.diagonal(), np.broadcast_to(y, (2, 2, 3)), y[:, [0]], y[::-1][0]]
    views += [y[None], y.view(), np.einsum("ii->i", y[:, :2]), y[1:, 1:], y.copy()]
    return [float(np.shares_memory(a, b)) for a in views for b in views]


@pytest.mark.parametrize("order", ["C", "F"])
def test_views_of_one_element_share_memory_as_in_numpy(order: Any) -> None:
    x = np.ones((2, 3), order=order)
    assert wg.jvp(pairs_that_share, (x,), (x,))[0] == pairs_that_share(x)
    if order == "C":
        assert [each.item() for each in wg.vmap(pairs_that_share)(x[None])] == pairs_that_share(x)


def test_the_diagonal_of_a_root_is_that_of_the_first_axes() -> None:
    x = np.arange(6.0).reshape(2, 1, 3)
    for f in (lambda x: np.abs(x).diagonal(), lambda x: np.diagonal(np.abs(x))):
        assert np.array_equal(wg.jvp(f, (x,), (x,))[0], f(x))


def test_a_number_has_a_view_which_is_itself() -> None:
    z = np.array([3.0, 4.0j])
    assert wg.jvp(lambda z: np.linalg.norm(z).view() * 2.0, (z,), (z,)) == (10.0, 10.0)
    assert wg.grad(lambda x: x[0].view() * x[1])(np.array([3.0, 4.0])).tolist() == [4.0, 3.0]


@pytest.mark.filterwarnings("ignore:Passing a value for k:DeprecationWarning")
@pytest.mark.parametrize("k", [*range(-4, 5), np.int64(3), 0.7, -0.5, 1.0, 2.5])
def test_a_rotation_turns_as_often_as_numpys(k: float) -> None:
    x = np.arange(6.0).reshape(2, 3)
    wanted = np.rot90(x, k)
    for verb in (lambda f: wg.jvp(f, (x,), (x,))[1], lambda f: wg.jit(f, wait=True)(x)):
        np.testing.assert_array_equal(verb(lambda x: np.rot90(x, k)), wanted)


def test_repetitions_are_integers_that_are_known():
    x = np.array([1.2, 2.3])
    with pytest.raises(TypeError, match="Cannot cast"):
        wg.jvp(lambda x: np.repeat(x, x), (x,), (x,))
    with pytest.raises(wg.errors.AbstractValueError, match="repetitions"):
        wg.vmap(lambda x, n: np.repeat(x, n))(x, np.array([1, 2]))
    with pytest.raises(wg.errors.AbstractValueError, match="repetitions"):
        wg.vmap(lambda n: np.repeat(x, n))(np.array([[1, 2], [2, 1]]))
