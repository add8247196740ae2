"""Whether compiled code and the interpreter agree on a Program, and how closely.

Two right ways to compute a number differ by rounding, and what that amounts to in the result
depends on the Program. So the interpreter is run again with noise: every equation's result that
rounding can have touched is moved by up to ``NOISE`` units in the last place (ULP); that of a sum
of n terms by ULP of the sum of their absolute values, times sqrt(n) / 8 if n is large. The results
must agree with the interpreter's to within ``SLACK`` times the largest change that the noise made,
and ``ULP`` units in the last place. Where noise changes an integer, a truth value, or whether a
number is finite, nothing is asked; a result that no rounding has touched (small integers, copies,
comparisons of them) has to be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.compile import Native, build
from wengert.control.scan import scan_primitive
from wengert.control.sweep_rules import while_primitive
from wengert.control.sweeps import Sweep, grouped
from wengert.control.switch import switch_primitive
from wengert.evaluate import evaluate
from wengert.kinds import Elementwise
from wengert.program import Atom, Equation, Literal, Program, Type, Var

Noise = Callable[[tuple[int, ...]], Any]

NOISE = 4.0
SLACK = 16.0
ULP = 16.0
RUNS = 6

SUMS = {
    "sum",
    "matmul",
    "einsum",
    "cumsum",
    "scatter_add",
    "convolve",
    "add",
    "subtract",
    "mul0",
    "logaddexp",
    "logaddexp2",
}
"""Primitives of which rounding is relative to what is added up."""

EXACT = {
    *("absolute", "negative", "positive", "select", "max", "min", "maximum", "minimum", "fmax"),
    *("fmin", "floor", "ceil", "trunc", "rint", "round", "sign", "copysign", "fabs", "conjugate"),
    *("real", "imag", "slice", "gather", "update", "reshape", "transpose", "broadcast", "pad"),
    *("concatenate", "sort", "argsort", "maximum_so_far", "minimum_so_far", "stop_gradient"),
    *("scan", "switch", "while", "heaviside", "step", "unless_equal", "apart"),
}
"""Primitives that do not round."""


def short(x: Any) -> bool:
    """Whether numbers are so short (small integers, quarters) that sums of them are exact."""
    x = np.asarray(x)
    if x.dtype.kind == "c":
        return short(x.real) and short(x.imag)
    if x.dtype == np.float64:
        return not np.any(np.ascontiguousarray(x).view(np.int64) & 0xFFFFFFF)
    if x.dtype == np.float32:
        return not np.any(np.ascontiguousarray(x).view(np.int32) & 0x3FF)
    return True


def _scale(equation: Equation, inputs: Sequence[Any], result: Any) -> Any:
    """What the rounding of a result is relative to."""
    name = equation.primitive.name
    if name in SUMS:
        sizes = [np.abs(x) if np.asarray(x).dtype.kind in "fc" else x for x in inputs]
        if name in ("subtract", "logaddexp", "logaddexp2"):
            return np.add(*sizes)
        terms = max(map(np.size, inputs)) / max(1, np.size(result) if name != "cumsum" else 1)
        found = np.abs(equation.primitive.evaluate(*sizes, **equation.params))
        return found * max(1.0, np.sqrt(terms) / 8)
    if name in ("prod", "cumprod"):
        return np.abs(result) * (1 + np.sqrt(np.size(inputs[0])))
    if isinstance(equation.primitive, Elementwise):
        return np.abs(result)
    return np.max(np.abs(result), initial=0.0, where=np.isfinite(result))


def _moved(equation: Equation, inputs: Sequence[Any], result: Any, rng: Noise) -> Any:
    dtype = np.asarray(result).dtype
    name = equation.primitive.name
    if dtype.kind not in "fc" or name in EXACT or (short(result) and all(map(short, inputs))):
        return result
    if name == "convert" and np.asarray(inputs[0]).dtype == np.float32:
        return result
    eps = np.finfo(dtype).eps * NOISE
    noise = rng(np.shape(result)) * eps
    if dtype.kind == "c":
        noise = noise + 1j * rng(np.shape(result)) * eps
    change = np.where(np.isfinite(result), noise * _scale(equation, inputs, result), 0)
    change = np.where(np.isfinite(change), change, 0)
    return np.asarray(result + change).astype(dtype)[()]


def _run(equation: Equation, inputs: list[Any], rng: Noise) -> Sequence[Any]:
    if equation.primitive is scan_primitive:
        return _scan(inputs, rng, **equation.params)
    if equation.primitive is switch_primitive:
        branches = equation.params["branches"]
        return noisy(branches[int(np.clip(inputs[0], 0, len(branches) - 1))], inputs[1:], rng)
    if equation.primitive is while_primitive:
        return _while(inputs, rng, **equation.params)
    found = equation.primitive.evaluate(*inputs, **equation.params)
    return found if equation.primitive.multiple else (found,)


def _scan(
    inputs: list[Any],
    rng: Noise,
    *,
    program: Program,
    length: int,
    consts: int,
    carries: int,
    reverse: bool,
) -> list[Any]:
    fixed, carry, xs = (
        inputs[:consts],
        inputs[consts : consts + carries],
        inputs[consts + carries :],
    )
    steps = range(length)[::-1] if reverse else range(length)
    types = [atom.type for atom in program.outputs[carries:]]
    stacks = [np.empty((length, *type.shape), type.dtype) for type in types]
    for i in steps:
        found = noisy(program, [*fixed, *carry, *(x[i] for x in xs)], rng)
        carry = found[:carries]
        for stack, y in zip(stacks, found[carries:], strict=True):
            stack[i] = y
    return [*carry, *stacks]


def _while(
    inputs: list[Any],
    rng: Noise,
    *,
    condition: Program,
    sweeps: Sequence[Sweep],
    checkpoints: int | None,
) -> list[Any]:
    rows: list[dict[int, tuple[list[Any], list[Any]]]] = []
    finals: list[Any] = []
    steps = 0
    for number, (sweep, given) in enumerate(zip(sweeps, grouped(inputs, sweeps), strict=True)):
        fixed, carry = list(given[: sweep.consts]), list(given[sweep.consts :])
        rows.append({})
        k = 0
        while k < steps if number else bool(noisy(condition, [*fixed, *carry], rng)[0]):
            place = steps - 1 - k if sweep.reverse else k
            reads = [rows[r.sweep][place][r.kind == "y"][r.place] for r in sweep.reads]
            found = noisy(sweep.program, [*fixed, *carry, *reads], rng)
            rows[-1][place] = (carry, found[sweep.carries :])
            carry = found[: sweep.carries]
            k += 1
        steps = k
        finals += carry
    return finals


def noisy(program: Program, values: Sequence[Any], rng: Noise) -> list[Any]:
    """The outputs of a Program, each equation's result moved a little by chance."""
    memory: dict[Var, Any] = dict(zip(program.inputs, values, strict=True))

    def read(atom: Atom) -> Any:
        return atom.value if isinstance(atom, Literal) else memory[atom]

    for equation in program.equations:
        inputs = [read(atom) for atom in equation.inputs]
        results = _run(equation, inputs, rng)
        for var, result in zip(equation.outputs, results, strict=True):
            memory[var] = _moved(equation, inputs, result, rng)
    return [read(atom) for atom in program.outputs]


