"""``wg.explain``: the Wengert list of a call, as a table, as a graph, and as data.

``rows`` is the data, ``sweeps`` makes it from a function; ``text``, ``terminal``, ``html`` and
``draw`` show it. ``expression`` reads arithmetic from text for the command line.
"""

from .draw import draw_graph
from .graph import Edge, Graph, Node
from .rows import Contribution, Explanation, Row
from .sweeps import explain

__all__ = [
    "Contribution",
    "Edge",
    "Explanation",
    "Graph",
    "Node",
    "Row",
    "draw_graph",
    "explain",
]
