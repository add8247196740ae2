"""``wg.explain``: the Wengert list of a call, as a table, as a graph, and as data.

``rows`` is the data, ``sweeps`` makes it from a function; ``text``, ``terminal``, ``html`` and
``draw`` show it. ``compiled`` says what the compiler makes of a function, and ``compiled_views``
shows that. ``expression`` reads arithmetic from text for the command line.
"""

from .compiled import Compilation, CompiledRow
from .draw import draw_graph
from .graph import Edge, Graph, Node
from .rows import Contribution, Explanation, Row
from .sweeps import explain

__all__ = [
    "Compilation",
    "CompiledRow",
    "Contribution",
    "Edge",
    "Explanation",
    "Graph",
    "Node",
    "Row",
    "draw_graph",
    "explain",
]
