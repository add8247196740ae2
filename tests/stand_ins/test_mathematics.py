"""``math`` and ``cmath`` on traced numbers: the functions' own values, errors, and derivatives."""

from __future__ import annotations

import cmath
import functools
import inspect
import itertools
import math
import operator
import pickle
import statistics
import struct
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

import wengert as wg
from wengert.primitives.mathematics import polygamma
from wengert.stand_ins.mathematics import FUNCTIONS_OF, compensated_sum

MODULES = {"math": math, "cmath": cmath}
NAMES = [
    (kind, f"{module}.{name}")
    for kind, modules in FUNCTIONS_OF.items()
    for module, names in modules.items()
    for name in names.split()
    if hasattr(MODULES[module], name)
]
AWKWARD = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -3.0, 3.7, 1e-310, -1e-5, 171.7, 710.0, 1e300]
AWKWARD += [-1e300, math.inf, -math.inf, math.nan]
FEW = [0.0, -0.0, 0.5, -1.0, 2.0, -3.7, 1e-310, 1e300, math.inf, math.nan]


def function(name: str) -> Callable[..., Any]:
    module, short = name.split(".")
    return getattr(MODULES[module], short)


def of_kind(*kinds: str) -> list[str]:
    return [name for kind, name in NAMES if kind in kinds]


# -- arguments, from which all tests follow --------------------------------------------------------

TWO = "atan2 copysign fmod nextafter pow remainder isclose rect dist hypot fsum sumprod log_base"
OTHERS: dict[str, Callable[..., Any]] = {
    "math.dist": lambda x, y: math.dist((x, 1.0, 2.0), [y, x, 0.5]),
    "math.fsum": lambda x, y: math.fsum([x, 1e16, y, -1e16, x]),
    "math.sumprod": lambda x, y: math.sumprod([x, 3.0, x], [y, x, 0.1]),
    "math.fma": lambda x, y: math.fma(x, y, 0.3),
    "math.ldexp": lambda x: math.ldexp(x, 3),
    "math.frexp": lambda x: tuple(math.frexp(x)),
    "math.modf": lambda x: tuple(math.modf(x)),
    "cmath.polar": lambda z: tuple(cmath.polar(z)),
    "math.hypot of three": lambda x, y: math.hypot(x, y, 0.3),
    "math.hypot of one": lambda x: math.hypot(x),
    "math.log of a base": lambda x, y: math.log(x, y),
    "cmath.log of a base": lambda x, y: cmath.log(x, y),
    "round": lambda x: round(x, 2),
    "complex": lambda x, y: complex(x, y),
    "float": lambda x: float(x),
}
"""How functions are called that do not take numbers alone, and other ways to call them."""

BINARY = frozenset(
    "math.atan2 math.copysign math.fmod math.nextafter math.pow math.remainder math.isclose "
    "math.hypot math.dist math.fsum math.sumprod math.fma cmath.rect cmath.isclose complex".split()
) | {name for name in OTHERS if " of " in name and "one" not in name}

CALLS = {
    name: OTHERS.get(name, function(name)) for name in of_kind("derivative", "parts", "constant")
} | {name: f for name, f in OTHERS.items() if " " in name or "." not in name}


def points(name: str, grid: Iterable[float]) -> Iterator[tuple[Any, ...]]:
    """Arguments of a function: real ones, or complex ones for ``cmath``."""
    if name in BINARY:
        yield from itertools.product(grid, grid)
    elif name.startswith("cmath."):
        yield from ((complex(*parts),) for parts in itertools.product(grid, grid))
    else:
        yield from ((x,) for x in grid)


def bits(result: Any) -> Any:
    """A result to the last bit, with its kind; of NaN nothing else."""
    if isinstance(result, tuple):
        return tuple(map(bits, result))
    if isinstance(result, (bool, np.bool_)):
        return bool(result)
    if isinstance(result, (int, np.integer)):
        return int(result)
    if isinstance(result, complex):
        return bits(result.real), bits(result.imag)
    return "nan" if result != result else struct.pack("d", result).hex()


def outcome(f: Callable[..., Any], *args: Any) -> Any:
    """What a call gives, or the class and the text of its error."""
    try:
        return bits(f(*args))
    except (ArithmeticError, TypeError, ValueError) as error:
        return type(error).__name__, str(error)


