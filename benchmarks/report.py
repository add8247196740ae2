"""What was measured, as tables on the terminal and as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

__all__ = ["Table", "duration", "machine", "publish", "ratio", "show"]


@dataclass
class Table:
    """A table with a name (its mark in a document), a title and a note."""

    name: str
    title: str
    head: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list[Sequence[str]])
    note: str = ""

    def markdown(self) -> str:
        """The table for a document."""
        rule = ["---", *["---:"] * (len(self.head) - 1)]
        lines = [self.head, rule, *self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them: ``12.3 µs``."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def ratio(value: float) -> str:
    """A ratio with two digits, or with all before the point."""
    return f"{value:.2g}" if value < 100 else f"{value:.0f}"


def show(console: Console, table: Table) -> None:
    """Print a table."""
    printed = RichTable(title=table.title, title_justify="left", caption=table.note or None)
    for i, name in enumerate(table.head):
        printed.add_column(name, justify="right" if i else "left")
    for row in table.rows:
        printed.add_row(*row)
    console.print(printed)
    console.print()


def machine() -> dict[str, str]:
    """The machine and the interpreter in general terms."""
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {
        "processor": f"{model}, {os.cpu_count()} cores, of which one is used",
        "system": f"{platform.system()}, {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def publish(document: Path, tables: Sequence[Table]) -> None:
    """Put the tables into a document, between ``<!-- table: name -->`` and ``<!-- end -->``."""
    text = document.read_text(encoding="utf-8")
    for table in tables:
        mark = f"<!-- table: {table.name} -->"
        before, found, after = text.partition(mark)
        if found:
            _, end, rest = after.partition("<!-- end -->")
            text = f"{before}{mark}\n{table.markdown()}\n{end}{rest}"
    document.write_text(text, encoding="utf-8")
