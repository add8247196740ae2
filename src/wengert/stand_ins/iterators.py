"""``np.arange``, ``np.nditer`` and ``np.broadcast``."""

from __future__ import annotations

import numpy as np

from ..functions.iterating import Broadcast, NDIter, arange
from ..trace import unfilled
from . import native
from .install import has_traced, stands_in, stands_in_for

__all__: list[str] = []

stands_in(np.arange)(arange)


def _unfilled(kind: type, numpys: type) -> native.Stand:
    plainly = native.plain_constructor(numpys)

    def make(*args: object, **kwargs: object) -> object:
        if not has_traced((*args, *kwargs.values())):  # arrays of objects
            return plainly(args, kwargs)
        return kind(*unfilled(args), **{key: unfilled(each) for key, each in kwargs.items()})

    return make


stands_in_for(
    lambda: [
        native.constructor(np.nditer, _unfilled(NDIter, np.nditer)),
        native.constructor(np.broadcast, _unfilled(Broadcast, np.broadcast)),
    ]
)
