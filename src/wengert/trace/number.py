"""The traced number, which has all of a NumPy scalar's operators and methods.

Known to be weak: what no protocol reaches (``math``, C functions, a plain array's item assignment)
can only be answered with an error.
"""

from __future__ import annotations

import builtins
import math
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..errors import REFUSALS, AbstractValueError, TracedArrayError, UnsupportedError
from ..frames import asked_by_name, running, user_asks
from ..primitive import UFUNCS, Traced
from ..program import Array, Type
from .attributes import attribute, has
from .base import ABSENT, GATHERED, Trace, concrete, knowable, known, perhaps, unanswered
from .causes import conversion, formats, hashing
from .protocols import CREATION, FUNCTIONS, call_into, call_ufunc, named_out, no_rule

__all__ = [
    "METHODS",
    "Slot",
    "Tracer",
    "answers",
    "change_class",
    "class_of",
    "set_class",
    "whole_number",
]


class Slot:
    """A special method that Python and NumPy find in the class.

    To the user's code, by ``hasattr``, an instance has it only if the plain value has it too.
    """

    __slots__ = ("function", "name")

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function: Any = function
        self.name = function.__name__

    def __get__(self, value: Tracer | None, owner: Any = None) -> Any:
        if value is None:
            return self.function
        if asked_by_name(self.name, 1) and not has(value._plain_class(), self.name):
            raise AttributeError(self.name)
        return self.function.__get__(value)


class _NoIteration:
    """``__iter__`` of what has a ``__getitem__`` and is no sequence: None, and hasattr says no."""

    def __get__(self, value: Tracer | None, owner: Any = None) -> None:
        if value is not None and asked_by_name("__iter__", 1):
            raise AttributeError("__iter__")


class _Standing(type):
    """The class of the classes of traced values, none of which answers for the plain value.

    Abstract base classes ask ``x.__class__`` for its methods, and then ``type(x)``.
    """

    @property
    def __mro__(cls) -> tuple[type, ...]:
        return ()


