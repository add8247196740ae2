"""Eight threads at once: ``python tests/crowd.py SECONDS`` prints what went wrong among them.

Half of them differentiate, with filled arrays, ``vmap``, ``jit``, exceptions, nested traces,
suspended generators and asyncio. The others run plain NumPy, ``math`` and SciPy, import modules,
and fork. Afterwards everything is as it was before the first derivative. ``test_threads.py`` runs
this in a process of its own, where no derivative was computed before.
"""

from __future__ import annotations

import asyncio
import cmath
import importlib
import inspect
import math
import os
import pickle
import random
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import wengert as wg
from wengert.trace.base import FILLED

IMPORTED = "statistics scipy.special scipy.stats scipy.signal scipy.interpolate fractions".split()

FUNCTIONS: list[Any] = [
    *(math.sin, math.log, math.hypot, math.fsum, cmath.exp, float, complex, np.float64),
    *(np.array, np.asarray, np.zeros, np.arange, np.ndarray.dot, np.ndarray.sum),
]

SHARED = np.linspace(0.1, 2.0, 9000)  # large: protected while a derivative uses it
ROWS = np.zeros((16, 6))
MATRIX = np.array([[2.0, 0.5, 0.1], [0.5, 3.0, 0.2], [0.1, 0.2, 4.0]])

errors: list[str] = []
calls: dict[str, int] = {}


# -- threads that differentiate --------------------------------------------------------------------


def filled(t: Any) -> Any:
    table = np.zeros((3, 2))
    row = table[1]
    table[0] = t
    row[1] = math.sin(t)
    table[2] = np.array([float(t), 2.0]) * MATRIX[0, :2]
    return table.sum() + MATRIX.dot(np.array([t, 1.0, t * t]))[0]


def filled_slope(t: float) -> float:
    return 2 + math.cos(t) + 2.0 + 2.0 + 0.2 * t


def close(one: Any, other: Any) -> None:
    assert np.allclose(one, other, rtol=1e-12, atol=1e-13), (one, other)


def gradients(k: int) -> None:
    t = 0.2 + k % 7 / 10
    close(wg.grad(filled)(t), filled_slope(t))
    x = np.array([t, 0.3, 0.5])
    close(wg.grad(lambda x: np.sum(SHARED) * x @ MATRIX @ x)(x), 2 * SHARED.sum() * MATRIX @ x)


def batches(k: int) -> None:
    ts = np.linspace(0.1, 1.0 + k % 3, 5)
    close(wg.vmap(filled)(ts), [filled(float(t)) for t in ts])
    close(wg.vmap(wg.grad(filled))(ts), list(map(filled_slope, ts.tolist())))


compiled = wg.jit(wg.grad(filled))


def native(k: int) -> None:
    close(compiled(0.1 + k % 11 / 10), filled_slope(0.1 + k % 11 / 10))


def nested(k: int) -> None:
    t = 0.3 + k % 5 / 10
    close(wg.grad(wg.grad(filled))(t), -math.sin(t) + 0.2)
    close(
        wg.grad(lambda t: wg.grad(lambda s: filled(s) * t)(t))(t),
        filled_slope(t) + t * (0.2 - math.sin(t)),
    )


class MineError(Exception):
    pass


def failures(k: int) -> None:
    kind = (MineError, KeyboardInterrupt, ZeroDivisionError)[k % 3]
    outside = np.arange(4.0)

    def fails(t: Any) -> Any:
        outside[k % 4] = t * 2
        if k % 2:
            wg.grad(lambda s: outside.sum() * s)(t)
        np.sum(SHARED * t)
        raise kind

    try:
        wg.grad(fails)(0.5)
    except kind:
        pass
    else:
        raise AssertionError("not raised")
    expected = np.arange(4.0)
    expected[k % 4] = 1.0
    assert type(outside) is np.ndarray
    assert outside.tobytes() == expected.tobytes()


def suspended(k: int) -> None:
    def generator(x: Any) -> Iterator[Any]:
        part = np.zeros(3)
        for i in range(3):
            part[i] = x * i if i != 1 else math.exp(x)
            yield part

    left: list[Any] = []

    def f(x: Any) -> Any:
        gen = generator(x)
        next(gen)
        first = next(gen)[1]
        left.append(gen)
        return first

    close(wg.grad(f)(0.25), math.exp(0.25))
    plain = list(generator(0.5))
    assert plain[-1].tobytes() == np.array([0.0, math.exp(0.5), 1.0]).tobytes()
    left[0].close()


