"""What a folder of records holds: its shards, classes and source, from manifest.json or from the files' names."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from flowers_core import errors
from flowers_core.data import photos, storage, tfrecord_reader

FORMAT = 1
"""Version of manifest.json. History: 1, the first."""

NAME = "manifest.json"
UNFINISHED = "unfinished"
"""Lies in the folder from the first shard until the manifest: it tells an unfinished set from a whole public one."""

VALIDATION_SHARE = 0.19
"""Part of the shards that validates; of 16 that is 3 (codelab, section 4)."""

_COUNT = re.compile(r"-(\d+)\.tfrec$")


@dataclass(frozen=True)
class Shard:
    """One file of records.

    Attributes:
        name: File name that ends with `-COUNT.tfrec`.
        images: Number of its records.
        bytes: Its size on disk.
        class_counts: Records of each class in the order of the manifest's classes; None if they were not counted.
    """

    name: str
    images: int
    bytes: int
    class_counts: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Skipped:
    """A photo that became no record.

    Attributes:
        path: Its path, relative to the source.
        reason: Why it cannot be decoded.
    """

    path: str
    reason: str


@dataclass(frozen=True)
class Manifest:
    """What a folder of records holds.

    Attributes:
        source: Folder or address of the photos, relative to the records, see `storage.relative_to`, in older manifests
            to whatever was the working directory; of the records themselves if the photos are not known.
        seed: Of the shuffle before writing; None if not known.
        image_size: Side of the square images in pixels.
        classes: Names of the classes; the position is the label.
        shards: Sorted by name.
        skipped: Photos that became no record, sorted by path.
        source_digest: SHA-256 of the paths and sizes of the photos; None if not known.
        passed_over: How many paths held no photo that was asked for, by the reason why, see `photos.describe`.
    """

    source: str
    seed: int | None
    image_size: int
    classes: tuple[str, ...]
    shards: tuple[Shard, ...]
    skipped: tuple[Skipped, ...] = ()
    source_digest: str | None = None
    passed_over: dict[str, int] = field(default_factory=dict)

    @property
    def images(self) -> int:
        """Number of records in all shards."""
        return sum(shard.images for shard in self.shards)

    def to_json(self) -> str:
        """The text of manifest.json."""
        values = asdict(self)
        if not self.passed_over:
            del values["passed_over"]  # commits before this field read such manifests, too
        return json.dumps({"format": FORMAT} | values, indent=1) + "\n"


def from_json(text: str, *, path: str = NAME) -> Manifest:
    """The manifest in the text of a manifest.json.

    Raises:
        InputError: If it is damaged or of another format version; the message names `path`.
    """
    import msgspec  # where a manifest is read alone

    try:
        fields = json.loads(text)
        version = fields.pop("format")
        if version == FORMAT:
            return msgspec.convert(asdict(Manifest(**_tuples(fields))), Manifest)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:  # msgspec's are ValueErrors
        raise _damaged(path, error) from error
    raise errors.InputError(
        f"{path} must be of format {FORMAT}. Received: format {version!r}. "
        f"Read it with the release that wrote it, or remove the folder and write the records again"
    )


def count(name: str) -> int | None:
    """Records that a shard's name promises, e.g. 230 for `flowers00-230.tfrec`; None if it promises none."""
    found = _COUNT.search(name)
    return int(found[1]) if found else None


def load(folder: str | Path) -> Manifest:
    """The manifest of a folder of records, on disk or in a bucket, checked against the files that are there.

    Public records have no manifest: theirs is derived from names such as `flowers00-230.tfrec`, the size of
    the first image and the codelab's five classes; on disk every record is checked against it.

    Raises:
        InputError: If there are no records, writing them was interrupted, manifest.json is damaged or of
            another version, or a shard is missing, truncated, of another size, or not in the manifest, or records
            without a manifest have other classes, sizes or features.
    """
    held = storage.listing(folder)
    if NAME in held:
        path = storage.join(folder, NAME)
        try:
            text = storage.read_text(path)
        except UnicodeDecodeError as error:
            raise _damaged(path, error) from error
        found = from_json(text, path=path)
    elif UNFINISHED in held:
        raise errors.InputError(
            f"`folder` must hold finished records. Received: {folder}, whose writing was interrupted. "
            f"Write them again: the same command does it over"
        )
    else:
        found = _from_names(folder, held)
    _check_files(folder, found, held)
    if NAME not in held and not storage.is_bucket(folder):  # whole records of others may not be of our kind
        for path in paths(folder, found):
            tfrecord_reader.check(path, classes=len(found.classes), image_size=found.image_size)
    return found


def paths(folder: str | Path, manifest: Manifest) -> tuple[str, ...]:
    """Paths of the shards, sorted by name."""
    return tuple(sorted(storage.join(folder, shard.name) for shard in manifest.shards))