class Tracer(Traced, metaclass=_Standing):
    """A traced number: what a differentiated function is given in place of a NumPy scalar.

    ``_value`` is the number itself, or a Tracer of an enclosing trace, or None where only the type
    is known. ``_node`` is what the trace knows of it: its place on a tape, its tangent, its Var.
    """

    __slots__ = ()
    __array_priority__ = 1000.0

    rooted = False
    """Whether instances of the class are roots that remember their radicand."""

    assignable = False
    """Whether instances of the class are arrays, which can be assigned into."""

    derived = False
    """Whether instances of the class are views of others."""

    python = False
    """Whether instances of the class stand for Python's own numbers."""

    def __init__(self, trace: Trace, value: Array, node: Any) -> None:
        self._trace = trace
        self._value = value
        self._node = node

    def __hash__(self) -> int:
        raise self._trace.refused(hashing())

    @property
    def __class__(self) -> Any:
        """To the user's own code the class that the value stands for; to all others its own."""
        return self._plain_class() if user_asks(1) else type(self)

    def _remembered(self) -> Any:
        """What is remembered of a root that is not of a class of its own."""
        return None

    def _plain_class(self) -> type:
        """The class of the plain value."""
        return self.dtype.type

    def _beside(self, operands: Sequence[Array]) -> Sequence[Array]:
        """Operands of which this is one, a number of Python's in the dtype that it takes there."""
        return operands

    def strong(self) -> Tracer:
        """The value as what NumPy makes of it: only ``jit`` has values that stand for less."""
        return self

    @property
    def promotes(self) -> Any:
        """What it is in NumPy's promotion: its dtype, or a Python number that stands for less."""
        return self.dtype

    # -- facts -----------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        value = self._value
        return value.shape if value is not None else self._node.type.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the array."""
        value = self._value
        return value.dtype if value is not None else self._node.type.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Number of bytes of the array's elements."""
        return self.size * self.dtype.itemsize

    @property
    def itemsize(self) -> int:
        """Number of bytes of one element."""
        return self.dtype.itemsize

    def __repr__(self) -> str:
        value = self._trace.force(self) if self._trace.open else None
        if value is not None:
            return repr(value)
        value = concrete(self)
        kind = str(Type(self.shape, self.dtype))
        return f"Traced({kind})" if value is None else f"Traced({kind}, {value})"

    def __str__(self) -> str:
        value = self._trace.force(self)
        return repr(self) if value is None else str(value)

    def __format__(self, spec: str) -> str:
        value = perhaps(self)
        return repr(self) if value is None else format(value, spec)

    # -- what Python asks of a number ------------------------------------------------------------

    def __bool__(self) -> bool:
        truth = self
        if concrete(self) is None:
            if self.size > 1:
                return bool(np.zeros(self.shape))  # NumPy's error
            if self.size == 1 and self.dtype.kind != "b":
                truth = self != 0
        return bool(known(truth, "the truth of", _CHOICES))

    def __int__(self) -> int:
        whole = self
        if self.dtype.kind == "f" and self.size == 1 and concrete(self) is None:
            whole = np.trunc(self)
        return int(known(whole, "the integer part of", _WHOLE))

    @Slot
    def __index__(self) -> int:
        if self.dtype.kind not in ("iub" if type(self).python else "iu"):
            if self.dtype.kind == "b" and perhaps(self) is None:
                unanswered(self, _unknown_mask())
            raise TypeError(f"a traced {self.dtype} cannot be used as an index or a count")
        try:
            return int(known(self, "the index", _COUNTS))
        except AbstractValueError as error:
            unanswered(self, error)
            raise

    def __float__(self) -> float:
        if formats(sys._getframe(1)):  # "%.3f" % x, a text as f"{x:.3f}" is one
            return float(known(self, "the text of", "f'{x}' for '%.3f' % x"))
        return float(self._plainly("a Python float", self._converts()))

    @Slot
    def __complex__(self) -> complex:
        return complex(self._plainly("a Python complex number", self.size == 1))

    @Slot
    def __bytes__(self) -> bytes:
        if type(self).python:
            kind = self._plain_class().__name__
            raise TypeError(f"cannot convert {kind!r} object to bytes")
        if self.dtype.kind in "iu" and not type(self).assignable:
            return bytes(int(self))
        return bytes(self._plainly("bytes", True))

    def _plainly(self, what: str, possible: bool) -> Array:
        """The value where nothing is differentiated, as under ``jit`` alone; an error elsewhere.

        Where it is not ``possible`` of a plain value either, the error may be caught.
        """
        value = self._trace.reveal(self)
        if value is None:
            if possible:
                raise self._trace.refused(_plain_wanted(what))
            raise _plain_wanted(what)
        return value

    def _converts(self) -> bool:
        """Whether the plain value can become a float: longer arrays cannot."""
        return self.size == 1

    def __round__(self, digits: int | None = None) -> Any:
        if self.dtype.kind in "bc":
            raise TypeError(f"type numpy.{self.dtype} doesn't define __round__ method")
        if digits is None:
            return whole_number(np.round, self)
        return FUNCTIONS[np.round](self, digits)

    def __floor__(self) -> Any:
        return whole_number(np.floor, self)

    def __ceil__(self) -> Any:
        return whole_number(np.ceil, self)

    def __trunc__(self) -> Any:
        # Of NumPy's scalars only float64 is one of Python's numbers too.
        if self.dtype != np.float64 and not type(self).python:
            raise TypeError(f"type numpy.{self.dtype} doesn't define __trunc__ method")
        return whole_number(np.trunc, self)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        # A copy of the trace as well would be a trace that no derivative ever reads.
        return self.copy()

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise self._trace.refused(
            TracedArrayError(
                "a traced value was pickled or sent to another process, which cuts the derivative",
                remedy="the same computation in this process, or wg.stop_gradient(x) of a value "
                "that is only to be stored",
            )
        )

    def item(self, *index: Any) -> Any:
        """The number, or the element at an index, as one of Python's."""
        if self.shape or index:
            np.zeros(self.shape, self.dtype).item(*index)  # NumPy's errors come first.
            places = index[0] if len(index) == 1 and type(index[0]) is tuple else index
            if not self.shape or not index:
                return self.reshape(()).item()
            whole = self if len(places) == self.ndim else FUNCTIONS[np.ravel](self)
            return whole[tuple(places)].item()
        if self.dtype.kind in "iub":
            value = self._trace.force(self)
            if value is not None:
                return value.item()
        wide = {"f": np.float64, "c": np.complex128}.get(self.dtype.kind)
        if wide is None or self.dtype == wide or self.dtype.char in "gG":
            return FUNCTIONS["python number"](self)
        return FUNCTIONS["python number"](FUNCTIONS[np.astype](self, np.dtype(wide)))

    __iter__: Any = _NoIteration()  # Python would take what has __getitem__ for a sequence.

    @Slot
    def __getitem__(self, index: Any) -> Any:
        if type(index) is tuple and not index:
            return self
        return FUNCTIONS[np.array](self)[index]

    def tolist(self) -> Any:
        """Nested lists of traced numbers of Python's."""
        value = None if self.dtype.kind in "fc" else self._trace.force(self)
        if value is not None:
            return value.tolist()
        return self.item() if not self.shape else [row.tolist() for row in self]

    # -- NumPy's protocols -----------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Array, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs:
            primitive = UFUNCS.get(ufunc)
            if primitive is not None:
                if len(inputs) == 1:
                    trace = self._trace
                    try:
                        result = trace.process(primitive, inputs, {})
                    except REFUSALS as error:
                        trace.refused(error)
                        raise
                else:
                    if ufunc is np.power and ROOTS and not self.shape and _is_half(inputs[1], self):
                        return np.sqrt(self)
                    result = primitive.bind(*inputs)
                if primitive.radicand is not None:
                    FUNCTIONS["note root"](primitive, result, inputs)
                return result
            implementation = FUNCTIONS.get(ufunc)
            if implementation is not None:
                return self._trace.apply(implementation, ufunc, inputs, kwargs)

        def performed(*inputs: Array, **kwargs: Any) -> Any:
            return call_ufunc(ufunc, method, inputs, kwargs)

        return self._trace.apply(performed, getattr(ufunc, method), inputs, kwargs)

    def __array_function__(
        self, func: Any, types: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        creation = CREATION.get(func)
        if creation is not None:
            return creation(self, *args, **kwargs)
        implementation = FUNCTIONS.get(func)
        if implementation is None:
            implementation = partial(_refused, func)
        else:
            if len(args) > 1:
                args, kwargs = named_out(func, args, kwargs)
            if "out" in kwargs:
                implementation = partial(call_into, implementation)
        return self._trace.apply(implementation, func, args, kwargs)

    # -- operators: NumPy's ufuncs ---------------------------------------------------------------

    def __add__(self, other: Array) -> Any:
        return _operate(np.add, self, other)

    def __radd__(self, other: Array) -> Any:
        return _operate_right(np.add, other, self)

    def __sub__(self, other: Array) -> Any:
        return _operate(np.subtract, self, other)

    def __rsub__(self, other: Array) -> Any:
        return _operate_right(np.subtract, other, self)

    def __mul__(self, other: Array) -> Any:
        if not isinstance(other, _USUAL) and _repeats(self, other):
            return _count(self) * other
        return _operate(np.multiply, self, other)

    def __rmul__(self, other: Array) -> Any:
        if not isinstance(other, _USUAL) and _repeats(self, other):
            return other * _count(self)
        return _operate_right(np.multiply, other, self)

    def __truediv__(self, other: Array) -> Any:
        return _operate(np.divide, self, other)

    def __rtruediv__(self, other: Array) -> Any:
        return _operate_right(np.divide, other, self)

    def __pow__(self, other: Array) -> Any:
        result = _operate(np.power, self, other)
        if isinstance(other, float) and other % 1:
            FUNCTIONS["note root"](UFUNCS[np.power], result, (self, other))
        return result

    def __rpow__(self, other: Array) -> Any:
        return _operate_right(np.power, other, self)

    def __floordiv__(self, other: Array) -> Any:
        return UFUNCS[np.floor_divide].bind(self, other)

    def __rfloordiv__(self, other: Array) -> Any:
        return UFUNCS[np.floor_divide].bind(other, self)

    def __mod__(self, other: Array) -> Any:
        return UFUNCS[np.remainder].bind(self, other)

    def __rmod__(self, other: Array) -> Any:
        return UFUNCS[np.remainder].bind(other, self)

    def __divmod__(self, other: Array) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Array) -> Any:
        return other // self, other % self

    @Slot
    def __matmul__(self, other: Array) -> Any:
        if not isinstance(other, _USUAL) and _is_sparse(other):
            return NotImplemented
        return FUNCTIONS[np.matmul](self, other)

    @Slot
    def __rmatmul__(self, other: Array) -> Any:
        return FUNCTIONS[np.matmul](other, self)

    def __neg__(self) -> Any:
        return UFUNCS[np.negative].bind(self)

    def __pos__(self) -> Any:
        return self if self.dtype.kind != "b" else np.positive(np.zeros(self.shape, bool))

    def __abs__(self) -> Any:
        return FUNCTIONS[np.absolute if self.assignable else "abs"](self)

    def __invert__(self) -> Any:
        return UFUNCS[np.invert].bind(self)

    def __and__(self, other: Array) -> Any:
        return UFUNCS[np.bitwise_and].bind(self, other)

    def __rand__(self, other: Array) -> Any:
        return UFUNCS[np.bitwise_and].bind(other, self)

    def __or__(self, other: Array) -> Any:
        return UFUNCS[np.bitwise_or].bind(self, other)

    def __ror__(self, other: Array) -> Any:
        return UFUNCS[np.bitwise_or].bind(other, self)

    def __xor__(self, other: Array) -> Any:
        return UFUNCS[np.bitwise_xor].bind(self, other)

    def __rxor__(self, other: Array) -> Any:
        return UFUNCS[np.bitwise_xor].bind(other, self)

    @Slot
    def __lshift__(self, other: Array) -> Any:
        return UFUNCS[np.left_shift].bind(self, other)

    @Slot
    def __rlshift__(self, other: Array) -> Any:
        return UFUNCS[np.left_shift].bind(other, self)

    @Slot
    def __rshift__(self, other: Array) -> Any:
        return UFUNCS[np.right_shift].bind(self, other)

    @Slot
    def __rrshift__(self, other: Array) -> Any:
        return UFUNCS[np.right_shift].bind(other, self)

    def __eq__(self, other: object) -> Any:
        if other is None or isinstance(other, str):
            return _comparable(self, other, False)
        return UFUNCS[np.equal].bind(self, other)

    def __ne__(self, other: object) -> Any:
        if other is None or isinstance(other, str):
            return _comparable(self, other, True)
        return UFUNCS[np.not_equal].bind(self, other)

    def __lt__(self, other: Array) -> Any:
        return UFUNCS[np.less].bind(self, other)

    def __le__(self, other: Array) -> Any:
        return UFUNCS[np.less_equal].bind(self, other)

    def __gt__(self, other: Array) -> Any:
        return UFUNCS[np.greater].bind(self, other)

    def __ge__(self, other: Array) -> Any:
        return UFUNCS[np.greater_equal].bind(self, other)

    # -- methods: NumPy's functions --------------------------------------------------------------

    @property
    def T(self) -> Any:
        """All axes reversed."""
        return FUNCTIONS[np.transpose](self)

    @property
    def mT(self) -> Any:
        """The last two axes exchanged."""
        if not has(self._plain_class(), "mT"):
            raise AttributeError("mT")
        return FUNCTIONS[np.matrix_transpose](self)

    @property
    def real(self) -> Any:
        """The real part."""
        return FUNCTIONS[np.real](self)

    @real.setter
    def real(self, value: Array) -> None:
        self._check_assignable("real")
        self.real[...] = FUNCTIONS[np.asarray](value)

    @property
    def imag(self) -> Any:
        """The imaginary part."""
        return FUNCTIONS[np.imag](self)

    @imag.setter
    def imag(self, value: Array) -> None:
        self._check_assignable("imag")
        if self.dtype.kind != "c":
            raise TypeError("a real array has no imaginary part to assign to")
        self.imag[...] = FUNCTIONS[np.asarray](value)

    @property
    def flat(self) -> Any:
        """The elements in one row: to run over, to index, and to assign into."""
        return FUNCTIONS["flat"](self)

    @flat.setter
    def flat(self, value: Array) -> None:
        self._check_assignable("flat")
        self.flat[...] = value

    def _check_assignable(self, name: str) -> None:
        """Raise for an attribute of a number that is assigned to: only those of arrays can be."""
        if not type(self).assignable:
            raise AttributeError(f"attribute {name!r} of a number is not writable")

    def flatten(self, order: str = "C") -> Any:
        """The elements in one row, as a copy."""
        return FUNCTIONS[np.ravel](self, order).copy()

    def copy(self, order: str = "C") -> Any:
        """A value of its own: later assignments to either do not reach the other."""
        return self

    def astype(
        self,
        dtype: Any,
        order: str = "K",
        casting: Any = "unsafe",
        subok: bool = True,
        copy: bool = True,
    ) -> Any:
        """The same values as another dtype."""
        if not np.can_cast(self.dtype, dtype, casting):
            raise TypeError(f"cannot cast {self.dtype} to {np.dtype(dtype)} by the rule {casting}")
        return FUNCTIONS["astype"](self, dtype, order, copy)

    def view(self, dtype: Any = None, type: Any = None) -> Any:
        """The same number."""
        if isinstance(dtype, builtins.type) and issubclass(dtype, np.ndarray):
            dtype, type = None, dtype
        if isinstance(type, _Standing):  # ``view(type=type(other))`` of a library
            type = None
        if isinstance(type, builtins.type) and issubclass(type, np.matrix):
            raise UnsupportedError(
                "wengert differentiates plain arrays, and np.matrix computes by rules of its own",
                remedy="np.asarray(x), with @ for the matrix product; S.toarray() for S.todense() "
                "and scipy.sparse.csr_array(S).sum(axis=0) for S.sum(axis=0) of a sparse matrix",
            )
        if dtype not in (None, self.dtype) or type not in (None, np.ndarray):
            raise UnsupportedError(
                "the view of a traced array as another dtype or class cannot be differentiated",
                remedy="x.astype(dtype) for the same numbers, x.real and x.imag for the parts of "
                "complex ones",
            )
        return self

    def conj(self) -> Any:
        """Complex conjugate; of a real array the array itself."""
        return UFUNCS[np.conjugate].bind(self) if self.dtype.kind == "c" else self

    conjugate = conj

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
        """``np.reshape``."""
        wanted = shape[0] if len(shape) == 1 else shape
        return FUNCTIONS[np.reshape](self, wanted, order=order, copy=copy)

    def transpose(self, *axes: Any) -> Any:
        """``np.transpose``."""
        order = axes[0] if len(axes) == 1 else axes or None
        return FUNCTIONS[np.transpose](self, order)

    @Slot
    def dot(self, other: Array, out: Any = None) -> Any:
        """``np.dot``."""
        return call_into(FUNCTIONS[np.dot], self, other, out=out)

    def clip(self, min: Any = None, max: Any = None, out: Any = None) -> Any:
        """``np.clip``."""
        return call_into(FUNCTIONS[np.clip], self, min, max, out=out)

    def __getattr__(self, name: str) -> Any:
        """The other methods of an ndarray, and those by which NumPy treats object elements."""
        if name.startswith("__"):
            if asked_by_name(name, 1):
                return attribute(self, name)
            if name == "__dlpack__" and type(self).assignable:
                return attribute(self, name)
            if name == "__array_interface__" and running({"as_strided"}):
                raise self._trace.refused(
                    UnsupportedError(
                        "np.lib.stride_tricks.as_strided asks a traced array for its memory",
                        remedy="np.lib.stride_tricks.sliding_window_view, or an index" + ABSENT[0],
                    )
                )
            if name == "__array__":  # So NumPy asks before it puts an object into an array.
                FUNCTIONS["box"](self)
            raise AttributeError(name)
        function = METHODS.get(name)
        if function is not None and (has(self._plain_class(), name) or not asked_by_name(name, 1)):
            if function in FUNCTIONS:
                return lambda *args, **kwargs: self.__array_function__(
                    function, (), (self, *args), kwargs
                )
            if function in UFUNCS:
                return lambda *others: self.__array_ufunc__(function, "__call__", self, *others)
        found = self._trace.missing(self, name)
        if found is not NotImplemented:
            return found
        return attribute(self, name)


