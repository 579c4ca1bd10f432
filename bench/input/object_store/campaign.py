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
    def count(self) -> int:
        """How many processes measure."""
        return len(self.pipelines) * (1 + len(self.stores)) * self.rounds


def run(plan: Plan, results: Path) -> Iterator[ObjectStoreResult]:
    """Measures the disk and each store, in reverse order every other round; gives each result when it is stored."""
    campaign, effort = new_mark(), Effort(seconds=plan.seconds)
    with measure.open_store(plan.source, plan.stores[0]) as opened:
        for number in range(plan.rounds):
            places = [None, *plan.stores] if number % 2 == 0 else [*reversed(plan.stores), None]
            for pipeline, place in ((pipeline, place) for pipeline in plan.pipelines for place in places):
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
