"""Dtypes: of values NumPy's, of tangents the value's, of gradients the argument's."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wengert as wg
from support import slow
from wengert.errors import WengertError

ARGUMENTS = {
    "vector": np.array([0.3, 0.7]),
    "matrix": np.array([[0.9, 0.2], [0.2, 0.8]]),
    "number": np.array(0.6),
}

OTHERS: dict[str, Any] = {
    "number": 0.5,
    "float64": np.float64(0.5),
    "float64s": np.array([0.5, 0.6]),
    "float32": np.float32(0.5),
    "integers": np.array([1, 0]),
}

SKIPPED = frozenset(
    "info save savez savez_compressed savetxt load loadtxt genfromtxt fromfile frombuffer "
    "show_config show_runtime test copyto set_printoptions setbufsize seterr seterrcall empty "
    "empty_like printoptions array_repr array_str array2string from_dlpack full "
    "bartlett blackman hamming hanning kaiser".split()
)
"""Files, options, memory that is not set, shapes; and windows, whose arguments are lengths."""


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    seen: set[Any] = set()
    for module in (np, np.linalg):
        for name in sorted(set(module.__all__) - SKIPPED):
            function = getattr(module, name)
            if callable(function) and not isinstance(function, type) and function not in seen:
                seen.add(function)
                yield name, function


def listed(found: Any) -> list[Any]:
    return list(found) if isinstance(found, (tuple, list)) else [found]


def mismatch(f: Callable[[Any], Any], x: Any) -> str:
    """What is wrong with the dtypes of a function's value, tangent and gradient."""
    try:
        wanted = listed(f(x.copy()))
        assert all(isinstance(part, (np.ndarray, np.generic)) for part in wanted)
        value, tangent = wg.jvp(lambda x: listed(f(x)), (x,), (np.ones_like(x),))
        assert all(part is not None for part in value)
    except Exception:
        return ""
    for w, v, t in zip(wanted, value, tangent, strict=True):
        if v.dtype != w.dtype:
            return f"value of {v.dtype}, NumPy's is of {w.dtype}"
        if w.dtype.kind in "fc" and t.dtype != w.dtype:
            return f"tangent of {t.dtype}, the value is of {w.dtype}"
        near = 8 * np.finfo(w.dtype).eps if w.dtype.kind in "fc" else 0
        if not np.allclose(v, w, near, near, equal_nan=True):
            return f"value {v}, NumPy's is {w}"
    try:
        results, pull = wg.vjp(lambda x: listed(f(x)), x)
        (gradient,) = pull([np.ones_like(result) for result in results])
    except WengertError:
        return ""
    return "" if gradient.dtype == x.dtype else f"gradient of {gradient.dtype}"


@pytest.mark.parametrize(
    "dtype", [np.float32, slow(np.longdouble, reason="more dtypes"), np.complex64]
)
def test_values_have_the_dtype_of_numpys_and_gradients_that_of_the_argument(dtype: Any) -> None:
    wrong: dict[str, str] = {}
    # In NumPy 2.2 the power by an operator keeps float32, np.power does not; here both keep it.
    keeps = (np.ones(1, np.float32) ** np.float64(2)).dtype == np.float32
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for name, f in functions():
            for size, given in ARGUMENTS.items():
                x = given.astype(dtype)[()]
                cases: dict[str, Callable[[Any], Any]] = {"": f}
                for kind, c in OTHERS.items():
                    cases[f", {kind}"] = lambda x, f=f, c=c: f(x, c)
                    cases[f" after {kind}"] = lambda x, f=f, c=c: f(c, x)
                for label, case in cases.items():
                    if keeps and name in ("pow", "power") and "float64" in label:
                        continue
                    if found := mismatch(case, x):
                        wrong[f"{name}({size}{label})"] = found
    assert not wrong


C = np.array([1.0, 2.0])

MIXED: dict[str, Callable[[Any], Any]] = {
    "array": lambda x: np.sum(x * C),
    "number": lambda x: x[0] * np.float64(2.0) + np.sum(x),
    "mean": lambda x: np.mean(x) * C[0],
    "product": lambda x: np.prod(x) * np.float64(2.0),
    "matmul": lambda x: (x**2) @ C,
    "norm": lambda x: np.linalg.norm(x * C),
    "where": lambda x: np.sum(np.where(x > 1, x * x, C)),
    "concatenate": lambda x: np.sum(np.concatenate([x, C]) ** 2),
    "astype": lambda x: np.sum(x.astype(np.float64) ** 2),
    "complex": lambda x: np.sum(np.abs(x * np.array([1 + 2j, 1j]))),
    "weak": lambda x: 2.0 * np.sum(x**2) + 1,
    "objects": lambda x: np.sum(np.array([x[0], x[1] ** 2]) * x),
}

