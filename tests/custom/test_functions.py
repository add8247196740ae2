"""Rules of the user's own: one mode is enough for both modes and all orders."""

import dataclasses
import functools
import math
import pickle
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import errors

X = np.array([0.3, 0.8])


def jvp_pair():
    @wg.custom_jvp
    def f(x, y):
        return np.sin(x) * y

    @f.defjvp
    def rule(primals, tangents):
        (x, y), (x_dot, y_dot) = primals, tangents
        return f(x, y), np.cos(x) * y * x_dot + np.sin(x) * y_dot

    return f


def vjp_pair():
    @wg.custom_vjp
    def f(x, y):
        return np.sin(x) * y

    f.defvjp(
        lambda x, y: (f(x, y), (x, y)),
        lambda saved, ct: (ct * np.cos(saved[0]) * saved[1], ct * np.sin(saved[0])),
    )
    return f


def plain(x, y):
    return np.sin(x) * y


@pytest.mark.parametrize("make", [jvp_pair, vjp_pair])
@pytest.mark.parametrize(
    "derive",
    [
        lambda f: wg.grad(lambda x: np.sum(f(x, x)))(X),
        lambda f: wg.jvp(f, (X, X), (X, X))[1],
        lambda f: wg.hessian(lambda x: np.sum(f(x, x)))(X),
        lambda f: wg.jacrev(wg.jacrev(lambda x: np.sum(f(x, x))))(X),
        lambda f: wg.jacfwd(wg.jacfwd(lambda x: np.sum(f(x, x))))(X),
        lambda f: wg.grad(wg.grad(wg.grad(lambda x: f(x, x))))(0.4),
        lambda f: wg.vmap(f)(X, X),
        lambda f: wg.vmap(f, in_axes=(0, None))(X, 2.0),
        lambda f: wg.vmap(wg.grad(f, argnums=(0, 1)), in_axes=(0, None))(X, 2.0)[1],
        lambda f: wg.grad(lambda x: np.sum(wg.vmap(f)(x, x)))(X),
        lambda f: wg.jvp(lambda x: wg.vmap(f)(x, x), (X,), (X,))[1],
        lambda f: wg.evaluate(wg.trace(f)(X, X), [X, X])[0],
    ],
)
def test_a_right_rule_gives_the_same_as_no_rule(make, derive):
    np.testing.assert_allclose(derive(make()), derive(plain), rtol=1e-12)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_the_rule_is_what_is_used(mode):
    @wg.custom_jvp
    def f(x):
        return x**2

    f.defjvp(lambda primals, tangents: (f(*primals), 100.0 * tangents[0]))
    np.testing.assert_array_equal(wg.jacobian(f, mode=mode)(X), 100 * np.eye(2))

    @wg.custom_vjp
    def g(x):
        return x**2

    g.defvjp(lambda x: (x**2, None), lambda _, ct: (100.0 * ct,))
    np.testing.assert_array_equal(wg.jacobian(g, mode=mode)(X), 100 * np.eye(2))


def test_the_function_itself_may_be_anything_when_it_has_a_rule():
    @wg.custom_jvp
    def f(x):
        import math

        return np.float64(math.sin(float(x)))

    f.defjvp(lambda primals, tangents: (f(*primals), np.cos(primals[0]) * tangents[0]))
    assert wg.grad(f)(0.5) == pytest.approx(np.cos(0.5))
    assert wg.grad(wg.grad(f))(0.5) == pytest.approx(-np.sin(0.5))


def test_trees_in_and_out():
    @wg.custom_vjp
    def f(p):
        return {"sum": p["a"] + p["b"], "product": p["a"] * p["b"]}

    f.defvjp(
        lambda p: (f(p), p),
        lambda p, ct: (
            {
                "a": ct["sum"] + ct["product"] * p["b"],
                "b": ct["sum"] + ct["product"] * p["a"],
            },
        ),
    )
    g = wg.grad(lambda p: f(p)["sum"] * f(p)["product"])({"a": 2.0, "b": 3.0})
    assert g == {"a": 6.0 + 5.0 * 3.0, "b": 6.0 + 5.0 * 2.0}


