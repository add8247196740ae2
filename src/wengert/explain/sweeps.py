"""``explain``: one call of a function as a Wengert list, and the two sweeps through it.

The call is recorded as a Program, which is then taken equation by equation: evaluated, its
tangent pushed through it, and, from the last equation to the first, its adjoint pulled through
it. The rules are those of the primitives, by way of the same ``Dual`` and ``Tape`` that all
derivatives go by. Here they run under a ``Recorder``, which makes of each step both a number and
the small Program that the step's formula is read from.

R. E. Wengert, "A simple automatic derivative evaluation program", CACM 7(8), 1964;
A. Griewank, A. Walther, "Evaluating Derivatives", 2nd ed., SIAM 2008, tables 1.1 to 1.3.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, overload

import numpy as np

from .. import tree
from ..calls import called, number, result_leaf
from ..errors import DtypeError, ShapeError, TracedArrayError, UnsupportedError
from ..primitive import Traced
from ..program import Array, Atom, Equation, Program, Type, Var
from ..program import Literal as Constant
from ..recorder import Recorder, record
from ..trace import Tracer
from ..transforms.dual import Dual
from ..transforms.tape import Tape
from .compiled import Compilation
from .compiled import compiled as compilation_of
from .formula import equation_text, program_text
from .naming import free_letter, parameters_of, paths_of, title_of
from .rows import Contribution, Explanation, Mode, Row

__all__ = ["explain"]


@overload
def explain(
    f: Callable[..., Any],
    *args: Any,
    along: Any = None,
    mode: Mode | None = None,
    compiled: Literal[False] = False,
) -> Explanation: ...


@overload
def explain(
    f: Callable[..., Any] | Program, *args: Any, compiled: Literal[True]
) -> Compilation: ...


def explain(
    f: Any,
    *args: Any,
    along: Any = None,
    mode: Mode | None = None,
    compiled: bool = False,
) -> Explanation | Compilation:
    """The Wengert list of ``f(*args)``: every intermediate with its value, tangent and adjoint.

    Arguments may be any nesting of numbers and arrays; what is neither (a string, a truth value) is
    handed through. ``along`` is a direction, with an entry for each argument: then tangents are
    pushed forward along it. If the result is one real number, adjoints are pulled back from it, and
    for each of them is listed which equation contributes how much. ``mode="forward"`` or
    ``mode="reverse"`` asks for that sweep alone; forward mode needs no ``along`` for a function of
    one number.

    With ``compiled`` it is another list, that of the native code which ``wg.jit`` makes: which
    equations share a loop, which became a call of BLAS, and which the evaluator runs. ``f`` is then
    any function, jitted or not, or a Program (without arguments).

    Returns an ``Explanation``, or a ``Compilation``; both print, show themselves in Jupyter, and
    hold their rows as data.
    Raises ``ShapeError`` if ``along`` does not fit, or if reverse mode is asked for and the result
    is not one number; ``DtypeError`` if it is not a real one.

    Example:
        >>> import numpy as np, wengert as wg
        >>> e = wg.explain(lambda x, y: x * y + np.sin(x), 1.0, 2.0)
        >>> [(row.name, row.formula) for row in e.rows if not row.is_input]
        [('t1', 'x * y'), ('t2', 'sin(x)'), ('t3', 't1 + t2')]
        >>> print(e["x"].adjoint)
        2.5403023058681398
        >>> for term in e["x"].contributions:
        ...     print(term.source, term.formula, term.amount)
        t1 t1_bar * y 2.0
        t2 t2_bar * cos(x) 0.5403023058681398

    And compiled:
        >>> e = wg.explain(lambda x, y: np.sum(x * y), np.ones(99), np.ones(99), compiled=True)
        >>> for row in e.rows[2:]:
        ...     print(row.name, row.formula, row.text, row.memory)
        t1 x * y inlined in loop 1 never stored
        t2 sum(t1, axes=(0,)) loop 1 result
    """
    if compiled:
        if along is not None or mode is not None:
            raise UnsupportedError(
                "along and mode choose sweeps, and the list of what is compiled has none",
                remedy="wg.explain(wg.grad(f), *args, compiled=True) for a compiled derivative",
            )
        if any(isinstance(leaf, Traced) for leaf in tree.flatten(args)[0]):
            raise _inside_a_derivative()
        return compilation_of(f, args)
    if mode not in (None, "forward", "reverse"):
        raise ValueError(f"mode is {mode!r}; it can be 'forward', 'reverse' or None")
    if mode == "reverse" and along is not None:
        raise UnsupportedError(
            "along is a direction for forward mode, and mode='reverse' asks for the other",
            remedy="mode=None for both sweeps",
        )
    call = _recorded(f, args)
    directions = _directions(call, args, along) if along is not None else None
    if mode == "forward" and directions is None:
        directions = [_only_direction(call)]
    reverse = mode != "forward" and _has_adjoints(call, mode)
    run = _Run(call.program, _names(call))
    run.evaluate(call.values)
    if directions is not None:
        run.push(directions)
    if reverse:
        run.pull()
    return run.explanation(
        title_of(f, call.parameters), call.results, directions is not None, reverse
    )


# -- the call --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Call:
    """A recorded call: the Program, values and names of its inputs, paths of its results."""

    program: Program
    values: list[Array]
    inputs: list[str]
    parameters: list[str]
    results: list[str]
    arguments: list[int]


def _recorded(f: Callable[..., Any], args: Sequence[Any]) -> _Call:
    leaves, spec = tree.flatten(args)
    places = [i for i, leaf in enumerate(leaves) if _is_numeric(leaf)]
    values = [_input(leaves[i]) for i in places]
    parameters = parameters_of(f, len(args))
    paths: list[str] = []
    arguments: list[int] = []
    for position, (name, arg) in enumerate(zip(parameters, args, strict=True)):
        found = paths_of(arg, name)
        paths.extend(found)
        arguments.extend([position] * len(found))
    results: list[str] = []

    def flat(*inputs: Array) -> list[Array]:
        full = list(leaves)
        for i, value in zip(places, inputs, strict=True):
            full[i] = value
        result = called(f, tree.unflatten(spec, full), {})
        results.extend(paths_of(result, "result"))
        return [result_leaf(leaf) for leaf in tree.flatten(result)[0]]

    program, captures = record(flat, [Type.of(value) for value in values], values)
    if captures:
        raise _inside_a_derivative()
    inputs = [paths[i] for i in places]
    return _Call(program, values, inputs, parameters, results, [arguments[i] for i in places])


def _is_numeric(leaf: Any) -> bool:
    if isinstance(leaf, Traced):
        raise _inside_a_derivative()
    if isinstance(leaf, (bool, np.bool_)):
        return False
    return isinstance(leaf, (int, float, complex, np.ndarray, np.generic))


def _inside_a_derivative() -> TracedArrayError:
    return TracedArrayError(
        "wg.explain shows numbers, and it was called inside of a derivative, on traced values",
        remedy="wg.explain(wg.grad(f), x) to see the derivative's own list, outside of it",
    )


def _input(leaf: Any) -> Array:
    """A leaf of the arguments as a value. Integer arrays stay what they are: indices, labels."""
    integers = isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind in "iub"
    return leaf if integers else number(leaf)


def _names(call: _Call) -> dict[Var, str]:
    """The inputs' names, and t1, t2, ... (or v, u, w: a letter that no input has taken)."""
    total = sum(len(equation.outputs) for equation in call.program.equations)
    letter = free_letter(call.inputs, total)
    names = dict(zip(call.program.inputs, call.inputs, strict=True))
    for equation in call.program.equations:
        for var in equation.outputs:
            names[var] = f"{letter}{len(names) - len(call.inputs) + 1}"
    return names


