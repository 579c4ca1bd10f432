"""Photos written as records in several numbers of shards and by several numbers of threads, then read again.

`python -m bench.input.writing.campaign` is a child of `run`, see `bench.run.child`: it writes, in a fresh process.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.input.writing.result import PIPELINE, SHARDS, WriteResult, default_threads
from bench.machine import page_cache
from bench.machine.cpu_time import ForeignLoad, cpu_seconds
from bench.machine.own import resources
from bench.results import store
from bench.results.cell import NO_MODEL, Cell
from bench.results.measurement import Measurement
from bench.results.result import new_mark, stamp
from bench.run import child, process, timing
from bench.run.data_source import Source
from bench.run.durations import Durations, Keys, Planned
from bench.run.measure import Job
from flowers_core.data import encodings, tfrecords
from flowers_core.errors import InputError, ReportedError

LEAST_WRITES = 2  # in one process, after one that is not timed
MOST_WRITES = 50


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is written and read.

    Attributes:
        source: Where the photos lie.
        folder: On the disk that is measured; nothing is left there.
        shards: Numbers of files.
        threads: Numbers of photos worked on at once; 0 for as many as `records` takes, two a core.
        image_size: Side of the images in pixels.
        encoding: Of `encodings.ENCODINGS`.
        pipeline: What reads them; empty to read nothing.
        batch_size: Images a batch of it.
        rounds: Fresh processes of each.
        seconds: How long each writes, and reads.
        timeout: Seconds after which a process is ended.
    """

    source: Source
    folder: Path
    shards: tuple[int, ...] = SHARDS
    threads: tuple[int, ...] = (0,)
    image_size: int = 192
    encoding: str = encodings.JPEG
    pipeline: str = PIPELINE
    batch_size: int = 32
    rounds: int = 3
    seconds: float = 3.0
    timeout: float = 600.0

    def __post_init__(self):
        encodings.check_size(self.encoding, self.image_size)

    @property
    def schedule(self) -> list[tuple[int, int, int]]:
        """Round, shards and threads of each writing process; rounds outermost, so that a drift of the disk hits all."""
        return [
            (number, shards, threads)
            for number in range(self.rounds)
            for shards in self.shards
            for threads in self.threads
        ]


def planned(plan: Plan, results: Path, *, budget_seconds: float | None = None) -> Planned:
    """The processes that write, each with one that reads, and how long they should take: as earlier ones did here."""
    known = Durations().note_campaigns(
        store.load(WriteResult, results).results, lambda written: _alike(written.shards, written.threads)
    )
    return Planned(
        what="writing processes",
        rounds=[number for number, *_ in plan.schedule],
        seconds=known.total(_alike(shards, threads or default_threads()) for _, shards, threads in plan.schedule),
        budget_seconds=budget_seconds,
    )


def _alike(shards: int, threads: int) -> Keys:
    """What processes that take about as long have in common."""
    return (WriteResult.KIND, shards, threads), WriteResult.KIND


Ask = Callable[..., dict]
Read = Callable[..., Measurement]


def run(plan: Plan, *, ask: Ask = process.ask, read: Read = process.spawn) -> Iterator[WriteResult]:
    """Writes and reads; gives each result as its processes end.

    Args:
        plan: What to do.
        ask: Has a job done in a fresh process.
        read: Measures a job in a fresh process.

    Raises:
        InputError: If there are fewer photos than shards.
    """
    described = plan.source.describe("photos")
    images = described["images"]
    if max(plan.shards) > images:
        raise InputError(
            f"`shards` must be at most the number of photos, {images}. Received: {max(plan.shards)}. Give fewer, or "
            f"more photos: `--photos FOLDER`"
        )
    cores = {"cores": resources.usable_cores(), "batch_size": plan.batch_size}
    mark = new_mark()
    for number, shards, threads in plan.schedule:
        started = datetime.now(UTC)
        place = plan.folder / f"{shards}-{threads}"
        with _removed_at_the_end(place):
            figures = _write(plan, place, shards, threads, ask)
            if plan.pipeline and threads == plan.threads[0] and figures.get("status", "ok") == "ok":
                figures |= _read(plan, place, figures, read)
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in figures.items()
        }
        yield WriteResult(
            campaign=mark,
            shards=shards,
            threads=threads or default_threads(),
            encoding=plan.encoding,
            image_size=plan.image_size,
            round=number,
            pipeline=plan.pipeline,
            data={**described, **cores},
            **stamp(started),
            **values,
        )


