"""One element of every elementwise primitive: native code against NumPy, on awkward numbers.

A primitive is tried on every dtype that NumPy takes, on all pairs of special and random values, in
loops that LLVM vectorises and in their remainders. Results are equal to the bit, NaN, infinity and
the sign of zero included, but for the functions in ``ULPS``.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from wengert.compile.emit import Buffer, Code, constant
from wengert.compile.machine import compile_object, link
from wengert.compile.mathlib import LARGEST_ERROR, mathlib, used
from wengert.compile.module import Module
from wengert.compile.scalars import lowerable, operand_dtypes, scalar
from wengert.compile.shapes import ELEMENTWISE
from wengert.kinds import Elementwise, mul0
from wengert.primitive import REGISTRY, Primitive
from wengert.primitives import arithmetic, logic, shape
from wengert.program import Equation, Literal, Type, Var

FLOAT = ("float64", "float32")
INTEGER = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
EVERY = (*FLOAT, *INTEGER, "bool")

FORMULAS = ("logistic", "logaddexp", "logaddexp2", "sinc")
"""What has several steps, here and in NumPy."""

ULPS = {
    **dict.fromkeys(
        "exp exp2 expm1 log log2 log10 log1p cbrt sin cos tan arcsin arccos arctan sinh cosh tanh "
        "arcsinh arccosh arctanh arctan2 hypot power".split(),
        LARGEST_ERROR,
    ),
    **dict.fromkeys((*FORMULAS, "modulus"), 2 * LARGEST_ERROR),
}
"""How many units in the last place a result may be away from NumPy's. 0 for all others.