def test_nondiff_arguments_are_handed_over_as_they_are():
    @wg.custom_jvp
    def ignored(x):
        return x

    f = wg.custom_jvp(lambda n, x: x**n, nondiff_argnums=(0,))
    f.defjvp(lambda n, primals, tangents: (f(n, *primals), n * primals[0] ** (n - 1) * tangents[0]))
    assert wg.grad(f, argnums=1)(3, 2.0) == 12.0
    g = wg.custom_vjp(lambda apply, x: apply(x), nondiff_argnums=(0,))
    g.defvjp(lambda apply, x: (apply(x), x), lambda apply, x, ct: (ct * 7.0,))
    assert wg.grad(lambda x: g(np.sin, x))(2.0) == 7.0


def test_a_none_cotangent_is_zero():
    f = wg.custom_vjp(lambda x, y: x * y)
    f.defvjp(lambda x, y: (x * y, y), lambda y, ct: (ct * y, None))
    assert wg.grad(f, argnums=(0, 1))(2.0, 3.0) == (3.0, 0.0)


def test_closing_over_a_traced_value_is_an_error():
    def outer(x):
        f = wg.custom_jvp(lambda y: x * y)
        f.defjvp(lambda primals, tangents: (f(*primals), tangents[0]))
        return f(x)

    for verb in (wg.grad, lambda f: lambda x: wg.jvp(f, (x,), (1.0,))):
        with pytest.raises(errors.TracedArrayError, match="pass the value as an argument"):
            verb(outer)(2.0)


@pytest.mark.parametrize(
    ("fwd", "bwd"),
    [
        (lambda x: x, lambda r, ct: (ct,)),
        (lambda x: (x, None), lambda r, ct: ct),
        (lambda x: (x, None), lambda r, ct: (ct, ct)),
        (lambda x: (x, None), lambda r, ct: (np.ones(3),)),
        (lambda x: (x, None), lambda r, ct: ({"a": ct},)),
    ],
)
def test_a_rule_of_the_wrong_structure_is_an_error(fwd, bwd):
    f = wg.custom_vjp(lambda x: x)
    f.defvjp(fwd, bwd)
    with pytest.raises(errors.ShapeError):
        wg.grad(f)(2.0)


def test_a_jvp_rule_of_the_wrong_structure_is_an_error():
    f = wg.custom_jvp(lambda x: x)
    f.defjvp(lambda primals, tangents: tangents[0])
    with pytest.raises(errors.ShapeError, match="pair"):
        wg.grad(f)(2.0)
    f.defjvp(lambda primals, tangents: (primals[0], {"a": tangents[0]}))
    with pytest.raises(errors.ShapeError, match="structure"):
        wg.grad(f)(2.0)


def test_stop_gradient_in_both_modes_and_in_trees():
    f = lambda x: x * wg.stop_gradient({"a": x})["a"]  # noqa: E731
    assert wg.grad(f)(3.0) == 3.0
    assert wg.jvp(f, (3.0,), (1.0,)) == (9.0, 3.0)
    assert wg.grad(wg.grad(f))(3.0) == 0.0
    assert wg.stop_gradient(5.0) == 5.0
    np.testing.assert_array_equal(wg.vmap(f)(X), X * X)


def test_a_rule_sees_arguments_by_keyword_and_defaults():
    f = wg.custom_jvp(lambda x, k=2.0: x * k**2)
    f.defjvp(lambda p, t: (f(*p), 7 * t[0] * p[1] ** 2 + 2 * p[0] * p[1] * t[1]))
    assert wg.grad(f)(1.0) == 28.0
    assert wg.grad(lambda x: f(x, k=3.0))(1.0) == 63.0
    g = wg.custom_vjp(lambda x, k: x * k)
    g.defvjp(lambda x, k: [g(x, k), k], lambda k, ct: [5 * ct * k, None])
    assert wg.grad(lambda x: g(x, k=2.0))(1.0) == 10.0
    only = wg.custom_jvp(lambda x, *, k: x * k)
    only.defjvp(lambda p, t: (p[0], t[0]))
    with pytest.raises(errors.ShapeError, match="keyword only"):
        wg.grad(lambda x: only(x, k=2.0))(1.0)


def test_defjvps_takes_a_rule_for_each_argument():
    f = wg.custom_jvp(lambda x, k: x * k**2)
    f.defjvps(lambda t, ans, x, k: t * k**2, None)
    assert wg.grad(f, argnums=(0, 1))(1.0, 2.0) == (4.0, 0.0)
    assert wg.jvp(f, (1.0, 2.0), (3.0, 5.0)) == (4.0, 12.0)


