"""What comes back from the verbs belongs to the caller: never to a trace that has ended."""

import dataclasses
import types
import warnings
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import JitWarning, WengertError
from wengert.primitive import Traced

X = np.array([0.3, 0.8])


@dataclasses.dataclass
class Pair:
    moving: Any
    fixed: Any = dataclasses.field(default=None, metadata={"static": True})


def left_behind(verb):
    """A traced value that a function kept while ``verb`` ran it."""
    kept = []
    verb(lambda x: (kept.append(x), x * x)[1])
    return kept[0]


MAKERS = {
    "nested": lambda x: (x, [x, {"a": x}]),
    "a dataclass": Pair,
    "a static field": lambda x: Pair(x, x),
    "an array of objects": lambda x: np.array([x, x + 1]),
    "a mixed array": lambda x: np.array([x, None, "a"], dtype=object),
    "a namespace": lambda x: types.SimpleNamespace(a=x),
    "one of grad": lambda x: left_behind(lambda f: wg.grad(f)(1.0)),
    "one of jvp": lambda x: (x, left_behind(lambda f: wg.jvp(f, (1.0,), (1.0,)))),
    "one of vmap": lambda x: [left_behind(lambda f: wg.vmap(f)(X))],
    "one in an array": lambda x: np.array([left_behind(lambda f: wg.grad(f)(1.0)), 1.0]),
}

VERBS = {
    "aux of grad": lambda f: wg.grad(lambda x: (x * x, f(x)), has_aux=True)(2.0),
    "aux of jvp": lambda f: wg.jvp(lambda x: (x * x, f(x)), (2.0,), (1.0,), has_aux=True),
    "aux of vjp": lambda f: wg.vjp(lambda x: (x * x, f(x)), 2.0, has_aux=True)[2],
    "aux of linearize": lambda f: wg.linearize(lambda x: (x * x, f(x)), 2.0, has_aux=True)[2],
    "aux of jacobian": lambda f: wg.jacobian(lambda x: (x * x, f(x)), has_aux=True)(2.0),
    "aux of hessian": lambda f: wg.hessian(lambda x: (x * x, f(x)), has_aux=True)(2.0),
    "aux of vmap of grad": lambda f: wg.vmap(wg.grad(lambda x: (x * x, f(x)), has_aux=True))(X),
    "aux of jit of grad": lambda f: wg.jit(wg.grad(lambda x: (x * x, f(x)), has_aux=True))(2.0),
    "aux of grad of jit": lambda f: wg.grad(wg.jit(lambda x: (x * x, f(x))), has_aux=True)(2.0),
    "grad": lambda f: wg.grad(f)(2.0),
    "jvp": lambda f: wg.jvp(f, (2.0,), (1.0,)),
    "vjp": lambda f: wg.vjp(f, 2.0)[0],
    "linearize": lambda f: wg.linearize(f, 2.0)[0],
    "jacobian": lambda f: wg.jacobian(f)(2.0),
    "vmap": lambda f: wg.vmap(f)(X),
    "jit": lambda f: [g(2.0) for g in [wg.jit(f, wait=True)] for _ in range(3)],
    "scan": lambda f: wg.scan(lambda c, x: (c, f(x)), 1.0, X),
    "fori_loop": lambda f: wg.fori_loop(0, 2, lambda i, c: f(c), 1.0),
    "cond": lambda f: wg.cond(True, f, f, 1.0),
    "cond in vmap": lambda f: wg.vmap(lambda x: wg.cond(x > 0.5, f, f, x))(X),
    "switch": lambda f: wg.switch(0, [f, f], 1.0),
}


def traced_in(value):
    if isinstance(value, Traced):
        return True
    if isinstance(value, np.ndarray):
        return value.dtype.hasobject and any(map(traced_in, value.flat))
    if isinstance(value, dict):
        return any(map(traced_in, value.values()))
    if isinstance(value, list | tuple):
        return any(map(traced_in, value))
    return hasattr(value, "__dict__") and any(map(traced_in, vars(value).values()))


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("maker", MAKERS)
def test_no_verb_returns_a_traced_value(maker, verb):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", JitWarning)
        try:
            result = VERBS[verb](MAKERS[maker])
        except (WengertError, TypeError, ValueError):
            return
    assert not traced_in(result)


def test_traced_values_of_the_caller_are_returned():
    def f(x):
        value, aux = wg.jvp(lambda y: (y * x, {"x": x}), (2.0,), (1.0,), has_aux=True)[1:]
        return wg.cond(True, lambda: value, lambda: value) * aux["x"]

    assert wg.grad(f)(3.0) == 6.0
    assert wg.grad(lambda x: wg.jit(lambda y: x * y)(x))(3.0) == 6.0


def test_iterators_write_into_traced_arrays():
    def iterated(x):
        y = x * 1.0
        with np.nditer(y, op_flags=["readwrite"]) as it:
            for v in it:
                v[...] = v * v
        return np.sum(y)

    def indexed(x):
        y = x * 1.0
        for i, v in enumerate(y.flat):
            y.flat[i] = v * v
        for i in np.ndindex(*y.shape):
            y[i] *= 2.0
        return np.sum(y)

    x = np.ones((2, 3))
    np.testing.assert_array_equal(wg.grad(iterated)(x), 2 * x)
    np.testing.assert_array_equal(wg.grad(indexed)(x), 4 * x)


def test_annotations_are_not_evaluated() -> None:
    names: dict[str, Any] = {"Later": float, "np": np}
    exec("def f(x: Later, n: Later) -> Later:\n    return x**n\n", names)
    del names["Later"]  # as after `if TYPE_CHECKING:`; from Python 3.14 on nobody has read it yet
    f = names["f"]
    assert wg.jit(wg.grad(f), static_argnames="n")(2.0, 3) == wg.grad(f)(2.0, 3) == 12.0
    assert wg.explain(f, 2.0, 3.0).title == "f(x, n)"
    rule = wg.custom_jvp(f, nondiff_argnums=1)
    rule.defjvp(lambda n, xs, ts: (xs[0] ** n, n * xs[0] ** (n - 1) * ts[0]))
    assert wg.grad(rule)(2.0, n=3) == 12.0
