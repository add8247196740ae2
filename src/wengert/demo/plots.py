"""The demo's pictures.

Colours are those of M. Okabe and K. Ito, "Color Universal Design", 2008, which people who see
colours differently can tell apart; each line has its name beside it. Figures are drawn without
pyplot: no window, no global state.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..explain import draw_graph as draw_explanation
from ..explain import explain
from ..program import Array
from .extras import extra
from .landscape import STARTS, V_RANGE, W_RANGE, descend, surface
from .stepsize import step_sizes
from .training import Run

__all__ = ["draw_graph", "draw_landscape", "draw_loss_curves", "draw_step_sizes", "style"]

INK, QUIET, FAINT = "#222222", "#666666", "#dddddd"
ORANGE, SKY, GREEN, BLUE, VERMILION = "#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00"
WAY_COLOURS = {
    "random search": "#8c8c8c",
    "central differences": ORANGE,
    "forward mode": BLUE,
    "reverse mode": VERMILION,
}

STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": QUIET,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.titlesize": 11,
    "figure.dpi": 150,
    "font.size": 9.5,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.dpi": 150,
    "text.color": INK,
    "xtick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.color": QUIET,
    "ytick.labelcolor": INK,
}


@contextlib.contextmanager
def style() -> Generator[None]:
    """Draw in the demo's style, whatever the settings of the user's matplotlib."""
    matplotlib = extra("matplotlib")
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def _figure(width: float, height: float, title: str) -> Any:
    figure = extra("matplotlib.figure").Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    figure.suptitle(title, x=0.02, ha="left", fontsize=13, fontweight="bold")
    return figure


# -- four ways of training -------------------------------------------------------------------------


def draw_loss_curves(runs: Sequence[Run], path: Path) -> None:
    """The loss on all training images against wall-clock time, one curve for each way."""
    with style():
        figure = _figure(8.4, 4.9, "One network, four ways to train it, the same time for each")
        axes = figure.add_subplot()
        left = 0.5 * min(run.curve[1][0] for run in runs)
        right = max(run.seconds for run in runs)
        axes.set(
            xscale="log",
            yscale="log",
            xlim=(left, right),
            ylim=(0.5 * min(run.loss for run in runs), 1.6 * runs[0].curve[0][1]),
            xlabel="time spent on training (wall-clock seconds, logarithmic)",
            ylabel="loss on the training images",
        )
        axes.xaxis.set_major_formatter(extra("matplotlib.ticker").StrMethodFormatter("{x:g}"))
        for run in runs:
            seconds, losses = np.array(run.curve).T
            few = run.steps < 200
            axes.plot(
                np.maximum(seconds, left),
                losses,
                color=WAY_COLOURS[run.way.name],
                drawstyle="steps-post" if few else "default",
                marker="o" if few else "",
                markersize=3.5,
                markevery=slice(1, None),
                clip_on=False,
            )
        _name_at_end(axes, runs)
        axes.set_title(
            f"Handwritten digits, {runs[0].parameters:,} parameters. The blue and orange lines "
            "stay level until their first gradient is found.",
            color=QUIET,
            fontsize=9,
        )
        figure.savefig(path)


def _name_at_end(axes: Any, runs: Sequence[Run]) -> None:
    """The name and the accuracy beside the end of each line, moved apart where they would meet."""
    low, high = np.log(axes.get_ylim())
    ordered = sorted(runs, key=lambda run: run.loss)
    heights: list[float] = []
    for run in ordered:
        lowest = heights[-1] + 0.115 if heights else 0.02
        heights.append(max(lowest, (np.log(run.loss) - low) / (high - low)))
    for run, height in zip(ordered, heights, strict=True):
        name = {"s": run.way.name + "\n", "color": WAY_COLOURS[run.way.name], "fontweight": "bold"}
        rest = {"s": f"\n{100 * run.accuracy:.1f} % of new images right", "fontsize": 8.5}
        for text in (name, rest):
            axes.text(1.02, height, va="center", transform=axes.transAxes, **text)


# -- a loss landscape ------------------------------------------------------------------------------

WALK_COLOURS = (VERMILION, INK)


def draw_landscape(path: Path) -> None:
    """The loss of the 1-2-1 network over two of its weights, with the way down from two starts."""
    with style():
        figure = _figure(
            10.5, 4.9, "Two ways down the loss landscape of a network of two hidden units"
        )
        grid = figure.add_gridspec(1, 2, width_ratios=(1.0, 1.05))
        walks = [descend(start) for start in STARTS]
        _draw_surface(figure.add_subplot(grid[0], projection="3d", computed_zorder=False), walks)
        _draw_contours(figure, figure.add_subplot(grid[1]), walks)
        figure.savefig(path)


def _norm() -> Any:
    return extra("matplotlib.colors").PowerNorm(0.4, vmin=0.0, vmax=120.0)


def _draw_surface(axes: Any, walks: Sequence[Array]) -> None:
    w, v, loss = surface(61)
    axes.plot_surface(
        w,
        v,
        loss,
        cmap="viridis",
        norm=_norm(),
        rcount=61,
        ccount=61,
        linewidth=0,
        antialiased=False,
    )
    for walk, colour in zip(walks, WALK_COLOURS, strict=True):
        axes.plot(*walk.T, color=colour, linewidth=2.2)
        axes.plot(*walk[:1].T, "o", color=colour, markersize=6, markeredgecolor="white")
        axes.plot(*walk[-1:].T, "*", color=colour, markersize=13, markeredgecolor="white")
    axes.set(xlabel="w", ylabel="v", zlabel="loss", xlim=W_RANGE, ylim=V_RANGE, zlim=(0, 100))
    axes.set(xticks=range(4), yticks=range(-3, 4), zticks=range(0, 101, 25))
    axes.set_title(
        "loss = (v relu(0.8 w) + 0.8 relu(0.8 · 1.2) - 1.9)²", color=QUIET, fontsize=9, y=1.04
    )
    axes.view_init(elev=32, azim=-128)
    axes.set_box_aspect((1, 1.2, 0.8), zoom=0.92)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.pane.set_visible(False)


def _draw_contours(figure: Any, axes: Any, walks: Sequence[Array]) -> None:
    w, v, loss = surface()
    levels = [0.0, 0.05, 0.3, 1, 2, 4, 8, 15, 25, 40, 60, 85, 120]
    filled = axes.contourf(w, v, loss, levels=levels, cmap="viridis", norm=_norm())
    axes.contour(w, v, loss, levels=levels[1:], colors="white", linewidths=0.4, alpha=0.6)
    axes.grid(False)
    axes.set_title(
        f"Circle: start. Star: after {len(walks[0]) - 1} steps of gradient descent.",
        color=QUIET,
        fontsize=9,
    )
    texts = (
        ("This one reaches the valley, where the loss is 0", (2.1, 1.15), "center"),
        (
            "Here the ReLU dies: left of w = 0\nthe slope is 0, and descent stops",
            (0.09, -1.55),
            "left",
        ),
    )
    for walk, colour, (text, place, side) in zip(walks, WALK_COLOURS, texts, strict=True):
        axes.plot(walk[:, 0], walk[:, 1], ".-", color=colour, linewidth=1.6, markersize=4)
        axes.plot(*walk[0, :2], "o", color=colour, markersize=7, markeredgecolor="white")
        axes.plot(
            *walk[-1, :2],
            "*",
            color=colour,
            markersize=15,
            markeredgecolor="white",
            clip_on=False,
            zorder=5,
        )
        box = {
            "boxstyle": "round,pad=0.25",
            "facecolor": "white",
            "edgecolor": "none",
            "alpha": 0.85,
        }
        axes.text(*place, text, ha=side, fontsize=8.5, bbox=box)
    axes.set(
        xlabel="w: weight into the first hidden unit",
        ylabel="v: weight out of the first hidden unit",
        xlim=W_RANGE,
        ylim=V_RANGE,
    )
    bar = figure.colorbar(
        filled, ax=axes, label="loss: (output - target)²", pad=0.02, ticks=levels, format="%g"
    )
    bar.outline.set_visible(False)


# -- step sizes ------------------------------------------------------------------------------------


def draw_step_sizes(path: Path) -> None:
    """The error of finite differences against their step, and that of the derivative by program."""
    found = step_sizes()
    with style():
        figure = _figure(8.4, 4.9, "No step size makes a finite difference exact")
        axes = figure.add_subplot()
        zero = 1e-15
        decades = [1.0, 1e-3, 1e-6, 1e-9, 1e-12]
        axes.set(
            xscale="log",
            yscale="log",
            xlim=(1e-16, 1.0),
            ylim=(zero / 5, 10.0),
            xlabel="step size h",
            ylabel="error of the derivative",
        )
        axes.set_yticks([*decades, zero], [*(f"$10^{{{np.log10(d):.0f}}}$" for d in decades), "0"])
        axes.set_yticks([], minor=True)
        axes.set_title("The derivative of x³ at 1, which is 3", color=QUIET, fontsize=9)
        axes.plot(found.h, _positive(found.forward), color=ORANGE, linewidth=1.4)
        axes.plot(found.h, _positive(found.central), color=BLUE, linewidth=1.4)
        axes.axhline(max(found.automatic, zero), color=VERMILION, linewidth=2.4)
        _say_what_is_seen(axes, zero)
        figure.savefig(path)


def _positive(error: Array) -> Array:
    """Errors for a logarithmic axis: a difference that is right by luck leaves a gap."""
    return np.where(error > 0, error, np.nan)


def _say_what_is_seen(axes: Any, zero: float) -> None:
    axes.text(3e-6, 1.2e-4, "forward difference", color=ORANGE, fontweight="bold", ha="right")
    axes.text(3e-4, 6e-9, "central difference", color=BLUE, fontweight="bold")
    axes.text(
        1e-8,
        2 * zero,
        "derivative by wengert: exact, and no step to choose",
        color=VERMILION,
        fontweight="bold",
        ha="center",
    )
    quiet = {"color": QUIET, "fontsize": 8.5, "ha": "center", "va": "center"}
    axes.text(
        1e-11, 0.3, "h too small: rounding errors,\nwhich the division by h makes large", **quiet
    )
    axes.text(1e-5, 0.3, "h too large: the curve has\nleft its tangent", **quiet)
    axes.text(7e-9, 6e-10, "at best about 8 digits", color=ORANGE, fontsize=8.5, ha="right")
    axes.text(5e-6, 3e-13, "at best about 11 digits", color=BLUE, fontsize=8.5, ha="center")


# -- a computation graph ---------------------------------------------------------------------------


def draw_graph(path: Path) -> None:
    """The computation graph of (x y + sin x)^2 at (1, 2), with values and adjoints."""
    explanation = explain(lambda x, y: (x * y + np.sin(x)) ** 2, 1.0, 2.0)
    title = "(x y + sin x)² at x = 1, y = 2: values from left to right, adjoints from right to left"
    with style():
        extra("matplotlib").rcParams.update(
            {"axes.titleweight": "bold", "axes.titlelocation": "center"}
        )
        draw_explanation(replace(explanation, title=title), path)
