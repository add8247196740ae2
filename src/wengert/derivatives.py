"""The verbs: functions in, derivatives of them out.

Argument names and their meaning (``argnums``, ``has_aux``, ``holomorphic``, ``in_axes``,
``out_axes``) are those that users of JAX know. Arguments and results may be any nesting of dicts,
lists, tuples, dataclasses and arrays.

A derivative traces its function at every call, so closures, globals, and Python's control flow
behave as they do without it: what is differentiated is the path that was taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Literal, TypeAlias, cast

import numpy as np

from . import tree
from .calls import Argnums, Linearised, annotate, linearised, result_leaf, select, split_aux
from .errors import DtypeError, ShapeError
from .primitive import Traced
from .primitives.shape import broadcast, reshape
from .program import Array, Program, Type
from .trace import record
from .transforms.batching import evaluate_batched
from .transforms.dual import Dual

__all__ = [
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "linearize",
    "trace",
    "value_and_grad",
    "vjp",
    "vmap",
]

Mode: TypeAlias = Literal["forward", "reverse"]

# -- reverse mode ----------------------------------------------------------------------------------


def _scalar_seed(run: Linearised, holomorphic: bool, verb: str) -> Array:
    if len(run.outputs) != 1 or run.spec.num_nodes != 1:
        raise ShapeError(
            f"{verb} differentiates functions that return one number, and this one returned "
            f"{tree.show(run.spec)}",
            remedy="wg.jacobian(f) for all derivatives of many results, has_aux=True for a result "
            "that is only handed through",
        )
    (type,) = run.types
    if type.shape != ():
        raise ShapeError(
            f"{verb} differentiates functions that return one number, and this one returned an "
            f"array of shape {type.shape}",
            remedy="np.sum(y) to differentiate the sum, wg.jacobian(f) for all derivatives, or "
            "wg.vjp(f, x) for a combination of them",
        )
    if holomorphic:
        if type.dtype.kind != "c":
            raise DtypeError(
                f"{verb} with holomorphic=True needs a complex result, not {type.dtype}"
            )
    elif type.dtype.kind == "c":
        raise DtypeError(
            f"{verb} of a function with a complex result is not defined without more",
            remedy="holomorphic=True if the function is, np.real(y) or np.abs(y)**2 for a real "
            "result, or wg.vjp and wg.jvp",
        )
    elif type.dtype.kind != "f":
        raise DtypeError(f"{verb} needs a floating-point result, and this one is {type.dtype}")
    return type.dtype.type(1)


def _check_holomorphic(leaves: Sequence[Array], holomorphic: bool, verb: str) -> None:
    if holomorphic and any(leaf.dtype.kind != "c" for leaf in leaves):
        raise DtypeError(f"{verb} with holomorphic=True needs complex arguments")


def _own(cotangents: Sequence[Array | None], leaves: Sequence[Array]) -> list[Array]:
    """Results that share memory neither with each other nor with anything else."""
    seen: set[int] = set()
    found: list[Array] = []
    for cotangent, leaf in zip(cotangents, leaves, strict=True):
        if cotangent is None:
            cotangent = Type.of(leaf).zeros()
        elif type(cotangent) is np.ndarray:
            if cotangent.base is not None or not cotangent.flags.writeable or id(cotangent) in seen:
                cotangent = cotangent.copy()
            seen.add(id(cotangent))
        elif type(cotangent) is np.float64 and leaf.dtype != np.float64:
            cotangent = cotangent.astype(leaf.dtype)
        found.append(cotangent)
    return found


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

    @wraps(f)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        run = linearised(f, args, kwargs, argnums, has_aux=has_aux)
        _check_holomorphic(run.selected.leaves, holomorphic, "grad")
        seed = _scalar_seed(run, holomorphic, "grad")
        value = run.primal
        leaves = run.selected.leaves
        cotangents = run.tape.pull([(run.places[0], seed)], len(leaves), keep=False)
        gradient = run.selected.shape_like(_own(cotangents, leaves))
        return ((value, run.aux) if has_aux else value), gradient

    return value_and_gradient


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
    both = value_and_grad(f, argnums, has_aux=has_aux, holomorphic=holomorphic)

    @wraps(f)
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
        fitted = [
            _fit_tangent(ct, type, "cotangent") for ct, type in zip(given, types, strict=True)
        ]
        leaves = run.selected.leaves
        found = run.tape.pull(zip(run.places, fitted, strict=True), len(leaves), keep=True)
        return run.selected.shape_like(_own(found, leaves))

    return (run.primal, pullback, run.aux) if has_aux else (run.primal, pullback)


# -- forward mode ----------------------------------------------------------------------------------


def _fit_tangent(tangent: Any, type: Type, what: str) -> Array:
    """A tangent as a value of the type it belongs to; an error if it does not fit."""
    if not isinstance(tangent, (Traced, np.ndarray, np.generic, int, float, complex)):
        raise DtypeError(f"a {what} is {tangent!r}, which is not a number or an array")
    if isinstance(tangent, (int, float, complex)) or not isinstance(tangent, Traced):
        tangent = np.asarray(tangent)[()]
    if tangent.shape != type.shape:
        raise ShapeError(
            f"a {what} has the shape {tangent.shape}, but the value that it belongs to has "
            f"{type.shape}"
        )
    if not type.differentiable:
        return np.zeros(type.shape)[()]
    if tangent.dtype != type.dtype:
        if tangent.dtype.kind == "c" and type.dtype.kind != "c":
            raise DtypeError(f"a {what} is complex, but the value that it belongs to is real")
        tangent = tangent.astype(type.dtype)
    return tangent


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
    try:
        inputs = [
            dual.wrap(leaf, _fit_tangent(tangent, Type.of(leaf), "tangent"))
            for leaf, tangent in zip(selected.leaves, given, strict=True)
        ]
        result, aux = split_aux(f(*selected.put(primals, inputs)), has_aux)
        outputs, spec = tree.flatten(result)
        outputs = [result_leaf(output) for output in outputs]
    except (TypeError, ValueError) as error:
        annotate(error)
        raise
    finally:
        dual.open = False
    value = tree.unflatten(spec, [dual.primal(output) for output in outputs])
    tangent = tree.unflatten(spec, [dual.tangent(output) for output in outputs])
    if has_aux:
        return value, tangent, tree.map_leaves(dual.primal, aux)
    return value, tangent


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
            _fit_tangent(tangent, Type.of(leaf), "tangent")
            for tangent, leaf in zip(given, run.selected.leaves, strict=True)
        ]
        return tree.unflatten(run.spec, _own(run.tape.push(fitted, run.places), run.outputs))

    return (run.primal, f_jvp, run.aux) if has_aux else (run.primal, f_jvp)


# -- Jacobians -------------------------------------------------------------------------------------

_CHUNK = 1 << 22
"""Elements that the widest intermediate of a batched sweep may have before it is cut in chunks."""


def _basis_sweeps(
    sweep: Callable[..., Sequence[Array]], types: Sequence[Type], number_out: int
) -> list[list[Array]]:
    """A linear map applied to the standard basis of its arguments, many vectors at a time.

    ``result[i][o]`` holds output ``o`` for each basis vector of argument ``i``, in front.
    """
    program, captures = record(sweep, types, freeze=False)
    widest = max((var.type.size for e in program.equations for var in e.outputs), default=1)
    step = max(1, _CHUNK // max(widest, 1))
    blocks: list[list[Array]] = []
    for place, type in enumerate(types):
        parts: list[list[Array]] = []
        for start in range(0, type.size, step):
            stop = min(start + step, type.size)
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
    whose leaves have the result's shape followed by the argument's. ``mode="forward"`` takes one
    tangent for each input element, ``"reverse"`` one cotangent for each output element; without
    ``mode`` the cheaper is taken: forward unless there are fewer outputs than inputs.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.jacobian(lambda x: np.array([x[0] * x[1], x[0] + x[1]]))(np.array([3.0, 4.0]))
        array([[4., 3.],
               [1., 1.]])
    """
    if mode not in (None, "forward", "reverse"):
        raise ValueError(f"mode is {mode!r}; it can be 'forward', 'reverse' or None")

    @wraps(f)
    def jacobian_of_f(*args: Any, **kwargs: Any) -> Any:
        run = linearised(f, args, kwargs, argnums, has_aux=has_aux)
        _check_jacobian_dtypes(run, holomorphic)
        in_types = [Type.of(leaf) for leaf in run.selected.leaves]
        out_types = run.types
        inputs = sum(type.size for type in in_types)
        outputs = sum(type.size for type in out_types)
        forward = mode == "forward" or (mode is None and inputs <= outputs)
        rows = _forward_rows(run, in_types) if forward else _reverse_rows(run, in_types)
        found = tree.unflatten(run.spec, [run.selected.shape_like(row) for row in rows])
        return (found, run.aux) if has_aux else found

    return jacobian_of_f


