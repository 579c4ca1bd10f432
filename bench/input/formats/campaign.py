"""Records of the same photos in every format, read in turns by fresh processes; each result is stored as it ends."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from bench.machine import page_cache
from bench.machine.own import resources
from bench.results import store
from bench.results.cell import NO_MODEL, Cell
from bench.results.measurement import Measurement
from bench.results.result import Result, new_mark, stamp
from bench.run import process, timing
from bench.run.data_source import Source
from bench.run.durations import Durations, Planned
from bench.run.measure import Job
from flowers_core.data import array_images, encodings, tfrecords
from flowers_core.errors import InputError

PIPELINE = "records_turbo"
MOST_PHOTOS = 48  # whose pixels are compared with what records keep of them
TINY, HUGE = 1e-9, 1e15  # beyond which a number of a line is none that was measured
LEAST_BYTES = 16e6  # below that a read says nothing of the disk


@dataclass(frozen=True, kw_only=True)
class FormatResult(Result):
    """What one process read of records in one format.

    Attributes:
        campaign: Marks those that were measured in turns.
        encoding: One of `flowers_core.data.encodings.ENCODINGS`.
        pipeline: What read them.
        round: Which of the rounds, from 0.
        images_per_second: Of the median step, from the page cache.
        cpu_seconds: Per image, of all its processes.
        image_bytes: Of the shards, per image.
        decibels: Signal-to-noise ratio (PSNR) of the images against those that were encoded; the median of some.
        disk: Bytes a second of a cold read of the shards of the largest format, or why there is none.
    """

    KIND = "formats"
    FORMAT = 1  # rate, CPU, bytes and PSNR of a format, machine, code (2026-11)

    campaign: str
    encoding: str
    pipeline: str
    round: int = 0
    images_per_second: float | None = None
    cpu_seconds: float | None = None
    image_bytes: float = 0.0
    decibels: float | None = None
    disk: dict = field(default_factory=dict)

    def check(self) -> None:
        """Checks that what images/s are computed of are numbers.

        Raises:
            InputError: If not.
        """
        numbers = (self.image_bytes, self.cpu_seconds or 1.0, self.data.get("cores", 1))
        if not all(
            isinstance(number, int | float) and TINY <= number <= HUGE
            for number in (*numbers, self.disk.get("bytes_per_second", 1.0))
        ):
            raise InputError(f"not a {type(self).__name__}: bytes, CPU seconds, cores and the disk's speed are numbers")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is written and read.

    Attributes:
        source: Where the photos lie.
        folder: Where records of each format are written, in a folder each; those that are there are read.
        image_size: Side of the images in pixels.
        formats: Of `encodings.ENCODINGS`.
        pipeline: What reads them.
        batch_size: Images a batch.
        rounds: Fresh processes of each format.
        seconds: How long each is timed.
    """

    source: Source
    folder: Path
    image_size: int = 192
    formats: tuple[str, ...] = encodings.ENCODINGS
    pipeline: str = PIPELINE
    batch_size: int = 32
    rounds: int = 3
    seconds: float = 3.0

    def __post_init__(self):
        for encoding in self.formats:
            encodings.check_size(encoding, self.image_size)

    @property
    def schedule(self) -> list[tuple[int, str]]:
        """Round and format of each process; each round begins with another format."""
        count = len(self.formats)
        return [
            (number, self.formats[(number + step) % count]) for number in range(self.rounds) for step in range(count)
        ]


Measure = Callable[..., Measurement]


def planned(plan: Plan, results: Path, *, budget_seconds: float | None = None) -> Planned:
    """The processes that read, and how long they should take: as earlier ones did here."""
    known = Durations().note_campaigns(store.load(FormatResult, results).results, lambda read: [_alike(read.encoding)])
    return Planned(
        what="reading processes",
        rounds=[number for number, _ in plan.schedule],
        seconds=known.total([_alike(name)] for _, name in plan.schedule),
        budget_seconds=budget_seconds,
    )


def _alike(encoding: str) -> tuple:
    """What processes that take about as long have in common."""
    return FormatResult.KIND, encoding


