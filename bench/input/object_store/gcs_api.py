"""Folders as buckets: the part of the storage API (JSON v1 and the media endpoint) that TensorFlow's client uses."""

import base64
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import google_crc32c

from bench.machine.own import durable

MEDIA_HOST, API_HOST = "storage.googleapis.com", "www.googleapis.com"
HOSTS = (MEDIA_HOST, API_HOST)
"""Where TensorFlow's client reads objects, and where it sends all other requests; both names are compiled into it."""

Headers = Mapping[str, str] | Message
PAGE = 1000  # names in one response to a listing, as Google's
UNFINISHED = ".unfinished"  # suffix of a file that is being written; no object has it


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request: counts and faults go by its `kind`."""

    kind: str
    method: str
    bucket: str
    name: str
    query: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Response:
    """A response: a status, headers, and a body."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def json_response(values: dict, status: int = 200) -> Response:
    """A response in JSON."""
    return Response(status=status, headers={"Content-Type": "application/json"}, body=json.dumps(values).encode())


def error_response(status: int, message: str) -> Response:
    """An error as the API words it."""
    return json_response({"error": {"code": status, "message": message}}, status)


_KINDS = {"GET": "stat", "DELETE": "delete", "POST": "write", "PUT": "write"}


def parse(method: str, host: str, target: str) -> Request:
    """Parses a request.

    Args:
        method: GET, PUT, POST or DELETE.
        host: One of `HOSTS`.
        target: Path and query, percent-encoded.
    """
    parts = urlsplit(target)
    query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if host == MEDIA_HOST:
        _, bucket, name = (*parts.path.split("/", 2), "", "")[:3]
        return Request(kind="read", method=method, bucket=unquote(bucket), name=unquote(name), query=query)
    match = re.fullmatch(r"(?:/upload)?/storage/v1/b/([^/]+)(?:/(o|storageLayout)(?:/(.+))?)?", parts.path)
    if not match:
        return Request(kind="unknown", method=method, bucket="", name=parts.path, query=query)
    bucket, part, name = (unquote(text or "") for text in match.groups())
    kind = "list" if method == "GET" and part == "o" and not name else _KINDS.get(method, "unknown")
    return Request(kind=kind, method=method, bucket=bucket, name=name, query=query)


class Buckets:
    """Folders served as buckets, read and, if asked for, written."""

    def __init__(self, folders: Mapping[str, str | Path], *, writable: bool = False):
        """Takes bucket names with their folders, and whether clients may write and delete."""
        self._writable = writable
        self._folders = {name: Path(folder).resolve() for name, folder in folders.items()}
        self._uploads: dict[str, tuple[Path, bytearray]] = {}
        self._numbers = count(1)

    def respond(self, request: Request, headers: Headers, body: bytes) -> Response:
        """Answers a request, whatever it asks for; `headers` finds names in any case."""
        try:
            return self._respond(request, headers, body)
        except FileNotFoundError:
            return error_response(404, f"no object {request.name!r} in bucket {request.bucket!r}")
        except OSError as error:
            return error_response(403, f"{request.name}: {error.strerror}")
        except (ValueError, OverflowError) as error:  # numbers that are none, or too large; names with a NUL
            return error_response(400, f"{request.name!r}: {error}")

    def _respond(self, request: Request, headers: Headers, body: bytes) -> Response:
        folder = self._folders.get(request.bucket)
        if folder is None:
            return error_response(404, f"no bucket {request.bucket!r}")
        if request.kind in {"write", "delete"} and not self._writable:
            return error_response(403, "this store is read-only; serve it with --writable")
        path = _inside(folder, request.query.get("name") or request.name.partition("/rewriteTo/")[0])
        if path is None:
            return error_response(400, f"no name of an object: {request.name!r}")
        handle: Callable[..., Response] = {
            "list": lambda: _listing(folder, request.query),
            "read": lambda: _read(path, headers.get("Range", "")),
            "stat": lambda: (
                _stat(path, request.name)
                if request.name
                else json_response({"name": request.bucket, "location": "HERE"})
            ),
            "delete": lambda: _delete(path),
            "write": lambda: self._write(request, path, headers, body),
        }.get(request.kind, lambda: error_response(405, f"{request.method} {request.name} is not served"))
        return handle()

    def _write(self, request: Request, path: Path, headers: Headers, body: bytes) -> Response:
        """Begins or continues an upload, makes a folder, or copies."""
        if request.method == "PUT":
            return self._upload(request.query.get("upload_id", ""), headers.get("Content-Range", ""), body)
        if "/rewriteTo/b/" in request.name:
            bucket, _, name = request.name.partition("/rewriteTo/b/")[2].partition("/o/")
            target = _inside(self._folders[bucket], name) if bucket in self._folders else None
            if target is None:
                return error_response(404, f"no bucket {bucket!r}")
            write_whole(target, path.read_bytes())
            return json_response({"done": True})
        if request.query.get("uploadType") == "media":
            if path.exists():
                return error_response(412, "is there already")
            path.mkdir(parents=True)
            return json_response({"name": request.query["name"]})
        key = str(next(self._numbers))
        self._uploads[key] = path, bytearray()
        location = f"https://{API_HOST}/upload/storage/v1/b/{request.bucket}/o?upload_id={key}"
        return Response(headers={"Location": location})

    def _upload(self, key: str, span: str, body: bytes) -> Response:
        """Takes a part; the object appears when the last part is there."""
        if key not in self._uploads:
            return error_response(404, "no such upload")
        path, held = self._uploads[key]
        match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+)", span)
        if match and match[1]:
            del held[int(match[1]) :]
        held += body
        if match and len(held) < int(match[2]):
            return Response(status=308, headers={"Range": f"bytes=0-{len(held) - 1}"} if held else {})
        write_whole(path, bytes(held))
        del self._uploads[key]
        return json_response({"size": str(len(held))})


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}{UNFINISHED}")
    unfinished.write_bytes(content)
    durable.replace_durably(unfinished, path)


