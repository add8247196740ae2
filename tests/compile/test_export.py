"""Compiled code as C functions: each signature, and what happens where nothing can be computed."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import sysconfig
import threading
import warnings
from shutil import which
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import integrate

from wengert.compile.export import export, natural_signature
from wengert.compile.machine import compile_object, link
from wengert.errors import DtypeError, ShapeError
from wengert.program import Type

F64 = np.dtype(np.float64)
NUMBER = Type((), F64)
VECTOR = Type((3,), F64)
DOUBLES = ctypes.POINTER(ctypes.c_double)

SQUARE = """
  %i = load ptr, ptr %in
  %o = load ptr, ptr %out
  %x = load double, ptr %i
  %y = fmul double %x, %x
  %bad = fcmp ogt double %x, 100.0
  br i1 %bad, label %guard, label %fine
guard:
  ret i32 1
fine:
  store double %y, ptr %o
  ret i32 0
"""
"""x² of the first element, under the guard x ≤ 100."""

REVERSED = """
  %i = load ptr, ptr %in
  %o = load ptr, ptr %out
  br label %loop
loop:
  %k = phi i64 [ 0, %0 ], [ %n, %loop ]
  %left = sub i64 2, %k
  %p = getelementptr double, ptr %i, i64 %left
  %x = load double, ptr %p
  %q = getelementptr double, ptr %o, i64 %k
  store double %x, ptr %q
  %n = add i64 %k, 1
  %more = icmp ult i64 %n, 3
  br i1 %more, label %loop, label %end
end:
  %first = load double, ptr %i
  %bad = fcmp oeq double %first, 100.0
  %status = zext i1 %bad to i32
  ret i32 %status
