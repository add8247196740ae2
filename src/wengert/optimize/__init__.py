"""SciPy's optimisers, with the derivatives filled in.

``minimize``, ``least_squares``, ``curve_fit``, ``root`` and ``root_scalar`` take the arguments of
their namesakes in ``scipy.optimize`` and return what those return. What is added: gradients,
Jacobians, Hessians and Hessian products that are not given are filled in, exact, the first two from
the run that gives the value; and the parameters may be any nesting of dicts, lists, tuples,
dataclasses and arrays.
"""

from .residuals import curve_fit, least_squares
from .roots import root, root_scalar
from .scalar import minimize

__all__ = ["curve_fit", "least_squares", "minimize", "root", "root_scalar"]
