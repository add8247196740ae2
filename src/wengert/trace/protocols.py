"""NumPy's protocols: what becomes of NumPy's functions and ufuncs when they meet a traced value.

The tables here say which of our functions stands for one of NumPy's; ``wengert.functions`` fills
them. A ufunc that is a primitive is in ``primitive.UFUNCS`` instead.
"""

from __future__ import annotations

import inspect
import numbers
import reprlib
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import Any, cast

import numpy as np

from ..errors import DtypeError, TracedArrayError, UnsupportedError, named
from ..primitive import UFUNCS, Traced
from ..program import Array
from .base import FILLED, concrete, layout, perhaps

__all__ = [
    "CREATION",
    "FUNCTIONS",
    "REASONS",
    "UFUNC_METHODS",
    "WRITERS",
    "call_ufunc",
    "check_kind",
    "discrete",
    "implements",
    "joined",
    "named_out",
    "no_rule",
    "numeric",
    "plain",
    "store",
    "strong",
]

# -- the tables ------------------------------------------------------------------------------------

FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""What traced arguments make of a NumPy function; filled by ``wengert.functions``."""

UFUNC_METHODS: dict[tuple[np.ufunc, str], Callable[..., Any]] = {}
"""The same for ``np.add.reduce``, ``np.add.accumulate``, ..., filled by ``wengert.functions``."""

REASONS: dict[str, str] = {}
"""Why a NumPy function has no rule, and what to write instead, by name; filled likewise."""

CREATION: dict[Any, Callable[..., Any]] = {}
"""What a creation function makes when it is called with ``like=x`` for a traced x.

NumPy leaves ``like`` out of the arguments; x is put in front of them.
"""

WRITERS = frozenset({np.copyto, np.fill_diagonal, np.place, np.put, np.put_along_axis, np.putmask})
"""NumPy's functions that write into an operand, besides ``ufunc.at`` and whatever has ``out``."""