# -- comparing -------------------------------------------------------------------------------------


class Disagreement(AssertionError):  # noqa: N818 - it is an assertion, not a fault
    """Compiled code and the interpreter differ."""


def demand(condition: Any, message: str) -> None:
    if not condition:
        raise Disagreement(message)


def _demand_none(bad: Any, found: Any, wanted: Any, label: str) -> None:
    if np.any(bad):
        raise Disagreement(f"{label}: {_shown(found, wanted, bad)}")


def _kind(x: Any) -> Any:
    """0 for a finite number, and what stands for each of NaN and the infinities."""
    if x.dtype.kind == "c":
        return _kind(x.real) * 4 + _kind(x.imag)
    return np.where(np.isnan(x), 3, np.where(np.isinf(x), np.sign(x), 0))


def compare(found: Any, wanted: Any, others: Sequence[Any], label: str) -> None:
    """Compare one output with the interpreter's, and with those that noise was added to."""
    demand(Type.of(found) == Type.of(wanted), f"{label}: {Type.of(found)} not {Type.of(wanted)}")
    demand(type(found) is type(np.asarray(wanted)[()]), f"{label}: {type(found)}")
    found, wanted = np.asarray(found), np.asarray(wanted)
    others = [np.asarray(other) for other in others]
    if wanted.dtype.kind not in "fc":
        known = np.all([other == wanted for other in others], axis=0)
        bad = known & (found != wanted)
        _demand_none(bad, found, wanted, label)
        return
    with np.errstate(all="ignore"):
        kind = _kind(wanted)
        known = np.all([_kind(other) == kind for other in others], axis=0)
        bad = known & (_kind(found) != kind)
        _demand_none(bad, found, wanted, f"{label}, not finite in other places")
        finite = known & (kind == 0)
        wide = [np.asarray(x, np.result_type(x, np.float64)) for x in (found, wanted, *others)]
        spread = np.max([np.abs(other - wide[1]) for other in wide[2:]], axis=0)
        info = np.finfo(wanted.dtype)
        allowed = SLACK * spread + ULP * info.eps * np.abs(wide[1]) + 16 * info.smallest_subnormal
        bad = finite & ~(np.abs(wide[0] - wide[1]) <= allowed)
    _demand_none(bad, found, wanted, label)


