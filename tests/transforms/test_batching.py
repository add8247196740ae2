"""vmap of Programs."""

import numpy as np
import pytest

import wengert as wg
from wengert.errors import AbstractValueError
from wengert.transforms.batching import vmap

A = np.arange(6.0).reshape(2, 3)
CT = np.array([0.5, -1.5, 2.5])
PLACES = np.arange(3)
BATCH = np.stack([A, A + 1, A * 2, -A])


@pytest.mark.parametrize(
    "f",
    [
        lambda a: a @ a.T,
        lambda a: np.sum(a, axis=0),
        lambda a: a[1] * a[:, ::2].sum(),
        lambda a: np.where(a > 1, a, 0.0),
        lambda a: np.concatenate([a, np.ones((1, 3))]),
        lambda a: np.broadcast_to(a[0], (4, 3)),
        lambda a: np.max(a, axis=1),
        lambda a: np.linalg.norm(a),
        lambda a: np.eye(3) @ a.T,
        lambda a: np.ones(2) @ a,
        lambda a: a @ np.ones(3),
    ],
)
def test_a_batched_program_is_a_loop(f):
    batched = vmap(wg.trace(f)(A), 4)
    (found,) = wg.evaluate(batched, [BATCH])
    np.testing.assert_allclose(found, np.stack([f(a) for a in BATCH]), rtol=1e-13)


def test_an_input_may_be_shared():
    program = wg.trace(lambda a, b: a * b)(A, 2.0)
    batched = vmap(program, 4, [True, False])
    np.testing.assert_array_equal(wg.evaluate(batched, [BATCH, 3.0])[0], BATCH * 3)
    assert [str(type) for type in batched.input_types] == ["f64[4,2,3]", "f64"]


def test_an_output_that_does_not_depend_on_the_batch_is_repeated():
    program = wg.trace(lambda a, b: b + 1.0)(A, 2.0)
    found = wg.evaluate(vmap(program, 4, [True, False]), [BATCH, 3.0])[0]
    np.testing.assert_array_equal(found, np.full(4, 4.0))


def test_twice_batched():
    program = vmap(vmap(wg.trace(lambda a: np.sum(a * a))(A), 4), 2)
    both = np.stack([BATCH, BATCH + 1])
    np.testing.assert_allclose(wg.evaluate(program, [both])[0], np.sum(both**2, axis=(2, 3)))


TABLE = np.arange(6.0).reshape(3, 2)


@pytest.mark.parametrize(
    "read",
    [
        lambda i: TABLE[i],
        lambda i: TABLE[i, 0],
        lambda i: TABLE.T[..., i],
        lambda i: TABLE[np.stack([i, i])],
        lambda i: TABLE[[i, 0]],
        lambda i: TABLE[np.array([i, -1])],
        lambda i: np.take(TABLE, i, axis=0),
        lambda i: TABLE.take(i, axis=1, mode="wrap"),
        lambda i: TABLE[::-1][i, None],
    ],
)
def test_a_table_that_is_not_traced_is_read_at_places_that_are_not_known(read):
    places = np.array([2, 0, 1])
    wanted = np.stack([read(i) for i in places])
    np.testing.assert_array_equal(wg.vmap(read)(places), wanted)
    np.testing.assert_array_equal(wg.map(read, places), wanted)
    np.testing.assert_array_equal(wg.jit(wg.vmap(read))(places), wanted)
    slope = wg.grad(lambda x, i: np.sum(read(i)) * x)
    sums = wanted.reshape(3, -1).sum(axis=1)
    np.testing.assert_array_equal(wg.vmap(slope)(np.ones(3), places), sums)


def test_a_place_outside_of_a_table_is_numpys_error():
    with pytest.raises(IndexError, match="out of bounds"):
        wg.vmap(lambda i: TABLE[..., i])(np.array([2, 0, 1]))


def _written(x):
    x = x + 0.0
    x[1] = x[9]
    return x


def _put(x):
    S = np.zeros(3)
    S[3] = x[0]
    return S


def _put_at_places(x):
    x = x + 0.0
    x[[0, 9]] = x[:2]
    return x


def _filled(x):
    S = np.zeros(3)
    S[:] = x
    return S


@pytest.mark.parametrize(
    "use",
    [
        *(_filled, lambda x: np.broadcast_to(x, (3,)), lambda x: np.linalg.inv(x)),
        *(_written, _put, _put_at_places, lambda x: x[[0, 9]], lambda x: np.take(x, 9)),
        lambda x: np.take_along_axis(x, np.array([9]), 0),
    ],
)
def test_what_does_not_fit_can_be_caught_where_it_is_used(use):
    def guarded(x):
        try:
            return use(x)
        except (IndexError, ValueError):
            return x * 2

    x = np.arange(1.0, 9.0).reshape(2, 4)
    np.testing.assert_array_equal(wg.vmap(guarded)(x), 2 * x)
    np.testing.assert_array_equal(wg.map(guarded, x), 2 * x)


@pytest.mark.parametrize("off", [False, True])
def test_a_table_that_cannot_be_read_there_says_how_to_read_it(off):
    table = TABLE if off else TABLE.tolist()
    places = np.array([2, 0, 1])
    wg.stand_ins(not off)
    try:
        with pytest.raises(AbstractValueError, match=r"(?s)np\.take_along_axis\(table") as caught:
            wg.vmap(lambda i: table[i])(places)
    finally:
        wg.stand_ins(True)
    assert "test_batching.py" in caught.value.line


def test_an_index_error_of_the_users_own_stays_one():
    with pytest.raises(IndexError, match="only integers"):
        wg.vmap(lambda i: np.ones(3)[1.5])(np.arange(3))


@pytest.mark.parametrize(
    ("read", "plain"),
    [
        (lambda i: np.take_along_axis(CT, np.reshape(i, -1), axis=0)[0], lambda i: CT[i]),
        (
            lambda i: np.take_along_axis(TABLE, np.reshape(i, (-1, 1)), axis=0)[0],
            lambda i: TABLE[i],
        ),
        (
            lambda i: np.take_along_axis(
                np.ravel(TABLE), np.reshape(i * TABLE.shape[1] + 1, -1), axis=0
            )[0],
            lambda i: TABLE[i, 1],
        ),
        (lambda i: np.where(np.arange(3) == i, 7.0, CT), lambda i: np.where(i == PLACES, 7.0, CT)),
    ],
)
def test_what_is_advised_for_a_table_reads_it(read, plain):
    places = np.array([2, 0, 1])
    wanted = np.stack([plain(int(i)) for i in places])
    for found in (
        wg.vmap(read)(places),
        np.stack([read(int(i)) for i in places]),
        wg.scan(lambda c, i: (c, read(i)), 0.0, places)[1],
        wg.vmap(wg.grad(lambda x, i: np.sum(x * read(i))))(np.ones((3, *wanted.shape[1:])), places),
    ):
        np.testing.assert_array_equal(found, wanted)
