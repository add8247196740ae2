"""The edges of loops and branches: functions of trees as Programs of leaves, and their errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any, cast

import numpy as np

from .. import tree
from ..calls import called, result_leaf
from ..errors import DtypeError, ShapeError, TracedArrayError, UnsupportedError, named
from ..primitive import Traced
from ..primitives.shape import convert
from ..program import Array, Atom, Literal, Program, Type, Var
from ..recorder import Recorder
from ..trace import Tracer, as_array
from .memory import interned
from .programs import lifted, substituted

__all__ = ["Body", "aligned_consts", "check_function", "in_kind", "leaves_of", "stepping", "traced"]


@dataclass(frozen=True)
class Body:
    """A function as a Program: values it uses from outside are its first inputs, its consts."""

    program: Program
    consts: list[Array]
    spec: tree.Spec


def check_function(f: Any, verb: str, what: str) -> None:
    """Raise ``TracedArrayError`` for what is no function."""
    if not callable(f):
        raise TracedArrayError(
            f"wg.{verb} takes a function for {what}, and was given {named(type(f))}"
        )


def leaves_of(values: Any, what: str) -> tuple[list[Array], tree.Spec]:
    """The leaves of operands, as arrays, NumPy scalars or traced values."""
    leaves, spec = tree.flatten(values)
    found: list[Array] = []
    for leaf in leaves:
        try:
            found.append(result_leaf(leaf))
        except DtypeError as error:
            raise DtypeError(
                f"{what} holds {named(type(leaf))}, which is not a number or an array",
                remedy="a function that uses it from outside: lambda x: f(x, name)",
            ) from error
    return found, spec


def in_kind(values: Any) -> Callable[[Sequence[Array]], list[Array]]:
    """What makes arrays of leaves in the places where ``values`` has arrays without axes.

    Numbers and these are of one type in a Program, and only arrays can be assigned into.
    """
    points = [
        (isinstance(leaf, np.ndarray) or getattr(type(leaf), "assignable", False))
        and not leaf.shape
        for leaf in tree.flatten(values)[0]
    ]
    if not any(points):
        return list
    return lambda leaves: [
        as_array(leaf) if point else leaf for leaf, point in zip(leaves, points, strict=True)
    ]


_WIDE = tuple(map(np.dtype, (np.bool_, np.int64, np.float64, np.complex128)))
"""The dtypes that a Python number promotes as one of NumPy's does."""


class _Recorder(Recorder):
    """Records a body, which may use Python numbers that an enclosing ``jit`` has stand-ins for.

    Those are ``weak`` in NumPy's promotion, and a const is not. With ``force`` their values are
    taken, which the enclosing trace then answers for.
    """

    def __init__(self, *, force: bool = False) -> None:
        super().__init__("protect")
        self.force_weak = force
        self.weak = False

    def atom(self, arg: Array) -> Atom:
        if isinstance(arg, Tracer) and arg._trace is not self and arg.strong() is not arg:
            self.weak = True
            if self.force_weak:
                return Literal(arg._trace.force(arg))
        return super().atom(arg)

    def run(
        self, function: Callable[..., Sequence[Array]], types: Sequence[Type]
    ) -> tuple[Program, list[Tracer]]:
        """The Program of a function, and the values it captured."""
        try:
            return self.program(function(*map(self.input, types)))
        except (IndexError, TypeError, ValueError) as error:
            self.explain(error)
            raise
        finally:
            try:
                self.close()
            except BaseException:  # The user's interrupt came just then.
                self.close()
                raise


def _dtypes(program: Program) -> Iterator[np.dtype[Any]]:
    """The dtypes of all values that take part in promotion."""
    for atom in (*program.inputs, *(a for e in program.equations for a in (*e.inputs, *e.outputs))):
        if not (isinstance(atom, Literal) and atom.weak):
            yield atom.type.dtype


def traced(
    function: Callable[..., Any],
    spec: tree.Spec,
    types: Sequence[Type],
    finish: Callable[[Any], Sequence[Array]] | None = None,
) -> Body:
    """The Program of ``function(*args)``, the arguments having this structure and these types.

    ``finish`` may take the result apart in place of what is done without it.
    """
    specs: list[tree.Spec] = []

    def flat(*inputs: Array) -> Sequence[Array]:
        result = called(function, tree.unflatten(spec, inputs), {})
        outputs, found = tree.flatten(result)
        specs[:] = [found]
        return list(map(result_leaf, outputs)) if finish is None else finish(result)

    outside = _outside(function)
    before = list(map(_state, outside))
    recorder = _Recorder()
    program, captures = recorder.run(flat, types)
    if any(_state(array) != state for array, state in zip(outside, before, strict=True)):
        raise UnsupportedError(
            "the body of a loop, or a branch, assigned to an array from outside of it. It is "
            "traced once, whatever the number of steps, and so the array was written to once",
            remedy="an array that the body is given and returns (a carry), or one of its own: "
            "y = y.copy() in the body",
        )
    if recorder.weak and not all(dtype in _WIDE for dtype in _dtypes(program)):
        program, captures = _Recorder(force=True).run(flat, types)
    program, constants = lifted(program)
    return Body(interned(program), [*constants, *captures], specs[0])


_SMALL = 1 << 16
"""Plain arrays of up to this many bytes are compared before and after a body is traced."""


