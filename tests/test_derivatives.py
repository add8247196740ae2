"""The verbs: structures of arguments and results, options, and agreement with differences."""

import copy
from collections import namedtuple
from dataclasses import dataclass, field

import numpy as np
import pytest

import wengert as wg

X = np.array([0.3, -0.7, 1.2])


def f(x):
    return np.sum(np.sin(x) * x**2)


def vector(x):
    return np.stack([np.sum(x**2), x[0] * x[1]])


def numerical(f, x):
    return wg.derivative(f, x)


# -- grad and value_and_grad -----------------------------------------------------------------------


def test_grad_agrees_with_central_differences():
    np.testing.assert_allclose(wg.grad(f)(X), numerical(f, X), rtol=1e-8)


def test_value_and_grad_returns_the_value_too():
    value, gradient = wg.value_and_grad(f)(X)
    assert value == f(X)
    assert isinstance(value, np.float64)
    np.testing.assert_array_equal(gradient, wg.grad(f)(X))


def test_argnums_chooses_arguments():
    g = lambda x, y, z: x * y**2 * z**3  # noqa: E731
    assert wg.grad(g, argnums=1)(2.0, 3.0, 1.0) == 12.0
    assert wg.grad(g, argnums=-1)(2.0, 3.0, 1.0) == 54.0
    assert wg.grad(g, argnums=(2, 0))(2.0, 3.0, 1.0) == (54.0, 9.0)
    assert wg.grad(g, argnums=(0,))(2.0, 3.0, 1.0) == (9.0,)


def test_has_aux_hands_the_second_result_through_as_plain_values():
    g = lambda x: (np.sum(x**2), {"twice": x * 2, "note": "as is"})  # noqa: E731
    gradient, aux = wg.grad(g, has_aux=True)(X)
    np.testing.assert_array_equal(gradient, 2 * X)
    assert isinstance(aux["twice"], np.ndarray)
    assert aux["note"] == "as is"
    (value, aux), _ = wg.value_and_grad(g, has_aux=True)(X)
    assert value == np.sum(X**2)
    np.testing.assert_array_equal(aux["twice"], 2 * X)


def test_keyword_arguments_are_passed_on():
    g = lambda x, *, scale: np.sum(x) * scale  # noqa: E731
    np.testing.assert_array_equal(wg.grad(g)(X, scale=3.0), np.full(3, 3.0))


def test_a_python_int_counts_as_a_float():
    assert wg.grad(lambda x: x**3)(2) == 12.0
    assert wg.grad(lambda p: p["a"] ** 2)({"a": 3}) == {"a": 6.0}


@dataclass
class Layer:
    weight: np.ndarray
    bias: float


@dataclass(frozen=True)
class Net:
    layers: list
    name: None = None


Point = namedtuple("Point", "x y")


def test_arguments_are_any_nesting_of_containers():
    p = {"a": [1.0, (X, Point(2.0, 3.0))], "b": Net([Layer(X, 0.5)])}

    def loss(p):
        first, (x, point) = p["a"]
        (layer,) = p["b"].layers
        return first * np.sum(x) * point.x + point.y**2 + np.sum(layer.weight**2) * layer.bias

    g = wg.grad(loss)(p)
    assert g["a"][0] == pytest.approx(np.sum(X) * 2)
    np.testing.assert_allclose(g["a"][1][0], np.full(3, 2.0))
    assert isinstance(g["a"][1][1], Point)
    assert g["a"][1][1] == (pytest.approx(np.sum(X)), 6.0)
    assert isinstance(g["b"], Net)
    np.testing.assert_allclose(g["b"].layers[0].weight, 2 * X * 0.5)
    assert g["b"].layers[0].bias == pytest.approx(np.sum(X**2))


def test_arguments_that_are_not_used_have_a_zero_gradient():
    np.testing.assert_array_equal(wg.grad(lambda x: np.float64(3.0))(X), np.zeros(3))
    assert wg.grad(lambda x, y: x, argnums=1)(1.0, 2.0) == 0.0


