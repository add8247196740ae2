"""Calls of user functions: which arguments are differentiated, and what comes back.

The verbs in ``derivatives`` all do the same at their edges: pick arguments by ``argnums``, flatten
them, refuse what cannot be differentiated, put traced values in their place, call the function,
and take the traced result apart again. That is here.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from . import tree
from .errors import DtypeError, ShapeError, TracedArrayError, WengertError, named
from .frames import trim
from .memory import read_only
from .primitive import Traced
from .program import Array, Type
from .trace import (
    HELD,
    Hold,
    ReadOnlyArgument,
    Trace,
    as_array,
    as_python_number,
    check_kind,
    is_python_number,
    joined,
    plain,
    refusal_of,
    snapshot,
    whole,
)
from .trace.base import FILLED
from .transforms.tape import Tape

__all__ = [
    "Argnums",
    "Linearised",
    "Selected",
    "alive",
    "annotate",
    "aux_leaf",
    "called",
    "check_callable",
    "check_holomorphic",
    "fit_tangent",
    "handle",
    "linearised",
    "number",
    "own",
    "result_leaf",
    "select",
    "settled",
    "signature_of",
    "split_aux",
    "without",
    "writable",
]

Argnums = int | Sequence[int]


def check_callable(f: Any, verb: str) -> None:
    """Raise for what is no function: most often the value of one."""
    if not callable(f):
        raise TracedArrayError(
            f"{verb} takes a function, and was given {named(type(f))}",
            remedy=f"wg.{verb}(f)(x) for wg.{verb}(f(x))",
        )


def signature_of(f: Callable[..., Any], follow_wrapped: bool = True) -> inspect.Signature | None:
    """The signature of a function; None where Python knows none.

    Annotations are not evaluated: they may name what is imported for type checkers only.
    """
    options: dict[str, Any] = {"follow_wrapped": follow_wrapped}
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        options["annotation_format"] = Format.STRING
    try:
        return inspect.signature(f, **options)
    except (TypeError, ValueError):
        return None


def number(value: Any, what: str = "an argument") -> Array:
    """A leaf of the differentiated arguments, of floating point; DtypeError if it cannot be."""
    kind = type(value)
    if kind is float or kind is int:
        return np.float64(value)
    if kind is complex:
        return np.complex128(value)
    if not isinstance(value, Traced) and isinstance(value, np.ndarray) and value.dtype.kind == "O":
        value = plain(value)
    if isinstance(value, Traced):
        value = (value * 1.0 if value.__class__ is int else value).strong()
    dtype = getattr(value, "dtype", None)
    if dtype is None or kind is bool:
        raise DtypeError(
            f"{what} that is to be differentiated is {named(kind)}, not a number or an array",
            remedy="argnums= to choose the arguments to differentiate, or a float; of a part of a "
            "dict, list or dataclass, a function of its other parts alone: lambda w: f(P(w, name))",
        )
    if dtype.kind not in "fc":
        raise DtypeError(
            f"{what} that is to be differentiated is an array of {dtype}, and only floating-point "
            "and complex values have derivatives",
            remedy="x.astype(float); or other arguments, by argnums= where there is one, or by a "
            "function of those alone: lambda x: f(x, n)",
        )
    if isinstance(value, (Traced, np.generic)):
        return value
    if not isinstance(value, np.ndarray):
        raise DtypeError(
            f"{what} that is to be differentiated is {named(kind)}, not a number or an array",
            remedy="a plain NumPy array",
        )
    if kind is not np.ndarray:
        check_kind(value)
    return np.asarray(value)


class Selected(NamedTuple):
    """The differentiated part of a call's arguments, flattened.

    ``given`` are the leaves as the caller gave them.
    """

    leaves: list[Array]
    specs: list[tree.Spec]
    positions: tuple[int, ...]
    single: bool
    given: list[Any]

    def put(self, args: Sequence[Any], leaves: Sequence[Any]) -> list[Any]:
        """All positional arguments, with these leaves in place of the selected ones."""
        full = list(args)
        if self.single and self.specs[0] is tree.LEAF:
            full[self.positions[0]] = leaves[0]
            return full
        start = 0
        for i, spec in enumerate(self.specs):
            position, stop = self.positions[i], start + spec.num_leaves
            full[position] = tree.unflatten(spec, leaves[start:stop])
            start = stop
        return full

    def shape_like(self, leaves: Sequence[Any]) -> Any:
        """Leaves, one for each selected leaf, in the structure of ``argnums``."""
        if self.single:
            return tree.unflatten(self.specs[0], leaves)
        found = self.put([None] * (max(self.positions) + 1), leaves)
        return tuple(found[position] for position in self.positions)


def select(args: Sequence[Any], argnums: Argnums) -> Selected:
    """The arguments that ``argnums`` names. ShapeError if out of range, DtypeError for integers."""
    single = isinstance(argnums, (int, np.integer))
    if type(argnums) is int and 0 <= argnums < len(args):
        value = args[argnums]
        kind = type(value)
        if kind is float or (kind is np.ndarray and value.dtype.kind in "fc"):
            leaf = np.float64(value) if kind is float else value
            return Selected([leaf], [tree.LEAF], (argnums,), True, [value])
    wanted = (argnums,) if single else tuple(argnums)
    positions: list[int] = []
    if not wanted:
        raise ShapeError(
            "there is no argument to differentiate",
            remedy="argnums=0 for the first argument, and the arguments by position",
        )
    for position in wanted:
        if not -len(args) <= position < len(args):
            raise ShapeError(
                f"argnums names argument {position}, and the call has {len(args)} positional "
                "arguments",
                remedy="pass the arguments that are differentiated by position",
            )
        positions.append(position % len(args))
    leaves: list[Array] = []
    given: list[Any] = []
    specs: list[tree.Spec] = []
    for position in positions:
        found, spec = tree.flatten(args[position])
        given += found
        what = f"argument {position}, or a part of it,"
        leaves += [number(leaf, what) for leaf in found]
        specs.append(spec)
    return Selected(leaves, specs, tuple(positions), single, given)


def _mixed(value: Any) -> bool:
    """Whether a value is an array of objects that are not all numbers, or arrays of them."""
    if not isinstance(value, np.ndarray) or not value.dtype.hasobject:
        return False
    objects: Iterable[Any] = value.flat
    return not all(isinstance(each, _NUMBERS) for each in objects)


_NUMBERS = (Traced, int, float, complex, np.generic, np.ndarray, list, tuple)


def result_leaf(value: Any) -> Array:
    """A leaf of a function's result as an array, a number or a traced value."""
    if type(value) is np.float64:
        return value
    if isinstance(value, Traced):
        kind = type(value)  # What is behind a filled array changes when the trace ends.
        return snapshot(value) if kind.derived or (FILLED and kind.assignable) else value.strong()
    if value is None or isinstance(value, (str, bytes)) or _mixed(value):
        raise DtypeError(f"the function returned {value!r}, which is not a number or an array")
    found = plain(value) if isinstance(value, np.ndarray) else np.asarray(value)[()]
    dtype = getattr(found, "dtype", None)
    if not isinstance(found, Traced) and (dtype is None or dtype.kind not in "fciub"):
        raise DtypeError(f"the function returned {value!r}, which is not a number or an array")
    return found


