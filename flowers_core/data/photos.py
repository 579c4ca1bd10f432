"""A folder or bucket of JPEGs, one folder a class -> paths and labels."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from flowers_core import errors
from flowers_core.data import storage
from flowers_core.data.decoding import CODELAB, Decoding

CLASSES = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
"""The codelab's classes; their order fixes the labels 0 to 4 (codelab, section 4)."""

JPEG_SUFFIXES = (".jpg", ".jpeg", ".jfif")
ACCEPTABLE = ("png", "webp")
"""Kinds that records can be written from beside JPEG; the input pipelines that read photos themselves decode JPEG."""


@dataclass(frozen=True, kw_only=True)
class Photos:
    """Photos and their labels, side by side.

    Attributes:
        folder: Where they were found: a path, or an address such as `gs://bucket/folder`.
        paths: One path a photo.
        labels: One integer a photo, the position of its class in `classes`.
        classes: Names of the classes, sorted.
        decoding: How they become pixels.
        passed_over: Paths relative to the folder that hold no photo that was asked for, by the reason why.
    """

    folder: str
    paths: tuple[str, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    decoding: Decoding = CODELAB
    passed_over: dict[str, list[str]] = field(default_factory=dict, compare=False)

    def __len__(self) -> int:
        return len(self.paths)


def describe(passed_over: dict[str, list[str]]) -> str:
    """One line that says what was passed over and why, each reason with its first path; empty if nothing was."""
    counts = [f"{len(paths)} {reason} ({paths[0]!r})" for reason, paths in sorted(passed_over.items())]
    return f"passed over: {', '.join(counts)}" if counts else ""


def find(folder: str | Path, *, accept: Collection[str] = (), decoding: Decoding = CODELAB) -> Photos:
    """Finds the JPEG files FOLDER/CLASS/*.jpg, .jpeg and .jfif, sorted by class and by path.

    An address with `://` is listed through TensorFlow. Hidden files are ignored, and so are files beside the folders
    of classes that are no photos, such as a licence. Everything else that is no photo is in `passed_over`.

    Args:
        folder: A path or an address.
        accept: Further kinds of photos, of `ACCEPTABLE`.
        decoding: How they are to become pixels.

    Raises:
        InputError: If the folder cannot be read, does not hold photos of at least two classes, or holds names that
            are not UTF-8 or classes whose names look the same.
    """
    folder = storage.normalize(folder)
    for kind in accept:
        errors.one_of("accept", kind, ACCEPTABLE)
    suffixes = (*JPEG_SUFFIXES, *(f".{kind}" for kind in accept))
    files = _in_bucket(folder) if storage.is_bucket(folder) else _on_disk(folder)
    photos, passed_over = [], defaultdict(list)
    for name, file, fault in sorted(files):
        if file.startswith("."):
            continue
        reason = fault or _fault(file, suffixes)
        if reason and (name or fault):
            passed_over[reason].append(f"{name}/{file}".strip("/"))
        elif not reason:
            photos.append((name, file))
    classes = tuple(sorted({name for name, _ in photos if name}))
    if loose := [file for name, file in photos if not name]:
        passed_over["in no folder of a class"] = loose
    if len(classes) < 2:
        others = f"; {describe(passed_over)}" if passed_over else ""
        raise errors.InputError(
            f"`folder` must hold one folder a class, at least two of them, with .jpg or .jpeg files inside. "
            f"Received: folder={folder!r} with {_describe(photos, classes)}{others}. "
            f"Give the folder that holds the folders of the classes, such as {', '.join(CLASSES)}"
        )
    photos = [(name, file) for name, file in photos if name]
    paths = tuple(f"{folder}/{name}/{file}" for name, file in photos)
    if foreign := [path for path in paths if not storage.is_utf8(path)]:
        raise errors.InputError(
            f"`folder` must hold folders and photos whose names are UTF-8. Received: {foreign[0]!r}. Rename it"
        )
    _check_distinct(classes)
    places = {name: place for place, name in enumerate(classes)}
    return Photos(
        folder=folder,
        paths=paths,
        labels=tuple(places[name] for name, _ in photos),
        classes=classes,
        decoding=decoding,
        passed_over=dict(passed_over),
    )


def _fault(file: str, suffixes: tuple[str, ...]) -> str:
    """Why a file is no photo by its name; empty if it is one."""
    suffix = Path(file).suffix.lower()
    if suffix in suffixes:
        return ""
    advice = f", taken with --accept {suffix[1:]}" if suffix[1:] in ACCEPTABLE else ""
    return f"{suffix} files{advice}" if suffix else "names without a suffix"


def _check_distinct(classes: tuple[str, ...]) -> None:
    """Refuses two classes whose names are one word, with its accents composed and decomposed."""
    composed = {}
    for name in classes:
        other = composed.setdefault(unicodedata.normalize("NFC", name), name)
        if other != name:
            raise errors.InputError(
                f"Folders of classes must have names that differ to the eye. Received: {other!a} and "
                f"{name!a}, which both show as {name}. Merge the two folders"
            )


def _on_disk(folder: str) -> list[tuple[str, str, str]]:
    """`(class, file, why it is none)` of what stands one level down, and `("", file, ...)` of files in the folder."""
    files = []
    try:
        for entry in list(os.scandir(folder)):
            if not _is_folder(entry):
                files.append(("", entry.name, _irregular(entry)))
            elif not entry.name.startswith("."):
                inside = list(os.scandir(entry))
                files += [(entry.name, inner.name, _irregular(inner)) for inner in inside]
                if not inside:
                    files.append((entry.name, "", "empty folders"))
    except OSError as error:
        raise errors.InputError(
            f"`folder` must be a folder that can be read. Received: folder={folder!r} ({error}). "
            f"Draw photos with `python -m flowers_core synthetic`, or `download` the real ones"
        ) from error
    return files


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _irregular(entry: os.DirEntry) -> str:
    """Why an entry is no file; empty if it is one."""
    if _is_folder(entry):
        return "sub-folders"
    try:
        return "" if entry.is_file() else "dangling links" if entry.is_symlink() else "devices or sockets"
    except OSError:
        return "dangling links"


def _in_bucket(folder: str) -> list[tuple[str, str, str]]:
    """The same of an address such as `gs://bucket/folder`, in one listing; a second one only to say what is wrong."""
    paths = storage.glob(folder, ("*/*",)) or storage.glob(folder, ("*",))
    relative = (path.removeprefix(f"{folder}/").rpartition("/") for path in paths)
    return [(name, file, "") for name, _, file in relative if "/" not in name and not name.startswith(".")]


def _describe(found: list[tuple[str, str]], classes: tuple[str, ...]) -> str:
    """Says what stands in place of the photos of two classes."""
    if classes:
        return f"photos of one class only, {classes[0]!r}"
    if found:
        return f"{len(found)} photos directly in it and no folders of classes"
    return "no photos"
