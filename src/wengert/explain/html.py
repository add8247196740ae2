"""An explanation as HTML, for Jupyter. Everything that came from outside is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from .signs import Signs
from .text import FORWARD, NEITHER, REVERSE, adjoint_sums, cells, columns, heading, tangent_sums

if TYPE_CHECKING:
    from .rows import Explanation

__all__ = ["render"]

DIGITS = 6
_MONO = "font-family:ui-monospace,monospace"


def _accent(name: str, suffix: str) -> str:
    if suffix == "_bar":
        return f'<span style="text-decoration:overline">{escape(name)}</span>'
    return f"{escape(name)}&#775;" if len(name) == 1 else f"{escape(name)}<sup>&bull;</sup>"


def render(explanation: Explanation) -> str:
    """A table, and a list of sums for each of the sweeps."""
    parts = [
        '<div class="wengert-explanation">',
        f'<p style="{_MONO}"><b>{escape(heading(explanation))}</b></p>',
        _table(explanation),
    ]
    sign = Signs([row.name for row in explanation.rows], _accent, escape)
    if explanation.forward:
        lines = [
            (_accent(name, "_dot"), [sign(side) for side in dict.fromkeys(sides) if side])
            for name, *sides in tangent_sums(explanation, DIGITS)
        ]
        parts.append(_equations(FORWARD, lines))
    if explanation.reverse:
        lines = [
            (_accent(name, "_bar"), [sign(side) for side in sides])
            for name, sides in adjoint_sums(explanation, DIGITS)
        ]
        parts.append(_equations(REVERSE, lines))
    if not (explanation.forward or explanation.reverse):
        parts.append(f"<p>{escape(NEITHER)}</p>")
    return "\n".join([*parts, "</div>"])


def _table(explanation: Explanation) -> str:
    names = columns(explanation)
    aligned = ["left" if name in ("name", "formula") else "right" for name in names]
    head = "".join(
        f'<th style="text-align:{side}">{name}</th>'
        for name, side in zip(names, aligned, strict=True)
    )
    lines = [f'<table style="{_MONO}">', f"<thead><tr>{head}<th></th></tr></thead>", "<tbody>"]
    for row in explanation.rows:
        body = "".join(
            f'<td style="text-align:{side}">{escape(text)}</td>'
            for text, side in zip(cells(explanation, row, DIGITS), aligned, strict=True)
        )
        mark = f"&larr; {escape(', '.join(row.results))}" if row.results else ""
        lines.append(f'<tr>{body}<td style="text-align:left">{mark}</td></tr>')
    return "\n".join([*lines, "</tbody>", "</table>"])


def _equations(title: str, lines: list[tuple[str, list[str]]]) -> str:
    rows = "\n".join(
        f'<tr><td style="text-align:right">{name}</td>'
        f'<td style="text-align:left">= {" = ".join(sides)}</td></tr>'
        for name, sides in lines
    )
    return f'<p>{escape(title)}</p>\n<table style="{_MONO}"><tbody>\n{rows}\n</tbody></table>'
