"""The function behind every entry: LLVM code (``caller.ll``) that follows a table.

One function serves all entries of a process, so that a new entry is a new table (``entry`` writes
it) and nothing has to be compiled or linked for it. It is what a C extension would define as a
builtin function; ``self`` is a tuple whose first item is a ``bytes`` object with the table, which
is read in words of 64 bits.

The table has a head (``HEAD``), then parts whose places are in the head. *Checks* look at the
arguments one after another: each has a number, the place of the object that it looks at, and what
its kind needs. A check that fails is a miss. The checks of containers and variables put further
objects into places of their own. *Outputs* say which arrays are made. *Steps* put the results
together, with a stack.

Nothing runs Python code between the first check and the kernel, so what was borrowed stays; what
was found inside of containers is held while the kernel runs.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from typing import Final

from . import abi
from .machine import Library, link
from .store import store

__all__ = ["BOXED", "HEAD", "Check", "Step", "caller"]

HEAD: Final = (
    "kernel",  # its address
    "fallback",  # the object that is called at a miss, if ``calls`` is 1, or else is given
    "calls",
    "report",  # 1 where a status is told
    "release",  # 1 where other threads run meanwhile
    "arguments",  # how many are expected
    "held",  # objects with a place from ``arguments`` to here are held
    "constants",  # further inputs
    "outputs",
    "frame",  # words of memory for one call
    "inputs_at",  # places in that memory, in words
    "own_at",
    "outputs_at",
    "made_at",
    "slots_at",
    "stack_at",
    "inputs",  # how many without the constants
    "constants_from",  # places in the table, in words
    "outputs_from",
    "steps_from",
)
"""The words at the beginning of a table. The checks follow."""


class Check:
    """The numbers of the checks. After each: the place of its object, and the words named here."""

    END: Final = 0
    SAME: Final = 1
    """An object."""
    ARRAY: Final = 2
    """Input, two objects for its dtype, number of axes, shape."""
    VALUE: Final = 3
    """Input, two types: the number is in the object."""
    INT: Final = 4
    """Input, the type."""
    BOOL: Final = 5
    """Input, two types, Python's bool, True."""
    LIST: Final = 6
    """The type, length, place of the first item."""
    TUPLE: Final = 7
    """The same."""
    DICT: Final = 8
    """The type, length, place of the first value, the keys in their order."""
    CELL: Final = 9
    """Puts in its place what a cell holds: the cell."""
    GLOBAL: Final = 10
    """Puts in its place what a dict holds: the dict, a name."""
    CONTENT: Final = 11
    """An array: dtype, number of axes, shape and strides, bytes of its elements, their address."""


class Step:
    """The numbers of the steps that make the result."""

    END: Final = 0
    OUTPUT: Final = 1
    """Push an output: its number, its dtype."""
    CONSTANT: Final = 2
    """Push an object."""
    TUPLE: Final = 3
    """Take so many results, and push a tuple of them."""
    LIST: Final = 4
    DICT: Final = 5
    """The keys follow the number."""


BOXED: Final = 1 << 32
"""Added to an output's number of axes for an array; without it, of no axes, it is a number."""


_FIELDS: Final = "TYPE VALUE CELL ITEMS BYTES DATA NDIM SHAPE STRIDES DESCR FLAGS".split()


@cache
def caller() -> Library | None:
    """The function, under the name ``entry``, linked once; None where there can be none.

    Raises ``CompileError`` if LLVM fails.
    """
    known = abi.interface()
    if known is None:
        return None
    # Optimising takes 90 ms in place of 10, once for each machine, and halves the time of a call.
    return link(store().compile(_text(), 2), known, ["entry"])


def _text() -> str:
    """The code in ``caller.ll``, in which numbers that are known here have names."""
    names = {f"@{name}@": str(place) for place, name in enumerate(HEAD)}
    names["@first@"] = str(len(HEAD))
    names |= {f"@{name}@": str(getattr(abi, name)) for name in _FIELDS}
    code = pkgutil.get_data("wengert.compile", "caller.ll")
    assert code is not None
    text = code.decode()
    for name, value in names.items():
        text = text.replace(name, value)
    return text