def _check_jacobian_dtypes(run: Linearised, holomorphic: bool) -> None:
    _check_holomorphic(run.selected.leaves, holomorphic, "jacobian")
    for type in run.types:
        if not type.differentiable:
            raise DtypeError(
                f"jacobian needs floating-point results, and one is {type.dtype}",
                remedy="has_aux=True for a result that is only handed through",
            )
        if not holomorphic and type.dtype.kind == "c":
            raise DtypeError(
                "jacobian of a complex result is not defined without more",
                remedy="holomorphic=True if the function is, or np.real and np.imag of the result",
            )
    if not holomorphic and any(leaf.dtype.kind == "c" for leaf in run.selected.leaves):
        raise DtypeError(
            "jacobian with respect to a complex argument needs holomorphic=True",
            remedy="the real and imaginary parts as two real arguments",
        )


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
                row.append(np.zeros((*out.shape, *type.shape), out.dtype))
                continue
            columns = np.moveaxis(np.reshape(block[o], (type.size, *out.shape)), 0, -1)
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
            reshape.bind(block[i], shape=(*out.shape, *type.shape))
            if out.size
            else np.zeros((*out.shape, *type.shape), out.dtype)
            for i, type in enumerate(in_types)
        ]
        for block, out in zip(blocks, out_types, strict=True)
    ]


