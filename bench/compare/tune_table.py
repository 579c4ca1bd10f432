"""What a search for the fastest way to train found, as a table and as plain values."""

from bench.compare.tune import Candidate, Search, way_of
from bench.results.table import Column, Table
from flowers_core.train.tuned import Tuned

COLUMNS = (
    Column("way"),
    Column("batch", "count", key="batch_size"),
    Column("images/s", "rate", key="images_per_second"),
    Column("times the recipe's", "ratio", key="speedup"),
    Column("pairs", "count"),
    Column("", key="word"),
)


def table(search: Search, found: Tuned | None) -> Table:
    """Every candidate, the fastest first, those that were not compared last."""
    ordered = sorted(search.candidates, key=lambda candidate: candidate.ratio or float("inf"))
    rows = [tuple(plain(candidate, search).values()) for candidate in ordered]
    cell = search.plain
    notes = [f"the recipe's way: {way_of(cell)}; a training step on one batch that stays on the device"]
    notes += [
        f"{way_of(candidate.cell)}: {candidate.status}: {candidate.reason}" for candidate in ordered if candidate.reason
    ]
    if found:
        notes.append(f"found: {found}")
    return Table(
        title=f"{cell.model}, {cell.image_size} px, {cell.device}: ways to train",
        columns=COLUMNS,
        rows=tuple(rows),
        notes=tuple(notes),
    )


def plain(candidate: Candidate, search: Search) -> dict:
    """Plain values of a candidate."""
    word = {"waiting": "no time for it", "ok": "fastest" if candidate is search.found else ""}
    return {
        "way": str(way_of(candidate.cell)),
        "batch_size": candidate.cell.batch_size,
        "images_per_second": sorted(candidate.rates)[len(candidate.rates) // 2] if candidate.rates else None,
        "speedup": 1 / candidate.ratio if candidate.ratio else None,
        "pairs": len(candidate.logs),
        "word": word.get(candidate.status, candidate.status),
    }
