"""The builtin functions around compiled code: what they take, what they give, what they leave.

The kernels are written by hand; those of Programs are tested with ``wg.jit``.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import gc
import struct
import sys
import sysconfig
import threading
import tracemalloc
import types
import weakref

import numpy as np
import pytest

from wengert.compile import abi
from wengert.compile.caller import caller
from wengert.compile.entry import (
    MISS,
    RELEASE_WORK,
    Argument,
    Constant,
    Variable,
    entry,
    failure,
)
from wengert.compile.machine import compile_object, link
from wengert.program import Type

pytestmark = pytest.mark.skipif(
    sys.implementation.name != "cpython" or bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    reason="no entries here",
)

F64 = np.dtype(np.float64)
PAIR = Type((2,), F64)
NUMBER = Type((), F64)


class Kernel:
    """Native code from the body of ``i32 kernel(ptr %in, ptr %out)``."""

    def __init__(self, body, constants=(), work=10.0, callouts=0, head="", exports=("kernel",)):
        text = f"{head}\ndefine i32 @kernel(ptr %in, ptr %out) {{\n{body}\n}}"
        self.library = link(compile_object(text), {}, exports)
        self.address = self.library["kernel"]
        self.constants = constants
        self.work = work
        self.callouts = callouts


def moves(size, inputs=1, status=0):
    """A body that copies input k to output k, ``size`` bytes each, and returns a status."""
    lines = []
    for k in range(inputs):
        lines += [
            f"%i{k} = getelementptr ptr, ptr %in, i64 {k}",
            f"%o{k} = getelementptr ptr, ptr %out, i64 {k}",
            f"%x{k} = load ptr, ptr %i{k}",
            f"%y{k} = load ptr, ptr %o{k}",
            f"call void @llvm.memcpy.p0.p0.i64(ptr %y{k}, ptr %x{k}, i64 {size}, i1 false)",
        ]
    return "\n".join([*lines, f"ret i32 {status}"])


def copier(argument, type=PAIR, **options):
    """An entry that gives its one argument back."""
    kernel = Kernel(moves(type.size * type.dtype.itemsize))
    return entry(kernel, [argument], [type], result=0, **options)


def copy_pair(**options):
    return copier(Argument.array(PAIR), **options)


X = np.array([1.0, 2.0])


# -- arrays ----------------------------------------------------------------------------------------


def test_an_array_goes_in_and_a_new_one_comes_out():
    y = copy_pair()(X)
    assert type(y) is np.ndarray
    assert y.dtype == F64
    np.testing.assert_array_equal(y, X)
    assert not np.shares_memory(y, X)
    assert y.flags.owndata
    assert y.flags.writeable


@pytest.mark.parametrize("shape", [(), (1,), (3, 4), (2, 0, 3), (1, 2, 3, 4, 5)])
@pytest.mark.parametrize(
    "dtype", [np.float64, np.float32, np.int64, np.int8, np.uint16, np.bool_, np.complex128]
)
def test_every_shape_and_dtype_comes_back_as_it_was(shape, dtype):
    type = Type(shape, np.dtype(dtype))
    x = np.random.default_rng(0).uniform(-3, 3, shape).astype(dtype)
    x = np.asarray(x)
    y = copier(Argument.array(type), type)(x)
    np.testing.assert_array_equal(y, x)
    assert y.dtype == x.dtype
    assert isinstance(y, np.ndarray if shape else np.generic)


class Subclass(np.ndarray):
    pass


def misaligned():
    memory = np.zeros(17, np.uint8)
    return memory[1:].view(np.float64)


@pytest.mark.parametrize(
    "value",
    [
        np.array([1.0, 2.0, 3.0]),
        np.array([[1.0, 2.0]]),
        np.array(1.0),
        np.array([1, 2]),
        np.array([1.0, 2.0], np.float32),
        np.array([1.0, 2.0], ">f8"),
        np.arange(4.0)[::2],
        np.arange(2.0)[::-1],
        np.array([1.0, 2.0]).view(Subclass),
        np.ma.masked_array([1.0, 2.0]),
        misaligned(),
        np.array([1.0, 2.0], object),
        [1.0, 2.0],
        (1.0, 2.0),
        1.0,
        None,
        "xy",
        np.float64(3.0),
        F64,
        np.ndarray,
    ],
    ids=lambda value: f"{type(value).__name__} {value!r}"[:30].replace("\n", " "),
)
def test_anything_else_is_a_miss_and_no_error(value):
    assert copy_pair()(value) is MISS


def test_a_wrong_number_of_arguments_and_keywords_are_misses():
    f = copy_pair()
    assert f() is MISS
    assert f(X, X) is MISS
    assert f(x=X) is MISS
    assert f(X, x=X) is MISS
    assert f(*[X]) is not MISS


def test_a_read_only_array_is_taken():
    x = X.copy()
    x.flags.writeable = False
    np.testing.assert_array_equal(copy_pair()(x), X)


def test_fortran_order_is_a_miss_unless_it_is_c_order_too():
    type = Type((2, 3), F64)
    f = copier(Argument.array(type), type)
    assert f(np.zeros((2, 3), order="F")) is MISS
    line = Type((1, 3), F64)
    assert copier(Argument.array(line), line)(np.zeros((1, 3), order="F")) is not MISS


@pytest.mark.parametrize("char", ["l", "q", "i"])
def test_a_dtype_may_have_two_names_in_c(char):
    dtype = np.dtype(char)
    type = Type((2,), np.dtype(f"i{dtype.itemsize}"))
    y = copier(Argument.array(type), type)(np.array([1, 2], dtype))
    np.testing.assert_array_equal(y, [1, 2])


# -- numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "taken", "missed"),
    [
        (Argument.number(float), [2.5, -0.0, np.inf], [1, True, np.float64(2.5), X, "a"]),
        (Argument.number(complex), [1 + 2j], [1.0, np.complex128(1)]),
        (Argument.number(int), [0, -(2**63), 2**63 - 1], [2**63, -(2**63) - 1, True, 1.0]),
        (Argument.number(bool), [True, False], [1, 0, np.True_]),
        (Argument.scalar(np.float64), [np.float64(2.5)], [2.5, np.float32(2.5)]),
        (Argument.scalar(np.float64, numbers=True), [2.5, np.float64(-1)], [1, np.array(1.0)]),
        (Argument.scalar(np.float32, numbers=True), [np.float32(2.5)], [2.5]),
        (Argument.scalar(np.int8), [np.int8(-5)], [-5, np.int16(5)]),
        (Argument.scalar(np.bool_), [np.True_, np.False_], [True]),
        (Argument.scalar(np.bool_, numbers=True), [np.True_, np.False_, True, False], [1]),
        (Argument.scalar(np.complex64), [np.complex64(1 - 2j)], [1j]),
    ],
)
def test_numbers_are_taken_by_their_exact_type(argument, taken, missed):
    f = copier(argument, argument.type)
    for value in taken:
        y = f(value)
        assert y == value
        assert np.signbit(np.real(y)) == np.signbit(np.real(value))
        assert type(y) is argument.type.dtype.type
    for value in missed:
        assert f(value) is MISS


def test_an_argument_can_be_one_certain_object():
    thing = object()
    f = entry(Kernel(moves(16)), [Argument.same(thing), Argument.array(PAIR)], [PAIR], result=0)
    np.testing.assert_array_equal(f(thing, X), X)
    assert f(object(), X) is MISS


# -- several, none, constants ----------------------------------------------------------------------


def test_several_outputs_come_in_a_tuple():
    f = entry(
        Kernel(moves(8, inputs=3)),
        [Argument.number(float), Argument.array(Type((1,), F64)), Argument.number(int)],
        [NUMBER, Type((1,), F64), Type((), np.dtype(np.int64))],
    )
    number, array, whole = f(1.5, np.array([2.5]), 3)
    assert (number, whole) == (1.5, 3)
    assert isinstance(number, np.float64)
    assert isinstance(whole, np.int64)
    np.testing.assert_array_equal(array, [2.5])


def test_one_output_comes_in_a_tuple_if_it_is_not_asked_for_alone():
    (y,) = entry(Kernel(moves(16)), [Argument.array(PAIR)], [PAIR])(X)
    np.testing.assert_array_equal(y, X)


def test_there_need_be_no_arguments_and_no_outputs():
    assert entry(Kernel("ret i32 0"), [], [])() == ()


def test_constants_follow_the_inputs():
    constant = np.array([7.0, 8.0])
    body = moves(16, inputs=2)
    f = entry(Kernel(body, constants=[constant]), [Argument.array(PAIR)], [PAIR, PAIR])
    del constant
    gc.collect()
    np.testing.assert_array_equal(f(X), [X, [7.0, 8.0]])


def test_many_arguments():
    count = 60
    f = entry(Kernel(moves(16, inputs=count)), [Argument.array(PAIR)] * count, [PAIR] * count)
    arrays = [np.array([k, -k], float) for k in range(count)]
    np.testing.assert_array_equal(f(*arrays), arrays)
    assert f(*arrays[:-1], None) is MISS


# -- containers ------------------------------------------------------------------------------------

TRIPLE = [Argument.array(PAIR), Argument.number(float), Argument.array(PAIR)]
TYPES = [PAIR, NUMBER, PAIR]
TREE = Argument.group(
    dict,
    [
        Argument.group(list, [TRIPLE[0].at(0)]),
        Argument.group(tuple, [TRIPLE[2].at(2), Argument.same(None), TRIPLE[1].at(1)]),
    ],
    ["one", 2],
)


def in_containers(result=None, **options):
    """Takes ``{"one": [array], 2: (array, None, float)}``."""
    body = "\n".join(
        [
            *moves(16, inputs=3).splitlines()[:-1],
            "store double 4.5, ptr %y1",
            "ret i32 0",
        ]
    ).replace("ptr %y1, ptr %x1, i64 16", "ptr %y1, ptr %x1, i64 8")
    return entry(Kernel(body), [TREE], TYPES, result=result, **options)


def tree(x=X, number=0.5, y=-X):
    return {"one": [x], 2: (y, None, number)}


def test_arguments_are_taken_out_of_containers():
    x, number, y = in_containers()(tree())
    np.testing.assert_array_equal([x, y], [X, -X])
    assert number == 4.5


@pytest.mark.parametrize(
    "value",
    [
        {"one": [X], 2: (-X, None)},
        {"one": [X], 2: (-X, None, 0.5, 0.5)},
        {"one": [X], 2: (-X, 0, 0.5)},
        {"one": [X], 2: [-X, None, 0.5]},
        {"one": (X,), 2: (-X, None, 0.5)},
        {"one": [], 2: (-X, None, 0.5)},
        {"one": [X[:1]], 2: (-X, None, 0.5)},
        {"one": [X], 3: (-X, None, 0.5)},
        {"two": [X], 2: (-X, None, 0.5)},
        {2: (-X, None, 0.5), "one": [X]},
        {"one": [X]},
        {"one": [X], 2: (-X, None, 0.5), 3: 4},
        {},
        collections.OrderedDict(tree()),
        [X],
        None,
    ],
)
def test_another_container_is_a_miss(value):
    assert in_containers()(value) is MISS


def test_keys_may_be_other_objects_of_the_same_letters():
    key = "".join(["o", "n", "e"])
    assert key is not "one"  # noqa: F632
    assert in_containers()({key: [X], 2: (-X, None, 0.5)}) is not MISS


def test_a_result_can_be_in_containers():
    thing = object()
    wanted = {"a": [0, Constant(thing)], "b": ((1,), [], {}), "c": 2}
    found = in_containers(wanted, boxed=[1])(tree())
    assert list(found) == ["a", "b", "c"]
    np.testing.assert_array_equal([found["a"][0], found["c"]], [X, -X])
    assert found["a"][1] is thing
    ((number,), empty, none) = found["b"]
    assert type(number) is np.ndarray
    assert number == 4.5
    assert (empty, none) == ([], {})


def test_what_is_in_a_container_lives_until_the_call_ends():
    body = """
      %function = load ptr, ptr @shrink
      %state = call i32 @PyGILState_Ensure()
      %none = call ptr @PyObject_CallNoArgs(ptr %function)
      call void @PyGILState_Release(i32 %state)
      ret i32 0
    """
    head = """
      @shrink = global ptr null
      declare ptr @PyObject_CallNoArgs(ptr)
      declare i32 @PyGILState_Ensure()
      declare void @PyGILState_Release(i32)
    """
    kernel = Kernel(body, head=head, exports=["kernel", "shrink"])
    held, gone = [X.copy()], []
    weak = weakref.ref(held[0])

    def shrink():
        held.clear()
        gone.append(weak() is None)

    ctypes.c_void_p.from_address(kernel.library["shrink"]).value = id(shrink)
    takes = Argument.group(list, [Argument.array(PAIR)])
    assert entry(kernel, [takes], [])(held) == ()
    assert gone == [False]
    assert weak() is None


def test_containers_leave_nothing_behind():
    keys = ["a", "b"]
    f = in_containers({keys[0]: [0, (1,)], keys[1]: 2})
    given = tree()
    watched = [X, given, given["one"], given[2], *keys]
    gc.collect()
    counts = [sys.getrefcount(each) for each in watched]

    def call():
        f(given)
        f({"one": [X], 2: (-X, None, 1)})

    assert used_memory(call, 2000) < 2000
    assert [sys.getrefcount(each) for each in watched] == counts


# -- variables -------------------------------------------------------------------------------------


def watching(home, name, value, arguments=()):
    return entry(Kernel("ret i32 0"), arguments, [], variables=[Variable(home, name, value)])


@pytest.mark.parametrize("kind", ["dict", "cell"])
def test_a_variable_has_to_hold_the_same_object(kind):
    one, other = object(), object()
    cell, space = types.CellType(one), {"name": one, "another": other}
    f = watching(space if kind == "dict" else cell, "name", Argument.same(one))
    for value, wanted in ((one, ()), (other, MISS), (None, MISS), (one, ())):
        cell.cell_contents = space["name"] = value
        assert f() is wanted or f() == wanted
    del cell.cell_contents, space["name"]
    assert f() is MISS
    cell.cell_contents = space["name"] = one
    assert f() == ()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float64, np.int8, np.complex64, np.bool_])
def test_a_variable_has_to_hold_an_equal_array(dtype, order):
    array = np.ones((5, 3), dtype, order)
    space = {"x": array}
    f = watching(space, "x", Argument.equal(array))
    assert f() == ()
    space["x"] = array.copy(order="K")
    assert f() == ()
    for place in range(15):
        array.flat[place] = 0
        space["x"] = array
        assert f() is MISS
        array.flat[place] = 1
        assert f() == ()
    for other in (
        array[:4],
        array.T,
        array.ravel(order="K"),
        np.ones((5, 6), dtype)[:, ::2],
        array.real.astype(np.float16),
        array.view(Subclass),
        array.tolist(),
        None,
    ):
        space["x"] = other
        assert f() is MISS
    space["x"] = array
    assert f() == ()
    with contextlib.suppress(AttributeError, DeprecationWarning):
        array.shape = (15,)
        assert f() is MISS


def test_bits_decide_whether_arrays_are_equal():
    array = np.array([0.0, np.nan])
    f = watching({"x": array}, "x", Argument.equal(array))
    assert f() == ()
    array[0] = -0.0
    assert f() is MISS


def test_a_variable_may_be_a_container():
    array = np.ones(3)
    cell = types.CellType([array, (1, "a")])
    holds = [Argument.equal(array), Argument.group(tuple, [Argument.same(1), Argument.same("a")])]
    f = watching(cell, "", Argument.group(list, holds), [Argument.number(float)])
    assert f(1.0) == ()
    array[1] = 2
    assert f(1.0) is MISS
    array[1] = 1
    assert f(1.0) == ()
    for other in ([array], [array, (1, "a"), 1], [array, (1, "b")], (array, (1, "a")), None):
        cell.cell_contents = other
        assert f(1.0) is MISS
    cell.cell_contents = [np.ones(3), (1, "a")]
    assert f(1.0) == ()


def test_variables_keep_their_counts():
    thing, array = object(), np.ones(3)
    space = {"x": thing, "y": array}
    f = entry(
        Kernel("ret i32 0"),
        [],
        [],
        variables=[
            Variable(space, "x", Argument.same(thing)),
            Variable(space, "y", Argument.equal(array)),
        ],
    )
    counts = sys.getrefcount(thing), sys.getrefcount(array)
    for _ in range(100):
        assert f() == ()
    assert (sys.getrefcount(thing), sys.getrefcount(array)) == counts


# -- what did not succeed --------------------------------------------------------------------------

GUARD = """
%slot = getelementptr ptr, ptr %out, i64 1
%where = load ptr, ptr %slot
store double 4.5, ptr %where
ret i32 3
"""


@pytest.mark.parametrize("status", [1, 7, -1, -2, -3])
def test_a_status_is_a_miss(status):
    f = entry(Kernel(moves(16, status=status)), [Argument.array(PAIR)], [PAIR], result=0)
    assert f(X) is MISS


def test_a_status_is_reported_with_the_guards_value_if_asked_for():
    f = entry(Kernel(GUARD), [Argument.array(PAIR)], [PAIR], report=True)
    report = f(X)
    assert type(report) is bytes
    status, value = failure(report)
    assert status == 3
    assert struct.unpack("<dq", value) == (4.5, 0)
    assert f(None) is MISS
    minus = entry(Kernel("ret i32 -1"), [], [], report=True)
    assert failure(minus())[0] == -1


def test_a_fallback_is_called_with_the_same_arguments():
    def general(*args, **kwargs):
        return args, kwargs

    f = copy_pair(fallback=general)
    np.testing.assert_array_equal(f(X), X)
    assert f(1, "a") == ((1, "a"), {})
    assert f(1, b=2) == ((1,), {"b": 2})
    guarded = entry(Kernel(GUARD), [Argument.array(PAIR)], [PAIR], fallback=general)
    assert guarded(X)[0][0] is X


def test_an_exception_of_the_fallback_is_an_exception_of_the_call():
    def general(x):
        raise ZeroDivisionError(x)

    with pytest.raises(ZeroDivisionError, match="5"):
        copy_pair(fallback=general)(5)


def test_want_of_memory_is_a_memory_error():
    huge = Type((2**40, 2**13), F64)
    f = entry(Kernel("ret i32 0"), [], [PAIR, huge, PAIR])
    with pytest.raises(MemoryError):
        f()


# -- what is left ----------------------------------------------------------------------------------


def used_memory(call, times):
    call()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(times):
        call()
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return after - before


def test_calls_leave_nothing_behind_and_keep_reference_counts():
    two = [Argument.array(PAIR), Argument.number(float)]
    types = [PAIR, NUMBER]
    copies = Kernel(moves(8, inputs=2))
    done = entry(copies, two, types)
    failed = entry(Kernel(moves(8, inputs=2, status=1)), two, types)
    reported = entry(Kernel(moves(8, inputs=2, status=1)), two, types, report=True)
    general = entry(copies, two, types, fallback=lambda *args: None)
    number = 12345.678
    watched = [X, number, F64, MISS, np.ndarray, float]

    def call():
        done(X, number)
        done(X, None)
        done(X)
        failed(X, number)
        reported(X, number)
        general(X)

    gc.collect()
    counts = [sys.getrefcount(each) for each in watched]
    assert used_memory(call, 3000) < 2000
    assert [sys.getrefcount(each) for each in watched] == counts


def test_failed_allocations_leave_nothing_behind():
    f = entry(Kernel("ret i32 0"), [], [PAIR, Type((2**40, 2**13), F64)])
    before = sys.getrefcount(F64)
    for _ in range(100):
        with pytest.raises(MemoryError):
            f()
    assert sys.getrefcount(F64) == before  # an array that is left would hold one


def test_an_entry_keeps_what_it_needs_and_gives_it_up():
    kernel = Kernel(moves(16))
    gone = weakref.ref(kernel)
    f = entry(kernel, [Argument.array(PAIR)], [PAIR], result=0)
    del kernel
    gc.collect()
    np.testing.assert_array_equal(f(X), X)
    del f
    gc.collect()
    assert gone() is None


def test_a_cycle_through_the_fallback_is_collected_and_callable_until_the_end():
    found = []

    class Owner:
        def __init__(self):
            self.entry = copy_pair(fallback=self.general)

        def general(self, *args):
            return "general"

        def __del__(self):
            found.append((self.entry(X).tolist(), self.entry()))

    gone = weakref.ref(Owner())
    gc.collect()
    assert gone() is None
    assert found == [([1.0, 2.0], "general")]


def test_an_entry_may_be_replaced_by_its_own_fallback():
    class Owner:
        def __init__(self):
            self.entry = copy_pair(fallback=self.general)

        def general(self, *args):
            self.entry = None
            gc.collect()
            return args

    for _ in range(5):
        owner = Owner()
        assert owner.entry(1) == (1,)


# -- threads ---------------------------------------------------------------------------------------

SPIN = """
  %flag = load ptr, ptr %in
  br label %wait