def tasks(k: int) -> None:
    async def one(i: int) -> None:
        await asyncio.sleep(0)
        close(wg.grad(filled)(0.1 * i + 0.1), filled_slope(0.1 * i + 0.1))
        made = np.array([math.sin(i), float(i)])
        await asyncio.sleep(0)
        assert type(made) is np.ndarray
        assert made.tolist() == [math.sin(i), float(i)]

    async def all_of_them() -> None:
        await asyncio.gather(*map(one, range(4)))

    asyncio.run(all_of_them())


def own_rows(k: int) -> None:
    """Rows of an array of which other threads use other rows."""
    row = ROWS[_row()]

    def f(t: Any) -> Any:
        row[:] = 0
        row[2] = math.sin(t)
        return row.sum() * t

    close(wg.grad(f)(0.5), math.cos(0.5) * 0.5 + math.sin(0.5))
    assert ROWS[_row(), 2] == math.sin(0.5)


# -- threads that do not ---------------------------------------------------------------------------


def numerics() -> Any:
    a = np.linspace(0.1, 3.0, 30).reshape(5, 6)
    made = np.array([[math.cos(v), -math.sin(v)] for v in a[0].tolist()])
    made[1] = [float(made[0, 0]), 2]
    table = np.zeros((4, 3), order="F")
    table[1:3] = np.asarray([1, 2, 3], dtype=float)
    return (
        (
            made.sum(axis=0),
            a.dot(a.T),
            np.linalg.solve(MATRIX, made[:3]),
            a.std(),
            table,
            table[::2],
        ),
        (np.sort(a, axis=None)[::-1], np.einsum("ij,kj->ik", a, a), a.take([3, 1]), SHARED.sum()),
        (
            np.array(["a", None], dtype=object),
            np.float32(1.5),
            np.array([1, 2], dtype=np.int8) << 2,
        ),
        [
            math.fsum(a.ravel()),
            math.hypot(3, 4, 5),
            cmath.sqrt(-2),
            complex("1+2j"),
            float("1e300"),
        ],
        [
            error_of(lambda: math.sqrt(-1)),
            error_of(lambda: np.zeros(3)[4]),
            error_of(lambda: float(a)),
        ],
        [f"{np.float64(math.pi):.3f}", repr(np.arange(3.0)), sum([0.1] * 7)],
    )


def error_of(call: Callable[[], Any]) -> tuple[str, str]:
    try:
        call()
    except Exception as error:
        return type(error).__name__, str(error)
    raise AssertionError("no error")


def scientific() -> Any:
    from scipy import integrate, linalg, optimize, sparse

    sparse_matrix = sparse.csr_matrix(MATRIX)
    solution = integrate.solve_ivp(lambda t, y: [y[1], -math.sin(y[0])], (0, 2), [0.1, 0.0])
    return (
        (linalg.expm(MATRIX), linalg.lu(MATRIX), sparse_matrix @ np.ones(3), solution.y),
        optimize.minimize(lambda x: (x[0] - 1) ** 2 + math.cosh(x[1]), [3.0, 2.0]).x,
        optimize.brentq(lambda t: math.cos(t) - t, 0, 1),
        integrate.quad(lambda t: math.exp(-t * t), 0, 1),
    )


def imported() -> Any:
    """What modules compute that were imported while others differentiated."""
    from statistics import fmean, stdev

    from scipy import interpolate, signal, special, stats

    x = np.linspace(0.1, 1.0, 8)
    return (
        (stats.norm.logpdf(x), stats.beta.ppf(x[:-1], 2, 3), special.gammaln(x), special.jv(1, x)),
        (signal.lfilter([1, 0.5], [1, -0.2], x), interpolate.CubicSpline(x, x**2)(0.33)),
        (fmean(x.tolist()), stdev(x.tolist()), stats.linregress(x, x**2).slope),
    )


def bits(value: Any) -> Any:
    """Types, dtypes, shapes, strides and every bit of a nesting of results."""
    if isinstance(value, (tuple, list)):
        return [type(value).__name__, *map(bits, value)]
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        return [type(value), value.shape, repr(value)]
    if isinstance(value, (np.ndarray, np.generic)):
        return [type(value), value.dtype.str, value.shape, value.strides, value.tobytes()]
    return [type(value), repr(value)]


