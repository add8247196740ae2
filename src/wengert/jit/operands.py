"""The operands of a call of NumPy, for asking NumPy itself while a function is traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import UnsupportedError
from ..kinds import unboxed
from ..memory import read_only
from ..primitive import Traced
from ..program import Array
from ..trace import WRITERS, ArrayTracer, Trace, Tracer, unfilled

__all__ = ["Operands", "as_seen", "frozen", "writes"]

CHECKED = 1 << 20
"""Results for operands of up to so many elements are compared with NumPy's while tracing."""


def frozen(value: Array) -> Array:
    """A value that cannot be written to."""
    return read_only(value) if isinstance(value, np.ndarray) else value


def as_seen(leaf: Tracer) -> Array:
    """The value of a traced one: a scalar or an array without axes, whichever it stands for."""
    value = leaf._node.value
    return np.asarray(value) if isinstance(leaf, ArrayTracer) else value


_WRITING = frozenset({"at", "byteswap", "fill", "partition", "put", "resize", "setfield", "sort"})
"""Methods of ufuncs and arrays that write into an operand."""


def writes(call: Any, kwargs: dict[str, Any]) -> bool:
    """Whether a call of NumPy can write into its operands, though NumPy says that it may not."""
    if "out" in kwargs or call in WRITERS or call is np.nan_to_num:
        return True
    home = getattr(call, "__self__", None) or getattr(call, "__objclass__", None)
    writes = isinstance(home, np.ufunc) or home is np.ndarray
    return writes and call.__name__ in _WRITING


class Operands:
    """The arguments of a call of NumPy with plain values in the place of tracers.

    The values cannot be written to, or are copies if the call is to write to them.
    """

    def __init__(self, spec: Any, leaves: Sequence[Any], writes: bool) -> None:
        self.tracers: list[Any] = []
        self.values: list[Array] = []
        self._before: list[Any] = []
        self._spec = spec
        self._plain = list(leaves)
        copies: dict[int, Array] = {}  # One for each handle, as it counts whether two are the same.
        for i, leaf in enumerate(leaves):
            if isinstance(leaf, Traced):
                value = as_seen(leaf)
                if id(leaf) in copies:
                    self._plain[i] = copies[id(leaf)]
                    continue
                if writes and isinstance(value, np.ndarray):
                    value = np.array(value, order="K")
                    value.flags.writeable = getattr(leaf, "writeable", True)
                    self._before.append(value.copy())
                else:
                    value = frozen(value)
                    self._before.append(value)
                self._plain[i] = copies[id(leaf)] = value
                self.values.append(value)
                self.tracers.append(leaf)
            elif writes and type(leaf) is np.ndarray and leaf.dtype.kind != "O":
                if id(leaf) not in copies:
                    value = copies[id(leaf)] = np.array(leaf, order="K")
                    value.flags.writeable = leaf.flags.writeable
                    self._before.append(value.copy())
                    self.values.append(value)
                    self.tracers.append(leaf)
                self._plain[i] = copies[id(leaf)]

    @classmethod
    def of(cls, recorder: Trace, args: Any, kwargs: Any, writes: bool) -> Operands | None:
        """The operands of a call; None if some belong to another trace."""
        leaves, spec = tree.flatten((tuple(args), kwargs))
        if any(isinstance(leaf, Traced) and leaf._trace is not recorder for leaf in leaves):
            return None
        return cls(spec, leaves, writes)

    @property
    def harmless(self) -> bool:
        """Whether a call is cheap, and runs nothing of the user's.

        Arrays of objects may hold tracers, and rules write into them.
        """
        if any(callable(leaf) and not isinstance(leaf, type) for leaf in self._plain):
            return False
        arrays = [leaf for leaf in self._plain if isinstance(leaf, (np.ndarray, np.generic))]
        return all(leaf.size <= CHECKED and leaf.dtype.kind != "O" for leaf in arrays)

    def call(self, function: Callable[..., Any]) -> Any:
        """What the function gives for the values; where it returns an operand, that."""
        args, kwargs = tree.unflatten(self._spec, self._plain)
        result = function(*args, **kwargs)
        for tracer, value in zip(self.tracers, self.values, strict=True):
            if result is value and isinstance(value, np.ndarray) and value.flags.writeable:
                return tracer
        return result

    def _changed(self) -> list[tuple[Any, Array]]:
        """The operands that NumPy has written to, with what they hold since.

        If it has written nothing, all operands are to hold what they held.
        """
        copied = [
            (tracer, value, before)
            for tracer, value, before in zip(self.tracers, self.values, self._before, strict=True)
            if value is not before
        ]
        changed = [
            (tracer, value)
            for tracer, value, before in copied
            if value.shape != before.shape or value.tobytes() != before.tobytes()
        ]
        return changed or [(tracer, before) for tracer, _, before in copied]

    def written(self, agrees: Callable[[Any, Any], bool]) -> bool:
        """Whether the tracers hold what NumPy has written."""
        return all(agrees(unfilled(tracer), value) for tracer, value in self._changed())

    def write_back(self) -> None:
        """Give the tracers, and plain arrays, what NumPy has written."""
        for tracer, value in self._changed():
            tracer = unfilled(tracer)
            if value.shape != tracer.shape or value.dtype != tracer.dtype:
                raise UnsupportedError("the shape or the dtype of an array is changed in place")
            if not isinstance(tracer, Traced):
                tracer[...] = value
            elif value.tobytes() != tracer._node.value.tobytes():
                tracer.assign(tracer._trace.constant(unboxed(value.copy())))