def _outside(function: Any) -> list[Array]:
    """The arrays that a function has from the functions around it."""
    arrays: list[Array] = []
    functions, seen = [function], {id(function)}
    for each in functions:
        for cell in getattr(each, "__closure__", None) or ():
            try:
                value = cell.cell_contents
            except ValueError:  # Not assigned yet.
                continue
            if id(value) in seen:
                continue
            seen.add(id(value))
            kind = type(value)
            small = kind is np.ndarray and value.nbytes <= _SMALL and not value.dtype.hasobject
            if kind is FunctionType:
                functions.append(value)
            elif small or getattr(kind, "assignable", False):
                arrays.append(value)
    return arrays


def _state(array: Array) -> Any:
    """What an assignment to an array changes."""
    return array.tobytes() if isinstance(array, np.ndarray) else array.version


def _identity(value: Array) -> tuple[int, ...]:
    if isinstance(value, Traced):
        return id(value._trace), id(value._value), id(value._node)
    return (id(value),)


def aligned_consts(bodies: Sequence[Body]) -> tuple[list[Array], list[Program]]:
    """The consts of several functions, each once, and the Programs that take all of them first."""
    values = {_identity(value): value for body in bodies for value in body.consts}
    programs: list[Program] = []
    for body in bodies:
        count = len(body.consts)
        own = dict(zip(map(_identity, body.consts), body.program.inputs, strict=False))
        same = dict(
            zip(body.program.inputs, (own[_identity(v)] for v in body.consts), strict=False)
        )
        consts = [own.get(key) or Var(Type.of(value)) for key, value in values.items()]
        inputs = (*consts, *body.program.inputs[count:])
        programs.append(interned(substituted(body.program, inputs, same)))
    return list(values.values()), programs


@dataclass(frozen=True)
class Step:
    """The body of a loop, with its initial carries, and the structure of the ys if it has any."""

    body: Body
    carries: list[Array]
    outputs: tree.Spec | None


def stepping(
    verb: str,
    function: Callable[..., Any],
    init: tuple[list[Array], tree.Spec],
    rest: Sequence[Type] = (),
    *,
    pair: bool = False,
) -> Step:
    """The body of a loop, ``function(carry leaves, other leaves)``, as a Program.

    Carries that the body promotes (an integer that becomes a float, float32 that becomes float64)
    are promoted from the start. A ``pair`` is (carry, y).
    """
    carries, spec = init
    flat = tree.flatten(([0] * len(carries), [0] * len(rest)))[1]
    while True:
        types = [Type.of(carry) for carry in carries]
        made = _Result(verb, spec, types, pair)
        body = traced(function, flat, [*types, *rest], made)
        if made.wanted == types:
            return Step(body, carries, made.outputs)
        carries = [
            carry if Type.of(carry) == type else convert.bind(carry, dtype=type.dtype)
            for carry, type in zip(carries, made.wanted, strict=True)
        ]


class _Result:
    """Checks what a step returned: carries of the structure and the types of its arguments."""

    def __init__(self, verb: str, spec: tree.Spec, types: list[Type], pair: bool) -> None:
        self.verb = verb
        self.spec = spec
        self.types = types
        self.pair = pair
        self.wanted = types
        self.outputs: tree.Spec | None = None

    def split(self, result: Any) -> tuple[Any, Any]:
        """(carry, y)."""
        if not self.pair:
            return result, None
        if not isinstance(result, tuple) or len(cast("tuple[Any, ...]", result)) != 2:
            raise ShapeError(
                f"the body of wg.{self.verb} must return a pair (carry, y), and returned "
                f"{named(type(result))}",
                remedy="return carry, None if there is nothing to be stacked",
            )
        return cast("tuple[Any, Any]", result)

    def __call__(self, result: Any) -> list[Array]:
        carry, y = self.split(result)
        found, spec = leaves_of(carry, f"the carry that the body of wg.{self.verb} returned")
        ys, self.outputs = leaves_of(y, f"what the body of wg.{self.verb} returned")
        if spec != self.spec:
            raise ShapeError(
                f"the body of wg.{self.verb} was given a carry of the structure "
                f"{tree.show(self.spec)} and returned {tree.show(spec)}",
                remedy="return a carry of the structure of the initial one",
            )
        names = _names(self.spec)
        self.wanted = [
            self.promoted(name, type, Type.of(value))
            for name, type, value in zip(names, self.types, found, strict=True)
        ]
        converted = [
            value if Type.of(value) == type else convert.bind(value, dtype=type.dtype)
            for value, type in zip(found, self.wanted, strict=True)
        ]
        return [*converted, *ys]

    def promoted(self, name: str, before: Type, after: Type) -> Type:
        """The type in which a leaf can be carried."""
        if before.shape != after.shape:
            raise ShapeError(
                f"the body of wg.{self.verb} was given {name} as {before} and returned {after}",
                remedy=f"an initial value of the shape {after.shape}, as by np.broadcast_to(x, "
                f"{after.shape}), if that is what every step returns",
            )
        return Type(before.shape, np.result_type(before.dtype, after.dtype))


def _names(spec: tree.Spec) -> list[str]:
    """What an error calls the leaves: ``carry['x'][0]``."""
    return [f"carry{''.join(f'[{key!r}]' for key in path)}" for path in spec.paths()]
