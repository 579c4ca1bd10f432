"""Files of a folder, on disk or in a bucket; no file appears under its name before it is whole."""

import errno
import fcntl
import json
import os
import re
import shutil
import ssl
import tempfile
from collections.abc import Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from time import monotonic, sleep, time
from typing import IO, Any
from urllib import error as answers
from urllib import parse, request

from flowers_core import durable, errors
from flowers_core.durable import make_folder, name_file, replace_durably, without_home

REACH_SECONDS = 20
"""How long a bucket may take to answer first."""

CLIENT_SETTINGS = {
    # The client clears a buffer of this size for each file that it opens; 64 MB take longer than decoding a shard.
    "GCS_READ_CACHE_BLOCK_SIZE_MB": "1",
    # A store that goes silent is given up after 6 tries of 10 s each, one that refuses after 12 s of waiting in
    # between. By itself the client would try for over ten minutes.
    "GCS_REQUEST_CONNECTION_TIMEOUT_SECS": "10",
    "GCS_REQUEST_IDLE_TIMEOUT_SECS": "10",
    "GCS_METADATA_REQUEST_TIMEOUT_SECS": "30",
    "GCS_RETRY_CONFIG_INIT_DELAY_TIME_US": "500000",
    "GCS_RETRY_CONFIG_MAX_DELAY_TIME_US": "4000000",
    "GCS_RETRY_CONFIG_MAX_RETRIES": "5",
}
"""How TensorFlow's client of gs:// should behave; it reads these variables when TensorFlow is imported, not later."""

REQUEST_BYTES = 8 << 20
"""Of a shard, in one request: larger than the codelab's shards, so that each takes one."""

_HOMES = ("/home", "/root", "/Users")

_API = "https://www.googleapis.com/storage/v1/b/"

_AT_ONCE = 32
"""Requests for sizes at once: in a bucket each takes its latency, and no work."""


def is_bucket(folder: str | Path) -> bool:
    """Whether this is an address such as gs://bucket/folder, which TensorFlow reads, and not a path on disk."""
    return "://" in str(folder)


def configure_client(variables: MutableMapping[str, str]) -> None:
    """Adds `CLIENT_SETTINGS` to the variables of a process that has not imported TensorFlow yet; what is set stays."""
    for name, value in CLIENT_SETTINGS.items():
        variables.setdefault(name, value)


def request_bytes() -> int:
    """How much of a shard in a bucket to ask for at once.

    More than the client's own buffer, which would be cleared and copied first; where TensorFlow was imported with
    nothing set, that is 64 MB.
    """
    buffer = int(os.environ.get("GCS_READ_CACHE_BLOCK_SIZE_MB", "64")) << 20
    return max(REQUEST_BYTES, buffer) + 1


def normalize(folder: str | Path) -> str:
    """The folder as text, without a slash at its end.

    Raises:
        InputError: If it is empty, which would mean the working directory or `/`, or not UTF-8.
    """
    folder = str(folder)
    if not folder or not is_utf8(folder):
        raise errors.InputError(
            f"`folder` must be a path or an address in UTF-8. Received: folder={folder!r}. "
            f"Name a folder, such as data/synthetic (`.` is the one you are in)"
        )
    return folder.rstrip("/") or "/"


def absolute(folder: str) -> str:
    """The folder as other processes find it, whatever their working directory; an address as it is."""
    return folder if is_bucket(folder) or not folder else str(Path(folder).absolute())


