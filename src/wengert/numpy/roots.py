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

Known to be weak: a root forgets its radicand where it becomes an argument of another trace (the
carried value of a loop, an argument of a jitted function inside of a derivative) and where it is
assigned into an array. So do sums, ``max`` and ``sort``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..kinds import via
from ..primitive import Primitive, Radicand, Traced
from ..program import Array
from ..trace import FUNCTIONS, Tracer, class_of, snapshot, store

__all__ = [
    "GREATEST",
    "Monomial",
    "applied",
    "function_of_roots",
    "joined",
    "noted",
    "product_of",
    "quotient_of",
    "root_as",
    "smooth_product",
    "smooth_sum",
    "still",
    "ufunc_of_roots",
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

    @property
    def depth(self) -> int:
        """How many roots are within each other."""
        return 1 + max(map(_depth, self.operands))

    def smooth(self, k: Power) -> bool:
        """Whether the k-th power is a power of the radicand."""
        return not np.any(k * self.radicand.power % self.radicand.degree)

    def power(self, k: Power, scale: _Scale | None = None) -> Array:
        """The k-th power of the root of the operands times ``scale``."""
        operands = self.operands if scale is None else tuple(map(scale.apply, self.operands))
        base = self.radicand.rule(*operands)
        inner = None if self.radicand.homogeneous else root_of(operands[0])
        if inner is not None and inner.positive and root_of(base) is None:
            _marked(base, inner)  # The rule has changed nothing.
        whole = k * self.radicand.power // self.radicand.degree
        return base if isinstance(whole, int) and whole == 1 else base**whole

    def same(self, other: Any) -> bool:
        """Whether another root is this one."""
        if not isinstance(other, _Root) or self.radicand != other.radicand:
            return False
        if self.origin and other.origin:
            return len(self.origin) == len(other.origin) and all(
                map(_identical, self.origin, other.origin)
            )
        return all(map(_identical, self.operands, other.operands))


@dataclass(frozen=True, slots=True, eq=False)
class _Moved:
    """A root whose elements were moved: indexed, reshaped, repeated, converted."""

    moved: Monomial
    function: Any
    arguments: tuple[Any, ...]
    options: dict[str, Any]

    @property
    def depth(self) -> int:
        return self.moved.depth

    def smooth(self, k: Power) -> bool:
        return np.ndim(k) == 0 and self.moved.smooth(k)

    def power(self, k: Power, scale: _Scale | None = None) -> Array:
        return self.function(self.moved.power(k), *self.arguments, **self.options)

    def same(self, other: Any) -> bool:
        return (
            isinstance(other, _Moved)
            and self.function is other.function
            and self.moved.same(other.moved)
            and _identical(self.arguments, other.arguments)
            and _identical(self.options, other.options)
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Joined:
    """Roots and other values put into one array, or chosen between."""

    parts: tuple[Monomial, ...]
    rebuild: Callable[[list[Array]], Array]

    @property
    def depth(self) -> int:
        return max(part.depth for part in self.parts)

    def smooth(self, k: Power) -> bool:
        return np.ndim(k) == 0 and all(part.smooth(k) for part in self.parts)

    def power(self, k: Power, scale: _Scale | None = None) -> Array:
        return self.rebuild([part.power(k) for part in self.parts])

    def same(self, other: Any) -> bool:
        return self is other


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
        even = (isinstance(r, _Root) and r.radicand.degree % 2 == 0 for r, _ in self.roots)
        return not self.scaled and all(even)

    @property
    def scaled(self) -> bool:
        """Whether there are factors or divisors beside the roots."""
        return bool(self.factors or self.divisors)

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

    def same(self, other: Monomial) -> bool:
        """Whether another product is of the same factors in the same order."""
        return (
            len(self.roots) == len(other.roots)
            and all(n == m for (_, n), (_, m) in zip(self.roots, other.roots, strict=True))
            and all(a.same(b) for (a, _), (b, _) in zip(self.roots, other.roots, strict=True))
            and len(self.factors) == len(other.factors)
            and len(self.divisors) == len(other.divisors)
            and all(map(_identical, self.factors, other.factors))
            and all(map(_identical, self.divisors, other.divisors))
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


def _is_minus_one(scale: _Scale) -> bool:
    x = scale.factor
    plain = not isinstance(x, Traced) and scale.divisor is None
    return plain and x is not None and np.ndim(x) == 0 and bool(x == -1)


def _depth(x: Array) -> int:
    root = root_of(x)
    return 0 if root is None else root.depth


def _identical(x: Any, y: Any) -> bool:
    """Whether two values, or two nestings of arguments, are the same; arrays only if they are one.

    Of traced values nothing is asked that their trace would note.
    """
    if isinstance(x, Traced):
        if not isinstance(y, Traced) or x._trace is not y._trace or x._value is not y._value:
            return False
        one, other = x._node, y._node
        return one == other if type(one) is int and type(other) is int else one is other
    if x is y:
        return True
    if type(x) is not type(y) or isinstance(x, np.ndarray):
        return False
    if isinstance(x, dict):
        return x.keys() == y.keys() and all(_identical(x[name], y[name]) for name in x)
    if isinstance(x, (tuple, list)):
        return len(x) == len(y) and all(map(_identical, x, y))
    return bool(x == y)


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
    return snapshot(x) if root.depth >= DEEP else _marked(snapshot(x), root)


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
        root = Monomial(((_Root(*root), 1),))
        x._radical = version, root
    return root


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


def _marked(result: Any, root: Monomial | None) -> Any:
    """A traced result, which remembers what it is a product of."""
    if root is not None and isinstance(result, Traced) and result.dtype.kind in "fc":
        _become(result, root)
    return result


def rooted_like(x: Tracer, other: Tracer) -> None:
    """Let x, to which the value of ``other`` was assigned, remember what that one does."""
    _marked(x, root_of(other))


def _grafted(value: Array, smooth: Array) -> Any:
    """The value, with the derivative of what it is equal to."""
    if np.shape(smooth) != np.shape(value):
        smooth = np.broadcast_to(smooth, np.shape(value))
    result = via.bind(value, smooth)
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
    root, k = root_of(x), _whole(exponent)
    if root is None or k is None:
        return compute(x)
    if root.smooth(k):
        return _grafted(compute(still(x)), root.power(k))
    return _marked(compute(x), root.to(k) if isinstance(k, int) else None)


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
    """What is to be remembered of the product of two values, if one is a root."""
    one, other = _factor(x), _factor(y)
    if one is None or other is None or not (one.roots or other.roots):
        return None
    return one * other


def _multiplied(x: Array, y: Array, compute: Callable[[Array, Array], Any]) -> Any:
    """The product, which ``compute`` computes."""
    root = product_of(x, y)
    if root is not None and root.smooth(1):
        return _grafted(compute(still(x), still(y)), root.power(1))
    return _marked(compute(x, y), root)


def _over(x: Array, y: Array, compute: Callable[[Array, Array], Any]) -> Any:
    """The quotient, which ``compute`` computes."""
    return _marked(compute(x, y), quotient_of(x, y))


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
    return _grafted(compute(still(x), still(y)), np.sum(root.power(1)))


def smooth_product(arrays: Sequence[Array], places: Sequence[int]) -> Array | None:
    """The elementwise product of the roots at ``places``, where it is one of radicands."""
    total = root_of(arrays[places[0]])
    for place in places[1:]:
        root = root_of(arrays[place])
        total = None if root is None or total is None else total * root
    return total.power(1) if total is not None and total.smooth(1) else None


# -- what moves elements ---------------------------------------------------------------------------


def _settled(arguments: Any) -> Any:
    """Arguments that nobody can change: arrays and lists are copied."""
    if isinstance(arguments, (list, np.ndarray, dict)):
        return copy.copy(arguments)
    if isinstance(arguments, tuple):
        return tuple(map(_settled, arguments))
    return arguments


def _moved(x: Tracer, result: Any, function: Any, arguments: Any, options: Any) -> Any:
    root = root_of(x)
    if root is None:
        return result
    return _marked(
        result, Monomial(((_Moved(root, function, _settled(arguments), dict(options)), 1),))
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
    return _marked(result, Monomial(((_Joined(known, rebuild), 1),)))


def _mover(name: str) -> Any:
    """A method whose result consists of elements of the array."""

    def function(x: Array, *args: Any, **kwargs: Any) -> Any:
        return getattr(x, name)(*args, **kwargs)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = getattr(super(RootedNumeric, self), name)(*args, **kwargs)
        return _moved(self, result, function, args, kwargs)

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
    if rule is None or method != "__call__" or kwargs.keys() - {"out"}:
        return plain(ufunc, method, *inputs, **kwargs)
    result = rule(ufunc, *inputs)
    return store(kwargs["out"], result, True) if kwargs else result


def function_of_roots(
    x: Tracer, result: Any, func: Any, args: Sequence[Any], kwargs: dict[str, Any]
) -> Any:
    """The result of a function of NumPy's, which remembers the roots that it consists of."""
    if "out" in kwargs:
        return result
    if func in _MOVES and args and args[0] is x:
        return _moved(x, result, func, args[1:], kwargs)
    if func is np.pad and args[0] is x and type(kwargs.get("constant_values", 0)) in (int, float):
        return _moved(x, result, func, args[1:], kwargs)
    if func in _JOINS:
        return _joined(func, result, args, kwargs)
    return result


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

    def __truediv__(self, other: Array) -> Any:
        return _over(self, other, lambda _, y: super(Rooted, self).__truediv__(y))

    def __neg__(self) -> Any:
        return _negated(self, super().__neg__())

    def __pos__(self) -> Any:
        return _marked(super().__pos__(), root_of(self))

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
    reshape = _mover("reshape")
    transpose = _mover("transpose")
    flatten = _mover("flatten")
    astype = _mover("astype")
    copy = _mover("copy")
    view = _mover("view")

    @property
    def T(self) -> Any:
        """All axes reversed."""
        return _moved(self, super().T, _attribute, ("T",), {})

    @property
    def mT(self) -> Any:
        """The last two axes exchanged."""
        return _moved(self, super().mT, _attribute, ("mT",), {})

    __getitem__ = _mover("__getitem__")


def _negated(x: Tracer, result: Any) -> Any:
    root = root_of(x)
    return _marked(result, None if root is None else root * Monomial((), (-1,)))


def _conjugated(ufunc: np.ufunc, x: Any) -> Any:
    result = Tracer.__array_ufunc__(x, ufunc, "__call__", x)
    if x.dtype.kind == "c":
        return _moved(x, result, np.conjugate, (), {})
    return _marked(result, root_of(x))


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
    np.negative: lambda ufunc, x: _negated(x, _by(ufunc)(x)),
    np.positive: lambda ufunc, x: _marked(_by(ufunc)(x), root_of(x)),
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