set_class: Any = object.__dict__["__class__"].__set__


def class_of(value: Any) -> type:
    """The class of a value; of a traced root the one that it has besides."""
    kind = type(value)
    return kind.otherwise if getattr(kind, "rooted", False) else kind


def change_class(number: Tracer, kind: type) -> None:
    """Make a traced number an instance of another class; a root stays one."""
    set_class(number, FUNCTIONS["rooted"](kind) if type(number).rooted else kind)


def whole_number(rounding: Callable[..., Any], x: Tracer) -> Any:
    """The integer that a number is rounded to, a traced one of int64 where it is not known."""
    if x.dtype.kind == "f":
        x = rounding(x)
    if knowable(x) or x.size != 1:
        return int(x)
    return FUNCTIONS["python number"](FUNCTIONS[np.astype](x, np.dtype(np.int64)))


METHODS: dict[str, Any] = {
    name: getattr(np, name)
    for name in (
        *"sum prod mean var std max min argmax argmin cumsum cumprod all any ptp trace".split(),
        *"ravel squeeze swapaxes repeat diagonal take nonzero argsort round put".split(),
        *"argpartition choose searchsorted".split(),
        *"sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh exp exp2".split(),
        *"expm1 log log2 log10 log1p sqrt cbrt square reciprocal floor ceil rint trunc".split(),
        *"sign deg2rad rad2deg radians degrees fabs logical_not isnan isfinite isinf".split(),
        *"arctan2 hypot fmod".split(),
    )
}


