"""What the user's code is told of the class and the attributes of a traced value.

The reference is the same question asked of the plain value.
"""

from __future__ import annotations

import collections.abc
import functools
import math
import numbers
import typing
from abc import ABC
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.trace import ArrayTracer, Tracer

ARRAY = np.array([0.5, 2.0, 3.0])
POINTS = {
    "float": 1.5,
    "complex": 1.5 + 0.5j,
    "float64": np.float64(1.5),
    "float32": np.float32(1.5),
    "complex128": np.complex128(1.5 + 0.5j),
    "vector": ARRAY,
    "matrix": np.ones((2, 2)),
}


def summed(y):
    """A real number that depends on y."""
    return np.sum(np.real(y) * 1.0)


RUNS = {
    "grad": lambda f, x: wg.grad(f)(x),
    "jvp": lambda f, x: wg.jvp(f, (x,), (x,)),
    "linearize": lambda f, x: wg.linearize(f, x),
    "hessian": lambda f, x: wg.jvp(wg.grad(f), (x,), (x,)),
    "trace": lambda f, x: wg.trace(f)(x),
    "jit": lambda f, x: wg.jit(f)(x),
    "jit(grad)": lambda f, x: wg.jit(wg.grad(f))(x),
}
ABSTRACT = {
    "vmap": lambda f, x: wg.vmap(f)(np.stack([x, x])),
    "vmap(grad)": lambda f, x: wg.vmap(wg.grad(f))(np.stack([x, x])),
    "scan": lambda f, x: wg.scan(lambda c, y: (c + f(y), None), 0.0, np.stack([x, x])),
    "cond": lambda f, x: wg.cond(True, f, f, x),
}


def asked(question, run, x):
    """What the question finds in a run; nothing but the last answer, as a run may be repeated."""
    found = []

    def f(x):
        found.append(question(x))
        return summed(x)

    run(f, x)
    assert all(answer == found[0] for answer in found)
    return found[0]


class Registered(ABC):  # noqa: B024
    """An abstract class of the user's own."""


Registered.register(np.floating)


@functools.singledispatch
def dispatched(x):
    return "object"


@dispatched.register
def _(x: float):
    return "float"


@dispatched.register
def _(x: np.ndarray):
    return "ndarray"


@dispatched.register
def _(x: np.generic):
    return "generic"


def matched(x):
    match x:
        case float(y):
            return "float", np.ndim(y)
        case complex():
            return "complex"
        case np.ndarray(shape=(n,)):
            return "vector", n
        case np.ndarray():
            return "array"
        case [_, *_]:
            return "sequence"
        case np.floating():
            return "floating"


@typing.runtime_checkable
class Whole(typing.Protocol):
    def is_integer(self) -> bool: ...


CLASSES = (
    *(float, int, complex, bool, list, tuple, object, np.ndarray, np.generic, np.number),
    *(np.inexact, np.floating, np.complexfloating, np.float64, np.float32, np.complex128),
    *(numbers.Number, numbers.Complex, numbers.Real, numbers.Integral, Registered, Whole),
    *(collections.abc.Sized, collections.abc.Iterable, collections.abc.Hashable),
    *(collections.abc.Sequence, collections.abc.Container, collections.abc.Collection),
    *(collections.abc.Iterator, collections.abc.Callable, collections.abc.Reversible),
)

