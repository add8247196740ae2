"""``scan``, ``map``, ``fori_loop`` and ``while_loop``: loops that are one equation."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import DtypeError, ShapeError
from ..primitive import Traced
from ..primitives.shape import convert
from ..program import Array, Type
from .scan import Loop
from .sweep_rules import while_primitive
from .sweeps import Sweep
from .trees import Body, aligned_consts, check_function, in_kind, leaves_of, stepping, traced

__all__ = ["fori_loop", "map", "scan", "while_loop"]


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    *,
    checkpoints: int | None = None,
) -> tuple[Any, Any]:
    """The loop ``carry, y = f(carry, x)`` over the slices of ``xs`` along axis 0, as one equation.

    Returns the last carry, and the ys stacked along a new axis 0. ``init``, ``xs`` and the results
    are trees. ``length`` is needed where there are no ``xs``. With ``reverse`` the loop goes from
    the last slice to the first, each y standing in the place of its x. ``f`` is traced once, with
    values that are not known; it must return a carry of the structure and shapes of ``init``.
    Integers in ``init`` that become floats are floats from the start.

    In the body ``if`` and ``while`` cannot depend on what is carried; ``wg.cond`` and
    ``wg.while_loop`` can. Reverse mode keeps what each step's derivative needs. With
    ``checkpoints=k`` it keeps about k carries, and what one k-th of the steps needs, and runs each
    step once more: the least memory for n steps is at k near the square root of n.

    Raises ``ShapeError`` if the lengths of the xs differ, or the carry changes its structure or
    shape.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.scan(lambda total, x: (total + x, total * x), 0.0, np.array([1.0, 2.0, 3.0]))
        (np.float64(6.0), array([0., 2., 9.]))
    """
    check_function(f, "scan", "its body")
    slices, spec = leaves_of(xs, "xs of wg.scan")
    count = _length("scan", slices, length)
    segments = _checkpoints("scan", checkpoints)
    init_leaves = leaves_of(init, "the initial carry of wg.scan")
    in_its_kind = in_kind(init)

    def step(carry: Sequence[Array], parts: Sequence[Array]) -> Any:
        carry = in_its_kind(carry)
        return f(tree.unflatten(init_leaves[1], carry), tree.unflatten(spec, parts))

    types = [Type(x.shape[1:], x.dtype) for x in slices]
    made = stepping("scan", step, init_leaves, types, pair=True)
    number = len(made.carries)
    loop = Loop(made.body.program, len(made.body.consts), number, bool(reverse))
    inputs = [*made.body.consts, *made.carries]
    found = loop.run(inputs, slices, count, segments)
    last = tree.unflatten(init_leaves[1], found[:number])
    return last, tree.unflatten(made.outputs, found[number:])


def _checkpoints(verb: str, checkpoints: Any) -> int | None:
    if checkpoints is None:
        return None
    try:
        number = operator.index(checkpoints)
    except TypeError as error:
        raise DtypeError(
            f"wg.{verb} was given checkpoints={checkpoints!r}, which is not an integer"
        ) from error
    if number < 1:
        raise ShapeError(f"wg.{verb} was given {number} checkpoints", remedy="one or more, or None")
    return number


def _length(verb: str, slices: Sequence[Array], length: int | None) -> int:
    for x in slices:
        if not x.shape:
            raise ShapeError(
                f"wg.{verb} goes along axis 0 of the xs, and one of them is a number",
                remedy="use it in the body as it is; or np.repeat(x, n)",
            )
    lengths = sorted({x.shape[0] for x in slices})
    if length is None and not lengths:
        raise ShapeError(
            f"wg.{verb} without xs cannot know its length", remedy=f"wg.{verb}(f, init, length=n)"
        )
    if length is not None:
        try:
            wanted = operator.index(length)
        except TypeError as error:
            raise DtypeError(
                f"the length of wg.{verb} is {length!r}, and must be an integer that is known"
            ) from error
        if wanted < 0:
            raise ShapeError(f"the length of wg.{verb} is negative: {wanted}")
        lengths = sorted({*lengths, wanted})
    if len(lengths) > 1:
        raise ShapeError(
            f"wg.{verb} was given different lengths: {', '.join(str(n) for n in lengths)}",
            remedy="xs with the same number of slices along axis 0",
        )
    return lengths[0]


def map(f: Callable[[Any], Any], xs: Any) -> Any:  # noqa: A001
    """``f`` of each slice of ``xs`` along axis 0, one after the other, stacked along a new axis 0.

    ``wg.vmap(f)(xs)`` does the same at once, which is faster, and takes more memory.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.map(lambda x: x**2, np.array([1.0, 2.0, 3.0]))
        array([1., 4., 9.])
    """
    check_function(f, "map", "what is mapped")
    return scan(lambda carry, x: (carry, f(x)), (), xs)[1]


def fori_loop(
    lower: Any,
    upper: Any,
    body_fun: Callable[[Any, Any], Any],
    init: Any,
    *,
    checkpoints: int | None = None,
) -> Any:
    """``carry = body_fun(i, carry)`` for i from ``lower`` to ``upper - 1``; returns the last carry.

    With bounds that are known this is a ``scan``, with others a ``while_loop``; i is an int64.
    ``checkpoints`` bounds the memory of reverse mode, as for those: of 10^6 steps,
    ``checkpoints=1000`` keeps two thousandths of what is kept without, and runs each once more.

    Example:
        >>> import wengert as wg
        >>> wg.grad(lambda x: wg.fori_loop(0, 3, lambda i, y: x * y + i, 1.0))(2.0)
        np.float64(13.0)
    """
    check_function(body_fun, "fori_loop", "its body")
    first, last = _bound(lower), _bound(upper)
    if isinstance(first, Traced) or isinstance(last, Traced):
        return _counted(first, last, body_fun, init, checkpoints)
    if checkpoints is None:
        steps = np.arange(first, max(first, last), dtype=np.int64)
        return scan(lambda carry, i: (body_fun(i, carry), None), init, steps)[0]

    def step(state: Any, _: None) -> Any:
        # The counter is carried, as an array of all its values would not be bounded.
        i, carry = state
        return (i + 1, body_fun(i, carry)), None

    start, count = (np.int64(first), init), max(0, last - first)
    return scan(step, start, length=count, checkpoints=checkpoints)[0][1]


def _bound(value: Any) -> Any:
    if isinstance(value, Traced):
        if value.dtype.kind in "iu" and not value.shape:
            return value
    else:
        try:
            return operator.index(value)
        except TypeError:
            pass
    raise DtypeError(
        f"a bound of wg.fori_loop is {value!r}, and must be an integer", remedy="int(n)"
    )


def _counted(
    lower: Any,
    upper: Any,
    body_fun: Callable[[Any, Any], Any],
    init: Any,
    checkpoints: int | None,
) -> Any:
    def going(state: Any) -> Any:
        return state[0] < state[1]

    def step(state: Any) -> Any:
        i, last, carry = state
        return i + 1, last, body_fun(i, carry)

    bounds = [convert.bind(bound, dtype=np.dtype(np.int64)) for bound in (lower, upper)]
    return while_loop(going, step, (*bounds, init), checkpoints=checkpoints)[2]


def while_loop(
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], Any],
    init: Any,
    *,
    checkpoints: int | None = None,
) -> Any:
    """``carry = body_fun(carry)`` as long as ``cond_fun(carry)`` holds, as one equation.

    Returns the last carry. Both functions are traced once, with values that are not known;
    ``cond_fun`` must give one truth value, ``body_fun`` a carry of the structure and shapes of
    ``init``. Differentiable in both modes, to any order, with the number of steps taken as it is.
    Under ``vmap`` the loop runs until the last of the batch is done; the others stay as they are.

    Reverse mode keeps what each step's derivative needs. With ``checkpoints=k`` it keeps about k
    carries, and one segment of the steps between two of them, which it runs again: the least
    memory for n steps is at k near the square root of n. It takes one run forward more.

    Raises ``ShapeError`` or ``DtypeError`` if the condition is not one truth value, or the carry
    changes its structure or shape.

    Example:
        >>> import numpy as np, wengert as wg
        >>> def sqrt(a):  # by Newton's method
        ...     far = lambda x: np.abs(x * x - a) > 1e-12 * a
        ...     return wg.while_loop(far, lambda x: (x + a / x) / 2, a)
        >>> print(f"{wg.grad(sqrt)(4.0):.6f}")
        0.250000

    Source: A. Griewank, A. Walther, "Evaluating Derivatives", SIAM 2008, chapter 12.
    """
    check_function(cond_fun, "while_loop", "its condition")
    check_function(body_fun, "while_loop", "its body")
    segments = _checkpoints("while_loop", checkpoints)
    init_leaves = leaves_of(init, "the initial carry of wg.while_loop")
    spec = init_leaves[1]
    in_its_kind = in_kind(init)
    made = stepping(
        "while_loop",
        lambda carry, _: body_fun(tree.unflatten(spec, in_its_kind(carry))),
        init_leaves,
    )
    types = [Type.of(carry) for carry in made.carries]
    flat = tree.flatten(([0] * len(types),))[1]
    asked = traced(lambda carry: cond_fun(tree.unflatten(spec, in_its_kind(carry))), flat, types)
    _check_condition(asked)
    consts, (condition, body) = aligned_consts([asked, made.body])
    sweep = Sweep(body, len(consts), len(types))
    found = while_primitive.bind(
        *consts, *made.carries, condition=condition, sweeps=(sweep,), checkpoints=segments
    )
    return tree.unflatten(spec, found)


def _check_condition(asked: Body) -> None:
    types = asked.program.output_types
    if len(types) != 1 or types[0].shape:
        found = ", ".join(str(type) for type in types) or "nothing"
        raise ShapeError(
            f"the condition of wg.while_loop must give one truth value, and gave {found}",
            remedy="np.any(p) or np.all(p) of an array p",
        )
    if types[0].dtype.kind != "b":
        raise DtypeError(
            f"the condition of wg.while_loop must give a truth value, and gave a {types[0]}",
            remedy="x != 0 for a number x",
        )