# -- which sweeps ----------------------------------------------------------------------------------


def _directions(call: _Call, args: Sequence[Any], along: Any) -> list[Array]:
    """A tangent for each input, from what the user gave for each argument."""
    if len(args) == 1 and not (isinstance(along, (tuple, list)) and len(along) == 1):
        along = (along,)
    if not isinstance(along, (tuple, list)) or len(along) != len(args):
        raise ShapeError(
            f"along is {along!r}, and it needs an entry for each of the {len(args)} arguments",
            remedy="along=(" + ", ".join(f"{name}_dot" for name in call.parameters) + ")",
        )
    given: list[list[Any]] = []
    for arg, entry, name in zip(args, along, call.parameters, strict=True):
        leaves, spec = tree.flatten(arg)
        if entry is None:
            found: list[Any] = [None] * len(leaves)
        else:
            found = tree.flatten_like(spec, entry, f"the entry of along for {name}")
        given.append([e for e, leaf in zip(found, leaves, strict=True) if _is_numeric(leaf)])
    flat = itertools.chain.from_iterable(given)
    return [
        _direction(entry, Type.of(value), name)
        for entry, value, name in zip(flat, call.values, call.inputs, strict=True)
    ]


def _direction(entry: Any, kind: Type, name: str) -> Array:
    if entry is None or not kind.differentiable:
        return np.zeros(kind.shape, kind.dtype if kind.differentiable else float)[()]
    tangent = np.asarray(entry)
    if tangent.dtype.kind not in "fciub":
        raise DtypeError(f"the entry of along for {name} is {entry!r}, which is not a number")
    if tangent.shape != kind.shape:
        raise ShapeError(
            f"the entry of along for {name} has the shape {tangent.shape}, but {name} has "
            f"{kind.shape}"
        )
    if tangent.dtype.kind == "c" and kind.dtype.kind != "c":
        raise DtypeError(f"the entry of along for {name} is complex, but {name} is real")
    return tangent.astype(kind.dtype)[()]


