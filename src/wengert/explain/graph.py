"""The computation graph of an explanation, and where to put its nodes on paper.

The layout is the layered one of K. Sugiyama, S. Tagawa, M. Toda, "Methods for visual understanding
of hierarchical system structures", IEEE Trans. SMC 11(2), 1981: longest paths give the layers,
barycentres the order within them. Start reading at ``layout``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from ..program import Array

if TYPE_CHECKING:
    from .rows import Explanation

__all__ = ["Edge", "Graph", "Layout", "Node", "graph_of", "layout"]

SWEEPS = 12
"""Passes over the layers that order and straighten the graph; it has settled long before."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A variable: its name, the operation that gives it (empty for an input), and the numbers."""

    name: str
    operation: str
    formula: str
    value: Array
    tangent: Array | None
    adjoint: Array | None
    is_result: bool


@dataclass(frozen=True, slots=True)
class Edge:
    """``target`` reads ``source``."""

    source: str
    target: str


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Nodes in topological order (each after all that it reads), and one edge for each reading.

    A variable that is read several times is one node with several edges.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """``places`` of the nodes as (layer, height), and the ``routes`` of the edges between them."""

    places: Mapping[str, tuple[float, float]]
    routes: Mapping[Edge, Sequence[tuple[float, float]]]


def graph_of(explanation: Explanation) -> Graph:
    """See ``Explanation.graph``."""
    nodes = tuple(
        Node(
            row.name,
            row.operation,
            row.formula,
            row.value,
            row.tangent,
            row.adjoint,
            bool(row.results),
        )
        for row in explanation.rows
    )
    edges = tuple(Edge(name, row.name) for row in explanation.rows for name in row.operands)
    return Graph(nodes, edges)


# -- layout ----------------------------------------------------------------------------------------

_Point = tuple[str, int]
"""A node in its layer, or what stands for a long edge in a layer that it passes."""


def layout(graph: Graph) -> Layout:
    """Layers from left to right along the data, in each the nodes so that few edges cross."""
    layers = _layers(graph)
    chains = {edge: _chain(edge, layers) for edge in graph.edges}
    points = dict.fromkeys((node.name, layers[node.name]) for node in graph.nodes)
    points.update(dict.fromkeys(point for chain in chains.values() for point in chain))
    columns: list[list[_Point]] = [[] for _ in range(max(layers.values(), default=-1) + 1)]
    for point in points:
        columns[point[1]].append(point)
    before: dict[_Point, list[_Point]] = {point: [] for point in points}
    after: dict[_Point, list[_Point]] = {point: [] for point in points}
    for chain in chains.values():
        for left, right in pairwise(chain):
            after[left].append(right)
            before[right].append(left)
    _order(columns, before, after)
    heights = _heights(columns, before, after)
    places = {name: (float(layer), heights[name, layer]) for name, layer in layers.items()}
    routes = {
        edge: [(float(point[1]), heights[point]) for point in chain]
        for edge, chain in chains.items()
    }
    return Layout(places, routes)


def _layers(graph: Graph) -> dict[str, int]:
    """The longest path to each node; inputs stand next to the first equation that reads them."""
    layers: dict[str, int] = {}
    sources: dict[str, list[str]] = {node.name: [] for node in graph.nodes}
    readers: dict[str, list[str]] = {node.name: [] for node in graph.nodes}
    for edge in graph.edges:
        sources[edge.target].append(edge.source)
        readers[edge.source].append(edge.target)
    for node in graph.nodes:
        layers[node.name] = 1 + max((layers[name] for name in sources[node.name]), default=-1)
    for node in graph.nodes:
        if not sources[node.name] and readers[node.name]:
            layers[node.name] = min(layers[name] for name in readers[node.name]) - 1
    return layers


def _chain(edge: Edge, layers: Mapping[str, int]) -> list[_Point]:
    """The points that an edge passes, from its source to its target."""
    first, last = layers[edge.source], layers[edge.target]
    passed = [(f"{edge.source}->{edge.target}", layer) for layer in range(first + 1, last)]
    return [(edge.source, first), *passed, (edge.target, last)]


def _order(
    columns: list[list[_Point]],
    before: Mapping[_Point, list[_Point]],
    after: Mapping[_Point, list[_Point]],
) -> None:
    """Sort the layers by the barycentres of neighbours; keep the order with fewest crossings."""
    best = [list(column) for column in columns]
    fewest = _crossings(columns, after)
    for sweep in range(SWEEPS):
        neighbours, order = (before, columns) if sweep % 2 == 0 else (after, columns[::-1])
        ranks = {point: i for column in columns for i, point in enumerate(column)}
        for column in order:
            middle = {
                point: sum(ranks[p] for p in neighbours[point]) / len(neighbours[point])
                if neighbours[point]
                else float(ranks[point])
                for point in column
            }
            column.sort(key=middle.__getitem__)
            ranks.update((point, i) for i, point in enumerate(column))
        crossings = _crossings(columns, after)
        if crossings < fewest:
            fewest, best = crossings, [list(column) for column in columns]
    columns[:] = best


def _crossings(columns: list[list[_Point]], after: Mapping[_Point, list[_Point]]) -> int:
    total = 0
    for left, right in pairwise(columns):
        rank = {point: i for i, point in enumerate(right)}
        ends = [sorted(rank[p] for p in after[point]) for point in left]
        flat = [end for group in ends for end in group]
        total += sum(a > b for i, a in enumerate(flat) for b in flat[i + 1 :])
    return total


def _heights(
    columns: list[list[_Point]],
    before: Mapping[_Point, list[_Point]],
    after: Mapping[_Point, list[_Point]],
) -> dict[_Point, float]:
    """Heights near those of the neighbours, at least one apart within a layer.

    The last pass goes against the data, so that operands stand evenly about what reads them.
    """
    heights = {point: float(-i) for column in columns for i, point in enumerate(column)}
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        for column in columns if forward else columns[::-1]:
            wanted: list[float] = []
            for point in column:
                sides = (before[point], after[point]) if forward else (after[point], before[point])
                near = sides[0] or sides[1] or [point]
                wanted.append(sum(heights[p] for p in near) / len(near))
            heights.update(zip(column, _apart(wanted), strict=True))
    return heights


def _apart(wanted: Sequence[float]) -> list[float]:
    """Heights nearest to the wanted ones (least squares) that fall by at least one in each step.

    With the steps taken out this is isotonic regression, by pooling neighbours that are out of
    order into their mean.
    """
    blocks: list[tuple[float, int]] = []
    for place, height in enumerate(wanted):
        mean, size = height + place, 1
        while blocks and blocks[-1][0] < mean:
            other, count = blocks.pop()
            mean, size = (mean * size + other * count) / (size + count), size + count
        blocks.append((mean, size))
    level = [mean for mean, size in blocks for _ in range(size)]
    return [height - place for place, height in enumerate(level)]
