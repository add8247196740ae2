"""Plain arrays of every dtype take what is traced, and refuse it, as they do plain values."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

DTYPES = [np.dtype(name) for name in "? i1 u1 i4 i8 f2 f4 f8 c8 c16".split()]
T = 1.7
V = np.array([[1.7, 2.2], [3.9, -1.0]])


def put(a: Any, index: Any, value: Any) -> None:
    a[index] = value


def add(a: Any, value: Any) -> None:
    a += value


WRITTEN: dict[str, Callable[[Any, Any, Any], Any]] = {
    "real": lambda a, t, v: setattr(a, "real", v),
    "imag": lambda a, t, v: setattr(a, "imag", v),
    "flat": lambda a, t, v: setattr(a, "flat", v),
    "real of a number": lambda a, t, v: setattr(a, "real", t),
    "an element": lambda a, t, v: put(a, 0, t),
    "a slice": lambda a, t, v: put(a, slice(None), v),
    "a slice of flat": lambda a, t, v: put(a.flat, slice(0, 2), t),
    "a view": lambda a, t, v: put(a[::2], ..., t),
    "the transpose": lambda a, t, v: put(a.T, ..., t),
    "fill": lambda a, t, v: a.fill(t),
    "put": lambda a, t, v: a.put([0], t),
    "np.put": lambda a, t, v: np.put(a, [0, 2], v),
    "copyto": lambda a, t, v: np.copyto(a, v),
    "copyto unsafely": lambda a, t, v: np.copyto(a, v, casting="unsafe"),
    "putmask": lambda a, t, v: np.putmask(a, [True, False, True], v),
    "place": lambda a, t, v: np.place(a, np.ones(3, bool), v),
    "+=": lambda a, t, v: add(a, v),
    "out": lambda a, t, v: np.add(a, v, out=a),
    "out unsafely": lambda a, t, v: np.add(a, v, out=a, casting="unsafe"),
    "put_along_axis": lambda a, t, v: np.put_along_axis(a, np.array([2, 1, 0]), v, 0),
    "sort": lambda a, t, v: (put(a, 0, t), a.sort()),
}

OUT: dict[str, Callable[[Any, Any], Any]] = {
    "sum": lambda v, out: np.sum(v, 0, out=out),
    "prod": lambda v, out: np.prod(v, 0, out=out),
    "max": lambda v, out: np.max(v, 0, out=out),
    "mean": lambda v, out: np.mean(v, 0, out=out),
    "std": lambda v, out: np.std(v, 0, out=out),
    "var": lambda v, out: np.var(v, 0, out=out),
    "any": lambda v, out: np.any(v, 0, out=out),
    "ptp": lambda v, out: np.ptp(v, 0, out=out),
    "median": lambda v, out: np.median(v, 0, out=out),
    "quantile": lambda v, out: np.quantile(v, 0.5, 0, out=out),
    "nansum": lambda v, out: np.nansum(v, 0, out=out),
    "nanmean": lambda v, out: np.nanmean(v, 0, out=out),
    "nanmax": lambda v, out: np.nanmax(v, 0, out=out),
    "trace": lambda v, out: np.trace(v[:, :, None] * np.ones(2), out=out),
    "cumsum": lambda v, out: np.cumsum(v[0], out=out),
    "clip": lambda v, out: np.clip(v[0], 0, 1, out=out),
    "round": lambda v, out: np.round(v[0], out=out),
    "take": lambda v, out: np.take(v, [0, 1], out=out),
    "compress": lambda v, out: np.compress([True, True], v[0], out=out),
    "choose": lambda v, out: np.choose([0, 1], v, out=out),
    "argmax": lambda v, out: np.argmax(v, 0, out=out),
    "einsum": lambda v, out: np.einsum("ij->j", v, out=out),
    "concatenate": lambda v, out: np.concatenate([v[0, :1], v[1, :1]], out=out),
    "concatenate unsafely": lambda v, out: np.concatenate(
        [v[0, :1], v[1, :1]], out=out, casting="unsafe"
    ),
    "matmul": lambda v, out: np.matmul(v, v[0], out=out),
    "dot": lambda v, out: np.dot(v, v[0], out=out),
    "multi_dot": lambda v, out: np.linalg.multi_dot([v, v[0]], out=out),
    "add": lambda v, out: np.add(v[0], 1.0, out=out),
    "add unsafely": lambda v, out: np.add(v[0], 1.0, out=out, casting="unsafe"),
    "add where": lambda v, out: np.add(v[0], 1, out=out, where=v[0] > 2, casting="unsafe"),
    "add.reduce": lambda v, out: np.add.reduce(v, 0, out=out),
    "add.accumulate": lambda v, out: np.add.accumulate(v[0], out=out),
    "add.outer": lambda v, out: np.add.outer(v[0], 0.0, out=out),
    "x.sum": lambda v, out: v.sum(0, out=out),
    "x.clip": lambda v, out: v[0].clip(0, 1, out=out),
    "isnan": lambda v, out: np.isnan(v[0], out=out),
    "greater": lambda v, out: np.greater(v[0], 2, out=out),
    "fft": lambda v, out: np.fft.fft(v[0], out=out),
}


def outcome(write: Callable[[Any], Any], target: Any) -> tuple[Any, str]:
    """The elements afterwards, or that there was an error of NumPy's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            write(target)
        except (TypeError, ValueError):
            return None, "refused"
    return target, target.dtype.name


