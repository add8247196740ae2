"""A tool for GradBench (https://github.com/gradbench/gradbench), a suite of derivatives.

``python -m benchmarks.gradbench`` speaks the suite's protocol on standard input and output. There
is a file for each eval, and each is what somebody who knows NumPy would write: the function as it
is in the suite's description, and its derivative by a verb of ``wg``. No formula of a derivative
was worked out by hand. ``task`` says how they are timed.
"""
