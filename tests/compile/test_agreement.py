"""Compiled code and the interpreter agree: on every primitive, and on random Programs.

The tolerance is that of ``agreement``: a few units in the last place of what was added up on the
way; the same NaN and infinities; nothing at all where nothing was rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import native_programs as programs
import numpy as np
import pytest
from agreement import Disagreement, assert_agreement, compare, disagree, merged, smallest
from hypothesis import given, settings
from hypothesis import strategies as st
from larger_examples import larger
from test_registry import Case, examples, random_like, sample, stacked

from support import number_of_examples, slow
from wengert.compile import build
from wengert.control.scan import scan_primitive
from wengert.errors import UnknownDerivativeError, UnsupportedError
from wengert.evaluate import evaluate
from wengert.primitive import REGISTRY, Example, Primitive
from wengert.program import Program, Type
from wengert.recorder import record
from wengert.transforms import jvp, vjp, vmap

THOROUGH = settings().max_examples > 1000
"""Whether this is a search (``make fuzz``) and not the usual run."""

DTYPES = [np.dtype(n) for n in ("f8", "f4", "i8", "i4", "?", "c16", "u1")]
SPECIAL = np.array(
    [np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0, -1.0, 0.75, -2.0, 1e12, -1e12, 5e-324, 1e-310, 1e-12]
)
TOGETHER = 8
"""How many Programs are built as one."""

LONG = ("maximum_so_far", "minimum_so_far", "cumprod", "prod", "einsum")
"""Primitives of which derivatives are long Programs, that LLVM takes seconds for."""

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_CACHE", "0")


@dataclass(frozen=True)
class Trial:
    """A Program and values for it."""

    label: str
    program: Program
    values: list[Any]


def assert_all_agree(trials: Sequence[Trial]) -> None:
    """Compare trials, many built as one; of a failure the smallest part is shown."""
    for first in range(0, len(trials), TOGETHER):
        some = trials[first : first + TOGETHER]
        labels = [t.label for t in some for _ in t.program.outputs]
        values = [x for t in some for x in t.values]
        try:
            assert_agreement(merged([t.program for t in some]), values, labels)
        except Exception as error:
            for trial in some:
                if disagree(trial.program, trial.values):
                    show(trial.program, trial.values)
            raise Disagreement("compiled together, not alone") from error


def show(program: Program, values: Sequence[Any]) -> None:
    """Fail with the smallest part of a Program on which there is disagreement."""
    program, values = smallest(program, values)
    try:
        assert_agreement(program, values)
    except Exception as error:
        raise Disagreement(f"{error}\n{program}\nat {values}") from error


# -- every primitive -------------------------------------------------------------------------------


def with_specials(x: Any, rng: np.random.Generator) -> Any:
    """Floats with some of them NaN, infinite, zero of either sign, tiny or large."""
    if x.dtype.kind != "f" or not x.size:
        return x
    chosen = rng.choice(SPECIAL, x.shape).astype(x.dtype)
    return np.where(rng.random(x.shape) < 0.3, chosen, x)[()]


def cast(x: Any, dtype: np.dtype[Any], rng: np.random.Generator) -> Any:
    """An operand of another dtype; those that are not float64 are indices, masks and the like."""
    if x.dtype != np.float64 or dtype == np.float64:
        return x
    if dtype.kind == "b":
        return np.asarray(rng.random(x.shape) < 0.5)[()]
    if dtype.kind in "iu":
        return rng.integers(0 if dtype.kind == "u" else -4, 5, x.shape).astype(dtype)[()]
    if dtype.kind == "c":
        return np.asarray(x + 1j * rng.standard_normal(x.shape))[()]
    return x.astype(dtype)


def values_of(case: Case, label: str) -> list[Trial]:
    """The primitive itself, or nothing where NumPy does not have it for these dtypes."""
    types = [Type.of(x) for x in case.operands]
    try:
        found = case.apply(*case.operands)
        program, _ = record(case.apply, types)
    except (TypeError, ValueError, UnsupportedError, UnknownDerivativeError):
        return []
    if [Type.of(y) for y in found] != list(program.output_types):
        return []
    return [Trial(label, program, list(case.operands))]


def transformed(case: Case, label: str) -> Iterator[Trial]:
    """The primitive's jvp, vjp and vmap."""
    operands = list(case.operands)
    program, _ = record(case.apply, [Type.of(x) for x in operands])
    if case.primitive.name != "guard":
        yield Trial(f"{label} vmap", vmap(program, 3), [stacked(x) for x in operands])
    if case.differentiable:
        tangents = [random_like(x, 1) for x in operands if x.dtype.kind in "fc"]
        yield Trial(f"{label} jvp", jvp(program), [*operands, *tangents])
        results = [y for y in case.apply(*operands) if y.dtype.kind in "fc"]
        cotangents = [random_like(y, 2) for y in results]
        yield Trial(f"{label} vjp", vjp(program), [*operands, *cotangents])