def test_closures_over_values_of_an_outer_derivative():
    g = lambda x: wg.grad(lambda y: np.sum(x * y**2))(X) @ x  # noqa: E731
    np.testing.assert_allclose(wg.grad(g)(X), numerical(g, X), rtol=1e-7)


def test_float32_gradients_are_float32():
    x = X.astype(np.float32)
    assert wg.grad(f)(x).dtype == np.float32
    assert wg.grad(lambda x: np.sum(x * np.ones(3)))(x).dtype == np.float32
    assert wg.grad(lambda x: x * np.float64(2.0))(np.float32(1.0)).dtype == np.float32


def test_control_flow_follows_the_values():
    def g(x):
        while x < 100.0:
            x = x * x if x > 2.0 else x + 1.5
        return x

    assert wg.grad(g)(1.0) == pytest.approx(float(numerical(g, 1.0)), rel=1e-6)
    assert wg.jvp(g, (1.0,), (1.0,))[1] == wg.grad(g)(1.0)


def test_recursion():
    def power(x, n):
        return 1.0 if n == 0 else x * power(x, n - 1)

    assert wg.grad(power)(2.0, 10) == 10 * 2.0**9


def test_the_wrapped_function_keeps_its_name():
    assert wg.grad(f).__name__ == "f"


# -- complex numbers -------------------------------------------------------------------------------


def test_real_to_real_through_complex_numbers_is_exact():
    g = lambda x: np.real(np.exp(1j * x) * (2 + 3j))  # noqa: E731
    assert wg.grad(g)(0.7) == pytest.approx(float(numerical(g, 0.7)), rel=1e-8)
    assert wg.jvp(g, (0.7,), (1.0,))[1] == pytest.approx(wg.grad(g)(0.7), rel=1e-14)


def test_the_gradient_of_a_real_function_of_a_complex_number():
    g = lambda z: np.real(z) ** 2 * np.imag(z)  # noqa: E731
    z = 1.5 + 0.5j
    assert wg.grad(g)(z) == pytest.approx(2 * 1.5 * 0.5 - 1j * 1.5**2)


def test_holomorphic_derivatives():
    z = 0.3 + 0.4j
    assert wg.grad(np.sin, holomorphic=True)(z) == pytest.approx(np.cos(z))
    jacobian = wg.jacobian(lambda z: np.stack([z**2, np.exp(z)]), holomorphic=True)(z)
    np.testing.assert_allclose(jacobian, [2 * z, np.exp(z)])


# -- jvp, vjp, linearize ---------------------------------------------------------------------------


def test_jvp_agrees_with_central_differences():
    v = np.array([1.0, 2.0, -1.0])
    value, tangent = wg.jvp(vector, (X,), (v,))
    np.testing.assert_array_equal(value, vector(X))
    np.testing.assert_allclose(tangent, numerical(vector, X) @ v, rtol=1e-8)


def test_jvp_of_trees_and_aux():
    g = lambda p: ({"s": p["a"] * p["b"]}, p["a"])  # noqa: E731
    value, tangent, aux = wg.jvp(g, ({"a": 2.0, "b": 3.0},), ({"a": 1.0, "b": 0.5},), has_aux=True)
    assert value == {"s": 6.0}
    assert tangent == {"s": 4.0}
    assert aux == 2.0


def test_vjp_agrees_with_central_differences_and_can_be_called_again():
    value, pullback = wg.vjp(vector, X)
    np.testing.assert_array_equal(value, vector(X))
    for ct in np.eye(2):
        (found,) = pullback(ct)
        np.testing.assert_allclose(found, ct @ numerical(vector, X), rtol=1e-8)


def test_vjp_with_aux():
    value, pullback, aux = wg.vjp(lambda x, y: (x * y, x), 2.0, 3.0, has_aux=True)
    assert (value, aux) == (6.0, 2.0)
    assert pullback(1.0) == (3.0, 2.0)


