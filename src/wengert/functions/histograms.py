"""Histograms and ``bincount``: sums of weights, which are differentiated, in bins.

Counts are integers and have the derivative 0, and so has a sum of weights as a function of the
places of the samples. Edges that are made from the samples' range have derivatives of their own.

What lies outside of all bins is summed up in a further one, so that no place has to be known.
"""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..primitive import Traced
from ..primitives.arithmetic import join
from ..primitives.index import ARRAY, gather, scatter_add
from ..program import Array
from ..trace import implements, known, perhaps
from .elementwise import arraylike

__all__: list[str] = []


def _summed(places: Array, weights: Array | None, length: int) -> Array:
    """The sums of the weights with each place, 1 for each if there are none."""
    if not isinstance(places, Traced) and not isinstance(weights, Traced):
        return np.bincount(places, weights, length)
    if weights is None:
        weights, kind = np.ones(places.shape, np.intp), np.dtype(np.intp)
    else:
        weights, kind = np.astype(weights, np.float64), np.dtype(np.float64)
    return scatter_add.bind(np.zeros(length, kind), weights, places, index=(ARRAY,))


@implements(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: Any = 0) -> Array:
    given, x = x, arraylike(x)
    if x.ndim != 1:
        raise ValueError(f"np.bincount takes an array of one axis, not of shape {x.shape}")
    if x.dtype.kind not in "iub" and (x.size or given is x):
        raise TypeError(f"Cannot cast array data from {x.dtype} to dtype('int64')")
    minlength = operator.index(minlength)
    if minlength < 0:
        raise ValueError("'minlength' must not be negative")
    if weights is not None:
        weights = arraylike(weights)
        if weights.shape != x.shape:
            raise ValueError("The weights and list don't have the same length.")
        if weights.dtype.kind == "c":
            raise TypeError("Cannot cast array data from complex to dtype('float64')")
    if not x.size:
        return np.zeros(minlength, np.intp if weights is None else np.float64)
    ends = known(
        np.stack([np.min(x), np.max(x)]), "the greatest of", "minlength=n of plain numbers"
    )
    if ends[0] < 0:
        raise ValueError("'list' argument must have no negative elements")
    return _summed(np.astype(x, np.intp), weights, builtins.max(int(ends[1]) + 1, minlength))


# -- edges -----------------------------------------------------------------------------------------


def _ends(a: Array, limits: Any) -> tuple[Any, Any]:
    """The first and the last edge of bins of equal widths."""
    if limits is not None:
        first, last = limits
        if perhaps(np.greater(first, last)):
            raise ValueError("max must be larger than min in range parameter.")
    elif not a.size:
        first, last = 0, 1
    else:
        first, last = np.min(a), np.max(a)
    if perhaps(~(np.isfinite(first) & np.isfinite(last))):
        what = "autodetected" if limits is None else "supplied"
        raise ValueError(f"{what} range is not finite")
    flat = np.equal(first, last)
    if isinstance(flat, Traced) and perhaps(flat) is None:
        return np.where(flat, first - 0.5, first), np.where(flat, last + 0.5, last)
    return (first - 0.5, last + 0.5) if flat else (first, last)


def _ordered_edges(bins: Any) -> Array:
    edges = arraylike(bins)
    if perhaps(np.any(np.greater(edges[:-1], edges[1:]))):
        raise ValueError("`bins` must increase monotonically, when an array")
    return edges


def _edges(a: Array, bins: Any, limits: Any, weights: Any) -> tuple[Array, Any]:
    """The edges of the bins; first, last and number if they are of equal widths."""
    if isinstance(bins, str):
        if weights is not None:
            raise TypeError(
                "Automated estimation of the number of bins is not supported for weighted data"
            )
        samples = known(a, "the samples that the number of bins is estimated from", "bins=n")
        bins = len(np.histogram_bin_edges(samples, bins, limits)) - 1
    elif np.ndim(bins) == 1:
        return _ordered_edges(bins), None
    elif np.ndim(bins):
        raise ValueError("`bins` must be 1d, when an array")
    count = operator.index(bins)
    if count < 1:
        raise ValueError("`bins` must be positive, when an integer")
    first, last = _ends(a, limits)
    kind = np.result_type(first, last, a)
    if kind.kind in "iub":
        kind = np.result_type(kind, float)
    edges = np.linspace(first, last, count + 1, dtype=kind)
    if perhaps(np.any(np.greater_equal(edges[:-1], edges[1:]))):
        raise ValueError(f"Too many bins for data range. Cannot create {count} finite-sized bins.")
    return edges, (first, last, count)


def _samples(a: Any, weights: Any) -> tuple[Array, Any]:
    a = arraylike(a)
    if a.dtype.kind == "b":
        a = np.astype(a, np.uint8)
    if weights is not None:
        weights = arraylike(weights)
        if np.shape(weights) != np.shape(a):
            raise ValueError("weights should have the same shape as a.")
        weights = np.ravel(weights)
    return np.ravel(a), weights


@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Array:
    a, weights = _samples(a, weights)
    return _edges(a, bins, range, weights)[0]


def _at(table: Array, places: Array) -> Array:
    """Elements by places that may be traced, of which the table need not be."""
    return gather.bind(table, places, index=(ARRAY,))


# -- bins ------------------------------------------------------------------------------------------

_BLOCK = 65536
"""NumPy sums up so many samples before it adds to the total."""


