"""What was measured, as tables on the terminal, as Markdown, and as pictures."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

__all__ = ["Table", "duration", "machine", "pictures", "publish", "show"]


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


COLOURS = {
    "wengert": "#1b6ca8",
    "autograd": "#c8553d",
    "torch": "#e0a030",
    "jax": "#7a9e7e",
    "jax-jit": "#4f6d52",
    "numpy": "#8d8d8d",
}


def pictures(results: dict[str, Any], folder: Path) -> list[Path]:
    """Draw what there are results of; nothing if matplotlib is not installed."""
    try:
        import matplotlib as mpl
    except ModuleNotFoundError:
        return []
    mpl.use("Agg")
    mpl.rcParams.update(
        {
            "font.size": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "figure.dpi": 110,
            "svg.fonttype": "none",
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    for name, draw in (
        ("times", _draw_times),
        ("memory", _draw_memory),
        ("scaling", _draw_scaling),
    ):
        if results.get(name):
            path = folder / f"bench-{name}.png"
            draw(results, path)
            made.append(path)
    return made


def _draw_times(results: dict[str, Any], path: Path) -> None:
    from matplotlib import pyplot

    rows = results["times"]
    titles = results["titles"]
    peers = [
        p for p in COLOURS if p not in ("wengert", "numpy") and any(p in r["over"] for r in rows)
    ]
    figure, axes = pyplot.subplots(figsize=(7.2, 0.55 * len(rows) + 0.22 * len(rows) * len(peers)))
    height = 0.8 / len(peers)
    for k, peer in enumerate(peers):
        places = [
            i + (k - (len(peers) - 1) / 2) * height for i, r in enumerate(rows) if peer in r["over"]
        ]
        values = [r["over"][peer] for r in rows if peer in r["over"]]
        axes.barh(
            places,
            [v - 1 for v in values],
            height * 0.9,
            left=1,
            label=titles[peer],
            color=COLOURS[peer],
        )
        for place, value in zip(places, values, strict=True):
            axes.annotate(
                f"{value:.2g}" if value < 10 else f"{value:.0f}",
                (value, place),
                xytext=(4 if value >= 1 else -4, 0),
                textcoords="offset points",
                va="center",
                ha="left" if value >= 1 else "right",
                fontsize=8,
            )
    axes.axvline(1, color=COLOURS["wengert"], linewidth=2)
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.set_xlim(low / 1.6, high * 1.6)
    axes.set_yticks(range(len(rows)), [r["title"] for r in rows])
    axes.invert_yaxis()
    axes.set_xlabel("time of the peer, as a multiple of wengert's (line); right of it is slower")
    axes.legend(frameon=False, loc="best", fontsize=9)
    figure.savefig(path, bbox_inches="tight")
    pyplot.close(figure)


def _draw_memory(results: dict[str, Any], path: Path) -> None:
    from matplotlib import pyplot

    memory = results["memory"]
    array = memory["size"] * 8
    figure, axes = pyplot.subplots(figsize=(6.4, 3.4))
    for peer, found in memory["peers"].items():
        if peer == "numpy":
            continue
        end = max(found["seconds"], default=1.0)
        axes.plot(
            [t / end for t in found["seconds"]],
            [b / array for b in found["bytes"]],
            label=results["titles"][peer],
            color=COLOURS[peer],
            linewidth=2 if peer == "wengert" else 1.4,
        )
    axes.axhline(memory["steps"], color="#bbbbbb", linestyle=":", linewidth=1)
    axes.set_xlabel("time, as a part of that peer's gradient")
    axes.set_ylabel("memory, in arrays")
    axes.set_ylim(0)
    axes.set_title(
        f"A chain of {memory['steps']} steps needs {memory['steps']} residuals (dotted)",
        fontsize=10,
    )
    axes.legend(frameon=False, fontsize=9)
    figure.savefig(path, bbox_inches="tight")
    pyplot.close(figure)


def _draw_scaling(results: dict[str, Any], path: Path) -> None:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5.4, 3.2))
    for peer, found in results["scaling"].items():
        axes.plot(
            [int(n) for n in found],
            [t / 1e3 for t in found.values()],
            marker="o",
            label=results["titles"][peer],
            color=COLOURS[peer],
        )
    axes.set_xscale("log")
    axes.set_ylim(0)
    axes.set_xlabel("operations in one trace")
    axes.set_ylabel("µs for one operation")
    axes.legend(frameon=False, fontsize=9)
    figure.savefig(path, bbox_inches="tight")
    pyplot.close(figure)
