"""Splits as NumPy batches: the images, the augmentation and the order of tf.data's."""

from itertools import islice

import numpy as np
import pytest
import tensorflow as tf

from flowers_core.input import array_data, training_data
from flowers_core.input.cache import Cache

PLACES = ["memory", "disk", "none"]
SIZES = {"image_size": 48, "batch_size": 8}


def cache(place):
    return Cache(place=place, reason="for a test")


@pytest.mark.parametrize("place", PLACES)
def test_validation_is_that_of_tf_data(shards, count_images, place):
    """Every image once a pass, the last batch smaller, as float32 in [0, 1], wherever it is kept."""
    batches = array_data.Validation(shards, cache=cache(place), **SIZES)

    assert [len(labels) for _, labels in batches] == [8, 8, 8, 8, 8, 4]
    assert {images.dtype.name for images, _ in batches} == {"float32"}
    assert count_images(batches) == count_images(training_data.validation(shards, **SIZES).as_numpy_iterator())


@pytest.mark.parametrize("place", PLACES)
def test_training_repeats_all_images_in_whole_batches(shards, count_images, place):
    """Two epochs hold each image twice, give or take what the shuffle holds back."""
    drawn = array_data.training(shards, augmentation="none", shuffle_buffer=1, cache=cache(place), **SIZES)
    batches = list(islice(drawn, 11))  # of 44 images, two epochs
    once = count_images(training_data.validation(shards, **SIZES).as_numpy_iterator())

    assert {len(labels) for _, labels in batches} == {8}
    assert count_images(batches) == {image: 2 * count for image, count in once.items()}


def test_seed_fixes_order_and_augmentation(shards):
    """The same seed gives the same batches, another gives others."""
    same, again, other = (
        next(array_data.training(shards, shuffle_buffer=16, seed=seed, **SIZES)) for seed in (3, 3, 4)
    )

    np.testing.assert_array_equal(same[0], again[0])
    assert (same[0] != other[0]).any()


def test_shuffle_draws_from_its_buffer():
    """A row comes no earlier than the buffer reaches; all come, in another order."""
    draw = np.random.default_rng(0)
    batches = array_data.shuffle(20, batch_size=4, shuffle_buffer=5, draw=draw)
    rows = np.concatenate(list(islice(batches, 5))).tolist()

    assert all(row < place + 5 for place, row in enumerate(rows))
    assert rows != sorted(rows)


def test_saturate_is_that_of_tensorflow():
    """Grey at 0, the image itself at 1, and never more than full saturation."""
    images = np.random.default_rng(1).random((5, 6, 7, 3), dtype=np.float32)
    images[0, 0] = 0.5  # grey has no hue
    factors = np.array([0, 0.4, 1, 1.7, 2], np.float32)
    ours = array_data.saturate(images, factors)
    theirs = [tf.image.adjust_saturation(image, factor) for image, factor in zip(images, factors, strict=True)]

    np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_augment_flips_every_other_image():
    """Half of the images come as their mirror images, and nothing else changes."""
    images = np.random.default_rng(1).random((64, 4, 4, 3), dtype=np.float32)
    flipped = array_data.augment(images.copy(), "flip", np.random.default_rng(2))
    mirrored = [np.array_equal(after, before[:, ::-1]) for after, before in zip(flipped, images, strict=True)]
    same = [np.array_equal(after, before) for after, before in zip(flipped, images, strict=True)]

    assert all(one != other for one, other in zip(mirrored, same, strict=True))
    assert 16 < sum(mirrored) < 48


def test_ahead_gives_all_batches_and_their_error():
    """The order stays; an error comes where its batch would."""

    def failing():
        yield from (1, 2)
        raise ValueError("three")

    batches = array_data.ahead(failing())
    assert [next(batches), next(batches)] == [1, 2]
    with pytest.raises(ValueError, match="three"):
        next(batches)
