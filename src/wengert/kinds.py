"""The three kinds of primitives. They differ in how their derivative is given:

``Elementwise``  one partial derivative for each operand; a partial names what it needs:
                 ``x``, ``y``, ``z`` are the operands, ``ans`` is the result.
``Linear``       linear in some operands; for each of those a transpose.
``Nonlinear``    everything else; for each operand the tangent that it contributes.

Whatever the kind, an equation is *linearised* in the same three steps: ``save`` keeps what its
derivative needs (the residuals), ``push`` carries tangents forward through it, and the transpose
carries cotangents back. Rules are written in NumPy: on arrays they compute, on traced values
they are recorded, so a derivative can be differentiated again.

``elementwise``, ``linear`` and ``nonlinear`` declare primitives; ``primitives/`` holds them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import UnknownDerivativeError
from .primitive import (
    UFUNCS,
    Operand,
    Params,
    Primitive,
    Rule,
    Traced,
    operand_type,
    promote,
    promotion,
)
from .program import Array, Type

__all__ = [
    "Elementwise",
    "Linear",
    "Nonlinear",
    "add_tangents",
    "elementwise",
    "fit",
    "linear",
    "mul0",
    "nonlinear",
    "spread",
    "unboxed",
]

# -- helpers of the rules --------------------------------------------------------------------------


def unboxed(array: Array) -> Array:
    """A NumPy scalar for an array without axes; any other as it is (``x[()]`` would be a view)."""
    return array if array.ndim else array[()]


def fit(cotangent: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Undo broadcasting and promotion: sum over repeated axes, cast, drop an imaginary part."""
    if cotangent.shape != shape:
        extra = cotangent.ndim - len(shape)
        axes = tuple(range(extra)) + tuple(
            extra + i for i, n in enumerate(shape) if n == 1 and cotangent.shape[extra + i] != 1
        )
        cotangent = np.sum(cotangent, axis=axes)
        if cotangent.shape != shape:
            cotangent = np.reshape(cotangent, shape)
    if cotangent.dtype != dtype:
        if cotangent.dtype.kind == "c" and dtype.kind != "c":
            cotangent = np.real(cotangent)
        cotangent = cotangent.astype(dtype)
    return cotangent


