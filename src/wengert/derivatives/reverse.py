"""Reverse mode: grad, value_and_grad, vjp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import tree
from ..calls import (
    Argnums,
    Linearised,
    check_callable,
    check_holomorphic,
    fit_tangent,
    linearised,
    own,
    without,
)
from ..errors import DtypeError, ShapeError
from ..program import Array
from ..verbs import verb

__all__ = ["grad", "value_and_grad", "vjp"]


def _scalar_seed(run: Linearised, holomorphic: bool, verb: str) -> Array:
    if len(run.outputs) != 1 or run.spec.num_nodes != 1:
        raise ShapeError(
            f"{verb} differentiates functions that return one number, and this one returned "
            f"{tree.show(run.spec)}",
            remedy="wg.jacobian(f) for all derivatives of many results, has_aux=True for a result "
            "that is only handed through",
        )
    (output,) = run.outputs
    shape, dtype = output.shape, output.dtype
    if shape:
        raise ShapeError(
            f"{verb} differentiates functions that return one number, and this one returned an "
            f"array of shape {shape}",
            remedy="np.sum(y) to differentiate the sum, wg.jacobian(f) for all derivatives, or "
            "wg.vjp(f, x) for a combination of them",
        )
    if holomorphic:
        if dtype.kind != "c":
            raise DtypeError(f"{verb} with holomorphic=True needs a complex result, not {dtype}")
    elif dtype.kind == "c":
        raise DtypeError(
            f"{verb} of a function with a complex result is not defined without more",
            remedy="holomorphic=True if the function is, np.real(y) or np.abs(y)**2 for a real "
            "result, or wg.vjp and wg.jvp",
        )
    elif dtype.kind != "f":
        raise DtypeError(f"{verb} needs a floating-point result, and this one is {dtype}")
    return dtype.type(1)


@verb
def value_and_grad(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """A function that returns ``(f(*args), gradient)``.

    The gradient has the structure of the argument that ``argnums`` names, or is a tuple of such if
    ``argnums`` is a sequence. With ``has_aux`` the function returns ``(result, aux)``, and what is
    returned here is ``((result, aux), gradient)``. For a complex argument z = x + iy of a real
    function the gradient is df/dx - i df/dy; with ``holomorphic`` it is the complex derivative.

    One reverse sweep, whatever the number of arguments. Raises ``ShapeError`` if the result is not
    one number, ``DtypeError`` if an argument or the result is not of floating point.

    Example:
        >>> import wengert as wg
        >>> wg.value_and_grad(lambda x: x**2)(3.0)
        (np.float64(9.0), np.float64(6.0))

    Source: A. Griewank, A. Walther, "Evaluating Derivatives", SIAM 2008, section 3.2.
    """
    return _value_and_grad(f, argnums, has_aux, holomorphic)


def _value_and_grad(
    f: Callable[..., Any], argnums: Argnums, has_aux: bool, holomorphic: bool
) -> Callable[..., Any]:
    check_callable(f, "grad")

    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        run = linearised(f, args, kwargs, argnums, has_aux=has_aux)
        check_holomorphic(run.selected.leaves, holomorphic, "grad")
        seed = _scalar_seed(run, holomorphic, "grad")
        leaves, tape, output = run.selected.leaves, run.tape, run.outputs[0]
        value = without(tape, output)
        cotangents = tape.pull([(tape.place(output), seed)], len(leaves), keep=False)
        gradient = run.selected.shape_like(own(cotangents, leaves))
        return ((value, run.aux) if has_aux else value), gradient

    return value_and_gradient


@verb
def grad(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """A function that returns the gradient of ``f``; arguments as for ``value_and_grad``.

    With ``has_aux`` it returns ``(gradient, aux)``.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.grad(lambda x, y: x * y + np.sin(x), argnums=(0, 1))(0.0, 2.0)
        (np.float64(3.0), np.float64(0.0))
    """
    both = _value_and_grad(f, argnums, has_aux, holomorphic)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, found = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """``(f(*primals), pullback)``, and ``aux`` third with ``has_aux``.

    ``pullback(cotangent)`` takes a cotangent of the structure and shapes of the result and returns
    a tuple with one cotangent for each argument: the product cotangent times Jacobian, in one
    reverse sweep. It can be called any number of times. Raises ``ShapeError`` for a cotangent that
    does not fit.

    Example:
        >>> import numpy as np, wengert as wg
        >>> y, pullback = wg.vjp(lambda x: x**2, np.array([1.0, 2.0]))
        >>> pullback(np.array([1.0, 10.0]))
        (array([ 2., 40.]),)
    """
    run = linearised(f, primals, {}, tuple(range(len(primals))), has_aux=has_aux, hold="copy")
    types = run.types

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        given = tree.flatten_like(run.spec, cotangent, "the cotangent")
        fitted = [fit_tangent(ct, type, "cotangent") for ct, type in zip(given, types, strict=True)]
        leaves = run.selected.leaves
        found = run.tape.pull(zip(run.places, fitted, strict=True), len(leaves), keep=True)
        return run.selected.shape_like(own(found, leaves))

    return (run.primal, pullback, run.aux) if has_aux else (run.primal, pullback)
