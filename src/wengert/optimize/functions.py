"""The functions that SciPy is given, made from the one that the user wrote.

All of them take a vector. ``Objective`` returns a number, and with it the gradient from the same
run; ``Residual`` a vector, and the Jacobian from the run that computed it when that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import tree
from ..calls import Linearised, linearised, result_leaf
from ..derivatives import grad, hessian, linearize, value_and_grad
from ..derivatives.jacobians import jacobian_rows
from ..errors import DtypeError, ShapeError
from ..program import Array, Type
from .layout import Layout, result_vector, untraced

__all__ = ["HessianProduct", "Objective", "Residual", "scalar"]


def scalar(result: Any, verb: str) -> Array:
    """A function's result, plain or traced, as the one real number that it must be."""
    leaves, spec = tree.flatten(result)
    value = result_leaf(leaves[0]) if len(leaves) == 1 else None
    if value is None or Type.of(value).size != 1:
        found = tree.show(spec) if value is None else f"an array of shape {value.shape}"
        raise ShapeError(
            f"{verb} needs a function that returns one number, and this one returned {found}",
            remedy="np.sum(y) for the sum, np.sum(y**2) for the sum of squares, or "
            "wg.optimize.least_squares(f, x0), which takes the residuals themselves",
        )
    if value.dtype.kind == "c":
        raise DtypeError(
            f"{verb} needs a function that returns a real number, and this one returned a complex",
            remedy="np.real(y), or np.abs(y)**2",
        )
    if value.dtype.kind != "f":
        value = value.astype(float)
    return np.reshape(value, ()) if value.shape else value


class Objective:
    """A function of a tree to a number, as functions of a vector."""

    def __init__(self, f: Callable[..., Any], layout: Layout, args: tuple[Any, ...], verb: str):
        self.f = f
        self.layout = layout
        self.args = args
        self.verb = verb
        self._fused = value_and_grad(self.traced)
        self._hessian = hessian(self.traced)

    def traced(self, x: Array) -> Array:
        """The value at a plain or traced vector."""
        return scalar(self.f(self.layout.tree(x), *self.args), self.verb)

    def value(self, x: Array) -> Array:
        """The value at a plain vector, which the user's function may overwrite."""
        return untraced(self.traced(np.array(x, float)), "the function's result")

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """The value and the gradient, from one run."""
        value, gradient = self._fused(np.array(x, float))
        return untraced(value, "the function's result"), gradient

    def hessian(self, x: Array) -> Array:
        """The dense Hessian."""
        return self._hessian(np.array(x, float))


class HessianProduct:
    """The Hessian of a function of a vector, times vectors: forward over reverse.

    The gradient is run once at a point and its derivative kept, for the many products that a
    conjugate-gradient iteration takes there.
    """

    def __init__(self, f: Callable[[Array], Array]) -> None:
        self._gradient = grad(f)
        self._x: Array = None
        self._push: Any = None

    def __call__(self, x: Array, p: Array) -> Array:
        if self._push is None or not np.array_equal(x, self._x):
            self._push = None  # the old run's memory is free before the new one needs any
            self._x = np.array(x, float)
            _, self._push = linearize(self._gradient, self._x)
        return self._push(np.array(p, float))


class Residual:
    """A function of a vector to a tree, as functions to a vector and to its Jacobian.

    SciPy asks for the value at many points and for the Jacobian at some of them. The run that
    gave the last value is kept, so that no point is run twice.
    """

    def __init__(self, f: Callable[[Array], Any]) -> None:
        self.f = f
        self.layout: Layout | None = None
        """Layout of the last result."""
        self._x: Array = None
        self._run: Linearised | None = None
        self._jacobian: Array = None

    def traced(self, x: Array) -> Array:
        """The residuals at a plain or traced vector, as one vector."""
        vector, self.layout = result_vector(self.f(x))
        return vector

    def plain(self, x: Array) -> Array:
        """The residuals at a plain vector, without keeping anything for a derivative."""
        vector = self.traced(np.array(x, float))
        return np.array(untraced(vector, "the function's result"))

    def _at(self, x: Array) -> Linearised:
        if self._run is None or not np.array_equal(x, self._x):
            self._run = None
            self._jacobian = None
            self._x = np.array(x, float)
            run = linearised(self.traced, (self._x,), {}, 0, hold="copy")
            if run.types[0].dtype.kind == "c":
                raise DtypeError(
                    "SciPy's optimisers need real residuals, and these are complex",
                    remedy="np.concatenate([np.real(r), np.imag(r)])",
                )
            self._run = run
        return self._run

    def value(self, x: Array) -> Array:
        """The residuals."""
        return np.array(untraced(self._at(x).primal, "the function's result"))

    def jacobian(self, x: Array) -> Array:
        """Derivative of every residual in every parameter, a row for each residual.

        Forward mode unless there are fewer residuals than parameters.
        """
        run = self._at(x)
        if self._jacobian is None:
            ((self._jacobian,),) = jacobian_rows(run)
        return np.array(self._jacobian)
