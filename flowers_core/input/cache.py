"""Where decoded images are cached for later epochs, decided before the first: in memory, on this disk, or nowhere."""

import shutil
import tempfile
from dataclasses import dataclass

from flowers_core import resources

MEMORY_SHARE = 0.4
"""Of the memory that this process may use, which the model, its batches and the shuffle need as well."""
DISK_SHARE = 0.5
"""Of the free space for temporary files."""


@dataclass(frozen=True, kw_only=True)
class Cache:
    """Where decoded images are cached.

    Attributes:
        place: `memory`, `disk` or `none`.
        reason: What they need and what there is, in words.
    """

    place: str
    reason: str

    @property
    def description(self) -> str:
        """One line for the user."""
        where = {"memory": "cached in memory", "disk": "cached on disk", "none": "decoded anew in every epoch"}
        return f"decoded images are {where[self.place]}: {self.reason}"


IN_MEMORY = Cache(place="memory", reason="as asked for")


def decide(images: int, *, image_size: int, memory_bytes: int | None = None, disk_bytes: int | None = None) -> Cache:
    """Decides where to cache images as uint8.

    Args:
        images: How many, those to validate on among them.
        image_size: Side of the images in pixels.
        memory_bytes: That this process may use; asked of the system if not given.
        disk_bytes: Free for temporary files; asked of the system if not given.
    """
    needed = images * image_size**2 * 3
    memory = resources.usable_memory() if memory_bytes is None else memory_bytes
    fits = f"{images:,} images take {needed / 1e9:.2f} GB"
    if needed <= MEMORY_SHARE * memory:
        return Cache(place="memory", reason=f"{fits}, less than {MEMORY_SHARE:.0%} of {memory / 1e9:.1f} GB of memory")
    disk = shutil.disk_usage(tempfile.gettempdir()).free if disk_bytes is None else disk_bytes
    most = f"{fits}, more than {MEMORY_SHARE:.0%} of {memory / 1e9:.1f} GB of memory"
    if needed <= DISK_SHARE * disk:
        return Cache(place="disk", reason=f"{most}, less than {DISK_SHARE:.0%} of {disk / 1e9:.1f} GB free on disk")
    return Cache(place="none", reason=f"{most} and than {DISK_SHARE:.0%} of {disk / 1e9:.1f} GB free on disk")
