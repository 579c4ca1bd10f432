"""The kernel's page cache: how much of a set of files it holds, and how to make it drop them."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
MOST_SAMPLES = 64  # pages that are sampled in one file, spread evenly
GONE = 0.05  # share of pages that may stay: what the kernel reads ahead and shares


@dataclass(frozen=True, kw_only=True)
class Eviction:
    """What became of asking the kernel to forget some files.

    Attributes:
        before: Share of their pages in memory, 0 to 1; None where the kernel does not say.
        after: The same afterwards.
        reason: Why a cold read is impossible; empty where it is possible.
    """

    before: float | None
    after: float | None
    reason: str = ""


def cached_share(paths: Iterable[str | Path]) -> float | None:
    """Share of the pages of the files that the page cache holds, 0 to 1, by a sample of pages.

    Each page is read without waiting (RWF_NOWAIT): the kernel refuses what it would have to fetch from the disk.

    Why not `mincore`: of files that another user owns it reports every page as resident.

    Returns:
        None where the file system cannot answer.
    """
    resident, sampled = 0, 0
    for path in paths:
        file = os.open(path, os.O_RDONLY)
        try:
            pages = max(1, -(-os.fstat(file).st_size // PAGE))
            for number in range(0, pages, max(1, pages // MOST_SAMPLES)):
                sampled += 1
                resident += _is_resident(file, number)
        except OSError:  # the file system does not answer
            return None
        finally:
            os.close(file)
    return resident / sampled if sampled else None


def _is_resident(file: int, page: int) -> bool:
    """Whether the page cache holds a page of an open file.

    Raises:
        OSError: If the file system does not say.
    """
    try:
        return os.preadv(file, [bytearray(1)], page * PAGE, os.RWF_NOWAIT) == 1
    except BlockingIOError:
        return False


def evict(paths: Iterable[str | Path]) -> Eviction:
    """Asks the kernel to drop files from its page cache, and checks whether it did.

    Files are written out first: a page that is not on the disk yet cannot be dropped.
    """
    files = [str(path) for path in paths]
    if any("://" in path for path in files):
        return Eviction(before=None, after=None, reason="objects of a bucket are not in this machine's page cache")
    before = cached_share(files)
    for path in files:
        file = os.open(path, os.O_RDONLY)
        try:
            os.fdatasync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError as error:
            return Eviction(before=before, after=None, reason=f"the file system refuses: {error.strerror}")
        finally:
            os.close(file)
    after = cached_share(files)
    return Eviction(before=before, after=after, reason=_why_warm(after))


def _why_warm(after: float | None) -> str:
    if after is None:
        return "this file system does not say what the page cache holds (RWF_NOWAIT), so a cold read cannot be proved"
    if after <= GONE:
        return ""
    return f"{after:.0%} of the pages stay in memory: the file system lives there, or shares it"


def file_system(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """The kind of the file system that holds a folder, such as `ext4`; empty where the kernel does not say."""
    place, found = folder.resolve(), dict[Path, str]()
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for _, where, kind, *_ in map(str.split, lines):
        point = Path(where.replace("\\040", " "))
        if place == point or point in place.parents:
            found[point] = kind
    return found[max(found, key=lambda point: len(point.parts))] if found else ""
