"""Random Programs as Python functions: straight-line NumPy on a growing list of values."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

UNARY = {
    "sin": np.sin,
    "tanh": np.tanh,
    "exp": lambda x: np.exp(0.3 * np.tanh(x)),
    "log": lambda x: np.log(1.5 + x * x),
    "sqrt": lambda x: np.sqrt(1.0 + x * x),
    "neg": lambda x: -x,
    "cube": lambda x: (0.5 * x) ** 3,
    "flip": lambda x: x[::-1],
    "cumsum": lambda x: 0.3 * np.cumsum(x),
    "softmax": lambda x: np.exp(x - np.max(x)) / np.sum(np.exp(x - np.max(x))),
    "head": lambda x: np.concatenate([x[:2], 2.0 * x[2:]]),
    "matrix": lambda x: np.outer(x, x) @ x / (1.0 + x @ x),
    "gather": lambda x: x[[2, 0, 2]],
    "mean": lambda x: x - np.mean(x),
}
BINARY = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / (2.0 + y * y),
    "where": lambda x, y: np.where(x > 0.1, x, y),
    "maximum": np.maximum,
    "scaled": lambda x, y: x * np.sum(y),
    "hypot": lambda x, y: np.hypot(1.0 + x, y),
}
SIZE = 3

steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(sorted(UNARY)), st.integers(0, 99)),
        st.tuples(st.sampled_from(sorted(BINARY)), st.integers(0, 99), st.integers(0, 99)),
        st.tuples(st.just("assign"), st.integers(0, 99), st.integers(0, 99), st.integers(0, 2)),
    ),
    min_size=1,
    max_size=7,
)
points = st.lists(st.integers(-20, 20), min_size=SIZE, max_size=SIZE).map(
    lambda numbers: np.array(numbers) / 16 + np.array([0.013, 0.027, -0.019])
)


def function(recipe: Any) -> Any:
    """The function of one array of ``SIZE`` elements that a drawn list of steps stands for."""

    def run(x: Any) -> Any:
        values = [x]
        for name, *places in recipe:
            if name == "assign":
                target, source, element = places
                changed = values[target % len(values)].copy()
                changed[element] = values[source % len(values)][0] * 2.0
                changed += 0.5
                values.append(changed)
                continue
            operands = [values[place % len(values)] for place in places]
            values.append((UNARY.get(name) or BINARY[name])(*operands))
        return values[-1]

    return run