def _inside(folder: Path, name: str) -> Path | None:
    """The file of an object; None if its name, or a link, leads out of the folder."""
    path = folder / name
    return path if ".." not in path.parts and path.resolve().is_relative_to(folder) else None


def _objects(folder: Path, prefix: str) -> Iterator[str]:
    """Names of all objects that begin with `prefix`; an empty folder is one that ends with a slash."""
    beginning = _inside(folder, prefix.rpartition("/")[0])
    for current, folders, files in os.walk(beginning) if beginning else ():
        folders.sort()
        inner = Path(current).relative_to(folder).as_posix()
        start = "" if inner == "." else f"{inner}/"
        names = [
            f"{start}{file}"
            for file in files
            if not file.endswith(UNFINISHED)
            and not (Path(current, file).is_symlink() and _inside(folder, f"{start}{file}") is None)
        ]
        yield from (name for name in names or [start] * (not folders) if name and name.startswith(prefix))


def _listing(folder: Path, query: dict[str, str]) -> Response:
    """One page of names; where a delimiter is given, those below the next slash as prefixes."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    names: dict[str, str] = {}
    for name in sorted(_objects(folder, prefix)):
        head, slash, _ = name[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
        names[prefix + head + slash if slash else name] = "prefixes" if slash else "items"
    start, size = int(query.get("pageToken", 0)), min(PAGE, int(query.get("maxResults", PAGE)))
    page = list(names.items())[start : start + size]
    checked = "crc32c" in query.get("fields", "")
    values: dict = {"items": [_item(folder / name, name, checked=checked) for name, kind in page if kind == "items"]}
    values["prefixes"] = [name for name, kind in page if kind == "prefixes"]
    if start + size < len(names):
        values["nextPageToken"] = str(start + size)
    return json_response({name: value for name, value in values.items() if value})


def _item(path: Path, name: str, *, checked: bool) -> dict[str, str]:
    """What a listing says of an object: its size and checksum where they are asked for, for that reads the file."""
    if not checked:
        return {"name": name}
    content = path.read_bytes() if path.is_file() else b""
    checksum = base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode()
    return {"name": name, "size": str(len(content)), "crc32c": checksum}


def _stat(path: Path, name: str) -> Response:
    """Size and age of an object."""
    if path.is_dir() != name.endswith("/"):
        raise FileNotFoundError
    status = path.stat()
    updated = datetime.fromtimestamp(status.st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    size = 0 if path.is_dir() else status.st_size
    return json_response({"size": str(size), "generation": str(status.st_mtime_ns // 1000), "updated": updated})


def _read(path: Path, span: str) -> Response:
    """The bytes of an object, or those of a range."""
    if path.is_dir():
        raise FileNotFoundError
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", span)
        if not match:
            return Response(body=file.read())
        first, last = int(match[1]), min(int(match[2] or size), size - 1)
        if first >= size:
            return Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        body = os.pread(file.fileno(), last - first + 1, first)
    return Response(status=206, headers={"Content-Range": f"bytes {first}-{last}/{size}"}, body=body)


def _delete(path: Path) -> Response:
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink()
    return Response(status=204)
