"""Text to object code, object code to addresses, and what is left when it ends."""

from __future__ import annotations

import ctypes
import gc
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import wengert as wg
from wengert.compile import machine
from wengert.compile.machine import LEVELS, assembly, compile_object, host, link, optimised
from wengert.errors import CompileError

HALF = """
declare double @exp(double)
@half = private constant double 0.5
define double @f(double %x) {
  %y = call double @exp(double %x)
  %h = load double, ptr @half
  %z = fmul double %y, %h
  ret double %z
}
"""


def function(library, name="f"):
    found = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(library[name])
    found.library = library
    return found


def exp_address():
    return ctypes.cast(ctypes.CDLL(None).exp, ctypes.c_void_p).value


def resident_pages():
    """Pages of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1])


def test_code_is_compiled_linked_and_called():
    library = link(compile_object(HALF), {"exp": exp_address()}, ["f"])
    assert function(library)(1.0) == 0.5 * math.exp(1.0)


def test_symbols_of_the_process_need_not_be_given():
    assert function(link(compile_object(HALF), {}, ["f"]))(0.0) == 0.5


def test_an_imported_symbol_is_the_one_that_is_given():
    kind = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
    own = kind(lambda x: x + 100)
    address = ctypes.cast(own, ctypes.c_void_p).value
    assert function(link(compile_object(HALF), {"exp": address}, ["f"]))(6.0) == 53.0


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_every_level_of_optimisation_computes_the_same(level):
    assert function(link(compile_object(HALF, level), {}, ["f"]))(0.0) == 0.5


@pytest.mark.parametrize(
    "ir",
    [
        "define double @f(double",
        "define double @f(double %x) { ret double %y }",
        "define double @f(double %x) { ret i32 0 }",
        "define i32 @f() {\na:\n %x = add i32 %y, 1\n %y = add i32 %x, 1\n ret i32 %y\n}",
    ],
)
def test_wrong_text_is_refused_with_an_error_of_ours(ir):
    with pytest.raises(CompileError, match="LLVM refuses the code"):
        compile_object(ir)


def test_what_cannot_be_linked_is_refused_with_an_error_of_ours(capfd):
    code = compile_object(HALF.replace("@exp", "@there_is_no_such_function"))
    for bad, exports in ((code, ["f"]), (compile_object(HALF), ["g"]), (b"no object code", ["f"])):
        with pytest.raises(CompileError, match="LLVM cannot link"):
            link(bad, {}, exports)
    assert capfd.readouterr().err == ""


VECTORS = """
define void @f(ptr noalias %x, ptr noalias %y) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %j, %loop ]
  %p = getelementptr double, ptr %x, i64 %i
  %a = load double, ptr %p
  %b = fmul double %a, %a
  %q = getelementptr double, ptr %y, i64 %i
  store double %b, ptr %q
  %j = add i64 %i, 1
  %more = icmp ult i64 %j, 1000
  br i1 %more, label %loop, label %end
