"""Tests of `flowers_core.train.feature_cache`."""

import keras
import numpy as np
import pytest

from flowers_core import models
from flowers_core.data import manifest
from flowers_core.errors import RunFailed
from flowers_core.train import feature_cache


@pytest.fixture
def features(small_records):
    """Computes features that are the images themselves: `features(count=40)`."""
    base = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Flatten()])
    shards = manifest.paths(small_records, manifest.load(small_records))
    return lambda **options: feature_cache.Features(base, shards, image_size=32, batch_size=5, **options)


def test_split_takes_what_is_frozen_from_the_bottom():
    """The base is frozen layers with weights; a model whose first weights learn has none."""
    frozen = keras.layers.Conv2D(4, 3, trainable=False)
    layers = [keras.layers.Rescaling(2.0), frozen, keras.layers.Flatten(), keras.layers.Dense(5)]
    base, head = feature_cache.split(keras.Sequential([keras.Input((8, 8, 3)), *layers]))

    assert base.layers == layers[:2]
    assert head.layers == layers[2:]
    assert feature_cache.split(models.build("squeezenet_small", image_size=32)) is None


def test_training_without_seed_flips_half(features):
    """Each row is the image's or that of its mirror image, with the label of both."""
    known = features(count=40, mirrored=True)
    numbers = {row.tobytes(): number for number, row in enumerate(known.values)}
    batches = known.training(batch_size=10, shuffle_buffer=1, seed=None).take(20).as_numpy_iterator()
    drawn = [(numbers[row.tobytes()], label) for batch in batches for row, label in zip(*batch, strict=True)]
    images, mirrored = (half.reshape(40, 32, 32, 3) for half in np.split(known.values, 2))

    np.testing.assert_array_equal(mirrored[:, :, ::-1], images)
    assert all(known.labels[number % 40] == label for number, label in drawn)
    assert 50 < sum(number >= 40 for number, _ in drawn) < 150


def test_features_refuse_missing_images(features):
    """A lost worker must not leave features that were never computed."""
    with pytest.raises(RunFailed, match=r"each of 41 images once\. Received: 40"):
        features(count=41)
