"""Writing photos as records and reading them back; full disks, buckets, damaged shards."""

import errno
import io
import json
import os
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import ExifTags, Image

from flowers_core import errors
from flowers_core.data import images, manifest, photos, sharding, tfrecords
from flowers_core.data.decoding import Decoding

CLASSES = photos.CLASSES
SIZE = 24


def serialized(path):
    """The records of a shard, as bytes."""
    return list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())


@pytest.fixture
def shard(written, tmp_path):
    """A copy of the first shard of 7 records, to be damaged."""
    folder, made = written
    path = tmp_path / made.shards[0].name
    path.write_bytes((folder / path.name).read_bytes())
    return path


def test_write_names_and_counts_records(twenty, written, contents):
    """20 photos in 3 shards are 7, 7 and 6; names, manifest and files agree, and nothing else is left."""
    folder, made = written
    names = ["flowers00-7.tfrec", "flowers01-7.tfrec", "flowers02-6.tfrec"]
    assert [shard.name for shard in made.shards] == names
    assert sorted(contents(folder)) == [*names, manifest.NAME]
    assert manifest.load(folder) == made
    assert made.images == sum(tfrecords.verify(path) for path in manifest.paths(folder, made)) == 20
    assert np.sum([shard.class_counts for shard in made.shards], axis=0).tolist() == [4] * 5
    assert (made.seed, made.image_size, made.classes) == (35155, SIZE, CLASSES)
    assert (Path(folder) / made.source).samefile(twenty.folder)
    assert made.skipped == ()


def test_record_has_the_codelabs_schema(twenty, written):
    """A record holds exactly the codelab's five features, and its image is the compressed fill and crop."""
    folder, made = written
    pairs = sharding.deal(twenty, shards=3, seed=tfrecords.SEED)[0]
    for record, (path, label) in zip(serialized(folder / made.shards[0].name), pairs, strict=True):
        jpeg = images.encode(images.fill_and_crop(images.decode(tf.io.read_file(path)), SIZE)).numpy()
        features = tf.train.Example.FromString(record).features.feature
        kinds = {name: feature.WhichOneof("kind") for name, feature in features.items()}
        assert kinds == {
            "image": "bytes_list",
            "class": "int64_list",
            "label": "bytes_list",
            "size": "int64_list",
            "one_hot_class": "float_list",
        }
        assert list(features["image"].bytes_list.value) == [jpeg]
        assert list(features["class"].int64_list.value) == [label]
        assert list(features["label"].bytes_list.value) == [CLASSES[label].encode()]
        assert list(features["size"].int64_list.value) == [SIZE, SIZE]
        assert list(features["one_hot_class"].float_list.value) == np.eye(5)[label].tolist()
        header = Image.open(io.BytesIO(jpeg))
        assert [layer[1:3] for layer in header.layer] == [(1, 1)] * 3, "not 4:4:4"


def test_parse_returns_image_and_label(twenty, written):
    """Image and label come back with static shapes, outside and inside a map, in the order dealt."""
    folder, made = written
    paths = manifest.paths(folder, made)
    data = tf.data.TFRecordDataset(paths).map(lambda record: tfrecords.parse(record, image_size=SIZE))
    assert data.element_spec == (tf.TensorSpec((SIZE, SIZE, 3), tf.uint8), tf.TensorSpec((), tf.int64))
    dealt = [pair for pairs in sharding.deal(twenty, shards=3, seed=tfrecords.SEED) for pair in pairs]
    for (image, label), (path, expected) in zip(data, dealt, strict=True):
        assert label == expected
        original = images.fill_and_crop(images.decode(tf.io.read_file(path)), SIZE)
        assert np.array_equal(image, images.decode(images.encode(original)))
    with pytest.raises(tf.errors.InvalidArgumentError):
        tfrecords.parse(serialized(paths[0])[0], image_size=SIZE + 1)


def test_write_gives_the_same_bytes_whatever_the_threads(twenty, written, tmp_path, contents):
    """One thread and four, in another listing order, give the same files; another seed gives others."""
    written_first = contents(written[0])
    written_first[manifest.NAME] = written_first[manifest.NAME].replace(
        json.dumps(written[1].source).encode(), json.dumps(os.path.relpath(twenty.folder, tmp_path / "one")).encode()
    )  # the way from the records to the photos
    backwards = photos.Photos(
        folder=twenty.folder, paths=twenty.paths[::-1], labels=twenty.labels[::-1], classes=twenty.classes
    )
    tfrecords.write(twenty, tmp_path / "one", image_size=SIZE, shards=3, threads=1)
    tfrecords.write(backwards, tmp_path / "four", image_size=SIZE, shards=3, threads=4)
    tfrecords.write(twenty, tmp_path / "seed", image_size=SIZE, shards=3, seed=1)
    assert contents(tmp_path / "one") == contents(tmp_path / "four") == written_first
    assert contents(tmp_path / "seed") != written_first


