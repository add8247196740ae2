"""``wg.jit`` itself: nesting with the verbs, threads, processes, and what happens when it fails."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import warnings
from typing import Any

import numpy as np
import pytest
from jitted_calls import agree, same

import wengert as wg
import wengert.compile
from support import transform
from wengert.compile import lower
from wengert.errors import CompileError, DtypeError, JitWarning

X = np.array([1.0, -2.0, 3.0])


def f(x: Any) -> Any:
    s = np.sum(np.sin(x) * x)
    return s * x[0] if s > 0 else s / x[1]


def g(x: Any, y: Any) -> Any:
    return np.tanh(x @ y) * x


@wg.jit
def fibonacci(n: int) -> Any:
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


jitted = wg.jit(f)


def repeatedly(function: Any, *args: Any) -> None:
    for _ in range(3):
        same(function(*args), function.function(*args))


VERBS: dict[str, Any] = {
    "grad": wg.grad,
    "value_and_grad": wg.value_and_grad,
    "hessian": wg.hessian,
    "jacrev": wg.jacrev,
    "jacfwd of grad": lambda h: wg.jacfwd(wg.grad(h)),
    "third": lambda h: wg.jacobian(wg.hessian(h)),
    "jvp": lambda h: lambda x: wg.jvp(h, (x,), (x[::-1],)),
    "vjp": lambda h: lambda x: wg.vjp(h, x)[1](2.0),
    "linearize": lambda h: lambda x: wg.linearize(h, x)[1](x),
    "hvp": lambda h: lambda x: wg.hvp(h, x, x),
}


@pytest.mark.parametrize("name", VERBS)
def test_around_and_inside_the_verbs(name: str) -> None:
    verb = VERBS[name]
    rng = np.random.default_rng(5)
    inside, both = wg.jit(verb(f), wait=True), wg.jit(verb(jitted), wait=True)
    for _ in range(4):
        x = rng.normal(size=3)
        wanted = verb(f)(x)
        for function in (verb(jitted), inside, both):
            same(function(x), wanted, 1e-8)


def test_vmap() -> None:
    a, b = np.random.default_rng(6).normal(size=(2, 4, 3))
    wanted = wg.vmap(g)(a, b)
    inner = wg.jit(g)
    for _ in range(2):
        same(wg.vmap(inner)(a, b), wanted)
        same(wg.jit(wg.vmap(inner), wait=True)(a, b), wanted)
    same(wg.jacobian(wg.vmap(inner))(a, b), wg.jacobian(wg.vmap(g))(a, b), 1e-9)


def test_inside_loops() -> None:
    step = wg.jit(lambda c: np.sin(c) + 1)

    def loop(c: Any, xs: Any) -> Any:
        return wg.scan(lambda c, x: (step(c) * x, c), c, xs)

    agree(loop, (1.0, X))
    same(
        wg.jit(wg.grad(lambda c: loop(c, X)[0]))(1.0), wg.grad(lambda c: loop(c, X)[0])(1.0), 1e-10
    )


def test_values_of_an_enclosing_derivative() -> None:
    def outer(t: Any) -> Any:
        return wg.jit(lambda y: np.sum(y * t))(np.arange(3.0))

    for _ in range(2):
        same(wg.grad(outer)(2.0), np.float64(3.0))


def test_recursion() -> None:
    assert [int(fibonacci(n)) for n in range(8)] == [0, 1, 1, 2, 3, 5, 8, 13]


def test_threads() -> None:
    function = wg.jit(f)
    errors: list[BaseException] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        try:
            for _ in range(100):
                x = rng.normal(size=3)
                same(function(x), f(x))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert "native" in function.wait().report()


def test_pickling_and_copying() -> None:
    assert pickle.loads(pickle.dumps(fibonacci)) is fibonacci
    assert copy.deepcopy(fibonacci) is fibonacci
    again = pickle.loads(pickle.dumps(jitted)) if jitted.__qualname__ != "f" else jitted
    same(again(X), f(X))


def test_other_processes() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert int(pool.apply(fibonacci, (6,))) == 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_child_of_a_fork() -> None:
    busy = [wg.jit(lambda x, n=n: np.sin(x) * n) for n in range(6)]
    for function in busy:
        function(X)
    child = os.fork()
    if child == 0:
        fresh = wg.jit(f)
        fresh(X)
        good = np.allclose(fresh.wait()(X), f(X)) and np.allclose(busy[-1].wait()(X), np.sin(X) * 5)
        os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("pause", [0.0, 0.02, 0.08])
def test_a_fork_while_the_compiler_is_imported(pause: float) -> None:
    program = (
        "import os, signal, time, numpy as np, wengert as wg\n"
        "f = wg.jit(lambda x: np.sin(x) * 2)\n"
        "f(np.ones(3))\n"
        f"time.sleep({pause})\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    signal.alarm(60)\n"
        "    os._exit(0 if np.allclose(f.wait()(np.ones(3)), 2 * np.sin(1)) else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=100)


def test_a_fault_of_the_compiler_is_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise CompileError("equation 2 (sin) has no code")

    monkeypatch.setattr(wengert.compile, "build", broken)
    function = wg.jit(f, wait=True)
    function(X)
    with pytest.warns(JitWarning, match="equation 2") as caught:
        repeatedly(function, X)
    assert len(caught) == 1


def test_the_warning_names_the_equation(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("moon")

    monkeypatch.setattr(lower.Lowering, "_step", broken)
    function = wg.jit(lambda x: np.sort(np.sin(x)) * 2, wait=True)
    function(X)
    with pytest.warns(JitWarning, match=r"KeyError.*f64\[3\] = sort.*lower") as caught:
        repeatedly(function, X)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_without_llvmlite_there_is_one_notice() -> None:
    program = (
        "import sys; sys.modules['llvmlite'] = None\n"
        "import numpy as np, wengert as wg, warnings\n"
        "warnings.simplefilter('always')\n"
        "for f in (wg.jit(np.sin, wait=True), wg.jit(wg.grad(np.sin))):\n"
        "    print([float(f(0.0)) for _ in range(20)] == [float(f(0.0))] * 20, f.wait() is f)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "True True\nTrue True\n"
    assert ran.stderr.count("JitWarning") == ran.stderr.count("llvmlite`") == 1


def test_without_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any) -> Any:
        raise ImportError("No module named 'llvmlite'")

    monkeypatch.setattr(wengert.compile, "build", missing)
    monkeypatch.setattr(sys.modules["wengert.jit.jitted"], "_NOTICES", [])
    with pytest.warns(JitWarning, match="llvmlite") as caught:
        repeatedly(wg.jit(f, wait=True), X)
    assert len(caught) == 1
    repeatedly(wg.jit(g, wait=True), X, X)


def test_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_JIT", "0")
    function = wg.jit(f)
    same(function(X), f(X))
    assert not function.paths()


def test_what_cannot_be_traced_warns_once() -> None:
    function = wg.jit(lambda x: transform(x).real)
    with pytest.warns(JitWarning, match="transform") as caught:
        repeatedly(function, X)
    assert len(caught) == 1


def test_changing_shapes_do_not_pile_up() -> None:
    function = wg.jit(lambda x: x * 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n in range(400):
            same(function(np.ones(n)), 2 * np.ones(n))
    assert len(function.paths()) <= 256


def test_the_results_of_native_code_are_used() -> None:
    function = wg.jit(f, wait=True)
    for _ in range(40):
        same(function(X), f(X))
    assert "1 path\n" in function.report()
    assert function._fast != function._general
    function.clear()
    assert not function.paths()


def test_kinds_of_functions() -> None:
    assert wg.jit(f).__name__ == "f"
    assert "f" in repr(wg.jit(f))
    same(wg.jit(np.sin)(X), np.sin(X))
    with pytest.raises(TypeError):
        wg.jit(3.0)  # type: ignore[call-overload]
    with pytest.raises(DtypeError):
        wg.jit(wg.grad(f))(np.arange(3))


def test_generators_and_other_results_run_as_they_are() -> None:
    with pytest.warns(JitWarning, match="generator"):
        assert list(wg.jit(lambda x: (v for v in (x, 2)))(1.0)) == [1.0, 2]