wait:
  %k = phi i64 [ 0, %0 ], [ %n, %wait ]
  %v = load atomic i8, ptr %flag seq_cst, align 1
  %n = add i64 %k, 1
  %seen = icmp ne i8 %v, 0
  %late = icmp ugt i64 %k, 5000000000
  %stop = or i1 %seen, %late
  br i1 %stop, label %end, label %wait
end:
  %status = zext i1 %late to i32
  ret i32 %status
"""
"""Waits until the byte is set; returns 1 if that takes some seconds."""


def test_other_threads_run_while_a_long_kernel_does():
    flag = np.zeros(1, np.uint8)
    argument = Argument.array(Type((1,), flag.dtype))
    f = entry(Kernel(SPIN, work=RELEASE_WORK), [argument], [])
    results = []
    thread = threading.Thread(target=lambda: results.append(f(flag)))
    thread.start()
    flag[0] = 1  # comes late if the kernel holds the lock
    thread.join()
    assert results == [()]


HELD = """
  %held = call i32 @PyGILState_Check()
  ret i32 %held
"""


@pytest.mark.parametrize(
    ("work", "callouts", "released"),
    [(RELEASE_WORK, 0, True), (RELEASE_WORK - 1, 0, False), (RELEASE_WORK, 1, False)],
)
def test_the_lock_is_released_for_long_kernels_without_calls_into_python(work, callouts, released):
    kernel = Kernel(HELD, work=work, callouts=callouts, head="declare i32 @PyGILState_Check()")
    assert (entry(kernel, [], [])() == ()) is released


def test_threads_call_one_entry_at_once():
    f = entry(Kernel(moves(16), work=RELEASE_WORK), [Argument.array(PAIR)], [PAIR], result=0)
    wrong = []

    def work(seed):
        x = np.array([seed, -seed], float)
        for _ in range(2000):
            if not np.array_equal(f(x), x):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# -- where there are none --------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["free-threaded", "another implementation", "another layout"])
def test_on_other_interpreters_there_are_none(monkeypatch, what):
    abi.interface.cache_clear()
    caller.cache_clear()
    if what == "free-threaded":
        monkeypatch.setattr(abi.sysconfig, "get_config_var", lambda name: 1)
    elif what == "another implementation":
        monkeypatch.setattr(abi.sys, "implementation", type("I", (), {"name": "pypy"}))
    else:
        monkeypatch.setattr(abi, "SHAPE", 40)
    try:
        assert copy_pair() is None
    finally:
        abi.interface.cache_clear()
        caller.cache_clear()