@pytest.mark.parametrize("wrong", [{"shards": 21}, {"shards": 0}, {"image_size": 0}])
def test_write_refuses_impossible_numbers(twenty, tmp_path, wrong):
    """More shards than photos, none, or images without pixels are InputErrors; nothing is made."""
    with pytest.raises(errors.InputError, match="Ask for fewer shards"):
        tfrecords.write(twenty, tmp_path / "records", **{"image_size": SIZE} | wrong)
    assert not (tmp_path / "records").exists()


def test_write_leaves_nothing_on_a_full_disk(twenty, tmp_path, contents, file_size_limit):
    """When a file finds no room, that is an OSError that names the folder, and nothing is left."""
    with file_size_limit(10_000), pytest.raises(OSError, match=f"File too large.*'{tmp_path}'"):
        tfrecords.write(twenty, tmp_path, image_size=64, shards=3)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left"), tf.errors.ResourceExhaustedError(None, None, "x.tmp; No space left")],
)
def test_write_says_that_a_disk_is_full(twenty, tmp_path, monkeypatch, error):
    """Whether Python or TensorFlow meets the full disk, the error that passes is an OSError."""

    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(tfrecords, "_write_here", refuse)
    with pytest.raises(OSError, match=f"No space left.*{tmp_path}"):
        tfrecords.write(twenty, tmp_path, image_size=SIZE, shards=3)


