"""Roots that remember what they are roots of, so that their even powers are differentiable.

``sqrt(r)``, ``abs(x)``, a norm or a standard deviation has no derivative where its radicand is 0,
but its square is smooth there. By the chain rule alone the square would have the derivative 2y y',
and no choice of y' at 0 makes that right in all orders. So a traced root is of a class of its own
(``Rooted``), which is handed on by what moves elements (indexing, reshaping) and by products. Where
a power of it is a power of the radicand, the value is what NumPy makes of the root, and the
derivative that of the power of the radicand: ``via(value, smooth)``.

What is remembered is a ``Monomial``: roots to whole powers and other factors. Nothing is computed
from it before an even power is taken. Traced values that are no roots, and their operations, know
nothing of this file.

Two roots are the same if they were computed alike from the same values, which their trace can tell
(``Trace.same``). Where two arrays are not the same as a whole, their elements may be: to find that,
the elements of all roots are numbered (``_Places``), and the numbers are moved as the roots were.

Known to be weak: a root forgets its radicand where it becomes an argument of another trace (the
carried value of a loop, an argument of a jitted function inside of a derivative). So do sums,
``max`` and ``sort``. Forward mode keeps nothing of how values were computed; there two roots are
the same if their values and their tangents are.
"""

from __future__ import annotations

import copy
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..kinds import via
from ..primitive import Primitive, Radicand, Traced
from ..primitives.arithmetic import LENGTH, SIGN
from ..program import Array
from ..trace import FUNCTIONS, Tracer, alike, class_of, concrete, snapshot, store

__all__ = [
    "GREATEST",
    "MANY",
    "Monomial",
    "applied",
    "coincide",
    "function_of_roots",
    "grafted",
    "joined",
    "moved",
    "noted",
    "product_of",
    "quotient_of",
    "remembered",
    "root_as",
    "root_of",
    "smooth_sum",
    "still",
    "ufunc_of_roots",
    "written",
]

DEEP = 4
"""So many roots within roots are remembered."""

MANY = 8
"""So many factors of a product are remembered."""

GREATEST = 1 << 30
"""Exponents are less than this."""

Power = Any
"""A whole number, or an array of them."""


# -- what is remembered ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Root:
    """One root: its ``radicand`` rule on the operands.

    Roots of the same ``origin`` are the same though their radicands were computed separately.
    """

    radicand: Radicand
    operands: tuple[Array, ...]
    origin: tuple[Any, ...] = ()
    shape: tuple[int, ...] = ()
    powers: dict[Any, Array] = field(default_factory=dict[Any, Array])

    @property
    def depth(self) -> int:
        """How many roots are within each other."""
        return 1 + max(map(_depth, self.operands))

    @property
    def positive(self) -> bool:
        """Whether this is an even root, which is not negative."""
        return self.radicand.degree % 2 == 0 and not self.radicand.signed

    def smooth(self, k: Power) -> bool:
        """Whether the k-th power is a power of the radicand."""
        return not np.any(k * self.radicand.power % self.radicand.degree)

    def power(self, k: Power, scale: _Scale | None = None) -> Array:
        """The k-th power of the root of the operands times ``scale``."""
        if scale is not None or np.ndim(k):
            return self._power(k, scale)
        power = self.powers.get(k)
        if power is None:
            power = self.powers[k] = self._power(k, None)
        return power

    def _power(self, k: Power, scale: _Scale | None) -> Array:
        operands = self.operands if scale is None else tuple(map(scale.apply, self.operands))
        base = self.radicand.rule(*operands)
        inner = None if self.radicand.homogeneous else root_of(operands[0])
        if inner is not None and inner.positive and root_of(base) is None:
            remembered(base, inner)  # The rule has changed nothing.
        whole = k * self.radicand.power // self.radicand.degree
        return base if isinstance(whole, int) and whole == 1 else base**whole

    def same(self, other: Any) -> bool:
        """Whether another root is this one."""
        if not isinstance(other, _Root) or self.radicand != other.radicand:
            return False
        if self.origin and other.origin:
            return len(self.origin) == len(other.origin) and all(
                map(alike, self.origin, other.origin)
            )
        return all(map(alike, self.operands, other.operands))

    def places(self, known: _Places) -> np.ndarray[Any, Any]:
        """The number of each element among all elements of roots; 0 of one without a square."""
        if not self.smooth(2):
            return np.zeros(self.shape, np.intp)
        first = known.first(self)
        return np.arange(first, first + math.prod(self.shape)).reshape(self.shape)

    def scale(self) -> Array:
        """What each element is multiplied with; None is 1."""
        return None


