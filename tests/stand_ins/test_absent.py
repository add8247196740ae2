"""Without stand-ins, by choice or on an interpreter that has none, errors say what to write."""

from __future__ import annotations

import cmath
import math
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest

import wengert as wg
import wengert.numpy
from wengert.compile import abi
from wengert.stand_ins import install

A = numpy.eye(2)


def filled(np: Any, x: Any) -> Any:
    table = np.zeros(2)
    table[0] = x[0]
    return table.sum()


def filled_by_method(np: Any, x: Any) -> Any:
    table = np.zeros(2)
    table.fill(x[0])
    return table.sum()


REFUSED: dict[str, Callable[[Any, Any], Any]] = {
    "math": lambda np, x: math.sin(x[0]),
    "cmath": lambda np, x: cmath.exp(1j * x[0]).real,
    "statistics": lambda np, x: statistics.mean(x.tolist()),
    "float": lambda np, x: float(x[0]),
    "scalar type": lambda np, x: np.float64(x[0]),
    "method": lambda np, x: A.dot(x).sum(),
    "fill": filled_by_method,
}
TAKEN: dict[str, Callable[[Any, Any], Any]] = {
    "array of rows": lambda np, x: np.array([x, x]).sum(),
    "asarray": lambda np, x: np.asarray(x, dtype=float).sum(),
    "assignment": filled,
    "array of objects": lambda np, x: np.linalg.inv(np.array([[x[0], 1.0], [2.0, x[1]]])).sum(),
    "arange": lambda np, x: np.arange(0.0, x[0], 0.5).sum(),
}
"""Those that ``wengert.numpy`` takes."""

X = numpy.array([0.6, 2.0])


@pytest.fixture(params=["off", "impossible"])
def absent(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Stand-ins are off, or the interpreter is one that is not known."""
    wg.stand_ins(False)
    if request.param == "impossible":
        with monkeypatch.context() as patched:
            patched.setattr(abi, "interface", lambda: None)
            wg.stand_ins(True)
    yield {"off": install.OFF, "impossible": install.IMPOSSIBLE}[request.param]
    wg.stand_ins(True)


@pytest.mark.parametrize("name", [*REFUSED, *TAKEN])
def test_errors_say_what_to_do(name, absent):
    call = (REFUSED | TAKEN)[name]
    with pytest.raises(wg.errors.TracedArrayError) as caught:
        wg.grad(lambda x: call(numpy, x))(X)
    text = str(caught.value)
    assert absent in text
    assert "Write instead" in text
    assert "test_absent.py" in text


@pytest.mark.parametrize("name", [*REFUSED, *TAKEN])
def test_with_stand_ins_these_work(name):
    call = (REFUSED | TAKEN)[name]
    wg.stand_ins(True)
    wg.check_grads(lambda x: call(numpy, x), (X,))


@pytest.mark.parametrize("name", TAKEN)
def test_the_namespace_has_what_they_name(name, absent):
    wg.check_grads(lambda x: TAKEN[name](wengert.numpy, x), (X,))


def test_other_errors_do_not_speak_of_stand_ins(absent):
    class Table:
        def __float__(self) -> float:
            raise TypeError("mine")

    with pytest.raises(TypeError, match=r"^mine"):
        wg.grad(lambda x: x[0] * float(Table()))(X)