class Linearised(NamedTuple):
    """A run of a function on a tape."""

    tape: Tape
    selected: Selected
    outputs: list[Array]
    spec: tree.Spec
    aux: Any

    @property
    def primal(self) -> Any:
        """The function's result, without this trace."""
        values = [without(self.tape, output) for output in self.outputs]
        return tree.unflatten(self.spec, values)

    @property
    def types(self) -> list[Type]:
        """Types of the results."""
        return [Type.of(output) for output in self.outputs]

    @property
    def places(self) -> list[int | None]:
        """Places of the results on the tape."""
        return [self.tape.place(output) for output in self.outputs]


def handle(value: Any, leaf: Array) -> Any:
    """The value for ``leaf``, as ``handle_for`` makes it."""
    return handle_for(leaf)(value)


def handle_for(leaf: Any) -> Callable[[Any], Any]:
    """What makes a value for ``leaf`` what that is.

    An array, read-only if that is; one of Python's numbers; one of NumPy's.
    """
    if type(leaf) is np.ndarray:
        return as_array if leaf.flags.writeable else _read_only
    if is_python_number(leaf):
        return as_python_number
    if isinstance(leaf, Traced):
        if not type(leaf).assignable:
            return _itself
        return as_array if leaf.writeable else _read_only
    if isinstance(leaf, np.ndarray):
        return as_array if leaf.flags.writeable else _read_only
    return _itself


def _itself(value: Any) -> Any:
    return value


