"""Control flow that is part of the Program: loops and branches as single equations.

Python's own ``for``, ``while`` and ``if`` work in every function, and what is differentiated is the
path that they took. The functions here say the same in a form that is traced once, whatever the
number of steps: memory and the time to trace do not grow with it, and choices may depend on values
that are not known, as under ``vmap``.
"""

from .branches import cond, switch
from .loops import fori_loop, map, scan, while_loop  # noqa: A004

__all__ = ["cond", "fori_loop", "map", "scan", "switch", "while_loop"]