def split(
    paths: Sequence[str], *, validation: Literal["first", "last"] = "first"
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Parts shards into training and validation by file, as the codelab does (section 4): 3 of 16 to validate.

    Args:
        paths: Shards in any order; they are sorted, because a listing's order is no one's promise.
        validation: Which end validates: "first" for the codelab's convnets, "last" for Xception.

    Returns:
        `(training, validation)`.

    Raises:
        InputError: If there are fewer than two shards, or `validation` is neither word.
    """
    errors.one_of("validation", validation, ("first", "last"))
    if len(paths) < 2:
        raise errors.InputError(
            f"`paths` must be at least two shards, one to train and one to validate. "
            f"Received: {len(paths)}. Write the records with more shards"
        )
    ordered = tuple(sorted(paths))
    held_out = max(1, int(len(ordered) * VALIDATION_SHARE))
    if validation == "first":
        return ordered[held_out:], ordered[:held_out]
    return ordered[:-held_out], ordered[-held_out:]


def check_matches(manifest: Manifest, *, image_size: int, classes: Sequence[str] | None = None) -> None:
    """Checks that records are what was asked for.

    Raises:
        InputError: If their images are of another size or, where `classes` are given, their classes others.
    """
    if manifest.image_size != image_size:
        raise errors.InputError(
            f"`image_size` must be that of the records, {manifest.image_size}. Received: image_size={image_size}. "
            f"Ask for {manifest.image_size}, or write records of {image_size} to another folder"
        )
    if classes is not None and tuple(classes) != manifest.classes:
        raise errors.InputError(
            f"`classes` must be those of the records, {', '.join(manifest.classes)}, in this order. "
            f"Received: {', '.join(classes)}. Use records that were written from these classes"
        )


def _tuples(fields: dict) -> dict:
    """The fields of a manifest as its dataclasses want them, where JSON knows only lists and objects."""
    if not isinstance(fields["image_size"], int):
        raise TypeError("image_size is no integer")
    shards = []
    for shard in fields["shards"]:
        counts = shard["class_counts"]
        shards.append(Shard(**shard | {"class_counts": None if counts is None else tuple(counts)}))
        if shard["images"] != count(shard["name"]):
            raise ValueError(f"{shard['name']} cannot hold {shard['images']} images")
    return fields | {
        "classes": tuple(fields["classes"]),
        "shards": tuple(shards),
        "skipped": tuple(Skipped(**photo) for photo in fields["skipped"]),
    }


def _damaged(path: str, error: Exception) -> errors.InputError:
    return errors.InputError(
        f"{path} must be as it was written. Received: {type(error).__name__}: {error}. "
        f"Remove the folder and write the records again"
    )


def _from_names(folder: str | Path, held: dict[str, int]) -> Manifest:
    """The manifest of records that have none; opens the first shard only."""
    counts = {name: count(name) for name in held}
    shards = tuple(Shard(name, images, held[name]) for name, images in counts.items() if images is not None)
    if not shards:
        raise errors.InputError(
            f"`folder` must hold records, files such as flowers00-230.tfrec. Received: {folder}, with none. "
            f"Write them there first, or give the folder that holds them"
        )
    image_size = _image_size(storage.join(folder, shards[0].name))
    return Manifest(str(folder), None, image_size, photos.CLASSES, shards)


def _image_size(shard: str) -> int:
    shape = _first_in_bucket(shard) if storage.is_bucket(shard) else tfrecord_reader.first_image_shape(shard)
    if shape is None:
        raise errors.InputError(
            f"{shard} must begin with a JPEG. Received: no record, or no JPEG. Fetch or write it again"
        )
    if shape[0] != shape[1]:
        raise errors.InputError(
            f"{shard} must hold square images. Received: {shape[0]} x {shape[1]}. Write records from the photos instead"
        )
    return shape[0]


def _first_in_bucket(shard: str) -> tuple[int, int] | None:
    import tensorflow as tf

    try:
        record = next(tf.data.TFRecordDataset(shard).as_numpy_iterator(), None)
    except tf.errors.OpError as error:
        raise errors.InputError(
            f"{shard} must hold whole records. Received: {error.message}. Fetch it again"
        ) from error
    return None if record is None else tfrecord_reader.image_shape(tfrecord_reader.parse_example(record, shard)[0])


def _check_files(folder: str | Path, found: Manifest, held: dict[str, int]) -> None:
    for shard in found.shards:
        if held.get(shard.name) != shard.bytes:
            size = f"{held[shard.name]} bytes" if shard.name in held else "no such file"
            raise errors.InputError(
                f"{storage.join(folder, shard.name)} must have {shard.bytes} bytes. Received: {size}. "
                f"Fetch it again, or remove the folder and write the records again"
            )
        if not storage.is_bucket(folder):
            tfrecord_reader.check_lengths(storage.join(folder, shard.name), shard.images)
    extra = {name for name in held if name.endswith(".tfrec")} - {shard.name for shard in found.shards}
    if extra:
        raise errors.InputError(
            f"{folder} must hold the shards of its {NAME} and no other. Received: {', '.join(sorted(extra))} "
            f"as well. Move it to another folder"
        )
