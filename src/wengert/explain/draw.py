"""The computation graph as a picture, by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UnsupportedError
from .graph import Graph, Layout, Node, layout
from .numbers import show

if TYPE_CHECKING:
    from .rows import Explanation

__all__ = ["draw_graph"]

WIDTH, LINE_HEIGHT, PADDING = 1.9, 0.235, 0.13
"""Inches of a node's box: its width, each line, and the space above and below them."""

GAP_X, GAP_Y = 0.8, 0.34
"""Inches between the boxes of two layers, and between those of one layer."""

TITLE = 0.4
"""Inches above the graph for its title."""

FITTING, LONGEST = 19, 27
"""Characters of a line in a box: longer ones are set smaller, or cut."""

INK, VALUE, TANGENT, ADJOINT, LINE = "#1f2933", "#1769aa", "#2e7d32", "#b3261e", "#9aa5b1"
FACES = {"input": "#e8f1fa", "equation": "#ffffff", "result": "#fdf0e6"}
EDGES = {"input": "#5b8db8", "equation": "#7b8794", "result": "#d98548"}


def draw_graph(explanation: Explanation, target: Any = None) -> Any:
    """Draw the computation graph: on each node its operation, value, tangent and adjoint.

    ``target`` is a path to save the picture at (its suffix gives the format), matplotlib axes to
    draw into, or None for a new figure. Returns the axes, or the path. Needs matplotlib
    (``pip install "wengert[plot]"``), and raises ``UnsupportedError`` without it.

    Example:
        >>> import wengert as wg
        >>> from wengert.explain import draw_graph
        >>> e = wg.explain(lambda x, y: x * y + x, 2.0, 3.0)
        >>> draw_graph(e, "graph.png")  # doctest: +SKIP
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UnsupportedError(
            "drawing a graph needs matplotlib, which is not installed",
            remedy='pip install "wengert[plot]"',
        ) from error
    graph = explanation.graph()
    lines = 2 + explanation.forward + explanation.reverse
    paper = _Paper(layout(graph), lines * LINE_HEIGHT + 2 * PADDING)
    if target is not None and not isinstance(target, (str, PathLike)):
        _draw(target, graph, paper)
        return target
    if target is None:
        import matplotlib.pyplot as plt

        figure: Any = plt.figure(figsize=paper.size())
    else:
        figure = Figure(figsize=paper.size())
    axes = figure.add_axes((0.0, 0.0, 1.0, 1 - TITLE / paper.size()[1]))
    _draw(axes, graph, paper)
    axes.set_title(explanation.title, color=INK, fontsize=13)
    if target is None:
        return axes
    path = Path(target)
    figure.savefig(path, dpi=160, facecolor="white")
    return path


@dataclass(frozen=True)
class _Paper:
    """The layout in inches."""

    placed: Layout
    height: float

    def at(self, point: tuple[float, float]) -> tuple[float, float]:
        """Where a point of the layout is on the paper."""
        return point[0] * (WIDTH + GAP_X), point[1] * (self.height + GAP_Y)

    def bounds(self) -> tuple[float, float, float, float]:
        """Left, right, low and high end of everything, with a margin."""
        placed = self.placed
        points = [*placed.places.values(), *(p for route in placed.routes.values() for p in route)]
        xs, ys = zip(*map(self.at, points or [(0.0, 0.0)]), strict=True)
        dx, dy = WIDTH / 2 + 0.15, self.height / 2 + 0.15
        return min(xs) - dx, max(xs) + dx, min(ys) - dy, max(ys) + dy

    def size(self) -> tuple[float, float]:
        """Width and height of the figure, with room for the title."""
        left, right, low, high = self.bounds()
        return right - left, high - low + TITLE


def _draw(axes: Any, graph: Graph, paper: _Paper) -> None:
    for edge in graph.edges:
        _arrow(axes, [paper.at(point) for point in paper.placed.routes[edge]])
    for node in graph.nodes:
        _box(axes, node, paper.at(paper.placed.places[node.name]), paper.height)
    left, right, low, high = paper.bounds()
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    axes.axis("off")


def _arrow(axes: Any, route: Sequence[tuple[float, float]]) -> None:
    """A smooth curve from the right side of a box to the left side of another."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Curve

    (x0, y0), *between, (x1, y1) = route
    start, end = (x0 + WIDTH / 2, y0), (x1 - WIDTH / 2, y1)
    # A long edge runs level past the boxes of the layers that it passes.
    stops = [start, *((x + s * WIDTH / 2, y) for x, y in between for s in (-1, 1)), end]
    points, codes = [stops[0]], [Curve.MOVETO]
    for number, (a, b) in enumerate(pairwise(stops)):
        if number % 2:
            points.append(b)
            codes.append(Curve.LINETO)
            continue
        bend = 0.5 * (b[0] - a[0])
        points += [(a[0] + bend, a[1]), (b[0] - bend, b[1]), b]
        codes += [Curve.CURVE4] * 3
    axes.add_patch(
        FancyArrowPatch(
            path=Curve(points, codes),
            arrowstyle="-|>,head_width=3,head_length=6",
            color=LINE,
            linewidth=1.3,
            shrinkA=0,
            shrinkB=0,
            zorder=1,
        )
    )


def _box(axes: Any, node: Node, at: tuple[float, float], height: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = at
    kind = "result" if node.is_result else "equation" if node.operation else "input"
    axes.add_patch(
        FancyBboxPatch(
            (x - WIDTH / 2, y - height / 2),
            WIDTH,
            height,
            boxstyle="round,pad=0,rounding_size=0.12",
            facecolor=FACES[kind],
            edgecolor=EDGES[kind],
            linewidth=1.3,
            zorder=2,
        )
    )
    lines = _lines(node)
    for number, (text, color, weight, size) in enumerate(lines):
        text = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
        axes.text(
            x,
            y + ((len(lines) - 1) / 2 - number) * LINE_HEIGHT,
            text,
            color=color,
            weight=weight,
            fontsize=size * min(1.0, FITTING / len(text)),
            ha="center",
            va="center_baseline",
            zorder=3,
            parse_math=False,
        )


def _lines(node: Node) -> list[tuple[str, str, str, float]]:
    """Text, colour, weight and size of each line in a box."""
    title = f"{node.name} = {node.formula}" if node.operation else node.name
    lines = [(title.replace(" * ", " · "), INK, "bold", 10.5)]
    numbers = [
        ("value", node.value, VALUE),
        ("tangent", node.tangent, TANGENT),
        ("adjoint", node.adjoint, ADJOINT),
    ]
    for what, number, color in numbers:
        if number is not None:
            lines.append((f"{what} {show(number, 5)}", color, "normal", 9.5))
    return lines
