"""Files of a folder: buckets that do not answer, and errors that say where and why."""

import errno
import gc
import io
import json
import os
import socket
import sys
import tempfile
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import parse_qs

import pytest

from bench.machine import own
from flowers_core import durable, errors
from flowers_core.data import storage


@pytest.fixture
def silent_proxy():
    """Address of a proxy that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Python 3.11.2 leaves its socket open
def test_glob_gives_up_a_silent_bucket(monkeypatch, silent_proxy):
    """Behind a silent proxy listing a bucket ends with an InputError, not in ten minutes."""
    monkeypatch.setattr(storage, "REACH_SECONDS", 1)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, silent_proxy)
    with pytest.raises(errors.InputError, match="gs://silent, which did not answer within 1 s"):
        storage.glob("gs://silent/folder", ("*",))
    gc.collect()  # here, not in a test that follows


def test_bucket_that_answers_is_asked_once(monkeypatch):
    """A bucket is asked once a process, whatever the folder in it; other buckets, and other schemes, on their own."""
    asked = []

    def answer(url, **_):
        asked.append(url.rpartition("/")[2])
        raise HTTPError(url, 403, "Forbidden", {}, None)  # an answer as well

    monkeypatch.setattr(storage.request, "urlopen", answer)
    for address in ("gs://first/a", "gs://first/b/c", "gs://second", "ram://third/a"):
        storage._reach(address)
    assert asked == ["first", "second"]


def listing_of(pages, *, wants=None):
    """What stands for `urlopen`: the pages of a listing by token, for those who have the right authorization."""

    def answer(asked, **_):
        url, sent = (asked, None) if isinstance(asked, str) else (asked.full_url, asked.get_header("Authorization"))
        if wants and sent != wants:
            raise HTTPError(url, 401, "Unauthorized", {}, None)
        return io.BytesIO(json.dumps(pages[parse_qs(url).get("pageToken", [""])[0]]).encode())

    return answer


PAGES = {
    "": {"items": [{"name": "a/1 ü.jpg", "size": "3", "crc32c": "AAAA"}], "nextPageToken": "x/y"},
    "x/y": {"items": [{"name": "a/2.jpg", "size": "4", "crc32c": "BBBB"}]},
}


@pytest.mark.parametrize("wants", [None, "Bearer secret"])
def test_checksums_are_those_of_all_pages(monkeypatch, wants):
    """Of a bucket that anybody may list, and of one that asks for this machine's credentials."""
    monkeypatch.setattr(storage, "_access_token", lambda: "secret")
    monkeypatch.setattr(storage.request, "urlopen", listing_of(PAGES, wants=wants))

    assert storage.checksums("gs://bucket/a") == {"gs://bucket/a/1 ü.jpg": "3:AAAA", "gs://bucket/a/2.jpg": "4:BBBB"}


@pytest.mark.parametrize("page", [{"items": [{"name": "a/1.jpg", "size": "3"}]}, [], None, {"items": [1]}])
def test_checksums_are_none_where_a_store_tells_none(monkeypatch, page):
    """Nor where it refuses, is unreachable, or is not Google's."""
    monkeypatch.setattr(storage, "_access_token", lambda: "")
    monkeypatch.setattr(storage.request, "urlopen", listing_of({"": page}))
    assert storage.checksums("gs://bucket/a") == {}
    monkeypatch.setattr(storage.request, "urlopen", listing_of(PAGES, wants="Bearer secret"))
    assert storage.checksums("gs://bucket/a") == {}
    assert storage.checksums("s3://bucket/a") == {}


def test_checksums_need_no_library_of_googles(monkeypatch):
    """Without it there is no token, and a bucket that wants one tells nothing."""
    monkeypatch.setitem(sys.modules, "google.auth", None)
    monkeypatch.setattr(storage.request, "urlopen", listing_of(PAGES, wants="Bearer secret"))
    storage._access_token.cache_clear()
    assert storage.checksums("gs://bucket/a") == {}
    storage._access_token.cache_clear()


