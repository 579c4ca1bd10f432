"""JPEG bytes -> image and back; fill and crop; augmentation. All of it also runs inside `tf.data` maps."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Any

from flowers_core import errors
from flowers_core.data import decoding as decodings
from flowers_core.data import jpeg_check
from flowers_core.lazy import Lazy

if TYPE_CHECKING:
    import tensorflow as tf
else:
    tf = Lazy("tensorflow")

Tensor = Any  # or whatever TensorFlow converts to a tensor


def _unreadable() -> tuple[type[Exception], ...]:
    """Faults of one photo. Others, such as a network that is gone, would skip every photo that follows."""
    return (
        tf.errors.NotFoundError,
        tf.errors.PermissionDeniedError,
        tf.errors.FailedPreconditionError,  # a folder named like a photo
        tf.errors.UnknownError,  # a disk that fails here
    )


def read(
    path: str, *, accept: Collection[str] = (), strict: bool = False, decoding: decodings.Decoding = decodings.CODELAB
) -> bytes:
    """The checked content of a photo of unknown origin, for `decode`: whoever takes photos from a user reads them here.

    Args:
        path: On disk or in a bucket.
        accept: Kinds beside JPEG that are taken, see `photos.ACCEPTABLE`.
        strict: Whether a JPEG that libjpeg only warns of is refused, too; costs decoding it once more.
        decoding: How large it may be, and whether PNG and WebP are turned upright.

    Raises:
        InputError: If the photo cannot be read or decoded; the message is the bare reason, without the path.
    """
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            if (size := file.size()) > jpeg_check.MAX_BYTES:
                raise errors.InputError(f"{size} bytes, no photo")
            content = file.read()
    except _unreadable() as error:
        raise errors.InputError(f"cannot be read: {message(error)}") from error
    return jpeg_check.check(content, accept=accept, strict=strict, decoding=decoding)


def message(error: Exception) -> str:
    """The message of an error, without the names of TensorFlow's nodes."""
    return re.sub(r"\{\{.*?\}\} ?| ?\[Op:.*?\]", "", getattr(error, "message", None) or str(error))


def decode(jpeg: Tensor) -> tf.Tensor:
    """Decodes a photo or the image of a record.

    Args:
        jpeg: Scalar string, RGB or greyscale JPEG.

    Returns:
        uint8 image, shape `(height, width, 3)`, statically `(None, None, 3)`.

    Raises:
        tf.errors.InvalidArgumentError: If it is truncated or damaged.
    """
    return tf.io.decode_jpeg(jpeg, channels=3)


def decode_photo(photo: Tensor, image_size: int, decoding: decodings.Decoding = decodings.CODELAB) -> tf.Tensor:
    """Decodes a photo that is to be filled and cropped, in the way that was chosen; the codelab's is that of `decode`.

    Args:
        photo: Scalar string, as of `decode`.
        image_size: Side of the image in pixels that it is to become.
        decoding: How.

    Returns:
        As `decode`.

    Raises:
        tf.errors.InvalidArgumentError: If it is truncated or damaged.
    """
    least = decodings.LEAST.get(decoding.size, 0) * image_size
    image = _decode_scaled(photo, least) if least else decode(photo)
    return _upright(image, photo) if decoding.exif == "apply" else image


def _decode_scaled(photo: Tensor, least: int) -> tf.Tensor:
    """A JPEG decoded as small as `Decoding.denominator` says, its short side at least so long.

    A PNG, which records may be written from, is decoded as it is.
    """

    def decode_jpeg() -> tf.Tensor:
        height, width, _ = tf.unstack(tf.io.extract_jpeg_shape(photo))
        room = tf.minimum(height, width) // least
        ratios = (1, *sorted(decodings.DENOMINATORS))
        branches = [lambda: decode(photo), *(partial(tf.io.decode_jpeg, photo, 3, ratio) for ratio in ratios[1:])]
        return tf.switch_case(tf.add_n([tf.cast(room >= ratio, tf.int32) for ratio in ratios[1:]]), branches)

    return tf.cond(tf.io.is_jpeg(photo), decode_jpeg, lambda: decode(photo))