def run(plan: Plan, results: Path, *, measure: Measure = process.spawn) -> Iterator[FormatResult]:
    """Writes records and reads them; gives each result when it is stored.

    Args:
        plan: What to do.
        results: The store.
        measure: Measures a job in a fresh process.

    Raises:
        InputError: If the photos are too few, or a folder holds other records.
    """
    campaign = new_mark()
    photos = plan.source.load_photos()
    written = {name: _write(plan, photos, name) for name in plan.formats}
    kept = {name: decibels(photos.paths, name, image_size=plan.image_size) for name in plan.formats}
    disk = disk_speed(_shards(plan, max(written, key=lambda name: _bytes(written[name]))))
    cell = Cell(model=NO_MODEL, pipeline=plan.pipeline, batch_size=plan.batch_size, image_size=plan.image_size)
    for number, name in plan.schedule:
        source, origin = Source(records=str(plan.folder / name)), stamp()
        measured = measure(Job(cell=cell, effort=timing.Effort(seconds=plan.seconds), source=source), timeout=600.0)
        result = FormatResult(
            campaign=campaign,
            encoding=name,
            pipeline=plan.pipeline,
            round=number,
            images_per_second=measured.images_per_second,
            cpu_seconds=_cpu_seconds(measured),
            image_bytes=_bytes(written[name]) / written[name].images,
            decibels=kept[name],
            disk=disk,
            status=measured.status,
            reason=measured.reason,
            data={
                **plan.source.describe("photos"),
                "image_size": plan.image_size,
                "batch_size": plan.batch_size,
                "cores": resources.usable_cores(),
            },
            **origin,
        )
        store.append(result, results)
        yield result


def _write(plan: Plan, photos: Any, name: str) -> Any:
    """The manifest of the records in one format, which are written if they are not there."""
    shards = min(tfrecords.SHARDS, len(photos.paths))
    if not shards:
        raise InputError(f"`photos` must hold photos. Received: {plan.source.photos}, with none")
    return tfrecords.write(photos, plan.folder / name, image_size=plan.image_size, shards=shards, encoding=name)


def _shards(plan: Plan, name: str) -> list[Path]:
    return sorted((plan.folder / name).glob("*.tfrec"))


def _bytes(written: Any) -> int:
    return sum(shard.bytes for shard in written.shards)


def _cpu_seconds(measured: Measurement) -> float | None:
    """CPU seconds per image."""
    steps = measured.step_cpu_seconds
    return median(steps) / measured.images_per_step if steps and measured.images_per_step else None


def decibels(paths: Sequence[str], encoding: str, *, image_size: int) -> float | None:
    """PSNR of images held in a format against the images before, in dB: the median over some photos.

    Infinite for pixels, which are kept as they are: None.
    """
    import numpy as np
    import simplejpeg

    found = []
    for path in paths[:: max(1, len(paths) // MOST_PHOTOS)][:MOST_PHOTOS]:
        try:
            photo = array_images.decode_photo(array_images.read(path), image_size)
        except InputError:
            continue  # the records are without it, too
        image = array_images.fill_and_crop(photo, image_size)
        if encoding in encodings.JPEGS:
            jpeg = array_images.encode(image, halve_colours=encoding != encodings.JPEG)
            kept = simplejpeg.decode_jpeg(jpeg, "RGB", fastdct=True)
        else:
            kept = np.empty_like(image)
            encodings.decode_into(kept, encodings.encode(image, encoding), encoding)
        error = float(np.mean((kept.astype(float) - image) ** 2))
        found.append(float("inf") if error == 0 else 10 * float(np.log10(255**2 / error)))
    middle = median(found) if found else float("inf")
    return middle if middle < float("inf") else None


def disk_speed(paths: Sequence[Path]) -> dict:
    """How fast files are read that are not in the page cache: `bytes_per_second`, or the `reason` for not knowing."""
    size = sum(path.stat().st_size for path in paths)
    if size < LEAST_BYTES:
        return {"reason": f"{size / 1e6:.1f} MB of records are too few to time a disk by"}
    evicted = page_cache.evict(paths)
    if evicted.reason:
        return {"reason": evicted.reason}
    begun = perf_counter()
    for path in paths:
        path.read_bytes()
    return {"bytes_per_second": size / (perf_counter() - begun)}
