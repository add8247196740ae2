"""``root`` and ``root_scalar``."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import optimize as scipy_optimize

from ..derivatives import jvp
from ..program import Array
from .functions import Residual, scalar
from .layout import Layout, as_tuple, result_vector, untraced

__all__ = ["root", "root_scalar"]

WITH_JACOBIAN = frozenset({"hybr", "lm"})


def root(
    fun: Any,
    x0: Any,
    args: Any = (),
    method: str = "hybr",
    jac: Any = None,
    tol: float | None = None,
    callback: Any = None,
    options: dict[str, Any] | None = None,
) -> Any:
    """``scipy.optimize.root`` with the Jacobian filled in, for unknowns of any structure.

    ``fun(x, *args)`` returns as many numbers as ``x0`` has, in any structure; ``x`` has the
    structure and shapes of ``x0``. The methods that use a Jacobian, hybr and lm, get an exact one
    from the run that gives the value, unless ``jac`` is given. In the result ``x`` has the
    structure of ``x0`` and ``fun`` that of the function's result. All else is SciPy's.

    Example:
        >>> import numpy as np, wengert as wg
        >>> def f(x):
        ...     return [x[0] + 0.5 * (x[0] - x[1]) ** 3 - 1.0, 0.5 * (x[1] - x[0]) ** 3 + x[1]]
        >>> wg.optimize.root(f, [0.0, 0.0]).x.round(6)
        array([0.841164, 0.158836])
    """
    layout, start = Layout.of(x0)
    extra = as_tuple(args)
    given_pair = jac is True
    residual = Residual(
        lambda x: fun(layout.tree(x), *extra)[0] if given_pair else fun(layout.tree(x), *extra)
    )

    def pair(x: Array) -> tuple[Array, Any]:
        value, matrix = fun(layout.tree(np.array(x, float)), *extra)
        vector, residual.layout = result_vector(value)
        return untraced(vector, "the function's result"), matrix

    flat_fun: Any = residual.plain
    flat_jac = jac
    takes_jacobian = str(method).lower() in WITH_JACOBIAN
    if callable(jac):
        flat_jac = lambda x: jac(layout.tree(x), *extra)  # noqa: E731
    elif given_pair and takes_jacobian:
        flat_fun = pair
    elif jac is None and takes_jacobian:
        transposed = bool((options or {}).get("col_deriv"))
        flat_fun = residual.value
        flat_jac = (lambda x: residual.jacobian(x).T) if transposed else residual.jacobian

    def flat_callback(x: Array, value: Array) -> Any:
        assert residual.layout is not None
        return callback(layout.tree(np.array(x)), residual.layout.tree(np.array(value)))

    result = scipy_optimize.root(
        flat_fun,
        start,
        method=method,
        jac=flat_jac,
        tol=tol,
        callback=None if callback is None else flat_callback,
        options=options,
    )
    result = layout.restore(result, ("x",))
    return result if residual.layout is None else residual.layout.restore(result, ("fun",))


def root_scalar(
    f: Any,
    args: Any = (),
    method: str | None = None,
    bracket: Any = None,
    fprime: Any = None,
    fprime2: Any = None,
    x0: Any = None,
    x1: Any = None,
    **options: Any,
) -> Any:
    """``scipy.optimize.root_scalar`` with the derivatives of newton and halley filled in.

    ``f(x, *args)`` takes and returns a number. Value and derivatives are of one run, in forward
    mode. As in SciPy, newton is the method if only ``x0`` is given. All else is SciPy's.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.optimize.root_scalar(lambda x: np.cos(x) - x, x0=1.0, method="halley").root
        np.float64(0.7390851332151607)
    """
    extra = as_tuple(args)
    kind = str(method).lower() if method else None
    if kind is None and bracket is None and x0 is not None and (x1 is None or fprime):
        kind = "halley" if fprime2 else "newton"

    def value(x: Array) -> Array:
        return scalar(f(x, *extra), "root_scalar")

    def with_first(x: Array) -> tuple[Array, Array]:
        return jvp(value, (x,), (np.ones_like(x),))

    def with_second(x: Array) -> tuple[Array, Array, Array]:
        (found, first), (_, second) = jvp(with_first, (x,), (np.ones_like(x),))
        return found, first, second

    function: Any = lambda x: f(x, *extra)  # noqa: E731
    if kind == "newton" and fprime is None:
        function, fprime = with_first, True
    elif kind == "halley" and fprime is None and fprime2 is None:
        function, fprime, fprime2 = with_second, True, True
    elif kind == "halley" and callable(fprime) and fprime2 is None:
        given_first = fprime
        fprime = lambda x: given_first(x, *extra)  # noqa: E731
        fprime2 = lambda x: with_second(x)[2]  # noqa: E731
    else:
        fprime, fprime2 = (
            (lambda x, given=given: given(x, *extra)) if callable(given) else given
            for given in (fprime, fprime2)
        )
    return scipy_optimize.root_scalar(
        function,
        method=method,
        bracket=bracket,
        fprime=fprime,
        fprime2=fprime2,
        x0=x0,
        x1=x1,
        **options,
    )
