"""A process that makes batches for another one: `python -m flowers_core.input.decode_worker`, started by `workers`."""

import ctypes
import json
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache

import numpy as np

from flowers_core import errors
from flowers_core.data import tfrecord_reader
from flowers_core.input import decode_pool, fast_decode


def photos(items: Iterable[tuple[str, int]]) -> Iterator[tuple[bytes, int]]:
    """Bytes and label of photos, given their paths and labels."""
    return ((fast_decode.read(path), label) for path, label in items)


def records(items: Iterable[tuple[str, int, int]]) -> Iterator[tuple[bytes, int]]:
    """JPEG and label of records, given their places: see `tfrecord_reader.locate`."""
    return (tfrecord_reader.parse(_shard(path)[start:end], path) for path, start, end in items)


@lru_cache(2 * tfrecord_reader.SHARDS_AT_ONCE)
def _shard(path: str) -> memoryview:
    return tfrecord_reader.map_file(path)


# What an order names, and how an image gets into its place in the batch.
KINDS = {
    "photos": (photos, fast_decode.BatchDecoder.decode_photos),
    "records": (records, fast_decode.BatchDecoder.decode_records),
}


def follow(orders: Iterable[str], answer) -> None:
    """Makes a batch for each order, the first line being the job: see `decode_pool.decode_batches`."""
    orders = iter(orders)
    job = json.loads(next(orders))
    sizes = job["batch_size"], job["image_size"]
    memory, filler = decode_pool.SharedMemory(*sizes, file=job["memory"]), fast_decode.BatchDecoder(job["image_size"])
    draw, put = KINDS[job["kind"]]
    for line in orders:
        order = json.loads(line)
        slot = memory.slot(order["slot"])
        images, labels = slot.images[: len(order["items"])], slot.labels
        try:
            put(filler, _noting(draw(order["items"]), labels), images)
            answer({})
        except errors.InputError as error:
            answer({"error": "input", "says": str(error)})
        except OSError as error:
            answer({"error": "file", "says": str(error)})
        except _damaged() as error:
            answer({"error": "image", "says": error.message})


def _damaged() -> tuple[type[Exception], ...]:
    """What TensorFlow raises of a damaged image; nothing as long as it has not been asked."""
    tensorflow = sys.modules.get("tensorflow")
    return (tensorflow.errors.InvalidArgumentError,) if tensorflow else ()


def _noting(pairs: Iterable[tuple[bytes, int]], labels: np.ndarray) -> Iterator[bytes]:
    """The JPEGs; their labels are written down."""
    for number, (jpeg, label) in enumerate(pairs):
        labels[number] = label
        yield jpeg


def _wake_with_parent() -> None:
    """Asks the kernel to let this process go on when its parent ends, lest it be held still for ever.

    Awake, it reads that its input has ended. Another signal would do harm: the kernel sends it, too, when only the
    thread ends that started this process.
    """
    with suppress(OSError, AttributeError):
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGCONT)


def main() -> None:
    """Follows standard input until it ends, which it does with the process at its other end."""
    _wake_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for that process to decide

    def answer(said: dict) -> None:
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()

    follow(sys.stdin, answer)


if __name__ == "__main__":
    main()
