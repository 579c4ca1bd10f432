"""A store -> what the page shows of it: figures of the current code and of older ones, verdicts, trainings, history."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

from bench.compare import alarms, peers, peers_table, revision
from bench.compare.comparison import CONTROL
from bench.compare.comparison_result import Comparison
from bench.compare.explain import Explained
from bench.compare.pair_result import PairResult
from bench.compare.peers import PeerComparison
from bench.input.formats.campaign import FormatResult
from bench.input.loaders import table as loaders_table
from bench.input.loaders.run import LoaderResult
from bench.input.object_store import table as object_store_table
from bench.input.object_store.measure import ObjectStoreResult
from bench.input.stall import tables as stall_tables
from bench.input.stall.tables import StallReport
from bench.input.writing.result import WriteResult
from bench.machine import facts
from bench.report import cache, machines
from bench.report.two_sets import TwoSets
from bench.results import identity, peak, store, summary
from bench.results.cell import NO_MODEL
from bench.results.measurement import Measurement
from bench.results.result import Kind, Result, of_last_campaign
from bench.results.summary import Summary
from bench.run.scaling import table as scaling_table
from bench.run.scaling.result import ScalingResult
from bench.training import campaign, outcome
from bench.training.checkpoint import CheckpointResult
from bench.training.outcome import Outcome
from flowers_core.cli import entry
from flowers_core.errors import InputError
from flowers_core.models import MODELS

Marked = TypeVar("Marked", PairResult, Explained)

MOST_COMPARISONS = 12  # the latest; the others stay in the store
MOST_SHOWN = 600  # cells in tables and charts, the latest: a page that nobody can read helps nobody
MOST_ROWS = 3000  # of the tidy table, the latest; `python -m bench table --all --format csv` gives all
HISTORY = Path("tables") / "regressions.json"


@dataclass(frozen=True, kw_only=True)
class Undecided:
    """A comparison of which the store has pairs and no verdict: it runs, was killed, or an older program kept none.

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
        results: The store.
        summaries: Of all machines and all code, the latest `MOST_ROWS`, the last one last.
        left_out: How many earlier ones there are.
        shown: Of each cell on each machine with each data the figure of the machine's most current code, see `recency`,
            in its setting of now, see `settings_now`. At most `MOST_SHOWN`, older ones among them.
        charted: Of those one a cell, of one machine.
        machines: The machine that charts are of beside each other one with the same cells, see `bench.report.machines`.
        older: Of cells and settings that were measured with earlier code alone, that of its last one; and what was
            measured in other settings of the machine than that of now.
        sweeps: What sentences are made from, see `quiet_sweeps`.
        costs: By model and image size, see `flowers_core.train.flops.table`; empty where Keras is not installed. Of
            models in `shown` and `peers`.
        peaks: What each machine could do at most, see `bench.results.peak`.
        comparisons: The latest, with the verdicts that they gave, the last first.
        lopsided: What is said where all stored comparisons lean to one side, see `bench.compare.alarms`.
        pairs: Pair results of these comparisons by the mark that they bear, controls among them.
        explanations: Where the time went, of cells of these comparisons, by the comparison's mark.
        undecided: The latest of which no verdict was stored, likewise.
        outcomes: Of the machine and code that trained last.
        stall: Stall verdicts and plans of the machine that was measured last; None if there is no verdict.
        peers: Our models beside their peers, see `bench.compare.peers.of_stored`.
        limits: Of the machine that these ran on, see `bench.results.peak.of_machine`.
        loaders: The latest comparison of loaders that all decode photos whole.
        smaller_decodes: The latest in which some decode large photos smaller.
        formats: What the last comparison of formats of records measured.
        object_store: What the latest measurements over an object store came to, the disk beside it.
        writes: What writing records took in the last command that measured it.
        scaling: The latest campaign over replicas and hosts.
        checkpoints: What saving and restoring took in the last command that measured it.
        history: Series, points and changes over commits, see `bench.compare.history.table.plain`; None if there is
            none.
        damaged: Lines and files that could not be read.
    """

    results: Path
    summaries: tuple[Summary, ...]
    left_out: int
    shown: tuple[Summary, ...]
    charted: tuple[Summary, ...]
    machines: tuple[TwoSets, ...]
    older: tuple[Summary, ...]
    sweeps: tuple[tuple[Summary, ...], ...]
    costs: dict[tuple[str, int], dict]
    peaks: peak.Ceilings
    comparisons: tuple[Comparison, ...]
    lopsided: tuple[str, ...]
    pairs: dict[str, list[PairResult]]
    explanations: dict[str, list[Explained]]
    undecided: tuple[Undecided, ...]
    outcomes: tuple[Outcome, ...]
    stall: StallReport | None
    peers: tuple[PeerComparison, ...]
    limits: peers_table.Limits
    loaders: tuple[loaders_table.Row, ...]
    smaller_decodes: tuple[loaders_table.Row, ...]
    formats: tuple[FormatResult, ...]
    object_store: tuple[object_store_table.Row, ...]
    writes: tuple[WriteResult, ...]
    scaling: tuple[ScalingResult, ...]
    checkpoints: tuple[CheckpointResult, ...]
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
    groups, by_recency = summary.group_by_setting(measurements), recency()
    newest = sorted(groups, key=lambda group: summary.last_of(group).started)[-MOST_ROWS:]
    shown, older = latest(groups, by_recency)
    sweeps = quiet_sweeps(measurements, by_recency)
    drawn = choose_charted(shown, sweeps)
    comparisons = tuple(sorted(load(Comparison), key=lambda comparison: comparison.started, reverse=True))
    pairs, latest_comparisons = load(PairResult), comparisons[:MOST_COMPARISONS]
    peer_comparisons, peaks, loaders = peers.of_stored(pairs), load(peak.Peak), load(LoaderResult)
    return Gathered(
        results=Path(results),
        summaries=tuple(map(summary.summarise, newest)),
        left_out=len(groups) - len(newest),
        shown=tuple(shown),
        charted=tuple(drawn),
        machines=machines.beside(measurements, shown, drawn),
        older=tuple(older),
        sweeps=tuple(sweeps),
        costs=costs(
            {*(figure.cell.model for figure in shown), *(comparison.model for comparison in peer_comparisons)}
            - {NO_MODEL}
        ),
        peaks=peak.ceilings(shown, peaks),
        comparisons=latest_comparisons,
        lopsided=tuple(alarms.sentences(comparisons)),
        pairs=_by_mark(pairs, latest_comparisons),
        explanations=_by_mark(load(Explained), latest_comparisons),
        undecided=tuple(find_undecided(pairs, comparisons))[:MOST_COMPARISONS],
        outcomes=tuple(outcome.summarize(campaign.load_latest(results, by_recency=by_recency))),
        stall=_stall(results, measurements, by_recency),
        peers=tuple(peer_comparisons),
        limits=_limits(peer_comparisons, peaks),
        loaders=tuple(loaders_table.rows(loaders, smaller=False)),
        smaller_decodes=tuple(loaders_table.rows(loaders, smaller=True)),
        formats=tuple(of_last_campaign(load(FormatResult))),
        object_store=tuple(object_store_table.rows(object_store_table.latest(load(ObjectStoreResult)))),
        writes=tuple(of_last_campaign(load(WriteResult))),
        scaling=tuple(scaling_table.last(load(ScalingResult))),
        checkpoints=tuple(of_last_campaign(load(CheckpointResult))),
        history=_history(Path(results), damaged),
        damaged=tuple(damaged),
    )


def _by_mark(results: Iterable[Marked], comparisons: Iterable[Comparison]) -> dict[str, list[Marked]]:
    """What belongs to some comparisons, by the mark that it bears; what their controls measured among it."""
    marks = {f"{kind}{comparison.comparison}" for comparison in comparisons for kind in ("", CONTROL)}
    kept: dict[str, list[Marked]] = {}
    for result in results:
        if result.comparison in marks:
            kept.setdefault(result.comparison, []).append(result)
    return kept


def _limits(peer_comparisons: Sequence[PeerComparison], peaks: Sequence[peak.Peak]) -> dict[tuple[str, str], float]:
    """What the machine could do at most that our models and their peers ran on."""
    if not peer_comparisons:
        return {}
    return peak.of_machine(peaks, peers_table.last_pair(peer_comparisons).machine, peers_table.cells(peer_comparisons))


def _stall(
    results: Path, measurements: Sequence[Measurement], by_recency: Callable[[Measurement], tuple]
) -> StallReport | None:
    """What is known of stalls on the machine of the latest verdict, with its code."""
    stalls, _ = stall_tables.last(results, measurements)
    if not stalls:
        return None
    answers = settings_now([runs.measurement for runs in stalls], by_recency)
    last = max((runs.measurement for runs in stalls if answers(runs.measurement)), key=by_recency)
    here = [
        measurement
        for measurement in measurements
        if _place(measurement) == _place(last) and identity.agree(measurement.machine, last.machine, [last.cell])
    ]
    stalls, emulations = stall_tables.last(results, here)
    return stall_tables.report(here, results=results, stalls=stalls, emulations=emulations)


def costs(models: set[str]) -> dict[tuple[str, int], dict]:
    """Parameters and arithmetic of models at the image sizes that they were designed for.

    Of all models at once, and kept for as long as their code and Keras are the same: only Keras can build them, and it
    takes seconds to load.
    """
    counted = models & MODELS.keys()  # of a user's own no rule counts every layer, nor is its file at hand
    if not counted or not find_spec("keras"):
        return {}

    def count() -> str:
        entry.load("keras")
        from flowers_core.train import flops

        return json.dumps(flops.table())

    name = f"costs-{facts.code_digest()}-keras-{metadata.version('keras')}.json"
    rows = json.loads(cache.text(name, count))
    return {(row["name"], row["image_size"]): row for row in rows if row["name"] in counted}


def _history(results: Path, damaged: list[str]) -> dict | None:
    """What asv has stored of the branch, with the steps that `bench regressions` found in it.

    Why it cannot be read is added to `damaged`.
    """
    found = _regressions(results / HISTORY, damaged)
    measured = _measured_by_asv(results / "asv", damaged)
    if not (found and measured):
        return found or measured
    fresh = {series["id"] for series in measured["series"]}
    known = {
        "series": [series for series in found["series"] if series["id"] not in fresh],
        "points": [point for point in found["points"] if point["series"] not in fresh],
    }
    return {name: [*measured[name], *known.get(name, found["changes"])] for name in measured}


def _regressions(path: Path, damaged: list[str]) -> dict | None:
    """What `bench regressions` wrote."""
    if not path.exists():
        return None
    try:
        history = json.loads(path.read_text("utf-8"))
        points = [{**point, "value_seconds": float(point["value_seconds"])} for point in history["points"]]
        return {"series": history["series"], "points": points, "changes": history["changes"]}
    except (ValueError, TypeError, KeyError) as error:
        damaged.append(f"{path.name}: {type(error).__name__} {error}")
        return None


def _measured_by_asv(folder: Path, damaged: list[str]) -> dict | None:
    """The series of asv's files; None where it has measured no commit of the branch, or is not installed."""
    if not any(folder.glob("*/*-*.json")) or not find_spec("asv"):
        return None
    from bench.compare.history import asv_series, table
    from bench.compare.history.regressions import History

    try:
        commits = asv_series.branch_commits()
        series = asv_series.read(folder, commits=commits)
    except InputError:  # no commit of this branch, or no repository
        return None
    except (OSError, ValueError, KeyError) as error:  # of a file that cannot be parsed asv itself warns
        damaged.append(f"{folder.name}: {type(error).__name__} {error}")
        return None
    return table.plain(History(commits=commits, series=series, changes=(), too_short=()))


