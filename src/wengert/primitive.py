"""What a primitive is: an operation that Programs are made of, declared once, applied by ``bind``.

``bind`` applies a primitive to values. If some are traced, the innermost of their traces takes the
equation; a value of an enclosing trace is to it a constant. Traces carry the serial number of
their birth, and an inner trace is always born later, so nothing else is needed to tell nested
derivatives apart.

To add an operation, declare it in ``primitives/``; nothing else has to be edited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import REFUSALS, UnsupportedError
from .program import Array, Atom, Equation, Literal, Program, Type

__all__ = [
    "NUMBERED",
    "REGISTRY",
    "UFUNCS",
    "Example",
    "Operand",
    "Params",
    "Primitive",
    "Radicand",
    "Rule",
    "Traced",
    "operand_type",
    "promote",
    "promotion",
]

Operand = Atom | Type
Params = Mapping[str, Any]
Rule = Callable[..., Any]

REGISTRY: dict[str, Primitive] = {}
"""Every primitive by name."""

NUMBERED: list[Primitive] = []
"""Every primitive by number, for tapes: numbers are nothing to Python's garbage collector."""

UFUNCS: dict[np.ufunc, Primitive] = {}
"""The primitive that a NumPy (or SciPy) ufunc stands for."""


if TYPE_CHECKING:
    _AnyArray = Any  # To a type checker, a traced value can do whatever an array can.
else:
    _AnyArray = object


class Traced(_AnyArray):
    """What a trace hands to the user in place of an array. See ``trace.Tracer``."""

    __slots__ = ("_node", "_radical", "_trace", "_value")
    _trace: Any
    _value: Array
    _node: Any

    python = False
    """Whether instances of the class stand for numbers of Python's, which are weak."""
    _radical: Any


@dataclass(frozen=True)
class Example:
    """Operands and parameters on which the registry's own test tries a primitive.

    ``operands`` holds shapes (a random array of the primitive's domain), or arrays as they are.
    """

    operands: tuple[Any, ...]
    params: Params = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Radicand:
    """What a root is the root of: ``ans**degree`` is ``rule(*operands)**power``.

    A rule is the identity (NaN where there is no root), or ``homogeneous``: a positive factor of
    all operands is one of the root. An even root is not negative unless it is ``signed``.
    """

    degree: int
    rule: Rule
    power: int = 1
    homogeneous: bool = False
    signed: bool = False


def named(name: str) -> Primitive:
    """The primitive of this name, by which pickles refer to it."""
    return REGISTRY[name]


def operand_type(operand: Operand) -> Type:
    """The Type of a Var, a Literal or a Type."""
    return operand if isinstance(operand, Type) else operand.type


def promotion(operand: Operand) -> Any:
    """What NumPy's promotion must be told of an operand: its dtype, or the class of a number."""
    if isinstance(operand, Literal) and operand.weak and not isinstance(operand.value, bool):
        return type(operand.value)
    return operand_type(operand).dtype


def promote(operands: Sequence[Operand]) -> np.dtype[Any]:
    """The dtype to which NumPy promotes the operands, with Python numbers as weak as there."""
    return _promoted(*map(promotion, operands))


@lru_cache(maxsize=1024, typed=True)  # np.dtype(float) equals the class float
def _promoted(*kinds: Any) -> np.dtype[Any]:
    scalars = {int: 0, float: 0.0, complex: 0j}
    return np.result_type(*(scalars.get(kind, kind) for kind in kinds))


