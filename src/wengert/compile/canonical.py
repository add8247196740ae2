"""A Program as bytes that say what it computes: what its compiled code is looked up by.

Variables are numbered as they come, and are not written down where they are assigned, as their
order is that of the equations. ``Program.key`` tells the same Programs apart, but is made of
objects; this is made for long Programs, which are written in less time than they were traced in.
"""

from __future__ import annotations

import hashlib
import marshal
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final

import numpy as np

from ..errors import ProgramError
from ..program import Atom, Literal, Program, Type

__all__ = ["canonical"]

_PLAIN: Final = frozenset({int, bool, float, complex, str, bytes, type(None)})
_LARGE: Final = 1 << 12
"""Of constants of more bytes a digest is written."""
_BY_VALUE: Final = 2
"""The version of ``marshal``'s format that does not depend on which values are one object."""

Write = Callable[[Any], None]


def canonical(program: Program) -> bytes:
    """The Program as bytes: others for each other Program, but for the names of variables.

    Raises whatever ``pickle`` does of a parameter that is not known here.

    Example:
        >>> import wengert as wg
        >>> from wengert.compile.canonical import canonical
        >>> one, two, three = (wg.trace(lambda x: c * x)(1.0) for c in (2.0, 2.0, 3.0))
        >>> canonical(one) == canonical(two), canonical(one) == canonical(three)
        (True, False)
    """
    return marshal.dumps(_Writing().program(program), _BY_VALUE)


class _Writing:
    """Writes one Program, with those inside of it, as flat lists of what ``marshal`` knows.

    Flat, since many small objects would set the garbage collector off. ``...`` and a word announce
    what is no plain value.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.named: dict[int, int] = {}
        self.types: list[Any] = []
        self.typed: dict[Type, int] = {}
        self.met: dict[int, int] = {}

    def program(self, program: Program) -> Any:
        """The equations in one list of numbers and parameters, and what the numbers stand for."""
        numbers: dict[Atom, int] = {}
        constants: list[Any] = []
        body: list[Any] = [self.type(var.type) for var in program.inputs]
        numbers.update((var, place) for place, var in enumerate(program.inputs))
        write, named, met, count = body.append, self.named, self.met, len(numbers)

        def new(atom: Atom) -> int:
            """The number of a constant that is met for the first time: from -1 down."""
            if not isinstance(atom, Literal):
                raise ProgramError("a variable is used before it is assigned")
            self.value(atom.value, constants.append)
            number = numbers[atom] = -len(constants)
            return number

        for equation in program.equations:
            primitive, params = equation.primitive, equation.params
            number = named.get(id(primitive))
            write(self.name(primitive) if number is None else number)
            for atom in equation.inputs:
                number = numbers.get(atom)
                write(new(atom) if number is None else number)
            # Names of parameters are no numbers, so it is clear where the operands end.
            for name, value in params.items() if params else ():
                write(name)
                self.value(value, write)
            write(None)
            for var in equation.outputs:
                number = met.get(id(var.type))
                write(self.type(var.type) if number is None else number)
                numbers[var] = count
                count += 1
            write(None)
        outputs = [numbers[atom] if atom in numbers else new(atom) for atom in program.outputs]
        return len(program.inputs), body, outputs, constants, self.names, self.types

    def name(self, primitive: Any) -> int:
        """The number of a primitive's name."""
        self.names.append(primitive.name)
        number = self.named[id(primitive)] = len(self.names) - 1
        return number

    def type(self, type: Type) -> int:
        """The number of a type. Equal ones may be several objects."""
        number = self.met.get(id(type))
        if number is None:
            number = self.typed.setdefault(type, len(self.types))
            if number == len(self.types):
                self.types.append((type.shape, type.dtype.str))
            self.met[id(type)] = number
        return number

    def value(self, value: Any, write: Write) -> None:
        """Write a constant or a parameter."""
        kind = type(value)
        if kind in _PLAIN:
            write(value)
        elif kind is tuple or kind is list:
            self.parts(kind.__name__, value, write)
        elif kind is slice:
            self.parts("slice", (value.start, value.stop, value.step), write)
        elif isinstance(value, (np.ndarray, np.generic)):
            self.array(np.asarray(value), write)
        elif kind is Program:
            self.parts("program", (), write)
            write(self.program(value))
        elif is_dataclass(kind):
            name = f"{kind.__module__}.{kind.__qualname__}"
            self.parts(name, [getattr(value, field.name) for field in fields(kind)], write)
        elif isinstance(value, Mapping):
            self.parts("map", [part for item in value.items() for part in item], write)
        else:
            self.parts("pickle", (pickle.dumps(value, 5),), write)

    def parts(self, word: str, parts: Sequence[Any], write: Write) -> None:
        """Write what consists of parts."""
        write(...)
        write(word)
        write(len(parts))
        for part in parts:
            self.value(part, write)

    def array(self, array: np.ndarray[Any, Any], write: Write) -> None:
        """Write an array: its elements to the bit, or a digest of many."""
        if array.dtype.hasobject:
            self.parts("pickle", (pickle.dumps(array, 5),), write)
        elif array.nbytes <= _LARGE:
            self.parts("array", (array.dtype.str, array.shape, array.tobytes()), write)
        else:
            elements = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            digest = hashlib.blake2b(elements.data).digest()
            self.parts("large", (array.dtype.str, array.shape, digest), write)
