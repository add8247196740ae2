"""Jitted functions as C functions: on every path the numbers of Python, and NaN where it raises."""

from __future__ import annotations

import ctypes
import gc
import math
import threading

import numpy as np
import pytest
from scipy.integrate import nquad, quad

import wengert as wg
from wengert.errors import DtypeError, ShapeError, UnsupportedError


def kink(x):
    return np.exp(-x) if x > 1 else x * x


def test_quad_integrates_a_derivative_without_python():
    slope = wg.jit(wg.grad(lambda x: np.sin(x) ** 3))
    exported = slope.export(0.3)
    assert exported.signature == "double (double)"
    assert quad(exported.low_level(), 0, 1)[0] == pytest.approx(math.sin(1) ** 3)
    assert exported.failures == 0


@pytest.mark.parametrize("example", [0.5, 2.0])
def test_a_branch_that_the_example_did_not_take_is_taken(example):
    exported = wg.jit(kink).export(example)
    for x in (-1.0, 0.5, 1.0, 1.5, 4.0):
        assert exported.function(x) == pytest.approx(kink(x), rel=1e-15)
    assert exported.failures == 0
    assert exported.error is None


def test_a_branch_that_gives_a_constant():
    exported = wg.jit(lambda x: np.sqrt(x) if x > 0 else 0.0).export(-1.0)
    assert [exported.function(x) for x in (-1.0, 4.0)] == [0.0, 2.0]


def test_what_raises_is_nan_and_remembered():
    def f(x):
        if x < 0:
            raise ValueError("x must not be negative")
        return np.sqrt(x)

    exported = wg.jit(f).export(1.0)
    assert exported.function(4.0) == 2.0
    assert math.isnan(exported.function(-1.0))
    assert exported.failures == 1
    assert isinstance(exported.error, ValueError)
    assert exported.function(9.0) == 3.0


def test_several_numbers_and_what_stays_as_in_the_example():
    def f(x, y, power, *, scale):
        return scale * x**power + y

    exported = wg.jit(f, static_argnames=("power", "scale")).export(1.0, 2.0, 3, scale=10.0)
    assert exported.signature == "double (double, double)"
    assert exported.function(2.0, 5.0) == 85.0
    signature = "double (int, double *)"  # the one of several variables that SciPy takes
    exported = wg.jit(f, static_argnames=("power", "scale")).export(
        1.0, 2.0, 3, scale=10.0, signature=signature
    )
    assert nquad(exported.low_level(), [(0, 1), (0, 1)])[0] == pytest.approx(10 / 4 + 1 / 2)


def test_all_elements_at_once():
    exported = wg.jit(wg.grad(lambda p: np.sum(p["a"] ** 2) * p["b"])).export(
        {"a": np.array([1.0, 2.0]), "b": 3.0}
    )
    assert exported.signature == "void (double *, double *)"
    given, found = np.array([1.0, 2.0, 3.0]), np.zeros(3)
    pointers = [x.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for x in (given, found)]
    exported.function(*pointers)
    assert found.tolist() == [6.0, 12.0, 5.0]


def test_vectors_on_another_path_are_right_also_where_they_overlap():
    def f(x):
        return x[::-1] * 2.0 if x[0] > 0 else np.cumsum(x)

    exported = wg.jit(f).export(np.array([1.0, 2.0, 3.0]))
    pointer = ctypes.POINTER(ctypes.c_double)
    for values in ([1.0, 2.0, 3.0], [-1.0, 2.0, 5.0]):
        both = np.array(values)
        exported.function(both.ctypes.data_as(pointer), both.ctypes.data_as(pointer))
        assert both.tolist() == f(np.array(values)).tolist()


def test_a_number_of_a_vector():
    exported = wg.jit(lambda x: np.sum(x) if x[0] > 0 else np.prod(x)).export(np.ones(3))
    assert exported.signature == "double (int, double *)"
    array = (ctypes.c_double * 3)(-2.0, 3.0, 4.0)
    assert exported.function(3, array) == -24.0
    assert math.isnan(exported.function(2, array))
    assert exported.failures == 1


def test_threads_may_call_it_on_any_path():
    exported = wg.jit(kink).export(2.0)
    points = np.linspace(-3, 3, 400)
    found = {}

    def work(number):
        found[number] = [exported.function(x) for x in points]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for values in found.values():
        np.testing.assert_allclose(values, [kink(x) for x in points], rtol=1e-15)


def test_a_callable_keeps_what_it_needs():
    low_level = wg.jit(kink).export(2.0).low_level()
    gc.collect()
    assert quad(low_level, 0, 2, points=[1.0])[0] == pytest.approx(
        1 / 3 + math.exp(-1) - math.exp(-2)
    )


def test_what_cannot_be_exported_is_said():
    with pytest.raises(DtypeError, match="doubles"):
        wg.jit(lambda n: n * 2).export(3)
    with pytest.raises(ShapeError, match="void"):
        wg.jit(lambda x: x * 2.0).export(np.ones(3), signature="double (double)")

    def fill(x):
        x[0] = 1.0
        return np.sum(x)

    with pytest.raises(UnsupportedError, match="changes its arguments"):
        wg.jit(fill).export(np.ones(3))
