"""All input pipelines deliver the same images and labels, each in the way that its row of the registry says."""

import io
import itertools
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import ExifTags, Image

from flowers_core import errors
from flowers_core.data import images, manifest, photos, tfrecord_reader
from flowers_core.data.decoding import Decoding
from flowers_core.data.shards import Features
from flowers_core.input import pipelines
from flowers_core.input.registry import PIPELINES

IMAGE_SIZE = 48
BATCH_SIZE = 8
PHOTOS = 44

ROUNDED = ("photos_turbo",)
"""Where fill and crop rounds the other way, and no pixel is promised to be the same."""


def names(**row):
    """Names of the pipelines of which the registry says so."""
    return [name for name, pipeline in PIPELINES.items() if row.items() <= vars(pipeline).items()]


@pytest.fixture(scope="module")
def build(source_photos, shards):
    """Builds a pipeline: `build("records_uint8", epochs=None)`."""

    def make(name, **settings):
        source = source_photos if PIPELINES[name].reads == "photos" else shards
        return pipelines.build(name, source, image_size=IMAGE_SIZE, batch_size=BATCH_SIZE, **settings)

    return make


@pytest.fixture(scope="module")
def epoch(build):
    """The batches of one epoch of every pipeline, by name."""
    return {name: list(build(name, epochs=1).as_numpy_iterator()) for name in PIPELINES}


def decibels(image, other):
    """Peak signal-to-noise ratio of two uint8 images."""
    return 10 * np.log10(255**2 / np.mean((image.astype(float) - other) ** 2))


def joined(batches):
    """Images and labels of all batches."""
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


@pytest.mark.parametrize("name", PIPELINES)
def test_epoch_delivers_every_photo_once(epoch, source_photos, name):
    """The last batch is the smaller one; images have the registry's type, float32 in [0, 1]."""
    for pixels, labels in epoch[name]:
        assert pixels.shape == (len(labels), IMAGE_SIZE, IMAGE_SIZE, 3)
        assert labels.dtype == np.int64
        assert pixels.dtype == PIPELINES[name].dtype
    pixels, labels = joined(epoch[name])
    assert (pixels.max() > 128) if pixels.dtype == np.uint8 else (0.5 < pixels.max() <= 1)
    assert Counter(labels) == Counter(source_photos.labels)
    assert [len(labels) for _, labels in epoch[name]] == [8, 8, 8, 8, 8, 4]


@pytest.mark.parametrize("reads", ["photos", "records"])
def test_pipelines_of_one_source_deliver_the_same(epoch, reads, count_images):
    """Label for label and pixel for pixel, whatever is parallel, cached or float32."""
    first, *others = (count_images(epoch[name]) for name in names(reads=reads) if name not in ROUNDED)
    assert len(first) == PHOTOS
    assert all(first == other for other in others)


@pytest.mark.parametrize("name", names(reads="records"))
def test_records_of_others_deliver_the_same(epoch, shards, tmp_path, records_of_others, count_images, name):
    """Features of other names make no difference, whoever parses the records."""
    others = records_of_others(tmp_path, shards)
    found = manifest.load(others, features=Features(image="img", label="label"))
    paths = manifest.paths(others, found)
    built = pipelines.build(name, paths, image_size=IMAGE_SIZE, batch_size=BATCH_SIZE)

    assert count_images(built.as_numpy_iterator()) == count_images(epoch[name])


@pytest.mark.parametrize("smaller", ["scaled", "smallest"])
def test_photos_become_pixels_as_asked_in_every_pipeline(tmp_path, jpeg, smaller):
    """Turned by their EXIF data and decoded smaller, one by one as in parallel; `photos_turbo` rounds."""
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        path = tmp_path / ("even", "odd")[orientation % 2] / f"{orientation}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.open(io.BytesIO(jpeg(orientation, size=(320, 240)))).save(path, "JPEG", quality=95, exif=exif)
    found = photos.find(tmp_path, decoding=Decoding(exif="apply", size=smaller))
    expected = [
        images.fill_and_crop(images.decode_photo(tf.io.read_file(path), IMAGE_SIZE, found.decoding), IMAGE_SIZE).numpy()
        for path in found.paths
    ]
    for name in names(reads="photos"):
        data = pipelines.build(name, found, image_size=IMAGE_SIZE, batch_size=BATCH_SIZE)
        pixels, labels = joined(data.as_numpy_iterator())
        pixels = pixels if pixels.dtype == np.uint8 else np.round(pixels * 255)
        order = [max(range(8), key=lambda number: decibels(pixels[number] + 0.01, image)) for image in expected]
        assert sorted(order) == list(range(8))
        assert labels[order].tolist() == list(found.labels)
        assert np.abs(pixels[order].astype(int) - np.stack(expected)).max() <= 2 * (name in ROUNDED)


