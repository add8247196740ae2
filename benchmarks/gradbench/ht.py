"""ht: the errors of a hand model's pose, and their Jacobian.

26 numbers pose a hand of 22 bones: a rotation, a translation, and four angles for each finger, that
bend its three joints and spread the first. Each vertex of the skin follows several bones. What is
measured are points, each of which belongs to a vertex (the simple kind) or to a place within a
triangle of the skin, given by two coordinates ``us`` of its own (the complicated kind).
"""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert as wg

from .task import Task, array, compiled

FINGERS = 5
FIRST_BONE = 2 + 4 * np.arange(FINGERS)
JOINTS = FIRST_BONE[:, None] + np.arange(3)
BENDS = 6 + 4 * np.arange(FINGERS)[:, None] + np.array([0, 2, 3])
SPREADS = 7 + 4 * np.arange(FINGERS)

ABOUT_X = np.array([[0.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 0]])
ABOUT_Z = np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])

Model = dict[str, Any]


def turned(angles: Any, about: Any) -> Any:
    """Matrices (bones, 4, 4) of rotations about one axis: 1 + sin(a) K + (1 − cos(a)) K²."""
    a = angles[:, None, None]
    return np.eye(4) + np.sin(a) * about + (1 - np.cos(a)) * (about @ about)


def rotation(axis_angle: Any) -> Any:
    """The rotation about an axis by its length, as a matrix; none for a very short axis."""
    angle = np.sqrt(np.sum(axis_angle**2))
    if angle < 1e-4:
        return np.eye(3)
    axis = axis_angle / angle
    about = np.cross(np.eye(3), axis)
    return np.eye(3) + np.sin(angle) * about + (1 - np.cos(angle)) * (about @ about)


def bones(theta: Any, model: Model, parents: tuple[int, ...]) -> Any:
    """What each bone does to the skin, of shape (bones, 4, 4)."""
    bend = np.zeros(len(parents), like=theta)
    bend[JOINTS] = theta[BENDS]
    spread = np.zeros(len(parents), like=theta)
    spread[FIRST_BONE] = theta[SPREADS]
    relative = model["base_relatives"] @ turned(spread, ABOUT_Z) @ turned(bend, ABOUT_X)
    absolute: list[Any] = []
    for bone, parent in enumerate(parents):
        own = relative[bone]
        absolute.append(own if parent == -1 else absolute[parent] @ own)
    return np.stack(absolute) @ model["inverse_base_absolutes"]


def skin(theta: Any, model: Model, parents: tuple[int, ...], mirrored: bool) -> Any:
    """The vertices of the posed hand, a column each.

    The whole hand is turned by turning its bones; a vertex is the mean of where they take it.
    """
    turn = rotation(theta[:3])
    if mirrored:
        turn = turn * np.array([-1.0, 1.0, 1.0])
    transforms = turn @ bones(theta, model, parents)[:, :3, :]
    carried = model["weights"][:, :, None] * model["base_positions"][:, None, :]
    count = len(carried)
    vertices = np.moveaxis(transforms, 1, 0).reshape(3, -1) @ carried.reshape(count, -1).T
    return vertices + theta[3:6, None]


def errors(
    theta: Any, us: Any, data: Model, parents: tuple[int, ...], mirrored: bool = False
) -> Any:
    """The points less their places on the skin, of shape (points, 3)."""
    vertices = skin(theta, data, parents, mirrored)
    if len(us) == 0:
        return data["points"] - vertices[:, data["correspondences"]].T
    first, second, third = data["triangles"][data["correspondences"]].T
    u, v = us.T
    on_skin = u * vertices[:, first] + v * vertices[:, second] + (1 - u - v) * vertices[:, third]
    return data["points"] - on_skin.T


def jacobian(
    theta: Any, us: Any, data: Model, parents: tuple[int, ...], mirrored: bool = False
) -> Any:
    """The derivatives of all errors, of shape (3 points, columns).

    For the complicated kind the first two columns are those of a point's own ``us``: those of all
    points are moved at once, as no error depends on another point's. Then those of ``theta``.
    """
    own = min(len(us), 1) * 2

    def moved(steps: Any) -> Any:
        return errors(theta + steps[own:], us + steps[:own], data, parents, mirrored)

    columns = wg.jacfwd(moved)(np.zeros(own + len(theta)))
    return columns.reshape(-1, own + len(theta))


def _read(given: Any) -> tuple[Any, ...]:
    data, model = given["data"], given["data"]["model"]
    numbers = ("base_relatives", "inverse_base_absolutes", "base_positions", "weights")
    arrays = {name: array(model[name]) for name in numbers}
    arrays["triangles"] = np.array(model["triangles"], dtype=np.int64)
    arrays["correspondences"] = np.array(data["correspondences"], dtype=np.int64)
    arrays["points"] = array(data["points"])
    us = array(given["us"]).reshape(-1, 2) if given["us"] else np.zeros((0, 0))
    return array(given["theta"]), us, arrays, tuple(model["parents"]), bool(model["is_mirrored"])


FUNCTIONS = {
    "objective": Task(
        compiled(errors, static_argnums=(3, 4)), _read, lambda found: found.ravel().tolist()
    ),
    "jacobian": Task(compiled(jacobian, static_argnums=(3, 4)), _read),
}
