"""The codelab's public flower photos: downloads and unpacks the 3,670 JPEGs it trains on.

Why not pooch or `keras.utils.get_file`: neither resumes a download that broke off, checks a size before it writes, or
limits what an archive may unpack to. Both would need all of this but the comparison of the hash.
"""

import hashlib
import http.client
import shutil
import ssl
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path, PurePosixPath

from flowers_core import durable, errors, progress
from flowers_core.data import storage

URL = "https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz"
SIZE_BYTES = 228_813_984
SHA256 = "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c"
"""Size and hash as recorded by TensorFlow Datasets, tf_flowers/checksums.tsv."""

NAME = "flower_photos"
"""The one folder in the archive, and the folder that is made."""

TIMEOUT_SECONDS = 30
CHUNK_BYTES = 1 << 20
# Far above what the real archive needs (3,670 photos, 0.2 GB): they stop an archive that is built to do harm.
ENTRIES_LIMIT = 100_000
FILE_BYTES_LIMIT = 64 << 20
TOTAL_BYTES_LIMIT = 4 << 30


def download(folder: str | Path, *, url: str = URL, size_bytes: int = SIZE_BYTES, sha256: str = SHA256) -> Path:
    """Downloads the archive and unpacks it, unless the photos are there already.

    A download that broke off stays as FOLDER/flower_photos.tgz.part, and the next call resumes it.

    Args:
        folder: Where `flower_photos` will stand; made if missing.
        url: Where the archive is; another address must hold the same bytes.
        size_bytes: Size of the archive in bytes.
        sha256: Its SHA-256 in hexadecimal.

    Returns:
        FOLDER/flower_photos, with one folder a class.

    Raises:
        InputError: If the address is not http or https, or does not lead to the archive.
        ConnectionError: If the network or the server fails; calling again resumes.
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
    with durable.name_file(folder):
        _resume(url, part, size_bytes)
        _check_hash(part, url, sha256)
        unpack(part, photos)
    part.unlink()
    return photos


def unpack(archive: Path, photos: Path) -> None:
    """Unpacks the one folder of a .tgz; it appears under its name only when it is complete.

    Only plain files and folders inside `photos.name` are accepted; owners and permissions are not taken over.

    Args:
        archive: The .tgz; everything in it lies in a folder with the name of `photos`.
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
                for member in _check_members(tar, photos.name):
                    _write(tar, member, Path(unpacked))
                    advance(file.tell() - before)
                    before = file.tell()
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise errors.InputError(
                f"`archive` must be a complete .tgz. Received: {archive} ({error}). Delete it and download it again"
            ) from error
        if not (Path(unpacked) / photos.name).is_dir():
            raise errors.InputError(f"`archive` must hold a folder {photos.name}. Received: {archive} without")
        storage.replace_durably(Path(unpacked) / photos.name, photos)


def _resume(url: str, part: Path, size_bytes: int) -> None:
    """Appends to `part` what is missing of `size_bytes`, or starts again where the server cannot resume."""
    done = part.stat().st_size if part.exists() else 0
    if done >= size_bytes:
        return  # complete: only its unpacking was cut off
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            if not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
                done = 0
            offered = response.headers.get("Content-Length")
            if offered is not None and int(offered) != size_bytes - done:  # a page in place of the archive
                raise errors.InputError(
                    f"`url` must lead to the flower photos, {size_bytes - done} bytes to come. "
                    f"Received: url={url!r}, which offers {offered} bytes"
                )
            with part.open("ab" if done else "wb") as file, progress.bar("downloading (bytes)", size_bytes) as advance:
                advance(done)
                while done <= size_bytes and (chunk := response.read(CHUNK_BYTES)):
                    done += file.write(chunk)
                    advance(len(chunk))
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        if getattr(error, "code", None) == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink()  # the server's file ends before ours: nothing to resume
        raise ConnectionError(f"{url} could not be downloaded ({error}). {_advice(url, part)}") from error
    if done < size_bytes:
        raise ConnectionError(f"{url} broke off after {done} of {size_bytes} bytes. {_advice(url, part)}")


def _check_hash(part: Path, url: str, sha256: str) -> None:
    """Compares the SHA-256, and deletes what is not the archive, so that the next call starts again."""
    with part.open("rb") as file:
        received = hashlib.file_digest(file, "sha256").hexdigest()
    if received != sha256:
        part.unlink()
        raise errors.InputError(
            f"`url` must lead to an archive with the SHA-256 {sha256}. Received: {received} from {url}. "
            f"It was deleted. {_advice(url, part)}"
        )


def _advice(url: str, part: Path) -> str:
    """What the user can do when a download fails."""
    return (
        f"Try again: a download that broke off resumes. Or download {url} by hand and unpack it in {part.parent}, or "
        f"draw photos without a network with `python -m flowers_core synthetic`"
    )


def _check_members(tar: tarfile.TarFile, root: str) -> Iterator[tarfile.TarInfo]:
    """Yields the members, each checked before anything of it is read.

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
    elif content := tar.extractfile(member):  # a plain file
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            shutil.copyfileobj(content, file)
