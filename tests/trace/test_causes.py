"""Errors name what was given a traced value, at the user's line, and what to write for it."""

# ruff: noqa: UP031

from __future__ import annotations

import array
import ctypes
import datetime
import decimal
import fractions
import functools
import hashlib
import importlib.util
import json
import logging
import math
import struct
import sys
import types
from typing import Any

import numpy as np
import pytest
import scipy.fft
import scipy.integrate
import scipy.interpolate
import scipy.linalg
import scipy.ndimage
import scipy.optimize
import scipy.signal
import scipy.spatial.distance
import scipy.special
from scipy.spatial.transform import Rotation

import wengert as wg
from wengert.errors import AbstractValueError, TracedArrayError, UnsupportedError, WengertError
from wengert.trace.causes import nearest_to

X = np.array([1.5, 2.0, 0.5])
SYMMETRIC = np.array([[2.0, 0.5], [0.5, 1.0]])


@functools.lru_cache
def cached(t: Any) -> Any:
    return t * t


def into_memory(t: Any) -> Any:
    a = array.array("d", [0.0])
    a[0] = t
    return a[0]


def remembered(t: Any) -> Any:
    known: dict[Any, Any] = {}
    if t not in known:
        known[t] = t
    return known[t]


class Dispatcher:
    """A function that numba has compiled, as far as an error can tell."""

    __module__ = "numba.core.registry"

    def __init__(self, py_func: Any) -> None:
        self.py_func = py_func
        self.__name__ = py_func.__name__

    __call__ = staticmethod(ctypes.c_double)


compiled = Dispatcher(math.ulp)

OF_NUMBERS: dict[str, tuple[Any, str, str]] = {
    "array": (lambda t: array.array("d", [t])[0], "by array.array", "np.array([x, y])"),
    "struct": (lambda t: len(struct.pack("d", t)), "by struct.pack", "wg.stop_gradient(x)"),
    "ctypes": (lambda t: ctypes.c_double(t).value, "by ctypes.c_double", "wg.custom_jvp"),
    "Decimal": (lambda t: float(decimal.Decimal(t)), "to decimal.Decimal", "x for Decimal(x)"),
    "Fraction": (lambda t: float(fractions.Fraction(t)), "as_integer_ratio", "wg.stop_gradient(x)"),
    "timedelta": (
        lambda t: datetime.timedelta(seconds=t).total_seconds(),
        "to datetime.timedelta",
        "a number of seconds",
    ),
    "json": (lambda t: len(json.dumps(t)), "to json.dumps", "wg.stop_gradient(x)"),
    "json of a list": (lambda t: len(json.dumps([{"a": t}])), "to json.dumps", "stop_gradient"),
    "json with indents": (lambda t: len(json.dumps([t], indent=1)), "to json.dumps", "stop_grad"),
    "numba": (lambda t: compiled(t), "by compiled", "compiled.py_func(x) for compiled(x)"),
    "lru_cache": (lambda t: cached(t), "cached keeps", "cached.__wrapped__(x) for cached(x)"),
    "a dict": (remembered, "the key in `t not in known`", "wg.stop_gradient(x)"),
    "a display": (lambda t: {1.5: 3.0}[t], "the key in `{1.5: 3.0}[t]`", "wg.stop_gradient(x)"),
    "a set": (lambda t: len({t}), "the key in `{t}`", "wg.stop_gradient(x)"),
    "memory": (into_memory, "the assignment into a[0]", "np.zeros(n)"),
    "quad": (
        lambda t: scipy.integrate.quad(lambda s: s * t, 0.0, 1.0)[0],
        "by scipy.integrate.quad",
        "np.polynomial.legendre.leggauss(n)",
    ),
}


@pytest.mark.parametrize("case", OF_NUMBERS)
def test_what_was_given_a_number_is_named(case: str) -> None:
    f, name, advice = OF_NUMBERS[case]
    f(1.5)
    for run in (
        lambda: wg.grad(lambda t: t * f(t))(1.5),
        lambda: wg.jvp(f, (1.5,), (1.0,)),
        lambda: wg.grad(wg.grad(lambda t: t * f(t)))(1.5),
        lambda: wg.jit(wg.grad(lambda t: t * f(t)))(1.5),
    ):
        with pytest.raises(TracedArrayError) as caught:
            run()
        assert name in str(caught.value)
        assert advice in str(caught.value)
        assert (caught.value.line or "").startswith("test_causes.py:")
        assert "lambda: wg" not in caught.value.line


class OfMemory(np.ndarray):
    """Arrays of a user's own class."""

    def __new__(cls, x: Any) -> Any:
        return super().__new__(cls, x.shape, float, x)