@pytest.mark.parametrize(
    "verb", [lambda f: wg.grad(f)(X), lambda f: wg.jvp(f, (X,), (X,)), lambda f: wg.hessian(f)(X)]
)
def test_a_stopped_value_is_plain_and_can_leave_the_trace(verb):
    kept = []

    def f(x):
        stopped = wg.stop_gradient(x)
        kept.append(stopped)
        assert pickle.loads(pickle.dumps(stopped)) is not None
        scale = math.sin(wg.stop_gradient(x[0])) + float(wg.stop_gradient(x[1]))
        stopped[0] = 7.0
        return np.sum(x * x) * scale * len(np.unique(stopped))

    verb(f)
    np.testing.assert_array_equal(kept[0] * 2, [14.0, 2 * X[1]])
    assert X[0] == 0.3, "the argument is not written into"


def test_stop_gradient_of_an_array_of_traced_numbers():
    f = lambda x: np.sum(wg.stop_gradient(np.array([x[0], x[1]])) * x)  # noqa: E731
    np.testing.assert_array_equal(wg.grad(f)(X), X)


# -- methods and other callables -------------------------------------------------------------------


class Scaled:
    """Methods with rules: ``self`` is an argument without derivatives."""

    def __init__(self, k):
        self.k = k

    @wg.custom_vjp
    def by_vjp(self, x):
        return self.k * np.sin(x)

    by_vjp.defvjp(
        lambda self, x: (self.by_vjp(x), (self, x)),
        lambda saved, ct: (None, ct * saved[0].k * np.cos(saved[1])),
    )

    @wg.custom_vjp
    def without_self(self, x):
        return self.k * np.sin(x)

    without_self.defvjp(
        lambda self, x: (self.without_self(x), (self, x)),
        lambda saved, ct: (ct * saved[0].k * np.cos(saved[1]),),
    )

    @wg.custom_vjp(nondiff_argnums=0)
    def fixed_self(self, x):
        return self.k * np.sin(x)

    fixed_self.defvjp(
        lambda self, x: (self.fixed_self(x), x),
        lambda self, x, ct: (ct * self.k * np.cos(x),),
    )

    @wg.custom_jvp
    def by_jvp(self, x, power=1):
        return self.k * np.sin(x) ** power

    by_jvp.defjvp(
        lambda p, t: (
            p[0].by_jvp(*p[1:]),
            p[0].k * p[2] * np.sin(p[1]) ** (p[2] - 1) * np.cos(p[1]) * t[1],
        )
    )

    @wg.custom_vjp
    @staticmethod
    def static(x):
        return 3 * np.sin(x)

    static.defvjp(lambda x: (Scaled.static(x), x), lambda x, ct: (ct * 3 * np.cos(x),))

    @wg.custom_vjp
    @classmethod
    def of_class(cls, x):
        return 3 * np.sin(x)

    of_class.defvjp(lambda cls, x: (cls.of_class(x), x), lambda x, ct: (ct * 3 * np.cos(x),))

    @classmethod
    @wg.custom_vjp
    def outside(cls, x):
        return 3 * np.sin(x)

    @property
    @wg.custom_jvp
    def area(self):
        return self.k**2


Scaled.outside.__func__.defvjp(
    lambda cls, x: (cls.outside(x), x), lambda x, ct: (None, ct * 3 * np.cos(x))
)


@pytest.mark.parametrize(
    "name",
    "by_vjp without_self fixed_self by_jvp static of_class outside".split(),
)
def test_rules_work_on_methods(name):
    f = getattr(Scaled(3.0), name)
    assert f(0.5) == 3 * np.sin(0.5)
    expected = 3 * np.cos(0.5)
    assert wg.grad(f)(0.5) == pytest.approx(expected)
    assert wg.jvp(f, (0.5,), (1.0,))[1] == pytest.approx(expected)
    np.testing.assert_allclose(wg.vmap(wg.grad(f))(X), 3 * np.cos(X))
    assert wg.grad(wg.grad(f))(0.5) == pytest.approx(-3 * np.sin(0.5))
    assert wg.jit(wg.grad(f), wait=True)(0.5) == pytest.approx(expected)
    assert wg.grad(wg.jit(f))(0.5) == pytest.approx(expected)


