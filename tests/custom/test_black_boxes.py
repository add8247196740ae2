"""Functions that cannot be traced, under rules of the user's own, in every verb."""

import ctypes
import ctypes.util
import math
import pickle
import sys
import threading
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.special

import wengert as wg
from wengert import errors
from wengert.errors import JitWarning

RNG = np.random.default_rng(1)
A = RNG.normal(size=(3, 3)) + 3 * np.eye(3)
B = RNG.normal(size=3)
MATRICES = A + 0.1 * RNG.normal(size=(4, 3, 3))
VECTORS = RNG.normal(size=(4, 3))

# -- solve: rules in terms of the function itself, and of the library ------------------------------


def solving(forward: bool, reverse: bool, by_library: bool = False):
    """``scipy.linalg.solve`` with one rule or both."""

    @wg.custom_jvp
    def solve(a, b):
        return scipy.linalg.solve(a, b)

    inner = scipy.linalg.solve if by_library else solve
    if forward:

        @solve.defjvp
        def rule(primals, tangents):
            (a, b), (a_dot, b_dot) = primals, tangents
            x = inner(a, b)
            return x, inner(a, b_dot - a_dot @ x)

    if reverse:

        def bwd(saved, x_bar):
            a, x = saved
            b_bar = inner(a.T, x_bar)
            return -np.outer(b_bar, x), b_bar

        solve.defvjp(lambda a, b: ((x := inner(a, b)), (a, x)), bwd)
    return solve


RULES = {"jvp": (True, False), "vjp": (False, True), "both": (True, True)}


def energy(solve):
    return lambda a, b: np.sum(np.sin(solve(a, b)) * b)


def thrice(f, *args):
    """The last of three calls of a jitted function: native code by then."""
    jitted = wg.jit(f, wait=True)
    return [jitted(*args) for _ in range(3)][-1]


def looped(f):
    return lambda y: wg.fori_loop(0, 3, lambda i, y: y * 0.1 + f(A, B * y), y)


def scanned(f):
    return lambda y: wg.scan(lambda y, b: (y * 0.1 + f(A, b * y), y), y, VECTORS)[0]


def while_looped(f):
    step = lambda s: (s[0] + 1, s[1] * 0.1 + f(A, B * s[1]))  # noqa: E731
    return lambda y: wg.while_loop(lambda s: s[0] < 3, step, (0, y))[1]


