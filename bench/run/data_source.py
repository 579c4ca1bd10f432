"""Folders that cells read: those given, those the environment names, or those that `make bench` has filled."""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from bench.machine.facts import WORK_DIR
from bench.machine.own import durable, user_code
from bench.results.cell import GIVEN, NO_MODEL, Cell
from bench.results.result import portable
from bench.run import product
from bench.run.product import InputError

DATA = WORK_DIR / "data"
CLASSES = len(product.CLASSES)  # of a model that is measured where there is no data
SAMPLED, SAMPLED_BYTES = 64, 4096  # files whose bytes are looked at, and how many of each: JPEG's headers are alike
FILLED = {"photos": DATA / "synthetic", "records": DATA / "synthetic-192"}


@dataclass(frozen=True, kw_only=True)
class Source:
    """What cells read, found from any working directory.

    Attributes:
        photos: Folder or `gs://` prefix of photos; empty where there is none.
        records: Of records, likewise.
        files: A user's own models and loaders: name in a cell, and `path/to/file.py:function`.
        image_feature: Of records of others, the name of the feature that holds the JPEG; empty for the codelab's.
        label_feature: Likewise of the label.
        class_names: Likewise the classes in the order of their labels.
        exif: `apply` to turn photos as their EXIF data says; empty for the codelab's way.
        decode: `scaled` or `smallest` to decode large photos smaller; likewise.
        rank: Of several processes that train one model, which this is: a user's loader gives its part of the images.
        workers: How many these are.
    """

    photos: str = ""
    records: str = ""
    files: tuple[tuple[str, str], ...] = ()
    image_feature: str = ""
    label_feature: str = ""
    class_names: tuple[str, ...] = ()
    exif: str = ""
    decode: str = ""
    rank: int = 0
    workers: int = 1

    def __post_init__(self):
        object.__setattr__(self, "files", tuple((name, option) for name, option in self.files))  # JSON has lists
        object.__setattr__(self, "class_names", tuple(self.class_names))

    def find_option(self, name: str) -> str:
        """Where a user's model or loader is found; empty for those of the package.

        Raises:
            InputError: If the file of a user's is not known any more.
        """
        if user_code.is_application(name):
            return name
        known = dict(self.files)
        if user_code.is_name(name) and name not in known:
            raise InputError(f"Name the file of {user_code.readable(name)} again, `{user_code.as_option(name)}`")
        return known.get(name, "")

    def without_home(self) -> "Source":
        """The same with `~` for this user's home folder, as it is kept where it may be published."""
        return self._with_paths(durable.without_home)

    def with_home(self) -> "Source":
        """The way back."""
        return self._with_paths(durable.with_home)

    def _with_paths(self, change: Callable[[str], str]) -> "Source":
        files = tuple((name, change(option)) for name, option in self.files)
        return replace(self, photos=change(self.photos), records=change(self.records), files=files)

    def load_photos(self) -> Any:
        """The photos; without those that the records of the same folder had to leave out, for they do not decode.

        Raises:
            InputError: If no folder is given, or it holds no photos of at least two classes.
        """
        if not self.photos:
            raise InputError("Some cells read photos: give `--photos FOLDER`, or run `make bench`, which draws some")
        photos = product.find_photos(self.photos, exif=self.exif, decode=self.decode)
        bad = self._left_out()
        pairs = [pair for pair in zip(photos.paths, photos.labels, strict=True) if pair[0] not in bad]
        return replace(photos, paths=tuple(path for path, _ in pairs), labels=tuple(label for _, label in pairs))

    def _left_out(self) -> set[str]:
        """Photos that became no record, if the records are of these photos."""
        if not self.records:
            return set()
        try:
            written = self.manifest()
        except InputError:
            return set()  # said where records are read
        if product.is_bucket(self.photos):  # whoever copied the photos there kept the folder's name, if nothing else
            same = _name(self._written_from(written)) == _name(self.photos)
        else:
            same = Path(self._written_from(written)).resolve() == Path(self.photos).resolve()
        return {product.join(self.photos, photo.path) for photo in written.skipped} if same else set()

    def _written_from(self, written: Any) -> str:
        """The folder of the photos that became the records.

        A manifest names it relative to the records; older ones to the working directory, which was the checkout's for
        `make bench` and is another one for a process that measures.
        """
        if product.is_bucket(written.source) or product.is_bucket(self.records):
            return written.source
        source = durable.with_home(written.source)
        places = [os.path.normpath(Path(folder, source)) for folder in (os.path.realpath(self.records), "", WORK_DIR)]
        return next((place for place in places if Path(place).is_dir()), places[0])

    def manifest(self) -> Any:
        """The manifest of the records.

        Raises:
            InputError: If no folder is given, or its records are not whole.
        """
        if not self.records:
            raise InputError("Some cells read records: give `--records FOLDER`, or run `make bench`, which writes some")
        return product.load_manifest(
            self.records,
            image_feature=self.image_feature,
            label_feature=self.label_feature,
            classes=tuple(self.class_names),
        )

    def record_options(self) -> list[str]:
        """The options of a command that name the records and what their features and classes are called."""
        said = {"records": self.records, "image-feature": self.image_feature, "label-feature": self.label_feature}
        options = {**said, "classes": ",".join(self.class_names)}
        return [word for name, value in options.items() if value for word in (f"--{name}", value)]

    def with_image_size(self, image_size: int) -> "Source":
        """The same with records of an image size: where ours are of another, those beside them, `synthetic-331`."""
        other = self.records_of_size(image_size)
        return replace(self, records=other) if other and (Path(other) / product.MANIFEST).is_file() else self

    def records_of_size(self, image_size: int) -> str:
        """Where records of an image size would lie beside ours; empty where ours are of it, or lie in a bucket."""
        ours = re.fullmatch(r"(.*-)\d+", self.records)
        if not ours or "://" in self.records or self._size() in (None, image_size):
            return ""
        return f"{ours[1]}{image_size}"

    def _size(self) -> int | None:
        try:
            return self.manifest().image_size
        except InputError:
            return None  # said where records are read

    def check_jpegs(self, what: str) -> None:
        """Checks that the records hold JPEGs.

        Raises:
            InputError: If they hold planes or pixels; `what` cannot be done with those.
        """
        encoding = getattr(getattr(self.manifest(), "features", None), "encoding", "jpeg444")
        if not encoding.startswith("jpeg"):
            raise InputError(
                f"`records` must hold JPEGs for {what}. Received: {self.records}, which holds {encoding}. "
                f"Write records with `--format jpeg444`"
            )

    def describe(self, reads: str) -> dict:
        """What a cell reads: name of the photos' folder, number of images and of classes, digest of the content.

        Two people who measure the same photos on the same machine measure the same thing: `folders`, where they lie, is
        for commands alone. Empty for no reading; `place` only where it is a bucket.
        """
        if not reads:
            return {}
        if reads == GIVEN:
            there = [kind for kind in ("photos", "records") if getattr(self, kind)]
            return self.describe(there[0]) if there else {}
        if reads == "photos":
            photos = self.load_photos()
            named = {"photos": _name(self.photos), "images": len(photos), "classes": len(photos.classes)}
            named |= {"digest": _photos_digest(photos), **_place(self.photos), **self.folders("photos")}
            return {**named, **_read_by(exif=self.exif, decode=self.decode)}
        written = self.manifest()
        named = {
            "photos": _name(self._written_from(written)),
            "images": written.images,
            "classes": len(written.classes),
        }
        named |= {"digest": _records_digest(written, self.records), **_place(self.records), **self.folders("records")}
        classes = str(len(self.class_names) or "")
        said = _read_by(image_feature=self.image_feature, label_feature=self.label_feature, classes=classes)
        return {**named, **said}

    def folders(self, *kinds: str) -> dict[str, dict[str, str]]:
        """Where photos, records or both lie, as a command names it: `{"folders": {"photos": "data/synthetic"}}`."""
        return {"folders": {kind: portable(folder) for kind in kinds if (folder := getattr(self, kind))}}

    def classes(self, cells: Iterable[Cell] = ()) -> int:
        """How many classes models tell apart that are measured together, those on a resident batch among them.

        Args:
            cells: All of them: as many as those that are fed read. Where none is, as many as photos and records on
                this host have, or `CLASSES` where there are none or the two differ.

        Raises:
            InputError: If models are fed by photos and by records of other numbers, for one step cannot be compared
                with both, or if a folder that feeds them does not hold what it should.
        """
        kinds = {cell.reads for cell in cells if cell.model != NO_MODEL} - {"", GIVEN}
        kinds = {kind for kind in kinds if getattr(self, kind)}  # where there is no folder each process says so
        if kinds:
            by_kind = {kind: self.describe(kind)["classes"] for kind in sorted(kinds)}
            if len(set(by_kind.values())) > 1:
                raise InputError(
                    "Photos and records that feed the same models must have as many classes. Received: "
                    f"{by_kind['photos']} in {self.photos} and {by_kind['records']} in {self.records}. Give records of "
                    "these photos, or measure with one of the two at a time"
                )
            return by_kind.popitem()[1]
        counts = set()
        for kind in ("photos", "records"):
            folder = getattr(self, kind)
            with suppress(InputError, OSError):  # nothing is read from it: whoever does will say what is wrong
                if folder and "://" not in folder:
                    counts.add(self.describe(kind)["classes"])
        return counts.pop() if len(counts) == 1 else CLASSES


