"""Names on a disk that survive a power cut; of the standard library alone, for the harness loads it, too."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path


def make_folder(folder: str | Path) -> None:
    """Makes a folder with those above it; after a power cut it is still there."""
    folder = Path(folder).absolute()
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for place in missing:
        sync(place.parent)
    for above in folder.parents:
        sync_once(above)


@cache
def sync_once(folder: Path) -> None:
    """Syncs the names in a folder once a process: another may have made them and been killed before it synced them."""
    with suppress(PermissionError):  # whoever may not list a folder made no name in it
        sync(folder)


@contextmanager
def named(path: str | Path) -> Iterator[None]:
    """Names the file in errors of the disk that name none, such as "no space left"."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def replace_durably(unfinished: Path, final: str | Path) -> None:
    """Gives a finished file or folder its name: after a power cut there is the old one or the new one, whole."""
    if unfinished.is_dir():
        os.sync()  # a folder's files are many
    else:
        sync(unfinished)  # else a power cut may leave the name without the content
    unfinished.replace(final)
    sync(Path(final).parent)  # else it may take the name back


def is_full(error: OSError) -> bool:
    """Whether a disk refused a file because it, a quota or a limit is full: not a mistake in what was given."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with named(path):
            os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # some network file systems sync no folder
            raise
    finally:
        os.close(descriptor)
