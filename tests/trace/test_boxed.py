"""Arrays of objects: constants of the user's, and what NumPy's C code makes of traced numbers.

It makes them of lists, and of all nestings where nothing stands in for ``np.array``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import DtypeError, TracedArrayError, UnsupportedError, WengertError

C = np.array([1.0, -2.0], dtype=object)
X = np.array([3.0, 4.0])


@pytest.fixture
def originals() -> Iterator[None]:
    """NumPy's own functions, for which nothing stands in."""
    wg.stand_ins(False)
    yield
    wg.stand_ins(True)


def numerical(f: Callable[[Any], Any], x: np.ndarray[Any, Any], v: np.ndarray[Any, Any]) -> float:
    h = 1e-6
    return float((float(f(x + h * v)) - float(f(x - h * v))) / (2 * h))


# -- arrays of objects of the user's ---------------------------------------------------------------


def assigned(x: Any) -> Any:
    y = C.copy()
    y[0] = x[0] * 2
    return np.sum(y * x)


def multiplied_in_place(x: Any) -> Any:
    y = C.copy()
    y *= x
    y += x[0]
    return np.sum(y)


def summed_up(x: Any) -> Any:
    total = np.zeros(2, dtype=object)
    for i in range(3):
        total += i * x
    return total @ total


def put_into(x: Any) -> Any:
    y, z = np.zeros(3, dtype=object), np.zeros(2, dtype=object)
    np.put(y, [0, 2], x)
    np.copyto(z, x**2)
    np.add.at(z, [0, 0], x)
    np.fill_diagonal(square := np.zeros((2, 2), dtype=object), x[0])
    return np.sum(y * y) + z @ z + np.sum(square * x)


def filled(x: Any) -> Any:
    y = np.full((2,), x[0], dtype=object)
    y[1] = x[1]
    return np.sum(y * np.insert(np.zeros(1, dtype=object), 1, x[1] ** 2))


CONSTANTS: dict[str, Callable[[Any], Any]] = {
    "*": lambda x: np.sum(C * x),
    "+": lambda x: np.sum((x + C) ** 2),
    "/": lambda x: np.sum(C / x),
    "**": lambda x: np.sum(x**C),
    "base": lambda x: np.sum(np.array([2.0, 3.0], dtype=object) ** x),
    "@": lambda x: C @ x,
    "x @": lambda x: x @ C,
    "maximum": lambda x: np.sum(np.maximum(x, C)),
    "clip": lambda x: np.sum(np.clip(x, C, 3.5)),
    "dot": lambda x: np.dot(C, x),
    "inner": lambda x: np.inner(x, C),
    "outer": lambda x: np.sum(np.outer(C, x) ** 2),
    "tensordot": lambda x: np.tensordot(C, x, 1),
    "einsum": lambda x: np.einsum("i,i->", C, x),
    "kron": lambda x: np.sum(np.kron(C, x)),
    "convolve": lambda x: np.sum(np.convolve(x, C) ** 2),
    "where": lambda x: np.sum(np.where(np.array([True, False]), C, x)),
    "objects as mask": lambda x: np.sum(np.where(np.array([True, False], object), x, 0.0)),
    "concatenate": lambda x: np.sum(np.concatenate([C, x]) ** 2),
    "stack": lambda x: np.sum(np.stack([x, C]) ** 2),
    "append": lambda x: np.sum(np.append(x, C) ** 2),
    "comparison": lambda x: np.sum(np.where(x > C, x, 0.0)),
    "norm": lambda x: np.linalg.norm(C * x),
    "average": lambda x: np.average(x, weights=np.array([1.0, 2.0], dtype=object)),
    "polyval": lambda x: np.polyval(x, C) @ C,
    "integers": lambda x: np.sum(x * np.array([1, 2], dtype=object)),
    "mixed": lambda x: np.sum(x * np.array([1, 2.5], dtype=object)),
    "booleans": lambda x: np.sum(x * np.array([True, False], dtype=object)),
    "fractions": lambda x: np.sum(x * np.array([Fraction(1, 2), 3], dtype=object)),
    "large integers": lambda x: np.sum(x / np.array([2**70, 1], dtype=object)),
    "0-d": lambda x: np.sum(x * np.array(2.0, dtype=object)),
    "nested": lambda x: np.sum(np.array([[x[0], 2.0], [x[1], x[0]]]) @ C),
    "assignment": assigned,
    "in place": multiplied_in_place,
    "sum in place": summed_up,
    "put": put_into,
    "full": filled,
    "insert between integers": lambda x: np.sum(np.insert(np.zeros(2, object), 1, x[0]) * x[1]),
}


