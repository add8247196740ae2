"""``np.fft`` of traced arrays: NumPy's values to the bit, and the derivatives of linear maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from numpy_routes import agrees_with_numpy

F = np.fft
X = np.random.default_rng(3).standard_normal((3, 4))

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "fft": lambda x: F.fft(x),
    "fft of complex numbers": lambda x: F.fft(x * (1 - 2j) + 1j * x**2),
    "fft, cut off": lambda x: F.fft(x, 3, norm="ortho"),
    "fft, continued": lambda x: F.fft(x, n=6, axis=0, norm="forward"),
    "ifft": lambda x: F.ifft(x + 1j * x[::-1], axis=0),
    "ifft by position": lambda x: F.ifft(x, 5, -2, "ortho"),
    "rfft": lambda x: F.rfft(x),
    "rfft of odd length": lambda x: F.rfft(x, 5, 0, "forward"),
    "irfft": lambda x: F.irfft(x * (1 + 1j)),
    "irfft of odd length": lambda x: F.irfft(x**2 - 3j * x, n=5, axis=0, norm="ortho"),
    "irfft of real numbers, continued": lambda x: F.irfft(x, 9, norm="forward"),
    "hfft": lambda x: F.hfft(x * (1 + 2j), norm="ortho"),
    "hfft of odd length": lambda x: F.hfft(x + 1j, 5, axis=0),
    "ihfft": lambda x: F.ihfft(x) + F.ihfft(x, norm="forward"),
    "fft2": lambda x: F.fft2(x, (4, 3)),
    "ifft2": lambda x: F.ifft2(x * 1j, axes=(1, 0), norm="ortho"),
    "rfft2": lambda x: F.rfft2(x),
    "irfft2": lambda x: F.irfft2(x * (2 + 1j), s=(4, 5)),
    "fftn": lambda x: F.fftn(np.stack([x, x**2]), axes=(0, 2)),
    "ifftn": lambda x: F.ifftn(x, (3, -1), (0, 1)),
    "rfftn": lambda x: F.rfftn(np.stack([x, x**2]), norm="forward"),
    "rfftn of two axes": lambda x: F.rfftn(np.stack([x, x**2]), s=(3, 4), axes=(2, 0)),
    "irfftn": lambda x: F.irfftn(x + 1j * x**2),
    "shifts": lambda x: F.fftshift(x) * F.ifftshift(x, axes=1) + F.fftshift(x, (0,)),
    "frequencies": lambda x: F.fftfreq(4, x[0, 0]) * F.rfftfreq(6, d=x[1, 1]),
    "a convolution": lambda x: F.irfft(F.rfft(x[0], 8) * F.rfft(x[1], 8), 8),
    "of constants beside": lambda x: F.ifft(F.fft(np.arange(4.0)) * F.fft(x)).real,
}


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_a_transform_agrees_with_numpy(name: str) -> None:
    agrees_with_numpy(FUNCTIONS[name], X)


@pytest.mark.parametrize("name", ["fft", "rfft", "irfft", "hfft", "ihfft", "fft2", "irfftn"])
@pytest.mark.parametrize("dtype", ["f4", "c8", "c16"])
def test_a_transform_has_numpys_dtype_and_gives_the_operands(name: str, dtype: str) -> None:
    function, x = getattr(F, name), X.astype(dtype)
    try:
        wanted = function(x)
    except TypeError:
        with pytest.raises(TypeError):
            wg.vjp(function, x)
        return
    found, pull = wg.vjp(function, x)
    assert found.dtype == wanted.dtype
    assert pull(np.ones_like(found))[0].dtype == x.dtype


def test_a_transform_into_an_array_is_its_result() -> None:
    def f(x: Any) -> Any:
        out = np.zeros_like(x, np.complex128)
        F.fft(x, out=out)
        return np.sum(np.abs(out) ** 2)

    np.testing.assert_allclose(wg.grad(f)(X), 8 * X)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.fft(x, 0),
        lambda x: F.fft(x, norm="none"),
        lambda x: F.fft(x, axis=2),
        lambda x: F.fft(x, 2.5),
        lambda x: F.fft2(x, (2, 3, 4)),
        lambda x: F.rfft(x * 1j),
        lambda x: F.irfft(x[:, :1]),
        lambda x: F.fftshift(x, 3),
    ],
)
def test_a_transform_that_numpy_refuses_is_refused(call: Callable[[Any], Any]) -> None:
    with pytest.raises((ValueError, TypeError, IndexError)) as plain:
        call(X)
    with pytest.raises(plain.type):
        wg.grad(lambda x: np.sum(np.abs(call(x))))(X)
