"""Plain arrays that are given traced values: what a function fills is differentiated."""

from __future__ import annotations

import gc
import math
import warnings
from collections import OrderedDict, defaultdict, deque, namedtuple
from functools import partial

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view

import wengert as wg
from wengert.trace import views
from wengert.trace.base import FILLED

X = 0.7
TABLE = np.arange(6.0).reshape(2, 3)


class Holder:
    """An object of the user's."""


class Subclass(np.ndarray):
    """An array of a class of the user's."""


def elements(t):
    s = np.zeros((3, 2))
    row, column = s[1], s[:, 0]
    s[0] = t
    s[1, 1] = t * t
    column[2] = 3 * t
    s *= 2.0
    return np.sum(s) + row[1] * column[2] + sum(column) + s.T[1, 1] + float(s[0, 0])


def layouts(t):
    a = np.asfortranarray(np.ones((3, 3)))
    transposed, part = a.T, a[::-1, ::2]
    a[0] = t
    part[0, 0] = t * t
    transposed[2, 2] += t
    return np.sum(a * np.arange(9.0).reshape(3, 3)) + part.sum() + transposed[0, 0]


def results_of_plain_arithmetic(t):
    a = np.eye(3) * 2.0
    b = TABLE.copy()
    c = -np.ones(3)
    a[0, 0] = b[1, 2] = c[1] = t
    return np.linalg.det(a) * b.sum() + c @ c


def parts_of_complex_numbers(t):
    z, w = np.zeros((2, 3), complex), np.zeros(3, complex)
    row, column, late = z.T.real[1], z[0].imag[::-1], w.imag
    z[:] = t * (1.0 + 2.0j)
    column[2] = t * t
    row *= 3.0
    late[1] = t
    w.real[:] = 2.0 * t
    return np.sum(np.abs(z) ** 2) + row @ z.real[:, 0] + column.sum() + late[1] * abs(w[1])


class Slot:
    """An object without a dictionary."""

    __slots__ = ("part",)


class Shared:
    """A class that keeps an array and a part of it."""

    buffer = np.zeros(4)
    part = buffer[1:]


Pair = namedtuple("Pair", "first second")


def parts_in_turn(a):
    part = a[1:]
    while True:
        yield part


def kept_in_a_closure(a):
    part = a[:3]
    return lambda: part


def views_in_all_places(t):
    a = np.arange(4.0)
    slot, turns, kept = Slot(), parts_in_turn(a), kept_in_a_closure(a)
    slot.part = a[2:]
    next(turns)
    pair, queue = Pair(a[1:], a[::-1]), deque([a[1:3]])
    by_name, listed = OrderedDict(part=a[1:]), defaultdict(list, key=[a[:2]])
    objects, bound = np.empty(1, object), a[1:].sum
    objects[0] = a[1:]
    pairs = zip(a[:2], a[2:], strict=True)
    later = partial(np.multiply, a[1:])
    deep = [[[[[a[3:]]]]]]
    a[1] = t
    queue[0][1] = t * t
    pair.second[0] *= t
    listed["key"][0][0] += t
    deep[0][0][0][0][0] += 1.0
    parts = pair.first, by_name["part"], next(turns), objects[0], later([1.0, 2.0, 3.0])
    return sum(np.sum(x * x) for x in parts) + bound() + slot.part @ kept()[1:] * next(pairs)[1]


def rows_that_a_loop_is_at(t):
    a = np.arange(6.0).reshape(2, 3)
    for row, other in zip(a, a[::-1], strict=True):
        row[0] = t
        other[1] += row[0]
    return np.sum(a * a)


def a_view_of_a_class(t):
    Shared.buffer[:] = 1.0
    Shared.buffer[2] = t
    return np.sum(Shared.part * t)


def windows(t):
    a = np.arange(5.0)
    overlapping, spread = sliding_window_view(a, 2), as_strided(a, (3,), (16,))
    a[1] = t
    spread[1] = t * t
    return np.sum(overlapping[:, 0] * overlapping[:, 1]) + spread @ spread


