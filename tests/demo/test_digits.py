"""The demo's network: its gradients are right, and reverse mode trains it."""

from __future__ import annotations

import numpy as np
import pytest

from wengert.demo.digits import initial, load, loss, scores
from wengert.demo.training import (
    BATCH,
    WAYS,
    Way,
    central_differences,
    forward_mode,
    reverse_mode,
    train,
)


@pytest.fixture(scope="module")
def digits():
    return load()


@pytest.fixture
def batch(digits):
    return digits.train_images[:BATCH], digits.train_labels[:BATCH]


def test_no_image_is_both_trained_on_and_tested_on(digits):
    assert digits.train_images.shape == (1437, 64)
    assert digits.test_images.shape == (360, 64)
    assert len(digits.train_labels) == 1437
    assert len(digits.test_labels) == 360
    images = np.concatenate([digits.train_images, digits.test_images])
    assert images.min() == 0
    assert images.max() == 1
    assert len(np.unique(images, axis=0)) == 1797


def test_the_loss_is_the_mean_of_minus_log_softmax(batch):
    images, labels = batch
    params = initial(4)
    p = np.exp(scores(params, images))
    p /= p.sum(axis=1, keepdims=True)
    expected = -np.mean([np.log(row[label]) for row, label in zip(p, labels, strict=True)])
    np.testing.assert_allclose(loss(params, images, labels), expected, rtol=1e-13)


def test_the_loss_does_not_overflow(batch):
    params = {name: 1e4 * array for name, array in initial(4).items()}
    assert np.isfinite(loss(params, *batch))
    assert all(np.isfinite(slope).all() for slope in reverse_mode(params, *batch).values())


@pytest.mark.parametrize("mode", [forward_mode, reverse_mode])
def test_the_gradient_by_program_is_that_of_central_differences(mode, batch):
    params = initial(4)
    found, expected = mode(params, *batch), central_differences(params, *batch)
    assert found.keys() == expected.keys() == params.keys()
    for name in params:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, atol=1e-9)


def test_central_differences_leave_the_parameters_as_they_were(batch):
    params, before = initial(2), initial(2)
    central_differences(params, *batch)
    for name in params:
        np.testing.assert_array_equal(params[name], before[name])


def way_called(name: str) -> Way:
    return next(way for way in WAYS if way.name == name)


def test_400_steps_of_reverse_mode_read_more_than_95_percent_of_new_images(digits):
    run = train(way_called("reverse mode"), digits, seconds=0.0)
    assert run.steps == 400
    assert run.accuracy > 0.97
    assert run.loss < 0.05


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_every_way_of_training_lowers_the_loss(way, digits):
    steps = {"random search": 300, "reverse mode": 20}.get(way.name, 3)
    run = train(way, digits, seconds=60.0, hidden=4, at_most=steps)
    assert run.steps == steps
    assert run.loss < 0.99 * run.curve[0][1]


def test_the_clock_of_a_curve_never_goes_back(digits):
    run = train(way_called("reverse mode"), digits, seconds=0.05, hidden=4)
    seconds = [time for time, _ in run.curve]
    assert seconds == sorted(set(seconds))
    assert seconds[0] == 0