NumPy's float64 functions are all but exact. Its float32 ones may be as far from the truth as the
compiled ones, in the other direction: results of float32 are compared with those of float64,
rounded. Both take part in a formula, hence twice as much.
"""

UNSIGNED = ("mul0", "maximum", "minimum", "fmax", "fmin")
"""Where the sign of a zero depends, in NumPy, on the neighbours in the array."""

RANDOM = np.random.default_rng(3)


def floats(dtype: Any, count: int) -> np.ndarray[Any, Any]:
    """Special values of a dtype, and random ones of all magnitudes."""
    info = np.finfo(dtype)
    special = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -2.5, 1.5, 7.0, 1e-3, 100.5, -744.0]
    special += [np.inf, -np.inf, np.nan, info.max, info.min, info.tiny, -info.tiny]
    special += [info.smallest_subnormal, -3 * info.smallest_subnormal, 2.0**31, -(2.0**31), 3e9]
    special += [300.0, -300.0, 1e5, 1e10, -1e10, 2.0**63, -(2.0**63), 1e19, -1e19, 1 / info.eps]
    random = RANDOM.normal(size=count) * 2.0 ** RANDOM.integers(-40, 40, count)
    near = RANDOM.uniform(-3, 3, count)
    return np.concatenate([special, random, near]).astype(dtype)


def integers(dtype: Any, count: int) -> np.ndarray[Any, Any]:
    """Special values of a dtype, and random ones, small and of all its range."""
    info = np.iinfo(dtype)
    special = [0, 1, 2, 3, 5, 7, 8, 15, 16, 31, 32, 63, 64, 100, info.max, info.max - 1]
    special += [info.min, info.min + 1, *([-1, -2, -3, -7, -8, -64] if info.min else [])]
    random = RANDOM.integers(info.min, info.max, count, dtype=dtype, endpoint=True)
    return np.concatenate([np.array(special, dtype), random, random % dtype(20)])


def values(dtype: np.dtype[Any], count: int) -> np.ndarray[Any, Any]:
    """Awkward values of a dtype."""
    if dtype.kind == "b":
        return np.resize([False, True, True, False, False], max(9, count))
    return (floats if dtype.kind == "f" else integers)(dtype.type, count)


@dataclass(frozen=True, eq=False)
class Case:
    """An equation to compile, and the operands to try it on."""

    equation: Equation
    operands: tuple[np.ndarray[Any, Any], ...]

    def __str__(self) -> str:
        dtypes = [str(atom.type.dtype) for atom in self.equation.inputs]
        return f"{self.equation.primitive.name}({', '.join(dtypes)}) {dict(self.equation.params)}"

    def expected(self, count: int) -> Any:
        """What the evaluator computes of the first elements."""
        widened = (x.astype(np.float64) if self.wide else x for x in self.operands)
        given = iter(widened)
        operands = [
            atom.value if isinstance(atom, Literal) else next(given)[:count]
            for atom in self.equation.inputs
        ]
        with np.errstate(all="ignore"):
            result = self.equation.primitive.bind(*operands, **self.equation.params)
            return result.astype(np.float32) if self.wide else result

    @property
    def wide(self) -> bool:
        """Whether the result is computed in float64 and rounded.

        A formula rounds each of its steps to float32, and overflows as such.
        """
        dtypes = {atom.type.dtype for atom in self.equation.inputs}
        single = ULPS.keys() - set(FORMULAS)
        return self.equation.primitive.name in single and dtypes == {np.dtype(np.float32)}


def case(primitive: Primitive, *operands: Any, **params: Any) -> Case | None:
    """A case of all combinations of the operands' values; a Python number is a constant.

    None where NumPy has no such function.
    """
    arrays = [x for x in operands if isinstance(x, np.ndarray)]
    grid = np.meshgrid(*arrays, indexing="ij")
    flat = tuple(np.ascontiguousarray(axis.ravel()) for axis in grid)
    variables = iter([Var(Type.of(array)) for array in flat])
    atoms = tuple(next(variables) if isinstance(x, np.ndarray) else Literal(x) for x in operands)
    try:
        (out,) = primitive.types(atoms, params)
    except (TypeError, ValueError):
        return None
    return Case(Equation(primitive, atoms, params, (Var(out),)), flat)


def native(cases: Sequence[Case]) -> Iterator[Any]:
    """For each case a function of a count that gives the first elements of the result."""
    module = Module(mathlib())
    for number, each in enumerate(cases):
        write_loop(module, f"f{number}", each.equation)
    functions = list(module.math.values())
    imports: dict[str, int] = {}
    for function in functions:
        imports.update(function.imports)
    names = [f"f{number}" for number in range(len(cases))]
    library = link(compile_object(module.text() + used(functions)), imports, names)

    def runner(each: Case, address: int) -> Any:
        pointers = [ctypes.c_void_p] * (len(each.operands) + 1)
        call = ctypes.CFUNCTYPE(ctypes.c_int32, *pointers, ctypes.c_int64)(address)

        def run(count: int) -> np.ndarray[Any, Any]:
            assert library
            out = np.empty(count, each.equation.outputs[0].type.dtype)
            call(*(x.ctypes.data for x in each.operands), out.ctypes.data, count)
            return out

        return run

    for name, each in zip(names, cases, strict=True):
        yield runner(each, library[name])


def write_loop(module: Module, name: str, equation: Equation) -> None:
    """A function that applies an equation to the elements of arrays."""
    arrays = [atom for atom in equation.inputs if isinstance(atom, Var)]
    parameters = [f"ptr noalias %x{i}" for i in range(len(arrays))]
    code = Code(module, name, f"{', '.join([*parameters, 'ptr noalias %y'])}, i64 %n")
    out = equation.outputs[0].type.dtype
    dtypes = operand_dtypes(equation)
    with code.loop("%n", parallel=True) as i:
        pointers = iter(range(len(arrays)))
        operands = [
            constant(atom.value, dtype)
            if isinstance(atom, Literal)
            else code.load(Buffer(f"%x{next(pointers)}", dtype), i)
            for atom, dtype in zip(equation.inputs, dtypes, strict=True)
        ]
        found = scalar(equation, code, operands, dtypes, out)
        assert found is not None
        code.store(Buffer("%y", out), i, found)
    code.statement("ret i32 0")
    code.finish([])


def distance(found: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """How many units in the last place numbers are apart; 0 for NaN and NaN."""
    if found.dtype.kind != "f":
        return (found != expected).astype(np.float64)
    kind = np.int64 if found.dtype == np.float64 else np.int32

    def place(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        bits = x.view(kind)
        return np.where(bits < 0, np.iinfo(kind).min - bits, bits)

    apart = np.abs(place(found).astype(np.float64) - place(expected))
    near = apart < 2.0**40
    apart[near] = np.abs(place(found)[near] - place(expected)[near])
    apart[np.signbit(found) != np.signbit(expected)] += 0.5
    apart[np.isnan(found) != np.isnan(expected)] = np.inf
    apart[np.isinf(found) != np.isinf(expected)] = np.inf
    apart[np.isnan(found) & np.isnan(expected)] = 0
    return apart


def errors(each: Case, found: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> Any:
    """How far each element is from what is expected, in units in the last place."""
    name = each.equation.primitive.name
    apart = distance(found, expected)
    if name in UNSIGNED:
        apart[(found == 0) & (expected == 0)] = 0
    if name in ("logaddexp", "logaddexp2"):  # a sum of two terms, which can cancel
        size = np.maximum(*np.abs(each.operands))[: len(found)]
        size = np.maximum(size, np.abs(expected))
        near = (size < np.finfo(size.dtype).max) & np.isfinite(apart)
        with np.errstate(over="ignore"):
            apart[near] *= np.spacing(np.abs(expected[near])) / np.spacing(size[near])
    return apart


def check(cases: Sequence[Case]) -> None:
    """Compare native code with the evaluator, and name every case that differs."""
    wrong: list[str] = []
    for each, run in zip(cases, native(cases), strict=True):
        size = len(each.operands[0])
        for count in (1, 7, size):
            expected = np.asarray(each.expected(count))
            found = run(count)
            assert found.dtype == expected.dtype, str(each)
            apart = errors(each, found, expected)
            worst = int(np.argmax(apart))
            if apart[worst] > ULPS.get(each.equation.primitive.name, 0):
                at = ", ".join(repr(x[worst]) for x in each.operands)
                wrong.append(f"{each} at {at}: {found[worst]!r}, not {expected[worst]!r}")
                break
    assert not wrong, "\n".join(wrong)


def lowered(each: Case) -> bool:
    """Whether the case's equation has native code."""
    out = each.equation.outputs[0].type.dtype
    return lowerable(each.equation, operand_dtypes(each.equation), out)