def _number_of_bin(a: Array, edges: Array, first: Any, last: Any, count: int) -> Array:
    """The bin that each sample lies in, ``count`` for those that lie in none."""
    inside = np.greater_equal(a, first) & np.less_equal(a, last)
    a = np.astype(a, edges.dtype)
    share = ((a - first) / np.subtract(last, first)) * count
    place = np.astype(np.where(inside, share, 0), np.intp)
    place = np.where(np.equal(place, count), count - 1, place)
    place = place - np.astype(np.less(a, _at(edges, place)), np.intp)
    beyond = np.greater_equal(a, _at(edges, place + 1)) & np.not_equal(place, count - 1)
    return np.where(inside, place + np.astype(beyond, np.intp), count)


def _in_equal_bins(a: Array, weights: Any, edges: Array, uniform: tuple[Any, Any, int]) -> Array:
    count = uniform[2]
    total: Any = 0
    for start in builtins.range(0, builtins.max(len(a), 1), _BLOCK):
        places = _number_of_bin(a[start : start + _BLOCK], edges, *uniform)
        if weights is None:
            total = total + _summed(places, None, count + 1)[:count]
            continue
        part = weights[start : start + _BLOCK]
        if part.dtype.kind == "c":
            real, imag = (_summed(places, each, count + 1) for each in (part.real, part.imag))
            sums = join.bind(real, imag)
        else:
            sums = _summed(places, part, count + 1)
        total = total + np.astype(sums[:count], weights.dtype)
    return total


def _between(a: Array, weights: Any, edges: Array) -> Array:
    """The sums in bins of any widths, as differences of sums from the first sample on."""
    total: Any = 0
    for start in builtins.range(0, builtins.max(len(a), 1), _BLOCK):
        part = a[start : start + _BLOCK]
        order = np.argsort(part)
        part = _at(part, order)
        places = np.concatenate(
            [np.searchsorted(part, edges[:-1], "left"), np.searchsorted(part, edges[-1:], "right")]
        )
        if weights is None:
            total = total + places
            continue
        sums = np.cumsum(_at(weights[start : start + _BLOCK], order))
        total = total + _at(np.concatenate([np.zeros(1, weights.dtype), sums]), places)
    return np.diff(total)


@implements(np.histogram)
def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Array, Array]:
    a, weights = _samples(a, weights)
    edges, uniform = _edges(a, bins, range, weights)
    if uniform is None:
        sums = _between(a, weights, edges)
    else:
        sums = _in_equal_bins(a, weights, edges, uniform)
    if density:
        return sums / np.astype(np.diff(edges), np.float64) / np.sum(sums), edges
    return sums, edges


# -- of several variables --------------------------------------------------------------------------


def _columns(sample: Any) -> list[Array]:
    """The samples of each variable."""
    if np.ndim(sample) == 2 and hasattr(sample, "shape"):
        return [sample[:, i] for i in builtins.range(sample.shape[1])]
    if hasattr(sample, "shape"):
        return [np.ravel(sample)]
    rows = [arraylike(row) for row in sample]
    if all(row.ndim == 0 for row in rows):
        raise UnsupportedError("np.histogramdd of a list of numbers", remedy="np.histogram(x)")
    kind = np.result_type(*(row.dtype for row in rows))
    return [np.astype(row, kind) for row in rows]


def _edges_of(column: Array, bins: Any, limits: Any, place: int) -> Array:
    if np.ndim(bins) > 1:
        raise ValueError(f"`bins[{place}]` must be a scalar or 1d array")
    if np.ndim(bins):
        edges = arraylike(bins)
        if perhaps(np.any(np.greater(edges[:-1], edges[1:]))):
            raise ValueError(f"`bins[{place}]` must be monotonically increasing, when an array")
        return edges
    if bins < 1:
        raise ValueError(f"`bins[{place}]` must be positive, when an integer")
    first, last = _ends(column, limits)
    return np.linspace(first, last, operator.index(bins) + 1)


def _given(value: Any, count: int, message: str) -> Sequence[Any]:
    if len(value) != count:
        raise ValueError(message)
    return value


@implements(np.histogramdd)
def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Array, list[Array]]:
    columns = _columns(sample)
    rank = len(columns)
    several = isinstance(bins, (list, tuple)) or np.ndim(bins) > 0
    wanted = bins if several else [bins] * rank
    fit = "The dimension of bins must be equal to the dimension of the sample x."
    limits = [None] * rank if range is None else range
    wanted = _given(wanted, rank, fit)
    limits = _given(limits, rank, "range argument must have one entry per dimension")
    edges = [
        _edges_of(*each) for each in zip(columns, wanted, limits, builtins.range(rank), strict=True)
    ]
    sizes = [len(each) + 1 for each in edges]
    place: Any = 0
    for column, ends, size in zip(columns, edges, sizes, strict=True):
        number = np.searchsorted(ends, column, side="right")
        number = number - np.astype(np.equal(column, ends[-1]), np.intp)
        place = place * size + number
    if weights is not None:
        weights = arraylike(weights)
    sums = np.reshape(_summed(place, weights, math.prod(sizes)), sizes)
    sums = np.astype(sums, np.float64)[(slice(1, -1),) * rank]
    if density:
        total = np.sum(sums)
        for axis, ends in enumerate(edges):
            sums = sums / np.reshape(
                np.diff(ends), [-1 if i == axis else 1 for i in builtins.range(rank)]
            )
        sums = sums / total
    return sums, edges