def check_rows() -> None:
    row = ROWS[_row()]
    for k in range(20):
        row[:] = k
        row[1] = math.sin(k)
        total = row.sum()
        assert type(total) is np.float64
        assert total == np.array([k, math.sin(k), k, k, k, k]).sum(), total


def fork() -> None:
    if not hasattr(os, "fork"):
        return
    child = os.fork()
    if child == 0:
        status = 1
        try:
            own = np.array([math.sin(0.5), 2.0])
            good = type(own) is np.ndarray and own[0] == math.sin(0.5)
            good = good and bits(numerics()) == expected["numerics"]
            good = good and type(ROWS.sum()) is np.float64 and type(ROWS) is np.ndarray
            good = good and SHARED.flags.writeable
            good = good and abs(wg.grad(filled)(0.4) - filled_slope(0.4)) < 1e-12
            status = 0 if good else 2
        finally:
            os._exit(status)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0, f"a child of a fork ended with {status}"
            return
        time.sleep(0.005)
    os.kill(child, 9)
    os.waitpid(child, 0)
    raise AssertionError("a child of a fork hangs")


# -- all of them -----------------------------------------------------------------------------------

expected: dict[str, Any] = {}
_places = threading.local()


def _row() -> int:
    return int(_places.row)


def repeat(place: int, end: float, actions: list[Callable[[int], None]]) -> None:
    """Do all of these again and again, until the time is over."""
    _places.row = place
    chosen = random.Random(place)
    k = 0
    try:
        ready.wait(60)
        while k == 0 or time.monotonic() < end:
            for action in chosen.sample(actions, len(actions)):
                k += 1
                action(k)
                time.sleep(0.001)  # for the others
                name = action.__name__
                calls[name] = calls.get(name, 0) + 1
    except BaseException:
        errors.append(traceback.format_exc())


def plainly(k: int) -> None:
    assert bits(numerics()) == expected["numerics"]


def with_scipy(k: int) -> None:
    assert bits(scientific()) == expected["scientific"]


def rows(k: int) -> None:
    check_rows()


def importing(k: int) -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    values = bits(imported())
    assert expected.setdefault("imported", values) == values


def forking(k: int) -> None:
    fork()


DIFFERENTIATING = [gradients, batches, native, nested, failures, suspended, tasks, own_rows]
PLAIN = [plainly, with_scipy, rows]


def facts(function: Any) -> tuple[Any, ...]:
    try:
        signature = str(inspect.signature(function))
    except ValueError:
        signature = ""
    return id(function), hash(function), function.__name__, signature, pickle.dumps(function)


def foreign_names() -> list[str]:
    """Names in the modules of NumPy, SciPy and of Python's mathematics that lead to wengert."""
    found: list[str] = []
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in ("numpy", "math", "cmath", "scipy", "statistics", "builtins"):
            for key, value in list(vars(module).items()):
                homes = getattr(value, "__module__", None), type(value).__module__
                if any(str(home).split(".")[0] == "wengert" for home in homes):
                    found.append(f"{name}.{key}")
    return found


ready = threading.Barrier(8)


def main(seconds: float) -> None:
    warnings.simplefilter("ignore")
    sys.setswitchinterval(1e-4)
    before = list(map(facts, FUNCTIONS))
    expected["numerics"] = bits(numerics())
    expected["scientific"] = bits(scientific())
    end = time.monotonic() + seconds
    plans: list[list[Callable[[int], None]]] = [DIFFERENTIATING] * 4
    plans += [PLAIN, PLAIN, [*PLAIN, importing], [plainly, forking]]
    threads = [
        threading.Thread(target=repeat, args=(place, end, plan)) for place, plan in enumerate(plans)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if list(map(facts, FUNCTIONS)) != before:
        errors.append("identity, hash, name, signature or pickle of a function has changed")
    for array in (SHARED, ROWS, MATRIX):
        if type(array) is not np.ndarray or array.dtype != float or not array.flags.writeable:
            errors.append("an array that was shared is not what it was")
    if FILLED or foreign_names():
        errors.append(f"left behind: {dict(FILLED)} {foreign_names()}")
    wg.stand_ins(False)
    if bits(numerics()) != expected["numerics"] or bits(imported()) != expected["imported"]:
        errors.append("without stand-ins there are other results")
    done = ", ".join(f"{name} {times}" for name, times in sorted(calls.items()))
    sys.stdout.write("\n".join([*errors[:3], f"{len(errors)} errors in {done}"]))


if __name__ == "__main__":
    main(float(sys.argv[1]))
