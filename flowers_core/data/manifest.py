"""What a folder of records holds: its shards, classes and source, from manifest.json or from the files' names."""

import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

from flowers_core import errors
from flowers_core.data import decoding as decodings
from flowers_core.data import encodings, jpeg_check, photos, storage, tfrecord_reader
from flowers_core.data import shards as shard_paths
from flowers_core.data.decoding import Decoding
from flowers_core.data.shards import CODELAB, Features, Shards

FORMAT = 1
"""Version of manifest.json. History: 1, the first."""

NAME = "manifest.json"
UNFINISHED = "unfinished"
"""Lies in the folder from the first shard until the manifest: it tells an unfinished set from a whole public one."""

VALIDATION_SHARE = 0.19
"""Part of the shards that validates; of 16 that is 3 (codelab, section 4)."""

FIRST = 4
"""Records of each shard in a bucket that are checked where others wrote them: all would be a download."""

_COUNT = re.compile(r"-(\d+)\.tfrec$")
_UNCOUNTED = re.compile(r"\.tfrec(ords?)?(-\d+-of-\d+)?$")
"""Names of others' shards, which do not say how many records they hold, such as those of TensorFlow Datasets."""


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
        decoding: How the photos became pixels.
        features: How the records hold images and labels: but for the encoding as the codelab's where a program of ours
            wrote them.
    """

    source: str
    seed: int | None
    image_size: int
    classes: tuple[str, ...]
    shards: tuple[Shard, ...]
    skipped: tuple[Skipped, ...] = ()
    source_digest: str | None = None
    passed_over: dict[str, int] = field(default_factory=dict)
    decoding: Decoding = decodings.CODELAB
    features: Features = CODELAB

    @property
    def checked(self) -> bool:
        """Whether all labels are known to be of the classes: of records of others in a bucket only the first are."""
        return self.source_digest is not None or not storage.is_bucket(self.source)

    @property
    def images(self) -> int:
        """Number of records in all shards."""
        return sum(shard.images for shard in self.shards)

    def to_json(self) -> str:
        """The text of manifest.json."""
        values = asdict(self)
        del values["features"]  # written here, with the codelab's names
        if self.features.encoding != CODELAB.encoding:
            values["encoding"] = self.features.encoding
        for name in ("passed_over", "decoding"):
            if not getattr(self, name) or getattr(self, name) == decodings.CODELAB:
                del values[name]  # commits before these fields read such manifests, too
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
        raise _damage_error(path, error) from error
    raise errors.InputError(
        f"{path} must be of format {FORMAT}. Received: format {version!r}. "
        f"Read it with the release that wrote it, or remove the folder and write the records again"
    )


def count(name: str) -> int | None:
    """Records that a shard's name promises, e.g. 230 for `flowers00-230.tfrec`; None if it promises none."""
    found = _COUNT.search(name)
    return int(found[1]) if found else None


def load(folder: str | Path, *, features: Features = CODELAB, classes: Sequence[str] = ()) -> Manifest:
    """The manifest of a folder of records, on disk or in a bucket, checked against the files that are there.

    Records of others have no manifest: theirs is derived from the files, the size of the first image, and the features
    and classes that are given. On disk every record is checked against it, in a bucket the first ones of each shard.

    Args:
        folder: Where the records lie.
        features: Names of the features of records of others.
        classes: Names of the classes of records of others; if empty, the codelab's five.

    Raises:
        InputError: If there are no records, writing them was interrupted, manifest.json is damaged, of another
            version or contradicts what is given, or a shard is missing, truncated, of another size, or not in the
            manifest, or records without a manifest have other classes, sizes or features.
    """
    held = storage.listing(folder)
    if NAME in held:
        found = _read(storage.join(folder, NAME))
        _check_agrees(folder, found, features, classes)
    elif UNFINISHED in held:
        raise errors.InputError(
            f"`folder` must hold finished records. Received: {folder}, whose writing was interrupted. "
            f"Write them again: the same command does it over"
        )
    else:
        found = _from_files(folder, held, features, tuple(classes) or photos.CLASSES)
    _check_files(folder, found, held)
    if NAME not in held:
        _check_records(folder, found)
    return found


def _read(path: str) -> Manifest:
    try:
        text = storage.read_text(path)
    except UnicodeDecodeError as error:
        raise _damage_error(path, error) from error
    return from_json(text, path=path)


def _check_agrees(folder: str | Path, found: Manifest, features: Features, classes: Sequence[str]) -> None:
    """Refuses names that contradict a manifest: what was written is known."""
    if (features.image, features.label) != (found.features.image, found.features.label):
        raise errors.InputError(
            f"`features` must be those that {storage.join(folder, NAME)} stands for, {found.features.image} and "
            f"{found.features.label}. Received: {features.image} and {features.label}. Leave out --image-feature and "
            f"--label-feature"
        )
    if classes:
        check_matches(found, image_size=found.image_size, classes=classes)


def paths(folder: str | Path, manifest: Manifest) -> Shards:
    """Paths of the shards, sorted by name."""
    images = {storage.join(folder, shard.name): shard.images for shard in manifest.shards}
    return Shards(sorted(images), features=manifest.features, images=images)


