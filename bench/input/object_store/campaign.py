"""Measures pipelines from the disk and from stores of stated latency, in turns; each result is stored at once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.input.object_store import measure
from bench.input.object_store.measure import ObjectStoreResult
from bench.input.object_store.network import Conditions
from bench.results import store
from bench.results.result import new_mark
from bench.run.data_source import Source
from bench.run.durations import Durations, Planned
from bench.run.timing import Effort
from flowers_core.errors import one_of
from flowers_core.input.registry import PIPELINES


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is read, from where, and how long.

    Attributes:
        source: Photos and records on this disk, which the stores serve.
        stores: Conditions of each store that is compared with the disk.
        pipelines: Names; one of each kind unless given.
        rounds: Fresh processes of each pipeline and place.
        seconds: How long each process is timed.
        timeout: Limit for one process.
    """

    source: Source
    stores: tuple[Conditions, ...]
    pipelines: tuple[str, ...] = measure.PIPELINES
    rounds: int = 3
    seconds: float = 3.0
    timeout: float = 600.0

    def __post_init__(self):
        for name in self.pipelines:
            one_of("pipeline", name, PIPELINES)
        for reads in dict.fromkeys(PIPELINES[name].reads for name in self.pipelines):
            self.source.describe(reads)  # says what is missing before the first process starts

    @property
    def schedule(self) -> list[tuple[int, str, Conditions | None]]:
        """Round, pipeline and place of each process: the disk and each store, in reverse order every other round."""
        forth: list[Conditions | None] = [None, *self.stores]
        return [
            (number, pipeline, place)
            for number in range(self.rounds)
            for pipeline in self.pipelines
            for place in (forth if number % 2 == 0 else reversed(forth))
        ]


def planned(plan: Plan, results: Path, *, budget_seconds: float | None = None) -> Planned:
    """The processes that read, and how long they should take: as earlier ones did here."""
    known = Durations()
    for read in store.load(ObjectStoreResult, results).results:
        keys = [_alike(read.measurement.cell.pipeline, read.latency_seconds)]
        known.note(keys, read.measurement.process_seconds, read.machine)
    return Planned(
        what="reading processes",
        rounds=[number for number, *_ in plan.schedule],
        seconds=known.total(
            [_alike(pipeline, place.latency_seconds if place else None)] for _, pipeline, place in plan.schedule
        ),
        budget_seconds=budget_seconds,
    )


def _alike(pipeline: str, latency_seconds: float | None) -> tuple:
    """What processes that take about as long have in common."""
    return ObjectStoreResult.KIND, pipeline, latency_seconds


def run(plan: Plan, results: Path) -> Iterator[ObjectStoreResult]:
    """Measures all that is planned; gives each result when it is stored."""
    campaign, effort = new_mark(), Effort(seconds=plan.seconds)
    with measure.open_store(plan.source, plan.stores[0]) as opened:
        for number, pipeline, place in plan.schedule:
            opened.traffic.conditions = place or plan.stores[0]
            result = measure.read(
                measure.cell_of(pipeline),
                plan.source,
                store=opened if place else None,
                effort=effort,
                timeout=plan.timeout,
            )
            result = replace(result, campaign=campaign, round=number)
            store.append(result, results)
            yield result