def fails(f: Callable[..., Any], *args: Any) -> bool:
    return isinstance(outcome(f, *args), tuple) and "Error" in outcome(f, *args)[0]


# -- values and errors -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", CALLS)
def test_values_and_errors_are_those_of_plain_numbers(name: str) -> None:
    """In every bit, at awkward points, in both modes, and in one inside another."""
    f = CALLS[name]
    for args in points(name, AWKWARD if name not in BINARY else FEW):
        expected = outcome(f, *args)
        tangents = tuple(type(x)(1) for x in args)

        def tangents_inside(*args: Any, tangents: Any = tangents) -> Any:
            return wg.jvp(f, args, tangents)[0]

        assert outcome(lambda: wg.jvp(f, args, tangents)[0]) == expected, args  # noqa: B023
        assert outcome(lambda: wg.vjp(f, *args)[0]) == expected, args  # noqa: B023
        assert outcome(lambda: wg.vjp(tangents_inside, *args)[0]) == expected, args  # noqa: B023


@pytest.mark.parametrize("name", sorted(BINARY & CALLS.keys()))
def test_one_of_two_arguments_may_be_plain(name: str) -> None:
    f = CALLS[name]
    for x, y in itertools.product(FEW, FEW):
        expected = outcome(f, x, y)
        assert outcome(lambda: wg.vjp(lambda x: f(x, y), x)[0]) == expected, (x, y)  # noqa: B023
        assert outcome(lambda: wg.vjp(lambda y: f(x, y), y)[0]) == expected, (x, y)  # noqa: B023


