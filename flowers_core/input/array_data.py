"""The two splits as NumPy batches, for backends that draw in Python: what `training_data` gives, without TensorFlow."""

import tempfile
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice
from typing import Any

import keras
import numpy as np

from flowers_core.data import shards as shard_paths
from flowers_core.data import tfrecord_reader
from flowers_core.input import decode_pool, fast_decode
from flowers_core.input.cache import IN_MEMORY, Cache

Batch = tuple[np.ndarray, np.ndarray]
_DECODED_AT_ONCE = 32


class Images:
    """Images and labels of some shards on disk, in the order of reading; kept decoded, unless the cache is `none`."""

    def __init__(self, shards: Sequence[str], *, image_size: int, cache: Cache):
        self._records = list(tfrecord_reader.locate(shards))
        self._features = shard_paths.of(shards).features
        self._decoder = fast_decode.BatchDecoder(image_size, encoding=self._features.encoding)
        self._shape = (len(self._records), image_size, image_size, 3)
        self._pixels: np.ndarray | None = None
        self._labels = np.empty(len(self._records), np.int64)
        if cache.place != "none":
            self._pixels = self._decode(cache)

    def __len__(self) -> int:
        return len(self._records)

    def _decode(self, cache: Cache) -> np.ndarray:
        """All pixels, in memory or in a file that goes when the process ends; fills in the labels."""
        pixels = np.empty(self._shape, np.uint8) if cache.place == "memory" else _on_disk(self._shape)
        records = iter(self._records)
        orders = iter(lambda: list(islice(records, _DECODED_AT_ONCE)), [])
        size, done = {"image_size": self._shape[1], "batch_size": _DECODED_AT_ONCE}, 0
        how: dict[str, Any] = {"kind": "records", "count": decode_pool.worker_count(), "features": self._features}
        for images, labels in decode_pool.decode_batches(orders, **how, **size):
            pixels[done : done + len(labels)], self._labels[done : done + len(labels)] = images, labels
            done += len(labels)
        return pixels

    def take(self, rows: np.ndarray) -> Batch:
        """Some images, uint8, with their labels."""
        if self._pixels is not None:
            return self._pixels[rows], self._labels[rows]
        found = [self._records[row] for row in rows]
        pairs = (
            tfrecord_reader.parse(tfrecord_reader.map_file(path)[start:end], path, self._features)
            for path, start, end in found
        )
        jpegs, labels = zip(*pairs, strict=True)
        return self._decoder.decode_records(jpegs), np.array(labels, np.int64)


def training(
    shards: Sequence[str],
    *,
    image_size: int,
    batch_size: int,
    augmentation: str = "codelab",
    shuffle_buffer: int = 2048,
    seed: int | None = None,
    cache: Cache = IN_MEMORY,
) -> Generator[Batch]:
    """Batches to train on, for ever: shuffled, batched, augmented; see `training_data.training`.

    Yields:
        `(images, labels)`: float32 in [0, 1], shape `(batch_size, image_size, image_size, 3)`, and int64.
    """
    images = Images(shards, image_size=image_size, cache=cache)
    return draw(images, batch_size=batch_size, augmentation=augmentation, shuffle_buffer=shuffle_buffer, seed=seed)


def draw(
    images: Images, *, batch_size: int, augmentation: str, shuffle_buffer: int, seed: int | None
) -> Generator[Batch]:
    """Batches of some images as `training` gives them, from the first image on."""
    numbers = np.random.default_rng(seed)

    def batches() -> Generator[Batch]:
        for rows in shuffle(len(images), batch_size=batch_size, shuffle_buffer=shuffle_buffer, draw=numbers):
            pixels, labels = images.take(rows)
            yield augment(scale(pixels), augmentation, numbers), labels

    return ahead(batches())


