"""Readings -> what a far store costs: images a second beside the disk's, first batch, requests; as tables."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.input.object_store.measure import Reading
from bench.machine.facts import BUSY_SHARE
from bench.results import format, table
from bench.results.table import View

COLUMNS = ("pipeline", "from", "images/s", "of disk", "alone", "first", "asked")
LEFT = 2  # columns that are names
MOST_SERVER_SHARE = 0.5  # beyond it a division by what is left says nothing
SHARE = 3  # the column that is read first, and must not be broken


@dataclass(frozen=True, kw_only=True)
class Far:
    """The readings of one pipeline from one place.

    Attributes:
        pipeline: Its name.
        latency_seconds: Of the store; None for the disk.
        readings: Those that ended well.
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
    readings: tuple[Reading, ...]
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


def latest(readings: Iterable[Reading]) -> list[Reading]:
    """Those of the campaign that was begun last; none of none."""
    readings = list(readings)
    newest = max((one.campaign for one in readings), default="")
    return [one for one in readings if one.campaign == newest]


def far(readings: Iterable[Reading]) -> list[Far]:
    """One for each pipeline and place, in the order in which they first came; the disk of each pipeline first."""
    kinds: dict[tuple, list[Reading]] = {}
    for one in readings:
        kinds.setdefault((one.measurement.cell.pipeline, one.latency_seconds), []).append(one)
    names = list(dict.fromkeys(name for name, _ in kinds))
    ordered = sorted(kinds, key=lambda kind: (names.index(kind[0]), kind[1] is not None, kind[1] or 0.0))
    return [_far(kind, kinds[kind], kinds.get((kind[0], None), [])) for kind in ordered]


def _far(kind: tuple, some: Sequence[Reading], near: Sequence[Reading]) -> Far:
    good = tuple(one for one in some if one.measurement.status == "ok")
    failed = tuple(f"{one.measurement.status}: {one.measurement.reason}" for one in some if one not in good)
    if not good:
        return Far(pipeline=kind[0], latency_seconds=kind[1], readings=good, failed=failed)
    rates = [one.measurement.images_per_second for one in good]
    disk = {one.round: one.measurement.images_per_second for one in near if one.measurement.status == "ok"}
    remote = kind[1] is not None
    ratios = (
        [one.measurement.images_per_second / disk[one.round] for one in good if one.round in disk] if remote else []
    )
    return Far(
        pipeline=kind[0],
        latency_seconds=kind[1],
        readings=good,
        failed=failed,
        images_per_second=median(rates),
        low=min(rates),
        high=max(rates),
        ratio=median(ratios) if ratios else None,
        ratio_low=min(ratios, default=None),
        ratio_high=max(ratios, default=None),
        server_share=_median(good, _server_share) if remote else None,
        first_batch_seconds=median(one.measurement.first_step_seconds for one in good),
        requests_per_file=_median(good, lambda one: one.requests["read"] / one.files) if remote else None,
        bytes_per_second=_median(good, _sent_per_second) if remote else None,
    )


def _median(good: Sequence[Reading], figure: Callable[[Reading], float]) -> float | None:
    values = [figure(one) for one in good if one.files and one.server_cpu_seconds is not None]
    return median(values) if values else None


def _sent_per_second(one: Reading) -> float:
    return one.measurement.images_per_second * one.image_bytes


def _server_share(one: Reading) -> float:
    image_seconds = one.server_cpu_seconds / (one.sent_bytes["read"] / one.image_bytes)
    return image_seconds * one.measurement.images_per_second / one.machine["usable_cores"]


def place(one: Far) -> str:
    """Where it read from, in words."""
    return "disk" if one.latency_seconds is None else f"{1000 * one.latency_seconds:g} ms"


def rows(found: Sequence[Far]) -> list[tuple[str, ...]]:
    """A text for each of `COLUMNS`."""
    return [(one.pipeline, place(one), *_figures(one)) for one in found]


