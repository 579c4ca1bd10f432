"""Stall verdicts as they were given, one line of the store each: whoever reads them later need not decide again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.input.stall import three_runs
from bench.input.stall.three_runs import ThreeRuns
from bench.results import identity, store
from bench.results.cell import Cell
from bench.results.measurement import Measurement
from bench.results.result import Result


@dataclass(frozen=True, kw_only=True)
class StallVerdict(Result):
    """What `bench stall` said of a fed cell.

    Attributes:
        cell: The fed one.
        sweep: Id of the sweep whose measurements it was made from.
        verdict: The word, see `bench.input.stall.classify`.
        explanation: Why.
        shares: What it was made from, see `three_runs.shares`.
        rounds: Of three fresh processes each.
    """

    KIND = "stalls"
    FORMAT = 1  # cell, sweep, verdict, explanation, shares, rounds, machine, code, data (2026-11)

    cell: Cell
    sweep: str
    verdict: str
    explanation: str = ""
    shares: dict = field(default_factory=dict)
    rounds: int = 0


def keep(stalls: Iterable[ThreeRuns], results: Path) -> None:
    """Stores the verdict on each cell that has one; what failed is in its measurements."""
    for runs in stalls:
        if runs.facts is None:
            continue
        last, (word, explanation) = runs.measurement, runs.verdict
        given = StallVerdict(
            cell=runs.cell,
            sweep=last.sweep,
            verdict=word,
            explanation=explanation,
            shares=three_runs.shares(runs),
            rounds=len(runs.rounds),
            started=last.started,
            data=last.data,
            machine=last.machine,
            code=last.code,
        )
        store.append(given, results)


def group(results: Path, measurements: Sequence[Measurement]) -> list[ThreeRuns]:
    """The stalls that measurements show, with the verdicts that were given.

    Of a sweep that gave a verdict on a cell its rounds stand alone, as they did then. Those of older programs, which
    kept none, count together and are decided now.
    """
    given = {(verdict.sweep, verdict.cell): verdict for verdict in store.load(StallVerdict, results).results}
    sweeps: dict[str, list[Measurement]] = {}
    for measurement in measurements:
        sweeps.setdefault(measurement.sweep, []).append(measurement)
    decided = [
        replace(runs, given=(verdict.verdict, verdict.explanation))
        for sweep in dict.fromkeys(sweep for sweep, _ in given)
        for runs in three_runs.group(sweeps.get(sweep, []))
        if (verdict := given.get((sweep, runs.cell)))
    ]
    known = set(map(_setting, decided))
    return [*decided, *(runs for runs in three_runs.group(measurements) if _setting(runs) not in known)]


def _setting(runs: ThreeRuns) -> tuple[Cell, str]:
    return runs.cell, identity.setting(runs.measurement)