QUESTIONS = {
    "isinstance": lambda x: [isinstance(x, kind) for kind in CLASSES],
    "isinstance of several": lambda x: isinstance(x, (list, float, np.ndarray)),
    "isinstance of a union": lambda x: isinstance(x, int | float),
    "class": lambda x: x.__class__,
    "name": lambda x: x.__class__.__name__,
    "isscalar": np.isscalar,
    "ndim": np.ndim,
    "shape": np.shape,
    "size": np.size,
    "iterable": np.iterable,
    "callable": callable,
    "iscomplexobj": np.iscomplexobj,
    "isrealobj": np.isrealobj,
    "match": matched,
    "singledispatch": dispatched,
    "len": lambda x: hasattr(x, "__len__"),
    "iter": lambda x: hasattr(x, "__iter__"),
    "array": lambda x: hasattr(x, "__array__"),
    "index": lambda x: hasattr(x, "__index__"),
    "matmul": lambda x: hasattr(x, "__matmul__"),
    "shape by default": lambda x: getattr(x, "shape", "none"),
    "dtype": lambda x: str(getattr(x, "dtype", "none")),
    "flags": lambda x: hasattr(x, "flags") and (x.flags.c_contiguous, x.flags["WRITEABLE"]),
    "memory": lambda x: [getattr(x, n, "none") for n in ("strides", "itemsize", "nbytes", "base")],
    "device": lambda x: getattr(x, "device", "none"),
}


@pytest.mark.parametrize("run", [*RUNS, *ABSTRACT])
@pytest.mark.parametrize("point", POINTS)
def test_a_question_for_the_type_is_answered_as_for_the_plain_value(point, run):
    x = POINTS[point]
    if run in ABSTRACT and isinstance(x, (float, complex)) and not isinstance(x, np.generic):
        pytest.skip("the slices of an array are no numbers of Python's")
    for name, question in QUESTIONS.items():
        wanted = question(x)
        assert asked(question, {**RUNS, **ABSTRACT}[run], x) == wanted, name


OF_A_TRACE = set(
    "assign assignable derived is_part promotes python root rooted strong version writeable".split()
)
"""Names of a trace's own, which no code of NumPy's or Python's has."""

NAMES = sorted(
    {
        name
        for kind in (np.float64, np.ndarray, np.int64, float, complex, Tracer, ArrayTracer)
        for name in dir(kind)
        if not name.startswith("_")
    }
    - OF_A_TRACE
    | {"exp", "sqrt", "log", "hypot", "values", "toarray", "numpy", "append"}
    | {"__call__", "__name__", "__subclasses__", "mro"}  # which classes have
)


@pytest.mark.parametrize("run", [*RUNS, "vmap"])
@pytest.mark.parametrize("point", POINTS)
def test_hasattr_says_the_same_of_a_traced_value_as_of_the_plain_one(point, run):
    x = POINTS[point]
    if run == "vmap" and type(x) in (float, complex):
        pytest.skip("the slices of an array are no numbers of Python's")
    # The names are written out, as they are in code that asks.
    source = "lambda x: [" + ", ".join(f"hasattr(x, {n!r})" for n in NAMES if n != "mT") + "]"
    question = eval(source)
    assert asked(question, {**RUNS, **ABSTRACT}[run], x) == question(x)


def answer(x, name):
    try:
        value = getattr(x, name)
        return value() if callable(value) else value
    except Exception as error:
        return error


@pytest.mark.parametrize("point", ["float", "float64", "vector"])
def test_an_attribute_gives_what_it_gives_in_numpy_or_a_clear_error(point):
    x = POINTS[point]
    names = [n for n in dir(type(x)) if not n.startswith("_")]
    wrong = []

    def f(y):
        for name in names:
            given, wanted = answer(y, name), answer(x, name)
            unlike = name in ("flat", "tolist") or type(given).__name__ in ("Withheld", "Flags")
            if isinstance(given, AttributeError):
                wrong.append((name, given))
            elif unlike or isinstance(given, Exception) or isinstance(wanted, Exception):
                continue
            elif not np.array_equal(wg.stop_gradient(given), wanted):
                wrong.append((name, given, wanted))
        return summed(y)

    with pytest.raises(wg.errors.REFUSALS, match="the function went on"):
        wg.jvp(f, (x,), (x,))
    assert not wrong


@pytest.mark.parametrize("name", ["data", "ctypes", "tobytes", "as_integer_ratio"])
def test_what_would_read_the_memory_is_refused_when_it_is_used(name):
    def f(x):
        found = getattr(x, name)
        return x * len(found() if callable(found) else found)

    x = np.float64(1.5) if name != "ctypes" else ARRAY
    with pytest.raises(wg.errors.TracedArrayError, match=rf"\.{name} of a traced value"):
        wg.grad(f)(x)


