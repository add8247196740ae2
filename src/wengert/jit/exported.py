"""Jitted functions as C functions, for callers that know nothing of Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import tree
from ..errors import UnsupportedError
from ..program import Array, Atom, Literal, Program
from .asked import Asked
from .run import Run

if TYPE_CHECKING:
    from ..compile.export import Export

__all__ = ["exported"]


def exported(function: Callable[..., Any], run: Run, asked: Asked, signature: str | None) -> Export:
    """The path of a run as a C function; ``function`` is asked where the path does not fit."""
    from ..compile import build
    from ..compile.export import export

    path = run.path
    refusal = run.refusal or ("it changes its arguments" if path.mutated else "")
    if refusal:
        raise UnsupportedError(f"this function cannot be a C function: {refusal}")

    def otherwise(values: list[Array]) -> Sequence[Array]:
        args, kwargs = asked.rebuilt(values)
        return [np.asarray(leaf)[()] for leaf in tree.flatten(function(*args, **kwargs))[0]]

    return export(build(_returning(run)), signature, otherwise=otherwise)


def _returning(run: Run) -> Program:
    """The Program of a path, with an output for each leaf of the result."""
    program = run.path.program
    outputs: list[Atom] = []
    for output in run.path.outputs:
        if output.place is None:
            number = type(output.constant) in (int, float)
            outputs.append(Literal(np.float64(output.constant) if number else output.constant))
        else:
            outputs.append(program.outputs[output.place])
    return Program(program.inputs, program.equations, tuple(outputs))
