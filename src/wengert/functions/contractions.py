"""Contractions in which roots meet themselves: there the derivative is that of the radicand.

A contraction (``r @ r``, ``D @ D.T``, ``np.einsum``) is a sum of products. The elements of two
arrays are compared by which elements of roots they are (``roots.coincide``), and only those results
in which an element meets itself are computed as a sum of products that knows of roots. The value is
that of the contraction itself.

Known to be weak: with more than two operands all results are computed so, and where there would be
more than ``MOST`` products the derivatives are those of the chain rule.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from ..primitives.index import ARRAY, update
from ..program import Array
from .roots import MANY, coincide, grafted, remembered, root_of

__all__ = ["contraction_of_roots", "product_of_roots"]

MOST = 1 << 24
"""So many products are computed one by one."""


def contraction_of_roots(
    result: Array, arrays: Sequence[Array], labels: Sequence[str], out: str
) -> Array:
    """The result of a contraction, whose derivative knows of the roots among the operands."""
    lengths: dict[str, int] = {}
    for x, label in zip(arrays, labels, strict=True):
        lengths.update(zip(label, x.shape, strict=True))
    affected = _affected(arrays, labels, out, lengths)
    summed = [letter for letter in lengths if letter not in out]
    count = math.prod(lengths[letter] for letter in summed)
    if affected is None or affected.size * count > MOST:
        return result
    shape = tuple(lengths[letter] for letter in out)
    rows = _unravelled(affected[:, None], shape)
    columns = _unravelled(np.arange(count)[None], [lengths[letter] for letter in summed])
    places = dict(zip((*out, *summed), (*rows, *columns), strict=True))
    product: Array = None
    for x, label in sorted(
        zip(arrays, labels, strict=True), key=lambda pair: not _is_root(pair[0])
    ):
        factor = x[tuple(places[letter] for letter in label)] if label else x
        product = factor if product is None else product * factor
    sums = np.sum(np.broadcast_to(product, (affected.size, count)), axis=1)
    if affected.size < math.prod(shape):
        flat = np.reshape(result, (-1,))
        sums = update.bind(flat, sums.astype(flat.dtype), affected, index=(ARRAY,))
    return grafted(result, np.reshape(sums, shape))


def _unravelled(places: Array, shape: Sequence[int]) -> tuple[Array, ...]:
    return np.unravel_index(places, tuple(shape)) if shape else ()


def _is_root(x: Any) -> bool:
    """Whether a value is a root that remembers its radicand."""
    return root_of(x) is not None


def _affected(
    arrays: Sequence[Array], labels: Sequence[str], out: str, lengths: dict[str, int]
) -> np.ndarray[Any, Any] | None:
    """The places, in one row, of the results in which elements of roots meet themselves."""
    everything = np.arange(math.prod(lengths[letter] for letter in out))
    for i, j in combinations([i for i, x in enumerate(arrays) if _is_root(x)], 2):
        found = coincide(arrays[i], arrays[j])
        if found is None:
            continue
        if len(arrays) > 2 or any(len(set(label)) < len(label) for label in labels):
            return everything
        return _joined(found[:2], labels, out, lengths)
    return None


def _joined(
    numbers: Sequence[Array], labels: Sequence[str], out: str, lengths: dict[str, int]
) -> np.ndarray[Any, Any] | None:
    """The results to which elements of equal numbers contribute; None if there is none."""
    keys: list[Array] = []
    places: list[dict[str, Array]] = []
    for x, label in zip(numbers, labels, strict=True):
        key = np.ravel(x)
        numbered = np.flatnonzero(key)
        place = dict(zip(label, _unravelled(numbered, x.shape), strict=True))
        key = key[numbered]
        for letter in sorted(set(labels[0]) & set(labels[1])):
            key = key * lengths[letter] + place[letter]
        keys.append(key)
        places.append(place)
    order = np.argsort(keys[1], kind="stable")
    first = np.searchsorted(keys[1][order], keys[0], "left")
    counts = np.searchsorted(keys[1][order], keys[0], "right") - first
    total = int(counts.sum())
    if not total:
        return None
    if total > MOST:
        return np.arange(math.prod(lengths[letter] for letter in out))
    left = np.repeat(np.arange(first.size), counts)
    right = order[np.arange(total) + np.repeat(first - np.cumsum(counts) + counts, counts)]
    if not out:
        return np.zeros(1, np.intp)
    chosen = [
        places[0][letter][left] if letter in places[0] else places[1][letter][right]
        for letter in out
    ]
    return np.unique(np.ravel_multi_index(chosen, [lengths[letter] for letter in out]))


def product_of_roots(product: Array, factors: Sequence[Array]) -> Array:
    """A product, whose derivative knows that roots are among its few factors."""
    if not 1 < len(factors) <= MANY:
        return product
    total = factors[0]
    for factor in factors[1:]:
        total = total * factor
    root = root_of(total)
    return grafted(product, total) if root is None else remembered(product, root)
