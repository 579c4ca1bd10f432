"""A decode worker: `python -m flowers_core.input.decode_worker`, started by `decode_pool`, makes batches for it."""

import ctypes
import json
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np

from flowers_core import errors
from flowers_core.data import tfrecord_reader
from flowers_core.data.decoding import Decoding
from flowers_core.data.shards import Features
from flowers_core.input import decode_pool, fast_decode


def read_photos(items: Iterable[tuple[str, int]], _: dict) -> Iterator[tuple[bytes, int]]:
    """Bytes and label of photos, given their paths and labels."""
    return ((fast_decode.read(path), label) for path, label in items)


def read_records(items: Iterable[tuple[str, int, int]], job: dict) -> Iterator[tuple[bytes, int]]:
    """JPEG and label of records, given where they are: see `tfrecord_reader.locate`."""
    features = Features(**job["features"])
    return (tfrecord_reader.parse(_shard(path)[start:end], path, features) for path, start, end in items)


@lru_cache(2 * tfrecord_reader.SHARDS_AT_ONCE)
def _shard(path: str) -> memoryview:
    return tfrecord_reader.map_file(path)


# How what an order names is read, and how an image gets into its place in the batch.
KINDS = {
    "photos": (read_photos, fast_decode.BatchDecoder.decode_photos),
    "records": (read_records, fast_decode.BatchDecoder.decode_records),
}


def follow(lines: Iterable[str], answer: Callable[[dict], None]) -> None:
    """Makes a batch for each order, the first line being the job: see `decode_pool.decode_batches`."""
    lines = iter(lines)
    job = json.loads(next(lines))
    memory = decode_pool.SharedMemory(job["batch_size"], job["image_size"], file=job["memory"])
    encoding = Features(**job["features"]).encoding
    decoder = fast_decode.BatchDecoder(job["image_size"], Decoding(**job["decoding"]), encoding=encoding)
    read, decode = KINDS[job["kind"]]
    for line in lines:
        order = json.loads(line)
        slot, last, began = memory.slot(order["slot"]), [""], time.time_ns()
        try:
            jpegs = _copy_labels(read(_remember_last(order["items"], last), job), slot.labels)
            decode(decoder, jpegs, slot.images[: len(order["items"])])
            answer({"began_ns": began, "ended_ns": time.time_ns(), "images": len(order["items"])})
        except errors.InputError as error:
            answer({"error": "input", "says": _name_photo(str(error), last[0])})
        except OSError as error:
            answer({"error": "file", "says": str(error)})
        except _damage_errors() as error:
            answer({"error": "image", "says": _name_photo(getattr(error, "message", str(error)), last[0])})


def _remember_last(items: Iterable[Any], last: list[str]) -> Iterator[Any]:
    """Yields what a batch is made of, and keeps the path of the latest."""
    for item in items:
        last[0] = item[0]
        yield item


def _name_photo(says: str, path: str) -> str:
    """What is wrong, with the path of the photo or shard."""
    return says if path in says else f"{path}: {says}"


def _damage_errors() -> tuple[type[Exception], ...]:
    """What TensorFlow raises of a damaged image; nothing as long as it has not been asked."""
    tensorflow = sys.modules.get("tensorflow")
    return (tensorflow.errors.InvalidArgumentError,) if tensorflow else ()


def _copy_labels(pairs: Iterable[tuple[bytes, int]], labels: np.ndarray) -> Iterator[bytes]:
    """Yields the JPEGs, and writes their labels down."""
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

    def answer(content: dict) -> None:
        sys.stdout.write(json.dumps(content) + "\n")
        sys.stdout.flush()

    follow(sys.stdin, answer)


if __name__ == "__main__":
    main()
