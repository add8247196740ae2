"""The three kinds of primitives. They differ in how their derivative is given:

``Elementwise``  one partial derivative for each operand; a partial names what it needs:
                 ``x``, ``y``, ``z`` are the operands, ``ans`` is the result.
``Linear``       linear in some operands; for each of those a transpose.
``Nonlinear``    everything else; for each operand the tangent that it contributes.

Whatever the kind, an equation is *linearised* in the same three steps: ``save`` keeps what its
derivative needs (the residuals), ``push`` carries tangents forward through it, and the transpose
carries cotangents back. Rules are written in NumPy: on arrays they compute, on traced values
they are recorded, so a derivative can be differentiated again.

``elementwise``, ``linear`` and ``nonlinear`` declare primitives; ``primitives/`` holds them.
"""

from .elementwise import Elementwise, elementwise, mul0, via
from .linear import Linear, linear
from .nonlinear import Nonlinear, nonlinear
from .rules import (
    Unknown,
    add_tangents,
    answer,
    fit,
    floating,
    settled,
    spread,
    unboxed,
    unless_unknown,
    unresolved,
)

__all__ = [
    "Elementwise",
    "Linear",
    "Nonlinear",
    "Unknown",
    "add_tangents",
    "answer",
    "elementwise",
    "fit",
    "floating",
    "linear",
    "mul0",
    "nonlinear",
    "settled",
    "spread",
    "unboxed",
    "unless_unknown",
    "unresolved",
    "via",
]