def _refused(function: Any, *_: Any, **__: Any) -> Any:
    """In place of a rule for a NumPy function that has none."""
    module = getattr(function, "__module__", "numpy") or "numpy"
    raise no_rule(f"{module.replace('numpy', 'np', 1)}.{function.__name__}")


ROOTS = bool(np.signbit(np.power(-0.0, 0.5)))
"""Whether NumPy takes the square root for ``np.power(x, 0.5)`` of numbers, as it does of arrays.

At -0.0 and -inf these differ from the power, which the operator gives of numbers.
"""


def _is_half(exponent: Any, x: Tracer) -> bool:
    """Whether an exponent is 1/2, of no wider dtype than x."""
    if not isinstance(exponent, float) or exponent != 0.5:
        return False
    return x.dtype.kind == "f" and (type(exponent) is float or x.dtype == np.float64)


def _operate(ufunc: np.ufunc, left: Tracer, right: Array) -> Any:
    """A binary operator whose left operand is traced, by the shortest way to its trace."""
    primitive = UFUNCS[ufunc]
    if isinstance(right, Traced):
        kind = type(right)
        if kind.rooted and ufunc is np.multiply and not type(left).rooted:
            return right * left
        if kind.python or right._trace is not left._trace:
            return primitive.bind(left, right)
    try:
        return left._trace.process(primitive, (left, right), {})
    except REFUSALS as error:
        unlike = getattr(type(right), "__array_ufunc__", left) is None
        if unlike or _is_sparse(right) or answers(ufunc, left, right):
            return NotImplemented  # An array leaves operators to such a one, a polynomial.
        left._trace.refused(error)
        raise


