"""Tracing for ``jit``: one run of a function that is its result and its Program at once.

The recorder computes every value, and keeps it beside the variable, but its tracers look as if
nothing but their type were known. Code that asks for a value (``if``, ``int``, an index, a mask) is
answered by ``force``, which writes a guard into the Program: what was recorded holds for the calls
in which that value is the same.

A Python number that is an argument is a ``WeakTracer``; see ``weak``.
"""

from __future__ import annotations

import functools
import itertools
import warnings
import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import TracedArrayError, UnsupportedError, WengertError
from ..kinds import unboxed
from ..memory import laid
from ..primitive import Params, Primitive, Traced
from ..primitives.guard import guard
from ..program import Array, Atom, Equation, Literal, Type, Var
from ..recorder import Recorder
from ..trace import WRITERS, ArrayTracer, Tracer, as_array, as_number, perhaps, plain, strong
from .node import Node
from .weak import WeakTracer, hardened

__all__ = ["InlinedError", "JitRecorder", "close", "reason"]

COMPARED = 10_000
"""So many calls of NumPy are remembered to have given what NumPy gives."""

CHECKED = 1 << 20
"""Results for operands of up to so many elements are compared with NumPy's while tracing."""

LARGE = 1 << 16
"""Constant arrays of more bytes than this are kept once, however often they are used."""


_copies: weakref.WeakValueDictionary[Hashable, Any] = weakref.WeakValueDictionary()


