"""Complex numbers in native code: values at awkward points, and what becomes of a Program.

The tolerance is in units in the last place of the modulus: 8 against NumPy and against values of
60 digits for complex128, 16 for complex64, whose vector functions err by up to 4 themselves.
Infinities and NaN stand in the same parts as NumPy's, and zeros have the same signs, wherever the C
standard says which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from agreement import assert_agreement, compare, expected
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from support import number_of_examples
from wengert.compile import build
from wengert.compile.complexes import has_complex, split
from wengert.compile.rewrite import rewritten
from wengert.errors import GuardFailed
from wengert.evaluate import evaluate
from wengert.primitives.guard import guard
from wengert.primitives.woven import is_complex, weave
from wengert.program import Equation, Literal, Program, Type, Var
from wengert.transforms import jvp, vjp, vmap

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

UNARY = (
    "square reciprocal exp exp2 expm1 log log2 log10 log1p sqrt sin cos tan sinh cosh tanh "
    "negative conjugate rint absolute isnan isinf isfinite real imag"
).split()
TOLERANCE = {"complex128": 8, "complex64": 16}


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_CACHE", "0")


def native(f: Callable[..., Any], *values: Any) -> Any:
    """The result of compiled code, without callouts."""
    made = build(wg.trace(f)(*values))
    assert made.callouts == 0
    return made.run(values)[0]


def joined(real: Any, imag: Any, dtype: Any = np.complex128) -> Any:
    """Complex numbers of two parts. (``x + 1j * y`` would lose infinities and signs.)"""
    made = np.empty(np.shape(real), dtype)
    made.real, made.imag = real, imag
    return made


def awkward(dtype: Any) -> Any:
    """Pairs of all sorts of numbers: zeros, infinities, NaN, and where exp leaves the range."""
    info = np.finfo(dtype)
    limit = float(np.log(info.max))
    ends = [info.smallest_subnormal, info.smallest_normal, info.max, info.max / 3]
    sides = [0.0, 1.0, 0.5, 1.5, np.inf, 30.0, 1e-10, *map(float, ends), 0.9999999, np.pi / 2]
    sides += [limit - 0.3, limit + 0.3, limit / 2, 1000.0, 0.75 * limit]
    x, y = np.meshgrid(
        [np.nan, *sides, *(-x for x in sides)], [np.nan, *sides, *(-x for x in sides)]
    )
    return joined(x.ravel(), y.ravel(), dtype)


def kinds(x: Any) -> Any:
    """0 for a finite number, and what stands for NaN and each of the infinities."""
    return np.where(np.isnan(x), 3, np.where(np.isinf(x), np.sign(x), 0))


def assert_near(found: Any, wanted: Any, at: Any, ulp: float, signs: Any) -> None:
    """Equal to so many units of the modulus, with zeros of equal signs where that is asked for."""
    assert Type.of(found) == Type.of(wanted)
    if wanted.dtype.kind == "b":
        assert (found == wanted).all()
        return
    info = np.finfo(wanted.dtype)
    parts = [(np.real(found), np.real(wanted)), (np.imag(found), np.imag(wanted))]
    size = np.abs(wanted)
    for one, other in parts:
        wrong = kinds(one) != kinds(other)
        assert not wrong.any(), (at[wrong][:5], found[wrong][:5], wanted[wrong][:5])
        finite = np.isfinite(other)
        scale = np.where(np.isfinite(size), size, np.abs(other))
        near = np.abs(one - other) <= ulp * info.eps * scale + 4 * info.smallest_subnormal
        wrong = finite & ~near
        assert not wrong.any(), (at[wrong][:5], found[wrong][:5], wanted[wrong][:5])
        wrong = signs & (other == 0) & (np.signbit(one) != np.signbit(other))
        assert not wrong.any(), (at[wrong][:5], found[wrong][:5], wanted[wrong][:5])


# -- functions of one number -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", UNARY)
def test_functions_are_numpys_at_awkward_points(name: str, dtype: str) -> None:
    z = awkward(np.dtype(dtype))
    function = getattr(np, name)
    if name == "square":  # Of products past the range NumPy's fused arrays keep the difference.
        z = z[~(np.isinf(z.real**2) | np.isinf(z.imag**2))]
    wanted = function(z)
    assert_near(native(function, z), wanted, z, TOLERANCE[dtype], np.isfinite(z))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("operation", [np.add, np.subtract, np.multiply, np.divide])
def test_arithmetic_is_numpys_at_awkward_points(operation: np.ufunc, dtype: str) -> None:
    rng = np.random.default_rng(0)
    points = awkward(np.dtype(dtype))
    parts = np.abs([points.real, points.imag])
    points = points[~np.any((parts > 1e18) & np.isfinite(parts), axis=0)]
    x, y = rng.choice(points, 3000), rng.choice(points, 3000)
    # Of a difference of products that is rounded to 0 the fused one has another sign.
    whole = np.all([part == np.round(part) for z in (x, y) for part in (z.real, z.imag)], axis=0)
    assert_near(native(operation, x, y), operation(x, y), x, TOLERANCE[dtype], whole)
    # A real operand has imaginary parts of zero, which is not the same as none.
    for a, b in ((x, y.real.copy()), (x.real.copy(), y)):
        assert_near(native(operation, a, b), operation(a, b), b, TOLERANCE[dtype], whole)


def exact(name: str, z: complex) -> complex:
    """A function's value, from 60 digits."""
    with mpmath.workdps(60):
        x = mpmath.mpc(z)
        if name in ("exp2", "log2", "log10", "log1p", "expm1"):
            found = {
                "exp2": lambda: mpmath.mpf(2) ** x,
                "log2": lambda: mpmath.log(x) / mpmath.log(2),
                "log10": lambda: mpmath.log(x) / mpmath.log(10),
                "log1p": lambda: mpmath.log(1 + x),
                "expm1": lambda: mpmath.exp(x) - 1,
            }[name]()
        else:
            found = getattr(mpmath, name)(x)
        return complex(found)


