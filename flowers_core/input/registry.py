"""The ways of feeding by name: what each reads and what pixels it yields; `batches` holds the code."""

READS = {
    "photos_one_by_one": "photos",
    "photos_parallel": "photos",
    "photos_turbo": "photos",
    "records_sequential": "records",
    "records_parallel": "records",
    "records_uint8": "records",
    "records_turbo": "records",
    "records_cached": "records",
    "records_batches_cached": "records",
}
NAMES = tuple(READS)

# The others yield float32 in [0, 1]. uint8 goes to the device as it is, a quarter of the bytes, and is scaled there.
YIELDS_UINT8 = ("photos_turbo", "records_uint8", "records_turbo", "records_cached", "records_batches_cached")

CACHED = frozenset({"records_cached", "records_batches_cached"})
"""Those that keep what they have decoded: their first epoch fills a cache, and only later ones show their speed."""

AT_ONCE_BYTES = {"photos_turbo": 8 * 2**20, "records_turbo": 16 * 2**20}
"""Pixels that a process makes at once, several batches if they are small: each handing over costs TensorFlow 1 ms.

Fewer of photos: nobody knows their size beforehand, and large ones take seconds.
"""

MOST_AT_ONCE = 16
"""Batches that it makes at once at most: whoever draws gets them in bursts."""

# Made by processes of their own from files on this host.
BY_WORKERS = tuple(AT_ONCE_BYTES)

# Made by functions of Python, which no other host can be sent.
BY_PYTHON = (*BY_WORKERS, "records_batches_cached")


def at_once(name: str, *, image_size: int, batch_size: int) -> int:
    """How many batches a process makes at once; who times fewer in a row times bursts and gaps.

    Args:
        name: A way of feeding.
        image_size: Side of the images in pixels.
        batch_size: Images a batch.
    """
    if name not in BY_WORKERS:
        return 1
    return max(1, min(MOST_AT_ONCE, AT_ONCE_BYTES[name] // (batch_size * image_size * image_size * 3)))