"""
"""A vector from the end to the front, under the guard that it did not begin with 100."""


def pick(*places):
    """A body whose output k is the first element of input ``places[k]``."""
    lines = []
    for k, place in enumerate(places):
        lines += [
            f"%i{k} = getelementptr ptr, ptr %in, i64 {place}",
            f"%x{k} = load ptr, ptr %i{k}",
            f"%v{k} = load double, ptr %x{k}",
            f"%o{k} = getelementptr ptr, ptr %out, i64 {k}",
            f"%y{k} = load ptr, ptr %o{k}",
            f"store double %v{k}, ptr %y{k}",
        ]
    return "\n".join([*lines, "ret i32 0"])


def native(body, inputs, outputs, constants=()):
    text = f"define i32 @kernel(ptr %in, ptr %out) {{\n{body}\n}}"
    library = link(compile_object(text), {}, ["kernel"])
    return SimpleNamespace(
        address=library["kernel"],
        constants=constants,
        callouts=0,
        work=1.0,
        library=library,
        program=SimpleNamespace(input_types=tuple(inputs), output_types=tuple(outputs)),
    )


def square():
    return native(SQUARE, [NUMBER], [NUMBER])


def doubles(array):
    return array.ctypes.data_as(DOUBLES)


# -- functions of numbers --------------------------------------------------------------------------


def test_a_function_of_a_number():
    exported = export(square())
    assert exported.signature == "double (double)"
    assert exported.function(3.0) == 9.0
    assert ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(exported.address)(-2.0) == 4.0
    assert exported.failures == 0


@pytest.mark.parametrize(
    ("signature", "arguments"),
    [
        ("double (double)", (3.0,)),
        ("double(double,void*)", (3.0, None)),
        ("double (int, double *)", (1, "x")),
        ("double (int, const double *, void *)", (1, "x", None)),
    ],
)
def test_every_signature_of_a_number(signature, arguments):
    x = np.array([3.0])
    exported = export(square(), signature)
    arguments = [doubles(x) if each == "x" else each for each in arguments]
    assert exported.function(*arguments) == 9.0


def test_several_numbers_keep_their_order():
    of_three = native(pick(2), [NUMBER] * 3, [NUMBER])
    assert export(of_three).function(1.0, 2.0, 3.0) == 3.0
    assert export(of_three, "double (double, double, double, void *)").function(1, 2, 3, 0) == 3.0
    x = np.array([1.0, 2.0, 3.0])
    assert export(of_three, "double (int, double *)").function(3, doubles(x)) == 3.0


def test_constants_follow_the_arguments():
    with_constant = native(pick(1), [NUMBER], [NUMBER], constants=[np.array([7.0])])
    assert export(with_constant).function(1.0) == 7.0
    vector = native(pick(1), [VECTOR], [NUMBER, NUMBER][:1], constants=[np.array([7.0])])
    x = np.zeros(3)
    assert export(vector).function(3, doubles(x)) == 7.0


# -- functions of vectors --------------------------------------------------------------------------


def test_a_function_of_a_vector():
    exported = export(native(REVERSED, [VECTOR], [VECTOR]))
    assert exported.signature == "void (double *, double *)"
    x, out = np.array([1.0, 2.0, 3.0]), np.zeros(3)
    exported.function(doubles(x), doubles(out))
    np.testing.assert_array_equal(out, [3, 2, 1])


def test_arguments_and_results_lie_one_behind_the_other():
    exported = export(native(pick(2, 1, 0), [NUMBER, VECTOR, NUMBER], [NUMBER, VECTOR, NUMBER]))
    x, out = np.arange(5.0), np.full(5, -1.0)
    exported.function(doubles(x), doubles(out))
    np.testing.assert_array_equal(out, [4, 1, -1, -1, 0])


@pytest.mark.parametrize("shift", [-2, -1, 0, 1, 2, 3])
def test_results_may_overlap_the_arguments(shift):
    exported = export(native(REVERSED, [VECTOR], [VECTOR]))
    memory = np.arange(9.0)
    x, out = memory[3:6], memory[3 + shift :][:3]
    exported.function(doubles(x), doubles(out))
    np.testing.assert_array_equal(out, [5, 4, 3])


def test_a_status_can_be_returned():
    exported = export(native(REVERSED, [VECTOR], [VECTOR]), "int (double *, double *)")
    x, out = np.array([1.0, 2.0, 3.0]), np.zeros(3)
    assert exported.function(doubles(x), doubles(out)) == 0
    x[0] = 100
    assert exported.function(doubles(x), doubles(out)) == 1
    assert np.isnan(out).all()


# -- what cannot be computed -----------------------------------------------------------------------


@pytest.mark.parametrize("signature", ["double (double)", "double (int, double *)"])
def test_a_failed_guard_gives_nan_and_is_counted(signature):
    exported = export(square(), signature)
    x = np.array([101.0])
    arguments = (101.0,) if signature == "double (double)" else (1, doubles(x))
    for count in (1, 2):
        assert np.isnan(exported.function(*arguments))
        assert exported.failures == count


def test_a_failed_guard_gives_nan_in_every_element_of_a_vector():
    exported = export(native(REVERSED, [VECTOR], [VECTOR]))
    memory = np.array([100.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    exported.function(doubles(memory), doubles(memory[3:]))
    assert np.isnan(memory[3:6]).all()
    np.testing.assert_array_equal(memory[[0, 6]], [100, 7])
    assert exported.failures == 1


def test_a_wrong_number_of_elements_gives_nan():
    exported = export(native(pick(0), [VECTOR], [NUMBER]))
    x = np.ones(4)
    assert exported.function(3, doubles(x)) == 1.0
    for count in (4, 2, 0, -1):
        assert np.isnan(exported.function(count, doubles(x)))
    assert exported.failures == 4


# -- callers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "signature",
    [
        "double (double)",
        "double (double, void *)",
        "double (int, double *)",
        "double (int, double *, void *)",
    ],
)
def test_quad_integrates_without_python(signature):
    low = export(square(), signature).low_level()
    assert low.signature == signature
    gc.collect()  # the callable keeps the code
    value, _ = integrate.quad(low, 0, 3)
    assert abs(value - 9) < 1e-12


def test_quad_over_a_failed_guard_is_nan():
    exported = export(square())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", integrate.IntegrationWarning)
        assert np.isnan(integrate.quad(exported.low_level(), 0, 200)[0])
    assert exported.failures > 0


def test_nquad_integrates_over_several_numbers():
    low = export(native(pick(1), [NUMBER] * 2, [NUMBER]), "double (int, double *)").low_level()
    value, _ = integrate.nquad(low, [(0, 1), (0, 2)])
    assert abs(value - 2) < 1e-12


def test_threads_call_it_without_the_lock():
    exported = export(native(REVERSED, [VECTOR], [VECTOR]))
    wrong = []

    def work(seed):
        x, out = np.array([seed, 1.0, 2.0]), np.zeros(3)
        for _ in range(2000):
            exported.function(doubles(x), doubles(out))
            if out[2] != seed:
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(float(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.skipif(which("cc") is None or sys.platform == "win32", reason="no C compiler")
def test_a_c_program_calls_it(tmp_path):
    source = tmp_path / "sum.c"
    source.write_text(
        "double sum(double (*f)(double), int n)\n"
        "{ double s = 0; for (int i = 0; i < n; i++) s += f(i); return s; }\n"
    )
    shared = tmp_path / f"sum{sysconfig.get_config_var('SHLIB_SUFFIX')}"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shared, source], check=True)
    add = ctypes.CDLL(str(shared)).sum
    add.restype = ctypes.c_double
    assert add(export(square()).function, 10) == sum(k * k for k in range(10))


# -- what does not fit -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "outputs", "signature"),
    [
        ([NUMBER], [NUMBER], "double (double)"),
        ([NUMBER] * 3, [NUMBER], "double (double, double, double)"),
        ([VECTOR], [NUMBER], "double (int, double *)"),
        ([VECTOR, NUMBER], [NUMBER], "double (int, double *)"),
        ([NUMBER], [NUMBER, NUMBER], "void (double *, double *)"),
        ([VECTOR], [VECTOR], "void (double *, double *)"),
    ],
)
def test_the_natural_signature(inputs, outputs, signature):
    assert natural_signature(inputs, outputs) == signature
    assert export(native("ret i32 0", inputs, outputs)).signature == signature


@pytest.mark.parametrize(
    ("signature", "match"),
    [
        ("double (double, double)", "cannot be had of"),
        ("double (double *)", "cannot be had of"),
        ("void (double)", "cannot be had of"),
        ("double (double", "no signature"),
        ("f", "no signature"),
        ("double (float)", "'float' in"),
        ("long (double)", "'long' in"),
        ("double ()", "'' in"),
    ],
)
def test_a_signature_that_does_not_fit_is_an_error_that_names_one(signature, match):
    with pytest.raises(ShapeError, match=match) as found:
        export(square(), signature)
    assert "Write instead: 'double (double)'" in str(found.value)


def test_a_vector_is_no_result_of_a_function_of_numbers():
    with pytest.raises(ShapeError, match="cannot be had of"):
        export(native("ret i32 0", [NUMBER], [VECTOR]), "double (double)")


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.bool_, np.complex128])
def test_other_dtypes_than_float64_are_refused(dtype):
    other = Type((), np.dtype(dtype))
    for inputs, outputs in (([other], [NUMBER]), ([NUMBER], [other])):
        with pytest.raises(DtypeError, match="doubles"):
            export(native("ret i32 0", inputs, outputs))
