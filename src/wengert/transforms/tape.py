"""Reverse mode: the tape, and the sweeps over it.

A tape is the linearised Wengert list of one run: for each equation that depends on the inputs, the
primitive and the residuals its derivative needs. Its sweeps are the linear map itself (``push``)
and the transpose of it (``pull``). Both work on whatever values they are given, so that a sweep
over arrays computes and a sweep over traced values is recorded: the transforms of Programs and the
immediate derivatives share this one piece of code.

A row is dropped as soon as it has been pulled through when the tape is used once, which frees its
residuals. Cotangents are summed in place where the sweep owns the buffer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from ..errors import UnknownDerivativeError
from ..kinds import Elementwise, Linear, Nonlinear, settled, unresolved
from ..primitive import NUMBERED, Params, Primitive, Traced
from ..program import Array, Type
from ..recorder import Recorder
from ..trace import (
    ArrayTracer,
    Hold,
    Holding,
    Tracer,
    alike,
    discrete,
    plain,
    snapshot,
    strong,
    wrap,
)

__all__ = [
    "NotLinearError",
    "Row",
    "Tape",
    "check_linear",
    "linearise",
    "transpose_at_zero",
    "transpose_linear",
]

SMALL = 1 << 12
"""Up to this many elements computing with zeros takes less time than computing with types."""

DOUBLE = np.dtype(np.float64)

NONE: Params = {}
"""The parameters of most equations."""

Row: TypeAlias = tuple[Any, ...]
"""One linearised equation: the number of the primitive, the place of its result (a tuple of places
if it has several), the residuals, the parameters (None for none), and then the places of its
operands (None for constants). There is one for each operation, so it is a plain tuple, of things
that Python's garbage collector need not visit again: long tapes cost little more than short."""


