"""Synthetic photos: a data set of flowers of five kinds, drawn by code from a seed.

The same seed gives the same bytes whatever the number of processes, with the same versions of numpy and
Pillow and the same kind of processor. The first 300 photos of a set of 3,670 are the set of 300.
"""

import json
import multiprocessing
import numbers
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import cast

import numpy as np

from flowers_core import durable, errors, progress, resources
from flowers_core.data import storage
from flowers_core.synthetic import photo

COUNTS = {"daisy": 633, "dandelion": 898, "roses": 641, "sunflowers": 699, "tulips": 799}
"""Photos a class of the real data set (codelab, section 2)."""

FULL = sum(COUNTS.values())
"""Photos of the real data set, 3,670."""

DRAWING = 1  # raise it when photo, flowers or backgrounds draw something else for the same seed
DRAWN_BY = "74bc5e56273bdee2483303725cf6c10261210543a9d8cd4f3a80b3cb8400c062"
"""SHA-256 of those three files: a test asks for a new DRAWING when they change."""

MARK = "synthetic.json"  # says what a folder holds
STALE_SECONDS = 60  # a photo is written in milliseconds: nobody is still writing a temporary file older than this


def names(count: int) -> list[str]:
    """Names the first `count` photos, each as `<class>/<index>.jpg`.

    The next photo is of the class that lags most behind its share. So the first photos, however many, have the
    proportions of the whole, to about one photo, and the first five are of five classes.
    """
    share = np.array([*COUNTS.values()]) / FULL
    counts, kinds = np.zeros(len(COUNTS)), [*COUNTS]
    photos = []
    for index in range(count):
        lagging = int(np.argmax(share * (index + 1) - counts))
        counts[lagging] += 1
        photos.append(f"{kinds[lagging]}/{index:05d}.jpg")
    return photos


def draw(folder: str | Path, *, count: int = 300, seed: int = 0, processes: int | None = None) -> Path:
    """Draws photos, or those that are missing, as `folder/<class>/<index>.jpg`.

    Args:
        folder: New or empty, or holding photos of this seed: all, fewer or more, or those of an interrupted call.
        count: Photos in all, at least 5, one a class; `FULL` is as many as the real data set has.
        seed: Decides every photo; 0 or more.
        processes: How many processes draw; by default one for each usable core. They are spawned, so a script that
            calls this with more than one needs the usual `if __name__ == "__main__":`.

    Returns:
        The folder. Photos that were there already are not drawn again, and none is removed: where the folder holds
        more than `count`, they stay.

    Raises:
        InputError: If a number makes no sense, or if the folder cannot be used or holds anything else.
        OSError: If the disk is full or a drawing process was killed. No photo is ever half there: draw again to
            finish.
    """
    count, seed = _whole("count", count, 5), _whole("seed", seed, 0)
    processes = resources.parallelism() if processes is None else _whole("processes", processes, 1)
    folder, wanted = Path(storage.normalize(folder)), {"drawing": DRAWING, "seed": seed, "count": count}
    try:
        marked = _marked_count(folder, wanted)
        present = _present(folder, set(names(max(count, marked))) if marked else set())
        missing = [(folder / name, seed, index) for index, name in enumerate(names(count)) if name not in present]
        if missing:
            _prepare(folder, wanted | {"count": max(count, marked)})
            _draw_all(missing, min(processes, len(missing)))
    except BrokenProcessPool as error:
        raise OSError("a drawing process was killed (memory?); draw again to finish") from error
    except OSError as error:
        if durable.is_full(error):
            raise OSError(error.errno, error.strerror, str(folder)) from error
        raise errors.InputError(
            f"`folder` must be a folder that can be written to. Received: folder={str(folder)!r}: "
            f"{error.strerror}. Give another folder"
        ) from error
    return folder


def _whole(name: str, value: object, least: int) -> int:
    """Returns `value` as an int if it is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise errors.InputError(f"`{name}` must be a whole number, {least} or more. Received: {name}={value!r}")
    return int(value)


def _present(folder: Path, photos: set[str]) -> set[str]:
    """Returns which of these photos the folder holds already, after making sure that it holds nothing else."""
    present = {path.relative_to(folder).as_posix() for path in folder.glob("*/[!.]*")}
    top = {path.name for path in folder.glob("[!.]*")}
    foreign = sorted((top - {MARK, *COUNTS}) | (present - photos))
    if foreign:
        raise errors.InputError(
            f"`folder` must be empty or hold synthetic photos and nothing else. Received: folder={str(folder)!r} with "
            f"{foreign[0]} in it. Give another folder"
        )
    return present


def _marked_count(folder: Path, wanted: dict) -> int:
    """Returns how many of the wanted photos the folder is marked as holding; 0 without a mark."""
    try:
        mark = json.loads((folder / MARK).read_text("utf-8"))
        count = _whole("count", mark["count"], 5) if all(mark[key] == wanted[key] for key in ("drawing", "seed")) else 0
    except FileNotFoundError:
        return 0
    except (ValueError, TypeError, KeyError):
        mark, count = "something unreadable", 0
    if not count:
        raise errors.InputError(
            f"`folder` holds other synthetic photos. Expected: {wanted} or another count in {folder / MARK}. "
            f"Received: {mark}. Give another folder, or delete this one"
        )
    return count


def _prepare(folder: Path, wanted: dict) -> None:
    """Makes the folders, removes what a killed process left, and marks the folder."""
    for kind in COUNTS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*/.*.part"):
        if time.time() - path.stat().st_mtime > STALE_SECONDS:
            path.unlink(missing_ok=True)
    _write(folder / MARK, (json.dumps(wanted) + "\n").encode())


def _write(path: Path, content: bytes) -> None:
    """Writes a file that is there whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        storage.place(part, str(path))
    finally:
        part.unlink(missing_ok=True)


def _draw_one(task: tuple[Path, int, int]) -> None:
    path, seed, index = task
    _write(path, photo.draw(path.parent.name, np.random.SeedSequence((seed, index))))


def _draw_all(tasks: list[tuple[Path, int, int]], processes: int) -> None:
    """Draws photos in this process, or in spawned ones, which import numpy and Pillow only."""
    with progress.bar("drawing photos", len(tasks)) as advance:
        if processes == 1:
            for task in tasks:
                _draw_one(task)
                advance()
            return
        before = {*multiprocessing.active_children()}
        spawn = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(processes, mp_context=spawn, initializer=_settle)
        try:
            # Held back, lest Ctrl-C end a process that has not settled: the pool would kill the others in mid-photo.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                photos = pool.map(_draw_one, tasks, chunksize=4)
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            for _ in photos:
                advance()
        except BrokenProcessPool:
            for process in {*multiprocessing.active_children()} - before:
                process.kill()  # the pool ends them, but for one that it was starting just then: it waits for that
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _settle() -> None:
    """Makes a drawing process leave Ctrl-C to its parent, finish its photos, and never outlive its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = cast(BaseProcess, multiprocessing.parent_process())
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
