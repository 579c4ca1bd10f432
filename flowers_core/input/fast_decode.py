"""JPEG bytes -> a whole batch of pixels, by libjpeg-turbo and OpenCV called directly instead of by TensorFlow's ops.

What is saved: TensorFlow's handling of every single image, its slower decoder, and copies. Each image is decoded into
its place in the batch, whose memory is used again. Both libraries let go of Python's lock while they work.
"""

import mmap
import os
import threading
import weakref
from collections.abc import Callable, Iterable
from functools import lru_cache
from math import gcd
from typing import Any

import numpy as np
import simplejpeg

from flowers_core import errors
from flowers_core.data import decoding as decodings
from flowers_core.data import encodings, tfrecord_reader
from flowers_core.data.decoding import Decoding
from flowers_core.data.shards import CODELAB, Features
from flowers_core.lazy import Lazy

cv2: Any = Lazy("cv2")  # images of records are never scaled, and need none

_FAST_DCT = True  # as TensorFlow decodes, too
_HEADROOM = 2  # memory for a photo is asked for twice as large as needed, or each larger photo would ask again


# What turns a photo upright, by the orientation in its EXIF data; None where it is.
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray] | None] = {
    1: None,
    2: lambda photo: cv2.flip(photo, flipCode=1),
    3: lambda photo: cv2.rotate(photo, rotateCode=cv2.ROTATE_180),
    4: lambda photo: cv2.flip(photo, flipCode=0),
    5: lambda photo: cv2.transpose(photo),
    6: lambda photo: cv2.rotate(photo, rotateCode=cv2.ROTATE_90_CLOCKWISE),
    7: lambda photo: cv2.rotate(cv2.transpose(photo), cv2.ROTATE_180),
    8: lambda photo: cv2.rotate(photo, rotateCode=cv2.ROTATE_90_COUNTERCLOCKWISE),
}


