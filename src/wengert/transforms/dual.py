"""Forward mode: every value carries its tangent along (a dual number).

Nothing is recorded, so memory does not grow with the length of the program.
A. Griewank, A. Walther, "Evaluating Derivatives", 2nd ed., SIAM 2008, section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import UnknownDerivativeError
from ..kinds import settled, unresolved
from ..primitive import Params, Primitive, Traced
from ..program import Array, Type
from ..trace import Trace, Tracer, alike, discrete, plain, strong, wrap

__all__ = ["Dual"]


class Dual(Trace):
    """A trace whose values carry tangents: ``_node`` is the tangent, None where it is zero."""

    def __init__(self) -> None:
        super().__init__()

    def input(self, value: Array, tangent: Array | None) -> Tracer:
        """A fresh input with its tangent."""
        if isinstance(value, Traced) or isinstance(tangent, Traced):
            self.nested = True
        if isinstance(value, Traced):
            value = value.strong()
        elif type(value) is np.ndarray and not value.shape:
            value = value[()]
        return wrap(self, value, tangent)

    def constant(self, value: Array) -> Tracer:
        return wrap(self, value, None)

    def still(self, value: Tracer) -> Tracer:
        return wrap(self, value._value, None)

    def same(self, one: Tracer, other: Tracer) -> bool:
        """Whether two values are equal, and their tangents too: nothing else is known of them."""
        return alike(one._value, other._value) and alike(one._node, other._node)

    def primal(self, value: Array) -> Array:
        """The value without its tangent."""
        value = value._value if isinstance(value, Traced) and value._trace is self else value
        return value if self.below is None else self.below.value(value)

    def tangent(self, value: Array) -> Array:
        """The tangent of a value, zeros if it does not depend on the inputs."""
        own = isinstance(value, Traced) and value._trace is self and value._node is not None
        found = settled(value._node) if own else Type.of(value).zeros()
        return found if self.below is None else self.below.limit_of(found)

    def process(self, primitive: Primitive, args: Sequence[Array], params: Params) -> Any:
        if not self.open:
            self.check_open()
        values: list[Array] = []
        tangents: list[Array | None] = []
        moving = False
        for arg in args:
            if isinstance(arg, Traced):
                if arg._trace is self:
                    tangent = arg._node
                    values.append(arg._value)
                    tangents.append(tangent)
                    if tangent is not None:
                        moving = True
                    continue
                self.nested = True
            elif type(arg) is not float and type(arg) is not int:
                arg = plain(arg)
                if isinstance(arg, Traced):
                    return primitive.bind(*map(plain, args), **params)
            values.append(arg)
            tangents.append(None)
        if moving and primitive.joint:
            with np.errstate(all="ignore"):
                found, changes = primitive.pushed(values, tangents, params)
            self.check_results((*found, *(change for change in changes if change is not None)))
            return tuple(self._result(v, t) for v, t in zip(found, changes, strict=True))
        ans = (primitive.bind if self.nested else primitive.evaluate)(*values, **params)
        if type(ans) is complex or type(ans) is bool:
            ans = strong(ans)
        if primitive.multiple:
            self.check_results(ans)
        moved = None
        if moving and not primitive.flat:
            with np.errstate(all="ignore"):
                saved = primitive.save(values, ans, tangents, params)
                try:
                    moved = primitive.push(tangents, saved, params)
                except UnknownDerivativeError as error:
                    moved = unresolved(primitive, tangents, error)
        if not primitive.multiple:
            return self._result(ans, moved)
        outputs = [None] * len(ans) if moved is None else moved
        return tuple(self._result(v, t) for v, t in zip(ans, outputs, strict=False))

    def _result(self, value: Array, tangent: Array | None) -> Any:
        return wrap(self, value, tangent) if value.dtype.kind in "fc" else discrete(value)
