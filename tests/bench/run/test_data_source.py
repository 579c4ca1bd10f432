"""What a measurement keeps of the data that it read."""

import os
import shutil
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest

from bench.results import identity, result, summary
from bench.run import data_source
from bench.run.data_source import Source
from flowers_core.data import photos, storage, tfrecords
from flowers_core.errors import InputError
from flowers_core.synthetic import dataset


def test_digest_tells_other_photos_of_one_name_apart(synthetic_photos, tmp_path, measured):
    """Two folders of the same name and counts, and of the same names and sizes of files, are two rows."""
    same, other = (shutil.copytree(synthetic_photos, tmp_path / name / "photos") for name in ("same", "other"))
    photo = sorted(other.glob("*/*.jpg"))[0]
    middle = photo.stat().st_size // 2
    content = bytearray(photo.read_bytes())
    content[middle] ^= 255
    photo.write_bytes(content)
    first, again, changed = (Source(photos=str(folder)).describe("photos") for folder in (same, same, other))
    rows = [replace(measured(model="none", pipeline="photos_parallel"), data=data) for data in (first, again, changed)]

    named = [
        {name: value for name, value in data.items() if name not in ("digest", "folders")} for data in (first, changed)
    ]
    assert named == [{"photos": "photos", "images": 20, "classes": 5}] * 2
    assert [row.processes for row in summary.by_cell(rows)] == [2, 1]


def test_digest_is_of_the_content(synthetic_photos, synthetic_records, tmp_path):
    """Where a copy lies and of when it is changes nothing but the command that measures it again."""
    copy = shutil.copytree(synthetic_photos, tmp_path / synthetic_photos.name)
    for photo in copy.glob("*/*.jpg"):
        os.utime(photo, (0, 0))
    records = shutil.copytree(synthetic_records, tmp_path / "elsewhere")

    for kind, folders in (("photos", (copy, synthetic_photos)), ("records", (records, synthetic_records))):
        copied, original = (Source(**{kind: str(folder)}).describe(kind) for folder in folders)
        assert identity.content(copied) == identity.content(original)
        assert result.folders(copied) == f" --{kind} {folders[0]}"


def test_names_of_features_and_classes_are_part_of_what_was_read(tmp_path, synthetic_records, records_of_others):
    """A source finds records of others by them, keeps them, and a command repeats them."""
    shards = sorted(map(str, synthetic_records.glob("*.tfrec")))
    folder = records_of_others(tmp_path / "kaggle", shards, image="img", label="class", name="{:02d}-5.tfrec")
    classes = ("a", "b", "c", "d", "e")
    source = data_source.find(records=str(folder), image_feature="img", classes=classes)
    described = source.describe("records")

    assert Source(**asdict(source)).describe("records") == described
    assert described["read_by"] == {"image_feature": "img", "classes": "5"}
    assert result.folders(described).endswith(" --image-feature img --classes 5")
    assert source.record_options()[2:] == ["--image-feature", "img", "--classes", "a,b,c,d,e"]
    assert replace(source, class_names=tuple("vwxyz")).describe("records")["digest"] != described["digest"]


def test_how_photos_become_pixels_is_part_of_what_was_read(synthetic_photos):
    """Another way is another row, and a command repeats it; the codelab's way is as it always was."""
    usual = data_source.find(photos=str(synthetic_photos), exif="ignore", decode="full")
    other = data_source.find(photos=str(synthetic_photos), exif="apply", decode="scaled")
    described = other.describe("photos")

    assert described == {**usual.describe("photos"), "read_by": {"exif": "apply", "decode": "scaled"}}
    assert identity.content(described) != identity.content(usual.describe("photos"))
    assert other.load_photos().decoding.exif == "apply"
    assert result.folders(described).endswith(" --exif apply --decode scaled")
    smallest = replace(other, decode="smallest").describe("photos")
    assert identity.content(smallest) != identity.content(described)


def test_find_reads_the_environment(monkeypatch):
    """Suites of asv have no options."""
    monkeypatch.setenv("FLOWERS_LABEL_FEATURE", "label")
    monkeypatch.setenv("FLOWERS_CLASSES", "3")
    found = data_source.find()

    assert (found.label_feature, found.class_names) == ("label", ("0", "1", "2"))


