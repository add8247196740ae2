"""Sums of many terms, added up in pairs, so that rounding grows with the logarithm of their number.

The terms are cut into blocks. Within a block they go, in turn, to some registers side by side, 16
to each; the total of a block is *pushed* onto a stack. Block number k, counted from 0, is added to
the last totals of 1, 2, 4, ... blocks as long as k has ones in its last binary places, so a number
is only ever added to one that as many terms went into. At the end what is left on the stack is
added up, the smallest part first. That is NumPy's pairwise summation, from below and with little
memory:

N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002, section 4.2;
NumPy's ``pairwise_sum``, numpy/_core/src/umath/loops_utils.h.src: blocks of 128, 8 side by side.

Where LLVM does not vectorise a loop, fewer registers are side by side, and more terms go to each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from .combine import identity
from .emit import Code, register
from .machine import available, host

__all__ = ["ALONE", "Stack", "blocked", "is_near"]

DEPTH = 16
"""Terms of a block that are added one after the other, in a loop that is vectorised."""

ALONE = 16
"""Terms of a block in a loop that is not: a new block costs as much as some of them."""


NEAR = 8
"""So far apart elements can lie of which LLVM makes vectors, by shuffling what it has loaded."""


@cache
def _vector() -> int:
    """The bytes of the vectors that LLVM takes for sums."""
    sizes = {"avx512f": 64, "avx": 32}
    return next((n for name, n in sizes.items() if available() and host().has(name)), 16)


def is_near(step: int | None) -> bool:
    """Whether LLVM makes vectors of elements so far apart; None: it is not known how far."""
    return step is not None and abs(step) <= NEAR


def lanes(dtype: np.dtype[Any]) -> int:
    """How many numbers are in a vector."""
    return max(1, _vector() // dtype.itemsize)


def blocked(
    lengths: Sequence[int], dtype: np.dtype[Any], interleaved: int, *, vectorised: bool
) -> tuple[int, int] | None:
    """The loop of a nest that goes in blocks, and how many of its places are a block.

    None where the whole nest is no more than a block. ``interleaved`` is how many vectors, or
    numbers, LLVM keeps side by side; ``vectorised``, whether it can take vectors at all.

    Example:
        >>> import numpy as np
        >>> from wengert.compile.pairwise import blocked
        >>> blocked([2, 3000], np.dtype(np.float32), 1, vectorised=False)
        (1, 16)
        >>> blocked([1000, 3], np.dtype(np.float32), 4, vectorised=True)
        (0, 5)
    """
    width = lanes(dtype) * interleaved
    if not vectorised or lengths[-1] < width:
        width = interleaved if lengths[-1] > ALONE else 1
        size = ALONE * width
    else:
        size = DEPTH * width
    if math.prod(lengths) <= size:
        return None
    level, within = len(lengths) - 1, 1
    while within * lengths[level] <= size:
        within *= lengths[level]
        level -= 1
    return level, size // within


class Stack:
    """The totals of the blocks of one sum, on the stack of the call."""

    def __init__(self, code: Code, dtype: np.dtype[Any], blocks: int) -> None:
        self.code = code
        self.kind = register(dtype)
        self.zero = identity("sum", dtype)
        self.totals = code.slot(self.kind, blocks.bit_length() + 1)
        self.count = code.slot("i64")

    def clear(self) -> None:
        """Begin a sum."""
        self.code.statement(f"store i64 0, ptr {self.count}")

    def push(self, value: str) -> None:
        """Add the total of a block."""
        kind = self.kind
        name = f"push_{kind}"
        self.code.module.declare(name, _PUSH.replace("KIND", kind))
        count = self.code.here(f"load i64, ptr {self.count}")
        given = f"ptr {self.totals}, i64 {count}, {kind} {value}"
        self.code.statement(f"call void @{name}({given})")
        more = self.code.here(f"add nuw nsw i64 {count}, 1")
        self.code.statement(f"store i64 {more}, ptr {self.count}")

    def total(self) -> str:
        """The register of the sum."""
        kind = self.kind
        name = f"total_{kind}"
        self.code.module.declare(name, _TOTAL.replace("KIND", kind).replace("ZERO", self.zero))
        count = self.code.here(f"load i64, ptr {self.count}")
        return self.code.here(f"call {kind} @{name}(ptr {self.totals}, i64 {count})")


_PUSH = """define internal void @push_KIND(ptr %stack, i64 %count, KIND %value) nounwind {
entry:
  br label %look
look:
  %place = phi ptr [ %stack, %entry ], [ %next, %pair ]
  %bits = phi i64 [ %count, %entry ], [ %rest, %pair ]
  %sum = phi KIND [ %value, %entry ], [ %more, %pair ]
  %odd = trunc i64 %bits to i1
  br i1 %odd, label %pair, label %done
pair:
  %before = load KIND, ptr %place
  %more = fadd KIND %before, %sum
  %next = getelementptr inbounds KIND, ptr %place, i64 1
  %rest = lshr i64 %bits, 1
  br label %look
done:
  store KIND %sum, ptr %place
  ret void
}"""

_TOTAL = """define internal KIND @total_KIND(ptr %stack, i64 %count) nounwind {
entry:
  br label %look
look:
  %place = phi ptr [ %stack, %entry ], [ %next, %on ]
  %bits = phi i64 [ %count, %entry ], [ %rest, %on ]
  %sum = phi KIND [ ZERO, %entry ], [ %after, %on ]
  %none = icmp eq i64 %bits, 0
  br i1 %none, label %done, label %one
one:
  %odd = trunc i64 %bits to i1
  br i1 %odd, label %pair, label %on
pair:
  %before = load KIND, ptr %place
  %more = fadd KIND %before, %sum
  br label %on
on:
  %after = phi KIND [ %more, %pair ], [ %sum, %one ]
  %next = getelementptr inbounds KIND, ptr %place, i64 1
  %rest = lshr i64 %bits, 1
  br label %look
done:
  ret KIND %sum
}"""
