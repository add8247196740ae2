"""Derivatives by differences, and the check of exact derivatives against them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from . import tree
from .agreement import check_value
from .calls import number, result_leaf, select
from .derivatives import jvp, vjp
from .errors import DtypeError, ShapeError, WengertError
from .program import Array, Type

__all__ = ["GradientMismatchError", "check_grads", "derivative"]

Method: TypeAlias = Literal["forward", "central", "complex"]

_STEPS = {"forward": 1 / 2, "central": 1 / 3}
"""The step that balances truncation against rounding is a power of the machine epsilon."""


class GradientMismatchError(WengertError, AssertionError):
    """A derivative disagrees with finite differences, or with that of the other mode."""


def derivative(
    f: Callable[..., Any],
    x: Any,
    *,
    method: Method = "central",
    step: float | None = None,
) -> Array:
    """The derivative of ``f`` at the number or array ``x``, by differences: for comparison.

    ``f`` maps an array to an array; the result has the shape of ``f(x)`` followed by that of ``x``,
    and costs one or two evaluations for each element of ``x``. ``"forward"`` has an error that is
    linear, ``"central"`` one that is quadratic in ``step``; ``"complex"`` evaluates at x + ih, for
    an ``f`` that is analytic and takes complex numbers, and has no rounding error to speak of.
    By default the step is eps^(1/2) and eps^(1/3) times max(1, abs(x)), and 1e-100.

    Example:
        >>> import numpy as np, wengert as wg
        >>> round(float(wg.derivative(np.exp, 0.0, method="complex")), 15)
        1.0

    Source: J. N. Lyness, C. B. Moler, "Numerical differentiation of analytic functions", SIAM J.
    Numer. Anal. 4(2), 1967; W. H. Press et al., "Numerical Recipes", 3rd ed., section 5.7.
    """
    if method not in ("forward", "central", "complex"):
        raise ValueError(f"method is {method!r}; it can be 'forward', 'central' or 'complex'")
    point = np.array(number(x))
    if point.dtype.kind == "c" and method == "complex":
        raise DtypeError("the complex step needs a real x")
    columns: list[Array] = []
    base = np.asarray(f(x)) if method == "forward" else None
    for index in np.ndindex(point.shape):
        columns.append(_difference(f, point, index, method, step, base))
    if not columns:
        return np.zeros((*np.shape(f(x)), *point.shape))
    stacked = np.stack(columns, axis=-1)
    return stacked.reshape((*stacked.shape[:-1], *point.shape))[()]


def _difference(
    f: Callable[..., Any],
    point: np.ndarray[Any, Any],
    index: tuple[int, ...],
    method: Method,
    step: float | None,
    base: Array,
) -> Array:
    if method == "complex":
        h = 1e-100 if step is None else step
        ahead = np.asarray(f(_moved(point, index, 1j * h)))
        if ahead.dtype.kind != "c":
            raise DtypeError(
                "the complex step needs a function that is analytic, and this one made a real "
                f"{ahead.dtype} of a complex argument",
                remedy='method="central"',
            )
        return np.imag(ahead) / h
    epsilon = np.finfo(point.dtype).eps
    h = epsilon ** _STEPS[method] * max(1.0, abs(point[index])) if step is None else step
    ahead = np.asarray(f(_moved(point, index, h)))
    if method == "forward":
        return (ahead - base) / h
    return (ahead - np.asarray(f(_moved(point, index, -h)))) / (2 * h)


def _moved(point: np.ndarray[Any, Any], index: tuple[int, ...], h: complex) -> Array:
    moved = point.astype(np.result_type(point, h))
    moved[index] += h
    return moved[()]


def _dot(a: Sequence[Array], b: Sequence[Array]) -> float:
    """The real pairing of cotangents with tangents: Re of the sum of products."""
    products = (np.asarray(x) * np.asarray(y) for x, y in zip(a, b, strict=True))
    return float(sum(np.sum(np.real(product)) for product in products))


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 1,
    modes: Sequence[str] = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
    *,
    seed: int = 0,
) -> None:
    """Check the derivatives of ``f`` at ``args``, up to ``order``, against central differences.

    First ``check_value`` compares the value of a traced run with the plain one. Then random
    directions are drawn; ``"fwd"`` compares the JVP, ``"rev"`` the VJP. Each further order checks
    the derivative function that the last one gave. Raises ``GradientMismatchError`` with the two
    numbers if they differ by more than ``atol + rtol * abs(difference quotient)``; defaults depend
    on the dtype (1e-5 each for float64). ``eps`` is the step.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.check_grads(lambda x: np.sum(np.sin(x)), (np.arange(3.0),), order=2)
    """
    rng = np.random.default_rng(seed)
    if not isinstance(args, (tuple, list)):
        raise ShapeError("check_grads takes a tuple of arguments", remedy="wg.check_grads(f, (x,))")
    args = tuple(args)
    if unknown := set(modes) - {"fwd", "rev"}:
        raise ValueError(f"modes holds {sorted(unknown)}; there are 'fwd' and 'rev'")
    check_value(f, *args)
    for mode in modes:
        _check_mode(f, args, order, mode, (atol, rtol, eps), rng, ())


def _tolerances(
    leaves: Sequence[Array], given: tuple[float | None, float | None, float | None]
) -> tuple[float, float, float]:
    atol, rtol, eps = given
    epsilon = max((float(np.finfo(leaf.dtype).eps) for leaf in leaves), default=2.2e-16)
    tolerance = 1e-5 if epsilon < 1e-12 else 2e-2
    return (
        tolerance if atol is None else atol,
        tolerance if rtol is None else rtol,
        epsilon ** (1 / 3) if eps is None else eps,
    )


def _random_like(leaf: Array, rng: np.random.Generator) -> Array:
    type = Type.of(leaf)
    draw = rng.standard_normal(type.shape)
    if type.dtype.kind == "c":
        draw = draw + 1j * rng.standard_normal(type.shape)
    return np.asarray(draw, type.dtype if type.differentiable else float)[()]


def _leaves(result: Any) -> list[Array]:
    return [result_leaf(leaf) for leaf in tree.flatten(result)[0]]


def _check_mode(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    order: int,
    mode: str,
    tolerances: tuple[float | None, float | None, float | None],
    rng: np.random.Generator,
    trail: tuple[str, ...],
) -> None:
    selected = select(args, tuple(range(len(args))))
    points = selected.leaves
    atol, rtol, eps = _tolerances(points, tolerances)
    directions = [_random_like(leaf, rng) for leaf in points]
    args = selected.shape_like(points)
    along = selected.shape_like(directions)

    def at(t: float) -> list[Array]:
        moved = [x + t * d for x, d in zip(points, directions, strict=True)]
        return [np.asarray(leaf) for leaf in _leaves(f(*selected.shape_like(moved)))]

    quotient = [(a - b) / (2 * eps) for a, b in zip(at(eps), at(-eps), strict=True)]
    value = f(*args)
    weights = [_random_like(leaf, rng) for leaf in _leaves(value)]
    wanted = _dot(weights, quotient)
    if mode == "fwd":
        found = _dot(weights, _leaves(jvp(f, args, along)[1]))
    else:
        _, pullback = vjp(f, *args)
        spec = tree.flatten(value)[1]
        cotangents = pullback(tree.unflatten(spec, weights))
        found = _dot(_leaves(cotangents), directions)
    name = " of ".join(("the JVP" if mode == "fwd" else "the VJP", *trail))
    if not abs(found - wanted) <= atol + rtol * abs(wanted):
        raise GradientMismatchError(
            f"{name} of {getattr(f, '__name__', 'the function')} gives {found!r} along a random "
            f"direction, and central differences give {wanted!r}"
        )
    if order > 1:
        step: Callable[..., Any] = (
            (lambda *a: jvp(f, a, along)[1])
            if mode == "fwd"
            else (lambda *a: vjp(f, *a)[1](tree.unflatten(tree.flatten(value)[1], weights)))
        )
        rest = ("the JVP" if mode == "fwd" else "the VJP", *trail)
        for next_mode in ("fwd", "rev"):
            _check_mode(step, args, order - 1, next_mode, tolerances, rng, rest)
