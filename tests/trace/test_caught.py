"""A refusal that the user's code caught is raised again; one that a library caught is not."""

from __future__ import annotations

import array
import contextlib
import fractions
import gc
import importlib.util
import math
import pickle
import struct
import sysconfig
import traceback
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import wengert as wg
from support import transform
from wengert import errors

X = np.float64(1.5)
V = np.array([1.0, 2.0, 3.0])


def in_c(x):
    """What plain numbers take and no traced value does: a number in memory of C's."""
    return array.array("d", [x])[0]


def named(x):
    try:
        return x * in_c(x)
    except TypeError:
        return x


def bare(x):
    try:
        return x * math.sin(array.array("d", [x])[0])
    except:  # noqa: E722
        return x


def any_exception(x):
    try:
        return x * pickle.loads(pickle.dumps(x))
    except Exception:
        return x


def one_of_several(x):
    try:
        return x * np.array(array.array("d", [x, 1.0]))[0]
    except (TypeError, ValueError):
        return x


def suppressed(x):
    y = x
    with contextlib.suppress(TypeError):
        y = x * {1.5: 2.0}[x]
    return y


def assigned(x):
    table = array.array("d", [0.0, 0.0])
    try:
        table[0] = x
    except Exception:
        table[1] = 1.0
    return x * table[0]


def in_a_helper(x):
    def convert(y):
        return array.array("d", [y])[0]

    for _ in range(3):
        try:
            x = x * convert(x)
        except TypeError:
            x = x + 1.0
    return x


def finally_and_raised_from(x):
    try:
        try:
            return x * in_c(x)
        except TypeError as error:
            raise ValueError("no number") from error
        finally:
            x = x + 1.0
    except ValueError:
        return x


def without_a_rule(x):
    try:
        return transform(np.stack([x, x])).real[0]
    except NotImplementedError:
        return x


def in_a_thread(x):
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(in_c, x)
        try:
            return x * future.result()
        except TypeError:
            return x


def packed(x):
    try:
        return x * len(struct.pack("d", x))
    except struct.error:
        return x


CAUGHT = {
    f.__name__: f
    for f in (named, bare, any_exception, one_of_several, suppressed, assigned, in_a_helper)
} | {f.__name__: f for f in (finally_and_raised_from, without_a_rule, in_a_thread, packed)}


@pytest.mark.parametrize("f", CAUGHT.values(), ids=CAUGHT)
def test_a_refusal_that_the_users_code_caught_is_raised_again(f):
    f(X)
    with pytest.raises(errors.REFUSALS) as caught:
        wg.grad(f)(X)
    text = "".join(traceback.format_exception_only(caught.value))
    assert "It was caught at\n  test_caught.py:" in text
    assert "wg.stop_gradient(x)" in text


def converted(x):
    try:
        return x * math.sin(np.asarray([float(x), 1.0], dtype=float)[0])
    except (TypeError, ValueError):
        return x


def test_an_attempt_that_succeeds_is_none_to_speak_of():
    assert wg.value_and_grad(converted)(X) == (converted(X), np.sin(X) + X * np.cos(X))
    assert wg.vmap(converted)(V).tolist() == [converted(v) for v in V]