def test_methods_take_defaults_and_keywords():
    f = Scaled(3.0).by_jvp
    assert wg.grad(lambda x: f(x, power=2))(0.5) == pytest.approx(6 * np.sin(0.5) * np.cos(0.5))
    assert wg.grad(lambda x: f(x=x))(0.5) == pytest.approx(3 * np.cos(0.5))
    assert Scaled(3.0).area == 9.0


@dataclasses.dataclass
class Line:
    a: Any
    b: Any

    @wg.custom_vjp
    def at(self, x):
        return self.a * x + np.sum(self.b) * x

    at.defvjp(
        lambda self, x: (self.at(x), (self, x)),
        lambda saved, ct: (
            Line(ct * saved[1], np.full(2, ct * saved[1])),
            ct * (saved[0].a + np.sum(saved[0].b)),
        ),
    )


def test_a_dataclass_that_a_method_belongs_to_is_differentiated():
    line, slope = wg.grad(lambda line, x: line.at(x), argnums=(0, 1))(Line(2.0, X), 3.0)
    assert (line.a, slope) == (3.0, 2.0 + np.sum(X))
    np.testing.assert_array_equal(line.b, [3.0, 3.0])


def test_partials_strings_and_any_number_of_arguments():
    times = wg.custom_jvp(functools.partial(lambda k, x: k * x, 3.0))
    times.defjvp(lambda p, t: (times(*p), 3 * t[0]))
    assert wg.grad(times)(1.0) == 3.0
    both = wg.custom_jvp(lambda k, x: k * x)
    both.defjvp(lambda p, t: (both(*p), t[0] * p[1] + p[0] * t[1]))
    assert wg.grad(functools.partial(both, 3.0))(1.0) == 3.0
    total = wg.custom_vjp(lambda *xs: sum(xs))
    total.defvjp(lambda *xs: (sum(xs), len(xs)), lambda n, ct: (ct * 10,) * n)
    assert wg.grad(total, argnums=2)(1.0, 2.0, 3.0) == 10.0
    mode = wg.custom_jvp(lambda x, name: x * 2 if name == "twice" else x)
    mode.defjvp(lambda p, t: (mode(*p), t[0] * (2 if p[1] == "twice" else 1)))
    for verb in (
        wg.grad,
        lambda f: wg.jit(wg.grad(f)),
        lambda f: lambda x: wg.jvp(f, (x,), (1.0,))[1],
    ):
        assert verb(lambda x: mode(x, "twice"))(1.0) == 2.0
        assert verb(lambda x: mode(x, "once"))(1.0) == 1.0


# -- what a rule may return ------------------------------------------------------------------------


def ruled(rule):
    f = wg.custom_jvp(lambda x: np.sin(x))
    f.defjvp(lambda p, t: (f(*p), rule(p[0], t[0])))
    return f


def pulled(bwd):
    f = wg.custom_vjp(lambda x: np.sin(x))
    f.defvjp(lambda x: (f(x), x), lambda x, ct: (bwd(x, ct),))
    return f


USES = {
    "grad": lambda f: wg.grad(lambda x: np.sum(f(x)))(X),
    "jvp": lambda f: wg.jvp(f, (X,), (X,)),
    "jacobian": lambda f: wg.jacobian(f)(X),
    "vmap": lambda f: wg.vmap(wg.grad(lambda x: np.sum(f(x))))(np.stack([X, X])),
    "jit": lambda f: wg.jit(wg.grad(lambda x: np.sum(f(x))))(X),
}


@pytest.mark.parametrize("make", [ruled, pulled])
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (lambda x, t: np.sum(t), errors.ShapeError),
        (lambda x, t: np.reshape(t, (2, 1)), errors.ShapeError),
        (lambda x, t: [t, t], errors.ShapeError),
        (lambda x, t: 1j * t, errors.DtypeError),
        (lambda x, t: "tangent", errors.DtypeError),
    ],
)
def test_a_tangent_or_cotangent_that_does_not_fit_is_an_error(make, use, rule, error):
    with pytest.raises(error):
        USES[use](make(rule))


