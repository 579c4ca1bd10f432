"""A race as tables: the terminal at 80 columns, Markdown, plain values."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from bench.input.loaders import registry
from bench.input.loaders.registry import JOBS, LANES, LIMITS, Lane
from bench.input.loaders.result import LoaderResult
from bench.results import format, table
from bench.results.table import View

COLUMNS = ("", "images/s", "limit", "ours", "CPU")
LEFT = 1  # columns that are names


@dataclass(frozen=True, kw_only=True)
class Row:
    """A lane beside the others of its race and job.

    Attributes:
        lane: Who ran.
        turns: What it did.
        share: Of the limit of its job: median over rounds of the ratio to the turn of the same round.
        ratio: To the fastest of our pipelines likewise.
    """

    lane: Lane
    turns: LoaderResult
    share: float | None
    ratio: float | None


def rows(turns: Iterable[LoaderResult]) -> list[Row]:
    """The last race: limits first, then the fastest first, then those that could not run."""
    known = {lane.id for lane in LANES}
    turns = [one for one in turns if one.lane in known]
    if not turns:
        return []
    last = max(one.race for one in turns)
    return [row for job in JOBS for row in _of_job(job, [one for one in turns if one.race == last])]


def _of_job(job: str, turns: Sequence[LoaderResult]) -> list[Row]:
    pairs = [(registry.named(one.lane), one) for one in turns]
    pairs = [(lane, one) for lane, one in pairs if lane.job == job]
    limit = next((one for lane, one in pairs if lane.side == "limit" and lane.name == LIMITS[job]), None)
    ours = max((one for lane, one in pairs if lane.side == "ours" and one.rates), key=rate, default=None)
    found = [Row(lane=lane, turns=one, share=_ratio(one, limit), ratio=_ratio(one, ours)) for lane, one in pairs]
    return sorted(found, key=lambda row: (row.lane.side != "limit", -rate(row.turns)))


def rate(turns: LoaderResult) -> float:
    """Median images/s; 0 if it did not run."""
    return median(turns.rates) if turns.rates else 0.0


def _ratio(one: LoaderResult, other: LoaderResult | None) -> float | None:
    """Median over rounds: what disturbs a whole round disturbs both."""
    if other is None or not one.rates or not other.rates:
        return None
    return median(a / b for a, b in zip(one.rates, other.rates, strict=False))  # an interrupted round is not whole


def _texts(row: Row) -> tuple[str, ...]:
    if not row.turns.rates:
        return row.lane.name, row.turns.status, "", "", ""
    low, high = (format.rate(bound) for bound in (min(row.turns.rates), max(row.turns.rates)))
    return (
        row.lane.name,
        f"{format.rate(rate(row.turns))} [{low}, {high}]",
        format.ABSENT if row.share is None else f"{row.share:.1%}",
        format.ABSENT if row.ratio is None or row.lane.side == "limit" else f"{row.ratio:.2f}",
        format.duration(median(row.turns.cpu_seconds)),
    )


def _title(job: str, some: Sequence[Row]) -> str:
    data = some[0].turns.data
    what = f"{data.get('images', 0):,} {data.get('photos', '')}"
    size = f"{data.get('image_size')} px, batch {data.get('batch_size')}, {data.get('cores')} cores"
    return f"{JOBS[job].capitalize()} to batches, first epoch ({what}, {size})"


def notes(some: Sequence[Row]) -> list[str]:
    """What the brackets are, what each lane does, and why some have no figure."""
    ran = [(len(row.turns.rates), row.turns.processes) for row in some if row.turns.rates]
    said = []
    if ran:
        turns, processes = max(ran)
        said.append(f"median [lowest, highest] of {turns} turns in rounds, by {processes} fresh processes a lane")
    said.append(f"limit: share of `{LIMITS[some[0].lane.job]}`, the same kernels without a loader, on bytes in memory")
    said.append("ours: ratio to the fastest of our pipelines; CPU: seconds an image, of all processes of the lane")
    said.append("on a busy machine compare CPU: who has more threads gets more of what others leave")
    doing: dict[str, list[str]] = {}
    for row in some:
        if row.turns.rates:
            doing.setdefault(row.lane.does, []).append(row.lane.name)
    said += [f"{'; '.join(names)}: {does}" for does, names in doing.items()]
    return said + [f"{row.lane.name}: {row.turns.status}: {row.turns.reason}" for row in some if not row.turns.rates]


def _tables(found: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    jobs = [(job, [row for row in found if row.lane.job == job]) for job in JOBS]
    return [(_title(job, some), some) for job, some in jobs if some]


def views(found: Sequence[Row]) -> list[View]:
    """A table a job, for the page."""
    return [
        View(
            title=title,
            columns=("loader", *COLUMNS[1:]),
            rows=tuple(map(_texts, some)),
            rates=tuple(rate(row.turns) or None for row in some),
            notes=tuple(notes(some)),
        )
        for title, some in _tables(found)
    ]


def markdown(found: Sequence[Row]) -> str:
    """A table a job, notes, origin and the command."""
    lines = ["# Loaders beside each other", ""]
    for title, some in _tables(found):
        columns = ("loader", *COLUMNS[1:])
        lines += [f"## {title}", "", *table.grid(columns, map(_texts, some), left=columns[:LEFT]), ""]
        lines += [*(f"- {note}" for note in notes(some)), ""]
    one = found[0].turns
    lines += [f"- {table.place_line(one.machine, one.code, one.started)}", f"- `{_command(found)}`", ""]
    return "\n".join(lines)


def _command(found: Sequence[Row]) -> str:
    """What raced them, but for where the photos and the packages lie."""
    jobs = {row.lane.job for row in found}
    only = f" --job {jobs.pop()}" if len(jobs) == 1 else ""
    return f"python -m bench loaders{only} --batch-size {found[0].turns.data['batch_size']}"


def show(found: Sequence[Row], console) -> None:
    """Draws a table a job on a rich console; fits 80 columns."""
    for title, some in _tables(found):
        table.draw(title, COLUMNS, map(_texts, some), console, left=COLUMNS[:LEFT])
        table.say(notes(some), console)


def plain(row: Row) -> dict:
    """Plain values of a row, its turns among them."""
    return {
        "lane": row.lane.id,
        "side": row.lane.side,
        "does": row.lane.does,
        "images_per_second": rate(row.turns) or None,
        "limit_share": row.share,
        "ours_ratio": row.ratio,
        "turns": asdict(row.turns),
    }