def jacfwd(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """``jacobian`` by forward sweeps: cheap when the inputs are few."""
    return jacobian(f, argnums, has_aux=has_aux, holomorphic=holomorphic, mode="forward")


def jacrev(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """``jacobian`` by reverse sweeps: cheap when the outputs are few."""
    return jacobian(f, argnums, has_aux=has_aux, holomorphic=holomorphic, mode="reverse")


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


# -- batches and Programs --------------------------------------------------------------------------


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """A function that applies ``f`` to each slice of its arguments at once, without a Python loop.

    ``in_axes`` is an int, None (not batched), or a tuple with an entry, or a tree of entries, for
    each argument; ``out_axes`` an int or a tree of ints for the result. Keyword arguments are
    batched along axis 0. ``f`` is traced once with values that are not known, so its control flow
    cannot depend on them.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.vmap(np.dot)(np.eye(2), np.array([[1.0, 2.0], [3.0, 4.0]]))
        array([1., 4.])
    """

    @wraps(f)
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
                full[i] = part
            given, named = tree.unflatten(spec, full)
            outputs, found = tree.flatten(f(*given, **named))
            result_spec.append(found)
            return [result_leaf(output) for output in outputs]

        types = [Type(value.shape[1:], value.dtype) for value in values]
        program, captures = record(one, types, freeze=False)
        flags = [False] * len(captures) + [True] * len(values)
        outputs, done = evaluate_batched(program, size, [*captures, *values], flags)
        result = tree.unflatten(result_spec[0], outputs)
        targets = tree.broadcast_prefix(out_axes, result, "out_axes")
        moved = [
            _axis_out(output, flag, size, axis)
            for output, flag, axis in zip(outputs, done, targets, strict=True)
        ]
        return tree.unflatten(result_spec[0], moved)

    return batched


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


def trace(f: Callable[..., Any]) -> Callable[..., Program]:
    """A function that returns the Program of ``f`` at its arguments.

    The arguments' leaves are the inputs, the result's leaves the outputs. Values are known while
    tracing, so control flow works, and the Program is of the path taken.

    Example:
        >>> import numpy as np, wengert as wg
        >>> print(wg.trace(lambda x: np.sum(x * x))(np.ones(3)))
        program(a: f64[3]):
            b: f64[3] = a * a
            c: f64    = sum(b, axes=(0,))
            return c
    """

    @wraps(f)
    def traced(*args: Any, **kwargs: Any) -> Program:
        leaves, spec = tree.flatten((args, kwargs))
        values = [result_leaf(leaf) for leaf in leaves]

        def flat(*inputs: Array) -> list[Array]:
            given, named = tree.unflatten(spec, inputs)
            outputs, _ = tree.flatten(f(*given, **named))
            return [result_leaf(output) for output in outputs]

        program, captures = record(flat, [Type.of(value) for value in values], values)
        if captures:
            raise ShapeError(
                "wg.trace was called inside of a derivative, on a function that uses traced values "
                "from outside of it",
                remedy="pass them as arguments",
            )
        return program.check()

    return traced