@pytest.mark.parametrize("make", [ruled, pulled])
def test_tangents_and_cotangents_have_the_dtype_of_what_they_belong_to(make):
    f = make(lambda x, t: t * np.cos(x).astype(np.float64))
    x = X.astype(np.float32)
    for found in (
        wg.grad(lambda x: np.sum(f(x)))(x),
        wg.jvp(f, (x,), (x,))[1],
        wg.jit(wg.grad(lambda x: np.sum(f(x))), wait=True)(x),
        wg.vmap(wg.grad(f))(x),
    ):
        assert found.dtype == np.float32
    np.testing.assert_allclose(wg.grad(lambda x: np.sum(f(x)))(x), np.cos(x), rtol=1e-6)


def test_a_python_number_beside_a_float32_stays_weak():
    f = wg.custom_jvp(lambda x, k: x * k)
    f.defjvp(lambda p, t: (f(*p), t[0] * p[1] + p[0] * t[1]))
    value, slope = wg.value_and_grad(lambda x: f(x, 2.0))(np.float32(0.5))
    assert (value.dtype, slope.dtype) == (np.float32, np.float32)
    assert wg.vmap(lambda x: f(x, 2.0))(X.astype(np.float32)).dtype == np.float32


# -- writing ---------------------------------------------------------------------------------------


def doubled(x):
    x *= 2
    return np.sum(x)


@pytest.mark.parametrize(
    "use",
    [
        lambda f: wg.grad(f)(X),
        lambda f: wg.grad(lambda x: np.sum((y := x * 1.0) * f(y)))(X),
        lambda f: wg.jvp(f, (X,), (X,)),
        lambda f: wg.vmap(f)(np.stack([X, X])),
        lambda f: wg.fori_loop(0, 2, lambda i, y: y + f(y), X),
    ],
)
def test_a_function_that_writes_into_its_argument_is_an_error(use):
    f = wg.custom_jvp(doubled)
    f.defjvp(lambda p, t: (2 * np.sum(p[0]), 2 * np.sum(t[0])))
    g = wg.custom_vjp(doubled)
    g.defvjp(lambda x: (doubled(x), None), lambda _, ct: (np.full(2, 2 * ct),))
    for each in (f, g):
        with pytest.raises(errors.UnsupportedError, match="wrote into its argument"):
            use(each)
    np.testing.assert_array_equal(X, [0.3, 0.8])


def test_jit_runs_a_function_that_writes_as_it_is():
    f = wg.custom_jvp(doubled)
    f.defjvp(lambda p, t: (f(*p), 2 * np.sum(t[0])))

    def g(x):
        y = x * 1.0
        return f(y) + np.sum(y)

    with pytest.warns(errors.JitWarning, match="wrote into its argument"):
        assert wg.jit(g)(X) == g(X)


def test_a_rule_may_write_into_what_it_is_given():
    def tripled(x, ct):
        ct *= 3
        x *= 0
        return ct

    f = pulled(tripled)
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(f(x) + x))(X), [4.0, 4.0])
    g = wg.custom_vjp(np.sin)
    g.defvjp(lambda x: (g(x), x), lambda x, ct: (np.multiply(x, ct, out=x),))
    pullback = wg.vjp(g, X)[1]
    np.testing.assert_array_equal(pullback(X), pullback(X))


# -- traced values that are no arguments, and arguments without derivatives ------------------------


def test_a_traced_value_may_be_an_argument_without_a_derivative():
    f = wg.custom_jvp(lambda n, x: x * n, nondiff_argnums=(0,))
    f.defjvp(lambda n, p, t: (f(n, *p), n * t[0]))
    g = wg.custom_vjp(lambda n, x: x * n, nondiff_argnums=(0,))
    g.defvjp(lambda n, x: (g(n, x), None), lambda n, _, ct: (n * ct,))
    for h in (f, g):
        np.testing.assert_array_equal(wg.vmap(h)(X, X), X * X)
        np.testing.assert_array_equal(wg.vmap(wg.grad(h, argnums=1))(X, X), X)
        slope = wg.jit(wg.grad(h, argnums=1), wait=True)
        assert [slope(k, 3.0) for k in (2.0, 3.0, 4.0)] == [2.0, 3.0, 4.0]
        assert wg.grad(lambda x, h=h: wg.fori_loop(1, 4, lambda i, y: h(i, y), x))(1.0) == 6.0
        assert wg.grad(lambda c, h=h: wg.scan(lambda c, x: (h(x, c), c), c, X)[0])(1.0) == 0.24
        for verb in (wg.grad, lambda h: lambda n, x: wg.jvp(lambda n: h(n, x), (n,), (1.0,))):
            with pytest.raises(errors.UnknownDerivativeError, match="nondiff_argnums"):
                verb(h)(2.0, 3.0)


