"""Whether files are in memory."""

import os

import pytest

from bench.input.stall import page_cache


@pytest.fixture
def file(tmp_path):
    """A megabyte that has just been read."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(2**20))
    path.read_bytes()
    return path


def test_what_was_read_is_held(file):
    """The pages of a file that was just read are there, where the file system tells."""
    assert page_cache.held([file]) in (None, 1.0)


def test_eviction_is_checked_not_believed(file):
    """Either the pages are gone, or the reason is said."""
    found = page_cache.evict([file])

    assert bool(found.reason) == (found.after is None or found.after > page_cache.GONE)


def test_what_stays_is_a_reason(file, monkeypatch):
    """A file system that lives in memory cannot be read cold, and is told so."""
    monkeypatch.setattr(page_cache, "held", lambda _: 1.0)

    assert "100% of the pages stay" in page_cache.evict([file]).reason


def test_a_bucket_has_no_pages_here():
    """An address is not evicted."""
    assert "bucket" in page_cache.evict(["gs://flowers/photo.jpg"]).reason
