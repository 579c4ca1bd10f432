"""Costs of stages as tables."""

from collections.abc import Sequence

from bench.input.stall.stages import BY_PIXELS, OVERHEAD, Stages
from bench.results import format
from bench.results.table import Column, Table, Value

RANGE = Column("lowest", "time"), Column("highest", "time")
COSTS = (
    *(Column("stage", whole=True), Column("CPU per image", "time", whole=True), *RANGE),
    *(Column("share", "percent"), Column("grows", whole=True)),
)
READING = Column("page cache", whole=True), Column("wall per image", "time"), *RANGE, Column("CPU per image", "time")
CHOSEN = Column("pipeline", whole=True), Column("chosen, from the source on")


def tables(measured: Sequence[Stages]) -> list[Table]:
    """Costs, reading cold and warm, and what AUTOTUNE chose, for each kind of data."""
    return [
        table
        for stages in measured
        if stages.status == "ok"
        for table in (_costs(stages), _reading(stages), _autotune(stages))
    ]


def absent(measured: Sequence[Stages]) -> list[str]:
    """What could not be measured, and why."""
    return [f"{stages.kind}: {stages.status}: {stages.reason}" for stages in measured if stages.status != "ok"]


def _costs(stages: Stages) -> Table:
    total = sum(cost["median"] for cost in stages.cpu_seconds.values())
    rows: list[tuple[Value, ...]] = [
        (
            stage,
            *(_micro(cost[name]) for name in ("median", "low", "high")),
            f"{cost['median'] / total:.0%}",
            "by pixels" if stage in BY_PIXELS[stages.kind] else "",
        )
        for stage, cost in stages.cpu_seconds.items()
    ]
    rows.append(("all", _micro(total), "", "", "100%", ""))
    notes = [
        f"n = {stages.rounds} rounds of {stages.images} images, prefixes in turns on one core; a stage: a prefix less "
        f"that before it; {OVERHEAD}: an element through a map that does nothing",
        "the pipelines that are measured do not augment; they run stages side by side, which costs a little more",
    ]
    below = [stage for stage, cost in stages.cpu_seconds.items() if cost["median"] < 0]
    if below:
        notes.append(f"below 0: {', '.join(below)} adds less than reading elements one by one costs, or than noise")
    data = f"{stages.data.get('images', 0):,} {stages.data.get('photos', '')}"
    title = f"Stages of {stages.kind} to {stages.image_size} px ({data})"
    return Table(title=title, columns=COSTS, rows=tuple(rows), notes=tuple(notes))


def _micro(seconds: float) -> str:
    return f"{1e6 * seconds:,.0f} µs"


def _reading(stages: Stages) -> Table:
    rows: list[tuple[Value, ...]] = [
        (state, *(_micro(read[name]) for name in ("wall_seconds", "low", "high", "cpu_seconds")))
        for state, read in stages.reading.items()
        if state in ("cold", "warm")
    ]
    eviction = stages.reading.get("eviction", {})
    if "cold" not in stages.reading:
        rows.insert(0, ("cold", format.ABSENT, "", "", ""))
    after = eviction.get("after")
    notes = [f"cold: {eviction['reason']}"] if eviction.get("reason") else []
    if after is not None and not notes:
        notes.append(
            f"cold: after posix_fadvise(DONTNEED), which left {after:.0%} of the pages; a virtual disk may itself be "
            "in its host's memory"
        )
    title = f"Reading {stages.kind}, one file after the other"
    return Table(title=title, columns=READING, rows=tuple(rows), notes=tuple(notes))


def _autotune(stages: Stages) -> Table:
    rows = []
    for pipeline, settings in stages.autotune.items():
        if isinstance(settings, str):
            said = f"{format.ABSENT}: {settings}"
        else:
            said = ", ".join(f"{row['stage']} {row['setting']} {row['value']:g}" for row in settings if row["chosen"])
        rows.append((pipeline, said))
    return Table(title=f"What AUTOTUNE chose for {stages.kind}", columns=CHOSEN, rows=tuple(rows))
