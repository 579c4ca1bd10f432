"""Pipelines as NumPy arrays: the images of the same pipelines of tf.data, without it."""

import gc
from collections import Counter
from importlib.util import find_spec
from itertools import islice

import numpy as np
import pytest

from flowers_core.errors import InputError
from flowers_core.input import array_batches, decode_pool, pipelines
from flowers_core.input.registry import PIPELINES

IMAGE_SIZE, BATCH_SIZE = 48, 8
NAMES = [name for name, pipeline in PIPELINES.items() if pipeline.arrays]


@pytest.fixture(scope="module")
def source_of(source_photos, shards):
    """What a pipeline reads."""
    return lambda name: source_photos if PIPELINES[name].reads == "photos" else shards


def build(name, source, **settings):
    return array_batches.build(name, source, image_size=IMAGE_SIZE, batch_size=BATCH_SIZE, **settings)


@pytest.mark.parametrize("name", NAMES)
def test_epoch_is_that_of_tf_data(source_of, count_images, name):
    """The same images with the same labels, as uint8; the last batch is the smaller one."""
    arrays = list(build(name, source_of(name), epochs=1))
    dataset = pipelines.build(name, source_of(name), image_size=IMAGE_SIZE, batch_size=BATCH_SIZE, epochs=1)

    assert [len(labels) for _, labels in arrays] == [8, 8, 8, 8, 8, 4]
    assert {(images.dtype.name, labels.dtype.name) for images, labels in arrays} == {("uint8", "int64")}
    assert count_images(arrays) == count_images(dataset.as_numpy_iterator())


@pytest.mark.parametrize("name", NAMES)
def test_endless_stream_is_of_whole_batches(source_of, source_photos, name):
    """Past the end of an epoch images come again, all of them where no batch is kept."""
    drawn = list(islice(build(name, source_of(name), epochs=None), 11))  # of 44 images, two epochs

    assert {len(labels) for _, labels in drawn} == {8}
    if not PIPELINES[name].cached:
        seen = Counter(np.concatenate([labels for _, labels in drawn]).tolist())
        assert seen == Counter(2 * list(source_photos.labels))


def test_iterators_begin_anew_and_end_their_workers(source_of):
    """Each draws from the beginning; when it goes, so do its decode workers."""
    batches = build("records_turbo", source_of("records_turbo"), epochs=None)
    first, again = iter(batches), iter(batches)
    images = [next(iterator)[0].copy() for iterator in (first, again)]
    assert decode_pool.worker_ids()
    del first, again
    gc.collect()

    np.testing.assert_array_equal(*images)
    assert not decode_pool.worker_ids()


@pytest.mark.skipif(find_spec("torch") is None, reason="the extra `torch` is not installed")
def test_tensor_shares_memory_that_stays_its_own(source_of):
    """A tensor of torch is no copy, and later batches do not overwrite it as long as it is held."""
    from flowers_core.backends import torch as backend

    drawn = build("records_turbo", source_of("records_turbo"), epochs=None)
    batches = iter(drawn)
    images, _ = next(batches)
    tensor = backend._tensor(images)
    before = images.copy()
    assert tensor.data_ptr() == images.ctypes.data
    del images
    for _ in islice(batches, 30):
        pass

    np.testing.assert_array_equal(tensor.numpy(), before)


def test_build_names_the_pipelines_that_need_no_tensorflow(source_of):
    """Another pipeline is refused with those that there are."""
    with pytest.raises(InputError, match="photos_turbo, records_turbo"):
        build("records_parallel", source_of("records_parallel"))


def test_batches_kept_need_a_whole_one(source_of):
    """Where all images make no batch, an endless stream is refused rather than empty."""
    endless = array_batches.build(
        "records_batches_cached", source_of("records_batches_cached"), image_size=IMAGE_SIZE, batch_size=64, epochs=None
    )
    with pytest.raises(InputError, match="at most the number of images"):
        next(iter(endless))
