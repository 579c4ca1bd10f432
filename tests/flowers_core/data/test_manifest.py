"""Manifests of folders of records: JSON, checks against the files, public records, split, matching."""

import dataclasses
import json

import pytest
import tensorflow as tf

from flowers_core import errors
from flowers_core.data import manifest, photos

WHOLE = manifest.Manifest(
    source="photos",
    seed=35155,
    image_size=192,
    classes=("daisy", "roses"),
    shards=(
        manifest.Shard("flowers00-3.tfrec", 3, 5, (1, 2)),
        manifest.Shard("flowers01-2.tfrec", 2, 4, (0, 2)),
    ),
    skipped=(manifest.Skipped("roses/é.jpg", "empty, 0 bytes"),),
    source_digest="ab12",
)


@pytest.fixture
def folder(tmp_path):
    """A folder with the manifest above and files of the right sizes."""
    (tmp_path / "flowers00-3.tfrec").write_bytes(bytes(5))
    (tmp_path / "flowers01-2.tfrec").write_bytes(bytes(4))
    (tmp_path / manifest.NAME).write_text(WHOLE.to_json())
    return tmp_path


def public(folder, name, size):
    """Writes a shard of one record with just a `size`, as the first of a public set."""
    feature = tf.train.Feature(int64_list=tf.train.Int64List(value=size))
    record = tf.train.Example(features=tf.train.Features(feature={"size": feature}))
    with tf.io.TFRecordWriter(str(folder / name)) as file:
        file.write(record.SerializeToString())


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
        ("flowers00-3.tfrec", None, "flowers00-3.tfrec must have 5 bytes. Received: no such file"),
        ("flowers01-2.tfrec", bytes(3), "flowers01-2.tfrec must have 4 bytes. Received: 3 bytes"),
        ("flowers02-9.tfrec", bytes(3), "Received: flowers02-9.tfrec as well"),
        (manifest.NAME, b"", "manifest.json must be as it was written"),
        (manifest.NAME, b"\xff\xfe", "manifest.json must be as it was written"),
        (manifest.NAME, b"[1]", "manifest.json must be as it was written"),
        (manifest.NAME, b'{"format": 1}', "manifest.json must be as it was written"),
        (manifest.NAME, WHOLE.to_json()[:200].encode(), "manifest.json must be as it was written"),
        (manifest.NAME, WHOLE.to_json().replace("192", '"192"').encode(), "image_size is no integer"),
        (manifest.NAME, WHOLE.to_json().replace('"images": 3', '"images": 4').encode(), "cannot hold 4"),
        (manifest.NAME, WHOLE.to_json().replace('"seed"', '"sead"').encode(), "manifest.json must be as"),
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


def test_public_records_need_no_manifest(tmp_path):
    """Names give the counts, the first record the size; classes are the codelab's, the seed is unknown."""
    for number, count in enumerate((230, 230, 220)):
        public(tmp_path, f"flowers{number:02d}-{count}.tfrec", (331, 331))
    found = manifest.load(tmp_path)
    assert (found.image_size, found.images, found.seed) == (331, 680, None)
    assert found.classes == photos.CLASSES == ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert [shard.images for shard in found.shards] == [230, 230, 220]
    assert found.shards[0].bytes == (tmp_path / "flowers00-230.tfrec").stat().st_size
    assert found.shards[0].class_counts is None
    assert found.source == str(tmp_path)
    public(tmp_path, "odd.tfrec", (331, 331))
    with pytest.raises(errors.InputError, match=r"odd\.tfrec"):
        manifest.load(tmp_path)


@pytest.mark.parametrize(("size", "said"), [((192, 331), "192 x 331"), ((192,), "feature `size`")])
def test_public_records_of_another_kind_are_refused(tmp_path, size, said):
    """Records that are not square, or whose size is no pair, are InputErrors that name the shard."""
    public(tmp_path, "flowers00-1.tfrec", size)
    with pytest.raises(errors.InputError, match=said) as raised:
        manifest.load(tmp_path)
    assert "flowers00-1.tfrec" in str(raised.value)


def test_public_records_without_any_record_are_refused(tmp_path):
    """An empty first shard cannot tell the size of the images."""
    (tmp_path / "flowers00-230.tfrec").touch()
    with pytest.raises(errors.InputError, match="no record"):
        manifest.load(tmp_path)


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
