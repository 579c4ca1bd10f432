"""Batches made by decode workers, one process for each core: no thread waits for another's Python lock.

A decode worker is started as `python -m flowers_core.input.decode_worker` and follows orders, a JSON line each, on its
standard input. Pixels and labels come back in memory that is shared with it, and are never copied.

Why not `multiprocessing.Pool` or `ProcessPoolExecutor`: results come back pickled through a pipe. A batch of 32 images
is 3.5 MB and takes 8 ms of this process, about as long as two cores take to decode it. Why not
`multiprocessing.shared_memory`: its blocks have names in /dev/shm, which containers limit to 64 MB, and a killed
process leaves them behind; a memfd has no name and goes with its last holder. Why not fork: TensorFlow's threads do not
survive it. Why not threads: libjpeg-turbo and OpenCV let go of Python's lock, but what happens between two images does
not; threads lost a fifth of the decode ceiling of records.
"""

import json
import mmap
import os
import select
import signal
import subprocess
import sys
import time
import weakref
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self, cast

import numpy as np

from flowers_core import errors, resources
from flowers_core.data import decoding as decodings
from flowers_core.data.decoding import Decoding
from flowers_core.data.shards import CODELAB, Features

WORKERS = "FLOWERS_DECODE_WORKERS"
"""Variable that says how many decode workers a pipeline has, where that is not one a core."""

ORDERS_AHEAD = 2  # orders a decode worker has at once: the next is there when one is done
MOST_WORKERS = 1024
MOST_PENDING = 3  # the same with batches that are done and wait for one that was ordered before them
_LABEL_BYTES = 8
_living: set[int] = set()
_ended_seconds = 0.0
_recorders: list[list["Span"]] = []


def worker_count() -> int:
    """How many decode workers a pipeline has: as many as `WORKERS` says, or else one a core.

    Raises:
        InputError: If the variable holds no number from 1 on.
    """
    asked = os.environ.get(WORKERS, "")
    if not asked:
        return resources.parallelism()
    if not (asked.isascii() and asked.isdecimal() and 1 <= int(asked[:6]) <= MOST_WORKERS):
        raise errors.InputError(f"{WORKERS} must be a number from 1 to {MOST_WORKERS}. Received: {asked!r}")
    return int(asked)


def worker_ids() -> tuple[int, ...]:
    """Process ids of the decode workers of this process."""
    return tuple(_living)


def cpu_seconds() -> float:
    """CPU seconds, user and system, of all decode workers that this process has had."""
    return _ended_seconds + sum(map(_cpu_seconds_of, worker_ids()))


class Span(NamedTuple):
    """When a decode worker made a batch.

    Attributes:
        worker: Its process id.
        began_ns: Nanoseconds since 1970, by the clock that profilers use.
        ended_ns: Likewise.
        images: How many it decoded.
    """

    worker: int
    began_ns: int
    ended_ns: int
    images: int


@contextmanager
def record_spans() -> Iterator[list[Span]]:
    """Collects what all decode workers of this process make while the block runs, as they tell it."""
    spans: list[Span] = []
    _recorders.append(spans)
    try:
        yield spans
    finally:
        _recorders[:] = [other for other in _recorders if other is not spans]  # `remove` would compare them


def decode_batches(
    orders: Iterable[list],
    *,
    kind: str,
    image_size: int,
    batch_size: int,
    count: int,
    features: Features = CODELAB,
    decoding: Decoding = decodings.CODELAB,
) -> Generator[tuple[np.ndarray, np.ndarray]]:
    """The batches of some orders, in their order.

    Args:
        orders: Of each batch what `decode_worker` makes an image of, at most `batch_size` of them.
        kind: One of `decode_worker.KINDS`.
        image_size: Side of the images in pixels.
        batch_size: Images a batch at most.
        count: How many decode workers there are.
        features: Names of the features of records.
        decoding: How photos become pixels.

    Yields:
        `(images, labels)`: uint8 `(batch, image_size, image_size, 3)`, which is overwritten once no view of it is
        left, and int64 `(batch,)`.

    Raises:
        InputError: If what an order names is not as it must be.
        tf.errors.InvalidArgumentError: If an image is truncated or damaged.
        OSError: If a file cannot be read, or a decode worker is lost.
    """
    memory = SharedMemory(batch_size, image_size)
    with memory, ExitStack() as stack:
        sizes = {"image_size": image_size, "batch_size": batch_size}
        job = {"kind": kind, "memory": memory.file, "features": asdict(features), "decoding": asdict(decoding), **sizes}
        workers = [stack.enter_context(_Worker(job)) for _ in range(count)]
        yield from _distribute(iter(orders), workers, memory)


def _distribute(
    orders: Iterator[list], workers: list["_Worker"], memory: "SharedMemory"
) -> Generator[tuple[np.ndarray, np.ndarray]]:
    """Gives each order to the worker that has fewest, and yields batches in the order of their orders.

    A core that others take away for a while then delays its own work alone.
    """
    pending: deque[_Ordered] = deque()
    while True:
        while len(pending) < MOST_PENDING * len(workers):
            worker = min(workers, key=lambda worker: len(worker.ordered))
            if len(worker.ordered) == ORDERS_AHEAD or not (items := next(orders, None)):
                break
            pending.append(_Ordered(worker, worker.order(memory.take(), items), len(items)))
        if not pending:
            return
        if pending[0].is_done():
            yield pending.popleft().batch()
        else:
            for worker in select.select([worker for worker in workers if worker.ordered], [], [])[0]:
                worker.receive()


