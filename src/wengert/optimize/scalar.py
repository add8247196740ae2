"""``minimize``."""

from __future__ import annotations

from typing import Any

from scipy import optimize as scipy_optimize

from ..program import Array
from .constraints import flat_constraints
from .functions import HessianProduct, Objective, scalar
from .layout import Layout, as_tuple

__all__ = ["minimize"]

WITHOUT_GRADIENT = frozenset({"nelder-mead", "powell", "cobyla", "cobyqa"})
WITH_PRODUCTS = frozenset({"newton-cg", "trust-ncg", "trust-krylov", "trust-constr"})
WITH_HESSIAN = frozenset({"dogleg", "trust-exact"})
OWN = "own"
"""The user's own method: it is given everything."""

VECTORS = ("x", "jac", "grad", "lagrangian_grad")
"""Entries of a result with one number for each parameter."""


def minimize(
    fun: Any,
    x0: Any,
    args: Any = (),
    method: Any = None,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: float | None = None,
    callback: Any = None,
    options: dict[str, Any] | None = None,
) -> Any:
    """``scipy.optimize.minimize`` with the derivatives filled in, for parameters of any structure.

    ``fun(x, *args)`` returns one number; ``x`` has the structure and shapes of ``x0``, and so have
    ``x`` and ``jac`` in the result. A list or tuple of numbers is an array, as in SciPy; a number
    stays one. All else is SciPy's, except that

    - where ``method`` uses them and they are not given, the gradient comes from the run that gives
      the value, Hessian products are forward over reverse, dogleg and trust-exact get the Hessian;
    - constraints take what ``fun`` takes, and missing Jacobians (and for trust-constr Hessians) of
      theirs are filled in. The defaults of ``NonlinearConstraint`` count as missing;
    - ``bounds`` may also be a tree of ``x0``'s structure with a pair ``(low, high)`` for each leaf;
    - matrices (``hess_inv``, ``LinearConstraint``, a ``hess`` that is given) number the parameters
      leaf after leaf.

    Raises ShapeError if ``fun`` does not return one number, DtypeError for an ``x0`` of integer
    arrays or complex numbers.

    Example:
        >>> import numpy as np, wengert as wg
        >>> def f(p):
        ...     return (p["a"] - 1) ** 2 + np.sum((p["b"] - p["a"]) ** 2)
        >>> found = wg.optimize.minimize(f, {"a": 0.0, "b": np.zeros(2)})
        >>> found.x["b"].round(6)
        array([1., 1.])
    """
    layout, start = Layout.of(x0)
    kind = _kind(method, bounds, constraints)
    objective = Objective(fun, layout, as_tuple(args), "minimize")
    flat_fun, flat_jac = _first(objective, jac, kind)
    flat_hess, flat_hessp = _second(objective, hess, hessp, kind)
    result = scipy_optimize.minimize(
        flat_fun,
        start,
        method=method,
        jac=flat_jac,
        hess=flat_hess,
        hessp=flat_hessp,
        bounds=layout.bounds(bounds),
        constraints=flat_constraints(constraints, layout, kind, kind not in WITHOUT_GRADIENT),
        tol=tol,
        callback=layout.callback(callback, VECTORS),
        options=options,
    )
    return layout.restore(result, VECTORS)


def _kind(method: Any, bounds: Any, constraints: Any) -> str:
    """The method, as SciPy chooses it if it is left out."""
    if callable(method):
        return OWN
    if method is not None:
        return str(method).lower()
    if constraints:
        return "slsqp"
    return "bfgs" if bounds is None else "l-bfgs-b"


def _first(objective: Objective, jac: Any, kind: str) -> tuple[Any, Any]:
    """The function and ``jac`` for SciPy."""
    layout, args = objective.layout, objective.args

    def pair(x: Array) -> tuple[Array, Array]:
        value, gradient = objective.f(layout.tree(x), *args)
        return scalar(value, objective.verb), layout.vector(gradient, "the gradient")

    if jac is True:
        return pair, True
    if callable(jac):
        return objective.value, lambda x: layout.vector(jac(layout.tree(x), *args), "the gradient")
    if jac is None and kind not in WITHOUT_GRADIENT:
        return objective.value_and_gradient, True
    return objective.value, jac


def _second(objective: Objective, hess: Any, hessp: Any, kind: str) -> tuple[Any, Any]:
    """``hess`` and ``hessp`` for SciPy."""
    layout, args = objective.layout, objective.args
    if hess is None and hessp is None:
        products = kind in WITH_PRODUCTS or kind == OWN
        matrix = kind in WITH_HESSIAN or kind == OWN
        return (
            objective.hessian if matrix else None,
            HessianProduct(objective.traced) if products else None,
        )
    given_hess, given_hessp = hess, hessp
    if callable(hess):
        given_hess = lambda x: hess(layout.tree(x), *args)  # noqa: E731
    if callable(hessp):

        def given_hessp(x: Array, p: Array) -> Array:
            product = hessp(layout.tree(x), layout.tree(p), *args)
            return layout.vector(product, "the Hessian product")

    return given_hess, given_hessp