def _read_only(value: Any) -> Any:
    array = as_array(value)
    if isinstance(array, Traced):
        return whole(array, ReadOnlyArgument)
    return read_only(array)


def alive(value: Any) -> Any:
    """The value; LeakedTracerError if it is one of a trace that has ended."""
    return value._trace.settle(value) if isinstance(value, Traced) else value


def settled(result: Any) -> Any:
    """The result, without a value of a trace that has ended in it, as far as can be seen.

    That is in its leaves, in arrays of objects, and in the attributes of objects.
    """
    if type(result) not in _PLAIN:
        leaves, spec = tree.flatten(result)
        tree.unflatten(spec, leaves)
        for leaf in leaves:
            alive(leaf)
            if isinstance(leaf, np.ndarray) and leaf.dtype.hasobject:
                objects: Iterable[Any] = leaf.flat
            elif isinstance(leaf, type) or callable(leaf):
                continue
            else:
                objects = getattr(leaf, "__dict__", {}).values()
            for each in objects:
                alive(each)
    return result


_PLAIN = frozenset({np.float64, float, int, bool, type(None)})


def without(trace: Any, output: Any) -> Any:
    """A result as the caller is to have it, without the ``trace`` of the verb."""
    if not isinstance(output, Traced):
        return output
    value = output
    if output._trace is trace:
        value = output._value
    while isinstance(value, Traced) and value._trace.limit:
        value = value._value
    if isinstance(value, Traced):
        value._trace.check_open()
    return as_array(value) if type(output).assignable else value


def aux_leaf(trace: Any, leaf: Any) -> Any:
    """The same for a leaf of ``aux``, which may be anything."""
    if not _mixed(leaf):
        return without(trace, joined(leaf))
    found = leaf.copy("K")
    found.flat = [without(trace, each) for each in leaf.flat]
    return found


def split_aux(result: Any, has_aux: bool) -> tuple[Any, Any]:
    """``(result, aux)`` of a function that returns a pair if ``has_aux``."""
    if not has_aux:
        return result, None
    if not isinstance(result, (tuple, list)) or len(cast("Sequence[Any]", result)) != 2:
        raise ShapeError("with has_aux=True the function must return a pair (result, aux)")
    value, aux = cast("Sequence[Any]", result)
    return value, aux


_OBJECT_ARRAY = (
    "dtype('O')",
    "type object is unsupported",
    "loop of ufunc does not support argument",
    "not supported for the input types",
    "non-numeric array",
    "holds references",
)
"""What NumPy says when an array of Python objects is given to what computes with numbers only."""