@pytest.mark.filterwarnings("ignore::wengert.errors.JitWarning")
@pytest.mark.parametrize("f", CONSTANTS.values(), ids=CONSTANTS.keys())
def test_an_array_of_objects_that_are_numbers_is_an_array_of_numbers(
    f: Callable[[Any], Any],
) -> None:
    v = np.array([0.3, -0.7])
    want = float(f(X))
    slope = numerical(f, X, v)
    value, gradient = wg.value_and_grad(f)(X)
    assert np.allclose(value, want)
    assert np.allclose(gradient @ v, slope, atol=1e-5)
    value, tangent = wg.jvp(f, (X,), (v,))
    assert np.allclose(value, want)
    assert np.allclose(tangent, slope, atol=1e-5)
    assert np.allclose(wg.vmap(f)(X[None]), [want])
    assert np.allclose(wg.hessian(f)(X) @ v, numerical_gradient(f, v), atol=1e-5)
    assert np.allclose(wg.jit(f)(X), want)
    assert np.allclose(wg.jit(wg.grad(f))(X), gradient)


def numerical_gradient(f: Callable[[Any], Any], v: np.ndarray[Any, Any]) -> Any:
    h = 1e-6
    return (wg.grad(f)(X + h * v) - wg.grad(f)(X - h * v)) / (2 * h)


@pytest.mark.parametrize("other", [None, "a", {}])
@pytest.mark.parametrize(
    "call", [np.multiply, np.maximum, np.dot, np.concatenate, lambda c, x: np.where(c == x, c, x)]
)
def test_objects_that_are_no_numbers_are_refused(call: Any, other: Any) -> None:
    c = np.array([1.0, other], dtype=object)

    def f(x: Any) -> Any:
        return np.sum(call([c, x]) if call is np.concatenate else call(c, x))

    with pytest.raises(DtypeError, match="array of objects"):
        wg.grad(f)(X)
    with pytest.raises(DtypeError, match="array of objects"):
        wg.jvp(f, (X,), (X,))
    with pytest.raises(DtypeError, match="array of objects"):
        wg.vmap(f)(X[None])


def test_wg_numpy_array_refuses_objects_that_are_no_numbers() -> None:
    with pytest.raises(DtypeError, match="Decimal"):  # NumPy refuses its product with a float, too
        wg.grad(lambda x: np.sum(x * np.array([Decimal("0.1"), 3], dtype=object)))(np.ones(2))
    with pytest.raises(DtypeError, match="NoneType"):
        wg.grad(lambda x: np.sum(wg.numpy.array([np.array([None, 1]), x])))(X)


def test_a_result_without_derivatives_that_is_no_integer_is_refused() -> None:
    with pytest.raises(DtypeError, match="timedelta64"):
        wg.grad(lambda x: np.sum(x * np.timedelta64(3, "s") / np.timedelta64(1, "s")))(X)
    with pytest.raises(DtypeError, match="timedelta64"):
        wg.jvp(lambda x: x * np.timedelta64(3, "s"), (X,), (X,))


# -- results ---------------------------------------------------------------------------------------


def test_results_that_are_arrays_of_objects_come_back_as_numbers() -> None:
    def f(x: Any) -> Any:
        return np.array([x[0], 2.0], dtype=object)

    value, pullback = wg.vjp(f, X)
    assert value.dtype == float
    assert np.array_equal(pullback(np.array([1.0, 1.0]))[0], [1.0, 0.0])
    value, tangent = wg.jvp(f, (X,), (X,))
    assert value.dtype == tangent.dtype == float
    assert wg.vmap(f)(X[None]).dtype == float


def test_auxiliary_results_hold_no_traced_values() -> None:
    def f(x: Any) -> Any:
        return np.sum(x), [np.array([x[0], x[1] * 2]), np.array(["name", None], dtype=object)]

    for aux in (wg.value_and_grad(f, has_aux=True)(X)[0][1], wg.jvp(f, (X,), (X,), True)[2]):
        assert aux[0].dtype == float
        assert np.array_equal(aux[0], [3.0, 8.0])
        assert list(aux[1]) == ["name", None]


