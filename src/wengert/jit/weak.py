"""Python numbers as arguments of a jitted function.

A Python number does not take part in NumPy's promotion: float32 * 2.0 is float32. A ``WeakTracer``
stands for one. Where it meets an array it is converted to what NumPy would make of it; where
Python's numbers meet each other they stay weak, and what Python computes in another way than NumPy
(a division by zero, integers without bounds, powers) is forced: the path is for that value.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..frames import asked_by_name, user_asks
from ..functions.roots import (
    GREATEST,
    Monomial,
    function_of_roots,
    product_of,
    quotient_of,
    root_as,
    ufunc_of_roots,
)
from ..kinds import Elementwise, via
from ..primitive import UFUNCS, Params, Primitive, Traced, promotion
from ..primitives import arithmetic, logic
from ..primitives.arithmetic import radicand_of_power
from ..primitives.mathematics import absolute_of_parts, decimal_round
from ..primitives.shape import convert
from ..program import Array, Atom, Literal, Type
from ..trace import Slot, Tracer, complex_in_objects
from .node import Node

__all__ = ["WeakTracer", "hardened"]

NUMBERS = frozenset({int, float, complex, bool})
DOUBLE = np.dtype(np.float64)

MIXED = sys.version_info < (3, 14)
"""Whether Python computes with a real and a complex number as with two complex ones, as NumPy."""


class WeakTracer(Tracer):
    """A Python number of which a jitted function is given a stand-in."""

    __slots__ = ()

    python = True

    def __getattribute__(self, name: str) -> Any:
        if name[0] == "_" or name in ("strong", "promotes"):
            return super().__getattribute__(name)
        value = self._node.value
        if not hasattr(value, name):
            if user_asks(1):
                raise AttributeError(f"{type(value).__name__!r} object has no attribute {name!r}")
            return super().__getattribute__(name)
        if name == "real" and type(value) is float:
            return self
        if type(value) is complex and name in _PARTS:
            part = _PARTS[name](self.strong())
            return part if name == "conjugate" else self._trace.python_number(part)
        return getattr(self._trace.reveal(self), name)

    def __getattr__(self, name: str) -> Any:
        if name == "__array__" and not asked_by_name(name, 1):
            whole = type(self._node.value) in (int, bool)
            return self._array if whole else super().__getattr__(name)
        if not hasattr(self._node.value, name) and user_asks(1):
            raise AttributeError(
                f"{type(self._node.value).__name__!r} object has no attribute {name!r}"
            )
        return super().__getattr__(name)

    def _array(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """What NumPy makes of an integer or a truth value, whose value the path is for."""
        return np.array(self._trace.reveal(self), dtype)

    @property
    def __class__(self) -> Any:
        kind = type(self._node.value)
        return kind if kind in (int, bool) or user_asks(1) else type(self)

    def _plain_class(self) -> type:
        return type(self._node.value)

    def strong(self) -> Tracer:
        """The same number as NumPy's, of a strong dtype."""
        node = self._node
        return Tracer(self._trace, None, Node(node.atom, node.type, _numpy(node.value)))

    def _remembered(self) -> Monomial | None:
        """What is remembered of a root."""
        return _remembered(self)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Array, **kwargs: Any) -> Any:
        plain = super().__array_ufunc__
        if any(_remembered(x) is not None for x in inputs):
            return ufunc_of_roots(plain, ufunc, method, inputs, kwargs)
        return plain(ufunc, method, *inputs, **kwargs)

    def __array_function__(
        self, func: Any, types: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        result = super().__array_function__(func, types, args, kwargs)
        return function_of_roots(self, result, func, args, kwargs)

    @property
    def promotes(self) -> Any:
        """A Python number of its class: weak."""
        return type(self._node.value)()

    @Slot
    def __getitem__(self, index: Any) -> Any:
        raise TypeError(f"{type(self._node.value).__name__!r} object is not subscriptable")

    def __hash__(self) -> int:
        return hash(self._trace.force(self))

    def __round__(self, digits: int | None = None) -> Any:
        if type(self._node.value) is not float:
            return round(self._trace.force(self), digits)
        if digits is None:
            return int(np.rint(self.strong()))
        rounded = decimal_round.bind(self.strong(), digits=operator.index(digits))
        return self._trace.python_number(rounded)

    def __floor__(self) -> int:
        return int(np.floor(self))

    def __ceil__(self) -> int:
        return int(np.ceil(self))

    def __pos__(self) -> Any:
        return +self._trace.force(self) if type(self._node.value) is bool else self

    def __neg__(self) -> Any:
        result = _computed(self._trace, arithmetic.negative, operator.neg, (self,))
        return _remembering(result, product_of(self, -1.0))

    def __abs__(self) -> Any:
        if type(self._node.value) is complex:
            number = self.strong()
            size = absolute_of_parts.bind(np.real(number), np.imag(number))
            if np.isfinite(size):  # Python raises where NumPy gives an infinity.
                return self._trace.python_number(size)
        result = _computed(self._trace, arithmetic.absolute, operator.abs, (self,))
        return _remembering(result, root_as(arithmetic.LENGTH, self))

    def __invert__(self) -> Any:
        return ~self._trace.force(self)


def _conjugate(number: Tracer) -> Any:
    return lambda: number._trace.python_number(np.conjugate(number))


_PARTS: dict[str, Callable[[Any], Any]] = {
    "real": np.real,
    "imag": np.imag,
    "conjugate": _conjugate,
}
"""What Python's complex numbers have, and has a derivative."""


def _numpy(value: Array) -> Array:
    """A Python number as NumPy's."""
    return np.asarray(value)[()]


# -- Python's arithmetic ---------------------------------------------------------------------------

_DIRECT = frozenset({np.add, np.subtract, np.multiply})
_COMPARISONS = frozenset(
    {np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal}
)


def _computed(
    recorder: Any, primitive: Primitive, function: Callable[..., Any], args: Sequence[Array]
) -> Any:
    """A weak result of weak operands: floats and complex numbers; others are forced."""
    values = [arg._node.value if type(arg) is WeakTracer else arg for arg in args]
    kinds = set(map(type, values))
    try:
        result = function(*values)
    except Exception:  # The function may catch it.
        recorder.exceptional = True
        raise
    simple = kinds == {float} or (kinds == {complex} and primitive is not arithmetic.absolute)
    simple = simple or (kinds == {float, complex} and MIXED)
    if not simple or type(result) not in (float, complex, bool):
        return function(*(_plain(arg) for arg in args))
    if recorder.boxed and type(result) is complex:
        raise complex_in_objects()
    atoms = tuple(recorder.atom(arg if type(arg) is WeakTracer else _numpy(arg)) for arg in args)
    made = recorder.record(primitive, atoms, {}, _numpy(result))
    made._node.value = result
    return recorder.weak(made._node)


def _plain(arg: Array) -> Array:
    """A Python number; of a weak tracer its value, guarded."""
    return arg._trace.reveal(arg) if type(arg) is WeakTracer else arg


def _binary(ufunc: np.ufunc, function: Callable[..., Any], left: Array, right: Array) -> Any:
    traced = left if type(left) is WeakTracer else right
    recorder = traced._trace
    if ufunc is np.divide and type(right) is WeakTracer and type(right._node.value) is float:
        bool(right != 0.0)  # Python raises where NumPy gives an infinity.
    elif ufunc is np.power and _plain_power(left, right):
        right = float(right)
    elif ufunc not in _DIRECT and ufunc not in _COMPARISONS and ufunc is not np.divide:
        return function(_plain(left), _plain(right))
    numbers = [_as_float(arg, (left, right)) for arg in (left, right)]
    if ufunc is np.divide and any(_kind(arg) is complex for arg in numbers):
        return function(_plain(left), _plain(right))
    found = _computed(recorder, UFUNCS[ufunc], function, numbers)
    # Python raises where NumPy gives an infinity.
    if ufunc is np.power and type(found) is WeakTracer and not np.isfinite(found):
        bool(np.isfinite(left))
    return _with_roots(ufunc, left, right, found)


# -- even powers of roots, see ``functions.roots`` -------------------------------------------------


def _remembered(x: Any) -> Monomial | None:
    # An attribute of its own: what is not set is not to be asked of the Python number.
    try:
        return _RADICAL(x, type(x)) if type(x) is WeakTracer else None
    except AttributeError:
        return None


_RADICAL: Any = Traced.__dict__["_radical"].__get__


def _remembering(result: Any, root: Monomial | None) -> Any:
    """A number that remembers what it is a root of."""
    if root is not None and type(result) is WeakTracer:
        result._radical = root
    return result


def _with_roots(ufunc: np.ufunc, left: Any, right: Any, found: Any) -> Any:
    """The result of an operator, with the derivative of the radicand if it is one of its powers."""
    if type(found) is not WeakTracer:
        return found
    one, other = _remembered(left), _remembered(right)
    root = None
    if ufunc is np.power and type(right) is float:
        if right % 1:
            radicand = radicand_of_power(left, right)
            if radicand is not None:
                root = root_as(replace(radicand, rule=_itself), left)
        elif one is not None and 0 < right < GREATEST:
            if one.smooth(int(right)):
                return _computed(found._trace, via, _first, (found, one.power(int(right))))
            root = one.to(int(right))
    elif ufunc is np.multiply and (one is not None or other is not None):
        root = product_of(left, right)
        if root is not None and root.smooth(1):
            return _computed(found._trace, via, _first, (found, root.power(1)))
    elif ufunc is np.divide:
        root = quotient_of(left, right)
    return _remembering(found, root)


def _itself(x: Array) -> Array:
    """A radicand: negative ones have been refused."""
    return x


def _first(x: Array, _: Array) -> Array:
    return x


def _plain_power(base: Array, exponent: Array) -> bool:
    """Whether a power with a constant exponent is a float, as NumPy computes it.

    Python raises for 0 to a negative power, and gives complex roots of negative numbers.
    """
    if type(base) is not WeakTracer or _kind(base) is not float:
        return False
    if type(exponent) not in (int, float) or not abs(exponent) < 1 << 53:
        return False
    if exponent < 0:
        bool(base != 0.0)
    return exponent == int(exponent) or bool(base >= 0.0)


def _kind(arg: Array) -> type:
    return type(arg._node.value) if type(arg) is WeakTracer else type(arg)


def _as_float(arg: Array, both: Sequence[Array]) -> Array:
    """An integer that meets a float is converted as Python does; a traced one is forced first."""
    if _kind(arg) in (int, bool):
        arg = _plain(arg)
        if float in map(_kind, both) and abs(arg) < 1 << 53:
            return float(arg)
    return arg


def _operator(name: str, ufunc: np.ufunc, function: Callable[..., Any]) -> None:
    """Define an operator of weak tracers, and what Python calls for one on the right."""

    def define(method: str, reverse: bool) -> None:
        above = getattr(Tracer, method)

        def apply(self: WeakTracer, other: Array) -> Any:
            left, right = (other, self) if reverse else (self, other)
            if type(other) is WeakTracer or type(other) in NUMBERS:
                return _binary(ufunc, function, left, right)
            if other is None and ufunc in (np.equal, np.not_equal):
                return ufunc is np.not_equal
            if isinstance(other, (list, tuple, str, bytes)):
                return function(_plain(left), _plain(right))
            if ufunc in (np.multiply, np.divide, np.power) and _remembered(self) is not None:
                return ufunc_of_roots(Tracer.__array_ufunc__, ufunc, "__call__", (left, right), {})
            return above(self, other)

        setattr(WeakTracer, method, apply)

    define(f"__{name}__", False)
    if ufunc not in _COMPARISONS:
        define(f"__r{name}__", True)


for _name, _ufunc, _function in (
    ("add", np.add, operator.add),
    ("sub", np.subtract, operator.sub),
    ("mul", np.multiply, operator.mul),
    ("truediv", np.divide, operator.truediv),
    ("pow", np.power, operator.pow),
    ("floordiv", np.floor_divide, operator.floordiv),
    ("mod", np.remainder, operator.mod),
    ("and", np.bitwise_and, operator.and_),
    ("or", np.bitwise_or, operator.or_),
    ("xor", np.bitwise_xor, operator.xor),
    ("lshift", np.left_shift, operator.lshift),
    ("rshift", np.right_shift, operator.rshift),
    ("divmod", np.divmod, divmod),
    ("eq", np.equal, operator.eq),
    ("ne", np.not_equal, operator.ne),
    ("lt", np.less, operator.lt),
    ("le", np.less_equal, operator.le),
    ("gt", np.greater, operator.gt),
    ("ge", np.greater_equal, operator.ge),
):
    _operator(_name, _ufunc, _function)


# -- where a Python number meets NumPy -------------------------------------------------------------


def hardened(recorder: Any, primitive: Primitive, args: Sequence[Array], params: Params) -> Any:
    """Apply a primitive of NumPy's to operands of which some are weak tracers.

    The value is computed with the Python numbers themselves, so that it is NumPy's own, and the
    equation is written with conversions that give the same type. Where there are none, the numbers
    are forced.
    """
    dtypes = _dtypes(primitive, args, params)
    if dtypes is None:
        return _forced(primitive, args, params)
    others = [arg for arg in args if type(arg) is not WeakTracer and type(arg) not in NUMBERS]
    values = [
        (_plain_value(arg) if others else _numpy(_plain_value(arg)))
        if type(arg) is WeakTracer
        else recorder.value(arg)
        for arg in args
    ]
    found = primitive.evaluate(*values, **params)
    if not primitive.multiple and type(found) in NUMBERS:
        found = _numpy(found)
    results = found if primitive.multiple else (found,)
    count = len(recorder.equations)
    atoms = tuple(
        recorder.atom(arg) if dtype is None else _converted(recorder, arg, dtype)
        for arg, dtype in zip(args, dtypes, strict=True)
    )
    if primitive.types(atoms, params) != tuple(map(Type.of, results)):
        del recorder.equations[count:]
        return _forced(primitive, args, params)
    return recorder.record(primitive, atoms, params, found)


def _forced(primitive: Primitive, args: Sequence[Array], params: Params) -> Any:
    """Apply to the numbers themselves; NumPy makes its own scalars of them if they are alone."""
    numbers = [_plain(arg) for arg in args]
    if primitive is convert:
        return np.asarray(numbers[0], params["dtype"])[()]  # Raises for what does not fit.
    if all(type(number) in NUMBERS for number in numbers):
        if isinstance(primitive, Elementwise) and primitive.ufunc is not None:
            return primitive.ufunc(*numbers)
        numbers = [_numpy(number) for number in numbers]
    return primitive.bind(*numbers, **params)


def _plain_value(arg: Array) -> Array:
    return arg._node.value


def _dtypes(primitive: Primitive, args: Sequence[Array], params: Params) -> list[Any] | None:
    """The dtype that each weak operand is to be converted to; None to force them all."""
    kinds = [_kind(arg) if type(arg) is WeakTracer else None for arg in args]
    if primitive is arithmetic.power and kinds[-1] is not None:
        return None
    if isinstance(primitive, Elementwise):
        given = [
            kind if kind in (int, float, complex) else promotion(_operand(arg))
            for kind, arg in zip(kinds, args, strict=True)
        ]
        if primitive.ufunc is not None:
            found = primitive.ufunc.resolve_dtypes((*given, None))[: len(args)]
        else:
            found = [_common(given)] * len(args)
    elif primitive is logic.select:
        given = [kind or promotion(_operand(arg)) for kind, arg in zip(kinds, args, strict=True)]
        found = [np.dtype(bool), *[_common(given[1:])] * 2]
    elif primitive is convert and params["dtype"].kind in "iub":
        return None
    elif set(kinds) <= {None, float} and _all_double(args):
        return [None] * len(args)
    else:
        return None
    for kind, dtype in zip(kinds, found, strict=True):
        if kind is int and dtype.kind in "iu":
            return None
        if kind in (int, float, complex) and dtype.char not in "fdFD":
            return None
    return [None if kind in (None, bool) else d for kind, d in zip(kinds, found, strict=True)]


def _operand(arg: Array) -> Any:
    """What ``promotion`` asks: the type of an operand, or a weak literal."""
    if type(arg) in NUMBERS and type(arg) is not bool:
        return Literal(arg)
    return Type.of(arg)


def _common(kinds: Sequence[Any]) -> np.dtype[Any]:
    scalars = {int: 0, float: 0.0, complex: 0j}
    return np.result_type(*(scalars.get(kind, kind) for kind in kinds))


def _all_double(args: Sequence[Array]) -> bool:
    kinds = [Type.of(arg).dtype for arg in args if type(arg) is not WeakTracer]
    return all(dtype == DOUBLE for dtype in kinds if dtype.kind in "fc")


def _converted(recorder: Any, arg: Array, dtype: np.dtype[Any]) -> Atom:
    """The atom of a weak number as this dtype; an integer by way of float64, as in NumPy."""
    atom = recorder.atom(arg)
    value = arg._node.value
    steps = [DOUBLE] if type(value) is int else []
    for target in (*steps, dtype):
        if atom.type.dtype != target:
            made = recorder.record(
                convert, (atom,), {"dtype": target}, _numpy(value).astype(target)
            )
            atom = made._node.atom
    return atom