def test_whether_a_number_is_whole_is_known_and_has_no_derivative():
    def f(x):
        return x * 2.0 if x.is_integer() else x * 3.0

    for x in (2.0, 2.5, np.float64(2.0), np.float64(2.5)):
        assert wg.value_and_grad(f)(x) == (f(x), 2.0 if x == 2.0 else 3.0)
    assert list(wg.vmap(lambda x: x.is_integer())(np.array([1.0, 1.5, np.inf]))) == [1, 0, 0]


FLAGS = [n for n in dir(ARRAY.flags) if not n.startswith("_") and n not in ("num", "owndata")]
LETTERS = "C F W A B CA FA FORC FNC WRITEABLE BEHAVED CARRAY FARRAY C_CONTIGUOUS".split()


def flagged(x):
    views = (x, x * 1.0, x.T, np.broadcast_to(x, (2, *np.shape(x))), np.sum(x), np.zeros_like(x))
    return [
        (*(bool(getattr(y.flags, n)) for n in FLAGS), *(bool(y.flags[n]) for n in LETTERS))
        for y in views
    ]


def read_only(x):
    x = np.array(x, order="K")
    x.flags.writeable = False
    return x


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.filterwarnings("ignore::wengert.errors.JitWarning")
def test_the_flags_are_numpys(run):
    c = np.arange(6.0).reshape(2, 3)
    arrays = (np.array(0.4), np.float64(0.3), c[0], c, c.T, c[:, ::2])
    for x in (*arrays, *map(read_only, arrays)):
        assert asked(flagged, RUNS[run], x) == flagged(x)


@pytest.mark.parametrize("run", ["grad", "jvp", "trace", "jit"])
def test_the_list_of_an_array_without_axes_is_a_number(run):
    asked_of = lambda x: (np.isscalar(x.tolist()), hasattr(x.tolist(), "__len__"))  # noqa: E731
    for x in (np.array(1.5), np.array(2)):
        if x.dtype.kind == "f" or run in ("trace", "jit"):
            assert asked(asked_of, RUNS[run], x) == asked_of(x)


def test_the_flags_of_a_traced_array_cannot_be_set():
    def f(x):
        x.flags.writeable = False
        return np.sum(x)

    with pytest.raises(wg.errors.UnsupportedError, match=r"flags\.writeable"):
        wg.grad(f)(ARRAY)


BRANCHES = {
    "float": lambda x: x * 2.0 if isinstance(x, float) else x * 3.0,
    "Real": lambda x: x * 2.0 if isinstance(x, numbers.Real) else x * 3.0,
    "ndarray": lambda x: np.sum(x * x) if isinstance(x, np.ndarray) else x * 3.0,
    "isscalar": lambda x: x * 2.0 if np.isscalar(x) else np.sum(x * 3.0),
    "shape": lambda x: np.sum(x * 2.0) if hasattr(x, "shape") else x * 3.0,
    "inner": lambda x: (lambda y: y * 2.0 if hasattr(y, "sum") else y * 3.0)(np.sum(x) * 2.0),
    "arithmetic": lambda x: (lambda y: y * 2.0 if isinstance(y, np.generic) else y * 3.0)(
        np.sum(2.0 * x - 1) ** 2 / 3
    ),
    "comparison": lambda x: x * 2.0 if (np.sum(x) > 1.0) is True else np.sum(x) * 3.0,
    "bool": lambda x: x * 2.0 if isinstance(np.sum(x) > 1.0, bool) else np.sum(x) * 3.0,
    "abs": lambda x: x * 2.0 if hasattr(abs(-x), "shape") else np.sum(x) * 3.0,
}


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("point", ["float", "float64", "vector"])
def test_the_branch_that_is_differentiated_is_the_one_of_the_plain_value(branch, point):
    def f(x):
        return np.sum(BRANCHES[branch](x))

    x = POINTS[point]
    value, slope = wg.value_and_grad(f)(x)
    assert value == f(x)
    step = 1e-6
    quotient = (f(x + step) - f(x - step)) / (2 * step)
    assert math.isclose(np.sum(slope), quotient, rel_tol=1e-6)
    assert wg.jvp(f, (x,), (x * 0 + 1.0,))[0] == f(x)
    assert wg.jit(wg.value_and_grad(f))(x)[0] == f(x)
    assert wg.value_and_grad(wg.jit(f))(x)[0] == f(x)
    assert wg.check_value(f, x) == f(x)
    rule = wg.custom_jvp(f)
    rule.defjvp(lambda primals, tangents: (f(*primals), np.sum(tangents[0])))
    assert wg.value_and_grad(rule)(x)[0] == f(x)
    assert np.isfinite(wg.hessian(f)(x)).all()