def test_astype_object_keeps_the_derivative() -> None:
    def f(x: Any) -> Any:
        return np.sum(x.astype(object) ** 2) + np.astype(x[0], object) ** 3

    assert np.allclose(wg.grad(f)(X), [6 + 27, 8])


# -- np.array of traced numbers: every function of NumPy's -----------------------------------------

START = np.array([0.31, 0.72, 1.43, 0.55])
MASK = np.array([True, False, True])


def vector(x: Any) -> Any:
    return np.array([x[0], x[1], x[2]])


def other(x: Any) -> Any:
    return np.array([x[3], x[2], x[0]])


def matrix(x: Any) -> Any:
    return np.array([[x[0], x[1]], [x[2], x[3]]])


def with_nan(x: Any) -> Any:
    return np.array([x[0], np.nan * x[1], x[2]])


def waves(x: Any) -> Any:
    return np.exp(1j * vector(x))


ARGUMENTS: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "v": lambda x: (vector(x),),
    "m": lambda x: (matrix(x),),
    "nan": lambda x: (with_nan(x),),
    "complex": lambda x: (waves(x),),
    "v, w": lambda x: (vector(x), other(x)),
    "v, nan": lambda x: (vector(x), with_nan(x)),
    "nan, v": lambda x: (with_nan(x), vector(x)),
    "v, complex": lambda x: (vector(x), waves(x)),
    "v, c": lambda x: (vector(x), np.array([0.5, 0.2, 0.7])),
    "c, v": lambda x: (np.array([0.5, 0.2, 0.7]), vector(x)),
    "v, traced": lambda x: (vector(x), x[:3]),
    "v, 2": lambda x: (vector(x), 2),
    "v, 0.5": lambda x: (vector(x), 0.5),
    "m, 0, 1": lambda x: (matrix(x), 0, 1),
    "v, indices": lambda x: (vector(x), [0, 2]),
    "mask, v": lambda x: (MASK, vector(x)),
    "mask, v, w": lambda x: (MASK, vector(x), other(x)),
    "[v, w]": lambda x: ([vector(x), other(x)],),
    "c, v, w": lambda x: (np.array([0.3, 0.6]), np.sort(vector(x)), other(x)),
    "v, index, w": lambda x: (vector(x), 1, other(x)[:1]),
}

UNNOTICED = {
    "np.nan_to_num": "gives an array of objects as it is, without looking at them",
    "np.logical_and": "gives one of the two objects, not a truth value",
    "np.logical_or": "the same",
    "ndarray.byteswap": "does nothing to objects",
    "ndarray.flags": "is no number",
    "np.frombuffer": "reads memory",
}
"""Functions that can go wrong with objects, and ask nothing of them by which it could be seen."""

OTHERS = frozenset(
    "test info show_config show_runtime save savez savez_compressed savetxt fromfile load loadtxt "
    "genfromtxt fromregex fromstring set_printoptions printoptions setbufsize seterr seterrcall "
    "empty empty_like from_dlpack get_include bmat asmatrix nested_iters errstate".split()
)
"""Names that read or write files, set options, or have no value that could be compared."""

METHODS: dict[str, tuple[Any, ...]] = {
    "argpartition": (1,),
    "astype": (float,),
    "clip": (0.4, 1.0),
    "compress": ([1, 0],),
    "dot": (np.ones(2),),
    "fill": (0.3,),
    "item": (1,),
    "partition": (1,),
    "put": ([0], [0.3]),
    "repeat": (2,),
    "reshape": (-1, 1),
    "searchsorted": (0.5,),
    "swapaxes": (0, 0),
    "take": ([0],),
}