@dataclass(frozen=True, slots=True, eq=False)
class _Moved:
    """A root whose elements were moved: indexed, reshaped, repeated, converted."""

    moved: Monomial
    function: Any
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    shape: tuple[int, ...]

    @property
    def depth(self) -> int:
        return self.moved.depth

    def smooth(self, k: Power) -> bool:
        if np.ndim(k):
            return False
        written = self._written()
        return self.moved.smooth(k) if written is None else written[0].smooth(k, written[1])

    def power(self, k: Power, scale: _Scale | None = None) -> Array:
        written = self._written()
        if written is not None:
            return written[0].power(k, chosen=written[1])
        return self._move(np.broadcast_to(self.moved.power(k), self.shape))

    def _written(self) -> tuple[_Written, np.ndarray[Any, Any]] | None:
        """The array that was assigned into, and which of its elements these are."""
        root = self.moved.roots[0][0]
        if not isinstance(root, _Written) or self.moved.scaled or self.moved.roots[0][1] != 1:
            return None
        chosen = self._move_places(root.sources)
        return None if chosen is None else (root, chosen)

    def _move(self, x: Array) -> Array:
        return self.function(x, *self.arguments, **self.options)

    def _move_places(self, places: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
        """Numbers of elements, moved; zeros for elements that are none of the root."""
        options = {**self.options, "constant_values": 0} if self.function is np.pad else None
        moved = self.function(places, *self.arguments, **(options or self.options))
        if isinstance(moved, Traced) or moved.dtype.kind not in "iu":
            return None
        return moved

    def places(self, known: _Places) -> np.ndarray[Any, Any] | None:
        places = self.moved.places(self.shape, known)
        return None if places is None else self._move_places(places)

    def scale(self) -> Array:
        scale = self.moved.scale(self.shape)
        return None if scale is None else self._move(scale)

    def same(self, other: Any) -> bool:
        return (
            isinstance(other, _Moved)
            and self.function is other.function
            and self.moved.same(other.moved)
            and alike(self.arguments, other.arguments)
            and alike(self.options, other.options)
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Joined:
    """Roots and other values put into one array, or chosen between."""

    parts: tuple[Monomial, ...]
    rebuild: Callable[[list[Array]], Array]
    shapes: tuple[tuple[int, ...], ...]

    @property
    def depth(self) -> int:
        return max(part.depth for part in self.parts)

    def smooth(self, k: Power) -> bool:
        return np.ndim(k) == 0 and all(part.smooth(k) for part in self.parts)

    def power(self, k: Power, scale: _Scale | None = None) -> Array:
        return self.rebuild([part.power(k) for part in self.parts])

    def same(self, other: Any) -> bool:
        return self is other

    def places(self, known: _Places) -> np.ndarray[Any, Any] | None:
        parts = _places_of(self.parts, self.shapes, known)
        places = None if parts is None else self.rebuild(parts)
        return None if isinstance(places, Traced) else places

    def scale(self) -> Array:
        scales = _scales_of(self.parts, self.shapes)
        return None if scales is None else self.rebuild(scales)


@dataclass(frozen=True, slots=True, eq=False)
class _Written:
    """An array into which roots were assigned: which element it has of which part.

    The elements of the first part, which the array was before, have the numbers from 0 on in
    ``sources``, those of the others the numbers that follow; ``firsts`` has the first of each.
    """

    parts: tuple[Monomial, ...]
    shapes: tuple[tuple[int, ...], ...]
    firsts: tuple[int, ...]
    sources: np.ndarray[Any, Any]

    @property
    def depth(self) -> int:
        return max(part.depth for part in self.parts)

    def write(
        self, part: Monomial, shape: tuple[int, ...], put: Callable[[Array, Array], Array]
    ) -> _Written | None:
        """The array after another assignment, which is ``put(array, part)``."""
        first = self.firsts[-1] + math.prod(self.shapes[-1])
        numbers = np.arange(first, first + math.prod(shape)).reshape(shape)
        sources = put(self.sources, numbers)
        if isinstance(sources, Traced):
            return None
        return _Written((*self.parts, part), (*self.shapes, shape), (*self.firsts, first), sources)

    def smooth(self, k: Power, chosen: np.ndarray[Any, Any] | None = None) -> bool:
        """Whether the k-th power of all, or of the chosen elements, is one of radicands."""
        if np.ndim(k):
            return False
        return all(self.parts[i].smooth(k) for i in self._used(chosen))

    def power(
        self,
        k: Power,
        scale: _Scale | None = None,
        chosen: np.ndarray[Any, Any] | None = None,
    ) -> Array:
        used = self._used(chosen) or [0]  # No elements have a dtype too.
        return self._collect(used, [self.parts[i].power(k) for i in used], chosen)

    def same(self, other: Any) -> bool:
        return self is other

    def places(self, known: _Places) -> np.ndarray[Any, Any] | None:
        used = self._used(None)
        parts = _places_of([self.parts[i] for i in used], [self.shapes[i] for i in used], known)
        return self._collect(used, parts, None) if parts else None

    def scale(self) -> Array:
        used = self._used(None)
        scales = _scales_of([self.parts[i] for i in used], [self.shapes[i] for i in used])
        return self._collect(used, scales, None) if scales else None

    def _used(self, chosen: np.ndarray[Any, Any] | None) -> list[int]:
        """The parts of which the array still has elements."""
        numbers = np.unique(self.sources if chosen is None else chosen)
        used = [bisect_right(self.firsts, number) - 1 for number in numbers.tolist()]
        return list(dict.fromkeys(used))

    def _collect(
        self, used: list[int], values: list[Array], chosen: np.ndarray[Any, Any] | None
    ) -> Array:
        """The elements of the used parts, of which there are these values."""
        chosen = self.sources if chosen is None else chosen
        rows = [
            np.reshape(np.broadcast_to(x, self.shapes[i]), -1)
            for i, x in zip(used, values, strict=True)
        ]
        numbers = np.concatenate(
            [self.firsts[i] + np.arange(math.prod(self.shapes[i])) for i in used]
        )
        return np.concatenate(rows)[np.searchsorted(numbers, chosen)]


class _Places:
    """The elements of several roots, numbered from 1 on."""

    def __init__(self) -> None:
        self.roots: list[tuple[_Root, int]] = []
        self.count = 1

    def first(self, root: _Root) -> int:
        """The number of the first element of a root, of one that is the same if there is one."""
        for known, first in self.roots:
            if known is root or (len(self.roots) <= 2 * MANY and known.same(root)):
                return first
        self.roots.append((root, self.count))
        self.count += math.prod(root.shape)
        return self.count - math.prod(root.shape)

    def squares(self) -> Array:
        """The squares of all elements, in a row; a zero is in front of it."""
        rows = [np.reshape(np.broadcast_to(r.power(2), r.shape), -1) for r, _ in self.roots]
        return np.concatenate([np.zeros(1), *rows])


def _places_of(
    parts: Sequence[Monomial], shapes: Sequence[tuple[int, ...]], known: _Places
) -> list[Array] | None:
    places = [part.places(shape, known) for part, shape in zip(parts, shapes, strict=True)]
    return None if any(each is None for each in places) else places


def _scales_of(parts: Sequence[Monomial], shapes: Sequence[tuple[int, ...]]) -> list[Array] | None:
    scales = [part.scale(shape) for part, shape in zip(parts, shapes, strict=True)]
    if all(each is None for each in scales):
        return None
    return [
        np.ones(shape) if each is None else each for each, shape in zip(scales, shapes, strict=True)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Scale:
    """A product of factors over one of divisors; None is 1."""

    factor: Array
    divisor: Array

    def apply(self, x: Array) -> Array:
        """x times the scale."""
        if self.factor is not None:
            x = x * self.factor
        return x if self.divisor is None else x / self.divisor


@dataclass(frozen=True, slots=True, eq=False)
class Monomial:
    """A product: roots to whole powers, and other factors and divisors."""

    roots: tuple[tuple[Any, int], ...]
    factors: tuple[Array, ...] = ()
    divisors: tuple[Array, ...] = ()

    @property
    def depth(self) -> int:
        """How many roots are within each other."""
        inside = max(map(_depth, (*self.factors, *self.divisors)), default=0)
        return max([inside, *(root.depth for root, _ in self.roots)])

    def smooth(self, k: Power) -> bool:
        """Whether the k-th power is one of radicands."""
        if np.ndim(k) and len(self.roots) != 1:
            return False
        return all(root.smooth(k * n) for root, n in self.roots)

    def power(self, k: Power) -> Array:
        """The k-th power, from the radicands. Only where it is ``smooth``."""
        scale = _Scale(_product(self.factors), _product(self.divisors))
        if len(self.roots) == 1 and self.roots[0][1] == 1 and self.scaled:
            root = self.roots[0][0]
            if isinstance(root, _Root) and root.radicand.homogeneous:
                return root.power(k, scale)  # As exact and as far from overflow as the root.
        total: Array = None
        for root, n in self.roots:
            term = root.power(k * n)
            total = term if total is None else total * term
        if total is None or np.ndim(k) or k > MANY:
            powers = _Scale(_power(scale.factor, k), _power(scale.divisor, k))
            return powers.factor if total is None else powers.apply(total)
        if _is_minus_one(scale):
            return total if k % 2 == 0 else -total
        for _ in range(k):
            total = scale.apply(total)
        return total

    @property
    def positive(self) -> bool:
        """Whether this is a product of even roots, without a factor that may be negative."""
        return not self.scaled and all(isinstance(r, _Root) and r.positive for r, _ in self.roots)

    @property
    def bare(self) -> bool:
        """Whether this is one root, whose elements were not moved."""
        return len(self.roots) == 1 and isinstance(self.roots[0][0], _Root)

    @property
    def scaled(self) -> bool:
        """Whether there are factors or divisors beside the roots."""
        return bool(self.factors or self.divisors)

    def places(self, shape: tuple[int, ...], known: _Places) -> np.ndarray[Any, Any] | None:
        """Of which elements of roots the elements are multiples; None if of several."""
        if not self.roots:
            return np.zeros(shape, np.intp)
        (root, n), *others = self.roots
        places = root.places(known) if n == 1 and not others else None
        return None if places is None else np.broadcast_to(places, shape)

    def scale(self, shape: tuple[int, ...]) -> Array:
        """What the elements of the roots are multiplied with; None is 1."""
        if not self.roots:
            return None
        scale = self.roots[0][0].scale()
        if self.scaled:
            own = _Scale(_product(self.factors), _product(self.divisors))
            scale = own.apply(1.0 if scale is None else scale)
        return None if scale is None else np.broadcast_to(scale, shape)

    def __mul__(self, other: Monomial) -> Monomial | None:
        roots = list(self.roots)
        for root, n in other.roots:
            for i, (mine, m) in enumerate(roots):
                if mine.same(root):
                    roots[i] = mine, m + n
                    break
            else:
                roots.append((root, n))
        factors, divisors = self.factors + other.factors, self.divisors + other.divisors
        if len(roots) + len(factors) + len(divisors) > MANY:
            return None
        return Monomial(tuple(roots), factors, divisors)

    def to(self, n: int) -> Monomial | None:
        """The n-th power as a product again."""
        roots = tuple((root, m * n) for root, m in self.roots)
        factors, divisors = self.factors * n, self.divisors * n
        few = len(roots) + len(factors) + len(divisors) <= MANY
        return Monomial(roots, factors, divisors) if few else None

    def over_same(self, other: Monomial) -> bool:
        """Whether another product is of the same roots in the same order."""
        return (
            len(self.roots) == len(other.roots)
            and all(n == m for (_, n), (_, m) in zip(self.roots, other.roots, strict=True))
            and all(a.same(b) for (a, _), (b, _) in zip(self.roots, other.roots, strict=True))
        )

    def same(self, other: Monomial) -> bool:
        """Whether another product is of the same factors in the same order."""
        return (
            self.over_same(other)
            and len(self.factors) == len(other.factors)
            and len(self.divisors) == len(other.divisors)
            and all(map(alike, self.factors, other.factors))
            and all(map(alike, self.divisors, other.divisors))
        )


def _product(factors: Sequence[Array]) -> Array:
    """The product; None if there is no factor."""
    found: Array = None
    with np.errstate(all="ignore"):
        for factor in factors:
            found = factor if found is None else found * factor
    return found


def _power(x: Array, k: Power) -> Array:
    if x is None or isinstance(x, Traced):
        return None if x is None else x**k
    with np.errstate(all="ignore"):
        return np.power(x, k)


def _is_zero(x: Array) -> bool:
    """Whether adding a value changes nothing: it is known, and 0."""
    while isinstance(x, Traced) and x._node is None:
        x = x._value
    plain = isinstance(x, (int, float, np.generic, np.ndarray))
    return plain and np.ndim(x) == 0 and bool(x == 0)


def _is_minus_one(scale: _Scale) -> bool:
    x = scale.factor
    plain = not isinstance(x, Traced) and scale.divisor is None
    return plain and x is not None and np.ndim(x) == 0 and bool(x == -1)


def _depth(x: Array) -> int:
    root = root_of(x)
    return 0 if root is None else root.depth


def _kept(x: Any) -> Any:
    """A value that later assignments do not reach, with what it is a root of itself."""
    kind = type(x)
    if kind is Tracer:
        return x
    if not isinstance(x, Traced):
        return x.copy() if isinstance(x, np.ndarray) else x
    root = root_of(x)
    if root is None:
        return snapshot(x) if kind.assignable else x
    return snapshot(x) if root.depth >= DEEP else remembered(snapshot(x), root)


# -- traced roots ----------------------------------------------------------------------------------


def still(x: Array) -> Array:
    """The value, of which the trace is not to compute a derivative."""
    if not isinstance(x, Traced):
        return x
    found = x._trace.still(x)
    kind = class_of(x)
    if kind is not Tracer and type(found) is Tracer and not kind.assignable:
        _set_class(found, kind)
    return found


def root_of(x: Array) -> Monomial | None:
    """What is remembered of a root, or of a product of roots; None of all other values."""
    if not isinstance(x, Traced):
        return None
    if not type(x).rooted:
        return x._remembered() if type(x).python else None
    version, root = x._radical
    if type(x).assignable and x.version != version:
        return None
    if type(root) is not Monomial:
        if root[0] is SIGN:
            return None
        root = Monomial(((_Root(*root, shape=x.shape), 1),))
        x._radical = version, root
    return root


def _signed_by(x: Array) -> Array:
    """What a value is the sign of; None for all other values."""
    if not isinstance(x, Traced) or not type(x).rooted or type(x).python:
        return None
    version, root = x._radical
    if type(root) is Monomial or root[0] is not SIGN:
        return None
    return None if type(x).assignable and x.version != version else root[1][0]


def root_as(radicand: Radicand, *operands: Array) -> Monomial:
    """The root of operands that nobody assigns to."""
    return Monomial(((_Root(radicand, operands), 1),))


def applied(primitive: Primitive, *args: Array) -> Any:
    """The primitive, whose result remembers what it is a root of."""
    result = primitive.bind(*args)
    note(primitive, result, args)
    return result


def note(
    primitive: Primitive, result: Any, args: Sequence[Array], origin: tuple[Any, ...] = ()
) -> None:
    """Let the result of a primitive remember what it is a root of, if it is one.

    ``origin`` is what the operands were computed from, where that is all of it.
    """
    radicand = primitive.radicand
    if type(radicand) is not Radicand:
        assert callable(radicand)
        radicand = radicand(*args)
    if radicand is not None and isinstance(result, Traced):
        _become(result, (radicand, tuple([_kept(x) for x in args]), origin))


def noted(result: Any, radicand: Radicand, args: Sequence[Array], origin: tuple[Any, ...]) -> Any:
    """A result, which remembers this radicand."""
    if isinstance(result, Traced):
        _become(result, (radicand, tuple(map(_kept, args)), tuple(map(_kept, origin))))
    return result


def _become(x: Any, root: tuple[Any, ...] | Monomial) -> None:
    """Let a traced value remember a product, or the parts of a root: most are never asked for."""
    kind = type(x)
    if kind._remembered is not Tracer._remembered:
        return  # Its operators remember themselves.
    if not kind.rooted:
        _set_class(x, _CLASSES.get(kind) or rooted(kind))
    x._radical = x.version if kind.assignable else 0, root


_set_class = object.__dict__["__class__"].__set__
_CLASSES: dict[type, type] = {}
"""The class of traced roots by the class that a traced value has otherwise."""


def remembered(result: Any, root: Monomial | None) -> Any:
    """A traced result, which remembers what it is a product of."""
    if root is not None and isinstance(result, Traced) and result.dtype.kind in "fc":
        _become(result, root)
    return result


def rooted_like(x: Tracer, other: Tracer) -> None:
    """Let x, to which the value of ``other`` was assigned, remember what that one does."""
    remembered(x, root_of(other))


def grafted(value: Array, smooth: Array) -> Any:
    """The value, with the derivative of what it is equal to."""
    value = still(value)
    if np.shape(smooth) != np.shape(value):
        smooth = np.broadcast_to(smooth, np.shape(value))
    result = via.bind(value, smooth)
    remembered(result, root_of(smooth))
    if type(result) is Tracer and type(value) is not Tracer and isinstance(value, Traced):
        _set_class(result, type(value))
    return result


# -- powers and products ---------------------------------------------------------------------------


def _whole(k: Any) -> Power | None:
    """An exponent that is a whole number of 1 or more, or an array of such; None for others."""
    if isinstance(k, Traced) or not isinstance(k, (int, float, np.generic, np.ndarray)):
        return None
    exponents: Array = np.asarray(k)
    if exponents.dtype.kind not in "iuf":
        return None
    if not np.all((exponents >= 1) & (exponents < GREATEST)) or np.any(exponents % 1):
        return None
    return exponents.astype(np.int64) if exponents.ndim else int(exponents)


def _raised(x: Tracer, exponent: Any, compute: Callable[[Array], Any]) -> Any:
    """x to a power, which ``compute`` computes."""
    root = root_of(x)
    if isinstance(exponent, Traced) and root is not None:
        return _raised_to_traced(x, root, exponent, compute)
    k = _whole(exponent)
    if root is None or k is None:
        return compute(x)
    if root.smooth(k):
        return grafted(compute(still(x)), root.power(k))
    return remembered(compute(x), root.to(k) if isinstance(k, int) else None)


def _raised_to_traced(x: Tracer, root: Monomial, k: Tracer, compute: Callable[[Array], Any]) -> Any:
    """x to a power that is traced: where that is even now, the derivative is the radicand's."""
    value = concrete(k)
    if not root.bare or not root.positive or k.dtype.kind != "f":
        return compute(x)
    found, n = root.roots[0]
    degree, power = found.radicand.degree, n * found.radicand.power
    if value is not None and not np.any((value >= 1) & (value * power % degree == 0)):
        return compute(x)
    result = compute(x)
    smooth = found.radicand.rule(*found.operands) ** (k * (power / degree))
    even = np.logical_and(np.greater_equal(k, 1), np.equal(k * power % degree, 0))
    return grafted(result, np.where(even, smooth, result))


def _factor(x: Array) -> Monomial | None:
    """A value as a factor of a product; None for what cannot be one."""
    root = root_of(x)
    if root is not None:
        return root
    if isinstance(x, (Traced, np.generic, np.ndarray, int, float, complex)):
        kind = getattr(x, "dtype", None)
        if kind is None or kind.kind in "fciu":
            return Monomial((), (_kept(x),))
    return None


def product_of(x: Array, y: Array) -> Monomial | None:
    """What is to be remembered of the product of two values, if one is a root or a sign."""
    length = _length(x, y) or _length(y, x)
    if length is not None:
        return length
    one, other = _factor(x), _factor(y)
    if one is None or other is None or not (one.roots or other.roots):
        return None
    return one * other


def _length(sign: Array, x: Array) -> Monomial | None:
    """What a sign times a value is, if it is the sign of that or of its absolute value."""
    operand = _signed_by(sign)
    if operand is None or np.shape(operand) != np.shape(x):
        return None
    root = root_of(x)
    if root is None:
        same = isinstance(x, Traced) and alike(operand, _kept(x))
        return Monomial(((_Root(LENGTH, (operand,), shape=x.shape), 1),)) if same else None
    absolute = root.bare and not root.scaled and root.roots[0][1] == 1
    found = root.roots[0][0]
    same = absolute and found.radicand is LENGTH and alike(operand, found.operands[0])
    return Monomial((), (operand,)) if same else None


def _multiplied(x: Array, y: Array, compute: Callable[[Array, Array], Any]) -> Any:
    """The product, which ``compute`` computes."""
    root = product_of(x, y)
    if root is not None and root.smooth(1):
        return grafted(compute(still(x), still(y)), root.power(1))
    result = compute(x, y)
    squares = None if root is None else _squares(x, y, result)
    return remembered(result, root) if squares is None else grafted(result, squares)


def coincide(
    x: Array, y: Array, *, elementwise: bool = False
) -> tuple[Array, Array, _Places] | None:
    """Of which elements of roots the elements of two arrays are; None if of none in common.

    Two roots whose elements were not moved, and which are not the same, have none in common in an
    elementwise product.
    """
    one, other = root_of(x), root_of(y)
    if one is None or other is None or x.dtype.kind == "c" or y.dtype.kind == "c":
        return None
    if elementwise and one.bare and other.bare:
        return None
    known = _Places()
    left = one.places(x.shape, known)
    count = known.count
    right = None if left is None else other.places(y.shape, known)
    if left is None or right is None or not np.any((right > 0) & (right < count)):
        return None
    return left, right, known


def _squares(x: Array, y: Array, result: Array) -> Array | None:
    """A product of which some elements, not all, are squares of roots; None if none is."""
    found = coincide(x, y, elementwise=True)
    if found is None or not isinstance(result, Traced):
        return None
    left, right, known = found
    same = (left == right) & (left > 0)
    if not same.any():
        return None
    scale = _product([s for s in (_scale(x), _scale(y)) if s is not None])
    squares = known.squares()[np.where(same, left, 0)]
    squares = squares if scale is None else scale * squares
    return squares if same.all() else np.where(same, squares, result)


def _scale(x: Array) -> Array:
    root = root_of(x)
    return None if root is None else root.scale(np.shape(x))


def written(result: Any, x: Array, part: Array, put: Callable[[Array, Array], Array]) -> Any:
    """What an array became by an assignment, ``put(x, part)``: it remembers the roots in it."""
    root = _factor(part)
    if not isinstance(result, Traced) or root is None:
        return result
    base = root_of(x)
    before = base.roots[0][0] if base is not None else None
    if base is None or not isinstance(before, _Written) or base.scaled or base.roots[0][1] != 1:
        base = base or _factor(x)
        if base is None or not (base.roots or root.roots):
            return result
        shape = np.shape(x)
        sources = np.arange(math.prod(shape)).reshape(shape)
        before = _Written((base,), (shape,), (0,), sources)
    after = before.write(root, np.shape(part), put)
    return remembered(result, None if after is None else Monomial(((after, 1),)))


def _over(x: Array, y: Array, compute: Callable[[Array, Array], Any]) -> Any:
    """The quotient, which ``compute`` computes."""
    return remembered(compute(x, y), quotient_of(x, y))


def quotient_of(x: Array, y: Array) -> Monomial | None:
    """What is to be remembered of the quotient of two values, if the first one is a root."""
    one, other = root_of(x), _factor(y)
    if one is None or other is None:
        return None
    return one * Monomial((), (), (_kept(y),) if other.roots else other.factors)


def smooth_sum(x: Array, y: Array, compute: Callable[[Array, Array], Array]) -> Array | None:
    """The sum of all products of two operands of one shape, where it is one of radicands."""
    one, other = root_of(x), root_of(y)
    if one is None and other is None:
        return None
    one, other = one or _factor(x), other or _factor(y)
    root = None if one is None or other is None else one * other
    if root is None or np.shape(x) != np.shape(y) or not root.smooth(1):
        return None
    return grafted(compute(still(x), still(y)), np.sum(root.power(1)))


# -- what moves elements ---------------------------------------------------------------------------


def _settled(arguments: Any) -> Any:
    """Arguments that nobody can change: arrays and lists are copied."""
    if isinstance(arguments, (list, np.ndarray, dict)):
        return copy.copy(arguments)
    if isinstance(arguments, tuple):
        return tuple(map(_settled, arguments))
    return arguments


def moved(x: Tracer, result: Any, function: Any, arguments: Any, options: Any) -> Any:
    root = root_of(x)
    if root is None:
        return result
    return remembered(
        result,
        Monomial(((_Moved(root, function, _settled(arguments), dict(options), x.shape), 1),)),
    )


_MOVES = frozenset(
    getattr(np, name)
    for name in (
        *"reshape ravel transpose permute_dims matrix_transpose squeeze expand_dims".split(),
        *"moveaxis swapaxes rollaxis broadcast_to take repeat tile flip flipud fliplr".split(),
        *"roll rot90".split(),
        *"diagonal diag diagflat tril triu atleast_1d atleast_2d atleast_3d copy astype".split(),
        *"resize take_along_axis real delete".split(),
        *"array asarray asanyarray ascontiguousarray asfortranarray".split(),
    )
) | {np.linalg.matrix_transpose, np.linalg.diagonal}
"""NumPy's functions whose result consists of elements of their first argument, and zeros."""

_MOVING_METHODS = {
    name: f
    for f in _MOVES
    if hasattr(np.ndarray, name := f.__name__) and getattr(np, name, None) is f
}
"""Those of them that are methods of arrays."""

_JOINS = {
    **dict.fromkeys(
        (
            np.concatenate,
            np.stack,
            np.hstack,
            np.vstack,
            np.dstack,
            np.column_stack,
            np.block,
        ),
        0,
    ),
    np.choose: 1,
    np.select: 1,
    np.append: (0, 1),
    np.insert: (0, 2),
    np.where: (1, 2),
    np.compress: (1,),
    np.extract: (1,),
}
"""NumPy's functions that put elements together, and the places of the arguments that hold them; of
one argument that is a list of such only its place."""


def _joined(function: Any, result: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    found: Any = _JOINS[function]
    nested = type(found) is int
    places: tuple[int, ...] = (found,) if nested else found
    others = (*(x for i, x in enumerate(args) if i not in places), *kwargs.values())
    if len(args) <= places[-1] or any(map(_differentiable, others)):
        return result
    given = list(args)

    def rebuild(powers: list[Array]) -> Array:
        for place, value in zip(places, [powers] if nested else powers, strict=True):
            given[place] = value
        return function(*given, **kwargs)

    values = list(args[places[0]]) if nested else [args[i] for i in places]
    return joined(result, values, rebuild)


def _differentiable(x: Any) -> bool:
    return isinstance(x, Traced) and x.dtype.kind in "fc"


def joined(result: Any, values: Sequence[Any], rebuild: Callable[[list[Array]], Array]) -> Any:
    """A traced result that ``rebuild`` puts together of values, which remembers their roots."""
    if not isinstance(result, Traced) or not any(map(root_of, values)):
        return result
    parts = [_factor(value) for value in values]
    known = tuple(part for part in parts if part is not None)
    if len(known) < len(parts):
        return result
    shapes = tuple(map(np.shape, values))
    return remembered(result, Monomial(((_Joined(known, rebuild, shapes), 1),)))


def _mover(name: str) -> Any:
    """A method whose result consists of elements of the array."""

    def function(x: Array, *args: Any, **kwargs: Any) -> Any:
        return getattr(x, name)(*args, **kwargs)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = getattr(super(RootedNumeric, self), name)(*args, **kwargs)
        return moved(self, result, function, args, kwargs)

    return method


def _reducing(function: Callable[..., Any]) -> Any:
    """A method that is a function of NumPy's."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    return method


def _attribute(x: Array, name: str) -> Any:
    return getattr(x, name)


# -- NumPy's functions of roots --------------------------------------------------------------------


def ufunc_of_roots(
    plain: Callable[..., Any],
    ufunc: np.ufunc,
    method: str,
    inputs: Sequence[Array],
    kwargs: dict[str, Any],
) -> Any:
    """The result of a ufunc of which an operand is a root; ``plain`` computes all others."""
    rule = _UFUNCS.get(ufunc)
    dtype = kwargs.get("dtype")
    if rule is None or method != "__call__" or kwargs.keys() - {"out", "dtype"}:
        return plain(ufunc, method, *inputs, **kwargs)
    if dtype is not None and any(getattr(x, "dtype", dtype) != dtype for x in inputs):
        return plain(ufunc, method, *inputs, **kwargs)
    result = rule(ufunc, *inputs)
    return store(kwargs["out"], result, True) if "out" in kwargs else result


def function_of_roots(
    x: Tracer, result: Any, func: Any, args: Sequence[Any], kwargs: dict[str, Any]
) -> Any:
    """The result of a function of NumPy's, which remembers the roots that it consists of."""
    if kwargs.get("out") is not None:
        return result
    if func in _MOVES and args and args[0] is x:
        return moved(x, result, func, args[1:], kwargs)
    if func is np.pad and args[0] is x and type(kwargs.get("constant_values", 0)) in (int, float):
        return moved(x, result, func, args[1:], kwargs)
    if func in _JOINS:
        return _joined(func, result, args, kwargs)
    if func in _OF_ONE and args[0] is x and 0 < x.size == np.size(result):
        plain = len(args) <= 2 and kwargs.keys() <= {"axis", "keepdims"}
        return moved(x, result, np.reshape, (np.shape(result),), {}) if plain else result
    return result


_OF_ONE = frozenset({np.sum, np.max, np.min, np.mean, np.prod, np.median})
"""NumPy's functions that give an element as it is where there is no other."""


# -- the class of traced roots ---------------------------------------------------------------------


class Rooted(Tracer):
    """Mixed into the class of a traced value: it remembers in ``_radical`` what it is a root of."""

    __slots__ = ()
    rooted = True

    def __mul__(self, other: Array) -> Any:
        plain = super().__mul__
        return _multiplied(self, other, lambda x, y: plain(y) if x is self else x * y)

    def __rmul__(self, other: Array) -> Any:
        plain = super().__rmul__
        return _multiplied(other, self, lambda x, y: plain(x) if y is self else x * y)

    def __add__(self, other: Array) -> Any:
        return _shifted(self, other, super().__add__(other))

    def __radd__(self, other: Array) -> Any:
        return _shifted(other, self, super().__radd__(other))

    def __sub__(self, other: Array) -> Any:
        return _shifted(self, other, super().__sub__(other), -1)

    def __truediv__(self, other: Array) -> Any:
        return _over(self, other, lambda _, y: super(Rooted, self).__truediv__(y))

    def __neg__(self) -> Any:
        return _negated(self, super().__neg__())

    def __pos__(self) -> Any:
        return remembered(super().__pos__(), root_of(self))

    def __pow__(self, other: Array) -> Any:
        plain = super().__pow__
        return _raised(self, other, lambda x: plain(other) if x is self else x**other)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Array, **kwargs: Any) -> Any:
        return ufunc_of_roots(super().__array_ufunc__, ufunc, method, inputs, kwargs)

    def __array_function__(
        self, func: Any, types: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        result = super().__array_function__(func, types, args, kwargs)
        return function_of_roots(self, result, func, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        function = _MOVING_METHODS.get(name)
        if function is not None:
            return lambda *args, **kwargs: self.__array_function__(
                function, (), (self, *args), kwargs
            )
        return super().__getattr__(name)


class RootedNumeric(Rooted):
    """The same for NumPy's numbers and arrays, with their methods."""

    __slots__ = ()

    def conj(self) -> Any:
        return _conjugated(np.conjugate, self) if self.dtype.kind == "c" else self

    conjugate = conj

    def compress(self, condition: Array, axis: int | None = None, out: Any = None) -> Any:
        """``np.compress``."""
        return np.compress(condition, self, axis=axis, out=out)

    reshape = _mover("reshape")
    transpose = _mover("transpose")
    flatten = _mover("flatten")
    astype = _mover("astype")
    copy = _mover("copy")
    view = _mover("view")

    @property
    def T(self) -> Any:
        """All axes reversed."""
        return moved(self, super().T, _attribute, ("T",), {})

    @property
    def mT(self) -> Any:
        """The last two axes exchanged."""
        return moved(self, super().mT, _attribute, ("mT",), {})

    __getitem__ = _mover("__getitem__")

    sum, max, min, mean, prod = map(_reducing, (np.sum, np.max, np.min, np.mean, np.prod))


def _shifted(x: Array, y: Array, result: Any, sign: int = 1) -> Any:
    """A sum or a difference: a root as before if one is 0, a multiple of a root if both are."""
    one, other = root_of(x), root_of(y)
    if one is None or other is None:
        if one is not None and _is_zero(y):
            return remembered(result, one)
        return remembered(result, other) if sign == 1 and _is_zero(x) else result
    if not one.over_same(other):
        return result
    scales = [
        _Scale(_product(each.factors), _product(each.divisors)).apply(1.0) for each in (one, other)
    ]
    return remembered(result, Monomial(one.roots, (scales[0] + sign * scales[1],)))


def _chosen(x: Array, y: Array, result: Any, sign: int) -> Any:
    """The greater (``sign`` is 1) or the smaller of two values, of which one is a root."""
    for root, limit in ((root_of(x), y), (root_of(y), x)):
        if root is not None and root.positive and sign == 1 and _never_positive(limit):
            given = x if limit is y else y
            return moved(given, result, np.broadcast_to, (result.shape,), {})
    one, other = _kept(x), _kept(y)

    def rebuild(parts: list[Array]) -> Array:
        if parts[0].dtype.kind in "iu":  # numbers of elements; 0 where two are shared
            shared = np.where(parts[0] == parts[1], parts[0], 0)
        else:
            shared = (parts[0] + parts[1]) / 2
        less, greater = np.less(sign * one, sign * other), np.greater(sign * one, sign * other)
        return np.where(greater, parts[0], np.where(less, parts[1], shared))

    return joined(result, [x, y], rebuild)


def _never_positive(x: Array) -> bool:
    """Whether a value is a constant of which no element is more than 0."""
    return not isinstance(x, Traced) and bool(np.all(np.less_equal(x, 0)))


def _negated(x: Tracer, result: Any) -> Any:
    root = root_of(x)
    return remembered(result, None if root is None else root * Monomial((), (-1,)))


def _conjugated(ufunc: np.ufunc, x: Any) -> Any:
    result = Tracer.__array_ufunc__(x, ufunc, "__call__", x)
    if x.dtype.kind == "c":
        return moved(x, result, np.conjugate, (), {})
    return remembered(result, root_of(x))


def _by(ufunc: np.ufunc) -> Callable[..., Any]:
    """The ufunc without this file."""

    def compute(*operands: Array) -> Any:
        traced = next(x for x in operands if isinstance(x, Traced))
        return Tracer.__array_ufunc__(traced, ufunc, "__call__", *operands)

    return compute


_UFUNCS: dict[np.ufunc, Callable[..., Any]] = {
    np.multiply: lambda ufunc, x, y: _multiplied(x, y, _by(ufunc)),
    np.divide: lambda ufunc, x, y: _over(x, y, _by(ufunc)),
    np.square: lambda ufunc, x: _raised(x, 2, _by(ufunc)),
    np.power: lambda ufunc, x, k: _raised(x, k, lambda x: _by(ufunc)(x, k)),
    np.float_power: lambda ufunc, x, k: _raised(x, k, lambda x: _by(ufunc)(x, k)),
    np.add: lambda ufunc, x, y: _shifted(x, y, _by(ufunc)(x, y)),
    np.subtract: lambda ufunc, x, y: _shifted(x, y, _by(ufunc)(x, y), -1),
    np.maximum: lambda ufunc, x, y: _chosen(x, y, _by(ufunc)(x, y), 1),
    np.minimum: lambda ufunc, x, y: _chosen(x, y, _by(ufunc)(x, y), -1),
    np.fmax: lambda ufunc, x, y: _chosen(x, y, _by(ufunc)(x, y), 1),
    np.fmin: lambda ufunc, x, y: _chosen(x, y, _by(ufunc)(x, y), -1),
    np.negative: lambda ufunc, x: _negated(x, _by(ufunc)(x)),
    np.positive: lambda ufunc, x: remembered(_by(ufunc)(x), root_of(x)),
    np.conjugate: _conjugated,
}


def rooted(kind: type) -> type:
    """The class of traced roots that are otherwise instances of ``kind``."""
    found = _CLASSES.get(kind)
    if found is None:
        mixin = Rooted if kind.python else RootedNumeric
        facts = {"__slots__": (), "__module__": __name__, "otherwise": kind}
        found = _CLASSES[kind] = type(f"Rooted{kind.__name__}", (mixin, kind), facts)
    return found


FUNCTIONS["rooted"] = rooted
FUNCTIONS["root"] = applied
FUNCTIONS["note root"] = note
FUNCTIONS["still a root"] = rooted_like
FUNCTIONS["written"] = written