def is_utf8(name: str) -> bool:
    """Whether a name is UTF-8, as TensorFlow and JSON want it; a disk may hold others."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def join(folder: str | Path, name: str) -> str:
    """The path of a file in a folder."""
    return f"{str(folder).rstrip('/')}/{name}" if is_bucket(folder) else str(Path(folder) / name)


def relative_to(folder: str | Path, path: str) -> str:
    """A path as a file in a folder names it, without the name of anybody's home folder.

    Returns:
        The path relative to the folder; where that would lead through a home folder, or the folder is in a bucket, the
        whole path with `~` for this user's. Of what lies in another user's home the name alone, and of a bucket the
        address as it is.
    """
    if is_bucket(path):
        return path
    path = os.path.realpath(path)
    if not is_bucket(folder):
        above = os.path.commonpath([path, os.path.realpath(folder)])
        if above != "/" and not f"{Path.home()}".startswith(f"{above}/"):
            return os.path.relpath(path, os.path.realpath(folder))
    path = without_home(path)
    return Path(path).name if any(path.startswith(f"{homes}/") for homes in _HOMES) else path


def listing(folder: str | Path) -> dict[str, int]:
    """Names and sizes in bytes of the files right in a folder, sorted; none if there is no such folder.

    Raises:
        InputError: If it is no folder or may not be read.
    """
    if is_bucket(folder):
        return _bucket_listing(str(folder))
    if not Path(folder).exists():
        return {}
    try:
        return {file.name: file.stat().st_size for file in sorted(Path(folder).iterdir()) if file.is_file()}
    except OSError as error:
        raise errors.InputError(
            f"`folder` must be a folder that can be read. Received: {folder}: {error.strerror}"
        ) from error


def glob(address: str, patterns: tuple[str, ...]) -> list[str]:
    """Addresses below one in a bucket that match one of the patterns, such as `*/*`, in one listing.

    Raises:
        InputError: If it cannot be listed.
    """
    _reach(address)
    with _bucket(address) as files:
        return files.glob([join(address, pattern) for pattern in patterns])


def size(path: str) -> int:
    """Bytes of a file; -1 if there is none that can be seen."""
    try:
        if not is_bucket(path):
            return Path(path).stat().st_size
        with _bucket(path) as files:
            return files.stat(path).length
    except OSError:
        return -1


def checksums(address: str) -> dict[str, str]:
    """Sizes and checksums (CRC-32C) of the objects below an address of Google's, by their paths.

    They are of the content, where an object's generation and dates are of its upload. A listing by TensorFlow has
    names alone, and each size is a request of its own; the store's own listing says all of 1,000 objects at once.

    Returns:
        `size:checksum` by path; nothing where the store is not Google's or does not grant a listing.
    """
    if not address.startswith("gs://"):
        return {}
    bucket, _, folder = address.removeprefix("gs://").partition("/")
    query = {"prefix": folder and f"{folder.rstrip('/')}/", "fields": "items(name,size,crc32c),nextPageToken"}
    known, token = dict[str, str](), ""
    try:
        while True:
            url = f"{_API}{bucket}/o?{parse.urlencode({**query, **({'pageToken': token} if token else {})})}"
            page = json.loads(_get_authorised(url))
            items = page.get("items", ())
            known |= {f"gs://{bucket}/{item['name']}": f"{item['size']}:{item['crc32c']}" for item in items}
            if not (token := page.get("nextPageToken", "")):
                return known
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ):  # whoever reads the objects says what is wrong
        return {}


def read_text(path: str) -> str:
    """The text of a UTF-8 file.

    Raises:
        UnicodeDecodeError: If it is not UTF-8, which is a ValueError.
    """
    if not is_bucket(path):
        return Path(path).read_text("utf-8")
    with _bucket(path) as files, files.GFile(path, "rb") as file:
        return file.read().decode("utf-8")


def write_text(path: str, text: str) -> None:
    """Writes a UTF-8 file, whole or not at all."""
    folder, name = path.rsplit("/", 1) if is_bucket(path) else os.path.split(path)
    with scratch(folder) as temporary_folder:
        temporary = temporary_folder / f"{name}.tmp"
        try:
            with name_file(path):
                temporary.write_text(text, "utf-8")
            place(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def scratch(folder: str | Path) -> Iterator[Path]:
    """A folder on disk for unfinished files: for a bucket a temporary one, else `folder` itself.

    The same folder, because a rename is atomic only within one file system. It is made if missing.
    """
    if not is_bucket(folder):
        make_folder(folder)
        yield Path(folder)
        return
    with durable.scratch_folder() as temporary:
        yield temporary


def place(temporary: Path, path: str) -> None:
    """Gives a finished file its name; in a bucket an object appears whole, when its upload ends."""
    if is_bucket(path):
        with _bucket(path) as files:
            files.copy(str(temporary), path, overwrite=True)
        temporary.unlink()
        return
    replace_durably(temporary, path)


def remove(path: str) -> None:
    """Removes a file; one that is not there is fine."""
    if not is_bucket(path):
        Path(path).unlink(missing_ok=True)
        return
    with _bucket(path) as files:
        if files.exists(path):
            files.remove(path)


def _open_lock(path: Path) -> IO[str]:
    """Opens a lock, also one that another user made in a folder of several: to hold it, reading it is enough."""
    try:
        return path.open("a+")
    except PermissionError:
        if not path.exists():
            raise
        return path.open()


@contextmanager
def exclusive(folder: str | Path, purpose: str) -> Iterator[None]:
    """Lets one process at a time work in a folder on disk, which is made if missing.

    The kernel holds the lock and releases it when the process ends, however it ends. Why not a file that is there or
    not: a killed process leaves it behind, and its process id soon belongs to another.

    Args:
        folder: It keeps the file `.lock`, with the id of the process that holds it.
        purpose: What the process does there, for the message.

    Raises:
        InputError: If another process holds it.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    with _open_lock(Path(folder) / ".lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise errors.InputError(
                f"One process at a time may {purpose} in {folder}. Received: a second one beside process "
                f"{file.read().strip() or 'unknown'}. Wait until that has ended, or end it"
            ) from error
        if file.writable():
            with name_file(file.name):
                file.truncate(0)
                file.write(f"{os.getpid()}\n")
                file.flush()
        yield


def temporary_folder() -> str:
    """A new temporary folder for as long as this process lives: the lock on it, never given back, says so."""
    folder = tempfile.mkdtemp(prefix=durable.TEMPORARY)
    fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_SH)
    return folder