class Tape(Holding):
    """Records one run for reverse mode; ``_node`` is a place on the tape, None for a constant.

    A constant array that user code changes under the tape would make a wrong derivative.
    """

    def __init__(self, hold: Hold = "protect") -> None:
        super().__init__(hold)
        self.rows: list[Row] = []
        self.count = 0
        self._same: set[tuple[int | None, int | None]] = set()

    # -- recording -------------------------------------------------------------------------------

    def same(self, one: Tracer, other: Tracer) -> bool:
        """Whether two values are equal, and come from the same places by rows that are alike."""
        if not alike(one._value, other._value):
            return False
        pairs: list[tuple[int | None, int | None]] = [(one._node, other._node)]
        seen: set[tuple[int | None, int | None]] = set()
        while pairs:
            pair = pairs.pop()
            left, right = pair
            if left == right or pair in seen or pair in self._same:
                continue
            seen.add(pair)
            if left is None or right is None:
                return False
            row, twin = self._row_of(left), self._row_of(right)
            if row is None or twin is None or row[0] != twin[0] or len(row) != len(twin):
                return False
            if NUMBERED[row[0]].multiple and row[1].index(left) != twin[1].index(right):
                return False
            if not alike(row[2], twin[2]) or not alike(row[3], twin[3]):
                return False
            pairs.extend(zip(row[4:], twin[4:], strict=True))
        self._same |= seen
        return True

    def _row_of(self, place: int) -> Row | None:
        """The row of which a value is the result; None of an input."""
        found = bisect_left(self.rows, place, key=_last_place)
        if found == len(self.rows):
            return None
        row = self.rows[found]
        first: int = row[1][0] if type(row[1]) is tuple else row[1]
        return row if first <= place else None

    def input(self, value: Array) -> Tracer:
        """A fresh input."""
        if isinstance(value, Traced):
            self.nested = True
            value = value.strong()
        self.count += 1
        return wrap(self, value, self.count - 1)

    def constant(self, value: Array) -> Tracer:
        return wrap(self, value, None)

    def still(self, value: Tracer) -> Tracer:
        return wrap(self, value._value, None)

    def place(self, value: Array) -> int | None:
        """The place of a value on this tape; None if it does not depend on the inputs."""
        if not isinstance(value, Traced) or value._trace is not self:
            return None
        if self.below is not None and value._node is not None:
            self.below.check(value._value)
        return value._node

    def primal(self, value: Array) -> Array:
        """The value without this trace."""
        value = value._value if isinstance(value, Traced) and value._trace is self else value
        return value if self.below is None else self.below.value(value)

    # In one piece: it runs for every operation, where a call more is time that can be measured.
    def process(  # noqa: C901, PLR0912
        self, primitive: Primitive, args: Sequence[Array], params: Params
    ) -> Any:
        if not self.open:
            self.check_open()
        values: list[Array] = []
        places: list[int | None] = []
        moving = False
        for arg in args:
            if isinstance(arg, Traced):
                if arg._trace is self:
                    place = arg._node
                    values.append(arg._value)
                    places.append(place)
                    if place is not None:
                        moving = True
                    continue
                self.nested = True
                if type(arg).assignable:  # it may be assigned to before the way back
                    arg = snapshot(arg)
            elif type(arg) is not float and type(arg) is not int:
                arg = plain(arg)
                if isinstance(arg, Traced):
                    return primitive.bind(*map(plain, args), **params)
                if type(arg) is np.ndarray:
                    arg = self.held(arg)
            values.append(arg)
            places.append(None)
        if params and moving and primitive.joint:
            with np.errstate(all="ignore"):
                ans, saved = primitive.taped(values, places, params)
            return self._joined(primitive, places, ans, saved, params)
        if self.nested:
            ans = primitive.bind(*values, **params)
        elif params:
            ans = primitive.evaluate(*values, **params)
        else:
            ans = primitive.evaluate(*values)
        kind = type(ans)
        if kind is np.float64:
            wrapper = Tracer
        elif primitive.multiple:
            return self._several(primitive, values, places, ans, params)
        else:
            if kind is not np.ndarray:
                ans = strong(ans)
            dtype = ans.dtype
            if dtype is not DOUBLE and dtype.kind not in "fc":
                return discrete(ans)
            wrapper = ArrayTracer if ans.ndim else Tracer
        if not moving or primitive.flat:
            return wrapper(self, ans, None)
        place = self.count
        self.count = place + 1
        saved = primitive.save(values, ans, places, params)
        self.rows.append((primitive.number, place, saved, params or None, *places))
        return wrapper(self, ans, place)

    def _several(
        self, primitive: Primitive, values: Any, places: Any, ans: tuple[Array, ...], params: Params
    ) -> tuple[Any, ...]:
        if primitive.flat or all(place is None for place in places):
            self.check_results(ans)
            return tuple(wrap(self, a, None) if a.dtype.kind in "fc" else a for a in ans)
        saved = primitive.save(values, ans, places, params)
        return self._joined(primitive, places, ans, saved, params)

    def _joined(
        self, primitive: Primitive, places: Any, ans: Sequence[Array], saved: Any, params: Params
    ) -> tuple[Any, ...]:
        self.check_results(ans)
        count = self.count
        self.count = count + len(ans)
        if len(ans) == 1 and ans[0].dtype.kind in "fc":
            self.rows.append((primitive.number, (count,), saved, params, *places))
            return (wrap(self, ans[0], count),)
        outputs = tuple(range(count, self.count))
        self.rows.append((primitive.number, outputs, saved, params, *places))
        return tuple(
            wrap(self, a, o) if a.dtype.kind in "fc" else a
            for a, o in zip(ans, outputs, strict=True)
        )

    # -- sweeps ----------------------------------------------------------------------------------

    def push(self, tangents: Sequence[Array | None], places: Sequence[int | None]) -> list[Any]:
        """Tangents of the values at ``places`` from those of the inputs (None is zero)."""
        moved: dict[int | None, Array] = {
            place: tangent for place, tangent in enumerate(tangents) if tangent is not None
        }
        with np.errstate(all="ignore"):
            for number, output, saved, params, *inputs in self.rows:
                operands = [None if p is None else moved.get(p) for p in inputs]
                if all(operand is None for operand in operands):
                    continue
                primitive = NUMBERED[number]
                try:
                    result = primitive.push(operands, saved, params or NONE)
                except UnknownDerivativeError as error:
                    result = unresolved(primitive, operands, error)
                if primitive.multiple:
                    moved.update(zip(output, result, strict=False))
                else:
                    moved[output] = result
        found = [settled(moved.get(place)) for place in places]
        return found if self.below is None else list(map(self.below.limit_of, found))

    def pull(
        self,
        cotangents: Iterable[tuple[int | None, Array]],
        inputs: int,
        *,
        keep: bool,
        quiet: bool = False,
    ) -> list[Array | None]:
        """Cotangents of the first ``inputs`` places from ``(place, cotangent)`` of some outputs.

        Without ``keep`` the rows are consumed and their residuals freed on the way. In a sweep over
        another tape NumPy is ``quiet`` already.
        """
        sums = _Sums()
        values, owned, add = sums.values, sums.owned, sums.add
        for place, cotangent in cotangents:
            if place is not None:
                add(place, cotangent)
        rows = self.rows if not keep else self.rows.copy()
        with nullcontext() if quiet else np.errstate(all="ignore"):
            while rows:
                row = rows.pop()
                number, output, saved, params, *places = row
                primitive = NUMBERED[number]
                if type(output) is tuple:
                    several = [sums.pop(place) for place in output]
                    if several[0] is not None or any(ct is not None for ct in several):
                        sums.add_all(places, _transposed(row, several))
                    continue
                cotangent = values.pop(output, None)
                if cotangent is None:
                    continue
                if owned:
                    owned.discard(output)
                kind = type(primitive)
                if kind is Elementwise:
                    primitive.pull(cotangent, saved, places, add)
                elif not isinstance(primitive, Linear):
                    sums.add_all(places, _transposed(row, [cotangent]))
                elif primitive.accumulate is not None:
                    sums.accumulate(row, cotangent)
                else:
                    terms = primitive.pull(cotangent, saved, places, params or NONE)
                    if len(places) == 1:
                        if terms[0] is not None:
                            add(places[0], terms[0])
                    else:
                        sums.add_all(places, terms)
        found = [sums.pop(place) for place in range(inputs)]
        return found if self.below is None else list(map(self.below.limit_of, found))


