"""The primitive ``custom``: a call of a Python function that nothing looks into.

    custom(leaves..., call)

``call`` knows how the function is run, what types it returns, and its rules. A rule is a Python
function of leaves as well: where what it is given is being recorded, and it cannot be traced, it
becomes an equation of its own (``RuleCall``), which is differentiated by tracing the rule once it
has values. A batch without a rule is a loop over it (``Batched``).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import tree
from ..derivatives import vmap
from ..errors import (
    AbstractValueError,
    TracedArrayError,
    UnknownDerivativeError,
    UnsupportedError,
)
from ..kinds import Nonlinear
from ..primitive import Operand, Params, Traced, operand_type
from ..primitives.shape import broadcast
from ..program import Array, Literal, Program, Type
from ..recorder import Recorder, record
from ..trace import ForeignValueError, refusal_of
from ..transforms.dual import Dual
from ..transforms.tape import Tape
from .results import NUMBERS, Outcome, fitted, operand_key

__all__ = ["Call", "RuleCall", "UnfitError", "applied", "custom", "recorded", "traced_in", "zero"]

Flags = tuple[bool, ...]
Terms = Sequence[Array | None]


class UnfitError(UnknownDerivativeError):
    """A rule cannot be transposed by tracing it; with values it can be by other means."""

    def __init__(self, what: str) -> None:
        Exception.__init__(self, what)
        self.line = None


def traced_in(values: Sequence[Any]) -> bool:
    """Whether one of the values is traced."""
    for value in values:  # noqa: SIM110  (a generator takes twice the time)
        if isinstance(value, Traced):
            return True
    return False


def recorded(value: Array) -> bool:
    """Whether a value, or one below it, belongs to a Program that is being recorded."""
    while isinstance(value, Traced):
        if isinstance(value._trace, Recorder):
            return True
        value = value._value
    return False


def zero(value: Array | Type) -> Array:
    """The zero tangent of a value, of float64 where it can have none."""
    type = Type.of(value)
    return type.zeros() if type.differentiable else np.zeros(type.shape)[()]


def traced(run: Callable[..., Sequence[Array]], operands: Sequence[Operand | Array]) -> Program:
    """The Program of a function of leaves, from the types of these; numbers stay what they are.

    Raises whatever the function raises of values that are not known, and ``TracedArrayError`` where
    it uses a traced value from outside.
    """
    numbers = {
        place: operand.value if isinstance(operand, Literal) else operand
        for place, operand in enumerate(operands)
        if operand_key(operand) in NUMBERS
    }

    def filled(*given: Array) -> Sequence[Array]:
        rest = iter(given)
        return run(*(numbers[i] if i in numbers else next(rest) for i in range(len(operands))))

    types = [
        Type.of(getattr(operand, "type", operand))
        if not isinstance(operand, Traced)
        else Type.of(operand)
        for i, operand in enumerate(operands)
        if i not in numbers
    ]
    program, captures = record(filled, types, hold="protect")
    if captures:
        raise ForeignValueError()
    return program


class Call:
    """A function of leaves, as the parameter of an equation. Calls of equal ``key`` are equal."""

    name = "function"

    latest: Outcome | None = None
    """What was expected of the last result."""

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.known: dict[Hashable, Outcome] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Call) and (self is other or self.key == other.key)

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return self.name

    # -- results ---------------------------------------------------------------------------------

    def run(self, *leaves: Array) -> tuple[Sequence[Array], tree.Spec]:
        """The function itself: the leaves of its result, and their structure."""
        raise NotImplementedError

    def found(self, operands: Sequence[Operand]) -> Outcome:
        """What the function returns for operands of these types."""
        raise NotImplementedError

    def expected(self, operands: Sequence[Operand | Array]) -> Outcome | None:
        """What it must return, if that is known already."""
        return self.known.get(tuple(map(operand_key, operands)))

    def outcome(self, operands: Sequence[Operand | Array]) -> Outcome:
        """What the function returns; found out if it is not known."""
        known = self.expected(operands)
        if known is None:
            types = [o if hasattr(o, "type") else Type.of(o) for o in operands]
            known = self.note(operands, self.found(types))
        return known

    def note(self, operands: Sequence[Operand | Array], outcome: Outcome) -> Outcome:
        """Remember what the function returns for operands of these types."""
        return self.known.setdefault(tuple(map(operand_key, operands)), outcome)

    def evaluate(self, *leaves: Array) -> tuple[Array, ...]:
        """The leaves of the result, of the types that they are known to have."""
        found, spec = self.run(*leaves)
        return self.fitted(leaves, found, spec)

    def fitted(
        self, leaves: Sequence[Array], found: Sequence[Array], spec: tree.Spec
    ) -> tuple[Array, ...]:
        """Leaves of a result, held against what is known of it, which they make known if not."""
        known = self.expected(leaves)
        if known is None:
            known = self.note(leaves, Outcome(spec, tuple(map(Type.of, found)), "an earlier call"))
        self.latest = known
        return fitted(known, spec, found, self.name)

    # -- derivatives -----------------------------------------------------------------------------

    def check_active(self, active: Sequence[Any]) -> None:
        """Raise if a derivative is needed that no rule gives."""

    def forward(self, *leaves: Array) -> tuple[tuple[Array, ...], Any] | None:
        """The result with the residuals of a reverse rule, in a tuple; None without such a rule."""
        return None

    def tangents(self, primals: Sequence[Array], tangents: Terms, residuals: Any = None) -> Terms:
        """The result's tangents, from the operands' (None is zero)."""
        raise NotImplementedError

    def cotangents(
        self, primals: Sequence[Array], cotangents: Sequence[Array], moving: Flags, residuals: Any
    ) -> Terms:
        """The operands' cotangents, of those that are ``moving``, from all of the result's."""
        raise NotImplementedError


# -- the primitive ---------------------------------------------------------------------------------


class _Custom(Nonlinear):
    joint = True
    opaque = True

    def types(self, operands: Sequence[Operand], params: Params) -> tuple[Type, ...]:
        return params["call"].outcome(operands).types

    def formula(self, operands: Sequence[str], params: Params) -> str:
        return f"{params['call']!r}({', '.join(operands)})"

    def batch(self, size: int, operands: list[Array], batched: list[bool], params: Params) -> Any:
        flags = tuple(type(operand) not in NUMBERS for operand in operands)
        lifted = [
            o if b or not f else broadcast.bind(o, shape=(size, *np.shape(o)))
            for o, b, f in zip(operands, batched, flags, strict=True)
        ]
        return self.bind(*lifted, call=Batched(params["call"], size, flags))

    def _values(self, operands: Sequence[Array], params: Params) -> tuple[Any, Any]:
        """The results, and the residuals of the reverse rule where the operands have values."""
        call = params["call"]
        if not traced_in(operands):
            found = call.forward(*operands)
            if found is not None:
                return found[0], (found[1],)
            return call.evaluate(*operands), None
        return self.bind(*operands, **params), None

    def taped(
        self, operands: Sequence[Array], active: Sequence[Any], params: Params
    ) -> tuple[Sequence[Array], Any]:
        params["call"].check_active(active)
        ans, residuals = self._values(operands, params)
        return ans, (tuple(operands), ans, residuals)

    def pushed(
        self, operands: Sequence[Array], tangents: Terms, params: Params
    ) -> tuple[Sequence[Array], Terms]:
        params["call"].check_active(tangents)
        ans, residuals = self._values(operands, params)
        return ans, self.push(tangents, (tuple(operands), ans, residuals), params)

    def push(self, tangents: Terms, saved: Any, params: Params) -> Any:
        operands, ans, residuals = saved
        moved = params["call"].tangents(operands, tangents, residuals)
        return tuple(zero(a) if m is None else m for a, m in zip(ans, moved, strict=True))

    def pull(
        self, cotangents: Terms, saved: Any, active: Sequence[Any], params: Params
    ) -> list[Array | None]:
        operands, ans, residuals = saved
        full = [zero(a) if ct is None else ct for a, ct in zip(ans, cotangents, strict=True)]
        moving = tuple([place is not None for place in active])
        return list(params["call"].cotangents(operands, full, moving, residuals))


def _evaluate(*leaves: Array, call: Call) -> tuple[Array, ...]:
    return call.evaluate(*leaves)


def _by_method(*operands: Any, **params: Any) -> Any:
    raise NotImplementedError


custom = _Custom(
    "custom",
    _evaluate,
    types=_by_method,
    jvps=(),
    batch=_by_method,
    multiple=True,
    doc="A function with rules of the user's own; what it computes is not looked into.",
)


# -- rules -----------------------------------------------------------------------------------------


class RuleCall(Call):
    """A rule, or a derivative of one, as a function of leaves whose results' types are known."""

    def __init__(
        self,
        key: Hashable,
        name: str,
        rule: Callable[..., Terms],
        types: Sequence[Type],
        memory: dict[Hashable, Any],
    ) -> None:
        super().__init__(key)
        self.name = name
        self.rule = rule
        self.types = tuple(types)
        self.memory = memory

    def run(self, *leaves: Array) -> tuple[Sequence[Array], tree.Spec]:
        terms = self.rule(*leaves)
        found = [t.zeros() if m is None else m for m, t in zip(terms, self.types, strict=True)]
        return found, None

    def found(self, operands: Sequence[Operand]) -> Outcome:
        return Outcome(None, self.types, "the rule's use")

    def expected(self, operands: Sequence[Operand | Array]) -> Outcome | None:
        return self.found(())

    def fits(self, leaves: Sequence[Array]) -> bool:
        """Whether the rule can be traced from the types of its operands alone."""
        key = "traced", self.key, tuple(map(operand_key, leaves))
        known = self.memory.get(key)
        if known is None:
            try:
                traced(lambda *given: self.run(*given)[0], leaves)
            except UnfitError:
                known = False
            except (UnknownDerivativeError, ForeignValueError):
                raise
            except Exception:
                known = False
            else:
                known = True
            self.memory[key] = known
        return known

    # -- the derivative of a rule, by tracing it ---------------------------------------------------

    def tangents(self, primals: Sequence[Array], tangents: Terms, residuals: Any = None) -> Terms:
        count = len(primals)
        places = [i for i, tangent in enumerate(tangents) if tangent is not None]

        def pushed(*both: Array) -> Terms:
            dual = Dual()
            inputs = list(both[:count])
            for i, tangent in zip(places, both[count:], strict=True):
                inputs[i] = dual.input(both[i], tangent)
            try:
                with _differentiable(self.name, inputs):
                    found = self.run(*inputs)[0]
                    dual.check_caught()
                return [dual.tangent(value) for value in found]
            finally:
                dual.close()

        key = "jvp", self.key, tuple(places)
        call = RuleCall(key, self.name, pushed, self.types, self.memory)
        return applied(call, (*primals, *(tangents[i] for i in places)))

    def cotangents(
        self, primals: Sequence[Array], cotangents: Sequence[Array], moving: Flags, residuals: Any
    ) -> Terms:
        count = len(primals)
        places = [i for i, moves in enumerate(moving) if moves]

        def pulled(*both: Array) -> Terms:
            tape = Tape()
            inputs = list(both[:count])
            for i in places:
                inputs[i] = tape.input(both[i])
            try:
                with _differentiable(self.name, inputs):
                    found = self.run(*inputs)[0]
                    tape.check_caught()
            finally:
                tape.close()
            pairs = [(tape.place(f), ct) for f, ct in zip(found, both[count:], strict=True)]
            return tape.pull(pairs, len(places), keep=False)

        key = "vjp", self.key, tuple(places)
        types = [Type.of(primals[i]) for i in places]
        call = RuleCall(key, self.name, pulled, types, self.memory)
        terms: list[Array | None] = [None] * count
        for i, term in zip(places, applied(call, (*primals, *cotangents)), strict=True):
            terms[i] = term
        return terms


