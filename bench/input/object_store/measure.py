"""Measures a pipeline alone in a fresh process, from a disk or an object store, with what it requested of the store."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from bench.input.object_store import server
from bench.input.object_store.network import Conditions
from bench.input.object_store.server import Store
from bench.results.cell import NO_MODEL, Cell
from bench.results.measurement import Measurement
from bench.results.result import Result
from bench.run import process
from bench.run.data_source import Source
from bench.run.measure import Job
from bench.run.product import InputError
from bench.run.timing import Effort

OF_MEASUREMENT = [entry.name for entry in fields(Result) if entry.name != "format"]
"""Fields of the envelope that the measurement within has."""

PIPELINES = ("photos_one_by_one", "photos_parallel", "records_parallel", "records_uint8")
FEW, MANY = 4, 32  # images per batch: one by one a batch of 32 would take 15 s at 100 ms


@dataclass(frozen=True, kw_only=True)
class ObjectStoreResult(Result):
    """What one process read, how fast, and what that requested of a store.

    Attributes:
        measurement: Of the pipeline alone; its first step is the first batch.
        campaign: Marks results that belong together.
        latency_seconds: From a request to its answer; None where a disk was read.
        round_trips: What a new connection costs, in latencies; None likewise.
        bytes_per_second: Of all answers together; None likewise, and where there was no limit.
        connections: That the process opened.
        requests: By kind; with those that find and check what is there.
        statuses: Answers of the store by status; 404 also answers a question whether something is there.
        sent_bytes: That the store sent, by kind of request.
        files: Photos or shards that were read, each as often as it was: bytes read over bytes of the mean file.
        image_bytes: Of a mean image in its file.
        server_cpu_seconds: Of the store's connections, on this machine: the reader had to do without them.
        round: Of the campaign, from 0.
    """

    KIND = "object_store"
    FORMAT = 1  # measurement, conditions, counts (2026-11)

    measurement: Measurement
    campaign: str = ""
    latency_seconds: float | None = None
    round_trips: float | None = None
    bytes_per_second: float | None = None
    connections: int = 0
    requests: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    sent_bytes: dict[str, int] = field(default_factory=dict)
    files: float = 0.0
    image_bytes: float | None = None
    server_cpu_seconds: float | None = None
    round: int = 0

    def __post_init__(self):
        super().__post_init__()
        for name in OF_MEASUREMENT:
            object.__setattr__(self, name, getattr(self.measurement, name))

    def to_json(self) -> dict[str, Any]:
        """Gives plain values; what the measurement says already is left to it."""
        values = super().to_json()
        for name in OF_MEASUREMENT:
            del values[self.KEYS.get(name, name)]
        return {**values, "measurement": self.measurement.to_json()}

    @classmethod
    def from_json(cls, values: object) -> Self:
        """Reads what `to_json` gave, the measurement within likewise."""
        if isinstance(values, dict) and "measurement" in values:
            values = {**values, "measurement": Measurement.from_json(values["measurement"])}
        return super().from_json(values)


def cell_of(pipeline: str) -> Cell:
    """The cell of a pipeline alone, in small batches where photos are read one by one."""
    return Cell(model=NO_MODEL, pipeline=pipeline, batch_size=FEW if pipeline == "photos_one_by_one" else MANY)


def buckets(source: Source) -> dict[str, str]:
    """The folders of a source as buckets, by the names of the folders."""
    return {Path(folder).name: folder for folder in (source.photos, source.records) if folder}


def in_store(source: Source) -> Source:
    """The same source at the addresses of `buckets`."""
    photos, records = (folder and f"gs://{Path(folder).name}" for folder in (source.photos, source.records))
    return replace(source, photos=photos, records=records)


def read(
    cell: Cell,
    source: Source,
    *,
    store: Store | None,
    effort: Effort | None = None,
    timeout: float = 600.0,
    measure: Callable[..., Measurement] = process.spawn,
) -> ObjectStoreResult:
    """Measures a pipeline in a fresh process.

    Args:
        cell: A pipeline alone.
        source: Folders on a disk of this machine.
        store: One that serves `buckets(source)`; None to read from the disk.
        effort: How long.
        timeout: Seconds after which the process is ended.
        measure: What measures a job.
    """
    job = Job(cell=cell, source=in_store(source) if store else source, effort=effort or Effort())
    if store is None:
        return ObjectStoreResult(measurement=measure(job, timeout=timeout))
    store.traffic.reset()
    measurement = measure(job, timeout=timeout, variables=store.environment())
    counts = store.traffic.reset()
    file_bytes, image_bytes = mean_bytes(source, cell.reads)
    return ObjectStoreResult(
        measurement=measurement,
        **vars(store.traffic.conditions),
        connections=counts.connections,
        requests=dict(counts.requests),
        statuses={str(status): number for status, number in counts.statuses.items()},
        sent_bytes=dict(counts.sent_bytes),
        files=counts.sent_bytes["read"] / file_bytes,
        image_bytes=image_bytes,
        server_cpu_seconds=counts.cpu_seconds,
    )


def mean_bytes(source: Source, reads: str) -> tuple[float, float]:
    """Bytes of the mean photo or shard of a source on disk, and of its mean image."""
    if reads == "photos":
        sizes = [Path(path).stat().st_size for path in source.load_photos().paths]
        return sum(sizes) / len(sizes), sum(sizes) / len(sizes)
    written = source.manifest()
    total = sum(shard.bytes for shard in written.shards)
    return total / len(written.shards), total / written.images


def open_store(
    source: Source,
    conditions: Conditions,
    *,
    port: int = 0,
    writable: bool = False,
    tell: Callable[[str], object] = lambda _: None,
) -> AbstractContextManager[Store]:
    """A store of a source's folders: a context that gives a `Store`; see `server.serve`.

    Raises:
        InputError: If a folder is in a bucket already, or two have the same name.
    """
    given = [folder for folder in (source.photos, source.records) if folder]
    if any("://" in folder for folder in given) or len(buckets(source)) < len(given) or not given:
        raise InputError(
            f"A store serves folders of this disk, of different names: photos, records or both. "
            f"Received: {', '.join(given) or 'none'}. Give `--photos` and `--records`"
        )
    return server.serve(buckets(source), conditions, port=port, writable=writable, tell=tell)
