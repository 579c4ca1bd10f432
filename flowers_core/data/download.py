"""The public flower photos: downloads and unpacks the 3,670 JPEGs the codelab trains on."""

import hashlib
import http.client
import shutil
import ssl
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from pathlib import Path, PurePosixPath

from flowers_core import errors, progress
from flowers_core.data import storage

URL = "https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz"
SIZE_BYTES = 228_813_984
SHA256 = "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c"
"""Size and hash as recorded by TensorFlow Datasets, tf_flowers/checksums.tsv."""

NAME = "flower_photos"
"""The one folder in the archive, and the folder that is made."""

TIMEOUT_SECONDS = 30
CHUNK_BYTES = 1 << 20
# Far above what the real archive needs (3,670 photos, 0.2 GB): they stop an archive that is made to harm.
ENTRIES_LIMIT = 100_000
FILE_BYTES_LIMIT = 64 << 20
TOTAL_BYTES_LIMIT = 4 << 30


def download(folder: str | Path, *, url: str = URL, size_bytes: int = SIZE_BYTES, sha256: str = SHA256) -> Path:
    """Downloads the archive and unpacks it; what is already there is not fetched again.

    A download that was cut off stays as FOLDER/flower_photos.tgz.part and is continued by the next call.

    Args:
        folder: Where `flower_photos` will stand; made if missing.
        url: Where the archive is; another address must hold the same bytes.
        size_bytes: Size of the archive in bytes.
        sha256: Its SHA-256 in hexadecimal.

    Returns:
        FOLDER/flower_photos, with one folder a class.

    Raises:
        InputError: If the address is not http or https, or does not lead to the archive.
        ConnectionError: If the network or the server fails; calling again continues.
        OSError: If the disk refuses.
    """
    folder = Path(folder)
    photos = folder / NAME
    if photos.is_dir() and any(photos.iterdir()):
        return photos
    if not url.startswith(("https://", "http://")):
        raise errors.InputError(f"`url` must begin with https:// or http://. Received: url={url!r}")
    if folder.exists() and not folder.is_dir():
        raise errors.InputError(f"`folder` must be a folder. Received: folder={str(folder)!r}, a file")
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{NAME}.tgz.part"
    _download(url, part, size_bytes)
    _verify(part, url, sha256)
    unpack(part, photos)
    part.unlink()
    return photos


def unpack(archive: Path, photos: Path) -> None:
    """Unpacks the one folder of a .tgz; it appears under its name only when it is complete.

    Only plain files and folders inside `photos.name` are accepted; owners and permissions are not taken over.

    Args:
        archive: The .tgz; everything in it lies in a folder called as `photos` is.
        photos: The folder to make.

    Raises:
        InputError: If the archive is damaged, or holds links, devices, paths that lead outside, or more or
            larger files than photographs need.
    """
    with (
        tempfile.TemporaryDirectory(dir=photos.parent, prefix=f".{photos.name}-") as unpacked,
        archive.open("rb") as file,
        progress.bar("unpacking (bytes)", archive.stat().st_size) as advance,
    ):
        try:
            before = 0
            with tarfile.open(fileobj=file, mode="r|gz") as tar:  # one pass: seeking would decompress again
                for member in _accepted(tar, photos.name):
                    _write(tar, member, Path(unpacked))
                    advance(file.tell() - before)
                    before = file.tell()
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise errors.InputError(
                f"`archive` must be a complete .tgz. Received: {archive} ({error}). Delete it and fetch again"
            ) from error
        if not (Path(unpacked) / photos.name).is_dir():
            raise errors.InputError(f"`archive` must hold a folder {photos.name}. Received: {archive} without")
        storage.replace_durably(Path(unpacked) / photos.name, photos)


