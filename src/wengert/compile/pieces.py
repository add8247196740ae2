"""Long code in several functions: LLVM takes more than linear time for long ones.

Two kinds of pieces become functions of their own. In code with many nests of loops each does, with
what is written around it for its sake; nests that are the same but for the registers that they use
share one. And long runs of lines without branches do, in a module that LLVM is not asked to
optimise: there is little to find in them.

Registers that enter a nest of loops are parameters. All others that cross a border go through an
array, the *environment*, that belongs to the function that calls.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from .outline import NAME, Environment, kind_of, parameters

__all__ = ["LONG", "NESTS", "SYMBOL", "Divided", "divided"]

LONG = 3000
"""Straight code of up to this many lines stays where it is."""

PIECE = 600
"""Lines of one function of straight code."""

NESTS = 6
"""Up to this many nests of loops stay where they are."""

ALIKE = 0.75
"""More stay too, unless many are alike: there may be this many functions for each nest."""

MANY = 150
"""This many nests are functions although none are alike."""

NEAR = 40
"""A nest takes this many lines before and behind it along, if they use its slots."""

WIDE = 60
"""A nest that needs more registers than this stays where it is."""

_LABEL = re.compile(r"([\w.]+):$")
_LABELS = re.compile(r"^([\w.]+):$", re.MULTILINE)
_TARGET = re.compile(r"label %([\w.]+)")
_ENDS = re.compile(r"^\s*(br|ret|switch|unreachable)\b")
_RETURNS = re.compile(r"^\s*ret\b| phi ")
_SLOT = re.compile(r" = alloca (?!\[)\w+, align")
_ACCESS = re.compile(r"^\s*(?:%[\w.]+ = load [^,]+|store \S+ \S+), ptr (%[\w.]+)(?:,| *$)")
_BARRIER = re.compile(r"^\s*(br|ret|switch|store ptr|\S+:)|%s\d|%table|unreachable|!| phi ")
SYMBOL = re.compile(r"@([\w.]+)")
_NODE = re.compile(r"!(\d+)\b")


@dataclass
class Divided:
    """What is left of a function's code, and the functions that the rest has become."""

    lines: list[str]
    nests: list[str] = field(default_factory=list[str])
    calls: int = 0
    """Of the functions that are nests of loops."""
    straight: dict[str, str] = field(default_factory=dict[str, str])
    """Functions of straight lines, by their declaration."""
    nbytes: int = 0
    """The size of the environment, ``%env``."""


@dataclass(eq=False)
class _Piece:
    """Lines that become a function."""

    start: int
    stop: int
    loops: bool
    made: list[str] = field(default_factory=list[str])
    used: list[str] = field(default_factory=list[str])
    own: list[str] = field(default_factory=list[str])
    """Slots that only this piece uses."""


def divided(
    lines: Sequence[str],
    nests: Sequence[tuple[int, int]],
    name: str,
    head: str,
    nodes: Sequence[str] = (),
    symbols: Collection[str] = (),
) -> Divided:
    """A function's code without its long parts, and these as functions.

    Parameters: ``lines`` of the code, ``nests`` where its nests of loops begin and end; ``name``
    and ``head`` of the function; ``nodes``, the module's metadata; ``symbols`` that straight code
    in another module may refer to.
    """
    long = len(lines) - sum(stop - start for start, stop in nests) > LONG
    if not (long or _may_pay(nests)):
        return Divided(list(lines))
    found = _Division(lines, name, head, nodes).run(nests, long, _may_pay(nests), symbols)
    if not found.calls or _pays(len(found.nests), found.calls):
        return found
    if not long:
        return Divided(list(lines))
    return _Division(lines, name, head, nodes).run(nests, long, False, symbols)


def _pays(functions: int, calls: int) -> bool:
    """Whether LLVM takes less time for nests of loops as so many functions."""
    return functions <= ALIKE * calls or calls > MANY


def _may_pay(nests: Sequence[tuple[int, int]]) -> bool:
    """The same, as far as can be said by their lengths."""
    return len(nests) > NESTS and _pays(len({stop - start for start, stop in nests}), len(nests))