DELICATE = [
    *(1 + 1e-10 * (1 + 1j), 1 - 1e-9j, 0.6 + 0.8j, -0.8 + 0.6j, 1 + 1e-300j, 1e-5 + 1j, 1e-20 + 1j),
    *(1e-200 + 1e-210j, 1e300 - 1e300j, 5e-324 + 5e-324j, -1e-300 + 1e-308j, 1e200 + 1e-200j),
    *(-2 + 1e-16j, -2 - 1e-16j, 1e-8 + 1e-9j, 3 + 355 / 113 * 1j, 0.5 + 1e5j, 20 - 22.5j),
    *(np.pi / 2 + 1e-9j, 355 / 226 - 1e-5j, 1e-5 + 355 / 226 * 1j, 700 + 1.5j, -40 + 2j, -300 - 3j),
]


@pytest.mark.parametrize("name", "exp log log2 log10 sqrt sin cos tan sinh cosh tanh".split())
def test_functions_are_close_to_the_truth(name: str) -> None:
    z = np.array([p for p in DELICATE if name not in ("sin", "cos", "tan") or abs(p.imag) < 700])
    if name in ("exp", "exp2", "sin", "cos", "tan", "sinh", "cosh", "tanh"):
        z = z[(np.abs(z.real) < 1000) & (np.abs(z.imag) < 1000)]
    wanted = np.array([exact(name, complex(p)) for p in z])
    found = native(getattr(np, name), z)
    allowed = 8 * np.finfo(float).eps * np.abs(wanted) + 1e-323
    wrong = ~(np.abs(found - wanted) <= allowed)
    assert not wrong.any(), (z[wrong], found[wrong], wanted[wrong])


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, 7, 50, -1, -2, -5, 0.5, 1.5, -0.5, 1j, 2 - 3j])
def test_powers_with_a_known_exponent(exponent: Any) -> None:
    rng = np.random.default_rng(1)
    z = np.append(rng.normal(size=60) + 1j * rng.normal(size=60), [0, 1, 1j, -1, 2 - 1e-9j])
    wanted = z**exponent
    found = native(lambda z: z**exponent, z)
    size = 8 + 2 * abs(exponent) * np.abs(np.log(np.where(z == 0, 1, z)))
    assert (kinds(found.real) == kinds(wanted.real)).all()
    finite = np.isfinite(wanted)
    error = np.abs(found - wanted)[finite]
    assert (error <= (size * np.finfo(float).eps * np.abs(wanted))[finite]).all()


