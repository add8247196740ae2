"""The sections on compiled code: small problems, elementwise work, the first call, memory."""

from __future__ import annotations

from typing import Any

from . import latency as first
from . import memory as memories
from .bench import Bench, Row
from .cases import ELEMENTWISE, LARGE, SMALL
from .growing import GROWING
from .peers import PEERS
from .report import Table, ratio

__all__ = ["elementwise", "footprint", "latency", "small"]

IN_BRACKETS = "In brackets: the time of wengert, jitted, divided by this one; below 1 it is faster."


def small(bench: Bench) -> Table:
    """What a call of a compiled gradient costs."""
    peers = bench.present(
        "wengert-jit", "jax-jit", "casadi", "torch", "autograd", "wengert", "empty"
    )
    rows = bench.rows(bench.selected("small", SMALL), peers, "call")
    title = "One gradient of a small problem: NumPy arrays in, NumPy arrays out"
    return bench.table("small", title, peers, rows, IN_BRACKETS)


def elementwise(bench: Bench) -> Table:
    """Large arrays through one formula, beside the bandwidth of the memory."""
    peers = bench.present("wengert-jit", "jax-jit", "torch", "torch-compiled", "numpy")
    rows: list[Row] = []
    for kind, cases in ELEMENTWISE.items():
        chosen = bench.selected("elementwise", cases)
        if bench.quick:
            chosen = [case for case in chosen if not case.name.endswith(("1e4", "1e6", "1e7"))]
        rows += bench.rows(chosen, [*peers, *bench.present("copy")], kind)
    for row in rows:
        _add_bandwidth(row)
    title = "exp(x) sin(y) + log(1 + z) on arrays, and the gradient of its sum"
    return bench.table(
        "elementwise",
        title,
        peers,
        rows,
        f"{IN_BRACKETS} GB/s: arrays read and written, once each.",
        {
            "wengert, jitted, GB/s": lambda row: f"{row['bandwidth']:.2g}",
            "part of a copy's": lambda row: f"{row['part']:.2g}" if "part" in row else "",
        },
    )


def _add_bandwidth(row: Row) -> None:
    """The bandwidth at which arguments are read and results written, in GB/s and beside a copy."""
    name, _, size = row["case"].partition("-")
    arrays = 3 + (1 if name == "terms" else 3)
    row["numbers"] = int(float(size))
    row["bandwidth"] = arrays * 8 * row["numbers"] / row["seconds"]["wengert-jit"] / 1e9
    if "copy" in row["over"]:
        row["part"] = row["over"]["copy"] * arrays / 2


def latency(bench: Bench) -> Table:
    """The first call of gradients of growing size."""
    peers = bench.present("wengert-jit", "jax-jit")
    gradients, rounds = (GROWING[:4], 1) if bench.quick else (GROWING, 3)
    tasks = [("call", case, case.title) for case in gradients]
    if not bench.quick:
        tasks.append(("value", GROWING[-1], f"{GROWING[-1].title}, the value alone"))
    head = ["", *(PEERS[p].title for p in peers), "wengert, code on disk", "over trace + call"]
    note = f"{IN_BRACKETS} On disk: compiled by an earlier process."
    table = Table("latency", "First call of a gradient, compilation included", head, note=note)
    results: list[Row] = []
    for kind, case, title in tasks:
        with bench.console.status(f"first call, {title}"):
            found = first.first_calls(peers, kind, case.name, rounds)
            stored, least = first.from_disk(kind, case.name, rounds)
        ours = found["wengert-jit"]
        row: Row = {
            "case": case.name,
            "title": title,
            "seconds": {p: each.median() for p, each in found.items()},
            "ours_over": {p: ours.over(found[p]) for p in peers[1:]},
            "stored": stored.median(),
            "over_least": stored.over(least),
        }
        others = [found[p].text(ours) for p in peers[1:]]
        over = "" if row["over_least"] is None else ratio(row["over_least"])
        table.rows.append([title, ours.text(), *others, stored.text(), over])
        results.append(row)
    bench.results["latency"] = results
    return table


def footprint(bench: Bench) -> Table | None:
    """Peak memory of compiled gradients, the first call and the later ones."""
    if not memories.available():
        bench.console.print("This system does not tell a process its memory: left out.")
        return None
    peers = bench.present("wengert-jit", "wengert", "jax-jit")
    table = Table(
        "footprint",
        "Peak memory of a gradient in MB, above what the process had before its first call",
        ["", *(PEERS[p].title for p in peers)],
        note="In brackets: of the first call, with tracing and compiling. Less is better.",
    )
    results: list[dict[str, Any]] = []
    for case in LARGE["quick" if bench.quick else "full"]:
        row: dict[str, Any] = {"case": case.name, "title": case.title, "later": {}, "first": {}}
        for peer in peers:
            with bench.console.status(f"{case.title}, {peer}"):
                profile = memories.profile(peer, case.name)
            row["later"][peer], row["first"][peer] = profile.later, profile.peak
        cells = [f"{row['later'][p] / 1e6:,.0f} ({row['first'][p] / 1e6:,.0f})" for p in peers]
        table.rows.append([case.title, *cells])
        results.append(row)
    bench.results["footprint"] = results
    return table
