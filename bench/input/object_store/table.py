"""What distance to an object store costs, as tables: images/s compared with the disk's, first batch, requests."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.input.object_store.measure import ObjectStoreResult
from bench.machine.facts import BUSY_SHARE
from bench.results.result import folders
from bench.results.table import Column, Table, Value, page

COLUMNS = (
    Column("pipeline", whole=True),
    Column("from", whole=True),
    Column("images/s", "rate", whole=True, bars=True),
    Column("of disk", "percent", whole=True),
    Column("alone", "percent"),
    Column("first", "time"),
    Column("requests", "rate"),
)
MOST_SERVER_SHARE = 0.5  # beyond it a division by what is left says nothing


@dataclass(frozen=True, kw_only=True)
class Row:
    """The results of one pipeline from one place.

    Attributes:
        pipeline: Its name.
        latency_seconds: Of the store; None for the disk.
        results: Those that ended well.
        failed: Reasons of the others.
        images_per_second: Median over processes.
        low: Lowest of them.
        high: Highest.
        ratio: Over the disk's rate in the same round, median over rounds; None of the disk itself.
        ratio_low: Lowest.
        ratio_high: Highest.
        server_share: Of the cores that the reader could use, what the server took at this rate; None of the disk.
        first_batch_seconds: Median.
        requests_per_file: For the content of a photo or shard; None of the disk.
        bytes_per_second: That the store sends at this rate; None of the disk.
    """

    pipeline: str
    latency_seconds: float | None
    results: tuple[ObjectStoreResult, ...]
    failed: tuple[str, ...]
    images_per_second: float | None = None
    low: float | None = None
    high: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    server_share: float | None = None
    first_batch_seconds: float | None = None
    requests_per_file: float | None = None
    bytes_per_second: float | None = None

    @property
    def place(self) -> str:
        """Where it read from, as the table shows it."""
        return "disk" if self.latency_seconds is None else f"{1000 * self.latency_seconds:g} ms"


def latest(results: Iterable[ObjectStoreResult]) -> list[ObjectStoreResult]:
    """Those of the campaign that was begun last; none of none. What asv measured is of no campaign."""
    results = [result for result in results if result.campaign]
    newest = max((result.campaign for result in results), default="")
    return [result for result in results if result.campaign == newest]


def rows(results: Iterable[ObjectStoreResult]) -> list[Row]:
    """A row for each pipeline and place, in the order in which they first came; the disk of each pipeline first."""
    groups: dict[tuple[str, float | None], list[ObjectStoreResult]] = {}
    for result in results:
        groups.setdefault((result.measurement.cell.pipeline, result.latency_seconds), []).append(result)
    names = list(dict.fromkeys(name for name, _ in groups))
    ordered = sorted(groups, key=lambda group: (names.index(group[0]), group[1] is not None, group[1] or 0.0))
    return [_row(*group, groups[group], groups.get((group[0], None), [])) for group in ordered]


def _row(
    pipeline: str, latency: float | None, results: Sequence[ObjectStoreResult], disk: Sequence[ObjectStoreResult]
) -> Row:
    good = tuple(result for result in results if result.status == "ok")
    failed = tuple(f"{result.status}: {result.reason}" for result in results if result not in good)
    if not good:
        return Row(pipeline=pipeline, latency_seconds=latency, results=good, failed=failed)
    rates = [_rate(result) for result in good]
    disk_rates = {result.round: _rate(result) for result in disk if result.status == "ok"}
    remote, ratios = latency is not None, []
    if remote:
        paired = [result for result in good if disk_rates.get(result.round)]
        ratios = [_rate(result) / disk_rates[result.round] for result in paired]
    return Row(
        pipeline=pipeline,
        latency_seconds=latency,
        results=good,
        failed=failed,
        images_per_second=median(rates),
        low=min(rates),
        high=max(rates),
        ratio=median(ratios) if ratios else None,
        ratio_low=min(ratios, default=None),
        ratio_high=max(ratios, default=None),
        server_share=_median(good, _server_share) if remote else None,
        first_batch_seconds=median(result.measurement.first_step_seconds or 0.0 for result in good),
        requests_per_file=_median(good, lambda result: result.requests.get("read", 0) / result.files)
        if remote
        else None,
        bytes_per_second=_median(good, _sent_per_second) if remote else None,
    )


def _median(good: Sequence[ObjectStoreResult], figure: Callable[[ObjectStoreResult], float]) -> float | None:
    values = [figure(result) for result in good if result.files and result.server_cpu_seconds is not None]
    return median(values) if values else None


def _rate(result: ObjectStoreResult) -> float:
    """Images/s of a result that ended well."""
    return result.measurement.images_per_second or 0.0


def _sent_per_second(result: ObjectStoreResult) -> float:
    return _rate(result) * (result.image_bytes or 0.0)


def _server_share(result: ObjectStoreResult) -> float:
    """CPU seconds of the server for the bytes of one image, times images/s, as a share of the cores."""
    byte_seconds = (result.server_cpu_seconds or 0.0) / (result.sent_bytes.get("read") or 1)
    return byte_seconds * _sent_per_second(result) / (result.machine.get("usable_cores") or 1)


def _alone(row: Row) -> Value:
    """The share of the disk's rate, had the server cores of its own; nothing where it took most of those here."""
    if row.ratio is None or row.server_share is None:
        return ""
    return f"{row.ratio / (1 - row.server_share):.0%}" if row.server_share <= MOST_SERVER_SHARE else None


