"""NumPy's functions and operators of lists with traced values in them, all that the table names."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wengert as wg
from numpy_routes import every_route_agrees, flattened, home_of, leaves, names_of, value
from wengert.functions.coverage import DIFFERENTIABLE, DISCRETE, STEPS, TABLE
from wengert.jit.execute import Executable

# -- every function of the table -------------------------------------------------------------------

MATRIX = np.random.default_rng(0).permutation(9).reshape(3, 3) / 10 + 0.27
OPERANDS = {"matrix": MATRIX, "vector": MATRIX[0].copy()}

OTHER = "another list"
FIRSTS: list[tuple[Any, ...]] = [(), ([True, False, True],), ("ij,jk",), ([0, 1, 2],)]
SECONDS: list[tuple[Any, ...]] = [
    *((), (OTHER,), (1,), ([0, 1],), (OTHER, OTHER), ([0, 1], OTHER), ([0, 2], 1), ((3, 3),)),
    *((1, OTHER), (2, OTHER), ([[0], [1], [2]], 1), (1, 0)),
]

WITHOUT_LISTS = frozenset(
    """
    apply_along_axis apply_over_axes arange array2string array_repr array_str astype bincount
    bitwise_and bitwise_invert bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift
    bitwise_xor broadcast c_ can_cast chebinterpolate chebline chebvander3d chebweight
    Chebyshev cholesky common_type copyto diag_indices_from dsplit einsum_path empty_like
    fftfreq fill_diagonal flatiter fromfunction fromiter frompyfunc full gcd hermeline hermevander3d
    hermeweight Hermite HermiteE hermline hermvander3d hermweight hsplit invert isfortran ix_
    kaiser lagline Laguerre lagvander3d lagweight lcm left_shift Legendre legline legvander3d
    legweight mgrid min_scalar_type moveaxis multi_dot ndenumerate ndindex nditer
    normalize_axis_index normalize_axis_tuple ogrid piecewise place poly1d polyline Polynomial
    polyvander3d put put_along_axis putmask r_ ravel_multi_index result_type rfftfreq
    right_shift rollaxis swapaxes take take_along_axis tensorsolve tril_indices_from
    triu_indices_from unravel_index unstack vectorize
    """.split()
)
"""What takes no list, integers or other things besides, or gives texts or what is never set."""


def calls_of(function: Callable[..., Any]) -> Iterator[tuple[Callable[..., Any], Any]]:
    """Calls with nested lists that NumPy takes, and their operands."""
    for key, before, after in itertools.product(OPERANDS, FIRSTS, SECONDS):

        def call(
            x: Any,
            given: Callable[[Any], Any] = lambda x: x.tolist(),
            b: Any = before,
            a: Any = after,
        ) -> Any:
            others = [given(x[::-1] * 1.5) if isinstance(each, str) else each for each in a]
            return function(*b, given(x), *others)

        if OTHER in before:
            continue
        try:
            results = [np.asarray(each) for each in leaves(call(OPERANDS[key].copy()))]
        except Exception:
            continue
        if all(each.dtype.kind in "fcbiu" for each in results):
            yield call, OPERANDS[key].copy()


NAMES = [
    (home, name)
    for home in TABLE
    if home.startswith("np")
    for name in names_of(home, DIFFERENTIABLE, STEPS, DISCRETE)
    if name not in WITHOUT_LISTS
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("home", sorted({home for home, _ in NAMES}))
def test_every_function_of_the_table_takes_lists(
    home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Executable, "start", lambda self, wait: self)
    for name in [name for each, name in NAMES if each == home]:
        function = getattr(np.emath if home == "np.emath" else home_of(home), name, None)
        calls = list(itertools.islice(calls_of(function), 1))
        assert calls or function is None, f"{name} has been called with no list"
        for call, x in calls:
            check(name, call, x)


def check(name: str, call: Callable[..., Any], x: Any) -> None:
    """Values and derivatives of a list are those of its array."""
    wanted = leaves(call(x))
    for result, right in zip(value(call, x), wanted, strict=True):
        assert np.result_type(result) == np.result_type(right), name
        np.testing.assert_allclose(result, right, 1e-12, 1e-12, err_msg=name)
    flat = flattened(call)
    if all(np.asarray(each).dtype.kind not in "fc" for each in wanted):
        return
    of_array = flattened(lambda x: call(x, given=lambda x: np.array(x)))
    weights = np.cos(np.arange(flat(x).size))
    slope = wg.grad(lambda x: np.sum(weights * flat(x) ** 2))
    right = wg.grad(lambda x: np.sum(weights * of_array(x) ** 2))
    if name != "histogramdd":  # of which a list has the coordinates of points in its items
        np.testing.assert_allclose(slope(x), right(x), 1e-10, 1e-12, err_msg=name)
    np.testing.assert_allclose(wg.jit(flat)(x), flat(x), 1e-12, 1e-12, err_msg=name)


# -- operators, targets and lists of lists ---------------------------------------------------------

TABLE_OF_NUMBERS = np.arange(1.0, 5.0).reshape(2, 2)


def operators(x, y):
    left = TABLE_OF_NUMBERS @ [x, y] + [x, y] @ TABLE_OF_NUMBERS
    whole = TABLE_OF_NUMBERS * [x, 2.0] + [[x, y], [1, y]] * TABLE_OF_NUMBERS - [x, y]
    return np.sum(left**2) + np.sum(whole / [y, 3] % [[x], [y]]) + (left > [x, y]).sum() * x


def in_place(x, y):
    s = np.zeros((2, 2))
    s += [x, y]
    s[1] *= (y, 3.0)
    s[[0, 1], [1, 0]] -= [x * y, 1]
    t = np.ones(2)
    t[:] = [x, y]
    t @= [[x, 1.0], [y, y]]
    t.flat = (y, x)
    np.add(t, [x, y], out=t)
    np.multiply([x, y], 2.0, out=(s[0],))
    np.copyto(s[1], [y, x])
    np.add.at(t, [0, 0], [x, y])
    np.put(s, [0], [x * x])
    np.place(t, [True, False], [y])
    np.fill_diagonal(s, [x, y * y])
    np.put_along_axis(s, np.array([[1], [0]]), [[x], [x * y]], 1)
    return np.sum(s * TABLE_OF_NUMBERS) * t[0] + t[1]


def ufuncs(x, y):
    return (
        np.sum(np.sin([x, y]) * np.arctan2((x, 1.0), [[y], [x]]))
        + np.add.reduce([x, y * y])
        + np.multiply.outer([x, y], (x, 2))[0, 1]
        + np.maximum.accumulate([x, y, 1.0])[2]
        + np.add.reduceat([x, y, x * y], [0, 2])[1]
        + np.add.reduce([[x, y], [y, 2.0]], axis=1, where=[[True, False], [x < y, True]])[0]
        + np.matmul([[x, y], [1, 2]], [y, 1])[0]
        + np.modf([x, y])[0].sum()
    )


def lists_of_lists(x, y):
    return (
        np.concatenate([[x, y], [1.0], np.array([y])])[1]
        + np.stack([[x, y], (y, 2)], axis=1)[0, 1] * x
        + np.hstack([[x], [y, 2.0]]).prod()
        + np.block([[x, y], [1.0, x]])[1, 1]
        + np.select([[x < y, True], [True, True]], [[x, y], [y, 2.0]]).sum()
        + np.choose([0, 1], [[x, y], [y, x * y]]).sum()
        + np.piecewise([x, y], [[True, False], [False, True]], [lambda t: t * t, y]).sum()
        + np.linalg.multi_dot([[[x, y], [1, y]], TABLE_OF_NUMBERS, [x, 1]])[0]
        + np.lexsort(([x, y], [y, x])).sum() * x
        + np.lexsort([[x, y], [y, x]])[0] * y
        + np.histogramdd([[x, y], [y, x]], 2, weights=[x, y])[0].sum()
        + np.broadcast_arrays([x, y], [[y], [x]])[1][0, 1]
        + np.meshgrid([x, y], [y, 1])[0][1, 0]
        + np.einsum("ij,j", TABLE_OF_NUMBERS, [x, y])[1]
        + np.bincount([0, 1, 0], weights=[x, y, x])[0]
    )


def methods(x, y):
    a = TABLE_OF_NUMBERS.copy()
    b = a.dot([x, y]) + a.clip([x, 1], [y, 3]).sum() + a[0].take([1]).sum()
    c = (
        np.array([y, x]).dot((x, y))
        + np.linalg.solve(a, [x, y])[0]
        + np.linalg.inv([[x, 1], [y, 2]])
    )
    return np.sum(b) + np.sum(c) + np.linalg.norm([x, y, (x + y)]) + np.full(2, [x, y])[1]


def named(x, y):
    return (
        np.interp(x=[x, y], xp=[0, 1, 3.0], fp=[x, 2 * y, 1.0]).sum()
        + np.average([x, y], weights=[y, 1.0])
        + np.linspace([x, y], [y, 2 * x], 3)[1].prod()
        + np.where([x < y, False], [x, y], 0)[0]
        + np.cross(a=[x, y, 1.0], b=(y, x, x))[2]
        + np.polyval([x, y, 1.0], 0.3)
        + np.polynomial.Polynomial([x, y])(y)
        + np.polynomial.chebyshev.chebval(0.3, [x, y])
        + np.take([x, y], [1, 1]).sum()
        + np.abs(np.fft.fft([x, y, 1.0])[1])
        + np.clip([x, y], a_min=[y, 0], a_max=3.0).sum()
    )


PROGRAMS = [operators, in_place, ufuncs, lists_of_lists, methods, named]


@pytest.mark.parametrize("f", PROGRAMS)
def test_operators_targets_and_lists_of_lists(f: Any) -> None:
    every_route_agrees(f, 0.7, 1.9)


def test_lists_without_traced_values_are_numpys_own() -> None:
    """Also within a function that is traced: nothing is asked, and results are plain."""
    seen: list[Any] = []

    def f(x: Any) -> Any:
        table = np.array([None, x], dtype=object)
        seen.extend((np.sin([1.0, 2.0]), np.dot([1, 2], (3, 4)), np.add.reduce([1, 2])))
        seen.append(np.concatenate([table, [1.0]]))
        return x

    wg.grad(f)(1.0)
    assert [type(each) for each in seen] == [np.ndarray, np.int64, np.int64, np.ndarray]
    assert seen[3].dtype == object


def test_shapes_of_traced_integers_stay_tuples() -> None:
    def f(x: Any, n: Any) -> Any:
        return np.reshape(np.ones(6), (n, 2)) * x, np.tile(np.ones(2), (n, 1)) * x

    for result in wg.jit(f)(2.0, 3):
        assert result.tolist() == [[2.0, 2.0]] * 3


def test_errors_are_numpys() -> None:
    for call in (
        lambda x: np.sin([x, [x, x]]),
        lambda x: np.dot([x, x], [x, x, x]),
        lambda x: np.add.reduce([x], axis=3),
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            wg.grad(call)(1.0)