def cases() -> Iterator[tuple[str, str, Callable[[Any], Any]]]:
    """Every public function of NumPy's, method and attribute, with arguments that may fit."""
    seen: set[Any] = set()
    for module in (np, np.linalg, np.emath):
        home = module.__name__.replace("numpy", "np", 1)
        for name in sorted(set(module.__all__) - OTHERS):
            function = getattr(module, name)
            if callable(function) and not isinstance(function, type) and function not in seen:
                seen.add(function)
                for label, make in ARGUMENTS.items():
                    yield f"{home}.{name}", label, lambda x, f=function, m=make: f(*m(x))
    for label in ("v", "m", "nan", "complex"):
        for name in (n for n in dir(np.ndarray) if not n.startswith("_")):

            def use(x: Any, name: str = name, label: str = label) -> Any:
                (array,) = ARGUMENTS[label](x)
                found = getattr(array, name)
                return (found(*METHODS.get(name, ())) if callable(found) else found), array

            if name not in ("tofile", "dump", "dumps", "tobytes", "data", "ctypes", "setflags"):
                yield f"ndarray.{name}", label, use


def weighted(found: Any) -> Any:
    """One number from whatever a function gives."""
    total: Any = 0.0
    if isinstance(found, (list, tuple)):
        for place, part in enumerate(found):
            total = total + (place + 1) * weighted(part)
        return total
    kind = found.dtype.kind if hasattr(found, "dtype") else ""
    if (kind and kind in "USMmV") or isinstance(found, (str, type, np.dtype)) or found is None:
        return total
    if not hasattr(found, "dtype") and not isinstance(found, (int, float, complex)):
        raise TypeError("no number")
    weights = np.cos(np.arange(np.size(found)) + 1.0).reshape(np.shape(found))
    if kind == "c" or isinstance(found, complex):
        return np.sum(np.real(found) * weights) + 0.7 * np.sum(np.imag(found) * weights)
    return np.sum(found * weights)


def agrees(f: Callable[[Any], Any]) -> bool | None:
    """Whether value and slope are NumPy's and the difference's; None where either is an error."""

    def number(x: Any) -> Any:
        return weighted(f(x)) + 0.0 * x[0]

    v = np.array([0.3, -0.2, 0.5, 0.7])
    try:
        want = float(number(START.copy()))
        value, tangent = wg.jvp(number, (START.copy(),), (v,))
    except Exception:
        return None
    if not np.allclose(value, want, equal_nan=True):
        return False
    slope = numerical(number, START, v)
    smooth = abs(slope) < 1e3  # neither NaN nor a step
    return not smooth or bool(np.isclose(tangent, slope, 1e-4, 1e-5))


@pytest.mark.usefixtures("originals")
def test_no_function_of_numpy_goes_wrong_in_silence_with_an_array_of_traced_numbers() -> None:
    wrong: set[str] = set()
    right: set[str] = set()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for name, label, f in cases():
            verdict = None if name in UNNOTICED else agrees(f)
            if verdict is False:
                wrong.add(f"{name}({label})")
            elif verdict:
                right.add(name)
    assert not wrong
    assert len(right) > 200


@pytest.mark.usefixtures("originals")
def test_linear_ramps_and_bins_keep_the_derivative() -> None:
    modes = "constant edge linear_ramp maximum mean minimum reflect symmetric wrap".split()
    v = np.array([0.3, -0.2, 0.5, 0.7])
    for mode in modes:

        def f(x: Any, mode: Any = mode) -> Any:
            return np.pad(vector(x), 2, mode=mode) @ np.arange(1.0, 8.0)

        assert np.isclose(wg.grad(f)(START) @ v, numerical(f, START, v)), mode


MEANS: dict[str, Callable[[Any], Any]] = {
    "list": lambda x: np.mean([x[0], x[1] ** 2, 1.0]),
    "tuple": lambda x: np.mean((x[0] ** 2,)),
    "rows": lambda x: np.sum(np.mean([[x[0], x[1]], [x[2] ** 2, 1.0]], axis=0) ** 2),
    "std": lambda x: np.std([x[0], x[1], 1.0]),
    "std of rows": lambda x: np.sum(np.std([[x[0], x[1]], [x[2], 1.0]], axis=1, keepdims=True)),
    "var": lambda x: np.var([x[0], x[1], 1.0], ddof=1),
    "var around": lambda x: np.var([1.0, 2.0], mean=x[0]),
    "method": lambda x: np.array([x[0], x[1]]).mean() * np.array([x[0], x[3]]).std(),
    "nanmean": lambda x: np.nanmean([x[0], x[1]]),
    "median": lambda x: np.median([x[0], x[1], 1.0]),
    "average": lambda x: np.average([x[0], x[1]], weights=[1.0, x[2]]),
    "sum": lambda x: np.sum([x[0], x[1] ** 2]) * np.prod([x[2], 2.0]),
    "maximum": lambda x: np.max([x[0], x[1]]) * np.ptp([x[2], x[3]]),
    "norm": lambda x: np.linalg.norm([x[0], x[1]]),
    "dot": lambda x: np.dot([x[0], x[1]], [1.0, x[2]]),
    "interp": lambda x: np.interp(x[0], [0.0, x[1]], [1.0, x[2]]),
    "where": lambda x: np.sum(np.where([True, False], [x[0], x[1]], x[2]) ** 2),
    "concatenate": lambda x: np.sum(np.concatenate([[x[0]], x, [1.0]]) ** 2),
    "arctan2": lambda x: np.sum(np.arctan2([x[0], x[1]], [x[2], 1.0])),
}


