"""Polynomials of coefficients whose values are not known: no leading one is taken for zero.

NumPy leaves out leading coefficients that are 0, and asks for their values. Where these are not
known, all are kept: the polynomial is the same.
"""

from __future__ import annotations

import types
from typing import Any

import numpy as np
from numpy.polynomial import polyutils

from ..frames import within_wengert
from ..functions.creation import array as joined_array
from ..trace import knowable, unfilled
from ..trace.base import OPEN
from .install import CODE
from .statistics import exchanged

__all__: list[str] = []


def _copied(function: Any) -> Any:
    return types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__
    )


def _unknown(coefficients: Any) -> bool:
    if isinstance(coefficients, (list, tuple)):
        return any(map(_unknown, coefficients))
    return not knowable(unfilled(coefficients))


def _codes() -> list[tuple[Any, Any, Any]]:
    begin, trim = _copied(np.poly1d.__init__), _copied(polyutils.trimseq)

    def poly1d(self: Any, c_or_r: Any, r: Any = False, variable: Any = None) -> None:
        if not OPEN or not within_wengert() or not _unknown(c_or_r):
            begin(self, c_or_r, r, variable)
            return
        coefficients = np.poly(c_or_r) if r else np.atleast_1d(joined_array(unfilled(c_or_r)))
        begin(self, np.ones(len(coefficients)), False, variable)
        self._coeffs = coefficients

    def trimseq(seq: Any) -> Any:
        return seq if OPEN and within_wengert() and _unknown(seq) else trim(seq)

    return [
        (function, function.__code__, exchanged(function, call))
        for function, call in ((np.poly1d.__init__, poly1d), (polyutils.trimseq, trimseq))
    ]


CODE.append(_codes)