def small_trials(primitive: Primitive) -> Iterator[Trial]:
    for example in examples(primitive):
        case = Case(primitive, sample(primitive, example), example.params)
        label = f"{primitive.name} {example}"
        yield from values_of(case, label)
        yield from transformed(case, label)
        yield from values_of(case.cast(np.float32), f"{label} in float32")
        if THOROUGH:
            yield from transformed(case.cast(np.float32), f"{label} in float32")


def large_trials(primitive: Primitive) -> Iterator[Trial]:
    rng = np.random.default_rng(5)
    for number, example in enumerate(larger(primitive)):
        operands = sample(primitive, example)
        label = f"{primitive.name} {example}"
        for dtype in DTYPES if THOROUGH or number < 2 else DTYPES[: 2 - number % 2]:
            given = tuple(cast(x, dtype, rng) for x in operands)
            yield from values_of(Case(primitive, given, example.params), f"{label} {dtype}")
        case = Case(primitive, operands, example.params)
        special = Case(primitive, tuple(with_specials(x, rng) for x in operands), example.params)
        yield from values_of(special, f"{label} with NaN")
        if THOROUGH or (number % 5 == 1 and primitive.name not in LONG):
            yield from transformed(case, label)
        if THOROUGH or number == 4:
            yield from transformed(special, f"{label} with NaN")


def complexed(x: Any, rng: np.random.Generator, dtype: Any = np.complex128) -> Any:
    """An operand with an imaginary part; indices, masks and the like as they are."""
    if x.dtype != np.float64:
        return x
    return np.asarray(x + 1j * rng.uniform(-1, 1, x.shape)).astype(dtype)[()]


def is_known(trial: Trial) -> bool:
    """Whether there is a derivative at these values."""
    try:
        evaluate(trial.program, trial.values)
    except UnknownDerivativeError:
        return False
    return True


def complex_trials(primitive: Primitive) -> Iterator[Trial]:
    """Of complex numbers, also together with real ones, where NumPy has the primitive for them."""
    rng = np.random.default_rng(9)
    found = examples(primitive)
    for example in found if THOROUGH else found[1:3] or found:
        label = f"{primitive.name} {example} of complex numbers"
        operands = sample(primitive, example)
        whole = Case(primitive, tuple(complexed(x, rng) for x in operands), example.params)
        some = values_of(whole, label)
        yield from some
        with suppress(UnknownDerivativeError, UnsupportedError):
            yield from filter(is_known, transformed(whole, label) if some else ())
        first, *rest = operands
        for mixed in ((complexed(first, rng), *rest), (first, *(complexed(x, rng) for x in rest))):
            yield from values_of(Case(primitive, mixed, example.params), f"{label} and real ones")
        short = tuple(complexed(x, rng, np.complex64) for x in operands)
        yield from values_of(Case(primitive, short, example.params), f"{label} in single precision")


PARTS = [False, slow(True, reason="the other three of four trials of a primitive")]


def part(trials: list[Trial], rest: bool) -> list[Trial]:
    """Every fourth trial, or the rest."""
    return [trial for i, trial in enumerate(trials) if (i % 4 > 0) == rest]


@pytest.mark.parametrize("rest", PARTS)
@pytest.mark.parametrize("name", sorted(n for n in REGISTRY if examples(REGISTRY[n])))
def test_every_primitive_of_complex_numbers(name: str, rest: bool) -> None:
    assert_all_agree(part(list(complex_trials(REGISTRY[name])), rest))


