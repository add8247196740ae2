"""Handwritten digits, and a small network that reads them: plain NumPy, and nothing of wengert.

The data are the 1,797 images of 8 by 8 pixels that scikit-learn brings along: E. Alpaydin,
C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..program import Array
from .extras import extra

__all__ = ["Digits", "Params", "accuracy", "initial", "load", "loss", "scores"]

Params = dict[str, Array]


def initial(hidden: int = 64, seed: int = 0) -> Params:
    """Weights and biases of a dense 64-``hidden``-10 network, at random."""
    rng = np.random.default_rng(seed)
    return {
        "W1": rng.standard_normal((64, hidden)) / np.sqrt(64),
        "b1": np.zeros(hidden),
        "W2": rng.standard_normal((hidden, 10)) / np.sqrt(hidden),
        "b2": np.zeros(10),
    }


def scores(params: Params, images: Array) -> Array:
    """One score for each image and each of the ten digits, shape (images, 10)."""
    hidden = np.tanh(images @ params["W1"] + params["b1"])
    return hidden @ params["W2"] + params["b2"]


def loss(params: Params, images: Array, labels: Array) -> Array:
    """Mean cross-entropy between softmax(scores) and the labels.

    The largest score of each image is subtracted first, so that no exponential overflows.
    """
    s = scores(params, images)
    s = s - np.max(s, axis=1, keepdims=True)
    log_p = s - np.log(np.sum(np.exp(s), axis=1, keepdims=True))
    return -np.mean(log_p[np.arange(len(labels)), labels])


def accuracy(params: Params, images: Array, labels: Array) -> float:
    """The share of images whose highest score is that of the right digit."""
    return float(np.mean(np.argmax(scores(params, images), axis=1) == labels))


@dataclass(frozen=True)
class Digits:
    """Images as rows of 64 grey values from 0 to 1, and their labels, the digits 0 to 9."""

    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array


def load() -> Digits:
    """The images, in an order that is shuffled and always the same, 1,437 of them to train on."""
    bunch = extra("sklearn.datasets").load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    images, labels = bunch.data[order] / 16.0, bunch.target[order]
    return Digits(images[:-360], labels[:-360], images[-360:], labels[-360:])