OF_ARRAYS: dict[str, tuple[Any, Any, str, str]] = {
    "a hash": (
        lambda x: np.float64(len(hashlib.md5(np.array([x[0], 2.0])).digest())),
        X,
        "to hashlib.md5",
        "hashlib.md5(wg.stop_gradient(x)) where the hash is only shown",
    ),
    "a class": (OfMemory, X, "__new__", "a class that has an array as an attribute"),
    "a rotation": (
        lambda x: Rotation.from_euler("z", x[0]).as_matrix(),
        X,
        "Rotation.from_euler",
        "the matrix of a turn by a",
    ),
    "a quadratic spline": (
        lambda x: scipy.interpolate.interp1d(np.arange(3.0) * x[0], X, kind="quadratic")(0.1),
        X,
        "scipy.interpolate.interp1d",
        "np.interp",
    ),
    "np.matrix": (lambda x: np.matrix(x).sum(), X, "to np.matrix", "A @ B for A * B"),
    "masked": (lambda x: np.ma.array(x, mask=X > 1).sum(), X, "to np.ma.array", "np.where(mask"),
    "inv": (lambda x: scipy.linalg.inv(x), SYMMETRIC, "scipy.linalg.inv", "np.linalg.inv(x)"),
    "cholesky": (
        lambda x: scipy.linalg.cholesky(x),
        SYMMETRIC,
        "scipy.linalg.cholesky",
        "np.linalg.cholesky(x)",
    ),
    "expm": (lambda x: scipy.linalg.expm(x), SYMMETRIC, "scipy.linalg.expm", "np.linalg.eigh(x)"),
    "lu_factor": (
        lambda x: scipy.linalg.lu_factor(x)[0],
        SYMMETRIC,
        "by scipy.linalg.lu_factor",
        "np.linalg.solve",
    ),
    "cdist": (
        lambda x: scipy.spatial.distance.cdist(x[None], x[None]),
        X,
        "scipy.spatial.distance.cdist",
        "np.linalg.norm",
    ),
    "filter": (
        lambda x: scipy.ndimage.gaussian_filter(x, 1.0),
        X,
        "by scipy.ndimage.gaussian_filter",
        "np.convolve",
    ),
    "spline": (
        lambda x: scipy.interpolate.CubicSpline(np.arange(3.0), X)(x),
        X,
        "scipy.interpolate.CubicSpline",
        "np.interp",
    ),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("case", OF_ARRAYS)
def test_what_was_given_an_array_is_named(case: str) -> None:
    f, x, name, advice = OF_ARRAYS[case]
    f(x)
    for run in (lambda: wg.grad(lambda x: np.sum(f(x)))(x), lambda: wg.jvp(f, (x,), (x,))):
        with pytest.raises(TracedArrayError) as caught:
            run()
        assert name in str(caught.value)
        assert advice in str(caught.value)
        assert (caught.value.line or "").startswith("test_causes.py:")


def filled(x: Any) -> Any:
    a = np.zeros(3)
    a[:] = x
    return a


@pytest.mark.parametrize(
    "f",
    [
        lambda x: scipy.signal.fftconvolve(filled(x), filled(x)),
        lambda x: scipy.signal.lfilter([1.0], [1.0, 0.5], filled(x)),
        lambda x: scipy.linalg.det(np.diag(filled(x))),
        lambda x: memoryview(filled(x))[0],
        lambda x: json.dumps(filled(x).tolist()),
    ],
)
def test_c_code_reads_no_numbers_of_a_filled_array(f: Any) -> None:
    f(X)
    with pytest.raises(TracedArrayError, match=r"test_causes\.py"):
        wg.value_and_grad(lambda x: np.sum(f(x)))(X)


def test_an_error_of_the_users_own_stays_theirs() -> None:
    def f(x: Any) -> Any:
        raise TypeError("No matching signature found")

    with pytest.raises(TypeError, match=r"^No matching signature found$") as caught:
        wg.grad(f)(1.0)
    assert not isinstance(caught.value, WengertError)
    for wrong in (lambda x: x * struct.pack("d", "a")[0], lambda x: x * decimal.Decimal("a")):
        with pytest.raises(Exception) as caught:  # noqa: PT011
            wg.grad(wrong)(1.0)
        assert not isinstance(caught.value, WengertError)


# -- without what stands in for C functions --------------------------------------------------------


def into_zeros(x: Any) -> Any:
    a = np.zeros(3)
    a[0] = x[0]
    return a


PLAIN: dict[str, tuple[Any, str, Any]] = {
    "math": (lambda x: math.sin(x[0]), "np.sin(x) for math.sin(x)", lambda x: np.sin(x[0])),
    "atan2": (
        lambda x: math.atan2(x[0], 1.0),
        "np.arctan2(x) for math.atan2(x)",
        lambda x: np.arctan2(x[0], 1.0),
    ),
    "float": (lambda x: float(x[0]), "x for float(x)", lambda x: x[0]),
    "float64": (lambda x: np.float64(x[0]), "x for np.float64(x)", lambda x: x[0]),
    "dot": (lambda x: np.eye(3).dot(x), "A @ x for A.dot(x)", lambda x: np.eye(3) @ x),
    "asarray": (lambda x: np.asarray(x, float), "x for np.asarray(x)", lambda x: x),
    "array": (lambda x: np.array([x, x]), "np.stack([a, b])", lambda x: np.stack([x, x])),
    "r_": (lambda x: np.r_[x, x], "np.concatenate for np.r_", lambda x: np.concatenate([x, x])),
    "zeros": (
        into_zeros,
        "np.zeros_like(x, shape=n)",
        lambda x: np.where(np.arange(3) == 0, x, 0.0),
    ),
}


@pytest.mark.parametrize("case", PLAIN)
def test_without_stand_ins_the_remedy_is_that_of_the_function(case: str) -> None:
    f, advice, right = PLAIN[case]
    np.testing.assert_allclose(right(X), f(X), rtol=1e-14)
    wg.stand_ins(False)
    try:
        with pytest.raises(TracedArrayError) as caught:
            wg.grad(lambda x: np.sum(f(x)))(X)
        wg.check_grads(right, (X,))
    finally:
        wg.stand_ins(True)
    assert advice in str(caught.value)
    assert (caught.value.line or "").startswith("test_causes.py:")


# -- texts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        lambda t: "%.3f" % t,
        lambda t: "%i and %8.2e" % (t, t),
        lambda t: "%(a).1f" % {"a": t},
        lambda t: "%d" % t,
        lambda t: "%.2f" % t + f"{t:.3f}",
        lambda t: "{:.3f}".format(t),  # noqa: UP032
    ],
)
def test_texts_have_the_number_that_they_have_without_a_derivative(text: Any) -> None:
    written: list[str] = []

    def f(t: Any) -> Any:
        written.append(text(t))
        return t * t

    x = np.float64(1.23456)
    for run in (lambda: wg.grad(f)(x), lambda: wg.jvp(f, (x,), (x,)), lambda: wg.hessian(f)(x)):
        written.clear()
        run()
        assert set(written) == {text(x)}


