"""``python -m benchmarks``: measure, print the tables, write the numbers and the pictures."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from . import compiled, interpreted, pictures, report
from .bench import Bench
from .cases import ARRAYS, ELEMENTWISE, SMALL, TIMES
from .harness import WrongResultError, pin
from .peers import PEERS, missing, prepare, release
from .report import Table

ROOT = Path(__file__).resolve().parent.parent
OURS = ("wengert", "wengert-jit")
SECTIONS = {
    "times": interpreted.times,
    "arrays": interpreted.arrays,
    "forward": interpreted.forward,
    "memory": interpreted.memory,
    "scaling": interpreted.scaling,
    "small": compiled.small,
    "elementwise": compiled.elementwise,
    "latency": compiled.latency,
    "footprint": compiled.footprint,
}
CASES = {
    "times": TIMES,
    "arrays": ARRAYS,
    "small": SMALL,
    "elementwise": [case for cases in ELEMENTWISE.values() for case in cases],
}
"""Those that can be asked for by name."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the options ask for; 1 if two peers disagree about a derivative."""
    options = _options(arguments)
    prepare()
    core = pin(options.core)
    console = Console(width=max(Console().width, 110))
    wanted = [p for p in PEERS if p in OURS or not options.peers or p in options.peers]
    absent = {p: reason for p in wanted if (reason := missing(p))}
    for peer, reason in absent.items():
        console.print(f"{PEERS[peer].title} is left out: {reason}")
    peers = [p for p in wanted if p not in absent]
    if core is None:
        console.print("This system cannot pin a process to one core: expect more noise.")
    results: dict[str, Any] = {
        "machine": report.machine(),
        "releases": {PEERS[p].package: release(p) for p in peers},
        "titles": {p: PEERS[p].title for p in peers},
    }
    tables: list[Table] = []
    only: list[str] = options.only or []
    bench = Bench(peers, only, options.quick, results, console)
    try:
        for name, section in SECTIONS.items():
            cases = {case.name for case in CASES.get(name, ())}
            if not only or name in only or cases.intersection(only):
                table = section(bench)
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
    known = {*SECTIONS, *(case.name for cases in CASES.values() for case in cases)}
    unknown = sorted(set(options.only or ()) - known)
    if unknown:
        parser.error(
            f"--only: there is no {', '.join(unknown)}; there are {', '.join(sorted(known))}"
        )
    return options


def _write(
    results: dict[str, Any], tables: Sequence[Table], options: Any, console: Console
) -> None:
    folder = ROOT / "docs" / "images" if options.publish else ROOT / "bench-output"
    path = options.json or ROOT / "bench-output" / "results.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    made = pictures.draw(results, folder)
    if options.publish:
        report.publish(ROOT / "docs" / "performance.md", tables)

    def listed(file: Path) -> str:
        return str(file.relative_to(ROOT)) if file.is_relative_to(ROOT) else str(file)

    console.print("written:", ", ".join(listed(p) for p in [path, *made]))


if __name__ == "__main__":
    sys.exit(main())