_REFLECTED: dict[Any, str] = {
    np.add: "__radd__",
    np.subtract: "__rsub__",
    np.multiply: "__rmul__",
    np.divide: "__rtruediv__",
    np.power: "__rpow__",
    np.floor_divide: "__rfloordiv__",
    np.remainder: "__rmod__",
}
_NUMPYS = (np.ndarray, Traced, np.generic, list, tuple, str, bytes, float, int, complex)
_TABLES = ("__array_ufunc__", "to_numpy", "toarray")


def answers(ufunc: np.ufunc, left: Tracer, right: Any) -> bool:
    """Whether an object of a class of its own, on the right of a number, does the operation."""
    if isinstance(right, _NUMPYS) or left.shape:
        return False
    kind = type(right)
    if not hasattr(kind, _REFLECTED.get(ufunc, "")):
        return False
    array = hasattr(kind, "__array__") and not type(left).python
    return not array and not any(hasattr(kind, name) for name in _TABLES)


def _is_sparse(other: Any) -> bool:
    """Whether an operand is a sparse matrix, which knows what to do with an array on its left."""
    return hasattr(type(other), "tocsr")


def _operate_right(ufunc: np.ufunc, left: Array, right: Tracer) -> Any:
    """The same where the left operand is not traced, or by a trace of which less is known."""
    if isinstance(left, Traced):  # The right one is of a subclass: Python asks that first.
        return UFUNCS[ufunc].bind(left, right)
    try:
        return right._trace.process(UFUNCS[ufunc], (left, right), {})
    except REFUSALS as error:
        right._trace.refused(error)
        raise


