"""A folder or bucket of JPEGs, one folder a class -> paths and labels."""

import os
from dataclasses import dataclass
from pathlib import Path

from flowers_core import errors
from flowers_core.data import storage

CLASSES = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
"""The codelab's classes; their order fixes the labels 0 to 4 (codelab, section 4)."""


@dataclass(frozen=True, kw_only=True)
class Photos:
    """Photos and their labels, side by side.

    Attributes:
        folder: Where they were found: a path, or an address such as `gs://bucket/folder`.
        paths: One path a photo.
        labels: One integer a photo, the position of its class in `classes`.
        classes: Names of the classes, sorted.
    """

    folder: str
    paths: tuple[str, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)


def find(folder: str | Path) -> Photos:
    """Finds FOLDER/CLASS/*.jpg and *.jpeg, sorted by class and by path; a folder without photos is no class.

    Hidden files and files of other kinds are passed over. An address with `://` is listed through TensorFlow.

    Raises:
        InputError: If the folder cannot be read, does not hold photos of at least two classes, or holds names
            that are not UTF-8.
    """
    folder = storage.normalize(folder)
    files = _in_bucket(folder) if storage.is_bucket(folder) else _on_disk(folder)
    found = sorted((name, file) for name, file in files if _is_photo(file))
    classes = tuple(sorted({name for name, _ in found if name}))
    if len(classes) < 2:
        raise errors.InputError(
            f"`folder` must hold one folder a class, at least two of them, with .jpg or .jpeg files inside. "
            f"Received: folder={folder!r} with {_describe(found, classes)}. "
            f"Give the folder that holds the folders of the classes, such as {', '.join(CLASSES)}"
        )
    photos = [(name, file) for name, file in found if name]
    paths = tuple(f"{folder}/{name}/{file}" for name, file in photos)
    if foreign := [path for path in paths if not storage.is_utf8(path)]:
        raise errors.InputError(
            f"`folder` must hold folders and photos whose names are UTF-8. Received: {foreign[0]!r}. Rename it"
        )
    return Photos(
        folder=folder,
        paths=paths,
        labels=tuple(classes.index(name) for name, _ in photos),
        classes=classes,
    )


def _on_disk(folder: str) -> list[tuple[str, str]]:
    """`(class, file)` of every file one level down, and `("", file)` of those directly in the folder."""
    try:
        entries = list(os.scandir(folder))
        files = [("", entry.name) for entry in entries if entry.is_file()]
        for entry in entries:
            if entry.is_dir() and not entry.name.startswith("."):
                files += [(entry.name, inner.name) for inner in os.scandir(entry) if inner.is_file()]
    except OSError as error:
        raise errors.InputError(
            f"`folder` must be a folder that can be read. Received: folder={folder!r} ({error}). "
            f"Draw photos with `python -m flowers_core synthetic`, or `download` the real ones"
        ) from error
    return files


def _in_bucket(folder: str) -> list[tuple[str, str]]:
    """The same of an address such as `gs://bucket/folder`, in one listing; a second one only to say what is wrong."""
    paths = storage.glob(folder, ("*/*",)) or storage.glob(folder, ("*",))
    relative = (path.removeprefix(f"{folder}/").rpartition("/") for path in paths)
    return [(name, file) for name, _, file in relative if "/" not in name and not name.startswith(".")]


def _is_photo(file: str) -> bool:
    """Whether a file is a JPEG by its name, and not hidden."""
    return file.lower().endswith((".jpg", ".jpeg")) and not file.startswith(".")


def _describe(found: list[tuple[str, str]], classes: tuple[str, ...]) -> str:
    """Says what stands in place of the photos of two classes."""
    if classes:
        return f"photos of one class only, {classes[0]!r}"
    if found:
        return f"{len(found)} photos directly in it and no folders of classes"
    return "no photos"
