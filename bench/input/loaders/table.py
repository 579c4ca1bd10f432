"""A comparison of loaders as tables: the terminal at 80 columns, Markdown, plain values."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from bench.input.loaders.registry import CEILINGS, JOBS, LOADERS, Loader
from bench.input.loaders.run import LoaderResult
from bench.results.result import folders
from bench.results.table import Column, Interval, Table, Value, page
from flowers_core.data.decoding import LEAST

COLUMNS = (
    Column("loader"),
    Column("images/s", "rate", key="images_per_second", bars=True),
    Column("ceiling", "percent", key="ceiling_share"),
    Column("ours", "ratio", key="ours_ratio"),
    Column("CPU", "time", key="cpu_image_seconds"),
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A loader beside the others of its comparison and job.

    Attributes:
        loader: Which.
        result: What it did.
        share: Of the ceiling of its job, which decodes photos as small and with as many workers: median over rounds of
            the ratio to the ceiling's block of the same round.
        ratio: To the fastest of our pipelines likewise.
    """

    loader: Loader
    result: LoaderResult
    share: float | None
    ratio: float | None


def rows(results: Iterable[LoaderResult], *, smaller: bool | None = None) -> list[Row]:
    """The last comparison: ceilings first, then the fastest first, then those that could not run.

    Args:
        results: Whatever a store holds.
        smaller: Whether it must be one in which some decode large photos smaller, or all decode them whole; either if
            None.
    """
    known = [result for result in results if result.loader in LOADERS]
    comparisons = {result.comparison for result in known}
    decoded_smaller = {result.comparison for result in known if LOADERS[result.loader].decode}
    if smaller is not None:
        comparisons = decoded_smaller if smaller else comparisons - decoded_smaller
    last = max(comparisons, default="")
    return [row for job in JOBS for row in _of_job(job, [result for result in known if result.comparison == last])]


def _of_job(job: str, results: Sequence[LoaderResult]) -> list[Row]:
    pairs = [(LOADERS[result.loader], result) for result in results if LOADERS[result.loader].job == job]
    of_job = []
    for loader, result in pairs:
        alike = [pair for pair in pairs if pair[0].decode == loader.decode and pair[1].workers == result.workers]
        ceiling = next((other for beside, other in alike if beside.whole == CEILINGS[job]), None)
        ours = max((other for beside, other in alike if beside.kind == "pipeline"), key=rate, default=None)
        of_job.append(Row(loader=loader, result=result, share=_ratio(result, ceiling), ratio=_ratio(result, ours)))
    return sorted(of_job, key=lambda row: (row.loader.kind != "ceiling", -rate(row.result)))


def rate(result: LoaderResult) -> float:
    """Median images/s; 0 if it did not run."""
    return median(result.rates) if result.rates else 0.0


def _ratio(result: LoaderResult, base: LoaderResult | None) -> float | None:
    """Median over rounds: what disturbs a whole round disturbs both."""
    if base is None or not result.rates or not base.rates:
        return None
    return median(a / b for a, b in zip(result.rates, base.rates, strict=False))  # the last round may be cut short


def _interval(result: LoaderResult) -> Interval:
    return Interval(rate(result), min(result.rates), max(result.rates))


def _values(row: Row) -> tuple[Value, ...]:
    rates = row.result.rates
    if not rates:
        return row.loader.name, row.result.status, "", "", ""
    return (
        row.loader.name,
        _interval(row.result),
        row.share,
        None if row.loader.kind == "ceiling" else row.ratio,
        median(row.result.cpu_seconds) if row.result.cpu_seconds else None,
    )


def _title(job: str, of_job: Sequence[Row]) -> str:
    data = of_job[0].result.data
    what = f"{data.get('images', 0):,} {data.get('photos', '')}"
    size = f"{data.get('image_size')} px, batch {data.get('batch_size')}, {data.get('cores')} cores"
    return f"{JOBS[job].capitalize()} to batches, first epoch ({what}, {size})"


def _column_notes(of_job: Sequence[Row]) -> list[str]:
    ceiling = LOADERS[CEILINGS[of_job[0].loader.job]].name
    return [
        f"ceiling: share of `{ceiling}`, the same kernels without a loader, on bytes in memory",
        "ours: ratio to the fastest of our pipelines, of those that decode photos smaller to the fastest that does so",
        "CPU: seconds per image, of all processes of the loader",
        "on a busy machine compare CPU: a loader with more threads gets more of what other programs leave",
    ]