FIRST = {
    "grad": lambda f: wg.grad(f, argnums=(0, 1))(A, B),
    "jvp": lambda f: wg.jvp(f, (A, B), (MATRICES[0], VECTORS[0])),
    "vjp": lambda f: wg.vjp(f, A, B)[1](1.5),
    "jacobian": lambda f: wg.jacobian(lambda b: b * f(A, b))(B),
    "jacrev": lambda f: wg.jacrev(lambda b: b * f(A, b))(B),
    "linearize": lambda f: wg.linearize(f, A, B)[1](MATRICES[0], VECTORS[0]),
    "vmap": lambda f: wg.vmap(f)(MATRICES, VECTORS),
    "vmap of one": lambda f: wg.vmap(f, in_axes=(None, 0))(A, VECTORS),
    "vmap of grad": lambda f: wg.vmap(wg.grad(f, argnums=(0, 1)))(MATRICES, VECTORS),
    "grad of vmap": lambda f: wg.grad(lambda a: np.sum(wg.vmap(f)(a, VECTORS)))(MATRICES),
    "jit": lambda f: thrice(f, A, B),
    "jit of grad": lambda f: thrice(wg.grad(f, argnums=(0, 1)), A, B),
    "grad of jit": lambda f: wg.grad(wg.jit(f, wait=True), argnums=(0, 1))(A, B),
    "jit of vmap of grad": lambda f: thrice(wg.vmap(wg.grad(f)), MATRICES, VECTORS),
    "fori_loop": lambda f: wg.grad(looped(f))(0.3),
    "while_loop": lambda f: wg.grad(while_looped(f))(0.3),
    "scan": lambda f: wg.grad(scanned(f))(0.3),
    "jit of scan": lambda f: thrice(wg.grad(scanned(f)), 0.3),
    "cond": lambda f: wg.vmap(
        wg.grad(lambda y: wg.cond(y > 0.5, lambda y: f(A, B * y), np.square, y))
    )(np.array([0.3, 0.7])),
    "map": lambda f: wg.map(lambda b: f(A, b), VECTORS),
    "trace": lambda f: wg.evaluate(wg.trace(f)(A, B), [A, B]),
    "check_grads": lambda f: wg.check_grads(f, (A, B)),
}
SECOND = {
    "hessian": lambda f: wg.hessian(f, argnums=(0, 1))(A, B),
    "jacrev of jacrev": lambda f: wg.jacrev(wg.jacrev(f, argnums=1), argnums=1)(A, B),
    "jacfwd of jacfwd": lambda f: wg.jacfwd(wg.jacfwd(f, argnums=1), argnums=1)(A, B),
    "hvp": lambda f: wg.hvp(lambda b: f(A, b), B, VECTORS[0]),
    "vmap of hessian": lambda f: wg.vmap(wg.hessian(f, argnums=1))(MATRICES, VECTORS),
    "jit of hessian": lambda f: thrice(wg.hessian(f, argnums=1), A, B),
    "fori_loop": lambda f: wg.grad(wg.grad(looped(f)))(0.3),
    "third": lambda f: wg.grad(wg.grad(wg.grad(lambda y: f(A, B * y))))(0.4),
    "check_grads": lambda f: wg.check_grads(f, (A, B), order=2),
}


def leaves(value):
    if isinstance(value, tuple | list):
        return [leaf for part in value for leaf in leaves(part)]
    return [] if value is None else [value]


def assert_the_same(found, expected):
    for one, other in zip(leaves(found), leaves(expected), strict=True):
        assert isinstance(one, np.ndarray | np.generic)
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("verb", FIRST)
def test_solve_of_scipy_under_any_rule_is_solve_of_numpy(verb, rules):
    expected = FIRST[verb](energy(np.linalg.solve))
    assert_the_same(FIRST[verb](energy(solving(*RULES[rules]))), expected)
    assert_the_same(FIRST[verb](energy(solving(*RULES[rules], by_library=True))), expected)


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("verb", SECOND)
def test_the_rule_of_what_a_rule_calls_gives_higher_orders(verb, rules):
    expected = SECOND[verb](energy(np.linalg.solve))
    assert_the_same(SECOND[verb](energy(solving(*RULES[rules]))), expected)
    with pytest.raises(
        errors.UnknownDerivativeError, match="rule of solve is to be differentiated"
    ):
        SECOND[verb](energy(solving(*RULES[rules], by_library=True)))


# -- functions of a number -------------------------------------------------------------------------


@wg.custom_jvp
def python_sin(x):
    return math.sin(float(x))


@wg.custom_jvp
def python_cos(x):
    return math.cos(float(x))


python_sin.defjvp(lambda p, t: (python_sin(*p), python_cos(*p) * t[0]))
python_cos.defjvp(lambda p, t: (python_cos(*p), -python_sin(*p) * t[0]))


@wg.custom_vjp
def special_sin(x):
    return scipy.special.sindg(np.degrees(np.asarray(x, float)))[()]


@wg.custom_vjp
def special_cos(x):
    return scipy.special.cosdg(np.degrees(np.asarray(x, float)))[()]


special_sin.defvjp(lambda x: (special_sin(x), x), lambda x, ct: (ct * special_cos(x),))
special_cos.defvjp(lambda x: (special_cos(x), x), lambda x, ct: (-ct * special_sin(x),))

