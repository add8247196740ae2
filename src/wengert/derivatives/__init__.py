"""The verbs: functions in, derivatives of them out.

Argument names and their meaning (``argnums``, ``has_aux``, ``holomorphic``, ``in_axes``,
``out_axes``) are those that users of JAX know. Arguments and results may be any nesting of dicts,
lists, tuples, dataclasses and arrays.

A derivative traces its function at every call, so closures, globals, and Python's control flow
behave as they do without it: what is differentiated is the path that was taken.
"""

from .batches import vmap
from .forward import jvp, linearize
from .jacobians import hessian, hvp, jacfwd, jacobian, jacrev
from .programs import trace
from .reverse import grad, value_and_grad, vjp

__all__ = [
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "linearize",
    "trace",
    "value_and_grad",
    "vjp",
    "vmap",
]
