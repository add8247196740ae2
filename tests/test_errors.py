"""Bad input: each kind is a wengert exception that shows the user's line and the remedy."""

import ctypes
import functools
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import scipy.special

import wengert as wg
from wengert import errors
from wengert.kinds import elementwise
from wengert.primitive import REGISTRY

X = np.arange(1.0, 4.0)
LEAKED = []


def leak(x):
    LEAKED.append(x * 2)
    return np.sum(x)


def use_leaked():
    LEAKED.clear()
    wg.grad(leak)(X)
    return LEAKED[0] + 1.0


def assign_into_plain_array(x):
    a = np.zeros(3)
    a[0] = x[0]
    return a[0]


def in_place_into_plain_array(x):
    a = np.zeros(3)
    a += x
    return np.sum(a)


def branch_on(x):
    return x if x > 0 else -x


MASKED = np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0])
MATRIX = np.matrix([[1.0, 2.0], [3.0, 4.0]])


class Quantity(np.ndarray):
    def __array_ufunc__(self, *args, **kwargs):
        raise AssertionError


TABLE = {
    "a masked array as an argument": (
        lambda: wg.grad(lambda x: np.sum(x * x))(MASKED),
        errors.UnsupportedError,
        "np.where(mask",
    ),
    "a masked array as a constant": (
        lambda: wg.grad(lambda x: np.sum(x * MASKED))(X),
        errors.UnsupportedError,
        "np.where(mask",
    ),
    "a masked array to vmap": (
        lambda: wg.vmap(lambda x: x * x)(MASKED),
        errors.UnsupportedError,
        "np.where(mask",
    ),
    "a matrix as an argument": (
        lambda: wg.jvp(lambda x: x * x, (MATRIX,), (MATRIX,)),
        errors.UnsupportedError,
        "@ for the matrix product",
    ),
    "a matrix as a constant": (
        lambda: wg.trace(lambda x: np.sum(MATRIX @ x))(X[:2]),
        errors.UnsupportedError,
        "@ for the matrix product",
    ),
    "a kind of array with arithmetic of its own": (
        lambda: wg.grad(np.sum)(X.view(Quantity)),
        errors.UnsupportedError,
        "np.asarray",
    ),
    "a sparse matrix as an argument": (
        lambda: wg.grad(lambda s: (s @ X).sum())(scipy.sparse.eye(3)),
        errors.DtypeError,
        "NumPy array",
    ),
    "a sparse matrix as a constant": (
        lambda: wg.grad(lambda x: np.sum(x @ scipy.sparse.eye(3).tocsr()))(X),
        errors.TracedArrayError,
        "toarray",
    ),
    "a pickle of a traced value": (
        lambda: wg.grad(lambda x: np.sum(pickle.loads(pickle.dumps(x))))(X),
        errors.TracedArrayError,
        "stop_gradient",
    ),
    "the value of a function in its place": (
        lambda: wg.grad(np.sum(X)),
        errors.TracedArrayError,
        "wg.grad(f)(x)",
    ),
    "an object as result": (
        lambda: wg.grad(lambda x: object())(2.0),
        errors.DtypeError,
        "not a number",
    ),
    "a masked tangent": (
        lambda: wg.jvp(np.sin, (X,), (MASKED,)),
        errors.UnsupportedError,
        "np.where(mask",
    ),
    "no argument to differentiate": (
        lambda: wg.grad(np.sum, argnums=())(X),
        errors.ShapeError,
        "argnums=0",
    ),
    "a non-scalar result of grad": (
        lambda: wg.grad(lambda x: x * 2)(X),
        errors.ShapeError,
        "np.sum",
    ),
    "two results of grad": (
        lambda: wg.grad(lambda x: (x[0], x[1]))(X),
        errors.ShapeError,
        "wg.jacobian",
    ),
    "no result": (lambda: wg.grad(lambda x: None)(X), errors.ShapeError, "one number"),
    "a string as result": (lambda: wg.grad(lambda x: "no")(X), errors.DtypeError, "not a number"),
    "an integer result of grad": (
        lambda: wg.grad(lambda x: int(x))(2.0),
        errors.DtypeError,
        "floating-point",
    ),
    "an integer array": (lambda: wg.grad(np.sum)(np.arange(3)), errors.DtypeError, "astype(float)"),
    "a boolean": (lambda: wg.grad(lambda x: x * 1.0)(True), errors.DtypeError, "bool"),
    "a string": (lambda: wg.grad(lambda x: x)("no"), errors.DtypeError, "argnums"),
    "a complex result": (lambda: wg.grad(lambda x: x * 1j)(2.0), errors.DtypeError, "holomorphic"),
    "argnums out of range": (
        lambda: wg.grad(lambda x: x, argnums=1)(2.0),
        errors.ShapeError,
        "positional",
    ),
    "tangents of another shape": (
        lambda: wg.jvp(np.sin, (X,), (np.ones(2),)),
        errors.ShapeError,
        "shape",
    ),
    "tangents of another structure": (
        lambda: wg.jvp(np.sin, (X,), ((X, X),)),
        errors.ShapeError,
        "structure",
    ),
    "tangents that are no tuple": (
        lambda: wg.jvp(np.sin, X, X),
        errors.ShapeError,
        "wg.jvp(f, (x,), (x_dot,))",
    ),
    "a complex tangent of a real value": (
        lambda: wg.jvp(np.sin, (1.0,), (1j,)),
        errors.DtypeError,
        "complex",
    ),
    "a cotangent of another shape": (
        lambda: wg.vjp(np.sin, X)[1](np.ones(2)),
        errors.ShapeError,
        "shape",
    ),
    "a leaked value": (use_leaked, errors.LeakedTracerError, "has_aux"),
    "float": (lambda: wg.grad(lambda x: float(x))(1.0), errors.TracedArrayError, "np.sin"),
    "complex": (lambda: wg.grad(lambda x: complex(x))(1.0), errors.TracedArrayError, "complex"),
    "item": (lambda: wg.grad(lambda x: x.item())(np.float64(1.0)), errors.TracedArrayError, "item"),
    "math.sin": (lambda: wg.grad(lambda x: math.sin(x))(1.0), errors.TracedArrayError, "np.sin"),
    "assignment into a plain array": (
        lambda: wg.grad(assign_into_plain_array)(X),
        errors.TracedArrayError,
        "np.zeros_like",
    ),
    "in-place addition to a plain array": (
        lambda: wg.grad(in_place_into_plain_array)(X),
        errors.TracedArrayError,
        "plain array",
    ),
    "out= of a plain array": (
        lambda: wg.grad(lambda x: np.sum(np.sin(x, out=np.zeros(3))))(X),
        errors.TracedArrayError,
        "out",
    ),
    "np.asarray": (
        lambda: wg.grad(lambda x: np.sum(np.asarray(x)))(X),
        errors.TracedArrayError,
        "np.asarray",
    ),
    "a C function": (
        lambda: wg.grad(lambda x: ctypes.pythonapi.PyFloat_AsDouble(ctypes.py_object(x)))(1.0),
        errors.TracedArrayError,
        "float",
    ),
    "a function of SciPy that is not written in NumPy": (
        lambda: wg.grad(lambda x: scipy.linalg.cholesky(x)[0, 0])(np.eye(2)),
        errors.WengertError,
        "",
    ),
    "a NumPy function without a rule": (
        lambda: wg.grad(lambda x: np.sum(np.bartlett(x)))(X),
        errors.WengertError,
        "",
    ),
    "a branch on a batch": (lambda: wg.vmap(branch_on)(X), errors.AbstractValueError, "np.where"),
    "batches of different sizes": (
        lambda: wg.vmap(lambda x, y: x + y)(X, np.ones(2)),
        errors.ShapeError,
        "different sizes",
    ),
    "nothing to batch": (
        lambda: wg.vmap(lambda x: x, in_axes=None)(X),
        errors.ShapeError,
        "at least one",
    ),
    "a batch axis that is not there": (
        lambda: wg.vmap(lambda x: x, in_axes=2)(X),
        errors.ShapeError,
        "axis 2",
    ),
    "in_axes of another structure": (
        lambda: wg.vmap(lambda x: x, in_axes=(0, 0))(X),
        errors.ShapeError,
        "in_axes",
    ),
    "a custom_jvp without rule": (
        lambda: wg.grad(wg.custom_jvp(lambda x: x))(1.0),
        errors.UnknownDerivativeError,
        "defjvp",
    ),
    "a custom_vjp without rule": (
        lambda: wg.grad(wg.custom_vjp(lambda x: x))(1.0),
        errors.UnknownDerivativeError,
        "defvjp",
    ),
    "where= without out=": (
        lambda: wg.grad(lambda x: np.sum(np.log(x, where=X > 1)))(X),
        errors.UnsupportedError,
        "np.where",
    ),
    "holomorphic at a real argument": (
        lambda: wg.grad(np.sin, holomorphic=True)(1.0),
        errors.DtypeError,
        "complex",
    ),
    "an integer result of jacobian": (
        lambda: wg.jacobian(lambda x: np.argsort(X))(X),
        errors.DtypeError,
        "floating-point",
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_bad_input_is_explained(case):
    call, kind, word = TABLE[case]
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert isinstance(caught.value, errors.WengertError)
    assert word in message
    assert Path(__file__).name in message, "the user's own line is shown"


def put_slice(y, x):
    y[:, 0] = x**2
    return np.sum(y)


def add_to(y, x):
    y += x**2
    return np.sum(y)


@functools.lru_cache
def cached(x):
    return np.exp(x)


@wg.custom_vjp
def transformed(x):
    return np.fft.fft(x)


transformed.defvjp(lambda x: (transformed(x), None), lambda _, y_bar: (transformed(y_bar),))

REMEDIES = {
    "a slice of np.zeros": (
        lambda x: put_slice(np.zeros((3, 2)), x),
        "np.zeros_like(x, shape=n) for np.zeros(n)",
        lambda x: put_slice(np.zeros_like(x, shape=(3, 2)), x),
    ),
    "an element of np.zeros": (
        lambda x: put_slice(np.zeros((1, 2)), x[0]),
        "np.zeros_like(x, shape=n) for np.zeros(n)",
        lambda x: put_slice(np.zeros_like(x, shape=(1, 2)), x[0]),
    ),
    "+=": (
        lambda x: add_to(np.zeros(3), x),
        "y = y + x for y += x",
        lambda x: np.sum(np.zeros(3) + x**2),
    ),
    "full_like": (
        lambda x: np.sum(np.full_like(X, x[0]) ** 2),
        "np.full for np.full_like(y, x)",
        lambda x: np.sum(np.full(3, x[0]) ** 2),
    ),
    "r_": (
        lambda x: np.sum(np.r_[x, 1.0, x] ** 2),
        "np.concatenate for np.r_",
        lambda x: np.sum(np.concatenate([x, [1.0], x]) ** 2),
    ),
    "c_": (
        lambda x: np.sum(np.c_[x, x] ** 2),
        "np.column_stack for np.c_",
        lambda x: np.sum(np.column_stack([x, x]) ** 2),
    ),
    "complex": (
        lambda x: abs(complex(x[0], x[1])),
        "a + 1j * b for complex(a, b)",
        lambda x: abs(x[0] + 1j * x[1]),
    ),
    "item": (lambda x: x[0].item() ** 2, "x for x.item()", lambda x: x[0] ** 2),
    "a table": (
        lambda x: {1.0: 3.0}.get(x[0], 0.0) * x[0],
        "wg.stop_gradient(x) for the x",
        lambda x: {1.0: 3.0}.get(wg.stop_gradient(x[0]), 3.0) * x[0],
    ),
    "a cached function": (
        lambda x: cached(x[0]),
        "f.__wrapped__(x)",
        lambda x: cached.__wrapped__(x[0]),
    ),
    "det of a matrix of numbers": (
        lambda x: np.linalg.det(np.array([[x[0], x[1]], [1.0, x[2]]])),
        "np.block([[a, b], [c, d]])",
        lambda x: np.linalg.det(np.block([[x[0], x[1]], [1.0, x[2]]])),
    ),
    "a complex cotangent of a real value": (
        lambda x: np.sum(np.abs(transformed(x)) ** 2),
        "x + 0j for x",
        lambda x: np.sum(np.abs(transformed(x + 0j)) ** 2),
    ),
}


@pytest.mark.parametrize("case", REMEDIES)
def test_the_remedy_works_with_and_without_derivatives(case):
    refused, remedy, right = REMEDIES[case]
    with pytest.raises(TypeError) as caught:
        wg.grad(refused)(X)
    assert remedy in "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
    np.testing.assert_allclose(right(X), refused(X))
    wg.check_grads(right, (X,))


def test_the_line_shown_is_the_one_at_fault():
    with pytest.raises(errors.TracedArrayError) as caught:
        wg.grad(assign_into_plain_array)(X)
    assert "a[0] = x[0]" in str(caught.value)


def test_an_unknown_derivative_is_an_error_and_not_zero(monkeypatch):
    primitive = elementwise(
        "order_and_argument",
        lambda n, x: np.cos(n) * x,
        [None, lambda x: np.cos(x)],
        dtype=lambda _: np.dtype(float),
    )
    monkeypatch.delitem(REGISTRY, "order_and_argument")

    def f(t):
        return primitive.bind(t, 2.0)

    with pytest.raises(errors.UnknownDerivativeError, match="is not known"):
        wg.grad(f)(0.5)
    with pytest.raises(errors.UnknownDerivativeError, match="is not known"):
        wg.jvp(f, (0.5,), (1.0,))


def test_control_flow_on_values_works_without_vmap():
    assert wg.grad(branch_on)(-2.0) == -1.0
    assert wg.jvp(branch_on, (-2.0,), (1.0,))[1] == -1.0


@pytest.mark.parametrize("verb", [wg.grad, lambda f: lambda x: wg.jvp(f, (x,), (1.0,))])
def test_an_array_of_objects_in_linear_algebra_says_what_to_write(verb):
    def f(t, array):
        return np.linalg.det(array([[t, 1.0], [0.0, t]]))

    with pytest.raises(TypeError) as caught:
        verb(lambda t: f(t, np.array))(2.0)
    assert any("wg.numpy.array" in note for note in caught.value.__notes__)
    verb(lambda t: f(t, wg.numpy.array))(2.0)


@pytest.mark.parametrize(
    "verb",
    [
        lambda f: wg.grad(lambda x: np.sum(f(x)))(1.0),
        lambda f: wg.jvp(f, (1.0,), (1.0,)),
        lambda f: wg.vmap(f)(X),
        lambda f: wg.trace(f)(1.0),
        lambda f: wg.explain(f, 1.0),
        lambda f: wg.grad(wg.grad(lambda x: np.sum(f(x))))(1.0),
    ],
)
def test_an_array_of_numbers_traced_and_plain_says_what_to_write_once(verb):
    with pytest.raises(TypeError) as caught:
        verb(lambda x: np.sin(np.array([x, 2.0])))
    (note,) = caught.value.__notes__
    assert "wg.numpy.array" in note


def test_a_function_without_a_rule_is_named_as_the_user_knows_it():
    mine = np.frompyfunc(lambda s: s * s, 1, 1)
    for f, name in ((mine, "<lambda> (vectorized)"), (scipy.special.erfcx, "scipy.special.erfcx")):
        with pytest.raises(errors.UnsupportedError) as caught:
            wg.grad(lambda x, f=f: np.sum(f(x)))(X)
        assert str(caught.value).startswith(f"{name} was called")
    with pytest.raises(errors.UnsupportedError, match=r"Write instead: np\.sqrt;"):
        wg.grad(lambda x: np.sum(np.emath.sqrt(x)))(X)


@pytest.mark.parametrize(
    ("value", "name"),
    [(1, "an int"), ([], "a list"), (X, "an ndarray"), (np.uint8(1), "a uint8"), (None, "a None")],
)
def test_a_value_that_is_no_function_is_named_with_the_right_article(value, name):
    with pytest.raises(errors.TracedArrayError, match=f"was given {name}"):
        wg.grad(value)
    with pytest.raises(errors.TracedArrayError, match=f"was given {name}"):
        wg.cond(True, value, np.sin, 1.0)
