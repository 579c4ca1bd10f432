"""A store -> what the page shows of it: figures of the latest code, verdicts, trainings, history."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bench.compare import sequential_test
from bench.compare.pair_result import PairResult
from bench.compare.sequential_test import Rule, Verdict
from bench.input.loaders import table as race_table
from bench.input.loaders.result import LoaderResult
from bench.input.object_store import table
from bench.input.object_store.measure import Reading
from bench.input.object_store.table import Far
from bench.input.stall import tables
from bench.input.stall.tables import StallReport
from bench.results import result, store, summary
from bench.results.cell import NO_MODEL
from bench.results.measurement import Measurement
from bench.results.summary import Summary
from bench.run.peak import Peak
from bench.training import campaign, outcome
from bench.training.outcome import Outcome
from flowers_core.cli import entry

MOST_COMPARISONS = 12  # the latest; the others stay in the store
MOST_SHOWN = 600  # cells in tables and charts, the latest: a page that nobody can read helps nobody
HISTORY = Path("tables") / "regressions.json"


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What became of one cell of a comparison.

    Attributes:
        comparison: Its mark, the date and time when it began.
        cell: Id of the cell.
        base: Name of what ran as base.
        candidate: Name of what ran as candidate.
        verdict: By the rule for finding 5 %.
        cpu: Of which machine.
    """

    comparison: str
    cell: str
    base: str
    candidate: str
    verdict: Verdict
    cpu: str


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """All that the page shows.

    Attributes:
        summaries: Of all machines and all code, the latest last.
        shown: The latest of each cell on each machine with each data, at most `MOST_SHOWN`: tables and charts.
        costs: By model and image size, see `flowers_core.train.flops.table`; empty where Keras is not installed.
        peaks: GFLOP/s of matrix products by machine and precision, see `bench.run.peak`.
        compared: Cells of the latest comparisons.
        outcomes: Of the machine and code that trained last.
        feeding: Stall verdicts and plans of the machine that was measured last; None if there is no verdict.
        race: Lanes of the latest race of loaders.
        far: What the latest readings from an object store came to, the disk beside it.
        history: Series, points and changes over commits, see `bench.compare.history.table.plain`; None if there is
            none.
        damaged: Lines and files that could not be read.
    """

    summaries: tuple[Summary, ...]
    shown: tuple[Summary, ...]
    costs: dict[tuple[str, int], dict]
    peaks: dict[tuple[str, str], float]
    compared: tuple[Compared, ...]
    outcomes: tuple[Outcome, ...]
    feeding: StallReport | None
    race: tuple[race_table.Row, ...]
    far: tuple[Far, ...]
    history: dict | None
    damaged: tuple[str, ...]


def gather(results: Path) -> Gathered:
    """Reads a store."""
    loaded = store.load(Measurement, results)
    summaries = summary.by_cell(loaded.results)
    history, damaged = _history(Path(results) / HISTORY)
    shown = latest(summaries)
    return Gathered(
        summaries=tuple(summaries),
        shown=tuple(shown),
        costs=costs({one.cell.model for one in shown} - {NO_MODEL}),
        peaks={
            (machine, name): limit["value"]
            for machine, one in result.latest(
                store.load(Peak, results).results, lambda one: one.machine.get("id")
            ).items()
            for name, limit in one.limits.items()
        },
        compared=tuple(compared(store.load(PairResult, results).results)),
        outcomes=tuple(outcome.summarize(campaign.load_latest(results))),
        feeding=_feeding(results, loaded.results),
        race=tuple(race_table.rows(store.load(LoaderResult, results).results)),
        far=tuple(table.far(table.latest(store.load(Reading, results).results))),
        history=history,
        damaged=(*loaded.damaged, *damaged),
    )


def _feeding(results: Path, measurements: Sequence[Measurement]) -> StallReport | None:
    """What is known of stalls on the machine of the latest verdict."""
    stalls, _ = tables.last(results, measurements)
    if not stalls:
        return None
    machine = max(stalls, key=lambda runs: runs.measurement.started).measurement.machine.get("id")
    here = [measurement for measurement in measurements if measurement.machine.get("id") == machine]
    stalls, emulations = tables.last(results, here)
    return tables.report(here, results=results, stalls=stalls, emulations=emulations)


def costs(models: set[str]) -> dict[tuple[str, int], dict]:
    """Parameters and arithmetic of models at the image sizes that they were designed for."""
    if not models or not find_spec("keras"):
        return {}
    entry.load("keras")
    from flowers_core.train import flops as counted

    return {(row["name"], row["image_size"]): row for row in counted.table(sorted(models))}


def _history(path: Path) -> tuple[dict | None, tuple[str, ...]]:
    """What `bench regressions` wrote, and why it cannot be read."""
    if not path.exists():
        return None, ()
    try:
        found = json.loads(path.read_text("utf-8"))
        points = [{**point, "value_seconds": float(point["value_seconds"])} for point in found["points"]]
        return {"series": found["series"], "points": points, "changes": found["changes"]}, ()
    except (ValueError, TypeError, KeyError) as error:
        return None, (f"{path.name}: {type(error).__name__} {error}",)


def latest(summaries: Iterable[Summary]) -> list[Summary]:
    """Of each cell on each machine with each data the one of which a measurement came last."""
    found: dict[tuple, Summary] = {}
    for one in sorted(summaries, key=lambda one: one.measurement.started):
        data = tuple(one.measurement.data.get(name) for name in ("photos", "images", "classes"))
        found[one.cell, one.measurement.machine.get("id"), data] = one
    return sorted(found.values(), key=lambda one: one.measurement.started)[-MOST_SHOWN:]


def compared(units: Sequence[PairResult]) -> list[Compared]:
    """Verdicts of the latest comparisons, made again from their units."""
    kept: dict[str, dict[str, list[PairResult]]] = {}
    for unit in units:
        if unit.comparison[:1].isdigit():  # a date: others were recorded for a proof or a calibration
            kept.setdefault(unit.comparison, {}).setdefault(unit.cell, []).append(unit)
    chosen = sorted(kept, reverse=True)[:MOST_COMPARISONS]
    return [one for comparison in chosen for one in _judged(comparison, kept[comparison])]


def _judged(comparison: str, cells: dict[str, list[PairResult]]) -> list[Compared]:
    """Each cell of a comparison, by a level that all share."""
    good = {cell: [unit for unit in units if unit.status == "ok"] for cell, units in cells.items()}
    first = {cell: units[0] for cell, units in cells.items()}
    clocks = ("wall",) if any(_accelerated(unit) for unit in first.values()) else sequential_test.CLOCKS
    margin = max(unit.margin or Rule.margin for unit in first.values())
    rule = Rule(margin=margin, cells=len(cells), clocks=clocks)
    verdicts = []
    for units in good.values():
        values = {clock: [sequential_test.value(unit, clock) for unit in units] for clock in rule.clocks}
        found = sequential_test.follow(values, rule) if units else None
        verdicts.append(found or sequential_test.partial(values, rule, "stopped before a verdict"))
    return [
        Compared(
            comparison=comparison,
            cell=cell,
            base=str(first[cell].base.get("name", "")),
            candidate=str(first[cell].candidate.get("name", "")),
            verdict=one,
            cpu=str(first[cell].machine.get("cpu", "")),
        )
        for cell, one in zip(cells, sequential_test.holm(verdicts, rule), strict=True)
    ]


def _accelerated(unit: PairResult) -> bool:
    """Whether a side ran on an accelerator, whose work no CPU second shows."""
    return any(side.get("cell", {}).get("device", "cpu") != "cpu" for side in (unit.base, unit.candidate))
