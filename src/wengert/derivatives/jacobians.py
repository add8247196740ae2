"""Jacobians and Hessians, and products with the Hessian."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, cast

import numpy as np

from .. import tree
from ..calls import (
    Argnums,
    Linearised,
    check_callable,
    check_holomorphic,
    linearised,
    writable,
)
from ..errors import DtypeError
from ..primitives.shape import broadcast, reshape
from ..program import Array, Program, Type
from ..recorder import record
from ..transforms.batching import evaluate_batched
from ..transforms.simplify import eliminate_dead_code
from ..verbs import verb
from .forward import jvp
from .reverse import grad

__all__ = ["Mode", "hessian", "hvp", "jacfwd", "jacobian", "jacobian_rows", "jacrev"]

Mode: TypeAlias = Literal["forward", "reverse"]

_CHUNK = 1 << 22
"""About so many elements the widest intermediate of a batched sweep has, where there are chunks."""


def _basis_sweeps(
    sweep: Callable[..., Sequence[Array]], types: Sequence[Type], number_out: int
) -> list[list[Array]]:
    """A linear map applied to the standard basis of its arguments, many vectors at a time.

    ``result[i][o]`` holds output ``o`` for each basis vector of argument ``i``, in front.
    """
    program, captures = record(sweep, types, hold="trust")
    program = eliminate_dead_code(program)  # What is not used may have no derivative.
    widest = max((var.type.size for e in program.equations for var in e.outputs), default=1)
    blocks: list[list[Array]] = []
    for place, type in enumerate(types):
        parts: list[list[Array]] = []
        count = min(type.size, max(1, round(type.size * widest / _CHUNK)))
        for chunk in range(count):
            start, stop = (type.size * each // count for each in (chunk, chunk + 1))
            basis = np.zeros((stop - start, type.size), type.dtype)
            basis[np.arange(stop - start), np.arange(start, stop)] = 1
            values: list[Array] = [other.zeros() for other in types]
            values[place] = basis.reshape(stop - start, *type.shape)
            parts.append(_batch(program, stop - start, captures, values, place))
        blocks.append(
            [np.concatenate([part[o] for part in parts]) for o in range(number_out)]
            if len(parts) > 1
            else parts[0]
            if parts
            else []
        )
    return blocks


def _batch(
    program: Program, size: int, captures: Sequence[Array], values: Sequence[Array], place: int
) -> list[Array]:
    flags = [False] * len(captures) + [i == place for i in range(len(values))]
    with np.errstate(all="ignore"):
        outputs, batched = evaluate_batched(program, size, [*captures, *values], flags)
    return [
        output if flag else broadcast.bind(output, shape=(size, *np.shape(output)))
        for output, flag in zip(outputs, batched, strict=True)
    ]


def _zero_rows(found: Sequence[Array | None], types: Sequence[Type]) -> list[Array]:
    return [
        type.zeros() if value is None else value for value, type in zip(found, types, strict=True)
    ]


@verb
def jacobian(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
    mode: Mode | None = None,
) -> Callable[..., Any]:
    """A function that returns the Jacobian of ``f``: every derivative of every result.

    For each leaf of the result there is, in its place, a tree of the structure of the argument
    whose leaves have the result's shape followed by the argument's, and the argument's dtype
    (complex if the result is). ``mode="forward"`` takes one tangent for each input element,
    ``"reverse"`` one cotangent for each output element; without ``mode`` the cheaper is taken:
    forward unless there are fewer outputs than inputs.
    A complex result of real arguments takes forward mode, a real one of complex arguments reverse
    mode, with the convention of ``grad``; both complex need ``holomorphic``.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.jacobian(lambda x: np.array([x[0] * x[1], x[0] + x[1]]))(np.array([3.0, 4.0]))
        array([[4., 3.],
               [1., 1.]])
    """
    if mode not in (None, "forward", "reverse"):
        raise ValueError(f"mode is {mode!r}; it can be 'forward', 'reverse' or None")

    check_callable(f, "jacobian")

    def jacobian_of_f(*args: Any, **kwargs: Any) -> Any:
        run = linearised(f, args, kwargs, argnums, has_aux=has_aux)
        rows = jacobian_rows(run, mode, holomorphic=holomorphic)
        blocks = [run.selected.shape_like(list(map(writable, row))) for row in rows]
        found = tree.unflatten(run.spec, blocks)
        return (found, run.aux) if has_aux else found

    return jacobian_of_f


def jacobian_rows(
    run: Linearised, mode: Mode | None = None, *, holomorphic: bool = False
) -> list[list[Array]]:
    """The Jacobian of a run: for each leaf of the result a block for each leaf of the arguments."""
    in_types = [Type.of(leaf) for leaf in run.selected.leaves]
    mode = _possible_mode(run, in_types, mode, holomorphic)
    inputs = sum(type.size for type in in_types)
    outputs = sum(type.size for type in run.types)
    forward = mode == "forward" or (mode is None and inputs <= outputs)
    return _forward_rows(run, in_types) if forward else _reverse_rows(run, in_types)


def _possible_mode(
    run: Linearised, in_types: Sequence[Type], mode: Mode | None, holomorphic: bool
) -> Mode | None:
    """``mode``, or the one mode that the dtypes leave; DtypeError if they leave none."""
    check_holomorphic(run.selected.leaves, holomorphic, "jacobian")
    for type in run.types:
        if not type.differentiable:
            raise DtypeError(
                f"jacobian needs floating-point results, and one is {type.dtype}",
                remedy="has_aux=True for a result that is only handed through",
            )
    if holomorphic:
        return mode
    if any(type.dtype.kind == "c" for type in run.types):
        if mode == "reverse" or any(type.dtype.kind == "c" for type in in_types):
            raise DtypeError(
                "jacobian of a complex result is not defined without more",
                remedy="holomorphic=True if the function is, np.real and np.imag of the result, or "
                "mode='forward' for real arguments",
            )
        return "forward"
    if any(type.dtype.kind == "c" for type in in_types):
        if mode == "forward":
            raise DtypeError(
                "forward mode cannot give the jacobian of a real function of complex arguments",
                remedy="mode='reverse', with the convention of wg.grad",
            )
        return "reverse"
    return mode


def _dtype(out: Type, argument: Type) -> np.dtype[Any]:
    """The argument's dtype, complex if the result is, whichever mode is taken."""
    if out.dtype.kind == "c" and argument.dtype.kind != "c":
        return np.result_type(argument.dtype, np.complex64)
    return argument.dtype


