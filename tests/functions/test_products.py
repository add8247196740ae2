"""Products and contractions: their values are NumPy's, their derivatives exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from support import assert_derivatives, gradient


def array(*shape: int) -> Any:
    return np.sin(np.arange(1.0, 1 + np.prod(shape, dtype=int)) * 1.3).reshape(shape)


PAIRS = [
    (np.dot, (3,), (3,)),
    (np.dot, (2, 3), (3,)),
    (np.dot, (3,), (3, 2)),
    (np.dot, (2, 3), (3, 4)),
    (np.dot, (2, 3), (4, 3, 2)),
    (np.dot, (2, 2, 3), (3,)),
    (np.dot, (), (2, 3)),
    (np.matmul, (4, 2, 3), (3, 2)),
    (np.matmul, (2, 3), (4, 3, 2)),
    (np.inner, (3,), (3,)),
    (np.inner, (2, 3), (4, 3)),
    (np.inner, (2, 2, 3), (3,)),
    (np.outer, (2,), (3,)),
    (np.outer, (2, 2), (3,)),
    (np.vdot, (2, 3), (2, 3)),
    (np.vecdot, (2, 3), (3,)),
    (np.linalg.vecdot, (2, 3), (2, 3)),
    (np.matvec, (2, 3), (3,)),
    (np.vecmat, (2,), (2, 3)),
    (np.kron, (2, 3), (3, 2)),
    (np.kron, (2,), (2, 2)),
    (np.cross, (3,), (3,)),
    (np.cross, (2, 3), (3,)),
    (np.linalg.cross, (2, 3), (2, 3)),
    (np.linalg.outer, (2,), (3,)),
    (np.tensordot, (2, 3, 4), (3, 4, 2)),
]


@pytest.mark.parametrize(("function", "left", "right"), PAIRS)
def test_products_of_two(function: Any, left: Any, right: Any) -> None:
    a, b = array(*left), array(*right) + 0.2
    assert_derivatives(lambda x: function(x, b) ** 2, a)
    assert_derivatives(lambda x: function(a, x) ** 2, b)
    if left == right:
        assert_derivatives(lambda x: function(x, x**2), a)


@pytest.mark.parametrize(
    ("left", "right", "axes"),
    [
        ((2, 3), (3, 2), 1),
        ((2, 3), (4,), 0),
        ((2, 3, 4), (4, 3), ([1, 2], [1, 0])),
        ((2, 3, 4), (3, 2), ((0, 1), (1, 0))),
        ((2, 3), (2, 3), (-1, 1)),
    ],
)
def test_tensordot_over_any_axes(left: Any, right: Any, axes: Any) -> None:
    a, b = array(*left), array(*right)
    assert_derivatives(lambda x: np.tensordot(x, b, axes) ** 2, a)
    assert_derivatives(lambda x: np.tensordot(a, x, axes) ** 2, b)


EINSUMS: list[tuple[str, list[Any]]] = [
    ("ij,jk->ik", [(2, 3), (3, 4)]),
    ("ij,jk", [(2, 3), (3, 4)]),
    ("ii", [(3, 3)]),
    ("ii->i", [(3, 3)]),
    ("iji->j", [(2, 3, 2)]),
    ("ij->", [(2, 3)]),
    ("ba", [(2, 3)]),
    ("i,j->ji", [(2,), (3,)]),
    ("...i,...i->...", [(4, 2, 3), (2, 3)]),
    ("...ij,...jk->...ik", [(4, 1, 2, 3), (5, 3, 2)]),
    ("b...,b->...", [(2, 3, 4), (2,)]),
    ("...,...", [(2, 3), (3,)]),
    ("ij,ij->i", [(2, 3), (1, 3)]),
    ("i,ij,j->", [(2,), (2, 3), (3,)]),
    ("ij,jk,kl,lm->im", [(2, 3), (3, 2), (2, 3), (3, 2)]),
    ("bi,bij,bj->b", [(6, 9), (6, 9, 9), (6, 9)]),
    ("abc,cde->deab", [(5, 6, 7), (7, 5, 6)]),
    ("abb,bcd->cad", [(9, 8, 8), (8, 9, 7)]),
    ("bhij,bhjk->bihk", [(2, 3, 9, 9), (2, 3, 9, 9)]),
]


@pytest.mark.parametrize(("subscripts", "shapes"), EINSUMS)
def test_einsum(subscripts: str, shapes: list[Any]) -> None:
    operands = [array(*shape) for shape in shapes]
    for place, operand in enumerate(operands):

        def f(x: Any, place: int = place) -> Any:
            given = [x if i == place else o for i, o in enumerate(operands)]
            return np.einsum(subscripts, *given)

        assert_derivatives(f, operand)
    if len(shapes) > 1 and shapes[0] == shapes[1]:
        assert_derivatives(lambda x: np.einsum(subscripts, x, x), operands[0])


def test_einsum_in_the_notation_of_sublists() -> None:
    a, b = array(2, 3), array(3, 4)
    assert_derivatives(lambda x: np.einsum(x, [0, 1], b, [1, 2], [2, 0]), a)
    assert_derivatives(lambda x: np.einsum(a, [0, 1], x, [1, 2]), b)
    assert_derivatives(lambda x: np.einsum(x, [Ellipsis, 0], x, [Ellipsis, 0], [Ellipsis]), a)


def test_einsum_of_what_does_not_fit_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="einsum"):
        gradient(lambda x: np.einsum("ij,jk->", x, array(2, 2)), array(2, 3))
    with pytest.raises(ValueError, match="einsum"):
        gradient(lambda x: np.einsum("ijk->", x), array(2, 3))


def test_einsum_path_takes_traced_operands() -> None:
    paths = []

    def f(x: Any) -> Any:
        paths.append(np.einsum_path("ij,jk,kl", x, x, x)[0])
        return np.sum(x)

    x = array(3, 3)
    gradient(f, x)
    assert paths == [np.einsum_path("ij,jk,kl", x, x, x)[0]]


@pytest.mark.parametrize("function", [np.vdot, np.dot, np.inner, np.vecdot, np.outer, np.kron])
def test_products_of_complex_vectors(function: Any) -> None:
    c = array(3) + 1j * np.cos(array(3))
    assert_derivatives(lambda x: np.abs(function(x * (1 + 2j), c)) ** 2, array(3))
    assert_derivatives(lambda x: np.abs(function(c, x**2 + 1j * x)) ** 2, array(3))


def test_trace_with_offset_and_axes() -> None:
    x = array(3, 4, 3)
    assert_derivatives(lambda x: np.trace(x**2, 1, 0, 2), x)
    assert_derivatives(lambda x: x.trace(), x)


def test_vmap_of_products_is_a_loop() -> None:
    a, b = array(5, 2, 3), array(5, 3)
    for f in (np.dot, lambda a, b: np.einsum("ij,j->i", a, b), np.matvec):
        wanted = np.stack([f(x, y) for x, y in zip(a, b, strict=True)])
        np.testing.assert_allclose(wg.vmap(f)(a, b), wanted, rtol=1e-13)
