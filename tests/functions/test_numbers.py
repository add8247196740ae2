"""NumPy's functions of a number: all of them, and what each comes to is as in NumPy."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wengert as wg
from outcomes import assert_numpys, in_a_derivative, plainly, same
from wengert.errors import WengertError
from wengert.trace import protocols

CALLS: dict[str, Callable[[Any], Callable[[Any], Any]]] = {
    "f(x)": lambda f: lambda x: f(x),
    "f(x, axis=0)": lambda f: lambda x: f(x, axis=0),
    "f(x, axis=-1)": lambda f: lambda x: f(x, axis=-1),
    "f(x, axis=None)": lambda f: lambda x: f(x, axis=None),
    "f(x, axis=1)": lambda f: lambda x: f(x, axis=1),
    "f(x, keepdims=True)": lambda f: lambda x: f(x, keepdims=True),
    "f(x, 0)": lambda f: lambda x: f(x, 0),
    "f(x, 1)": lambda f: lambda x: f(x, 1),
    "f(x, (2,))": lambda f: lambda x: f(x, (2,)),
    "f(x, x)": lambda f: lambda x: f(x, x),
    "f(x, [0])": lambda f: lambda x: f(x, [0]),
    "f(1.0, x)": lambda f: lambda x: f(1.0, x),
    "f([1.0, 2.0], x)": lambda f: lambda x: f([1.0, 2.0], x),
    "f(x, 0, 0)": lambda f: lambda x: f(x, 0, 0),
}
UNDEFINED = {"empty_like"}
"""What NumPy leaves undefined."""

LENIENT = {
    *("clip", "copy", "nan_to_num", "ones_like", "zeros_like", "full_like", "empty_like"),
    *("choose", "compress", "diag_indices", "gradient", "isfinite", "isinf", "isnan"),
    *("may_share_memory", "shares_memory", "pad", "tensorinv", "matrix_power", "astype"),
    *("argpartition", "argsort"),
}
"""What takes a call that NumPy refuses: of too few arguments, or of arguments without a meaning."""

STRICT = {"repeat", "take", "array_split", "convolve", "correlate", "matrix_rank"}
"""What refuses a call that means nothing and that NumPy takes: a traced number of repetitions."""


def _functions() -> Iterator[tuple[str, Any]]:
    """The functions that NumPy hands to traced values: ufuncs, and those that dispatch."""
    for home in (np, np.linalg):
        for name in sorted(set(dir(home))):
            function = None if name.startswith("_") else getattr(home, name)
            hands_on = hasattr(function, "__wrapped__") or hasattr(function, "_implementation")
            if isinstance(function, np.ufunc) or (callable(function) and hands_on):
                yield (name if home is np else f"linalg.{name}"), function


FUNCTIONS = dict(_functions())


def test_numpys_functions_are_here() -> None:
    assert len(FUNCTIONS) > 300
    assert {"sum", "cumsum", "sin", "linalg.norm", "flip", "take"} <= set(FUNCTIONS)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.stand_ins) if name == "polyint" else name
        for name in FUNCTIONS
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_function_of_a_number_is_as_in_numpy(name: str) -> None:
    for label, call in CALLS.items():
        for x in (np.float64(2.0), np.float32(0.5)):
            f = call(FUNCTIONS[name])
            with np.errstate(all="ignore"):
                wanted, found = plainly(f, x), in_a_derivative(f, x)
            if isinstance(found[1], WengertError) or name in UNDEFINED:
                continue
            if wanted[0] == "error":
                lenient = name.removeprefix("linalg.") in LENIENT
                assert lenient or found[0] == "error", f"{label}: {found[1]!r}, not {wanted[1]!r}"
            else:
                if name.removeprefix("linalg.") in STRICT and found[0] == "error":
                    continue
                assert found[0] == "result", f"{label}: {found[1]!r}, not {wanted[1]!r}"
                assert same(found[1], wanted[1]), f"{label}: {found[1]!r}, not {wanted[1]!r}"


# -- parameters ------------------------------------------------------------------------------------


def _positional(function: Any) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.kind in kinds]


def test_what_stands_for_a_function_has_its_parameters_in_their_order() -> None:
    for name, function in FUNCTIONS.items():
        if function not in protocols.FUNCTIONS or isinstance(function, np.ufunc):
            continue
        try:
            wanted = _positional(function)
        except ValueError:  # written in C, and without a signature in this release of NumPy
            continue
        ours = _positional(protocols.FUNCTIONS[function])
        wanted = [parameter for parameter in wanted if parameter != "out"]
        several = [pair for pair in zip(ours, wanted, strict=False) if len(set(pair)) > 1]
        renamed = {("a", "x1"), ("b", "x2"), ("a", "prototype"), ("object", "a")}
        assert set(several) <= renamed, f"{name} takes {ours}, NumPy's {wanted}"


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(x, 0, None, None, True),
        lambda x: np.sum(x, 0, np.float32, None, True, 0.5),
        lambda x: np.max(x, 0, None, True),
        lambda x: np.ptp(x, 1, None, True),
        lambda x: np.mean(x, 0, None, None, True),
        lambda x: np.var(x, 0, None, None, 1, True),
        lambda x: np.median(x, 0, None, False, True),
        lambda x: np.quantile(x, 0.3, 0, None, False, "lower", True),
        lambda x: np.all(x > 2, 0, None, True),
        lambda x: np.take(x, [7], 1, None, "clip"),
        lambda x: np.choose([1, 0, 1], x, None, "wrap"),
        lambda x: np.cumsum(x, 0, None, np.zeros_like(x)),
        lambda x: np.round(x, 1, np.zeros_like(x)),
        lambda x: np.dot(x, x.T, None),
        lambda x: np.trace(x, 0, 0, 1, None, None),
        lambda x: x.sum(0, None, None, True),
        lambda x: x.max(0, None, True),
        lambda x: x.take([7], 1, None, "wrap"),
        lambda x: x.cumsum(0, None, np.zeros_like(x)),
        lambda x: x.mean(axis=0, out=np.zeros_like(x[0])),
    ],
)
def test_an_out_that_is_given_by_position_is_one(f: Callable[[Any], Any]) -> None:
    assert_numpys(f, np.array([[1.5, 2.25, 3.0], [0.5, 5.0, 4.75]]))


@pytest.mark.parametrize(
    "f",
    [
        *(np.median, np.average, np.ptp, np.std, np.nanmax, np.nanmean, np.trapezoid),
        *(np.corrcoef, np.cov, np.linalg.norm, np.linalg.vector_norm),
        lambda x: np.quantile(x, 0.3),
        lambda x: np.percentile(x, 30),
        lambda x: np.interp(0.3, [0, 1, 2], x),
        lambda x: np.interp(x[0], [0.0, 1.0], [1.0, 2.0]),
        lambda x: np.inner(x, x),
        lambda x: np.tensordot(x, x, 1),
        lambda x: np.vdot(x, x),
        lambda x: np.einsum("i,i", x, x),
        lambda x: np.linalg.multi_dot([x, np.eye(3), x]),
        lambda x: np.choose(1, [x[0], x[1]]),
        lambda x: np.select([True], [x[0]]),
        lambda x: np.where(True, x[0], 0.0),
        lambda x: np.trace(np.outer(x, x)),
        lambda x: np.squeeze(x[:1]),
        lambda x: np.copy(x[0]),
        lambda x: np.polyval(x, 2.0),
        lambda x: np.linspace(x[0], 1.0, 3)[0],
    ],
)
def test_a_result_without_axes_is_a_number_or_an_array_as_in_numpy(f: Callable[[Any], Any]) -> None:
    assert_numpys(f, np.array([1.0, 2.5, -0.5]))


def test_the_sign_of_a_complex_number_is_no_array() -> None:
    def f(x: Any) -> Any:
        y = np.sign(x[0])
        np.reshape(y, (-1, 1))[...] = 0.5
        return y, float(np.shares_memory(x, x))

    assert_numpys(f, np.array([0.5 - 2j, 1j]))


@pytest.mark.parametrize("x", [-0.7, 0.5 + 1j, np.float64(0.25), np.array(1.5)], ids=repr)
@pytest.mark.parametrize(
    "f",
    [
        *(np.squeeze, np.transpose, np.permute_dims, np.ravel, np.copy, np.flip, np.modf),
        *(np.atleast_1d, np.atleast_2d, np.atleast_3d),
        lambda x: np.squeeze(x, ()),
        lambda x: np.squeeze(x, 0),
        lambda x: np.transpose(x, ()),
        lambda x: np.moveaxis(x, [], []),
        lambda x: np.reshape(x, ()),
        lambda x: np.reshape(x, -1),
        lambda x: np.expand_dims(x, ()),
        lambda x: np.expand_dims(x, 0),
        lambda x: np.flip(x, ()),
    ],
)
def test_a_number_is_moved_as_an_array_or_a_number_as_in_numpy(f: Any, x: Any) -> None:
    def written(x: Any) -> Any:
        y = f(np.copy(x) if isinstance(x, np.ndarray) else x)
        before = y * 1.0
        if isinstance(y, np.ndarray):
            y[None][0] *= 0.5
        return before, y, isinstance(y, np.ndarray)

    assert_numpys(f, x)
    if f is not np.modf:
        assert_numpys(written, x)


@pytest.mark.parametrize("value", [-np.inf, -0.0, 4.0])
@pytest.mark.parametrize("kind", [float, np.float64, np.float32])
def test_half_powers_of_numbers_are_numpys_by_function_and_by_operator(value, kind):
    x = kind(value)
    functions = [lambda x: np.power(x, 0.5)] + [lambda x: x**0.5] * (kind is not float)
    for f in functions:
        with np.errstate(all="ignore"):
            wanted = f(x)
            for found in (
                wg.value_and_grad(f)(x)[0],
                wg.jvp(f, (x,), (kind(1.0),))[0],
                wg.jit(f)(x),
                wg.jit(wg.value_and_grad(f))(x)[0],
            ):
                assert found.dtype == wanted.dtype
                assert repr(found) == repr(wanted)
