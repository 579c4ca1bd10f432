"""Costs of stages as tables."""

from collections.abc import Sequence

from bench.input.stall.stages import BY_PIXELS, OVERHEAD, Stages
from bench.results import format
from bench.results.table import View

COSTS = ("stage", "CPU an image", "lowest", "highest", "share", "grows")
READING = ("page cache", "wall an image", "lowest", "highest", "CPU an image")
CHOSEN = ("pipeline", "chosen, from the source on")


def views(found: Sequence[Stages]) -> list[View]:
    """Costs, reading cold and warm, and what AUTOTUNE chose, for each kind of data."""
    return [view for one in found if one.status == "ok" for view in (_costs(one), _reading(one), _chosen(one))]


def absent(found: Sequence[Stages]) -> list[str]:
    """What could not be measured, and why."""
    return [f"{one.kind}: {one.status}: {one.reason}" for one in found if one.status != "ok"]


def _costs(one: Stages) -> View:
    total = sum(cost["median"] for cost in one.cpu_seconds.values())
    rows = [
        (
            stage,
            *(_micro(cost[name]) for name in ("median", "low", "high")),
            f"{cost['median'] / total:.0%}",
            "by pixels" if stage in BY_PIXELS[one.kind] else "",
        )
        for stage, cost in one.cpu_seconds.items()
    ]
    rows.append(("all", _micro(total), "", "", "100%", ""))
    notes = [
        f"n = {one.rounds} rounds of {one.images} images, prefixes in turns on one core; a stage: a prefix less that "
        f"before it; {OVERHEAD}: an element through a map that does nothing",
        "the pipelines that are measured do not augment; they run stages side by side, which costs a little more",
    ]
    below = [stage for stage, cost in one.cpu_seconds.items() if cost["median"] < 0]
    if below:
        notes.append(f"below 0: {', '.join(below)} adds less than drawing elements one by one costs, or than noise")
    data = f"{one.data.get('images', 0):,} {one.data.get('photos', '')}"
    return _view(f"Stages of {one.kind} to {one.image_size} px ({data})", COSTS, rows, notes)


def _micro(seconds: float) -> str:
    return f"{1e6 * seconds:,.0f} µs"


def _reading(one: Stages) -> View:
    rows = [
        (state, *(_micro(seen[name]) for name in ("wall_seconds", "low", "high", "cpu_seconds")))
        for state, seen in one.reading.items()
        if state in ("cold", "warm")
    ]
    eviction = one.reading.get("eviction", {})
    if "cold" not in one.reading:
        rows.insert(0, ("cold", format.ABSENT, "", "", ""))
    after = eviction.get("after")
    notes = [f"cold: {eviction['reason']}"] if eviction.get("reason") else []
    if after is not None and not notes:
        notes.append(
            f"cold: after posix_fadvise(DONTNEED), which left {after:.0%} of the pages; a virtual disk may lie in its "
            "host's memory itself"
        )
    return _view(f"Reading {one.kind}, one file after the other", READING, rows, notes)


def _chosen(one: Stages) -> View:
    rows = []
    for pipeline, settings in one.autotune.items():
        if isinstance(settings, str):
            said = f"{format.ABSENT}: {settings}"
        else:
            said = ", ".join(
                f"{each['stage']} {each['setting']} {each['value']:g}" for each in settings if each["chosen"]
            )
        rows.append((pipeline, said))
    return _view(f"What AUTOTUNE chose for {one.kind}", CHOSEN, rows, [])


def _view(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], notes: Sequence[str]) -> View:
    return View(title=title, columns=columns, rows=tuple(rows), rates=(None,) * len(rows), notes=tuple(notes))
