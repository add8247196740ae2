"""The computation graph: its nodes and edges, where they are put, and the picture."""

from __future__ import annotations

import sys
from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

import wengert as wg
from wengert.errors import UnsupportedError
from wengert.explain import Edge, draw_graph
from wengert.explain.draw import WIDTH
from wengert.explain.graph import layout


def swelling(x, y):
    s = np.sin(x * y)
    return s * np.exp(s) + s / (1 + x) + y


def wide(*xs):
    return sum(xs[i] * xs[-1 - i] + np.sin(xs[i]) for i in range(len(xs)))


def deep(x):
    for _ in range(150):
        x = np.sin(x) + 0.1
    return x


CASES = [
    (swelling, (1.0, 2.0)),
    (wide, (1.0, 2.0, 3.0, 4.0, 5.0)),
    (deep, (0.5,)),
    (lambda x, y: (x, y, x), (1.0, 2.0)),
    (lambda x: 3.0, (1.0,)),
]


def test_nodes_are_the_rows_and_edges_what_they_read():
    graph = wg.explain(lambda x, y: x * y + np.sin(x), 1.0, 2.0, along=(1, 0)).graph()
    assert [(n.name, n.operation, float(n.value), float(n.adjoint)) for n in graph.nodes[:3]] == [
        ("x", "", 1, pytest.approx(2 + np.cos(1))),
        ("y", "", 2, 1),
        ("t1", "multiply", 2, 1),
    ]
    assert [(e.source, e.target) for e in graph.edges] == [
        *(("x", "t1"), ("y", "t1"), ("x", "t2"), ("t1", "t3"), ("t2", "t3"))
    ]
    assert [node.is_result for node in graph.nodes] == [False] * 4 + [True]


def test_a_shared_subexpression_is_one_node_with_several_readers():
    graph = wg.explain(swelling, 1.0, 2.0).graph()
    (sine,) = [node for node in graph.nodes if node.operation == "sin"]
    assert sum(edge.source == sine.name for edge in graph.edges) == 3


@pytest.mark.parametrize(("f", "args"), CASES)
def test_the_order_is_topological_and_edges_run_to_the_right(f, args):
    graph = wg.explain(f, *args).graph()
    place = {node.name: i for i, node in enumerate(graph.nodes)}
    placed = layout(graph)
    for edge in graph.edges:
        assert place[edge.source] < place[edge.target]
        xs = [x for x, _ in placed.routes[edge]]
        assert xs == [xs[0] + i for i in range(len(xs))]
        assert placed.routes[edge][0] == placed.places[edge.source]
        assert placed.routes[edge][-1] == placed.places[edge.target]


@pytest.mark.parametrize(("f", "args"), CASES)
def test_neither_nodes_nor_passing_edges_overlap(f, args):
    graph = wg.explain(f, *args).graph()
    placed = layout(graph)
    points = set(placed.places.values())
    assert len(points) == len(graph.nodes)
    columns = {}
    for x, y in placed.places.values():
        columns.setdefault(x, []).append(y)
    for route in placed.routes.values():
        for x, y in route[1:-1]:
            columns[x].append(y)
    for heights in columns.values():
        for low, high in pairwise(sorted(heights)):
            assert high - low >= 1 - 1e-9


def test_a_tree_is_drawn_without_crossings_and_a_chain_straight():
    graph = wg.explain(lambda a, b, c, d: (a * c) + (b * d), 1.0, 2.0, 3.0, 4.0).graph()
    places = layout(graph).places
    for one, other in combinations(graph.edges, 2):
        if places[one.source][0] == places[other.source][0]:
            sources = places[one.source][1] - places[other.source][1]
            ends = places[one.target][1] - places[other.target][1]
            assert sources * ends >= 0
    chain = layout(wg.explain(deep, 0.5).graph()).places
    assert {height for _, height in chain.values()} == {0.0}


# -- the picture -----------------------------------------------------------------------------------


def drawn(explanation):
    axes = Figure(figsize=(8, 4)).add_subplot()
    assert draw_graph(explanation, axes) is axes
    return axes


def test_each_node_shows_operation_value_tangent_and_adjoint():
    axes = drawn(wg.explain(lambda x, y: x * np.sin(y), 3.0, 0.5, along=(1.0, 0.0)))
    texts = [text.get_text() for text in axes.texts]
    assert texts[:4] == ["x", "value 3", "tangent 1", "adjoint 0.47943"]
    assert texts[-4:] == ["t2 = x · t1", "value 1.4383", "tangent 0.47943", "adjoint 1"]
    assert len(axes.texts) == 4 * 4
    assert len(axes.patches) == 4 + 3


@pytest.mark.parametrize("name", ["x", "$x$", "weights"])
def test_every_text_fits_into_its_box(name):
    f = lambda p: np.maximum(p[name] * 123456.789, 0) @ np.arange(5.0)  # noqa: E731
    axes = drawn(wg.explain(f, {name: np.arange(5.0) / 7e9}))
    axes.figure.set_size_inches(*(axes.get_xlim()[1] - axes.get_xlim()[0], 3))
    axes.set_position((0, 0, 1, 1))
    axes.figure.canvas.draw()
    for text in axes.texts:
        box = text.get_window_extent().transformed(axes.transData.inverted())
        assert box.width < WIDTH


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_path_gets_a_file_in_the_format_of_its_suffix(tmp_path, suffix):
    path = tmp_path / f"graph.{suffix}"
    assert draw_graph(wg.explain(swelling, 1.0, 2.0), path) == path
    assert path.stat().st_size > 3000


def test_without_a_target_there_is_a_new_figure():
    from matplotlib import pyplot

    axes = draw_graph(wg.explain(swelling, 1.0, 2.0))
    assert axes.get_title() == "swelling(x, y)"
    pyplot.close(axes.figure)


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UnsupportedError, match=r"pip install \"wengert\[plot\]\""):
        draw_graph(wg.explain(swelling, 1.0, 2.0), "graph.png")


def test_edges_can_be_compared():
    assert Edge("a", "b") == Edge("a", "b")
