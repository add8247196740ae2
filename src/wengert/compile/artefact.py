"""What compiling a Program gives, apart from the Program: object code and what it has to be given.

An artefact without callouts is plain data. It is kept on disk by the Program that it was made from,
so that a process that meets the Program again neither writes nor optimises code for it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..program import Equation, Program
from .blas import addresses, is_routine
from .canonical import canonical
from .emit import PARALLEL
from .lower import Lowering
from .machine import compile_object
from .mathlib import mathlib
from .store import key, store
from .threads import address

__all__ = ["Artefact", "kept", "made"]

LARGEST = 1 << 24
"""Constants of more bytes than this are not copied to the disk."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """Object code; the constants that are further inputs; the functions that it calls."""

    code: bytes
    constants: Sequence[np.ndarray[Any, Any]]
    functions: Sequence[tuple[str, str]]
    routines: Sequence[str]
    parallel: bool
    work: float
    equations: Sequence[Equation]
    """What is called out to the evaluator."""

    def imports(self) -> dict[str, int]:
        """The addresses of the functions that the code calls, in this process."""
        found: dict[str, int] = {}
        for name, dtype in self.functions:
            found.update(mathlib().function(name, np.dtype(dtype)).imports)
        found.update(addresses(self.routines))
        if self.parallel:
            found[PARALLEL] = address()
        # Of a function's variants few are called, and each symbol takes time to link.
        return {name: where for name, where in found.items() if name.encode() in self.code}

    def pack(self) -> bytes:
        """The artefact as bytes. It must have no callouts."""
        head = {
            "constants": [[array.dtype.str, array.shape] for array in self.constants],
            "functions": list(self.functions),
            "routines": list(self.routines),
            "parallel": self.parallel,
            "work": self.work,
        }
        text = json.dumps(head).encode()
        parts = [array.tobytes() for array in self.constants]
        return b"".join([len(text).to_bytes(8, "little"), text, *parts, self.code])

    @staticmethod
    def unpack(content: bytes) -> Artefact:
        """The artefact that ``pack`` made bytes of."""
        start = 8 + int.from_bytes(content[:8], "little")
        head = json.loads(content[8:start])
        constants: list[np.ndarray[Any, Any]] = []
        for kind, shape in head["constants"]:
            array = np.ndarray(tuple(shape), np.dtype(kind), content, start)
            constants.append(array.copy())
            start += array.nbytes
        functions = [(name, kind) for name, kind in head["functions"]]
        return Artefact(
            content[start:],
            constants,
            functions,
            head["routines"],
            head["parallel"],
            head["work"],
            (),
        )


def kept(program: Program) -> tuple[str, Artefact | None]:
    """The name of a Program's artefact on disk, '' if it can have none, and the artefact."""
    try:
        name = key("program", canonical(program))
    except Exception:  # a parameter that cannot be pickled: a function of the user's, say
        return "", None
    found = store().get(name)
    return name, None if found is None else Artefact.unpack(found)


def made(name: str, lowering: Lowering, ir: str) -> Artefact:
    """The artefact of what was lowered, compiled now and put on disk under its name."""
    module = lowering.module
    constants = lowering.constants
    small = sum(array.nbytes for array in constants) <= LARGEST
    plain = bool(name) and small and not lowering.callouts
    code = compile_object(ir, module.level) if plain else store().compile(ir, module.level)
    artefact = Artefact(
        code,
        constants,
        list(module.math),
        [symbol for symbol in module.declarations if is_routine(symbol)],
        PARALLEL in module.declarations,
        lowering.work,
        lowering.callouts,
    )
    if plain:
        store().put(name, artefact.pack())
    return artefact
