"""Manifests of folders of records: JSON, checks against the files, public records, split, matching."""

import dataclasses
import gzip
import json
import struct

import google_crc32c
import pytest
import tensorflow as tf

from flowers_core import errors
from flowers_core.data import manifest, photos, tfrecord_reader
from flowers_core.data.shards import Features

WHOLE = manifest.Manifest(
    source="photos",
    seed=35155,
    image_size=192,
    classes=("daisy", "roses"),
    shards=(
        manifest.Shard("flowers00-3.tfrec", 3, 48, (1, 2)),
        manifest.Shard("flowers01-2.tfrec", 2, 32, (0, 2)),
    ),
    skipped=(manifest.Skipped("roses/é.jpg", "empty, 0 bytes"),),
    source_digest="ab12",
)


def frame(length):
    """The first bytes of a record of such a length, with the right checksum."""
    head = struct.pack("<Q", length)
    return head + struct.pack("<I", tfrecord_reader.mask(google_crc32c.value(head)))


@pytest.fixture
def folder(tmp_path):
    """A folder with the manifest above and files of the right sizes."""
    for shard in WHOLE.shards:
        write(tmp_path / shard.name, [b""] * shard.images)
    (tmp_path / manifest.NAME).write_text(WHOLE.to_json())
    return tmp_path


def write(path, records):
    """Writes a shard."""
    with tf.io.TFRecordWriter(str(path)) as file:
        for record in records:
            file.write(record)


def public(folder, name, jpeg, *, label=4, image="image"):
    """Writes a shard of as many records as its name says, with no more than an image and a class."""
    feature = {
        image: tf.train.Feature(bytes_list=tf.train.BytesList(value=[jpeg])),
        "class": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    record = tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
    write(folder / name, [record] * manifest.count(name))


def test_manifest_survives_json():
    """A manifest comes back equal from its JSON, which names its format version; images is the sum."""
    assert manifest.from_json(WHOLE.to_json()) == WHOLE
    assert json.loads(WHOLE.to_json())["format"] == manifest.FORMAT == 1
    assert WHOLE.images == 5


def test_load_reads_a_whole_folder(folder):
    """A folder whose files agree with its manifest gives the manifest; the paths are sorted."""
    assert manifest.load(folder) == manifest.load(str(folder)) == WHOLE
    backwards = dataclasses.replace(WHOLE, shards=WHOLE.shards[::-1])
    assert manifest.paths(folder, backwards) == (
        str(folder / "flowers00-3.tfrec"),
        str(folder / "flowers01-2.tfrec"),
    )


def test_paths_in_a_bucket_keep_their_address():
    """Shards of gs://bucket/folder have addresses that begin so."""
    assert manifest.paths("gs://bucket/records/", WHOLE)[0] == "gs://bucket/records/flowers00-3.tfrec"


def spoil(folder, name, content):
    """Replaces a file, or removes it where `content` is None."""
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("flowers00-3.tfrec", None, "flowers00-3.tfrec must have 48 bytes. Received: no such file"),
        ("flowers01-2.tfrec", bytes(3), "flowers01-2.tfrec must have 32 bytes. Received: 3 bytes"),
        ("flowers02-9.tfrec", bytes(3), "Received: flowers02-9.tfrec as well"),
        (manifest.NAME, b"", "manifest.json must be as it was written"),
        (manifest.NAME, b"\xff\xfe", "manifest.json must be as it was written"),
        (manifest.NAME, b"[1]", "manifest.json must be as it was written"),
        (manifest.NAME, b'{"format": 1}', "manifest.json must be as it was written"),
        (manifest.NAME, WHOLE.to_json()[:200].encode(), "manifest.json must be as it was written"),
        (manifest.NAME, WHOLE.to_json().replace("192", '"192"').encode(), "image_size is no integer"),
        (manifest.NAME, WHOLE.to_json().replace('"images": 3', '"images": 4').encode(), "cannot hold 4"),
        (manifest.NAME, WHOLE.to_json().replace('"seed"', '"sead"').encode(), "manifest.json must be as"),
        (
            manifest.NAME,
            json.dumps({**json.loads(WHOLE.to_json()), "classes": [1]}).encode(),
            "Expected `str`, got `int`",
        ),
        (manifest.NAME, b'{"format": 2}', "must be of format 1. Received: format 2"),
    ],
)
def test_load_names_the_file_that_is_wrong(folder, name, content, said):
    """A missing, resized or extra shard and a damaged or newer manifest are InputErrors that name the file."""
    spoil(folder, name, content)
    with pytest.raises(errors.InputError) as raised:
        manifest.load(folder)
    assert said in str(raised.value)
    assert str(folder) in str(raised.value)


