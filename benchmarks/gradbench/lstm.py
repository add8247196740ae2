"""lstm: the loss of a recurrent network that predicts a text, and its gradient.

A character is some bits, and everything in the network is as long as that: the weights, which are
diagonal, and the biases of each layer's four gates, what it shows and what it keeps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert as wg

from .task import Task, array, compiled


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(−x))."""
    return 1 / (1 + np.exp(-x))


def layer(weights: Any, biases: Any, hidden: Any, cell: Any, x: Any) -> tuple[Any, Any]:
    """The next state of a layer. ``weights`` and ``biases`` have shape (4, b)."""
    forget = sigmoid(x * weights[0] + biases[0])
    ingate = sigmoid(hidden * weights[1] + biases[1])
    outgate = sigmoid(x * weights[2] + biases[2])
    change = np.tanh(hidden * weights[3] + biases[3])
    cell = cell * forget + ingate * change
    return outgate * np.tanh(cell), cell


def loss(parameters: tuple[Any, Any], state: Any, sequence: Any) -> Any:
    """The mean of −y log p over all bits y of all characters but the first."""
    main, extra = parameters
    layers, bits = len(state) // 2, sequence.shape[1]
    gates = main.reshape(layers, 2, 4, bits)
    in_weight, out_weight, out_bias = extra

    def read(states: list[Any], characters: tuple[Any, Any]) -> tuple[list[Any], Any]:
        x, following = characters
        x = x * in_weight
        after: list[Any] = []
        for (weights, biases), (hidden, cell) in zip(gates, states, strict=True):
            x, cell = layer(weights, biases, hidden, cell, x)
            after.append((x, cell))
        predicted = x * out_weight + out_bias
        predicted = predicted - np.log(2 + np.sum(np.exp(predicted)))
        return after, np.sum(following * predicted)

    states = [(state[2 * i], state[2 * i + 1]) for i in range(layers)]
    _, gains = wg.scan(read, states, (sequence[:-1], sequence[1:]))
    return -np.sum(gains) / (len(gains) * bits)


def _read(given: Any) -> tuple[Any, ...]:
    parameters = array(given["main_params"]), array(given["extra_params"])
    return parameters, array(given["state"]), array(given["sequence"])


def _write_gradient(found: tuple[Any, Any]) -> list[float]:
    return np.concatenate([part.ravel() for part in found]).tolist()


FUNCTIONS = {
    "objective": Task(compiled(loss), _read),
    "jacobian": Task(compiled(wg.grad(loss)), _read, _write_gradient),
}