def test_powers_with_exponents_that_the_run_knows() -> None:
    rng = np.random.default_rng(2)
    n = np.arange(-12, 13)
    z = rng.normal(size=(7, 25)) + 1j * rng.normal(size=(7, 25))
    for exponents in (n, n * 1.0, n * 0.25, n * (1 - 0.3j), n * 0j + 2):
        found, wanted = native(lambda z, n: z**n, z, exponents), z**exponents
        size = 30 + 2 * np.abs(exponents * np.log(z))
        assert (np.abs(found - wanted) <= size * np.finfo(float).eps * np.abs(wanted)).all()
    odd = np.array([0j, 0j, 0j, 0j, 2 + 1j, np.inf + 0j, 1 + 0j])
    by = np.array([0j, 1 + 1j, -1 + 0j, 1j, 0j, 0.5 + 0j, np.inf + 0j])
    found, wanted = native(lambda z, w: z**w, odd, by), odd**by
    assert (kinds(found.real) == kinds(wanted.real)).all()
    assert (kinds(found.imag) == kinds(wanted.imag)).all()


def test_signs_of_zeros_choose_the_side_of_a_branch_cut() -> None:
    x, y = np.array([-4.0, -4.0, -1.0]), np.array([0.0, -0.0, -0.0])
    z = joined(x, y)
    for f in (np.sqrt, np.log, lambda z: np.sqrt(z.conj()), lambda z: np.log(1 + z.conj())):
        assert_near(native(f, z), f(z), z, 4, True)
    for f in (lambda z: np.sqrt(1.0 + z), lambda z: np.log(-z), lambda z: np.angle(2 * z)):
        assert_near(native(f, z), f(z), z, 4, True)


# -- sums of products ------------------------------------------------------------------------------


def test_infinities_spread_in_products_of_matrices_as_imaginary_zeros_make_them() -> None:
    """BLAS chooses itself between infinity and NaN; both parts of an element are taken as one."""
    rng = np.random.default_rng(3)
    real, z = rng.normal(size=(6, 5)), rng.normal(size=(5, 4)) + 1j * rng.normal(size=(5, 4))
    z[2, 1] = complex(np.inf, 0)
    z[3, 2] = complex(0, np.nan)
    for f in (np.matmul, lambda x, z: np.einsum("ij,jk->ki", x, z), lambda x, z: x[0] @ z):
        wanted, found = f(real, z), native(f, real, z)
        for one, other in ((found.real, wanted.real), (found.imag, wanted.imag)):
            assert (np.isfinite(one) == np.isfinite(other)).all()
        assert not np.isfinite(wanted).all()
        np.testing.assert_allclose(found[np.isfinite(found)], wanted[np.isfinite(wanted)], 1e-13)


# -- what becomes of a Program ---------------------------------------------------------------------


def every_type(program: Program) -> list[Type]:
    """The types of all values, also of those in loops."""
    found = [atom.type for atom in (*program.inputs, *program.outputs)]
    for e in program.equations:
        found += [atom.type for atom in (*e.inputs, *e.outputs)]
        for _, inner in e.primitive.programs(e.params):
            found += every_type(inner)
    return found


def names(program: Program) -> list[str]:
    return [e.primitive.name for e in program.equations]


Z = np.array([0.3 + 0.2j, -0.1 + 0.4j, 0.2 - 0.3j])


def several(z: Any) -> Any:
    """Of most kinds of equations one."""
    y = z.copy()
    y[1] = z[0] * 2
    y[::2] += 1j
    loop = wg.fori_loop(0, 3, lambda i, w: w * z + i, y)
    return (
        *(loop, np.concatenate([z.real, z]), np.where(z.real > 0, z, 0.0), z[np.array([0, 2, 0])]),
        *(
            z @ z,
            np.outer(z, z.conj()) @ z.real,
            np.mean(z),
            np.prod(z),
            np.cumprod(z),
            np.angle(z),
        ),
        *(np.stack([z, y]).T, z**2, z**-2, z ** (1 / 3), z ** np.array([1, 2, 3]), 2**z, np.var(z)),
        *(np.einsum("i,j->ij", z, z.real), np.vdot(z, z), np.convolve(z, z.real), np.any(z), +z),
        *(
            np.cumsum(z[::-1]),
            z.astype(np.complex64),
            z != y,
            np.linalg.solve(np.eye(3) + np.outer(z, y), z),
        ),
        *(np.pad(z, 2), np.broadcast_to(z, (2, 3)), 1 / (1 + np.exp(-z)), np.round(z, 1)),
    )


