"""Photos without TensorFlow: the same pixels and the same bytes as with it."""

import numpy as np
import pytest
import tensorflow as tf

from flowers_core.data import array_images, images
from flowers_core.errors import InputError

SIZES = [(50, 120), (333, 500), (191, 192), (640, 480), (97, 31)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("side", [32, 192])
def test_record_has_the_bytes_of_tensorflow(jpeg, size, side):
    """Decoded, scaled, cropped and compressed again, a photo is the same file, scaled up or down."""
    photo = jpeg(5, size=size)
    pixels = array_images.fill_and_crop(array_images.decode(photo), side)
    theirs = images.fill_and_crop(images.decode(photo), side)

    np.testing.assert_array_equal(pixels, theirs)
    assert array_images.encode(pixels) == images.encode(theirs).numpy()


def test_decode_takes_grey_photos_and_pngs():
    """All become RGB, as with TensorFlow."""
    grey = np.random.default_rng(1).integers(0, 255, (20, 30, 1), np.uint8)
    rgb = np.repeat(grey, 3, axis=2)
    for photo in (tf.io.encode_jpeg(grey, format="grayscale").numpy(), tf.io.encode_png(rgb).numpy()):
        np.testing.assert_array_equal(array_images.decode(photo), images.decode(photo))


def test_decode_refuses_damaged_photos(jpeg):
    """A photo that ends too soon is refused, not filled with grey."""
    with pytest.raises(InputError, match="truncated or damaged"):
        array_images.decode(jpeg(1, size=(60, 60))[:400])


def test_read_says_why_a_photo_is_left_out(tmp_path):
    """A missing and an empty file have their reasons."""
    (tmp_path / "empty.jpg").touch()
    for name, reason in (("absent.jpg", "cannot be read: No such file"), ("empty.jpg", "empty, 0 bytes")):
        with pytest.raises(InputError, match=reason):
            array_images.read(str(tmp_path / name))
