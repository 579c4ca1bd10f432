"""What writing records took, by shards and threads, and how fast they are read: a table, and its command."""

from collections.abc import Sequence
from statistics import median

from bench.input.writing.result import PIPELINE, WriteResult, default_threads
from bench.machine.facts import BUSY_SHARE
from bench.results.result import folders
from bench.results.table import Column, Table, Value, page, spread
from flowers_core.data import encodings

COLUMNS = (
    Column("shards", "count"),
    Column("threads", "count"),
    Column("written, images/s", "rate", key="written_images_per_second", bars=True),
    Column("MB/s", "rate", key="megabytes_per_second"),
    Column("fsync", "time", key="sync_seconds"),
    Column("CPU", "time", key="cpu_image_seconds"),
    Column("read, images/s", "rate", key="read_images_per_second"),
)


def tables(results: Sequence[WriteResult]) -> list[Table]:
    """One table; none of no results."""
    groups: dict[tuple[int, int], list[WriteResult]] = {}
    for result in sorted(results, key=lambda result: (result.shards, result.threads)):
        groups.setdefault((result.shards, result.threads), []).append(result)
    if not groups:
        return []
    first = results[0]
    what = f"{first.data.get('images', 0):,} {first.data.get('photos', '')}, {first.image_size} px, {first.encoding}"
    return [
        Table(
            title=f"Writing records ({what}, {first.data.get('cores')} cores)",
            columns=COLUMNS,
            rows=tuple(map(_row, groups.values())),
            notes=tuple(_notes(results)),
        )
    ]


def _row(group: Sequence[WriteResult]) -> tuple[Value, ...]:
    first, good = group[0], [result for result in group if result.write_seconds]
    if not good:
        return first.shards, first.threads, first.status, "", "", "", ""
    last_written = good[-1]
    rates = [result.images / median(result.write_seconds) for result in good]
    read = [result.read_images_per_second for result in good if result.read_images_per_second]
    megabytes = last_written.bytes / last_written.images / 1e6
    return (
        first.shards,
        first.threads,
        spread(rates),
        median(rates) * megabytes,
        median(median(result.sync_seconds) for result in good),
        median(median(result.cpu_seconds) / result.images for result in good),
        spread(read) or "",
    )


def _notes(results: Sequence[WriteResult]) -> list[str]:
    """How it was measured, on what, and what failed."""
    first, rounds = results[0], len({result.round for result in results})
    systems = sorted({result.file_system for result in results} - {""})
    calls = max(((result.shards, result.syncs) for result in results if result.syncs), default=None)
    notes = [
        f"median of {rounds} fresh process{'es' * (rounds > 1)} [lowest, highest], each of several writings after a "
        "first one: photos read from the page cache, decoded, cropped and encoded, until all files are on the disk "
        f"({', '.join(systems) or 'of an unknown file system'})",
        "fsync: seconds of one writing that waited for the disk"
        + (f"; {calls[1]} calls for {calls[0]} shards" if calls else "")
        + "; CPU: seconds an image; MB/s: of records",
    ]
    if any(result.read_images_per_second for result in results):
        batch = first.data.get("batch_size")
        notes.append(
            f"read: by {first.pipeline} in batches of {batch}, from the page cache; once for each number of shards"
        )
    failed = {
        f"shards {result.shards}, threads {result.threads}: {result.status}: {result.reason}"
        for result in results
        if result.status != "ok"
    }
    notes += sorted(failed)
    if any((result.foreign_cpu_share or 0.0) > BUSY_SHARE for result in results):
        notes.append(f"others used over {BUSY_SHARE:.0%} of the CPU meanwhile")
    return notes


def command(results: Sequence[WriteResult]) -> str:
    """What measures it again."""
    first = results[0]
    shards, threads = (sorted({getattr(result, name) for result in results}) for name in ("shards", "threads"))
    given = {
        "shards": ",".join(map(str, shards)),
        "threads": "" if threads == [default_threads()] else ",".join(map(str, threads)),
        "image-size": "" if first.image_size == 192 else first.image_size,
        "format": "" if first.encoding == encodings.JPEG else first.encoding,
        "pipeline": "" if first.pipeline == PIPELINE else first.pipeline or "none",
        "rounds": 1 + max(result.round for result in results),
    }
    options = "".join(f" --{name} {value}" for name, value in given.items() if value)
    return f"python -m bench write{options}{folders(first.data)}"


def markdown(results: Sequence[WriteResult], into: str = "") -> str:
    """Table, origin, and the command that measures it again, with the option of another store `into`."""
    return page("Writing records", tables(results), results[0].origin, command=command(results) + into)
