"""Functions of numbers, applied to each element; and ``mul0``, the product in every chain rule."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UnknownDerivativeError
from ..primitive import (
    UFUNCS,
    Example,
    Operand,
    Params,
    Primitive,
    Radicand,
    Rule,
    Traced,
    operand_type,
    promote,
)
from ..program import Array, Type, type_of_shape
from .rules import answer, fit, spread, unboxed

__all__ = ["Elementwise", "elementwise", "mul0", "via"]

_OPERANDS = ("x", "y", "z")


@dataclass(frozen=True, slots=True)
class _Partial:
    """One partial derivative: a constant factor, or a rule with the positions of what it needs."""

    factor: int | None = None
    rule: Rule | None = None
    needs: tuple[int, ...] = ()


def _partial(declared: Any, arity: int, name: str) -> _Partial | None:
    if declared is None:
        return None
    if isinstance(declared, int):
        return _Partial(factor=declared)
    places = {**{_OPERANDS[i]: i for i in range(arity)}, "ans": arity}
    wanted = tuple(inspect.signature(declared).parameters)
    if unknown := [w for w in wanted if w not in places]:
        raise ValueError(f"a partial of {name} asks for {unknown}; there are {tuple(places)}")
    return _Partial(rule=declared, needs=tuple(places[w] for w in wanted))


_PICK: dict[tuple[int, tuple[int, ...]], Callable[..., tuple[Array, ...]]] = {
    (1, ()): lambda x, ans: (),
    (1, (0,)): lambda x, ans: (x,),
    (1, (1,)): lambda x, ans: (ans,),
    (1, (0, 1)): lambda x, ans: (x, ans),
    (2, ()): lambda x, y, ans: (),
    (2, (0,)): lambda x, y, ans: (x,),
    (2, (1,)): lambda x, y, ans: (y,),
    (2, (2,)): lambda x, y, ans: (ans,),
    (2, (0, 1)): lambda x, y, ans: (x, y),
    (2, (0, 2)): lambda x, y, ans: (x, ans),
    (2, (1, 2)): lambda x, y, ans: (y, ans),
    (2, (0, 1, 2)): lambda x, y, ans: (x, y, ans),
}
"""What a partial needs of operands and result, by their number; it is taken at every operation."""

_DOUBLE = np.dtype(np.float64)


def _nested(value: Array) -> bool:
    """Whether a value is a float64 of an enclosing trace, of which nothing has to be asked."""
    return isinstance(value, Traced) and type(value._value) is np.float64


class Elementwise(Primitive):
    """A function of numbers, applied to each element of its broadcast operands."""

    promotes = True

    def __init__(
        self,
        name: str,
        evaluate: Callable[..., Any],
        partials: Sequence[Any] | int,
        *,
        arity: int | None = None,
        ufunc: np.ufunc | None = None,
        dtype: Callable[[Sequence[Operand]], np.dtype[Any]] | None = None,
        radicand: Radicand | Callable[..., Radicand | None] | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(name, evaluate, **facts)
        self.radicand = radicand
        self.ufunc = ufunc if ufunc is not None or not isinstance(evaluate, np.ufunc) else evaluate
        self.flat = isinstance(partials, int) and partials == 0
        if isinstance(partials, int):
            count = arity if arity is not None else self.ufunc.nin if self.ufunc else 1
            partials = [partials] * count
        self.arity = len(partials)
        self.partials = tuple(_partial(p, self.arity, name) for p in partials)
        self.known = None not in self.partials
        pick = [_PICK.get((self.arity, p.needs)) for p in self.partials if p is not None]
        self._pick: Any = pick if len(pick) == self.arity and None not in pick else None
        self.additive = all(p is not None and p.rule is None and p.factor for p in self.partials)
        if dtype is None:
            if self.ufunc is None:
                raise ValueError(f"{name} stands for no ufunc and is declared without a type rule")
            dtype = answer(self.ufunc)
        self.dtype = dtype
        if self.ufunc is not None:
            UFUNCS[self.ufunc] = self

    def types(self, operands: Sequence[Operand], params: Params) -> tuple[Type, ...]:
        if len(operands) != self.arity:
            raise TypeError(f"{self.name} takes {self.arity} operands, not {len(operands)}")
        first, *rest = shapes = [operand_type(o).shape for o in operands]
        shape = first
        for other in rest:
            if shape != other and other:
                shape = other if not shape else np.broadcast_shapes(*shapes)
        return (type_of_shape(shape, self.dtype(operands)),)

    def batch(self, size: int, operands: list[Array], batched: list[bool], params: Params) -> Any:
        ranks = [getattr(o, "ndim", 0) - b for o, b in zip(operands, batched, strict=True)]
        rank = max(ranks)
        aligned = [
            np.reshape(o, (size, *(1,) * (rank - r), *o.shape[1:])) if b and r < rank else o
            for o, b, r in zip(operands, batched, ranks, strict=True)
        ]
        power = self.ufunc is np.power and not rank
        if power and type(aligned[1]) is int and aligned[0].dtype.kind == "b":
            aligned[0] = aligned[0].astype(np.int64)  # as of one truth value; int8 of arrays
        return self.bind(*aligned)

    def save(
        self, operands: Sequence[Array], ans: Any, active: Sequence[Any], params: Params
    ) -> Any:
        """For float64 numbers, operands and result; for arrays, what each operand's partial needs.

        The two are told apart by their length.
        """
        number = type(ans)
        if number is np.float64 and self.known:
            for operand in operands:
                kind = type(operand)
                if kind is not number and kind is not float and kind is not int:
                    break
            else:
                return (*operands, ans)
        pick = self._pick if number is np.ndarray else None
        if pick is not None and self.arity == 1:
            (x,) = operands
            if x.shape == ans.shape and x.dtype is ans.dtype:
                return ((None, pick[0](x, ans)),)
        elif pick is not None and self.arity == 2:
            (x, y), (moves, other) = operands, active
            shape, dtype = ans.shape, ans.dtype
            if (moves is None or (x.dtype is dtype and x.shape == shape)) and (
                other is None or (y.dtype is dtype and y.shape == shape)
            ):
                return (
                    None if moves is None else (None, pick[0](x, y, ans)),
                    None if other is None else (None, pick[1](x, y, ans)),
                )
        saved: list[Any] = []
        nested = number is not np.ndarray and _nested(ans)
        shape, dtype = ((), _DOUBLE) if nested else (ans.shape, ans.dtype)
        known = (*operands, ans)
        for node, partial, operand in zip(active, self.partials, operands, strict=True):
            if node is None:
                saved.append(None)
                continue
            if partial is None:
                raise self._unknown(len(saved))
            kind = None
            if not (nested and _nested(operand)) and (
                operand.shape != shape or (operand.dtype is not dtype and operand.dtype != dtype)
            ):
                kind = (operand.shape, operand.dtype, shape, dtype)
            needs = partial.needs
            if len(needs) == 1:
                saved.append((kind, (known[needs[0]],)))
            else:
                saved.append((kind, tuple([known[i] for i in needs])))
        return tuple(saved)

    def linear_in(self, places: Sequence[int]) -> bool:
        for place in places:
            partial = self.partials[place]
            if partial is None or self.arity in partial.needs:
                return False
            if any(need in places for need in partial.needs):
                return False
        return True

    def _unknown(self, place: int) -> UnknownDerivativeError:
        return UnknownDerivativeError(
            f"the derivative of {self.name} with respect to its operand {_OPERANDS[place]} is not "
            "known",
            remedy="wg.stop_gradient(...) around that operand if it is meant to be constant, or "
            "wg.custom_jvp with a rule of your own (docs/custom.md)",
        )

    def push(self, tangents: Sequence[Array | None], saved: Any, params: Params) -> Any:
        total = None
        wide = None
        for place, tangent in enumerate(tangents):
            if tangent is None:
                continue
            partial = self.partials[place]
            assert partial is not None
            if len(saved) > self.arity:
                needs = [saved[i] for i in partial.needs]
            else:
                kind, needs = saved[place]
                wide = wide if kind is None else kind
            if partial.rule is not None:
                term = mul0.bind(tangent, partial.rule(*needs))
            elif partial.factor == 1:
                term = tangent
            elif partial.factor:
                term = tangent * partial.factor
            else:
                continue
            total = term if total is None else total + term
        return total if wide is None else spread(total, wide[2], wide[3])

    def pull(
        self,
        cotangent: Array,
        saved: Any,
        places: Sequence[int | None],
        add: Callable[[int, Array], None],
    ) -> None:
        """Add to the operands at ``places`` their cotangents, from the result's."""
        numbers = len(saved) > self.arity
        traced = isinstance(cotangent, Traced)
        for place, partial, kept in zip(places, self.partials, saved, strict=False):
            if place is None:
                continue
            assert partial is not None
            kind = None
            if numbers:
                needs = [saved[i] for i in partial.needs]
            else:
                kind, needs = kept
            if partial.rule is None:
                if not partial.factor:
                    continue
                term = cotangent if partial.factor == 1 else cotangent * partial.factor
            else:
                slope = partial.rule(*needs)
                if traced or isinstance(slope, Traced):
                    term = mul0.bind(cotangent, slope)
                elif not numbers and _fresh(slope, needs, cotangent) and _harmless(cotangent):
                    term = np.multiply(cotangent, slope, out=slope)
                else:
                    term = _multiply_zero_absorbs(cotangent, slope)
            add(place, term if kind is None else fit(term, kind[0], kind[1]))


