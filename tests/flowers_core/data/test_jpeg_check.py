"""Photos that cannot become records: every kind is told, skipped with its reason, or stops a strict write."""

import io
import os
import struct

import numpy as np
import pytest
from PIL import Image

from flowers_core import errors
from flowers_core.data import jpeg_check, manifest, photos, tfrecords

SIZE = 24


BAD = {
    "daisy/cmyk.jpg": "CMYK colours",
    "daisy/empty.jpg": "0 bytes",
    "dandelion/hole.jpg": f"{jpeg_check.MAX_BYTES + 1} bytes, no photo",
    "dandelion/huge.jpg": "3600000000 pixels",
    "dandelion/png16.jpg": "not a JPEG",
    "roses/bits12.jpg": "12-bit",
    "roses/text.jpg": "not a JPEG",
    "tulips/cut.jpg": "truncated",
}


def sized(jpeg, height, width):
    """A JPEG of few bytes whose header says that it has so many pixels."""
    at = jpeg.index(b"\xff\xc0")
    return jpeg[: at + 5] + struct.pack(">HH", height, width) + jpeg[at + 9 :]


def sixteen_bits():
    """A PNG of 16 bits a pixel, which TensorFlow's JPEG decoder would read."""
    file = io.BytesIO()
    Image.fromarray(np.zeros((30, 40), np.uint16)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def flawed(tmp_path_factory, jpeg):
    """12 good photos, a grey one, one of every bad kind, one that is a folder and one that is gone."""
    folder = tmp_path_factory.mktemp("flawed")
    files = {f"{photos.CLASSES[number % 5]}/{number}.jpg": jpeg(number) for number in range(12)}
    files |= {
        "daisy/cmyk.jpg": jpeg(1, mode="CMYK"),
        "dandelion/huge.jpg": sized(jpeg(), 60_000, 60_000),
        "dandelion/png16.jpg": sixteen_bits(),
        "roses/bits12.jpg": jpeg(2).replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c"),
        "roses/text.jpg": b"<html>not found</html>",
        "tulips/cut.jpg": jpeg(3)[:-200],
        "tulips/grey.jpg": jpeg(4, mode="L"),
    }
    files |= dict.fromkeys(("daisy/empty.jpg", "dandelion/hole.jpg", "tulips/gone.jpg", "tulips/folder.jpg"), b"")
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    os.truncate(folder / "dandelion" / "hole.jpg", jpeg_check.MAX_BYTES + 1)  # takes no room on the disk
    found = photos.find(folder)
    (folder / "tulips" / "gone.jpg").unlink()
    (folder / "tulips" / "folder.jpg").unlink()
    (folder / "tulips" / "folder.jpg").mkdir()
    return found


@pytest.mark.parametrize(
    ("size", "what"),
    [((10_000, 5_001), "50010000 pixels"), ((2, 9_000), "9000"), ((7_000, 7_000), None), ((300, 200), None)],
)
def test_fault_counts_pixels_by_the_header(size, what, jpeg):
    """Over 50 million pixels, as it is or as a strip that is scaled up, is a fault; 49 million are none."""
    fault = jpeg_check.fault(sized(jpeg(), *size), image_size=192)
    assert (what in fault) if what else fault is None


def test_write_skips_bad_photos_with_their_reason(flawed, tmp_path):
    """Every bad photo is named with its reason, the grey one is kept, and names carry the true counts."""
    made = tfrecords.write(flawed, tmp_path, image_size=SIZE, shards=2)
    reasons = {photo.path: photo.reason for photo in made.skipped}
    assert sorted(reasons) == sorted([*BAD, "tulips/folder.jpg", "tulips/gone.jpg"])
    for name, said in BAD.items():
        assert said in reasons[name]
    assert "No such file" in reasons["tulips/gone.jpg"]
    assert "directory" in reasons["tulips/folder.jpg"]
    assert made.images == 13
    assert manifest.load(tmp_path) == made
    for path, shard in zip(manifest.paths(tmp_path, made), made.shards, strict=True):
        assert tfrecords.verify(path) == shard.images == manifest.count(shard.name) == sum(shard.class_counts)


def test_write_stops_at_a_bad_photo_if_strict(flawed, tmp_path):
    """Strict writing raises and leaves nothing, and is no kinder to records written without it."""
    with pytest.raises(errors.InputError, match="strict"):
        tfrecords.write(flawed, tmp_path / "records", image_size=SIZE, shards=2, strict=True)
    assert not list((tmp_path / "records").iterdir())
    tfrecords.write(flawed, tmp_path / "records", image_size=SIZE, shards=2)
    with pytest.raises(errors.InputError, match=r"daisy/cmyk\.jpg: CMYK"):
        tfrecords.write(flawed, tmp_path / "records", image_size=SIZE, shards=2, strict=True)


def test_write_refuses_only_bad_photos(tmp_path):
    """Where no photo can be decoded, that is an InputError and nothing is left."""
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "x.jpg").write_bytes(b"")
    with pytest.raises(errors.InputError, match="0 bytes"):
        tfrecords.write(photos.find(tmp_path / "photos"), tmp_path / "records", image_size=SIZE, shards=2)
    assert not list((tmp_path / "records").iterdir())
