"""Every way of feeding delivers the same images and labels; training and validation are kept apart."""

import itertools
import shutil
import time
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from flowers_core import errors
from flowers_core.data import images, manifest, photos, tfrecords
from flowers_core.input import cache as caching
from flowers_core.input import pipelines as batches
from flowers_core.input import training_data
from flowers_core.input.registry import PIPELINES

IMAGE_SIZE = 48
PHOTOS = 44
"""Not a multiple of the batch, so that there is a remainder."""
BATCH_SIZE = 8
SHARDS = 8

ROUNDED = ("photos_turbo",)
"""Where fill and crop rounds the other way, and no pixel is promised to be the same."""

PHOTO_NAMES = [name for name, row in PIPELINES.items() if row.reads == "photos" and name not in ROUNDED]
RECORD_NAMES = [name for name, row in PIPELINES.items() if row.reads == "records"]


@pytest.fixture(scope="module")
def found(tmp_path_factory, jpeg):
    """Photos of five classes, each of a size of its own between 50 and 120 pixels."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(PHOTOS):
        path = folder / photos.CLASSES[number % 5] / f"{number:02d}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(jpeg(number, size=(50 + 31 * number % 70, 50 + 17 * number % 70)))
    return photos.find(folder)


@pytest.fixture(scope="module")
def shards(found, tmp_path_factory):
    """Paths of the shards of the same photos."""
    folder = tmp_path_factory.mktemp("records")
    return manifest.paths(folder, tfrecords.write(found, folder, image_size=IMAGE_SIZE, shards=SHARDS))


@pytest.fixture(scope="module")
def epoch(found, shards):
    """The batches of one epoch of every pipeline, by name."""
    return {name: list(_build(name, found, shards, epochs=1).as_numpy_iterator()) for name in PIPELINES}


def _build(name, found, shards, **settings):
    source = found if PIPELINES[name].reads == "photos" else shards
    return batches.build(name, source, image_size=IMAGE_SIZE, batch_size=BATCH_SIZE, **settings)


def _pairs(delivered):
    """How often each label and image come; float32 images are counted as the uint8 they were scaled from."""
    return Counter(
        (int(label), sha256(_uint8(image).tobytes()).hexdigest())
        for images_, labels in delivered
        for image, label in zip(images_, labels, strict=True)
    )


def _uint8(image):
    return image if image.dtype == np.uint8 else np.round(image * 255).astype(np.uint8)


def _raw(shards):
    """The set of the hashes of all records in `shards`."""
    return {sha256(record).digest() for record in tf.data.TFRecordDataset(list(shards)).as_numpy_iterator()}


def _leak(training, validation):
    """Records that are in both parts."""
    return _raw(training) & _raw(validation)


def _decibels(image, other):
    """Peak signal-to-noise ratio of two uint8 images."""
    return 10 * np.log10(255**2 / np.mean((image.astype(float) - other) ** 2))


@pytest.mark.parametrize("name", PIPELINES)
def test_batches_have_the_promised_shapes_and_types(epoch, name):
    """Labels are int64; images are float32 in [0, 1], or uint8 where the registry says so."""
    for pixels, labels in epoch[name]:
        assert pixels.shape == (len(labels), IMAGE_SIZE, IMAGE_SIZE, 3)
        assert labels.dtype == np.int64
        assert pixels.dtype == PIPELINES[name].dtype
    top = max(pixels.max() for pixels, _ in epoch[name])
    assert (top > 128) if PIPELINES[name].dtype == "uint8" else (0.5 < top <= 1)


@pytest.mark.parametrize("name", PIPELINES)
def test_one_epoch_delivers_every_label_and_the_remainder(epoch, found, name):
    """Every photo comes once; the last batch is the smaller one."""
    assert Counter(label for _, labels in epoch[name] for label in labels) == Counter(found.labels)
    assert [len(labels) for _, labels in epoch[name]] == [8, 8, 8, 8, 8, 4]


@pytest.mark.parametrize("names", [PHOTO_NAMES, RECORD_NAMES], ids=["photos", "records"])
def test_pipelines_of_one_source_deliver_the_same(epoch, names):
    """Label for label and pixel for pixel, whatever is parallel, cached or float32."""
    first, *others = (_pairs(epoch[name]) for name in names)
    assert len(first) == PHOTOS
    assert all(first == other for other in others)


@pytest.mark.parametrize("name", ROUNDED)
def test_rounding_is_all_that_differs(epoch, name):
    """Every image is that of the codelab's way but for half a grey level: 50 dB and more, one level at most."""
    images_, labels = (np.concatenate(parts) for parts in zip(*epoch[name], strict=True))
    exact, exact_labels = (np.concatenate(parts) for parts in zip(*epoch["photos_one_by_one"], strict=True))
    np.testing.assert_array_equal(labels, exact_labels)  # threads work on batches, which keep their order
    for image, other in zip(images_, exact, strict=True):
        assert _decibels(image, _uint8(other)) > 50
        assert np.abs(image.astype(int) - _uint8(other)).max() <= 1


