"""Code as a function of its own: what it needs of the function around it goes through memory.

The registers that a piece of code uses and does not define are stored into an *environment* before
the call, and loaded from it at the beginning of the function. Their types are read from the lines
that define them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["NAME", "RESULT", "WIDTH", "Outlined", "kind_of", "outline"]

WIDTH = 16
"""Bytes of the environment for each register."""

NAME = re.compile(r"%[\w.]+")
RESULT = re.compile(r"^\s*(%[\w.]+) = (.*)$")

_LABEL = re.compile(r"label (%[\w.]+)")
_FLAGS = frozenset(
    "nuw nsw exact nnan ninf nsz arcp contract afn reassoc fast inbounds samesign disjoint".split()
)
_CASTS = frozenset(
    "sitofp uitofp fptosi fptoui sext zext trunc fpext fptrunc bitcast ptrtoint inttoptr".split()
)


def kind_of(text: str) -> str:
    """LLVM's type of what an instruction, the right-hand side of a line, gives."""
    words = text.split()
    how = words[0]
    if how in ("icmp", "fcmp"):
        return "i1"
    if how in ("getelementptr", "alloca"):
        return "ptr"
    if how == "load":
        return text[5:].split(", ptr ")[0]
    if how in _CASTS:
        return text.rsplit(" to ", 1)[1].split(",")[0].strip()
    if how == "call":
        return words[1]
    if how == "select":
        return text.split(",")[1].split()[0]
    rest = [word for word in words[1:] if word not in _FLAGS]
    return rest[0].rstrip(",")


@dataclass(frozen=True, slots=True)
class Outlined:
    """A function made of a piece of code: its text, and the registers that it takes."""

    text: str
    registers: Sequence[tuple[str, str]]

    def stores(self, environment: str, prefix: str) -> list[str]:
        """The lines that fill an environment before the call."""
        lines: list[str] = []
        for number, (name, kind) in enumerate(self.registers):
            place = f"{prefix}{number}"
            lines.append(f"  {place} = getelementptr i8, ptr {environment}, i64 {WIDTH * number}")
            lines.append(f"  store {kind} {name}, ptr {place}, align {WIDTH}")
        return lines


def _types(lines: Iterable[str], head: str) -> dict[str, str]:
    """The types of the registers that lines define, and of a function's parameters."""
    found: dict[str, str] = {}
    for parameter in head[head.index("(") + 1 : head.rindex(")")].split(","):
        words = parameter.split()
        if words:
            found[words[-1]] = words[0]
    for line in lines:
        made = RESULT.match(line)
        if made:
            found[made[1]] = kind_of(made[2])
    return found


def outline(
    head: str, own: Sequence[str], body: Sequence[str], known: Sequence[str], around: str
) -> Outlined:
    """The function with this ``head`` whose code is ``body``, with its own slots (``own``).

    ``known`` are lines of the function around, ``around`` its head. The first parameter of the new
    function is the environment, ``%env``.
    """
    lines = [*own, *body]
    defined = {made[1] for line in lines if (made := RESULT.match(line))}
    defined |= set(NAME.findall(head))
    types: dict[str, str] | None = None
    registers: dict[str, str] = {}
    for line in lines:
        labels = set(_LABEL.findall(line))
        for name in NAME.findall(line):
            if name in defined or name in labels or name in registers:
                continue
            if types is None:
                types = _types(known, around)
            registers[name] = types[name]
    loads: list[str] = []
    for number, (name, kind) in enumerate(registers.items()):
        loads.append(f"  %load{number} = getelementptr i8, ptr %env, i64 {WIDTH * number}")
        loads.append(f"  {name} = load {kind}, ptr %load{number}, align {WIDTH}")
    text = "\n".join([head, "entry:", *own, *loads, *body, "  ret void", "}"])
    return Outlined(text, list(registers.items()))