def shapes_that_change(t):
    a = np.arange(6.0)
    part = a[1:5]
    a[1] = t
    part.shape = (2, 2)
    part[1] = t * t
    b = np.zeros(6)
    b[0] = t
    b.shape = (2, 3)
    b[1] += t
    return np.linalg.det(part) + a.sum() + np.sum(b[:, 0] * b[:, 1])


def whole_numbers(t):
    k = np.zeros(3, int)
    k[0] = 3.7 * t
    k[1] = t
    return t * k[0] + k.sum()


def truth_values(t):
    m = np.zeros(3, bool)
    m[1] = t > 0
    return np.sum(np.where(m, t, 2 * t))


def objects(t):
    a = np.zeros((2, 2), dtype=object)
    a[0, 0] = t
    a[1, 1] = 2.0
    return (a * a).sum()


def complex_numbers(t):
    z = np.zeros(3, complex)
    z[0] = t * 1j
    z.real[1] = t
    return abs(z[0]) ** 2 + z[1].real


def attributes(t):
    holder = Holder()
    holder.whole = np.zeros(4)
    holder.parts = [{"middle": holder.whole[1:3]}]
    holder.whole[1] = t
    holder.parts[0]["middle"] *= 2
    return holder.whole.sum() + holder.parts[0]["middle"][0]


def writers(t):
    a = np.zeros(3)
    a.fill(t)
    a.put([1], [2 * t])
    a.flat[2] = 5 * t
    np.add.at(a, [0, 0], t)
    np.copyto(a[:1], 7 * t)
    b = np.empty(3)
    np.multiply(a, t, out=b)
    np.sin(t, out=b[0, ...])
    c = np.zeros((2, 2))
    np.fill_diagonal(c, t)
    d = np.full(2, t)
    return a.sum() + b @ b + c.sum() + d.sum()


def lists_of_arrays(t):
    rows = [np.zeros(2) for _ in range(3)]
    for i, row in enumerate(rows):
        row[:] = t * i
    total = np.sum(np.vstack(rows)) + np.concatenate(rows)[4] + np.stack(rows).mean()
    return total + np.array(rows)[2, 1]


def uses(t):
    a = np.zeros(3)
    for i in range(3):
        a[i] = t**i
    b = a.copy()
    b[0] = 9
    c = np.sort(a)[::-1]
    read = len(a) + sum(a) + float(a[1]) + a.tolist()[2]
    return b.sum() + c[0] + read + a.dot(a) + a @ a + np.dot(a, TABLE[0]) + TABLE.dot(a)[1]


def iterators(t):
    a = np.zeros(3)
    elements = iter(a)
    pairs = enumerate(a)
    a[0] = t
    return sum(elements) + sum(v for _, v in pairs)


def nested(t):
    a = np.zeros(2)

    def inner(s):
        b = np.zeros(2)
        b[0], b[1] = s, t
        a[0] += s * t
        return b[0] * b[1]

    return wg.grad(inner)(t * 2) + a[0] * t


def loop_bodies(t):
    def step(carry, _):
        y = np.zeros(2)
        y[0], y[1] = carry, carry * t
        return y.sum(), carry

    carry, ys = wg.scan(step, t, np.arange(3.0))
    return carry + ys.sum()


def matrices(t):
    r = np.array([[math.cos(t), -math.sin(t)], [math.sin(t), math.cos(t)]])
    x = np.asarray([t, 2 * t], dtype=float)
    h = np.eye(3)
    h[:2, :2] = r
    h[:2, 2] = x
    return np.linalg.inv(h)[0, 2] + np.trace(h) + TABLE[:, :2].dot(x).sum()


def read_at_traced_places(t):
    i = np.argmin(np.array([t, 2.0, 0.1]))
    return TABLE[0][i] * t + TABLE[1, i]


PROGRAMS = [
    elements,
    layouts,
    results_of_plain_arithmetic,
    whole_numbers,
    truth_values,
    objects,
    complex_numbers,
    parts_of_complex_numbers,
    windows,
    shapes_that_change,
    attributes,
    writers,
    lists_of_arrays,
    uses,
    iterators,
    nested,
    loop_bodies,
    matrices,
    read_at_traced_places,
]


@pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")
@pytest.mark.parametrize("f", PROGRAMS)
def test_every_route_gives_numpys_value_and_the_difference_quotient(f):
    plain = f(X)
    slope = wg.derivative(f, X)
    value, gradient = wg.value_and_grad(f)(X)
    assert value == plain
    assert gradient == pytest.approx(slope, rel=1e-7)
    assert wg.jvp(f, (X,), (1.0,)) == pytest.approx((plain, slope), rel=1e-7)
    assert wg.hessian(f)(X) == pytest.approx(wg.derivative(wg.grad(f), X), rel=1e-6, abs=1e-9)
    np.testing.assert_allclose(wg.vmap(f)(np.array([X, X])), plain, rtol=1e-13)
    compiled = wg.jit(wg.value_and_grad(f))
    for x in (X, X, X + 0.01):
        assert compiled(x) == pytest.approx((f(x), wg.grad(f)(x)), rel=1e-12)
    assert not FILLED


def test_an_array_is_numpys_until_it_is_given_a_traced_value():
    seen = []

    def f(t):
        a = np.zeros(3)
        b = a + 1.0
        seen.append((type(a), type(b), type(a[1:])))
        a[0] = t
        assert isinstance(a, np.ndarray)
        assert a.dtype == float
        assert a.shape == (3,)
        assert a.strides == (8,)
        return a.sum()

    wg.grad(f)(1.0)
    assert seen == [(np.ndarray,) * 3]


def test_what_leaves_the_function_is_plain_and_has_the_plain_programs_numbers():
    holder = Holder()
    outside = np.zeros(3)

    def f(t):
        holder.kept = np.zeros((2, 2))
        holder.view = holder.kept[1]
        holder.kept[1, 0] = t * t
        outside[1:] = [t, 2.0]
        return t * holder.view[0]

    assert wg.grad(f)(2.0) == 12.0
    for array, numbers in (
        (holder.kept, [[0, 0], [4, 0]]),
        (holder.view, [4, 0]),
        (outside, [0, 2, 2]),
    ):
        assert type(array) is np.ndarray
        assert array.tolist() == numbers
    holder.kept[1, 1] = 7.0
    assert holder.view[1] == 7.0


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_plain_arrays_behind(error):
    outside, counts = np.zeros(2), np.zeros(2, int)

    def f(t):
        outside[0] = t
        counts[0] = 1
        raise error("on the way")

    for verb in (wg.grad(f), lambda t: wg.jvp(f, (t,), (1.0,))):
        with pytest.raises(error, match="on the way"):
            verb(3.0)
        assert type(outside) is np.ndarray
        assert outside.tolist() == [3.0, 0.0]
    assert not FILLED


def test_a_function_that_assigns_into_an_array_from_outside_is_not_compiled():
    total = np.zeros(2)

    def f(t):
        total[0] += t
        return t * total[0]

    compiled = wg.jit(f)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wg.errors.JitWarning)
        assert [compiled(1.0), compiled(2.0), compiled(3.0)] == [1.0, 6.0, 18.0]
    assert total.tolist() == [6.0, 0.0]


def test_memory_of_a_filled_array_has_no_number_that_was_true_before():
    def f(t):
        a = np.full(3, 5.0)
        hidden = memoryview(a)
        a[0] = t
        assert all(math.isnan(v) for v in hidden)
        k = np.full(3, 5)
        k[:] = [1, 2, 3]
        return a.sum()

    assert wg.grad(f)(1.0) == 1.0


def test_integers_that_depend_on_unknown_values_cannot_be_read_from_memory():
    """They have no NaN to put in their place."""

    def f(t):
        k = np.ones(3, int)
        hidden = memoryview(k)
        k[0] = t
        with pytest.raises((TypeError, ValueError, NotImplementedError)):
            memoryview(k)[0] + 1
        assert k.dtype == int
        assert hidden.format == "l" or hidden.itemsize == k.itemsize
        return k * 2.0

    assert wg.vmap(f)(np.array([3.5])).tolist() == [[6.0, 2.0, 2.0]]


