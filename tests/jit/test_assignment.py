"""Assignments of values that do not fit: a jitted function gives NumPy's array, or its error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

pytestmark = pytest.mark.filterwarnings(
    "ignore::wengert.errors.JitWarning", "ignore::RuntimeWarning"
)

NAN, INF = float("nan"), float("inf")
FLOATS = (300.0, -3.0, 3.7, NAN, INF, 1e30)
INTEGERS = (300, -3, 2**40, 10**30)
VALUES: list[Any] = [
    *FLOATS,
    *INTEGERS,
    *map(np.float64, FLOATS),
    *map(np.float32, (300.0, NAN)),
    *(np.int64(300), np.int8(-3), np.uint16(300), np.True_),
    *(np.array(300.0), np.array(NAN), np.array(-3), np.array([300.0]), np.array([NAN])),
    *([300], [-3.0], [NAN], 1 + 2j, np.complex128(2.0), np.array([1j])),
]
DTYPES = (bool, np.int8, np.int16, np.int64, np.uint8, np.float32)


def _put(x: Any, v: Any) -> None:
    np.put(x, [1], v)


def _putmask(x: Any, v: Any) -> None:
    np.putmask(x, np.array([False, True, False]), v)


def _assign(index: Any) -> Callable[[Any, Any], None]:
    def assign(x: Any, v: Any) -> None:
        x[index] = v

    return assign


def _flat(index: Any) -> Callable[[Any, Any], None]:
    def assign(x: Any, v: Any) -> None:
        x.flat[index] = v

    return assign


def _point(x: Any, v: Any) -> None:
    x[1, ...][()] = v


def _insert(x: Any, v: Any) -> Any:
    return np.insert(x, 1, v)


FORMS: dict[str, Callable[[Any, Any], Any]] = {
    "x[1]": _assign(1),
    "x[1:2]": _assign(slice(1, 2)),
    "x[[1]]": _assign([1]),
    "x[mask]": _assign(np.array([False, True, False])),
    "x[1, ...][()]": _point,
    "x.flat[1]": _flat(1),
    "x.flat[:]": _flat(slice(None)),
    "fill": lambda x, v: x.fill(v),
    "put": _put,
    "putmask": _putmask,
    "insert": _insert,
}


def _fitting(v: Any) -> Any:
    """A value of the same kind that every array takes."""
    if isinstance(v, list):
        return [type(v[0])(1)]
    return np.ones_like(v) if isinstance(v, np.ndarray) else type(v)(1)


def _outcome(f: Callable[..., Any], *args: Any) -> Any:
    try:
        result = f(*args)
    except Exception as error:
        return next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")
    return result.dtype, result.tolist().__repr__()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
def test_a_value_that_does_not_fit_is_met_as_numpy_meets_it(form, dtype):
    assign = FORMS[form]

    def assigned(x: Any, v: Any) -> Any:
        result = assign(x, v)
        return x if result is None else result

    x = np.array([1, 0, 1], dtype)
    jitted = wg.jit(assigned)
    for v in VALUES:
        for value in (_fitting(v), v):
            wanted = _outcome(assigned, x.copy(), value)
            assert _outcome(jitted, x.copy(), value) == wanted, (value, type(value))


@pytest.mark.parametrize("form", ["x[1]", "x.flat[1]", "put"])
def test_a_function_that_catches_the_error_goes_on_as_without_jit(form):
    assign = FORMS[form]

    def assigned(x: Any, v: Any) -> Any:
        try:
            assign(x, v)
        except (OverflowError, ValueError, TypeError):
            return x - 1
        return x

    jitted = wg.jit(assigned)
    x = np.array([1, 0, 1], np.int8)
    for v in (1.0, NAN, np.float64(1.0), np.float64(300.0), np.float64(-128.5), 1j, [1.0, 2.0]):
        assert _outcome(jitted, x.copy(), v) == _outcome(assigned, x.copy(), v), v


def test_native_code_leaves_where_a_number_does_not_fit():
    def assigned(x: Any, v: Any) -> Any:
        x[1] = v
        return x * 2

    jitted = wg.jit(assigned, wait=True)
    x = np.zeros(3, np.int8)
    assert jitted(x.copy(), np.float64(5.5)).tolist() == [0, 10, 0]
    assert jitted(x.copy(), np.float64(-60.0)).tolist() == [0, -120, 0]
    for v in (300.0, -129.0, NAN):
        with pytest.raises((OverflowError, ValueError)):
            jitted(x.copy(), np.float64(v))
    assert jitted(x.copy(), np.float64(7.0)).tolist() == [0, 14, 0]