def made(cases: Iterable[Case | None]) -> list[Case]:
    """The cases that NumPy has, all of which must have native code."""
    found = [each for each in cases if each is not None]
    assert found
    assert [str(each) for each in found if not lowered(each)] == []
    return found


# -- all primitives of one dtype -------------------------------------------------------------------

ELSEWHERE = {
    *(logic.select, shape.convert, arithmetic.round_, arithmetic.ldexp, arithmetic.power),
    arithmetic.join,  # of complex numbers, which native code has in parts
}
# Those of math are called with float64 only, and agree in every bit: see tests/stand_ins.
PRIMITIVES = [
    p
    for p in REGISTRY.values()
    if (isinstance(p, Elementwise) or p in ELEMENTWISE)
    and p not in ELSEWHERE
    and p.name.partition(".")[0] not in ("math", "cmath", "complex", "exponent")
]

INTERPRETED = {"conjugate", "modulus"}
"""What makes integers of truth values, and what is asked of floating-point parts only."""


def of_dtype(primitive: Primitive, dtype: np.dtype[Any]) -> Case | None:
    """A case of operands that are all of one dtype."""
    arity = primitive.arity if isinstance(primitive, Elementwise) else 1
    return case(primitive, *[values(dtype, 300 if arity == 1 else 14)] * arity)


