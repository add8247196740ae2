"""wengert: exact derivatives of the NumPy programs that you already have.

    import numpy as np
    import wengert as wg

    wg.grad(lambda x: np.sum(np.sin(x) ** 2))(np.arange(3.0))

The verbs are listed in ``wengert.derivatives``; ``wg.explain`` shows how an answer came about.
"""

from . import errors, numpy, primitives
from .custom import custom_jvp, custom_vjp, stop_gradient
from .derivatives import (
    grad,
    hessian,
    hvp,
    jacfwd,
    jacobian,
    jacrev,
    jvp,
    linearize,
    trace,
    value_and_grad,
    vjp,
    vmap,
)
from .evaluate import evaluate
from .numerical import check_grads, derivative
from .program import Program
from .transforms.simplify import simplify

__version__ = "0.1.0.dev0"

__all__ = [
    "Program",
    "check_grads",
    "custom_jvp",
    "custom_vjp",
    "derivative",
    "errors",
    "evaluate",
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "linearize",
    "numpy",
    "primitives",
    "simplify",
    "stop_gradient",
    "trace",
    "value_and_grad",
    "vjp",
    "vmap",
]