VERBS: dict[str, Callable[[Any, Any], Any]] = {
    "grad": lambda f, x: wg.grad(f)(x),
    "value_and_grad": lambda f, x: wg.value_and_grad(f)(x)[1],
    "vjp": lambda f, x: wg.vjp(f, x)[1](1.0)[0],
    "jacfwd": lambda f, x: wg.jacfwd(f)(x),
    "jacrev": lambda f, x: wg.jacrev(f)(x),
    "hessian": lambda f, x: wg.hessian(f)(x),
    "hvp": lambda f, x: wg.hvp(f, x, x),
    "vmap": lambda f, x: wg.vmap(wg.grad(f))(x[None])[0],
    "jit of grad": lambda f, x: wg.jit(wg.grad(f), wait=True)(x),
    "grad of jit": lambda f, x: wg.grad(wg.jit(f, wait=True))(x),
    "grad of grad": lambda f, x: wg.grad(lambda x: np.sum(wg.grad(f)(x)))(x),
    "checkpointed scan": lambda f, x: wg.grad(lambda x: wg.fori_loop(0, 2, lambda _, c: c, f(x)))(
        x
    ),
    "cond": lambda f, x: wg.grad(lambda x: wg.cond(x[0] > 0, f, lambda x: f(2 * x), x))(x),
}


@pytest.mark.parametrize("dtype", [np.float32, np.longdouble])
@pytest.mark.parametrize("f", MIXED.values(), ids=MIXED.keys())
def test_every_verb_gives_derivatives_of_the_arguments_dtype(f: Any, dtype: Any) -> None:
    x = np.array([1.5, 0.5], dtype)
    value = np.asarray(f(x))
    assert wg.value_and_grad(f)(x)[0].dtype == value.dtype
    for result in (wg.jvp(f, (x,), (x,)), (f(x), wg.linearize(f, x)[1](x))):
        assert {part.dtype for part in result} == {value.dtype}
    for name, verb in VERBS.items():
        if dtype is np.longdouble and "jit" in name:
            continue
        found = verb(f, x)
        assert found.dtype == x.dtype, name
        assert found.shape[-1:] == x.shape


def test_a_jacobian_has_the_same_dtype_in_both_modes() -> None:
    x = np.array([1.5, 0.5], np.float32)
    for mode in ("forward", "reverse"):
        assert wg.jacobian(lambda x: x * C, mode=mode)(x).dtype == np.float32
        found = wg.jacobian(lambda x, y: x * y, argnums=(0, 1), mode=mode)(x, C)
        assert [block.dtype for block in found] == [np.float32, np.float64]
    assert wg.jacobian(lambda x: x * (1 + 2j))(x).dtype == np.complex64
    assert wg.jacobian(lambda x: x * 1j * C)(x).dtype == np.complex64
    assert wg.jacobian(lambda z: np.abs(z) * C)(x * (1 + 1j)).dtype == np.complex64


def test_negative_and_complex_geometric_sequences_are_numpys() -> None:
    for start, stop in ((-1.0, -8.0), (1j, 8.0), (2.0, 3.0)):
        for count in range(5):
            for endpoint in (True, False):
                want = np.geomspace(start, stop, count, endpoint)
                found = wg.jvp(
                    lambda x: np.geomspace(x, stop, count, endpoint),  # noqa: B023
                    (start,),
                    (1.0,),
                )[0]
                np.testing.assert_allclose(found, want, rtol=1e-14)
    h = 1e-6
    slope = (np.geomspace(-2 + h, -8.0, 4) - np.geomspace(-2 - h, -8.0, 4)) / (2 * h)
    np.testing.assert_allclose(
        wg.jvp(lambda x: np.geomspace(x, -8.0, 4), (-2.0,), (1.0,))[1], slope, atol=1e-8
    )


def test_a_large_cutoff_of_least_squares_is_lapacks() -> None:
    a, b = np.array([[1.0, 0.5], [0.2, 1.0]]), np.array([1.0, 2.0])
    for cut in (-1.0, 0.0, 0.3, 0.9, 1.0, 2.0):
        want = np.linalg.lstsq(a, b, rcond=cut)[0]
        found = wg.jvp(lambda b: np.linalg.lstsq(a, b, rcond=cut)[0], (b,), (b,))[0]  # noqa: B023
        np.testing.assert_allclose(found, want, atol=1e-12)