def applied(call: RuleCall, leaves: Sequence[Any]) -> Terms:
    """What a rule gives: by running it where that can be done, as an equation where it cannot."""
    if not traced_in(leaves):
        return call.rule(*leaves)
    if not any(map(recorded, leaves)):
        with _differentiable(call.name, leaves):
            return call.rule(*leaves)
    if call.fits(leaves):
        return call.rule(*leaves)
    return custom.bind(*leaves, call=call)


@contextmanager
def _differentiable(name: str, leaves: Sequence[Any]) -> Generator[None]:
    """Say of an error in a rule that is itself differentiated that this is where it comes from."""
    try:
        yield
    except (TypeError, ValueError, UnsupportedError) as raised:
        error = refusal_of(raised) or raised
        if not isinstance(error, (TracedArrayError, UnsupportedError, AbstractValueError)):
            raise
        if not any(isinstance(leaf, Traced) for leaf in leaves):
            raise
        what = str(error).splitlines()[0]
        raise UnknownDerivativeError(
            f"the rule of {name} is to be differentiated, for a derivative of higher order, and it "
            f"cannot be: {what}",
            remedy="NumPy functions in the rule, and for what it calls otherwise a function under "
            "wg.custom_jvp or wg.custom_vjp, whose own rule is used then",
        ) from error


