"""The Recorder: a trace that writes the equations of one run of a function into a Program."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .errors import AbstractValueError, WengertError
from .layouts import Layouts
from .primitive import UFUNCS, Params, Primitive, Traced
from .program import Array, Atom, Equation, Literal, Program, Type, Var
from .trace import (
    HELD,
    ArrayTracer,
    ForeignValueError,
    Hold,
    Holding,
    Tracer,
    alike,
    layout,
    plain,
    snapshot,
    strong,
)

__all__ = ["Recorder", "record"]


_WHOLE = re.compile(r"integer|integral|not iterable|to bytes")
"""What NumPy and Python say of what is no integer."""


class Recorder(Holding):
    """Writes the equations of one run of a function into a Program.

    With values (``input(type, value)``) Python's control flow works, and the path that was
    taken is what is recorded. Without, only types are known.
    """

    def __init__(self, hold: Hold = "copy") -> None:
        super().__init__(hold)
        self.inputs: list[Var] = []
        self.equations: list[Equation] = []
        self.captures: list[Tracer] = []
        self._captured: dict[tuple[int, int, int], Var] = {}
        self._sources: dict[Var, tuple[Equation, int]] = {}
        self._traced_back = 0
        self._same: set[tuple[Atom, Atom]] = set()
        self._layouts = Layouts(self.equations, self._layout_outside)

    def input(self, type: Type, value: Array = None, model: Array = None) -> Tracer:
        """A fresh input of the Program, with its value if that is known.

        ``model`` is an array that lies in memory as the value will, if that is not in C order.
        """
        var = Var(type)
        self.inputs.append(var)
        if model is not None:
            self._layouts.set(var, model)
        return self._tracer(type, value, var)

    def explain(self, error: Exception) -> None:
        """Raise what an error of NumPy's stands for: an integer whose value is not known.

        To one that an array is read-only the reason is added.
        """
        if self.holds and "read-only" in str(error):
            error.add_note(HELD)
        refusal, self.unanswered = self.unanswered, None
        if isinstance(error, WengertError) or not _WHOLE.search(str(error)):
            return
        if refusal is None and self.objects:
            refusal = AbstractValueError(
                "NumPy was given a list of integers some of which are not known here, because the "
                "function is traced once for all values, as vmap, loops and branches do",
                remedy="np.take_along_axis(table, np.stack([i, j]), axis=0) for table[[i, j]]; "
                "integers that are not traced for shapes and widths",
            )
        if refusal is not None:
            raise refusal from error

    def constant(self, value: Array) -> Tracer:
        literal = self.literal(value)
        return self._tracer(literal.type, value, literal)

    def _tracer(self, type: Type, value: Array, node: Atom) -> Tracer:
        kind = ArrayTracer if type.shape else Tracer
        return kind(self, value, node)

    def literal(self, value: Array) -> Literal:
        """A constant operand, which the user's code cannot change any more."""
        if self.hold == "copy":
            return Literal(value)
        return Literal(self.held(value), copy=False)

    def same(self, one: Tracer, other: Tracer) -> bool:
        """Whether two values come from the same ones by equations that are alike."""
        for equation in self.equations[self._traced_back :]:
            self._sources.update((v, (equation, i)) for i, v in enumerate(equation.outputs))
        self._traced_back = len(self.equations)
        pairs: list[tuple[Atom, Atom]] = [(self.atom(one), self.atom(other))]
        seen: set[tuple[Atom, Atom]] = set()
        while pairs:
            pair = pairs.pop()
            left, right = pair
            if left is right or pair in seen or pair in self._same:
                continue
            seen.add(pair)
            if isinstance(left, Literal) and isinstance(right, Literal):
                if left.key() != right.key():
                    return False
                continue
            if left not in self._sources or right not in self._sources:
                return False
            (equation, i), (twin, j) = self._sources[left], self._sources[right]
            if i != j or equation.primitive is not twin.primitive:
                return False
            if len(equation.inputs) != len(twin.inputs):
                return False
            if not alike(dict(equation.params), dict(twin.params)):
                return False
            pairs.extend(zip(equation.inputs, twin.inputs, strict=True))
        self._same |= seen
        return True

    def atom(self, arg: Array) -> Atom:
        """The Var or Literal for a value: own, of an enclosing trace (captured), or constant."""
        if not isinstance(arg, Traced):
            return self.literal(arg)
        if arg._trace is self:
            return arg._node
        key = (id(arg._trace), id(arg._value), id(arg._node))
        if key not in self._captured:
            type = Type.of(arg)
            self.captures.append(snapshot(arg))
            self._captured[key] = Var(type)
        return self._captured[key]

    def _layout_outside(self, var: Var) -> Array:
        """How a captured value lies in memory; None for one that is none."""
        for captured, value in zip(self._captured.values(), self.captures, strict=True):
            if captured is var:
                return layout(value)
        return None

    def peek(self, value: Tracer) -> Array:
        return self._layouts.of(value._node)

    def lay(self, value: Tracer, model: Array) -> Tracer:
        if value.dtype.kind == "b":
            made = UFUNCS[np.logical_or].bind(value, value)
        else:
            made = UFUNCS[np.positive].bind(value)
        self._layouts.set(made._node, model)
        return made

    def process(self, primitive: Primitive, args: Sequence[Array], params: Params) -> Any:
        self.check_open()
        given, args = args, [plain(arg) for arg in args]
        for i, arg in enumerate(args):
            if arg is not given[i] and isinstance(arg, Traced):
                return primitive.bind(*args, **params)
        atoms = tuple(self.atom(arg) for arg in args)
        values = [
            arg._value if isinstance(arg, Traced) and arg._trace is self else arg for arg in args
        ]
        if any(value is None for value in values):
            found: Any = None
            types = primitive.types(atoms, params)
        else:
            found = strong(primitive.bind(*values, **params))
            results = found if primitive.multiple else (found,)
            if primitive.opaque and not any(isinstance(value, Traced) for value in values):
                self.check_closed(results)
            types = tuple(Type.of(result) for result in results)
        outputs = tuple(Var(type) for type in types)
        self.equations.append(Equation(primitive, atoms, params, outputs))
        known = found if primitive.multiple else (found,)
        tracers = [
            self._tracer(var.type, None if found is None else value, var)
            for var, value in zip(outputs, known if found is not None else outputs, strict=True)
        ]
        return tuple(tracers) if primitive.multiple else tracers[0]

    def check_closed(self, results: Sequence[Array]) -> None:
        """Refuse results that are traced though no operand is: a Program cannot capture these."""
        if any(isinstance(result, Traced) for result in results):
            raise ForeignValueError

    def program(self, outputs: Sequence[Array]) -> tuple[Program, list[Tracer]]:
        """The Program with these outputs, its captures as first inputs, and their values."""
        atoms = tuple(self.atom(output) for output in outputs)
        self.check_held()
        self.check_caught()
        self.close()
        inputs = (*self._captured.values(), *self.inputs)
        return Program(inputs, tuple(self.equations), atoms), self.captures


def record(
    function: Callable[..., Sequence[Array]],
    types: Sequence[Type],
    values: Sequence[Array] | None = None,
    *,
    hold: Hold = "copy",
    models: Sequence[Array] | None = None,
) -> tuple[Program, list[Tracer]]:
    """Run ``function`` on traced inputs and return its Program and the values it captured.

    ``function`` takes one positional argument for each type and returns a sequence of values.
    ``hold`` says what becomes of constant arrays: for a Program that is used at once they need not
    all be copied. For ``models`` see ``Recorder.input``.
    """
    recorder = Recorder(hold)
    unknown: Sequence[Array] = [None] * len(types)
    try:
        inputs = list(map(recorder.input, types, values or unknown, models or unknown))
        return recorder.program(function(*inputs))
    except (IndexError, TypeError, ValueError) as error:
        recorder.explain(error)
        raise
    finally:
        try:
            recorder.close()
        except BaseException:  # The user's interrupt came just then.
            recorder.close()
            raise
