"""The download is resumed, checked and unpacked with suspicion; a server on this machine stands for the real one."""

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


def tar_entry(name, **fields):
    """A header of a tar archive."""
    entry = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(entry, field, value)
    return entry


def tgz(*entries):
    """A .tgz of `(header, content)` pairs."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for entry, content in entries:
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


NOISE = random.Random(0)  # which no compression makes smaller
PHOTOS = {f"flower_photos/{name}/{index}.jpg": NOISE.randbytes(2000) for name in ("daisy", "roses") for index in (0, 1)}
GOOD = tgz(*((tar_entry(name), content) for name, content in PHOTOS.items()))
PART = "flower_photos.tgz.part"


class Server(ThreadingHTTPServer):
    """Serves one archive, and keeps the Range of every request.

    Attributes:
        content: The bytes of the archive.
        status: Answer with this error, where set.
        ranges: Whether Range is understood.
        breaks_off_after: Bytes of an answer after which the connection is closed, where set.
    """

    content, status, ranges, breaks_off_after = GOOD, None, True, None

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []
        self.url = f"http://127.0.0.1:{self.server_port}/flower_photos.tgz"


class Handler(BaseHTTPRequestHandler):
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
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def fetch(folder, server):
    """Downloads the good archive from the server."""
    return download.download(folder, url=server.url, size_bytes=len(GOOD), sha256=hashlib.sha256(GOOD).hexdigest())


def test_download_unpacks_the_archive(tmp_path, server, contents):
    """Every photo arrives, in a folder that was made for it, and neither archive nor part is left."""
    folder = tmp_path / "new" / "data"
    assert fetch(folder, server) == folder / "flower_photos"
    assert contents(folder) == PHOTOS
    assert [path.name for path in folder.iterdir()] == ["flower_photos"]
    fetch(folder, server)
    assert server.asked == [None], "downloaded again"


def test_download_fills_an_empty_folder(tmp_path, server, contents):
    """A folder without content under the final name is not taken for the photos."""
    (tmp_path / "flower_photos").mkdir()
    fetch(tmp_path, server)
    assert contents(tmp_path) == PHOTOS


def test_download_resumes_where_it_broke_off(tmp_path, server, contents):
    """The next call asks only for the rest, and the whole is right."""
    server.breaks_off_after = 1000
    advice = r"resumes.*by hand.*flowers_core synthetic"
    with pytest.raises(ConnectionError, match=rf"1000 of {len(GOOD)} bytes.*{advice}"):
        fetch(tmp_path, server)
    assert not (tmp_path / "flower_photos").exists()
    server.breaks_off_after = None
    fetch(tmp_path, server)
    assert server.asked == [None, "bytes=1000-"]
    assert contents(tmp_path) == PHOTOS


def test_download_starts_again_where_the_server_cannot_resume(tmp_path, server, contents):
    """Where Range is not understood the part is written anew, not appended to."""
    (tmp_path / PART).write_bytes(b"x" * 100)
    server.ranges = False
    fetch(tmp_path, server)
    assert contents(tmp_path) == PHOTOS


def test_download_only_unpacks_a_complete_part(tmp_path, server):
    """When nothing but the unpacking was cut off, nothing is downloaded."""
    (tmp_path / PART).write_bytes(GOOD)
    fetch(tmp_path, server)
    assert server.asked == []


@pytest.mark.parametrize("part", [b"x" * 1000, GOOD + b"x"], ids=["wrong bytes", "too many bytes"])
def test_download_deletes_a_wrong_part(tmp_path, server, part, contents):
    """A part that does not lead to the archive is found by its hash, and the next call starts again."""
    (tmp_path / PART).write_bytes(part)
    with pytest.raises(errors.InputError, match="SHA-256"):
        fetch(tmp_path, server)
    assert contents(tmp_path) == {}
    fetch(tmp_path, server)
    assert contents(tmp_path) == PHOTOS


@pytest.mark.parametrize(
    ("content", "said"), [(b"<html>Please log in</html>", "offers 26 bytes"), (bytes(len(GOOD)), "SHA-256")]
)
def test_download_refuses_anything_but_the_archive(tmp_path, server, content, said, contents):
    """A network's log-in page is refused by its size before a byte is written, other bytes of the size by the hash."""
    server.content = content
    with pytest.raises(errors.InputError, match=said):
        fetch(tmp_path, server)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("status", [403, 404, 503])
def test_download_says_what_the_server_answers(tmp_path, server, status):
    """The message holds the server's answer and what the user can do."""
    server.status = status
    with pytest.raises(ConnectionError, match=rf"{status}.*by hand.*flowers_core synthetic"):
        fetch(tmp_path, server)


