"""Between the trees that the user's functions take and return, and the vectors of SciPy.

A tree's numbers are laid out leaf after leaf, each in C order. SciPy is given float64; every leaf
comes back in its own shape and dtype.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import Bounds, OptimizeResult

from .. import tree
from ..calls import number, result_leaf, signature_of
from ..errors import DtypeError, ShapeError, TracedArrayError
from ..primitive import Traced
from ..program import Array, Type

__all__ = ["Layout", "as_tuple", "result_vector", "untraced"]

_Bounds: Any = Bounds


def as_tuple(args: Any) -> tuple[Any, ...]:
    """``args`` as SciPy reads it: a single extra argument need not be in a tuple."""
    return args if isinstance(args, tuple) else (args,)


def untraced(value: Array, what: str) -> Array:
    """A value that SciPy can be given; TracedArrayError for one of an enclosing trace."""
    if isinstance(value, Traced):
        raise TracedArrayError(
            f"{what} is a traced value, because an optimiser was called inside of a function that "
            "is being differentiated; its steps run in SciPy, which derivatives cannot be followed "
            "through",
            remedy="wg.custom_jvp around the call, with the derivative of the solution by the "
            "implicit function theorem, or wg.stop_gradient where it is meant to be zero",
        )
    return value


def _is_numbers(value: Any) -> bool:
    """Whether a value is a list or tuple of numbers, which SciPy and we take for an array."""
    return type(value) in (list, tuple) and all(
        isinstance(entry, (int, float, np.integer, np.floating)) and not isinstance(entry, bool)
        for entry in value
    )


@dataclass(frozen=True)
class Layout:
    """Where the leaves of a tree lie in a vector."""

    spec: tree.Spec
    types: tuple[Type, ...]

    @staticmethod
    def of(x0: Any) -> tuple[Layout, Array]:
        """The layout of a starting point, and the point as a vector of float64.

        A list or a tuple of numbers is an array. Raises DtypeError for what cannot be
        differentiated.
        """
        found = np.array(x0, float) if _is_numbers(x0) else x0
        leaves, spec = tree.flatten(found)
        leaves = [number(untraced(leaf, "x0"), "x0, or a part of it,") for leaf in leaves]
        for leaf in leaves:
            if leaf.dtype.kind == "c":
                raise DtypeError(
                    "x0, or a part of it, is complex, and SciPy's optimisers take real parameters",
                    remedy="the real and the imaginary part as two parameters",
                )
        layout = Layout(spec, tuple(Type.of(leaf) for leaf in leaves))
        return layout, layout.join(leaves)

    @staticmethod
    def join(leaves: Sequence[Any]) -> Array:
        """Plain leaves as one new vector of float64."""
        return np.concatenate([np.zeros(0), *(np.ravel(leaf) for leaf in leaves)], dtype=float)

    @property
    def size(self) -> int:
        """The number of numbers."""
        return sum(type.size for type in self.types)

    @property
    def single(self) -> bool:
        """Whether the tree is one array or number."""
        return self.spec.is_leaf()

    @property
    def trivial(self) -> bool:
        """Whether the vector is the tree."""
        return self.single and len(self.types[0].shape) == 1 and self.types[0].dtype == np.float64

    def tree(self, vector: Array) -> Any:
        """The tree of a vector, plain or traced."""
        if self.trivial:
            return vector
        leaves: list[Array] = []
        start = 0
        for type in self.types:
            stop = start + type.size
            part = vector[start:stop].reshape(type.shape) if type.shape else vector[start]
            if type.dtype != part.dtype and part.dtype.kind == "f":
                part = part.astype(type.dtype)
            leaves.append(part)
            start = stop
        return tree.unflatten(self.spec, leaves)

    def vector(self, values: Any, what: str) -> Array:
        """The vector of a tree of this structure and these shapes, or of a flat vector."""
        if np.shape(values) == (self.size,) if isinstance(values, np.ndarray) else self.single:
            leaves = [values]
        else:
            leaves = tree.flatten_like(self.spec, values, what)
        vector = self.join([untraced(leaf, what) for leaf in leaves])
        if vector.shape != (self.size,):
            raise ShapeError(f"{what} has {vector.size} numbers, but x0 has {self.size}")
        return vector

    def _entries(self, values: Any, what: str) -> list[Any]:
        try:
            return self.spec.flatten_up_to(values)
        except ValueError as error:
            raise ShapeError(
                f"{what} do not have the structure of x0, which is {tree.show(self.spec)}: {error}",
                remedy="an entry for each leaf of x0, or scipy.optimize.Bounds for all numbers",
            ) from error

    def spread(self, values: Any, what: str) -> Any:
        """One value for each number: from one for all, a vector, or a tree with one a leaf."""
        if isinstance(values, np.ndarray) and values.shape == (self.size,):
            return values
        if self.single or isinstance(values, (int, float, np.generic)):
            return np.ravel(values) if np.ndim(values) > 1 else values
        entries = self._entries(values, what)
        return self.join(
            [
                np.broadcast_to(entry, type.shape)
                for entry, type in zip(entries, self.types, strict=True)
            ]
        )

    def bounds(self, bounds: Any) -> Any:
        """The ``bounds`` of ``minimize``: SciPy's own forms, or a pair for each leaf of x0."""
        if bounds is None:
            return None
        if isinstance(bounds, Bounds):
            if np.ndim(bounds.lb) > 1:
                return _Bounds(*map(np.ravel, (bounds.lb, bounds.ub, bounds.keep_feasible)))
            return bounds
        if self.single:
            lone = not self.types[0].shape and len(bounds) == 2
            return [bounds] if lone and np.ndim(bounds[1]) == 0 else bounds
        pairs = [(None, None) if p is None else p for p in self._entries(bounds, "the bounds")]
        lower = [-np.inf if low is None else low for low, _ in pairs]
        upper = [np.inf if high is None else high for _, high in pairs]
        low, high = (tree.unflatten(self.spec, ends) for ends in (lower, upper))
        return _Bounds(self.spread(low, "the lower bounds"), self.spread(high, "the upper bounds"))

    def restore(self, result: Any, names: Sequence[str]) -> Any:
        """A copy of SciPy's result with the vectors of these names as trees."""
        if self.trivial or not isinstance(result, OptimizeResult):
            return result
        found = OptimizeResult(result)
        for name in names:
            value = found.get(name)
            if isinstance(value, np.ndarray) and value.shape == (self.size,):
                found[name] = self.tree(value)
        if "allvecs" in found:
            found["allvecs"] = [self.tree(x) for x in found["allvecs"]]
        return found

    def callback(self, callback: Callable[..., Any] | None, names: Sequence[str]) -> Any:
        """The user's callback on trees. SciPy reads from the signature what it has to be given."""
        if callback is None or self.trivial:
            return callback
        if (known := signature_of(callback)) and set(known.parameters) == {"intermediate_result"}:

            def on_result(intermediate_result: Any) -> Any:
                return callback(intermediate_result=self.restore(intermediate_result, names))

            return on_result

        def on_point(xk: Array, *rest: Any) -> Any:
            return callback(self.tree(xk), *(self.restore(more, names) for more in rest))

        return on_point


def result_vector(result: Any) -> tuple[Array, Layout]:
    """The numbers of a function's result, plain or traced, as one vector, and their layout.

    A list or tuple of numbers has the layout of an array, as in SciPy.
    """
    found, spec = tree.flatten(result)
    leaves = [result_leaf(leaf) for leaf in found]
    if any(leaf.dtype.kind == "c" for leaf in leaves):
        raise DtypeError(
            "an optimiser needs a function that returns real numbers, and this one returned "
            "complex ones",
            remedy="np.real(y) and np.imag(y) as two results",
        )
    leaves = [leaf.astype(float) if leaf.dtype.kind in "iub" else leaf for leaf in leaves]
    types = tuple(Type.of(leaf) for leaf in leaves)
    if type(result) in (list, tuple) and leaves and all(type.shape == () for type in types):
        vector = np.stack(leaves)
        return vector, Layout(tree.flatten(0.0)[1], (Type.of(vector),))
    if len(leaves) == 1:
        vector = np.reshape(leaves[0], (math.prod(types[0].shape),))
    else:
        vector = np.concatenate([np.zeros(0), *(np.reshape(leaf, (-1,)) for leaf in leaves)])
    return vector, Layout(spec, types)
