"""What several tests share: samples, finite differences, and both modes by their traces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from numpy._core.overrides import array_function_dispatch

from wengert.calls import result_leaf
from wengert.primitive import Traced
from wengert.transforms.dual import Dual
from wengert.transforms.tape import linearise

Arrays = Sequence[Any]
Function = Callable[..., Arrays]

STEP = 1e-3


@array_function_dispatch(lambda x: (x,), module="numpy")
def transform(x: Any) -> Any:
    """A function of NumPy's, as it seems, for which there is no rule."""
    return np.fft.fft(x)


def slow(*values: Any, reason: str) -> Any:
    """A parameter that `make test` leaves out; `make test-all` tries it."""
    return pytest.param(*values, marks=pytest.mark.slow(reason=reason))


def thinned(values: Iterable[Any], step: int, reason: str) -> list[Any]:
    """Parameters of which `make test` tries every ``step``-th, from the first on."""
    return [
        value if i % step == 0 else slow(value, reason=reason) for i, value in enumerate(values)
    ]


def number_of_examples(usual: int, search: int = 2000) -> int:
    """How many random examples to try: a quarter of the usual in `make test`, more in a search."""
    wanted = settings().max_examples
    return search if wanted > 1000 else usual if wanted >= 100 else -(-usual // 4)


def slope(f: Callable[[float], Arrays], h: float = STEP) -> list[Any]:
    """The derivatives at 0 of the results of ``f`` by the central difference of sixth order."""
    pairs = [zip(f(k * h), f(-k * h), strict=True) for k in (1, 2, 3)]
    f1, f2, f3 = ([np.subtract(above, below) for above, below in pair] for pair in pairs)
    return [(45 * a - 9 * b + c) / (60 * h) for a, b, c in zip(f1, f2, f3, strict=True)]


def difference(f: Function, points: Arrays, directions: Arrays, h: float = STEP) -> list[Any]:
    """The derivatives of the results of ``f`` along ``directions``, by finite differences."""
    pairs = list(zip(points, directions, strict=True))
    return slope(lambda t: f(*(x + t * v for x, v in pairs)), h)


def forward(f: Function, points: Arrays, directions: Arrays) -> list[Any]:
    """The tangents of the results of ``f`` in forward mode (zeros where there is none)."""
    trace = Dual()
    given = [trace.input(x, v) for x, v in zip(points, directions, strict=True)]
    results = [result_leaf(y) for y in f(*given)]
    trace.open = False
    tangents: list[Any] = []
    for result in results:
        own = isinstance(result, Traced) and result._trace is trace
        tangent = result._node if own else None
        tangents.append(np.zeros(np.shape(result))[()] if tangent is None else tangent)
    return tangents


def reverse(f: Function, points: Arrays, cotangents: Arrays) -> list[Any]:
    """The cotangents of the operands of ``f`` in reverse mode (zeros where there is none)."""
    tape, inputs = linearise(points)
    try:
        results = [result_leaf(y) for y in f(*inputs)]
    finally:
        tape.close()
    pairs = [
        (result._node, cotangent)
        for result, cotangent in zip(results, cotangents, strict=True)
        if isinstance(result, Traced) and result._trace is tape
    ]
    found = tape.pull(pairs, len(points), keep=False)
    return [
        np.zeros(x.shape, x.dtype)[()] if ct is None else ct
        for x, ct in zip(points, found, strict=True)
    ]


def gradient(f: Callable[..., Any], *points: Any) -> Any:
    """The gradient of a function of arrays to a number, in reverse mode."""
    values = [np.asarray(x)[()] for x in points]
    found = reverse(lambda *xs: [f(*xs)], values, [np.float64(1.0)])
    return found[0] if len(found) == 1 else found


def tangent(f: Callable[..., Any], point: Any, direction: Any) -> Any:
    """The tangent of the result of a function of one array, in forward mode."""
    return forward(lambda x: [f(x)], [np.asarray(point)[()]], [np.asarray(direction)[()]])[0]


def pairing(cotangents: Arrays, tangents: Arrays) -> Any:
    """Re of the sum of the products, by which cotangents act on tangents."""
    total: Any = 0.0
    for ct, v in zip(cotangents, tangents, strict=True):
        total = total + np.sum(np.real(ct * v))
    return total


def rounding(terms: int, condition: float = 1.0, dtype: Any = np.float64) -> float:
    """How far two right results of rounded arithmetic may lie apart, relative to their size.

    A sum of n terms, added in any order, of products that are fused or not, differs from the exact
    one by at most gamma_n = n u / (1 - n u) times the sum of the absolute values of the terms; as
    rounding errors are independent or nearly so, all but surely by lambda sqrt(n) u times that,
    for a lambda of a few units. ``condition`` is that sum over the absolute value of the result;
    u is half of ``eps``. A chain of n operations on a number is the same, with the condition of the
    function that it computes. Two results differ by twice that; with lambda = 8 there is room for
    functions of a mathematical library that are right to 4 units in the last place.

    N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002, section 4.2;
    N. J. Higham, T. Mary, A new approach to probabilistic rounding error analysis, SIAM J. Sci.
    Comput. 41 (2019), A2815.
    """
    return 8.0 * np.sqrt(max(terms, 1)) * float(np.finfo(dtype).eps) * condition


def close(found: Any, wanted: Any, tolerance: float = 1e-8) -> bool:
    """Whether two arrays are of one shape and agree to within ``tolerance`` of their size."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    if found.shape != wanted.shape:
        return False
    scale = 1 + np.max(np.abs(wanted), initial=0.0, where=np.isfinite(wanted))
    return bool(np.allclose(found, wanted, rtol=0, atol=tolerance * scale, equal_nan=True))


def assert_derivatives(f: Callable[[Any], Any], point: Any, *, seed: int = 0) -> None:
    """Check a function of one array, in both modes and to second order, by finite differences.

    ``f`` may call only NumPy; its value on a traced array is compared with its value on a plain
    one too.
    """
    rng = np.random.default_rng(seed)
    x = np.array(point, float)
    u, v = rng.standard_normal((2, *x.shape))
    value = np.asarray(f(x.copy()))
    ct = rng.standard_normal(value.shape)

    def results(x: Any) -> list[Any]:
        return [f(x.copy())]

    def pulled(x: Any) -> list[Any]:
        return reverse(results, [x], [ct])

    def pushed(x: Any) -> list[Any]:
        return forward(results, [x], [v])

    traced: list[Any] = []
    forward(lambda x: [traced.append(f(x)) or traced[0]], [x.copy()], [v])
    found = traced[0]
    while isinstance(found, Traced):
        found = found._value
    assert close(found, value, 1e-13), f"value {found}, NumPy's is {value}"
    wanted = difference(results, [x], [v])[0]
    assert close(pushed(x)[0], wanted), "forward mode differs from finite differences"
    slopes = pairing(pulled(x), [v])
    assert close(slopes, np.sum(ct * wanted)), "reverse mode differs from finite differences"
    second = np.sum(v * difference(pulled, [x], [u])[0])
    for name, nested in {
        "forward over reverse": lambda: np.sum(forward(pulled, [x], [u])[0] * v),
        "reverse over reverse": lambda: np.sum(reverse(pulled, [x], [v])[0] * u),
        "reverse over forward": lambda: np.sum(reverse(pushed, [x], [ct])[0] * u),
        "forward over forward": lambda: np.sum(forward(pushed, [x], [u])[0] * ct),
    }.items():
        assert close(nested(), second), f"{name} differs from finite differences"
