"""Tracing: the values that stand in for arrays, and NumPy's protocols.

A ``Tracer`` is a handle that belongs to a trace. NumPy hands every ufunc and function that meets
one over to it (``__array_ufunc__``, ``__array_function__``), and the trace does what it is for:
write an equation into a Program (``recorder``), keep residuals (``transforms.tape``), carry
a tangent along (``transforms.dual``).

Start reading at ``Trace``. Known to be weak: what no protocol reaches (``math``, C functions, a
plain array's item assignment) can only be answered with an error.
"""

from __future__ import annotations

import itertools
import math
import operator
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np

from .errors import (
    AbstractValueError,
    DtypeError,
    LeakedTracerError,
    ShapeError,
    TracedArrayError,
    UnsupportedError,
)
from .kinds import Linear
from .primitive import UFUNCS, Params, Primitive, Traced
from .program import Array, Type

__all__ = [
    "CREATION",
    "FUNCTIONS",
    "UFUNC_METHODS",
    "ArrayTracer",
    "Trace",
    "Tracer",
    "View",
    "concrete",
    "implements",
    "known",
    "layout",
    "perhaps",
]

FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""What traced arguments make of a NumPy function; filled by ``wengert.numpy``."""

UFUNC_METHODS: dict[tuple[np.ufunc, str], Callable[..., Any]] = {}
"""The same for ``np.add.reduce``, ``np.add.accumulate``, ..., filled by ``wengert.numpy``."""

CREATION: dict[Any, Callable[..., Any]] = {}
"""What a creation function makes when it is called with ``like=x`` for a traced x.

NumPy leaves ``like`` out of the arguments; x is put in front of them.
"""

_serials = itertools.count()


def implements(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: this function is what traced arguments make of each of the NumPy functions."""

    def register(implementation: Callable[..., Any]) -> Callable[..., Any]:
        for function in dict.fromkeys(functions):
            if function in FUNCTIONS:
                raise ValueError(f"{function.__name__} has an implementation already")
            FUNCTIONS[function] = implementation
        return implementation

    return register