def prune_temporary() -> None:
    """Removes temporary folders of this user whose processes were killed: nobody holds a lock on them.

    With what these processes left in /dev/shm, as far as the folder says what that is.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{durable.TEMPORARY}*"):
        if not re.fullmatch(r"[a-z0-9_]{8}", folder.name.removeprefix(durable.TEMPORARY)):
            continue
        with suppress(OSError):  # another's, removed just now, or locked: BlockingIOError is one
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                status = os.fstat(descriptor)
                if status.st_uid == os.getuid() and time() - status.st_mtime > 60:  # a new one is not locked yet
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _remove_shared(folder)
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)


def _remove_shared(folder: Path) -> None:
    """Removes the files in shared memory that notes in a temporary folder name: others have another inode."""
    for note in folder.rglob(f"{durable.SHARED_NOTE}*"):
        with suppress(OSError, ValueError, AttributeError, TypeError):  # damaged, for its writer was killed
            for name, inode in json.loads(note.read_text("utf-8")).items():
                path = durable.SHARED / Path(name).name
                with suppress(FileNotFoundError):
                    if path.lstat().st_ino == inode:
                        path.unlink()


def _bucket_listing(folder: str) -> dict[str, int]:
    _reach(folder)
    try:
        with _bucket(folder) as files, ThreadPoolExecutor(_AT_ONCE) as pool:
            paths = sorted(files.glob(join(folder, "*")))  # listdir calls every error "not found", even missing rights
            stats = dict(zip(paths, pool.map(files.stat, paths), strict=True))
    except FileNotFoundError as error:
        if not folder.startswith("gs://"):
            return {}
        raise errors.InputError(
            f"`folder` must be in a bucket that is there. Received: {folder} ({error.strerror}). Correct its name"
        ) from error
    return {path.rpartition("/")[2]: stat.length for path, stat in stats.items() if not stat.is_directory}


@contextmanager
def _bucket(address: str) -> Iterator[Any]:
    """Yields `tf.io.gfile`; its errors become FileNotFoundError or an InputError that names the address."""
    import tensorflow as tf

    try:
        yield tf.io.gfile
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, error.message, address) from error
    except tf.errors.OpError as error:
        raise errors.InputError(
            f"`folder` must be an address that can be reached, with the rights to read it and, for records, to "
            f"write. Received: {address} ({error.message})"
        ) from error


def _reach(address: str) -> None:
    """Asks for a bucket of Google's before its first listing: TensorFlow's client would try for minutes."""
    if address.startswith("gs://"):
        _ask("/".join(address.split("/")[:3]))


@cache
def _ask(bucket: str) -> None:
    """Asks for a bucket, as TensorFlow's client would; an answer is asked for once.

    Any answer will do but a fault of the server: the call that needs the bucket will say what is wrong with it.

    Raises:
        InputError: If there is no answer within `REACH_SECONDS`, or the connection fails.
    """
    url = f"{_API}{bucket.removeprefix('gs://')}"
    end, cause = monotonic() + REACH_SECONDS, ""
    while (left := end - monotonic()) > 0:
        try:
            request.urlopen(url, timeout=left, context=_trust_roots()).close()
            return
        except answers.HTTPError as answer:
            answer.close()
            if answer.code < 500:
                return
            cause = f"which answers {answer.code} {answer.reason} for {REACH_SECONDS} s"
            sleep(min(1.0, max(0.0, end - monotonic())))
        except TimeoutError:
            break
        except OSError as refused:  # URLError is one
            reason = getattr(refused, "reason", refused)
            if isinstance(reason, TimeoutError):
                break
            raise _unreachable(bucket, f"{url}: {reason}") from refused
    raise _unreachable(bucket, cause or f"which did not answer within {REACH_SECONDS} s")


def _trust_roots() -> ssl.SSLContext:
    """The authorities that TensorFlow's client trusts."""
    return ssl.create_default_context(cafile=os.environ.get("CURL_CA_BUNDLE") or None)


def _get_authorised(url: str) -> bytes:
    """What an address of Google's answers: to anybody or, if it wants to know who asks, to this machine's user.

    Raises:
        OSError: If it does not answer, or does not grant it.
    """
    try:
        return _get(url)
    except answers.HTTPError as answer:
        answer.close()
        if answer.code not in {401, 403} or not (token := _access_token()):
            raise
        return _get(request.Request(url, headers={"Authorization": f"Bearer {token}"}))


def _get(address: str | request.Request) -> bytes:
    with request.urlopen(address, timeout=REACH_SECONDS, context=_trust_roots()) as answer:
        return answer.read()


@cache
def _access_token() -> str:
    """A token of the credentials that Google's libraries find on this machine; empty where they find none."""
    try:
        import google.auth
        from google.auth.transport.requests import Request

        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/devstorage.read_only"])
        credentials.refresh(Request())
    except Exception:  # not installed, no credentials, or refused: all the same to who asks
        return ""
    return credentials.token or ""


def _unreachable(bucket: str, cause: str) -> errors.InputError:
    return errors.InputError(
        f"`folder` must be an address that can be reached. Received: {bucket}, {cause}. Mend the network, the proxy "
        f"(HTTPS_PROXY) or the authorities that are trusted (CURL_CA_BUNDLE), or copy the files to a disk here"
    )
