"""Arrays made from traced numbers, and arrays made like a traced one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from outcomes import assert_numpys
from support import assert_derivatives, forward, gradient, reverse
from wengert.program import Type
from wengert.recorder import record
from wengert.trace import ArrayTracer

X = np.array([0.6, -1.1, 0.3])
V = np.array([1.0, 2.0])


def rotation(t: Any) -> Any:
    return np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])


def filled_zeros_like(x: Any) -> Any:
    y = np.zeros_like(x)
    y[0] = x[1] * x[2]
    return y


def filled(y: Any, x: Any) -> Any:
    y[1] = x[0] ** 2
    y[-1] += x[2]
    return y


FROM_NUMBERS: dict[str, Callable[[Any], Any]] = {
    "a rotation of a plain vector": lambda x: rotation(x[0]) @ V,
    "a rotation of a traced vector": lambda x: rotation(x[0]) @ x[1:],
    "a plain vector rotated from the left": lambda x: V @ rotation(x[0]),
    "a traced vector rotated from the left": lambda x: x[1:] @ rotation(x[0]),
    "two rotations": lambda x: rotation(x[0]) @ rotation(x[1]) @ x[1:],
    "np.dot": lambda x: np.dot(rotation(x[0]), x[1:]),
    "sum of squares": lambda x: np.sum(np.array([x[0], x[1]]) ** 2),
    "mean": lambda x: np.mean(wg.numpy.array([x[0], x[1], 3.0])),
    "exp": lambda x: np.exp(np.array([x[0], x[1]])) * 1.0,
    "mathematics": lambda x: np.sin(np.array([x[0], 2.0 * x[1]])) + np.sqrt(np.array([x[2], x[0]])),
    "comparison": lambda x: np.array([x[0], x[1]])[np.array([x[0], x[1]]) > 0],
    "indexing": lambda x: np.array([x[0], x[1]])[::-1] * x[:2],
    "numbers of both kinds": lambda x: np.array([x[0], 1.0, 2]) * x,
    "a plain row beside": lambda x: x * np.array([x[0], x[1] ** 2, x[2]]),
    "in a list": lambda x: x * [x[0], 2.0, x[1]],
    "assignment": lambda x: filled(x * 1.0, np.array([x[0], x[1], x[2] * 2])),
    "assignment into the array of numbers": lambda x: filled(np.array([x[0], x[1], x[2]]), x) * x,
    "stack": lambda x: np.stack([np.array([x[0], x[1]]) * 1.0, x[:2]]),
    "concatenate": lambda x: np.concatenate([np.array([x[0], x[1]]), x]),
    "full": lambda x: np.full((2, 3), x[0]) * x,
    "norm": lambda x: np.linalg.norm(np.array([x[0], x[1]])),
    "norm by hand": lambda x: np.sqrt(np.sum(np.array([x[0], x[1]]) ** 2)),
    "where": lambda x: np.where([True, False], np.array([x[0], x[1]]), x[:2]),
    "transpose": lambda x: rotation(x[0]).T @ x[1:],
    "wengert.numpy.array": lambda x: wg.numpy.array([x, x**2, [1.0, 2.0, x[0]]]),
    "wengert.numpy.array of rows": lambda x: wg.numpy.array([np.array([x[0], x[1]]), x[1:]]),
    "wengert.numpy.array of deep lists": lambda x: wg.numpy.array([[[x[0]], [2.0]]], ndmin=4),
    "wengert.numpy.array of one number": lambda x: wg.numpy.array(x[0], ndmin=1),
    "wengert.numpy.asarray": lambda x: wg.numpy.asarray(x) * wg.numpy.asarray([1.0, 2.0, 3.0]),
}


@pytest.mark.parametrize("name", list(FROM_NUMBERS))
def test_an_array_of_traced_numbers_is_used_like_an_array(name: str) -> None:
    function = FROM_NUMBERS[name]

    def f(x: Any) -> Any:
        made = function(x)
        return made if isinstance(made, ArrayTracer) else wg.numpy.array(made)

    x = np.abs(X) if name in ("mathematics",) else X
    assert_derivatives(f, x)


def test_an_array_of_traced_numbers_can_be_returned() -> None:
    found = wg.jacobian(lambda t: rotation(t))(0.3)
    np.testing.assert_allclose(found, rotation(0.3 + np.pi / 2), atol=1e-15)


def test_wengert_array_copies_as_numpy_does() -> None:
    def f(x: Any) -> Any:
        y = wg.numpy.array(x)
        y[0] = 5.0
        z = wg.numpy.asarray(x)
        z[1] *= 3.0
        return np.sum(x * y)

    np.testing.assert_allclose(gradient(f, X), [5.0, 6 * X[1], 2 * X[2]])


def test_wengert_array_of_plain_things_is_numpys() -> None:
    assert type(wg.numpy.array([1, 2])) is np.ndarray
    assert wg.numpy.array([1, 2], dtype=np.float32).dtype == np.float32
    assert wg.numpy.asarray(V) is V
    assert wg.numpy.array(V) is not V
    assert wg.numpy.sin is np.sin


def test_wengert_array_takes_a_dtype() -> None:
    found = reverse(
        lambda x: [wg.numpy.array([x, 2 * x], dtype=np.float32)], [X], [np.ones((2, 3))]
    )
    assert found[0].dtype == np.float64
    np.testing.assert_allclose(found[0], [3.0, 3.0, 3.0])


@pytest.mark.parametrize(
    "ragged", [lambda x: wg.numpy.array([x, x[:1]]), lambda x: wg.numpy.array([x[0], [x[1]]])]
)
def test_ragged_lists_are_refused(ragged: Any) -> None:
    with pytest.raises(ValueError, match="shapes"):
        gradient(ragged, X)


FROM_NUMPY: dict[str, Callable[[Any], Any]] = {
    "array of rows": lambda x: np.array([x, x**2]),
    "array of columns and numbers": lambda x: np.array([[x[0], 2.0], [x[1] ** 2, x[2]]]),
    "array of one": lambda x: np.array(x),
    "array of a dtype": lambda x: np.array([x, X], dtype=float),
    "array of an axis more": lambda x: np.array(x, ndmin=3),
    "array of a list and a plain array": lambda x: np.array([[x[0], *V[1:]], V]),
    "asarray": lambda x: np.asarray(x, dtype=float),
    "asarray of rows": lambda x: np.asarray([x, x[::-1]], order="F"),
    "asanyarray": lambda x: np.asanyarray((x[0], x[1])),
    "ascontiguousarray": lambda x: np.ascontiguousarray(np.stack([x, x]).T),
    "asfortranarray": lambda x: np.asfortranarray([x, x]),
    "full_like": lambda x: np.full_like(V, x[0]) * 1.0,
    "full": lambda x: np.full((2, 3), x) * 1.0,
    "astype": lambda x: np.array([x[0], x[1]]).astype(float),
    "complex": lambda x: np.array([x[0], 1j * x[1]]).imag,
}


@pytest.mark.parametrize("name", FROM_NUMPY)
def test_arrays_that_numpy_makes_of_traced_values_have_derivatives(name: str) -> None:
    f = FROM_NUMPY[name]
    assert_derivatives(f, X)
    made, tangent = wg.jvp(f, (X,), (X,))
    want = f(X)
    assert (made.dtype, made.shape, made.strides) == (want.dtype, want.shape, want.strides)
    np.testing.assert_array_equal(made, want)
    assert tangent.shape == want.shape


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda x: np.array([x, x[:1]]), "shape"),
        (lambda x: np.array([x[0], [x[1]]]), "shape"),
        (lambda x: np.asarray(x, dtype="M8[s]"), "datetime64"),
    ],
)
def test_what_numpy_makes_no_array_of_is_an_error(wrong: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        wg.grad(lambda x: np.sum(wrong(x)))(X)


# -- like a traced array ---------------------------------------------------------------------------

LIKE: dict[str, Callable[[Any], Any]] = {
    "zeros_like": lambda x: filled(np.zeros_like(x), x),
    "zeros_like of another shape": lambda x: filled(np.zeros_like(x, shape=(4, 2)), x),
    "ones_like": lambda x: filled(np.ones_like(x), x),
    "empty_like": lambda x: filled(np.empty_like(x), x) * np.array([0.0, 1.0, 0.0]),
    "full_like": lambda x: filled(np.full_like(x, 3.0), x),
    "full_like with a traced number": lambda x: filled(np.full_like(x, x[0] ** 2), x),
    "zeros": lambda x: filled(np.zeros(4, like=x), x),
    "zeros of two axes": lambda x: filled(np.zeros((2, 3), like=x), x),
    "ones": lambda x: filled(np.ones(4, like=x), x),
    "empty": lambda x: filled(np.empty(2, like=x), x)[1],
    "full": lambda x: filled(np.full(4, 2.5, like=x), x),
    "full with a traced number": lambda x: filled(np.full(4, x[0], like=x), x),
    "eye": lambda x: filled(np.eye(3, like=x), x),
    "identity": lambda x: filled(np.identity(3, like=x), x),
    "tri": lambda x: filled(np.tri(3, like=x), x),
    "arange": lambda x: filled(np.arange(4.0, like=x), x),
    "array": lambda x: filled(np.array([1.0, 2.0, 3.0], like=x), x),
    "array of traced arrays": lambda x: filled(np.array([x, x**2], like=x), x),
    "asarray": lambda x: filled(np.asarray([1.0, 2.0, 3.0], like=x), x),
    "asarray of a traced array": lambda x: filled(np.asarray(x, like=x), x),
    "like a traced number": lambda x: np.zeros_like(x[0]) + x,
}


@pytest.mark.parametrize("name", list(LIKE))
def test_an_array_made_like_a_traced_one_can_be_assigned_into(name: str) -> None:
    function = LIKE[name]
    with warnings.catch_warnings():
        if "empty" in name:
            warnings.simplefilter("ignore")
        assert_derivatives(lambda x: np.sin(function(x)), X)


def test_an_array_made_like_a_traced_one_keeps_its_dtype_or_takes_another() -> None:
    dtypes: list[Any] = []

    def f(x: Any) -> list[Any]:
        made = [np.zeros_like(x), np.zeros(2, like=x), np.ones_like(x, dtype=complex)]
        made += [np.full_like(x, 2), np.zeros_like(x, dtype=int), np.full(2, x, like=x)]
        dtypes.extend(y.dtype.name for y in made)
        assert type(made[4]) is np.ndarray
        return [x]

    x = np.ones(2, np.float32)
    forward(f, [x], [x])
    assert dtypes == ["float32", "float64", "complex128", "float32", "int64", "float32"]


# -- linspace and its kin --------------------------------------------------------------------------

SPACES: dict[str, Callable[[Any], Any]] = {
    "linspace": lambda x: np.linspace(x[0], x[1], 7),
    "linspace from a number": lambda x: np.linspace(0.0, x[0], 5, endpoint=False),
    "linspace of arrays": lambda x: np.linspace(x, x**2, 4, axis=-1),
    "linspace with its step": lambda x: np.multiply(*np.linspace(x[0], 3.0, 4, retstep=True)),
    "linspace of one": lambda x: np.linspace(x[0], x[1], 1),
    "linspace of none": lambda x: np.linspace(x[0], x[1], 0),
    "logspace": lambda x: np.logspace(x[0], x[1], 5),
    "logspace with a traced base": lambda x: np.logspace(0.0, 2.0, 5, base=x[0] ** 2),
    "geomspace": lambda x: np.geomspace(x[0] ** 2, 10.0, 5),
}


@pytest.mark.parametrize("name", list(SPACES))
def test_numbers_between_traced_ends_agree_with_numpy(name: str) -> None:
    function = SPACES[name]
    assert_derivatives(lambda x: np.sin(function(x)), X)


def test_linspace_keeps_single_precision_and_takes_a_dtype() -> None:
    x = np.ones(2, np.float32)
    found = reverse(lambda x: [np.linspace(x[0], x[1], 3, dtype=float)], [x], [np.ones(3)])
    assert found[0].dtype == np.float32
    np.testing.assert_allclose(found[0], [1.5, 1.5])


# -- questions -------------------------------------------------------------------------------------


def test_questions_about_types_and_equality_have_plain_answers() -> None:
    asked: list[list[Any]] = []

    def f(x: Any) -> Any:
        y = x + 1e-12
        asked.append(
            [
                np.shape(x),
                np.ndim(x),
                np.size(x),
                np.result_type(x, np.float32),
                np.can_cast(x.dtype, np.float32),
                np.common_type(x, x),
                np.iscomplexobj(x),
                np.isrealobj(x),
                np.isscalar(x),
                np.array_equal(x, x.copy()),
                np.array_equal(x, y),
                np.array_equal(x, x[:2]),
                np.array_equal(x * np.nan, x * np.nan, equal_nan=True),
                np.array_equiv(x, np.stack([x, x])),
                np.array_equiv(x, x[:2]),
                np.allclose(x, y),
                np.allclose(x, 2 * x),
                np.isclose(x, [0.6, 5.0, np.nan], equal_nan=True).tolist(),
                np.isclose(x * np.inf, x * np.inf).tolist(),
            ]
        )
        return np.sum(x)

    f(X)
    gradient(f, X)
    assert asked[0] == asked[1]
    assert [type(a) for a in asked[0]] == [type(a) for a in asked[1]]


def test_whether_values_are_close_is_recorded_and_not_decided_while_tracing() -> None:
    kind = Type.of(X)
    program, _ = record(lambda x, y: [np.where(np.isclose(x, y), x, y)], [kind, kind], [X, X])
    assert program.check().output_types == (kind,)
    assert any(equation.primitive.name == "select" for equation in program.equations)


def test_a_complex_array_is_made_from_traced_parts() -> None:
    found = wg.grad(lambda x: np.sum(np.abs(wg.numpy.array([x[0] + 1j * x[1], x[2]])) ** 2))(X)
    np.testing.assert_allclose(found, 2 * X)


def test_the_order_of_memory_is_that_of_the_value() -> None:
    def f(x: Any) -> Any:
        parts = (x, x.T, x[::2], x[:, 1], x.T * 2.0)
        return np.sum(x), [(y.strides, y.flags.c_contiguous, y.flags.f_contiguous) for y in parts]

    x = X[:2, None] * np.ones(3)
    assert wg.grad(f, has_aux=True)(x)[1] == f(x)[1]


ENDS: dict[str, Any] = {
    "to a number": lambda x: (x, 3.0),
    "to an integer": lambda x: (x, 3),
    "from a number": lambda x: (1.0, x),
    "to a strong number": lambda x: (x, np.float64(3.0)),
    "to a traced one": lambda x: (x, x + 1),
    "to a list": lambda x: (x, [2.0, 3.0]),
    "to a column": lambda x: (x, np.array([[2.0], [3.0]])),
    "below zero": lambda x: (-x, -3.0),
    "across zero": lambda x: (x, -2.0),
    "to zero": lambda x: (x, 0.0),
    "to a complex number": lambda x: (x, 2j),
    "of no length": lambda x: (x, x),
}
POINTS = [
    *(np.float64(0.7), np.float32(0.7), np.complex128(0.7 + 0.2j), np.array([])),
    *(np.array([0.7, 1.3]), np.array([0.7, 1.3], np.float32)),
]
SPACING: list[tuple[Any, dict[str, Any]]] = [
    *((n, {}) for n in (0, 1, 2, 5, -1, np.int64(3), 2.5)),
    *((4, {"endpoint": False, "axis": axis}) for axis in (0, -1)),
    *((3, {"dtype": dtype}) for dtype in (int, np.float32)),
]


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("space", [np.linspace, np.logspace, np.geomspace])
@pytest.mark.filterwarnings("ignore")
def test_numbers_between_two_others_are_as_in_numpy(space: Any, ends: str) -> None:
    options = SPACING + [(n, {"retstep": True}) for n in (1, 4) if space is np.linspace]
    for x in POINTS:
        for n, how in options:
            assert_numpys(lambda x: space(*ENDS[ends](x), n, **how), x, label=(x, n, how))  # noqa: B023


def test_derivatives_of_sequences_that_start_below_zero() -> None:
    assert_derivatives(lambda x: np.geomspace(-x[0], -x[1], 4) ** 2, np.array([0.7, 2.1]))
    assert_derivatives(lambda x: np.geomspace(x[0], x[1], 3, endpoint=False), np.array([0.7, 2.1]))
    table = np.array([[0.7, 2.1], [0.4, 0.9]])
    rows = wg.vmap(lambda x: np.geomspace(x[0], x[1], 4))(table)
    np.testing.assert_allclose(rows, [np.geomspace(*row, 4) for row in table])