def _unknown_mask() -> AbstractValueError:
    return AbstractValueError(
        "Python asked for a traced truth value, as an index or a count, whose value is not known "
        "here, because the function is traced once for all values, as vmap, loops and branches do",
        remedy="np.where(condition, x, 0.0) for x[condition], whose shape depends on the value; "
        "np.where(condition, 1, 0) for a number",
    )


_CHOICES = (
    "np.where(condition, a, b); wg.cond(condition, f, g, x) for an if, "
    "wg.while_loop(condition, step, x) for a while, a & b for a and b"
)
_COUNTS = (
    f"{GATHERED}, np.where(np.arange(len(table)) == i, v, table) for table[i] = v; an integer that "
    "is not traced; wg.fori_loop(0, n, step, x) for a loop over range(n)"
)
_WHOLE = f"an integer that is not traced; {GATHERED}, or for np.take(table, i)"
_SEQUENCES = (list, tuple, str, bytes)
_USUAL = (Traced, float, int, np.ndarray)


def _repeats(value: Tracer, other: Any) -> bool:
    """Whether a product repeats a sequence."""
    return isinstance(other, _SEQUENCES) and not type(value).assignable


def _comparable(value: Tracer, other: object, unequal: bool) -> Any:
    """What a comparison with None or a text gives: for an array an array, as in NumPy."""
    if type(value).python or (other is None and not type(value).assignable):
        return unequal
    return np.full(value.shape, unequal)[()]


def _count(value: Tracer) -> int:
    """How often a list that is multiplied with a scalar is repeated; TypeError as in NumPy."""
    if value.dtype.kind not in "iu":
        kind = value.dtype.type
        raise TypeError(
            f"can't multiply sequence by non-int of type '{kind.__module__}.{kind.__name__}': "
            "np.array(sequence) can be multiplied with a number"
        )
    return int(value)


def _plain_wanted(what: str) -> TracedArrayError:
    return conversion(
        f"{what} was asked of a traced value",
        "a formula in NumPy's functions; wg.custom_jvp for the function of another library "
        "(docs/custom.md); wg.stop_gradient(x) where the derivative is meant to be zero",
    )