def _last_place(row: Row) -> int:
    return row[1][-1] if type(row[1]) is tuple else row[1]


class _Sums:
    """Cotangents by place, summed; in place where the buffer belongs to nobody else."""

    __slots__ = ("owned", "values")

    def __init__(self) -> None:
        self.values: dict[int, Array] = {}
        self.owned: set[int] = set()

    def add(self, place: int, term: Array) -> None:
        values = self.values
        previous = values.get(place)
        if previous is None:
            values[place] = term
        elif type(previous) is np.ndarray and type(term) is np.ndarray:
            if place in self.owned and previous.dtype == term.dtype:
                np.add(previous, term, out=previous)
            else:
                values[place] = previous + term
                self.owned.add(place)
        else:
            values[place] = previous + term
            self.owned.discard(place)

    def add_all(self, places: Sequence[int | None], terms: Sequence[Array | None]) -> None:
        for i, term in enumerate(terms):
            place = places[i]
            if place is not None and term is not None:
                self.add(place, term)

    def pop(self, place: int) -> Array | None:
        self.owned.discard(place)
        return self.values.pop(place, None)

    def accumulate(self, row: Row, cotangent: Array) -> None:
        """Add the cotangent of a slice or a gather to that of its operand, in place if it can be.

        Where something is traced the part is scattered into the traced total.
        """
        number, _, saved, params, *places = row
        primitive = NUMBERED[number]
        assert isinstance(primitive, Linear) and primitive.accumulate is not None
        place, operand = places[0], saved[0]
        total = self.values.get(place)
        if total is None:
            total = np.zeros(operand.shape, operand.dtype)
        elif place not in self.owned and not isinstance(total, Traced):
            total = np.array(total, dtype=operand.dtype)
        total = primitive.accumulate(total, cotangent, *saved[1:], **(params or NONE))
        self.values[place] = total
        if isinstance(total, Traced):
            self.owned.discard(place)
        else:
            self.owned.add(place)


class NotLinearError(UnknownDerivativeError):
    """A function that was to be transposed is not linear: an ``operation`` of it depends on more.

    It is ``certain`` unless loops, or functions with rules of the user's own, are among these.
    """

    def __init__(self, operation: str, certain: bool) -> None:
        super().__init__(
            f"a rule that has to be linear in the tangent is not: it takes {operation} of it",
            remedy="a rule that multiplies the tangent with what depends on the operands only",
        )
        self.operation = operation
        self.certain = certain


def unknown_in(residuals: Any, unknowns: Recorder) -> bool:
    """Whether among the residuals of a row there is a value of this recorder."""
    pending: list[Any] = [residuals]
    while pending:
        item = pending.pop()
        if isinstance(item, (list, tuple)):
            pending.extend(item)
        elif isinstance(item, Traced) and item._trace is unknowns:
            return True
    return False


def check_linear(tape: Tape, unknowns: Recorder) -> None:
    """Raise ``NotLinearError`` where a residual depends on the arguments, which are ``unknowns``.

    Rows keep what their derivative needs, but those of nonlinear primitives, which keep all.
    """
    for row in tape.rows:
        primitive = NUMBERED[row[0]]
        if not isinstance(primitive, Nonlinear) and unknown_in(row[2], unknowns):
            raise NotLinearError(primitive.name, True)


