"""How fast gradients are, and how much memory they take, beside the peers and beside NumPy.

``python -m benchmarks`` runs everything; ``--help`` lists the options. ``cases`` and ``growing``
hold what is differentiated, ``peers`` who differentiates it, ``harness`` how it is timed;
``interpreted`` and ``compiled`` are the sections, which ``report`` and ``pictures`` show.
"""