def _download(url: str, part: Path, size_bytes: int) -> None:
    """Appends to `part` what is missing of `size_bytes`, or begins again where the server cannot continue."""
    done = part.stat().st_size if part.exists() else 0
    if done >= size_bytes:
        return  # complete: only its unpacking was cut off
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            if not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
                done = 0
            _check_offer(url, response, size_bytes - done)
            with part.open("ab" if done else "wb") as file:
                _copy(response, file, done, size_bytes)
    except (
        urllib.error.URLError,
        http.client.HTTPException,
        ConnectionError,
        TimeoutError,
        ssl.SSLError,
    ) as error:
        if getattr(error, "code", None) == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink()  # the server's file ends before ours: nothing to continue
        raise ConnectionError(f"{url} could not be fetched ({error}). {_what_to_do(url, part)}") from error
    if part.stat().st_size < size_bytes:
        raise ConnectionError(
            f"{url} broke off after {part.stat().st_size} of {size_bytes} bytes. {_what_to_do(url, part)}"
        )


def _check_offer(url: str, response, expected_bytes: int) -> None:
    """Refuses a page that answers in place of the archive before a byte of it is written."""
    offered = response.headers.get("Content-Length")
    if offered is not None and int(offered) != expected_bytes:
        raise errors.InputError(
            f"`url` must lead to the flower photos, {expected_bytes} bytes to come. "
            f"Received: url={url!r}, which offers {offered} bytes"
        )


def _copy(response, file, done: int, size_bytes: int) -> None:
    """Copies until the response ends, or has given more than it may."""
    with progress.bar("fetching (bytes)", size_bytes) as advance:
        advance(done)
        while done <= size_bytes and (chunk := response.read(CHUNK_BYTES)):
            file.write(chunk)
            done += len(chunk)
            advance(len(chunk))


def _verify(part: Path, url: str, sha256: str) -> None:
    """Compares the SHA-256, and deletes what is not the archive so that the next call begins again."""
    with part.open("rb") as file:
        received = hashlib.file_digest(file, "sha256").hexdigest()
    if received != sha256:
        part.unlink()
        raise errors.InputError(
            f"`url` must lead to an archive with the SHA-256 {sha256}. Received: {received} from {url}. "
            f"It was deleted: fetch again. {_by_hand(url, part)}"
        )


def _what_to_do(url: str, part: Path) -> str:
    """The ways out when the network fails."""
    return f"Try again: it continues where it stopped. {_by_hand(url, part)}"


def _by_hand(url: str, part: Path) -> str:
    """The ways out that need nothing from here."""
    return (
        f"Or fetch {url} by hand and unpack it in {part.parent}, or draw photos without a network with "
        f"`python -m flowers_core synthetic`"
    )


def _accepted(tar: tarfile.TarFile, root: str):
    """Yields the members, checked one by one before anything of them is read.

    Raises:
        InputError: At the first member that photographs do not need.
    """
    total_bytes = 0
    for count, member in enumerate(tar, start=1):
        total_bytes += member.size
        if reason := _objection(member, root):
            raise errors.InputError(f"`archive` must hold photos only. Received: {member.name!r}, {reason}")
        if count > ENTRIES_LIMIT or total_bytes > TOTAL_BYTES_LIMIT:
            raise errors.InputError(
                f"`archive` must hold at most {ENTRIES_LIMIT} entries and {TOTAL_BYTES_LIMIT} bytes. "
                f"Received: at least {count} entries and {total_bytes} bytes"
            )
        yield member


def _objection(member: tarfile.TarInfo, root: str) -> str:
    """Why a member is not accepted; empty where nothing speaks against it."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\0" in member.name:
        return "which leads outside"
    if path.parts[:1] != (root,):
        return f"which is not in {root}"
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
        return "which is neither a plain file nor a folder"
    if member.size > FILE_BYTES_LIMIT:
        return f"which is larger than {FILE_BYTES_LIMIT} bytes"
    return ""


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Writes one member below `folder`, with the permissions of any new file."""
    target = folder / member.name
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(tar.extractfile(member), file)
