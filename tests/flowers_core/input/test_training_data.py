"""Training and validation are kept apart, cached where they should be, and augmented anew in every epoch."""

import itertools
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from flowers_core import errors
from flowers_core.data import images, manifest
from flowers_core.input import pipelines, training_data
from flowers_core.input.cache import Cache

IMAGE_SIZE = 48
BATCH_SIZE = 8
PHOTOS = 44
SIZES = {"image_size": IMAGE_SIZE, "batch_size": BATCH_SIZE}


def records_of(shards):
    """The set of the hashes of all records in `shards`."""
    return {sha256(record).digest() for record in tf.data.TFRecordDataset(list(shards)).as_numpy_iterator()}


def leak(training, validation):
    """Records that are in both parts."""
    return records_of(training) & records_of(validation)


@pytest.fixture
def single(shards, tmp_path):
    """Path of a shard of one record."""
    path = str(tmp_path / "single.tfrec")
    with tf.io.TFRecordWriter(path) as writer:
        writer.write(next(iter(tf.data.TFRecordDataset(shards[0]))).numpy())
    return path


def test_validation_delivers_every_image_as_it_is(shards, count_images):
    """Once each, in the same order in every pass, with the remainder, in [0, 1], not augmented."""
    data = training_data.validation(shards, **SIZES)
    first, second = list(data.as_numpy_iterator()), list(data.as_numpy_iterator())
    assert count_images(first) == count_images(pipelines.build("records_uint8", shards, **SIZES))
    for (pixels, labels), (pixels_again, labels_again) in zip(first, second, strict=True):
        np.testing.assert_array_equal(pixels, pixels_again)
        np.testing.assert_array_equal(labels, labels_again)
    assert [len(labels) for _, labels in first] == [8, 8, 8, 8, 8, 4]


@pytest.mark.parametrize("end", ["first", "last"])
def test_no_validation_record_reaches_training(shards, end):
    """The two parts hold no record in common and all records together (codelab, section 8, trap 1)."""
    training, validation = manifest.split(shards, validation=end)
    assert not leak(training, validation)
    assert len(records_of(training)) + len(records_of(validation)) == PHOTOS
    assert leak((*training, validation[0]), validation) == records_of(validation[:1]), "a leak is not found"


def test_training_delivers_only_its_shards(shards, count_images):
    """In four epochs of the stream every image of the training shards comes, and none of the others."""
    training, validation = manifest.split(shards)
    data = training_data.training(training, augmentation="none", shuffle_buffer=16, **SIZES)
    delivered = count_images(data.take(4 * PHOTOS // BATCH_SIZE).as_numpy_iterator())
    allowed, forbidden = (count_images(training_data.validation(part, **SIZES)) for part in (training, validation))
    assert set(delivered) == set(allowed)
    assert not set(delivered) & set(forbidden)


def test_seeds_decide_flip_and_saturation_apart():
    """Mirror images are paler and richer than their photos alike: one number for both would make all of them paler."""
    image = np.full((2, 2, 3), (0.6, 0.4, 0.5), np.float32)
    image[:, 0] = 0.0  # the left, where a mirror image has its colours
    drawn = [images.augment(image, seed).numpy() for seed in training_data.augmentation_seeds(1).take(64)]
    chroma = {side: [np.ptp(pixels[0, side]) for pixels in drawn if pixels[0, side].any()] for side in (0, 1)}

    assert all(min(chroma[side]) < 0.2 < max(chroma[side]) for side in (0, 1))


@pytest.mark.parametrize("seed", [None, 5])
def test_augmentation_is_drawn_anew_in_every_epoch(single, seed):
    """Neither the cache nor a seed freezes it: one image comes back in many forms, all of them in [0, 1]."""
    data = training_data.training([single], image_size=IMAGE_SIZE, batch_size=1, shuffle_buffer=1, seed=seed)
    forms = [pixels for pixels, _ in data.take(12).as_numpy_iterator()]
    assert len({form.tobytes() for form in forms}) > 6
    assert all(form.min() >= 0 and form.max() <= 1 and form.dtype == np.float32 for form in forms)


@pytest.mark.parametrize("augmentation", ["none", "flip", "codelab"])
def test_seed_fixes_order_and_augmentation(shards, augmentation):
    """With the same seed two streams agree pixel for pixel, with another they do not."""
    first, same, other = (
        [
            pixels.tobytes()
            for pixels, _ in training_data.training(
                shards, image_size=IMAGE_SIZE, batch_size=4, augmentation=augmentation, shuffle_buffer=20, seed=seed
            )
            .take(15)
            .as_numpy_iterator()
        ]
        for seed in (1, 1, 2)
    )
    assert first == same
    assert first != other


def test_training_has_static_shapes_and_the_right_options(shards):
    """Whole batches without end; unordered unless a seed asks for an order (codelab, section 8, trap 2)."""
    data = training_data.training(shards, **SIZES)
    assert data.element_spec[0].shape == (BATCH_SIZE, IMAGE_SIZE, IMAGE_SIZE, 3)
    assert data.cardinality() == tf.data.INFINITE_CARDINALITY
    assert data.options().deterministic is False
    assert training_data.training(shards, seed=1, **SIZES).options().deterministic is not False


@pytest.mark.parametrize("place", ["memory", "disk", "none"])
def test_images_are_cached_where_the_cache_says(shards, tmp_path, place, count_images):
    """What is cached is not read again: the shards may vanish; what is not cached is."""
    copies = [shutil.copy(shard, tmp_path) for shard in shards]
    settings = SIZES | {"cache": Cache(place=place, reason="as the test wants")}
    validation = training_data.validation(copies, **settings)
    stream = iter(training_data.training(copies, augmentation="none", shuffle_buffer=4, **settings))
    first = count_images(validation)
    list(itertools.islice(stream, 2 * PHOTOS // BATCH_SIZE))
    for copy in copies:
        Path(copy).unlink()
    if place == "none":
        with pytest.raises(tf.errors.NotFoundError):
            list(validation)
    else:
        assert count_images(validation) == first
        assert len(list(itertools.islice(stream, 20))) == 20


def test_explain_errors_names_the_damaged_shard(shards, tmp_path):
    """What TensorFlow raises comes out with the place; where all is whole it stays what it was."""
    content = bytearray(Path(shards[0]).read_bytes())
    content[-8] ^= 1
    damaged = tmp_path / Path(shards[0]).name
    damaged.write_bytes(content)

    with (
        pytest.raises(errors.InputError, match="must hold whole records"),
        training_data.explain_errors([str(damaged)]),
    ):
        raise tf.errors.DataLossError(None, None, "corrupted record")
    with (
        pytest.raises(errors.InputError, match=r"flowers.*its class is [1-4], of 1\."),
        training_data.explain_errors(shards, classes=1),
    ):
        raise tf.errors.InvalidArgumentError(None, None, "Received a label value of 4")
    with pytest.raises(tf.errors.UnavailableError), training_data.explain_errors([]):
        raise tf.errors.UnavailableError(None, None, "elsewhere")


def test_explain_errors_tells_a_full_disk_from_damaged_shards(shards):
    """Where a cache finds no room, that is an OSError with its path, not the search for a shard to blame."""
    message = (
        "{{function_node x}} /tmp/cache/images_0.data-00000-of-00001; No space left on device [Op:IteratorGetNext]"
    )

    with pytest.raises(OSError, match="No space left on device") as caught, training_data.explain_errors(shards):
        raise tf.errors.ResourceExhaustedError(None, None, message)
    assert caught.value.filename == "/tmp/cache/images_0.data-00000-of-00001"
