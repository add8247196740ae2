"""Memory before and behind which nothing may be touched: a read or a write there ends the process.

Run as a program it calls compiled functions on such memory; see ``compile/test_guard_pages.py``.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from agreement import same_bits

from wengert.compile import Native, build
from wengert.program import Program

PAGE = mmap.PAGESIZE
_KERNEL = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)


class Guarded:
    """Arrays that lie between two pages that cannot be touched, at the end or at the beginning."""

    def __init__(self, *, at_end: bool) -> None:
        self.at_end = at_end
        self.kept: list[Any] = []

    def place(self, x: Any) -> np.ndarray[Any, Any]:
        """A copy of an array that begins right behind a guard page, or ends right before one."""
        x = np.ascontiguousarray(x) if np.ndim(x) else np.asarray(x)
        pages = -(-max(x.nbytes, 1) // PAGE)
        memory = mmap.mmap(-1, (pages + 2) * PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.kept.append(memory)
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        libc = ctypes.CDLL(None, use_errno=True)
        for page in (start, start + (pages + 1) * PAGE):
            if libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(PAGE), 0):
                raise OSError(ctypes.get_errno(), "mprotect")
        offset = PAGE + (pages * PAGE - x.nbytes if self.at_end else 0)
        placed = np.ndarray(x.shape, x.dtype, memory, offset)
        placed[...] = x
        return placed


def run_guarded(
    native: Native, program: Program, values: Sequence[Any], *, at_end: bool
) -> list[np.ndarray[Any, Any]]:
    """The outputs of a compiled Program, all of whose inputs and outputs lie beside guard pages."""
    guarded = Guarded(at_end=at_end)
    inputs = [guarded.place(x) for x in (*values, *native.constants)]
    types = [atom.type for atom in program.outputs]
    outputs = [guarded.place(np.full(t.shape, 77, t.dtype)) for t in types]
    slot = np.zeros(16, np.uint8)
    tables = [
        (ctypes.c_void_p * len(arrays))(*(x.ctypes.data for x in arrays))
        for arrays in (inputs, [*outputs, slot])
    ]
    status = _KERNEL(native.address)(*map(ctypes.addressof, tables))
    assert not status, f"status {status}"
    return outputs


def check(program: Program, values: Sequence[Any]) -> None:
    """Run a Program beside guard pages, and compare with a run elsewhere."""
    native = build(program)
    wanted = native.run(values)
    for at_end in (True, False):
        for found, output in zip(
            run_guarded(native, program, values, at_end=at_end), wanted, strict=True
        ):
            assert same_bits(found, output)


def main(first: int, last: int) -> None:
    """Check the compiled form of random functions and of their gradients."""
    import native_programs as programs

    for seed in range(first, last):
        print(seed, flush=True)  # noqa: T201 - the last line says where a crash was
        for make in (programs.value, programs.gradient):
            check(*make(seed, 10))


if __name__ == "__main__":
    np.seterr(all="ignore")
    main(int(sys.argv[1]), int(sys.argv[2]))