def find(  # noqa: PLR0913 - its options
    *,
    photos: str = "",
    records: str = "",
    image_feature: str = "",
    label_feature: str = "",
    classes: Sequence[str] = (),
    exif: str | None = None,
    decode: str | None = None,
    files: Iterable[tuple[str, str]] = (),
) -> Source:
    """Finds what cells read; FLOWERS_PHOTOS, FLOWERS_RECORDS and so on stand in for what is not given.

    Raises:
        InputError: If FLOWERS_CLASSES names no classes.
    """
    environment = os.environ
    how = {"exif": (exif, "ignore"), "decode": (decode, "full")}
    how = {name: value or environment.get(f"FLOWERS_{name.upper()}", usual) for name, (value, usual) in how.items()}
    names = environment.get("FLOWERS_CLASSES", "")
    return Source(
        photos=_folder("photos", photos),
        records=_folder("records", records),
        image_feature=image_feature or environment.get("FLOWERS_IMAGE_FEATURE", ""),
        label_feature=label_feature or environment.get("FLOWERS_LABEL_FEATURE", ""),
        class_names=tuple(classes) or (product.parse_classes(names) if names else ()),
        files=tuple(files),
        exif="" if how["exif"] == "ignore" else how["exif"],
        decode="" if how["decode"] == "full" else how["decode"],
    )