def _forward_rows(run: Linearised, in_types: Sequence[Type]) -> list[list[Array]]:
    out_types = run.types

    def push(*tangents: Array) -> list[Array]:
        return _zero_rows(run.tape.push(tangents, run.places), out_types)

    blocks = _basis_sweeps(push, in_types, len(out_types))
    rows: list[list[Array]] = []
    for o, out in enumerate(out_types):
        row: list[Array] = []
        for block, type in zip(blocks, in_types, strict=True):
            if type.size == 0:
                row.append(np.zeros((*out.shape, *type.shape), _dtype(out, type)))
                continue
            columns = np.moveaxis(np.reshape(block[o], (type.size, *out.shape)), 0, -1)
            columns = np.astype(columns, _dtype(out, type), copy=False)
            row.append(reshape.bind(columns, shape=(*out.shape, *type.shape)))
        rows.append(row)
    return rows


def _reverse_rows(run: Linearised, in_types: Sequence[Type]) -> list[list[Array]]:
    out_types = run.types

    def pull(*cotangents: Array) -> list[Array]:
        pairs = zip(run.places, cotangents, strict=True)
        return _zero_rows(run.tape.pull(pairs, len(in_types), keep=True), in_types)

    blocks = _basis_sweeps(pull, out_types, len(in_types))
    return [
        [
            reshape.bind(
                np.astype(block[i], _dtype(out, type), copy=False), shape=(*out.shape, *type.shape)
            )
            if out.size
            else np.zeros((*out.shape, *type.shape), _dtype(out, type))
            for i, type in enumerate(in_types)
        ]
        for block, out in zip(blocks, out_types, strict=True)
    ]


@verb
def jacfwd(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """``jacobian`` by forward sweeps: cheap when the inputs are few."""
    return jacobian(f, argnums, has_aux=has_aux, holomorphic=holomorphic, mode="forward")


@verb
def jacrev(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """``jacobian`` by reverse sweeps: cheap when the outputs are few."""
    return jacobian(f, argnums, has_aux=has_aux, holomorphic=holomorphic, mode="reverse")


@verb
def hessian(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """A function that returns the Hessian of ``f``: the forward Jacobian of its gradient.

    Its structure is that of ``jacobian(grad(f))``.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
        array([[4., 2.],
               [2., 0.]])
    """
    gradient = grad(f, argnums, has_aux=has_aux, holomorphic=holomorphic)
    return jacfwd(gradient, argnums, has_aux=has_aux, holomorphic=holomorphic)


def hvp(f: Callable[..., Any], primals: Any, tangents: Any) -> Any:
    """The Hessian of ``f`` times a vector, without the Hessian: forward over reverse.

    ``primals`` and ``tangents`` are tuples with an entry for each argument, and so is the result;
    or a single argument that is no tuple, and so is the result.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.hvp(lambda x: np.sum(x**3), np.array([1.0, 2.0]), np.array([1.0, 0.0]))
        array([6., 0.])

    Source: B. A. Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6(1),
    1994.
    """
    single = not isinstance(primals, tuple)
    points = (primals,) if single else cast("tuple[Any, ...]", primals)
    along = (tangents,) if single else tangents
    gradient = grad(f, tuple(range(len(points))))
    product = jvp(gradient, points, along)[1]
    return product[0] if single else product
