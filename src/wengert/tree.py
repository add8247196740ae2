"""Nested arguments and results: dicts, lists, tuples, dataclasses and arrays, by ``optree``.

A dataclass is registered with optree the first time one is met: its fields are its children, in
order of declaration, and it is rebuilt without running ``__init__``. A field declared with
``dataclasses.field(metadata={"static": True})`` is no child: a name, an option, a size.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import optree

from .errors import ShapeError
from .forks import lock
from .primitive import Traced
from .trace import handle
from .trace.base import FILLED

__all__ = [
    "LEAF",
    "Spec",
    "broadcast_prefix",
    "flatten",
    "flatten_again",
    "flatten_like",
    "map_leaves",
    "parts_like",
    "unflatten",
]

NAMESPACE = "wengert"
Spec = Any
"""The structure of a tree, without its leaves (``optree.PyTreeSpec``)."""

_registering = lock()
_registered: set[type] = set()
LEAF = optree.tree_structure(cast(Any, 0.0), namespace=NAMESPACE)
"""The structure of what is one leaf."""


def _register(kind: type) -> None:
    fields = dataclasses.fields(kind)
    static = tuple(field.name for field in fields if field.metadata.get("static"))
    moving = tuple(field.name for field in fields if field.name not in static)

    def take_apart(instance: Any) -> tuple[tuple[Any, ...], Any, tuple[str, ...]]:
        # A field with init=False may not be set.
        names = tuple(name for name in moving if hasattr(instance, name))
        kept = tuple((name, getattr(instance, name)) for name in static if hasattr(instance, name))
        return tuple(getattr(instance, name) for name in names), (names, kept), names

    def put_together(metadata: Any, children: Sequence[Any]) -> Any:
        names, kept = metadata
        instance = object.__new__(kind)
        for name, child in zip(names, children, strict=True):
            object.__setattr__(instance, name, child)
        for name, value in kept:
            if isinstance(value, Traced):
                value._trace.check_open()
            object.__setattr__(instance, name, value)
        return instance

    with _registering:
        if kind not in _registered:
            optree.register_pytree_node(
                kind, cast(Any, take_apart), cast(Any, put_together), namespace=NAMESPACE
            )
            _registered.add(kind)


def flatten(tree: Any) -> tuple[list[Any], Spec]:
    """The leaves of a tree in order, and its structure. ``None`` has no leaves."""
    if isinstance(tree, (Traced, np.ndarray, float)):  # Of a traced value nothing else is asked.
        return [_unfilled(tree)], LEAF
    while True:
        leaves, spec = optree.tree_flatten(tree, namespace=NAMESPACE)
        new: set[type] = set()
        for leaf in leaves:
            kind = type(leaf)
            if hasattr(kind, "__dataclass_fields__") and kind not in _registered:
                new.add(kind)
        if not new:
            return leaves if not FILLED else list(map(_unfilled, leaves)), spec
        for kind in new:
            _register(kind)


def flatten_again(tree: Any) -> tuple[list[Any], Spec]:
    """``flatten``, but quicker, where a dataclass that was never met may count as a leaf."""
    leaves, spec = optree.tree_flatten(tree, namespace=NAMESPACE)
    return leaves if not FILLED else list(map(_unfilled, leaves)), spec


def _unfilled(leaf: Any) -> Any:
    """What stands behind a plain array that has been given traced values; any other as it is."""
    return handle(leaf) if id(leaf) in FILLED else leaf


def unflatten(spec: Spec, leaves: Sequence[Any]) -> Any:
    """The tree of this structure with these leaves."""
    if spec is LEAF:
        return leaves[0]
    return optree.tree_unflatten(spec, leaves)


def flatten_like(spec: Spec, tree: Any, what: str) -> list[Any]:
    """The leaves of a tree that must have the structure ``spec``; ShapeError otherwise."""
    leaves, found = flatten(tree)
    if found != spec:
        raise ShapeError(f"{what} has the structure {show(found)}, but {show(spec)} is wanted")
    return leaves


def parts_like(spec: Spec, tree: Any) -> list[Any]:
    """What stands in a tree where ``spec`` has leaves, whatever it is; ValueError elsewhere."""
    if spec is LEAF:
        return [tree]
    flatten(tree)
    return spec.flatten_up_to(tree)


def show(spec: Spec) -> str:
    """A structure for an error message: ``(*, {'a': *})``."""
    return (
        str(spec)
        .removeprefix("PyTreeSpec(")
        .removesuffix(")")
        .replace(f", namespace={NAMESPACE!r}", "")
    )


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """The tree with ``function`` applied to each leaf."""
    leaves, spec = flatten(tree)
    return unflatten(spec, [function(leaf) for leaf in leaves])


def broadcast_prefix(prefix: Any, tree: Any, what: str) -> list[Any]:
    """One entry of ``prefix`` (a tree whose leaves stand for whole subtrees) for each leaf."""
    flatten(tree)
    leaves: list[Any] = []

    def spread(entry: Any, subtree: Any) -> None:
        leaves.extend([entry] * len(flatten(subtree)[0]))

    try:
        optree.tree_map_(spread, prefix, tree, none_is_leaf=True, namespace=NAMESPACE)
    except ValueError as error:
        wanted, found = show(flatten(tree)[1]), show(flatten(prefix)[1])
        raise ShapeError(
            f"{what} has the structure {found}, which does not fit {wanted}"
        ) from error
    return leaves