POINTS = np.array([0.2, 0.7, 1.3])
NUMBERS = {
    "grad": lambda f: [wg.grad(lambda x: f(x) * x)(x) for x in POINTS],
    "third": lambda f: wg.grad(wg.grad(wg.grad(f)))(0.7),
    "vmap": lambda f: wg.vmap(f)(POINTS),
    "vmap of vmap": lambda f: wg.vmap(wg.vmap(f))(np.stack([POINTS, 2 * POINTS])),
    "vmap of hessian": lambda f: wg.vmap(wg.hessian(f))(POINTS),
    "grad of vmap": lambda f: wg.grad(lambda x: np.sum(wg.vmap(f)(x) * x))(POINTS),
    "jit of grad of grad": lambda f: thrice(wg.grad(wg.grad(f)), 0.7),
    "grad of grad of jit": lambda f: wg.grad(wg.grad(wg.jit(f, wait=True)))(0.7),
    "loop": lambda f: wg.fori_loop(0, 4, lambda i, y: f(y) + i, 0.3),
    "second in a loop": lambda f: wg.grad(
        wg.grad(lambda x: wg.fori_loop(0, 3, lambda i, y: 0.3 * f(y) + i * x, x))
    )(0.3),
}


@pytest.mark.parametrize("f", [python_sin, special_sin])
@pytest.mark.parametrize("verb", NUMBERS)
def test_pure_python_and_special_functions_are_what_they_are_of(verb, f):
    assert_the_same(NUMBERS[verb](f), NUMBERS[verb](np.sin))


@pytest.mark.skipif(sys.platform == "win32", reason="the C library has another name there")
def test_a_function_of_c_is_called_out_of_native_code():
    library = ctypes.CDLL(ctypes.util.find_library("m"))
    library.sin.restype, library.sin.argtypes = ctypes.c_double, [ctypes.c_double]
    f = wg.custom_vjp(lambda x: library.sin(x))
    f.defvjp(lambda x: (f(x), x), lambda x, ct: (ct * np.cos(x),))
    slope = wg.jit(wg.grad(lambda x: f(x) * x), wait=True)
    for x in POINTS:
        assert slope(x) == pytest.approx(np.cos(x) * x + np.sin(x))
    np.testing.assert_allclose(wg.vmap(f)(POINTS), np.sin(POINTS))


def test_a_function_that_reads_a_file(tmp_path):
    path = tmp_path / "table.txt"
    np.savetxt(path, [1.0, 2.0, 3.0])
    f = wg.custom_vjp(lambda x: np.polyval(np.loadtxt(path), x))
    f.defvjp(
        lambda x: ((table := np.loadtxt(path)) @ [x * x, x, 1.0], (table, x)),
        lambda saved, ct: (ct * (2 * saved[0][0] * saved[1] + saved[0][1]),),
    )
    assert wg.grad(f)(0.5) == 3.0
    assert wg.hessian(f)(0.5) == 2.0
    np.testing.assert_allclose(wg.vmap(wg.grad(f))(POINTS), 2 * POINTS + 2)
    with pytest.warns(JitWarning):
        assert wg.jit(wg.grad(f))(0.5) == 3.0


def test_optimisers_take_black_boxes():
    found = wg.optimize.least_squares(
        lambda p: np.array([special_sin(p[0]) - 0.5, p[1] * special_sin(p[0]) - 1]), np.ones(2) / 9
    )
    np.testing.assert_allclose(found.x, [np.pi / 6, 2], rtol=1e-5)
    line = lambda x, a, b: a * wg.vmap(lambda x: python_sin(b * x))(x)  # noqa: E731
    x = np.linspace(0.1, 1, 6)
    np.testing.assert_allclose(
        wg.optimize.curve_fit(line, x, 2 * np.sin(0.7 * x))[0], [2, 0.7], rtol=1e-5
    )
    assert wg.optimize.root_scalar(lambda x: python_sin(x) - 0.5, x0=0.1).root == pytest.approx(
        np.pi / 6
    )


def test_explain_and_the_printed_program_name_the_function():
    assert "python_sin(a)" in str(wg.trace(lambda x: 2 * python_sin(x))(0.5))
    assert "python_sin" in str(wg.explain(lambda x: 2 * python_sin(x), 0.5))