def annotate(error: Exception, trace: Trace | None = None) -> None:
    """Add to an error of NumPy's the note that says what it has to do with differentiation.

    An error of C code's that stands for one of ours ("setting an array element with a sequence",
    "must be numpy.ndarray, not ArrayTracer") is replaced by it. Of ours the traceback is trimmed.
    """
    if isinstance(error, WengertError):
        trim(error)
        return
    if isinstance(error.__cause__, WengertError) and "array element" in str(error):
        raise error.__cause__.with_traceback(error.__traceback__) from None
    refused = refusal_of(error, () if trace is None else trace.refusals)
    if refused is not None:
        refused.__traceback__ = error.__traceback__
        trim(refused)
        raise refused from error
    text = str(error)
    note = ""
    if getattr(trace, "holds", False) and "read-only" in text:
        note = HELD
    elif "WRITEBACKIFCOPY" in text or "NPY_ITER_REFS_OK" in text:
        note = (
            "np.nditer reads and writes memory, and a traced array has none. Write "
            "for v in x.flat, or for v, w in zip(x.flat, y.flat), in place of np.nditer; to write: "
            "for i in np.ndindex(*y.shape) with y[i] = v, or for i, v in enumerate(y.flat) with "
            "y.flat[i] = v."
        )
    elif any(sign in text for sign in _OBJECT_ARRAY) or (
        isinstance(error, AttributeError) and isinstance(error.obj, (int, float, complex))
    ):
        note = (
            "If an argument was made by np.array([...]) from traced numbers, it is an array of "
            "Python objects, which np.linalg and some other functions do not take. Write "
            "np.stack([a, b]) for np.array([a, b]), np.block([[a, b], [c, d]]) for two levels, "
            "or wg.numpy.array([...]) of any lists."
        )
    if note and note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def called(f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """``f(*args, **kwargs)`` of traced values, with the note on errors of NumPy's."""
    try:
        return f(*args, **kwargs)
    except Exception as error:
        leaves = tree.flatten((tuple(args), kwargs))[0]
        annotate(error, next((leaf._trace for leaf in leaves if isinstance(leaf, Traced)), None))
        raise


def linearised(
    f: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    argnums: Argnums,
    *,
    has_aux: bool = False,
    hold: Hold = "protect",
) -> Linearised:
    """Call ``f`` with the selected arguments on a new tape."""
    selected = select(args, argnums)
    tape = Tape(hold)
    try:
        # Before arrays are held, which makes large ones read-only.
        handles = list(map(handle_for, selected.given))
        inputs = [handles[i](tape.input(tape.held(leaf))) for i, leaf in enumerate(selected.leaves)]
        result = f(*selected.put(args, inputs), **kwargs)
        aux = None
        if has_aux:
            result, aux = split_aux(result, has_aux)
            aux = tree.map_leaves(lambda leaf: aux_leaf(tape, leaf), aux)
        outputs, spec = tree.flatten(result)
        outputs = [result_leaf(output) for output in outputs]
        tape.check_held()
        tape.check_caught(f)
    except Exception as error:
        annotate(error, tape)
        raise
    finally:
        try:
            tape.close()
        except BaseException:  # The user's interrupt came just then.
            tape.close()
            raise
    if has_aux:
        settled(aux)
    return Linearised(tape, selected, outputs, spec, aux)


def check_holomorphic(leaves: Sequence[Array], holomorphic: bool, verb: str) -> None:
    """Raise unless the arguments are complex where the derivative is to be holomorphic."""
    if holomorphic and any(leaf.dtype.kind != "c" for leaf in leaves):
        raise DtypeError(f"{verb} with holomorphic=True needs complex arguments")


def fit_tangent(tangent: Any, type: Type, what: str) -> Array:
    """A tangent as a value of the type it belongs to; an error if it does not fit."""
    if isinstance(tangent, Traced) and not tangent.python and type.differentiable:
        found = tangent.dtype, tangent.shape
        if found[0] is type.dtype and found[1] == type.shape:
            return tangent
    if not isinstance(tangent, (Traced, np.ndarray, np.generic, int, float, complex)):
        raise DtypeError(f"a {what} is {tangent!r}, which is not a number or an array")
    if isinstance(tangent, Traced):
        tangent = tangent.strong()
    else:
        if isinstance(tangent, np.ndarray):
            check_kind(tangent)
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
            raise DtypeError(
                f"a {what} is complex, but the value that it belongs to is real",
                remedy="np.real(x) of it if only the real part counts, as of a cotangent; or "
                "x + 0j for x, a value that is complex",
            )
        tangent = tangent.astype(type.dtype)
    return tangent


def writable(array: Array) -> Array:
    """The array, or a copy if it is a broadcast that cannot be written to."""
    if type(array) is np.ndarray and not array.flags.writeable:
        return array.copy()
    return alive(array)


def own(
    cotangents: Sequence[Array | None], leaves: Sequence[Array], taken: Sequence[Array] = ()
) -> list[Array]:
    """Results of the leaves' dtypes, which share memory neither with each other nor anything else.

    ``taken`` are arrays that the results must not be.
    """
    if len(leaves) == 1 and not taken and type(cotangents[0]) is np.ndarray:
        cotangent, dtype = cotangents[0], leaves[0].dtype
        if cotangent.shape and cotangent.dtype is dtype:
            mine = cotangent.base is None and cotangent.flags.writeable
            return [cotangent if mine else cotangent.copy()]
    seen = set(map(id, taken))
    found: list[Array] = []
    for i, leaf in enumerate(leaves):
        cotangent = cotangents[i]
        if cotangent is None:
            cotangent = Type.of(leaf).zeros()
        elif type(cotangent) is np.ndarray and not cotangent.shape:
            cotangent = cotangent[()]
        elif type(cotangent) is np.ndarray:
            if cotangent.base is not None or not cotangent.flags.writeable or id(cotangent) in seen:
                cotangent = cotangent.copy()
            seen.add(id(cotangent))
        else:
            cotangent = alive(cotangent)
        dtype = leaf.dtype
        if cotangent.dtype is not dtype and cotangent.dtype != dtype:
            part = np.real(cotangent) if dtype.kind == "f" else cotangent
            cotangent = part.astype(dtype)
        found.append(cotangent)
    return found