class Primitive:
    """An operation that Programs are made of: how it is evaluated, typed, batched and printed."""

    multiple = False

    promotes = False
    """Whether operands are promoted to one dtype, in which Python's numbers are weak."""

    flat = False
    """Whether the derivative is zero wherever it exists (comparisons, floor, ...)."""

    joint = False
    """Whether value and derivative are computed together, by ``pushed`` and ``taped`` (loops)."""

    opaque = False
    """Whether it stands for a function of the user's, with rules that nothing is known of."""

    radicand: Radicand | Callable[..., Radicand | None] | None = None
    """Of a root, what it is the root of, or a function of the operands that gives this, or None."""

    lower: str | Rule | None
    """How one element is compiled: like the primitive of another name, or by a formula in simpler
    primitives. None where its own name says it."""

    def __init__(
        self,
        name: str,
        evaluate: Callable[..., Any],
        *,
        text: str | None = None,
        examples: Sequence[Example] = (),
        domain: tuple[float, float] = (-2.0, 2.0),
        lower: str | Rule | None = None,
        promotes: bool | None = None,
        doc: str = "",
    ) -> None:
        self.name = name
        self.number = len(NUMBERED)
        self.evaluate = evaluate
        self.text = text
        self.examples = tuple(examples)
        self.domain = domain
        self.lower = lower
        self.view: Rule | None = None
        if promotes is not None:
            self.promotes = promotes
        self.doc = doc
        if name in REGISTRY:
            raise ValueError(f"two primitives are named {name!r}")
        REGISTRY[name] = self
        NUMBERED.append(self)

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> Any:
        return named, (self.name,)

    # -- applying --------------------------------------------------------------------------------

    def bind(self, *args: Array, **params: Any) -> Any:
        """Apply to values; the innermost trace among them, if any, records the equation."""
        top = weak = None
        for arg in args:
            if isinstance(arg, Traced):
                trace = arg._trace
                if top is None or trace.serial > top.serial:
                    top = trace
                if type(arg).python:
                    weak = arg
        if top is None:
            return self.evaluate(*args, **params)
        if weak is not None and self.promotes:
            args = type(weak)._beside(weak, args)
        try:
            return top.process(self, args, params)
        except REFUSALS as error:
            top.refused(error)
            raise

    # -- facts -----------------------------------------------------------------------------------

    def types(self, operands: Sequence[Operand], params: Params) -> tuple[Type, ...]:
        """Types of the results, from the operands' types alone."""
        raise NotImplementedError

    def batch(self, size: int, operands: list[Array], batched: list[bool], params: Params) -> Any:
        """Apply to operands of which those that are ``batched`` carry a batch axis in front.

        Every result has the batch axis in front.
        """
        raise UnsupportedError(f"there is no batching rule for {self.name}")

    def formula(self, operands: Sequence[str], params: Params) -> str:
        """The right-hand side of an equation, for people."""
        if self.text is not None and not params:
            return self.text.format(*operands)
        extra = [f"{key}={value}" for key, value in params.items() if value is not None]
        return f"{self.name}({', '.join([*operands, *extra])})"

    def programs(self, params: Params) -> Sequence[tuple[str, Program]]:
        """The Programs among the parameters (the body of a loop, branches), with their titles."""
        return ()

    def guards(self, params: Params) -> int:
        """How many guards an equation is, those in all rounds of a loop counted.

        An equation with guards is kept though nothing may read its results.
        """
        return 0

    def shrink(self, equation: Equation, used: Sequence[bool]) -> Equation:
        """An equation with at least the outputs that are ``used``, its own Programs simplified."""
        return equation

    # -- linearising -----------------------------------------------------------------------------

    def pushed(
        self, operands: Sequence[Array], tangents: Sequence[Array | None], params: Params
    ) -> tuple[Sequence[Array], Sequence[Array | None]]:
        """The results and their tangents, for a ``joint`` primitive."""
        raise NotImplementedError

    def taped(
        self, operands: Sequence[Array], active: Sequence[Any], params: Params
    ) -> tuple[Sequence[Array], Any]:
        """The results and what ``save`` would keep, for a ``joint`` primitive."""
        raise NotImplementedError

    def save(
        self, operands: Sequence[Array], ans: Any, active: Sequence[Any], params: Params
    ) -> Any:
        """What ``push`` and the transpose need; ``active[i]`` is None for a constant operand."""
        raise NotImplementedError

    def linear_in(self, places: Sequence[int]) -> bool:
        """Whether it is known to be linear in the operands at these places, taken together.

        If so, nothing that it keeps to be pulled through depends on them.
        """
        return False

    def push(self, tangents: Sequence[Array | None], saved: Any, params: Params) -> Any:
        """The result's tangent from the operands' (None is zero; at least one is not None)."""
        raise NotImplementedError
