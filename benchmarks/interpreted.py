"""The sections on what is evaluated as it is traced, without a compiler of ours."""

from __future__ import annotations

from typing import Any

from . import memory as memories
from . import scaling as lengths
from .bench import Bench
from .cases import ARRAYS, LARGE, TIMES
from .peers import PEERS
from .report import Table

__all__ = ["arrays", "forward", "memory", "scaling", "times"]

IN_BRACKETS = "In brackets: wengert's time divided by this one; below 1 wengert is faster."


def times(bench: Bench) -> Table:
    """One gradient, beside every peer."""
    peers = bench.present("wengert", "autograd", "torch", "jax", "jax-jit", "numpy")
    rows = bench.rows(bench.selected("times", TIMES), peers, "gradient")
    return bench.table("times", "Time of one gradient", peers, rows, IN_BRACKETS)


def arrays(bench: Bench) -> Table:
    """Large arrays: gradient over primal."""
    peers = bench.present("wengert", "autograd", "torch", "numpy")
    cases = bench.selected("arrays", ARRAYS)
    if bench.quick and cases == list(ARRAYS):
        cases = [case for case in cases if case.name.endswith("1e5")]
    rows = bench.rows(cases, peers, "gradient")
    note = "The last column is the cost of the gradient in units of the function itself."
    return bench.table("arrays", "Gradients of large arrays", peers, rows, note)


def forward(bench: Bench) -> Table:
    """Forward mode: value and tangent over the primal."""
    peers = bench.present("wengert", "autograd", "torch", "jax", "numpy")
    cases = [case for case in TIMES if not case.along and case.name != "network"]
    cases += [case for case in ARRAYS if case.name in ("elementwise-1e6", "rows-1e6")]
    rows = bench.rows(cases, peers, "tangent")
    title = "Value and directional derivative (jvp)"
    return bench.table("forward", title, peers, rows, IN_BRACKETS)


def memory(bench: Bench) -> Table | None:
    """Peak memory of a chain."""
    if not memories.available():
        bench.console.print("This system does not tell a process its memory: left out.")
        return None
    case = LARGE["quick" if bench.quick else "full"][0]
    array = case.arguments()[0].nbytes
    table = Table("memory", f"Peak memory: {case.title}", ["", "peak, MB", "in arrays"])
    found: dict[str, Any] = {}
    for peer in bench.present("wengert", "autograd", "torch", "jax", "numpy"):
        with bench.console.status(f"memory, {peer}"):
            profile = memories.profile(peer, case.name)
        found[peer] = vars(profile)
        cells = [f"{profile.peak / 1e6:,.0f}", f"{profile.peak / array:.1f}"]
        table.rows.append([PEERS[peer].title, *cells])
    bench.results["memory"] = {"size": array // 8, "steps": 100, "peers": found}
    return table


def scaling(bench: Bench) -> Table:
    """Time for an operation in short and long traces."""
    largest, rounds = (100_000, 3) if bench.quick else (1_000_000, 5)
    sizes = [n for n in lengths.OPERATIONS if n <= largest]
    title = "Nanoseconds for one operation, trace and sweep, by operations in one trace"
    table = Table("scaling", title, ["", *(f"{n:,}" for n in sizes), "last / first"])
    bench.results["scaling"] = {}
    for peer in bench.present("wengert", "autograd"):
        with bench.console.status(f"scaling, {peer}"):
            most = largest if peer == "wengert" else min(largest, 100_000)
            found = lengths.nanoseconds(peer, most, rounds)
        bench.results["scaling"][peer] = found
        flat = found[max(found)] / found[sizes[0]]
        cells = [f"{found[n]:,.0f}" if n in found else "" for n in sizes]
        table.rows.append([PEERS[peer].title, *cells, f"{flat:.2f}"])
    return table
