"""JPEG bytes -> a whole batch of pixels, by libjpeg-turbo and OpenCV called directly instead of by TensorFlow's ops.

What is saved: TensorFlow's handling of every single image, its slower decoder, and copies. Each image is decoded into
its place in the batch, whose memory is used again. Both libraries let go of Python's lock while they work.
"""

import mmap
import os
import threading
import weakref
from collections.abc import Iterable
from functools import lru_cache
from math import gcd

import cv2
import numpy as np
import simplejpeg

from flowers_core import errors

_HEADROOM = 2  # memory for a photo is asked for twice as large as needed, or each larger photo would ask again


class BatchDecoder:
    """Makes batches of one image size; many threads may call it at once.

    Args:
        image_size: Side of the images in pixels.
    """

    def __init__(self, image_size: int):
        self._size = image_size
        self._memory = BatchMemory()
        self._desk = threading.local()  # of each thread: where a photo lies before it is scaled
        cv2.setNumThreads(1)  # each thread that fills works on a batch of its own: OpenCV's would only be in the way

    def decode_records(self, jpegs: Iterable[bytes], batch: np.ndarray | None = None) -> np.ndarray:
        """Decodes images of the right size, those of records; the pixels are those of `images.decode`.

        Args:
            jpegs: As many as the batch holds.
            batch: Where to; memory of the filler if None.

        Returns:
            uint8, shape `(images, image_size, image_size, 3)`.

        Raises:
            InputError: If an image is of another size.
            tf.errors.InvalidArgumentError: If an image is truncated or damaged.
        """
        batch = self._memory.batch(len(jpegs), self._size) if batch is None else batch
        for place, jpeg in zip(batch, jpegs, strict=True):
            pixels = _decoded(jpeg, place)
            if pixels.shape != place.shape:
                raise errors.InputError(
                    f"Images must be of {self._size} x {self._size} pixels. "
                    f"Received: {pixels.shape[0]} x {pixels.shape[1]}. Write records of this size"
                )
            if pixels.base is not place and not np.shares_memory(pixels, place):
                place[:] = pixels
        return batch

    def decode_photos(self, jpegs: Iterable[bytes], batch: np.ndarray | None = None) -> np.ndarray:
        """Decodes photos of any size, then fills and crops as `images.fill_and_crop` does.

        The pixels differ by rounding: where that cuts fractions off, OpenCV rounds (51 dB and more).

        Args:
            jpegs: As many as the batch holds; may be read while they are drawn.
            batch: Where to; memory of the filler if None.

        Returns:
            uint8, shape `(images, image_size, image_size, 3)`.

        Raises:
            tf.errors.InvalidArgumentError: If a photo is truncated or damaged.
        """
        batch = self._memory.batch(len(jpegs), self._size) if batch is None else batch
        for place, jpeg in zip(batch, jpegs, strict=True):
            self.fill_and_crop(place, self._whole(jpeg))
        return batch

    def _whole(self, jpeg: bytes) -> np.ndarray:
        """A decoded photo, valid until this thread's next."""
        desk = self._desk
        try:
            return simplejpeg.decode_jpeg(jpeg, "RGB", True, buffer=desk.photo)
        except (AttributeError, ValueError):  # the first photo of this thread, one that is larger, or a damaged one
            desk.photo = np.empty(_HEADROOM * _bytes(jpeg), np.uint8)
            return _decoded(jpeg, desk.photo)

    def fill_and_crop(self, place: np.ndarray, photo: np.ndarray) -> None:
        """Scales the middle of a decoded photo into its place, uint8 `(image_size, image_size, 3)`."""
        size, desk = self._size, self._desk
        rows, columns, height, width, top, left = crop_region(*photo.shape[:2], size)
        photo = photo[rows, columns]
        if (height, width) == (size, size):
            cv2.resize(photo, (size, size), place)
            return
        needed = height * width * 3
        if getattr(desk, "scaled", place[:0]).size < needed:
            desk.scaled = np.empty(_HEADROOM * needed, np.uint8)
        scaled = desk.scaled[:needed].reshape(height, width, 3)
        cv2.resize(photo, (width, height), scaled)
        place[:] = scaled[top : top + size, left : left + size]


def map_of_records(image_size: int):
    """A map, for `tf.data`, from a batch of records to uint8 images and labels."""
    from flowers_core.data import tfrecords

    decode = BatchDecoder(image_size).decode_records

    def read(some):
        jpegs, labels = tfrecords.parse_batch(some)
        return _called(decode, jpegs, image_size), labels

    return read


def map_of_photos(image_size: int):
    """A map, for `tf.data`, from a batch of the bytes of photos to uint8 images."""
    fill = BatchDecoder(image_size).decode_photos
    return lambda some: _called(fill, some, image_size)


def _called(function, strings, image_size):
    """Images that a Python function makes of a batch of strings, with their shape as far as it is known."""
    import tensorflow as tf

    pixels = tf.numpy_function(function, [strings], tf.uint8, stateful=False)
    return tf.ensure_shape(pixels, (strings.shape[0], image_size, image_size, 3))


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


def _decoded(jpeg: bytes, memory: np.ndarray) -> np.ndarray:
    """Pixels in `memory`; elsewhere if libjpeg-turbo complains, for then TensorFlow decides what is damaged."""
    try:
        return simplejpeg.decode_jpeg(jpeg, "RGB", True, buffer=memory)  # True: the DCT that TensorFlow takes, too
    except ValueError:
        import tensorflow as tf

        return tf.io.decode_jpeg(jpeg, channels=3).numpy()


def _bytes(jpeg: bytes) -> int:
    """What the pixels of a photo take; 0 if its header is damaged."""
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(jpeg)
    except ValueError:
        return 0
    return height * width * 3


class BatchMemory:
    """BatchMemory for batches, taken again when nobody holds the batch any more.

    Fresh memory would have to be cleared by the kernel, page by page, and threads wait for each other in it. It begins
    at a page, so that TensorFlow takes it as it is, without a copy.
    """

    def __init__(self):
        self._free: list[mmap.mmap] = []

    def batch(self, images: int, size: int) -> np.ndarray:
        """Room for images, uint8 `(images, size, size, 3)`, with what was left in it."""
        needed = images * size * size * 3
        try:
            memory = self._free.pop()
        except IndexError:
            memory = None
        if memory is None or len(memory) < needed:  # the last batch of a pass is smaller than the others
            memory = mmap.mmap(-1, needed)
        flat = np.frombuffer(memory, np.uint8, needed)  # every view of the batch keeps this one
        weakref.finalize(flat, self._free.append, memory).atexit = False
        return flat.reshape(images, size, size, 3)