def test_read_only_arrays_stay_read_only():
    fixed = np.zeros(3)
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        wg.grad(lambda t: fixed.__setitem__(0, t) or t)(1.0)
    broadcast = np.broadcast_to(np.zeros(1), 3)

    def f(t):
        broadcast[0] = t
        return t

    with pytest.raises(ValueError, match="read-only"):
        wg.grad(f)(1.0)
    assert fixed.tolist() == [0.0, 0.0, 0.0]


def test_memory_that_is_not_numpys_is_refused_by_name():
    buffer = bytearray(24)

    def f(t):
        a = np.frombuffer(buffer)
        a[0] = t
        return a.sum()

    with pytest.raises(wg.errors.TracedArrayError, match="memory of another kind"):
        wg.grad(f)(1.0)


@pytest.mark.parametrize(
    "view",
    [
        lambda a: np.ma.masked_array(a, mask=[0, 1, 0, 0]),
        lambda a: a.view(Subclass),
        lambda a: a.view(complex),
        lambda a: a.astype(complex).view(float),
    ],
)
@pytest.mark.parametrize("by_view", [False, True])
def test_memory_that_arrays_of_two_kinds_look_into_is_refused(view, by_view):
    def f(t):
        a = np.zeros(4)
        other = view(a)
        if by_view:
            other[..., 0] = t
        else:
            (a if np.may_share_memory(a, other) else other.base)[0] = t
        return a.sum() * other.ravel()[0]

    for verb in (wg.grad(f), lambda t: wg.jvp(f, (t,), (1.0,))):
        with pytest.raises(wg.errors.TracedArrayError, match=r"another kind|would cut"):
            verb(1.0)
    assert not FILLED
    gc.collect()


@pytest.mark.parametrize("f", [rows_that_a_loop_is_at, views_in_all_places])
def test_views_are_followed_wherever_they_are(f):
    value, slope = wg.value_and_grad(f)(X)
    assert value == f(X)
    assert slope == pytest.approx(wg.derivative(f, X), rel=1e-7)


def test_a_view_that_a_class_keeps_is_followed():
    assert wg.value_and_grad(a_view_of_a_class)(X) == pytest.approx((X * (X + 2), 2 * X + 2))
    assert wg.hessian(a_view_of_a_class)(X) == pytest.approx(2.0)
    assert type(Shared.part) is np.ndarray
    assert Shared.part.tolist() == [1.0, X, 1.0]
    assert not FILLED


def fill_kept(arrays, t):
    holder = Holder()
    for holder.array in arrays:
        holder.array[0] = t
        holder.array[1:][0] += t
        holder.array *= t
        holder.array.fill(t)
    return sum(np.sum(a) for a in arrays)


def test_all_objects_are_looked_through_only_where_references_are_not_accounted_for(monkeypatch):
    looks = []
    everywhere = views._Search.everywhere
    monkeypatch.setattr(
        views._Search, "everywhere", lambda self: looks.append(self) or everywhere(self)
    )
    assert wg.grad(lambda t: fill_kept([np.zeros(2) for _ in range(20)], t))(X) == 40.0
    assert not looks

    def by_c(t):
        arrays = [np.zeros(2) for _ in range(20)]
        for a in arrays:
            np.copyto(a, t)
        return sum(np.sum(a) for a in arrays)

    assert wg.grad(by_c)(X) == 40.0
    assert len(looks) <= 1


@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (lambda a, t: sliding_window_view(a, 2), ValueError, "read-only"),
        (lambda a, t: np.broadcast_to(a, (2, 4)), ValueError, "read-only"),
        (
            lambda a, t: sliding_window_view(a, 2, writeable=True),
            wg.errors.UnsupportedError,
            "several places",
        ),
    ],
)
def test_views_that_cannot_be_written_to_elementwise_are_refused(write, error, message):
    def f(t):
        a = np.zeros(4)
        view = write(a, t)
        a[0] = t
        view[0, 0] = 2.0 * t
        return a.sum()

    with pytest.raises(error, match=message):
        wg.grad(f)(1.0)