def _upright(image: tf.Tensor, photo: Tensor) -> tf.Tensor:
    """The image as the orientation in its photo's EXIF data says that it is to be seen."""
    read = tf.autograph.experimental.do_not_convert(_orientation)
    orientation = tf.numpy_function(read, [photo], tf.int64, stateful=False)
    transposed = partial(tf.transpose, image, (1, 0, 2))
    turned = [
        lambda: image,
        lambda: tf.reverse(image, [1]),
        lambda: tf.reverse(image, [0, 1]),
        lambda: tf.reverse(image, [0]),
        transposed,
        lambda: tf.reverse(transposed(), [1]),
        lambda: tf.reverse(transposed(), [0, 1]),
        lambda: tf.reverse(transposed(), [0]),
    ]
    return tf.switch_case(tf.cast(tf.ensure_shape(orientation, ()), tf.int32) - 1, turned)


def _orientation(photo: Any) -> int:
    """Called with bytes within a graph, and with an array of them elsewhere."""
    return decodings.orientation(photo if isinstance(photo, bytes) else photo.item())


def fill_and_crop(image: Tensor, size: int) -> tf.Tensor:
    """Scales an image until it covers a square, sides in proportion, and cuts out the middle.

    The codelab's rule (section 3): bilinear without antialias, smaller images are scaled up, and the cast to
    uint8 cuts the fraction off instead of rounding.

    Args:
        image: Shape `(height, width, 3)`, uint8 or float32 in [0, 255].
        size: Side of the square in pixels.

    Returns:
        uint8 image, shape `(size, size, 3)`.
    """
    height, width = tf.unstack(tf.shape(image)[:2])
    short = tf.minimum(height, width)
    kept_height, kept_width = (
        tf.minimum(height, decodings.LONGEST * short),
        tf.minimum(width, decodings.LONGEST * short),
    )
    start = [(height - kept_height) // 2, (width - kept_width) // 2, 0]
    image = tf.slice(image, start, [kept_height, kept_width, 3])  # the image itself, not a copy, unless it is so long
    height, width = kept_height, kept_width
    # Whole numbers: the short side is exact and the long one falls as the codelab's float sizes are cut off.
    height, width = height * size // short, width * size // short
    image = tf.image.resize(image, (height, width))
    image = tf.image.crop_to_bounding_box(image, (height - size) // 2, (width - size) // 2, size, size)
    return tf.cast(image, tf.uint8)


def encode(image: Tensor, *, halve_colours: bool = False) -> tf.Tensor:
    """Compresses an image as the codelab's records hold it: quality 95, colours at full resolution (4:4:4).

    Args:
        image: uint8, shape `(height, width, 3)`.
        halve_colours: Whether colours have half the resolution each way instead (4:2:0).

    Returns:
        Scalar string, a JPEG.
    """
    return tf.io.encode_jpeg(image, quality=95, optimize_size=True, chroma_downsampling=halve_colours)


def scale(image: Tensor) -> tf.Tensor:
    """Turns uint8 pixels of any shape into float32 in [0, 1], the range of every model of the codelab."""
    return tf.cast(image, tf.float32) / 255


def augment(image: Tensor, seed: Tensor | None = None) -> tf.Tensor:
    """Flips every other image left to right and draws its saturation between 0 (grey) and 2.

    Put it after `cache`, or the augmentation of the first epoch is repeated.

    Args:
        image: float32 in [0, 1], shape `(height, width, 3)`: saturation is wrong for floats beyond 1.
        seed: int64, shape `(2,)`, which decides flip and saturation. If None they are drawn at each call,
            and the threads of a parallel map draw in any order.

    Returns:
        float32 image in [0, 1] of the same shape.
    """
    if seed is None:
        return tf.image.random_saturation(flip(image), 0, 2)
    # One seed would decide both by the same number: each mirror image would be paler than its photo, all others richer.
    of_flip, of_saturation = tf.unstack(tf.random.split(seed, 2))
    return tf.image.stateless_random_saturation(flip(image, of_flip), 0, 2, of_saturation)


def flip(image: Tensor, seed: Tensor | None = None) -> tf.Tensor:
    """Flips every other image left to right.

    Args:
        image: Any dtype, shape `(height, width, channels)`.
        seed: As of `augment`.

    Returns:
        The image, or its mirror image.
    """
    return tf.cond(is_flipped(seed), lambda: tf.reverse(image, [1]), lambda: image)


def is_flipped(seed: Tensor | None = None) -> tf.Tensor:
    """Scalar bool, true every other time: whether `flip` mirrors the image with this seed."""
    draw = tf.random.uniform(()) if seed is None else tf.random.stateless_uniform((), seed)
    return draw < 0.5
