"""What is kept of compiled code: as good after a stay on disk, and refused where it is damaged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

import wengert as wg
from wengert.compile import artefact, machine, native, store
from wengert.compile.artefact import Artefact, made
from wengert.compile.native import Native, build, lowered

posix = pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 20))
BIG = RNG.normal(size=200_000)
MASK = RNG.normal(size=(20, 20)) > 0


def elementwise(x):
    return np.sum(np.exp(np.sin(x)) * X) + np.tanh(x[3, 4])


def constants(x):
    table = np.arange(20), np.float32(0.5), X.astype(np.complex128)[0].real
    return np.where(MASK, x, table[0]) * table[1] + table[2]


FUNCTIONS = {
    "elementwise": (elementwise, X),
    "its gradient": (wg.grad(elementwise), X),
    "constants of several dtypes": (constants, X),
    "products by BLAS": (lambda x: x @ (x.T @ X), X),
    "LAPACK": (lambda x: np.linalg.solve(x, np.linalg.inv(x)), X),
    "threads": (lambda x: np.sqrt(np.abs(np.sin(x))) + np.cumsum(x), BIG),
    "a loop": (lambda x: wg.scan(lambda c, row: (np.sin(c) + row, None), x[0], x)[0], X),
    "a branch": (lambda x: wg.cond(x[0, 0] > 5, np.sin, np.cos, x), X),
    "sorting": (lambda x: np.sort(x, axis=1)[:, ::-1], X),
    "nothing": (lambda x: x, X),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty store for this test."""
    tmp_path.chmod(0o700)
    monkeypatch.setenv("WENGERT_CACHE", "1")
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path / "cache"))
    store._store_in.cache_clear()
    yield tmp_path / "cache"
    store._store_in.cache_clear()


@pytest.fixture
def work(monkeypatch):
    """What has been simplified, lowered and compiled."""
    done = []
    executed = sys.modules["wengert.jit.execute"]
    for module, name in (
        (executed, "simplify"),
        (native, "lowered"),
        (machine, "compile_object"),
        (artefact, "compile_object"),
        (store, "compile_object"),
    ):
        function = getattr(module, name)

        def counted(*args, function=function, name=name):
            done.append(name)
            return function(*args)

        monkeypatch.setattr(module, name, counted)
    return done


def files(folder):
    return sorted(folder.glob("*.bin"))


def warm(folder):
    """What every process compiles once for all functions is on disk."""
    wg.jit(lambda x: x + 1, wait=True)(1.0)
    for path in files(folder):
        if path.stat().st_size < 4000:
            path.unlink()