def test_filled_arrays_are_resized_in_place():
    kept = []

    def f(t):
        a, b = np.ones(2), np.ones(4)
        a[0] = b[0] = b[3] = t
        a.resize((2, 2), refcheck=False)
        b.resize(2, refcheck=False)
        a[1, 1] = t**2
        kept[:] = [a, b]
        return a.sum() + b.sum()

    assert wg.value_and_grad(f)(X) == (f(X), 2.0 + 2.0 * X)
    for array in kept:
        assert type(array) is np.ndarray
    np.testing.assert_array_equal(kept[0], [[X, 1.0], [0.0, X**2]])
    np.testing.assert_array_equal(kept[1], [X, 1.0])
    np.testing.assert_allclose(wg.vmap(f)(np.array([X, 2.0])), [f(X), f(2.0)])

    def viewed(t):
        a = np.ones(2)
        v = a[:]
        a[0] = t
        with pytest.raises(ValueError, match="referenced"):
            a.resize(3, refcheck=False)
        return v.sum()

    assert wg.grad(viewed)(X) == 1.0


def test_fields_of_structured_arrays_are_refused():
    def f(t):
        a = np.zeros(2, [("x", float)])
        a["x"] = t
        return a["x"].sum()

    with pytest.raises(wg.errors.TracedArrayError, match=r"array of .*'x'"):
        wg.grad(f)(1.0)


def test_what_is_the_same_array_plainly_is_the_same_filled_array():
    kept = []

    def f(t):
        a = np.zeros(2)
        a[0] = t
        same = [
            *(np.asarray(a), np.asanyarray(a, float), np.ascontiguousarray(a), np.atleast_1d(a)),
            *(a.astype(float, copy=False), a.real, np.require(a), np.asarray(a, order="F")),
        ]
        assert all(each is a for each in same)
        assert all(each is not a for each in (np.array(a), +a, a[:], a.astype(float), a.copy()))
        assert np.may_share_memory(a[1:], np.asarray(a))
        assert not np.shares_memory(a, np.zeros(2))
        same[0][1] = t**2
        kept[:] = same[:1]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # It is no NumPy array, shuffle says.
            mixed = np.random.default_rng(0).permutation(a)
        return a, mixed

    for route in (wg.jvp(f, (X,), (1.0,))[0], wg.vmap(f)(np.array([X]))):
        np.testing.assert_array_equal(np.ravel(route), np.ravel(f(X)))
    wg.jvp(f, (X,), (1.0,))
    assert type(kept[0]) is np.ndarray
    np.testing.assert_array_equal(kept[0], [X, X**2])


def test_filled_arrays_refuse_strides_and_shapes_that_do_not_fit_in_place():
    def spread(t):
        a = np.zeros(3)
        a[0] = t
        a.strides = (8,)
        return a.sum()

    def misshapen(t):
        a = np.zeros(3)
        a[0] = t
        a.shape = (2, 2)
        return a.sum()

    for f, error in (
        (spread, wg.errors.UnsupportedError),
        (misshapen, ValueError),
    ):
        with pytest.raises(error):
            wg.grad(f)(1.0)


@pytest.mark.parametrize("read", [lambda flat, a: flat[:2], lambda flat, a: next(flat) * a[0]])
def test_iterators_from_before_an_array_was_filled_are_refused(read):
    def f(t):
        a = np.zeros(3)
        flat = a.flat
        a[1] = t
        return np.sum(read(flat, a))

    with pytest.raises(wg.errors.TracedArrayError):
        wg.grad(f)(1.0)


def test_many_arrays_do_not_stay():
    def f(t):
        total = t
        for k in range(200):
            a = np.zeros(k % 5 + 1)
            a[0] = t
            total = total + a.sum()
        return total

    wg.grad(f)(1.0)
    gc.collect()
    assert not FILLED
    assert wg.grad(f)(1.0) == 201.0


