"""Python numbers as arguments: weak in NumPy's promotion, and among themselves Python's own."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from jitted_calls import agree

import wengert as wg
from support import slow

pytestmark = [
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::wengert.errors.JitWarning"),
    pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning"),
]


def assigned(a: Any, s: Any) -> Any:
    b = a.copy()
    b[0] = s
    return b


MEETINGS: dict[str, Callable[[Any, Any], Any]] = {
    "multiply": lambda a, s: a * s,
    "add from the right": lambda a, s: s + a,
    "divide": lambda a, s: a / s,
    "power": lambda a, s: a**s,
    "base": lambda a, s: s**a,
    "where": lambda a, s: np.where(a > 1, a, s),
    "maximum": np.maximum,
    "equal": lambda a, s: a == s,
    "assign": assigned,
    "ufunc of the number": lambda a, s: np.exp(s) * a,
}
DTYPES = ("f2", "f4", "f8", "c8", "c16", "i1", "i4", "i8", "u1", "?")
TOLERANCE = {"f2": 3e-3, "f4": 1e-6, "c8": 1e-6}


@pytest.mark.parametrize(
    "dtype", [d if d in "f4 f8 c16 i8" else slow(d, reason="more dtypes") for d in DTYPES]
)
@pytest.mark.parametrize("name", MEETINGS)
def test_a_number_meets_an_array_as_in_numpy(name: str, dtype: str) -> None:
    array = np.array([1, 2, 3]).astype(dtype)
    calls = [(array, s) for s in (2.5, 3, True, 1.5 + 2j, -1, 0)]
    agree(MEETINGS[name], *calls, rtol=TOLERANCE.get(dtype, 1e-12))


ALONE: dict[str, Callable[[Any, Any], Any]] = {
    "product": lambda s, t: s * t + 1,
    "quotient": operator.truediv,
    "power": operator.pow,
    "floor quotient": operator.floordiv,
    "remainder": operator.mod,
    "divmod": divmod,
    "comparisons": lambda s, t: (s == t, s != t),
    "order": lambda s, t: (s < t, s >= t),
    "np.add": np.add,
    "np.divide": np.divide,
    "signs": lambda s, t: -s + abs(t),
    "max": max,
    "math": lambda s, t: math.sin(s) + t,
    "round": lambda s, t: round(s),
    "int": lambda s, t: int(s) + 1,
    "text": lambda s, t: f"{s:.3f}",
    "index": lambda s, t: [s, t][int(s == t)],
    "key of a dict": lambda s, t: {s: 1}[s],
    "float": lambda s, t: float(s),
    "class": lambda s, t: (isinstance(s, float), isinstance(s, int), isinstance(s, complex)),
    "attribute": lambda s, t: hasattr(s, "shape"),
    "real": lambda s, t: s.real + s.conjugate(),
    "method": lambda s, t: s.is_integer(),
    "truth": lambda s, t: (not s, s and t),
    "choice": lambda s, t: s if s != t else 0.0,
    "floor": lambda s, t: math.floor(s),
    "array": lambda s, t: np.array([s, t]),
    "full": lambda s, t: np.full(3, s) * t,
    "linspace": lambda s, t: np.linspace(s, t, 4),
    "np.asarray": lambda s, t: np.asarray(s) * t,
    "stack": lambda s, t: np.stack([s, t]),
    "sum": lambda s, t: sum([s, t]),
}
PAIRS = [
    (2.0, 3.0),
    (0.0, 2.0),
    (-0.0, 2.0),
    (2.0, 0.0),
    (-2.5, 2.0),
    (2, 3),
    (2.5, 3),
    (3, 2.5),
    (True, 2.0),
    (1e300, 1e300),
    (5.0, 5.0),
    (math.nan, 1.0),
    (math.inf, 1.0),
    (1 + 1j, 2.0),
    (1j, 2j),
    (np.float32(2), 3.0),
    (3.0, np.float32(2)),
    (np.int64(5), 2.5),
]


@pytest.mark.parametrize("name", ALONE)
def test_numbers_alone_are_those_of_python(name: str) -> None:
    agree(ALONE[name], *PAIRS)


def test_integers_that_no_int64_holds() -> None:
    agree(lambda n: n * 2 + 1, (10**20,), (3,), (2**63 - 1,), (-(2**63),))


@pytest.mark.parametrize(
    "f",
    [
        lambda k: np.sum(np.array([0.5, 0.7], np.float32) ** k),
        lambda k: 2.0**k,
        lambda k: k**k,
        lambda k: (k % 3.0) * k,
        lambda k: 3.5 % k,
        lambda k: divmod(k, 2.0)[1] * k,
        lambda k: (k // 1.0) * k,
        lambda k: abs(complex(1, 2) * k),
    ],
)
def test_a_number_whose_value_python_computes_with_keeps_its_derivative(f) -> None:
    jitted = wg.jit(f, wait=True)
    for k in (2.2, 2.2, 2.5):
        assert wg.grad(jitted)(k) == pytest.approx(wg.grad(f)(k))
        assert wg.jvp(jitted, (k,), (1.0,))[1] == pytest.approx(wg.grad(f)(k))


REFUSED = """
x * [1.0, 2.0]
(1.0, 2.0) * x
math.trunc(x)
round(x)
+x
"abc"[x]
range(x)
np.zeros(x)
np.ones((x, 2))
np.arange(4)[x]
np.arange(4)[x:]
x == None
x != None
x == "a"
np.modf(x)
np.imag(x)
np.isreal(x)
np.floor_divide(2**63, x)
np.linalg.matrix_rank(x)
np.einsum("ii->i", np.full((1, 3), x))
1.0 / x
x + None
x[0]
len(x)
int(x)
"%d" % x
pow(2, x, 7)
math.sqrt(x)
""".strip().splitlines()
EDGES = [
    *((v,) for v in (2.5, 0.0, -2.0, math.inf, math.nan, 3, 0, -1, True, False, 1 + 1j)),
    *((k(2),) for k in (np.float64, np.float32, np.int64, np.int8, np.bool_, np.complex128)),
    *((np.float64(v),) for v in (-0.5, -2.0, -math.inf)),
]


@pytest.mark.parametrize("expression", REFUSED)
def test_what_a_number_is_refused_and_allowed(expression: str) -> None:
    space: dict[str, Any] = {"np": np, "math": math}
    exec(f"def f(x):\n    return {expression}", space)
    agree(space["f"], *EDGES)


def test_an_array_compared_with_nothing_is_an_array() -> None:
    agree(lambda x: (x == None, x != None, x == "a"), (np.ones(2),), (np.ones((2, 1)),))  # noqa: E711


def test_derivatives_of_functions_of_numpys_are_compiled() -> None:
    slope = wg.jit(wg.grad(np.sin), wait=True)
    assert [slope(x) for x in (0.5, 0.7)] == pytest.approx([np.cos(0.5), np.cos(0.7)])
    assert "1 native" in repr(slope)


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_large_integers_in_lists_make_objects_as_in_numpy(dtype):
    x = np.ones(2, dtype)
    large = [10**30]
    for f in (lambda x: x + large, lambda x: large * x, lambda x: np.add(x, large)):
        found, wanted = wg.jit(f)(x), f(x)
        assert found.dtype == wanted.dtype == object
        assert found.tolist() == wanted.tolist()

    def in_place(x):
        x += large
        return x

    with pytest.raises(TypeError, match="Cannot cast"):
        wg.jit(in_place)(x)
