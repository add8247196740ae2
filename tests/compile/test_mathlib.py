"""The scalar and vector functions: that they are used, how accurate they are, and their edges.

Values are compared with mpmath, in units in the last place; the treatment of infinities, NaN, zeros
and subnormal numbers with NumPy's.
"""

from __future__ import annotations

import ctypes
import dataclasses
import re
import sys

import mpmath
import numpy as np
import pytest
from scipy import special

from wengert.compile.machine import assembly, compile_object, link
from wengert.compile.mathlib import (
    _ARITY,
    LARGEST_ERROR,
    Mathlib,
    _simd,
    _svml,
    _vector_abi,
    _vector_libraries,
    _VectorLibrary,
    mathlib,
    used,
)

RNG = np.random.default_rng(7)
COUNT = 320

vectors = pytest.mark.skipif(
    not mathlib().function("exp", np.dtype(np.float64)).variants, reason="no vector functions here"
)

NUMPY = {
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
    "pow": "power",
    "atan2": "arctan2",
}

MPMATH = {
    "exp2": lambda x: mpmath.mpf(2) ** x,
    "log2": lambda x: mpmath.log(x, 2),
    "log10": lambda x: mpmath.log(x, 10),
    "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)),
    "log1p": lambda x: mpmath.log(1 + x),
    "pow": lambda x, y: x**y,
}


def unit(n):
    return RNG.uniform(-1, 1, n)


