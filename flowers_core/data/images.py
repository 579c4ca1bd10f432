"""JPEG bytes -> image and back; fill and crop; augmentation. All of it also runs inside `tf.data` maps."""

from typing import Any

import tensorflow as tf

Tensor = Any  # or whatever TensorFlow converts to a tensor


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
    # Whole numbers: the short side is exact and the long one falls as the codelab's float sizes are cut off.
    height, width = height * size // short, width * size // short
    image = tf.image.resize(image, (height, width))
    image = tf.image.crop_to_bounding_box(image, (height - size) // 2, (width - size) // 2, size, size)
    return tf.cast(image, tf.uint8)


def encode(image: Tensor) -> tf.Tensor:
    """Compresses an image as the codelab's records hold it: quality 95, colours at full resolution (4:4:4).

    Args:
        image: uint8, shape `(height, width, 3)`.

    Returns:
        Scalar string, a JPEG.
    """
    return tf.io.encode_jpeg(image, quality=95, optimize_size=True, chroma_downsampling=False)


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
    image = flip(image, seed)
    if seed is None:
        return tf.image.random_saturation(image, 0, 2)
    return tf.image.stateless_random_saturation(image, 0, 2, seed)


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
