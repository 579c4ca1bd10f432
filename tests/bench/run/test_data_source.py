"""What a measurement keeps of the data that it read."""

import os
import shutil
from dataclasses import replace

from bench.results import summary
from bench.run.data_source import Source
from flowers_core.data import photos, tfrecords
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

    assert {**first, "digest": ""} == {**changed, "digest": ""} == {
        "photos": "photos", "images": 20, "classes": 5, "digest": "",
    }  # fmt: skip
    assert [row.processes for row in summary.by_cell(rows)] == [2, 1]


def test_digest_is_of_the_content(synthetic_photos, synthetic_records, tmp_path):
    """Where a copy lies and of when it is changes nothing."""
    copy = shutil.copytree(synthetic_photos, tmp_path / synthetic_photos.name)
    for photo in copy.glob("*/*.jpg"):
        os.utime(photo, (0, 0))
    records = shutil.copytree(synthetic_records, tmp_path / "elsewhere")

    assert Source(photos=str(copy)).describe("photos") == Source(photos=str(synthetic_photos)).describe("photos")
    copied, original = (Source(records=str(folder)).describe("records") for folder in (records, synthetic_records))
    assert copied == original


def test_digest_tells_other_records_of_one_name_apart(synthetic_records, tmp_path):
    """Records of one name from other photos are other data."""
    records = tmp_path / "records"
    other = photos.find(dataset.draw(tmp_path / "photos", count=20, seed=1))
    tfrecords.write(other, records, shards=4)
    digests = {Source(records=str(folder)).describe("records")["digest"] for folder in (records, synthetic_records)}

    assert len(digests) == 2