def implements(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: this function is what traced arguments make of each of the NumPy functions."""

    def register(implementation: Callable[..., Any]) -> Callable[..., Any]:
        for function in dict.fromkeys(functions):
            if function in FUNCTIONS:
                raise ValueError(f"{function.__name__} has an implementation already")
            FUNCTIONS[function] = implementation
        return implementation

    return register


def no_rule(name: str, module: str = "") -> UnsupportedError:
    """The error for a NumPy function without a rule; ``module`` has its class."""
    short = name.rsplit(".", 1)[-1]
    if short in REASONS and name.startswith("np."):
        why, _, instead = REASONS[short].replace("`", "").partition(": ")
        return UnsupportedError(
            f"{name} was called with a traced array, and has no rule: {why}",
            remedy=instead or "wg.stop_gradient(x) where the derivative is meant to be zero",
        )
    names = {f.__name__ for f in [*FUNCTIONS, *UFUNCS] if hasattr(f, "__name__")}
    hint = f"np.{short}" if short in names else "a formula in other NumPy functions"
    if module.startswith("numba."):
        hint = f"{name} as it is without the decorator of numba's, and wg.jit for speed"
    if name.startswith("scipy."):
        hint = FUNCTIONS["nearest"](name) or hint
    return UnsupportedError(
        f"{name} was called with a traced array, and wengert has no rule for it",
        remedy=f"{hint}; wg.custom_jvp for a rule of your own (docs/custom.md); or call it with "
        "wg.stop_gradient(x) where the derivative is meant to be zero",
    )


# -- ufuncs with options ---------------------------------------------------------------------------


_DEFAULTS: dict[str, tuple[Any, ...]] = {
    "subok": (True,),
    "axes": ([(-2, -1)] * 3, [(-1,), (-2, -1), (-1,)]),  # as ``a @= b`` has it
}
"""Options of ufuncs that say what is done without them."""


def call_ufunc(
    ufunc: np.ufunc, method: str, inputs: Sequence[Array], kwargs: dict[str, Any]
) -> Any:
    """A ufunc's call or method with any of its options, ``out`` and ``where`` among them."""
    if method == "__call__":
        primitive = UFUNCS.get(ufunc)
        call = FUNCTIONS.get(ufunc)
        if primitive is not None:
            root = primitive.radicand is not None
            call = partial(FUNCTIONS["root"], primitive) if root else primitive.bind
    else:
        call = UFUNC_METHODS.get((ufunc, method))
    name = _ufunc_name(ufunc) + ("" if method == "__call__" else f".{method}")
    if call is None:
        if set("".join(ufunc.types)) <= {"O", "-", ">"}:
            return FUNCTIONS["by objects"](ufunc, method, inputs, kwargs)
        raise no_rule(name, type(ufunc).__module__)
    out = kwargs.pop("out", None)
    mask = kwargs.pop("where", True) if method == "__call__" else True
    dtype = kwargs.pop("dtype", None) if method == "__call__" else None
    order = kwargs.pop("order", "K") if method == "__call__" else "K"
    one_by_one = method in ("__call__", "outer")
    casting = kwargs.pop("casting", "same_kind") if one_by_one else "unsafe"
    kwargs = {key: value for key, value in kwargs.items() if value not in _DEFAULTS.get(key, ())}
    if kwargs and method == "__call__":
        raise UnsupportedError(f"{name} with {', '.join(kwargs)} is not differentiated")
    if dtype is not None:
        inputs = tuple(_cast(x, np.dtype(dtype), name) for x in inputs)
    if mask is not True:
        inputs = _unasked(inputs, mask)
    result = call(*inputs, **kwargs)
    if out is None:
        if mask is not True and not _everywhere(mask, result):
            raise UnsupportedError(
                f"{name} with where= and without out= leaves elements undefined",
                remedy="np.where(mask, f(x), y)",
            )
        return result if order == "K" else _ordered(result, order, inputs)
    if isinstance(result, tuple):
        several = cast("tuple[Any, ...]", result)
        return tuple(
            r if o is None else store(o, r, mask, casting)
            for o, r in zip(out, several, strict=True)
        )
    (target,) = out
    return store(target, result, mask, casting)


def _ordered(result: Any, order: str, inputs: Sequence[Array]) -> Any:
    """What a ufunc gives with ``order=``: "A" is Fortran's if the operands are, and C's else."""
    if isinstance(result, tuple):
        return tuple(_ordered(each, order, inputs) for each in cast("tuple[Any, ...]", result))
    if order == "A":
        order = "F" if all(layout(x).flags.f_contiguous for x in inputs) else "C"
    return FUNCTIONS["ordered"](result, order) if result.shape else result


def _cast(x: Array, dtype: np.dtype[Any], name: str) -> Array:
    """An operand in the dtype that ``dtype=`` asks for, which must not be one of less."""
    x = plain(x)
    kind = getattr(x, "dtype", dtype)
    if isinstance(x, complex) and dtype.kind != "c":
        kind = np.dtype(complex)
    if not np.can_cast(kind, dtype, "same_kind"):
        raise TypeError(f"{name} cannot take {kind} as {dtype} by the rule 'same_kind'")
    return FUNCTIONS[np.astype](x, dtype)


def _unasked(inputs: Sequence[Array], mask: Array) -> tuple[Array, ...]:
    """The operands with NaN where ``where=`` is False: as in NumPy, nothing there may warn."""
    operands = [plain(x) for x in inputs]
    for i, x in enumerate(operands):
        if isinstance(x, float) or getattr(x, "dtype", np.dtype(int)).kind in "fc":
            operands[i] = FUNCTIONS[np.where](mask, x, np.nan)
            break
    return tuple(operands)


def _everywhere(mask: Array, result: Any) -> bool:
    """Whether it is known that ``where=`` leaves nothing of a result out, and adds no axis."""
    shape = np.shape(result[0] if isinstance(result, tuple) else result)
    if np.broadcast_shapes(shape, np.shape(mask)) != shape:
        return False
    every = np.all(mask)
    return perhaps(every) is not None and bool(every)


def _ufunc_name(ufunc: np.ufunc) -> str:
    name = ufunc.__name__
    for home, module in (("np", np), ("scipy.special", sys.modules.get("scipy.special"))):
        if getattr(module, name, None) is ufunc:
            return f"{home}.{name}"
    return name


_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


_UNSIGNED: dict[Any, tuple[str, ...]] = {
    np.dot: ("a", "b", "out"),
    np.concatenate: ("arrays", "axis", "out"),
}
"""The parameters of functions with ``out`` of which NumPy before 2.4 tells no signature."""


@cache
def _out_place(function: Any) -> tuple[int, tuple[str, ...]]:
    """The position of ``out`` among a NumPy function's parameters; the names from there on."""
    try:
        parameters = inspect.signature(function).parameters.values()
        names = tuple(p.name for p in parameters if p.kind in _BY_POSITION)
    except (TypeError, ValueError):
        names = _UNSIGNED.get(function, ())
    place = names.index("out") if "out" in names else sys.maxsize
    return place, names[place:]


def named_out(
    function: Any, args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[Sequence[Any], dict[str, Any]]:
    """The arguments of a call with ``out``, and what stands behind it, by keyword.

    What stands for NumPy's functions has no ``out`` among its parameters.
    """
    place, names = _out_place(function)
    if len(args) <= place:
        return args, kwargs
    return args[:place], {**dict(zip(names, args[place:], strict=False)), **kwargs}


def call_into(
    implementation: Callable[..., Any], *args: Any, out: Any = None, **kwargs: Any
) -> Any:
    """A NumPy function called with ``out``, of which the rules know nothing."""
    result = implementation(*args, **kwargs)
    if isinstance(out, tuple):
        (out,) = cast("tuple[Any]", out)
    if out is None:
        return result
    if np.shape(out) != np.shape(result) and implementation is not FUNCTIONS[np.clip]:
        raise ValueError(
            f"out has the shape {np.shape(out)}, and the result has {np.shape(result)}"
        )
    casting = _casting_out(implementation, out.dtype, result.dtype)
    return store(out, result, True, kwargs.get("casting", casting))


_TAKES_ANY = np.lib.NumpyVersion(np.__version__) >= "2.5.0.dev0"

_ANY_OUT = (
    "sum prod max min mean var any all median trace cumsum cumprod choose "
    "nansum nanprod nanmax nanmin nanmedian nancumsum nancumprod "
    + ("take compress" if _TAKES_ANY else "")
).split()
"""Functions that write any number into their ``out``."""

_OUT_THAT_FITS = ("argmax", "argmin") if _TAKES_ANY else ("take", "compress", "argmax", "argmin")
"""Functions whose ``out`` must be of a dtype that theirs could be made of."""


@cache
def _standing_for(*names: str) -> frozenset[Callable[..., Any]]:
    return frozenset(FUNCTIONS[getattr(np, name)] for name in names)


def _casting_out(
    implementation: Callable[..., Any], out: np.dtype[Any], result: np.dtype[Any]
) -> Any:
    """By which rule a NumPy function writes into its ``out``; ``TypeError`` if it does not."""
    if implementation in _standing_for(*_ANY_OUT):
        return "unsafe"
    if implementation in _standing_for(*_OUT_THAT_FITS):
        if not np.can_cast(out, result):
            raise TypeError(f"an out of {out} cannot be cast to {result} according to 'safe'")
        return "unsafe"
    if implementation in _standing_for("einsum") and not np.can_cast(result, out):
        raise TypeError(f"a result of {result} cannot be cast to an out of {out} safely")
    if implementation in (FUNCTIONS[np.dot], FUNCTIONS[np.linalg.multi_dot]) and out != result:
        raise ValueError(f"out is of {out}, and the result of {result}")
    return "same_kind"


def store(target: Any, result: Array, mask: Any, casting: Any = "same_kind") -> Any:
    """``target[mask] = result`` in place, for the ``out`` of a NumPy function."""
    if isinstance(target, tuple):
        (target,) = cast("tuple[Any]", target)
    if casting in ("no", "equiv", "safe") and not np.can_cast(result.dtype, target.dtype, casting):
        raise TypeError(f"cannot cast {result.dtype} to an out of {target.dtype} by {casting!r}")
    kind = target.dtype.kind if type(target) is np.ndarray else "O"
    if kind in "iub" or (kind != "O" and not isinstance(result, Traced)):
        known, where = concrete(result), concrete(mask)
        if known is not None and where is not None:
            np.copyto(target, known, casting, where)
            return target
    if type(target) is np.ndarray and target.dtype.kind == "O" and mask is True:
        return _put_objects(target, result)
    if isinstance(target, np.ndarray) and isinstance(result, Traced):
        behind = FUNCTIONS["fill"](target, result._trace)
        store(behind, result, mask, casting)
        return target
    if not getattr(type(target), "assignable", False):
        raise TracedArrayError(
            f"a traced result cannot be written into a plain array of shape {np.shape(target)}: "
            "its derivative would be lost",
            remedy="y = y + x for y += x; y = np.sin(x) for np.sin(x, out=y); np.full for "
            "np.full_like(y, x); or a y that is np.zeros_like(x, shape=n) of a traced x",
        )
    if casting == "unsafe":
        result = FUNCTIONS[np.astype](result, target.dtype)
    if mask is not True:
        result = FUNCTIONS[np.where](mask, result, target)
    fits = isinstance(result, Traced) and result.shape == target.shape
    wide = result if fits else FUNCTIONS[np.broadcast_to](result, target.shape)
    if not isinstance(wide, Traced):
        wide = cast("Any", target)._trace.constant(wide.copy())
    return cast("Any", target)._update(wide)


def _put_objects(target: np.ndarray[Any, Any], result: Array) -> np.ndarray[Any, Any]:
    """Put each number of a result into an array of objects."""
    wide = FUNCTIONS[np.broadcast_to](result, target.shape)
    for index in np.ndindex(*target.shape):
        target[index] = wide[index]
    return target


# -- operands and results as primitives take and give them -----------------------------------------


def strong(result: Any) -> Any:
    """A Python complex number or bool, which NumPy's scalars can give, as a NumPy scalar."""
    if type(result) is complex:
        return np.complex128(result)
    return np.bool_(result) if type(result) is bool else result


def plain(arg: Array) -> Array:
    """An operand as primitives take it: lists, and arrays of traced numbers, become arrays."""
    kind = type(arg)
    if kind is np.ndarray and arg.dtype.kind != "O":
        return arg
    if isinstance(arg, (Traced, np.generic, float, int, complex)):
        return arg
    if isinstance(arg, np.ndarray):
        if id(arg) in FILLED:
            return FUNCTIONS["handle"](arg)
        check_kind(arg)
        return numeric(FUNCTIONS[np.array](arg, copy=None))
    if isinstance(arg, (list, tuple)):
        return numeric(FUNCTIONS[np.array](arg))
    if kind is np.poly1d:
        return plain(arg.coeffs)
    own = "; x.toarray() of a sparse matrix" if hasattr(arg, "toarray") else ""
    own = "; x.to_numpy() of a table's column" if hasattr(arg, "to_numpy") else own
    raise TracedArrayError(
        f"a traced array cannot be combined with {named(kind)}",
        remedy=f"a number, a NumPy array or a list of numbers{own}",
    )


def numeric(array: Array) -> Array:
    """An array of Python's objects that are numbers as an array of numbers; any other as it is.

    NumPy computes with objects one by one, in Python, and so hides from a trace what is computed.
    """
    if isinstance(array, Traced) or array.dtype.kind != "O":
        return array
    elements = array.ravel().tolist()
    for element in elements:
        if not isinstance(element, (numbers.Complex, np.bool_)):
            raise DtypeError(
                f"an array of objects that meets a traced value has {named(type(element))} in it: "
                f"{reprlib.repr(element)}",
                remedy="an array of numbers, as by table[columns].to_numpy(float) or "
                "c.astype(float), with np.nan for what is missing",
            )
    found = np.array(elements)
    if found.dtype.kind == "c":
        raise DtypeError(
            "an array of objects that meets a traced value has complex numbers in it, whose norms, "
            "parts and order NumPy computes in another way among objects",
            remedy="c.astype(complex)",
        )
    if found.dtype.kind != "f":  # Integers among objects take on any number.
        found = found.astype(float)
    return found.reshape(array.shape)


def discrete(result: Array) -> Array:
    """A result without tangents: integers or truth values; an error for anything else."""
    if result.dtype.kind in "iub":
        return result
    raise DtypeError(
        f"the result of an operation on a traced value is of dtype {result.dtype}, which has no "
        "derivatives",
        remedy="numbers: np.timedelta64(3, 's') / np.timedelta64(1, 's') for a time in seconds",
    )


def joined(leaf: Any) -> Any:
    """An array of objects with traced numbers in it as a traced array; any other leaf as it is."""
    if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "O":
        objects: Iterable[Any] = leaf.flat
        return plain(leaf) if any(isinstance(each, Traced) for each in objects) else leaf
    return leaf


def check_kind(array: np.ndarray[Any, Any]) -> None:
    """Refuse the kinds of array whose arithmetic is not that of an ndarray."""
    kind = type(array)
    if isinstance(array, np.ma.MaskedArray):
        remedy = "np.where(mask, 0.0, x) with the mask as an array of its own"
    elif isinstance(array, np.matrix):
        remedy = "np.asarray(x), with @ for the matrix product"
    elif kind.__array_ufunc__ is not np.ndarray.__array_ufunc__:
        remedy = "np.asarray(x) of the plain numbers"
    else:
        return
    raise UnsupportedError(
        f"wengert differentiates plain arrays, and {named(kind)} computes by rules of its own",
        remedy=remedy,
    )