def test_nothing_is_complex_any_more() -> None:
    program = wg.trace(several)(Z)
    assert has_complex(program)
    for made in (split(program).check(), rewritten(program).check()):
        assert not has_complex(made)
        assert not any(type.dtype.kind == "c" for type in every_type(made))
    found = evaluate(split(program), [weave(Z)])
    for one, other in zip(found, evaluate(program, [Z]), strict=True):
        other = weave(other) if is_complex(np.asarray(other).dtype) else other
        np.testing.assert_allclose(one, other, 1e-12, 1e-14)
    assert "woven_call" in names(rewritten(program))


def test_programs_without_complex_numbers_are_left_alone() -> None:
    assert not has_complex(wg.trace(lambda x: wg.fori_loop(0, 3, lambda i, y: y * x, x))(1.0))
    inner = wg.trace(lambda x: wg.fori_loop(0, 3, lambda i, y: np.abs(y + 1j * x), x))(1.0)
    assert has_complex(inner)
    assert not any(type.dtype.kind == "c" for type in every_type(rewritten(inner)))


def test_between_two_equations_that_are_called_out_nothing_is_taken_apart() -> None:
    a = np.eye(3) * (2 + 1j) + 0.1

    def f(a: Any) -> Any:
        return np.linalg.inv(np.linalg.inv(a).T[::-1])

    made = rewritten(wg.trace(f)(a))
    assert set(names(made)) == {"woven_call", "transpose", "slice"}
    built = assert_agreement(wg.trace(f)(a), [a])
    assert built.callouts == 2


def test_an_equation_that_is_called_out_is_named() -> None:
    built = build(wg.trace(lambda z: np.arctan(2 * z))(Z))
    (note,) = (n for n in built.report.root.notes if n.how == "callout")  # type: ignore[union-attr]
    assert note.equation.primitive.formula(["z"], note.equation.params) == "arctan(z)"


def test_of_a_number_on_the_unit_circle_no_exponential_is_taken() -> None:
    x = np.array([0.0, 1.0, -1e3, np.inf, np.nan])
    for f in (
        lambda x: np.exp(1j * x),
        lambda x: np.exp(-2j * np.pi * np.outer(x, x) / 5),
        lambda x: np.exp((1j * x - 0.5j)[::-1] * 2),
    ):
        assert {"sin", "cos"} <= set(names(rewritten(wg.trace(f)(x)))) - {"exp"}
        assert "exp" not in names(rewritten(wg.trace(f)(x)))
        found, wanted = native(f, x), f(x)
        assert_near(found, wanted, np.broadcast_to(x, found.shape), 16, False)
    for f in (
        lambda x: np.exp(1j * x + x),
        lambda x: np.exp(1j * x * (1 + 2j)),
        lambda x: np.exp((1 + 2j) * (1j * x)),
        lambda x: np.exp(1j * x / (1 + 2j)),
        lambda x: np.exp(1j / (1j * x)),
        lambda x: np.exp(np.where(x > 0, 1j * x, 2.0)),
        lambda x: np.exp((1j * x) ** 2),
    ):
        assert "exp" in names(rewritten(wg.trace(f)(x)))
        np.testing.assert_allclose(native(f, x[:3]), f(x[:3]), 1e-13)


def test_values_of_all_shapes() -> None:
    for shape in ((), (1,), (0,), (3,), (40,), (5, 7), (2, 0), (4, 1, 3)):
        rng = np.random.default_rng(4)
        z = np.asarray(rng.normal(size=shape) + 1j * rng.normal(size=shape))[()]
        assert_agreement(wg.trace(lambda z: (z * z.conj() + 1j, z, np.exp(z).T, -1j))(z), [z])


