"""What one process took to write records, in a store."""

from dataclasses import dataclass

from bench.machine.own import resources
from bench.results.result import Result
from flowers_core.data import encodings

PIPELINE = "records_parallel"
SHARDS = (1, 4, 16, 64)


@dataclass(frozen=True, kw_only=True)
class WriteResult(Result):
    """What one process took to write records, and another to read them.

    Attributes:
        campaign: Marks results of one command.
        shards: Files that the records were written to.
        threads: Photos worked on at once.
        encoding: How records hold their images, one of `flowers_core.data.encodings.ENCODINGS`.
        image_size: Side of the images in pixels.
        round: Which of the command's rounds, from 0.
        images: Records of one writing.
        bytes: Of all shards of one writing.
        write_seconds: Of each writing: photos read, decoded, cropped, encoded, and all files on the disk (fsync).
        sync_seconds: Of these, waiting for fsync.
        cpu_seconds: CPU time of each writing.
        syncs: Calls of fsync in one writing.
        pipeline: What read them.
        read_images_per_second: Of the median step, from the page cache; None where they were not read: threads leave no
            trace in the bytes.
        file_system: Kind of the file system that held them.
        foreign_cpu_share: Share of the machine's CPU time that others used meanwhile.
    """

    KIND = "writes"
    FORMAT = 1  # seconds, fsync, CPU, bytes, reading rate, machine, code (2026-11)

    campaign: str
    shards: int
    threads: int
    encoding: str = encodings.JPEG
    image_size: int = 192
    round: int = 0
    images: int = 0
    bytes: int = 0
    write_seconds: tuple[float, ...] = ()
    sync_seconds: tuple[float, ...] = ()
    cpu_seconds: tuple[float, ...] = ()
    syncs: int = 0
    pipeline: str = PIPELINE
    read_images_per_second: float | None = None
    file_system: str = ""
    foreign_cpu_share: float | None = None


def default_threads() -> int:
    """Photos that `records` works on at once unless told."""
    return 2 * resources.parallelism()