class Trace:
    """One run of a function on traced values.

    ``serial`` orders traces by birth: of two that nest, the inner one has the greater number.
    ``open`` is cleared when the function has returned; a traced value is of no use after that.
    """

    def __init__(self) -> None:
        self.serial = next(_serials)
        self.open = True

    def process(self, primitive: Primitive, args: Sequence[Array], params: Params) -> Any:
        """Apply ``primitive`` to ``args``, of which at least one is this trace's own."""
        raise NotImplementedError

    def constant(self, value: Array) -> Tracer:
        """A traced value that does not depend on the inputs."""
        raise NotImplementedError

    def wrap(self, value: Array, node: Any) -> Tracer:
        """A Tracer of the class that fits the value: a scalar, or an array."""
        if type(value) is np.float64 or not value.shape:
            return Tracer(self, value, node)
        return ArrayTracer(self, value, node)

    def force(self, value: Tracer) -> Array:
        """The value of a tracer that has none of its own, where the trace answers for it."""
        return None

    def reveal(self, value: Tracer) -> Array:
        """The same for a plain copy of a number, which no derivative can pass through."""
        return None

    def peek(self, value: Tracer) -> Array:
        """The same to look at its memory layout only, which the trace need not answer for."""
        return None

    def missing(self, value: Tracer, name: str) -> Any:
        """What to give for an attribute that a tracer does not have; NotImplemented: an error."""
        return NotImplemented

    def rescue(
        self, error: Exception, call: Callable[..., Any], args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """What a call of NumPy gives for which there is no rule: here the error."""
        raise error

    def checked(
        self, result: Any, call: Callable[..., Any], args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """The result of a call of NumPy, which the trace may compare with what NumPy gives."""
        return result

    def stands_for(self, value: Tracer, found: type) -> type:
        """The class that ``isinstance`` is to find."""
        return found

    def check_results(self, results: Sequence[Array]) -> None:
        """Refuse results that hold a value of this trace although no operand brought it in."""
        for result in results:
            if isinstance(result, Traced) and result._trace.serial >= self.serial:
                raise TracedArrayError(
                    "a function with a derivative rule of its own used a traced value that is not "
                    "among its arguments, and the rule cannot know of it",
                    remedy="pass the value as an argument",
                )

    def check_open(self) -> None:
        """Raise if the function that was traced has returned."""
        if not self.open:
            raise LeakedTracerError(
                "a traced value outlived the function call that made it (it was kept in a global, "
                "a closure, an attribute or a cache), and its derivative is gone",
                remedy="return the value from the function (has_aux=True for a second result), or "
                "keep wg.stop_gradient(x)",
            )


class Tracer(Traced):
    """A traced number: what a differentiated function is given in place of a NumPy scalar.

    ``_value`` is the number itself, or a Tracer of an enclosing trace, or None where only the type
    is known. ``_node`` is what the trace knows of it: its place on a tape, its tangent, its Var.
    """

    __slots__ = ()
    __array_priority__ = 1000.0

    def __init__(self, trace: Trace, value: Array, node: Any) -> None:
        self._trace = trace
        self._value = value
        self._node = node

    __hash__ = None

    @property
    def __class__(self) -> Any:
        found = type(self)
        return self._trace.stands_for(self, found)

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
        if self.size == 1 and self.dtype.kind != "b" and concrete(self) is None:
            truth = self != 0
        return bool(known(truth, "the truth of", "np.where(condition, a, b)"))

    def __int__(self) -> int:
        whole = self
        if self.dtype.kind == "f" and self.size == 1 and concrete(self) is None:
            whole = np.trunc(self)
        return int(known(whole, "the integer part of", "an integer that is not traced"))

    def __index__(self) -> int:
        if self.dtype.kind not in "iub":
            raise TypeError(f"a traced {self.dtype} cannot be used as an index or a count")
        return int(known(self, "the index", "an integer that is not traced"))

    def __float__(self) -> float:
        return float(self._plainly("a Python float"))

    def __complex__(self) -> complex:
        return complex(self._plainly("a Python complex number"))

    def _plainly(self, what: str) -> Array:
        """The value where nothing is differentiated, as under ``jit`` alone; an error elsewhere."""
        value = self._trace.reveal(self)
        if value is None:
            raise _plain_wanted(what)
        return value

    def __round__(self, digits: int | None = None) -> Any:
        rounded = FUNCTIONS[np.round](self, 0 if digits is None else digits)
        return int(rounded) if digits is None else rounded

    def __floor__(self) -> int:
        return int(np.floor(self))

    def __ceil__(self) -> int:
        return int(np.ceil(self))

    def __trunc__(self) -> int:
        return int(self)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        # A copy of the trace as well would be a trace that no derivative ever reads.
        return self.copy()

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TracedArrayError(
            "a traced value was pickled or sent to another process, which cuts the derivative",
            remedy="the same computation in this process, or wg.stop_gradient(x) of a value "
            "that is only to be stored",
        )

    def item(self, *index: Any) -> Any:
        """Refused, like ``float``: a Python number has no derivative."""
        return self._plainly("a Python number by .item()").item(*index)

    def tolist(self) -> Any:
        """Nested lists of traced numbers."""
        value = None if self.dtype.char in "dD" else self._trace.force(self)
        if value is not None:
            return value.tolist()
        return self if not self.shape else [row.tolist() for row in self]

    # -- NumPy's protocols -----------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Array, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs:
            primitive = UFUNCS.get(ufunc)
            if primitive is not None:
                if len(inputs) == 1:
                    return self._trace.process(primitive, inputs, {})
                return primitive.bind(*inputs)
        try:
            result = _ufunc(ufunc, method, inputs, dict(kwargs))
            if "out" in kwargs:
                return result
            return self._trace.checked(result, getattr(ufunc, method), inputs, kwargs)
        except (UnsupportedError, TracedArrayError) as error:
            return self._trace.rescue(error, getattr(ufunc, method), inputs, kwargs)

    def __array_function__(
        self, func: Any, types: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        creation = CREATION.get(func)
        if creation is not None:
            return creation(self, *args, **kwargs)
        implementation = FUNCTIONS.get(func)
        try:
            if implementation is None:
                module = getattr(func, "__module__", "numpy") or "numpy"
                raise no_rule(f"{module.replace('numpy', 'np', 1)}.{func.__name__}")
            if "out" not in kwargs:
                return self._trace.checked(implementation(*args, **kwargs), func, args, kwargs)
            others = {name: value for name, value in kwargs.items() if name != "out"}
            result = implementation(*args, **others)
            return result if kwargs["out"] is None else store(kwargs["out"], result, True)
        except (UnsupportedError, TracedArrayError) as error:
            return self._trace.rescue(error, func, args, kwargs)

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
        if isinstance(other, _SEQUENCES) and _counts(self):
            return int(self) * other
        return _operate(np.multiply, self, other)

    def __rmul__(self, other: Array) -> Any:
        if isinstance(other, _SEQUENCES) and _counts(self):
            return other * int(self)
        return _operate_right(np.multiply, other, self)

    def __truediv__(self, other: Array) -> Any:
        return _operate(np.divide, self, other)

    def __rtruediv__(self, other: Array) -> Any:
        return _operate_right(np.divide, other, self)

    def __pow__(self, other: Array) -> Any:
        return _operate(np.power, self, other)

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

    def __matmul__(self, other: Array) -> Any:
        return FUNCTIONS[np.matmul](self, other)

    def __rmatmul__(self, other: Array) -> Any:
        return FUNCTIONS[np.matmul](other, self)

    def __neg__(self) -> Any:
        return UFUNCS[np.negative].bind(self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return FUNCTIONS[np.absolute](self)

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

    def __eq__(self, other: object) -> Any:
        if other is None or isinstance(other, str):
            return False
        return UFUNCS[np.equal].bind(self, other)

    def __ne__(self, other: object) -> Any:
        if other is None or isinstance(other, str):
            return True
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
        return FUNCTIONS[np.matrix_transpose](self)

    @property
    def real(self) -> Any:
        """The real part."""
        return FUNCTIONS[np.real](self)

    @real.setter
    def real(self, value: Array) -> None:
        self.real[...] = value

    @property
    def imag(self) -> Any:
        """The imaginary part."""
        return FUNCTIONS[np.imag](self)

    @imag.setter
    def imag(self, value: Array) -> None:
        if self.dtype.kind != "c":
            raise TypeError("a real array has no imaginary part to assign to")
        self.imag[...] = value

    @property
    def flat(self) -> Any:
        """The elements in one row: to run over, to index, and to assign into."""
        return FUNCTIONS["flat"](self)

    def flatten(self, order: str = "C") -> Any:
        """The elements in one row, as a copy."""
        return FUNCTIONS[np.ravel](self, order).copy()

    def copy(self, order: str = "C") -> Any:
        """A value of its own: later assignments to either do not reach the other."""
        return self

    def astype(self, dtype: Any, **_: Any) -> Any:
        """The same values as another dtype."""
        return FUNCTIONS[np.astype](self, dtype)

    def conj(self) -> Any:
        """Complex conjugate."""
        return UFUNCS[np.conjugate].bind(self)

    conjugate = conj

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        """``np.reshape``."""
        return FUNCTIONS[np.reshape](self, shape[0] if len(shape) == 1 else shape, order=order)

    def transpose(self, *axes: Any) -> Any:
        """``np.transpose``."""
        order = axes[0] if len(axes) == 1 else axes or None
        return FUNCTIONS[np.transpose](self, order)

    def dot(self, other: Array) -> Any:
        """``np.dot``."""
        return FUNCTIONS[np.dot](self, other)

    def clip(self, min: Any = None, max: Any = None) -> Any:
        """``np.clip``."""
        return FUNCTIONS[np.clip](self, min, max)

    def __getattr__(self, name: str) -> Any:
        """The other methods of an ndarray, and those by which NumPy treats object elements."""
        function = _METHODS.get(name)
        if function is not None:
            implementation = FUNCTIONS.get(function)
            if implementation is not None:
                return lambda *args, **kwargs: self._trace.checked(
                    implementation(self, *args, **kwargs), function, (self, *args), kwargs
                )
            if function in UFUNCS:
                return lambda: UFUNCS[function].bind(self)
        found = self._trace.missing(self, name)
        if found is not NotImplemented:
            return found
        hint = f"; try np.{name}(x)" if callable(getattr(np, name, None)) else ""
        raise AttributeError(f"a traced array has no attribute {name!r}{hint}")


_METHODS: dict[str, Any] = {
    name: getattr(np, name)
    for name in (
        *"sum prod mean var std max min argmax argmin cumsum cumprod all any ptp trace".split(),
        *"ravel squeeze swapaxes repeat diagonal take nonzero argsort round put".split(),
        *"sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh exp exp2".split(),
        *"expm1 log log2 log10 log1p sqrt cbrt square reciprocal floor ceil rint trunc".split(),
        *"sign deg2rad rad2deg radians degrees fabs logical_not isnan isfinite isinf".split(),
    )
}


_SEQUENCES = (list, tuple, str, bytes)


def _counts(value: Tracer) -> bool:
    """Whether a value is an integer scalar, which repeats a list that it is multiplied with."""
    return value.dtype.kind in "iu" and not isinstance(value, ArrayTracer)


def _plain_wanted(what: str) -> TracedArrayError:
    return TracedArrayError(
        f"{what} was asked of a traced value, which would cut the derivative. math.sin and its "
        "kin, float(), item assignment into a plain array and compiled functions do this",
        remedy="np.sin(x) for math.sin(x); no float(); np.zeros_like(x) or np.zeros(n, like=x) for "
        "an array to assign into; wg.numpy.array([a, b]) for np.array([a, b]) where a NumPy "
        "function asked for it; wg.stop_gradient(x) where the derivative is meant to be zero",
    )


def _ufunc_name(ufunc: np.ufunc) -> str:
    name = ufunc.__name__
    for home, module in (("np", np), ("scipy.special", sys.modules.get("scipy.special"))):
        if getattr(module, name, None) is ufunc:
            return f"{home}.{name}"
    return name


def no_rule(name: str) -> UnsupportedError:
    """The error for a NumPy function without a rule."""
    short = name.rsplit(".", 1)[-1]
    names = {f.__name__ for f in [*FUNCTIONS, *UFUNCS] if hasattr(f, "__name__")}
    hint = f"np.{short}" if short in names else "a formula in other NumPy functions"
    return UnsupportedError(
        f"{name} was called with a traced array, and wengert has no rule for it",
        remedy=f"{hint}; wg.custom_jvp for a function with a rule of your own; or call it with "
        "wg.stop_gradient(x) where the derivative is meant to be zero",
    )


def _ufunc(ufunc: np.ufunc, method: str, inputs: Sequence[Array], kwargs: dict[str, Any]) -> Any:
    """A ufunc's call or method with any of its options."""
    if method == "__call__":
        primitive = UFUNCS.get(ufunc)
        call = primitive.bind if primitive is not None else FUNCTIONS.get(ufunc)
    else:
        call = UFUNC_METHODS.get((ufunc, method))
    name = _ufunc_name(ufunc) + ("" if method == "__call__" else f".{method}")
    if call is None:
        raise no_rule(name)
    out = kwargs.pop("out", None)
    mask = kwargs.pop("where", True) if method == "__call__" else True
    dtype = kwargs.pop("dtype", None) if method == "__call__" else None
    if kwargs and method == "__call__":
        raise UnsupportedError(f"{name} with {', '.join(kwargs)} is not differentiated")
    if dtype is not None:
        inputs = tuple(FUNCTIONS[np.astype](x, dtype) for x in inputs)
    if mask is not True:
        inputs = _unasked(inputs, mask)
    result = call(*inputs, **kwargs)
    if out is None:
        if mask is not True:
            raise UnsupportedError(
                f"{name} with where= and without out= leaves elements undefined",
                remedy="np.where(mask, f(x), y)",
            )
        return result
    (target,) = out
    return store(target, result, mask)


def _unasked(inputs: Sequence[Array], mask: Array) -> tuple[Array, ...]:
    """The operands with NaN where ``where=`` is False: as in NumPy, nothing there may warn."""
    operands = [plain(x) for x in inputs]
    for i, x in enumerate(operands):
        if isinstance(x, float) or getattr(x, "dtype", np.dtype(int)).kind in "fc":
            operands[i] = FUNCTIONS[np.where](mask, x, np.nan)
            break
    return tuple(operands)


def _operate(ufunc: np.ufunc, left: Tracer, right: Array) -> Any:
    """A binary operator whose left operand is traced, by the shortest way to its trace."""
    primitive = UFUNCS[ufunc]
    if isinstance(right, Traced) and right._trace is not left._trace:
        return primitive.bind(left, right)
    return left._trace.process(primitive, (left, right), {})


def _operate_right(ufunc: np.ufunc, left: Array, right: Tracer) -> Any:
    """The same where the left operand is not traced, or by a trace of which less is known."""
    if isinstance(left, Traced):  # The right one is of a subclass: Python asks that first.
        return UFUNCS[ufunc].bind(left, right)
    return right._trace.process(UFUNCS[ufunc], (left, right), {})


def concrete(value: Array) -> Array:
    """The array under all traces, or None where a trace knows the type only."""
    while isinstance(value, Traced):
        value = value._value
    return value


def perhaps(value: Array) -> Array:
    """The array under all traces, for which a trace may have to answer; None if it is not known."""
    while isinstance(value, Traced):
        below = value._value
        value = value._trace.force(value) if below is None else below
    return value


def layout(value: Array) -> Array:
    """The array under all traces, to ask how it lies in memory; None if that is not known."""
    while isinstance(value, Traced):
        below = value._value
        value = value._trace.peek(value) if below is None else below
    return value


def known(value: Array, what: str, remedy: str) -> Array:
    """The array under all traces; an error where a trace knows the type only."""
    found = perhaps(value)
    if found is None:
        raise AbstractValueError(
            f"Python asked for {what} a traced {Type.of(value)} whose value is not known here, "
            "because the function is traced once for all values, as vmap does",
            remedy=remedy,
        )
    return found


# -- arrays: sequences that can be assigned into ---------------------------------------------------


class ArrayTracer(Tracer):
    """A traced array with at least one axis.

    Assignment (``x[i] = v``, ``x += v``) is functional underneath: the handle is given the updated
    value, and views into it see the update, as in NumPy.
    """

    __slots__ = ("_version",)

    def __init__(self, trace: Trace, value: Array, node: Any) -> None:
        self._trace = trace
        self._value = value
        self._node = node
        self._version = 0

    @property
    def version(self) -> int:
        """Counts the assignments to this array, for its views."""
        return self._version

    def __array__(self, dtype: Any = None, **_: Any) -> Any:
        if self.dtype.kind in "iub":
            remedy = "np.take_along_axis(table, i, axis=0) for table[i] of a plain table"
            return np.asarray(known(self, "the elements of", remedy), dtype)
        value = self._trace.reveal(self)
        if value is not None:
            return np.asarray(value, dtype)
        raise TracedArrayError(
            f"a traced {Type.of(self)} was converted to a plain array, which would cut the "
            "derivative. np.asarray, np.array([rows]) and functions that are not written in NumPy "
            "do this",
            remedy="x for np.asarray(x), x.copy() for np.array(x); np.stack([a, b]) for "
            "np.array([a, b]) of arrays, or wg.numpy.array, which takes both; np.linalg for "
            "scipy.linalg; wg.custom_jvp for the function of another library",
        )

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(self.shape[0]))

    def __getitem__(self, index: Any) -> Any:
        return FUNCTIONS[operator.getitem](self, index)

    def __contains__(self, value: object) -> bool:
        return bool(FUNCTIONS[np.any](self == value))

    def __setitem__(self, index: Any, value: Array) -> None:
        new = FUNCTIONS[operator.setitem](self, index, value)
        if new is not self:
            self.assign(new)

    def __pos__(self) -> Any:
        return snapshot(self)

    def copy(self, order: str = "C") -> Any:
        value = layout(self)
        if value is None or order == "K":
            return snapshot(self)
        if order == "F" or (order == "A" and value.flags.fnc):
            return self.T.copy().T
        if value.flags.c_contiguous:
            return snapshot(self)
        # How it lies in memory decides which reshapes of the copy are views of it.
        flat = FUNCTIONS[np.reshape](self, (self.size,), copy=True)
        if not layout(flat).flags.c_contiguous:
            flat = UFUNCS[np.positive].bind(flat)
        return snapshot(FUNCTIONS[np.reshape](flat, self.shape))

    def fill(self, value: Array) -> None:
        """Assign ``value`` to every element."""
        self[...] = value

    def compress(self, condition: Array, axis: int | None = None) -> Any:
        """``np.compress``."""
        return FUNCTIONS[np.compress](condition, self, axis)

    def sort(self, axis: int = -1, **kwargs: Any) -> None:
        """Sort in place."""
        self.assign(FUNCTIONS[np.sort](self, axis=axis, **kwargs))

    def assign(self, new: Tracer) -> None:
        """Give this handle, and what it is a view of, another value of the same shape."""
        self._trace = new._trace
        self._value = new._value
        self._node = new._node
        self._version += 1

    def _update(self, new: Any) -> ArrayTracer:
        if new.shape != self.shape:
            raise ShapeError(
                f"an array of shape {self.shape} cannot take a result of shape {new.shape} in place"
            )
        if new.dtype != self.dtype:
            if not np.can_cast(new.dtype, self.dtype, "same_kind"):
                raise DtypeError(f"{new.dtype} does not fit in place into {self.dtype}")
            new = new.astype(self.dtype)
        self.assign(new)
        return self

    def __iadd__(self, other: Array) -> Any:
        return self._update(self + other)

    def __isub__(self, other: Array) -> Any:
        return self._update(self - other)

    def __imul__(self, other: Array) -> Any:
        return self._update(self * other)

    def __itruediv__(self, other: Array) -> Any:
        return self._update(self / other)

    def __ipow__(self, other: Array) -> Any:
        return self._update(self**other)

    def __ifloordiv__(self, other: Array) -> Any:
        return self._update(self // other)

    def __imod__(self, other: Array) -> Any:
        return self._update(self % other)

    def __imatmul__(self, other: Array) -> Any:
        return self._update(self @ other)


class View(ArrayTracer):
    """A basic slice, a transpose or a reshape: it knows what it is a view of.

    Reading it reads the base again if that has been assigned to since; assigning to it assigns to
    the base through the primitive's ``view`` rule. ``operands`` are the primitive's further ones.
    """

    __slots__ = (
        "_base",
        "_fresh_node",
        "_fresh_trace",
        "_fresh_value",
        "_operands",
        "_params",
        "_primitive",
        "_seen",
    )

    def __init__(
        self,
        made: ArrayTracer,
        base: ArrayTracer,
        primitive: Linear,
        params: Params,
        operands: Sequence[Array] = (),
    ) -> None:
        self._fresh_trace = made._trace
        self._fresh_value = made._value
        self._fresh_node = made._node
        self._version = 0
        self._base = base
        self._primitive = primitive
        self._params = params
        self._operands = operands
        self._seen = base.version

    @property
    def version(self) -> int:
        """Counts the assignments to the base."""
        return self._base.version

    def _refresh(self) -> None:
        self._seen = self._base.version
        made = self._primitive.bind(self._base, *self._operands, **self._params)
        self._fresh_trace = made._trace
        self._fresh_value = made._value
        self._fresh_node = made._node

    @property
    def _trace(self) -> Any:
        if self._seen != self._base.version:
            self._refresh()
        return self._fresh_trace

    @property
    def _value(self) -> Array:
        if self._seen != self._base.version:
            self._refresh()
        return self._fresh_value

    @property
    def _node(self) -> Any:
        if self._seen != self._base.version:
            self._refresh()
        return self._fresh_node

    def assign(self, new: Tracer) -> None:
        assert self._primitive.view is not None
        written = self._primitive.view(self._base, new, *self._operands, **self._params)
        self._base.assign(written)
        self._seen = -1

    @property
    def base(self) -> ArrayTracer:
        """What this is a view of."""
        return self._base

    def is_part(self, base: Array, primitive: Linear, index: Any) -> bool:
        """Whether this is what ``base[index]`` gives: then ``base[index] = self`` does nothing."""
        same = self._base is base and self._primitive is primitive
        return same and self._params["index"] == index


class Element(View):
    """One element as a view: what ``x[..., i]`` is of an array x with one axis, in NumPy too.

    It follows x and can be assigned to in place, but it is no sequence: ``np.array([a, b])`` of two
    makes an array of two numbers.
    """

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        if name == "__array__":
            raise AttributeError("a traced number is not an array")
        return super().__getattribute__(name)

    def __len__(self) -> int:
        raise TypeError("len() of a traced number")

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("iteration over a traced number")


def snapshot(tracer: Traced) -> Tracer:
    """A handle of its own on the same value: later assignments to either do not reach the other."""
    kind = ArrayTracer if isinstance(tracer, ArrayTracer) and tracer.shape else Tracer
    return kind(tracer._trace, tracer._value, tracer._node)


def as_view(
    base: Array, made: Any, primitive: Linear, params: Params, operands: Sequence[Array] = ()
) -> Any:
    """``made``, the result of ``primitive`` on ``base``, as a view of ``base`` where it is one."""
    if isinstance(base, ArrayTracer) and isinstance(made, ArrayTracer):
        return View(made, base, primitive, params, operands)
    return made


def store(target: Any, result: Array, mask: Any) -> Any:
    """``target[mask] = result`` in place, for the ``out`` of a NumPy function."""
    if isinstance(target, tuple):
        (target,) = cast("tuple[Any]", target)
    if not isinstance(target, ArrayTracer):
        raise TracedArrayError(
            f"a traced result cannot be written into a plain array of shape {np.shape(target)}: "
            "its derivative would be lost",
            remedy="y = f(x) without out=, or an out that is np.zeros_like(x) of a traced x",
        )
    if mask is not True:
        result = FUNCTIONS[np.where](mask, result, target)
    return target._update(FUNCTIONS[np.broadcast_to](result, target.shape))


# -- operands and results as primitives take and give them -----------------------------------------


def strong(result: Any) -> Any:
    """A Python complex number, which NumPy's scalars can give, as a NumPy scalar."""
    return np.complex128(result) if type(result) is complex else result


def plain(arg: Array) -> Array:
    """An operand as primitives take it: lists, and arrays of traced numbers, become arrays."""
    kind = type(arg)
    if isinstance(arg, (Traced, np.generic, float, int, complex)):
        return arg
    if kind is np.ndarray and arg.dtype.kind != "O":
        return arg
    if isinstance(arg, np.ndarray):
        check_kind(arg)
        return FUNCTIONS[np.array](arg)
    if isinstance(arg, (list, tuple)):
        return FUNCTIONS[np.array](arg)
    sparse = "; x.toarray() of a sparse matrix" if hasattr(arg, "toarray") else ""
    raise TracedArrayError(
        f"a traced array cannot be combined with a {kind.__name__}",
        remedy=f"a number, a NumPy array or a list of numbers{sparse}",
    )


def check_kind(array: np.ndarray[Any, Any]) -> None:
    """Refuse the kinds of array whose arithmetic is not that of an ndarray."""
    kind = type(array)
    if isinstance(array, np.ma.MaskedArray):
        remedy = "np.where(mask, 0.0, x) with the mask as an array of its own"
    elif isinstance(array, np.matrix):
        remedy = "np.asarray(x), with @ for the matrix product"
    elif kind.__array_ufunc__ is not np.ndarray.__array_ufunc__:
        remedy = "np.asarray(x) of the plain numbers"
    else:
        return
    raise UnsupportedError(
        f"wengert differentiates plain arrays, and a {kind.__name__} computes by rules of its own",
        remedy=remedy,
    )
