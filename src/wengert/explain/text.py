"""An explanation as plain text: a table, and below it how each tangent and adjoint comes about."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .numbers import show
from .signs import Signs, accented

if TYPE_CHECKING:
    from .rows import Explanation, Row

__all__ = [
    "adjoint_sums",
    "cells",
    "columns",
    "heading",
    "render",
    "table",
    "tangent_sums",
    "width_of",
]

NARROWEST = 9
"""Columns of text below which no column of the table is squeezed."""

FORWARD = "Forward sweep: each tangent comes from those of its operands"
REVERSE = "Reverse sweep: each adjoint is the sum over the equations that read the variable"

NEITHER = """No adjoints: they start from a result that is one real number, such as a sum.
Tangents need a direction: along=."""


def width_of(text: str) -> int:
    """Columns that the text takes in a terminal."""
    columns = 0
    for letter in text:
        if not unicodedata.combining(letter):
            columns += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
    return columns


# -- contents, for every renderer ------------------------------------------------------------------


def heading(explanation: Explanation) -> str:
    """``f(x, y) = t3``: the call and what it returns."""
    named = {path: row.name for row in explanation.rows for path in row.results}
    found = [named.get(path) or show(value) for path, value in explanation.results]
    if len(found) == 1:
        return f"{explanation.title} = {found[0]}"
    return f"{explanation.title} = ({', '.join(found)})"


def columns(explanation: Explanation) -> list[str]:
    """The headings of the table."""
    sweeps = [("tangent", explanation.forward), ("adjoint", explanation.reverse)]
    return ["name", "formula", "value", *(name for name, made in sweeps if made)]


def cells(explanation: Explanation, row: Row, digits: int) -> list[str]:
    """The contents of a row of the table."""
    found = [row.name, "input" if row.is_input else row.formula, show(row.value, digits)]
    if explanation.forward:
        found.append(show(row.tangent, digits))
    if explanation.reverse:
        found.append(show(row.adjoint, digits))
    return found


def tangent_sums(explanation: Explanation, digits: int) -> list[tuple[str, str, str]]:
    """Name, formula and amount of each tangent, in the order of evaluation."""
    rows = [row for row in explanation.rows if row.tangent is not None]
    return [(row.name, row.tangent_formula, show(row.tangent, digits)) for row in rows]


def adjoint_sums(explanation: Explanation, digits: int) -> list[tuple[str, list[str]]]:
    """Of each adjoint the sides of its equation: formula, amounts, total; from last to first."""
    found: list[tuple[str, list[str]]] = []
    for row in reversed(explanation.rows):
        if row.adjoint is None:
            continue
        amounts = [show(term.amount, digits) for term in row.contributions]
        sides = [_joined([term.formula for term in row.contributions])]
        if len(amounts) > 1:
            sides.append(_joined(amounts))
        sides.append(show(row.adjoint, digits))
        found.append((row.name, [side for side in dict.fromkeys(sides) if side]))
    return found


def _joined(terms: Sequence[str]) -> str:
    """A sum, with a minus in place of plus and minus."""
    text = terms[0] if terms else ""
    for term in terms[1:]:
        negative = term.startswith("-") and not re.search(r" [+-] ", term)
        text += f" - {term[1:]}" if negative else f" + {term}"
    return text


# -- the text --------------------------------------------------------------------------------------


def render(explanation: Explanation, width: int, digits: int, *, ascii: bool) -> str:  # noqa: A002
    """See ``Explanation.text``."""
    names = [row.name for row in explanation.rows]
    accent: Callable[[str, str], str] = (lambda n, s: n + s) if ascii else accented
    sign: Callable[[str], str] = str if ascii else Signs(names, accent)
    parts = [heading(explanation)]
    if explanation.rows:
        body = [cells(explanation, row, digits) for row in explanation.rows]
        marks = [", ".join(row.results) for row in explanation.rows]
        lines = table(columns(explanation), body, marks, width - 2)
        parts.append(textwrap.indent("\n".join(lines), "  "))
    if explanation.forward and (tangents := tangent_sums(explanation, digits)):
        lines = [
            (accent(name, "_dot"), [sign(side) for side in dict.fromkeys(sides) if side])
            for name, *sides in tangents
        ]
        parts.append("\n".join([FORWARD, *_equations(lines, width)]))
    if explanation.reverse and (adjoints := adjoint_sums(explanation, digits)):
        lines = [(accent(name, "_bar"), [sign(side) for side in sides]) for name, sides in adjoints]
        parts.append("\n".join([REVERSE, *_equations(lines, width)]))
    if not (explanation.forward or explanation.reverse):
        parts.append(NEITHER)
    return "\n\n".join(parts)


def table(
    head: Sequence[str],
    body: Sequence[Sequence[str]],
    marks: Sequence[str],
    width: int,
    left: int = 2,
) -> list[str]:
    """Lines of a table of at most ``width`` columns. ``marks`` say which results the rows are.

    The first ``left`` columns are set to the left, the others to the right.
    """
    widths = _fitting([head, *body], width - len("  <- result") * any(marks))
    lines = [_line(head, widths, left).rstrip(), "  ".join("-" * w for w in widths)]
    for texts, mark in zip(body, marks, strict=True):
        wrapped = [_wrap(text, w) for text, w in zip(texts, widths, strict=True)]
        for number in range(max(map(len, wrapped))):
            part = [lines_[number] if number < len(lines_) else "" for lines_ in wrapped]
            end = f"  <- {mark}" if mark and not number else ""
            lines.append((_line(part, widths, left) + end).rstrip())
    return lines


def _fitting(rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Widths of the columns: as their contents want, the widest squeezed until all fit."""
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    room = width - 2 * (len(widths) - 1)
    while sum(widths) > room and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _line(texts: Sequence[str], widths: Sequence[int], left: int) -> str:
    """Names and formulas to the left, numbers to the right."""
    padded: list[str] = []
    for place, (text, width) in enumerate(zip(texts, widths, strict=True)):
        space = " " * (width - width_of(text))
        padded.append(text + space if place < left else space + text)
    return "  ".join(padded)


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]


def _equations(lines: Sequence[tuple[str, list[str]]], width: int) -> list[str]:
    """``name = side = side`` with the first equals signs aligned, long ones continued below."""
    left = max(width_of(name) for name, _ in lines)
    found: list[str] = []
    for name, sides in lines:
        start = "  " + name + " " * (left - width_of(name))
        pieces = [f" = {side}" for side in sides]
        if width_of(start) + sum(map(width_of, pieces)) <= width:
            found.append(start + "".join(pieces))
            continue
        for piece in pieces:
            room = max(width - left - 2, 20)
            wrapped = textwrap.wrap(piece, room, break_on_hyphens=False, subsequent_indent="   ")
            for line in wrapped:
                found.append(start + line)
                start = " " * (left + 2)
    return found
