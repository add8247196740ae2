"""What the demo prints: bars while it trains, then a table, and what to try next.

Only ASCII is written here, and rich draws its lines in ASCII where the terminal knows no more.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column, Table

from .training import WAYS, Run

__all__ = ["TRY", "console", "following", "next_steps", "opening", "results"]

TRY = (
    'explain "x*y + sin(x)" x=1 y=2',
    'explain "1/(1 + exp(-w*x))" w=2 x=1 --along w=1',
)
"""Commands to try next: the arguments of ``wengert``."""

WIDTH = 80


def console() -> Console:
    """The console to print on: as wide as the terminal, and no wider than 80 columns in a pipe."""
    made = Console(highlight=False, soft_wrap=False)
    return made if made.is_terminal else Console(highlight=False, width=WIDTH)


def milliseconds(seconds: float) -> str:
    """Three figures or so: ``0.345 ms``, ``12.3 ms``, ``1,234 ms``."""
    value = 1e3 * seconds
    return (
        f"{value:.3f} ms"
        if value < 1
        else f"{value:,.1f} ms"
        if value < 100
        else f"{value:,.0f} ms"
    )


def opening(out: Console, images: int, parameters: int, seconds: float) -> None:
    """What is about to happen."""
    out.print(
        f"[bold]wengert demo[/bold]: {images:,} handwritten digits, and a network of "
        f"{parameters:,} parameters in\n"
        f"plain NumPy, trained in four ways for {seconds:g} seconds each.\n"
    )


@contextmanager
def following(out: Console, seconds: float) -> Generator[Callable[[Run, float], None]]:
    """A function to call with each run and its time so far: it moves a bar, or prints a line.

    Where the output is no terminal there is a line for each way that is done, and no bars.
    """
    # Cropped where the terminal is narrow: rich's own way, an ellipsis, is not ASCII.
    bars = Progress(
        TextColumn("{task.description:<20}", table_column=Column(no_wrap=True, overflow="crop")),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[state]}", table_column=Column(no_wrap=True, overflow="crop")),
        console=out,
        transient=True,
        disable=not out.is_terminal,
    )
    tasks = {way.name: bars.add_task(way.name, total=seconds, state="") for way in WAYS}

    def follow(run: Run, elapsed: float) -> None:
        state = f"{run.steps:>7,} steps   loss {run.loss:.2g}"
        bars.update(tasks[run.way.name], completed=min(elapsed, seconds), state=state)
        if run.done and not out.is_terminal:
            out.print(f"  {run.way.name:<20} {state}")

    with bars:
        yield follow
    if not out.is_terminal:
        out.print()


def results(out: Console, runs: Sequence[Run], evaluation: float) -> None:
    """The table, and what it says."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", padding=(0, 0, 0, 1))
    table.add_column("", overflow="fold")
    for heading in ("one\ngradient", "which\ntakes", "steps\nmade", "loss", "test\naccuracy"):
        table.add_column(heading, justify="right", overflow="fold")
    for run in runs:
        best = run.accuracy == max(other.accuracy for other in runs)
        table.add_row(
            run.way.name,
            milliseconds(run.gradient_time) if run.gradient_time else "none",
            run.way.cost(run.parameters),
            f"{run.steps:,}",
            f"{run.loss:.2g}",
            f"{100 * run.accuracy:.1f} %",
            style="bold" if best else None,
        )
    out.print(table)
    times = {run.way.name: run.gradient_time or 0.0 for run in runs}
    reverse = times["reverse mode"]
    out.print(
        f"Reverse mode finds all {runs[0].parameters:,} partial derivatives in the time of "
        f"{reverse / evaluation:.0f} evaluations of the loss ({milliseconds(evaluation)} each): "
        f"{times['central differences'] / reverse:,.0f} times faster than central differences, and "
        f"{times['forward mode'] / reverse:,.0f} times faster than forward mode.\n"
    )


def _shown(path: Path) -> str:
    """A path as one would type it here: relative if it lies below this directory."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _program() -> str:
    """How to call wengert here: by its name if the shell can find it, by a path if not."""
    if shutil.which("wengert"):
        return "wengert"
    python = Path(sys.executable)
    script = python.with_name("wengert")
    return _shown(script) if script.exists() else f"{_shown(python)} -m wengert"


def next_steps(out: Console, pictures: Sequence[tuple[Path, str]], network: Path) -> None:
    """Where the pictures are, the commands of ``TRY``, and the file that holds the network."""
    out.print("[bold]Pictures[/bold]")
    width = max(len(str(path)) for path, _ in pictures)
    for path, what in pictures:
        out.print(f"  {path!s:<{width}}  {what}", markup=False, soft_wrap=True)
    out.print("\n[bold]Try next[/bold]")
    for arguments in TRY:
        out.print(f"  {_program()} {arguments}", markup=False, soft_wrap=True)
    out.print(f"\nThe network, in plain NumPy: {_shown(network)}", markup=False, soft_wrap=True)
