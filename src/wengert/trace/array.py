"""Traced arrays, which can be assigned into, and views of them.

A traced array is a handle on a value that does not change. Assigning to it gives the handle another
value, and a view knows what it is a view of, so that both see what they would see in NumPy.

Arrays without axes are arrays here where they are in NumPy (``np.array(v)``, ``x[..., 0]``), and
numbers elsewhere (``x[0]``, the result of a ufunc). Below the handle both are numbers.
"""

from __future__ import annotations

import math
import opcode
import operator
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import FrameType
from typing import Any, cast

import numpy as np

from ..errors import DtypeError, ReadOnlyError, ShapeError, UnsupportedError
from ..frames import is_ours, running
from ..kinds import Linear
from ..memory import laid
from ..primitive import Params, Traced
from ..program import Array, Type
from .base import GATHERED, Trace, known, layout
from .causes import conversion
from .number import Tracer
from .protocols import FUNCTIONS, call_into

__all__ = [
    "ArrayTracer",
    "Flat",
    "PlacedView",
    "ReadOnlyArgument",
    "ReadOnlyView",
    "View",
    "as_array",
    "as_number",
    "as_view",
    "lay",
    "ordered",
    "snapshot",
    "whole",
    "wrap",
    "written_since",
]


_ERA = 32
"""The bits of a version that count assignments; those above count the shapes of the array."""