# -- batches ---------------------------------------------------------------------------------------


class Batched(Call):
    """A call for a batch in front of every leaf that is flagged."""

    def __init__(self, call: Call, size: int, flags: Flags) -> None:
        super().__init__(("batched", call, size, flags))
        self.call = call
        self.size = size
        self.flags = flags
        self.name = call.name

    def _slice(self, operands: Sequence[Operand]) -> list[Operand]:
        types = map(operand_type, operands)
        return [
            Type(type.shape[1:], type.dtype) if flag else operand
            for operand, type, flag in zip(operands, types, self.flags, strict=True)
        ]

    def found(self, operands: Sequence[Operand]) -> Outcome:
        spec, types, source = self.call.outcome(self._slice(operands))
        return Outcome(spec, tuple(Type((self.size, *t.shape), t.dtype) for t in types), source)

    def check_active(self, active: Sequence[Any]) -> None:
        self.call.check_active(active)

    def run(self, *leaves: Array) -> tuple[Sequence[Array], tree.Spec]:
        by_rule = getattr(self.call, "run_batch", None)
        found = None if by_rule is None else by_rule(leaves)
        if found is not None:
            return found
        parts = self._slice(list(map(Type.of, leaves)))
        given = [p if f else x for p, x, f in zip(parts, leaves, self.flags, strict=True)]
        outcome = self.call.outcome(given)
        try:
            return self._vmapped(leaves), outcome.spec
        except Exception:
            return self._loop(leaves, outcome), outcome.spec

    def _vmapped(self, leaves: Sequence[Array]) -> list[Array]:
        axes = tuple(0 if flag else None for flag in self.flags)
        return vmap(lambda *parts: self.call.run(*parts)[0], in_axes=axes)(*leaves)

    def _loop(self, leaves: Sequence[Array], outcome: Outcome) -> list[Array]:
        rows = [
            self.call.evaluate(*(x[i] if f else x for x, f in zip(leaves, self.flags, strict=True)))
            for i in range(self.size)
        ]
        return [
            np.stack([row[place] for row in rows])
            if rows
            else np.zeros((0, *type.shape), type.dtype)
            for place, type in enumerate(outcome.types)
        ]

    def tangents(self, primals: Sequence[Array], tangents: Terms, residuals: Any = None) -> Terms:
        moving = tuple(tangent is not None for tangent in tangents)

        def one(values: Sequence[Array], dots: Sequence[Array]) -> Terms:
            rest = iter(dots)
            full = [next(rest) if moves else None for moves in moving]
            outputs = self.call.outcome(values).types
            moved = self.call.tangents(values, full)
            return [zero(t) if m is None else m for t, m in zip(outputs, moved, strict=True)]

        axes = tuple(0 if flag else None for flag in self.flags)
        dots = tuple(tangent for tangent in tangents if tangent is not None)
        return vmap(one, in_axes=(axes, 0))(tuple(primals), dots)

    def cotangents(
        self, primals: Sequence[Array], cotangents: Sequence[Array], moving: Flags, residuals: Any
    ) -> Terms:
        def one(values: Sequence[Array], bars: Sequence[Array]) -> list[Array]:
            found = self.call.cotangents(values, bars, moving, None)
            return [
                zero(value) if term is None else term
                for value, term, moves in zip(values, found, moving, strict=True)
                if moves
            ]

        axes = tuple(0 if flag else None for flag in self.flags)
        found = iter(vmap(one, in_axes=(axes, 0))(tuple(primals), tuple(cotangents)))
        return [next(found) if moves else None for moves in moving]
