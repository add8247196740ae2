"""The constraints of ``minimize``: functions of trees, with the derivatives that they leave out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from scipy.optimize import BFGS, LinearConstraint, NonlinearConstraint
from scipy.sparse.linalg import LinearOperator

from ..program import Array
from .functions import HessianProduct, Residual
from .layout import Layout, result_vector

__all__ = ["flat_constraints"]

_Nonlinear: Any = NonlinearConstraint
_Operator: Any = LinearOperator
_DEFAULT_HESS = BFGS()


def flat_constraints(constraints: Any, layout: Layout, method: str, derivatives: bool) -> Any:
    """SciPy's constraints on a vector, from constraints on a tree of this layout.

    With ``derivatives``, Jacobians that are left out are filled in, and for trust-constr, which
    alone uses them, Hessians.
    """
    if constraints is None:
        return ()
    if isinstance(constraints, (dict, LinearConstraint, NonlinearConstraint)):
        constraints = [constraints]
    return [_flat(constraint, layout, method, derivatives) for constraint in constraints]


def _flat(constraint: Any, layout: Layout, method: str, derivatives: bool) -> Any:
    if isinstance(constraint, dict):
        constraint = cast("dict[str, Any]", constraint)
        kind = str(constraint.get("type")).lower()
        if kind not in ("eq", "ineq") or "fun" not in constraint:
            return constraint  # SciPy's own error says what is missing
        if method == "trust-constr" and derivatives:
            constraint = _as_object(constraint, kind)
        else:
            return _flat_dict(constraint, layout, derivatives)
    if isinstance(constraint, NonlinearConstraint):
        return _flat_object(constraint, layout, method, derivatives)
    return constraint


def _with_args(f: Callable[..., Any], args: tuple[Any, ...]) -> Callable[..., Any]:
    return lambda x: f(x, *args)


def _as_object(constraint: dict[str, Any], kind: str) -> NonlinearConstraint:
    args = constraint.get("args", ())
    jac = constraint.get("jac")
    upper = 0 if kind == "eq" else np.inf
    return _Nonlinear(
        _with_args(constraint["fun"], args),
        0,
        upper,
        jac=_with_args(jac, args) if callable(jac) else jac or "2-point",
    )


def _flat_dict(constraint: dict[str, Any], layout: Layout, derivatives: bool) -> dict[str, Any]:
    found = dict(constraint)
    args = found.pop("args", ())
    residual = _residual(_with_args(found["fun"], args), layout)
    jac = found.pop("jac", None)
    found["fun"] = residual.plain
    if callable(jac):
        found["jac"] = _on_vector(_with_args(jac, args), layout)
    elif jac is not None:
        found["jac"] = jac
    elif derivatives:
        found |= {"fun": residual.value, "jac": residual.jacobian}
    return found


def _flat_object(
    constraint: NonlinearConstraint, layout: Layout, method: str, derivatives: bool
) -> NonlinearConstraint:
    given: Any = constraint
    residual = _residual(given.fun, layout)
    fun, jac, hess = residual.plain, given.jac, given.hess
    differences = given.finite_diff_rel_step, given.finite_diff_jac_sparsity
    # '2-point' and BFGS() are what SciPy puts in place of what is left out.
    if callable(jac):
        jac = _on_vector(jac, layout)
    elif derivatives and jac in (None, "2-point") and differences == (None, None):
        fun, jac = residual.value, residual.jacobian
        if method == "trust-constr" and _is_default(hess):
            hess = _combined_hessian(residual, layout.size)
    if callable(given.hess):
        hess = _on_vector(given.hess, layout)
    lower, upper = (_limit(limit) for limit in (given.lb, given.ub))
    return _Nonlinear(fun, lower, upper, jac, hess, given.keep_feasible, *differences)


def _is_default(hess: Any) -> bool:
    settings = ("exception_strategy", "min_curvature", "init_scale")
    return type(hess) is BFGS and all(
        np.array_equal(getattr(hess, name), getattr(_DEFAULT_HESS, name)) for name in settings
    )


def _limit(limit: Any) -> Any:
    """A constraint's limit as a number or vector, from one in the structure of its result."""
    return limit if np.isscalar(limit) else result_vector(limit)[0]


def _residual(f: Callable[..., Any], layout: Layout) -> Residual:
    return Residual(lambda x: f(layout.tree(x)))


def _on_vector(f: Callable[..., Any], layout: Layout) -> Callable[..., Any]:
    return lambda x, *rest: f(layout.tree(x), *rest)


def _combined_hessian(residual: Residual, size: int) -> Callable[[Array, Array], LinearOperator]:
    """The Hessian of the combination v of the constraints, as products with vectors."""

    def hess(x: Array, v: Array) -> LinearOperator:
        point, weights = np.array(x, float), np.array(v, float)
        product = HessianProduct(lambda x: np.dot(weights, residual.traced(x)))
        return _Operator((size, size), matvec=lambda p: product(point, p), dtype=np.float64)

    return hess