def test_integers_with_views_take_the_numbers_of_traced_values_that_are_written_to_places():
    def written(t):
        n = np.arange(6)
        view = n[::-1]
        np.add.at(n, [0, 0], np.stack([t + 3.0, t]))
        np.put(n, [1], t + 20.0)
        np.place(n, n == 2, [t + 30.0])
        np.putmask(n, n == 3, t + 40.0)
        np.copyto(n[4:], t + 50.0, casting="unsafe")
        return t * float(np.sum(n * np.arange(6))) + 0.0 * view[0]

    value, slope = wg.value_and_grad(written)(X)
    assert value == written(X)
    assert slope == value / X


@pytest.mark.parametrize("dtype", [None, object])
def test_arrays_that_do_not_fit_are_told_from_nested_lists_as_numpy_does(dtype):
    def shapes(t):
        a, b = np.ones((3, 1, 2)) * t, np.ones((2, 1, 3)) * t
        for parts in ([a[0], b[0]], [a, b], [a, b[0]], [a[0], 1.0], [a[0, 0], [1.0, t]]):
            try:
                yield np.array(parts, dtype=dtype).shape
            except ValueError as error:
                yield type(error), str(error)[:9] if dtype else ""

    collected = []
    wg.grad(lambda t: collected.extend(shapes(t)) or t)(X)
    assert collected == list(shapes(X))


def test_an_array_of_objects_may_hold_itself():
    ring = np.empty(2, object)
    ring[0] = ring

    def looked_at(t):
        return np.asarray(ring)[0] is ring and t * 2.0

    assert wg.grad(looked_at)(X) == 2.0


def test_a_workspace_from_outside_serves_plain_and_batched_calls():
    workspace = np.zeros(3)

    def work(t):
        workspace[:] = t * np.arange(3.0)
        return workspace.sum()

    for _ in range(2):
        assert wg.vmap(work)(np.ones(2)).tolist() == [3.0, 3.0]
        assert work(2.0) == 6.0
        assert type(workspace) is np.ndarray
        assert wg.vmap(wg.grad(work))(np.ones(2)).tolist() == [3.0, 3.0]
        assert wg.grad(work)(1.0) == 3.0
        assert workspace.tolist() == [0.0, 1.0, 2.0]
    assert not FILLED


@pytest.mark.parametrize("dtype", [float, int])
def test_what_a_batch_has_left_in_an_array_from_outside_is_an_error_to_read(dtype):
    total = np.zeros(2, dtype)
    row = total[:1]

    def added(t):
        total[0] += t
        return total[0] * t

    assert wg.vmap(added)(np.array([1.0, 2.0])).tolist() == [1.0, 4.0]
    for use in (
        lambda: total + 1,
        lambda: total[0],
        lambda: total.sum(),
        lambda: repr(total),
        lambda: total.__setitem__(0, 1),
        lambda: row[0],
        lambda: wg.jit(lambda t: t * total.sum())(1.0),
    ):
        with pytest.raises(wg.errors.LeakedTracerError, match="outlived the function was assigned"):
            use()
    total.fill(3)
    assert type(total) is type(row) is np.ndarray
    assert (total + row).tolist() == [6, 6]


def test_what_a_loop_body_leaves_in_an_array_of_the_function_is_an_error_to_read():
    def looped(t):
        seen = np.zeros(2)

        def body(carry, _):
            seen[0] = carry
            return carry * t, carry

        wg.scan(body, t, np.arange(3.0))
        return seen.sum()

    for verb in (wg.grad, wg.hessian):
        with pytest.raises(wg.errors.LeakedTracerError, match="a carry"):
            verb(looped)(1.0)


def test_strided_views_of_plain_arrays_are_numpys_when_stand_ins_are_in_place():
    wg.grad(np.sin)(0.0)
    a = np.arange(5.0)
    np.testing.assert_array_equal(sliding_window_view(a, 2)[:, 1], a[1:])
    named = {"check_bounds": False} if as_strided.__kwdefaults__ else {}
    np.testing.assert_array_equal(as_strided(a, (2,), (16,), writeable=False, **named), a[:3:2])