def test_a_function_at_module_level_is_pickled_by_its_name():
    assert pickle.loads(pickle.dumps(python_sin)) is python_sin
    again = pickle.loads(pickle.dumps(wg.custom_jvp(math.sin, result=0.0)))
    assert (again(0.5), again.result) == (math.sin(0.5), 0.0)


def test_threads_share_a_black_box():
    errors_met = []

    def work(x):
        errors_met.append(abs(wg.grad(special_sin)(x) - np.cos(x)))
        errors_met.append(
            np.max(np.abs(wg.vmap(wg.grad(python_sin))(POINTS * x) - np.cos(POINTS * x)))
        )

    threads = [threading.Thread(target=work, args=(k / 8,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors_met) == 16
    assert max(errors_met) < 1e-12


# -- an FFT: complex numbers -----------------------------------------------------------------------

DFT = np.exp(-2j * np.pi * np.outer(np.arange(5), np.arange(5)) / 5)
Z = RNG.normal(size=5) + 1j * RNG.normal(size=5)


def fft_by(rule):
    @wg.custom_jvp
    def fft(x):
        return np.fft.fft(x)

    if rule == "jvp":
        fft.defjvp(lambda p, t: (fft(*p), fft(*t)))
    elif rule == "jvp by the library":
        fft.defjvp(lambda p, t: (fft(*p), np.fft.fft(*t)))
    else:  # The matrix of the transform is symmetric.
        fft.defvjp(lambda x: (fft(x), None), lambda _, y_bar: (fft(y_bar),))
    return fft


def power(fft):
    return lambda x: np.sum(np.abs(fft(x)) ** 2 * np.arange(5))


@pytest.mark.parametrize("rule", ["jvp", "jvp by the library", "vjp"])
@pytest.mark.parametrize(
    "verb",
    [
        lambda fft: wg.grad(power(fft))(Z),
        lambda fft: wg.jvp(fft, (Z,), (1j * Z,)),
        lambda fft: wg.vjp(fft, Z)[1](Z),
        lambda fft: wg.vmap(wg.grad(power(fft)))(np.stack([Z, 2 * Z])),
        lambda fft: wg.jacrev(fft, holomorphic=True)(Z),
        lambda fft: wg.jacfwd(fft, holomorphic=True)(Z),
        lambda fft: thrice(wg.grad(power(fft)), Z),
    ],
)
def test_an_fft_is_its_matrix(verb, rule):
    assert_the_same(verb(fft_by(rule)), verb(lambda x: DFT @ x))


@pytest.mark.parametrize("rule", ["jvp", "jvp by the library"])
def test_a_real_signal_has_a_real_gradient(rule):
    fft = fft_by(rule)
    assert_the_same(wg.grad(power(fft))(B := Z.real), wg.grad(power(lambda x: DFT @ x))(B))
    assert_the_same(wg.jacobian(fft)(B), DFT)


# -- what is not known -----------------------------------------------------------------------------


def picky(**declared):
    """A function that fails for all values but one's own."""

    def body(x):
        if not np.array_equal(np.asarray(x), [5.0, 7.0]):
            raise ValueError("not these")
        return np.float64(float(x[0]))

    f = wg.custom_jvp(body, **declared)
    f.defjvp(lambda p, t: (f(*p), t[0][0]))
    return f


def test_a_result_that_nothing_tells_has_to_be_declared():
    with pytest.raises(errors.UnknownDerivativeError, match=r"(?s)picky|result="):
        wg.vmap(picky())(np.array([[5.0, 7.0]]))
    for declared in (0.0, np.float64, np.empty(()), lambda x: np.empty((), x.dtype)):
        f = picky(result=declared)
        np.testing.assert_array_equal(wg.vmap(f)(np.array([[5.0, 7.0]])), [5.0])
        np.testing.assert_array_equal(wg.vmap(wg.grad(f))(np.array([[5.0, 7.0]])), [[1.0, 0.0]])
    f = picky()
    wg.grad(f)(np.array([5.0, 7.0]))
    assert wg.vmap(f)(np.array([[5.0, 7.0]])) == 5.0, "an earlier call tells"


def test_a_result_of_another_type_than_expected_is_an_error():
    unique = wg.custom_jvp(lambda x: np.unique(np.asarray(x)))
    unique.defjvp(lambda p, t: (unique(*p), t[0]))
    with pytest.raises(errors.ShapeError, match="result="):
        wg.vmap(unique)(np.array([[1.0, 2.0], [2.0, 2.0]]))
    root = wg.custom_jvp(lambda x: np.emath.sqrt(np.asarray(x))[()])
    root.defjvp(lambda p, t: (root(*p), 0.5 * t[0] / root(*p)))
    with pytest.raises(errors.DtypeError, match="result="):
        wg.vmap(root)(np.array([-1.0]))
    root = wg.custom_jvp(lambda x: np.emath.sqrt(np.asarray(x))[()], result=0j)
    np.testing.assert_array_equal(wg.vmap(root)(np.array([-1.0, 4.0])), [1j, 2.0])


def test_an_empty_batch_of_a_black_box():
    assert wg.vmap(python_sin)(np.zeros(0)).shape == (0,)
    assert wg.vmap(wg.grad(python_sin))(np.zeros(0)).shape == (0,)


def test_a_batching_rule_takes_the_place_of_the_loop():
    sizes = []
    f = wg.custom_vjp(lambda x: math.sin(float(x)))
    f.defvjp(lambda x: (f(x), x), lambda x, ct: (ct * np.cos(x),))

    @f.defvmap
    def batch(x):
        sizes.append(x.shape)
        return np.sin(x)

    np.testing.assert_allclose(wg.vmap(f)(POINTS), np.sin(POINTS))
    np.testing.assert_allclose(wg.vmap(wg.grad(f))(POINTS), np.cos(POINTS))
    assert sizes[0] == (3,)


def test_a_black_box_without_a_rule_has_values_but_no_derivative():
    count = wg.custom_jvp(lambda x: int(np.sum(np.asarray(x) > 0)))
    np.testing.assert_array_equal(wg.vmap(count)(np.array([[1.0, -1.0], [1.0, 2.0]])), [1, 2])
    with pytest.raises(errors.UnknownDerivativeError, match="without a rule"):
        wg.grad(count)(np.ones(2))


def test_a_black_box_that_keeps_the_order_of_memory_is_seen_to() -> None:
    @wg.custom_jvp
    def twice(x: Any) -> Any:
        return 2.0 * np.asarray(x, dtype=float)

    @twice.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        return twice(primals[0]), 2.0 * tangents[0]

    def f(x: Any) -> Any:
        y = twice(x)
        y.reshape(-1)[0] = 7.0  # a copy, if y is in Fortran order
        return y.reshape(-1, order="A"), y

    for x in (np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3))):
        batch = np.stack([x.T, x.T]).transpose(0, 2, 1) if x.flags.fnc else np.stack([x, x])
        for result, wanted in zip(wg.vmap(f)(batch), f(x), strict=True):
            assert np.array_equal(result[1], wanted)


@pytest.mark.parametrize("part", [lambda x: x, lambda x: x[::-1], lambda x: {"y": x[1:], "n": 1}])
def test_a_result_is_an_array_of_its_own_without_a_trace_too(part):
    f = wg.custom_jvp(part)
    f.defjvp(lambda primals, tangents: wg.jvp(part, primals, tangents))
    x = np.array([1.0, 2.0, 4.0])
    result = f(x)
    y = result["y"] if isinstance(result, dict) else result
    y *= 3.0
    assert x.tolist() == [1.0, 2.0, 4.0]

    def written(x):
        y = f(x)
        y = y["y"] if isinstance(y, dict) else y
        y *= 3.0
        return np.sum(x * x) + np.sum(y)

    assert wg.jvp(written, (x,), (x,))[0] == wg.vjp(written, x)[0] == written(x)
