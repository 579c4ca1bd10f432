"""The kernel's page cache: how much of some files it holds, and asking it to let them go."""

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
MOST_LOOKS = 64  # pages that are looked at in one file, spread evenly
GONE = 0.05  # of the pages; what the kernel reads ahead and shares may stay


@dataclass(frozen=True, kw_only=True)
class Eviction:
    """What became of asking the kernel to forget some files.

    Attributes:
        before: Share of their pages that were held, 0 to 1; None where the kernel does not tell.
        after: The same afterwards.
        reason: Why a cold read cannot be had; empty where it can.
    """

    before: float | None
    after: float | None
    reason: str = ""


def held(paths: Iterable[str | Path]) -> float | None:
    """Share of the pages of some files that the page cache holds, 0 to 1, by a sample of pages.

    Each page is asked for without waiting: the kernel refuses what it would have to fetch. (`mincore` says of files
    that are not ours that all is held.)

    Returns:
        None where the file system cannot answer.
    """
    found, looked = 0, 0
    page = bytearray(1)
    for path in paths:
        file = os.open(path, os.O_RDONLY)
        try:
            pages = max(1, -(-os.fstat(file).st_size // PAGE))
            for number in range(0, pages, max(1, pages // MOST_LOOKS)):
                looked += 1
                try:
                    found += os.preadv(file, [page], number * PAGE, os.RWF_NOWAIT) == 1
                except OSError as error:
                    if error.errno != errno.EAGAIN:
                        return None
        finally:
            os.close(file)
    return found / looked if looked else None


def evict(paths: Iterable[str | Path]) -> Eviction:
    """Asks the kernel to let go of some files, and looks whether it did.

    Files are written out first, for a page that is not on the disk yet cannot go.
    """
    paths = [str(path) for path in paths]
    if any("://" in path for path in paths):
        return Eviction(before=None, after=None, reason="a bucket is not in this machine's page cache")
    before = held(paths)
    for path in paths:
        file = os.open(path, os.O_RDONLY)
        try:
            os.fdatasync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError as error:
            return Eviction(before=before, after=None, reason=f"the file system refuses: {error.strerror}")
        finally:
            os.close(file)
    after = held(paths)
    return Eviction(before=before, after=after, reason=_kept(after))


def _kept(after: float | None) -> str:
    if after is None:
        return "this file system does not tell what the page cache holds (RWF_NOWAIT), so a cold read cannot be proved"
    return (
        "" if after <= GONE else f"{after:.0%} of the pages stay in memory: the file system lives there, or shares it"
    )