@pytest.mark.parametrize("rest", PARTS)
@pytest.mark.parametrize("name", sorted(n for n in REGISTRY if examples(REGISTRY[n])))
def test_every_primitive_on_its_examples(name: str, rest: bool) -> None:
    trials = list(small_trials(REGISTRY[name]))
    assert trials
    assert_all_agree(part(trials, rest))


@pytest.mark.parametrize("rest", PARTS)
@pytest.mark.parametrize("name", sorted(n for n in REGISTRY if larger(REGISTRY[n])))
def test_every_primitive_on_operands_that_are_looped_over(name: str, rest: bool) -> None:
    trials = list(large_trials(REGISTRY[name]))
    assert trials
    assert_all_agree(part(trials, rest))


# -- random Programs -------------------------------------------------------------------------------

MAKERS: dict[str, Callable[..., programs.Case]] = {
    "values": programs.value,
    "gradients": programs.gradient,
    "tangents": programs.tangent,
    "Hessian-vector products": programs.hessian_product,
    "batches of gradients": programs.batch,
}
COUNTS = dict(zip(MAKERS, (40, 16, 10, 6, 6), strict=True))
seeds = st.integers(0, 1 << 40)


def assert_random_program_agrees(kind: str, seed: int, count: int, loops: float) -> None:
    with np.errstate(all="ignore"):
        program, values = MAKERS[kind](seed, count, loops)
    try:
        assert_agreement(program, values)
    except Exception:
        show(program, values)
        raise


@pytest.mark.parametrize("kind", MAKERS)
def test_random_programs(kind: str) -> None:
    @settings(max_examples=number_of_examples(COUNTS[kind]))
    @given(seeds, st.integers(3, 16))
    def run(seed: int, count: int) -> None:
        assert_random_program_agrees(kind, seed, count, 0.0)

    run()


@pytest.mark.parametrize("kind", MAKERS)
def test_random_programs_with_loops_and_branches(kind: str) -> None:
    @settings(max_examples=number_of_examples(COUNTS[kind] // 3, 1000))
    @given(seeds, st.integers(3, 9))
    def run(seed: int, count: int) -> None:
        assert_random_program_agrees(kind, seed, count, 0.4)

    run()


def test_random_programs_have_loops_in_loops() -> None:
    def depth(program: Program) -> int:
        inner = [depth(p) + 1 for e in program.equations for _, p in e.primitive.programs(e.params)]
        return max(inner, default=0)

    found = [programs.value(seed, 9, 0.4)[0] for seed in range(40)]
    assert max(map(depth, found)) >= 2
    assert any(e.primitive is scan_primitive for p in found for e in p.equations)


# -- the comparison itself -------------------------------------------------------------------------


def test_the_comparison_finds_what_it_is_for() -> None:
    x = np.linspace(0.1, 1.0, 50)
    y = np.exp(x)
    spread = [y * (1 + 4e-16), y * (1 - 4e-16)]
    compare(y * (1 + 1e-15), y, spread, "close")
    for wrong in (y * (1 + 1e-13), y[::-1].copy(), y.astype(np.float32), y[:-1], y[None]):
        with pytest.raises(Disagreement):
            compare(wrong, y, spread, "wrong")
    for hole in (np.nan, np.inf):
        with pytest.raises(Disagreement):
            compare(np.where(x > 0.5, hole, y), y, spread, "not finite")
        holed = np.where(x > 0.5, hole, y)
        compare(holed, holed, [holed], "not finite in the same places")
    with pytest.raises(Disagreement):
        compare(np.arange(3) + 1, np.arange(3), [np.arange(3)], "integers")
    compare(np.arange(3) + 1, np.arange(3), [np.arange(3) + 2], "integers that rounding decides")


def test_an_example_with_its_operands_exchanged_is_noticed() -> None:
    case = Case(REGISTRY["subtract"], sample(REGISTRY["subtract"], Example(((5,), (5,)))), {})
    program, _ = record(case.apply, [Type.of(x) for x in case.operands])
    exchanged, _ = record(lambda x, y: case.apply(y, x), [Type.of(x) for x in case.operands])
    with pytest.raises(Disagreement):
        assert_agreement(program, list(case.operands), native=build(exchanged))
