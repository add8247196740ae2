"""Forward mode: jvp, and linearize for many tangents at one point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import tree
from ..calls import (
    annotate,
    aux_leaf,
    fit_tangent,
    handle,
    linearised,
    own,
    result_leaf,
    select,
    settled,
    split_aux,
    without,
)
from ..errors import ShapeError
from ..program import Type
from ..transforms.dual import Dual

__all__ = ["jvp", "linearize"]


def jvp(
    f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> Any:
    """``(f(*primals), tangent)``: the derivative along ``tangents``, and ``aux`` with ``has_aux``.

    ``primals`` and ``tangents`` are sequences with an entry for each argument, of equal structure
    and shapes. One forward sweep beside the evaluation; memory does not grow with its length.
    Raises ``ShapeError`` for tangents that do not fit.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.jvp(lambda x: x**2 * np.exp(x) + 3 * x, (1.0,), (1.0,))
        (np.float64(5.718281828459045), np.float64(11.154845485377136))

    Source: R. E. Wengert, CACM 7(8), 1964.
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise ShapeError(
            "jvp takes a tuple of arguments and a tuple of tangents",
            remedy="wg.jvp(f, (x,), (x_dot,))",
        )
    selected = select(primals, tuple(range(len(primals))))
    spec = tree.flatten(tuple(primals))[1]
    given = tree.flatten_like(spec, tuple(tangents), "the tangent")
    dual = Dual()
    fitted = [
        fit_tangent(tangent, Type.of(leaf), "tangent")
        for leaf, tangent in zip(selected.leaves, given, strict=True)
    ]
    try:
        moving = zip(selected.leaves, fitted, selected.given, strict=True)
        inputs = [handle(dual.input(leaf, tangent), given) for leaf, tangent, given in moving]
        result, aux = split_aux(f(*selected.put(primals, inputs)), has_aux)
        outputs, spec = tree.flatten(result)
        outputs = [result_leaf(output) for output in outputs]
        if has_aux:
            aux = tree.map_leaves(lambda leaf: aux_leaf(dual, leaf), aux)
        dual.check_caught(f)
    except Exception as error:
        annotate(error, dual)
        raise
    finally:
        try:
            dual.close()
        except BaseException:  # The user's interrupt came just then.
            dual.close()
            raise
    value = tree.unflatten(spec, [without(dual, output) for output in outputs])
    moved = own([dual.tangent(output) for output in outputs], outputs, taken=fitted)
    tangent = tree.unflatten(spec, moved)
    return (value, tangent, settled(aux)) if has_aux else (value, tangent)


def linearize(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """``(f(*primals), f_jvp)``: the derivative at this point as a linear function, for many uses.

    ``f_jvp(*tangents)`` takes a tangent for each argument and returns the tangent of the result
    without evaluating ``f`` again.

    Example:
        >>> import numpy as np, wengert as wg
        >>> y, f_jvp = wg.linearize(np.sin, 0.0)
        >>> f_jvp(1.0), f_jvp(2.0)
        (np.float64(1.0), np.float64(2.0))
    """
    run = linearised(f, primals, {}, tuple(range(len(primals))), has_aux=has_aux, hold="copy")
    spec = tree.flatten(tuple(primals))[1]

    def f_jvp(*tangents: Any) -> Any:
        given = tree.flatten_like(spec, tangents, "the tangent")
        fitted = [
            fit_tangent(tangent, Type.of(leaf), "tangent")
            for tangent, leaf in zip(given, run.selected.leaves, strict=True)
        ]
        return tree.unflatten(run.spec, own(run.tape.push(fitted, run.places), run.outputs))

    return (run.primal, f_jvp, run.aux) if has_aux else (run.primal, f_jvp)