@pytest.mark.parametrize("f", MEANS.values(), ids=MEANS.keys())
def test_functions_of_lists_of_traced_numbers(f: Callable[[Any], Any]) -> None:
    v = np.array([0.3, -0.2, 0.5, 0.7])
    want, slope = f(START), numerical(f, START, v)
    value, gradient = wg.value_and_grad(f)(START)
    assert np.isclose(value, want, rtol=1e-14)
    assert value.dtype == float
    assert np.isclose(gradient @ v, slope, atol=1e-7)
    assert np.isclose(wg.jvp(f, (START,), (v,))[1], slope, atol=1e-7)
    assert np.isclose(wg.hvp(f, START, v) @ v, second(f, START, v), atol=1e-3)
    assert np.isclose(wg.jit(f)(START), want)


def second(f: Callable[[Any], Any], x: np.ndarray[Any, Any], v: np.ndarray[Any, Any]) -> float:
    h = 1e-4
    return float((float(f(x + h * v)) - 2 * float(f(x)) + float(f(x - h * v))) / h**2)


def test_values_of_numpys_polynomials_at_traced_points() -> None:
    from numpy.polynomial import chebyshev, hermite, legendre, polynomial

    points, roots, table = START[:3], np.array([0.1, 0.5, 0.7]), np.arange(6.0).reshape(3, 2)
    for f in (
        lambda x: polynomial.polyvalfromroots(x, roots),
        lambda x: polynomial.polyval(x, table),
        lambda x: chebyshev.chebval(x, table),
        lambda x: legendre.legval(x, table),
        lambda x: hermite.hermval(x, table),
        lambda x: polynomial.polyval(x, table.T[:, :, None], tensor=False),
    ):
        value, tangent = wg.jvp(f, (points,), (np.ones(3),))
        np.testing.assert_allclose(value, f(points), rtol=1e-14)
        h = 1e-6
        slope = (f(points + h) - f(points - h)) / (2 * h)
        np.testing.assert_allclose(tangent, slope, atol=1e-8)
        assert wg.vmap(f)(points[None])[0].shape == value.shape


@pytest.mark.usefixtures("originals")
def test_a_complex_number_in_an_array_of_objects_is_refused() -> None:
    def constructed(t: Any) -> Any:
        return np.sum(np.array([np.exp(1j * t), np.exp(2j * t)]).imag) + t

    def computed(t: Any) -> Any:
        return np.sum(np.exp(1j * (2 * np.array([t, t * t]))).imag) + t

    def times_i(t: Any) -> Any:
        return np.sum((np.array([t, 2.0]) * 1j).imag) + t

    with pytest.raises(TracedArrayError, match=r"np\.stack"):
        wg.grad(times_i)(np.array(0.3))
    for f in (constructed, computed, times_i):
        for run in (wg.grad, wg.hessian, lambda f: lambda t: wg.vmap(f)(np.array([t, t]))):
            with pytest.raises(TracedArrayError, match=r"wg\.numpy\.array"):
                run(f)(0.3)
        with pytest.raises(TracedArrayError, match=r"wg\.numpy\.array"):
            wg.jvp(f, (0.3,), (1.0,))
        with pytest.warns(wg.errors.JitWarning):
            assert wg.jit(f)(np.float64(0.3)) == f(0.3)