def test_linearize_is_jvp_at_a_fixed_point():
    value, push = wg.linearize(vector, X)
    np.testing.assert_array_equal(value, vector(X))
    for v in np.eye(3):
        np.testing.assert_allclose(push(v), wg.jvp(vector, (X,), (v,))[1], rtol=1e-14)


def test_results_that_are_integers_have_zero_tangents():
    value, tangent = wg.jvp(lambda x: (x, np.argmax(x)), (X,), (X,))
    assert value[1] == 2
    assert tangent[1] == 0.0


# -- jacobian and hessian --------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [None, "forward", "reverse"])
def test_jacobian_agrees_with_central_differences_in_each_mode(mode):
    found = wg.jacobian(vector, mode=mode)(X)
    np.testing.assert_allclose(found, numerical(vector, X), rtol=1e-8)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobian_of_a_matrix_function_has_both_shapes(mode):
    a = np.arange(6.0).reshape(2, 3)
    g = lambda a: a @ a.T  # noqa: E731
    found = wg.jacobian(g, mode=mode)(a)
    assert found.shape == (2, 2, 2, 3)
    np.testing.assert_allclose(found, numerical(g, a), rtol=1e-6, atol=1e-6)


def test_jacobian_of_trees():
    g = lambda p: {"u": p["x"] * p["y"], "v": np.sum(p["x"])}  # noqa: E731
    found = wg.jacobian(g)({"x": X, "y": 2.0})
    np.testing.assert_array_equal(found["u"]["x"], 2 * np.eye(3))
    np.testing.assert_array_equal(found["u"]["y"], X)
    np.testing.assert_array_equal(found["v"]["x"], np.ones(3))
    assert found["v"]["y"] == 0.0


@pytest.mark.parametrize(
    ("rows", "unwanted"), [(1, "_forward_rows"), (3, "_reverse_rows"), (12, "_reverse_rows")]
)
def test_jacobian_chooses_the_cheaper_mode(rows, unwanted, monkeypatch):
    monkeypatch.delattr(f"wengert.derivatives.jacobians.{unwanted}")
    a = np.arange(3.0 * rows).reshape(rows, 3)
    np.testing.assert_array_equal(wg.jacobian(lambda x: a @ x)(X), a)


def test_jacobian_with_no_elements():
    assert wg.jacobian(lambda x: np.zeros(0) * np.sum(x))(X).shape == (0, 3)
    assert wg.jacobian(lambda x: np.sum(x) * np.ones(2))(np.zeros(0)).shape == (2, 0)


@pytest.mark.parametrize(
    "wrap",
    [
        wg.hessian,
        lambda f: wg.jacrev(wg.jacrev(f)),
        lambda f: wg.jacfwd(wg.jacfwd(f)),
        lambda f: wg.jacrev(wg.jacfwd(f)),
    ],
)
def test_hessian_by_every_composition_of_modes(wrap):
    found = wrap(f)(X)
    np.testing.assert_allclose(found, numerical(wg.grad(f), X), rtol=1e-7, atol=1e-8)


def test_hessian_of_trees():
    h = wg.hessian(lambda p: p["a"] ** 2 * p["b"])({"a": 3.0, "b": 2.0})
    assert h == {"a": {"a": 4.0, "b": 6.0}, "b": {"a": 6.0, "b": 0.0}}


def test_hvp_is_the_hessian_times_a_vector():
    v = np.array([1.0, -1.0, 0.5])
    np.testing.assert_allclose(wg.hvp(f, X, v), wg.hessian(f)(X) @ v, rtol=1e-13)
    g = lambda x, y: np.sum(x**2) * y  # noqa: E731
    by_x, by_y = wg.hvp(g, (X, 2.0), (v, 0.0))
    np.testing.assert_allclose(by_x, 4 * v)
    assert by_y == pytest.approx(2 * X @ v)