def test_guards_of_complex_numbers_keep_their_numbers() -> None:
    z, x = Var(Type((), np.dtype(complex))), Var(Type((), np.dtype(float)))
    equations = (
        Equation(guard, (x, Literal(np.float64(1))), {}, ()),
        Equation(guard, (z, Literal(np.complex128(complex(2, -0.0)))), {}, ()),
        Equation(guard, (x, Literal(np.float64(1))), {}, ()),
    )
    built = build(Program((z, x), equations, (x,)))
    assert built.callouts == 0
    assert built.run([np.complex128(complex(2, -0.0)), np.float64(1)]) == [1.0]
    for value, number, index in ((complex(2, -0.0), 3, 0), (2 + 1j, 1, 1), (complex(2, 0), 1, 1)):
        with pytest.raises(GuardFailed) as caught:
            built.run([np.complex128(value), np.float64(number)])
        assert caught.value.index == index


def test_jitted_functions_take_the_path_of_a_complex_value() -> None:
    def f(z: Any) -> Any:
        return np.sin(z) * complex(z) if z != 1 else z * 2

    jitted = wg.jit(f)
    for z in (1 + 0j, 4j, 0j, 5j, 4j, 0j, 1 + 0j, -1.5j, 5j):
        for _ in range(3):
            np.testing.assert_allclose(jitted(z), f(z), 1e-14)


# -- loops and branches ----------------------------------------------------------------------------


def second(program: Program) -> Program:
    return jvp(vjp(program))


def random_like(type: Type, rng: np.random.Generator) -> Any:
    made = rng.normal(size=type.shape)
    if type.dtype.kind == "c":
        made = made + 1j * rng.normal(size=type.shape)
    return np.asarray(made).astype(type.dtype)[()]


def assert_all_agree(f: Callable[..., Any], *values: Any, callouts: bool = False) -> None:
    """The function, its derivatives of first and second order, and its batched form."""
    rng = np.random.default_rng(5)
    program = wg.trace(f)(*values)
    for transform in (lambda p: p, jvp, vjp, second):
        made = transform(program)
        more = [random_like(t, rng) for t in made.input_types[len(values) :]]
        built = assert_agreement(made, [*values, *more])
        assert callouts or built.callouts == 0
    batch = [np.stack([x, x * 1, x]) for x in map(np.asarray, values)]
    assert_agreement(vmap(program, 3), batch)


LOOPS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "a number carried": (
        lambda c, z: wg.fori_loop(0, 5, lambda i, w: w * w + c, z),
        (np.complex128(0.1 - 0.2j), np.complex128(0.1j)),
    ),
    "an array carried, slices read and stacked": (
        lambda c, xs: wg.scan(lambda a, x: (a * c + x, np.abs(a) * x), np.zeros(3, complex), xs),
        (np.complex128(0.1 - 0.2j), np.arange(12.0).reshape(4, 3) * (0.1 + 0.05j)),
    ),
    "a real slice makes a complex one": (
        lambda c, xs: wg.scan(lambda a, x: (a * c + x, a * np.exp(1j * x)), 0j, xs),
        (np.complex128(0.1 - 0.2j), np.linspace(0, 1, 6)),
    ),
    "until a modulus is large": (
        lambda z: wg.while_loop(lambda w: np.sum(np.abs(w)) < 20, lambda w: w * w + w + z, z),
        (Z,),
    ),
    "a complex and a real carry": (
        lambda z, x: wg.while_loop(
            lambda w: w[1] < 4, lambda w: (w[0] * z[1] + 1j * x, w[1] + np.abs(w[0])), (z[0], x)
        ),
        (Z, np.float64(0.7)),
    ),
    "one of three functions": (
        lambda i, z: wg.switch(i, [np.sin, np.exp, lambda z: z * 1j], z),
        (np.int64(1), Z),
    ),
    "called out in the middle": (
        lambda z: wg.fori_loop(0, 2, lambda i, w: np.linalg.solve(2 * np.eye(3) + 0j, w) * z, z),
        (Z,),
    ),
}


