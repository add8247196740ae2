"""Where NumPy raises, a traced call raises too; and ``out`` by its place is no other option."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wengert as wg

V, U = np.array([0.3, 0.8, 1.4]), np.array([0.6, 0.9])
M, N = np.array([[0.3, 0.8], [1.4, 0.6]]), np.arange(6.0).reshape(2, 3)
T = np.arange(8.0).reshape(2, 2, 2)
EMPTY = np.zeros(0)

# -- calls that NumPy refuses ----------------------------------------------------------------------

REFUSED: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "einsum of unequal axes": (lambda x: np.einsum("ii->i", x), np.ones((1, 3))),
    "einsum trace": (lambda x: np.einsum("ii", x), np.ones((2, 1))),
    "einsum without its ellipsis": (lambda x: np.einsum("ij...->i", x), T),
    "clip without a limit": (lambda x: np.clip(x, 0.5), V),
    "clip by two limits": (lambda x: np.clip(x, 0.5, 0.9, min=0.2), V),
    "choose by floats": (lambda x: np.choose(x, [1.0, 2.0]), V),
    "compress by a matrix": (lambda x: np.compress(M > 0, x), M),
    "convolve of a matrix": (np.convolve, M),
    "correlate of a number": (lambda x: np.correlate(x, V), 0.5),
    "correlate in no mode": (lambda x: np.correlate(x, V, "half"), V),
    "covariance of a cube": (np.cov, T),
    "diagonal of a cube": (np.diag, T),
    "negative difference": (lambda x: np.diff(x, -1), V),
    "difference of a number": (np.diff, 0.5),
    "bins out of order": (lambda x: np.digitize(0.5, x), V[[0, 2, 1]]),
    "ends of another kind": (lambda x: np.ediff1d(x, 1j), V),
    "gradient with too many spacings": (lambda x: np.gradient(x, 1.0, 2.0), V),
    "gradient of third order": (lambda x: np.gradient(x, edge_order=3), V),
    "geometric sequence from zero": (lambda x: np.geomspace(x, 2.0), 0.0),
    "interpolation of unequal lengths": (lambda x: np.interp(0.5, x, U), V),
    "negative count": (lambda x: np.linspace(x, 1.0, -1), 0.5),
    "fractional count": (lambda x: np.linspace(x, 1.0, 2.5), 0.5),
    "matvec of a vector": (lambda x: np.matvec(x, V), V),
    "vecdot of unequal lengths": (lambda x: np.vecdot(x, V[:1]), V),
    "vecdot of a number": (lambda x: np.vecdot(x, 2.0), V),
    "vecmat of a vector": (lambda x: np.vecmat(x, V), V),
    "tensordot over no axis": (lambda x: np.tensordot(x, M, ((5,), (0,))), M),
    "cross of two components": (lambda x: np.linalg.cross(x, U), U),
    "padding of a fraction": (lambda x: np.pad(x, 1.5), V),
    "negative padding": (lambda x: np.pad(x, -1), V),
    "partition at no place": (lambda x: np.partition(x, 3), V),
    "partition at a fraction": (lambda x: np.partition(x, 0.5), V),
    "piecewise by another shape": (lambda x: np.piecewise(x, [U > 0], [np.sin]), V),
    "select by numbers": (lambda x: np.select([np.ones(3)], [x]), V),
    "search in a matrix": (lambda x: np.searchsorted(x, 0.5), M),
    "roll along a table": (lambda x: np.roll(x, [[1]], 0), V),
    "negative powers": (lambda x: np.vander(x, -1), V),
    "vsplit of a row": (lambda x: np.vsplit(x, 3), V),
    "where of one": (lambda x: np.where(x > 0, x), V),
    "weights without weight": (lambda x: np.average(x, weights=[1.0, -1.0, 0.0]), V),
    "negative shape": (lambda x: np.broadcast_to(x, (-1,)), 0.5),
    "least squares of a stack": (lambda x: np.linalg.lstsq(x, M, rcond=None), T),
    "power of a matrix that is not square": (lambda x: np.linalg.matrix_power(x, 2), N),
    "inverse tensor": (lambda x: np.linalg.tensorinv(x, 0), M),
    "norm of no order": (lambda x: np.linalg.norm(x, "fro"), V),
    "dtype of another kind": (lambda x: np.add(x, 1, dtype=int), V),
    "complex in place": (lambda x: np.multiply(x, 1j, out=x), V),
    "maximum of nothing": (np.max, EMPTY),
    "no such axis": (lambda x: np.sum(x, axis=2), M),
    "axis twice": (lambda x: np.sum(x, axis=(0, 0)), M),
    "index by True": (lambda x: np.take_along_axis(x, np.array([True]), 0), V),
    "no such element": (lambda x: np.take(x, [3]), V),
    "integer of nan": (lambda x: int(x), np.nan),
    "shapes": (lambda x: x + U, V),
    "negative repeats": (lambda x: np.repeat(x, -1), V),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("f", "x"), REFUSED.values(), ids=REFUSED.keys())
def test_what_numpy_refuses_is_refused(f: Callable[[Any], Any], x: Any) -> None:
    x = np.asarray(x, float)[()]
    with pytest.raises(Exception) as plain:  # noqa: PT011
        f(x.copy())
    kinds = tuple(k for k in type(plain.value).__mro__ if k in COMMON)[:1]
    for run in (
        lambda: wg.jvp(f, (x.copy(),), (np.ones_like(x),)),
        lambda: wg.vjp(f, x.copy()),
        lambda: wg.jit(f)(x.copy()),
        lambda: wg.jit(lambda x: wg.vjp(f, x)[0])(x.copy()),
    ):
        with pytest.raises(kinds):
            run()


COMMON = (
    np.linalg.LinAlgError,
    np.exceptions.AxisError,
    IndexError,
    ValueError,
    TypeError,
    ZeroDivisionError,
)

SKIPPED = frozenset(
    "test info show_config show_runtime save savez savez_compressed savetxt fromfile load loadtxt "
    "genfromtxt fromregex fromstring set_printoptions printoptions setbufsize seterr seterrcall "
    "empty empty_like from_dlpack get_include bmat asmatrix nested_iters errstate frombuffer "
    "copyto may_share_memory shares_memory".split()
)

BAD: dict[str, Callable[[Any, Any, Any], tuple[Any, ...]]] = {
    "v": lambda v, m, e: (v,),
    "m": lambda v, m, e: (m,),
    "number": lambda v, m, e: (v[0],),
    "nothing": lambda v, m, e: (e,),
    "v, 5": lambda v, m, e: (v, 5),
    "v, -3": lambda v, m, e: (v, -3),
    "m, -3": lambda v, m, e: (m, -3),
    "number, 1": lambda v, m, e: (v[0], 1),
    "nothing, 0": lambda v, m, e: (e, 0),
    "v, two": lambda v, m, e: (v, v[:2]),
    "m, v": lambda v, m, e: (m, v),
    "v, m": lambda v, m, e: (v, m),
    "m, m of another shape": lambda v, m, e: (m, np.transpose(m)[:1]),
    "v, nothing": lambda v, m, e: (v, e),
    "[v, two]": lambda v, m, e: ([v, v[:2]],),
    "[m, v], 1": lambda v, m, e: ([m, v], 1),
    "mask, v, two": lambda v, m, e: (V > 0.5, v, v[:2]),
    "v, indices out of range": lambda v, m, e: (v, [0, 9]),
    "c, v, two": lambda v, m, e: (U, v, v[:2]),
    "m, 0, 5": lambda v, m, e: (m, 0, 5),
    "'ij', v": lambda v, m, e: ("ij", v),
}

ANSWERED = frozenset(
    {"matrix_rank(m, 0, 5)", "average(nothing, 0)", "tensorinv(number)", "tensorinv(number, 1)"}
)
"""Calls whose refusal in NumPy says nothing of the arguments."""

ABOUT_ARRAYS = ("only integer scalar", "construct a dtype", "must be str", "ambiguous", "data type")
"""Of errors that NumPy raises as an option is an array; a traced one is not looked into."""


def bad_calls() -> Iterator[tuple[str, Callable[[Any], Any]]]:
    for module in (np, np.linalg):
        for name in sorted(set(module.__all__) - SKIPPED):
            f = getattr(module, name)
            if not callable(f) or isinstance(f, type):
                continue
            for label, make in BAD.items():

                def call(x: Any, f: Any = f, make: Any = make) -> Any:
                    found = f(*make(x[:3], np.reshape(x[:4], (2, 2)), x[:0]))
                    return list(found) if isinstance(found, (list, tuple)) else found

                yield f"{name}({label})", call


def test_no_function_of_numpy_answers_where_numpy_raises() -> None:
    x = np.array([0.3, 0.8, 1.4, 0.6])
    answered: list[str] = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for label, call in bad_calls():
            try:
                call(x.copy())
            except Exception as error:
                if any(sign in str(error) for sign in ABOUT_ARRAYS) or label in ANSWERED:
                    continue
            else:
                continue
            try:
                wg.jvp(call, (x.copy(),), (x,))
            except Exception:
                continue
            answered.append(label)
    assert sorted(answered) == []


# -- out by its place ------------------------------------------------------------------------------

BY_PLACE: dict[str, Callable[[Any], Any]] = {
    "sum": lambda x: np.sum(x, 0, None, None, True),
    "x.sum": lambda x: x.sum(0, None, None, True),
    "sum into": lambda x: np.sum(x, 0, None, np.zeros_like(x[0])),
    "mean": lambda x: np.mean(x, 0, None, None, True),
    "std": lambda x: np.std(x, 0, None, None, 1, True),
    "x.std": lambda x: x.std(0, None, None, 1),
    "max": lambda x: np.max(x, 0, None, True),
    "x.max": lambda x: x.max(0, None, True),
    "median": lambda x: np.median(x, 0, None, False, True),
    "quantile": lambda x: np.quantile(x, 0.3, 0, None, False, "lower", True),
    "argmax": lambda x: np.argmax(x, 0, None),
    "take": lambda x: np.take(x, [5], 0, None, "clip"),
    "x.take": lambda x: x.take([5], 0, None, "wrap"),
    "choose": lambda x: np.choose([[0, 3], [1, 1]], [x, 2 * x], None, "wrap"),
    "all": lambda x: np.all(x, 0, None, True),
    "nansum": lambda x: np.nansum(x, 0, None, None, True),
    "fix": lambda x: np.fix(x, np.zeros_like(x)),
    "round": lambda x: x.round(1, None),
    "two results": lambda x: sum(np.modf(3 * x, np.zeros_like(x), np.zeros_like(x))),
    "a list into": lambda x: np.abs([-1.0, 2.0], np.zeros_like(x[0])) * x,
}


@pytest.mark.parametrize("f", BY_PLACE.values(), ids=BY_PLACE.keys())
def test_an_out_by_its_place_is_no_other_option(f: Callable[[Any], Any]) -> None:
    want = f(M.copy())
    value, tangent = wg.jvp(f, (M,), (np.ones_like(M),))
    assert value.dtype == want.dtype
    np.testing.assert_allclose(value, want, rtol=1e-14)
    if want.dtype.kind == "f":
        h = 1e-7
        np.testing.assert_allclose(tangent, (f(M + h) - f(M - h)) / (2 * h), atol=1e-6)
    np.testing.assert_allclose(wg.jit(f)(M.copy()), want, rtol=1e-14)


@pytest.mark.parametrize("index", [(), ..., (...,)])
def test_a_sequence_is_no_element_of_an_array_without_axes(index: Any) -> None:
    def f(x: Any) -> Any:
        y = np.copy(x)
        y[index] = [0.25]
        return y

    for call in (f, lambda x: wg.jvp(f, (x,), (x,)), lambda x: wg.grad(f)(x)):
        with pytest.raises(ValueError, match="sequence"):
            call(np.float64(1.0))


def test_complex_numbers_among_objects_are_refused() -> None:
    c = np.array([2, 0.5, 1j], dtype=object)
    with pytest.raises(wg.errors.DtypeError, match="astype"):
        wg.jvp(lambda x: np.linalg.norm(x + c), (np.ones(3),), (np.ones(3),))


TABLE = np.arange(5.0)


def written(v: Any, index: Any) -> Any:
    table = np.ones(3)
    table[index] = 5.0
    return v * table


@pytest.mark.parametrize(
    "use",
    [
        lambda v, i, b: TABLE[b],
        lambda v, i, b: TABLE[~b, ...],
        lambda v, i, b: TABLE[v > 0],
        lambda v, i, b: v[b],
        lambda v, i, b: TABLE[:i],
        lambda v, i, b: [1.0, 2.0, 3.0][i],
        lambda v, i, b: TABLE.take(i) if i else v,
        lambda v, i, b: written(v, b),
        lambda v, i, b: np.zeros(i),
        lambda v, i, b: np.full((2, i), 1.0),
        lambda v, i, b: np.empty(i),
        lambda v, i, b: np.eye(i),
        lambda v, i, b: np.linspace(0.0, 1.0, i),
        lambda v, i, b: np.tile(TABLE, i),
        lambda v, i, b: np.repeat(TABLE, i),
        lambda v, i, b: np.delete(TABLE, i),
        lambda v, i, b: np.insert(TABLE, i, 1.0),
        lambda v, i, b: np.insert(v, i, 1.0),
        lambda v, i, b: np.moveaxis(np.ones((2, 3)), i, 0),
        lambda v, i, b: np.expand_dims(TABLE, i),
        lambda v, i, b: np.sum(np.ones((3, 3)), axis=i),
        lambda v, i, b: np.ones((3, 3)).sum(axis=i),
        lambda v, i, b: np.sum(v, axis=i),
        lambda v, i, b: np.roll(TABLE, i),
        lambda v, i, b: np.partition(TABLE, i),
        lambda v, i, b: np.pad(TABLE, i),
        lambda v, i, b: np.linalg.matrix_power(np.eye(2), i),
        lambda v, i, b: np.random.default_rng(0).normal(size=i),
        lambda v, i, b: np.random.default_rng(0).choice(i + 1),
        lambda v, i, b: np.broadcast_to(1.0, (i,)),
        lambda v, i, b: np.ones(6).reshape(i, -1),
        lambda v, i, b: list(range(i)),
        lambda v, i, b: [1.0] * i,
        lambda v, i, b: len(bytes(i)),
        lambda v, i, b: np.nonzero(v > 0),
    ],
)
def test_integers_and_masks_that_are_not_known_are_refused_by_name(use: Any) -> None:
    def f(v: Any) -> Any:
        return use(v, np.argmax(v), v[0] > 0)

    x = np.array([-1.0, 2.0, 3.0])
    for call in (lambda: wg.vmap(f)(x[None]), lambda: wg.scan(lambda c, _: (c, f(c)), x, length=1)):
        with pytest.raises(wg.errors.WengertError) as caught:
            call()
        assert "Write" in str(caught.value)


def test_integers_that_are_not_known_can_be_shifted() -> None:
    def f(v: Any) -> Any:
        i = np.argmax(v)
        return 1 << i, i >> 1, i << 2, 8 >> i

    x = np.array([[1.0, 2.0], [3.0, 1.0]])
    for result, *wanted in zip(wg.vmap(f)(x), *map(f, x), strict=True):
        assert result.tolist() == wanted


def test_a_sequence_is_a_part_of_an_array_without_axes() -> None:
    def f(x: Any) -> Any:
        y = np.full_like(np.copy(x), 0.25)
        y.real = [0.5]
        y.imag = [0.75]
        return y * x

    z = np.complex64(2.0)
    try:
        wanted = f(z)
    except ValueError:
        pytest.skip("NumPy refuses it from 2.5 on; here it has the value that it had before")
    assert wg.jvp(f, (z,), (z,)) == (wanted, wanted)