def test_records_show_the_photos(epoch, found):
    """The image of a record is its photo filled and cropped, but for a second JPEG compression (39.5 dB and more)."""
    of_photos = [
        (images.fill_and_crop(images.decode(tf.io.read_file(path)), IMAGE_SIZE).numpy(), label)
        for path, label in zip(found.paths, found.labels, strict=True)
    ]
    for pixels, labels in epoch["records_uint8"]:
        for image, label in zip(pixels, labels, strict=True):
            nearest = max(_decibels(image, other) for other, same in of_photos if same == label)
            assert nearest > 38


@pytest.mark.parametrize("name", PIPELINES)
def test_without_end_all_shapes_are_static(found, shards, name):
    """With `epochs=None` every batch is whole, and goes on after the source's end."""
    data = _build(name, found, shards, epochs=None)
    assert data.element_spec[0].shape == (BATCH_SIZE, IMAGE_SIZE, IMAGE_SIZE, 3)
    assert data.element_spec[1] == tf.TensorSpec((BATCH_SIZE,), tf.int64)
    assert data.cardinality() in (tf.data.INFINITE_CARDINALITY, tf.data.UNKNOWN_CARDINALITY)
    assert len(list(itertools.islice(data, 2 * PHOTOS // BATCH_SIZE))) == 2 * PHOTOS // BATCH_SIZE


@pytest.mark.parametrize("name", PIPELINES)
def test_two_epochs_deliver_everything_twice(epoch, found, shards, name):
    """Neither the repetition nor the cache loses or changes an image."""
    twice = _pairs(_build(name, found, shards, epochs=2).as_numpy_iterator())
    assert twice == _pairs(epoch[name]) + _pairs(epoch[name])


@pytest.mark.parametrize("name", [name for name, row in PIPELINES.items() if row.serial])
def test_the_sequential_pipelines_are_sequential(found, shards, name):
    """What TensorFlow would make parallel behind one's back is switched off on the dataset that is given out."""
    options = _build(name, found, shards).options()
    assert options.autotune.enabled is False
    assert options.experimental_optimization.map_parallelization is False
    assert options.experimental_optimization.map_and_batch_fusion is False
    assert options.deterministic is not False


def test_one_by_one_keeps_the_order_of_the_paths(epoch, found):
    """The labels come in the order of the photos."""
    assert [label for _, labels in epoch["photos_one_by_one"] for label in labels] == list(found.labels)


@pytest.mark.parametrize("name", [name for name, row in PIPELINES.items() if row.serial])
def test_the_sequential_pipelines_do_not_work_ahead(found, shards, tmp_path, name):
    """A file of the second batch that comes into being after the first was taken is not missed."""
    is_photos = PIPELINES[name].reads == "photos"
    whole, late = (found.paths, BATCH_SIZE) if is_photos else (shards, 2)  # two shards of 6 hold more than a batch
    path = tmp_path / "late"
    paths = (*whole[:late], str(path), *whole[late + 1 :])
    source = replace(found, paths=paths) if is_photos else paths
    data = iter(batches.build(name, source, image_size=IMAGE_SIZE, batch_size=BATCH_SIZE))
    next(data)
    time.sleep(0.2)  # in which a pipeline that works ahead would find the file missing
    shutil.copy(whole[late], path)
    assert len(next(data)[1]) == BATCH_SIZE


@pytest.mark.parametrize("name", [name for name, row in PIPELINES.items() if not row.serial])
def test_the_fast_pipelines_give_up_order_for_speed(found, shards, name):
    """The options stand on the dataset that is used, not on one that was left behind."""
    assert _build(name, found, shards).options().deterministic is False


def test_the_cache_is_filled_once(shards, tmp_path):
    """After the first epoch the shards are not read again: they may even vanish."""
    copies = [shutil.copy(shard, tmp_path) for shard in shards]
    data = iter(batches.build("records_cached", copies, image_size=IMAGE_SIZE, batch_size=BATCH_SIZE, epochs=None))
    first_epoch = PHOTOS // BATCH_SIZE + 1
    list(itertools.islice(data, first_epoch))
    for copy in copies:
        Path(copy).unlink()
    assert len(list(itertools.islice(data, 10 * first_epoch))) == 10 * first_epoch


@pytest.mark.parametrize("name", [name for name, row in PIPELINES.items() if row.by_processes])
def test_batches_made_at_once_are_those_made_one_by_one(epoch, found, shards, name, monkeypatch):
    """How many batches a process makes at once changes no image, no label and no order."""
    monkeypatch.setitem(PIPELINES, name, replace(PIPELINES[name], at_once_bytes=0))
    alone = list(_build(name, found, shards, epochs=1).as_numpy_iterator())

    assert len(alone) == len(epoch[name])
    for one, other in zip(alone, epoch[name], strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize(
    ("name", "image_size", "batch_size", "count"),
    [
        ("records_turbo", 192, 32, 4), ("photos_turbo", 192, 32, 2), ("records_turbo", 331, 32, 1),
        ("records_turbo", 192, 1, 16), ("records_parallel", 192, 32, 1), ("records_turbo", 1024, 512, 1),
    ],
)  # fmt: skip
def test_only_small_batches_are_made_at_once(name, image_size, batch_size, count):
    """Large ones come one by one, and so does what TensorFlow itself makes."""
    assert PIPELINES[name].batches_at_once(image_size=image_size, batch_size=batch_size) == count


def test_an_unknown_name_is_refused(shards):
    """The message lists the ways of feeding."""
    with pytest.raises(errors.InputError, match=r"photos_one_by_one.*records_cached.*'records_fast'"):
        batches.build("records_fast", shards, image_size=IMAGE_SIZE, batch_size=BATCH_SIZE)


@pytest.mark.parametrize("name", ["photos_parallel", "records_parallel"])
@pytest.mark.parametrize("source", ["other kind", "empty", "one string"])
def test_a_source_of_the_other_kind_is_refused(found, shards, name, source):
    """Photos are not read as records, nor records as photos, nor a string as shards, nor nothing as anything."""
    other = shards if PIPELINES[name].reads == "photos" else found
    source = {"other kind": other, "empty": (), "one string": "flowers00-230.tfrec"}[source]
    with pytest.raises(errors.InputError, match="`source` must be"):
        batches.build(name, source, image_size=IMAGE_SIZE, batch_size=BATCH_SIZE)


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"image_size": -1}, {"epochs": 0}])
def test_numbers_below_1_are_refused(shards, wrong):
    """No pipeline of nothing is built."""
    with pytest.raises(errors.InputError, match="1 or more"):
        batches.build("records_uint8", shards, **{"image_size": IMAGE_SIZE, "batch_size": 8} | wrong)


def test_validation_delivers_every_image_as_it_is(shards, epoch):
    """Once each, in the same order in every pass, with the remainder, in [0, 1], not augmented."""
    data = training_data.validation(shards, image_size=IMAGE_SIZE, batch_size=BATCH_SIZE)
    first, second = list(data.as_numpy_iterator()), list(data.as_numpy_iterator())
    assert _pairs(first) == _pairs(epoch["records_uint8"])
    for (pixels, labels), (pixels_again, labels_again) in zip(first, second, strict=True):
        np.testing.assert_array_equal(pixels, pixels_again)
        np.testing.assert_array_equal(labels, labels_again)
    assert [len(labels) for _, labels in first] == [8, 8, 8, 8, 8, 4]


@pytest.mark.parametrize("end", ["first", "last"])
def test_no_validation_record_reaches_training(shards, end):
    """The two parts hold no record in common and all records together (codelab, section 8, trap 1)."""
    training, validation = manifest.split(shards, validation=end)
    assert not _leak(training, validation)
    assert len(_raw(training)) + len(_raw(validation)) == PHOTOS


def test_a_planted_leak_is_found(shards):
    """The same check catches one validation shard among those to train on."""
    training, validation = manifest.split(shards)
    assert _leak((*training, validation[0]), validation) == _raw(validation[:1])


def test_what_training_delivers_is_only_its_shards(shards):
    """In four epochs of the stream every image of the training shards comes, and none of the others."""
    training, validation = manifest.split(shards)
    data = training_data.training(
        training, image_size=IMAGE_SIZE, batch_size=BATCH_SIZE, augmentation="none", shuffle_buffer=16
    )
    delivered = _pairs(data.take(4 * PHOTOS // BATCH_SIZE).as_numpy_iterator())
    allowed, forbidden = (
        _pairs(training_data.validation(part, image_size=IMAGE_SIZE, batch_size=8).as_numpy_iterator())
        for part in (training, validation)
    )
    assert set(delivered) == set(allowed)
    assert not set(delivered) & set(forbidden)


def test_augmentation_is_drawn_anew_in_every_epoch(shards, tmp_path):
    """The cache does not freeze it: one image comes back in many forms, all of them in [0, 1]."""
    single = str(tmp_path / "single.tfrec")
    with tf.io.TFRecordWriter(single) as writer:
        writer.write(next(iter(tf.data.TFRecordDataset(shards[0]))).numpy())
    data = training_data.training([single], image_size=IMAGE_SIZE, batch_size=1, shuffle_buffer=1)
    forms = [pixels for pixels, _ in data.take(12).as_numpy_iterator()]
    assert len({form.tobytes() for form in forms}) > 6
    assert all(form.min() >= 0 and form.max() <= 1 and form.dtype == np.float32 for form in forms)


@pytest.mark.parametrize("augmentation", ["none", "flip", "codelab"])
def test_a_seed_fixes_order_and_augmentation(shards, augmentation):
    """With the same seed two streams agree pixel for pixel, with another they do not."""
    streams = [
        [
            pixels.tobytes()
            for pixels, _ in training_data.training(
                shards, image_size=IMAGE_SIZE, batch_size=4, augmentation=augmentation, shuffle_buffer=20, seed=seed
            )
            .take(15)
            .as_numpy_iterator()
        ]
        for seed in (1, 1, 2)
    ]
    assert streams[0] == streams[1]
    assert streams[0] != streams[2]


def test_seeded_augmentation_differs_from_epoch_to_epoch(shards, tmp_path):
    """A seed numbers the draws; it does not repeat them."""
    single = str(tmp_path / "single.tfrec")
    with tf.io.TFRecordWriter(single) as writer:
        writer.write(next(iter(tf.data.TFRecordDataset(shards[0]))).numpy())
    data = training_data.training([single], image_size=IMAGE_SIZE, batch_size=1, shuffle_buffer=1, seed=5)
    forms = [pixels for pixels, _ in data.take(12).as_numpy_iterator()]
    assert len({form.tobytes() for form in forms}) > 6
    assert all(form.min() >= 0 and form.max() <= 1 for form in forms)


def test_training_has_static_shapes_and_the_right_options(shards):
    """Whole batches without end; unordered unless a seed asks for an order (codelab, section 8, trap 2)."""
    data = training_data.training(shards, image_size=IMAGE_SIZE, batch_size=BATCH_SIZE)
    assert data.element_spec[0].shape == (BATCH_SIZE, IMAGE_SIZE, IMAGE_SIZE, 3)
    assert data.cardinality() == tf.data.INFINITE_CARDINALITY
    assert data.options().deterministic is False
    seeded = training_data.training(shards, image_size=IMAGE_SIZE, batch_size=BATCH_SIZE, seed=1)
    assert seeded.options().deterministic is not False


@pytest.mark.parametrize("place", ["memory", "disk", "none"])
def test_training_and_validation_keep_images_where_they_are_told(shards, tmp_path, place):
    """What is kept is not read again: the shards may vanish; what is not kept is."""
    copies = [shutil.copy(shard, tmp_path) for shard in shards]
    cache = caching.Cache(place=place, reason="as the test wants")
    sizes = {"image_size": IMAGE_SIZE, "batch_size": BATCH_SIZE, "cache": cache}
    kept = training_data.validation(copies, **sizes)
    stream = iter(training_data.training(copies, augmentation="none", shuffle_buffer=4, **sizes))
    first = _pairs(kept.as_numpy_iterator())
    list(itertools.islice(stream, 2 * PHOTOS // BATCH_SIZE))
    for copy in copies:
        Path(copy).unlink()
    if place == "none":
        with pytest.raises(tf.errors.NotFoundError):
            list(kept)
    else:
        assert _pairs(kept.as_numpy_iterator()) == first
        assert len(list(itertools.islice(stream, 20))) == 20


def mixing(labels, window: int = BATCH_SIZE) -> float:
    """How well classes are mixed: how many a window holds, beside what a random order would bring; 1 is random.

    Args:
        labels: In the order of delivery.
        window: Images that are looked at together, a batch.
    """
    draw = np.random.default_rng(0)

    def classes(order):
        return np.mean([len(set(order[at : at + window])) for at in range(0, len(order) - window + 1, window)])

    return float(classes(labels) / np.mean([classes(draw.permutation(labels)) for _ in range(200)]))


@pytest.mark.parametrize("name", sorted({*PIPELINES} - {"photos_one_by_one"}))
def test_batches_of_records_are_mixed(epoch, found, name):
    """As well as drawn at random, within a tenth; photos come in the order of their folders, and are not."""
    quality = mixing([label for _, labels in epoch[name] for label in labels])
    if PIPELINES[name].reads == "records":
        assert 0.85 < quality < 1.15
    assert mixing(sorted(found.labels)) < 0.5


def test_the_fast_records_come_from_many_shards_at_once(shards):
    """Each batch of 8 holds a record of every one of 8 shards, as long as all have some left."""
    from flowers_core.data import tfrecord_reader as reading

    origin = [path for path, *_ in reading.locate(shards)]
    assert len(set(origin[:BATCH_SIZE])) == SHARDS


def test_whole_batches_for_ever_need_one(shards):
    """A stream that would hold nothing is refused in words."""
    with pytest.raises(errors.InputError, match=f"at most the {PHOTOS} images"):
        batches.build("records_batches_cached", shards, image_size=IMAGE_SIZE, batch_size=PHOTOS + 1, epochs=None)