def test_write_uses_two_threads_a_core(twenty, tmp_path, monkeypatch):
    """Bound to one core of many, two photos are worked on at once."""
    asked = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    monkeypatch.setattr(tfrecords, "ThreadPoolExecutor", lambda count: asked.append(count) or ThreadPoolExecutor(count))
    tfrecords.write(twenty, tmp_path, image_size=SIZE, shards=3)
    assert asked == [2]


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("", "a path or an address in UTF-8"),
        ("caf\udce9", "a path or an address in UTF-8"),
        ("file/records", "writable"),
    ],
)
def test_write_refuses_a_folder_that_cannot_be(twenty, tmp_path, monkeypatch, folder, said):
    """An empty name, one that is not UTF-8, and a folder below a file are InputErrors."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(errors.InputError, match=f"`folder` must be {said}"):
        tfrecords.write(twenty, folder, image_size=SIZE, shards=3)


def test_write_and_read_in_a_bucket(twenty, written):
    """Photos in a bucket become records in a bucket, the same bytes as on disk, and are read back there."""
    folder, _ = written
    for path in twenty.paths:
        tf.io.gfile.makedirs(f"ram://photos/{sharding.relative(path, twenty).split('/')[0]}")
        tf.io.gfile.copy(path, f"ram://photos/{sharding.relative(path, twenty)}")
    found = photos.find("ram://photos")
    tf.io.gfile.makedirs("ram://records")
    made = tfrecords.write(found, "ram://records", image_size=SIZE, shards=3)
    assert tfrecords.write(found, "ram://records", image_size=SIZE, shards=3) == made
    assert manifest.load("ram://records") == made
    assert sorted(tf.io.gfile.listdir("ram://records")) == [*(shard.name for shard in made.shards), manifest.NAME]
    for path, shard in zip(manifest.paths("ram://records", made), made.shards, strict=True):
        assert serialized(path) == serialized(folder / shard.name)
        assert tfrecords.verify(path) == shard.images


def starts(path):
    """The byte at which each record of a shard begins, by counting lengths."""
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        found.append(at)
        at += 16 + struct.unpack_from("<Q", data, at)[0]
    return found


@pytest.mark.parametrize("past", [1, 11, 12, 100])
def test_verify_locates_a_truncated_record(shard, past):
    """Cut in the length, before or in the content of record 5: the message names shard, record and byte."""
    at = starts(shard)[5]
    os.truncate(shard, at + past)
    with pytest.raises(errors.InputError) as raised:
        tfrecords.verify(str(shard))
    assert f"{shard} must hold whole records. Received: record 5 " in str(raised.value)
    assert f"begins at byte {at}: truncated record" in str(raised.value)


@pytest.mark.parametrize("past", [0, 9, 12, 300])
def test_verify_locates_a_flipped_bit(shard, past):
    """A flipped bit in the length, its checksum or the content of record 3 is found by its checksum."""
    at = starts(shard)[3]
    data = bytearray(shard.read_bytes())
    data[at + past] ^= 16
    shard.write_bytes(data)
    with pytest.raises(errors.InputError, match=rf"record 3 .* begins at byte {at}: corrupted record"):
        tfrecords.verify(str(shard))


def test_verify_counts_records(shard):
    """Six whole records under a name that says seven are an InputError, though TensorFlow sees no fault."""
    os.truncate(shard, starts(shard)[6])
    with pytest.raises(errors.InputError, match="Received: 6 records"):
        tfrecords.verify(str(shard))
    shard.unlink()
    with pytest.raises(errors.InputError, match=shard.name):
        tfrecords.verify(str(shard))


@pytest.mark.parametrize(
    ("feature", "value", "said"),
    [
        ("class", None, "class"),
        ("class", tf.train.Feature(int64_list=tf.train.Int64List(value=[5])), "its class is 5, of 5"),
        ("class", tf.train.Feature(int64_list=tf.train.Int64List(value=[-1])), "its class is -1, of 5"),
        ("image", None, "image"),
        ("image", tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"no jpeg"])), "image"),
        ("size", tf.train.Feature(int64_list=tf.train.Int64List(value=[24, 25])), "size"),
    ],
)
def test_verify_locates_a_record_that_parses_wrong(shard, feature, value, said):
    """A record without a feature, with an image that is none or of another size, is located like a torn one."""
    at, whole = starts(shard)[2], serialized(shard)
    example = tf.train.Example.FromString(whole[2])
    if value is None:
        del example.features.feature[feature]
    else:
        example.features.feature[feature].CopyFrom(value)
    with tf.io.TFRecordWriter(str(shard)) as file:
        for record in [*whole[:2], example.SerializeToString(), *whole[3:]]:
            file.write(record)
    with pytest.raises(errors.InputError, match=rf"record 2 .* begins at byte {at}: .*{said}"):
        tfrecords.verify(str(shard))


def test_explain_names_the_damaged_shard(written, shard):
    """A DataLossError met amid a pipeline over two shards becomes the InputError of the damaged one."""
    folder, made = written
    whole = manifest.paths(folder, made)[1]
    at = starts(shard)[6]
    os.truncate(shard, at + 50)
    with pytest.raises(tf.errors.DataLossError) as raised:
        list(tf.data.TFRecordDataset([whole, str(shard)]))
    explained = tfrecords.explain(raised.value, [whole, str(shard)])
    assert isinstance(explained, errors.InputError)
    assert f"{shard} must hold whole records. Received: record 6" in str(explained)
    assert tfrecords.explain(raised.value, [whole]) is raised.value


def test_write_turns_photos_if_asked_and_remembers_it(tmp_path, jpeg):
    """The manifest keeps it, so that the same folder is not taken for records of photos as they lie."""
    for number in range(2):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6
        path = tmp_path / "photos" / str(number) / "1.jpg"
        path.parent.mkdir(parents=True)
        Image.open(io.BytesIO(jpeg(number))).save(path, "JPEG", quality=95, exif=exif)
    lying, upright = (photos.find(tmp_path / "photos", decoding=Decoding(exif=exif)) for exif in ("ignore", "apply"))
    made = tfrecords.write(upright, tmp_path / "upright", image_size=SIZE, shards=1)
    assert (manifest.load(tmp_path / "upright"), made.decoding.exif) == (made, "apply")
    with pytest.raises(errors.InputError, match="decoded by exif=apply, not as asked for"):
        tfrecords.write(lying, tmp_path / "upright", image_size=SIZE, shards=1)
    assert "decoding" not in tfrecords.write(lying, tmp_path / "lying", image_size=SIZE, shards=1).to_json()

    pixels = []
    for folder in ("upright", "lying"):
        (first, _) = serialized(next((tmp_path / folder).glob("*.tfrec")))
        pixels.append(tfrecords.parse(first, image_size=SIZE)[0].numpy().astype(int))
    assert np.abs(pixels[0] - np.rot90(pixels[1], -1)).mean() < 2