@pytest.mark.parametrize("name", ROUNDED)
def test_rounding_is_all_that_differs(epoch, source_photos, name):
    """Every image is that of the codelab's way but for half a grey level: 50 dB and more, one level at most."""
    (pixels, labels), (exact, exact_labels) = joined(epoch[name]), joined(epoch["photos_one_by_one"])
    assert labels.tolist() == exact_labels.tolist() == list(source_photos.labels)
    for image, other in zip(pixels, np.round(exact * 255).astype(np.uint8), strict=True):
        assert decibels(image, other) > 50
        assert np.abs(image.astype(int) - other).max() <= 1


def test_records_show_the_photos(epoch, source_photos):
    """The image of a record is its photo filled and cropped, but for a second JPEG compression (39.5 dB and more)."""
    originals = [
        (images.fill_and_crop(images.decode(tf.io.read_file(path)), IMAGE_SIZE).numpy(), label)
        for path, label in zip(source_photos.paths, source_photos.labels, strict=True)
    ]
    for image, label in zip(*joined(epoch["records_uint8"]), strict=True):
        assert max(decibels(image, other) for other, same in originals if same == label) > 38


@pytest.mark.parametrize("name", PIPELINES)
def test_endless_pipeline_has_static_shapes(build, name):
    """Without end every batch is whole, and more come after the source's end; options stand on the last dataset."""
    data = build(name, epochs=None)
    assert data.element_spec[0].shape == (BATCH_SIZE, IMAGE_SIZE, IMAGE_SIZE, 3)
    assert data.element_spec[1] == tf.TensorSpec((BATCH_SIZE,), tf.int64)
    assert data.cardinality() in (tf.data.INFINITE_CARDINALITY, tf.data.UNKNOWN_CARDINALITY)
    assert len(list(itertools.islice(data, 2 * PHOTOS // BATCH_SIZE))) == 2 * PHOTOS // BATCH_SIZE
    assert (data.options().deterministic is False) == (not PIPELINES[name].serial)


@pytest.mark.parametrize("name", PIPELINES)
def test_two_epochs_deliver_everything_twice(epoch, build, count_images, name):
    """Neither the repetition nor the cache loses or changes an image."""
    once = count_images(epoch[name])
    assert count_images(build(name, epochs=2).as_numpy_iterator()) == once + once


@pytest.mark.parametrize("name", names(serial=True))
def test_serial_pipeline_does_not_work_ahead(source_photos, shards, tmp_path, name):
    """A file of the second batch that appears after the first was taken is not missed: no option works unasked."""
    is_photos = PIPELINES[name].reads == "photos"
    whole, late = (source_photos.paths, BATCH_SIZE) if is_photos else (shards, 2)  # 2 shards of 6 exceed a batch
    path = tmp_path / "late"
    paths = (*whole[:late], str(path), *whole[late + 1 :])
    source = replace(source_photos, paths=paths) if is_photos else paths
    data = pipelines.build(name, source, image_size=IMAGE_SIZE, batch_size=BATCH_SIZE)
    assert data.options().autotune.enabled is False
    assert data.options().experimental_optimization.map_parallelization is False
    assert data.options().experimental_optimization.map_and_batch_fusion is False
    iterator = iter(data)
    next(iterator)
    time.sleep(0.2)  # in which a pipeline that works ahead would find the file missing
    shutil.copy(whole[late], path)
    assert len(next(iterator)[1]) == BATCH_SIZE


def test_cache_is_filled_once(shards, tmp_path):
    """After the first epoch the shards are not read again: they may even vanish."""
    copies = [shutil.copy(shard, tmp_path) for shard in shards]
    data = iter(pipelines.build("records_cached", copies, image_size=IMAGE_SIZE, batch_size=BATCH_SIZE, epochs=None))
    first_epoch = PHOTOS // BATCH_SIZE + 1
    list(itertools.islice(data, first_epoch))
    for copy in copies:
        Path(copy).unlink()
    assert len(list(itertools.islice(data, 10 * first_epoch))) == 10 * first_epoch


@pytest.mark.parametrize("name", names(by_processes=True))
def test_batches_made_at_once_are_those_made_alone(epoch, build, name, monkeypatch):
    """How many batches a process makes at once changes no image, no label and no order."""
    monkeypatch.setitem(PIPELINES, name, replace(PIPELINES[name], at_once_bytes=0))
    alone = list(build(name, epochs=1).as_numpy_iterator())

    assert len(alone) == len(epoch[name])
    for batch, expected in zip(alone, epoch[name], strict=True):
        np.testing.assert_array_equal(batch[0], expected[0])
        np.testing.assert_array_equal(batch[1], expected[1])


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


SIZES = {"image_size": IMAGE_SIZE, "batch_size": BATCH_SIZE}


@pytest.mark.parametrize(
    ("name", "source", "sizes", "said"),
    [
        ("records_fast", "shards", SIZES, r"photos_one_by_one.*records_cached.*'records_fast'"),
        ("photos_parallel", "shards", SIZES, "`source` must be Photos"),
        ("records_parallel", "source_photos", SIZES, "`source` must be paths of shards"),
        ("records_parallel", (), SIZES, "`source` must be"),
        ("records_parallel", "flowers00-230.tfrec", SIZES, "`source` must be"),
        ("records_uint8", "shards", SIZES | {"batch_size": 0}, "1 or more"),
        ("records_uint8", "shards", SIZES | {"image_size": -1}, "1 or more"),
        ("records_uint8", "shards", SIZES | {"epochs": 0}, "1 or more"),
        (
            "records_batches_cached",
            "shards",
            SIZES | {"batch_size": PHOTOS + 1, "epochs": None},
            f"at most the {PHOTOS} images",
        ),
    ],
)
def test_build_refuses_what_makes_no_batches(request, name, source, sizes, said):
    """An unknown name, a source of the other kind or none, sizes below 1, a stream that would hold nothing."""
    if source in ("shards", "source_photos"):
        source = request.getfixturevalue(source)
    with pytest.raises(errors.InputError, match=said):
        pipelines.build(name, source, **sizes)


def mixing(labels, window: int = BATCH_SIZE) -> float:
    """How well classes are mixed: how many a batch holds, beside what a random order would bring; 1 is random."""
    draw = np.random.default_rng(0)

    def classes(order):
        return np.mean([len(set(order[at : at + window])) for at in range(0, len(order) - window + 1, window)])

    return float(classes(labels) / np.mean([classes(draw.permutation(labels)) for _ in range(200)]))


@pytest.mark.parametrize("name", names(reads="records"))
def test_batches_of_records_are_mixed(epoch, source_photos, name):
    """As well as drawn at random, within a seventh; photos come in the order of their folders, and are not."""
    assert 0.85 < mixing(joined(epoch[name])[1]) < 1.15
    assert mixing(sorted(source_photos.labels)) < 0.5


def test_turbo_records_come_from_many_shards_at_once(shards):
    """Each batch of 8 holds a record of every one of 8 shards, as long as all have some left."""
    origin = [path for path, *_ in tfrecord_reader.locate(shards)]
    assert len(set(origin[:BATCH_SIZE])) == len(shards) == 8


# What a user's script does: it holds iterators and batches until it ends.
ENDLESS = """
import sys
from flowers_core.data import manifest, photos
from flowers_core.input import pipelines, registry
found, records = photos.find(sys.argv[1]), sys.argv[2]
shards = manifest.paths(records, manifest.load(records))
kept = []
for name, row in registry.PIPELINES.items():
    if row.decoder == "libjpeg-turbo":
        source = found if row.reads == "photos" else shards
        stream = iter(pipelines.build(name, source, image_size=192, batch_size=4, epochs=None))
        kept.append((stream, [next(stream) for _ in range(50)]))
print(len(kept), "streams")
sys.exit()
"""


def test_a_script_ends_while_it_holds_endless_iterators(synthetic_photos, synthetic_records, project_root):
    """Python's end waits for no iterator whose next batch would need Python."""
    command = [sys.executable, "-c", ENDLESS, str(synthetic_photos), str(synthetic_records)]
    done = subprocess.run(command, cwd=project_root, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "3 streams\n"