VERBS = {
    "value_and_grad": lambda f: wg.value_and_grad(f)(X),
    "jvp": lambda f: wg.jvp(f, (X,), (X,)),
    "vjp": lambda f: wg.vjp(f, X),
    "linearize": lambda f: wg.linearize(f, X),
    "jacobian": lambda f: wg.jacobian(f)(X),
    "hessian": lambda f: wg.hessian(f)(X),
    "hvp": lambda f: wg.hvp(f, (X,), (X,)),
    "vmap": lambda f: wg.vmap(f)(V),
    "trace": lambda f: wg.trace(f)(X),
    "explain": lambda f: wg.explain(f, X),
    "scan": lambda f: wg.scan(lambda c, y: (c + f(y), None), X, V),
    "map": lambda f: wg.map(f, V),
    "cond": lambda f: wg.vmap(lambda y: wg.cond(y > 0.0, f, f, y))(V),
    "while_loop": lambda f: wg.while_loop(lambda y: y < 9.0, lambda y: f(y) + 1.0, X),
    "fori_loop": lambda f: wg.fori_loop(0, 3, lambda i, y: f(y), X),
    "grad of grad": lambda f: wg.grad(wg.grad(f))(X),
    "grad in vmap": lambda f: wg.vmap(wg.grad(f))(V),
    "grad of scan": lambda f: wg.grad(lambda x: wg.map(f, x * V)[0])(X),
    "jit(grad)": lambda f: wg.jit(wg.grad(f))(X),
    "grad(jit)": lambda f: wg.grad(wg.jit(f))(X),
    "check_grads": lambda f: wg.check_grads(f, (X,)),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.filterwarnings("ignore::wengert.errors.JitWarning")
def test_every_verb_raises_it_again(verb):
    with pytest.raises(errors.TracedArrayError, match="the function went on"):
        VERBS[verb](named)


def test_a_branch_that_vmap_cannot_take_is_not_caught_in_silence():
    def f(x):
        try:
            return 2.0 * x if x > 1.5 else x
        except Exception:
            return 3.0 * x

    with pytest.raises(errors.AbstractValueError, match="the function went on"):
        wg.vmap(f)(V)


def test_in_a_rule_of_the_users_own_it_is_raised_where_the_rule_is_differentiated():
    @wg.custom_jvp
    def f(x):
        return x**2

    @f.defjvp
    def rule(primals, tangents):
        (x,), (t,) = primals, tangents
        try:
            return x**2, 2.0 * t * in_c(x)
        except TypeError:
            return x**2, t

    assert wg.jvp(f, (X,), (X,))[1] == 4.5
    np.testing.assert_array_equal(wg.vmap(wg.grad(f))(V), 2.0 * V)
    with pytest.raises(errors.REFUSALS):
        wg.hessian(f)(X)


def test_the_line_of_the_conversion_and_the_line_of_the_attempt_are_shown():
    with pytest.raises(errors.TracedArrayError) as caught:
        wg.grad(in_a_helper)(X)
    assert 'return array.array("d", [y])[0]' in str(caught.value)
    assert "x = x * convert(x)" in caught.value.__notes__[0]


def test_what_plain_values_refuse_too_may_be_caught():
    def f(x):
        try:
            return math.sin(x)
        except TypeError:
            return np.sum(np.sin(x))

    def g(x):
        try:
            return x.item()
        except ValueError:
            return np.sum(x)

    def h(x):
        try:
            return [1.0, 2.0][x] * x
        except TypeError:
            return x * x

    np.testing.assert_array_equal(wg.grad(f)(V), np.cos(V))
    np.testing.assert_array_equal(wg.grad(g)(V), np.ones(3))
    assert wg.value_and_grad(h)(X) == (h(X), 3.0)


def test_stop_gradient_is_a_way_out():
    def f(x):
        try:
            r = in_c(wg.stop_gradient(x))
        except TypeError:
            r = 0.0
        return x * r

    assert wg.value_and_grad(f)(X) == (2.25, 1.5)


def test_a_refusal_that_ends_the_function_is_raised_once_and_as_it_was():
    with pytest.raises(errors.TracedArrayError) as caught:
        wg.grad(lambda x: in_c(x))(X)
    assert not hasattr(caught.value, "__notes__")


def test_an_error_of_the_users_own_in_its_place_is_kept():
    def f(x):
        try:
            return in_c(x)
        except TypeError as error:
            raise KeyError("no number") from error

    for run in (lambda: wg.grad(f)(X), lambda: wg.jvp(f, (X,), (X,)), lambda: wg.vmap(f)(V)):
        with pytest.raises(KeyError, match="no number"):
            run()

    def g(x):
        try:
            return in_c(x)
        except TypeError as error:
            raise ValueError("no number") from error

    with pytest.raises(ValueError, match="no number"):
        wg.grad(g)(X)


def test_an_inner_derivative_that_fails_for_plain_values_too_may_be_caught():
    def f(x):
        try:
            slope = wg.grad(in_c)(1.0)
        except TypeError:
            slope = 5.0
        return x * slope

    assert wg.value_and_grad(f)(X) == (f(X), 5.0)


LIBRARY = '''
import array

def converted(x):
    """A number as a float where it can be one."""
    try:
        return array.array("d", [x])[0]
    except TypeError:
        return x

def objective(x):
    return 2.0 * converted(x)
'''


@pytest.fixture
def library(tmp_path):
    """A module that is installed."""
    folder = tmp_path / "site-packages" / "probing"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(LIBRARY, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("probing", folder / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_library_may_ask_and_go_another_way(library):
    assert wg.value_and_grad(lambda x: library.converted(x) * 2.0)(X) == (3.0, 2.0)


def test_a_function_of_an_installed_package_is_the_users_where_it_is_differentiated(library):
    with pytest.raises(errors.TracedArrayError, match="the function went on"):
        wg.grad(library.objective)(X)


def test_the_standard_library_is_a_library(tmp_path):
    path = sysconfig.get_path("stdlib") + "/probing.py"
    found = {}
    exec(compile(LIBRARY, path, "exec"), found)
    assert wg.value_and_grad(lambda x: found["converted"](x) * 2.0)(X) == (3.0, 2.0)


@pytest.mark.parametrize("f", [named, in_a_helper, in_c])
def test_nothing_keeps_the_frames_of_the_function_alive(f):
    class Mark:
        pass

    marks = []

    def marked(x):
        mark = Mark()
        marks.append(weakref.ref(mark))
        return f(x)

    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(TypeError):
            wg.grad(marked)(X)
        with contextlib.suppress(TypeError):
            wg.jvp(marked, (X,), (X,))
        assert [mark() for mark in marks] == [None, None]
    finally:
        gc.enable()


def test_one_refusal_is_kept_of_many_at_the_same_line():
    kept = []

    def f(x):
        for _ in range(100):
            with contextlib.suppress(TypeError):
                array.array("d", [x])
        kept.append(len(x._trace.refusals))
        return x

    with pytest.raises(errors.TracedArrayError):
        wg.grad(f)(X)
    assert kept == [1]


@pytest.mark.parametrize(
    ("attempt", "x"),
    [
        (hash, 2.0),
        (lambda x: {x}, np.float64(2.0)),
        (lambda x: {x: 1.0}, 2.0),
        (bytes, np.float64(2.0)),
        (bytes, np.ones(2)),
        (np.from_dlpack, np.ones(2)),
        (pickle.dumps, 2.0),
        (lambda x: struct.pack("d", x), 2.0),
        (lambda x: array.array("d", [x]), 2.0),
        (lambda x: fractions.Fraction(x), 2.0),
    ],
)
def test_what_a_plain_value_does_is_not_to_be_tried(attempt: Any, x: Any) -> None:
    def f(x: Any) -> Any:
        try:
            attempt(x)
        except (TypeError, ValueError, AttributeError, struct.error):
            return 2.0 * x
        return 3.0 * x

    assert np.all(f(x) == 3.0 * x)
    for call in (lambda: wg.jvp(f, (x,), (x,)), lambda: wg.vjp(f, x)):
        with pytest.raises(wg.errors.WengertError, match=r"caught|traced"):
            call()