def test_load_refuses_an_unfinished_folder(folder):
    """A folder whose writing was interrupted is not taken for a small public set."""
    (folder / manifest.NAME).rename(folder / manifest.UNFINISHED)
    with pytest.raises(errors.InputError, match="interrupted"):
        manifest.load(folder)


def test_load_says_when_there_are_no_records(tmp_path):
    """An empty, a missing and an impossible folder are InputErrors."""
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(errors.InputError, match="must hold records"):
            manifest.load(folder)
    (tmp_path / "file").touch()
    with pytest.raises(errors.InputError, match="must be a folder"):
        manifest.load(tmp_path / "file")


def test_public_records_need_no_manifest(tmp_path, jpeg):
    """Names give the counts, the first image the size; classes are the codelab's, the seed is unknown."""
    for number, count in enumerate((3, 3, 2)):
        public(tmp_path, f"flowers{number:02d}-{count}.tfrec", jpeg(size=(31, 31)))
    found = manifest.load(tmp_path)
    assert (found.image_size, found.images, found.seed) == (31, 8, None)
    assert found.classes == photos.CLASSES == ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert [shard.images for shard in found.shards] == [3, 3, 2]
    assert found.shards[0].bytes == (tmp_path / "flowers00-3.tfrec").stat().st_size
    assert found.shards[0].class_counts is None
    assert found.source == str(tmp_path)
    (tmp_path / "odd.tfrec").touch()
    with pytest.raises(errors.InputError, match=r"odd\.tfrec"):
        manifest.load(tmp_path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"label": 5}, r"record 0 \(counted from 0\), which begins at byte 0: its class is 5, of 5"),
        ({"label": -1}, "its class is -1, of 5"),
        ({"size": (32, 32)}, "its image is 32 x 32, not 31 x 31"),
        (
            {"image": "image/encoded"},
            r"features class \(integers\), image/encoded \(bytes\)\. Name the right",
        ),
    ],
)
def test_public_records_of_another_kind_are_named(tmp_path, jpeg, changed, said):
    """Labels beyond the classes, another size and other features in a later shard are named by shard and record."""
    public(tmp_path, "flowers00-2.tfrec", jpeg(size=(31, 31)))
    content = jpeg(size=changed.pop("size", (31, 31)))
    public(tmp_path, "flowers01-1.tfrec", content, **changed)
    with pytest.raises(errors.InputError, match=rf"flowers01-1\.tfrec must hold .*{said}"):
        manifest.load(tmp_path)


def test_public_records_that_are_not_square_are_refused(tmp_path, jpeg):
    """The message says the size."""
    public(tmp_path, "flowers00-1.tfrec", jpeg(size=(31, 19)))
    with pytest.raises(errors.InputError, match=r"flowers00-1\.tfrec must hold square images. Received: 19 x 31"):
        manifest.load(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(b"records", mtime=0), "the shard is compressed by GZIP; unpack it with gunzip"),
        (frame(2**40) + bytes(64), "begins at byte 0: truncated record"),
        (frame(2**40)[:11] + bytes(65), "begins at byte 0: corrupted record, whose length has another checksum"),
        (frame(0) + bytes(4), "Received: 1 records"),
    ],
    ids=["gzip", "too long", "wrong checksum", "empty"],  # the bytes of a time would make other names in each process
)
def test_load_refuses_lengths_that_cannot_be(folder, content, said):
    """A length of 2^40 with the right checksum ended TensorFlow by a signal; it is not asked."""
    path = folder / WHOLE.shards[0].name
    path.write_bytes(content)
    shard = dataclasses.replace(WHOLE.shards[0], bytes=len(content))
    changed = dataclasses.replace(WHOLE, shards=(shard, WHOLE.shards[1]))
    (folder / manifest.NAME).write_text(changed.to_json())
    with pytest.raises(errors.InputError, match=rf"flowers00-3\.tfrec must hold .*{said}"):
        manifest.load(folder)


def test_public_records_without_any_record_are_refused(tmp_path):
    """An empty first shard cannot tell the size of the images."""
    (tmp_path / "flowers00-230.tfrec").touch()
    with pytest.raises(errors.InputError, match="no record"):
        manifest.load(tmp_path)