@pytest.mark.parametrize("name", FLOAT)
def test_every_elementwise_primitive_of_floats_has_native_code_that_agrees(name: str) -> None:
    floating = [of_dtype(p, np.dtype(name)) for p in PRIMITIVES]
    known = {each.equation.primitive.name for each in floating if each is not None}
    integral = "left_shift right_shift gcd lcm bitwise_and bitwise_or bitwise_xor invert".split()
    assert {p.name for p in PRIMITIVES} - known == set(integral)
    check(made(floating))


@pytest.mark.parametrize("name", [*INTEGER, "bool"])
def test_every_elementwise_primitive_of_integers_agrees(name: str) -> None:
    """What gives float16 is left to the evaluator."""
    cases = [c for c in (of_dtype(p, np.dtype(name)) for p in PRIMITIVES) if c is not None]
    left = [c for c in cases if not lowered(c)]
    small = np.dtype(name).itemsize == 1
    assert name == "bool" or "conjugate" not in {c.equation.primitive.name for c in left}
    unexpected = [
        str(c)
        for c in left
        if c.equation.outputs[0].type.dtype != np.float16
        and c.equation.primitive.name not in INTERPRETED
        and not (small and c.equation.primitive.name in ("signbit", "sign"))
    ]
    assert unexpected == []
    same = name not in ("int32", "uint64")  # the mathematical library's, after the same conversion
    check([c for c in cases if c not in left and not (same and c.equation.primitive.name in ULPS)])


# -- what takes several dtypes, or parameters ------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_conversions_to_every_dtype(name: str) -> None:
    x = values(np.dtype(name), 300)
    check(made(case(shape.convert, x, dtype=np.dtype(target)) for target in EVERY))


def test_select_of_every_dtype() -> None:
    cases = [
        case(logic.select, values(np.dtype(c), 6), values(np.dtype(a), 3), values(np.dtype(b), 3))
        for c, a, b in [*(("bool", n, n) for n in EVERY), ("int8", "float32", "float64")]
    ]
    truth = values(np.dtype(bool), 6)
    check(made([*cases, case(logic.select, truth, values(np.dtype("float32"), 9), 0.0)]))


MIXED = (
    ("float32", "float64"),
    ("int64", "float32"),
    ("float32", "int8"),
    ("int64", "uint64"),
    ("uint64", "int64"),
    ("uint8", "int32"),
    ("bool", "float64"),
    ("int16", "bool"),
)


@pytest.mark.parametrize(("first", "second"), MIXED)
def test_operands_of_different_dtypes(first: str, second: str) -> None:
    names = "add multiply divide floor_divide mul0 step maximum excess heaviside copysign less "
    names += "less_equal greater greater_equal equal not_equal logical_and bitwise_xor left_shift"
    x, y = values(np.dtype(first), 20), values(np.dtype(second), 20)
    cases = [case(REGISTRY[name], x, y) for name in names.split()]
    known = [c for c in cases if c is not None and lowered(c)]
    assert len(known) > 12
    check(known)


@pytest.mark.parametrize("name", FLOAT)
def test_ldexp_of_every_exponent(name: str) -> None:
    x = values(np.dtype(name), 60)
    around = np.array([0, 1, -1, 30, 1023, 1024, -1022, -1074, -1080, 2100, -2200, 5000, -5000])
    wide = np.concatenate([around, [127, 128, -126, -149, -151, 260, -280]])
    exponents = [wide, wide.astype(np.int32), np.arange(-128, 128, 7, dtype=np.int8)]
    exponents.append(np.array([2**62, -(2**62), 2**31, -(2**31) - 1]))
    check(made([*(case(arithmetic.ldexp, x, y) for y in exponents), case(arithmetic.ldexp, x, -3)]))


@pytest.mark.parametrize("name", FLOAT)
def test_round_to_decimals(name: str) -> None:
    x = values(np.dtype(name), 300)
    whole = values(np.dtype("int32"), 50)
    decimals = (0, 1, 2, 5, -1, -3, 11, 25)
    cases = [case(arithmetic.round_, x, decimals=d) for d in decimals]
    check(made([*cases, case(arithmetic.round_, whole, decimals=2)]))
    tens = case(arithmetic.round_, whole, decimals=-1)
    assert tens is not None
    assert not lowered(tens)