class ArrayTracer(Tracer):
    """A traced array.

    Assignment (``x[i] = v``, ``x += v``) is functional underneath: the handle is given the updated
    value, and views into it see the update, as in NumPy.
    """

    __slots__ = ("_version",)
    __hash__ = None  # pyright: ignore[reportAssignmentType]

    assignable = True

    def __init__(self, trace: Trace, value: Array, node: Any) -> None:
        self._trace = trace
        self._value = value
        self._node = node
        self._version = 0

    def _plain_class(self) -> type:
        return np.ndarray

    @property
    def _age(self) -> int:
        """Counts the shapes that this array has been given."""
        return self._version >> _ERA

    @property
    def version(self) -> int:
        """Counts the assignments to this array, for its views."""
        return self._version

    @property
    def __array__(self) -> Any:
        frame = sys._getframe(1)
        code = frame.f_code
        loads = "__array__" in code.co_names and code.co_code[frame.f_lasti] in _LOADS
        if loads and not is_ours(code.co_filename):
            return self._itself
        return self._converted if self.shape else self._as_object

    def _itself(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """What ``x.__array__()`` gives that somebody writes: the array, not one for C code."""
        if dtype is None:
            return self.copy() if copy else self
        return self.astype(dtype, copy=bool(copy))

    def _as_object(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """A plain array of objects with this in it: ``np.array([a, b])`` makes one of two."""
        if dtype not in (None, object):
            return self._converted(dtype, copy)
        FUNCTIONS["box"](self)
        found = np.empty(1, object)
        found[0] = number = as_number(self) if copy else whole(self, Witness)
        FUNCTIONS["box"](number)
        found = found.reshape(())
        found.flags.writeable = bool(copy)
        return found

    def _converted(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self.dtype.kind in "iub":
            value = known(self, "the elements of", GATHERED)
        else:
            value = self._trace.reveal(self)
        if value is not None:
            return self._trace.lend(self, np.array(value, dtype, copy=copy))
        raise self._trace.refused(
            conversion(
                f"a traced {Type.of(self)} was converted to a plain array",
                _CONVERTED,
                INSTEAD.get(running(INSTEAD) or "", ""),
            )
        )

    if sys.version_info >= (3, 12):  # Before that Python asks nobody.

        def __buffer__(self, flags: int) -> memoryview:
            """Refused: memory has no derivative."""
            return memoryview(self._converted())

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(self.shape[0]))

    def __getitem__(self, index: Any) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        return FUNCTIONS[operator.getitem](self, index)

    def __contains__(self, value: object) -> bool:
        return bool(FUNCTIONS[np.any](self == value))

    def __setitem__(self, index: Any, value: Array) -> None:
        if isinstance(value, Traced) and type(value).derived and value.stale:
            _check_swap(sys._getframe(1))
        while True:
            seen = self.version
            new = self._trace.assignment(self, self._changed, index, value)
            if new is self:
                return
            if self.assign(new, seen):
                break
        if type(new).rooted:
            FUNCTIONS["still a root"](self, new)

    def _changed(self, index: Any, value: Array) -> Any:
        """The array that this becomes by ``self[index] = value``."""
        return FUNCTIONS[operator.setitem](self, index, value)

    def __pos__(self) -> Any:
        if self.dtype.kind == "b":
            return np.positive(np.zeros(self.shape, bool))  # NumPy's error
        return self.copy("K") if self.shape else as_number(self)

    def copy(self, order: str = "C") -> Any:
        model = layout(self)
        if order == "C" and model.flags.c_contiguous:
            return snapshot(self)
        return lay(self, np.empty_like(model, order=cast("Any", order)))

    @property
    def writeable(self) -> bool:
        """Whether the array can be assigned to."""
        return True

    def root(self) -> ArrayTracer:
        """The array of which this is a view, itself if it is none."""
        return self

    def fill(self, value: Array) -> None:
        """Assign ``value``, a number, to every element."""
        if np.ndim(value):
            raise ValueError("setting an array element with a sequence.")
        self[...] = value

    def compress(self, condition: Array, axis: int | None = None, out: Any = None) -> Any:
        """``np.compress``."""
        return call_into(FUNCTIONS[np.compress], condition, self, axis, out=out)

    def sort(self, axis: int = -1, **kwargs: Any) -> None:
        """Sort in place."""
        self.assign(FUNCTIONS[np.sort](self, axis=axis, **kwargs))

    def partition(self, kth: Any, axis: int = -1, **kwargs: Any) -> None:
        """Partition in place."""
        self.assign(FUNCTIONS[np.partition](self, kth, axis=axis, **kwargs))

    def tolist(self) -> Any:
        """Nested lists of traced numbers; one number of an array without axes."""
        return as_number(super().tolist())

    def view(self, dtype: Any = None, type: Any = None) -> Any:
        """Another array in the same memory, of the same dtype."""
        return whole(super().view(dtype, type))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array. Another one of as many elements can be given to it."""
        value = self._value
        return value.shape if value is not None else self._node.type.shape

    @shape.setter
    def shape(self, shape: Any) -> None:
        try:
            made = FUNCTIONS[np.reshape](self, shape, copy=False)
        except ValueError as error:
            if "copy" not in str(error):
                raise
            raise AttributeError("Incompatible shape for in-place modification.") from None
        self._reform(made)

    def resize(self, *new_shape: Any, refcheck: bool = True) -> None:
        """Give the array another shape in place, cut off or continued by zeros."""
        given: Any = new_shape[0] if len(new_shape) == 1 else new_shape
        shape: tuple[int, ...] = (given,) if np.ndim(given) == 0 else tuple(given)
        if not new_shape or shape == self.shape:
            return
        if any(n < 0 for n in shape):
            raise ValueError("negative dimensions not allowed")
        if type(self).derived:
            raise ValueError("cannot resize this array: it does not own its data")
        flat = FUNCTIONS[np.ravel](self)[: math.prod(shape)]
        missing = math.prod(shape) - flat.shape[0]
        padded = FUNCTIONS[np.pad](flat, (0, missing)) if missing else flat
        self._reform(FUNCTIONS[np.reshape](padded, shape))

    def _reform(self, new: Any) -> None:
        """Give this handle a value of another shape. Views that were made before have an end."""
        self._trace.assigned(self)
        self._trace = new._trace
        self._value = new._value
        self._node = new._node
        self._version = ((self._version >> _ERA) + 1) << _ERA

    def assign(self, new: Tracer, seen: int | None = None) -> bool:
        """Give this handle, and what it is a view of, another value of the same shape.

        False, and nothing is done, if its version is not the one that was ``seen`` when the value
        was made: another thread has assigned to other elements meanwhile.
        """
        self._trace.assigned(self)
        if not _alike(self, new):
            new = lay(new, layout(self))
        trace, value, node = new._trace, new._value, new._node
        if seen is not None and self._version != seen:
            return False
        # Nothing is called from here on, so that no other thread runs in between.
        self._trace = trace
        self._value = value
        self._node = node
        self._version += 1
        return True

    def _update(self, new: Any) -> ArrayTracer:
        if not isinstance(new, Traced):
            new = self._trace.constant(new if new.shape else new[()])
        if new.shape != self.shape:
            raise ShapeError(
                f"an array of shape {self.shape} cannot take a result of shape {new.shape} in place"
            )
        if new.dtype != self.dtype:
            if not np.can_cast(new.dtype, self.dtype, "same_kind"):
                raise DtypeError(f"{new.dtype} does not fit in place into {self.dtype}")
            new = new.astype(self.dtype)
        self.assign(new)
        if type(new).rooted:
            FUNCTIONS["still a root"](self, new)
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


# -- views -----------------------------------------------------------------------------------------


class View(ArrayTracer):
    """A basic slice, a transpose or a reshape: it knows what it is a view of.

    Reading it reads the base again if that has been assigned to since; assigning to it assigns to
    the base through the primitive's ``view`` rule. ``operands`` are the primitive's further ones.
    Without a primitive it is a view of the whole base.
    """

    derived = True

    __slots__ = (
        "_base",
        "_era",
        "_fresh_node",
        "_fresh_trace",
        "_fresh_value",
        "_operands",
        "_params",
        "_primitive",
        "_seen",
        "_source",
    )

    def __init__(
        self,
        made: Tracer,
        base: ArrayTracer,
        primitive: Linear | None,
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
        self._source: ArrayTracer = cast("View", base)._source if type(base).derived else base
        self._seen = self._source._version
        self._era = base._age

    @property
    def version(self) -> int:
        """Counts the assignments to the base."""
        return self._source._version

    @property
    def _age(self) -> int:
        """Counts the shapes that the base has been given."""
        return self._base._age

    def _check_shape(self) -> None:
        """Refuse a view of an array that has been given another shape since."""
        if self._base._age != self._era:
            raise UnsupportedError(
                "a view of a traced array was used after the shape of that was changed in place",
                remedy="x = x.reshape(shape) for x.shape = shape",
            )

    def _refresh(self) -> None:
        self._check_shape()
        seen = self._source._version
        made: Any = self._base
        if self._primitive is not None:
            made = self._primitive.bind(made, *self._operands, **self._params)
        self._fresh_trace = made._trace
        self._fresh_value = made._value
        self._fresh_node = made._node
        self._seen = seen

    @property
    def _trace(self) -> Any:
        if self._seen != self._source._version:
            self._refresh()
        return self._fresh_trace

    @property
    def _value(self) -> Array:
        if self._seen != self._source._version:
            self._refresh()
        return self._fresh_value

    @property
    def _node(self) -> Any:
        if self._seen != self._source._version:
            self._refresh()
        return self._fresh_node

    def root(self) -> ArrayTracer:
        return self._base.root()

    @property
    def writeable(self) -> bool:
        return self._base.writeable

    def assign(self, new: Tracer, seen: int | None = None) -> bool:
        self._check_shape()
        part = new
        while True:
            version = self._source._version if seen is None else seen
            new = self._base_with(part)
            if self._base.assign(new, version):
                break
            if seen is not None:
                return False
        if type(new).rooted:
            FUNCTIONS["still a root"](self._base, new)
        self._seen = -1
        return True

    def _base_with(self, part: Tracer) -> Tracer:
        """What the base becomes when this is given another value."""
        if self._primitive is None:
            return part
        assert self._primitive.view is not None
        new = self._primitive.view(self._base, part, *self._operands, **self._params)
        if type(part).rooted or type(self._base).rooted:
            put = partial(_put, self._primitive.view, self._operands, self._params)
            new = FUNCTIONS["written"](new, self._base, part, put)
        return new

    def _reform(self, new: Any) -> None:
        if type(self) not in (View, ReadOnlyView):
            raise UnsupportedError(
                "the shape of a view of a traced array was changed in place",
                remedy="x = x.reshape(shape) for x.shape = shape",
            )
        inner = _Reformed(self, self._base, self._primitive, self._params, self._operands)
        self._base, self._primitive = inner, new._primitive
        self._params, self._operands = new._params, ()
        self._source._version += 1  # Views of this one are read anew, and find that it has changed.
        self._era = inner._age
        self._refresh()

    @property
    def base(self) -> ArrayTracer:
        """What this is a view of."""
        return self._base

    @property
    def stale(self) -> bool:
        """Whether the base has been assigned to since this was read."""
        return self._seen != self._source._version

    def placed(self, model: Array) -> Array:
        """NumPy's view of an array that lies in memory as the root does."""
        base = self._base
        if type(base).derived:
            model = cast("View", base).placed(model)
        if self._primitive is None:
            return model
        params = self._params
        if params.get("shape") == ():  # Of which a primitive makes a number.
            return model.reshape(())
        if "index" in params and not self._operands:
            return model[(*params["index"], ...)]  # the same of an element
        return self._primitive.evaluate(model, *self._operands, **params)

    def is_part(self, base: Array, primitive: Linear, index: Any) -> bool:
        """Whether this is what ``base[index]`` gives: then ``base[index] = self`` does nothing."""
        same = self._base is base and self._primitive is primitive
        return same and self._params["index"] == index


class _Reformed(View):
    """A view as it was before it was given another shape: views of that one have an end."""

    __slots__ = ()

    @property
    def _age(self) -> int:
        return super()._age + 1


def _put(
    view: Callable[..., Array], operands: Sequence[Array], params: Params, base: Array, part: Array
) -> Array:
    """The base after an assignment to a view of it."""
    return view(base, part, *operands, **params)


class ReadOnlyView(View):
    """A view that NumPy does not let be written to, such as a broadcast array."""

    __slots__ = ()

    @property
    def writeable(self) -> bool:
        return False

    def assign(self, new: Tracer, seen: int | None = None) -> bool:
        raise _read_only()


class ReadOnlyArgument(ReadOnlyView):
    """An argument that is read-only: a view of what the caller's array holds, and of no other."""

    __slots__ = ()

    @property
    def base(self) -> Any:
        """That of an argument: none."""
        return None


def _read_only() -> ReadOnlyError:
    return ReadOnlyError(
        "assignment destination is read-only: diagonals, broadcast arrays and some others are "
        "views that NumPy does not let be written to",
        remedy="y = y.copy() in front of it; np.fill_diagonal(x, v) for a diagonal",
    )


class PlacedView(View):
    """A view that the primitive reads as a copy, such as a diagonal.

    ``place`` gives NumPy's view of an array that lies in memory as the base does.
    """

    __slots__ = ("_fixed", "_place")

    def __init__(
        self,
        made: Tracer,
        base: ArrayTracer,
        primitive: Linear,
        params: Params,
        operands: Sequence[Array],
        place: Callable[[Array], Array],
        writeable: bool,
    ) -> None:
        super().__init__(made, base, primitive, params, operands)
        self._place = place
        self._fixed = not writeable
        self._put_in_place()

    def _put_in_place(self) -> None:
        made = ArrayTracer(self._fresh_trace, self._fresh_value, self._fresh_node)
        made = lay(made, self._place(layout(self._base)))
        self._fresh_trace = made._trace
        self._fresh_value = made._value
        self._fresh_node = made._node

    def _refresh(self) -> None:
        super()._refresh()
        self._put_in_place()

    def placed(self, model: Array) -> Array:
        base = self._base
        return self._place(cast("View", base).placed(model) if type(base).derived else model)

    @property
    def writeable(self) -> bool:
        return not self._fixed and super().writeable

    def assign(self, new: Tracer, seen: int | None = None) -> bool:
        if self._fixed:
            raise _read_only()
        return super().assign(new, seen)


class Witness(View):
    """An array without axes in an array of objects, of which it is no part any more in NumPy."""

    __slots__ = ()

    @property
    def writeable(self) -> bool:
        return False

    def assign(self, new: Tracer, seen: int | None = None) -> bool:
        self._refresh()
        return True

    def _refresh(self) -> None:
        raise written_since()


def written_since() -> UnsupportedError:
    """The error for an array without axes that differs from what an array of objects has of it."""
    return UnsupportedError(
        "a traced array without axes was put into a plain array by np.array or np.asarray, and one "
        "of the two has been written to since",
        remedy="np.stack([a, b]) for np.array([a, b]); x for np.asarray(x), x.copy() for a copy",
    )


class Flat(View):
    """``x.flat``: elements in one row, to index and to assign into. What is read from it is a copy.

    It is no array in NumPy, and computing with it makes one. It is an iterator, which goes on from
    where it is.
    """

    __slots__ = ("_next",)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._next = 0

    def _plain_class(self) -> type:
        return np.flatiter

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._next >= self.shape[0]:
            raise StopIteration
        self._next += 1
        return self[self._next - 1]

    @property
    def index(self) -> int:
        """The number of the next element."""
        return self._next

    @property
    def coords(self) -> tuple[int, ...]:
        """The place of the next element in the array."""
        place, coords = self._next, list[int]()
        for length in reversed(self._base.shape[1:]):
            place, last = divmod(place, length or 1)
            coords.append(last)
        return (place, *reversed(coords)) if self._base.shape else ()

    def __getitem__(self, index: Any) -> Any:
        part = super().__getitem__(index)
        return part.copy() if isinstance(part, Traced) and type(part).assignable else part

    def _changed(self, index: Any, value: Array) -> Any:
        if np.ndim(value):  # In NumPy they go on from the start where there are too few.
            values = FUNCTIONS[np.ravel](FUNCTIONS["part"](value, self.dtype))
            chosen = np.arange(self.shape[0])[index]
            if not chosen.ndim:
                raise ValueError("Error setting single item of array.")
            if not values.shape[0]:
                return self
            value = FUNCTIONS[np.take](values, np.arange(chosen.size) % values.shape[0])
        return super()._changed(index, value)

    def _update(self, new: Any) -> Any:
        return new


# -- handles ---------------------------------------------------------------------------------------


def wrap(trace: Trace, value: Array, node: Any) -> Tracer:
    """A traced value of the class that fits: a number, or an array with axes."""
    if type(value) is np.float64 or not value.shape:
        return Tracer(trace, value, node)
    return ArrayTracer(trace, value, node)


def snapshot(tracer: Traced) -> Tracer:
    """A handle of its own on the same value: later assignments to either do not reach the other."""
    kind = ArrayTracer if type(tracer).assignable else Tracer
    return kind(tracer._trace, tracer._value, tracer._node)


_SERIES = "np.polynomial.{0}.{1}vander(t, len(c) - 1) @ c for np.polynomial.{0}.{1}val(t, c)"
_CONVERTED = (
    "x for np.asarray(x), x.copy() for np.array(x); np.stack([a, b]) for np.array([a, b]); "
    "np.zeros_like(x, shape=n) for np.zeros(n), an array to assign into; np.concatenate for np.r_, "
    "np.column_stack for np.c_; wg.custom_jvp for the function of another library "
    "(docs/custom.md); wg.stop_gradient(x) where the derivative is meant to be zero"
)

INSTEAD = {
    "_vectorize_call": "np.stack([f(v) for v in x.flat]).reshape(x.shape) for np.vectorize(f)(x), "
    "with np.where(condition, a, b) for an if of f's",
    "_vectorize_call_with_signature": "np.stack([f(row) for row in x]) for np.vectorize(f, "
    "signature=...)(x)",
    "polyval": "np.polyval(c[::-1], t) for np.polynomial.polynomial.polyval(t, c)",
    **{
        f"{short}val": _SERIES.format(module, short)
        for module, short in (
            *(("chebyshev", "cheb"), ("legendre", "leg"), ("hermite", "herm")),
            *(("hermite_e", "herme"), ("laguerre", "lag")),
        )
    },
}
"""What to write for functions of NumPy that are written in Python and convert their arguments."""

_LOADS = {opcode.opmap[name] for name in ("LOAD_ATTR", "LOAD_METHOD") if name in opcode.opmap}
_STORES = {opcode.opmap[name] for name in ("STORE_SUBSCR", "STORE_SLICE") if name in opcode.opmap}


def _check_swap(caller: FrameType) -> None:
    """Refuse that compiled code exchanges rows, as it does for what it takes for a list."""
    if caller.f_code.co_code[caller.f_lasti] not in _STORES:
        raise UnsupportedError(
            "compiled code exchanges rows of a traced array, which would leave some twice: "
            "rng.shuffle does so, unless it is given a plain array",
            remedy="x = x[rng.permutation(len(x))] for rng.shuffle(x)",
        )


def _alike(one: Tracer, other: Tracer) -> bool:
    """Whether two values of one shape lie in memory alike."""
    first, second = one._value, other._value
    if type(first) is not np.ndarray or type(second) is not np.ndarray:
        if not one.shape:
            return True
        first, second = layout(one), layout(other)
    if first.strides == second.strides:
        return True
    return first.flags.c_contiguous and second.flags.c_contiguous


def lay(tracer: Array, model: np.ndarray[Any, Any]) -> Any:
    """An array of its own of the same value, which lies in memory as ``model`` does."""
    if not isinstance(tracer, Traced):
        return laid(np.asarray(tracer), model)
    trace, below = tracer._trace, tracer._value
    if not model.shape or layout(tracer).strides == model.strides:
        return ArrayTracer(trace, below, tracer._node)
    if below is None:
        placed = trace.lay(tracer, model)
        return ArrayTracer(placed._trace, None, placed._node)
    below = lay(below, model) if isinstance(below, Traced) else laid(below, model)
    return ArrayTracer(trace, below, tracer._node)


def ordered(value: Array, order: str = "C") -> Any:
    """The value as an array of its own in C or in Fortran order."""
    value = as_array(value)
    return lay(value, np.empty(value.shape, value.dtype, cast("Any", order)))


FUNCTIONS["ordered"] = ordered


def _still_a_root(result: Tracer, value: Tracer) -> Any:
    """A number or an array made of the other, which remembers what that one is a root of."""
    if type(value).rooted or type(value).python:
        FUNCTIONS["still a root"](result, value)
    return result


def as_array(value: Array) -> Any:
    """The value as an array: of a number one without axes, an array as it is."""
    if not isinstance(value, Traced):
        return np.asarray(value)
    if type(value).assignable:
        return value
    strong = value.strong()
    return _still_a_root(ArrayTracer(strong._trace, strong._value, strong._node), value)


def as_number(value: Array) -> Any:
    """The value as a number if it is an array without axes; any other as it is."""
    if isinstance(value, Traced):
        if value.shape or not type(value).assignable:
            return value
        return _still_a_root(Tracer(value._trace, value._value, value._node), value)
    return value[()] if isinstance(value, np.ndarray) and not value.shape else value


def as_view(
    base: Array,
    made: Any,
    primitive: Linear,
    params: Params,
    operands: Sequence[Array] = (),
    kind: type[View] = View,
) -> Any:
    """``made``, the result of ``primitive`` on ``base``: a view of ``base`` if that is an array."""
    if isinstance(base, Traced) and type(base).assignable:
        return kind(made, base, primitive, params, operands)
    return made


def whole(base: Array, kind: type[View] = View) -> Any:
    """A view of all of an array; a number as it is."""
    array = isinstance(base, Traced) and type(base).assignable
    return _still_a_root(kind(base, base, None, {}), base) if array else base
