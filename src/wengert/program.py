"""The Program: a typed Wengert list.

A Program is a list of equations in single-assignment form over a closed set of primitives. It is
immutable, it prints, and two Programs that differ in the names of their variables only are equal.
Every transform returns a Program, and ``Program.check`` finds each way in which one can be wrong.

R. E. Wengert, "A simple automatic derivative evaluation program", CACM 7(8), 1964.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .errors import ProgramError

if TYPE_CHECKING:
    from .primitive import Primitive

__all__ = [
    "Atom",
    "Equation",
    "Literal",
    "Program",
    "Type",
    "Var",
    "type_of_shape",
    "variable_names",
]

Array: TypeAlias = Any
"""A value: a NumPy array or scalar, a Python number, or a traced value."""


@dataclass(frozen=True, slots=True)
class Type:
    """The shape and dtype of a value. Prints as ``f64[3,4]``."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @staticmethod
    def of(value: Array) -> Type:
        """The Type of an array, a number, a traced value or a Type."""
        if type(value) is Type:
            return value
        dtype = getattr(value, "dtype", None)
        if dtype is None:
            array = np.asarray(value)
            return type_of_shape(array.shape, array.dtype)
        return type_of_shape(tuple(value.shape), dtype)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def differentiable(self) -> bool:
        """Whether values of this type can have tangents: floating point or complex."""
        return self.dtype.kind in "fc"

    def zeros(self) -> Array:
        """An array of zeros (a NumPy scalar when the shape is ``()``)."""
        return np.zeros(self.shape, self.dtype)[()]

    def __str__(self) -> str:
        kind = {"f": "f", "c": "c", "i": "i", "u": "u"}.get(self.dtype.kind)
        name = f"{kind}{self.dtype.itemsize * 8}" if kind else self.dtype.name
        return name + (f"[{','.join(map(str, self.shape))}]" if self.shape else "")