class Slices(keras.utils.PyDataset):
    """Arrays as batches, once a pass, in the same order each time, the last batch smaller."""

    def __init__(self, *arrays: np.ndarray, batch_size: int):
        super().__init__()
        self._arrays, self._batch_size = arrays, batch_size

    def __len__(self) -> int:
        return -(-len(self._arrays[0]) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:  # pyrefly: ignore[bad-override]: untyped
        """A slice of each array."""
        return tuple(array[index * self._batch_size : (index + 1) * self._batch_size] for array in self._arrays)


class Validation(keras.utils.PyDataset):
    """Batches to validate on: every image once a pass, in the same order each time, the last batch smaller.

    Args:
        shards: Paths of the shards.
        image_size: Side of the images in pixels.
        batch_size: Images a batch.
        cache: Where decoded images are kept.
    """

    def __init__(self, shards: Sequence[str], *, image_size: int, batch_size: int, cache: Cache = IN_MEMORY):
        super().__init__()
        self._images = Images(shards, image_size=image_size, cache=cache)
        self._batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self._images) // self._batch_size)

    def __getitem__(self, index: int) -> Batch:  # pyrefly: ignore[bad-override]: the parent is untyped
        """A batch: float32 in [0, 1] and int64."""
        rows = np.arange(index * self._batch_size, min((index + 1) * self._batch_size, len(self._images)))
        pixels, labels = self._images.take(rows)
        return scale(pixels), labels

    def __iter__(self) -> Iterator[Batch]:  # pyrefly: ignore[bad-override]: likewise
        return map(self.__getitem__, range(len(self)))


def shuffle(rows: int, *, batch_size: int, shuffle_buffer: int, draw: np.random.Generator) -> Generator[np.ndarray]:
    """Numbers of rows, again and again, in batches: each is drawn from a buffer that the stream of rows refills."""
    stream = (number % rows for number in count())
    held = list(islice(stream, shuffle_buffer))
    while True:
        batch = np.empty(batch_size, np.int64)
        for place, chosen in enumerate(draw.integers(len(held), size=batch_size)):
            batch[place], held[chosen] = held[chosen], next(stream)
        yield batch


def scale(pixels: np.ndarray) -> np.ndarray:
    """Turns uint8 pixels into float32 in [0, 1]."""
    return pixels.astype(np.float32) / 255


def augment(images: np.ndarray, augmentation: str, draw: np.random.Generator) -> np.ndarray:
    """Flips every other image left to right; `codelab` draws its saturation between 0 (grey) and 2 as well.

    Args:
        images: float32 in [0, 1], shape `(batch, height, width, 3)`; may be changed in place.
        augmentation: One of `train.settings.AUGMENTATIONS`.
        draw: Decides both for each image.
    """
    if augmentation == "none":
        return images
    flipped = draw.random(len(images)) < 0.5
    images[flipped] = images[flipped, :, ::-1]
    if augmentation == "flip":
        return images
    return saturate(images, draw.uniform(0, 2, len(images)).astype(np.float32))


def saturate(images: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Multiplies the saturation (HSV) of each image by a factor, at most to 1; hue and value stay.

    Args:
        images: float32 in [0, 1], shape `(batch, height, width, 3)`.
        factors: float32 of 0 and more, shape `(batch,)`.
    """
    value = images.max(axis=3, keepdims=True)
    chroma = value - images.min(axis=3, keepdims=True)
    # Each colour lies below the value by a part of the chroma, which saturation scales; grey has none.
    most = np.divide(value, chroma, out=np.ones_like(value), where=chroma > 0)
    return value - (value - images) * np.minimum(factors[:, None, None, None], most)


def ahead(batches: Iterator) -> Generator:
    """The same batches, each made by a thread while its consumer uses the one before."""
    with ThreadPoolExecutor(1) as thread:
        pending = thread.submit(next, batches, None)
        while (batch := pending.result()) is not None:
            pending = thread.submit(next, batches, None)
            yield batch


def _on_disk(shape: tuple[int, ...]) -> Any:
    """An array of uint8 in a file without a name, which goes with the last that uses it."""
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.uint8, "w+", shape=shape)
