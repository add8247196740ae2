"""What a function comes to, with NumPy alone and with traced values: a result or an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg
from wengert.primitive import Traced
from wengert.trace import unfilled


def plain(result: Any) -> Any:
    """A result without its traces."""
    if isinstance(result, (tuple, list)):
        return tuple(map(plain, result))
    array = isinstance(result, np.ndarray)
    result = unfilled(result)
    while isinstance(result, Traced):
        result = result._value
    return np.asarray(result) if array else result


def plainly(f: Callable[..., Any], *args: Any) -> tuple[str, Any]:
    """The result of a function, or the error that it raises."""
    try:
        return "result", plain(f(*args))
    except Exception as error:
        return "error", error


def in_a_derivative(f: Callable[..., Any], *args: Any) -> tuple[str, Any]:
    """The same where the arguments are traced."""
    results: list[Any] = []

    def run(*args: Any) -> Any:
        results.append(plain(f(*args)))
        return args

    try:
        wg.jvp(run, args, tuple(map(np.ones_like, args)))
    except Exception as error:
        return "error", error
    return "result", results[0]


def same(found: Any, wanted: Any) -> bool:
    """Whether two results have the same types, shapes and dtypes, and almost the same values."""
    if isinstance(wanted, (tuple, list)):
        alike = isinstance(found, tuple) and len(found) == len(wanted)
        return alike and all(map(same, found, wanted))
    if isinstance(wanted, (bool, int, float, complex, np.generic, np.ndarray)):
        y, z = np.asarray(found), np.asarray(wanted)
        arrays = [isinstance(x, np.ndarray) for x in (found, wanted)]
        if (y.shape, y.dtype) != (z.shape, z.dtype) or arrays[0] != arrays[1]:
            return False
        digits = 1e-5 if z.dtype.char in "fF" else 1e-12
        return bool(np.allclose(y, z, rtol=digits, atol=digits, equal_nan=z.dtype.kind in "fc"))
    return type(found) is type(wanted)


def assert_numpys(f: Callable[..., Any], *args: Any, label: Any = "") -> None:
    """Assert that a function comes to the same of traced values as of plain ones.

    An error has to be one, of no particular class. ``f`` must not write into its arguments.
    """
    with np.errstate(all="ignore"):
        wanted, found = plainly(f, *args), in_a_derivative(f, *args)
    assert found[0] == wanted[0], f"{label}: {found[1]!r}, NumPy's {wanted[0]} is {wanted[1]!r}"
    if wanted[0] == "result":
        assert same(found[1], wanted[1]), f"{label}: {found[1]!r}, NumPy's is {wanted[1]!r}"
