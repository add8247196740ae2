"""A compilation as plain text, in a terminal's colours, and as HTML."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .text import table

if TYPE_CHECKING:
    from .compiled import Compilation, CompiledRow

__all__ = ["coloured", "heading", "html", "plain", "totals"]

HEAD = ("name", "formula", "type", "compiled as", "memory")
_MONO = "font-family:ui-monospace,monospace"
_STYLES = {"callout": "red", "guard": "yellow", "loop": "green", "library": "cyan"}


# -- contents --------------------------------------------------------------------------------------


def heading(compilation: Compilation) -> str:
    """The call, and what it returns."""
    found = compilation.results
    shown = found[0] if len(found) == 1 else f"({', '.join(found)})"
    return f"{compilation.title} = {shown}"


def _cells(row: CompiledRow, indent: str = "  ") -> list[str]:
    return [indent * row.depth + row.name, row.formula, row.type, row.text, row.memory]


def loops(compilation: Compilation) -> Iterator[tuple[str, str]]:
    """Each loop with its axes, and what is computed in it."""
    for number, lengths in compilation.loops.items():
        own = [row.name for row in compilation.rows if row.how == "loop" and number in row.loops]
        axes = " x ".join(map(str, lengths)) or "1"
        chunks = compilation.chunks.get(number)
        shared = f", {chunks} chunks for threads" if chunks else ""
        yield f"loop {number} over {axes}{shared}", ", ".join(own)


def totals(compilation: Compilation) -> list[str]:
    """How many of what, how much memory, and how long it took."""
    rows = [row for row in compilation.rows if row.how]
    kinds = [row.how for row in rows]
    parts = [_count(len(rows), "equation")]
    for how, what in (("library", "library call"), ("guard", "guard")):
        if how in kinds:
            parts.append(_count(kinds.count(how), what))
    if compilation.ir:
        parts.insert(1, _count(len(compilation.loops), "loop"))
        parts.append(f"{kinds.count('callout')} called out")
    parts.append(f"about {_count(compilation.operations, 'operation')} on numbers")
    found = [", ".join(parts) + "."]
    if compilation.ir:
        unstored = [row.unstored for row in rows if row.unstored]
        saved = (
            f"; never stored: {_count(len(unstored), 'array')}, {_count(sum(unstored), 'byte')}"
            if unstored
            else ""
        )
        found.append(f"Workspace: {_count(compilation.workspace, 'byte')}{saved}.")
    if compilation.callouts:
        names = ", ".join(compilation.callouts)
        found.append(f"Called out to the evaluator, by way of Python: {names}.")
    if compilation.state == "native":
        found.append(f"Native, compiled in {compilation.seconds:.3g} s.")
    else:
        reason = " ".join(compilation.reason.split()) or "nothing has compiled it yet"
        how = "This is what would be compiled" if compilation.ir else "It is evaluated"
        found.append(f"Not compiled: {reason}. {how}.")
    return found


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


# -- plain text ------------------------------------------------------------------------------------


def plain(compilation: Compilation, width: int) -> str:
    """See ``Compilation.text``."""
    body = [_cells(row) for row in compilation.rows]
    lines = table(HEAD, body, [""] * len(body), width - 2, left=len(HEAD))
    parts = [heading(compilation), textwrap.indent("\n".join(lines), "  ")]
    if compilation.loops:
        listed = [f"{loop}: {names}" for loop, names in loops(compilation)]
        parts.append("\n".join(line for text in listed for line in _wrapped(text, width)))
    parts.append("\n".join(line for text in totals(compilation) for line in _wrapped(text, width)))
    return "\n\n".join(parts)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)


# -- colours ---------------------------------------------------------------------------------------


def coloured(compilation: Compilation) -> RenderableType:
    """For rich."""
    title = Text(heading(compilation))
    shown = Table(title=title, title_justify="left", title_style="bold")
    for name in HEAD:
        shown.add_column(name, style="bold" if name == "name" else "")
    for row in compilation.rows:
        cells = list(map(Text, _cells(row)))
        cells[3].stylize(_STYLES.get(row.how, ""))
        shown.add_row(*cells)
    listed = Table.grid(padding=(0, 1))
    for loop, names in loops(compilation):
        listed.add_row(Text(f"{loop}:", style="green"), Text(names))
    between = [Text(), listed, Text()] if compilation.loops else [Text()]
    return Group(shown, *between, *map(Text, totals(compilation)))


# -- HTML ------------------------------------------------------------------------------------------


def html(compilation: Compilation) -> str:
    """For Jupyter. Everything that came from outside is escaped."""
    head = "".join(f'<th style="text-align:left">{name}</th>' for name in HEAD)
    lines = [
        '<div class="wengert-compilation">',
        f'<p style="{_MONO}"><b>{escape(heading(compilation))}</b></p>',
        f'<table style="{_MONO}">',
        f"<thead><tr>{head}</tr></thead>",
        "<tbody>",
    ]
    for row in compilation.rows:
        cells = "".join(
            f'<td style="text-align:left">{escape(text)}</td>' for text in _cells(row, "\u2003")
        )
        lines.append(f"<tr>{cells}</tr>")
    lines += ["</tbody>", "</table>"]
    items = [f"{loop}: {names}" for loop, names in loops(compilation)]
    lines += [f"<p>{escape(text)}</p>" for text in (*items, *totals(compilation))]
    return "\n".join([*lines, "</div>"])
