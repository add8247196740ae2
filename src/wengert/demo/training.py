"""Training the network four ways, each for the same wall-clock time.

Three of the ways differ only in how they come by the gradient of the same function; the fourth
does without one. All of them see the same minibatches, start from the same weights and, given a
gradient, take the same steps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from .. import derivatives as wg
from ..program import Array
from .digits import Digits, Params, accuracy, initial, loss

__all__ = [
    "WAYS",
    "Run",
    "Way",
    "central_differences",
    "evaluation",
    "forward_mode",
    "reverse_mode",
    "train",
]

BATCH = 64

# -- three gradients -------------------------------------------------------------------------------


def central_differences(params: Params, images: Array, labels: Array, h: float = 1e-5) -> Params:
    """The gradient of the loss to about ten digits, by two evaluations for each parameter."""
    gradient = {name: np.empty_like(array) for name, array in params.items()}
    for name, array in params.items():
        for place in np.ndindex(array.shape):
            here = array[place]
            array[place] = here + h
            above = loss(params, images, labels)
            array[place] = here - h
            below = loss(params, images, labels)
            array[place] = here
            gradient[name][place] = (above - below) / (2 * h)
    return gradient


def forward_mode(params: Params, images: Array, labels: Array) -> Params:
    """The gradient of the loss, exactly, by one tangent for each parameter."""
    return wg.jacfwd(loss)(params, images, labels)


def reverse_mode(params: Params, images: Array, labels: Array) -> Params:
    """The gradient of the loss, exactly, by one sweep for all parameters."""
    return wg.grad(loss)(params, images, labels)


# -- two kinds of step -----------------------------------------------------------------------------


class Descent:
    """Gradient descent with momentum.

    Source: B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", USSR
    Computational Mathematics and Mathematical Physics 4(5), 1964.
    """

    def __init__(self, gradient: Callable[[Params, Array, Array], Params]) -> None:
        self.gradient = gradient
        self.velocity: Params = {}
        self.gradient_times: list[float] = []

    def step(self, params: Params, images: Array, labels: Array) -> None:
        """Change ``params`` in place."""
        began = time.perf_counter()
        gradient = self.gradient(params, images, labels)
        self.gradient_times.append(time.perf_counter() - began)
        for name, slope in gradient.items():
            velocity = 0.9 * self.velocity.get(name, 0.0) - 0.2 * slope
            self.velocity[name] = velocity
            params[name] += velocity


class RandomSearch:
    """A step in a random direction, taken only if it makes the loss smaller."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(2)
        self.gradient_times: list[float] = []

    def step(self, params: Params, images: Array, labels: Array) -> None:
        """Change ``params`` in place, or leave them."""
        tried = {
            name: array + 0.005 * self.rng.standard_normal(array.shape)
            for name, array in params.items()
        }
        if loss(tried, images, labels) < loss(params, images, labels):
            params.update(tried)


@dataclass(frozen=True)
class Way:
    """One way of training: ``cost`` says what a step takes, for a network of ``n`` parameters."""

    name: str
    make: Callable[[], Descent | RandomSearch]
    cost: Callable[[int], str]
    at_least: int = 2
    """Steps to be made even where the machine is too slow for the time."""


WAYS = (
    Way("random search", RandomSearch, lambda n: "-"),
    Way(
        "central differences",
        lambda: Descent(central_differences),
        lambda n: f"{2 * n:,} evaluations",
    ),
    Way("forward mode", lambda: Descent(forward_mode), lambda n: f"{n:,} tangents"),
    Way("reverse mode", lambda: Descent(reverse_mode), lambda n: "1 sweep", at_least=400),
)

# -- training --------------------------------------------------------------------------------------


@dataclass
class Run:
    """What came of one way: the curve is (seconds of training, loss on all training images)."""

    way: Way
    params: Params
    steps: int = 0
    curve: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    accuracy: float = math.nan
    gradient_time: float | None = None
    """Seconds that a typical gradient took; None for a way without."""
    done: bool = False

    @property
    def seconds(self) -> float:
        """Time spent on training alone."""
        return self.curve[-1][0]

    @property
    def loss(self) -> float:
        """The loss reached, on all training images."""
        return self.curve[-1][1]

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return sum(array.size for array in self.params.values())


def _minibatches(digits: Digits) -> Iterator[tuple[Array, Array]]:
    rng = np.random.default_rng(1)
    count = len(digits.train_labels)
    while True:
        order = rng.permutation(count)
        for start in range(0, count - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            yield digits.train_images[chosen], digits.train_labels[chosen]


def train(
    way: Way,
    digits: Digits,
    seconds: float,
    *,
    hidden: int = 64,
    at_most: float = math.inf,
    progress: Callable[[Run, float], None] = lambda run, elapsed: None,
) -> Run:
    """Train for ``seconds``, but at least ``way.at_least`` and ``at_most`` so many steps.

    ``progress(run, elapsed)`` is called about ten times a second. The clock counts the steps alone:
    it stands still while the loss on all training images is measured for the curve, at times that
    grow by a fifth each.
    """
    run = Run(way, initial(hidden))
    method = way.make()
    batches = _minibatches(digits)
    elapsed, mark, shown = 0.0, 1e-3, 0.0

    def measure() -> None:
        run.curve.append(
            (elapsed, float(loss(run.params, digits.train_images, digits.train_labels)))
        )

    measure()
    while run.steps < at_most and (elapsed < seconds or run.steps < way.at_least):
        images, labels = next(batches)
        began = time.perf_counter()
        method.step(run.params, images, labels)
        elapsed += time.perf_counter() - began
        run.steps += 1
        if elapsed >= mark:
            measure()
            mark = 1.2 * elapsed
        if elapsed - shown > 0.1:
            progress(run, elapsed)
            shown = elapsed
    if run.curve[-1][0] > 0.95 * elapsed:
        run.curve.pop()
    measure()
    if method.gradient_times:
        run.gradient_time = float(np.median(method.gradient_times))
    run.done = True
    run.accuracy = accuracy(run.params, digits.test_images, digits.test_labels)
    progress(run, elapsed)
    return run


def evaluation(digits: Digits, hidden: int = 64) -> float:
    """Seconds that the loss of one minibatch takes, without any derivative."""
    params = initial(hidden)
    images, labels = next(_minibatches(digits))
    times: list[float] = []
    for _ in range(50):
        began = time.perf_counter()
        loss(params, images, labels)
        times.append(time.perf_counter() - began)
    return float(np.median(times))