def test_download_does_not_ask_twice_beyond_the_end(tmp_path, server, contents):
    """When the server's file ends before the part does, the part goes."""
    (tmp_path / PART).write_bytes(b"x" * 1000)
    server.content = GOOD[:500]
    with pytest.raises(ConnectionError, match="416"):
        fetch(tmp_path, server)
    assert contents(tmp_path) == {}


def test_download_says_that_nobody_listens(tmp_path, monkeypatch):
    """A port where nobody listens gives the same advice."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as bound:  # bound but not listening: connections are refused
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionError, match=r"refused.*by hand.*flowers_core synthetic"):
            download.download(tmp_path, url=f"http://127.0.0.1:{bound.getsockname()[1]}/flower_photos.tgz")


def test_download_gives_up_a_silent_server(tmp_path, server, monkeypatch):
    """A server that accepts and says nothing ends in a time-out, not in waiting for ever."""
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.2)
    answered = threading.Event()
    monkeypatch.setattr(Handler, "do_GET", lambda _: answered.wait(20))
    with pytest.raises(ConnectionError, match="timed out"):
        fetch(tmp_path, server)
    answered.set()


@pytest.mark.parametrize(("url", "said"), [("file:///etc/passwd", "https://"), ("http://127.0.0.1:9/", "a file")])
def test_download_refuses_what_is_no_address_or_folder(tmp_path, url, said):
    """A file of this machine is no download, and a file no folder to download to."""
    (tmp_path / "data").touch()
    with pytest.raises(errors.InputError, match=said):
        download.download(tmp_path / "data", url=url)


HARMFUL = {
    "absolute": (tar_entry("/flower_photos/a.jpg"), b"x", "outside"),
    "upwards": (tar_entry("flower_photos/../../a.jpg"), b"x", "outside"),
    "elsewhere": (tar_entry("a.jpg"), b"x", "not in flower_photos"),
    "symbolic link": (tar_entry("flower_photos/a", type=tarfile.SYMTYPE, linkname="/etc"), b"", "neither"),
    "hard link": (tar_entry("flower_photos/a", type=tarfile.LNKTYPE, linkname="/etc/passwd"), b"", "neither"),
    "device": (tar_entry("flower_photos/a", type=tarfile.CHRTYPE), b"", "neither"),
    "pipe": (tar_entry("flower_photos/a", type=tarfile.FIFOTYPE), b"", "neither"),
}
ARCHIVES = {
    name: (tgz((tar_entry("flower_photos/daisy/0.jpg"), b"good"), (entry, content)), reason)
    for name, (entry, content, reason) in HARMFUL.items()
} | {
    "half": (GOOD[: len(GOOD) // 2], "`archive` must"),
    "header": (GOOD[:15], "`archive` must"),
    "nothing": (b"", "`archive` must"),
    "no archive": (b"no archive", "`archive` must"),
    "empty": (tgz(), "`archive` must"),
}


@pytest.mark.parametrize(("archive", "reason"), ARCHIVES.values(), ids=ARCHIVES)
def test_unpack_leaves_nothing_of_a_bad_archive(tmp_path, archive, reason):
    """What leads outside, is no plain file, or is damaged stops the unpacking; good photos before it do not stay."""
    (tmp_path / "a.tgz").write_bytes(archive)
    with pytest.raises(errors.InputError, match=reason):
        download.unpack(tmp_path / "a.tgz", tmp_path / "flower_photos")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tgz"]


def test_unpack_refuses_a_huge_file_before_it_is_read(tmp_path):
    """A header of 512 bytes that promises a terabyte is not believed."""
    header = tar_entry("flower_photos/a.jpg", size=1 << 40).tobuf(tarfile.GNU_FORMAT)
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as tar:
        tar.fileobj.write(header)
    with pytest.raises(errors.InputError, match="larger than"):
        download.unpack(tmp_path / "a.tgz", tmp_path / "flower_photos")


@pytest.mark.parametrize("limit", ["ENTRIES_LIMIT", "TOTAL_BYTES_LIMIT"])
def test_unpack_limits_entries_and_bytes(tmp_path, monkeypatch, limit):
    """Many small files are stopped like one large file."""
    monkeypatch.setattr(download, limit, 3)
    (tmp_path / "a.tgz").write_bytes(GOOD)
    with pytest.raises(errors.InputError, match="at most"):
        download.unpack(tmp_path / "a.tgz", tmp_path / "flower_photos")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tgz"]


def test_unpack_takes_no_permissions_over(tmp_path):
    """Neither a set-user-id bit nor an unreadable mode comes out of the archive."""
    (tmp_path / "a.tgz").write_bytes(tgz((tar_entry("flower_photos/a.jpg", mode=0o4000), b"x")))
    download.unpack(tmp_path / "a.tgz", tmp_path / "flower_photos")
    ours = tmp_path / "ours"
    ours.touch()
    assert (tmp_path / "flower_photos" / "a.jpg").stat().st_mode == ours.stat().st_mode
