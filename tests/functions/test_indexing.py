"""Indexing a traced array reads and writes what NumPy reads and writes, with exact derivatives."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wengert as wg
from outcomes import assert_numpys
from support import assert_derivatives, forward, gradient, reverse
from wengert.errors import AbstractValueError, TracedArrayError, UnsupportedError
from wengert.evaluate import evaluate
from wengert.functions.indexing import parse
from wengert.primitives.index import fill, gather, scatter_add, slice_, update
from wengert.program import Type
from wengert.recorder import record

SHAPE = (3, 4, 2)
X = np.random.default_rng(0).standard_normal(SHAPE)
MASK = np.arange(24).reshape(SHAPE) % 3 == 0

INDICES: dict[str, Any] = {
    "an integer": 1,
    "a negative integer": -1,
    "a NumPy integer": np.int64(2),
    "an integer array without axes": np.array(2),
    "integers for all axes": (1, 2, 0),
    "a slice": slice(1, None),
    "a slice with NumPy integers": slice(np.int64(0), np.int64(2)),
    "a slice backwards": (slice(None, None, -1), slice(3, 0, -2)),
    "an empty slice": slice(2, 1),
    "nothing": (),
    "an ellipsis": Ellipsis,
    "an ellipsis in front": (Ellipsis, 1),
    "an ellipsis behind": (1, Ellipsis),
    "an ellipsis of no axes": (1, 2, Ellipsis, 0),
    "new axes": (None, slice(None), None, 1),
    "new axes at the end": (Ellipsis, None),
    "a list": [0, 2, 1],
    "a list with repetitions": [0, 2, 0],
    "an empty list": [],
    "an empty array": np.array([], int),
    "negative elements": [-1, 0],
    "an array with two axes": np.array([[0, 1], [2, 2]]),
    "an array of small integers": np.array([0, 2], np.uint8),
    "a tuple in a tuple": ((0, 1),),
    "two arrays": ([0, 1], [2, 3]),
    "two arrays that broadcast": (np.array([[0], [1]]), np.array([2, 3, 3])),
    "two arrays after a slice": (slice(None), [0, 1], [1, 0]),
    "two arrays apart": ([0, 1], slice(None), [1, 0]),
    "two arrays apart by a new axis": (slice(None), [0, 1], None, [1, 0]),
    "two arrays apart by an ellipsis of no axes": (slice(None), [0, 1], Ellipsis, [1, 0]),
    "an array and an integer": (slice(None), [0, 3, 3], 1),
    "an array and an integer apart": (0, slice(None), [0, 1, 1]),
    "an array, a slice backwards": ([0, 1], slice(None, None, -1)),
    "a mask": MASK,
    "a mask of the first axis": np.array([True, False, True]),
    "a mask of two axes": MASK[:, :, 0],
    "a mask after a slice": (slice(None), np.array([True, False, True, True])),
    "a mask and an array": (np.array([True, False, True]), [1, 2]),
    "a mask of the last axis": (Ellipsis, np.array([False, True])),
    "an empty mask": np.zeros(SHAPE, bool),
    "True": True,
    "False": False,
    "True beside an array": (slice(None), True, [0, 1]),
    "True beside an integer": (0, True),
    "a list of Booleans": [True, False, True],
}
each_index = pytest.mark.parametrize("index", list(INDICES.values()), ids=list(INDICES))


@each_index
def test_reading_gives_what_numpy_gives(index: Any) -> None:
    assert_derivatives(lambda x: np.sin(x[index]), X)


@each_index
def test_writing_an_array_gives_what_numpy_gives(index: Any) -> None:
    def write(x: Any) -> Any:
        y = np.sin(x)
        y[index] = np.cos(x)[index] * 2
        return y * x

    assert_derivatives(write, X)


@each_index
def test_writing_a_number_gives_what_numpy_gives(index: Any) -> None:
    def write(x: Any) -> Any:
        y = np.sin(x)
        y[index] = x[0, 0, 0] ** 2
        return y * x

    assert_derivatives(write, X)


@each_index
def test_adding_in_place_gives_what_numpy_gives(index: Any) -> None:
    def add(x: Any) -> Any:
        y = np.sin(x)
        y[index] += x[index] ** 2
        y[index] *= 2.0
        return y

    assert_derivatives(add, X)


@each_index
def test_adding_at_repeated_places_gives_what_numpy_gives(index: Any) -> None:
    def add(x: Any) -> Any:
        y = np.sin(x)
        np.add.at(y, index, x[index] ** 2)
        np.subtract.at(y, index, 0.5)
        return y

    assert_derivatives(add, X)


@pytest.mark.parametrize(
    "index",
    [
        5,
        -4,
        (0, 0, 0, 0),
        (Ellipsis, 0, Ellipsis),
        [0.5],
        "a",
        np.array([3]),
        np.zeros(4, bool),
        (slice(None), np.zeros(3, bool)),
        ([0, 1], [0, 1, 2]),
    ],
    ids=str,
)
def test_what_numpy_refuses_as_an_index_is_refused(index: Any) -> None:
    with pytest.raises(IndexError):
        _ = X[index]
    with pytest.raises(IndexError):
        forward(lambda x: [x[index]], [X], [X])
    with pytest.raises(IndexError):
        reverse(lambda x: [operator.setitem(x, index, 1.0)], [X], [X])


def random_indices(count: int) -> Iterator[tuple[tuple[int, ...], tuple[Any, ...]]]:
    """Shapes and indices of every kind, at random."""
    rng = np.random.default_rng(7)
    while count:
        shape = tuple(int(n) for n in rng.integers(1, 5, rng.integers(1, 5)))
        wide = tuple(int(n) for n in rng.integers(1, 4, rng.integers(0, 3)))
        index: list[Any] = []
        axis = 0
        while axis < len(shape) and rng.random() < 0.9:
            n = shape[axis]
            kind = rng.choice(["int", "slice", "new", "array", "mask", "ellipsis", "true"])
            if kind == "int":
                index.append(int(rng.integers(-n, n)))
            elif kind == "slice":
                start, stop = (
                    None if rng.random() < 0.3 else int(rng.integers(-5, 6)) for _ in "ab"
                )
                index.append(slice(start, stop, int(rng.choice([-2, -1, 1, 2]))))
            elif kind == "array":
                index.append(
                    rng.integers(-n, n, tuple(m if rng.random() < 0.7 else 1 for m in wide))
                )
            elif kind == "mask":
                index.append(rng.random(n) < 0.5)
            elif kind == "ellipsis" and Ellipsis not in [i for i in index if i is Ellipsis]:
                index.append(Ellipsis)
                axis += int(rng.integers(0, len(shape) - axis))
                continue
            elif kind == "true" and rng.random() < 0.2:
                index.append(True)
                continue
            else:
                index.append(None)
                continue
            axis += 1
        yield shape, tuple(index)
        count -= 1


RANDOM = list(random_indices(400))


def test_random_indices_read_and_write_what_numpy_reads_and_writes() -> None:
    accepted = 0
    for shape, index in RANDOM:
        x = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
        try:
            part = np.asarray(x[index])
        except IndexError:
            with pytest.raises(IndexError):
                reverse(lambda x, index=index: [x[index]], [x], [0.0])
            continue
        accepted += 1
        ct = np.cos(part)
        wanted = np.zeros(shape)
        np.add.at(wanted, index, ct)
        np.testing.assert_array_equal(reverse(lambda x, i=index: [x[i]], [x], [ct])[0], wanted)
        np.testing.assert_array_equal(
            forward(lambda x, i=index: [x[i]], [np.zeros(shape)], [x])[0], part
        )
        written = x.copy()
        written[index] = -part

        def write(x: Any, part: Any, index: Any = index) -> list[Any]:
            y = x * 1.0
            y[index] = part
            return [y]

        tangents = forward(write, [np.zeros(shape), np.zeros(part.shape)], [x, -part])
        np.testing.assert_array_equal(tangents[0], written)
    assert accepted > 150


# -- batches ---------------------------------------------------------------------------------------

SIZE = 3


def index_cases() -> Iterator[Any]:
    rng = np.random.default_rng(11)
    for number, (shape, index) in enumerate(RANDOM):
        x = rng.standard_normal(shape)
        try:
            part = x[index]
            template, arrays, _, fresh = parse(index, shape)
        except IndexError:
            continue
        if arrays and not fresh and np.size(part):
            yield pytest.param(x, template, arrays, id=str(number))


@pytest.mark.parametrize(("x", "index", "arrays"), list(index_cases()))
def test_a_batch_is_a_loop_for_every_kind_of_index(x: Any, index: Any, arrays: Any) -> None:
    rng = np.random.default_rng(3)
    part = rng.standard_normal(x[fill(index, arrays)].shape)
    for primitive, operands in ((gather, (x, *arrays)), (scatter_add, (x, part, *arrays))):
        for _ in range(4):
            batched = rng.random(len(operands)) < 0.6
            if not batched.any():
                continue
            given = [
                np.stack([np.roll(o, k) for k in range(SIZE)]) if b else o
                for o, b in zip(operands, batched, strict=True)
            ]
            rows = [
                primitive.bind(
                    *(g[k] if b else g for g, b in zip(given, batched, strict=True)), index=index
                )
                for k in range(SIZE)
            ]
            found = primitive.batch(SIZE, given, batched.tolist(), {"index": index})
            np.testing.assert_allclose(found, np.stack(rows), rtol=1e-13)


def test_a_batch_of_updates_writes_each_into_its_own_array() -> None:
    x = np.zeros((SIZE, 4, 2))
    part = np.random.default_rng(0).standard_normal((SIZE, 2, 2))
    places = np.array([[0, 1], [3, 1], [2, 3]])
    found = update.batch(SIZE, [x, part, places], [True, True, True], {"index": ("array",)})
    for k in range(SIZE):
        x[k][places[k]] = part[k]
    np.testing.assert_array_equal(found, x)


# -- views -----------------------------------------------------------------------------------------


def through_a_slice(x: Any) -> Any:
    v = x[1:]
    v[0] = x[0] * x[3]
    x[2] = 5 * v[0]
    return x * v[1]


def through_a_slice_of_a_slice(x: Any) -> Any:
    v = x[::-1][1:]
    v[0] *= x[1]
    v += x[0]
    return x * v[0]


def through_a_row(x: Any) -> Any:
    a = x.reshape(2, 2)
    for row in a:
        row[0] = row[1] ** 2
    return x * a[0, 0]


def through_a_transpose(x: Any) -> Any:
    a = np.outer(x, x)
    a.T[0] = x
    a.T[1:, 0] += 1
    return a


def through_a_column(x: Any) -> Any:
    a = x[:, None] * x
    column = a[:, 1]
    column *= 2
    a[1, 1] = 7 * x[0]
    return column * a[2]


def through_swapped_axes(x: Any) -> Any:
    a = x.reshape(2, 1, 2) * 1.0
    np.swapaxes(a, 0, 2)[1, 0] = x[:2]
    np.moveaxis(a, 0, -1)[0, 0] *= x[2:]
    np.squeeze(a)[0, 0] = x[3]
    np.expand_dims(a, 1)[1] += 1
    return a


def through_ravel(x: Any) -> Any:
    a = np.outer(x, x)
    r = a.ravel()
    r[5] = x[0]
    r[::2] *= x[1]
    return a + r[0]


def through_flat(x: Any) -> Any:
    a = np.outer(x, x).T
    a.flat[3] = x[1]
    return a


def of_a_transpose_raveled_is_none(x: Any) -> Any:
    a = np.outer(x, np.sin(x))
    r = a.T.ravel()
    r[3] = 100.0
    s = a.T.reshape(-1)
    s[5] *= 3
    return a * r[3] + s[5]


def of_a_strided_slice_reshaped(x: Any) -> Any:
    a = np.outer(x, np.sin(x))
    v = a[::2].reshape(2, 2, 2)
    v[0, 0, 0] = x[3]
    w = a[:, ::2].reshape(-1)
    w[1] = x[2] ** 2
    r = a[0, ::2].ravel()
    r[0] = 9.0
    return a * w[1]


def that_numpy_copies(x: Any) -> Any:
    y = x.copy()
    y[0] = 3.0
    z = x.astype(float)
    z[1] = 4.0
    w = +x
    w[2] = 5.0
    f = x.flatten()
    f[3] = 6.0
    g = x[[0, 1]]
    g[0] = 7.0
    return x * y + z * w - f * g[0]


def that_are_unpacked(x: Any) -> Any:
    a, b, c, d = np.split(x * 1.0, 4)
    a[0] = b[0] * 2
    b += a
    return np.concatenate([a, b, c, d])


def under_augmented_slices(x: Any) -> Any:
    v = x[1:3]
    x[1:3] += v[::-1] * x[0]
    x[1:3] **= 2
    return x + v[0]


def that_are_split(x: Any) -> Any:
    y = x * 1.0
    head, tail = np.split(y, 2)
    head *= tail
    tail[:] = head**2
    return y


def that_overlap(x: Any) -> Any:
    y = x * 1.0
    y[1:] = y[:-1] * y[1:]
    y[:-1] -= y[1:]
    return y


def filled(x: Any) -> Any:
    y = np.outer(x, x)
    y[1].fill(3.0)
    y[:, 0].fill(x[2])
    np.fill_diagonal(y, x * 2)
    np.put(y, [1, -1], [x[0], 5.0])
    return y


PROGRAMS = [
    through_a_slice,
    through_a_slice_of_a_slice,
    through_a_row,
    through_a_transpose,
    through_a_column,
    through_swapped_axes,
    through_ravel,
    through_flat,
    of_a_transpose_raveled_is_none,
    of_a_strided_slice_reshaped,
    that_numpy_copies,
    that_are_unpacked,
    under_augmented_slices,
    that_are_split,
    that_overlap,
    filled,
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_views_alias_as_in_numpy(program: Callable[[Any], Any]) -> None:
    assert_derivatives(program, np.array([0.7, -1.2, 0.4, 1.9]))


def test_the_function_does_not_change_its_argument() -> None:
    x = np.array([1.0, 2.0, 3.0])

    def f(x: Any) -> Any:
        x[0] = x[1] * x[2]
        return np.sum(x * x)

    np.testing.assert_allclose(gradient(f, x), [0.0, 2 * 2 * 9 + 4, 2 * 3 * 4 + 6])
    np.testing.assert_array_equal(x, [1.0, 2.0, 3.0])


def test_a_view_written_while_values_are_unknown_is_recorded() -> None:
    program, _ = record(lambda x: [through_a_slice(x)], [Type.of(np.zeros(4))])
    x = np.array([0.7, -1.2, 0.4, 1.9])
    np.testing.assert_allclose(evaluate(program.check(), [x])[0], through_a_slice(x.copy()))


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_reshape_of_unknown_values_is_a_view_where_numpys_is(order: Any) -> None:
    def write(x: Any) -> Any:
        y = x.T.reshape(-1)
        y[0] = 1.0
        return x

    def write_the_base(x: Any) -> Any:
        y = x.T.reshape(-1)
        x[0] = 1.0
        return y

    kind = Type.of(np.zeros((2, 3)))
    x = np.asarray(np.arange(6.0).reshape(2, 3), order=order)
    for f in (write, write_the_base):
        program, _ = record(lambda x, f=f: [f(x)], [kind], models=[x])
        np.testing.assert_array_equal(evaluate(program.check(), [x])[0], f(x.copy("K")))


def test_an_augmented_slice_is_written_once() -> None:
    def f(x: Any) -> list[Any]:
        x[1:] += 1.0
        return [x]

    program, _ = record(f, [Type.of(np.zeros(4))])
    assert sum(equation.primitive is update for equation in program.equations) == 1
    assert sum(equation.primitive is slice_ for equation in program.equations) == 1


# -- errors ----------------------------------------------------------------------------------------


def element_written(x: Any) -> Any:
    a = np.zeros(3)
    a[0] = x[0] ** 2
    return a * 1.0


def rows_written(x: Any) -> Any:
    a = np.zeros((3, 2))
    a[0] = x
    a[1:, 1] = x**2
    return a * 1.0


def added_in_place(x: Any) -> Any:
    a = np.ones(2)
    a += x
    a *= x
    return a * 1.0


def copied_to(x: Any) -> Any:
    a, b = np.zeros(2), np.zeros(2)
    np.copyto(a, x)
    np.multiply(x, a, out=b)
    return b * 1.0


def added_at(x: Any) -> Any:
    a = np.zeros(2)
    np.add.at(a, [1, 1], x)
    return a * a


WRITTEN = [element_written, rows_written, added_in_place, copied_to, added_at]


@pytest.mark.parametrize("f", WRITTEN)
def test_traced_values_are_written_into_plain_arrays(f: Any) -> None:
    x = np.array([0.7, -1.3])
    assert_derivatives(f, x)
    np.testing.assert_array_equal(wg.vmap(f)(np.stack([x, 2 * x])), [f(x), f(2 * x)])
    np.testing.assert_array_equal(wg.jit(f)(x), f(x))


@pytest.mark.parametrize("f", [element_written, rows_written])
def test_writing_them_without_what_stands_in_is_an_error(f: Any) -> None:
    wg.stand_ins(False)
    try:
        with pytest.raises(TracedArrayError):
            wg.jvp(f, (np.ones(2),), (np.ones(2),))
    finally:
        wg.stand_ins(True)


def test_a_mask_of_unknown_value_cannot_choose_elements_and_can_choose_values() -> None:
    kind = Type.of(np.zeros(3))
    with pytest.raises(AbstractValueError, match=r"np\.where"):
        record(lambda x: [x[x > 0]], [kind])

    def clear(x: Any) -> list[Any]:
        y = x * 2
        y[y < 0] = 0.0
        return [y]

    record(clear, [kind])[0].check()


def test_a_complex_value_does_not_fit_into_a_real_array() -> None:
    def f(x: Any) -> list[Any]:
        x[0] = 1j * x[1]
        return [x]

    with pytest.raises(UnsupportedError, match=r"np\.real"):
        forward(f, [np.ones(2)], [np.ones(2)])


# -- functions -------------------------------------------------------------------------------------

M = np.random.default_rng(1).standard_normal((4, 3))

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "take": lambda x: np.take(x, [0, 5, -1]),
    "take along an axis": lambda x: np.take(x, np.array([[0, 2], [1, 1]]), axis=1),
    "take one": lambda x: np.take(x, 1, axis=0),
    "take, wrapping": lambda x: np.take(x, [0, 7, -9], axis=0, mode="wrap"),
    "take, clipping": lambda x: np.take(x, [0, 7, -9], axis=1, mode="clip"),
    "take of nothing": lambda x: np.take(x, [], axis=1),
    "method take": lambda x: x.take([1, 2], axis=1),
    "take_along_axis": lambda x: np.take_along_axis(x, np.argsort(M, axis=0), axis=0),
    "take_along_axis, all": lambda x: np.take_along_axis(x, np.array([3, 3, 1]), axis=None),
    "compress": lambda x: np.compress([True, False, True], x, axis=1),
    "method compress": lambda x: x.compress([True, False, True]),
    "extract": lambda x: np.extract(M > 0, x),
    "diagonal": lambda x: np.diagonal(x, 1),
    "method diagonal": lambda x: x.diagonal(-1),
    "diagonal of a stack": lambda x: np.diagonal(x.reshape(2, 2, 3), 0, 1, 2),
    "linalg.diagonal": lambda x: np.linalg.diagonal(x.reshape(2, 2, 3), offset=1),
    "diagonal, too far": lambda x: np.diagonal(x, 5),
    "diag of a matrix": lambda x: np.diag(x, -2),
    "diag of a vector": lambda x: np.diag(x[0], 1) @ np.diag(x[1], -1),
    "diagflat": lambda x: np.diagflat(x, 1),
    "delete": lambda x: np.delete(x, [0, 2], axis=0),
    "delete a slice": lambda x: np.delete(x, slice(1, 3)),
    "delete by a mask": lambda x: np.delete(x, np.array([True, False, True]), axis=1),
    "insert a row": lambda x: np.insert(x, 1, x[0] ** 2, axis=0),
    "insert a number": lambda x: np.insert(x, [1, 3], 5.0, axis=1),
    "insert rows": lambda x: np.insert(x, [0, 0, 4], np.ones((3, 3)), axis=0),
    "insert columns": lambda x: np.insert(x, 2, x[:, 0], axis=1),
    "insert anywhere": lambda x: np.insert(x, slice(0, 4, 2), x[0, :2]),
    "where a condition holds": lambda x: x[np.where(M > 0)],
    "nonzero": lambda x: x[np.nonzero(x > 0)],
    "method nonzero": lambda x: x[(x > 0).nonzero()],
    "flatnonzero": lambda x: x.ravel()[np.flatnonzero(x)],
    "argwhere": lambda x: x[tuple(np.argwhere(x)[3])],
    "ix_": lambda x: x[np.ix_([0, 2], [1, 2])],
    "iteration": lambda x: sum(row * k for k, row in enumerate(x)),
    "an index that was computed": lambda x: x[np.argmax(x[:, 0])],
}


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_functions_that_index_agree_with_numpy(name: str) -> None:
    function = FUNCTIONS[name]
    assert_derivatives(lambda x: np.sin(function(x)), M)


def put(y: Any, x: Any) -> None:
    np.put(y, [0, 5], x[0])


def put_wrapped(y: Any, x: Any) -> None:
    y.put([13, 2], x[0], mode="wrap")


def put_mask(y: Any, x: Any) -> None:
    np.putmask(y, M > 0, x[0])


def put_in_place(y: Any, x: Any) -> None:
    np.place(y, M > 0, x[0])


def put_along(y: Any, x: Any) -> None:
    np.put_along_axis(y, np.array([[1], [2], [0], [0]]), x[:, :1] ** 2, axis=1)


def copy_to(y: Any, x: Any) -> None:
    np.copyto(y, x[0] ** 2, where=M > 0)


def copy_number_to(y: Any, x: Any) -> None:
    np.copyto(y[1:], 3.0)


def fill_the_diagonal(y: Any, x: Any) -> None:
    np.fill_diagonal(y, x[:, 0])


def fill_the_diagonal_around(y: Any, x: Any) -> None:
    np.fill_diagonal(y, x[0, 0], wrap=True)


def write_into_out(y: Any, x: Any) -> None:
    np.multiply(x, x, out=y)
    np.sin(x, out=y, where=M > 0)
    np.add.at(y, ([0, 0], [1, 1]), x[0, :2])


@pytest.mark.parametrize(
    "write",
    [
        put,
        put_wrapped,
        put_mask,
        put_in_place,
        put_along,
        copy_to,
        copy_number_to,
        fill_the_diagonal,
        fill_the_diagonal_around,
        write_into_out,
    ],
)
def test_functions_that_write_agree_with_numpy(write: Callable[[Any, Any], None]) -> None:
    def f(x: Any) -> Any:
        y = np.cos(x)
        write(y, x)
        return y * x

    assert_derivatives(f, M)


def test_the_last_of_several_values_for_one_element_stays() -> None:
    def f(x: Any) -> Any:
        y = np.zeros_like(x)
        y[[0, 1, 0]] = x[:3] ** 2
        return y

    assert_derivatives(f, np.array([1.0, 2.0, 3.0, 4.0]))


def test_a_plain_table_is_read_at_traced_places() -> None:
    table = np.arange(10.0) ** 2
    x = np.array([3.5, 1.5, 2.0])

    def by_brackets(x: Any) -> list[Any]:
        return [x * table[np.floor(x).astype(int)]]

    def by_name(x: Any) -> list[Any]:
        return [x * np.take_along_axis(table, np.floor(x).astype(int), axis=0)]

    for f in (by_brackets, by_name):
        np.testing.assert_array_equal(forward(f, [x], [np.ones(3)])[0], [9.0, 1.0, 4.0])
        program, _ = record(f, [Type.of(x)], [x])
        np.testing.assert_array_equal(evaluate(program.check(), [x])[0], [31.5, 1.5, 8.0])
        program, _ = record(f, [Type.of(x)])
        np.testing.assert_array_equal(evaluate(program.check(), [x])[0], [31.5, 1.5, 8.0])


def test_views_follow_their_base_into_an_inner_derivative() -> None:
    def f(x: Any) -> Any:
        a = x * 1.0
        v = a[1:]

        def inner(t: Any) -> Any:
            a[1] = t * x[0]
            return np.sum(v * v)

        return wg.grad(inner)(x[2])

    x = np.array([2.0, 3.0, 5.0])
    np.testing.assert_allclose(wg.grad(f)(x), [4 * x[0] * x[2], 0.0, 2 * x[0] ** 2])


@pytest.mark.parametrize("verb", [wg.jacfwd, wg.jacrev])
def test_a_view_can_be_returned_after_its_base_was_written(verb: Any) -> None:
    def f(x: Any) -> Any:
        v = x[1:]
        x[1] = x[0] ** 2
        return v

    np.testing.assert_allclose(verb(f)(np.array([3.0, 1.0, 2.0])), [[6, 0, 0], [0, 0, 1]])


def verlet(state: Any) -> Any:
    state = state.copy()
    place, speed = state[..., 0], state[..., 1]
    state[..., 0] += 0.1 * speed
    state[..., 1] -= 0.1 * np.sin(place)
    return state


def elements_in_place(x: Any) -> Any:
    y = x * 1
    first, last = y[0, ...], y[..., -1]
    first += x[1]
    last *= first
    return np.concatenate([np.array([first, -last, 2.0]), y])


def element_that_is_returned(x: Any) -> Any:
    y = x * 1
    element = y[..., 0]
    y *= x
    return element


def element_copied(x: Any) -> Any:
    y = x * 1
    element = y[..., 0].copy()
    y *= x
    return element * y


@pytest.mark.parametrize("f", [verlet, elements_in_place, element_that_is_returned, element_copied])
def test_one_element_behind_an_ellipsis_is_a_view_of_it(f: Any) -> None:
    assert_derivatives(f, np.array([0.3, 0.5, -0.7]))


def test_an_element_behind_an_ellipsis_is_a_number_to_python() -> None:
    def f(x: Any) -> Any:
        with pytest.raises(TypeError, match="len"):
            len(x[..., 0])
        with pytest.raises(TypeError, match="iteration"):
            iter(x[..., 0])
        return x[..., 0]

    assert gradient(f, np.array([1.0, 2.0])).tolist() == [1.0, 0.0]


# -- writing by a function, of anything that NumPy takes -------------------------------------------

FLAGS = [True, False, True]
WRITERS: dict[str, Any] = {
    "copyto": np.copyto,
    "copyto safely": lambda t, v: np.copyto(t, v, casting="safe"),
    "copyto unsafely": lambda t, v: np.copyto(t, v, casting="unsafe"),
    "copyto where": lambda t, v: np.copyto(t, v, where=t > 0),
    "copyto where a list": lambda t, v: np.copyto(t, v, where=FLAGS[: t.shape[-1]]),
    "copyto nowhere": lambda t, v: np.copyto(t, v, where=False),
    "copyto where numbers": lambda t, v: np.copyto(t, v, where=np.ones(t.shape)),
    "put": lambda t, v: np.put(t, [0, -1], v),
    "put once": lambda t, v: np.put(t, 0, v),
    "put nowhere": lambda t, v: np.put(t, [], v),
    "put wrapped": lambda t, v: np.put(t, [7, 8], v, mode="wrap"),
    "put clipped": lambda t, v: np.put(t, [7, -9], v, mode="clip"),
    "put outside": lambda t, v: np.put(t, [70], v),
    "put at truncated places": lambda t, v: np.put(t, [1.5, True], v),
    "x.put": lambda t, v: t.put([1, 1], v),
    "putmask": lambda t, v: np.putmask(t, t > 0, v),
    "putmask of a list": lambda t, v: np.putmask(t, FLAGS[: t.shape[-1]], v),
    "putmask of numbers": lambda t, v: np.putmask(t, np.ones(t.shape), v),
    "place": lambda t, v: np.place(t, t > 0, v),
    "place all": lambda t, v: np.place(t, np.ones(t.shape), v),
    "fill_diagonal": np.fill_diagonal,
    "fill_diagonal wrapped": lambda t, v: np.fill_diagonal(t.T, v, wrap=True),
    "put_along_axis": lambda t, v: np.put_along_axis(t, np.argsort(t), v, -1),
    "put_along_axis 1": lambda t, v: np.put_along_axis(t, np.zeros((1,) * t.ndim, int), v, 1),
    "fill": lambda t, v: t.fill(v),
    "an element": lambda t, v: t.__setitem__((0,) * t.ndim, v),
    "an element of a view": lambda t, v: t[::-1].__setitem__((0,) * t.ndim, v),
}
TARGETS: dict[str, Any] = {
    "matrix": lambda x: x * 1.0,
    "view": lambda x: (x * 1.0)[::-1, ::2],
    "row": lambda x: (x * 1.0)[0],
    "float32": lambda x: x.astype(np.float32),
    "argument": lambda x: x,
}
WRITTEN: list[Any] = [
    *(0.5, 2, True, 1j, np.float64(0.5), np.float32(0.5), np.int8(3), np.array(0.5)),
    *([0.5, 1.5], [0.5], (0.5, 1.0, 2.0), [[1.0], [2.0]], [], np.array([[0.5, 1.5, 2.5]])),
    *(np.arange(6.0).reshape(2, 3), np.ones((2, 2, 3)), np.array([1, 2, 3]), FLAGS),
]


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("target", TARGETS)
def test_what_is_written_by_a_function_is_as_in_numpy(writer: str, target: str) -> None:
    table = np.array([[1.0, -2.0, 0.5], [3.0, 0.25, -1.0]])

    def run(x: Any) -> Any:
        x = x.copy()
        written = TARGETS[target](x)
        WRITERS[writer](written, value)
        return written, x

    for value in WRITTEN:
        if np.ndim(value) == 0 and value == 1j and writer in ("copyto unsafely", "put nowhere"):
            continue  # the imaginary part is not thrown away here, and not looked for
        assert_numpys(run, table, label=value)
    for value in ("number", "row"):

        def moving(x: Any, row: bool = value == "row") -> Any:
            y = x.copy()
            written = TARGETS[target](y)
            WRITERS[writer](written, x[1] * 0.5 if row else x[0, 0] * 0.5)
            return written, y

        assert_numpys(moving, table, label=value)


@pytest.mark.parametrize("writer", ["copyto", "copyto where", "putmask", "place", "put", "fill"])
def test_derivatives_of_what_functions_write(writer: str) -> None:
    def run(x: Any) -> Any:
        y = x**2 - 0.5
        WRITERS[writer](y, x[0, 1] ** 3)
        WRITERS[writer](y[:, 1:], 0.25)
        return y * x

    assert_derivatives(run, np.array([[1.0, -2.0, 0.5], [3.0, 0.25, -1.0]]))


def test_what_is_copied_from_is_not_followed() -> None:
    source = np.array([1.0, 2.0])

    def run(x: Any) -> Any:
        y = x * 1.0
        np.copyto(y, source)
        source[0] = 7.0
        source[0], kept = 1.0, y * 1.0
        return kept * x

    assert_numpys(run, np.array([3.0, 4.0]))


@pytest.mark.parametrize(
    "places",
    [
        [0.0, 1.7],
        [True, False],
        1.5,
        np.float64(1.0),
        [],
        np.array([True, False]),
        np.array([1], np.uint64),
        np.array([]),
        np.array([1.0]),
        [1j],
    ],
    ids=repr,
)
def test_what_counts_as_places_to_take_from_is_what_counts_for_numpy(places):
    def f(x):
        try:
            return np.concatenate([np.ravel(np.take(x, places)), np.ravel(x.take(places))])
        except TypeError:
            return -x

    x = np.arange(1.0, 4.0)
    assert wg.jvp(f, (x,), (x,))[0].tolist() == wg.jit(f)(x).tolist() == f(x).tolist()
