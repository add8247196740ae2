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
from ..functions.roots import root_of
from ..kinds import unboxed
from ..memory import copied, laid
from ..primitive import Params, Primitive, Traced
from ..primitives.guard import guard
from ..primitives.logic import equal
from ..primitives.sorting import argsort
from ..program import Array, Atom, Equation, Literal, Type, Var
from ..recorder import Recorder
from ..trace import (
    ArrayTracer,
    Flags,
    ReadOnlyArgument,
    Tracer,
    as_array,
    as_number,
    perhaps,
    plain,
    strong,
    unfilled,
    whole,
)
from .assignment import NumpysAssignment
from .identity import answers_container
from .node import Node
from .operands import Operands, as_seen, frozen, writes
from .weak import WeakTracer, hardened

__all__ = ["InlinedError", "JitRecorder", "close", "reason"]

COMPARED = 10_000
"""So many calls of NumPy are remembered to have given what NumPy gives."""

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

    answers = True

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
        self._given: dict[Atom, Tracer] = {}
        self._equalities: dict[Var, tuple[Atom, Atom]] = {}
        self._large: dict[int, tuple[Array, Literal]] = {}

    # -- values ----------------------------------------------------------------------------------

    def given(self, value: Array) -> Any:
        """The tracer of an argument: an array, a NumPy scalar or a Python number."""
        type_ = Type.of(value)
        var = Var(type_)
        self.inputs.append(var)
        node = Node(var, type_, value)
        if not isinstance(value, np.ndarray) or value.size == 1:
            self._given[var] = Tracer(self, None, Node(var, type_, unboxed(np.asarray(value))))
        if isinstance(value, np.ndarray):
            array = ArrayTracer(self, None, Node(var, type_, unboxed(value)))
            return array if value.flags.writeable else whole(array, ReadOnlyArgument)
        if isinstance(value, np.generic):
            return Tracer(self, None, node)
        # A truth value chooses; to NumPy it is neither an index nor a length, as a tracer might be.
        return self.force(WeakTracer(self, None, node)) if type(value) is bool else self.weak(node)

    def weak(self, node: Node) -> Any:
        """A Python number as a tracer, or as it is."""
        tracer = WeakTracer(self, None, node)
        return self.force(tracer) if self.bools and type(node.value) is bool else tracer

    def python_number(self, value: Tracer) -> Any:
        node = value._node
        number = np.asarray(node.value).item()
        made = self.weak(Node(node.atom, node.type, number))
        root = root_of(value) if type(value).rooted else None
        if root is not None and type(made) is WeakTracer:
            made._radical = root
        return made

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
        self.check_lent()  # A loop that waits for the change would not end.
        node = value._node
        found = node.value
        if isinstance(node.atom, Var) and node.atom not in self._forced:
            self._forced.add(node.atom)
            if node.atom in self._equalities and not np.any(found):
                self._not_the_same(*self._equalities[node.atom])
            expected = Literal(np.asarray(found, node.type.dtype)[()])
            self.guards.append((node.atom, expected))
            self.equations.append(Equation(guard, (node.atom, expected), {}, ()))
        return frozen(found)

    def _not_the_same(self, left: Atom, right: Atom) -> None:
        """Guard that two unequal operands are not one NaN, which a list takes for equal."""
        if answers_container():
            given = [self._given[atom] for atom in (left, right) if isinstance(atom, Var)]
            if bool(np.all([np.isnan(value) for value in given])):
                self.failure = UnsupportedError(
                    "lists, tuples and dicts take NaN for equal to itself if it is the same object",
                    remedy="np.isnan(x) for x in [np.nan]",
                )
                raise self.failure

    def reveal(self, value: Tracer) -> Array:
        if value.dtype.kind in "fc":
            self.cuts = True
        return self.force(value)

    def left(self, value: Tracer) -> Array:
        self.refuse("the function assigns into an array that is not its own")
        return value._node.value

    def peek(self, value: Tracer) -> Array:
        return value._node.value

    def lay(self, value: Tracer, model: Array) -> Tracer:
        node = value._node
        placed = laid(node.value, model) if model.shape else node.value
        return ArrayTracer(self, None, Node(node.atom, node.type, placed))

    def missing(self, value: Tracer, name: str) -> Any:
        if type(value) is WeakTracer or name.startswith("_") or not hasattr(np.ndarray, name):
            return NotImplemented
        found = getattr(as_seen(value), name)
        if callable(found):
            return functools.partial(self._method, value, name)
        self.refuse(f"the attribute {name!r} of an array cannot be traced")
        if name == "flags":
            return Flags(value, found)  # Whether it can be written to is the handle's.
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
        operands = Operands.of(self, args, kwargs, writes(call, kwargs))
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
        if self._agrees(unfilled(result), unfilled(wanted)) and operands.written(self._agrees):
            given = self._as_given(result, wanted)
            if given is result and signature is not None:
                _agreed.add(signature)
            return given
        home = getattr(call, "__self__", call)
        name = getattr(home if isinstance(home, np.ufunc) else call, "__name__", "function")
        self.refuse(f"the rule for np.{name} gives another dtype or value than NumPy here")
        return self._numpys(operands, wanted)

    def assignment(self, x: Any, changed: Callable[[Any, Any], Any], index: Any, value: Any) -> Any:
        """NumPy is asked where a value is converted, and where the rule raises an error."""
        numpys = NumpysAssignment(self, x, index, value)
        wanted = None
        if numpys.converts and numpys.can_be_asked:
            wanted = self._wanted(numpys)
        try:
            result = changed(index, value)
        except InlinedError:
            raise
        except Exception as error:
            if wanted is None:
                if not numpys.can_be_asked:
                    raise
                wanted = self._wanted(numpys)
            self.forget(error)
            self.refuse(reason(error))
            return self.constant(wanted)
        if wanted is not None:
            if not self._agrees(result, wanted):
                self.refuse("an assignment gives another value than NumPy's here")
                return self.constant(wanted)
            numpys.guard()
        return result

    def _wanted(self, numpys: NumpysAssignment) -> Array:
        try:
            return numpys.result()
        except Exception:
            self.exceptional = True
            raise

    def _numpys(self, operands: Operands, result: Any) -> Any:
        """What NumPy gave and wrote, in a run that is no path."""
        operands.write_back()
        return self._lent(result, operands.tracers, operands.values)

    # -- memory that is shared with plain arrays --------------------------------------------------

    def lend(self, value: Tracer, array: Array) -> Array:
        node = value._node
        if not np.may_share_memory(array, node.value):
            return array
        # Its own memory, which can be written to as in NumPy. ``check_lent`` finds out.
        node.value = copied(node.value)
        lent = node.value.view()
        lent.flags.writeable = getattr(value, "writeable", True)
        return self._lent(lent, [value], [node.value])

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
                    if plain and not leaf.dtype.hasobject:
                        self._lent_arrays.append((leaf, leaf.tobytes()))
        return result

    def check_lent(self) -> None:
        """Refuse a run that has written to plain arrays of traced values."""
        if any(array.tobytes() != content for array, content in self._lent_arrays):
            self.failure = UnsupportedError(
                "a plain array that shares the memory of a traced one is changed"
            )
            raise self.failure

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
        found = unfilled(found)
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
        handled = self._conditions.handled()
        if handled:
            self.failure = UnsupportedError(handled)
            raise self.failure
        given, args = args, [plain(arg) for arg in args]
        converted = [(a, b) for a, b in zip(given, args, strict=True) if a is not b]
        if converted:
            if any(isinstance(b, Traced) for _, b in converted):
                return primitive.bind(*args, **params)
            # NumPy computes with objects, such as large integers in a list.
            self.objects = self.objects or any(np.asarray(a).dtype.hasobject for a, _ in converted)
        try:
            if any(type(arg) is WeakTracer for arg in args):
                return hardened(self, primitive, args, params)
            atoms = tuple(map(self.atom, args))
            found = primitive.evaluate(*map(self.value, args), **params)
            if primitive.opaque:
                self.check_closed(found)
            elif primitive is argsort:
                self._check_order(args[0], params["axis"], found)
        except Exception:  # The function may catch it, and the path has no equation for that.
            self.exceptional = True
            raise
        return self.record(primitive, atoms, params, found)

    def _check_order(self, x: Array, axis: int, order: Array) -> None:
        """Refuse an order of equal elements that compiled code does not have."""
        if not np.array_equal(order, argsort.evaluate(self.value(x), axis=axis, kind="stable")):
            self.refuse("np.argsort puts equal elements in another order than compiled code")

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
            if primitive is equal and all(map(self._may_be_nan, atoms)):
                self._equalities[var] = atoms[0], atoms[1]
            return self._tracer(type_, found, var)
        outputs = tuple(Var(Type.of(value)) for value in found)
        self.equations.append(Equation(primitive, atoms, params, outputs))
        return tuple(
            self._tracer(var.type, value, var) for var, value in zip(outputs, found, strict=True)
        )

    def _may_be_nan(self, atom: Atom) -> bool:
        """Whether an operand is an argument, or the constant NaN, as the user's code has it."""
        if isinstance(atom, Literal):
            return bool(np.all(atom.value != atom.value))
        return atom in self._given and atom.type.dtype.kind in "fc"