def _shared(value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A copy of a large array that cannot change, shared by all paths that use the array."""
    key = id(value), value.dtype, value.shape
    known = _copies.get(key)
    if known is not None and known.tobytes() == value.tobytes():
        return known
    copy = _copies[key] = np.array(value, order="C")
    copy.flags.writeable = False
    return copy


class InlinedError(WengertError):
    """The function uses a value of an enclosing trace: it is to be part of that trace."""

    def __init__(self) -> None:
        Exception.__init__(self, "a jitted function used a traced value from outside of it")
        self.line = None


def _settled(param: Any) -> Any:
    """A parameter without tracers: a Python integer that the function was given is forced."""
    if isinstance(param, Traced):
        return perhaps(param)
    if type(param) is tuple:
        return tuple([_settled(item) for item in param])
    if type(param) is slice:
        return slice(_settled(param.start), _settled(param.stop), _settled(param.step))
    return param


_agreed: set[Hashable] = set()
"""Calls of NumPy that were compared, by the types of their operands."""


def _signature(call: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Hashable:
    """What a call's dtypes depend on, if that is simple; None for others."""
    home = getattr(call, "__self__", call)
    found: list[Hashable] = [home, getattr(call, "__name__", "")]
    for arg in (*args, *itertools.chain.from_iterable(kwargs.items())):
        if isinstance(arg, Traced):
            if type(arg) is WeakTracer or not isinstance(arg._trace, JitRecorder):
                return None
            found.append((type(arg._node.value), arg._node.type))
        elif type(arg) in (int, float, bool, str, type(None)):
            found.append((type(arg), arg))
        else:
            return None
    if len(_agreed) > COMPARED:
        _agreed.clear()
    return tuple(found)


def _frozen(value: Array) -> Array:
    """A value that cannot be written to."""
    if isinstance(value, np.ndarray):
        value = value.view()
        value.flags.writeable = False
    return value


def _as_seen(leaf: Tracer) -> Array:
    """The value of a traced one: a scalar or an array without axes, whichever it stands for."""
    value = leaf._node.value
    return np.asarray(value) if isinstance(leaf, ArrayTracer) else value


def close(found: Any, wanted: Any) -> bool:
    """Whether two numbers or arrays are of one dtype and shape, and of about the same value."""
    one, other = np.asarray(found), np.asarray(wanted)
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype.kind not in "fc":
        return bool(np.array_equal(one, other))
    with np.errstate(all="ignore"):
        finite = np.abs(other[np.isfinite(other)])
        scale = float(finite.max(initial=0.0))
        near = float(np.finfo(one.dtype).eps) ** 0.5 * scale
        return bool(np.allclose(one, other, rtol=0.0, atol=near, equal_nan=True))


def reason(error: Exception) -> str:
    """The first line of an error, and the user's line where it is known."""
    text = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    line = getattr(error, "line", None)
    return f"{text}\n  {line}" if line else text


def _raising(error: Exception) -> Callable[..., Any]:
    """In place of a rule: a function that raises."""

    def implementation(*_: Any, **__: Any) -> Any:
        raise error

    return implementation


_WRITING = frozenset({"at", "byteswap", "fill", "partition", "put", "resize", "setfield", "sort"})
"""Methods of ufuncs and arrays that write into an operand."""


def _writes(call: Any, kwargs: dict[str, Any]) -> bool:
    """Whether a call of NumPy can write into its operands, though NumPy says that it may not."""
    if "out" in kwargs or call in WRITERS or call is np.nan_to_num:
        return True
    home = getattr(call, "__self__", None) or getattr(call, "__objclass__", None)
    writes = isinstance(home, np.ufunc) or home is np.ndarray
    return writes and call.__name__ in _WRITING


class Operands:
    """The arguments of a call of NumPy with plain values in the place of tracers.

    The values cannot be written to, or are copies if the call is to write to them.
    """

    def __init__(self, spec: Any, leaves: Sequence[Any], writes: bool) -> None:
        self.tracers: list[Any] = []
        self.values: list[Array] = []
        self._before: list[Any] = []
        self._spec = spec
        self._plain = list(leaves)
        copies: dict[int, Array] = {}  # One for each handle, as it counts whether two are the same.
        for i, leaf in enumerate(leaves):
            if isinstance(leaf, Traced):
                value = _as_seen(leaf)
                if id(leaf) in copies:
                    self._plain[i] = copies[id(leaf)]
                    continue
                if writes and isinstance(value, np.ndarray):
                    value = np.array(value, order="K")
                    value.flags.writeable = getattr(leaf, "writeable", True)
                    self._before.append(value.copy())
                else:
                    value = _frozen(value)
                    self._before.append(value)
                self._plain[i] = copies[id(leaf)] = value
                self.values.append(value)
                self.tracers.append(leaf)

    @classmethod
    def of(cls, recorder: JitRecorder, args: Any, kwargs: Any, writes: bool) -> Operands | None:
        """The operands of a call; None if some belong to another trace."""
        leaves, spec = tree.flatten((tuple(args), kwargs))
        if any(isinstance(leaf, Traced) and leaf._trace is not recorder for leaf in leaves):
            return None
        return cls(spec, leaves, writes)

    @property
    def harmless(self) -> bool:
        """Whether a call is cheap, and runs nothing of the user's.

        Arrays of objects may hold tracers, and rules write into them.
        """
        if any(callable(leaf) and not isinstance(leaf, type) for leaf in self._plain):
            return False
        arrays = [leaf for leaf in self._plain if isinstance(leaf, (np.ndarray, np.generic))]
        return all(leaf.size <= CHECKED and leaf.dtype.kind != "O" for leaf in arrays)

    def call(self, function: Callable[..., Any]) -> Any:
        """What the function gives for the values; where it returns an operand, that."""
        args, kwargs = tree.unflatten(self._spec, self._plain)
        result = function(*args, **kwargs)
        for tracer, value in zip(self.tracers, self.values, strict=True):
            if result is value and isinstance(value, np.ndarray) and value.flags.writeable:
                return tracer
        return result

    def _changed(self) -> list[tuple[Any, Array]]:
        """The operands that NumPy has written to, with what they hold since.

        If it has written nothing, all operands are to hold what they held.
        """
        copied = [
            (tracer, value, before)
            for tracer, value, before in zip(self.tracers, self.values, self._before, strict=True)
            if value is not before
        ]
        changed = [
            (tracer, value)
            for tracer, value, before in copied
            if value.shape != before.shape or value.tobytes() != before.tobytes()
        ]
        return changed or [(tracer, before) for tracer, _, before in copied]

    def written(self, agrees: Callable[[Any, Any], bool]) -> bool:
        """Whether the tracers hold what NumPy has written."""
        return all(agrees(tracer, value) for tracer, value in self._changed())

    def write_back(self) -> None:
        """Give the tracers what NumPy has written."""
        for tracer, value in self._changed():
            if value.shape != tracer.shape or value.dtype != tracer.dtype:
                raise UnsupportedError("the shape or the dtype of an array is changed in place")
            if value.tobytes() != tracer._node.value.tobytes():
                tracer.assign(tracer._trace.constant(unboxed(value.copy())))


class Conditions:
    """What NumPy does about floating-point errors and warnings, as it is when a run begins.

    Compiled code reports neither. A run that has them raise exceptions, or counts them, means to
    depend on them.
    """

    def __init__(self) -> None:
        self.errors = np.geterr()
        self.filters = warnings.filters

    def handled(self) -> str:
        """Why the function cannot be compiled as it is set up now; nothing if it can."""
        errors = np.geterr()
        if any(errors[name] in ("raise", "call") for name in errors):
            return "floating-point errors raise exceptions or call a function (np.errstate)"
        filters = warnings.filters
        changed = filters is not self.filters and filters and filters[0][0] != "ignore"
        if changed and any(how == "warn" for how in errors.values()):
            return "it catches warnings or makes exceptions of them"
        return ""


class JitRecorder(Recorder):
    """Records a path: the equations, and the guards on the values that decided about it."""

    def __init__(self, bools: bool = False) -> None:
        super().__init__()
        self.bools = bools
        self.guards: list[tuple[Var, Literal]] = []
        self.cuts = False
        self.refusal = ""
        self.exceptional = False
        self.failure: UnsupportedError | None = None
        self._lendings: dict[int, ArrayTracer] = {}
        self._lent_arrays: list[tuple[Array, bytes]] = []
        self._conditions = Conditions()
        self._forced: set[Var] = set()
        self._large: dict[int, tuple[Array, Literal]] = {}

    # -- values ----------------------------------------------------------------------------------

    def given(self, value: Array) -> Any:
        """The tracer of an argument: an array, a NumPy scalar or a Python number."""
        type_ = Type.of(value)
        var = Var(type_)
        self.inputs.append(var)
        node = Node(var, type_, value)
        if isinstance(value, np.ndarray):
            return ArrayTracer(self, None, Node(var, type_, unboxed(value)))
        if isinstance(value, np.generic):
            return Tracer(self, None, node)
        # A truth value chooses; to NumPy it is neither an index nor a length, as a tracer might be.
        return self.force(WeakTracer(self, None, node)) if type(value) is bool else self.weak(node)

    def weak(self, node: Node) -> Any:
        """A Python number as a tracer, or as it is."""
        tracer = WeakTracer(self, None, node)
        return self.force(tracer) if self.bools and type(node.value) is bool else tracer

    def constant(self, value: Array) -> Tracer:
        literal = self._literal(value)
        return self._tracer(literal.type, value, literal)

    def _tracer(self, type: Type, value: Array, node: Atom) -> Tracer:
        kind = ArrayTracer if type.shape else Tracer
        return kind(self, None, Node(node, type, value))

    def _literal(self, value: Array) -> Literal:
        if not isinstance(value, np.ndarray) or value.nbytes <= LARGE:
            return Literal(value)
        known = self._large.get(id(value))
        if known is not None and known[1].value.tobytes() == value.tobytes():
            return known[1]
        literal = Literal(_shared(value), copy=False)
        self._large[id(value)] = value, literal
        return literal

    def atom(self, arg: Array) -> Atom:
        if not isinstance(arg, Traced):
            return self._literal(arg)
        if arg._trace is self:
            return arg._node.atom
        raise InlinedError

    def value(self, arg: Array) -> Array:
        """The value of a tracer of this trace; any other as it is."""
        return arg._node.value if isinstance(arg, Traced) and arg._trace is self else arg

    # -- values that Python asks for -------------------------------------------------------------

    def force(self, value: Tracer) -> Array:
        self.check_open()
        node = value._node
        found = node.value
        if isinstance(node.atom, Var) and node.atom not in self._forced:
            self._forced.add(node.atom)
            expected = Literal(np.asarray(found, node.type.dtype)[()])
            self.guards.append((node.atom, expected))
            self.equations.append(Equation(guard, (node.atom, expected), {}, ()))
        return _frozen(found)

    def reveal(self, value: Tracer) -> Array:
        if value.dtype.kind in "fc":
            self.cuts = True
        return self.force(value)

    def peek(self, value: Tracer) -> Array:
        return value._node.value

    def lay(self, value: Tracer, model: Array) -> Tracer:
        node = value._node
        placed = laid(node.value, model) if model.shape else node.value
        return ArrayTracer(self, None, Node(node.atom, node.type, placed))

    def missing(self, value: Tracer, name: str) -> Any:
        if type(value) is WeakTracer or name.startswith("_") or not hasattr(np.ndarray, name):
            return NotImplemented
        found = getattr(value._node.value, name)
        if callable(found):
            return functools.partial(self._method, value, name)
        self.refuse(f"the attribute {name!r} of an array cannot be traced")
        return self._lent(found, [value], [value._node.value])

    def _method(self, value: Tracer, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of an array for which there is no rule."""
        error = UnsupportedError(f"the method {name!r} of an array cannot be traced")
        if name == "setflags":
            raise error
        call: Any = getattr(type(value._node.value), name)
        return self.apply(_raising(error), call, (value, *args), kwargs)

    def apply(
        self,
        implementation: Callable[..., Any],
        call: Callable[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
    ) -> Any:
        """The result of a rule, if NumPy gives the same; if not, NumPy's, and the run is no path.

        The rules are written for what is differentiated. Of integers, Python's numbers and empty
        arrays some make another dtype than NumPy. NumPy is asked first, with operands that it
        cannot write to, or with copies if it is to write to them.
        """
        signature = _signature(call, args, kwargs)
        if signature in _agreed or call in (np.empty, np.empty_like):
            return implementation(*args, **kwargs)
        operands = Operands.of(self, args, kwargs, _writes(call, kwargs))
        if operands is None:
            return implementation(*args, **kwargs)
        if not operands.harmless:
            try:
                return implementation(*args, **kwargs)
            except (UnsupportedError, TracedArrayError) as error:
                self.forget(error)
                self.refuse(reason(error))
            return self._numpys(operands, operands.call(call))
        try:
            with np.errstate(all="ignore"):
                wanted = operands.call(call)
        except Exception:
            self.exceptional = True
            operands.write_back()
            raise
        try:
            result = implementation(*args, **kwargs)
        except InlinedError:
            raise
        except Exception as error:
            self.forget(error)
            self.refuse(reason(error))
            return self._numpys(operands, wanted)
        if type(result) is WeakTracer and isinstance(wanted, (np.generic, np.ndarray)):
            result, signature = result.strong(), None
        if self._agrees(result, wanted) and operands.written(self._agrees):
            given = self._as_given(result, wanted)
            if given is result and signature is not None:
                _agreed.add(signature)
            return given
        home = getattr(call, "__self__", call)
        name = getattr(home if isinstance(home, np.ufunc) else call, "__name__", "function")
        self.refuse(f"the rule for np.{name} gives another dtype or value than NumPy here")
        return self._numpys(operands, wanted)

    def _numpys(self, operands: Operands, result: Any) -> Any:
        """What NumPy gave and wrote, in a run that is no path."""
        operands.write_back()
        return self._lent(result, operands.tracers, operands.values)

    # -- memory that is shared with plain arrays --------------------------------------------------

    def lend(self, value: Tracer, array: Array) -> Array:
        return self._lent(array, [value], [value._node.value])

    def _lent(self, result: Any, tracers: Sequence[Any], values: Sequence[Array]) -> Any:
        """A plain result; the arrays of which it may share the memory must stay as they are."""
        for leaf in tree.flatten(result)[0]:
            if isinstance(leaf, (np.generic, int, float, complex, str, bytes)):
                continue
            for tracer, value in zip(tracers, values, strict=True):
                plain = isinstance(leaf, np.ndarray)
                if isinstance(tracer, ArrayTracer) and (
                    not plain or np.may_share_memory(leaf, value)
                ):
                    root = tracer.root()
                    self._lendings[id(root)] = root
                    if plain and leaf.nbytes <= LARGE and not leaf.dtype.hasobject:
                        self._lent_arrays.append((leaf, leaf.tobytes()))
        return result

    def check_lent(self) -> None:
        """Refuse a run that has written to plain arrays of traced values.

        They are read-only, but ``ufunc.at`` does not mind, nor does code in C.
        """
        if any(array.tobytes() != content for array, content in self._lent_arrays):
            raise UnsupportedError(
                "a plain array that shares the memory of a traced one is changed"
            )

    def assigned(self, value: Tracer) -> None:
        if id(value) in self._lendings:
            self.failure = UnsupportedError(
                "an array is written to after a plain array that shares its memory was made of it, "
                "as np.asarray(x) or x.view() does",
                remedy="x.copy() for np.asarray(x)",
            )
            raise self.failure

    def _as_given(self, result: Any, wanted: Any) -> Any:
        """A result as a scalar or as an array without axes, whichever NumPy gives."""
        if not isinstance(result, Traced):
            return wanted if isinstance(wanted, (np.generic, int, float, complex)) else result
        if type(wanted) in (int, bool) and result._trace is self and type(result) is not WeakTracer:
            return type(wanted)(self.force(result))
        if not isinstance(wanted, (np.ndarray, np.generic)) or wanted.shape:
            return result
        if result._trace is not self or type(result) is WeakTracer:
            return result
        if isinstance(wanted, np.ndarray):
            return as_array(result)
        return as_number(result)

    def _agrees(self, found: Any, wanted: Any) -> bool:
        """Whether a result is of NumPy's dtype and shape, and of about the same value."""
        if found is wanted:
            return True
        if isinstance(wanted, (tuple, list)):
            if not isinstance(found, (tuple, list)) or len(found) != len(wanted):
                return False
            return all(map(self._agrees, found, wanted))
        if isinstance(found, Traced):
            if found._trace is not self:
                return True
            found = self.value(found)
        if not isinstance(wanted, (np.ndarray, np.generic, int, float, complex)):
            return type(found) is type(wanted) and bool(found == wanted)
        return close(found, wanted)

    def refuse(self, why: str) -> None:
        """The run goes on for its result, but is no path."""
        self.refusal = self.refusal or why

    # -- equations -------------------------------------------------------------------------------

    def check_closed(self, results: Sequence[Array]) -> None:
        if any(isinstance(r, Traced) and r._trace.serial < self.serial for r in results):
            raise InlinedError
        super().check_closed(results)

    def process(self, primitive: Primitive, args: Sequence[Array], params: Params) -> Any:
        self.check_open()
        self.refuse(self._conditions.handled())
        given, args = args, [plain(arg) for arg in args]
        if any(a is not b and isinstance(b, Traced) for a, b in zip(given, args, strict=True)):
            return primitive.bind(*args, **params)
        try:
            if any(type(arg) is WeakTracer for arg in args):
                return hardened(self, primitive, args, params)
            atoms = tuple(map(self.atom, args))
            found = primitive.evaluate(*map(self.value, args), **params)
            if primitive.opaque:
                self.check_closed(found)
        except Exception:  # The function may catch it, and the path has no equation for that.
            self.exceptional = True
            raise
        return self.record(primitive, atoms, params, found)

    def record(
        self, primitive: Primitive, atoms: tuple[Atom, ...], params: Params, found: Any
    ) -> Any:
        """Write an equation whose value is known; its results."""
        params = {name: _settled(value) for name, value in params.items()} if params else params
        if not primitive.multiple:
            found = strong(found)
            type_ = Type.of(found)
            if type_.dtype.kind not in "fciub":
                self.refuse(f"a value is of dtype {type_.dtype}")
            var = Var(type_)
            self.equations.append(Equation(primitive, atoms, params, (var,)))
            return self._tracer(type_, found, var)
        outputs = tuple(Var(Type.of(value)) for value in found)
        self.equations.append(Equation(primitive, atoms, params, outputs))
        return tuple(
            self._tracer(var.type, value, var) for var, value in zip(outputs, found, strict=True)
        )
