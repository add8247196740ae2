"""vmap of Programs."""

import numpy as np
import pytest

import wengert as wg
from wengert.transforms.batching import vmap

A = np.arange(6.0).reshape(2, 3)
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
