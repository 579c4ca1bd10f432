"""Whether files are in memory."""

import os

import pytest

from bench.machine import page_cache


@pytest.fixture
def file(tmp_path):
    """A megabyte that has just been read."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(2**20))
    path.read_bytes()
    return path


def test_cached_share_of_a_file_that_was_just_read_is_all(file):
    """Where the file system answers."""
    assert page_cache.cached_share([file]) in (None, 1.0)


def test_evict_checks_what_became_of_it(file):
    """Either the pages are gone, or there is a reason."""
    eviction = page_cache.evict([file])

    assert bool(eviction.reason) == (eviction.after is None or eviction.after > page_cache.GONE)


def test_evict_gives_a_reason_where_pages_stay(file, monkeypatch):
    """A file system that lives in memory cannot be read cold."""
    monkeypatch.setattr(page_cache, "cached_share", lambda _: 1.0)

    assert "100% of the pages stay" in page_cache.evict([file]).reason


def test_evict_leaves_buckets_alone():
    """Their objects are not in this machine's page cache."""
    assert "bucket" in page_cache.evict(["gs://flowers/photo.jpg"]).reason


def test_file_system_is_that_of_the_deepest_mount(tmp_path):
    """A disk within a disk is its own."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/a / ext4 rw 0 0\ntmpfs {tmp_path.parent} tmpfs rw 0 0\n")

    assert page_cache.file_system(tmp_path, mounts) == "tmpfs"
    assert page_cache.file_system(tmp_path, tmp_path / "none") == ""
