"""What may be chosen of a pipeline: it does so, delivers the same images, and says why where it cannot."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from flowers_core.errors import InputError
from flowers_core.input import array_batches, decode_pool, pipelines
from flowers_core.input.registry import DEFAULT, PIPELINES, Options

SIZES = {"image_size": 48, "batch_size": 8}
OPTIONS = {"augment": True, "ordered": True, "parallel_calls": 1, "parallel_reads": 2, "prefetch": 0}


def names(option):
    """Names of the pipelines that take an option."""
    return [name for name, pipeline in PIPELINES.items() if option in pipeline.options]


@pytest.fixture(scope="module")
def build(source_photos, shards):
    """Builds a pipeline with what is chosen of it: `build("records_uint8", prefetch=0)`."""

    def make(name, *, epochs=1, **chosen) -> tf.data.Dataset:
        source = source_photos if PIPELINES[name].reads == "photos" else shards
        return pipelines.build(name, source, epochs=epochs, options=Options(**chosen), **SIZES)

    return make


@pytest.fixture
def asked(monkeypatch):
    """What pipelines that are built ask of tf.data and of decode workers, by the name of a call."""
    seen = {"map": [], "prefetch": [], "reads": [], "workers": []}
    plain_map, plain_prefetch = tf.data.Dataset.map, tf.data.Dataset.prefetch
    reader = tf.data.TFRecordDataset

    def map_and_tell(data, function, num_parallel_calls=None, **others):
        seen["map"].append(num_parallel_calls)
        return plain_map(data, function, num_parallel_calls=num_parallel_calls, **others)

    def prefetch_and_tell(data, size, **others):
        seen["prefetch"].append(size)
        return plain_prefetch(data, size, **others)

    def read_and_tell(paths, num_parallel_reads=None, **others):
        seen["reads"].append(num_parallel_reads)
        return reader(paths, num_parallel_reads=num_parallel_reads, **others)

    def decode_nothing(_, *, count, **__):
        seen["workers"].append(count)
        yield from ()

    monkeypatch.setattr(tf.data.Dataset, "map", map_and_tell)
    monkeypatch.setattr(tf.data.Dataset, "prefetch", prefetch_and_tell)
    monkeypatch.setattr(tf.data, "TFRecordDataset", read_and_tell)
    monkeypatch.setattr(decode_pool, "decode_batches", decode_nothing)
    return seen


@pytest.mark.parametrize("name", [name for name, pipeline in PIPELINES.items() if pipeline.options])
def test_options_lose_no_image(build, count_images, name):
    """With all that a pipeline takes but augmentation, every image comes once with its label, bit by bit the same."""
    chosen = {option: OPTIONS[option] for option in PIPELINES[name].options if option != "augment"}

    assert count_images(build(name, **chosen).as_numpy_iterator()) == count_images(build(name).as_numpy_iterator())


@pytest.mark.parametrize("name", names("augment"))
def test_augmented_images_are_new_in_every_epoch(build, source_photos, count_images, name):
    """They are float32 in [0, 1] whatever the pipeline yields otherwise, and no cache keeps the first epoch's."""
    batches = list(build(name, epochs=2, augment=True).as_numpy_iterator())

    assert {pixels.dtype for pixels, _ in batches} == {np.dtype(np.float32)}
    assert all(pixels.min() >= 0 and pixels.max() < 1.001 for pixels, _ in batches)
    assert Counter(np.concatenate([labels for _, labels in batches]).tolist()) == Counter(2 * source_photos.labels)
    assert len(count_images(batches)) > 80  # of 88: a grey image that is drawn grey again is the same


@pytest.mark.parametrize("name", names("ordered"))
def test_ordered_images_come_in_the_order_of_the_files(build, source_photos, name):
    """Photos in that of their folders; records in the same order each time."""
    data = build(name, ordered=True)
    drawn = [np.concatenate([labels for _, labels in data.as_numpy_iterator()]).tolist() for _ in range(2)]

    assert drawn[0] == drawn[1]
    assert data.options().deterministic is True
    if PIPELINES[name].reads == "photos":
        assert drawn[0] == list(source_photos.labels)


def test_numbers_reach_tf_data(build, asked):
    """Maps, readers and the prefetch at the end have the numbers that were asked for."""
    build("records_parallel", parallel_calls=3, parallel_reads=2, prefetch=5)
    assert (asked["map"], asked["reads"], asked["prefetch"]) == ([3], [2], [5])

    data = build("photos_parallel", parallel_calls=4, prefetch=0)
    assert (asked["map"], asked["prefetch"]) == ([3, 4], [5])
    assert data.options().experimental_optimization.inject_prefetch is False

    build("records_cached", parallel_calls=2, augment=True)
    assert asked["map"][2:] == [2, 2]


def test_usual_pipelines_ask_for_autotune(build, asked):
    """Nothing chosen is what there was before there was a choice."""
    data = build("records_parallel")

    assert (asked["map"], asked["reads"], asked["prefetch"]) == ([-1], [-1], [-1])
    assert data.options().deterministic is False
    assert data.options().experimental_optimization.inject_prefetch is None


@pytest.mark.parametrize("name", ["photos_turbo", "records_turbo"])
def test_calls_are_decode_workers(build, asked, source_photos, shards, name):
    """Where decode workers make the batches, through tf.data and past it."""
    assert list(build(name, parallel_calls=3)) == []
    source = source_photos if PIPELINES[name].reads == "photos" else shards
    assert list(array_batches.build(name, source, options=Options(parallel_calls=2), **SIZES)) == []

    assert asked["workers"] == [3, 2]


@pytest.mark.parametrize(
    ("name", "option", "said"),
    [
        ("photos_one_by_one", "prefetch", "one image after another"),
        ("records_sequential", "ordered", "one image after another"),
        ("photos_parallel", "parallel_reads", "a file of its own"),
        ("records_turbo", "augment", "whole batches of uint8"),
        ("photos_turbo", "ordered", "in order"),
        ("records_batches_cached", "prefetch", "only hands them over"),
    ],
)
def test_what_a_pipeline_does_not_take_is_refused(build, name, option, said):
    """The message names the option, and why it means nothing there."""
    with pytest.raises(InputError, match=rf"`{option}` must be left out.*{said}"):
        build(name, **{option: OPTIONS[option]})


def test_arrays_are_not_prefetched(shards):
    """Past tf.data there is no thread that could."""
    with pytest.raises(InputError, match="`prefetch` must be left out where batches are drawn as arrays"):
        array_batches.build("records_turbo", shards, options=Options(prefetch=1), **SIZES)


@pytest.mark.parametrize(
    "chosen", [{"parallel_calls": 0}, {"prefetch": -1}, {"prefetch": True}, {"parallel_calls": 9999}]
)
def test_options_refuse_other_numbers(chosen):
    """A number that is none, or too many processes, is told with what is allowed."""
    with pytest.raises(InputError, match=r"must be a whole number from . to 1024"):
        Options(**chosen)


def test_chosen_are_those_that_differ():
    """What is the default has no name."""
    assert DEFAULT.chosen == ()
    assert Options(prefetch=0, ordered=True).chosen == ("ordered", "prefetch")
