"""Files of a folder, on disk or in a bucket; no file appears under its name before it is whole."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flowers_core import errors


def is_bucket(folder) -> bool:
    """Whether this is an address such as gs://bucket/folder, which TensorFlow reads, and not a path on disk."""
    return "://" in str(folder)


def join(folder, name: str) -> str:
    """The path of a file in a folder."""
    return f"{str(folder).rstrip('/')}/{name}" if is_bucket(folder) else str(Path(folder) / name)


def listing(folder) -> dict[str, int]:
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


def size(path: str) -> int:
    """Bytes of a file; -1 if there is none that can be seen."""
    if not is_bucket(path):
        try:
            return Path(path).stat().st_size
        except OSError:
            return -1
    import tensorflow as tf

    try:
        return tf.io.gfile.stat(path).length
    except tf.errors.NotFoundError:
        return -1


def read_text(path: str) -> str:
    """The text of a UTF-8 file.

    Raises:
        UnicodeDecodeError: If it is not UTF-8, which is a ValueError.
    """
    if not is_bucket(path):
        return Path(path).read_text("utf-8")
    import tensorflow as tf

    with tf.io.gfile.GFile(path, "rb") as file:
        return file.read().decode("utf-8")


def write_text(path: str, text: str) -> None:
    """Writes a UTF-8 file, whole or not at all."""
    folder, name = path.rsplit("/", 1) if is_bucket(path) else os.path.split(path)
    with scratch(folder) as room:
        temporary = room / f"{name}.tmp"
        temporary.write_text(text, "utf-8")
        place(temporary, path)


@contextmanager
def scratch(folder) -> Iterator[Path]:
    """A folder on disk for unfinished files: for a bucket a temporary one, else `folder` itself.

    The same folder, because only within one file system is a rename all or nothing. It is made if missing.
    """
    if not is_bucket(folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
        yield Path(folder)
        return
    room = Path(tempfile.mkdtemp())
    try:
        yield room
    finally:
        shutil.rmtree(room)


def place(temporary: Path, path: str) -> None:
    """Gives a finished file its name; in a bucket an object appears whole, when its upload ends."""
    if is_bucket(path):
        import tensorflow as tf

        tf.io.gfile.copy(str(temporary), path, overwrite=True)
        temporary.unlink()
        return
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())  # else a power cut may leave the name without the content
    temporary.replace(path)


def remove(path: str) -> None:
    """Removes a file; one that is not there is fine."""
    if not is_bucket(path):
        Path(path).unlink(missing_ok=True)
        return
    import tensorflow as tf

    if tf.io.gfile.exists(path):
        tf.io.gfile.remove(path)


def _bucket_listing(folder: str) -> dict[str, int]:
    import tensorflow as tf

    try:
        names = sorted(name for name in tf.io.gfile.listdir(folder) if not name.endswith("/"))
        return {name: tf.io.gfile.stat(join(folder, name)).length for name in names}
    except tf.errors.NotFoundError:
        return {}
    except tf.errors.OpError as error:
        raise errors.InputError(f"`folder` must be a folder that can be read. Received: {error.message}") from error
