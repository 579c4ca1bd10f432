"""Groups measurements by fed cell: its pipeline alone, its step alone and both, round by round, with their verdict."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from statistics import median
from typing import Any

from bench.input.stall import classify
from bench.input.stall.classify import Facts
from bench.results import identity, summary
from bench.results.cell import NO_MODEL, RESIDENT, Cell
from bench.results.measurement import Measurement
from bench.run.data_source import CLASSES


@dataclass(frozen=True, kw_only=True)
class ThreeRuns:
    """A fed cell, measured by three processes in each round.

    Attributes:
        cell: The fed one.
        rounds: Facts of each round whose three processes gave a figure.
        reason: Why there is none.
        status: Of the measurement that failed; `ok` if none did.
        foreign_cpu_share: Largest share of the CPU that other programs used meanwhile, 0 to 1.
        measurement: The last one, for machine, code and data.
        given: Verdict and reason as they were given when it was measured; None if it is decided now.
    """

    cell: Cell
    rounds: tuple[Facts, ...]
    reason: str = ""
    status: str = "ok"
    foreign_cpu_share: float = 0.0
    measurement: Measurement
    given: tuple[str, str] | None = None

    @property
    def facts(self) -> Facts | None:
        """The median of each fact over rounds."""
        if not self.rounds:
            return None
        names = [name for name in Facts.__dataclass_fields__ if name.endswith("_seconds")]
        columns = {name: [getattr(facts, name) for facts in self.rounds] for name in names}
        medians: dict[str, Any] = {name: None if None in values else median(values) for name, values in columns.items()}
        return replace(self.rounds[-1], **medians)

    @property
    def stalls(self) -> tuple[float, ...]:
        """Of each round: step and both follow one another there, so that a drift affects both."""
        return tuple(facts.stall for facts in self.rounds)

    @property
    def verdict(self) -> tuple[str, str]:
        """Verdict and reason, or status and reason where there is none."""
        if self.given:
            return self.given
        return classify.classify(self.facts) if self.facts else (self.status, self.reason)


@cache
def parts(cell: Cell) -> tuple[Cell, Cell]:
    """What a fed cell is compared with: its pipeline alone, and its step alone."""
    return cell.input_alone, cell.step_alone


def is_fed(cell: Cell) -> bool:
    """Whether it is a model fed by a pipeline."""
    return cell.model != NO_MODEL and cell.pipeline != RESIDENT


def cells(fed: Iterable[Cell]) -> list[Cell]:
    """All cells to measure, each fed one right after its step; what several share is measured once per round."""
    return list(dict.fromkeys(part for cell in fed for part in (*parts(cell), cell)))


def group(measurements: Iterable[Measurement]) -> list[ThreeRuns]:
    """Groups the measurements of each fed cell of which the same round of the same sweep has all three.

    Rounds of several sweeps count together where they are of one setting: machine, cores, variables, code, data.
    """
    rounds: dict[tuple, dict[Cell, Measurement]] = {}
    for measurement in measurements:
        place = measurement.machine.get("id"), measurement.code.get("digest"), measurement.harness_version
        key = *place, measurement.sweep, measurement.round
        rounds.setdefault(key, {})[measurement.cell] = measurement
    groups: dict[tuple, list[list[Measurement | None]]] = {}
    for (*place, _, _), by_cell in rounds.items():
        for cell, both in by_cell.items():
            if is_fed(cell):
                pipeline, step = map(by_cell.get, parts(cell))
                if _same_model(step, both):
                    groups.setdefault((cell, *place, identity.setting(both)), []).append([pipeline, step, both])
    return [runs for (cell, *_), sets in groups.items() if (runs := _three_runs(cell, sets))]


def _same_model(step: Measurement | None, both: Measurement) -> bool:
    """Whether a step alone and a fed one have the same number of classes, which older programs did not see to."""
    if not (step and step.status == both.status == "ok"):
        return True
    return step.data.get("classes", CLASSES) == both.data.get("classes", CLASSES)


def latest(groups: Iterable[ThreeRuns]) -> list[ThreeRuns]:
    """Of each cell in each setting, which is all but the code, the group that was measured last."""
    ordered = sorted(groups, key=lambda runs: runs.measurement.started)
    return list({(runs.cell, identity.setting_of_any_code(runs.measurement)): runs for runs in ordered}.values())


def shares(runs: ThreeRuns) -> dict:
    """What a verdict is made from and what follows from that, as plain values; empty where there are no facts."""
    facts = runs.facts
    if facts is None:
        return {}
    return {
        **asdict(facts),
        "stall_share": facts.stall,
        "stall_shares": runs.stalls,
        "explained_share": facts.explained,
        "waiting_share": facts.waiting,
        "overlap": facts.overlap,
        "busy_share": facts.busy,
        "foreign_cpu_share": runs.foreign_cpu_share,
    }


def _three_runs(cell: Cell, sets: Sequence[Sequence[Measurement | None]]) -> ThreeRuns | None:
    """What was measured of one cell, three measurements per round; None where nothing was measured alone."""
    known = [[measurement for measurement in runs if measurement] for runs in sets]
    complete = [runs for runs in known if len(runs) == 3 and all(run.status == "ok" for run in runs)]
    failed = [run for runs in known for run in runs if run.status != "ok"]
    if not complete and not failed:
        return None
    return ThreeRuns(
        cell=cell,
        rounds=tuple(_facts(*runs) for runs in complete),
        status=failed[-1].status if failed else "ok",
        reason=failed[-1].reason if failed else "",
        foreign_cpu_share=max((run.foreign_cpu_share or 0.0 for runs in complete for run in runs), default=0.0),
        measurement=(complete or known)[-1][-1],
    )


def _facts(pipeline: Measurement, step: Measurement, both: Measurement) -> Facts:
    alone = summary.summarise([pipeline])
    return Facts(
        pipeline_seconds=alone.batch_seconds or 0.0,
        step_seconds=median(step.step_seconds),
        both_seconds=median(both.step_seconds),
        wait_seconds=median(both.step_wait_seconds) if both.step_wait_seconds else None,
        pipeline_cpu_seconds=alone.cpu_seconds or 0.0,
        both_cpu_seconds=median(both.step_cpu_seconds),
        cores=both.machine.get("usable_cores") or 1,
        shares_cores=both.cell.device == "cpu",
    )
