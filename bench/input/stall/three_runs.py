"""Measurements -> for each fed cell the pipeline alone, the step alone and both, round by round, and their verdict."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from bench.input.stall import classify
from bench.input.stall.classify import Facts
from bench.results import summary
from bench.results.cell import NO_MODEL, RESIDENT, Cell
from bench.results.measurement import Measurement
from bench.run.data_source import CLASSES


@dataclass(frozen=True, kw_only=True)
class Trio:
    """A cell, measured three times in each round.

    Attributes:
        cell: The fed one.
        rounds: Facts of each round whose three processes gave a figure.
        reason: Why there is none.
        status: Of the measurement that failed; `ok` if none did.
        foreign_cpu_share: Most that others used of the CPU meanwhile, 0 to 1.
        measurement: The last one, for machine, code and data.
    """

    cell: Cell
    rounds: tuple[Facts, ...]
    reason: str = ""
    status: str = "ok"
    foreign_cpu_share: float = 0.0
    measurement: Measurement

    @property
    def facts(self) -> Facts | None:
        """The median of each fact over rounds."""
        if not self.rounds:
            return None
        names = [name for name in Facts.__dataclass_fields__ if name.endswith("_seconds")]
        columns = {name: [getattr(one, name) for one in self.rounds] for name in names}
        middles = {name: None if None in values else median(values) for name, values in columns.items()}
        return replace(self.rounds[-1], **middles)

    @property
    def stalls(self) -> tuple[float, ...]:
        """Of each round: step and both follow one another there, so that a drift falls on both."""
        return tuple(one.stall for one in self.rounds)

    @property
    def verdict(self) -> tuple[str, str]:
        """Word and reason."""
        return classify.judge(self.facts) if self.rounds else (self.status, self.reason)


def alone(cell: Cell) -> tuple[Cell, Cell]:
    """What a fed cell is held against: its pipeline alone, and its step alone."""
    pipeline = Cell(model=NO_MODEL, pipeline=cell.pipeline, batch_size=cell.batch_size, image_size=cell.image_size)
    return pipeline, replace(cell, pipeline=RESIDENT)


def is_fed(cell: Cell) -> bool:
    """Whether it is a model fed by a pipeline."""
    return cell.model != NO_MODEL and cell.pipeline != RESIDENT


def cells(fed: Iterable[Cell]) -> list[Cell]:
    """All that is to be measured, each fed cell right after its step; what several share is measured once a round."""
    return list(dict.fromkeys(one for cell in fed for one in (*alone(cell), cell)))


def trios(measurements: Iterable[Measurement]) -> list[Trio]:
    """One for each fed cell of which the same round of the same sweep has all three.

    Rounds of several sweeps count together where they are of one machine, code and data.
    """
    rounds: dict[tuple, dict[Cell, Measurement]] = {}
    for one in measurements:
        place = one.machine.get("id"), one.code.get("digest"), one.ruler
        rounds.setdefault((*place, one.sweep, one.round), {})[one.cell] = one
    found: dict[tuple, list[list[Measurement | None]]] = {}
    for (*place, _, _), some in rounds.items():
        for cell, one in some.items():
            if is_fed(cell):
                three = [*(some.get(each) for each in alone(cell)), one]
                if _one_model(three[1], one):
                    found.setdefault((cell, *place, one.data.get("photos")), []).append(three)
    return [trio for (cell, *_), sets in found.items() if (trio := _trio(cell, sets))]


def _one_model(step: Measurement | None, both: Measurement) -> bool:
    """Whether a step alone and a fed one are of as many classes; where older programs saw to none, they may not be."""
    if not (step and step.status == both.status == "ok"):
        return True
    return step.data.get("classes", CLASSES) == both.data.get("classes", CLASSES)


def latest(found: Iterable[Trio]) -> list[Trio]:
    """Of each cell on each machine with each data the one that was measured last."""
    kept: dict[tuple, Trio] = {}
    for one in sorted(found, key=lambda one: one.measurement.started):
        kept[one.cell, one.measurement.machine.get("id"), one.measurement.data.get("photos")] = one
    return list(kept.values())


def _trio(cell: Cell, sets: Sequence[Sequence[Measurement | None]]) -> Trio | None:
    """What was measured of one cell, three a round; None where nothing was measured alone."""
    whole = [some for some in sets if all(one and one.status == "ok" for one in some)]
    failed = [one for some in sets for one in some if one and one.status != "ok"]
    if not whole and not failed:
        return None
    return Trio(
        cell=cell,
        rounds=tuple(_facts(*some) for some in whole),
        status=failed[-1].status if failed else "ok",
        reason=failed[-1].reason if failed else "",
        foreign_cpu_share=max((one.foreign_cpu_share or 0.0 for some in whole for one in some), default=0.0),
        measurement=(whole or sets)[-1][-1],
    )


def _facts(pipeline: Measurement, step: Measurement, both: Measurement) -> Facts:
    alone = summary.summarise([pipeline])
    return Facts(
        pipeline_seconds=alone.batch_seconds,
        step_seconds=median(step.step_seconds),
        both_seconds=median(both.step_seconds),
        wait_seconds=median(both.step_wait_seconds) if both.step_wait_seconds else None,
        pipeline_cpu_seconds=alone.cpu_seconds,
        both_cpu_seconds=median(both.step_cpu_seconds),
        cores=both.machine.get("usable_cores") or 1,
        shares_cores=both.cell.device == "cpu",
    )