def _alone(one: Far) -> str:
    """The share of the disk's rate, had the server cores of its own; nothing where it took most of those here."""
    if one.ratio is None or one.server_share is None:
        return ""
    if one.server_share > MOST_SERVER_SHARE:
        return format.ABSENT
    return f"{one.ratio / (1 - one.server_share):.0%}"


def _figures(one: Far) -> tuple[str, ...]:
    if not one.readings:
        return ("failed", *[""] * 4)
    share = "" if one.ratio is None else f"{one.ratio:.0%} [{100 * one.ratio_low:.0f}, {100 * one.ratio_high:.0f}]"
    return (
        format.rate(one.images_per_second),
        share,
        _alone(one),
        format.duration(one.first_batch_seconds),
        "" if one.requests_per_file is None else format.significant(one.requests_per_file),
    )


def view(found: Sequence[Far]) -> View:
    """The table, for the page."""
    return View(
        title="From a store beside from the disk",
        columns=COLUMNS,
        rows=tuple(rows(found)),
        rates=tuple(one.images_per_second for one in found),
        notes=tuple(notes(found)),
    )


def notes(found: Sequence[Far]) -> list[str]:
    """What the columns mean, the conditions, what failed, what is doubtful."""
    counts = sorted({len(one.readings) for one in found})
    said = [
        f"medians of {' or '.join(map(str, counts))} fresh processes a row, disk and store in turns; of disk: the rate "
        "over that of the same pipeline from the disk in the same round, median [lowest, highest]",
        "alone: the same with the cores that the server takes here given back, as if all of the reader's work "
        "waited for them; a real store has its own",
        "first: from the pipeline, whose files are known, to its first batch; asked: requests for the content of a "
        "file, a photo or a shard",
    ]
    readings = [reading for one in found for reading in one.readings]
    away = next((one for one in readings if one.latency_seconds is not None), None)
    if away:
        limit = f"{away.bytes_per_second / 1e6:,.0f} MB/s" if away.bytes_per_second else "no limit"
        said.append(f"a new connection costs {away.round_trips:g} latencies, each request one more; bandwidth: {limit}")
        opened, asked = sum(one.connections for one in readings), sum(sum(one.requests.values()) for one in readings)
        said.append(f"TensorFlow's client opened {opened:,} connections for {asked:,} requests in all")
    said += [f"{one.pipeline}, {place(one)}: {reason}" for one in found for reason in dict.fromkeys(one.failed)]
    busy = [one for one in readings if (one.measurement.foreign_cpu_share or 0.0) > BUSY_SHARE]
    if any(one.latency_seconds is None for one in busy):
        said.append(f"others used more than {BUSY_SHARE:.0%} of the CPU meanwhile")
    return said


def origin(found: Sequence[Far]) -> str:
    """Data, machine, software and day, in one line."""
    one = next(one.readings[0] for one in found if one.readings).measurement
    return f"{one.data['images']:,} {one.data['photos']}; {table.place_line(one.machine, one.code, one.started)}"


def markdown(found: Sequence[Far]) -> str:
    """The table, notes, origin, and the command that makes it again."""
    lines = ["# From a far store", "", *table.grid(COLUMNS, rows(found), left=COLUMNS[:LEFT]), ""]
    lines += [f"- {note}" for note in notes(found)]
    if any(one.readings for one in found):
        lines.append(f"- {origin(found)}")
    latencies = sorted({one.latency_seconds for one in found if one.latency_seconds is not None})
    told = ",".join(f"{1000 * seconds:g}ms" for seconds in latencies)
    return "\n".join(
        [*lines, f"- `python -m bench object-store --latency {told}`, with `--photos` and `--records` of these", ""]
    )


def show(found: Sequence[Far], console) -> None:
    """Draws the table and the notes on a rich console."""
    left, whole = COLUMNS[:LEFT], COLUMNS[: SHARE + 1]
    table.draw("From a far store", COLUMNS, rows(found), console, left=left, whole=whole)
    table.say(notes(found), console)


def plain(found: Sequence[Far]) -> list[dict]:
    """One object of plain values each, without the readings themselves."""
    return [{name: value for name, value in vars(one).items() if name != "readings"} for one in found]
