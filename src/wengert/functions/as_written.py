"""Functions that NumPy has written in Python, in functions that have rules: they run as they are.

``function._implementation`` is NumPy's own code, without the question whether an operand overrides
it. What it asks of C, such as ``np.asarray``, has stand-ins (``stand_ins``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from numpy.polynomial import polynomial

from ..trace import implements, unfilled

__all__ = ["AS_WRITTEN"]

_EMATH = "sqrt log log2 log10 logn power arccos arcsin arctanh".split()

_POLYNOMIALS = "poly roots polyint polyder polyfit polyadd polysub polydiv".split()

_OTHERS = (
    "apply_over_axes diag_indices_from histogram2d tril_indices_from triu_indices_from trim_zeros"
).split()

AS_WRITTEN: tuple[Any, ...] = (
    *(getattr(np.emath, name) for name in _EMATH),
    *(getattr(np, name) for name in (*_POLYNOMIALS, *_OTHERS)),
    *(
        function
        for name in polynomial.__all__
        if hasattr(function := getattr(polynomial, name), "_implementation")
    ),
)
"""NumPy's functions of which traced arguments make what NumPy's code makes of them."""


def _as_written(code: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(code)
    def run(*args: Any, **kwargs: Any) -> Any:
        result = code(*args, **kwargs)
        return result if isinstance(result, np.poly1d) else unfilled(result)

    return run


for _function in AS_WRITTEN:
    implements(_function)(_as_written(_function._implementation))


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """NumPy's code gives the polynomials themselves to ``np.convolve``, which reads them in C."""
    product = np.convolve(np.poly1d(a1).coeffs, np.poly1d(a2).coeffs)
    named = isinstance(a1, np.poly1d) or isinstance(a2, np.poly1d)
    return np.poly1d(product) if named else product
