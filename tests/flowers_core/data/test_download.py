"""The download is continued, checked and unpacked with suspicion; a server on this machine stands for the real one."""

import hashlib
import io
import random
import socket
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from flowers_core import errors
from flowers_core.data import download


def _entry(name, **fields):
    """A header of a tar archive."""
    entry = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(entry, field, value)
    return entry


def _archive(*entries):
    """A .tgz of `(header, content)` pairs."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for entry, content in entries:
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


NOISE = random.Random(0)  # which no compression makes smaller
PHOTOS = {f"flower_photos/{name}/{index}.jpg": NOISE.randbytes(2000) for name in ("daisy", "roses") for index in (0, 1)}
GOOD = _archive(*((_entry(name), content) for name, content in PHOTOS.items()))


class _Server(ThreadingHTTPServer):
    """Serves one archive, and keeps the Range of every request.

    Attributes:
        content: The bytes of the archive.
        status: Answer with this error, where set.
        ranges: Whether Range is understood.
        breaks_off_after: Bytes of an answer after which the connection is closed, where set.
    """

    content, status, ranges, breaks_off_after = GOOD, None, True, None

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked = []
        self.url = f"http://127.0.0.1:{self.server_port}/flower_photos.tgz"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.asked.append(asked)
        if server.status:
            return self.send_error(server.status)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and server.ranges else 0
        if start >= len(server.content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        if start:
            end = len(server.content)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        self.send_header("Content-Length", str(len(server.content) - start))
        self.end_headers()
        return self.wfile.write(server.content[start:][: server.breaks_off_after])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """A fresh server on a port of its own, reached past any proxy."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with _Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def _fetch(folder, server, content=GOOD):
    """Fetches from the server, and expects `content`."""
    return download.download(
        folder, url=server.url, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()
    )


def _files(folder):
    """Every file below a folder, hidden ones too, by its path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_archive_is_fetched_and_unpacked(tmp_path, server):
    """Every photo arrives, in a folder that was made for it, and neither archive nor part is left."""
    folder = tmp_path / "new" / "data"
    assert _fetch(folder, server) == folder / "flower_photos"
    assert _files(folder) == PHOTOS
    assert [path.name for path in folder.iterdir()] == ["flower_photos"]


def test_what_is_there_is_not_fetched_again(tmp_path, server):
    """A second call asks the server for nothing."""
    _fetch(tmp_path, server)
    _fetch(tmp_path, server)
    assert server.asked == [None]


def test_an_empty_folder_is_not_taken_for_the_photos(tmp_path, server):
    """A folder without content under the final name is filled."""
    (tmp_path / "flower_photos").mkdir()
    _fetch(tmp_path, server)
    assert _files(tmp_path) == PHOTOS


def test_a_download_that_broke_off_is_continued(tmp_path, server):
    """The next call asks only for the rest, and the whole is right."""
    server.breaks_off_after = 1000
    with pytest.raises(
        ConnectionError, match=rf"1000 of {len(GOOD)} bytes.*continues.*by hand.*flowers_core synthetic"
    ):
        _fetch(tmp_path, server)
    assert not (tmp_path / "flower_photos").exists()
    server.breaks_off_after = None
    _fetch(tmp_path, server)
    assert server.asked == [None, "bytes=1000-"]
    assert _files(tmp_path) == PHOTOS


def test_a_server_that_cannot_continue_sends_all(tmp_path, server):
    """Where Range is not understood the part is written anew, not appended to."""
    (tmp_path / "flower_photos.tgz.part").write_bytes(b"x" * 100)
    server.ranges = False
    _fetch(tmp_path, server)
    assert _files(tmp_path) == PHOTOS


def test_a_complete_part_is_only_unpacked(tmp_path, server):
    """When nothing but the unpacking was cut off, nothing is fetched."""
    (tmp_path / "flower_photos.tgz.part").write_bytes(GOOD)
    _fetch(tmp_path, server)
    assert server.asked == []


@pytest.mark.parametrize("part", [b"x" * 1000, GOOD + b"x"], ids=["wrong bytes", "too many bytes"])
def test_a_wrong_part_is_deleted(tmp_path, server, part):
    """A part that does not lead to the archive is found by its hash, and the next call begins again."""
    (tmp_path / "flower_photos.tgz.part").write_bytes(part)
    with pytest.raises(errors.InputError, match="SHA-256"):
        _fetch(tmp_path, server)
    assert _files(tmp_path) == {}
    _fetch(tmp_path, server)
    assert _files(tmp_path) == PHOTOS


def test_a_page_in_place_of_the_archive_is_refused(tmp_path, server):
    """A log-in page of a network is refused by its size before a byte is written."""
    server.content = b"<html>Please log in</html>"
    with pytest.raises(errors.InputError, match="offers 26 bytes"):
        _fetch(tmp_path, server)
    assert _files(tmp_path) == {}


def test_other_bytes_of_the_same_size_are_refused(tmp_path, server):
    """The hash decides, not the size."""
    server.content = bytes(len(GOOD))
    with pytest.raises(errors.InputError, match="SHA-256"):
        _fetch(tmp_path, server)
    assert _files(tmp_path) == {}


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_refusal_says_what_to_do(tmp_path, server, status):
    """The message holds the server's answer and the ways out."""
    server.status = status
    with pytest.raises(ConnectionError, match=rf"{status}.*by hand.*flowers_core synthetic"):
        _fetch(tmp_path, server)