def _shown(found: Any, wanted: Any, bad: Any) -> str:
    where = np.argwhere(bad)
    at = tuple(where[0])
    return (
        f"{len(where)} of {bad.size} elements of {Type.of(wanted)} differ, at "
        f"{tuple(map(int, at))}: {found[at]!r} is not {wanted[at]!r}"
    )


def same_bits(x: Any, y: Any) -> bool:
    """Whether two arrays hold the same bits."""
    return np.asarray(x).tobytes() == np.asarray(y).tobytes()


def expected(program: Program, values: Sequence[Any]) -> tuple[list[Any], list[list[Any]]]:
    """The interpreter's outputs, and those of some runs with noise."""
    with np.errstate(all="ignore"):
        wanted = evaluate(program, values)
        others = [noisy(program, values, noise(seed)) for seed in range(RUNS)]
    return wanted, others


def noise(seed: int) -> Noise:
    """Numbers from -1 to 1 for a shape: all 1, all -1, or random ones."""
    if seed < 2:
        return lambda shape: np.full(shape, 1.0 - 2.0 * seed)
    rng = np.random.default_rng(seed)
    return lambda shape: rng.uniform(-1, 1, shape)


def assert_agreement(
    program: Program,
    values: Sequence[Any],
    labels: Sequence[str] = (),
    native: Native | None = None,
) -> Native:
    """Build a Program, run it more than once, and compare with the interpreter."""
    wanted, others = expected(program, values)
    native = build(program) if native is None else native
    before = [np.array(value) for value in values]
    found = native.run(values)
    for i, (given, kept) in enumerate(zip(values, before, strict=True)):
        demand(same_bits(given, kept), f"input {i} was written to")
    for i, output in enumerate(wanted):
        label = labels[i] if labels else f"output {i}"
        compare(found[i], output, [other[i] for other in others], label)
    _assert_own_memory(found, values, native)
    first = [np.array(output) for output in found]
    # Another call, with other values, leaves other numbers in the workspace.
    with np.errstate(all="ignore"), suppress(Exception):
        native.run([np.add(x, x) if x.dtype.kind in "fc" else x for x in before])
    again = native.run(values)
    for i, (one, two) in enumerate(zip(first, again, strict=True)):
        if one.dtype.kind == "f" and one.dtype.itemsize > 8:  # not all its bytes are the number
            continue
        demand(same_bits(one, two), f"output {i} is different in the second run")
        demand(same_bits(one, found[i]), f"output {i} is changed by the next run")
    return native


