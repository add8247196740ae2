"""What NumPy's functions make of an array lies in memory as NumPy has it, whatever the operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

RNG = np.random.default_rng(0)
OPERANDS: dict[str, np.ndarray[Any, Any]] = {
    "C": RNG.normal(size=(3, 2)),
    "Fortran": np.asfortranarray(RNG.normal(size=(3, 2))),
    "reversed": RNG.normal(size=(3, 2))[::-1],
    "neither": RNG.normal(size=(2, 3, 4)).transpose(1, 2, 0),
    "one axis": RNG.normal(size=3)[::-1],
    "strided": RNG.normal(size=(6, 4))[::2, ::2],
}

ORDERED: dict[str, Callable[[Any, Any], Any]] = {
    "array of arrays": lambda z, order: np.array([z, z], order=order),
    "asarray of arrays": lambda z, order: np.asarray([z, z], order=order),
    "array of one": lambda z, order: np.array([z], order=order),
    "array of nested": lambda z, order: np.array([[z, z]], order=order),
    "array of rows": lambda z, order: np.array(list(z), order=order),
    "array": lambda z, order: np.array(z, order=order),
    "array of float32": lambda z, order: np.array(z, dtype=np.float32, order=order),
    "asarray": lambda z, order: np.asarray(z, order=order),
    "copy": lambda z, order: np.copy(z, order=order),
    "the method copy": lambda z, order: z.copy(order=order),
    "astype": lambda z, order: z.astype(np.float32, order=order),
    "ndmin": lambda z, order: np.array(z, ndmin=4, order=order),
    "arrays and ndmin": lambda z, order: np.array([z, z], ndmin=5, order=order),
    "zeros_like": lambda z, order: np.zeros_like(z, order=order),
    "full_like": lambda z, order: np.full_like(z, z.ravel()[0], order=order),
    "sin": lambda z, order: np.sin(z, order=order),
    "add": lambda z, order: np.add(z, np.ones(z.shape), order=order),
    "modf": lambda z, order: np.modf(z, order=order)[0],
}

OTHERS: dict[str, Callable[[Any], Any]] = {
    "ascontiguousarray": lambda z: np.ascontiguousarray([z, z]),
    "asfortranarray": lambda z: np.asfortranarray([z, z]),
    "stack": lambda z: np.stack([z, z], -1),
    "concatenate": lambda z: np.concatenate([z, z], -1),
    "vstack": lambda z: np.vstack([z, z]),
    "dstack": lambda z: np.dstack([z, z]),
    "block": lambda z: np.block([[z, z]]),
    "where": lambda z: np.where(z > 0, z, 1.0),
    "tile": lambda z: np.tile(z, 2),
    "roll": lambda z: np.roll(z, 1, 0),
    "sort": lambda z: np.sort(z, 0),
    "cumsum": lambda z: np.cumsum(z, 0),
    "mean": lambda z: np.mean(z, -1, keepdims=True),
    "pad": lambda z: np.pad(z, 1),
    "take": lambda z: np.take(z, [0, 1], 0),
    "index": lambda z: z[[0, 1]],
    "index of the last": lambda z: z[..., [0, 0]],
    "clip": lambda z: np.clip(z, 0, 1),
    "nan_to_num": np.nan_to_num,
    "matmul": lambda z: z @ z.T,
    "outer": lambda z: np.outer(z, z),
    "einsum": lambda z: np.einsum("...i->i...", z),
    "sum of einsum": lambda z: np.einsum("...i->i...", z * 1.0) + 0,
    "tensordot": lambda z: np.tensordot(z, z, 0),
    "kron": lambda z: np.kron(z, z),
    "diff": lambda z: np.diff(z, axis=0),
    "gradient": lambda z: np.gradient(z, axis=0),
    "fft": lambda z: np.fft.fft(z, axis=0),
    "rfft": lambda z: np.fft.rfft(z, axis=0),
    "sum with a copy": lambda z: z + z.copy(),
    "sum with another order": lambda z: z + np.ones(z.shape),
    "select": lambda z: np.select([z > 0], [z], 0.0),
    "choose": lambda z: np.choose(z > 0, [z, z]),
    "broadcast_to": lambda z: np.broadcast_to(z, (2, *z.shape)),
    "delete": lambda z: np.delete(z, 0, 0),
    "insert": lambda z: np.insert(z, 0, 1.0, 0),
    "apply_along_axis": lambda z: np.apply_along_axis(lambda v: v * 2, 0, z),
    "triu": np.triu,
    "percentile": lambda z: np.percentile(z, [10, 50], axis=0),
    "median": lambda z: np.median(z, axis=0),
    "negative": lambda z: -z,
    "interp": lambda z: np.interp(z, [0, 1], [0, 1]),
    "polyval": lambda z: np.polyval([1, 2.0], z),
    "linspace": lambda z: np.linspace(z, z + 1, 3, axis=-1),
    "svd": lambda z: np.linalg.svd(z)[0],
    "qr": lambda z: np.linalg.qr(z)[1],
    "solve": lambda z: np.linalg.solve(np.eye(z.shape[0]), z),
}

CASES = {
    **{
        f"{name} {order}": lambda z, f=f, order=order: f(z, order)
        for name, f in ORDERED.items()
        for order in "KCFA"
    },
    **OTHERS,
}


def place_in_memory(f: Callable[[Any], Any], z: Any) -> Any:
    """Shape, dtype, strides and flags of a result; the class of NumPy's error, if it raises one."""
    try:
        y = f(z)
    except (ValueError, IndexError) as error:
        return type(error)
    strides = tuple(step if n > 1 else None for n, step in zip(y.shape, y.strides, strict=True))
    flags = y.flags
    return y.shape, y.dtype, strides, flags.c_contiguous, flags.f_contiguous, flags.writeable


@pytest.mark.parametrize("operand", OPERANDS)
def test_results_lie_in_memory_as_numpys(operand: str) -> None:
    z = OPERANDS[operand]
    layouts: dict[str, Any] = {}

    def laid(z: Any) -> Any:
        layouts.update({name: place_in_memory(f, z) for name, f in CASES.items()})
        return np.sum(z)

    laid(z)
    wanted = dict(layouts)
    wg.grad(laid)(z)
    assert layouts == wanted
    wg.jvp(laid, (z,), (z,))
    assert layouts == wanted


def test_the_order_asked_of_a_ufunc_is_the_one_that_is_written_to() -> None:
    def written(x: Any) -> Any:
        y = np.sin(x, order="F")
        lies_so = y.ravel(order="K")
        lies_so[1] = 0.0
        return np.sum(y * np.arange(6.0).reshape(3, 2))

    x = OPERANDS["C"]
    value, gradient = wg.value_and_grad(written)(x)
    assert value == written(x)
    np.testing.assert_array_equal(gradient[1], [0.0, 3.0 * np.cos(x[1, 1])])


def test_a_value_without_its_gradient_lies_in_memory_as_before() -> None:
    def written(x: Any) -> Any:
        y = wg.stop_gradient(x) * x
        y.ravel()[0] = -1.0  # a copy if the array is Fortran's
        return np.sum(y)

    x = OPERANDS["Fortran"]
    value, _ = wg.value_and_grad(written)(x)
    assert value == written(x)