def closing(x, a):
    """A function with a rule that was made here, and uses ``a``."""
    g = wg.custom_jvp(lambda y: a * y)
    g.defjvp(lambda p, t: (g(*p), a * t[0]))
    return g(x)


@pytest.mark.parametrize(
    "use",
    [
        lambda: wg.vmap(closing)(X, X),
        lambda: wg.vmap(wg.grad(closing))(X, X),
        lambda: wg.grad(lambda a: np.sum(wg.vmap(lambda x: closing(x, a))(X)))(2.0),
        lambda: wg.scan(lambda c, x: (closing(x, c), c), 1.0, X),
        lambda: wg.fori_loop(0, 3, lambda i, c: closing(c, i + 1), 1.0),
        lambda: wg.while_loop(lambda c: c < 3, lambda c: closing(c, c), 1.5),
        lambda: wg.trace(closing)(2.0, 3.0),
    ],
)
def test_closing_over_what_is_recorded_is_an_error(use):
    with pytest.raises(errors.TracedArrayError, match="pass the value as an argument"):
        use()


def test_a_rule_alone_that_closes_over_what_is_differentiated_is_an_error():
    def f(x, a):
        g = wg.custom_jvp(lambda y: 2 * y)
        g.defjvp(lambda p, t: (g(*p), a * t[0]))
        return g(x)

    with pytest.raises(errors.TracedArrayError, match="pass the value as an argument"):
        wg.jvp(f, (2.0, 3.0), (1.0, 1.0))
    with pytest.raises(errors.LeakedTracerError):
        wg.grad(f, argnums=(0, 1))(2.0, 3.0)
    assert wg.grad(f)(2.0, 3.0) == 3.0
    assert wg.grad(lambda a: a * wg.grad(f)(2.0, a))(3.0) == 6.0


def test_a_rule_made_in_a_jitted_function_gives_what_it_gives_without():
    with pytest.warns(errors.JitWarning, match="not among its arguments"):
        assert wg.jit(closing)(2.0, 3.0) == 6.0
    with pytest.warns(errors.JitWarning, match="not among its arguments"):
        assert wg.jit(wg.grad(closing))(2.0, 3.0) == 3.0
    np.testing.assert_array_equal(wg.vmap(lambda a: wg.grad(lambda x: closing(x, a))(1.0))(X), X)


def test_a_rule_that_is_set_again_is_used():
    f = ruled(lambda x, t: t)
    slope = wg.jit(lambda x: wg.grad(f)(x))
    assert [slope(0.5), slope(0.5)] == [1.0, 1.0]
    f.defjvp(lambda p, t: (f(*p), 2 * t[0]))
    assert [slope(0.5), wg.grad(f)(0.5)] == [2.0, 2.0]


LAID = {
    "rows": np.arange(6.0).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "a transpose": np.arange(6.0).reshape(2, 3).T,
    "every other": np.arange(12.0).reshape(2, 6)[:, ::2],
    "backwards": np.arange(6.0).reshape(2, 3)[::-1],
}


@pytest.mark.parametrize("opaque", [False, True])
@pytest.mark.parametrize("laid", LAID)
def test_a_function_is_given_arrays_that_lie_in_memory_as_they_do_without(laid, opaque):
    weights = np.arange(6.0) ** 2
    plain = lambda a: np.ravel(np.asarray(a) if opaque else a, order="K") * weights  # noqa: E731
    f = wg.custom_jvp(plain)
    f.defjvp(lambda p, t: (f(*p), plain(t[0])))
    a = LAID[laid]
    stacked = np.stack([a, 2 * a])
    expected = plain(a)
    np.testing.assert_array_equal(f(a), expected)
    np.testing.assert_array_equal(wg.vjp(f, a)[0], expected)
    np.testing.assert_array_equal(wg.jvp(f, (a,), (a,))[0], expected)
    np.testing.assert_array_equal(wg.vmap(f)(stacked), [plain(row) for row in stacked])
    jitted = wg.jit(f, wait=True)
    for _ in range(3):
        np.testing.assert_array_equal(jitted(a), expected)


