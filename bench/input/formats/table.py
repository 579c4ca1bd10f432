"""Formats of records beside each other: what each costs, which are worth it, and which to take where."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median

from bench.input.formats.campaign import FormatResult
from bench.results import format
from bench.results.result import folders
from bench.results.table import Column, Interval, Table, page

COLUMNS = (
    Column("format"),
    Column("bytes an image", "count", key="image_bytes"),
    Column("PSNR, dB"),
    Column("images/s", "rate", key="images_per_second", bars=True),
    Column("CPU", "time", key="cpu_image_seconds"),
    Column("worth it", key="pareto"),
)
DISKS = (50e6, 200e6, 500e6, 1e9, 3e9, 7e9)
"""Bytes a second: a network disk, a hard disk or eMMC, SATA, fast network disks, NVMe of two generations."""

CORES = (2, 4, 8, 16, 32, 64)
NEARLY = 0.95  # of the most images/s: then fewer bytes are worth more


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine that is asked about.

    Attributes:
        cores: That do nothing else.
        bytes_per_second: Of its disk; None for the one that was measured.
    """

    cores: float
    bytes_per_second: float | None = None

    @property
    def disk(self) -> str:
        """Its disk in words; empty where that is unknown."""
        return f"a disk of {self.bytes_per_second / 1e6:,.0f} MB/s" if self.bytes_per_second else ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A format of a campaign.

    Attributes:
        encoding: Its name.
        image_bytes: Per image.
        decibels: PSNR; None where every pixel is kept.
        rates: Images/s of each process.
        cpu_seconds: Per image; None where no process could be measured.
        pareto: Whether no other has fewer bytes and more images/s.
        reason: Why there is no figure.
    """

    encoding: str
    image_bytes: float
    decibels: float | None
    rates: tuple[float, ...]
    cpu_seconds: float | None
    pareto: bool = False
    reason: str = ""

    @property
    def rate(self) -> float:
        """Median images/s; 0 where there is none."""
        return median(self.rates) if self.rates else 0.0

    def at(self, *, cores: float, bytes_per_second: float | None) -> float:
        """Images/s on so many cores that do nothing else, from such a disk; None for memory."""
        by_cores = cores / self.cpu_seconds if self.cpu_seconds else 0.0
        return min(by_cores, bytes_per_second / self.image_bytes) if bytes_per_second else by_cores


def rows(results: Sequence[FormatResult]) -> list[Row]:
    """A row for each format, fewest bytes first."""
    found = []
    for encoding in dict.fromkeys(result.encoding for result in results):
        own = [result for result in results if result.encoding == encoding]
        good = [result for result in own if result.status == "ok" and result.images_per_second]
        cpu = [result.cpu_seconds for result in good if result.cpu_seconds]
        found.append(
            Row(
                encoding=encoding,
                image_bytes=own[0].image_bytes,
                decibels=own[0].decibels,
                rates=tuple(result.images_per_second for result in good if result.images_per_second),
                cpu_seconds=median(cpu) if cpu else None,
                reason="" if good else f"{own[0].status}: {own[0].reason}",
            )
        )
    found.sort(key=lambda row: row.image_bytes)
    return [
        replace(row, pareto=bool(row.rates) and all(row.rate > other.rate for other in found[:number]))
        for number, row in enumerate(found)
    ]


def recommend(all_rows: Sequence[Row], *, cores: float, bytes_per_second: float | None) -> Row | None:
    """The format of the fewest bytes among those that feed nearly the most images/s; None where none was measured."""
    rates = {
        row.encoding: row.at(cores=cores, bytes_per_second=bytes_per_second) for row in all_rows if row.cpu_seconds
    }
    most = max(rates.values(), default=0.0)
    enough = (row for row in all_rows if rates.get(row.encoding, 0.0) >= NEARLY * most > 0)
    return min(enough, key=lambda row: row.image_bytes, default=None)


def tables(results: Sequence[FormatResult], *, machine: Machine) -> list[Table]:
    """The formats, and what to take on which machine, the one asked about among them."""
    found, data = rows(results), results[0].data
    what = f"{data.get('images', 0):,} {data.get('photos', '')}, {data.get('image_size')} px"
    measured = f"batch {data.get('batch_size')}, {data.get('cores')} cores"
    notes = [
        f"median [lowest, highest] of {max(len(row.rates) for row in found)} processes in turns, of "
        f"{results[0].pipeline} from the page cache; CPU: seconds an image, of all processes",
        "PSNR: against the image before it was encoded, median; worth it: no other has fewer bytes and more images/s",
        *(f"{row.encoding}: {row.reason}" for row in found if row.reason),
        _advice(found, results[0], machine),
    ]
    first = Table(
        title=f"Formats of records ({what}, {measured})",
        columns=COLUMNS,
        rows=tuple(map(_values, found)),
        notes=tuple(notes),
    )
    return [first, _by_machine(found)]


def _values(row: Row) -> tuple:
    rate = Interval(row.rate, min(row.rates), max(row.rates)) if row.rates else None
    kept = "exact" if row.decibels is None else f"{row.decibels:.1f}"
    return row.encoding, round(row.image_bytes), kept, rate, row.cpu_seconds, "yes" if row.pareto else "no"


def _advice(found: Sequence[Row], result: FormatResult, machine: Machine) -> str:
    """What to take on the machine that was asked about."""
    asked = asked_about(machine, result)
    disk = asked.disk or f"memory (disk: {result.disk.get('reason', 'unknown')})"
    chosen = recommend(found, cores=asked.cores, bytes_per_second=asked.bytes_per_second)
    if chosen is None:
        return "no format could be measured, so none is recommended"
    expected = chosen.at(cores=asked.cores, bytes_per_second=asked.bytes_per_second)
    return (
        f"for {asked.cores:g} cores and {disk}: --format {chosen.encoding}, {expected:,.0f} images/s computed "
        f"(cores over CPU seconds, bytes a second over bytes)"
    )


def measured_on(results: Sequence[FormatResult]) -> Machine:
    """The machine that a campaign was measured on, with the speed of its disk where that is known."""
    return asked_about(Machine(cores=results[0].data.get("cores", 1)), results[0])


def asked_about(machine: Machine, result: FormatResult) -> Machine:
    """A machine with the disk that was measured, unless it has another."""
    return replace(machine, bytes_per_second=machine.bytes_per_second or result.disk.get("bytes_per_second"))


def _by_machine(found: Sequence[Row]) -> Table:
    """What to take by disk and cores, with its images/s."""
    table_rows = []
    for speed in (*DISKS, None):
        chosen = [recommend(found, cores=cores, bytes_per_second=speed) for cores in CORES]
        cells = [
            f"{row.encoding} {format.rate(row.at(cores=cores, bytes_per_second=speed))}" if row else None
            for row, cores in zip(chosen, CORES, strict=True)
        ]
        table_rows.append((f"{speed / 1e6:,.0f} MB/s" if speed else "memory", *cells))
    columns = (Column("disk"), *(Column(f"{cores} cores", key=f"cores_{cores}") for cores in CORES))
    return Table(
        title="Format to take, and images/s, by disk and cores",
        columns=columns,
        rows=tuple(table_rows),
        notes=("computed of this machine's CPU seconds; fewest bytes among those within 5 % of the most images/s",),
    )


def markdown(results: Sequence[FormatResult], *, machine: Machine, into: str = "") -> str:
    """Both tables, with their command; `into` is the option that names another store than ours."""
    drawn = tables(results, machine=machine)
    return page("Formats of records", drawn, results[0].origin, command=f"{command(results)}{into}")


def command(results: Sequence[FormatResult]) -> str:
    """What measures a campaign again."""
    data = results[0].data
    return f"python -m bench formats --image-size {data.get('image_size', 192)}{folders(data)}"


def plain(row: Row) -> dict:
    """Plain values of a row."""
    return {**asdict(row), "images_per_second": row.rate or None}