def test_what_numpy_makes_of_a_python_number_is_numpys():
    def f(x):
        made = (x, -x, x + 1, 2.0 * x, x / 3, x**2, abs(x), x % 2, x.real, sum([x, x]))
        made += (np.sin(x), x * np.float64(2.0), x + np.sum(ARRAY), np.sum(x))
        made += (np.real(x), np.imag(x), np.real(x + 1j), np.imag(x * 1j), x * 1j)
        return x * 1.0, [y.__class__ for y in made]

    assert wg.grad(f, has_aux=True)(1.5)[1] == f(1.5)[1]
    assert wg.jvp(f, (1.5,), (1.0,), has_aux=True)[2] == f(1.5)[1]


@pytest.mark.parametrize("x", [2.0, np.float64(2.0)])
def test_a_number_that_was_put_into_an_array_says_what_it_said_before(x: Any) -> None:
    def answers(x: Any) -> list[float]:
        y = np.array([x, 1.0])
        assert y.shape == (2,)
        found = [hasattr(x, name) for name in ("shape", "dtype", "is_integer", "T", "item")]
        found += [isinstance(x, kind) for kind in (float, np.floating, np.ndarray)]
        return [float(each) for each in (*found, np.isscalar(x))]

    wanted = answers(x)
    assert wg.jvp(answers, (x,), (x,))[0] == wanted
    assert wg.vjp(answers, x)[0] == wanted


def test_a_float_in_an_array_computes_and_is_refused_as_before() -> None:
    def f(x: float) -> Any:
        y = np.array([x, 1.0])
        return np.sum(y * y) + x * y[1]

    assert wg.grad(f)(3.0) == 7.0
    with pytest.raises(AttributeError, match="'float' object has no attribute 'shape'"):
        wg.grad(lambda x: np.array([x, 1.0])[1] + x.shape[0])(3.0)


def _said(x):
    views = x[1:], x.T, x[...], x.reshape(-1, 1), x[0, ...]
    said = [(view.base is None, view.flags.owndata, view.flags["OWNDATA"]) for view in views]
    return [*said, isinstance(np.cross(x[:3], x[:3] + 1.0), np.ndarray), x.base is None]


@pytest.mark.parametrize("read_only", [False, True])
def test_views_say_whose_memory_they_have(read_only):
    x = np.arange(1.0, 4.0)
    x.flags.writeable = not read_only
    said = []

    def f(x):
        said.append(_said(x))
        return np.sum(x)

    f(x)
    for verb in (wg.grad, wg.hessian, lambda f: wg.jit(wg.grad(f))):
        verb(f)(x)
    wg.jvp(f, (x,), (x,))
    assert all(each == said[0] for each in said)


def test_the_array_that_is_asked_for_by_its_method_is_the_array_itself() -> None:
    def f(x):
        wide = x.__array__(np.float64)
        return np.sum(x.__array__(copy=True) * x.__array__()) + np.sum(wide**2)

    x = np.array([1.0, 2.0])
    assert wg.grad(f)(x).tolist() == wg.jit(wg.grad(f))(x).tolist() == [4.0, 8.0]
    assert wg.hessian(f)(x).tolist() == [[4.0, 0.0], [0.0, 4.0]]
    assert wg.vmap(f)(np.stack([x, -x])).tolist() == [10.0, 10.0]