def recency() -> Callable[[Result], tuple]:
    """How current the code of a result is: today's before the others, those by their place among the commits.

    When it was measured decides last: asv measures old commits after new ones.
    """
    here, places = facts.code_digest(), revision.places()

    def key(measured: Result) -> tuple:
        code = measured.code
        return code.get("digest") == here, places.get(code.get("commit", ""), -1), measured.started

    return key


def _place(measurement: Measurement) -> tuple:
    """The machine and the code of a measurement."""
    return measurement.machine.get("id"), measurement.code.get("digest")


def settings_now(
    measurements: Iterable[Measurement], by_recency: Callable[[Measurement], tuple]
) -> Callable[[Measurement], bool]:
    """Which measurements are of their machine as it is now, with its most current code: those that answer.

    A machine that is not this one, or of which nothing was measured in the setting of now, is taken as it was when its
    most current figure was measured. So after a sweep under a CPU quota the figures without one still answer, and the
    other way round where the quota holds now.
    """
    here, machines = facts.fingerprint(), dict[str | None, list[Measurement]]()
    for measurement in sorted(measurements, key=by_recency):
        machines.setdefault(measurement.machine.get("id"), []).append(measurement)
    settings: dict[tuple, dict] = {}
    for measured in machines.values():
        place = _place(measured[-1])
        current = [measurement for measurement in measured if _place(measurement) == place]
        as_here = [
            measurement for measurement in current if identity.agree(measurement.machine, here, [measurement.cell])
        ]
        # not all say all: of a pipeline alone nobody knows what Keras would have had in force
        settings[place] = {name: value for known in as_here or current for name, value in known.machine.items()}

    def answers(measurement: Measurement) -> bool:
        place = _place(measurement)
        return place in settings and identity.agree(measurement.machine, settings[place], [measurement.cell])

    return answers


