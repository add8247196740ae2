"""Evaluating the same Program many times: as a Python function, made once.

``evaluate`` looks up each variable in a dictionary, which is dear in a loop of small operations.
Here the equations become lines of a Python function, whose local variables are the Program's. A
body with guards is left to the ``Evaluator``, which knows their numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..evaluate import Evaluator, last_uses
from ..program import Array, Atom, Program, Var
from .memory import remembered

__all__ = ["runner"]

_PLACE = str(Path(__file__).parent / "<program>")
"""Where the functions seem to come from: not from the user's code, for errors name its lines."""


@remembered
def runner(program: Program) -> Callable[..., tuple[Array, ...]]:
    """A function of plain values of the Program's inputs that returns a tuple of its outputs."""
    if program.guards:
        evaluator = Evaluator(program)
        return lambda *values: tuple(evaluator.run(values))
    names = {var: f"v{i}" for i, var in enumerate(program.inputs)}
    scope: dict[str, Any] = {}

    def read(atom: Atom) -> str:
        if isinstance(atom, Var):
            return names[atom]
        return constant(atom.value)

    def constant(value: Any) -> str:
        name = f"c{len(scope)}"
        scope[name] = value
        return name

    lines = [f"def run({', '.join(names.values())}):"]
    given = set(program.inputs)
    for equation, ending in zip(program.equations, last_uses(program), strict=True):
        arguments = [read(atom) for atom in equation.inputs]
        arguments += [f"{key}={constant(value)}" for key, value in equation.params.items()]
        for var in equation.outputs:
            names[var] = f"v{len(names)}"
        left = ", ".join(names[var] for var in equation.outputs)
        if equation.primitive.multiple:
            left = f"{left}," if equation.outputs else "_"
        call = constant(equation.primitive.evaluate)
        lines.append(f"    {left} = {call}({', '.join(arguments)})")
        if dead := [names[var] for var in ending if var not in given]:
            lines.append(f"    del {', '.join(dead)}")
    lines.append(f"    return ({''.join(f'{read(atom)}, ' for atom in program.outputs)})")
    exec(compile("\n".join(lines), _PLACE, "exec"), scope)
    return scope["run"]
