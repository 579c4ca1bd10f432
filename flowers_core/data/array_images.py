"""Photos on this disk -> pixels -> JPEG without TensorFlow, by NumPy, libjpeg-turbo and PIL: the bytes of `images`.

OpenCV scales ten times as fast and is what the fast pipelines use, but rounds where the codelab cuts fractions off.
"""

import io
from collections.abc import Collection
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from flowers_core import errors
from flowers_core.data import decoding as decodings
from flowers_core.data import jpeg_check, tfrecord_reader
from flowers_core.data.decoding import Decoding

QUALITY = 95
DENSITY = (300, 300)  # dots an inch, which TensorFlow writes into every JPEG


def read(
    path: str, *, accept: Collection[str] = (), strict: bool = False, decoding: Decoding = decodings.CODELAB
) -> bytes:
    """The checked content of a photo; see `images.read`.

    Raises:
        InputError: If the photo cannot be read or decoded; the message is the bare reason, without the path.
    """
    try:
        if (size := Path(path).stat().st_size) > jpeg_check.MAX_BYTES:
            raise errors.InputError(f"{size} bytes, no photo")
        content = Path(path).read_bytes()
    except OSError as error:
        raise errors.InputError(f"cannot be read: {error.strerror}") from error
    return jpeg_check.check(content, accept=accept, strict=strict, decoding=decoding)


def decode_photo(photo: bytes, image_size: int, decoding: Decoding = decodings.CODELAB) -> np.ndarray:
    """Decodes a photo in the way that was chosen; see `images.decode_photo`.

    Raises:
        InputError: If it is truncated or damaged.
    """
    ratio = 1
    if decoding.size in decodings.LEAST and (shape := tfrecord_reader.image_shape(photo)):
        ratio = decoding.denominator(*shape, image_size)
    image = decode(photo, ratio)
    return decodings.turn(image, decodings.orientation(photo)) if decoding.exif == "apply" else image


def decode(photo: bytes, ratio: int = 1) -> np.ndarray:
    """Decodes a photo, uint8 `(height, width, 3)`; see `images.decode`.

    Args:
        photo: A JPEG, or what `jpeg_check.as_png` made.
        ratio: By what a JPEG is decoded smaller.

    Raises:
        InputError: If it is truncated or damaged.
    """
    import simplejpeg

    try:
        if jpeg_check.kind(photo) != "jpeg":
            return _decode_by_pillow(photo)
        height, width = map(int, simplejpeg.decode_jpeg_header(photo)[:2]) if ratio > 1 else (0, 0)
        decode_jpeg = partial(
            simplejpeg.decode_jpeg,
            photo,
            "RGB",
            fastdct=True,
            min_height=-(-height // ratio),
            min_width=-(-width // ratio),
        )
        try:
            return decode_jpeg()
        except ValueError:  # also of what libjpeg only warns of, and TensorFlow takes; PIL refuses what is missing
            _decode_by_pillow(photo)
            return decode_jpeg(strict=False)
    except (OSError, ValueError, SyntaxError) as error:
        raise errors.InputError("truncated or damaged JPEG data") from error


def _decode_by_pillow(photo: bytes) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(photo)) as image:
        return np.asarray(image.convert("RGB"))


def fill_and_crop(image: np.ndarray, size: int) -> np.ndarray:
    """Scales an image until it covers a square, and cuts out the middle; see `images.fill_and_crop`.

    Args:
        image: uint8, shape `(height, width, 3)`.
        size: Side of the square in pixels.

    Returns:
        uint8, shape `(size, size, 3)`.
    """
    image = decodings.middle(image)
    height, width = image.shape[:2]
    short = min(height, width)
    (above, below, down), (left, right, along) = (
        _neighbours(pixels, pixels * size // short, size) for pixels in (height, width)
    )
    first = min(above[0], below[0])
    rows = image[first : max(above[-1], below[-1]) + 1].astype(np.float32)
    begin = rows[:, left]
    scaled = begin + (rows[:, right] - begin) * along[:, None]  # every row that is needed, once
    upper = scaled[above - first]
    return (upper + (scaled[below - first] - upper) * down[:, None, None]).astype(np.uint8)


@lru_cache(4096)
def _neighbours(pixels: int, scaled: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the middle `size` of `scaled` pixels along a side: the two pixels each lies between, and where, in float32."""
    start = (scaled - size) // 2
    places = np.arange(start, start + size, dtype=np.float32)
    centres = (places + np.float32(0.5)) * (np.float32(pixels) / np.float32(scaled)) - np.float32(0.5)
    low = np.floor(centres)
    before = np.maximum(low.astype(np.int64), 0)
    return before, np.minimum(np.ceil(centres).astype(np.int64), pixels - 1), centres - low


def encode(image: np.ndarray, *, halve_colours: bool = False) -> bytes:
    """Compresses an image as the codelab's records hold it; see `images.encode`.

    Args:
        image: uint8, shape `(height, width, 3)`.
        halve_colours: As of `images.encode`.
    """
    from PIL import Image

    sampling = 2 if halve_colours else 0
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=QUALITY, subsampling=sampling, optimize=True, dpi=DENSITY)
    return file.getvalue()
