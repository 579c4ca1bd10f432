"""Decode ceilings: the work alone, on bytes in memory, by a process per core, with no loader around it.

The kernels are those of `flowers_core.input.fast_decode`, the fastest known way to the same pixels: the processes
share no lock, and each decodes into memory that it reuses.
"""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from multiprocessing.synchronize import Semaphore
from pathlib import Path

from bench.input.loaders.task import Task
from bench.run.child import die_with_parent
from bench.run.product import RunFailed

LOOK_SECONDS = 0.5  # how often a wait for a batch checks that the processes live


def load(task: Task) -> Iterator[int]:
    """Yields the number of images of each batch that any of the processes has finished.

    Raises:
        RunFailed: If one of them dies.
    """
    paths = [path for path, _ in task.labelled_paths()]
    context = multiprocessing.get_context("spawn")
    finished = context.Semaphore(0)
    processes = [
        context.Process(target=_work, args=(os.getpid(), task, paths[number :: task.cores], finished), daemon=True)
        for number in range(task.cores)
    ]
    for process in processes:
        process.start()
    while True:
        is_ready = finished.acquire(timeout=LOOK_SECONDS)
        codes = [process.exitcode for process in processes if process.exitcode is not None]
        if codes:
            raise RunFailed(f"A process that decodes ({task.variant}) died with exit code {codes[0]}")
        if is_ready:
            yield task.batch_size


def _work(parent: int, task: Task, paths: Sequence[str], finished: Semaphore) -> None:
    """Works until the loader ends, however it does."""
    die_with_parent(parent)
    for _ in work(task, paths):
        finished.release()


def work(task: Task, paths: Sequence[str]) -> Iterator[None]:
    """Works through the batches of one process for ever, and yields after each."""
    return _read(task, paths) if task.variant == "page cache" else _decode(task, paths)


def _read(task: Task, paths: Sequence[str]) -> Iterator[None]:
    from flowers_core.input import fast_decode

    for number, path in enumerate(cycle(paths), 1):
        fast_decode.read(path)
        if number % task.batch_size == 0:
            yield


def _decode(task: Task, paths: Sequence[str]) -> Iterator[None]:
    import numpy as np
    import simplejpeg

    from flowers_core.data.decoding import Decoding
    from flowers_core.input import fast_decode

    jpegs = [Path(path).read_bytes() for path in paths]
    how = Decoding(size=task.decode or "full")
    decoder, memory = fast_decode.BatchDecoder(task.image_size, how), np.empty(max(map(_pixel_bytes, jpegs)), np.uint8)
    decode = {
        "decode": decoder.decode_records,
        "decode and resize": decoder.decode_photos,
        "decode alone": lambda batch: [simplejpeg.decode_jpeg(jpeg, "RGB", True, buffer=memory) for jpeg in batch],
    }[task.variant]
    endless = cycle(jpegs)
    while True:
        decode(list(islice(endless, task.batch_size)))
        yield


def _pixel_bytes(jpeg: bytes) -> int:
    import simplejpeg

    height, width, _, _ = simplejpeg.decode_jpeg_header(jpeg)
    return int(height) * int(width) * 3
