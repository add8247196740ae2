"""Constant arrays of the user's, which must not change under the trace that uses them."""

from __future__ import annotations

from threading import get_ident
from typing import Any, Literal, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np

from ..errors import UnsupportedError
from ..forks import in_child
from ..memory import copied
from ..program import Array
from .array import snapshot
from .base import Trace

__all__ = ["HELD", "Hold", "Holding"]

SMALL = 1 << 16
"""Constant arrays of up to this many bytes are copied when they are used."""

HELD = (
    "While a function is traced, wengert keeps arrays that its result depends on from being "
    "overwritten. Write into a new array, or into a copy of this one."
)
"""The note on NumPy's error where an array that is protected was written to."""

_holding: WeakKeyDictionary[Holding, int] = WeakKeyDictionary()
"""The traces that protect arrays, and their threads."""

Hold: TypeAlias = Literal["protect", "copy", "trust"]


class Holding(Trace):
    """A trace that uses the values of constant arrays after the user's code has gone on.

    With ``hold="protect"`` small ones are copied and large ones cannot be written to until the
    trace is closed; with ``"copy"``, for what outlives the call, all are copied; ``"trust"`` is for
    functions of our own.
    """

    def __init__(self, hold: Hold) -> None:
        super().__init__()
        self.hold: Hold = hold
        self._held: list[np.ndarray[Any, Any]] = []
        self._samples: dict[int, tuple[np.ndarray[Any, Any], bytes]] = {}

    def held(self, array: Array) -> Array:
        """The value, or a copy, in a state that user code cannot change under the trace."""
        if type(array) is not np.ndarray:
            return snapshot(array) if getattr(type(array), "assignable", False) else array
        if self.hold == "trust":
            return array
        if self.hold == "copy" or array.nbytes <= SMALL:
            return copied(array) if array.shape else array[()]
        if id(array) in self._samples:
            return array
        _holding[self] = get_ident()
        self._samples[id(array)] = array, _sample(array)
        owner: Any = array
        while isinstance(owner, np.ndarray):
            if owner.flags.writeable:
                self._held.append(owner)
                owner.flags.writeable = False
            owner = owner.base
        return array

    @property
    def holds(self) -> bool:
        """Whether some array of the user's cannot be written to at the moment."""
        return bool(self._held)

    def check_held(self) -> None:
        """Raise if an array that was only protected has changed all the same.

        A view that was made before is not protected with the array. A change through one is
        noticed if it meets one of the elements that are compared.
        """
        for array, sample in self._samples.values():
            if _sample(array) != sample:
                raise UnsupportedError(
                    f"an array of shape {array.shape} on which the result depends was changed, "
                    "through another view of it, after it had been used",
                    remedy="x * c.copy() for x * c, or a new array in place of the changed one",
                )

    def close(self) -> None:
        """End the run: later use of a traced value is an error, and arrays are writable again."""
        super().close()
        if self._samples:
            for array in sorted(self._held, key=_depth):
                _release(array)
            self._held.clear()
            self._samples.clear()
            _holding.pop(self, None)


_waiting: list[np.ndarray[Any, Any]] = []
"""Views of arrays that another thread's trace protects, which are writable after these."""


def _release(array: np.ndarray[Any, Any]) -> None:
    due = [array, *_waiting]
    _waiting.clear()
    for each in due:
        try:
            each.flags.writeable = True
        except ValueError:
            _waiting.append(each)


@in_child
def _held_by_others() -> None:
    """Let arrays be written to that threads have protected which are not in this process."""
    for trace, thread in list(_holding.items()):
        if thread != get_ident():
            trace.close()


def _depth(array: np.ndarray[Any, Any]) -> int:
    """How many arrays this one is a view of: an owner has to be writable before its views."""
    depth = 0
    while isinstance(array.base, np.ndarray):
        array, depth = array.base, depth + 1
    return depth


def _sample(array: np.ndarray[Any, Any]) -> bytes:
    """Some hundred elements of a large array, spread over all of it."""
    steps = tuple(slice(None, None, max(1, n // 16)) for n in array.shape)
    if array.ndim == 1:
        steps = (slice(None, None, max(1, array.size // 256)),)
    return array[steps].tobytes()
