"""``cond`` and ``switch``: a choice between functions that is part of the Program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..calls import result_leaf, settled
from ..errors import DtypeError, ShapeError
from ..primitive import Traced
from ..primitives.shape import convert
from ..program import Array, Type
from ..recorder import Recorder
from .switch import INDEX, switch_primitive
from .trees import Body, aligned_consts, check_function, leaves_of, traced

__all__ = ["cond", "switch"]


def cond(
    pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any
) -> Any:
    """``true_fun(*operands)`` if ``pred`` holds, else ``false_fun(*operands)``.

    ``pred`` is a truth value or a number, of shape (). Where its value is known the function is
    simply called; where it is not (under ``vmap``, in the body of a loop) both functions are
    traced, and must return results of one structure, with the same shapes and dtypes. ``operands``
    are trees of numbers and arrays; what the functions use from outside is differentiated too.

    Arrays among the operands are the function's own: what it assigns to them does not reach the
    caller's. Only the branch that is taken is run, and differentiated. Under ``vmap``, when
    ``pred`` differs within the batch, both are run, and the branch not taken has the derivative
    zero.

    Raises ``ShapeError`` or ``DtypeError`` if ``pred`` is not one truth value, or if the results
    differ in structure, shape or dtype.

    Example:
        >>> import numpy as np, wengert as wg
        >>> root = lambda x: wg.cond(x > 0, np.sqrt, lambda x: 0.0 * x, x)
        >>> wg.vmap(wg.grad(root))(np.array([4.0, -1.0]))
        array([0.25, 0.  ])
    """
    check_function(true_fun, "cond", "the branch taken")
    check_function(false_fun, "cond", "the other branch")
    value = _choice(pred, "cond", "fciub")
    if not isinstance(value, Traced) or _is_known(value):
        return settled((true_fun if value else false_fun)(*_own(operands)))
    index = convert.bind(value != 0 if value.dtype.kind != "b" else value, dtype=INDEX.dtype)
    return _chosen("cond", index, [false_fun, true_fun], operands)


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """``branches[index](*operands)``, the index clipped to the range of the branches.

    All is as for ``cond``, with any number of functions.

    Example:
        >>> import numpy as np, wengert as wg
        >>> f = lambda i, x: wg.switch(i, [np.sin, np.cos, np.exp], x)
        >>> wg.vmap(f)(np.array([0, 2]), np.zeros(2))
        array([0., 1.])
    """
    branches = list(branches)
    if not branches:
        raise ShapeError("wg.switch was given no branches", remedy="at least one function")
    for place, branch in enumerate(branches):
        check_function(branch, "switch", f"branch {place}")
    value = _choice(index, "switch", "iub")
    if not isinstance(value, Traced) or _is_known(value):
        return settled(branches[min(max(int(value), 0), len(branches) - 1)](*_own(operands)))
    return _chosen("switch", convert.bind(value, dtype=INDEX.dtype), branches, operands)


def _choice(value: Any, verb: str, kinds: str) -> Array:
    found = result_leaf(value)
    if Type.of(found).shape:
        raise ShapeError(
            f"wg.{verb} chooses by one value, and was given an array of shape {found.shape}",
            remedy="np.any(p) or np.all(p) for one truth value, np.where(p, a, b) for a choice "
            "in each element, or wg.vmap",
        )
    if found.dtype.kind not in kinds:
        raise DtypeError(
            f"wg.{verb} cannot choose by a {found.dtype}", remedy="an integer, as by int(x)"
        )
    return found


def _is_known(value: Any) -> bool:
    """Whether a traced value has a number that no Recorder has to write down as unknown."""
    while isinstance(value, Traced):
        if isinstance(value._trace, Recorder) or value._trace.blind:
            return False
        value = value._value
    return value is not None


def _own(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """The operands as arrays of the branch's own: what it writes does not reach the caller's."""
    if all(isinstance(each, _NUMBERS) and not _is_array(each) for each in operands):
        return operands
    return tree.map_leaves(lambda leaf: leaf.copy("K") if _is_array(leaf) else leaf, operands)


_NUMBERS = (Traced, int, float, complex, np.generic)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or getattr(type(value), "assignable", False)


def _chosen(
    verb: str, index: Array, functions: Sequence[Callable[..., Any]], operands: Sequence[Any]
) -> Any:
    leaves, spec = leaves_of(tuple(operands), f"an operand of wg.{verb}")
    types = [Type.of(leaf) for leaf in leaves]
    bodies = [traced(function, spec, types) for function in functions]
    _check_results(verb, bodies)
    consts, programs = aligned_consts(bodies)
    found = switch_primitive.bind(index, *consts, *leaves, branches=tuple(programs))
    return tree.unflatten(bodies[0].spec, found)


def _check_results(verb: str, bodies: Sequence[Body]) -> None:
    first = bodies[0]
    for body in bodies[1:]:
        if body.spec != first.spec:
            raise ShapeError(
                f"the branches of wg.{verb} return different structures: {tree.show(first.spec)} "
                f"and {tree.show(body.spec)}",
                remedy="results of one structure",
            )
        pairs = zip(first.program.output_types, body.program.output_types, strict=True)
        for place, (a, b) in enumerate(pairs):
            both = f"in leaf {place}: {a} and {b}"
            if a.shape != b.shape:
                raise ShapeError(
                    f"the branches of wg.{verb} return different shapes {both}",
                    remedy="np.broadcast_to(x, shape) in one of them",
                )
            if a.dtype != b.dtype:
                wanted = np.result_type(a.dtype, b.dtype)
                raise DtypeError(
                    f"the branches of wg.{verb} return different dtypes {both}",
                    remedy=f"x.astype(np.{wanted.name}), or a number of that kind, in one of them",
                )
