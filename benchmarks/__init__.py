"""How fast gradients are, and how much memory they take, beside the peers and beside NumPy.

``python -m benchmarks`` runs everything; ``--help`` lists the options. ``cases`` holds what is
differentiated, ``peers`` who differentiates it, ``harness`` how it is timed.
"""
