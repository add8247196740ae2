"""The code of one element of an elementwise equation.

A primitive's lowering is a fact of its declaration (``lower``): the name of a function in the
tables of ``floats`` and ``integers``, which by default is the primitive's own; or a formula in
simpler primitives, which is recorded once for each combination of dtypes. Operands are converted to
the dtypes in which NumPy's loop computes.

Known to be weak: float16 has no code. Complex numbers are their parts here, see ``complexes``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..kinds import Elementwise
from ..primitive import Operand, Primitive, Rule, promote, promotion
from ..primitives import arithmetic, logic, shape
from ..program import Equation, Literal, Type, Var
from ..recorder import record
from .emit import Code, constant, is_compiled, register
from .floats import FLOATS
from .integers import BOOLEANS, INTEGERS, mixed
from .numbers import BOOL, Numbers, converted

__all__ = ["lowerable", "operand_dtypes", "scalar"]

DType = np.dtype[Any]

_TABLES: Mapping[str, Mapping[str, Callable[..., str]]] = {
    "f": FLOATS,
    "i": INTEGERS,
    "u": INTEGERS,
    "b": BOOLEANS,
}


def operand_dtypes(equation: Equation) -> tuple[DType, ...]:
    """The dtypes of the operands; of a Python number the one that it has among the others."""
    primitive, operands = equation.primitive, equation.inputs
    dtypes = [operand.type.dtype for operand in operands]
    if not any(isinstance(operand, Literal) for operand in operands):
        return tuple(dtypes)
    weak = [isinstance(promotion(operand), type) for operand in operands]
    if not any(weak):
        return tuple(dtypes)
    chosen = list(_loop_of_operands(primitive, operands))
    return tuple(c if w else d for c, d, w in zip(chosen, dtypes, weak, strict=True))


def _loop_of_operands(primitive: Primitive, operands: Sequence[Operand]) -> Sequence[DType]:
    ufunc = primitive.ufunc if isinstance(primitive, Elementwise) else None
    if ufunc is not None:
        return ufunc.resolve_dtypes((*map(promotion, operands), None))[:-1]
    if primitive is logic.select:
        return (BOOL, *[promote(operands[1:])] * 2)
    return [promote(operands)] * len(operands)


# -- how an equation is written --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Recipe:
    """Convert the operands to the dtypes of a loop, and write a rule or a formula."""

    loop: tuple[DType, ...]
    rule: Callable[..., str] | _Formula

    def write(self, code: Code, operands: Sequence[str], dtypes: Sequence[DType]) -> str:
        """The register of the result."""
        given = [
            converted(code, x, source, target)
            for x, source, target in zip(operands, dtypes, self.loop, strict=True)
        ]
        if isinstance(self.rule, _Formula):
            return self.rule.write(code, given)
        return self.rule(Numbers(code, self.loop[0]), *given)


@dataclass(frozen=True, slots=True)
class _Step:
    """An equation of a formula: its operands are variables or constants."""

    recipe: _Recipe
    operands: tuple[Var | str, ...]
    dtypes: tuple[DType, ...]
    out: Var


@dataclass(frozen=True, slots=True)
class _Formula:
    """A Program of elementwise equations of numbers, ready to be written."""

    inputs: tuple[Var, ...]
    steps: tuple[_Step, ...]
    result: Var

    def write(self, code: Code, operands: Sequence[str]) -> str:
        """The register of the result."""
        registers: dict[Var | str, str] = dict(zip(self.inputs, operands, strict=True))
        for step in self.steps:
            given = [registers.get(operand, str(operand)) for operand in step.operands]
            registers[step.out] = step.recipe.write(code, given, step.dtypes)
        return registers[self.result]


@lru_cache(maxsize=4096)
def _recipe(
    primitive: Primitive, dtypes: tuple[DType, ...], out: DType, params: tuple[Any, ...]
) -> _Recipe | None:
    """How one element is written; None if it cannot be."""
    if any(not is_compiled(dtype) for dtype in (*dtypes, out)):
        return None
    if primitive in _PARTS:
        return _Recipe(dtypes, _PARTS[primitive]) if dtypes == (out,) else None
    if primitive is shape.convert:
        return _Recipe((out,), _same)
    if primitive is logic.select:
        return _Recipe((BOOL, out, out), _choose(out))
    found = _loop(primitive, dtypes)
    if found is None or any(not is_compiled(dtype) for dtype in found[0]):
        return None
    loop, result = found
    if callable(primitive.lower):
        return _formula(primitive.lower, loop, out, dict(params))
    rule = _tabulated(primitive.lower or primitive.name, loop)
    return None if rule is None or result != out else _Recipe(loop, rule)


def _loop(
    primitive: Primitive, dtypes: tuple[DType, ...]
) -> tuple[tuple[DType, ...], DType] | None:
    """The dtypes in which NumPy computes: of the operands, and of the result."""
    ufunc = primitive.ufunc if isinstance(primitive, Elementwise) else None
    if ufunc is None:
        common = np.result_type(*dtypes)
        return (common,) * len(dtypes), common
    try:
        *loop, result = ufunc.resolve_dtypes((*dtypes, None))
    except TypeError:
        return None
    if primitive is arithmetic.ldexp:
        loop[1] = np.dtype(np.int64)
    return tuple(loop), result


def _tabulated(name: str, loop: tuple[DType, ...]) -> Callable[..., str] | None:
    if {dtype.kind for dtype in loop} == {"i", "u"}:
        return lambda n, x, y: mixed(n, name, x, y)
    return _TABLES[loop[0].kind].get(name)


def _formula(
    formula: Rule, loop: tuple[DType, ...], out: DType, params: Mapping[str, Any]
) -> _Recipe | None:
    types = [Type((), dtype) for dtype in loop]
    try:
        program, captures = record(lambda *operands: [formula(*operands, **params)], types)
    except TypeError:  # an operation that NumPy does not have for these dtypes
        return None
    (result,) = program.outputs
    steps = [_step(equation) for equation in program.equations]
    known = [step for step in steps if step is not None]
    if captures or isinstance(result, Literal) or result.type != Type((), out):
        return None
    if len(known) < len(steps):
        return None
    return _Recipe(loop, _Formula(program.inputs, tuple(known), result))


def _step(equation: Equation) -> _Step | None:
    dtypes = operand_dtypes(equation)
    (out,) = equation.outputs
    recipe = _found(equation, dtypes, out.type.dtype)
    operands = tuple(
        constant(atom.value, dtype) if isinstance(atom, Literal) else atom
        for atom, dtype in zip(equation.inputs, dtypes, strict=True)
    )
    return None if recipe is None else _Step(recipe, operands, dtypes, out)


def _same(n: Numbers, x: str) -> str:
    return x


def _choose(out: DType) -> Callable[..., str]:
    return lambda n, condition, x, y: n.code.select(condition, register(out), x, y)


_PARTS: Mapping[Primitive, Callable[..., str]] = {
    arithmetic.real: _same,
    arithmetic.conjugate: _same,
    arithmetic.imag: lambda n, x: n.number(0),
}
"""Of real numbers."""


# -- the interface ---------------------------------------------------------------------------------


def lowerable(equation: Equation, dtypes: Sequence[DType], out: DType) -> bool:
    """Whether ``scalar`` can write the code of an equation.

    Parameters: as of ``scalar``.
    """
    return _found(equation, tuple(dtypes), out) is not None


def _found(equation: Equation, dtypes: tuple[DType, ...], out: DType) -> _Recipe | None:
    """How an equation is written, also in view of its constants."""
    params = tuple(sorted(equation.params.items())) if equation.params else ()
    recipe = _recipe(equation.primitive, dtypes, out, params)
    if recipe is None or _raises(equation, dtypes):
        return None
    fits = all(_fits(atom, dtype) for atom, dtype in zip(equation.inputs, dtypes, strict=True))
    return recipe if fits else None


def _raises(equation: Equation, dtypes: Sequence[DType]) -> bool:
    """Whether NumPy may refuse the operands: integers to powers that can be negative."""
    if equation.primitive is not arithmetic.power or not all(d.kind in "iub" for d in dtypes):
        return False
    exponent = equation.inputs[1]
    if isinstance(exponent, Literal):
        value = np.asarray(exponent.value)
        return value.size != 1 or bool((value < 0).all())
    return dtypes[1].kind == "i"


def _fits(atom: Operand, dtype: DType) -> bool:
    """Whether a Python integer is one of a dtype. NumPy refuses others, or compares with them."""
    if not isinstance(atom, Literal) or dtype.kind not in "iu" or type(atom.value) is not int:
        return True
    info = np.iinfo(dtype)
    return int(info.min) <= atom.value <= int(info.max)


def scalar(
    equation: Equation, code: Code, operands: Sequence[str], dtypes: Sequence[DType], out: DType
) -> str | None:
    """The register of one element of an equation's result, or None if there is no code for it.

    Parameters: ``operands``, registers or constants; ``dtypes``, theirs (``operand_dtypes``);
    ``out``, the dtype of the result.
    """
    dtypes = tuple(dtypes)
    recipe = _found(equation, dtypes, out)
    return None if recipe is None else recipe.write(code, operands, dtypes)
