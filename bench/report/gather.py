"""A store -> what the page shows of it: figures of the latest code, verdicts, trainings, history."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bench.compare.comparison_result import Comparison
from bench.compare.pair_result import PairResult
from bench.input.loaders import table as loaders_table
from bench.input.loaders.run import LoaderResult
from bench.input.object_store import table as object_store_table
from bench.input.object_store.measure import ObjectStoreResult
from bench.input.stall import tables as stall_tables
from bench.input.stall.tables import StallReport
from bench.results import result, store, summary
from bench.results.cell import NO_MODEL
from bench.results.measurement import Measurement
from bench.results.result import Kind
from bench.results.summary import Summary
from bench.run.peak import Peak
from bench.training import campaign, outcome
from bench.training.outcome import Outcome
from flowers_core.cli import entry

MOST_COMPARISONS = 12  # the latest; the others stay in the store
MOST_SHOWN = 600  # cells in tables and charts, the latest: a page that nobody can read helps nobody
HISTORY = Path("tables") / "regressions.json"


@dataclass(frozen=True, kw_only=True)
class Undecided:
    """A comparison of which the store has pairs and no verdict: an older program kept none.

    Attributes:
        comparison: Its mark, the date and time when it began.
        base: Name of what ran as base.
        candidate: Name of what ran as candidate.
        cells: How many cells were compared.
        pairs: How many pairs of processes ran.
    """

    comparison: str
    base: str
    candidate: str
    cells: int
    pairs: int


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """All that the page shows.

    Attributes:
        summaries: Of all machines and all code, the latest last.
        shown: The latest of each cell on each machine with each data, at most `MOST_SHOWN`: tables and charts.
        costs: By model and image size, see `flowers_core.train.flops.table`; empty where Keras is not installed.
        peaks: GFLOP/s of matrix products by machine and precision, see `bench.run.peak`.
        comparisons: The latest, with the verdicts that they gave, the last first.
        undecided: The latest of which no verdict was stored, likewise.
        outcomes: Of the machine and code that trained last.
        stall: Stall verdicts and plans of the machine that was measured last; None if there is no verdict.
        loaders: The latest comparison of loaders.
        object_store: What the latest measurements over an object store came to, the disk beside it.
        history: Series, points and changes over commits, see `bench.compare.history.table.plain`; None if there is
            none.
        damaged: Lines and files that could not be read.
    """

    summaries: tuple[Summary, ...]
    shown: tuple[Summary, ...]
    costs: dict[tuple[str, int], dict]
    peaks: dict[tuple[str, str], float]
    comparisons: tuple[Comparison, ...]
    undecided: tuple[Undecided, ...]
    outcomes: tuple[Outcome, ...]
    stall: StallReport | None
    loaders: tuple[loaders_table.Row, ...]
    object_store: tuple[object_store_table.Row, ...]
    history: dict | None
    damaged: tuple[str, ...]


def gather(results: Path) -> Gathered:
    """Reads a store."""
    damaged: list[str] = []

    def load(kind: type[Kind]) -> tuple[Kind, ...]:
        loaded = store.load(kind, results)
        damaged.extend(loaded.damaged)
        return loaded.results

    measurements = load(Measurement)
    summaries = tuple(summary.by_cell(measurements))
    shown = tuple(latest(summaries))
    comparisons = tuple(sorted(load(Comparison), key=lambda comparison: comparison.started, reverse=True))
    peaks = result.latest(load(Peak), lambda peak: peak.machine.get("id", ""))
    return Gathered(
        summaries=summaries,
        shown=shown,
        costs=costs({figure.cell.model for figure in shown} - {NO_MODEL}),
        peaks={
            (machine, name): limit["value"] for machine, peak in peaks.items() for name, limit in peak.limits.items()
        },
        comparisons=comparisons[:MOST_COMPARISONS],
        undecided=tuple(undecided(load(PairResult), comparisons))[:MOST_COMPARISONS],
        outcomes=tuple(outcome.summarize(campaign.load_latest(results))),
        stall=_stall(results, measurements),
        loaders=tuple(loaders_table.rows(load(LoaderResult))),
        object_store=tuple(object_store_table.rows(object_store_table.latest(load(ObjectStoreResult)))),
        history=_history(Path(results) / HISTORY, damaged),
        damaged=tuple(damaged),
    )


def _stall(results: Path, measurements: Sequence[Measurement]) -> StallReport | None:
    """What is known of stalls on the machine of the latest verdict."""
    stalls, _ = stall_tables.last(results, measurements)
    if not stalls:
        return None
    machine = max(stalls, key=lambda runs: runs.measurement.started).measurement.machine.get("id")
    here = [measurement for measurement in measurements if measurement.machine.get("id") == machine]
    stalls, emulations = stall_tables.last(results, here)
    return stall_tables.report(here, results=results, stalls=stalls, emulations=emulations)


def costs(models: set[str]) -> dict[tuple[str, int], dict]:
    """Parameters and arithmetic of models at the image sizes that they were designed for."""
    if not models or not find_spec("keras"):
        return {}
    entry.load("keras")
    from flowers_core.train import flops

    return {(row["name"], row["image_size"]): row for row in flops.table(sorted(models))}


def _history(path: Path, damaged: list[str]) -> dict | None:
    """What `bench regressions` wrote; why it cannot be read is added to `damaged`."""
    if not path.exists():
        return None
    try:
        history = json.loads(path.read_text("utf-8"))
        points = [{**point, "value_seconds": float(point["value_seconds"])} for point in history["points"]]
        return {"series": history["series"], "points": points, "changes": history["changes"]}
    except (ValueError, TypeError, KeyError) as error:
        damaged.append(f"{path.name}: {type(error).__name__} {error}")
        return None


def latest(summaries: Iterable[Summary]) -> list[Summary]:
    """Of each cell on each machine with each data the summary of which a measurement came last."""
    newest: dict[tuple, Summary] = {}
    for figure in sorted(summaries, key=_started):
        data = tuple(figure.measurement.data.get(name) for name in ("photos", "images", "classes", "digest"))
        newest[figure.cell, figure.measurement.machine.get("id"), data] = figure
    return sorted(newest.values(), key=_started)[-MOST_SHOWN:]


def _started(figure: Summary) -> str:
    return figure.measurement.started


def undecided(pairs: Iterable[PairResult], comparisons: Iterable[Comparison]) -> list[Undecided]:
    """Comparisons of which pairs are stored and no verdict, the latest first."""
    decided = {comparison.comparison for comparison in comparisons}
    groups: dict[str, list[PairResult]] = {}
    for pair in pairs:  # marks that are no date were recorded for validation or calibration
        if pair.comparison[:1].isdigit() and pair.comparison not in decided:
            groups.setdefault(pair.comparison, []).append(pair)
    return [
        Undecided(
            comparison=mark,
            base=str(groups[mark][0].base.get("name", "")),
            candidate=str(groups[mark][0].candidate.get("name", "")),
            cells=len({pair.cell for pair in groups[mark]}),
            pairs=len(groups[mark]),
        )
        for mark in sorted(groups, reverse=True)
    ]
