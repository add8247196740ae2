"""vmap: a function over a batch of its arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..calls import (
    called,
    check_callable,
    handle,
    result_leaf,
    writable,
)
from ..errors import ShapeError
from ..primitive import Traced
from ..primitives.shape import broadcast
from ..program import Array, Type
from ..recorder import record
from ..trace import layout
from ..transforms.batching import evaluate_batched
from ..transforms.simplify import eliminate_dead_code
from ..verbs import verb

__all__ = ["vmap"]


@verb
def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """A function that applies ``f`` to each slice of its arguments at once, without a Python loop.

    ``in_axes`` is an int, None (not batched), or a tuple with an entry, or a tree of entries, for
    each argument; ``out_axes`` an int or a tree of ints for the result. Keyword arguments are
    batched along axis 0. ``f`` is traced once with values that are not known, so its control flow
    cannot depend on them. What is computed for the batch gives no floating-point warnings.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.vmap(np.dot)(np.eye(2), np.array([[1.0, 2.0], [3.0, 4.0]]))
        array([1., 4.])
    """
    check_callable(f, "vmap")

    def batched(*args: Any, **kwargs: Any) -> Any:
        axes = tuple(in_axes) if isinstance(in_axes, list) else in_axes
        leaves, spec = tree.flatten((args, kwargs))
        chosen = tree.broadcast_prefix(axes, args, "in_axes")
        chosen += [0] * (len(leaves) - len(chosen))
        values, size = _stack_in_front(leaves, chosen)
        moving = [i for i, axis in enumerate(chosen) if axis is not None]
        result_spec: list[tree.Spec] = []

        def one(*slices: Array) -> list[Array]:
            full = list(leaves)
            for i, part in zip(moving, slices, strict=True):
                full[i] = handle(part, leaves[i]) if part.shape else part
            given, named = tree.unflatten(spec, full)
            outputs, found = tree.flatten(called(f, given, named))
            result_spec.append(found)
            return [result_leaf(output) for output in outputs]

        types = [Type(value.shape[1:], value.dtype) for value in values]
        models = [_slice(layout(value)) for value in values]
        program, captures = record(one, types, hold="protect", models=models)
        program = eliminate_dead_code(program)
        flags = [False] * len(captures) + [True] * len(values)
        with np.errstate(all="ignore"):
            outputs, done = evaluate_batched(program, size, [*captures, *values], flags)
        result = tree.unflatten(result_spec[0], outputs)
        targets = tree.broadcast_prefix(out_axes, result, "out_axes")
        moved = [
            writable(_axis_out(output, flag, size, axis))
            for output, flag, axis in zip(outputs, done, targets, strict=True)
        ]
        return tree.unflatten(result_spec[0], moved)

    return batched


def _slice(batch: Array) -> Array:
    """One of a batch of arrays, to see how it lies in memory."""
    return batch[0] if batch.shape[0] else None


def _stack_in_front(leaves: Sequence[Any], axes: Sequence[Any]) -> tuple[list[Array], int]:
    values: list[Array] = []
    sizes: dict[int, Any] = {}
    for leaf, axis in zip(leaves, axes, strict=True):
        if axis is None:
            continue
        value = leaf if isinstance(leaf, Traced) else result_leaf(leaf)
        if not -len(value.shape) <= axis < len(value.shape):
            raise ShapeError(
                f"vmap was told to batch axis {axis} of an argument of shape {value.shape}",
                remedy="in_axes=None for an argument that is the same for all of the batch",
            )
        values.append(value if axis == 0 else np.moveaxis(value, axis, 0))
        sizes.setdefault(values[-1].shape[0], value.shape)
    if not sizes:
        raise ShapeError("vmap needs at least one argument with an axis to batch")
    if len(sizes) > 1:
        shapes = " and ".join(str(shape) for shape in sizes.values())
        raise ShapeError(f"vmap was given batches of different sizes {tuple(sizes)}: {shapes}")
    return values, next(iter(sizes))


def _axis_out(output: Array, flag: bool, size: int, axis: int | None) -> Array:
    if axis is None:
        if flag:
            raise ShapeError("out_axes is None for a result that depends on the batch")
        return output
    if not flag:
        output = (
            broadcast.bind(output, shape=(size, *output.shape))
            if isinstance(output, Traced)
            else np.array(np.broadcast_to(output, (size, *np.shape(output))))
        )
    return output if axis == 0 else np.moveaxis(output, 0, axis)
