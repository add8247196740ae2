"""What was measured, as pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .report import duration

__all__ = ["draw"]

COLOURS = {
    "wengert-jit": "#0b3c5d",
    "wengert": "#1b6ca8",
    "autograd": "#c8553d",
    "torch": "#e0a030",
    "torch-compiled": "#9c6b12",
    "jax": "#7a9e7e",
    "jax-jit": "#4f6d52",
    "casadi": "#8e6c9e",
    "numpy": "#8d8d8d",
    "empty": "#bbbbbb",
    "copy": "#bbbbbb",
}


def draw(results: dict[str, Any], folder: Path) -> list[Path]:
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
        ("small", _draw_small),
        ("elementwise", _draw_elementwise),
        ("latency", _draw_latency),
        ("footprint", _draw_footprint),
    ):
        if results.get(name):
            path = folder / f"bench-{name}.png"
            draw(results, path)
            made.append(path)
    return made


def _draw_times(results: dict[str, Any], path: Path) -> None:
    _draw_ratios(results, "times", "wengert", path)


def _draw_small(results: dict[str, Any], path: Path) -> None:
    _draw_ratios(results, "small", "wengert-jit", path)


def _draw_ratios(results: dict[str, Any], section: str, ours: str, path: Path) -> None:
    """The time of each peer beside ours, which is a line."""
    rows = results[section]
    bars = {
        peer: [row["over"].get(peer) for row in rows]
        for peer in COLOURS
        if peer != "numpy" and any(peer in row["over"] for row in rows)
    }
    figure, axes = _bars(results, [row["title"] for row in rows], bars, 1.0, _short)
    axes.axvline(1, color=COLOURS[ours], linewidth=2)
    title = results["titles"][ours]
    axes.set_xlabel(f"time as a multiple of that of {title} (line); right of it is slower")
    _finish(figure, path)


def _short(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def _bars(
    results: dict[str, Any],
    names: Sequence[str],
    bars: dict[str, list[float | None]],
    start: float,
    text: Callable[[float], str],
    titles: dict[str, str] | None = None,
) -> tuple[Any, Any]:
    """Groups of bars with their values, on a logarithmic scale; None is left out."""
    from matplotlib import pyplot

    inches = len(names) * (0.35 + 0.2 * len(bars)) + 0.6
    figure, axes = pyplot.subplots(figsize=(7.2, inches))
    height = 0.84 / len(bars)
    for k, (peer, values) in enumerate(bars.items()):
        shift = (k - (len(bars) - 1) / 2) * height
        there = [(i + shift, v) for i, v in enumerate(values) if v is not None]
        axes.barh(
            [place for place, _ in there],
            [value - start for _, value in there],
            height * 0.9,
            left=start,
            label=(titles or results["titles"])[peer],
            color=COLOURS.get(peer, "#6fa8d6"),
        )
        for place, value in there:
            axes.annotate(
                text(value),
                (value, place),
                xytext=(4 if value >= start else -4, 0),
                textcoords="offset points",
                va="center",
                ha="left" if value >= start else "right",
                fontsize=8,
            )
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.set_xlim(low / 1.6, high * 1.6)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.legend(
        frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1), ncols=min(3, len(bars))
    )
    return figure, axes


def _finish(figure: Any, path: Path) -> None:
    from matplotlib import pyplot

    figure.savefig(path, bbox_inches="tight")
    pyplot.close(figure)


def _draw_elementwise(results: dict[str, Any], path: Path) -> None:
    """Nanoseconds for one number by the size of the arrays: the value, and the gradient."""
    from matplotlib import pyplot

    figure, both = pyplot.subplots(1, 2, figsize=(8.4, 3.6), sharey=True)
    parts = (("terms", "exp(x) sin(y) + log(1 + z)"), ("elementwise", "gradient of its sum"))
    for axes, (name, title) in zip(both, parts, strict=True):
        rows = [row for row in results["elementwise"] if row["case"].startswith(name)]
        for peer in COLOURS:
            points = [
                (row["numbers"], row["seconds"][peer] / row["numbers"] * 1e9)
                for row in rows
                if peer in row["seconds"]
            ]
            if points:
                axes.plot(
                    *zip(*points, strict=True),
                    marker="o",
                    markersize=4,
                    label=results["titles"][peer],
                    color=COLOURS[peer],
                    linewidth=2.4 if peer == "wengert-jit" else 1.4,
                    linestyle=":" if peer == "copy" else "-",
                )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("numbers in each array")
    both[0].set_ylabel("nanoseconds for one number (lower is better)")
    handles, labels = both[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(0.92, 0.5)
    )
    _finish(figure, path)


def _draw_latency(results: dict[str, Any], path: Path) -> None:
    """Seconds of the first call of each function."""
    rows = results["latency"]
    bars = {peer: [row["seconds"].get(peer) for row in rows] for peer in ("wengert-jit", "jax-jit")}
    bars = {peer: values for peer, values in bars.items() if any(values)}
    bars["stored"] = [row["stored"] for row in rows]
    titles = results["titles"] | {"stored": "wengert, code on disk"}
    least = min(value for values in bars.values() for value in values if value) / 2
    names = [row["title"] for row in rows]
    figure, axes = _bars(results, names, bars, least, duration, titles)
    axes.set_xlabel(
        "seconds of the first call, compilation included (logarithmic; less is better)\n"
        "no bar: not compiled, or not within the time that it was given"
    )
    _finish(figure, path)


def _draw_footprint(results: dict[str, Any], path: Path) -> None:
    """The peak memory of later calls."""
    rows = results["footprint"]
    bars = {
        peer: [row["later"][peer] / 1e6 for row in rows]
        for peer in COLOURS
        if peer in rows[0]["later"]
    }
    names = [row["title"] for row in rows]
    figure, axes = _bars(results, names, bars, 1.0, lambda value: f"{value:,.0f}")
    axes.set_xlabel("peak memory of a gradient once compiled, MB (logarithmic; less is better)")
    _finish(figure, path)


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
    _finish(figure, path)


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
    _finish(figure, path)