def elementwise(
    name: str, evaluate: Callable[..., Any], partials: Sequence[Any] | int, **facts: Any
) -> Elementwise:
    """Declare an elementwise primitive.

    ``partials`` has an entry for each operand: a function of what it names among ``x``, ``y``,
    ``z`` and ``ans``; an integer for a constant; or None where the derivative is not known. It
    must keep the dtype: Python numbers are weak, NumPy scalars are not.
    ``radicand`` says of a root what it is the root of.
    ``partials=0`` declares a function whose derivative is zero wherever it exists.
    ``domain`` is where the registry's test samples; ``text`` how the equation prints; ``ufunc`` the
    ufunc that it stands for, if ``evaluate`` is a shorter way to it; ``dtype`` the type rule where
    there is no ufunc.

    Example:
        sinh = elementwise("sinh", np.sinh, [lambda x: np.cosh(x)])
    """
    return Elementwise(name, evaluate, partials, **facts)


# -- the product that every chain rule uses --------------------------------------------------------


LARGE = 1 << 12
"""Up to this many elements looking for a NaN costs no more than looking for a reason not to."""


def _harmless(factor: Array) -> bool:
    """Whether a factor is one finite number other than zero, alone or broadcast."""
    if isinstance(factor, np.ndarray):
        if any(factor.strides) or not factor.size:
            return False
        factor = factor[(0,) * factor.ndim]
    return bool(factor != 0 and np.isfinite(factor))