@lru_cache(maxsize=4096)
def type_of_shape(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Type:
    """``Type(shape, dtype)``, made once: most values of a program are of a few types."""
    return Type(shape, dtype)


class Var:
    """A variable of a Program: an identity with a Type. Its name is chosen when it is printed."""

    __slots__ = ("type",)

    def __init__(self, type: Type) -> None:
        self.type = type

    def __repr__(self) -> str:
        return f"Var({self.type})"


class Literal:
    """A constant operand: a Python number, or an array that nothing may change any more."""

    __slots__ = ("type", "value")

    def __init__(self, value: Array, *, copy: bool = True) -> None:
        if isinstance(value, np.ndarray) and copy:
            value = value.copy()
            value.flags.writeable = False
        self.value = value
        self.type = Type.of(value)

    @property
    def weak(self) -> bool:
        """Whether this is a Python number, which does not take part in NumPy's promotion."""
        return isinstance(self.value, (bool, int, float, complex)) and not isinstance(
            self.value, np.generic
        )

    def key(self) -> Hashable:
        """What equality and hashing of Programs compare: type and bits (so NaN equals NaN)."""
        if self.weak:
            return (type(self.value).__name__, repr(self.value))
        array = np.asarray(self.value)
        return (self.type, array.tobytes())

    def __repr__(self) -> str:
        if self.type.shape == ():
            value = self.value.item() if hasattr(self.value, "item") else self.value
            return f"{value!r}"
        if self.type.size <= 4:
            text = np.array2string(np.asarray(self.value), separator=", ", precision=6)
            return text.replace("\n", "")
        return f"<{self.type}>"


Atom: TypeAlias = Var | Literal


@dataclass(frozen=True, slots=True, eq=False)
class Equation:
    """``outputs = primitive(*inputs, **params)``."""

    primitive: Primitive
    inputs: tuple[Atom, ...]
    params: Mapping[str, Any]
    outputs: tuple[Var, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", MappingProxyType(dict(self.params)))

    @property
    def guards(self) -> int:
        """How many guards this is, those in all rounds of a loop counted."""
        return self.primitive.guards(self.params)

    def __getstate__(self) -> tuple[Any, ...]:
        return self.primitive, self.inputs, dict(self.params), self.outputs

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        primitive, inputs, params, outputs = state
        object.__setattr__(self, "primitive", primitive)
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "params", MappingProxyType(params))
        object.__setattr__(self, "outputs", outputs)


def variable_names() -> Iterator[str]:
    """a, b, ..., z, aa, ab, ... (Python's keywords cannot arise before 'as', which is left out)."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    width = 1
    while True:
        for number in range(len(letters) ** width):
            name = ""
            for _ in range(width):
                number, digit = divmod(number, len(letters))
                name = letters[digit] + name
            if name not in ("as", "if", "in", "is", "or", "and", "def", "del", "for", "not", "try"):
                yield name
        width += 1


def freeze(value: Any) -> Hashable:
    """A hashable stand-in for a parameter of an equation."""
    if type(value) in _HASHABLE:
        return value
    if isinstance(value, (list, tuple)):
        return tuple(freeze(item) for item in value)
    if isinstance(value, slice):
        return ("slice", freeze(value.start), freeze(value.stop), freeze(value.step))
    if isinstance(value, np.ndarray):
        return ("array", value.shape, value.dtype.str, value.tobytes())
    if isinstance(value, (dict, MappingProxyType, Mapping)):
        items: Mapping[str, Any] = value
        return tuple(sorted((key, freeze(item)) for key, item in items.items())) if items else ()
    hash(value)
    return value


_HASHABLE = frozenset({int, str, bool, type(None), float})


def _indented(programs: Sequence[tuple[str, Program]]) -> list[str]:
    """The lines of Programs inside of an equation, below and to the right of it."""
    lines: list[str] = []
    for title, program in programs:
        first, *rest = str(program).removeprefix("program").splitlines()
        lines.append(f"        {title}{first}")
        lines.extend(f"        {line}" for line in rest)
    return lines


@dataclass(frozen=True, eq=False)
class Program:
    """A Wengert list: ``inputs``, ``equations`` in order of evaluation, and ``outputs``.

    Programs are compared and hashed up to the renaming of variables. ``print(program)`` shows the
    list with shapes and dtypes; ``check()`` verifies it.

    Example:
        >>> import numpy as np, wengert as wg
        >>> print(wg.trace(lambda x, y: x * y + np.sin(x))(1.0, 2.0))
        program(a: f64, b: f64):
            c: f64 = a * b
            d: f64 = sin(a)
            e: f64 = c + d
            return e
    """

    inputs: tuple[Var, ...]
    equations: tuple[Equation, ...]
    outputs: tuple[Atom, ...]
    _key: list[Hashable] = field(default_factory=list[Hashable], repr=False)

    def __reduce__(self) -> Any:
        return Program, (self.inputs, self.equations, self.outputs)

    @property
    def input_types(self) -> tuple[Type, ...]:
        """Types of the inputs, in order."""
        return tuple(var.type for var in self.inputs)

    @property
    def output_types(self) -> tuple[Type, ...]:
        """Types of the outputs, in order."""
        return tuple(atom.type for atom in self.outputs)

    @property
    def guards(self) -> int:
        """How many guards a run passes, those in all rounds of its loops counted."""
        return sum(equation.guards for equation in self.equations)

    def check(self) -> Program:
        """Return self if well formed; raise ``ProgramError`` naming the equation otherwise.

        Checked are: every variable is assigned once and before its use; every output type is the
        one that the primitive's type rule gives; parameters are hashable.
        """
        defined: set[Var] = set()

        def name(atom: Var) -> str:
            return self.names().get(atom, "?")

        def define(var: Var, where: str) -> None:
            if var in defined:
                raise ProgramError(f"{name(var)} is assigned twice, the second time in {where}")
            defined.add(var)

        def use(atom: Atom, where: str) -> None:
            if isinstance(atom, Var) and atom not in defined:
                raise ProgramError(f"{name(atom)} is used before it is assigned, in {where}")

        for var in self.inputs:
            define(var, "the inputs")
        for number, equation in enumerate(self.equations):
            where = f"equation {number} ({equation.primitive.name})"
            for atom in equation.inputs:
                use(atom, where)
            try:
                freeze(equation.params)
            except TypeError as error:
                raise ProgramError(f"{where} has an unhashable parameter: {error}") from error
            try:
                expected = equation.primitive.types(equation.inputs, equation.params)
            except Exception as error:
                raise ProgramError(f"{where} does not fit its operands: {error}") from error
            if expected != tuple(var.type for var in equation.outputs):
                found = ", ".join(str(var.type) for var in equation.outputs)
                wanted = ", ".join(map(str, expected))
                raise ProgramError(f"{where} is declared {found}, but its primitive gives {wanted}")
            for var in equation.outputs:
                define(var, where)
        for atom in self.outputs:
            use(atom, "the outputs")
        return self

    def names(self) -> dict[Var, str]:
        """A name for every variable, in order of first appearance."""
        fresh = variable_names()
        names: dict[Var, str] = {}
        for var in self.inputs:
            names.setdefault(var, next(fresh))
        for equation in self.equations:
            for atom in (*equation.inputs, *equation.outputs):
                if isinstance(atom, Var) and atom not in names:
                    names[atom] = next(fresh)
        for atom in self.outputs:
            if isinstance(atom, Var) and atom not in names:
                names[atom] = next(fresh)
        return names

    def key(self) -> Hashable:
        """Equal for Programs that differ in variable names only."""
        if not self._key:
            numbers: dict[Var, int] = {}

            def canonical(atom: Atom) -> Hashable:
                if isinstance(atom, Var):
                    return numbers.setdefault(atom, len(numbers))
                return ("literal", atom.key())

            inputs = tuple((canonical(var), var.type) for var in self.inputs)
            equations = tuple(
                (
                    equation.primitive.name,
                    tuple(canonical(atom) for atom in equation.inputs),
                    freeze(equation.params),
                    tuple((canonical(var), var.type) for var in equation.outputs),
                )
                for equation in self.equations
            )
            outputs = tuple(canonical(atom) for atom in self.outputs)
            self._key.append((inputs, equations, outputs))
        return self._key[0]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Program) and self.key() == other.key()

    def __hash__(self) -> int:
        return hash(self.key())

    def __str__(self) -> str:
        names = self.names()

        def show(atom: Atom) -> str:
            return names[atom] if isinstance(atom, Var) else repr(atom)

        rows: list[tuple[str, str, str]] = []
        inside: list[list[str]] = []
        for equation in self.equations:
            left = ", ".join(names[var] for var in equation.outputs)
            types = ", ".join(str(var.type) for var in equation.outputs)
            operands = [show(atom) for atom in equation.inputs]
            rows.append((left, types, equation.primitive.formula(operands, equation.params)))
            inside.append(_indented(equation.primitive.programs(equation.params)))
        plain = [row for row, nested in zip(rows, inside, strict=True) if not nested]
        left_width = max((len(row[0]) for row in plain), default=0)
        type_width = max((len(row[1]) for row in plain), default=0)
        head = ", ".join(f"{names[var]}: {var.type}" for var in self.inputs)
        lines = [f"program({head}):"]
        for (left, types, formula), nested in zip(rows, inside, strict=True):
            lines.append(f"    {left + ':':<{left_width + 1}} {types:<{type_width}} = {formula}")
            lines.extend(nested)
        lines.append(f"    return {', '.join(map(show, self.outputs)) or 'nothing'}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)