def test_digest_tells_other_records_of_one_name_apart(synthetic_records, tmp_path):
    """Records of one name from other photos are other data."""
    records = tmp_path / "records"
    other = photos.find(dataset.draw(tmp_path / "photos", count=20, seed=1))
    tfrecords.write(other, records, shards=4)
    digests = {Source(records=str(folder)).describe("records")["digest"] for folder in (records, synthetic_records)}

    assert len(digests) == 2


def test_digest_tells_records_of_others_apart_by_their_bytes(synthetic_records, tmp_path, records_of_others):
    """Without a manifest names and sizes are all that is said of them: other pixels of as many bytes are other data."""
    shards = sorted(synthetic_records.glob("*.tfrec"))
    folder = records_of_others(tmp_path / "kaggle", shards, image="img", label="class", name="{:02d}-5.tfrec")
    source = Source(records=str(folder), image_feature="img", label_feature="class", class_names=tuple("vwxyz"))
    before, again = (source.describe("records")["digest"] for _ in range(2))
    shard = folder / "02-5.tfrec"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2 + 100] ^= 1
    manifest = source.manifest()
    shard.write_bytes(content)

    assert before == again != data_source._records_digest(manifest, source.records)


@pytest.fixture
def in_bucket():
    folder = "gs://bucket/flowers"
    return SimpleNamespace(folder=folder, paths=[f"{folder}/{name}" for name in ("roses/1.jpg", "tulips/1.jpg")])


def test_digest_tells_photos_of_a_bucket_apart_by_checksums(monkeypatch, in_bucket):
    """Other photos of the same names and sizes are other data; other objects of the bucket are not of them."""
    digests = []
    for last in ("AAAA", "AAAA", "AAAB"):
        sums = dict.fromkeys(in_bucket.paths, "100:AAAA") | {in_bucket.paths[1]: f"100:{last}", "gs://x": last}
        monkeypatch.setattr(storage, "checksums", lambda _, sums=sums: sums)
        digests.append(data_source._photos_digest(in_bucket))

    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("known", [{}, {"gs://bucket/flowers/roses/1.jpg": "100:AAAA"}, None])
def test_digest_tells_photos_of_a_bucket_apart_by_sizes(monkeypatch, in_bucket, known):
    """Where the store lists no checksums of all photos, or the commit does not ask for them."""
    if known is None:
        monkeypatch.delattr(storage, "checksums")
    else:
        monkeypatch.setattr(storage, "checksums", lambda _: known)
    there = in_bucket
    digests = []
    for sizes in ((100, 200), (100, 200), (100, 201)):
        monkeypatch.setattr(storage, "size", dict(zip(there.paths, sizes, strict=True)).__getitem__)
        digests.append(data_source._photos_digest(there))

    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("source", ["{relative}", "photos", "{absolute}"])
def test_load_photos_leaves_out_what_became_no_record_in_any_working_directory(
    synthetic_photos, tmp_path, monkeypatch, source
):
    """A process that measures has a folder of its own; manifests of any age lead to the photos from there, too."""
    folder = shutil.copytree(synthetic_photos, tmp_path / "checkout" / "photos")
    (folder / "daisy" / "broken.jpg").write_bytes(b"no JPEG")
    monkeypatch.chdir(tmp_path / "checkout")
    monkeypatch.setattr(data_source, "WORK_DIR", tmp_path / "checkout")
    written = tfrecords.write(photos.find("photos"), "records", shards=2)
    source = source.format(relative=written.source, absolute=folder)
    monkeypatch.setattr(data_source.product, "load_manifest", lambda *_, **__: replace(written, source=source))
    monkeypatch.chdir(tmp_path)
    found = data_source.find(photos=str(folder), records=str(tmp_path / "checkout" / "records"))

    assert written.source == "../photos"
    assert len(found.load_photos()) == 20
    assert found.describe("records")["photos"] == "photos"


def test_check_jpegs_refuses_records_of_pixels(synthetic_photos, tmp_path):
    """Names what they hold, and what to write; JPEGs with halved colours are JPEGs."""
    for encoding in ("raw", "jpeg420"):
        folder = tmp_path / encoding
        tfrecords.write(photos.find(synthetic_photos), folder, image_size=16, shards=1, encoding=encoding)
    Source(records=str(tmp_path / "jpeg420")).check_jpegs("anything")
    with pytest.raises(InputError, match=r"must hold JPEGs for anything\. Received: .*which holds raw"):
        Source(records=str(tmp_path / "raw")).check_jpegs("anything")
