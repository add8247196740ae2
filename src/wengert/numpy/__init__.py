"""NumPy as a namespace of wengert's: every public name of NumPy's, for traced values and plain.

``import wengert.numpy as np`` in place of ``import numpy as np`` is for programs in which the
stand-ins for C functions are off (``wg.stand_ins(False)``), or cannot be (an interpreter that is
not CPython). What stands in for C functions is here under their names, and arrays that are made
here can be assigned into.

Example:
    >>> import wengert as wg, wengert.numpy as np
    >>> def f(t):
    ...     a = np.zeros(2)
    ...     a[1] = t
    ...     return np.sum(np.array([t, 1.0]) * a)
    >>> wg.grad(f)(3.0)
    np.float64(1.0)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy

from ..stand_ins import STANDING_IN, fillable, has_traced

__all__ = ["array", "asanyarray", "asarray"]  # pyright: ignore[reportUnsupportedDunderAll]

_CREATING = frozenset(
    "arange asarray asanyarray array ascontiguousarray asfortranarray copy empty empty_like eye "
    "frombuffer fromfunction fromiter full full_like geomspace identity linspace logspace ones "
    "ones_like tri tril triu vander zeros zeros_like diag diagflat loadtxt genfromtxt".split()
)
"""Functions of NumPy's that make an array that was not there before, or may do so."""


def _standing(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that takes traced values as well, and whose plain arrays can be filled."""
    stand_in = STANDING_IN.get(function)

    @wraps(function)
    def applied(*args: Any, **kwargs: Any) -> Any:
        if stand_in is not None and has_traced((*args, *kwargs.values())):
            return stand_in(*args, **kwargs)
        made = function(*args, **kwargs)
        return fillable(made) if name in _CREATING else made

    return applied


def __getattr__(name: str) -> Any:
    found = getattr(numpy, name)
    if name in _CREATING or (callable(found) and found in STANDING_IN):
        found = globals()[name] = _standing(name, found)
    return found


def __dir__() -> list[str]:
    return dir(numpy)
