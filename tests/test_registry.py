"""Every primitive, tried on its examples: whoever declares one is tested here without doing more.

What a primitive cannot do stands below in a table with the reason, and a reason that has gone
stale fails as well.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import wengert  # noqa: F401  (declares the primitives)
from support import close, difference, forward, pairing, reverse
from wengert.errors import UnknownDerivativeError, UnsupportedError
from wengert.evaluate import evaluate
from wengert.kinds import Elementwise
from wengert.primitive import REGISTRY, Example, Primitive
from wengert.program import Literal, Type
from wengert.recorder import record
from wengert.trace import strong

UNKNOWN: dict[tuple[str, int], str] = {}
"""Operands in which a derivative exists and is not known, by primitive and place."""

UNBATCHED: dict[str, str] = {}
"""Primitives without a batching rule."""

NOT_HOLOMORPHIC: dict[str, str] = dict.fromkeys(
    ("maximum", "minimum", "fmax", "fmin"),
    "complex numbers are ordered by their real parts, which is nowhere holomorphic",
)
"""Elementwise primitives that NumPy evaluates for complex numbers, but have no derivative there."""

ELSEWHERE: dict[str, str] = {
    "custom": "its parameter is a call of a function of the user's: see tests/custom",
    **dict.fromkeys(("scan", "switch", "while"), "its parameters are Programs: see tests/control"),
    "spectral": "its operands belong together: see tests/functions/test_eigenvectors.py",
    "call": "its parameter is a Program: see tests/jit",
    "guard": "it has no results: see tests/jit",
    "woven_call": "its parameter is a Program: see tests/compile/test_complexes.py",
}
"""Primitives without examples, and where they are tested."""

CONSTANT: dict[str, str] = {
    "stop_gradient": "its derivative is zero by definition, whatever finite differences say",
}
"""Primitives whose declared derivative is zero, although that of their value is not."""

ANOTHERS: dict[str, str] = {
    "via": "its derivative is that of its second operand, to which the first one is equal",
}
"""Primitives whose declared derivative is that of another value."""

TWO_ANSWERS: dict[str, str] = {
    "power": "of truth values, x**2 is int8 by NumPy's operator and int64 by np.power(x, 2)",
}
"""Primitives whose dtype for truth values depends on how NumPy is asked."""

TANGENTS: dict[str, Callable[[Any], Any]] = {}
"""Primitives whose operands have to stay of a kind (symmetric, ...): the projection onto it."""

SHAPES: dict[int, list[tuple[Any, ...]]] = {
    1: [((),), ((3,),), ((2, 3),), ((0,),)],
    2: [
        ((), ()),
        ((3,), ()),
        ((), (3,)),
        ((2, 3), (3,)),
        ((3, 1), (1, 4)),
        ((2, 1, 3), (4, 1)),
        ((0,), (1,)),
    ],
    3: [((), (), ()), ((3,), (), (3,)), ((2, 3), (3,), (2, 1)), ((0,), (0,), ())],
}
SIZE = 3
"""Length of the batch axis."""


@dataclass(frozen=True)
class Case:
    """A primitive with operands to try it on."""

    primitive: Primitive
    operands: tuple[Any, ...]
    params: Any

    def __call__(self, *moving: Any) -> list[Any]:
        """The results, with the operands that have derivatives replaced."""
        values = list(self.operands)
        for place, value in zip(self.moving, moving, strict=True):
            values[place] = value
        return self.apply(*values)

    def apply(self, *values: Any) -> list[Any]:
        """The results for these operands."""
        result = self.primitive.bind(*values, **self.params)
        return list(result) if self.primitive.multiple else [result]

    @property
    def moving(self) -> list[int]:
        """Places of the operands that derivatives are taken in."""
        return [
            place
            for place, operand in enumerate(self.operands)
            if operand.dtype.kind in "fc" and (self.primitive.name, place) not in UNKNOWN
        ]

    @property
    def points(self) -> list[Any]:
        """The operands that derivatives are taken in."""
        return [self.operands[place] for place in self.moving]

    @property
    def differentiable(self) -> bool:
        """Whether there is a derivative to speak of: from floats to floats."""
        return bool(self.points) and any(y.dtype.kind in "fc" for y in self(*self.points))

    def directions(self, seed: int) -> list[Any]:
        """Random tangents of the operands, of the kind that the primitive wants."""
        project = TANGENTS.get(self.primitive.name, lambda v: v)
        return [project(random_like(x, seed + i)) for i, x in enumerate(self.points)]

    def cotangents(self, seed: int) -> list[Any]:
        """Random cotangents of the results, 0 for those that have none."""
        return [
            random_like(y, seed + i) if y.dtype.kind in "fc" else np.zeros(y.shape)
            for i, y in enumerate(self(*self.points))
        ]

    def cast(self, real: Any) -> Case:
        """The same with float64 replaced by another floating-point type."""
        operands = tuple(x.astype(real) if x.dtype == np.float64 else x for x in self.operands)
        return Case(self.primitive, operands, self.params)


def random_like(x: Any, seed: int) -> Any:
    """Normally distributed numbers of the shape and dtype of ``x``."""
    rng = np.random.default_rng(seed)
    made = rng.standard_normal(x.shape)
    if x.dtype.kind == "c":
        made = made + 1j * rng.standard_normal(x.shape)
    return np.asarray(made).astype(x.dtype)[()]


def sample(primitive: Primitive, example: Example) -> tuple[Any, ...]:
    """Operands for an example: numbers spread over the domain, away from each other and corners."""
    rng = np.random.default_rng(zlib.crc32(primitive.name.encode()))
    sizes = [int(np.prod(o)) if isinstance(o, tuple) else 0 for o in example.operands]
    total = sum(sizes)
    low, high = primitive.domain
    jitter = rng.uniform(0.35, 0.65, total)
    spread = low + (high - low) * (rng.permutation(total) + jitter) / max(total, 1)
    corner = np.abs(spread * 2 - np.round(spread * 2)) < 0.02
    pool = iter(np.where(corner, spread + 0.013, spread))
    return tuple(
        np.array(list(itertools.islice(pool, size))).reshape(o)[()] if isinstance(o, tuple) else o
        for o, size in zip(example.operands, sizes, strict=True)
    )


def examples(primitive: Primitive) -> list[Example]:
    """The declared examples; for elementwise primitives without them, one for each shape."""
    if primitive.examples or not isinstance(primitive, Elementwise):
        return list(primitive.examples)
    return [Example(shapes) for shapes in SHAPES[primitive.arity]]


def cases() -> Iterator[Any]:
    for name, primitive in sorted(REGISTRY.items()):
        for number, example in enumerate(examples(primitive)):
            case = Case(primitive, sample(primitive, example), example.params)
            shapes = "-".join("x".join(map(str, x.shape)) or "scalar" for x in case.operands)
            yield pytest.param(case, id=f"{name}-{number}-{shapes}")


each_case = pytest.mark.parametrize("case", list(cases()))


def assert_fits(result: Any, expected: Type) -> None:
    assert Type.of(result) == expected
    assert isinstance(result, np.ndarray if expected.shape else np.generic)


def assert_lists_close(found: list[Any], wanted: list[Any], tolerance: float = 1e-8) -> None:
    for a, b in zip(found, wanted, strict=True):
        assert close(a, b, tolerance), f"{a} is not {b}"


# -- the table itself ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_a_primitive_has_examples_and_says_what_it_cannot_do(name: str) -> None:
    found = examples(REGISTRY[name])
    if name in ELSEWHERE:
        assert not found, f"{name} has examples now; take it out of the table"
        return
    assert found, f"{name} is declared without examples, so nothing tests it"
    sizes = [np.size(o) for example in found for o in sample(REGISTRY[name], example)]
    assert max(sizes) > 1, f"{name} is tried on numbers only"


def test_a_derivative_said_to_be_unknown_is_an_error_in_both_modes() -> None:
    for name, place in UNKNOWN:
        primitive = REGISTRY[name]
        operands = sample(primitive, examples(primitive)[0])
        params = examples(primitive)[0].params

        def f(x: Any, case: Any = (primitive, operands, place, params)) -> list[Any]:
            primitive, operands, place, params = case
            values = (*operands[:place], x, *operands[place + 1 :])
            result = primitive.bind(*values, **params)
            return list(result) if primitive.multiple else [result]

        x = operands[place]
        with pytest.raises(UnknownDerivativeError, match=name):
            forward(f, [x], [np.ones_like(x)])
        with pytest.raises(UnknownDerivativeError, match=name):
            reverse(f, [x], f(x))


def test_a_primitive_said_to_have_no_batching_rule_has_none() -> None:
    for name in UNBATCHED:
        primitive = REGISTRY[name]
        example = examples(primitive)[0]
        operands = [stacked(x) for x in sample(primitive, example)]
        with pytest.raises(UnsupportedError, match=name):
            primitive.batch(SIZE, operands, [True] * len(operands), example.params)


@pytest.mark.parametrize("name", sorted({*TANGENTS, *NOT_HOLOMORPHIC, *ELSEWHERE, *TWO_ANSWERS}))
def test_the_tables_of_this_file_name_primitives_that_exist(name: str) -> None:
    assert name in REGISTRY


# -- values, types, printing -----------------------------------------------------------------------


@each_case
@pytest.mark.parametrize("real", [np.float64, np.float32])
def test_the_type_rule_agrees_with_the_value(case: Case, real: Any) -> None:
    case = case.cast(real)
    expected = case.primitive.types([Type.of(x) for x in case.operands], case.params)
    for result, kind in zip(case.apply(*case.operands), expected, strict=True):
        assert_fits(result, kind)


DTYPES = [
    np.dtype(name)
    for name in "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()
    + "float16 float32 float64 complex64 complex128".split()
]
NUMBERS = (True, 2, 0.5, 1j)
"""Python numbers, which are weak in NumPy's promotion."""
WEAK = tuple(map(type, NUMBERS))