def _only_direction(call: _Call) -> Array:
    if len(call.values) != 1 or Type.of(call.values[0]).shape:
        raise ShapeError(
            "forward mode needs a direction to push tangents along, unless the function has one "
            "number for its argument",
            remedy="along=("
            + ", ".join(f"{name}_dot" for name in call.parameters)
            + (",)" if len(call.parameters) == 1 else ")"),
        )
    return _direction(1.0, Type.of(call.values[0]), call.inputs[0])


def _has_adjoints(call: _Call, mode: Mode | None) -> bool:
    """Whether the result is one real number; an error if adjoints were asked for and it is not."""
    types = [atom.type for atom in call.program.outputs]
    if len(types) == 1 and not types[0].shape and types[0].dtype.kind == "f":
        return True
    if mode is None:
        return False
    if len(types) == 1 and not types[0].shape:
        raise DtypeError(
            f"reverse mode starts from one real number, and the result is {types[0]}",
            remedy="a function that returns np.real(y), or y * 1.0 for an integer",
        )
    found = f"an array of shape {types[0].shape}" if len(types) == 1 else f"{len(types)} values"
    raise ShapeError(
        f"reverse mode starts from one number, and the function returned {found}",
        remedy="wg.explain(lambda *args: f(*args)[0], ...) for one component of the result, or "
        "mode='forward' with along=...",
    )


# -- the sweeps ------------------------------------------------------------------------------------


