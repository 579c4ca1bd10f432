"""Files that are whole after a power cut, and paths without a user's name; of the standard library alone.

The harness loads this file, too, see `bench.machine.own`.
"""

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

TEMPORARY = ".flowers-bench-"
"""Beginning of the names of temporary folders; eight characters follow, by `tempfile`."""

SHARED = Path("/dev/shm")
SHARED_NOTE = "in-shared-memory-"
"""Beginning of files below a temporary folder: each has names and inodes of what a process group holds in `SHARED`."""


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
def name_file(path: str | Path) -> Iterator[None]:
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


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder while the block runs; if this process is killed, the next command removes it.

    The lock on it, which dies with the process, says whether anybody needs it, see `data.storage.prune_temporary`.
    """
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as folder:
        lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_SH)
        try:
            yield Path(folder)
        finally:
            os.close(lock)


def without_home(path: str) -> str:
    """The path with `~` for this user's home folder, whose name is private where the path is published."""
    home = str(Path.home())
    return f"~{path[len(home) :]}" if len(home) > 1 and f"{path}/".startswith(f"{home}/") else path


def with_home(path: str) -> str:
    """The path with this user's home folder for `~`: the way back."""
    return f"{Path.home()}{path[1:]}" if path == "~" or path.startswith("~/") else path


def is_full(error: OSError) -> bool:
    """Whether a disk refused a file because it, a quota or a limit is full: not a mistake in what was given."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yields where to write a file, which gets its name when the block has ended; if that fails nothing is left of it.

    Raises:
        OSError: That of the block, with the name that the file should have had: a full disk names none.
    """
    unfinished = path.with_name(f".unfinished-{os.getpid()}-{path.name}")  # last the suffix, which tells libraries
    try:
        yield unfinished
        replace_durably(unfinished, path)
    except OSError as error:
        raise OSError(error.errno or errno.EIO, error.strerror or str(error), str(path)) from error
    finally:
        unfinished.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with name_file(path):
            os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # some network file systems sync no folder
            raise
    finally:
        os.close(descriptor)