class _Ordered(NamedTuple):
    """A batch that a worker was ordered to make."""

    worker: "_Worker"
    slot: "Slot"
    images: int

    def is_done(self) -> bool:
        return self.slot.number not in self.worker.ordered

    def batch(self) -> tuple[np.ndarray, np.ndarray]:
        return self.slot.images[: self.images], self.slot.labels[: self.images].copy()


class _Worker:
    """A process that follows orders until there are no more."""

    def __init__(self, job: dict):
        package = str(Path(__file__).parents[2])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "flowers_core.input.decode_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # `select` would not see what a buffer had read ahead
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            pass_fds=[job["memory"]],
        )
        self._input = cast(BinaryIO, self._process.stdin)
        self._output = cast(BinaryIO, self._process.stdout)
        _living.add(self._process.pid)
        self.ordered: deque[int] = deque()
        self._write(job)

    def order(self, slot: "Slot", items: list) -> "Slot":
        """Orders a batch, and returns the slot that it comes into."""
        self.ordered.append(slot.number)
        self._write({"slot": slot.number, "items": items})
        return slot

    def _write(self, line: dict) -> None:
        rest = memoryview(json.dumps(line).encode() + b"\n")
        with suppress(BrokenPipeError):  # `receive` says why
            while rest:
                rest = rest[self._input.write(rest) :]

    def fileno(self) -> int:
        """Where its answers come from, for `select`."""
        return self._output.fileno()

    def receive(self) -> None:
        """Waits until its oldest order is done."""
        line = self._output.readline()
        if not line:
            code = self._wait()
            how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
            raise ChildProcessError(f"a process that decodes images ended {how}: the images are not complete")
        answer = json.loads(line)
        if "error" in answer:
            raise _ERRORS[answer["error"]](answer["says"])
        self.ordered.popleft()
        for spans in _recorders:
            spans.append(Span(self._process.pid, answer["began_ns"], answer["ended_ns"], answer["images"]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it, whatever it is at."""
        if self._process.returncode is None:
            os.kill(self._process.pid, signal.SIGKILL)  # `Popen.kill` would wait for one that has ended by itself
            self._wait()
        self._input.close()
        self._output.close()

    def _wait(self) -> int:
        """Waits until it has ended and keeps its CPU seconds; returns its exit code."""
        global _ended_seconds
        pid = self._process.pid
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # its clock goes when it is waited for
        _living.discard(pid)
        _ended_seconds += _cpu_seconds_of(pid)
        return self._process.wait()


def _damage_error(says: str) -> Exception:
    import tensorflow as tf

    return tf.errors.InvalidArgumentError(None, None, says)


_ERRORS = {"input": errors.InputError, "image": _damage_error, "file": OSError}


def _cpu_seconds_of(pid: int) -> float:
    """CPU seconds of another process, by its own clock (`clock_getcpuclockid`); 0 when it is gone.

    Why not psutil or /proc/PID/stat: they count in ticks of 10 ms, more than a small batch takes.
    """
    with suppress(OSError):
        return time.clock_gettime((~pid << 3) | 2)
    return 0.0


class Slot:
    """Shared memory for one batch.

    Attributes:
        number: Its place among the slots.
        images: uint8, shape `(batch_size, image_size, image_size, 3)`; begins at a page, so that TensorFlow takes it
            without a copy.
        labels: int64, shape `(batch_size,)`.
    """

    def __init__(self, memory: mmap.mmap, number: int, batch_size: int, image_size: int):
        flat = np.frombuffer(memory, np.uint8)  # every view keeps this one
        pixels = batch_size * image_size * image_size * 3
        start = pixels + -pixels % _LABEL_BYTES
        self.number, self.flat = number, flat
        self.images = flat[:pixels].reshape(batch_size, image_size, image_size, 3)
        self.labels = flat[start : start + _LABEL_BYTES * batch_size].view(np.int64)


class SharedMemory:
    """Slots in one file without a name, each reused once no view of its images is left.

    There are as many as are held at once: a consumer that keeps batches, as a cache does, keeps slots.

    Args:
        batch_size: Images of a slot.
        image_size: Their side in pixels.
        file: Descriptor of the file; a new one if None.
    """

    def __init__(self, batch_size: int, image_size: int, file: int | None = None):
        self._sizes = batch_size, image_size
        needed = batch_size * (image_size * image_size * 3 + _LABEL_BYTES) + _LABEL_BYTES
        self._bytes = -(-needed // mmap.PAGESIZE) * mmap.PAGESIZE
        self.file = os.memfd_create("flowers-batches") if file is None else file
        self._mapped: list[mmap.mmap] = []
        self._free: list[int] = []

    def take(self) -> Slot:
        """A slot that is not in use."""
        try:
            number = self._free.pop()  # the one used last, which caches may still hold
        except IndexError:
            number = len(self._mapped)
            os.ftruncate(self.file, (number + 1) * self._bytes)
        slot = self.slot(number)
        release: Any = weakref.finalize(slot.flat, self._free.append, number)
        release.atexit = False
        return slot

    def slot(self, number: int) -> Slot:
        """The slot of a number, as another process has taken it."""
        while len(self._mapped) <= number:
            self._mapped.append(mmap.mmap(self.file, self._bytes, offset=len(self._mapped) * self._bytes))
        return Slot(self._mapped[number], number, *self._sizes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the file; slots that are held stay as they are."""
        os.close(self.file)
