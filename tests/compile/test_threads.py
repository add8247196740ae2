"""Large loops on several threads: the same results, bit by bit, however many there are."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from functools import cache

import numpy as np
import pytest
import threadpoolctl

import wengert as wg
from wengert.compile import build, kernels, threads
from wengert.compile.emit import PARALLEL
from wengert.forks import compiling

pytestmark = pytest.mark.skipif(not threads.SEVERAL, reason="no threads here")

PART = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
CALL = ctypes.CFUNCTYPE(None, PART, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


@pytest.fixture(autouse=True)
def _several():
    """Four threads, on whatever machine."""
    threads.set_num_threads(4)
    yield
    threads.set_num_threads(None)


@pytest.fixture
def divided(monkeypatch):
    """Kernels are divided from a few elements on."""
    monkeypatch.setattr(kernels, "LARGE", 1)
    monkeypatch.setattr(kernels, "CHUNK", 1)
    monkeypatch.setattr(kernels, "PARTIAL", 1e9)


def chunks(size, chunk, body=None):
    """Call a part of Python's for chunks; which were called, and by which threads."""
    found, by = [], set()

    def part(_, start, stop):
        found.append((start, stop))
        by.add(threading.get_ident())
        if body:
            body(start, stop)

    CALL(threads.address())(PART(part), None, size, chunk)
    return sorted(found), by


def same(found, wanted):
    """Equal to the bit."""
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert one.tobytes() == other.tobytes()


def steady(function, *args, rtol=1e-12):
    """The same for any number of threads, and what NumPy computes."""
    native = build(wg.trace(function)(*args))
    first = None
    for number in (1, 2, 3, 4):
        threads.set_num_threads(number)
        found = native.run([np.asarray(arg) for arg in args])
        first = first or found
        same(found, first)
    wanted = function(*args)
    for one, other in zip(first, wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-14)
    return native


# -- chunks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2, 4])
@pytest.mark.parametrize(("size", "chunk"), [(1, 1), (7, 1), (7, 2), (8, 2), (9, 4), (3, 10)])
def test_each_place_is_in_one_chunk(size, chunk, number):
    threads.set_num_threads(number)
    wanted = [(start, min(start + chunk, size)) for start in range(0, size, chunk)]
    assert chunks(size, chunk)[0] == wanted


@pytest.mark.parametrize("number", [1, 2, 3])
def test_no_more_threads_than_allowed_take_part(number):
    threads.set_num_threads(number)
    _, by = chunks(40, 1, lambda *_: time.sleep(0.002))
    assert len(by) == number


def test_one_kernel_after_the_other():
    calls = [[] for _ in range(2000)]
    parts = [
        PART(lambda _, start, stop, mine=mine: mine.extend(range(start, stop))) for mine in calls
    ]
    parallel = CALL(threads.address())
    for part in parts:
        parallel(part, None, 12, 2)
    assert all(sorted(mine) == list(range(12)) for mine in calls)


