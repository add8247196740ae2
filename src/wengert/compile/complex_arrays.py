"""Parts of complex arrays, sums and products of them: the rules of ``complexes`` for those."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ..control.scan import scan_primitive
from ..primitives import arithmetic, contract, index, logic, reduce, shape
from ..primitives.guard import guard
from ..primitives.woven import is_complex, part_of
from ..program import Atom, Equation, Literal, Program, Type, Var
from .complex_functions import COMPLEX
from .complexes import Found, Parts, Splitter, rule

__all__: list[str] = []

_multiply = COMPLEX["multiply"]
_nonzero = COMPLEX["not_equal"]

# -- other ways to read a value --------------------------------------------------------------------


@rule(shape.reshape, shape.transpose, shape.broadcast, index.slice_)
def _view(splitter: Splitter, equation: Equation) -> Found | None:
    """A view of the woven form, where that is what there is; it stays one array in memory."""
    (x,) = equation.inputs
    primitive, params = equation.primitive, equation.params
    base = splitter.woven.get(x) if isinstance(x, Var) else None
    if base is None:
        return _each(splitter, equation)
    rank = x.type.ndim
    if primitive is shape.transpose:
        return [splitter.add(primitive, base, axes=(*params["axes"], rank))]
    if primitive is index.slice_:
        taken = sum(item is not None for item in params["index"])
        rest = (slice(None),) * (rank - taken + 1)
        return [splitter.add(primitive, base, index=(*params["index"], *rest))]
    lengths = params["shape"]
    if primitive is shape.broadcast:
        ones = (1,) * (len(lengths) - rank)
        base = splitter.add(shape.reshape, base, shape=(*ones, *base.type.shape))
    return [splitter.add(primitive, base, shape=(*lengths, 2))]


@rule(shape.pad, index.gather, reduce.sum_, reduce.cumsum, arithmetic.round_)
def _each(splitter: Splitter, equation: Equation) -> Found | None:
    """What works on the real parts as it does on the imaginary ones."""
    x, *others = equation.inputs
    parts = splitter.parts(x)
    rest = [splitter.real(atom) for atom in others]
    found = [
        None if part is None else splitter.add(equation.primitive, part, *rest, **equation.params)
        for part in (parts.real, parts.imag)
    ]
    assert found[0] is not None
    return [Parts(found[0], found[1], parts.turning)]


@rule(arithmetic.real)
def _real(splitter: Splitter, equation: Equation) -> Found:
    return [splitter.parts(equation.inputs[0]).real]


@rule(arithmetic.imag)
def _imag(splitter: Splitter, equation: Equation) -> Found:
    return [splitter.imaginary(splitter.parts(equation.inputs[0]))]


@rule(arithmetic.join)
def _join(splitter: Splitter, equation: Equation) -> Found:
    real, imag = (splitter.real(atom) for atom in equation.inputs)
    return [Parts(splitter.spread(real, equation.outputs[0].type.shape), imag)]


@rule(arithmetic.conjugate)
def _conjugate(splitter: Splitter, equation: Equation) -> Found:
    parts = splitter.parts(equation.inputs[0])
    imag = splitter.add(arithmetic.negative, splitter.imaginary(parts))
    return [Parts(parts.real, imag, parts.turning)]


@rule(shape.convert)
def _convert(splitter: Splitter, equation: Equation) -> Found | None:
    (x,), (out,) = equation.inputs, equation.outputs
    dtype = out.type.dtype
    if "g" in (x.type.dtype.char.lower(), dtype.char.lower()):
        return None
    if dtype.kind == "b":
        return [_truth(splitter, x)]
    parts = splitter.parts(x, part_of(dtype))
    return [parts if is_complex(dtype) else parts.real]


@rule(guard)
def _guard(splitter: Splitter, equation: Equation) -> Found:
    value, expected = (splitter.whole(atom) for atom in equation.inputs)
    splitter.equations.append(Equation(guard, (value, expected), {}, ()))
    return []


# -- several arrays --------------------------------------------------------------------------------


def _values(splitter: Splitter, equation: Equation, values: Sequence[Atom]) -> list[Parts]:
    dtype = part_of(equation.outputs[0].type.dtype)
    return [splitter.parts(value, dtype) for value in values]


@rule(logic.select)
def _select(splitter: Splitter, equation: Equation) -> Found:
    condition, *values = equation.inputs
    chosen = (_truth if is_complex(condition.type.dtype) else Splitter.real)(splitter, condition)
    if not is_complex(equation.outputs[0].type.dtype):
        x, y = (splitter.real(value) for value in values)
        return [splitter.add(logic.select, chosen, x, y)]
    one, other = _values(splitter, equation, values)
    real = splitter.add(logic.select, chosen, one.real, other.real)
    turning = one.turning and other.turning
    if one.imag is None and other.imag is None:
        return [Parts(real, None, turning)]
    given = splitter.imaginary(one), splitter.imaginary(other)
    return [Parts(real, splitter.add(logic.select, chosen, *given), turning)]


@rule(shape.concatenate)
def _concatenate(splitter: Splitter, equation: Equation) -> Found:
    parts = _values(splitter, equation, equation.inputs)
    turning = all(each.turning for each in parts)
    real = splitter.add(shape.concatenate, *(each.real for each in parts), **equation.params)
    if all(each.imag is None for each in parts):
        return [Parts(real, None, turning)]
    imag = [splitter.both(each)[1] for each in parts]
    return [Parts(real, splitter.add(shape.concatenate, *imag, **equation.params), turning)]


@rule(index.update, index.scatter_add)
def _write(splitter: Splitter, equation: Equation) -> Found:
    x, part, *arrays = equation.inputs
    places = [splitter.real(atom) for atom in arrays]
    primitive, params = equation.primitive, equation.params
    into, new = _values(splitter, equation, (x, part))
    real = splitter.add(primitive, into.real, new.real, *places, **params)
    if not is_complex(equation.outputs[0].type.dtype):
        return [real]
    if into.imag is None and new.imag is None:
        return [Parts(real, None)]
    before = splitter.both(into)[1]
    return [Parts(real, splitter.add(primitive, before, splitter.both(new)[1], *places, **params))]


# -- reductions ------------------------------------------------------------------------------------


def _truth(splitter: Splitter, x: Atom) -> Atom:
    """Which elements are not zero."""
    zero = Literal(part_of(x.type.dtype).type(0))
    found = splitter.of_numbers(_nonzero, [splitter.parts(x), Parts(zero, zero)])
    assert not isinstance(found, Parts)
    return found


@rule(reduce.every, reduce.some)
@rule(logic.logical_not, logic.logical_and, logic.logical_or, logic.logical_xor)
def _truths(splitter: Splitter, equation: Equation) -> Found:
    given = (
        _truth(splitter, x) if is_complex(x.type.dtype) else splitter.real(x)
        for x in equation.inputs
    )
    return [splitter.add(equation.primitive, *given, **equation.params)]


def _product(splitter: Splitter, one: Parts, other: Parts) -> Parts:
    found = splitter.of_numbers(_multiply, [one, other])
    assert isinstance(found, Parts)
    return found


def _apply(splitter: Splitter, parts: Parts, function: Callable[[Atom], Atom]) -> Parts:
    """A function of each part, which are made to have the same shape."""
    real, imag = map(function, splitter.both(parts))
    return Parts(real, imag)


@rule(reduce.prod)
def _prod(splitter: Splitter, equation: Equation) -> Found:
    """Halves are multiplied by each other until one is left."""
    (x,) = equation.inputs
    axes = equation.params["axes"]
    out = equation.outputs[0].type
    kept = [axis for axis in range(x.type.ndim) if axis not in axes]
    length = math.prod(x.type.shape[axis] for axis in axes)
    if not length:
        one = Literal(part_of(out.dtype).type(1))
        return [Parts(splitter.spread(one, out.shape), None)]

    def flat(part: Atom) -> Atom:
        moved = splitter.add(shape.transpose, part, axes=(*axes, *kept))
        return splitter.add(shape.reshape, moved, shape=(length, *out.shape))

    parts = _apply(splitter, splitter.parts(x), flat)
    while length > 1:
        half = length // 2
        ends = (slice(0, half), slice(half, 2 * half), slice(2 * half, length))
        low, high, rest = (_sliced(splitter, parts, end) for end in ends)
        product = _product(splitter, low, high)
        parts = _joined(splitter, product, rest) if length % 2 else product
        length = half + length % 2
    return [_apply(splitter, parts, lambda p: splitter.add(shape.reshape, p, shape=out.shape))]


def _sliced(splitter: Splitter, parts: Parts, part: slice) -> Parts:
    return _apply(splitter, parts, lambda p: splitter.add(index.slice_, p, index=(part,)))


def _joined(splitter: Splitter, one: Parts, other: Parts) -> Parts:
    pairs = zip(splitter.both(one), splitter.both(other), strict=True)
    real, imag = (splitter.add(shape.concatenate, *pair, axis=0) for pair in pairs)
    return Parts(real, imag)


@rule(reduce.cumprod)
def _cumprod(splitter: Splitter, equation: Equation) -> Found:
    """A loop along the axis."""
    (x,) = equation.inputs
    axis = equation.params["axis"]
    parts = splitter.parts(x)
    if x.type.shape[axis] < 2:
        return [parts]
    axes = (axis, *(i for i in range(x.type.ndim) if i != axis))
    back = tuple(int(i) for i in np.argsort(axes))

    def moved(part: Atom) -> Atom:
        return splitter.add(shape.transpose, part, axes=axes)

    parts = _apply(splitter, parts, moved)
    first = _apply(splitter, parts, lambda p: splitter.add(index.slice_, p, index=(0,)))
    rest = _sliced(splitter, parts, slice(1, None))
    type = first.real.type
    program = _multiplying(type)
    inputs = (*splitter.both(first), *splitter.both(rest))
    params = {"program": program, "length": x.type.shape[axis] - 1, "consts": 0, "carries": 2}
    params["reverse"] = False
    outputs = tuple(map(Var, scan_primitive.types(inputs, params)))
    splitter.equations.append(Equation(scan_primitive, inputs, params, outputs))
    begun = _apply(
        splitter, first, lambda p: splitter.add(shape.reshape, p, shape=(1, *type.shape))
    )
    whole = _joined(splitter, begun, Parts(outputs[2], outputs[3]))
    return [_apply(splitter, whole, lambda p: splitter.add(shape.transpose, p, axes=back))]


def _multiplying(type: Type) -> Program:
    """A step of a loop that multiplies: (carry, x) -> (carry x, carry x)."""
    inner = Splitter()
    a, b, c, d = inputs = tuple(Var(type) for _ in range(4))
    found = inner.both(_product(inner, Parts(a, b), Parts(c, d)))
    return Program(inputs, tuple(inner.equations), (*found, *found))


# -- sums of products ------------------------------------------------------------------------------


def _bilinear(
    splitter: Splitter,
    operands: Sequence[Parts],
    product: Callable[[Atom, Atom], Atom],
    touched: Callable[[Atom, int], Atom] | None = None,
) -> Parts:
    """A bilinear product of two operands, as four real ones; as two if one operand is real.

    NumPy gives a real operand imaginary parts of zero, which make NaN of infinities that they
    meet: ``touched(x, place)`` is the product of x, operand ``place``, with zeros.
    """
    one, other = operands
    for place, (real, given) in enumerate(((other, one), (one, other))):
        if real.imag is None and given.imag is not None and touched is not None:
            zero = Literal(given.real.type.dtype.type(0))

            def times(x: Atom, place: int = place, real: Atom = real.real) -> Atom:
                return product(real, x) if place else product(x, real)

            def lost(x: Atom, place: int = place, zero: Atom = zero) -> Atom:
                return touched(splitter.add(arithmetic.multiply, x, zero), place)

            return Parts(
                splitter.add(arithmetic.subtract, times(given.real), lost(given.imag)),
                splitter.add(arithmetic.add, times(given.imag), lost(given.real)),
            )
    (a, b), (c, d) = splitter.both(one), splitter.both(other)
    real = splitter.add(arithmetic.subtract, product(a, c), product(b, d))
    return Parts(real, splitter.add(arithmetic.add, product(a, d), product(b, c)))


@rule(contract.matmul)
def _matmul(splitter: Splitter, equation: Equation) -> Found:
    """Products with a vector are added up element by element, in one loop with what they need."""
    x, y = equation.inputs
    one, other = _values(splitter, equation, (x, y))
    if x.type.ndim == 1 or y.type.ndim == 1:
        axis = -1 if y.type.ndim == 1 else -2
        if axis == -2:
            lengths = (*x.type.shape, 1)
            one = _apply(splitter, one, lambda p: splitter.add(shape.reshape, p, shape=lengths))
        product = _product(splitter, one, other)
        axes = (product.real.type.ndim + axis,)
        return [_apply(splitter, product, lambda p: splitter.add(reduce.sum_, p, axes=axes))]

    # BLAS wants matrices in one piece: a copy of each part, made once.
    one, other = (
        _apply(splitter, each, lambda p: splitter.add(arithmetic.positive, p))
        if isinstance(atom, Var) and atom in splitter.woven
        else each
        for atom, each in zip((x, y), (one, other), strict=True)
    )

    def touched(z: Atom, place: int) -> Atom:
        axis = z.type.ndim - (2 if place else 1)
        lengths = (*z.type.shape[:axis], 1, *z.type.shape[axis + 1 :])
        return splitter.add(
            shape.reshape, splitter.add(reduce.sum_, z, axes=(axis,)), shape=lengths
        )

    def times(p: Atom, q: Atom) -> Atom:
        return splitter.add(contract.matmul, p, q)

    return [_bilinear(splitter, (one, other), times, touched)]


@rule(contract.einsum)
def _einsum(splitter: Splitter, equation: Equation) -> Found | None:
    labels, out = equation.params["labels"], equation.params["out"]
    if len(labels) == 1:
        return _each(splitter, equation)
    if len(labels) > 2:
        return None

    def times(p: Atom, q: Atom) -> Atom:
        return splitter.add(contract.einsum, p, q, **equation.params)

    def touched(z: Atom, place: int) -> Atom:
        letters = labels[place]
        kept = "".join(letter for letter in out if letter in letters)
        total = splitter.add(contract.einsum, z, labels=(letters,), out=kept)
        rest = iter(total.type.shape)
        lengths = tuple(next(rest) if letter in letters else 1 for letter in out)
        return splitter.add(shape.reshape, total, shape=lengths)

    operands = _values(splitter, equation, equation.inputs)
    return [_bilinear(splitter, operands, times, touched)]


@rule(contract.convolve)
def _convolve(splitter: Splitter, equation: Equation) -> Found:
    operands = _values(splitter, equation, equation.inputs)
    return [_bilinear(splitter, operands, lambda p, q: splitter.add(contract.convolve, p, q))]