def spread(tangent: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """The transpose of ``fit``: broadcast and promote a tangent to the type of the result."""
    if tangent.dtype != dtype:
        tangent = tangent.astype(dtype)
    return tangent if tangent.shape == shape else np.broadcast_to(tangent, shape)


def add_tangents(total: Array | None, term: Array) -> Array:
    """``total + term``, where None is zero."""
    return term if total is None else total + term


# -- elementwise -----------------------------------------------------------------------------------

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


class Elementwise(Primitive):
    """A function of numbers, applied to each element of its broadcast operands."""

    def __init__(
        self,
        name: str,
        evaluate: Callable[..., Any],
        partials: Sequence[Any] | int,
        *,
        arity: int | None = None,
        ufunc: np.ufunc | None = None,
        dtype: Callable[[Sequence[Operand]], np.dtype[Any]] | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(name, evaluate, **facts)
        self.ufunc = ufunc if ufunc is not None or not isinstance(evaluate, np.ufunc) else evaluate
        self.flat = isinstance(partials, int) and partials == 0
        if isinstance(partials, int):
            count = arity if arity is not None else self.ufunc.nin if self.ufunc else 1
            partials = [partials] * count
        self.arity = len(partials)
        self.partials = tuple(_partial(p, self.arity, name) for p in partials)
        self.dtype = dtype
        if self.ufunc is not None:
            UFUNCS[self.ufunc] = self

    def types(self, operands: Sequence[Operand], params: Params) -> tuple[Type, ...]:
        if len(operands) != self.arity:
            raise TypeError(f"{self.name} takes {self.arity} operands, not {len(operands)}")
        shape = np.broadcast_shapes(*(operand_type(o).shape for o in operands))
        if self.dtype is not None:
            dtype = self.dtype(operands)
        else:
            assert self.ufunc is not None
            dtype = self.ufunc.resolve_dtypes((*map(promotion, operands), None))[-1]
        return (Type(shape, dtype),)

    def batch(self, size: int, operands: list[Array], batched: list[bool], params: Params) -> Any:
        ranks = [getattr(o, "ndim", 0) - b for o, b in zip(operands, batched, strict=True)]
        rank = max(ranks)
        aligned = [
            np.reshape(o, (size, *(1,) * (rank - r), *o.shape[1:])) if b and r < rank else o
            for o, b, r in zip(operands, batched, ranks, strict=True)
        ]
        return self.bind(*aligned)

    def save(
        self, operands: Sequence[Array], ans: Any, active: Sequence[Any], params: Params
    ) -> Any:
        """For numbers, the operands and the result; for arrays, what each operand's partial needs.

        The two are told apart by their length.
        """
        partials = self.partials
        if type(ans) is np.float64:
            for place, node in enumerate(active):
                if node is not None and partials[place] is None:
                    raise self._unknown(place)
            return (*operands, ans)
        saved: list[Any] = []
        shape, dtype = ans.shape, ans.dtype
        for place, node in enumerate(active):
            if node is None:
                saved.append(None)
                continue
            partial = partials[place]
            if partial is None:
                raise self._unknown(place)
            operand = operands[place]
            kind = None
            if operand.shape != shape or (operand.dtype is not dtype and operand.dtype != dtype):
                kind = (operand.shape, operand.dtype, shape, dtype)
            needs = tuple([ans if i == self.arity else operands[i] for i in partial.needs])
            saved.append((kind, needs))
        return tuple(saved)

    def _unknown(self, place: int) -> UnknownDerivativeError:
        return UnknownDerivativeError(
            f"the derivative of {self.name} with respect to its operand {_OPERANDS[place]} is not "
            "known",
            remedy="wg.stop_gradient(...) around that operand if it is meant to be constant, or "
            "wg.custom_jvp with a rule of your own",
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
            else:
                term = tangent if partial.factor == 1 else tangent * partial.factor
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
        for i, place in enumerate(places):
            if place is None:
                continue
            partial = self.partials[i]
            assert partial is not None
            kind = None
            if numbers:
                needs = [saved[j] for j in partial.needs]
            else:
                kind, needs = saved[i]
            if partial.rule is None:
                term = cotangent if partial.factor == 1 else cotangent * partial.factor
            else:
                slope = partial.rule(*needs)
                if isinstance(slope, Traced) or isinstance(cotangent, Traced):
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
    ``partials=0`` declares a function whose derivative is zero wherever it exists.
    ``domain`` is where the registry's test samples; ``text`` how the equation prints; ``ufunc`` the
    ufunc that it stands for, if ``evaluate`` is a shorter way to it; ``dtype`` the type rule where
    there is no ufunc.

    Example:
        sinh = elementwise("sinh", np.sinh, [lambda x: np.cosh(x)])
    """
    return Elementwise(name, evaluate, partials, **facts)


# -- linear ----------------------------------------------------------------------------------------


_NUMBERS = frozenset({int, float, complex})
"""Python's numbers, which are weak: a zero in their place must be weak too."""


class Linear(Primitive):
    """Linear in some operands: jointly (add, concatenate), or in each by itself (matmul).

    ``groups[i]`` is None for an operand in which it is not linear (an index, a mask); operands of
    one number are jointly linear. ``transposes[i](cotangent, *operands, **params)`` gives the
    cotangent of operand i; where an operand's value is not needed its Type stands in its place.
    """

    def __init__(
        self,
        name: str,
        evaluate: Callable[..., Any],
        types: Callable[..., Type],
        transposes: Sequence[Rule | None] | Rule,
        *,
        groups: Sequence[int | None] | None = None,
        batch: Rule,
        view: Rule | None = None,
        accumulate: Rule | None = None,
        ufunc: np.ufunc | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(name, evaluate, **facts)
        if ufunc is not None:
            UFUNCS[ufunc] = self
        self.type_rule = types
        self.batch_rule = batch
        self.view = view
        self.accumulate = accumulate
        if callable(transposes):
            self.variadic: Rule | None = transposes
            self.transposes: tuple[Rule | None, ...] = ()
            self.groups: tuple[int | None, ...] = ()
        else:
            self.variadic = None
            self.transposes = tuple(transposes)
            given = groups if groups is not None else [None if t is None else 0 for t in transposes]
            self.groups = tuple(given)

    def types(self, operands: Sequence[Operand], params: Params) -> tuple[Type, ...]:
        return (self.type_rule(*operands, **params),)

    def batch(self, size: int, operands: list[Array], batched: list[bool], params: Params) -> Any:
        return self.batch_rule(size, operands, batched, **params)

    def _group(self, place: int) -> int | None:
        """Operands past the last declared one are like the last (index arrays of a gather)."""
        if self.variadic is not None:
            return 0
        return self.groups[min(place, len(self.groups) - 1)]

    def save(
        self, operands: Sequence[Array], ans: Any, active: Sequence[Any], params: Params
    ) -> Any:
        if len(operands) == 1:
            return [Type.of(operands[0])]
        moving = {self._group(i) for i, node in enumerate(active) if node is not None}
        saved: list[Any] = []
        for place, operand in enumerate(operands):
            group = self._group(place)
            if group is None:
                if active[place] is not None:
                    raise UnknownDerivativeError(
                        f"the derivative of {self.name} with respect to its operand number "
                        f"{place} is not known"
                    )
                saved.append(operand)
            elif moving == {group} and type(operand) not in _NUMBERS:
                saved.append(Type.of(operand))
            else:
                saved.append(operand)
        return saved

    def push(self, tangents: Sequence[Array | None], saved: Any, params: Params) -> Any:
        if len(saved) == 1:
            return self.bind(tangents[0], **params)
        total = None
        groups = {self._group(i) for i, tangent in enumerate(tangents) if tangent is not None}
        for group in groups:
            args: list[Array] = []
            for place, (operand, tangent) in enumerate(zip(saved, tangents, strict=True)):
                if self._group(place) != group:
                    args.append(operand)
                elif tangent is None:
                    number = type(operand) in _NUMBERS
                    args.append(0 if number else Type.of(operand).zeros())
                else:
                    args.append(tangent)
            total = add_tangents(total, self.bind(*args, **params))
        return total

    def pull(
        self, cotangent: Array, saved: Any, active: Sequence[Any], params: Params
    ) -> list[Array | None]:
        """The operands' cotangents from the result's."""
        if len(saved) == 1 and self.variadic is None:
            (rule,) = self.transposes[:1]
            return [None if rule is None else rule(cotangent, saved[0], **params)]
        if self.variadic is not None:
            terms = self.variadic(cotangent, *saved, **params)
            return [t if a is not None else None for t, a in zip(terms, active, strict=True)]
        found: list[Array | None] = []
        for place, node in enumerate(active):
            rule = self.transposes[place] if place < len(self.transposes) else None
            if node is None or rule is None:
                found.append(None)
            else:
                found.append(rule(cotangent, *saved, **params))
        return found


def linear(name: str, evaluate: Callable[..., Any], **facts: Any) -> Linear:
    """Declare a primitive that is linear in some of its operands; see ``Linear``."""
    return Linear(name, evaluate, **facts)


# -- nonlinear -------------------------------------------------------------------------------------


class Nonlinear(Primitive):
    """Neither elementwise nor linear (det, cholesky, a maximum along an axis, ...).

    ``jvps[i](x_dot, ans, *operands, **params)`` is the tangent that operand i contributes, and
    must be linear in ``x_dot``. Reverse mode transposes it. Where that is slow and the transpose
    is short, ``transposes[i](cotangent, ans, *operands, **params)`` may spell it out; the
    registry's test holds the two together.
    """

    def __init__(
        self,
        name: str,
        evaluate: Callable[..., Any],
        types: Callable[..., Any],
        jvps: Sequence[Rule | None] | int,
        *,
        batch: Rule,
        transposes: Sequence[Rule] | None = None,
        multiple: bool = False,
        **facts: Any,
    ) -> None:
        super().__init__(name, evaluate, **facts)
        self.type_rule = types
        self.batch_rule = batch
        self.flat = isinstance(jvps, int)
        self.jvps = () if isinstance(jvps, int) else tuple(jvps)
        self.transposes = transposes
        self.multiple = multiple

    def types(self, operands: Sequence[Operand], params: Params) -> tuple[Type, ...]:
        found = self.type_rule(*operands, **params)
        return tuple(found) if self.multiple else (found,)

    def batch(self, size: int, operands: list[Array], batched: list[bool], params: Params) -> Any:
        return self.batch_rule(size, operands, batched, **params)

    def save(
        self, operands: Sequence[Array], ans: Any, active: Sequence[Any], params: Params
    ) -> Any:
        for place, node in enumerate(active):
            if node is not None and (place >= len(self.jvps) or self.jvps[place] is None):
                raise UnknownDerivativeError(
                    f"the derivative of {self.name} with respect to its operand number {place} "
                    "is not known",
                    remedy="wg.stop_gradient(...) around that operand if it is meant to be "
                    "constant, or wg.custom_jvp with a rule of your own",
                )
        return tuple(operands), ans

    def push(self, tangents: Sequence[Array | None], saved: Any, params: Params) -> Any:
        operands, ans = saved
        total: Any = None
        for tangent, rule in zip(tangents, self.jvps, strict=False):
            if tangent is None:
                continue
            assert rule is not None
            term = rule(tangent, ans, *operands, **params)
            if not self.multiple:
                total = add_tangents(total, term)
            elif total is None:
                total = term
            else:
                total = tuple(map(add_tangents, total, term))
        return total

    def pull(
        self, cotangents: Sequence[Array | None], saved: Any, active: Sequence[Any], params: Params
    ) -> list[Array | None] | None:
        """The operands' cotangents from the results'; None where ``push`` is to be transposed."""
        if self.transposes is None:
            return None
        operands, ans = saved
        return [
            None if place is None else rule(cotangents[0], ans, *operands, **params)
            for place, rule in zip(active, self.transposes, strict=True)
        ]


def nonlinear(name: str, evaluate: Callable[..., Any], **facts: Any) -> Nonlinear:
    """Declare a primitive whose derivative is given as a JVP; see ``Nonlinear``."""
    return Nonlinear(name, evaluate, **facts)


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
    """Whether a slope is an array that its rule has just made, and can hold the product."""
    return (
        type(slope) is np.ndarray
        and slope.base is None
        and slope.ndim > 0
        and slope.shape == cotangent.shape
        and slope.dtype == cotangent.dtype
        and not any(slope is need for need in needs)
    )


def _multiply_zero_absorbs(a: Array, b: Array) -> Array:
    c = a * b
    if type(c) is np.float64:
        return c if c == c or (a != 0 and b != 0) else np.float64(0.0)
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