def test_configure_client_keeps_what_is_set(monkeypatch):
    """What a user has set stays; a request for a shard is larger than the client's buffer, whatever that is."""
    variables = {"GCS_READ_CACHE_BLOCK_SIZE_MB": "16"}
    storage.configure_client(variables)
    assert variables == {**storage.CLIENT_SETTINGS, "GCS_READ_CACHE_BLOCK_SIZE_MB": "16"}
    for megabytes in ("1", "16", "64"):
        monkeypatch.setenv("GCS_READ_CACHE_BLOCK_SIZE_MB", megabytes)
        assert storage.request_bytes() > int(megabytes) << 20
        assert storage.request_bytes() > storage.REQUEST_BYTES


@pytest.mark.parametrize(
    "use",
    [
        storage.listing,
        storage.size,
        storage.read_text,
        storage.remove,
        lambda address: storage.write_text(address, "text"),
        lambda address: storage.glob(address, ("*",)),
    ],
)
def test_bucket_errors_name_the_address_and_the_cause(use):
    """Whatever is done there: a scheme that TensorFlow does not know stands for a network or rights that fail."""
    with pytest.raises(errors.InputError, match=r"nobody://bucket/file.*'nobody' not implemented"):
        use("nobody://bucket/file")


def test_bucket_without_the_object():
    """A missing object has no size, a missing folder no files, and reading or removing it does what a disk does."""
    missing = "ram://nowhere/file"
    assert storage.size(missing) == -1
    assert storage.listing("ram://nowhere") == {}
    storage.remove(missing)
    with pytest.raises(FileNotFoundError, match=missing):
        storage.read_text(missing)


@pytest.mark.parametrize("folder", ["", os.fsdecode(b"caf\xe9")])
def test_normalize_refuses_what_is_no_name(folder):
    """An empty name would mean another folder, and one that is not UTF-8 cannot be given to TensorFlow."""
    with pytest.raises(errors.InputError, match="a path or an address in UTF-8"):
        storage.normalize(folder)


def test_normalize_drops_a_slash_at_the_end():
    """`photos/` is `photos`, and `/` stays."""
    assert [storage.normalize(name) for name in ("a", "a/", "/", "gs://b/")] == ["a", "a", "/", "gs://b"]


@pytest.mark.parametrize(
    ("folder", "path", "kept"),
    [
        ("/data/records", "/data/photos", "../photos"),
        ("/home/flora/a/records", "/home/flora/a/photos", "../photos"),
        ("/home/flora/records", "/home/flora/a/photos", "../a/photos"),
        ("/data/records", "/home/flora/photos", "~/photos"),
        ("/home/flora/records", "/data/photos", "/data/photos"),
        ("/home/otto/records", "/home/flora/photos", "~/photos"),
        ("/home/flora/records", "/home/otto/secret/photos", "photos"),
        ("gs://bucket/records", "/home/flora/photos", "~/photos"),
        ("/data/records", "gs://bucket/photos", "gs://bucket/photos"),
    ],
)
def test_relative_to_names_no_home(monkeypatch, folder, path, kept):
    """What a published file says of a folder leads there from the file or from the reader's home, and names nobody."""
    monkeypatch.setenv("HOME", "/home/flora")

    assert storage.relative_to(folder, path) == kept


def test_with_home_is_the_way_back(monkeypatch):
    """A path in the home folder is shortened and found again; another that begins alike is left as it is."""
    monkeypatch.setenv("HOME", "/home/flora")
    paths = ["/home/flora", "/home/flora/photos", "/home/florabel/photos", "photos", "gs://bucket/home/flora", "~a/b"]
    kept = [durable.without_home(path) for path in paths]

    assert kept == ["~", "~/photos", *paths[2:]]
    assert [durable.with_home(path) for path in kept] == paths


