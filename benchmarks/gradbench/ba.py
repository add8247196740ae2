"""ba: bundle adjustment, errors of projections and their sparse Jacobian.

A camera is eleven numbers: an axis of rotation whose length is the angle, a centre, a focal length,
a principal point and two coefficients of radial distortion. Each observation has a camera, a point,
a weight and the place where the point was seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert as wg

from .task import Task, array, compiled

CAMERA = 11
POINT = 3


def rotated(v: Any, rotation: Any) -> Any:
    """``v`` rotated about an axis by its length, by Rodrigues' formula."""
    angle = np.sqrt(np.sum(rotation**2))
    axis = rotation / np.where(angle == 0, 1.0, angle)
    turned = (
        v * np.cos(angle)
        + np.cross(axis, v) * np.sin(angle)
        + axis * np.dot(axis, v) * (1 - np.cos(angle))
    )
    return np.where(angle == 0, v + np.cross(rotation, v), turned)


def projection_error(camera: Any, point: Any, weight: Any, seen: Any) -> Any:
    """How far from ``seen`` the camera shows the point, times the weight: two numbers."""
    focal, principal, radial = camera[6], camera[7:9], camera[9:]
    x = rotated(point - camera[3:6], camera[:3])
    plane = x[:2] / x[2]
    square = np.sum(plane**2)
    distorted = plane * (1 + radial[0] * square + radial[1] * square**2)
    return weight * (focal * distorted + principal - seen)


def weight_error(weight: Any) -> Any:
    """How far a weight is from one."""
    return 1 - weight**2


def errors(cameras: Any, points: Any, weights: Any, seen: Any, which: Any) -> Any:
    """The errors of all observations, and of all weights."""
    camera, point = which[:, 0], which[:, 1]
    return (
        wg.vmap(projection_error)(cameras[camera], points[point], weights, seen),
        weight_error(weights),
    )


def jacobian(cameras: Any, points: Any, weights: Any, seen: Any, which: Any) -> Any:
    """The Jacobian of the errors as a sparse matrix: ends of rows, columns, values.

    There are two rows for each observation, then one for each weight; the columns are those of the
    cameras, of the points and of the weights.
    """
    camera, point = which[:, 0], which[:, 1]
    blocks = wg.vmap(wg.jacobian(projection_error, argnums=(0, 1, 2)))(
        cameras[camera], points[point], weights, seen
    )
    by_camera, by_point, by_weight = blocks
    block = np.concatenate([by_camera, by_point, by_weight[:, :, None]], axis=2)
    values = np.concatenate([block.ravel(), wg.vmap(wg.grad(weight_error))(weights)])
    return (*_pattern(len(cameras), len(points), which), values)


def _pattern(cameras: int, points: int, which: Any) -> tuple[Any, Any]:
    """Where each row of the Jacobian ends, from 0 on, and the column of each of its values."""
    count = len(which)
    width = CAMERA + POINT + 1
    first_weight = CAMERA * cameras + POINT * points
    weight = first_weight + np.arange(count, dtype=np.int32)
    one = np.concatenate(
        [
            CAMERA * which[:, :1] + np.arange(CAMERA, dtype=np.int32),
            CAMERA * cameras + POINT * which[:, 1:] + np.arange(POINT, dtype=np.int32),
            weight[:, None],
        ],
        axis=1,
    )
    both = np.repeat(one[:, None, :], 2, axis=1)
    columns = np.concatenate([both.ravel(), weight])
    ends = width * np.arange(2 * count + 1, dtype=np.int32)
    rows = np.concatenate([ends, ends[-1] + np.arange(1, count + 1, dtype=np.int32)])
    return rows, columns


def _read(given: Any) -> tuple[Any, ...]:
    """The suite sends one camera, point, weight and place, for all of them."""
    n, m, p = given["n"], given["m"], given["p"]
    each = np.arange(p, dtype=np.int32)
    return (
        np.tile(array(given["cam"]), (n, 1)),
        np.tile(array(given["x"]), (m, 1)),
        np.full(p, float(given["w"])),
        np.tile(array(given["feat"]), (p, 1)),
        np.stack([each % n, each % m], axis=1),
    )


def _write_errors(found: Any) -> Any:
    """The first of each kind, and how many there are."""
    projections, weights = found
    return {
        "reproj_error": {"elements": projections[0].tolist(), "repeated": len(projections)},
        "w_err": {"element": float(weights[0]), "repeated": len(weights)},
    }


def _write_jacobian(found: Any) -> Any:
    """The values of the first observation, and the last one."""
    first = 2 * (CAMERA + POINT + 1)
    names = ("rows", "cols", "vals")
    return {
        name: [*part[:first].tolist(), part[-1].item()]
        for name, part in zip(names, found, strict=True)
    }


FUNCTIONS = {
    "objective": Task(compiled(errors), _read, _write_errors),
    "jacobian": Task(compiled(jacobian), _read, _write_jacobian),
}
