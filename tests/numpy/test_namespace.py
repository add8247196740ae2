"""``import wengert.numpy as np``: the stand-ins as a namespace, where they are off."""

import numpy
import pytest

import wengert as wg
import wengert.numpy as np


@pytest.fixture(params=[False, True], ids=["stand-ins off", "stand-ins on"], autouse=True)
def _stand_ins(request):
    wg.stand_ins(request.param)
    yield
    wg.stand_ins(True)


def filled(t):
    a = np.zeros((2, 2))
    row = a[1]
    a[0] = t
    row[1] = t * t
    return np.sum(a) + row[1]


def made_of_numbers(t):
    return np.linalg.det(np.array([[t, 1.0], [2.0, t]])) + np.asarray([t, t], dtype=float).sum()


def filled_copies(t):
    a = np.eye(2) * 2
    b = np.full(3, 1.0)
    c = np.copy([1.0, 2.0])
    a[0, 0] = b[1] = c[0] = t
    b += t
    return np.trace(a) * b.sum() * c.sum()


@pytest.mark.parametrize("f", [filled, made_of_numbers, filled_copies])
def test_programs_that_use_it_are_differentiated(f):
    value, slope = wg.value_and_grad(f)(0.7)
    assert value == f(0.7)
    assert slope == pytest.approx(wg.derivative(f, 0.7), rel=1e-8)
    assert wg.jit(wg.grad(f))(0.7) == pytest.approx(slope, rel=1e-13)


def test_every_public_name_of_numpys_is_there():
    for name in dir(numpy):
        if not name.startswith("_"):
            assert hasattr(np, name), name
    assert np.sin is numpy.sin
    assert np.float64 is numpy.float64
    assert np.pi == numpy.pi
    with pytest.raises(AttributeError):
        np.no_such_name  # noqa: B018


def test_plain_arrays_are_numpys():
    for made, wanted in (
        (np.zeros(3), numpy.zeros(3)),
        (np.array([[1, 2], [3, 4]], dtype=numpy.float32), numpy.array([[1, 2], [3, 4]], "f4")),
        (np.arange(3), numpy.arange(3)),
    ):
        assert isinstance(made, numpy.ndarray)
        assert made.dtype == wanted.dtype
        assert made.tolist() == wanted.tolist()
