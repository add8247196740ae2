"""Larger operands for every primitive: so large that loops run over them.

An elementwise primitive is tried on shapes with long, short and broadcast axes; for the others
there are examples by name.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.kinds import Elementwise
from wengert.primitive import Example, Primitive
from wengert.primitives.index import ARRAY

__all__ = ["larger"]

Shape = tuple[int, ...]

ALL = slice(None)
BACK = slice(None, None, -1)

SHAPES: dict[int, list[tuple[Shape, ...]]] = {
    1: [((70,),), ((5, 40),), ((40, 3),), ((3, 4, 17),), ((1, 33),), ((0, 40),)],
    2: [
        *[((70,), (70,)), ((70,), ()), ((), (5, 40)), ((5, 40), (40,)), ((40, 3), (40, 1))],
        *[((3, 4, 17), (4, 1)), ((40, 1), (1, 33)), ((0, 40), (40,))],
    ],
    3: [
        *[((70,), (70,), ()), ((5, 40), (40,), (5, 1)), ((40, 3), (3,), (40, 1))],
        *[((3, 4, 17), (), (17,)), ((0, 40), (40,), ())],
    ],
}

REDUCED: list[tuple[Shape, Shape]] = [
    *[((70,), (0,)), ((5, 40), (0,)), ((5, 40), (1,)), ((5, 40), (0, 1)), ((40, 3), (1,))],
    *[((40, 3), (0,)), ((40, 3), (0, 1)), ((3, 4, 17), (1,)), ((3, 4, 17), (0, 2))],
    *[((3, 4, 17), (2,)), ((3, 4, 17), (0,)), ((3, 4, 17), (0, 1)), ((2048,), (0,))],
    *[((2049,), (0,)), ((5000,), (0,)), ((3, 2100), (1,)), ((2100, 3), (0,))],
    *[((2100, 3), (0, 1)), ((40, 1), (1,)), ((1, 40), (0,)), ((40, 3), ()), ((40, 0), (1,))],
]
ALONG: list[tuple[Shape, int]] = [
    *[((70,), 0), ((5, 40), 0), ((5, 40), 1), ((40, 3), 0), ((40, 3), 1), ((3, 4, 17), 1)],
    *[((3, 4, 17), 2), ((1, 40), 0)],
]


def _reductions(*, empty: bool = True, single: bool = False) -> list[Example]:
    return [
        Example((shape,), {"axes": axes})
        for shape, axes in REDUCED
        if (empty or 0 not in shape) and (len(axes) == 1 or not single)
    ]


def _along(**params: Any) -> list[Example]:
    return [Example((shape,), {"axis": axis, **params}) for shape, axis in ALONG]


def _each(name: str, *cases: tuple[Shape, Any]) -> list[Example]:
    return [Example((shape,), {name: value}) for shape, value in cases]


PRODUCTS = [
    Example(shapes)
    for shapes in [
        *[((70,), (70,)), ((5, 40), (40,)), ((40,), (40, 3)), ((5, 40), (40, 3))],
        *[((40, 3), (3, 5)), ((3, 40), (40, 40)), ((30, 30), (30, 30)), ((3, 4, 17), (17, 5))],
        *[((3, 4, 17), (3, 17, 40)), ((3, 1, 4, 17), (5, 17, 4)), ((5, 40), (3, 40, 6))],
        *[((40, 3, 3), (40, 3, 3)), ((40, 3, 3), (40, 3, 1)), ((40, 1), (1, 40))],
        *[((0, 4), (4, 40)), ((40, 0), (0, 40)), ((17,), (3, 17, 4)), ((3, 4, 17), (17,))],
        ((1, 70), (70, 1)),
    ]
]
CONTRACTIONS = [
    Example(shapes, {"labels": tuple(labels.split(",")), "out": out})
    for shapes, labels, out in [
        (((70,), (70,)), "i,i", ""),
        (((40, 3), (40, 3)), "ij,ij", "i"),
        (((40, 3), (3, 40)), "ij,jk", "ik"),
        (((40, 3), (40,)), "ij,i", "j"),
        (((5, 40),), "ij", "j"),
        (((5, 40),), "ij", "ji"),
        (((30, 30),), "ii", "i"),
        (((30, 30),), "ii", ""),
        (((3, 4, 17), (17, 5), (5, 3)), "abc,cd,da", "b"),
        (((3, 4, 17), (3, 4)), "abc,ab", "c"),
        (((7,), (40,), (3,)), "a,b,c", "cba"),
        (((3, 4, 17), (3, 17, 5)), "bij,bjk", "kbi"),
    ]
]


def _places(seed: int, length: int, size: int | Shape, low: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, length, size) + low


def _chosen() -> list[tuple[Shape, Shape, tuple[Any, ...], tuple[Any, ...]]]:
    """Shape of x, of the part, index arrays, and index, of the parts that arrays choose."""
    rows, columns = _places(1, 5, 50), _places(2, 40, 50)
    return [
        ((70,), (90,), (_places(0, 70, 90),), (ARRAY,)),
        ((70,), (5, 9), (_places(0, 70, (5, 9), -70),), (ARRAY,)),
        ((70,), (90,), (_places(0, 70, 90).astype(np.int32),), (ARRAY,)),
        ((70,), (90,), (_places(0, 70, 90).astype(np.uint8),), (ARRAY,)),
        ((70,), (0,), (_places(0, 70, 0),), (ARRAY,)),
        ((5, 40), (50, 40), (rows,), (ARRAY,)),
        ((5, 40), (5, 50), (columns,), (ALL, ARRAY)),
        ((5, 40), (50,), (rows, columns), (ARRAY, ARRAY)),
        ((40, 3), (60,), (_places(3, 40, 60),), (ARRAY, 1)),
        ((40, 3), (40, 2), (_places(7, 3, 2),), (ALL, ARRAY)),
        ((3, 4, 17), (3, 30, 9), (_places(5, 4, 30),), (ALL, ARRAY, slice(None, None, -2))),
        ((3, 4, 17), (30, 4), (_places(5, 3, 30), _places(6, 17, 30)), (ARRAY, ALL, ARRAY)),
        ((3, 40), (3, 5, 1), (_places(8, 40, (5, 1)),), (ALL, ARRAY)),
        ((40, 4, 3), (40, 9, 1), (_places(8, 4, (9, 1)),), (ALL, ARRAY, 1)),
        ((40, 4, 3), (9, 40, 1), (_places(8, 4, (9,)),), (ALL, ARRAY, None, 1)),
    ]


SLICES: list[tuple[Shape, Shape, tuple[Any, ...]]] = [
    ((70,), (29,), (slice(3, 60, 2),)),
    ((70,), (70,), (BACK,)),
    ((70,), (19,), (slice(60, 3, -3),)),
    ((70,), (), (5,)),
    ((70,), (), (-1,)),
    ((5, 40), (5, 39), (ALL, slice(1, None))),
    ((5, 40), (40,), (2,)),
    ((5, 40), (5,), (ALL, -3)),
    ((40, 3), (40,), (ALL, 1)),
    ((40, 3), (20, 3), (slice(None, None, -2), BACK)),
    ((40, 3), (40, 1, 2), (ALL, None, slice(0, 2))),
    ((40, 3), (40, 1, 3), (ALL, None, ALL)),
    ((3, 4, 17), (3, 5), (ALL, 2, slice(None, None, 4))),
    ((40, 3), (0, 3), (slice(5, 5),)),
    ((40, 3), (39, 3), (slice(1, None),)),
]


def _gathers() -> list[Example]:
    return [Example((x, *arrays), {"index": index}) for x, _, arrays, index in _chosen()]


def _scatters() -> list[Example]:
    by_arrays = [Example((x, part, *a), {"index": index}) for x, part, a, index in _chosen()]
    return by_arrays + [Example((x, part), {"index": index}) for x, part, index in SLICES]


def _updates() -> list[Example]:
    """Without index arrays, or with places that differ from each other."""
    some = np.random.default_rng(1).permutation(70)[:20] - 70
    even = np.arange(20) * 2
    return [
        *(Example((x, part), {"index": index}) for x, part, index in SLICES),
        Example(((70,), (20,), some), {"index": (ARRAY,)}),
        Example(((5, 40), (5, 3), np.array([4, 39, 0])), {"index": (ALL, ARRAY)}),
        Example(((40, 3), (20,), even), {"index": (ARRAY, 2)}),
        Example(((40, 3), (20,), even, even % 3), {"index": (ARRAY, ARRAY)}),
    ]


def _selections() -> list[Example]:
    shapes = [
        *[((70,), (70,), (70,)), ((5, 40), (40,), (5, 1)), ((40, 1), (40, 3), ())],
        *[((17,), (3, 4, 17), (4, 1)), ((), (40,), (40,))],
    ]
    rng = np.random.default_rng(0)
    return [Example((rng.random(p) < 0.5, x, y)) for p, x, y in shapes]


KINDS = [np.dtype(n) for n in ("f4", "f8", "i8", "i4", "?", "c16", "i1", "u1")]

BY_NAME: dict[str, list[Example]] = {
    **dict.fromkeys(("all", "any", "sum", "prod"), _reductions()),
    **dict.fromkeys(("max", "min"), _reductions(empty=False)),
    **dict.fromkeys(("argmax", "argmin"), _reductions(empty=False, single=True)),
    **dict.fromkeys(("sort", "cumprod"), _along()),
    "argsort": _along(kind="stable"),
    **dict.fromkeys(("maximum_so_far", "minimum_so_far"), _along()),
    "cumsum": [*_along(reverse=False), *_along(reverse=True)],
    "matmul": PRODUCTS,
    "einsum": CONTRACTIONS,
    "broadcast": _each(
        "shape",
        *[((40,), (5, 40)), ((40, 1), (40, 3)), ((), (3, 40)), ((4, 1), (3, 4, 17))],
        *[((1, 1), (3, 40, 1)), ((0,), (4, 0))],
    ),
    "concatenate": [
        Example(shapes, {"axis": axis})
        for shapes, axis in [
            (((40,), (30,)), 0),
            (((40, 3), (40, 2)), 1),
            (((4, 30), (5, 30), (0, 30)), 0),
            (((3, 4, 17), (3, 5, 17)), 1),
            (((3, 40), (3, 5)), 1),
        ]
    ],
    "convert": _each("dtype", *((shape, kind) for shape in ((70,), (40, 3)) for kind in KINDS)),
    "transpose": _each(
        "axes",
        *[((5, 40), (1, 0)), ((3, 4, 17), (2, 0, 1)), ((3, 4, 17), (0, 2, 1))],
        *[((40, 3), (1, 0)), ((2, 3, 4, 5), (3, 1, 0, 2))],
    ),
    "reshape": _each(
        "shape",
        *[((70,), (7, 10)), ((5, 40), (200,)), ((5, 40), (40, 5)), ((40, 3), (4, 10, 3))],
        *[((40, 3), (120,)), ((3, 4, 17), (12, 17)), ((3, 4, 17), (3, 68))],
        *[((3, 4, 17), (17, 12)), ((40, 3), (1, 40, 1, 3)), ((0, 40), (40, 0))],
    ),
    "pad": _each(
        "widths",
        *[((70,), ((3, 4),)), ((5, 40), ((0, 0), (1, 2))), ((5, 40), ((1, 1), (0, 0)))],
        *[((40, 3), ((0, 0), (1, 1))), ((3, 4, 17), ((1, 0), (0, 0), (0, 2)))],
        ((0,), ((20, 20),)),
    ),
    "slice": _each("index", *((x, index) for x, _, index in SLICES)),
    "gather": _gathers(),
    "scatter_add": _scatters(),
    "update": _updates(),
    "select": _selections(),
}


def larger(primitive: Primitive) -> list[Example]:
    """Larger examples of a primitive; none where it has parameters that are not known here."""
    if isinstance(primitive, Elementwise) and not primitive.examples:
        return [Example(shapes) for shapes in SHAPES[primitive.arity]]
    return BY_NAME.get(primitive.name, [])
