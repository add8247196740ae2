"""The demo's pictures.

Colours are those of M. Okabe and K. Ito, "Color Universal Design", 2008, which people who see
colours differently can tell apart; each line has its name beside it. Figures are drawn without
pyplot: no window, no global state.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .extras import extra
from .landscape import STARTS, V_RANGE, W_RANGE, descend, network_loss, surface
from .stepsize import step_sizes
from .training import Run

__all__ = ["draw_landscape", "draw_loss_curves", "draw_step_sizes", "style"]

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
    "figure.constrained_layout.use": True,
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
def style() -> Iterator[None]:
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
        figure = _figure(8.4, 4.9, "One network, four ways of training it, the same time for each")
        axes = figure.add_subplot()
        left = 0.5 * min(run.curve[1][0] for run in runs)
        right = max(run.seconds for run in runs)
        lows = [min(loss for _, loss in run.curve) for run in runs]
        axes.set(
            xscale="log",
            yscale="log",
            xlim=(left, right),
            ylim=(0.6 * min(lows), 1.5 * runs[0].curve[0][1]),
            xlabel="wall-clock time spent on training (seconds)",
            ylabel="loss: mean cross-entropy over the training images",
        )
        for run in runs:
            seconds, losses = np.array(run.curve).T
            axes.plot(
                np.maximum(seconds, left),
                losses,
                color=WAY_COLOURS[run.way.name],
                drawstyle="steps-post",
                marker="o" if run.steps < 200 else "",
                markersize=3.5,
                markevery=slice(1, None),
                clip_on=False,
            )
        _name_at_end(axes, runs)
        axes.set_title(
            f"handwritten digits, {runs[0].parameters:,} parameters; a line is flat until its first "
            "step is made",
            color=QUIET,
            fontsize=9.5,
        )
        _seconds_on(axes.xaxis)
        figure.savefig(path)


def _seconds_on(axis: Any) -> None:
    axis.set_major_formatter(
        extra("matplotlib.ticker").FuncFormatter(lambda value, _: f"{value:g}")
    )


def _name_at_end(axes: Any, runs: Sequence[Run]) -> None:
    """The name and the accuracy beside the end of each line, moved apart where they would meet."""
    low, high = np.log(axes.get_ylim())
    gap = 0.115
    ordered = sorted(runs, key=lambda run: run.loss, reverse=True)
    heights = [(np.log(run.loss) - low) / (high - low) for run in ordered]
    for i in range(1, len(heights)):
        heights[i] = min(heights[i], heights[i - 1] - gap)
    heights[-1] = max(heights[-1], 0.02)
    for i in reversed(range(len(heights) - 1)):
        heights[i] = max(heights[i], heights[i + 1] + gap)
    for run, height in zip(ordered, heights, strict=True):
        axes.annotate(
            f"{run.way.name}\n",
            (1.02, height),
            xycoords="axes fraction",
            va="center",
            color=WAY_COLOURS[run.way.name],
            fontweight="bold",
            annotation_clip=False,
        )
        axes.annotate(
            f"\n{100 * run.accuracy:.1f} % of test images right",
            (1.02, height),
            xycoords="axes fraction",
            va="center",
            color=QUIET,
            fontsize=8.5,
            annotation_clip=False,
        )


# -- a loss landscape ------------------------------------------------------------------------------


def draw_landscape(path: Path) -> None:
    """The loss of the 1-2-1 network over two of its weights, with the way down from two starts."""
    with style():
        figure = _figure(10.5, 4.9, "The loss landscape of a network with two hidden units")
        grid = figure.add_gridspec(1, 2, width_ratios=(1.0, 1.15))
        walks = [descend(start) for start in STARTS]
        _draw_surface(figure.add_subplot(grid[0], projection="3d", computed_zorder=False), walks)
        _draw_contours(figure, figure.add_subplot(grid[1]), walks)
        figure.savefig(path)


WALK_COLOURS = (VERMILION, "#000000")
W_LABEL, V_LABEL = "w: weight into hidden unit 1", "v: weight out of hidden unit 1"


def _height(loss: Any) -> Any:
    return np.sqrt(loss)


def _draw_surface(axes: Any, walks: Sequence[Any]) -> None:
    w, v, loss = surface(81)
    axes.plot_surface(
        w, v, loss, cmap="viridis", norm=_norm(), rcount=81, ccount=81, linewidth=0, alpha=0.9
    )
    for walk, colour in zip(walks, WALK_COLOURS, strict=True):
        axes.plot(*walk.T, color=colour, linewidth=2.2, zorder=5)
        axes.plot(*walk[:1].T, "o", color=colour, markersize=5, zorder=6)
        axes.plot(*walk[-1:].T, "*", color=colour, markersize=11, zorder=6)
    axes.set(xlabel="w", ylabel="v", zlabel="loss", xlim=W_RANGE, ylim=V_RANGE)
    axes.view_init(elev=32, azim=-128)
    axes.set_box_aspect((1, 1.2, 0.8))
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.pane.set_visible(False)
        axis._axinfo["grid"].update(color=FAINT, linewidth=0.6)


def _norm() -> Any:
    return extra("matplotlib.colors").PowerNorm(0.4, vmin=0.0, vmax=120.0)


def _draw_contours(figure: Any, axes: Any, walks: Sequence[Any]) -> None:
    w, v, loss = surface()
    levels = [0.0, 0.05, 0.3, 1, 2, 4, 8, 15, 25, 40, 60, 85, 120]
    filled = axes.contourf(w, v, loss, levels=levels, cmap="viridis", norm=_norm())
    axes.contour(w, v, loss, levels=levels[1:], colors="white", linewidths=0.4, alpha=0.6)
    axes.grid(False)
    texts = (
        ("descends into the valley,\nwhere the loss is 0", (10, 8)),
        ("the ReLU dies: for w < 0 the\nslope is 0, descent stands still", (14, -20)),
    )
    for walk, colour, (text, offset) in zip(walks, WALK_COLOURS, texts, strict=True):
        axes.plot(walk[:, 0], walk[:, 1], ".-", color=colour, linewidth=1.6, markersize=4)
        axes.plot(*walk[0, :2], "o", color=colour, markersize=7, markeredgecolor="white")
        axes.plot(
            *walk[-1, :2], "*", color=colour, markersize=14, markeredgecolor="white", clip_on=False
        )
        axes.annotate(
            text,
            walk[-1, :2],
            xytext=offset,
            textcoords="offset points",
            fontsize=8.5,
            bbox={"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": "none",
                  "alpha": 0.85},
        )
    axes.set(xlabel=W_LABEL, ylabel=V_LABEL, xlim=W_RANGE, ylim=V_RANGE)
    bar = figure.colorbar(filled, ax=axes, label="loss: (output - target)$^2$", pad=0.02)
    bar.outline.set_visible(False)


# -- step sizes ------------------------------------------------------------------------------------


def draw_step_sizes(path: Path) -> None:
    """The error of finite differences against their step, and that of the derivative by program."""
    found = step_sizes()
    floor = 1e-18
    with style():
        figure = _figure(8.4, 4.9, "No step size is right: finite differences of x³ at 1")
        axes = figure.add_subplot()
        axes.set(
            xscale="log",
            yscale="log",
            xlim=(1e-16, 1.0),
            ylim=(floor / 3, 30.0),
            xlabel="step size h",
            ylabel="error of the derivative, which is 3",
        )
        for name, error, colour in (
            ("forward difference", found.forward, ORANGE),
            ("central difference", found.central, BLUE),
        ):
            axes.plot(found.h, np.where(error > 0, error, np.nan), color=colour, label=name)
        figure.savefig(path)
