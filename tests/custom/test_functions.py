"""Rules of the user's own: one mode is enough for both modes and all orders."""

import math
import pickle

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
