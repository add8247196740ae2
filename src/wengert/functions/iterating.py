"""``np.arange``, ``np.nditer`` and ``np.broadcast`` of traced values, which NumPy has in C."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..primitive import Traced
from ..program import Array
from ..trace import as_array, as_number, known, layout
from .elementwise import arraylike
from .shaping import astype

__all__ = ["Broadcast", "NDIter", "arange"]

# -- arange ----------------------------------------------------------------------------------------


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, **_: Any) -> Array:
    """``np.arange`` of traced numbers, of which it has to be known how many there are."""
    if stop is None:
        start, stop = 0, start
    step = 1 if step is None else step
    start, stop, step = (as_number(arraylike(each)) for each in (start, stop, step))
    if any(np.ndim(each) for each in (start, stop, step)):
        raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
    remedy = "start + step * np.arange(n)"
    ends = [
        known(each, "how many numbers np.arange has of", remedy)
        if isinstance(each, Traced)
        else each
        for each in (start, stop, step)
    ]
    kind = np.dtype(dtype) if dtype is not None else np.result_type(start, stop, step)
    plain = np.arange(*(each.item() for each in ends))
    following = astype(start + step, kind)
    first = astype(start, kind)
    return as_array(first + np.arange(len(plain)).astype(kind) * (following - first))


# -- iterators over elements -----------------------------------------------------------------------


class Broadcast:
    """``np.broadcast``: an iterator over the tuples of elements of arrays of one shape."""

    def __init__(self, *operands: Any) -> None:
        self._arrays = [as_array(arraylike(each)) for each in operands]
        self.shape = np.broadcast_shapes(*(each.shape for each in self._arrays))
        self.size = math.prod(self.shape)
        self.nd = self.ndim = len(self.shape)
        self.numiter = len(operands)
        self._rows = [np.ravel(np.broadcast_to(each, self.shape)) for each in self._arrays]
        self.reset()

    def reset(self) -> None:
        """Start again."""
        self.index = 0

    @property
    def iters(self) -> tuple[Iterator[Any], ...]:
        """An iterator over the elements of each of the arrays."""
        return tuple(iter(row) for row in self._rows)

    def __iter__(self) -> Broadcast:
        return self

    def __next__(self) -> tuple[Any, ...]:
        if self.index >= self.size:
            raise StopIteration
        self.index += 1
        return tuple(row[self.index - 1] for row in self._rows)


_FLAGS = frozenset(
    "multi_index c_index f_index external_loop buffered refs_ok zerosize_ok grow_inner "
    "common_dtype copy_if_overlap delay_bufalloc".split()
)


class NDIter:
    """``np.nditer`` over arrays that are there: their elements in the order of memory, as views."""

    def __init__(
        self,
        op: Any,
        flags: Sequence[str] | None = None,
        op_flags: Any = None,
        op_dtypes: Any = None,
        order: str = "K",
        casting: str = "safe",
        **options: Any,
    ) -> None:
        self._flags = frozenset(flags or ())
        several = isinstance(op, (list, tuple))
        operands = list(op) if several else [op]
        if (
            options
            or op_dtypes is not None
            or self._flags - _FLAGS
            or any(each is None for each in operands)
        ):
            raise UnsupportedError(
                "np.nditer of traced arrays iterates over arrays that are there, as they are",
                remedy="a loop over x.flat, or one over np.ndindex(*x.shape) that reads x[i] and "
                "assigns to it",
            )
        self._several = several
        self.operands = tuple(as_array(arraylike(each)) for each in operands)
        self.shape = np.broadcast_shapes(*(each.shape for each in self.operands))
        self.itersize = math.prod(self.shape)
        self.ndim, self.nop = len(self.shape), len(self.operands)
        if not self.itersize and "zerosize_ok" not in self._flags:
            raise ValueError("Iteration of zero-sized operands is not enabled")
        self._axes = self._order(order)
        self.reset()

    def _order(self, order: str) -> tuple[int, ...]:
        """The axes from the one that changes last to the one that changes first."""
        axes = tuple(range(self.ndim))
        if order == "F":
            return axes[::-1]
        if order == "C" or any(each.shape != self.shape for each in self.operands):
            return axes
        strides = [layout(each).strides for each in self.operands]
        if order == "A":
            return axes[::-1] if all(layout(x).flags.fnc for x in self.operands) else axes
        return tuple(sorted(axes, key=lambda axis: [-abs(each[axis]) for each in strides]))

    def reset(self) -> None:
        """Start again."""
        self.iterindex = 0

    @property
    def finished(self) -> bool:
        """Whether there is no element any more."""
        return self.iterindex >= self.itersize

    @property
    def multi_index(self) -> tuple[int, ...]:
        """The place of the element."""
        place, number = [0] * self.ndim, self.iterindex
        for axis in reversed(self._axes):
            number, place[axis] = divmod(number, self.shape[axis])
        return tuple(place)

    @property
    def index(self) -> int:
        """The number of the element in C or in Fortran order, as the flags ask for."""
        order = "F" if "f_index" in self._flags else "C"
        if not self.shape:
            return 0
        return int(np.ravel_multi_index(self.multi_index, self.shape, order=order))

    @property
    def value(self) -> Any:
        """The element of each operand."""
        if "external_loop" in self._flags:
            parts = tuple(self._row(each) for each in self.operands)
        else:
            place = self.multi_index
            parts = tuple(self._wide(each)[(*place, ...)] for each in self.operands)
        return parts if self._several else parts[0]

    def _wide(self, operand: Array) -> Array:
        return operand if operand.shape == self.shape else np.broadcast_to(operand, self.shape)

    def _row(self, operand: Array) -> Array:
        return np.ravel(np.transpose(self._wide(operand), self._axes))

    def __getitem__(self, number: Any) -> Any:
        return self.value[number] if self._several else (self.value,)[number]

    def __len__(self) -> int:
        return self.nop

    def iternext(self) -> bool:
        """Go on, and say whether there is a further element."""
        self.iterindex += self.itersize if "external_loop" in self._flags else 1
        return not self.finished

    def __iter__(self) -> Iterator[Any]:
        while not self.finished:
            yield self.value
            self.iternext()

    def __enter__(self) -> NDIter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is buffered."""