@contextmanager
def _removed_at_the_end(place: Path) -> Iterator[None]:
    try:
        yield
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _write(plan: Plan, place: Path, shards: int, threads: int, ask: Ask) -> dict[str, Any]:
    """The figures of one writing process, or how it failed."""
    job = {
        "source": asdict(plan.source),
        "folder": str(place),
        "seconds": plan.seconds,
        "how": {"image_size": plan.image_size, "shards": shards, "encoding": plan.encoding, "threads": threads or None},
    }
    try:
        return ask("bench.input.writing.campaign", job, timeout=plan.timeout)
    except process.Died as died:
        return {"status": died.status, "reason": died.reason}


def _read(plan: Plan, place: Path, figures: dict[str, Any], read: Read) -> dict[str, Any]:
    """The figure of one reading process, or how it failed: what was written still counts."""
    size = min(plan.batch_size, figures["images"])
    cell = Cell(model=NO_MODEL, pipeline=plan.pipeline, batch_size=size, image_size=plan.image_size)
    job = Job(cell=cell, effort=timing.Effort(seconds=plan.seconds), source=Source(records=str(place)))
    measured = read(job, timeout=plan.timeout)
    if measured.status != "ok":
        return {"status": measured.status, "reason": f"written, but not read: {measured.reason}"}
    others = max(figures["foreign_cpu_share"], measured.foreign_cpu_share or 0.0)
    return {"read_images_per_second": measured.images_per_second, "foreign_cpu_share": others}


def measure_here(source: Source, folder: Path, how: dict[str, Any], *, seconds: float) -> dict[str, Any]:
    """Writes records in this process, again and again; gives the figures of a `WriteResult`.

    Args:
        source: Where the photos lie.
        folder: Where the records of the last writing stay.
        how: Arguments of `tfrecords.write`.
        seconds: How long to go on.

    Raises:
        InputError: If photos cannot be read or the folder cannot be written.
        OSError: If the disk is full.
    """
    photos = source.load_photos()
    written, figures = _write_once(photos, folder, how)  # compiles, and fills the page cache with photos
    load, timed = ForeignLoad(), list[dict[str, float]]()
    while len(timed) < LEAST_WRITES or (len(timed) < MOST_WRITES and _seconds(timed) < seconds):
        shutil.rmtree(folder)
        written, figures = _write_once(photos, folder, how)
        timed.append(figures)
    columns = {name: [figures[name] for figures in timed] for name in ("write_seconds", "sync_seconds", "cpu_seconds")}
    return {
        "images": written.images,
        "bytes": sum(shard.bytes for shard in written.shards),
        **columns,
        "syncs": int(figures["syncs"]),
        "file_system": page_cache.file_system(folder),
        "foreign_cpu_share": load.share(),
    }


def _seconds(timed: Sequence[dict[str, float]]) -> float:
    return sum(figures["write_seconds"] for figures in timed)


def _write_once(photos: Any, folder: Path, how: dict[str, Any]) -> tuple[Any, dict[str, float]]:
    """The manifest of one writing, and what it took."""
    with clock_fsync() as synced:
        cpu, begin = cpu_seconds(), perf_counter()
        written = tfrecords.write(photos, folder, **how)
        seconds, cpu = perf_counter() - begin, cpu_seconds() - cpu
    return written, {"write_seconds": seconds, "sync_seconds": sum(synced), "cpu_seconds": cpu, "syncs": len(synced)}


@contextmanager
def clock_fsync() -> Iterator[list[float]]:
    """Collects the seconds of each `os.fsync` of this process while the block runs."""
    seconds, plain = list[float](), os.fsync

    def clock_sync(descriptor: int) -> None:
        begin = perf_counter()
        try:
            plain(descriptor)
        finally:
            seconds.append(perf_counter() - begin)

    setattr(os, "fsync", clock_sync)  # noqa: B010 - the module's own function
    try:
        yield seconds
    finally:
        setattr(os, "fsync", plain)  # noqa: B010


def main() -> None:
    """Writes what the parent says."""
    orders, answer = child.connect()
    job = next(orders)
    try:
        answer(measure_here(Source(**job["source"]), Path(job["folder"]), job["how"], seconds=job["seconds"]))
    except (ReportedError, OSError) as error:
        answer({"status": "error", "reason": str(error)})


if __name__ == "__main__":
    main()