def in_all_dtypes(primitive: Primitive, example: Example) -> Iterator[list[Any]]:
    """The operands of an example in every combination of dtypes, many operands all in one.

    Those that have to be what they are (masks, index arrays) stay so.
    """
    operands = sample(primitive, example)
    everywhere = isinstance(primitive, Elementwise)
    changed = [i for i, x in enumerate(operands) if everywhere or x.dtype.kind in "fc"]
    kinds = [*DTYPES, *NUMBERS] if everywhere else DTYPES
    choices: Iterable[Sequence[Any]] = [[dtype] * len(changed) for dtype in DTYPES]
    if len(changed) < 3:
        choices = itertools.product(kinds, repeat=len(changed))
    for choice in choices:
        values = list(operands)
        for place, kind in zip(changed, choice, strict=True):
            x = operands[place]
            if not isinstance(kind, np.dtype):
                values[place] = kind
            else:
                values[place] = (x if kind.kind == "c" else np.real(x)).astype(kind)
        if not all(type(value) in WEAK for value in values):
            yield values


@pytest.mark.parametrize("name", sorted(REGISTRY.keys() - ELSEWHERE.keys()))
def test_the_type_rule_agrees_with_the_value_in_every_dtype_that_numpy_takes(name: str) -> None:
    primitive = REGISTRY[name]
    accepted = 0
    for example in examples(primitive):
        for operands in in_all_dtypes(primitive, example):
            if name in TWO_ANSWERS and Type.of(operands[0]).dtype == bool:
                continue
            try:
                with np.errstate(all="ignore"):
                    found = strong(primitive.evaluate(*operands, **example.params))
            except (TypeError, ValueError, UnknownDerivativeError, Warning):  # NumPy takes none.
                continue
            accepted += 1
            results = found if primitive.multiple else [found]
            given = [Literal(x) if type(x) in WEAK else Type.of(x) for x in operands]
            types = primitive.types(given, example.params)
            assert [Type.of(result) for result in results] == list(types), operands
    assert accepted


