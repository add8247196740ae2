"""Traces in several threads at once do not see each other, and a failure leaves nothing behind."""

import threading

import numpy as np
import pytest

import wengert as wg


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