def test_a_part_beyond_the_end_is_not_asked_for_twice(tmp_path, server):
    """When the server's file ends before the part does, the part goes."""
    (tmp_path / "flower_photos.tgz.part").write_bytes(b"x" * 1000)
    server.content = GOOD[:500]
    with pytest.raises(ConnectionError, match="416"):
        _fetch(tmp_path, server)
    assert _files(tmp_path) == {}


def test_no_network_says_what_to_do(tmp_path, monkeypatch):
    """A port where nobody listens gives the same ways out."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as bound:  # bound but not listening: connections are refused
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionError, match=r"refused.*by hand.*flowers_core synthetic"):
            download.download(tmp_path, url=f"http://127.0.0.1:{bound.getsockname()[1]}/flower_photos.tgz")


def test_a_silent_server_is_given_up(tmp_path, server, monkeypatch):
    """A server that accepts and says nothing ends in a time-out, not in waiting for ever."""
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.2)
    answered = threading.Event()
    monkeypatch.setattr(_Handler, "do_GET", lambda _: answered.wait(20))
    with pytest.raises(ConnectionError, match="timed out"):
        _fetch(tmp_path, server)
    answered.set()


def test_other_addresses_are_refused(tmp_path):
    """A file of this machine is no download."""
    with pytest.raises(errors.InputError, match="https://"):
        download.download(tmp_path, url="file:///etc/passwd")


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    """The message names the file."""
    (tmp_path / "data").touch()
    with pytest.raises(errors.InputError, match=r"data.*a file"):
        download.download(tmp_path / "data", url="http://127.0.0.1:9/")


HARMFUL = {
    "absolute": (_entry("/flower_photos/a.jpg"), b"x", "outside"),
    "upwards": (_entry("flower_photos/../../a.jpg"), b"x", "outside"),
    "elsewhere": (_entry("a.jpg"), b"x", "not in flower_photos"),
    "symbolic link": (_entry("flower_photos/a", type=tarfile.SYMTYPE, linkname="/etc"), b"", "neither"),
    "hard link": (_entry("flower_photos/a", type=tarfile.LNKTYPE, linkname="/etc/passwd"), b"", "neither"),
    "device": (_entry("flower_photos/a", type=tarfile.CHRTYPE), b"", "neither"),
    "pipe": (_entry("flower_photos/a", type=tarfile.FIFOTYPE), b"", "neither"),
}


@pytest.mark.parametrize(("entry", "content", "reason"), HARMFUL.values(), ids=HARMFUL)
def test_a_harmful_archive_leaves_nothing_behind(tmp_path, entry, content, reason):
    """What leads outside or is no plain file stops the unpacking, and good photos before it do not stay."""
    archive = tmp_path / "a.tgz"
    archive.write_bytes(_archive((_entry("flower_photos/daisy/0.jpg"), b"good"), (entry, content)))
    with pytest.raises(errors.InputError, match=reason):
        download.unpack(archive, tmp_path / "flower_photos")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tgz"]


def test_a_huge_declared_size_is_refused_before_it_is_read(tmp_path):
    """A header of 512 bytes that promises a terabyte is not believed."""
    archive = tmp_path / "a.tgz"
    header = _entry("flower_photos/a.jpg", size=1 << 40).tobuf(tarfile.GNU_FORMAT)
    with tarfile.open(archive, "w:gz") as tar:
        tar.fileobj.write(header)
    with pytest.raises(errors.InputError, match="larger than"):
        download.unpack(archive, tmp_path / "flower_photos")


@pytest.mark.parametrize("limit", ["ENTRIES_LIMIT", "TOTAL_BYTES_LIMIT"])
def test_entries_and_bytes_are_limited(tmp_path, monkeypatch, limit):
    """Many small files are stopped like one large file."""
    monkeypatch.setattr(download, limit, 3)
    archive = tmp_path / "a.tgz"
    archive.write_bytes(GOOD)
    with pytest.raises(errors.InputError, match="at most"):
        download.unpack(archive, tmp_path / "flower_photos")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tgz"]


@pytest.mark.parametrize("content", [GOOD[: len(GOOD) // 2], GOOD[:15], b"", b"no archive", _archive()])
def test_a_damaged_archive_is_refused(tmp_path, content):
    """Half an archive, an empty one and what is none at all leave nothing behind."""
    archive = tmp_path / "a.tgz"
    archive.write_bytes(content)
    with pytest.raises(errors.InputError, match="`archive` must"):
        download.unpack(archive, tmp_path / "flower_photos")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tgz"]


def test_permissions_are_those_of_any_new_file(tmp_path):
    """Neither a set-user-id bit nor an unreadable mode comes out of the archive."""
    archive = tmp_path / "a.tgz"
    archive.write_bytes(_archive((_entry("flower_photos/a.jpg", mode=0o4000), b"x")))
    download.unpack(archive, tmp_path / "flower_photos")
    ours = tmp_path / "ours"
    ours.touch()
    assert (tmp_path / "flower_photos" / "a.jpg").stat().st_mode == ours.stat().st_mode
