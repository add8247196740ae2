"""Elementwise functions that are no ufuncs: their values are NumPy's, their derivatives exact."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import wengert as wg
from support import assert_derivatives, gradient
from wengert.errors import UnsupportedError

X = np.array([0.3, -1.2, 2.1, 0.7, -0.4])
M = np.array([[0.3, -1.2, 2.1], [0.7, -0.4, 1.6]])
NODES = np.array([-1.0, 0.0, 0.5, 2.0])

CASES: dict[str, tuple[Any, Any]] = {
    "where": (lambda x: np.where(x > 0, np.sin(x), x**2), X),
    "select": (lambda x: np.select([x > 1, x > 0], [x**3, np.cos(x)], x * 2), X),
    "select default": (lambda x: np.select([x > 1], [x**3]), X),
    "choose": (lambda x: np.choose(np.array([0, 1, 2, 1, 0]), [x, x**2, np.sin(x)]), X),
    "choose wrap": (lambda x: np.choose(np.array([3, -1, 2, 1, 0]), [x, x**2], mode="wrap"), X),
    "piecewise": (lambda x: np.piecewise(x, [x < 0, x >= 1], [np.exp, lambda t: t**2, 3.0]), X),
    "clip": (lambda x: np.clip(x, -0.5, 1.0) ** 2, X),
    "clip one side": (lambda x: np.clip(x, None, 1.0) ** 2, X),
    "clip names": (lambda x: np.clip(x, min=0.1, max=1.0) ** 2, X),
    "clip method": (lambda x: x.clip(0.1, 1.0) ** 2, X),
    "nan_to_num": (lambda x: np.nan_to_num(x) ** 2, X),
    "abs": (lambda x: abs(x) ** 3, X),
    "abs of complex": (lambda x: np.abs(x + 1j * x**2), X),
    "sign of complex": (lambda x: np.real(np.sign(x + 1j * x**2)), X),
    "angle": (lambda x: np.angle(x + 1j * np.exp(x)), X),
    "angle in degrees": (lambda x: np.angle(x + 1j * np.exp(x), deg=True), X),
    "real and imag": (lambda x: np.real(np.exp(1j * x)) * np.imag(x**2 * (1 + 2j)), X),
    "real_if_close": (lambda x: np.real_if_close(x + 0j) ** 2, X),
    "divmod": (lambda x: np.divmod(x, 0.8)[1] ** 2 + np.divmod(x, 0.8)[0], X),
    "modf": (lambda x: np.modf(x)[0] ** 2 * np.modf(x)[1], X),
    "float_power": (lambda x: np.float_power(x, 3), X),
    "round": (lambda x: np.round(x, 1) * x, X),
    "fix": (lambda x: np.fix(x) * x**2, X),
    "i0": (np.i0, X),
    "sinc": (np.sinc, X),
    "polyval in x": (lambda x: np.polyval([2.0, -1.0, 0.5], x), X),
    "polyval in p": (lambda p: np.polyval(p, np.array([0.3, 1.2])), X),
    "vander": (np.vander, X[:3]),
    "vander increasing": (lambda x: np.vander(x, 4, increasing=True), X[:3]),
    "unwrap": (lambda x: np.unwrap(np.remainder(4 * x, 6.0)) ** 2, np.linspace(0.1, 5, 7)),
    "unwrap axis": (lambda x: np.unwrap(x * 4.7, axis=0, period=4.0) ** 2, M),
    "diff": (lambda x: np.diff(x) ** 2, X),
    "diff twice": (lambda x: np.diff(x, 2, axis=0) ** 2, X),
    "diff ends": (lambda x: np.diff(x, prepend=0.0, append=x[:1] ** 2), X),
    "diff matrix": (lambda x: np.diff(x, axis=0, prepend=1.0) ** 2, M),
    "ediff1d": (lambda x: np.ediff1d(x**2, to_begin=[1.0], to_end=x[:2]), X),
    "gradient": (lambda x: np.gradient(x**2, 0.5), X),
    "gradient edges": (lambda x: np.gradient(x**2, 0.5, edge_order=2), X),
    "gradient axes": (lambda x: np.stack(np.gradient(x**2, 0.5, 2.0)), M),
    "trapezoid": (lambda x: np.trapezoid(x**2, dx=0.5), X),
    "trapezoid in x": (lambda x: np.trapezoid(np.array([1.0, 2, 0, 3, 1]), x**2), X),
    "trapezoid rows": (lambda x: np.trapezoid(x**2, axis=0), M),
    "interp in x": (lambda x: np.interp(x, NODES, [1.0, 3.0, 2.0, -1.0]) ** 2, X),
    "interp in fp": (lambda f: np.interp([-2.0, 0.2, 0.5, 3.0], NODES, f) ** 2, X[:4]),
    "interp in xp": (lambda t: np.interp([0.2, 0.45], NODES + 0.1 * t, [1.0, 3, 2, -1]), X[:4]),
    "interp ends": (lambda x: np.interp(x, NODES, [1.0, 3, 2, -1], left=5.0, right=6.0) ** 2, X),
    "interp period": (lambda x: np.interp(x, [0.1, 1.0, 2.5], [1.0, 3, 2], period=3.0) ** 2, X),
    "logical": (lambda x: np.where((x > 0) & ~(x > 1) | (x < -1), x**2, x), X),
    "isclose": (lambda x: np.where(np.isclose(x, 0.35, atol=0.1), x**2, x), X),
}


@pytest.mark.parametrize("name", CASES)
def test_value_and_derivatives_of(name: str) -> None:
    assert_derivatives(*CASES[name])


VALUE_DECIDES = {"real_if_close"}


@pytest.mark.parametrize("name", sorted(set(CASES) - VALUE_DECIDES))
def test_vmap_is_a_loop_over(name: str) -> None:
    f, x = CASES[name]
    stack = np.stack([x, 1.01 * x + 0.003])
    for g in (f, wg.grad(lambda x: np.sum(f(x)))):
        wanted = np.stack([g(x) for x in stack])
        np.testing.assert_allclose(wg.vmap(g)(stack), wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("n", "m"), [(5, 3), (5, 4), (3, 5), (2, 4), (4, 4), (1, 3)])
@pytest.mark.parametrize("function", [np.convolve, np.correlate])
def test_convolutions_of_all_lengths_and_modes(function: Any, n: int, m: int, mode: str) -> None:
    a, v = X[:n], X[::-1][:m] + 0.2
    assert_derivatives(lambda x: function(x**2, v, mode), a)
    assert_derivatives(lambda x: function(a, x**2, mode), v)


def test_comparisons_of_whole_arrays_give_python_truth() -> None:
    found = []

    def f(x: Any) -> Any:
        found.extend([np.allclose(x, x + 1e-12), np.allclose(x, 0), np.array_equal(x, x)])
        found.extend([np.iscomplexobj(x), np.isrealobj(x)])
        found.append(np.isposinf(x).any() or np.isneginf(x).any())
        return np.sum(x)

    gradient(f, X)
    assert found == [True, False, True, False, True, False]


def test_the_outer_method_of_ufuncs() -> None:
    for ufunc in (np.add, np.subtract, np.multiply, np.divide):
        assert_derivatives(lambda x, u=ufunc: u.outer(x, x[:2] ** 2 + 1), X)


def test_sinc_is_smooth_at_zero_to_every_order() -> None:
    f: Any = np.sinc
    found = []
    for _ in range(7):
        found.append(float(f(0.0)))
        f = wg.grad(f)
    wanted = [1, 0, -(np.pi**2) / 3, 0, np.pi**4 / 5, 0, -(np.pi**6) / 7]
    np.testing.assert_allclose(found, wanted, rtol=1e-14, atol=1e-13)


@pytest.mark.parametrize("x", [1e-9, 1e-3, 0.2, 0.5, 0.9, 1.7, 30.3])
def test_derivatives_of_sinc_agree_with_those_of_high_precision(x: float) -> None:
    mpmath = pytest.importorskip("mpmath")
    f: Any = np.sinc
    with mpmath.workdps(60):
        exact = mpmath.taylor(lambda t: mpmath.sinc(mpmath.pi * t), x, 4)
    for order in range(5):
        wanted = float(exact[order] * mpmath.factorial(order))
        assert abs(float(f(x)) - wanted) < 1e-13 * np.pi**order
        f = wg.grad(f)


def test_uneven_coordinates_are_refused_with_a_remedy() -> None:
    with pytest.raises(UnsupportedError, match=r"np\.diff"):
        gradient(lambda x: np.sum(np.gradient(x, np.array([0.0, 1, 3, 4, 6]))), X)


def test_float32_stays_float32() -> None:
    x = X.astype(np.float32)
    for f in (np.sinc, lambda x: np.clip(x, 0, 1), lambda x: np.where(x > 0, x, 0), np.nan_to_num):
        assert gradient(lambda x, f=f: np.sum(f(x)).astype(np.float64), x).dtype == np.float32


def parts_in_place(x: Any) -> Any:
    z = x + 1j * x[::-1]
    z.real = x**2
    z.imag[1:] *= 2.0
    real = np.real(z)
    z *= 1j
    return np.abs(real + 1.0) * z.imag


def real_part_of_zeros(x: Any) -> Any:
    z = np.zeros(x.shape, complex, like=x)
    z.real[:] = x
    z.imag[0] = 3.0 * x[1]
    return np.abs(z * z)


def real_part_of_a_real_array(x: Any) -> Any:
    y = x * 1
    y.real = x**2
    y.real[0] += x[1]
    return y


@pytest.mark.parametrize("f", [parts_in_place, real_part_of_zeros, real_part_of_a_real_array])
def test_real_and_imaginary_parts_can_be_assigned_to(f: Any) -> None:
    assert_derivatives(f, X)


def test_a_real_array_has_no_imaginary_part_to_assign_to() -> None:
    def f(x: Any) -> Any:
        x.imag = 1.0
        return np.sum(x)

    with pytest.raises(TypeError, match="imaginary"):
        gradient(f, X)


MASK = np.array([True, False, True, True, False])
ZEROS = np.array([1.0, 0.0, 2.0, 3.0, 0.0])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.log(x, out=np.zeros_like(x), where=x > 0),
        lambda x: np.divide(x, ZEROS, out=np.zeros_like(x), where=MASK),
        lambda x: np.divide(1, x * ZEROS, out=np.zeros_like(x), where=MASK),
        lambda x: np.arctanh(x, out=np.ones_like(x), where=np.abs(x) < 1),
        lambda x: np.power(x, -ZEROS, out=np.ones((2, 5), like=x), where=[[True], [False]]),
    ],
)
def test_elements_that_where_leaves_out_give_no_warning(f: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_derivatives(f, X)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
@pytest.mark.parametrize("f", [np.fmin, np.fmax, np.minimum, np.maximum])
def test_extremes_beside_numbers_that_have_no_negative(f: Any, dtype: Any) -> None:
    y = np.array([1, 0, 2, 1, 0], dtype)
    assert_derivatives(lambda x: f(x, y) ** 2, X)
    assert_derivatives(lambda x: f(y, x) ** 2, X)
    assert_derivatives(lambda x: f(x > 0, x) ** 2, X)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_absolute_values_of_complex_numbers_are_numpys_in_every_bit(dtype: str) -> None:
    angles = np.linspace(0.1, 6.0, 101)
    z = (np.exp(1j * angles) * 3).astype(dtype)  # of many, np.absolute is not the hypotenuse
    np.testing.assert_array_equal(wg.jvp(np.absolute, (z,), (z,))[0], np.absolute(z), strict=True)
    np.testing.assert_array_equal(wg.vmap(np.absolute)(z), np.absolute(z), strict=True)
    for number in z[:40]:
        assert wg.jvp(np.absolute, (number,), (number,))[0] == np.absolute(number)
        assert wg.jvp(abs, (number,), (number,))[0] == abs(number)
    slopes = wg.grad(lambda t: np.sum(np.abs((3.0 + t) * z.astype(complex))))(0.0)
    np.testing.assert_allclose(slopes, 303.0, rtol=1e-6)


PARTS = [(np.inf, 1.0), (2.0, np.inf), (-0.0, -0.0), (np.nan, np.inf), (-np.inf, 0.0), (3.0, -0.0)]


def bits(value: Any) -> bytes:
    return np.asarray(value).tobytes()


@pytest.mark.parametrize("name", ["real", "imag"])
@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_a_part_of_a_complex_number_is_assigned_alone(name, dtype):
    z = np.array([complex(1.0, np.inf), complex(np.inf, 1.0), complex(-0.0, -0.0), 1 + 2j], dtype)

    def assigned(z, part):
        y = z.copy()
        getattr(y, name)[::2] = part[::2]
        setattr(y[1:], name, part[1])
        return y

    for part in PARTS:
        part = np.array([*part, -0.0, 5.0], np.finfo(dtype).dtype)
        expected = assigned(z, part)
        for f in (assigned, wg.jit(assigned, wait=True)):
            assert bits(wg.jvp(f, (z, part), (z, part))[0]) == bits(expected)
            assert bits(f(z, part)) == bits(expected)
        assert bits(wg.vmap(assigned)(z[None], part[None])[0]) == bits(expected)
        whole, single = wg.vjp(assigned, z, part)[1](np.array([1j, 2.0, 3j, 4 + 5j], dtype))
        slopes = {"real": [0.0, 6.0, 0.0, 0.0], "imag": [-1.0, -8.0, 0.0, 0.0]}[name]
        np.testing.assert_array_equal(single, slopes)
        assert whole.dtype == dtype


def test_infinities_that_replace_parts_of_complex_numbers_do_not_reach_the_other_part():
    z = np.array([complex(np.inf, 1.0), complex(2.0, np.nan), complex(np.nan, -np.inf)])

    def f(z):
        return np.nan_to_num(z, nan=np.inf, posinf=np.inf, neginf=-np.inf)

    expected = f(z)
    for g in (f, wg.jit(f, wait=True)):
        assert bits(g(z)) == bits(expected)
        assert bits(wg.jvp(g, (z,), (np.zeros_like(z),))[0]) == bits(expected)


@pytest.mark.parametrize("casting", ["no", "equiv", "safe", "same_kind", "unsafe"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex64, np.complex128])
def test_results_are_cast_into_out_where_numpy_casts_them(casting, dtype):
    def f(x):
        target = np.zeros(3, dtype)
        try:
            np.add(x, 1.0, out=target, casting=casting)
        except TypeError:
            return 0.0 * x
        return np.abs(target) + np.zeros(3)

    x = np.arange(3.0)
    assert wg.jvp(f, (x,), (x,))[0].tolist() == wg.jit(f)(x).tolist() == f(x).tolist()


@pytest.mark.filterwarnings("ignore:'where' used without 'out'")
def test_a_mask_that_leaves_nothing_out_is_no_mask() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.divide(x, x + 1, where=True ^ np.isinf(x)) + np.log(x, where=x > 0))

    x = np.array([0.5, 2.0])
    for slopes in (wg.grad(f)(x), wg.jit(wg.grad(f))(x)):
        np.testing.assert_allclose(slopes, (x + 1.0) ** -2 + 1 / x, rtol=1e-14)
    with pytest.raises(UnsupportedError, match="elements undefined"):
        wg.grad(lambda x: np.sum(np.log(x, where=x > 1)))(x)
