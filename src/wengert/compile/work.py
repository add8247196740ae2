"""How much there is to do: an estimate of the operations on numbers that a Program takes."""

from __future__ import annotations

import math

from ..control.scan import scan_primitive
from ..primitives import contract, determinants, index, linalg, shape, sorting, spectra
from ..program import Equation, Program

__all__ = ["operations"]

_MATRICES = {
    *(linalg.solve, linalg.inv, linalg.cholesky, linalg.qr, linalg.pinv, linalg.matrix_rank),
    *(determinants.det, determinants.slogdet, determinants.cofactor, determinants.cofactor_tangent),
    *(spectra.eigh, spectra.eigvalsh, spectra.eig, spectra.svd, spectra.svdvals),
}
"""Operations of which each element takes about as many as a matrix has rows."""

_SORTING = {sorting.sort, sorting.argsort}

_FREE = {shape.transpose, shape.reshape, shape.broadcast, index.slice_, shape.convert}


def operations(program: Program, unknown: int = 1) -> int:
    """Operations on numbers that one run takes: one for each element that is made or added up.

    A product of matrices counts its products and its sums, a ``scan`` all of its steps; of branches
    the longest counts, of a loop whose steps nobody knows beforehand ``unknown`` steps.

    Example:
        >>> import numpy as np, wengert as wg
        >>> from wengert.compile.work import operations
        >>> operations(wg.trace(lambda x: np.sum(np.exp(x) * x))(np.ones(100)))
        300
    """
    return sum(_of(equation, unknown) for equation in program.equations)


def _of(equation: Equation, unknown: int) -> int:
    primitive, params = equation.primitive, equation.params
    parts = [operations(each, unknown) for _, each in primitive.programs(params)]
    if primitive is scan_primitive:
        return params["length"] * sum(parts)
    if parts:
        return max(parts) if primitive.name == "switch" else unknown * sum(parts)
    if primitive in _FREE or not equation.outputs:
        return 0
    sizes = [atom.type.size for atom in (*equation.inputs, *equation.outputs)]
    if primitive is contract.matmul:
        return 2 * equation.outputs[0].type.size * equation.inputs[0].type.shape[-1]
    if primitive is contract.einsum:
        lengths: dict[str, int] = {}
        for atom, letters in zip(equation.inputs, params["labels"], strict=True):
            for letter, length in zip(letters, atom.type.shape, strict=True):
                lengths[letter] = max(length, lengths.get(letter, 1))
        return len(equation.inputs) * math.prod(lengths.values())
    if primitive in _MATRICES:
        return max(sizes) * equation.inputs[0].type.shape[-1]
    if primitive in _SORTING:
        return max(sizes) * equation.inputs[0].type.shape[params["axis"]].bit_length()
    return max(sizes)
