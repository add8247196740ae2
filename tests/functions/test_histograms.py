"""Histograms: sums of traced weights, and counts and edges of traced samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from numpy_routes import agrees_with_numpy

A = np.array([0.1, 0.9, 2.0, 0.4, 1.1, 1.7, 0.0, 1.95])
W = np.random.default_rng(5).standard_normal(8)
EDGES = [0.0, 0.35, 1.2, 1.8]

FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "bincount": (lambda w: np.bincount([0, 3, 1, 1, 0, 3, 3, 5], w), W),
    "bincount of a length": (lambda w: np.bincount([1] * 8, weights=w, minlength=4), W),
    "weights": (lambda w: np.histogram(A, 4, weights=w), W),
    "weights within a range": (lambda w: np.histogram(A, 3, (0.3, 1.8), weights=w), W),
    "weights between edges": (lambda w: np.histogram(A, EDGES, weights=w)[0], W),
    "complex weights": (lambda w: np.histogram(A, 3, weights=w * (1 - 2j))[0], W),
    "a density of weights": (lambda w: np.histogram(A, 3, density=True, weights=w**2)[0], W),
    "samples within a range": (lambda a: np.histogram(a, 3, (-0.5, 2.5), weights=W)[0] * a[:3], A),
    "samples between edges": (lambda a: np.histogram(a, [-1.0, 0.55, 3.0], weights=W)[0] * a[0], A),
    "edges of the samples": (lambda a: np.histogram(a, 5)[1], A),
    "a density of the samples": (lambda a: np.histogram(a, 3, density=True), A),
    "samples as weights": (lambda a: np.histogram(a, EDGES, weights=a)[0], A + 0.02),
    "edges": (lambda a: np.histogram_bin_edges(a, 3, (a[0], a[2])), A),
    "traced edges": (lambda a: np.histogram(A, a[:3] * 0 + EDGES[:3], density=True)[0], A),
    "of two variables": (lambda w: np.histogram2d(A, A**2, 3, weights=w)[0], W),
    "of two, by edges": (
        lambda w: np.histogram2d(A, w * 0 + A[::-1], (2, EDGES), density=True, weights=w)[0],
        W,
    ),
    "of three variables": (
        lambda w: np.histogramdd(np.stack([A, A**2, w], 1), (2, 3, 2), weights=w)[0],
        W,
    ),
    "of columns": (
        lambda w: np.histogramdd((A, A[::-1]), 2, [(0, 1.5), None], True, w)[0],
        W,
    ),
}


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_a_histogram_agrees_with_numpy(name: str) -> None:
    function, x = FUNCTIONS[name]
    agrees_with_numpy(function, x)


@pytest.mark.parametrize("bins", ["auto", "fd", "sturges", 7, EDGES])
def test_counts_of_traced_samples_are_numpys(bins: Any) -> None:
    def f(a: Any) -> Any:
        counts, edges = np.histogram(a, bins)
        assert counts.dtype == np.intp
        return np.sum(counts * np.arange(len(counts))) * np.sum(a**2) + edges[0]

    assert wg.value_and_grad(f)(A)[0] == f(A)
    assert wg.jit(f, wait=True)(A) == pytest.approx(f(A), rel=1e-14)


@pytest.mark.parametrize(
    "call",
    [
        lambda w: np.bincount([0, -1], w[:2]),
        lambda w: np.bincount([0, 1], w),
        lambda w: np.bincount([0], w[:1] * 1j),
        lambda w: np.bincount(w, w),
        lambda w: np.histogram(A, 0, weights=w),
        lambda w: np.histogram(A, [1.0, 0.0], weights=w),
        lambda w: np.histogram(A, 3, (2.0, 1.0), weights=w),
        lambda w: np.histogram(A, "auto", weights=w),
        lambda w: np.histogram(A[:3], 3, weights=w),
        lambda w: np.histogramdd((A, A), (2, 2, 2), weights=w),
    ],
)
def test_what_numpy_refuses_is_refused(call: Callable[[Any], Any]) -> None:
    with pytest.raises((ValueError, TypeError)) as plain:
        call(W)
    with pytest.raises(plain.type):
        wg.grad(lambda w: np.sum(np.real(call(w)[0])))(W)
