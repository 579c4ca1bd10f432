"""Orientation by EXIF data, decoding large photos smaller, and the limit of large ones."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as draw
from PIL import ExifTags, Image, ImageOps

from flowers_core import errors
from flowers_core.data import array_images, decoding, images
from flowers_core.data.decoding import Decoding
from flowers_core.input import fast_decode


def turned(orientation, *, size=(70, 50), order="II"):
    """A JPEG of noise blocks with an orientation in its EXIF data, in either order of bytes."""
    noise = np.random.default_rng(0).integers(0, 256, (size[1] // 5, size[0] // 5, 3), np.uint8)
    file = io.BytesIO()
    mark = {"II": "<", "MM": ">"}[order]
    entries = [(0x010F, 2, 4, b"abc\0"), (0x0112, 3, 1, struct.pack(f"{mark}HH", orientation, 0))]
    tiff = order.encode() + struct.pack(f"{mark}HLH", 42, 8, len(entries))
    tiff += b"".join(struct.pack(f"{mark}HHL", *entry[:3]) + entry[3] for entry in entries) + bytes(4)
    photo = Image.fromarray(noise.repeat(5, 0).repeat(5, 1))
    photo.save(file, "JPEG", quality=95, subsampling=0, exif=b"Exif\0\0" + tiff)
    return file.getvalue()


def upright(jpeg):
    """What Pillow makes of the pixels of `images.decode` by the EXIF data, without another loss."""
    png = io.BytesIO()
    Image.fromarray(images.decode(jpeg).numpy()).save(png, "PNG", exif=Image.open(io.BytesIO(jpeg)).getexif())
    return np.asarray(ImageOps.exif_transpose(Image.open(png)))


@pytest.mark.parametrize("order", ["II", "MM"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_as_pillow_does(orientation, order):
    """Pixel for pixel, by TensorFlow; the fast way differs by its rounding alone."""
    jpeg = turned(orientation, order=order)
    assert decoding.orientation(jpeg) == orientation
    expected = upright(jpeg)
    image = images.decode_photo(jpeg, 24, Decoding(exif="apply"))
    np.testing.assert_array_equal(image, expected)
    graph = tf.data.Dataset.from_tensors(jpeg).map(lambda photo: images.decode_photo(photo, 24, Decoding(exif="apply")))
    np.testing.assert_array_equal(graph.get_single_element(), expected)
    np.testing.assert_array_equal(images.decode_photo(jpeg, 24), images.decode(jpeg))

    np.testing.assert_array_equal(array_images.decode_photo(jpeg, 24, Decoding(exif="apply")), expected)

    (fast,) = fast_decode.BatchDecoder(24, Decoding(exif="apply")).decode_photos([jpeg])
    assert np.abs(fast.astype(int) - images.fill_and_crop(expected, 24)).max() <= 1


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_orientation_out_of_range_is_upright(orientation):
    """As Pillow takes it."""
    assert decoding.orientation(turned(orientation)) == 1


@given(draw.integers(0, 200), draw.binary(min_size=1, max_size=8))
def test_orientation_of_damaged_data_is_a_number(place, damage):
    """Whatever the bytes are."""
    jpeg = bytearray(turned(6))
    jpeg[place : place + len(damage)] = damage
    assert 1 <= decoding.orientation(bytes(jpeg)) <= 8
    assert 1 <= decoding.orientation(bytes(jpeg[:place])) <= 8


def test_orientation_is_that_of_pillow_by_tags_of_its_own():
    """What Pillow writes, among other tags and after other segments."""
    exif, file = Image.Exif(), io.BytesIO()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Orientation] = "camera", 8
    Image.new("RGB", (8, 8)).save(file, "JPEG", exif=exif, icc_profile=bytes(500), comment="first")
    assert decoding.orientation(file.getvalue()) == 8


@pytest.mark.parametrize(
    ("size", "ratio"), [((191, 900), 1), ((383, 900), 1), ((384, 900), 2), ((768, 900), 4), ((1536, 9000), 8)]
)
def test_denominator_leaves_twice_the_size(size, ratio):
    """From four times the size on a photo is decoded smaller; as small as can be, from twice the size on."""
    how, smallest = Decoding(size="scaled"), Decoding(size="smallest")
    assert how.denominator(*size, 96) == how.denominator(*size[::-1], 96) == ratio
    assert smallest.denominator(*size, 192) == ratio
    assert Decoding().denominator(*size, 96) == 1


@pytest.mark.parametrize("smaller", decoding.LEAST)
@pytest.mark.parametrize("size", [(100, 90), (401, 299), (810, 830), (1600, 1500)])
def test_scaled_is_the_same_both_ways(size, smaller):
    """TensorFlow and the fast way decode at the same ratio, so that only rounding differs; small photos are as ever."""
    jpeg = turned(1, size=size)
    how = Decoding(size=smaller)
    image = images.decode_photo(jpeg, 48, how)
    ratio = how.denominator(*size, 48)
    np.testing.assert_array_equal(array_images.decode_photo(jpeg, 48, how), image)
    whole = images.decode(jpeg).shape
    assert image.shape == (-(-whole[0] // ratio), -(-whole[1] // ratio), 3)
    (fast,) = fast_decode.BatchDecoder(48, how).decode_photos([jpeg])
    assert np.abs(fast.astype(int) - images.fill_and_crop(image, 48)).max() <= 2
    if ratio == 1:
        np.testing.assert_array_equal(image, images.decode(jpeg))


def test_scaled_and_turned_go_together():
    """A photo on its side is decoded smaller, too, and then turned."""
    how = Decoding(size="scaled", exif="apply")
    image = images.decode_photo(turned(6, size=(400, 200)), 24, how)
    assert image.shape == (100, 50, 3)


def test_check_memory_binds_a_raised_limit_only():
    """The usual limit is nobody's choice; a higher one must fit as often as photos are decoded at once."""
    Decoding().check_memory(64, memory_bytes=1)
    Decoding(max_megapixels=100).check_memory(2, memory_bytes=2 * 10**9)
    with pytest.raises(errors.InputError, match=r"take 2\.4 GB, and 1\.0 GB are free"):
        Decoding(max_megapixels=100).check_memory(4, memory_bytes=10**9)


@pytest.mark.parametrize("field", [{"exif": "yes"}, {"size": "half"}, {"max_megapixels": 0}])
def test_unknown_choices_are_refused(field):
    """By the name of the field."""
    with pytest.raises(errors.InputError, match=next(iter(field))):
        Decoding(**field)


@pytest.mark.parametrize("size", [(8_000, 1), (1, 8_000), (60_000, 2)])
def test_strips_are_scaled_within_bounds(size):
    """Scaled up as a whole they would take gigabytes; the middle of them is all that is seen."""
    middle = np.zeros((size[1], size[0], 3), np.uint8)
    middle[..., 1] = 200
    assert (images.fill_and_crop(middle, 192).numpy() == (0, 200, 0)).all()
    assert (array_images.fill_and_crop(middle, 192) == (0, 200, 0)).all()
    place = np.empty((192, 192, 3), np.uint8)
    fast_decode.BatchDecoder(192).fill_and_crop(place, middle)
    assert (place == (0, 200, 0)).all()
