"""What the tests of ``wengert.optimize`` share: functions to optimise, and what counts calls."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitive import Traced

START = [-1.2, 1.0, 0.8]


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


class Counted:
    """A function that counts its calls, and those among them with traced values."""

    def __init__(self, f: Any) -> None:
        self.f = f
        self.calls = 0
        self.traced = 0

    def __call__(self, x: Any, *args: Any) -> Any:
        self.calls += 1
        self.traced += isinstance(x, Traced)
        return self.f(x, *args)


def about_as_many(counts: Any, others: Any, names: str) -> bool:
    """Whether two optimisers have counted about the same: rounding may take one on another path."""
    pairs = [(counts.get(name), others.get(name)) for name in names.split()]
    return all(
        (one is None) == (other is None)
        and (one is None or np.all(np.abs(np.subtract(one, other)) <= 3 + np.minimum(one, other)))
        for one, other in pairs
    )


def spread_out(p: Any) -> Any:
    """Rosenbrock's function of a dict."""
    return rosenbrock(np.concatenate([np.reshape(p["m"], 4), np.stack([p["s"], p["t"]])]))


TREE = {"m": np.array([[1.2, 1.0], [0.8, 0.9]]), "s": 1.1, "t": np.float32(0.7)}