@dataclass
class _Run:
    """The Program with what is known of each of its variables."""

    program: Program
    names: dict[Var, str]
    values: dict[Var, Array] = field(default_factory=dict[Var, Array])
    active: set[Var] = field(default_factory=set[Var])
    tangents: dict[Var, Array] = field(default_factory=dict[Var, Array])
    tangent_formulas: dict[Var, str] = field(default_factory=dict[Var, str])
    adjoints: dict[Var, Array] = field(default_factory=dict[Var, Array])
    terms: dict[Var, list[Contribution]] = field(default_factory=dict[Var, list[Contribution]])

    def evaluate(self, inputs: Sequence[Array]) -> None:
        """Every value, and which variables depend on the inputs in a way that has a derivative."""
        self.values.update(zip(self.program.inputs, inputs, strict=True))
        self.active.update(var for var in self.program.inputs if var.type.differentiable)
        for equation in self.program.equations:
            operands = map(self._read, equation.inputs)
            with np.errstate(all="ignore"):
                found = equation.primitive.bind(*operands, **equation.params)
            found = found if equation.primitive.multiple else (found,)
            self.values.update(zip(equation.outputs, found, strict=True))
            if not equation.primitive.flat and self.active.intersection(equation.inputs):
                self.active.update(var for var in equation.outputs if var.type.differentiable)

    def _read(self, atom: Atom) -> Array:
        return atom.value if isinstance(atom, Constant) else self.values[atom]

    # -- forward ---------------------------------------------------------------------------------

    def push(self, directions: Sequence[Array]) -> None:
        """Tangents, from the first equation to the last."""
        for var, direction in zip(self.program.inputs, directions, strict=True):
            if var in self.active:
                self.tangents[var] = direction
        for equation in self.program.equations:
            if self.active.intersection(equation.outputs):
                self._push_through(equation)

    def _push_through(self, equation: Equation) -> None:
        step = _Step(self, equation)
        dual = Dual()
        args: list[Array] = []
        for atom, operand in zip(equation.inputs, step.operands, strict=True):
            if isinstance(atom, Var) and atom in self.active:
                operand = dual.input(operand, step.seed(atom, "_dot", self.tangents[atom]))
            args.append(operand)
        found = _several(equation, equation.primitive.bind(*args, **equation.params))
        step.name_results([dual.primal(value) for value in found])
        moved = [dual.tangent(value) for value in found]
        for var, tangent, text in zip(equation.outputs, moved, step.formulas(moved), strict=True):
            if var in self.active:
                self.tangents[var] = _value(tangent)
                name = self.names[var]
                operands = [self.names[operand] for operand in step.active]
                terms = [f"d{name}/d{x} * {x}_dot" for x in operands]
                self.tangent_formulas[var] = text or " + ".join(terms)

    # -- reverse ---------------------------------------------------------------------------------

    def pull(self) -> None:
        """Adjoints, from the last equation to the first."""
        (result,) = self.program.outputs
        if isinstance(result, Var) and result in self.active:
            one = result.type.dtype.type(1)
            self.adjoints[result] = one
            self.terms[result] = [Contribution("", "1", one)]
        for equation in reversed(self.program.equations):
            if self.active.intersection(equation.outputs):
                self._pull_through(equation)
        for var in self.active:
            self.adjoints.setdefault(var, var.type.zeros())

    def _pull_through(self, equation: Equation) -> None:
        seeds = [self.adjoints.get(var) for var in equation.outputs]
        if all(seed is None for seed in seeds):
            return
        step = _Step(self, equation)
        tape = Tape("trust")
        args: list[Array] = []
        moving: list[Var] = []
        for atom, operand in zip(equation.inputs, step.operands, strict=True):
            if isinstance(atom, Var) and atom in self.active:
                operand = tape.input(operand)
                moving.append(atom)
            args.append(operand)
        found = _several(equation, equation.primitive.bind(*args, **equation.params))
        tape.close()
        step.name_results([tape.primal(value) for value in found])
        pairs = [
            (tape.place(value), step.seed(var, "_bar", seed))
            for value, var, seed in zip(found, equation.outputs, seeds, strict=True)
            if seed is not None
        ]
        terms = tape.pull(pairs, len(moving), keep=False)
        seeded = zip(equation.outputs, seeds, strict=True)
        sources = [self.names[var] for var, seed in seeded if seed is not None]
        added: dict[Var, list[Contribution]] = {}
        for var, term, text in zip(moving, terms, step.formulas(terms), strict=True):
            if term is None:
                continue
            amount = _value(term)
            slopes = [f"{source}_bar * d{source}/d{self.names[var]}" for source in sources]
            formula = text or " + ".join(slopes)
            added.setdefault(var, []).append(Contribution(sources[0], formula, amount))
            previous = self.adjoints.get(var)
            self.adjoints[var] = amount if previous is None else previous + amount
        for var, new in added.items():
            self.terms[var] = new + self.terms.get(var, [])

    # -- the result ------------------------------------------------------------------------------

    def explanation(
        self, title: str, paths: Sequence[str], forward: bool, reverse: bool
    ) -> Explanation:
        """Everything that was found, as rows."""
        results: dict[Var, list[str]] = {}
        listed: list[tuple[str, Array]] = []
        for path, atom in zip(paths, self.program.outputs, strict=True):
            if isinstance(atom, Var):
                results.setdefault(atom, []).append(path)
            listed.append((path, self._read(atom)))
        rows = [self._row(var, "", "", (), results) for var in self.program.inputs]
        for equation in self.program.equations:
            formula = equation_text(equation, self.names)
            read = {self.names[atom]: None for atom in equation.inputs if isinstance(atom, Var)}
            for place, var in enumerate(equation.outputs):
                text = f"{formula}[{place}]" if equation.primitive.multiple else formula
                rows.append(self._row(var, equation.primitive.name, text, tuple(read), results))
        return Explanation(title, tuple(rows), tuple(listed), forward, reverse)

    def _row(
        self,
        var: Var,
        operation: str,
        formula: str,
        operands: tuple[str, ...],
        results: dict[Var, list[str]],
    ) -> Row:
        return Row(
            self.names[var],
            operation,
            formula,
            operands,
            self.values[var],
            tuple(results.get(var, ())),
            self.tangents.get(var),
            self.tangent_formulas.get(var, ""),
            self.adjoints.get(var),
            tuple(self.terms.get(var, ())),
        )


