"""Deals photos to shards, and finds a folder that holds these records already or that another process is writing."""

import fcntl
import hashlib
import os
import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from pathlib import Path

from flowers_core import errors
from flowers_core.data import manifest, storage
from flowers_core.data.photos import Photos

IMAGE_SIZES = (192, 224, 331, 512)
"""Sides in pixels in which the codelab published its records."""

_OURS = re.compile(
    r"flowers\d+(-\d+\.tfrec|(-[0-9a-f]{8})?\.tmp)|(manifest|flowers-dealt|flowers-written)\.json(\.tmp)?|unfinished\.tmp"
)
"""Every name that an unfinished call may leave behind, but for its mark; nothing else is ever removed."""


def relative(path: str, photos: Photos) -> str:
    """The path of a photo below the folder of all photos."""
    return path.removeprefix(photos.folder.rstrip("/") + "/")


def source_digest(photos: Photos) -> str:
    """SHA-256 of the sorted relative paths and sizes in bytes of photos; the size of a missing one is -1."""
    with ThreadPoolExecutor(32) as pool:  # in a bucket every size is a request
        sizes = pool.map(storage.size, photos.paths)
        lines = [f"{relative(path, photos)}\t{size}\n" for path, size in zip(photos.paths, sizes, strict=True)]
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def deal(photos: Photos, *, shards: int, seed: int) -> list[list[tuple[str, int]]]:
    """Shuffles photos once and deals them to shards.

    As the codelab deals (section 3), ceil(photos / shards) to each and the rest to the last; where that would
    leave the last ones empty, evenly.

    Args:
        photos: The `photos.Photos` to deal, in any order.
        shards: Number of shards, at most that of the photos.
        seed: The same seed and photos give the same deal on every machine.

    Returns:
        For each shard its `(path, label)` pairs.
    """
    draw = random.Random(seed)
    pairs = sorted(zip(photos.paths, photos.labels, strict=True))
    pairs.sort(key=lambda _: draw.random())  # shuffle() may change with Python, random() promises not to
    count = len(pairs)
    per_shard = -(-count // shards)
    if per_shard * (shards - 1) < count:
        edges = [min(per_shard * shard, count) for shard in range(shards + 1)]
    else:
        edges = [count * shard // shards for shard in range(shards + 1)]
    return [pairs[first:last] for first, last in pairwise(edges)]


def existing(folder: str | Path, wanted: manifest.Manifest, *, shards: int) -> manifest.Manifest | None:
    """The manifest of a folder that holds the wanted records; None if they must be written.

    Args:
        folder: Where the records belong.
        wanted: Their manifest, without shards.
        shards: How many there shall be.

    Raises:
        InputError: If the folder holds other records, or these but damaged.
    """
    held = storage.listing(folder)
    if manifest.NAME not in held:
        others = [name for name in held if name.endswith(".tfrec")]
        if others and manifest.UNFINISHED not in held:
            raise _other(folder, f"{others[0]} and no {manifest.NAME}")
        return None
    there = manifest.load(folder)
    for name in ("image_size", "seed", "classes"):
        if getattr(there, name) != getattr(wanted, name):
            raise _other(folder, f"records of {name}={getattr(there, name)!r}, not {getattr(wanted, name)!r}")
    if there.features.encoding != wanted.features.encoding:
        raise _other(folder, f"records of format {there.features.encoding}, not {wanted.features.encoding}")
    if there.decoding != wanted.decoding:
        said = ", ".join(f"{name}={value}" for name, value in there.decoding.unusual.items())
        raise _other(folder, f"records of photos decoded by {said or 'the codelab'}, not as asked for")
    if there.source_digest != wanted.source_digest:
        raise _other(folder, "records of other photos (some were added, removed or changed)")
    if len(there.shards) != shards:
        raise _other(folder, f"{len(there.shards)} shards, not {shards}")
    return there


@contextmanager
def exclusive(folder: str | Path) -> Iterator[None]:
    """Marks a folder as unfinished while the block writes records into it; if that fails, removes them again.

    On a disk the mark is locked as well, against a second process; a bucket knows no locks.

    Raises:
        InputError: If another process writes there, or has just finished.
    """
    mark = storage.join(folder, manifest.UNFINISHED)
    if storage.is_bucket(folder):
        storage.write_text(mark, "records are being written here\n")
    with nullcontext() if storage.is_bucket(folder) else _lock(Path(mark)):
        try:
            _clear(folder)
            yield
        except BaseException:  # an interrupt as well
            _clear(folder)
            storage.remove(mark)  # last: after another interrupt the folder still says that it is unfinished
            raise
        storage.remove(mark)


@contextmanager
def _lock(mark: Path) -> Iterator[None]:
    """Holds the lock of a folder, which is made if missing."""
    mark.parent.mkdir(parents=True, exist_ok=True)
    with mark.open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _busy(mark.parent) from error
        # Who held it until just now has removed the mark, so that this locks nothing, or left whole records.
        if not os.fstat(file.fileno()).st_nlink or (mark.parent / manifest.NAME).exists():
            raise _busy(mark.parent)
        yield


def _clear(folder: str | Path) -> None:
    """Removes all but the mark of what an unfinished call wrote: it is of no use, and may fill a disk."""
    storage.remove(storage.join(folder, manifest.NAME))  # first: it promises shards
    for name in storage.listing(folder):
        if _OURS.fullmatch(name):
            storage.remove(storage.join(folder, name))


def _busy(folder: str | Path) -> errors.InputError:
    return errors.InputError(
        f"`folder` must not be written by two at once. Received: {folder}, which is being written by another "
        f"process. Wait for its end and do the same again, or choose another folder"
    )


def _other(folder: str | Path, what: str) -> errors.InputError:
    return errors.InputError(
        f"`folder` must be empty or hold the same records, from the same photos, size, shards and seed. "
        f"Received: {folder} with {what}. Choose another folder, or remove this one"
    )