def test_a_message_of_logging_has_the_number(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        wg.grad(lambda t: logging.getLogger().info("at %.2f", t) or t * t)(1.234)
    assert caplog.messages == ["at 1.23"]


def test_a_text_of_a_number_that_is_not_known_is_an_error_that_says_so() -> None:
    with pytest.raises(AbstractValueError, match=r"for '%\.3f' % x"):
        wg.vmap(lambda t: t * len("%.3f" % t))(X)


# -- what is advised -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", "expit logit xlogy xlog1py entr rel_entr kl_div boxcox".split())
def test_the_formula_for_a_special_function_is_that_function(name: str) -> None:
    function = getattr(scipy.special, name)
    points = {"x": np.array([0.3, 0.7]), "y": np.array([0.4, 1.2])}
    wanted = function(*[points[each] for each in "xy"[: function.nin]])
    found = eval(nearest_to(f"scipy.special.{name}"), {"np": np, **points})
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("scipy.linalg._basic.solve", "np.linalg.solve(x)"),
        ("scipy.linalg.lapack.nothing", ""),
        ("scipy.optimize._zeros_py.brentq", "wg.optimize.root_scalar"),
        ("scipy.optimize._minimize.minimize", "wg.optimize.minimize"),
        ("scipy.interpolate._cubic.CubicSpline", "np.interp(x, points, values)"),
    ],
)
def test_the_nearest_function_with_a_rule(name: str, nearest: str) -> None:
    assert nearest_to(name) == nearest


def test_a_special_function_without_a_rule_has_its_formula_advised() -> None:
    with pytest.raises(UnsupportedError, match=r"Write instead: -x \* np\.log\(x\)"):
        wg.grad(lambda x: np.sum(scipy.special.entr(x)))(X)


# -- whose line ------------------------------------------------------------------------------------

TABLES = """
import array

class Table:
    def __init__(self, columns):
        self.columns = {name: array.array("d", column) for name, column in columns.items()}
"""


def test_a_library_for_tables_is_named_at_the_users_line(tmp_path: Any, monkeypatch: Any) -> None:
    folder = tmp_path / "site-packages" / "pandas"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(TABLES, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("pandas", folder / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    pd = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "pandas", pd)
    spec.loader.exec_module(pd)
    assert isinstance(pd, types.ModuleType)
    with pytest.raises(TracedArrayError, match=r"by pd\.Table") as caught:
        wg.grad(lambda x: pd.Table({"a": x}) and x[0])(X)
    assert "pd.Table(" in (caught.value.line or "")
    assert "to_numpy()" in str(caught.value)