class _Division:
    def __init__(self, lines: Sequence[str], name: str, head: str, nodes: Sequence[str]) -> None:
        self.lines = lines
        self.name = name
        self.nodes = nodes
        self.names = [NAME.findall(line) for line in lines]
        self.makers: dict[str, int] = {}
        """The line that defines a register."""
        for number, (line, names) in enumerate(zip(lines, self.names, strict=True)):
            if names and line.find(" = ") > line.find(names[0]):
                self.makers[names[0]] = number
        self.given = parameters(head)
        self.kinds: dict[str, str] = {}
        self.pieces: list[_Piece] = []
        self.where = [0] * len(lines)
        self.readers: dict[str, set[int]] = {}
        """The pieces that read a register, but for the one that makes it; 0 is what is left."""
        self.environment = Environment("oa")
        self.shared: dict[tuple[str, ...], str] = {}
        self.result = Divided([])

    def kind(self, name: str) -> str:
        """The type of a register."""
        if name not in self.kinds:
            made = self.given.get(name)
            line = "" if made else self.lines[self.makers[name]]
            self.kinds[name] = made or kind_of(line.split(" = ", 1)[1])
        return self.kinds[name]

    def run(
        self, nests: Sequence[tuple[int, int]], long: bool, loops: bool, symbols: Collection[str]
    ) -> Divided:
        """Divide the code: whether straight lines are taken out, and whether loops are."""
        found = self._nests(nests) if loops else []
        taken = [False] * len(self.lines)
        for start, stop in (*nests, *found):
            taken[start:stop] = [True] * (stop - start)
        runs = self._runs(taken, symbols) if long else []
        self.pieces = [self._piece(*piece, loops=False) for piece in runs]
        wide = (self._piece(*piece, loops=True) for piece in found)
        self.pieces += [piece for piece in wide if len(piece.used) + len(piece.made) <= WIDE]
        self.pieces.sort(key=lambda piece: piece.start)
        if self.pieces:
            self._cross()
            self._write()
        else:
            self.result.lines = list(self.lines)
        return self.result

    # -- where the pieces are --------------------------------------------------------------------

    def _nests(self, nests: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """The nests of loops that can be functions, with the lines that belong to them."""
        uses: dict[str, list[int]] = {}
        slots = {name for name, number in self.makers.items() if _SLOT.search(self.lines[number])}
        for number, names in enumerate(self.names):
            for name in names:
                if name in slots and self.makers[name] != number:
                    uses.setdefault(name, []).append(number)
        found: list[tuple[int, int]] = []
        for start, stop in nests:
            behind = stop < len(self.lines) and _LABEL.match(self.lines[stop])
            nest = first, last = start, stop + 1 if behind else stop
            for name in {each for names in self.names[start:stop] for each in names} & slots:
                if start - NEAR <= uses[name][0] and uses[name][-1] < stop + NEAR:
                    first, last = min(first, uses[name][0]), max(last, uses[name][-1] + 1)
            if not self._closed(first, last):
                first, last = nest
            while found and found[-1][1] > first:
                before = found.pop()
                first, last = min(first, before[0]), max(last, before[1])
            found.append((first, last))
        return [(first, last) for first, last in found if self._closed(first, last)]

    def _closed(self, start: int, stop: int) -> bool:
        """Whether code is entered by its first line only, and left by its last."""
        lines = self.lines[start:stop]
        if _LABEL.match(lines[0]) or _ENDS.match(lines[-1]):
            return False
        labels = {made[1] for line in lines if (made := _LABEL.match(line))}
        targets = {each for line in lines for each in _TARGET.findall(line)}
        return labels == targets and not any(_RETURNS.search(line) for line in lines)

    def _runs(self, taken: Sequence[bool], symbols: Collection[str]) -> list[tuple[int, int]]:
        """The runs of straight lines that become functions."""
        found: list[tuple[int, int]] = []
        start = 0
        for number in range(len(self.lines) + 1):
            if number == len(self.lines) or taken[number] or self._stays(number, symbols):
                if number - start > PIECE // 2:
                    found.extend(
                        (first, min(first + PIECE, number)) for first in range(start, number, PIECE)
                    )
                start = number + 1
        return found

    def _stays(self, number: int, symbols: Collection[str]) -> bool:
        """Whether a line has to stay in its function, or in its module."""
        line = self.lines[number]
        if _BARRIER.search(line):
            return True
        return "@" in line and not all(each in symbols for each in SYMBOL.findall(line))

    # -- what crosses their borders --------------------------------------------------------------

    def _cross(self) -> None:
        """Find what each piece makes and uses, and give places to what leaves one."""
        for number, piece in enumerate(self.pieces, 1):
            self.where[piece.start : piece.stop] = [number] * (piece.stop - piece.start)
        makers, where, readers = self.makers, self.where, self.readers
        for line, (names, here) in enumerate(zip(self.names, where, strict=True)):
            for name in names:
                at = makers.get(name, line)
                if where[at] != here or (not here and at != line):
                    readers.setdefault(name, set()).add(here)
        for number, piece in enumerate(self.pieces, 1):
            for name in piece.made:
                if name in readers:
                    self.environment.add(name, self.kind(name))
            if piece.loops:
                alone = [name for name in piece.used if readers.get(name) == {number}]
                piece.own = self._slots(piece, alone)
                piece.used = [name for name in piece.used if name not in piece.own]
                continue
            for name in piece.used:
                if name in self.makers and name not in self.environment.places:
                    self.environment.add(name, self.kind(name))

    def _piece(self, start: int, stop: int, *, loops: bool) -> _Piece:
        """A piece, with what it makes and what it uses."""
        made: list[str] = []
        used: dict[str, None] = {}
        makers = self.makers
        for line in range(start, stop):
            for name in self.names[line]:
                at = makers.get(name, -1)
                if at == line:
                    made.append(name)
                elif at >= stop or 0 <= at < start or name in self.given:  # not so a label
                    used[name] = None
        return _Piece(start, stop, loops, made, list(used))

    def _slots(self, piece: _Piece, names: Iterable[str]) -> list[str]:
        """Which registers are slots that the lines of a piece only read and write.

        What an address that is kept somewhere belongs to has to outlast the piece.
        """
        found = dict.fromkeys(
            name
            for name in names
            if name in self.makers and _SLOT.search(self.lines[self.makers[name]])
        )
        for line in range(piece.start, piece.stop):
            for name in self.names[line]:
                if name in found:
                    access = _ACCESS.match(self.lines[line])
                    if access is None or access[1] != name or self.names[line].count(name) > 1:
                        del found[name]
        return list(found)

    # -- the text --------------------------------------------------------------------------------

    def _write(self) -> None:
        """Write the functions, and the calling function's lines."""
        place = 0
        dropped = {self.makers[name] for piece in self.pieces for name in piece.own}
        for number, piece in enumerate(self.pieces, 1):
            self._keep(place, piece.start, dropped)
            if piece.loops:
                self._nest(number, piece)
            else:
                self._run(number, piece)
            for name in piece.made:
                if name in self.environment.places and self._is_passed(name):
                    self.result.lines += self.environment.load(name, self.kind(name), "%env")
            place = piece.stop
        self._keep(place, len(self.lines), dropped)
        self.result.nbytes = self.environment.nbytes or (8 if self.result.straight else 0)

    def _is_passed(self, name: str) -> bool:
        """Whether the calling function reads a register, to compute or to hand it on."""
        readers = self.readers[name]
        return 0 in readers or any(self.pieces[each - 1].loops for each in readers)

    def _keep(self, start: int, stop: int, dropped: Collection[int]) -> None:
        """Lines that stay, with what puts their results into the environment."""
        for number in range(start, stop):
            if number in dropped:
                continue
            line = self.lines[number]
            self.result.lines.append(line)
            names = self.names[number]
            if names and names[0] in self.environment.places and self.makers[names[0]] == number:
                name = names[0]
                self.result.lines += self.environment.store(name, self.kind(name), "%env")

    def _run(self, number: int, piece: _Piece) -> None:
        """A run of straight lines as a function."""
        environment, name = self.environment, f"{self.name}_part{number}"
        taken = [f"{kind} {each}" for each, kind in self.given.items()]
        given = ", ".join([*taken, "ptr %env"])
        text = [f"define void @{name}({given}) nounwind {{"]
        for each in piece.used:
            if each in environment.places:
                text += environment.load(each, self.kind(each), "%env")
        text += self.lines[piece.start : piece.stop]
        for each in piece.made:
            if each in environment.places:
                text += environment.store(each, self.kind(each), "%env")
        kinds = ", ".join([*self.given.values(), "ptr"])
        declared = f"declare void @{name}({kinds}) nounwind"
        self.result.straight[declared] = "\n".join([*text, "  ret void", "}"])
        self.result.lines.append(f"  call void @{name}({given})")

    def _nest(self, number: int, piece: _Piece) -> None:
        """A nest of loops as a function, or as a call of one with the same text."""
        taken = [(self.kind(name), name) for name in piece.used]
        given = [f"{kind} {name}" for kind, name in taken]
        text = [self.lines[self.makers[name]] for name in piece.own]
        text += self.lines[piece.start : piece.stop]
        for name in piece.made:
            if name in self.environment.places:
                at, line = self.environment.address(name, "%env")
                self.result.lines.append(line)
                given.append(f"ptr {at}")
                taken.append(("ptr", at))
                text.append(f"  store {self.kind(name)} {name}, ptr {at}, align 8")
        head = ", ".join(f"{kind} {name}" for kind, name in taken)
        whole = _renamed("\n".join([f"({head}) noinline #0 {{", *text, "  ret void", "}"]))
        key = self._key(whole)
        function = self.shared.get(key)
        if function is None:
            function = self.shared[key] = f"{self.name}_nest{number}"
            self.result.nests.append(f"define internal void @{function}{whole}")
        self.result.lines.append(f"  call void @{function}({', '.join(given)})")
        self.result.calls += 1

    def _key(self, text: str) -> tuple[str, ...]:
        """A text and the metadata that it refers to, without their numbers."""
        order: dict[str, str] = {}

        def counted(node: re.Match[str]) -> str:
            return order.setdefault(node[1], f"!{len(order)}")

        found = [_NODE.sub(counted, text)]
        while len(found) <= len(order):
            node = list(order)[len(found) - 1]
            found.append(_NODE.sub(counted, self.nodes[int(node)]))
        return tuple(found)


def _renamed(text: str) -> str:
    """A function's text with its registers and labels named in the order in which they come."""
    names: dict[str, str] = {}

    def renamed(name: re.Match[str]) -> str:
        return names.setdefault(name[0], f"%r{len(names)}")

    def label(name: re.Match[str]) -> str:
        return f"{names[f'%{name[1]}'][1:]}:"

    return _LABELS.sub(label, NAME.sub(renamed, text))
