"""Bad input: each kind is a wengert exception that shows the user's line and the remedy."""

import array
import ctypes
import functools
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


def in_c(x):
    return array.array("d", [x])[0]


def assign_into_memory(x):
    a = array.array("d", [0.0, 0.0])
    a[0] = x[0]
    return a[0]


def assign_into_text(x):
    a = np.array(["", ""])
    a[0] = x[0]
    return x


def assign_into_bytes(x):
    a = np.frombuffer(bytearray(16))
    a[0] = x[0]
    return x


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
        lambda: wg.grad(lambda x: np.sum(np.maximum(x, scipy.sparse.eye(3).tocsr())))(X),
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
    "a number for C": (lambda: wg.grad(in_c)(1.0), errors.TracedArrayError, "np.array([x, y])"),
    "assignment into memory of C's": (
        lambda: wg.grad(assign_into_memory)(X),
        errors.TracedArrayError,
        "np.zeros(n)",
    ),
    "assignment into an array of strings": (
        lambda: wg.vmap(assign_into_text)(X[None]),
        errors.TracedArrayError,
        "floating point",
    ),
    "assignment into an array of bytes": (
        lambda: wg.grad(assign_into_bytes)(X),
        errors.TracedArrayError,
        "x.copy()",
    ),
    "a C function": (
        lambda: wg.grad(lambda x: ctypes.pythonapi.PyFloat_AsDouble(ctypes.py_object(x)))(1.0),
        errors.TracedArrayError,
        "float",
    ),
    "a function of SciPy that is not written in NumPy": (
        lambda: wg.grad(lambda x: scipy.linalg.cholesky(x)[0, 0])(np.eye(2)),
        errors.WengertError,
        "np.linalg",
    ),
    "a NumPy function without a rule": (
        lambda: wg.grad(lambda x: np.packbits(x)[0])(X),
        errors.WengertError,
        "np.packbits",
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


@functools.lru_cache
def cached(x):
    return np.exp(x)


@wg.custom_vjp
def transformed(x):
    return np.fft.fft(x)


transformed.defvjp(lambda x: (transformed(x), None), lambda _, y_bar: (transformed(y_bar),))

REMEDIES = {
    "a table": (
        lambda x: {1.0: 3.0}.get(x[0], 0.0) * x[0],
        "wg.stop_gradient(x) for the x",
        lambda x: {1.0: 3.0}.get(wg.stop_gradient(x[0]), 3.0) * x[0],
    ),
    "a cached function": (
        lambda x: cached(x[0]),
        "cached.__wrapped__(x) for cached(x)",
        lambda x: cached.__wrapped__(x[0]),
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
        wg.grad(assign_into_memory)(X)
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


def test_a_function_without_a_rule_is_named_as_the_user_knows_it():
    with pytest.raises(errors.UnsupportedError) as caught:
        wg.grad(lambda x: np.sum(scipy.special.erfcx(x)))(X)
    assert str(caught.value).startswith("scipy.special.erfcx was called")


@pytest.mark.parametrize(
    ("value", "name"),
    [(1, "an int"), ([], "a list"), (X, "an ndarray"), (np.uint8(1), "a uint8"), (None, "a None")],
)
def test_a_value_that_is_no_function_is_named_with_the_right_article(value, name):
    with pytest.raises(errors.TracedArrayError, match=f"was given {name}"):
        wg.grad(value)
    with pytest.raises(errors.TracedArrayError, match=f"was given {name}"):
        wg.cond(True, value, np.sin, 1.0)
