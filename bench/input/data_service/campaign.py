"""A pipeline without a service and over different numbers of workers, in turns; each result is stored as it ends."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.input.data_service import cluster, result
from bench.input.data_service.reader import Job, Task
from bench.input.data_service.result import DataServiceResult
from bench.results import store
from bench.results.result import new_mark
from bench.run.data_source import Source
from bench.run.durations import Durations, Planned
from flowers_core.errors import InputError, one_of
from flowers_core.input import data_service
from flowers_core.input import registry as pipelines

PIPELINES = tuple(name for name, row in pipelines.PIPELINES.items() if row.reads == "records")
FEW = ("records_parallel", "records_uint8")
TIMEOUT_SECONDS = 600.0  # for one process


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to read.

    Attributes:
        source: Where the records lie.
        workers: Numbers of workers to try, besides none.
        pipelines: Of `PIPELINES`.
        batch_size: Images per batch.
        rounds: Fresh processes for each number of workers.
        seconds: How long each pipeline is timed.
        dispatcher: Address of a service that runs already; empty to start one here.
    """

    source: Source
    workers: tuple[int, ...]
    pipelines: tuple[str, ...] = FEW
    batch_size: int = 32
    rounds: int = 3
    seconds: float = 3.0
    dispatcher: str = ""

    def __post_init__(self):
        for pipeline in self.pipelines:
            one_of("pipeline", pipeline, PIPELINES)
        if not self.dispatcher and (not self.workers or min(self.workers) < 1):
            raise InputError(f"`workers` must be numbers from 1. Received: workers={self.workers}")

    @property
    def schedule(self) -> list[tuple[int, int | None]]:
        """Round and number of workers of each process; each round begins with another number.

        0 workers are no service at all, None those of the dispatcher that was given.
        """
        numbers = (0, None) if self.dispatcher else (0, *sorted(set(self.workers)))
        return [
            (round_number, numbers[(round_number + step) % len(numbers)])
            for round_number in range(self.rounds)
            for step in range(len(numbers))
        ]


def planned(plan: Plan, results: Path, *, budget_seconds: float | None = None) -> Planned:
    """The measurements to come, and how long their processes should take: as earlier ones did here."""
    known = Durations().note_campaigns(
        store.load(DataServiceResult, results).results, lambda read: [_alike(read.round, read.workers)]
    )
    return Planned(
        what="measurements",
        rounds=[number for number, workers in plan.schedule for _ in tasks(plan, workers, number)],
        seconds=known.total([_alike(number, workers)] for number, workers in plan.schedule),
        budget_seconds=budget_seconds,
        is_whole=True,  # a process gives several measurements at once
    )


def _alike(number: int, workers: int | None) -> tuple:
    """What processes that take about as long have in common; those of the first round read whole epochs as well."""
    return DataServiceResult.KIND, workers, number == 0


def run(plan: Plan, results: Path) -> Iterator[DataServiceResult]:
    """Reads all that is planned; gives each result when it is stored.

    Raises:
        InputError: If the dispatcher that was given does not answer.
        RunFailed: If a server does not start.
    """
    campaign, expected = new_mark(), {}
    if plan.dispatcher:
        data_service.reach(plan.dispatcher)
    for round_number, workers in plan.schedule:
        facts = {"campaign": campaign, "workers": workers, "round": round_number}
        for read in _read(plan, workers, expected, facts):
            store.append(read, results)
            yield read


def _read(plan: Plan, workers: int | None, expected: dict[str, Counter], facts: dict) -> list[DataServiceResult]:
    """One number of workers in one round: how fast, and in the first round also whole epochs."""
    job = {"source": plan.source, "tasks": tasks(plan, workers, facts["round"])}
    limits = {"timeout": TIMEOUT_SECONDS, "expected": expected}
    if not workers:
        dispatcher = "" if workers == 0 else plan.dispatcher
        return result.read(Job(**job, dispatcher=dispatcher), **limits, **facts)
    with cluster.cluster(workers) as servers:
        return result.read(Job(**job, dispatcher=servers.address, pids=servers.pids), **limits, **facts)


def tasks(plan: Plan, workers: int | None, round_number: int) -> tuple[Task, ...]:
    """What one process reads."""
    size = {"batch_size": plan.batch_size}
    timed = [Task(pipeline=pipeline, seconds=plan.seconds, **size) for pipeline in plan.pipelines]
    if round_number:
        return tuple(timed)
    # A dispatcher that was given may not know its workers beforehand, which static sharding needs.
    shardings = tuple(data_service.SHARDING) if workers else ("dynamic",)
    epochs = [Task(pipeline=name, sharding=sharding, **size) for sharding in shardings for name in plan.pipelines]
    return (*timed, *epochs)
