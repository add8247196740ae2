"""``least_squares`` and ``curve_fit``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from scipy import optimize as scipy_optimize

from ..program import Array
from .functions import Residual
from .layout import Layout, as_tuple

__all__ = ["curve_fit", "least_squares"]

VECTORS = ("x", "grad", "active_mask")
"""Entries of a result with one number for each parameter."""


def least_squares(
    fun: Any,
    x0: Any,
    jac: Any = "auto",
    bounds: Any = (-np.inf, np.inf),
    *positional: Any,
    args: Any = (),
    kwargs: dict[str, Any] | None = None,
    **options: Any,
) -> Any:
    """``scipy.optimize.least_squares`` with the Jacobian filled in, for any kind of parameters.

    ``fun(x, *args, **kwargs)`` returns the residuals, as an array or a tree of arrays; ``x`` has
    the structure and shapes of ``x0``. With ``jac="auto"`` the Jacobian is exact and comes from the
    run that gives the residuals, in forward mode unless there are fewer residuals than parameters.
    In the result ``x``, ``grad`` and ``active_mask`` have the structure of ``x0``, and ``fun`` that
    of the residuals; ``jac`` is a matrix with a row for each residual and a column for each
    parameter, leaf after leaf. The ends of ``bounds`` and ``x_scale`` may be trees with an entry
    for each leaf of ``x0``. All else is SciPy's.

    Example:
        >>> import numpy as np, wengert as wg
        >>> t = np.linspace(0.0, 1.0, 5)
        >>> y = 2.0 * np.exp(-3.0 * t)
        >>> found = wg.optimize.least_squares(lambda p: p[0] * np.exp(-p[1] * t) - y, [1.0, 1.0])
        >>> found.x.round(6)
        array([2., 3.])
    """
    layout, start = Layout.of(x0)
    extra, named = as_tuple(args), kwargs or {}
    residual = Residual(lambda x: fun(layout.tree(x), *extra, **named))
    flat_fun, flat_jac = residual.plain, jac
    if callable(jac):
        flat_jac = lambda x: jac(layout.tree(x), *extra, **named)  # noqa: E731
    elif jac is None or jac == "auto":
        flat_fun, flat_jac = residual.value, residual.jacobian
    if options.get("callback") is not None:
        options["callback"] = layout.callback(options["callback"], VECTORS)
    if options.get("x_scale") is not None and not isinstance(options["x_scale"], str):
        options["x_scale"] = layout.spread(options["x_scale"], "the entries of x_scale")
    solve: Any = scipy_optimize.least_squares
    result = solve(flat_fun, start, flat_jac, _ends(layout, bounds), *positional, **options)
    result = layout.restore(result, VECTORS)
    if residual.layout is not None:
        result = residual.layout.restore(result, ("fun",))
    return result


def _ends(layout: Layout, bounds: Any) -> Any:
    """The pair of lower and upper bounds, each a number or a vector."""
    if isinstance(bounds, scipy_optimize.Bounds) or len(bounds) != 2:
        return layout.bounds(bounds)
    return tuple(layout.spread(end, "the bounds") for end in bounds)


class _Model:
    """The function of ``curve_fit``, ``f(xdata, *parameters)``, and its Jacobian."""

    def __init__(self, f: Callable[..., Any], layout: Layout | None, size: int) -> None:
        self.f = f
        self.layout = layout
        self.size = size
        self.residual = Residual(self._predict)
        self._xdata: Any = None

    def _predict(self, vector: Array) -> Any:
        if self.layout is None:
            prediction = self.f(self._xdata, *vector)
        else:
            parameters = self.layout.tree(vector)
            several = isinstance(parameters, (list, tuple))
            prediction = self.f(self._xdata, *(parameters if several else (parameters,)))
        if np.shape(prediction) == ():
            return np.broadcast_to(prediction, (self.size,))
        return prediction

    def value(self, xdata: Any, *parameters: Any) -> Array:
        self._xdata = xdata
        return self.residual.value(np.array(parameters))

    def plain(self, xdata: Any, *parameters: Any) -> Array:
        self._xdata = xdata
        return self.residual.plain(np.array(parameters))

    def jacobian(self, xdata: Any, *parameters: Any) -> Array:
        self._xdata = xdata
        return self.residual.jacobian(np.array(parameters))


def curve_fit(
    f: Any,
    xdata: Any,
    ydata: Any,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    check_finite: bool | None = None,
    bounds: Any = (-np.inf, np.inf),
    method: str | None = None,
    jac: Any = None,
    **options: Any,
) -> Any:
    """``scipy.optimize.curve_fit`` with the Jacobian of ``f(xdata, *parameters)`` filled in.

    As in SciPy the number of parameters is that of ``p0``, or is read from the signature of ``f``,
    and the result is ``(popt, pcov)``. A ``p0`` that holds arrays or is a dict is a tree: a tuple
    or list gives ``f`` one argument for each entry, anything else one argument; ``popt`` then has
    its structure, and ``pcov`` numbers the parameters leaf after leaf. All else is SciPy's.

    Example:
        >>> import numpy as np, wengert as wg
        >>> t = np.linspace(0.0, 1.0, 8)
        >>> popt, pcov = wg.optimize.curve_fit(
        ...     lambda t, a, k: a * np.exp(-k * t), t, 2.0 * np.exp(-3.0 * t)
        ... )
        >>> popt.round(6)
        array([2., 3.])
    """
    layout, start = None, p0
    if p0 is not None:
        found, vector = Layout.of(p0)
        if not (found.single and len(found.types[0].shape) <= 1):
            layout, start = found, vector
            bounds = _ends(layout, bounds)
    model = _Model(f, layout, np.size(ydata))
    flat_f, flat_jac = model.value, model.jacobian
    if jac is not None:
        flat_f, flat_jac = model.plain, jac
        if callable(jac) and layout is not None:
            flat_jac = _on_tree(jac, layout)
    if sigma is not None and np.ndim(sigma) == 0:
        sigma = np.reshape(sigma, (1,))  # which SciPy scales a Jacobian by; by a number it fails to

    @wraps(f)
    def flat(xdata: Any, *parameters: Any) -> Array:
        return flat_f(xdata, *parameters)

    result = scipy_optimize.curve_fit(
        flat,
        xdata,
        ydata,
        p0=start,
        sigma=sigma,
        absolute_sigma=absolute_sigma,
        bounds=bounds,
        method=method,
        jac=flat_jac,
        **({} if check_finite is None else {"check_finite": check_finite}),
        **options,
    )
    return result if layout is None else (layout.tree(result[0]), *result[1:])


def _on_tree(jac: Callable[..., Any], layout: Layout) -> Callable[..., Any]:
    def flat(xdata: Any, *vector: Any) -> Any:
        parameters = layout.tree(np.array(vector))
        several = isinstance(parameters, (list, tuple))
        return jac(xdata, *(parameters if several else (parameters,)))

    return flat
