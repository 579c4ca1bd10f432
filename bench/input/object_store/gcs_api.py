"""A folder as a bucket: what the storage API (JSON v1 and the media endpoint) answers to TensorFlow's client."""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from bench.results.durable import replace_durably

MEDIA_HOST, API_HOST = "storage.googleapis.com", "www.googleapis.com"
HOSTS = (MEDIA_HOST, API_HOST)
"""Where TensorFlow's client reads objects, and where it asks for all else; both names are compiled into it."""

PAGE = 1000  # names in one answer to a listing, as Google's
UNFINISHED = ".unfinished"  # end of the name of a file that is being written; no object is called so


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request: `kind` is what counts and faults call it."""

    kind: str
    method: str
    bucket: str
    name: str
    query: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What goes back: a status, headers, and a body."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def say(values: dict, status: int = 200) -> Answer:
    """An answer in JSON."""
    return Answer(status=status, headers={"Content-Type": "application/json"}, body=json.dumps(values).encode())


def refusal(status: int, message: str) -> Answer:
    """An error as the API words it."""
    return say({"error": {"code": status, "message": message}}, status)


_KINDS = {"GET": "stat", "DELETE": "delete", "POST": "write", "PUT": "write"}


def understand(method: str, host: str, target: str) -> Ask:
    """What a request wants.

    Args:
        method: GET, PUT, POST or DELETE.
        host: One of `HOSTS`.
        target: Path and query as they were sent.
    """
    parts = urlsplit(target)
    query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if host == MEDIA_HOST:
        _, bucket, name = (*parts.path.split("/", 2), "", "")[:3]
        return Ask(kind="read", method=method, bucket=unquote(bucket), name=unquote(name), query=query)
    found = re.fullmatch(r"(?:/upload)?/storage/v1/b/([^/]+)(?:/(o|storageLayout)(?:/(.+))?)?", parts.path)
    if not found:
        return Ask(kind="unknown", method=method, bucket="", name=parts.path, query=query)
    bucket, part, name = (unquote(text or "") for text in found.groups())
    kind = "list" if method == "GET" and part == "o" and not name else _KINDS.get(method, "unknown")
    return Ask(kind=kind, method=method, bucket=bucket, name=name, query=query)


class Buckets:
    """Folders served as buckets, read and written."""

    def __init__(self, folders: Mapping[str, str | Path]):
        """Takes bucket names with their folders."""
        self._folders = {name: Path(folder).resolve() for name, folder in folders.items()}
        self._uploads: dict[str, tuple[Path, bytearray]] = {}
        self._numbers = count(1)

    def answer(self, ask: Ask, headers, body: bytes) -> Answer:
        """Answers a request; `headers` is any mapping that knows names in any case."""
        folder = self._folders.get(ask.bucket)
        if folder is None:
            return refusal(404, f"no bucket {ask.bucket!r}")
        path = _inside(folder, ask.query.get("name") or ask.name.partition("/rewriteTo/")[0])
        if path is None:
            return refusal(400, f"no name of an object: {ask.name!r}")
        work: Callable[..., Answer] = {
            "list": lambda: _listing(folder, ask.query),
            "read": lambda: _read(path, headers.get("Range", "")),
            "stat": lambda: _stat(path, ask.name) if ask.name else say({"name": ask.bucket, "location": "HERE"}),
            "delete": lambda: _delete(path),
            "write": lambda: self._write(ask, path, headers, body),
        }.get(ask.kind, lambda: refusal(501, f"{ask.method} {ask.name} is not served"))
        try:
            return work()
        except FileNotFoundError:
            return refusal(404, f"no object {ask.name!r} in bucket {ask.bucket!r}")
        except OSError as error:
            return refusal(403, f"{ask.name}: {error.strerror}")

    def _write(self, ask: Ask, path: Path, headers, body: bytes) -> Answer:
        """Begins or goes on with an upload, makes a folder, or copies."""
        if ask.method == "PUT":
            return self._upload(ask.query.get("upload_id", ""), headers.get("Content-Range", ""), body)
        if "/rewriteTo/b/" in ask.name:
            bucket, _, name = ask.name.partition("/rewriteTo/b/")[2].partition("/o/")
            target = _inside(self._folders[bucket], name) if bucket in self._folders else None
            if target is None:
                return refusal(404, f"no bucket {bucket!r}")
            place(target, path.read_bytes())
            return say({"done": True})
        if ask.query.get("uploadType") == "media":
            if path.exists():
                return refusal(412, "is there already")
            path.mkdir(parents=True)
            return say({"name": ask.query["name"]})
        key = str(next(self._numbers))
        self._uploads[key] = path, bytearray()
        where = f"https://{API_HOST}/upload/storage/v1/b/{ask.bucket}/o?upload_id={key}"
        return Answer(headers={"Location": where})

    def _upload(self, key: str, span: str, body: bytes) -> Answer:
        """Takes a piece; the object appears when the last one is there."""
        if key not in self._uploads:
            return refusal(404, "no such upload")
        path, held = self._uploads[key]
        found = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+)", span)
        if found and found[1]:
            del held[int(found[1]) :]
        held += body
        if found and len(held) < int(found[2]):
            return Answer(status=308, headers={"Range": f"bytes=0-{len(held) - 1}"} if held else {})
        place(path, bytes(held))
        del self._uploads[key]
        return say({"size": str(len(held))})


def place(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}{UNFINISHED}")
    unfinished.write_bytes(content)
    replace_durably(unfinished, path)


def _inside(folder: Path, name: str) -> Path | None:
    """The file of an object; None if its name leads out of the folder."""
    path = folder / name
    return path if ".." not in path.parts and path.is_relative_to(folder) else None


def _objects(folder: Path, prefix: str) -> Iterator[str]:
    """Names of all objects that begin with `prefix`; an empty folder is one that ends with a slash."""
    beginning = prefix.rpartition("/")[0]
    for room, folders, files in os.walk(folder / beginning if beginning else folder):
        folders.sort()
        inner = Path(room).relative_to(folder).as_posix()
        start = "" if inner == "." else f"{inner}/"
        names = [f"{start}{file}" for file in files if not file.endswith(UNFINISHED)]
        yield from (name for name in names or [start] * (not folders) if name and name.startswith(prefix))


def _listing(folder: Path, query: dict[str, str]) -> Answer:
    """One page of names, those below the next slash as prefixes where a delimiter is asked for."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    names: dict[str, str] = {}
    for name in sorted(_objects(folder, prefix)):
        head, slash, _ = name[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
        names[prefix + head + slash if slash else name] = "prefixes" if slash else "items"
    start, size = int(query.get("pageToken", 0)), min(PAGE, int(query.get("maxResults", PAGE)))
    page = list(names.items())[start : start + size]
    values: dict = {"items": [{"name": name} for name, kind in page if kind == "items"]}
    values["prefixes"] = [name for name, kind in page if kind == "prefixes"]
    if start + size < len(names):
        values["nextPageToken"] = str(start + size)
    return say({name: value for name, value in values.items() if value})


def _stat(path: Path, name: str) -> Answer:
    """Size and age of an object."""
    if path.is_dir() != name.endswith("/"):
        raise FileNotFoundError
    found = path.stat()
    updated = datetime.fromtimestamp(found.st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    size = 0 if path.is_dir() else found.st_size
    return say({"size": str(size), "generation": str(found.st_mtime_ns // 1000), "updated": updated})


def _read(path: Path, span: str) -> Answer:
    """The bytes of an object, or those of a range."""
    if path.is_dir():
        raise FileNotFoundError
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", span)
        if not found:
            return Answer(body=file.read())
        first, last = int(found[1]), min(int(found[2] or size), size - 1)
        if first >= size:
            return Answer(status=416, headers={"Content-Range": f"bytes */{size}"})
        body = os.pread(file.fileno(), last - first + 1, first)
    return Answer(status=206, headers={"Content-Range": f"bytes {first}-{last}/{size}"}, body=body)


def _delete(path: Path) -> Answer:
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink()
    return Answer(status=204)