def test_a_large_jacobian_is_computed_in_blocks(monkeypatch):
    monkeypatch.setattr("wengert.derivatives.jacobians._CHUNK", 7)
    for mode in ("forward", "reverse"):
        found = wg.jacobian(lambda x: np.cumsum(x**2), mode=mode)(np.arange(5.0))
        np.testing.assert_array_equal(found, np.tril(np.ones((5, 5))) * 2 * np.arange(5.0))


# -- vmap ------------------------------------------------------------------------------------------

BATCH = np.arange(12.0).reshape(4, 3) / 10


def test_vmap_is_a_loop():
    np.testing.assert_allclose(wg.vmap(vector)(BATCH), np.stack([vector(x) for x in BATCH]))


def test_vmap_over_axes_and_constants():
    g = lambda x, y: x * y + 1.0  # noqa: E731
    np.testing.assert_array_equal(wg.vmap(g, in_axes=(1, None))(BATCH, 2.0), BATCH.T * 2 + 1)
    np.testing.assert_array_equal(
        wg.vmap(g, in_axes=(0, 1), out_axes=1)(BATCH, BATCH.T), (BATCH * BATCH + 1).T
    )
    found = wg.vmap(lambda p: p["a"] * p["b"], in_axes=({"a": 0, "b": None},))({"a": BATCH, "b": X})
    np.testing.assert_array_equal(found, BATCH * X)


def test_vmap_of_a_result_that_does_not_depend_on_the_batch():
    np.testing.assert_array_equal(wg.vmap(lambda x: np.ones(2))(BATCH), np.ones((4, 2)))
    found = wg.vmap(lambda x: (x, np.ones(2)), out_axes=(0, None))(BATCH)
    assert found[1].shape == (2,)


def test_vmap_composes_with_every_derivative():
    loops = {
        "grad": (wg.grad(f), lambda g: np.stack([g(x) for x in BATCH])),
        "hessian": (wg.hessian(f), lambda g: np.stack([g(x) for x in BATCH])),
        "jacrev": (wg.jacrev(vector), lambda g: np.stack([g(x) for x in BATCH])),
        "vmap": (lambda x: wg.vmap(np.sin)(x), lambda g: np.sin(BATCH)),
    }
    for g, loop in loops.values():
        np.testing.assert_allclose(wg.vmap(g)(BATCH), loop(g), rtol=1e-12)


def test_derivatives_of_vmap():
    g = lambda b: np.sum(wg.vmap(vector)(b) ** 2)  # noqa: E731
    np.testing.assert_allclose(wg.grad(g)(BATCH), numerical(g, BATCH), rtol=1e-6, atol=1e-8)
    v = np.ones((4, 3))
    assert wg.jvp(g, (BATCH,), (v,))[1] == pytest.approx(np.sum(wg.grad(g)(BATCH)))


def test_vmap_of_integers_and_keywords():
    g = lambda i, *, table: table[0] + i  # noqa: E731
    found = wg.vmap(g)(np.arange(4), table=BATCH)
    np.testing.assert_array_equal(found, BATCH[:, 0] + np.arange(4))


# -- trace -----------------------------------------------------------------------------------------


def test_trace_follows_the_branch_taken():
    g = lambda x: np.sin(x) if x > 0 else np.cos(x)  # noqa: E731
    assert "sin(" in str(wg.trace(g)(1.0))
    assert "cos(" in str(wg.trace(g)(-1.0))


def test_trace_evaluates_to_the_function():
    program = wg.trace(vector)(X)
    (found,) = wg.evaluate(program, [BATCH[1]])
    np.testing.assert_array_equal(found, vector(BATCH[1]))


def test_trace_of_integer_operations_keeps_them_in_the_program():
    program = wg.trace(lambda x, i: x[i] * np.argmax(x))(X, 1)
    (found,) = wg.evaluate(program, [np.array([5.0, 1.0, 2.0]), 2])
    assert found == 0.0


