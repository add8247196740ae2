"""The trace: one run of a function on traced values, and what a traced value stands on.

A traced value has a value of its own, or a traced value of an enclosing trace, or its trace has to
answer for it (``jit``), or nothing but its type is known.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import get_ident
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..errors import (
    REFUSALS,
    AbstractValueError,
    LeakedTracerError,
    TracedArrayError,
    WengertError,
)
from ..forks import compiling
from ..primitive import Params, Primitive, Traced
from ..program import Array, Type
from .caught import Refusal, raise_again, refusal

if TYPE_CHECKING:
    from .number import Tracer

__all__ = [
    "ABSENT",
    "GATHERED",
    "OPEN",
    "Filled",
    "ForeignValueError",
    "Trace",
    "alike",
    "begin",
    "beginning",
    "concrete",
    "knowable",
    "known",
    "layout",
    "perhaps",
    "unanswered",
]

_serials = itertools.count()

OPEN: set[float] = set()
"""The serial numbers of the traces of all threads that are open: where there are none, code need
not look for traced values."""


@dataclass(slots=True, eq=False)
class Filled:
    """What is known of a plain array that has been given traced values; see ``filled``."""

    array: Any
    """A weak reference to it."""
    behind: Any
    """The traced array that stands behind it."""
    root: Any
    """The traced array that this is a view of; itself if it is none."""
    dtype: np.dtype[Any]
    """What the dtype was, and will be."""
    threads: set[int]
    """The threads that take part in the trace."""
    before: Any = None
    """The numbers of the memory before, if it is no view."""
    poisoned: bool = False
    """Whether its memory has no numbers any more."""


FILLED: dict[int, Filled] = {}
"""Plain arrays that have been given traced values, by ``id``."""

SETTLE: list[Callable[[Trace], None]] = []
"""What is done about filled arrays when a trace ends."""

IMPORTED: dict[str, Callable[[str], None]] = {}
"""What is called when the first trace begins after a module has been imported, by its name."""

FIRST: list[Callable[[], None]] = []
"""What is called when the first trace of the process begins."""

ABSENT: list[str] = [""]
"""What takes the place of the stand-ins for C functions in this process; nothing where they are."""

beginning = compiling
"""Held by the thread that does what is due before a trace begins: modules are imported and code is
made, so that a fork waits for it."""

E = TypeVar("E", bound=WengertError)


_busy: list[tuple[Callable[[], None], int]] = []
"""What is being done before the first trace, which makes traces itself, and by which thread."""


def begin() -> None:
    """What is due before the first trace; another thread's waits for it.

    It counts as done when it is done, so that it is begun again where it was interrupted.
    """
    with beginning:
        for due in FIRST.copy():
            entry = due, get_ident()
            if entry in _busy:
                continue
            _busy.append(entry)
            try:
                due()
            finally:
                _busy.remove(entry)
            FIRST.remove(due)


def _imported() -> None:
    """What is due when modules have been imported; not while a thread is still at that."""
    with beginning:
        for name, due in list(IMPORTED.items()):
            spec = getattr(sys.modules.get(name), "__spec__", None)
            if name in sys.modules and not getattr(spec, "_initializing", False):
                due(name)
                del IMPORTED[name]


class Trace:
    """One run of a function on traced values.

    ``serial`` orders traces by birth: of two that nest, the inner one has the greater number.
    ``open`` is cleared when the function has returned; a traced value is of no use after that.
    ``boxed`` is set when NumPy has put a number of the trace into an array of objects that could
    not be marked itself; see ``boxed``. ``objects`` is set when it has put any number there.
    """

    objects = False

    def __init__(self) -> None:
        self.serial: float = next(_serials)
        OPEN.add(self.serial)
        self.open = True
        self.boxed = False
        self.nested = False
        self.refusals: list[Refusal] = []
        if FIRST:
            begin()
        for name in tuple(IMPORTED):  # another thread may take one out
            if name in sys.modules:
                _imported()
                break

    bools: bool = False
    """Whether comparisons of Python's numbers give Python's truth values, for ``x is True``."""

    limit: bool = False
    """Whether its values are series, of which what leaves a verb is the limit."""

    blind: bool = False
    """Whether nothing may be asked of the values of what depends on its inputs."""

    answers: bool = False
    """Whether ``force`` knows the values of all of its tracers."""

    below: Any = None
    """The trace of series below this one, if there is one."""

    unanswered: AbstractValueError | None = None
    """The last refusal of an index: NumPy drops it, and raises an IndexError that says nothing."""

    def process(self, primitive: Primitive, args: Sequence[Array], params: Params) -> Any:
        """Apply ``primitive`` to ``args``, of which at least one is this trace's own."""
        raise NotImplementedError

    def constant(self, value: Array) -> Tracer:
        """A traced value that does not depend on the inputs."""
        raise NotImplementedError

    def still(self, value: Tracer) -> Tracer:
        """The same value without a derivative, where the trace itself carries that."""
        return value

    def python_number(self, value: Tracer) -> Any:
        """A number as one of Python's, where the trace has a class of its own for them."""
        return None

    def same(self, one: Tracer, other: Tracer) -> bool:
        """Whether two of its values were computed in the same way from the same values."""
        return False

    def force(self, value: Tracer) -> Array:
        """The value of a tracer that has none of its own, where the trace answers for it."""
        return None

    def reveal(self, value: Tracer) -> Array:
        """The same for a plain copy of a number, which no derivative can pass through."""
        return None

    def peek(self, value: Tracer) -> Array:
        """An array that lies in memory as a tracer without a value does; its elements are any."""
        raise NotImplementedError

    def lay(self, value: Tracer, model: Array) -> Tracer:
        """A tracer without a value that is to lie in memory as ``model`` does."""
        raise NotImplementedError

    def missing(self, value: Tracer, name: str) -> Any:
        """What to give for an attribute that a tracer does not have; NotImplemented: an error."""
        return NotImplemented

    def apply(
        self,
        implementation: Callable[..., Any],
        call: Callable[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
    ) -> Any:
        """What a call of NumPy gives, by what stands for it; a trace may compare with NumPy."""
        try:
            return implementation(*args, **kwargs)
        except REFUSALS as error:
            self.refused(error)
            raise

    def assignment(self, x: Any, changed: Callable[[Any, Any], Any], index: Any, value: Any) -> Any:
        """The array that ``x`` becomes by ``x[index] = value``, as ``changed`` makes it.

        A trace may compare with NumPy.
        """
        try:
            return changed(index, value)
        except REFUSALS as error:
            self.refused(error)
            raise

    def lend(self, value: Tracer, array: Array) -> Array:
        """A plain array that is handed out for a tracer, and may share its memory."""
        return array

    def left(self, value: Tracer) -> Array:
        """What is below a filled array that exists when this trace ends; None if nothing is."""
        return value._value

    def assigned(self, value: Tracer) -> None:
        """Called before an array of this trace is assigned to."""

    def settle(self, value: Tracer) -> Array:
        """A value as it leaves a verb."""
        self.check_open()
        return value

    def refused(self, error: E) -> E:
        """The error, kept to see who catches it.

        Whoever raises it gives it no name, or the frame and its traceback would be a cycle.
        """
        if self.open and all(known.error is not error for known in self.refusals):
            made = refusal(error, 1)
            if all((k.asking, k.line) != (made.asking, made.line) for k in self.refusals):
                self.refusals.append(made)
        return error

    def forget(self, error: Exception) -> None:
        """Another way was found, of the same result."""
        self.refusals = [known for known in self.refusals if known.error is not error]

    def check_caught(self, function: Callable[..., Any] | None = None) -> None:
        """Raise a refusal again that the user's code caught, where ``function`` has returned."""
        if self.refusals:
            raise_again(self.refusals, function)

    def close(self) -> None:
        """End the run: a traced value that is used after it is an error."""
        OPEN.discard(self.serial)
        self.open = False
        if self.refusals:
            self.refusals.clear()
        if FILLED:
            SETTLE[0](self)

    def check_results(self, results: Sequence[Array]) -> None:
        """Refuse results that hold a value of this trace although no operand brought it in.

        One of an enclosing trace is a constant here, and shows that there is one.
        """
        for result in results:
            if isinstance(result, Traced):
                if result._trace.serial >= self.serial:
                    raise ForeignValueError
                self.nested = True

    def check_open(self) -> None:
        """Raise if the function that was traced has returned."""
        if not self.open:
            raise LeakedTracerError(
                "a traced value outlived the function call that made it (it was kept in a global, "
                "a closure, an attribute or a cache), and its derivative is gone",
                remedy="return the value from the function (has_aux=True for a second result), or "
                "keep wg.stop_gradient(x)",
            )


class ForeignValueError(TracedArrayError):
    """A traced value reached a function with rules of its own by a closure."""

    def __init__(self) -> None:
        super().__init__(
            "a function with a derivative rule of its own used a traced value that is not among "
            "its arguments, and the rule cannot know of it",
            remedy="pass the value as an argument",
        )


# -- values that are the same ----------------------------------------------------------------------


def alike(x: Any, y: Any) -> bool:
    """Whether two values, or two nestings of arguments, are the same now and stay so.

    Plain arrays are compared by their elements. Traced values have to be one, or to be computed
    alike; nothing is asked of them that their trace would note. So of values that are alike all
    derivatives are the same.
    """
    if x is y:
        return True
    if isinstance(x, Traced):
        if not isinstance(y, Traced) or x._trace is not y._trace:
            return False
        return (x._node is y._node and x._value is y._value) or x._trace.same(x, y)
    if type(x) is not type(y):
        return False
    if isinstance(x, dict):
        return x.keys() == y.keys() and all(alike(x[name], y[name]) for name in x)
    if isinstance(x, (tuple, list)):
        return len(x) == len(y) and all(map(alike, x, y))
    return _same_bits(x, y)


def _same_bits(x: Any, y: Any) -> bool:
    """Whether two plain values of one class are the same to the bit: NaN is, zeros have signs."""
    if isinstance(x, (np.ndarray, np.generic)):
        plain = x.dtype == y.dtype and x.shape == y.shape and x.dtype.kind in "biufc"
        if plain and isinstance(x, np.ndarray) and x.ndim:
            return x[:1].tobytes() == y[:1].tobytes() and x.tobytes() == y.tobytes()
        return plain and x.tobytes() == y.tobytes()
    if isinstance(x, (float, complex)):
        return repr(x) == repr(y)
    return isinstance(x, _COMPARED) and bool(x == y)


_COMPARED = (int, str, slice, np.dtype, Type)


# -- what lies below a traced value ----------------------------------------------------------------


def concrete(value: Array) -> Array:
    """The array under all traces, or None where a trace knows the type only."""
    while isinstance(value, Traced):
        if value._trace.blind and value._node is not None:
            return None
        value = value._value
    return value


def all_concrete(value: Any) -> Any:
    """The same of a nesting of tuples and lists; None where one is not known."""
    if type(value) is not tuple and type(value) is not list:
        return concrete(value)
    parts = [all_concrete(each) for each in value]
    unknown = any(p is None and v is not None for p, v in zip(parts, value, strict=True))
    return None if unknown else type(value)(parts)


def perhaps(value: Array) -> Array:
    """The array under all traces, for which a trace may have to answer; None if it is not known."""
    while isinstance(value, Traced):
        if value._trace.blind and value._node is not None:
            return None
        below = value._value
        value = value._trace.force(value) if below is None else below
    return value


def knowable(value: Array) -> bool:
    """Whether ``perhaps`` knows the value, without asking for it, which a trace would note."""
    while isinstance(value, Traced):
        if value._trace.blind and value._node is not None:
            return False
        below = value._value
        if below is None:
            return value._trace.answers
        value = below
    return True


def layout(value: Array) -> np.ndarray[Any, Any]:
    """An array that lies in memory as the value does; its elements may be any."""
    while isinstance(value, Traced):
        below = value._value
        value = value._trace.peek(value) if below is None else below
    return np.asarray(value)


GATHERED = (
    "np.array(table)[i] for table[i] of a list; np.take_along_axis(table, np.reshape(i, -1), "
    "axis=0)[0] for table[i] of an array where nothing stands in for its indexing, with "
    "np.reshape(i, (-1, 1)) where it has two axes"
)
"""What to write for an index into a list: Python hands ``table[i]`` to nobody."""


def unanswered(value: Array, error: AbstractValueError) -> None:
    """Keep the refusal of an index for the traces that the value belongs to."""
    while isinstance(value, Traced):
        value._trace.unanswered = error
        value = value._value


def known(value: Array, what: str, remedy: str) -> Array:
    """The array under all traces; an error where a trace knows the type only."""
    found = perhaps(value)
    if found is None:
        raise value._trace.refused(
            AbstractValueError(
                f"Python asked for {what} a traced {Type.of(value)} whose value is not known "
                "here, because the function is traced once for all values, as vmap, loops and "
                "branches do",
                remedy=remedy,
            )
        )
    return found