def test_numbers_beside_a_float32_stay_weak_under_jit():
    f = wg.custom_jvp(lambda x, k: x * k)
    f.defjvp(lambda p, t: (f(*p), t[0] * p[1] + p[0] * t[1]))
    x = X.astype(np.float32)
    for k in (2.0, 3):
        jitted = wg.jit(f, wait=True)
        assert [jitted(x, k).dtype for _ in range(3)] == [np.float32] * 3


# -- calls like earlier ones -----------------------------------------------------------------------


@pytest.mark.parametrize("make", [wg.custom_jvp, wg.custom_vjp])
def test_a_constant_argument_counts_with_its_class_in_every_call(make):
    seen: list[Any] = []

    @functools.partial(make, nondiff_argnums=(-1,))
    def power(x, n):
        seen.append(n)
        return x**n

    if make is wg.custom_jvp:

        @power.defjvp
        def _(n, primals, tangents):
            seen.append(n)
            return primals[0] ** n, n * primals[0] ** (n - 1) * tangents[0]
    else:
        power.defvjp(
            lambda x, n: (power(x, n), x),
            lambda n, x, ct: (seen.append(n) or n * x ** (n - 1) * ct,),
        )
    x = np.array([1.5, 2.0])
    for n in (1, 1.0, True, 3, 1, 0.0, -0.0, True):
        seen.clear()
        found = wg.grad(lambda x, n=n: np.sum(power(x, n)))(x)
        np.testing.assert_array_equal(found, n * x ** (int(n) - 1.0))
        assert {repr(each) for each in seen} == {repr(n)}


@pytest.mark.parametrize("make", [wg.custom_jvp, wg.custom_vjp])
def test_results_may_be_of_other_types_in_later_calls(make):
    count = 0

    def first(x):
        return x[0] if count == 0 else x[:count] if count < 3 else (x[:1], x[1:])

    f = make(first)
    if make is wg.custom_jvp:
        f.defjvp(lambda primals, tangents: (first(primals[0]), first(tangents[0])))
    else:

        def bwd(_, ct):
            parts = ct if isinstance(ct, tuple) else (np.reshape(ct, -1),)
            found = np.zeros(3)
            found[: sum(map(len, parts))] = np.concatenate(parts)
            return (found,)

        f.defvjp(lambda x: (first(x), None), bwd)
    x = np.array([1.0, 2.0, 3.0])
    for count in (0, 2, 1, 3, 0, 2):  # noqa: B007 (it is read by the function)
        result = first(x)
        parts = result if isinstance(result, tuple) else (result,)
        expected = np.arange(3.0) < sum(map(np.size, parts))

        def total(x):
            result = f(x)
            parts = result if isinstance(result, tuple) else (result,)
            return sum(np.sum(part) for part in parts)

        np.testing.assert_array_equal(wg.grad(total)(x), expected)


def test_numbers_of_python_reach_the_function_as_such_in_every_call():
    kinds: list[Any] = []

    @wg.custom_vjp
    def product(x, y):
        return x * y

    def fwd(x, y):
        kinds.append((type(x), type(y)))
        return x * y, (x, y)

    product.defvjp(fwd, lambda kept, ct: (ct * kept[1], ct * kept[0]))
    both = wg.grad(product, argnums=(0, 1))
    for x, y in [(2.0, 3.0), (np.float64(2), 3.0), (2.0, np.float64(3)), (2.0, 3.0)]:
        kinds.clear()
        assert both(x, y) == (3.0, 2.0)
        assert kinds == [(type(x), type(y))]
    assert wg.grad(lambda x: product(x, 3))(2.0) == 3.0
    assert kinds[-1] == (float, int)


@pytest.mark.parametrize("make", [wg.custom_jvp, wg.custom_vjp])
def test_a_rule_may_return_what_it_keeps(make):
    slope = np.array([2.0, -1.0])
    f = make(lambda x: slope * x)
    if make is wg.custom_jvp:
        f.defjvp(lambda primals, tangents: (slope * primals[0], slope * tangents[0]))
    else:
        f.defvjp(lambda x: (slope * x, None), lambda _, ct: (slope,))
    found = wg.grad(lambda x: np.sum(f(x)))(np.ones(2))
    found *= 7.0
    np.testing.assert_array_equal(slope, [2.0, -1.0])
