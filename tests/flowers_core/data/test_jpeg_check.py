"""Photos that cannot become records: every kind is told, skipped with its reason, or stops a strict write."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from flowers_core import errors
from flowers_core.data import images, jpeg_check, manifest, photos, tfrecords
from flowers_core.data.decoding import Decoding

SIZE = 24


BAD = {
    "daisy/cmyk.jpg": "CMYK colours",
    "daisy/empty.jpg": "0 bytes",
    "dandelion/hole.jpg": f"{jpeg_check.MAX_BYTES + 1} bytes, no photo",
    "dandelion/huge.jpg": "3600000000 pixels",
    "dandelion/png16.jpg": "png content, no JPEG (taken with --accept png)",
    "dandelion/webp.jpg": "webp content, no JPEG (taken with --accept webp)",
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


def sized_png(png, side):
    """A PNG whose header says that it has so many pixels a side."""
    header = png[12:16] + struct.pack(">II", side, side) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


@pytest.fixture(scope="module")
def flawed(tmp_path_factory, jpeg):
    """12 good photos, a grey one, one of every bad kind, one that is a folder and one that is gone."""
    folder = tmp_path_factory.mktemp("flawed")
    files = {f"{photos.CLASSES[number % 5]}/{number}.jpg": jpeg(number) for number in range(12)}
    files |= {
        "daisy/cmyk.jpg": jpeg(1, mode="CMYK"),
        "dandelion/huge.jpg": sized(jpeg(), 60_000, 60_000),
        "dandelion/png16.jpg": sixteen_bits(),
        "dandelion/webp.jpg": jpeg(5, kind="WEBP"),
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
    [
        ((10_000, 5_001), "50010000 pixels, over 50 million (taken with --max-megapixels 51)"),
        ((2, 9_000), None),
        ((7_000, 7_000), None),
    ],
)
def test_fault_counts_pixels_by_the_header(size, what, jpeg):
    """Over 50 million pixels is a fault unless the limit is raised; 49 million are none, nor is a thin strip."""
    photo = sized(jpeg(), *size)
    fault = jpeg_check.fault(photo)
    assert (what in fault) if what else fault is None
    assert jpeg_check.fault(photo, decoding=Decoding(max_megapixels=51)) is None


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


def test_write_takes_accepted_kinds_by_their_content(tmp_path, jpeg):
    """PNG, transparent or not, and WebP, under whatever name; 16 bits and damaged data are skipped with the reason."""
    clear = io.BytesIO()
    Image.new("RGBA", (30, 30)).save(clear, "PNG")
    files = {
        "daisy/named.jpg": jpeg(1, kind="WEBP"),
        "daisy/lossless.png": jpeg(2, kind="PNG"),
        "roses/clear.png": clear.getvalue(),
        "roses/cut.png": jpeg(3, kind="PNG")[:-100],
        "roses/deep.png": sixteen_bits(),
        "roses/huge.png": sized_png(clear.getvalue(), 60_000),
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    found = photos.find(tmp_path, accept=("png", "webp"))
    made = tfrecords.write(found, tmp_path / "records", image_size=SIZE, shards=1, accept=("png", "webp"))
    reasons = {photo.path: photo.reason for photo in made.skipped}
    assert made.images == 3
    assert "truncated or damaged png" in reasons["roses/cut.png"]
    assert "neither RGB nor greyscale of 8 bits" in reasons["roses/deep.png"]
    assert "3600000000 pixels" in reasons["roses/huge.png"]
    white, fault = jpeg_check.as_png(clear.getvalue(), accept=("png",))
    assert fault is None
    assert images.decode(white).numpy().min() == 255


@pytest.mark.parametrize("orientation", range(1, 9))
def test_accepted_png_is_turned_upright_if_asked(orientation, jpeg):
    """As Pillow turns it, pixel for pixel; otherwise its pixels stay as they lie."""
    photo = Image.open(io.BytesIO(jpeg(kind="PNG")))
    exif, file = Image.Exif(), io.BytesIO()
    exif[ExifTags.Base.Orientation] = orientation
    photo.save(file, "PNG", exif=exif)
    upright, fault = jpeg_check.as_png(file.getvalue(), accept=("png",), decoding=Decoding(exif="apply"))
    assert fault is None
    expected = ImageOps.exif_transpose(Image.open(file))
    np.testing.assert_array_equal(Image.open(io.BytesIO(upright)), expected)
    np.testing.assert_array_equal(Image.open(io.BytesIO(jpeg_check.as_png(file.getvalue(), accept=("png",))[0])), photo)


def test_read_refuses_what_libjpeg_warns_of_only_if_strict(tmp_path, jpeg):
    """Bytes too many before the end are decoded, but not without a word if all must be clean."""
    path = tmp_path / "warned.jpg"
    path.write_bytes(jpeg()[:-2] + b"\0" * 61 + jpeg()[-2:])
    assert images.read(str(path))
    with pytest.raises(errors.InputError, match="libjpeg warns of it: Corrupt JPEG data"):
        images.read(str(path), strict=True)


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