def test_steps_of_objects_are_floats_with_the_derivative_zero() -> None:
    def f(x: Any) -> Any:
        a = np.array([x[0], -x[1]])
        return np.sum(np.sign(a) * x / 2) + np.sum(np.floor(a / 2 + 0.1) * x / 4)

    assert np.allclose(wg.grad(f)(X), [0.5 + 0.25, -0.5 - 0.5])
    assert wg.jvp(lambda x: np.sign(np.array([x[0], x[1]])), (X,), (X,))[0].dtype == float


def test_complex_numbers_are_assigned_from_lists() -> None:
    def f(x: Any) -> Any:
        z = np.zeros_like(x, dtype=complex)
        z[:] = [np.exp(1j * x[0]), 2j * x[1]]
        return np.sum(z.imag)

    assert np.allclose(wg.grad(f)(X), [np.cos(3.0), 2.0])


def test_wg_numpy_array_takes_complex_numbers() -> None:
    def f(t: Any) -> Any:
        return np.sum(np.exp(1j * wg.numpy.array([t, t * t])).imag)

    assert np.isclose(wg.grad(f)(0.3), np.cos(0.3) + 0.6 * np.cos(0.09))


@pytest.mark.usefixtures("originals")
def test_nan_among_objects_is_not_ordered() -> None:
    def f(t: Any) -> Any:
        return np.max(np.array([np.log(t - 10.0), 2 * t]))

    with np.errstate(invalid="ignore"):
        with pytest.raises(UnsupportedError, match="NaN"):
            wg.grad(f)(0.3)
        with pytest.warns(wg.errors.JitWarning):
            assert np.isnan(wg.jit(f)(np.float64(0.3)))


def test_a_number_that_was_put_into_an_array_is_compared_as_any_other() -> None:
    def f(t: Any) -> Any:
        a = np.array([t, np.log(t - 10.0)])
        return t * (3.0 if a[1] > 1.0 or a[0] < 0.0 else 2.0) + 0.0 * np.max(a[:1])

    with np.errstate(invalid="ignore"):
        assert wg.grad(f)(0.3) == 2.0


@pytest.mark.usefixtures("originals")
def test_errors_that_numpy_raises_for_objects_say_what_to_write() -> None:
    for f in (
        lambda x: np.linalg.det(matrix(x)),
        lambda x: np.sum(np.arctan2(1.0, vector(x))),
        lambda x: np.sum(np.interp(0.5, vector(x), vector(x))),
    ):
        with pytest.raises((TypeError, AttributeError)) as caught:
            wg.grad(f)(START)
        notes = getattr(caught.value, "__notes__", ())
        assert isinstance(caught.value, WengertError) or any("wg.numpy.array" in n for n in notes)


# -- arrays without axes ---------------------------------------------------------------------------


def written_after(x: Any) -> Any:
    s = np.zeros_like(x, shape=())
    s += x[0]
    c = np.array([s, x[1]])
    s += 5.0
    return np.sum(c)


def base_written_after(x: Any) -> Any:
    y = x * 1.0
    c = np.array([y[0, ...], 1.0])
    y[0] = 9.0
    return np.sum(c)


def element_written(x: Any) -> Any:
    s = (x * 1.0)[0, ...]
    c = np.array([s, s])
    r = c[0]
    r += 5.0
    return np.sum(c)


@pytest.mark.usefixtures("originals")
@pytest.mark.parametrize("f", [written_after, base_written_after, element_written])
def test_what_is_written_to_is_not_taken_from_an_array_that_has_a_copy_in_numpy(
    f: Callable[[Any], Any],
) -> None:
    for verb in (
        wg.grad(f),
        lambda x: wg.jvp(f, (x,), (x,)),
        lambda x: wg.vmap(f)(x[None]),
        wg.jit(wg.grad(f)),
    ):
        with pytest.raises(UnsupportedError, match=r"put into a plain array by np\.array"):
            verb(X)


def test_arrays_without_axes_may_be_put_into_an_array_and_read() -> None:
    def f(x: Any) -> Any:
        s = np.where(x[0] > 0, x[0], 1.0)
        s *= 2.0
        return np.sum(np.array([s, s * x[1]]) ** 2) + s

    assert wg.value_and_grad(f)(X)[0] == f(X)
    np.testing.assert_allclose(wg.jvp(f, (X,), (X,))[1], numerical(f, X, X), rtol=1e-6)
