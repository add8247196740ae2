"""Tracing for ``jit``: one run of a function that is its result and its Program at once.

The recorder computes every value, and keeps it beside the variable, but its tracers look as if
nothing but their type were known. Code that asks for a value (``if``, ``int``, an index, a mask) is
answered by ``force``, which writes a guard into the Program: what was recorded holds for the calls
in which that value is the same.

A Python number that is an argument is a ``WeakTracer``; see ``weak``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import UnsupportedError, WengertError
from ..primitive import Params, Primitive, Traced
from ..primitives.guard import guard
from ..program import Array, Atom, Equation, Literal, Type, Var
from ..recorder import Recorder
from ..trace import ArrayTracer, Tracer, perhaps, plain, strong
from .node import Node, user_asks
from .weak import WeakTracer, hardened

__all__ = ["InlinedError", "JitRecorder", "PointTracer", "expected_of"]

LARGE = 1 << 16
"""Constant arrays of more bytes than this are kept once, however often they are used."""


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


def expected_of(value: Array) -> Any:
    """The value of a guard: a Python bool, int or float, or an array."""
    array = np.asarray(value)
    if array.shape == () and array.dtype.kind in "biu":
        return array.item()
    if array.shape == () and array.dtype.char in "efd":
        return array.item()
    array = array.copy()
    array.flags.writeable = False
    return array


def _settled(param: Any) -> Any:
    """A parameter without tracers: a Python integer that the function was given is forced."""
    if isinstance(param, Traced):
        return perhaps(param)
    if type(param) is tuple:
        return tuple([_settled(item) for item in param])
    if type(param) is slice:
        return slice(_settled(param.start), _settled(param.stop), _settled(param.step))
    return param


class JitRecorder(Recorder):
    """Records a path: the equations, and the guards on the values that decided about it."""

    def __init__(self) -> None:
        super().__init__()
        self.guards: list[tuple[Var, Any]] = []
        self.cuts = False
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
        literal = Literal(value)
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
            expected = expected_of(found)
            self.guards.append((node.atom, expected))
            self.equations.append(Equation(guard, (node.atom,), {"expected": expected}, ()))
        if isinstance(found, np.ndarray):
            found = found.view()
            found.flags.writeable = False
        return found

    def reveal(self, value: Tracer) -> Array:
        if value.dtype.kind in "fc":
            self.cuts = True
        return self.force(value)

    def peek(self, value: Tracer) -> Array:
        return value._node.value

    def missing(self, value: Tracer, name: str) -> None:
        if type(value) is not WeakTracer and not name.startswith("_") and hasattr(np.ndarray, name):
            raise UnsupportedError(f"the attribute {name!r} of an array cannot be traced")

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
        given, args = args, [plain(arg) for arg in args]
        if any(a is not b and isinstance(b, Traced) for a, b in zip(given, args, strict=True)):
            return primitive.bind(*args, **params)
        if any(type(arg) is WeakTracer for arg in args):
            return hardened(self, primitive, args, params)
        atoms = tuple(map(self.atom, args))
        found = primitive.evaluate(*map(self.value, args), **params)
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
