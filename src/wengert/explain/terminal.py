"""An explanation for a terminal that has colours, by way of rich."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .signs import Signs, accented
from .text import FORWARD, NEITHER, REVERSE, adjoint_sums, cells, columns, heading, tangent_sums

if TYPE_CHECKING:
    from .rows import Explanation

__all__ = ["renderable"]

_STYLES = {"name": "bold", "formula": "", "value": "cyan", "tangent": "green", "adjoint": "magenta"}


def renderable(explanation: Explanation, digits: int = 6) -> RenderableType:
    """The table and the sums, which rich fits to the width of the terminal."""
    table = Table(title=Text(heading(explanation)), title_justify="left", title_style="bold")
    for name in columns(explanation):
        right = name not in ("name", "formula")
        table.add_column(name, style=_STYLES[name], justify="right" if right else "left")
    table.add_column("")
    for row in explanation.rows:
        mark = Text(f"<- {', '.join(row.results)}" if row.results else "", style="dim")
        table.add_row(*map(Text, cells(explanation, row, digits)), mark)
    sign = Signs([row.name for row in explanation.rows])
    parts: list[RenderableType] = [table]
    if explanation.forward:
        lines = [
            (accented(name, "_dot"), [sign(side) for side in dict.fromkeys(sides) if side])
            for name, *sides in tangent_sums(explanation, digits)
        ]
        parts += [Text(f"\n{FORWARD}", style="bold"), _equations(lines, "green")]
    if explanation.reverse:
        lines = [
            (accented(name, "_bar"), [sign(side) for side in sides])
            for name, sides in adjoint_sums(explanation, digits)
        ]
        parts += [Text(f"\n{REVERSE}", style="bold"), _equations(lines, "magenta")]
    if not (explanation.forward or explanation.reverse):
        parts.append(Text(f"\n{NEITHER}"))
    return Group(*parts)


def _equations(lines: list[tuple[str, list[str]]], style: str) -> Table:
    grid = Table.grid(padding=(0, 1))
    for name, sides in lines:
        text = Text("= ")
        for number, side in enumerate(sides):
            last = number == len(sides) - 1
            text.append(f"{' = ' if number else ''}").append(side, style if last else "")
        grid.add_row(Text(f"  {name}", style=style), text)
    return grid