def wide(n):
    return np.concatenate([RNG.uniform(-20, 20, n // 2), RNG.normal(size=n - n // 2)])


def positive(n):
    return 10 ** RNG.uniform(-8, 8, n)


SAMPLES = {
    **dict.fromkeys(["exp", "exp2", "expm1", "sin", "cos", "tan", "atan", "sinh", "cosh"], wide),
    **dict.fromkeys(["tanh", "asinh", "cbrt"], wide),
    **dict.fromkeys(["asin", "acos", "atanh", "erf"], unit),
    **dict.fromkeys(["log", "log2", "log10", "log1p", "hypot"], positive),
    "acosh": lambda n: 1 + positive(n),
    "erfc": lambda n: RNG.uniform(-4, 4, n),
    "pow": lambda n: 10 ** RNG.uniform(-1, 1, n),
    "atan2": wide,
}

EDGES = [0.0, 1.0, 2.0, 0.5, 3.0, 1.5, 710.0, 745.0, 88.8, 104.0, 1e10, 1e22, np.inf, np.nan]


def reference(name):
    return getattr(special if name in ("erf", "erfc") else np, NUMPY.get(name, name))


def module(function):
    """``void f(n, out, x...)``: the function of each element, vectorised with its first variant."""
    kind, arity = function.kind, function.arity
    lanes = function.variants[0].lanes if function.variants else 1
    loads = "".join(
        f"  %p{i} = getelementptr {kind}, ptr %a{i}, i64 %i\n  %x{i} = load {kind}, ptr %p{i}\n"
        for i in range(arity)
    )
    declarations = "\n".join(function.declarations.values())
    parameters = ", ".join(f"ptr noalias %a{i}" for i in range(arity))
    operands = ", ".join(f"{kind} %x{i}" for i in range(arity))
    return f"""
{declarations}
{used([function])}
define void @f(i64 %n, ptr noalias %out, {parameters}) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %j, %loop ]
{loads}
  %y = call {kind} @{function.symbol}({operands})
  %q = getelementptr {kind}, ptr %out, i64 %i
  store {kind} %y, ptr %q
  %j = add nuw nsw i64 %i, 1
  %c = icmp slt i64 %j, %n
  br i1 %c, label %loop, label %end, !llvm.loop !0
end:
  ret void
}}
!0 = distinct !{{!0, !1, !2}}
!1 = !{{!"llvm.loop.vectorize.width", i32 {lanes}}}
!2 = !{{!"llvm.loop.interleave.count", i32 1}}
"""


def values(function, *arrays):
    library = link(compile_object(module(function)), function.imports, ["f"])
    out = np.empty_like(arrays[0])
    pointers = [out.ctypes.data, *(array.ctypes.data for array in arrays)]
    kind = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * len(pointers))
    kind(library["f"])(out.size, *pointers)
    return out


def variants(name, dtype):
    """The function with one vector variant at a time, of each library that there is."""
    whole = mathlib().function(name, np.dtype(dtype))
    for library in _vector_libraries():
        arity, size = whole.arity, np.dtype(dtype).itemsize
        for each in library.variants(whole.name, whole.symbol, arity, size):
            yield each.symbol, dataclasses.replace(whole, variants=(each,))


def padded(array, dtype):
    """A multiple of all numbers of lanes, so that no element goes through the scalar function."""
    return np.resize(array, -(-array.size // 64) * 64).astype(dtype)


def largest_error(got, exact):
    """In units in the last place of the exact values."""
    errors = [
        abs(mpmath.mpf(float(x)) - y) / mpmath.mpf(float(np.spacing(abs(got.dtype.type(y)))))
        for x, y in zip(got, exact, strict=True)
    ]
    return float(max(errors))


@vectors
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["exp", "pow"])
def test_loops_are_vectorised_with_each_of_the_vector_functions(name, dtype):
    for symbol, function in variants(name, dtype):
        assert symbol in assembly(module(function))


@vectors
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", SAMPLES)
def test_vector_functions_are_accurate(name, dtype):
    arrays = [padded(SAMPLES[name](COUNT), dtype) for _ in range(_ARITY[name])]
    if name == "pow":
        arrays[1] = padded(RNG.uniform(-10, 10, COUNT), dtype)
    with mpmath.workprec(150):
        exact_function = MPMATH.get(name) or getattr(mpmath, name)
        numbers = zip(*([mpmath.mpf(float(x)) for x in array] for array in arrays), strict=True)
        exact = [exact_function(*x) for x in numbers]
        for symbol, function in variants(name, dtype):
            error = largest_error(values(function, *arrays), exact)
            assert error <= LARGEST_ERROR, (symbol, error)


def agree_at_edges(got, want):
    """Near where both are finite, equal otherwise; zeros of the same sign."""
    with np.errstate(all="ignore"):
        near = np.abs(got - want) <= 2 * LARGEST_ERROR * np.spacing(np.abs(want))
    equal = (got == want) | (np.isnan(got) & np.isnan(want))
    agree = np.where(np.isfinite(got) & np.isfinite(want), near | equal, equal)
    zero = (got == 0) & (want == 0)
    return agree & (~zero | (np.signbit(got) == np.signbit(want)))


@vectors
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", SAMPLES)
def test_vector_functions_have_the_edges_of_numpy(name, dtype):
    info = np.finfo(dtype)
    edges = np.array([*EDGES, info.tiny, info.smallest_subnormal, info.max], dtype)
    edges = np.concatenate([edges, -edges])
    grid = [edges] if _ARITY[name] == 1 else np.meshgrid(edges, edges)
    arrays = [padded(each.ravel(), dtype) for each in grid]
    with np.errstate(all="ignore"):
        want = reference(name)(*arrays)
    for symbol, function in variants(name, dtype):
        got = values(function, *arrays)
        wrong = ~agree_at_edges(got, want)
        assert not wrong.any(), (symbol, [x[wrong] for x in arrays], got[wrong], want[wrong])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", SAMPLES)
def test_scalar_functions_are_those_of_the_c_library(name, dtype):
    arrays = [SAMPLES[name](7).astype(dtype) for _ in range(_ARITY[name])]
    function = Mathlib(vectors=False).function(name, np.dtype(dtype))
    assert not function.variants
    assert "_ZGV" not in assembly(module(function))
    np.testing.assert_allclose(
        values(function, *arrays),
        reference(name)(*arrays),
        rtol=1e-13 if dtype == "float64" else 1e-6,
    )


def test_names_of_numpy_are_known():
    library = mathlib()
    for numpy_name, name in (("arcsin", "asin"), ("power", "pow"), ("arctan2", "atan2")):
        dtype = np.dtype(np.float64)
        assert library.function(numpy_name, dtype) == library.function(name, dtype)


def test_a_function_that_there_is_not_is_a_key_error():
    with pytest.raises(KeyError):
        mathlib().function("frobnicate", np.dtype(np.float64))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc")
def test_without_a_vector_library_loops_call_the_scalar_function(monkeypatch):
    monkeypatch.setattr("wengert.compile.mathlib._vector_libraries", lambda: ())
    function = Mathlib().function("exp", np.dtype(np.float64))
    assert used([function]) == ""
    assert re.findall(r"_ZGV\w+", module(function)) == []
    assert "vectors=none" in Mathlib().identity


class Symbols:
    """A shared library that has functions of certain names."""

    def __init__(self, *names):
        self.__dict__.update(dict.fromkeys(names, ctypes.CFUNCTYPE(None)(print)))


def test_each_vector_library_spells_its_functions_in_its_own_way():
    lanes = {}
    for spell, widths, names in (
        (_vector_abi, (("n", 16),), ("_ZGVnN2vv_pow", "_ZGVnN4vv_powf")),
        (_svml, (("d", 32), ("b", 16)), ("__svml_pow4", "__svml_pow2", "__svml_powf8")),
        (_simd, (("", 16),), ("_simd_pow_d2", "_simd_pow_f4")),
    ):
        library = _VectorLibrary("any", Symbols(*names), widths, spell)
        both = [*library.variants("pow", "pow", 2, 8), *library.variants("pow", "powf", 2, 4)]
        lanes |= {each.symbol: each.lanes for each in both}
        assert sorted(each.symbol for each in both) == sorted(names)
    assert lanes["_ZGVnN2vv_pow"] == lanes["__svml_pow2"] == lanes["_simd_pow_d2"] == 2
    assert lanes["_ZGVnN4vv_powf"] == lanes["__svml_pow4"] == lanes["_simd_pow_f4"] == 4
    assert lanes["__svml_powf8"] == 8


def test_what_the_first_vector_library_lacks_is_taken_from_the_second(monkeypatch):
    have_exp = _VectorLibrary("one", Symbols("_ZGVbN2v_exp"), (("b", 16),), _vector_abi)
    have_both = _VectorLibrary("two", Symbols("__svml_exp2", "__svml_log2"), (("b", 16),), _svml)
    monkeypatch.setattr("wengert.compile.mathlib._vector_libraries", lambda: (have_exp, have_both))
    library = Mathlib()
    found = [library.function(name, np.dtype(np.float64)).variants for name in ("exp", "log")]
    assert [[each.symbol for each in each_one] for each_one in found] == [
        ["_ZGVbN2v_exp"],
        ["__svml_log2"],
    ]
    assert "vectors=one+two" in library.identity