def latest(
    groups: Iterable[Sequence[Measurement]], by_recency: Callable[[Measurement], tuple]
) -> tuple[list[Summary], list[Summary]]:
    """Of each cell in each setting, which is all but the code, the summary of the most current code.

    Args:
        groups: Measurements of a cell in a setting each, see `summary.group_by_setting`.
        by_recency: How current the code of a measurement is.

    Returns:
        Those that answer, see `settings_now`, and the others: of older code, or of other settings of the machine. What
        asv measured of other commits is left to the history.
    """
    dated = ((by_recency(last := summary.last_of(group)), last, group) for group in groups)
    ordered = [(last, group) for _, last, group in sorted(dated, key=itemgetter(0))]
    answers = settings_now([last for last, _ in ordered], by_recency)
    newest: dict[tuple, tuple[Measurement, Sequence[Measurement]]] = {}
    for last, group in ordered:
        key = last.cell, identity.setting_of_any_code(last)
        newest.pop(key, None)  # so that the last of all comes last
        newest[key] = last, group
    current, others = [], []
    for last, group in list(newest.values())[-MOST_SHOWN:]:
        if answers(last):
            current.append(summary.summarise(group))
        elif last.code.get("by") != "asv":
            others.append(summary.summarise(group))
    return current, others


def choose_charted(shown: Iterable[Summary], sweeps: Sequence[Sequence[Summary]]) -> list[Summary]:
    """What charts are drawn from: one figure a cell, of the machine that sentences are about or else has most cells.

    Of several folders of data that of most figures, of as many the latest.
    """
    machines: dict[str | None, list[Summary]] = {}
    for figure in shown:
        machines.setdefault(figure.measurement.machine.get("id"), []).append(figure)
    swept = sweeps[0][0].measurement.machine.get("id") if sweeps else None
    figures = machines[swept] if swept in machines else max(machines.values(), key=len, default=[])
    counts = Counter((figure.cell.reads, _data(figure.measurement)) for figure in figures)
    return list(
        {
            figure.cell: figure
            for figure in sorted(figures, key=lambda figure: counts[figure.cell.reads, _data(figure.measurement)])
        }.values()
    )


