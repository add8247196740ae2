"""What all sections share: who takes part, the rows of a comparison, and its table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from .cases import Case
from .harness import Pace, Team
from .peers import PEERS
from .report import Table, duration, ratio

__all__ = ["Bench", "Row"]

Row = dict[str, Any]


@dataclass
class Bench:
    """The peers that are there, the names asked for, and where numbers and messages go."""

    peers: Sequence[str]
    only: Sequence[str]
    quick: bool
    results: dict[str, Any]
    console: Console

    def present(self, *names: str) -> list[str]:
        """Those of these peers that take part."""
        return [name for name in names if name in self.peers]

    def selected(self, section: str, cases: Sequence[Case]) -> list[Case]:
        """The cases of a section that are asked for."""
        if not self.only or section in self.only:
            return list(cases)
        return [case for case in cases if case.name in self.only]

    def rows(self, cases: Sequence[Case], peers: Sequence[str], kind: str) -> list[Row]:
        """Each case with the times of the peers and their ratios to the first one's."""
        pace = Pace(5, 0.02) if self.quick else Pace()
        rows: list[Row] = []
        with Team() as team:
            for case in cases:
                able = [p for p in peers if PEERS[p].knows(case)]
                tasks = [(p, kind, case.name) for p in able]
                with self.console.status(f"{case.title}, {kind}"):
                    team.compare([task for task in tasks if PEERS[task[0]].derives])
                    timings = dict(zip(able, team.time(tasks, pace), strict=True))
                ours = timings[peers[0]]
                rows.append(
                    {
                        "case": case.name,
                        "title": case.title,
                        "seconds": {p: t.seconds for p, t in timings.items()},
                        "over": {p: t.over(ours) for p, t in timings.items() if p != peers[0]},
                        "ours_over": {p: ours.over(t) for p, t in timings.items() if p != peers[0]},
                    }
                )
        return rows

    def table(
        self,
        name: str,
        title: str,
        peers: Sequence[str],
        rows: Sequence[Row],
        note: str,
        more: Mapping[str, Callable[[Row], str]] | None = None,
    ) -> Table:
        """The times of the rows, with ratios to the first peer; and ``more`` columns."""
        first, *others = peers
        more = more or {}
        head = ["", *(PEERS[p].title for p in peers), *more]
        table = Table(name, title, head, note=note)
        for row in rows:
            seconds, over = row["seconds"], row["ours_over"]
            cells = [
                f"{duration(seconds[p])} ({ratio(over[p])})" if p in seconds else "" for p in others
            ]
            further = [column(row) for column in more.values()]
            table.rows.append([row["title"], duration(seconds[first]), *cells, *further])
        self.results[name] = list(rows)
        return table
