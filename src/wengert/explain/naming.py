"""Names for what a list shows: the call, its arguments, their parts, and the variables."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import optree

from .. import tree
from ..calls import signature_of

__all__ = ["free_letter", "parameters_of", "paths_of", "title_of"]


def parameters_of(f: Callable[..., Any], count: int) -> list[str]:
    """A name for each of the positional arguments: that of the parameter, if it can be found."""
    known = signature_of(f)
    parameters = [] if known is None else list(known.parameters.values())
    names: list[str] = []
    for parameter in parameters:
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            names.append(parameter.name)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}[{i}]" for i in range(count - len(names))]
    names += [f"x{i + 1}" for i in range(len(names), count)]
    return names[:count]


def paths_of(value: Any, root: str) -> list[str]:
    """How Python reaches each leaf of a tree: ``p['weights'][0]``."""
    tree.flatten(value)
    return [path.codify(root) for path in optree.tree_accessors(value, namespace=tree.NAMESPACE)]


def free_letter(taken: Sequence[str], total: int | None = None) -> str:
    """The t of variables t1, t2, ... up to ``total``, or another letter if an input is named so."""
    names = set(taken)

    def clashes(letter: str) -> bool:
        if total is not None:
            return any(f"{letter}{i}" in names for i in range(1, total + 1))
        return any(name.startswith(letter) and name[len(letter) :].isdigit() for name in names)

    letters = itertools.chain("tvuwsrqz", map("t{}_".format, itertools.count()))
    return next(letter for letter in letters if not clashes(letter))


def title_of(f: Callable[..., Any], parameters: Sequence[str]) -> str:
    """``f(x, y)``."""
    name = getattr(f, "__name__", type(f).__name__)
    if not name.isidentifier() and name != "<lambda>":
        return name
    return f"{'f' if name == '<lambda>' else name}({', '.join(parameters)})"