# -- as JAX has it ---------------------------------------------------------------------------------


def test_a_jacobian_between_real_and_complex_takes_the_mode_that_exists():
    x, z = np.array([0.3, 0.8]), np.array([1 + 2j, 3 - 1j])
    wave = lambda x: np.exp(1j * x)  # noqa: E731
    np.testing.assert_allclose(wg.jacobian(wave)(x), np.diag(1j * np.exp(1j * x)))
    np.testing.assert_allclose(wg.jacfwd(wave)(x), np.diag(1j * np.exp(1j * x)))
    np.testing.assert_allclose(wg.jacobian(np.abs)(z), np.diag(np.conj(z) / np.abs(z)))
    np.testing.assert_allclose(wg.jacrev(np.abs)(z), np.diag(np.conj(z) / np.abs(z)))
    for verb, f, at in ((wg.jacrev, wave, x), (wg.jacfwd, np.abs, z), (wg.jacobian, wave, z)):
        with pytest.raises(wg.errors.DtypeError, match="complex"):
            verb(f)(at)


def test_a_pair_with_aux_may_be_a_list():
    assert wg.grad(lambda x: [x * x, x], has_aux=True)(3.0) == (6.0, 3.0)


def test_a_dataclass_with_a_static_field_and_one_that_is_not_set():
    @dataclass
    class Model:
        w: float
        name: str = field(default="line", metadata={"static": True})
        cache: float = field(init=False)

    found = wg.grad(lambda m: m.w**2 if m.name == "line" else m.w)(Model(3.0))
    assert (found.w, found.name, hasattr(found, "cache")) == (6.0, "line", False)


# -- copies and other kinds of array ---------------------------------------------------------------


def duplicate(x):
    return copy.deepcopy({"x": x})["x"]


def test_a_deep_copy_keeps_the_derivative():
    assert wg.grad(lambda x: duplicate(x) ** 2)(3.0) == 6.0
    assert wg.jvp(lambda x: duplicate(x) ** 2, (3.0,), (1.0,)) == (9.0, 6.0)
    assert wg.hessian(lambda x: duplicate(x) ** 2)(3.0) == 2.0
    np.testing.assert_array_equal(wg.vmap(lambda x: duplicate(x) ** 2)(X), X**2)


def test_assigning_to_a_copy_leaves_the_original():
    def g(x):
        y = x * 1
        for part in (copy.copy(y[:2]), copy.deepcopy(y), copy.copy(y)):
            part[0] = 0.0
        return np.sum(y)

    np.testing.assert_array_equal(wg.grad(g)(X), np.ones(3))


def test_a_traced_value_is_not_equal_to_none_or_to_text():
    assert wg.grad(lambda x: x if x == None else 2 * x)(1.0) == 2.0  # noqa: E711
    assert wg.grad(lambda x: x if x == "x" else 2 * x)(1.0) == 2.0
    assert wg.grad(lambda x: 2 * x if x != None else x)(1.0) == 2.0  # noqa: E711


def test_results_can_be_written_to_and_are_nobody_elses():
    for found in (
        wg.hessian(np.sum)(X),
        wg.jacobian(lambda x: np.ones(2))(X),
        wg.jacrev(np.sum)(X),
        wg.vmap(lambda x: np.broadcast_to(x, (3,)))(X),
    ):
        found += 1.0
    v = np.ones(3)
    _, tangent = wg.jvp(lambda x: x, (X,), (v,))
    tangent += 1.0
    np.testing.assert_array_equal(v, np.ones(3))


def test_a_batch_gives_no_warnings_for_branches_that_are_not_taken():
    f = lambda x: np.where(x > 0, np.sqrt(np.abs(x)), 0.0)  # noqa: E731
    np.testing.assert_array_equal(wg.vmap(wg.grad(f))(np.array([0.0, 4.0])), [0.0, 0.25])
