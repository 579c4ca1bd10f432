"""Decoding, fill and crop, augmentation and encoding of images."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from flowers_core.data import images


def picture(height, width, seed=0):
    """A smooth random uint8 image, shape (height, width, 3), that a JPEG can hold."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def jpeg(image, **options):
    """An image as JPEG bytes, by Pillow."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", **options)
    return file.getvalue()


def filled_by_numpy(image, size):
    """The codelab's fill and crop after its words (section 3), in float32 with numpy alone; not yet cast."""
    height, width, _ = image.shape
    ratio = size / min(height, width)
    tall, wide = int(height * ratio + 1e-6), int(width * ratio + 1e-6)
    rows, columns = along(height, tall), along(width, wide)
    image = image.astype(np.float32)
    (top, bottom, down), (left, right, across) = rows, columns
    across, down = across[None, :, None], down[:, None, None]
    upper = image[top][:, left] + (image[top][:, right] - image[top][:, left]) * across
    lower = image[bottom][:, left] + (image[bottom][:, right] - image[bottom][:, left]) * across
    scaled = upper + (lower - upper) * down
    y, x = (tall - size) // 2, (wide - size) // 2
    return scaled[y : y + size, x : x + size]


def along(old, new):
    """For each new pixel its two old neighbours and the weight of the second, pixels being squares."""
    place = (np.arange(new, dtype=np.float32) + 0.5) * np.float32(old / new) - 0.5
    low = np.floor(place)
    return (
        np.clip(low, 0, old - 1).astype(int),
        np.clip(low + 1, 0, old - 1).astype(int),
        (place - low).astype(np.float32),
    )


SIZES = [(309, 500), (240, 180), (100, 150), (151, 97), (192, 192), (333, 192), (193, 1000)]


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("size", [192, 331])
def test_fill_and_crop_is_the_codelabs_rule(height, width, size):
    """Every pixel is numpy's with its fraction cut off, up to float noise at whole numbers (over 60 dB)."""
    image = picture(height, width)
    ours = images.fill_and_crop(image, size).numpy()
    exact = filled_by_numpy(image, size)
    theirs = exact.astype(np.uint8)
    assert ours.dtype == np.uint8
    assert ours.shape == (size, size, 3)
    differs = ours != theirs
    assert np.abs(exact - np.round(exact))[differs].max(initial=0) < 1e-3
    noise = np.mean((ours.astype(float) - theirs) ** 2)
    assert noise < 255**2 / 10**6


def test_fill_and_crop_cuts_the_fraction_off():
    """Between columns of 1 and 4, 1.75 becomes 1 and 3.25 becomes 3: the cast truncates and does not round."""
    image = np.zeros((2, 2, 3), np.uint8)
    image[:, 0], image[:, 1] = 1, 4
    assert filled_by_numpy(image, 4)[0, :, 0].tolist() == [1, 1.75, 3.25, 4]
    assert images.fill_and_crop(image, 4).numpy()[0, :, 0].tolist() == [1, 1, 3, 4]


@pytest.mark.parametrize(("height", "width"), [(309, 500), (500, 309), (97, 151), (7, 3)])
def test_fill_and_crop_keeps_the_short_side(height, width):
    """The short side is scaled to just the size: the crop cuts nothing off it, the first and last line stay."""
    image = np.zeros((height, width, 3), np.uint8)
    lines = image if height < width else image.transpose(1, 0, 2)
    lines[0], lines[-1] = 255, 255
    square = images.fill_and_crop(image, 400).numpy()
    lines = square if height < width else square.transpose(1, 0, 2)
    assert (lines[0] == 255).all()
    assert (lines[-1] == 255).all()


def test_fill_and_crop_keeps_the_middle_of_the_long_side():
    """A wide image keeps its middle columns and a tall one its middle rows, not the other way round."""
    wide = np.zeros((4, 12, 3), np.uint8)
    wide[:, 4:8] = 200
    assert (images.fill_and_crop(wide, 4).numpy() == 200).all()
    assert (images.fill_and_crop(wide.transpose(1, 0, 2), 4).numpy() == 200).all()


def test_shapes_are_known_inside_a_map():
    """In a tf.data map every result has its static shape and type, and the same pixels as outside."""
    photo = jpeg(picture(40, 60))
    data = tf.data.Dataset.from_tensors(photo).map(lambda photo: images.fill_and_crop(images.decode(photo), 24))
    assert data.element_spec == tf.TensorSpec((24, 24, 3), tf.uint8)
    outside = images.fill_and_crop(images.decode(photo), 24)
    assert np.array_equal(data.get_single_element(), outside)
    data = data.map(images.scale).map(images.augment)
    assert data.element_spec == tf.TensorSpec((24, 24, 3), tf.float32)
    data = data.map(lambda image: images.encode(tf.cast(image * 255, tf.uint8)))
    assert images.decode(data.get_single_element()).shape == (24, 24, 3)


def test_decode_gives_grey_photos_three_equal_channels():
    """A greyscale JPEG becomes an image of three equal channels."""
    image = images.decode(jpeg(picture(20, 30)[:, :, 0])).numpy()
    assert image.shape == (20, 30, 3)
    assert (image == image[:, :, :1]).all()


def test_scale_ends_at_0_and_1():
    """Pixels 0 and 255 become exactly 0 and 1, as float32."""
    scaled = images.scale(tf.constant([0, 51, 255], tf.uint8)).numpy()
    assert scaled.dtype == np.float32
    assert scaled.tolist() == [0, np.float32(0.2), 1]


def test_encode_keeps_the_resolution_of_colours():
    """The JPEG is 4:4:4 of quality 95 with Huffman tables of its own, and close to the image (over 40 dB)."""
    image = picture(48, 48)
    ours = images.encode(image).numpy()
    header = Image.open(io.BytesIO(ours))
    assert [layer[1:3] for layer in header.layer] == [(1, 1)] * 3
    assert header.quantization == Image.open(io.BytesIO(jpeg(image, quality=95))).quantization
    assert ours == tf.io.encode_jpeg(image, quality=95, optimize_size=True, chroma_downsampling=False).numpy()
    assert len(ours) < len(tf.io.encode_jpeg(image, quality=95, chroma_downsampling=False).numpy())
    noise = np.mean((images.decode(ours).numpy().astype(float) - image) ** 2)
    assert noise < 255**2 / 10**4


def test_augment_draws_anew_each_epoch_and_stays_in_range():
    """Over 40 draws in two epochs both flips and many saturations occur, all pixels in [0, 1]."""
    image = images.scale(picture(8, 8))
    data = tf.data.Dataset.from_tensors(image).repeat(20).map(images.augment)
    first, second = (np.stack(list(data.as_numpy_iterator())) for _ in range(2))
    assert not np.array_equal(first, second)
    drawn = np.concatenate([first, second])
    assert drawn.dtype == np.float32
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    spread = np.ptp(drawn, axis=-1).mean(axis=(1, 2)) / np.ptp(image, axis=-1).mean()
    assert spread.min() < 0.7
    assert spread.max() > 1.1
    bright = drawn.max(axis=-1)  # HSV's value, which saturation leaves alone
    flips = [np.allclose(value, np.max(image, axis=-1)[:, ::-1], atol=1e-5) for value in bright]
    assert 0 < sum(flips) < len(flips)
