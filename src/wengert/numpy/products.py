"""Products: matmul, dot, tensordot, outer, ..."""

from __future__ import annotations

import numpy as np

from ..primitives.contract import matmul as matmul_primitive
from ..program import Array
from ..trace import implements

__all__: list[str] = []


@implements(np.matmul)
def matmul(x1: Array, x2: Array) -> Array:
    return matmul_primitive.bind(x1, x2)
