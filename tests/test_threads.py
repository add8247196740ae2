"""Traces in several threads at once do not see each other, and a failure leaves nothing behind."""

import math
import os
import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import wengert as wg
from support import slow
from wengert.trace import filled
from wengert.trace.base import FILLED


@pytest.mark.parametrize("seconds", [1, slow(40, reason="runs for its time")])
def test_nothing_is_noticed_in_a_crowd_of_threads(seconds):
    """Half of them differentiate, the others compute, import and fork: see ``crowd.py``."""
    program = Path(__file__).with_name("crowd.py")
    ended = subprocess.run(
        [sys.executable, str(program), str(seconds)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.stdout.startswith("0 errors"), ended.stdout + ended.stderr


def test_eight_threads_differentiate_at_once():
    barrier = threading.Barrier(8)
    failures = []

    def work(seed):
        rng = np.random.default_rng(seed)
        a = rng.standard_normal((5, 5))
        x = rng.standard_normal(5)
        f = lambda x: np.sum(np.tanh(a @ x) ** 2) * seed  # noqa: E731
        barrier.wait()
        for _ in range(50):
            y = np.tanh(a @ x)
            wanted = seed * (a.T @ (2 * y * (1 - y**2)))
            found = [
                wg.grad(f)(x),
                wg.jacfwd(f)(x),
                wg.grad(lambda x: wg.grad(f)(x) @ x)(x) - wg.hessian(f)(x) @ x,
            ]
            if not all(np.allclose(g, wanted, rtol=1e-10, atol=1e-12) for g in found):
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_threads_share_a_large_constant_array():
    data = np.ones((200, 50))
    barrier = threading.Barrier(4)
    results = []

    def work():
        barrier.wait()
        for _ in range(30):
            results.append(wg.grad(lambda w: np.sum(data @ w))(np.zeros(50)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(g, np.full(50, 200.0)) for g in results)
    data[0, 0] = 2.0  # is writable again


@pytest.mark.parametrize("verb", [wg.grad, wg.jacfwd, wg.hessian, lambda f: wg.vmap(f)])
def test_an_exception_in_the_function_leaves_no_state(verb):
    def fails(x):
        np.sum(x * np.ones(10_000)[: x.size])
        raise KeyError("mine")

    x = np.arange(3.0)
    for _ in range(3):
        with pytest.raises(KeyError, match="mine"):
            verb(fails)(x)
    assert np.array_equal(wg.grad(lambda x: np.sum(x * x))(x), 2 * x)


def test_an_exception_makes_protected_arrays_writable_again():
    data = np.ones(10_000)

    def fails(x):
        np.sum(x * data)
        raise KeyError("mine")

    with pytest.raises(KeyError):
        wg.grad(fails)(np.ones(10_000))
    data[0] = 5.0
    assert data[0] == 5.0


@pytest.fixture
def often():
    """Threads take turns often."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def by_pool(x):
    total = np.zeros(len(x))
    rows = np.zeros((len(x), 2))

    def work(i):
        total[i] = np.sin(x[i]) * x[i]
        rows[i][1] = total[i] * 1.5
        for _ in range(3):
            total[i] = total[i] * 1.5
        rows[i, 0] = 2.0 if i % 2 else total[i]

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(len(x))))
    return total.sum() + rows.sum()


@pytest.mark.parametrize(
    "verb",
    [
        wg.grad,
        lambda f: wg.jit(wg.grad(f), wait=True),
        lambda f: lambda x: wg.jacfwd(f)(x),
        lambda f: wg.grad(lambda x: wg.grad(f)(x) @ np.ones(len(x)) / 1e9 + f(x)),
    ],
    ids=["grad", "jit", "jacfwd", "nested"],
)
@pytest.mark.usefixtures("often")
def test_a_thread_pool_may_work_for_a_traced_function(verb):
    """No assignment to an element is lost to that of another thread."""
    x = np.linspace(0.1, 1.0, 30)
    factor = 1.5**3 + 1.5 + np.where(np.arange(30) % 2, 0.0, 1.5**3)
    assert np.allclose(verb(by_pool)(x), factor * (np.cos(x) * x + np.sin(x)), rtol=1e-6)


def start(*works):
    """Run functions in threads at once, and give the errors that they raised."""
    errors = []
    barrier = threading.Barrier(len(works))

    def run(work):
        barrier.wait(20)
        try:
            work()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


@pytest.mark.parametrize("held", [True, False], ids=["views", "indices"])
@pytest.mark.usefixtures("often")
def test_threads_have_rows_of_one_array(held):
    """Some are given traced values, some numbers; a thread waits where it has to."""
    buffer = np.zeros((6, 50))
    rows = list(buffer)

    def row(i):
        return rows[i] if held else buffer[i]

    def traced(i):
        def f(t):
            own = row(i)
            own[:] = 0
            own[3] = math.sin(t)
            own[4] = 2.0
            return own.sum() * t

        for _ in range(20):
            slope = wg.grad(f)(0.5)
            assert abs(slope - (math.cos(0.5) * 0.5 + math.sin(0.5) + 2)) < 1e-14
            assert buffer[i, 3] == math.sin(0.5)

    def plain(i):
        for k in range(200):
            own = row(i)
            own[:] = k
            own[5] = math.sin(k)
            total = own.sum()
            assert type(total) is np.float64
            assert total == np.append(np.full(49, float(k)), math.sin(k)).sum() or np.isclose(
                total, 49 * k + math.sin(k), rtol=1e-13
            )

    works = [lambda i=i: (traced if i % 2 else plain)(i) for i in range(6)]
    assert start(*works) == []
    assert type(buffer) is np.ndarray
    assert buffer.dtype == float


def test_a_thread_reads_numbers_where_another_one_has_given_traced_values():
    """It waits for the end of the trace, and does not see a traced value."""
    shared = np.arange(4.0)
    given, sums = threading.Event(), []

    def f(t):
        shared[1] = t * 2
        given.set()
        threading.Event().wait(0.05)
        return shared.sum()

    def read():
        given.wait(20)
        sums.append(shared.sum())

    assert start(lambda: wg.grad(f)(3.0), read) == []
    assert sums == [11.0]
    assert type(sums[0]) is np.float64


def test_threads_that_wait_for_each_other_get_an_error():
    one, two = np.zeros(2), np.zeros(2)
    barrier = threading.Barrier(2)

    def crossing(mine, other):
        def f(t):
            mine[0] = t
            barrier.wait(20)
            return mine.sum() + other.sum()

        return wg.grad(f)(1.0)

    errors = start(lambda: crossing(one, two), lambda: crossing(two, one))
    assert len(errors) == 1
    assert isinstance(errors[0], wg.errors.TracedArrayError)
    assert "another thread" in str(errors[0])
    assert one.tolist() == two.tolist() == [1.0, 0.0]


def test_a_thread_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(filled, "WAIT", 0.02)
    shared = np.zeros(2)

    def f(t):
        shared[0] = t
        errors.extend(start(lambda: shared.sum()))
        return shared.sum()

    errors = []
    assert wg.grad(f)(1.0) == 1.0
    assert "an array for each thread" in str(errors[0])


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no timer here")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # in a callback
def test_an_interrupt_at_any_moment_leaves_nothing_behind():
    chosen = random.Random(0)
    large, outside = np.ones(20_000), np.arange(6.0)

    def interrupt(*_):
        raise KeyboardInterrupt

    def f(x):
        table = np.zeros((3, 2))
        row, part = table[1], outside[1:4]
        table[0] = x
        row[1] = math.sin(x[0])
        outside[2] = x[1] * 2
        part[0] = x[0]
        return table.sum() + outside.sum() + np.sum(large * x[0])

    run = wg.grad(lambda x: wg.grad(f)(x) @ x + f(x))
    point = np.array([0.5, 1.0])
    wanted, interrupted = run(point), 0
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(200):
            outside[:] = np.arange(6.0)
            try:
                signal.setitimer(signal.ITIMER_REAL, chosen.uniform(1e-4, 3e-3))
                run(point)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupted += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
            assert type(outside) is np.ndarray
            assert outside.dtype == float
            assert outside.tolist() in ([0, 1, 2, 3, 4, 5], [0, 0.5, 2, 3, 4, 5])
            assert large.flags.writeable
    finally:
        signal.signal(signal.SIGALRM, before)
    assert interrupted
    assert not FILLED
    assert np.array_equal(run(point), wanted)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_can_use_what_threads_of_its_parent_were_at():
    """Arrays that were given traced values have numbers in it, and large ones can be written to."""
    large, outside = np.ones(20_000), np.arange(4.0)
    reached, forked = threading.Event(), threading.Event()

    def f(t):
        outside[1] = t * 2
        total = np.sum(large * t)
        reached.set()
        forked.wait(20)
        return total + outside.sum()

    def fork():
        reached.wait(20)
        child = os.fork()
        if child == 0:
            good = 1
            try:
                large[0] = 2.0
                good = 0 if outside.tolist() == [0, 6, 2, 3] and type(outside) is np.ndarray else 2
            finally:
                os._exit(good)
        forked.set()
        assert os.waitpid(child, 0)[1] == 0

    assert start(lambda: wg.grad(f)(3.0), fork) == []
    assert outside.tolist() == [0, 6, 2, 3]
