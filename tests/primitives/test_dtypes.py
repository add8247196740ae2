"""Dtypes that are easily forgotten: truth values, small integers, float16, Python's own numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.primitives.elementary import logistic

X = np.array([0, 1, 3])

FUNCTIONS: dict[str, Any] = {
    "sinc": np.sinc,
    "conjugate": np.conjugate,
    "i0": np.i0,
    "real": np.real,
    "imag": np.imag,
    "round": np.round,
    "stop_gradient": wg.stop_gradient,
}


@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "uint8", "float16", "float32"])
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("verb", [wg.vmap, lambda f: wg.jit(f, wait=True)], ids=["vmap", "jit"])
@pytest.mark.filterwarnings("error::wengert.errors.JitWarning")
def test_a_function_has_numpys_dtype_under_every_verb(verb: Any, name: str, dtype: str) -> None:
    x, f = X.astype(dtype), FUNCTIONS[name]
    wanted, found = f(x), verb(lambda x: f(x))(x)
    assert found.dtype == wanted.dtype
    tolerance = 4 * np.finfo(wanted.dtype).eps if wanted.dtype.kind == "f" else 0
    np.testing.assert_allclose(found, wanted, tolerance)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.float32])
def test_solving_with_a_right_hand_side_of_another_dtype(dtype: Any) -> None:
    a, b = np.stack([np.eye(2), 2 * np.eye(2)]).astype(np.float32), np.ones((2, 2, 1), dtype)
    found, wanted = wg.vmap(np.linalg.solve)(a, b), np.linalg.solve(a, b)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


def test_matrices_of_float16_are_refused_before_anything_is_computed() -> None:
    with pytest.raises(TypeError, match="float16"):
        wg.vmap(np.linalg.det)(np.ones((2, 3, 3), np.float16))


def test_the_logistic_function_of_unsigned_integers_does_not_wrap_around() -> None:
    found = logistic.evaluate(np.array([0, 3], np.uint8))
    np.testing.assert_allclose(found, [0.5, 1 / (1 + np.exp(-3))])


@pytest.mark.parametrize("verb", [wg.grad, lambda f: lambda x: wg.jvp(f, (x,), (1.0,))[1]])
def test_a_complex_python_number_on_the_left_of_a_real_one(verb: Any) -> None:
    def compared(x: Any) -> Any:
        return np.where(np.not_equal(1j, x), x * x, 0.0)

    def multiplied(x: Any) -> Any:
        return np.imag(np.multiply(1j, x) * x)

    assert verb(compared)(3.0) == 6.0
    assert verb(multiplied)(3.0) == 6.0
    assert verb(verb(multiplied))(3.0) == 2.0


def test_a_program_gives_numpys_scalars_where_python_would_make_its_own() -> None:
    program = wg.trace(lambda x: (1j * x, np.equal(1j, x)))(2.0)
    product, same = wg.evaluate(program, [np.float64(2.0)])
    assert (type(product), type(same)) == (np.complex128, np.bool_)