@each_case
def test_the_value_is_that_of_the_ufunc_it_stands_for(case: Case) -> None:
    ufunc = getattr(case.primitive, "ufunc", None)
    if ufunc is None:
        return
    assert_lists_close(case.apply(*case.operands), [ufunc(*case.operands)], 1e-15)


@each_case
@pytest.mark.parametrize("abstract", [False, True])
def test_it_prints_checks_and_evaluates_as_a_program(case: Case, abstract: bool) -> None:
    types = [Type.of(x) for x in case.operands]
    values = None if abstract else case.operands
    program, captures = record(case.apply, types, values)
    assert not captures
    text = str(program.check())
    assert case.primitive.formula(program_names(program), case.params) in text
    assert_lists_close(evaluate(program, case.operands), case.apply(*case.operands), 0)


def program_names(program: Any) -> list[str]:
    names = program.names()
    return [names[var] for var in program.inputs]


# -- derivatives -----------------------------------------------------------------------------------


@each_case
def test_first_derivatives_agree_with_finite_differences(case: Case) -> None:
    assert_first_order(case)


def assert_first_order(case: Case) -> None:
    if not case.differentiable or case.primitive.name in CONSTANT | ANOTHERS:
        return
    points, v, ct = case.points, case.directions(1), case.cotangents(2)
    wanted = difference(lambda *xs: kept_float(case(*xs)), points, v)
    assert_lists_close(kept_float(case(*points), forward(case, points, v)), wanted)
    pulled = reverse(case, points, ct)
    assert close(pairing(pulled, v), pairing(kept_float(case(*points), ct), wanted))
    for x, x_bar in zip(points, pulled, strict=True):
        assert_fits(x_bar, Type.of(x))