def test_is_full_knows_a_lack_of_room():
    """A full disk, quota or limit is told from a folder that may not be written to."""
    assert all(durable.is_full(OSError(number, "")) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
    assert not durable.is_full(OSError(errno.EACCES, ""))


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("replace_durably", [storage.replace_durably, own.durable.replace_durably])
def test_replace_durably_syncs_content_before_the_name(tmp_path, monkeypatch, synced, replace_durably, kind):
    """The content is synced before the rename and the folder of the name after it, or a power cut may undo either."""
    monkeypatch.setattr(os, "sync", lambda: synced.append("all"))
    unfinished, final = tmp_path / "unfinished", tmp_path / "final"
    if kind == "file":
        unfinished.write_text("whole")
    else:
        unfinished.mkdir()
    number = unfinished.stat().st_ino
    rename = type(final).replace
    monkeypatch.setattr(type(final), "replace", lambda old, new: (synced.append("rename"), rename(old, new)))
    replace_durably(unfinished, final)

    assert final.stat().st_ino == number
    assert synced == [number if kind == "file" else "all", "rename", tmp_path.stat().st_ino]


def test_write_text_syncs_content_and_name(tmp_path, synced):
    """So is whatever is written through this module."""
    storage.write_text(str(tmp_path / "settings.json"), "{}")

    assert synced[-2:] == [(tmp_path / "settings.json").stat().st_ino, tmp_path.stat().st_ino]


def test_write_text_names_the_file_that_a_full_disk_refuses(tmp_path, monkeypatch):
    """Python's own error of a full disk names no file."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(tmp_path), "write_text", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*settings\.json'"):
        storage.write_text(str(tmp_path / "settings.json"), "{}")


def test_exclusive_takes_another_users_lock(tmp_path, monkeypatch):
    """In a folder of several users a lock that another has made may only be read, and is held all the same."""
    path = tmp_path / ".lock"
    path.write_text("123\n")
    open_file = type(path).open

    def refuse(place, mode="r", *others, **options):
        if "a" in mode:
            raise PermissionError(errno.EACCES, "Permission denied", str(place))
        return open_file(place, mode, *others, **options)

    monkeypatch.setattr(type(path), "open", refuse)
    with (
        storage.exclusive(tmp_path, "train"),
        pytest.raises(errors.InputError, match="beside process 123"),
        storage.exclusive(tmp_path, "train"),
    ):
        pass
    with pytest.raises(PermissionError), storage.exclusive(tmp_path / "new", "train"):
        pass


def test_prune_temporary_removes_those_of_the_dead(tmp_path, monkeypatch):
    """A folder that nobody holds is removed; one that a process holds, a new one, and what others named so stay."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    held = Path(storage.temporary_folder())
    dead, new, other = (tmp_path / f"{durable.TEMPORARY}{name}" for name in ("abcdefg0", "abcdefg1", "photos"))
    for folder in (dead, new, other):
        (folder / "file").mkdir(parents=True)
    for folder in (held, dead, other):
        os.utime(folder, (0, 0))
    storage.prune_temporary()

    assert sorted(tmp_path.iterdir()) == sorted([held, new, other])


@pytest.mark.parametrize("note", ["", "[1]", '{"../kept": 1, "gone": 2}', "{"])
def test_prune_temporary_follows_no_odd_note(tmp_path, monkeypatch, note):
    """One that a killed process left half written, or that names what is no file of shared memory, removes nothing."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(durable, "SHARED", tmp_path / "shm")
    (tmp_path / "shm").mkdir()
    (kept := tmp_path / "kept").touch()
    (dead := tmp_path / f"{durable.TEMPORARY}abcdefg0").mkdir()
    (dead / f"{durable.SHARED_NOTE}1").write_text(note.replace("1", str(kept.stat().st_ino)))
    os.utime(dead, (0, 0))
    storage.prune_temporary()

    assert kept.exists()
    assert not dead.exists()
