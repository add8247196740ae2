"""``stop_gradient``: a value as a constant of differentiation."""

from __future__ import annotations

from typing import Any

from .. import tree
from ..primitive import Traced
from ..primitives.logic import stop_gradient as stop_gradient_primitive
from ..recorder import Recorder
from ..trace import joined

__all__ = ["stop_gradient"]


def stop_gradient(x: Any) -> Any:
    """The value of ``x``, a number, an array or a tree of them, as a constant of differentiation.

    Example:
        >>> import wengert as wg
        >>> wg.grad(lambda x: x * wg.stop_gradient(x))(3.0)
        np.float64(3.0)
    """
    return tree.map_leaves(_constant, x)


def _constant(leaf: Any) -> Any:
    """A plain value where there is one, which can be stored, printed and given to ``float``."""
    leaf = joined(leaf)
    if not isinstance(leaf, Traced):
        return leaf
    while isinstance(leaf, Traced) and not (isinstance(leaf._trace, Recorder) or leaf._trace.blind):
        leaf = leaf._value
    if isinstance(leaf, Traced):
        return stop_gradient_primitive.bind(leaf)
    return leaf.copy(order="K")