end:
  ret void
}
"""


def test_loops_are_vectorised():
    assert "x double> " in optimised(VECTORS)
    assert "x double> " not in optimised(VECTORS, 1)
    assert "f:" in assembly(VECTORS)


def test_the_host_knows_its_features():
    found = host()
    assert found.cpu
    assert found.llvm.split(".")[0].isdigit()
    assert not found.has("no such feature")


def processor(triple="x86_64-unknown-linux-gnu", features=LEVELS["x86-64-v3"]):
    return machine.Host("20.1", triple, "a processor", ",".join(f"+{each}" for each in features))


def test_a_target_is_a_level_of_the_processor():
    for level in ("x86-64-v2", "x86-64-v3"):
        found = machine._restricted(processor(), level)
        assert found.cpu == level
        assert found.has("avx2") == (level == "x86-64-v3")
        assert not found.has("avx512f")


@pytest.mark.parametrize(
    ("have", "level", "message"),
    [
        (processor(), "x86-64-v4", r"no avx512f, .*\s+Write.*native, or x86-64-v2, or x86-64-v3$"),
        (processor(features=LEVELS["x86-64-v2"][:-1]), "x86-64-v2", r"no sse4\.2\s+Write.*native$"),
        (processor("aarch64-apple-darwin", []), "x86-64-v2", "no x86-64 instructions"),
    ],
)
def test_a_target_that_the_processor_lacks_is_refused(have, level, message):
    with pytest.raises(CompileError, match=message):
        machine._restricted(have, level)


def test_jit_refuses_a_target_that_there_is_not(monkeypatch):
    for name in ("", "native", " Native "):
        monkeypatch.setenv("WENGERT_TARGET", name)
        wg.jit(np.sin)
    monkeypatch.setenv("WENGERT_TARGET", "pentium")
    with pytest.raises(CompileError, match=r"pentium names no target[\s\S]*x86-64-v2, x86-64-v3"):
        wg.jit(np.sin)


@pytest.mark.parametrize("level", LEVELS)
def test_code_is_made_for_the_target(level, monkeypatch):
    monkeypatch.setenv("WENGERT_TARGET", level)
    try:
        target = host.__wrapped__()
    except CompileError:
        pytest.skip(f"this processor is not {level}")
    monkeypatch.setattr(machine, "host", lambda: target)
    monkeypatch.setattr(machine, "_target_machine", machine._target_machine.__wrapped__)
    text = assembly(VECTORS)
    assert ("ymm" in text) == (level != "x86-64-v2")
    assert "xmm" in text or "ymm" in text


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_code_that_is_dropped_is_freed():
    code = compile_object(HALF)

    def many():
        for _ in range(1000):
            assert link(code, {}, ["f"])["f"]

    many()
    before = resident_pages()
    many()
    many()
    assert resident_pages() - before < 256  # 1 MiB; code that stays would take 80


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_compiling_leaves_little_behind():
    def many():
        for number in range(100):
            compile_object(HALF.replace("0.5", f"{number}.5"))

    many()
    before = resident_pages()
    many()
    many()
    assert resident_pages() - before < 256


def test_a_library_outlives_the_linker_that_it_shares():
    code = compile_object(HALF)
    kept = link(code, {}, ["f"])
    for _ in range(2 * machine._Linker.SHARE):
        link(code, {}, ["f"])
    assert function(kept)(0.0) == 0.5


@pytest.mark.parametrize("first", ["the code", "its user"])
def test_in_a_cycle_of_garbage_code_outlasts_the_finalisers_that_call_it(first):
    """Finalisers run in the order in which the collector knows the objects: any order."""
    found = []

    class User:
        def __init__(self, library=None):
            self.library = library or link(compile_object(HALF), {}, ["f"])
            self.itself = self

        def __del__(self):
            found.append(function(self.library)(0.0))

    User(link(compile_object(HALF), {}, ["f"]) if first == "the code" else None)
    gc.collect()
    assert found == [0.5]
    assert len(machine._discarded) == 0


def test_code_that_a_finaliser_saves_stays():
    saved = []

    class User:
        def __init__(self, library):
            self.library, self.itself = library, self

        def __del__(self):
            saved.append(self.library)

    User(link(compile_object(HALF), {}, ["f"]))
    gc.collect()
    assert function(saved[0])(0.0) == 0.5


LAST = """
@place = external global i64
define double @f(double %x) { ret double %x }
define void @last() {
  %before = load i64, ptr @place
  %after = add i64 %before, 1
  store i64 %after, ptr @place
  ret void
}
"""


@pytest.mark.parametrize("in_a_cycle", [False, True])
def test_the_last_function_is_called_once_before_the_code_is_freed(in_a_cycle):
    count = ctypes.c_int64(0)
    library = link(compile_object(LAST), {"place": ctypes.addressof(count)}, ["f"], last="last")
    assert function(library)(2.0) == 2.0
    if in_a_cycle:
        cycle = [library]
        cycle.append(cycle)
        del cycle
    del library
    gc.collect()
    assert count.value == 1


def test_dropping_code_does_not_wait_for_a_compilation_in_another_thread():
    library = link(compile_object(HALF), {}, ["f"])
    held, done = threading.Event(), threading.Event()

    def compiler():
        with machine.compiling:
            held.set()
            done.wait(20)

    thread = threading.Thread(target=compiler)
    thread.start()
    held.wait(20)
    del library  # would wait for 20 seconds, and then find the list empty
    assert len(machine._discarded) == 1
    done.set()
    thread.join()
    link(compile_object(HALF), {}, ["f"])
    assert len(machine._discarded) == 0


def test_threads_compile_and_link_at_once():
    results = []

    def work(number):
        for repeat in range(5):
            ir = HALF.replace("0.5", f"{number + repeat}.0")
            results.append(
                function(link(compile_object(ir), {}, ["f"]))(0.0) == float(number + repeat)
            )

    threads = [threading.Thread(target=work, args=(10 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_of_fork_compiles_while_another_thread_of_its_parent_was_compiling():
    text = f"""
import ctypes, os, threading
from wengert.compile.machine import compile_object, link
IR = '''{HALF}'''
stop = False
def busy():
    while not stop:
        compile_object(IR)
thread = threading.Thread(target=busy); thread.start()
for _ in range(5):
    child = os.fork()
    if not child:
        library = link(compile_object(IR), {{}}, ["f"])
        value = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(library["f"])(0.0)
        os._exit(0 if value == 0.5 else 1)
    assert os.waitpid(child, 0)[1] == 0
stop = True
thread.join()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", text], check=True, timeout=60)


def test_without_llvmlite_there_is_one_clear_error(monkeypatch):
    for cached in (machine._llvm, machine.host):
        cached.cache_clear()
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    try:
        assert not machine.available()
        with pytest.raises(CompileError, match=r"needs llvmlite[\s\S]*pip install"):
            host()
    finally:
        monkeypatch.undo()
        for cached in (machine._llvm, machine.host):
            cached.cache_clear()
    assert machine.available()


def test_an_old_llvmlite_is_refused(monkeypatch):
    import llvmlite

    machine._llvm.cache_clear()
    monkeypatch.setattr(llvmlite, "__version__", "0.44.1")
    try:
        with pytest.raises(CompileError, match="too old"):
            compile_object(HALF)
    finally:
        machine._llvm.cache_clear()


def test_a_finaliser_may_link_while_something_is_linked(monkeypatch):
    """Wherever Python makes an object it may collect garbage."""
    from llvmlite.binding import JITLibraryBuilder

    halves = compile_object(HALF)
    thirds = compile_object(HALF.replace("0.5", "3.0"))
    original = JITLibraryBuilder.link
    between = []

    def disturbed(builder, linker, name):
        if not between:
            between.append(None)
            between.append(link(thirds, {}, ["f"]))
        return original(builder, linker, name)

    monkeypatch.setattr(JITLibraryBuilder, "link", disturbed)
    for _ in range(machine._Linker.SHARE + 2):
        library = link(halves, {}, ["f"])
        assert function(between.pop())(0.0) == 3.0
        between.clear()
        gc.collect(0)
        assert function(library)(0.0) == 0.5
