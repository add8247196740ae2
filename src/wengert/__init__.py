"""wengert: exact derivatives of the NumPy programs that you already have.

    import numpy as np
    import wengert as wg

    wg.grad(lambda x: np.sum(np.sin(x) ** 2))(np.arange(3.0))

The verbs are listed in ``wengert.derivatives``; ``wg.explain`` shows how an answer came about.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import errors, functions, numpy, primitives, transforms
from .agreement import check_value
from .control import (
    cond,
    fori_loop,
    map,  # noqa: A004
    scan,
    switch,
    while_loop,
)
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
from .explain import explain
from .frames import hide
from .jit import jit
from .numerical import check_grads, derivative
from .program import Program
from .stand_ins import stand_ins
from .transforms import simplify

if TYPE_CHECKING:
    from . import optimize
    from .compile.threads import get_num_threads, set_num_threads

__version__ = "0.1.0.dev0"

__all__ = [
    "Program",
    "check_grads",
    "check_value",
    "cond",
    "custom_jvp",
    "custom_vjp",
    "derivative",
    "errors",
    "evaluate",
    "explain",
    "fori_loop",
    "functions",
    "get_num_threads",
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jit",
    "jvp",
    "linearize",
    "map",
    "numpy",
    "optimize",
    "primitives",
    "scan",
    "set_num_threads",
    "simplify",
    "stand_ins",
    "stop_gradient",
    "switch",
    "trace",
    "transforms",
    "value_and_grad",
    "vjp",
    "vmap",
    "while_loop",
]


def __getattr__(name: str) -> Any:
    """What is imported when it is first used, as that takes long: SciPy's optimisers, compiling."""
    if name == "optimize":
        found = import_module(".optimize", __name__)
        hide(__name__)
        return found
    if name in ("get_num_threads", "set_num_threads"):
        return getattr(import_module(".compile.threads", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


hide(__name__)