# -- packed and unpacked ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_packed_and_unpacked_it_computes_the_same(name):
    f, x = FUNCTIONS[name]
    program = wg.trace(f)(x)
    fresh = made("", *lowered(program))
    assert not fresh.equations
    again = Artefact.unpack(fresh.pack())
    assert again.code == fresh.code
    assert (again.parallel, again.work) == (fresh.parallel, fresh.work)
    assert list(again.functions) == list(fresh.functions)
    assert list(again.routines) == list(fresh.routines)
    for one, other in zip(again.constants, fresh.constants, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes() == other.tobytes()
        assert one.flags.aligned
    for one, other in zip(
        Native(program, again).run([x]), Native(program, fresh).run([x]), strict=True
    ):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(one, f(x), rtol=1e-9, atol=1e-12)


def test_the_functions_hold_all_that_an_artefact_can():
    found = [made("", *lowered(wg.trace(f)(x))) for f, x in FUNCTIONS.values()]
    assert any(each.functions for each in found)
    assert {name[:4] for each in found for name in each.routines} == {"blas", "lapa"}
    assert {True, False} == {each.parallel for each in found}
    assert len({array.dtype for each in found for array in each.constants}) > 1


# -- a second time ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_on_disk_is_neither_simplified_nor_lowered_nor_compiled(folder, work, name):
    f, x = FUNCTIONS[name]
    jitted = wg.jit(f, wait=True)
    jitted(x)
    first = jitted(x)
    assert {"simplify", "lowered", "compile_object"} <= set(work)
    work.clear()
    again = wg.jit(f, wait=True)
    again(x)
    np.testing.assert_array_equal(again(x), first)
    assert "1 native" in repr(again)
    assert not work


def test_what_is_on_disk_can_be_looked_at_and_differentiated(folder, work):
    wg.jit(elementwise, wait=True)(X)
    work.clear()
    again = wg.jit(elementwise, wait=True)
    again(X)
    assert not work
    assert again.lower(X) == wg.simplify(wg.trace(elementwise)(X))
    assert "native" in again.report()
    np.testing.assert_allclose(wg.grad(again)(X), wg.grad(elementwise)(X))
    tangents = wg.jvp(again, (X,), (X,)), wg.jvp(elementwise, (X,), (X,))
    np.testing.assert_allclose(*tangents)


def test_guards_of_code_on_disk_are_those_of_the_function(folder, work):
    def f(x):
        unused = np.sum(x) * 3  # what simplifying leaves out lies between the guards
        if x[0] > 0 and x[0] * 1.0 < 10:
            return x * 2 if int(x[1]) == 2 else x * 3 + 0 * unused
        return -x

    rng = np.random.default_rng(1)
    points = [np.round(rng.uniform(-3, 12, 2), 1) for _ in range(60)]
    for _ in range(2):
        work.clear()
        jitted = wg.jit(f, wait=True)
        for x in (*points, *points):
            np.testing.assert_array_equal(jitted(x), f(x))
    assert "lowered" not in work


def test_what_calls_python_is_compiled_again_from_the_same_object(folder, work):
    @wg.custom_jvp
    def sine(x):
        return np.sin(x)

    sine.defjvp(lambda primals, tangents: (np.sin(primals[0]), np.cos(primals[0]) * tangents[0]))

    def f(x):
        return np.sum(sine(x) * x)

    for _ in range(2):
        work.clear()
        jitted = wg.jit(f, wait=True)
        jitted(X)
        np.testing.assert_allclose(jitted(X), np.sum(np.sin(X) * X))
    assert "lowered" in work


def test_large_constants_are_not_copied_to_the_disk(folder, monkeypatch):
    monkeypatch.setattr(artefact, "LARGEST", 1000)
    warm(folder)
    before = len(files(folder))
    build(wg.trace(lambda x: x * np.arange(20.0))(np.ones(20)))
    assert len(files(folder)) == before + 1
    build(wg.trace(lambda x: x * np.arange(2000.0))(np.ones(2000)))
    added = set(files(folder))
    assert len(added) == before + 2  # the object alone
    assert all(path.stat().st_size < 16_000 for path in added)


SECOND = """
import sys, numpy as np, wengert as wg
from wengert.compile import machine
compiled = []
inner = machine._compiled
machine._compiled = lambda *args: compiled.append(1) or inner(*args)
def f(x):
    return np.sum(np.tanh(x @ x.T) * np.sqrt(np.abs(x) + 2.0))
g = wg.jit(wg.grad(f), wait=True)
x = np.linspace(-1, 1, 36).reshape(6, 6)
first = g(x)
np.testing.assert_allclose(g(x), first)
np.testing.assert_allclose(first, wg.grad(f)(x))
print(len(compiled), g(x).tobytes().hex())
"""


def run_second():
    return subprocess.Popen([sys.executable, "-c", SECOND], stdout=subprocess.PIPE, text=True)


def finished(process):
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    compiled, result = text.split()
    return int(compiled), result


def test_another_process_compiles_nothing(folder):
    compiled, first = finished(run_second())
    assert compiled > 0
    assert finished(run_second()) == (0, first)


@pytest.mark.slow(reason="starts processes")
def test_processes_that_compile_at_once_leave_good_code(folder):
    results = {finished(each)[1] for each in [run_second(), run_second()]}
    assert len(results) == 1
    assert not list(folder.glob("*.tmp"))
    compiled, result = finished(run_second())
    assert (compiled, {result}) == (0, results)


# -- what is not as it was -------------------------------------------------------------------------


def again(work):
    """The function, right in any case; whether it was compiled."""
    work.clear()
    jitted = wg.jit(elementwise, wait=True)
    jitted(X)
    np.testing.assert_allclose(jitted(X), elementwise(X))
    assert "1 native" in repr(jitted)
    return "compile_object" in work


@pytest.mark.parametrize("damage", ["a bit", "the end", "the beginning", "everything", "longer"])
def test_damaged_code_is_compiled_again(folder, work, damage):
    assert again(work)
    assert not again(work)
    for path in files(folder):
        content = path.read_bytes()
        middle = len(content) // 2
        path.write_bytes(
            {
                "a bit": content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :],
                "the end": content[:middle],
                "the beginning": content[middle:],
                "everything": b"",
                "longer": content + b"\0",
            }[damage]
        )
    assert again(work)
    assert not again(work)


@posix
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_files_that_others_can_write_to_are_not_read(folder, work, mode):
    assert again(work)
    for path in files(folder):
        path.chmod(mode)
    assert again(work)
    assert not again(work)  # replaced by one's own


@posix
def test_files_of_somebody_else_are_not_read(folder, work, monkeypatch):
    assert again(work)
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    assert again(work)


@posix
def test_in_a_folder_that_others_can_write_to_nothing_is_read_or_kept(folder, work):
    assert again(work)
    folder.chmod(0o777)
    store._store_in.cache_clear()
    before = [path.stat().st_mtime_ns for path in files(folder)]
    with pytest.warns(RuntimeWarning, match="others can write"):
        assert again(work)
    assert again(work)
    assert [path.stat().st_mtime_ns for path in files(folder)] == before


def test_code_for_another_program_machine_or_version_is_not_found(folder, work, monkeypatch):
    assert again(work)
    monkeypatch.setattr(store, "_package", lambda: "another version")
    store._digest_of_environment.cache_clear()
    try:
        assert again(work)
    finally:
        store._digest_of_environment.cache_clear()


def test_a_head_that_says_something_else_is_no_danger(folder, work):
    """Only the owner can do this: a file with a right checksum that is no artefact."""
    assert again(work)
    kept = store.store()
    names = [path.stem for path in files(folder)]
    head = json.dumps({"constants": []}).encode()
    for name in names:
        kept.put(name, len(head).to_bytes(8, "little") + head)
    jitted = wg.jit(elementwise, wait=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):
            np.testing.assert_allclose(jitted(X), elementwise(X))
