"""What each thing that our pipelines do gains: the limit with that one thing done otherwise."""

from itertools import cycle, islice
from pathlib import Path

from bench.input.loaders import decode_ceiling
from bench.input.loaders.task import Task


def draw(task: Task):
    """Yields the number of images of each batch that any of the processes has done."""
    yield from decode_ceiling.at_once(task, _work)


def _work(way: str, paths: list[str], size: int, batch_size: int, done) -> None:
    """Does batches for ever."""
    make = _batch_maker(way, size)
    jpegs = cycle([Path(path).read_bytes() for path in paths])
    while True:
        make(list(islice(jpegs, batch_size)))
        done.release()


def _batch_maker(way: str, size: int):
    """A function of some JPEGs that makes a batch of them, with one thing done otherwise."""
    import numpy as np
    import simplejpeg

    from flowers_core.input import fast_decode

    filler, memory = fast_decode.BatchDecoder(size), np.empty(2**26, np.uint8)  # more than any of these photos takes
    kept = np.empty((512, size, size, 3), np.uint8)
    decode = {
        "slow DCT": lambda jpeg: simplejpeg.decode_jpeg(jpeg, "RGB", False, buffer=memory),
        "scale all": lambda jpeg: simplejpeg.decode_jpeg(jpeg, "RGB", True, buffer=memory),
        "fresh memory": lambda jpeg: simplejpeg.decode_jpeg(jpeg, "RGB", True),
        "copied": lambda jpeg: simplejpeg.decode_jpeg(jpeg, "RGB", True, buffer=memory),
    }[way]

    def make(jpegs) -> None:
        count = len(jpegs)
        batch = np.empty((count, size, size, 3), np.uint8) if way == "fresh memory" else kept[:count]
        for place, jpeg in zip(batch, jpegs, strict=True):
            image = decode(jpeg)
            if image.shape == place.shape:
                place[:] = image
            elif way == "scale all":
                place[:] = _scaled_whole(image, size)
            else:
                filler.fill_and_crop(place, image)

    return make


def _scaled_whole(image, size: int):
    """Fills and crops with all of the photo scaled."""
    import cv2

    height, width = image.shape[:2]
    short = min(height, width)
    height, width = height * size // short, width * size // short
    top, left = (height - size) // 2, (width - size) // 2
    return cv2.resize(image, (width, height))[top : top + size, left : left + size]