def _any_nan(c: Array) -> bool:
    """Whether there is a NaN, or may be one: one pass, by BLAS where it can be.

    A sum of squares has no infinities that could cancel.
    """
    if c.flags.c_contiguous and c.dtype.char in "fd":
        flat = c if c.ndim == 1 else c.ravel()
        total = np.dot(flat, flat)
    else:
        total = np.add.reduce(c, axis=None)
    return bool(total != total)


def _fresh(slope: Array, needs: Sequence[Array], cotangent: Array) -> bool:
    """Whether a slope is a large array that its rule has just made, and can hold the product."""
    return (
        type(slope) is np.ndarray
        and slope.size > LARGE
        and slope.base is None
        and slope.shape == cotangent.shape
        and slope.dtype == cotangent.dtype
        and not any(slope is need for need in needs)
    )


def _multiply_zero_absorbs(a: Array, b: Array) -> Array:
    c = a * b
    kind = type(c)
    if kind is np.float64:
        return c if c == c or (a != 0 and b != 0) else np.float64(0.0)
    if kind is np.ndarray and c.ndim == 1 and c.dtype is _DOUBLE and c.size <= LARGE:
        total = c.dot(c)
        if total == total:
            return c
    if kind is complex:
        c = np.complex128(c)
    if c.size > LARGE and (_harmless(a) or _harmless(b)):
        return c
    if _any_nan(c):
        c = np.where((a == 0) | (b == 0), np.zeros((), c.dtype), c)
        return unboxed(c)
    return c


mul0 = elementwise(
    "mul0",
    _multiply_zero_absorbs,
    [lambda y: y, lambda x: x],
    dtype=promote,
    text="{0} *0 {1}",
    doc="x * y, where zero times anything, infinity and NaN too, is zero. "
    "A zero cotangent (or partial) is structural: what it multiplies was not on the path taken.",
)


def _via(x: Array, y: Array) -> Array:
    shape = np.shape(y)
    return x if shape == np.shape(x) else unboxed(x + np.zeros(shape, np.asarray(x).dtype))


via = elementwise(
    "via",
    _via,
    [0, 1],
    dtype=lambda operands: operand_type(operands[0]).dtype,
    examples=[Example(((3,), (3,))), Example(((), ()))],
    text="{0} via {1}",
    lower=lambda x, y: x,
    doc="x, to which y is equal, with the derivative of y: where y is smooth at points at which "
    "what x is computed from is not.",
)
