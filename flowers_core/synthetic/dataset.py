"""The embedded data set: photographs of flowers of five kinds, drawn by code from a seed.

The same seed gives the same bytes whatever the number of processes, with the same versions of numpy and
Pillow and the same kind of processor. A garden of 300 photos is the beginning of a garden of 3670.
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
from pathlib import Path

import numpy as np

from flowers_core import errors, progress
from flowers_core.data import storage
from flowers_core.synthetic import photo

COUNTS = {"daisy": 633, "dandelion": 898, "roses": 641, "sunflowers": 699, "tulips": 799}
"""Photos a class of the real data set (codelab, section 2)."""

FULL = sum(COUNTS.values())
"""Photos of the real data set, 3670."""

DRAWING = 1  # to be raised when painting, petals or backdrops draw something else for the same seed
DRAWN_BY = "c0e2876696bb05b91dde231e30f716102b68ad134bda5145199ddd24baad7f1a"
"""SHA-256 of those three files: a test asks for a new DRAWING when they change."""

MARK = "garden.json"  # says what a folder holds
STALE_SECONDS = 60  # a photo is written in milliseconds: a temporary file older than this belongs to nobody


def names(count: int) -> list[str]:
    """Gives the photos of a garden by index, each as `<class>/<index>.jpg`.

    The next photo is of the class that lags most behind its share. So every beginning of a garden has the
    proportions of the whole, to about one photo, and the first five photos are of five classes.
    """
    share = np.array([*COUNTS.values()]) / FULL
    drawn, kinds = np.zeros(len(COUNTS)), [*COUNTS]
    given = []
    for index in range(count):
        lagging = int(np.argmax(share * (index + 1) - drawn))
        drawn[lagging] += 1
        given.append(f"{kinds[lagging]}/{index:05d}.jpg")
    return given


def draw(folder, *, count: int = 300, seed: int = 0, processes: int | None = None) -> Path:
    """Draws a garden, or what is missing of it, as `folder/<class>/<index>.jpg`.

    Args:
        folder: New or empty, or holding this garden: whole, interrupted, or with fewer photos or more.
        count: Photos in all, at least 5, one a class; `FULL` is as many as the real data set has.
        seed: Decides every photo; 0 or more.
        processes: How many processes draw; None for one for each core that may be used. They are spawned, so a
            script that calls this with more than one needs the usual `if __name__ == "__main__":`.

    Returns:
        The folder. Photos that were there already are not drawn again, and none is removed: where the folder holds
        more than `count`, they stay.

    Raises:
        InputError: If a number makes no sense, or if the folder cannot be used or holds anything else.
        OSError: If the disk is full or a drawing process was killed. No photo is ever half there: draw again to
            finish.
    """
    count, seed = _whole("count", count, 5), _whole("seed", seed, 0)
    processes = len(os.sched_getaffinity(0)) if processes is None else _whole("processes", processes, 1)
    folder, wanted = Path(storage.checked(folder)), {"drawing": DRAWING, "seed": seed, "count": count}
    try:
        marked = _marked(folder, wanted)
        there = _held(folder, set(names(max(count, marked))) if marked else set())
        missing = [(folder / name, seed, index) for index, name in enumerate(names(count)) if name not in there]
        if missing:
            _open(folder, wanted | {"count": max(count, marked)})
            _draw_all(missing, min(processes, len(missing)))
    except BrokenProcessPool as error:
        raise OSError("a drawing process was killed (memory?); draw again to finish") from error
    except OSError as error:
        if storage.is_full(error):
            raise OSError(error.errno, error.strerror, str(folder)) from error
        raise errors.InputError(
            f"`folder` must be a folder that can be written to. Received: folder={str(folder)!r}: "
            f"{error.strerror}. Give another folder"
        ) from error
    return folder


def _whole(name: str, value, least: int) -> int:
    """Gives `value` as an int if it is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise errors.InputError(f"`{name}` must be a whole number, {least} or more. Received: {name}={value!r}")
    return int(value)


def _held(folder: Path, photos: set[str]) -> set[str]:
    """Gives which of these photos the folder holds already, after making sure that it holds nothing else."""
    found = {path.relative_to(folder).as_posix() for path in folder.glob("*/[!.]*")}
    top = {path.name for path in folder.glob("[!.]*")}
    foreign = sorted((top - {MARK, *COUNTS}) | (found - photos))
    if foreign:
        raise errors.InputError(
            f"`folder` must be empty or hold a garden and nothing else. Received: folder={str(folder)!r} with "
            f"{foreign[0]} in it. Give another folder"
        )
    return found


def _marked(folder: Path, wanted: dict) -> int:
    """Gives how many photos of the wanted garden the folder is marked as holding; 0 without a mark."""
    try:
        found = json.loads((folder / MARK).read_text("utf-8"))
        same = all(found[key] == wanted[key] for key in ("drawing", "seed"))
        count = _whole("count", found["count"], 5)
    except FileNotFoundError:
        return 0
    except (ValueError, TypeError, KeyError):
        found, same = "something unreadable", False
    if not same:
        raise errors.InputError(
            f"`folder` holds another garden. Expected: {wanted} or another count in {folder / MARK}. "
            f"Received: {found}. Give another folder, or delete this one"
        )
    return count


def _open(folder: Path, wanted: dict) -> None:
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


def _draw_one(task) -> None:
    path, seed, index = task
    _write(path, photo.photo(path.parent.name, np.random.SeedSequence((seed, index))))


def _draw_all(tasks, processes: int) -> None:
    """Draws photos in this process, or in others: a process that starts anew imports numpy and Pillow only."""
    with progress.bar("drawing photos", len(tasks)) as advance:
        if processes == 1:
            for task in tasks:
                _draw_one(task)
                advance()
            return
        spawn = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(processes, mp_context=spawn, initializer=_settle)
        try:
            # Held back, lest Ctrl-C end a process that has not settled: the pool would kill the others in mid-photo.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                drawn = pool.map(_draw_one, tasks, chunksize=4)
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            for _ in drawn:
                advance()
        finally:
            pool.shutdown(cancel_futures=True)


def _settle() -> None:
    """Makes a drawing process leave Ctrl-C to its parent, finish its photos, and never outlive its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