def kept_float(results: list[Any], parts: list[Any] | None = None) -> list[Any]:
    """Of ``parts`` (of the results themselves) those that belong to floating-point results."""
    pairs = zip(results, results if parts is None else parts, strict=True)
    return [part for result, part in pairs if result.dtype.kind in "fc"]


@pytest.mark.parametrize("name", sorted(CONSTANT))
def test_a_primitive_said_to_be_constant_has_zero_derivatives(name: str) -> None:
    primitive = REGISTRY[name]
    assert primitive.flat
    case = Case(primitive, sample(primitive, examples(primitive)[1]), {})
    assert not np.any(forward(case, case.points, case.directions(1)))
    assert not np.any(reverse(case, case.points, case.cotangents(2)))


def test_via_has_the_value_of_one_operand_and_the_derivative_of_the_other() -> None:
    case = Case(REGISTRY["via"], [np.arange(3.0), np.ones(3)], {})
    assert_lists_close(case(*case.points), [case.operands[0]], 0)
    v, ct = case.directions(1), case.cotangents(2)
    assert_lists_close(forward(case, case.points, v), [v[1]], 0)
    assert_lists_close(reverse(case, case.points, ct), [np.zeros(3), ct[0]], 0)


@each_case
def test_second_derivatives_agree_with_finite_differences(case: Case) -> None:
    assert_second_order(case)


def assert_second_order(case: Case) -> None:
    if not case.differentiable:
        return
    points, u, v, ct = case.points, case.directions(3), case.directions(1), case.cotangents(2)

    def pulled(*xs: Any) -> list[Any]:
        return reverse(case, xs, ct)

    def pushed(*xs: Any) -> list[Any]:
        return forward(case, xs, v)

    slopes = difference(pulled, points, u)
    wanted = pairing(slopes, v)
    assert_lists_close(forward(pulled, points, u), slopes)
    assert close(pairing(reverse(pulled, points, v), u), wanted)
    assert close(pairing(reverse(pushed, points, ct), u), wanted)
    assert close(pairing(ct, forward(pushed, points, u)), wanted)


@each_case
def test_derivatives_of_float32_are_float32_and_agree_with_those_of_float64(case: Case) -> None:
    if not case.differentiable:
        return
    single = case.cast(np.float32)
    v, ct = case.directions(1), case.cotangents(2)
    wide = reverse(case, case.points, ct)
    narrow_ct = [c.astype(y.dtype) for c, y in zip(ct, single(*single.points), strict=True)]
    narrow = reverse(single, single.points, narrow_ct)
    for x, x_bar, wanted in zip(single.points, narrow, wide, strict=True):
        assert_fits(x_bar, Type.of(x))
        assert close(x_bar, wanted, 2e-4)
    single_v = [d.astype(x.dtype) for d, x in zip(v, single.points, strict=True)]
    tangents = forward(single, single.points, single_v)
    wide_tangents = forward(case, case.points, v)
    for y, y_dot, wanted in zip(single(*single.points), tangents, wide_tangents, strict=True):
        if y.dtype.kind in "fc":
            assert close(y_dot, wanted, 2e-4)
            assert not np.any(y_dot) or y_dot.dtype == y.dtype


@each_case
def test_derivatives_can_be_recorded_without_values(case: Case) -> None:
    if not case.differentiable:
        return
    points, v, ct = case.points, case.directions(1), case.cotangents(2)
    types = [Type.of(x) for x in points]
    for derivative in (lambda *xs: reverse(case, xs, ct), lambda *xs: forward(case, xs, v)):
        program, _ = record(derivative, types)
        assert_lists_close(evaluate(program.check(), points), derivative(*points), 1e-13)


