"""Code as a function of its own: what it needs of the function around it goes through memory.

The registers that a piece of code uses and does not define are stored into an *environment* before
the call, and loaded from it at the beginning of the function. Their types are read from the lines
that define them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["NAME", "RESULT", "Environment", "Outlined", "kind_of", "outline", "parameters"]

NAME = re.compile(r"%[\w.]+")
RESULT = re.compile(r"^\s*(%[\w.]+) = (.*)$")

_LABEL = re.compile(r"label (%[\w.]+)")
_BYTES = re.compile(r"\[(\d+) x i8\]")
_CASTS = frozenset(
    "sitofp uitofp fptosi fptoui sext zext trunc fpext fptrunc bitcast ptrtoint inttoptr".split()
)
_PLAIN = frozenset(
    "add sub mul udiv sdiv urem srem shl lshr ashr and or xor "
    "fadd fsub fmul fdiv frem fneg freeze load call".split()
)
"""Instructions with the type of their result behind their flags."""

_FLAGS = frozenset(
    "nuw nsw exact nnan ninf nsz arcp contract afn reassoc fast disjoint volatile tail".split()
)

_SLOT = 8


def _type_at(text: str) -> str:
    """The type that a text begins with."""
    closing = {"<": ">", "[": "]", "{": "}"}.get(text[0])
    if closing is None:
        return re.split(r"[ ,(]", text, maxsplit=1)[0]
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == text[0]) - (letter == closing)
        if not depth:
            return text[: place + 1]
    raise ValueError(f"no type: {text}")


def kind_of(text: str) -> str:
    """LLVM's type of what an instruction, the right-hand side of a line, gives.

    Raises ``ValueError`` for instructions that are not known here.

    Example:
        >>> from wengert.compile.outline import kind_of
        >>> kind_of("load [16 x i8], ptr %5, align 8"), kind_of("fcmp uno double %1, %2")
        ('[16 x i8]', 'i1')
    """
    how, _, rest = text.partition(" ")
    if how in ("getelementptr", "alloca"):
        return "ptr"
    if how in ("icmp", "fcmp"):
        return "i1"
    if how in _CASTS:
        return rest.rsplit(" to ", 1)[1].split(",")[0].strip()
    if how == "select":
        return _type_at(rest.split(", ", 1)[1])
    if how not in _PLAIN:
        raise ValueError(f"an instruction whose type is not known: {text}")
    while rest.split(" ", 1)[0] in _FLAGS:
        rest = rest.split(" ", 1)[1]
    return _type_at(rest)


def parameters(head: str) -> dict[str, str]:
    """The types of a function's parameters, by name."""
    listed = head[head.index("(") + 1 : head.rindex(")")]
    return {words[-1]: words[0] for each in listed.split(",") if (words := each.split())}


class Environment:
    """Memory for registers: where each lies, and the lines that write and read it."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.places: dict[str, int] = {}
        self.nbytes = 0
        self.count = 0

    def add(self, name: str, kind: str) -> None:
        """Room for one more register."""
        wide = _BYTES.match(kind)
        size = int(wide[1]) if wide else _SLOT
        self.places[name] = self.nbytes
        self.nbytes += -(-size // _SLOT) * _SLOT

    def address(self, name: str, base: str) -> tuple[str, str]:
        """The address of a register's place, and the line that computes it."""
        self.count += 1
        at = f"%{self.prefix}{self.count}"
        return at, f"  {at} = getelementptr i8, ptr {base}, i64 {self.places[name]}"

    def store(self, name: str, kind: str, base: str) -> list[str]:
        """The lines that write a register."""
        at, line = self.address(name, base)
        return [line, f"  store {kind} {name}, ptr {at}, align {_SLOT}"]

    def load(self, name: str, kind: str, base: str) -> list[str]:
        """The lines that read a register."""
        at, line = self.address(name, base)
        return [line, f"  {name} = load {kind}, ptr {at}, align {_SLOT}"]


@dataclass(frozen=True, slots=True)
class Outlined:
    """A function made of a piece of code: its text, and the registers that it takes."""

    text: str
    registers: Sequence[tuple[str, str]]

    @property
    def nbytes(self) -> int:
        """Bytes of its environment, at least 1."""
        return max(1, self._environment("").nbytes)

    def _environment(self, prefix: str) -> Environment:
        environment = Environment(prefix)
        for name, kind in self.registers:
            environment.add(name, kind)
        return environment

    def stores(self, base: str, prefix: str) -> list[str]:
        """The lines that fill an environment before the call."""
        environment = self._environment(prefix)
        return [
            line for name, kind in self.registers for line in environment.store(name, kind, base)
        ]


def _types(lines: Iterable[str], head: str) -> dict[str, str]:
    """The right-hand sides that define registers, and the types of a function's parameters."""
    found = {name: f"load {kind}" for name, kind in parameters(head).items()}
    for line in lines:
        made = RESULT.match(line)
        if made:
            found[made[1]] = made[2]
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
    makers: dict[str, str] | None = None
    registers: dict[str, str] = {}
    environment = Environment("load")
    for line in lines:
        labels = set(_LABEL.findall(line))
        for name in NAME.findall(line):
            if name in defined or name in labels or name in registers:
                continue
            if makers is None:
                makers = _types(known, around)
            registers[name] = kind_of(makers[name])
            environment.add(name, registers[name])
    loads = [
        line for name, kind in registers.items() for line in environment.load(name, kind, "%env")
    ]
    text = "\n".join([head, "entry:", *own, *loads, *body, "  ret void", "}"])
    return Outlined(text, list(registers.items()))