def notes(of_job: Sequence[Row], columns: Sequence[str] = ()) -> list[str]:
    """What the brackets are, what columns hold, what each loader does, and why a figure is missing."""
    measured = [row for row in of_job if row.result.rates]
    said = []
    if measured:
        blocks, processes = max((len(row.result.rates), row.result.processes) for row in measured)
        said.append(f"median [lowest, highest] of {blocks} blocks, by {processes} fresh processes per loader")
    said += columns
    for size in LEAST:
        if found := next((row.result.data[size] for row in measured if size in row.result.data), None):
            said.append(_smaller_note(size, found))
    names: dict[str, list[str]] = {}
    for row in measured:
        same = names.setdefault(row.loader.description, [])
        if row.loader.name not in same:
            same.append(row.loader.name)
    said += [f"{'; '.join(same)}: {description}" for description, same in names.items()]
    return said + [
        f"{_name_of(row)}: {row.result.status}: {row.result.reason}" for row in of_job if row not in measured
    ]


def _name_of(row: Row) -> str:
    """The name of a loader, with its workers where their number was asked for."""
    return f"{row.loader.name} ({row.result.workers} decode workers)" if row.result.workers else row.loader.name


def _smaller_note(size: str, found: dict) -> str:
    """What decoding photos smaller does to their pixels."""
    times = {1: "the size wanted", 2: "twice the size wanted"}[LEAST[size]]
    if not found["photos"]:
        return f"{size}: no photo that was looked at is large enough, so that all are decoded whole"
    return (
        f"{size}: down to {times}; photos at 1/{found['ratio']:.0f}, {found['bilinear']:.1f} dB from their full "
        f"decode; from one scaled with antialias {found['averaged']:.1f} dB, the full decode {found['full']:.1f} dB "
        f"(PSNR, medians of {found['photos']} photos)"
    )


def tables(all_rows: Sequence[Row]) -> list[Table]:
    """A table for each job; fits 80 columns."""
    jobs = [(job, [row for row in all_rows if row.loader.job == job]) for job in JOBS]
    return [
        _curve(job, of_job)
        if any(row.result.workers for row in of_job)
        else Table(
            title=_title(job, of_job),
            columns=COLUMNS,
            rows=tuple(map(_values, of_job)),
            notes=tuple(notes(of_job, _column_notes(of_job))),
        )
        for job, of_job in jobs
        if of_job
    ]


def _curve(job: str, of_job: Sequence[Row]) -> Table:
    """Images/s of each loader by the number of its workers; the fastest at its best comes first."""
    counts = sorted({row.result.workers for row in of_job})
    by_loader: dict[str, dict[int, Row]] = {}
    for row in of_job:  # sorted by rate
        by_loader.setdefault(row.loader.name, {})[row.result.workers] = row
    rows = []
    for name, by_count in by_loader.items():
        shown = (by_count.get(count) for count in counts)
        rows.append((name, *(_interval(row.result) if row and row.result.rates else None for row in shown)))
    numbers = (
        "columns: decode workers, processes or threads; without pipelines of tf.data, which choose their own number"
    )
    columns = (Column("loader"), *(Column(f"{count}", "rate", key=f"workers_{count}") for count in counts))
    return Table(
        title=f"{_title(job, of_job)}: images/s by decode workers",
        columns=columns,
        rows=tuple(rows),
        notes=tuple(notes(of_job, [numbers])),
    )


def markdown(all_rows: Sequence[Row], into: str = "") -> str:
    """A table for each job, notes, origin and the command; `into` is the option that names another store than ours."""
    return page("Loaders compared", tables(all_rows), all_rows[0].result.origin, command=f"{_command(all_rows)}{into}")


def _command(all_rows: Sequence[Row]) -> str:
    """What compared them, but for the place of packages."""
    jobs, data = {row.loader.job for row in all_rows}, all_rows[0].result.data
    only = f" --job {jobs.pop()}" if len(jobs) == 1 else ""
    counts = sorted({row.result.workers for row in all_rows} - {0})
    workers = f" --decode-workers {','.join(map(str, counts))}" if counts else ""
    return f"python -m bench loaders{only} --batch-size {data['batch_size']}{workers}{folders(data)}"


def plain(row: Row) -> dict:
    """Plain values of a row, its result among them."""
    return {
        "loader": row.loader.id,
        "kind": row.loader.kind,
        "description": row.loader.description,
        "workers": row.result.workers or None,
        "images_per_second": rate(row.result) or None,
        "ceiling_share": row.share,
        "ours_ratio": row.ratio,
        "result": asdict(row.result),
    }
