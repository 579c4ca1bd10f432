"""Where decoded images are kept."""

import pytest

from flowers_core.input import cache

GB = 10**9


@pytest.mark.parametrize(
    ("memory", "disk", "place"),
    [(24 * GB, 0, "memory"), (1 * GB, 10 * GB, "disk"), (1 * GB, GB // 2, "none")],
)
def test_decide_by_what_fits(memory, disk, place):
    """4,000 images of 192 pixels are 0.44 GB: they need 1.1 GB of memory, or 0.9 GB free on disk."""
    found = cache.decide(4000, image_size=192, memory_bytes=memory, disk_bytes=disk)
    assert found.place == place
    assert "0.44 GB" in found.description


def test_decide_asks_this_machine():
    """One image fits anywhere, more than there can be nowhere."""
    assert cache.decide(1, image_size=192).place == "memory"
    assert cache.decide(10**12, image_size=192).place == "none"
