"""``python -m benchmarks``: measure, print the tables, write the numbers and the pictures."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from . import memory, report, scaling
from .cases import ARRAYS, TIMES, Case
from .harness import Pace, Team, WrongResultError, pin
from .peers import PEERS, missing, one_thread, release
from .report import Table, duration

ROOT = Path(__file__).resolve().parent.parent
SECTIONS = ("times", "arrays", "forward", "memory", "scaling")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the options ask for; 1 if two peers disagree about a derivative."""
    options = _options(arguments)
    one_thread()
    core = pin(options.core)
    console = Console(width=max(Console().width, 110))
    wanted = [p for p in PEERS if p == "wengert" or not options.peers or p in options.peers]
    absent = [p for p in wanted if p != "wengert" and missing(p)]
    peers = [p for p in wanted if p not in absent]
    for peer in absent:
        console.print(
            f"{PEERS[peer].title} is not installed and left out (pip install wengert[bench])"
        )
    if core is None:
        console.print("This system cannot pin a process to one core: expect more noise.")
    results: dict[str, Any] = {
        "machine": report.machine(),
        "releases": {PEERS[p].package: release(p) for p in peers},
        "titles": {p: PEERS[p].title for p in peers},
    }
    tables: list[Table] = []
    bench = _Bench(peers, options, results, console)
    try:
        for section in SECTIONS:
            if options.only is None or section in options.only or bench.cases(section):
                table = getattr(bench, section)()
                if table is not None:
                    report.show(console, table)
                    tables.append(table)
    except WrongResultError as error:
        console.print(f"[bold red]{error}[/]: nothing about it is timed")
        return 1
    _write(results, tables, options, console)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="fewer rounds and smaller sizes, for a first look")
    add("--only", nargs="+", metavar="NAME", help=f"sections ({', '.join(SECTIONS)}) or cases")
    add("--peers", nargs="+", choices=list(PEERS), help="beside wengert; all by default")
    add("--json", type=Path, metavar="FILE", help="where the numbers go")
    add("--core", type=int, help="the core to run on; the last one by default")
    add("--publish", action="store_true", help="renew the tables and pictures in docs/")
    options = parser.parse_args(arguments)
    known = {*SECTIONS, *(case.name for case in (*TIMES, *ARRAYS))}
    unknown = sorted(set(options.only or ()) - known)
    if unknown:
        parser.error(
            f"--only: there is no {', '.join(unknown)}; there are {', '.join(sorted(known))}"
        )
    return options