def transpose_linear(
    function: Callable[..., Sequence[Array | None]],
    types: Sequence[Type],
    cotangents: Sequence[Array | None],
    hold: Hold = "trust",
) -> list[Array | None]:
    """Cotangents of the arguments of a linear function from those of its results.

    ``function`` is run on arguments of which only the ``types`` are known. As it is linear in
    them, the residuals on its tape are known values, and the tape can be pulled through at once.
    Raises ``NotLinearError`` if it is not.
    """
    recorder = Recorder("trust")
    tape = Tape(hold)
    try:
        results = function(*(tape.input(recorder.input(type)) for type in types))
        tape.check_caught()
        check_linear(tape, recorder)
        pairs = [
            (tape.place(settled(result)), cotangent)
            for result, cotangent in zip(results, cotangents, strict=True)
            if cotangent is not None
        ]
        kept = [(row[0], row[2]) for row in tape.rows if isinstance(NUMBERED[row[0]], Nonlinear)]
        found = tape.pull(pairs, len(types), keep=False)
        if any(isinstance(term, Traced) and term._trace is recorder for term in found):
            names = [NUMBERED[row] for row, residuals in kept if unknown_in(residuals, recorder)]
            raise NotLinearError(names[0].name, not any(name.joint for name in names))
        return found
    finally:
        tape.close()
        recorder.close()


@lru_cache(maxsize=4096)
def is_linear(number: int, places: tuple[int, ...]) -> bool:
    """Whether the primitive of this number is known to be linear in these operands."""
    return NUMBERED[number].linear_in(places)


class _AskedError(Exception):
    """Something was computed of an argument of a linear function that only its value tells."""


class _BlindTape(Tape):
    """A tape of a linear function at zero, of whose arguments nothing but the types counts."""

    blind = True

    asked = False
    """Whether that has happened, whoever caught the error."""

    def process(self, primitive: Primitive, args: Sequence[Array], params: Params) -> Any:
        if primitive.multiple or primitive.flat:
            result = None
        else:
            result = super().process(primitive, args, params)
        if not isinstance(result, Traced) and any(self.place(arg) is not None for arg in args):
            self.asked = True
            raise _AskedError
        return super().process(primitive, args, params) if result is None else result


def transpose_at_zero(
    function: Callable[..., Sequence[Array | None]],
    types: Sequence[Type],
    cotangents: Sequence[Array | None],
    hold: Hold = "trust",
    *,
    quiet: bool = False,
) -> list[Array | None] | None:
    """What ``transpose_linear`` gives, by running the function on zeros: a tape and no Recorder.

    None where that could give something else: the arguments are large, or meet what is not known
    to be linear in them, or something is asked of their values, or anything fails.
    """
    zeros = [type.zeros() for type in types]
    if max([zero.size for zero in zeros]) > SMALL:
        return None
    tape = _BlindTape(hold)
    try:
        results = function(*map(tape.input, zeros))
        pairs = [
            (tape.place(settled(result)), cotangent)
            for result, cotangent in zip(results, cotangents, strict=True)
            if cotangent is not None
        ]
        for row in tape.rows:
            moving = tuple([i for i, place in enumerate(row[4:]) if place is not None])
            if not is_linear(row[0], moving):
                return None
    except Exception:
        return None
    finally:
        asked = tape.asked or bool(tape.refusals)
        tape.close()
    return None if asked else tape.pull(pairs, len(types), keep=False, quiet=quiet)


def _transposed(row: Row, cotangents: Sequence[Array | None]) -> list[Array | None]:
    """The operands' cotangents for a primitive that gives a JVP only: that JVP, transposed."""
    number, _, saved, given, *places = row
    primitive, params = NUMBERED[number], given or NONE
    assert isinstance(primitive, Nonlinear)
    found = primitive.pull(cotangents, saved, places, params)
    if found is not None:
        return found
    operands = saved[0]
    moving = [i for i, place in enumerate(places) if place is not None]

    def pushed(*tangents: Array) -> Sequence[Array]:
        full: list[Array | None] = [None] * len(operands)
        for i, tangent in zip(moving, tangents, strict=True):
            full[i] = tangent
        result = primitive.push(full, saved, params)
        return result if primitive.multiple else (result,)

    types = [Type.of(operands[i]) for i in moving]
    terms: list[Array | None] = [None] * len(operands)
    found = None
    if not any(isinstance(operand, Traced) for operand in operands):
        found = transpose_at_zero(pushed, types, cotangents, quiet=True)
    if found is None:
        found = transpose_linear(pushed, types, cotangents)
    for i, term in zip(moving, found, strict=True):
        terms[i] = term
    return terms


def linearise(values: Sequence[Array], hold: Hold = "protect") -> tuple[Tape, list[Tracer]]:
    """A new tape and its inputs with these values."""
    tape = Tape(hold)
    return tape, [tape.input(value) for value in values]
