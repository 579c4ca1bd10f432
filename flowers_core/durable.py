"""Names on a disk that survive a power cut; of the standard library alone, for the harness loads it, too."""

import errno
import os
from pathlib import Path


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
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # some network file systems sync no folder
            raise
    finally:
        os.close(descriptor)