@pytest.mark.parametrize("name", LOOPS)
def test_loops_and_branches(name: str) -> None:
    f, values = LOOPS[name]
    assert_all_agree(f, *values, callouts="called out" in name)


def test_several_kinds_of_equations_and_their_derivatives() -> None:
    program = wg.trace(several)(Z)
    rng = np.random.default_rng(6)
    assert assert_agreement(program, [Z]).callouts == 1
    made = vjp(program)
    assert_agreement(made, [Z, *(random_like(t, rng) for t in made.input_types[1:])])


# -- random Programs -------------------------------------------------------------------------------

STEPS: list[Callable[..., Any]] = [
    *(np.add, np.subtract, np.multiply),
    *(lambda x, y: x / (2.0 + y * y.conj()), lambda x, y: np.where(np.abs(x) < 0.5, x, y)),
    *(lambda x, y: np.exp(1j * x.real) * y, lambda x, y: np.exp(x - y), lambda x, y: np.sin(x) * y),
    *(lambda x, y: np.sqrt(2 + x * x.conj()) + y, lambda x, y: np.log(3 + np.abs(x)) * 1j + y),
    *(lambda x, y: x.real * y, lambda x, y: x.imag + 0 * y, lambda x, y: np.tanh(x / 2) + y),
    *(
        lambda x, y: x.conj() * y,
        lambda x, y: np.mean(x) + y,
        lambda x, y: np.cumsum(x, -1) * y / 9,
    ),
    *(
        lambda x, y: x[::-1] * y,
        lambda x, y: np.concatenate([x, y])[: len(x)] + y,
        lambda x, y: x**3,
    ),
    *(
        lambda x, y: x * (y.real > 0),
        lambda x, y: np.roll(x, 1) - y,
        lambda x, y: (x * 1j) ** 2 - y,
    ),
    *(lambda x, y: np.vdot(x, y) * y / 50, lambda x, y: x.astype(np.complex64) + y.real),
]


def random_function(seed: int, count: int) -> Callable[..., Any]:
    def f(*inputs: Any) -> Any:
        rng = np.random.default_rng(seed)
        values = list(inputs)
        for _ in range(count):
            step = STEPS[rng.integers(len(STEPS))]
            x, y = (values[-1 - min(int(rng.exponential(2)), len(values) - 1)] for _ in "xy")
            made = step(x + 0j, y + 0j)
            values.append(made / (1 + np.mean(np.abs(made))))
        return values[-1], np.sum(np.abs(values[-2]))

    return f


COUNTS = {"value": 12, "gradient": 4, "second": 2, "batch": 2}


@pytest.mark.parametrize("kind", COUNTS)
def test_random_programs(kind: str) -> None:
    @settings(max_examples=number_of_examples(COUNTS[kind]))
    @given(st.integers(0, 1 << 40), st.integers(1, 6 if kind == "value" else 3))
    def run(seed: int, count: int) -> None:
        rng = np.random.default_rng(seed)
        shape = (40,) if seed % 3 else (3,)
        values = [rng.normal(size=shape) + 1j * rng.normal(size=shape), rng.normal(size=shape)]
        program = wg.trace(random_function(seed, count))(*values)
        if kind == "batch":
            program, values = vmap(vjp(program), 3), [np.stack([x] * 3) for x in values]
        elif kind != "value":
            program = vjp(program) if kind == "gradient" else second(program)
        values += [random_like(t, rng) for t in program.input_types[len(values) :]]
        assert_agreement(program, values)

    run()


# -- the comparison itself -------------------------------------------------------------------------


def test_a_wrong_part_is_noticed() -> None:
    z = np.array([1 + 1j, 1e-3 + 1j])
    with pytest.raises(AssertionError):
        assert_near(z.conj(), z, z, 8, True)
    with pytest.raises(AssertionError):
        assert_near(joined([0.0], [1.0]), joined([-0.0], [1.0]), np.zeros(1), 8, True)
    with pytest.raises(AssertionError):
        assert_near(z * (1 + 1e-14), z, z, 8, False)
    program = wg.trace(np.exp)(z)
    wanted, others = expected(program, [z])
    with pytest.raises(AssertionError):
        compare(wanted[0] * (1 + 1e-12j), wanted[0], [other[0] for other in others], "turned")