class _Step:
    """One equation under a Recorder of its own, in which the variables carry their names."""

    def __init__(self, run: _Run, equation: Equation) -> None:
        self.run = run
        self.equation = equation
        self.recorder = Recorder("trust")
        self.text_names: dict[Var, str] = {}
        inputs: dict[Var, Tracer] = {}
        self.operands: list[Array] = []
        for atom in equation.inputs:
            if isinstance(atom, Constant):
                self.operands.append(atom.value)
                continue
            if atom not in inputs:
                inputs[atom] = self._input(atom, run.names[atom], run.values[atom])
            self.operands.append(inputs[atom])
        self.active = [var for var in inputs if var in run.active]

    def _input(self, var: Var, name: str, value: Array) -> Tracer:
        made = self.recorder.input(Type.of(value), value)
        self.text_names[made._node] = name
        return made

    def seed(self, var: Var, suffix: str, value: Array) -> Tracer:
        """The tangent or the adjoint of a variable."""
        return self._input(var, self.run.names[var] + suffix, value)

    def name_results(self, values: Iterable[Array]) -> None:
        """In formulas the equation's results stand under their names."""
        for var, value in zip(self.equation.outputs, values, strict=True):
            if isinstance(value, Traced) and isinstance(value._node, Var):
                self.text_names[value._node] = self.run.names[var]

    def formulas(self, values: Sequence[Array | None]) -> list[str | None]:
        """How each of the values comes about, in terms of the names; None where that is long."""
        known = [value for value in values if value is not None]
        program, _ = self.recorder.program(known)
        texts = iter([program_text(program, self.text_names, i) for i in range(len(known))])
        return [None if value is None else next(texts) for value in values]


def _several(equation: Equation, found: Any) -> tuple[Array, ...]:
    return found if equation.primitive.multiple else (found,)


def _value(traced: Array) -> Array:
    return traced._value if isinstance(traced, Traced) else traced