def _folder(name: str, given: str) -> str:
    given = given or os.environ.get(f"FLOWERS_{name.upper()}", "")
    if given:
        return given if "://" in given else str(Path(given).resolve())
    return str(FILLED[name]) if FILLED[name].is_dir() else ""


def _read_by(**options: str) -> dict[str, dict[str, str]]:
    """Options by which photos or records were read, where they are not the codelab's."""
    given = {name: value for name, value in options.items() if value}
    return {"read_by": given} if given else {}


def _place(folder: str) -> dict[str, str]:
    """What reads a folder that is no disk's: the scheme of a bucket's address."""
    return {"place": folder.partition("://")[0]} if product.is_bucket(folder) else {}


def _photos_digest(photos: Any) -> str:
    """Digest of all photos, without where they lie."""
    return _content_digest(str(photos.folder), photos.paths)


def _content_digest(folder: str, files: Iterable[str]) -> str:
    """Digest of the names of files, their sizes, and a few bytes from the middle of some, whatever their dates.

    Of a bucket the checksums that its listing has. Where it gives none, the sizes of some alone: a listing by
    TensorFlow has names and no sizes, and each size is a request.
    """
    folder, digest = folder.rstrip("/") + "/", hashlib.sha256()
    paths = sorted(files)
    sampled = set(paths[:: max(1, len(paths) // SAMPLED)])
    far = _in_bucket(folder, paths, sampled) if product.is_bucket(folder) else None
    for path in paths:
        digest.update(path.removeprefix(folder).encode(errors="surrogateescape") + b"\0")
        digest.update(_on_disk(Path(path), sampled=path in sampled) if far is None else far.get(path, b""))
    return digest.hexdigest()[:12]


def _in_bucket(folder: str, paths: list[str], sampled: set[str]) -> dict[str, bytes]:
    """What is known of the content of files in a bucket, by path: checksums of all, else the sizes of some."""
    known = {}
    with suppress(product.Unsuitable):  # an older commit
        known = product.checksums(folder)
    if known.keys() >= set(paths):
        return {path: known[path].encode() + b"\0" for path in paths}
    with ThreadPoolExecutor(len(sampled)) as pool:
        sizes = pool.map(product.file_size, sampled)
        return {path: b"%d\0" % size for path, size in zip(sampled, sizes, strict=True)}


def _on_disk(path: Path, *, sampled: bool) -> bytes:
    """The size of a file on disk, of a sampled one with bytes from its middle; nothing of one that is gone."""
    with suppress(OSError):  # whoever reads it says so
        size = path.stat().st_size
        if not sampled:
            return b"%d\0" % size
        with path.open("rb") as file:
            file.seek(size // 2)
            return b"%d\0" % size + file.read(SAMPLED_BYTES)
    return b""


def _records_digest(written: Any, folder: str) -> str:
    """Digest of what a manifest says of records, but for where the photos lay.

    Records of others come without one that says what they were written from: their content is looked at as photos' is.
    """
    shards = sorted((shard.name, shard.images, shard.bytes) for shard in written.shards)
    source = getattr(written, "source_digest", None)
    parts = written.image_size, tuple(written.classes), shards, source
    if decoding := getattr(getattr(written, "decoding", None), "unusual", None):
        parts = *parts, sorted(decoding.items())
    if source is None:
        parts = *parts, _content_digest(folder, [product.join(folder, name) for name, _, _ in shards])
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def _name(folder: str) -> str:
    return PurePosixPath(folder).name