def _data(measurement: Measurement) -> tuple:
    return tuple(sorted(identity.content(measurement.data).items()))


def quiet_sweeps(
    measurements: Iterable[Measurement], by_recency: Callable[[Measurement], tuple]
) -> list[tuple[Summary, ...]]:
    """The figures of each sweep of the most current code that was swept: of this machine, or that with most of them.

    What was measured while others used the CPU is left out, for a busy second is no headline; so is what was measured
    in another setting than the machine's of now, see `settings_now`.

    Returns:
        A sweep each, that with most cells first, of as many the latest.
    """
    swept = [measurement for measurement in measurements if measurement.sweep and measurement.status == "ok"]
    current = max(swept, key=by_recency, default=None)
    quiet = [
        measurement
        for measurement in swept
        if current is not None and measurement.code.get("digest") == current.code.get("digest")
        if (measurement.foreign_cpu_share or 0.0) <= facts.BUSY_SHARE
    ]
    answers, groups = settings_now(quiet, by_recency), dict[tuple, list[Measurement]]()
    for measurement in filter(answers, quiet):
        groups.setdefault((measurement.sweep, measurement.machine.get("id")), []).append(measurement)
    sweeps = [tuple(summary.by_cell(groups[key])) for key in sorted(groups, key=str, reverse=True)]
    sweeps.sort(
        key=lambda sweep: (sweep[0].measurement.machine.get("id") == facts.hardware_id(), len(sweep)), reverse=True
    )
    machine = sweeps[0][0].measurement.machine.get("id") if sweeps else None
    return [sweep for sweep in sweeps if sweep[0].measurement.machine.get("id") == machine]


def find_undecided(pairs: Iterable[PairResult], comparisons: Iterable[Comparison]) -> list[Undecided]:
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