class BatchDecoder:
    """Makes batches of one image size; many threads may call it at once.

    Args:
        image_size: Side of the images in pixels.
        decoding: How photos become pixels; images of records are as they are.
        encoding: How records hold their images, of `encodings.ENCODINGS`.
    """

    def __init__(self, image_size: int, decoding: Decoding = decodings.CODELAB, *, encoding: str = encodings.JPEG):
        self._size, self._decoding = image_size, decoding
        self._encoding = "" if encoding in encodings.JPEGS else encoding
        self._memory = BatchMemory()
        self._scratch = threading.local()  # of each thread: the photo before it is scaled

    def decode_records(self, jpegs: Iterable[bytes], batch: np.ndarray | None = None) -> np.ndarray:
        """Decodes images of the right size, those of records; the pixels are those of `images.decode`.

        Args:
            jpegs: As many as the batch holds, or images of the other encoding; may be read while they are decoded.
            batch: Where to; memory of the decoder if None.

        Returns:
            uint8, shape `(images, image_size, image_size, 3)`.

        Raises:
            InputError: If an image is of another size or encoding.
            tf.errors.InvalidArgumentError: If an image is truncated or damaged.
        """
        jpegs, batch = self._with_memory(jpegs, batch)
        for place, jpeg in zip(batch, jpegs, strict=True):
            if self._encoding:
                encodings.decode_into(place, jpeg, self._encoding)
                continue
            try:
                pixels = simplejpeg.decode_jpeg(jpeg, "RGB", _FAST_DCT, buffer=place)
            except ValueError:
                self._check_size(*(tfrecord_reader.image_shape(jpeg) or place.shape[:2]))  # a larger one does not fit
                pixels = _decode_by_tensorflow(jpeg)
            self._check_size(*pixels.shape[:2])
            if pixels.base is not place and not np.shares_memory(pixels, place):
                place[:] = pixels
        return batch

    def decode_photos(self, jpegs: Iterable[bytes], batch: np.ndarray | None = None) -> np.ndarray:
        """Decodes photos of any size, then fills and crops as `images.fill_and_crop` does.

        The pixels differ by rounding: where that cuts fractions off, OpenCV rounds (51 dB and more).

        Args:
            jpegs: As many as the batch holds; may be read while they are decoded.
            batch: Where to; memory of the decoder if None.

        Returns:
            uint8, shape `(images, image_size, image_size, 3)`.

        Raises:
            tf.errors.InvalidArgumentError: If a photo is truncated or damaged.
        """
        jpegs, batch = self._with_memory(jpegs, batch)
        for place, jpeg in zip(batch, jpegs, strict=True):
            photo = self._decode_photo(jpeg)
            turn = _TURNS[decodings.orientation(jpeg)] if self._decoding.exif == "apply" else None
            self.fill_and_crop(place, turn(photo) if turn else photo)
        return batch

    def _with_memory(self, jpegs: Iterable[bytes], batch: np.ndarray | None) -> tuple[Iterable[bytes], np.ndarray]:
        if batch is not None:
            return jpegs, batch
        jpegs = list(jpegs)
        return jpegs, self._memory.batch(len(jpegs), self._size)

    def _check_size(self, height: int, width: int) -> None:
        if (height, width) != (self._size, self._size):
            raise errors.InputError(
                f"Images must be of {self._size} x {self._size} pixels. "
                f"Received: {height} x {width}. Write records of this size"
            )

    def _decode_photo(self, jpeg: bytes) -> np.ndarray:
        """A decoded photo, valid until this thread's next."""
        scratch = self._scratch
        if self._decoding.size in decodings.LEAST and (scaled := self._decode_scaled(jpeg)) is not None:
            return scaled
        try:
            return simplejpeg.decode_jpeg(jpeg, "RGB", _FAST_DCT, buffer=scratch.photo)
        except (AttributeError, ValueError):  # the first photo of this thread, one that is larger, or a damaged one
            height, width = tfrecord_reader.image_shape(jpeg) or (0, 0)
            scratch.photo = np.empty(_HEADROOM * height * width * 3, np.uint8)
        try:
            return simplejpeg.decode_jpeg(jpeg, "RGB", _FAST_DCT, buffer=scratch.photo)
        except ValueError:
            return _decode_by_tensorflow(jpeg)

    def _decode_scaled(self, jpeg: bytes) -> np.ndarray | None:
        """A large photo decoded at 1/2, 1/4 or 1/8 within its inverse DCT; None if it is to be decoded as it is."""
        height, width = tfrecord_reader.image_shape(jpeg) or (0, 0)
        ratio = self._decoding.denominator(height, width, self._size)
        if ratio == 1:
            return None
        least = {"min_height": -(-height // ratio), "min_width": -(-width // ratio)}
        try:
            return simplejpeg.decode_jpeg(jpeg, "RGB", _FAST_DCT, **least)
        except ValueError:
            return _decode_by_tensorflow(jpeg, ratio)

    def fill_and_crop(self, place: np.ndarray, photo: np.ndarray) -> None:
        """Scales the middle of a decoded photo into its place, uint8 `(image_size, image_size, 3)`."""
        size, scratch = self._size, self._scratch
        if not hasattr(scratch, "single"):
            cv2.setNumThreads(1)  # each thread that fills works on a batch of its own: OpenCV's would be in the way
            scratch.single = True
        photo = decodings.middle(photo)
        rows, columns, height, width, top, left = crop_region(*photo.shape[:2], size)
        photo = photo[rows, columns]
        if (height, width) == (size, size):
            cv2.resize(photo, (size, size), place)
            return
        needed = height * width * 3
        if getattr(scratch, "scaled", place[:0]).size < needed:
            scratch.scaled = np.empty(_HEADROOM * needed, np.uint8)
        scaled = scratch.scaled[:needed].reshape(height, width, 3)
        cv2.resize(photo, (width, height), scaled)
        place[:] = scaled[top : top + size, left : left + size]


def map_of_records(image_size: int, features: Features = CODELAB) -> Callable:
    """A map, for `tf.data`, from a batch of records to uint8 images and labels."""
    from flowers_core.data import tfrecords

    decoder = BatchDecoder(image_size, encoding=features.encoding)
    decode = _map_of_batches(decoder.decode_records, image_size)

    def parse_and_decode(records: Any) -> tuple:
        jpegs, labels = tfrecords.parse_batch(records, features)
        return decode(jpegs), labels

    return parse_and_decode


def map_of_photos(image_size: int, decoding: Decoding = decodings.CODELAB) -> Callable:
    """A map, for `tf.data`, from a batch of the bytes of photos to uint8 images."""
    return _map_of_batches(BatchDecoder(image_size, decoding).decode_photos, image_size)


def _map_of_batches(decode: Callable[[np.ndarray], np.ndarray], image_size: int) -> Callable:
    """A map that decodes a batch in Python; images have their shape as far as it is known."""
    import tensorflow as tf

    def apply(jpegs: tf.Tensor) -> tf.Tensor:
        pixels = tf.numpy_function(decode, [jpegs], tf.uint8, stateful=False)
        return tf.ensure_shape(pixels, (jpegs.shape[0], image_size, image_size, 3))

    return apply


@lru_cache(4096)
def crop_region(height: int, width: int, size: int) -> tuple[slice, slice, int, int, int, int]:
    """The least of a photo that has to be scaled for its middle to be as if all of it had been.

    The cut falls where whole pixels of the photo and of the scaled photo meet; elsewhere every pixel would be moved by
    a fraction, down to 21 dB. Of 320 x 240 a quarter need not be scaled, of 500 x 333 nothing can be spared.

    Args:
        height: Of the photo.
        width: Of the photo.
        size: Side of the square that is wanted.

    Returns:
        `(rows, columns, height, width, top, left)`: what to cut out of the photo, the size to scale it to, and where
        the square begins in that.
    """
    short = min(height, width)
    rows, scaled_height, top = _along(height, height * size // short, size)
    columns, scaled_width, left = _along(width, width * size // short, size)
    return rows, columns, scaled_height, scaled_width, top, left


def _along(pixels: int, scaled: int, size: int) -> tuple[slice, int, int]:
    """The same along one side, of `pixels` that would be scaled to `scaled`."""
    meetings = gcd(pixels, scaled)
    stride, scaled_stride = pixels // meetings, scaled // meetings
    offset = (scaled - size) // 2
    first, last = offset // scaled_stride, -(-(offset + size) // scaled_stride)
    return slice(first * stride, last * stride), (last - first) * scaled_stride, offset - first * scaled_stride


def read(path: str) -> bytes:
    """The content of a file on disk, in fewer calls than `open` makes.

    Raises:
        OSError: If it cannot be read.
    """
    file = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(file).st_size
        content = os.read(file, size)
        while len(content) < size and (more := os.read(file, size - len(content))):
            content += more
        return content
    finally:
        os.close(file)


def _decode_by_tensorflow(jpeg: bytes, ratio: int = 1) -> np.ndarray:
    """Where libjpeg-turbo complains it is TensorFlow that decides what is damaged; without it all of that is."""
    try:
        import tensorflow as tf
    except ImportError:
        raise errors.InputError("truncated or damaged JPEG data") from None
    return tf.io.decode_jpeg(jpeg, channels=3, ratio=ratio).numpy()


class BatchMemory:
    """Memory for batches, reused once no view of the batch is left.

    Fresh memory would have to be cleared by the kernel, page by page, and threads wait for each other in it. It begins
    at a page, so that TensorFlow takes it as it is, without a copy.
    """

    def __init__(self):
        self._free: list[mmap.mmap] = []

    def batch(self, images: int, size: int) -> np.ndarray:
        """Memory for images, uint8 `(images, size, size, 3)`, with what was left in it."""
        needed = images * size * size * 3
        try:
            memory = self._free.pop()
        except IndexError:
            memory = None
        if memory is None or len(memory) < needed:  # the last batch of a pass is smaller than the others
            memory = mmap.mmap(-1, needed)
        flat = np.frombuffer(memory, np.uint8, needed)  # every view of the batch keeps this one
        release: Any = weakref.finalize(flat, self._free.append, memory)
        release.atexit = False
        return flat.reshape(images, size, size, 3)
