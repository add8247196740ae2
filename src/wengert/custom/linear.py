"""One mode by the rule of the other: the transpose of a linear rule.

A rule that can be traced is traced on a tangent of which only the type is known, and pulled
through. One that cannot (it calls what is not NumPy, or itself, on the tangent) is applied to the
standard basis: its transpose is the transpose of the matrix that comes out, whose cost is a call of
the rule for each element of its argument.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, TypeAlias

import numpy as np

from ..errors import UnknownDerivativeError
from ..kinds import mul0
from ..primitive import Traced
from ..program import Array, Literal, Type
from ..recorder import Recorder
from ..trace import concrete
from ..transforms.tape import (
    NotLinearError,
    Tape,
    check_linear,
    transpose_at_zero,
    transpose_linear,
)
from .call import Terms, UnfitError, recorded, traced_in
from .results import samples

__all__ = ["Transposing", "check_rule"]

_active: ContextVar[tuple[int, ...]] = ContextVar("wengert_transposing", default=())
"""The functions whose rules are being transposed: one that comes again would never end."""

LOOSE = 1e-2
"""A relative difference that no linear rule has, however roughly it is computed."""


def not_linear(name: str, of: str, why: str) -> UnknownDerivativeError:
    """The error for a rule of the function ``name`` that is not linear."""
    return UnknownDerivativeError(
        f"the rule of {name} is not linear in the {of}: {why}",
        remedy=f"a rule that multiplies the {of} with what depends on the other arguments only, as "
        "a derivative does",
    )


class Transposing:
    """The transpose of a rule: ``rule(*tangents)``, linear in arguments of the ``types``.

    ``memory`` remembers which rules of a ``kind`` ask for the value of a tangent, and under what
    ``key`` gives, which rules cannot be traced, and why.
    """

    def __init__(
        self,
        rule: Callable[..., Terms],
        types: Sequence[Type],
        *,
        name: str,
        of: str,
        kind: Hashable,
        key: Callable[[], Hashable],
        memory: dict[Hashable, Any],
        function: Any,
    ) -> None:
        self.rule = rule
        self.types = types
        self.name = name
        self.of = of
        self.kind = kind
        self.key = key
        self.memory = memory
        self.function = function

    def pull(self, given: Sequence[Array], values: Sequence[Array]) -> Terms:
        """The cotangents of the arguments from those of the results.

        ``values`` are what the rule uses besides: while they are recorded only tracing is possible,
        and ``UnfitError`` is raised where that is not.
        """
        asks = "asks", self.kind
        if asks not in self.memory and not traced_in(values):
            found = transpose_at_zero(self.rule, self.types, given, "protect")
            if found is not None:
                return found
            self.memory[asks] = True
        unfit = "unfit", self.key()
        reason = self.memory.get(unfit)
        if reason is None:
            try:
                return self._traced(given)
            except NotLinearError as error:
                if error.certain:
                    raise not_linear(self.name, self.of, _applied(error)) from error
                reason = _applied(error)
            except Exception as error:
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
            self.memory[unfit] = reason
        if any(map(recorded, (*given, *values))):
            raise UnfitError(f"the rule of {self.name} cannot be traced: {reason}")
        return self._by_basis(given, reason)

    def _traced(self, given: Sequence[Array]) -> Terms:
        if id(self.function) in _active.get():
            raise UnfitError(f"the rule calls {self.name} on the {self.of}")
        token = _active.set((*_active.get(), id(self.function)))
        try:
            return transpose_linear(self.rule, self.types, given, "protect")
        finally:
            _active.reset(token)

    # -- by the standard basis -------------------------------------------------------------------

    def _by_basis(self, given: Sequence[Array], reason: str) -> Terms:
        known = not any(isinstance(ct, Traced) for ct in given)
        terms: list[Array] = []
        total: list[Any] = []
        probe = [_probe(type) for type in self.types]
        for place, type in enumerate(self.types):
            found: list[Array] = []
            weights = np.ravel(probe[place])
            for unit, part in _basis(type):
                tangents = [other.zeros() for other in self.types]
                tangents[place] = np.reshape(unit * part, type.shape)[()]
                columns = self.rule(*tangents)
                found.append(_paired(given, columns))
                weight = weights[int(np.argmax(unit))]
                scale = weight.real if part == 1 else weight.imag
                known = known and not any(isinstance(c, Traced) for c in columns)
                if known:
                    total = _accumulated(total, columns, scale)
            terms.append(_assembled(found, type))
        if known and total:
            self._check(probe, total, reason)
        return terms

    def _check(self, probe: list[Array], total: list[Any], reason: str) -> None:
        """Raise unless the rule gives for one more tangent what its linear part gives."""
        for found, entry in zip(self.rule(*probe), total, strict=True):
            if entry is None:
                continue
            expected, size = entry
            scale = float(np.max(size, initial=0.0))
            error = 0.0 if found is None else float(np.max(np.abs(found - expected), initial=0.0))
            if np.isfinite(scale) and not error <= LOOSE * scale:
                raise not_linear(
                    self.name, self.of, f"a sum of two gives another result than both do ({reason})"
                )


def _probe(type: Type) -> Array:
    """A tangent with elements of both signs, and of several sizes."""
    steps = np.arange(1, type.size + 1)
    values = np.where(steps % 2, -1.0, 1.0) * (0.5 + 5 * np.modf(steps * 0.6180339887498949)[0])
    if type.dtype.kind == "c":
        values = values * (1 - 0.7j)
    return values.astype(type.dtype).reshape(type.shape)[()]


def _basis(type: Type) -> Iterator[tuple[Array, Any]]:
    """The standard basis, of the imaginary parts too."""
    one = type.dtype.type(1)
    for place in range(type.size):
        unit = np.zeros(type.size, type.dtype)
        unit[place] = 1
        yield unit, one
        if type.dtype.kind == "c":
            yield unit, type.dtype.type(1j)


def _paired(given: Sequence[Array], columns: Terms) -> Array:
    """Re(cotangent * tangent), summed over all results."""
    total: Any = 0.0
    for cotangent, column in zip(given, columns, strict=True):
        if column is not None:
            product = mul0.bind(cotangent, column)
            total = total + np.sum(np.real(product) if product.dtype.kind == "c" else product)
    return total


def _accumulated(total: list[Any], columns: Terms, scale: Any) -> list[Any]:
    """The sums of ``scale * column`` and of their absolute values."""
    sums: list[Any] = []
    for before, column in zip(total or [None] * len(columns), columns, strict=True):
        if column is None:
            sums.append(before)
            continue
        term, size = scale * column, abs(scale) * np.abs(column)
        sums.append((term, size) if before is None else (before[0] + term, before[1] + size))
    return sums


def _assembled(found: list[Array], type: Type) -> Array:
    """The cotangent whose pairings with the standard basis are given."""
    if not found:
        return type.zeros()
    values = np.stack(found) if any(isinstance(f, Traced) for f in found) else np.array(found)
    if type.dtype.kind == "c":
        values = values[::2] - 1j * values[1::2]
    values = np.reshape(values, type.shape).astype(type.dtype)
    return values if isinstance(values, Traced) or values.shape else values[()]


# -- whether a rule is linear ----------------------------------------------------------------------


def _applied(error: NotLinearError) -> str:
    return f"the operation {error.operation} is applied to it"


def check_rule(
    rule: Callable[[Sequence[Array], Sequence[Array]], Terms],
    primals: Sequence[Array],
    types: Sequence[Type],
    name: str,
    of: str = "tangent",
) -> None:
    """Raise where a rule shows that it is not linear in its second argument, of these types.

    It is traced, and evaluated at zero and at two multiples of a tangent; with sample values where
    its first argument is recorded. A rule that cannot be traced may ask for the value of its
    tangent: it is evaluated at tangents of one sign, small and large ones and a sum as well. What
    cannot be done with it tells nothing.
    """
    unknown = any(map(recorded, primals))
    outer = Recorder("trust")
    inner, tape = Recorder("trust"), Tape("trust")
    values = [
        outer.input(Type.of(p)) if unknown and isinstance(p, Traced) else concrete(p)
        for p in primals
    ]
    try:
        rule(values, [tape.input(inner.input(type)) for type in types])
        check_linear(tape, inner)
    except NotLinearError as error:
        raise not_linear(name, of, _applied(error)) from error
    except Exception:
        certain = False
    else:
        certain = True
    finally:
        for trace in (tape, inner, outer):
            trace.close()
    if unknown:
        values = next(
            samples([Type.of(p) if isinstance(p, Traced) else Literal(p) for p in primals])
        )
    probe = list(map(_probe, types))
    try:
        with np.errstate(all="ignore"):
            of_zero = rule(values, _times(0, probe))
            if any(np.any(np.abs(term) > 0) for term in of_zero if term is not None):
                why = "zero gives something else than zero"
            elif not _multiplies(rule, values, probe, -2):
                why = "-2 times of it gives something else than -2 times of what it gives"
            elif not certain and not _is_linear(rule, values, probe):
                why = "it asks for the value, and sums or multiples give something else"
            else:
                return
    except Exception:
        return
    raise not_linear(name, of, why)


Rule: TypeAlias = Callable[[Sequence[Array], Sequence[Array]], Terms]


def _multiplies(rule: Rule, values: Sequence[Array], probe: Sequence[Array], factor: float) -> bool:
    """Whether a multiple of a tangent gives that multiple of what it gives."""
    ones, others = rule(values, probe), rule(values, _times(factor, probe))
    return all(_is_multiple(*each, factor) for each in zip(ones, others, strict=True))


def _is_linear(rule: Rule, values: Sequence[Array], probe: Sequence[Array]) -> bool:
    """Whether what the rule gives fits where it could choose by the tangent's value."""
    positive = [np.abs(x).astype(x.dtype) for x in probe]
    units = [np.ones_like(x) for x in probe]
    if not all(_multiplies(rule, values, tangent, -2) for tangent in (positive, units)):
        return False
    if not all(_multiplies(rule, values, probe, factor) for factor in (1e-9, 1e9)):
        return False
    both = [x + 2 * y for x, y in zip(probe, positive, strict=True)]
    parts = zip(rule(values, probe), rule(values, _times(2, positive)), strict=True)
    sums = [x if y is None else y if x is None else x + y for x, y in parts]
    return all(
        _is_multiple(one, other, 1) for one, other in zip(sums, rule(values, both), strict=True)
    )


def _times(factor: float, arrays: Sequence[Array]) -> list[Array]:
    return [(factor * x).astype(x.dtype) for x in arrays]


def _is_multiple(term: Array | None, other: Array | None, factor: float) -> bool:
    """Whether the other term is a multiple of the first one, so far as both are finite."""
    one, two = (0.0 if x is None else np.asarray(concrete(x)) for x in (term, other))
    scale = abs(factor) * float(np.max(np.abs(one), initial=0.0))
    error = float(np.max(np.abs(two - factor * one), initial=0.0))
    return not error > LOOSE * scale or not np.isfinite(error)