class _Bench:
    """The sections. Each returns its table and puts its numbers into ``results``."""

    def __init__(
        self, peers: Sequence[str], options: Any, results: dict[str, Any], console: Console
    ) -> None:
        self.peers = list(peers)
        self.only: list[str] = options.only or []
        self.quick: bool = options.quick
        self.results = results
        self.console = console
        self.pace = Pace(5, 0.02) if options.quick else Pace()

    def cases(self, section: str) -> list[Case]:
        """The cases of a section that are asked for by name."""
        of = {"times": TIMES, "arrays": ARRAYS}.get(section, ())
        return [case for case in of if case.name in self.only]

    def _selected(self, section: str, cases: Sequence[Case]) -> list[Case]:
        if not self.only or section in self.only:
            return list(cases)
        return self.cases(section)

    def _rows(
        self, cases: Sequence[Case], peers: Sequence[str], kind: str
    ) -> list[tuple[Case, dict[str, Any]]]:
        """Each case with the times of all peers and their ratios to wengert's."""
        rows: list[tuple[Case, dict[str, Any]]] = []
        with Team() as team:
            for case in cases:
                with self.console.status(case.title):
                    tasks = [(p, "gradient" if p == "numpy" else kind, case.name) for p in peers]
                    team.compare([task for task in tasks if task[0] != "numpy"])
                    timings = dict(zip(peers, team.time(tasks, self.pace), strict=True))
                ours = timings["wengert"]
                others = {p: t for p, t in timings.items() if p != "wengert"}
                row = {
                    "case": case.name,
                    "title": case.title,
                    "seconds": {p: t.seconds for p, t in timings.items()},
                    "over": {p: t.over(ours) for p, t in others.items()},
                    "ours_over": {p: ours.over(t) for p, t in others.items()},
                }
                rows.append((case, row))
        return rows

    def _table(self, name: str, title: str, peers: Sequence[str], rows: Any, note: str) -> Table:
        others = [p for p in peers if p != "wengert"]
        head = ["", "wengert", *(PEERS[p].title for p in others)]
        table = Table(name, title, head, note=note)
        for case, row in rows:
            cells = [
                f"{duration(row['seconds'][p])} ({row['ours_over'][p]:.2g})"
                if row["ours_over"][p] < 100
                else f"{duration(row['seconds'][p])} ({row['ours_over'][p]:.0f})"
                for p in others
            ]
            table.rows.append([case.title, duration(row["seconds"]["wengert"]), *cells])
        self.results[name] = [row for _, row in rows]
        return table

    def times(self) -> Table:
        """One gradient, beside every peer."""
        rows = self._rows(self._selected("times", TIMES), self.peers, "gradient")
        note = "In brackets: wengert's time divided by this one; below 1 wengert is faster."
        return self._table("times", "Time of one gradient", self.peers, rows, note)

    def arrays(self) -> Table:
        """Large arrays: gradient over primal."""
        peers = [p for p in self.peers if p in ("wengert", "autograd", "torch", "numpy")]
        cases = self._selected("arrays", ARRAYS)
        if self.quick and not self.cases("arrays"):
            cases = [case for case in cases if case.name.endswith("1e5")]
        rows = self._rows(cases, peers, "gradient")
        note = "The last column is the cost of the gradient in units of the function itself."
        return self._table("arrays", "Gradients of large arrays", peers, rows, note)

    def forward(self) -> Table:
        """Forward mode: value and tangent over the primal."""
        peers = [p for p in self.peers if p != "jax-jit"]
        cases = [case for case in TIMES if not case.along and case.name != "network"]
        cases += [case for case in ARRAYS if case.name in ("elementwise-1e6", "rows-1e6")]
        rows = self._rows(cases, peers, "tangent")
        note = "In brackets: wengert's time divided by this one."
        return self._table("forward", "Value and directional derivative (jvp)", peers, rows, note)

    def memory(self) -> Table | None:
        """Peak memory of a chain."""
        if not memory.available():
            self.console.print("This system does not tell a process its memory: left out.")
            return None
        size, steps = (100_000 if self.quick else 1_000_000), 100
        head = ["", "peak, MB", "in arrays"]
        title = (
            f"Peak memory of the gradient of {steps} steps x = sin(x) + 0.1 x on {size:,} numbers"
        )
        table = Table("memory", title, head)
        found: dict[str, Any] = {}
        for peer in self.peers:
            if peer == "jax-jit":
                continue
            with self.console.status(f"memory, {peer}"):
                profile = memory.profile(peer, size, steps)
            found[peer] = vars(profile)
            table.rows.append(
                [
                    PEERS[peer].title,
                    f"{profile.peak / 1e6:,.0f}",
                    f"{profile.peak / (size * 8):.1f}",
                ]
            )
        self.results["memory"] = {"size": size, "steps": steps, "peers": found}
        return table

    def scaling(self) -> Table:
        """Time for an operation in short and long traces."""
        largest, rounds = (100_000, 3) if self.quick else (1_000_000, 5)
        sizes = [n for n in scaling.OPERATIONS if n <= largest]
        title = "Nanoseconds for one operation, trace and sweep, by operations in one trace"
        table = Table("scaling", title, ["", *(f"{n:,}" for n in sizes), "last / first"])
        self.results["scaling"] = {}
        for peer in ("wengert", "autograd"):
            if peer not in self.peers:
                continue
            with self.console.status(f"scaling, {peer}"):
                most = largest if peer == "wengert" else min(largest, 100_000)
                found = scaling.nanoseconds(peer, most, rounds)
            self.results["scaling"][peer] = found
            flat = found[max(found)] / found[sizes[0]]
            cells = [f"{found[n]:,.0f}" if n in found else "" for n in sizes]
            table.rows.append([PEERS[peer].title, *cells, f"{flat:.2f}"])
        return table


def _write(
    results: dict[str, Any], tables: Sequence[Table], options: Any, console: Console
) -> None:
    folder = ROOT / "docs" / "images" if options.publish else ROOT / "bench-output"
    path = options.json or ROOT / "bench-output" / "results.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    made = report.pictures(results, folder)
    if options.publish:
        report.publish(ROOT / "docs" / "performance.md", tables)

    def listed(file: Path) -> str:
        return str(file.relative_to(ROOT)) if file.is_relative_to(ROOT) else str(file)

    console.print("written:", ", ".join(listed(p) for p in [path, *made]))


if __name__ == "__main__":
    sys.exit(main())
