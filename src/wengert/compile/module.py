"""The module that the functions of one object are in: declarations, metadata, mathematics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .machine import part
from .pieces import SYMBOL, divided

__all__ = ["Module"]

PLAIN = 12
"""Of this many lines at least one reads or writes memory, where LLVM is to vectorise lines."""

STACK = 1024
"""Up to this many bytes for what several functions hand to each other are on the stack."""

LONGEST = 15_000
"""Lines of straight code that LLVM chooses registers for with care. More are to be had at once."""


class Module:
    """What the functions of one object share: declarations, metadata, mathematics."""

    def __init__(self, mathlib: Any = None) -> None:
        self.mathlib = mathlib
        self.declarations: dict[str, str] = {}
        self.functions: list[str] = []
        self.metadata: list[str] = []
        self.straight: dict[str, str] = {}
        """Functions of a module of their own, by their declaration."""
        self.plain = False
        """Whether nearly all of the code is arithmetic on numbers in registers."""
        self.math: dict[tuple[str, str], Any] = {}

    def declare(self, name: str, text: str) -> None:
        """Declare a function or a global once."""
        self.declarations.setdefault(name, text)

    def meta(self, text: str) -> str:
        """A new metadata node; ``{self}`` in the text is the node itself."""
        name = f"!{len(self.metadata)}"
        self.metadata.append(text.replace("{self}", name))
        return name

    def fixed(self, kind: str, value: str) -> str:
        """Memory that holds a number for good, as an operand."""
        name = f"fixed_{kind}_{value.replace('-', 'm')}"
        self.declare(name, f"@{name} = private unnamed_addr constant {kind} {value}, align 8")
        return f"@{name}"

    def movable(self) -> list[str]:
        """The declarations that another module can have too: all but those of memory."""
        return [text for text in self.declarations.values() if " global " not in text]

    @property
    def level(self) -> int:
        """How hard LLVM is to optimise: in straight code there is little to find."""
        return 2 if self.plain else 3

    def text(self) -> str:
        """The whole module, and behind it one of straight functions if there are some."""
        lines = [*self.declarations.values(), *self.straight, *self.functions]
        lines += [f"!{i} = {text}" for i, text in enumerate(self.metadata)]
        if self.straight:
            size = sum(function.count("\n") for function in self.straight.values())
            lines += [part(0 if size > LONGEST else 1), *self.movable(), *self.straight.values()]
        return "\n".join(lines) + "\n"

    def define(
        self,
        name: str,
        head: str,
        lines: Sequence[str],
        nests: Sequence[tuple[int, int]],
        room: Callable[[int], str],
    ) -> None:
        """Add a function, or several that do the same if it is long.

        Parameters: its ``name`` and ``head``; its ``lines``, and where among them nests of loops
        begin and end; ``room`` gives memory that several functions can hand to each other.
        """
        symbols = {each for text in self.movable() for each in SYMBOL.findall(text)}
        made = divided(lines, nests, name, head, self.metadata, symbols)
        stack = f"alloca [{made.nbytes} x i8], align 16"
        memory = stack if made.nbytes <= STACK else room(made.nbytes)
        env = [f"  %env = {memory}"] if made.nbytes else []
        self.functions += [*made.nests, "\n".join([f"{head} {{", "entry:", *env, *made.lines, "}"])]
        self.straight |= made.straight
        moved = sum(" load " in line or " store " in line for line in lines)
        self.plain |= len(lines) > PLAIN * (1 + moved)
