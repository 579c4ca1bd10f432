"""How a record holds its image: a JPEG with whole or halved colours, planes of brightness and colour, or the pixels.

What is not a JPEG takes more bytes and hardly any work: where the disk is faster than the cores, such records feed more
images. Planes are those that video has (I420, the limited range of BT.601), colours at half the size each way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowers_core import errors
from flowers_core.data import images
from flowers_core.lazy import Lazy

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf
else:
    np, tf = Lazy("numpy"), Lazy("tensorflow")

JPEG = "jpeg444"
"""The codelab's: quality 95, colours at full size."""

ENCODINGS = (JPEG, "jpeg420", "yuv420", "raw")
JPEGS = (JPEG, "jpeg420")

_FROM_RGB = ((65.481, 128.553, 24.966), (-37.797, -74.203, 112.0), (112.0, -93.786, -18.214))  # of RGB in [0, 1]
_OFFSETS = (16, 128, 128)
_TO_RGB = ((1.164383, 0.0, 1.596027), (1.164383, -0.391762, -0.812968), (1.164383, 2.017232, 0.0))


def check_size(encoding: str, image_size: int) -> None:
    """Checks that images of a size can be held so.

    Raises:
        InputError: If there is no such encoding, or planes would have half a pixel.
    """
    errors.one_of("format", encoding, ENCODINGS)
    if encoding == "yuv420" and image_size % 2:
        raise errors.InputError(
            f"`image_size` must be even for `yuv420`, whose colours have half of it. Received: {image_size}"
        )


def bytes_of(encoding: str, image_size: int) -> int | None:
    """Bytes of an image; None for a JPEG, whose content decides."""
    pixels = image_size * image_size
    return {"raw": 3 * pixels, "yuv420": pixels * 3 // 2}.get(encoding)


def encode(image: np.ndarray, encoding: str) -> bytes:
    """The bytes of an image, uint8 `(size, size, 3)`, that is not to be a JPEG."""
    if encoding == "raw":
        return image.tobytes()
    matrix = np.array(_FROM_RGB, np.float32).T / np.float32(255)
    planes = image.astype(np.float32) @ matrix + np.array(_OFFSETS, np.float32)
    half = image.shape[0] // 2
    colours = planes[..., 1:].reshape(half, 2, half, 2, 2).mean(axis=(1, 3))
    parts = planes[..., 0], colours[..., 0], colours[..., 1]
    return b"".join(np.clip(np.rint(part), 0, 255).astype(np.uint8).tobytes() for part in parts)


def check_bytes(content: bytes, encoding: str, image_size: int) -> None:
    """Checks that an image that is no JPEG has the bytes of its size.

    Raises:
        InputError: If not.
    """
    wanted = bytes_of(encoding, image_size)
    if wanted is not None and len(content) != wanted:
        what = "a JPEG" if content[:2] == b"\xff\xd8" else f"{len(content)} bytes"
        raise errors.InputError(
            f"Images must be {encoding} of {image_size} x {image_size} pixels, {wanted} bytes each. Received: {what}. "
            f"Records of two formats or sizes cannot be mixed: write the records again"
        )


def decode_into(place: np.ndarray, content: bytes, encoding: str) -> None:
    """Writes the pixels of an image that is no JPEG into its place, uint8 `(size, size, 3)`.

    Raises:
        InputError: If it is of another size.
    """
    size = place.shape[0]
    check_bytes(content, encoding, size)
    pixels = np.frombuffer(content, np.uint8)
    if encoding == "raw":
        place[:] = pixels.reshape(place.shape)
        return
    import cv2

    cv2.cvtColor(pixels.reshape(size * 3 // 2, size), cv2.COLOR_YUV2RGB_I420, place)


def decode(content: Any, encoding: str, image_size: int) -> tf.Tensor:
    """The same within a graph of TensorFlow; planes differ by the rounding of at most one.

    Args:
        content: Scalar string.
        encoding: Of `ENCODINGS`.
        image_size: Side of the image in pixels.

    Returns:
        uint8, `(size, size, 3)`; of a JPEG statically `(None, None, 3)`.

    Raises:
        tf.errors.InvalidArgumentError: If it is damaged or of another size.
    """
    if encoding in JPEGS:
        return images.decode(content)
    pixels = tf.io.decode_raw(content, tf.uint8)
    if encoding == "raw":
        return tf.reshape(pixels, (image_size, image_size, 3))
    half = image_size // 2
    whole, colour = image_size * image_size, half * half
    pixels = tf.cast(tf.ensure_shape(pixels, (whole + 2 * colour,)), tf.float32)
    brightness = tf.reshape(pixels[:whole], (image_size, image_size)) - 16
    blue, red = (
        _double(tf.reshape(pixels[start : start + colour], (half, half)) - 128) for start in (whole, whole + colour)
    )
    channels = [y * brightness + u * blue + v * red for y, u, v in _TO_RGB]
    return tf.cast(tf.clip_by_value(tf.round(tf.stack(channels, axis=-1)), 0, 255), tf.uint8)


def _double(plane: Any) -> Any:
    """Each pixel four times."""
    return tf.repeat(tf.repeat(plane, 2, axis=0), 2, axis=1)