WEAK = {
    "s * x": lambda s, x: s * x,
    "x - s": lambda s, x: x - s,
    "s ** x": lambda s, x: s**x,
    "x % s": lambda s, x: x % s,
    "np.hypot(s, x)": lambda s, x: np.hypot(s, x),
    "np.maximum(x, s)": lambda s, x: np.maximum(x, s),
    "np.where(x > 2, s, x)": lambda s, x: np.where(x > 2, s, x),
    "np.clip(x, s, 3.0)": lambda s, x: np.clip(x, s, 3.0),
    "(2 * s + 1) * x[0]": lambda s, x: (2 * s + 1) * x[0],
    "np.dot(x, s)": lambda s, x: np.dot(x, s),
    "np.multiply([1.0, 2.0], s)": lambda s, x: np.multiply([1.0, 2.0], s) * x[0],
}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.complex64])
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "pow"])
def test_a_number_of_pythons_is_weak_beside_traced_numbers(
    name: str, swapped: bool, dtype: type
) -> None:
    def f(s: float, y: Any) -> Any:
        return getattr(operator, name)(*((y, s) if swapped else (s, y)))

    given = 2.5, dtype(1.5)
    value, moved = wg.jvp(f, given, (1.0, dtype(1.0)))
    assert value.dtype == moved.dtype == f(*given).dtype
    slopes = wg.grad(lambda s, y: np.real(f(s, y)), argnums=(0, 1))(*given)
    assert [slope.dtype for slope in slopes] == [np.float64, dtype]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", "i8"])
@pytest.mark.parametrize("formula", WEAK)
def test_a_number_of_pythons_is_weak_beside_numpys(formula: str, dtype: str) -> None:
    if dtype == "c8" and any(name in formula for name in ("%", "maximum", "hypot", "clip")):
        pytest.skip("not of complex numbers")
    x = np.array([1, 2, 3], dtype)

    def f(s: float) -> Any:
        return np.real(WEAK[formula](s, x)).sum()

    value, slope = wg.value_and_grad(f)(2.5)
    step = 1e-6
    double = x.astype("c16" if dtype == "c8" else "f8")
    high, low = (np.real(WEAK[formula](2.5 + h, double)).sum() for h in (step, -step))
    assert value.dtype == f(2.5).dtype
    assert type(slope) is np.float64
    assert value == pytest.approx(f(2.5), rel=float(4 * np.finfo(value.dtype).eps))
    assert slope == pytest.approx((high - low) / (2 * step), rel=4e-3 if dtype == "f2" else 1e-5)
    for other in (wg.jvp(f, (2.5,), (1.0,))[0], wg.value_and_grad(wg.jit(f))(2.5)[0]):
        assert (other, other.dtype) == (value, value.dtype)


def truths(x: Any) -> tuple[Any, ...]:
    """What NumPy makes of truth values and small integers: one of them, and arrays."""
    one, all_, small = np.any(x > 0), x > 0, (x[0, 0] > 0).astype(np.int8)
    several = one**2, one + 1, np.sum(one), np.sum(one, axis=0), np.prod(one), np.vdot(one, one)
    several += np.vdot(all_, all_), np.dot(one, one), np.cumsum(one), all_**2, np.repeat(all_, 2)
    several += all_.diagonal(), np.linalg.diagonal(all_), np.mean(one), small.sum(), np.prod(small)
    several += np.sum(one, dtype=np.int8), all_.copy("F"), np.cumprod(one), np.inner(one, one)
    several += np.diff(all_), np.diff(all_, 2, 0)
    return *several, np.vdot(all_.astype(np.int8), all_.astype(np.int8)), one.max(), np.trace(all_)


@pytest.mark.parametrize("route", ["vmap", "scan"])
def test_arithmetic_of_truth_values_has_numpys_dtypes(route: str) -> None:
    x = np.array([[1.0, -1.0, 2.0], [2.0, 1.0, 3.0]])
    if route == "vmap":
        results = wg.vmap(truths)(x[None])
    else:
        results = wg.scan(lambda c, _: (c, truths(c)), x, None, length=1)[1]
    for result, wanted in zip(results, truths(x), strict=True):
        assert result.dtype == wanted.dtype
        assert np.array_equal(result[0], wanted)


def test_an_array_of_truth_values_has_no_sign_to_keep() -> None:
    with pytest.raises(TypeError, match="positive"):
        wg.vmap(lambda x: +(x > 0))(np.ones((2, 3)))
