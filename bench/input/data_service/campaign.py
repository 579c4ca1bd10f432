"""A pipeline without a service and over different numbers of workers, in turns; each is stored as it ends."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.input.data_service import cluster, result
from bench.input.data_service.cluster import Cluster
from bench.input.data_service.reader import Job, Task
from bench.input.data_service.result import DataServiceResult
from bench.results import store
from flowers_core.errors import InputError, one_of
from flowers_core.input import data_service
from flowers_core.input import registry as pipelines

PIPELINES = tuple(name for name, row in pipelines.PIPELINES.items() if row.reads == "records")
FEW = ("records_parallel", "records_uint8")
EVENT_BATCH = 4  # images a batch of an epoch in which a server is killed: in small steps little lies in buffers
RESTART_SECONDS = 180.0  # longest wait for a batch where a worker is started again, on a busy machine
LOST_SECONDS = 15.0  # … where it is not
TIMEOUT_SECONDS = 600.0  # for one process


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to draw.

    Attributes:
        records: Folder of the records.
        workers: Numbers of workers to try, besides none.
        pipelines: Of `PIPELINES`.
        batch_size: Images a batch.
        rounds: Fresh processes of each.
        seconds: How long each is timed.
        dispatcher: Address of a service that runs already; empty to start some here.
        kills: Whether servers are killed, too; never those of a dispatcher that was given.
    """

    records: str
    workers: tuple[int, ...]
    pipelines: tuple[str, ...] = FEW
    batch_size: int = 32
    rounds: int = 3
    seconds: float = 3.0
    dispatcher: str = ""
    kills: bool = True

    def __post_init__(self):
        for pipeline in self.pipelines:
            one_of("pipeline", pipeline, PIPELINES)
        if not self.dispatcher and (not self.workers or min(self.workers) < 1):
            raise InputError(f"`workers` must be numbers from 1. Received: workers={self.workers}")

    @property
    def setups(self) -> tuple[int | None, ...]:
        """Numbers of workers: 0 for no service at all, None for those of the dispatcher that was given."""
        return (0, None) if self.dispatcher else (0, *sorted(set(self.workers)))

    @property
    def turns(self) -> list[tuple[int, int | None]]:
        """Round and number of workers, one after another; each round begins with another, the first with none."""
        several = self.setups
        return [
            (number, several[(number + step) % len(several)])
            for number in range(self.rounds)
            for step in range(len(several))
        ]


def run(plan: Plan, results: Path) -> Iterator[DataServiceResult]:
    """Draws all; gives each when it is stored.

    Raises:
        InputError: If the dispatcher that was given does not answer.
        RunFailed: If a server does not start.
    """
    campaign, expected = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"), {}
    if plan.dispatcher:
        data_service.reach(plan.dispatcher)
    for number, workers in plan.turns:
        facts = {"campaign": campaign, "workers": workers, "round": number}
        last = plan.kills and workers and (number, workers) == (plan.rounds - 1, max(plan.setups))
        for one in _turn(plan, workers, expected, facts, kills=bool(last)):
            store.append(one, results)
            yield one


def _turn(plan: Plan, workers: int | None, expected: dict[str, Counter], facts: dict, *, kills: bool):
    """One number of workers in one round: rates, in the first round also whole epochs, in the last also kills."""
    if not workers:
        given = Job(records=plan.records, tasks=tasks(plan, workers, facts["round"]))
        given = given if workers == 0 else _over(given, plan.dispatcher, {})
        yield from result.read(given, timeout=TIMEOUT_SECONDS, expected=expected, **facts)
        return
    with cluster.cluster(workers) as servers:
        job = Job(records=plan.records, tasks=tasks(plan, workers, facts["round"]))
        job = _over(job, servers.address, servers.pids)
        yield from result.read(job, timeout=TIMEOUT_SECONDS, expected=expected, **facts)
        if kills:
            yield from _killed(plan, servers, expected, facts)


def _over(job: Job, dispatcher: str, pids: dict) -> Job:
    return Job(records=job.records, tasks=job.tasks, dispatcher=dispatcher, pids=pids)


def tasks(plan: Plan, workers: int | None, number: int) -> tuple[Task, ...]:
    """What one process draws."""
    size = {"batch_size": plan.batch_size}
    found = [Task(pipeline=pipeline, seconds=plan.seconds, **size) for pipeline in plan.pipelines]
    if not number:
        # A dispatcher that was given may not have been told its workers, which static sharding needs.
        ways = tuple(data_service.SHARDING) if workers else ("dynamic",)
        found += [
            Task(pipeline=pipeline, sharding=sharding, **size) for sharding in ways for pipeline in plan.pipelines
        ]
    return tuple(found)


def _killed(plan: Plan, servers: Cluster, expected: dict[str, Counter], facts: dict) -> Iterator[DataServiceResult]:
    """Epochs in which a server is killed: a worker that is started again, one that is not, the dispatcher."""
    pipeline = plan.pipelines[-1]
    for sharding in data_service.SHARDING:
        task = Task(
            pipeline=pipeline,
            batch_size=EVENT_BATCH,
            sharding=sharding,
            kills="worker",
            silent_seconds=RESTART_SECONDS,
        )
        job = _over(Job(records=plan.records, tasks=(task,)), servers.address, servers.pids)
        with servers.minded():
            yield from result.read(job, timeout=TIMEOUT_SECONDS, expected=expected, restarted=True, **facts)
    for role in ("worker", "dispatcher"):
        servers.mend()
        task = Task(pipeline=pipeline, batch_size=EVENT_BATCH, kills=role, silent_seconds=LOST_SECONDS)
        job = _over(Job(records=plan.records, tasks=(task,)), servers.address, servers.pids)
        yield from result.read(job, timeout=TIMEOUT_SECONDS, expected=expected, **facts)


def count(plan: Plan) -> int:
    """How many `run` will give."""
    whole = sum(len(tasks(plan, workers, number)) for number, workers in plan.turns)
    return whole + (2 + len(data_service.SHARDING)) * (plan.kills and not plan.dispatcher)