def agree(f: Callable[..., Any], *args: Any) -> None:
    """Native code of a NumPy function against the evaluator."""
    with np.errstate(all="ignore"):
        program = wg.trace(f)(*args)
    assert_agreement(program, args)


def named(table: dict[str, Any]) -> Any:
    """Decorator: a test of each ``case`` of a table."""
    return pytest.mark.parametrize("case", [pytest.param(v, id=k) for k, v in table.items()])


def written(x: Any, *places: tuple[Any, Any]) -> Any:
    """A copy with some assignments made."""
    y = x.copy()
    for place, value in places:
        y[place] = value
    return y


def _assert_own_memory(found: Sequence[Any], values: Sequence[Any], native: Native) -> None:
    arrays = [x for x in found if np.ndim(x) and np.size(x)]
    others = [x for x in (*values, *native.constants) if isinstance(x, np.ndarray)]
    for i, x in enumerate(arrays):
        demand(x.flags.c_contiguous and x.flags.writeable, "an output is not an array of its own")
        for y in (*others, *arrays[:i]):
            demand(not np.may_share_memory(x, y), "an output shares memory")


# -- Programs of Programs --------------------------------------------------------------------------


def merged(programs: Sequence[Program]) -> Program:
    """One Program that does what several do, each on inputs of its own."""
    return Program(
        tuple(var for p in programs for var in p.inputs),
        tuple(equation for p in programs for equation in p.equations),
        tuple(atom for p in programs for atom in p.outputs),
    )


def smallest(program: Program, values: Sequence[Any]) -> tuple[Program, list[Any]]:
    """A small part of a Program on which compiled code and the interpreter disagree as well."""
    program, values = _cut_outputs(program, list(values))
    number = len(program.equations) - 1
    while number >= 0:
        if number < len(program.equations):
            shorter = _without(program, values, number)
            if shorter is not None and disagree(*shorter):
                program, values = shorter
        number -= 1
    return program, values


def disagree(program: Program, values: Sequence[Any]) -> bool:
    """Whether compiled code is wrong on a Program, in any way."""
    try:
        expected(program, values)
    except Exception:
        return False
    try:
        assert_agreement(program, values)
    except Exception:
        return True
    return False


def _cut_outputs(program: Program, values: list[Any]) -> tuple[Program, list[Any]]:
    for atom in program.outputs:
        made = Program(program.inputs, program.equations, (atom,))
        pruned = _pruned(made, values)
        if disagree(*pruned):
            return pruned
    return program, values


def _pruned(program: Program, values: Sequence[Any]) -> tuple[Program, list[Any]]:
    needed = {atom for atom in program.outputs if isinstance(atom, Var)}
    equations: list[Equation] = []
    for equation in reversed(program.equations):
        if needed.intersection(equation.outputs) or equation.guards:
            equations.append(equation)
            needed.update(atom for atom in equation.inputs if isinstance(atom, Var))
    kept = [(var, x) for var, x in zip(program.inputs, values, strict=True) if var in needed]
    made = Program(tuple(v for v, _ in kept), tuple(equations[::-1]), program.outputs)
    return made, [x for _, x in kept]


def _without(
    program: Program, values: Sequence[Any], number: int
) -> tuple[Program, list[Any]] | None:
    """The Program with the results of one equation given to it."""
    equation = program.equations[number]
    before = Program(program.inputs, program.equations[: number + 1], equation.outputs)
    with np.errstate(all="ignore"):
        found = evaluate(before, values)
    rest = [e for e in program.equations if e is not equation]
    found = [np.ascontiguousarray(x) if np.ndim(x) else np.asarray(x)[()] for x in found]
    made = Program((*program.inputs, *equation.outputs), tuple(rest), program.outputs)
    return _pruned(made, [*values, *found])
