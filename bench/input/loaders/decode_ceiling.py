"""Limits: the work alone, on bytes in memory, by as many processes as cores, with no loader around it.

The kernels are those of `flowers_core.input.fast_decode`, the fastest way found to the same pixels: a process a core
shares no lock, and decodes into memory that it uses again.
"""

import multiprocessing
import os
from itertools import cycle, islice
from pathlib import Path

from bench.input.loaders.task import Task
from bench.run.measure import die_with_parent


def draw(task: Task):
    """Yields the number of images of each batch that any of the processes has done."""
    yield from at_once(task, _work)


def at_once(task: Task, work):
    """The same of `work(way, paths, image_size, batch_size, done)`, a process a core, which releases `done`."""
    paths = [path for path, _ in task.labelled()]
    context = multiprocessing.get_context("spawn")
    done = context.Semaphore(0)
    for number in range(task.cores):
        mine = paths[number :: task.cores]
        given = task.way, mine, task.image_size, task.batch_size, done
        context.Process(target=_working, args=(work, os.getpid(), *given), daemon=True).start()
    while True:
        done.acquire()
        yield task.batch_size


def _working(work, parent: int, *given) -> None:
    """Works until the lane ends, however it does."""
    die_with_parent(parent)
    work(*given)


def _work(way: str, paths: list[str], size: int, batch_size: int, done) -> None:
    """Does batches for ever."""
    work = _reading(paths, batch_size) if way == "page cache" else _decoding(way, paths, size, batch_size)
    for _ in work:
        done.release()


def _reading(paths, batch_size):
    from flowers_core.input import fast_decode

    for number, path in enumerate(cycle(paths), 1):
        fast_decode.read(path)
        if number % batch_size == 0:
            yield


def _decoding(way, paths, size, batch_size):
    import numpy as np
    import simplejpeg

    from flowers_core.input import fast_decode

    jpegs = [Path(path).read_bytes() for path in paths]
    filler, memory = fast_decode.BatchDecoder(size), np.empty(max(map(_bytes, jpegs)), np.uint8)
    do = {
        "decode": filler.decode_records,
        "decode and resize": filler.decode_photos,
        "decode alone": lambda some: [simplejpeg.decode_jpeg(jpeg, "RGB", True, buffer=memory) for jpeg in some],
    }[way]
    endless = cycle(jpegs)
    while True:
        do(list(islice(endless, batch_size)))
        yield


def _bytes(jpeg: bytes) -> int:
    import simplejpeg

    height, width, _, _ = simplejpeg.decode_jpeg_header(jpeg)
    return height * width * 3