def test_the_helpers_are_made_once(monkeypatch):
    link = threads.link
    monkeypatch.setattr(threads, "link", lambda *args: time.sleep(0.05) or link(*args))
    monkeypatch.setattr(threads, "_pool", cache(threads._pool.__wrapped__))
    found = []
    callers = [threading.Thread(target=lambda: found.append(threads.address())) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_part_may_divide_its_own_work():
    inner = []
    chunks(4, 1, lambda *_: inner.append(chunks(6, 2)[0]))
    assert inner == [[(0, 2), (2, 4), (4, 6)]] * 4


def test_threads_of_python_share_the_helpers():
    seen = set()

    def one():
        for _ in range(5):
            found, by = chunks(20, 1, lambda *_: time.sleep(0.0005))
            assert len(found) == 20
            seen.update(by)

    callers = [threading.Thread(target=one) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    # Eight callers and the three helpers, which there may have been before.
    assert len(seen) <= 8 + 3


# -- results ---------------------------------------------------------------------------------------

SIZES = [1025, 2047, 2048, 2049, 3072, 5000, 131072 + 1, 140000]


@pytest.mark.parametrize("size", SIZES)
def test_elements_and_sums_of_a_vector(divided, size):
    x = np.random.default_rng(size).random(size) + 0.5
    native = steady(lambda x: (np.exp(x) * np.sin(x), np.sum(np.log(x)), np.max(x * x)), x)
    assert PARALLEL in native.ir


SHAPES = [(2, 3), (3, 1000), (1000, 3), (1, 5000), (5000, 1), (70, 80), (300, 40), (7, 50, 11)]
KERNELS = {
    "elements": lambda A: np.exp(A) * 2.0,
    "elements in another order": lambda A: np.exp(A).T * A.T,
    "sums along the last axis": lambda A: np.sum(np.exp(A) * A, axis=-1),
    "sums along the first axis": lambda A: np.sum(np.exp(A) * A, axis=0),
    "everything at once": lambda A: (A / 3, A.sum(0), A.max(-1), A.min(0), np.prod(A), A.sum()),
    "truth": lambda A: (np.any(A > 1.4, axis=0), np.all(A > 0.6), np.any(A > 1.4)),
    "a softmax": lambda A: np.exp(A) / np.sum(np.exp(A), axis=-1, keepdims=True),
    "backwards": lambda A: np.cumsum(A[::-1], axis=0)[::-1] * np.exp(A),
}


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("shape", SHAPES)
def test_kernels_of_many_kinds(divided, name, shape):
    steady(KERNELS[name], np.random.default_rng(len(name)).random(shape) + 0.5)


UNARY = (np.sin, np.exp, np.sqrt, np.negative, np.square, np.log1p)
BINARY = (np.add, np.multiply, np.subtract, np.maximum)


def random_function(seed):
    """A composition of elementwise functions, reductions and broadcasts of three arguments."""

    def function(A, b, c):
        rng = np.random.default_rng(seed)
        values = [A, b, c]
        results = []
        for _ in range(8):
            one, other = (values[i] for i in rng.integers(len(values), size=2))
            values.append(BINARY[rng.integers(4)](UNARY[rng.integers(6)](np.abs(one)), other))
            if rng.random() < 0.4:
                axis = [None, 0, -1][rng.integers(3)]
                results.append(np.sum(np.tanh(values[-1] * A), axis=axis))
        return (*results, values[-1] * A)

    return function


@pytest.mark.parametrize("seed", range(12))
def test_random_kernels(divided, seed):
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(2, 150, size=2)
    args = rng.random((rows, columns)), rng.random(columns), np.float64(rng.random())
    with np.errstate(all="ignore"):
        steady(random_function(seed), *args, rtol=1e-9)


def test_gradients(divided):
    A, x = np.random.default_rng(0).random((60, 50)), np.linspace(0, 1, 50)
    gradient = wg.value_and_grad(lambda x, A: np.sum(np.tanh(A * x) ** 2) / np.sum(np.exp(A * x)))
    steady(lambda x, A: gradient(x, A), x, A)


def test_complex_numbers_are_moved(divided):
    z = np.random.default_rng(0).random((40, 30)) + 1j
    steady(lambda z, c: (np.broadcast_to(c, (5000,)) + 0, z.T + 0), z, np.complex128(2 - 3j))


def test_kernels_in_loops(divided):
    x = np.random.default_rng(0).random((40, 3000))
    start = np.zeros(3000)
    native = steady(
        lambda s, x: wg.scan(lambda s, r: (s * 0.5 + np.exp(r), np.sum(s * r)), s, x), start, x
    )
    assert PARALLEL in native.ir


def test_the_code_is_the_same_for_any_number_of_threads(divided):
    program = wg.trace(lambda x: (np.exp(x), np.sum(x)))(np.ones(50_000))
    texts = set()
    for number in (1, 2, 4):
        threads.set_num_threads(number)
        texts.add(build(program).ir)
    assert len(texts) == 1


def test_small_kernels_are_not_divided():
    x = np.ones((10_000, 100))
    program = wg.trace(lambda x: wg.scan(lambda s, r: (s + np.exp(r), np.sum(r)), x[0], x))(x)
    assert PARALLEL not in build(program).ir
    assert PARALLEL not in build(wg.trace(lambda x: np.exp(x) + np.sum(x))(x[0])).ir
    assert PARALLEL in build(wg.trace(np.exp)(x)).ir


def test_compiled_functions_in_many_threads(divided):
    x = np.random.default_rng(0).random(20_000)
    native = build(wg.trace(lambda x: (np.exp(x) * np.sin(x), np.sum(np.exp(x))))(x))
    assert PARALLEL in native.ir
    wanted = native.run([x])
    failures = []

    def one():
        for _ in range(50):
            if any(
                a.tobytes() != b.tobytes() for a, b in zip(native.run([x]), wanted, strict=True)
            ):
                failures.append(threading.get_ident())

    callers = [threading.Thread(target=one) for _ in range(12)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not failures


# -- how many --------------------------------------------------------------------------------------


def test_the_number_can_be_set():
    wg.set_num_threads(3)
    assert wg.get_num_threads() == 3
    assert len(chunks(40, 1, lambda *_: time.sleep(0.002))[1]) == 3
    wg.set_num_threads(np.int64(2))
    assert wg.get_num_threads() == 2
    with pytest.raises(wg.errors.ShapeError, match="not 0"):
        wg.set_num_threads(0)
    for number, name in (("x", "a str"), (1.5, "a float")):
        with pytest.raises(wg.errors.DtypeError, match=f"not {name}"):
            wg.set_num_threads(number)
    assert wg.get_num_threads() == 2


def test_setting_the_number_waits_for_no_compilation():
    with Busy():
        begin = time.monotonic()
        wg.set_num_threads(2)
        assert time.monotonic() - begin < 2
        assert threads.get_num_threads() == 2


class Busy:
    """Another thread makes code, for at most ten seconds."""

    def __enter__(self):
        self.begun, self.over = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.work)
        self.thread.start()
        self.begun.wait(20)

    def work(self):
        with compiling:
            self.begun.set()
            self.over.wait(10)

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def test_setting_the_number_loads_no_compiler():
    code = (
        "import sys\nwg.set_num_threads(2)\nprint(wg.get_num_threads(), 'llvmlite' in sys.modules)"
    )
    assert run(code) == ("2 False\n", "")


knows_blas = pytest.mark.skipif(threads._blas() is None, reason="BLAS does not say how many")


@knows_blas
def test_limits_of_threadpoolctl_hold(monkeypatch):
    with threadpoolctl.threadpool_limits(3):
        monkeypatch.setattr(threads, "_blas_at_first", lambda: 3)
        threads.set_num_threads(4)
        assert threads.get_num_threads() == 4
        with threadpoolctl.threadpool_limits(2):
            assert threads.get_num_threads() == 2
            assert len(chunks(40, 1, lambda *_: time.sleep(0.002))[1]) == 2
        assert len(chunks(40, 1, lambda *_: time.sleep(0.002))[1]) == 4


@knows_blas
def test_blas_limits_the_number_by_default(monkeypatch):
    monkeypatch.setattr(threads, "_from_environment", lambda: None)
    monkeypatch.setattr(threads, "_cpus", lambda: 8)
    with threadpoolctl.threadpool_limits(2):
        threads.set_num_threads(None)
        assert threads.get_num_threads() == 2
        assert len(chunks(40, 1, lambda *_: time.sleep(0.002))[1]) == 2


def run(code, **environment):
    """Run Python code in a process of its own; what it prints. It must not complain."""
    unset = {"WENGERT_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"}
    rest = {name: value for name, value in os.environ.items() if name not in unset}
    head = "import os, numpy as np, wengert as wg\nfrom wengert.compile import build, threads\n"
    done = subprocess.run(
        [sys.executable, "-c", head + code],
        env=rest | environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_the_environment_says_how_many():
    code = "print(threads.get_num_threads())"
    assert run(code, WENGERT_NUM_THREADS="3") == ("3\n", "")
    assert run(code, OMP_NUM_THREADS="1", WENGERT_NUM_THREADS="2") == ("2\n", "")
    found, warning = run(code, WENGERT_NUM_THREADS="many")
    assert int(found) >= 1
    assert "'many'" in warning


@knows_blas
def test_one_thread_for_blas_is_one_for_loops():
    assert run("print(threads.get_num_threads())", OMP_NUM_THREADS="1") == ("1\n", "")


# -- processes -------------------------------------------------------------------------------------

WORK = """
x = np.random.default_rng(0).random(300_000)
native = build(wg.trace(lambda x: (np.exp(x) * np.sin(x), np.sum(np.exp(x))))(x))
assert "wengert_parallel" in native.ir
digest = lambda: sum(hash(each.tobytes()) for each in native.run([x]))
wanted = digest()
"""


@pytest.mark.slow(reason="starts processes")
def test_the_end_of_the_interpreter_is_clean():
    busy = """
import threading
def forever():
    while True:
        digest()
for _ in range(3):
    threading.Thread(target=forever, daemon=True).start()
digest()
"""
    assert run(WORK + busy, WENGERT_NUM_THREADS="4") == ("", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_the_child_of_a_fork_has_helpers_of_its_own():
    fork = """
import threading, warnings
warnings.simplefilter("ignore")
stop = False
def others():
    while not stop:
        digest()
callers = [threading.Thread(target=others) for _ in range(2)]
for caller in callers:
    caller.start()
import sys
for _ in range(20):
    child = os.fork()
    if not child:
        right = digest() == wanted and digest() == wanted
        tasks = len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 4
        os._exit(0 if right and tasks >= 4 else 1)
    assert os.waitpid(child, 0)[1] == 0
stop = True
for caller in callers:
    caller.join()
"""
    assert run(WORK + fork, WENGERT_NUM_THREADS="4") == ("", "")


@pytest.mark.slow(reason="starts processes")
def test_processes_that_are_spawned(tmp_path):
    path = tmp_path / "spawned.py"
    path.write_text(
        "import multiprocessing, os\nimport numpy as np, wengert as wg\n"
        "from wengert.compile import build\n"
        f"def f(_):\n{''.join(f'    {line}{chr(10)}' for line in WORK.splitlines())}"
        "    return [float(np.sum(each)) for each in native.run([x])]\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(2) as pool:\n"
        "        first, second = pool.map(f, range(2))\n"
        "    assert first == second == f(0)\n"
    )
    done = subprocess.run([sys.executable, path], capture_output=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="no list of threads here")
def test_helpers_leave_signals_to_python():
    chunks(40, 1, lambda *_: time.sleep(0.002))
    known = {thread.native_id for thread in threading.enumerate()}
    blocked = []
    for task in os.listdir("/proc/self/task"):
        if int(task) in known:
            continue
        with open(f"/proc/self/task/{task}/status") as status:
            masks = [line.split()[1] for line in status if line.startswith("SigBlk")]
        blocked.append(int(masks[0], 16) >> 1 & 1)  # SIGINT is number 2
    assert sum(blocked) >= 3