def agrees(write: Callable[[Any, Any], Any], size: int, dtype: np.dtype[Any], x: Any) -> None:
    outcomes: list[str] = []

    def total(x: Any) -> Any:
        target, name = outcome(lambda target: write(x, target), np.ones(size, dtype))
        outcomes.append(name)
        if target is None:
            return np.sum(x) * 1.0
        return np.sum(np.real(target * np.arange(1.0, size + 1))) * 1.0

    wanted = total(x)
    digits = 1e-3 if dtype.name in ("float16", "float32", "complex64") else 1e-14
    value, _ = wg.value_and_grad(total)(x)
    np.testing.assert_allclose(value, wanted, rtol=digits, err_msg=str(dtype))
    if dtype.name in ("bool", "int64", "float64"):
        batch = wg.vmap(total)(np.stack([x, x]))
        np.testing.assert_allclose(batch, [wanted, wanted], rtol=digits, err_msg=str(dtype))
    assert len(set(outcomes)) == 1, (dtype, outcomes)


@pytest.mark.parametrize("name", WRITTEN)
def test_arrays_are_written_to_as_numpys(name: str) -> None:
    for dtype in DTYPES:
        agrees(lambda t, a: WRITTEN[name](a, t, np.array([t, 2 * t, 3.0])), 3, dtype, np.float64(T))


@pytest.mark.parametrize("name", OUT)
def test_out_takes_and_refuses_as_numpys(name: str) -> None:
    for dtype in DTYPES:
        agrees(OUT[name], 2, dtype, V)


@pytest.mark.parametrize("stand_ins", [True, False])
@pytest.mark.parametrize("name", OUT)
def test_out_may_be_traced(name: str, stand_ins: bool) -> None:
    def total(v: Any) -> Any:
        target, state = outcome(lambda out: OUT[name](v, out), v[0] * 1.0)
        outcomes.append(state)
        return np.sum(v) if target is None else np.sum(target * np.array([1.0, 2.0]))

    outcomes: list[str] = []
    wanted = total(V)
    wg.stand_ins(stand_ins)
    try:
        value, _ = wg.value_and_grad(total)(V)
    finally:
        wg.stand_ins(True)
    assert outcomes[0] == outcomes[1]
    assert value == pytest.approx(wanted, rel=1e-14)


def test_arrays_of_objects_take_the_elements_of_a_traced_array() -> None:
    def elements(t: Any) -> Any:
        a = np.zeros(3, object)
        a[:] = np.array([t, 2 * t, 3.0])
        b = np.zeros(2, object)
        b.flat = np.array([t, t * t])
        return a[1] * b[1] + a[2] * b[0]

    value, slope = wg.value_and_grad(elements)(T)
    assert value == elements(T)
    assert slope == pytest.approx(6 * T**2 + 3)


def test_compiled_functions_write_arrays_into_integers() -> None:
    def rounded(t: Any) -> Any:
        n = np.zeros(3, int)
        n[:] = np.array([t, 2 * t, 3.0])
        return np.sum(n * 1.0)

    f = wg.jit(rounded, wait=True)
    assert [f(T), f(T), f(2.6)] == [7.0, 7.0, 10.0]