def _values(row: Row) -> tuple[Value, ...]:
    named = row.pipeline, row.place
    if not row.results:
        return (*named, "failed", *[""] * 4)
    share = ""
    if row.ratio is not None and row.ratio_low is not None and row.ratio_high is not None:
        share = f"{row.ratio:.0%} [{100 * row.ratio_low:.0f}, {100 * row.ratio_high:.0f}]"
    requests = "" if row.requests_per_file is None else row.requests_per_file
    return *named, row.images_per_second, share, _alone(row), row.first_batch_seconds, requests


def table(all_rows: Sequence[Row]) -> Table:
    """The table; it fits 80 columns."""
    return Table(
        title="From an object store and from the disk",
        columns=COLUMNS,
        rows=tuple(map(_values, all_rows)),
        notes=tuple(notes(all_rows)),
    )


def notes(all_rows: Sequence[Row]) -> list[str]:
    """What the columns mean, the conditions, what failed, what is doubtful."""
    counts = sorted({len(row.results) for row in all_rows})
    said = [
        f"medians of {' or '.join(map(str, counts))} fresh processes a row, disk and store in turns; of disk: the rate "
        "over that of the same pipeline from the disk in the same round, median [lowest, highest]",
        "alone: the same with the cores that the server takes here given back, as if all of the reader's work "
        "waited for them; a real store has its own",
        "first: from the pipeline, whose files are known, to its first batch; requests: for the content of a file, "
        "a photo or a shard",
    ]
    results = [result for row in all_rows for result in row.results]
    remote = next((result for result in results if result.latency_seconds is not None), None)
    if remote:
        limit = f"{remote.bytes_per_second / 1e6:,.0f} MB/s" if remote.bytes_per_second else "no limit"
        opened = sum(result.connections for result in results)
        requests = sum(sum(result.requests.values()) for result in results)
        said += [
            f"a new connection costs {remote.round_trips:g} latencies, each request one more; bandwidth: {limit}",
            f"TensorFlow's client opened {opened:,} connections for {requests:,} requests in all",
        ]
    said += [f"{row.pipeline}, {row.place}: {reason}" for row in all_rows for reason in dict.fromkeys(row.failed)]
    disk = [result.measurement for result in results if result.latency_seconds is None]
    if any((measurement.foreign_cpu_share or 0.0) > BUSY_SHARE for measurement in disk):
        said.append(f"other programs used more than {BUSY_SHARE:.0%} of the CPU meanwhile")
    return said


def markdown(all_rows: Sequence[Row], into: str = "") -> str:
    """The table, notes, origin, and the command that measures it again, with the option of another store `into`."""
    results = [result for row in all_rows for result in row.results]
    origins = [f"{result.data['images']:,} {result.data['photos']}; {result.origin}" for result in results[:1]]
    latencies = sorted({row.latency_seconds for row in all_rows if row.latency_seconds is not None})
    options = ",".join(f"{1000 * seconds:g}ms" for seconds in latencies)
    disk = [result.data for result in results if result.latency_seconds is None] or [result.data for result in results]
    command = f"python -m bench object-store --latency {options}{folders(*disk)}{into}"
    return page("From an object store", [table(all_rows)], *origins, command=command)


def plain(all_rows: Sequence[Row]) -> list[dict]:
    """One object of plain values each, without the results themselves."""
    return [{name: value for name, value in vars(row).items() if name != "results"} for row in all_rows]
