"""Programs without complex numbers, from Programs with them: each complex value becomes two real.

A complex value of shape S has one or both of two forms. As *parts* it is two values of shape S, its
real and its imaginary part, with which native code computes. *Woven* it is one real value of shape
(*S, 2), in the memory of which real and imaginary parts alternate, as they do in a complex array.
The inputs and outputs of the whole Program are woven, so that callers hand over complex arrays as
they are; the body of a loop takes and gives parts. A form is written where something asks for it:
parts of a woven value are slices, and a woven value joins its parts along its last axis.

An equation with no rule is called out to the evaluator by ``woven_call``, which makes complex
numbers of woven operands. Between two of those nothing is taken apart.

Functions of numbers are in ``complex_functions``; ``complex_arrays`` and ``complex_loops`` hold the
rules of the other primitives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..kinds import Elementwise, mul0
from ..primitive import Operand, Primitive, promote, promotion
from ..primitives import arithmetic, elementary, index, shape
from ..primitives.woven import is_complex, part_of, weave, woven_call, woven_type
from ..program import Atom, Equation, Literal, Program, Type, Var
from ..recorder import record
from ..transforms.simplify import simplify
from .complex_functions import COMPLEX, PARTWISE, added_zero, real_power, turned, whole_power
from .complex_mathematics import CMATH

__all__ = ["Parts", "Splitter", "has_complex", "rule", "split"]

DType = np.dtype[Any]

DOUBLE = np.dtype(np.float64)

Found = Sequence["Parts | Atom"]
"""What the results of an equation become; a real one stays what it is."""

Rule = Callable[["Splitter", Equation], "Found | None"]
RULES: dict[Primitive, Rule] = {}


def rule(*primitives: Primitive) -> Callable[[Rule], Rule]:
    """Decorator: this function takes the equations of these primitives apart.

    It gives None for those that it cannot, which are called out.
    """

    def enter(made: Rule) -> Rule:
        RULES.update(dict.fromkeys(primitives, made))
        return made

    return enter


@dataclass(frozen=True, slots=True)
class Parts:
    """The real and the imaginary part of a value. An imaginary part of None is 0.0 everywhere.

    Of a ``turning`` value it is known that the real part is 0, or NaN and the imaginary part not
    finite; so that its exponential is that of its imaginary part alone.
    """

    real: Atom
    imag: Atom | None
    turning: bool = False


# -- which values are complex ----------------------------------------------------------------------


def _touches(equation: Equation) -> bool:
    """Whether complex values go into an equation, or come out of it."""
    return any(is_complex(atom.type.dtype) for atom in (*equation.inputs, *equation.outputs))


def has_complex(program: Program) -> bool:
    """Whether there are complex values in a Program, or in those inside of it."""
    if any(is_complex(atom.type.dtype) for atom in (*program.inputs, *program.outputs)):
        return True
    return any(
        _touches(e) or any(has_complex(p) for _, p in e.primitive.programs(e.params))
        for e in program.equations
    )


# -- the transform ---------------------------------------------------------------------------------


def split(program: Program) -> Program:
    """The Program with woven inputs and outputs for complex ones, and no complex values inside.

    Example:
        >>> import wengert as wg
        >>> print(split(wg.trace(lambda z: z * 2)(1j)))
        program(a: f64[2]):
            b: f64    = slice(a, index=(0,))
            c: f64    = slice(a, index=(1,))
            d: f64    = b * 2.0
            e: f64    = c * 0.0
            f: f64    = d - e
            g: f64    = b * 0.0
            h: f64    = c * 2.0
            i: f64    = g + h
            j: f64[1] = reshape(f, shape=(1,))
            k: f64[1] = reshape(i, shape=(1,))
            l: f64[2] = concatenate(j, k, axis=0)
            return l
    """
    splitter = Splitter()
    inputs = tuple(map(splitter.woven_input, program.inputs))
    splitter.run(program)
    outputs = tuple(map(splitter.whole, program.outputs))
    return Program(inputs, tuple(splitter.equations), outputs)


@lru_cache(maxsize=1024)
def _recorded(function: Callable[..., Any], dtypes: tuple[DType, ...], *params: Any) -> Program:
    """A function of numbers as a Program."""
    types = [Type((), dtype) for dtype in dtypes]
    return simplify(record(lambda *operands: list(function(*operands, *params)), types)[0])


class Splitter:
    """The equations written so far, and what each variable of the old Program has become."""

    def __init__(self) -> None:
        self.equations: list[Equation] = []
        self.atoms: dict[Var, Atom] = {}
        """Of real variables."""
        self.parted: dict[Var, Parts] = {}
        self.woven: dict[Var, Atom] = {}
        """Woven forms that were there first: of inputs, of views of them, of what is called out."""
        self._weaving: dict[Var, Atom] = {}

    # -- inputs ----------------------------------------------------------------------------------

    def woven_input(self, var: Var) -> Var:
        """A new input for an old one."""
        if not is_complex(var.type.dtype):
            return var
        made = Var(woven_type(var.type))
        self.woven[var] = made
        return made

    def parted_input(self, var: Var) -> tuple[Var, ...]:
        """One or two new inputs for an old one."""
        if not is_complex(var.type.dtype):
            return (var,)
        kind = Type(var.type.shape, part_of(var.type.dtype))
        real, imag = Var(kind), Var(kind)
        self.parted[var] = Parts(real, imag)
        return real, imag

    # -- writing ---------------------------------------------------------------------------------

    def add(self, primitive: Primitive, *inputs: Atom, **params: Any) -> Var:
        """A new equation with one result."""
        (type,) = primitive.types(inputs, params)
        var = Var(type)
        self.equations.append(Equation(primitive, inputs, params, (var,)))
        return var

    def function(
        self, function: Callable[..., Any], operands: Sequence[Atom], *params: Any
    ) -> tuple[Atom, ...]:
        """A function of numbers, of each element of the operands."""
        program = _recorded(function, tuple(atom.type.dtype for atom in operands), *params)
        known: dict[Atom, Atom] = dict(zip(program.inputs, operands, strict=True))
        for equation in program.equations:
            inputs = [known.get(atom, atom) for atom in equation.inputs]
            known[equation.outputs[0]] = self.add(equation.primitive, *inputs, **equation.params)
        return tuple(known.get(atom, atom) for atom in program.outputs)

    def converted(self, atom: Atom, dtype: DType) -> Atom:
        """A real value as another dtype."""
        if isinstance(atom, Literal):
            return atom if atom.type.dtype == dtype and not atom.weak else _literal(atom, dtype)
        return atom if atom.type.dtype == dtype else self.add(shape.convert, atom, dtype=dtype)

    def spread(self, atom: Atom, lengths: tuple[int, ...]) -> Atom:
        """A value broadcast to a shape."""
        if atom.type.shape == lengths:
            return atom
        return self.add(shape.broadcast, atom, shape=lengths)

    # -- the forms of a value --------------------------------------------------------------------

    def real(self, atom: Atom) -> Atom:
        """A value that is not complex."""
        return self.atoms.get(atom, atom) if isinstance(atom, Var) else atom

    def parts(self, atom: Atom, dtype: DType | None = None) -> Parts:
        """The parts of a value, complex or not, as numbers of a dtype (that of a part)."""
        if not is_complex(atom.type.dtype):
            real = self.real(atom)
            return Parts(real if dtype is None else self.converted(real, dtype), None)
        found = self._taken_apart(atom)
        if dtype is None or found.real.type.dtype == dtype:
            return found
        imag = None if found.imag is None else self.converted(found.imag, dtype)
        return Parts(self.converted(found.real, dtype), imag, found.turning)

    def _taken_apart(self, atom: Atom) -> Parts:
        if isinstance(atom, Literal):
            real, imag = np.array(np.real(atom.value)), np.array(np.imag(atom.value))
            zero = not np.any(imag) and not np.any(np.signbit(imag))
            return Parts(Literal(real[()]), None if zero else Literal(imag[()]), not np.any(real))
        found = self.parted.get(atom)
        if found is None:
            items = (slice(None),) * atom.type.ndim
            real, imag = (
                self.add(index.slice_, self.woven[atom], index=(*items, k)) for k in (0, 1)
            )
            found = self.parted[atom] = Parts(real, imag)
        return found

    def imaginary(self, parts: Parts) -> Atom:
        """The imaginary part, as an operand that may have to be broadcast."""
        return Literal(parts.real.type.dtype.type(0)) if parts.imag is None else parts.imag

    def both(self, parts: Parts) -> tuple[Atom, Atom]:
        """Both parts, of the same shape."""
        return parts.real, self.spread(self.imaginary(parts), parts.real.type.shape)

    def whole(self, atom: Atom) -> Atom:
        """The woven form of a complex value; a real one as it is."""
        if not is_complex(atom.type.dtype):
            return self.real(atom)
        if isinstance(atom, Literal):
            return Literal(weave(atom.value))
        found = self.woven.get(atom) or self._weaving.get(atom)
        if found is None:
            lengths = atom.type.shape
            parts = [
                self.add(shape.reshape, part, shape=(*lengths, 1))
                for part in self.both(self.parted[atom])
            ]
            found = self.add(shape.concatenate, *parts, axis=len(lengths))
            self._weaving[atom] = found
        return found

    # -- equations -------------------------------------------------------------------------------

    def run(self, program: Program) -> None:
        """Write the equations of a Program of which all inputs are known."""
        for equation in program.equations:
            nested = any(has_complex(p) for _, p in equation.primitive.programs(equation.params))
            if not _touches(equation) and not nested:
                inputs = tuple(map(self.real, equation.inputs))
                made = Equation(equation.primitive, inputs, equation.params, equation.outputs)
                self.equations.append(made)
                continue
            found = self._found(equation)
            if found is None:
                self._call_out(equation)
                continue
            for var, value in zip(equation.outputs, found, strict=True):
                self._enter(var, value)

    def _found(self, equation: Equation) -> Found | None:
        made = RULES.get(equation.primitive)
        if made is not None:
            return made(self, equation)
        if isinstance(equation.primitive, Elementwise):
            return self._elementwise(equation)
        return None

    def _enter(self, var: Var, value: Parts | Atom) -> None:
        """Note what a variable has become, in its own shape."""
        lengths = var.type.shape
        if not isinstance(value, Parts):
            if is_complex(var.type.dtype):
                self.woven[var] = value
            else:
                self.atoms[var] = self.converted(self.spread(value, lengths), var.type.dtype)
            return
        dtype = part_of(var.type.dtype)
        real, imag = (
            None if part is None else self.converted(self.spread(part, lengths), dtype)
            for part in (value.real, value.imag)
        )
        assert real is not None
        self.parted[var] = Parts(real, imag, value.turning)

    def _call_out(self, equation: Equation) -> None:
        """Let the evaluator run an equation on complex numbers."""
        given = tuple(dict.fromkeys(a for a in equation.inputs if isinstance(a, Var)))
        program = Program(given, (equation,), equation.outputs)
        outputs = tuple(Var(woven_type(var.type)) for var in equation.outputs)
        inputs = tuple(map(self.whole, given))
        self.equations.append(Equation(woven_call, inputs, {"program": program}, outputs))
        for var, made in zip(equation.outputs, outputs, strict=True):
            (self.woven if is_complex(var.type.dtype) else self.atoms)[var] = made

    # -- functions of numbers --------------------------------------------------------------------

    def operands(self, equation: Equation) -> list[Parts] | None:
        """The operands of an elementwise equation, in the dtype in which NumPy computes."""
        dtype = _loop(equation.primitive, equation.inputs)
        if dtype is None or not is_complex(dtype):
            return None
        return [self.parts(atom, part_of(dtype)) for atom in equation.inputs]

    def of_numbers(
        self, function: Callable[..., Any], operands: Sequence[Parts], *params: Any
    ) -> Parts | Atom:
        """A function of the parts of its operands."""
        given = [part for each in operands for part in (each.real, self.imaginary(each))]
        found = self.function(function, given, *params)
        return found[0] if len(found) == 1 else Parts(found[0], found[1])

    def _elementwise(self, equation: Equation) -> Found | None:
        primitive = equation.primitive
        if equation.primitive.name in CMATH:
            given = [self.parts(atom, DOUBLE) for atom in equation.inputs]
            return [self.of_numbers(CMATH[equation.primitive.name], given)]
        operands = self.operands(equation)
        if operands is None:
            return None
        special = _SPECIAL.get(primitive)
        found = None if special is None else special(self, equation, operands)
        if found is not None:
            return [found]
        name = primitive.lower if isinstance(primitive.lower, str) else primitive.name
        if name in PARTWISE:
            return [self._partwise(primitive, operands)]
        if name in COMPLEX:
            return [self.of_numbers(COMPLEX[name], operands)]
        return self._formula(equation) if callable(primitive.lower) else None

    def _partwise(self, primitive: Primitive, operands: Sequence[Parts]) -> Parts:
        real = self.add(primitive, *(each.real for each in operands))
        turning = all(each.turning for each in operands)
        if all(each.imag is None for each in operands) and primitive is not arithmetic.negative:
            return Parts(real, None, turning)
        imag = self.add(primitive, *map(self.imaginary, operands))
        return Parts(real, imag, turning)

    def _formula(self, equation: Equation) -> Found | None:
        """A primitive that is lowered by a formula in others."""
        (out,) = equation.outputs
        formula = equation.primitive.lower
        types = [Type((), atom.type.dtype) for atom in equation.inputs]
        assert callable(formula)
        try:
            program, captures = record(lambda *operands: [formula(*operands)], types)
        except TypeError:  # an operation that NumPy does not have for these dtypes
            return None
        (result,) = program.outputs
        weak = any(isinstance(atom, Literal) and atom.weak for atom in equation.inputs)
        if captures or weak or result.type.dtype != out.type.dtype or isinstance(result, Literal):
            return None
        known: dict[Atom, Atom] = dict(zip(program.inputs, equation.inputs, strict=True))
        equations: list[Equation] = []
        for each in program.equations:
            inputs = tuple(known.get(atom, atom) for atom in each.inputs)
            (type,) = each.primitive.types(inputs, each.params)
            known[each.outputs[0]] = made = Var(type)
            equations.append(Equation(each.primitive, inputs, each.params, (made,)))
        self.run(Program((), tuple(equations), ()))
        result = known[result]
        return [self.parts(result) if is_complex(out.type.dtype) else self.real(result)]


def _literal(atom: Literal, dtype: DType) -> Literal:
    with np.errstate(all="ignore"):
        return Literal(np.asarray(atom.value).astype(dtype)[()])


def _loop(primitive: Primitive, operands: Sequence[Operand]) -> DType | None:
    """The dtype to which NumPy converts the operands before it computes."""
    ufunc = primitive.ufunc if isinstance(primitive, Elementwise) else None
    if ufunc is None:
        return promote(operands)
    try:
        loop = ufunc.resolve_dtypes((*map(promotion, operands), None))
    except TypeError:
        return None
    return np.result_type(*loop[: len(operands)])


# -- where more is known of an operand -------------------------------------------------------------

Special = Callable[[Splitter, Equation, Sequence[Parts]], "Parts | None"]
_SPECIAL: dict[Primitive, Special] = {}


def _special(*primitives: Primitive) -> Callable[[Special], Special]:
    def enter(made: Special) -> Special:
        _SPECIAL.update(dict.fromkeys(primitives, made))
        return made

    return enter


@_special(arithmetic.add)
def _add(splitter: Splitter, equation: Equation, operands: Sequence[Parts]) -> Parts | None:
    """A real number and a complex one: 0.0 is added to the imaginary part."""
    one, other = operands
    if (one.imag is None) == (other.imag is None):
        return None
    real = splitter.add(arithmetic.add, one.real, other.real)
    (imag,) = splitter.function(added_zero, [one.imag or splitter.imaginary(other)])
    return Parts(real, imag)


@_special(arithmetic.multiply, mul0)
def _multiply(splitter: Splitter, equation: Equation, operands: Sequence[Parts]) -> Parts | None:
    """A constant that is finite and nowhere zero absorbs nothing."""
    tame = equation.primitive is arithmetic.multiply or any(map(_tame, equation.inputs))
    function = COMPLEX["multiply" if tame else "mul0"]
    found = splitter.of_numbers(function, operands)
    assert isinstance(found, Parts)
    one, other = operands
    turning = (one.imag is None and other.turning) or (other.imag is None and one.turning)
    return Parts(found.real, found.imag, turning)


def _tame(atom: Atom) -> bool:
    if not isinstance(atom, Literal):
        return False
    value = np.asarray(atom.value)
    return bool(np.all(np.isfinite(value) & (value != 0)))


@_special(arithmetic.divide)
def _divide(splitter: Splitter, equation: Equation, operands: Sequence[Parts]) -> Parts | None:
    one, other = operands
    found = splitter.of_numbers(COMPLEX["divide"], operands)
    assert isinstance(found, Parts)
    return Parts(found.real, found.imag, one.turning and other.imag is None)


@_special(elementary.exp)
def _exp(splitter: Splitter, equation: Equation, operands: Sequence[Parts]) -> Parts | None:
    (x,) = operands
    if not x.turning:
        return None
    cos, sin = splitter.function(turned, [splitter.imaginary(x)])
    return Parts(cos, sin)


@_special(arithmetic.power)
def _power(splitter: Splitter, equation: Equation, operands: Sequence[Parts]) -> Parts | None:
    """Real exponents: those that are whole mean products."""
    base, exponent = operands
    if exponent.imag is not None:
        return None
    number = _number(exponent.real)
    if number is None:
        given = [base.real, splitter.imaginary(base), exponent.real]
        real, imag = splitter.function(real_power, given)
        return Parts(real, imag)
    if number == 0.5:
        found = splitter.of_numbers(COMPLEX["sqrt"], operands[:1])
    elif number == -1:
        found = splitter.of_numbers(COMPLEX["reciprocal"], operands[:1])
    elif number and abs(number) < 100 and number.is_integer():
        found = splitter.of_numbers(whole_power, operands[:1], int(number))
    else:
        return None
    return found if isinstance(found, Parts) else None


def _number(atom: Atom) -> float | None:
    """The number that all elements of a constant are."""
    value = np.asarray(atom.value).reshape(-1) if isinstance(atom, Literal) else np.empty(0)
    return float(value[0]) if value.size and np.all(value == value[0]) else None