def images_in(shards: Sequence[str]) -> int:
    """How many records some shards hold, as their manifest or their names say; those that say nothing count for 0."""
    known = shards.images if isinstance(shards, Shards) else {}
    return sum(known.get(path) or count(path) or 0 for path in shards)


def split(paths: Sequence[str], *, validation: Literal["first", "last"] = "first") -> tuple[Shards, Shards]:
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
    ordered, select = sorted(paths), shard_paths.of(paths).select
    held_out = max(1, int(len(ordered) * VALIDATION_SHARE))
    if validation == "first":
        return select(ordered[held_out:]), select(ordered[:held_out])
    return select(ordered[:-held_out]), select(ordered[-held_out:])


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
    encoding, shards = fields.pop("encoding", CODELAB.encoding), []
    if encoding not in encodings.ENCODINGS:
        raise ValueError(f"encoding {encoding!r}")
    for shard in fields["shards"]:
        counts = shard["class_counts"]
        shards.append(Shard(**shard | {"class_counts": None if counts is None else tuple(counts)}))
        if shard["images"] != count(shard["name"]):
            raise ValueError(f"{shard['name']} cannot hold {shard['images']} images")
    return fields | {
        "classes": tuple(fields["classes"]),
        "shards": tuple(shards),
        "skipped": tuple(Skipped(**photo) for photo in fields["skipped"]),
        "decoding": Decoding(**fields.get("decoding", {})),
        "features": Features(encoding=encoding),
    }


def _damage_error(path: str, error: Exception) -> errors.InputError:
    return errors.InputError(
        f"{path} must be as it was written. Received: {type(error).__name__}: {error}. "
        f"Remove the folder and write the records again"
    )


def _from_files(folder: str | Path, held: dict[str, int], features: Features, classes: tuple[str, ...]) -> Manifest:
    """The manifest of records that have none; opens the first shard, and all on disk whose names hold no count."""
    names = [name for name in held if count(name) is not None] or [name for name in held if _UNCOUNTED.search(name)]
    if not names:
        raise errors.InputError(
            f"`folder` must hold records, files such as flowers00-230.tfrec. Received: {folder}, with none. "
            "Write some (`python -m flowers_core records PHOTOS FOLDER`), or give the folder that holds them"
        )
    shards = tuple(Shard(name, _count(storage.join(folder, name)), held[name]) for name in names)
    image_size = _image_size([storage.join(folder, name) for name in names], features)
    return Manifest(str(folder), None, image_size, classes, shards, features=features)


def _count(path: str) -> int:
    """Records of a shard, by its name or, on disk, by their lengths."""
    named = count(path)
    if named is None and storage.is_bucket(path):
        raise errors.InputError(
            f"Shards in a bucket must have names that say how many records they hold, such as flowers00-230.tfrec. "
            f"Received: {path}. Copy the records to a disk, where they are counted"
        )
    return tfrecord_reader.count(path) if named is None else named


def _image_size(paths: Sequence[str], features: Features) -> int:
    """Side of the first image; the first shards may be empty."""
    path = paths[0]
    for path in paths:
        if first := next(_first_records(path), None):
            jpeg, _ = tfrecord_reader.parse_example(first, path, features)
            break
    else:
        raise errors.InputError(f"{path} must hold records. Received: no record. Fetch or write it again")
    shape = tfrecord_reader.image_shape(jpeg)
    if shape is None:
        kind = jpeg_check.kind(jpeg) or "no image"
        raise errors.InputError(
            f"{path} must hold JPEGs in the feature `{features.image}`. Received: {kind}. "
            f"Name another by --image-feature, or write records from the photos"
        )
    if shape[0] != shape[1]:
        raise errors.InputError(
            f"{path} must hold square images. Received: {shape[0]} x {shape[1]}. Write records from the photos instead"
        )
    return shape[0]


def _first_records(path: str) -> Iterator[bytes]:
    """The records of a shard; in a bucket no more than the first ones are read."""
    return iter(_first_in_bucket(path)) if storage.is_bucket(path) else tfrecord_reader.records(path)


def _first_in_bucket(path: str) -> list[bytes]:
    import tensorflow as tf

    try:
        return list(tf.data.TFRecordDataset(path).take(FIRST).as_numpy_iterator())
    except tf.errors.OpError as error:
        raise errors.InputError(f"{path} must hold whole records. Received: {error.message}. Fetch it again") from error


def _check_records(folder: str | Path, found: Manifest) -> None:
    """Checks records of others: all of them on disk, once a process, and the first ones of each shard in a bucket."""
    shards = [(storage.join(folder, shard.name), shard.bytes) for shard in found.shards]
    kind = found.features, len(found.classes), found.image_size
    if not storage.is_bucket(folder):
        for path, _ in shards:
            _check_shard(path, Path(path).stat().st_mtime_ns, *kind)
        return
    with ThreadPoolExecutor(32) as pool:  # each is a request
        list(pool.map(lambda shard: _check_shard(*shard, *kind), shards))


@lru_cache(4096)
def _check_shard(path: str, version: int, features: Features, classes: int, image_size: int) -> None:  # noqa: ARG001
    """Checks a shard in one version of it, its time on disk or its size in a bucket."""
    tfrecord_reader.check(_first_records(path), path, classes=classes, image_size=image_size, features=features)


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