def regular(name: str) -> list[tuple[Any, ...]]:
    """A few points at which a function has a value."""
    f = CALLS[name]
    found = [args for args in points(name, [0.3, 0.7, 1.6, -0.4, 2.5]) if not fails(f, *args)]
    return found[:: max(1, len(found) // 8)][:8]


@pytest.mark.parametrize("name", CALLS)
def test_values_under_jit_and_vmap_are_those_of_plain_numbers(name: str) -> None:
    f, places = CALLS[name], regular(name)
    expected = [outcome(f, *args) for args in places]
    jitted = wg.jit(f, wait=True)
    assert [outcome(jitted, *args) for args in (*places, *places)] == [*expected, *expected]
    if name == "float":
        return
    columns = [np.array(column) for column in zip(*places, strict=True)]
    for batched in (wg.vmap(f), wg.jit(wg.vmap(f), wait=True)):
        for _ in range(2):
            batch = batched(*columns)
        rows = list(zip(*batch, strict=True)) if isinstance(batch, tuple) else list(batch)
        assert list(map(bits, rows)) == expected


@pytest.mark.parametrize("name", ["math.sqrt", "math.log", "math.exp", "math.pow", "cmath.log"])
def test_errors_under_jit_are_those_of_plain_numbers(name: str) -> None:
    """Also after a path has been compiled for arguments that have a value."""
    f, jitted = CALLS[name], wg.jit(CALLS[name], wait=True)
    calls = [*regular(name), *points(name, [0.0, -1.5, 1e300, math.inf])][:16]
    assert [outcome(jitted, *args) for args in calls] == [outcome(f, *args) for args in calls]


def test_where_values_are_not_known_there_is_no_error() -> None:
    batch = np.array([-1.0, 0.0, 4.0, 1000.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert wg.vmap(math.sqrt)(batch)[:3] == pytest.approx([math.nan, 0, 2], nan_ok=True)
        assert wg.vmap(math.exp)(batch)[3] == math.inf
        assert wg.vmap(math.log)(batch)[1] == -math.inf


BAD: dict[str, Callable[[Any], Any]] = {
    "no argument": lambda x: math.hypot(x) + math.sin(),
    "two arguments": lambda x: math.sin(x, x),
    "a keyword": lambda x: math.sin(x=x),
    "a string": lambda x: math.atan2(x, "1"),
    "None": lambda x: math.fsum([x, None]),
    "a complex number": lambda x: math.sin(x * 1j),
    "a list": lambda x: math.sin([x]),
    "an array": lambda x: math.sin(np.array([x, x, x])),
    "cmath of a string": lambda x: cmath.log(x, "1"),
    "cmath of an array": lambda x: cmath.sin(np.array([x, x])),
    "points of two sizes": lambda x: math.dist([x, 1.0], [1.0]),
    "no number at all": lambda x: math.dist(x, x),
    "a base of 1": lambda x: math.log(x, 1.0),
    "a float as exponent": lambda x: math.ldexp(x, 2.0),
    "a traced float as exponent": lambda x: math.ldexp(2.0, x),
    "a large exponent": lambda x: math.ldexp(x, 5000),
    "a huge exponent": lambda x: math.ldexp(x, 1 << 80),
    "frexp of two": lambda x: math.frexp(x, x),
    "modf of two": lambda x: math.modf(x, x),
    "phase of two": lambda x: cmath.phase(x, x),
    "negative tolerance": lambda x: math.isclose(x, 1.0, rel_tol=-x),
    "factorial": math.factorial,
    "gcd": lambda x: math.gcd(4, x),
    "comb": lambda x: math.comb(x, 2),
    "perm": lambda x: math.perm(x),
    "isqrt": math.isqrt,
    "lcm": lambda x: math.lcm(x, 3),
    "a sum past the range": lambda x: math.fsum([x * 4e307, x * 4e307]),
    "a sum of infinities": lambda x: math.fsum([x * math.inf, -math.inf]),
    "a number of two parts": lambda x: complex(x, "1"),
    "an array of two as complex": lambda x: complex(np.array([x, x])),
    "an array of two as float": lambda x: float(np.array([x, x])),
    "a complex number as float": lambda x: float(x * 1j),
}


@pytest.mark.parametrize("name", BAD)
def test_what_the_function_refuses_is_refused_in_its_own_words(name: str) -> None:
    f = BAD[name]
    for x in (3.0, np.float64(3.0)) if "complex" not in name else (3.0,):
        expected = outcome(f, x)
        assert fails(f, x)
        assert outcome(wg.grad(f), x) == expected
        assert outcome(wg.jit(f), x) == expected


def test_errors_may_be_caught():
    def f(x):
        try:
            return math.log(x)
        except ValueError:
            return -x

    assert [wg.grad(f)(x) for x in (2.0, -2.0)] == [0.5, -1.0]
    jitted = wg.jit(f)
    assert [jitted(x) for x in (2.0, -2.0, 4.0, -3.0)] == [f(x) for x in (2.0, -2.0, 4.0, -3.0)]


# -- what results are ------------------------------------------------------------------------------

KINDS: dict[str, Callable[[Any], Any]] = {
    "sin": math.sin,
    "exp of a complex number": cmath.exp,
    "floor": math.floor,
    "trunc": math.trunc,
    "isnan": math.isnan,
    "isclose": lambda x: math.isclose(x, 1.0),
    "frexp": math.frexp,
    "modf": math.modf,
    "polar": cmath.polar,
    "float": float,
    "complex": complex,
    "item": lambda x: np.asarray(x).item(),
    "tolist": lambda x: np.asarray(x).tolist(),
    "round": lambda x: round(x, 1),
    "np.float32": np.float32,
    "np.float64": np.float64,
    "np.complex128": np.complex128,
    "float of np.float32": lambda x: float(np.float32(x)),
    "math.sin of np.float32": lambda x: math.sin(np.float32(x)),
    "item of np.float32": lambda x: np.float32(x).item(),
}


@pytest.mark.parametrize("transform", [wg.grad, lambda f: wg.jit(f)])
@pytest.mark.parametrize("name", KINDS)
def test_results_are_of_the_classes_that_plain_ones_have(name: str, transform: Any) -> None:
    seen = []

    def f(x):
        result = KINDS[name](x)
        parts = result if isinstance(result, tuple) else (result,)
        classes = (bool, int, float, complex, np.float64, np.float32, np.complex128)
        seen.append([[isinstance(part, each) for each in classes] for part in parts])
        seen.append([hasattr(part, "shape") for part in parts])
        return x * 1.0

    f(1.25)
    expected = seen.copy()
    seen.clear()
    transform(f)(1.25)
    assert seen[:2] == expected


def test_results_are_weak_beside_float32():
    x = np.float32([0.5, 1.5])
    for f in (
        lambda x: x * math.sin(x[0]),
        lambda x: x * float(x[0]),
        lambda x: x * x[0].item(),
        lambda x: x * x.tolist()[0],
    ):
        assert wg.jvp(f, (x,), (x,))[0].dtype == f(x).dtype == np.float32
        assert wg.jit(f)(x).dtype == np.float32


def test_a_float_of_a_float_is_itself_and_one_of_numpys_stays_what_it_was():
    def f(x):
        y = float(x)
        assert isinstance(y, float)
        assert not isinstance(y, np.float64)
        assert float(y) is y
        assert isinstance(x, np.float64)
        return x * y

    assert wg.grad(f)(np.float64(3.0)) == 6


# -- derivatives -----------------------------------------------------------------------------------


def real(name: str) -> Callable[..., Any]:
    """A function of real numbers with a real result, from one of any numbers."""
    f = CALLS[name]

    def g(*args: Any) -> Any:
        if name.startswith("cmath.") and name not in BINARY:
            args = (args[0] + (0.2 + 0.4j),)
        result = f(*args)
        total = result[0] if isinstance(result, tuple) else result
        return total.real + 2 * total.imag if isinstance(total, complex) else total

    return g


@pytest.mark.parametrize("name", [n for n in CALLS if n not in of_kind("constant")])
def test_derivatives_of_two_orders_agree_with_differences(name: str) -> None:
    f = real(name)
    if name in ("math.nextafter", "round"):
        return
    places = [args for args in points(name, [0.37, 0.81, 1.73]) if len({*args}) == len(args)]
    for args in [args for args in places if not fails(f, *args)][:4]:
        args = tuple(x.real for x in args)
        for place in range(len(args)):

            def g(t: Any, place: int = place, args: Any = args) -> Any:
                return f(*args[:place], t, *args[place + 1 :])

            t, step = args[place], 1e-5
            slope = wg.grad(g)(t)
            assert slope == pytest.approx(
                (g(t + step) - g(t - step)) / (2 * step), abs=2e-7, rel=1e-6
            )
            higher = (wg.grad(g)(t + step) - wg.grad(g)(t - step)) / (2 * step)
            assert wg.grad(wg.grad(g))(t) == pytest.approx(higher, abs=1e-6, rel=1e-6)
            assert wg.jvp(g, (t,), (1.0,))[1] == pytest.approx(slope, rel=1e-13, abs=1e-15)
        assert wg.jit(wg.grad(f))(*args) == pytest.approx(wg.grad(f)(*args), rel=1e-13, abs=1e-15)
        batch = [np.array([x, x]) for x in args]
        assert wg.vmap(wg.grad(f))(*batch) == pytest.approx(wg.grad(f)(*args), rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("x", [0.2, 1.5, 7.0, 40.0, -0.5, -1.7])
def test_derivatives_of_gamma_agree_with_mpmath(x: float) -> None:
    for f, exact in (
        (math.gamma, mpmath.gamma),
        (math.lgamma, lambda t: mpmath.log(abs(mpmath.gamma(t)))),
    ):
        for order in (1, 2):
            g = functools.reduce(lambda f, _: wg.grad(f), range(order), f)
            with mpmath.workdps(40):
                expected = mpmath.diff(exact, mpmath.mpf(x), order)
            assert g(x) == pytest.approx(float(expected), rel=1e-10)


def test_polygamma_agrees_with_mpmath():
    for order, x in itertools.product(range(4), (0.3, 2.5, -0.7)):
        expected = float(mpmath.polygamma(order, x))
        assert polygamma.bind(np.float64(x), order=order) == pytest.approx(expected, rel=1e-12)


POINTS: dict[str, tuple[Callable[..., Any], Any, Any]] = {
    "sqrt at 0": (math.sqrt, 0.0, math.inf),
    "fabs at 0": (math.fabs, 0.0, 0.0),
    "atan2 at 0": (lambda x: math.atan2(x, 0.0), 0.0, 0.0),
    "hypot at 0": (lambda x: math.hypot(x, 0.0), 0.0, 0.0),
    "hypot of three at 0": (lambda x: math.hypot(x, 0.0, 0.0), 0.0, 0.0),
    "hypot of one at 0": (lambda x: math.hypot(x), 0.0, 0.0),
    "dist of one point": (lambda x: math.dist((x, 1.0), (2.0, 1.0)), 2.0, 0.0),
    "pow 0, 0": (lambda x: math.pow(x, 0.0), 0.0, 0.0),
    "pow 0, 1": (lambda x: math.pow(x, 1.0), 0.0, 1.0),
    "pow in the exponent at 0": (lambda x: math.pow(0.0, x), 2.0, 0.0),
    "floor": (lambda x: math.floor(x) * x, 2.5, 2.0),
    "ulp": (lambda x: math.ulp(x) * 0 + x, 2.5, 1.0),
    "modf": (lambda x: math.modf(x)[0], -2.5, 1.0),
    "the integer of modf": (lambda x: math.modf(x)[1] + x, -2.5, 1.0),
    "frexp": (lambda x: math.frexp(x)[0], 5.0, 0.125),
    "the exponent of frexp": (lambda x: math.frexp(x)[1] * x, 5.0, 3.0),
    "round to decimals": (lambda x: round(x, 2) * x, 2.675, 2.67),
}


@pytest.mark.parametrize("name", POINTS)
def test_derivatives_at_awkward_points_follow_the_conventions(name: str) -> None:
    f, x, expected = POINTS[name]
    assert wg.grad(f)(x) == expected
    assert wg.jvp(f, (x,), (1.0,))[1] == expected
    assert wg.jit(wg.grad(f))(x) == expected


EVEN: dict[str, Callable[..., Any]] = {
    "sqrt": lambda x: math.sqrt(x[0]) ** 2 + x[1] ** 2,
    "hypot": lambda x: math.hypot(x[0], x[1]) ** 2,
    "hypot of three": lambda x: math.hypot(*x, x[0]) ** 2,
    "dist": lambda x: math.dist(x, (0.0, 0.0)) ** 2,
    "float of a norm": lambda x: float(np.linalg.norm(x)) ** 2,
    "item of a norm": lambda x: np.linalg.norm(x).item() ** 2,
}


@pytest.mark.parametrize("name", EVEN)
def test_even_powers_of_roots_have_second_derivatives_at_0(name: str) -> None:
    first = {"sqrt": 0.0, "hypot of three": 4.0}.get(name, 2.0)
    assert wg.hessian(EVEN[name])(np.zeros(2)).tolist() == [[first, 0.0], [0.0, 2.0]]


# -- numbers from arrays, and functions that take several ------------------------------------------

X = np.array([0.3, -1.2, 2.5])


def filled(x: Any) -> Any:
    """A plain array that has been given the elements of another one."""
    made = np.zeros(len(x))
    for i in range(len(x)):
        made[i] = x[i] * (i + 1)
    return made


SUMS: dict[str, Callable[[Any], Any]] = {
    "fsum": lambda x: math.fsum(x * x),
    "fsum of a generator": lambda x: math.fsum(t * t for t in x),
    "fsum of a map": lambda x: math.fsum(map(math.sin, x)),
    "fsum with plain numbers first": lambda x: math.fsum(t for t in [1.0, 2.0, *x]),
    "prod": lambda x: math.prod(x, start=2.0),
    "prod of a generator": lambda x: math.prod(t + 1 for t in x),
    "hypot of an array": lambda x: math.hypot(*x),
    "dist": lambda x: math.dist(x, X[::-1]),
    "sum": lambda x: sum(x.tolist()),
    "sum of a map": lambda x: sum(map(math.exp, x)),
    "reduce": lambda x: functools.reduce(operator.mul, x.tolist()),
    "max": lambda x: max(x) * x[0],
    "min of floats": lambda x: min(x.tolist(), key=math.fabs) * x[1],
    "sorted": lambda x: sum(t * i for i, t in enumerate(sorted(x.tolist()))),
    "statistics.fmean": lambda x: statistics.fmean(x) * x[0],
    "statistics.median": lambda x: statistics.median(x.tolist()),
    "statistics.geometric_mean": lambda x: statistics.geometric_mean([t * t for t in x]),
    "np.vectorize": lambda x: np.sum(np.vectorize(lambda t: math.sin(t) if t > 0 else t)(x)),
    "item": lambda x: x.item(1) ** 2 * x[:1].item(),
    "item of two axes": lambda x: np.stack([x, x * x]).item(1, 2) + np.stack([x, x]).item(4),
    "item of a pair": lambda x: np.stack([x, x * x]).item((1, 2)),
    "rows of lists": lambda x: sum(map(math.prod, np.outer(x, x).tolist())),
    "complex": lambda x: abs(complex(x[0], x[1])) * x[2],
    "complex of complex": lambda x: abs(complex(x[0] * 1j, x[1] * (1 + 2j))),
    "complex of parts by name": lambda x: abs(complex(real=x[0], imag=x[1]) + complex(imag=x[2])),
    "real part": lambda x: complex(x[0]).real * cmath.exp(1j * x[1]).imag,
    "rect and polar": lambda x: cmath.polar(cmath.rect(x[2], x[0]) + x[1])[1],
    "np.float64": lambda x: np.float64(x[0]) * np.float64(x) @ x,
    "np.complex128": lambda x: abs(np.complex128(x[0]) + 1j * x[1]),
    "a plain array with traced elements": lambda x: (
        math.hypot(*filled(x)) + math.fsum(filled(x)) + statistics.stdev(filled(x))
    ),
    "items of one": lambda x: filled(x).item(1) * sum(filled(x).tolist()),
    "powers of two": lambda x: math.ldexp(x[0], -2) * math.ldexp(x[1], 3),
}


@pytest.mark.filterwarnings("ignore:complex:DeprecationWarning")
@pytest.mark.parametrize("name", SUMS)
def test_functions_of_several_numbers(name: str) -> None:
    f = SUMS[name]
    value, slope = wg.value_and_grad(f)(X)
    assert bits(value) == bits(f(X))
    direction = np.array([0.4, 1.0, -0.7])
    near = [f(X + s * 1e-6 * direction) for s in (1, -1)]
    assert slope @ direction == pytest.approx((near[0] - near[1]) / 2e-6, rel=1e-6, abs=1e-7)
    assert wg.jvp(f, (X,), (direction,))[1] == pytest.approx(slope @ direction, rel=1e-12)
    assert wg.jit(f)(X) == pytest.approx(value, rel=1e-15)
    assert wg.jit(wg.grad(f))(X) == pytest.approx(slope, rel=1e-13)


def test_a_generator_is_read_no_earlier_and_no_further_than_without_a_trace():
    wg.stand_ins(True)

    def numbers():
        yield 1.0
        raise KeyError("second")

    with pytest.raises(KeyError, match="second"):
        math.fsum(numbers())
    with pytest.raises(TypeError, match="must be real number, not str"):
        math.fsum(x for x in [1.0, "2"])
    assert math.fsum(iter([1e16, 1.0, -1e16])) == 1.0


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there is no number of steps")
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_several_steps_to_the_next_number(steps: int) -> None:
    def f(x):
        return math.nextafter(x, math.inf, steps=steps)

    assert wg.value_and_grad(f)(1.5) == (f(1.5), 1.0)
    expected = outcome(lambda: math.nextafter(1.5, 2.0, steps=-1))
    assert outcome(wg.grad(lambda x: math.nextafter(x, 2.0, steps=-1)), 1.5) == expected


def neumaier(values: Iterable[float]) -> float:
    """The sum of floats as Python computes it from 3.12 on."""
    total = lost = 0.0
    for x in values:
        larger = total + x
        bigger, smaller = (total, x) if abs(total) >= abs(x) else (x, total)
        lost += (bigger - larger) + smaller
        total = larger
    return total + lost if math.isfinite(lost) else total


@pytest.mark.parametrize("numbers", [[0.1] * 10, [1e100, 1.0, -1e100], [math.inf, 1.0], [-0.0]])
def test_the_compensated_sum_of_later_pythons(numbers: list[float]) -> None:
    expected = neumaier(numbers)
    if sys.version_info >= (3, 12):
        assert sum(numbers) == expected

    def f(x):
        return compensated_sum([x, *numbers[1:]])

    for g in (f, wg.jit(f, wait=True), lambda x: wg.vmap(lambda x: f(float(x)))(np.array([x]))[0]):
        assert bits(g(numbers[0])) == bits(expected)
    assert wg.value_and_grad(f)(numbers[0]) == (expected, 1.0)
    assert wg.grad(lambda x: compensated_sum(x * i for i in range(3)))(2.0) == 3.0
    assert wg.grad(lambda x: compensated_sum([x, 1j]).real)(2.0) == 1.0


def test_sums_of_floats_are_those_of_this_python():
    x = [0.1, 0.2, 0.3, 0.7] * 5
    for f in (lambda t: sum([t, *x]), lambda t: sum(each * 1.0 for each in [t, *x])):
        assert bits(wg.vjp(f, 0.1)[0]) == bits(f(0.1))
        assert bits(wg.jit(f, wait=True)(0.1)) == bits(f(0.1))


LOOPS: dict[str, Callable[[Any], Any]] = {
    "scan": lambda x: wg.scan(lambda c, _: (math.sin(c) * x, c), x, None, length=3)[0],
    "fori_loop": lambda x: wg.fori_loop(
        0, 3, lambda i, c: math.exp(-c) * math.hypot(c, x, 1.0) + i * math.fsum([c, x]), x
    ),
    "an integer": lambda x: wg.fori_loop(0, 3, lambda i, c: c * math.sqrt(i + 1), x),
    "while_loop": lambda x: wg.while_loop(lambda c: c < 9, lambda c: c + math.cosh(c), x),
    "cond": lambda x: wg.cond(x > 0, lambda x: math.log(x), lambda x: x, x),
    "a question": lambda x: wg.scan(
        lambda c, _: (np.where(math.isclose(c, x, rel_tol=0.1), c * 1.1, c * c), c),
        x,
        None,
        length=4,
    )[0],
    "numbers of arrays": lambda x: wg.scan(
        lambda c, _: (np.array([float(c[1]), c[0].item() * math.erf(c[1])]), c),
        np.array([x, x * x]),
        None,
        length=3,
    )[0][0],
}


@pytest.mark.parametrize("name", LOOPS)
def test_bodies_of_loops_and_branches(name: str) -> None:
    f = LOOPS[name]
    slope = wg.grad(f)(0.7)
    near = (f(0.7 + 1e-6) - f(0.7 - 1e-6)) / 2e-6
    assert slope == pytest.approx(near, rel=1e-7)
    assert wg.jit(wg.grad(f))(0.7) == pytest.approx(slope, rel=1e-13)
    assert wg.vmap(wg.grad(f))(np.array([0.7, 0.71]))[0] == pytest.approx(slope, rel=1e-13)
    assert wg.grad(wg.grad(f))(0.7) == pytest.approx(
        (wg.grad(f)(0.7 + 1e-6) - wg.grad(f)(0.7 - 1e-6)) / 2e-6, rel=1e-6, abs=1e-6
    )


# -- the table, and what it says in the documentation ----------------------------------------------


@pytest.mark.parametrize("module", MODULES)
def test_the_table_has_every_function_of_the_module(module: str) -> None:
    present = {
        name
        for name in dir(MODULES[module])
        if not name.startswith("_") and callable(getattr(MODULES[module], name))
    }
    listed = [name for modules in FUNCTIONS_OF.values() for name in modules.get(module, "").split()]
    assert len(listed) == len(set(listed))
    assert present <= set(listed), "give each of them its place in FUNCTIONS_OF"
    later = {"fma", "sumprod"}  # of Python 3.13 and 3.12
    assert set(listed) - later <= present


def test_lengths_in_native_code_are_those_of_math_to_the_last_bit():
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((60, 3)) * 10.0 ** rng.uniform(-8, 8, (60, 3))
    extremes = [0.0, -0.0, 1e-310, 5e-324, 1e300, -1.7e308, math.inf, math.nan, 3.0]
    rows = np.concatenate([rows, list(itertools.product(extremes, repeat=3))[::5]])
    for columns in (rows.T[:2], rows.T):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            native = wg.jit(wg.vmap(lambda *x: math.hypot(*x)), wait=True)
            native(*columns)
            native = native(*columns)
        exact = [math.hypot(*row) for row in columns.T.tolist()]
        assert list(map(bits, native)) == list(map(bits, exact))


def test_rounded_numbers_are_no_reason_to_compile_again():
    f = wg.jit(lambda x: round(x, 2) * x + round(x))
    for x in (2.675, 2.665, 3.125, 3.4, 2.5):
        assert f(x) == round(x, 2) * x + round(x)
    assert len(f.paths()) == 2
    for x in (math.inf, math.nan):
        assert outcome(f, x) == outcome(lambda: round(x, 2) * x + round(x))  # noqa: B023


@pytest.mark.parametrize("name", [n for n in of_kind("derivative") if n.startswith("cmath.")])
def test_complex_functions_in_native_code_agree_to_the_last_bit(name: str) -> None:
    f = CALLS[name]
    rng = np.random.default_rng(5)
    parts = rng.standard_normal((2, 60)) * 10.0 ** rng.uniform(-4, 2.7, 60)
    parts[:, :10] *= 1e-308
    if name in BINARY:
        operands = parts
    else:
        z = parts[0] + 1j * parts[1]
        operands = np.concatenate([z, [1.0, -1.0, 1j, -2.0, complex(-3, -0.0), complex(-0.0, 2)]])
        operands = operands[None]
    native = wg.jit(wg.vmap(f), wait=True)
    for _ in range(2):
        results = native(*operands)
    results = list(zip(*results, strict=True)) if name == "cmath.polar" else list(results)
    for result, args in zip(results, operands.T.tolist(), strict=True):
        expected = outcome(f, *args)
        assert "Error" in expected[0] or bits(result) == expected, args


def test_parts_of_complex_numbers_are_no_reason_to_compile_again():
    @wg.jit
    def f(t):
        z = cmath.exp(t * 1j)
        return z.real * z.imag + abs(z) + z.conjugate().imag

    for t in (0.1, 0.2, 0.3, 0.4):
        z = cmath.exp(t * 1j)
        assert f(t) == z.real * z.imag + abs(z) + z.conjugate().imag
    if sys.version_info < (3, 14):  # From then on the signs of zeros differ from NumPy's.
        assert len(f.paths()) == 1


def test_the_page_lists_the_functions_of_the_table():
    page = (Path(__file__).parents[2] / "docs" / "stand_ins.md").read_text(encoding="utf-8")
    for modules in FUNCTIONS_OF.values():
        listed = "; ".join(
            f"`{module}`: " + ", ".join(f"`{name}`" for name in names.split())
            for module, names in modules.items()
        )
        assert f"| {listed} |" in page


# -- statistics, whose functions are written in Python ---------------------------------------------

EXACT = ["mean", "harmonic_mean", "variance", "pvariance", "stdev", "pstdev"]


@pytest.mark.parametrize("name", EXACT)
def test_exact_statistics(name: str) -> None:
    f = getattr(statistics, name)
    x, direction = np.array([0.1, 0.7, 2.5, 0.3]), np.array([1.0, -0.5, 0.2, 0.3])
    for g in (f, lambda x: f(x.tolist()), lambda x: f(t for t in x), lambda x: f([*x[:3], 0.3])):
        value, slope = wg.value_and_grad(g)(x)
        assert bits(value) == bits(g(x))
        moving = direction if slope[3] else direction * [1, 1, 1, 0]
        near = [g(x + s * 1e-6 * moving) for s in (1, -1)]
        assert slope @ moving == pytest.approx((near[0] - near[1]) / 2e-6, rel=1e-7)
    assert bits(wg.jit(f, wait=True)(x)) == bits(f(x))
    assert list(map(bits, wg.vmap(f)(np.stack([x, x[::-1]])))) == [bits(f(x)), bits(f(x[::-1]))]
    higher = wg.jacobian(wg.grad(f))(x) @ direction
    near = [wg.grad(f)(x + s * 1e-6 * direction) for s in (1, -1)]
    assert higher == pytest.approx((near[0] - near[1]) / 2e-6, rel=1e-6, abs=1e-8)


def test_errors_of_statistics_are_its_own():
    for f in (statistics.stdev, statistics.variance):
        assert outcome(wg.grad(lambda t: f([t])), 1.0) == outcome(lambda: f([1.0]))  # noqa: B023
    negative = outcome(statistics.harmonic_mean, [-1.0, 2.0])
    assert outcome(wg.grad(lambda t: statistics.harmonic_mean([t, 2.0])), -1.0) == negative


def test_functions_of_statistics_are_the_same_objects_with_the_same_source():
    wg.grad(math.sin)(1.0)
    mean = statistics.mean
    assert pickle.loads(pickle.dumps(mean)) is mean
    assert str(inspect.signature(statistics.stdev)) == "(data, xbar=None)"
    assert statistics.variance([1.0, 2.0], xbar=1.0) == 1.0
    with pytest.raises(TypeError, match=r"mean\(\) missing 1 required positional argument"):
        mean()
    assert "def mean(data)" in inspect.getsource(mean)
    assert mean([1, 2]) == 1.5
    assert mean(iter([Fraction(1, 3), 1])) == Fraction(2, 3)
    wg.stand_ins(False)
    try:
        assert mean.__code__.co_argcount == 1
        assert mean([1, 2]) == 1.5
    finally:
        wg.stand_ins(True)