# -- powers and other constants --------------------------------------------------------------------

EXPONENTS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, -1, -2, -3, -4, -5, 0.5, 1.5, -0.5, -1.5, 2.5, 1 / 3)


@pytest.mark.parametrize("name", FLOAT)
def test_powers_of_floats(name: str) -> None:
    x = values(np.dtype(name), 300)
    cases = [case(arithmetic.power, x, exponent) for exponent in EXPONENTS]
    cases += [case(arithmetic.power, x, special) for special in (np.inf, -np.inf, np.nan, 1e300)]
    cases += [case(arithmetic.power, base, x) for base in (2.0, 0.0, -1.0, 10)]
    cases.append(case(arithmetic.power, x, x[:60]))
    check(made(cases))


@pytest.mark.parametrize("name", INTEGER)
def test_powers_of_integers(name: str) -> None:
    x = values(np.dtype(name), 30)
    unsigned = values(np.dtype(name.replace("int", "uint").replace("uu", "u")), 30)
    cases = [case(arithmetic.power, x, exponent) for exponent in (0, 1, 2, 3, 7, 40, 2.0, 0.5)]
    cases += [case(arithmetic.power, unsigned, unsigned), case(arithmetic.power, 3, unsigned)]
    check(made(cases))


def test_powers_that_numpy_may_refuse_are_left_to_the_evaluator() -> None:
    whole = np.arange(6)
    for exponent in (whole, -1):
        refused = case(arithmetic.power, whole, exponent)
        assert refused is not None
        assert not lowered(refused)


@pytest.mark.parametrize("name", ["float32", "int8", "bool"])
def test_python_numbers_are_weak(name: str) -> None:
    x = values(np.dtype(name), 60)
    pairs = ((x, 2), (x, 0), (x, 2.5), (0.0, x), (x, True), (100, x))
    names = "add multiply divide mul0 less equal maximum remainder".split()
    check(made(case(REGISTRY[each], *pair) for each in names for pair in pairs))


@pytest.mark.parametrize(
    ("primitive", "x", "number"),
    [
        ("less", np.arange(3, dtype=np.int8), 300),
        ("equal", np.arange(3, dtype=np.uint8), -1),
        ("greater", np.arange(3), 2**70),
    ],
)
def test_a_python_integer_that_does_not_fit_is_left_to_the_evaluator(
    primitive: str, x: Any, number: int
) -> None:
    each = case(REGISTRY[primitive], x, number)
    assert each is not None
    assert not lowered(each)


def test_a_zero_in_a_product_keeps_its_sign_unless_it_absorbs() -> None:
    x, y = np.array([-1.0, 0.0, 2.0, -0.0]), np.array([0.0, np.inf, -0.0, np.nan])
    each = case(mul0, x, y)
    assert each is not None
    (run,) = native([each])
    found = run(16).reshape(4, 4).diagonal()
    assert np.array_equal(found, np.zeros(4))
    assert np.signbit(found).tolist() == [True, False, True, False]


def test_a_product_with_a_harmless_constant_is_plain() -> None:
    (plain, guarded) = made([case(mul0, np.ones(3), 2.0), case(mul0, np.ones(3), 0.0)])
    texts: list[str] = []
    for each in (plain, guarded):
        module = Module(mathlib())
        write_loop(module, "f", each.equation)
        texts.append(module.text())
    assert "fcmp" not in texts[0]
    assert "fcmp" in texts[1]


@pytest.mark.parametrize("name", ["complex128", "float16"])
def test_other_dtypes_are_left_to_the_evaluator(name: str) -> None:
    x = np.ones(3, name)
    for each in (case(REGISTRY["add"], x, x), case(shape.convert, np.ones(3), dtype=x.dtype)):
        assert each is not None
        assert not lowered(each)