def test_records_of_others_are_read_by_the_names_given(tmp_path, written, records_of_others):
    """Features and classes have names of their own, and names of shards hold no count; parts keep all of it."""
    ours = manifest.paths(*written)
    others = records_of_others(tmp_path, ours)
    features = Features(image="img", label="label")
    found = manifest.load(others, features=features, classes=("a", "b", "c", "d", "e", "f"))

    assert (found.image_size, found.images, found.classes) == (24, 20, ("a", "b", "c", "d", "e", "f"))
    paths = manifest.paths(others, found)
    for part in (paths, *manifest.split(paths)):
        assert part.features == features
        assert manifest.images_in(part) == sum(tfrecord_reader.count(path) for path in part)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, r"in a feature `image` .*the features id \(bytes\), img \(bytes\), label \(integers\)"),
        ({"features": Features(image="img", label="id")}, r"label in a feature `id` \(integers\)"),
        ({"features": Features(image="id", label="label")}, r"JPEGs in the feature `id`\. Received: no image"),
        (
            {"features": Features(image="img", label="label"), "classes": ("a", "b")},
            "labels from 0 to 1.* by --classes",
        ),
    ],
)
def test_wrong_names_are_told_from_the_right_ones(tmp_path, written, records_of_others, given, said):
    """The message says which features there are, and how to name them."""
    others = records_of_others(tmp_path, manifest.paths(*written))
    with pytest.raises(errors.InputError, match=said):
        manifest.load(others, **given)


def test_names_that_contradict_a_manifest_are_refused(written):
    """What was written is known."""
    folder, found = written
    assert manifest.load(folder, classes=found.classes) == found
    with pytest.raises(errors.InputError, match="Received: img and class"):
        manifest.load(folder, features=Features(image="img"))
    with pytest.raises(errors.InputError, match=r"Received: a, b\."):
        manifest.load(folder, classes=("a", "b"))


def test_records_of_others_in_a_bucket_are_checked_by_their_first(tmp_path, jpeg):
    """A label beyond the classes is found in any shard without reading shards to their ends."""
    bucket = "ram://others/labels"
    tf.io.gfile.makedirs(bucket)
    for name, label in (("a-3.tfrec", 4), ("b-3.tfrec", 7)):
        public(tmp_path, name, jpeg(size=(31, 31)), label=label)
        tf.io.gfile.copy(str(tmp_path / name), f"{bucket}/{name}")
    assert manifest.load(bucket, classes=tuple("abcdefgh")).images == 6
    with pytest.raises(errors.InputError, match=r"b-3\.tfrec must hold labels from 0 to 4.*its class is 7, of 5"):
        manifest.load(bucket)


def test_shards_in_a_bucket_must_say_how_many_records_they_hold(tmp_path, jpeg):
    """Counting them would be a download."""
    public(tmp_path, "a-3.tfrec", jpeg(size=(31, 31)))
    tf.io.gfile.makedirs("ram://others/uncounted")
    tf.io.gfile.copy(str(tmp_path / "a-3.tfrec"), "ram://others/uncounted/train.tfrecord-00000-of-00001")
    with pytest.raises(errors.InputError, match="Copy the records to a disk"):
        manifest.load("ram://others/uncounted")


def test_split_gives_3_of_16():
    """Of 16 shards the first or the last 3 validate, after sorting; no shard is on both sides."""
    shards = tuple(f"flowers{number:02d}" for number in range(16))
    assert manifest.split(shards[::-1]) == (shards[3:], shards[:3])
    assert manifest.split(shards[::-1], validation="last") == (shards[:-3], shards[-3:])


@pytest.mark.parametrize(("count", "held_out"), [(2, 1), (5, 1), (10, 1), (11, 2), (100, 19)])
def test_split_validates_on_at_least_one_shard(count, held_out):
    """int(count x 0.19) shards validate, one at least, and training keeps the others."""
    shards = tuple(f"flowers{number:03d}" for number in range(count))
    training, validation = manifest.split(shards)
    assert len(validation) == held_out
    assert sorted(training + validation) == list(shards)


def test_split_refuses_what_it_cannot_part():
    """One shard cannot be parted, and only `first` and `last` are ends."""
    with pytest.raises(errors.InputError, match="two shards"):
        manifest.split(("one",))
    with pytest.raises(errors.InputError, match="first, last"):
        manifest.split(("one", "two"), validation="middle")


def test_check_matches():
    """Records of the same size and classes pass; another size, classes or order is an InputError."""
    manifest.check_matches(WHOLE, image_size=192)
    manifest.check_matches(WHOLE, image_size=192, classes=["daisy", "roses"])
    with pytest.raises(errors.InputError, match="image_size=224"):
        manifest.check_matches(WHOLE, image_size=224)
    with pytest.raises(errors.InputError, match="roses, daisy"):
        manifest.check_matches(WHOLE, image_size=192, classes=("roses", "daisy"))
