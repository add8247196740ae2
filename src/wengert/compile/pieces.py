"""Long straight code in several functions: LLVM takes more than linear time for long ones.

A run of lines without branches becomes a function of its own. Registers that cross its borders go
through an array on the stack of the function that calls it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["LONG", "outlined"]

LONG = 3000
"""Straight code of up to this many lines stays where it is."""

PIECE = 600
"""Lines of one function."""

_NAME = re.compile(r"%[\w.]+")
_RESULT = re.compile(r"^\s*(%[\w.]+) = (.*)$")
_FLAGS = frozenset(
    "nuw nsw exact nnan ninf nsz arcp contract afn reassoc fast inbounds samesign disjoint".split()
)
_CASTS = frozenset(
    "sitofp uitofp fptosi fptoui sext zext trunc fpext fptrunc bitcast ptrtoint inttoptr".split()
)
_BARRIER = re.compile(r"^\s*(br |switch |ret |store ptr|\S+:)|%s\d|%table|unreachable")


def outlined(
    lines: Sequence[str], straight: Sequence[bool], name: str
) -> tuple[list[str], list[str], int]:
    """The lines with calls in place of long runs, those functions, and the slots that they need.

    ``straight`` says which lines are in no loop.
    """
    if sum(straight) <= LONG:
        return list(lines), [], 0
    pieces = _pieces(lines, straight)
    if not pieces:
        return list(lines), [], 0
    kinds: dict[str, str] = {}
    home: dict[str, int] = {}
    where = [0] * len(lines)
    for number, (start, stop) in enumerate(pieces, 1):
        where[start:stop] = [number] * (stop - start)
    readers: dict[str, set[int]] = {}
    for line, number in zip(lines, where, strict=True):
        made = _RESULT.match(line)
        used = _NAME.findall(line)
        if made:
            kinds[made[1]] = _kind(made[2])
            home[made[1]] = number
            used = used[1:]
        for each in used:
            readers.setdefault(each, set()).add(number)
    slots: dict[str, int] = {}
    for each, numbers in readers.items():
        if each in kinds and (numbers - {home[each]}):
            slots[each] = len(slots)
    return _written(lines, pieces, kinds, home, readers, slots, name)


def _pieces(lines: Sequence[str], straight: Sequence[bool]) -> list[tuple[int, int]]:
    """Where the runs that become functions begin and end."""
    found: list[tuple[int, int]] = []
    start = 0
    for number, line in enumerate([*lines, ""]):
        if number == len(lines) or not straight[number] or _BARRIER.search(line):
            if number - start > PIECE // 2:
                found.extend(
                    (first, min(first + PIECE, number)) for first in range(start, number, PIECE)
                )
            start = number + 1
    return found


def _kind(text: str) -> str:
    """LLVM's type of what an instruction, the right-hand side of a line, gives."""
    words = text.split()
    how = words[0]
    if how in ("icmp", "fcmp"):
        return "i1"
    if how in ("getelementptr", "alloca"):
        return "ptr"
    if how in _CASTS:
        return text.rsplit(" to ", 1)[1].split(",")[0].strip()
    if how == "call":
        return words[1]
    if how == "select":
        return text.split(",")[1].split()[0]
    rest = [word for word in words[1:] if word not in _FLAGS]
    return rest[0].rstrip(",")


def _written(
    lines: Sequence[str],
    pieces: Sequence[tuple[int, int]],
    kinds: dict[str, str],
    home: dict[str, int],
    readers: dict[str, set[int]],
    slots: dict[str, int],
    name: str,
) -> tuple[list[str], list[str], int]:
    """The calling function's lines, and the functions."""
    entering: dict[int, list[str]] = {}
    for each in slots:
        for number in readers[each]:
            if number != home[each]:
                entering.setdefault(number, []).append(each)
    counter = 0

    def store(each: str) -> list[str]:
        nonlocal counter
        counter += 1
        return [
            f"  %oa{counter} = getelementptr i64, ptr %env, i64 {slots[each]}",
            f"  store {kinds[each]} {each}, ptr %oa{counter}, align 8",
        ]

    def load(each: str) -> list[str]:
        nonlocal counter
        counter += 1
        return [
            f"  %oa{counter} = getelementptr i64, ptr %env, i64 {slots[each]}",
            f"  {each} = load {kinds[each]}, ptr %oa{counter}, align 8",
        ]

    functions: list[str] = []
    kept: list[str] = []
    place = 0
    # What the calling function reads of a piece is read as soon as the piece has run.
    back = set(entering.get(0, ()))
    for number, (start, stop) in enumerate(pieces, 1):
        for line in lines[place:start]:
            kept.append(line)
            made = _RESULT.match(line)
            if made and made[1] in slots and home[made[1]] == 0:
                kept.extend(store(made[1]))
        body = list(lines[start:stop])
        made_here = [m[1] for line in body if (m := _RESULT.match(line))]
        text = [x for each in entering.get(number, ()) for x in load(each)]
        text += body
        text += [x for each in made_here if each in slots for x in store(each)]
        head = f"define internal void @{name}_part{number}({_PARAMETERS}) noinline nounwind {{"
        functions.append("\n".join([head, *text, "  ret void", "}"]))
        kept.append(f"  call void @{name}_part{number}({_PARAMETERS})")
        for each in made_here:
            if each in back:
                kept.extend(load(each))
        place = stop
    for line in lines[place:]:
        kept.append(line)
        made = _RESULT.match(line)
        if made and made[1] in slots and home[made[1]] == 0:
            kept.extend(store(made[1]))
    return kept, functions, len(slots)


_PARAMETERS = "ptr %inputs, ptr %outputs, ptr %work, ptr %env"
