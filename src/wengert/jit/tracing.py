"""Tracing for ``jit``: one run of a function that is its result and its Program at once.

The recorder computes every value, and keeps it beside the variable, but its tracers look as if
nothing but their type were known. Code that asks for a value (``if``, ``int``, an index, a mask) is
answered by ``force``, which writes a guard into the Program: what was recorded holds for the calls
in which that value is the same.

A Python number that is an argument is a ``WeakTracer``; see ``weak``.
"""

from __future__ import annotations

import itertools
import warnings
import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import UnsupportedError, WengertError
from ..primitive import Params, Primitive, Traced
from ..primitives.guard import guard
from ..program import Array, Atom, Equation, Literal, Type, Var
from ..recorder import Recorder
from ..trace import ArrayTracer, Tracer, perhaps, plain, strong
from .node import Node, user_asks
from .weak import WeakTracer, hardened

__all__ = ["InlinedError", "JitRecorder", "PointTracer", "reason"]

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


class PointTracer(Tracer):
    """An argument that is an array without axes: what would change it in place is refused."""

    __slots__ = ()

    def _refused(self, other: Array) -> Any:
        raise UnsupportedError("an array without axes cannot be changed in place while tracing")

    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ifloordiv__ = _refused
    __imod__ = __ipow__ = __iand__ = __ior__ = __ixor__ = _refused


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


def _has_size(leaf: Any) -> bool:
    return isinstance(leaf, (np.ndarray, np.generic))


def _frozen(value: Array) -> Array:
    """A value that cannot be written to."""
    if isinstance(value, np.ndarray):
        value = value.view()
        value.flags.writeable = False
    return value


def reason(error: Exception) -> str:
    """The first line of an error, and the user's line where it is known."""
    text = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    line = getattr(error, "line", None)
    return f"{text}\n  {line}" if line else text


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

    def __init__(self) -> None:
        super().__init__()
        self.guards: list[tuple[Var, Literal]] = []
        self.cuts = False
        self.refusal = ""
        self.exceptional = False
        self._conditions = Conditions()
        self._forced: set[Var] = set()
        self._large: dict[int, tuple[Array, Literal]] = {}

    # -- values ----------------------------------------------------------------------------------

    def given(self, value: Array) -> Tracer:
        """The tracer of an argument: an array, a NumPy scalar or a Python number."""
        type_ = Type.of(value)
        var = Var(type_)
        self.inputs.append(var)
        node = Node(var, type_, value)
        if isinstance(value, np.ndarray):
            return ArrayTracer(self, None, node) if value.shape else PointTracer(self, None, node)
        if isinstance(value, np.generic):
            return Tracer(self, None, node)
        return WeakTracer(self, None, node)

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
        if known is not None and np.array_equal(known[1].value, value):
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

    def missing(self, value: Tracer, name: str) -> Any:
        if type(value) is WeakTracer or name.startswith("_") or not hasattr(np.ndarray, name):
            return NotImplemented
        self.refuse(f"the attribute {name!r} of an array cannot be traced")
        found = getattr(value._node.value, name)
        return getattr(_frozen(value._node.value), name) if callable(found) else found

    def rescue(
        self, error: Exception, call: Callable[..., Any], args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """The result with the values themselves, so that the run goes on; it makes no path.

        Another run without tracing would repeat what the function does outside of itself.
        """
        found = self._values(args, kwargs)
        if found is None:
            raise error
        self.refuse(reason(error))
        return call(*found[0], **found[1])

    def checked(
        self, result: Any, call: Callable[..., Any], args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """The result, if NumPy gives the same; if not, NumPy's, in a run that makes no path.

        The rules are written for what is differentiated. Of integers, Python's numbers and empty
        arrays some make another dtype than NumPy.
        """
        signature = _signature(call, args, kwargs)
        if signature in _agreed:
            return result
        found = self._values(args, kwargs)
        if found is None or not found[2] or call in (np.empty_like, np.empty):
            return result
        try:
            with np.errstate(all="ignore"):
                wanted = call(*found[0], **found[1])
        except Warning:
            return result
        except ValueError as error:
            if "read-only" in str(error):  # It works in place.
                return result
            raise
        if type(result) is WeakTracer and isinstance(wanted, np.generic):
            result, signature = result.strong(), None
        if self._agrees(result, wanted):
            given = self._as_given(result, wanted)
            if given is result and signature is not None:
                _agreed.add(signature)
            return given
        home = getattr(call, "__self__", call)
        name = getattr(home if isinstance(home, np.ufunc) else call, "__name__", "function")
        self.refuse(f"the rule for np.{name} gives another dtype or value than NumPy here")
        return wanted

    def _values(self, args: Any, kwargs: dict[str, Any]) -> tuple[Any, Any, bool] | None:
        """Arguments with values for tracers; None if some are another trace's.

        And whether a second call with them is harmless and cheap.
        """
        leaves, spec = tree.flatten((args, kwargs))
        traced = [leaf for leaf in leaves if isinstance(leaf, Traced)]
        if any(leaf._trace is not self for leaf in traced):
            return None
        plain = [_frozen(leaf._node.value) if isinstance(leaf, Traced) else leaf for leaf in leaves]
        again = not any(callable(leaf) and not isinstance(leaf, type) for leaf in plain)
        again = again and all(np.size(leaf) <= CHECKED for leaf in plain if _has_size(leaf))
        values, named = tree.unflatten(spec, plain)
        return values, named, again

    def _as_given(self, result: Any, wanted: Any) -> Any:
        """A result as a scalar or as an array without axes, whichever NumPy gives."""
        if not isinstance(wanted, (np.ndarray, np.generic)) or wanted.shape:
            return result
        if not isinstance(result, Traced):
            return wanted
        if type(result) is not Tracer or type(result._node.value) is type(wanted):
            return result
        node = result._node
        return Tracer(self, None, Node(node.atom, node.type, wanted))

    def _agrees(self, found: Any, wanted: Any) -> bool:
        """Whether a result is of NumPy's dtype and shape, and of about the same value."""
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

    def refuse(self, why: str) -> None:
        """The run goes on for its result, but is no path."""
        self.refusal = self.refusal or why

    def stands_for(self, value: Tracer, found: type) -> type:
        if found is WeakTracer:
            kind = type(value._node.value)
            return kind if kind in (int, bool) or user_asks(3) else found
        if not user_asks(3):
            return found
        if issubclass(found, (ArrayTracer, PointTracer)):
            return np.ndarray
        return value._node.type.dtype.type

    # -- equations -------------------------------------------------------------------------------

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
            var = Var(type_)
            self.equations.append(Equation(primitive, atoms, params, (var,)))
            return self._tracer(type_, found, var)
        outputs = tuple(Var(Type.of(value)) for value in found)
        self.equations.append(Equation(primitive, atoms, params, outputs))
        return tuple(
            self._tracer(var.type, value, var) for var, value in zip(outputs, found, strict=True)
        )
