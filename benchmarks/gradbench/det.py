"""det: a determinant by expansion by minors, all ℓ! terms of it, and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert as wg

from .task import Task, array, compiled


def determinant(matrices: Any) -> Any:
    """The determinants of a stack of square matrices, each expanded along its first row.

    The minors of all matrices of the stack are expanded at once, as one greater stack.
    """
    size = matrices.shape[-1]
    if size == 1:
        return matrices[..., 0, 0]
    others = np.array([[c for c in range(size) if c != j] for j in range(size)])
    minors = np.swapaxes(matrices[..., 1:, others], -3, -2)
    signs = (-1.0) ** np.arange(size)
    return np.sum(signs * matrices[..., 0, :] * determinant(minors), axis=-1)


def _read(given: Any) -> tuple[Any, ...]:
    return (array(given["A"]).reshape(given["ell"], given["ell"]),)


FUNCTIONS = {
    "primal": Task(compiled(determinant), _read),
    "gradient": Task(compiled(wg.grad(determinant)), _read, lambda found: found.ravel().tolist()),
}