NUMERIC_PAIRS = [
    pytest.param(primitive, id=name)
    for name, primitive in sorted(REGISTRY.items())
    if isinstance(primitive, Elementwise) and primitive.arity == 2 and not primitive.examples
]


@pytest.mark.parametrize("primitive", NUMERIC_PAIRS)
@pytest.mark.parametrize("place", [0, 1])
def test_a_python_number_leaves_float32_as_it_is(primitive: Elementwise, place: int) -> None:
    (x,) = sample(primitive, Example(((3,),)))
    x = x.astype(np.float32)
    number = float(sum(primitive.domain) / 2 + 0.1)

    def f(x: Any) -> list[Any]:
        return [primitive.bind(x, number) if place == 0 else primitive.bind(number, x)]

    (y,) = f(x)
    operands = [Type.of(x), Literal(number)]
    assert_fits(y, primitive.types(operands if place == 0 else operands[::-1], {})[0])
    if y.dtype.kind != "f" or (primitive.name, place) in UNKNOWN:
        return
    assert y.dtype == np.float32
    assert_fits(reverse(f, [x], [np.ones_like(y)])[0], Type.of(x))
    assert_fits(forward(f, [x], [np.ones_like(x)])[0].astype(y.dtype), Type.of(y))


# -- complex numbers -------------------------------------------------------------------------------


def complex_cases() -> Iterator[Any]:
    for name, primitive in sorted(REGISTRY.items()):
        if not isinstance(primitive, Elementwise) or primitive.examples or primitive.flat:
            continue
        signature = "D" * primitive.arity + "->D"
        if primitive.ufunc is None or signature not in primitive.ufunc.types:
            continue
        for shapes in (((3,),) * primitive.arity, ((),) * primitive.arity):
            parts = sample(primitive, Example(shapes * 2))
            pairs = zip(parts[: primitive.arity], parts[primitive.arity :], strict=True)
            case = Case(primitive, tuple(x + 0.3j * y for x, y in pairs), {})
            yield pytest.param(case, id=f"{name}-{'scalar' if shapes[0] == () else 'array'}")


each_complex_case = pytest.mark.parametrize("case", list(complex_cases()))


@each_complex_case
def test_complex_derivatives_agree_with_finite_differences(case: Case) -> None:
    if case.primitive.name in NOT_HOLOMORPHIC:
        with pytest.raises(UnknownDerivativeError):
            reverse(case, case.points, case.cotangents(2))
        return
    assert_first_order(case)
    assert_second_order(case)


# -- batching --------------------------------------------------------------------------------------


def stacked(x: Any) -> Any:
    """``SIZE`` operands like ``x`` in one: numbers scaled, indices and masks in another order."""
    if x.dtype.kind in "fc":
        return np.stack([x * (1 + 0.07 * k) for k in range(SIZE)])
    return np.stack([np.roll(np.ravel(x), k).reshape(x.shape) for k in range(SIZE)])


def subsets(count: int) -> list[tuple[bool, ...]]:
    return [b for b in itertools.product([False, True], repeat=count) if any(b)]


@each_case
@pytest.mark.parametrize("abstract", [False, True])
def test_a_batch_is_a_loop_for_every_choice_of_batched_operands(case: Case, abstract: bool) -> None:
    if case.primitive.name in UNBATCHED:
        return
    for batched in subsets(len(case.operands)):
        operands = [stacked(x) if b else x for x, b in zip(case.operands, batched, strict=True)]
        rows = [
            case.apply(*(o[k] if b else o for o, b in zip(operands, batched, strict=True)))
            for k in range(SIZE)
        ]
        wanted = [np.stack(column) for column in zip(*rows, strict=True)]

        def batch(*values: Any, batched: Any = batched) -> list[Any]:
            found = case.primitive.batch(SIZE, list(values), list(batched), case.params)
            return list(found) if case.primitive.multiple else [found]

        if abstract:
            program, _ = record(batch, [Type.of(o) for o in operands])
            found = evaluate(program.check(), operands)
        else:
            found = batch(*operands)
        for a, b in zip(found, wanted, strict=True):
            assert Type.of(a) == Type.of(b), f"batched: {batched}"
            assert close(a, b, 1e-12), f"batched: {batched}"
